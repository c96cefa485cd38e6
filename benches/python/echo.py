"""Echo servers on the loops of asyncio, uvloop and liburing.aio, compared.

    python echo.py [--rounds N] [--seconds S] [--json FILE] [--check]

Each server is a process of its own with 1 or 50 connections from this one,
which sends a message on every connection and then waits for every answer.
The loops take turns; what is shown is the median of the rounds with quartiles:
messages a second, their ratio to asyncio's, and the processor time the server
used for a message, which tells more where the client is the slower half.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import time

LOOPS = ["asyncio", "uvloop", "liburing"]


def factory(kind):
    if kind == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    if kind == "liburing":
        import liburing.aio

        return liburing.aio.EventLoop
    return asyncio.SelectorEventLoop


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(style):
    loop = asyncio.get_running_loop()
    if style == "streams":
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
    else:
        server = await loop.create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # One line asks for the processor time used so far, the end of input ends.
    ended = loop.create_future()

    def answer():
        if not os.read(0, 100):
            ended.set_result(None)
            loop.remove_reader(0)
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(used.ru_utime + used.ru_stime, flush=True)

    loop.add_reader(0, answer)
    await ended
    server.close()


class Server:
    def __init__(self, kind, style, connections, size, warm_up):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--serve", kind, style],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        port = int(self.process.stdout.readline())
        self.sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        for s in self.sockets:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.message = os.urandom(size)
        self.run(warm_up)

    def cpu(self):
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def run(self, seconds):
        """Messages a second and microseconds of processor time for each."""
        sockets, message, count = self.sockets, self.message, 0
        size = len(message)
        used, start = self.cpu(), time.perf_counter()
        end = start + seconds
        while (now := time.perf_counter()) < end:
            for s in sockets:
                s.send(message)
            for s in sockets:
                got = s.recv(size)
                while len(got) < size:
                    got += s.recv(size - len(got))
                if got != message:
                    raise AssertionError("not what was sent")
            count += len(sockets)
        return count / (now - start), (self.cpu() - used) / count * 1e6

    def close(self):
        for s in self.sockets:
            s.close()
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def compare(style, connections, size, rounds, seconds, kinds):
    servers = {kind: Server(kind, style, connections, size, seconds / 2) for kind in kinds}
    found = {kind: [] for kind in kinds}
    try:
        for turn in range(rounds):
            for kind in kinds[turn % len(kinds) :] + kinds[: turn % len(kinds)]:
                found[kind].append(servers[kind].run(seconds))
    finally:
        for server in servers.values():
            server.close()
    return found


def quartiles(values):
    return statistics.quantiles(values, n=4) if len(values) > 1 else values * 3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--json")
    parser.add_argument("--check", action="store_true", help="briefly, for tests")
    parser.add_argument("--only", help="connections,size,style")
    parser.add_argument("--serve", nargs=2)
    options = parser.parse_args()
    if options.serve:
        with asyncio.Runner(loop_factory=factory(options.serve[0])) as runner:
            runner.run(serve(options.serve[1]))
        return
    kinds = []
    for kind in LOOPS:
        try:
            factory(kind)
            kinds.append(kind)
        except ImportError as error:
            print(f"{kind} is not there: {error}")
    rounds, seconds = (1, 0.05) if options.check else (options.rounds, options.seconds)
    print(f"Python {platform.python_version()}, Linux {platform.release()}, {os.cpu_count()} CPUs")
    record = []
    for style in ("protocol", "streams"):
        for connections in (1, 50):
            for size in (64, 4096):
                if options.only and options.only != f"{connections},{size},{style}":
                    continue
                found = compare(style, connections, size, rounds, seconds, kinds)
                print(f"\n{style}, {connections} connections, {size} bytes")
                base = found["asyncio"]
                for kind in kinds:
                    rates = [rate for rate, _ in found[kind]]
                    low, middle, high = quartiles(rates)
                    ratio = statistics.median(r / b for r, (b, _) in zip(rates, base))
                    cost = statistics.median(cost for _, cost in found[kind])
                    print(
                        f"  {kind:9} {middle:9,.0f}/s ({low:,.0f} to {high:,.0f})"
                        f"  {ratio:.2f} of asyncio's  {cost:5.1f} us of CPU"
                    )
                    record.append([style, connections, size, kind, found[kind]])
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": platform.uname()._asdict(), "rounds": record}, file)


if __name__ == "__main__":
    main()
