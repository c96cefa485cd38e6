"""Builds the examples, for the tests and for the demonstration."""

import os
import pathlib
import socket
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
COMPILERS = {"c": os.environ.get("CC", "cc"), "c++": os.environ.get("CXX", "c++")}
FLAGS = {"c": ["-std=gnu11"], "c++": ["-std=gnu++17"]}


def examples() -> list:
    return sorted(path.stem for path in HERE.glob("*.c"))


def build(name: str, language: str, include: pathlib.Path, libdir: pathlib.Path,
          folder: pathlib.Path) -> pathlib.Path:
    """Compiles one example; raises with the compiler's words if it cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / f"{name}{'' if language == 'c' else '-cxx'}"
    command = [
        COMPILERS[language], "-x", language, *FLAGS[language], "-O2", "-g", "-Wall", "-Wextra", "-Werror",
        f"-I{include}", str(HERE / f"{name}.c"), "-o", str(program),
        f"-L{libdir}", "-luring", "-lpthread", f"-Wl,-rpath,{libdir}",
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(f"{name} as {language}:\n{done.stdout}")
    return program


def no_loopback() -> str:
    """Why servers cannot be reached here, empty if they can."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=10).close()
    except OSError as error:
        return f"the loopback interface cannot be used ({error.strerror or error})"
    return ""


class Server:
    """A running server example; stopped, and its last line taken, on exit."""

    def __init__(self, program: pathlib.Path, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [str(program), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)
        line = self.process.stdout.readline()
        if "listening on" not in line:
            self.process.kill()
            raise RuntimeError(f"{program.name} did not start: {line.strip()}")
        self.address = ("127.0.0.1", int(line.rsplit(":", 1)[1]))
        self.summary = ""

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.summary = self.process.communicate(timeout=20)[0].strip()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        self.status = self.process.returncode
