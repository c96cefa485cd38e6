"""Preparation of entries. Every object given is kept until its operation ends."""

import os

from . import _liburing
from ._classes import Iovec, OpenHow, Sockaddr, Statx, Timespec
from ._liburing import io_uring_prep_nop, io_uring_prep_read, io_uring_prep_write

OP = {name.removeprefix("IORING_OP_"): number for name, number in _liburing.operations()}
_C = _liburing.constants()
ALLOC = 2**32 - 1


def _path(path):
    data = os.fsencode(path)
    if b"\0" in data:
        raise ValueError("embedded null byte")
    return data + b"\0"


def _memory(block, kind):
    if not isinstance(block, kind):
        raise TypeError(f"a {kind.__name__} is required, not {type(block).__name__}")
    return block._memory


def _items(iovec):
    if not isinstance(iovec, Iovec):
        raise TypeError("an Iovec is required")
    return iovec._items


def _slot(file_index):
    """The field's value: one more than the index, or the request to choose."""
    return ALLOC if file_index in (None, ALLOC) else file_index + 1


def _at(dfd):
    """The folder a path starts from; None is the current one."""
    return -100 if dfd is None else dfd


def _sized(buf, nbytes):
    """At most the first bytes of a buffer, as the older style asks."""
    if nbytes > len(buf):
        raise ValueError("the buffer is shorter than the length")
    return nbytes


def io_uring_prep_read_fixed(sqe, fd, buff, buf_index, offset=0):
    """Reads into a registered buffer."""
    sqe.prep(OP["READ_FIXED"], fd, buff, None, offset or 0, writable=True, buf_index=buf_index)


def io_uring_prep_write_fixed(sqe, fd, buff, buf_index, offset=0):
    """Writes a registered buffer."""
    sqe.prep(OP["WRITE_FIXED"], fd, buff, None, offset or 0, buf_index=buf_index)


def io_uring_prep_readv(sqe, fd, iovec, offset=0, flags=0):
    """Reads into several buffers."""
    sqe.prep(OP["READV"], fd, _items(iovec), None, offset or 0, flags or 0, writable=True)


def io_uring_prep_writev(sqe, fd, iovec, offset=0, flags=0):
    """Writes several buffers."""
    sqe.prep(OP["WRITEV"], fd, _items(iovec), None, offset or 0, flags or 0)


def io_uring_prep_recv(sqe, sockfd, buf=None, *args, flags=0):
    """Receives: (flags), or (length, flags) as the older releases."""
    length = None
    if len(args) == 2:
        length, flags = _sized(buf, args[0]), args[1]
    elif args:
        (flags,) = args
    sqe.prep(OP["RECV"], sockfd, buf, length, None, flags or 0, writable=True)


def io_uring_prep_send(sqe, sockfd, buf, *args, flags=0):
    """Sends: (flags), or (length, flags) as the older releases."""
    length = None
    if len(args) == 2:
        length, flags = _sized(buf, args[0]), args[1]
    elif args:
        (flags,) = args
    sqe.prep(OP["SEND"], sockfd, buf, length, None, flags or 0)


def io_uring_prep_send_zc(sqe, sockfd, buf, flags=0, zc_flags=0):
    """Sends without a copy; the buffer is kept until the notification."""
    sqe.prep(OP["SEND_ZC"], sockfd, buf, None, None, flags or 0, ioprio=zc_flags or 0)


def io_uring_prep_sendto(sqe, sockfd, buf, addr, flags=0):
    """Sends to an address."""
    place = _memory(addr, Sockaddr)
    sqe.prep(OP["SEND"], sockfd, buf, None, place, flags or 0, addr_len=len(place))


def io_uring_prep_accept(sqe, fd, addr=None, flags=0):
    """Accepts a connection; addr must be None."""
    _no_address(addr)
    sqe.prep(OP["ACCEPT"], fd, op_flags=flags or 0)


def io_uring_prep_multishot_accept(sqe, fd, addr=None, flags=0):
    """Accepts connections until cancelled."""
    _no_address(addr)
    sqe.prep(OP["ACCEPT"], fd, op_flags=flags or 0, ioprio=_C["IORING_ACCEPT_MULTISHOT"])


def _no_address(addr):
    if addr is not None:
        raise NotImplementedError("ask getpeername() for the address")


def io_uring_prep_connect(sqe, fd, addr):
    """Connects."""
    place = _memory(addr, Sockaddr)
    sqe.prep(OP["CONNECT"], fd, place, 0, len(place))


def io_uring_prep_bind(sqe, fd, addr):
    """Binds a socket."""
    place = _memory(addr, Sockaddr)
    sqe.prep(OP["BIND"], fd, place, 0, len(place))


def io_uring_prep_listen(sqe, fd, backlog):
    """Listens."""
    sqe.prep(OP["LISTEN"], fd, None, backlog)


