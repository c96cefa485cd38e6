"""The object tier: rings, handles, chains, options."""

import errno
import gc
import os
import socket
import threading
import time

import pytest
from objects import ended_with, fresh, needs

import liburing


@pytest.fixture
def ring():
    with fresh() as ring:
        yield ring


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            pass


def test_more_operations_than_entries(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 64)
    with fresh(4) as ring:
        fd = ring.open(path).result()
        started = [ring.read(fd, 256, i * 256, user_data=i) for i in range(16)]
        assert ring.unsubmitted == 16
        done = []
        while len(done) < 16:
            done += ring.completions(wait=1)
        assert sorted(op.user_data for op in done) == list(range(16))
        assert set(map(id, done)) == set(map(id, started))
        assert all(op.result() == bytes(range(256)) and op.res == 256 for op in done)
        ring.close_fd(fd).result()
        with pytest.raises(OSError):
            os.fstat(fd)


def test_state_of_a_handle(ring, pipe):
    operation = ring.read(pipe[0], 8, user_data="mine")
    assert not operation.done and operation.name == "read" and operation.user_data == "mine"
    with pytest.raises(RuntimeError):
        operation.res
    with pytest.raises(TimeoutError):
        operation.result(timeout=0.01)
    os.write(pipe[1], b"12345")
    assert operation.result(1) == b"12345" == operation.result()
    assert operation.exception() is None and operation.done and operation.res == 5
    assert ring.completions() == []
    assert "read" in repr(operation) and "5" in repr(operation)


def test_errors_have_their_class_and_the_operation(ring, tmp_path):
    operation = ring.open(tmp_path / "none")
    with pytest.raises(FileNotFoundError) as caught:
        operation.result()
    assert caught.value.operation == "open"
    assert caught.value.filename == tmp_path / "none"
    assert "open" in str(caught.value)
    assert ended_with(ring.read(-1, 1), errno.EBADF)
    with pytest.raises(IsADirectoryError):
        ring.read(ring.open(tmp_path).result(), 1, 0).result()


def test_cancel(ring, pipe):
    operation = ring.read(pipe[0], 8)
    assert operation.cancel()
    assert ended_with(operation, errno.ECANCELED)
    assert not operation.cancel()
    polls = [ring.poll(pipe[0]) for _ in range(3)]
    ring.submit()
    assert ring.cancel_fd(pipe[0]).result() == 3
    assert all(ended_with(poll, errno.ECANCELED) for poll in polls)
    polls = [ring.poll(pipe[0]), ring.timeout(100)]
    ring.submit()
    assert ring.cancel_all().result() == 2
    assert all(poll.exception() for poll in polls)
    operation = ring.poll(pipe[0])
    ring.submit()
    assert ring.cancel(operation).result() == 0 and operation.exception()


@pytest.mark.parametrize("hard", [False, True])
def test_link(ring, hard):
    with ring.link(hard=hard):
        bad = ring.read(-1, 8, 0)
        after = ring.nop()
        with pytest.raises(RuntimeError):
            ring.submit()
        with pytest.raises(RuntimeError):
            with ring.link():
                pass
    beside = ring.nop()
    assert len(ring.completions(wait=3)) == 3
    assert ended_with(bad, errno.EBADF)
    assert beside.result() == 0
    if hard:
        assert after.result() == 0
    else:
        assert ended_with(after, errno.ECANCELED)


def test_link_runs_in_order(ring, tmp_path):
    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    buffer = bytearray(5)
    with ring.link():
        ring.write(fd, b"hello", 0)
        ring.fsync(fd)
        last = ring.read(fd, buffer, 0)
    assert last.result() == 5 and buffer == b"hello"
    os.close(fd)


def test_link_is_taken_back_on_an_exception(ring):
    with pytest.raises(ZeroDivisionError):
        with ring.link():
            operation = ring.nop()
            1 / 0
    assert ended_with(operation, errno.ECANCELED) and ring.in_flight == 0
    assert ring.nop().result() == 0


def test_a_chain_longer_than_the_queue():
    with fresh(4) as ring:
        with pytest.raises(ValueError):
            with ring.link():
                started = [ring.nop() for _ in range(9)]
        assert ring.nop().result() == 0
        assert all(ended_with(operation, errno.ECANCELED) for operation in started)


def test_chains_are_not_cut():
    """A chain that does not fit behind others is submitted by itself."""
    with fresh(4) as ring:
        chains = []
        for _ in range(20):
            ring.nop()
            with ring.link():
                chains.append([ring.read(-1, 1), ring.nop(), ring.nop()])
        ring.completions(wait=80)
        for first, *rest in chains:
            assert ended_with(first, errno.EBADF)
            assert all(ended_with(operation, errno.ECANCELED) for operation in rest)


