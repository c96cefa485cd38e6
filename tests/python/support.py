"""What tests of the function tier share."""

import contextlib
import functools
import os

import liburing as u
import pytest


@contextlib.contextmanager
def made(entries=8, flags=0, kind=u.Ring):
    """A ring that is taken down whatever happens."""
    ring = kind()
    u.io_uring_queue_init(entries, ring, flags)
    try:
        yield ring
    finally:
        if ring._core is not None:
            u.io_uring_queue_exit(ring)


def bare_setup(entries, param):
    """io_uring_setup; skips where only the userspace engine serves rings, since
    that is the kernel's alone."""
    try:
        return u.io_uring_setup(entries, param)
    except OSError as error:
        with made() as ring:
            engine, _ = u.engine_of(ring.ring_fd)
        if engine == "userspace":
            pytest.skip(f"the bare io_uring_setup is the kernel's: {error}")
        raise


def start(ring, prepare, *args, tag=7, flags=0, **kwargs):
    """Prepares one operation and submits it."""
    sqe = u.io_uring_get_sqe(ring)
    prepare(sqe, *args, **kwargs)
    sqe.user_data = tag
    if flags:
        u.io_uring_sqe_set_flags(sqe, sqe.flags | flags)
    assert u.io_uring_submit(ring) == 1


def refused(error, prepare, *args, **kwargs):
    """An entry is not prepared with these arguments."""
    with pytest.raises(error):
        prepare(u.Sqe(), *args, **kwargs)


def finish(ring):
    """`(tag, res, flags)` of the next completion; res may be negative."""
    cqe = u.Cqe()
    u.io_uring_wait_cqe_timeout(ring, cqe, u.timespec(10))
    entry = cqe[0]
    try:
        res = entry.res
    except OSError as error:
        res = -error.errno
    u.io_uring_cqe_seen(ring, entry)
    return entry.user_data, res, entry.flags


def run(ring, prepare, *args, **kwargs):
    """The result of one operation; OSError when it failed."""
    start(ring, prepare, *args, **kwargs)
    _, res, _ = finish(ring)
    return u.trap_error(res)


@functools.cache
def known():
    """Operations of this kernel, by name."""
    return u.probe()


def needs(operation):
    """Skips, with the reason, where the kernel lacks an operation."""
    if not known()[f"IORING_OP_{operation}"]:
        pytest.skip(f"Linux {os.uname().release} has no IORING_OP_{operation}")
