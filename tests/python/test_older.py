"""The names and call shapes of the older releases: an `io_uring_sqe` has its
arguments read in their order, an `SQE` in the newer."""

import errno
import inspect
import os
import signal
import socket

import liburing as u
import pytest
from support import made, needs


@pytest.fixture
def ring():
    with made(kind=u.io_uring) as ring:
        yield ring


def finish(ring):
    cqe = u.io_uring_cqe()
    assert u.io_uring_wait_cqe(ring, cqe) == 0
    res = cqe.res
    u.io_uring_cqe_seen(ring, cqe)
    return res


def run(ring, prepare, *args, flags=0, **kwargs):
    sqe = u.io_uring_get_sqe(ring)
    prepare(sqe, *args, **kwargs)
    sqe.flags = sqe.flags | flags
    assert u.io_uring_submit(ring) == 1
    return finish(ring)


def test_kinds(ring):
    sqe = u.get_sqe(ring)
    assert isinstance(sqe, u.io_uring_sqe) and isinstance(sqe, u.SQE) and len(sqe) == 1 and sqe
    assert sqe[0] is sqe
    with made() as new:
        assert not isinstance(u.io_uring_get_sqe(new), u.io_uring_sqe)
    cqe = u.io_uring_cqe()
    assert u.io_uring_peek_cqe(ring, cqe) == -errno.EAGAIN and not cqe
    assert u.io_uring_queue_exit(ring) == 0


def test_a_failure_is_a_number(ring):
    cqes = u.io_uring_cqes(3)
    assert len(cqes) == 3
    for sqe in u.get_sqes(ring, 2):
        u.io_uring_prep_read(sqe, -1, bytearray(8), 8, 0)
        u.io_uring_sqe_set_data(sqe, 5)
    assert len(u.io_uring_get_sqes(ring, 99)) == 6
    assert u.io_uring_submit_and_wait(ring, 8) == 8
    assert u.io_uring_wait_cqes(ring, cqes, 8, None, u.NULL) == 0
    found = []
    for cqe in cqes:
        found.append((cqe.user_data, cqe.res, cqe.flags))
        u.io_uring_cqe_seen(ring, cqe)
    assert found[:2] == [(5, -errno.EBADF, 0)] * 2 and len(found) == 8
    assert u.io_uring_peek_batch_cqe(ring, cqes, 8) == 0


def test_for_each(ring):
    for tag in (0, 1, 0):
        sqe = u.io_uring_get_sqe(ring)
        u.io_uring_prep_nop(sqe)
        sqe.user_data = tag
    u.io_uring_submit_and_wait(ring, 3)
    cqe = u.io_uring_cqe()
    assert u.io_uring_for_each_cqe(ring, cqe) == 3 and cqe.user_data == 0
    assert u.io_uring_for_each_cqe(ring, cqe, 1) == 2 and cqe.user_data == 1
    assert [entry.user_data for entry in cqe] == [1, 0]


