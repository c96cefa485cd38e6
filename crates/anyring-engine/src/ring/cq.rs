//! The completion queue, from the kernel's end.

use alloc::collections::VecDeque;

use anyring_abi::{
    IORING_CQE_F_32, IORING_CQE_F_SKIP, IORING_SETUP_CQE_MIXED, IORING_SETUP_CQE32,
    IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_TASKRUN_FLAG, IORING_SQ_CQ_OVERFLOW,
    IORING_SQ_TASKRUN,
};

use super::shared::{Shared, clear_flag, set_flag};
use super::sync::Ordering;

/// A completion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) user_data: u64,
    pub(crate) res: i32,
    pub(crate) flags: u32,
    pub(crate) extra: Option<[u64; 2]>,
}

/// What was posted since it was last told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct News {
    pub(crate) posted: bool,
    /// Not from an enter of the program.
    pub(crate) from_outside: bool,
    /// The queue was empty before.
    pub(crate) was_empty: bool,
}

/// How far CQEs are posted, and those that found no room.
#[derive(Debug, Default)]
pub(crate) struct CompletionQueue {
    /// `IORING_SETUP_*`.
    flags: u32,
    /// Our copy of the tail; only we write it.
    tail: u32,
    overflow: VecDeque<Completion>,
    /// Completions that a DEFER_TASKRUN ring shows at its next enter.
    deferred: VecDeque<Completion>,
    pub(crate) news: News,
    /// The program does not see yet what is posted.
    withheld: bool,
    /// Deferred completions stay where they are, whatever is posted.
    pub(crate) leaves: bool,
}

impl CompletionQueue {
    pub(crate) fn new(flags: u32) -> Self {
        CompletionQueue {
            flags,
            ..CompletionQueue::default()
        }
    }

    #[inline]
    pub(crate) fn tail(&self) -> u32 {
        self.tail
    }

    /// CQEs that the program has not taken yet.
    #[inline]
    pub(crate) fn ready<M: Shared>(&self, memory: &M) -> u32 {
        // Pairs with the releasing store of the head in the program: it has
        // read what it gives back.
        self.tail
            .wrapping_sub(memory.cq_head().load(Ordering::Acquire))
    }

    /// Whether the next completion would find no room.
    pub(crate) fn is_full<M: Shared>(&self, memory: &M) -> bool {
        !self.overflow.is_empty() || self.ready(memory) >= memory.cq_entries()
    }

