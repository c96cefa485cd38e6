"""Preparation of entries. Every object given is kept until its operation ends.

Functions whose older and newer forms differ read their arguments in the older
order for an `io_uring_sqe`, which rings of the older style hand out.
"""

import functools

from . import _liburing as _n
from ._classes import (
    Futex,
    Iovec,
    OpenHow,
    Sockaddr,
    Statx,
    Timespec,
    integer,
    io_uring_sqe,
    memory,
)
from ._liburing import (
    io_uring_prep_cancel,
    io_uring_prep_cancel64,
    io_uring_prep_cancel_fd,
    io_uring_prep_close,
    io_uring_prep_close_direct,
    io_uring_prep_cmd_discard,
    io_uring_prep_cmd_zone_reset_all,
    io_uring_prep_fixed_fd_install,
    io_uring_prep_fsync,
    io_uring_prep_ftruncate,
    io_uring_prep_listen,
    io_uring_prep_msg_ring,
    io_uring_prep_msg_ring_fd,
    io_uring_prep_msg_ring_fd_alloc,
    io_uring_prep_nop,
    io_uring_prep_nop128,
    io_uring_prep_poll_add,
    io_uring_prep_poll_multishot,
    io_uring_prep_poll_remove,
    io_uring_prep_poll_update,
    io_uring_prep_read,
    io_uring_prep_recv,
    io_uring_prep_recv_multishot,
    io_uring_prep_recvmsg,
    io_uring_prep_recvmsg_multishot,
    io_uring_prep_remove_buffers,
    io_uring_prep_send,
    io_uring_prep_send_bundle,
    io_uring_prep_sendmsg,
    io_uring_prep_sendmsg_zc,
    io_uring_prep_sendmsg_zc_fixed,
    io_uring_prep_shutdown,
    io_uring_prep_socket,
    io_uring_prep_splice,
    io_uring_prep_sync_file_range,
    io_uring_prep_tee,
    io_uring_prep_timeout_remove,
    io_uring_prep_uring_cmd,
    io_uring_prep_uring_cmd128,
    io_uring_prep_write,
)
from ._structs import EpollEvent, SigsetT

OP = {name.removeprefix("IORING_OP_"): number for name, number in _n.operations()}
_C = _n.constants()
ALLOC = 2**32 - 1
STATX_BTIME = 0x800


def _older(old):
    """Calls `old` for an entry of the older style."""

    def decorate(new):
        @functools.wraps(new)
        def either(sqe, /, *args, **kwargs):
            if isinstance(sqe, io_uring_sqe):
                return old(sqe, *args, **kwargs)
            return new(sqe, *args, **kwargs)

        return either

    return decorate


def _memory(block, kind):
    if not isinstance(block, kind):
        raise TypeError(f"a {kind.__name__} is required, not {type(block).__name__}")
    return memory(block)


def _address(addr):
    return _memory(addr, Sockaddr), addr._length


def _items(iovec):
    if not isinstance(iovec, Iovec):
        raise TypeError(f"an Iovec is required, not {type(iovec).__name__}")
    return iovec._items


def _or(value, default):
    return default if value is None else value


def _at(dfd):
    """The folder a path starts from; None is the current one."""
    return -100 if dfd is None else dfd


# ---- reads, writes, memory


def _old_read_fixed(sqe, fd, buf, nbytes, offset, buf_index):
    _n._read_fixed(sqe, fd, buf, nbytes, offset, buf_index)


def _old_write_fixed(sqe, fd, buf, nbytes, offset, buf_index):
    _n._write_fixed(sqe, fd, buf, nbytes, offset, buf_index)


@_older(_old_read_fixed)
def io_uring_prep_read_fixed(sqe, fd, buff, buf_index, /, offset=0):
    """Reads into a registered buffer. Kernel 5.1."""
    _n._read_fixed(sqe, fd, buff, None, _or(offset, 0), buf_index)


