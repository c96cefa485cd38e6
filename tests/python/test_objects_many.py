"""The object tier: batches; and both tiers at the same work, at random too."""

import array
import errno
import gc
import os
import random
import resource
import socket
import time

import pytest
from objects import fresh

import liburing
import liburing as u

DATA = bytes(range(256)) * 256


@pytest.fixture
def ring():
    with fresh(8) as ring:
        yield ring


@pytest.fixture
def file(tmp_path):
    (tmp_path / "data").write_bytes(DATA)
    with open(tmp_path / "data", "r+b") as file:
        yield file


@pytest.mark.parametrize("count", [0, 1, 8, 9, 1000])
def test_nops(ring, count):
    batch = ring.nops(count, user_data="mine")
    assert list(batch.result()) == [0] * count == list(batch.results)
    assert batch.done and len(batch) == count and batch.remaining == 0
    assert batch.user_data == "mine" and batch.name == "nop" and not batch.cancel()
    assert ring.completions() == [] and ring.in_flight == 0


@pytest.mark.parametrize(
    "offsets", [range(0, 4096, 256), list(range(0, 4096, 256)),
                array.array("q", range(0, 4096, 256)), tuple(range(0, 4096, 256)),
                range(3840, -1, -256), 0],
)  # fmt: skip
def test_reads(ring, file, offsets):
    buffer = bytearray(16 * 256)
    size = 256 if offsets == 0 else None
    batch = ring.read_batch(file, buffer, offsets, size)
    assert batch.results.tolist() == [-(2**31)] * 16
    assert batch.result().tolist() == [256] * 16 and batch.size == 256 and batch.buffer is buffer
    assert buffer == DATA[:4096] and batch[0] == batch[-1] == 256
    with pytest.raises(IndexError):
        batch[16]


def test_a_list_of_buffers(ring, file):
    buffers = [bytearray(size) for size in (1, 10, 100)]
    assert ring.read_batch(file, buffers, [0, 5, 256]).result().tolist() == [1, 10, 100]
    assert buffers == [DATA[:1], DATA[5:15], DATA[:100]]
    assert ring.write_batch(file, [b"ab", b"c"], [10, 20]).result().tolist() == [2, 1]
    assert os.pread(file.fileno(), 11, 10) == b"ab" + DATA[12:20] + b"c"
    assert ring.fsync_batch([file, file]).result().tolist() == [0, 0]


def test_writes_in_a_row(ring, file):
    data = os.urandom(5000)
    assert sum(ring.write_batch(file, data, 100, 1000).result()) == 5000
    assert os.pread(file.fileno(), 5000, 100) == data


def test_failures(ring, file, tmp_path):
    buffer = bytearray(30)
    batch = ring.read_batch([file, -1, file], buffer, [0, 0, 10**9], 10)
    with pytest.raises(OSError) as caught:
        batch.result()
    assert (caught.value.errno, caught.value.index) == (errno.EBADF, 1)
    assert caught.value.operation == "read"
    assert batch.results.tolist() == [10, -errno.EBADF, 0]
    assert list(batch.errors()) == [1]
    with pytest.raises(OSError):
        batch[1]
    for arguments in (
        (file, bytearray(10), [0, 1], 10), (file, [bytearray(1)], [0, 1], None),
    ):  # fmt: skip
        try:
            assert len(ring.read_batch(*arguments)) == 1
        except ValueError:
            pass
    with pytest.raises(TypeError):
        ring.read_batch(file, b"read-only", [0])
    with pytest.raises(TypeError):
        ring.read_batch(file, bytearray(8), array.array("i", [0]))
    with pytest.raises(ValueError):
        ring.nops(1, timeout=1)
    with pytest.raises(ValueError):
        ring.nops(2**20)


