"""os.path with coroutines where a disk is asked: see `help(liburing.aio.ospath)`."""

import asyncio
import os as _os
from concurrent.futures import Executor
from os.path import (
    basename as basename,
    commonpath as commonpath,
    commonprefix as commonprefix,
    dirname as dirname,
    expanduser as expanduser,
    expandvars as expandvars,
    isabs as isabs,
    join as join,
    normcase as normcase,
    normpath as normpath,
    relpath as relpath,
    samestat as samestat,
    split as split,
    splitdrive as splitdrive,
    splitext as splitext,
)
from typing import TypeAlias, TypeVar

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

_Path: TypeAlias = str | bytes | _os.PathLike[str] | _os.PathLike[bytes]
_S = TypeVar("_S", str, bytes)

async def abspath(
    path: _S | _os.PathLike[_S], *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> _S: ...
async def exists(
    path: int | _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> bool: ...
async def isdir(
    path: int | _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> bool: ...
async def isfile(
    path: int | _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> bool: ...
async def lexists(
    path: _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> bool: ...
async def islink(
    path: _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> bool: ...
async def ismount(
    path: _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> bool: ...
async def getsize(
    path: int | _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> int: ...
async def getatime(
    path: int | _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> float: ...
async def getctime(
    path: int | _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> float: ...
async def getmtime(
    path: int | _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> float: ...
async def realpath(
    filename: _S | _os.PathLike[_S], *, strict: bool = False, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> _S: ...
async def samefile(
    path1: int | _Path, path2: int | _Path, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> bool: ...
async def sameopenfile(
    fd1: int, fd2: int, *, loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
) -> bool: ...
