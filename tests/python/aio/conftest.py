"""Every test of this folder that asks for `run` runs on each kind of loop."""

import asyncio
import gc
import importlib.util
import os

import pytest

import liburing.aio as aio

LOOPS = ["asyncio", "uvloop", "EventLoop"]


def factory(kind):
    """Makes a loop of a kind; skips where there is none."""
    if kind == "asyncio":
        return asyncio.SelectorEventLoop
    if kind == "EventLoop":
        return aio.EventLoop
    if importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    import uvloop

    return uvloop.new_event_loop


@pytest.fixture(params=LOOPS)
def loop_factory(request):
    return factory(request.param)


@pytest.fixture
def run(loop_factory):
    """Runs a coroutine on a fresh loop, and looks for descriptors it left."""

    def run(main, debug=None):
        # libuv keeps two pipes for the whole process.
        loop_factory().close()
        gc.collect()
        before = set(os.listdir("/proc/self/fd"))
        with asyncio.Runner(loop_factory=loop_factory, debug=debug) as runner:
            result = runner.run(main)
        del runner
        gc.collect()
        after = set(os.listdir("/proc/self/fd"))
        assert after <= before, {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in after - before}
        return result

    return run
