//! The wait loop: results, entry pointers, errors, timeouts, old kernels.

mod common;

use std::ptr;

use anyring::abi::*;
use anyring::kernel::scripted::{Call, Enter, Features};
use anyring::submit::Waited;
use common::{Served, no_mask, soon};

fn without(feature: u32) -> Features {
    let mut features = Features::new();
    features.bits &= !feature;
    features
}

/// Result and whether an entry is there.
fn outcome(waited: Waited) -> (i32, bool) {
    (waited.result, !waited.cqe.is_null())
}

fn timed(served: &mut Served, wait_nr: u32) -> (i32, bool) {
    let time = soon();
    // SAFETY: the timeout lives until the call returns.
    let waited = unsafe { served.ring().wait_cqes(wait_nr, &raw const time, no_mask()) };
    outcome(waited.expect("a wait"))
}

fn submit_timed(served: &mut Served, wait_nr: u32) -> (i32, bool) {
    let time = soon();
    // SAFETY: the timeout lives until the call returns.
    let waited = unsafe {
        served
            .ring()
            .submit_and_wait_timeout(wait_nr, &raw const time, 0, no_mask())
    };
    outcome(waited.expect("a wait"))
}

#[test]
fn a_peek_makes_no_call() {
    let mut served = Served::new(Features::new(), 4, 0);
    assert_eq!(outcome(served.ring().peek_cqe()), (-libc::EAGAIN, false));
    served.nop(1);
    served.ring().submit();
    served.enters();
    assert_eq!(outcome(served.ring().peek_cqe()), (0, true));
    assert_eq!(outcome(served.ring().wait_cqe_nr(1)), (0, true));
    assert_eq!(served.enters(), []);
    served.exit();
}

#[test]
fn a_peek_of_an_iopoll_ring_enters_once() {
    let mut served = Served::new(Features::new(), 4, IORING_SETUP_IOPOLL);
    assert_eq!(outcome(served.ring().peek_cqe()), (-libc::EAGAIN, false));
    assert_eq!(served.enters(), [(0, 0, IORING_ENTER_GETEVENTS)]);
    served.exit();
    let flags = IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL;
    let mut served = Served::new(Features::new(), 4, flags);
    assert_eq!(outcome(served.ring().peek_cqe()), (-libc::EAGAIN, false));
    assert_eq!(served.enters(), []);
    served.exit();
}

#[test]
fn an_error_ends_the_wait_and_is_not_retried() {
    let mut served = Served::new(Features::new(), 4, 0);
    served.machine.script_enter(&[Enter::Fails(-libc::EINTR)]);
    assert_eq!(outcome(served.ring().wait_cqe_nr(1)), (-libc::EINTR, false));
    assert_eq!(served.enters().len(), 1);
    // Too few are there: the error and the first of them.
    served.nop(1);
    served.ring().submit();
    served.enters();
    served.machine.script_enter(&[Enter::Fails(-libc::EINTR)]);
    assert_eq!(outcome(served.ring().wait_cqe_nr(2)), (-libc::EINTR, true));
    assert_eq!(served.enters(), [(0, 2, IORING_ENTER_GETEVENTS)]);
    served.exit();
}

#[test]
fn an_entry_that_was_there_ends_the_wait_after_one_enter() {
    let mut served = Served::new(Features::new(), 8, 0);
    served.nop(1);
    served.ring().submit();
    served.nop(2);
    served.enters();
    // 0, not 1, although the second was submitted.
    assert_eq!(submit_timed(&mut served, 2), (0, true));
    assert_eq!(served.enters().len(), 1);
    assert_eq!(served.ring().cq_ready(), 2);
    served.exit();
}

#[test]
fn the_count_submitted_is_the_result() {
    let mut served = Served::new(Features::new(), 8, 0);
    for tag in 0..3 {
        served.nop(tag);
    }
    assert_eq!(submit_timed(&mut served, 3), (3, true));
    served.ring().cq_advance(3);
    // Submitted, nothing came back, time is up: the count and no entry.
    served.nop(1);
    served.machine.script_enter(&[Enter::Holds(1)]);
    assert_eq!(submit_timed(&mut served, 1), (1, false));
    let fd = served.raw.ring_fd;
    served.machine.release(fd);
    assert_eq!(served.take(), Some((1, 0)));
    served.exit();
}

