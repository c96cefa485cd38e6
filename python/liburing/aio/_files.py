"""Files: `open` and what binary modes give."""

import asyncio
import io
import os
import stat as _stat
import warnings

from . import _ops
from ._ring import make_descriptor, native, start, start_for_good
from ._text import TextFile

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
# What readline and iteration fetch at a time, bytes.
AHEAD = 64 << 10
# What read() to the end fetches at a time when the size says nothing, bytes.
PIECE = 256 << 10


def open(
    file,
    mode="r",
    buffering=-1,
    encoding=None,
    errors=None,
    newline=None,
    closefd=True,
    *,
    perm=0o666,
):
    """Opens a file, with the arguments of the built-in open:

        async with liburing.aio.open(path, "rb") as f:
            data = await f.read(4096, 0)

    Await it or use it in `async with`: a `File` in binary modes, a `TextFile`
    in text modes. `file` is a path or a descriptor, which `closefd` says
    whether to close with the file; `perm` is the mode of a file that is made.
    Writes go to the kernel as they are made, so `buffering` is accepted and
    changes nothing. Raises OSError as openat(2), with `filename`; ValueError
    as open does. Linux 5.6.
    """
    flags, binary = parse_mode(mode)
    if binary and (encoding is not None or errors is not None or newline is not None):
        raise ValueError("binary mode doesn't take an encoding, errors or newline argument")
    if buffering == 0 and not binary:
        raise ValueError("can't have unbuffered text I/O")
    if newline not in (None, "", "\n", "\r", "\r\n"):
        raise ValueError(f"illegal newline value: {newline!r}")
    if not closefd and not isinstance(file, int):
        raise ValueError("Cannot use closefd=False with file name")
    return _Opening(_open(file, mode, flags, binary, (encoding, errors, newline), closefd, perm))


def parse_mode(mode):
    """The flags of open(2) for a mode, and whether it is binary."""
    if not isinstance(mode, str):
        raise TypeError(f"open() argument 'mode' must be str, not {type(mode).__name__}")
    letters = set(mode)
    kinds = letters & set("rwax")
    if letters - set("rwaxbt+") or len(letters) != len(mode) or letters >= set("bt"):
        raise ValueError(f"invalid mode: {mode!r}")
    if len(kinds) != 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    kind = kinds.pop()
    flags = {
        "r": 0,
        "w": os.O_CREAT | os.O_TRUNC,
        "a": os.O_CREAT | os.O_APPEND,
        "x": os.O_CREAT | os.O_EXCL,
    }[kind]
    if "+" in letters:
        flags |= os.O_RDWR
    elif kind != "r":
        flags |= os.O_WRONLY
    return flags, "b" in letters


class _Opening:
    """What `open` gives: awaitable once, or an asynchronous context manager."""

    __slots__ = ("_coroutine", "_file")

    def __init__(self, coroutine):
        self._coroutine, self._file = coroutine, None

    def __await__(self):
        return self._coroutine.__await__()

    async def __aenter__(self):
        self._file = await self._coroutine
        return self._file

    async def __aexit__(self, *exc_info):
        await self._file.close()


async def _open(file, mode, flags, binary, text, closefd, perm):
    if isinstance(file, int):
        fd, name = file, file
    else:
        name = os.fspath(file)
        try:
            fd = await make_descriptor(
                native.open, _AT_FDCWD, os.fsencode(name), flags, perm
            )
        except OSError as error:
            error.filename = name
            raise
    try:
        status = await start(native.statx, fd, b"", _AT_EMPTY_PATH)
        kind = status[0][0]
        if _stat.S_ISDIR(kind):
            folder = IsADirectoryError(21, "open: Is a directory", name)
            folder.operation = "open"  # type: ignore[attr-defined]
            raise folder
        seekable = _stat.S_ISREG(kind) or _stat.S_ISBLK(kind)
        position = 0
        if seekable and isinstance(file, int):
            position = os.lseek(fd, 0, os.SEEK_CUR)
        if seekable and flags & os.O_APPEND:
            position = status[1][3]
    except BaseException:
        if not isinstance(file, int):
            os.close(fd)
        raise
    opened = File(fd, name, mode, flags, seekable, position, closefd)
    if binary:
        return opened
    try:
        return TextFile(opened, *text)
    except BaseException:
        # An unknown encoding. The descriptor is closed once, and here.
        opened._fd = None
        if not isinstance(file, int):
            os.close(fd)
        raise


