# The descriptors that a loop's ring makes for itself are closed with it, and nothing that
# a program has put behind their numbers is.
from common import *
import asyncio, select
import liburing.aio as A


def kinds():
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[int(fd)] = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            pass
    return found


def others():
    """Files that may come to lie behind a number."""
    one, two = os.pipe()
    yield one
    os.close(two)
    yield os.open("/dev/null", os.O_RDWR)
    yield os.eventfd(0) if hasattr(os, "eventfd") else one
    epoll = select.epoll()
    reader, _ = os.pipe()
    epoll.register(reader)
    kept.append(epoll)
    yield epoll.fileno()


kept = []
pipe = os.pipe()
MEMBER = 200


def watches(fd, member):
    """Whether it is an epoll instance that has this member."""
    with open(f"/proc/self/fdinfo/{fd}") as file:
        return any(line.split()[:2] == ["tfd:", str(member)] for line in file)


def own_ring():
    """An EventLoop, whose watched descriptors are in an epoll instance."""
    loop = A.EventLoop()
    os.dup2(pipe[0], MEMBER)
    loop.add_reader(MEMBER, print)
    (fd,) = (fd for fd, kind in kinds().items()
             if kind == "anon_inode:[eventpoll]" and watches(fd, MEMBER))  # fmt: skip
    loop.remove_reader(MEMBER)
    os.close(MEMBER)
    return loop, loop._proactor, fd


def beside():
    """A loop of asyncio's with a ring beside it, which signals an eventfd."""
    loop = asyncio.SelectorEventLoop()

    async def main():
        await A.stat("/")

    loop.run_until_complete(main())
    proactor = loop._liburing_ring.proactor
    return loop, proactor, proactor.open_eventfd()


for make in (own_ring, beside):
    # It goes with the ring.
    loop, proactor, fd = make()
    loop.close()
    proactor.close()
    assert fd not in kinds(), make
    del loop, proactor
    gc.collect()
    for other in others():
        loop, proactor, fd = make()
        os.dup2(other, fd)
        expected = kinds()[fd]
        try:
            loop.close()
        except OSError:
            pass
        proactor.close()
        assert kinds().get(fd) == expected, (make, expected)
        os.close(fd)
        del loop, proactor
        gc.collect()
print("held")
