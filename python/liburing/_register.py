"""Registration, and questions about ring, kernel and library."""

import os
import struct
from enum import IntEnum

from . import _liburing
from ._classes import BufRing, FileIndex, Timespec, _Uncopied, core, integer
from ._liburing import (
    io_uring_buf_ring_advance,
    io_uring_buf_ring_available,
    io_uring_buf_ring_cq_advance,
    io_uring_buf_ring_init,
    io_uring_buf_ring_mask,
    io_uring_close_ring_fd,
    io_uring_cq_eventfd_enabled,
    io_uring_cq_eventfd_toggle,
    io_uring_cq_has_overflow,
    io_uring_enable_rings,
    io_uring_free_buf_ring,
    io_uring_register_buffers_sparse,
    io_uring_register_eventfd_async,
    io_uring_register_file_alloc_range,
    io_uring_register_files_sparse,
    io_uring_register_personality,
    io_uring_register_ring_fd,
    io_uring_register_sync_msg,
    io_uring_ring_dontfork,
    io_uring_set_iowait,
    io_uring_unregister_buf_ring,
    io_uring_unregister_iowq_aff,
    io_uring_unregister_personality,
    io_uring_unregister_ring_fd,
)
from ._queue import _buffers, _files
from ._structs import (
    Bpf,
    BufReg,
    ClockRegister,
    Cmsghdr,
    MemRegionReg,
    Msghdr,
    Napi,
    RecvmsgOut,
    RegWait,
    Restriction,
    SyncCancelReg,
    ZcrxIfqReg,
)

_C = _liburing.constants()
_VERSION = (2, 15)

_SOCKET_OPS = "SIOCINQ SIOCOUTQ GETSOCKOPT SETSOCKOPT TX_TIMESTAMP GETSOCKNAME".split()
io_uring_socket_op = IntEnum(  # type: ignore[misc]
    "io_uring_socket_op",
    {
        f"SOCKET_URING_OP_{name}": number
        for number, name in enumerate(_SOCKET_OPS)
    },
)


def _tags(tags, count):
    """A tag for each of `count` resources; 0 and None are none."""
    if tags is None or isinstance(tags, int):
        return [integer(tags or 0, 0, 2**64 - 1)] * count if tags else None
    tags = [integer(tag, 0, 2**64 - 1) for tag in tags]
    if len(tags) != count:
        raise ValueError("as many tags as resources")
    return tags


def io_uring_register_files_update(ring, fds, /, *args, offset=0):
    """Replaces registered files from a slot on: (fds, offset), or (offset, fds,
    count) as the older releases; the number replaced."""
    return _update_files(ring, fds, args, offset, 0)


def io_uring_register_files_update_tag(ring, files, tags, /, *args, offset=0):
    """The same with a tag each, posted when a file is used no more: (fds, tags,
    offset), or (offset, fds, tags, count). Kernel 5.13."""
    return _update_files(ring, files, (tags, *args), offset, 1)


def _update_files(ring, fds, args, offset, tagged):
    if isinstance(fds, int) and len(args) == 2 + tagged:
        offset, fds, args, count = fds, args[0], args[1:-1], args[-1]
        if integer(count, 0, 2**32 - 1) != len(_files(fds)):
            raise ValueError("another number of files")
    elif len(args) == 1 + tagged:
        offset, args = args[-1], args[:-1]
    if len(args) != tagged:
        raise TypeError("too many arguments")
    if not isinstance(fds, FileIndex):
        raise TypeError(f"a FileIndex is required, not {type(fds).__name__}")
    files = _files(fds)
    tags = _tags(args[0], len(files)) if tagged else None
    return _liburing._files_update(ring, files, 0 if offset is None else offset, tags)


def io_uring_register_files_tags(ring, files, tags, nr=None, /):
    """Registers files with a tag each: a list, or one number for all, 0 for
    none; 0. Kernel 5.13."""
    files = _files(files)[:nr]
    return _liburing._files_tags(ring, files, _tags(tags, len(files)) or [0] * len(files))


