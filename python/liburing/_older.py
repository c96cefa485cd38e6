"""Names of the older releases (2024.5.3, 2021.3.10), beside the newer ones.

Classes have the C names; rings made by `io_uring()` hand out `io_uring_sqe`
entries, for which every function reads its arguments in the older order.
"""

import os
import signal
import socket
from enum import IntEnum

from . import _liburing, _prep, _queue, _register, _system
from ._classes import (
    BufRing,
    Cqe,
    FileIndex,
    Futex,
    Iovec,
    OpenHow,
    Param,
    Sockaddr,
    Statx,
    Timespec,
    integer,
    io_uring,
    io_uring_cqe,
    io_uring_cqes,
    io_uring_sqe,
    timespec,
)
from ._liburing import io_uring_get_sqe, put_sqe
from ._structs import (
    BufReg,
    Cmsghdr,
    EpollEvent,
    Msghdr,
    Napi,
    RecvmsgOut,
    Restriction,
    SigsetT,
    SyncCancelReg,
)

_C = _liburing.constants()
NULL = None


def _enum(name, prefix, *more):
    """The constants whose names begin so, as an IntEnum."""
    values = vars(_system) | _C
    names = [key for key in values if key.startswith(prefix) and key not in more]
    return IntEnum(name, {key: values[key] for key in names})


ShutdownHow = _enum("ShutdownHow", "SHUT_")
SocketFamily = _enum("SocketFamily", "AF_")
SocketProto = _enum("SocketProto", "IPPROTO_")
SocketType = _enum("SocketType", "SOCK_")
io_uring_register_op = _enum(
    "io_uring_register_op",
    ("IORING_REGISTER_", "IORING_UNREGISTER_"),
    "IORING_REGISTER_FILES_SKIP",
    "IORING_REGISTER_SRC_REGISTERED",
    "IORING_REGISTER_DST_REPLACE",
)
io_uring_restriction_op = _enum("io_uring_restriction_op", "IORING_RESTRICTION_")
io_uring_register_pbuf_ring_flags = _enum("io_uring_register_pbuf_ring_flags", "IOU_PBUF_RING_MMAP")
io_uring_msg_ring_flags = IntEnum(
    "io_uring_msg_ring_flags", {"IORING_MSG_DATA": 0, "IORING_MSG_SEND_FD": 1}
)
io_wq_type = IntEnum("io_wq_type", {"IO_WQ_BOUND": 0, "IO_WQ_UNBOUND": 1})

CONSTANTS = {
    name: getattr(socket, name)
    for name in (
        "AI_ADDRCONFIG", "AI_ALL", "AI_CANONNAME", "AI_NUMERICHOST", "AI_NUMERICSERV",
        "AI_PASSIVE", "AI_V4MAPPED", "NI_DGRAM", "NI_NAMEREQD", "NI_NOFQDN",
        "NI_NUMERICHOST", "NI_NUMERICSERV",
    )
}
CONSTANTS |= {
    "AI_IDN": 64, "AI_CANONIDN": 128, "NI_IDN": 32, "STATX_ALL": 4095,
    # The name for sysconf(3), not the limit.
    "SC_IOV_MAX": os.sysconf_names["SC_IOV_MAX"],
    "FUTEX2_SIZE_U8": 0, "FUTEX2_SIZE_U16": 1, "FUTEX2_SIZE_U64": 3,
}
for _kind in (io_uring_msg_ring_flags, io_wq_type, _register.io_uring_socket_op):
    CONSTANTS |= {item.name: int(item) for item in _kind}
CONSTANTS |= {name: value for name, value in _C.items() if name.startswith("IORING_OP_")}


# ---- classes


class iovec(Iovec):
    """Buffers: iovec(a, b) or iovec([a, b])."""

    __slots__ = ()

    def __init__(self, *buffers):
        if len(buffers) == 1 and isinstance(buffers[0], (list, tuple)):
            (buffers,) = buffers
        super().__init__(list(buffers))

    def __getitem__(self, index):
        if not 0 <= index < len(self._items):
            raise IndexError("no such buffer")
        return iovec(self._items[index])

    iov_base = property(lambda self: self._items[0], doc="The first buffer.")
    iov_len = property(lambda self: memoryview(self._items[0]).nbytes, doc="Its bytes.")


