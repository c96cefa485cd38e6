"""Every public name of the peer's table: present as it says, or listed as missing."""

import enum
import inspect
import json
from pathlib import Path

import liburing as u
import pytest

FACTS = Path(__file__).parent / "facts"
NAMES = json.loads((FACTS / "python-api.json").read_text())["names"]
MISSING = (FACTS / "missing.txt").read_text().split()


def present(kind):
    return [
        pytest.param(record, id=record["name"])
        for record in NAMES
        if record["kind"] == kind and record["name"] not in MISSING
    ]


def test_missing_names_are_those_listed():
    absent = {record["name"] for record in NAMES if not hasattr(u, record["name"])}
    assert sorted(absent) == MISSING, "facts/missing.txt is the list of what is absent"


def test_constants():
    constants = [record for record in NAMES if record["kind"] == "constant"]
    assert len(constants) == 357
    wrong = {
        record["name"]: (getattr(u, record["name"], None), record["value"])
        for record in constants
        if record["name"] not in MISSING and getattr(u, record["name"], None) != record["value"]
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
