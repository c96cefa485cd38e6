//! A mutex on a futex: without the standard library there is no other.
//!
//! # Safety
//! [`Mutex`] gives out one reference at a time: the lock word goes from 0 to 1
//! (or 2, with sleepers) by an acquiring exchange and back by a releasing one.
//! `tests/loom` checks it.

use core::ops::{Deref, DerefMut};

use super::sync::{Cell, Futex, NoSignals, Ordering, Reach, SPINS, constant, spin_loop};

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// A value that one thread at a time may touch.
#[derive(Debug)]
pub(crate) struct Mutex<T> {
    word: Futex,
    value: Cell<T>,
}

// SAFETY: the lock hands the value from thread to thread, never to two.
unsafe impl<T: Send> Sync for Mutex<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    constant! {
        pub(crate) fn new(value: T) -> Self {
            Mutex {
                word: Futex::new(FREE),
                value: Cell::new(value),
            }
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
        Guard {
            value: self.value.reach(),
            _held: Held(&self.word),
        }
    }

    /// Waits for the lock, with signals blocked until it is free again: what all
    /// rings share must not be held by a thread that a handler interrupts, since
    /// the handler may use a ring.
    pub(crate) fn lock_without_signals(&self) -> NoSignalsGuard<'_, T> {
        let signals = NoSignals::new();
        NoSignalsGuard {
            guard: self.lock(),
            _signals: signals,
        }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.word
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then(|| Guard {
                value: self.value.reach(),
                _held: Held(&self.word),
            })
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
            spin_loop();
        }
        while self.word.swap(CONTENDED, Ordering::Acquire) != FREE {
            self.word.wait(CONTENDED, None);
        }
    }

    /// Frees the lock, also one that another thread holds.
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
        unsafe { self.value.reach().pointer().write(value) };
        self.word.store(FREE, Ordering::Release);
    }
}

/// The lock, held. The value is let go of before the lock is.
#[derive(Debug)]
pub(crate) struct Guard<'a, T> {
    value: Reach<T>,
    _held: Held<'a>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.value.pointer() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, and this is its only guard.
        unsafe { &mut *self.value.pointer() }
    }
}

/// The lock, held by a thread that takes no signals. They come after it is free.
#[derive(Debug)]
pub(crate) struct NoSignalsGuard<'a, T> {
    guard: Guard<'a, T>,
    _signals: NoSignals,
}

impl<T> Deref for NoSignalsGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for NoSignalsGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// Frees the lock at its end.
#[derive(Debug)]
struct Held<'a>(&'a Futex);

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.swap(FREE, Ordering::Release) == CONTENDED {
            self.0.wake(1);
        }
    }
}
