"""Operations on files."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, overload

from .. import _liburing
from .common import (
    CLOEXEC, CONSTANTS, FILE_POSITION, OP, Native, descriptor, directory, encode_path, fixed_or_fd,
    position, slot_field, slot_result,
)  # fmt: skip
from .results import FileStatus, file_status

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack

    from .._liburing import BufferPool, FixedBuffer, FixedFile, Operation
    from .common import File, Options, Path, ReadInto


class FileOperations(Native):
    """Reading, writing and what else is done to an open file."""

    __slots__ = ()

    @overload
    def read(
        self, fd: File, buffer: int | BufferPool, offset: int | None = None,
        *, flags: int = 0, **options: Unpack[Options],
    ) -> Operation[bytes]: ...  # fmt: skip

    @overload
    def read(
        self, fd: File, buffer: ReadInto, offset: int | None = None,
        *, flags: int = 0, **options: Unpack[Options],
    ) -> Operation[int]: ...  # fmt: skip

    def read(
        self, fd: File, buffer: Any, offset: int | None = None,
        *, flags: int = 0, **options: Unpack[Options],
    ) -> Operation[Any]:  # fmt: skip
        """Reads from a file, as pread(2). Kernel 5.6.

        `buffer` is a writable buffer or a FixedBuffer: the result is the
        number of bytes read, 0 at the end of the file. Or a number of bytes or
        a BufferPool: the result is the bytes read. `offset` is in bytes, None
        for the file position; `flags` are os.RWF_*.

        Raises TypeError for a read-only buffer. Errors: EBADF, EISDIR, …
        """
        engine = self._engine or self._native
        offset = FILE_POSITION if offset is None else offset
        return engine.transfer("read", fd, buffer, offset, flags, None, options)

    def write(
        self, fd: File, buffer: Buffer | FixedBuffer, offset: int | None = None,
        *, flags: int = 0, **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Writes a buffer, as pwrite(2); the result is the number of bytes
        written, which may be fewer. Kernel 5.6.

        `offset` is in bytes, None for the file position; `flags` are os.RWF_*.
        The buffer must not be changed before the operation is done, and a
        bytearray cannot be resized: BufferError.
        """
        engine = self._engine or self._native
        offset = FILE_POSITION if offset is None else offset
        return engine.transfer("write", fd, buffer, offset, flags, None, options)

    def readv(
        self, fd: File, buffers: Iterable[Buffer | FixedBuffer], offset: int | None = None,
        *, flags: int = 0, **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Reads into 1 to 1024 writable buffers, as preadv2(2); the result is
        the number of bytes. Kernel 5.1; parts of one registered buffer 6.15.

        Raises TypeError for a mixture of registered and other buffers,
        ValueError for parts of several registered buffers.
        """
        return self._vector("readv", fd, list(buffers), position(offset), flags, options)

    def writev(
        self, fd: File, buffers: Iterable[Buffer | FixedBuffer], offset: int | None = None,
        *, flags: int = 0, **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Writes 1 to 1024 buffers, as pwritev2(2); the result is the number
        of bytes. Kernel 5.1; parts of one registered buffer, as readv, 6.15."""
        return self._vector("writev", fd, list(buffers), position(offset), flags, options)

    def fsync(
        self, fd: File, *, datasync: bool = False, **options: Unpack[Options]
    ) -> Operation[int]:
        """Flushes a file to its device; with `datasync` only what reading it
        back needs. Kernel 5.1."""
        flags = CONSTANTS["IORING_FSYNC_DATASYNC"] if datasync else 0
        return self._simple("fsync", fd, 0, None, flags, options)

    def sync_file_range(
        self, fd: File, offset: int = 0, nbytes: int = 0, flags: int = 2,
        **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Flushes `nbytes` bytes from `offset`, 0 for all up to the end, as
        sync_file_range(2). Kernel 5.2."""
        return self._simple("sync_file_range", fd, nbytes, offset, flags, options)

    def fallocate(
        self, fd: File, offset: int, length: int, mode: int = 0, **options: Unpack[Options]
    ) -> Operation[int]:
        """Allocates `length` bytes from `offset`, as fallocate(2). Kernel 5.6."""
        return self._native.start(
            "fallocate", OP["FALLOCATE"], fd, length, mode, offset, 0,
            None, 0, 0, None, None, options,
        )  # fmt: skip

    def ftruncate(self, fd: File, length: int, **options: Unpack[Options]) -> Operation[int]:
        """Gives a file a length in bytes. Kernel 6.9."""
        return self._simple("ftruncate", fd, 0, length, 0, options)

    def fadvise(
        self, fd: File, offset: int, length: int, advice: int, **options: Unpack[Options]
    ) -> Operation[int]:
        """Tells how `length` bytes from `offset` will be used, os.POSIX_FADV_*;
        a length of 0 is up to the end. Kernel 5.6."""
        # Kernels before 6.11 read the length from the 32-bit field only.
        short = length if 0 <= length < 2**32 else 0
        wide = 0 if short else length
        return self._native.start(
            "fadvise", OP["FADVISE"], fd, wide, short, offset, advice,
            None, 0, 0, None, None, options,
        )  # fmt: skip

    def madvise(self, memory: Buffer, advice: int, **options: Unpack[Options]) -> Operation[int]:
        """Tells how memory will be used, mmap.MADV_*. The memory is writable and
        made of whole pages. Advice that takes contents away needs an mmap;
        advice that makes other memory of pages (guards, other contents in
        children) is a ValueError. Kernel 5.6."""
        return self._native.start(
            "madvise", OP["MADVISE"], -1, memory, 0, None, advice, None, 0, 0, None, None, options
        )

    def splice(
        self, fd_in: File, offset_in: int | None, fd_out: File, offset_out: int | None,
        nbytes: int, flags: int = 0, **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Moves up to `nbytes` bytes between a pipe and a file; offsets are
        None for pipes and for file positions. The result is the number of
        bytes, 0 at the end. Kernel 5.7."""
        return self._moved(
            "splice", fd_in, position(offset_in), fd_out, position(offset_out), nbytes, flags, options
        )

    def tee(
        self, fd_in: File, fd_out: File, nbytes: int, flags: int = 0, **options: Unpack[Options]
    ) -> Operation[int]:
        """Copies up to `nbytes` bytes from one pipe to another without taking
        them; the result is the number of bytes. Kernel 5.8."""
        return self._moved("tee", fd_in, None, fd_out, None, nbytes, flags, options)

    @overload
    def open(
        self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666,
        *, dir_fd: int | None = None, slot: None = None, **options: Unpack[Options],
    ) -> Operation[int]: ...  # fmt: skip

    @overload
    def open(
        self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666,
        *, dir_fd: int | None = None, slot: FixedFile | bool, **options: Unpack[Options],
    ) -> Operation[FixedFile]: ...  # fmt: skip

    def open(
        self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666,
        *, dir_fd: int | None = None, slot: FixedFile | bool | None = None,
        **options: Unpack[Options],
    ) -> Operation[Any]:  # fmt: skip
        """Opens a file, as os.open; the result is a descriptor, not inherited
        by programs started later. Kernel 5.6.

        `flags` are os.O_*; `mode` the permissions of a file that is created. A
        relative path starts at `dir_fd`. With `slot` the file goes into the
        ring's table of files instead and the result is a FixedFile: the slot
        given, or a free one for True (kernel 5.15, 5.19 for True).

        Errors: FileNotFoundError, PermissionError, … with the path.
        """
        # Files in the table are in no program's reach.
        flags |= 0 if slot else CLOEXEC
        return self._native.start(
            "open", OP["OPENAT"], directory(dir_fd), encode_path(path), mode, None, flags,
            None, 0, slot_field(slot), slot_result(slot), path, options,
        )  # fmt: skip

    openat = open

    def openat2(
        self, path: Path, flags: int = os.O_RDONLY, mode: int = 0, resolve: int = 0,
        *, dir_fd: int | None = None, slot: FixedFile | bool | None = None,
        **options: Unpack[Options],
    ) -> Operation[Any]:  # fmt: skip
        """Opens a file under the rules `resolve`, RESOLVE_*, as openat2(2); the
        result is a descriptor, or with `slot` a FixedFile as open() has it.
        Kernel 5.6, `slot` 5.15, True for it 5.19."""
        how = struct.pack("=QQQ", flags | (0 if slot else CLOEXEC), mode, resolve)
        return self._native.start(
            "openat2", OP["OPENAT2"], directory(dir_fd), encode_path(path), 0, how, 0,
            None, 0, slot_field(slot), slot_result(slot), path, options,
        )  # fmt: skip

    def close_fd(self, fd: File, **options: Unpack[Options]) -> Operation[int]:
        """Closes a descriptor, or empties the slot of a FixedFile. Kernel 5.6.

        Objects that close their descriptor themselves are better asked to.
        """
        slot = getattr(fd, "index", None)
        number: Any = 0 if slot is not None else fd
        return self._native.start(
            "close", OP["CLOSE"], number, None, 0, None, 0,
            None, 0, 0 if slot is None else slot + 1, None, None, options,
        )  # fmt: skip

    def statx(
        self, path: Path = "", flags: int = 0, mask: int = 0xFFF,
        *, dir_fd: int | None = None, follow_symlinks: bool = True, **options: Unpack[Options],
    ) -> Operation[FileStatus]:  # fmt: skip
        """What there is to know of a file; the result is a FileStatus.
        Kernel 5.6.

        With an empty path it is the file `dir_fd`. `flags` are AT_*, `mask`
        STATX_*.
        """
        encoded = encode_path(path)
        flags |= 0 if encoded else CONSTANTS.get("AT_EMPTY_PATH", 0x1000)
        flags |= 0 if follow_symlinks else 0x100
        block = bytearray(256)
        return self._native.start(
            "statx", OP["STATX"], directory(dir_fd), encoded, mask, block, flags,
            None, 0, 0, lambda res: file_status(block), path, options,
        )  # fmt: skip

    def pipe(
        self, flags: int = CLOEXEC, *, slot: FixedFile | bool | None = None,
        **options: Unpack[Options],
    ) -> Operation[tuple[Any, Any]]:  # fmt: skip
        """Makes a pipe; the result is (read end, write end): descriptors, or
        with `slot` FixedFiles, in the slot given and the one after it, or in two
        free ones for True. Kernel 6.16."""
        ends = bytearray(8)
        flags &= ~CLOEXEC if slot else -1

        def finish(res: int) -> tuple[Any, Any]:
            first, second = struct.unpack("=ii", ends)
            if slot is None or slot is False:
                return first, second
            if slot is not True:
                first, second = slot.index, slot.index + 1
            return _liburing.FixedFile(first), _liburing.FixedFile(second)

        return self._native.start(
            "pipe", OP["PIPE"], 0, ends, 0, None, flags,
            None, 0, slot_field(slot), finish, None, options,
        )  # fmt: skip

    def fixed_fd_install(
        self, file: FixedFile, *, inheritable: bool = False, **options: Unpack[Options]
    ) -> Operation[int]:
        """Makes a descriptor of a file in the ring's table; programs started
        later have it too if it is `inheritable`. Kernel 6.8."""
        flags = CONSTANTS["IORING_FIXED_FD_NO_CLOEXEC"] if inheritable else 0
        return self._simple("fixed_fd_install", file, 0, None, flags, options)

    def files_update(
        self, first: FixedFile | int, files: Iterable[File], **options: Unpack[Options]
    ) -> Operation[int]:
        """Replaces files of the ring's table from `first` on, as an operation
        that can be part of a chain; -1 empties a slot. The result is how many
        were replaced. Kernel 5.6. `update_files()` does it at once.

        The files must stay open until it is done.
        """
        at = first if isinstance(first, int) else first.index
        held = list(files)
        fds = [descriptor(file) for file in held]
        return self._native.start(
            "files_update", OP["FILES_UPDATE"], -1, bytearray(struct.pack(f"={len(fds)}i", *fds)),
            0, at, 0, None, 0, 0, lambda res, held=held: res, None, options,
        )  # fmt: skip

    def _vector(
        self, name: str, fd: File, buffers: list[Any], offset: int, flags: int, options: Options
    ) -> Operation[int]:
        """readv or writev, of registered buffers or others."""
        fixed = [isinstance(buffer, _liburing.FixedBuffer) for buffer in buffers]
        if any(fixed):
            if not all(fixed):
                raise TypeError("registered buffers do not go together with others")
            return self._native.fixed_vector(name, fd, buffers, offset, flags, options)
        return self._native.start(
            name, OP[name.upper()], fd, buffers, 0, offset, flags,
            None, 0, 0, None, None, options,
        )  # fmt: skip

    def _moved(
        self, name: str, fd_in: File, offset_in: int | None, fd_out: File,
        offset_out: int | None, nbytes: int, flags: int, options: Options,
    ) -> Operation[int]:  # fmt: skip
        """splice or tee; the object that is read from is kept with the handle."""
        number, fixed = fixed_or_fd(fd_in)
        flags |= CONSTANTS["SPLICE_F_FD_IN_FIXED"] if fixed else 0
        return self._native.start(
            name, OP[name.upper()], fd_out, offset_in, nbytes, offset_out, flags,
            None, 0, number, lambda res, held=fd_in: res, None, options,
        )  # fmt: skip

    def _simple(
        self, name: str, fd: File, length: int, offset: int | None, flags: int, options: Options
    ) -> Operation[Any]:
        """An operation whose arguments are numbers and whose result is one."""
        return self._native.start(
            name, OP[name.upper()], fd, None, length, offset, flags, None, 0, 0, None, None, options
        )
