"""Classes of the function tier: rings, entries, and structs the kernel reads."""

import mmap
import os
import socket
import stat
import struct

from . import _liburing

IOV_MAX = os.sysconf("SC_IOV_MAX")
FUTEX2_SIZE_U32 = 2
AF_UNIX, AF_INET, AF_INET6 = socket.AF_UNIX, socket.AF_INET, socket.AF_INET6


def integer(value, low, high):
    """The value as an integer in a range; TypeError or OverflowError."""
    if not isinstance(value, int):
        raise TypeError(f"an integer is required, not {type(value).__name__}")
    if not low <= value <= high:
        raise OverflowError(f"{value} is not in {low}..{high}")
    return value


class _Uncopied:
    """What the kernel reads or fills in place: neither copied nor pickled."""

    __slots__ = ()

    def __reduce_ex__(self, protocol):
        raise TypeError(f"cannot copy or pickle {type(self).__name__!r} object")


class Ring(_liburing.Handle):
    """A ring, unusable until io_uring_queue_init and after io_uring_queue_exit."""

    __slots__ = ()

    def __init__(self):
        """A ring that io_uring_queue_init can make."""

    @property
    def ring_fd(self):
        """The descriptor; 0 while there is none."""
        return self._core.fd if self._core else 0

    @property
    def enter_ring_fd(self):
        """The descriptor, or the number it is registered under."""
        return self._core.enter_fd if self._core else 0

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
        """Flags of the library."""
        return self._core.int_flags if self._core else 0


class io_uring(Ring):
    """A ring in the style of the older releases."""

    __slots__ = ()


def core(ring):
    """The native ring; RuntimeError when it is not initialised."""
    if not isinstance(ring, Ring):
        raise TypeError(f"a Ring is required, not {type(ring).__name__}")
    native = ring._core
    if native is None:
        raise RuntimeError("the ring is not initialised")
    return native


SQE = _liburing.SQE
Sqe = _liburing.Sqe
CQE = _liburing.CQE
Param = _liburing.Param
BufRing = _liburing.BufRing
io_uring_sqe = _liburing.io_uring_sqe


class Cqe(_liburing.Window):
    """Out-parameter of waits and peeks; false until one filled it."""

    __slots__ = ()

    def __init__(self, no=None, /):
        if no is not None:
            integer(no, 0, 2**32 - 1)
            raise NotImplementedError("Cqe() takes no count")


class CqeIter(_Uncopied):
    """Walks the completions that were ready when it was made: moves cqe[0] to each,
    and counts on from `index`. Gives none of them back; one that was given back
    before its turn is left out."""

    __slots__ = ("_ring", "_cqe", "_index", "_first", "_place", "_end")

    def __init__(self, ring, cqe, index=None, /):
        if not isinstance(cqe, Cqe):
            raise TypeError(f"a Cqe is required, not {type(cqe).__name__}")
        self._index = integer(0 if index is None else index, 0, 2**64 - 1)
        # Completions are numbered from the ring's first one on: giving some back
        # moves the head, not their numbers.
        self._first, self._end = core(ring).walk()
        self._place = self._first
        self._ring, self._cqe = ring, cqe

    def __iter__(self):
        return self

    def __next__(self):
        if not self._step(self._cqe):
            raise StopIteration
        return (self._index + self._place - 1 - self._first) % 2**64

    def _step(self, cqe):
        place = cqe._fill_at(core(self._ring), self._place, self._end)
        if place is None:
            return False
        self._place = place + 1
        return True


class _PlainFound(_liburing.Window):
    """Negative results are values."""

    __slots__ = ()

    def __new__(cls, *_):
        return super().__new__(cls, _plain=True)


class io_uring_cqe(_PlainFound, Cqe):
    """A completion of the older releases: its own first entry."""

    __slots__ = ()

    def __init__(self):
        """A completion that a wait can fill."""

    res = property(lambda self: self[0].res, doc="The result, -errno on failure.")
    flags = property(lambda self: self[0].flags, doc="IORING_CQE_F_*.")
    user_data = property(lambda self: self[0].user_data, doc="The tag.")


class io_uring_cqes(io_uring_cqe):
    """The completions a wait found, iterable."""

    __slots__ = ("_n",)

    def __init__(self, n=1):
        self._n = n

    def __len__(self):
        return self._count or self._n

    def __iter__(self):
        # All at once: giving one back does not move the others.
        return iter([self[index] for index in range(self._count)])


class _Block(_Uncopied):
    """A struct in memory of its own."""

    __slots__ = ("_memory",)
    _size = 0

    def __init__(self):
        self._memory = bytearray(self._size)

    def __repr__(self):
        return f"{type(self).__name__}()"


def memory(block):
    """The memory of a struct; MemoryError when it was never given any."""
    if block._memory is None:
        raise MemoryError(f"{type(block).__name__}() has no memory")
    return block._memory


