"""What operations with more than a number for a result give."""

from __future__ import annotations

import stat
import struct
from typing import Any, NamedTuple


class FileStatus(NamedTuple):
    """What `Ring.statx` finds. Times are seconds since 1970, sizes bytes."""

    mask: int
    mode: int
    ino: int
    size: int
    blocks: int
    blksize: int
    nlink: int
    uid: int
    gid: int
    atime: float
    btime: float
    ctime: float
    mtime: float
    dev: tuple[int, int]
    rdev: tuple[int, int]
    attributes: int

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


_STATX = struct.Struct("=IIQIIIHxxQQQQ" + "qI4x" * 4 + "IIII")


def file_status(block: Any, start: int = 0) -> FileStatus:
    """The FileStatus in a struct statx at `start`."""
    (
        mask, blksize, attributes, nlink, uid, gid, mode, ino, size, blocks, _,
        atime, atime_ns, btime, btime_ns, ctime, ctime_ns, mtime, mtime_ns,
        rdev_major, rdev_minor, dev_major, dev_minor,
    ) = _STATX.unpack_from(block, start)  # fmt: skip
    return FileStatus(
        mask, mode, ino, size, blocks, blksize, nlink, uid, gid,
        atime + atime_ns / 1e9, btime + btime_ns / 1e9,
        ctime + ctime_ns / 1e9, mtime + mtime_ns / 1e9,
        (dev_major, dev_minor), (rdev_major, rdev_minor), attributes,
    )  # fmt: skip


class Received(NamedTuple):
    """What `Ring.recvmsg` gives, as socket.recvmsg_into does."""

    size: int
    ancillary: list[tuple[int, int, bytes]]
    flags: int
    address: Any


class ReceivedMessage(NamedTuple):
    """What `Ring.recvmsg_multishot` gives, in the order of socket.recvmsg."""

    data: bytes
    ancillary: list[tuple[int, int, bytes]]
    flags: int
    address: Any


_CMSG = struct.Struct("@Nii")


def ancillary_space(lengths: list[int]) -> int:
    """Bytes of control data for items of these lengths."""
    return sum(_CMSG.size + (length + 7 & ~7) for length in lengths)


def pack_ancillary(items: Any) -> bytes:
    """Control data from (level, type, data) triples."""
    packed = bytearray()
    for level, kind, data in items:
        data = bytes(data)
        packed += _CMSG.pack(_CMSG.size + len(data), level, kind) + data
        packed += bytes(-len(packed) % 8)
    return bytes(packed)


def unpack_ancillary(control: bytes) -> list[tuple[int, int, bytes]]:
    """(level, type, data) triples of control data."""
    items, at = [], 0
    while at + _CMSG.size <= len(control):
        length, level, kind = _CMSG.unpack_from(control, at)
        if length < _CMSG.size:
            break
        items.append((level, kind, control[at + _CMSG.size : at + length]))
        at += length + 7 & ~7
    return items


class ChildStatus(NamedTuple):
    """What `Ring.waitid` finds, as os.waitid gives it."""

    pid: int
    uid: int
    signo: int
    status: int
    code: int


def child_status(info: bytearray) -> ChildStatus | None:
    """The ChildStatus in a siginfo_t, None when no child was waited for."""
    signo, _, code = struct.unpack_from("=iii", info)
    pid, uid, status = struct.unpack_from("=iIi", info, 16)
    return ChildStatus(pid, uid, signo, status, code) if pid else None
