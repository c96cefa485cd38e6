# What is used for the first time while there is no memory, each in a process of its own: an
# exception of the interpreter's, never a panic.
from common import *
import asyncio, io, signal, socket
import liburing.aio as A

try:
    from _testcapi import remove_mem_hooks, set_nomemory
except ImportError:
    print("skipped: this interpreter has no _testcapi")
    print("held")
    raise SystemExit

PLACES = range(0, 24)
OF_LOOPS = range(0, 24, 5)
# Python's own: an operation of the interpreter that lost the exception.
OF_PYTHON = (MemoryError, OSError, ValueError, TypeError, RuntimeError, OverflowError, AttributeError,
             IndexError, SystemError)  # fmt: skip


def ring():
    made = L.Ring(8)
    made.nop().result()
    return made


def functions():
    made = L.Ring()
    L.io_uring_queue_init(8, made)
    return made


def group():
    made = ring()
    with made.batch() as all:
        made.nop()
        made.read(-1, 1)
    return all.wait()


def batch():
    return ring().nops(3).wait()


def views():
    made = ring()
    one, two = socket.socketpair()
    stream = made.recv_multishot(one, made.buffer_pool(4, 64), copy=False)
    made.submit()
    two.send(b"x" * 20)
    made.completions(1)
    kept.append((made, one, two))
    return stream


def on_a_loop(main):
    """A loop whose turn fails."""
    loop = A.EventLoop()
    try:
        loop.run_until_complete(main(loop))
    finally:
        remove_mem_hooks()
        loop.close()


async def starved(awaitable):
    set_nomemory(now, now + 1)
    try:
        return await awaitable()
    finally:
        remove_mem_hooks()


async def transport(loop):
    one, two = socket.socketpair()
    one.setblocking(False)
    made, _ = await loop.create_connection(asyncio.Protocol, sock=one)

    async def write():
        made.write(b"some")
        made.write(b"more")
        two.send(b"back")
        await asyncio.sleep(0.001)
        made.pause_reading()
        made.resume_reading()

    await starved(write)
    made.abort()
    two.close()


kept = []
# What is prepared, and what is called without memory.
CALLS = {
    "fileno": (ring, lambda made: made.read(io.BytesIO(), 8)),
    "socket": (lambda: (ring(), socket.socketpair()), lambda both: both[0].recv(both[1][0], 8)),
    "no file": (ring, lambda made: made.read("x", 8)),
    "no buffer": (ring, lambda made: made.read(0, "x")),
    "option": (ring, lambda made: made.read(0, 8, unknown=1)),
    "negative": (ring, lambda made: made.timeout(-1)),
    "failed": (ring, lambda made: made.read(-1, 8).result()),
    "missing": (ring, lambda made: made.openat("/nowhere").result()),
    "late": (ring, lambda made: made.timeout(5).result(timeout=0.001)),
    "batch": (batch, lambda made: (made.results, made.errors(), made.result(), repr(made))),
    "batch error": (lambda: ring().read_batch([-1, -1], [bytearray(1), bytearray(1)]).wait(),
                    lambda made: (made.errors(), made.result())),
    "group": (group, lambda made: (made.operations, made.results, made.errors(), made.result())),
    "views": (views, lambda made: made.take()),
    "files": (ring, lambda made: made.register_files([0, 1, 2])),
    "buffers": (ring, lambda made: made.register_buffers([bytearray(64), bytearray(64)])),
    "ranges": (lambda: (ring(), [bytearray(8), bytearray(8)]),
               lambda both: both[0].read_batch([0, 0], both[1], range(0, 16, 8))),
    "probe": (ring, lambda made: made.probe()),
    "closed": (lambda: (lambda made: (made.close(), made)[1])(ring()), lambda made: made.nop()),
    "ring": (lambda: None, lambda _: L.Ring(8)),
    "bad ring": (lambda: None, lambda _: L.Ring(0)),
    "pool": (ring, lambda made: made.buffer_pool(4, 64)),
    "status": (ring, lambda made: made.statx("/").result()),
    "message": (lambda: (ring(), ring()), lambda both: (both[0].msg_ring(both[1], 7).result(), both[1].completions())),
    "engine": (lambda: None, lambda _: L.choose_engine("nothing")),
    "functions": (functions, lambda made: L.io_uring_prep_read(L.io_uring_get_sqe(made), "x", bytearray(8), 0)),
    "path": (functions, lambda made: L.io_uring_prep_openat(L.io_uring_get_sqe(made), -100, 5, 0, 0)),
    "flags": (functions, lambda made: L.io_uring_prep_madvise(L.io_uring_get_sqe(made), bytearray(8), 8, 100)),
    "register": (functions, lambda made: L.io_uring_register_buffers(made, L.Iovec([bytearray(8)]))),
    "no entry": (functions, lambda made: L.io_uring_prep_nop(None)),
    "peek": (functions, lambda made: L.io_uring_peek_cqe(made, L.Cqe())),
    "query": (functions, lambda made: L.io_uring_get_probe_ring(made)),
    "loop": (lambda: None, lambda _: A.EventLoop().close()),
    "stat": (lambda: None, lambda _: on_a_loop(lambda loop: starved(lambda: A.stat("/")))),
    "sleep": (lambda: None, lambda _: on_a_loop(lambda loop: starved(lambda: A.sleep(0.001)))),
    "open": (lambda: None, lambda _: on_a_loop(lambda loop: starved(lambda: A.open("/dev/null", "rb")))),


    "transport": (lambda: None, lambda _: on_a_loop(transport)),
}  # fmt: skip
# A callback that Python has no memory to run is lost, on asyncio's own loops as well: there
# a program may wait for ever.
ON_A_LOOP = {"stat", "sleep", "open", "transport"}

failed, wrong = 0, []
for name, (prepare, call) in CALLS.items():
    for now in OF_LOOPS if name in ON_A_LOOP else PLACES:
        pid = os.fork()
        if pid == 0:
            # Loops in which a wake was lost end by it; of the rest what waits for ever does,
            # and not what is slow on a busy machine.
            signal.alarm(2 if name in ON_A_LOOP else 20)
            devnull = os.open("/dev/null", os.O_WRONLY)
            code = 0
            try:
                state = prepare()
                report = os.dup(2)
                os.dup2(devnull, 2)
                try:
                    if name not in ON_A_LOOP:
                        set_nomemory(now, now + 1)
                    call(state)
                finally:
                    remove_mem_hooks()
            except OF_PYTHON as error:
                code = 3 if isinstance(error, MemoryError) else 4
            except BaseException as error:
                os.write(report, f"{name} {now}: {error!r}\n".encode())
                code = 9
            os._exit(code)
        _, status = os.waitpid(pid, 0)
        failed += status == 3 << 8
        waits = (signal.SIGALRM,) if name in ON_A_LOOP else ()
        if status not in (0, 3 << 8, 4 << 8, *waits):
            wrong.append((name, now, status))
assert not wrong, wrong
print(failed, "times without memory")
assert failed > len(CALLS)
print("held")
