"""The object tier: messages as streams, bundles, slots everywhere, operations on
operations."""

import array
import errno
import inspect
import os
import pathlib
import re
import select
import socket

import pytest
from objects import ended_with, fresh, needs

import liburing
from liburing._object.groups import OPERATIONS


@pytest.fixture
def ring():
    with fresh(32) as ring:
        yield ring


def or_skip(call, *numbers):
    """The result; a skip with the reason where the kernel is too old for it."""
    try:
        return call()
    except OSError as error:
        if error.errno in (numbers or (errno.EINVAL, errno.EOPNOTSUPP)):
            pytest.skip(f"this kernel does not have it: {error}")
        raise


# ---- messages as a stream


def test_datagrams(ring):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind(("127.0.0.1", 0))
            pool = ring.buffer_pool(4, 300)
            stream = ring.recvmsg_multishot(server, pool)
            for text in (b"one", b"", b"two"):
                client.sendto(text, server.getsockname())
            found = [or_skip(lambda: next(stream)) for _ in range(3)]
            assert [message.data for message in found] == [b"one", b"", b"two"]
            assert {message.address for message in found} == {client.getsockname()}
            assert all(message.flags == 0 and message.ancillary == [] for message in found)
            # More than the pool has buffers, and one that is cut.
            for number in range(20):
                client.sendto(bytes([number]) * 10, server.getsockname())
                assert next(stream).data == bytes([number]) * 10
            client.sendto(bytes(1000), server.getsockname())
            cut = next(stream)
            assert cut.flags & socket.MSG_TRUNC and len(cut.data) == 300 - 16 - 128
            stream.cancel()
            assert list(stream) == []


def test_messages_without_addresses(ring):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            stream = ring.recvmsg_multishot(server, ring.buffer_pool(4, 64), address=False)
            client.sendto(b"x", server.getsockname())
            assert or_skip(lambda: next(stream)) == liburing.ReceivedMessage(b"x", [], 0, None)


def test_descriptors_in_messages(ring):
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        pool = ring.buffer_pool(4, 512)
        stream = ring.recvmsg_multishot(right, pool, socket.CMSG_SPACE(8))
        read_end, write_end = os.pipe()
        left.sendmsg([b"fd"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [write_end]))])
        message = or_skip(lambda: next(stream))
        assert message.data == b"fd"
        ((level, kind, raw),) = message.ancillary
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        (copy,) = array.array("i", raw)
        os.write(copy, b"through")
        assert os.read(read_end, 10) == b"through"
        for fd in (copy, read_end, write_end):
            os.close(fd)
        stream.cancel()


def test_messages_of_a_connection_end_with_it(ring, pair):
    left, right = pair
    stream = ring.recvmsg_multishot(right, ring.buffer_pool(4, 512))
    left.sendall(b"data")
    assert or_skip(lambda: next(stream)).data == b"data"
    left.close()
    assert list(stream) == [] and stream.done


def test_messages_need_room(ring, pair):
    pool = ring.buffer_pool(2, 144)
    with pytest.raises(ValueError, match="no room"):
        ring.recvmsg_multishot(pair[0], pool)
    with pytest.raises(ValueError):
        ring.recvmsg_multishot(pair[0], pool, -1)
    with fresh() as other:
        with pytest.raises(ValueError):
            other.recvmsg_multishot(pair[0], pool, address=False)


# ---- bundles


def test_bundles_bring_what_several_buffers_hold(ring, pair):
    left, right = pair
    pool = ring.buffer_pool(8, 16)
    stream = ring.recv_multishot(right, pool, bundle=True)
    ring.submit()
    sent = received = b""
    for round_ in range(30):
        text = bytes((round_ + step) % 256 for step in range(1 + 7 * round_ % 100))
        left.sendall(text)
        sent += text
        while len(received) < len(sent):
            received += or_skip(lambda: next(stream))
    assert received == sent
    left.close()
    assert list(stream) == []


def test_a_bundle_is_one_item(ring):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            accepted, _ = server.accept()
            with accepted:
                client.sendall(bytes(range(100)))
                # All there before the operation starts.
                select.select([accepted], [], [], 10)
                stream = ring.recv_multishot(accepted, ring.buffer_pool(16, 10), bundle=True)
                assert or_skip(lambda: next(stream)) == bytes(range(100))


