"""Sockets, time and cancellation of liburing.aio."""

import asyncio
import gc
import os
import socket
import subprocess
import sys
import time

import pytest

import liburing.aio as aio


@pytest.fixture(params=["blocking", "non-blocking"])
def pair(request):
    a, b = socket.socketpair()
    for end in (a, b):
        end.setblocking(request.param == "blocking")
    with a, b:
        yield a, b


def test_recv_and_send(run, pair):
    a, b = pair

    async def main():
        waiting = asyncio.create_task(aio.recv(a, 100))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        assert await aio.send(b, b"hello") == 5
        assert await waiting == b"hello"
        buffer = bytearray(10)
        waiting = asyncio.create_task(aio.recv_into(a, buffer, 3))
        await aio.sendall(b, bytearray(b"abcdef"))
        assert await waiting == 3 and buffer[:4] == b"abc\0"
        assert await aio.recv(a, 100) == b"def"
        with pytest.raises(TypeError):
            await aio.recv_into(a, b"read-only")
        for call in (aio.read("path", 1), aio.write(1.5, b"x"), aio.readinto([], buffer)):
            with pytest.raises(TypeError, match="descriptor"):
                await call
        await aio.shutdown(b, socket.SHUT_WR)
        assert await aio.recv(a, 100) == b""

    run(main())


def test_sendall_more_than_the_socket_takes(run, pair):
    a, b = pair
    data = os.urandom(3_000_000)

    async def main():
        sending = asyncio.create_task(aio.sendall(a, data))
        got = bytearray()
        while len(got) < len(data):
            got += await aio.recv(b, 1 << 20)
        await sending
        assert got == data

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_accept_and_connect(run, host):
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError as error:
        pytest.skip(f"no loopback for {host}: {error}")

    async def main():
        with listener, socket.socket(family) as client:
            client.setblocking(False)
            accepting = asyncio.create_task(aio.accept(listener))
            await aio.connect(client, (host, listener.getsockname()[1]))
            server, address = await accepting
            with server:
                assert address == client.getsockname()
                assert not server.getblocking() and not server.get_inheritable()
                await aio.sendall(server, b"x")
                assert await aio.recv(client, 10) == b"x"
        with socket.socket(family) as client:
            with pytest.raises(ConnectionRefusedError) as caught:
                await aio.connect(client, address)
            assert caught.value.operation == "connect"

    run(main())


def test_unix_sockets(run, tmp_path):
    async def main():
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(str(tmp_path / "s"))
            listener.listen()
            accepting = asyncio.create_task(aio.accept(listener))
            await aio.connect(client, str(tmp_path / "s"))
            server, _ = await accepting
            server.close()
            assert await aio.recv(client, 1) == b""

    run(main())


def test_datagrams(run):
    async def main():
        with socket.socket(type=socket.SOCK_DGRAM) as a, socket.socket(type=socket.SOCK_DGRAM) as b:
            a.bind(("127.0.0.1", 0))
            b.bind(("127.0.0.1", 0))
            receiving = asyncio.create_task(aio.recvfrom(a, 100))
            assert await aio.sendto(b, b"hello", a.getsockname()) == 5
            assert await receiving == (b"hello", b.getsockname())

    run(main())


def test_sleep(run):
    async def main():
        start = time.monotonic()
        assert await aio.sleep(0.05, "result") == "result"
        assert 0.05 <= time.monotonic() - start < 2
        assert await aio.sleep(0) is None
        start = time.monotonic()
        await asyncio.gather(*(aio.sleep(0.05) for _ in range(100)))
        assert time.monotonic() - start < 2
        with pytest.raises(ValueError):
            await aio.sleep(float("nan"))

    run(main())


def test_poll(run, pair):
    a, b = pair

    async def main():
        waiting = asyncio.create_task(aio.poll(a))
        await asyncio.sleep(0.01)
        b.send(b"x")
        assert await waiting & 1

    run(main())


def test_cancelled_task_lets_go_of_its_buffer(run, pair):
    a, b = pair

    async def main():
        buffer = bytearray(100)
        waiting = asyncio.create_task(aio.recv_into(a, buffer))
        await asyncio.sleep(0.01)
        with pytest.raises(BufferError):
            buffer.clear()
        assert waiting.cancel("why")
        with pytest.raises(asyncio.CancelledError):
            await waiting
        # The kernel has let go: nothing pins it, nothing writes to it.
        buffer.clear()
        await aio.sendall(b, b"later")
        assert await aio.recv(a, 100) == b"later"

    run(main())


