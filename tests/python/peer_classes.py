"""Makes every public class with arguments of every kind, and does to each object what
can be done to one; walks every iterator.

    python peer_classes.py TABLE > answers

Runs under any module named `liburing`, so that two of them can be compared: a line of
JSON for each step, in child processes, as the peer crashes in some.
"""

import contextlib
import copy
import enum
import json
import os
import pickle
import signal
import sys

import liburing as u

SECONDS = 5
ODD = (
    "None", "0", "1", "2", "3", "127", "128", "129", "-1", "2**8", "2**16", "2**31", "2**32",
    "2**63", "2**64", "1.5", "True", "'x'", "b'x'", "[]", "[1]", "[bytearray(2)]", "(1,)",
    "object()", "bytearray(2)",
)  # fmt: skip
# Objects that are made by more than their class.
MADE = {
    "CQE": ["filled(ring())[0]"],
    "Cqe": ["filled(ring())", "u.Cqe()"],
    "CqeIter": ["u.CqeIter(*three())", "u.CqeIter(*three(), 7)", "u.io_uring_cqe_iter_init(three()[0])"],
    "FUTEX": ["u.Futex(3, None, True)[1]", "u.Futex(3)[1]", "u.FUTEX()"],
    "FileIndex": ["u.FileIndex([3, 4, -1])", "u.FileIndex([])"],
    "Futex": [
        "u.Futex()", "u.Futex(3, None, True)", "u.Futex(2, 0, True)", "u.Futex(2, 130, True)",
        "u.Futex(2, 128)",
    ],
    "Iovec": ["u.Iovec([bytearray(2), b'abc', memoryview(b'd')])"],
    "OpenHow": ["u.OpenHow()", "u.OpenHow(1, 2, 3)"],
    "Probe": ["u.io_uring_get_probe()"],
    "Ring": ["u.Ring()", "ring()", "gone()"],
    "SQE": ["u.io_uring_get_sqe(keep(ring()))", "nop(u.io_uring_get_sqe(keep(ring())))"],
    "Sockaddr": [
        "u.Sockaddr()", "u.Sockaddr(u.AF_UNIX, '/x')", "u.Sockaddr(u.AF_INET, '127.0.0.1', 80)",
        "u.Sockaddr(u.AF_INET6, '::1', 80)", "u.Sockaddr(u.AF_INET6, 'fe80::1%3', 80)",
    ],
    "Sqe": ["u.Sqe()", "u.Sqe(3)", "nop(u.Sqe(3)[2])"],
    "Timespec": ["u.timespec(1.5)", "u.timespec(3, 7)", "u.timespec(0)", "u.Timespec()"],
    "io_uring_op": ["u.io_uring_op.IORING_OP_NOP", "u.io_uring_op(1)"],
    "io_uring_socket_op": ["u.io_uring_socket_op(0)"],
}  # fmt: skip
# To the Python object, whatever its class.
GENERAL = (
    "bool(x)", "len(x)", "x[0]", "x[1]", "x[2]", "x[3]", "x[-1]", "x[2**64]", "x['a']", "x[0:1]",
    "list(x)", "iter(x) is x", "next(x)", "(next(x), list(x), list(x))", "list(zip(x, x))",
    "x == x", "x != x", "x < x", "hash(x) == hash(x)", "isinstance(x, int)", "x.no_such",
    "setattr(x, 'no_such', 1)", "x()", "x + x", "int(x)", "str(x) == repr(x)", "1 in x",
    "copy.copy(x)", "pickle.loads(pickle.dumps(x))", "type('Sub', (type(x),), {})",
)  # fmt: skip
MORE = {
    "FileIndex": [
        "x.update([7, 8, 9])", "(x.update([7, 8, 9]), list(x))", "x.update([1])", "x.update('abc')",
        "x.update((7, 8, 9))", "x.update([2**31, 1, 1])", "x.update(list=[7, 8, 9])",
        "[(a, [b for b in x]) for a in x]", "(list(x), list(x))", "(next(x), x.update([7, 8, 9]), list(x))",
    ],
    "Futex": [
        "[setattr(x[i], 'state', i + 5) or x[i].state for i in range(len(x))]",
        "(setattr(x, 'state', 9), x[0].state)", "(setattr(x[1], 'state', 9), x.state)",
        "[x[i].flags for i in range(len(x))]", "[x[i].val for i in range(len(x))]",
    ],
    "Ring": ["u.io_uring_queue_exit(x)", "(u.io_uring_queue_exit(x), x.ring_fd)"],
    "Sqe": ["[x[i].user_data for i in range(len(x))]", "(setattr(x[0], 'user_data', 5), x.user_data)"],
    "SQE": ["(u.io_uring_sqe_set_data(x, 5), x.user_data)", "(u.io_uring_prep_nop(x), x.opcode)"],
    "Probe": [
        "u.io_uring_opcode_supported(x, 0)", "u.io_uring_opcode_supported(x, 255)",
        "(u.io_uring_free_probe(x), x.last_op)",
    ],
    "CqeIter": [
        "[u.io_uring_cqe_iter_next(x, c) and c[0].user_data for c in [u.Cqe()] for _ in range(5)]",
    ],
}  # fmt: skip
# Walks, with what is given back or comes meanwhile: `(index, tag)` of each, what is left.
WALKS = {
    "nothing": "pass",
    "each": "u.io_uring_cqe_seen(made, cqe[0])",
    "advance one": "u.io_uring_cq_advance(made, 1)",
    "none": "u.io_uring_cq_advance(made, 0)",
    "the last three": "index == 3 and u.io_uring_cq_advance(made, 4)",
    "more come": "index == 0 and nops(made, 9)",
    "each, and more come": "u.io_uring_cqe_seen(made, cqe[0]); index == 1 and nops(made, 9)",
    "two walks": "found.append([c[0].user_data for c in [u.Cqe()] for _ in u.CqeIter(made, c)])",
    "two at once": "index == 0 and u.io_uring_cq_advance(made, 2)",
    "given back before": "pass",
}
KEPT = []


