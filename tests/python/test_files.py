"""Operations on files, paths, attributes and memory, on the real kernel."""

import errno
import mmap
import os
import stat
import struct

import liburing as u
import pytest
from support import finish, made, needs, refused, run, start


@pytest.fixture
def ring():
    with made() as ring:
        yield ring


@pytest.fixture
def fd(tmp_path):
    fd = os.open(tmp_path / "data", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, b"0123456789")
    yield fd
    os.close(fd)


def test_nop(ring):
    assert run(ring, u.io_uring_prep_nop, tag=2**64 - 1) == 0


def test_nop_of_128_bytes():
    with made(4, u.IORING_SETUP_SQE128) as ring:
        assert u.io_uring_sqe_shift(ring) == 1
        start(ring, u.io_uring_prep_nop128)
        assert finish(ring)[1] in (0, -errno.EINVAL)
        # An ordinary operation beside it.
        assert run(ring, u.io_uring_prep_nop) == 0


def test_read_and_write(ring, fd):
    buf = bytearray(4)
    assert run(ring, u.io_uring_prep_read, fd, buf, 2) == 4 and buf == b"2345"
    assert run(ring, u.io_uring_prep_read, fd, buf, offset=6) == 4 and buf == b"6789"
    assert run(ring, u.io_uring_prep_read, fd, buf, None) == 4 and buf == b"0123"
    # Five arguments decide by their number.
    assert run(ring, u.io_uring_prep_read, fd, buf, 2, 8) == 2 and buf == b"8923"
    assert run(ring, u.io_uring_prep_write, fd, b"ab", 1) == 2
    assert run(ring, u.io_uring_prep_write, fd, b"xyz", 1, 0) == 1
    assert os.pread(fd, 4, 0) == b"xab3"
    os.lseek(fd, 8, os.SEEK_SET)
    assert run(ring, u.io_uring_prep_write, fd, memoryview(b"PQ"), 2**64 - 1) == 2
    assert os.pread(fd, 10, 0)[-2:] == b"PQ"
    refused(ValueError, u.io_uring_prep_read, fd, buf, 5, 0)


def test_vectors(ring, fd):
    parts = [bytearray(3), bytearray(2)]
    assert run(ring, u.io_uring_prep_readv, fd, u.Iovec(parts), 1) == 5
    assert parts == [b"123", b"45"]
    assert run(ring, u.io_uring_prep_writev, fd, u.Iovec([b"A", bytearray(b"B")]), 0, 0) == 2
    assert os.pread(fd, 3, 0) == b"AB2"
    with pytest.raises(OSError) as caught:
        run(ring, u.io_uring_prep_writev, fd, u.Iovec([b"A"]), 0, 1 << 30)
    assert caught.value.errno in (errno.EOPNOTSUPP, errno.EINVAL)


def test_registered_buffers(ring, fd):
    memory = bytearray(b"........")
    u.io_uring_register_buffers(ring, u.Iovec([memory]))
    with pytest.raises(BufferError):
        memory.append(0)
    view = memoryview(memory)
    assert run(ring, u.io_uring_prep_read_fixed, fd, view[2:6], 0, 3) == 4
    assert memory == b"..3456.."
    assert run(ring, u.io_uring_prep_write_fixed, fd, view[2:4], 0) == 2
    assert os.pread(fd, 3, 0) == b"342"
    with pytest.raises(OSError):
        run(ring, u.io_uring_prep_read_fixed, fd, bytearray(4), 0)
    view.release()
    assert u.io_uring_unregister_buffers(ring) == 0
    memory.append(0)


def test_multishot_read(ring):
    needs("READ_MULTISHOT")
    br = u.io_uring_setup_buf_ring(ring, 4, 3, 0)
    mask = u.io_uring_buf_ring_mask(4)
    buffers = [bytearray(4) for _ in range(4)]
    for bid, buf in enumerate(buffers):
        u.io_uring_buf_ring_add(br, buf, bid, mask, bid)
    u.io_uring_buf_ring_advance(br, 4)
    read, write = os.pipe()
    start(ring, u.io_uring_prep_read_multishot, read, 3)
    for text in (b"one", b"two"):
        os.write(write, text)
        tag, res, flags = finish(ring)
        assert (tag, res) == (7, 3) and flags & u.IORING_CQE_F_MORE
        assert buffers[flags >> u.IORING_CQE_BUFFER_SHIFT][:3] == text
    # Still the kernel's, after two completions.
    with pytest.raises(BufferError):
        buffers[3].append(0)
    os.close(write)
    _, res, flags = finish(ring)
    assert res == 0 and not flags & u.IORING_CQE_F_MORE
    os.close(read)
    assert u.io_uring_free_buf_ring(ring, br, 4, 3) == 0
    buffers[3].append(0)