def test_buffer_is_free_as_soon_as_the_operation_has_ended(run, pair):
    a, b = pair

    async def receive(buffer):
        try:
            await aio.recv_into(a, buffer)
        finally:
            buffer.clear()

    async def main():
        for cancelled in (False, True):
            task = asyncio.create_task(receive(bytearray(100)))
            await asyncio.sleep(0.01)
            if cancelled:
                task.cancel()
            else:
                b.send(b"x")
            done = await asyncio.gather(task, return_exceptions=True)
            assert not isinstance(done[0], BufferError)
        buffer = bytearray(10)
        with pytest.raises(OSError):
            await aio.readinto(9999, buffer)
        buffer.clear()

    run(main())


def test_waiting_for_several_operations(run, pair):
    """gather, wait, shield, as_completed and task groups over them."""
    a, b = pair

    async def main():
        sleeps = [aio.sleep(n / 100, n) for n in (3, 1, 2)]
        assert await asyncio.gather(*sleeps) == [3, 1, 2]
        tasks = [asyncio.ensure_future(aio.sleep(n / 100, n)) for n in (3, 1, 2)]
        assert [await task for task in asyncio.as_completed(tasks)] == [1, 2, 3]
        shielded = asyncio.ensure_future(aio.recv(a, 10))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(shielded), 0.01)
        b.send(b"x")
        assert await shielded == b"x"
        first = asyncio.ensure_future(aio.recv(a, 10))
        done, pending = await asyncio.wait([first], timeout=0.01)
        assert (done, pending) == (set(), {first})
        with pytest.raises(ZeroDivisionError):
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(aio.recv(a, 10))
                    await asyncio.sleep(0)
                    raise ZeroDivisionError
            except ExceptionGroup as errors:
                raise errors.exceptions[0]
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    run(main())


def test_timeouts_and_cancellation_of_everything(run, pair):
    a, _ = pair

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await aio.recv(a, 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(aio.sleep(60), 0.02)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            r, w = os.pipe()
            tasks = [
                asyncio.create_task(task)
                for task in (aio.accept(listener), aio.sleep(60), aio.poll(a), aio.read(r, 10))
            ]
            await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(error, asyncio.CancelledError) for error in done)
            # Cancelled before it was submitted.
            task = asyncio.create_task(aio.sleep(60))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            os.close(r)
            os.close(w)

    run(main())


def test_accept_while_cancelled_leaks_no_connection(run):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for _ in range(50):
                waiting = asyncio.create_task(aio.accept(listener))
                await asyncio.sleep(0)
                with socket.create_connection(listener.getsockname()):
                    waiting.cancel()
                    done = await asyncio.gather(waiting, return_exceptions=True)
                    if not isinstance(done[0], asyncio.CancelledError):
                        done[0][0].close()
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    listener.accept()[0].close()

    run(main())


def test_loop_closed_with_operations_in_flight(loop_factory, pair):
    """The memory is the kernel's until the ring is gone; the futures stay."""
    a, b = pair
    buffer = bytearray(100)
    loop = loop_factory()

    async def main():
        task = asyncio.ensure_future(aio.recv_into(a, buffer))
        await asyncio.sleep(0.01)
        return task

    task = loop.run_until_complete(main())
    loop.close()
    task._log_destroy_pending = False
    del task, loop
    gc.collect()
    buffer.clear()
    b.send(b"later")
    a.setblocking(False)
    assert a.recv(10) == b"later"


def test_the_loop_is_not_blocked(run, pair):
    """A hundred waiting operations, and the loop still turns."""
    a, _ = pair

    async def main():
        waiting = [asyncio.ensure_future(aio.recv(a, 1)) for _ in range(100)]
        turns = 0
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 100
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(main())


