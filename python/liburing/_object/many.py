"""Many operations at once: batches, and multishot operations."""

from __future__ import annotations

import os
import select as _select
import socket as _socket
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union, overload

from .._liburing import FixedFile
from .common import CLOEXEC, OP, Native, descriptor, directory, encode_path, unpack_address
from .results import FileStatus, ReceivedMessage, file_status, unpack_ancillary

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack

    from .._liburing import Batch, BufferPool, FixedBuffer, Stream
    from .common import File, Options, Path

    Files = Union[File, Sequence[File]]
    Offsets = Union[int, Sequence[int], Buffer, None]


class BatchOperations(Native):
    """Batches: one call starts all, one handle has all results."""

    __slots__ = ()

    def nops(self, count: int, **options: Unpack[Options]) -> Batch:
        """Does nothing, `count` times. Kernel 5.1."""
        return self._native.batch("nop", OP["NOP"], count, None, options)

    def read_batch(
        self, fd: Files, buffer: Buffer | FixedBuffer | Sequence[Buffer],
        offsets: Offsets = None, size: int | None = None, **options: Unpack[Options],
    ) -> Batch:  # fmt: skip
        """Reads many times. Kernel 5.6.

        `fd` is one file, or one for each read. `buffer` is a writable buffer or
        a FixedBuffer of which each read has the next `size` bytes (by default
        an equal part), or a list of buffers. `offsets` has one offset in bytes
        for each read: a range, a list or array of 64-bit integers; a number
        is where the first begins, the others following without a gap; None is
        the file position.

            batch = ring.read_batch(fd, bytearray(32 * 4096), range(0, 32 * 4096, 4096))
            for size in batch.result(): ...
        """
        return self._native.transfers("read", fd, buffer, offsets, size, options)

    def write_batch(
        self, fd: Files, buffer: Buffer | FixedBuffer | Sequence[Buffer],
        offsets: Offsets = None, size: int | None = None, **options: Unpack[Options],
    ) -> Batch:  # fmt: skip
        """Writes many times; arguments as read_batch. Kernel 5.6."""
        return self._native.transfers("write", fd, buffer, offsets, size, options)

    def recv_batch(
        self, fds: Sequence[File], buffer: Buffer | Sequence[Buffer], size: int | None = None,
        **options: Unpack[Options],
    ) -> Batch:  # fmt: skip
        """Receives once from each socket, into a part of `buffer` or a buffer
        each. Kernel 5.6."""
        return self._native.transfers("recv", fds, buffer, None, size, options)

    def send_batch(
        self, fds: Sequence[File], buffer: Buffer | Sequence[Buffer], size: int | None = None,
        **options: Unpack[Options],
    ) -> Batch:  # fmt: skip
        """Sends once to each socket, a part of `buffer` or a buffer each.
        Kernel 5.6."""
        return self._native.transfers("send", fds, buffer, None, size, options)

    def fsync_batch(self, fds: Sequence[File], **options: Unpack[Options]) -> Batch:
        """Flushes many files. Kernel 5.1."""
        files = list(fds)
        return self._native.batch("fsync", OP["FSYNC"], len(files), files, options)

    def close_batch(self, fds: Sequence[File], **options: Unpack[Options]) -> Batch:
        """Closes many descriptors. Kernel 5.6."""
        files = list(fds)
        return self._native.batch("close", OP["CLOSE"], len(files), files, options)

    def open_batch(
        self, paths: Iterable[Path], flags: int = os.O_RDONLY, mode: int = 0o666,
        *, dir_fd: int | None = None, **options: Unpack[Options],
    ) -> Batch:  # fmt: skip
        """Opens many files; the results are descriptors. Kernel 5.6."""
        return self._paths("open", "OPENAT", paths, dir_fd, flags | CLOEXEC, mode, None, options)

    def unlink_batch(
        self, paths: Iterable[Path], *, dir_fd: int | None = None, **options: Unpack[Options]
    ) -> Batch:
        """Removes many files. Kernel 5.11."""
        return self._paths("unlink", "UNLINKAT", paths, dir_fd, 0, 0, None, options)

    def mkdir_batch(
        self, paths: Iterable[Path], mode: int = 0o777, *, dir_fd: int | None = None,
        **options: Unpack[Options],
    ) -> Batch:  # fmt: skip
        """Makes many folders. Kernel 5.15."""
        return self._paths("mkdir", "MKDIRAT", paths, dir_fd, 0, mode, None, options)

    def statx_batch(
        self, paths: Sequence[Path], mask: int = 0xFFF, *, dir_fd: int | None = None,
        follow_symlinks: bool = True, **options: Unpack[Options],
    ) -> Batch:  # fmt: skip
        """Asks about many files; `liburing.statuses(batch)` has what was
        found. Kernel 5.6."""
        flags = 0 if follow_symlinks else 0x100
        block = bytearray(256 * len(paths))
        return self._paths("statx", "STATX", paths, dir_fd, flags, mask, block, options)

    def _paths(
        self, name: str, opcode: str, paths: Iterable[Path], dir_fd: int | None, flags: int,
        length: int, output: bytearray | None, options: Options,
    ) -> Batch:  # fmt: skip
        encoded = [encode_path(path) for path in paths]
        folder = directory(dir_fd)
        return self._native.path_batch(
            name, OP[opcode], folder, encoded, flags, length, output, options
        )


def statuses(batch: Batch) -> list[FileStatus | OSError]:
    """What a statx_batch found: a FileStatus or an OSError for each path."""
    errors = batch.errors()
    return [
        errors[place] if place in errors else file_status(batch.buffer, 256 * place)
        for place in range(len(batch))
    ]


