#!/usr/bin/env python3
"""Compares the Rust crate with the io-uring crate: instructions in user space of the pieces
of a loop, by callgrind, each the difference of two counts of rounds.

--record FILE writes the figures there, with what they were counted on. --check counts nothing:
it compares the table in docs/from-io-uring.md with the last record, and wants no piece to cost
more than the peer's. Ends with 77 where there is no valgrind.
"""

import argparse
import datetime
import json
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
ROUNDS = (10, 110)
BATCH = 64
PIECES = (
    # what, the piece, how many a round
    ("get an entry, fill in a NOP and user_data", "fill", BATCH),
    ("push an entry that is built", "push", BATCH),
    ("submit, a call", "submit", 1),
    ("submit and wait, a call", "wait", 1),
    ("iterate, a completion", "iterate", BATCH),
    ("take the next completion", "peek", BATCH),
)


def count(program: str, side: str, piece: str, rounds: int, folder: str) -> int:
    """Instructions in the function of a piece, those it calls included."""
    out = pathlib.Path(folder, f"{side}-{piece}-{rounds}")
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                           f"--toggle-collect=*{side}_{piece}*", program, side, piece, str(rounds)],
                          capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        sys.exit(f"{side} {piece}: {done.stderr.strip()[-400:]}")
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)[1])


def version(name: str) -> str:
    """Of a package of Cargo.lock."""
    lock = (PROJECT / "Cargo.lock").read_text()
    return re.search(rf'name = "{name}"\nversion = "([^"]+)"', lock)[1]


def check() -> int:
    """Compares the documentation with the last record."""
    record = max((PROJECT / "benches/record").glob("rust-*.json"))
    faults = []
    docs = (PROJECT / "docs/from-io-uring.md").read_text()
    rows = json.loads(record.read_text())["rows"]
    if [row["what"] for row in rows] != [what for what, _, _ in PIECES]:
        faults.append(f"{record.name} has other pieces than are counted")
    for row in rows:
        if row["ours"] > row["peer"]:
            faults.append(f"{record.name}: '{row['what']}' costs more than the peer's")
        line = f"| {row['what']} | {row['ours']:.1f} | {row['peer']:.1f} |"
        if line not in docs:
            faults.append(f"docs/from-io-uring.md lacks the line '{line}' of {record.name}")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cargo", default="cargo")
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    if not shutil.which("valgrind"):
        print("skipped: the instructions of the Rust crate are counted by valgrind, which is not installed")
        return 77
    built = subprocess.run([arguments.cargo, "build", "--locked", "--release", "--package", "anyring-bench",
                            "--example", "pieces", "--message-format", "json"], cwd=PROJECT,
                           stdout=subprocess.PIPE, text=True, check=True).stdout
    program = next(message["executable"] for message in map(json.loads, built.splitlines())
                   if message.get("executable") and message["target"]["name"] == "pieces")
    print(f"\n{'Instructions in user space: the Rust crate, the io-uring crate':60}{'ours':>9}{'peer':>9}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for what, piece, times in PIECES:
            figures = []
            for side in ("ours", "theirs"):
                few, many = (count(program, side, piece, rounds, folder) for rounds in ROUNDS)
                figures.append((many - few) / (ROUNDS[1] - ROUNDS[0]) / times)
            rows.append({"what": what, "ours": figures[0], "peer": figures[1]})
            print(f"{what:60}{figures[0]:9.2f}{figures[1]:9.2f}", flush=True)
    if arguments.record:
        rustc = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        record = {"date": datetime.date.today().isoformat(), "system": " ".join(
            (platform.system(), platform.release().split("-")[0], platform.machine())), "compiler": rustc.strip(),
            "peer": "io-uring " + version("io-uring"), "unit": "instructions", "rows": rows}
        arguments.record.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
