"""Random arguments: our inline functions against those of an installed liburing."""

import ctypes
import importlib.util
import pathlib
import random
import re

from common import Context, Skip, command, environment, functions
from sheet import judge

ROUNDS = 200
HEAD = "#define _GNU_SOURCE\n#include <sys/wait.h>\n#include <liburing.h>\n"
# That this index is no slot but a wish is newer than some installed versions.
INDEX_ALLOC = 0xFFFFFFFF
EDGES = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


def vectors_module():
    path = pathlib.Path(__file__).with_name("vectors.py")
    spec = importlib.util.spec_from_file_location("vectors", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wrapper(function: dict) -> str:
    """w_<function>: every argument a 64-bit number, cast to the table's type."""
    names = [f"a{at}" for at in range(len(function["params"]))]
    words = ", ".join(
        f"({p['type']}) {'(uintptr_t) ' if p['type'].endswith('*') else ''}{name}"
        for name, p in zip(names, function["params"])
    )
    declared = ", ".join(f"unsigned long long {name}" for name in names)
    head = f"void w_{function['name']}({declared})"
    return f"{head}; {head} {{ {function['name']}({words}); }}"


def library(context: Context, name: str, table: list, flags: list) -> ctypes.CDLL:
    source = HEAD + "\n".join(map(wrapper, table)) + "\n"
    file = context.write(f"{name}.c", source)
    target = file.with_suffix(".so")
    done = command(context.c[0].command, "-O2", "-w", "-fPIC", "-shared", *flags, file, "-o", target)
    if done.returncode:
        raise RuntimeError(done.stdout)
    return ctypes.CDLL(str(target))


def header_in_use(context: Context, flags: list) -> str:
    file = context.write("which.c", "#include <liburing.h>\n")
    done = command(context.c[0].command, *flags, "-M", file)
    found = re.search(r"(\S*/liburing\.h)\b", done.stdout)
    return found[1] if found and not done.returncode else ""


def known_to_peer(context: Context, table: list) -> list:
    """One probe a function: whether it compiles with the installed header."""
    items = [(f["name"], wrapper(f)) for f in table]
    # -w would silence this error too.
    problems, stray = judge(context, context.c[0], "probe", [], HEAD, items,
                            "-Werror=implicit-function-declaration")
    if stray:
        raise RuntimeError("\n".join(stray))
    for at, what in sorted(problems.items()):
        reason = "the installed liburing is too old for it" if "implicit" in what else \
            f"the installed liburing has other parameters: {what}"
        context.skip(f"{table[at]['name']} against the peer", reason)
    return [f for at, f in enumerate(table) if at not in problems]


def argument_sets(rng: random.Random, function: dict) -> list:
    sets = []
    for _ in range(ROUNDS):
        words = []
        for parameter in function["params"]:
            value = rng.getrandbits(64) if rng.random() < 0.7 else rng.choice(EDGES)
            if parameter["name"] == "file_index" and value & INDEX_ALLOC == INDEX_ALLOC:
                value -= 1
            words.append(None if parameter["type"].startswith("struct io_uring_sqe") else value)
        sets.append((words, rng.randbytes(64)))
    return sets


def result(where: ctypes.CDLL, name: str, words: list, fill: bytes) -> bytes:
    sqe = ctypes.create_string_buffer(fill + b"\xc3" * 64, 128)
    given = [ctypes.c_uint64(ctypes.addressof(sqe) if word is None else word) for word in words]
    call = getattr(where, f"w_{name}")
    call.restype = None
    call(*given)
    return sqe.raw


def compare(theirs: ctypes.CDLL, ours: ctypes.CDLL, function: dict, effect: tuple, sets: list) -> tuple:
    """What is wrong, and the bytes that only the peer's version writes."""
    name = function["name"]
    _, adds, keeps = effect
    runs = [(words, fill, result(theirs, name, words, fill), result(ours, name, words, fill))
            for words, noise in sets for fill in (bytes(64), b"\xff" * 64, noise)]
    # Bytes that 2.15 keeps and the peer writes; bytes that 2.15 adds bits to
    # and the peer writes as a whole. Both seen on the peer's side alone.
    more = {at for _, fill, peer, _ in runs for at in keeps if peer[at] != fill[at]}
    whole = {at for _, fill, peer, _ in runs for at in adds if peer[at] & fill[at] != fill[at]}
    for words, fill, peer, own in runs:
        kept = [at for at in sorted(keeps) if own[at] != fill[at]]
        if kept or own[64:] != b"\xc3" * 64:
            return f"writes bytes {kept or 'behind the first 64'} that 2.15 keeps", more | whole
        # From a zero byte, adding and writing is the same.
        apart = [at for at in range(64) if peer[at] != own[at] and at not in more
                 and not (at in whole and fill[at])]
        if apart:
            return (f"bytes {apart} differ for {[w if w is None else hex(w) for w in words]} on {fill.hex()}: "
                    f"{own[:64].hex()} ours, {peer[:64].hex()} theirs"), more | whole
    return "", more | whole


def run(context: Context) -> None:
    if not context.peer:
        raise Skip("not asked for a comparison with an installed liburing (--peer)")
    where = header_in_use(context, [])
    if not where:
        raise Skip("no liburing is installed with its headers")
    if pathlib.Path(where).resolve() == (context.include / "liburing.h").resolve():
        raise Skip("the installed liburing.h is the one under test")
    effects = vectors_module().effects()
    table = [f for f in functions() if f["name"] in effects]
    known = known_to_peer(context, table)
    theirs = library(context, "peer-theirs", known, [])
    ours = library(context, "peer-ours", known, [context.flag()])
    rng = random.Random(context.seed)
    fewer = {}
    for function in known:
        name = function["name"]
        problem, more = compare(theirs, ours, function, effects[name], argument_sets(rng, function))
        context.check(f"{name} against the peer", problem and f"{problem} (--seed {context.seed})")
        if more:
            fewer[name] = more
    version = command("pkg-config", "--modversion", "liburing", env=environment()).stdout.strip()
    context.say(f"  {len(known)} of {len(table)} functions are known to the installed liburing {version}; "
                f"{ROUNDS} argument sets on three fills each, seed {context.seed}")
    bytes_left = sorted({at for more in fewer.values() for at in more})
    context.say(f"  {len(fewer)} of them compared without bytes that the installed version overwrites and 2.15 "
                f"leaves to io_uring_get_sqe (or adds bits to): bytes {bytes_left}")
    context.say(f"  file_index was never {INDEX_ALLOC:#x}: that it means any free slot is newer than some versions")
    if not known:
        context.check("functions to compare", "none of them compiles with the installed liburing")