def test_two_loops_in_two_threads():
    import threading

    results = []

    def thread():
        async def main():
            a, b = socket.socketpair()
            with a, b:
                for _ in range(100):
                    await aio.sendall(a, b"x")
                    assert await aio.recv(b, 10) == b"x"
            results.append(True)

        asyncio.run(main())

    threads = [threading.Thread(target=thread) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [True, True]


EXITS = {
    "exit with operations in flight": """
loop = new_loop()
async def main():
    for _ in range(10):
        asyncio.ensure_future(aio.recv(a, 100))
    await asyncio.sleep(0.01)
loop.run_until_complete(main())
print("ok")
""",
    "exit with a connection and its data in flight": """
loop = new_loop()
async def main():
    reader, writer = await asyncio.open_connection(sock=a)
    for _ in range(100):
        writer.write(b"x" * 100_000)
    await asyncio.sleep(0.01)
    keep.append((reader, writer))
keep = []
loop.run_until_complete(main())
print("ok")
""",
    "the loop is dropped with operations in flight": """
for _ in range(20):
    loop = new_loop()
    async def main():
        asyncio.ensure_future(aio.recv_into(a, bytearray(1000)))
        await aio.sleep(0.001)
    loop.run_until_complete(main())
    del loop
    gc.collect()
b.send(b"later")
assert a.recv(10) == b"later"
print("ok")
""",
    "fork with operations in flight": """
async def main():
    task = asyncio.ensure_future(aio.recv(a, 100))
    await asyncio.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            await aio.sleep(0.001)
        except RuntimeError:
            code = 0
        except BaseException:
            pass
        gc.collect()
        os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    b.send(b"x")
    assert await task == b"x"
loop = new_loop()
loop.run_until_complete(main())
loop.close()
print("ok")
""",
    "a buffer is dropped and its memory used again": """
async def main():
    for _ in range(50):
        task = asyncio.ensure_future(aio.recv_into(a, bytearray(4096)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
        junk = [bytearray(4096) for _ in range(50)]
        b.send(b"x" * 4096)
        assert await task == 4096
        assert not any(any(j) for j in junk)
loop = new_loop()
loop.run_until_complete(main())
loop.close()
print("ok")
""",
    "an exception in every callback": """
class Bad(asyncio.Protocol):
    def __getattribute__(self, name):
        raise ZeroDivisionError(name)
async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    try:
        await loop.create_connection(Bad, sock=a)
    except ZeroDivisionError:
        pass
    b.send(b"x")
    await asyncio.sleep(0.02)
loop = new_loop()
loop.run_until_complete(main())
loop.close()
print("ok")
""",
}


@pytest.mark.parametrize("malloc", ["malloc", "debug"])
@pytest.mark.parametrize("kind", ["asyncio.new_event_loop", "aio.EventLoop"])
@pytest.mark.parametrize("case", EXITS)
def test_in_an_interpreter_of_its_own(case, kind, malloc):
    start = (
        "import asyncio, gc, os, socket, sys, liburing.aio as aio\n"
        f"a, b = socket.socketpair()\nnew_loop = {kind}\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "ignore", "-c", start + EXITS[case]],
        capture_output=True, text=True, timeout=30,
        env=os.environ | {"PYTHONMALLOC": malloc},
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


RANDOM = """
import asyncio, gc, os, random, resource, socket, sys, tempfile, time
import liburing.aio as aio
new_loop, seconds = {kind}, 2.0
rng = random.Random(5)
SIZE = 1 << 20
data = rng.randbytes(SIZE)

async def session(path, end):
    a, b = socket.socketpair()
    with a, b:
        async with aio.open(path, "r+b") as f:
            tasks = set()
            while time.monotonic() < end:
                kind = rng.randrange(7)
                place = rng.randrange(SIZE - 5000)
                size = rng.randrange(1, 5000)
                if kind == 0:
                    task = check(f, place, size)
                elif kind == 1:
                    task = f.write(data[place:place + size], place)
                elif kind == 2:
                    task = aio.recv_into(a, bytearray(size))
                elif kind == 3:
                    task = aio.send(b, b"x" * min(size, 50))
                elif kind == 4:
                    task = aio.sleep(rng.random() / 100)
                elif kind == 5:
                    task = aio.poll(b, 4)
                else:
                    task = drop(path)
                tasks.add(asyncio.ensure_future(task))
                if rng.random() < 0.4:
                    rng.choice(list(tasks)).cancel()
                if rng.random() < 0.1:
                    await asyncio.sleep(rng.random() / 1000)
                for task in [task for task in tasks if task.done()]:
                    tasks.discard(task)
                    if not task.cancelled() and task.exception():
                        raise task.exception()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

async def check(f, place, size):
    assert await f.read(size, place) == data[place:place + size]

async def drop(path):
    async with aio.open(path) as f:
        pass

def links():
    found = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    return sorted(os.readlink(link) for link in found if os.path.islink(link))

def turn(path, seconds):
    loop = new_loop()
    loop.run_until_complete(session(path, time.monotonic() + seconds))
    if rng.random() < 0.5:
        # Left in flight.
        a, b = socket.socketpair()
        with a, b:
            async def leave():
                asyncio.ensure_future(aio.recv_into(a, bytearray(100)))
                await asyncio.sleep(0)
            loop.run_until_complete(leave())
            loop.close()
    loop.close()

with tempfile.NamedTemporaryFile() as file:
    file.write(data); file.flush()
    turn(file.name, 0.3)
    gc.collect()
    descriptors = links()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        turn(file.name, 0.1)
    gc.collect()
    assert links() == descriptors, (links(), descriptors)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert grown < 60_000, grown
    assert open(file.name, "rb").read() == data
print("ok")
"""


@pytest.mark.parametrize("malloc", ["malloc", "debug"])
@pytest.mark.parametrize("kind", ["asyncio.new_event_loop", "aio.EventLoop"])
def test_random_operations(kind, malloc):
    """Started, cancelled, dropped, closed: contents right, nothing leaked."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "ignore", "-c",
         RANDOM.replace("{kind}", kind)],
        capture_output=True, text=True, timeout=50,
        env=os.environ | {"PYTHONMALLOC": malloc},
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
