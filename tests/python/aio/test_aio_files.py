"""Files of liburing.aio against what the built-in open does."""

import asyncio
import gc
import io
import os
import random
import shutil
import sys
import warnings

import pytest

import liburing.aio as aio


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def test_positioned_reads_and_writes(run, path):
    async def main():
        async with aio.open(path, "w+b") as f:
            assert await f.write(b"0123456789") == 10
            assert await f.write(b"ab", 4) == 2
            assert await f.tell() == 10
            assert await f.read(3, 3) == b"3ab"
            assert await f.read(100, 8) == b"89"
            assert await f.read(1, 10) == b""
            assert await f.read(-1, 7) == b"789"
            buffer = bytearray(4)
            assert await f.readinto(buffer, 1) == 4 and buffer == b"123a"
            assert await f.read() == b""
        assert path.read_bytes() == b"0123ab6789"

    run(main())


def test_random_calls_do_what_the_builtin_file_does(run, tmp_path):
    """The same calls on both; results, positions and contents are equal."""
    rng = random.Random(7)
    text = b"".join(bytes(rng.choices(b"abc\n", k=rng.randrange(200))) for _ in range(2000))
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for file in (ours, theirs):
        file.write_bytes(text)

    async def main():
        with open(theirs, "r+b") as expected:
            async with aio.open(ours, "r+b") as got:
                for _ in range(600):
                    n = rng.choice([0, 1, 7, 300, 70_000, -1])
                    place = rng.randrange(len(text))
                    name, args = rng.choice(
                        [
                            ("read", (n,)),
                            ("readline", ()),
                            ("readline", (n,)),
                            ("readlines", (n,)),
                            ("seek", (place,)),
                            ("seek", (-min(place, 10), 2)),
                            ("tell", ()),
                            ("write", (text[: max(n, 0)],)),
                            ("truncate", (place,)),
                        ]
                    )
                    assert await getattr(got, name)(*args) == getattr(expected, name)(*args), name
                    assert await got.tell() == expected.tell(), name

    run(main())
    assert ours.read_bytes() == theirs.read_bytes()


TEXTS = {
    "lines": "one\ntwo\n\nfour",
    "mixed": "a\r\nb\rc\nd\r\n",
    "wide": "äöü€𝄞\nzweite Zeile\n" * 3000,
    "empty": "",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "utf-8-sig"])
@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
@pytest.mark.parametrize("text", TEXTS)
def test_text(run, path, text, newline, encoding):
    text = TEXTS[text] if encoding != "latin-1" else TEXTS[text].encode("latin-1", "ignore").decode("latin-1")
    args = {"encoding": encoding, "newline": newline}
    with open(path, "w", encoding=encoding, newline="") as f:
        f.write(text)
    with open(path, **args) as f:
        whole = f.read()
        f.seek(0)
        lines = f.readlines()
        f.seek(0)
        parts = [f.read(5), f.readline(3), f.readline(), f.read(2)]

    async def main():
        async with aio.open(path, **args) as f:
            assert await f.read() == whole
            assert await f.read() == ""
            await f.seek(0)
            assert [line async for line in f] == lines
            await f.seek(0)
            assert [
                await f.read(5), await f.readline(3), await f.readline(), await f.read(2)
            ] == parts
            if encoding in ("utf-8", "latin-1") and newline in (None, "\n"):
                place, rest = await f.tell(), await f.read()
                await f.seek(place)
                assert await f.read() == rest
        async with aio.open(path, "w", **args) as f:
            await f.write("x\ny")
            await f.writelines(["\n", "z"])
        with open(str(path) + "2", "w", **args) as f:
            f.write("x\ny\nz")
        with open(str(path) + "2", "rb") as f:
            assert path.read_bytes() == f.read()

    run(main())


def test_text_at_an_offset(run, path):
    path.write_text("äbcdef\n", encoding="utf-8")

    async def main():
        async with aio.open(path, encoding="utf-8") as f:
            assert await f.read(3, 2) == "bcd"
            assert await f.read(2) == "äb"
            assert await f.tell() == 3
            assert await f.read(-1, 3) == "cdef\n"

    run(main())


def test_modes_and_errors(run, tmp_path, path):
    async def main():
        for mode, error in [("rw", ValueError), ("z", ValueError), ("rbt", ValueError), ("", ValueError)]:
            with pytest.raises(error):
                aio.open(path, mode)
        with pytest.raises(ValueError):
            aio.open(path, "rb", encoding="utf-8")
        with pytest.raises(FileNotFoundError) as caught:
            await aio.open(path)
        assert caught.value.errno == 2 and caught.value.operation == "open"
        assert caught.value.filename == str(path)
        with pytest.raises(IsADirectoryError):
            await aio.open(tmp_path)
        async with aio.open(path, "xb") as f:
            with pytest.raises(io.UnsupportedOperation):
                await f.read()
        with pytest.raises(FileExistsError):
            await aio.open(path, "xb")
        f = await aio.open(path, "rb")
        with pytest.raises(io.UnsupportedOperation):
            await f.write(b"x")
        await f.close()
        await f.close()
        assert f.closed
        with pytest.raises(ValueError):
            await f.read()
        with pytest.raises(OSError) as caught:
            await aio.read(9999, 1)
        error = caught.value
        assert error.errno == 9 and error.operation == "read"
        assert error.strerror == os.strerror(error.errno)
        if sys.version_info >= (3, 11):
            assert error.__notes__ == ["io_uring operation: read"]

    run(main())


