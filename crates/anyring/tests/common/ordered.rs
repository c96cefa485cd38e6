//! A word of a ring as programs and the engine use it, on loom's atomics.

use anyring::ring::word::Word;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use loom::sync::atomic::{AtomicU32, fence};

/// A word with the orders of the real one.
#[derive(Clone, Copy)]
pub(crate) struct Ordered<'a>(pub(crate) &'a AtomicU32);

impl Word for Ordered<'_> {
    fn load(self) -> u32 {
        self.0.load(Relaxed)
    }
    fn load_acquire(self) -> u32 {
        self.0.load(Acquire)
    }
    fn store(self, value: u32) {
        self.0.store(value, Relaxed);
    }
    fn store_release(self, value: u32) {
        self.0.store(value, Release);
    }
    fn fence() {
        fence(SeqCst);
    }
}
