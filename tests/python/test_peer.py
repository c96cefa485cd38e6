"""The PyPI package beside ours: the same calls, the same answers.

`peer_calls.py` calls every function with arguments of every kind, `peer_classes.py`
makes every class and does what can be done to its objects, WAITS looks at what waits
leave. What the package said stands in facts/peer-answers.json: ours is compared with
that on every machine, and the record with the package where it can be installed and
run. What differs has to stand in DIFFER or CLASSES, with the reason.

    python test_peer.py PYTHON

writes the record anew, from the package that the interpreter PYTHON has.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import venv

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches/python"))
from sides import unusable  # noqa: E402

ROOT = pathlib.Path(__file__).parents[2]
HERE = pathlib.Path(__file__).parent
RELEASE = "liburing==2026.3.30"
TABLE = HERE / "facts/python-api.json"
RECORD = HERE / "facts/peer-answers.json"

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


# Of classes: how an object is made, what is done to it, and why the answer is another.
KEYWORDS = "the package drops keywords without a word; here they are a TypeError"
INDEX = "an index that is no number, or none that fits, is that error of Python's"
SHARED = "a copy would share no words with the kernel and other processes"
CLASSES = (
    ("u\\.\\w+\\(\\w+=1\\)", "", KEYWORDS),
    (".*", "x\\['a'\\]|x\\[0:1\\]|x\\[2\\*\\*64\\]", INDEX),
    ("filled.*\\[0\\]", "type.*", "a completion's class is not to be derived from"),
    ("filled.*", "x\\[[123]\\]|list.*|1 in x", "the package reads behind what is ready, without end"),
    ("u.io_uring_cqe_iter_init.*", ".*", "what the function makes can be iterated as well"),
    ("u.Futex\\(3, None, True\\)\\[1\\]", ".*'flags'.*", "flags are set; the package changes val"),
    ("u.F(utex|UTEX).*", "copy.*|pickle.*", SHARED),
    ("u.FileIndex.*", "x.update", "a method of Python"),
    ("u.Sqe.*|nop\\(u.Sqe.*", "copy.*|pickle.*", "a copy would let go of what an entry keeps"),
    ("u.Sqe.*|nop\\(u.Sqe.*", "x\\[0\\]|list.*", "the first entry is the object itself"),
    ("u.Sqe\\(2\\*\\*16\\)", "", "more than a ring can have"),
    ("u.Param\\(\\)", ".*", WORKS), ("u.EpollEvent\\(\\)", ".*", WORKS),
    ("u.Restriction\\(\\)", ".*", WORKS), ("u.Cmsghdr\\(\\)", "bool.*", WORKS),
    ("u.SigsetT\\(\\)", "1 in x", WORKS), ("u.Msghdr\\(None\\)|u.Ring\\(None\\)", "", KINDER),
    ("u.timespec\\(3, 7\\)", ".*", OLDER),
    ("gone\\(\\)", ".*", "a ring that was taken down has nothing left of it"),
    ("u.io_uring_\\w*op.*", "pickle.*", "its members can be pickled"),
    ("two at once|given back before", "", "what was given back is the kernel's, and not shown"),
)  # fmt: skip


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """An interpreter that has the package, and can run it."""
    found = ROOT / "target/peer-venv/bin/python"
    if not found.exists():
        folder = tmp_path_factory.mktemp("peer")
        venv.create(folder, with_pip=True)
        found = folder / "bin/python"
        command = [found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", RELEASE]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            problem = done.stderr.strip()[-200:] if done.returncode else None
        except subprocess.TimeoutExpired as error:
            problem = str(error)
        if problem:
            pytest.skip(f"the PyPI package cannot be installed: {problem}")
    if reason := unusable(found):
        pytest.skip(f"the PyPI package cannot run here: {reason}")
    return found


def ask(interpreter, script):
    """The answers of a script, a process that prints them: `{step: answer}`."""
    command = [interpreter, HERE / script, TABLE]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def answers(process):
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return {tuple(key): plain(answer) for *key, answer in map(json.loads, out.splitlines())}


def plain(answer):
    """Texts of other errors than OSError are free."""
    if "errno" not in answer:
        answer.pop("text", None)
    return answer


def waits(interpreter):
    done = subprocess.run([interpreter, "-c", WAITS], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def machine():
    """What answers depend on, beside the package."""
    release = ".".join(os.uname().release.split(".")[:2])
    return f"Linux {release}, {'root' if os.geteuid() == 0 else 'a user'}"


def digest(steps):
    """Of what was asked, which the record's answers are in the order of."""
    return hashlib.sha256(json.dumps(list(steps)).encode()).hexdigest()[:16]


def packed(found):
    """The answers by function or class; each one is written once."""
    numbers, steps = {}, {}
    for (name, *_), answer in found.items():
        text = json.dumps(answer, sort_keys=True)
        steps.setdefault(name, []).append(numbers.setdefault(text, len(numbers)))
    return {"asked": digest(found), "answers": [json.loads(text) for text in numbers], "steps": steps}


