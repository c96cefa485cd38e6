"""The object tier's batches against the PyPI package, and reads against os.preadv.

    python objects.py [--peer PYTHON] [--turns N] [--quick]

PYTHON is an interpreter whose `liburing` is the package to compare with. Each
side is a process of its own that runs a turn when told to; the turns alternate.
Ratios are ours to theirs of the same round: the median, and the quartiles.
Below 1 is faster. Without a peer only the comparison with os.preadv is made.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BLOCK = 4096
BLOCKS = 4096


class Side:
    """A process that times turns of one job."""

    def __init__(self, python, job, *arguments):
        self.process = subprocess.Popen(
            [python, HERE / "turns.py", job, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def turn(self):
        """Nanoseconds per operation of one turn."""
        print(file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a side of the comparison ended early")
        return float(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare(name, ours, theirs, turns):
    """Prints one line."""
    for side in (ours, theirs):
        side.turn()
    pairs = []
    for turn in range(turns):
        first = ours.turn() if turn % 2 else None
        other = theirs.turn()
        pairs.append((ours.turn() if first is None else first, other))
    for side in (ours, theirs):
        side.close()
    ratios = [our / other for our, other in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    our, other = (statistics.median(column) for column in zip(*pairs))
    print(f"{name:<48} {our:>9.0f} {other:>9.0f} {middle:>7.2f} ({low:.2f} to {high:.2f})")
    return middle


def make_files(folder):
    """A file of random blocks, and many small ones."""
    data = folder / "data"
    data.write_bytes(random.Random(1).randbytes(BLOCK * BLOCKS))
    many = folder / "many"
    many.mkdir()
    for number in range(1000):
        (many / str(number)).write_bytes(b"x" * 1000)
    fd = os.open(data, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    return data, many


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer")
    parser.add_argument("--turns", type=int, default=21)
    parser.add_argument("--quick", action="store_true", help="few turns: only that it runs")
    parser.add_argument("--folder", help="where the files are made; uncached reads need a disk")
    arguments = parser.parse_args()
    turns = 3 if arguments.quick else arguments.turns
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        data, many = make_files(Path(folder))
        if arguments.peer:
            print(f"{'ours against the PyPI package, ns/operation':<48} {'ours':>9} {'theirs':>9}   ratio")
            for depth in (32, 128):
                compare(
                    f"NOP, batches of {depth}",
                    Side(sys.executable, "nops", depth),
                    Side(arguments.peer, "peer_nops", depth), turns,
                )  # fmt: skip
            for job in ("reads", "fixed_reads"):
                for depth in (32, 128):
                    compare(
                        f"4 KiB page-cache {job.replace('_', ' ')}, batches of {depth}",
                        Side(sys.executable, job, depth, data),
                        Side(arguments.peer, "peer_reads", depth, data), turns,
                    )  # fmt: skip
            compare(
                "4 KiB page-cache reads, a handle each, 32",
                Side(sys.executable, "handles", 32, data),
                Side(arguments.peer, "peer_reads", 32, data), turns,
            )  # fmt: skip
        print(f"{'ours against os.preadv in a loop, ns/operation':<48} {'ours':>9} {'preadv':>9}   ratio")
        for name, job, peer, *rest in (
            ("4 KiB page-cache reads, batches of 128", "reads", "preadv", 128, data),
            ("the same, depth 1", "reads", "preadv", 1, data),
            ("4 KiB uncached (O_DIRECT) reads, depth 1", "direct", "preadv_direct", 1, data),
            ("4 KiB uncached (O_DIRECT) reads, depth 32", "direct", "preadv_direct", 32, data),
            ("4 KiB uncached (O_DIRECT) reads, depth 128", "direct", "preadv_direct", 128, data),
            ("open, read and close 1,000 small files", "many", "many_calls", 100, many),
        ):
            compare(
                name, Side(sys.executable, job, *rest), Side(sys.executable, peer, *rest), turns
            )


if __name__ == "__main__":
    main()
