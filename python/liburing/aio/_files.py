"""Files: `open` and what binary modes give."""

import asyncio
import errno
import io
import os
import stat as _stat
import warnings
from operator import index

from . import _ops
from ._answers import Number, answer
from ._ring import make_descriptor, native, start, start_for_good
from ._text import TextFile

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
# What readline and iteration fetch at a time, bytes.
AHEAD = 64 << 10
# What read() to the end fetches at a time when the size says nothing, bytes.
PIECE = 256 << 10
# From that many bytes on a read asks for the file's size first, so that the result
# need not be copied to become shorter.
LARGE = 256 << 10


def open(
    file,
    mode="r",
    buffering=-1,
    encoding=None,
    errors=None,
    newline=None,
    closefd=True,
    opener=None,
    *,
    perm=0o666,
    loop=None,
    executor=None,
):
    """Opens a file, with the arguments of the built-in open:

        async with liburing.aio.open(path, "rb") as f:
            data = await f.read(4096, 0)

    Await it or use it in `async with`: a `File` in binary modes, a `TextFile`
    in text modes. `file` is a path or a descriptor, which `closefd` says
    whether to close with the file; `perm` is the mode of a file that is made.
    Writes go to the kernel as they are made, so `buffering` is checked and
    changes nothing. An `opener` is called in the loop's executor. `executor` and
    `loop` are for programs that had them for aiofiles: no thread takes part, and
    a `loop` other than the running one is a RuntimeError. Raises OSError as
    openat(2), with `filename`; ValueError and TypeError as open does. Linux 5.6.
    """
    flags, binary = parse_mode(mode)
    check_text(binary, buffering, encoding, errors, newline)
    if isinstance(file, int):
        if file < 0:
            raise ValueError("negative file descriptor")
    else:
        os.fspath(file)
        if not closefd:
            raise ValueError("Cannot use closefd=False with file name")
    text = None if binary else (encoding, errors, newline)
    return _Opening(_open(file, mode, flags, text, closefd, perm, opener, loop, executor))


def check_text(binary, buffering, encoding, errors, newline):
    """What the built-in open says to such arguments."""
    for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if value is None:
            continue
        if not isinstance(value, str):
            kind = type(value).__name__
            raise TypeError(f"open() argument '{name}' must be str or None, not {kind}")
        if binary:
            raise ValueError(f"binary mode doesn't take an {name} argument")
    if index(buffering) == 0 and not binary:
        raise ValueError("can't have unbuffered text I/O")
    if newline not in (None, "", "\n", "\r", "\r\n"):
        raise ValueError(f"illegal newline value: {newline!r}")


def check_loop(loop):
    """A loop that a program names has to be the running one."""
    if loop is not None and loop is not asyncio.get_running_loop():
        raise RuntimeError("loop: an operation runs on the running loop")


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


async def _open(file, mode, flags, text, closefd, perm, opener, loop, executor):
    check_loop(loop)
    if isinstance(file, int):
        fd, name = file, file
    elif opener is not None:
        name = os.fspath(file)
        running = asyncio.get_running_loop()
        fd = await running.run_in_executor(executor, opener, name, flags | os.O_CLOEXEC)
        if not isinstance(fd, int):
            raise TypeError("expected integer from opener")
        if fd < 0:
            raise ValueError(f"opener returned {fd}")
        os.set_inheritable(fd, False)
    else:
        name = os.fspath(file)
        try:
            fd = await make_descriptor(
                native.open, _AT_FDCWD, os.fsencode(name), flags, perm
            )
        except OSError as error:
            error.filename = name
            raise
    return await adopt(fd, name, mode, flags, text, closefd, not isinstance(file, int))


