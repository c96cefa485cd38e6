//! How an SQPOLL thread goes to sleep, and how it is woken.
//!
//! The program wakes it only if it sees NEED_WAKEUP after it published its
//! tail; [`SubmissionQueue::abandon`] sees to it that one of the two notices
//! the other. `tests/loom` checks it.

use anyring_abi::IORING_SQ_NEED_WAKEUP;

use super::shared::{Shared, clear_flag};
use super::sq::SubmissionQueue;
use super::sync::{Futex, Ordering};

/// Between two looks of a thread that is awake.
const NAP_NANOS: u64 = 50_000;
/// The longest sleep, so that a ring whose fd was closed is noticed.
const SLEEP_NANOS: u64 = 2_000_000_000;

/// A ring that an SQPOLL thread looks after.
pub(crate) trait Polled {
    type Memory: Shared;

    /// What the sleeping thread waits for.
    fn wake_word(&self) -> &Futex;

    /// Nanoseconds without work until the thread sleeps.
    fn idle_nanos(&self) -> u64;

    /// Nanoseconds of a clock.
    fn now(&self) -> u64;

    /// Submits what the queue holds; how many, or `None` when the ring is gone.
    fn submit(&self) -> Option<u32>;

    /// Looks at the queue, if the ring is there, and at whether it is disabled.
    fn look<R>(&self, look: impl FnOnce(&SubmissionQueue, &Self::Memory, bool) -> R) -> Option<R>;
}

/// One look at the submission queue, and a sleep if it is empty; false when
/// the ring is gone. `worked` is when there was work last; naps take longer than they
/// are meant to, so that they cannot be counted.
pub(crate) fn poll_once<P: Polled>(ring: &P, worked: &mut u64) -> bool {
    let seen = ring.wake_word().load(Ordering::Acquire);
    match ring.submit() {
        None => return false,
        Some(0) => {}
        Some(_) => {
            *worked = ring.now();
            return true;
        }
    }
    if ring.now().saturating_sub(*worked) < ring.idle_nanos() {
        ring.wake_word().wait(seen, Some(NAP_NANOS));
        return true;
    }
    let empty = ring.look(|sq, memory, disabled| sq.abandon(memory) || disabled);
    if empty == Some(true) {
        ring.wake_word().wait(seen, Some(SLEEP_NANOS));
    }
    let awake = empty != Some(true) || ring.wake_word().load(Ordering::Acquire) != seen;
    if awake {
        ring.look(|_, memory, _| clear_flag(memory, IORING_SQ_NEED_WAKEUP));
        *worked = ring.now();
    }
    true
}

/// Wakes a sleeping SQPOLL thread.
pub(crate) fn wake<P: Polled>(ring: &P) {
    ring.wake_word().fetch_add(1, Ordering::Release);
    ring.wake_word().wake(u32::MAX);
}
