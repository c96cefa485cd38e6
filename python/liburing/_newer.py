"""Names of the C interface that the package of PyPI does not have."""

import struct
from typing import NamedTuple

from . import _liburing, _register
from ._classes import CQE, Cqe, Param, _Block, _field, core, integer
from ._liburing import io_uring_get_sqe128, io_uring_initialize_sqe

_C = _liburing.constants()
_VERSION = _register._VERSION
U32 = 2**32 - 1


def io_uring_major_version():
    """Of the interface, as liburing_version_major."""
    return _VERSION[0]


def io_uring_minor_version():
    """Of the interface, as liburing_version_minor."""
    return _VERSION[1]


def io_uring_check_version(major, minor, /):
    """Whether the library is OLDER than that, as liburing_version_check."""
    low, high = -(2**31), 2**31 - 1
    return _VERSION < (integer(major, low, high), integer(minor, low, high))


def io_uring_memory_size(entries, flags, /):
    """Bytes of memory the queues of such a ring take, for
    io_uring_queue_init_mem; OSError (EINVAL) for a size there is not."""
    return _liburing._memory_size(entries, flags, 0)


def io_uring_memory_size_params(entries, p, /):
    """The same for a ring with these parameters."""
    if not isinstance(p, Param):
        raise TypeError(f"a Param is required, not {type(p).__name__}")
    return _liburing._memory_size(entries, p.flags, p.cq_entries)


def io_uring_cqe_nr(cqe, /):
    """Slots a completion takes: 2 for one of 32 bytes on a ring with
    IORING_SETUP_CQE_MIXED, else 1."""
    if not isinstance(cqe, (CQE, Cqe)):
        raise TypeError(f"a CQE is required, not {type(cqe).__name__}")
    entry = cqe if isinstance(cqe, CQE) else cqe[0]
    return 2 if entry.flags & _C["IORING_CQE_F_32"] else 1


def io_uring_cqe_shift_from_flags(flags, /):
    """1 for completions of 32 bytes, else 0."""
    return int(bool(integer(flags, 0, U32) & _C["IORING_SETUP_CQE32"]))


def io_uring_cqe_shift(ring, /):
    """1 for completions of 32 bytes, else 0."""
    return io_uring_cqe_shift_from_flags(core(ring).flags)


def __io_uring_buf_ring_cq_advance(ring, br, cq_count, buf_count, /):
    """Gives `cq_count` completions back, and `buf_count` buffers to the kernel."""
    cq_count = integer(cq_count, 0, 2**31 - 1)
    _register.io_uring_buf_ring_advance(br, buf_count)
    core(ring).advance(cq_count)


def __io_uring_clone_buffers(dst, src, flags, /):
    """As io_uring_clone_buffers. Kernel 6.12."""
    return _register.io_uring_clone_buffers(dst, src, flags)


def __io_uring_clone_buffers_offset(dst, src, dst_off, src_off, nr, flags, /):
    """As io_uring_clone_buffers_offset. Kernel 6.13."""
    return _register.io_uring_clone_buffers_offset(dst, src, dst_off, src_off, nr, flags)


# ---- queries


class QueryOpcode(NamedTuple):
    """The answer to IO_URING_QUERY_OPCODES: what the kernel has."""

    nr_request_opcodes: int
    nr_register_opcodes: int
    feature_flags: int
    ring_setup_flags: int
    enter_flags: int
    sqe_flags: int
    nr_query_opcodes: int


class QueryZcrx(NamedTuple):
    """The answer to IO_URING_QUERY_ZCRX: zero-copy receive."""

    register_flags: int
    area_flags: int
    nr_ctrl_opcodes: int
    features: int
    rq_hdr_size: int
    rq_hdr_alignment: int


class QueryScq(NamedTuple):
    """The answer to IO_URING_QUERY_SCQ: the header of the queues."""

    hdr_size: int
    hdr_alignment: int


_ANSWERS = {
    "IO_URING_QUERY_OPCODES": (QueryOpcode, "=IIQQQQI"),
    "IO_URING_QUERY_ZCRX": (QueryZcrx, "=QQIIII"),
    "IO_URING_QUERY_SCQ": (QueryScq, "=QQ"),
}
_BY_NUMBER = {_C[name]: answer for name, answer in _ANSWERS.items()}


class QueryHdr:
    """A question to the kernel, IO_URING_QUERY_*, and the one after it.

    io_uring_register_query fills `result`, 0 or -errno, `size`, the bytes of
    the answer, and `query_data`, the answer: a QueryOpcode, QueryZcrx or
    QueryScq, bytes for a query not known here, None where there is none. An
    older kernel's shorter answer has zeroes at its end.
    """

    __slots__ = ("query_op", "next_entry", "result", "size", "query_data")

    def __init__(self, query_op=0, next_entry=None):
        self.query_op = integer(query_op, 0, U32)
        if next_entry is not None and not isinstance(next_entry, QueryHdr):
            raise TypeError(f"a QueryHdr is required, not {type(next_entry).__name__}")
        self.next_entry = next_entry
        self.result, self.size, self.query_data = 0, 0, None

    def __repr__(self):
        return f"QueryHdr({self.query_op}, result={self.result}, query_data={self.query_data})"

    def _answer(self, result, data):
        self.result, self.size, self.query_data = result, len(data), None
        if result < 0:
            return
        kind, form = _BY_NUMBER.get(self.query_op, (None, ""))
        if kind is None:
            self.query_data = data
        else:
            whole = data.ljust(struct.calcsize(form), b"\0")
            self.query_data = kind._make(struct.unpack_from(form, whole))


def io_uring_register_query(query, /):
    """Asks the kernel what a QueryHdr and those after it ask; 0. Needs no ring.
    Kernel 6.18.

    Raises OSError (EINVAL) on older kernels, ValueError for more than 1000
    queries or a chain without end. That the kernel does not know one of them
    shows in its `result`.
    """
    chain = []
    while query is not None:
        if not isinstance(query, QueryHdr):
            raise TypeError(f"a QueryHdr is required, not {type(query).__name__}")
        if any(query is other for other in chain) or len(chain) == 1000:
            raise ValueError("a chain of queries is longer than 1000, or has no end")
        chain.append(query)
        query = query.next_entry
    if not chain:
        raise TypeError("a QueryHdr is required, not NoneType")
    answers = _liburing._query([integer(query.query_op, 0, U32) for query in chain])
    for query, answer in zip(chain, answers):
        query._answer(*answer)
    return 0


class ZcrxCtrl(_Block):
    """What is to be done with a zero-copy receive queue: ZCRX_CTRL_FLUSH_RQ, or
    ZCRX_CTRL_EXPORT, which fills `zcrx_fd`."""

    __slots__ = ()
    _size = 72
    zcrx_id, op, zcrx_fd = _field(0, "I"), _field(4, "I"), _field(24, "I")

    def __init__(self, *, zcrx_id=0, op=0):
        super().__init__()
        self.zcrx_id, self.op = zcrx_id, op


def io_uring_register_zcrx_ctrl(ring, ctrl, /):
    """Controls a zero-copy receive queue; 0. Newer than kernel 6.18."""
    if not isinstance(ctrl, ZcrxCtrl):
        raise TypeError(f"a ZcrxCtrl is required, not {type(ctrl).__name__}")
    return _liburing._register_block(ring, _C["IORING_REGISTER_ZCRX_CTRL"], ctrl._memory)