def io_uring_register_buffers_update_tag(ring, iovecs, tags, /, *args, offset=0):
    """Replaces registered buffers: (iovecs, tags, offset), or (offset, iovecs,
    tags, count); the number replaced. Kernel 5.13."""
    if isinstance(iovecs, int) and args:
        offset, iovecs, (tags, *args) = iovecs, tags, args
        args = args[1:]
    elif args:
        offset, *args = args
    if args:
        raise TypeError("too many arguments")
    items = _buffers(iovecs)
    return core(ring).update_buffers(0 if offset is None else offset, items, _tags(tags, len(items)))


def io_uring_clone_buffers(dst_ring, src_ring, /, flags=0):
    """Shares the registered buffers of another ring; 0. Kernel 6.12."""
    return _liburing._clone_buffers(dst_ring, src_ring, 0, 0, 0, 0 if flags is None else flags)


def io_uring_clone_buffers_offset(dst_ring, src_ring, dst_off, src_off, nr, /, flags=0):
    """Shares some of them. Kernel 6.13."""
    flags = 0 if flags is None else flags
    return _liburing._clone_buffers(dst_ring, src_ring, dst_off, src_off, nr, flags)


def _of(block, kind):
    if not isinstance(block, kind):
        raise TypeError(f"a {kind.__name__} is required, not {type(block).__name__}")
    return block


def io_uring_register(fd, opcode, arg, nr_args, /):
    """io_uring_register(2) for calls without an argument, which is None."""
    if arg is not None:
        raise TypeError("the argument must be None: use the call of its own")
    return _liburing._register(fd, opcode, nr_args)


def io_uring_register_clock(ring, arg, /):
    """The clock of timeouts. Kernel 6.12."""
    block = _of(arg, ClockRegister)._memory
    return _liburing._register_block(ring, _C["IORING_REGISTER_CLOCK"], block)


def io_uring_register_napi(ring, napi, /):
    """Busy polling; the Napi gets what was set before. Kernel 6.9."""
    block = _of(napi, Napi)._memory
    return _liburing._register_block(ring, _C["IORING_REGISTER_NAPI"], block)


def io_uring_unregister_napi(ring, napi, /):
    """No more busy polling. Kernel 6.9."""
    block = _of(napi, Napi)._memory
    return _liburing._register_block(ring, _C["IORING_UNREGISTER_NAPI"], block)


def io_uring_register_restrictions(ring, res, nr_res=None, /):
    """What a ring made with IORING_SETUP_R_DISABLED may do. Kernel 5.10."""
    blocks = _of(res, Restriction)._memory
    return _liburing._restrictions(ring, blocks[: None if nr_res is None else 16 * nr_res])


def io_uring_register_sync_cancel(ring, reg, /):
    """Cancels and waits for the end of it; OSError (ENOENT, ETIME).
    Kernel 6.0."""
    reg, core_ = _of(reg, SyncCancelReg), core(ring)
    seconds, nanos = (-1, -1) if reg.timeout is None else (reg.timeout.sec, reg.timeout.nsec)
    core_.submit()
    return _liburing._sync_cancel(
        ring, reg.addr, reg.fd, reg.flags, seconds, nanos, reg.opcode
    )


def io_uring_register_region(ring, reg, /):
    """Registers memory for waits, on a ring that is disabled. Kernel 6.13."""
    reg = _of(reg, MemRegionReg)
    return _liburing._register_region(ring, reg._region, reg.flags)


def io_uring_register_wait_reg(ring, reg, nr, /):
    """OSError (EINVAL): regions took its place."""
    core(ring), _of(reg, RegWait), integer(nr, -(2**31), 2**31 - 1)
    raise OSError(22, os.strerror(22))


def io_uring_register_ifq(ring, reg, /):
    """A zero-copy receive queue; OSError without a device that has them.
    Kernel 6.15."""
    reg = _of(reg, ZcrxIfqReg)
    return _liburing._register_ifq(ring, reg.if_idx, reg.if_rxq, reg.rq_entries, reg.flags)


def _bpf(ring, bpf):
    bpf = _of(bpf, Bpf)
    return _liburing._bpf_filter(
        ring, bpf.cmd_type, bpf.opcode, bpf.flags, bpf._code(), bpf.pdu_size
    )


def io_uring_register_bpf_filter(ring, bpf, /):
    """A filter on an operation of this ring. Newer than kernel 6.18."""
    core(ring)
    return _bpf(ring, bpf)


