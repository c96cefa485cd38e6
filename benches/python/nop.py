"""NOPs through the function tier: ours against the wheel of PyPI.

    python nop.py [--peer PYTHON] [--floor PROGRAM] [--turns N]

PYTHON is an interpreter of an environment that has the wheel, PROGRAM is
floor.c, compiled. All take turns. Medians of nanoseconds an operation, and of
the ratios to the wheel, with quartiles. Two columns show what no library can
go below: `builtins` is the same loop with functions and attributes of the
interpreter that do nothing, `C` the same loop in C, most of which is the kernel.
"""

import argparse
import json
import statistics
import sys

from sides import Side, alternate, python, ratios, unusable

ROWS = (
    ("NOP, one at a time, no loop around each part", "one", 1),
    ("NOP, batch 1", "function", 1),
    ("NOP, batch 32", "function", 32),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="interpreter that has the wheel")
    parser.add_argument("--floor", help="floor.c, compiled")
    parser.add_argument("--turns", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.peer:
        print("the wheel is absent: give --peer to compare", file=sys.stderr)
    elif reason := unusable(options.peer):
        print(f"the wheel is left out: {reason}", file=sys.stderr)
        options.peer = None
    results = {}
    for name, loop, batch in ROWS:
        sides = {"ours": python(sys.executable, f"{loop}_nops", batch)}
        if options.peer:
            sides["wheel"] = python(options.peer, f"{loop}_nops", batch)
        sides["builtins"] = python(sys.executable, f"{loop}_builtins", batch)
        if options.floor:
            sides["C"] = Side(options.floor, "nops", batch)
        found = results[name] = alternate(sides, options.turns)
        if options.json:
            continue
        parts = [f"{side} {statistics.median(times):.0f} ns" for side, times in found.items()]
        if options.peer:
            low, middle, high = ratios(found["ours"], found["wheel"])
            parts.append(f"ratio {middle:.2f} ({low:.2f} to {high:.2f})")
        print(f"{name + ':':<46}", "  ".join(parts), flush=True)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
