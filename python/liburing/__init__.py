"""io_uring for Python.

The function tier: the names and call styles of the PyPI package `liburing`
on memory-safe ground. The object tier: `with liburing.Ring(256) as ring`.
"""

from enum import IntEnum as _IntEnum

from . import _liburing, _prep, _queue, _register, _system
from ._classes import (
    CQE,
    SQE,
    Cqe,
    FileIndex,
    Iovec,
    OpenHow,
    Sockaddr,
    Statx,
    Timespec,
    io_uring,
    io_uring_cqe,
    io_uring_cqes,
    iovec,
    timespec,
)
from ._register import Probe
from ._ring import Operation, Ring

__version__ = _liburing.__version__

io_uring_op = _IntEnum(
    "io_uring_op",
    [*_liburing.operations(), ("IORING_OP_LAST", _liburing.constants()["IORING_OP_LAST"])],
)

for _module in (_prep, _queue, _register):
    globals().update(
        {
            name: value
            for name, value in vars(_module).items()
            if name.startswith(("io_uring_", "liburing_", "linux_"))
        }
    )
probe = _queue.probe
trap_error = _queue.trap_error
globals().update(
    {
        name: value
        for name, value in _liburing.constants().items()
        if not name.startswith("IORING_OP_")
    }
)
globals().update(
    {name: value for name, value in vars(_system).items() if name.isupper()}
)
AT_FDCWD = -100
