"""Random programs against the Python module: rings of all three tiers, threads,
forks, closes, descriptors that become others, messages between rings, buffers that
come and go or change their size, operations that cannot be prepared, full sockets,
memory that runs short, signal handlers that raise, code of the program in finalizers,
conversions and weak references, subclasses, copies, odd numbers, threads and event loops
that end while something is in flight.

    python fuzz.py [--seconds N] [--runs N] [--seed N] [--engine kernel|userspace|both]
                   [--asan LIBRARY]      with a module built for the address sanitizer
    python fuzz.py --one SEED            one program, in this process

Each program runs in a process of its own, with the checking allocator. Blocks of
freed memory are taken again and filled with a pattern (canaries): whatever of the
module or of the kernel still writes to freed memory changes one. What a program may
see is an exception; a signal, an abort, a panic, a changed canary or no end at all is
a failure, and the command that repeats it is printed.
"""

import argparse
import array
import copy
import gc
import math
import mmap
import os
import pickle
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import weakref

CANARY = b"\xa5"
NOBODY = 65534
SIZES = (8, 24, 64, 300, 512, 1000, 4096, 16384)
# What a program may see: an exception of the module or of the interpreter.
EXPECTED = (OSError, ValueError, TypeError, RuntimeError, OverflowError, MemoryError, IndexError,
            BufferError, AttributeError, NotImplementedError, StopIteration, EOFError,
            struct.error, pickle.PickleError, KeyError, ReferenceError, SyntaxError, ImportError)  # fmt: skip


class Meddling:
    """What a finalizer, a conversion or a callback does in the middle of something else."""

    program = None
    depth = 0

    @classmethod
    def meddle(cls):
        program = cls.program
        if program is None or cls.depth > 1 or program.pick.random() < 0.3:
            return
        cls.depth += 1
        try:
            program.step(forks=False, short=False)
        finally:
            cls.depth -= 1


class Buffer(bytearray):
    """A buffer whose end is noticed."""

    def __del__(self):
        Meddling.meddle()


class Number(int):
    """A number with work to do before it is one."""

    def __index__(self):
        Meddling.meddle()
        return int(self)

    __float__ = __int__ = lambda self: int.__int__(self)