def io_uring_prep_shutdown(sqe, fd, how):
    """Shuts a socket down."""
    sqe.prep(OP["SHUTDOWN"], fd, None, how)


def io_uring_prep_socket(sqe, domain, type, protocol=0, flags=0):
    """Makes a socket."""
    sqe.prep(OP["SOCKET"], domain, None, protocol or 0, type, flags or 0)


def io_uring_prep_open(sqe, path, flags=0, mode=0o777, dfd=-100):
    """Opens a file."""
    sqe.prep(OP["OPENAT"], _at(dfd), _path(path), 0o777 if mode is None else mode, None, flags or 0)


def io_uring_prep_openat2(sqe, path, how, dfd=-100):
    """Opens a file as OpenHow says."""
    sqe.prep(OP["OPENAT2"], _at(dfd), _path(path), 24, _memory(how, OpenHow))


def io_uring_prep_close(sqe, fd):
    """Closes a descriptor."""
    sqe.prep(OP["CLOSE"], fd)


def io_uring_prep_close_direct(sqe, file_index):
    """Closes a registered file."""
    sqe.prep(OP["CLOSE"], 0, file_index=_slot(file_index))


def io_uring_prep_statx(sqe, statxbuf, path, flags=0, mask=4095, dfd=-100):
    """Fills a Statx at completion."""
    block = _memory(statxbuf, Statx)
    mask = 4095 if mask is None else mask
    sqe.prep(OP["STATX"], _at(dfd), _path(path), mask, block, flags or 0, off_writable=True)


def io_uring_prep_mkdir(sqe, path, mode, dfd=-100):
    """Makes a folder."""
    sqe.prep(OP["MKDIRAT"], _at(dfd), _path(path), mode)


def io_uring_prep_unlink(sqe, path, flags=0, dfd=-100):
    """Removes a name."""
    sqe.prep(OP["UNLINKAT"], _at(dfd), _path(path), 0, None, flags or 0)


def _two(op, sqe, old, new, flags, olddfd, newdfd):
    sqe.prep(OP[op], _at(olddfd), _path(old), _at(newdfd) & ALLOC, _path(new), flags or 0)


def io_uring_prep_rename(sqe, oldpath, newpath, flags=0, olddfd=-100, newdfd=-100):
    """Renames."""
    _two("RENAMEAT", sqe, oldpath, newpath, flags, olddfd, newdfd)


def io_uring_prep_link(sqe, oldpath, newpath, flags=0, olddfd=-100, newdfd=-100):
    """Makes a hard link."""
    _two("LINKAT", sqe, oldpath, newpath, flags, olddfd, newdfd)


def io_uring_prep_symlink(sqe, target, linkpath, newdirfd=-100):
    """Makes a symbolic link."""
    sqe.prep(OP["SYMLINKAT"], _at(newdirfd), _path(target), 0, _path(linkpath))


def io_uring_prep_fsync(sqe, fd, fsync_flags=0):
    """Writes a file's data to its device."""
    sqe.prep(OP["FSYNC"], fd, op_flags=fsync_flags or 0)


def io_uring_prep_ftruncate(sqe, fd, len=0):
    """Sets a file's size."""
    sqe.prep(OP["FTRUNCATE"], fd, None, None, len or 0)


def io_uring_prep_fallocate(sqe, fd, mode, offset, len):
    """Reserves space."""
    sqe.prep(OP["FALLOCATE"], fd, len, mode, offset)


def io_uring_prep_fadvise(sqe, fd, len, advice, offset=0):
    """Announces how a file will be read."""
    sqe.prep(OP["FADVISE"], fd, None, len, offset or 0, advice)


def io_uring_prep_poll_add(sqe, fd, poll_mask):
    """Waits for readiness."""
    sqe.prep(OP["POLL_ADD"], fd, op_flags=poll_mask)


def io_uring_prep_poll_multishot(sqe, fd, poll_mask):
    """Reports readiness until cancelled."""
    sqe.prep(OP["POLL_ADD"], fd, None, _C["IORING_POLL_ADD_MULTI"], None, poll_mask)


def io_uring_prep_poll_remove(sqe, user_data):
    """Ends a poll."""
    sqe.prep(OP["POLL_REMOVE"], -1, user_data)


def io_uring_prep_timeout(sqe, ts, count, flags=0):
    """Completes after a time (res -ETIME) or a count of completions."""
    sqe.prep(OP["TIMEOUT"], -1, _memory(ts, Timespec), 1, count, flags or 0)


def io_uring_prep_link_timeout(sqe, ts, flags=0):
    """Bounds the operation linked before it."""
    sqe.prep(OP["LINK_TIMEOUT"], -1, _memory(ts, Timespec), 1, None, flags or 0)


def io_uring_prep_timeout_remove(sqe, user_data, flags=0):
    """Removes a timeout."""
    sqe.prep(OP["TIMEOUT_REMOVE"], -1, user_data, None, None, flags or 0)


