"""Temporary files and directories, with the arguments they have in tempfile.

Files are made, read, written, closed and removed through the ring. Looking for the
folder of temporary files, and removing a directory with all that is in it, is done by
the loop's executor.
"""

import errno as _errno
import io as _io
import os as _os
import secrets as _secrets
import shutil as _shutil
import tempfile as _tempfile
import warnings as _warnings
import weakref as _weakref

from . import _files, _fs
from ._answers import answer as _answer
from ._executor import in_executor as _in_executor
from ._ring import make_descriptor as _make_descriptor
from ._ring import native as _native

__all__ = ["NamedTemporaryFile", "SpooledTemporaryFile", "TemporaryDirectory", "TemporaryFile"]

_AT_FDCWD = -100
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"


async def _place(suffix, prefix, dir, executor):
    """The folder and the ends of a name: all str or all bytes."""
    given = [part for part in (suffix, prefix, dir) if part is not None]
    kinds = {bytes if isinstance(_os.fspath(part), bytes) else str for part in given}
    if len(kinds) > 1:
        raise TypeError("Can't mix bytes and non-bytes in path components")
    raw = kinds == {bytes}
    if dir is None:
        if _tempfile.tempdir is None:
            # Tries to write to the candidates.
            await _in_executor(_tempfile.gettempdir, executor)
        dir = _tempfile.gettempdirb() if raw else _tempfile.gettempdir()
    if prefix is None:
        prefix = _tempfile.gettempprefixb() if raw else _tempfile.gettempprefix()
    if suffix is None:
        suffix = b"" if raw else ""
    return _os.path.abspath(_os.fspath(dir)), prefix, suffix


async def _new(suffix, prefix, dir, executor, make):
    """The path of what `make` made under a name that was free."""
    folder, prefix, suffix = await _place(suffix, prefix, dir, executor)
    for _ in range(_tempfile.TMP_MAX):
        middle = "".join(_secrets.choice(_LETTERS) for _ in range(8))
        if isinstance(prefix, bytes):
            middle = middle.encode()
        path = _os.path.join(folder, prefix + middle + suffix)
        try:
            return path, await make(path)
        except FileExistsError:
            pass
    raise FileExistsError(_errno.EEXIST, "No usable temporary name found")


async def _create(path):
    try:
        return await _make_descriptor(
            _native.open, _AT_FDCWD, _os.fsencode(path),
            _os.O_RDWR | _os.O_CREAT | _os.O_EXCL | _os.O_NOFOLLOW, 0o600,
        )  # fmt: skip
    except OSError as error:
        error.filename = path
        raise


def _checked(mode, buffering, encoding, errors, newline):
    """The flags of open(2) for the file object, and the arguments of text, if it is."""
    flags, binary = _files.parse_mode(mode)
    _files.check_text(binary, buffering, encoding, errors, newline)
    # The descriptor reads, writes and is at its beginning, whatever the mode.
    return flags & _os.O_ACCMODE, None if binary else (encoding, errors, newline)


def TemporaryFile(
    mode="w+b",
    buffering=-1,
    encoding=None,
    newline=None,
    suffix=None,
    prefix=None,
    dir=None,
    loop=None,
    executor=None,
    *,
    errors=None,
):
    """A file without a name, which is gone when it is closed: awaited or used in `async
    with`, a `File` or, in text modes, a `TextFile`. Raises OSError as open does."""
    flags, text = _checked(mode, buffering, encoding, errors, newline)

    async def make():
        _files.check_loop(loop)
        folder, *_ = await _place(suffix, prefix, dir, executor)
        fd = None
        try:
            fd = await _make_descriptor(
                _native.open, _AT_FDCWD, _os.fsencode(folder), _os.O_RDWR | _os.O_TMPFILE, 0o600
            )
        except OSError as error:
            # File systems without such files say one of these.
            if error.errno not in (_errno.EISDIR, _errno.EOPNOTSUPP, _errno.ENOENT):
                error.filename = folder
                raise
        if fd is None:
            path, fd = await _new(suffix, prefix, dir, executor, _create)
            try:
                await _fs.unlink(path)
            except BaseException:
                _os.close(fd)
                raise
        return await _files.adopt(fd, fd, mode, flags, text)

    return _files._Opening(make())


