//! Noticing that this is a forked child.
//!
//! A child has none of the threads that serve its parent's rings, and its
//! copies of the engine's tables were made at an arbitrary moment. A page that
//! the kernel empties in every child tells the two apart without a system call;
//! where there is no such page (gVisor, Linux before 4.14), the process's number
//! does.
//!
//! The child's copies of descriptors that the engine made would keep files open that
//! parent and child have closed, such as a connection whose peer waits for its end.
//! So a handler of fork(3) closes them in the child, before anything else runs there:
//! those that are marked in a table of numbers. A child that was made without the C
//! library has no such handler, and keeps them: later its numbers may be other files.
//!
//! # Safety
//! The page is mapped once and for the life of the process; it holds one
//! atomic word.

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, Ordering};

use crate::os::{credentials, file_cache, sys};

/// The word is zero in a child that has not noticed yet.
const UNNOTICED: u32 = 0;
const NOTICING: u32 = 1;
const NOTICED: u32 = 2;

static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
static PID: AtomicI32 = AtomicI32::new(0);
/// The page stays as it is in a child.
static BY_NUMBER: AtomicBool = AtomicBool::new(false);

/// Descriptors of the engine's own, as far as they are remembered.
static MARKS: [AtomicU8; MARKED] = [const { AtomicU8::new(0) }; MARKED];
const MARKED: usize = 1 << 17;
/// No mark is at or above it.
static END: AtomicI32 = AtomicI32::new(0);
static HANDLED: AtomicBool = AtomicBool::new(false);
/// What gives up the tables of the layers above in a child, an [`Abandon`]; null before
/// the first ring.
static ABANDON: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Gives up what a child has of its parent's rings.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the engine.
pub(crate) type Abandon = unsafe fn();

/// A descriptor is the engine's, or is not any more.
#[inline]
pub(crate) fn mark(fd: c_int, ours: bool) {
    if let Some(place) = MARKS.get(fd as usize) {
        place.store(u8::from(ours), Ordering::Relaxed);
        if ours && fd >= END.load(Ordering::Relaxed) {
            END.fetch_max(fd + 1, Ordering::Relaxed);
        }
    }
}

#[cfg(target_env = "gnu")]
unsafe extern "C" {
    /// pthread_atfork(3), which glibc has in its static part only.
    fn __register_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
        object: *const core::ffi::c_void,
    ) -> c_int;
}

/// Has fork(3) call [`forked`].
fn handle() {
    if HANDLED.swap(true, Ordering::Relaxed) {
        return;
    }
    // SAFETY: the function stays: the library is never unloaded.
    unsafe {
        #[cfg(target_env = "gnu")]
        __register_atfork(None, None, Some(forked), ptr::null());
        #[cfg(not(target_env = "gnu"))]
        libc::pthread_atfork(None, None, Some(forked));
    }
}

/// Runs in the child of a fork(3), which has one thread.
unsafe extern "C" fn forked() {
    for fd in 0..END.swap(0, Ordering::Relaxed) {
        if MARKS[fd as usize].swap(0, Ordering::Relaxed) != 0 {
            let _ = sys::plain(libc::SYS_close, &[fd as usize]);
        }
    }
    notice();
}

/// This process's number.
pub(crate) fn pid() -> c_int {
    match PID.load(Ordering::Relaxed) {
        0 => sys::getpid(),
        pid => pid,
    }
}

/// Starts watching for forks; -errno if the kernel cannot. In a child `abandon` is called
/// before the engine is used again.
pub(crate) fn watch(abandon: Abandon) -> Result<(), c_int> {
    ABANDON.store(abandon as *mut (), Ordering::Release);
    if !PAGE.load(Ordering::Acquire).is_null() {
        notice();
        return Ok(());
    }
    handle();
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
        // SAFETY: another thread was first; nothing refers to this page.
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

/// Gives the tables up, unless another thread was first.
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
            credentials::begin_child();
            file_cache::begin_child();
        }
        let abandon = ABANDON.load(Ordering::Acquire);
        if !abandon.is_null() {
            // SAFETY: `watch` stores nothing but functions of this type.
            let abandon = unsafe { core::mem::transmute::<*mut (), Abandon>(abandon) };
            // SAFETY: a child, whose other threads wait above.
            unsafe { abandon() };
        }
        PID.store(me, Ordering::Release);
    }
    word.store(NOTICED, Ordering::Release);
}
