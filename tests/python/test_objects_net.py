"""The object tier: sockets, pools, multishot operations."""

import array
import errno
import os
import select
import socket
import threading

import pytest
from objects import ended_with, fresh, needs

import liburing


@pytest.fixture
def ring():
    with fresh(32) as ring:
        yield ring


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_connections_from_nothing(ring, tmp_path):
    needs(ring, "SOCKET", "BIND", "LISTEN")
    for family, address in (
        (socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, str(tmp_path / "socket")),
        (socket.AF_INET6, ("::1", 0)),
    ):  # fmt: skip
        with socket.socket(fileno=ring.socket(family).result()) as server:
            if (error := ring.bind(server, address).exception()) is not None:
                print(f"not here: {family}: {error}")
                assert family == socket.AF_INET6
                continue
            ring.listen(server, 5).result()
            accepted = ring.accept(server, address=True)
            with socket.socket(family) as client:
                assert ring.connect(client, server.getsockname()).result(5) == 0
                fd, peer = accepted.result(5)
                assert peer == client.getsockname()
                assert ring.send(client, b"hello").result() == 5
                assert ring.recv(fd, 10).result() == b"hello"
                assert ring.shutdown(client, socket.SHUT_WR).result() == 0
                assert ring.recv(fd, bytearray(5)).result() == 0
                ring.close_fd(fd).result()


def test_addresses_are_checked(ring, server):
    for wrong, error in (
        (("localhost", 80), ValueError), (("127.0.0.1", 70000), OverflowError),
        (("127.0.0.1",), TypeError), ("x" * 109, ValueError),
    ):  # fmt: skip
        with pytest.raises(error):
            ring.connect(server, wrong)
    with socket.socket() as client:
        client.bind(("127.0.0.1", 0))
        with socket.socket() as other, pytest.raises(ConnectionRefusedError):
            ring.connect(other, client.getsockname()).result()


