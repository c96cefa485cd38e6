"""Classes of the function tier: rings, entries, and structs the kernel reads."""

import os
import socket
import stat
import struct

from . import _liburing

AF_UNIX, AF_INET, AF_INET6 = socket.AF_UNIX, socket.AF_INET, socket.AF_INET6


def integer(value, low, high):
    """The value as an integer in a range; TypeError or OverflowError."""
    if not isinstance(value, int):
        raise TypeError(f"an integer is required, not {type(value).__name__}")
    if not low <= value <= high:
        raise OverflowError(f"{value} is not in {low}..{high}")
    return value


class Ring(_liburing.Handle):
    """A ring, unusable until io_uring_queue_init and after io_uring_queue_exit."""

    __slots__ = ()

    def __init__(self):
        """A ring that io_uring_queue_init can make."""

    @property
    def ring_fd(self):
        """The descriptor; 0 while there is none."""
        return self._core.fd if self._core else 0

    enter_ring_fd = ring_fd

    @property
    def features(self):
        """IORING_FEAT_* of the kernel."""
        return self._core.features if self._core else 0

    @property
    def flags(self):
        """IORING_SETUP_* in force."""
        return self._core.flags if self._core else 0

    @property
    def int_flags(self):
        """Flags of the library; none."""
        return 0


class io_uring(Ring):
    """A ring in the style of the older releases."""

    __slots__ = ()


def core(ring):
    """The native ring; RuntimeError when it is not initialised."""
    if not isinstance(ring, Ring):
        raise TypeError(f"a Ring is required, not {type(ring).__name__}")
    if ring._core is None:
        raise RuntimeError("the ring is not initialised")
    return ring._core


CQE = _liburing.CQE


class Cqe(_liburing.Found):
    """Out-parameter of waits and peeks; false until one filled it."""

    __slots__ = ()

    def __init__(self, no=None):
        if no is not None:
            raise NotImplementedError("Cqe() takes no count")


class io_uring_cqe(Cqe):
    """A completion of the older releases: its own first entry."""

    __slots__ = ()

    def __init__(self):
        super().__init__()
        self._plain = True

    res = property(lambda self: self[0].res, doc="The result, -errno on failure.")
    flags = property(lambda self: self[0].flags, doc="IORING_CQE_F_*.")
    user_data = property(lambda self: self[0].user_data, doc="The tag.")


class io_uring_cqes(io_uring_cqe):
    """The completions a wait found, iterable."""

    __slots__ = ("_n",)

    def __init__(self, n=1):
        super().__init__()
        self._all, self._n = True, n

    def __len__(self):
        return self._count or self._n

    def __iter__(self):
        return iter([self[index] for index in range(self._count)])


class _Block:
    """A struct in memory of its own."""

    __slots__ = ("_memory",)
    _size = 0

    def __init__(self):
        self._memory = bytearray(self._size)

    def __buffer__(self, flags):
        return memoryview(self._memory)


def _field(offset, code):
    def read(self):
        return struct.unpack_from(code, self._memory, offset)[0]

    def write(self, value):
        if not isinstance(value, int):
            raise TypeError("an integer is required")
        try:
            struct.pack_into(code, self._memory, offset, value)
        except struct.error as error:
            raise OverflowError(str(error)) from None

    return property(read, write)


class Timespec(_Block):
    """Seconds and nanoseconds, made by timespec()."""

    __slots__ = ()
    _size = 16
    sec = tv_sec = _field(0, "q")
    nsec = tv_nsec = _field(8, "q")

    def nanoseconds(self):
        """The whole in nanoseconds; ValueError when negative."""
        total = self.sec * 10**9 + self.nsec
        if total < 0:
            raise ValueError("a negative time")
        return min(total, 2**63)


def timespec(second=0, nanoseconds=0):
    """A Timespec of that many seconds."""
    block = Timespec()
    whole = int(second)
    block.sec = whole
    block.nsec = int((second - whole) * 1e9) + nanoseconds
    return block


class OpenHow(_Block):
    """How openat2 opens."""

    __slots__ = ()
    _size = 24
    flags = _field(0, "Q")
    mode = _field(8, "Q")
    resolve = _field(16, "Q")

    def __init__(self, flags=0, mode=0, resolve=0):
        super().__init__()
        self.flags, self.mode, self.resolve = flags or 0, mode or 0, resolve or 0

    def __repr__(self):
        return f"OpenHow(flags={self.flags}, mode={self.mode}, resolve={self.resolve})"


