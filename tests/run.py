#!/usr/bin/env python3
"""Runs the parts of the test suite side by side and prints a table of what came out.

Usage: run.py [--changed [COMMIT]] [--jobs N] [--list] [PART ...]

Without names all parts run, whichever of them fail. --changed runs those that depend
on a file which differs from COMMIT (1, or nothing: from where this branch left the
main one, what is not committed included). Each part's output goes to a file of
target/test-logs; what failed is printed, and every line that begins with `skip`.
A part is passed, failed, or, if all of it was skipped, skipped. The last line is
`N passed, N failed, N skipped`.
"""

import argparse
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Dict, List, Set

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from parts import NOTHING, PARTS, PROJECT, Part, Settings, Step  # noqa: E402

# How a command says that it skipped all it had to do.
SKIPPED = 77
COUNTS = re.compile(r"\b(\d+) (passed|failed|skipped|ignored)\b")
# What a summary of tests looks like; other lines may hold such words by chance.
SUMMARY = re.compile(r"^(test result: |=* ?\d+ (passed|failed|skipped)\b|test_asyncio: )")


@dataclass
class Outcome:
    verdict: str = ""
    seconds: float = 0.0
    skips: List[str] = field(default_factory=list)
    counts: Dict[str, int] = field(default_factory=dict)
    reason: str = ""