def test_messages(ring, pair):
    left, right = pair
    read, write = os.pipe()
    fds = array.array("i", [write])
    sent = ring.sendmsg(left, [b"ab", b"c"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    assert sent.result() == 3
    into = [bytearray(2), bytearray(10)]
    found = ring.recvmsg(right, into, socket.CMSG_SPACE(4)).result()
    assert found.size == 3 and into[0] == b"ab" and into[1][:1] == b"c"
    ((level, kind, data),) = found.ancillary
    assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
    (copy,) = array.array("i", data)
    os.write(copy, b"through the copy")
    assert os.read(read, 99) == b"through the copy"
    for fd in (read, write, copy):
        os.close(fd)
    assert ring.sendmsg(left, []).result() == 0


def test_datagrams(ring):
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        assert ring.sendto(one, b"first", two.getsockname()).result() == 5
        assert ring.sendmsg(one, [b"sec", b"ond"], address=two.getsockname()).result() == 6
        for expected in (b"first", b"second"):
            data, ancillary, flags, address = ring.recvmsg(two, 100).result(5)
            assert (data, ancillary, address) == (expected, [], one.getsockname())
        ring.sendto(one, b"longer", two.getsockname()).result()
        assert ring.recvmsg(two, 3).result()[2] & socket.MSG_TRUNC


def test_zero_copy(ring, server):
    needs(ring, "SEND_ZC")
    with socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        with peer:
            data = bytearray(b"x" * 100000)
            sent = ring.send_zc(client, data)
            ring.submit()
            got = b""
            while len(got) < 100000 and (part := peer.recv(1 << 20)):
                got += part
                if sent.done and sent.res < 100000:
                    break
            assert sent.result(5) == len(got)
            data.extend(b"free again")
            needs(ring, "SENDMSG_ZC")
            assert ring.sendmsg(client, [b"ab", b"cd"], zero_copy=True).result(5) == 4


def test_options(ring, server):
    needs(ring, "URING_CMD")
    with socket.socket() as client:
        try:
            ring.setsockopt(client, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1).result()
        except OSError as error:
            pytest.skip(f"no socket commands: {error}")
        assert ring.getsockopt(client, socket.SOL_SOCKET, socket.SO_KEEPALIVE).result() == 1
        size = ring.getsockopt(client, socket.SOL_SOCKET, socket.SO_LINGER, 8).result()
        assert size == bytes(8)
    read, write = os.pipe()
    with pytest.raises(ValueError):
        ring.getsockopt(read, 1, 1)
    os.close(read)
    os.close(write)


def test_accept_as_an_iterator(ring, server):
    clients = [socket.create_connection(server.getsockname()) for _ in range(5)]
    with ring.accept_multishot(server) as connections:
        fds = [next(connections) for _ in clients]
    assert len(set(fds)) == 5 and connections.done
    assert list(connections) == []
    for fd in fds:
        os.close(fd)
    for client in clients:
        client.close()


def test_connections_nobody_took_are_closed(ring, server):
    connections = ring.accept_multishot(server)
    with socket.create_connection(server.getsockname()) as client:
        client.settimeout(10)
        assert ring.completions(wait=1) == [connections]
        connections.cancel()
        del connections
        assert client.recv(1) == b""


@pytest.mark.parametrize("copy", [True, False])
def test_receive_as_an_iterator(ring, pair, copy):
    """More data than the pool holds: it is received piece by piece."""
    data = os.urandom(200_000)
    pool = ring.buffer_pool(8, 1000)

    def send():
        pair[0].sendall(data)
        pair[0].shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    got = b"".join(bytes(part) for part in ring.recv_multishot(pair[1], pool, copy=copy))
    thread.join()
    assert got == data
    if copy:
        assert pool.available == 8


def test_views_hold_until_the_next(ring, pair):
    pool = ring.buffer_pool(2, 4)
    pair[0].send(b"aaaabbbb")
    stream = ring.recv_multishot(pair[1], pool, copy=False)
    first = next(stream)
    assert first == b"aaaa" and first.readonly
    assert next(stream) == b"bbbb"
    stream.cancel()


def test_read_as_an_iterator(ring):
    needs(ring, "READ_MULTISHOT")
    pool = ring.buffer_pool(4, 16)
    read, write = os.pipe()
    os.write(write, b"y" * 50)
    os.close(write)
    assert b"".join(ring.read_multishot(read, pool)) == b"y" * 50
    os.close(read)


def test_take_and_completions(ring, pair):
    pool = ring.buffer_pool(4, 100)
    stream = ring.recv_multishot(pair[1], pool, user_data="mine")
    ring.submit()
    assert stream.take() == []
    pair[0].send(b"one")
    assert ring.completions(wait=1) == [stream] and stream.user_data == "mine"
    assert stream.take() == [b"one"] and not stream.done
    pair[0].close()
    assert ring.completions(wait=1) == [stream]
    assert stream.take() == [] and stream.done
    assert list(stream) == []


def test_a_pool_for_one_operation(ring, pair):
    pool = ring.buffer_pool(2, 100)
    for turn in range(10):
        pair[0].send(b"%d" % turn)
        assert ring.recv(pair[1], pool).result() == b"%d" % turn
    assert pool.available == 2 and len(pool) == 2 and pool.size == 100
    pool.close()
    pair[0].send(b"x")
    assert ended_with(ring.recv(pair[1], pool), errno.ENOBUFS)
    with pytest.raises(RuntimeError):
        pool.available
    with pytest.raises(TypeError):
        ring.send(pair[0], pool)
    for wrong in ((3, 10), (0, 10), (4, 0)):
        with pytest.raises(ValueError):
            ring.buffer_pool(*wrong)
    with fresh(2) as other, pytest.raises(ValueError):
        other.recv(pair[0], ring.buffer_pool(2, 2))


def test_polls_as_an_iterator(ring):
    read, write = os.pipe()
    polls = ring.poll_multishot(read)
    for _ in range(3):
        os.write(write, b"x")
        assert next(polls) & select.POLLIN
    polls.cancel()
    os.close(read)
    os.close(write)


def test_ticks(ring):
    assert list(ring.timeout_multishot(0.005, 3)) == [1, 2, 3]
    ticks = ring.timeout_multishot(0.005)
    assert [next(ticks) for _ in range(4)] == [1, 2, 3, 4]
    ticks.cancel()
    assert not [handle for handle in ring.completions() if handle is not ticks]


def test_streams_end_with_their_ring(pair):
    ring = fresh(8)
    stream = ring.recv_multishot(pair[1], ring.buffer_pool(2, 10))
    ring.submit()
    ring.close()
    with pytest.raises(OSError):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)
    stream.cancel()


def test_streams_fail_like_operations(ring):
    with pytest.raises(OSError) as caught:
        next(ring.accept_multishot(-1))
    assert caught.value.errno == errno.EBADF and caught.value.operation == "accept"
    with pytest.raises(ValueError):
        ring.poll_multishot(0, timeout=1)
    with ring.link(), pytest.raises(ValueError):
        ring.poll_multishot(0)


def test_files_of_a_table(ring, server):
    ring.register_files(4)
    accepted = ring.accept(server, slot=True)
    with socket.create_connection(server.getsockname()) as client:
        file = accepted.result(5)
        assert isinstance(file, liburing.FixedFile)
        client.sendall(b"hello")
        assert ring.recv(file, 5, socket.MSG_WAITALL).result() == b"hello"
    pool = ring.buffer_pool(2, 10)
    assert list(ring.recv_multishot(file, pool)) == []
    ring.close_fd(file).result()
