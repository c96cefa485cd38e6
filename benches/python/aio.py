"""Concurrent 4 KiB file reads: liburing.aio, aiofiles, run_in_executor.

    python aio.py [--rounds N] [--seconds S] [--json FILE] [--check]

100 tasks read blocks at random places of a 16 MiB file in the page cache, each
awaiting one read at a time; every block is checked by its first word. The ways
take turns; what is shown is the median of the rounds with quartiles, the median
of each round's ratio to run_in_executor's and aiofiles's, and the processor time
of a read. Threads take more than their share of a machine that is busy
otherwise; the processor time says what a read costs all the same.

aiofiles has no positioned read, so each of its tasks has the file open and
seeks first; `aiofiles, read only` leaves the seek out.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import struct
import tempfile
import time

import liburing.aio as aio

TASKS, BLOCK, BLOCKS = 100, 4096, 4096


WORDS = [struct.pack("<Q", block) for block in range(BLOCKS)]


def check(data, block):
    if len(data) != BLOCK or data[:8] != WORDS[block]:
        raise AssertionError("not the block that was asked for")


PLACES = random.Random(7).sample(range(BLOCKS), BLOCKS)


class Driver:
    """Runs `worker(number, driver)` as TASKS tasks for some seconds. Workers
    take blocks from `driver.blocks(number)` until it ends, and say how many
    they have read."""

    def blocks(self, number):
        at = number * 37
        while not self.ended:
            at += 1
            yield PLACES[at % BLOCKS]

    async def run(self, worker, seconds):
        """Reads a second, and microseconds of processor time for each."""
        self.ended = False
        start, used = time.perf_counter(), time.process_time()
        workers = asyncio.gather(*(worker(number, self) for number in range(TASKS)))
        await asyncio.sleep(seconds)
        self.ended = True
        count = sum(await workers)
        return count / (time.perf_counter() - start), (time.process_time() - used) / count * 1e6


async def with_aio(path, seconds):
    async with aio.open(path, "rb") as f:

        async def worker(number, driver):
            count = 0
            for block in driver.blocks(number):
                check(await f.read(BLOCK, block * BLOCK), block)
                count += 1
            return count

        return await Driver().run(worker, seconds)


async def with_readinto(path, seconds):
    async with aio.open(path, "rb") as f:

        async def worker(number, driver):
            count, buffer = 0, bytearray(BLOCK)
            for block in driver.blocks(number):
                if await aio.readinto(f, buffer, block * BLOCK) != BLOCK:
                    raise AssertionError("short read")
                check(buffer, block)
                count += 1
            return count

        return await Driver().run(worker, seconds)


async def with_executor(path, seconds):
    loop = asyncio.get_running_loop()
    fd = os.open(path, os.O_RDONLY)

    async def worker(number, driver):
        count = 0
        for block in driver.blocks(number):
            data = await loop.run_in_executor(None, os.pread, fd, BLOCK, block * BLOCK)
            check(data, block)
            count += 1
        return count

    try:
        return await Driver().run(worker, seconds)
    finally:
        os.close(fd)


async def with_aiofiles(path, seconds):
    import aiofiles

    async def worker(number, driver):
        count = 0
        async with aiofiles.open(path, "rb", buffering=0) as f:
            for block in driver.blocks(number):
                await f.seek(block * BLOCK)
                check(await f.read(BLOCK), block)
                count += 1
        return count

    return await Driver().run(worker, seconds)


async def with_aiofiles_read_only(path, seconds):
    import aiofiles

    async def worker(number, driver):
        count, block = 0, 0
        async with aiofiles.open(path, "rb", buffering=0) as f:
            for _ in driver.blocks(number):
                if block == BLOCKS:
                    await f.seek(0)
                    block = 0
                check(await f.read(BLOCK), block)
                block += 1
                count += 1
        return count

    return await Driver().run(worker, seconds)


def own_loop():
    return aio.EventLoop()


WAYS = {
    "run_in_executor": (with_executor, None),
    "aiofiles": (with_aiofiles, None),
    "aiofiles, read only": (with_aiofiles_read_only, None),
    "liburing.aio": (with_aio, None),
    "liburing.aio, EventLoop": (with_aio, own_loop),
    "liburing.aio, readinto": (with_readinto, None),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--json")
    parser.add_argument("--check", action="store_true", help="briefly, for tests")
    options = parser.parse_args()
    rounds, seconds = (1, 0.05) if options.check else (options.rounds, options.seconds)
    ways = dict(WAYS)
    try:
        import aiofiles  # noqa: F401
    except ImportError as error:
        print(f"aiofiles is not there: {error}")
        ways = {name: way for name, way in ways.items() if "aiofiles" not in name}
    found = {name: [] for name in ways}
    with tempfile.NamedTemporaryFile() as file:
        for block in range(BLOCKS):
            file.write(struct.pack("<Q", block).ljust(BLOCK, b"."))
        file.flush()
        for turn in range(rounds + 1):
            order = list(ways)
            order = order[turn % len(order) :] + order[: turn % len(order)]
            for name in order:
                way, loop_factory = ways[name]
                with asyncio.Runner(loop_factory=loop_factory) as runner:
                    rate = runner.run(way(file.name, seconds))
                # The first turn warms up.
                if turn or options.check:
                    found[name].append(rate)
    print(
        f"Python {platform.python_version()}, Linux {platform.release()}, {os.cpu_count()} CPUs;"
        f" {TASKS} tasks, {BLOCK}-byte reads"
    )
    rates = {name: [rate for rate, _ in rounds] for name, rounds in found.items()}
    costs = {name: statistics.median(cost for _, cost in found[name]) for name in found}
    for name, mine in rates.items():
        low, middle, high = (
            statistics.quantiles(mine, n=4) if len(mine) > 1 else mine[:1] * 3
        )
        line = f"  {name:24} {middle:9,.0f}/s ({low:,.0f} to {high:,.0f})"
        for base in ("run_in_executor", "aiofiles"):
            if base in rates:
                ratios = [rate / b for rate, b in zip(mine, rates[base])]
                line += f"  {statistics.median(ratios):5.2f} of {base}'s"
        print(f"{line}  {costs[name]:5.1f} us of CPU")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": platform.uname()._asdict(), "rounds": found}, file)


if __name__ == "__main__":
    main()
