"""For every test: signals as a program started from a terminal has them."""

import signal
import socket

import pytest

# A shell starts what runs in the background with SIGINT ignored, and children
# inherit that; tests send it. A handler does not outlive exec: children have the
# default then.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def pair():
    """Two connected sockets."""
    left, right = socket.socketpair()
    with left, right:
        yield left, right