def test_two_bundles_share_a_pool(ring):
    pool = ring.buffer_pool(8, 32)
    pairs = [socket.socketpair() for _ in range(2)]
    streams = [ring.recv_multishot(right, pool, bundle=True) for _, right in pairs]
    ring.submit()
    sent, found = [b"", b""], [b"", b""]
    for turn in range(200):
        which = turn % 3 % 2
        text = bytes([turn]) * (1 + turn % 90)
        pairs[which][0].sendall(text)
        sent[which] += text
        # The other one is looked at now and then only.
        for other in {which, turn % 2} if turn % 5 else set():
            while len(found[other]) < len(sent[other]):
                found[other] += or_skip(lambda: next(streams[other]))
    for which in (0, 1):
        while len(found[which]) < len(sent[which]):
            found[which] += next(streams[which])
    assert found == sent
    for left, right in pairs:
        left.close()
        right.close()


def test_a_bundle_is_copied(ring, pair):
    with pytest.raises(ValueError):
        ring.recv_multishot(pair[0], ring.buffer_pool(2, 16), bundle=True, copy=False)


# ---- registered buffers, several at once


def test_parts_of_a_registered_buffer(ring, tmp_path):
    needs(ring, "READV_FIXED", "WRITEV_FIXED")
    memory = bytearray(b"abcdefgh" + bytes(100))
    (buffer, other) = ring.register_buffers([memory, bytearray(10)])
    parts = [buffer.part(4, 8), buffer.part(0, 4)]
    with open(tmp_path / "file", "w+b") as file:
        assert ring.writev(file, parts, 0).result() == 8
        assert file.read() == b"efghabcd"
        places = [buffer.part(20, 23), buffer.part(30, 40)]
        assert ring.readv(file, places, 1).result() == 7
        assert memory[20:23] == b"fgh" and memory[30:34] == b"abcd"
        with pytest.raises(TypeError):
            ring.readv(file, [buffer, bytearray(3)], 0)
        with pytest.raises(ValueError):
            ring.readv(file, [buffer, other], 0)
        with pytest.raises(ValueError):
            ring.writev(file, [], 0)
        ring.unregister_buffers()
        with pytest.raises(ValueError):
            ring.readv(file, [buffer], 0)


def test_registered_buffers_sent_without_a_copy(ring):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            accepted, _ = server.accept()
            with accepted:
                (buffer,) = ring.register_buffers([bytearray(b"0123456789")])
                parts = [buffer.part(5, 10), buffer.part(0, 5)]
                sent = ring.sendmsg(client, parts, zero_copy=True)
                assert or_skip(lambda: sent.result(10)) == 10
                assert accepted.recv(20) == b"5678901234"
                with pytest.raises(TypeError):
                    ring.sendmsg(client, parts)


def test_datagrams_sent_without_a_copy(ring):
    needs(ring, "SEND_ZC")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            assert ring.send_zc(client, b"hello", address=server.getsockname()).result(10) == 5
            assert server.recv(10) == b"hello"


# ---- slots of the table of files


def test_slots_for_all_that_makes_files(ring, tmp_path):
    needs(ring, "PIPE")
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    table = ring.register_files(8)
    opened = ring.openat2(path, slot=True).result()
    assert isinstance(opened, liburing.FixedFile) and ring.read(opened, 4, 3).result() == b"3456"
    chosen = ring.openat2(path, slot=table[7]).result()
    assert chosen == table[7] and ring.read(chosen, 2, 0).result() == b"01"
    for slot in (True, table[4]):
        reader, writer = ring.pipe(slot=slot).result()
        assert slot is True or (reader, writer) == (table[4], table[5])
        assert ring.write(writer, b"through").result() == 7
        assert ring.read(reader, 10).result() == b"through"
    plain = ring.pipe().result()
    # From a slot into a pipe, and from there into another one.
    assert ring.splice(opened, 0, plain[1], None, 5).result() == 5
    more = ring.pipe(slot=table[2]).result()
    assert ring.tee(plain[0], more[1], 5).result() == 5
    assert ring.read(more[0], 9).result() == os.read(plain[0], 9) == b"01234"
    for fd in plain:
        os.close(fd)


def test_connections_into_slots(ring):
    ring.register_files(4)
    with socket.create_server(("127.0.0.1", 0)) as server:
        with ring.accept_multishot(server, slot=True) as connections:
            ring.submit()
            with socket.create_connection(server.getsockname()) as client:
                client.sendall(b"hello")
                slot = or_skip(lambda: next(connections))
                assert isinstance(slot, liburing.FixedFile)
                assert ring.recv(slot, 10).result() == b"hello"
                assert ring.close_fd(slot).result() == 0
                assert client.recv(1) == b""


