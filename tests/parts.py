"""The parts of `make test`: what each runs, what it needs, which files it is about."""

import os
import pathlib
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Callable, List, Optional, Tuple

PROJECT = pathlib.Path(__file__).resolve().parent.parent


@dataclass
class Settings:
    """Where things are, as the Makefile says by the environment."""

    make: str = os.environ.get("MAKE", "make")
    cargo: str = os.environ.get("CARGO", "cargo")
    target: pathlib.Path = PROJECT / "target"
    libdir: pathlib.Path = PROJECT / os.environ.get("LIBDIR", "target/lib")

    @property
    def venv(self) -> str:
        return str(self.target / "venv/bin/python")

    def denied(self, error: str) -> List[str]:
        """The words before a command that deny it io_uring with this error."""
        return [str(self.target / "hostile/deny-io-uring"), error]

    @property
    def where(self) -> List[str]:
        return ["--include", str(PROJECT / "include"), "--libdir", str(self.libdir)]


@dataclass
class Step:
    """One command of a part, or, without words, one that is skipped for a reason."""

    words: List[str] = field(default_factory=list)
    environment: dict = field(default_factory=dict)
    skip: str = ""
    # Without it the commands behind it make no sense: they run only after success.
    must: bool = False


@dataclass
class Part:
    name: str
    # What the part is about, for the table of the parts.
    about: str
    # Given the settings, its commands. All of them run, whichever fail.
    steps: Callable[[Settings], List[Step]]
    # Builds that have to be there first.
    needs: Tuple[str, ...] = ()
    # At most one of those that hold a lock runs at a time.
    lock: str = ""
    # Beginnings of the paths of files that the part depends on.
    touched_by: Tuple[str, ...] = ()
    seconds: int = 1800
    # A build makes something for the parts and is not counted among them.
    build: bool = False


def works(*words: str) -> bool:
    """Whether a command ends well; a command that is not there does not."""
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def version_of(*words: str) -> Optional[Tuple[int, ...]]:
    """The first three numbers that `--version` prints."""
    try:
        text = subprocess.run([*words, "--version"], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL, check=True).stdout
        return tuple(int(part) for part in text.split()[1].split("-")[0].split("."))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


# What a user without CAP_IPC_LOCK may lock at least for tests with many rings to run.
MEMLOCK = 4 << 20


def short_of_memory() -> str:
    """Why tests that make many rings of the kernel cannot run here, empty if they can."""
    _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    capabilities = next((int(line.split()[1], 16) for line in open("/proc/self/status", encoding="ascii")
                         if line.startswith("CapEff:")), 0)
    # CAP_IPC_LOCK
    if capabilities & 1 << 14 or hard == resource.RLIM_INFINITY or hard >= MEMLOCK:
        return ""
    return f"ulimit -l allows {hard >> 10} KiB of locked memory; the rings of this part assume {MEMLOCK >> 10}"


def with_rings(steps: Callable[[Settings], List[Step]]) -> Callable[[Settings], List[Step]]:
    """The same, skipped where the kernel's rings hardly fit into memory."""
    def guarded(settings: Settings) -> List[Step]:
        reason = short_of_memory()
        return [Step(skip=reason)] if reason else steps(settings)
    return guarded


# ---- builds


def libraries(settings: Settings) -> List[Step]:
    return [Step([settings.make, "-j2", "all"], must=True),
            Step([settings.make, "target/hostile/deny-io-uring", "target/hostile/deny-calls"])]


def module(settings: Settings) -> List[Step]:
    if not os.access(settings.venv, os.X_OK) and not works(sys.executable, "-c", "import ensurepip, venv"):
        return [Step(skip="python3 lacks venv (Debian: python3-venv)")]
    if sys.version_info < (3, 10):
        return [Step(skip=f"the module needs Python 3.10, this is {sys.version.split()[0]}")]
    return [Step([settings.make, "python"])]


# ---- parts


def lint(settings: Settings) -> List[Step]:
    cargo, steps = settings.cargo, []
    for tool, package, words in (
        ("fmt", "rustfmt", ["fmt", "--all", "--check"]),
        ("clippy", "clippy", ["clippy", "--locked", "--workspace", "--all-targets", "--all-features",
                              "--", "-D", "warnings"]),
    ):
        if works(cargo, tool, "--version"):
            steps.append(Step([cargo, *words]))
        else:
            steps.append(Step(skip=f"cargo {tool} is not installed (rustup component add {package})"))
    for features in ("", "std", "alloc", "owned", "scripted", "io-uring", "scripted,owned,io-uring"):
        steps.append(Step([cargo, "doc", "--locked", "--quiet", "--package", "anyring", "--no-deps", "--features",
                           features], {"RUSTDOCFLAGS": "-D warnings"}))
    # What is generated is compared as rustfmt leaves it.
    steps.append(Step([cargo, "xtask", "codegen", "--check"]) if works("rustfmt", "--version")
                 else Step(skip="generated files: rustfmt is not installed (rustup component add rustfmt)"))
    return [*steps, Step([cargo, "xtask", "layers"]),
            python("tests/unsafe.py"), python("benches/rust/compare.py", "--check")]


