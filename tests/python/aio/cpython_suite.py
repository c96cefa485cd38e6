"""CPython's own tests of asyncio (test.test_asyncio) on liburing.aio.EventLoop.

    python cpython_suite.py [--seconds N] [--jobs N] [MODULE …]

Wherever the tests make asyncio's selector loop, or the loop of the policy, they
get an EventLoop. Each module runs in a process of its own. `cpython_ledger.txt` lists the tests that do
not apply and why; a test in it that passes, and one outside that fails, are
both reported, and fail the run. Where the interpreter does not ship its tests
the run is skipped with that reason.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

LEDGER = pathlib.Path(__file__).with_name("cpython_ledger.txt")
# The exit status of a run that is skipped as a whole.
SKIPPED = 77
# Not of the loop, or of Windows: these run on no event loop, on mocks, or on
# loops the tests bring themselves.
LEFT_OUT = {
    "test_proactor_events": "mocks of the Windows proactor",
    "test_selector_events": "mocks of the selector loop's inside",
    "test_sslproto": "runs on mocks, test_ssl on the loop",
    "test_transports": "no loop",
    "test_protocols": "no loop",
    "test_windows_events": "Windows",
    "test_windows_utils": "Windows",
}
# Their loops are mocks or none.
WITHOUT_LOOP = {"test_base_events", "test_futures", "test_pep492", "test_runners"}
if sys.version_info < (3, 11):
    WITHOUT_LOOP.add("test_queues")


def one(module, output):
    """Runs a module here, and writes {test: outcome}."""
    import asyncio
    import unittest

    import liburing.aio

    made = []

    class Loop(liburing.aio.EventLoop):
        """An EventLoop that does not mind being given a selector."""

        def __init__(self, selector=None):
            if selector is not None:
                selector.close()
            made.append(1)
            super().__init__()

    Loop.__name__ = Loop.__qualname__ = "EventLoop"
    asyncio.SelectorEventLoop = asyncio.unix_events.SelectorEventLoop = Loop
    policy = asyncio.unix_events._UnixDefaultEventLoopPolicy
    policy._loop_factory = Loop
    if hasattr(asyncio, "EventLoop"):
        asyncio.EventLoop = asyncio.unix_events.EventLoop = Loop

    outcomes, reasons = {}, {}

    class Result(unittest.TextTestResult):
        def startTest(self, test):
            super().startTest(test)
            outcomes.setdefault(test.id(), "pass")

        def addSkip(self, test, reason):
            super().addSkip(test, reason)
            outcomes[test.id()] = "skip"
            reasons[test.id()] = reason

        def addError(self, test, error):
            super().addError(test, error)
            outcomes[test.id()] = "fail"

        def addFailure(self, test, error):
            super().addFailure(test, error)
            outcomes[test.id()] = "fail"

        def addSubTest(self, test, subtest, error):
            super().addSubTest(test, subtest, error)
            if error is not None:
                outcomes[test.id()] = "fail"

    suite = unittest.defaultTestLoader.loadTestsFromName(f"test.test_asyncio.{module}")
    runner = unittest.TextTestRunner(resultclass=Result, verbosity=2)
    try:
        runner.run(suite)
    finally:
        with open(output, "w") as file:
            json.dump({"outcomes": outcomes, "reasons": reasons, "loops": len(made)}, file)
    # Whatever threads the tests left behind.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def run(module, seconds):
    with tempfile.TemporaryDirectory() as place:
        output = os.path.join(place, "outcomes")
        command = [sys.executable, "-X", "faulthandler", os.path.abspath(__file__)]
        started = time.monotonic()
        with open(os.path.join(place, "log"), "w+") as log:
            try:
                code = subprocess.run(
                    [*command, "--one", module, output],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd=place, timeout=seconds,
                ).returncode
            except subprocess.TimeoutExpired:
                code = f"stopped after {seconds} s"
            log.seek(0)
            text = log.read()
        try:
            with open(output) as file:
                found = json.load(file)
        except (OSError, ValueError):
            found = {"outcomes": {f"{module} as a whole": "fail"}, "reasons": {}, "loops": 0}
        return module, found, code, text, time.monotonic() - started


def ledger():
    """{test: (kind, reason)}; kind is `fails` or `may fail`."""
    entries = {}
    for line in LEDGER.read_text().splitlines():
        if line and not line.startswith("#"):
            kind, test, reason = (part.strip() for part in line.split("|"))
            entries[test] = (kind, reason)
    return entries


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", nargs=2)
    parser.add_argument("--seconds", type=float, default=150, help="for each module")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--log", help="a file for what the tests print")
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    if options.one:
        one(*options.one)
    try:
        import test.test_asyncio as package
    except ImportError as error:
        print(f"skip test_asyncio: this interpreter does not ship its tests ({error})")
        return SKIPPED
    try:
        import liburing.aio

        liburing.aio.EventLoop().close()
    except OSError as error:
        print(f"skip test_asyncio: no ring to be had here ({error})")
        return SKIPPED
    # A shell has it ignored in the background; modules inherit that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = pathlib.Path(package.__file__).parent
    every = sorted(path.stem for path in folder.glob("test_*.py"))
    for module, reason in LEFT_OUT.items():
        print(f"left out {module}: {reason}")
    modules = options.modules or [module for module in every if module not in LEFT_OUT]
    # The long ones first.
    modules.sort(key=lambda m: m not in ("test_ssl", "test_events", "test_subprocess", "test_tasks"))

    known, bad, counts = ledger(), [], {"pass": 0, "fail": 0, "skip": 0, "may fail": 0}
    reasons = {}
    log = open(options.log, "w") if options.log else None
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for module, found, code, text, took in pool.map(
            lambda module: run(module, options.seconds), modules
        ):
            if log:
                log.write(f"===== {module}: {code}\n{text}\n")
            here = []
            for test, outcome in found["outcomes"].items():
                short = test.removeprefix("test.test_asyncio.")
                kind, _ = known.get(short, (None, None))
                if outcome == "skip":
                    counts["skip"] += 1
                    reason = found["reasons"].get(test, "")
                    reasons[reason] = reasons.get(reason, 0) + 1
                elif kind == "may fail":
                    counts["may fail"] += 1
                elif outcome == "fail":
                    counts["fail"] += 1
                    if kind is None:
                        here.append(f"fails, and is not in the ledger: {short}")
                else:
                    counts["pass"] += 1
                    if kind == "fails":
                        here.append(f"passes, and is in the ledger: {short}")
            if code != 0:
                here.append(f"{module} ended with {code}")
            made = found["loops"]
            print(f"{module}: {len(found['outcomes'])} tests on {made} loops, {took:.0f} s")
            if not made and module not in WITHOUT_LOOP:
                here.append(f"{module} made no EventLoop")
            if here:
                print("\n".join(f"    {line}" for line in here))
                if any("fails" in line or "ended" in line for line in here):
                    print("\n".join(f"      | {line}" for line in text.splitlines()[-60:]))
            bad += here
    for reason, count in sorted(reasons.items()):
        print(f"skip {count}: {reason}")
    print(
        f"test_asyncio: {counts['pass']} passed, {counts['fail']} failed as the ledger says"
        f" or not, {counts['may fail']} may fail, {counts['skip']} skipped,"
        f" {len(bad)} not as expected"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
