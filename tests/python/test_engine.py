"""Which engine serves a ring, and that the module works on either."""

import json
import os
import subprocess
import sys

import liburing
import pytest

PROGRAM = """
import json, liburing, os, sys
liburing.choose_engine(sys.argv[1] if sys.argv[1] != "-" else None)
with liburing.Ring(8) as ring:
    engine = liburing.engine_of(ring.fileno())
    ring.nop().result()
print(json.dumps(engine))
"""


def engine_in_child(wish, **environment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, wish],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return tuple(json.loads(done.stdout))


def test_chosen_by_the_program():
    assert engine_in_child("userspace") == ("userspace", 0)


def test_chosen_by_the_environment():
    assert engine_in_child("-", ANYRING_ENGINE="userspace") == ("userspace", 0)


def test_the_program_prevails():
    assert engine_in_child("userspace", ANYRING_ENGINE="kernel") == ("userspace", 0)


def test_auto_is_the_default():
    environment = {"ANYRING_ENGINE": ""}
    engine, reason = engine_in_child("-", **environment)
    # Where the kernel serves there is no reason to give, elsewhere there is.
    assert (engine == "kernel") == (reason == 0)


def test_no_other_engines():
    with pytest.raises(ValueError, match="kernel, auto or userspace"):
        liburing.choose_engine("uring")
    with pytest.raises(TypeError):
        liburing.choose_engine(3)


def test_inherited():
    liburing.choose_engine("userspace")
    try:
        ring = liburing.Ring(8)
    finally:
        liburing.choose_engine(None)
    with ring:
        fd = ring.fileno()
        child = os.fork()
        if child == 0:
            os._exit(0 if liburing.engine_of(fd)[0] == "inherited" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert liburing.engine_of(fd) == ("userspace", 0)
        assert ring.nop().result() == 0
