"""The names of aiofiles in liburing.aio, with the table of the guide."""

import asyncio
import concurrent.futures
import errno
import io
import os
import pathlib
import re
import sys
import tempfile

import pytest

import liburing.aio.os
import liburing.aio.tempfile
from liburing import aio

GUIDE = pathlib.Path(__file__).parents[3] / "docs" / "python-asyncio.md"
# What aiofiles 25.1 has.
NAMES = {
    "": "open tempfile stdin stdout stderr stdin_bytes stdout_bytes stderr_bytes",
    "os": "path stat rename renames replace remove unlink mkdir makedirs rmdir removedirs symlink "
    "readlink listdir scandir access wrap getcwd link sendfile statvfs",
    "ospath": "abspath getatime getctime getmtime getsize exists isdir isfile islink ismount "
    "samefile sameopenfile",
    "tempfile": "NamedTemporaryFile TemporaryFile SpooledTemporaryFile TemporaryDirectory",
}  # fmt: skip


def table():
    """`{name: where}` of the guide."""
    section = GUIDE.read_text().split("## Moving from aiofiles")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*) \| (ring|executor|at once) \|$", section, re.M)
    return {name: where for names, where in rows for name in re.findall(r"`([^`]+)`", names)}


def find(name):
    found = aio
    for part in name.split("."):
        found = getattr(found, part)
    return found


def test_every_name_is_there_and_in_the_guide():
    rows = table()
    for module, names in NAMES.items():
        for name in names.split():
            full = f"{module}.{name}".lstrip(".")
            assert find(full)
            assert full in rows or full in ("os.path", "tempfile"), full
    assert aio.os.path is aio.ospath
    for module in (aio, aio.os, aio.ospath, aio.tempfile):
        for name in module.__all__:
            assert getattr(module, name).__doc__, name