def _message(data: bytes, control: bytes, flags: int, address: bytes) -> ReceivedMessage:
    return ReceivedMessage(data, unpack_ancillary(control), flags, unpack_address(address))


def _ends_empty(fd: Any) -> bool:
    """Whether a message without data is the end of what a socket brings. Of a
    FixedFile that is not known: its messages are datagrams."""
    if isinstance(fd, FixedFile):
        return False
    try:
        found = _socket.socket(fileno=os.dup(descriptor(fd)))
    except OSError:
        # The operation says what is wrong with it.
        return False
    with found:
        return found.type in (_socket.SOCK_STREAM, _socket.SOCK_SEQPACKET)


class StreamOperations(Native):
    """Multishot operations: started once, iterated over.

    A `for` loop waits for what comes next; `take()` gives what is there, for
    use with completions(). Leaving a loop early does not end the operation:
    `cancel()` does, or a `with` block around it.
    """

    __slots__ = ()

    @overload
    def accept_multishot(
        self, fd: File, *, flags: int = _socket.SOCK_CLOEXEC, slot: Literal[False] = False,
        **options: Unpack[Options],
    ) -> Stream[int]: ...  # fmt: skip

    @overload
    def accept_multishot(
        self, fd: File, *, flags: int = _socket.SOCK_CLOEXEC, slot: Literal[True],
        **options: Unpack[Options],
    ) -> Stream[FixedFile]: ...  # fmt: skip

    def accept_multishot(
        self, fd: File, *, flags: int = _socket.SOCK_CLOEXEC, slot: bool = False,
        **options: Unpack[Options],
    ) -> Stream[Any]:  # fmt: skip
        """Connections of a listening socket: descriptors, or with `slot`
        FixedFiles in free slots of the ring's table. Kernel 5.19."""
        flags = int(flags) & ~_socket.SOCK_CLOEXEC if slot else int(flags)
        return self._native.accept_stream("accept", fd, flags, slot, options)

    @overload
    def recv_multishot(
        self, fd: File, pool: BufferPool, flags: int = 0, *, copy: Literal[True] = True,
        bundle: bool = False,
        **options: Unpack[Options],
    ) -> Stream[bytes]: ...  # fmt: skip

    @overload
    def recv_multishot(
        self, fd: File, pool: BufferPool, flags: int = 0, *, copy: bool, bundle: bool = False,
        **options: Unpack[Options],
    ) -> Stream[Any]: ...  # fmt: skip

    def recv_multishot(
        self, fd: File, pool: BufferPool, flags: int = 0, *, copy: bool = True,
        bundle: bool = False, **options: Unpack[Options],
    ) -> Stream[Any]:  # fmt: skip
        """What arrives at a socket, as bytes, until the peer ends. Kernel 6.0.

        With `copy=False` read-only views of the pool's memory, which hold what
        arrived until the next one is taken. With `bundle` all that is there at
        once, in as many buffers as it takes (kernel 6.10); ValueError together
        with `copy=False`.
        """
        if bundle and not copy:
            raise ValueError("a bundle is copied out of its buffers")
        return self._native.data_stream("recv", fd, pool, True, flags, copy, bundle, options)

    def recvmsg_multishot(
        self, fd: File, pool: BufferPool, ancillary_size: int = 0, flags: int = 0,
        *, address: bool = True, **options: Unpack[Options],
    ) -> Stream[ReceivedMessage]:  # fmt: skip
        """Messages that arrive at a socket: each a ReceivedMessage of its data, its
        ancillary data of at most `ancillary_size` bytes, its flags
        (socket.MSG_TRUNC, MSG_CTRUNC) and, if it is asked for, the sender's
        address. Kernel 6.0.

        Each takes one buffer of the pool, of which 16 bytes, `ancillary_size`
        and 128 bytes for the address are not for data: ValueError when nothing
        is left. A datagram that is longer is cut. On a connected stream it ends
        with the peer.
        """
        if not 0 <= ancillary_size <= 2**20:
            raise ValueError("0 to 1048576 bytes of ancillary data")
        room = (128 if address else 0, ancillary_size)
        return self._native.message_stream(
            "recvmsg", fd, pool, room, flags, _ends_empty(fd), _message, options
        )

    @overload
    def read_multishot(
        self, fd: File, pool: BufferPool, *, copy: Literal[True] = True,
        **options: Unpack[Options],
    ) -> Stream[bytes]: ...  # fmt: skip

    @overload
    def read_multishot(
        self, fd: File, pool: BufferPool, *, copy: bool, **options: Unpack[Options]
    ) -> Stream[Any]: ...

    def read_multishot(
        self, fd: File, pool: BufferPool, *, copy: bool = True, **options: Unpack[Options]
    ) -> Stream[Any]:
        """What arrives at a pipe or terminal, as bytes, until its end; `copy`
        as in recv_multishot. Kernel 6.7."""
        return self._native.data_stream("read", fd, pool, False, 0, copy, False, options)

    def poll_multishot(
        self, fd: File, events: int = _select.POLLIN, **options: Unpack[Options]
    ) -> Stream[int]:
        """Each time a file becomes ready: the events, select.POLL*.
        Kernel 5.13."""
        return self._native.poll_stream("poll", fd, events, options)

    def timeout_multishot(
        self, seconds: float, count: int = 0, **options: Unpack[Options]
    ) -> Stream[int]:
        """Ticks, numbered from 1, `count` of them or without end. Kernel 6.4."""
        return self._native.timer_stream("timeout", seconds, count, options)

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        """`count` buffers (a power of two up to 32768) of `size` bytes from
        which the kernel takes one when data arrives: for recv, read and their
        multishot forms. Kernel 5.19."""
        return self._native.buffer_pool(count, size)
