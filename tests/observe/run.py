#!/usr/bin/env python3
"""uring trace and uring doctor against what programs themselves count.

The programs are tests/observe/raw.c (system calls alone, linked as usual and static) and
C examples on our library. Every step is bounded in time, and ends what it started.
"""

import argparse
import itertools
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
sys.path.insert(0, str(PROJECT / "c-examples"))
import build as examples  # noqa: E402


class Skip(Exception):
    """Why a test cannot run here."""


class Tests:
    def __init__(self, arguments: argparse.Namespace, folder: pathlib.Path) -> None:
        self.uring, self.folder = str(pathlib.Path(arguments.uring).resolve()), folder
        self.include, self.libdir = arguments.include, arguments.libdir
        self.deny = arguments.deny
        self.raw = self.compile("raw")
        self.static = self.compile("raw-static", "-static")

    def compile(self, name: str, *flags: str) -> str:
        program = str(self.folder / name)
        done = subprocess.run([os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", *flags, str(HERE / "raw.c"),
                               "-o", program, "-lpthread"], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode and not flags:
            raise RuntimeError(done.stderr)
        return "" if done.returncode else program

    def trace(self, *words: str, status: int = 3, options: tuple = (), **more: object) -> tuple:
        """A traced program's output, and the events."""
        out = self.folder / "trace.ndjson"
        done = subprocess.run([self.uring, "trace", "--format", "ndjson", "-o", str(out), *options, "--", *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=50, check=False, **more)
        if done.returncode == 77:
            raise Skip(done.stderr.strip())
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done.stdout, [json.loads(line) for line in out.read_text().splitlines()]

    def golden(self, program: str) -> None:
        """Every read with its length, in order, under the number that the program gave it."""
        stdout, events = self.trace(program, "read", "500", "0")
        assert stdout.split() == ["500", str(sum(event["res"] for event in events if event["event"] == "completed"))]
        submitted = [event for event in events if event["event"] == "submitted"]
        assert [event["user_data"] for event in submitted] == list(range(500))
        assert all(event["op"] == "read" and f", {1 + i % 64}, 0)" in event["text"] for i, event in enumerate(submitted))
        done = [event for event in events if event["event"] == "completed"]
        assert [(event["request"], event["res"], event["last"]) for event in done] == [
            (i + 1, 1 + i % 64, True) for i in range(500)]
        assert all(event["latency_ns"] > 0 for event in done)
        assert not [event for event in events if event["event"] in ("lost", "note", "overflow")]

    def test_golden_raw(self) -> None:
        self.golden(self.raw)

    def test_golden_static(self) -> None:
        if not self.static:
            raise Skip("no static C library")
        self.golden(self.static)

    def test_golden_examples(self) -> None:
        """Examples on our library print the same with and without the trace."""
        for name, words in (("read-batch", [__file__]), ("cp", [__file__, str(self.folder / "copy")])):
            program = str(examples.build(name, "c", self.include, self.libdir, self.folder))
            alone = subprocess.run([program, *words], stdout=subprocess.PIPE, text=True, timeout=20, check=False)
            stdout, events = self.trace(program, *words, status=alone.returncode)
            assert alone.returncode == 0 and stdout == alone.stdout, (stdout, alone)
            count = {kind: sum(event["event"] == kind for event in events) for kind in ("submitted", "completed", "lost")}
            assert count["submitted"] == count["completed"] > 0 and not count["lost"], count
        moved = sum(event["res"] for event in events if event["event"] == "completed" and event["op"] == "write")
        assert moved in (0, os.path.getsize(__file__)), moved
        assert (self.folder / "copy").read_bytes() == pathlib.Path(__file__).read_bytes()

    def test_threads(self) -> None:
        """24 threads with a ring each."""
        stdout, events = self.trace(self.raw, "threads", "40")
        rings = {event["ring"] for event in events if event["event"] == "ring"}
        assert len(rings) == 24
        for ring in rings:
            of = [event for event in events if event["ring"] == ring]
            assert [event["user_data"] for event in of if event["event"] == "submitted"] == list(range(40))
            assert sum(event["event"] == "completed" for event in of) == 40
            assert len({event["tid"] for event in of if event["event"] == "submitted"}) == 1
        assert stdout.split()[1] == str(sum(event["res"] for event in events if event["event"] == "completed"))

    def test_overflow(self) -> None:
        """12 completions in a queue of 8; all are seen in the end."""
        _, events = self.trace(self.raw, "overflow")
        assert sum(event["event"] == "submitted" for event in events) == 12
        assert sum(event["event"] == "completed" for event in events) == 12
        assert all(event["op"] == "nop" for event in events if event["event"] == "submitted")

    def test_fork(self) -> None:
        _, events = self.trace(self.raw, "fork", "5", options=("-f",))
        by = {}
        for event in events:
            if event["event"] == "completed":
                by[event["pid"]] = by.get(event["pid"], 0) + 1
        assert sorted(by.values()) == [3, 5], by
        _, events = self.trace(self.raw, "fork", "5")
        assert len({event["pid"] for event in events}) == 1

    def test_signals(self) -> None:
        """Signals of the program's own reach its handler."""
        _, events = self.trace(self.raw, "signals", "20")
        assert sum(event["event"] == "completed" for event in events) == 20

    def test_churn(self) -> None:
        """Rings made and closed as fast as it goes."""
        _, events = self.trace(self.raw, "churn", "50")
        assert sum(event["event"] == "ring" for event in events) == 50
        assert sum(event["event"] == "closed" for event in events) == 50
        assert sum(event["event"] == "completed" for event in events) == 50

    def test_killed(self) -> None:
        """SIGKILL in the middle: the trace ends, and says what was in flight."""
        out = self.folder / "killed"
        with subprocess.Popen([self.uring, "trace", "-o", str(out), "--", self.raw, "hang"], stdout=subprocess.PIPE,
                              text=True) as trace:
            assert trace.stdout.readline() == "waits\n"
            time.sleep(0.2)
            children = pathlib.Path(f"/proc/{trace.pid}/task/{trace.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)
            assert trace.wait(20) == 128 + 9
        assert "poll_add(" in out.read_text() and "POLLIN" in out.read_text()
        assert "killed by signal 9" in out.read_text()

    def test_ends_nothing_left(self) -> None:
        """SIGINT, SIGTERM and SIGKILL for uring end the program, too."""
        for number, want in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
            with subprocess.Popen([self.uring, "trace", "-o", os.devnull, "--", self.raw, "hang"],
                                  stdout=subprocess.PIPE, text=True) as trace:
                assert trace.stdout.readline() == "waits\n"
                child = pathlib.Path(f"/proc/{trace.pid}/task/{trace.pid}/children").read_text().split()[0]
                trace.send_signal(number)
                assert trace.wait(20) == want, (number, trace.returncode)
            for _ in range(100):
                if not os.path.exists(f"/proc/{child}"):
                    break
                time.sleep(0.05)
            assert not os.path.exists(f"/proc/{child}"), f"process {child} is left after signal {number}"

    def test_attached(self) -> None:
        """A process that runs: what is seen and what is lost makes the whole; its result stays."""
        for _ in range(2):
            with subprocess.Popen([self.raw, "read", "300", "3000"], stdout=subprocess.PIPE, text=True) as program:
                time.sleep(0.2)
                done = subprocess.run([self.uring, "trace", "--format", "ndjson", "-p", str(program.pid)],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=40, check=False)
                stdout = program.stdout.read()
                assert program.wait(20) == 3
            if "may not be looked at" in done.stderr:
                raise Skip(done.stderr.strip())
            assert done.returncode == 0, done.stderr
            assert stdout.split() == ["300", str(sum(1 + i % 64 for i in range(300)))]
            events = [json.loads(line) for line in done.stdout.splitlines()]
            seen = [event["user_data"] for event in events if event["event"] == "submitted"]
            lost = sum(event["submissions"] for event in events if event["event"] == "lost")
            assert seen == sorted(set(seen)) and seen, seen[:20]
            # Nothing is missing between the first and the last but what is counted.
            assert seen[-1] - seen[0] + 1 == len(seen) + lost, (seen[0], seen[-1], len(seen), lost)
            for event in events:
                if event["event"] == "completed" and event["op"]:
                    assert event["res"] == 1 + event["user_data"] % 64, event

    def attached(self, *words: str, check=None, pause: int = 0) -> tuple:
        """A raw program that is attached to once it is ready: its output, the events.

        Whatever was seen is what was submitted, and nothing between is missing but what is counted."""
        environment = {**os.environ, **({"RAW_PAUSE": str(pause)} if pause else {})}
        with subprocess.Popen([self.raw, *words], stdout=subprocess.PIPE, text=True, env=environment) as program:
            try:
                ready = program.stdout.readline()
                if ready != "ready\n":
                    raise Skip(f"{' '.join(words)}: this kernel has no such ring")
                done = subprocess.run([self.uring, "trace", "--format", "ndjson", "-p", str(program.pid)],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
                stdout = program.stdout.read()
                assert program.wait(20) == 3, program.returncode
            finally:
                program.kill()
        if "may not be looked at" in done.stderr:
            raise Skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        last, lost = None, 0
        for event in events:
            if event["event"] == "lost":
                lost += event["submissions"]
                assert event["taken"] <= event["submissions"], event
            elif event["event"] == "submitted":
                data = event["user_data"]
                assert check is None or check(data, event), event
                assert last is None or data == last + 1 + lost, (last, lost, event)
                last, lost = data, 0
            elif event["event"] == "completed" and check:
                assert event["res"] == 1 + event["user_data"] % 64, event
        return stdout, events

    def test_attached_refilled(self) -> None:
        """Slots that are filled anew at once: no entry is shown that was not submitted."""
        def is_right(data: int, event: dict) -> bool:
            return event["op"] == "read" and event["text"].endswith(f", {1 + data % 64}, {data})")
        for batch, flags, entries in (("0", "0", "8"), ("8", "0", "8"), ("1", "0", "8"), ("3", "0", "64"), ("1", "0", "1"),
                                      ("0", "0x10000", "8"), ("0", "0x2", "8"), ("0", "0x10002", "16")):
            _, events = self.attached("unique", "60000", batch, flags, entries, check=is_right)
            if batch != "1":
                assert sum(event["submissions"] for event in events if event["event"] == "lost") > 0

    def test_attached_sizes(self) -> None:
        """Rings below a page, whose sizes have to be found out: by what is in them."""
        sizes = {"SQE128": "128-byte SQEs", "CQE32": "32-byte CQEs"}
        kinds = ((["SQE128"], "0x400"), (["CQE32"], "0x800"), (["SQE128", "CQE32"], "0xc00"), ([], "0"))
        for (has, flags), pause in itertools.product(kinds, (0, 300)):
            _, events = self.attached("unique", "150000", "3", flags, "8", pause=pause, check=lambda data, event:
                                      event["op"] == "read" and event["text"].endswith(f", {1 + data % 64}, {data})"))
            notes = [event["text"] for event in events if event["event"] == "note"]
            ring = next(event for event in events if event["event"] == "ring")
            for name, note in sizes.items():
                found = name in ring["flags"] or any(note in text for text in notes)
                assert found == (name in has), (flags, notes, ring)

    def test_sizes(self) -> None:
        """Every kind of ring in a program that is started: each entry in order."""
        ran = 0
        for flags in ("0x400", "0x800", "0xc00", "0x10000", "0x4000", "0x14000", "0x40", "0x40000", "0x80"):
            try:
                _, events = self.trace(self.raw, "unique", "300", "0", flags)
            except AssertionError:
                if subprocess.run([self.raw, "unique", "1", "0", flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=20, check=False).returncode != 77:
                    raise
                print(f"skipped  a ring of {flags}: this kernel has none", flush=True)
                continue
            ran += 1
            assert [event["user_data"] for event in events if event["event"] == "submitted"] == list(range(300)), flags
            done = [event for event in events if event["event"] == "completed"]
            assert len(done) == 300 and not [event for event in events if event["event"] == "lost"], flags
            assert all(event["res"] == (0 if flags == "0x40000" else 1 + event["user_data"] % 64) for event in done)
            if flags == "0x40000":
                assert [event["big_cqe"] is not None for event in done] == [event["user_data"] % 3 != 0 for event in done]
        assert ran

    def test_attached_mixed(self) -> None:
        """Completions of mixed sizes show themselves."""
        if subprocess.run([self.raw, "unique", "1", "0", "0x40000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=20, check=False).returncode == 77:
            raise Skip("this kernel has no IORING_SETUP_CQE_MIXED")
        # A tracer that has no processor while the program runs sees none of its completions.
        for _ in range(8):
            _, events = self.attached("unique", "200000", "3", "0x40000", "1024", pause=300)
            assert any("CQE_MIXED" in event["text"] for event in events if event["event"] == "note"), events[:3]
            done = [event for event in events if event["event"] == "completed"]
            if done:
                break
        for event in done:
            assert event["res"] == 0 and (event["big_cqe"] is not None) == (event["user_data"] % 3 != 0), event
        data = [event["user_data"] for event in done]
        assert done and data == sorted(set(data)), next((pair for pair in zip(data, data[1:]) if pair[0] >= pair[1]), data)

    def test_attached_no_mmap(self) -> None:
        """Memory of the program's own is refused, with the reason."""
        _, events = self.attached("unique", "1000", "0", "0x4000", pause=300)
        assert any("IORING_SETUP_NO_MMAP" in event["text"] for event in events if event["event"] == "note"), events[:3]

    def test_resize(self) -> None:
        """A ring that is resized goes on, seen from both sides."""
        if subprocess.run([self.raw, "resize", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=20, check=False).returncode == 77:
            raise Skip("this kernel resizes no ring")
        _, events = self.trace(self.raw, "resize", "50")
        assert [event["user_data"] for event in events if event["event"] == "submitted"] == list(range(200))
        assert sum(event["event"] == "completed" for event in events) == 200
        with subprocess.Popen([self.raw, "resize", "20000"], stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout.readline() == "ready\n"
            done = subprocess.run([self.uring, "trace", "--format", "ndjson", "-p", str(program.pid)],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            assert program.wait(20) == 3
        if "may not be looked at" in done.stderr:
            raise Skip(done.stderr.strip())
        for event in map(json.loads, done.stdout.splitlines()):
            if event["event"] == "submitted":
                assert event["text"].endswith(f", {1 + event['user_data'] % 64}, {event['user_data']})"), event
            elif event["event"] == "completed":
                assert event["res"] == 1 + event["user_data"] % 64, event

    def test_rings(self) -> None:
        """500 rings in one process, started and attached."""
        _, events = self.trace(self.raw, "rings", "500")
        assert sum(event["event"] == "ring" for event in events) == 500
        done = [event["ring"] for event in events if event["event"] == "completed"]
        assert len(done) == len(set(done)) == 500
        _, events = self.attached_rings()
        rings = {event["ring"] for event in events if event["event"] == "ring"}
        assert len(rings) == 500, len(rings)

    def attached_rings(self) -> tuple:
        with subprocess.Popen([self.raw, "rings", "500", "4000"], stdout=subprocess.PIPE, text=True) as program:
            try:
                assert program.stdout.readline() == "ready\n"
                done = subprocess.run([self.uring, "trace", "--format", "ndjson", "--duration", "1", "-p", str(program.pid)],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            finally:
                program.kill()
        if "may not be looked at" in done.stderr:
            raise Skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        return done.stdout, [json.loads(line) for line in done.stdout.splitlines()]

    def test_attach_detach(self) -> None:
        """Attached and left again in a loop: the program's results stay right. ATTACH_SECONDS makes it longer."""
        seconds = float(os.environ.get("ATTACH_SECONDS", "3"))
        end, times = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            with subprocess.Popen([self.raw, "unique", "300000", "0", "0"], stdout=subprocess.PIPE, text=True) as program:
                try:
                    assert program.stdout.readline() == "ready\n"
                    while program.poll() is None and time.monotonic() < end + 20:
                        how = ([], ["-c"], ["-y"])[times % 3]
                        done = subprocess.run([self.uring, "trace", *how, "--duration", "0.02", "-p", str(program.pid)],
                                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
                        if "may not be looked at" in done.stderr:
                            raise Skip(done.stderr.strip())
                        assert done.returncode == 0 or "no process" in done.stderr, done
                        times += 1
                    assert program.wait(30) == 3
                    # raw checks each result itself, and would end with another status.
                    assert program.stdout.read().split()[0] == "300000"
                finally:
                    program.kill()
        assert times > 2, times

    def test_unprivileged(self) -> None:
        """A user without rights traces a program of its own, and is refused others'."""
        if os.getuid():
            raise Skip("only root can become another user")
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise Skip("there is no user nobody") from None
        public = pathlib.Path(tempfile.mkdtemp(prefix="observe-"))
        try:
            public.chmod(0o755)
            for program in (self.uring, self.raw):
                shutil.copy(program, public)
            uring, raw = str(public / pathlib.Path(self.uring).name), str(public / pathlib.Path(self.raw).name)
            as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}
            done = subprocess.run([uring, "trace", "-c", "--", raw, "read", "50", "0"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=30, check=False, **as_nobody)
            if done.returncode == 77:
                raise Skip(done.stderr.strip())
            assert done.returncode == 3 and "read                       50         50" in done.stderr, done
            done = subprocess.run([uring, "trace", "-p", str(os.getpid())], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=30, check=False, **as_nobody)
            assert done.returncode == 1 and "may not be looked at" in done.stderr and "user 0" in done.stderr, done
        finally:
            shutil.rmtree(public)

    def test_formats(self) -> None:
        for options, check in (
            (["--format", "perfetto"], lambda text: len([e for e in json.loads(text)["traceEvents"] if e["ph"] in "be"]) == 40),
            (["--format", "html"], lambda text: "<svg" in text and "read" in text and "http" not in text),
            (["-c"], lambda text: "io_uring_enter 20 calls" in text),
            (["-e", "op=recv"], lambda text: "read(" not in text),
            (["-e", "errors"], lambda text: "read(" not in text),
            (["-e", "slower=10s"], lambda text: "read(" not in text),
            (["-e", "op=read", "-y"], lambda text: text.count("</dev/zero>") == 20),
            (["-T"], lambda text: text.count("io_uring_enter(1, 1, IORING_ENTER_GETEVENTS) = 1") == 20),
        ):
            out = self.folder / "format"
            done = subprocess.run([self.uring, "trace", *options, "-o", str(out), "--", self.raw, "read", "20", "0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
            assert done.returncode == 3, done
            assert check(out.read_text()), (options, out.read_text()[:2000])

    def test_wrong(self) -> None:
        for words, message in ((["-e", "op=fly", "--", "true"], "no such operation"), ([], "nothing to trace"),
                               (["--", "/no/such/program"], "No such file"), (["-p", "999999999"], "there is no process")):
            done = subprocess.run([self.uring, "trace", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, timeout=20, check=False)
            assert done.returncode == 1 and message in done.stderr, done

    def doctor(self, *words: str, before: tuple = (), status: int = 0) -> dict:
        done = subprocess.run([*before, self.uring, "doctor", "--json", *words], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=30, check=False)
        assert done.returncode == status, done
        report = json.loads(done.stdout[done.stdout.index("{"):])
        assert report["usable"] == (status == 0)
        return {finding["id"]: finding for finding in report["findings"]}

    def test_doctor_denied(self) -> None:
        if not self.deny or not os.path.exists(self.deny):
            raise Skip("deny-io-uring was not built")
        for errno in ("ENOSYS", "EPERM", "EACCES", "ENOMEM", "EMFILE"):
            assert errno in self.doctor(before=(self.deny, errno), status=1)["UR-SECCOMP"]["evidence"]

    def test_doctor_root(self) -> None:
        kernel = self.folder / "root/proc/sys/kernel"
        kernel.mkdir(parents=True)
        (kernel / "io_uring_disabled").write_text("2\n")
        assert "io_uring_disabled is 2" in self.doctor("--root", str(self.folder / "root"), status=1)["UR-DISABLED"]["evidence"]

    def test_doctor_program(self) -> None:
        assert "UR-BATCH" in self.doctor("--", self.raw, "read", "100", "0")
        with subprocess.Popen([self.raw, "hang"], stdout=subprocess.PIPE, text=True) as program:
            try:
                assert program.stdout.readline() == "waits\n"
                time.sleep(0.2)
                found = self.doctor(str(program.pid))
                assert "UR-RING" in found and "UR-WAITS" in found, found
            finally:
                program.kill()

    def test_top(self) -> None:
        with subprocess.Popen([self.raw, "read", "2000", "1000"], stdout=subprocess.PIPE, text=True) as program:
            try:
                time.sleep(0.2)
                done = subprocess.run([self.uring, "top", "--once", "--json", "-d", "0.5", "--filter", "raw"],
                                      stdout=subprocess.PIPE, text=True, timeout=20, check=False)
                text = subprocess.run([self.uring, "top", "--once", "-d", "0.1"], stdout=subprocess.PIPE, text=True,
                                      timeout=20, check=False).stdout
            finally:
                program.kill()
        assert done.returncode == 0
        rings = [ring for ring in json.loads(done.stdout) if ring["pid"] == program.pid]
        assert len(rings) == 1 and rings[0]["sq_entries"] == 8 and rings[0]["submitted_per_second"] > 1, rings
        assert str(program.pid) in text and "COMPL/s" in text

    def test_top_terminal(self) -> None:
        """On a terminal of 80×24; keys and SIGTERM end it, and the terminal is as it was."""
        import fcntl
        import pty
        import select
        import struct
        import termios
        for number, key in ((signal.SIGTERM, b""), (0, b"sq")):
            child, terminal = pty.fork()
            if not child:
                os.environ["TERM"] = "xterm"
                os.execv(self.uring, [self.uring, "top", "-d", "0.2"])
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            out, end, asked, status = b"", time.monotonic() + 20, False, None
            while time.monotonic() < end and status is None:
                if select.select([terminal], [], [], 0.1)[0]:
                    try:
                        out += os.read(terminal, 65536)
                    except OSError:
                        pass
                if b"sorted" in out and not asked:
                    asked = True
                    if number:
                        os.kill(child, number)
                    else:
                        os.write(terminal, key)
                ended, code = os.waitpid(child, os.WNOHANG)
                if ended:
                    status = code
            while select.select([terminal], [], [], 0)[0]:
                try:
                    more = os.read(terminal, 65536)
                except OSError:
                    break
                out += more
            if status is None:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            os.close(terminal)
            assert status == 0, (status, out[-300:])
            # The alternate screen is left.
            assert b"\x1b[?1049l" in out, out[-300:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uring", required=True)
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    parser.add_argument("--deny", help="the program deny-io-uring")
    parser.add_argument("names", nargs="*", help="only these tests")
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        tests = Tests(arguments, pathlib.Path(folder))
        for name in [name for name in dir(tests) if name.startswith("test_")]:
            if arguments.names and name[5:] not in arguments.names:
                continue
            began = time.monotonic()
            try:
                getattr(tests, name)()
                print(f"ok       {name[5:]} ({time.monotonic() - began:.1f} s)", flush=True)
            except Skip as reason:
                print(f"skipped  {name[5:]}: {reason}", flush=True)
            except (AssertionError, subprocess.SubprocessError, RuntimeError, OSError, ValueError, LookupError) as error:
                failed += 1
                print(f"FAILED   {name[5:]}: {type(error).__name__}: {str(error)[:3000]}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
