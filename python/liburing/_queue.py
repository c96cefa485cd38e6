"""Life of a ring, submission, waits and completions."""

import os

from . import _liburing
from ._classes import (
    CQE,
    Cqe,
    CqeIter,
    FileIndex,
    Iovec,
    Param,
    Ring,
    Timespec,
    core,
    integer,
    io_uring,
)
from ._liburing import (
    io_uring_cq_advance,
    io_uring_cqe_seen,
    io_uring_get_sqe,
    io_uring_load_sq_head,
    io_uring_peek_cqe,
    io_uring_resize_rings,
    io_uring_setup,
    io_uring_sqe_set_data,
    io_uring_sqe_set_data64,
    io_uring_sqring_wait,
    io_uring_submit,
    io_uring_submit_and_wait,
    io_uring_submit_and_wait_reg,
    io_uring_wait_cqe,
    io_uring_wait_cqe_nr,
)
from ._structs import SigsetT

U32 = 2**32 - 1


def trap_error(errno, /, msg=""):
    """The number, or OSError when it is negative."""
    if integer(errno, -(2**31), 2**31 - 1) < 0:
        raise OSError(-errno, msg or os.strerror(-errno))
    return int(errno)


def _unmade(ring):
    if not isinstance(ring, Ring):
        raise TypeError(f"a Ring is required, not {type(ring).__name__}")
    if ring._core is not None or getattr(ring, "_engine", None) is not None:
        raise RuntimeError("the ring is initialised already")
    return isinstance(ring, io_uring)


def _param(param):
    if not isinstance(param, Param):
        raise TypeError(f"a Param is required, not {type(param).__name__}")
    return param


def io_uring_queue_init(entries, ring, /, flags=0):
    """Makes the ring; 0. RuntimeError when it is made already, OSError."""
    flags = integer(0 if flags is None else flags, 0, U32)
    entries, old = integer(entries, 0, U32), _unmade(ring)
    ring._core = _liburing.Core(entries, flags, old=old)
    return 0


def io_uring_queue_init_params(entries, ring, param, /):
    """Makes the ring as the Param says, which the kernel then fills; 0."""
    entries, param = integer(entries, 0, U32), _param(param)
    old = _unmade(ring)
    ring._core = _liburing._init_params(entries, param, old)
    return 0


def io_uring_queue_init_mem(entries, ring, p, buf, buf_size, /):
    """Makes a ring in memory of that size, None for the buffer; the bytes used.
    Kernel 6.5.

    A buffer only bounds the size: ring memory that a program can write to would
    let it write anywhere, so it is always private."""
    entries, p, size = integer(entries, 0, U32), _param(p), integer(buf_size, 0, 2**64 - 1)
    if buf is not None and memoryview(buf).nbytes < size:
        raise ValueError("the buffer is smaller than its size")
    old = _unmade(ring)
    ring._core, used = _liburing._init_mem(entries, p, size, old)
    return used


def io_uring_queue_mmap(fd, ring, param, /):
    """Makes a ring of a descriptor that io_uring_setup gave, with the same
    Param; (fd, param, ring) too. The ring owns the descriptor from then on."""
    if isinstance(ring, Param):
        ring, param = param, ring
    fd, param = integer(fd, -(2**31), 2**31 - 1), _param(param)
    old = _unmade(ring)
    ring._core = _liburing._mmap(fd, param, old)
    return 0


def io_uring_queue_exit(ring, /):
    """Cancels what is in flight and takes the ring down."""
    native, ring._core = core(ring), None
    native.close()
    return 0 if isinstance(ring, io_uring) else None


def io_uring_submit_and_get_events(ring, /):
    """Submits and lets the kernel post completions; the number taken."""
    count = core(ring).submit()
    core(ring).peek()
    return count


def io_uring_get_events(ring, /):
    """Lets the kernel post completions; 0."""
    core(ring).peek()
    return 0


def _out(cqe):
    if not isinstance(cqe, Cqe):
        raise TypeError(f"a Cqe is required, not {type(cqe).__name__}")
    return cqe


def _nanoseconds(ts):
    if ts is None:
        return None
    if not isinstance(ts, Timespec):
        raise TypeError(f"a Timespec is required, not {type(ts).__name__}")
    return ts.nanoseconds()


def _mask(sigmask):
    if sigmask is None:
        return None
    if not isinstance(sigmask, SigsetT):
        raise TypeError(f"a SigsetT is required, not {type(sigmask).__name__}")
    return sigmask._mask()


def _wait(ring, cqe, count, ts=None, least_usec=0, sigmask=None):
    native, cqe = core(ring), _out(cqe)
    count, nanoseconds = integer(count, 0, U32), _nanoseconds(ts)
    cqe._empty()
    if not native.wait(count, nanoseconds, least_usec, _mask(sigmask)):
        raise BlockingIOError(11, os.strerror(11))
    cqe._fill(native)
    return 0


def io_uring_wait_cqe_timeout(ring, cqe, ts, /):
    """Waits for one completion; OSError (ETIME) when the time is over. Without
    a completion the Cqe is empty."""
    return _wait(ring, cqe, 1, ts)


def io_uring_wait_cqes(ring, cqe, wait_nr, /, ts=None, sigmask=None):
    """Waits for completions; content with fewer when the time is over, OSError
    (ETIME) when there is none."""
    return _wait(ring, cqe, wait_nr, ts, 0, sigmask)


