//! The submission queue: handing out entries and publishing them.

use core::ptr::NonNull;

use anyring_abi::{
    IORING_OP_NOP, IORING_SETUP_SQ_REWIND, IORING_SETUP_SQE_MIXED, IORING_SETUP_SQE128,
    IOSQE_CQE_SKIP_SUCCESS, io_uring_sqe,
};

use super::word::Word;
use super::{RingRef, get, protocol, put};
use crate::kernel::Kernel;
use crate::prep;

/// By how much an index is shifted to find an SQE: 1 on SQE128 rings.
#[inline(always)]
#[must_use]
pub const fn sqe_shift(flags: u32) -> u32 {
    (flags & IORING_SETUP_SQE128 != 0) as u32
}

impl<K: Kernel> RingRef<K> {
    /// What the kernel has consumed.
    #[inline(always)]
    #[must_use]
    pub fn sq_head(self) -> u32 {
        protocol::sq_head(self.word(get!(self, sq.khead)), self.sqpoll())
    }

    /// Entries handed out and not yet consumed by the kernel.
    #[inline(always)]
    #[must_use]
    pub fn sq_ready(self) -> u32 {
        get!(self, sq.sqe_tail).wrapping_sub(self.sq_head())
    }

    /// Entries that can be handed out.
    #[inline(always)]
    #[must_use]
    pub fn sq_space_left(self) -> u32 {
        get!(self, sq.ring_entries).wrapping_sub(self.sq_ready())
    }

    /// The slot of an index.
    #[inline(always)]
    fn sqe_at(self, index: u32) -> *mut io_uring_sqe {
        let slot = (index & get!(self, sq.ring_mask)) << sqe_shift(get!(self, flags));
        get!(self, sq.sqes).wrapping_add(slot as usize)
    }

    /// The next free entry, initialised; `None` when the queue is full.
    #[inline(always)]
    #[must_use]
    pub fn get_sqe(self) -> Option<NonNull<io_uring_sqe>> {
        self.get_slot().map(|sqe| initialized(sqe.as_ptr()))
    }

    /// The next free slot with what it held before; `None` when the queue is full.
    #[inline(always)]
    #[must_use]
    pub(crate) fn get_slot(self) -> Option<NonNull<io_uring_sqe>> {
        let tail = get!(self, sq.sqe_tail);
        if tail.wrapping_sub(self.sq_head()) >= get!(self, sq.ring_entries) {
            return None;
        }
        put!(self, tail.wrapping_add(1) => sq.sqe_tail);
        // SAFETY: a slot of a valid ring, not NULL.
        Some(unsafe { NonNull::new_unchecked(self.sqe_at(tail)) })
    }

    /// The next free 128-byte entry on an SQE128 or SQE_MIXED ring; `None` when
    /// there is no room or the ring has no such entries.
    #[must_use]
    pub fn get_sqe128(self) -> Option<NonNull<io_uring_sqe>> {
        let flags = get!(self, flags);
        if flags & IORING_SETUP_SQE128 != 0 {
            return self.get_sqe();
        }
        if flags & IORING_SETUP_SQE_MIXED == 0 {
            return None;
        }
        let tail = get!(self, sq.sqe_tail);
        let entries = get!(self, sq.ring_entries);
        let free = entries.wrapping_sub(tail.wrapping_sub(self.sq_head()));
        // An entry cannot wrap around: the last slot is filled up first.
        let filler = u32::from(tail & get!(self, sq.ring_mask) == entries.wrapping_sub(1));
        if free < 2 + filler {
            return None;
        }
        if filler != 0 {
            // SAFETY: a free slot of a valid ring; nobody else writes it.
            let sqe = unsafe { &mut *self.sqe_at(tail) };
            prep::initialize_sqe(sqe);
            prep::prep_nop(sqe);
            sqe.flags |= IOSQE_CQE_SKIP_SUCCESS as u8;
            debug_assert_eq!(u32::from(sqe.opcode), IORING_OP_NOP);
        }
        put!(self, tail.wrapping_add(2 + filler) => sq.sqe_tail);
        Some(initialized(self.sqe_at(tail.wrapping_add(filler))))
    }

    /// Publishes the entries that were handed out, without a system call: what looks at
    /// the queue in between, as a resize does, sees published entries only. Nothing on
    /// rings with `IORING_SETUP_SQ_REWIND`, which publish as they submit.
    pub fn publish(self) {
        if get!(self, flags) & IORING_SETUP_SQ_REWIND == 0 {
            self.sq_flush();
        }
    }

    /// Publishes what was handed out; returns how many entries the kernel has
    /// to take, those of earlier calls included.
    #[inline(always)]
    pub(crate) fn sq_flush(self) -> u32 {
        let tail = get!(self, sq.sqe_tail);
        if get!(self, flags) & IORING_SETUP_SQ_REWIND != 0 {
            put!(self, 0 => sq.sqe_tail);
            return tail;
        }
        if get!(self, sq.sqe_head) != tail {
            put!(self, tail => sq.sqe_head);
            protocol::sq_publish(self.word(get!(self, sq.ktail)), tail, self.sqpoll());
        }
        tail.wrapping_sub(self.word(get!(self, sq.khead)).load())
    }
}

/// A slot with the fields reset that prep functions leave alone.
#[inline(always)]
fn initialized(sqe: *mut io_uring_sqe) -> NonNull<io_uring_sqe> {
    // SAFETY: a free slot of a valid ring, not NULL; nobody else writes it.
    unsafe {
        prep::initialize_sqe(&mut *sqe);
        NonNull::new_unchecked(sqe)
    }
}
