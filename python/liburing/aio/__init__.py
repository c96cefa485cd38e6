"""io_uring for asyncio.

Operations that are awaited on the running loop, of any kind (asyncio's,
uvloop's, or `EventLoop` of this package): files (`open`), sockets (`recv`,
`sendall`, `accept`, …), file system calls (`stat`, `rename`, …), `sleep` and
`copyfile`. Each loop has one ring, made at first use (Linux 5.11); what is
started during one turn of the loop is submitted together.

`EventLoop` is a whole event loop on a ring:

    with asyncio.Runner(loop_factory=liburing.aio.EventLoop) as runner:
        runner.run(main())

Cancelling a task that awaits an operation cancels the operation and waits
until the kernel has let go of its memory; CancelledError is raised then.
Errors are OSErrors of the right subclass, with `errno` and `strerror` as os has
them, and the operation's name in the attribute `operation` and, from Python 3.11
on, in a note.
"""

from ._files import File, open
from ._fs import (
    copyfile,
    link,
    mkdir,
    remove,
    rename,
    replace,
    rmdir,
    stat,
    symlink,
    unlink,
)
from ._loop import EventLoop, new_event_loop, run
from ._ops import fsync, poll, read, readinto, sleep, write
from ._sockets import (
    accept,
    connect,
    recv,
    recv_into,
    recvfrom,
    send,
    sendall,
    sendto,
    shutdown,
)
from ._text import TextFile
from ._wrapped import stderr, stderr_bytes, stdin, stdin_bytes, stdout, stdout_bytes, wrap

__all__ = [
    "EventLoop",
    "File",
    "TextFile",
    "accept",
    "connect",
    "copyfile",
    "fsync",
    "link",
    "mkdir",
    "new_event_loop",
    "open",
    "poll",
    "read",
    "readinto",
    "recv",
    "recv_into",
    "recvfrom",
    "remove",
    "rename",
    "replace",
    "rmdir",
    "run",
    "send",
    "sendall",
    "sendto",
    "shutdown",
    "sleep",
    "stat",
    "stderr",
    "stderr_bytes",
    "stdin",
    "stdin_bytes",
    "stdout",
    "stdout_bytes",
    "symlink",
    "unlink",
    "wrap",
    "write",
]


def __getattr__(name):
    # Not before they are asked for: policies are on their way out of asyncio.
    if name in ("EventLoopPolicy", "install"):
        from . import _policy

        return getattr(_policy, name)
    if name in ("os", "ospath", "tempfile"):
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
