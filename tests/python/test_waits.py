"""Timers, cancelling, messages between rings, epoll, children, futexes, and the
ways to wait."""

import errno
import os
import select
import signal
import socket
import threading
import time

import liburing as u
import pytest
from support import finish, made, needs, refused, run, start

EPOLL_CTL_ADD = 1


@pytest.fixture
def ring():
    with made() as ring:
        yield ring


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_timeouts(ring):
    start(ring, u.io_uring_prep_timeout, u.timespec(0.01), 0)
    assert finish(ring)[1] == -errno.ETIME
    start(ring, u.io_uring_prep_timeout, u.timespec(1000), 0, tag=3)
    assert run(ring, u.io_uring_prep_timeout_update, u.timespec(500), 3) == 0
    start(ring, u.io_uring_prep_timeout_remove, 3, tag=4)
    assert {finish(ring)[:2] for _ in range(2)} == {(3, -errno.ECANCELED), (4, 0)}
    # Done after one completion.
    start(ring, u.io_uring_prep_timeout, u.timespec(1000), 1, tag=5)
    start(ring, u.io_uring_prep_nop, tag=6)
    assert dict(finish(ring)[:2] for _ in range(2)) == {5: 0, 6: 0}
    refused(TypeError, u.io_uring_prep_timeout, 1.5, 0)
    refused(MemoryError, u.io_uring_prep_timeout, u.Timespec(), 0)


def test_link_timeout(ring, pipe):
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_read(sqe, pipe[0], bytearray(1), 2**64 - 1)
    sqe.flags, sqe.user_data = u.IOSQE_IO_LINK, 1
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_link_timeout(sqe, u.timespec(0.01), 0)
    sqe.user_data = 2
    assert u.io_uring_submit_and_wait(ring, 2) == 2
    done = dict(finish(ring)[:2] for _ in range(2))
    assert done == {1: -errno.ECANCELED, 2: -errno.ETIME}


def test_cancel(ring, pipe):
    for tag in (1, 2, 2, 2):
        start(ring, u.io_uring_prep_poll_add, pipe[0], select.POLLIN, tag=tag)
    start(ring, u.io_uring_prep_cancel, 9, tag=3)
    assert finish(ring)[:2] == (3, -errno.ENOENT)
    # A tag that is an address in C may be negative.
    start(ring, u.io_uring_prep_cancel, -1, tag=3)
    assert finish(ring)[:2] == (3, -errno.ENOENT)
    start(ring, u.io_uring_prep_cancel64, 1, tag=3)
    assert {finish(ring)[:2] for _ in range(2)} == {(3, 0), (1, -errno.ECANCELED)}
    # All with the tag: their number.
    start(ring, u.io_uring_prep_cancel, 2, u.IORING_ASYNC_CANCEL_ALL, tag=3)
    done = sorted(finish(ring)[:2] for _ in range(4))
    assert done == [(2, -errno.ECANCELED)] * 3 + [(3, 3)]


def test_cancel_and_wait(ring, pipe):
    start(ring, u.io_uring_prep_poll_add, pipe[0], select.POLLIN, tag=2**63 + 5)
    reg = u.SyncCancelReg(addr=2**63 + 5)
    assert u.io_uring_register_sync_cancel(ring, reg) >= 0
    assert finish(ring)[:2] == (2**63 + 5, -errno.ECANCELED)
    with pytest.raises(FileNotFoundError):
        u.io_uring_register_sync_cancel(ring, reg)
    with pytest.raises(TypeError):
        u.io_uring_register_sync_cancel(ring, 5)


def test_polls(ring, pipe):
    read, write = pipe
    start(ring, u.io_uring_prep_poll_multishot, read, select.POLLIN, tag=1)
    for _ in range(2):
        os.write(write, b"x")
        tag, res, flags = finish(ring)
        assert tag == 1 and res & select.POLLIN and flags & u.IORING_CQE_F_MORE
        os.read(read, 1)
    start(
        ring, u.io_uring_prep_poll_update, 1, 11, select.POLLIN,
        u.IORING_POLL_UPDATE_USER_DATA | u.IORING_POLL_UPDATE_EVENTS | u.IORING_POLL_ADD_MULTI,
        tag=2,
    )
    assert finish(ring)[:2] == (2, 0)
    os.write(write, b"x")
    tag, res, flags = finish(ring)
    assert tag == 11 and flags & u.IORING_CQE_F_MORE
    start(ring, u.io_uring_prep_poll_remove, 1, tag=3)
    assert finish(ring)[:2] == (3, -errno.ENOENT)
    start(ring, u.io_uring_prep_poll_remove, 11, tag=3)
    done = dict(finish(ring)[:2] for _ in range(2))
    assert done == {3: 0, 11: -errno.ECANCELED}


