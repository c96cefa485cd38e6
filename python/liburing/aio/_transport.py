"""The transport of stream sockets: the rare things. What happens for every
piece of data is in the native class Stream."""

import contextvars
import functools
import inspect
import os
import socket
import threading
import warnings
import weakref
from asyncio import base_events, constants, futures, protocols, transports, trsock
from asyncio.log import logger

from ._ring import native

# From Python 3.12.1 or 3.13 on, servers know their transports.
_SERVER_TAKES_TRANSPORT = (
    len(inspect.signature(vars(base_events.Server)["_attach"]).parameters) > 1
)


# Of the sockets below, by descriptor.
_transports: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


class _OwnedSocket(socket.socket):
    """A socket that a transport uses and the program has, too. An operation in
    flight keeps a file open beyond its close(2): a program that closes its
    socket, instead of the transport, ends what is in flight first."""

    __slots__ = ()

    def _transport(self):
        transport = _transports.get(super().fileno())
        if transport is None or transport._sock is not self or transport._loop is None:
            return None
        return transport

    def _let_go(self):
        transport = self._transport()
        if transport is None:
            return
        loop, let_go = transport._loop, transport._stream.let_go
        try:
            if loop._thread_id in (None, threading.get_ident()):
                let_go()
            else:
                loop.call_soon_threadsafe(let_go)
        except RuntimeError:
            # The loop is closed, or another process's.
            pass

    def _flush(self):
        transport = self._transport()
        if transport is not None:
            transport._flush()

    def fileno(self):
        """The descriptor; what the transport was given to write is sent first."""
        self._flush()
        return super().fileno()

    def shutdown(self, how):
        """Shuts down a half, behind what the transport was given to write."""
        self._flush()
        super().shutdown(how)

    def send(self, *args):
        """Sends behind what the transport was given to write, as do the others."""
        self._flush()
        return super().send(*args)

    def sendall(self, *args):
        self._flush()
        return super().sendall(*args)

    def sendto(self, *args):
        self._flush()
        return super().sendto(*args)

    def sendmsg(self, *args):
        self._flush()
        return super().sendmsg(*args)

    def _real_close(self, *args):
        self._let_go()
        super()._real_close(*args)

    def detach(self):
        """Gives the descriptor away; the transport has none then."""
        self._let_go()
        return super().detach()

    def dup(self):
        """A socket on a copy of the descriptor."""
        fd = socket.dup(self.fileno())
        copy = socket.socket(self.family, self.type, self.proto, fileno=fd)
        copy.settimeout(self.gettimeout())
        return copy

    def __reduce_ex__(self, protocol):
        # How multiprocessing hands sockets to children, by their exact type.
        from multiprocessing import reduction

        return reduction._reduce_socket(self)


_OwnedSocket.__module__, _OwnedSocket.__qualname__ = "socket", "socket"


class _TransportSocket(trsock.TransportSocket):
    """The `get_extra_info("socket")` of a transport: what is done to it comes
    behind what the transport was given to write."""

    __slots__ = ("_transport",)

    def __init__(self, sock, transport):
        super().__init__(sock)
        self._transport = weakref.ref(transport)

    def _flush(self):
        transport = self._transport()
        if transport is not None and transport._sock is not None:
            transport._flush()

    def fileno(self):
        self._flush()
        return super().fileno()

    def dup(self):
        self._flush()
        return super().dup()

    def shutdown(self, how):
        self._flush()
        super().shutdown(how)


_TransportSocket.__qualname__ = "TransportSocket"


