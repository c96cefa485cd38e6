"""The tests themselves, started in the background: SIGINT is ignored there."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def test_interrupts_arrive():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = HERE / "aio/test_aio_loop.py"
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command, tests, "-k", "keyboard_interrupt"],
        cwd=HERE.parents[1],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
