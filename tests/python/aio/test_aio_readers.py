"""add_reader and add_writer: the same scenario on the selector loop and on ours."""

import asyncio
import os
import socket

import pytest

import liburing.aio as aio


def pipe():
    return os.pipe()


def shut(*things):
    for thing in things:
        os.close(thing) if isinstance(thing, int) else thing.close()


async def level(loop):
    """Called until everything was read, a byte at a time."""
    r, w = pipe()
    got, done = [], loop.create_future()

    def ready():
        got.append(os.read(r, 1))
        if len(got) == 5:
            loop.remove_reader(r)
            done.set_result(None)

    loop.add_reader(r, ready)
    os.write(w, b"abcde")
    await asyncio.wait_for(done, 10)
    shut(r, w)
    return b"".join(got)


async def ignored(loop):
    """Called again and again while nobody reads, and not after its removal."""
    r, w = pipe()
    calls, done = [], loop.create_future()

    def ready():
        calls.append(1)
        if len(calls) == 10:
            loop.remove_reader(r)
            done.set_result(None)

    loop.add_reader(r, ready)
    os.write(w, b"x")
    await asyncio.wait_for(done, 10)
    await asyncio.sleep(0.02)
    shut(r, w)
    return len(calls)


async def removed_by_the_other(loop):
    """Of two that are ready in one turn the first removes the second."""
    pairs = [socket.socketpair() for _ in range(2)]
    calls = []

    def ready(mine, other):
        calls.append(1)
        mine.recv(10)
        loop.remove_reader(other)

    (one, first), (two, second) = pairs
    loop.add_reader(one, ready, one, two)
    loop.add_reader(two, ready, two, one)
    first.send(b"x")
    second.send(b"x")
    await asyncio.sleep(0.05)
    left = loop.remove_reader(one) + loop.remove_reader(two)
    shut(one, two, first, second)
    return len(calls), left


async def number_used_again(loop):
    """A descriptor that was removed, closed and opened anew."""
    r, w = pipe()
    got = []
    loop.add_reader(r, got.append, "old")
    os.write(w, b"x")
    await asyncio.sleep(0)
    loop.remove_reader(r)
    shut(r, w)
    again, end = pipe()
    assert again == r
    got.clear()
    loop.add_reader(again, got.append, "new")
    await asyncio.sleep(0.03)
    quiet = list(got)
    os.write(end, b"y")
    await asyncio.sleep(0.02)
    loop.remove_reader(again)
    shut(again, end)
    return quiet, got[:1]


async def closed_without_removal(loop):
    """Nothing is reported of a descriptor that was closed."""
    one, other = socket.socketpair()
    got = []
    loop.add_reader(one.fileno(), got.append, 1)
    await asyncio.sleep(0)
    fd = one.fileno()
    one.close()
    await asyncio.sleep(0.02)
    removed = loop.remove_reader(fd)
    other.close()
    return got, removed


async def both_directions(loop):
    one, other = socket.socketpair()
    events = []

    def writable():
        events.append("w")
        loop.remove_writer(one)

    def readable():
        events.append("r")
        one.recv(10)

    for _ in range(2):
        loop.add_writer(one, writable)
        loop.add_reader(one, readable)
        await asyncio.sleep(0.02)
        other.send(b"x")
        await asyncio.sleep(0.02)
    removed = [loop.remove_reader(one), loop.remove_writer(one), loop.remove_reader(one)]
    shut(one, other)
    return events, removed


async def replaced_in_the_callback(loop):
    r, w = pipe()
    events = []

    def first():
        events.append(1)
        loop.add_reader(r, second)

    def second():
        events.append(2)
        os.read(r, 10)
        loop.remove_reader(r)

    loop.add_reader(r, first)
    os.write(w, b"x")
    await asyncio.sleep(0.05)
    shut(r, w)
    return events


async def hang_ups(loop):
    events = []

    def readable():
        events.append(os.read(r, 10))
        loop.remove_reader(r)

    def writable():
        events.append("w")
        loop.remove_writer(w)

    r, w = pipe()
    loop.add_reader(r, readable)
    os.close(w)
    await asyncio.sleep(0.02)
    os.close(r)
    r, w = pipe()
    os.close(r)
    loop.add_writer(w, writable)
    await asyncio.sleep(0.02)
    os.close(w)
    return events


async def many_changes_in_a_turn(loop):
    r, w = pipe()
    os.write(w, b"x")
    events = []

    def readable():
        events.append(os.read(r, 1))
        loop.remove_reader(r)

    for number in range(5):
        loop.add_reader(r, events.append, number)
        loop.remove_reader(r)
    loop.add_reader(r, readable)
    await asyncio.sleep(0.05)
    shut(r, w)
    return events


async def a_copy_of_the_descriptor(loop):
    r, w = pipe()
    copy = os.dup(r)
    events = []
    loop.add_reader(copy, lambda: events.append(os.read(copy, 1)))
    loop.add_reader(r, events.append, "original")
    loop.remove_reader(r)
    os.close(r)
    os.write(w, b"q")
    await asyncio.sleep(0.05)
    loop.remove_reader(copy)
    shut(copy, w)
    return events


async def hundreds(loop):
    pipes = [pipe() for _ in range(300)]
    seen, done = set(), loop.create_future()

    def ready(r):
        seen.add(r)
        loop.remove_reader(r)
        if len(seen) == len(pipes):
            done.set_result(None)

    for r, w in pipes:
        loop.add_reader(r, ready, r)
        os.write(w, b"x")
    await asyncio.wait_for(done, 10)
    for ends in pipes:
        shut(*ends)
    return len(seen)


async def callbacks_that_raise(loop):
    r, w = pipe()
    calls, errors = [], []
    loop.set_exception_handler(lambda _, context: errors.append(type(context["exception"])))

    def ready():
        calls.append(1)
        if len(calls) == 3:
            loop.remove_reader(r)
        raise ValueError

    loop.add_reader(r, ready)
    os.write(w, b"x")
    await asyncio.sleep(0.05)
    shut(r, w)
    return len(calls), errors


async def what_cannot_be_watched(loop):
    """Wrong numbers, and files that are always ready."""
    told = []

    def outcome(call, *args):
        try:
            told.append(call(*args))
        except (OSError, ValueError, TypeError) as error:
            told.append((type(error), getattr(error, "errno", None)))

    for bad in (-1, 99999, "x", None, 1.5):
        outcome(loop.add_reader, bad, print)
        outcome(loop.remove_reader, bad)
    for name in (__file__, os.path.dirname(__file__), "/dev/null", "/dev/zero"):
        fd = os.open(name, os.O_RDONLY)
        outcome(loop.add_reader, fd, print)
        outcome(loop.remove_reader, fd)
        outcome(loop.add_writer, fd, print)
        os.close(fd)
    return told


SCENARIOS = [
    level, ignored, removed_by_the_other, number_used_again, closed_without_removal,
    both_directions, replaced_in_the_callback, hang_ups, many_changes_in_a_turn,
    a_copy_of_the_descriptor, hundreds, callbacks_that_raise, what_cannot_be_watched,
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_as_the_selector_loop(scenario):
    found = []
    for make in (asyncio.SelectorEventLoop, aio.EventLoop):
        loop = make()
        try:
            found.append(loop.run_until_complete(scenario(loop)))
        finally:
            loop.close()
    theirs, ours = found
    assert ours == theirs