def rust(settings: Settings) -> List[Step]:
    return [Step([settings.cargo, "test", "--locked", "--workspace", "--all-features", "--no-fail-fast"])]


def abi(settings: Settings) -> List[Step]:
    return [python("tests/abi/run.py", *settings.where, "--peer", "--build-dir", settings.target / "abi"),
            python("tests/abi/facts/generate.py", "--compare")]


def python(script: str, *words: object, before: Tuple[str, ...] = (), **environment: str) -> Step:
    command = [*before, sys.executable, script, *map(str, words)]
    return Step(command, environment)


def programs(settings: Settings, link: str, *words: object, before: Tuple[str, ...] = (),
             folder: str = "conformance") -> Step:
    """The C programs of a folder with one of our libraries."""
    return python("tests/conformance/run.py", *settings.where, "--link", link, "--folder",
                  f"tests/{folder}", "--build-dir", settings.target / f"{folder}-{link}", *words,
                  before=before)


def conformance(settings: Settings) -> List[Step]:
    return [python("tests/conformance/op-coverage.py"), programs(settings, "shared", "--peer"),
            programs(settings, "static"), programs(settings, "ffi")]


def sanitize(settings: Settings) -> List[Step]:
    return [python("tests/conformance/run.py", *settings.where, "--sanitize", "--build-dir",
                   settings.target / "conformance-sanitize")]


def denied(settings: Settings) -> List[Step]:
    return [programs(settings, "shared", before=settings.denied(error))
            for error in ("ENOSYS", "EPERM", "EACCES")]


def engine(settings: Settings) -> List[Step]:
    others = str(settings.target / "hostile/deny-calls")
    auto = {"ANYRING_ENGINE": "auto"}
    userspace = {"ANYRING_ENGINE": "userspace"}
    examples = ("c-examples/test.py", *settings.where, "--build-dir", settings.target / "c-examples")
    binaries = ("tests/binaries/run.py", "--libdir", settings.libdir)
    return [
        *(programs(settings, "shared", "--engine", "auto", before=settings.denied(error))
          for error in ("ENOSYS", "EPERM", "EACCES")),
        *(programs(settings, link, "--engine", "userspace", before=settings.denied("KILL"))
          for link in ("shared", "static", "ffi")),
        programs(settings, "shared", "--engine", "userspace", folder="engine"),
        programs(settings, "shared", "--engine", "userspace", before=[others], folder="engine"),
        programs(settings, "shared", "--engine", "userspace", "--ledger",
                 str(PROJECT / "tests/conformance/without-v2-ledger.txt"), before=[others, "--v2"]),
        python("tests/engine/choice.py", *settings.where),
        python("tests/random/run.py", *settings.where, "--build-dir", settings.target / "random", "--ends"),
        python(*examples, before=settings.denied("EPERM"), **auto),
        python(*examples, **userspace),
        python(*binaries, before=settings.denied("EPERM"), **auto),
        python(*binaries, **userspace),
    ]


def engine_rust(settings: Settings) -> List[Step]:
    rings = [settings.cargo, "test", "--locked", "--workspace", "--all-features", "--test", "rings"]
    return [Step([*rings, "--no-run"], must=True),
            Step([*settings.denied("EPERM"), *rings], {"ANYRING_ENGINE": "auto"}),
            Step([*settings.denied("KILL"), *rings], {"ANYRING_ENGINE": "userspace"})]


def examples(settings: Settings) -> List[Step]:
    return [python("c-examples/test.py", *settings.where, "--build-dir", settings.target / "c-examples")]


def binaries(settings: Settings) -> List[Step]:
    return [python("tests/binaries/run.py", "--libdir", settings.libdir)]


def observe(settings: Settings) -> List[Step]:
    return [Step([settings.cargo, "build", "--locked", "-p", "anyring-cli"], must=True),
            python("tests/observe/run.py", *settings.where, "--uring", settings.target / "debug/uring",
                   "--deny", settings.denied("")[0])]


def chaos(settings: Settings) -> List[Step]:
    return [Step([settings.cargo, "build", "--locked", "-p", "anyring-cli"], must=True),
            python("tests/chaos/run.py", *settings.where, "--uring", settings.target / "debug/uring",
                   "--build-dir", settings.target / "chaos")]


def check(settings: Settings) -> List[Step]:
    programs = settings.target / "conformance-shared"
    return [Step([settings.cargo, "build", "--locked", "-p", "anyring-cli"], must=True),
            python("tests/check/run.py", *settings.where, "--uring", settings.target / "debug/uring",
                   "--build-dir", settings.target / "check", "--conformance", programs)]


def bench(settings: Settings) -> List[Step]:
    return [*(python(f"benches/{folder}/compare.py", *settings.where, "--check") for folder in ("c", "engine")),
            python("benches/counts/check.py", *settings.where, "--build-dir", settings.target / "counts")]


def install(settings: Settings, *packages: str) -> List[str]:
    return [settings.venv, "tests/python/packages.py", *packages]


