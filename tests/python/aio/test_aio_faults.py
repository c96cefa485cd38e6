"""What must hold whatever the kernel refuses: bytes that are sent are the
bytes that were written, and no request takes another one's place."""

import asyncio
import os
import socket

import pytest

import liburing.aio as aio

LENGTH = 5000


def full_socket():
    """A connected pair whose first end takes no more bytes, and how many it
    took."""
    first, second = socket.socketpair()
    first.setblocking(False)
    second.setblocking(False)
    filled = 0
    try:
        while True:
            filled += first.send(b"." * 4096)
    except BlockingIOError:
        return first, second, filled


async def refused():
    """An operation that the kernel refuses while it prepares it."""
    with pytest.raises(OSError):
        await aio.stat("a" * 5000)


async def receive(end, count):
    """The next `count` bytes of a socket that does not block."""
    found = bytearray()
    async with asyncio.timeout(20) if hasattr(asyncio, "timeout") else _NoLimit():
        while len(found) < count:
            try:
                found += end.recv(1 << 16)
            except BlockingIOError:
                await asyncio.sleep(0.001)
    return bytes(found)


class _NoLimit:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        return None


@pytest.mark.parametrize("round", range(3))
@pytest.mark.parametrize("together", [3, 40])
def test_an_entry_that_is_refused_leaves_the_sends_beside_it_alone(together, round):
    """Sends that find their sockets full, in one submission with operations
    that fail while they are prepared: before, after and between the sends."""

    async def main():
        loop = asyncio.get_running_loop()
        pairs = []
        for _ in range(together):
            first, second, filled = full_socket()
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=first)
            pairs.append((transport, second, filled))
        await asyncio.sleep(0.02)
        waiting = [asyncio.ensure_future(refused())]
        await asyncio.sleep(0)
        for number, (transport, _, _) in enumerate(pairs):
            transport.write(bytearray(bytes([65 + number % 26]) * LENGTH))
            if round == 2:
                waiting.append(asyncio.ensure_future(refused()))
        waiting += [asyncio.ensure_future(refused()) for _ in range(2 * round + 2)]
        for _ in range(3):
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        # Nothing was taken off the full sockets: all of it is still to be sent.
        unsent = [transport.get_write_buffer_size() for transport, _, _ in pairs]
        assert unsent == [LENGTH] * together
        reused = [b"Z" * LENGTH for _ in range(300)]
        for number, (transport, second, filled) in enumerate(pairs):
            found = await receive(second, filled + LENGTH)
            assert found[filled:] == bytes([65 + number % 26]) * LENGTH
            transport.close()
        await asyncio.gather(*waiting)
        del reused
        await asyncio.sleep(0.01)
        for _, second, _ in pairs:
            assert second.recv(1) == b""
            second.close()

    aio.run(main())


def test_many_operations_that_are_refused_all_end(tmp_path):
    """As many as make the queue full several times, with good ones between."""
    (tmp_path / "file").write_bytes(b"x" * 7)

    async def main():
        bad = [refused() for _ in range(3000)]
        good = [aio.stat(os.fspath(tmp_path / "file")) for _ in range(300)]
        everything = [each for pair in zip(bad, good) for each in pair] + bad[300:]
        results = await asyncio.wait_for(asyncio.gather(*everything), 60)
        sizes = [found.st_size for found in results if found is not None]
        assert sizes == [7] * 300

    aio.run(main())
