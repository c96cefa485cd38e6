//! The submission queue, from the kernel's end.

use anyring_abi::{IORING_SQ_NEED_WAKEUP, io_uring_sqe};

use super::shared::{Shared, set_flag};
use super::sync::{Ordering, fence};

/// How far SQEs are taken.
#[derive(Debug, Default)]
pub(crate) struct SubmissionQueue {
    /// Our copy of the head; only we write it.
    head: u32,
}

impl SubmissionQueue {
    #[inline]
    pub(crate) fn head(&self) -> u32 {
        self.head
    }

    /// SQEs that the program has put there.
    #[inline]
    pub(crate) fn ready<M: Shared>(&self, memory: &M) -> u32 {
        // Pairs with the releasing store of the tail in the program.
        memory
            .sq_tail()
            .load(Ordering::Acquire)
            .wrapping_sub(self.head)
    }

    /// Whether the program has to wait before it can put more.
    pub(crate) fn is_full<M: Shared>(&self, memory: &M) -> bool {
        self.ready(memory) >= memory.sq_entries()
    }

    /// Takes the next SQE, which must be there; `None` if its place in the
    /// index array names no slot.
    #[inline]
    pub(crate) fn take<M: Shared>(&mut self, memory: &M) -> Option<io_uring_sqe> {
        let slot = memory.sq_slot(self.head);
        self.head = self.head.wrapping_add(1);
        let sqe = slot.map(|slot| memory.sqe(slot));
        if sqe.is_none() {
            memory.sq_dropped().fetch_add(1, Ordering::Relaxed);
        }
        // Pairs with the acquiring load of the head in the program: the entry
        // may be written again.
        memory.sq_head().store(self.head, Ordering::Release);
        sqe
    }

    /// Says that no thread looks at the queue until woken; whether nothing came
    /// meanwhile.
    pub(crate) fn abandon<M: Shared>(&self, memory: &M) -> bool {
        // The flag first, then the last look: the program publishes its tail
        // first and looks at the flag then. One of the two sees the other.
        set_flag(memory, IORING_SQ_NEED_WAKEUP);
        fence(Ordering::SeqCst);
        self.ready(memory) == 0
    }
}
