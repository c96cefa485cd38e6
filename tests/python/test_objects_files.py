"""The object tier: operations on files, names and what waits."""

import array
import errno
import mmap
import os
import select
import stat
import sys

import pytest
from objects import ended_with, fresh, needs

import liburing


@pytest.fixture
def ring():
    with fresh(32) as ring:
        yield ring


@pytest.fixture
def file(tmp_path):
    with open(tmp_path / "data", "w+b") as file:
        file.write(bytes(range(256)) * 64)
        file.flush()
        yield file


def test_read_and_write(ring, file):
    assert ring.read(file, 5, 3).result() == bytes(range(3, 8))
    assert ring.read(file, 99999, 16000).result() == (bytes(range(256)) * 64)[16000:]
    assert ring.read(file, 10, 99999).result() == b""
    assert ring.write(file, b"hello", 0).result() == 5
    into = bytearray(5)
    assert ring.read(file.fileno(), into, offset=0).result() == 5 and into == b"hello"
    os.lseek(file.fileno(), 1, os.SEEK_SET)
    assert ring.read(file, 2).result() == b"el"
    assert ring.write(file, array.array("i", [1, 2]), 0).result() == 8
    assert ring.write(file, b"", 0).result() == 0
    with pytest.raises(TypeError):
        ring.read("name", 1)
    with pytest.raises(OverflowError):
        ring.read(2**40, 1)
    with pytest.raises((ValueError, OverflowError)):
        ring.read(file, -1)


def test_vectors(ring, file):
    parts = [bytearray(3), bytearray(2)]
    assert ring.readv(file, parts, 1).result() == 5
    assert parts == [b"\1\2\3", b"\4\5"]
    assert ring.writev(file, [b"ab", b"c"], 0).result() == 3
    assert ring.read(file, 3, 0).result() == b"abc"
    for wrong in ([], [b"x"] * 1025):
        with pytest.raises(ValueError):
            ring.writev(file, wrong)
    with pytest.raises(TypeError):
        ring.readv(file, [b"read-only"])


def test_sizes_and_flushing(ring, file):
    for operation in (
        ring.fsync(file), ring.fsync(file, datasync=True), ring.sync_file_range(file),
        ring.fallocate(file, 0, 50000), ring.fadvise(file, 0, 4096, os.POSIX_FADV_WILLNEED),
    ):  # fmt: skip
        assert operation.result() == 0
    assert os.fstat(file.fileno()).st_size == 50000
    needs(ring, "FTRUNCATE")
    assert ring.ftruncate(file, 100).result() == 0
    assert os.fstat(file.fileno()).st_size == 100


def test_memory_advice(ring):
    with mmap.mmap(-1, 3 * mmap.PAGESIZE, mmap.MAP_PRIVATE) as memory:
        memory[0:1] = b"x"
        assert ring.madvise(memory, mmap.MADV_DONTNEED).result() == 0
        assert memory[0:1] == b"\0"
    for wrong in (bytearray(100), bytes(4096)):
        with pytest.raises((ValueError, TypeError)):
            ring.madvise(wrong, mmap.MADV_DONTNEED)


def test_open(ring, tmp_path):
    fd = ring.open(os.fsencode(tmp_path / "made"), os.O_CREAT | os.O_WRONLY, 0o640).result()
    assert not os.get_inheritable(fd)
    assert stat.S_IMODE(os.fstat(fd).st_mode) & 0o137 == 0
    folder = os.open(tmp_path, os.O_RDONLY)
    again = ring.openat("made", dir_fd=folder).result()
    beneath = ring.openat2("made", resolve=8, dir_fd=folder).result()
    assert os.path.sameopenfile(again, beneath)
    assert ended_with(ring.openat2("../x", resolve=8, dir_fd=folder), errno.EXDEV)
    assert ring.close_batch([fd, folder, again, beneath]).result().tolist() == [0] * 4
    with pytest.raises(ValueError):
        ring.open("a\0b")
    with pytest.raises(TypeError):
        ring.open(3.5)


def test_status(ring, file, tmp_path):
    found, real = ring.statx(file.name).result(), os.stat(file.name)
    assert (found.size, found.ino, found.mode) == (real.st_size, real.st_ino, real.st_mode)
    assert abs(found.mtime - real.st_mtime) < 1e-3 and found.is_file and not found.is_dir
    assert os.makedev(*found.dev) == real.st_dev
    assert ring.statx(dir_fd=file.fileno()).result().ino == real.st_ino
    os.symlink("data", tmp_path / "link")
    assert ring.statx(tmp_path / "link", follow_symlinks=False).result().is_symlink
    assert ended_with(ring.statx(tmp_path / "none"), errno.ENOENT)


def test_names(ring, tmp_path):
    needs(ring, "MKDIRAT", "LINKAT")
    ring.mkdir(tmp_path / "a").result()
    ring.rename(tmp_path / "a", tmp_path / "b").result()
    folder = os.open(tmp_path / "b", os.O_RDONLY)
    (tmp_path / "b" / "f").write_text("x")
    ring.linkat("f", "g", old_dir_fd=folder, new_dir_fd=folder).result()
    ring.renameat("g", "h", old_dir_fd=folder, new_dir_fd=folder).result()
    ring.symlink("h", "s", dir_fd=folder).result()
    assert sorted(os.listdir(folder)) == ["f", "h", "s"] and os.readlink("s", dir_fd=folder) == "h"
    for name in "fhs":
        ring.unlinkat(name, dir_fd=folder).result()
    os.close(folder)
    ring.rmdir(tmp_path / "b").result()
    assert os.listdir(tmp_path) == []
    with pytest.raises(FileNotFoundError) as caught:
        ring.unlink(tmp_path / "gone").result()
    assert caught.value.operation == "unlink"