def test_many_files(ring, tmp_path):
    paths = [tmp_path / str(number) for number in range(100)]
    for path in paths:
        path.write_text(path.name)
    fds = ring.open_batch(paths).result().tolist()
    buffer = bytearray(300)
    sizes = ring.read_batch(fds, buffer, [0] * 100, 3).result()
    assert [bytes(buffer[3 * at : 3 * at + size]) for at, size in enumerate(sizes)] == [
        path.name.encode() for path in paths
    ]
    ring.close_batch(fds).result()
    found = liburing.statuses(ring.statx_batch([*paths, tmp_path / "none"]))
    assert [status.size for status in found[:100]] == list(sizes)
    assert isinstance(found[100], FileNotFoundError)
    ring.mkdir_batch([tmp_path / "x", "y"], dir_fd=None).errors()
    ring.unlink_batch(paths).result()
    for left in ("x",):
        assert os.listdir(tmp_path) == [left]
    if os.path.isdir("y"):
        os.rmdir("y")


def test_sockets(ring):
    pairs = [socket.socketpair() for _ in range(10)]
    lefts, rights = zip(*pairs)
    assert list(ring.send_batch(lefts, b"0123456789", 1).result()) == [1] * 10
    buffer = bytearray(10)
    assert list(ring.recv_batch(rights, buffer).result()) == [1] * 10
    assert buffer == b"0123456789"
    for left, right in pairs:
        left.close()
        right.close()


def test_batches_beside_others(ring, file):
    batch, other = ring.nops(3), ring.nop()
    assert set(ring.completions(wait=2)) == {batch, other}
    with ring.link():
        first = ring.nops(3)
        last = ring.nop()
    assert last.result() == 0 and first.done
    read, write = os.pipe()
    batch = ring.read_batch([read] * 20, bytearray(20), None, 1)
    with pytest.raises(TimeoutError):
        batch.result(timeout=0.02)
    assert batch.remaining == 20
    os.write(write, b"abc")
    ring.timeout(0.02).result()
    assert batch.cancel()
    ended = sorted(batch.wait().results)
    assert ended == [-errno.ECANCELED] * 17 + [1] * 3
    os.close(read)
    os.close(write)


def test_a_batch_in_a_ring_that_closes():
    ring = fresh(4)
    read, write = os.pipe()
    buffer = bytearray(100)
    batch = ring.read_batch([read] * 100, buffer, None, 1)
    ring.submit()
    late = ring.nops(10)
    ring.close()
    assert set(batch.results) == {-errno.ECANCELED} == set(late.results)
    assert batch.done and late.done
    buffer.clear()
    os.close(read)
    os.close(write)


class Functions:
    """Reads and writes through the functions."""

    def __init__(self):
        self.ring, self.cqe = u.Ring(), u.Cqe()
        u.io_uring_queue_init(16, self.ring)

    def many(self, jobs):
        results = [None] * len(jobs)
        for start in range(0, len(jobs), 16):
            for number, (name, fd, buffer, offset) in enumerate(jobs[start : start + 16], start):
                sqe = u.io_uring_get_sqe(self.ring)
                getattr(u, f"io_uring_prep_{name}")(sqe, fd, buffer, offset)
                sqe.user_data = number
            u.io_uring_submit(self.ring)
            for _ in jobs[start : start + 16]:
                u.io_uring_wait_cqe(self.ring, self.cqe)
                entry = self.cqe[0]
                try:
                    results[entry.user_data] = entry.res
                except OSError as error:
                    results[entry.user_data] = -error.errno
                u.io_uring_cqe_seen(self.ring, entry)
        return results

    def close(self):
        u.io_uring_queue_exit(self.ring)


class Objects:
    """The same through handles."""

    def __init__(self):
        self.ring = u.Ring(16)

    def many(self, jobs):
        handles = [getattr(self.ring, name)(*rest) for name, *rest in jobs]
        return [handle.wait().res for handle in handles]

    def close(self):
        self.ring.close()


class Batches(Objects):
    """The same through batches."""

    def many(self, jobs):
        results = [None] * len(jobs)
        for name in ("write", "read"):
            places = [place for place, job in enumerate(jobs) if job[0] == name]
            _, fds, buffers, offsets = zip(*[jobs[place] for place in places])
            batch = getattr(self.ring, f"{name}_batch")(fds, buffers, offsets).wait()
            for place, result in zip(places, batch.results):
                results[place] = result
        return results


