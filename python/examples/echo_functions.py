"""An echo server with the functions: python echo_functions.py [PORT]

Prints the port it listens on; without PORT the system chooses one. It ends when
it is interrupted. Sends what it receives back to whoever sent it.
"""

from __future__ import annotations

import socket
import sys

import liburing as u

ACCEPT, RECV, SEND = 1, 2, 3
SIZE = 4096


def prepare(ring: u.Ring) -> u.SQE:
    """A free entry."""
    while (sqe := u.io_uring_get_sqe(ring)) is None:
        u.io_uring_submit(ring)
    return sqe


def serve(server: socket.socket) -> None:
    """Serves until it is interrupted."""
    ring, cqe = u.Ring(), u.Cqe()
    buffers: dict[int, bytearray] = {}
    u.io_uring_queue_init(256, ring)
    try:
        sqe = prepare(ring)
        u.io_uring_prep_multishot_accept(sqe, server.fileno())
        sqe.user_data = ACCEPT
        while True:
            u.io_uring_submit_and_wait(ring, 1)
            while True:
                try:
                    u.io_uring_peek_cqe(ring, cqe)
                except BlockingIOError:
                    break
                entry = cqe[0]
                job, fd = entry.user_data & 3, entry.user_data >> 2
                try:
                    result = entry.res
                except OSError:
                    # The connection broke, or too many are open.
                    result = 0 if job != ACCEPT else -1
                u.io_uring_cqe_seen(ring, entry)
                if job == ACCEPT:
                    if result < 0:
                        continue
                    fd = result
                    buffers[fd] = bytearray(SIZE)
                elif job == RECV and result > 0:
                    sqe = prepare(ring)
                    u.io_uring_prep_send(
                        sqe, fd, memoryview(buffers[fd])[:result], socket.MSG_WAITALL
                    )
                    sqe.user_data = fd << 2 | SEND
                    continue
                elif result == 0:
                    del buffers[fd]
                    socket.close(fd)
                    continue
                sqe = prepare(ring)
                u.io_uring_prep_recv(sqe, fd, buffers[fd])
                sqe.user_data = fd << 2 | RECV
    finally:
        u.io_uring_queue_exit(ring)
        for fd in buffers:
            socket.close(fd)


if __name__ == "__main__":
    if len(sys.argv) > 2 or not all(word.isdecimal() for word in sys.argv[1:]):
        sys.exit("usage: python echo_functions.py [PORT]")
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with socket.create_server(("127.0.0.1", port)) as server:
        print(server.getsockname()[1], flush=True)
        try:
            serve(server)
        except KeyboardInterrupt:
            pass
