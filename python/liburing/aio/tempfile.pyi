"""Temporary files and directories: see `help(liburing.aio.tempfile)`."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import Executor
from typing import Any, Generic, Literal, TypeAlias, TypeVar, overload

from typing_extensions import Self

from . import File, TextFile, _BinaryMode, _Opening, _TextMode, _Truth

__all__ = ["NamedTemporaryFile", "SpooledTemporaryFile", "TemporaryDirectory", "TemporaryFile"]

_Affix: TypeAlias = str | bytes | None
_Folder: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes] | None
_A = TypeVar("_A", str, bytes)

class _Spooled(Generic[_A]):
    mode: str
    name: Any
    def __init__(
        self, max_size: int, mode: str, encoding: str | None, errors: str | None,
        newline: str | None, place: tuple[Any, ...],
    ) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def encoding(self) -> str: ...
    @property
    def errors(self) -> str: ...
    @property
    def newlines(self) -> str | tuple[str, ...] | None: ...
    def readable(self) -> _Truth: ...
    def writable(self) -> _Truth: ...
    def seekable(self) -> _Truth: ...
    async def isatty(self) -> bool: ...
    async def fileno(self) -> int: ...
    async def rollover(self) -> None: ...
    async def read(self, n: int = -1, /) -> _A: ...
    async def readline(self, size: int = -1, /) -> _A: ...
    async def readlines(self, hint: int = -1, /) -> list[_A]: ...
    async def write(self, data: _A, /) -> int: ...
    async def writelines(self, lines: Iterable[_A], /) -> None: ...
    async def seek(self, offset: int, whence: int = 0, /) -> int: ...
    async def tell(self) -> int: ...
    async def truncate(self, size: int | None = None, /) -> int: ...
    async def flush(self) -> None: ...
    async def close(self) -> None: ...
    def __aiter__(self) -> AsyncIterator[_A]: ...
    async def __anext__(self) -> _A: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc_info: object) -> None: ...

class _Directory:
    name: Any
    def __init__(
        self, name: str | bytes, ignore_errors: bool, delete: bool, executor: Executor | None
    ) -> None: ...
    async def cleanup(self) -> None: ...
    async def close(self) -> None: ...
    def __fspath__(self) -> Any: ...

class _Making:
    def __await__(self) -> Any: ...
    async def __aenter__(self) -> Any: ...
    async def __aexit__(self, *exc_info: object) -> None: ...

@overload
def TemporaryFile(
    mode: _BinaryMode = "w+b",
    buffering: int = -1, encoding: str | None = None,
    newline: str | None = None, suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    *, errors: str | None = None,
) -> _Opening[File]: ...
@overload
def TemporaryFile(
    mode: _TextMode,
    buffering: int = -1, encoding: str | None = None,
    newline: str | None = None, suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    *, errors: str | None = None,
) -> _Opening[TextFile]: ...
@overload
def TemporaryFile(
    mode: str,
    buffering: int = -1, encoding: str | None = None,
    newline: str | None = None, suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    *, errors: str | None = None,
) -> _Opening[Any]: ...
@overload
def NamedTemporaryFile(
    mode: _BinaryMode = "w+b",
    buffering: int = -1, encoding: str | None = None,
    newline: str | None = None, suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    delete: bool = True, delete_on_close: bool = True,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    *, errors: str | None = None,
) -> _Opening[File]: ...
@overload
def NamedTemporaryFile(
    mode: _TextMode,
    buffering: int = -1, encoding: str | None = None,
    newline: str | None = None, suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    delete: bool = True, delete_on_close: bool = True,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    *, errors: str | None = None,
) -> _Opening[TextFile]: ...
@overload
def NamedTemporaryFile(
    mode: str,
    buffering: int = -1, encoding: str | None = None,
    newline: str | None = None, suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    delete: bool = True, delete_on_close: bool = True,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    *, errors: str | None = None,
) -> _Opening[Any]: ...
@overload
def SpooledTemporaryFile(
    max_size: int = 0, mode: _BinaryMode = "w+b",
    buffering: int = -1, encoding: str | None = None,
    newline: str | None = None, suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    *, errors: str | None = None,
) -> _Opening[_Spooled[bytes]]: ...
@overload
def SpooledTemporaryFile(
    max_size: int, mode: _TextMode,
    buffering: int = -1, encoding: str | None = None,
    newline: str | None = None, suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    *, errors: str | None = None,
) -> _Opening[_Spooled[str]]: ...
@overload
def SpooledTemporaryFile(
    max_size: int, mode: str,
    buffering: int = -1, encoding: str | None = None,
    newline: str | None = None, suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    *, errors: str | None = None,
) -> _Opening[_Spooled[Any]]: ...
@overload
def SpooledTemporaryFile(
    max_size: int = 0, *, mode: _TextMode,
    buffering: int = -1, encoding: str | None = None,
    newline: str | None = None, suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    errors: str | None = None,
) -> _Opening[_Spooled[str]]: ...
def TemporaryDirectory(
    suffix: _Affix = None, prefix: _Affix = None, dir: _Folder = None,
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None,
    *, ignore_cleanup_errors: bool = False, delete: bool = True,
) -> _Making: ...
