//! The ring protocol: which access needs which order, and why.
//!
//! | access | order | partner | without it |
//! |---|---|---|---|
//! | [`sq_head`] with SQPOLL | acquire | the thread's release of the head | an SQE is overwritten before it was read |
//! | [`sq_publish`] with SQPOLL | release | the thread's acquire of the tail | the thread reads a half-written SQE |
//! | [`sq_needs_wakeup`] | full fence, then relaxed | the thread sets the flag, fences, looks at the tail again | both miss each other and the thread sleeps on |
//! | [`cq_tail`] | acquire | the kernel's release of the tail | an entry is read before it was written |
//! | [`cq_advance`] | release | the kernel's acquire of the head | an entry is overwritten before it was read |
//!
//! Without SQPOLL the system call that follows orders the submission side.
//! `tests/loom.rs` checks these functions against models of the other side.

use anyring_abi::IORING_SQ_NEED_WAKEUP;

use super::word::Word;

/// How far the kernel has consumed the submission queue.
#[inline(always)]
pub fn sq_head<W: Word>(khead: W, sqpoll: bool) -> u32 {
    if sqpoll {
        khead.load_acquire()
    } else {
        khead.load()
    }
}

/// Makes the entries up to `tail` visible to the kernel.
#[inline(always)]
pub fn sq_publish<W: Word>(ktail: W, tail: u32, sqpoll: bool) {
    if sqpoll {
        ktail.store_release(tail);
    } else {
        ktail.store(tail);
    }
}

/// Whether the SQPOLL thread has to be woken for what was just published.
#[inline(always)]
pub fn sq_needs_wakeup<W: Word>(kflags: W) -> bool {
    W::fence();
    kflags.load() & IORING_SQ_NEED_WAKEUP != 0
}

/// How far the kernel has filled the completion queue.
#[inline(always)]
pub fn cq_tail<W: Word>(ktail: W) -> u32 {
    ktail.load_acquire()
}

/// Gives `count` slots of the completion queue back to the kernel.
#[inline(always)]
pub fn cq_advance<W: Word>(khead: W, count: u32) {
    khead.store_release(khead.load().wrapping_add(count));
}
