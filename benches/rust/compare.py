#!/usr/bin/env python3
"""Compares the Rust crate with the io-uring crate: instructions in user space of the pieces
of a loop, by callgrind, each the difference of two counts of rounds.

--record FILE writes the figures there. Ends with 77 where there is no valgrind.
"""

import argparse
import json
import pathlib
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cargo", default="cargo")
    parser.add_argument("--record", type=pathlib.Path)
    arguments = parser.parse_args()
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
        arguments.record.write_text(json.dumps({"unit": "instructions", "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
