//! Noticing that this is a forked child.
//!
//! A child has none of the threads that serve its parent's rings, and its
//! copies of the engine's tables were made at an arbitrary moment. A page that
//! the kernel empties in every child tells the two apart without a system call;
//! where there is no such page (gVisor, Linux before 4.14), the process's number
//! does.
//!
//! # Safety
//! The page is mapped once and for the life of the process; it holds one
//! atomic word.

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};

use crate::sys;
use crate::{driver, held, pool, rights, table};

/// The word is zero in a child that has not noticed yet.
const UNNOTICED: u32 = 0;
const NOTICING: u32 = 1;
const NOTICED: u32 = 2;

static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
static PID: AtomicI32 = AtomicI32::new(0);
/// The page stays as it is in a child.
static BY_NUMBER: AtomicBool = AtomicBool::new(false);

/// This process's number.
pub(crate) fn pid() -> c_int {
    match PID.load(Ordering::Relaxed) {
        0 => sys::getpid(),
        pid => pid,
    }
}

/// Starts watching; -errno if the kernel cannot.
pub(crate) fn watch() -> Result<(), c_int> {
    if !PAGE.load(Ordering::Acquire).is_null() {
        notice();
        return Ok(());
    }
    let page = sys::map(4096)?;
    // SAFETY: a mapping of our own; the advice concerns children only.
    let advised = unsafe {
        sys::raw(
            libc::SYS_madvise,
            &[page as usize, 4096, libc::MADV_WIPEONFORK as usize],
        )
    };
    if advised.is_err() {
        BY_NUMBER.store(true, Ordering::Relaxed);
    }
    let word: *mut AtomicU32 = page.cast();
    // SAFETY: a fresh page, aligned, for good.
    unsafe { (*word).store(NOTICED, Ordering::Release) };
    PID.store(sys::getpid(), Ordering::Relaxed);
    if PAGE
        .compare_exchange(ptr::null_mut(), word, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        // SAFETY: another thread was first; nobody knows of this page.
        unsafe { sys::unmap(page, 4096) };
    }
    Ok(())
}

/// Called before the engine's tables are used: in a child, gives up what
/// belongs to the parent.
#[inline]
pub(crate) fn notice() {
    let page = PAGE.load(Ordering::Acquire);
    if page.is_null() {
        return;
    }
    // SAFETY: mapped for good.
    let word = unsafe { &*page };
    if word.load(Ordering::Acquire) != NOTICED {
        begin_child(word, UNNOTICED);
    } else if BY_NUMBER.load(Ordering::Relaxed) && PID.load(Ordering::Acquire) != sys::getpid() {
        begin_child(word, NOTICED);
    }
}

/// Nobody looks after the tables any more, unless another thread was first.
#[cold]
fn begin_child(word: &AtomicU32, expected: u32) {
    if word
        .compare_exchange(expected, NOTICING, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        while word.load(Ordering::Acquire) != NOTICED {
            core::hint::spin_loop();
        }
        return;
    }
    let me = sys::getpid();
    if PID.load(Ordering::Acquire) != me {
        // SAFETY: the threads that used these do not exist in this process, and
        // other threads of the child wait above.
        unsafe {
            rights::begin_child();
            held::begin_child();
            pool::begin_child();
            driver::begin_child();
            table::begin_child();
        }
        PID.store(me, Ordering::Release);
    }
    word.store(NOTICED, Ordering::Release);
}
