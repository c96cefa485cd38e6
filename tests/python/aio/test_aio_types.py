"""What a type checker makes of liburing.aio."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

CONFIG = pathlib.Path(__file__).parents[1] / "mypy.ini"
PROGRAM = """
import liburing.aio as aio
async def main() -> None:
    async with aio.open("x") as text:
        reveal_type(await text.read())
    async with aio.open("x", "rb") as binary:
        reveal_type(await binary.read(10, 0))
    reveal_type(await aio.open("x", "w+b"))
    reveal_type((await aio.stat("x")).st_size)
    reveal_type(await aio.sleep(1, "x"))
aio.run(main())
"""


@pytest.mark.timeout(120)
def test_results_have_types(tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", CONFIG, program],
        capture_output=True, text=True, timeout=110, cwd=tmp_path,
    )
    revealed = [line.split('"')[1] for line in done.stdout.splitlines() if "Revealed" in line]
    assert revealed == ["str", "bytes", "liburing.aio.File", "int", "str"], done.stdout
    assert done.returncode == 0, done.stdout
