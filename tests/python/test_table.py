"""Every public name of the peer's table: present as it says, and called by a test."""

import enum
import inspect
import json
import re
from pathlib import Path

import liburing as u
import pytest

FACTS = Path(__file__).parent / "facts"
NAMES = json.loads((FACTS / "python-api.json").read_text())["names"]
OLDER = json.loads((FACTS / "older.json").read_text())


def present(kind):
    return [
        pytest.param(record, id=record["name"])
        for record in NAMES
        if record["kind"] == kind
    ]


def test_every_name_is_there():
    assert len(NAMES) == 595
    assert not [record["name"] for record in NAMES if not hasattr(u, record["name"])]


def test_every_function_is_called_in_a_test():
    """Not merely present: each name stands in a test as `u.name`."""
    here = Path(__file__).parent
    files = [*here.glob("test_*.py"), here / "support.py"]
    tests = "".join(path.read_text() for path in files)
    named = set(re.findall(r"\bu\.(\w+)", tests))
    absent = [
        record["name"]
        for record in NAMES
        if record["kind"] != "constant" and record["name"] not in named
    ]
    assert not absent


def test_names_of_the_older_releases():
    absent = [name for name in OLDER["2021.3.10"] if not hasattr(u, name)]
    for record in OLDER["2024.5.3"]:
        value = getattr(u, record["name"], None)
        if value is None and record["name"] != "NULL":
            absent.append(record["name"])
        for member in record.get("members", ()):
            if not hasattr(value, member):
                absent.append(f"{record['name']}.{member}")
        # Three counts and the sizes of futexes went on changing.
        changed = ("IORING_OP_LAST", "IORING_REGISTER_LAST")
        if "value" in record and record["name"] not in changed:
            if not record["name"].startswith("FUTEX2_"):
                assert value == record["value"], record["name"]
    assert not absent


def test_constants():
    constants = [record for record in NAMES if record["kind"] == "constant"]
    assert len(constants) == 357
    wrong = {
        record["name"]: (getattr(u, record["name"], None), record["value"])
        for record in constants
        if getattr(u, record["name"], None) != record["value"]
    }
    assert not wrong


@pytest.mark.parametrize("record", present("function"))
def test_function_takes_the_arguments(record):
    """All positionally; the required ones alone; the optional ones by keyword."""
    signature = inspect.signature(getattr(u, record["name"]))
    params = record.get("params", [])
    # A default in the middle is one in the package's declaration only.
    last = max((i for i, param in enumerate(params) if len(param) == 2), default=-1)
    required = [param[0] for param in params[: last + 1]]
    optional = [param[0] for param in params[last + 1 :]]
    signature.bind(*required)
    signature.bind(*required, *optional)
    signature.bind(*required, **dict.fromkeys(optional))


@pytest.mark.parametrize("record", present("class"))
def test_class_has_the_members(record):
    kind = getattr(u, record["name"])
    assert inspect.isclass(kind)
    absent = [name for name in record["members"] if not hasattr(kind, name)]
    assert not absent
    for name, value in record.get("values", {}).items():
        assert issubclass(kind, enum.IntEnum) and kind[name] == value
