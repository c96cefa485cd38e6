//! Telling a process from its children without a system call.

use std::sync::atomic::{AtomicU32, Ordering};

/// How often this process is a fork of the one that loaded the module.
static FORKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    crate::owner::forked();
}

/// Counts forks from now on; called when the module is loaded, before there is
/// any ring.
pub(crate) fn watch() {
    static WATCH: std::sync::Once = std::sync::Once::new();
    WATCH.call_once(|| {
        // SAFETY: the handler only loads and stores atomics.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// Differs between a process and its children.
#[inline]
pub(crate) fn generation() -> u32 {
    FORKS.load(Ordering::Relaxed)
}