def test_timeouts(ring, pipe):
    start = time.monotonic()
    assert ring.timeout(0.05).result() is True
    assert 0.04 < time.monotonic() - start < 5
    timer = ring.timeout(100, count=1)
    ring.nop()
    assert timer.result() is False
    timer = ring.timeout(100)
    ring.submit()
    ring.timeout_update(timer, 0.01).result()
    assert timer.result() is True
    assert ring.timeout(time.monotonic() + 0.01, absolute=True).result() is True
    with pytest.raises(TimeoutError) as caught:
        ring.read(pipe[0], 8, timeout=0.02).result()
    assert caught.value.errno == errno.ETIME and caught.value.operation == "read"
    os.write(pipe[1], b"x")
    assert ring.read(pipe[0], 8, timeout=5).result() == b"x"
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError):
            ring.timeout(wrong)
    assert [handle.name for handle in ring.completions()] == ["nop"]
    with pytest.raises(TimeoutError):
        ring.completions(wait=1, timeout=0.01)


def test_a_timer_in_a_chain_lets_the_next_start(ring):
    with ring.link():
        timer = ring.timeout(0.01)
        after = ring.nop()
    assert after.result() == 0 and timer.result() is True


def test_a_timeout_in_a_chain(ring, pipe):
    with ring.link():
        first = ring.read(pipe[0], 1, timeout=0.01)
        after = ring.nop()
    assert ended_with(after, errno.ECANCELED)
    assert isinstance(first.exception(), TimeoutError)


def test_drain_and_force_async(ring):
    operations = [ring.nop(), ring.nop(drain=True), ring.nop(force_async=True)]
    assert [operation.result() for operation in operations] == [0, 0, 0]
    with pytest.raises(TypeError, match="banana"):
        ring.nop(banana=1)


def test_as_completed(ring, pipe):
    slow, quick = ring.read(pipe[0], 8), ring.nop()
    turn = ring.as_completed([slow, quick])
    assert next(turn) is quick
    os.write(pipe[1], b"x")
    assert next(turn) is slow
    assert list(turn) == []


def test_detached_operations_are_not_told(ring):
    ring.nop().detach()
    other = ring.nop()
    assert ring.completions(wait=1) == [other]
    ring.close()


def test_results_asked_for_are_not_kept(ring):
    """A program that only uses result() gathers nothing."""
    operations = [ring.nop() for _ in range(1000)]
    for operation in operations:
        operation.result()
    assert ring.completions() == []


def test_closed_rings(pipe):
    ring = fresh()
    operation = ring.read(pipe[0], 8)
    ring.submit()
    unsubmitted = ring.nop()
    ring.close()
    ring.close()
    assert ring.closed
    assert ended_with(operation, errno.ECANCELED) and ended_with(unsubmitted, errno.ECANCELED)
    calls = (ring.nop, ring.submit, ring.completions, ring.probe, lambda: ring.features)
    for call in calls:
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(RuntimeError):
        with ring:
            pass


def test_a_ring_that_was_not_made():
    ring = liburing.Ring()
    with pytest.raises(RuntimeError):
        ring.nop()
    assert ring.closed and ring.features == 0


def test_a_dropped_ring_goes(pipe):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        ring = fresh()
        operation = ring.read(pipe[0], bytearray(64))
        operation = ring.poll(pipe[0], user_data=[ring, operation])
        ring.submit()
        del ring, operation
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_buffers_in_flight(ring, pipe):
    buffer = bytearray(64)
    operation = ring.read(pipe[0], buffer)
    assert operation.buffer is buffer
    with pytest.raises(BufferError):
        buffer.extend(b"x" * 100)
    ring.submit()
    os.write(pipe[1], b"abc")
    assert operation.result() == 3
    buffer.extend(b"x")
    for wrong in (b"read-only", memoryview(b"x")):
        with pytest.raises(TypeError):
            ring.read(pipe[0], wrong)
    with pytest.raises(BufferError):
        ring.write(pipe[1], memoryview(bytearray(10))[::2])
    with pytest.raises(TypeError):
        ring.write(pipe[1], "text")
    assert ring.in_flight == 0