def test_hidden_success(ring):
    start(ring, u.io_uring_prep_nop, flags=u.IOSQE_CQE_SKIP_SUCCESS, tag=1)
    start(ring, u.io_uring_prep_nop, tag=2)
    assert finish(ring)[0] == 2 and u.io_uring_cq_ready(ring) == 0


def test_messages_between_rings(ring):
    with made() as other:
        target = other.ring_fd
        assert run(ring, u.io_uring_prep_msg_ring, target, 42, 2**64 - 2) == 0
        assert finish(other) == (2**64 - 2, 42, 0)
        flags = u.IORING_MSG_RING_FLAGS_PASS
        prepare = u.io_uring_prep_msg_ring_cqe_flags
        assert run(ring, prepare, target, 1, 2, flags, 8) == 0
        assert finish(other) == (2, 1, 8)
        for table in (ring, other):
            u.io_uring_register_files_sparse(table, 4)
        fd = os.open("/dev/zero", os.O_RDONLY)
        u.io_uring_register_files_update(ring, u.FileIndex([fd]), 1)
        os.close(fd)
        assert run(ring, u.io_uring_prep_msg_ring_fd, target, 1, 2, 5) == 0
        assert finish(other)[0] == 5
        assert run(ring, u.io_uring_prep_msg_ring_fd_alloc, target, 1, 6) in (0, 1, 3)
        assert finish(other)[0] == 6
        buf = bytearray(b"\1")
        assert run(other, u.io_uring_prep_read, 2, buf, flags=u.IOSQE_FIXED_FILE) == 1
        assert buf == b"\0"
        # Without a ring of one's own.
        sqe = u.Sqe()
        u.io_uring_prep_msg_ring(sqe, target, 7, 8)
        try:
            assert u.io_uring_register_sync_msg(sqe) == 0
        except OSError as error:
            assert error.errno == errno.EINVAL
            pytest.skip("this kernel sends no messages without a ring (6.13)")
        assert finish(other)[:2] == (8, 7)
        u.io_uring_prep_nop(sqe)
        with pytest.raises(OSError):
            u.io_uring_register_sync_msg(sqe)


def test_epoll(ring, pipe):
    read, write = pipe
    with select.epoll() as epoll:
        event = u.EpollEvent(events=select.EPOLLIN, data=2**64 - 3)
        ctl = u.io_uring_prep_epoll_ctl
        assert run(ring, ctl, epoll.fileno(), read, EPOLL_CTL_ADD, event) == 0
        os.write(write, b"x")
        assert epoll.poll(0)
        needs("EPOLL_WAIT")
        found = u.EpollEvent(count=2)
        assert run(ring, u.io_uring_prep_epoll_wait, epoll.fileno(), found, 2) == 1
        assert (found.events, found.data) == (select.EPOLLIN, 2**64 - 3)
        assert len(found) == 2 and found[1].events == 0
        refused(ValueError, u.io_uring_prep_epoll_wait, epoll.fileno(), found, 3)
        refused(TypeError, ctl, epoll.fileno(), read, EPOLL_CTL_ADD, None)


def test_children(ring):
    needs("WAITID")
    child = os.fork()
    if child == 0:
        os._exit(9)
    info = u.SigsetT()
    options = os.WEXITED
    assert run(ring, u.io_uring_prep_waitid, os.P_PID, child, info, options) == 0
    assert (info.pid, info.status, info.signo) == (child, 9, signal.SIGCHLD)
    assert info.code == os.CLD_EXITED and info.uid == os.getuid()


