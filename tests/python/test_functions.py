"""The function tier on the real kernel, and what a ring keeps alive."""

import gc
import os
import pathlib
import subprocess
import sys

import pytest

import liburing as u

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def ring():
    ring = u.Ring()
    u.io_uring_queue_init(8, ring)
    yield ring
    if ring._core is not None:
        u.io_uring_queue_exit(ring)


def run(ring, prepare, *args, tag=7, **kwargs):
    sqe = u.io_uring_get_sqe(ring)
    prepare(sqe, *args, **kwargs)
    sqe.user_data = tag
    assert u.io_uring_submit(ring) == 1
    cqe = u.Cqe()
    u.io_uring_wait_cqe(ring, cqe)
    entry = cqe[0]
    assert entry.user_data == tag
    u.io_uring_cqe_seen(ring, entry)
    return entry.res


def test_nop(ring):
    assert run(ring, u.io_uring_prep_nop, tag=2**64 - 1) == 0
    assert u.io_uring_cq_ready(ring) == 0


def test_files(ring, tmp_path):
    path = tmp_path / "file"
    fd = run(ring, u.io_uring_prep_open, path, os.O_RDWR | os.O_CREAT, 0o600)
    assert run(ring, u.io_uring_prep_write, fd, b"hello world", 0) == 11
    buf = bytearray(5)
    assert run(ring, u.io_uring_prep_read, fd, buf, 6) == 5
    assert buf == b"world"
    parts = [bytearray(3), bytearray(2)]
    assert run(ring, u.io_uring_prep_readv, fd, u.Iovec(parts)) == 5
    assert parts == [b"hel", b"lo"]
    found = u.Statx()
    assert run(ring, u.io_uring_prep_statx, found, path) == 0
    assert found.size == 11 and found.isfile
    assert run(ring, u.io_uring_prep_rename, path, tmp_path / "other") == 0
    assert run(ring, u.io_uring_prep_unlink, tmp_path / "other") == 0
    assert run(ring, u.io_uring_prep_close, fd) == 0
    with pytest.raises(FileNotFoundError):
        run(ring, u.io_uring_prep_open, path)


def test_buffer_is_pinned_until_completion(ring):
    read, write = os.pipe()
    buf = bytearray(8)
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_read(sqe, read, buf, 2**64 - 1)
    u.io_uring_submit(ring)
    with pytest.raises(BufferError):
        buf.extend(bytes(10000))
    os.write(write, b"12345678")
    cqe = u.Cqe()
    u.io_uring_wait_cqe(ring, cqe)
    assert cqe[0].res == 8 and buf == b"12345678"
    buf.extend(b"x")
    os.close(read)
    os.close(write)


def test_close_and_drop_with_operations_in_flight():
    read, write = os.pipe()
    for drop in (False, True):
        ring = u.Ring()
        u.io_uring_queue_init(8, ring)
        buf = bytearray(100)
        u.io_uring_prep_read(u.io_uring_get_sqe(ring), read, buf, 2**64 - 1)
        u.io_uring_submit(ring)
        if drop:
            del ring
        else:
            u.io_uring_queue_exit(ring)
        gc.collect()
        buf.extend(b"the kernel has let go")
        os.write(write, b"x")
        assert os.read(read, 1) == b"x"
    os.close(read)
    os.close(write)


def test_misuse(ring):
    sqe = u.io_uring_get_sqe(ring)
    with pytest.raises(TypeError):
        u.io_uring_prep_read(sqe, 0, b"read-only", 0)
    assert not hasattr(sqe, "prep"), "an operation is prepared by its function only"
    u.io_uring_prep_nop(sqe)
    u.io_uring_submit(ring)
    with pytest.raises(RuntimeError):
        sqe.user_data = 1
    with pytest.raises(RuntimeError):
        u.io_uring_submit(u.Ring())
    with pytest.raises(RuntimeError):
        u.io_uring_queue_init(8, ring)
    last = u.io_uring_get_sqe(ring)
    u.io_uring_queue_exit(ring)
    with pytest.raises(RuntimeError):
        u.io_uring_prep_nop(last)


def test_cancel_by_tag(ring):
    read, write = os.pipe()
    buf = bytearray(8)
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_read(sqe, read, buf, 2**64 - 1)
    sqe.user_data = 5
    u.io_uring_submit(ring)
    u.io_uring_prep_cancel64(u.io_uring_get_sqe(ring), 5)
    u.io_uring_submit(ring)
    cqe = u.Cqe()
    u.io_uring_wait_cqe_nr(ring, cqe, 2)
    entries = {cqe[i].user_data: cqe[i] for i in range(2)}
    assert entries[0].res == 0
    with pytest.raises(OSError, match="cancel"):
        entries[5].res
    os.close(read)
    os.close(write)


def test_timeout(ring):
    with pytest.raises(OSError) as caught:
        u.io_uring_wait_cqe_timeout(ring, u.Cqe(), u.timespec(0.02))
    assert caught.value.errno == 62


def test_fork(ring):
    child = os.fork()
    if child == 0:
        try:
            u.io_uring_submit(ring)
        except RuntimeError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert run(ring, u.io_uring_prep_nop) == 0


@pytest.mark.parametrize("debug", ["", "debug"])
def test_old_style_program(tmp_path, debug):
    (tmp_path / "data.bin").write_bytes(b"data")
    done = subprocess.run(
        [sys.executable, ROOT / "python/examples/old_style.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=30,
        env=os.environ | ({"PYTHONMALLOC": debug} if debug else {}),
    )
    assert done.stdout == "tag=1, res=-9\n", done.stderr


def test_report():
    done = subprocess.run(
        [sys.executable, "-m", "liburing"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0 and "IORING_OP_NOP" in done.stdout
