"""Entries and completions that are handed out again: never while a program
holds them, and as new."""

import os

import pytest

import liburing as u


@pytest.fixture
def ring():
    ring = u.Ring()
    u.io_uring_queue_init(64, ring)
    yield ring
    u.io_uring_queue_exit(ring)


def nop(ring, user_data):
    sqe = u.io_uring_get_sqe(ring)
    u.io_uring_prep_nop(sqe)
    sqe.user_data = user_data
    return sqe


def take(ring, cqe):
    u.io_uring_wait_cqe(ring, cqe)
    entry = cqe[0]
    user_data = entry.user_data
    u.io_uring_cqe_seen(ring, entry)
    return user_data


def test_held_entries_stay_spent(ring):
    cqe, held = u.Cqe(), []
    for turn in range(40):
        sqe = nop(ring, turn)
        assert all(sqe is not other for other in held)
        u.io_uring_submit(ring)
        if turn % 3:
            held.append(sqe)
        assert take(ring, cqe) == turn
    for number, sqe in enumerate(held):
        with pytest.raises(RuntimeError):
            u.io_uring_prep_nop(sqe)
        with pytest.raises(RuntimeError):
            sqe.user_data = number


def test_an_entry_comes_back_as_new(ring):
    cqe = u.Cqe()
    for _ in range(5):
        sqe = u.io_uring_get_sqe(ring)
        assert (sqe.user_data, sqe.flags, sqe.fd, sqe.opcode, sqe.len) == (0, 0, 0, 0, 0)
        u.io_uring_prep_nop(sqe)
        sqe.user_data, sqe.flags = 7, u.IOSQE_ASYNC
        u.io_uring_submit(ring)
        assert take(ring, cqe) == 7


def test_held_completions_do_not_change(ring):
    cqe, held = u.Cqe(), []
    for turn in range(30):
        nop(ring, turn)
        u.io_uring_submit(ring)
        u.io_uring_wait_cqe(ring, cqe)
        held.append(cqe[0])
        u.io_uring_cqe_seen(ring, held[-1])
    assert [entry.user_data for entry in held] == list(range(30))


def test_many_at_once_come_in_order():
    ring, cqe = u.Ring(), u.Cqe()
    u.io_uring_queue_init(1024, ring)
    for _ in range(3):
        for number in range(1024):
            nop(ring, number)
        assert u.io_uring_get_sqe(ring) is None
        assert u.io_uring_submit(ring) == 1024
        assert [take(ring, cqe) for _ in range(1024)] == list(range(1024))
    u.io_uring_queue_exit(ring)


def test_reads_with_and_without_keywords(ring, tmp_path):
    path, cqe = tmp_path / "data", u.Cqe()
    path.write_bytes(b"0123456789")
    fd = os.open(path, os.O_RDWR)

    def transfer(prepare, buffer, *arguments, **keywords):
        sqe = u.io_uring_get_sqe(ring)
        prepare(sqe, fd, buffer, *arguments, **keywords)
        u.io_uring_submit(ring)
        u.io_uring_wait_cqe(ring, cqe)
        result = cqe[0].res
        u.io_uring_cqe_seen(ring, cqe[0])
        return result

    read, write = u.io_uring_prep_read, u.io_uring_prep_write
    for arguments, keywords, wanted in (
        ((), {}, b"01234567"),
        ((3,), {}, b"3456789"),
        ((), {"offset": 4}, b"456789"),
        ((2, 5), {}, b"56"),
        ((6,), {"nbytes": 1}, b"6"),
    ):
        buffer = bytearray(8)
        count = transfer(read, buffer, *arguments, **keywords)
        assert bytes(buffer[:count]) == wanted
    assert transfer(write, b"ab", 2) == transfer(write, b"cd", offset=4) == 2
    assert path.read_bytes() == b"01abcd6789"

    sqe = u.io_uring_get_sqe(ring)
    for wrong, error in (
        ((sqe, fd), TypeError),
        ((sqe, 2**31, bytearray(1)), OverflowError),
        ((sqe, fd, bytearray(1), -1), OverflowError),
        ((sqe, fd, bytearray(1), 1.0), TypeError),
        ((sqe, fd, b"read-only"), TypeError),
        ((None, fd, bytearray(1)), TypeError),
    ):
        with pytest.raises(error):
            read(*wrong)
    with pytest.raises(TypeError):
        read(sqe, fd, bytearray(1), 0, offset=1)
    os.close(fd)


@pytest.mark.parametrize(
    ("files", "buffer", "offsets", "size", "wanted"),
    [
        (1, 64, None, 16, (4, 16)),
        (1, 64, range(0, 24, 8), None, (3, 21)),
        (1, 64, range(0, 24, 8), 8, (3, 8)),
        ([1, 1], 64, 8, None, (2, 32)),
        ((1, 1, 1), 64, [0, 8], None, (2, 32)),
        (1, [8, 8, 8], None, None, (3, 0)),
        ([1, 1], (8, 8, 8), [0, 1, 2], None, (2, 0)),
        (1, 64, [], 8, (0, 8)),
        (1, 8, [0, 1], 8, ValueError),
        (1, 64, None, None, TypeError),
        ([1], [8, 8], [0, 1], 8, ValueError),
    ],
)
def test_how_many_a_batch_has(tmp_path, files, buffer, offsets, size, wanted):
    path = tmp_path / "data"
    path.write_bytes(bytes(100))
    fd = os.open(path, os.O_RDONLY)
    fds = fd if files == 1 else type(files)(fd for _ in files)
    memory = bytearray(buffer) if isinstance(buffer, int) else type(buffer)(map(bytearray, buffer))
    with u.Ring(8) as ring:
        if isinstance(wanted, type):
            with pytest.raises(wanted):
                ring.read_batch(fds, memory, offsets, size)
        else:
            batch = ring.read_batch(fds, memory, offsets, size).wait()
            assert (len(batch), batch.size) == wanted and not batch.errors()
    os.close(fd)
