# A mapping of a file that was cut short: the kernel answers EFAULT, and nothing of the
# module's or of the engine's touches the pages, which ends a process with SIGBUS.
from common import *
import asyncio, errno, socket, tempfile
import liburing.aio as A

file = tempfile.TemporaryFile()
file.truncate(32768)
gone = mmap.mmap(file.fileno(), 32768)
file.truncate(0)
view = memoryview(gone)
zero = open("/dev/zero", "rb")
one, two = socket.socketpair()
ring = L.Ring(32)


def refused(call):
    try:
        print(call())
    except OSError as error:
        assert error.errno in (errno.EFAULT, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS), error
        return
    raise SystemExit("taken")


def received(call):
    two.send(b"some")
    refused(call)


refused(lambda: ring.read(zero, gone).result())
refused(lambda: ring.write(one, gone).result())
refused(lambda: ring.send(one, gone).result())
refused(lambda: ring.send_zc(one, gone).result())
refused(lambda: ring.readv(zero, [view[:4096], view[4096:]]).result())
refused(lambda: ring.writev(one, [view[:4096], view[4096:]]).result())
refused(lambda: ring.sendmsg(one, [view]).result())
received(lambda: ring.recv(one, gone).result())
refused(lambda: ring.futex_wait(view[:4], 0, timeout=1).result())
refused(lambda: ring.futex_waitv([(view[:4], 0)], timeout=1).result())
refused(lambda: ring.register_buffers([view]))
batch = ring.read_batch([zero, zero], [view[:10], view[10:20]]).wait()
assert all(res == -errno.EFAULT for res in batch.results), list(batch.results)


async def on_a_loop():
    near, far = socket.socketpair()
    near.setblocking(False)
    far.send(b"some")
    for call in (
        lambda: A.readinto(zero.fileno(), gone), lambda: A.write(near.fileno(), gone),
        lambda: A.send(near, gone), lambda: A.sendall(near, gone), lambda: A.recv_into(near, gone),
    ):  # fmt: skip
        try:
            await call()
        except OSError as error:
            assert error.errno == errno.EFAULT, error
        else:
            raise SystemExit("taken")
    far.close()


A.run(on_a_loop())
print("held")
