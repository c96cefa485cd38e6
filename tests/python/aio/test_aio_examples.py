"""The asyncio examples, as a user runs them."""

import contextlib
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

import pytest

EXAMPLES = pathlib.Path(__file__).parents[3] / "python" / "examples"


@contextlib.contextmanager
def running(name, *args):
    """Starts an example that prints its port; it ends with SIGTERM, quietly."""
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", EXAMPLES / name, *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    try:
        yield int(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        # In debug mode asyncio tells of callbacks that a busy machine made slow.
        errors = [line for line in errors.splitlines() if not line.startswith("Executing <")]
        assert (process.returncode, errors) == (0, [])
    finally:
        process.kill()
        process.communicate()


def test_echo():
    with running("aio_echo.py") as port:
        for size in (1, 100_000, 2_000_000):
            data = os.urandom(size)
            with socket.create_connection(("127.0.0.1", port)) as s:
                # Sent beside, so that neither side waits for the other.
                sending = threading.Thread(
                    target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))
                )
                sending.start()
                got = b""
                while piece := s.recv(1 << 16):
                    got += piece
                sending.join()
            assert got == data


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    (root / "sub").mkdir(parents=True)
    (root / "index.html").write_text("<p>home")
    (root / "sub" / "ä b.txt").write_text("text")
    (root / "big").write_bytes(os.urandom(1_500_000))
    (tmp_path / "secret").write_text("secret")
    (root / "link").symlink_to(tmp_path / "secret")
    with running("aio_http.py", str(root)) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

        def get(path, method="GET", **headers):
            connection.putrequest(method, path, skip_host=True)
            for name, value in {"Host": "x", **headers}.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer, answer.read()

        yield root, get, port
        connection.close()


def test_files(site):
    root, get, _ = site
    answer, body = get("/")
    assert (answer.status, body) == (200, b"<p>home")
    assert answer.getheader("Content-Type") == "text/html"
    assert get("/sub/%C3%A4%20b.txt?x=1")[1] == b"text"
    assert get("/big")[1] == (root / "big").read_bytes()
    answer, body = get("/big", "HEAD")
    assert (answer.getheader("Content-Length"), body) == ("1500000", b"")
    since = answer.getheader("Last-Modified")
    assert get("/big", If_Modified_Since=since)[0].status == 304


def test_ranges(site):
    root, get, _ = site
    data = (root / "big").read_bytes()
    for asked, start, end in [
        ("0-9", 0, 10), ("1000000-", 1_000_000, 1_500_000), ("-5", 1_499_995, 1_500_000),
        ("1499999-9999999", 1_499_999, 1_500_000),
    ]:
        answer, body = get("/big", Range=f"bytes={asked}")
        assert (answer.status, body) == (206, data[start:end])
        assert answer.getheader("Content-Range") == f"bytes {start}-{end - 1}/1500000"
    answer, _ = get("/big", Range="bytes=1500000-")
    assert answer.status == 416 and answer.getheader("Content-Range") == "bytes */1500000"
    assert get("/big", Range="bytes=5-1")[0].status == 200


def test_refusals(site):
    _, get, port = site
    for path, status in [
        ("/none", 404), ("/sub", 404), ("/index.html/x", 404), ("/link", 403),
        ("/../secret", 403), ("/sub/../../secret", 403), ("/%2e%2e/secret", 403),
        ("/..%2fsecret", 403), ("//etc/passwd", 404), ("/%00", 400), ("x", 400),
    ]:
        answer, body = get(path)
        assert answer.status == status, path
        assert b"secret" not in body
    assert get("/", "POST")[0].status == 405
    for request, status in [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"505"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"413"),
    ]:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            s.sendall(request)
            assert s.recv(4096).split()[1] == status


def test_many_clients(site):
    root, _, port = site
    data = (root / "big").read_bytes()
    results = []

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for _ in range(3):
            connection.request("GET", "/big")
            results.append(connection.getresponse().read() == data)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 60