class Index:
    """No number, but it can be made one, if it wants to."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        Meddling.meddle()
        return self.value

    def __float__(self):
        Meddling.meddle()
        return float(self.value)

    def fileno(self):
        Meddling.meddle()
        return self.value

    def __fspath__(self):
        Meddling.meddle()
        return "file"


class Sequence(list):
    """A list that changes while it is looked at, and lies about its length."""

    def __len__(self):
        Meddling.meddle()
        return list.__len__(self) + 1

    def __iter__(self):
        for each in list(list.__iter__(self)):
            Meddling.meddle()
            yield each


class Note:
    """What a program has an operation known by."""

    def __eq__(self, other):
        Meddling.meddle()
        return NotImplemented

    __hash__ = object.__hash__

    def __del__(self):
        Meddling.meddle()


class Program:
    """One random program."""

    def __init__(self, seed):
        import asyncio  # noqa: F401 (loaded before rights are given up)

        import liburing
        import liburing.aio  # noqa: F401

        self.u = liburing
        self.seed, self.pick = seed, random.Random(seed)
        self.old, self.new, self.handles, self.buffers = [], [], [], []
        self.fds, self.sockets, self.canaries, self.pools = [], [], [], []
        self.done, self.tight = {}, threading.Lock()
        self.refs = []
        Meddling.program = self
        self.main = threading.get_ident()

        class Sub(liburing.Ring):
            """A ring of a subclass, with methods of its own."""

            def fileno(self):
                Meddling.meddle()
                return super().fileno()

            def completions(self, *args, **options):
                Meddling.meddle()
                return super().completions(*args, **options)

            @property
            def ring_fd(self):
                return super().ring_fd

            def __del__(self):
                Meddling.meddle()

        self.kinds = (liburing.Ring, liburing.Ring, Sub)

    # ---- what there is

    def choose(self, things):
        return self.pick.choice(things) if things else None

    def buffer(self):
        if self.buffers and self.pick.random() < 0.4:
            return self.pick.choice(self.buffers)
        size, kind = self.pick.choice(SIZES), self.pick.random()
        if kind < 0.6:
            made = bytearray(size)
        elif kind < 0.75:
            made = Buffer(size)
        elif kind < 0.85:
            made = array.array(self.pick.choice("bBhiQd"), bytes(size // 8 * 8))
        elif kind < 0.92:
            made = mmap.mmap(-1, size)
        else:
            made = bytes(size)
        if self.pick.random() < 0.2:
            made = memoryview(made)
            try:
                cut = self.pick.randrange(len(made) + 1)
                made = self.pick.choice((lambda: made[cut:], lambda: made[::2], lambda: made[::-1], made.toreadonly,
                    lambda: made.cast("B").cast("B", [2, size // 2])))()  # fmt: skip
            except (ValueError, TypeError):
                pass
        self.buffers.append(made)
        return made

    def fd(self):
        kind = self.pick.random()
        if kind < 0.5 and self.sockets:
            return self.pick.choice(self.pick.choice(self.sockets)).fileno()
        if kind < 0.95 and self.fds:
            return self.pick.choice(self.fds)
        return self.pick.choice((-1, 0, 99999, 2**31 - 1))

    def ring(self):
        return self.choose(self.old)

    def number(self):
        number = self.pick.choice((0, 1, 2, 3, 7, 8, 64, 300, 4096, 2**16, 2**31 - 1, 2**32 - 1, 2**63))
        kind = self.pick.random()
        if kind < 0.8:
            return number
        return self.pick.choice((-1, -number, -(2**63), 2**64, 2**200, -(2**200), 0.5, math.nan, math.inf, -math.inf,
            1e300, True, Number(number), Index(number), Index(-1)))  # fmt: skip

    # ---- what it does

    def make_old(self):
        u = self.u
        if len(self.old) < 4:
            flags = self.pick.choice((0, 0, 0, u.IORING_SETUP_COOP_TASKRUN, u.IORING_SETUP_SUBMIT_ALL,
                u.IORING_SETUP_SINGLE_ISSUER | u.IORING_SETUP_DEFER_TASKRUN))  # fmt: skip
            ring = self.pick.choice((*self.kinds, u.io_uring))()
            u.io_uring_queue_init(self.pick.choice((1, 2, 8, 64)), ring, flags)
            self.old.append(ring)

    def make_bare(self):
        u = self.u
        param = u.Param()
        fd = u.io_uring_setup(8, param)
        ring = u.Ring()
        try:
            u.io_uring_queue_mmap(self.pick.choice((fd, fd, os.dup(fd), self.fd())), ring, param)
            self.old.append(ring)
        except EXPECTED:
            os.close(fd)

    def make_new(self):
        if len(self.new) < 4:
            self.new.append(self.pick.choice(self.kinds)(self.pick.choice((1, 8, 64))))

    def close_old(self):
        if self.old and self.pick.random() < 0.5:
            ring = self.old.pop(self.pick.randrange(len(self.old)))
            if self.pick.random() < 0.7:
                self.u.io_uring_queue_exit(ring)

    def close_new(self):
        if self.new and self.pick.random() < 0.4:
            ring = self.new.pop(self.pick.randrange(len(self.new)))
            if self.pick.random() < 0.7:
                ring.close()

    def make_files(self):
        import socket

        if len(self.sockets) < 4:
            pair = socket.socketpair()
            for each in pair:
                each.setblocking(False)
            self.sockets.append(pair)
        if len(self.fds) < 6:
            self.fds += os.pipe()

    def fill(self):
        if self.sockets:
            one = self.pick.choice(self.pick.choice(self.sockets))
            try:
                while one.send(b"F" * 4096):
                    pass
            except OSError:
                pass

    def drain(self):
        for one, two in self.sockets:
            for each in (one, two):
                try:
                    each.recv(1 << 20)
                except OSError:
                    pass

    def feed(self):
        for fd in self.fds:
            try:
                os.set_blocking(fd, False)
                os.write(fd, b"W" * self.pick.choice(SIZES))
            except OSError:
                pass
        for one, two in self.sockets:
            try:
                self.pick.choice((one, two)).send(b"S" * self.pick.choice(SIZES))
            except OSError:
                pass

    def close_file(self):
        if self.fds and self.pick.random() < 0.3:
            os.close(self.fds.pop())
        elif self.sockets and self.pick.random() < 0.3:
            for each in self.sockets.pop():
                each.close()

    def prepare(self):
        u, ring = self.u, self.ring()
        if ring is None:
            return
        for _ in range(self.pick.randrange(1, 6)):
            sqe = u.io_uring_get_sqe(ring)
            if sqe is None:
                return
            names = [name for name in dir(u) if name.startswith("io_uring_prep_")]
            call = self.pick.random()
            sqe.user_data = self.pick.choice((0, 1, 2, self.pick.getrandbits(64), 2**64 - 1))
            if call < 0.2:
                u.io_uring_prep_recv(sqe, self.fd(), self.buffer())
            elif call < 0.4:
                u.io_uring_prep_read(sqe, self.fd(), self.buffer(), 2**64 - 1)
            elif call < 0.5:
                u.io_uring_prep_send(sqe, self.fd(), self.buffer())
            elif call < 0.55:
                other = self.choose([each.ring_fd for each in self.old + self.new])
                u.io_uring_prep_msg_ring(sqe, other, self.number() % 2**31, self.token())
            else:
                self.odd(getattr(u, self.pick.choice(names)), sqe)
            if self.pick.random() < 0.2:
                u.io_uring_sqe_set_flags(sqe, self.pick.getrandbits(8) & ~1 & self.pick.getrandbits(8))

    def odd(self, call, sqe):
        """Any function with arguments of any kind."""
        given = []
        for _ in range(self.pick.randrange(1, 7)):
            given.append(self.pick.choice((
                self.fd, self.buffer, self.number, lambda: None, lambda: [self.buffer(), self.buffer()],
                lambda: self.u.timespec(0, 1000), lambda: "file", lambda: "x" * 5000,
                lambda: 0, lambda: 1,
            ))())  # fmt: skip
        if "close" in call.__name__ or "shutdown" in call.__name__:
            given[0] = 99999
        call(sqe, *given)

    def token(self):
        """A number that may be what the kernel has for an operation."""
        if self.handles and self.pick.random() < 0.5:
            token = getattr(self.pick.choice(self.handles), "_token", None)
            if isinstance(token, int):
                return token
        return self.pick.choice((0, 1, self.pick.randrange(64), self.pick.randrange(64) << 32,
            2**64 - 1, 2**64 - 2, self.pick.getrandbits(64)))  # fmt: skip

    def submit(self):
        ring = self.ring()
        if ring is not None:
            self.u.io_uring_submit(ring)

    def reap(self):
        u, ring = self.u, self.ring()
        if ring is None:
            return
        cqe = u.Cqe()
        for _ in range(self.pick.randrange(8)):
            try:
                u.io_uring_peek_cqe(ring, cqe)
                seen = cqe[0]
                seen.user_data, seen.flags
                u.io_uring_cqe_seen(ring, seen)
            except EXPECTED:
                return

    def wait(self):
        ring = self.ring()
        if ring is not None:
            self.u.io_uring_wait_cqe_timeout(ring, self.u.Cqe(), self.u.timespec(0, 2000000))

    def registers(self):
        u, ring = self.u, self.ring()
        if ring is None:
            return
        names = [name for name in dir(u) if name.startswith(("io_uring_register_", "io_uring_unregister_"))]
        kind = self.pick.random()
        if kind < 0.3:
            u.io_uring_register_buffers(ring, u.Iovec([self.buffer(), self.buffer()]))
        elif kind < 0.4:
            u.io_uring_unregister_buffers(ring)
        elif kind < 0.6:
            group = self.pick.randrange(3)
            br = u.io_uring_setup_buf_ring(ring, 4, group, 0)
            for at in range(self.pick.randrange(4)):
                made = self.buffer()
                u.io_uring_buf_ring_add(br, made, len(made), at, u.io_uring_buf_ring_mask(4), at)
            u.io_uring_buf_ring_advance(br, self.pick.randrange(4))
            self.pools.append((ring, br, group))
        elif kind < 0.7 and self.pools:
            ring, br, group = self.pools.pop()
            u.io_uring_free_buf_ring(ring, br, 4, group)
        elif kind < 0.8:
            self.pick.choice((u.io_uring_register_ring_fd, u.io_uring_unregister_ring_fd))(ring)
        else:
            call = getattr(u, self.pick.choice(names))
            call(ring, *[self.pick.choice((self.fd, self.buffer, self.number, lambda: []))()
                         for _ in range(self.pick.randrange(4))])  # fmt: skip

    def select(self):
        u, ring = self.u, self.ring()
        if ring is None:
            return
        sqe = u.io_uring_get_sqe(ring)
        if sqe is not None:
            u.io_uring_prep_recv(sqe, self.fd(), None, 0)
            sqe.flags = u.IOSQE_BUFFER_SELECT
            u.io_uring_sqe_set_buf_group(sqe, self.pick.randrange(3))

    def start(self):
        ring = self.choose(self.new)
        if ring is None:
            return
        for _ in range(self.pick.randrange(1, 6)):
            call = self.pick.random()
            if call < 0.2:
                made = ring.read(self.fd(), self.pick.choice((self.buffer(), self.pick.choice(SIZES))))
            elif call < 0.4:
                made = ring.recv(self.fd(), self.pick.choice((self.buffer(), self.pick.choice(SIZES))))
            elif call < 0.5:
                made = ring.send(self.fd(), self.buffer())
            elif call < 0.6:
                target = self.choose([each for each in self.old + self.new if each is not ring])
                made = ring.msg_ring(target, self.token(), self.number() % 2**31)
            elif call < 0.65:
                made = ring.nops(self.pick.choice((1, 3, 100, 5000)))
            elif call < 0.7:
                made = ring.recv_multishot(self.fd(), ring.buffer_pool(4, 512))
            elif call < 0.75:
                made = ring.timeout(self.pick.choice((0, 0.001, 5)))
            elif call < 0.8:
                made = ring.poll_multishot(self.fd(), 1)
            elif call < 0.85:
                made = self.choose(self.handles)
                if made is not None:
                    made.cancel()
            else:
                names = [name for name in dir(ring) if not name.startswith("_")
                         and name not in ("close", "close_fd", "close_batch", "shutdown", "completions", "as_completed")]  # fmt: skip
                made = getattr(ring, self.pick.choice(names))
                if callable(made):
                    made = made(*[self.pick.choice((self.fd, self.buffer, self.number, lambda: [self.buffer()],
                        lambda: "file", lambda: "y" * 5000))() for _ in range(self.pick.randrange(5))])  # fmt: skip
            if self.pick.random() < 0.8:
                self.handles.append(made)

    def collect(self):
        ring = self.choose(self.new)
        if ring is not None:
            for handle in ring.completions(self.pick.randrange(2), timeout=0.002):
                self.value(handle)

    def value(self, handle):
        if hasattr(handle, "result"):
            got = handle.result(timeout=0.001)
            if isinstance(got, bytes) and CANARY * 16 in got:
                raise SystemExit("freed memory was handed out")

    def results(self):
        handle = self.choose(self.handles)
        if handle is not None:
            self.value(handle)

    def forget(self):
        for things in (self.buffers, self.handles):
            while things and self.pick.random() < 0.7:
                things.pop(self.pick.randrange(len(things)))
        if self.pick.random() < 0.2:
            gc.collect()
        self.plant()

    def plant(self):
        """Takes what was freed."""
        if len(self.canaries) > 3000:
            self.check()
            del self.canaries[: len(self.canaries) // 2]
        for size in SIZES:
            self.canaries += [bytearray(CANARY * size) for _ in range(8)]

    def check(self):
        for block in self.canaries:
            if block.count(CANARY) != len(block):
                raise SystemExit(f"a canary of {len(block)} bytes changed: {bytes(block[:64]).hex()}")

    def swap(self):
        """Another file behind the descriptor of a ring."""
        rings = self.old + self.new
        if rings and self.pick.random() < 0.3:
            fd = self.pick.choice(rings).ring_fd
            other = self.pick.choice([each.ring_fd for each in rings] + self.fds)
            if fd > 2 and other > 2:
                os.dup2(other, fd)

    def fork(self):
        if self.pick.random() < 0.1:
            pid = os.fork()
            if pid == 0:
                signal.alarm(5)
                try:
                    for _ in range(20):
                        self.step(forks=False)
                    self.check()
                except SystemExit as error:
                    print(error, flush=True)
                    os._exit(9)
                except BaseException:
                    pass
                os._exit(0)
            _, status = os.waitpid(pid, 0)
            if status not in (0, signal.SIGALRM):
                raise SystemExit(f"a child ended with status {status}")

    def thread(self):
        def work():
            for _ in range(5):
                self.step(forks=False)

        # A thread that cannot begin for want of memory hangs its starter in CPython.
        if threading.active_count() < 4 and self.pick.random() < 0.5 and self.tight.acquire(False):
            try:
                threading.Thread(target=work, daemon=False).start()
            finally:
                self.tight.release()

    def short(self):
        """Memory runs short."""
        # The address sanitizer needs address space of its own.
        if "ASAN_OPTIONS" not in os.environ and self.pick.random() < 0.3 and self.tight.acquire(False):
            with open("/proc/self/statm") as file:
                now = int(file.read().split()[0]) * 4096
            soft = now + self.pick.choice((0, 1 << 16, 1 << 20, 8 << 20))
            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
            try:
                for _ in range(10):
                    self.step(forks=False, short=False)
                ring = self.choose(self.new)
                if ring is not None:
                    ring.nops(self.pick.choice((1000, 100_000, 1_000_000)))
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
                self.tight.release()

    def failing(self):
        """Allocations of the module fail."""
        native = self.u._liburing
        if self.pick.random() < 0.3:
            native._fail_allocations(self.pick.choice((1, 2, 3, 7)))
            try:
                for _ in range(20):
                    self.step(forks=False, short=False)
            finally:
                native._fail_allocations(0)

    def loop(self):
        """An event loop with transports, and operations that cannot be prepared."""
        import asyncio
        import socket

        import liburing.aio as aio

        pick = self.pick

        async def bad():
            try:
                await aio.stat("a" * 5000)
            except EXPECTED:
                pass

        async def main():
            loop = asyncio.get_running_loop()
            pairs = []
            for _ in range(3):
                one, two = socket.socketpair()
                one.setblocking(False), two.setblocking(False)
                if pick.random() < 0.6:
                    try:
                        while one.send(b"." * 4096):
                            pass
                    except BlockingIOError:
                        pass
                transport, _ = await loop.create_connection(asyncio.Protocol, sock=one)
                pairs.append((transport, two))
            tasks = []
            for _ in range(12):
                what = pick.random()
                transport, peer = pick.choice(pairs)
                if what < 0.3:
                    tasks.append(asyncio.ensure_future(bad()))
                elif what < 0.7:
                    transport.write(bytearray(b"A" * pick.choice(SIZES)))
                elif what < 0.8:
                    transport.abort()
                else:
                    await asyncio.sleep(0)
                self.plant()
            await asyncio.sleep(0.01)
            for _, peer in pairs:
                try:
                    while data := peer.recv(1 << 16):
                        if data.count(b"A") + data.count(b".") != len(data):
                            raise SystemExit("freed memory was sent")
                except (BlockingIOError, ConnectionError):
                    pass
            await asyncio.gather(*tasks)
            for transport, _ in pairs:
                transport.abort()

        if pick.random() < 0.15:
            aio.run(asyncio.wait_for(main(), 5))

    def resize_buffer(self):
        """Buffers that change their size or let go, which those in flight must not."""
        buffer = self.choose(self.buffers)
        if buffer is None:
            return
        call = self.pick.choice(("append", "clear", "extend", "pop", "resize", "close", "release", "frombytes"))
        given = {"append": (1,), "extend": (b"12345678" * 999,), "resize": (self.pick.choice(SIZES),),
                 "frombytes": (bytes(8000),)}  # fmt: skip
        getattr(buffer, call)(*given.get(call, ()))

    def resize_ring(self):
        u, ring = self.u, self.ring()
        if ring is not None:
            param = u.Param()
            param.sq_entries = self.pick.choice((1, 8, 64, 256))
            param.cq_entries = param.sq_entries * self.pick.choice((1, 2, 4))
            param.flags = u.IORING_SETUP_CQSIZE
            u.io_uring_resize_rings(ring, param)

    def copies(self):
        thing = self.choose(self.old + self.new + self.handles + self.pools + [self.u.Cqe(), self.u.Param(), self.u.timespec(1, 2)])
        if not any(base.__module__.startswith("liburing") for base in type(thing).__mro__):
            # Python's own futures and tasks do not bear all that.
            return
        call = self.pick.choice((copy.copy, copy.deepcopy, pickle.dumps, repr, hash, bool, dir, vars,
            lambda each: each == thing, lambda each: each.__reduce_ex__(2), lambda each: each.__init__(),
            lambda each: each.__init__(8), lambda each: each.__class__(), lambda each: each.__class__.__new__(each.__class__),
            lambda each: each.__enter__(), lambda each: each.__exit__(None, None, None), iter, len, memoryview))  # fmt: skip
        made = call(thing)
        if not isinstance(made, (str, int, list, bytes, dict)) and self.pick.random() < 0.5:
            self.handles.append(made)

    def noted(self):
        """Operations known by an object, which ends with them; options of all kinds."""
        ring = self.choose(self.new)
        if ring is not None:
            options = {"user_data": Note()}
            if self.pick.random() < 0.4:
                options["timeout"] = self.number()
            if self.pick.random() < 0.2:
                options["drain"] = True
            if self.pick.random() < 0.2:
                options["force_async"] = True
            made = self.pick.choice((
                lambda: ring.read(Index(self.fd()), self.buffer(), **options), lambda: ring.nop(**options),
                lambda: ring.recv(self.fd(), Index(64), **options), lambda: ring.timeout(self.number(), user_data=Note()),
                lambda: ring.openat(Index(0), user_data=Note()), lambda: ring.writev(self.fd(), Sequence([self.buffer()]), **options),
                lambda: ring.read_batch(Sequence([self.fd()] * 3), Sequence([self.buffer() for _ in range(3)]), user_data=Note()),
                lambda: ring.register_buffers(Sequence([self.buffer(), self.buffer()])),
                lambda: ring.register_files(Sequence([self.fd(), Index(self.fd())])),
                lambda: ring.accept_multishot(self.fd(), user_data=Note()),
            ))()  # fmt: skip
            self.handles.append(made)

    def watch(self):
        """Weak references, whose callbacks meddle."""
        thing = self.choose(self.handles + self.old + self.new + self.buffers)
        if thing is not None:
            self.refs.append(weakref.ref(thing, lambda _: Meddling.meddle()))
            del self.refs[:-50]

    def grouped(self):
        ring = self.choose(self.new)
        if ring is not None:
            with self.pick.choice((ring.batch, ring.link))():
                for _ in range(self.pick.randrange(4)):
                    self.step(forks=False, short=False)

    def interrupted(self):
        """A signal handler that raises, whatever is going on."""
        if threading.get_ident() != self.main or self.pick.random() < 0.5:
            return
        kind = self.pick.choice((KeyboardInterrupt, ValueError, OSError))

        def handler(*_):
            raise kind

        old = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, self.pick.choice((0.0001, 0.0005, 0.002)), 0.0007)
            for _ in range(10):
                self.step(forks=False, short=False)
            ring = self.choose(self.new)
            if ring is not None:
                ring.completions(100, timeout=0.01)
        except KeyboardInterrupt:
            pass
        finally:
            while True:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    signal.signal(signal.SIGALRM, old)
                    break
                except (KeyboardInterrupt, ValueError, OSError):
                    pass

    def thread_ends(self):
        """A thread that ends with what it has submitted in flight."""

        def work():
            try:
                with self.u.Ring(4) as own:
                    made = own.read(self.fd(), self.buffer())
                    own.submit()
                    self.handles.append(made)
                ring = self.choose(self.new)
                if ring is not None:
                    self.handles.append(ring.recv(self.fd(), self.buffer()))
                    ring.submit()
                self.prepare()
                self.submit()
            except EXPECTED:
                pass

        if threading.active_count() < 4 and self.tight.acquire(False):
            try:
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
            finally:
                self.tight.release()

    def child_message(self):
        """A child sends messages to a ring that it has from its parent."""
        ring = self.choose(self.new)
        if ring is None or threading.active_count() > 1 or self.pick.random() < 0.7:
            return
        pid = os.fork()
        if pid == 0:
            signal.alarm(5)
            code = 0
            try:
                other = self.u.Ring(8)
                for _ in range(5):
                    try:
                        other.msg_ring(ring, self.token(), self.number()).result(timeout=0.1)
                    except EXPECTED:
                        pass
                for _ in range(10):
                    self.step(forks=False)
                self.check()
            except SystemExit as error:
                print(error, flush=True)
                code = 9
            except BaseException:
                pass
            os._exit(code)
        _, status = os.waitpid(pid, 0)
        if status not in (0, signal.SIGALRM):
            raise SystemExit(f"a child that sent messages ended with status {status}")

    def loop_ends(self):
        """An event loop that is closed, stopped, forked or forgotten with work in flight."""
        import asyncio
        import socket

        import liburing.aio as aio

        pick, kept = self.pick, []
        if pick.random() < 0.7 or threading.get_ident() != self.main:
            return

        async def main():
            loop = asyncio.get_running_loop()
            one, two = socket.socketpair()
            one.setblocking(False), two.setblocking(False)
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=one)
            kept.extend((transport, two))
            r, w = os.pipe()
            self.fds += [r, w]
            for _ in range(pick.randrange(1, 12)):
                what = pick.random()
                if what < 0.25:
                    kept.append(asyncio.ensure_future(aio.read(r, pick.choice(SIZES))))
                elif what < 0.4:
                    kept.append(asyncio.ensure_future(aio.stat("file")))
                elif what < 0.6:
                    transport.write(bytes(Buffer(b"A" * pick.choice(SIZES) * 20)))
                elif what < 0.7:
                    loop.call_later(self.number() if pick.random() < 0.5 else 0.001, Meddling.meddle)
                elif what < 0.75:
                    transport.pause_reading() if pick.random() < 0.5 else transport.abort()
                elif what < 0.8 and kept:
                    getattr(pick.choice(kept), "cancel", Meddling.meddle)()
                elif what < 0.85:
                    loop.add_reader(r, Meddling.meddle)
                elif what < 0.9:
                    loop.stop()
                elif what < 0.93 and threading.active_count() == 1:
                    pid = os.fork()
                    if pid == 0:
                        signal.alarm(5)
                        try:
                            transport.write(b"C")
                            if pick.random() < 0.5:
                                loop.close()
                            self.check()
                        except SystemExit:
                            os._exit(9)
                        except BaseException:
                            pass
                        os._exit(0)
                    _, status = os.waitpid(pid, 0)
                    if status not in (0, signal.SIGALRM):
                        raise SystemExit(f"a child of a loop ended with status {status}")
                else:
                    await asyncio.sleep(0)
                self.plant()

        loop = pick.choice((aio.EventLoop, asyncio.SelectorEventLoop))()
        try:
            loop.run_until_complete(asyncio.wait_for(main(), 2))
        except (asyncio.CancelledError, *EXPECTED):
            pass
        if pick.random() < 0.8:
            loop.close()
        if pick.random() < 0.5:
            self.handles += kept
        kept.clear()
        del loop
        self.plant()

    # ---- all of it

    STEPS = (
        "make_old make_new make_bare close_old close_new make_files fill drain feed close_file "
        "prepare prepare prepare submit submit reap reap wait registers registers select start "
        "start start collect results forget forget swap fork thread short failing loop "
        "resize_buffer resize_buffer resize_ring copies noted noted watch grouped interrupted "
        "thread_ends child_message loop_ends"
    ).split()

    def step(self, forks=True, short=True):
        name = self.pick.choice(self.STEPS)
        alone = ("fork", "thread", "loop", "interrupted", "thread_ends", "child_message", "loop_ends")
        if name in alone and not forks or name in ("short", "failing") and not short:
            return
        try:
            getattr(self, name)()
            self.done[name] = self.done.get(name, 0) + 1
        except EXPECTED:
            pass

    def run(self, steps):
        self.make_files()
        self.make_old()
        self.make_new()
        for _ in range(steps):
            self.step()
        for other in threading.enumerate():
            if other is not threading.current_thread():
                other.join()
        self.plant()
        self.feed()
        time.sleep(0.01)
        self.check()
        self.old.clear(), self.new.clear(), self.handles.clear(), self.buffers.clear()
        self.refs.clear()
        Meddling.program = None
        self.plant()
        self.check()
        if os.environ.get("FUZZ_SHOW"):
            print(self.done)


def grow_stack():
    """A limit on address space holds for the stack, too: where that cannot grow the kernel
    ends the program with SIGSEGV, whoever's code it is. What it has grown it keeps."""
    around, limit = [], sys.getrecursionlimit()
    for _ in range(9000):
        around = [around]
    sys.setrecursionlimit(10_000)
    try:
        repr(around)
    except RecursionError:
        pass
    finally:
        sys.setrecursionlimit(limit)