def io_uring_register_bpf_filter_task(bpf, /):
    """The same for rings this thread makes later. Newer than kernel 6.18."""
    return _bpf(None, bpf)


def io_uring_register_iowq_aff(ring, cpusz, mask, /):
    """Processors of the worker threads: a set of numbers, or a mask of `cpusz`
    bytes. Kernel 5.14."""
    if isinstance(mask, (set, frozenset)):
        mask = sum(1 << cpu for cpu in mask).to_bytes(cpusz, "little")
    return _liburing._iowq_aff(ring, bytes(mask)[:cpusz])


def io_uring_register_iowq_max_workers(ring, values, /):
    """Limits of the worker threads, a list of two (bounded, unbounded), 0 to
    leave one; the list gets those before. Kernel 5.15."""
    block = bytearray(struct.pack("II", *values))
    opcode = _C["IORING_REGISTER_IOWQ_MAX_WORKERS"]
    result = _liburing._register_block(ring, opcode, block)
    values[:] = struct.unpack("II", block)
    return result


# ---- rings of provided buffers


def io_uring_setup_buf_ring(ring, nentries, bgid, flags, err=None, /):
    """A BufRing of so many entries for a group. Kernel 5.19."""
    core(ring)
    made = BufRing._make(nentries)
    _liburing._register_buf_ring(ring, made, bgid, flags or 0)
    return made


def io_uring_register_buf_ring(ring, reg, /, flags=0):
    """Registers the memory of a BufReg, whose buf_ring is then filled; 0.
    Kernel 5.19."""
    reg = _of(reg, BufReg)
    core(ring)
    return _liburing._register_buf_ring(ring, reg.buf_ring, reg.bgid, flags or 0)


def io_uring_buf_ring_add(br, addr, bid, mask, /, *args, buf_offset=0):
    """Puts a buffer into the slot `buf_offset` behind the tail; with (addr,
    len, bid, mask, buf_offset) its first bytes."""
    length = None
    if len(args) == 2:
        (length, bid), (mask, buf_offset) = (bid, mask), args
    elif len(args) == 1:
        (buf_offset,) = args
    elif args:
        raise TypeError("too many arguments")
    _liburing._buf_ring_add(br, addr, length, bid, mask, buf_offset or 0)


def io_uring_buf_ring_head(ring, buf_group, head, /):
    """Where the kernel takes the next buffer, put into the list `head` too if
    one is given. Kernel 6.8."""
    found = _liburing._buf_ring_head(ring, buf_group)
    if isinstance(head, list):
        head[:] = [found]
    return found


# ---- what a multishot recvmsg leaves in its buffer


def io_uring_recvmsg_validate(buf, msgh, *more):
    """The message in a buffer, None when the buffer is too short for it. With
    (buf, length, msgh) of its first bytes."""
    length = memoryview(buf).nbytes
    if more:
        length, (msgh,) = min(length, integer(msgh, 0, 2**31 - 1)), more
    msgh = _of(msgh, Msghdr)
    name, control = msgh._rooms()
    if length < 16 + name + control:
        return None
    out = object.__new__(RecvmsgOut)
    out._buf = memoryview(buf).cast("B")[:length]
    out._name, out._control = name, control
    return out


def _out(o):
    if getattr(_of(o, RecvmsgOut), "_buf", None) is None:
        raise RuntimeError("use io_uring_recvmsg_validate()")
    return o


def io_uring_recvmsg_name(o, /):
    """The sender's address, bytes."""
    o = _out(o)
    return bytes(o._buf[16 : 16 + min(o.namelen, o._name)])


def io_uring_recvmsg_payload(o, msgh, /):
    """The message, a view of the buffer."""
    _of(msgh, Msghdr)
    o = _out(o)
    return o._buf[16 + o._name + o._control :]


def io_uring_recvmsg_payload_length(o, buf_len, msgh, /):
    """Its length in a buffer of which so many bytes were filled."""
    _of(msgh, Msghdr)
    buf_len, o = integer(buf_len, -(2**31), 2**31 - 1), _out(o)
    return max(0, buf_len - 16 - o._name - o._control)