def keep(thing):
    KEPT.append(thing)
    return thing


def ring():
    made = u.Ring()
    u.io_uring_queue_init(8, made, 0)
    return made


def gone():
    made = ring()
    u.io_uring_queue_exit(made)
    return made


def nop(sqe):
    u.io_uring_prep_nop(sqe)
    sqe.user_data = 5
    return sqe


def nops(made, *tags):
    for tag in tags:
        sqe = u.io_uring_get_sqe(made)
        u.io_uring_prep_nop(sqe)
        sqe.user_data = tag
    u.io_uring_submit(made)


def filled(made):
    nops(keep(made), 5)
    cqe = u.Cqe()
    u.io_uring_wait_cqe(made, cqe)
    return keep(cqe)


def three():
    made = keep(ring())
    nops(made, 4, 5, 6)
    return made, keep(u.Cqe())


def walk(code):
    """A `for` over a CqeIter, and the same with io_uring_cqe_iter_next."""
    results = []
    for kind in ("for", "next"):
        made, found, cqe = ring(), [], u.Cqe()
        nops(made, 1, 2, 3, 4)
        names = {"u": u, "made": made, "cqe": cqe, "found": found, "nops": nops}
        walker = u.CqeIter(made, cqe) if kind == "for" else u.io_uring_cqe_iter_init(made)
        if "before" in code:
            u.io_uring_cq_advance(made, 1)
        if kind == "for":
            steps = walker
        else:
            steps = (n for n in range(99) if u.io_uring_cqe_iter_next(walker, cqe) or found.append("end"))
        for index in steps:
            if found[-1:] == ["end"]:
                break
            found.append([index, cqe[0].user_data])
            exec(WALKS[code], {**names, "index": index})
            if len(found) > 20:
                break
        results.append([entry for entry in found if entry != "end"])
        results.append(u.io_uring_cq_ready(made))
        u.io_uring_queue_exit(made)
    return results


def plain(value):
    """What can be compared of a value."""
    if isinstance(value, enum.Enum):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, type):
        return "a class"
    return type(value).__name__


def answer(code, names):
    try:
        return {"value": plain(eval(code, names))}
    except OSError as error:
        return {"error": type(error).__name__, "errno": error.errno}
    except Exception as error:
        return {"error": type(error).__name__}


def steps(table):
    """`(class, how it is made, what is done to it)`."""
    for record in table:
        if record["kind"] != "class":
            continue
        name = record["name"]
        params = len(record.get("new", []))
        usual = MADE.get(name, [f"u.{name}()"])
        for count in range(params + 2):
            yield name, f"u.{name}({', '.join(['None'] * count)})", ""
        for place in range(params):
            for odd in ODD:
                given = ["None"] * place + [odd]
                if name in ("Ring", "CqeIter"):
                    given = ["ring()", "u.Cqe()", "None"][:place] + [odd]
                yield name, f"u.{name}({', '.join(given)})", ""
        if params:
            yield name, f"u.{name}({record['new'][0][0]}=1)", ""
        # Two states of each: what an operation filled, and none.
        for made in usual:
            for code in (*GENERAL, *MORE.get(name, ())):
                yield name, made, code
            for member in record["members"]:
                if member.startswith("__"):
                    continue
                # Numbers of descriptors, and what a kernel has, are of the machine.
                yield name, made, f"x.{member}" if name != "Ring" else f"x.{member} > 0"
                if name.startswith("io_uring_"):
                    continue
                yield name, made, f"delattr(x, '{member}')"
                for odd in ODD:
                    yield name, made, f"(setattr(x, '{member}', {odd}), x.{member})"
    for code in WALKS:
        yield "walk", code, ""


def serve(todo, write):
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    names = {**globals()}
    for _, made, code in todo:
        signal.alarm(SECONDS)
        KEPT.clear()
        if made in WALKS:
            told = answer(f"walk({made!r})", names)
        elif not code:
            told = answer(made, names)
        else:
            try:
                names["x"] = eval(made, names)
                told = answer(code, names)
            except Exception as error:
                told = {"unmade": type(error).__name__}
        names.pop("x", None)
        os.write(write, json.dumps(told).encode() + b"\n")


def run(todo):
    while todo:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            with contextlib.suppress(BaseException):
                serve(todo, write)
            os._exit(0)
        os.close(write)
        with open(read, "rb") as pipe:
            lines = pipe.read().splitlines()
        _, status = os.waitpid(child, 0)
        for step, line in zip(todo, lines):
            print(json.dumps([*step, json.loads(line)]))
        del todo[: len(lines)]
        if todo:
            waits = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
            print(json.dumps([*todo.pop(0), {"waits" if waits else "crash": True}]), flush=True)


def main():
    with open(sys.argv[1]) as table:
        run(list(steps(json.load(table)["names"])))


main()
