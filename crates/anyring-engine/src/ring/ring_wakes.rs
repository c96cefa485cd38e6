//! Rings whose polls wait for rings: for the descriptor of one, an epoll that holds it,
//! an eventfd that it signals.
//!
//! On the kernel such a poll completes by the time that the enter which posted returns.
//! So an enter that posted looks at these rings before it returns. They are found without
//! a lock, since the enter may be one of a signal handler.

use alloc::sync::Arc;
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::os::cells::Cells;
use crate::os::lock::Mutex;
use crate::ring::Ring;

static WAITING: Cells<Ring> = Cells::new();
/// Held by those who change it.
static WRITER: Mutex<()> = Mutex::new(());
/// How many rings there are in it.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// A ring has posted since an enter last looked at those that wait.
static POSTED: AtomicBool = AtomicBool::new(false);

/// Whether any ring waits for rings.
#[inline(always)]
pub(crate) fn any() -> bool {
    COUNT.load(Ordering::Relaxed) != 0
}

/// A ring has posted a completion, and its descriptor shows it.
#[inline(always)]
pub(crate) fn note_posted() {
    if any() {
        POSTED.store(true, Ordering::Release);
    }
}

/// Whether a ring has posted since this was last asked.
pub(crate) fn take_posted() -> bool {
    any() && POSTED.swap(false, Ordering::AcqRel)
}

/// A ring waits for rings from now on; -ENOMEM.
pub(crate) fn add(ring: Arc<Ring>) -> Result<(), c_int> {
    let _writer = WRITER.lock_without_signals();
    WAITING.publish(key(&ring), ring)?;
    COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// It does no more.
pub(crate) fn remove(ring: &Arc<Ring>) {
    let _writer = WRITER.lock_without_signals();
    WAITING.withdraw(key(ring));
    COUNT.fetch_sub(1, Ordering::Relaxed);
}

/// Calls a function with each ring that waits for rings.
pub(crate) fn each(call: impl FnMut(Arc<Ring>)) {
    WAITING.each(call);
}

/// The number of a ring among the cells, below those that stand for none.
fn key(ring: &Ring) -> u32 {
    (ring.serial % (1 << 31)) as u32
}

/// Forgets the parent's rings.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the engine.
pub(crate) unsafe fn begin_child() {
    // SAFETY: the caller is alone, so that the cells and the lock are used by no other
    // thread.
    unsafe {
        WRITER.reset_lock();
        WAITING.reset();
    }
    COUNT.store(0, Ordering::Relaxed);
}
