//! What threads share: atomics, cells, and words to sleep on.
//!
//! The modules that need nothing else of the engine (`lock`, `queue`, `shared`,
//! `sq`, `cq`, `sqpoll_idle`, `cells`,
//! `driver_policy`) name them by `super::sync`: `tests/loom` compiles the same
//! files with loom's, and lets every interleaving happen.
//!
//! # Safety
//! Futex calls get the address of a word that outlives the call.

use core::cell::UnsafeCell;
use core::ops::Deref;

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};

use super::sys;

/// Looks at a held lock before sleeping: holders are quick.
pub(crate) const SPINS: u32 = 100;

/// Ticks with a waiting program until the driver lets go of its ring.
pub(crate) const WAITER_TICKS: u32 = 10;

/// A function that makes a static's value; loom's cannot be constant.
macro_rules! constant {
    ($visible:vis fn $($rest:tt)*) => { $visible const fn $($rest)* };
}
pub(crate) use constant;

/// A value that a protocol gives to one thread at a time.
#[derive(Debug)]
pub(crate) struct Cell<T>(UnsafeCell<T>);

impl<T> Cell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Cell(UnsafeCell::new(value))
    }

    /// The way to it, for as long as it is this thread's.
    #[inline(always)]
    pub(crate) fn reach(&self) -> Reach<T> {
        Reach(self.0.get())
    }
}

/// A value that is this thread's for now.
#[derive(Debug)]
pub(crate) struct Reach<T>(*mut T);

impl<T> Reach<T> {
    #[inline(always)]
    pub(crate) fn pointer(&self) -> *mut T {
        self.0
    }
}

/// While it lives no signal handler runs in this thread.
#[derive(Debug)]
pub(crate) struct NoSignals {
    pub(crate) before: u64,
}

impl NoSignals {
    pub(crate) fn new() -> Self {
        // Not those that the C library keeps for itself.
        const ALL: u64 = !(3 << 31);
        NoSignals {
            before: sys::set_signal_mask(ALL),
        }
    }
}

impl Drop for NoSignals {
    fn drop(&mut self) {
        sys::set_signal_mask(self.before);
    }
}

/// A word to sleep on.
#[derive(Debug)]
pub(crate) struct Futex(AtomicU32);

impl Deref for Futex {
    type Target = AtomicU32;

    #[inline(always)]
    fn deref(&self) -> &AtomicU32 {
        &self.0
    }
}

impl Futex {
    pub(crate) const fn new(value: u32) -> Self {
        Futex(AtomicU32::new(value))
    }

    /// Sleeps while the word has this value, at most for the given nanoseconds.
    pub(crate) fn wait(&self, value: u32, nanos: Option<u64>) {
        let timeout = nanos.map(sys::timespec);
        let ts = timeout
            .as_ref()
            .map_or(0, |timeout| (&raw const *timeout) as usize);
        let op = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the word outlives the call, the timeout is read.
        let _ = unsafe {
            sys::raw(
                libc::SYS_futex,
                &[self.as_ptr() as usize, op as usize, value as usize, ts],
            )
        };
    }

    /// Wakes so many sleepers; `u32::MAX`: all.
    pub(crate) fn wake(&self, count: u32) {
        // The kernel takes the number as an int, and wakes one for what is below zero.
        let count = count.min(i32::MAX as u32);
        let op = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: only the address is used.
        let _ = unsafe {
            sys::raw(
                libc::SYS_futex,
                &[self.as_ptr() as usize, op as usize, count as usize],
            )
        };
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn all_sleepers_wake() {
        static WORD: Futex = Futex::new(0);
        static AWAKE: AtomicU32 = AtomicU32::new(0);
        let sleepers: std::vec::Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(|| {
                    while WORD.load(Ordering::Acquire) == 0 {
                        WORD.wait(0, None);
                    }
                    AWAKE.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        // So that they sleep, most likely.
        std::thread::sleep(std::time::Duration::from_millis(50));
        WORD.store(1, Ordering::Release);
        WORD.wake(u32::MAX);
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(AWAKE.load(Ordering::Relaxed), 8);
    }
}
