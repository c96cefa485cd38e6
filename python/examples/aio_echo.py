"""An echo server on asyncio's interface, with every operation on a ring.

    python aio_echo.py [PORT]

Prints the port it listens on (a free one unless given), and ends with SIGINT or
SIGTERM after it has closed its connections.
"""

import asyncio
import signal
import sys

import liburing.aio


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with server:
        await ended.wait()


if __name__ == "__main__":
    if len(sys.argv) > 2 or not all(word.isdecimal() for word in sys.argv[1:]):
        sys.exit("usage: python aio_echo.py [PORT]")
    liburing.aio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
