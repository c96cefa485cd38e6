"""Calls every public function with arguments of every kind, and prints what came.

    python peer_calls.py TABLE > answers

Runs under any module named `liburing`, so that two of them can be compared: a
line of JSON for each call, in child processes, as the peer crashes in some.
"""

import contextlib
import json
import os
import signal
import sys

import liburing as u

SECONDS = 2
# Peculiar to the peer: addresses as numbers, rings that go away with a call.
NUMBERS = ("-1", "0", "1", "7", "2**31", "2**32", "2**63", "2**64", "1.5", "True")
OTHERS = ("None", "'x'", "b'x'", "object()", "[]", "bytearray(8)")


def ring():
    made = u.Ring()
    u.io_uring_queue_init(8, made, 0)
    return made


def filled(made):
    """A Cqe with a completion in it."""
    sqe, cqe = u.io_uring_get_sqe(made), u.Cqe()
    u.io_uring_prep_nop(sqe)
    sqe.user_data = 5
    u.io_uring_submit(made)
    u.io_uring_wait_cqe(made, cqe)
    return cqe


def usual(kind, name, made):
    """An argument of a type of the table."""
    first = kind.split("|")[0]
    if name in ("fd", "sockfd", "epfd") and first.startswith(("int", "uint")):
        return 1000
    if first.startswith(("int", "uint")) or first == "bool":
        return 1
    values = {
        "float": lambda: 1.0,
        "str": lambda: "name",
        "bytearray": lambda: bytearray(16),
        "bytes": lambda: b"0123456789abcdef",
        "None": lambda: None,
        "Ring": lambda: made,
        "SQE": u.Sqe,
        "Sqe": u.Sqe,
        "CQE": lambda: filled(made)[0],
        "Cqe": lambda: filled(made),
        "CqeIter": lambda: u.io_uring_cqe_iter_init(made),
        "Iovec": lambda: u.Iovec([bytearray(16)]),
        "FileIndex": lambda: u.FileIndex([-1]),
        "list[int32]": lambda: [-1],
        "Timespec": lambda: u.timespec(0.01),
        "Probe": u.io_uring_get_probe,
        "Sockaddr": lambda: u.Sockaddr(u.AF_INET, "127.0.0.1", 80),
        "Futex": lambda: u.Futex(1),
        "unusable": lambda: None,
    }
    make = values.get(first)
    return make() if make else getattr(u, first)()


def plain(value):
    """What can be compared of a value."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return sorted(value)
    return type(value).__name__


def answer(name, given):
    """What the call says; for an entry, what it has then."""
    try:
        told = {"value": plain(getattr(u, name)(*given))}
    except OSError as error:
        told = {"error": type(error).__name__, "errno": error.errno, "text": error.strerror,
                "file": error.filename}
    except Exception as error:
        told = {"error": type(error).__name__, "text": str(error)}
    if "error" not in told and given and isinstance(given[0], u.SQE) and name != "put_sqe":
        sqe = given[0]
        told["entry"] = [sqe.opcode, sqe.fd, sqe.flags, sqe.ioprio, sqe.len, sqe.user_data]
    return told


def shapes(record):
    """Calls of one function: (what is odd, place, expression); place -1 none."""
    params = record.get("params", [])
    last = max((i for i, param in enumerate(params) if len(param) == 2), default=-1)
    required = last + 1
    yield "usual", -1, required
    if len(params) > required:
        yield "full", -1, len(params)
    if required:
        yield "short", -1, required - 1
    yield "long", -1, len(params) + 1
    for place, (_, kind, *_) in enumerate(params):
        count = max(required, place + 1)
        whole = kind.split("|")[0].startswith(("int", "uint"))
        for expression in (*(NUMBERS if whole else NUMBERS[:3]), *OTHERS):
            yield expression, place, count


def serve(record, calls, write):
    """Answers one call after the other, as far as the process lives."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    # Whatever hangs ends here, whoever has the interpreter.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    params = record.get("params", [])
    for odd, place, count in calls:
        signal.alarm(SECONDS)
        made = ring()
        given = [usual(kind, name, made) for name, kind, *_ in params[:count]]
        if count > len(params):
            given.append(1)
        if place >= 0:
            given[place] = eval(odd)
        told = answer(record["name"], given)
        os.write(write, json.dumps([record["name"], odd, place, told]).encode() + b"\n")
        with contextlib.suppress(Exception):
            u.io_uring_queue_exit(made)


def run(record):
    """Answers to all calls of a function, in a child and in another one after
    each that did not survive."""
    calls = list(shapes(record))
    while calls:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            with contextlib.suppress(BaseException):
                serve(record, calls, write)
            os._exit(0)
        os.close(write)
        found = b""
        while part := os.read(read, 65536):
            found += part
        os.close(read)
        _, status = os.waitpid(child, 0)
        lines = found.splitlines()
        for line in lines:
            print(line.decode())
        del calls[: len(lines)]
        if calls:
            odd, place, _ = calls.pop(0)
            told = "waits" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == 14 else "crash"
            print(json.dumps([record["name"], odd, place, {told: True}]), flush=True)


def main():
    """Every function of the table, or those named."""
    with open(sys.argv[1]) as table:
        names = json.load(table)["names"]
    for record in names:
        if record["kind"] == "function" and record["name"] in (sys.argv[2:] or [record["name"]]):
            run(record)


main()
