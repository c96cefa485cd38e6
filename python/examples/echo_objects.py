"""An echo server with Ring objects: python echo_objects.py [PORT]

Prints the port it listens on; without PORT the system chooses one. It ends when
it is interrupted. One multishot accept gives the connections, one multishot
receive each the data, in buffers of one pool for all of them.
"""

from __future__ import annotations

import socket
import sys

import liburing


class Connection:
    """A connection and what is still to be sent to it, one send at a time."""

    def __init__(self, ring: liburing.Ring, pool: liburing.BufferPool, fd: int) -> None:
        self.ring, self.fd = ring, fd
        self.unsent: list[bytes] = []
        self.sending = False
        self.received = ring.recv_multishot(fd, pool, user_data=self)

    def on_data(self) -> None:
        """Takes what arrived."""
        try:
            self.unsent += self.received.take()
        except ConnectionError:
            self.unsent.clear()
        self.go_on()

    def on_sent(self, send: liburing.Operation[int]) -> None:
        """Notes the end of a send; a broken connection shows when receiving."""
        self.sending = False
        if send.exception():
            self.unsent.clear()
        self.go_on()

    def go_on(self) -> None:
        """Sends what there is, or ends when nothing will come."""
        if self.sending:
            return
        if self.unsent:
            data, self.unsent = b"".join(self.unsent), []
            self.ring.send(self.fd, data, socket.MSG_WAITALL, user_data=self)
            self.sending = True
        elif self.received.done:
            self.ring.close_fd(self.fd).detach()


def serve(server: socket.socket) -> None:
    """Serves until it is interrupted."""
    with liburing.Ring(256) as ring:
        pool = ring.buffer_pool(256, 4096)
        accepted = ring.accept_multishot(server)
        while True:
            for handle in ring.completions(wait=1):
                if handle is accepted:
                    for fd in accepted.take():
                        Connection(ring, pool, fd)
                elif handle.name == "recv":
                    handle.user_data.on_data()
                elif handle.name == "send":
                    handle.user_data.on_sent(handle)


if __name__ == "__main__":
    if len(sys.argv) > 2 or not all(word.isdecimal() for word in sys.argv[1:]):
        sys.exit("usage: python echo_objects.py [PORT]")
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with socket.create_server(("127.0.0.1", port)) as server:
        print(server.getsockname()[1], flush=True)
        try:
            serve(server)
        except KeyboardInterrupt:
            pass
