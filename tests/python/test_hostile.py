"""Programs that try to have the kernel use memory it was not given: each in an
interpreter of its own, on the kernel and on the userspace engine, with the checking
allocator. A program says `held`; those of MAY_RAISE may end with an exception
instead."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent / "hostile"
CASES = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "common")
MAY_RAISE = {"mmap_fd", "thread_regfd"}
WAYS = {
    "plain": {},
    "debug": {"PYTHONMALLOC": "debug"},
    "userspace": {"PYTHONMALLOC": "debug", "ANYRING_ENGINE": "userspace"},
}


# What waits for ever ends by it; what is slow on a busy machine does not.
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_holds(case, way):
    done = subprocess.run(
        [sys.executable, str(HERE / f"{case}.py")],
        env=os.environ | WAYS[way], capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    shown = f"{done.returncode}\n{done.stdout}{done.stderr}"
    held = done.returncode == 0 and done.stdout.splitlines()[-1:] in (["held"], ["held []"])
    raised = done.returncode == 1 and "Traceback (most recent call last)" in done.stderr
    assert held or raised and case in MAY_RAISE, shown
    assert "PanicException" not in shown and "panicked" not in shown, shown
    if reason := done.stdout.partition("skipped: ")[2]:
        pytest.skip(reason.splitlines()[0])


def test_the_cases_are_there():
    assert len(CASES) > 3


@pytest.mark.timeout(150)
def test_random_programs():
    """A new seed each time; a failure prints the command that repeats it. For longer:
    make fuzz-python."""
    command = [sys.executable, str(HERE.parent / "fuzz.py"), "--seconds", "25"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=140)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