@_older(_old_write_fixed)
def io_uring_prep_write_fixed(sqe, fd, buff, buf_index, /, offset=0):
    """Writes a registered buffer. Kernel 5.1."""
    _n._write_fixed(sqe, fd, buff, None, _or(offset, 0), buf_index)


def _vectored(call, lone):
    """`(fd, iovecs, nr_vecs, offset, flags)`; a lone number is `lone`."""

    def old(sqe, fd, iovecs, *args, nr_vecs=None, offset=None, flags=None):
        if len(args) == 1 and lone == "offset":
            (offset,) = args
        elif args:
            if len(args) > 3:
                raise TypeError("too many arguments")
            nr_vecs, offset, flags = args + (offset, flags)[len(args) - 1 :]
        call(sqe, fd, _items(iovecs), nr_vecs, offset, flags)

    return old


@_older(_vectored(_n._readv, "offset"))
def io_uring_prep_readv(sqe, fd, iovec, /, offset=0, flags=0):
    """Reads into several buffers, with RWF_* flags. Kernel 5.1."""
    _n._readv(sqe, fd, _items(iovec), None, offset, flags)


@_older(_vectored(_n._writev, "nr_vecs"))
def io_uring_prep_writev(sqe, fd, iovec, /, offset=0, flags=0):
    """Writes several buffers, with RWF_* flags. Kernel 5.1."""
    _n._writev(sqe, fd, _items(iovec), None, offset, flags)


def io_uring_prep_readv_fixed(sqe, fd, iovec, buf_index, /, offset=0, flags=0):
    """Reads into several parts of a registered buffer. Kernel 6.15."""
    _n._readv_fixed(sqe, fd, _items(iovec), None, offset, flags, buf_index)


def io_uring_prep_writev_fixed(sqe, fd, iovec, buf_index, /, offset=0, flags=0):
    """Writes several parts of a registered buffer. Kernel 6.15."""
    _n._writev_fixed(sqe, fd, _items(iovec), None, offset, flags, buf_index)


def _old_read_multishot(sqe, fd, nbytes, offset, buf_group):
    _n._read_multishot(sqe, fd, nbytes, offset, buf_group)


@_older(_old_read_multishot)
def io_uring_prep_read_multishot(sqe, fd, buf_group, /, nbytes=0, offset=0):
    """Reads into provided buffers until stopped. Kernel 6.7."""
    _n._read_multishot(sqe, fd, _or(nbytes, 0), _or(offset, 0), buf_group)


def _old_fadvise(sqe, fd, offset, len, advice):
    _n._fadvise(sqe, fd, offset, len, advice)


@_older(_old_fadvise)
def io_uring_prep_fadvise(sqe, fd, len, advice, /, offset=0):
    """Announces how a file will be read. Kernel 5.6."""
    _n._fadvise(sqe, fd, _or(offset, 0), len, advice)


def _old_files_update(sqe, fds, *args, offset=0):
    # (offset), or (nr_fds, offset) as in C.
    if len(args) == 2:
        fds, offset = list(fds)[: args[0]], args[1]
    elif args:
        (offset,) = args
    _n.io_uring_prep_files_update(sqe, list(fds), offset)


@_older(_old_files_update)
def io_uring_prep_files_update(sqe, fds, /, offset=0):
    """Replaces registered files by a list of descriptors, from a slot on; the
    result is their number. Kernel 5.6."""
    if isinstance(fds, (bytes, bytearray, memoryview)):
        raise TypeError("a list of descriptors is required, not bytes")
    _n.io_uring_prep_files_update(sqe, fds, offset)


def io_uring_prep_fadvise64(sqe, fd, len, advice, /, offset=0):
    """The same with a length of 64 bits. Kernel 6.11."""
    _n._fadvise64(sqe, fd, _or(offset, 0), len, advice)


def _old_fallocate(sqe, fd, len, offset=0, mode=0):
    _n._fallocate(sqe, fd, mode, offset, len)


@_older(_old_fallocate)
def io_uring_prep_fallocate(sqe, fd, mode, offset, len, /):
    """Reserves space. Kernel 5.6."""
    _n._fallocate(sqe, fd, mode, offset, len)


