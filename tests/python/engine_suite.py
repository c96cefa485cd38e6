"""The Python tests again on the userspace engine, twice: with io_uring denied, where
the default takes the engine, and with ANYRING_ENGINE=userspace.

    python engine_suite.py --deny PROGRAM [--only pytest|asyncio] [--logs FOLDER]

PROGRAM is tests/hostile/deny-io-uring, built. `engine_ledger.txt` names each test
that cannot pass there, with the reason. A test in it that passes, one that fails or
is skipped otherwise, and one that the ledger names and that did not run, are all
reported and fail the run. CPython's tests have no ledger for the engine: what
applies to the kernel has to pass here.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
LEDGER = HERE / "engine_ledger.txt"
MODES = ("auto", "userspace")
# What has nothing to do with who serves the rings.
LEFT_OUT = {
    "test_types.py": "types and stubs",
    "test_package.py": "the wheel",
    "test_peer.py": "the peer is on the kernel",
    "test_background.py": "how the tests are started",
    "aio/test_aio_types.py": "types and stubs",
    "aio/test_aio_benches.py": "benchmarks",
}
# A skip for what the machine lacks.
OF_THE_MACHINE = re.compile(
    "is not installed|no C compiler|no loopback|the file system has no|no extended attributes here"
)
WHO = """
import json, liburing
with liburing.Ring(1) as ring:
    print(json.dumps(liburing.engine_of(ring.fileno())))
"""


def ledger():
    """{(mode, test): (kind, reason)}; a mode of `both` stands for either."""
    entries = {}
    for line in LEDGER.read_text().splitlines():
        if line and not line.startswith("#"):
            mode, kind, test, reason = (part.strip() for part in line.split("|"))
            for each in MODES if mode == "both" else (mode,):
                entries[each, test] = (kind, reason)
    return entries


def execute(mode, command, options, log, seconds):
    """Runs a command on the engine; its exit status, -1 when time is up."""
    environment = {k: v for k, v in os.environ.items() if k != "ANYRING_ENGINE"}
    if mode == "auto":
        # Python's default.
        command = [options.deny, "EPERM", *command]
    else:
        environment["ANYRING_ENGINE"] = mode
    with open(log, "w") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=environment, cwd=HERE.parents[1], start_new_session=True,
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return -1
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def outcomes(report):
    """{test: (verdict, reason)} of a JUnit report."""
    found = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        module = case.get("classname").removeprefix("tests.python.")
        verdict, reason = "pass", ""
        for child in case:
            if child.tag in ("failure", "error"):
                verdict, reason = "fail", child.text or ""
            elif child.tag == "skipped" and verdict == "pass":
                verdict, reason = "skip", child.get("message") or ""
        found[f"{module}::{case.get('name')}"] = (verdict, reason)
    return found


def pytest(mode, options, folder):
    """Runs our tests; lines to print and what is not as expected."""
    report, log = folder / f"{mode}.xml", folder / f"{mode}-pytest.log"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
               f"--junitxml={report}", *(f"--ignore={HERE / name}" for name in LEFT_OUT)]
    code = execute(mode, command, options, log, options.seconds)
    try:
        found = outcomes(report)
    except (OSError, xml.etree.ElementTree.ParseError):
        return [log.read_text()], [f"pytest ended with {code} and without a report"]
    known = {test: entry for (where, test), entry in ledger().items() if where == mode}
    bad, lines, counts = [], [], {"pass": 0, "fail": 0, "skip": 0}
    for test, (verdict, reason) in found.items():
        counts[verdict] += 1
        kind, why = known.pop(test, ("pass", ""))
        if verdict == "skip" and kind != "skip" and OF_THE_MACHINE.search(reason):
            lines.append(f"skip {test}: {reason}")
        elif verdict != kind:
            expected = f", and its ledger says {kind} ({why})" if why else ""
            bad.append(f"{verdict}: {test}{expected}: {reason}")
        elif verdict != "pass":
            lines.append(f"{verdict} {test}: as the ledger says: {why}")
    bad += [f"the ledger names {test}, which did not run" for test in known]
    if code not in (0, 1) or not counts["pass"]:
        bad.append(f"pytest ended with {code}")
    lines.append(f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped")
    return lines, bad


def cpython(mode, options, folder):
    """Runs CPython's tests of asyncio; the same."""
    log = folder / f"{mode}-asyncio.log"
    command = [sys.executable, HERE / "aio/cpython_suite.py", "--jobs", "1"]
    code = execute(mode, command, options, log, options.seconds)
    text = log.read_text()
    return text.splitlines()[-1:], [f"test_asyncio ended with {code}:\n{text}"] if code not in (0, 77) else []


def served(mode, options, folder):
    """Whether the engine serves rings at all."""
    log = folder / f"{mode}.engine"
    if execute(mode, [sys.executable, "-c", WHO], options, log, 60) == 0:
        return json.loads(log.read_text())[0] == "userspace"
    return False


def one(task):
    (name, run), mode, options, folder = task
    start = time.monotonic()
    lines, bad = run(mode, options, folder)
    return f"{name}, {mode}, {time.monotonic() - start:.0f} s", lines, bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deny", type=pathlib.Path, required=True)
    parser.add_argument("--only", choices=("pytest", "asyncio"))
    parser.add_argument("--logs", type=pathlib.Path, help="a folder for what the tests print")
    parser.add_argument("--seconds", type=float, default=1500, help="for each run")
    options = parser.parse_args()
    options.deny = options.deny.resolve()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name, reason in LEFT_OUT.items():
        print(f"left out {name}: {reason}")
    runs = {"pytest": pytest, "asyncio": cpython}
    failed = False
    with tempfile.TemporaryDirectory(prefix="engine-suite-") as place, \
            concurrent.futures.ThreadPoolExecutor(len(MODES)) as pool:
        folder = options.logs or pathlib.Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        for mode in MODES:
            if not served(mode, options, folder):
                print(f"FAIL {mode}: the engine does not serve rings")
                return 1
        tasks = [(run, mode, options, folder) for run in runs.items() for mode in MODES
                 if options.only in (None, run[0])]
        # The tests wait more than they work: the two ways go side by side.
        for title, lines, bad in pool.map(one, tasks):
            failed = failed or bool(bad)
            print(f"-- {title}", *lines, *(f"FAIL {line}" for line in bad), sep="\n", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