class File:
    """A binary file. Its position is kept here, not by the kernel, unless it
    has none (pipes, terminals).

    Calls that use the position take turns; calls with an `offset` run side by
    side. Every call raises ValueError once the file is closed,
    io.UnsupportedOperation if the mode does not allow it.
    """

    def __init__(self, fd, name, mode, flags, seekable, position, closefd):
        self._fd, self.name, self.mode = fd, name, mode
        access = flags & os.O_ACCMODE
        self._readable = access != os.O_WRONLY
        self._writable = access != os.O_RDONLY
        self._append = bool(flags & os.O_APPEND)
        self._seekable, self._position, self._closefd = seekable, position, closefd
        # Read and not yet asked for; what follows `_position`.
        self._ahead = b""
        self._turn = asyncio.Lock()

    # ---- state

    @property
    def closed(self):
        """Whether it was closed."""
        return self._fd is None

    def fileno(self):
        """The descriptor."""
        if self._fd is None:
            raise ValueError("I/O operation on closed file.")
        return self._fd

    def readable(self):
        """Whether the mode allows reading."""
        self.fileno()
        return self._readable

    def writable(self):
        """Whether the mode allows writing."""
        self.fileno()
        return self._writable

    def seekable(self):
        """Whether it has a position."""
        self.fileno()
        return self._seekable

    def isatty(self):
        """Whether it is a terminal."""
        return os.isatty(self.fileno())

    def _for_reading(self):
        fd = self.fileno()
        if not self._readable:
            raise io.UnsupportedOperation("not readable")
        return fd

    def _for_writing(self):
        fd = self.fileno()
        if not self._writable:
            raise io.UnsupportedOperation("not writable")
        return fd

    def _for_seeking(self):
        fd = self.fileno()
        if not self._seekable:
            raise io.UnsupportedOperation("underlying stream is not seekable")
        return fd

    # ---- reading

    async def read(self, n=-1, offset=None):
        """At most `n` bytes, to the end if -1: bytes, b"" at the end. With an
        `offset` from there, whatever the position, which stays.

        Fewer bytes than `n` come only before the end of the file, or of what a
        pipe has.
        """
        if offset is not None and offset >= 0 and n is not None and n >= 0 and self._seekable:
            # What is called a thousand times at once.
            fd = self._fd if self._readable and self._fd is not None else self._for_reading()
            data = await start(native.read, fd, n, offset)
            if len(data) == n or not data:
                return data
            return data + await self._exactly(fd, n - len(data), offset + len(data))
        fd = self._for_reading()
        n = -1 if n is None else n
        if offset is not None:
            if offset < 0:
                raise ValueError("offset must not be negative")
            return await (self._rest(fd, offset) if n < 0 else self._exactly(fd, n, offset))
        async with self._turn:
            ahead = self._ahead
            if 0 <= n <= len(ahead):
                self._ahead = ahead[n:]
                self._move(n)
                return ahead[:n]
            place = self._position + len(ahead) if self._seekable else -1
            if n < 0:
                data = await self._rest(fd, place)
            elif ahead and not self._seekable:
                data = b""
            else:
                data = await self._exactly(fd, n - len(ahead), place)
            if ahead:
                data = ahead + data
                self._ahead = b""
            self._move(len(data))
            return data

    def _move(self, count):
        if self._seekable:
            self._position += count

    async def _exactly(self, fd, n, place):
        """`n` bytes, fewer at the end; a pipe's as they come."""
        try:
            data = await start(native.read, fd, n, place)
        except BlockingIOError:
            data = await _ops.read(fd, n, place)
        if len(data) == n or not data or place < 0:
            return data
        pieces = [data]
        while n > (got := sum(map(len, pieces))):
            data = await _ops.read(fd, n - got, place + got)
            if not data:
                break
            pieces.append(data)
        return b"".join(pieces)

    async def _rest(self, fd, place):
        """All there is from a place on."""
        size = PIECE
        if place >= 0:
            status = await start(native.statx, fd, b"", _AT_EMPTY_PATH)
            # One byte more sees the end with the same read.
            size = max(status[1][3] - place, 0) + 1
        pieces = []
        while data := await _ops.read(fd, size, place):
            pieces.append(data)
            if place >= 0:
                place += len(data)
                if len(data) < size:
                    # Before its size: the end, unless it is still written to.
                    size = PIECE
        return b"".join(pieces)

    async def read1(self, n=-1):
        """What one read gives, at most `n` bytes."""
        self._for_reading()
        if self._ahead:
            return await self.read(len(self._ahead) if n < 0 else min(n, len(self._ahead)))
        async with self._turn:
            place = self._position if self._seekable else -1
            data = await _ops.read(self._for_reading(), AHEAD if n < 0 else n, place)
            self._move(len(data))
            return data

    async def readall(self):
        """All there is from the position on."""
        return await self.read()

    async def readinto(self, buffer, offset=None):
        """Reads into a writable buffer: the number of bytes, 0 at the end.

        The buffer can be neither resized nor freed meanwhile. Raises TypeError
        for a read-only one.
        """
        fd = self._for_reading()
        if offset is not None:
            return await _ops.readinto(fd, buffer, offset)
        async with self._turn:
            if self._ahead:
                with memoryview(buffer) as whole, whole.cast("B") as view:
                    count = min(len(view), len(self._ahead))
                    view[:count] = self._ahead[:count]
                self._ahead = self._ahead[count:]
            else:
                place = self._position if self._seekable else -1
                count = await _ops.readinto(fd, buffer, place)
            self._move(count)
            return count

    async def peek(self, n=0):
        """What follows the position, without moving it; at least one byte
        unless it is the end."""
        self._for_reading()
        async with self._turn:
            if not self._ahead:
                await self._fetch()
            return self._ahead

    async def _fetch(self):
        """Reads ahead; False at the end."""
        place = self._position + len(self._ahead) if self._seekable else -1
        data = await _ops.read(self._for_reading(), AHEAD, place)
        self._ahead += data
        return bool(data)

    async def readline(self, size=-1):
        """The next line with its end, at most `size` bytes; b"" at the end."""
        self._for_reading()
        size = -1 if size is None else size
        async with self._turn:
            seen = 0
            while True:
                end = self._ahead.find(b"\n", seen) + 1
                if end or (0 <= size <= len(self._ahead)):
                    break
                seen = len(self._ahead)
                if not await self._fetch():
                    end = len(self._ahead)
                    break
            if size >= 0:
                end = min(end or size, size)
            line, self._ahead = self._ahead[:end], self._ahead[end:]
            self._move(len(line))
            return line

    async def readlines(self, hint=-1):
        """The lines from the position on; no more once they have more than `hint` bytes."""
        lines, total = [], 0
        while line := await self.readline():
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint < total:
                break
        return lines

    def __aiter__(self):
        self._for_reading()
        return self

    async def __anext__(self):
        if line := await self.readline():
            return line
        raise StopAsyncIteration

    # ---- writing

    async def write(self, data, offset=None):
        """Writes all of a bytes-like object: its number of bytes. With an
        `offset` there, whatever the position, which stays; a file opened for
        appending appends all the same.

        The data must not change meanwhile.
        """
        fd = self._for_writing()
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        if offset is not None:
            if offset < 0:
                raise ValueError("offset must not be negative")
            return await self._write_all(fd, data, offset)
        async with self._turn:
            self._ahead = b""
            place = -1
            if self._seekable and not self._append:
                place = self._position
            count = await self._write_all(fd, data, place)
            if self._append and self._seekable:
                self._position = await self._size(fd)
            else:
                self._move(count)
            return count

    async def _write_all(self, fd, data, place):
        done = await _ops.write(fd, data, place)
        if isinstance(data, bytes) and done == len(data):
            return done
        with memoryview(data) as whole, whole.cast("B") as view:
            while done < len(view):
                with view[done:] as rest:
                    done += await _ops.write(fd, rest, place + done if place >= 0 else -1)
        return done

    async def writelines(self, lines):
        """Writes one after the other."""
        await self.write(b"".join(lines))

    # ---- position, size, the disk

    async def _size(self, fd):
        status = await start(native.statx, fd, b"", _AT_EMPTY_PATH)
        return status[1][3]

    async def seek(self, offset, whence=os.SEEK_SET):
        """Moves the position: the new one. `whence` as for io objects."""
        fd = self._for_seeking()
        async with self._turn:
            if whence == os.SEEK_SET:
                if offset < 0:
                    raise ValueError(f"negative seek value {offset}")
            elif whence == os.SEEK_CUR:
                offset += self._position
            elif whence == os.SEEK_END:
                offset += await self._size(fd)
            else:
                raise ValueError(f"invalid whence value: {whence}")
            if offset < 0:
                raise OSError(22, "seek: Invalid argument")
            self._position, self._ahead = offset, b""
            return offset

    async def tell(self):
        """The position."""
        self._for_seeking()
        return self._position

    async def truncate(self, size=None):
        """Makes the file `size` bytes long, by default up to the position: the
        size. Uses a thread before Linux 6.9."""
        fd = self._for_writing()
        size = self._position if size is None else size
        try:
            await start(native.ftruncate, fd, size)
        except OSError as error:
            if error.errno != 22 or size < 0 or not self._seekable:
                raise
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, os.ftruncate, fd, size)
        self._ahead = b""
        return size

    async def flush(self):
        """Does nothing: written data is the kernel's already."""
        self.fileno()

    async def fsync(self, *, data_only=False):
        """Waits until the file is on its disk; with `data_only` as
        fdatasync(2)."""
        await _ops.fsync(self.fileno(), data_only=data_only)

    async def close(self):
        """Closes the file; again does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None and self._closefd:
            # Cancelled half-way it would be open, and nobody's.
            await start_for_good(native.close, fd)

    async def __aenter__(self):
        self.fileno()
        return self

    async def __aexit__(self, *exc_info):
        await self.close()

    def __del__(self, _warn=warnings.warn):
        fd = getattr(self, "_fd", None)
        if fd is not None and self._closefd:
            try:
                _warn(f"unclosed file {self!r}", ResourceWarning, source=self)
            finally:
                # A program may have made warnings errors.
                self._fd = None
                os.close(fd)

    def __repr__(self):
        state = "closed" if self._fd is None else f"fd={self._fd}"
        return f"<liburing.aio.File {self.name!r} mode={self.mode!r} {state}>"
