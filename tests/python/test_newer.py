"""Names of the C interface that the PyPI package lacks."""

import errno

import liburing as u
import pytest

from support import made, start


def test_versions():
    assert (u.io_uring_major_version(), u.io_uring_minor_version()) == (2, 15)
    assert not u.io_uring_check_version(2, 15) and u.io_uring_check_version(2, 16)
    assert not u.io_uring_check_version(-1, 0)
    with pytest.raises(TypeError):
        u.io_uring_check_version("2", 1)


def test_memory_size_is_what_a_ring_takes():
    size = u.io_uring_memory_size(64, 0)
    assert size >= 64 * 64 + 128 * 16
    wide = u.io_uring_memory_size(64, u.IORING_SETUP_SQE128 | u.IORING_SETUP_CQE32)
    assert wide >= 2 * size - 2 * 4096
    param = u.Param()
    param.flags, param.cq_entries = u.IORING_SETUP_CQSIZE, 4096
    assert u.io_uring_memory_size_params(64, param) >= 4096 * 16
    with pytest.raises(OSError) as caught:
        u.io_uring_memory_size(0, 0)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(TypeError):
        u.io_uring_memory_size_params(64, None)
    ring, param = u.Ring(), u.Param()
    try:
        used = u.io_uring_queue_init_mem(64, ring, param, None, size)
    except OSError as error:
        pytest.skip(f"no ring in memory of one's own here: {error}")
    assert 0 < used <= size
    u.io_uring_queue_exit(ring)


def test_shifts():
    assert u.io_uring_cqe_shift_from_flags(u.IORING_SETUP_CQE32) == 1
    assert u.io_uring_cqe_shift_from_flags(u.IORING_SETUP_SQE128) == 0
    with made() as ring:
        assert u.io_uring_cqe_shift(ring) == 0
        start(ring, u.io_uring_prep_nop)
        cqe = u.Cqe()
        u.io_uring_wait_cqe(ring, cqe)
        assert u.io_uring_cqe_nr(cqe) == u.io_uring_cqe_nr(cqe[0]) == 1
        with pytest.raises(TypeError):
            u.io_uring_cqe_nr(None)


def test_wide_entries():
    with made() as ring:
        assert u.io_uring_get_sqe128(ring) is None, "the ring has none"
    with made(4, u.IORING_SETUP_SQE128) as ring:
        entries = [u.io_uring_get_sqe128(ring) for _ in range(5)]
        assert entries[-1] is None and None not in entries[:-1]
        for tag, sqe in enumerate(entries[:-1]):
            u.io_uring_prep_nop(sqe)
            sqe.user_data = tag
        assert u.io_uring_submit_and_wait(ring, 4) == 4
    try:
        mixed = made(4, u.IORING_SETUP_SQE_MIXED)
        ring = mixed.__enter__()
    except OSError as error:
        print(f"no entries of two sizes on this kernel: {error}")
        return
    assert u.io_uring_get_sqe128(ring) is not None
    mixed.__exit__(None, None, None)


def test_initialize_keeps_the_tag():
    sqe = u.Sqe()
    u.io_uring_prep_nop(sqe)
    sqe.flags, sqe.user_data = u.IOSQE_IO_DRAIN, 9
    u.io_uring_initialize_sqe(sqe)
    assert (sqe.flags, sqe.ioprio, sqe.user_data) == (0, 0, 9)


def test_query():
    asked = u.QueryHdr(u.IO_URING_QUERY_OPCODES, u.QueryHdr(99))
    try:
        assert u.io_uring_register_query(asked) == 0
    except OSError as error:
        assert error.errno in (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EACCES)
        pytest.skip(f"this kernel answers no queries: {error}")
    assert asked.result == 0 and asked.size > 0
    found = asked.query_data
    assert isinstance(found, u.QueryOpcode) and found.nr_request_opcodes > 60
    assert found.ring_setup_flags & u.IORING_SETUP_DEFER_TASKRUN
    assert asked.next_entry.result < 0 and asked.next_entry.query_data is None
    for number, kind in ((u.IO_URING_QUERY_ZCRX, u.QueryZcrx), (u.IO_URING_QUERY_SCQ, u.QueryScq)):
        newer = u.QueryHdr(number)
        assert u.io_uring_register_query(newer) == 0
        assert newer.result < 0 or isinstance(newer.query_data, kind)


def test_query_misuse():
    ring = u.QueryHdr(0)
    ring.next_entry = ring
    with pytest.raises(ValueError):
        u.io_uring_register_query(ring)
    for wrong in (None, 0, "x"):
        with pytest.raises(TypeError):
            u.io_uring_register_query(wrong)
    with pytest.raises(TypeError):
        u.QueryHdr(0, 7)
    with pytest.raises(OverflowError):
        u.QueryHdr(-1)


def test_zero_copy_receive_control():
    with made() as ring:
        control = u.ZcrxCtrl(zcrx_id=3, op=u.ZCRX_CTRL_EXPORT)
        assert (control.zcrx_id, control.op, control.zcrx_fd) == (3, 1, 0)
        with pytest.raises(OSError) as caught:
            u.io_uring_register_zcrx_ctrl(ring, control)
        # No kernel known so far has it without a queue.
        assert caught.value.errno in (errno.EINVAL, errno.ENXIO, errno.EOPNOTSUPP, errno.EPERM)
        with pytest.raises(TypeError):
            u.io_uring_register_zcrx_ctrl(ring, None)


def test_names_with_underscores():
    with made() as one, made() as two:
        u.io_uring_register_buffers(one, u.Iovec([bytearray(4096)]))
        for call, numbers in (
            (getattr(u, "__io_uring_clone_buffers"), ()),
            (getattr(u, "__io_uring_clone_buffers_offset"), (0, 0, 0)),
        ):
            try:
                assert call(two, one, *numbers, 0) == 0
            except OSError as error:
                assert error.errno in (errno.EINVAL, errno.EBUSY)
                print(f"this kernel clones no buffers: {error}")
            else:
                u.io_uring_unregister_buffers(two)
        group = u.io_uring_setup_buf_ring(one, 4, 1, 0)
        u.io_uring_buf_ring_add(group, bytearray(64), 0, u.io_uring_buf_ring_mask(4), 0)
        start(one, u.io_uring_prep_nop)
        u.io_uring_wait_cqe(one, u.Cqe())
        getattr(u, "__io_uring_buf_ring_cq_advance")(one, group, 1, 1)
        assert u.io_uring_cq_ready(one) == 0
        assert u.io_uring_buf_ring_available(one, group, 1) == 1
        u.io_uring_free_buf_ring(one, group, 4, 1)


def test_advance_counts_what_nobody_looked_at():
    """As in C: what the kernel posted meanwhile is given back too."""
    with made() as ring:
        for tag in range(3):
            sqe = u.io_uring_get_sqe(ring)
            u.io_uring_prep_nop(sqe)
            sqe.user_data = tag
        u.io_uring_submit_and_wait(ring, 3)
        u.io_uring_cq_advance(ring, 3)
        assert u.io_uring_cq_ready(ring) == 0
