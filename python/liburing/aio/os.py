"""Functions of os as coroutines, with the arguments they have there.

Through the ring go `stat`, `rename`, `replace`, `renames`, `remove`, `unlink`,
`mkdir`, `makedirs`, `rmdir`, `removedirs`, `link` and `symlink`; `dir_fd` and its like,
and what io_uring has no operation for (`listdir`, `scandir`, `walk`, `readlink`,
`access`, `statvfs`, `sendfile`, `getcwd`), goes to the loop's executor, a pool of
threads. Each function takes `executor`, another pool for what needs one, and `loop`,
which has to be the running one.
"""

import functools as _functools
import os as _os

from . import _fs
from . import ospath as path
from ._executor import in_executor as _in_executor
from ._executor import wrap
from ._files import check_loop as _check_loop

__all__ = [
    "access",
    "getcwd",
    "link",
    "listdir",
    "makedirs",
    "mkdir",
    "path",
    "readlink",
    "remove",
    "removedirs",
    "rename",
    "renames",
    "replace",
    "rmdir",
    "scandir",
    "sendfile",
    "stat",
    "statvfs",
    "symlink",
    "unlink",
    "walk",
    "wrap",
]


def _on_ring(function):
    """A function of the package that takes `loop` and `executor` too."""

    @_functools.wraps(function)
    async def call(*args, loop=None, executor=None, **kwargs):
        _check_loop(loop)
        return await function(*args, **kwargs)

    del call.__wrapped__
    return call


stat = _on_ring(_fs.stat)
rename = _on_ring(_fs.rename)
replace = _on_ring(_fs.replace)
unlink = _on_ring(_fs.unlink)
remove = _on_ring(_fs.remove)
mkdir = _on_ring(_fs.mkdir)
rmdir = _on_ring(_fs.rmdir)
link = _on_ring(_fs.link)
symlink = _on_ring(_fs.symlink)

access = wrap(_os.access)
listdir = wrap(_os.listdir)
readlink = wrap(_os.readlink)
sendfile = wrap(_os.sendfile)
statvfs = wrap(_os.statvfs)


async def getcwd(*, loop=None, executor=None):
    """The current directory; in the loop's executor."""
    _check_loop(loop)
    return await _in_executor(_os.getcwd, executor)


def _parted(name):
    """A path's directory and last part, whatever slashes are at its end."""
    head, tail = path.split(name)
    return path.split(head) if not tail else (head, tail)


async def makedirs(name, mode=0o777, exist_ok=False, *, loop=None, executor=None):
    """Makes a directory and those above it that are missing; `mode` is that of the
    last one. Raises FileExistsError for one that exists unless `exist_ok`. Linux 5.15.
    """
    _check_loop(loop)
    missing = []
    head, tail = _parted(_os.fspath(name))
    while head and tail and not await path.exists(head):
        missing.append(head)
        head, tail = _parted(head)
    for above in reversed(missing):
        try:
            await _fs.mkdir(above)
        except FileExistsError:
            # Made by another task or program meanwhile, or it ends in a dot.
            pass
    tail = _parted(_os.fspath(name))[1]
    if missing and tail in (".", b"."):
        # `x/.` is there as soon as `x` is.
        return
    try:
        await _fs.mkdir(name, mode)
    except OSError:
        # Not FileExistsError only: a file system that is read-only comes first.
        if not exist_ok or not await path.isdir(name):
            raise


async def removedirs(name, *, loop=None, executor=None):
    """Removes an empty directory, then those above it as long as they are empty.
    Raises OSError if the first cannot be removed. Linux 5.11."""
    _check_loop(loop)
    await _fs.rmdir(name)
    head, tail = _parted(_os.fspath(name))
    while head and tail:
        try:
            await _fs.rmdir(head)
        except OSError:
            break
        head, tail = _parted(head)


async def renames(old, new, *, loop=None, executor=None):
    """Renames; makes the directories that `new` needs, and removes those that `old`
    leaves empty. Linux 5.15."""
    _check_loop(loop)
    head, tail = path.split(new)
    if head and tail and not await path.exists(head):
        await makedirs(head)
    await _fs.rename(old, new)
    head, tail = path.split(old)
    if head and tail:
        try:
            await removedirs(head)
        except OSError:
            pass


class _Entries:
    """What `scandir` gives: the os.DirEntry objects of a directory, all read by a
    thread, for `for`, `async for` and `next()`; a context manager of both kinds."""

    def __init__(self, entries):
        self._entries = iter(entries)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._entries)

    def __aiter__(self):
        return self

    async def __anext__(self):
        for entry in self._entries:
            return entry
        raise StopAsyncIteration

    def close(self):
        """Gives no more entries."""
        self._entries = iter(())

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        self.close()


def _scan(where):
    with _os.scandir(where) as entries:
        return list(entries)


async def scandir(path=".", *, loop=None, executor=None):
    """The entries of a directory, as os.scandir has them, for `for` and `async for`.

    A thread reads them all. `stat()` of an entry asks the disk in place; `is_dir()`
    and its like do for symbolic links.
    """
    _check_loop(loop)
    return _Entries(await _in_executor(_functools.partial(_scan, path), executor))


def _level(top, followlinks):
    """One directory of a walk: the names in it, and the directories to go into."""
    dirs, files, below = [], [], []
    for entry in _scan(top):
        try:
            folder = entry.is_dir()
        except OSError:
            folder = False
        (dirs if folder else files).append(entry.name)
        if folder and (followlinks or not entry.is_symlink()):
            below.append(entry.name)
    return dirs, files, below


async def walk(top, topdown=True, onerror=None, followlinks=False, *, loop=None, executor=None):
    """os.walk as an asynchronous iterator: `(folder, directories, files)` for each
    directory of a tree. Where `topdown`, the program may change the list of directories.
    A thread lists each directory. Errors are for `onerror`, or ignored.
    """
    _check_loop(loop)
    top = _os.fspath(top)
    # Directories to look into, and what to give once those before are through.
    todo = [top]
    while todo:
        top = todo.pop()
        if isinstance(top, tuple):
            yield top
            continue
        try:
            dirs, files, below = await _in_executor(
                _functools.partial(_level, top, followlinks), executor
            )
        except OSError as error:
            if onerror is not None:
                onerror(error)
            continue
        if topdown:
            yield top, dirs, files
            for name in reversed(dirs):
                # The program may have put other names there.
                where = path.join(top, name)
                if followlinks or not await path.islink(where):
                    todo.append(where)
        else:
            todo.append((top, dirs, files))
            todo.extend(path.join(top, name) for name in reversed(below))
