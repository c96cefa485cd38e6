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
    run("-m", "mypy", "--config-file", CONFIG, "--strict-equality", *examples, cwd=tmp_path)


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


def test_marked_as_typed():
    import liburing

    assert (pathlib.Path(liburing.__file__).parent / "py.typed").exists()
