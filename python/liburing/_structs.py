"""Structs that the package of PyPI names and leaves empty; here they can be
filled, by keyword or by attribute."""

import os
import struct

from . import _liburing
from ._classes import BufRing, Iovec, Sockaddr, Timespec, _Block, _field, _Uncopied, integer, timespec

U32, U64 = 2**32 - 1, 2**64 - 1


class EpollEvent(_Uncopied):
    """Events (EPOLL*) and a number for each of `count` epoll events; itself
    the first."""

    __slots__ = ("_memory", "_index", "_count")
    # The kernel packs them on this machine only.
    _event = struct.Struct("=IQ" if os.uname().machine == "x86_64" else "=I4xQ")

    def __init__(self, *, events=0, data=0, count=1):
        self._count = integer(count, 1, 2**20)
        self._memory, self._index = bytearray(self._event.size * count), 0
        self.events, self.data = events, data

    def _part(self, part, value=None):
        place = self._event.size * self._index
        found = list(self._event.unpack_from(self._memory, place))
        if value is not None:
            found[part] = integer(value, 0, U64 if part else U32)
            self._event.pack_into(self._memory, place, *found)
        return found[part]

    events = property(
        lambda self: self._part(0), lambda self, value: self._part(0, value), doc="EPOLL*."
    )
    data = property(
        lambda self: self._part(1), lambda self, value: self._part(1, value), doc="The number."
    )

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        if not 0 <= index < self._count:
            raise IndexError("no such event")
        event = object.__new__(type(self))
        event._memory, event._index, event._count = self._memory, index, 1
        return event