def _prefixed(names, prefix):
    """Attributes under their names in C."""
    return {
        prefix + name: property(lambda self, name=name: getattr(self, name), doc=f"{name}, as in C.")
        for name in names
    }


_STATX = (
    "atime attributes attributes_mask blksize blocks btime ctime dev_major dev_minor gid ino "
    "mask mnt_id mode mtime nlink rdev_major rdev_minor size uid"
).split()


class statx(Statx):
    """What statx found, with the names of C."""

    __slots__ = ()

    def __init__(self, no=1):
        if integer(no, 0, 2**31) != 1:
            raise ValueError("one at a time")
        super().__init__()

    locals().update(_prefixed(_STATX, "stx_"))


class open_how(OpenHow):
    """How openat2 opens."""

    __slots__ = ()

    def __init__(self, flags=0, mode=0, resolve=0):
        super().__init__(flags, mode, resolve)


class sockaddr(Sockaddr):
    """An address; sockaddr() is room for one."""

    __slots__ = ()

    def __init__(self, family=0, addr=None, port=0):
        if isinstance(addr, bytes):
            addr = os.fsdecode(addr)
        super().__init__(family, addr, port)


def sockaddr_in(ip, port):
    """An address of IPv4."""
    return sockaddr(socket.AF_INET, ip, port)


class msghdr(Msghdr):
    """A message."""

    __slots__ = ()


class cmsghdr(Cmsghdr):
    """One piece of control data."""

    __slots__ = ()


class epoll_event(EpollEvent):
    """An epoll event."""

    __slots__ = ()


class futex_state(Futex):
    """Words to wait on one at a time."""

    __slots__ = ()

    def __init__(self, no=1, private=False):
        super().__init__(no, 128 if private else 0)


class futex_waitv(Futex):
    """Words to wait on together."""

    __slots__ = ()

    def __init__(self, no=1, private=False):
        super().__init__(no, 128 if private else 0, True)


class io_uring_params(Param):
    """Parameters of a ring, zero at first."""

    __slots__ = ()

    def __init__(self):
        self.flags = 0


class io_uring_buf_reg(BufReg):
    """Memory for a ring of buffers."""

    __slots__ = ()


class io_uring_restriction(Restriction):
    """What a disabled ring may do later."""

    __slots__ = ()


class io_uring_napi(Napi):
    """Busy polling."""

    __slots__ = ()


class io_uring_recvmsg_out(RecvmsgOut):
    """One message of a multishot recvmsg."""

    __slots__ = ()


class io_uring_sync_cancel_reg(SyncCancelReg):
    """What to cancel."""

    __slots__ = ()


class sigset(SigsetT):
    """A set of signals."""

    __slots__ = ()


class siginfo(SigsetT):
    """What waitid finds."""

    __slots__ = ()


io_uring_buf_ring = BufRing
io_uring_probe = _register.Probe


def files(*fds):
    """Descriptors to register: files(3, 4) or files([3, 4])."""
    return FileIndex(list(fds[0] if len(fds) == 1 and not isinstance(fds[0], int) else fds))


# ---- entries and completions

get_sqe = io_uring_get_sqe
io_uring_put_sqe = put_sqe


def io_uring_get_sqes(ring, no=2):
    """That many fresh entries; fewer when the queue is full."""
    entries = []
    for _ in range(no):
        sqe = io_uring_get_sqe(ring)
        if sqe is None:
            break
        entries.append(sqe)
    return entries


get_sqes = io_uring_get_sqes


def io_uring_for_each_cqe(ring, cqe, head=0):
    """Fills the completion with what is ready from the `head`th on; how many
    that are."""
    native = _queue.core(ring)
    ready = native.peek()
    if not isinstance(cqe, Cqe):
        raise TypeError(f"an io_uring_cqe is required, not {type(cqe).__name__}")
    return ready - head if cqe._fill_from(native, integer(head, 0, 2**32 - 1)) else 0


# ---- preparation