def io_uring_prep_cancel64(sqe, user_data, flags=0):
    """Cancels the operation with this tag."""
    sqe.prep(OP["ASYNC_CANCEL"], -1, user_data, None, None, flags or 0)


io_uring_prep_cancel = io_uring_prep_cancel64


def io_uring_prep_cancel_fd(sqe, fd, flags=0):
    """Cancels operations on a descriptor."""
    flags = (flags or 0) | _C["IORING_ASYNC_CANCEL_FD"]
    sqe.prep(OP["ASYNC_CANCEL"], fd, op_flags=flags)


def io_uring_prep_splice(sqe, fd_in, off_in, fd_out, off_out, nbytes, splice_flags):
    """Moves bytes between a pipe and a descriptor."""
    mask = 2**64 - 1
    sqe.prep(
        OP["SPLICE"], fd_out, off_in & mask, nbytes, off_out & mask, splice_flags, file_index=fd_in
    )


def io_uring_prep_tee(sqe, fd_in, fd_out, nbytes, splice_flags):
    """Copies bytes between pipes."""
    sqe.prep(OP["TEE"], fd_out, None, nbytes, None, splice_flags, file_index=fd_in)


io_uring_prep_fadvise64 = io_uring_prep_fadvise


def io_uring_prep_sync_file_range(sqe, fd, len, offset=0, flags=0):
    """Writes a range of a file to its device."""
    sqe.prep(OP["SYNC_FILE_RANGE"], fd, None, len, offset or 0, flags or 0)


def io_uring_prep_timeout_update(sqe, ts, user_data, flags=0):
    """Gives a timeout in flight another time."""
    flags = (flags or 0) | _C["IORING_TIMEOUT_UPDATE"]
    sqe.prep(OP["TIMEOUT_REMOVE"], -1, user_data, 0, _memory(ts, Timespec), flags)


def io_uring_prep_readv_fixed(sqe, fd, iovec, buf_index, offset=0, flags=0):
    """Reads into several parts of a registered buffer."""
    items = _items(iovec)
    sqe.prep(
        OP["READV_FIXED"], fd, items, None, offset or 0, flags or 0,
        writable=True, buf_index=buf_index,
    )


def io_uring_prep_writev_fixed(sqe, fd, iovec, buf_index, offset=0, flags=0):
    """Writes several parts of a registered buffer."""
    items = _items(iovec)
    sqe.prep(OP["WRITEV_FIXED"], fd, items, None, offset or 0, flags or 0, buf_index=buf_index)


def io_uring_prep_send_zc_fixed(sqe, sockfd, buf, buf_index=0, flags=0, zc_flags=0):
    """Sends a registered buffer without a copy."""
    zc_flags = (zc_flags or 0) | _C["IORING_RECVSEND_FIXED_BUF"]
    sqe.prep(
        OP["SEND_ZC"], sockfd, buf, None, None, flags or 0,
        ioprio=zc_flags, buf_index=buf_index or 0,
    )


def io_uring_prep_msg_ring(sqe, fd, len, data, flags=0):
    """Posts a completion with this res and tag to another ring."""
    sqe.prep(OP["MSG_RING"], fd, None, len, data, flags or 0)


def io_uring_prep_open_direct(sqe, path, flags=0, file_index=ALLOC, mode=0o777, dfd=-100):
    """Opens a file into a slot of the file table."""
    mode = 0o777 if mode is None else mode
    sqe.prep(
        OP["OPENAT"], _at(dfd), _path(path), mode, None, flags or 0, file_index=_slot(file_index)
    )


def io_uring_prep_openat2_direct(sqe, path, how, file_index=ALLOC, dfd=-100):
    """Opens a file as OpenHow says into a slot of the file table."""
    memory = _memory(how, OpenHow)
    sqe.prep(OP["OPENAT2"], _at(dfd), _path(path), 24, memory, file_index=_slot(file_index))


def io_uring_prep_socket_direct(sqe, domain, Type, protocol=0, file_index=ALLOC, flags=0):
    """Makes a socket in a slot of the file table."""
    sqe.prep(
        OP["SOCKET"], domain, None, protocol or 0, Type, flags or 0, file_index=_slot(file_index)
    )


def io_uring_prep_accept_direct(sqe, fd, addr=None, file_index=ALLOC, flags=0):
    """Accepts a connection into a slot of the file table; addr must be None."""
    _no_address(addr)
    sqe.prep(OP["ACCEPT"], fd, op_flags=flags or 0, file_index=_slot(file_index))


def io_uring_prep_multishot_accept_direct(sqe, fd, addr=None, flags=0):
    """Accepts connections into the file table until cancelled."""
    _no_address(addr)
    sqe.prep(
        OP["ACCEPT"], fd, op_flags=flags or 0,
        ioprio=_C["IORING_ACCEPT_MULTISHOT"], file_index=ALLOC,
    )