def test_files(ring, tmp_path):
    path = str(tmp_path / "file").encode()
    fd = run(ring, u.io_uring_prep_openat, path, os.O_RDWR | os.O_CREAT, 0o600, u.AT_FDCWD)
    same = run(ring, u.io_uring_prep_openat, u.AT_FDCWD, path, os.O_RDONLY, 0)
    assert fd > 2 and same > 2
    assert run(ring, u.io_uring_prep_write, fd, b"hello world", 11, 0) == 11
    buf = bytearray(8)
    assert run(ring, u.io_uring_prep_read, fd, buf, 5) == 5 and buf[:5] == b"hello"
    assert run(ring, u.io_uring_prep_read, fd, buf, nbytes=5, offset=6) == 5
    assert buf[:5] == b"world"
    one, two = bytearray(3), bytearray(3)
    vectors = u.iovec(one, two)
    assert len(vectors) == 2 and vectors.iov_base is one and vectors.iov_len == 3
    assert vectors[1].iov_base is two
    assert run(ring, u.io_uring_prep_readv, fd, vectors, 6) == 5
    assert (one, two[:2]) == (b"wor", b"ld")
    assert run(ring, u.io_uring_prep_readv, fd, vectors, 1, 2) == 3 and one == b"llo"
    assert run(ring, u.io_uring_prep_readv, fd, vectors, 2, 0, 0) == 6
    assert run(ring, u.io_uring_prep_readv2, fd, vectors, 6, 0) == 5
    out = u.iovec([b"AB", b"CD"])
    assert run(ring, u.io_uring_prep_writev, fd, out, 1, 0) == 2
    assert run(ring, u.io_uring_prep_writev2, fd, out, 2, 2, 0) == 4
    assert os.pread(fd, 6, 0) == b"ABABCD"
    found = u.statx()
    assert run(ring, u.io_uring_prep_statx, found, path) == 0
    assert found.stx_size == 11 and found.isfile and found.stx_mode == found.mode
    found = u.statx(1)
    assert run(ring, u.io_uring_prep_statx, u.AT_FDCWD, path, 0, u.STATX_ALL, found) == 0
    assert found.stx_size == 11
    how = u.open_how(os.O_RDONLY)
    for args in ((path, how), (u.AT_FDCWD, path, how)):
        assert run(ring, u.io_uring_prep_openat2, *args) > 2
    other = path + b"2"
    assert run(ring, u.io_uring_prep_renameat, path, other) == 0
    assert run(ring, u.io_uring_prep_renameat, u.AT_FDCWD, other, u.AT_FDCWD, path, 0) == 0
    assert run(ring, u.io_uring_prep_linkat, path, other) == 0
    assert run(ring, u.io_uring_prep_unlinkat, other) == 0
    assert run(ring, u.io_uring_prep_symlinkat, b"target", u.AT_FDCWD, other) == 0
    assert run(ring, u.io_uring_prep_unlinkat, u.AT_FDCWD, other, 0) == 0
    assert run(ring, u.io_uring_prep_mkdirat, other) == 0
    assert run(ring, u.io_uring_prep_unlinkat, other, u.AT_REMOVEDIR) == 0
    assert run(ring, u.io_uring_prep_mkdir, other) == 0
    assert run(ring, u.io_uring_prep_fallocate, fd, 4096, 0, 0) == 0
    assert os.fstat(fd).st_size == 4096
    assert run(ring, u.io_uring_prep_fadvise, fd, 0, 4096, os.POSIX_FADV_WILLNEED) == 0
    for number in (fd, same):
        assert run(ring, u.io_uring_prep_close, number) == 0