class Runner:
    def __init__(self, parts: List[Part], settings: Settings, jobs: int) -> None:
        self.settings = settings
        self.jobs = jobs
        self.alone = len([part for part in parts if not part.build]) == 1
        self.waiting = list(parts)
        self.running: Dict[str, Part] = {}
        self.outcomes: Dict[str, Outcome] = {}
        self.changed = threading.Condition()
        self.processes: Set[subprocess.Popen] = set()
        self.stopped = False
        self.logs = settings.target / "test-logs"
        self.logs.mkdir(parents=True, exist_ok=True)

    # ---- one part

    def execute(self, step: Step, part: Part, log, end: float) -> int:
        environment = dict(os.environ, PYTHONUNBUFFERED="1", **step.environment)
        # A recursive make starts jobs of its own number.
        for name in ("MAKELEVEL", "MFLAGS"):
            environment.pop(name, None)
        flags = re.sub(r"(?:^| )(?:-j\d*|--jobserver-\S+)(?= |$)", "", environment.get("MAKEFLAGS", ""))
        environment["MAKEFLAGS"] = flags
        said = " ".join([*(f"{name}={value}" for name, value in step.environment.items()), *step.words])
        self.write(log, f"$ {said}\n")
        with self.changed:
            if self.stopped:
                return 1
            try:
                process = subprocess.Popen(step.words, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                           start_new_session=True)
            except OSError as error:
                self.write(log, f"FAIL {step.words[0]}: {error}\n")
                return 1
            self.processes.add(process)
        timer = threading.Timer(max(0.0, end - time.monotonic()), self.kill, (process,))
        timer.start()
        try:
            for line in process.stdout:
                self.write(log, line.decode(errors="replace"))
            status = process.wait()
        finally:
            timer.cancel()
            # What a command leaves behind would disturb the next ones.
            self.kill(process)
            with self.changed:
                self.processes.discard(process)
        if time.monotonic() >= end:
            self.write(log, f"FAIL out of time: {part.name} may take {part.seconds} s\n")
            return 1
        return status

    def write(self, log, text: str) -> None:
        log.write(text)
        log.flush()
        if self.alone:
            sys.stdout.write(text)
            sys.stdout.flush()

    @staticmethod
    def kill(process: subprocess.Popen) -> None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def run(self, part: Part) -> None:
        start, outcome = time.monotonic(), Outcome()
        end, statuses = start + part.seconds, []
        path = self.logs / f"{part.name}.log"
        try:
            with path.open("w", encoding="utf-8", errors="replace") as log:
                for step in part.steps(self.settings):
                    if step.skip:
                        self.write(log, f"skip {step.skip}\n")
                        statuses.append(SKIPPED)
                    else:
                        status = self.execute(step, part, log, end)
                        if status not in (0, SKIPPED):
                            self.write(log, f"FAIL ended with {status}: {' '.join(step.words)}\n")
                        statuses.append(status)
                    if step.must and statuses[-1]:
                        break
            self.judge(outcome, statuses, path.read_text(encoding="utf-8", errors="replace"))
        except Exception as error:  # the table has to come whatever happens
            outcome.verdict, outcome.reason = "failed", f"{type(error).__name__}: {error}"
        outcome.seconds = time.monotonic() - start
        with self.changed:
            del self.running[part.name]
            self.outcomes[part.name] = outcome
            self.report(part, outcome, path)
            self.changed.notify_all()

    @staticmethod
    def judge(outcome: Outcome, statuses: List[int], text: str) -> None:
        lines = text.splitlines()
        for line in lines:
            if line.lower().startswith("skip"):
                outcome.skips.append(line)
            if SUMMARY.search(line):
                for number, what in COUNTS.findall(line):
                    what = "skipped" if what == "ignored" else what
                    outcome.counts[what] = outcome.counts.get(what, 0) + int(number)
        if not statuses or any(status not in (0, SKIPPED) for status in statuses):
            outcome.verdict = "failed"
            wrong = [line for line in lines if line.startswith(("FAIL", "FAILED", "error"))]
            outcome.reason = wrong[0] if wrong else "see its log"
        elif all(status == SKIPPED for status in statuses):
            outcome.verdict = "skipped"
            outcome.reason = outcome.skips[-1][4:].strip(" :") if outcome.skips else "without a reason"
            # A skip has to say why.
            if not outcome.skips:
                outcome.verdict = "failed"
        else:
            outcome.verdict = "passed"

    def report(self, part: Part, outcome: Outcome, path: pathlib.Path) -> None:
        """Says what came out, with the log of what failed; called with the lock held."""
        if self.alone and not part.build:
            return
        print(f"== {part.name}: {outcome.verdict} after {outcome.seconds:.0f} s", flush=True)
        if outcome.verdict == "failed" and not self.alone and path.exists():
            print(f"---- {path}")
            print(path.read_text(encoding="utf-8", errors="replace"), end="")
            print(f"---- end of {path}", flush=True)
        elif not self.alone:
            for line in outcome.skips:
                print(f"   {line}", flush=True)

    # ---- all of them

    def ready(self, part: Part) -> bool:
        if part.lock and part.lock in (other.lock for other in self.running.values()):
            return False
        return all(need in self.outcomes for need in part.needs)

    def next(self) -> None:
        """Starts what can be; called with the lock held."""
        for part in list(self.waiting):
            if len(self.running) >= self.jobs:
                return
            if not self.ready(part):
                continue
            self.waiting.remove(part)
            bad = [need for need in part.needs if self.outcomes[need].verdict != "passed"]
            if bad or self.stopped:
                self.without(part, bad)
                continue
            self.running[part.name] = part
            print(f"== {part.name}: started", flush=True)
            threading.Thread(target=self.run, args=(part,), daemon=True).start()

    def without(self, part: Part, bad: List[str]) -> None:
        """What is not built cannot be tested: skipped if the build was, else failed."""
        if self.stopped:
            verdict, reason = "failed", "interrupted"
        else:
            first = self.outcomes[bad[0]]
            verdict = first.verdict
            reason = first.reason if verdict == "skipped" else f"{bad[0]} could not be built"
        self.outcomes[part.name] = Outcome(verdict, reason=reason)
        print(f"== {part.name}: {verdict}: {reason}", flush=True)

    def all(self) -> None:
        try:
            with self.changed:
                while self.waiting or self.running:
                    self.next()
                    if self.running:
                        self.changed.wait()
        except KeyboardInterrupt:
            with self.changed:
                self.stopped = True
                for process in list(self.processes):
                    self.kill(process)
                self.changed.wait_for(lambda: not self.running, timeout=20)
                while self.waiting:
                    self.without(self.waiting.pop(0), [])

    def table(self, order: List[Part], seconds: float) -> int:
        totals = {"passed": 0, "failed": 0, "skipped": 0}
        print()
        print(f"{'part':14} {'result':8} {'seconds':>7}  tests")
        for part in order:
            outcome = self.outcomes.get(part.name, Outcome("failed", reason="interrupted"))
            if not part.build or outcome.verdict == "failed":
                totals[outcome.verdict] += 1
            what = ", ".join(f"{outcome.counts[kind]} {kind}" for kind in ("passed", "failed", "skipped")
                             if outcome.counts.get(kind))
            if outcome.verdict != "passed":
                what = f"{outcome.reason[:200]}{f' ({what})' if what else ''}"
            elif part.build:
                what = "built"
            print(f"{part.name:14} {outcome.verdict:8} {outcome.seconds:7.0f}  {what}")
        print(f"{'together':14} {'':8} {seconds:7.0f}  logs: {self.logs}")
        print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped", flush=True)
        return 1 if totals["failed"] or not totals["passed"] + totals["skipped"] else 0


