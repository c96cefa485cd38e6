"""The benchmarks run, and their results are what they say they are. How fast
anything is, is not for a test."""

import pathlib
import subprocess
import sys

import pytest

BENCHES = pathlib.Path(__file__).parents[3] / "benches" / "python"


@pytest.mark.parametrize(
    ("name", "rows"),
    [("aio.py", ["run_in_executor", "liburing.aio", "liburing.aio, EventLoop"]),
     ("echo.py", ["streams, 50 connections, 4096 bytes", "liburing"])],
)
def test_bench(name, rows):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", BENCHES / name, "--check"],
        capture_output=True, text=True, timeout=55,
    )
    assert done.returncode == 0, done.stderr
    for row in rows:
        assert row in done.stdout