def io_uring_prep_openat(sqe, path, *args, flags=0, mode=0o777, dfd=-100):
    """Opens a file: (path, flags, mode, dfd) or (dfd, path, flags, mode)."""
    if isinstance(path, int):
        dfd, (path, *args) = path, args
    if len(args) > 3:
        raise TypeError("too many arguments")
    flags, mode, dfd = tuple(args) + (flags, mode, dfd)[len(args) :]
    _liburing._openat(sqe, dfd, path, flags, mode, None)


def io_uring_prep_openat_direct(
    sqe, path, flags=0, file_index=_prep.ALLOC, mode=0o777, dfd=-100
):
    """Opens a file into a slot of the file table."""
    _liburing._openat(sqe, dfd, path, flags, mode, file_index)


def io_uring_prep_unlinkat(sqe, path, flags=0, dfd=-100):
    """Removes a name; (dfd, path, flags) too."""
    if isinstance(path, int):
        dfd, path, flags = path, flags, 0 if dfd == -100 else dfd
    _liburing._unlinkat(sqe, dfd, path, flags)


def io_uring_prep_mkdirat(sqe, path, mode=0o777, dfd=-100):
    """Makes a folder; (dfd, path, mode) too."""
    if isinstance(path, int):
        dfd, path, mode = path, mode, 0o777 if dfd == -100 else dfd
    _liburing._mkdirat(sqe, dfd, path, mode)


def io_uring_prep_renameat(sqe, oldpath, newpath, olddfd=-100, newdfd=-100, flags=0):
    """Renames; (olddfd, oldpath, newdfd, newpath, flags) too."""
    olddfd, oldpath, newdfd, newpath = _two(oldpath, newpath, olddfd, newdfd)
    _liburing._renameat(sqe, olddfd, oldpath, newdfd, newpath, flags)


def io_uring_prep_linkat(sqe, oldpath, newpath, olddfd=-100, newdfd=-100, flags=0):
    """Makes a hard link; (olddfd, oldpath, newdfd, newpath, flags) too."""
    olddfd, oldpath, newdfd, newpath = _two(oldpath, newpath, olddfd, newdfd)
    _liburing._linkat(sqe, olddfd, oldpath, newdfd, newpath, flags)


def _two(oldpath, newpath, olddfd, newdfd):
    if isinstance(oldpath, int):
        return oldpath, newpath, olddfd, newdfd
    return olddfd, oldpath, newdfd, newpath


def io_uring_prep_symlinkat(sqe, target, linkpath, newdirfd=-100):
    """Makes a symbolic link; (target, newdirfd, linkpath) too."""
    if isinstance(linkpath, int):
        linkpath, newdirfd = newdirfd, linkpath
    _liburing._symlinkat(sqe, target, newdirfd, linkpath)


def io_uring_prep_readv2(sqe, fd, iovecs, offset=0, flags=0, *more):
    """Reads into several buffers: (offset, flags) or (nr_vecs, offset, flags)."""
    nr_vecs = None
    if more:
        (nr_vecs, offset), (flags,) = (offset, flags), more
    _liburing._readv(sqe, fd, _prep._items(iovecs), nr_vecs, offset, flags)


def io_uring_prep_writev2(sqe, fd, iovecs, nr_vecs, offset=0, flags=0):
    """Writes several buffers."""
    _liburing._writev(sqe, fd, _prep._items(iovecs), nr_vecs, offset, flags)


def io_uring_prep_socket_direct_alloc(sqe, domain, type, protocol=0, flags=0):
    """Makes a socket in a free slot of the file table."""
    _liburing._socket_direct(sqe, domain, type, protocol, _prep.ALLOC, flags)


io_uring_prep_getsockopt = _prep.getsockopt
io_uring_prep_setsockopt = _prep.setsockopt


def io_uring_prep_rw(op, sqe, fd, addr, len, offset):
    """Reads or writes a buffer by opcode (IORING_OP_READ, WRITE, RECV, SEND or
    NOP); ValueError for others, which have functions of their own."""
    if op == _prep.OP["NOP"]:
        return _prep.io_uring_prep_nop(sqe)
    calls = {
        _prep.OP["READ"]: _prep.io_uring_prep_read,
        _prep.OP["WRITE"]: _prep.io_uring_prep_write,
    }
    if op in calls:
        return calls[op](sqe, fd, addr, nbytes=len, offset=offset)
    calls = {
        _prep.OP["RECV"]: _prep.io_uring_prep_recv,
        _prep.OP["SEND"]: _prep.io_uring_prep_send,
    }
    if op not in calls:
        raise ValueError("not a plain read or write")
    return calls[op](sqe, fd, addr, len=len)


