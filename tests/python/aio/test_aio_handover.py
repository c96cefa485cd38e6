"""A connection that other code takes over, and sockets that their owner
closes: as on asyncio's own loop."""

import asyncio
import errno
import multiprocessing
import os
import socket
import threading

import pytest

import liburing.aio as aio

from conftest import factory
from test_aio_loop import Recorder, until


@pytest.fixture(params=["asyncio", "EventLoop"])
def loop_factory(request):
    return factory(request.param)


def taken(transport):
    """What the guide has for code that runs on any loop."""
    return getattr(transport, "take_received", bytes)()


def rest_of(fd):
    with socket.socket(fileno=fd) as sock:
        sock.setblocking(True)
        found = bytearray()
        while data := sock.recv(4096):
            found += data
        return found


class Upgrade(Recorder):
    """Pauses inside data_received after so many pieces."""

    after = 1

    def connection_made(self, transport):
        super().connection_made(transport)
        self.pieces, self.paused = 0, asyncio.get_running_loop().create_future()

    def data_received(self, data):
        super().data_received(data)
        self.pieces += 1
        assert not self.paused.done()
        if self.pieces == self.after:
            self.transport.pause_reading()
            self.paused.set_result(None)


@pytest.mark.parametrize("after", [1, 2, 5])
def test_a_pause_inside_data_received_leaves_the_rest(run, after):
    """However fast the peer sends."""

    class Protocol(Upgrade):
        pass

    Protocol.after = after

    def send(sock):
        with sock:
            for number in range(300):
                sock.send(b"%08d" % number)

    async def once():
        one, other = socket.socketpair()
        for number in range(after - 1):
            other.send(b"first %2d" % number)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(Protocol, sock=one)
        for number in range(after - 1):
            await until(lambda: protocol.data)
        sender = threading.Thread(target=send, args=(other,))
        sender.start()
        await asyncio.wait([protocol.paused, protocol.lost], return_when="FIRST_COMPLETED", timeout=10)
        if protocol.paused.done():
            # Nothing is left in between.
            assert taken(transport) == b""
            fd = os.dup(transport.get_extra_info("socket").fileno())
            rest = await asyncio.to_thread(rest_of, fd)
            assert (protocol.data + rest).endswith(b"".join(b"%08d" % n for n in range(300)))
            transport.abort()
            await protocol.lost
        sender.join()

    async def main():
        for _ in range(20):
            await once()

    run(main())


