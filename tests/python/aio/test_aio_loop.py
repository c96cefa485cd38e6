"""What asyncio promises, on liburing.aio.EventLoop and, as witness, on
asyncio's own loop."""

import asyncio
import contextvars
import gc
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

import liburing.aio as aio

from conftest import factory


@pytest.fixture(params=["asyncio", "EventLoop"])
def loop_factory(request):
    return factory(request.param)


class Recorder(asyncio.Protocol):
    def __init__(self):
        self.data, self.events = bytearray(), []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def data_received(self, data):
        assert type(data) is bytes
        self.data += data

    def eof_received(self):
        self.events.append("eof")

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")

    def connection_lost(self, exc):
        self.events.append("lost")
        self.lost.set_result(exc)


class Echo(Recorder):
    def data_received(self, data):
        self.transport.write(data)


async def serve(protocol, **options):
    made = []

    def make():
        made.append(protocol())
        return made[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0, **options)
    return server, server.sockets[0].getsockname(), made


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("size", [1, 64, 4096, 65536, 65537, 5_000_000])
def test_echo(run, size):
    async def main():
        server, address, _ = await serve(Echo)
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(3):
            data = os.urandom(size)
            writer.write(data)
            assert await reader.readexactly(size) == data
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


def test_many_connections_with_random_sizes(run):
    async def client(address, seed):
        reader, writer = await asyncio.open_connection(*address)
        for turn in range(20):
            data = bytes([turn]) * ((seed * 7919 + turn * 104729) % 30_000 + 1)
            for at in range(0, len(data), 7000):
                writer.write(data[at : at + 7000])
            await writer.drain()
            assert await reader.readexactly(len(data)) == data
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    async def main():
        server, address, made = await serve(Echo)
        await asyncio.gather(*(client(address, seed) for seed in range(150)))
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(protocol.lost for protocol in made))
        assert all(protocol.events == ["made", "eof", "lost"] for protocol in made)

    run(main())


def test_order_of_many_writes(run):
    async def main():
        server, address, made = await serve(Recorder)
        _, writer = await asyncio.open_connection(*address)
        expected = b""
        for index in range(3000):
            piece = bytes([index % 251]) * (index * 37 % 900)
            kind = (bytes, bytearray, memoryview)[index % 3]
            writer.write(kind(piece))
            expected += piece
            if index % 100 == 0:
                await asyncio.sleep(0)
        writer.write(b"y" * 300_000)
        writer.write(b"z")
        expected += b"y" * 300_000 + b"z"
        # What was written before it is sent all the same.
        writer.close()
        await writer.wait_closed()
        await made[0].lost
        assert made[0].data == expected
        server.close()

    run(main())


def test_mutable_data_may_change_after_write(run):
    async def main():
        server, address, made = await serve(Recorder)
        _, writer = await asyncio.open_connection(*address)
        data = bytearray(b"before")
        writer.write(data)
        data[:] = b"after!!"
        writer.close()
        await made_lost(made)
        assert made[0].data == b"before"
        server.close()

    async def made_lost(made):
        await until(lambda: made)
        await made[0].lost

    run(main())


def test_flow_control(run):
    """A peer that does not read stops the writer; reading lets it go on."""

    async def main():
        loop = asyncio.get_running_loop()
        server, address, made = await serve(Recorder)
        transport, client = await loop.create_connection(Recorder, *address)
        await until(lambda: made)
        made[0].transport.pause_reading()
        assert not made[0].transport.is_reading()
        total = 0
        while "pause" not in client.events:
            transport.write(b"x" * 100_000)
            total += 100_000
            assert total < 100_000_000
            await asyncio.sleep(0)
        assert transport.get_write_buffer_size() > 0
        before = len(made[0].data)
        await asyncio.sleep(0.05)
        assert len(made[0].data) == before
        made[0].transport.resume_reading()
        await until(lambda: len(made[0].data) == total)
        await until(lambda: "resume" in client.events)
        assert transport.get_write_buffer_size() == 0
        transport.close()
        await made[0].lost
        server.close()

    run(main())


