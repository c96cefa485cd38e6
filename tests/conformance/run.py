#!/usr/bin/env python3
"""Compiles and runs the C programs of this folder (or another), one behaviour each.

`ops` has those about operations, `ring` about queues and waits, `register` about
register calls, `setup` about rings being made, and about the library as a file.

A program ends with 0 (passed), 1 (failed) or 77 (skipped, with a line
`skip: reason`). With --peer the programs that an installed liburing can compile
and link run on it too; their verdict and their `result:` lines must be the same
unless the ledger says why not. Ends with `N passed, N failed, N skipped`, and with status
77 if all were skipped.

A program is built anew only when something that goes into it changed.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# Where programs lie in a folder: in it, or by what they are about.
SUBJECTS = (".", "ops", "ring", "register", "setup")
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-pthread", f"-iquote{HERE}"]
# How a program says that it got no ring at all.
NO_RING = "io_uring is not available"
# What a program may lock at least, in bytes, for a failure to count: rings and
# registered buffers are locked memory for users without CAP_IPC_LOCK.
MEMLOCK = 4 << 20
# A failure that may be the kernel's refusal: its error, or a condition without a number.
REFUSED_MEMORY = re.compile(r"(?s)^ended with .*( is -12,|Cannot allocate memory|check failed: )")
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def ledger(path: pathlib.Path) -> dict:
    """(program, kind) -> reason of what is known to differ."""
    known = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line and not line.startswith("#"):
            name, kind, reason = line.split(maxsplit=2)
            known[name, kind] = reason
    return known


def compile_program(source: pathlib.Path, program: pathlib.Path, options: list, libraries: list,
                    inputs: str = "") -> str:
    """Builds a program unless it is there, made of the same; what the compiler said if
    it cannot. `inputs` stands for what the source includes and links."""
    command = [os.environ.get("CC", "cc"), *FLAGS, *options, str(source), "-o"]
    made_of = hashlib.sha256("\0".join([*command, *libraries, inputs, source.read_text()]).encode()).hexdigest()
    witness = program.with_name(f"{program.name}.made-of")
    if inputs and program.exists() and witness.exists() and witness.read_text() == made_of:
        return ""
    # Another run may be using the one that is there.
    fresh = program.with_name(f"{program.name}.{os.getpid()}")
    done = subprocess.run([*command, str(fresh), *libraries, "-ldl"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        return done.stdout or "the compiler failed without a word"
    os.replace(fresh, program)
    witness.write_text(made_of)
    return ""


def sources(folder: pathlib.Path, only: str) -> dict:
    """Name -> source of the programs of a folder."""
    found: dict = {}
    for subject in SUBJECTS:
        for path in (folder / subject).glob(f"{only}.c"):
            if found.setdefault(path.stem, path) != path:
                raise SystemExit(f"two programs are called {path.stem}")
    return dict(sorted(found.items()))


def digest(files: list) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(f"{file}\0".encode())
        total.update(file.read_bytes())
    return total.hexdigest()


def locked_memory() -> int:
    """How many bytes of memory a program may lock, -1 for any number. Rings count."""
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    capabilities = next((int(line.split()[1], 16) for line in open("/proc/self/status")
                         if line.startswith("CapEff:")), 0)
    if capabilities & 1 << 14:  # CAP_IPC_LOCK
        return -1
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    return -1 if hard == resource.RLIM_INFINITY else hard


def execute(command: list, timeout: float, libdir: str = "") -> tuple:
    """Exit status and output; the whole process group goes when time is up."""
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1",
                       UBSAN_OPTIONS="print_stacktrace=1")
    if libdir:
        environment["LD_LIBRARY_PATH"] = libdir
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True, env=environment, cwd="/")
    try:
        output, _ = process.communicate(timeout=timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output, status = output + b"\nran out of time", -1
    return status, output.decode(errors="replace")


def no_loopback() -> str:
    """Why network sockets reach nothing here, empty if they do."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=10).close()
    except OSError as error:
        return f"the loopback interface cannot be used ({error.strerror or error})"
    return ""