def test_futexes(ring):
    needs("FUTEX_WAIT")
    futex = u.Futex()
    futex.state = 5
    with pytest.raises(BlockingIOError):
        run(ring, u.io_uring_prep_futex_wait, futex, 4, u.FUTEX_BITSET_MATCH_ANY)
    start(ring, u.io_uring_prep_futex_wait, futex, 5, u.FUTEX_BITSET_MATCH_ANY, tag=1)
    start(
        ring, u.io_uring_prep_futex_wake, futex, 1, u.FUTEX_BITSET_MATCH_ANY,
        u.FUTEX2_SIZE_U32, 0, tag=2,
    )
    assert dict(finish(ring)[:2] for _ in range(2)) == {1: 0, 2: 1}
    # Shared with a child, which wakes through a ring of its own.
    start(ring, u.io_uring_prep_futex_wait, futex, 5, u.FUTEX_BITSET_MATCH_ANY, tag=3)
    child = os.fork()
    if child == 0:
        with made() as own:
            futex.state = 6
            run(own, u.io_uring_prep_futex_wake, futex, 1, u.FUTEX_BITSET_MATCH_ANY)
        os._exit(0)
    assert finish(ring)[:2] == (3, 0) and futex.state == 6
    os.waitpid(child, 0)


def test_several_futexes(ring):
    needs("FUTEX_WAITV")
    words = u.Futex(3, u.FUTEX2_PRIVATE, True)
    assert words and len(words) == 3 and words.private and words[2].state == 0
    words[1].val = 1
    words[1].state = 1
    start(ring, u.io_uring_prep_futex_waitv, words, tag=1)
    second = u.Futex(1, u.FUTEX2_PRIVATE)
    second._words = words._words
    run(ring, u.io_uring_prep_futex_wake, words, 1, u.FUTEX_BITSET_MATCH_ANY, tag=2)
    assert finish(ring)[:2] in ((1, 0), (2, 1))
    refused(ValueError, u.io_uring_prep_futex_waitv, u.Futex(2))
    refused(TypeError, u.io_uring_prep_futex_wait, bytearray(4), 0, 1)
    for read in (lambda: u.Futex().val, lambda: u.FUTEX().state):
        with pytest.raises(MemoryError):
            read()
    for no in (0, 129):
        with pytest.raises(ValueError):
            u.Futex(no)


def nops(ring, *tags):
    for tag in tags:
        sqe = u.io_uring_get_sqe(ring)
        u.io_uring_prep_nop(sqe)
        u.io_uring_sqe_set_data(sqe, tag)


def test_ways_to_wait(ring):
    cqe = u.Cqe()
    assert not cqe
    for wait in (u.io_uring_wait_cqe_nr, u.io_uring_wait_cqes):
        with pytest.raises(BlockingIOError):
            wait(ring, cqe, 0)
    with pytest.raises(BlockingIOError):
        u.io_uring_peek_cqe(ring, cqe)
    with pytest.raises(OSError) as caught:
        u.io_uring_wait_cqes(ring, cqe, 1, u.timespec(0.01))
    assert caught.value.errno == errno.ETIME and not cqe
    nops(ring, 1, 2)
    assert u.io_uring_sq_ready(ring) == 2 and u.io_uring_sq_space_left(ring) == 6
    assert u.io_uring_submit_and_wait_timeout(ring, cqe, 2, u.timespec(1)) == 2
    assert [entry.user_data for entry in cqe] == [1, 2] and cqe
    assert u.io_uring_cq_ready(ring) == 2
    u.io_uring_cq_advance(ring, 99)
    assert u.io_uring_cq_ready(ring) == 0
    nops(ring, 3, 4, 5)
    assert u.io_uring_submit_and_get_events(ring) == 3
    assert u.io_uring_get_events(ring) == 0
    assert u.io_uring_peek_batch_cqe(ring, cqe, 2) == 2
    assert u.io_uring_cqe_get_data64(cqe[0]) == u.io_uring_cqe_get_data(cqe[0]) == 3
    walk = u.io_uring_cqe_iter_init(ring)
    seen = []
    while u.io_uring_cqe_iter_next(walk, cqe):
        seen.append(cqe[0].user_data)
    assert seen == [3, 4, 5]
    place = u.Cqe()
    found = [(count, place[0].user_data) for count in u.CqeIter(ring, place, 1)]
    assert found == [(1, 3), (2, 4), (3, 5)]
    u.io_uring_cq_advance(ring, 3)
    nops(ring, 0)
    u.io_uring_submit_and_wait(ring, 1)
    u.io_uring_wait_cqe(ring, cqe)
    with pytest.raises(ValueError):
        u.io_uring_cqe_get_data(cqe[0])
    assert u.io_uring_load_sq_head(ring) == 6
    assert u.io_uring_sqring_wait(ring) == 0