def test_pause_keeps_order_and_loses_nothing(run):
    async def main():
        server, address, made = await serve(Recorder)
        _, writer = await asyncio.open_connection(*address)
        await until(lambda: made)
        expected = b""
        for index in range(200):
            piece = bytes([index]) * 100
            writer.write(piece)
            expected += piece
            transport = made[0].transport
            (transport.resume_reading, transport.pause_reading)[index % 2]()
            if index % 3 == 0:
                await asyncio.sleep(0)
        made[0].transport.resume_reading()
        await until(lambda: len(made[0].data) == len(expected))
        assert made[0].data == expected
        writer.close()
        await made[0].lost
        server.close()

    run(main())


def test_a_pause_holds_the_sender_up(run):
    """What a paused reader holds is bounded, however much is sent."""

    async def main():
        reader, other = await asyncio.open_connection(sock=a, limit=4096)
        sent = 0
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.3
        while loop.time() < end and sent < 50_000_000:
            try:
                sent += b.send(b"x" * 65536)
            except BlockingIOError:
                await asyncio.sleep(0.01)
        assert sent < 10_000_000
        got = 0
        while got < sent:
            got += len(await reader.read(1 << 20))
        assert got == sent
        other.close()
        await other.wait_closed()

    a, b = socket.socketpair()
    with b:
        b.setblocking(False)
        run(main())


def test_buffered_protocol(run):
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self):
            self.memory, self.data = bytearray(1000), bytearray()

        def connection_made(self, transport):
            self.transport = transport

        def get_buffer(self, hint):
            return self.memory

        def buffer_updated(self, count):
            self.data += self.memory[:count]
            self.transport.write(self.memory[:count])

    async def main():
        server, address, made = await serve(Buffered)
        reader, writer = await asyncio.open_connection(*address)
        data = os.urandom(200_000)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        assert made[0].data == data
        writer.close()
        await writer.wait_closed()
        server.close()

    run(main())


def test_abort_with_data_in_flight(run):
    async def main():
        loop = asyncio.get_running_loop()
        server, address, made = await serve(Recorder)
        transport, client = await loop.create_connection(Recorder, *address)
        await until(lambda: made)
        made[0].transport.pause_reading()
        while "pause" not in client.events:
            transport.write(b"x" * 1_000_000)
            await asyncio.sleep(0)
        transport.abort()
        assert await client.lost is None
        made[0].transport.resume_reading()
        await made[0].lost
        transport.write(b"ignored")
        server.close()

    run(main())


def test_errors_of_protocols_are_reported(run):
    class Broken(Recorder):
        def data_received(self, data):
            raise ZeroDivisionError

    async def main():
        reported = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context))
        server, address, made = await serve(Broken)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"x")
        assert await reader.read() == b""
        assert isinstance(await made[0].lost, ZeroDivisionError)
        assert isinstance(reported[0]["exception"], ZeroDivisionError)
        assert "data_received() call failed" in reported[0]["message"]
        writer.close()
        server.close()

    run(main())


def test_misuse_of_write(run):
    async def main():
        server, address, _ = await serve(Recorder)
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_connection(Recorder, *address)
        assert isinstance(transport, asyncio.Transport)
        for wrong in ("text", 1, None):
            with pytest.raises(TypeError):
                transport.write(wrong)
        transport.write(b"")
        transport.write_eof()
        with pytest.raises(RuntimeError):
            transport.write(b"x")
        transport.close()
        await client.lost
        server.close()

    run(main())


def test_connection_reset_is_seen(run):
    async def main():
        server, address, made = await serve(Recorder)
        with socket.create_connection(address) as client:
            await until(lambda: made)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert isinstance(await made[0].lost, ConnectionResetError)
        server.close()

    run(main())


