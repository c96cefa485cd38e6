"""Sides of a comparison: processes that time turns when they are told to."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path

TURNS = Path(__file__).with_name("turns.py")


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
