"""The object tier: operations as methods, one handle each, reaped in batches."""

import errno
import os
from contextlib import contextmanager

from . import _classes, _liburing, _prep, _queue

_CONSTANTS = _liburing.constants()
_MORE = _CONSTANTS["IORING_CQE_F_MORE"]
_LINK = 1 << _CONSTANTS["IOSQE_IO_LINK_BIT"]
_POSITION = 2**64 - 1
# Operations of the ring itself, which no program asked for.
_HIDDEN = ("cancel", "link end")


class Operation:
    """One operation: its result or exception once `done`."""

    __slots__ = ("name", "user_data", "buffer", "done", "flags", "_key", "_res", "_ring")

    def __init__(self, ring, key, name, buffer, user_data):
        self.name, self.user_data, self.buffer = name, user_data, buffer
        self.done, self.flags = False, 0
        self._ring, self._key, self._res = ring, key, None

    def exception(self):
        """The OSError it ended with, with the operation's name, or None."""
        if self._res is None:
            raise RuntimeError(f"{self.name} has not completed")
        if self._res >= 0:
            return None
        return OSError(-self._res, f"{self.name}: {os.strerror(-self._res)}")

    def result(self):
        """The result (bytes, a descriptor, …); raises exception()."""
        error = self.exception()
        if error is not None:
            raise error
        return self._res

    def wait(self):
        """Submits, waits for this operation and gives its result."""
        ring = self._ring
        ring.submit()
        while not self.done:
            ring._reap(1)
        ring._done.pop(self._key, None)
        return self.result()

    def cancel(self):
        """Asks the kernel to cancel it; it completes with ECANCELED."""
        if not self.done:
            self._ring._start("cancel", _prep.io_uring_prep_cancel64, self._key)
            self._ring.submit()

    def __repr__(self):
        state = "in flight" if self._res is None else f"result {self._res}"
        return f"<{self.name}: {state}>"


class Ring(_classes.Ring):
    """A ring of `entries` entries, for use in a `with` block.

    Without arguments it is the uninitialised Ring of the function tier.
    Use one tier or the other on a ring. A Ring serves one thread at a time;
    a second one gets RuntimeError while a call runs.
    """

    __slots__ = ("_live", "_done", "_next", "_flags")

    def __init__(self, entries=None, *, flags=0, cq_entries=0):
        super().__init__()
        self._live, self._done, self._next, self._flags = {}, {}, 1, 0
        if entries is not None:
            self._core = _liburing.Core(entries, flags, cq_entries)

    def __enter__(self):
        _classes.core(self)
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Cancels what is in flight and takes the ring down; twice is fine."""
        if self._core is not None:
            _queue.io_uring_queue_exit(self)
        self._live.clear()
        self._done.clear()

    def _start(self, name, prepare, *args, buffer=None, user_data=None, **kwargs):
        native = _classes.core(self)
        sqe = native.get_sqe()
        if sqe is None:
            native.submit()
            sqe = native.get_sqe()
            if sqe is None:
                raise OSError(errno.EBUSY, "the submission queue is full")
        prepare(sqe, *args, **kwargs)
        key = self._next
        self._next = key + 1
        sqe.user_data = key
        if self._flags:
            sqe.flags = self._flags
        operation = self._live[key] = Operation(self, key, name, buffer, user_data)
        return operation

    def submit(self):
        """Submits what was started; the number taken."""
        return _classes.core(self).submit()

    def _reap(self, wait, timeout=None):
        native = _classes.core(self)
        if wait:
            limit = None if timeout is None else max(0, int(timeout * 1e9))
            native.wait(wait, limit)
        for key, res, flags in native.completions():
            more = flags & _MORE
            operation = self._live.get(key) if more else self._live.pop(key, None)
            if operation is None:
                continue
            # A zero-copy notification follows the result and carries none.
            if not flags & _CONSTANTS["IORING_CQE_F_NOTIF"]:
                operation._res, operation.flags = res, flags
            if not more:
                operation.done = True
                if operation.name not in _HIDDEN:
                    self._done[key] = operation

    def completions(self, wait=0, timeout=None):
        """Submits, waits for `wait` completions (at most `timeout` seconds) and
        gives the operations that are done since the last call.

        Raises OSError (ETIME) when the time is over.
        """
        self.submit()
        self._reap(max(0, wait - len(self._done)), timeout)
        done = list(self._done.values())
        self._done.clear()
        return done

    @contextmanager
    def link(self):
        """Operations started inside run one after the other; a failure
        cancels the rest. A nop of the ring's own ends the chain."""
        self._flags |= _LINK
        try:
            yield self
        finally:
            self._flags &= ~_LINK
            self._start("link end", _prep.io_uring_prep_nop)

    def nop(self, *, user_data=None):
        """Does nothing. Kernel 5.1."""
        return self._start("nop", _prep.io_uring_prep_nop, user_data=user_data)

    def read(self, fd, buffer, offset=None, *, user_data=None):
        """Reads into a writable buffer, or a new one of so many bytes
        (`operation.buffer`); offset in bytes, None for the file position.
        Result: bytes read. Kernel 5.6."""
        buffer = bytearray(buffer) if isinstance(buffer, int) else buffer
        offset = _POSITION if offset is None else offset
        return self._start(
            "read", _prep.io_uring_prep_read, fd, buffer, offset,
            buffer=buffer, user_data=user_data,
        )

    def write(self, fd, buffer, offset=None, *, user_data=None):
        """Writes a buffer. Result: bytes written. Kernel 5.6."""
        offset = _POSITION if offset is None else offset
        return self._start(
            "write", _prep.io_uring_prep_write, fd, buffer, offset,
            buffer=buffer, user_data=user_data,
        )

    def open(self, path, flags=os.O_RDONLY, mode=0o666, *, user_data=None):
        """Opens a file. Result: a descriptor. Kernel 5.6."""
        return self._start(
            "open", _prep.io_uring_prep_open, path, flags | os.O_CLOEXEC, mode,
            user_data=user_data,
        )

    def close_fd(self, fd, *, user_data=None):
        """Closes a descriptor. Kernel 5.6."""
        return self._start("close", _prep.io_uring_prep_close, fd, user_data=user_data)

    def accept(self, fd, *, user_data=None):
        """Accepts a connection. Result: a descriptor. Kernel 5.5."""
        return self._start("accept", _prep.io_uring_prep_accept, fd, user_data=user_data)

    def recv(self, fd, buffer, flags=0, *, user_data=None):
        """Receives into a buffer, or a new one of so many bytes. Kernel 5.6."""
        buffer = bytearray(buffer) if isinstance(buffer, int) else buffer
        return self._start(
            "recv", _prep.io_uring_prep_recv, fd, buffer, flags=flags,
            buffer=buffer, user_data=user_data,
        )

    def send(self, fd, buffer, flags=0, *, user_data=None):
        """Sends a buffer. Result: bytes sent. Kernel 5.6."""
        return self._start(
            "send", _prep.io_uring_prep_send, fd, buffer, flags=flags,
            buffer=buffer, user_data=user_data,
        )

    def timeout(self, seconds, *, user_data=None):
        """Ends with ETIME after that time. Kernel 5.4."""
        return self._start(
            "timeout", _prep.io_uring_prep_timeout, _classes.timespec(seconds), 0,
            user_data=user_data,
        )