def _read_only(offset, code):
    return property(_field(offset, code).fget)


def _time(offset):
    def read(self):
        seconds, nanos = struct.unpack_from("qI", self._memory, offset)
        return seconds + nanos / 1e9

    return property(read)


def _is(test):
    return property(lambda self: test(self.mode))


class Statx(_Block):
    """What statx found; zero until it completes."""

    __slots__ = ()
    _size = 256
    mask, blksize, attributes = _read_only(0, "I"), _read_only(4, "I"), _read_only(8, "Q")
    nlink, uid, gid = _read_only(16, "I"), _read_only(20, "I"), _read_only(24, "I")
    mode, ino, size = _read_only(28, "H"), _read_only(32, "Q"), _read_only(40, "Q")
    blocks, attributes_mask = _read_only(48, "Q"), _read_only(56, "Q")
    atime, btime, ctime, mtime = _time(64), _time(80), _time(96), _time(112)
    rdev_major, rdev_minor = _read_only(128, "I"), _read_only(132, "I")
    dev_major, dev_minor = _read_only(136, "I"), _read_only(140, "I")
    mnt_id, dio_mem_align = _read_only(144, "Q"), _read_only(152, "I")
    isfile = isreg = _is(stat.S_ISREG)
    isdir, islink, isblk = _is(stat.S_ISDIR), _is(stat.S_ISLNK), _is(stat.S_ISBLK)
    ischr, isfifo, issock = _is(stat.S_ISCHR), _is(stat.S_ISFIFO), _is(stat.S_ISSOCK)


class Iovec:
    """A list of buffers."""

    __slots__ = ("_items",)

    def __init__(self, items):
        if not isinstance(items, list):
            raise TypeError("a list is required")
        if not 1 <= len(items) <= 1024:
            raise ValueError("1 to 1024 buffers")
        for item in items:
            if not isinstance(item, (bytes, bytearray, memoryview)):
                raise TypeError(f"not a buffer: {type(item).__name__}")
        self._items = list(items)

    def __bool__(self):
        return True

    def __len__(self):
        return len(self._items)


def iovec(*buffers):
    """An Iovec of buffers, or of one list of them."""
    if len(buffers) == 1 and isinstance(buffers[0], list):
        return Iovec(buffers[0])
    return Iovec(list(buffers))


class Sockaddr:
    """An address: AF_UNIX(path), AF_INET or AF_INET6(addr, port)."""

    __slots__ = ("_memory", "_parts")

    def __init__(self, family=0, addr=None, port=0):
        family, port = family or 0, integer(port or 0, 0, 65535)
        if family and not addr:
            raise ValueError("an address is required")
        self._parts = (family, os.fspath(addr) if addr else "", port)
        if family == AF_UNIX:
            path = os.fsencode(addr)
            if len(path) > 108:
                raise ValueError("the path is longer than 108 bytes")
            packed = struct.pack("H", family) + path + bytes(len(path) < 108)
        elif family in (AF_INET, AF_INET6):
            try:
                number = socket.inet_pton(family, addr)
            except OSError:
                raise ValueError(f"not an address: {addr!r}") from None
            packed = struct.pack("=HH", family, socket.htons(port))
            packed += number if family == AF_INET else bytes(4) + number
            packed += bytes(8 if family == AF_INET else 4)
        elif family:
            raise NotImplementedError(f"address family {family}")
        else:
            packed = bytes(128)
        self._memory = packed

    @property
    def family(self):
        """AF_UNIX, AF_INET, AF_INET6 or 0."""
        return int(self._parts[0])

    def _part(self, index, *families):
        if self._parts[0] not in families:
            raise NotImplementedError("the family has no such part")
        return self._parts[index]

    path = property(lambda self: self._part(1, AF_UNIX), doc="Of AF_UNIX.")
    ip = property(lambda self: self._part(1, AF_INET), doc="Of AF_INET.")
    port = property(lambda self: self._part(2, AF_INET, AF_INET6), doc="The port.")


class FileIndex:
    """A list of descriptors to register."""

    def __init__(self, items):
        self._items = [integer(item, -(2**31), 2**31 - 1) for item in items]
        self._turn = iter(self._items)

    def __getitem__(self, index):
        return self._items[index]

    def __iter__(self):
        return iter(self._items)

    def __next__(self):
        return next(self._turn)

    def update(self, items):
        """Other descriptors, as many."""
        if len(items) != len(self._items):
            raise ValueError("the length cannot change")
        self.__init__(items)


SQE = _liburing.Sqe
