"""The event loop policy, for programs that choose their loop by one."""

import asyncio

from ._loop import EventLoop


class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes every new loop an EventLoop."""

    _loop_factory = EventLoop


def install():
    """Makes every new loop of this process an EventLoop."""
    asyncio.set_event_loop_policy(EventLoopPolicy())
