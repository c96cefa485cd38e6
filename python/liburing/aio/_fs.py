"""File system calls, with the arguments they have in os and shutil."""

import asyncio
import errno
import functools
import os
import shutil
import stat as _stat

from . import _files
from ._ring import native, start

_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_EMPTY_PATH = 0x1000


async def _named(operation, path, other=None):
    """The error of an operation gets the paths it was about."""
    try:
        return await operation
    except OSError as error:
        error.filename = path
        if other is not None:
            error.filename2 = other
        raise


def _result(fields):
    identity, owner, times, blocks = fields
    mode, ino, dev = identity
    nlink, uid, gid, size = owner
    seconds = [time // 10**9 for time in times]
    return os.stat_result(
        (mode, ino, dev, nlink, uid, gid, size, *seconds),
        {
            # As os computes them, to the last bit.
            **{f"st_{x}time": t // 10**9 + 1e-9 * (t % 10**9) for x, t in zip("amc", times)},
            **{f"st_{x}time_ns": t for x, t in zip("amc", times)},
            "st_blksize": blocks[0],
            "st_blocks": blocks[1],
            "st_rdev": blocks[2],
        },
    )


async def stat(path, *, dir_fd=None, follow_symlinks=True):
    """os.stat of a path or a descriptor: an os.stat_result.

    Raises OSError as statx(2). Linux 5.6.
    """
    if isinstance(path, int):
        if dir_fd is not None or not follow_symlinks:
            raise ValueError("stat: a descriptor goes with neither dir_fd nor follow_symlinks=False")
        return _result(await start(native.statx, path, b"", _AT_EMPTY_PATH))
    flags = 0 if follow_symlinks else _AT_SYMLINK_NOFOLLOW
    dir_fd = _AT_FDCWD if dir_fd is None else dir_fd
    name = os.fsencode(path)
    if not name:
        # To statx(2) that is the directory itself.
        raise _no_such_file(path)
    return _result(await _named(start(native.statx, dir_fd, name, flags), path))


def _no_such_file(path):
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


async def _change(what, first, second=None, mode=0):
    raw = b"" if second is None else os.fsencode(second)
    await _named(start(native.change, what, os.fsencode(first), raw, mode), first, second)


def _in_thread(function, *args, **kwargs):
    """What takes directories by descriptor goes to the executor."""
    return asyncio.get_running_loop().run_in_executor(
        None, functools.partial(function, *args, **kwargs)
    )


async def unlink(path, *, dir_fd=None):
    """Removes a file. Raises OSError as unlink(2). Linux 5.11; `dir_fd` in the loop's
    executor."""
    if dir_fd is not None:
        return await _in_thread(os.unlink, path, dir_fd=dir_fd)
    await _change("unlink", path)


remove = unlink


async def rmdir(path, *, dir_fd=None):
    """Removes an empty directory. Raises OSError as rmdir(2). Linux 5.11; `dir_fd` in
    the loop's executor."""
    if dir_fd is not None:
        return await _in_thread(os.rmdir, path, dir_fd=dir_fd)
    await _change("rmdir", path)


async def mkdir(path, mode=0o777, *, dir_fd=None):
    """Makes a directory. Raises OSError as mkdir(2). Linux 5.15; `dir_fd` in the
    loop's executor."""
    if dir_fd is not None:
        return await _in_thread(os.mkdir, path, mode, dir_fd=dir_fd)
    await _change("mkdir", path, mode=mode)


async def rename(src, dst, *, src_dir_fd=None, dst_dir_fd=None):
    """Renames; an existing `dst` is replaced. Raises OSError as rename(2).
    Linux 5.11; descriptors of directories in the loop's executor."""
    if src_dir_fd is not None or dst_dir_fd is not None:
        return await _in_thread(
            os.rename, src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd
        )
    await _change("rename", src, dst)


replace = rename


async def link(src, dst, *, src_dir_fd=None, dst_dir_fd=None, follow_symlinks=True):
    """Makes a hard link `dst` to `src`. Raises OSError as link(2). Linux 5.15; with a
    keyword in the loop's executor."""
    if src_dir_fd is not None or dst_dir_fd is not None or not follow_symlinks:
        return await _in_thread(
            os.link, src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd,
            follow_symlinks=follow_symlinks,
        )  # fmt: skip
    await _change("link", src, dst)


async def symlink(src, dst, target_is_directory=False, *, dir_fd=None):
    """Makes a symbolic link `dst` to `src`. Raises OSError as symlink(2).
    Linux 5.15; `dir_fd` in the loop's executor. `target_is_directory` is for other
    systems."""
    if dir_fd is not None:
        return await _in_thread(os.symlink, src, dst, dir_fd=dir_fd)
    await _change("symlink", src, dst)


async def copyfile(src, dst, *, chunk=256 << 10, depth=4):
    """Copies the contents of a file: `dst`, whose mode and times stay its own.

    `depth` pieces of `chunk` bytes are on their way at a time. Raises OSError
    as open, read and write do, shutil.SameFileError if both are one file,
    ValueError if `chunk` or `depth` is not positive. Linux 5.6.
    """
    if chunk <= 0 or depth <= 0:
        raise ValueError("chunk and depth must be positive")
    async with _files.open(src, "rb") as source:
        status = await stat(source.fileno())
        try:
            there = await stat(dst)
        except FileNotFoundError:
            pass
        else:
            if os.path.samestat(status, there):
                raise shutil.SameFileError(f"{src!r} and {dst!r} are the same file")
        async with _files.open(dst, "wb") as target:
            if _stat.S_ISREG(status.st_mode) and target.seekable():
                await _copy_regular(source, target, status.st_size, chunk, depth)
            # What a file that says nothing of its size, or grew, has more.
            while data := await source.read(chunk):
                await target.write(data)
    return dst


async def _copy_regular(source, target, size, chunk, depth):
    """Copies `size` bytes, or as many as there are, and moves both positions
    behind them."""
    offsets = iter(range(0, size, chunk))
    copied = 0

    async def worker():
        nonlocal copied
        for offset in offsets:
            end = min(offset + chunk, size)
            while offset < end:
                data = await source.read(end - offset, offset)
                if not data:
                    return
                await target.write(data, offset)
                offset += len(data)
                copied = max(copied, offset)

    workers = [asyncio.ensure_future(worker()) for _ in range(min(depth, -(-size // chunk)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    await source.seek(copied)
    await target.seek(copied)