def test_least_waits(ring):
    nops(ring, 1)
    cqe = u.Cqe()
    try:
        count = u.io_uring_submit_and_wait_min_timeout(ring, cqe, 4, u.timespec(5), 1000)
    except OSError as error:
        assert error.errno == errno.EINVAL
        pytest.skip("this kernel has no least waits (6.12)")
    assert count == 1 and cqe[0].user_data == 1
    begin = time.monotonic()
    assert u.io_uring_wait_cqes_min_timeout(ring, cqe, 4, u.timespec(5), 1000) == 0
    assert time.monotonic() - begin < 4


def test_registered_waits():
    with made(4, u.IORING_SETUP_R_DISABLED) as ring:
        region = u.MemRegionReg(
            waits=[u.RegWait(ts=0.01), u.RegWait(ts=u.timespec(5))],
            flags=u.IORING_MEM_REGION_REG_WAIT_ARG,
        )
        with pytest.raises(OSError) as caught:
            u.io_uring_register_wait_reg(ring, u.RegWait(), 1)
        assert caught.value.errno == errno.EINVAL
        try:
            assert u.io_uring_register_region(ring, region) == 0
        except OSError as error:
            assert error.errno == errno.EINVAL
            pytest.skip("this kernel has no regions (6.13)")
        u.io_uring_enable_rings(ring)
        cqe = u.Cqe()
        with pytest.raises(OSError) as caught:
            u.io_uring_submit_and_wait_reg(ring, cqe, 1, 0)
        assert caught.value.errno == errno.ETIME
        nops(ring, 4)
        assert u.io_uring_submit_and_wait_reg(ring, cqe, 1, 1) == 1
        assert cqe[0].user_data == 4
        u.io_uring_cqe_seen(ring, cqe[0])
        with pytest.raises(OSError):
            u.io_uring_submit_and_wait_reg(ring, cqe, 2, 99999)


def test_a_signal_ends_a_wait(ring):
    def handler(*_):
        seen.append(1)

    seen = []
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptedError):
            u.io_uring_wait_cqe(ring, u.Cqe())
        assert seen
        # A mask holds the signal back until the time is over.
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        mask = u.SigsetT(signals=[signal.SIGALRM])
        assert signal.SIGALRM in mask
        with pytest.raises(OSError) as caught:
            u.io_uring_wait_cqes(ring, u.Cqe(), 1, u.timespec(0.2), mask)
        assert caught.value.errno == errno.ETIME
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_other_threads_run_while_one_waits(ring):
    one, two = socket.socketpair()
    with one, two:
        threading.Timer(0.05, two.send, (b"x",)).start()
        buf = bytearray(1)
        assert run(ring, u.io_uring_prep_recv, one.fileno(), buf) == 1


@pytest.mark.parametrize("back", [1, 2])
def test_completions_given_back_during_a_walk(ring, back):
    """Each is shown once, whatever was given back meanwhile."""
    nops(ring, 1, 2, 3, 4)
    u.io_uring_submit(ring)
    cqe = u.Cqe()
    found = []
    for index in u.CqeIter(ring, cqe, 10):
        found.append((index, cqe[0].user_data))
        if back == 1:
            u.io_uring_cqe_seen(ring, cqe[0])
        elif u.io_uring_cq_ready(ring) >= back:
            u.io_uring_cq_advance(ring, back)
    if back == 1:
        assert found == [(10, 1), (11, 2), (12, 3), (13, 4)]
    else:
        assert found == [(10, 1), (12, 3)]
    assert u.io_uring_cq_ready(ring) == 0
    nops(ring, 5, 6, 7)
    u.io_uring_submit(ring)
    walk = u.io_uring_cqe_iter_init(ring)
    # What comes later is for another walk.
    nops(ring, 8)
    u.io_uring_submit(ring)
    found = []
    while u.io_uring_cqe_iter_next(walk, cqe):
        found.append(cqe[0].user_data)
        u.io_uring_cqe_seen(ring, cqe[0])
    assert found == [5, 6, 7] and u.io_uring_cq_ready(ring) == 1
    assert not u.io_uring_cqe_iter_next(walk, cqe)
