# Flags of sends that make addresses of the bytes given, or keep pages after the
# completion; flags of receives that read another layout.
from common import *
import socket

VECTORIZED, ZEROCOPY, SPLICE, COMPAT, DEVMEM = 1 << 5, 0x4000000, 0x8000000, -0x80000000, 0x2000000
ring, old = L.Ring(8), L.Ring()
L.io_uring_queue_init(8, old)
one, two = socket.socketpair()


def refused(call):
    try:
        call()
    except (ValueError, OverflowError):
        return
    raise SystemExit("taken")


sqe = lambda: L.io_uring_get_sqe(old) or L.io_uring_submit(old) and L.io_uring_get_sqe(old)
refused(lambda: L.io_uring_prep_send_zc(sqe(), one.fileno(), b"x" * 64, 0, VECTORIZED))
for flag in (ZEROCOPY, SPLICE, COMPAT, DEVMEM):
    refused(lambda: L.io_uring_prep_send(sqe(), one.fileno(), b"x", flag))
    refused(lambda: L.io_uring_prep_recv(sqe(), one.fileno(), bytearray(8), flag))
    refused(lambda: ring.send(one, b"x", flag & 0xFFFFFFFF))
    refused(lambda: ring.recv(one, 8, flag & 0xFFFFFFFF))
    refused(lambda: ring.recv(one, bytearray(8), flag & 0xFFFFFFFF))
    refused(lambda: ring.sendmsg(one, [b"x"], flags=flag & 0xFFFFFFFF))

# What is received and thrown away is no old memory.
with socket.create_server(("127.0.0.1", 0)) as server:
    three = socket.create_connection(server.getsockname())
    four, _ = server.accept()
four.sendall(b"y" * 500)
got = ring.recv(three, 500, socket.MSG_TRUNC | socket.MSG_WAITALL).result()
assert not set(got) - set(b"y\0"), set(got)
print("held")
