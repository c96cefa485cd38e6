"""Operations on sockets and messages, on loopback connections."""

import array
import errno
import os
import socket
import struct

import liburing as u
import pytest
from support import finish, made, needs, refused, run, start

LOOPBACK = "127.0.0.1"


@pytest.fixture
def ring():
    with made(16) as ring:
        yield ring


@pytest.fixture
def pair():
    one, two = socket.socketpair()
    with one, two:
        yield one.fileno(), two


@pytest.fixture
def server():
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server


def address(sock):
    return u.Sockaddr(u.AF_INET, *sock.getsockname())


def test_a_connection_made_by_operations(ring):
    listener = run(ring, u.io_uring_prep_socket, u.AF_INET, u.SOCK_STREAM)
    needs("BIND")
    assert run(ring, u.io_uring_prep_bind, listener, u.Sockaddr(u.AF_INET, LOOPBACK, 0)) == 0
    assert run(ring, u.io_uring_prep_listen, listener, 5) == 0
    place = u.sockaddr()
    assert u.getsockname(listener, place) == (LOOPBACK, place.port)
    client = run(ring, u.io_uring_prep_socket, u.AF_INET, u.SOCK_STREAM, 0, 0)
    start(ring, u.io_uring_prep_connect, client, place, tag=1)
    who = u.Sockaddr()
    start(ring, u.io_uring_prep_accept, listener, who, u.SOCK_CLOEXEC, tag=2)
    done = dict(finish(ring)[:2] for _ in range(2))
    assert done[1] == 0 and done[2] > 2
    mine = u.sockaddr()
    u.getsockname(client, mine)
    assert (who.family, who.ip, who.port) == (u.AF_INET, LOOPBACK, mine.port)
    assert run(ring, u.io_uring_prep_send, client, b"hello", 0) == 5
    buf = bytearray(9)
    assert run(ring, u.io_uring_prep_recv, done[2], buf) == 5 and buf[:5] == b"hello"
    assert run(ring, u.io_uring_prep_shutdown, client, u.SHUT_WR) == 0
    assert run(ring, u.io_uring_prep_recv, done[2], buf, 0) == 0
    for fd in (listener, client, done[2]):
        assert run(ring, u.io_uring_prep_close, fd) == 0


def test_send_and_receive(ring, pair):
    fd, peer = pair
    assert run(ring, u.io_uring_prep_send, fd, bytearray(b"abcdef"), 4, 0) == 4
    assert peer.recv(9) == b"abcd"
    assert run(ring, u.io_uring_prep_send, fd, b"xy", socket.MSG_DONTWAIT) == 2
    assert peer.recv(9) == b"xy"
    peer.send(b"12345")
    buf = bytearray(9)
    assert run(ring, u.io_uring_prep_recv, fd, buf, socket.MSG_PEEK) == 5
    assert run(ring, u.io_uring_prep_recv, fd, buf, 3, 0) == 3 and buf[:3] == b"123"
    refused(TypeError, u.io_uring_prep_recv, fd, b"read-only")
    refused(ValueError, u.io_uring_prep_send, fd, b"ab", 3, 0)
    refused(TypeError, u.io_uring_prep_send, fd, "text")


def test_to_an_address(ring):
    with socket.socket(type=socket.SOCK_DGRAM) as to, socket.socket(type=socket.SOCK_DGRAM) as by:
        to.bind((LOOPBACK, 0))
        place = u.Sockaddr(u.AF_INET, *to.getsockname())
        assert run(ring, u.io_uring_prep_sendto, by.fileno(), b"one", place) == 3
        sqe = u.io_uring_get_sqe(ring)
        u.io_uring_prep_send(sqe, by.fileno(), b"two")
        u.io_uring_prep_send_set_addr(sqe, place)
        u.io_uring_submit(ring)
        assert finish(ring)[1] == 3
        assert to.recv(9) == b"one" and to.recv(9) == b"two"
    refused(TypeError, u.io_uring_prep_sendto, 0, b"x", (LOOPBACK, 1))
    refused(ValueError, u.io_uring_prep_send_set_addr, place)


