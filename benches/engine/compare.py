#!/usr/bin/env python3
"""What the userspace engine costs: against the kernel's io_uring, against a
hand-written epoll server, against a thread pool. Times as ratios of interleaved runs;
below 1 the engine is faster. With --check each program only runs once."""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "c"))
import measure  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent


def timed(command: list, engine: str) -> int | str:
    """Nanoseconds, or why the program could not run."""
    done = measure.run(command, ANYRING_ENGINE=engine)
    if done.returncode == measure.SKIPPED:
        return done.stdout.strip()
    match = measure.TIME.search(done.stdout)
    if done.returncode or not match:
        raise RuntimeError(f"{command[0]}: exit code {done.returncode}: {done.stdout.strip()[-300:]}")
    return int(match[1], 16)


def ratios(first: tuple, second: tuple, pairs: int) -> list | str:
    found = []
    for at in range(pairs + 1):
        order = (first, second) if at % 2 else (second, first)
        times = {side: timed(*side) for side in map(lambda s: (tuple(s[0]), s[1]), order)}
        for time in times.values():
            if isinstance(time, str):
                return time
        if at:  # The first pair warms up.
            found.append(times[tuple(first[0]), first[1]] / times[tuple(second[0]), second[1]])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    pairs = 1 if arguments.check else arguments.pairs
    scale = 1 if arguments.check else 100
    libdir = arguments.libdir.resolve()
    failed = 0
    # O_DIRECT needs a real file system, which /tmp may not be.
    with tempfile.TemporaryDirectory(prefix="engine-", dir=libdir.parent) as name:
        folder = pathlib.Path(name)
        programs = {}
        for program, source in (("nop", HERE.parent / "c/nop.c"), ("read", HERE.parent / "c/read.c"),
                                ("echo", HERE / "echo.c"), ("uncached", HERE / "uncached.c")):
            defined = ["-DONLY=BARE"] if program == "nop" else []
            programs[program] = folder / program
            measure.output(["cc", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{arguments.include}", *defined,
                            source, "-o", folder / program, f"-L{libdir}", f"-Wl,-rpath,{libdir}",
                            "-luring", "-pthread"])
        cached = measure.data_file(folder / "cached", 4096)
        large = measure.data_file(folder / "large", 4096 if arguments.check else 65536)
        nop, read, echo, uncached = (programs[p] for p in ("nop", "read", "echo", "uncached"))
        rows = [
            ("NOP, batch 32: engine / kernel", ([nop, 32, 200 * scale], "userspace"), ([nop, 32, 200 * scale], "kernel")),
            ("NOP, batch 1: engine / kernel", ([nop, 1, 2000 * scale], "userspace"), ([nop, 1, 2000 * scale], "kernel")),
            ("page-cached 4 KiB reads, depth 32: engine / kernel", ([read, cached, 32, 1000 * scale], "userspace"),
             ([read, cached, 32, 1000 * scale], "kernel")),
            ("echo, 50 connections: engine / epoll", ([echo, "uring", 50, 20 * scale], "userspace"),
             ([echo, "epoll", 50, 20 * scale], "kernel")),
            ("echo, 1 connection: engine / epoll", ([echo, "uring", 1, 100 * scale], "userspace"),
             ([echo, "epoll", 1, 100 * scale], "kernel")),
            ("echo, 50 connections: kernel's io_uring / epoll", ([echo, "uring", 50, 20 * scale], "kernel"),
             ([echo, "epoll", 50, 20 * scale], "kernel")),
            ("uncached 4 KiB reads, 32 in flight: engine / 4 threads",
             ([uncached, "uring", large, 200 * scale], "userspace"),
             ([uncached, "threads", large, 200 * scale], "kernel")),
        ]
        for label, first, second in rows:
            try:
                found = ratios(first, second, pairs)
            except RuntimeError as error:
                failed += 1
                print(f"FAIL {label}: {error}")
                continue
            if isinstance(found, str):
                print(f"skip {label}: {found}")
            elif arguments.check:
                print(f"ok   {label}")
            else:
                low, middle, high = measure.quartiles(found)
                best = statistics.median(sorted(found)[:3])
                print(f"{label:60} {middle:5.2f} ({low:.2f} to {high:.2f}; best three {best:.2f})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
