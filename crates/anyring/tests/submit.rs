//! Submitting: what is entered, with which flags, and what an error leaves.

mod common;

use anyring::abi::*;
use anyring::kernel::scripted::{Enter, Features};
use common::Served;

#[test]
fn nothing_to_do_is_no_call() {
    let mut served = Served::new(Features::new(), 8, 0);
    assert_eq!(served.ring().submit(), 0);
    assert_eq!(served.ring().submit_and_wait(0), 0);
    assert_eq!(served.enters(), []);
    assert_eq!(served.ring().submit_and_get_events(), 0);
    assert_eq!(served.ring().get_events(), 0);
    assert_eq!(served.enters(), [(0, 0, IORING_ENTER_GETEVENTS); 2]);
    served.exit();
}

#[test]
fn a_short_submit_is_continued() {
    let mut served = Served::new(Features::new(), 8, 0);
    for tag in 0..5 {
        served.nop(tag);
    }
    served.machine.script_enter(&[Enter::Takes(2)]);
    assert_eq!(served.ring().submit(), 2);
    assert_eq!(served.ring().sq_ready(), 3);
    served.nop(5);
    assert_eq!(served.ring().submit(), 4);
    assert_eq!(served.enters(), [(5, 0, 0), (4, 0, 0)]);
    for tag in 0..6 {
        assert_eq!(served.take(), Some((tag, 0)));
    }
    served.exit();
}

#[test]
fn an_error_loses_nothing() {
    for error in [
        libc::EAGAIN,
        libc::EBUSY,
        libc::EINTR,
        libc::ENOMEM,
        libc::EBADR,
    ] {
        let mut served = Served::new(Features::new(), 4, 0);
        for tag in 0..4 {
            served.nop(tag);
        }
        served.machine.script_enter(&[Enter::Fails(-error)]);
        assert_eq!(served.ring().submit(), -error);
        assert!(served.ring().get_sqe().is_none());
        assert_eq!(served.ring().submit(), 4);
        for tag in 0..4 {
            assert_eq!(served.take(), Some((tag, 0)));
        }
        served.exit();
    }
}

#[test]
fn indices_wrap() {
    let mut served = Served::new(Features::new(), 4, 0);
    for start in [u32::MAX - 1, u32::MAX, 0] {
        served.raw.sq.sqe_head = start;
        served.raw.sq.sqe_tail = start;
        // SAFETY: words of the ring.
        unsafe {
            *served.raw.sq.khead = start;
            *served.raw.sq.ktail = start;
            *served.raw.cq.khead = start;
            *served.raw.cq.ktail = start;
        }
        for tag in 0..4 {
            served.nop(tag);
        }
        assert!(served.ring().get_sqe().is_none());
        assert_eq!(served.ring().submit(), 4);
        assert_eq!(served.ring().cq_ready(), 4);
        for tag in 0..4 {
            assert_eq!(served.take(), Some((tag, 0)));
        }
    }
    served.exit();
}

#[test]
fn waiting_always_enters() {
    let mut served = Served::new(Features::new(), 4, 0);
    served.nop(1);
    assert_eq!(served.ring().submit(), 1);
    served.enters();
    assert_eq!(served.ring().submit_and_wait(1), 0);
    assert_eq!(served.enters(), [(0, 1, IORING_ENTER_GETEVENTS)]);
    served.exit();
}

#[test]
fn pending_work_makes_it_enter() {
    for flag in [IORING_SQ_CQ_OVERFLOW, IORING_SQ_TASKRUN] {
        let mut served = Served::new(Features::new(), 4, 0);
        let fd = served.raw.ring_fd;
        served.machine.set_sq_flags(fd, flag);
        assert_eq!(served.ring().submit(), 0);
        assert_eq!(served.enters(), [(0, 0, IORING_ENTER_GETEVENTS)]);
        served.exit();
    }
    // IOPOLL: always; together with SQPOLL: not.
    let mut served = Served::new(Features::new(), 4, IORING_SETUP_IOPOLL);
    assert_eq!(served.ring().submit(), 0);
    assert_eq!(served.enters().len(), 1);
    served.exit();
    let flags = IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL;
    let mut served = Served::new(Features::new(), 4, flags);
    assert_eq!(served.ring().submit(), 0);
    assert_eq!(served.enters(), []);
    served.exit();
    // DEFER_TASKRUN alone changes nothing.
    let flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    let mut served = Served::new(Features::new(), 4, flags);
    served.nop(1);
    assert_eq!(served.ring().submit(), 1);
    assert_eq!(served.enters(), [(1, 0, 0)]);
    served.exit();
}

