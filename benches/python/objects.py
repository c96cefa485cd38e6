"""The object tier's batches against the PyPI package, and reads against os.preadv.

    python objects.py [--peer PYTHON] [--floor PROGRAM] [--turns N] [--quick]

PYTHON is an interpreter whose `liburing` is the package to compare with, PROGRAM
is floor.c, compiled: the same in C, which is what the kernel takes. Each
side is a process of its own that runs a turn when told to; the turns alternate.
Ratios are ours to theirs of the same round: the median, and the quartiles.
Below 1 is faster. Without a peer only the comparison with os.preadv is made.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

from sides import Side, alternate, python, ratios, unusable

BLOCK = 4096
BLOCKS = 4096


def compare(name, ours, theirs, turns, floor=None):
    """Prints one line."""
    sides = {"ours": ours, "theirs": theirs} | ({"floor": floor} if floor else {})
    found = alternate(sides, turns)
    low, middle, high = ratios(found["ours"], found["theirs"])
    columns = "".join(f" {statistics.median(times):>9.0f}" for times in found.values())
    columns += " " * (30 - len(columns))
    print(f"{name:<48}{columns} {middle:>7.2f} ({low:.2f} to {high:.2f})", flush=True)


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


def against_the_package(arguments, turns, data):
    """Batches and handles, with the same in C beside them."""
    print(
        f"{'ours against the PyPI package, ns/operation':<48}"
        f" {'ours':>9} {'theirs':>9} {'C':>9}   ratio"
    )
    rows = [("NOP", "nops", "function_nops", depth) for depth in (32, 128)]
    for job in ("reads", "fixed_reads"):
        name = f"4 KiB page-cache {job.replace('_', ' ')}"
        rows += [(name, job, "function_reads", depth, data) for depth in (32, 128)]
    for name, job, peer, depth, *rest in rows:
        compare(
            f"{name}, batches of {depth}",
            python(sys.executable, job, depth, *rest),
            python(arguments.peer, peer, depth, *rest),
            turns,
            arguments.floor and Side(arguments.floor, job, depth, *rest),
        )
    for name, job in (("a handle each", "handles"), ("functions", "function_reads")):
        compare(
            f"4 KiB page-cache reads, {name}, 32",
            python(sys.executable, job, 32, data),
            python(arguments.peer, "function_reads", 32, data),
            turns,
            arguments.floor and Side(arguments.floor, "reads", 32, data),
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer")
    parser.add_argument("--floor", help="floor.c, compiled")
    parser.add_argument("--turns", type=int, default=21)
    parser.add_argument("--quick", action="store_true", help="few turns: only that it runs")
    parser.add_argument("--folder", help="where the files are made; uncached reads need a disk")
    arguments = parser.parse_args()
    turns = 3 if arguments.quick else arguments.turns
    if arguments.peer and (reason := unusable(arguments.peer)):
        print(f"the PyPI package is left out: {reason}", file=sys.stderr)
        arguments.peer = None
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        data, many = make_files(Path(folder))
        if arguments.peer:
            against_the_package(arguments, turns, data)
        print(f"\n{'ours against os.preadv in a loop, ns/operation':<48} {'ours':>9} {'preadv':>9} {'':>9}   ratio")
        for name, job, peer, *rest in (
            ("4 KiB page-cache reads, batches of 128", "reads", "preadv", 128, data),
            ("the same, depth 1", "reads", "preadv", 1, data),
            ("4 KiB uncached (O_DIRECT) reads, depth 1", "direct", "preadv_direct", 1, data),
            ("4 KiB uncached (O_DIRECT) reads, depth 32", "direct", "preadv_direct", 32, data),
            ("4 KiB uncached (O_DIRECT) reads, depth 128", "direct", "preadv_direct", 128, data),
            ("open, read and close 1,000 small files", "many", "many_calls", 100, many),
        ):
            compare(
                name, python(sys.executable, job, *rest), python(sys.executable, peer, *rest), turns
            )


if __name__ == "__main__":
    main()