def test_context_of_the_connection(run):
    variable = contextvars.ContextVar("variable", default="none")
    seen = []

    class Protocol(Recorder):
        def data_received(self, data):
            seen.append(variable.get())

    async def main():
        variable.set("server")
        server, address, made = await serve(Protocol)
        variable.set("later")
        _, writer = await asyncio.open_connection(*address)
        writer.write(b"x")
        await until(lambda: seen)
        writer.close()
        await made[0].lost
        server.close()
        assert seen == ["server"]

    run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate for localhost, made here."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program is not installed")
    place = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", place / "key", "-out", place / "cert"],
        check=True, capture_output=True,
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(place / "cert", place / "key")
    return server, ssl.create_default_context(cafile=place / "cert")


def test_tls(run, certificate):
    server_side, client_side = certificate

    async def main():
        server, address, _ = await serve(Echo, ssl=server_side)
        reader, writer = await asyncio.open_connection(
            *address, ssl=client_side, server_hostname="localhost"
        )
        for size in (1, 4096, 2_000_000):
            data = os.urandom(size)
            writer.write(data)
            assert await reader.readexactly(size) == data
        assert writer.get_extra_info("peercert")
        writer.close()
        await writer.wait_closed()
        server.close()

    run(main())


def test_start_tls(run, certificate):
    server_side, client_side = certificate

    async def handle(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"ok\n")
        await writer.drain()
        await writer.start_tls(server_side)
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"ok\n"
        await writer.start_tls(client_side, server_hostname="localhost")
        writer.write(b"secret\n")
        assert await reader.read() == b"secret\n"
        writer.close()
        await writer.wait_closed()
        server.close()

    run(main())


def test_unix_server(run, tmp_path):
    async def main():
        async def handle(reader, writer):
            writer.write((await reader.readline()).upper())
            writer.close()

        server = await asyncio.start_unix_server(handle, tmp_path / "s")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(b"hello\n")
        assert await reader.read() == b"HELLO\n"
        writer.close()
        await writer.wait_closed()
        server.close()

    run(main())


