"""Delays and timeouts that are no ordinary numbers: as on asyncio's own loop,
and none keeps the loop from what else there is to do."""

import asyncio
import decimal
import fractions
import math

import pytest

import liburing.aio as aio

from conftest import factory

NAN, INF = math.nan, math.inf


@pytest.fixture(params=["asyncio", "EventLoop"])
def loop_factory(request):
    return factory(request.param)


@pytest.fixture(params=[False, True], ids=["plain", "debug"])
def debug(request):
    return request.param


ODD = [NAN, -NAN, INF, -INF, 1e308, -1e308, 10**30, -(10**30), fractions.Fraction(1, 10**9)]


@pytest.mark.parametrize("delay", ODD, ids=str)
@pytest.mark.parametrize("way", ["call_later", "call_at"])
def test_timers(run, debug, delay, way):
    """Called at once if it is due or no number, and else not; those of others
    are called in their order."""

    async def main():
        loop, calls = asyncio.get_running_loop(), []
        ended, start = loop.create_future(), loop.time()
        loop.call_at(start + 0.04, ended.set_result, None)
        loop.call_at(start + 0.03, calls.append, "last")
        handle = getattr(loop, way)(delay, calls.append, "odd")
        loop.call_at(start + 0.01, calls.append, "first")
        await asyncio.wait_for(ended, 10)
        if delay != delay and type(loop) is not aio.EventLoop:
            # Nothing is ordered by it there.
            assert set(calls) == {"odd", "first", "last"}
        elif delay != delay or delay < 1:
            assert calls == ["odd", "first", "last"]
        else:
            assert calls == ["first", "last"]
        handle.cancel()

    run(main(), debug)


@pytest.mark.parametrize("timeout", [NAN, -INF, -1, 0])
def test_timeouts_that_are_over(run, timeout):
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(60), timeout)
        done, pending = await asyncio.wait([asyncio.ensure_future(asyncio.sleep(60))], timeout=timeout)
        assert not done
        for task in pending:
            task.cancel()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(timeout):
                await asyncio.sleep(60)

    run(main())


@pytest.mark.parametrize("timeout", [INF, 1e300, 10**30])
def test_timeouts_that_never_come(run, timeout):
    async def main():
        assert await asyncio.wait_for(asyncio.sleep(0.01, "slept"), timeout) == "slept"
        done, _ = await asyncio.wait(
            [asyncio.ensure_future(asyncio.sleep(0.01))], timeout=timeout
        )
        assert done

    run(main())


def test_what_no_float_holds(run):
    async def main():
        loop = asyncio.get_running_loop()
        for wrong in (10**400, -(10**400)):
            with pytest.raises(OverflowError):
                loop.call_later(wrong, print)
        for wrong in (None, "soon"):
            with pytest.raises(TypeError):
                loop.call_later(wrong, print)

    run(main())


@pytest.mark.parametrize("debug", [False, True])
def test_moments_that_would_end_the_loop(debug):
    """asyncio's own loop ends with the exception when it looks at them."""

    async def main():
        loop, calls = asyncio.get_running_loop(), []
        far = loop.call_at(10**400, calls.append, "never")
        loop.call_at(-(10**400), calls.append, "at once")
        for wrong in (None, "soon", decimal.Decimal(1), object()):
            with pytest.raises(TypeError):
                loop.call_at(wrong, calls.append, "wrong")
        await asyncio.sleep(0.02)
        assert calls == ["at once"]
        far.cancel()

    loop = aio.EventLoop()
    loop.set_debug(debug)
    loop.run_until_complete(main())
    loop.close()


def test_call_at_is_traced_to_its_caller():
    loop = aio.EventLoop()
    loop.set_debug(True)
    for handle in (loop.call_at(1e9, print), loop.call_later(1e9, print)):
        assert handle._source_traceback[-1].name == "test_call_at_is_traced_to_its_caller"
        assert handle.when() >= 1e9
        handle.cancel()
    loop.close()


@pytest.mark.parametrize("make", ["asyncio", "EventLoop"])
def test_sleep_of_the_ring(make):
    async def main():
        for delay in (-INF, -(10**400), -1, 0, 1e-12, fractions.Fraction(1, 1000), True * 0.001):
            assert await asyncio.wait_for(aio.sleep(delay, "slept"), 10) == "slept"
        with pytest.raises(ValueError, match="NaN"):
            await aio.sleep(NAN)
        with pytest.raises(OverflowError):
            await aio.sleep(10**400)
        for wrong in (None, "1", decimal.Decimal(1)):
            with pytest.raises(TypeError):
                await aio.sleep(wrong)
        for delay in (INF, 1e18, 1e300, 10**300):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(aio.sleep(delay), 0.01)

    loop = factory(make)()
    loop.run_until_complete(main())
    loop.close()


@pytest.mark.parametrize("timeout", [NAN, -INF, -1.0, 0.0])
def test_the_selector_of_the_loop(timeout):
    loop = aio.EventLoop()
    assert loop._selector.select(timeout) == []
    loop.close()