def io_uring_prep_madvise(sqe, addr, length, advice, /):
    """Advice on memory: a buffer, or an address for advice that leaves the
    contents alone; what takes contents away is for whole pages of an mmap.
    Kernel 5.6."""
    _n._madvise(sqe, addr, length, advice, False)


def io_uring_prep_madvise64(sqe, addr, length, advice, /):
    """The same with a length of 64 bits. Kernel 6.11."""
    _n._madvise(sqe, addr, length, advice, True)


def io_uring_prep_pipe(sqe, fds, pipe_flags, /):
    """A pipe; its two descriptors are written to the buffer `fds` (two ints).
    Kernel 6.16."""
    _n._pipe(sqe, fds, pipe_flags, None)


def io_uring_prep_pipe_direct(sqe, fds, pipe_flags, file_index, /):
    """The same in slots of the file table. Kernel 6.16."""
    _n._pipe(sqe, fds, pipe_flags, file_index)


def _old_provide_buffers(sqe, addr, len, nr, bgid, bid=0):
    _n._provide_buffers(sqe, addr, len, nr, bgid, bid)


@_older(_old_provide_buffers)
def io_uring_prep_provide_buffers(sqe, addr, nr, bgid, bid, /):
    """Gives a buffer to a group; with nr above 1 that many equal parts of it,
    which the ring keeps. Kernel 5.7."""
    size = memoryview(addr).nbytes // nr if nr > 0 else 0
    _n._provide_buffers(sqe, addr, size, nr, bgid, bid)


# ---- files and attributes


def io_uring_prep_open(sqe, path, /, flags=0, mode=0o777, dfd=-100):
    """Opens a file. Kernel 5.6."""
    _n._openat(sqe, _at(dfd), path, _or(flags, 0), _or(mode, 0o777), None)


def io_uring_prep_open_direct(sqe, path, /, flags=0, file_index=ALLOC, mode=0o777, dfd=-100):
    """Opens a file into a slot of the file table. Kernel 5.15."""
    index = _or(file_index, ALLOC)
    _n._openat(sqe, _at(dfd), path, _or(flags, 0), _or(mode, 0o777), index)


def io_uring_prep_openat2(sqe, path, how, /, dfd=-100):
    """Opens a file as OpenHow says; (dfd, path, how) too. Kernel 5.6."""
    if isinstance(path, int):
        path, how, dfd = how, dfd, path
    _n._openat2(sqe, _at(dfd), path, _memory(how, OpenHow), None)


def io_uring_prep_openat2_direct(sqe, path, how, /, file_index=ALLOC, dfd=-100):
    """Opens a file as OpenHow says into a slot of the file table. Kernel 5.15."""
    how = _memory(how, OpenHow)
    _n._openat2(sqe, _at(dfd), path, how, _or(file_index, ALLOC))


def _old_statx(sqe, statxbuf, path, flags=0, mask=0, dfd=-100):
    if isinstance(statxbuf, int):
        dfd, path, flags, mask, statxbuf = statxbuf, path, flags, mask, dfd
    _n._statx(sqe, _at(dfd), path, flags, mask or 4095, _memory(statxbuf, Statx))


@_older(_old_statx)
def io_uring_prep_statx(sqe, statxbuf, path, /, flags=0, mask=4095, dfd=-100):
    """Fills a Statx at completion. Kernel 5.6."""
    block = _memory(statxbuf, Statx)
    # The time of birth is always asked for, as the package does.
    _n._statx(sqe, _at(dfd), path, _or(flags, 0), _or(mask, 4095) | STATX_BTIME, block)


def _old_mkdir(sqe, path, mode=0o777, dfd=-100):
    _n._mkdirat(sqe, _at(dfd), path, mode)


@_older(_old_mkdir)
def io_uring_prep_mkdir(sqe, path, mode, /, dfd=-100):
    """Makes a folder. Kernel 5.15."""
    _n._mkdirat(sqe, _at(dfd), path, mode)


