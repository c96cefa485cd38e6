#!/usr/bin/env python3
"""Which engine a program gets: by environment, error of the kernel, rights, library.

Ends with `N passed, N failed, N skipped`, as the other runners do.
"""

import argparse
import errno
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
NOBODY = 65534


class Cases:
    def __init__(self, include: pathlib.Path, libdir: pathlib.Path, folder: pathlib.Path) -> None:
        self.libdir = libdir
        self.include = include
        self.folder = folder
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.program = folder / "choice"
        self.deny = folder / "deny-io-uring"
        # The folder of the library is in the program: setuid programs take none
        # from the environment.
        self.compile(HERE / "programs/choice.c", self.program, f"-I{include}", f"-L{libdir}",
                     f"-Wl,-rpath,{libdir}", "-luring", "-pthread")
        self.compile(TESTS / "hostile/deny-io-uring.c", self.deny)

    def compile(self, source: pathlib.Path, program: pathlib.Path, *options: str) -> None:
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-Wall", "-Wextra",
                        "-Werror", str(source), "-o", str(program), *options], check=True)

    def run(self, *, deny: str = "", program: pathlib.Path = None, libdir: pathlib.Path = None,
            user: int = None, **environment: str) -> tuple:
        command = [str(self.deny), deny] if deny else []
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("ANYRING_", "LD_LIBRARY_PATH"))}
        kept.update(environment)
        if libdir:
            kept["LD_LIBRARY_PATH"] = str(libdir)
        done = subprocess.run([*command, str(program or self.program)], env=kept, text=True,
                              capture_output=True, timeout=60, check=False, user=user)
        if done.returncode:
            return f"ended with {done.returncode}", done.stderr
        return done.stdout.strip(), done.stderr.strip()

    def check(self, name: str, got: object, wanted: object) -> None:
        if got == wanted:
            self.counts["passed"] += 1
        else:
            self.counts["failed"] += 1
            print(f"FAIL {name}: {got!r}, expected {wanted!r}")

    def skip(self, name: str, reason: str) -> None:
        self.counts["skipped"] += 1
        print(f"skip {name}: {reason}")

    # ---- cases

    def by_environment(self) -> None:
        for error in ("ENOSYS", "EPERM", "EACCES", "EOPNOTSUPP"):
            number = getattr(errno, error)
            self.check(f"kernel, {error}", self.run(deny=error, ANYRING_ENGINE="kernel")[0],
                       f"error {number}")
            self.check(f"nothing said, {error}", self.run(deny=error)[0], f"error {number}")
            self.check(f"auto, {error}", self.run(deny=error, ANYRING_ENGINE="auto")[0],
                       f"userspace {number}")
            self.check(f"userspace, {error}", self.run(deny=error, ANYRING_ENGINE="userspace")[0],
                       "userspace 0")
        for error in ("ENOMEM", "EMFILE"):
            number = getattr(errno, error)
            self.check(f"auto, {error}", self.run(deny=error, ANYRING_ENGINE="auto")[0],
                       f"error {number}")
        self.check("userspace makes no io_uring call",
                   self.run(deny="KILL", ANYRING_ENGINE="userspace")[0], "userspace 0")

    def unknown_value(self) -> None:
        for value in ("", "AUTO", "user", "auto "):
            got, _ = self.run(deny="EPERM", ANYRING_ENGINE=value)
            self.check(f"the value {value!r}", got, f"error {errno.EPERM}")
        _, log = self.run(deny="EPERM", ANYRING_ENGINE="no", ANYRING_LOG="stderr")
        self.check("an unknown value is logged", "ANYRING_ENGINE is none of" in log, True)

    def log(self) -> None:
        _, log = self.run(deny="EPERM", ANYRING_ENGINE="auto", ANYRING_LOG="stderr")
        lines = [line for line in log.splitlines() if line.startswith("anyring: ring ")]
        self.check("one line for each ring", len(lines), 1)
        self.check("the line tells why", lines[0].split(": ", 2)[2],
                   "userspace engine, since io_uring_setup(2) failed with errno 1")
        _, log = self.run(ANYRING_ENGINE="userspace", ANYRING_LOG="stderr")
        self.check("chosen", log.split(": ", 2)[2:], ["userspace engine, as chosen"])
        _, log = self.run(deny="EPERM", ANYRING_ENGINE="auto")
        self.check("nobody asked for a log", log, "")

    def without_library(self) -> None:
        """The engine's library is not where liburing.so.2 is."""
        alone = self.folder / "alone"
        alone.mkdir()
        for library in self.libdir.glob("liburing.so*"):
            shutil.copy2(library, alone)
        program = self.folder / "choice-alone"
        self.compile(HERE / "programs/choice.c", program, f"-I{self.include}", f"-L{alone}",
                     f"-Wl,-rpath,{alone}", "-luring", "-pthread")
        got = self.run(program=program, ANYRING_ENGINE="userspace")[0]
        if got.startswith("userspace"):
            return self.skip("no library", "an installed one is found")
        self.check("userspace without its library", got, f"error {errno.ENOSYS}")
        for error in ("EPERM", "ENOSYS"):
            self.check(f"auto without the library, {error}",
                       self.run(program=program, deny=error, ANYRING_ENGINE="auto")[0],
                       f"error {getattr(errno, error)}")
        _, log = self.run(program=program, ANYRING_ENGINE="userspace", ANYRING_LOG="stderr")
        self.check("the log tells it", "cannot be loaded" in log, True)

    def setuid(self) -> None:
        """A program with more rights than its user ignores the environment."""
        if os.geteuid() != 0:
            return self.skip("setuid", "only root can make such a program")
        program = self.folder / "choice-setuid"
        shutil.copy2(self.program, program)
        program.chmod(0o4755)
        plain = self.run(user=NOBODY, ANYRING_ENGINE="userspace")
        if plain[0] != "userspace 0":
            return self.skip("setuid", f"another user cannot run it: {plain}")
        got = self.run(program=program, user=NOBODY, ANYRING_ENGINE="userspace")[0]
        flags = os.statvfs(self.folder).f_flag
        if flags & os.ST_NOSUID:
            return self.skip("setuid", "the folder is on a file system without setuid")
        self.check("a setuid program", got.startswith("userspace"), False)
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="choice-") as folder:
        os.chmod(folder, 0o755)
        cases = Cases(arguments.include.resolve(), arguments.libdir.resolve(), pathlib.Path(folder))
        for case in (cases.by_environment, cases.unknown_value, cases.log, cases.without_library,
                     cases.setuid):
            case()
    print(", ".join(f"{count} {what}" for what, count in cases.counts.items()))
    return 1 if cases.counts["failed"] or not cases.counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