def one(seed, steps, folder):
    import faulthandler

    faulthandler.enable()
    grow_stack()
    faulthandler.dump_traceback_later(40, exit=True)
    sys.stdin.close()
    import multiprocessing.reduction  # noqa: F401 (loaded before rights are given up)

    if "ASAN_OPTIONS" not in os.environ:
        # Buffers of gigabytes are filled by the checking allocator, slowly.
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    program = Program(seed)
    confine(folder or tempfile.mkdtemp())
    program.run(steps)
    print("held", flush=True)
    # What is left goes when the interpreter ends.


def confine(folder):
    """Random calls make, rename and remove files: in a folder of their own, with
    relative names only, and as nobody where the tests run as root."""
    os.chmod(folder, 0o777)
    os.chdir(folder)
    with open("file", "w") as file:
        file.write("x" * 5000)
    if os.geteuid() == 0:
        os.chown("file", NOBODY, NOBODY)
        _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def environment(engine, asan):
    found = os.environ | {
        "ANYRING_ENGINE": engine, "PYTHONMALLOC": "debug", "PYTHONHASHSEED": "0",
    }  # fmt: skip
    if asan:
        # The sanitizer watches malloc. What the interpreter leaves at its end is no leak
        # of the module's.
        options = "detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0"
        found |= {"PYTHONMALLOC": "malloc", "LD_PRELOAD": asan, "ASAN_OPTIONS": options}
    return found