def test_descriptors_that_programs_inherit(ring, tmp_path):
    needs(ring, "FIXED_FD_INSTALL")
    (tmp_path / "data").write_bytes(b"x")
    with open(tmp_path / "data", "rb") as file:
        (slot,) = ring.register_files([file])
        for inheritable in (False, True):
            fd = ring.fixed_fd_install(slot, inheritable=inheritable).result()
            assert os.get_inheritable(fd) is inheritable
            os.close(fd)


def test_files_update_in_a_chain(ring, tmp_path):
    (tmp_path / "data").write_bytes(b"0123")
    table = ring.register_files(4)
    with open(tmp_path / "data", "rb") as file:
        with ring.link():
            replaced = ring.files_update(table[1], [file, -1])
            read = ring.read(table[1], 4, 0)
        assert (replaced.result(), read.result()) == (2, b"0123")
    assert ring.files_update(table[1], [-1]).result() == 1
    assert ended_with(ring.read(table[1], 4, 0), errno.EBADF)
    with pytest.raises(TypeError):
        ring.files_update(table[0], ["x"])


# ---- operations on operations


def test_polls_can_be_changed_and_ended(ring):
    read_end, write_end = os.pipe()
    poll = ring.poll(read_end, select.POLLIN)
    ring.submit()
    assert or_skip(ring.poll_update(poll, select.POLLOUT | select.POLLIN).result) == 0
    os.write(write_end, b"x")
    assert poll.result(10) & select.POLLIN
    assert ended_with(ring.poll_update(poll, select.POLLIN), errno.ENOENT)
    os.read(read_end, 1)
    second = ring.poll(read_end)
    ring.submit()
    assert ring.poll_remove(second).result() == 0
    assert ended_with(second, errno.ECANCELED)
    # Of a multishot poll: nothing but hang-ups after the update.
    stream = ring.poll_multishot(read_end)
    ring.submit()
    assert ring.poll_update(stream, select.POLLPRI).result() == 0
    ring.completions()
    os.write(write_end, b"x")
    assert ring.nop().result() == 0 and ring.completions() == []
    os.close(write_end)
    assert next(stream) & select.POLLHUP
    stream.cancel()
    os.close(read_end)


def test_timers_can_be_ended(ring):
    timer = ring.timeout(60)
    ring.submit()
    assert ring.timeout_remove(timer).result() == 0
    assert ended_with(timer, errno.ECANCELED)
    assert ended_with(ring.timeout_remove(timer), errno.ENOENT)


def test_what_sockets_hold(ring):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            accepted, _ = server.accept()
            with accepted:
                client.sendall(b"12345")
                select.select([accepted], [], [], 10)
                assert or_skip(ring.unread(accepted).result) == 5
                assert ring.unsent(accepted).result() == 0
    with open(os.devnull) as file, pytest.raises(ValueError):
        ring.unread(file)


def test_names_of_sockets(ring):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            assert or_skip(ring.getsockname(client).result) == client.getsockname()
            assert ring.getpeername(client).result() == client.getpeername()


def test_personalities_and_workers(ring, tmp_path):
    number = ring.register_personality()
    assert number > 0
    (tmp_path / "data").write_bytes(b"x")
    fd = ring.open(tmp_path / "data", personality=number).result()
    ring.close_fd(fd).result()
    ring.unregister_personality(number)
    with pytest.raises(OSError):
        ring.unregister_personality(number)
    with pytest.raises(ValueError):
        ring.unregister_personality(-1)
    before = or_skip(lambda: ring.limit_workers())
    assert len(before) == 2 and ring.limit_workers(3, 5) == before
    assert ring.limit_workers() == (3, 5)


# ---- the list in the guide


def documented():
    """`{operation: methods or reason}` of the table in docs/python.md."""
    guide = pathlib.Path(__file__).parents[2] / "docs/python.md"
    text = guide.read_text().split("## Every operation and its method")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {name.strip("` "): methods for name, methods in rows if name.strip("` ").isupper()}


def test_every_operation_has_a_method_or_a_reason():
    listed = documented()
    known = {
        name.removeprefix("IORING_OP_") for name, _ in liburing._liburing.operations()
    }
    assert set(listed) == known
    for name, methods in listed.items():
        for method in re.findall(r"`(\w+)\(", methods):
            function = getattr(liburing.Ring, method)
            assert inspect.getdoc(function), method
        assert "(" in methods or len(methods) > 20, name


def test_every_method_is_documented_with_its_kernel():
    for name in OPERATIONS:
        text = inspect.getdoc(getattr(liburing.Ring, name))
        words = text.lower() if text else ""
        assert "kernel" in words or words.startswith("the same"), name