def test_another_thread_waits_its_turn(ring, pipe):
    caught = []

    def other():
        try:
            ring.nop()
        except RuntimeError as error:
            caught.append(error)
        os.write(pipe[1], b"x")

    operation = ring.read(pipe[0], 1)
    ring.submit()
    thread = threading.Timer(0.1, other)
    thread.start()
    assert operation.result() == b"x" and caught
    thread.join()


def test_a_ring_used_in_another_thread(ring):
    found = []
    thread = threading.Thread(target=lambda: found.append(ring.nop().result()))
    thread.start()
    thread.join()
    assert found == [0]


def test_fork(ring, pipe):
    operation = ring.read(pipe[0], 8)
    ring.submit()
    pid = os.fork()
    if pid == 0:
        try:
            ring.nop()
        except RuntimeError:
            ring.close()
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    os.write(pipe[1], b"x")
    assert operation.result() == b"x"


def test_features_and_probe(ring):
    assert ring.features & liburing.IORING_FEAT_NODROP
    assert ring.probe() == liburing.probe()
    assert ring.ring_fd == ring.fileno() > 2
    assert "in flight" in repr(ring)


def test_setup_flags():
    flags = liburing.IORING_SETUP_SINGLE_ISSUER | liburing.IORING_SETUP_DEFER_TASKRUN
    for arguments in (
        {"flags": flags},
        {"cq_entries": 64},
        {"flags": liburing.IORING_SETUP_SQPOLL, "sq_thread_idle": 10},
        {"flags": liburing.IORING_SETUP_SQE128},
        {"flags": liburing.IORING_SETUP_CQE32},
    ):
        try:
            ring = liburing.Ring(4, **arguments)
        except OSError as error:
            print(f"not here: {arguments}: {error}")
            continue
        with ring, socket.socket() as file:
            assert list(ring.nops(100).result()) == [0] * 100
            assert ring.nop(user_data=file).result() == 0
    with pytest.raises(ValueError):
        liburing.Ring(4, flags=liburing.IORING_SETUP_NO_MMAP)
    with pytest.raises(OSError):
        liburing.Ring(2**20)


def test_a_ring_that_starts_later():
    with fresh(4, flags=liburing.IORING_SETUP_R_DISABLED) as ring:
        ring.enable()
        assert ring.nop().result() == 0


def test_eventfd(ring):
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    ring.register_eventfd(fd)
    ring.nop().result()
    assert os.eventfd_read(fd) == 1
    ring.register_eventfd(-1)
    os.close(fd)


def test_shared_workers(ring):
    with fresh(4, share_workers=ring) as other:
        assert other.nop(force_async=True).result() == 0


def test_messages(ring):
    needs(ring, "MSG_RING")
    with fresh(4) as other:
        assert ring.msg_ring(other, 77, -5).result() == 0
        (message,) = other.completions(wait=1, timeout=5)
        assert (message.user_data, message.res) == (77, -5)
        with socket.socket() as kept:
            (file,) = ring.register_files([kept])
        other.register_files(2)
        ring.msg_ring_fd(other, file, 78).result()
        (message,) = other.completions(wait=1, timeout=5)
        assert message.user_data == 78


def test_a_ring_is_of_one_kind(ring):
    for made in (ring, liburing.Ring(4)):
        with pytest.raises(RuntimeError, match="initialised already"):
            liburing.io_uring_queue_init(4, made)
        with pytest.raises(RuntimeError):
            liburing.io_uring_submit(made)
    with made:
        assert made.nop().result() == 0


def test_repr_while_another_thread_waits(ring):
    reading, writing = os.pipe()
    texts = []

    def look():
        while ring_is_idle():
            time.sleep(0.001)
        texts.append(repr(ring))
        os.write(writing, b"x")

    def ring_is_idle():
        try:
            return ring.in_flight >= 0
        except RuntimeError:
            return False

    operation = ring.read(reading, 1)
    thread = threading.Thread(target=look)
    thread.start()
    assert operation.result() == b"x"
    thread.join()
    assert texts == ["<liburing.Ring: in use>"] and "0 in flight" in repr(ring)
    os.close(reading), os.close(writing)


def test_a_read_only_array_of_numpy_is_refused(ring):
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    array = numpy.zeros(8, dtype="u1")
    with open(os.devnull, "rb") as file:
        assert ring.read(file, array).result() == 0
        array.flags.writeable = False
        scattered = numpy.zeros((4, 4), dtype="u1").T[:2]
        for wrong, error in ((array, TypeError), (scattered, (BufferError, ValueError))):
            with pytest.raises(error):
                ring.read(file, wrong)
            with pytest.raises(error):
                liburing.io_uring_prep_read(liburing.Sqe(), 0, wrong, 0)
