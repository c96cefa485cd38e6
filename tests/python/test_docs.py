"""The code of the guide runs as printed."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = ROOT / "docs/python.md"


def sections():
    """The code below each heading, which belongs together."""
    for section in re.split(r"^## ", GUIDE.read_text(), flags=re.M)[1:]:
        code = re.findall(r"^```python\n(.*?)^```", section, flags=re.M | re.S)
        if code:
            yield pytest.param("\n".join(code), id=section.splitlines()[0])


@pytest.mark.parametrize("code", list(sections()))
def test_section(code, tmp_path):
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 2048)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_a_program_that_runs(tmp_path):
    code = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert code
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 2048)
    for program in code:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#:]+)\)", GUIDE.read_text()):
        if link != "python-asyncio.md":
            assert (GUIDE.parent / link).exists(), link