def calls(folder, monkeypatch):
    """A call of each name of the table: it gives what os and tempfile do."""
    paths = iter(range(1000))

    def file(text="text"):
        path = folder / str(next(paths))
        path.write_text(text)
        return path

    def new():
        return folder / str(next(paths))

    def made():
        path = new()
        path.mkdir()
        return path

    async def opened():
        async with aio.open(file()) as f:
            assert await f.read() == "text"

    async def moved(function):
        path, to = file(), new()
        await function(path, to)
        assert to.read_text() == "text" and not path.exists()

    async def gone(function, path):
        await function(path)
        assert not path.exists()

    async def new_folder(function, path):
        await function(path, 0o700)
        assert path.is_dir() and path.stat().st_mode & 0o777 == 0o700

    async def linked(function):
        path, to = file(), new()
        await function(path, to)
        assert to.samefile(path)

    async def same(function, check, *args):
        found, expected = await function(*args), check(*args)
        if isinstance(expected, os.statvfs_result):
            # Other programs take and give back blocks and inodes in between.
            assert type(found) is os.statvfs_result
            names = ("f_bsize", "f_frsize", "f_blocks", "f_flag", "f_namemax")
            found, expected = ([getattr(one, name) for name in names] for one in (found, expected))
        assert found == expected

    async def scanned():
        path = made()
        for name in "abc":
            (path / name).touch()
        async with await aio.os.scandir(path) as entries:
            assert next(entries).is_file()
            assert len([entry.name async for entry in entries]) == 2

    async def walked():
        top = made()
        (top / "a" / "b").mkdir(parents=True)
        (top / "a" / "file").touch()
        (top / "link").symlink_to(top / "a")
        for options in ({}, {"topdown": False}, {"followlinks": True}):
            found = [level async for level in aio.os.walk(top, **options)]
            assert found == list(os.walk(top, **options))
        async for _, dirs, _ in aio.os.walk(top):
            dirs.clear()
        errors = []
        assert [level async for level in aio.os.walk(top / "none", onerror=errors.append)] == []
        assert isinstance(errors[0], FileNotFoundError)

    async def sent():
        with open(file("abc"), "rb") as src, open(new(), "w+b") as dst:
            assert await aio.os.sendfile(dst.fileno(), src.fileno(), 0, 3) == 3
            dst.seek(0)
            assert dst.read() == b"abc"

    async def temporary(function, **options):
        async with function(mode="w+", encoding="utf-8", dir=folder, **options) as f:
            await f.write("äb\n")
            await f.seek(0)
            assert [line async for line in f] == ["äb\n"]
            name = f.name
        assert f.closed and not (isinstance(name, str) and os.path.exists(name))

    async def directory():
        async with aio.tempfile.TemporaryDirectory(dir=folder) as name:
            assert os.stat(name).st_mode & 0o777 == 0o700
            (pathlib.Path(name) / "file").touch()
        assert not os.path.exists(name)

    async def standard(name, stream):
        stream = io.TextIOWrapper(io.BytesIO(b"line\nmore"), newline="", write_through=True)
        raw = name.endswith("_bytes")
        monkeypatch.setattr(sys, name.removesuffix("_bytes"), stream)
        file = getattr(aio, name)
        kind = (lambda text: text.encode()) if raw else str
        if name.startswith("stdin"):
            assert await file.readline() == kind("line\n")
            assert [line async for line in file] == [kind("more")]
        else:
            await file.write(kind("text"))
            await file.flush()
            assert stream.buffer.getvalue() == b"textmore"[: 4] + b"\nmore"
        monkeypatch.undo()

    async def wrapped():
        async with aio.wrap(open(file("one\ntwo"))) as f:
            assert [line async for line in f] == ["one\n", "two"]
        assert f.closed
        with pytest.raises(TypeError):
            aio.wrap(int)

    async def at_once():
        assert aio.ospath.join("a", "b") == "a/b"

    o, p, t = aio.os, aio.ospath, aio.tempfile
    path = file()
    link = new()
    link.symlink_to(path)
    found = {
        "open": opened,
        "os.stat": lambda: same(o.stat, os.stat, path),
        **{f"os.{name}": lambda name=name: moved(getattr(o, name)) for name in ("rename", "replace")},
        **{f"os.{name}": lambda name=name: gone(getattr(o, name), file()) for name in ("remove", "unlink")},
        "os.mkdir": lambda: new_folder(o.mkdir, new()),
        "os.rmdir": lambda: gone(o.rmdir, made()),
        "os.link": lambda: linked(o.link), "os.symlink": lambda: linked(o.symlink),
        "os.makedirs": lambda: new_folder(o.makedirs, new() / "a" / "b"),
        "os.removedirs": lambda: gone(o.removedirs, made()),
        "os.renames": lambda: moved(o.renames),
        "os.listdir": lambda: same(o.listdir, os.listdir, folder),
        "os.scandir": scanned, "os.walk": walked,
        "os.readlink": lambda: same(o.readlink, os.readlink, link),
        "os.access": lambda: same(o.access, os.access, path, os.W_OK),
        "os.statvfs": lambda: same(o.statvfs, os.statvfs, "/proc"),
        "os.sendfile": sent, "os.getcwd": lambda: same(o.getcwd, os.getcwd),
        "os.wrap": lambda: same(o.wrap(os.getpid), os.getpid),
        **{
            f"ospath.{name}": lambda name=name: same(getattr(p, name), getattr(os.path, name), link)
            for name in ("exists", "lexists", "isfile", "isdir", "islink", "ismount", "getsize",
                         "getatime", "getmtime", "getctime", "abspath", "realpath")
        },
        "ospath.samefile": lambda: same(p.samefile, os.path.samefile, path, link),
        "ospath.sameopenfile": lambda: same(p.sameopenfile, os.path.sameopenfile, 0, 0),
        "ospath.join": at_once,
        "tempfile.TemporaryFile": lambda: temporary(t.TemporaryFile),
        "tempfile.NamedTemporaryFile": lambda: temporary(t.NamedTemporaryFile),
        "tempfile.SpooledTemporaryFile": lambda: temporary(t.SpooledTemporaryFile, max_size=100),
        "tempfile.TemporaryDirectory": directory, "wrap": wrapped,
    }  # fmt: skip
    for name in ("stdin", "stdout", "stderr"):
        for each in (name, f"{name}_bytes"):
            found[each] = lambda each=each: standard(each, None)
    return found


@pytest.mark.parametrize("name", table())
def test_what_the_table_says(run, name, tmp_path, monkeypatch):
    """Each works, through the ring or by the executor."""
    used = []
    tempfile.gettempdir()
    call = calls(tmp_path, monkeypatch)[name]

    async def main():
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            submit = pool.submit
            pool.submit = lambda *args, **kwargs: used.append(args) or submit(*args, **kwargs)
            asyncio.get_running_loop().set_default_executor(pool)
            await call()

    run(main())
    assert bool(used) == (table()[name] == "executor")


def test_a_call_for_each_row_of_the_table(tmp_path, monkeypatch):
    assert calls(tmp_path, monkeypatch).keys() == table().keys()


def test_answers_are_awaited_or_not(run, tmp_path):
    path = tmp_path / "file"

    async def main():
        for mode in ("w+", "wb", "rb", "r"):
            async with aio.open(path, mode) as f:
                with open(path, mode) as expected:
                    for name in ("readable", "writable", "seekable", "isatty"):
                        value = getattr(f, name)()
                        assert value == getattr(expected, name)()
                        assert bool(value) is await getattr(f, name)()
                assert type(await f.fileno()) is int
                os.fstat(f.fileno())
                assert repr(f.writable()) in ("True", "False")

    run(main())


