"""The example programs, each as a user would run it."""

import hashlib
import pathlib
import random
import signal
import socket
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "python/examples"


def run(name, *arguments, cwd=None, stdin=None):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)],
        capture_output=True, timeout=60, cwd=cwd, input=stdin,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name", sorted(path.name for path in EXAMPLES.glob("*.py") if "sys.argv" in path.read_text())
)
def test_wrong_arguments_get_the_usage(name):
    words = ["no-number"] * 20 if name != "cat.py" else []
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *words], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr[:13]) == (1, "usage: python"), done.stderr


def test_cat(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"line\n" * 30000)
    assert run("cat.py", path, path) == path.read_bytes() * 2


def test_read_one(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"x" * 100)
    assert run("read_one.py", path) == b"tag=1, res=100\n"


def test_old_style(tmp_path):
    (tmp_path / "data.bin").write_bytes(b"x" * 100)
    assert run("old_style.py", cwd=tmp_path) == b"tag=1, res=-9\n"


@pytest.mark.parametrize("size", [0, 1, 131072, 5_000_001])
def test_cp(tmp_path, size):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(random.Random(size).randbytes(size))
    assert run("cp.py", source, target) == b"%d bytes\n" % size
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", ["echo_functions.py", "echo_objects.py"])
def test_echo(name):
    server = subprocess.Popen(
        [sys.executable, EXAMPLES / name], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    clients = []
    try:
        address = ("127.0.0.1", int(server.stdout.readline()))
        data = random.Random(3).randbytes(20000)
        for _ in range(20):
            clients.append(socket.create_connection(address, timeout=20))
        for turn in range(5):
            for client in clients:
                client.sendall(data)
                got = b""
                while len(got) < len(data):
                    got += client.recv(65536)
                assert got == data
        for client in clients:
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
    finally:
        for client in clients:
            client.close()
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=20)
    assert (server.returncode, errors) == (0, b"")


def test_hash_tree(tmp_path):
    sizes = (0, 1, 1000, 262144, 262145, 900_000)
    for number, size in enumerate(sizes * 20):
        folder = tmp_path / str(number % 3)
        folder.mkdir(exist_ok=True)
        (folder / str(number)).write_bytes(random.Random(number).randbytes(size))
    lines = run("hash_tree.py", tmp_path).decode().splitlines()
    assert len(lines) == 120
    for line in lines:
        digest, path = line.split("  ")
        assert digest == hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def test_every_example_is_tested():
    tests = "".join(path.read_text() for path in pathlib.Path(__file__).parent.rglob("test_*.py"))
    untested = [path.name for path in EXAMPLES.glob("*.py") if path.name not in tests]
    assert not untested