# ---- registration


def io_uring_register_buffers_tags(ring, iovecs, tags, nr=None):
    """Registers buffers with a tag each: a list, or one number for all."""
    items = _queue._buffers(iovecs)[:nr]
    return _queue.core(ring).buffers(items, _register._tags(tags, len(items)))


def io_uring_mlock_size(entries, flags):
    """Bytes of locked memory such a ring needs."""
    return _liburing._mlock_size(integer(entries, 0, 2**32 - 1), integer(flags, 0, 2**32 - 1))


def io_uring_mlock_size_params(entries, p):
    """The same for a ring with these parameters."""
    return io_uring_mlock_size(entries, p.flags)


# ---- sockets, as calls


def _on(sockfd, call):
    """Calls a method of a socket object that does not own the descriptor."""
    sock = socket.socket(fileno=integer(sockfd, 0, 2**31 - 1))
    try:
        return call(sock)
    finally:
        sock.detach()


def bind(sockfd, addr):
    """Binds a socket; 0."""
    _on(sockfd, lambda sock: sock.bind(addr._parts()))
    return 0


def listen(sockfd, backlog):
    """Listens; 0."""
    _on(sockfd, lambda sock: sock.listen(backlog))
    return 0


def _write(addr, family, found):
    packed = Sockaddr._of(family, found) if found else Sockaddr()
    addr._memory[:], addr._length = packed._memory, packed._length


def getpeername(sockfd, addr):
    """Writes the peer's address to the sockaddr; 0."""
    family, found = _on(sockfd, lambda sock: (sock.family, sock.getpeername()))
    _write(addr, family, found)
    return 0


def getsockname(sqe, fd, sockaddr=None, /, peer=0):
    """With an entry: prepares writing a socket's address, or its peer's, to a
    Sockaddr (kernel 6.19). With (sockfd, sockaddr) as the older releases: the
    address as a tuple, at once."""
    if sockaddr is None and isinstance(fd, _Old) and isinstance(sqe, int):
        family, found = _on(sqe, lambda sock: (sock.family, sock.getsockname()))
        _write(fd, family, found)
        return found if isinstance(found, tuple) else (found,)
    return _prep.io_uring_prep_cmd_getsockname(sqe, fd, sockaddr, peer)


_Old = sockaddr


class getaddrinfo:
    """Addresses of a host: an iterable of (family, type, protocol, canonical
    name, sockaddr)."""

    __slots__ = ("_found",)

    def __init__(self, host, port, family=0, type=0, proto=0, flags=0):
        text = [os.fsdecode(part) if isinstance(part, bytes) else part for part in (host, port)]
        self._found = socket.getaddrinfo(*text, family, type, proto, flags)

    def __iter__(self):
        for family, type, proto, name, found in self._found:
            yield int(family), int(type), proto, name, sockaddr(int(family), *found[:2])


def getnameinfo(addr, flags=0):
    """`(host, service)` of an address."""
    return socket.getnameinfo(addr._parts(), flags)


# ---- signals, time, errors


def sigmask(mask=None):
    """A set of signals."""
    return sigset(signals=mask or ())


def sigemptyset(mask):
    """Empties it; 0."""
    mask._memory[:] = bytes(len(mask._memory))
    return 0


def sigaddset(mask, signum):
    """Adds a signal; 0."""
    mask.add(signal.Signals(signum))
    return 0


def time_convert(second):
    """`(seconds, nanoseconds)`."""
    ts = timespec(second)
    return ts.sec, ts.nsec


def index_error(self, index, msg="out of range!"):
    """Raises the IndexError for an index of an object."""
    raise IndexError(f"`{type(self).__name__}()[{index}]` {msg}")


def memory_error(self, msg="is out of memory!"):
    """Raises the MemoryError for an object."""
    raise MemoryError(f"`{type(self).__name__}()` {msg}")


def test_cqe_get_index():
    """Checks that a completion that was not filled has no entries."""
    try:
        io_uring_cqe()[0]
    except IndexError:
        return
    raise AssertionError("an entry of nothing")
