"""Direct descriptors, fixed buffers, messages, registration, versions."""

import errno
import os
import socket
import struct
import tempfile

import liburing as u
import pytest


@pytest.fixture
def ring():
    ring = u.Ring()
    u.io_uring_queue_init(8, ring)
    yield ring
    u.io_uring_queue_exit(ring)


def run(ring, prepare, *args, flags=0, **kwargs):
    sqe = u.io_uring_get_sqe(ring)
    prepare(sqe, *args, **kwargs)
    sqe.flags = flags
    sqe.user_data = 7
    u.io_uring_submit(ring)
    cqe = u.Cqe()
    u.io_uring_wait_cqe(ring, cqe)
    entry = cqe[0]
    u.io_uring_cqe_seen(ring, entry)
    assert entry.user_data == 7
    return entry.res


def test_direct_open_and_read(ring, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    u.io_uring_register_files_sparse(ring, 4)
    assert run(ring, u.io_uring_prep_open_direct, path, 0, 2) == 0
    buf = bytearray(4)
    assert run(ring, u.io_uring_prep_read, 2, buf, 3, flags=u.IOSQE_FIXED_FILE) == 4
    assert buf == b"3456"
    u.io_uring_register_file_alloc_range(ring, 1, 1)
    assert run(ring, u.io_uring_prep_openat2_direct, path, u.OpenHow()) == 1
    assert run(ring, u.io_uring_prep_close_direct, 1) == 0
    assert run(ring, u.io_uring_prep_socket_direct, socket.AF_UNIX, socket.SOCK_STREAM) == 1


def test_direct_accept(ring):
    u.io_uring_register_files_sparse(ring, 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            assert run(ring, u.io_uring_prep_accept_direct, server.fileno(), None, 1) == 0
            client.sendall(b"hello")
            buf = bytearray(5)
            assert run(ring, u.io_uring_prep_recv, 1, buf, flags=u.IOSQE_FIXED_FILE) == 5
            assert buf == b"hello"


def test_files_update(ring, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"xy")
    fd = os.open(path, os.O_RDONLY)
    u.io_uring_register_files_sparse(ring, 3)
    assert u.io_uring_register_files_update(ring, u.FileIndex([fd]), 2) == 1
    assert u.io_uring_register_files_update(ring, 1, u.FileIndex([fd]), 1) == 1
    os.close(fd)
    for slot in (1, 2):
        buf = bytearray(2)
        assert run(ring, u.io_uring_prep_read, slot, buf, flags=u.IOSQE_FIXED_FILE) == 2
        assert buf == b"xy"
    with pytest.raises(TypeError):
        u.io_uring_register_files_update(ring, [0])


def test_message_to_another_ring(ring):
    other, cqe = u.Ring(), u.Cqe()
    u.io_uring_queue_init(2, other)
    assert run(ring, u.io_uring_prep_msg_ring, other.ring_fd, 42, 99) == 0
    u.io_uring_wait_cqe(other, cqe)
    assert (cqe[0].res, cqe[0].user_data) == (42, 99)
    u.io_uring_queue_exit(other)


def test_timeout_update(ring):
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_timeout(sqe, u.timespec(1000), 0)
    sqe.user_data = 5
    u.io_uring_submit(ring)
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_timeout_update(sqe, u.timespec(0.01), 5)
    u.io_uring_submit_and_wait(ring, 2)
    cqe = u.Cqe()
    u.io_uring_wait_cqe_nr(ring, cqe, 2)
    assert cqe[0].res == 0 and cqe[1].user_data == 5
    with pytest.raises(OSError) as caught:
        cqe[1].res
    assert caught.value.errno == 62
    with pytest.raises(TypeError):
        u.io_uring_prep_timeout_update(u.io_uring_get_sqe(ring), 1, 5)


def test_vectors_in_a_registered_buffer(ring, tmp_path):
    memory = bytearray(b"abcdefgh")
    parts = u.Iovec([memoryview(memory)[4:], memoryview(memory)[:2]])
    u.io_uring_register_buffers(ring, u.Iovec([memory]))
    fd = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
    known = u.io_uring_opcode_supported(
        u.io_uring_get_probe_ring(ring), u.io_uring_op.IORING_OP_WRITEV_FIXED
    )
    if not known:
        with pytest.raises(OSError):
            run(ring, u.io_uring_prep_writev_fixed, fd, parts, 0)
    else:
        assert run(ring, u.io_uring_prep_writev_fixed, fd, parts, 0) == 6
        assert os.pread(fd, 9, 0) == b"efghab"
        os.pwrite(fd, b"123456", 0)
        assert run(ring, u.io_uring_prep_readv_fixed, fd, parts, 0) == 6
        assert memory == b"56cd1234"
    assert run(ring, u.io_uring_prep_sync_file_range, fd, 0) == 0
    os.close(fd)
    with pytest.raises(TypeError):
        sqe = u.io_uring_get_sqe(ring)
        u.io_uring_prep_readv_fixed(sqe, 0, u.Iovec([b"read-only"]), 0)


def test_rings_are_enabled_later():
    ring = u.Ring()
    u.io_uring_queue_init(2, ring, u.IORING_SETUP_R_DISABLED)
    assert u.io_uring_enable_rings(ring) == 0
    assert run(ring, u.io_uring_prep_nop) == 0
    with pytest.raises(OSError):
        u.io_uring_enable_rings(ring)
    u.io_uring_queue_exit(ring)
    with pytest.raises(RuntimeError):
        u.io_uring_enable_rings(ring)


def test_eventfd_and_personality(ring):
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    u.io_uring_register_eventfd(ring, fd)
    u.io_uring_cq_eventfd_toggle(ring, False)
    assert not u.io_uring_cq_eventfd_enabled(ring)
    run(ring, u.io_uring_prep_nop)
    with pytest.raises(BlockingIOError):
        os.eventfd_read(fd)
    u.io_uring_cq_eventfd_toggle(ring, True)
    run(ring, u.io_uring_prep_nop)
    assert os.eventfd_read(fd) == 1
    assert u.io_uring_unregister_eventfd(ring) == 0
    os.close(fd)
    number = u.io_uring_register_personality(ring)
    assert number > 0 and u.io_uring_unregister_personality(ring, number) == 0
    with pytest.raises(OSError):
        u.io_uring_unregister_personality(ring, number)
    assert not u.io_uring_cq_has_overflow(ring)


def test_probe():
    probe = u.io_uring_get_probe()
    assert u.io_uring_opcode_supported(probe, 0) and probe.ops_len == probe.last_op + 1
    assert not u.io_uring_opcode_supported(probe, 9999)
    u.io_uring_free_probe(probe)
    for use in (lambda: probe.last_op, lambda: u.io_uring_opcode_supported(probe, 0)):
        with pytest.raises(MemoryError):
            use()


def test_versions():
    assert (u.liburing_version_major(), u.liburing_version_minor()) == (2, 15)
    assert not u.liburing_version_check(2, 15) and u.liburing_version_check(2, 16)
    assert not u.linux_version_check("5.1") and u.linux_version_check(99)
    assert not u.linux_version_check(5.1) and not u.linux_version_check(version="5.1")
    with pytest.raises(ValueError):
        u.linux_version_check("6.1.2")


def test_none_is_the_current_folder(ring, tmp_path):
    path = tmp_path / "made"
    assert run(ring, u.io_uring_prep_mkdir, path, 0o755, None) == 0
    assert run(ring, u.io_uring_prep_open, path, os.O_PATH, None, None) > 2


def test_zero_copy_from_a_registered_buffer(ring):
    memory = bytearray(b"payload")
    u.io_uring_register_buffers(ring, u.Iovec([memory]))
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            peer, _ = server.accept()
            assert run(ring, u.io_uring_prep_send_zc_fixed, client.fileno(), memory, 0) == 7
            assert peer.recv(7) == b"payload"
            peer.close()
    cqe = u.Cqe()
    u.io_uring_wait_cqe(ring, cqe)
    assert cqe[0].flags & u.IORING_CQE_F_NOTIF and cqe[0].user_data == 7


def test_sparse_buffers_and_asynchronous_eventfd(ring):
    assert u.io_uring_register_buffers_sparse(ring, 2) == 0
    with pytest.raises(OSError):
        u.io_uring_register_buffers_sparse(ring, 2)
    assert u.io_uring_unregister_buffers(ring) == 0
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    u.io_uring_register_eventfd_async(ring, fd)
    run(ring, u.io_uring_prep_nop)
    with pytest.raises(BlockingIOError):
        os.eventfd_read(fd)
    os.close(fd)


def test_iowait(ring):
    try:
        assert u.io_uring_set_iowait(ring, False) == 0
    except OSError as error:
        assert error.errno in (errno.EINVAL, errno.EOPNOTSUPP)


def test_addresses_with_a_scope():
    """RFC 4007: behind a percent sign the index or the name of an interface."""
    index, name = socket.if_nameindex()[0]
    for addr, scope in (
        ("fe80::1", 0), ("fe80::1%3", 3), (f"fe80::1%{name}", index), ("fe80::1%4294967295", 2**32 - 1),
        (f"2001:db8::1%{name}", index),
    ):
        made = u.Sockaddr(socket.AF_INET6, addr, 80)
        raw = bytes(made._memory[: made._length])
        assert len(raw) == 28 and raw[8:24] == socket.inet_pton(socket.AF_INET6, addr.split("%")[0])
        assert struct.unpack("=I", raw[24:]) == (scope,)
        assert made.port == 80
    for addr in ("fe80::1%no-such-if", "fe80::1%-1", "fe80::1%4294967296", "%3", "fe80::%1%2", "fe80::1% 1"):
        with pytest.raises(ValueError, match="not an address"):
            u.Sockaddr(socket.AF_INET6, addr, 80)
    with pytest.raises(ValueError):
        u.Sockaddr(socket.AF_INET, f"127.0.0.1%{name}", 80)


def test_too_many_vectors_are_named():
    """Programs look for the limit's name in the message."""
    with u.Ring(4) as ring, tempfile.TemporaryFile() as file:
        many = [bytearray(1)] * 1025
        fixed = ring.register_buffers([bytearray(1)])
        for call in (
            lambda: u.Iovec(many), lambda: u.iovec(*many), lambda: ring.readv(file.fileno(), many),
            lambda: ring.writev(file.fileno(), many),
            lambda: ring.sendmsg(file.fileno(), many), lambda: ring.writev(file.fileno(), [fixed[0]] * 1025),
        ):
            with pytest.raises(ValueError, match="exceeds `IOV_MAX` limit"):
                call()
        assert len(u.Iovec(many[:1024])) == 1024


def test_flags_of_a_futex():
    """32 bits wide unless flags say otherwise, private or not."""
    for given, flags in (((), 2), ((1,), 2), ((3, None), 2), ((2, 0), 0), ((1, 130), 130)):
        no = given[0] if given else None
        made = u.Futex(no, *(given[1:] or (None,)), True)
        assert [made[index].flags for index in range(len(made))] == [flags] * (no or 1)
        assert made.private == bool(flags & 128)
