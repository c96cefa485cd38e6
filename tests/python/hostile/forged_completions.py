# Completions with the true tags of requests, each result and all flags, for every kind
# of operation: what a process with the descriptor of a ring could post that reads the
# tags of its requests in /proc. Nothing crashes or panics, no more comes out than there
# is, a request ends once, and completions that it cannot have change nothing.
from common import *
import asyncio, atexit, ctypes, errno, select, socket, subprocess, tempfile
import liburing.aio as A

BUFFER, MORE, NOTIF = 1, 2, 8
RESULTS = [0, 1, 5, 100, 101, 70000, 2**31 - 1, -1, -11, -62, -105, -125, -(2**31)]
FLAGS = [0, BUFFER, BUFFER | 3 << 16, BUFFER | 9999 << 16, BUFFER | 65535 << 16, 4, 1 << 31]
libc = ctypes.CDLL(None, use_errno=True)


def forge(fd, tag, res, flags):
    """A message to a ring without a ring to send it, which asks nothing of the module."""
    entry = bytearray(64)
    struct.pack_into("<BxHiQQIIQ", entry, 0, 40, 0, fd, tag, 0, res & 0xFFFFFFFF, 2, 0)
    struct.pack_into("<I", entry, 44, flags)
    block = (ctypes.c_char * 64).from_buffer(entry)
    if libc.syscall(427, -1, 31, block, 1):
        raise OSError(ctypes.get_errno(), "register")


def pages():
    found = set()
    with open("/proc/self/maps") as maps:
        for line in maps:
            where, mode, *_, last = line.split()
            if mode == "rw-p" and (len(line.split()) == 5 or "io_uring" in last):
                low, high = (int(part, 16) for part in where.split("-"))
                if high - low < 1 << 27:
                    found |= set(range(low, high, 4096))
    return found


class Watched:
    """The entries of a ring, which no program is given: found in the memory that was
    new when the ring was."""

    def __init__(self, make):
        before = pages()
        self.ring = make()
        self.new = sorted(pages() - before)

    def entry(self, opcode, fd, length):
        """The tag of the newest entry like this."""
        for page in self.new:
            block = ctypes.string_at(page, 4096)
            for at in range(0, 4096, 64):
                if (block[at], *struct.unpack_from("<i", block, at + 4),
                        *struct.unpack_from("<I", block, at + 24)) == (opcode, fd, length):  # fmt: skip
                    return page, struct.unpack_from("Q", block, at + 32)[0]
        raise SystemExit("the entry was not found")

    def tags(self):
        block = ctypes.string_at(self.page, 4096)
        return {struct.unpack_from("Q", block, at + 32)[0] for at in range(0, 4096, 64)}


def skip(reason):
    print("skipped:", reason)
    print("held")
    raise SystemExit


if os.environ.get("ANYRING_ENGINE") == "userspace":
    skip("no other process can post to a ring of the engine")
probe = L.Ring(8)
try:
    forge(probe.ring_fd, 7, 5, 0)
except OSError as error:
    skip(f"messages without a ring (kernel 6.13): {error}")
(message,) = probe.completions()
assert (message.user_data, message.res) == (7, 5)
try:
    buffers = probe.buffer_pool(2, 64)
except OSError as error:
    skip(f"provided buffers (kernel 5.19): {error}")

r, w = os.pipe()
watched = Watched(lambda: L.Ring(64))
ring = watched.ring
fd = ring.ring_fd
marker = ring.read(r, 77)
ring.submit()
watched.page, _ = watched.entry(22, r, 77)
ring.cancel_all().result()
ring.completions()
pool = ring.buffer_pool(16, 64)
server = socket.create_server(("127.0.0.1", 0))
one, two = socket.socketpair()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
full = socket.create_connection(server.getsockname())
full.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
peer, _ = server.accept()
full.setblocking(False)
blocked = 0
while blocked < 10:
    try:
        full.send(b"." * 65536)
        blocked = 0
    except BlockingIOError:
        blocked += 1
        time.sleep(0.01)
