//! Telling a process from its children without a system call.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// How often this process is a fork of the one that loaded the module.
static FORKS: AtomicU32 = AtomicU32::new(0);
static WATCH: Once = Once::new();

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Differs between a process and its children.
#[inline]
pub(crate) fn generation() -> u32 {
    WATCH.call_once(|| {
        // SAFETY: the handler only adds to an atomic.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    FORKS.load(Ordering::Relaxed)
}
