"""Every function of the C interface: a name of the module, or a reason why not."""

import pathlib
import re

import liburing as u

DOCS = pathlib.Path(__file__).parents[2] / "docs"


def c_names():
    """The functions of the two generated tables."""
    functions = (DOCS / "functions.md").read_text().split("## Register calls")[0]
    found = set(re.findall(r"^\| `(\w+)` \|", functions, re.M))
    found |= set(re.findall(r"`(_*io_uring_\w+)`", (DOCS / "operations.md").read_text()))
    return found


def exceptions():
    """The table in the guide: what is not there, and why."""
    text = (DOCS / "python.md").read_text().split("## C functions that are not there")[1]
    text = text.split("\n## ")[0]
    rows = re.findall(r"^\| (.*`.*) \| (.*) \|$", text, re.M)
    return {name: reason for names, reason in rows for name in re.findall(r"`(\w+)`", names)}


def test_every_function_is_there_or_explained():
    names, missing = c_names(), exceptions()
    assert len(names) > 230
    absent = {name for name in names if not hasattr(u, name)}
    assert absent == missing.keys(), "docs/python.md has the list"
    assert all(len(reason) > 20 for reason in missing.values())


def test_every_function_can_be_called_or_says_why_not():
    """A name that is there is callable and documented."""
    for name in c_names() - exceptions().keys():
        function = getattr(u, name)
        assert callable(function) and function.__doc__, name
