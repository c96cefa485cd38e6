//! The index and flag words that the application shares with the kernel.
//!
//! Every access to shared ring memory goes through [`Word`], so the protocol
//! in [`protocol`](super::protocol) can be model-checked with another
//! implementation of it.
//!
//! # Safety
//! [`SharedWord`] relies on the ring it was taken from being mapped; that is
//! the contract of [`RingRef::new`](super::RingRef::new).

use core::sync::atomic::{AtomicU32, Ordering, fence};

/// A 32-bit word in memory shared with the kernel.
///
/// "Relaxed" is what the table of memory orders calls plain: only one side
/// writes the word, or the system call that follows orders the access.
pub trait Word: Copy {
    /// Reads without ordering.
    fn load(self) -> u32;
    /// Reads; accesses after it stay after it.
    fn load_acquire(self) -> u32;
    /// Writes without ordering.
    fn store(self, value: u32);
    /// Writes; accesses before it stay before it.
    fn store_release(self, value: u32);
    /// A full fence.
    fn fence();
}

/// A word of a mapped ring.
#[derive(Clone, Copy, Debug)]
pub struct SharedWord(*mut u32);

impl SharedWord {
    /// # Safety
    /// `word` is an aligned word of mapped memory for as long as the result is
    /// used.
    #[inline(always)]
    #[must_use]
    pub const unsafe fn new(word: *mut u32) -> Self {
        SharedWord(word)
    }

    #[inline(always)]
    fn atomic(&self) -> &AtomicU32 {
        // SAFETY: aligned and mapped by the contract of `new`; all accesses
        // on this side are atomic.
        unsafe { AtomicU32::from_ptr(self.0) }
    }
}

impl Word for SharedWord {
    #[inline(always)]
    fn load(self) -> u32 {
        self.atomic().load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn load_acquire(self) -> u32 {
        self.atomic().load(Ordering::Acquire)
    }

    #[inline(always)]
    fn store(self, value: u32) {
        self.atomic().store(value, Ordering::Relaxed);
    }

    #[inline(always)]
    fn store_release(self, value: u32) {
        self.atomic().store(value, Ordering::Release);
    }

    #[inline(always)]
    fn fence() {
        fence(Ordering::SeqCst);
    }
}
