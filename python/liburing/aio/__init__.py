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
Errors are OSErrors of the right subclass, with `errno` and the name of the
operation in the message and in the attribute `operation`.
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

__all__ = [
    "File",
    "TextFile",
    "accept",
    "connect",
    "copyfile",
    "fsync",
    "link",
    "mkdir",
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
    "send",
    "sendall",
    "sendto",
    "shutdown",
    "sleep",
    "stat",
    "symlink",
    "unlink",
    "write",
]
