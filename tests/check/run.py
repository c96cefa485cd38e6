#!/usr/bin/env python3
"""uring check and uring explain: the programs of docs/findings, and programs that are right.

    run.py --include DIR --libdir DIR --build-dir DIR --uring PROGRAM --deny PROGRAM [--conformance DIR]

Every page has a wrong program, whose finding must be reported with the call that it is
about, and a right one as near to it as can be, which must have no finding of the id and no
error. With --conformance every program there is run as well: none may have an error.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
PAGES = PROJECT / "docs/findings"
FOUND, NO_RING = 99, 98
# A part of what must be said of the wrong program.
SAID = {
    "UR-BUF-FREED": r"munmap\(0x[0-9a-f]+, 4096\) takes memory that #1 read\(",
    "UR-BUF-OVERLAP": r"read\(\d+, 0x[0-9a-f]+, 32, 0\) receives into memory that #1 read\(\d+, 0x[0-9a-f]+, 64",
    "UR-INDEX": r"= -EBADF: no file is registered at index \d+",
    "UR-FORK": r"process \d+ uses a ring that process \d+ made",
    "UR-THREADS": r"-EEXIST",
    "UR-SETUP": r"io_uring_setup = -EINVAL",
    "UR-CQ-OVERFLOW": r"completions found no room",
    "UR-SUBMIT-SHORT": r"2 entries were left",
    "UR-MULTI-END": r"#1 poll_multishot\(.* without IORING_CQE_F_MORE",
    "UR-CANCEL-MISS": r"#1 cancel.*ENOENT",
    "UR-DATA-DUP": r"has the user_data of #1 read\(",
    "UR-BATCH": r"2000 requests in \d+ calls",
    "UR-LINK-CUT": r"#1 read\(-1.*= -EBADF, which cut its chain: #2 nop",
}


class Skip(Exception):
    """Why a test cannot run here."""


class Tests:
    def __init__(self, options: argparse.Namespace) -> None:
        self.uring, self.folder = str(options.uring.resolve()), options.build_dir.resolve()
        self.options = options
        self.folder.mkdir(parents=True, exist_ok=True)

    def compile(self, name: str, source: str) -> str:
        program = self.folder / name
        (self.folder / f"{name}.c").write_text(source)
        done = subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread",
                               f"-I{self.options.include}", f"{program}.c", "-o", str(program),
                               f"-L{self.options.libdir.resolve()}", f"-Wl,-rpath,{self.options.libdir.resolve()}", "-luring"],
                              stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return str(program)

    def check(self, *words: str, program: tuple, before: tuple = (), status: int | None = None) -> tuple:
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        environment = {**os.environ, "ANYRING_ENGINE": "kernel"}
        done = subprocess.run([*before, self.uring, "check", "--json", str(report), *words, *program], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=100, check=False)
        if not report.exists() and "ptrace" in done.stderr:
            raise Skip(done.stderr.strip())
        assert status is None or done.returncode == status, (words, program, done.returncode, done.stdout, done.stderr)
        return json.loads(report.read_text()) if report.exists() else {}, done

    def pages(self) -> dict:
        """The programs of every page, by id."""
        found = {}
        for page in sorted(PAGES.glob("UR-*.md")):
            blocks = re.findall(r"^## (Wrong|Right)\n```c\n(.*?)^```$", page.read_text(), re.M | re.S)
            assert [name for name, _ in blocks] == ["Wrong", "Right"], page
            found[page.stem] = dict(blocks)
        assert set(found) == set(SAID), set(found) ^ set(SAID)
        return found

    def pages_are_right(self) -> None:
        for name, programs in self.pages().items():
            wrong = self.compile(f"{name}-wrong", programs["Wrong"])
            right = self.compile(f"{name}-right", programs["Right"])
            report, done = self.check("--level", "info", "--fail-on", "info", program=(wrong,), status=FOUND)
            texts = [one["text"] for one in report["findings"] if one["id"] == name]
            assert any(re.search(SAID[name], text) for text in texts), (name, report, done.stderr)
            assert f"{name}: " in done.stderr and f"uring explain" in done.stderr, done.stderr
            report, done = self.check("--level", "info", program=(right,))
            bad = [one for one in report["findings"] if one["id"] == name or one["level"] == "error"]
            assert not bad and done.returncode == 0, (name, bad, done.returncode, done.stderr)

    def levels_decide(self) -> None:
        programs = self.pages()
        warning = self.compile("warning", programs["UR-CANCEL-MISS"]["Wrong"])
        report, done = self.check(program=(warning,), status=0)
        assert "UR-CANCEL-MISS: warning" in done.stderr and report["findings"], done.stderr
        self.check("--fail-on", "warning", program=(warning,), status=FOUND)
        report, _ = self.check("--level", "error", program=(warning,), status=0)
        assert report["findings"] == []

    def suppressions_hold(self) -> None:
        error = self.compile("error", self.pages()["UR-INDEX"]["Wrong"])
        _, done = self.check("--gen-suppressions", program=(error,), status=FOUND)
        made = re.search(r"suppress: (.*)", done.stderr)[1]
        listed = self.folder / "suppressions"
        listed.write_text(f"# known\n{made}\n")
        report, done = self.check("--suppress", str(listed), program=(error,), status=0)
        assert report["suppressed"] == 1 and not report["findings"], report
        listed.write_text("UR-BANANA\n")
        _, done = self.check("--suppress", str(listed), program=(error,), status=1)
        assert "UR-BANANA" in done.stderr

    def many_are_counted(self) -> None:
        """Ten of an id are shown, and the rest counted."""
        source = self.pages()["UR-CANCEL-MISS"]["Wrong"]
        source = source.replace("	io_uring_prep_cancel64", "	for (int i = 0; i < 8; i++)\n		io_uring_prep_cancel64")
        source = source.replace("	io_uring_submit(&ring);\n", "	io_uring_submit(&ring);\n	for (int i = 0; i < 8; i++)\n"
                                "		io_uring_prep_cancel64(io_uring_get_sqe(&ring), 42, 0);\n	io_uring_submit(&ring);\n", 1)
        report, done = self.check(program=(self.compile("many", source),), status=0)
        assert sum(one["id"] == "UR-CANCEL-MISS" for one in report["findings"]) == 16, report["findings"]
        assert done.stderr.count("UR-CANCEL-MISS: warning") == 10 and "UR-CANCEL-MISS: 6 more" in done.stderr, done.stderr

    def the_program_keeps_its_status(self) -> None:
        source = self.pages()["UR-INDEX"]["Right"].replace("return 0;", "return 7;")
        report, _ = self.check(program=(self.compile("seven", source),), status=7)
        assert report["rings"] == 1 and report["submitted"] == report["completed"] == 1, report
        _, done = self.check(program=("true",), status=NO_RING)
        assert "0 rings seen" in done.stderr
        _, done = self.check(program=(), status=1)
        assert "nothing to check" in done.stderr

    def explain_prints_the_page(self) -> None:
        for name in SAID:
            done = subprocess.run([self.uring, "explain", name], stdout=subprocess.PIPE, text=True, timeout=20, check=True)
            assert done.stdout == (PAGES / f"{name}.md").read_text(), name
        listed = subprocess.run([self.uring, "explain"], stdout=subprocess.PIPE, text=True, timeout=20, check=True).stdout
        assert sorted(line.split()[0] for line in listed.splitlines()) == sorted(SAID), listed
        done = subprocess.run([self.uring, "explain", "UR-BANANA"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=20, check=False)
        assert done.returncode == 1 and "no such finding" in done.stderr

    def examples_are_clean(self) -> None:
        options = ["--include", str(PROJECT / "include"), "--libdir", str(self.options.libdir.resolve()),
                   "--build-dir", str(self.folder / "examples")]
        # It shows on purpose what an empty slot is answered with.
        listed = self.folder / "examples-known"
        listed.write_text("UR-INDEX no file is registered at index 5\n")
        report, done = self.check("--level", "error", "--suppress", str(listed), program=(sys.executable, str(PROJECT / "c-examples/test.py"), *options), status=0)
        assert report["rings"] >= 8 and not report["findings"], (report, done.stderr[-2000:])

    def rings_in_turn(self) -> None:
        """A ring whose memory was that of one before it."""
        source = """#include <liburing.h>