def io_uring_prep_unlink(sqe, path, /, flags=0, dfd=-100):
    """Removes a name. Kernel 5.11."""
    _n._unlinkat(sqe, _at(dfd), path, _or(flags, 0))


def io_uring_prep_rename(sqe, oldpath, newpath, /, flags=0, olddfd=-100, newdfd=-100):
    """Renames. Kernel 5.11."""
    _n._renameat(sqe, _at(olddfd), oldpath, _at(newdfd), newpath, _or(flags, 0))


def io_uring_prep_link(sqe, oldpath, newpath, /, flags=0, olddfd=-100, newdfd=-100):
    """Makes a hard link. Kernel 5.15."""
    _n._linkat(sqe, _at(olddfd), oldpath, _at(newdfd), newpath, _or(flags, 0))


def io_uring_prep_symlink(sqe, target, linkpath, /, newdirfd=-100):
    """Makes a symbolic link. Kernel 5.15."""
    _n._symlinkat(sqe, target, _at(newdirfd), linkpath)


def io_uring_prep_getxattr(sqe, name, value, path, len, /):
    """Reads an attribute into a buffer; the result is its size. Kernel 5.19."""
    _n._getxattr(sqe, name, value, _text(path), len)


def io_uring_prep_fgetxattr(sqe, fd, name, value, len, /):
    """Reads an attribute of an open file. Kernel 5.19."""
    _n._getxattr(sqe, name, value, _descriptor(fd), len)


def _old_setxattr(sqe, name, value, path, len, flags=0):
    _n._setxattr(sqe, name, value, _text(path), flags, len)


@_older(_old_setxattr)
def io_uring_prep_setxattr(sqe, name, value, path, flags, len, /):
    """Sets an attribute. Kernel 5.19."""
    _n._setxattr(sqe, name, value, _text(path), flags, len)


def _old_fsetxattr(sqe, fd, name, value, len, flags=0):
    _n._setxattr(sqe, name, value, _descriptor(fd), flags, len)


@_older(_old_fsetxattr)
def io_uring_prep_fsetxattr(sqe, fd, name, value, flags, len, /):
    """Sets an attribute of an open file. Kernel 5.19."""
    _n._setxattr(sqe, name, value, _descriptor(fd), flags, len)


def _text(path):
    if isinstance(path, int):
        raise TypeError("a path is required, not int")
    return path


def _descriptor(fd):
    if not isinstance(fd, int):
        raise TypeError(f"an integer is required, not {type(fd).__name__}")
    return fd


# ---- sockets


def _old_send_zc(sqe, sockfd, buf, len, flags=0, zc_flags=0):
    _n._send_zc(sqe, sockfd, buf, len, flags, zc_flags, None)


@_older(_old_send_zc)
def io_uring_prep_send_zc(sqe, sockfd, buf, /, flags=0, zc_flags=0):
    """Sends without a copy; the buffer is kept until the notification.
    Kernel 6.0."""
    _n._send_zc(sqe, sockfd, buf, None, _or(flags, 0), _or(zc_flags, 0), None)


def _old_send_zc_fixed(sqe, sockfd, buf, len, buf_index, flags=0, zc_flags=0):
    _n._send_zc(sqe, sockfd, buf, len, flags, zc_flags, buf_index)


@_older(_old_send_zc_fixed)
def io_uring_prep_send_zc_fixed(sqe, sockfd, buf, /, buf_index=0, flags=0, zc_flags=0):
    """Sends a registered buffer without a copy. Kernel 6.0."""
    index = _or(buf_index, 0)
    _n._send_zc(sqe, sockfd, buf, None, _or(flags, 0), _or(zc_flags, 0), index)


def _old_sendto(sqe, sockfd, buf, len, addr, flags=0):
    _n._sendto(sqe, sockfd, buf, len, flags, *_address(addr))


@_older(_old_sendto)
def io_uring_prep_sendto(sqe, sockfd, buf, addr, /, flags=0):
    """Sends to an address. Kernel 6.0."""
    _n._sendto(sqe, sockfd, buf, None, _or(flags, 0), *_address(addr))


