"""Making rings in other ways, registration, and raw calls."""

import errno
import os

import liburing as u
import pytest
from support import bare_setup, finish, made, needs, run, start


@pytest.fixture
def ring():
    with made() as ring:
        yield ring


def test_life_of_a_ring():
    ring = u.Ring()
    assert (ring.ring_fd, ring.enter_ring_fd, ring.features, ring.flags) == (0, 0, 0, 0)
    for use in (u.io_uring_queue_exit, u.io_uring_get_sqe, u.io_uring_submit):
        with pytest.raises(RuntimeError):
            use(ring)
    assert u.io_uring_queue_init(4, ring, u.IORING_SETUP_CLAMP) == 0
    assert ring.ring_fd == ring.enter_ring_fd > 2 and ring.features and ring.int_flags == 0
    assert ring.flags & u.IORING_SETUP_CLAMP
    with pytest.raises(RuntimeError):
        u.io_uring_queue_init(4, ring)
    assert u.io_uring_queue_exit(ring) is None
    with pytest.raises(RuntimeError):
        u.io_uring_queue_exit(ring)
    assert ring.ring_fd == 0 and u.io_uring_queue_init(4, ring) == 0
    assert run(ring, u.io_uring_prep_nop) == 0
    u.io_uring_queue_exit(ring)
    for entries, flags in ((0, 0), (4, 1 << 31), (1 << 20, 0)):
        with pytest.raises(OSError) as caught:
            u.io_uring_queue_init(entries, u.Ring(), flags)
        assert caught.value.errno == errno.EINVAL
    for entries in (-1, 2**32):
        with pytest.raises(OverflowError):
            u.io_uring_queue_init(entries, u.Ring())
    for entries in (1.5, None, "4"):
        with pytest.raises(TypeError):
            u.io_uring_queue_init(entries, u.Ring())


def test_parameters():
    param, ring = u.Param(), u.Ring()
    names = ("cq_entries", "features", "flags", "sq_entries")
    for name in (*names, "sq_thread_cpu", "sq_thread_idle", "wq_fd"):
        with pytest.raises(RuntimeError):
            getattr(param, name)
    param.flags = u.IORING_SETUP_CQSIZE
    param.cq_entries = 64
    assert u.io_uring_queue_init_params(4, ring, param) == 0
    assert (param.sq_entries, param.cq_entries) == (4, 64) and param.features == ring.features
    assert run(ring, u.io_uring_prep_nop) == 0
    u.io_uring_queue_exit(ring)
    with pytest.raises(TypeError):
        u.io_uring_queue_init_params(4, ring, None)


@pytest.mark.parametrize("old", [False, True])
def test_in_steps(old):
    param, ring = u.Param(), u.Ring()
    fd = bare_setup(8, param)
    order = (param, ring) if old else (ring, param)
    assert u.io_uring_queue_mmap(fd, *order) == 0 and ring.ring_fd == fd
    for tag in range(20):
        assert run(ring, u.io_uring_prep_nop, tag=tag) == 0
    u.io_uring_queue_exit(ring)
    with pytest.raises(OSError):
        os.fstat(fd)
    # Parameters of no ring, or of one that is mapped.
    for wrong in (param, u.Param()):
        with pytest.raises(ValueError):
            u.io_uring_queue_mmap(0, u.Ring(), wrong)


def test_sizes_come_from_the_kernel_only():
    param, ring = u.Param(), u.Ring()
    fd = bare_setup(1, param)
    param.sq_entries, param.cq_entries = 1 << 15, 1 << 16
    u.io_uring_queue_mmap(fd, ring, param)
    assert u.io_uring_sq_space_left(ring) == 1
    u.io_uring_queue_exit(ring)


def test_in_given_memory():
    param, ring = u.Param(), u.Ring()
    try:
        used = u.io_uring_queue_init_mem(8, ring, param, None, 1 << 16)
    except OSError as error:
        pytest.skip(f"this kernel makes no rings in given memory: {error}")
    assert 0 < used <= 1 << 16 and run(ring, u.io_uring_prep_nop) == 0
    u.io_uring_queue_exit(ring)
    with pytest.raises(OSError) as caught:
        u.io_uring_queue_init_mem(4096, ring, u.Param(), bytearray(4096), 4096)
    assert caught.value.errno == errno.ENOMEM
    with pytest.raises(ValueError):
        u.io_uring_queue_init_mem(8, ring, u.Param(), bytearray(4096), 8192)