@pytest.mark.parametrize("pieces", [0, 150], ids=["early", "multishot"])
@pytest.mark.parametrize("size", [8, 200_000], ids=["small", "bulk"])
def test_a_pause_at_any_time_loses_nothing(run, pieces, size):
    class Protocol(Recorder):
        def eof_received(self):
            return True

    async def once(loop):
        one, other = socket.socketpair()
        transport, protocol = await loop.create_connection(Protocol, sock=one)
        for turn in range(pieces):
            other.sendall(b"%8d" % turn)
            await until(lambda: len(protocol.data) == 8 * (turn + 1))

        def send():
            with other:
                for number in range(4_000_000 // size if size > 8 else 500):
                    other.sendall((b"%08d" % number) * (size // 8))

        before = len(protocol.data)
        sender = threading.Thread(target=send)
        sender.start()
        await until(lambda: len(protocol.data) > before)
        transport.pause_reading()
        known = bytes(protocol.data)
        # What is handed over is not handed out, too.
        between = taken(transport)
        assert taken(transport) == b""
        rest = await asyncio.to_thread(rest_of, os.dup(one.fileno()))
        sender.join()
        assert protocol.data == known
        count = 4_000_000 // size if size > 8 else 500
        expected = b"".join((b"%08d" % n) * (size // 8) for n in range(count))
        assert known[before:] + between + rest == expected
        transport.abort()
        await protocol.lost

    async def main():
        for _ in range(5):
            await once(asyncio.get_running_loop())

    run(main())


def test_what_was_held_goes_to_the_next_protocol(run):
    """pause_reading(), set_protocol(), resume_reading(): the way of start_tls."""

    class Second(Recorder):
        pass

    async def main():
        loop = asyncio.get_running_loop()
        for turn in range(20):
            one, other = socket.socketpair()
            transport, first = await loop.create_connection(Recorder, sock=one)
            sender = threading.Thread(
                target=lambda: [other.send(b"%08d" % number) for number in range(200)]
            )
            sender.start()
            await until(lambda: first.data)
            transport.pause_reading()
            count = len(first.data)
            second = Second()
            second.connection_made(transport)
            transport.set_protocol(second)
            await asyncio.sleep(0)
            transport.resume_reading()
            await until(lambda: len(first.data) + len(second.data) == 1600)
            assert len(first.data) == count
            assert first.data + second.data == b"".join(b"%08d" % n for n in range(200))
            sender.join()
            transport.abort()
            await second.lost
            other.close()

    run(main())


def test_taking_needs_a_pause():
    async def main():
        one, other = socket.socketpair()
        transport, protocol = await asyncio.get_running_loop().create_connection(
            Recorder, sock=one
        )
        with pytest.raises(RuntimeError, match="not paused"):
            transport.take_received()
        transport.pause_reading()
        other.sendall(b"later")
        await asyncio.sleep(0.01)
        assert transport.take_received() == b""
        transport.resume_reading()
        await until(lambda: protocol.data == b"later")
        transport.close()
        await protocol.lost
        other.close()

    aio.run(main())


def test_an_answer_comes_before_what_the_taker_sends(run):
    """write(), then the socket is used directly: in this order."""

    class Protocol(Recorder):
        def data_received(self, data):
            self.transport.write(b"101 ")
            self.transport.pause_reading()
            os.write(self.transport.get_extra_info("socket").fileno(), b"direct ")

    class Other(Recorder):
        def connection_made(self, transport):
            self.sock = transport.get_extra_info("socket")
            super().connection_made(transport)

        def data_received(self, data):
            self.transport.write(b"101 ")
            os.write(self.transport.get_extra_info("socket").fileno(), b"direct ")

    async def main():
        for kind in (Protocol, Other):
            one, other = socket.socketpair()
            transport, protocol = await asyncio.get_running_loop().create_connection(
                kind, sock=one
            )
            other.send(b"x")
            other.settimeout(10)
            got = b""
            while len(got) < 11:
                got += await asyncio.to_thread(other.recv, 100)
            assert got == b"101 direct "
            transport.abort()
            await protocol.lost
            other.close()

    run(main())


@pytest.mark.parametrize("end", ["abort", "error"])
def test_a_last_write_is_sent(run, end):
    """As far as the socket takes it, whatever comes after it."""

    class Protocol(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"good")
            transport.write(b"bye")
            if end == "abort":
                transport.abort()

        def data_received(self, data):
            self.transport.write(b", really")
            raise ZeroDivisionError

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        one, other = socket.socketpair()
        other.settimeout(10)
        _, protocol = await loop.create_connection(Protocol, sock=one)
        if end == "error":
            other.send(b"x")
        await protocol.lost
        got = b""
        while data := await asyncio.to_thread(other.recv, 100):
            got += data
        assert got == (b"goodbye" if end == "abort" else b"goodbye, really")
        other.close()

    run(main())


def test_an_abort_sends_nothing_twice(run):
    async def main():
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        other.settimeout(10)
        transport, protocol = await loop.create_connection(Recorder, sock=one)
        data = os.urandom(1_000_000)
        transport.write(data)
        await asyncio.sleep(0.01)
        transport.write(b"after")
        transport.abort()
        await protocol.lost
        got = b""
        while piece := await asyncio.to_thread(other.recv, 1 << 20):
            got += piece
        assert data.startswith(got)
        other.close()

    run(main())


def test_half_closed_while_paused(run):
    """A pause sends what was written; the end of it is sent then, too."""

    async def main():
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        transport, protocol = await loop.create_connection(Recorder, sock=one)
        transport.write(b"last")
        transport.write_eof()
        transport.pause_reading()
        other.settimeout(10)
        got = b""
        while piece := await asyncio.to_thread(other.recv, 100):
            got += piece
        assert got == b"last"
        transport.close()
        await protocol.lost
        other.close()

    run(main())


class Rebinding(asyncio.Protocol):
    """A state machine of methods."""

    def __init__(self):
        self.log = []

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.log.append(("first", data))
        self.data_received = self.second
        self.eof_received = self.other_end
        self.connection_lost = self.other_loss

    def second(self, data):
        self.log.append(("second", data))
        del self.data_received

    def other_end(self):
        self.log.append("end")

    def other_loss(self, error):
        self.log.append("lost")


def test_a_protocol_that_rebinds_its_methods(run):
    async def main():
        one, other = socket.socketpair()
        _, protocol = await asyncio.get_running_loop().create_connection(Rebinding, sock=one)
        for turn in range(3):
            other.send(b"%d" % turn)
            await until(lambda: len(protocol.log) == turn + 1)
        other.close()
        await until(lambda: "lost" in protocol.log)
        assert protocol.log == [
            ("first", b"0"), ("second", b"1"), ("first", b"2"), "end", "lost",
        ]  # fmt: skip

    run(main())


def test_a_buffered_protocol_that_rebinds_its_methods(run):
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self):
            self.memory, self.log = bytearray(10), []

        def get_buffer(self, hint):
            return self.memory

        def buffer_updated(self, count):
            self.log.append(("first", bytes(self.memory[:count])))
            self.buffer_updated = lambda count: self.log.append(("second", count))

    async def main():
        one, other = socket.socketpair()
        transport, protocol = await asyncio.get_running_loop().create_connection(
            Buffered, sock=one
        )
        for turn in range(2):
            other.send(b"%d" % turn)
            await until(lambda: len(protocol.log) == turn + 1)
        assert protocol.log == [("first", b"0"), ("second", 1)]
        transport.abort()
        await asyncio.sleep(0)
        other.close()

    run(main())


# ---- closed by the owner


async def ended(sock):
    """Whether the peer sees the end."""
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        return await asyncio.wait_for(loop.sock_recv(sock, 1), 5) == b""
    finally:
        sock.close()


@pytest.mark.parametrize("watch", ["add_reader", "add_writer", "both"])
def test_a_watched_socket_that_is_closed(run, watch):
    async def main():
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        one.setblocking(False)
        calls = []
        if watch != "add_writer":
            loop.add_reader(one, calls.append, "read")
        if watch != "add_reader":
            with pytest.raises(BlockingIOError):
                while True:
                    one.send(b"x" * 4096)
            loop.add_writer(one, calls.append, "write")
        await asyncio.sleep(0.01)
        fd = one.fileno()
        one.close()
        other.setblocking(False)
        async with asyncio.timeout(10):
            while await loop.sock_recv(other, 1 << 20):
                pass
        other.close()
        assert not calls
        if watch == "both":
            with pytest.raises(OSError) as error:
                loop.remove_reader(fd)
            assert error.value.errno == errno.EBADF
        loop.remove_reader(fd)
        loop.remove_writer(fd)

    run(main())


def test_a_watched_pipe_that_is_closed(run):
    async def main():
        loop = asyncio.get_running_loop()
        r, w = os.pipe()
        loop.add_reader(r, print)
        await asyncio.sleep(0.01)
        os.close(r)
        with pytest.raises(BrokenPipeError):
            os.write(w, b"x")
        loop.remove_reader(r)
        os.close(w)

    run(main())


@pytest.mark.parametrize("way", ["close", "detach", "thread"])
@pytest.mark.parametrize("pieces", [0, 1, 150])
def test_a_socket_of_a_transport_that_is_closed(run, way, pieces):
    """Its transport goes on knowing nothing of it; nothing of it reaches the
    file that has the number next."""

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        one, other = socket.socketpair()
        assert repr(one).startswith("<socket.socket fd=")
        transport, protocol = await loop.create_connection(Recorder, sock=one)
        for turn in range(pieces):
            other.send(b"%8d" % turn)
            await until(lambda: len(protocol.data) == 8 * (turn + 1))
        await asyncio.sleep(0.01)
        transport.write(b"last words")
        fd = one.fileno()
        if way == "close":
            one.close()
        elif way == "thread":
            await asyncio.to_thread(one.close)
        else:
            os.close(one.detach())
        got = b""
        other.setblocking(False)
        async with asyncio.timeout(10):
            while data := await loop.sock_recv(other, 100):
                got += data
        other.close()
        if way != "thread":
            assert got == b"last words"
        r, w = os.pipe()
        assert fd in (r, w)
        transport.write(b"to another file?")
        await asyncio.sleep(0.01)
        os.set_blocking(r, False)
        with pytest.raises(BlockingIOError):
            os.read(r, 100)
        transport.abort()
        await protocol.lost
        os.close(r)
        os.close(w)

    run(main())


def test_copies_of_a_transports_socket(run):
    """They are plain sockets, which multiprocessing can send."""

    async def main():
        one, other = socket.socketpair()
        transport, protocol = await asyncio.get_running_loop().create_connection(
            Recorder, sock=one
        )
        copy = transport.get_extra_info("socket").dup()
        assert type(copy) is socket.socket and copy.gettimeout() == one.gettimeout()
        for sock in (one, copy):
            data = multiprocessing.reduction.ForkingPickler.dumps(sock)
            with multiprocessing.reduction.ForkingPickler.loads(data) as again:
                assert os.fstat(again.fileno()).st_ino == os.fstat(one.fileno()).st_ino
        multiprocessing.resource_sharer.stop(timeout=5)
        copy.close()
        other.sendall(b"still there")
        await until(lambda: protocol.data == b"still there")
        transport.close()
        await protocol.lost
        other.close()

    run(main())


USES = {
    "fileno": lambda sock: os.write(sock.fileno(), b" second"),
    "send": lambda sock: sock.send(b" second"),
    "sendall": lambda sock: sock.sendall(b" second"),
    "sendmsg": lambda sock: sock.sendmsg([b" sec", b"ond"]),
    "shutdown": lambda sock: sock.shutdown(socket.SHUT_WR),
    "dup": lambda sock: sock.dup().send(b" second"),
}


@pytest.mark.parametrize("whose", ["program", "transport"])
@pytest.mark.parametrize("use", USES)
@pytest.mark.filterwarnings("ignore:unclosed <socket")
def test_what_was_written_comes_before_other_uses_of_the_socket(run, use, whose):
    """Also of one that the program had before it wrote."""

    async def main():
        one, other = socket.socketpair()
        one.setblocking(False)
        transport, protocol = await asyncio.get_running_loop().create_connection(
            Recorder, sock=one
        )
        sock = one if whose == "program" else transport.get_extra_info("socket")
        if not hasattr(sock, use):
            # The socket of a transport sends nothing.
            assert whose == "transport" and use.startswith("send")
            transport.close()
            other.close()
            return await protocol.lost
        transport.write(b"first")
        USES[use](sock)
        expected = b"first" if use == "shutdown" else b"first second"
        other.setblocking(False)
        found, loop = b"", asyncio.get_running_loop()
        async with asyncio.timeout(10):
            while len(found) < len(expected):
                found += await loop.sock_recv(other, 100)
            assert found == expected
            if use == "shutdown":
                assert await loop.sock_recv(other, 100) == b""
        transport.close()
        other.close()
        await protocol.lost

    run(main())