@pytest.mark.parametrize("tier", [Functions, Objects, Batches])
def test_the_same_work_through_every_tier(tier, file):
    chosen = random.Random(4)
    expected, fd = bytearray(DATA), file.fileno()
    worker = tier()
    try:
        for _ in range(20):
            # Blocks of their own, so that the order does not matter.
            blocks = chosen.sample(range(256), 40)
            jobs = []
            for block in blocks[:20]:
                data = chosen.randbytes(256)
                jobs.append(("write", fd, data, block * 256))
                expected[block * 256 : block * 256 + 256] = data
            reads = [bytearray(256) for _ in range(20)]
            jobs += [("read", fd, into, at * 256) for into, at in zip(reads, blocks[20:])]
            jobs.append(("read", -1, bytearray(1), 0))
            assert worker.many(jobs) == [256] * 40 + [-errno.EBADF]
            for into, at in zip(reads, blocks[20:]):
                assert into == expected[at * 256 : at * 256 + 256]
        assert os.pread(fd, 65536, 0) == expected
    finally:
        worker.close()


def turn(chosen, path, pipes, expected):
    """A ring at random work that ends at a random moment."""
    ring = u.Ring(chosen.choice([8, 16, 64]), flags=chosen.choice([0, 0, u.IORING_SETUP_COOP_TASKRUN]))
    pool = ring.buffer_pool(4, 64)
    reads, kept, writing = [], [], set()
    fd = ring.open(path, os.O_RDWR).result()
    for _ in range(chosen.randrange(60)):
        what = chosen.randrange(12)
        block = chosen.randrange(64)
        if what < 3:
            into = bytearray(256)
            reads.append((ring.read(fd, into, block * 256), into, block))
        elif what == 3 and block not in writing:
            # Written as it is: whatever happens, the content stays the same.
            ring.write(fd, expected[block * 256 : block * 256 + 256], block * 256)
        elif what == 4:
            kept.append(ring.read(chosen.choice(pipes)[0], bytearray(64)))
        elif what == 5:
            kept.append(ring.recv_multishot(-1, pool))
        elif what == 6 and kept:
            kept.pop(chosen.randrange(len(kept))).cancel()
        elif what == 7:
            ring.completions()
        elif what == 8:
            with ring.link(hard=chosen.random() < 0.5):
                ring.nop()
                kept.append(ring.read(chosen.choice(pipes)[0], 10, timeout=0.001))
                ring.nops(chosen.randrange(1, 4))
        elif what == 9:
            kept.append(ring.read_batch(fd, bytearray(1024), chosen.sample(range(64), 4)))
        elif what == 10 and kept:
            del kept[chosen.randrange(len(kept))]
        else:
            ring.submit()
    for handle, into, block in reads[:: chosen.choice([1, 2])]:
        assert handle.result(timeout=20) == 256
        assert into == expected[block * 256 : block * 256 + 256]
    ending = chosen.randrange(3)
    os.close(fd)
    if ending == 0:
        ring.close()
    elif ending == 1:
        del ring, pool, kept, reads
    return None


@pytest.mark.timeout(120)
def test_random_work(file):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chosen = random.Random(seed)
    pipes = [os.pipe() for _ in range(3)]
    expected = DATA
    for _ in range(10):
        turn(chosen, file.name, pipes, expected)
    gc.collect()
    files = len(os.listdir("/proc/self/fd"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end, turns = time.monotonic() + 4, 0
    while time.monotonic() < end:
        turn(chosen, file.name, pipes, expected)
        turns += 1
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == files
    assert turns > 5
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert grown < 30_000, f"{grown} KiB more after {turns} turns"
    assert os.pread(file.fileno(), 65536, 0) == expected
    for ends in pipes:
        os.close(ends[0])
        os.close(ends[1])