#[test]
fn timeouts() {
    let mut served = Served::new(Features::new(), 8, 0);
    assert_eq!(timed(&mut served, 1), (-libc::ETIME, false));
    let calls = served.machine.calls();
    let flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    assert_eq!(calls, [Call::Enter(served.raw.ring_fd, 0, 1, flags, 24)]);
    // With a timeout nothing is waited for twice.
    served.machine.script_enter(&[Enter::Takes(0)]);
    served.nop(1);
    served.ring().submit();
    served.exit();
}

#[test]
fn a_published_rest_is_submitted_in_the_next_round() {
    let mut served = Served::new(Features::new(), 8, 0);
    for tag in 0..4 {
        served.nop(tag);
    }
    served
        .machine
        .script_enter(&[Enter::Takes(0), Enter::Takes(4)]);
    // SAFETY: no mask.
    let waited = unsafe {
        served
            .ring()
            .submit_and_wait_timeout(2, ptr::null(), 0, no_mask())
    };
    // The first enter took none and that is the result, but the wait went on.
    assert_eq!(outcome(waited.expect("a wait")), (0, true));
    assert_eq!(
        served.enters(),
        [
            (4, 2, IORING_ENTER_GETEVENTS),
            (4, 2, IORING_ENTER_GETEVENTS)
        ]
    );
    served.exit();
}

#[test]
fn minimum_waits_need_the_feature() {
    let time = soon();
    let mut old = Served::new(without(IORING_FEAT_MIN_TIMEOUT), 4, 0);
    old.nop(1);
    // SAFETY: the timeout lives until the calls return.
    unsafe {
        let ring = old.ring();
        let refused = Some(-libc::EINVAL);
        assert_eq!(
            ring.wait_cqes_min_timeout(1, &raw const time, 5, no_mask())
                .err(),
            refused
        );
        assert_eq!(
            ring.submit_and_wait_min_timeout(1, &raw const time, 5, no_mask())
                .err(),
            refused
        );
    }
    // Nothing was published, nothing entered.
    assert_eq!(old.raw.sq.sqe_head, 0);
    assert_eq!(old.enters(), []);
    old.exit();
    let mut new = Served::new(Features::new(), 4, 0);
    // SAFETY: NULL is no timeout, but the argument is extended all the same.
    let waited = unsafe {
        new.ring()
            .wait_cqes_min_timeout(1, ptr::null(), 5, no_mask())
    };
    assert!(waited.is_ok());
    assert_ne!(new.enters()[0].2 & IORING_ENTER_EXT_ARG, 0);
    new.exit();
}

#[test]
fn registered_waits() {
    let mut old = Served::new(without(IORING_FEAT_EXT_ARG), 4, 0);
    old.nop(1);
    assert_eq!(
        old.ring().submit_and_wait_reg(1, 0).err(),
        Some(-libc::EINVAL)
    );
    assert_eq!(old.raw.sq.sqe_head, 0);
    old.exit();
    let mut served = Served::new(Features::new(), 4, 0);
    let waited = served.ring().submit_and_wait_reg(1, 3).expect("a wait");
    assert_eq!(outcome(waited), (-libc::ETIME, false));
    let flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | IORING_ENTER_EXT_ARG_REG;
    assert_eq!(
        served.machine.calls(),
        [Call::Enter(served.raw.ring_fd, 0, 1, flags, 64)]
    );
    served.exit();
}