def test_errors_are_those_of_os(run, tmp_path):
    """Type, number, text, paths; keywords that there are not."""

    async def main():
        none, folder = tmp_path / "none", tmp_path / "folder"
        folder.mkdir()
        (folder / "file").touch()
        for name, args in (
            ("stat", (none,)), ("stat", ("",)), ("remove", (none,)), ("remove", (folder,)), ("rmdir", (none,)),
            ("rmdir", (folder,)), ("mkdir", (folder,)), ("mkdir", ("",)), ("rename", (none, none)),
            ("link", (none, folder / "x")), ("symlink", ("x", folder)), ("listdir", (none,)),
            ("scandir", (none,)), ("readlink", (folder,)), ("makedirs", (folder,)),
            ("makedirs", (folder / "file" / "x",)), ("removedirs", (folder,)), ("renames", (none, folder / "a" / "b")),
            ("statvfs", (none,)), ("stat", ("a\0b",)), ("stat", (1.5,)), ("stat", (999_999,)),
        ):  # fmt: skip
            with pytest.raises(Exception) as theirs:
                getattr(os, name)(*args)
            if name == "renames":
                os.rmdir(folder / "a")
            with pytest.raises(Exception) as ours:
                await getattr(aio.os, name)(*args)
            assert type(ours.value) is type(theirs.value), (name, args)
            if isinstance(theirs.value, OSError):
                ours, theirs = ours.value, theirs.value
                assert (ours.errno, ours.strerror) == (theirs.errno, os.strerror(theirs.errno))
                if args != (999_999,):
                    for part in ("filename", "filename2"):
                        mine, other = getattr(ours, part), getattr(theirs, part)
                        assert (mine and os.fspath(mine)) == (other and os.fspath(other))
        for call in (
            lambda: aio.open(none, bogus=1), lambda: aio.os.stat(none, bogus=1),
            lambda: aio.os.listdir(none, bogus=1), lambda: aio.os.makedirs(none, bogus=1),
            lambda: aio.ospath.exists(none, bogus=1), lambda: aio.tempfile.TemporaryFile(bogus=1),
        ):
            with pytest.raises(TypeError, match="bogus"):
                await call()
        other = asyncio.new_event_loop()
        for call in (
            lambda: aio.open(none, loop=other), lambda: aio.os.stat(none, loop=other),
            lambda: aio.os.listdir(none, loop=other), lambda: aio.tempfile.TemporaryFile(loop=other),
        ):
            with pytest.raises(RuntimeError, match="loop"):
                await call()
        other.close()

    run(main())


