#!/usr/bin/env python3
"""uring chaos: what it does to programs, and that it does what its rules say.

    run.py --include DIR --libdir DIR --build-dir DIR --uring PROGRAM [--seeds N]

Each kind strikes a program that relies on luck, which must fail with some seed, and its
twin that follows io_uring(7), which must bear every seed. No kernel's rings are needed.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
# The program, what strikes it, and the options it is run with.
LUCK = (
    ("reader", ("short:op=read,p=0.5",)),
    ("reader", ("error:op=read,errno=EINTR,p=0.3",)),
    ("orderly", ("order",)),
    ("orderly", ("delay:p=0.5,time=3ms",)),
    ("armed", ("end:p=0.2",)),
    ("submitter", ("submit:p=0.3",)),
    ("waiter", ("interrupt:p=0.3",)),
)
RIGHT = ("reader", "orderly", "chained", "armed", "submitter", "waiter", "sender")
NO_RING, LATE = 98, 124


class Tests:
    def __init__(self, options: argparse.Namespace) -> None:
        self.uring, self.folder, self.seeds = str(options.uring.resolve()), options.build_dir.resolve(), options.seeds
        self.folder.mkdir(parents=True, exist_ok=True)
        self.victim = str(self.folder / "victim")
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
                        f"-I{options.include}", str(HERE / "victim.c"), "-o", self.victim,
                        f"-L{options.libdir.resolve()}", f"-Wl,-rpath,{options.libdir.resolve()}", "-luring"], check=True)

    def chaos(self, *words: str, program: tuple, status: int | None = 0) -> tuple:
        """What came of it: the report, what the program said, what the command said."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        done = subprocess.run([self.uring, "chaos", "--json", str(report), *words, "--", *program],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
        assert status is None or done.returncode == status, (words, program, done.returncode, done.stdout, done.stderr)
        data = json.loads(report.read_text()) if report.exists() else {}
        return data, done.stdout, done.stderr

    def luck_runs_out(self) -> None:
        for program, rules in LUCK:
            report, _, said = self.chaos("--seed", "1", "--seeds", "60", *rules, program=(self.victim, program, "lucky"),
                                         status=1)
            assert report["failed"] and report["decisions"], report
            assert "out of luck" in said and f"again: uring chaos --seed {report['seed']}" in said, said
            # The command that is printed does the same again.
            again, _, _ = self.chaos("--seed", str(report["seed"]), *rules, program=(self.victim, program, "lucky"),
                                     status=1)
            assert again["runs"] == 1

    def the_right_hold(self) -> None:
        for program in RIGHT:
            for options in ((), ("--strict",)):
                report, _, _ = self.chaos("--seed", "1", "--seeds", str(self.seeds), *options,
                                          program=(self.victim, program, "right"))
                assert report["runs"] == self.seeds, report

    def some_of_each_kind_strikes(self) -> None:
        kinds = set()
        for program in RIGHT:
            for seed in range(1, 15):
                report, _, _ = self.chaos("--seed", str(seed), "--strict", program=(self.victim, program, "right"))
                kinds |= {decision["kind"] for decision in report["decisions"]}
        wanted = {"order", "delay", "short", "worker", "end", "notification", "submit", "interrupt"}
        assert kinds >= wanted, wanted - kinds

    def rules_choose(self) -> None:
        """The share, the n-th, the operation, the descriptor, the path."""
        counted = (self.victim, "counter", "right", "4000")
        report, out, _ = self.chaos("--seed", "3", "error:op=nop,errno=EIO,p=0.25", program=counted)
        struck = [decision["number"] for decision in report["decisions"]]
        # 500 of 2000 are meant; ten standard deviations.
        assert 300 < len(struck) < 700 and len(set(struck)) == len(struck), len(struck)
        assert [int(res) for res in out.split()].count(-5) == len(struck)
        assert all(int(res) in (1, -5 if at % 2 == 0 else 1, 0) for at, res in enumerate(out.split())), out
        halves = sum(number <= 2000 for number in struck)
        assert 0.3 < halves / len(struck) < 0.7, halves
        few = (self.victim, "counter", "right", "40")
        for rule, wanted in (
            ("error:op=read,errno=ENOMEM,nth=3", {5: -12}),
            ("error:errno=EIO,nth=4", {3: -5}),
            ("error:op=nop|read,errno=ECANCELED,nth=1", {0: -125}),
            ("error:op=write,errno=EIO", {}),
            ("error:op=read,errno=EIO,path=/nowhere/*", {}),
            ("error:op=read,errno=EIO,path=/tmp/anyring-victim-*,nth=2", {3: -5}),
            ("error:op=read,errno=EIO,fd=400", {}),
            ("error:op=read,errno=EIO,from=1h", {}),
            ("error:op=nop,errno=EIO,to=1h,nth=1", {0: -5}),
        ):
            _, out, _ = self.chaos("--seed", "1", rule, program=few)
            results = {at: int(res) for at, res in enumerate(out.split()) if int(res) not in (0, 1)}
            assert results == wanted, (rule, results)
        listed = self.folder / "rules"
        listed.write_text("# what fails\n\nerror:op=nop,errno=EIO,nth=2  # the second\n")
        _, out, _ = self.chaos("--rules", str(listed), program=few)
        assert [int(res) for res in out.split()].index(-5) == 2, out

    def replay_repeats(self) -> None:
        record, again = self.folder / "record", self.folder / "again"
        counted = (self.victim, "counter", "right", "300")
        rules = ("error:op=nop,errno=EIO,p=0.2", "worker:p=0.3", "delay:p=0.1,time=1ms")
        report, out, _ = self.chaos("--seed", "9", *rules, "--record", str(record), program=counted)
        assert len(report["decisions"]) > 30
        repeated, same, _ = self.chaos("--replay", str(record), "--record", str(again), program=counted)
        assert same == out
        plain = re.compile(r" at=\d+")
        assert plain.sub("", record.read_text()) == plain.sub("", again.read_text())
        assert repeated["seed"] is None
        # The same seed decides the same, another one does not.
        twice, out2, _ = self.chaos("--seed", "9", *rules, program=counted)
        other, out3, _ = self.chaos("--seed", "10", *rules, program=counted)
        bare = lambda report: [{**one, "about": plain.sub("", one["about"])} for one in report["decisions"]]  # noqa: E731
        assert bare(twice) == bare(report) and out2 == out and bare(other) != bare(report) and out3 != out
        record.write_text("banana\n")
        _, _, said = self.chaos("--replay", str(record), program=counted, status=1)
        assert "no decision: banana" in said, said

    def shrinks_to_the_least(self) -> None:
        report, _, said = self.chaos("--seed", "1", "--seeds", "200", "--shrink", "--record", str(self.folder / "least"),
                                     "error:op=read,errno=EIO,p=0.5", "worker:p=0.3", "delay:p=0.2,time=1ms",
                                     program=(self.victim, "both", "lucky"), status=1)
        least = [(one["kind"], one["number"]) for one in report["fewest"]]
        assert sorted(least) == [("error", 6), ("error", 10)], (least, said)
        assert "2 of" in said
        self.chaos("--replay", str(self.folder / "least"), program=(self.victim, "both", "lucky"), status=1)

    def old_kernels(self) -> None:
        program = (self.victim, "kernel", "right")
        for version, wanted in (
            ("5.4", "defer=-22 read=0 send_zc=0 futex=0 ext_arg=0 cqe_skip=0 buf_ring=-22"),
            ("5.10", "defer=-22 read=1 send_zc=0 futex=0 ext_arg=0 cqe_skip=0 buf_ring=-22"),
            ("5.19", "defer=-22 read=1 send_zc=0 futex=0 ext_arg=1 cqe_skip=1 buf_ring=0"),
            ("6.1", "defer=0 read=1 send_zc=1 futex=0 ext_arg=1 cqe_skip=1 buf_ring=0"),
            ("6.18", "defer=0 read=1 send_zc=1 futex=1 ext_arg=1 cqe_skip=1 buf_ring=0"),
        ):
            _, out, _ = self.chaos("--as-kernel", version, program=program)
            assert out.strip() == wanted, (version, out)
        # What is not there fails, and what is there works, with distortions beside it.
        _, out, _ = self.chaos("--as-kernel", "5.4", program=(self.victim, "counter", "right", "4"))
        assert out.split() == ["0", "-22", "0", "-22"], out
        self.chaos("--as-kernel", "5.6", "--strict", "--seeds", "5", program=(self.victim, "reader", "right"))

    def ends_are_told(self) -> None:
        _, _, said = self.chaos(program=("true",), status=NO_RING)
        assert "0 rings seen" in said
        report, _, said = self.chaos("--timeout", "1s", program=(self.victim, "forever", "right"), status=LATE)
        assert report["timeout"] and "did not end in time" in said
        report, _, _ = self.chaos(program=(self.victim, "crash", "right"), status=128 + 6)
        assert report["signal"] == 6
        self.chaos(program=(self.victim, "nothing", "right"), status=NO_RING)
        _, _, said = self.chaos(program=(str(self.folder / "absent"),), status=1)
        assert "absent" in said

    def mistakes_are_told(self) -> None:
        for words, part in (
            (("banana",), "banana is none of"),
            (("error",), "which error?"),
            (("short:op=raed",), "no operation raed"),
            (("--as-kernel", "7"), "5.10 is meant"),
            (("--rules", str(self.folder / "absent")), "absent"),
            (("--replay", str(self.folder / "absent")), "absent"),
        ):
            _, _, said = self.chaos(*words, program=("true",), status=1)
            assert part in said, (words, said)

    def examples_hold(self) -> None:
        """The C examples that look at every result."""
        options = ["--include", str(PROJECT / "include"), "--libdir", str(pathlib.Path(self.uring).parent / "../lib"),
                   "--build-dir", str(self.folder / "examples")]
        only = sum((["--only", name] for name in ("copy", "timeouts", "two_threads", "features", "udp-echo", "http-server",
                                                  "echo-server", "echo-server-multishot")), [])
        self.chaos("--seed", "1", "--seeds", str(max(1, self.seeds // 20)), "--strict", "--timeout", "200s",
                   program=(sys.executable, str(PROJECT / "c-examples/test.py"), *options, *only))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--uring", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    tests = Tests(parser.parse_args())
    failed = 0
    names = [name for name in vars(Tests) if not name.startswith("_") and name != "chaos"]
    for name in names:
        try:
            getattr(tests, name)()
        except (AssertionError, OSError, subprocess.SubprocessError) as problem:
            failed += 1
            print(f"FAIL {name}: {type(problem).__name__}: {problem}", flush=True)
        else:
            print(f"ok   {name}", flush=True)
    print(f"{len(names) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