def io_uring_prep_send_set_addr(sqe, dest_addr, /):
    """Where a prepared send goes. Kernel 6.0."""
    _n._send_set_addr(sqe, *_address(dest_addr))


def _room(addr):
    return None if addr is None else _memory(addr, Sockaddr)


def _old_accept(sqe, fd, addr=None, *args, flags=0):
    # (flags), or (addrlen, flags) as in C; the length is known here.
    flags = args[-1] if args else flags
    if len(args) > 2:
        raise TypeError("too many arguments")
    _n._accept(sqe, fd, _room(addr), flags, None, False)


@_older(_old_accept)
def io_uring_prep_accept(sqe, fd, /, addr=None, flags=0):
    """Accepts a connection, its address written to the Sockaddr. Kernel 5.5."""
    _n._accept(sqe, fd, _room(addr), _or(flags, 0), None, False)


def io_uring_prep_multishot_accept(sqe, fd, /, addr=None, flags=0):
    """Accepts connections until cancelled. Kernel 5.19."""
    _n._accept(sqe, fd, _room(addr), _or(flags, 0), None, True)


def _old_accept_direct(sqe, fd, addr=None, flags=0, file_index=ALLOC):
    _n._accept(sqe, fd, _room(addr), flags, file_index, False)


@_older(_old_accept_direct)
def io_uring_prep_accept_direct(sqe, fd, /, addr=None, file_index=ALLOC, flags=0):
    """Accepts a connection into a slot of the file table. Kernel 5.19."""
    _n._accept(sqe, fd, _room(addr), _or(flags, 0), _or(file_index, ALLOC), False)


def io_uring_prep_multishot_accept_direct(sqe, fd, /, addr=None, flags=0):
    """Accepts connections into the file table until cancelled. Kernel 5.19."""
    _n._accept(sqe, fd, _room(addr), _or(flags, 0), ALLOC, True)


def _old_connect(sqe, fd, addr, addrlen=None):
    memory, length = _address(addr)
    _n._connect(sqe, fd, memory, _or(addrlen, length), False)


@_older(_old_connect)
def io_uring_prep_connect(sqe, fd, addr, /):
    """Connects. Kernel 5.5."""
    _n._connect(sqe, fd, *_address(addr), False)


def io_uring_prep_bind(sqe, fd, addr, /):
    """Binds a socket. Kernel 6.11."""
    _n._connect(sqe, fd, *_address(addr), True)


def io_uring_prep_socket_direct(
    sqe, domain, Type, /, protocol=0, file_index=ALLOC, flags=0
):
    """Makes a socket in a slot of the file table. Kernel 5.19."""
    index = _or(file_index, ALLOC)
    _n._socket_direct(sqe, domain, Type, _or(protocol, 0), index, _or(flags, 0))


def io_uring_prep_cmd_sock(sqe, cmd_op, fd, level, optname, optval, /):
    """A socket command (SOCKET_URING_OP_*) with a buffer for the option.
    Kernel 6.7."""
    _n._cmd_sock(sqe, cmd_op, fd, level, optname, optval, None)


def getsockopt(sqe, sockfd, level, optname, optval, /):
    """Prepares reading a socket option into a buffer; the result is its size.
    Kernel 6.7."""
    op = _C["SOCKET_URING_OP_GETSOCKOPT"]
    _n._cmd_sock(sqe, op, sockfd, level, optname, optval, None)


def setsockopt(sqe, sockfd, level, optname, optval, /):
    """Prepares setting a socket option. Kernel 6.7."""
    op = _C["SOCKET_URING_OP_SETSOCKOPT"]
    _n._cmd_sock(sqe, op, sockfd, level, optname, optval, None)


def io_uring_prep_cmd_getsockname(sqe, fd, sockaddr, /, peer=0):
    """Writes the address of a socket, or of its peer, to a Sockaddr.
    Kernel 6.19."""
    _n._getsockname(sqe, fd, _memory(sockaddr, Sockaddr), _or(peer, 0))