def _cmsg(o, place):
    end = min(o.controllen, o._control)
    if place + 16 > end:
        return None
    length, level, kind = struct.unpack_from("Qii", o._buf, 16 + o._name + place)
    if length < 16 or place + length > end:
        return None
    start = 16 + o._name + place
    cmsg = Cmsghdr()
    cmsg.level, cmsg.type = level, kind
    cmsg.data = bytes(o._buf[start + 16 : start + length])
    cmsg._place, cmsg._next = place, place + (length + 7) // 8 * 8
    return cmsg


def io_uring_recvmsg_cmsg_firsthdr(o, msgh, /):
    """The first piece of control data, None when there is none."""
    _of(msgh, Msghdr)
    return _cmsg(_out(o), 0)


def io_uring_recvmsg_cmsg_nexthdr(o, msgh, cmsg, /):
    """The piece after `cmsg`, None when there is none."""
    _of(o, RecvmsgOut), _of(msgh, Msghdr)
    if not _of(cmsg, Cmsghdr):
        raise RuntimeError("use io_uring_recvmsg_cmsg_firsthdr()")
    return _cmsg(_out(o), cmsg._next)


class Probe(_Uncopied):
    """Which operations the kernel has; from io_uring_get_probe."""

    __slots__ = ("_found",)

    def __init__(self):
        raise NotImplementedError("use io_uring_get_probe()")

    def _operations(self):
        if self._found is None:
            raise MemoryError("the probe was freed")
        return self._found

    @property
    def last_op(self):
        """The last operation the kernel knows, of those known here."""
        found = self._operations()
        return max((number for number, has in enumerate(found) if has), default=0)

    @property
    def ops_len(self):
        """How many operations that are."""
        return self.last_op + 1


def _probe(native):
    probe = object.__new__(Probe)
    probe._found = native.probe()
    return probe


def io_uring_get_probe():
    """Asks the kernel through a ring of its own. Kernel 5.6."""
    native = _liburing.Core(2)
    try:
        return _probe(native)
    finally:
        native.close()


def io_uring_get_probe_ring(ring, /):
    """Asks the kernel. Kernel 5.6."""
    return _probe(core(ring))


def io_uring_register_probe(ring, probe, nr, /):
    """Fills a Probe with what the kernel has of the first `nr` operations; 0.
    Kernel 5.6."""
    if not isinstance(probe, Probe):
        raise TypeError("a Probe is required")
    probe._found = core(ring).probe()[: integer(nr, 0, 2**32 - 1)]
    return 0


def io_uring_free_probe(probe, /):
    """Empties it."""
    if not isinstance(probe, Probe):
        raise TypeError("a Probe is required")
    probe._found = None


def io_uring_opcode_supported(probe, op, /):
    """Whether the kernel has the operation."""
    if not isinstance(probe, Probe):
        raise TypeError("a Probe is required")
    found = probe._operations()
    return 0 <= integer(op, -(2**31), 2**31 - 1) < len(found) and found[op]


def io_uring_sqe_shift_from_flags(flags, /):
    """1 for entries of 128 bytes, else 0."""
    return int(bool(integer(flags, 0, 2**32 - 1) & _C["IORING_SETUP_SQE128"]))


def io_uring_sqe_shift(ring, /):
    """1 for entries of 128 bytes, else 0."""
    return io_uring_sqe_shift_from_flags(core(ring).flags)


def liburing_version_major():
    """Of the interface."""
    return _VERSION[0]


def liburing_version_minor():
    """Of the interface."""
    return _VERSION[1]


def liburing_version_check(major, minor, /):
    """Whether the library is OLDER than that."""
    return _VERSION < (integer(major, 0, 65535), integer(minor, 0, 65535))


def linux_version_check(version):
    """Whether the running kernel is OLDER than `major` or `major.minor`."""
    parts = str(version).strip().split(".")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        # ValueError for what is no number either, with three parts for one.
        parts = [str(max(0, int(float(version))))]
    wanted = (int(parts[0]), int(parts[1]) if len(parts) == 2 else 0)
    major, minor = os.uname().release.split(".")[:2]
    digits = "".join(c for c in minor if c.isdecimal())
    return (int(major), int(digits)) < wanted