def where(pid):
    """Where a process hangs, if there is a debugger that says so."""
    if shutil.which("gdb") is None:
        return b""
    command = ["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt 16"]
    try:
        return subprocess.run(command, capture_output=True, timeout=20, stdin=subprocess.DEVNULL).stdout
    except subprocess.TimeoutExpired:
        return b""


def verdict(engine, seed, steps, asan=None):
    """None, or what happened."""
    command = [sys.executable, __file__, "--one", str(seed), "--steps", str(steps)]
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    command += ["--folder", folder.name]
    process = subprocess.Popen(
        command, env=environment(engine, asan), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    stands = b""
    try:
        try:
            out, error = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            stands = where(process.pid)
            out, error = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        out, error = process.communicate()
        return f"no end\n{(error + stands).decode(errors='replace')[-9000:]}"
    finally:
        folder.cleanup()
    text = (out + error + stands).decode(errors="replace")
    if process.returncode or "held" not in text or "panic" in text.lower() or "Sanitizer" in text:
        return f"ended with {process.returncode}\n{text[-9000:]}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--runs", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--engine", choices=("kernel", "userspace", "both"), default="both")
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--asan", metavar="LIBRARY", help="the sanitizer's library, to be loaded first")
    parser.add_argument("--one", type=int)
    parser.add_argument("--folder")
    args = parser.parse_args()
    if args.one is not None:
        return one(args.one, args.steps, args.folder)
    engines = ("kernel", "userspace") if args.engine == "both" else (args.engine,)
    if "kernel" in engines:
        made = subprocess.run(
            [sys.executable, "-c", "import liburing; liburing.Ring(8).close()"],
            env=environment("kernel", args.asan), capture_output=True, text=True,
        )  # fmt: skip
        if made.returncode:
            reason = made.stderr.strip().splitlines()[-1]
            print(f"skipped: programs on the kernel's rings: {reason}", flush=True)
            engines = tuple(engine for engine in engines if engine != "kernel")
            if not engines:
                return 77
    print(f"first seed {args.seed}", flush=True)
    end, runs, failures = time.monotonic() + args.seconds, 0, 0
    while time.monotonic() < end and runs < args.runs:
        engine, seed = engines[runs % len(engines)], args.seed + runs
        found = verdict(engine, seed, args.steps, args.asan)
        runs += 1
        if found:
            failures += 1
            print(f"seed {seed} on {engine}: {found}\nagain: ANYRING_ENGINE={engine} "
                  f"PYTHONMALLOC=debug {sys.executable} {__file__} --one {seed} --steps {args.steps}",
                  flush=True)  # fmt: skip
            if not args.keep_going:
                break
    print(f"{runs} programs, {failures} failed", flush=True)
    return int(failures > 0 or runs == 0)


if __name__ == "__main__":
    sys.exit(main())