#[test]
fn old_kernels_wait_by_a_timeout_request() {
    let features = without(IORING_FEAT_EXT_ARG);
    let mut served = Served::new(features, 4, 0);
    // The timer's own request was submitted: 1, no entry, and nothing is left.
    assert_eq!(timed(&mut served, 1), (1, false));
    assert_eq!(served.ring().cq_ready(), 0);
    assert_eq!(
        served.machine.calls(),
        [Call::Enter(
            served.raw.ring_fd,
            1,
            1,
            IORING_ENTER_GETEVENTS,
            8
        )]
    );
    // Its fields.
    // SAFETY: the slot it was written to.
    let sqe = unsafe { *served.raw.sq.sqes };
    assert_eq!(u32::from(sqe.opcode), IORING_OP_TIMEOUT);
    assert_eq!((sqe.fd, sqe.off, sqe.len, sqe.op_flags), (-1, 1, 1, 0));
    assert_eq!(sqe.user_data, LIBURING_UDATA_TIMEOUT);
    // What was not published goes along, and comes back.
    served.nop(7);
    assert_eq!(timed(&mut served, 1), (2, true));
    assert_eq!(served.take(), Some((7, 0)));
    served.exit();
}

#[test]
fn old_kernels_make_room_for_the_timeout() {
    let mut served = Served::new(without(IORING_FEAT_EXT_ARG), 2, 0);
    served.nop(1);
    served.nop(2);
    assert!(submit_timed(&mut served, 1).1);
    served.exit();
    // Still full after a submit: -EAGAIN, and the entry pointer is left alone.
    let mut served = Served::new(without(IORING_FEAT_EXT_ARG), 2, 0);
    served.nop(1);
    served.nop(2);
    served.machine.script_enter(&[Enter::Takes(0)]);
    let time = soon();
    // SAFETY: the timeout lives until the call returns.
    let waited = unsafe { served.ring().wait_cqes(1, &raw const time, no_mask()) };
    assert_eq!(waited.err(), Some(-libc::EAGAIN));
    served.machine.script_enter(&[Enter::Fails(-libc::EBUSY)]);
    // SAFETY: as above.
    let waited = unsafe { served.ring().wait_cqes(1, &raw const time, no_mask()) };
    assert_eq!(waited.err(), Some(-libc::EBUSY));
    served.exit();
}

#[test]
fn filler_is_hidden() {
    let mut served = Served::new(Features::new(), 4, IORING_SETUP_CQE_MIXED);
    served.machine.script_results(&[
        (0, IORING_CQE_F_SKIP),
        (5, 0),
        (0, IORING_CQE_F_SKIP | IORING_CQE_F_32),
        (6, 0),
    ]);
    for tag in 0..4 {
        served.nop(tag);
    }
    served.ring().submit();
    assert_eq!(served.take(), Some((1, 5)));
    assert_eq!(served.take(), Some((3, 6)));
    assert_eq!(served.ring().cq_ready(), 0);
    served.exit();
}

#[test]
fn sqpoll_waits_without_submitting_itself() {
    let mut served = Served::new(Features::new(), 4, IORING_SETUP_SQPOLL);
    let fd = served.raw.ring_fd;
    served.nop(1);
    served.ring().submit();
    served.machine.run_sq_thread(fd);
    served.nop(2);
    served.enters();
    // One is ready: no enter, and the count submitted is not told.
    assert_eq!(submit_timed(&mut served, 1), (0, true));
    assert_eq!(served.enters(), []);
    served.exit();
}

#[test]
fn a_timeout_that_was_not_taken_stands_in_its_own_entry() {
    for flags in [0, IORING_SETUP_SQPOLL] {
        let mut served = Served::new(without(IORING_FEAT_EXT_ARG), 4, flags);
        served.machine.script_enter(&[Enter::Fails(-libc::EAGAIN)]);
        timed(&mut served, 1);
        // The kernel may take the entry any time after the caller's timeout is gone.
        let entries = served.raw.sq.sqes;
        // SAFETY: the first slot of the ring's memory.
        let entry = unsafe { entries.read() };
        assert_eq!(u32::from(entry.opcode), IORING_OP_TIMEOUT);
        assert_eq!(entry.addr, entries as u64 + 48);
        let time = soon();
        let copy = [entry.addr3, entry.__pad2[0]];
        assert_eq!(copy, [time.tv_sec as u64, time.tv_nsec as u64]);
        served.exit();
    }
}
