"""Batches of operations of any kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .common import Native
from .control import ControlOperations
from .files import FileOperations
from .network import SocketOperations
from .paths import PathOperations

if TYPE_CHECKING:
    from .._liburing import Group

# What submit_batch() starts by its name.
OPERATIONS = frozenset(
    name
    for kind in (FileOperations, PathOperations, SocketOperations, ControlOperations)
    for name, value in vars(kind).items()
    if callable(value) and not name.startswith("_")
)


class GroupOperations(Native):
    """Different operations, started and reaped together."""

    __slots__ = ()

    @contextmanager
    def batch(self, *, user_data: object = None) -> Iterator[Group]:
        """Operations started inside have one handle, a Group: its `results` are
        one array, its `result()` waits for all, completions() tells of it and
        not of each. Chains may be among them.

            with ring.batch() as batch:
                ring.read(fd, 4096, 0)
                ring.statx("data.bin")
                ring.send(sock, b"hello")
            data, status, count = batch.result()

        They are submitted after the block, as all others. An exception inside
        takes back what was not submitted by then. Raises RuntimeError inside
        another batch.
        """
        group = self._native.group_begin(user_data)
        try:
            yield group
        except BaseException:
            self._native.group_end(False)
            raise
        self._native.group_end(True)

    def submit_batch(
        self, operations: Iterable[tuple[Any, ...]], *, user_data: object = None
    ) -> Group:
        """Starts and submits operations that are given as data: tuples of the
        method's name, its arguments, and at the end a dict of its keyword
        arguments if there are any.

            batch = ring.submit_batch([
                ("read", fd, 4096, 0),
                ("write", log, b"started", {"drain": True}),
                ("fsync", log),
            ])
            for number in batch.wait().results: ...

        Raises ValueError for a name that is no operation with one result; then,
        and when arguments are refused, nothing is submitted.
        """
        with self.batch(user_data=user_data) as group:
            for name, *arguments in operations:
                if name not in OPERATIONS:
                    raise ValueError(f"no operation with one result: {name!r}")
                named = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
                getattr(self, name)(*arguments, **named)
        self._native.submit()
        return group
