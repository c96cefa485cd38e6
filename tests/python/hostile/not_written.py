# Receives that count bytes which the kernel does not write: what a program gets are
# zeroes, never what was in that memory before.
from common import *
import asyncio, socket
import liburing.aio as A

SECRET = b"S" * 400


def trail():
    """Freed memory with something in it, of the size that comes next."""
    blocks = [bytes(SECRET) + bytes([n % 250]) for n in range(2000)]
    del blocks


def tcp():
    server = socket.create_server(("127.0.0.1", 0))
    one = socket.create_connection(server.getsockname())
    two, _ = server.accept()
    server.close()
    return one, two


def plain(got):
    assert got.count(0) == len(got), bytes(got[:32])


ring = L.Ring(8)
one, two = tcp()
for _ in range(20):
    two.send(b"x" * 401)
    trail()
    plain(ring.recv(one, 401, flags=socket.MSG_TRUNC).result(5))


async def main():
    for call in (A.recv, A.recvfrom):
        for _ in range(20):
            two.send(b"x" * 401)
            trail()
            got = await call(one, 401, socket.MSG_TRUNC)
            plain(got[0] if isinstance(got, tuple) else got)


one.setblocking(False)
A.run(main())
print("held")
