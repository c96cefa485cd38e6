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