def module_tests(settings: Settings) -> List[Step]:
    return [Step(install(settings, "pytest", "pytest-timeout", "mypy", "maturin>=1.7,<2", "--optional",
                         "uvloop", "numpy"), must=True),
            Step([settings.venv, "-m", "pytest", "-q", "-rs"])]


def asyncio(settings: Settings) -> List[Step]:
    return [Step([settings.venv, "tests/python/aio/cpython_suite.py"])]


def module_engine(settings: Settings) -> List[Step]:
    return [Step(install(settings, "pytest", "pytest-timeout"), must=True),
            Step([settings.venv, "tests/python/engine_suite.py", "--deny", settings.denied("")[0]])]


RUST = ("crates/", "Cargo.", "rustfmt.toml")
LIBRARY = ("crates/anyring-abi/", "crates/anyring/", "crates/anyring-capi/", "crates/anyring-engine/",
           "Cargo.", "include/", "Makefile")
MODULE = ("crates/anyring-abi/", "crates/anyring/", "crates/anyring-engine/", "crates/anyring-py/",
          "Cargo.", "python/", "pyproject.toml")
C_PROGRAMS = (*LIBRARY, "tests/conformance/", "tests/hostile/")

# The order is that in which they start: what takes long first.
PARTS = [
    Part("libraries", "the C libraries", libraries, build=True),
    Part("module", "the Python module", module, build=True),
    Part("python-engine", "the tests of the Python module and CPython's of asyncio on the userspace engine",
         module_engine, ("libraries", "module"), touched_by=(*MODULE, "tests/python/", "tests/hostile/"),
         seconds=3600),
    Part("rust", "the core, the engine, the generator, the command", with_rings(rust), lock="cargo",
         touched_by=(*RUST, "include/", "c-examples/", "benches/", "tests/abi/facts/")),
    Part("python", "the Python module", with_rings(module_tests), ("module",),
         touched_by=(*MODULE, "tests/python/", "docs/", "README.md", "benches/python/", "LICENSE")),
    Part("asyncio", "CPython's tests of asyncio on our event loop", with_rings(asyncio), ("module",),
         touched_by=(*MODULE, "tests/python/aio/cpython")),
    Part("engine", "C programs, C examples, the distribution's programs on the userspace engine", engine,
         ("libraries",), touched_by=(*C_PROGRAMS, "tests/engine/", "tests/random/", "tests/binaries/", "c-examples/")),
    Part("conformance", "C programs on the real kernel", conformance, ("libraries",), touched_by=C_PROGRAMS),
    Part("lint", "formatting, clippy, and that generated files are up to date", lint, lock="cargo",
         touched_by=(*RUST, "include/", "docs/", "python/", "tests/abi/facts/", "tests/python/", "benches/")),
    Part("sanitize", "the same with address and undefined-behaviour sanitizers", sanitize, ("libraries",),
         touched_by=C_PROGRAMS),
    Part("abi", "symbols, constants, layouts, headers, prep vectors, installation", abi, ("libraries",),
         touched_by=(*LIBRARY, "tests/abi/", "tests/bindings/", "docs/bindings.md")),
    Part("engine-rust", "the core's tests of rings on the userspace engine", engine_rust, ("libraries",),
         lock="cargo", touched_by=("crates/anyring-abi/", "crates/anyring/", "crates/anyring-engine/",
                                   "Cargo.", "tests/hostile/")),
    Part("examples", "the C examples", with_rings(examples), ("libraries",),
         touched_by=(*LIBRARY, "c-examples/", "tests/hostile/")),
    Part("binaries", "programs of the distribution on our library", with_rings(binaries), ("libraries",),
         touched_by=(*LIBRARY, "tests/binaries/")),
    Part("observe", "uring trace and uring doctor against what programs count", with_rings(observe),
         ("libraries",), lock="cargo", touched_by=("crates/anyring-observe/", "crates/anyring-cli/",
                                   "crates/anyring-abi/", "crates/anyring-spec/", "Cargo.", "tests/observe/",
                                   "tests/hostile/", "c-examples/")),
    Part("check", "uring check: each finding's wrong and right program, the examples, the conformance programs",
         with_rings(check), ("libraries", "conformance"), lock="cargo",
         touched_by=(*LIBRARY, "crates/anyring-cli/", "crates/anyring-observe/", "crates/anyring-spec/", "docs/findings/",
                     "tests/check/", "tests/conformance/", "c-examples/")),
    Part("chaos", "uring chaos: programs that rely on luck fail, right ones and the C examples do not", chaos,
         ("libraries",), lock="cargo", touched_by=(*LIBRARY, "crates/anyring-cli/", "crates/anyring-observe/",
                                   "tests/chaos/", "c-examples/")),
    Part("bench", "that the benchmark programs do what they say, and counts that repeat", with_rings(bench), ("libraries",),
         touched_by=(*LIBRARY, "benches/c/", "benches/engine/", "benches/counts/")),
    Part("denied", "that the C programs skip with the reason where io_uring is denied", denied, ("libraries",),
         touched_by=C_PROGRAMS),
]
# What no part is about; a file that is in no list here counts for all parts.
NOTHING = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", ".github/", ".gitignore", "benches/record/", "docs/testing.md")