def test_registered(ring, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    fd = os.open(path, os.O_RDWR)
    memory = bytearray(8)
    assert u.io_uring_register_buffers(ring, u.iovec(memory), 1) == 0
    assert run(ring, u.io_uring_prep_read_fixed, fd, memory, 4, 2, 0) == 4
    assert memory == b"2345\0\0\0\0"
    assert run(ring, u.io_uring_prep_write_fixed, fd, memory, 2, 0, 0) == 2
    assert os.pread(fd, 4, 0) == b"2323"
    u.io_uring_unregister_buffers(ring)
    assert u.io_uring_register_buffers_tags(ring, u.iovec(memory), 5, 1) == 0
    assert u.io_uring_register_files(ring, [fd, -1, -1]) == 0
    u.io_uring_unregister_files(ring)
    assert u.io_uring_register_files(ring, u.files(fd, -1, -1), 3) == 0
    assert run(ring, u.io_uring_prep_files_update, [fd, fd], 1, 2) == 1
    assert run(ring, u.io_uring_prep_files_update, u.files(-1), 2) == 1
    assert run(ring, u.io_uring_prep_openat_direct, path, os.O_RDONLY, 1) == 0
    how = u.open_how(os.O_RDONLY)
    assert run(ring, u.io_uring_prep_openat2_direct, path, how, 2) == 0
    assert run(ring, u.io_uring_prep_read, 2, memory, 3, 0, flags=u.IOSQE_FIXED_FILE) == 3
    assert run(ring, u.io_uring_prep_close_direct, 2) == 0
    kind = (socket.AF_UNIX, socket.SOCK_STREAM)
    assert run(ring, u.io_uring_prep_socket_direct_alloc, *kind) == 2
    os.close(fd)


def test_sockets(ring):
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = u.sockaddr(u.AF_INET, *[b"127.0.0.1", server.getsockname()[1]])
        assert place.family == u.AF_INET
        same = u.sockaddr_in("127.0.0.1", place.port)
        assert bytes(same._memory) == bytes(place._memory)
        client = run(ring, u.io_uring_prep_socket, u.AF_INET, u.SOCK_STREAM)
        assert run(ring, u.io_uring_prep_connect, client, place, 16) == 0
        who = u.sockaddr()
        fd = run(ring, u.io_uring_prep_accept, server.fileno(), who, 16, u.SOCK_CLOEXEC)
        assert fd > 2 and who.ip == "127.0.0.1" and not os.get_inheritable(fd)
        second = run(ring, u.io_uring_prep_socket, u.AF_INET, u.SOCK_STREAM)
        assert run(ring, u.io_uring_prep_connect, second, place) == 0
        os.close(run(ring, u.io_uring_prep_accept, server.fileno(), None, 0))
        os.close(second)
        peer = u.sockaddr()
        assert u.getpeername(client, peer) == 0 and peer.port == place.port
        assert u.getnameinfo(place, u.NI_NUMERICHOST | u.NI_NUMERICSERV)[0] == "127.0.0.1"
        assert run(ring, u.io_uring_prep_send, client, b"hello", 4) == 4
        buf = bytearray(9)
        assert run(ring, u.io_uring_prep_recv, fd, buf, 2) == 2 and buf[:2] == b"he"
        assert run(ring, u.io_uring_prep_recv, fd, buf, 9, 0) == 2
        assert run(ring, u.io_uring_prep_sendmsg, client, u.msghdr(iov=[b"x"])) == 1
        value = bytearray(4)
        option = (client, u.SOL_SOCKET, u.SO_TYPE, value)
        assert run(ring, u.io_uring_prep_getsockopt, *option) in (4, -errno.EOPNOTSUPP)
        option = (client, u.SOL_SOCKET, u.SO_KEEPALIVE, b"\1\0\0\0")
        assert run(ring, u.io_uring_prep_setsockopt, *option) in (0, -errno.EOPNOTSUPP)
        assert run(ring, u.io_uring_prep_send_zc, client, b"zc", 1) == 1
        os.close(client), os.close(fd)
    with socket.socket() as sock:
        assert u.bind(sock.fileno(), u.sockaddr_in("127.0.0.1", 0)) == 0
        assert u.listen(sock.fileno(), 1) == 0
    found = list(u.getaddrinfo(b"127.0.0.1", b"80", flags=u.AI_NUMERICHOST | u.AI_NUMERICSERV))
    assert found[0][0] == u.AF_INET and found[0][4].port == 80


def test_datagrams(ring):
    with socket.socket(type=socket.SOCK_DGRAM) as to, socket.socket(type=socket.SOCK_DGRAM) as by:
        to.bind(("127.0.0.1", 0))
        place = u.sockaddr_in(*to.getsockname())
        assert run(ring, u.io_uring_prep_sendto, by.fileno(), b"datagram", 4, place) == 4
        assert to.recv(9) == b"data"


def test_buffers(ring):
    read, write = os.pipe()
    memory = bytearray(32)
    assert run(ring, u.io_uring_prep_provide_buffers, memory, 16, 2, 4) == 0
    os.write(write, b"x")
    needs("READ_MULTISHOT")
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_read_multishot(sqe, read, 0, 0, 4)
    u.io_uring_submit(ring)
    assert finish(ring) == 1 and b"x" in memory
    os.close(write)
    br = u.io_uring_setup_buf_ring(ring, 2, 9, 0, 0)
    assert isinstance(br, u.io_uring_buf_ring)
    u.io_uring_buf_ring_add(br, memory, 16, 0, u.io_uring_buf_ring_mask(2), 0)
    u.io_uring_buf_ring_advance(br, 1)
    assert u.io_uring_free_buf_ring(ring, br, 2, 9) == 0
    os.close(read)


def test_attributes_and_messages(ring, tmp_path):
    path = tmp_path / "file"
    path.touch()
    put = run(ring, u.io_uring_prep_setxattr, "user.x", b"value", path, 5, 0)
    assert put in (0, -errno.EOPNOTSUPP)
    fd = os.open(path, os.O_RDONLY)
    put = run(ring, u.io_uring_prep_fsetxattr, fd, "user.x", b"value", 5, 0)
    assert put in (0, -errno.EOPNOTSUPP)
    os.close(fd)
    with made() as other:
        flags = u.IORING_MSG_RING_FLAGS_PASS
        prepare = u.io_uring_prep_msg_ring_cqe_flags
        assert run(ring, prepare, other.ring_fd, 1, 2, 8, flags) == 0
        cqe = u.Cqe()
        u.io_uring_wait_cqe(other, cqe)
        assert cqe[0].flags == 8


def test_plain_reads_and_writes(ring, tmp_path):
    with open(tmp_path / "file", "wb+", buffering=0) as file:
        sqe = u.io_uring_get_sqe(ring)
        u.io_uring_prep_rw(u.IORING_OP_WRITE, sqe, file.fileno(), b"written", 5, 0)
        u.io_uring_submit(ring)
        assert finish(ring) == 5 and file.read() == b"writt"
        with pytest.raises(ValueError):
            u.io_uring_prep_rw(u.IORING_OP_OPENAT, u.io_uring_sqe(), 0, b"path", 4, 0)


def test_structs(ring):
    other, params = u.io_uring(), u.io_uring_params()
    assert params.flags == 0
    assert u.io_uring_queue_init_params(4, other, params) == 0
    assert params.features == other.features
    assert u.io_uring_mlock_size_params(4, params) >= u.io_uring_mlock_size(1, 0) >= 0
    entries = u.io_uring_sqe(2)
    for sqe in (entries[0], entries[1]):
        u.io_uring_prep_nop(sqe)
    assert u.io_uring_put_sqe(other, entries) is True and u.io_uring_submit(other) == 2
    u.io_uring_queue_exit(other)
    futex = u.futex_state()
    futex.state = 3
    assert (futex.state, futex.private) == (3, False)
    waits = u.futex_waitv(2)
    waits.val = 4
    assert (waits.val, waits.flags) == (4, 0)
    mask = u.sigmask([signal.SIGINT])
    u.sigaddset(mask, signal.SIGTERM)
    assert signal.SIGTERM in mask and isinstance(mask, u.sigset)
    u.sigemptyset(mask)
    assert signal.SIGTERM not in mask
    time = u.timespec(1, 5)
    assert (time.tv_sec, time.tv_nsec) == (1, 5) and type(time) is u.Timespec
    assert u.time_convert(1.5) == (1, 500000000)
    assert isinstance(u.io_uring_get_probe(), u.io_uring_probe)
    for kind in (
        u.io_uring_buf_reg, u.io_uring_napi, u.io_uring_restriction, u.io_uring_recvmsg_out,
        u.io_uring_sync_cancel_reg, u.siginfo, u.cmsghdr, u.epoll_event,
    ):
        assert inspect.isclass(kind) and kind() is not None
    with pytest.raises(IndexError):
        u.index_error(ring, 3)
    with pytest.raises(MemoryError):
        u.memory_error(ring)
    for arguments in ({}, {"msg": "because"}):
        with pytest.raises(OSError, match="because"):
            u.trap_error(-5, *(() if arguments else ("because",)), **arguments)
    u.test_cqe_get_index()
    assert u.SocketType.SOCK_STREAM == u.SOCK_STREAM and u.ShutdownHow.SHUT_WR == 1


def test_the_newer_order_beside_it(ring):
    """The same names on a ring of the newer style, in the newer order."""
    read, write = os.pipe()
    with made() as new:
        sqe = u.io_uring_get_sqe(new)
        u.io_uring_prep_write(sqe, write, b"data", 0)
        assert sqe.len == 4
        old = u.io_uring_get_sqe(ring)
        u.io_uring_prep_write(old, write, b"data", 0)
        assert old.len == 0
        with pytest.raises(TypeError):
            u.io_uring_prep_read_fixed(sqe, read, bytearray(4), 4, 0, 0)
        with pytest.raises(TypeError):
            u.io_uring_prep_sendto(sqe, 0, b"data", 4, u.sockaddr_in("127.0.0.1", 1))
    os.close(read), os.close(write)