def test_resize():
    flags = u.IORING_SETUP_SINGLE_ISSUER | u.IORING_SETUP_DEFER_TASKRUN
    with made(4, flags) as ring:
        param = u.Param()
        param.sq_entries, param.cq_entries = 16, 32
        param.flags = u.IORING_SETUP_CQSIZE
        try:
            assert u.io_uring_resize_rings(ring, param) == 0
        except OSError as error:
            assert error.errno == errno.EINVAL
            pytest.skip("this kernel resizes no rings (6.13)")
        assert u.io_uring_sq_space_left(ring) == 16
        for tag in range(40):
            assert run(ring, u.io_uring_prep_nop, tag=tag) == 0


def test_own_entries(ring):
    entries = u.Sqe(3)
    assert entries and len(entries) == 3 and isinstance(entries, u.SQE)
    for tag in range(3):
        u.io_uring_prep_nop(entries[tag])
        entries[tag].user_data = tag
    assert entries.user_data == 0 and entries[0] is entries
    for index in (3, -1):
        with pytest.raises(IndexError):
            entries[index]
    for _ in range(2):
        assert u.put_sqe(ring, entries) is True
    assert u.put_sqe(ring, entries) is False and u.io_uring_sq_ready(ring) == 6
    assert u.io_uring_submit(ring) == 6
    assert [finish(ring)[0] for _ in range(6)] == [0, 1, 2, 0, 1, 2]
    # The entry may go at once; what it holds stays.
    read, write = os.pipe()
    buf = bytearray(4)
    entry = u.Sqe()
    u.io_uring_prep_read(entry, read, buf, 2**64 - 1)
    assert u.put_sqe(ring, entry)
    del entry
    u.io_uring_submit(ring)
    with pytest.raises(BufferError):
        buf.clear()
    os.write(write, b"data")
    assert finish(ring)[1] == 4 and buf == b"data"
    os.close(read), os.close(write)
    with pytest.raises(RuntimeError):
        u.Sqe(0)
    with pytest.raises(TypeError):
        u.put_sqe(ring, u.io_uring_get_sqe(ring))


def test_objects_made_by_hand(ring):
    for use in (
        lambda: u.SQE().user_data, lambda: u.io_uring_prep_nop(u.SQE()),
        lambda: u.CQE().res, lambda: u.CQE().user_data, lambda: u.CQE().big_cqe,
    ):
        with pytest.raises(RuntimeError):
            use()
    with pytest.raises(IndexError):
        u.Cqe()[0]
    for make in (lambda: u.Cqe(1), u.Probe):
        with pytest.raises(NotImplementedError):
            make()


def test_registered_ring(ring):
    assert u.io_uring_register_ring_fd(ring) == 1
    assert ring.enter_ring_fd != ring.ring_fd or ring.int_flags
    assert run(ring, u.io_uring_prep_nop) == 0
    assert u.io_uring_unregister_ring_fd(ring) == 1
    with pytest.raises(OSError):
        u.io_uring_unregister_ring_fd(ring)
    with pytest.raises(OSError):
        u.io_uring_close_ring_fd(ring)
    u.io_uring_register_ring_fd(ring)
    try:
        assert u.io_uring_close_ring_fd(ring) == 1
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
        pytest.skip("this kernel needs the descriptor (6.3)")
    assert run(ring, u.io_uring_prep_nop) == 0 and ring.ring_fd == -1