def test_sizes_and_advice(ring, fd):
    assert run(ring, u.io_uring_prep_fallocate, fd, 0, 0, 8192) == 0
    assert os.fstat(fd).st_size == 8192
    assert run(ring, u.io_uring_prep_fadvise, fd, 4096, os.POSIX_FADV_WILLNEED) == 0
    assert run(ring, u.io_uring_prep_fadvise64, fd, 4096, os.POSIX_FADV_RANDOM, 4096) == 0
    assert run(ring, u.io_uring_prep_fsync, fd) == 0
    assert run(ring, u.io_uring_prep_fsync, fd, u.IORING_FSYNC_DATASYNC) == 0
    assert run(ring, u.io_uring_prep_sync_file_range, fd, 0, 0, u.SYNC_FILE_RANGE_WRITE) == 0
    needs("FTRUNCATE")
    assert run(ring, u.io_uring_prep_ftruncate, fd, 3) == 0
    assert os.fstat(fd).st_size == 3


def test_memory_advice(ring):
    page = mmap.PAGESIZE
    with mmap.mmap(-1, 2 * page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory[:4] = b"data"
        for advise in (u.io_uring_prep_madvise, u.io_uring_prep_madvise64):
            assert run(ring, advise, memory, page, mmap.MADV_WILLNEED) == 0
            assert memory[:4] == b"data"
        assert run(ring, u.io_uring_prep_madvise, memory, page, mmap.MADV_DONTNEED) == 0
        assert memory[:4] == bytes(4)
        # What changes memory is for whole pages of a buffer.
        refused(ValueError, u.io_uring_prep_madvise, memory, 100, mmap.MADV_DONTNEED)
        refused(ValueError, u.io_uring_prep_madvise, memory, 3 * page, mmap.MADV_DONTNEED)
    address = id(ring) // page * page
    refused(ValueError, u.io_uring_prep_madvise, address, page, mmap.MADV_DONTNEED)
    assert run(ring, u.io_uring_prep_madvise, address, page, mmap.MADV_NORMAL) == 0


def test_pipes(ring):
    read, write = os.pipe()
    to_read, to_write = os.pipe()
    os.write(write, b"through")
    assert run(ring, u.io_uring_prep_tee, read, to_write, 4, 0) == 4
    assert os.read(to_read, 9) == b"thro"
    assert run(ring, u.io_uring_prep_splice, read, -1, to_write, -1, 7, 0) == 7
    assert os.read(to_read, 9) == b"through"
    for end in (read, write, to_read, to_write):
        os.close(end)
    needs("PIPE")
    ends = bytearray(8)
    assert run(ring, u.io_uring_prep_pipe, ends, os.O_CLOEXEC) == 0
    read, write = struct.unpack("ii", ends)
    os.write(write, b"x")
    assert os.read(read, 1) == b"x"
    os.close(read), os.close(write)
    u.io_uring_register_files_sparse(ring, 4)
    assert run(ring, u.io_uring_prep_pipe_direct, ends, 0, 1) == 0
    assert run(ring, u.io_uring_prep_write, 2, b"y", flags=u.IOSQE_FIXED_FILE) == 1
    buf = bytearray(1)
    assert run(ring, u.io_uring_prep_read, 1, buf, flags=u.IOSQE_FIXED_FILE) == 1 and buf == b"y"
    with pytest.raises(OSError) as caught:
        run(ring, u.io_uring_prep_pipe, 3, 0)
    assert caught.value.errno == errno.EFAULT
    for wrong in (None, b"12345678", bytearray(7)):
        refused((TypeError, ValueError), u.io_uring_prep_pipe, wrong, 0)


def test_paths(ring, tmp_path):
    folder, name = tmp_path / "folder", tmp_path / "name"
    assert run(ring, u.io_uring_prep_mkdir, folder, 0o700) == 0
    dfd = run(ring, u.io_uring_prep_open, str(folder), os.O_RDONLY)
    inside = run(ring, u.io_uring_prep_open, "inside", os.O_CREAT | os.O_RDWR, 0o640, dfd)
    assert stat.S_IMODE(os.fstat(inside).st_mode) == 0o640 & ~0o022
    how = u.OpenHow(os.O_RDONLY, 0, u.RESOLVE_BENEATH)
    again = run(ring, u.io_uring_prep_openat2, "inside", how, dfd)
    with pytest.raises(OSError) as caught:
        run(ring, u.io_uring_prep_openat2, "../name", how, dfd)
    assert caught.value.errno == errno.EXDEV
    assert run(ring, u.io_uring_prep_link, "inside", name, 0, dfd) == 0
    assert run(ring, u.io_uring_prep_symlink, "inside", "soft", dfd) == 0
    assert os.readlink(folder / "soft") == "inside"
    assert run(ring, u.io_uring_prep_rename, "soft", "other", 0, dfd, dfd) == 0
    with pytest.raises(FileExistsError):
        run(ring, u.io_uring_prep_rename, name, folder / "other", u.RENAME_NOREPLACE)
    found = u.Statx()
    assert (found.size, found.isfile, found.mtime) == (0, False, 0.0)
    os.write(inside, b"12345")
    assert run(ring, u.io_uring_prep_statx, found, "inside", 0, None, dfd) == 0
    assert found.size == 5 and found.isfile and found.isreg and found.nlink == 2
    assert not (found.isdir or found.islink or found.isblk or found.ischr)
    assert not (found.isfifo or found.issock)
    real = os.stat(name)
    for part in ("ino", "uid", "gid", "mode", "blocks"):
        assert getattr(found, part) == getattr(real, f"st_{part}")
    assert found.blksize == real.st_blksize and abs(found.mtime - real.st_mtime) < 1e-3
    assert os.makedev(found.dev_major, found.dev_minor) == real.st_dev
    assert run(ring, u.io_uring_prep_unlink, "other", 0, dfd) == 0
    assert run(ring, u.io_uring_prep_unlink, name) == 0
    for number in (dfd, inside, again):
        assert run(ring, u.io_uring_prep_close, number) == 0
    for wrong in (0, 1.5, None, ["list"], b"bytes"):
        refused(TypeError, u.io_uring_prep_open, wrong)
    refused(ValueError, u.io_uring_prep_open, "a\0b")


@pytest.mark.parametrize("by", ["path", "fd"])
def test_attributes(ring, tmp_path, fd, by):
    path = tmp_path / "data"
    if by == "path":
        def put(flags, value):
            return u.io_uring_prep_setxattr, "user.x", value, path, flags, len(value)

        def get(value):
            return u.io_uring_prep_getxattr, "user.x", value, path, len(value)
    else:
        def put(flags, value):
            return u.io_uring_prep_fsetxattr, fd, "user.x", value, flags, len(value)

        def get(value):
            return u.io_uring_prep_fgetxattr, fd, "user.x", value, len(value)
    try:
        assert run(ring, *put(os.XATTR_CREATE, b"value")) == 0
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
        pytest.skip("the file system has no attributes of the user's")
    value = bytearray(9)
    assert run(ring, *get(value)) == 5 and value[:5] == b"value"
    with pytest.raises(FileExistsError):
        run(ring, *put(os.XATTR_CREATE, b"value"))
    refused(TypeError, *get(b"read-only"))
    refused(ValueError, u.io_uring_prep_getxattr, "user.x", value, path, 10)


def test_fixed_files(ring, tmp_path, fd):
    u.io_uring_register_files(ring, u.FileIndex([fd, -1]))
    path = tmp_path / "data"
    assert run(ring, u.io_uring_prep_files_update, [fd, fd], 0) == 2
    buf = bytearray(4)
    assert run(ring, u.io_uring_prep_read, 1, buf, flags=u.IOSQE_FIXED_FILE) == 4
    needs("FIXED_FD_INSTALL")
    made_fd = run(ring, u.io_uring_prep_fixed_fd_install, 0, flags=u.IOSQE_FIXED_FILE)
    assert os.pread(made_fd, 3, 0) == b"012"
    os.close(made_fd)
    assert run(ring, u.io_uring_prep_close_direct, 1) == 0
    assert run(ring, u.io_uring_prep_openat2_direct, path, u.OpenHow(), 1) == 0
    assert run(ring, u.io_uring_prep_read, 1, buf, flags=u.IOSQE_FIXED_FILE) == 4
    assert u.io_uring_unregister_files(ring) == 0
    refused(TypeError, u.io_uring_prep_files_update, [1.5])
    refused(TypeError, u.io_uring_prep_files_update, 3)


def test_block_device_commands_need_one(ring, fd):
    for prepare, *args in (
        (u.io_uring_prep_cmd_discard, fd, 0, 512),
        (u.io_uring_prep_cmd_zone_reset_all, fd),
        (u.io_uring_prep_uring_cmd, 0, fd),
    ):
        with pytest.raises(OSError) as caught:
            run(ring, prepare, *args)
        assert caught.value.errno in (errno.EOPNOTSUPP, errno.EINVAL)
    with made(2, u.IORING_SETUP_SQE128) as wide:
        with pytest.raises(OSError):
            run(wide, u.io_uring_prep_uring_cmd128, 0, fd)


def test_flushed_and_buffered(ring, fd):
    """The flags and the tag a program set before it prepared stay."""
    sqe = u.io_uring_get_sqe(ring)
    sqe.flags, sqe.user_data = u.IOSQE_ASYNC, 11
    u.io_uring_prep_read(sqe, fd, bytearray(3))
    assert (sqe.flags, sqe.user_data, sqe.opcode, sqe.fd, sqe.len) == (16, 11, 22, fd, 3)
    assert (sqe.ioprio, sqe.personality) == (0, 0)
    u.io_uring_submit(ring)
    assert finish(ring)[:2] == (11, 3)
