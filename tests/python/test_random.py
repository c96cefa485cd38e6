"""Random programs: one that must end with the right bytes and leak nothing, one
that calls everything with anything. A failure prints the seed."""

import os
import pathlib
import random
import resource
import subprocess
import sys
import time

import liburing as u
import pytest

SECONDS = 3
BLOCK = 512
BLOCKS = 64


def open_files():
    """Open descriptors, when the engine's driver has had time to close its own: it runs
    once more after the end of the last ring."""
    fewest, end = 1 << 30, time.monotonic() + 1
    while time.monotonic() < end:
        fewest = min(fewest, len(os.listdir("/proc/self/fd")))
        time.sleep(0.02)
    return fewest


class Program:
    """Writes, reads, cancels, drops and closes, beside a model of the file."""

    def __init__(self, seed, path):
        self.rng = random.Random(seed)
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self.model = [bytes(BLOCK)] * BLOCKS
        os.pwrite(self.fd, b"".join(self.model), 0)
        self.ends = os.pipe()
        self.fresh()

    def fresh(self):
        self.ring = u.Ring()
        u.io_uring_queue_init(self.rng.choice([2, 8, 32]), self.ring)
        self.flying, self.tag = {}, 0
        self.stuck = set()

    def entry(self):
        sqe = u.io_uring_get_sqe(self.ring)
        if sqe is None:
            u.io_uring_submit(self.ring)
            sqe = u.io_uring_get_sqe(self.ring)
        self.tag += 1
        return sqe

    def free_block(self):
        busy = {place for kind, place, _ in self.flying.values() if kind != "wait"}
        return self.rng.choice([i for i in range(BLOCKS) if i not in busy])

    def write(self):
        place = self.free_block()
        data = self.rng.randbytes(BLOCK)
        sqe = self.entry()
        if self.rng.random() < 0.3:
            parts = [bytearray(data[:100]), data[100:]]
            u.io_uring_prep_writev(sqe, self.fd, u.Iovec(parts), place * BLOCK)
        else:
            kind = self.rng.choice([bytes, bytearray])
            u.io_uring_prep_write(sqe, self.fd, kind(data), place * BLOCK)
        self.go(sqe, "write", place, data)

    def read(self):
        place = self.free_block()
        buf = bytearray(BLOCK)
        sqe = self.entry()
        u.io_uring_prep_read(sqe, self.fd, buf, place * BLOCK)
        self.go(sqe, "read", place, buf if self.rng.random() < 0.7 else None)

    def wait_for_nothing(self):
        """A read of an empty pipe: ends by being cancelled."""
        sqe = self.entry()
        u.io_uring_prep_read(sqe, self.ends[0], bytearray(4096), 2**64 - 1)
        self.stuck.add(self.tag)
        self.go(sqe, "wait", None, None)

    def go(self, sqe, kind, place, data):
        sqe.user_data = self.tag
        if self.rng.random() < 0.2:
            sqe.flags = u.IOSQE_ASYNC
        self.flying[self.tag] = (kind, place, data)

    def cancel(self):
        if self.stuck:
            victim = self.rng.choice(sorted(self.stuck))
            sqe = self.entry()
            u.io_uring_prep_cancel64(sqe, victim)
            sqe.user_data = 0

    def submit(self):
        u.io_uring_submit(self.ring)

    def harvest(self):
        cqe = u.Cqe()
        if u.io_uring_cq_ready(self.ring) == 0:
            return
        u.io_uring_peek_cqe(self.ring, cqe)
        entry = cqe[0]
        tag = entry.user_data
        try:
            res = entry.res
        except OSError as error:
            res = -error.errno
        u.io_uring_cqe_seen(self.ring, entry)
        if tag == 0:
            return
        kind, place, data = self.flying.pop(tag)
        self.stuck.discard(tag)
        if kind == "wait":
            assert res == -125, res
        else:
            assert res == BLOCK, (kind, res)
            if kind == "write":
                self.model[place] = data
            elif data is not None:
                assert data == self.model[place]

    def settle(self):
        """Everything but what waits for nothing ends, then that is cancelled."""
        self.submit()
        end = time.monotonic() + 20
        while len(self.flying) > len(self.stuck):
            assert time.monotonic() < end
            self.harvest()
        while self.flying:
            assert time.monotonic() < end
            self.cancel()
            self.submit()
            self.harvest()

    def close(self):
        """Takes the ring down with reads of nothing in flight."""
        self.submit()
        while len(self.flying) > len(self.stuck):
            self.harvest()
        if self.rng.random() < 0.5:
            u.io_uring_queue_exit(self.ring)
        self.fresh()

    def run(self, seconds):
        end = time.monotonic() + seconds
        steps = 0
        while time.monotonic() < end:
            kinds = [self.write, self.read, self.wait_for_nothing, self.cancel, self.submit]
            step = self.rng.choices(
                [*kinds, self.harvest, self.close], [9, 9, 2, 2, 6, 12, 0.3]
            )[0]
            if len(self.flying) < BLOCKS // 2 or step not in kinds[:3]:
                step()
            steps += 1
        self.settle()
        u.io_uring_queue_exit(self.ring)
        assert os.pread(self.fd, BLOCK * BLOCKS, 0) == b"".join(self.model)
        for fd in (self.fd, *self.ends):
            os.close(fd)
        return steps


@pytest.mark.parametrize("seed", [1, 2, time.time_ns() % 10**6])
def test_contents_and_leaks(tmp_path, seed):
    print(f"seed {seed}")
    Program(seed, tmp_path / "warm").run(0.3)
    before, used = open_files(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert Program(seed, tmp_path / "file").run(SECONDS) > 1000
    assert open_files() == before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < 32 * 1024


def test_nothing_is_left_of_many_operations():
    """Objects of operations go with them, and rings with their memory."""
    buf = bytearray(64)

    def turn(count):
        for _ in range(count):
            ring, cqe = u.Ring(), u.Cqe()
            u.io_uring_queue_init(8, ring)
            for _ in range(8):
                sqe = u.io_uring_get_sqe(ring)
                u.io_uring_prep_openat2(sqe, "/dev/null", u.OpenHow())
                sqe = None
            u.io_uring_submit_and_wait(ring, 8)
            for _ in range(8):
                u.io_uring_wait_cqe(ring, cqe)
                os.close(cqe[0].res)
                u.io_uring_cqe_seen(ring, cqe[0])
            u.io_uring_prep_read(u.io_uring_get_sqe(ring), 0, buf)

    def size():
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    turn(50)
    files, memory = open_files(), size()
    turn(500)
    assert open_files() == files and size() - memory < 4 << 20
    buf.append(0)


@pytest.mark.parametrize("malloc", ["malloc", "debug"])
def test_any_call(tmp_path, malloc):
    seed = time.time_ns() % 10**6
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", pathlib.Path(__file__).with_name("any_call.py"),
         str(seed), str(SECONDS)],
        cwd=tmp_path, capture_output=True, text=True, timeout=50, stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONMALLOC": malloc},
    )
    print(f"seed {seed}")
    assert done.returncode == 0, (seed, done.stdout, done.stderr)
