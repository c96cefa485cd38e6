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


def on_a_loop(make, main, debug):
    """What asyncio.Runner does, also before Python 3.11."""
    if hasattr(asyncio, "Runner"):
        with asyncio.Runner(loop_factory=make, debug=debug) as runner:
            return runner.run(main)
    loop = make()
    asyncio.set_event_loop(loop)
    try:
        loop.set_debug(bool(debug))
        return loop.run_until_complete(main)
    finally:
        asyncio.runners._cancel_all_tasks(loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


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
        result = on_a_loop(loop_factory, main, debug)
        gc.collect()
        after = set(os.listdir("/proc/self/fd"))
        assert after <= before, {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in after - before}
        return result

    return run