int main(void)
{
	for (int i = 1; i <= 20; i++) {
		struct io_uring ring;

		if (io_uring_queue_init(8, &ring, 0))
			return 1;
		for (int k = 0; k < i % 5; k++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, (__u64)k);
		}
		io_uring_submit_and_wait(&ring, (unsigned)(i % 5));
		io_uring_queue_exit(&ring);
	}
	return 0;
}
"""
        report, done = self.check(program=(self.compile("in-turn", source),), status=0)
        seen = {name: report[name] for name in ("rings", "submitted", "completed", "lost")}
        assert seen == {"rings": 20, "submitted": 40, "completed": 40, "lost": 0}, (seen, done.stderr)

    def programs_of_the_distribution(self) -> None:
        """No error in what is right, and as many completions as requests."""
        if not shutil.which("qemu-img"):
            raise Skip("qemu-img is not installed")
        image = str(self.folder / "image")
        subprocess.run(["qemu-img", "create", "-q", "-f", "raw", image, "16M"], check=True)
        for words in (("bench", "-c", "500"), ("bench", "-w", "-c", "500")):
            report, done = self.check("--level", "error",
                                      program=("qemu-img", *words, "-d", "16", "-s", "4096", "-i", "io_uring", "-f", "raw", image))
            if "io_uring" in done.stderr and report["rings"] == 0:
                raise Skip(f"this qemu-img has no io_uring: {done.stderr.splitlines()[0]}")
            assert not report["findings"] and report["lost"] == 0, (report, done.stderr)
            assert report["submitted"] == report["completed"] >= 500, report

    def conformance_is_clean(self) -> None:
        """No error in any program that is right."""
        folder = self.options.conformance
        if folder is None:
            raise Skip("no folder of conformance programs was given (make test-conformance builds them)")
        wrong = {}
        meant = {name: finding for finding, names in MEANT.items() for name in names}
        for program in sorted(path for path in folder.iterdir() if os.access(path, os.X_OK) and path.is_file()):
            if "." in program.name or program.name in SLOW:
                continue
            report, done = self.check("--level", "error", program=(str(program),))
            found = {one["id"] for one in report.get("findings", ())}
            skipped = done.returncode == 77 and not found
            if found != ({meant[program.name]} if program.name in meant else set()) and not skipped:
                wrong[program.name] = [(one["id"], one["text"]) for one in report["findings"][:2]]
        assert not wrong, json.dumps(wrong, indent=1)


# Conformance programs that make a mistake on purpose, to see what the kernel answers, with
# what has to be found there.
MEANT = {
    "UR-SETUP": ("answers", "setup-errors", "setup-mmap"),
    "UR-INDEX": ("op-direct", "op-fixed-fd-errors", "op-fixed-files", "op-linked-file", "op-paths-errors", "op-read-fixed"),
    # Receives whose bytes are not looked at share a buffer.
    "UR-BUF-OVERLAP": ("defer-eventfd", "op-accept-direct", "op-cancel-order", "register-tags", "wait-ends"),
}
# Their own time limits are shorter than what they take when they are traced.
SLOW = ("threads",)


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("include", "libdir", "build-dir", "uring"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--conformance", type=pathlib.Path)
    tests = Tests(parser.parse_args())
    passed = failed = skipped = 0
    names = [name for name in vars(Tests) if not name.startswith("_") and name not in ("check", "compile", "pages")]
    for name in names:
        try:
            getattr(tests, name)()
        except Skip as reason:
            skipped += 1
            print(f"skip {name}: {reason}", flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError) as problem:
            failed += 1
            print(f"FAIL {name}: {type(problem).__name__}: {problem}", flush=True)
        else:
            passed += 1
            print(f"ok   {name}", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