    /// Whether completions wait outside the queue.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        !self.overflow.is_empty() || !self.deferred.is_empty()
    }

    /// Whether completions wait for an enter.
    pub(crate) fn defers(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Whether the tail, with what waits outside, is there.
    #[inline]
    pub(crate) fn reached(&self, target: u32) -> bool {
        let beyond = (self.deferred.len() + self.overflow.len()) as u32;
        self.tail.wrapping_add(beyond).wrapping_sub(target) as i32 >= 0
    }

    /// Puts a CQE into the queue if there is room for it.
    #[inline]
    fn place<M: Shared>(&mut self, memory: &M, c: &Completion, inside: bool) -> bool {
        let entries = memory.cq_entries();
        let ready = self.ready(memory);
        self.news.was_empty |= ready == 0;
        let free = entries.wrapping_sub(ready);
        let mixed = self.flags & IORING_SETUP_CQE_MIXED != 0;
        let big = mixed && c.extra.is_some();
        let mask = entries - 1;
        // A CQE of 32 bytes does not go round the end of the queue.
        let filler = big && self.tail & mask == mask;
        let needed = 1 + u32::from(big) + u32::from(filler);
        // A free count above the size: the program moved its head beyond the
        // tail. There is no room then that could be trusted.
        if free < needed || free > entries {
            return false;
        }
        if filler {
            memory.put_cqe(self.tail, 0, 0, IORING_CQE_F_SKIP);
            self.tail = self.tail.wrapping_add(1);
        }
        let flags = if big {
            c.flags | IORING_CQE_F_32
        } else {
            c.flags
        };
        memory.put_cqe(self.tail, c.user_data, c.res, flags);
        if big || self.flags & IORING_SETUP_CQE32 != 0 {
            memory.put_extra(self.tail, c.extra.unwrap_or_default());
        }
        self.tail = self.tail.wrapping_add(1 + u32::from(big));
        // Pairs with the acquiring load of the tail in the program.
        if !self.withheld {
            memory.cq_tail().store(self.tail, Ordering::Release);
        }
        self.news.posted = true;
        self.news.from_outside |= !inside;
        true
    }

    /// From now on the program does not see what is posted.
    pub(crate) fn withhold(&mut self) {
        self.withheld = true;
    }

    /// Shows it.
    pub(crate) fn show<M: Shared>(&mut self, memory: &M) {
        self.withheld = false;
        // Release: the entries are there before the tail.
        memory.cq_tail().store(self.tail, Ordering::Release);
    }

    /// Posts a completion of 16 bytes from inside an enter of the program, as most are, in
    /// a fraction of the instructions of [`CompletionQueue::post`].
    #[inline(always)]
    pub(crate) fn post_short<M: Shared>(&mut self, memory: &M, user_data: u64, res: i32) {
        const BIG: u32 = IORING_SETUP_CQE_MIXED | IORING_SETUP_CQE32;
        let entries = memory.cq_entries();
        let ready = self.ready(memory);
        let in_turn = self.deferred.is_empty() && self.overflow.is_empty() && !self.withheld;
        // More than the size: the program moved its head beyond the tail.
        if !in_turn || self.flags & BIG != 0 || ready >= entries {
            let c = Completion {
                user_data,
                res,
                flags: 0,
                extra: None,
            };
            return self.post(memory, c, true);
        }
        memory.put_cqe(self.tail, user_data, res, 0);
        self.tail = self.tail.wrapping_add(1);
        // Pairs with the acquiring load of the tail in the program.
        memory.cq_tail().store(self.tail, Ordering::Release);
        self.news.was_empty |= ready == 0;
        self.news.posted = true;
    }

    /// Posts a completion, `inside` an enter of the program or not; what finds
    /// no room waits for it.
    #[inline(never)]
    pub(crate) fn post<M: Shared>(&mut self, memory: &M, c: Completion, inside: bool) {
        let later = !inside && self.flags & IORING_SETUP_DEFER_TASKRUN != 0;
        if later && self.deferred.try_reserve(1).is_ok() {
            self.deferred.push_back(c);
            self.news.posted = true;
            self.news.from_outside = true;
            if self.flags & IORING_SETUP_TASKRUN_FLAG != 0 {
                set_flag(memory, IORING_SQ_TASKRUN);
            }
            return;
        }
        if !self.deferred.is_empty() && !self.leaves {
            // They were first.
            self.flush(memory, inside);
        }
        if !self.overflow.is_empty() || !self.place(memory, &c, inside) {
            self.keep(memory, c);
        }
    }

    /// Keeps what finds no room.
    #[cold]
    fn keep<M: Shared>(&mut self, memory: &M, c: Completion) {
        if self.overflow.try_reserve(1).is_err() {
            memory.cq_overflow().fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.overflow.push_back(c);
        set_flag(memory, IORING_SQ_CQ_OVERFLOW);
        self.news.posted = true;
    }

    /// Brings what waits into the queue, as far as there is room.
    pub(crate) fn flush<M: Shared>(&mut self, memory: &M, inside: bool) {
        while let Some(c) = self.deferred.pop_front() {
            if !self.overflow.is_empty() || !self.place(memory, &c, inside) {
                self.keep(memory, c);
            }
        }
        if !self.overflow.is_empty() {
            while let Some(c) = self.overflow.front().copied() {
                if !self.place(memory, &c, inside) {
                    return;
                }
                self.overflow.pop_front();
            }
            clear_flag(memory, IORING_SQ_CQ_OVERFLOW);
        }
    }
}
