"""Random programs against the Python module: rings of all three tiers, threads,
forks, closes, descriptors that become others, messages between rings, buffers that
come and go, operations that cannot be prepared, full sockets, memory that runs
short.

    python fuzz.py [--seconds N] [--runs N] [--seed N] [--engine kernel|userspace|both]
    python fuzz.py --one SEED            one program, in this process

Each program runs in a process of its own, with the checking allocator. Blocks of
freed memory are taken again and filled with a pattern (canaries): whatever of the
module or of the kernel still writes to freed memory changes one. What a program may
see is an exception; a signal, an abort, a panic, a changed canary or no end at all is
a failure, and the command that repeats it is printed.
"""

import argparse
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import threading
import time

CANARY = b"\xa5"
NOBODY = 65534
SIZES = (8, 24, 64, 300, 512, 1000, 4096, 16384)
# What a program may see: an exception of the module or of the interpreter.
EXPECTED = (OSError, ValueError, TypeError, RuntimeError, OverflowError, MemoryError, IndexError,
            BufferError, AttributeError, NotImplementedError, StopIteration, EOFError,
            struct.error)  # fmt: skip


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

    # ---- what there is

    def choose(self, things):
        return self.pick.choice(things) if things else None

    def buffer(self):
        if self.buffers and self.pick.random() < 0.4:
            return self.pick.choice(self.buffers)
        made = bytearray(self.pick.choice(SIZES))
        if self.pick.random() < 0.2:
            made = memoryview(made)[self.pick.randrange(len(made)) :]
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
        return self.pick.choice((0, 1, 2, 3, 7, 8, 64, 300, 4096, 2**16, 2**31 - 1, 2**32 - 1, 2**63))

    # ---- what it does

    def make_old(self):
        u = self.u
        if len(self.old) < 4:
            flags = self.pick.choice((0, 0, 0, u.IORING_SETUP_COOP_TASKRUN, u.IORING_SETUP_SUBMIT_ALL,
                u.IORING_SETUP_SINGLE_ISSUER | u.IORING_SETUP_DEFER_TASKRUN))  # fmt: skip
            ring = self.pick.choice((u.Ring, u.io_uring))()
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
            self.new.append(self.u.Ring(self.pick.choice((1, 8, 64))))

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
        import gc

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
        import signal

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
        if self.pick.random() < 0.3 and self.tight.acquire(False):
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

    # ---- all of it

    STEPS = (
        "make_old make_new make_bare close_old close_new make_files fill drain feed close_file "
        "prepare prepare prepare submit submit reap reap wait registers registers select start "
        "start start collect results forget forget swap fork thread short failing loop"
    ).split()

    def step(self, forks=True, short=True):
        name = self.pick.choice(self.STEPS)
        if name in ("fork", "thread", "loop") and not forks or name in ("short", "failing") and not short:
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
        self.plant()
        self.check()
        if os.environ.get("FUZZ_SHOW"):
            print(self.done)


def one(seed, steps, folder):
    import faulthandler

    faulthandler.enable()
    faulthandler.dump_traceback_later(40, exit=True)
    sys.stdin.close()
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


def environment(engine):
    return os.environ | {
        "ANYRING_ENGINE": engine, "PYTHONMALLOC": "debug", "PYTHONHASHSEED": "0",
    }  # fmt: skip


def verdict(engine, seed, steps):
    """None, or what happened."""
    command = [sys.executable, __file__, "--one", str(seed), "--steps", str(steps)]
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    command += ["--folder", folder.name]
    try:
        done = subprocess.run(
            command, env=environment(engine), capture_output=True, timeout=60, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        return f"no end\n{(error.stderr or b'').decode(errors='replace')[-3000:]}"
    finally:
        folder.cleanup()
    text = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode or "held" not in text or "panic" in text.lower():
        return f"ended with {done.returncode}\n{text[-4000:]}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--runs", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--engine", choices=("kernel", "userspace", "both"), default="both")
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--one", type=int)
    parser.add_argument("--folder")
    args = parser.parse_args()
    if args.one is not None:
        return one(args.one, args.steps, args.folder)
    engines = ("kernel", "userspace") if args.engine == "both" else (args.engine,)
    if "kernel" in engines:
        made = subprocess.run(
            [sys.executable, "-c", "import liburing; liburing.Ring(8).close()"],
            env=os.environ | {"ANYRING_ENGINE": "kernel"}, capture_output=True, text=True,
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
        found = verdict(engine, seed, args.steps)
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