class _Named(_files._Opening):
    __slots__ = ()

    async def __aexit__(self, *exc_info):
        file = _binary(self._file)
        await super().__aexit__(*exc_info)
        await file._discard()


def _binary(file):
    return file if isinstance(file, _files.File) else file.buffer


class _Removed(_files.File):
    """A file whose name is removed with it."""

    # The name; None if it is there to stay, or gone.
    _path = None
    _on_close = True

    async def _discard(self):
        path, self._path = self._path, None
        if path is not None:
            try:
                await _fs.unlink(path)
            except FileNotFoundError:
                pass

    async def close(self):
        """Closes the file; again does nothing."""
        await super().close()
        if self._on_close:
            await self._discard()

    def __del__(self):
        super().__del__()
        if self._path is not None:
            try:
                _os.unlink(self._path)
            except OSError:
                pass


def NamedTemporaryFile(
    mode="w+b",
    buffering=-1,
    encoding=None,
    newline=None,
    suffix=None,
    prefix=None,
    dir=None,
    delete=True,
    delete_on_close=True,
    loop=None,
    executor=None,
    *,
    errors=None,
):
    """A file with a name of its own, `name`: awaited or used in `async with`, a `File`
    or, in text modes, a `TextFile`. With `delete` the name is removed when the file is
    closed, or, without `delete_on_close`, when the `async with` is left or the object
    goes. Raises OSError as open does."""
    flags, text = _checked(mode, buffering, encoding, errors, newline)

    async def make():
        _files.check_loop(loop)
        path, fd = await _new(suffix, prefix, dir, executor, _create)
        try:
            opened = await _files.adopt(fd, path, mode, flags, text, kind=_Removed)
        except BaseException:
            _os.unlink(path)
            raise
        opened.delete = bool(delete)
        if delete:
            file = _binary(opened)
            file._path, file._on_close = path, delete_on_close
        return opened

    return _Named(make())


class _Spooled:
    """A file in memory that goes to a `TemporaryFile` once it has more than so many
    bytes, or when its descriptor is asked for."""

    def __init__(self, max_size, mode, encoding, errors, newline, place):
        _, text = _checked(mode, -1, encoding, errors, newline)
        self._max_size, self._arguments, self._place = max_size, (encoding, errors, newline), place
        self._text = text is not None
        self.mode, self.name = mode, None
        self._file = _io.BytesIO()
        if self._text:
            self._file = _io.TextIOWrapper(
                self._file, encoding=_io.text_encoding(encoding), errors=errors, newline=newline
            )
        self._rolled = False

    @property
    def closed(self):
        """Whether it was closed."""
        return self._file.closed

    @property
    def encoding(self):
        """The encoding of text."""
        return self._file.encoding

    @property
    def errors(self):
        """What is done about text that is none."""
        return self._file.errors

    @property
    def newlines(self):
        """The line ends seen so far, of text."""
        return self._file.newlines

    def _open_still(self):
        if self._file.closed:
            raise ValueError("I/O operation on closed file.")

    def readable(self):
        """Whether it can be read. May be awaited."""
        return _answer(self._file.readable())

    def writable(self):
        """Whether it can be written. May be awaited."""
        return _answer(self._file.writable())

    def seekable(self):
        """True. May be awaited."""
        return _answer(self._file.seekable())

    async def isatty(self):
        """False."""
        self._open_still()
        return False

    async def fileno(self):
        """The descriptor of the file on disk, which is made for that."""
        await self.rollover()
        return int(self._file.fileno())

    async def rollover(self):
        """Goes to a file on disk."""
        self._open_still()
        if self._rolled:
            return
        encoding, errors, newline = self._arguments
        memory = self._file
        place = memory.tell()
        raw = memory
        if self._text:
            memory.flush()
            raw = memory.buffer
            encoding, errors = memory.encoding, memory.errors
        made = await TemporaryFile(
            self.mode, -1, encoding, newline, *self._place, errors=errors
        )
        try:
            await _binary(made).write(raw.getbuffer())
            await made.seek(place)
        except BaseException:
            await made.close()
            raise
        self._file, self._rolled, self.name = made, True, made.name
        memory.close()

    async def _did(self, name, *args):
        found = getattr(self._file, name)(*args)
        return await found if self._rolled else found

    async def _grown(self):
        if not self._rolled and self._max_size:
            raw = self._file
            if self._text:
                raw.flush()
                raw = raw.buffer
            if raw.tell() > self._max_size:
                await self.rollover()

    async def read(self, n=-1, /):
        """As that of `File` and `TextFile`, without an offset."""
        return await self._did("read", n)

    async def readline(self, size=-1, /):
        """As that of `File` and `TextFile`."""
        return await self._did("readline", size)

    async def readlines(self, hint=-1, /):
        """As that of `File` and `TextFile`."""
        return await self._did("readlines", hint)

    async def write(self, data, /):
        """As that of `File` and `TextFile`, without an offset."""
        count = await self._did("write", data)
        await self._grown()
        return count

    async def writelines(self, lines, /):
        """As that of `File` and `TextFile`."""
        await self._did("writelines", lines)
        await self._grown()

    async def seek(self, offset, whence=0, /):
        """As that of `File` and `TextFile`."""
        return await self._did("seek", offset, whence)

    async def tell(self):
        """The position."""
        return await self._did("tell")

    async def truncate(self, size=None, /):
        """As that of `File`; a size beyond the limit makes the file on disk."""
        if size is not None and self._max_size and size > self._max_size:
            await self.rollover()
        return await self._did("truncate", size)

    async def flush(self):
        """Does nothing that is seen."""
        await self._did("flush")

    async def close(self):
        """Closes the file; again does nothing."""
        await self._did("close")

    def __aiter__(self):
        return self

    async def __anext__(self):
        if line := await self.readline():
            return line
        raise StopAsyncIteration

    async def __aenter__(self):
        self._open_still()
        return self

    async def __aexit__(self, *exc_info):
        await self.close()


