"""os.path with coroutines where a disk is asked: `liburing.aio.os.path`.

What only computes (`join`, `basename`, `splitext`, …) is os.path's own, and is not
awaited.
"""

import os as _os
import stat as _stat
from os.path import (
    basename,
    commonpath,
    commonprefix,
    dirname,
    expanduser,
    expandvars,
    isabs,
    join,
    normcase,
    normpath,
    relpath,
    samestat,
    split,
    splitdrive,
    splitext,
)

from . import _fs
from ._executor import wrap as _wrap
from ._files import check_loop as _check_loop

__all__ = [
    "abspath",
    "basename",
    "commonpath",
    "commonprefix",
    "dirname",
    "exists",
    "expanduser",
    "expandvars",
    "getatime",
    "getctime",
    "getmtime",
    "getsize",
    "isabs",
    "isdir",
    "isfile",
    "islink",
    "ismount",
    "join",
    "lexists",
    "normcase",
    "normpath",
    "realpath",
    "relpath",
    "samefile",
    "sameopenfile",
    "samestat",
    "split",
    "splitdrive",
    "splitext",
]

realpath = _wrap(_os.path.realpath)


async def _mode(path, follow_symlinks=True):
    """The mode of what a path names; 0 if there is nothing."""
    try:
        return (await _fs.stat(path, follow_symlinks=follow_symlinks)).st_mode
    except (OSError, ValueError):
        return 0


async def abspath(path, *, loop=None, executor=None):
    """The absolute path, without dots. Only the current directory is asked for."""
    _check_loop(loop)
    return _os.path.abspath(path)


async def exists(path, *, loop=None, executor=None):
    """Whether a path, or a descriptor, is of something; False for a broken link."""
    _check_loop(loop)
    return bool(await _mode(path))


async def lexists(path, *, loop=None, executor=None):
    """Whether a path is of something; True for a broken link."""
    _check_loop(loop)
    return bool(await _mode(path, follow_symlinks=False))


async def isfile(path, *, loop=None, executor=None):
    """Whether a path is of a regular file, or of a link to one."""
    _check_loop(loop)
    return _stat.S_ISREG(await _mode(path))


async def isdir(path, *, loop=None, executor=None):
    """Whether a path is of a directory, or of a link to one."""
    _check_loop(loop)
    return _stat.S_ISDIR(await _mode(path))


async def islink(path, *, loop=None, executor=None):
    """Whether a path is of a symbolic link."""
    _check_loop(loop)
    return _stat.S_ISLNK(await _mode(path, follow_symlinks=False))


async def ismount(path, *, loop=None, executor=None):
    """Whether a path is of a directory on which a file system is mounted."""
    _check_loop(loop)
    try:
        here = await _fs.stat(path, follow_symlinks=False)
        if _stat.S_ISLNK(here.st_mode):
            return False
        up = b".." if isinstance(_os.fspath(path), bytes) else ".."
        above = await _fs.stat(join(path, up), follow_symlinks=False)
    except (OSError, ValueError):
        return False
    return here.st_dev != above.st_dev or here.st_ino == above.st_ino


async def getsize(path, *, loop=None, executor=None):
    """The size in bytes. Raises OSError as stat does, like all below."""
    _check_loop(loop)
    return (await _fs.stat(path)).st_size


async def getatime(path, *, loop=None, executor=None):
    """The time of the last access, in seconds."""
    _check_loop(loop)
    return (await _fs.stat(path)).st_atime


async def getmtime(path, *, loop=None, executor=None):
    """The time of the last change of the contents, in seconds."""
    _check_loop(loop)
    return (await _fs.stat(path)).st_mtime


async def getctime(path, *, loop=None, executor=None):
    """The time of the last change of contents, owner or mode, in seconds."""
    _check_loop(loop)
    return (await _fs.stat(path)).st_ctime


async def samefile(path1, path2, *, loop=None, executor=None):
    """Whether two paths are of one file."""
    _check_loop(loop)
    return samestat(await _fs.stat(path1), await _fs.stat(path2))


async def sameopenfile(fd1, fd2, *, loop=None, executor=None):
    """Whether two descriptors are of one file."""
    _check_loop(loop)
    return samestat(await _fs.stat(fd1), await _fs.stat(fd2))