def _old_msg_ring_cqe_flags(sqe, fd, len, data, cqe_flags, flags=0):
    _n._msg_ring_cqe_flags(sqe, fd, len, data, flags, cqe_flags)


@_older(_old_msg_ring_cqe_flags)
def io_uring_prep_msg_ring_cqe_flags(sqe, fd, len, data, flags, cqe_flags, /):
    """Posts a completion with these flags too. Kernel 6.3."""
    _n._msg_ring_cqe_flags(sqe, fd, len, data, flags, cqe_flags)


# ---- timers, epoll, children, futexes


def io_uring_prep_timeout(sqe, ts, count, /, flags=0):
    """Completes after a time (res -ETIME) or a count of completions.
    Kernel 5.4."""
    _n._timeout(sqe, _memory(ts, Timespec), count, _or(flags, 0))


def io_uring_prep_timeout_update(sqe, ts, user_data, /, flags=0):
    """Gives a timeout in flight another time. Kernel 5.11."""
    _n._timeout_update(sqe, _memory(ts, Timespec), user_data, _or(flags, 0))


def io_uring_prep_link_timeout(sqe, ts, flags, /):
    """Bounds the operation linked before it. Kernel 5.5."""
    _n._link_timeout(sqe, _memory(ts, Timespec), _or(flags, 0))


def io_uring_prep_epoll_ctl(sqe, epfd, fd, op, ev, /):
    """As epoll_ctl(2). Kernel 5.6."""
    _n._epoll_ctl(sqe, epfd, fd, op, _memory(ev, EpollEvent))


def io_uring_prep_epoll_wait(sqe, fd, events, maxevents, /, flags=0):
    """As epoll_wait(2), into an EpollEvent of that many events. Kernel 6.15."""
    _n._epoll_wait(sqe, fd, _memory(events, EpollEvent), maxevents, _or(flags, 0))


def io_uring_prep_waitid(sqe, idtype, id, infop, options, /, flags=0):
    """As waitid(2); infop has pid, status and code when it is done.
    Kernel 6.7."""
    room = None if infop is None else _memory(infop, SigsetT)
    _n._waitid(sqe, idtype, id, room, options, _or(flags, 0))


def _words(futex):
    if not isinstance(futex, Futex):
        raise TypeError(f"a Futex is required, not {type(futex).__name__}")
    return futex._words


def _futex(sqe, futex, val, mask, futex_flags, flags, wake):
    futex_flags = _kind(futex, _or(futex_flags, 0))
    _n._futex(sqe, _words(futex), val, mask, futex_flags, _or(flags, 0), wake)


def _kind(futex, flags):
    """FUTEX2_* of words of 32 bits, private if the Futex is."""
    return flags | (0 if flags & 3 else 2) | (128 if futex.private else 0)


def io_uring_prep_futex_wait(sqe, futex, val, mask, /, futex_flags=0, flags=0):
    """Waits until the first word is woken, if it is `val`. Kernel 6.7."""
    _words(futex)
    _futex(sqe, futex, val, mask, futex_flags, flags, False)


def io_uring_prep_futex_wake(sqe, futex, val, mask, /, futex_flags=0, flags=0):
    """Wakes `val` waiters of the first word; the result is their number.
    Kernel 6.7."""
    _words(futex)
    _futex(sqe, futex, val, mask, futex_flags, flags, True)


def io_uring_prep_futex_waitv(sqe, futex, /, flags=0):
    """Waits until one of the words is woken; the result is its index.
    Kernel 6.7."""
    words, flags = _words(futex), integer(_or(flags, 0), 0, 2**32 - 1)
    if not isinstance(sqe, _n.SQE):
        raise TypeError(f"an SQE is required, not {type(sqe).__name__}")
    if futex._waits is None:
        raise ValueError("the Futex was made without vector=True")
    waits = [(val, _kind(futex, own)) for val, own in futex._waits]
    _n._futex_waitv(sqe, words, waits, flags)
