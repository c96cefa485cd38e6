"""Random programs on the built-in file and on that of liburing.aio.

Each program opens one file with the same arguments on both sides and makes the same
calls; results, positions, contents and the types of exceptions are equal. The seed is
printed; ANYRING_SEED repeats it, ANYRING_PROGRAMS makes more of them.
"""

import asyncio
import io
import os
import random
import time

import pytest

import liburing.aio as aio

PROGRAMS = int(os.environ.get("ANYRING_PROGRAMS", "250"))
CALLS = 14
ENCODINGS = [
    "utf-8", "utf-8", "latin-1", "ascii", "utf-16", "utf-16-le", "utf-32", "utf-8-sig",
    "cp1252", "shift_jis", "iso2022_jp", "utf-7",
]  # fmt: skip
MODES = ["r", "r+", "w", "w+", "a", "a+", "x", "x+"]
LETTERS = ["a", "b", "\n", "\r", "\r\n", "\n\r", "ä", "€", "\U0001d11e", "\u3042", "\ufeff", "word "]


def seed():
    found = int(os.environ.get("ANYRING_SEED", time.time_ns() % 2**32))
    print(f"ANYRING_SEED={found}")
    return found


def text(rng, most):
    """Characters of all kinds, or so many of one that a piece does not hold them."""
    if rng.random() < 0.2:
        return rng.choice(["x\n", "äb\r\n", "0123456789abcdef"]) * rng.randrange(1, 5000)
    return "".join(rng.choices(LETTERS, k=rng.randrange(most)))


def contents(rng, encoding):
    """What the file has at first; now and then what is no text at all."""
    if rng.random() < 0.05:
        return rng.randbytes(50)
    return text(rng, 60).encode(encoding or "utf-8", "ignore")


def call(rng, binary):
    """A name and arguments."""
    size = rng.choice([0, 1, 2, 5, 100, 9000, 70_000, -1, None])
    data = text(rng, 8)
    if binary:
        data = data.encode()
    # After readlines(hint) the built-in text file does not find its place again.
    kinds = [
        ("read", (size,)), ("read", ()), ("readline", (-1 if size is None else size,)),
        ("readline", ()), ("readlines", (size if binary else -1,)), ("write", (data,)), ("write", (data[:0],)),
        ("writelines", ([data, data[:1]],)), ("tell", ()), ("seek", (0,)), ("seek", (0, 2)),
        ("seek", (0, 1)), ("seek", (rng.randrange(40),) if binary else (0,)), ("truncate", ()),
        ("truncate", (rng.choice([0, 3, 8, 100, -1]),)), ("flush", ()), ("back", ()),
        ("lines", (rng.randrange(4),)), ("readable", ()), ("writable", ()), ("seekable", ()),
        ("isatty", ()), ("odd", (rng.choice(ODD),)),
    ]  # fmt: skip
    if binary:
        kinds += [
            ("readinto", (rng.choice([0, 1, 7, 9000]),)), ("peek", ()), ("seek", (-3, 2)),
            ("seek", (rng.choice([-5, 2, 9000]), 1)), ("seek", (-1,)),
        ]  # fmt: skip
    return rng.choice(kinds)


ODD = [
    ("write", (1,)), ("write", (None,)), ("read", ("x",)), ("readline", (1.5,)), ("seek", ("x",)),
    ("seek", (0, 9)), ("seek", (1, 1)), ("seek", (1, 2)), ("writelines", (["a", 1, "b"],)),
    ("writelines", ([b"a", 1, b"b"],)), ("writelines", (5,)), ("truncate", ("x",)), ("close", ()),
    ("write", ("\u20ac",)), ("write", (b"x",)),
]  # fmt: skip


