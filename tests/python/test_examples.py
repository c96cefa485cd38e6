"""The example programs, each as a user would run it."""

import pathlib
import subprocess
import sys

EXAMPLES = pathlib.Path(__file__).parents[2] / "python/examples"


def run(name, *arguments, cwd=None, stdin=None):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)],
        capture_output=True, timeout=60, cwd=cwd, input=stdin,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cat(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"line\n" * 30000)
    assert run("cat.py", path, path) == path.read_bytes() * 2
