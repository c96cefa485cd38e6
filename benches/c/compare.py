#!/usr/bin/env python3
"""Compares this library with the installed liburing: the same C source, compiled
against each.

Instructions are counted in user space by callgrind: the difference of two run
lengths, so that start and end do not count; they repeat exactly. Times are told
as ratios only: both programs run alternately, in random order within a pair, and
the median of the pairs' ratios is given with its quartiles.

--check runs every program briefly on both sides and compares nothing; it ends with
`N passed, N failed, N skipped`.
"""

import argparse
import json
import os
import pathlib
import platform
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = ("nop", "read", "setup")
SIDES = ("ours", "peer")
FILE_BLOCKS = 4096


def build(arguments: argparse.Namespace, folder: pathlib.Path, compiler: str) -> dict:
    """side -> program -> path; sides that cannot be built are absent."""
    libdir = arguments.libdir.resolve()
    flags = {
        "ours": ([f"-I{arguments.include.resolve()}"],
                 [f"-L{libdir}", "-luring", f"-Wl,-rpath,{libdir}"]),
        "peer": ([], ["-luring"]),
    }
    built = {}
    for side, (options, libraries) in flags.items():
        built[side] = {}
        for name in PROGRAMS:
            program = folder / f"{name}-{side}-{compiler}"
            done = subprocess.run(
                [compiler, "-O2", "-w", *options, str(HERE / f"{name}.c"), "-o", str(program), *libraries],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode:
                if side == "ours":
                    sys.exit(f"{name} does not compile:\n{done.stdout}")
                built.pop(side)
                break
            built[side][name] = program
    return built


def instructions(command: list) -> int:
    """User-space instructions of one run."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    match = re.search(r"Collected : (\d+)", done.stdout)
    if done.returncode or not match:
        raise RuntimeError(done.stdout[-500:])
    return int(match[1])


def per_operation(program: pathlib.Path, batch: int, part: str) -> float:
    short, long = 50, 250
    return (instructions([program, batch, long, part]) - instructions([program, batch, short, part])) / (
        (long - short) * batch)


def seconds(command: list) -> float:
    started = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def ratio(ours: list, peer: list, pairs: int) -> tuple:
    """Median and quartiles of ours/peer over interleaved pairs."""
    ratios = []
    seconds(ours), seconds(peer)
    for _ in range(pairs):
        if random.random() < 0.5:
            mine, theirs = seconds(ours), seconds(peer)
        else:
            theirs, mine = seconds(peer), seconds(ours)
        ratios.append(mine / theirs)
    low, middle, high = statistics.quantiles(ratios, n=4)
    return middle, low, high


def system_calls(command: list) -> str:
    if not shutil.which("strace"):
        return "strace is not installed"
    done = subprocess.run(["strace", "-f", "-c", *map(str, command)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    match = re.search(r"^100\.00\s.*?(\d+)\s+(?:\d+\s+)?total$", done.stdout, re.MULTILINE)
    return match[1] if match else "strace cannot trace here"


def data_file(folder: pathlib.Path) -> pathlib.Path:
    path = folder / "blocks"
    with path.open("wb") as file:
        for number in range(FILE_BLOCKS):
            file.write(struct.pack("<Q", number) + bytes(4088))
    return path


def check(built: dict, file: pathlib.Path) -> int:
    passed = failed = skipped = 0
    for side in SIDES:
        if side not in built:
            skipped += 6
            print("skip the installed liburing: it is not there, or has no headers")
            continue
        for command in (["nop", 1, 10, "one"], ["nop", 32, 10, "one"], ["nop", 32, 10, "batch"],
                        ["nop", 128, 10, "each"], ["read", file, 32, 320], ["setup", 5]):
            done = subprocess.run([str(built[side][command[0]]), *map(str, command[1:])],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=60, check=False)
            if done.returncode:
                failed += 1
                print(f"FAIL {side} {command}: {done.stdout}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true", help="fewer pairs")
    parser.add_argument("--json", type=pathlib.Path, help="also write the rows there")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    rows = []

    def row(what: str, ours: str, peer: str, result: str) -> None:
        rows.append({"what": what, "ours": ours, "peer": peer, "result": result})
        print(f"{what:44}{ours:>10}{peer:>10}   {result}", flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = pathlib.Path(name)
        file = data_file(folder)
        built = build(arguments, folder, "cc")
        if arguments.check:
            return check(built, file)
        if "peer" not in built:
            print("no liburing with headers is installed: there is nothing to compare with")
            return 1
        version = subprocess.run(["pkg-config", "--modversion", "liburing"], stdout=subprocess.PIPE,
                                 text=True, check=False).stdout.strip() if shutil.which("pkg-config") else "?"
        print(f"{platform.system()} {platform.release()} {platform.machine()}, "
              f"{os.cpu_count()} CPUs; peer: liburing {version}\n")
        print(f"{'':44}{'ours':>10}{'peer':>10}   ours/peer")
        if shutil.which("valgrind"):
            for compiler in ("cc", "clang"):
                if not shutil.which(compiler):
                    row(f"instructions, {compiler}", "-", "-", "not installed")
                    continue
                programs = built if compiler == "cc" else build(arguments, folder, compiler)
                for part, batches in (("one", (1, 32, 128)), ("batch", (32,)), ("each", (32,))):
                    for batch in batches:
                        counts = [per_operation(programs[side]["nop"], batch, part) for side in SIDES]
                        row(f"instructions a NOP, batch {batch}, {part}, {compiler}",
                            f"{counts[0]:.1f}", f"{counts[1]:.1f}", f"{counts[0] / counts[1]:.2f} (exact)")
        else:
            row("instructions", "-", "-", "valgrind is not installed")
        pairs = 11 if arguments.quick else 31
        for batch in (1, 32, 128):
            rounds = 400_000 // batch
            middle, low, high = ratio([built["ours"]["nop"], batch, rounds],
                                      [built["peer"]["nop"], batch, rounds], pairs)
            row(f"time of NOPs, batch {batch}", "", "", f"{middle:.3f} ({low:.3f} to {high:.3f})")
        for depth in (1, 32, 128):
            middle, low, high = ratio([built["ours"]["read"], file, depth, 128_000],
                                      [built["peer"]["read"], file, depth, 128_000], pairs)
            row(f"time of 4 KiB page-cache reads, depth {depth}", "", "",
                f"{middle:.3f} ({low:.3f} to {high:.3f})")
        middle, low, high = ratio([built["ours"]["setup"], 300], [built["peer"]["setup"], 300], pairs)
        row("time of setup and exit", "", "", f"{middle:.3f} ({low:.3f} to {high:.3f})")
        calls = [system_calls([built[side]["setup"], 100]) for side in SIDES]
        row("system calls of 100 setups and exits", *calls, "")
        for library in ("liburing.so.2", "liburing-ffi.so.2"):
            stripped = folder / "stripped"
            subprocess.run(["strip", "-o", str(stripped), str(arguments.libdir / library)], check=True)
            size = stripped.stat().st_size
            theirs = next(pathlib.Path("/usr/lib").rglob(library), None)
            peer = theirs.stat().st_size if theirs else 0
            row(f"bytes of {library}, stripped", str(size), str(peer) if theirs else "none",
                f"{size / peer:.2f}" if theirs else "the peer has no such library")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