async def adopt(fd, name, mode, flags, text, closefd=True, made=True, kind=None):
    """A file on a descriptor, which is closed on failure if it was made for that."""
    try:
        status = await start(native.statx, fd, b"", _AT_EMPTY_PATH)
        form = status[0][0]
        if _stat.S_ISDIR(form):
            folder = IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
            folder.operation = "open"  # type: ignore[attr-defined]
            raise folder
        position, seekable, sized = 0, True, _stat.S_ISREG(form)
        if not sized or not made:
            try:
                position = os.lseek(fd, 0, os.SEEK_CUR)
            except OSError:
                seekable = False
        if seekable and flags & os.O_APPEND:
            position = status[1][3] if sized else os.lseek(fd, 0, os.SEEK_END)
        opened = (kind or File)(fd, name, mode, flags, seekable, position, closefd)
        opened._sized = sized
        if text is None:
            return opened
        try:
            return TextFile(opened, *text)
        except BaseException:
            # An unknown encoding. The descriptor is closed once, and below.
            opened._fd = None
            raise
    except BaseException:
        if made:
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
        # Whether stat(2) has its size: a block device's it has not.
        self._sized = True
        self._detached = False
        # Read ahead, and how many bytes of it were asked for: the rest follows
        # `_position`.
        self._ahead, self._used = b"", 0
        self._turn = asyncio.Lock()

    # ---- state

    @property
    def closed(self):
        """Whether it was closed."""
        return self._fd is None

    def _open_still(self):
        """The descriptor; ValueError without one."""
        if self._fd is None:
            what = "raw stream has been detached" if self._detached else "I/O operation on closed file."
            raise ValueError(what)
        return self._fd

    def fileno(self):
        """The descriptor. May be awaited."""
        return Number(self._open_still())

    def readable(self):
        """Whether the mode allows reading. May be awaited."""
        self._open_still()
        return answer(self._readable)

    def writable(self):
        """Whether the mode allows writing. May be awaited."""
        self._open_still()
        return answer(self._writable)

    def seekable(self):
        """Whether it has a position. May be awaited."""
        self._open_still()
        return answer(self._seekable)

    def isatty(self):
        """Whether it is a terminal. May be awaited."""
        return answer(os.isatty(self._open_still()))

    @property
    def raw(self):
        """The file itself: nothing lies between it and the kernel."""
        return self

    def detach(self):
        """The descriptor as an io.FileIO at the same position; this object has no more
        to do with it, and every further call raises ValueError, `close()` too."""
        fd = self._open_still()
        if self._seekable:
            os.lseek(fd, self._position, os.SEEK_SET)
        # The mode of what exists already: nothing is made or cut off again.
        mode = "w" if not self._readable else "r+" if self._writable else "r"
        raw = io.FileIO(fd, mode, closefd=self._closefd)
        self._fd, self._detached = None, True
        return raw

    def _for_reading(self):
        if not self._readable:
            raise io.UnsupportedOperation("not readable")
        return self._open_still()

    def _for_writing(self):
        if not self._writable:
            raise io.UnsupportedOperation("not writable")
        return self._open_still()

    def _for_seeking(self):
        self._open_still()
        if not self._seekable:
            raise io.UnsupportedOperation("underlying stream is not seekable")
        return self._fd

    # ---- reading

    async def read(self, n=-1, offset=None):
        """At most `n` bytes, to the end if -1: bytes, b"" at the end. With an
        `offset` from there, whatever the position, which stays.

        Fewer bytes than `n` come only before the end of the file, or of what a
        pipe has.
        """
        if offset is not None and offset >= 0 and n is not None and 0 <= n < LARGE and self._seekable:
            # What is called a thousand times at once.
            fd = self._fd if self._readable and self._fd is not None else self._for_reading()
            data = await start(native.read, fd, n, offset)
            if len(data) == n or not data:
                return data
            return data + await self._exactly(fd, n - len(data), offset + len(data))
        fd = self._for_reading()
        n = -1 if n is None else index(n)
        if offset is not None:
            if offset < 0:
                raise ValueError("offset must not be negative")
            return await (self._rest(fd, offset) if n < 0 else self._exactly(fd, n, offset))
        if n < -1:
            raise ValueError("read length must be non-negative or -1")
        async with self._turn:
            left = len(self._ahead) - self._used
            if 0 <= n <= left:
                return self._take(n)
            if left and self._seekable and not 0 <= n < LARGE:
                # What is large is not copied to stand behind a little.
                self._ahead, self._used, left = b"", 0, 0
            place = self._position + left if self._seekable else -1
            if n < 0:
                data = await self._rest(fd, place)
            elif left and not self._seekable:
                data = b""
            else:
                data = await self._exactly(fd, n - left, place)
            if left:
                data = self._ahead[self._used :] + data
            self._ahead, self._used = b"", 0
            self._move(len(data))
            return data

    def _take(self, count):
        """That many bytes of what was read ahead."""
        end = self._used + count
        data = self._ahead[self._used : end]
        if end >= len(self._ahead):
            self._ahead, self._used = b"", 0
        else:
            self._used = end
        self._move(count)
        return data

    def _move(self, count):
        if self._seekable:
            self._position += count

    async def _exactly(self, fd, n, place):
        """`n` bytes, fewer at the end; a pipe's as they come."""
        if n >= LARGE and place >= 0:
            return await self._large(fd, n, place)
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
            left = await self._size(fd) - place
            if left >= LARGE:
                return await self._large(fd, None, place, left)
            if left > 0:
                # One byte more sees the end with the same read.
                size = left + 1
        pieces = []
        while data := await _ops.read(fd, size, place):
            pieces.append(data)
            if place >= 0:
                # Past its size now, or it has become shorter.
                place, size = place + len(data), PIECE
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _large(self, fd, n, place, left=None):
        """`n` bytes from a place on, or all there are: read into one object, which
        has the size they have by the file's, and is not copied."""
        if left is None:
            left = await self._size(fd) - place
        count = left if n is None else min(n, left)
        if count <= 0:
            # A file whose size says nothing.
            count = PIECE if n is None else min(n, PIECE)
        whole, done = native.Whole(count), 0
        while done < count:
            got = await start(native.read_part, fd, whole, place + done)
            if not got:
                return whole.take()
            done += got
        data = whole.take()
        del whole
        pieces = [data]
        while n is None or done < n:
            more = await _ops.read(fd, PIECE if n is None else min(PIECE, n - done), place + done)
            if not more:
                break
            pieces.append(more)
            done += len(more)
        return data if len(pieces) == 1 else b"".join(pieces)

    async def read1(self, n=-1):
        """What one read gives, at most `n` bytes."""
        self._for_reading()
        n = index(n)
        async with self._turn:
            if left := len(self._ahead) - self._used:
                return self._take(left if n < 0 else min(n, left))
            place = self._position if self._seekable else -1
            data = await _ops.read(self._for_reading(), AHEAD if n < 0 else n, place)
            self._move(len(data))
            return data

    async def _piece(self, size):
        """At most `size` bytes, from those read ahead, of which there are more then."""
        self._for_reading()
        async with self._turn:
            if not self._ahead:
                await self._fetch(size)
            return self._take(min(size, len(self._ahead) - self._used))

    async def readall(self):
        """All there is from the position on."""
        return await self.read()

    async def readinto(self, buffer, offset=None):
        """Reads into a writable buffer until it is full or the file ends: the number
        of bytes; 0 at the end. From a pipe what there is.

        The buffer can be neither resized nor freed meanwhile. Raises TypeError
        for a read-only one.
        """
        fd = self._for_reading()
        if offset is not None:
            return await self._fill(fd, buffer, 0, offset)
        async with self._turn:
            count = 0
            if left := len(self._ahead) - self._used:
                with memoryview(buffer) as whole, whole.cast("B") as view:
                    if view.readonly:
                        raise TypeError("a writable buffer is required")
                    count = min(len(view), left)
                    view[:count] = self._take(count)
                if not self._seekable:
                    return count
            place = self._position if self._seekable else -1
            more = await self._fill(fd, buffer, count, place)
            self._move(more)
            return count + more

    async def _fill(self, fd, buffer, done, place):
        """Reads into a buffer from `done` on: the number of bytes."""
        first = done
        if not first:
            done = await _ops.readinto(fd, buffer, place)
        with memoryview(buffer) as whole, whole.cast("B") as view:
            while done < len(view) and place >= 0 and (done or first):
                with view[done:] as rest:
                    got = await _ops.readinto(fd, rest, place + done - first)
                if not got:
                    break
                done += got
        return done - first

    async def readinto1(self, buffer):
        """Reads into a writable buffer what one read gives: the number of bytes."""
        with memoryview(buffer) as whole, whole.cast("B") as view:
            data = await self.read1(len(view))
            view[: len(data)] = data
        return len(data)

    async def peek(self, n=0):
        """What follows the position, without moving it; at least one byte
        unless it is the end."""
        self._for_reading()
        async with self._turn:
            if not self._ahead:
                await self._fetch()
            return self._ahead[self._used :]

    async def _fetch(self, size=0):
        """Reads ahead; False at the end."""
        ahead = self._ahead[self._used :]
        place = self._position + len(ahead) if self._seekable else -1
        data = await _ops.read(self._for_reading(), max(AHEAD, size), place)
        self._ahead, self._used = ahead + data if ahead else data, 0
        return bool(data)

    async def readline(self, size=-1):
        """The next line with its end, at most `size` bytes; b"" at the end."""
        size = -1 if size is None else index(size)
        self._for_reading()
        async with self._turn:
            seen = self._used
            while True:
                end = self._ahead.find(b"\n", seen) + 1
                left = len(self._ahead) - self._used
                if end or 0 <= size <= left:
                    break
                if not await self._fetch():
                    end = len(self._ahead)
                    break
                seen = left
            count = end - self._used if end else left
            return self._take(min(count, size) if size >= 0 else count)

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
            if not isinstance(data, bytes):
                with memoryview(data) as view:
                    nothing = not view.nbytes
            else:
                nothing = not data
            if nothing:
                # Not even the position of a file opened for appending moves.
                return 0
            self._ahead, self._used = b"", 0
            place = -1
            if self._seekable and not self._append:
                place = self._position
            count = await self._write_all(fd, data, place)
            if self._append and self._seekable:
                # Behind what was written, wherever the end is by now.
                self._position = os.lseek(fd, 0, os.SEEK_CUR)
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
        """Writes one after the other; those before one that cannot be written too."""
        self._open_still()
        parts, failure = [], None
        try:
            for line in lines:
                self._for_writing()
                if not isinstance(line, bytes):
                    with memoryview(line) as view:
                        line = bytes(view)
                parts.append(line)
        except Exception as error:
            failure = error
        if parts:
            await self.write(b"".join(parts))
        if failure is not None:
            raise failure

    # ---- position, size, the disk

    async def _size(self, fd):
        status = await start(native.statx, fd, b"", _AT_EMPTY_PATH)
        return status[1][3]

    async def seek(self, offset, whence=os.SEEK_SET):
        """Moves the position: the new one. `whence` as for io objects, os.SEEK_DATA
        and os.SEEK_HOLE too. Raises OSError (EINVAL) before the beginning."""
        fd = self._for_seeking()
        offset = index(offset)
        async with self._turn:
            if whence == os.SEEK_CUR:
                offset += self._position
            elif whence == os.SEEK_END:
                offset += await self._size(fd) if self._sized else os.lseek(fd, 0, whence)
            elif whence in (os.SEEK_DATA, os.SEEK_HOLE):
                offset = os.lseek(fd, offset, whence)
            elif whence != os.SEEK_SET:
                raise ValueError(f"whence value {whence} unsupported")
            if offset < 0:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            if offset >= 2**63:
                raise ValueError("cannot fit 'int' into an offset-sized integer")
            self._position, self._ahead, self._used = offset, b"", 0
            return offset

    async def tell(self):
        """The position."""
        self._for_seeking()
        return self._position

    async def truncate(self, size=None):
        """Makes the file `size` bytes long, by default up to the position: the
        size. Uses a thread before Linux 6.9."""
        fd = self._for_writing()
        async with self._turn:
            size = self._position if size is None else index(size)
            try:
                await start(native.ftruncate, fd, size)
            except OSError as error:
                if error.errno != errno.EINVAL or size < 0 or not self._seekable:
                    raise
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(None, os.ftruncate, fd, size)
            self._ahead, self._used = b"", 0
            return size

    async def flush(self):
        """Does nothing: written data is the kernel's already."""
        self._open_still()

    async def fsync(self, *, data_only=False):
        """Waits until the file is on its disk; with `data_only` as
        fdatasync(2)."""
        await _ops.fsync(self._open_still(), data_only=data_only)

    async def close(self):
        """Closes the file; again does nothing."""
        if self._detached:
            self._open_still()
        fd, self._fd = self._fd, None
        if fd is not None and self._closefd:
            # Cancelled half-way it would be open, and nobody's.
            await start_for_good(native.close, fd)

    async def __aenter__(self):
        self._open_still()
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
