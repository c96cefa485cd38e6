"""NOPs through the function tier: ours against the wheel of PyPI.

    python nop.py [--peer PYTHON] [--rounds N]

PYTHON is an interpreter of an environment that has the wheel. The two take
turns; the figures are the median and the quartiles of nanoseconds an
operation, and the ratio of the medians.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

BATCHES = (1, 32)


def measure(batch):
    """Nanoseconds an operation in one go of about twenty milliseconds."""
    import liburing as u

    ring, cqe = u.Ring(), u.Cqe()
    u.io_uring_queue_init(64, ring)

    def turn():
        for _ in range(batch):
            sqe = u.io_uring_get_sqe(ring)
            u.io_uring_prep_nop(sqe)
            sqe.user_data = 1
        u.io_uring_submit(ring)
        for _ in range(batch):
            u.io_uring_wait_cqe(ring, cqe)
            entry = cqe[0]
            entry.res
            u.io_uring_cqe_seen(ring, entry)

    rounds = 20_000 // batch
    start = time.perf_counter_ns()
    for _ in range(rounds):
        turn()
    nanoseconds = (time.perf_counter_ns() - start) / rounds / batch
    u.io_uring_queue_exit(ring)
    return nanoseconds


def serve():
    """Measures a batch size for each line of standard input."""
    for line in sys.stdin:
        print(measure(int(line)), flush=True)


class Side:
    """An interpreter that measures on request."""

    def __init__(self, python):
        command = [python, __file__, "--serve"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, batch):
        self.process.stdin.write(f"{batch}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="interpreter that has the wheel")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve()
    sides = {"ours": Side(sys.executable)}
    if options.peer:
        sides["wheel"] = Side(options.peer)
    else:
        print("the wheel is absent: give --peer to compare")
    results = {}
    for batch in BATCHES:
        times = {name: [] for name in sides}
        for side in sides.values():
            side.ask(batch)
        for _ in range(options.rounds):
            for name, side in sides.items():
                times[name].append(side.ask(batch))
        results[batch] = times
    for side in sides.values():
        side.close()
    if options.json:
        return print(json.dumps(results))
    for batch, times in results.items():
        parts = [f"NOP, batch {batch:2}:"]
        for name, found in times.items():
            low, middle, high = statistics.quantiles(found, n=4)
            parts.append(f"{name} {middle:.0f} ns ({low:.0f} to {high:.0f})")
        if "wheel" in times:
            ratios = sorted(a / b for a, b in zip(times["ours"], times["wheel"]))
            parts.append(f"ratio {statistics.median(ratios):.2f}")
            parts.append(f"best {min(times['ours']) / min(times['wheel']):.2f}")
        print("  ".join(parts))


if __name__ == "__main__":
    main()