class StreamTransport(transports._FlowControlMixin, transports.Transport):
    """A connected stream socket on the ring of an EventLoop."""

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE
    # The destructor looks at it, whatever the constructor came to.
    _sock = None
    _stream = None

    def __init__(
        self, loop, sock, protocol, waiter=None, extra=None, server=None, context=None
    ):
        super().__init__(extra, loop)
        self._extra["socket"] = _TransportSocket(sock, self)
        try:
            self._extra["sockname"] = sock.getsockname()
        except OSError:
            self._extra["sockname"] = None
        if "peername" not in self._extra:
            try:
                self._extra["peername"] = sock.getpeername()
            except OSError:
                self._extra["peername"] = None
        self._sock, self._sock_fd = sock, sock.fileno()
        self._context = context = contextvars.copy_context() if context is None else context
        self._eof = self._closing = self._paused = self._protocol_connected = False
        self._empty_waiter = None
        # Calls of connection_lost() scheduled, then writes refused.
        self._conn_lost = 0
        self._stream = native.Stream(loop._proactor, self._sock_fd, self, context.run)
        if server is None and type(sock) is socket.socket:
            # Sockets that a server has accepted are this transport's alone.
            sock.__class__ = _OwnedSocket
            _transports[self._sock_fd] = self
        self._stream.limit = self._high_water
        self.set_protocol(protocol)
        # Without a Python frame in between.
        self.write = self._stream.write
        self._server = server
        if server is not None:
            server._attach(*[self][: _SERVER_TAKES_TRANSPORT])
        loop._transports[self._sock_fd] = self
        base_events._set_nodelay(sock)
        loop.call_soon(protocol.connection_made, self, context=context)
        # Only then is anything received, and the waiter woken.
        loop.call_soon(self._start_reading, context=context)
        if waiter is not None:
            loop.call_soon(futures._set_result_unless_cancelled, waiter, None)

    def __repr__(self):
        info = [type(self).__name__]
        if self._sock is None:
            info.append("closed")
        elif self._closing:
            info.append("closing")
        info.append(f"fd={self._sock_fd}")
        if self._sock is not None:
            info.append("read=" + ("receiving" if self.is_reading() else "idle"))
            info.append(f"write=<bufsize={self.get_write_buffer_size()}>")
        return f"<{' '.join(info)}>"

    def __del__(self, _warn=warnings.warn):
        if self._sock is not None:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self._sock.close()

    def get_extra_info(self, name, default=None):
        if name == "socket" and self._sock is not None:
            # What was written comes before what its user sends there.
            self._stream.flush()
        return super().get_extra_info(name, default)

    def _flush(self):
        """Sends what the socket takes, for one who is about to use it. Another
        thread finds sent what was written in the turns before."""
        if self._stream is None or self._loop is None:
            return
        if self._loop._thread_id in (None, threading.get_ident()):
            try:
                self._stream.flush()
            except RuntimeError:
                # The loop is closed, or another process's.
                pass

    # ---- protocol

    def set_protocol(self, protocol):
        self._protocol = protocol
        self._protocol_connected = True
        feed = None
        if isinstance(protocol, protocols.BufferedProtocol):
            feed = functools.partial(protocols._feed_data_to_buffered_proto, protocol)
        self._stream.set_receiver(protocol, feed)

    def get_protocol(self):
        return self._protocol

    # ---- reading

    def _start_reading(self):
        if not self._closing:
            self._stream.start_reading()

    def is_reading(self):
        return not self._closing and not self._paused

    def pause_reading(self):
        if not self.is_reading():
            return
        self._paused = True
        self._stream.pause()
        if self._loop.get_debug():
            logger.debug("%r pauses reading", self)

    def take_received(self):
        """The bytes that were received before `pause_reading()` and were not
        handed to the protocol: b"" if there are none, which is so after a
        pause inside `data_received()`. They come before all that the socket
        has; `resume_reading()` does not hand them out any more.

        For code that takes the connection over. Raises RuntimeError while the
        protocol is still being handed what arrives.
        """
        if self.is_reading():
            raise RuntimeError("reading is not paused")
        return self._stream.take()

    def resume_reading(self):
        if self._closing or not self._paused:
            return
        self._paused = False
        self._stream.resume()
        if self._loop.get_debug():
            logger.debug("%r resumes reading", self)

    def _on_eof(self):
        if self._conn_lost:
            return
        if self._loop.get_debug():
            logger.debug("%r received EOF", self)
        try:
            keep_open = self._protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._fatal_error(exc, "Fatal error: protocol.eof_received() call failed.")
            return
        if not keep_open:
            self.close()

    def _on_read_error(self, number):
        self._fatal_error(
            OSError(number, os.strerror(number)), "Fatal read error on socket transport"
        )

    def _on_receive_error(self, exc):
        call = "data_received"
        if isinstance(self._protocol, protocols.BufferedProtocol):
            call = "buffer_updated"
        self._fatal_error(exc, f"Fatal error: protocol.{call}() call failed.")

    # ---- writing

    def write(self, data):
        """Writes data; what the instance has in its place is native."""
        self._on_refused(data)

    def writelines(self, list_of_data):
        self.write(b"".join(list_of_data))

    def can_write_eof(self):
        return True

    def get_write_buffer_size(self):
        return self._stream.size

    def _set_write_buffer_limits(self, high=None, low=None):
        super()._set_write_buffer_limits(high, low)
        if self._stream is not None:
            self._stream.limit = self._high_water

    def _maybe_pause_protocol(self):
        super()._maybe_pause_protocol()
        self._tell_stream()

    def _tell_stream(self):
        """What the native half has to ask about or report."""
        lost, empty, eof = self._conn_lost, self._empty_waiter is not None, self._eof
        self._stream.refuse = bool(lost or empty or eof)
        self._stream.notice = empty or eof or self._closing or self._protocol_paused

    def _on_refused(self, data):
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if self._eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._empty_waiter is not None:
            raise RuntimeError("unable to write; sendfile is in progress")
        if data:
            if self._conn_lost >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
                logger.warning("socket.send() raised exception.")
            self._conn_lost += 1

    def _on_sent(self):
        self._maybe_resume_protocol()
        if self._stream.size == 0 and not self._conn_lost:
            if self._empty_waiter is not None and not self._empty_waiter.done():
                self._empty_waiter.set_result(None)
            if self._closing:
                self._lose(None)
            elif self._eof:
                self._shutdown()
        self._tell_stream()

    def _on_write_error(self, number):
        self._fatal_error(
            OSError(number, os.strerror(number)), "Fatal write error on socket transport"
        )

    def write_eof(self):
        if self._closing or self._eof:
            return
        self._eof = True
        self._tell_stream()
        if self._stream.size == 0:
            self._shutdown()

    def _shutdown(self):
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as exc:
            self._fatal_error(exc, "Fatal write error on socket transport")

    def _make_empty_waiter(self):
        if self._empty_waiter is not None:
            raise RuntimeError("Empty waiter is already set")
        self._empty_waiter = self._loop.create_future()
        if self._stream.size == 0:
            self._empty_waiter.set_result(None)
        self._tell_stream()
        return self._empty_waiter

    def _reset_empty_waiter(self):
        self._empty_waiter = None
        self._tell_stream()

    # ---- the end

    def is_closing(self):
        return self._closing

    def close(self):
        if self._closing:
            return
        self._closing = True
        self._stream.stop_reading()
        if self._stream.size == 0:
            self._lose(None)
        self._tell_stream()

    def abort(self):
        self._force_close(None)

    def _fatal_error(self, exc, message="Fatal error on transport"):
        if isinstance(exc, OSError):
            if self._loop.get_debug():
                logger.debug("%r: %s", self, message, exc_info=exc)
        else:
            self._loop.call_exception_handler(
                {
                    "message": message,
                    "exception": exc,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
        self._force_close(exc)

    def _force_close(self, exc):
        if self._conn_lost:
            return
        self._stream.discard()
        if not self._closing:
            self._closing = True
            self._stream.stop_reading()
        self._lose(exc)
        if self._empty_waiter is not None and not self._empty_waiter.done():
            self._empty_waiter.set_exception(
                ConnectionError("Connection is closed by peer") if exc is None else exc
            )

    def _lose(self, exc):
        self._conn_lost += 1
        self._tell_stream()
        self._loop.call_soon(self._call_connection_lost, exc, context=self._context)

    def _call_connection_lost(self, exc):
        try:
            if self._protocol_connected:
                self._protocol.connection_lost(exc)
        finally:
            self._stream.detach()
            self.__dict__.pop("write", None)
            self._sock.close()
            self._sock = None
            self._protocol = None
            self._loop = None
            server, self._server = self._server, None
            if server is not None:
                server._detach(*[self][: _SERVER_TAKES_TRANSPORT])
