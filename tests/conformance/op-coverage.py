#!/usr/bin/env python3
"""Every function that writes an SQE, every helper for what multishot recvmsg left
in a buffer, and every operation must be used by a program of this folder.

A mention in a comment or a string does not count. Which operation a function
stands for is read from the recorded bytes of the fact tables, so that there is
no second list here. Ends with `N passed, N failed`.
"""

import argparse
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
FACTS = HERE.parent / "abi" / "facts"
# Not worth a program: the end marker of the enumeration.
NOT_AN_OPERATION = {"IORING_OP_LAST"}
# Comments first, so that a quote inside one opens no string.
IGNORED = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def load(folder: pathlib.Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text())


def words_of_programs(programs: pathlib.Path) -> tuple:
    """Names that are called, and all identifiers, each with the programs that do."""
    called: dict = {}
    named: dict = {}
    for path in sorted([*programs.rglob("*.c"), *programs.rglob("*.h")]):
        text = IGNORED.sub(" ", path.read_text())
        for word in set(re.findall(r"\b(\w+)\s*\(", text)):
            called.setdefault(word, []).append(path.name)
        # To ask whether the kernel has an operation is not to run it.
        for word in set(re.findall(r"\b\w+\b", re.sub(r"\bneed_op\s*\([^;]*;", " ", text))):
            named.setdefault(word, []).append(path.name)
    return called, named


def writes_an_sqe(function: dict) -> bool:
    name, parameters = function["name"], function["params"]
    first = parameters[0]["type"] if parameters else ""
    return ("_prep_" in name or name.startswith("io_uring_recvmsg_")
            or any(parameter["type"] == "struct io_uring_sqe *" for parameter in parameters)
            or (first == "struct io_uring *" and "get_sqe" in name))


def operations_by_function(vectors: dict) -> dict:
    """Function -> the operations it was seen to write into byte 0."""
    operations: dict = {}
    for vector in vectors["vectors"] + vectors["vectors_other"]:
        zero, filled = vector.get("from_00"), vector.get("from_a5")
        # The same first byte from both fills: written, not left as it was.
        if zero and filled and zero[:2] == filled[:2] and "prep" in vector["function"]:
            operations.setdefault(vector["function"], set()).add(int(zero[:2], 16))
    # It takes the operation as its argument.
    operations.pop("io_uring_prep_rw", None)
    operations.pop("__io_uring_prep_uring_cmd", None)
    return operations


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=pathlib.Path, default=FACTS,
                        help="folder with symbols.json, constants.json and prep-vectors.json")
    parser.add_argument("--programs", type=pathlib.Path, default=HERE)
    parser.add_argument("--list", action="store_true", help="print who uses what")
    arguments = parser.parse_args()
    called, named = words_of_programs(arguments.programs)
    functions = [entry["name"] for entry in load(arguments.facts, "symbols")["functions"]
                 if writes_an_sqe(entry)]
    operations = {entry["name"]: entry["value"]
                  for entry in load(arguments.facts, "constants")["constants"]
                  if entry["enum"] == "io_uring_op" and entry["name"] not in NOT_AN_OPERATION}
    writers = operations_by_function(load(arguments.facts, "prep-vectors"))
    if len(functions) < 100 or len(operations) < 60 or len(writers) < 90:
        print("FAIL the fact tables hold too little to judge by")
        print("0 passed, 1 failed")
        return 1
    passed, failed = 0, 0

    def judge(what: str, users: list) -> None:
        nonlocal passed, failed
        if users:
            passed += 1
            if arguments.list:
                print(f"{what}: {' '.join(sorted(set(users)))}")
        else:
            failed += 1
            print(f"FAIL {what}: no program uses it")

    for name in functions:
        judge(name, called.get(name, []))
    for name, value in operations.items():
        users = list(named.get(name, []))
        for function, values in writers.items():
            if value in values:
                users += called.get(function, [])
        judge(name, [user for user in users if user.endswith(".c")])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
