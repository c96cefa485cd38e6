# Completions that a program does not take while there is no memory: a MemoryError at most,
# never the end of the process, and every one can be taken when there is memory again.
from common import *
import resource, socket

COUNT = 700_000 if os.environ.get("ANYRING_ENGINE") != "userspace" else 350_000
_, hard = resource.getrlimit(resource.RLIMIT_AS)


def limit(room):
    """Address space for that many bytes more."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (now + room, hard))


def free():
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


ring = L.Ring(64)
r, w = os.pipe()
os.set_blocking(r, False)
try:
    stream = ring.poll_multishot(r, 1)
    ring.submit()
except OSError as error:
    print("skipped: multishot polls (kernel 5.13):", error)
    print("held")
    raise SystemExit
short = posted = 0
limit(0)
try:
    for number in range(COUNT):
        os.write(w, b"x")
        os.read(r, 1)
        posted += 1
        if number % 16 == 15:
            try:
                ring.completions()
            except MemoryError:
                short += 1
finally:
    free()
taken = len(stream.take())
for _ in range(100):
    try:
        ring.completions()
    except MemoryError:
        pass
    more = len(stream.take())
    taken += more
    if not more:
        break
print(posted, "posted", taken, "taken", short, "times short")
# As many as there was memory for; a poll ends when the kernel's queue is full. How often
# the engine looks between two writes depends on the machine.
least = 10_000 if L.engine_of(ring.fileno()) == "kernel" else 1
assert taken >= least, (taken, posted)
stream.cancel()
ring.completions()

# Messages that are not asked for.
other = L.Ring(256)
batches = [other.nops(1)]
limit(0)
sent = 0
try:
    for number in range(COUNT // 10):
        try:
            other.msg_ring(ring, number, 1)
            sent += 1
            if number % 64 == 63:
                other.submit()
                ring.submit()
                other.completions(0)
        except MemoryError:
            break
finally:
    free()
other.completions(0)
found = 0
for _ in range(100):
    more = len(ring.completions())
    found += more
    if not more:
        break
print(sent, "messages sent", found, "found")

# Groups and batches as large as there is memory for.
with ring.batch() as group:
    limit(1 << 20)
    try:
        for _ in range(1_000_000):
            ring.nop()
    except MemoryError:
        print("MemoryError")
    finally:
        free()
assert group.wait().remaining == 0
for call in (lambda: group.results, lambda: group.operations, lambda: group.result(), lambda: group.errors()):
    limit(0)
    try:
        call()
    except MemoryError:
        pass
    finally:
        free()
print("held")