def _field(offset, code):
    def read(self):
        return struct.unpack_from(code, memory(self), offset)[0]

    def write(self, value):
        if not isinstance(value, int):
            raise TypeError("an integer is required")
        try:
            packed = struct.pack(code, value)
        except struct.error as error:
            raise OverflowError(str(error)) from None
        memory(self)[offset : offset + len(packed)] = packed

    return property(read, write)


class Timespec(_Block):
    """Seconds and nanoseconds, made by timespec(); by hand it has no memory."""

    __slots__ = ()
    _size = 16

    def __init__(self):
        self._memory = None

    sec = tv_sec = _field(0, "q")
    nsec = tv_nsec = _field(8, "q")

    def nanoseconds(self):
        """The whole in nanoseconds; ValueError when negative."""
        total = self.sec * 10**9 + self.nsec
        if total < 0:
            raise ValueError("a negative time")
        return min(total, 2**63)


class timespec(Timespec):
    """Makes a Timespec of that many seconds."""

    __slots__ = ()

    def __new__(cls, second=0, nanoseconds=0):
        if not isinstance(second, (int, float)):
            raise TypeError(f"a number of seconds is required, not {type(second).__name__}")
        block = Timespec()
        block._memory = bytearray(16)
        whole = int(second)
        block.sec = whole
        block.nsec = int((second - whole) * 1e9) + nanoseconds
        return block

    def __init__(self, second=0, nanoseconds=0):
        """Never called; type checkers look here for the parameters."""


class OpenHow(_Block):
    """How openat2 opens."""

    __slots__ = ()
    _size = 24
    flags = _field(0, "Q")
    mode = _field(8, "Q")
    resolve = _field(16, "Q")

    def __init__(self, flags=None, mode=None, resolve=None):
        super().__init__()
        self.flags = 0 if flags is None else flags
        self.mode = 0 if mode is None else mode
        self.resolve = 0 if resolve is None else resolve

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


class Iovec(_Uncopied):
    """A list of buffers."""

    __slots__ = ("_items",)

    def __init__(self, items, /):
        if not isinstance(items, list):
            raise TypeError("a list is required")
        if not items:
            raise ValueError("Iovec() takes 1 to 1024 buffers: received 0")
        if len(items) > IOV_MAX:
            raise ValueError(f"Iovec(): {len(items)} buffers: exceeds `IOV_MAX` limit of {IOV_MAX}")
        for item in items:
            try:
                with memoryview(item) as view:
                    contiguous = view.c_contiguous
            except TypeError:
                raise TypeError(f"not a buffer: {type(item).__name__}") from None
            if not contiguous:
                raise TypeError("not a contiguous buffer")
        self._items = list(items)

    def __bool__(self):
        return True

    def __len__(self):
        return len(self._items)

    def __repr__(self):
        return f"{type(self).__name__}({self._items!r})"


def _inet(family, addr):
    """The number of an address, and its scope: 0 without one. RFC 4007 has the
    scope behind a percent sign, as the index or the name of an interface."""
    bare, mark, zone = addr.partition("%") if family == AF_INET6 else (addr, "", "")
    try:
        number = socket.inet_pton(family, bare)
        if not mark:
            return number, 0
        if zone.isascii() and zone.isdigit():
            return number, integer(int(zone), 0, 2**32 - 1)
        return number, socket.if_nametoindex(zone)
    except (OSError, OverflowError, ValueError):
        raise ValueError(f"not an address: {addr!r}") from None


