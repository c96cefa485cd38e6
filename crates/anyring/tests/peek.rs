//! Looking at completions: batches, walks, filler, 32-byte entries, the library's
//! own timeouts, the eventfd switch.

mod common;

use std::ptr;

use anyring::abi::*;
use anyring::kernel::scripted::Features;
use anyring::ring::cq::cqe_iter_next;
use common::Served;

/// Lets `count` nops complete, tagged from 0.
fn complete(served: &mut Served, count: u64) {
    for tag in 0..count {
        served.nop(tag);
    }
    served.ring().submit();
    served.machine.calls();
}

/// The tags of a batch of at most `count`.
fn batch(served: &mut Served, count: u32) -> Vec<u64> {
    let mut found = [ptr::null_mut(); 16];
    // SAFETY: room for 16 pointers.
    let number = unsafe { served.ring().peek_batch(found.as_mut_ptr(), count) };
    found[..number as usize]
        .iter()
        // SAFETY: ready entries.
        .map(|cqe: &*mut io_uring_cqe| unsafe { (**cqe).user_data })
        .collect()
}

#[test]
fn a_batch_consumes_nothing() {
    let mut served = Served::new(Features::new(), 4, 0);
    assert_eq!(batch(&mut served, 4), []);
    complete(&mut served, 4);
    assert_eq!(batch(&mut served, 0), []);
    assert_eq!(batch(&mut served, 3), [0, 1, 2]);
    assert_eq!(batch(&mut served, 16), [0, 1, 2, 3]);
    assert_eq!(served.ring().cq_ready(), 4);
    served.ring().cq_advance(0);
    assert_eq!(served.ring().cq_ready(), 4);
    served.ring().cq_advance(3);
    assert_eq!(batch(&mut served, 16), [3]);
    // None of it entered the kernel.
    assert_eq!(served.enters(), []);
    served.exit();
}

#[test]
fn an_empty_batch_fetches_what_overflowed() {
    let mut served = Served::new(Features::new(), 2, 0);
    for round in 0..3 {
        served.nop(2 * round);
        served.nop(2 * round + 1);
        served.ring().submit();
    }
    assert!(served.ring().cq_has_overflow());
    served.machine.calls();
    // With entries there the overflow waits.
    assert_eq!(batch(&mut served, 16), [0, 1, 2, 3]);
    assert_eq!(served.enters(), []);
    served.ring().cq_advance(4);
    assert_eq!(batch(&mut served, 16), [4, 5]);
    assert_eq!(served.enters(), [(0, 0, IORING_ENTER_GETEVENTS)]);
    served.exit();
}

#[test]
fn a_batch_of_none_fetches_what_overflowed() {
    let mut served = Served::new(Features::new(), 2, 0);
    assert_eq!(batch(&mut served, 0), []);
    for round in 0..3 {
        served.nop(2 * round);
        served.nop(2 * round + 1);
        served.ring().submit();
    }
    served.machine.calls();
    // With entries there the overflow waits.
    served.ring().cq_advance(3);
    assert_eq!(batch(&mut served, 0), []);
    assert_eq!(served.enters(), []);
    served.ring().cq_advance(1);
    assert_eq!(batch(&mut served, 0), []);
    assert_eq!(served.enters(), [(0, 0, IORING_ENTER_GETEVENTS)]);
    assert_eq!(batch(&mut served, 16), [4, 5]);
    assert_eq!(served.enters(), []);
    served.exit();
}

#[test]
fn an_empty_batch_of_an_iopoll_ring_does_not_enter() {
    let mut served = Served::new(Features::new(), 4, IORING_SETUP_IOPOLL);
    assert_eq!(batch(&mut served, 4), []);
    assert_eq!(served.enters(), []);
    // Task work does.
    let fd = served.raw.ring_fd;
    served.machine.set_sq_flags(fd, IORING_SQ_TASKRUN);
    assert_eq!(batch(&mut served, 4), []);
    assert_eq!(served.enters(), [(0, 0, IORING_ENTER_GETEVENTS)]);
    served.exit();
}

#[test]
fn filler_leads_or_ends_a_batch_of_mixed_entries() {
    let mut served = Served::new(Features::new(), 8, IORING_SETUP_CQE_MIXED);
    served.machine.script_results(&[
        (0, IORING_CQE_F_SKIP),
        (0, IORING_CQE_F_SKIP | IORING_CQE_F_32),
        (5, IORING_CQE_F_32),
        (6, 0),
        (0, IORING_CQE_F_SKIP),
        (7, 0),
    ]);
    complete(&mut served, 6);
    assert_eq!(served.ring().cq_ready(), 8);
    assert_eq!(batch(&mut served, 16), [2, 3]);
    // The filler in front is gone, nothing else.
    assert_eq!(served.ring().cq_ready(), 5);
    // Slots given back count two for the large entry.
    served.ring().cq_advance(3);
    assert_eq!(batch(&mut served, 16), [5]);
    assert_eq!(served.ring().cq_ready(), 1);
    served.exit();
}

#[test]
fn other_rings_do_not_look_for_filler_in_a_batch() {
    let mut served = Served::new(Features::new(), 4, 0);
    served
        .machine
        .script_results(&[(1, IORING_CQE_F_SKIP), (2, 0)]);
    complete(&mut served, 2);
    assert_eq!(batch(&mut served, 4), [0, 1]);
    // A look at the first one does.
    assert_eq!(served.take(), Some((1, 2)));
    served.exit();
}

