"""An event loop on a ring."""

import asyncio
import heapq
import math
import selectors
from asyncio.events import Handle

from ._ring import Proactor
from ._transport import StreamTransport

_IN, _OUT = 1, 4


class RingSelector(selectors._BaseSelectorImpl):
    """Readiness of descriptors: they are in an epoll instance, which a ring
    polls. To wait is to submit what the loop has queued and to finish what has
    completed."""

    def __init__(self, proactor):
        super().__init__()
        self._proactor = proactor
        # Without a Python frame in between.
        self.select = proactor.poll

    def register(self, fileobj, events, data=None):
        key = super().register(fileobj, events, data)
        try:
            self._watch(key)
        except BaseException:
            super().unregister(fileobj)
            raise
        return key

    def modify(self, fileobj, events, data=None):
        key = self.get_key(fileobj)
        if not events or events & ~(selectors.EVENT_READ | selectors.EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        if (events, data) != (key.events, key.data):
            key = key._replace(events=events, data=data)
            try:
                self._watch(key)
            except OSError:
                # Closed by its owner, and opened anew perhaps.
                self.unregister(fileobj)
                raise
            self._fd_to_key[key.fd] = key
        return key

    def _watch(self, key):
        mask = _IN if key.events & selectors.EVENT_READ else 0
        if key.events & selectors.EVENT_WRITE:
            mask |= _OUT
        self._proactor.watch(key.fd, mask, key)

    def unregister(self, fileobj):
        key = super().unregister(fileobj)
        self._proactor.unwatch(key.fd)
        return key

    def select(self, timeout=None):
        """Submits, waits and finishes; the descriptors that are ready."""
        return self._proactor.poll(timeout)

    def close(self):
        self._proactor.close()
        super().close()
        # The bound method refers back to the ring.
        self.__dict__.pop("select", None)


class _OwnRing:
    """The ring of an EventLoop as liburing.aio sees it: what is queued goes
    with the next submission of the loop."""

    scheduled = True

    def __init__(self, proactor):
        self.proactor = proactor

    def wake(self, loop):
        """The loop submits before it waits."""


class EventLoop(asyncio.SelectorEventLoop):
    """The whole asyncio interface on one io_uring.

        with asyncio.Runner(loop_factory=liburing.aio.EventLoop) as runner:
            runner.run(main())

    Each turn of the loop is one io_uring_enter(2), which submits what the turn
    before has queued, waits, and brings all completions. Stream connections
    receive into buffers the loop provides, with a multishot operation when they
    are busy, and what they write in a turn is sent with its submission (Linux
    6.0; before, and for everything else, with the standard library's transports
    on an epoll instance that the ring polls). `liburing.aio`'s own operations
    use the loop's ring. Their transports have `take_received()`, for code that
    takes a connection over.

    Raises OSError if the kernel forbids io_uring (ENOSYS, EPERM) or is older
    than Linux 5.11.
    """

    # A loop that has no ring is not there: its finalizer has nothing to close.
    _closed = True
    _ssock = _csock = None

    def __init__(self):
        proactor = Proactor(1024, 16384)
        self._proactor = proactor
        self._liburing_ring = _OwnRing(proactor)
        self._streams = proactor.can_stream()
        try:
            super().__init__(RingSelector(proactor))
        except BaseException:
            # No descriptors were left for the pipe that wakes the loop.
            self._closed = True
            proactor.close()
            for end in (self._ssock, self._csock):
                if end is not None:
                    end.close()
            raise

    # ---- a turn of the loop, without what only debugging needs

    def call_soon(self, callback, *args, context=None):
        """Has callback(*args) called in the next turn of the loop."""
        if self._debug or self._closed:
            handle = super().call_soon(callback, *args, context=context)
            if handle._source_traceback:
                # This frame.
                del handle._source_traceback[-1]
            return handle
        handle = Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when, callback, *args, context=None):
        """Has callback(*args) called when the loop's clock shows `when`.

        What is no number (NaN) is now, as on asyncio's own loops; what no
        float can hold is as far away as can be. Raises TypeError for what
        cannot be compared with the clock.
        """
        if type(when) is not float:
            when = self._moment(when)
        elif when != when:
            # Nothing could be ordered by it.
            when = self.time()
        handle = super().call_at(when, callback, *args, context=context)
        if handle._source_traceback:
            # This frame.
            del handle._source_traceback[-1]
        return handle

    def _moment(self, when):
        if when is None:
            raise TypeError("when cannot be None")
        try:
            # What cannot be subtracted would end the loop later on.
            distance = float(when - self.time())
        except OverflowError:
            return math.inf if when > 0 else -math.inf
        return self.time() if distance != distance else when

    def stop(self):
        """Stops run_forever after this turn."""
        super().stop()
        try:
            self._proactor.interrupt()
        except RuntimeError:
            # From another thread, which has to wake the loop anyway.
            pass

    def _run_once(self):
        if self._debug or self._timer_cancelled_count > 50:
            return super()._run_once()
        ready, timers = self._ready, self._scheduled
        while timers and timers[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(timers)._scheduled = False
        if ready or self._stopping:
            timeout = 0
        elif timers:
            timeout = max(0, timers[0]._when - self.time())
        else:
            timeout = None
        events = self._proactor.poll(timeout, ready, timers)
        if events:
            self._process_events(events)
        if timers:
            now = self.time() + self._clock_resolution
            while timers and timers[0]._when < now:
                handle = heapq.heappop(timers)
                handle._scheduled = False
                ready.append(handle)
        # Handles that these add are for the next turn.
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()
        handle = None

    def run_forever(self):
        """Runs until stop() is called."""
        try:
            super().run_forever()
        finally:
            # What was written in the last turn is on its way.
            if not self._proactor.closed:
                self._proactor.submit()

    def _make_socket_transport(self, sock, protocol, waiter=None, **options):
        if not self._streams:
            return super()._make_socket_transport(sock, protocol, waiter, **options)
        return StreamTransport(self, sock, protocol, waiter, **options)

    def _make_ssl_transport(
        self, rawsock, protocol, sslcontext, waiter=None, *,
        server_side=False, server_hostname=None, extra=None, server=None,
        **options,
    ):
        if not self._streams:
            return super()._make_ssl_transport(
                rawsock, protocol, sslcontext, waiter, server_side=server_side,
                server_hostname=server_hostname, extra=extra, server=server, **options,
            )
        context = {"context": options.pop("context")} if "context" in options else {}
        ssl_protocol = asyncio.sslproto.SSLProtocol(
            self, protocol, sslcontext, waiter, server_side, server_hostname, **options
        )
        StreamTransport(self, rawsock, ssl_protocol, extra=extra, server=server, **context)
        return ssl_protocol._app_transport


def new_event_loop():
    """An EventLoop."""
    return EventLoop()


def run(main, *, debug=None):
    """asyncio.run on an EventLoop."""
    if hasattr(asyncio, "Runner"):
        with asyncio.Runner(debug=debug, loop_factory=EventLoop) as runner:
            return runner.run(main)
    # Python 3.10.
    loop = EventLoop()
    try:
        asyncio.set_event_loop(loop)
        if debug is not None:
            loop.set_debug(debug)
        return loop.run_until_complete(main)
    finally:
        try:
            asyncio.runners._cancel_all_tasks(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
