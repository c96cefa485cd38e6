"""io_uring for Python.

The function tier: the names and call styles of the PyPI package `liburing`
on memory-safe ground. The object tier: `with liburing.Ring(256) as ring`.
"""

from enum import IntEnum as _IntEnum

from . import _liburing, _newer, _older, _prep, _queue, _register, _structs, _system
from ._classes import (
    CQE,
    FUTEX,
    SQE,
    BufRing,
    Cqe,
    CqeIter,
    FileIndex,
    Futex,
    Iovec,
    OpenHow,
    Param,
    Sockaddr,
    Sqe,
    Statx,
    Timespec,
    timespec,
)
from ._liburing import (
    Batch,
    BufferPool,
    FixedBuffer,
    FixedFile,
    Group,
    Operation,
    RingMessage,
    Stream,
)
from ._newer import QueryHdr, QueryOpcode, QueryScq, QueryZcrx, ZcrxCtrl
from ._object.many import statuses
from ._object.results import ChildStatus, FileStatus, Received, ReceivedMessage
from ._register import Probe
from ._ring import FEATURES, Ring
from ._structs import (
    Bpf,
    BufReg,
    ClockRegister,
    Cmsghdr,
    EpollEvent,
    MemRegionReg,
    Msghdr,
    Napi,
    RecvmsgOut,
    RegWait,
    Restriction,
    SigsetT,
    SyncCancelReg,
    ZcrxIfqReg,
)

__version__ = _liburing.__version__
from ._chaos import Decision, chaos  # noqa: E402

choose_engine = _liburing.choose_engine
engine_of = _liburing.engine_of
_liburing._usual(Ring, Cqe)

io_uring_op = _IntEnum(
    "io_uring_op",
    [*_liburing.operations(), ("IORING_OP_LAST", _liburing.constants()["IORING_OP_LAST"])],
)

for _module in (_prep, _queue, _register, _newer):
    globals().update(
        {
            name: value
            for name, value in vars(_module).items()
            if name.startswith(("io_uring_", "__io_uring_", "liburing_", "linux_"))
        }
    )
probe = _queue.probe
put_sqe = _queue.put_sqe
trap_error = _queue.trap_error
setsockopt = _prep.setsockopt
getsockopt = _prep.getsockopt
globals().update(_liburing.constants())
globals().update(
    {name: value for name, value in vars(_system).items() if name.isupper()}
)
AT_FDCWD = -100

# The older releases, where no newer name stands in the way.
globals().update(_older.CONSTANTS)
globals().update(
    {
        name: value
        for name, value in vars(_older).items()
        if getattr(value, "__module__", None) == _older.__name__
        and not name.startswith("_")
    }
)
from ._older import (  # noqa: E402
    NULL,
    get_sqe,
    get_sqes,
    io_uring,
    io_uring_buf_ring,
    io_uring_cqe,
    io_uring_cqes,
    io_uring_prep_getsockopt,
    io_uring_prep_setsockopt,
    io_uring_probe,
    io_uring_put_sqe,
    io_uring_sqe,
)