def results(output: str) -> list:
    return [line for line in output.splitlines() if line.startswith("result: ")]


class Suite:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.sources = sources(arguments.folder, arguments.only)
        self.known = ledger(arguments.folder / "ledger.txt")
        if arguments.ledger:
            self.known.update(ledger(arguments.ledger))
        engine = arguments.folder / "engine-ledger.txt"
        self.engine = ledger(engine) if arguments.engine else {}
        if arguments.engine:
            os.environ["ANYRING_ENGINE"] = arguments.engine
        include, libdir = arguments.include.resolve(), arguments.libdir.resolve()
        self.options = [f"-I{include}", "-Werror"]
        rpath = [f"-L{libdir}", f"-Wl,-rpath,{libdir}"]
        self.libraries = {
            "shared": [*rpath, "-luring"],
            "ffi": [*rpath, "-luring-ffi"],
            "static": [str(libdir / "liburing.a")],
        }[arguments.link]
        if arguments.sanitize:
            self.options += SANITIZE
        linked = [libdir / "liburing.a"] if arguments.link == "static" else []
        # Shared libraries are looked at for the names they have, which the headers give.
        self.inputs = digest([*include.rglob("*.h"), *HERE.glob("*.h"), *arguments.folder.glob("*.h"), *linked])
        self.loopback = no_loopback()
        self.memlock = locked_memory() if arguments.engine != "userspace" else -1

    def without_loopback(self, name: str, result: tuple) -> tuple:
        """A program about network sockets cannot run where they reach nothing."""
        verdict, text, _ = result
        if verdict != "FAIL" or not self.loopback or not text.startswith("ended with"):
            return result
        source = self.sources[name].read_text()
        if not re.search(r"AF_INET|INADDR_LOOPBACK|\b(tcp|udp)_\w+\(", source):
            return result
        return "skip", f"{self.loopback}: {' '.join(text.split())[:200]}", ""

    def short_of_memory(self, result: tuple) -> tuple:
        """A program that fails where hardly any memory can be locked cannot run here."""
        verdict, text, _ = result
        if verdict != "FAIL" or not 0 <= self.memlock < MEMLOCK or not REFUSED_MEMORY.search(text):
            return result
        where = " ".join(text.split())
        return "skip", (f"ulimit -l allows {self.memlock >> 10} KiB, and these programs assume "
                        f"{MEMLOCK >> 10}: {where[:200]}"), ""

    def one(self, name: str) -> tuple:
        """verdict, what to print, and whether the peer was compared."""
        result = self.without_loopback(name, self.short_of_memory(self.run(name)))
        served = not result[1].startswith(NO_RING) or (name, "skip") in self.engine
        if not self.arguments.engine or served:
            return self.against_ledger(name, result)
        return "FAIL", f"the engine did not serve it: {result[1]}", ""

    def against_ledger(self, name: str, result: tuple) -> tuple:
        """On the engine only what its ledger names may fail or be skipped."""
        verdict, text, _ = result
        here = self.arguments.ledger and self.known.get((name, "fail"))
        if verdict != "ok" and here:
            return "skip", f"as the ledger says: {here}", ""
        if not self.arguments.engine:
            return result
        # Killed are programs only where io_uring calls end them.
        if verdict == "ok" and [kind for program, kind in self.engine if program == name] == ["killed"]:
            return result
        reasons = {kind: reason for (program, kind), reason in self.engine.items()
                   if program == name}
        if verdict == "ok":
            return result if not reasons else (
                "FAIL", f"passes on the engine; its ledger expects: {reasons}", "")
        killed = text.startswith(f"ended with -{int(signal.SIGSYS)}:")
        kind = "killed" if killed else {"skip": "skip", "FAIL": "fail"}[verdict]
        if kind in reasons:
            return "skip", f"as the ledger says: {reasons[kind]}", ""
        return "FAIL", f"{kind} on the engine, which its ledger does not name: {text}", ""

    def run(self, name: str) -> tuple:
        build = self.arguments.build_dir
        program, source = build / name, self.sources[name]
        problem = compile_program(source, program, self.options, self.libraries, self.inputs)
        if problem:
            return "FAIL", f"does not compile:\n{problem}", ""
        status, output = execute([*self.arguments.run_with, program], self.arguments.timeout,
                                 str(self.arguments.libdir.resolve()))
        reasons = [line for line in output.splitlines() if line.startswith("skip: ")]
        if status == 77:
            if not reasons:
                return "FAIL", "skipped without a reason", ""
            verdict = ("skip", reasons[-1][6:])
        elif status:
            return "FAIL", f"ended with {status}:\n{output.strip()}", ""
        else:
            verdict = ("ok", "")
        if not self.arguments.peer:
            return (*verdict, "")
        theirs = build / f"{name}.peer"
        if compile_program(source, theirs, ["-Werror=implicit-function-declaration"], ["-luring"]):
            return (*verdict, "lacks")
        their_status, their_output = execute([theirs], self.arguments.timeout)
        if their_status in (-signal.SIGILL, 127, 126):
            # An installed library that does not run on this machine is no witness.
            why = "dies of SIGILL" if their_status == -signal.SIGILL else their_output.strip()
            return (*verdict, f"cannot run: the installed liburing {why}")
        same = their_status == status and results(their_output) == results(output)
        reason = self.known.get((name, "peer"))
        if same:
            return (*verdict, "same")
        if reason:
            return (*verdict, f"differs: {reason}")
        return "FAIL", (f"the installed liburing ended with {their_status}, ours with {status};\n"
                        f"theirs: {their_output.strip()}\nours: {output.strip()}"), ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    parser.add_argument("--build-dir", type=pathlib.Path, default=pathlib.Path("target/conformance"))
    parser.add_argument("--link", choices=("shared", "static", "ffi"), default="shared")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--engine", choices=("auto", "userspace"))
    parser.add_argument("--run-with", type=str.split, default=[], help="the command that runs programs")
    parser.add_argument("--ledger", type=pathlib.Path, help="what may fail there besides, as `PROGRAM fail REASON`, for tests on odd systems")
    parser.add_argument("--only", default="*")
    parser.add_argument("--folder", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    arguments.build_dir = arguments.build_dir.resolve()
    arguments.build_dir.mkdir(parents=True, exist_ok=True)
    suite = Suite(arguments)
    names = list(suite.sources)
    if arguments.peer and subprocess.run([os.environ.get("CC", "cc"), "-E", "-include", "liburing.h", "-x", "c",
                                          "/dev/null"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                         check=False).returncode:
        print("skip the comparison with an installed liburing: its headers are not there")
        arguments.peer = False
    for name, _ in [*suite.known, *suite.engine]:
        if arguments.only == "*" and name not in names:
            print(f"FAIL the ledger names {name}, which does not exist")
            return 1
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    compared = {"same": 0, "lacks": 0, "differs": 0, "cannot run": 0}
    # Programs that are killed cannot clean up: their folders lie in this one.
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder, \
            concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        os.environ["TMPDIR"] = folder
        skipped = collections.defaultdict(list)
        for name, (verdict, text, peer) in zip(names, pool.map(suite.one, names)):
            counts[verdict] += 1
            if peer:
                compared[peer.split(":")[0]] += 1
            if verdict == "skip":
                skipped[text].append(name)
            elif peer.startswith("cannot run"):
                skipped[f"not compared, {peer}"].append(name)
            elif verdict != "ok" or peer.startswith("differs"):
                print(f"{verdict:4} {name}: {text or peer}", flush=True)
    for reason, those in skipped.items():
        some = ", ".join(those) if len(those) < 10 else f"{len(those)} programs"
        print(f"skip {some}: {reason}")
    if arguments.peer:
        print(f"against the installed liburing: {compared['same']} the same, "
              f"{compared['differs']} differ as the ledger says, {compared['lacks']} it lacks")
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    if not counts["ok"] and not counts["FAIL"] and counts["skip"]:
        return 77
    return 1 if counts["FAIL"] or not counts["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