def test_attributes(ring, file):
    needs(ring, "SETXATTR")
    try:
        ring.setxattr(file.name, "user.one", b"1").result()
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    ring.fsetxattr(file, "user.two", bytearray(b"22")).result()
    assert ring.fgetxattr(file, "user.one").result() == b"1"
    assert ring.getxattr(file.name, "user.two").result() == b"22"
    assert ended_with(ring.getxattr(file.name, "user.two", 1), errno.ERANGE)


def test_pipes(ring, file):
    needs(ring, "SPLICE")
    if ring.probe()["IORING_OP_PIPE"]:
        read, write = ring.pipe().result()
    else:
        read, write = os.pipe()
    read2, write2 = os.pipe()
    assert ring.splice(file.fileno(), 10, write, None, 20).result() == 20
    assert ring.tee(read, write2, 5).result() == 5
    assert os.read(read2, 99) == bytes(range(10, 15)) and os.read(read, 99) == bytes(range(10, 30))
    for fd in (read, write, read2, write2):
        ring.close_fd(fd).detach()
    ring.submit()


def test_polls(ring):
    read, write = os.pipe()
    polled = ring.poll(read)
    ring.submit()
    assert not polled.done
    os.write(write, b"x")
    assert polled.result(5) & select.POLLIN
    needs(ring, "EPOLL_WAIT")
    with select.epoll() as watched:
        assert ring.epoll_ctl(watched, 1, read, select.EPOLLIN, 99).result() == 0
        assert ring.epoll_wait(watched).result(5) == [(99, select.EPOLLIN)]
    os.close(read)
    os.close(write)


def test_children(ring):
    needs(ring, "WAITID")
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", "raise SystemExit(3)"], os.environ)
    found = ring.waitid(os.P_PID, pid).result(30)
    assert (found.pid, found.status, found.code) == (pid, 3, os.CLD_EXITED)
    assert ended_with(ring.waitid(os.P_PID, pid), errno.ECHILD)


def test_futexes(ring):
    needs(ring, "FUTEX_WAIT")
    words = array.array("I", [5, 6])
    assert ended_with(ring.futex_wait(words, 4), errno.EAGAIN)
    waiting = ring.futex_wait(words, 5)
    ring.submit()
    assert ring.futex_wake(words).result() == 1 and waiting.result(5) == 0
    second = memoryview(words)[1:]
    waiting = ring.futex_waitv([(words, 5), (second, 6)])
    ring.submit()
    assert ring.futex_wake(second).result() == 1 and waiting.result(5) == 1
    with pytest.raises(ValueError):
        ring.futex_wait(bytearray(3), 0)


def test_registered_files(ring, file, tmp_path):
    (fixed,) = ring.register_files([file])
    assert ring.read(fixed, 3, 1).result() == b"\1\2\3"
    ring.unregister_files()
    ring.register_files(4)
    opened = ring.open(file.name, slot=True).result()
    chosen = ring.open(file.name, slot=liburing.FixedFile(3)).result()
    assert chosen == liburing.FixedFile(3) != opened
    with ring.link():
        ring.read(opened, bytearray(5), 0)
        both = ring.read(chosen, 5, 0)
    assert both.result() == bytes(range(5))
    needs(ring, "FIXED_FD_INSTALL")
    fd = ring.fixed_fd_install(opened).result()
    assert os.pread(fd, 2, 0) == b"\0\1"
    os.close(fd)
    assert ring.close_fd(opened).result() == 0
    assert ended_with(ring.read(opened, 1), errno.EBADF)
    assert ring.update_files(opened, [file]) == 1
    assert ring.read(opened, 1, 1).result() == b"\1"
    assert ring.close_batch([opened, chosen]).result().tolist() == [0, 0]


def test_registered_buffers(ring, file):
    memory = bytearray(64)
    (buffer,) = ring.register_buffers([memory])
    assert len(buffer) == 64 and buffer.memory is memory
    assert ring.read(file, buffer.part(8, 16), 0).result() == 8
    assert memory[8:16] == bytes(range(8)) and memory[16] == 0
    assert ring.write(file, buffer.part(8, 16).part(1, 3), 0).result() == 2
    assert ring.read(file, 3, 0).result() == b"\1\2\2"
    assert ring.read_batch(file, buffer, [0, 32], 32).result().tolist() == [32, 32]
    with pytest.raises(BufferError):
        memory.clear()
    for wrong in ((0, 65), (5, 4)):
        with pytest.raises(ValueError):
            buffer.part(*wrong)
    ring.unregister_buffers()
    memory.clear()
    with pytest.raises(ValueError):
        ring.read(file, buffer, 0)
    with pytest.raises(TypeError):
        ring.register_buffers([b"read-only"])
