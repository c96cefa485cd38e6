//! A mutex and a place to sleep, on futexes: without the standard library
//! there is no other.
//!
//! # Safety
//! [`Mutex`] gives out one reference at a time: the lock word goes from 0 to 1
//! (or 2, with sleepers) by an acquiring exchange and back by a releasing one.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::sys;

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;
/// Looks at a held lock before sleeping: holders are quick.
const SPINS: u32 = 100;

/// A value that one thread at a time may touch.
#[derive(Debug)]
pub(crate) struct Mutex<T> {
    word: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value from thread to thread, never to two.
unsafe impl<T: Send> Sync for Mutex<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Mutex {
            word: AtomicU32::new(FREE),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        if self
            .word
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            self.lock_slow();
        }
        Guard { mutex: self }
    }

    #[cold]
    fn lock_slow(&self) {
        for _ in 0..SPINS {
            if self.word.load(Ordering::Relaxed) == FREE
                && self
                    .word
                    .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return;
            }
            core::hint::spin_loop();
        }
        while self.word.swap(CONTENDED, Ordering::Acquire) != FREE {
            futex_wait(&self.word, CONTENDED, None);
        }
    }

    /// Frees the lock, whoever held it.
    ///
    /// # Safety
    /// No other thread exists that uses the lock, as in a forked child.
    pub(crate) unsafe fn reset_lock(&self) {
        self.word.store(FREE, Ordering::Release);
    }

    /// Frees the lock in a forked child, where the thread that held it does
    /// not exist, and replaces the value without touching the old one.
    ///
    /// # Safety
    /// No other thread exists that uses the lock.
    pub(crate) unsafe fn reset(&self, value: T) {
        // SAFETY: the caller is alone.
        unsafe { self.value.get().write(value) };
        self.word.store(FREE, Ordering::Release);
    }
}

/// The lock, held.
#[derive(Debug)]
pub(crate) struct Guard<'a, T> {
    mutex: &'a Mutex<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, and this is its only guard.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.mutex.word.swap(FREE, Ordering::Release) == CONTENDED {
            futex_wake(&self.mutex.word, 1);
        }
    }
}

/// Sleeps while the word has this value, at most for the given nanoseconds.
pub(crate) fn futex_wait(word: &AtomicU32, value: u32, nanos: Option<u64>) {
    let timeout = nanos.map(sys::timespec);
    let ts = timeout
        .as_ref()
        .map_or(0, |timeout| (&raw const *timeout) as usize);
    // SAFETY: the word outlives the call, the timeout is read.
    let _ = unsafe {
        sys::raw(
            libc::SYS_futex,
            &[
                word.as_ptr() as usize,
                (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as usize,
                value as usize,
                ts,
            ],
        )
    };
}

/// Wakes sleepers.
pub(crate) fn futex_wake(word: &AtomicU32, count: u32) {
    // SAFETY: only the address is used.
    let _ = unsafe {
        sys::raw(
            libc::SYS_futex,
            &[
                word.as_ptr() as usize,
                (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as usize,
                count as usize,
            ],
        )
    };
}
