"""Random arguments: our inline functions and those of an installed liburing."""

import ctypes
import random

from common import Context, Skip, command, compile_source, facts, functions, include

ROUNDS = 200


def wrapper(function: dict) -> str:
    names = [f"a{i}" for i in range(len(function["params"]))]
    words = []
    for name, parameter in zip(names, function["params"]):
        kind = parameter["type"]
        if kind.endswith("*"):
            words.append(f"({kind}) (uintptr_t) {name}")
        else:
            words.append(f"({kind}) {name}")
    parameters = ", ".join(f"unsigned long long {name}" for name in names)
    return f"void w_{function['name']}({parameters});\nvoid w_{function['name']}({parameters}) {{ {function['name']}({', '.join(words)}); }}\n"


def build(context: Context, name: str, table: list, flags: list):
    """A shared object with wrappers, or what the compiler said."""
    source = "#define _GNU_SOURCE\n#include <liburing.h>\n" + "".join(map(wrapper, table))
    file = context.build / f"{name}.c"
    file.write_text(source)
    target = context.build / f"{name}.so"
    done = command("cc", "-O2", "-fPIC", "-shared", *flags, file, "-o", target)
    return target if done.returncode == 0 else None


def run(context: Context) -> None:
    if not context.peer:
        raise Skip("not asked for a comparison with an installed liburing")
    _, missing = compile_source(context, "cc", "peer_version", "#include <liburing.h>\n", [])
    if missing:
        raise Skip("no liburing is installed with headers")
    effects = {e["function"]: e for e in facts("prep-vectors")["effects"]}
    table = [f for f in functions() if f["name"] in effects]
    known = [f for f in table if build(context, "peer_one", [f], ["-Werror=implicit-function-declaration"])]
    theirs = ctypes.CDLL(str(build(context, "peer_theirs", known, [])))
    ours = ctypes.CDLL(str(build(context, "peer_ours", known, [include(context)])))
    seed = random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    fewer = 0
    for function in known:
        name = function["name"]
        # Older versions also clear what 2.15 leaves to get_sqe: there only the
        # bytes that 2.15 writes are compared.
        kept = bytes_of(effects[name]["keeps"])
        problem, narrowed = "", False
        for _ in range(ROUNDS):
            # Where 2.15 adds bits, older versions set the whole field: from
            # zeroes the outcome is the same.
            noise = rng.choice([bytes(64), b"\xff" * 64, rng.randbytes(64)])
            if effects[name]["ors_into"]:
                noise = bytes(64)
            results = []
            arguments = [
                None if p["type"].startswith("struct io_uring_sqe") else rng.getrandbits(64)
                if rng.random() < 0.8 else rng.choice([0, 2**64 - 1, 2**31, 2**32 - 1])
                for p in function["params"]
            ]
            # That IORING_FILE_INDEX_ALLOC is a slot of its own is newer than 2.3.
            for position, parameter in enumerate(function["params"]):
                if parameter["name"] == "file_index" and arguments[position] & 0xFFFFFFFF == 0xFFFFFFFF:
                    arguments[position] = 7
            for library in (theirs, ours):
                sqe = ctypes.create_string_buffer(noise, 64)
                words = [ctypes.c_uint64(ctypes.addressof(sqe) if a is None else a) for a in arguments]
                getattr(library, f"w_{name}")(*words)
                results.append(sqe.raw)
            if results[0] != results[1]:
                differing = {i for i in range(64) if results[0][i] != results[1][i]}
                if differing <= kept:
                    narrowed = True
                    continue
                problem = f"seed {seed}: {results[0].hex()} theirs, {results[1].hex()} ours"
                break
        fewer += narrowed
        context.check(f"{name} against the installed liburing", problem)
    print(f"  {len(known)} of {len(table)} functions known to the installed liburing, "
          f"{ROUNDS} random calls each, seed {seed}; in {fewer} it clears fields that 2.15 leaves alone")


def bytes_of(ranges: list) -> set:
    found = set()
    for text in ranges:
        first, _, last = text.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found
