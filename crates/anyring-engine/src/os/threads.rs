//! Threads of the engine's own.
//!
//! pthread_create(3) calls malloc(3), in which the thread that needs another one may have
//! been interrupted by the signal whose handler is running. So one thread does nothing but
//! start others, from the first ring to the end of the last: it takes no lock of a ring, and
//! has taken memory once, so that glibc has given it an arena of its own. A thread gets the
//! credentials, the working directory and so on of the one that starts it; one that has
//! others than the starter therefore starts its threads itself.
//!
//! # Safety
//! pthread_create(3) on functions that never unwind and take one owned word.
//! Every signal is blocked in them: handlers belong to the program's threads.

use alloc::boxed::Box;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use crate::os::lock::Mutex;
use crate::os::sync::{AtomicU32, Futex, NoSignals, Ordering};
use crate::os::{credentials, user_memory};

/// Bytes of stack: no function of the engine needs more than a few pages.
const STACK: usize = 256 * 1024;

/// What [`Order::answer`] says until there is one; no error of pthread_create(3).
const PENDING: u32 = u32::MAX;

/// A thread to be started, asked for by one that waits for the answer.
#[derive(Debug)]
struct Order {
    main: extern "C" fn(*mut c_void) -> *mut c_void,
    body: *mut c_void,
    /// What pthread_create(3) returned.
    answer: AtomicU32,
    next: *const Order,
}

/// The thread that starts others.
#[derive(Debug)]
struct Starter {
    /// Whose credentials it has; 0 while there is none.
    credentials: u64,
    /// Tells it from those that were there before it.
    generation: u32,
    /// The first of a list; each order stays in place until it is answered.
    orders: *const Order,
}

// SAFETY: orders are reached with the lock held, and by the thread that took them from the
// list; who made one keeps it until the answer is there.
unsafe impl Send for Starter {}

impl Starter {
    const fn new() -> Starter {
        Starter {
            credentials: 0,
            generation: 0,
            orders: ptr::null(),
        }
    }
}

static STARTER: Mutex<Starter> = Mutex::new(Starter::new());
/// Counts what the starter has to look at.
static CALLS: Futex = Futex::new(0);
/// Counts its answers.
static ANSWERS: Futex = Futex::new(0);

/// Has a thread ready that starts others. Without one they are started where they are
/// needed.
pub(crate) fn prepare() {
    let generation = {
        let mut starter = STARTER.lock_without_signals();
        if starter.credentials != 0 {
            return;
        }
        starter.generation = starter.generation.wrapping_add(1);
        starter.generation
    };
    let credentials = credentials::here();
    // Nothing is ordered of it before it is known to run.
    if start_here(move || serve(generation)).is_ok() {
        let mut starter = STARTER.lock_without_signals();
        if starter.generation == generation {
            starter.credentials = credentials;
        }
    }
}

/// Ends the starter: no ring is left that may need a thread.
pub(crate) fn finish() {
    {
        let mut starter = STARTER.lock_without_signals();
        starter.credentials = 0;
        starter.generation = starter.generation.wrapping_add(1);
    }
    CALLS.fetch_add(1, Ordering::Release);
    CALLS.wake(u32::MAX);
}

/// The starter.
fn serve(generation: u32) {
    // SAFETY: what malloc gave is freed once; neither call has preconditions else.
    unsafe { libc::free(libc::malloc(64)) };
    loop {
        let seen = CALLS.load(Ordering::Acquire);
        let (first, ends) = {
            let mut starter = STARTER.lock();
            let first = core::mem::replace(&mut starter.orders, ptr::null());
            (first, starter.generation != generation)
        };
        let mut at = first;
        while !at.is_null() {
            // SAFETY: who made the order waits for the answer, so it is there until then; its
            // body is a box's, which `main` is for.
            at = unsafe {
                let next = (*at).next;
                let error = create((*at).main, (*at).body);
                // The order may be gone from here on.
                (*at).answer.store(error as u32, Ordering::Release);
                next
            };
            ANSWERS.fetch_add(1, Ordering::Release);
            ANSWERS.wake(u32::MAX);
        }
        if ends {
            return;
        }
        if first.is_null() {
            CALLS.wait(seen, None);
        }
    }
}

/// Has the starter start a thread, if it has these credentials; else nothing.
fn order(
    credentials: u64,
    main: extern "C" fn(*mut c_void) -> *mut c_void,
    body: *mut c_void,
) -> Option<c_int> {
    // A handler that jumps out of here would take the order away.
    let _signals = NoSignals::new();
    let mut order = Order {
        main,
        body,
        answer: AtomicU32::new(PENDING),
        next: ptr::null(),
    };
    {
        let mut starter = STARTER.lock();
        if starter.credentials != credentials {
            return None;
        }
        order.next = starter.orders;
        starter.orders = &raw const order;
    }
    CALLS.fetch_add(1, Ordering::Release);
    CALLS.wake(u32::MAX);
    loop {
        let seen = ANSWERS.load(Ordering::Acquire);
        match order.answer.load(Ordering::Acquire) {
            PENDING => ANSWERS.wait(seen, None),
            error => return Some(error as c_int),
        }
    }
}

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
    begin(body, true)
}

/// Starts one in this thread, whose credentials it gets.
fn start_here<F: FnOnce() + Send + 'static>(body: F) -> Result<(), c_int> {
    begin(body, false)
}

fn begin<F: FnOnce() + Send + 'static>(body: F, may_order: bool) -> Result<(), c_int> {
    let body = Box::into_raw(user_memory::boxed(body)?);
    let credentials = credentials::begin_thread();
    let ordered = if may_order {
        order(credentials, run::<F>, body.cast())
    } else {
        None
    };
    // SAFETY: the box of the type that `run` is for.
    let error = ordered.unwrap_or_else(|| unsafe { create(run::<F>, body.cast()) });
    if error != 0 {
        credentials::no_thread();
        // SAFETY: no thread took it.
        drop(unsafe { Box::from_raw(body) });
        return Err(-error);
    }
    Ok(())
}

/// pthread_create(3), detached, with all signals blocked.
///
/// # Safety
/// `body` is what `main` takes; it is the thread's if this returns 0.
unsafe fn create(main: extern "C" fn(*mut c_void) -> *mut c_void, body: *mut c_void) -> c_int {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: each object is initialised by the first call that gets it; the
    // signal mask of this thread is as before at the end.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let mut error = create_sized(Some(STACK), main, body);
        if error == libc::EINVAL {
            // A program with large thread-local variables: they are part of the
            // stack. What it uses for its own threads will do.
            error = create_sized(None, main, body);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        error
    }
}

/// pthread_create(3), detached, with a stack of that size or the default one.
///
/// # Safety
/// That of [`create`].
unsafe fn create_sized(
    stack: Option<usize>,
    main: extern "C" fn(*mut c_void) -> *mut c_void,
    body: *mut c_void,
) -> c_int {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: each object is initialised by the first call that gets it; `body`
    // is what `main` takes: the contract of this function.
    unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        if let Some(stack) = stack {
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack);
        }
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        let error = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), main, body);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        error
    }
}

/// Forgets the starter, which the child does not have.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the engine.
pub(crate) unsafe fn begin_child() {
    // SAFETY: the caller is alone.
    unsafe { STARTER.reset(Starter::new()) };
}