async def did(file, name, args, places):
    """What a call gave, on either kind of file."""

    async def do(function, *args):
        found = getattr(file, function)(*args)
        return await found if asyncio.iscoroutine(found) else found

    try:
        if name == "odd":
            name, args = args[0]
        if name == "back":
            # To a place that tell() gave before; each side has its own.
            if not places:
                return None
            return "back", bool(await do("seek", places[len(places) // 2]) >= 0)
        if name == "tell":
            places.append(await do("tell"))
            return "place"
        if name == "readinto":
            buffer = bytearray(args[0])
            return await do("readinto", buffer), bytes(buffer)
        if name == "peek":
            return bool(await do("peek"))
        if name == "lines":
            return [await do("readline") for _ in range(args[0])]
        if name == "seek" and args[1:] == (1,) and isinstance(file, (io.TextIOBase, aio.TextFile)):
            return bool(await do("seek", *args) >= 0)
        return await do(name, *args)
    except AttributeError:
        # A writer of the built-in open has no peek().
        return io.UnsupportedOperation
    except Exception as error:
        return type(error)


def same(ours, theirs, closed):
    """Equal. A closed file refuses every call, and of several things that are wrong
    with one another may be noticed first."""
    if closed and ours in (ValueError, io.UnsupportedOperation, TypeError):
        return theirs is not None
    if ours is io.UnsupportedOperation and theirs == b"":
        # readline(0) of a file that cannot be read.
        return True
    return type(ours) is type(theirs) and ours == theirs or (
        isinstance(ours, int) and isinstance(theirs, int) and ours == theirs
    )


def check(same, what, log, got, expected):
    if not same:
        raise AssertionError(f"{what}: {got!r:.500}, not {expected!r:.500}, after\n" + "\n".join(repr(entry)[:500] for entry in log))


class Stands:
    """Where two text files stand. They may say one place in different ways: before a line
    end, or after the first half of it. Both read alike from there, once they have gone
    there, but the bytes up to there are not the same, and are not there in a file that
    was cut."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs
        self.apart = self.cut = self.failed = False

    def must_skip(self, name, args):
        """Whether a call has no one right result from here."""
        if name == "seek":
            if args[1:] != (1,):
                self.apart = False
                return False
            differ = self.ours[-1:] != self.theirs[-1:]
            self.apart |= differ
            # Of what could not be decoded the built-in file has forgotten the bytes.
            return self.failed or differ and self.cut
        if name == "back":
            middle = len(self.ours) // 2
            self.apart = self.ours[middle : middle + 1] != self.theirs[middle : middle + 1]
            return self.apart and self.cut
        if name in ("write", "writelines", "truncate", "odd"):
            if self.apart:
                return True
            self.cut |= name == "truncate"
        return False


async def program(rng, folder):
    binary = rng.random() < 0.4
    mode = rng.choice(MODES) + ("b" if binary else rng.choice(["", "t"]))
    options = {}
    if not binary:
        options["encoding"] = rng.choice(ENCODINGS)
        options["newline"] = rng.choice([None, None, "", "\n", "\r", "\r\n"])
        options["errors"] = rng.choice([None, None, "strict", "ignore", "replace", "backslashreplace"])
    options["buffering"] = rng.choice([-1, -1, 1, 0, 512, -2]) if not binary else -1
    first = None if rng.random() < (0.9 if "x" in mode else 0.1) else contents(rng, options.get("encoding"))
    names = [folder / "ours", folder / "theirs"]
    for name in names:
        name.unlink(missing_ok=True)
        if first is not None:
            name.write_bytes(first)
    log = [(mode, options, first)]
    watched = not binary and rng.random() < 0.3
    try:
        theirs = open(names[1], mode, **options)
    except Exception as error:
        # Bad arguments are noticed before the file is looked for.
        with pytest.raises((type(error), ValueError)):
            await aio.open(names[0], mode, **options)
        return
    ours = await aio.open(names[0], mode, **options)
    ours_places, theirs_places = [], []
    stands = Stands(ours_places, theirs_places)
    with theirs:
        async with ours:
            for _ in range(CALLS):
                name, args = call(rng, binary)
                if name == "back" and options.get("encoding") == "iso2022_jp":
                    # CPython's decoder of it crashes (SIGSEGV) with a state of 0, which
                    # the built-in file gives it where the place is one of a write.
                    continue
                if not binary:
                    if stands.must_skip(name, args):
                        continue
                    if name == "readline" and args == (0,):
                        # The built-in file may decode for it, and fail.
                        args = (1,)
                log.append((name, args))
                expected = await did(theirs, name, args, theirs_places)
                got = await did(ours, name, args, ours_places)
                stands.failed |= expected is UnicodeDecodeError
                if not theirs.closed:
                    try:
                        theirs.flush()
                    except (OSError, ValueError):
                        pass
                check(same(got, expected, theirs.closed), "result", log, got, expected)
                check(ours.closed == theirs.closed, "closed", log, ours.closed, theirs.closed)
                left, right = (path.read_bytes() for path in names)
                check(left == right, "contents", log, left, right)
                if ours.closed:
                    continue
                if binary:
                    got, expected = await did(ours, "tell", (), []), theirs.tell()
                    check(await ours.tell() == expected, "position", log, got, expected)
                else:
                    # tell() makes the built-in file forget line ends that it saw.
                    watched = watched and name != "tell" and args[1:] != (1,)
                    if watched:
                        got, expected = ours.newlines, theirs.newlines
                        check(got == expected, "newlines", log, got, expected)
                        continue
                    got = await did(ours, "tell", (), ours_places)
                    expected = await did(theirs, "tell", (), theirs_places)
                    if expected in (UnicodeDecodeError, OverflowError) and got == "place":
                        # What the built-in file cannot find, and ours can.
                        return
                    check(got == expected, "tell", log, got, expected)
                    if ours_places and ours_places[-1] != theirs_places[-1]:
                        # Another way to say the same place: both go on alike from there.
                        log.append(("places", ours_places[-1], theirs_places[-1]))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_random_programs(tmp_path):
    start = seed()

    async def main():
        for number in range(PROGRAMS):
            try:
                await program(random.Random(start + number), tmp_path)
            except BaseException:
                print(f"ANYRING_SEED={start + number} ANYRING_PROGRAMS=1")
                raise

    aio.run(main())
