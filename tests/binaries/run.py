#!/usr/bin/env python3
"""Runs programs of the distribution on our liburing.so.2 and checks what they do.

Usage: run.py --libdir DIR

A program that is not installed, or that does not link liburing, is skipped with
the reason. Ends with `N passed, N failed, N skipped`.
"""

import argparse
import filecmp
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time


class Skip(Exception):
    """The program cannot be tested here."""


class Failure(Exception):
    """The program did something else than it should."""


class Runner:
    def __init__(self, libdir: pathlib.Path, folder: pathlib.Path) -> None:
        self.libdir = libdir
        self.folder = folder
        self.environment = dict(os.environ, LD_LIBRARY_PATH=str(libdir))

    def run(self, *command: object, check: bool = True) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        if check and done.returncode != 0:
            raise Failure(f"{command} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def needs(self, program: str) -> str:
        """The program's path, after checking that it would use our library."""
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
        if path is None:
            raise Skip(f"{program} is not installed")
        loaded = self.run("ldd", path)
        match = re.search(r"liburing\.so\.2 => (\S+)", loaded)
        if match is None:
            raise Skip(f"{program} does not link liburing.so.2")
        if pathlib.Path(match[1]).resolve().parent != self.libdir.resolve():
            raise Failure(f"{program} loads {match[1]}, not ours")
        return path

    def random_file(self, name: str, size: int) -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(random.Random(size).randbytes(size))
        return path


def io_uring_works(runner: Runner) -> None:
    """qemu falls back silently where io_uring is denied; say so instead."""
    probe = "import ctypes,sys;l=ctypes.CDLL(sys.argv[1]);b=ctypes.create_string_buffer(216);print(l.io_uring_queue_init(2,b,0))"
    result = int(runner.run(sys.executable, "-c", probe, runner.libdir / "liburing.so.2"))
    if result < 0:
        raise Skip(f"io_uring is not available: {os.strerror(-result)}")


def qemu_img_convert(runner: Runner) -> None:
    """Writes and reads an image back through io_uring."""
    img = runner.needs("qemu-img")
    io_uring_works(runner)
    raw = runner.random_file("disk.raw", 32 << 20)
    qcow = runner.folder / "disk.qcow2"
    back = runner.folder / "back.raw"
    runner.run(img, "convert", "-f", "raw", "-O", "qcow2", raw, qcow)
    runner.run(img, "convert", "-f", "qcow2", "-O", "raw", qcow, back)
    if not filecmp.cmp(raw, back, shallow=False):
        raise Failure("the image came back different")
    runner.run(img, "check", qcow)


def qemu_img_bench(runner: Runner) -> None:
    """Reads, writes and flushes with 64 requests in flight."""
    img = runner.needs("qemu-img")
    io_uring_works(runner)
    raw = runner.random_file("bench.raw", 16 << 20)
    before = raw.read_bytes()
    common = ["bench", "-f", "raw", "-i", "io_uring", "-d", "64", "-c", "5000"]
    if "completed" not in runner.run(img, *common, raw):
        raise Failure("the read run did not complete")
    if raw.read_bytes() != before:
        raise Failure("reading changed the file")
    output = runner.run(
        img, *common, "-w", "--pattern", "0x5a", "--flush-interval", "64", raw
    )
    if "completed" not in output:
        raise Failure("the write run did not complete")
    written = raw.read_bytes()[: 5000 * 4096]
    if written.strip(b"\x5a"):
        raise Failure("not everything was written")


def qemu_io_patterns(runner: Runner) -> None:
    """Writes patterns with io_uring and verifies them with it."""
    io = runner.needs("qemu-io")
    io_uring_works(runner)
    raw = runner.folder / "patterns.raw"
    raw.write_bytes(bytes(8 << 20))
    commands = []
    for step in range(32):
        commands += ["-c", f"aio_write -P {step + 1} {step * 131072} 65536"]
    commands += ["-c", "aio_flush", "-c", "flush"]
    runner.run(io, "-f", "raw", "--aio", "io_uring", *commands, raw)
    for step in range(32):
        block = raw.read_bytes()[step * 131072 : step * 131072 + 65536]
        if block != bytes([step + 1]) * 65536:
            raise Failure(f"block {step} is not what was written")
    checks = []
    for step in range(32):
        checks += ["-c", f"read -P {step + 1} {step * 131072} 65536"]
    output = runner.run(io, "-f", "raw", "--aio", "io_uring", *checks, raw)
    if "verification failed" in output or output.count("read 65536/65536") != 32:
        raise Failure(f"the patterns do not verify:\n{output}")


def plocate_search(runner: Runner) -> None:
    """Builds a database and finds files in it; plocate frees our probe block."""
    locate = runner.needs("plocate")
    updatedb = shutil.which("updatedb.plocate", path="/usr/sbin:/usr/bin")
    if updatedb is None:
        raise Skip("updatedb.plocate is not installed")
    tree = runner.folder / "tree"
    names = [f"d{n % 17}/needle-{n}.txt" for n in range(3000)]
    for name in names:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    database = runner.folder / "plocate.db"
    runner.run(
        updatedb, "-l", "0", "-U", tree, "-o", database,
        "--prunepaths", "", "--prunefs", "", "--prune-bind-mounts", "no",
    )
    found = set(runner.run(locate, "-d", database, "needle").split())
    wanted = {str(tree / name) for name in names}
    if found != wanted:
        raise Failure(f"found {len(found)} names, {len(found ^ wanted)} of them wrong")
    if runner.run(locate, "-d", database, "nothing-like-it", check=False).strip():
        raise Failure("found a name that is not there")


def mariadb_server(runner: Runner) -> None:
    """InnoDB on io_uring: one thread waits while others submit."""
    server = runner.needs("mariadbd")
    install = shutil.which("mariadb-install-db")
    client = shutil.which("mariadb")
    if install is None or client is None:
        raise Skip("mariadb-install-db or the client is not installed")
    io_uring_works(runner)
    data = runner.folder / "data"
    # A server run by root must be told so.
    user = ["--user=root"] if os.geteuid() == 0 else []
    runner.run(install, "--no-defaults", *user, f"--datadir={data}",
               "--auth-root-authentication-method=normal")
    end = runner.folder / "socket"
    log = runner.folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [server, "--no-defaults", *user, f"--datadir={data}", f"--socket={end}",
             "--skip-networking", "--innodb-use-native-aio=1",
             "--innodb-buffer-pool-size=16M", "--innodb-flush-method=O_DIRECT"],
            env=runner.environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        for _ in range(300):
            if end.exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        if "Using io_uring" not in log.read_text():
            raise Skip("this server does not use io_uring here")
        statements = """
            create database t; use t;
            create table a (id int primary key auto_increment, v varchar(400), k int, key(k));
            insert into a (v, k) select repeat(md5(seq), 10), seq % 1000 from seq_1_to_50000;
            update a set v = repeat(md5(id * 3), 10) where k % 3 = 0;
            check table a extended;
            select count(*), sum(md5(v) = md5(repeat(md5(if(k % 3 = 0, id * 3, id)), 10))) from a;
        """
        output = runner.run(client, "--no-defaults", "-u", "root" if user else os.getlogin(),
                            "-S", end, "--skip-column-names", "-e", statements)
        if output.split()[-2:] != ["50000", "50000"] or "OK" not in output:
            raise Failure(f"the table is not what was written:\n{output}")
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise Failure(f"the server ended with {process.returncode}:\n{log.read_text()[-2000:]}")


TESTS = [qemu_img_convert, qemu_img_bench, qemu_io_patterns, plocate_search, mariadb_server]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    libdir = parser.parse_args().libdir.resolve()
    passed = failed = skipped = 0
    for test in TESTS:
        with tempfile.TemporaryDirectory(prefix="binaries-") as folder:
            try:
                test(Runner(libdir, pathlib.Path(folder)))
            except Skip as reason:
                skipped += 1
                print(f"skip {test.__name__}: {reason}")
            except (Failure, subprocess.TimeoutExpired) as failure:
                failed += 1
                print(f"FAIL {test.__name__}: {failure}")
            else:
                passed += 1
                print(f"ok   {test.__name__}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed + skipped else 0


if __name__ == "__main__":
    sys.exit(main())
