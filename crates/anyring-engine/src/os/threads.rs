//! Threads of the engine's own.
//!
//! # Safety
//! pthread_create(3) on functions that never unwind and take one owned word.
//! Every signal is blocked in them: handlers belong to the program's threads.

use alloc::boxed::Box;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use crate::os::{credentials, user_memory};

/// Bytes of stack: no function of the engine needs more than a few pages.
const STACK: usize = 256 * 1024;

extern "C" fn run<F: FnOnce()>(body: *mut c_void) -> *mut c_void {
    // SAFETY: the box of this type that `start` gave away, once.
    let body = unsafe { Box::from_raw(body.cast::<F>()) };
    credentials::thread_runs();
    body();
    credentials::end_thread();
    ptr::null_mut()
}

/// Starts a detached thread; -errno (mostly -EAGAIN) if there can be none.
pub(crate) fn start<F: FnOnce() + Send + 'static>(body: F) -> Result<(), c_int> {
    let body = Box::into_raw(user_memory::boxed(body)?);
    credentials::begin_thread();
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: each object is initialised by the first call that gets it; the
    // signal mask of this thread is as before at the end.
    let error = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let mut error = create(Some(STACK), body);
        if error == libc::EINVAL {
            // A program with large thread-local variables: they are part of the
            // stack. What it uses for its own threads will do.
            error = create(None, body);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        error
    };
    if error != 0 {
        credentials::no_thread();
        // SAFETY: no thread took it.
        drop(unsafe { Box::from_raw(body) });
        return Err(-error);
    }
    Ok(())
}

/// pthread_create(3), detached, with a stack of that size or the default one.
///
/// # Safety
/// `body` is a box's; it is the thread's if this returns 0.
unsafe fn create<F: FnOnce()>(stack: Option<usize>, body: *mut F) -> c_int {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: each object is initialised by the first call that gets it; `body`
    // is a box's, which the thread gets: the contract of this function.
    unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        if let Some(stack) = stack {
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack);
        }
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        let error = libc::pthread_create(
            thread.as_mut_ptr(),
            attributes.as_ptr(),
            run::<F>,
            body.cast(),
        );
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        error
    }
}
