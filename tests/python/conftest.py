"""For every test: signals as a program started from a terminal has them."""

import errno
import functools
import signal
import socket

import pytest

# A shell starts what runs in the background with SIGINT ignored, and children
# inherit that; tests send it. A handler does not outlive exec: children have the
# default then.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


UNREACHABLE = (errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EHOSTUNREACH, errno.ETIME)


@functools.cache
def without_loopback():
    """Whether this machine's loopback interface is down, or there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", 0))
            probe.connect(probe.getsockname())
        except OSError as error:
            return error.errno in UNREACHABLE
    return False


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """A test that needs connections is skipped where there can be none."""
    outcome = yield
    error = outcome.excinfo and outcome.excinfo[1]
    if isinstance(error, OSError) and error.errno in UNREACHABLE and without_loopback():
        outcome.force_exception(pytest.skip.Exception("no loopback interface here"))


@pytest.fixture
def pair():
    """Two connected sockets."""
    left, right = socket.socketpair()
    with left, right:
        yield left, right