def test_append(run, path):
    path.write_bytes(b"first")

    async def main():
        async with aio.open(path, "ab") as f:
            assert await f.tell() == 5
            await f.write(b"second")
            assert await f.tell() == 11
        async with aio.open(path, "a+") as f:
            await f.seek(0)
            assert await f.read(5) == "first"
            await f.write("third")
        assert path.read_bytes() == b"firstsecondthird"

    run(main())


def test_a_pipe(run):
    async def main():
        r, w = os.pipe()
        async with aio.open(r, "rb") as reader, aio.open(w, "wb") as writer:
            assert not reader.seekable()
            line = asyncio.create_task(reader.readline())
            await writer.write(b"one\ntw")
            assert await line == b"one\n"
            await writer.write(b"o\n")
            assert await reader.read(2) == b"tw"
            await writer.close()
            assert await reader.read() == b"o\n"

    run(main())


def test_unclosed_file_warns_and_is_closed(run, path):
    path.write_bytes(b"x")

    async def main():
        f = await aio.open(path, "rb")
        with pytest.warns(ResourceWarning):
            del f

    run(main())


@pytest.mark.parametrize("size", [0, 1, 4096, 3_000_001])
def test_copyfile(run, tmp_path, size):
    src, dst = tmp_path / "src", tmp_path / "dst"
    src.write_bytes(random.Random(size).randbytes(size))
    dst.write_bytes(b"x" * 10_000)

    async def main():
        assert await aio.copyfile(src, dst, chunk=100_000) == dst
        with pytest.raises(shutil.SameFileError):
            await aio.copyfile(src, src)
        with pytest.raises(FileNotFoundError):
            await aio.copyfile(tmp_path / "none", dst)
        await aio.copyfile("/proc/self/status", tmp_path / "status")

    run(main())
    assert dst.read_bytes() == src.read_bytes()
    assert b"Pid:" in (tmp_path / "status").read_bytes()


def test_file_system_calls(run, tmp_path):
    async def main():
        file = tmp_path / "file"
        file.write_bytes(b"12345")
        assert await aio.stat(file) == os.stat(file)
        for time in (1, 10**9 - 1, 1796081140_873282099, -1, -1796081140_873282099):
            os.utime(file, ns=(time, time))
            got, expected = await aio.stat(file), os.stat(file)
            for name in ("st_mtime", "st_mtime_ns", "st_atime", "st_ctime"):
                assert getattr(got, name) == getattr(expected, name), (name, time)
        await aio.symlink("file", tmp_path / "sym")
        found = await aio.stat(tmp_path / "sym", follow_symlinks=False)
        assert found == os.lstat(tmp_path / "sym")
        await aio.link(file, tmp_path / "hard")
        assert (await aio.stat(file)).st_nlink == 2
        await aio.rename(tmp_path / "hard", tmp_path / "moved")
        await aio.mkdir(tmp_path / "dir", 0o700)
        assert (tmp_path / "dir").is_dir()
        await aio.rmdir(tmp_path / "dir")
        await aio.remove(tmp_path / "moved")
        with pytest.raises(FileNotFoundError) as caught:
            await aio.unlink(tmp_path / "moved")
        assert caught.value.filename == tmp_path / "moved"
        assert caught.value.operation == "unlink"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "sym"]

    run(main())


def test_many_reads_at_once(run, path):
    """More than the queue holds, in one turn of the loop."""
    data = random.Random(3).randbytes(1 << 20)
    path.write_bytes(data)

    async def main():
        async with aio.open(path, "rb") as f:
            places = [random.randrange(len(data) - 64) for _ in range(5000)]
            found = await asyncio.gather(*(f.read(64, place) for place in places))
        assert found == [data[place : place + 64] for place in places]

    run(main())


def test_fsync_and_truncate(run, path):
    async def main():
        async with aio.open(path, "w+b") as f:
            await f.write(b"0123456789")
            await f.fsync()
            await f.fsync(data_only=True)
            await aio.fsync(f)
            assert await f.truncate(4) == 4
            assert (await aio.stat(f.fileno())).st_size == 4
            await f.seek(2)
            assert await f.truncate() == 2
            await f.flush()
        assert path.read_bytes() == b"01"

    run(main())


def test_an_unknown_encoding_closes_the_file_once(run, path, monkeypatch):
    path.write_text("text")
    closed = []
    close = os.close
    monkeypatch.setattr(os, "close", lambda fd: (closed.append(fd), close(fd)))

    async def main():
        with pytest.raises(LookupError):
            await aio.open(path, encoding="no such encoding")
        gc.collect()
        assert len(closed) == 1

    run(main())