def test_datagrams(run):
    class Answer(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            self.transport.sendto(data.upper(), address)

    class Ask(asyncio.DatagramProtocol):
        def __init__(self):
            self.answers = asyncio.Queue()

        def datagram_received(self, data, address):
            self.answers.put_nowait(data)

    async def main():
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(Answer, ("127.0.0.1", 0))
        address = server.get_extra_info("sockname")
        client, protocol = await loop.create_datagram_endpoint(Ask, remote_addr=address)
        for text in (b"one", b"two", b"x" * 5000):
            client.sendto(text)
            assert await protocol.answers.get() == text.upper()
        client.close()
        server.close()
        await asyncio.sleep(0)

    run(main())


def test_sendfile(run, tmp_path):
    data = os.urandom(1_500_000)
    (tmp_path / "f").write_bytes(data)

    async def main():
        server, address, made = await serve(Recorder)
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_connection(Recorder, *address)
        transport.write(b"head")
        with open(tmp_path / "f", "rb") as file:
            assert await loop.sendfile(transport, file, 10) == len(data) - 10
        transport.write(b"tail")
        transport.close()
        await client.lost
        await made[0].lost
        assert made[0].data == b"head" + data[10:] + b"tail"
        server.close()

    run(main())


def test_sock_calls(run):
    async def main():
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.socket()
        for s in (listener, client):
            s.setblocking(False)
        with listener, client:
            accepting = asyncio.ensure_future(loop.sock_accept(listener))
            await loop.sock_connect(client, listener.getsockname())
            server, _ = await accepting
            with server:
                data = os.urandom(1_000_000)
                sending = asyncio.ensure_future(loop.sock_sendall(client, data))
                got = b""
                while len(got) < len(data):
                    got += await loop.sock_recv(server, 1 << 20)
                await sending
                assert got == data
                # A cancelled receive takes no data with it.
                waiting = asyncio.ensure_future(loop.sock_recv(server, 10))
                await asyncio.sleep(0.01)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                await loop.sock_sendall(client, b"kept")
                assert await loop.sock_recv(server, 10) == b"kept"

    run(main())


def test_readers_and_writers(run):
    async def main():
        loop = asyncio.get_running_loop()
        a, b = socket.socketpair()
        with a, b:
            a.setblocking(False)
            calls = []
            # Called again and again while something is left to read.
            loop.add_reader(a, lambda: calls.append(a.recv(1)))
            b.send(b"abc")
            await until(lambda: len(calls) == 3)
            await asyncio.sleep(0.01)
            assert calls == [b"a", b"b", b"c"]
            ready = []
            loop.add_writer(a, ready.append, 1)
            await until(lambda: len(ready) > 2)
            assert loop.remove_writer(a) and not loop.remove_writer(a)
            b.send(b"d")
            await until(lambda: len(calls) == 4)
            assert loop.remove_reader(a)
            b.send(b"e")
            await asyncio.sleep(0.01)
            assert len(calls) == 4
            with pytest.raises(OSError):
                loop.add_reader(9999, print)
            # The end of the peer is news for readers.
            loop.add_reader(a, lambda: calls.append(a.recv(9)) or loop.remove_reader(a))
            b.close()
            await until(lambda: calls[-1] == b"e")
        # Closing after remove_reader frees the port at once.
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        loop.add_reader(listener, print)
        await asyncio.sleep(0.01)
        loop.remove_reader(listener)
        listener.close()
        socket.create_server(address).close()

    run(main())


def test_pipes(run):
    class Reading(Recorder):
        pass

    async def main():
        loop = asyncio.get_running_loop()
        r, w = os.pipe()
        reading, protocol = await loop.connect_read_pipe(Reading, open(r, "rb", 0))
        writing, other = await loop.connect_write_pipe(asyncio.BaseProtocol, open(w, "wb", 0))
        writing.write(b"x" * 200_000)
        await until(lambda: len(protocol.data) == 200_000)
        writing.close()
        await protocol.lost
        assert protocol.events == ["made", "eof", "lost"]

    run(main())


def test_subprocesses(run):
    async def main():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read()[::-1]); sys.exit(3)",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        out, _ = await process.communicate(b"abc" * 50_000)
        assert out == b"cba" * 50_000 and process.returncode == 3
        process = await asyncio.create_subprocess_shell("sleep 60")
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        done = await asyncio.gather(*(run_one(n) for n in range(10)))
        assert done == list(range(10))

    async def run_one(n):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"exit({n})")
        return await process.wait()

    run(main())


def test_signals(run):
    async def main():
        loop = asyncio.get_running_loop()
        seen = asyncio.Queue()
        loop.add_signal_handler(signal.SIGUSR1, seen.put_nowait, "usr1")
        os.kill(os.getpid(), signal.SIGUSR1)
        assert await seen.get() == "usr1"
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert await seen.get() == "usr1"
        assert loop.remove_signal_handler(signal.SIGUSR1)

    run(main())


def test_python_signal_handlers_run_while_the_loop_waits(run):
    async def main():
        seen = []
        old = signal.signal(signal.SIGALRM, lambda *_: seen.append(time.monotonic()))
        try:
            start = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            await asyncio.sleep(0.3)
            assert seen and seen[0] - start < 0.2
        finally:
            signal.signal(signal.SIGALRM, old)

    run(main())


def test_keyboard_interrupt(loop_factory):
    async def main():
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())


def test_threads_wake_the_loop(run):
    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        start = time.monotonic()
        threading.Timer(0.05, loop.call_soon_threadsafe, (done.set,)).start()
        await done.wait()
        assert time.monotonic() - start < 5
        assert await asyncio.to_thread(lambda: 7) == 7
        count = 0

        def add():
            nonlocal count
            count += 1

        def thread():
            for _ in range(1000):
                loop.call_soon_threadsafe(add)

        await asyncio.gather(*(asyncio.to_thread(thread) for _ in range(4)))
        await until(lambda: count == 4000)

    run(main())