# ---- which parts


def git(*words: str) -> List[str]:
    done = subprocess.run(["git", "-C", str(PROJECT), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.splitlines()


def base() -> str:
    for branch in ("origin/HEAD", "origin/main", "main"):
        done = subprocess.run(["git", "-C", str(PROJECT), "merge-base", "HEAD", branch], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    return "HEAD"


def touched(commit: str) -> List[Part]:
    """The parts that depend on a file that is not as in the commit."""
    commit = base() if commit in ("", "1", "yes") else commit
    files = set(git("diff", "--name-only", "--no-renames", commit, "--"))
    files |= set(git("ls-files", "--others", "--exclude-standard"))
    files = {file for file in files if not file.startswith(NOTHING)}
    prefixes = tuple(prefix for part in PARTS for prefix in part.touched_by)
    unknown = sorted(file for file in files if not file.startswith(prefixes))
    if unknown:
        print(f"all parts: no part alone is about {', '.join(unknown)}")
        return [part for part in PARTS if not part.build]
    chosen = [part for part in PARTS if not part.build and any(file.startswith(part.touched_by) for file in files)]
    print(f"{len(files)} files differ from {commit[:12]}; parts: {' '.join(part.name for part in chosen) or 'none'}")
    return chosen


def with_builds(chosen: List[Part]) -> List[Part]:
    needed = {need for part in chosen for need in part.needs}
    return [part for part in PARTS if part in chosen or part.name in needed]


def processors() -> int:
    return len(os.sched_getaffinity(0))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--changed", nargs="?", const="1", metavar="COMMIT")
    parser.add_argument("--jobs", type=int, default=min(2, processors()), help="parts at a time")
    parser.add_argument("--list", action="store_true", help="print the parts")
    given = parser.parse_args()
    if given.list:
        for part in PARTS:
            if not part.build:
                print(f"{part.name:14} {part.about}")
        return 0
    names = [name for word in given.parts for name in re.split(r"[\s,]+", word) if name]
    known = {part.name: part for part in PARTS if not part.build}
    unknown = [name for name in names if name.removeprefix("test-") not in known]
    if unknown:
        print(f"no such part: {' '.join(unknown)}; there are: {' '.join(known)}", file=sys.stderr)
        return 2
    chosen = [known[name.removeprefix("test-")] for name in dict.fromkeys(names)]
    if given.changed:
        chosen += [part for part in touched(given.changed) if part not in chosen]
    elif not names:
        chosen = list(known.values())
    # Tests may use what the machine allows; more descriptors than this help none of them.
    _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20000)), hard))
    # A shell has it ignored in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start, order = time.monotonic(), with_builds(chosen)
    runner = Runner(order, Settings(), max(1, given.jobs))
    runner.all()
    if not chosen:
        print("0 passed, 0 failed, 0 skipped")
        return 0
    return runner.table(order, time.monotonic() - start)


if __name__ == "__main__":
    sys.exit(main())
