#!/usr/bin/env python3
"""Compares counts that repeat with the committed ones: instructions of an operation.

    check.py --include DIR --libdir DIR --build-dir DIR [--python PROGRAM] [--record]

A count is what a program does more in many rounds than in few, divided by the rounds between,
so that its beginning and end do not matter. callgrind counts all threads, in user space only;
strace counts system calls. Python's rows include the interpreter's own instructions.
The counts hold for the compiler that they name: with another one they are shown and compared
with nothing. `--record` writes them anew; a row may grow only in a change that says why.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
RECORD = HERE / "counts.json"
# What a row may grow by: for what the C library does differently on another processor, and
# for what the interpreter and the engine's thread do from time to time.
SHARES = (("Python", 0.05), ("", 0.01))
CALLS = 0.5
FEW, MANY = 500, 2500
SKIP = 77


# A round of the Python module, by name: what is made before, and the round.
PYTHON = {
    "functions: a NOP": (
        "r = L.Ring(); L.io_uring_queue_init(8, r); c = L.Cqe()",
        "s = L.io_uring_get_sqe(r); L.io_uring_prep_nop(s); s.user_data = 7; L.io_uring_submit(r); "
        "L.io_uring_wait_cqe(r, c); L.io_uring_cqe_seen(r, c[0])"),
    "objects: nop().result()": ("r = L.Ring(8)", "r.nop().result()"),
    "objects: nops(100)": ("r = L.Ring(128)", "r.nops(100).result()"),
    "objects: a read of 64 bytes": ("r = L.Ring(8); f = open('/dev/zero', 'rb', 0); b = bytearray(64)", "r.read(f, b).result()"),
}


class Skip(Exception):
    """Why nothing can be compared."""


def version(*command: str) -> str:
    found = shutil.which(command[0])
    if not found:
        raise Skip(f"{command[0]} is not installed")
    done = subprocess.run([found, *command[1:]], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[0].strip()


def compiled(options: argparse.Namespace, name: str) -> str:
    options.build_dir.mkdir(parents=True, exist_ok=True)
    program = options.build_dir / name
    library = options.libdir.resolve()
    subprocess.run([os.environ.get("CC", "cc"), "-O2", f"-I{options.include}", str(HERE.parent / f"c/{name}.c"), "-o", str(program),
                    f"-L{library}", f"-Wl,-rpath,{library}", "-luring"], check=True)
    return str(program)


def instructions(engine: str, *command: str) -> int:
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
                          env={**os.environ, "ANYRING_ENGINE": engine, "PYTHONHASHSEED": "0"}, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    if done.returncode:
        raise Skip(f"{command[0]} on {engine}: {(done.stdout + done.stderr).strip().splitlines()[-1:]}")
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def calls(engine: str, *command: str) -> int:
    """System calls of all threads."""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    done = subprocess.run(["strace", "-f", "-c", "-U", "calls,name", "-o", "/dev/stdout", *command],
                          env={**os.environ, "ANYRING_ENGINE": engine}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=300, check=False)
    total = re.search(r"^\s*(\d+) total$", done.stdout, re.M)
    if done.returncode or not total:
        raise Skip((done.stdout + done.stderr).strip().splitlines()[-1:])
    return int(total[1])


def rows(options: argparse.Namespace):
    """Each row with its count."""
    nop = compiled(options, "nop")
    for engine in ("kernel", "userspace"):
        for batch in (1, 32):
            for how in ("bare", "batch", "each"):
                try:
                    few, many = (instructions(engine, nop, str(batch), str(count), how) for count in (FEW, MANY))
                except Skip as reason:
                    print(f"skip NOP, {engine}: {reason}")
                    break
                yield f"NOP, batch {batch}, {how}, {engine}", round((many - few) / (MANY - FEW), 1)
    for engine in ("kernel", "userspace"):
        try:
            few, many = (calls(engine, nop, "1", str(count), "bare") for count in (FEW, MANY))
            yield f"NOP, batch 1, bare, {engine}: system calls", round((many - few) / (MANY - FEW), 2)
        except Skip as reason:
            print(f"skip system calls, {engine}: {reason}")
    if options.python is None or not options.python.exists():
        print("skip Python: no interpreter with the module was named (make bench-check)")
        return
    for name, (before, code) in PYTHON.items():
        whole = f"import liburing as L\n{before}\ndef go(n):\n for _ in range(n):\n  {code}\ngo({{}})"
        try:
            few, many = (instructions("kernel", str(options.python), "-c", whole.format(count)) for count in (50, 450))
        except Skip as reason:
            print(f"skip Python: {reason}")
            return
        yield f"Python, {name}", round((many - few) / 400, 1)


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("include", "libdir", "build-dir"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--python", type=pathlib.Path, help="the interpreter that has the module")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    try:
        version("valgrind", "--version")
        made_by = {"rustc": version("rustc", "--version"), "cc": version(os.environ.get("CC", "cc"), "--version")}
        counts = dict(rows(options))
    except Skip as reason:
        print(f"skipped: {reason}")
        return SKIP
    if options.record:
        RECORD.write_text(json.dumps({"of": made_by, "of a round": counts}, indent=2) + "\n")
        print(f"{len(counts)} counts written to {RECORD.name}")
        return 0
    record = json.loads(RECORD.read_text())
    same = record["of"] == made_by
    passed = failed = 0
    for name, count in counts.items():
        before = record["of a round"].get(name)
        if before is None:
            print(f"FAIL {name}: {count}, which has no row in {RECORD.name} (--record)")
            failed += 1
            continue
        share = next(share for start, share in SHARES if name.startswith(start))
        most = before + CALLS if name.endswith("system calls") else before * (1 + share)
        worse = count > most
        print(f"{'MORE' if worse else 'ok  '} {name}: {count} ({before} on record)")
        failed += worse and same
        passed += not worse or not same
    if not same:
        print(f"skipped: the counts hold for {record['of']}, and these are by {made_by}")
        return SKIP
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
