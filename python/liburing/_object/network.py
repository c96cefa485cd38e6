"""Operations on sockets."""

from __future__ import annotations

import socket as _socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, overload

from .common import (
    CONSTANTS, OP, Native, slot_field, slot_result, sockaddr, unpack_address,
)  # fmt: skip
from .results import Received, pack_ancillary, unpack_ancillary

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack

    from .._liburing import BufferPool, FixedBuffer, FixedFile, Operation
    from .common import Address, File, Options, ReadInto

CLOEXEC = int(_socket.SOCK_CLOEXEC)


def _address_only(res: int, raw: bytes, *_: Any) -> Any:
    return unpack_address(raw)


class SocketOperations(Native):
    """Connecting, sending, receiving. Addresses are as in the socket module,
    with IP addresses for host names."""

    __slots__ = ()

    def socket(
        self, family: int = _socket.AF_INET, type: int = _socket.SOCK_STREAM, protocol: int = 0,
        *, slot: FixedFile | bool | None = None, **options: Unpack[Options],
    ) -> Operation[Any]:  # fmt: skip
        """Makes a socket; the result is a descriptor (`socket.socket(fileno=…)`
        makes an object of it), or a FixedFile with `slot`. Kernel 5.19."""
        type = int(type) | (0 if slot else CLOEXEC)
        return self._native.start(
            "socket", OP["SOCKET"], int(family), None, protocol, type, 0,
            None, 0, slot_field(slot), slot_result(slot), None, options,
        )  # fmt: skip

    def bind(self, fd: File, address: Address, **options: Unpack[Options]) -> Operation[int]:
        """Gives a socket its address. Kernel 6.11."""
        return self._named("bind", fd, address, options)

    def listen(self, fd: File, backlog: int = 128, **options: Unpack[Options]) -> Operation[int]:
        """Lets a socket take connections. Kernel 6.11."""
        return self._native.start(
            "listen", OP["LISTEN"], fd, None, backlog, None, 0, None, 0, 0, None, None, options
        )

    def connect(self, fd: File, address: Address, **options: Unpack[Options]) -> Operation[int]:
        """Connects a socket. Kernel 5.5.

        Errors: ConnectionRefusedError, TimeoutError, …
        """
        return self._named("connect", fd, address, options)

    @overload
    def accept(
        self, fd: File, *, flags: int = CLOEXEC, slot: FixedFile | bool | None = None,
        **options: Unpack[Options],
    ) -> Operation[Any]: ...  # fmt: skip

    @overload
    def accept(
        self, fd: File, *, flags: int = CLOEXEC, address: bool, **options: Unpack[Options]
    ) -> Operation[Any]: ...

    def accept(
        self, fd: File, *, flags: int = CLOEXEC, address: bool = False,
        slot: FixedFile | bool | None = None, **options: Unpack[Options],
    ) -> Operation[Any]:  # fmt: skip
        """Accepts a connection; the result is a descriptor, with `address`
        (descriptor, address of the peer), with `slot` a FixedFile. Kernel 5.5.

        `flags` are socket.SOCK_CLOEXEC and SOCK_NONBLOCK.
        """
        if address:
            if slot:
                raise ValueError("a FixedFile comes without the address")
            return self._native.accept_address(
                "accept", fd, flags, lambda res, raw, *_: (res, unpack_address(raw)), options
            )
        flags = flags & ~CLOEXEC if slot else flags
        return self._native.start(
            "accept", OP["ACCEPT"], fd, None, 0, None, flags,
            None, 0, slot_field(slot), slot_result(slot), None, options,
        )  # fmt: skip

    @overload
    def recv(
        self, fd: File, buffer: int | BufferPool, flags: int = 0, **options: Unpack[Options]
    ) -> Operation[bytes]: ...

    @overload
    def recv(
        self, fd: File, buffer: ReadInto, flags: int = 0, **options: Unpack[Options]
    ) -> Operation[int]: ...

    def recv(
        self, fd: File, buffer: Any, flags: int = 0, **options: Unpack[Options]
    ) -> Operation[Any]:
        """Receives from a socket. Kernel 5.6.

        `buffer` is a writable buffer: the result is the number of bytes, 0 at
        the end. Or a number of bytes or a BufferPool: the result is the bytes,
        empty at the end. `flags` are socket.MSG_*.
        """
        engine = self._engine or self._native
        return engine.transfer("recv", fd, buffer, 0, flags, None, options)

    def send(
        self, fd: File, buffer: Buffer, flags: int = 0, **options: Unpack[Options]
    ) -> Operation[int]:
        """Sends a buffer; the result is the number of bytes taken, all of them
        with socket.MSG_WAITALL unless it fails. Kernel 5.6."""
        engine = self._engine or self._native
        return engine.transfer("send", fd, buffer, 0, flags, None, options)

    def sendto(
        self, fd: File, buffer: Buffer, address: Address, flags: int = 0,
        **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Sends a datagram to an address. Kernel 6.1."""
        raw = sockaddr(fd, address)
        return self._native.transfer("sendto", fd, buffer, 0, flags, raw, options)

    def send_zc(
        self, fd: File, buffer: Buffer | FixedBuffer, flags: int = 0,
        *, address: Address | None = None, **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Sends without copying, to an `address` if one is given. Done when the
        kernel no longer needs the buffer, which for TCP is when the peer has
        acknowledged. Kernel 6.0."""
        raw = None if address is None else sockaddr(fd, address)
        return self._native.transfer("send_zc", fd, buffer, 0, flags, raw, options)

    def sendmsg(
        self, fd: File, buffers: Iterable[Buffer | FixedBuffer],
        ancillary: Iterable[tuple[int, int, Buffer]] = (), flags: int = 0,
        address: Address | None = None, *, zero_copy: bool = False,
        **options: Unpack[Options],
    ) -> Operation[int]:  # fmt: skip
        """Sends several buffers with ancillary data, as socket.sendmsg; the
        result is the number of bytes. Kernel 5.3, `zero_copy` 6.1, with it parts
        of one registered buffer 6.15."""
        name = "sendmsg_zc" if zero_copy else "sendmsg"
        raw = None if address is None else sockaddr(fd, address)
        return self._native.message(
            name, fd, list(buffers), raw, pack_ancillary(ancillary), flags, zero_copy, options
        )

    def recvmsg(
        self, fd: File, buffers: Iterable[Buffer] | int, ancillary_size: int = 0, flags: int = 0,
        **options: Unpack[Options],
    ) -> Operation[Any]:  # fmt: skip
        """Receives into writable buffers with ancillary data; the result is a
        Received, or with a number of bytes for `buffers` (data, ancillary,
        flags, address) as socket.recvmsg has it. Kernel 5.3."""
        if isinstance(buffers, int):
            data = bytearray(buffers)
            return self._native.receive_message(
                "recvmsg", fd, [data], ancillary_size, flags,
                lambda res, raw, control, found: (
                    bytes(data[:res]), unpack_ancillary(control), found, unpack_address(raw)
                ),
                options,
            )  # fmt: skip
        return self._native.receive_message(
            "recvmsg", fd, list(buffers), ancillary_size, flags,
            lambda res, raw, control, found: Received(
                res, unpack_ancillary(control), found, unpack_address(raw)
            ),
            options,
        )  # fmt: skip

    def shutdown(
        self, fd: File, how: int = _socket.SHUT_RDWR, **options: Unpack[Options]
    ) -> Operation[int]:
        """Shuts down sending, receiving or both, socket.SHUT_*. Kernel 5.11."""
        return self._native.start(
            "shutdown", OP["SHUTDOWN"], fd, None, int(how), None, 0,
            None, 0, 0, None, None, options,
        )  # fmt: skip

    def getsockopt(
        self, fd: File, level: int, option: int, size: int = 0, **options: Unpack[Options]
    ) -> Operation[Any]:
        """An option of a socket as a number, or as `size` bytes. Level
        socket.SOL_SOCKET. Kernel 6.7."""
        value = bytearray(size or 4)

        def finish(res: int) -> Any:
            return bytes(value[:res]) if size else int.from_bytes(value[:res], "little", signed=True)

        return self._option("getsockopt", "GETSOCKOPT", fd, level, option, value, finish, options)

    def setsockopt(
        self, fd: File, level: int, option: int, value: int | Buffer, **options: Unpack[Options]
    ) -> Operation[int]:
        """Sets an option of a socket. Kernel 6.7."""
        raw = value.to_bytes(4, "little", signed=True) if isinstance(value, int) else bytes(value)
        block = bytearray(raw)
        return self._option("setsockopt", "SETSOCKOPT", fd, level, option, block, None, options)

    def unread(self, fd: File, **options: Unpack[Options]) -> Operation[int]:
        """How many bytes a socket has that were not received yet, as ioctl
        SIOCINQ. Kernel 6.6."""
        return self._option("unread", "SIOCINQ", fd, 0, 0, bytearray(), None, options)

    def unsent(self, fd: File, **options: Unpack[Options]) -> Operation[int]:
        """How many bytes a socket has that were not sent, or not acknowledged,
        as ioctl SIOCOUTQ. Kernel 6.6."""
        return self._option("unsent", "SIOCOUTQ", fd, 0, 0, bytearray(), None, options)

    def getsockname(self, fd: File, **options: Unpack[Options]) -> Operation[Any]:
        """The address of a socket. Newer than kernel 6.18: OSError (EOPNOTSUPP)."""
        return self._native.socket_name("getsockname", fd, False, _address_only, options)

    def getpeername(self, fd: File, **options: Unpack[Options]) -> Operation[Any]:
        """The address a socket is connected to. Newer than kernel 6.18."""
        return self._native.socket_name("getpeername", fd, True, _address_only, options)

    def _option(
        self, name: str, command: str, fd: File, level: int, option: int, value: bytearray,
        finish: Any, options: Options,
    ) -> Operation[Any]:  # fmt: skip
        return self._native.start(
            name, OP["URING_CMD"], fd, level | option << 32, 0,
            CONSTANTS[f"SOCKET_URING_OP_{command}"], 0, value, 0, 0, finish, None, options,
        )  # fmt: skip

    def _named(self, name: str, fd: File, address: Address, options: Options) -> Operation[int]:
        return self._native.start(
            name, OP[name.upper()], fd, sockaddr(fd, address), 0, None, 0,
            None, 0, 0, None, None, options,
        )  # fmt: skip
