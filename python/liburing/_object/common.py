"""What the parts of the object tier share: types, paths, addresses."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Protocol, Union

from .. import _liburing

if TYPE_CHECKING:
    from typing import TypedDict

    from typing_extensions import Buffer, TypeAlias

    class Options(TypedDict, total=False):
        """Keyword arguments that every operation takes."""

        user_data: object
        timeout: float | None
        drain: bool
        force_async: bool
        personality: int

    class HasFileno(Protocol):
        """Anything with a descriptor: files, sockets, pipes."""

        def fileno(self) -> int:
            """The descriptor."""

    File: TypeAlias = Union[int, HasFileno, _liburing.FixedFile]
    Path: TypeAlias = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]
    ReadInto: TypeAlias = Union[Buffer, _liburing.FixedBuffer]
    Address: TypeAlias = Union[str, bytes, tuple[Any, ...]]

CONSTANTS = _liburing.constants()
OP = {name.removeprefix("IORING_OP_"): number for name, number in _liburing.operations()}
AT_FDCWD = -100
FILE_POSITION = 2**64 - 1
CHOOSE_SLOT = 2**32 - 1
CLOEXEC = os.O_CLOEXEC


class Native:
    """A ring's native half; what the parts of `Ring` build on."""

    __slots__ = ()
    _engine: _liburing.Engine | None

    @property
    def _native(self) -> _liburing.Engine:
        engine = self._engine
        if engine is None:
            raise RuntimeError("not a ring of the object tier: make it with Ring(entries)")
        return engine


def fixed_or_fd(fd: Any) -> tuple[int, bool]:
    """The number of a file in a field of its own, and whether it is a slot of
    the ring's table."""
    if isinstance(fd, _liburing.FixedFile):
        return fd.index, True
    return descriptor(fd), False


def descriptor(fd: Any) -> int:
    """The number of a descriptor or of an object with one."""
    if isinstance(fd, int):
        return fd
    fileno = getattr(fd, "fileno", None)
    if fileno is None:
        raise TypeError("a descriptor, a FixedFile or an object with fileno() is required")
    return fileno()


def encode_path(path: Path) -> bytes:
    """The bytes of a path; ValueError for a null byte."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded


def directory(dir_fd: int | None) -> int:
    """The folder relative paths start from; None is the current one."""
    return AT_FDCWD if dir_fd is None else dir_fd


def position(offset: int | None) -> int:
    """The offset of a transfer in bytes; None is the file position."""
    return FILE_POSITION if offset is None else offset


def slot_field(slot: _liburing.FixedFile | bool | None) -> int:
    """Where a new file goes: None a descriptor, True any free slot."""
    if slot is None or slot is False:
        return 0
    if slot is True:
        return CHOOSE_SLOT
    return slot.index + 1


def slot_result(slot: _liburing.FixedFile | bool | None) -> Any:
    """What turns the result of an operation that makes a file into it."""
    if slot is None or slot is False:
        return None
    if slot is True:
        return _liburing.FixedFile
    chosen = slot
    return lambda res: chosen


def pack_address(family: int, address: Address) -> bytes:
    """A struct sockaddr from an address as the socket module has it.

    AF_UNIX: a path, abstract when it begins with a null byte; AF_INET:
    (ip, port); AF_INET6: (ip, port[, flow[, scope]]). Host names are not
    looked up: ValueError. OSError for other families.
    """
    if family == socket.AF_UNIX:
        if isinstance(address, tuple):
            raise TypeError("the address of a Unix socket is a path")
        path = os.fsencode(address)
        if len(path) > 108:
            raise ValueError("the path is longer than 108 bytes")
        abstract = path.startswith(b"\0")
        return struct.pack("=H", family) + path + (b"" if abstract or len(path) == 108 else b"\0")
    if family not in (socket.AF_INET, socket.AF_INET6):
        raise ValueError(f"address family {family} is not known")
    if not isinstance(address, tuple) or len(address) < 2:
        raise TypeError("an address is a tuple (ip, port)")
    ip, port, *rest = address
    if not 0 <= port <= 65535:
        raise OverflowError("a port is 0 to 65535")
    try:
        number = socket.inet_pton(family, ip)
    except OSError:
        raise ValueError(f"not an IP address: {ip!r}") from None
    head = struct.pack("=HH", family, socket.htons(port))
    if family == socket.AF_INET:
        return head + number + bytes(8)
    flow, scope = (*rest, 0, 0)[:2]
    return head + struct.pack("!I", flow) + number + struct.pack("=I", scope)


def unpack_address(raw: bytes) -> Any:
    """The address of a struct sockaddr as the socket module has it."""
    if len(raw) < 2:
        return None
    (family,) = struct.unpack_from("=H", raw)
    if family == socket.AF_INET and len(raw) >= 8:
        (port,) = struct.unpack_from("!H", raw, 2)
        return socket.inet_ntop(family, raw[4:8]), port
    if family == socket.AF_INET6 and len(raw) >= 28:
        port, flow = struct.unpack_from("!HI", raw, 2)
        (scope,) = struct.unpack_from("=I", raw, 24)
        return socket.inet_ntop(family, raw[8:24]), port, flow, scope
    if family == socket.AF_UNIX:
        path = raw[2:]
        return path if path.startswith(b"\0") else os.fsdecode(path.split(b"\0")[0])
    return raw


def sockaddr(fd: File, address: Address) -> bytes:
    """The struct sockaddr for an address of a socket; bytes go as they are
    unless the socket is a Unix socket."""
    if isinstance(address, bytes) and isinstance(fd, _liburing.FixedFile):
        return address
    if isinstance(address, tuple) and ":" in str(address[0]):
        return pack_address(socket.AF_INET6, address)
    if isinstance(address, tuple):
        return pack_address(socket.AF_INET, address)
    return pack_address(socket.AF_UNIX, address)