class Sockaddr:
    """An address: AF_UNIX(path), AF_INET or AF_INET6(addr, port), where an IPv6
    address may end in a scope (`fe80::1%eth0`, `fe80::1%3`); without a family
    room for one that the kernel writes. ValueError for what is no address."""

    __slots__ = ("_memory", "_length")

    def __init__(self, family=None, addr=None, port=None, /):
        family = integer(0 if family is None else family, 0, 65535)
        port = integer(0 if port is None else port, 0, 65535)
        if not isinstance(addr, (str, os.PathLike, type(None))):
            raise TypeError(f"an address is a str, not {type(addr).__name__}")
        if family not in (0, AF_UNIX, AF_INET, AF_INET6):
            raise NotImplementedError(f"address family {family}")
        if family and not addr:
            raise ValueError("an address is required")
        self._memory, self._length = bytearray(128), 128
        if family == AF_UNIX:
            path = os.fsencode(addr)
            if len(path) > 108:
                raise ValueError("the path is longer than 108 bytes")
            packed = struct.pack("=H", family) + path + bytes(len(path) < 108)
        elif family in (AF_INET, AF_INET6):
            if not isinstance(addr, str):
                raise TypeError(f"an address is a str, not {type(addr).__name__}")
            number, scope = _inet(family, addr)
            packed = struct.pack("=HH", family, socket.htons(port))
            if family == AF_INET:
                packed += number + bytes(8)
            else:
                packed += bytes(4) + number + struct.pack("=I", scope)
        else:
            return
        self._memory[: len(packed)], self._length = packed, len(packed)

    def _is(self, *families):
        if self.family not in families:
            raise NotImplementedError("the family has no such part")

    @property
    def family(self):
        """AF_UNIX, AF_INET, AF_INET6 or 0."""
        return struct.unpack_from("=H", self._memory)[0]

    @property
    def path(self):
        """Of AF_UNIX."""
        self._is(AF_UNIX)
        return os.fsdecode(bytes(self._memory[2:110]).split(b"\0")[0])

    @property
    def ip(self):
        """Of AF_INET."""
        self._is(AF_INET)
        return socket.inet_ntop(AF_INET, bytes(self._memory[4:8]))

    @property
    def port(self):
        """Of AF_INET and AF_INET6."""
        self._is(AF_INET, AF_INET6)
        return struct.unpack_from("!H", self._memory, 2)[0]

    def __repr__(self):
        if not self.family:
            return f"{type(self).__name__}()"
        return f"{type(self).__name__}({self.family}, {self._parts()!r})"

    def _parts(self):
        """The address as the module `socket` has it."""
        if self.family == AF_INET:
            return self.ip, self.port
        if self.family == AF_INET6:
            return socket.inet_ntop(AF_INET6, bytes(self._memory[8:24])), self.port
        return self.path

    @classmethod
    def _of(cls, family, address):
        """The reverse."""
        return cls(family, *address[:2]) if isinstance(address, tuple) else cls(family, address)


class FileIndex(_Uncopied):
    """A list of descriptors to register."""

    __slots__ = ("_items", "_turn")

    def __init__(self, items, /):
        if not isinstance(items, list):
            raise TypeError("a list is required")
        self._items = [integer(item, -(2**31), 2**31 - 1) for item in items]
        self._turn = iter(self._items)

    def __getitem__(self, index):
        if index < 0:
            raise IndexError("no such descriptor")
        return self._items[index]

    def __iter__(self):
        self._turn = iter(self._items)
        return self

    def __next__(self):
        return next(self._turn)

    def update(self, items, /):
        """Other descriptors, as many."""
        if not isinstance(items, list):
            raise TypeError("a list is required")
        if len(items) != len(self._items):
            raise ValueError("the length cannot change")
        self.__init__(items)


class FUTEX(_Uncopied):
    """One word of a Futex."""

    __slots__ = ("_futex", "_index")

    def __init__(self):
        self._futex, self._index = None, 0

    def _word(self):
        if self._futex is None:
            raise MemoryError("FUTEX() has no memory")
        return self._futex

    @property
    def state(self):
        """The word itself, shared with other processes."""
        return struct.unpack_from("=I", self._word()._words, 4 * self._index)[0]

    @state.setter
    def state(self, value):
        value = integer(value, 0, 2**32 - 1)
        struct.pack_into("=I", self._word()._words, 4 * self._index, value)

    def _wait(self):
        waits = self._word()._waits
        if waits is None:
            raise MemoryError("the Futex was made without vector=True")
        return waits[self._index]

    @property
    def val(self):
        """What a wait on several words expects here."""
        return self._wait()[0]

    @val.setter
    def val(self, value):
        self._wait()[0] = integer(value, 0, 2**64 - 1)

    @property
    def flags(self):
        """FUTEX2_* of a wait on several words."""
        return self._wait()[1]

    @flags.setter
    def flags(self, value):
        self._wait()[1] = integer(value, 0, 2**32 - 1)


class Futex(FUTEX):
    """1 to 128 words of 32 bits in memory shared with forked children
    (private with FUTEX2_PRIVATE); itself word 0. With `vector` each word has
    `val` and `flags` (by default FUTEX2_SIZE_U32) for a wait on several."""

    __slots__ = ("_words", "_waits", "_private", "_no")

    def __init__(self, no=None, flags=None, vector=None, /):
        no = integer(1 if no is None else no, 0, 255)
        flags = integer(FUTEX2_SIZE_U32 if flags is None else flags, 0, 2**32 - 1)
        if not 1 <= no <= 128:
            raise ValueError(f"Futex() has 1 to 128 words, not {no}")
        self._private = bool(flags & 128)
        kind = mmap.MAP_PRIVATE if self._private else mmap.MAP_SHARED
        self._words = mmap.mmap(-1, 4 * no, flags=kind | mmap.MAP_ANONYMOUS)
        self._waits = [[0, flags] for _ in range(no)] if vector else None
        self._no, self._futex, self._index = no, self, 0

    @property
    def private(self):
        """Whether only this process sees the words."""
        return self._private

    def __bool__(self):
        return True

    def __len__(self):
        return self._no

    def __getitem__(self, index):
        if not 0 <= index < self._no:
            raise IndexError("no such word")
        word = FUTEX()
        word._futex, word._index = self, index
        return word
