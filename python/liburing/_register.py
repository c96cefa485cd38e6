"""Registration, and questions about ring, kernel and library."""

import os
from enum import IntEnum

from . import _liburing
from ._classes import FileIndex, core, integer
from ._liburing import (
    io_uring_cq_eventfd_enabled,
    io_uring_cq_eventfd_toggle,
    io_uring_cq_has_overflow,
    io_uring_enable_rings,
    io_uring_register_buffers_sparse,
    io_uring_register_eventfd_async,
    io_uring_register_file_alloc_range,
    io_uring_register_files_sparse,
    io_uring_register_personality,
    io_uring_set_iowait,
    io_uring_unregister_personality,
)

_C = _liburing.constants()
_VERSION = (2, 15)

io_uring_socket_op = IntEnum(
    "io_uring_socket_op",
    {
        f"SOCKET_URING_OP_{name}": number
        for number, name in enumerate(
            ("SIOCINQ", "SIOCOUTQ", "GETSOCKOPT", "SETSOCKOPT", "TX_TIMESTAMP", "GETSOCKNAME")
        )
    },
)


def io_uring_register_files_update(ring, fds, *args, offset=None):
    """Replaces registered files from a slot on: (fds, offset), or (offset, fds,
    count) as the older releases; the number replaced."""
    if isinstance(fds, int) and len(args) == 2 and offset is None:
        offset, (fds, count) = fds, args
        if not isinstance(fds, FileIndex) or count != len(list(fds)):
            raise ValueError("a FileIndex and its length are required")
    elif len(args) == 1 and offset is None:
        (offset,) = args
    elif args:
        raise TypeError("too many arguments")
    if not isinstance(fds, FileIndex):
        raise TypeError("a FileIndex is required")
    return _liburing._files_update(ring, list(fds), offset or 0)


class Probe:
    """Which operations the kernel has; from io_uring_get_probe."""

    __slots__ = ("_found",)

    def __init__(self):
        raise NotImplementedError("use io_uring_get_probe()")

    def _operations(self):
        if self._found is None:
            raise MemoryError("the probe was freed")
        return self._found

    @property
    def last_op(self):
        """The last operation the kernel knows, of those known here."""
        found = self._operations()
        return max((number for number, has in enumerate(found) if has), default=0)

    @property
    def ops_len(self):
        """How many operations that are."""
        return self.last_op + 1


def _probe(native):
    probe = object.__new__(Probe)
    probe._found = native.probe()
    return probe


def io_uring_get_probe():
    """Asks the kernel through a ring of its own. Kernel 5.6."""
    native = _liburing.Core(2)
    try:
        return _probe(native)
    finally:
        native.close()


def io_uring_get_probe_ring(ring):
    """Asks the kernel. Kernel 5.6."""
    return _probe(core(ring))


def io_uring_free_probe(probe):
    """Empties it."""
    if not isinstance(probe, Probe):
        raise TypeError("a Probe is required")
    probe._found = None


def io_uring_opcode_supported(probe, op):
    """Whether the kernel has the operation."""
    if not isinstance(probe, Probe):
        raise TypeError("a Probe is required")
    found = probe._operations()
    return 0 <= integer(op, -(2**31), 2**31 - 1) < len(found) and found[op]


def io_uring_sqe_shift_from_flags(flags):
    """1 for entries of 128 bytes, else 0."""
    return int(bool(integer(flags, 0, 2**32 - 1) & _C["IORING_SETUP_SQE128"]))


def io_uring_sqe_shift(ring):
    """1 for entries of 128 bytes, else 0."""
    return io_uring_sqe_shift_from_flags(core(ring).flags)


def liburing_version_major():
    """Of the interface."""
    return _VERSION[0]


def liburing_version_minor():
    """Of the interface."""
    return _VERSION[1]


def liburing_version_check(major, minor):
    """Whether the library is OLDER than that."""
    return _VERSION < (integer(major, 0, 65535), integer(minor, 0, 65535))


def linux_version_check(version):
    """Whether the running kernel is OLDER than `major` or `major.minor`."""
    if not isinstance(version, (str, int, float)):
        raise TypeError("a version is required")
    parts = str(version).split(".")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise ValueError(f"not major.minor: {version!r}")
    wanted = (int(parts[0]), int(parts[1]) if len(parts) == 2 else 0)
    major, minor = os.uname().release.split(".")[:2]
    digits = "".join(c for c in minor if c.isdecimal())
    return (int(major), int(digits)) < wanted
