"""`python -m liburing`, where io_uring is and where it is forbidden."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

DENIER = pathlib.Path(__file__).parents[1] / "hostile/deny-io-uring.c"


@pytest.fixture(scope="module")
def deny(tmp_path_factory):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("deny") / "deny"
    subprocess.run(["cc", DENIER, "-o", program], check=True, timeout=60)
    return program


def python(engine, before, *arguments):
    """Runs Python, perhaps without io_uring, with the engine the environment names."""
    return subprocess.run(
        [*before, sys.executable, *arguments],
        env={**os.environ, "ANYRING_ENGINE": engine},
        capture_output=True,
        text=True,
        timeout=60,
    )


def report(engine, *before):
    return python(engine, before, "-m", "liburing")


def test_where_it_is():
    done = report("kernel")
    if done.returncode:
        pytest.skip(f"no io_uring here: {done.stdout}")
    assert done.stderr == ""
    lines = dict(line.split() for line in done.stdout.splitlines() if line.startswith("  "))
    assert lines["IORING_OP_READ"] == "yes" and lines["nodrop"] == "yes"
    assert "Linux" in done.stdout


def test_a_reader_that_has_seen_enough():
    """`python -m liburing | head -1` ends without a traceback."""
    program = subprocess.Popen(
        [sys.executable, "-u", "-m", "liburing"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert b"liburing" in program.stdout.readline()
    program.stdout.close()
    errors = program.stderr.read()
    program.stderr.close()
    assert program.wait(60) in (0, 1) and errors == b""


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EACCES"])
def test_where_it_is_forbidden(deny, error):
    done = report("kernel", deny, error)
    assert done.returncode == 1 and done.stderr == ""
    assert error in done.stdout and "seccomp" in done.stdout and "To allow it" in done.stdout
    # What else helps, and that it does.
    assert "ANYRING_ENGINE=auto" in done.stdout
    assert report("auto", deny, error).returncode == 0


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EACCES"])
def test_the_engine_serves_where_it_is_forbidden(deny, error):
    done = report("auto", deny, error)
    assert done.returncode == 0 and done.stderr == ""
    assert error in done.stdout and "To allow it" in done.stdout
    assert "served in user space" in done.stdout and "IORING_OP_READ " in done.stdout


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_a_ring_where_it_is_forbidden(deny, error):
    program = "import liburing, errno\ntry: liburing.Ring(8)\nexcept OSError as e: print(errno.errorcode[e.errno])"
    done = python("kernel", [deny, error], "-c", program)
    assert done.stdout == error + "\n", done.stderr


NO_LOOP = """
import errno, gc, liburing.aio
try: liburing.aio.EventLoop()
except OSError as error: print(errno.errorcode[error.errno])
gc.collect()
"""


def test_a_loop_where_it_is_forbidden(deny):
    """An exception, and not a word from the finalizer of what was never made."""
    done = python("kernel", [deny, "EPERM"], "-W", "error", "-c", NO_LOOP)
    assert (done.stdout, done.stderr) == ("EPERM\n", "")


@pytest.mark.parametrize("engine", ["kernel", "userspace"])
def test_a_loop_without_descriptors(engine):
    """Whatever descriptor is the first that cannot be had: an exception, and nothing is left."""
    program = """
import os, resource, sys, liburing, liburing.aio, gc, warnings
try: liburing.Ring(1).close()
except OSError as error: sys.exit(f"skipped: {error}")
loop = liburing.aio.EventLoop(); loop.close(); gc.collect()
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
open_now = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
failed = 0
for limit in range(len(open_now) - 1, len(open_now) + 12):
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        liburing.aio.EventLoop().close()
    except OSError:
        failed += 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.collect()
    assert sorted(int(fd) for fd in os.listdir("/proc/self/fd")) == open_now
assert failed > 1, failed
"""
    done = python(engine, [], "-W", "error", "-c", program)
    if "skipped: " in done.stderr:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stderr) == (0, "")