def unpacked(record, steps):
    """The record's answers to those steps."""
    assert record["asked"] == digest(steps), "other steps: write the record anew"
    numbers = {name: iter(found) for name, found in record["steps"].items()}
    return {step: record["answers"][next(numbers[step[0]])] for step in steps}


def write_record(interpreter):
    record = {"release": RELEASE, "machine": machine(), "waits": waits(interpreter)}
    for part in ("calls", "classes"):
        record[part] = packed(answers(ask(interpreter, f"peer_{part}.py")))
    text = json.dumps(record, ensure_ascii=False)
    # A line for each function, class and kind of answer.
    RECORD.write_text(re.sub(r'([\]}], |[{\[])(?="\w+": \[\d|[{]"(?:value|err))', r"\1\n", text) + "\n")


@pytest.fixture(scope="module")
def record():
    return json.loads(RECORD.read_text())


def of_the_machine(name):
    """Whether a function asks the kernel, and not only prepares."""
    return not name.startswith(("io_uring_prep_", "io_uring_sqe_"))


def alike(key, theirs, ours):
    """Whether both say the same."""
    if "crash" in theirs:
        return "crash" not in ours
    if key[1] in ("short", "long") and len(key) == 3:
        # Another number of arguments: TypeError, unless an older release took it.
        return "crash" not in ours
    return theirs == ours


def test_the_record_is_what_the_peer_says(peer, record):
    """Otherwise: `python tests/python/test_peer.py target/peer-venv/bin/python`."""
    if record["machine"] != machine():
        pytest.skip(f"the record is from {record['machine']}, this is {machine()}")
    both = [ask(peer, f"peer_{part}.py") for part in ("calls", "classes")]
    calls, classes = map(answers, both)
    assert unpacked(record["calls"], calls) == calls
    assert unpacked(record["classes"], classes) == classes
    assert record["waits"] == waits(peer)


@pytest.mark.timeout(300)
def test_every_function_answers_as_the_peer(record):
    ours = answers(ask(sys.executable, "peer_calls.py"))
    theirs = unpacked(record["calls"], ours)
    assert len(theirs) > 8000
    assert not [key for key, answer in ours.items() if "crash" in answer]
    if record["machine"] != machine():
        print(f"the record is from {record['machine']}: preparation alone is compared")
        theirs = {key: answer for key, answer in theirs.items() if not of_the_machine(key[0])}
        assert len(theirs) > 4000
    other = {key: (theirs[key], ours[key]) for key in theirs if not alike(key, theirs[key], ours[key])}
    unknown = {key: answer for key, answer in other.items() if key[0] not in DIFFER}
    assert not unknown
    # What no longer differs is taken off the list.
    settled = (DIFFER.keys() & {key[0] for key in theirs}) - {key[0] for key in other}
    assert not settled


@pytest.mark.timeout(300)
def test_every_class_and_walk_is_as_the_peer(record):
    ours = answers(ask(sys.executable, "peer_classes.py"))
    theirs = unpacked(record["classes"], ours)
    assert len(theirs) > 5000
    assert not [key for key, answer in ours.items() if "crash" in answer or "waits" in answer]
    unknown, used = {}, set()
    for key in theirs:
        if alike(key, theirs[key], ours[key]):
            continue
        _, made, code = key
        for number, (how, what, _) in enumerate(CLASSES):
            if re.fullmatch(how, made) and re.fullmatch(what, code):
                used.add(number)
                break
        else:
            unknown[key] = theirs[key], ours[key]
    assert not unknown
    # What no longer differs is taken off the list.
    assert used == set(range(len(CLASSES)))


@pytest.fixture
def dying(tmp_path):
    """An interpreter that ends as the package does on a processor without AVX-512."""
    found = tmp_path / "python"
    found.write_text("#!/bin/sh\nkill -ILL $$\n")
    found.chmod(0o755)
    return found


def test_a_peer_that_cannot_run_is_left_out(dying, tmp_path):
    assert unusable(dying) == "it dies of SIGILL: this processor lacks instructions it has"
    assert unusable(tmp_path / "none").startswith("it does not start")
    assert unusable(sys.executable) is None
    for bench in ("nop.py", "objects.py"):
        command = [sys.executable, ROOT / "benches/python" / bench, "--peer", dying, "--turns", "2"]
        if bench == "objects.py":
            command += ["--quick", "--folder", tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "left out: it dies of SIGILL" in done.stderr
        assert "ours" in done.stdout


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


def test_waits_and_walks_leave_the_same(record):
    """What a Cqe holds after waits that found all, some or nothing."""
    found = waits(sys.executable)
    assert found == record["waits"]
    assert len(found) == 35


if __name__ == "__main__":
    write_record(sys.argv[1])