def io_uring_wait_cqes_min_timeout(ring, cqe, wait_nr, ts, min_ts_usec, /):
    """The same, but content with one completion after so many microseconds.
    Kernel 6.12."""
    return _wait(ring, cqe, wait_nr, ts, integer(min_ts_usec, 0, U32))


def io_uring_submit_and_wait_timeout(ring, cqe, wait_nr, /, ts=None, sigmask=None):
    """Submits, then waits for completions as io_uring_wait_cqes; the number
    taken."""
    _out(cqe), _nanoseconds(ts)
    count = core(ring).submit()
    _wait(ring, cqe, wait_nr, ts, 0, sigmask)
    return count


def io_uring_submit_and_wait_min_timeout(ring, cqe, wait_nr, ts, min_wait, /):
    """The same, but content with one completion after `min_wait` microseconds.
    Kernel 6.12."""
    _out(cqe), _nanoseconds(ts)
    count = core(ring).submit()
    _wait(ring, cqe, wait_nr, ts, integer(min_wait, 0, U32))
    return count


def io_uring_peek_batch_cqe(ring, cqes, count, /):
    """Fills the Cqe with what is ready; how many that are, `count` at most."""
    native = core(ring)
    ready = native.peek()
    _out(cqes)._fill(native)
    return min(ready, integer(count, 0, U32))


def io_uring_cqe_iter_init(ring, /):
    """A CqeIter for io_uring_cqe_iter_next."""
    return CqeIter(ring, Cqe())


def io_uring_cqe_iter_next(iter, cqe, /):
    """Moves cqe[0] to the next completion; False when there is none."""
    if not isinstance(iter, CqeIter):
        raise TypeError(f"a CqeIter is required, not {type(iter).__name__}")
    return iter._step(_out(cqe))


def io_uring_cq_ready(ring, /):
    """Completions that are ready."""
    return core(ring).peek()


def io_uring_sq_ready(ring, /):
    """Entries not submitted yet."""
    return core(ring).sq_ready()


def io_uring_sq_space_left(ring, /):
    """Entries that can still be taken."""
    return core(ring).sq_space_left()


def _completion(cqe):
    if not isinstance(cqe, (CQE, Cqe)):
        raise TypeError(f"a CQE is required, not {type(cqe).__name__}")
    return cqe if isinstance(cqe, CQE) else cqe[0]


def io_uring_cqe_get_data64(cqe, /):
    """The tag."""
    return _completion(cqe).user_data


def io_uring_cqe_get_data(cqe, /):
    """The tag; ValueError when it is 0."""
    data = _completion(cqe).user_data
    if not data:
        raise ValueError("the completion has no data")
    return data


def _entry(sqe):
    if not isinstance(sqe, _liburing.SQE):
        raise TypeError(f"an SQE is required, not {type(sqe).__name__}")
    return sqe


def io_uring_sqe_set_flags(sqe, flags, /):
    """Sets IOSQE_*."""
    _entry(sqe).flags = integer(flags, 0, U32) & 255


def io_uring_sqe_set_buf_group(sqe, bgid, /):
    """The group of provided buffers the operation takes one from."""
    _liburing._set_buf_group(_entry(sqe), integer(bgid, -(2**31), 2**31 - 1))


def put_sqe(ring, sqe, /):
    """Copies entries of one's own to the queue; False when there is less room
    than len(sqe)."""
    core(ring)
    return _liburing.put_sqe(ring, sqe)


def io_uring_enter(fd, to_submit, min_complete, flags, sig, /):
    """io_uring_enter(2) with a SigsetT or None; the number taken."""
    return _liburing._enter(fd, to_submit, min_complete, flags, _mask(sig), 8)


def io_uring_enter2(fd, to_submit, min_complete, flags, arg, sz, /):
    """io_uring_enter(2); no argument can be given but a SigsetT."""
    size = integer(sz, 0, 2**64 - 1)
    return _liburing._enter(fd, to_submit, min_complete, flags, _mask(arg), size)


def io_uring_register_eventfd(ring, fd, /):
    """Signals the eventfd at each completion."""
    if integer(fd, -(2**31), 2**31 - 1) < 0:
        raise OSError(9, os.strerror(9))
    core(ring).eventfd(fd)
    return 0


def io_uring_unregister_eventfd(ring, /):
    """Stops the signals."""
    core(ring).eventfd(-1)
    return 0


def _files(files):
    """Descriptors, of a FileIndex or of a list as the older releases."""
    return list(files if isinstance(files, FileIndex) else FileIndex(files))


def io_uring_register_files(ring, files, nr_files=None, /):
    """Registers descriptors; 0."""
    files = _files(files)
    if nr_files is not None and integer(nr_files, 0, U32) > len(files):
        raise ValueError("fewer descriptors than the count")
    return core(ring).files(files[:nr_files])


def io_uring_unregister_files(ring, /):
    """Takes the registration back."""
    return core(ring).files([])


def io_uring_register_buffers(ring, iovecs, /, tags=0):
    """Registers writable buffers; the ring keeps them. The third argument is
    0, a list of tags, or the number of buffers."""
    items = _buffers(iovecs)
    if isinstance(tags, (list, tuple)):
        return core(ring).buffers(items, list(tags))
    if tags is not None and integer(tags, 0, 2**64 - 1) not in (0, len(items)):
        raise ValueError("neither 0 nor the number of buffers")
    return core(ring).buffers(items)


def _buffers(iovecs):
    if not isinstance(iovecs, Iovec):
        raise TypeError(f"an Iovec is required, not {type(iovecs).__name__}")
    return iovecs._items


def io_uring_unregister_buffers(ring, /):
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
