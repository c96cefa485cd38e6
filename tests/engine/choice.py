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
ENGINE = "libanyring-engine.so.0"


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
            user: int = None, words: tuple = (), cwd: pathlib.Path = None,
            **environment: str) -> tuple:
        command = [str(self.deny), deny] if deny else []
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("ANYRING_", "LD_LIBRARY_PATH"))}
        kept.update(environment)
        if libdir:
            kept["LD_LIBRARY_PATH"] = str(libdir)
        done = subprocess.run([*command, str(program or self.program), *map(str, words)], env=kept,
                              text=True, capture_output=True, timeout=60, check=False, user=user,
                              cwd=cwd)
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
        for value in ("AUTO", "Auto"):
            got, _ = self.run(deny="EPERM", ANYRING_ENGINE=value)
            self.check(f"the value {value!r}", got, f"userspace {errno.EPERM}")
        for value in ("", "user", "auto ", "kernel,auto"):
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
        got, log = self.run(ANYRING_ENGINE="auto", ANYRING_LOG="stderr")
        if got == "kernel":
            self.check("the kernel's rings too", log.split(": ", 2)[2:], ["the kernel's io_uring"])
        else:
            self.skip("the kernel's rings in the log", f"io_uring is not available: {got}")
        _, log = self.run(ANYRING_ENGINE="auto")
        self.check("no log of the kernel's rings", log, "")

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
        for place in (alone / ENGINE, ENGINE):
            self.check(f"the log names {place}", f"anyring: no userspace engine in {place}: " in log, True)

    def reached_by_detours(self) -> None:
        """liburing.so.2 is not reached by the name of its own folder."""
        real = self.folder / "root/usr/lib"
        real.mkdir(parents=True)
        for library in (*self.libdir.glob("liburing.so*"), self.libdir / ENGINE):
            shutil.copy2(library, real, follow_symlinks=False)
        moved = self.folder / "chdir-relative"
        self.compile(HERE / "programs/chdir-relative.c", moved, f"-I{self.include}", f"-L{real}", "-luring")
        opened = self.folder / "opened"
        self.compile(HERE / "programs/opened.c", opened, f"-I{self.include}", "-ldl")
        environment = {"ANYRING_ENGINE": "userspace", "ANYRING_LOG": "stderr"}

        link = self.folder / "link"
        link.mkdir()
        (link / "liburing.so.2").symlink_to(real / "liburing.so.2")
        renamed = self.folder / "wheel.libs"
        renamed.mkdir()
        shutil.copy2(real / "liburing.so.2", renamed / "liburing-1a2b3c4d.so.2.15")
        shutil.copy2(real / ENGINE, renamed)
        store = self.folder / "store/engine"
        store.mkdir(parents=True)
        shutil.copy2(real / ENGINE, store)
        farm = self.folder / "farm"
        farm.mkdir()
        (farm / "liburing.so.2").symlink_to(self.folder / "alone" / "liburing.so.2")
        (farm / ENGINE).symlink_to(store / ENGINE)
        cases = {
            "a symbolic link": self.run(program=self.program, libdir=link, **environment),
            "a link to the folder": self.run(program=self.program, libdir=self.linked(real), **environment),
            "links to two folders": self.run(program=self.program, libdir=farm, **environment),
            "a relative path, then chdir": self.run(
                program=moved, libdir=real.relative_to(self.folder), cwd=self.folder, **environment),
            "dlopen of a full path": self.run(program=opened, words=(real / "liburing.so.2",), **environment),
            "dlopen of a link": self.run(program=opened, words=(link / "liburing.so.2",), **environment),
            "dlopen of a renamed copy": self.run(
                program=opened, words=(renamed / "liburing-1a2b3c4d.so.2.15",), **environment),
            "dlopen of a relative path": self.run(
                program=opened, words=("./root/usr/lib/liburing.so.2", "/"), cwd=self.folder, **environment),
        }
        for name, (got, log) in cases.items():
            self.check(f"reached by {name}", (got, "as chosen" in log), ("userspace 0", True))

    def linked(self, folder: pathlib.Path) -> pathlib.Path:
        link = self.folder / "lib64"
        link.symlink_to(folder)
        return link

    def static(self) -> None:
        """A static program has the engine inside."""
        program = self.folder / "choice-static"
        try:
            self.compile(HERE / "programs/choice.c", program, f"-I{self.include}", "-static",
                         str(self.libdir / "liburing.a"), "-pthread")
        except subprocess.CalledProcessError:
            return self.skip("a static program", "the C library has no static archive here")
        self.check("a static program", self.run(program=program, ANYRING_ENGINE="userspace")[0], "userspace 0")
        return None

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
                     cases.reached_by_detours, cases.static, cases.setuid):
            case()
    print(", ".join(f"{count} {what}" for what, count in cases.counts.items()))
    return 1 if cases.counts["failed"] or not cases.counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
