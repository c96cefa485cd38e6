"""Files of the standard library as asynchronous ones: their calls are made by the
loop's executor, since the buffers and decoders are theirs."""

import asyncio
import functools
import io
import sys

from ._answers import Number, answer
from ._files import check_loop

# What a thread is asked for.
CALLS = (
    "close", "flush", "peek", "read", "read1", "readall", "readinto", "readinto1", "readline",
    "readlines", "seek", "tell", "truncate", "write", "writelines",
)  # fmt: skip


class Wrapped:
    """A file of the standard library, whose calls are awaited. Attributes are the
    file's; `fileno()`, `isatty()`, `readable()`, `seekable()` and `writable()` may be
    awaited."""

    def __init__(self, find, executor=None):
        self._find, self._executor = find, executor

    def __getattr__(self, name):
        return getattr(self._find(), name)

    def fileno(self):
        """The descriptor. May be awaited."""
        return Number(self._find().fileno())

    def isatty(self):
        """Whether it is a terminal. May be awaited."""
        return answer(self._find().isatty())

    def readable(self):
        """Whether it can be read. May be awaited."""
        return answer(self._find().readable())

    def seekable(self):
        """Whether it has a position. May be awaited."""
        return answer(self._find().seekable())

    def writable(self):
        """Whether it can be written. May be awaited."""
        return answer(self._find().writable())

    def __aiter__(self):
        return self

    async def __anext__(self):
        if line := await self.readline():
            return line
        raise StopAsyncIteration

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        await self.close()

    def __repr__(self):
        return f"<liburing.aio.Wrapped {self._find()!r}>"


# Those that have no arguments.
BARE = ("close", "flush", "readall", "tell")


def _awaited(name):
    async def call(self, *args, **kwargs):
        function = functools.partial(getattr(self._find(), name), *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    async def bare(self):
        function = getattr(self._find(), name)
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    call = bare if name in BARE else call
    call.__name__, call.__qualname__ = name, f"Wrapped.{name}"
    call.__doc__ = f"`{name}` of the file, called by the executor."
    return call


for _name in CALLS:
    setattr(Wrapped, _name, _awaited(_name))


def wrap(file, *, loop=None, executor=None):
    """A file of the standard library as one whose calls are awaited; they are made by
    the loop's executor, or by another pool of threads. TypeError for what is no file of
    the module io.
    """
    if not isinstance(file, io.IOBase):
        raise TypeError(f"a file of the module io is required, not {type(file).__name__}")
    if loop is not None:
        check_loop(loop)
    return Wrapped(lambda: file, executor)


stdin = Wrapped(lambda: sys.stdin)
stdout = Wrapped(lambda: sys.stdout)
stderr = Wrapped(lambda: sys.stderr)
stdin_bytes = Wrapped(lambda: sys.stdin.buffer)
stdout_bytes = Wrapped(lambda: sys.stdout.buffer)
stderr_bytes = Wrapped(lambda: sys.stderr.buffer)