class SigsetT(_Block):
    """A set of signals; also the room waitid fills."""

    __slots__ = ()
    _size = 128

    def __init__(self, *, signals=()):
        super().__init__()
        for signal in signals:
            self.add(signal)

    def add(self, signal):
        """Puts a signal into the set."""
        bit = integer(int(signal), 1, 64) - 1
        self._memory[bit // 8] |= 1 << bit % 8

    def __contains__(self, signal):
        bit = integer(int(signal), 1, 64) - 1
        return bool(self._memory[bit // 8] >> bit % 8 & 1)

    def _mask(self):
        return struct.unpack_from("Q", self._memory)[0]

    signo = property(_field(0, "i").fget, doc="Of waitid: SIGCHLD.")
    code = property(_field(8, "i").fget, doc="Of waitid: CLD_*.")
    pid = property(_field(16, "i").fget, doc="Of waitid: the child.")
    uid = property(_field(20, "I").fget, doc="Of waitid: its user.")
    status = property(_field(24, "i").fget, doc="Of waitid: exit code or signal.")


def _message_part(part, doc):
    def read(self):
        return self._parts[part]

    def write(self, value):
        self._parts[part] = value
        self._apply()

    return property(read, write, doc=doc)


class Msghdr(_liburing.Message):
    """A message: an address (Sockaddr), buffers (Iovec or a list), control
    data (a buffer). The lengths bound what is used of them."""

    __slots__ = ("_parts",)

    def __init__(self, name=None, iov=None, control=None, *, namelen=None, controllen=None):
        self._parts = {"name": name, "namelen": namelen, "iov": iov}
        self._parts |= {"control": control, "controllen": controllen}
        self._apply()

    def _apply(self):
        name, namelen, iov, control, controllen = self._parts.values()
        if isinstance(name, Sockaddr):
            namelen = name._length if namelen is None else namelen
            name = name._memory
        elif name is not None:
            raise TypeError("a Sockaddr is required")
        elif namelen is not None:
            # Multishot receives are told the room for a name by its length.
            name = bytearray(integer(namelen, 0, 128))
        if control is not None and controllen is None:
            controllen = memoryview(control).nbytes
        elif control is None and controllen is not None:
            control = bytearray(integer(controllen, 0, 2**20))
        if isinstance(iov, Iovec):
            iov = iov._items
        self._set(name, namelen, list(iov or []), control, controllen)

    def _rooms(self):
        """Bytes of name and control data in each buffer of a multishot receive."""
        name, control = self._parts["name"], self._parts["control"]
        namelen, controllen = self._parts["namelen"], self._parts["controllen"]
        if namelen is None:
            namelen = name._length if name is not None else 0
        if controllen is None:
            controllen = memoryview(control).nbytes if control is not None else 0
        return namelen, controllen

    msg_name = name = _message_part("name", "Sockaddr.")
    msg_iov = iov = _message_part("iov", "Iovec.")
    msg_control = control = _message_part("control", "A buffer.")
    namelen = property(lambda self: self.msg_namelen, doc="Bytes of the address.")
    controllen = property(lambda self: self.msg_controllen, doc="Bytes of control data.")
    iovlen = property(lambda self: self.msg_iovlen, doc="Buffers.")
    flags = property(lambda self: self.msg_flags, doc="MSG_* of what was received.")


def _header_part(index, doc):
    def read(self):
        if getattr(self, "_buf", None) is None:
            raise RuntimeError("use io_uring_recvmsg_validate()")
        return self._header.unpack_from(self._buf)[index]

    return property(read, doc=doc)


class RecvmsgOut(_Uncopied):
    """One message of a multishot recvmsg in its buffer."""

    __slots__ = ("_buf", "_name", "_control")
    _header = struct.Struct("=IIII")

    namelen = _header_part(0, "Bytes of the sender's address.")
    controllen = _header_part(1, "Bytes of control data.")
    payloadlen = _header_part(2, "Bytes of the message, cut off or not.")
    flags = _header_part(3, "MSG_*.")


class Cmsghdr(_Uncopied):
    """One piece of control data."""

    __slots__ = ("level", "type", "data", "_place", "_next")

    def __bool__(self):
        return hasattr(self, "_place")


class ClockRegister(_Block):
    """The clock of timeouts without one of their own."""

    __slots__ = ()
    _size = 16
    clockid = _field(0, "I")

    def __init__(self, *, clockid=1):
        super().__init__()
        self.clockid = clockid


class Napi(_Block):
    """Busy polling: microseconds, and whether it is preferred."""

    __slots__ = ()
    _size = 16
    busy_poll_to = _field(0, "I")
    prefer_busy_poll = _field(4, "B")

    def __init__(self, *, busy_poll_to=0, prefer_busy_poll=0):
        super().__init__()
        self.busy_poll_to, self.prefer_busy_poll = busy_poll_to, prefer_busy_poll


class Restriction(_Uncopied):
    """What a disabled ring may do later: `(opcode, value)` pairs, opcode one of
    IORING_RESTRICTION_*."""

    __slots__ = ("_memory",)

    def __init__(self, *, rules=()):
        self._memory = b"".join(struct.pack("=HBB12x", *rule, 0) for rule in rules)

    def __len__(self):
        return len(self._memory) // 16


class SyncCancelReg(_Uncopied):
    """What to cancel, and a Timespec how long to wait; None for ever."""

    __slots__ = ("addr", "fd", "flags", "timeout", "opcode")

    def __init__(self, *, addr=0, fd=-1, flags=0, timeout=None, opcode=0):
        self.addr, self.fd, self.flags = addr, fd, flags
        self.timeout, self.opcode = timeout, opcode


class BufReg(_Uncopied):
    """Memory for a ring of buffers, to be registered as a group."""

    __slots__ = ("ring_entries", "bgid", "_ring")

    def __init__(self, *, ring_entries=0, bgid=0):
        self.ring_entries, self.bgid, self._ring = ring_entries, bgid, None

    @property
    def buf_ring(self):
        """The BufRing to fill."""
        if self._ring is None:
            self._ring = BufRing._make(self.ring_entries)
        return self._ring


class RegWait(_Uncopied):
    """How long a registered wait lasts: a Timespec or None, and microseconds
    after which one completion will do."""

    __slots__ = ("ts", "min_wait_usec")

    def __init__(self, *, ts=None, min_wait_usec=0):
        self.ts = timespec(ts) if isinstance(ts, (int, float)) else ts
        self.min_wait_usec = min_wait_usec


class MemRegionReg(_Uncopied):
    """RegWait blocks that waits name by their place in the list."""

    __slots__ = ("_waits", "_region", "flags")

    def __init__(self, *, waits=(), flags=0):
        self._waits, self.flags = list(waits), flags
        self._region = _liburing.Region(max(1, len(self._waits)))
        for index, wait in enumerate(self._waits):
            self.set(index, wait)

    def set(self, index, wait):
        """Another RegWait in that place."""
        ts = wait.ts
        if ts is not None and not isinstance(ts, Timespec):
            raise TypeError("a Timespec is required")
        seconds, nanos = (None, 0) if ts is None else (ts.sec, ts.nsec)
        self._region.set(index, seconds, nanos, wait.min_wait_usec)


class ZcrxIfqReg(_Uncopied):
    """A zero-copy receive queue of a network device."""

    __slots__ = ("if_idx", "if_rxq", "rq_entries", "flags")

    def __init__(self, *, if_idx=0, if_rxq=0, rq_entries=0, flags=0):
        self.if_idx, self.if_rxq = if_idx, if_rxq
        self.rq_entries, self.flags = rq_entries, flags


class Bpf(_Uncopied):
    """A filter of classic BPF instructions `(code, jt, jf, k)` on an operation."""

    __slots__ = ("cmd_type", "opcode", "flags", "filters", "pdu_size")

    def __init__(self, *, cmd_type=0, opcode=0, flags=0, filters=(), pdu_size=0):
        self.cmd_type, self.opcode, self.flags = cmd_type, opcode, flags
        self.filters, self.pdu_size = list(filters), pdu_size

    def _code(self):
        return b"".join(struct.pack("=HBBI", *filter) for filter in self.filters)
