#!/usr/bin/env python3
"""Builds every example as C and as C++ and checks what each of them does.

Ends with `N passed, N failed, N skipped`. Where io_uring, the loopback interface or a
C++ compiler is not available, what needs it is skipped with that reason.
"""

import argparse
import errno
import http.client
import os
import pathlib
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from build import COMPILERS, HERE, Server, build, examples, no_loopback  # noqa: E402

DATA = random.Random(7).randbytes(3 * 1024 * 1024 + 1)


class Suite:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.programs = {}
        self.passed = self.failed = self.skipped = 0
        self.folder = None

    def check(self, name: str, test, *arguments: object) -> None:
        try:
            test(*arguments)
        except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError,
                http.client.HTTPException) as problem:
            self.failed += 1
            print(f"FAIL {name}: {type(problem).__name__}: {problem}")
        else:
            self.passed += 1
            print(f"ok   {name}")

    def skip(self, name: str, reason: str, count: int = 1) -> None:
        self.skipped += count
        print(f"skip {name}: {reason}")

    def run(self, name: str, *arguments: object, status: int = 0, prefix: tuple = ()) -> str:
        done = subprocess.run([*map(str, prefix), str(self.programs[name]), *map(str, arguments)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, check=False)
        assert done.returncode == status, f"ended with {done.returncode}: {done.stdout}"
        return done.stdout

    def file(self, name: str, data: bytes) -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(data)
        return path


def read_one(suite: Suite) -> None:
    assert suite.run("read-one", suite.file("short", b"hello")) == "tag=42 bytes=5\n"
    assert suite.run("read-one", suite.file("long", DATA)) == "tag=42 bytes=4096\n"
    assert "No such file" in suite.run("read-one", suite.folder / "absent", status=1)
    assert "Is a directory" in suite.run("read-one", suite.folder, status=1)
    suite.run("read-one", status=2)


def read_batch(suite: Suite) -> None:
    output = suite.run("read-batch", suite.file("batch", DATA)).splitlines()
    submitted = [int(n) for n in output[0].split(":")[1].split()]
    completed = [int(n) for n in output[1].split(":")[1].split()]
    assert submitted == sorted(completed) and submitted != completed, output
    assert completed[-2:] in ([0, 1], [1, 0]), output
    assert output[2] == f"bytes={6 * 4096 + 2 * 4} operations=8", output


def copy(suite: Suite) -> None:
    target = suite.folder / "copy"
    for size, options in ((0, []), (1, []), (131072, []), (len(DATA), []), (len(DATA), ["-d1"]),
                          (len(DATA), ["-d", "3", "-b", "5000"])):
        source = suite.file("original", DATA[:size])
        assert f"bytes={size} " in suite.run("cp", *options, source, target)
        assert target.read_bytes() == DATA[:size]
    large = suite.folder / "large"
    with large.open("wb") as file:
        for _ in range(20):
            file.write(DATA)
        file.write(b"end")
    suite.run("cp", large, target)
    assert target.read_bytes() == large.read_bytes()
    suite.run("cp", suite.folder / "absent", target, status=1)
    suite.run("cp", large, suite.folder / "no" / "folder", status=1)
    suite.run("cp", "-d", "0", large, target, status=2)


def registered(suite: Suite) -> None:
    assert suite.run("registered", suite.file("reg", DATA)).startswith("bytes=4096 ")
    suite.run("registered", suite.folder / "absent", status=1)


def sqpoll(suite: Suite) -> None:
    output = suite.run("sqpoll", suite.file("poll", DATA))
    counts = [int(n) for n in re.findall(r"=(\d+)", output)]
    assert counts[0] == 64 * 4096 and counts[1] == 64, output
    assert counts[3] >= 1 and counts[2] + counts[3] == 64, output


def timeouts(suite: Suite) -> None:
    assert suite.run("timeouts").splitlines()[-1] == "operations=11"


def two_threads(suite: Suite) -> None:
    assert suite.run("two-threads", 50000) == "operations=50000 sum=1250025000\n"
    suite.run("two-threads", "x", status=2)


def exchange(address: tuple, data: bytes, piece: int) -> None:
    with socket.create_connection(address, timeout=30) as connection:
        def send() -> None:
            for start in range(0, len(data), piece):
                connection.sendall(data[start:start + piece])
            connection.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        back = bytearray()
        while part := connection.recv(65536):
            back += part
        sender.join()
        assert bytes(back) == data, f"{len(back)} bytes came back of {len(data)}"


def echo(suite: Suite, name: str) -> None:
    problems = []

    def guarded(*arguments: object) -> None:
        try:
            exchange(*arguments)
        except (AssertionError, OSError) as problem:
            problems.append(problem)

    with Server(suite.programs[name]) as server:
        exchange(server.address, b"x", 1)
        exchange(server.address, DATA[:1 << 20], 1 << 20)
        exchange(server.address, DATA[:5000], 7)
        # Clients that vanish: in the middle of data, and with a reset.
        for number in range(40):
            connection = socket.create_connection(server.address, timeout=10)
            if number % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(DATA[:1000 * number + 1])
            connection.close()
        threads = [threading.Thread(target=guarded, args=(server.address, DATA[:20000 + n], 4096))
                   for n in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, problems[0]
        exchange(server.address, b"still there", 3)
    assert server.status == 0 and "connections=244 " in server.summary, server.summary


def echo_arguments(suite: Suite, name: str) -> None:
    suite.run(name, "70000", status=2)
    suite.run(name, "abc", status=2)


def udp(suite: Suite) -> None:
    with Server(suite.programs["udp-echo"]) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            for number in range(1000):
                datagram = DATA[number:number + number]
                client.sendto(datagram, server.address)
                assert client.recv(65536) == datagram, number
            # One that does not fit is dropped; the server lives on.
            client.sendto(DATA[:5000], server.address)
            client.sendto(b"after", server.address)
            assert client.recv(65536) == b"after"
    assert server.status == 0, server.status
    assert "datagrams=1001 " in server.summary and "dropped=1" in server.summary, server.summary


def web(suite: Suite) -> None:
    root = suite.folder / "root"
    root.mkdir()
    (root / "index.html").write_text("<p>index</p>")
    (root / "big.bin").write_bytes(DATA)
    (root / "empty.txt").write_bytes(b"")
    (root / "with space.txt").write_text("spaced")
    (root / "sub").mkdir()
    (root / "link").symlink_to("/etc/passwd")
    (suite.folder / "secret").write_text("secret")

    def get(connection, method: str, path: str) -> tuple:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers

    with Server(suite.programs["http-server"], root) as server:
        connection = http.client.HTTPConnection(*server.address, timeout=20)
        for _ in range(20):
            status, body, headers = get(connection, "GET", "/")
            assert (status, body) == (200, b"<p>index</p>"), (status, body)
            assert headers["Content-Type"].startswith("text/html")
        assert get(connection, "GET", "/big.bin")[1] == DATA
        status, body, headers = get(connection, "HEAD", "/big.bin")
        assert (status, body, headers["Content-Length"]) == (200, b"", str(len(DATA)))
        assert get(connection, "GET", "/empty.txt")[:2] == (200, b"")
        assert get(connection, "GET", "/with%20space.txt?x=1")[:2] == (200, b"spaced")
        assert get(connection, "GET", "/absent")[0] == 404
        assert get(connection, "GET", "/sub")[0] == 404
        for path in ("/../secret", "/%2e%2e/secret", "/sub/../../secret", "/link", "//etc/passwd"):
            status, body, _ = get(connection, "GET", path)
            assert status in (403, 404) and b"secret" not in body and b"root:" not in body, path
        assert get(connection, "GET", "/bad%zz")[0] == 400
        status, _, headers = get(connection, "DELETE", "/")
        assert status == 405 and "GET" in headers["Allow"]
        connection.close()
        # Raw: a request in pieces, two at once, garbage, headers too large.
        for raw, wanted in ((b"GET / HTTP/1.0\r\n\r\n", 1), (b"nonsense\r\n\r\n", 1),
                            (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n", 2),
                            (b"GET /" + b"a" * 9000, 1)):
            with socket.create_connection(server.address, timeout=20) as plain:
                half = len(raw) // 2
                plain.sendall(raw[:half])
                plain.sendall(raw[half:])
                answer = b""
                try:
                    while part := plain.recv(65536):
                        answer += part
                except ConnectionResetError:
                    pass
                assert answer.count(b"HTTP/1.1 ") == wanted, (raw[:30], answer[:80])
    assert server.status == 0, server.status


def features(suite: Suite) -> None:
    output = suite.run("features")
    assert "operations" in output and "library    2.15" in output, output


def reasons(suite: Suite) -> None:
    """What the program says when io_uring is denied, for each way of denying."""
    # Whatever serves the other tests: this one is about the kernel's refusal.
    os.environ["ANYRING_ENGINE"] = "kernel"
    launcher = suite.folder / "deny"
    source = HERE.parent / "tests" / "hostile" / "deny-io-uring.c"
    done = subprocess.run([os.environ.get("CC", "cc"), "-Wall", "-Wextra", "-Werror", str(source), "-o", str(launcher)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for name, words in (("ENOSYS", "seccomp"), ("EPERM", "profile"), ("EACCES", "security module"),
                        ("EOPNOTSUPP", "sandbox"), ("ENOMEM", "memlock"), ("EMFILE", "ulimit -n")):
        output = suite.run("features", status=3, prefix=(launcher, name))
        code = getattr(errno, name)
        assert words in output and "not available" in output, f"{name} ({code}): {output}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--only", action="append", help="a test by its name (several times for several)")
    arguments = parser.parse_args()
    arguments.libdir = arguments.libdir.resolve()
    suite = Suite(arguments)

    def compile_one(name: str, language: str) -> None:
        program = build(name, language, arguments.include, arguments.libdir, arguments.build_dir)
        # Half of them run as C, half as C++.
        if (language == "c") == (len(name) % 2 == 0) or name not in suite.programs:
            suite.programs[name] = program

    languages = [language for language, command in COMPILERS.items() if shutil.which(command)]
    for language in set(COMPILERS) - set(languages):
        suite.skip(f"the examples as {language}", f"{COMPILERS[language]} is not installed")
    for name in examples():
        for language in languages:
            suite.check(f"build {name} as {language}", compile_one, name, language)
    tests = [read_one, read_batch, copy, registered, sqpoll, timeouts, two_threads, features]
    servers = [("udp-echo", udp, []), ("http-server", web, [])]
    for name in ("echo-server", "echo-server-multishot"):
        servers += [(name, echo, [name]), (f"{name} arguments", echo_arguments, [name])]
    if arguments.only:
        tests = [test for test in tests if test.__name__ in arguments.only]
        servers = [server for server in servers if server[0] in arguments.only]
    with tempfile.TemporaryDirectory(prefix="examples-") as folder:
        suite.folder = pathlib.Path(folder)
        available = subprocess.run([str(suite.programs["features"])], stdout=subprocess.PIPE,
                                   text=True, check=False)
        if available.returncode == 3:
            suite.skip("all programs", available.stdout.strip().replace("\n", " "), len(tests) + len(servers))
        else:
            for test in tests:
                suite.check(test.__name__, test, suite)
            why = no_loopback()
            if why:
                suite.skip("the servers", why, len(servers))
            else:
                for title, test, arguments in servers:
                    suite.check(title, test, suite, *arguments)
        suite.check("reasons", reasons, suite)
    print(f"{suite.passed} passed, {suite.failed} failed, {suite.skipped} skipped")
    return 1 if suite.failed or not suite.passed else 0


if __name__ == "__main__":
    sys.exit(main())
