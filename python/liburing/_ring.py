"""The object tier: operations as methods, one handle each, reaped in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import _classes, _liburing
from ._object.common import CONSTANTS
from ._object.control import ControlOperations
from ._object.files import FileOperations
from ._object.groups import GroupOperations
from ._object.many import BatchOperations, StreamOperations
from ._object.network import SocketOperations
from ._object.paths import PathOperations

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

    from ._liburing import FixedBuffer, FixedFile
    from ._object.common import File


class Ring(
    FileOperations,
    PathOperations,
    SocketOperations,
    ControlOperations,
    BatchOperations,
    GroupOperations,
    StreamOperations,
    _classes.Ring,
):
    """A ring with room for `entries` entries, for use in a `with` block.

        with liburing.Ring(64) as ring:
            fd = ring.open("data").result()
            print(ring.read(fd, 100).result())

    A method starts an operation and gives its handle; nothing happens before
    submit(), completions() or the result() of a handle, which submit all that
    was started. Everything an operation needs is kept until it is done,
    whatever happens to the handle, the buffer or the ring.

    All operations take these keyword arguments:

    - `user_data`: any object, to know the handle by;
    - `timeout`: seconds after which the operation is cancelled; it ends with
      TimeoutError then (kernel 5.5);
    - `drain`: starts after all operations before it, and those after it wait;
    - `force_async`: goes to a worker thread of the kernel at once;
    - `personality`: the registered credentials it has.

    Files are descriptors, objects with `fileno()`, or FixedFiles. A failed
    operation raises an OSError of the right subclass from result(), with the
    operation's name in its attribute `operation`.

    `flags` are IORING_SETUP_*; `cq_entries` is the room for completions;
    `sq_thread_idle` milliseconds with IORING_SETUP_SQPOLL; `share_workers` is
    a ring whose worker threads this one shares. Raises OSError where io_uring
    is forbidden or missing (`python -m liburing` says why).

    A ring serves one thread at a time: a call while another thread is inside
    one raises RuntimeError. A child of fork cannot use its parent's ring.
    Without arguments it is the uninitialised Ring of the function tier.
    """

    __slots__ = ("__weakref__", "_engine")
    _engine: _liburing.Engine | None

    def __init__(
        self, entries: int | None = None, *, flags: int = 0, cq_entries: int = 0,
        sq_thread_idle: int = 0, share_workers: Ring | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._engine = None
        if entries is not None:
            attach = None if share_workers is None else share_workers.ring_fd
            self._engine = _liburing.Engine(entries, flags, cq_entries, sq_thread_idle, attach)

    def __enter__(self) -> Self:
        if self._engine is not None:
            self._native.fd  # noqa: B018 (raises when it is closed)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancels what is in flight and takes the ring down; twice is fine.

        Waits up to a second for the kernel to let go of buffers; what it still
        has then is never freed.
        """
        if self._engine is not None:
            self._engine.close()
        elif self._core is not None:
            self._core.close()
            self._core = None

    @property
    def closed(self) -> bool:
        """Whether the ring was closed."""
        return self._engine.closed if self._engine is not None else self._core is None

    @property
    def ring_fd(self) -> int:
        """The descriptor, for poll and for messages; 0 while there is none."""
        if self._engine is None:
            return _classes.Ring.ring_fd.__get__(self)
        return self._engine.fd

    @property
    def enter_ring_fd(self) -> int:
        """The descriptor, or the number it is registered under."""
        if self._engine is None:
            return _classes.Ring.enter_ring_fd.__get__(self)
        return self._engine.fd

    def fileno(self) -> int:
        """The descriptor: readable when there are completions."""
        return self._native.fd

    @property
    def features(self) -> int:
        """IORING_FEAT_* of the kernel."""
        if self._engine is None:
            return _classes.Ring.features.__get__(self)
        return self._engine.features

    @property
    def flags(self) -> int:
        """IORING_SETUP_* in force."""
        if self._engine is None:
            return _classes.Ring.flags.__get__(self)
        return self._engine.flags

    @property
    def in_flight(self) -> int:
        """Operations, batches and multishot operations that have not ended."""
        return self._native.in_flight

    @property
    def unsubmitted(self) -> int:
        """Entries started and not submitted."""
        return self._native.unsubmitted

    def probe(self) -> dict[str, bool]:
        """Whether the kernel has each operation, by name."""
        names = [name for name, _ in _liburing.operations()]
        return dict(zip(names, self._native.probe()))

    def submit(self) -> int:
        """Submits what was started; the number of entries. Never waits for
        completions. Raises OSError as io_uring_enter(2) does."""
        return self._native.submit()

    def completions(self, wait: int = 0, timeout: float | None = None) -> list[Any]:
        """Submits, waits for `wait` handles with news, and gives those there
        are: operations and batches that are done and whose result nobody asked
        for yet, multishot operations with something to take, RingMessages.

        With nothing in flight and no `timeout` it does not wait. Raises
        TimeoutError when fewer than `wait` came in `timeout` seconds; what
        came is given the next time.
        """
        return self._native.completions(wait, timeout)

    def as_completed(self, handles: Iterable[Any]) -> Iterator[Any]:
        """Gives handles as they get done, waiting for each."""
        left = {id(handle): handle for handle in handles}
        while left:
            done = [handle for handle in left.values() if handle.done]
            for handle in done:
                del left[id(handle)]
                yield handle.wait()
            if left and not done:
                self.completions(1)

    @contextmanager
    def link(self, *, hard: bool = False) -> Iterator[Self]:
        """Operations started inside run one after the other; when one fails
        the rest is cancelled (ECANCELED), unless the chain is `hard`
        (kernel 5.5). A short read or write is a failure, too.

        They are submitted after the block; a result() inside raises
        RuntimeError. An exception inside takes back what was started; so does
        ValueError at the end for a chain longer than the submission queue.
        """
        self._native.link_begin(hard)
        try:
            yield self
        except BaseException:
            self._native.link_end(False)
            raise
        self._native.link_end(True)

    def register_files(self, files: Iterable[File] | int) -> list[FixedFile]:
        """Fills the ring's table of files, or makes one of so many empty slots
        (kernel 5.19); a FixedFile for each, which operations take for a
        descriptor. Kernel 5.1."""
        if isinstance(files, int):
            files = [-1] * files
        return self._native.register_files(list(files))

    def update_files(self, first: FixedFile, files: Iterable[File]) -> int:
        """Replaces files of the table from `first` on; -1 empties a slot. The
        result is how many. Kernel 5.5."""
        return self._native.update_files(first.index, list(files))

    def unregister_files(self) -> None:
        """Takes the table of files back."""
        self._native.unregister_files()

    def register_buffers(self, buffers: Iterable[Buffer]) -> list[FixedBuffer]:
        """Registers writable buffers, which the ring keeps; a FixedBuffer for
        each, which reads and writes take for a buffer, and whose
        `part(start, stop)` is part of it. Kernel 5.1.

        Errors: ENOMEM when the process may not lock so much memory.
        """
        return self._native.register_buffers(list(buffers))

    def unregister_buffers(self) -> None:
        """Takes the registration back; operations in flight keep theirs."""
        self._native.unregister_buffers()

    def register_eventfd(self, fd: int) -> None:
        """Signals an eventfd at each completion; -1 stops it. Kernel 5.2."""
        self._native.eventfd(fd)

    def register_personality(self) -> int:
        """Registers the credentials the process has now; what to give operations
        as their `personality`. Kernel 5.6."""
        return self._native.personality(-1)

    def unregister_personality(self, personality: int) -> None:
        """Takes credentials back. Kernel 5.6."""
        if personality < 0:
            raise ValueError("no personality is below 0")
        self._native.personality(personality)

    def limit_workers(self, bounded: int = 0, unbounded: int = 0) -> tuple[int, int]:
        """Limits the kernel's worker threads for files and block devices, and
        for all else; 0 leaves one as it is. The limits before. Kernel 5.15."""
        return self._native.limit_workers(bounded, unbounded)

    def enable(self) -> None:
        """Starts a ring made with IORING_SETUP_R_DISABLED. Kernel 5.10."""
        self._native.enable()

    def __repr__(self) -> str:
        if self._engine is None:
            return super().__repr__()
        try:
            state = "closed" if self._engine.closed else f"{self._engine.in_flight} in flight"
        except RuntimeError:
            # Another thread waits in it.
            state = "in use"
        return f"<liburing.Ring: {state}>"


# The names the kernel has for what Ring.flags and Ring.features hold.
FEATURES = {
    name.removeprefix("IORING_FEAT_").lower(): value
    for name, value in sorted(CONSTANTS.items(), key=lambda item: item[1])
    if name.startswith("IORING_FEAT_")
}