def test_unix_and_six(ring, tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            place = u.Sockaddr(u.AF_UNIX, path)
            assert (place.family, place.path) == (u.AF_UNIX, path)
            assert run(ring, u.io_uring_prep_connect, client.fileno(), place) == 0
    six = u.Sockaddr(u.AF_INET6, "::1", 80)
    assert six.port == 80
    for wrong in ("ip", "path"):
        with pytest.raises(NotImplementedError):
            getattr(six, wrong)
    for args, error in (
        ((u.AF_INET,), ValueError), ((u.AF_INET, "300.1.1.1", 1), ValueError),
        ((u.AF_UNIX, "x" * 109), ValueError), ((u.AF_INET, LOOPBACK, 65536), OverflowError),
        ((99, "x"), NotImplementedError), ((u.AF_INET, 7, 1), TypeError),
    ):
        with pytest.raises(error):
            u.Sockaddr(*args)


@pytest.mark.parametrize("direct", [False, True])
def test_multishot_accept(ring, server, direct):
    prepare = u.io_uring_prep_multishot_accept
    if direct:
        u.io_uring_register_files_sparse(ring, 4)
        prepare = u.io_uring_prep_multishot_accept_direct
    start(ring, prepare, server.fileno())
    clients = [socket.create_connection(server.getsockname()) for _ in range(3)]
    for _ in clients:
        tag, res, flags = finish(ring)
        assert tag == 7 and res >= 0 and flags & u.IORING_CQE_F_MORE
        if not direct:
            os.close(res)
    start(ring, u.io_uring_prep_cancel_fd, server.fileno(), tag=9)
    done = {tag: res for tag, res, _ in (finish(ring), finish(ring))}
    assert done == {7: -errno.ECANCELED, 9: 0}
    for client in clients:
        client.close()


def test_direct_sockets(ring, server):
    u.io_uring_register_files_sparse(ring, 4)
    slot = run(ring, u.io_uring_prep_socket_direct, u.AF_INET, u.SOCK_STREAM, 0, 2)
    assert slot == 0
    start(ring, u.io_uring_prep_connect, 2, address(server), flags=u.IOSQE_FIXED_FILE, tag=1)
    start(ring, u.io_uring_prep_accept_direct, server.fileno(), None, 3, 0, tag=2)
    assert {finish(ring)[:2], finish(ring)[:2]} == {(1, 0), (2, 0)}
    assert run(ring, u.io_uring_prep_send, 2, b"direct", flags=u.IOSQE_FIXED_FILE) == 6
    buf = bytearray(6)
    assert run(ring, u.io_uring_prep_recv, 3, buf, flags=u.IOSQE_FIXED_FILE) == 6
    assert buf == b"direct"


@pytest.mark.parametrize("fixed", [False, True])
def test_zero_copy(ring, server, fixed):
    with socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        memory = bytearray(b"payload")
        args = [client.fileno(), memory]
        prepare = u.io_uring_prep_send_zc
        if fixed:
            u.io_uring_register_buffers(ring, u.Iovec([memory]))
            prepare, args = u.io_uring_prep_send_zc_fixed, [*args, 0]
        start(ring, prepare, *args)
        tag, res, flags = finish(ring)
        assert (tag, res) == (7, 7) and flags & u.IORING_CQE_F_MORE
        assert peer.recv(9) == b"payload"
        peer.close()
        tag, res, flags = finish(ring)
        assert tag == 7 and flags & u.IORING_CQE_F_NOTIF
        if not fixed:
            memory.append(0)


@pytest.mark.parametrize("kind", [u.Msghdr, u.msghdr])
def test_messages(ring, pair, kind):
    fd, peer = pair
    read, write = os.pipe()
    rights = struct.pack("Qiii4x", 20, socket.SOL_SOCKET, socket.SCM_RIGHTS, write)
    message = kind(None, u.Iovec([b"one", bytearray(b"two")]), rights)
    assert run(ring, u.io_uring_prep_sendmsg, fd, message) == 6
    with socket.socket(fileno=os.dup(peer.fileno())) as twin:
        text, control, _, _ = twin.recvmsg(9, socket.CMSG_SPACE(4))
    assert text == b"onetwo"
    got = array.array("i", control[0][2])[0]
    os.write(got, b"x")
    assert os.read(read, 1) == b"x"
    for end in (read, write, got):
        os.close(end)
    peer.sendmsg([b"back"])
    parts, room = [bytearray(2), bytearray(9)], bytearray(64)
    message = kind(iov=parts, control=room)
    assert run(ring, u.io_uring_prep_recvmsg, fd, message, 0) == 4
    assert parts[0] + parts[1][:2] == b"back"
    assert (message.msg_controllen, message.msg_flags, message.msg_iovlen) == (0, 0, 2)
    refused(TypeError, u.io_uring_prep_recvmsg, fd, kind(iov=[b"read-only"]))
    refused(TypeError, u.io_uring_prep_recvmsg, fd, None)


def test_message_with_an_address(ring):
    with socket.socket(type=socket.SOCK_DGRAM) as to, socket.socket(type=socket.SOCK_DGRAM) as by:
        to.bind((LOOPBACK, 0))
        place = u.Sockaddr(u.AF_INET, *to.getsockname())
        message = u.Msghdr(place, [b"datagram"])
        assert run(ring, u.io_uring_prep_sendmsg, by.fileno(), message) == 8
        who, text = u.Sockaddr(), bytearray(20)
        message = u.Msghdr(who, [text])
        assert run(ring, u.io_uring_prep_recvmsg, to.fileno(), message) == 8
        assert who.family == u.AF_INET and who.port == by.getsockname()[1]
        assert message.namelen == 16 and text[:8] == b"datagram"


@pytest.mark.parametrize("fixed", [False, True])
def test_zero_copy_messages(ring, server, fixed):
    needs("SENDMSG_ZC")
    with socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        memory = bytearray(b"message")
        message = u.Msghdr(iov=[memory])
        args = [client.fileno(), message]
        prepare = u.io_uring_prep_sendmsg_zc
        if fixed:
            u.io_uring_register_buffers(ring, u.Iovec([memory]))
            prepare, args = u.io_uring_prep_sendmsg_zc_fixed, [*args, 0]
        start(ring, prepare, *args)
        _, res, flags = finish(ring)
        if fixed and res == -errno.EINVAL:
            pytest.skip("this kernel sends no messages from registered buffers")
        assert res == 7 and flags & u.IORING_CQE_F_MORE
        assert peer.recv(9) == b"message"
        peer.close()
        assert finish(ring)[2] & u.IORING_CQE_F_NOTIF


@pytest.fixture
def group(ring):
    """A group of four provided buffers, number 5."""
    br = u.io_uring_setup_buf_ring(ring, 4, 5, 0, None)
    mask = u.io_uring_buf_ring_mask(4)
    buffers = [bytearray(256) for _ in range(4)]
    for bid, buf in enumerate(buffers):
        u.io_uring_buf_ring_add(br, buf, bid, mask, bid)
    u.io_uring_buf_ring_advance(br, 4)
    yield br, buffers, mask
    assert u.io_uring_unregister_buf_ring(ring, 5) == 0


def test_multishot_receive(ring, pair, group):
    fd, peer = pair
    br, buffers, mask = group
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_recv_multishot(sqe, fd)
    u.io_uring_sqe_set_flags(sqe, u.IOSQE_BUFFER_SELECT)
    u.io_uring_sqe_set_buf_group(sqe, 5)
    u.io_uring_submit(ring)
    used = []
    for text in (b"first", b"second", b"third", b"fourth"):
        peer.send(text)
        _, res, flags = finish(ring)
        assert res == len(text) and flags & u.IORING_CQE_F_BUFFER
        bid = flags >> u.IORING_CQE_BUFFER_SHIFT
        used.append(bid)
        assert buffers[bid][:res] == text
    assert sorted(used) == [0, 1, 2, 3]
    assert u.io_uring_buf_ring_available(ring, br, 5) == 0
    assert u.io_uring_buf_ring_head(ring, 5, None) == 4
    u.io_uring_buf_ring_add(br, buffers[0], 0, mask)
    u.io_uring_buf_ring_cq_advance(ring, br, 1)
    assert u.io_uring_buf_ring_available(ring, br, 5) == 1
    peer.send(b"fifth")
    _, res, flags = finish(ring)
    assert res == 5 and buffers[flags >> u.IORING_CQE_BUFFER_SHIFT][:5] == b"fifth"


def test_bundles(ring, pair, group):
    fd, peer = pair
    _, buffers, _ = group
    buffers[0][:3], buffers[1][:3] = b"one", b"two"
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_send_bundle(sqe, fd, 512, 0)
    u.io_uring_sqe_set_flags(sqe, u.IOSQE_BUFFER_SELECT)
    u.io_uring_sqe_set_buf_group(sqe, 5)
    u.io_uring_submit(ring)
    _, res, flags = finish(ring)
    if res == -errno.EINVAL:
        pytest.skip("this kernel has no bundles")
    assert res >= 256 and peer.recv(1024)[:3] == b"one"


def test_multishot_messages(ring, group):
    _, buffers, _ = group
    with socket.socket(type=socket.SOCK_DGRAM) as to, socket.socket(type=socket.SOCK_DGRAM) as by:
        to.bind((LOOPBACK, 0))
        to.setsockopt(socket.SOL_SOCKET, u.SO_TIMESTAMPNS, 1)
        message = u.Msghdr(namelen=16, controllen=64)
        sqe = u.io_uring_get_sqe(ring)
        u.io_uring_prep_recvmsg_multishot(sqe, to.fileno(), message)
        sqe.flags = u.IOSQE_BUFFER_SELECT
        u.io_uring_sqe_set_buf_group(sqe, 5)
        u.io_uring_submit(ring)
        for text in (b"hello", b"world!"):
            by.sendto(text, to.getsockname())
            _, res, flags = finish(ring)
            assert flags & u.IORING_CQE_F_MORE
            buf = buffers[flags >> u.IORING_CQE_BUFFER_SHIFT]
            out = u.io_uring_recvmsg_validate(memoryview(buf)[:res], message)
            assert u.io_uring_recvmsg_payload(out, message) == text
            assert u.io_uring_recvmsg_payload_length(out, res, message) == len(text)
            assert out.payloadlen == len(text) and out.flags == 0
            name = u.io_uring_recvmsg_name(out)
            assert struct.unpack_from("!H", name, 2)[0] == by.getsockname()[1]
            first = u.io_uring_recvmsg_cmsg_firsthdr(out, message)
            assert (first.level, len(first.data)) == (socket.SOL_SOCKET, 16)
            assert isinstance(first, u.Cmsghdr) and first and not u.Cmsghdr()
            assert u.io_uring_recvmsg_cmsg_nexthdr(out, message, first) is None
        assert u.io_uring_recvmsg_validate(bytearray(20), message) is None
        assert u.io_uring_recvmsg_validate(buf, 20, message) is None
        for call in (u.io_uring_recvmsg_name, lambda o: o.namelen):
            with pytest.raises(RuntimeError):
                call(u.RecvmsgOut())


def test_options(ring, server):
    value = bytearray(4)
    try:
        size = run(ring, u.getsockopt, server.fileno(), u.SOL_SOCKET, u.SO_TYPE, value)
    except OSError as error:
        pytest.skip(f"this kernel has no socket commands: {error}")
    assert size == 4 and struct.unpack("i", value)[0] == u.SOCK_STREAM
    on = struct.pack("i", 1)
    assert run(ring, u.setsockopt, server.fileno(), u.SOL_SOCKET, u.SO_KEEPALIVE, on) == 0
    assert server.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    op = u.io_uring_socket_op.SOCKET_URING_OP_GETSOCKOPT
    fd = server.fileno()
    assert run(ring, u.io_uring_prep_cmd_sock, op, fd, u.SOL_SOCKET, u.SO_KEEPALIVE, value) == 4
    assert struct.unpack("i", value)[0] == 1
    refused(TypeError, u.getsockopt, fd, 1, 3, b"read-only")
    refused(ValueError, u.io_uring_prep_cmd_sock, 99, fd, 1, 3, value)


@pytest.mark.parametrize("call", [u.getsockname, u.io_uring_prep_cmd_getsockname])
def test_name_of_a_socket(ring, server, call):
    place = u.Sockaddr()
    try:
        assert run(ring, call, server.fileno(), place, 0) == 0
    except OSError as error:
        assert error.errno in (errno.EOPNOTSUPP, errno.EINVAL)
        pytest.skip("this kernel tells no names (6.19)")
    assert (place.ip, place.port) == server.getsockname()


def test_provided_buffers(ring, pair):
    fd, peer = pair
    memory = bytearray(64)
    assert run(ring, u.io_uring_prep_provide_buffers, memory, 4, 9, 10) == 0
    with pytest.raises(BufferError):
        memory.append(0)
    assert run(ring, u.io_uring_prep_provide_buffers, memory, 4, 9, 10) == 0
    peer.send(b"chosen")
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_recv(sqe, fd, None, 0)
    sqe.flags = u.IOSQE_BUFFER_SELECT
    u.io_uring_sqe_set_buf_group(sqe, 9)
    u.io_uring_submit(ring)
    _, res, flags = finish(ring)
    assert res == 6 and memory[16 * ((flags >> 16) - 10) :][:6] == b"chosen"
    assert run(ring, u.io_uring_prep_remove_buffers, 99, 9) >= 3
    refused(TypeError, u.io_uring_prep_provide_buffers, b"read-only", 1, 1, 1)
    refused(ValueError, u.io_uring_prep_provide_buffers, memory, -1, 1, 1)


def test_a_ring_of_buffers_in_steps(ring):
    reg = u.BufReg(ring_entries=2, bgid=8)
    assert u.io_uring_register_buf_ring(ring, reg) == 0
    br = reg.buf_ring
    u.io_uring_buf_ring_init(br)
    with pytest.raises(ValueError):
        u.io_uring_buf_ring_add(br, bytearray(8), 0, 7, 0)
    with pytest.raises(TypeError):
        u.io_uring_buf_ring_add(br, b"read-only", 0, 1, 0)
    with pytest.raises(FileExistsError):
        u.io_uring_setup_buf_ring(ring, 2, 8, 0, None)
    with pytest.raises(ValueError):
        u.io_uring_setup_buf_ring(ring, 3, 9, 0, None)
    with pytest.raises(OSError):
        u.io_uring_free_buf_ring(ring, br, 2, 9)
    assert u.io_uring_free_buf_ring(ring, br, 2, 8) == 0
    for use in (u.io_uring_buf_ring_init, lambda br: u.io_uring_buf_ring_advance(br, 1)):
        for gone in (br, u.BufRing()):
            with pytest.raises(RuntimeError):
                use(gone)
