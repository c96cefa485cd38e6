"""liburing.chaos, and pytest --uring-chaos."""

import asyncio
import pathlib
import re
import subprocess
import sys
import textwrap

import liburing
import pytest
from liburing import _chaos, chaos

RULES = pathlib.Path(__file__).resolve().parents[2] / "crates/anyring-cli/src/chaos/rules.rs"


def results(count=200):
    ring = liburing.Ring(8)
    found = []
    for _ in range(count):
        try:
            found.append(ring.nop().result())
        except OSError as error:
            found.append(-error.errno)
    return found


def test_rings_of_the_block_are_struck():
    before = liburing.Ring(8)
    with chaos(3, ["error:op=nop,errno=EIO,p=0.25"]) as struck:
        inside = liburing.Ring(8)
        assert liburing.engine_of(inside.fileno())[0] == "userspace"
        failed = results().count(-5)
        assert 20 < failed < 80
        assert all(before.nop().result() == 0 for _ in range(50))
        assert sum(one.kind == "error" and one.value == 5 for one in struck.decisions) == failed
    assert len(struck.decisions) == failed
    assert results() == [0] * 200


def test_a_seed_repeats():
    def run(seed):
        with chaos(seed, ["error:op=nop,errno=EIO,p=0.25", "worker:p=0.5"]):
            return results()

    assert run(7) == run(7) != run(8)
    with chaos() as one, pytest.raises(RuntimeError, match="already"), chaos():
        pass
    assert chaos().seed != one.seed


def test_short_transfers_are_met(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 40)
    with open(path, "rb", 0) as file, chaos(1, ["short:op=read"]):
        buffer = bytearray(10240)
        assert 0 < liburing.Ring(8).read(file, buffer).result() < 10240


@pytest.mark.parametrize("seed", range(5))
def test_the_event_loop_holds(seed):
    """What a program sends over a connection arrives, whole and in order."""
    data = bytes(range(256)) * 600

    async def main():
        async def handle(reader, writer):
            while part := await reader.read(5000):
                writer.write(part)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(data)
        writer.write_eof()
        got = await reader.read(-1)
        writer.close()
        server.close()
        return got

    from liburing import aio

    with chaos(seed, strict=True) as struck:
        loop = aio.EventLoop()
        try:
            assert loop.run_until_complete(asyncio.wait_for(main(), 20)) == data
        finally:
            loop.close()
    assert struck.decisions


@pytest.mark.parametrize("rule", ["banana", "error", "short:op=raed", "short:p=2", "delay", "short:errno=EIO", "delay:time=5",
                                  "short:nth=0", "short:x=1", "order:path=a;b"])  # fmt: skip
def test_mistakes_are_told(rule):
    with pytest.raises(ValueError):
        chaos(1, [rule])


def test_arguments_are_checked():
    with pytest.raises(ValueError):
        chaos(1, ["order"], strict=True)
    with pytest.raises(TypeError):
        chaos(1, "order")
    for seed in (-1, 1 << 64):
        with pytest.raises(ValueError):
            chaos(seed)


def test_the_rules_are_those_of_the_command():
    if not RULES.exists():
        pytest.skip("not in a checkout")
    text = RULES.read_text()
    for name in ("USUAL", "STRICT"):
        lines = re.search(rf"const {name}: &\[&str\] = &\[(.*?)\];", text, re.S)[1]
        assert tuple(re.findall(r'"([^"]+)"', lines)) == getattr(_chaos, name)


def test_pytest_runs_each_test_with_seeds(tmp_path):
    (tmp_path / "test_it.py").write_text(textwrap.dedent("""
        import liburing

        def test_order():
            ring = liburing.Ring(8)
            with ring.batch() as group:
                for number in range(6):
                    ring.nop()
            assert list(group.wait().results) == [0] * 6

        def test_lucky():
            for _ in range(20):
                liburing.Ring(8).nop().result()
    """))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    plain = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "2 passed" in plain.stdout, plain.stdout + plain.stderr
    struck = subprocess.run([*command, "--uring-chaos=5", "--uring-chaos-rule=error:op=nop,errno=EIO,p=0.2"],
                            capture_output=True, text=True, timeout=60)
    assert "test_lucky[seed1]" in struck.stdout and "uring chaos" in struck.stdout, struck.stdout + struck.stderr
    assert re.search(r"\d+ failed", struck.stdout) and "seed 1: " in struck.stdout
    fine = subprocess.run([*command, "--uring-chaos=5", "--uring-chaos-strict"], capture_output=True, text=True, timeout=60)
    assert "10 passed" in fine.stdout, fine.stdout + fine.stderr
