"""The object tier: each case in an interpreter of its own, plain and with a checking
allocator."""

import os
import subprocess
import sys

import pytest

START = """
import os, gc, signal, threading, liburing as u
r, w = os.pipe()
ring = u.Ring(8)
op = ring.read(r, 4096)
ring.submit()
"""
CASES = {
    "exit with a read in flight": "print('ok')",
    "drop buffer, then complete": """
op.cancel(); op.wait()
ring.read(r, bytearray(4096)).detach()
ring.submit()
gc.collect()
junk = [bytearray(4096) for _ in range(100)]
os.write(w, b'x' * 4096)
assert ring.completions(1) == [] and ring.in_flight == 0
assert not any(any(j) for j in junk)
print('ok')""",
    "a signal ends a wait": """
def stop(*_): raise KeyboardInterrupt
signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try: op.result()
except KeyboardInterrupt: print('ok')""",
    "a second thread is refused, the first goes on": """
t = threading.Timer(0.1, lambda: None); t.start()
errors = []
def other():
    try: ring.submit()
    except RuntimeError as e: errors.append(e)
    os.write(w, b'x')
threading.Timer(0.1, other).start()
assert op.result() == b'x' and errors
print('ok')""",
}


@pytest.mark.parametrize("malloc", ["malloc", "debug"])
@pytest.mark.parametrize("case", CASES)
def test_lifetime(case, malloc):
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", START + CASES[case]],
        capture_output=True, text=True, timeout=30,
        env=os.environ | {"PYTHONMALLOC": malloc},
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
