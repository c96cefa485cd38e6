"""What the checks of the binary and source interface share."""

import json
import pathlib
import shutil
import subprocess
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent


class Skip(Exception):
    """A check that cannot run here, with the reason."""


@dataclass
class Context:
    """Where things are, and what came out."""

    include: pathlib.Path
    libdir: pathlib.Path
    build: pathlib.Path
    peer: bool
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)

    def check(self, name: str, problem: str) -> None:
        """Counts one check; an empty problem is a pass."""
        if problem:
            self.failed += 1
            print(f"FAIL {name}: {problem}")
        else:
            self.passed += 1

    def skip(self, name: str, reason: str) -> None:
        self.skipped += 1
        print(f"skip {name}: {reason}")


def facts(name: str) -> dict:
    return json.loads((HERE / "facts" / f"{name}.json").read_text())


def command(*words: object, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


def compile_source(
    context: Context, compiler: str, name: str, source: str, flags: list, link: bool = False
) -> tuple:
    """Compiles generated code; the output file and what the compiler said."""
    suffix = ".cc" if "++" in compiler else ".c"
    file = context.build / (name + suffix)
    file.write_text(source)
    target = context.build / (name + ("" if link else ".o"))
    done = command(
        compiler, *flags, *([] if link else ["-c"]), file, "-o", target,
        *([] if not link else [f"-L{context.libdir}", f"-Wl,-rpath,{context.libdir}"]),
    )
    return target, done.stdout if done.returncode or done.stdout else ""


def include(context: Context) -> str:
    return f"-I{context.include}"


def have(program: str) -> bool:
    return shutil.which(program) is not None


def functions() -> list:
    return facts("symbols")["functions"]


def all_vectors() -> list:
    table = facts("prep-vectors")
    return table["vectors"] + table["vectors_other"]
