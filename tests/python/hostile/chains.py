# Long lists of objects, each held by the next alone, freed at once: in a loop, not each
# inside the one before, which takes a stack as long as the list. In a thread, whose stack
# is short.
from common import *
import socket, threading
import liburing.aio as A
from liburing import _liburing as native

LENGTH = 6000
ring = L.Ring(64)
r, w = os.pipe()


def turn(number):
    if number % 32 == 31:
        ring.submit()
        ring.completions()


def operations():
    made = None
    for number in range(LENGTH):
        made = ring.nop(user_data=made)
        turn(number)
    return made


def batches():
    made = None
    for number in range(LENGTH):
        made = ring.nops(1, user_data=made)
        turn(number)
    return made


def groups():
    made = None
    for number in range(LENGTH):
        with ring.batch(user_data=made) as made:
            ring.nop()
        turn(number)
    return made


def streams():
    made = None
    for number in range(LENGTH):
        made = ring.poll_multishot(r, user_data=made)
        made.cancel()
        turn(number)
    return made


def mixed():
    made = None
    for number in range(LENGTH):
        kind = (operation, several, listed)[number % 3]
        made = kind(made)
        turn(number)
    return made


def operation(user_data):
    return ring.nop(user_data=user_data)


def several(user_data):
    return ring.nops(1, user_data=user_data)


def listed(user_data):
    return [user_data]


def cycle():
    made = operations()
    around = [made]
    around.append(around)
    return around


def futures():
    made = None
    for _ in range(LENGTH):
        made = native.aio.Operation(made, None)
    return made


def waiting():
    made = None
    for _ in range(LENGTH):
        next_one = native.aio.Operation(None, None)
        next_one.add_done_callback(made)
        made = next_one
    return made


def transports():
    proactor = native.aio.Proactor(8) if hasattr(native.aio, "Proactor") else A.EventLoop()._proactor
    made = None
    for _ in range(LENGTH):
        made = native.aio.Stream(proactor, -1, made, None)
    return made


def messages():
    made = b""
    for _ in range(LENGTH):
        next_one = native.Message()
        next_one._set(made, None, [], None, None)
        made = next_one
    return made


def all_of_them():
    for kind in KINDS:
        made = kind()
        ring.submit()
        ring.completions()
        del made
        gc.collect()
        ring.submit()
        ring.completions()
        done.append(kind.__name__)


KINDS = (operations, batches, groups, mixed, cycle, futures, waiting, transports, messages, streams)
done = []
threading.stack_size(256 << 10)
thread = threading.Thread(target=all_of_them)
thread.start()
thread.join()
assert len(done) == len(KINDS), done
print("held")
