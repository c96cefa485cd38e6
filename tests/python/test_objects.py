"""The object tier."""

import errno
import os
import pathlib
import subprocess
import sys

import pytest

import liburing


def test_batch_of_reads(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 64)
    with liburing.Ring(4) as ring:
        fd = ring.open(path).wait()
        for i in range(16):
            ring.read(fd, 256, i * 256, user_data=i)
        done = []
        while len(done) < 16:
            done += ring.completions(wait=1)
        assert sorted(op.user_data for op in done) == list(range(16))
        assert all(op.result() == 256 and op.buffer == bytes(range(256)) for op in done)
        ring.close_fd(fd).wait()


def test_link_stops_at_failure():
    with liburing.Ring(8) as ring:
        with ring.link():
            bad = ring.read(-1, 8, 0)
            after = ring.nop()
        assert len(ring.completions(wait=2)) == 2
        assert bad.exception().errno == errno.EBADF
        assert "read" in str(bad.exception())
        assert after.exception().errno == errno.ECANCELED


def test_cancel_and_state():
    read, write = os.pipe()
    with liburing.Ring(8) as ring:
        operation = ring.read(read, 8)
        with pytest.raises(RuntimeError):
            operation.result()
        ring.submit()
        operation.cancel()
        with pytest.raises(OSError) as caught:
            operation.wait()
        assert caught.value.errno == errno.ECANCELED
    with pytest.raises(RuntimeError):
        ring.nop()
    os.close(read)
    os.close(write)


def test_cat(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"line\n" * 30000)
    example = pathlib.Path(__file__).parents[2] / "python/examples/cat.py"
    done = subprocess.run([sys.executable, example, path], capture_output=True, timeout=30)
    assert done.stdout == path.read_bytes(), done.stderr