def test_tags(ring):
    fds = [os.open(os.devnull, os.O_RDWR) for _ in range(2)]
    files = u.FileIndex(fds)
    assert u.io_uring_register_files_tags(ring, files, [11, 12]) == 0
    assert u.io_uring_register_files_update_tag(ring, u.FileIndex(fds[:1]), [13], 1) == 1
    assert finish(ring)[0] == 12
    assert u.io_uring_register_files_update_tag(ring, 0, u.FileIndex(fds[:1]), 14, 1) == 1
    assert finish(ring)[0] == 11
    u.io_uring_unregister_files(ring)
    assert {finish(ring)[0] for _ in range(2)} == {13, 14}
    assert u.io_uring_register_files_tags(ring, files, 0) == 0
    for fd in fds:
        os.close(fd)
    with pytest.raises(ValueError):
        u.io_uring_register_files_tags(ring, files, [1])
    parts = [bytearray(8), bytearray(8)]
    assert u.io_uring_register_buffers(ring, u.Iovec(parts), [21, 22]) == 0
    assert u.io_uring_register_buffers_update_tag(ring, u.Iovec(parts[:1]), [23], 1) == 1
    assert finish(ring)[0] == 22
    u.io_uring_unregister_buffers(ring)
    assert {finish(ring)[0] for _ in range(2)} == {21, 23}


def test_cloned_buffers(ring):
    memory = bytearray(b"shared..")
    u.io_uring_register_buffers(ring, u.Iovec([memory]))
    read, write = os.pipe()
    with made() as other:
        try:
            assert u.io_uring_clone_buffers(other, ring) == 0
        except OSError as error:
            assert error.errno == errno.EINVAL
            pytest.skip("this kernel clones no buffers (6.12)")
        u.io_uring_queue_exit(ring)
        # The other ring's are the same, and kept.
        with pytest.raises(BufferError):
            memory.append(0)
        assert run(other, u.io_uring_prep_write_fixed, write, memory, 0) == 8
        assert os.read(read, 9) == b"shared.."
        flags = u.IORING_REGISTER_DST_REPLACE
        assert u.io_uring_clone_buffers_offset(other, other, 0, 0, 1, flags) == 0
        with pytest.raises(OSError):
            u.io_uring_clone_buffers_offset(other, other, 0, 9, 1, flags)
    memory.append(0)
    os.close(read), os.close(write)


def test_restrictions():
    with made(4, u.IORING_SETUP_R_DISABLED) as ring:
        rules = [(u.IORING_RESTRICTION_SQE_OP, u.io_uring_op.IORING_OP_NOP)]
        allowed = u.Restriction(rules=rules)
        assert len(allowed) == 1 and u.io_uring_register_restrictions(ring, allowed) == 0
        u.io_uring_enable_rings(ring)
        assert run(ring, u.io_uring_prep_nop) == 0
        with pytest.raises(PermissionError):
            run(ring, u.io_uring_prep_fsync, 0)
        with pytest.raises(OSError):
            u.io_uring_register_restrictions(ring, allowed)


def answers(call, *args):
    """A call that this machine may lack: 0, or an error that says so."""
    try:
        assert call(*args) == 0
    except OSError as error:
        assert error.errno in (
            errno.EINVAL, errno.EPERM, errno.EFAULT, errno.EOPNOTSUPP, errno.ENODEV,
        )
        print(f"{call.__name__}: {error}")


def test_clocks_and_polling(ring):
    answers(u.io_uring_register_clock, ring, u.ClockRegister(clockid=1))
    napi = u.Napi(busy_poll_to=50, prefer_busy_poll=1)
    answers(u.io_uring_register_napi, ring, napi)
    answers(u.io_uring_unregister_napi, ring, napi)
    for call in (u.io_uring_register_clock, u.io_uring_register_napi):
        with pytest.raises(TypeError):
            call(ring, bytearray(16))


def test_devices_and_filters(ring):
    with pytest.raises(OSError):
        u.io_uring_register_ifq(ring, u.ZcrxIfqReg(if_idx=1, rq_entries=8))
    bpf = u.Bpf(opcode=0, filters=[(6, 0, 0, 0)])
    for call in (
        lambda: u.io_uring_register_bpf_filter(ring, bpf),
        lambda: u.io_uring_register_bpf_filter_task(u.Bpf(opcode=200)),
    ):
        try:
            call()
        except OSError as error:
            assert error.errno in (errno.EINVAL, errno.EPERM, errno.EACCES, errno.EFAULT)


def test_workers(ring):
    values = [4, 8]
    assert u.io_uring_register_iowq_max_workers(ring, values) == 0
    assert values != [4, 8] and u.io_uring_register_iowq_max_workers(ring, values) == 0
    assert values == [4, 8]
    assert u.io_uring_register_iowq_aff(ring, 8, os.sched_getaffinity(0)) == 0
    assert u.io_uring_unregister_iowq_aff(ring) == 0


