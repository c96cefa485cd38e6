"""What io_uring has no operation for: run by the loop's executor, a pool of threads."""

import asyncio
import functools
import inspect

from ._files import check_loop


def in_executor(function, executor=None):
    """Awaits a call made by a thread."""
    return asyncio.get_running_loop().run_in_executor(executor, function)


def wrap(function):
    """A coroutine function with the arguments of `function`, which a thread of the
    loop's executor calls; `executor` chooses another pool."""

    try:
        known = inspect.signature(function).parameters
    except ValueError:
        known = None
    if known and any(each.kind is each.VAR_KEYWORD for each in known.values()):
        known = None

    @functools.wraps(function)
    async def call(*args, loop=None, executor=None, **kwargs):
        # Functions in C do not name what they do not know.
        for name in kwargs if known is not None else ():
            if name not in known:
                raise TypeError(
                    f"{function.__name__}() got an unexpected keyword argument {name!r}"
                )
        check_loop(loop)
        return await in_executor(functools.partial(function, *args, **kwargs), executor)

    # `function` is no coroutine function, and has no `executor`.
    del call.__wrapped__
    first = (inspect.getdoc(function) or function.__name__).partition("\n\n")[0]
    call.__doc__ = f"In the loop's executor, as io_uring has no operation for it:\n{first}\n"
    return call
