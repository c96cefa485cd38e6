//! The completion queue: looking at entries and giving them back.

use core::ffi::c_int;
use core::ptr;

use anyring_abi::{
    IORING_CQ_EVENTFD_DISABLED, IORING_CQE_F_32, IORING_CQE_F_SKIP, IORING_ENTER_GETEVENTS,
    IORING_FEAT_EXT_ARG, IORING_SETUP_CQE_MIXED, IORING_SETUP_CQE32, IORING_SQ_CQ_OVERFLOW,
    LIBURING_UDATA_TIMEOUT, io_uring_cqe, io_uring_cqe_iter,
};

use super::word::Word;
use super::{RingRef, get, protocol};
use crate::kernel::Kernel;

/// By how much an index is shifted to find a CQE: 1 on CQE32 rings.
#[inline(always)]
#[must_use]
pub const fn cqe_shift(flags: u32) -> u32 {
    (flags & IORING_SETUP_CQE32 != 0) as u32
}

/// Slots of an entry with these flags: 2 for a 32-byte entry of a CQE_MIXED
/// ring.
#[inline(always)]
#[must_use]
pub const fn cqe_nr(flags: u32) -> u32 {
    1 + (flags & IORING_CQE_F_32) / IORING_CQE_F_32
}

/// A first look at the queue.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Peek {
    /// The first entry, or NULL.
    pub cqe: *mut io_uring_cqe,
    /// Slots that are ready, this entry included.
    pub available: u32,
    /// 0, or the negative result of an own timeout entry.
    pub error: c_int,
}

impl<K: Kernel> RingRef<K> {
    /// Slots that are ready.
    #[inline(always)]
    #[must_use]
    pub fn cq_ready(self) -> u32 {
        protocol::cq_tail(self.word(get!(self, cq.ktail)))
            .wrapping_sub(self.word(get!(self, cq.khead)).load())
    }

    /// Gives `count` slots back.
    #[inline(always)]
    pub fn cq_advance(self, count: u32) {
        if count != 0 {
            protocol::cq_advance(self.word(get!(self, cq.khead)), count);
        }
    }

    #[inline(always)]
    fn cqe_at(self, index: u32) -> *mut io_uring_cqe {
        let slot = (index & get!(self, cq.ring_mask)) << cqe_shift(get!(self, flags));
        get!(self, cq.cqes).wrapping_add(slot as usize)
    }

    /// The rule for entries the program must not see: consumes a filler entry,
    /// or on a kernel without EXT_ARG an own timeout entry, whose negative
    /// result goes to `error`. True if it was consumed without an error.
    ///
    /// # Safety
    /// `cqe` is the first ready entry of this ring.
    #[inline(always)]
    pub unsafe fn skip_cqe(self, cqe: *mut io_uring_cqe, error: &mut c_int) -> bool {
        // SAFETY: a ready entry, the caller says.
        let (flags, user_data, res) = unsafe { ((*cqe).flags, (*cqe).user_data, (*cqe).res) };
        if flags & IORING_CQE_F_SKIP != 0 {
            self.cq_advance(cqe_nr(flags));
            return true;
        }
        if get!(self, features) & IORING_FEAT_EXT_ARG != 0 || user_data != LIBURING_UDATA_TIMEOUT {
            return false;
        }
        if res < 0 {
            *error = res;
        }
        self.cq_advance(1);
        *error == 0
    }

    /// The first entry the program may see. Never enters the kernel.
    #[inline(always)]
    pub fn peek_raw(self) -> Peek {
        let mut error = 0;
        loop {
            let tail = protocol::cq_tail(self.word(get!(self, cq.ktail)));
            let head = self.word(get!(self, cq.khead)).load();
            let available = tail.wrapping_sub(head);
            if available == 0 {
                return Peek {
                    cqe: ptr::null_mut(),
                    available,
                    error,
                };
            }
            let cqe = self.cqe_at(head);
            // SAFETY: the entry at the head is ready: the tail is beyond it.
            if unsafe { self.skip_cqe(cqe, &mut error) } {
                continue;
            }
            return Peek {
                cqe: if error == 0 { cqe } else { ptr::null_mut() },
                available,
                error,
            };
        }
    }

