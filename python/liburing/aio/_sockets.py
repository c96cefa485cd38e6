"""Operations on sockets (`socket.socket`, blocking or not)."""

import asyncio
import errno
import os
import socket
import struct

from ._ops import IN, OUT, again
from ._ring import make_descriptor, native, start


async def _retry(mask, fd, function, *args):
    try:
        return await start(function, fd, *args)
    except BlockingIOError:
        return await again(mask, fd, function, *args)


def pack_address(family, address):
    """The bytes of a struct sockaddr; the host is a number."""
    if family == socket.AF_UNIX:
        path = os.fsencode(address)
        if len(path) > 107 + path.startswith(b"\0"):
            raise OSError("AF_UNIX path too long")
        end = b"" if path.startswith(b"\0") else b"\0"
        return struct.pack("=H", family) + path + end
    host, port, *rest = address
    if not 0 <= port <= 65535:
        raise OverflowError("port must be 0-65535.")
    if family == socket.AF_INET:
        return struct.pack("=H2s4s8x", family, port.to_bytes(2, "big"), _number(family, host))
    if family == socket.AF_INET6:
        flow, scope = (*rest, 0, 0)[:2]
        return struct.pack(
            "=H2s4s16sI",
            family,
            port.to_bytes(2, "big"),
            flow.to_bytes(4, "big"),
            _number(family, host.partition("%")[0]),
            scope,
        )
    raise ValueError(f"address family {family!r} is not supported")


def _number(family, host):
    if host == "":
        return bytes(4 if family == socket.AF_INET else 16)
    return socket.inet_pton(family, host)


def unpack_address(raw):
    """What the socket module makes of the bytes of a struct sockaddr."""
    if len(raw) < 2:
        return None
    (family,) = struct.unpack_from("=H", raw)
    if family == socket.AF_INET:
        port, host = struct.unpack_from("!H4s", raw, 2)
        return socket.inet_ntop(family, host), port
    if family == socket.AF_INET6:
        port, flow, host = struct.unpack_from("!HI16s", raw, 2)
        (scope,) = struct.unpack_from("=I", raw, 24)
        return socket.inet_ntop(family, host), port, flow, scope
    path = raw[2:]
    if path.startswith(b"\0"):
        return path
    return os.fsdecode(path.partition(b"\0")[0])


async def _resolve(sock, address):
    """The packed address; names are looked up in the loop's executor."""
    family = sock.family
    try:
        return pack_address(family, address)
    except OSError:
        if family == socket.AF_UNIX:
            raise
    loop = asyncio.get_running_loop()
    host, port = address[:2]
    found = await loop.getaddrinfo(host, port, family=family, type=sock.type)
    return pack_address(family, found[0][4])


async def accept(sock):
    """Waits for a connection: (socket, address). The socket is non-blocking
    and closed on exec.

    A connection that arrives while the task is being cancelled is closed.
    Raises OSError as accept(2). Linux 5.5.
    """
    while True:
        try:
            fd = await make_descriptor(native.accept, sock.fileno())
            break
        except BlockingIOError:
            await start(native.poll, sock.fileno(), IN)
    connection = socket.socket(sock.family, sock.type, sock.proto, fileno=fd)
    connection.setblocking(False)
    try:
        return connection, connection.getpeername()
    except OSError:
        # Gone again already; the first recv says so.
        return connection, None


async def connect(sock, address):
    """Connects to `address`, as socket.connect takes it; host names are looked
    up by the loop's getaddrinfo.

    Raises OSError as connect(2). Linux 5.5.
    """
    raw = await _resolve(sock, address)
    try:
        await start(native.connect, sock.fileno(), raw)
    except (BlockingIOError, InterruptedError) as waits:
        if waits.errno == errno.EAGAIN:
            # Nothing is in progress: no room at the listener, which polls do
            # not report.
            raise
        await start(native.poll, sock.fileno(), OUT)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            failure = OSError(error, f"connect: {os.strerror(error)}")
            failure.operation = "connect"
            raise failure from None


async def recv(sock, size, flags=0):
    """Receives at most `size` bytes: bytes, b"" when the peer has ended.

    Data that arrives while the task is being cancelled is lost. Raises OSError
    as recv(2). Linux 5.6.
    """
    try:
        return await start(native.recv, sock.fileno(), size, flags)
    except BlockingIOError:
        return await again(IN, sock.fileno(), native.recv, size, flags)


async def recv_into(sock, buffer, nbytes=0, flags=0):
    """Receives into a writable buffer, at most `nbytes` bytes unless that is
    0: the number of bytes, 0 when the peer has ended.

    Raises OSError as recv(2), TypeError for a read-only buffer, ValueError if
    the buffer is shorter than `nbytes`. Linux 5.6.
    """
    if nbytes:
        view = memoryview(buffer).cast("B")
        if not 0 < nbytes <= len(view):
            raise ValueError("nbytes is greater than the length of the buffer")
        buffer = view[:nbytes]
    return await _retry(IN, sock.fileno(), native.recv_into, buffer, flags)


async def recvfrom(sock, size, flags=0):
    """Receives a datagram of at most `size` bytes: (bytes, address).

    Raises OSError as recvmsg(2). Linux 5.3.
    """
    data, raw = await _retry(IN, sock.fileno(), native.recvfrom, size, flags)
    return data, unpack_address(raw)


async def send(sock, data, flags=0):
    """Sends what the socket takes: the number of bytes.

    Raises OSError as send(2). Linux 5.6.
    """
    return await _retry(OUT, sock.fileno(), native.send, data, flags)


async def sendall(sock, data, flags=0):
    """Sends all of it. After an error or a cancellation it is not known how
    much was sent.

    Raises OSError as send(2). Linux 5.6.
    """
    flags |= socket.MSG_WAITALL
    sent = await _retry(OUT, sock.fileno(), native.send, data, flags)
    with memoryview(data) as whole, whole.cast("B") as view:
        while sent < len(view):
            with view[sent:] as rest:
                sent += await _retry(OUT, sock.fileno(), native.send, rest, flags)


async def sendto(sock, data, address, flags=0):
    """Sends one datagram to `address`: the number of bytes.

    Raises OSError as sendmsg(2). Linux 5.3.
    """
    raw = await _resolve(sock, address)
    return await _retry(OUT, sock.fileno(), native.sendto, data, flags, raw)


async def shutdown(sock, how):
    """Shuts down one or both halves (`socket.SHUT_*`).

    Raises OSError as shutdown(2). Linux 5.11.
    """
    await start(native.shutdown, sock.fileno(), how)
