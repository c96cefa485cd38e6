"""Operations on descriptors, and time."""

import asyncio
import select

from ._ring import native, start

IN, OUT = select.EPOLLIN, select.EPOLLOUT


def descriptor(file):
    """The number of a descriptor or of an object with fileno()."""
    if isinstance(file, int):
        return file
    try:
        fileno = file.fileno
    except AttributeError:
        raise TypeError(
            f"a descriptor or an object with fileno() is required, not {type(file).__name__}"
        ) from None
    return fileno()


async def again(mask, fd, function, *args):
    """An operation that would have blocked, because its descriptor is itself
    non-blocking: again each time the descriptor is ready."""
    while True:
        await start(native.poll, fd, mask)
        try:
            return await start(function, fd, *args)
        except BlockingIOError:
            pass


async def read(file, size, offset=-1):
    """Reads at most `size` bytes at `offset`, -1 being the file's position:
    bytes, b"" at the end.

    `file` is a descriptor or has fileno(). Raises OSError as read(2). Linux 5.6.
    """
    fd = file if isinstance(file, int) else descriptor(file)
    try:
        return await start(native.read, fd, size, offset)
    except BlockingIOError:
        return await again(IN, fd, native.read, size, offset)


async def readinto(file, buffer, offset=-1):
    """Reads into a writable buffer at `offset`, -1 being the file's position:
    the number of bytes, 0 at the end.

    The buffer can be neither resized nor freed until the kernel is through.
    Raises OSError as read(2), TypeError for a read-only buffer. Linux 5.6.
    """
    fd = file if isinstance(file, int) else descriptor(file)
    try:
        return await start(native.read_into, fd, buffer, offset)
    except BlockingIOError:
        return await again(IN, fd, native.read_into, buffer, offset)


async def write(file, data, offset=-1):
    """Writes at `offset`, -1 being the file's position: the number of bytes
    written, which may be less than there are.

    Raises OSError as write(2). Linux 5.6.
    """
    fd = file if isinstance(file, int) else descriptor(file)
    try:
        return await start(native.write, fd, data, offset)
    except BlockingIOError:
        return await again(OUT, fd, native.write, data, offset)


async def fsync(file, *, data_only=False):
    """Waits until a file is on its disk; with `data_only` as fdatasync(2).

    Raises OSError as fsync(2). Linux 5.1.
    """
    await start(native.fsync, descriptor(file), data_only)


async def poll(file, mask=select.POLLIN):
    """Waits until a descriptor is ready for `mask` (`select.POLL*`): the mask
    it is ready for.

    Raises OSError as poll(2). Linux 5.1.
    """
    return await start(native.poll, descriptor(file), mask)


async def sleep(delay, result=None):
    """Waits `delay` seconds on the ring's clock (CLOCK_MONOTONIC), to the
    nanosecond as far as the kernel goes: `result`. Linux 5.4.
    """
    if delay <= 0:
        return await asyncio.sleep(0, result)
    nanoseconds = delay * 1e9
    if nanoseconds != nanoseconds:
        raise ValueError("Invalid delay: NaN (not a number)")
    await start(native.timeout, int(min(nanoseconds, 2**62)))
    return result
