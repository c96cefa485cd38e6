#!/usr/bin/env python3
"""Compares this library with the installed liburing: the same C source, compiled
against each. README.md tells what the figures mean.

--check runs every program briefly on both sides, verifies its results and compares
nothing; it ends with `N passed, N failed, N skipped`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left in the source tree
import measure

FILE_BLOCKS = 4096
COMPILERS = ("gcc", "clang")
PARTS = (
    # what, part of the program, function, counted once for each operation (or once for a call)
    ("get_sqe, prep_nop, set_data64", "wait", "fill", True),
    ("wait_cqe, cqe_seen", "wait", "take_wait", True),
    ("peek_cqe, cqe_seen", "peek", "take_peek", True),
    ("peek_batch_cqe, cq_advance", "batch", "take_batch", True),
    ("for_each_cqe, cq_advance", "each", "take_each", True),
    ("submit, a call", "submit", "call_submit", False),
    ("submit_and_wait, a call", "submit_and_wait", "call_submit_and_wait", False),
)


class Table:
    """Prints rows as they come and keeps them."""

    def __init__(self) -> None:
        self.rows = []

    def heading(self, text: str) -> None:
        print(f"\n{text:52}{'ours':>9}{'peer':>9}{'ratio':>8}   spread", flush=True)

    def row(self, what: str, ours: str, peer: str, ratio: str, spread: str, raw: dict) -> None:
        self.rows.append({"what": what, **raw})
        print(f"{what:52}{ours:>9}{peer:>9}{ratio:>8}   {spread}", flush=True)

    def note(self, what: str, reason: str) -> None:
        self.row(what, "-", "-", "-", reason, {"reason": reason})

    def counts(self, what: str, samples: list, reason: str = "") -> None:
        """Counts of both sides (the second may be missing), each several times."""
        middles = [statistics.median(each) for each in samples]
        width = max(max(each) - min(each) for each in samples)
        spread = (f"none in {len(samples[0])} counts" if width == 0 else
                  f"{width:.2g} at most in {len(samples[0])} counts")
        peer = f"{middles[1]:.1f}" if len(middles) > 1 else "none"
        ratio = f"{middles[0] / middles[1]:.2f}" if len(middles) > 1 else "-"
        self.row(what, f"{middles[0]:.1f}", peer, ratio, spread + (f"; {reason}" if reason else ""),
                 {"unit": "instructions", "ours": samples[0], "peer": samples[1] if len(samples) > 1 else None})

    def times(self, what: str, ratios: list) -> None:
        low, middle, high = measure.quartiles(ratios)
        self.row(what, "", "", f"{middle:.3f}", f"quartiles {low:.3f} to {high:.3f}, {len(ratios)} pairs",
                 {"unit": "ratio of times", "ratios": [round(each, 4) for each in ratios]})

    def numbers(self, what: str, ours: int, peer: int | None, spread: str, unit: str) -> None:
        self.row(what, f"{ours:g}", f"{peer:g}" if peer else "none", f"{ours / peer:.2f}" if peer else "-",
                 spread, {"unit": unit, "ours": ours, "peer": peer})


def instructions(table: Table, arguments, folder: pathlib.Path, by_compiler: dict) -> None:
    first = next(side for sides in by_compiler.values() if isinstance(sides, list) for side in sides)
    counter, name = measure.find_counter(first.command("nop-bare", 1, 10))
    table.heading(f"Instructions in user space, by {name}" if counter else "Instructions in user space")
    if not counter:
        return table.note("instructions", name)
    repeats = 2 if arguments.quick else 3

    def count(program, sides, units, words, function=None):
        return [measure.per_unit(counter, lambda rounds, side=side: side.command(
            program, *(rounds if word == "ROUNDS" else word for word in words)), units, repeats, function)
            for side in sides]

    for compiler, sides in by_compiler.items():
        if not isinstance(sides, list):
            table.note(f"with {compiler}", sides)
            continue
        for how, batches in (("bare", (1, 32, 128)), ("one", (32,)), ("batch", (32,)), ("each", (32,))):
            for batch in batches:
                table.counts(f"a NOP, batch {batch}, taken by {how}, {compiler}",
                             count(f"nop-{how}", sides, batch, [batch, "ROUNDS"]))
        table.counts(f"a NOP, batch 32, one of four ways, {compiler}", count("nop", sides, 32, [32, "ROUNDS", "bare"]))
        if counter is not measure.callgrind:
            table.note(f"the pieces of it, {compiler}", "single functions need valgrind")
        else:
            for what, part, function, each in PARTS:
                table.counts(f"  {what}, {compiler}",
                             count("parts", sides, 32 if each else 1, [part, 32, "ROUNDS"], function))
        having, reason = sides, ""
        for side in sides[1:]:
            if measure.run(side.command("ffi", 1, 1)).returncode == measure.SKIPPED:
                having, reason = sides[:1], f"the peer has no {measure.FFI}"
        table.counts(f"a NOP through the ffi library, batch 32, {compiler}",
                     count("ffi", having, 32, [32, "ROUNDS"]), reason)


def times(table: Table, arguments, sides: list, file: pathlib.Path) -> None:
    table.heading("Time")
    if len(sides) < 2:
        return table.note("times", "they are told as ratios, and there is no peer")
    pairs = 11 if arguments.quick else 31
    ours, peer = sides

    def compare(what, program, *words):
        table.times(what, measure.time_ratios(ours.command(program, *words), peer.command(program, *words), pairs))

    for batch in (1, 32, 128):
        compare(f"NOPs, batch {batch}", "nop-bare", batch, 400_000 // batch)
    table.times("NOPs, batch 32, the peer against itself (noise)",
                measure.time_ratios(*[peer.command("nop-bare", 32, 400_000 // 32)] * 2, pairs))
    for depth in (1, 32, 128):
        compare(f"4 KiB page-cache reads, depth {depth}", "read", file, depth, 128_000)
    table.times("reads, depth 32, the peer against itself (noise)",
                measure.time_ratios(*[peer.command("read", file, 32, 128_000)] * 2, pairs))
    compare("setup and exit of a ring", "setup", 300)


def calls_and_sizes(table: Table, sides: list, folder: pathlib.Path) -> None:
    table.heading("System calls and sizes")
    if not shutil.which("strace"):
        table.note("system calls", "strace is not installed")
    else:
        try:
            calls = [measure.calls_per_ring(side) for side in sides]
            totals = [sum(each.values()) for each in calls]
            table.numbers("system calls of a setup and exit", totals[0], totals[1] if len(totals) > 1 else None,
                          "mean of 50 rings", "calls")
            for name in sorted({name for each in calls for name in each}):
                counts = [each.get(name, 0) for each in calls]
                if len(set(counts)) > 1:
                    table.row(f"  {name}", f"{counts[0]:g}", f"{counts[1]:g}", "-", "mean of 50 rings",
                              {"unit": "calls", "ours": counts[0], "peer": counts[1]})
        except RuntimeError as error:
            table.note("system calls of a setup and exit", str(error))
    if not shutil.which("strip"):
        return table.note("sizes", "strip is not installed")
    for library in ("liburing.so.2", measure.FFI):
        paths = [side.library.parent / library for side in sides]
        sizes = [measure.stripped_size(path, folder) if path.exists() else None for path in paths]
        table.numbers(f"bytes of {library}, stripped", sizes[0], sizes[1] if len(sizes) > 1 else None,
                      "one file each", "bytes")


def check(sides: list, folder: pathlib.Path, missing: str) -> int:
    """That the programs do what they say, and that they notice when the result is wrong."""
    file = measure.data_file(folder / "blocks", 256)
    wrong = measure.data_file(folder / "wrong", 256, offset=1)
    good = [("nop", 1, 10), ("nop-bare", 32, 10), ("nop-one", 32, 10), ("nop-batch", 32, 10), ("nop-each", 32, 10),
            ("nop", 32, 10, "bare"), ("nop", 32, 10, "one"), ("nop", 32, 10, "batch"), ("nop", 128, 10, "each"),
            *(("read", file, depth, 3 * depth) for depth in (1, 32, 128)), ("setup", 5),
            *(("parts", part, 32, 10) for part in dict.fromkeys(row[1] for row in PARTS)), ("ffi", 32, 10)]
    bad = [(("read", wrong, 4, 8), 1, "the bytes of a block"),
           (("read", folder / "none", 4, 8), 1, "No such file"),
           *((words, 2, "usage") for words in (("nop", 0, 1), ("nop", 8, 1, "other"), ("nop-each", 2000, 1),
                                               ("parts", "wait", 4096, 1), ("setup",)))]
    passed = failed = skipped = 0
    if missing:
        skipped += len(good) + len(bad)
        print(f"skip {len(good) + len(bad)} of the installed liburing: {missing}")
    for side in sides:
        for words, code, says in [(words, 0, "") for words in good] + bad:
            done = measure.run(side.command(*words), timeout=60)
            timed = words[0] in ("parts",) or code or measure.TIME.fullmatch(done.stdout)
            name = f"{side.name}: {' '.join(map(str, (pathlib.Path(str(word)).name for word in words)))}"
            if done.returncode == -signal.SIGILL and side is not sides[0]:
                skipped += 1
                print(f"skip {name}: the installed liburing dies of SIGILL on this processor")
            elif done.returncode == measure.SKIPPED:
                skipped += 1
                print(f"skip {name}: {done.stdout.strip()}")
            elif done.returncode == code and says in done.stdout and timed:
                passed += 1
            else:
                failed += 1
                print(f"FAIL {name}: exit code {done.returncode} for {code}: {done.stdout.strip()}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def both_sides(arguments, folder: pathlib.Path, compiler: str) -> tuple:
    """The sides there are, ours first, and why the peer is missing if it is."""
    ours = measure.build("ours", folder, compiler, arguments.include.resolve(), arguments.libdir.resolve())
    if isinstance(ours, str):
        sys.exit(f"ours: {ours}")
    peer = measure.build("peer", folder, compiler, None, None)
    if isinstance(peer, str):
        return [ours], peer
    if measure.same(ours, peer):
        return [ours], f"what is installed ({peer.library}) is this library"
    return [ours, peer], ""


def describe(sides: list, compilers: list) -> dict:
    models = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    return {
        "date": datetime.date.today().isoformat(),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "processor": models[0] if models else "unknown",
        "cpus": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 1),
        "compilers": [measure.output([name, "--version"]).splitlines()[0] for name in compilers],
        **{side.name: side.library.name for side in sides},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--include", type=pathlib.Path, required=True, help="folder of our headers")
    parser.add_argument("--libdir", type=pathlib.Path, required=True, help="folder of our libraries")
    parser.add_argument("--quick", action="store_true", help="fewer pairs and counts")
    parser.add_argument("--json", type=pathlib.Path, help="also write every single figure there")
    parser.add_argument("--check", action="store_true", help="only verify the programs")
    arguments = parser.parse_args()
    table = Table()

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = pathlib.Path(name)
        main_compiler = next((each for each in COMPILERS if shutil.which(each)), "cc")
        sides, missing = both_sides(arguments, folder, main_compiler)
        if arguments.check:
            return check(sides, folder, missing)
        if measure.run(sides[0].command("nop", 1, 1)).returncode == measure.SKIPPED:
            print("io_uring is not to be had here: nothing can be measured")
            return 1
        by_compiler = {main_compiler: sides}
        for compiler in COMPILERS:
            if compiler not in by_compiler:
                by_compiler[compiler] = (both_sides(arguments, folder, compiler)[0] if shutil.which(compiler)
                                         else "not installed")
        about = describe(sides, [each for each, found in by_compiler.items() if isinstance(found, list)])
        for key, value in about.items():
            print(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
        if missing:
            print(f"peer: none: {missing}")
        instructions(table, arguments, folder, by_compiler)
        times(table, arguments, sides, measure.data_file(folder / "blocks", FILE_BLOCKS))
        calls_and_sizes(table, sides, folder)
    if arguments.json:
        # One line a row, so that records can be compared by eye.
        rows = ",\n  ".join(json.dumps(row) for row in table.rows)
        head = json.dumps({**about, "rows": []}, indent=1).removesuffix("[]\n}")
        arguments.json.write_text(f"{head}[\n  {rows}\n ]\n}}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