def test_a_forgotten_file_is_closed_when_warnings_are_errors(run, path):
    path.write_text("text")

    async def main():
        file = await aio.open(path, "rb")
        fd = file.fileno()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # The warning cannot be raised from a destructor: it is reported.
            hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
            try:
                del file
                gc.collect()
            finally:
                sys.unraisablehook = hook
        with pytest.raises(OSError):
            os.fstat(fd)

    run(main())


def test_a_write_of_nothing_moves_nothing(run, path):
    path.write_bytes(b"line\n")

    async def main():
        async with aio.open(path, "a+b") as f:
            await f.seek(0)
            for nothing in (b"", bytearray(), memoryview(b"")):
                assert await f.write(nothing) == 0
            assert await f.readline() == b"line\n"

    run(main())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_places_of_text_with_a_byte_order_mark(run, tmp_path, encoding):
    """tell() after each character, and seek() to each; text written from there."""
    text = "first\nzwölf\n€\n"
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"

    async def main():
        for path in (ours, theirs):
            path.write_text(text, encoding=encoding)
        async with aio.open(ours, encoding=encoding) as f:
            places = []
            for _ in range(len(text) + 1):
                places.append(await f.tell())
                await f.read(1)
            for count, place in enumerate(places):
                assert await f.seek(place) == place
                assert await f.read() == text[count:]
        for count, place in enumerate(places):
            new = text[count:].swapcase()
            for path in (ours, theirs):
                path.write_text(text, encoding=encoding)
            async with aio.open(ours, "r+", encoding=encoding) as f:
                await f.seek(place)
                await f.write(new)
                await f.seek(0)
                got = await f.read()
            with open(theirs, "r+", encoding=encoding) as f:
                f.read(count)
                f.seek(f.tell())
                f.write(new)
                f.seek(0)
                assert f.read() == got
            assert ours.read_bytes() == theirs.read_bytes()

    run(main())


def test_a_large_read_is_not_copied(run, path):
    """The memory of a whole file is had once, and what comes before and behind the
    size the file said is there too."""
    size = 64 << 20
    data = random.Random(5).randbytes(1 << 20) * (size >> 20)
    path.write_bytes(data)

    def grown():
        with open("/proc/self/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields["VmHWM"].split()[0]) << 10

    def forget():
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")

    async def main():
        async with aio.open(path, "r+b") as f:
            assert await f.readline(3) == data[:3]
            try:
                forget()
            except OSError as error:
                pytest.skip(f"the peak of memory cannot be reset: {error}")
            before = grown()
            found = await f.read()
            more = grown() - before
            assert found == data[3:]
            assert more < size * 1.25, more
            del found
            for call, expected in (
                (f.read(size, 5), data[5:]), (f.read(1 << 40, 7), data[7:]),
                (f.read(size - 9, 9), data[9:]), (f.read(1 << 20, size - 2), data[-2:]),
            ):
                forget()
                before = grown()
                found = await call
                more = grown() - before
                assert found == expected
                assert more < size * 1.25, more
                del found

    run(main())


def test_reads_of_files_that_change_size(run, path, monkeypatch):
    """A file that is longer or shorter than its size was a moment ago."""
    path.write_bytes(b"0123456789" * 100_000)
    size_of = aio.File._size

    async def main():
        for change in (-300_000, 0, 400_000):

            async def size(self, fd, change=change):
                return await size_of(self, fd) + change

            monkeypatch.setattr(aio.File, "_size", size)
            async with aio.open(path, "rb") as f:
                assert await f.read() == path.read_bytes()
                assert await f.read(900_000, 5) == path.read_bytes()[5:900_005]
                assert await f.read(2_000_000, 5) == path.read_bytes()[5:]

    run(main())


def test_a_file_without_a_size(run):
    async def main():
        async with aio.open("/proc/self/status") as f:
            assert (await f.read()).startswith("Name:")
        async with aio.open("/dev/zero", "rb") as f:
            assert f.seekable()
            assert await f.read(300_000) == bytes(300_000)

    run(main())


def test_readers_of_one_text_file_take_turns(run, path):
    lines = [f"{number} {'x' * (number % 90)}\n" for number in range(3000)]
    path.write_text("".join(lines))

    async def main():
        async with aio.open(path) as f:

            async def reader():
                return [line async for line in f]

            found = await asyncio.gather(*(reader() for _ in range(5)))
        assert sorted(sum(found, []), key=lambda line: int(line.split()[0])) == lines

    run(main())


def test_readinto_fills_the_buffer(run, path):
    path.write_bytes(b"line\n" + b"0123456789" * 10)

    async def main():
        async with aio.open(path, "rb") as f:
            assert await f.readline() == b"line\n"
            buffer = bytearray(95)
            assert await f.readinto(buffer) == 95 and buffer.startswith(b"0123")
            assert await f.tell() == 100
            assert await f.readinto(buffer) == 5 and buffer[:5] == b"56789"
            assert await f.readinto(buffer) == 0
            await f.seek(0)
            await f.peek()
            with pytest.raises(TypeError):
                await f.readinto(b"12345")
            assert await f.tell() == 0

    run(main())
