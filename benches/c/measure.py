"""Building the benchmark programs against a library, running them, counting and timing."""

import filecmp
import os
import pathlib
import random
import re
import shutil
import statistics
import struct
import subprocess
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
# program -> source and what is defined
PROGRAMS = {name: (name, []) for name in ("nop", "read", "setup", "parts", "ffi")} | {
    f"nop-{how}": ("nop", [f"-DONLY={how.upper()}"]) for how in ("bare", "one", "batch", "each")}
FFI = "liburing-ffi.so.2"
SKIPPED = 77
TIME = re.compile(r"([0-9a-f]{16}) ns\n")

# What would make one side build or run with the other side's files.
MISLEADING = ("LD_LIBRARY_PATH", "LD_PRELOAD", "LIBRARY_PATH", "CPATH", "C_INCLUDE_PATH")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in MISLEADING}


def run(command: list, timeout: int = 120, **more) -> subprocess.CompletedProcess:
    environment = {**ENVIRONMENT, "LC_ALL": "C", **more}
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=timeout, check=False, env=environment)


def output(command: list, timeout: int = 120, **more) -> str:
    """What a command that must succeed prints."""
    done = run(command, timeout, **more)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: exit code {done.returncode}: {done.stdout.strip()[-400:]}")
    return done.stdout


@dataclass
class Side:
    """The programs compiled against one library."""

    name: str
    library: pathlib.Path
    ffi: pathlib.Path | str
    programs: dict = field(default_factory=dict)

    def command(self, program: str, *arguments) -> list:
        extra = [self.ffi] if program == "ffi" else []
        return [self.programs[program], *extra, *arguments]


def build(name: str, folder: pathlib.Path, compiler: str, include: pathlib.Path | None,
          libdir: pathlib.Path | None) -> Side | str:
    """One side, or why there is none. Without folders it is what the system has installed."""
    options = ["-Wall", "-Wextra", "-Werror", f"-I{include}"] if include else ["-w"]
    libraries = [f"-L{libdir}", f"-Wl,-rpath,{libdir}"] if libdir else []
    side = Side(name, pathlib.Path(), libdir / FFI if libdir else FFI)
    for program, (source, defined) in PROGRAMS.items():
        path = folder / f"{program}-{name}-{compiler}"
        link = ["-ldl"] if program == "ffi" else [*libraries, "-luring"]
        done = run([compiler, "-O2", *options, *defined, HERE / f"{source}.c", "-o", path, *link])
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if "error" in line] or [done.stdout.strip()]
            return f"{source}.c does not compile with {compiler}: {errors[0]}"
        side.programs[program] = path
    loaded = output([side.programs["nop"]], LD_TRACE_LOADED_OBJECTS="1")
    match = re.search(r"liburing\.so\.\d+ => (\S+)", loaded)
    if not match:
        return f"the program would not load liburing: {loaded.strip()}"
    side.library = pathlib.Path(match[1]).resolve()
    if libdir and side.library.parent != libdir:
        return f"the program would load {side.library}, not the library in {libdir}"
    return side


def same(ours: Side, peer: Side) -> bool:
    """Whether what is installed is this library."""
    return filecmp.cmp(ours.library, peer.library, shallow=False)


# ---- instructions


def callgrind(command: list, function: str | None = None) -> int:
    """User-space instructions of one run, or those of one function and what it calls."""
    only = [f"--toggle-collect={function}"] if function else []
    text = output(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *only, *command], 600)
    match = re.search(r"Collected : (\d+)", text)
    if not match:
        raise RuntimeError(f"callgrind: no count in: {text[-400:]}")
    return int(match[1])


def perf(command: list, function: str | None = None) -> int:
    if function:
        raise RuntimeError("single functions need valgrind")
    text = output(["perf", "stat", "-x,", "-e", "instructions:u", *command])
    match = re.search(r"^(\d+),[^,]*,instructions:u", text, re.MULTILINE)
    if not match:
        line = next((line for line in text.splitlines() if "instructions:u" in line), text.strip()[-200:])
        raise RuntimeError(f"perf cannot count instructions here: {line}")
    return int(match[1])


def find_counter(command: list) -> tuple:
    """A counter that works here, and its name; or None and why not."""
    reasons = []
    for counter, program in ((callgrind, "valgrind"), (perf, "perf")):
        if not shutil.which(program):
            reasons.append(f"{program} is not installed")
            continue
        try:
            counter(command)
            return counter, counter.__name__
        except RuntimeError as error:
            reasons.append(str(error))
    return None, "; ".join(reasons)


def per_unit(counter, command, units: int, repeats: int, function: str | None = None) -> list:
    """Instructions a unit, once for each repeat. command(rounds) does units in each round; the
    difference of two lengths leaves start and end out."""
    # callgrind is exact but slow; what perf counts varies a little from start to start.
    short, long = (50, 250) if counter is callgrind else (1_000, 21_000)
    counts = [(counter(command(long), function) - counter(command(short), function)) / ((long - short) * units)
              for _ in range(repeats)]
    if min(counts) <= 0:
        raise RuntimeError(f"{counter.__name__} counts {counts} instructions a unit, which cannot be")
    return counts


# ---- time


def nanoseconds(command: list) -> int:
    """Of the program's loop, as it reports."""
    text = output(command)
    match = TIME.fullmatch(text)
    if not match:
        raise RuntimeError(f"{command[0]} reported no time: {text[-200:]}")
    return int(match[1], 16)


def time_ratios(first: list, second: list, pairs: int) -> list:
    """first/second of each pair; the order within a pair is by chance, so that neither side
    always finds what the other left behind."""
    ratios = []
    nanoseconds(first), nanoseconds(second)
    for _ in range(pairs):
        if random.random() < 0.5:
            mine, theirs = nanoseconds(first), nanoseconds(second)
        else:
            theirs, mine = nanoseconds(second), nanoseconds(first)
        ratios.append(mine / theirs)
    return ratios


def quartiles(samples: list) -> tuple:
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, middle, high


# ---- system calls, files


def system_calls(command: list) -> dict:
    """Successful system calls by name."""
    text = output(["strace", "-f", "-c", *command])
    calls = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) in (5, 6) and re.fullmatch(r"[\d.]+", words[0]) and words[-1] != "total":
            calls[words[-1]] = int(words[3]) - (int(words[4]) if len(words) == 6 else 0)
    if not calls:
        raise RuntimeError(f"strace cannot trace here: {text.strip()[-200:]}")
    return calls


def calls_per_ring(side: Side) -> dict:
    """Those of one setup and exit; retries that failed do not count."""
    short, long = (system_calls(side.command("setup", count)) for count in (10, 60))
    each = {name: (long[name] - short.get(name, 0)) / 50 for name in long}
    return {name: count for name, count in each.items()
            if count and name not in ("clock_nanosleep", "nanosleep")}


def stripped_size(library: pathlib.Path, folder: pathlib.Path) -> int:
    copy = folder / "stripped"
    output(["strip", "-o", copy, library])
    return copy.stat().st_size


def data_file(path: pathlib.Path, blocks: int, offset: int = 0) -> pathlib.Path:
    """Blocks filled with their own number; with an offset, with another one."""
    with path.open("wb") as file:
        for number in range(blocks):
            file.write(struct.pack("<Q", number + offset) * 512)
    return path
