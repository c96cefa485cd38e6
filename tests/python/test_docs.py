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
    for page in (GUIDE, ROOT / "docs/upgrading.md"):
        for section in re.split(r"^## ", page.read_text(), flags=re.M)[1:]:
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


def anchors(page):
    """The names under which headings of a page can be linked."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.M)
    }


PAGES = sorted([
    *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md"),
    *ROOT.glob("crates/*/README.md"), *ROOT.glob("tests/**/README.md"),
])  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if ":" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or target.is_dir() or anchor in anchors(target), link
