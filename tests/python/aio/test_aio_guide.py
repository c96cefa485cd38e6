"""The examples of the guide, as they are printed."""

import pathlib
import re
import subprocess
import sys

import pytest

GUIDE = pathlib.Path(__file__).parents[3] / "docs" / "python-asyncio.md"
EXAMPLES = re.findall(r"## ([^\n]*)\n(?:(?!\n## ).)*?```python\n(.*?)```", GUIDE.read_text(), re.S)


def test_all_examples_are_found():
    assert len(EXAMPLES) == GUIDE.read_text().count("```python") >= 5


@pytest.mark.parametrize("code", [code for _, code in EXAMPLES], ids=[name for name, _ in EXAMPLES])
def test_example(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