def SpooledTemporaryFile(
    max_size=0,
    mode="w+b",
    buffering=-1,
    encoding=None,
    newline=None,
    suffix=None,
    prefix=None,
    dir=None,
    loop=None,
    executor=None,
    *,
    errors=None,
):
    """A file in memory that goes to disk once it has more than `max_size` bytes (0: only
    for `fileno()` and `rollover()`): awaited or used in `async with`."""

    async def make():
        _files.check_loop(loop)
        place = (suffix, prefix, dir, None, executor)
        return _Spooled(max_size, mode, encoding, errors, newline, place)

    _checked(mode, buffering, encoding, errors, newline)
    return _files._Opening(make())


def _remove(name, ignore_errors):
    _shutil.rmtree(name, ignore_errors=ignore_errors)


def _forgotten(name, delete):
    if delete:
        _remove(name, True)
        _warnings.warn(f"Implicitly cleaning up {name!r}", ResourceWarning, stacklevel=2)


class _Directory:
    """A temporary directory: `name`."""

    def __init__(self, name, ignore_errors, delete, executor):
        self.name, self._ignore, self._executor = name, ignore_errors, executor
        self._delete = delete
        self._finalizer = _weakref.finalize(self, _forgotten, name, delete)

    async def cleanup(self):
        """Removes it with all that is in it, by a thread; again does nothing."""
        if self._finalizer.detach() or _os.path.exists(self.name):
            await _in_executor(lambda: _remove(self.name, self._ignore), self._executor)

    async def close(self):
        """As `cleanup`."""
        await self.cleanup()

    def __fspath__(self):
        return self.name

    def __repr__(self):
        return f"<liburing.aio.tempfile.TemporaryDirectory {self.name!r}>"


class _Making(_files._Opening):
    """Gives the name in `async with`, as tempfile does, and the object when awaited."""

    __slots__ = ()

    async def __aenter__(self):
        self._file = await self._coroutine
        return self._file.name

    async def __aexit__(self, *exc_info):
        if self._file._delete:
            await self._file.cleanup()


def TemporaryDirectory(
    suffix=None,
    prefix=None,
    dir=None,
    loop=None,
    executor=None,
    *,
    ignore_cleanup_errors=False,
    delete=True,
):
    """A directory of its own, which is removed with all that is in it: in `async with`
    its name; awaited an object with `name`, `cleanup()` and `close()`. Raises OSError as
    mkdir does. Linux 5.15."""

    async def make():
        _files.check_loop(loop)
        name, _ = await _new(
            suffix, prefix, dir, executor, lambda path: _fs.mkdir(path, 0o700)
        )
        return _Directory(name, ignore_cleanup_errors, delete, executor)

    return _Making(make())
