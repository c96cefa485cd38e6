"""A loop, or the ring beside one, that threads use one after the other. The
kernel cancels what a thread has submitted when it ends; the loop that goes on
elsewhere starts it again."""

import asyncio
import os
import select
import socket
import threading
import time

import pytest

import liburing.aio as aio

from conftest import factory


class InThreads:
    """Runs coroutines on one loop, each in a thread that ends."""

    def __init__(self, loop):
        self.loop = loop

    def __call__(self, coroutine):
        result = []

        def work():
            self.task = threading.get_native_id()
            try:
                result.append((self.loop.run_until_complete(coroutine), None))
            except BaseException as error:
                result.append((None, error))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
        assert not thread.is_alive(), "the loop does not go on"
        # The thread object ends before the thread.
        end = time.monotonic() + 10
        while os.path.exists(f"/proc/self/task/{self.task}") and time.monotonic() < end:
            time.sleep(0.001)
        ((value, error),) = result
        if error is not None:
            raise error
        return value


@pytest.fixture
def loop(loop_factory):
    loop = loop_factory()
    yield loop

    async def cancel():
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    loop.run_until_complete(cancel())
    loop.close()


@pytest.fixture
def in_thread(loop):
    return InThreads(loop)


async def settled(*started):
    """Starts coroutines as tasks and lets the kernel have what they ask for."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in started]
    await asyncio.sleep(0.02)
    return tasks


async def result(task):
    return await asyncio.wait_for(asyncio.shield(task), 10)


def pair():
    one, other = socket.socketpair()
    one.setblocking(False)
    return one, other


# ---- operations of liburing.aio, on each loop


@pytest.mark.parametrize("threads", [1, 3])
def test_operations_go_on(in_thread, threads):
    one, other = pair()
    listener = socket.create_server(("127.0.0.1", 0))
    datagrams = socket.socket(type=socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    (r, w), (polled_r, polled_w) = os.pipe(), os.pipe()
    buffer = bytearray(10)

    async def begin():
        return await settled(
            aio.recv(one, 100), aio.accept(listener), aio.recvfrom(datagrams, 100),
            aio.readinto(r, buffer), aio.poll(polled_r),
        )

    received, accepted, datagram, filled, polled = in_thread(begin())
    for _ in range(threads):
        in_thread(asyncio.sleep(0.01))

    async def end():
        other.sendall(b"data")
        os.write(w, b"pipe")
        os.write(polled_w, b"x")
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"datagram", datagrams.getsockname())
        with socket.create_connection(listener.getsockname()) as client:
            assert await result(received) == b"data"
            assert await result(filled) == 4 and buffer[:4] == b"pipe"
            assert (await result(datagram))[0] == b"datagram"
            connection, address = await result(accepted)
            assert address == client.getsockname()
            connection.close()
            assert await result(polled) & select.POLLIN

    in_thread(end())
    for sock in (one, other, listener, datagrams):
        sock.close()
    for fd in (r, w, polled_r, polled_w):
        os.close(fd)


def test_a_cancelled_operation_is_not_started_again(in_thread):
    one, other = pair()

    async def begin():
        return await settled(aio.recv(one, 100))

    (task,) = in_thread(begin())

    async def cancel():
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        other.send(b"left")
        assert await aio.recv(one, 100) == b"left"

    in_thread(cancel())
    one.close()
    other.close()


def test_sleep_ends_when_it_would_have(in_thread, loop):
    """The time that passed before and between the threads counts."""

    async def begin():
        return loop.time(), await settled(aio.sleep(0.6, "slept"), aio.sleep(0.2), aio.sleep(3600))

    start, (task, short, long) = in_thread(begin())
    time.sleep(0.3)
    in_thread(asyncio.sleep(0.01))
    assert short.done() and not long.done()

    async def end():
        assert await result(task) == "slept"
        # Begun anew in each thread it would be 0.9.
        assert 0.59 <= loop.time() - start
        assert not long.done()

    in_thread(end())


def test_sendall_sends_all(in_thread):
    one, other = pair()
    data = os.urandom(3_000_000)

    async def begin():
        return await settled(aio.sendall(one, data))

    (task,) = in_thread(begin())
    got = bytearray()
    other.settimeout(0.02)
    while len(got) < len(data):
        try:
            got += other.recv(100_000)
        except TimeoutError:
            pass
        in_thread(asyncio.sleep(0.001))
    assert got == data
    in_thread(result(task))
    one.close()
    other.close()


def test_a_connect_in_progress_is_taken_up(in_thread, tmp_path):
    """Of a socket whose listener's queue is full."""
    path = str(tmp_path / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    first, second = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    first.connect(path)

    async def begin():
        return await settled(aio.connect(second, path))

    (task,) = in_thread(begin())
    in_thread(asyncio.sleep(0.01))
    assert not task.done()
    listener.accept()[0].close()
    in_thread(result(task))
    listener.accept()[0].close()
    for sock in (first, second, listener):
        sock.close()


def test_a_connect_that_finds_no_room(in_thread, tmp_path):
    """Of a non-blocking socket: polls would say that it is connected."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        with socket.socket(socket.AF_UNIX) as second:
            second.setblocking(False)
            with pytest.raises(BlockingIOError):
                in_thread(aio.connect(second, path))


def test_an_open_that_waits_is_started_again(in_thread, tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)

    async def begin():
        return await settled(aio.open(path, "wb"))

    (task,) = in_thread(begin())
    in_thread(asyncio.sleep(0.02))
    assert not task.done()

    async def end():
        reading = await aio.open(path, "rb")
        writing = await result(task)
        await writing.write(b"through")
        await writing.close()
        assert await reading.read() == b"through"
        await reading.close()

    in_thread(end())


def test_file_operations_of_a_thread_that_ends_at_once(in_thread, tmp_path):
    """Some have begun when their thread ends and some have not: each is done
    once."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 4096)

    async def begin():
        async with aio.open(path, "rb") as file:
            await file.read(1)
        fd = os.open(path, os.O_RDWR | os.O_APPEND)
        tasks = [asyncio.ensure_future(aio.read(fd, 100, n * 100)) for n in range(200)]
        tasks += [asyncio.ensure_future(aio.write(fd, b"x" * 7)) for n in range(100)]
        await asyncio.sleep(0)
        return fd, tasks

    fd, tasks = in_thread(begin())

    async def end():
        return await asyncio.wait_for(asyncio.gather(*tasks), 20)

    found = in_thread(end())
    assert [len(data) for data in found[:200]] == [100] * 200
    assert found[200:] == [7] * 100
    assert path.stat().st_size == 256 * 4096 + 700
    os.close(fd)


# ---- the loop itself


@pytest.fixture
def event_loop():
    loop = factory("EventLoop")()
    yield loop
    loop.close()


@pytest.fixture
def elsewhere(event_loop):
    return InThreads(event_loop)


class Collect(asyncio.Protocol):
    def __init__(self):
        self.data, self.lost = bytearray(), []

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data

    def connection_lost(self, error):
        self.lost.append(error)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def test_the_loop_can_be_woken_and_its_server_answers(elsewhere, event_loop):
    async def echo(reader, writer):
        writer.write(await reader.read(100))
        writer.close()

    async def begin():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        await asyncio.sleep(0.01)
        return server

    server = elsewhere(begin())
    thread = threading.Thread(target=event_loop.run_forever)
    thread.start()
    try:
        for _ in range(5):
            called = threading.Event()
            event_loop.call_soon_threadsafe(called.set)
            assert called.wait(10)
        address = server.sockets[0].getsockname()
        for _ in range(3):
            with socket.create_connection(address, timeout=10) as client:
                client.sendall(b"hello")
                assert client.recv(100) == b"hello"
    finally:
        event_loop.call_soon_threadsafe(event_loop.stop)
        thread.join(10)
    server.close()
    event_loop.run_until_complete(server.wait_closed())


def test_readers_and_writers_go_on(elsewhere, event_loop):
    r, w = os.pipe()
    os.set_blocking(w, False)
    calls = []

    async def begin():
        event_loop.add_reader(r, lambda: calls.append(os.read(r, 1 << 20)))
        await asyncio.sleep(0.01)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(w, b"x" * 4096)
        event_loop.remove_reader(r)
        event_loop.add_writer(w, calls.append, "writable")
        await asyncio.sleep(0.01)

    elsewhere(begin())
    calls.clear()

    async def end():
        os.read(r, 1 << 20)
        await until(lambda: calls)
        event_loop.remove_writer(w)
        event_loop.add_reader(r, lambda: calls.append(os.read(r, 10)))
        os.write(w, b"more")
        await until(lambda: b"more" in calls)

    elsewhere(end())

    async def once_more():
        os.write(w, b"again")
        await until(lambda: b"again" in calls)
        event_loop.remove_reader(r)

    elsewhere(once_more())
    os.close(r)
    os.close(w)


@pytest.mark.parametrize("pieces", [0, 150], ids=["early", "multishot"])
@pytest.mark.parametrize("size", [8, 100_000], ids=["small", "bulk"])
def test_transports_receive_each_byte_once(elsewhere, event_loop, pieces, size):
    """With receives of one piece, multishot receives and large ones."""
    one, other = socket.socketpair()
    other.settimeout(10)

    async def begin():
        _, protocol = await event_loop.create_connection(Collect, sock=one)
        for turn in range(pieces):
            other.sendall(b"%8d" % turn)
            await until(lambda: len(protocol.data) == 8 * (turn + 1))
        await asyncio.sleep(0.01)
        return protocol

    protocol = elsewhere(begin())
    expected = bytearray(protocol.data)
    for turn in range(20):
        piece = (b"%8d" % turn) * (size // 8)
        sender = threading.Thread(target=other.sendall, args=(piece,))
        expected += piece
        if turn % 2:
            sender.start()
            elsewhere(until(lambda: len(protocol.data) == len(expected)))
        else:
            elsewhere(asyncio.sleep(0))
            sender.start()
            elsewhere(until(lambda: len(protocol.data) == len(expected)))
        sender.join()
        assert protocol.data == expected
    other.close()
    elsewhere(until(lambda: protocol.lost))
    assert protocol.lost == [None]


def test_transports_send_each_byte_once(elsewhere, event_loop):
    one, other = socket.socketpair()
    other.settimeout(0.02)
    expected = os.urandom(2_500_000)

    async def begin():
        transport, protocol = await event_loop.create_connection(Collect, sock=one)
        transport.write(expected[:2_000_000])
        await asyncio.sleep(0.01)
        return transport, protocol

    transport, protocol = elsewhere(begin())
    got = bytearray()

    async def some(turn):
        if turn < 50:
            at = 2_000_000 + turn * 10_000
            transport.write(expected[at : at + 10_000])
        await asyncio.sleep(0.001)

    for turn in range(2000):
        if len(got) >= len(expected):
            break
        try:
            got += other.recv(60_000)
        except TimeoutError:
            pass
        elsewhere(some(turn))
    assert got == expected and protocol.lost == []
    assert transport.get_write_buffer_size() == 0
    transport.close()
    elsewhere(until(lambda: protocol.lost))
    other.close()


def test_a_close_that_waits_for_its_last_bytes(elsewhere, event_loop):
    one, other = socket.socketpair()

    async def begin():
        transport, protocol = await event_loop.create_connection(Collect, sock=one)
        transport.write(b"z" * 1_000_000)
        transport.close()
        await asyncio.sleep(0.01)
        return protocol

    protocol = elsewhere(begin())
    got = 0

    def drain():
        nonlocal got
        while data := other.recv(1 << 20):
            got += len(data)

    reader = threading.Thread(target=drain)
    reader.start()
    elsewhere(until(lambda: protocol.lost))
    reader.join(10)
    assert got == 1_000_000 and protocol.lost == [None]
    other.close()


def test_timers_and_datagrams_go_on(elsewhere, event_loop):
    calls = []

    class Datagrams(asyncio.DatagramProtocol):
        def datagram_received(self, data, address):
            calls.append(data)

    async def begin():
        transport, _ = await event_loop.create_datagram_endpoint(
            Datagrams, local_addr=("127.0.0.1", 0)
        )
        event_loop.call_later(0.1, calls.append, "timer")
        return transport

    transport = elsewhere(begin())

    async def end():
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"datagram", transport.get_extra_info("sockname"))
        await until(lambda: len(calls) == 2)
        transport.close()
        await asyncio.sleep(0)

    elsewhere(end())
    assert set(calls) == {b"datagram", "timer"}


def test_closing_in_another_thread_waits_for_nothing(loop_factory):
    loop = loop_factory()
    one, other = pair()

    async def begin():
        await settled(aio.recv(one, 100), aio.sleep(100), aio.poll(one))
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task._log_destroy_pending = False

    InThreads(loop)(begin())
    started = time.monotonic()
    loop.close()
    # A second is what closing waits for the kernel at most.
    assert time.monotonic() - started < 0.9
    one.close()
    other.close()


def test_opens_that_wait_hold_up_no_other_file(in_thread, tmp_path):
    """Each has a worker of the kernel; the next operation finds one, too."""
    path = tmp_path / "fifo"
    os.mkfifo(path)

    async def main():
        opens = await settled(*(aio.open(path, "wb") for _ in range(40)))
        async with asyncio.timeout(10):
            async with aio.open(tmp_path / "file", "wb") as file:
                await file.write(b"data")
        for task in opens:
            task.cancel()
        ended = await asyncio.gather(*opens, return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended)

    in_thread(main())


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_an_open_that_waits_can_be_given_up(in_thread, tmp_path, mode):
    """By a timeout and by cancelling; what is in the way of it later is nothing."""
    path = tmp_path / "fifo"
    os.mkfifo(path)

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(aio.open(path, mode), 0.05)
        (task,) = await settled(aio.open(path, mode))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_thread(main())
    # An open that went on without its request ends with this one.
    os.close(os.open(path, os.O_RDWR))
