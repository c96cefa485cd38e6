# Where rings have no inodes of their own (kernels before 5.16) and a seccomp filter denies
# kcmp(2), other files are noticed behind the descriptor of a ring, and rings work.
from common import *
import ctypes, errno, platform

NUMBERS = {"x86_64": 312, "aarch64": 272}
number = NUMBERS.get(platform.machine())
if number is None:
    print("skipped: the number of kcmp(2) is not known on", platform.machine())
    print("held")
    raise SystemExit
libc = ctypes.CDLL(None, use_errno=True)
code = b"".join(
    struct.pack("HBBI", *line)
    for line in (
        (0x20, 0, 0, 0),
        (0x15, 0, 1, number),
        (0x06, 0, 0, 0x00050000 | errno.EPERM),
        (0x06, 0, 0, 0x7FFF0000),
    )
)
block = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(block)))
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 38, 22
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, 2, program, 0, 0):
    print("skipped: no seccomp filters:", os.strerror(ctypes.get_errno()))
    print("held")
    raise SystemExit
pid = os.getpid()
assert libc.syscall(number, pid, pid, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM

L._liburing._share_an_inode()
ring = L.Ring(8)
assert ring.nop().result() == 0
ring.register_buffers([bytearray(SIZE)])
ring.unregister_buffers()
ring.close()

low = L.Ring()
L.io_uring_queue_init(8, low)
fd = low.ring_fd
file = os.open("/dev/null", os.O_RDWR)
os.dup2(file, fd)
try:
    L.io_uring_register_buffers(low, L.Iovec([bytearray(SIZE)]), 1)
except (OSError, RuntimeError):
    pass
else:
    raise SystemExit("registered with a file of the program's")
L.io_uring_queue_exit(low)
os.fstat(fd)
os.close(fd)
print("held")
