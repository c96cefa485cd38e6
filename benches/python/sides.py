"""Sides of a comparison: processes that time turns when they are told to."""

from __future__ import annotations

import signal
import statistics
import subprocess
from pathlib import Path

TURNS = Path(__file__).with_name("turns.py")

# The first operation of a program: the wheel has instructions that processors without
# AVX-512 die of.
FIRST = """
import liburing as u
ring, cqe = u.Ring(), u.Cqe()
u.io_uring_queue_init(8, ring, 0)
u.io_uring_prep_nop(u.io_uring_get_sqe(ring))
u.io_uring_submit(ring)
u.io_uring_wait_cqe(ring, cqe)
u.io_uring_cqe_seen(ring, cqe[0])
u.io_uring_queue_exit(ring)
"""


def unusable(interpreter):
    """Why the wheel that an interpreter has cannot run on this machine; None if it can."""
    try:
        done = subprocess.run(
            [interpreter, "-c", FIRST], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it does not start: {error}"
    if done.returncode < 0:
        number = -done.returncode
        name = signal.Signals(number).name if number in set(signal.Signals) else number
        more = ": this processor lacks instructions it has" if name == "SIGILL" else ""
        return f"it dies of {name}{more}"
    if done.returncode:
        return f"it fails: {done.stderr.strip()[-200:]}"
    return None


class Side:
    """A process that answers each line with the nanoseconds of an operation."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def turn(self):
        """Nanoseconds per operation of one turn."""
        print(file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a side of the comparison ended early: {self.process.args}")
        return float(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def python(interpreter, job, *arguments):
    """A job of turns.py."""
    return Side(interpreter, TURNS, job, *arguments)


def alternate(sides, turns):
    """Runs the sides by turns; `{name: [nanoseconds]}`."""
    found = {name: [] for name in sides}
    for side in sides.values():
        side.turn()
    names = list(sides)
    for turn in range(turns):
        for name in names if turn % 2 else reversed(names):
            found[name].append(sides[name].turn())
    for side in sides.values():
        side.close()
    return found


def ratios(ours, theirs):
    """Quartiles of the ratios of the same turns."""
    return statistics.quantiles([our / other for our, other in zip(ours, theirs)], n=4)
