"""Life of a ring, submission, waits and completions."""

import os

from . import _liburing
from ._classes import Cqe, FileIndex, Iovec, Ring, core, integer, io_uring
from ._liburing import (
    io_uring_cqe_seen,
    io_uring_get_sqe,
    io_uring_submit,
    io_uring_wait_cqe,
)

U32 = 2**32 - 1


def trap_error(errno):
    """The number, or OSError when it is negative."""
    if integer(errno, -(2**31), 2**31 - 1) < 0:
        raise OSError(-errno, os.strerror(-errno))
    return errno


def io_uring_queue_init(entries, ring, flags=0):
    """Makes the ring. RuntimeError when it is made already, OSError."""
    if not isinstance(ring, Ring):
        raise TypeError("a Ring is required")
    if ring._core is not None:
        raise RuntimeError("the ring is initialised already")
    ring._core = _liburing.Core(integer(entries, 0, U32), integer(flags or 0, 0, U32))
    return 0


def io_uring_queue_exit(ring):
    """Cancels what is in flight and takes the ring down."""
    core(ring).close()
    ring._core = None
    return 0 if isinstance(ring, io_uring) else None


def io_uring_submit_and_wait(ring, wait_nr):
    """Submits and waits for completions; the number taken."""
    return core(ring).submit(integer(wait_nr, 0, U32))


def io_uring_submit_and_get_events(ring):
    """Submits and lets the kernel post completions."""
    count = core(ring).submit()
    core(ring).peek()
    return count


def io_uring_get_events(ring):
    """Lets the kernel post completions."""
    core(ring).peek()
    return 0


def _out(cqe):
    if not isinstance(cqe, Cqe):
        raise TypeError(f"a Cqe is required, not {type(cqe).__name__}")
    return cqe


def _wait(ring, cqe, count, ts=None):
    native, cqe = core(ring), _out(cqe)
    ready = native.wait(count, None if ts is None else ts.nanoseconds())
    if not ready:
        raise BlockingIOError(11, os.strerror(11))
    cqe._fill(native)
    return 0


def io_uring_wait_cqe_nr(ring, cqe, wait_nr):
    """Waits for completions."""
    return _wait(ring, cqe, integer(wait_nr, 0, U32))


def io_uring_wait_cqe_timeout(ring, cqe, ts):
    """Waits for one completion; OSError (ETIME) when the time is over."""
    return _wait(ring, cqe, 1, ts)


def io_uring_wait_cqes(ring, cqe, wait_nr, ts=None):
    """Waits for completions; OSError (ETIME) when the time is over."""
    return _wait(ring, cqe, integer(wait_nr, 0, U32), ts)


def io_uring_submit_and_wait_timeout(ring, cqe, wait_nr, ts=None):
    """Submits, then waits for completions; the number taken."""
    _out(cqe)
    count = core(ring).submit()
    _wait(ring, cqe, integer(wait_nr, 0, U32), ts)
    return count


def io_uring_peek_cqe(ring, cqe):
    """Fills the Cqe; BlockingIOError when nothing is ready, -11 in the older style."""
    native = core(ring)
    if not native.peek():
        if isinstance(ring, io_uring):
            return -11
        raise BlockingIOError(11, os.strerror(11))
    _out(cqe)._fill(native)
    return 0


def io_uring_cq_advance(ring, nr):
    """Gives completions back, no more than are ready."""
    core(ring).advance(integer(nr, 0, U32))


def io_uring_cq_ready(ring):
    """Completions that are ready."""
    return core(ring).peek()


def io_uring_sq_ready(ring):
    """Entries not submitted yet."""
    return core(ring).sq_ready()


def io_uring_sq_space_left(ring):
    """Entries that can still be taken."""
    return core(ring).sq_space_left()


def io_uring_cqe_get_data64(cqe):
    """The tag."""
    return cqe.user_data


def io_uring_cqe_get_data(cqe):
    """The tag; ValueError when it is 0."""
    if not cqe.user_data:
        raise ValueError("the completion has no data")
    return cqe.user_data


def io_uring_sqe_set_data64(sqe, data):
    """Tags the entry."""
    sqe.user_data = data


io_uring_sqe_set_data = io_uring_sqe_set_data64


def io_uring_sqe_set_flags(sqe, flags):
    """Sets IOSQE_*."""
    sqe.flags = flags & 255


def io_uring_register_eventfd(ring, fd):
    """Signals the eventfd at each completion."""
    core(ring).eventfd(integer(fd, 0, 2**31 - 1))
    return 0


def io_uring_unregister_eventfd(ring):
    """Stops the signals."""
    core(ring).eventfd(-1)
    return 0


def io_uring_register_files(ring, files):
    """Registers descriptors."""
    if not isinstance(files, FileIndex):
        raise TypeError("a FileIndex is required")
    return core(ring).files(list(files))


def io_uring_unregister_files(ring):
    """Takes the registration back."""
    return core(ring).files([])


def io_uring_register_buffers(ring, iovecs, tags=None):
    """Registers writable buffers; the ring keeps them. The third argument is 0
    or, as in the older releases, the number of buffers: there are no tags."""
    if not isinstance(iovecs, Iovec):
        raise TypeError("an Iovec is required")
    if tags is not None and integer(tags, 0, 2**64 - 1) not in (0, len(iovecs)):
        raise ValueError("neither 0 nor the number of buffers")
    return core(ring).buffers(iovecs._items)


def io_uring_unregister_buffers(ring):
    """Takes the registration back."""
    return core(ring).buffers([])


def probe():
    """Whether the kernel has each operation, by name."""
    native = _liburing.Core(2)
    try:
        found = native.probe()
    finally:
        native.close()
    return {
        name: found[number]
        for name, number in _liburing.operations()
        if number < len(found)
    }
