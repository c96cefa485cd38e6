#!/usr/bin/env python3
"""The main job: builds the examples and shows them at work on a real file and
real loopback connections. Ends with 3 when io_uring is not available here."""

import argparse
import http.client
import pathlib
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from build import Server, build, examples, no_loopback  # noqa: E402

SIZE = 16 * 1024 * 1024 + 123


def show(name: str, started: float, said: str) -> None:
    print(f"  {name:24}{(time.monotonic() - started) * 1000:7.1f} ms   {said}", flush=True)


def program(path: pathlib.Path, *arguments: object) -> str:
    started = time.monotonic()
    done = subprocess.run([str(path), *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"{path.name} ended with {done.returncode}: {done.stderr.strip()}")
    lines = done.stdout.strip().splitlines()
    for line in lines[:-1]:
        print(f"      {line}")
    show(path.name, started, lines[-1])
    return done.stdout


def echo(path: pathlib.Path, data: bytes) -> None:
    started = time.monotonic()
    with Server(path) as server:
        for _ in range(20):
            with socket.create_connection(server.address, timeout=20) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                back = b"".join(iter(lambda: connection.recv(65536), b""))
            if back != data:
                raise RuntimeError(f"{path.name} sent back something else")
    show(path.name, started, server.summary)


def udp(path: pathlib.Path, data: bytes) -> None:
    started = time.monotonic()
    with Server(path) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        for number in range(100):
            datagram = data[: 1 + number * 10]
            client.sendto(datagram, server.address)
            if client.recv(65536) != datagram:
                raise RuntimeError(f"{path.name} sent back something else")
    show(path.name, started, server.summary)


def web(path: pathlib.Path, file: pathlib.Path) -> None:
    started = time.monotonic()
    with Server(path, file.parent) as server:
        connection = http.client.HTTPConnection(*server.address, timeout=20)
        for _ in range(3):
            connection.request("GET", f"/{file.name}")
            if connection.getresponse().read() != file.read_bytes():
                raise RuntimeError(f"{path.name} sent something else")
        connection.close()
    show(path.name, started, server.summary)


def short_of_memory(problem: object) -> str:
    """What to do about rings that do not fit into the memlock limit."""
    if "Cannot allocate memory" not in str(problem):
        return ""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY:
        return "\nThe machine or the container is short of memory."
    return (f"\nRings count against the memory that a user may lock, which is {soft >> 10} KiB here, and "
            "those just closed\nfor a moment longer: raise it with `ulimit -l` or LimitMEMLOCK=.")


def main() -> int:
    """The demonstration; what goes wrong is said in a line, not as a traceback."""
    try:
        return demonstrate()
    except (RuntimeError, OSError, http.client.HTTPException, subprocess.SubprocessError) as problem:
        print(f"\nThat did not work: {problem}{short_of_memory(problem)}", file=sys.stderr)
        return 1


def demonstrate() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.libdir = arguments.libdir.resolve()
    built = {
        name: build(name, "c", arguments.include, arguments.libdir, arguments.build_dir)
        for name in examples()
    }
    print("What is here:")
    sys.stdout.flush()
    status = subprocess.run([str(built["features"])], check=False).returncode
    if status:
        return status
    with tempfile.TemporaryDirectory(prefix="anyring-") as folder:
        file = pathlib.Path(folder) / "data.bin"
        data = random.Random(1).randbytes(SIZE)
        file.write_bytes(data)
        copy = pathlib.Path(folder) / "copy.bin"
        print(f"A file of {SIZE} bytes:")
        program(built["read-one"], file)
        program(built["read-batch"], file)
        program(built["cp"], file, copy)
        if copy.read_bytes() != data:
            raise RuntimeError("the copy differs")
        program(built["registered"], file)
        program(built["sqpoll"], file)
        print("Timers and threads:")
        program(built["timeouts"])
        program(built["two-threads"])
        why = no_loopback()
        if why:
            print(f"No connections: {why}.")
            print("The rest of it worked.")
            return 0
        print("Loopback connections:")
        echo(built["echo-server"], data[:100_000])
        echo(built["echo-server-multishot"], data[:100_000])
        udp(built["udp-echo"], data)
        web(built["http-server"], file)
    print("All of it worked.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