def test_raw_calls(ring):
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_nop(sqe)
    # Nothing is shown to the kernel before it is submitted.
    assert u.io_uring_enter(ring.ring_fd, 1, 0, 0, u.SigsetT()) == 0
    assert u.io_uring_submit(ring) == 1 and finish(ring)[1] == 0
    assert u.io_uring_enter2(ring.ring_fd, 0, 0, u.IORING_ENTER_GETEVENTS, None, 8) == 0
    with pytest.raises(OSError) as caught:
        u.io_uring_enter2(ring.ring_fd, 0, 1, 1 << 30, None, 0)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(OSError) as caught:
        u.io_uring_enter(2**31 - 1, 0, 0, 0, u.SigsetT())
    assert caught.value.errno == errno.EBADF
    number = u.io_uring_register(ring.ring_fd, u.IORING_REGISTER_PERSONALITY, None, 0)
    assert number > 0
    with pytest.raises(OSError):
        u.io_uring_register(ring.ring_fd, u.IORING_REGISTER_BUFFERS, None, 1)
    with pytest.raises(TypeError):
        u.io_uring_register(ring.ring_fd, u.IORING_REGISTER_BUFFERS, bytearray(16), 1)


def test_dontfork(ring):
    assert u.io_uring_ring_dontfork(ring) == 0
    child = os.fork()
    if child == 0:
        try:
            u.io_uring_get_sqe(ring)
        except RuntimeError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0 and run(ring, u.io_uring_prep_nop) == 0


def test_probes(ring):
    probe = u.io_uring_get_probe_ring(ring)
    assert u.io_uring_register_probe(ring, probe, 3) == 0
    assert u.io_uring_opcode_supported(probe, 2) and not u.io_uring_opcode_supported(probe, 3)
    found = u.probe()
    assert len(found) == 65 and list(found)[0] == "IORING_OP_NOP" and found["IORING_OP_READ"]


def test_texts():
    place = u.Sockaddr(u.AF_INET, "127.0.0.1", 80)
    assert repr(place) == "Sockaddr(2, ('127.0.0.1', 80))" and repr(u.Sockaddr()) == "Sockaddr()"
    assert repr(u.Statx()) == "Statx()" and repr(u.Iovec([b"x"])) == "Iovec([b'x'])"
    assert repr(u.OpenHow(1, mode=2)) == "OpenHow(flags=1, mode=2, resolve=0)"


def test_shifts(ring):
    assert u.io_uring_sqe_shift(ring) == 0
    assert u.io_uring_sqe_shift_from_flags(u.IORING_SETUP_SQE128) == 1


def test_trap_error():
    assert u.trap_error(5) == 5 and u.trap_error(0) == 0
    with pytest.raises(FileNotFoundError) as caught:
        u.trap_error(-errno.ENOENT)
    assert caught.value.filename is None
    with pytest.raises(OverflowError):
        u.trap_error(2**31)


def test_numbers():
    """Integers only: no float, None, __index__."""
    class Index:
        def __index__(self):
            return 1

    sqe = u.Sqe()
    for wrong in (1.0, None, "1", Index()):
        for prepare in (u.io_uring_prep_close, u.io_uring_prep_fsync, u.io_uring_sqe_set_data64):
            with pytest.raises(TypeError):
                prepare(sqe, wrong)
        with pytest.raises(TypeError):
            sqe.user_data = wrong
    for value in (-1, 2**64):
        with pytest.raises(OverflowError):
            sqe.user_data = value
        with pytest.raises(OverflowError):
            sqe.flags = value
    with pytest.raises(OverflowError):
        u.io_uring_prep_close(sqe, 2**31)
    u.io_uring_prep_close(sqe, True)
    assert sqe.fd == 1
    u.io_uring_sqe_set_flags(sqe, 0x1FF)
    assert sqe.flags == 255
    for call, count in ((u.io_uring_prep_nop, 2), (u.io_uring_cqe_seen, 1), (u.io_uring_submit, 0)):
        with pytest.raises(TypeError):
            call(*[sqe] * count)