#[test]
fn sqpoll_is_entered_to_wake_it() {
    let mut served = Served::new(Features::new(), 4, IORING_SETUP_SQPOLL);
    let fd = served.raw.ring_fd;
    // Asleep, but there is nothing to do.
    served.machine.set_sq_flags(fd, IORING_SQ_NEED_WAKEUP);
    assert_eq!(served.ring().submit(), 0);
    assert_eq!(served.enters(), []);
    served.nop(1);
    assert_eq!(served.ring().submit(), 1);
    assert_eq!(served.enters(), [(1, 0, IORING_ENTER_SQ_WAKEUP)]);
    // Awake: no call, and the same number until the thread has taken it.
    assert_eq!(served.ring().submit(), 1);
    served.nop(2);
    assert_eq!(served.ring().submit(), 2);
    assert_eq!(served.enters(), []);
    served.machine.run_sq_thread(fd);
    assert_eq!(served.ring().submit(), 0);
    assert_eq!(served.take(), Some((1, 0)));
    assert_eq!(served.take(), Some((2, 0)));
    // A full queue can be waited for, one with room needs no call.
    assert_eq!(served.ring().sqring_wait(), 0);
    assert_eq!(served.enters(), []);
    for tag in 0..4 {
        served.nop(tag);
    }
    assert_eq!(served.ring().submit(), 4);
    served.ring().sqring_wait();
    assert_eq!(served.enters(), [(0, 0, IORING_ENTER_SQ_WAIT)]);
    served.exit();
}

#[test]
fn rewind_starts_at_slot_zero() {
    let features = Features::new().with_refused(0);
    let mut served = Served::new(features, 4, IORING_SETUP_SQ_REWIND);
    for _ in 0..3 {
        served.nop(1);
        served.nop(2);
        assert_eq!(served.raw.sq.sqe_tail, 2);
        served.ring().submit();
        assert_eq!(served.enters(), [(2, 0, 0)]);
        assert_eq!(served.raw.sq.sqe_tail, 0);
        assert_eq!(served.raw.sq.sqe_head, 0);
        // SAFETY: a word of the ring; it is never written in this mode.
        assert_eq!(unsafe { *served.raw.sq.ktail }, 0);
        // SAFETY: what the machine moved.
        unsafe { *served.raw.sq.khead = 0 };
    }
    served.exit();
}

#[test]
fn overflow_with_and_without_nodrop() {
    for nodrop in [true, false] {
        let mut features = Features::new();
        if !nodrop {
            features.bits &= !IORING_FEAT_NODROP;
        }
        let mut p = anyring::ring::setup::params(IORING_SETUP_CQSIZE);
        p.cq_entries = 4;
        let mut served = Served::with(features, 4, p);
        for round in 0..3 {
            for tag in 0..4 {
                served.nop(4 * round + tag);
            }
            served.ring().submit();
        }
        assert_eq!(served.ring().cq_has_overflow(), nodrop);
        // SAFETY: a word of the ring.
        let dropped = unsafe { *served.raw.cq.koverflow };
        let mut seen = Vec::new();
        let mut batch = [std::ptr::null_mut(); 8];
        loop {
            // SAFETY: room for eight pointers.
            let count = unsafe { served.ring().peek_batch(batch.as_mut_ptr(), 8) };
            if count == 0 {
                break;
            }
            for cqe in &batch[..count as usize] {
                // SAFETY: ready entries.
                seen.push(unsafe { (**cqe).user_data });
            }
            served.ring().cq_advance(count);
        }
        if nodrop {
            assert_eq!(dropped, 0);
            assert_eq!(seen, (0..12).collect::<Vec<u64>>());
        } else {
            assert_eq!(dropped, 8);
            assert_eq!(seen, (0..4).collect::<Vec<u64>>());
        }
        served.exit();
    }
}

#[test]
fn iowait_and_registered_fd_are_in_every_enter() {
    let mut served = Served::new(Features::new(), 4, 0);
    assert_eq!(served.ring().set_iowait(false), 0);
    assert_eq!(served.ring().register_ring_fd(), 1);
    let always = IORING_ENTER_NO_IOWAIT | IORING_ENTER_REGISTERED_RING;
    served.nop(1);
    served.ring().submit();
    served.ring().get_events();
    served.ring().sqring_wait_always();
    assert_eq!(
        served.enters(),
        [
            (1, 0, always),
            (0, 0, always | IORING_ENTER_GETEVENTS),
            (0, 0, always | IORING_ENTER_SQ_WAIT)
        ]
    );
    assert_eq!(served.ring().set_iowait(true), 0);
    served.nop(1);
    served.ring().submit();
    assert_eq!(served.enters(), [(1, 0, IORING_ENTER_REGISTERED_RING)]);
    served.exit();
    let mut features = Features::new();
    features.bits &= !IORING_FEAT_NO_IOWAIT;
    let mut old = Served::new(features, 4, 0);
    assert_eq!(old.ring().set_iowait(false), -libc::EOPNOTSUPP);
    old.exit();
}
