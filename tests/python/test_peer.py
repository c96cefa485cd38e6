"""The PyPI package beside ours: the same calls, the same answers.

`peer_calls.py` calls every function with arguments of every kind under both.
What differs has to stand in DIFFER, with the reason.
"""

import json
import pathlib
import subprocess
import sys
import venv

import pytest

ROOT = pathlib.Path(__file__).parents[2]
HERE = pathlib.Path(__file__).parent
RELEASE = "liburing==2026.3.30"
TABLE = HERE / "facts/python-api.json"

# The package refuses everything there ("unusable"), says NotImplementedError,
# or has an argument no program can make: ours works.
WORKS = "what the package cannot do"
# A number for an address, a length beyond the buffer, an object of no ring.
MEMORY = "would let a program reach memory it was not given"
KINDER = "None or another object with a plain meaning is taken too"
OLDER = "the shape of an older release"
ORDER = "both are errors, another one is noticed first"
DIFFER = {
    "getsockopt": KINDER, "setsockopt": KINDER, "io_uring_enter": KINDER,
    "io_uring_prep_cmd_sock": KINDER + "; " + MEMORY,
    "io_uring_prep_link_timeout": KINDER, "io_uring_prep_waitid": KINDER,
    "io_uring_recvmsg_validate": KINDER,
    "io_uring_submit_and_wait_min_timeout": KINDER, "io_uring_wait_cqe_timeout": KINDER,
    "io_uring_wait_cqes_min_timeout": KINDER,
    "io_uring_buf_ring_add": ORDER, "io_uring_register_buf_ring": ORDER,
    "io_uring_buf_ring_available": "RuntimeError for a BufRing without memory",
    "io_uring_free_buf_ring": "RuntimeError for a BufRing without memory",
    "io_uring_buf_ring_head": WORKS, "io_uring_peek_batch_cqe": WORKS,
    "io_uring_register_probe": WORKS, "io_uring_setup": WORKS, "io_uring_setup_buf_ring": WORKS,
    "io_uring_prep_fgetxattr": WORKS, "io_uring_prep_fsetxattr": WORKS,
    "io_uring_prep_getxattr": WORKS, "io_uring_prep_setxattr": WORKS,
    "io_uring_queue_init_mem": WORKS, "io_uring_recvmsg_name": WORKS,
    "io_uring_recvmsg_payload": WORKS,
    "io_uring_register_buffers_update_tag": WORKS, "io_uring_register_files_update_tag": WORKS,
    "io_uring_register_clock": "an empty block has defaults that the kernel takes",
    "io_uring_register_napi": "an empty block has defaults that the kernel takes",
    "io_uring_register_region": "an empty block has defaults that the kernel takes",
    "io_uring_register_sync_cancel": "an empty block has defaults that the kernel takes",
    "io_uring_prep_cancel": "a tag of 0 is a tag", "io_uring_prep_madvise": MEMORY,
    "io_uring_prep_madvise64": MEMORY, "io_uring_prep_epoll_wait": MEMORY,
    "io_uring_prep_provide_buffers": MEMORY, "io_uring_prep_pipe": WORKS,
    "io_uring_prep_pipe_direct": WORKS,
    "io_uring_prep_futex_wait": "words of 32 bits where the flags name no size, which is EINVAL",
    "io_uring_prep_futex_wake": "words of 32 bits where the flags name no size, which is EINVAL",
    "io_uring_prep_send_set_addr": "ValueError where nothing was prepared that has an address",
    "io_uring_register_buffers": MEMORY, "io_uring_register_files_tags": MEMORY,
    "io_uring_register_files": OLDER,
    "linux_version_check": ORDER,
    **dict.fromkeys((
        "io_uring_prep_recv", "io_uring_prep_recv_multishot", "io_uring_prep_recvmsg",
        "io_uring_prep_recvmsg_multishot", "io_uring_prep_send", "io_uring_prep_send_bundle",
        "io_uring_prep_sendmsg", "io_uring_prep_sendmsg_zc", "io_uring_prep_sendto",
        "io_uring_prep_send_zc", "io_uring_prep_send_zc_fixed", "io_uring_prep_sendmsg_zc_fixed",
    ), MEMORY),
}  # fmt: skip


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """An interpreter that has the package."""
    found = ROOT / "target/peer-venv/bin/python"
    if not found.exists():
        folder = tmp_path_factory.mktemp("peer")
        venv.create(folder, with_pip=True)
        found = folder / "bin/python"
        command = [found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", RELEASE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode:
            pytest.skip(f"the PyPI package cannot be installed: {done.stderr.strip()[-200:]}")
    return found


def answers(interpreter):
    """`{(function, what is odd, place): answer}`."""
    command = [interpreter, HERE / "peer_calls.py", TABLE]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def told(process):
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return {tuple(key): answer for *key, answer in map(json.loads, out.splitlines())}


def alike(key, theirs, ours):
    """Whether both say the same; texts of other errors than OSError are free."""
    _, odd, _ = key
    if "crash" in theirs:
        return "crash" not in ours
    if odd in ("short", "long"):
        # Another number of arguments: TypeError, unless an older release took it.
        return "crash" not in ours
    if "errno" not in theirs:
        theirs, ours = ({k: v for k, v in a.items() if k != "text"} for a in (theirs, ours))
    return theirs == ours


@pytest.mark.timeout(300)
def test_every_function_answers_as_the_peer(peer):
    both = [answers(peer), answers(sys.executable)]
    theirs, ours = map(told, both)
    assert len(theirs) > 8000 and theirs.keys() == ours.keys()
    assert not [key for key, answer in ours.items() if "crash" in answer]
    other = {key: (theirs[key], ours[key]) for key in ours if not alike(key, theirs[key], ours[key])}
    unknown = {key: answer for key, answer in other.items() if key[0] not in DIFFER}
    assert not unknown, sorted({key[0] for key in unknown})
    # What no longer differs is taken off the list.
    settled = DIFFER.keys() - {key[0] for key in other}
    assert not settled


WAITS = '''
import liburing as u

def told(call):
    try:
        return call()
    except OSError as error:
        return type(error).__name__, error.errno
    except IndexError:
        return "IndexError"

ring = u.Ring()
u.io_uring_queue_init(8, ring)

def nops(*tags):
    for tag in tags:
        sqe = u.io_uring_get_sqe(ring)
        u.io_uring_prep_nop(sqe)
        sqe.user_data = tag
    u.io_uring_submit(ring)

brief = u.timespec(0.01)
calls = {
    "peek": lambda cqe: u.io_uring_peek_cqe(ring, cqe),
    "one": lambda cqe: u.io_uring_wait_cqe_timeout(ring, cqe, brief),
    "some": lambda cqe: u.io_uring_wait_cqes(ring, cqe, 3, brief),
    "submit": lambda cqe: u.io_uring_submit_and_wait_timeout(ring, cqe, 3, brief),
    "least": lambda cqe: u.io_uring_wait_cqes_min_timeout(ring, cqe, 3, brief, 1000),
    "both": lambda cqe: u.io_uring_submit_and_wait_min_timeout(ring, cqe, 3, brief, 1000),
    "none": lambda cqe: u.io_uring_wait_cqe_nr(ring, cqe, 0),
    "block": lambda cqe: u.io_uring_submit_and_wait_reg(ring, cqe, 3, 0),
}
for name, call in calls.items():
    for count in (0, 1, 2):
        if name == "block" and count:
            continue
        cqe = u.Cqe()
        nops(9)
        u.io_uring_wait_cqe(ring, cqe)
        u.io_uring_cqe_seen(ring, cqe[0])
        nops(*range(10, 10 + count))
        print(name, count, told(lambda: call(cqe)), bool(cqe), told(lambda: cqe[0].user_data))
        u.io_uring_cq_advance(ring, count)
nops(1, 2, 3)
cqe = u.Cqe()
for start in (None, 2):
    walk = u.CqeIter(ring, cqe, start)
    nops(4)
    print([(number, cqe[0].user_data) for number in walk], bool(cqe))
walk = u.io_uring_cqe_iter_init(ring)
nops(5)
found = []
while u.io_uring_cqe_iter_next(walk, cqe):
    found.append(cqe[0].user_data)
print(found)
u.io_uring_cq_advance(ring, 6)
print(told(lambda: u.io_uring_peek_cqe(ring, cqe)), u.io_uring_cq_ready(ring))
for version in ("5", "6.1", 6, 99.1, "-1", " 5.1", True, "1e9"):
    print(u.linux_version_check(version))
found = u.Statx()
sqe = u.Sqe()
u.io_uring_prep_statx(sqe, found, "x", 0, 1)
u.io_uring_sqe_set_data(sqe, -1)
print(sqe.len, sqe.user_data)
'''


def test_waits_and_walks_leave_the_same(peer):
    """What a Cqe holds after waits that found all, some or nothing."""
    theirs, ours = (
        subprocess.run([python, "-c", WAITS], capture_output=True, text=True, timeout=60)
        for python in (peer, sys.executable)
    )
    assert theirs.returncode == 0, theirs.stderr
    assert ours.returncode == 0, ours.stderr
    assert ours.stdout.splitlines() == theirs.stdout.splitlines()
    assert len(ours.stdout.splitlines()) == 35
