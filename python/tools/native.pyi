@final
class Engine:
    """The native half of a Ring of objects; private."""

    def __new__(
        cls, entries: int, flags: int = 0, cq_entries: int = 0, sq_thread_idle: int = 0,
        attach: int | None = None,
    ) -> Self: ...
    def __getattr__(self, name: str) -> Any: ...

@final
class FixedFile:
    """A slot of a ring's table of files; operations take it where they take a
    descriptor."""

    def __new__(cls, index: int) -> Self: ...
    @property
    def index(self) -> int:
        """Its place in the table."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class FixedBuffer:
    """Part of a registered buffer; reads and writes take it where they take a
    buffer."""

    @property
    def index(self) -> int:
        """Its place in the ring's table of buffers."""
    @property
    def start(self) -> int:
        """Where in the registered buffer it begins, in bytes."""
    @property
    def memory(self) -> Any:
        """The registered buffer."""
    def part(self, start: int, stop: int) -> FixedBuffer:
        """The bytes `start` to `stop` of it, as another one; ValueError when it
        has not got them."""
    def __len__(self) -> int: ...

@final
class BufferPool:
    """Buffers of a ring from which the kernel takes one when data arrives."""

    @property
    def group(self) -> int:
        """The buffer group."""
    @property
    def size(self) -> int:
        """Bytes of one buffer."""
    @property
    def available(self) -> int:
        """How many buffers the kernel can take now. Kernel 6.8."""
    def close(self) -> None:
        """Takes the buffers back. What is in flight with them ends with
        ENOBUFS when it needs the next one."""
    def __len__(self) -> int: ...

@final
class RingMessage:
    """A completion that another ring posted here with `msg_ring`."""

    @property
    def user_data(self) -> int:
        """The tag the sender chose."""
    @property
    def res(self) -> int:
        """The number the sender chose."""
    @property
    def flags(self) -> int:
        """IORING_CQE_F_*, or what the sender chose."""
    @property
    def name(self) -> str:
        """Always "message"."""
    @property
    def done(self) -> bool:
        """Always True."""

@final
class Operation(Generic[_T]):
    """A submitted operation: its result or exception, once it is done."""

    @property
    def name(self) -> str:
        """What the operation is called."""
    @property
    def user_data(self) -> Any:
        """Whatever the program gave to know it by."""
    @property
    def buffer(self) -> Any:
        """The program's buffer, None when there is none."""
    @property
    def done(self) -> bool:
        """Whether the last completion came. Never waits."""
    @property
    def res(self) -> int:
        """The kernel's number, `-errno` for a failure; RuntimeError before it
        is done."""
    @property
    def flags(self) -> int:
        """IORING_CQE_F_* of the completion; RuntimeError before it is done."""
    def result(self, timeout: float | None = None) -> _T:
        """The result. Submits what was started and waits, at most `timeout`
        seconds.

        Raises OSError when the operation failed, with its name in
        `error.operation`; TimeoutError when the time is over, which leaves the
        operation in flight.
        """
    def exception(self, timeout: float | None = None) -> OSError | None:
        """The OSError it failed with, or None. Waits as result() does."""
    def wait(self, timeout: float | None = None) -> Self:
        """Waits as result() does and gives itself; a failure raises nothing."""
    def cancel(self) -> bool:
        """Asks the kernel to cancel it; False when it is done already."""
    def detach(self) -> None:
        """Says that nobody will ask: completions() will not tell of it."""
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@final
class Batch:
    """A batch of operations: their results in one array."""

    @property
    def name(self) -> str:
        """What the operations are called."""
    @property
    def user_data(self) -> Any:
        """Whatever the program gave to know it by."""
    @property
    def buffer(self) -> Any:
        """The program's buffer or list of buffers."""
    @property
    def size(self) -> int:
        """Bytes of `buffer` that each operation has; 0 for a list."""
    @property
    def done(self) -> bool:
        """Whether all of them are done. Never waits."""
    @property
    def remaining(self) -> int:
        """How many are not done yet."""
    @property
    def results(self) -> memoryview:
        """The kernel's numbers, `-errno` for a failure, in the order of the
        batch, 32-bit integers; -2**31 for what is not done. Never waits."""
    def result(self, timeout: float | None = None) -> memoryview:
        """Submits what was started, waits for all of the batch, at most
        `timeout` seconds, and gives `results`.

        Raises the OSError of the first that failed, with the operation's name
        in `error.operation` and its place in `error.index`; TimeoutError when
        the time is over.
        """
    def wait(self, timeout: float | None = None) -> Self:
        """Waits as result() does and gives itself; failures raise nothing."""
    def errors(self, timeout: float | None = None) -> dict[int, OSError]:
        """`{place: OSError}` of those that failed. Waits as result() does."""
    def cancel(self) -> bool:
        """Asks the kernel to cancel all of them; False when they are done."""
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> int: ...

@final
class Group:
    """Operations that were started in one `Ring.batch()`."""

    @property
    def name(self) -> str:
        """Always "batch"."""
    @property
    def user_data(self) -> Any:
        """Whatever the program gave to know it by."""
    @property
    def done(self) -> bool:
        """Whether all of them are done. Never waits."""
    @property
    def remaining(self) -> int:
        """How many are not done yet."""
    @property
    def operations(self) -> tuple[Operation[Any], ...]:
        """Their handles, in the order in which they were started."""
    @property
    def results(self) -> memoryview:
        """The kernel's numbers, `-errno` for a failure, in the order in which
        they were started, 32-bit integers; -2**31 for what is not done. Never
        waits."""
    def result(self, timeout: float | None = None) -> list[Any]:
        """Submits what was started, waits for all of them, at most `timeout`
        seconds, and gives the list of their results.

        Raises the OSError of the first that failed, with the operation's name
        in `error.operation` and its place in `error.index`; TimeoutError when
        the time is over.
        """
    def wait(self, timeout: float | None = None) -> Self:
        """Waits as result() does and gives itself; failures raise nothing."""
    def errors(self, timeout: float | None = None) -> dict[int, OSError]:
        """`{place: OSError}` of those that failed. Waits as result() does."""
    def cancel(self) -> bool:
        """Asks the kernel to cancel all of them; False when they are done."""
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...

@final
class Stream(Generic[_T]):
    """A multishot operation: an iterator over what arrives."""

    @property
    def name(self) -> str:
        """What the operation is called."""
    @property
    def user_data(self) -> Any:
        """Whatever the program gave to know it by."""
    @property
    def done(self) -> bool:
        """Whether it is over and everything that arrived was taken."""
    def take(self) -> list[_T]:
        """What arrived since the last time, without waiting. An error comes
        when everything before it was taken."""
    def cancel(self) -> None:
        """Ends it: what arrived can still be taken."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> _T: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...