#[test]
fn large_entries_lie_two_slots_apart() {
    let mut served = Served::new(Features::new(), 4, IORING_SETUP_CQE32);
    complete(&mut served, 3);
    let mut found = [ptr::null_mut(); 3];
    // SAFETY: room for 3 pointers.
    let number = unsafe { served.ring().peek_batch(found.as_mut_ptr(), 3) };
    assert_eq!(number, 3);
    assert_eq!(found[1] as usize - found[0] as usize, 32);
    assert_eq!(found[2] as usize - found[1] as usize, 32);
    served.exit();
}

#[test]
fn a_walk_shows_a_snapshot_with_its_filler() {
    let mut served = Served::new(Features::new(), 8, IORING_SETUP_CQE_MIXED);
    served
        .machine
        .script_results(&[(0, IORING_CQE_F_SKIP), (0, IORING_CQE_F_32), (0, 0)]);
    complete(&mut served, 3);
    let mut walk = served.ring().cqe_iter();
    // What comes later is not part of it.
    served.nop(9);
    served.ring().submit();
    let mut tags = Vec::new();
    loop {
        // SAFETY: the ring is valid.
        let cqe = unsafe { cqe_iter_next(&mut walk) };
        if cqe.is_null() {
            break;
        }
        // SAFETY: a ready entry.
        tags.push(unsafe { (*cqe).user_data });
    }
    assert_eq!(tags, [0, 1, 2]);
    assert_eq!(served.ring().cq_ready(), 5);
    served.exit();
}

fn old() -> Features {
    let mut features = Features::new();
    features.bits &= !IORING_FEAT_EXT_ARG;
    features
}

#[test]
fn own_timeouts_are_consumed_and_their_errors_told_once() {
    let mut served = Served::new(old(), 4, 0);
    served.machine.script_results(&[(-libc::ETIME, 0), (3, 0)]);
    served.nop(LIBURING_UDATA_TIMEOUT);
    served.nop(1);
    served.ring().submit();
    let peek = served.ring().peek_raw();
    assert_eq!((peek.error, peek.cqe), (-libc::ETIME, ptr::null_mut()));
    assert_eq!(served.take(), Some((1, 3)));
    // One that went well leaves no trace.
    served.machine.script_results(&[(0, 0), (4, 0)]);
    served.nop(LIBURING_UDATA_TIMEOUT);
    served.nop(2);
    served.ring().submit();
    assert_eq!(served.take(), Some((2, 4)));
    served.exit();
}

#[test]
fn a_peek_swallows_the_error_of_an_own_timeout() {
    let mut served = Served::new(old(), 4, 0);
    served.machine.script_results(&[(-libc::ETIME, 0), (3, 0)]);
    served.nop(LIBURING_UDATA_TIMEOUT);
    served.nop(1);
    served.ring().submit();
    let peek = served.ring().peek_cqe();
    assert_eq!(peek.result, 0);
    assert!(!peek.cqe.is_null());
    assert_eq!(served.take(), Some((1, 3)));
    // With nothing behind it there is nothing.
    served.machine.script_results(&[(-libc::ETIME, 0)]);
    served.nop(LIBURING_UDATA_TIMEOUT);
    served.ring().submit();
    let peek = served.ring().peek_cqe();
    assert_eq!((peek.result, peek.cqe), (-libc::EAGAIN, ptr::null_mut()));
    assert_eq!(served.ring().cq_ready(), 0);
    served.exit();
}

#[test]
fn newer_kernels_leave_that_tag_to_the_program() {
    let mut served = Served::new(Features::new(), 4, 0);
    served.machine.script_results(&[(-libc::ETIME, 0)]);
    served.nop(LIBURING_UDATA_TIMEOUT);
    served.ring().submit();
    assert_eq!(served.take(), Some((LIBURING_UDATA_TIMEOUT, -libc::ETIME)));
    served.exit();
}

#[test]
fn the_eventfd_switch_changes_one_bit() {
    let mut served = Served::new(Features::new(), 4, 0);
    let kflags = served.raw.cq.kflags;
    // SAFETY: a word of the ring.
    let word = || unsafe { kflags.read_volatile() };
    // SAFETY: as above; a bit that is not ours.
    unsafe { kflags.write_volatile(1 << 7) };
    assert!(served.ring().cq_eventfd_enabled());
    assert_eq!(served.ring().cq_eventfd_toggle(true), 0);
    assert_eq!(word(), 1 << 7);
    assert_eq!(served.ring().cq_eventfd_toggle(false), 0);
    assert_eq!(word(), 1 << 7 | IORING_CQ_EVENTFD_DISABLED);
    assert!(!served.ring().cq_eventfd_enabled());
    assert_eq!(served.ring().cq_eventfd_toggle(true), 0);
    assert_eq!(word(), 1 << 7);
    served.exit();
    // Linux before 5.8 has no such word.
    let mut first = Served::new(Features::first(), 4, 0);
    assert!(first.raw.cq.kflags.is_null());
    assert!(first.ring().cq_eventfd_enabled());
    assert_eq!(first.ring().cq_eventfd_toggle(true), 0);
    assert_eq!(first.ring().cq_eventfd_toggle(false), -libc::EOPNOTSUPP);
    first.exit();
}