def test_directories_by_descriptor(run, tmp_path):
    async def main():
        fd = os.open(tmp_path, os.O_PATH)
        try:
            await aio.os.mkdir("a", dir_fd=fd)
            await aio.os.symlink("a", "b", dir_fd=fd)
            assert await aio.os.stat("b", dir_fd=fd) == os.stat(tmp_path / "a")
            assert await aio.os.readlink("b", dir_fd=fd) == "a"
            await aio.os.rename("b", "c", src_dir_fd=fd, dst_dir_fd=fd)
            await aio.os.link("c", "d", src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
            await aio.os.unlink("c", dir_fd=fd)
            await aio.os.rmdir("a", dir_fd=fd)
            assert os.listdir(tmp_path) == ["d"]
        finally:
            os.close(fd)

    run(main())


def test_temporary_files_as_tempfile_has_them(run, tmp_path):
    async def main():
        for mode in ("r+", "w+", "w+b", "rb+", "wb"):
            async with aio.tempfile.NamedTemporaryFile(mode, dir=tmp_path, prefix="p", suffix="s") as f:
                name = os.path.basename(f.name)
                assert name.startswith("p") and name.endswith("s") and f.delete
                assert os.stat(f.name).st_mode & 0o777 == 0o600
            assert not os.listdir(tmp_path)
        f = await aio.tempfile.NamedTemporaryFile(dir=tmp_path, delete=False)
        await f.close()
        assert os.listdir(tmp_path) == [os.path.basename(f.name)]
        os.unlink(f.name)
        async with aio.tempfile.NamedTemporaryFile(dir=tmp_path, delete_on_close=False) as f:
            await f.close()
            assert os.path.exists(f.name)
        assert not os.listdir(tmp_path)
        with pytest.warns(ResourceWarning):
            f = await aio.tempfile.NamedTemporaryFile("w", dir=tmp_path)
            del f
        assert not os.listdir(tmp_path)
        with pytest.raises(TypeError):
            await aio.tempfile.NamedTemporaryFile(prefix=b"x", suffix="y")
        with pytest.raises(FileNotFoundError):
            await aio.tempfile.NamedTemporaryFile(dir=tmp_path / "none")
        with pytest.raises(FileNotFoundError):
            await aio.tempfile.TemporaryFile(dir=tmp_path / "none")
        with pytest.raises(LookupError):
            await aio.tempfile.NamedTemporaryFile("w", encoding="no such", dir=tmp_path)
        assert not os.listdir(tmp_path)
        made = await aio.tempfile.TemporaryDirectory(dir=os.fsencode(tmp_path))
        assert os.path.isdir(made.name) and isinstance(made.name, bytes)
        await made.close()
        await made.cleanup()
        with pytest.warns(ResourceWarning):
            made = await aio.tempfile.TemporaryDirectory(dir=tmp_path)
            del made
        assert not os.listdir(tmp_path)

    run(main())


def test_a_file_where_there_are_none_without_names(run, tmp_path, monkeypatch):
    """File systems without O_TMPFILE."""
    make = aio.tempfile._make_descriptor

    async def refuse(function, dir, name, flags, mode):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return await make(function, dir, name, flags, mode)

    monkeypatch.setattr(aio.tempfile, "_make_descriptor", refuse)

    async def main():
        async with aio.tempfile.TemporaryFile(dir=tmp_path) as f:
            assert not os.listdir(tmp_path)
            await f.write(b"data")
            assert await f.read(4, 0) == b"data"

    run(main())


@pytest.mark.parametrize("newline", [None, "\r\n"])
@pytest.mark.parametrize("encoding", [None, "utf-8", "utf-16"])
def test_a_spooled_file_goes_to_disk_where_tempfile_s_does(run, tmp_path, encoding, newline):
    options = {"encoding": encoding, "newline": newline} if encoding else {}
    mode = "w+" if encoding else "w+b"
    kind = str if encoding else str.encode
    steps = [
        ("write", "line\n"), ("write", "ä\n" if encoding else "a\n"), ("seek", 0), ("readline",),
        ("tell",), ("writelines", ["x" * 10, "y\n"]), ("seek", 0), ("read",), ("seek", 0, 2),
        ("write", "z" * 50), ("tell",), ("seek", 0), ("readlines",), ("truncate", 8), ("seek", 0), ("read",),
    ]  # fmt: skip

    async def main():
        theirs = tempfile.SpooledTemporaryFile(20, mode, dir=tmp_path, **options)
        with theirs:
            async with aio.tempfile.SpooledTemporaryFile(20, mode, dir=tmp_path, **options) as ours:
                for name, *args in steps:
                    if name == "write":
                        args = [kind(args[0])]
                    if name == "writelines":
                        args = [[kind(line) for line in args[0]]]
                    got = await getattr(ours, name)(*args)
                    expected = getattr(theirs, name)(*args)
                    if name not in ("seek", "truncate"):
                        assert got == expected, (name, args)
                    assert ours._rolled == theirs._rolled, (name, args)
                assert os.fstat(await ours.fileno()).st_size == 8
            assert ours.closed
            with pytest.raises(ValueError):
                await ours.read()

    run(main())


def test_detached_files_are_those_of_the_standard_library(run, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    async def main():
        f = await aio.open(path, "rb")
        await f.read(3)
        with f.detach() as raw:
            assert type(raw) is io.FileIO and raw.read(2) == b"34"
            for call in (f.read, f.close, f.tell):
                with pytest.raises(ValueError, match="detached"):
                    await call()
        for mode in ("r", "r+", "a"):
            f = await aio.open(path, mode)
            with f.detach() as raw:
                with open(path, mode).detach() as expected:
                    assert type(raw) is type(expected)
                with pytest.raises(ValueError, match="detached"):
                    await f.close()
        assert path.read_bytes() == b"0123456789"
        # What is only written is not cut off when it goes to another object.
        f = await aio.open(path, "wb")
        await f.write(b"abc")
        with f.detach() as raw:
            raw.write(b"def")
        assert path.read_bytes() == b"abcdef"

    run(main())


def test_an_opener(run, tmp_path):
    path = tmp_path / "file"
    seen = []

    def opener(name, flags):
        seen.append((name, flags & os.O_CREAT))
        return os.open(name, flags, 0o600)

    async def main():
        async with aio.open(path, "w", opener=opener) as f:
            await f.write("text")
            assert not os.get_inheritable(f.fileno())
        assert path.stat().st_mode & 0o777 == 0o600 and path.read_text() == "text"
        assert seen == [(str(path), os.O_CREAT)]
        for wrong, error in ((lambda *_: -1, ValueError), (lambda *_: "x", TypeError)):
            with pytest.raises(error):
                await aio.open(path, opener=wrong)

    run(main())
