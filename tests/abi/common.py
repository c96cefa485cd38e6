"""What the checks of the binary and source interface share."""

import json
import os
import pathlib
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Optional

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent

# Newest spelling first: compilers older than a standard know its draft name.
SPELLINGS = {"c23": ["c23", "c2x"], "c++20": ["c++20", "c++2a"], "c++23": ["c++23", "c++2b"]}


class Skip(Exception):
    """A module that cannot run here, with the reason."""


@dataclass(frozen=True)
class Compiler:
    """One compiler command for one language."""

    command: str
    cxx: bool

    @property
    def label(self) -> str:
        return re.sub(r"[^\w.-]", "x", pathlib.Path(self.command).name)

    @property
    def suffix(self) -> str:
        return ".cc" if self.cxx else ".c"

    def standard(self, name: str) -> Optional[str]:
        """The flag for a language standard, or None where it is unknown."""
        for spelling in SPELLINGS.get(name, [name]):
            language = "c++" if self.cxx else "c"
            flag = f"-std={spelling}"
            if not command(self.command, flag, "-x", language, "-fsyntax-only", "/dev/null").returncode:
                return flag
        return None


def twin(compiler: str) -> str:
    """The C++ command that belongs to a C compiler: gcc-12 -> g++-12."""
    folder, name = os.path.split(compiler)
    for c, cxx in (("gcc", "g++"), ("clang", "clang++"), ("cc", "c++")):
        if c in name:
            return os.path.join(folder, name.replace(c, cxx, 1))
    return compiler


@dataclass
class Context:
    """Where things are, and what came out."""

    include: pathlib.Path
    libdir: pathlib.Path
    build: pathlib.Path
    peer: bool = False
    seed: int = 0
    c: list = field(default_factory=list)
    cxx: list = field(default_factory=list)
    quiet: bool = False
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def compilers(self) -> list:
        return self.c + self.cxx

    def check(self, name: str, problem: str) -> None:
        """Counts one check; an empty problem is a pass."""
        if problem:
            self.failed += 1
            self.say(f"FAIL {name}: {problem.strip()[:2000]}")
        else:
            self.passed += 1

    def skip(self, name: str, reason: str) -> None:
        self.skipped += 1
        self.say(f"skip {name}: {reason}")

    def say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)

    def flag(self) -> str:
        return f"-I{self.include}"

    def standard(self, compiler: Compiler, name: str) -> Optional[str]:
        """The flag of a standard; counts a skip where the compiler lacks it."""
        found = compiler.standard(name)
        if not found:
            self.skip(f"{compiler.command} with {name}", "the compiler does not know this standard")
        return found

    def write(self, name: str, source: str) -> pathlib.Path:
        file = self.build / name
        file.write_text(source)
        return file


def environment(**changes: str) -> dict:
    """The environment without what would redirect compilers, make or the loader."""
    unwanted = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH",
                "LIBRARY_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "LC_ALL": "C", **changes}


def command(*words: object, env: Optional[dict] = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
        env=env or environment(),
    )


def output_of(*words: object, env: Optional[dict] = None) -> str:
    """What a command says when that is all there is to it; failing is an error."""
    done = command(*words, env=env)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stdout}")
    return done.stdout


def compile_object(context: Context, compiler: Compiler, name: str, source: str, flags: list) -> tuple:
    """The object file, and what the compiler said: a warning counts as trouble."""
    file = context.write(f"{name}-{compiler.label}{compiler.suffix}", source)
    target = file.with_suffix(".o")
    done = command(compiler.command, *flags, "-c", file, "-o", target)
    return target, done.stdout or ("" if not done.returncode else "failed without a word")


def compile_program(
    context: Context, compiler: Compiler, name: str, source: str, flags: list, libraries: list
) -> tuple:
    """The program, and what compiling and linking said."""
    target, problem = compile_object(context, compiler, name, source, flags)
    program = target.with_suffix("")
    if not problem:
        done = command(compiler.command, target, "-o", program, *libraries)
        problem = done.stdout if done.returncode else ""
    return program, problem


def link_flags(context: Context, library: str = "uring") -> list:
    return [f"-L{context.libdir}", f"-l{library}", f"-Wl,-rpath,{context.libdir}"]


def ends_well(program: pathlib.Path, *arguments: object) -> str:
    """Runs a program that prints what is wrong; empty when it is content."""
    done = command(program, *arguments)
    return "" if not done.returncode else f"ended with {done.returncode}: {done.stdout}"


def facts(name: str) -> dict:
    return json.loads((HERE / "facts" / f"{name}.json").read_text())


def functions() -> list:
    return facts("symbols")["functions"]


def have(program: str) -> bool:
    return shutil.which(program) is not None


def difference(found: set, wanted: set) -> str:
    """Both sides of a set comparison in words, empty when equal."""
    words = []
    if wanted - found:
        words.append("missing: " + ", ".join(sorted(wanted - found)))
    if found - wanted:
        words.append("not expected: " + ", ".join(sorted(found - wanted)))
    return "; ".join(words)