    /// Pointers to up to `count` ready entries; returns how many. Consumes
    /// nothing but filler entries at the head. When the queue is empty, also for
    /// a `count` of 0, what overflowed is fetched.
    ///
    /// # Safety
    /// `cqes` has room for `count` pointers.
    pub unsafe fn peek_batch(self, cqes: *mut *mut io_uring_cqe, count: u32) -> u32 {
        // SAFETY: handed on from the caller.
        let mut found = unsafe { self.fill_batch(cqes, count) };
        if found == 0 && self.cq_needs_flush() && (count != 0 || self.cq_ready() == 0) {
            self.get_events();
            // SAFETY: handed on from the caller.
            found = unsafe { self.fill_batch(cqes, count) };
        }
        found
    }

    /// # Safety
    /// `cqes` has room for `count` pointers.
    unsafe fn fill_batch(self, cqes: *mut *mut io_uring_cqe, count: u32) -> u32 {
        let tail = protocol::cq_tail(self.word(get!(self, cq.ktail)));
        let mut head = self.word(get!(self, cq.khead)).load();
        if get!(self, flags) & IORING_SETUP_CQE_MIXED == 0 {
            let found = tail.wrapping_sub(head).min(count);
            for i in 0..found {
                // SAFETY: i is below count.
                unsafe { *cqes.wrapping_add(i as usize) = self.cqe_at(head.wrapping_add(i)) };
            }
            return found;
        }
        let mut found = 0;
        while found < count && head != tail {
            let cqe = self.cqe_at(head);
            // SAFETY: an entry between head and tail is ready.
            let flags = unsafe { (*cqe).flags };
            let slots = cqe_nr(flags);
            if flags & IORING_CQE_F_SKIP != 0 {
                if found != 0 {
                    break;
                }
                self.cq_advance(slots);
            } else {
                // SAFETY: found is below count.
                unsafe { *cqes.wrapping_add(found as usize) = cqe };
                found += 1;
            }
            head = head.wrapping_add(slots);
        }
        found
    }

    /// Lets the kernel post what waits for an enter; result or `-errno`.
    pub fn get_events(self) -> c_int {
        // SAFETY: no argument.
        unsafe {
            self.enter(
                0,
                0,
                self.enter_flags() | IORING_ENTER_GETEVENTS,
                ptr::null(),
                crate::submit::SIGSET_SIZE,
            )
        }
    }

    /// A walk over what is ready now. Consumes nothing, shows filler entries.
    #[inline(always)]
    #[must_use]
    pub fn cqe_iter(self) -> io_uring_cqe_iter {
        io_uring_cqe_iter {
            cqes: get!(self, cq.cqes),
            mask: get!(self, cq.ring_mask),
            shift: cqe_shift(get!(self, flags)),
            head: self.word(get!(self, cq.khead)).load(),
            tail: protocol::cq_tail(self.word(get!(self, cq.ktail))),
        }
    }

    /// Whether completions wait for room in the queue.
    #[must_use]
    pub fn cq_has_overflow(self) -> bool {
        self.word(get!(self, sq.kflags)).load() & IORING_SQ_CQ_OVERFLOW != 0
    }

    /// Returns whether completion notifications on the eventfd are enabled; no eventfd
    /// needs to be registered. True before Linux 5.8, where they cannot be disabled.
    #[must_use]
    pub fn cq_eventfd_enabled(self) -> bool {
        let kflags = get!(self, cq.kflags);
        kflags.is_null() || self.word(kflags).load() & IORING_CQ_EVENTFD_DISABLED == 0
    }

    /// Enables or disables completion notifications on the eventfd. 0, or -EOPNOTSUPP
    /// for a change before Linux 5.8.
    pub fn cq_eventfd_toggle(self, enabled: bool) -> c_int {
        if enabled == self.cq_eventfd_enabled() {
            return 0;
        }
        let kflags = get!(self, cq.kflags);
        if kflags.is_null() {
            return -libc::EOPNOTSUPP;
        }
        let word = self.word(kflags);
        word.store(word.load() ^ IORING_CQ_EVENTFD_DISABLED);
        0
    }
}

/// The next entry of a walk, or NULL at its end.
///
/// # Safety
/// The ring that `iter` was made for is still valid.
#[inline(always)]
pub unsafe fn cqe_iter_next(iter: &mut io_uring_cqe_iter) -> *mut io_uring_cqe {
    if iter.head == iter.tail {
        return ptr::null_mut();
    }
    let slot = (iter.head & iter.mask) << iter.shift;
    let cqe = iter.cqes.wrapping_add(slot as usize);
    // SAFETY: an entry between head and tail is ready.
    iter.head = iter.head.wrapping_add(cqe_nr(unsafe { (*cqe).flags }));
    cqe
}