def test_timers(run):
    async def main():
        loop = asyncio.get_running_loop()
        order = []
        # Moments, not delays: a busy machine may take long from one line to the next.
        start = loop.time()
        for delay in (0.03, 0.01, 0.02):
            loop.call_at(start + delay, order.append, delay)
        loop.call_at(start + 0.015, order.append, "never").cancel()
        end = loop.create_future()
        loop.call_at(start + 0.04, end.set_result, None)
        await end
        assert order == [0.01, 0.02, 0.03]
        assert loop.time() - start >= 0.03

    run(main(), debug=True)


def test_written_before_the_loop_stops_is_sent(loop_factory):
    loop = loop_factory()
    a, b = socket.socketpair()

    async def main():
        transport, _ = await loop.create_connection(Recorder, sock=a)
        transport.write(b"last words")
        return transport

    transport = loop.run_until_complete(main())
    b.settimeout(5)
    assert b.recv(100) == b"last words"
    transport.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    b.close()


def test_loop_closed_with_a_connection_open(loop_factory):
    loop = loop_factory()
    a, b = socket.socketpair()
    transport, protocol = loop.run_until_complete(_connect(loop, a))
    loop.close()
    with pytest.warns(ResourceWarning):
        del transport, protocol
        gc.collect()
    b.settimeout(5)
    assert b.recv(1) == b""
    b.close()


async def _connect(loop, sock):
    return await loop.create_connection(Recorder, sock=sock)


def test_loop_run_in_another_thread(loop_factory):
    loop = loop_factory()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def main():
        server, address, _ = await serve(Echo)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        writer.close()
        await writer.wait_closed()
        server.close()
        await asyncio.sleep(0.01)
        return True

    assert asyncio.run_coroutine_threadsafe(main(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
    assert loop.is_closed()
    with pytest.raises(RuntimeError):
        loop.call_soon(print)


def test_misuse_from_another_thread_harms_nothing(loop_factory):
    """Writes from another thread are refused or work; stop() works as soon as
    something wakes the loop."""
    loop = loop_factory()
    a, b = socket.socketpair()
    transport, _ = loop.run_until_complete(_connect(loop, a))
    errors = []

    def other():
        time.sleep(0.05)
        try:
            transport.write(b"x")
        except RuntimeError as error:
            errors.append(error)
        loop.stop()
        loop.call_soon_threadsafe(lambda: None)

    thread = threading.Thread(target=other)
    thread.start()
    loop.run_forever()
    thread.join()
    # What was refused is sent with what is written next.
    transport.write(b"y")
    transport.close()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    b.settimeout(5)
    assert b.recv(10) in (b"xy", b"x", b"y")
    b.close()


def test_operations_of_aio_share_the_ring(tmp_path):
    async def main():
        before = rings()
        async with aio.open(tmp_path / "f", "wb") as f:
            await f.write(b"x")
        await aio.sleep(0.001)
        assert rings() == before

    def rings():
        links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
        return sum("io_uring" in os.readlink(link) for link in links if os.path.islink(link))

    aio.run(main())


def test_run_and_policy():
    async def main():
        return type(asyncio.get_running_loop())

    assert aio.run(main()) is aio.EventLoop
    assert isinstance(loop := aio.new_event_loop(), aio.EventLoop)
    loop.close()
    policy = aio.EventLoopPolicy()
    loop = policy.new_event_loop()
    assert type(loop) is aio.EventLoop
    loop.close()
    with pytest.raises(AttributeError):
        aio.nothing_of_the_kind


def test_a_busy_loop_serves_its_connections(run):
    """Each turn brings what is ready, also where no turn waits."""

    async def main():
        one, other = socket.socketpair()
        transport, protocol = await asyncio.get_running_loop().create_connection(
            Recorder, sock=one
        )
        await asyncio.sleep(0.01)
        for turn in range(1, 4):
            other.send(b"x")
            for _ in range(100):
                await asyncio.sleep(0)
            assert protocol.data == b"x" * turn
        other.close()
        for _ in range(100):
            await asyncio.sleep(0)
        assert protocol.lost.done()

    run(main())
