"""The ring of the running loop, and the futures its operations finish."""

import os
import weakref
from asyncio import get_running_loop

from .. import _liburing

native = _liburing.aio
Proactor, Operation = native.Proactor, native.Operation


class LoopRing:
    """The ring beside a loop that knows nothing of it: completions wake the
    loop through an eventfd, submissions are made once for each turn of it."""

    def __init__(self, loop):
        self.proactor = Proactor()
        self.scheduled = False
        loop.add_reader(self.proactor.open_eventfd(), self.harvest)

    def wake(self, loop):
        """Has what was queued submitted in the next turn of the loop."""
        if not self.scheduled:
            self.scheduled = True
            loop.call_soon(self.flush)

    def flush(self):
        """Submits; what completes at once is finished at once."""
        self.scheduled = False
        self.proactor.flush()

    def harvest(self):
        """Finishes what has completed."""
        self.proactor.flush(True)


# Loops that take no attributes.
_rings: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def ring_of(loop):
    """The ring of a loop, made at first use."""
    ring = getattr(loop, "_liburing_ring", None) or _rings.get(loop)
    if ring is None:
        ring = LoopRing(loop)
        try:
            loop._liburing_ring = ring
        except AttributeError:
            _rings[loop] = ring
    return ring


def start(function, *args):
    """Queues an operation on the ring of the running loop; its future."""
    loop = get_running_loop()
    try:
        ring = loop._liburing_ring
    except AttributeError:
        ring = ring_of(loop)
    operation = Operation(loop, ring)
    function(ring.proactor, operation, *args)
    if not ring.scheduled:
        ring.wake(loop)
    return operation


def start_for_good(function, *args):
    """As `start`; a cancelled task gets its CancelledError when the operation
    has ended by itself."""
    operation = start(function, *args)
    operation.protect()
    return operation


async def make_descriptor(function, *args):
    """Awaits an operation that makes a descriptor, and closes what it made if
    the task does not come to have it."""
    operation = start(function, *args)
    try:
        return await operation
    except BaseException:
        if not operation.done():
            # The coroutine is being closed.
            operation.cancel()
        elif not operation.cancelled() and operation.exception() is None:
            os.close(operation.result())
        raise
