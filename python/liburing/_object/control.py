"""Operations that wait, and operations on rings."""

from __future__ import annotations

import os
import select as _select
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .common import CONSTANTS, OP, Native
from .results import ChildStatus, child_status

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack

    from .._liburing import FixedFile, Operation, Stream
    from .common import File, Options

FUTEX_U32 = 2
FUTEX_PRIVATE = 128
ANY_BIT = 0xFFFFFFFF


class _Target:
    """A ring that a message is for, kept until it is sent: one that is freed before gives its
    descriptor's number away."""

    __slots__ = ("_fd", "_ring")

    def __init__(self, ring: Any, fd: int) -> None:
        self._ring, self._fd = ring, fd

    def fileno(self) -> int:
        return self._fd


class ControlOperations(Native):
    """Timers, polls, futexes, children, messages, cancellation."""

    __slots__ = ()

    def nop(self, **options: Unpack[Options]) -> Operation[int]:
        """Does nothing. Kernel 5.1."""
        return self._native.start(
            "nop", OP["NOP"], -1, None, 0, None, 0, None, 0, 0, None, None, options
        )

    def timeout(
        self, seconds: float, count: int = 0, *, absolute: bool = False, realtime: bool = False,
        boottime: bool = False, **options: Unpack[Options],
    ) -> Operation[bool]:  # fmt: skip
        """A timer. The result is True when the time is over, False when
        `count` other operations were completed before. Kernel 5.4.

        `seconds` counts from now, or with `absolute` on the clock:
        time.monotonic(), time.time() with `realtime` (kernel 5.15), or the one
        that goes on in suspend with `boottime`. In a chain the next operation
        starts when the time is over (kernel 5.16).
        """
        flags = CONSTANTS["IORING_TIMEOUT_ABS"] if absolute else 0
        flags |= CONSTANTS["IORING_TIMEOUT_REALTIME"] if realtime else 0
        flags |= CONSTANTS["IORING_TIMEOUT_BOOTTIME"] if boottime else 0
        return self._native.timer("timeout", seconds, count, flags, options)

    def timeout_update(
        self, timer: Operation[bool], seconds: float, **options: Unpack[Options]
    ) -> Operation[int]:
        """Lets a timer end `seconds` from now; ENOENT when it ended.
        Kernel 5.11."""
        return self._native.timer_update("timeout_update", timer, seconds, options)

    def timeout_remove(
        self, timer: Operation[bool], **options: Unpack[Options]
    ) -> Operation[int]:
        """Ends a timer, which fails with ECANCELED, as an operation of its own.
        Errors: ENOENT when it is over, EALREADY when it is ending. Kernel 5.5."""
        return self._native.start(
            "timeout_remove", OP["TIMEOUT_REMOVE"], -1, timer, 0, None, 0,
            None, 0, 0, None, None, options,
        )  # fmt: skip

    def poll(
        self, fd: File, events: int = _select.POLLIN, **options: Unpack[Options]
    ) -> Operation[int]:
        """Waits until a file is ready; the result is the events that are,
        select.POLL*. Kernel 5.1."""
        return self._native.start(
            "poll", OP["POLL_ADD"], fd, None, 0, None, events, None, 0, 0, None, None, options
        )

    def poll_update(
        self, poll: Operation[int] | Stream[int], events: int, **options: Unpack[Options]
    ) -> Operation[int]:
        """Lets a poll, or a poll_multishot, wait for other events, select.POLL*.
        Errors: ENOENT when it is over, EALREADY when it is ending. Kernel 5.13."""
        return self._native.start(
            "poll_update", OP["POLL_REMOVE"], -1, poll,
            CONSTANTS["IORING_POLL_UPDATE_EVENTS"], None, events, None, 0, 0, None, None, options,
        )  # fmt: skip

    def poll_remove(
        self, poll: Operation[int] | Stream[int], **options: Unpack[Options]
    ) -> Operation[int]:
        """Ends a poll, which fails with ECANCELED, as an operation of its own.
        Errors: ENOENT when it is over, EALREADY when it is ending. Kernel 5.1."""
        return self._native.start(
            "poll_remove", OP["POLL_REMOVE"], -1, poll, 0, None, 0,
            None, 0, 0, None, None, options,
        )  # fmt: skip

    def epoll_ctl(
        self, epfd: File, op: int, fd: int, events: int = 0, data: int | None = None,
        **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Changes what an epoll file watches; `op` is 1 to add, 2 to remove, 3
        to modify; `data` comes back with the event, by default `fd`.
        Kernel 5.6."""
        event = struct.pack("=IQ", events, fd if data is None else data)
        return self._native.start(
            "epoll_ctl", OP["EPOLL_CTL"], epfd, event, op, fd, 0,
            None, 0, 0, None, None, options,
        )  # fmt: skip

    def epoll_wait(
        self, epfd: File, maxevents: int = 64, **options: Unpack[Options]
    ) -> Operation[list[tuple[int, int]]]:
        """Waits for events of an epoll file; the result is a list of (data,
        events). Kernel 6.15."""
        room = bytearray(12 * maxevents)

        def finish(res: int) -> list[tuple[int, int]]:
            found = [struct.unpack_from("=IQ", room, 12 * at) for at in range(res)]
            return [(data, events) for events, data in found]

        return self._native.start(
            "epoll_wait", OP["EPOLL_WAIT"], epfd, room, 0, None, 0,
            None, 0, 0, finish, None, options,
        )  # fmt: skip

    def waitid(
        self, idtype: int, id: int, wait_options: int = os.WEXITED, **options: Unpack[Options]
    ) -> Operation[ChildStatus | None]:
        """Waits for a child, as os.waitid: os.P_PID and a pid, os.P_ALL and 0,
        …; `wait_options` are os.WEXITED and so on. Kernel 6.7."""
        info = bytearray(128)
        return self._native.start(
            "waitid", OP["WAITID"], id, None, int(idtype), info, 0,
            None, 0, wait_options, lambda res: child_status(info), None, options,
        )  # fmt: skip

    def futex_wait(
        self, memory: Buffer, value: int, *, mask: int = ANY_BIT, shared: bool = False,
        **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Waits on the 32-bit number at the start of `memory` while it is
        `value`; BlockingIOError (EAGAIN) when it is not. Kernel 6.7."""
        flags = FUTEX_U32 | (0 if shared else FUTEX_PRIVATE)
        return self._native.start(
            "futex_wait", OP["FUTEX_WAIT"], flags, memory, 0, value, 0,
            mask, 0, 0, None, None, options,
        )  # fmt: skip

    def futex_wake(
        self, memory: Buffer, count: int = 1, *, mask: int = ANY_BIT, shared: bool = False,
        **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Wakes up to `count` that wait on the number at the start of
        `memory`; the result is how many. Kernel 6.7."""
        flags = FUTEX_U32 | (0 if shared else FUTEX_PRIVATE)
        return self._native.start(
            "futex_wake", OP["FUTEX_WAKE"], flags, memory, 0, count, 0,
            mask, 0, 0, None, None, options,
        )  # fmt: skip

    def futex_waitv(
        self, futexes: Iterable[tuple[Buffer, int]], *, shared: bool = False,
        **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Waits on several (memory, value) pairs; the result is the place of
        one that was woken. Kernel 6.7."""
        flags = FUTEX_U32 | (0 if shared else FUTEX_PRIVATE)
        watched = [(memory, value, flags) for memory, value in futexes]
        return self._native.futex_waitv("futex_waitv", watched, options)

    def msg_ring(
        self, ring: Any, data: int, res: int = 0, *, flags: int | None = None,
        **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Posts a completion tagged `data` with the number `res` to another ring (a
        Ring or its descriptor), whose completions() give a RingMessage. Kernel
        5.18; `flags` for the completion 6.3."""
        op_flags = 0 if flags is None else CONSTANTS["IORING_MSG_RING_FLAGS_PASS"]
        return self._message_to(ring, data, res, op_flags, flags or 0, None, 0, options)

    def msg_ring_fd(
        self, ring: Any, file: FixedFile, data: int = 0,
        *, slot: FixedFile | None = None, **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Puts a file of this ring's table into another ring's, into `slot` or
        a free one, and tells it with a RingMessage. Kernel 6.0."""
        target = 2**32 - 1 if slot is None else slot.index + 1
        return self._message_to(ring, data, 0, 0, target, file.index, 1, options)

    def _message_to(
        self, ring: Any, data: int, res: int, flags: int, field: int, source: int | None,
        command: int, options: Options,
    ) -> Operation[int]:  # fmt: skip
        fd = getattr(ring, "ring_fd", ring)
        if fd is not ring and ring is not self:
            fd = _Target(ring, fd)
        return self._native.start(
            "msg_ring", OP["MSG_RING"], fd, command, res & 0xFFFFFFFF, data, flags,
            source, 0, field, None, None, options,
        )  # fmt: skip

    def cancel_fd(self, fd: File, **options: Unpack[Options]) -> Operation[int]:
        """Cancels all operations on a file; the result is how many.
        Kernel 5.19."""
        flags = CONSTANTS["IORING_ASYNC_CANCEL_FD"] | CONSTANTS["IORING_ASYNC_CANCEL_ALL"]
        if not isinstance(fd, int) and not hasattr(fd, "fileno"):
            flags |= CONSTANTS["IORING_ASYNC_CANCEL_FD_FIXED"]
            fd = fd.index
        return self._cancel(fd, flags, options)

    def cancel_all(self, **options: Unpack[Options]) -> Operation[int]:
        """Cancels all operations of the ring; the result is how many.
        Kernel 5.19."""
        flags = CONSTANTS["IORING_ASYNC_CANCEL_ANY"] | CONSTANTS["IORING_ASYNC_CANCEL_ALL"]
        return self._cancel(-1, flags, options)

    def cancel(self, operation: Operation[Any], **options: Unpack[Options]) -> Operation[int]:
        """Cancels an operation, as an operation of its own, which may be part
        of a chain. Errors: ENOENT when it is done, EALREADY when it cannot be
        stopped. `operation.cancel()` is the simple way. Kernel 5.5."""
        return self._native.start(
            "cancel", OP["ASYNC_CANCEL"], -1, operation, 0, None, 0,
            None, 0, 0, None, None, options,
        )  # fmt: skip

    def _cancel(self, fd: File, flags: int, options: Options) -> Operation[int]:
        return self._native.start(
            "cancel", OP["ASYNC_CANCEL"], fd, None, 0, None, flags,
            None, 0, 0, None, None, options,
        )  # fmt: skip
