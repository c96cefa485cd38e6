"""Batches of different operations."""

import errno
import gc
import os
import socket
import weakref

import pytest
from objects import fresh

import liburing

RUNNING = -(2**31)


@pytest.fixture
def ring():
    with fresh(64) as ring:
        yield ring


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    return path


def test_one_handle_for_different_operations(ring, data):
    left, right = socket.socketpair()
    with left, right, open(data, "r+b") as file:
        with ring.batch(user_data="all") as batch:
            ring.read(file, 4, 2)
            ring.statx(data)
            ring.send(left, b"hello")
            ring.recv(right, 5)
            ring.fsync(file)
            ring.nop()
        assert len(batch) == 6 and batch.user_data == "all" and batch.name == "batch"
        read, status, sent, received, synced, nothing = batch.result()
        assert (read, status.size, sent, received, synced, nothing) == (b"2345", 10, 5, b"hello", 0, 0)
        assert batch.done and batch.remaining == 0
        assert batch.results.format == "i" and list(batch.results) == [4, 0, 5, 5, 0, 0]
        assert batch[0] == b"2345" and batch[-1] == 0
        assert [handle.name for handle in batch.operations][:2] == ["read", "statx"]
        assert ring.completions() == [] and "Group of 6: done" in repr(batch)


def test_failures_have_their_place(ring, data):
    with open(data, "rb") as file:
        with ring.batch() as batch:
            ring.read(file, 4, 0)
            ring.open("nowhere/at/all")
            ring.write(file, b"x", 0)
        with pytest.raises(FileNotFoundError) as caught:
            batch.result()
    assert (caught.value.index, caught.value.operation) == (1, "open")
    errors = batch.errors()
    assert sorted(errors) == [1, 2] and errors[2].errno == errno.EBADF
    assert list(batch.results) == [4, -errno.ENOENT, -errno.EBADF]
    assert batch[0] == b"0123"
    with pytest.raises(OSError):
        batch[2]
    with pytest.raises(IndexError):
        batch[3]
    assert batch.wait() is batch


def test_completions_tell_of_the_batch_once(ring):
    with ring.batch(user_data=1) as first:
        for _ in range(10):
            ring.nop()
    alone = ring.nop(user_data=2)
    with ring.batch(user_data=3) as second:
        ring.nop()
    found = []
    while len(found) < 3:
        found += ring.completions(1)
    assert sorted(handle.user_data for handle in found) == [1, 2, 3]
    assert first in found and second in found and alone in found
    assert ring.completions() == [] and first.results.tolist() == [0] * 10


def test_more_than_fits_the_queue(ring):
    with ring.batch() as batch:
        for _ in range(1000):
            ring.nop()
    assert batch.result() == [0] * 1000


def test_empty_batches_are_done(ring):
    with ring.batch() as batch:
        pass
    assert batch.done and batch.result() == [] and len(batch) == 0
    assert batch.cancel() is False


def test_chains_and_timeouts_inside(ring, tmp_path):
    read_end, write_end = os.pipe()
    with open(tmp_path / "out", "w+b") as file:
        with ring.batch() as batch:
            with ring.link():
                ring.write(file, b"abc", 0)
                ring.read(file, 3, 0)
            ring.read(read_end, 10, timeout=0.02)
        errors = batch.errors()
        assert list(errors) == [2] and isinstance(errors[2], TimeoutError)
        assert batch[1] == b"abc"
    os.close(read_end)
    os.close(write_end)


def test_results_before_the_end(ring):
    read_end, write_end = os.pipe()
    with ring.batch() as batch:
        ring.nop()
        ring.read(read_end, 3)
        with pytest.raises(RuntimeError, match="not complete"):
            batch.result()
        with pytest.raises(RuntimeError):
            with ring.batch():
                pass
    with pytest.raises(TimeoutError):
        batch.result(timeout=0.02)
    assert not batch.done and batch.remaining == 1
    assert list(batch.results) == [0, RUNNING] and batch[0] == 0
    with pytest.raises(RuntimeError, match="not done"):
        batch[1]
    os.write(write_end, b"now")
    assert batch.result() == [0, b"now"]
    os.close(read_end)
    os.close(write_end)


def test_an_exception_takes_back(ring, data):
    with pytest.raises(KeyError):
        with ring.batch() as batch:
            handle = ring.unlink(data)
            raise KeyError
    assert data.exists() and ring.unsubmitted == 0
    assert handle.done and handle.res == -errno.ECANCELED
    assert batch.done and list(batch.results) == [-errno.ECANCELED]
    assert ring.nop().result() == 0, "the ring goes on"


def test_cancel(ring):
    read_end, write_end = os.pipe()
    with ring.batch() as batch:
        for _ in range(3):
            ring.read(read_end, 10)
        ring.nop()
    ring.submit()
    assert batch.cancel() is True
    assert {error.errno for error in batch.errors(timeout=10).values()} == {errno.ECANCELED}
    assert list(batch.results) == [-errno.ECANCELED] * 3 + [0]
    os.close(read_end)
    os.close(write_end)


def test_submit_batch(ring, data, tmp_path):
    with open(data, "r+b") as file:
        batch = ring.submit_batch([
            ("read", file, bytearray(4), 0),
            ("write", file, b"X", 0, {"drain": True}),
            ("mkdir", tmp_path / "folder"),
            ("rename", data, tmp_path / "other", {"flags": 0}),
            ("nop",),
        ])  # fmt: skip
        assert ring.unsubmitted == 0
        assert batch.result() == [4, 1, 0, 0, 0]
    assert (tmp_path / "other").read_bytes() == b"X123456789" and (tmp_path / "folder").is_dir()


@pytest.mark.parametrize("wrong", [("accept_multishot", 0), ("close",), ("batch",), ("_start",)])
def test_submit_batch_refuses(ring, data, wrong):
    with pytest.raises(ValueError):
        ring.submit_batch([("unlink", data), wrong])
    with pytest.raises(TypeError):
        ring.submit_batch([("unlink", data), ("read", "x", 1)])
    assert data.exists() and ring.in_flight == 0


def test_closing_ends_it():
    read_end, write_end = os.pipe()
    with liburing.Ring(8) as ring:
        with ring.batch() as batch:
            ring.read(read_end, 10)
        ring.submit()
    assert batch.done and list(batch.results) == [-errno.ECANCELED]
    # A ring that is closed while a batch is being started.
    ring = liburing.Ring(8)
    with ring.batch() as batch:
        ring.nop()
        ring.close()
    assert batch.done and list(batch.results) == [-errno.ECANCELED]
    os.close(read_end)
    os.close(write_end)


def test_nothing_is_left_of_batches(ring):
    class Buffer(bytearray):
        pass

    watched = []
    with open("/dev/zero", "rb") as file:
        for _ in range(5):
            buffer = Buffer(8)
            watched.append(weakref.ref(buffer))
            with ring.batch() as batch:
                ring.read(file, buffer)
            assert batch.result() == [8]
            del buffer, batch
    assert ring.completions() == []
    gc.collect()
    assert not [one for one in watched if one() is not None]


def test_dropped_with_operations_in_flight():
    read_end, write_end = os.pipe()
    for _ in range(3):
        ring = liburing.Ring(8)
        with ring.batch() as batch:
            ring.read(read_end, bytearray(100))
        ring.submit()
        del ring, batch
        gc.collect()
    os.write(write_end, b"x")
    assert os.read(read_end, 10) == b"x", "the reads were cancelled"
    os.close(read_end)
    os.close(write_end)
