"""The stubs say what the module is, and the examples pass a type checker."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
CONFIG = HERE / "mypy.ini"


def run(*command, cwd=None):
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=240, cwd=cwd
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def mypy():
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")


def test_stubs_are_up_to_date():
    """Otherwise: `make stubs`."""
    run(ROOT / "python/tools/stubs.py", HERE / "facts/python-api.json", "--check")


@pytest.mark.timeout(300)
def test_stubs_are_true(mypy, tmp_path):
    run(
        "-m", "mypy.stubtest", "liburing", "--ignore-disjoint-bases",
        "--mypy-config-file", CONFIG,
        "--allowlist", HERE / "stubtest-allowlist.txt", "--ignore-unused-allowlist",
        cwd=tmp_path,
    )  # fmt: skip


@pytest.mark.timeout(300)
def test_examples_are_typed(mypy, tmp_path):
    # The program in the old style is printed as it was found.
    examples = [path for path in (ROOT / "python/examples").glob("*.py") if path.stem != "old_style"]
    assert len(examples) > 5
    run("-m", "mypy", "--config-file", CONFIG, "--strict", *examples, cwd=tmp_path)


@pytest.mark.timeout(300)
def test_results_have_types(mypy, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import liburing\n"
        "with liburing.Ring(8, flags=0) as ring:\n"
        "    reveal_type(ring.read(0, 10).result())\n"
        "    reveal_type(ring.read(0, bytearray(10)).result())\n"
        "    reveal_type(ring.statx('x').result())\n"
        "    reveal_type(ring.nops(3).result())\n"
        "    reveal_type(liburing.IORING_SETUP_SQPOLL)\n"
        "    reveal_type(liburing.io_uring_submit)\n"
    )
    found = run("-m", "mypy", "--config-file", CONFIG, program, cwd=tmp_path)
    for expected in ('"bytes"', '"int"', "FileStatus", '"memoryview[int]"', 'def (liburing._ring.Ring) -> int'):
        assert expected in found, found
    program.write_text("import liburing\nliburing.Ring(8).read(0, 'text')\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", CONFIG, program],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1 and "No overload" in done.stdout


@pytest.mark.timeout(300)
def test_strict_programs_in_all_tiers(mypy, tmp_path):
    """What a program meets under mypy --strict: no untyped call, and types that
    are not Any, which `disallow_any_expr` would report."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os\n"
        "import liburing\n"
        "import liburing.aio as aio\n"
        "def functions() -> int:\n"
        "    ring, cqe = liburing.Ring(), liburing.Cqe()\n"
        "    liburing.io_uring_queue_init(8, ring)\n"
        "    sqe = liburing.io_uring_get_sqe(ring)\n"
        "    assert sqe is not None\n"
        "    status = liburing.Statx()\n"
        "    liburing.io_uring_prep_statx(sqe, status, '/')\n"
        "    sqe.user_data = sqe.fd + 1\n"
        "    liburing.io_uring_submit(ring)\n"
        "    liburing.io_uring_wait_cqe_timeout(ring, cqe, liburing.timespec(0.5))\n"
        "    number: int = cqe[0].res\n"
        "    liburing.io_uring_cqe_seen(ring, cqe[0])\n"
        "    liburing.io_uring_queue_exit(ring)\n"
        "    return number + status.size + status.nlink + liburing.OpenHow(os.O_RDWR).flags\n"
        "def older() -> list[int]:\n"
        "    ring, cqes = liburing.io_uring(), liburing.io_uring_cqes(2)\n"
        "    liburing.io_uring_queue_init(8, ring, 0)\n"
        "    sqe = liburing.io_uring_get_sqe(ring)\n"
        "    assert isinstance(sqe, liburing.io_uring_sqe)\n"
        "    liburing.io_uring_prep_nop(sqe)\n"
        "    liburing.io_uring_submit(ring)\n"
        "    liburing.io_uring_wait_cqes(ring, cqes, 1)\n"
        "    return [entry.res for entry in cqes]\n"
        "def objects(fd: int) -> bytes:\n"
        "    with liburing.Ring(8) as ring:\n"
        "        for data in ring.recv_multishot(fd, ring.buffer_pool(4, 64)):\n"
        "            return data\n"
        "        for connection in ring.accept_multishot(fd):\n"
        "            ring.close_fd(connection).result()\n"
        "        return ring.read(fd, 10).result()\n"
        "async def awaited() -> str:\n"
        "    async with aio.open('file') as file:\n"
        "        return await file.read()\n"
        "aio.run(awaited())\n"
    )
    # Not --config-file: a program has none of ours.
    run("-m", "mypy", "--strict", "--disallow-any-expr", "--config-file=", program, cwd=tmp_path)
    wrong = program.read_text().replace("cqe[0].res", "cqe[0].flag")
    wrong = wrong.replace("sqe.fd + 1", "'tag'").replace("timespec(0.5)", "timespec('0.5')")
    program.write_text(wrong)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", program],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert "Found 3 errors" in done.stdout, done.stdout


@pytest.mark.timeout(300)
def test_public_names_pass_stubtest_as_it_comes(mypy, tmp_path):
    """Without our configuration and list: it finds something to say about
    private modules only."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "liburing", "--concise", "--ignore-disjoint-bases"],
        capture_output=True, text=True, timeout=240, cwd=tmp_path,
    )  # fmt: skip
    found = [line for line in done.stdout.splitlines() if line.startswith(("liburing.", "error"))]
    public = [line for line in found if "._" not in line.split()[0]]
    assert not public and "not checking" not in done.stdout, done.stdout


def test_marked_as_typed():
    import liburing

    assert (pathlib.Path(liburing.__file__).parent / "py.typed").exists()