full.setblocking(True)
sleeper = subprocess.Popen(
    ["sleep", "100"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)
atexit.register(sleeper.kill)
# Room for an address, zeroes where none came.
ADDRESS = 128
idle = socket.create_server(("127.0.0.1", 0))
files = ring.register_files([-1] * 8)
here = bytearray(8)
epoll = select.epoll()
gate_r, gate_w = os.pipe()
GATE = 33


def behind(start):
    """An operation that ends at once, held up behind a read."""

    def held():
        gate = ring.read(gate_r, GATE)
        ring.submit()
        gates.append((gate, watched.tags()))
        return start()

    return held


gates = []
target = ring.read(r, 78)
ring.submit()
KINDS = {
    "read": (100, lambda: ring.read(r, 100)),
    "read_into": (100, lambda: ring.read(r, bytearray(100))),
    "recv": (100, lambda: ring.recv(one, 100)),
    "recvmsg": (ADDRESS, lambda: ring.recvmsg(udp, [bytearray(100)])),
    "poll": (0, lambda: ring.poll(r, 1)),
    "timeout": (0, lambda: ring.timeout(1000)),
    "limited": (100, lambda: ring.read(r, 100, timeout=1000)),
    "waitid": (0, lambda: ring.waitid(os.P_PID, sleeper.pid, os.WEXITED)),
    "send_zc": (0, lambda: ring.send_zc(full, bytes(1 << 20))),
    "send": (0, lambda: ring.send(full, bytes(1 << 20))),
    "batch": (8, lambda: ring.read_batch([r, r, r], [bytearray(8) for _ in range(3)])),
    "recv_pool": (64, lambda: ring.recv(one, pool)),
    "recv_multishot": (64, lambda: ring.recv_multishot(one, pool)),
    "bundle": (16 * 64, lambda: ring.recv_multishot(one, pool, bundle=True)),
    "views": (64, lambda: ring.recv_multishot(one, pool, copy=False)),
    "poll_multishot": (0, lambda: ring.poll_multishot(r, 1)),
    "accept": (0, lambda: ring.accept(idle)),
    "accept_address": (ADDRESS, lambda: ring.accept(idle, address=True)),
    "accept_slot": (0, lambda: ring.accept(idle, slot=files[3])),
    "accept_direct": (0, lambda: ring.accept(idle, slot=True)),
    "accept_multishot": (0, lambda: ring.accept_multishot(idle)),
    "accept_slots": (0, lambda: ring.accept_multishot(idle, slot=True)),
    "recvmsg_multishot": (300, lambda: ring.recvmsg_multishot(udp, messages, 16)),
    "read_multishot": (64, lambda: ring.read_multishot(r, pool)),
    "timeout_multishot": (0, lambda: ring.timeout_multishot(1000)),
    "recv_batch": (8, lambda: ring.recv_batch([one, one], [bytearray(8), bytearray(8)])),
    "sendmsg": (0, lambda: ring.sendmsg(full, [bytes(1 << 20)])),
    "write": (0, lambda: ring.write(full, bytes(1 << 20))),
    "readv": (0, lambda: ring.readv(r, [bytearray(50), bytearray(50)])),
    "futex_wait": (0, lambda: ring.futex_wait(here, 0)),
    "futex_waitv": (0, lambda: ring.futex_waitv([(here, 0), (bytearray(4), 0)])),
    "epoll_wait": (0, lambda: ring.epoll_wait(epoll, 4)),
    "statx": (0, behind(lambda: ring.statx("/nowhere/at/all", drain=True))),
    "getxattr": (64, behind(lambda: ring.getxattr("/nowhere", "user.x", 64, drain=True))),
    "openat": (0, behind(lambda: ring.openat("/nowhere/at/all", drain=True))),
    "cancel": (0, behind(lambda: ring.cancel(target, drain=True))),
    "cancel_fd": (0, behind(lambda: ring.cancel_fd(idle, drain=True))),
    "nops": (8, behind(lambda: ring.nops(2, drain=True))),
    "msg_ring": (0, behind(lambda: ring.msg_ring(probe, 7, drain=True))),
}
STREAMS = {
    "recv_multishot", "bundle", "views", "poll_multishot", "accept_multishot", "accept_slots",
    "recvmsg_multishot", "read_multishot", "timeout_multishot",
}  # fmt: skip
# Their results are descriptors, which are closed where nobody takes them: forged ones are of
# no open file.
DESCRIPTORS = {"accept", "accept_address", "accept_multishot", "openat"}
NONE_OPEN = 500_000
messages = ring.buffer_pool(8, 300 + 16 + 16 + 128)
tried, untried = 0, []


def outcome(handle):
    take = getattr(handle, "take", None)
    try:
        return take() if take else [handle.result(0)]
    except (OSError, ValueError, RuntimeError, OverflowError, struct.error):
        return []


def sizes(values):
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from sizes(value)
        elif hasattr(value, "data") and not isinstance(value, memoryview):
            yield len(value.data)
        elif isinstance(value, (bytes, memoryview)):
            yield len(value)


for name, (most, start) in KINDS.items():
    for res in RESULTS:
        if name in DESCRIPTORS and res >= 0:
            res = min(res + NONE_OPEN, 2**31 - 1)
        for flags in FLAGS:
            before = watched.tags()
            try:
                handle = start()
                ring.submit()
            except (OSError, AttributeError, TypeError) as error:
                untried.append((name, error))
                break
            fresh = watched.tags() - (gates[-1][1] if gates else before)
            assert fresh, name
            ignored = ring._native.ignored
            if name in STREAMS:
                for tag in fresh:
                    forge(fd, tag, res, flags | NOTIF)
                    forge(fd, tag, res, flags | MORE)
                ring.completions()
                assert ring._native.ignored == ignored + len(fresh), name
                assert all(size <= most for size in sizes(outcome(handle))), (name, res, flags)
            elif name != "send_zc":
                # A poll can be made one that goes on.
                never = (NOTIF, MORE | NOTIF) if name == "poll" else (MORE, NOTIF, MORE | NOTIF)
                for tag in fresh:
                    for wrong in never:
                        forge(fd, tag, res, flags | wrong)
                ring.completions()
                assert not handle.done, (name, res, flags)
                assert ring._native.ignored == ignored + len(never) * len(fresh), name
            else:
                # A notification before the result is none of its completions.
                (tag,) = fresh
                forge(fd, tag, res, NOTIF)
                forge(fd, tag, res, flags | MORE)
                forge(fd, tag, res, flags)
                ring.completions()
                assert not handle.done, (res, flags, ring._native.ignored - ignored)
                assert ring._native.ignored == ignored + 2
                forge(fd, tag, 0, NOTIF)
            ignored = ring._native.ignored
            if name != "send_zc":
                for tag in fresh:
                    forge(fd, tag, res, flags)
                    # It has ended: another one is for nothing.
                    forge(fd, tag, res, flags)
            ring.completions()
            if name not in STREAMS:
                assert handle.done, (name, res, flags)
            assert all(size <= most for size in sizes(outcome(handle))), (name, res, flags)
            repr(handle)
            tried += 1
            # The kernel has its own request and this memory: that ends first.
            if gates:
                os.write(gate_w, bytes(GATE))
                gates.pop()[0].result()
            getattr(handle, "cancel", lambda: None)()
            ring.cancel_all().result()
            ring.completions()
            del handle
    gc.collect()
assert not untried, untried
assert tried == len(KINDS) * len(RESULTS) * len(FLAGS), tried

# The function tier.
PREPS = {
    "read": lambda sqe: L.io_uring_prep_read(sqe, r, bytearray(100), 0),
    "recvmsg": lambda sqe: L.io_uring_prep_recv(sqe, one.fileno(), bytearray(100)),
    "poll": lambda sqe: L.io_uring_prep_poll_add(sqe, r, 1),
    "many": lambda sqe: L.io_uring_prep_poll_multishot(sqe, r, 1),
    "send_zc": lambda sqe: L.io_uring_prep_send_zc(sqe, full.fileno(), bytes(1 << 20), 0, 0),
}


def make():
    made = L.Ring()
    L.io_uring_queue_init(64, made)
    return made


low = Watched(make)
functions = low.ring


def posted():
    count = L.io_uring_cq_ready(functions)
    L.io_uring_cq_advance(functions, count)
    return count


sqe = L.io_uring_get_sqe(functions)
L.io_uring_prep_read(sqe, r, kept := bytearray(77), 0)
L.io_uring_submit(functions)
low.page, _ = low.entry(22, r, 77)
for name, prepare in PREPS.items():
    for res in RESULTS:
        for flags in FLAGS:
            before = low.tags()
            sqe = L.io_uring_get_sqe(functions)
            prepare(sqe)
            sqe.user_data = 5
            L.io_uring_submit(functions)
            (tag,) = low.tags() - before
            core = functions._core
            ignored = core.ignored
            more = MORE if name in ("many", "send_zc") else 0
            forge(functions.ring_fd, tag, res, flags | NOTIF)
            assert posted() == 0 and core.ignored == ignored + 1, (name, flags)
            if more:
                forge(functions.ring_fd, tag, res, flags | MORE)
                assert posted() == 1
            sqe = L.io_uring_get_sqe(functions)
            L.io_uring_prep_cancel64(sqe, 5, 0)
            L.io_uring_submit(functions)
            L.io_uring_wait_cqe_timeout(functions, L.Cqe(), L.timespec(0, 1000000000))
            time.sleep(0)
            posted()
            forge(functions.ring_fd, tag, res, flags)
            forge(functions.ring_fd, tag, res, flags)
            posted()
            tried += 1
            assert core.in_flight <= 2, core.in_flight


# The loop: operations that wait, transports that receive and send.
class Seen(asyncio.Protocol):
    def __init__(self):
        self.most, self.lost, self.bytes = 0, False, 0

    def data_received(self, data):
        self.most = max(self.most, len(data))

    def connection_lost(self, error):
        self.lost = True


def entries(opcode, number):
    """The tags of entries like this that the loop's ring has had."""
    found = set()
    for page in loops.sqes:
        block = ctypes.string_at(page, 4096)
        for at in range(0, 4096, 64):
            if block[at] == opcode and struct.unpack_from("<i", block, at + 4) == (number,):
                found.add(struct.unpack_from("Q", block, at + 32)[0])
    return found


def full_pair():
    a, b = socket.socketpair()
    a.setblocking(False)
    try:
        while True:
            a.send(b"." * 4096)
    except BlockingIOError:
        return a, b


READ, WRITE, POLL, SENDMSG, RECVMSG, TIMEOUT, ACCEPT, OPENAT = 22, 23, 6, 9, 10, 11, 13, 18
SEND, RECV = 26, 27


async def loop_tier():
    global tried
    loop = asyncio.get_running_loop()
    proactor = loop._proactor
    # The pages of entries, which are next to one another.
    first = asyncio.ensure_future(A.read(r, 999))
    await asyncio.sleep(0.001)
    page, _ = loops.entry(READ, r, 999)
    loops.sqes = [each for each in loops.new if abs(each - page) < 1 << 16]
    first.cancel()
    await asyncio.wait([first])
    fifo = os.path.join(tempfile.mkdtemp(), "fifo")
    os.mkfifo(fifo)
    quiet, _quiet = socket.socketpair()
    quiet.setblocking(False)
    stuck, _stuck = full_pair()
    pipe_r, pipe_w = os.pipe()
    os.set_blocking(pipe_w, False)
    try:
        while True:
            os.write(pipe_w, b"." * 4096)
    except BlockingIOError:
        os.set_blocking(pipe_w, True)
    idle.setblocking(False)
    udp.setblocking(False)
    kinds = {
        "read": (READ, r, 100, lambda: A.read(r, 100)),
        "readinto": (READ, r, 0, lambda: A.readinto(r, bytearray(100))),
        "recv": (RECV, quiet.fileno(), 100, lambda: A.recv(quiet, 100)),
        "recv_into": (RECV, quiet.fileno(), 0, lambda: A.recv_into(quiet, bytearray(100))),
        "recvfrom": (RECVMSG, udp.fileno(), 128, lambda: A.recvfrom(udp, 100)),
        "write": (WRITE, pipe_w, 0, lambda: A.write(pipe_w, bytes(100_000))),
        "send": (SEND, stuck.fileno(), 0, lambda: A.send(stuck, bytes(100_000))),
        "sendall": (SEND, stuck.fileno(), 0, lambda: A.sendall(stuck, bytes(100_000))),
        "accept": (ACCEPT, idle.fileno(), 0, lambda: A.accept(idle)),
        "poll": (POLL, r, 0, lambda: A.poll(r)),
        "sleep": (TIMEOUT, -1, 0, lambda: A.sleep(1000)),
        "open": (OPENAT, -100, 0, lambda: A.open(fifo, "rb")),
    }
    for name, (opcode, number, most, start) in kinds.items():
        for res in RESULTS:
            if name in ("accept", "open") and res >= 0:
                res = min(res + NONE_OPEN, 2**31 - 1)
            for flags in FLAGS:
                before = entries(opcode, number)
                task = asyncio.ensure_future(start())
                for _ in range(100):
                    await asyncio.sleep(0)
                    fresh = entries(opcode, number) - before
                    if fresh:
                        break
                (tag,) = fresh
                ignored = proactor.ignored
                # A poll can be made one that goes on.
                never = (NOTIF, MORE | NOTIF) if name == "poll" else (MORE, NOTIF, MORE | NOTIF)
                for wrong in never:
                    forge(proactor.fd, tag, res, flags | wrong)
                await asyncio.sleep(0)
                assert not task.done() and proactor.ignored == ignored + len(never), (name, res, flags)
                forge(proactor.fd, tag, res, flags)
                forge(proactor.fd, tag, res, flags)
                for _ in range(3):
                    await asyncio.sleep(0)
                assert proactor.ignored > ignored + len(never), (name, res, flags)
                tried += 1
                if not task.done():
                    # A part of it, or begun again.
                    task.cancel()
                    await asyncio.wait([task], timeout=5)
                    assert task.done(), (name, res, flags)
                if not task.cancelled():
                    if task.exception() is None:
                        assert all(size <= most for size in sizes([task.result()])), (name, res, flags)
                    else:
                        assert isinstance(task.exception(), (OSError, ValueError, OverflowError)), task.exception()
                # What the kernel has of it is ended.
                if number >= 0:
                    cancel_fd(proactor.fd, number)

    # Transports.
    for res in RESULTS:
        for flags in FLAGS:
            for sends in (False, True):
                a, b = full_pair() if sends else socket.socketpair()
                a.setblocking(False)
                before = entries(SEND if sends else RECV, a.fileno())
                transport, protocol = await loop.create_connection(Seen, sock=a)
                if sends:
                    transport.write(bytes(50_000))
                for _ in range(5):
                    await asyncio.sleep(0)
                fresh = entries(SEND if sends else RECV, a.fileno()) - before
                assert fresh, sends
                for tag in fresh:
                    for more in (NOTIF, MORE | NOTIF, 0, 0):
                        forge(proactor.fd, tag, res, flags | more)
                for _ in range(5):
                    await asyncio.sleep(0)
                assert protocol.most <= 1 << 20, (res, flags, protocol.most)
                assert transport.get_write_buffer_size() <= 50_000
                tried += 1
                cancel_fd(proactor.fd, a.fileno())
                transport.abort()
                await asyncio.sleep(0)
                b.close()


def cancel_fd(ring_fd, number):
    """Cancels by descriptor, without the module: the memory of what a forged completion
    has ended is not the kernel's any more."""
    block = ctypes.create_string_buffer(struct.pack("<QiIqqB7x3Q", 0, number, 1 | 2, 1, 0, 0, 0, 0, 0))
    libc.syscall(427, ring_fd, 24, block, 1)


loops = Watched(A.EventLoop)
asyncio.set_event_loop(loops.ring)
loops.ring.run_until_complete(loop_tier())
loops.ring.close()
sleeper.kill()
sleeper.wait()
print(tried)
print("held")
