//! The pool: threads for what has to block.
//!
//! They start when there is something to do and nobody idle, up to a limit,
//! and end after two idle seconds. Two classes, as the kernel has: bounded
//! work (files) shares a few threads; unbounded work (a futex wait) may last
//! for ever and gets a thread each.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::lock::{Mutex, futex_wait, futex_wake};
use crate::ops::futex;
use crate::register::limits::credentials;
use crate::request::{Call, Id, Work};
use crate::ring::Ring;
use crate::state::State;
use crate::{sys, threads};

/// Threads for bounded work, unless a program set another limit.
pub(crate) const BOUNDED: u32 = 32;
/// Threads for unbounded work.
pub(crate) const UNBOUNDED: u32 = 4096;
const IDLE_NANOS: u64 = 2_000_000_000;

#[derive(Debug)]
struct Job {
    ring: Arc<Ring>,
    serial: u64,
    id: Id,
    work: Work,
}

#[derive(Debug)]
struct Class {
    queue: VecDeque<Job>,
    threads: u32,
    idle: u32,
}

impl Class {
    const fn new() -> Class {
        Class {
            queue: VecDeque::new(),
            threads: 0,
            idle: 0,
        }
    }
}

static CLASSES: [Mutex<Class>; 2] = [Mutex::new(Class::new()), Mutex::new(Class::new())];
static WAKE: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

/// Queues work of a request.
pub(crate) fn submit(state: &State, id: Id, work: Work) -> Result<(), c_int> {
    let ring = state.me.upgrade().ok_or(-libc::EBADF)?;
    let kind = usize::from(matches!(work, Work::Futex(_)));
    let limit = match state.workers[kind] {
        0 => [BOUNDED, UNBOUNDED][kind],
        limit => limit,
    };
    let mut class = CLASSES[kind].lock();
    class.queue.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
    if class.idle as usize <= class.queue.len() && class.threads < limit {
        class.threads += 1;
        if let Err(error) = threads::start(Box::new(move || work_off(kind))) {
            class.threads -= 1;
            // Somebody else will come to it, if there is anybody, and if what
            // they do ends.
            if class.threads == 0 || kind == 1 {
                return Err(error);
            }
        }
    }
    let wait = match &work {
        Work::Futex(wait) => Some(Arc::clone(wait)),
        Work::Call(_) | Work::CallAs(..) => None,
    };
    class.queue.push_back(Job {
        ring,
        serial: state.serial,
        id,
        work,
    });
    let sleeping = class.idle != 0;
    drop(class);
    if sleeping {
        WAKE[kind].fetch_add(1, Ordering::Release);
        futex_wake(&WAKE[kind], 1);
    }
    if let Some(wait) = wait {
        futex::settle_in(&wait);
    }
    Ok(())
}

/// A thread of the pool.
fn work_off(kind: usize) {
    loop {
        let seen = WAKE[kind].load(Ordering::Acquire);
        let job = {
            let mut class = CLASSES[kind].lock();
            let job = class.queue.pop_front();
            if job.is_none() {
                class.idle += 1;
            }
            job
        };
        if let Some(job) = job {
            perform(job);
            continue;
        }
        futex_wait(&WAKE[kind], seen, Some(IDLE_NANOS));
        let mut class = CLASSES[kind].lock();
        class.idle -= 1;
        if class.queue.is_empty() && WAKE[kind].load(Ordering::Acquire) == seen {
            class.threads -= 1;
            return;
        }
    }
}

fn perform(job: Job) {
    let res = match &job.work {
        // SAFETY: the call and its addresses are what the program asked for, or
        // lie in memory that the request keeps until it is resumed.
        Work::Call(call) => sys::to_res(unsafe { sys::raw(call.number, &call.args) }),
        Work::CallAs(call, ids) => as_user(*ids, call),
        Work::Futex(wait) => futex::block(wait),
    };
    job.ring.with(false, |state| state.resume(job.id, res));
}

/// A call with other ids for files: the kernel has them for each thread.
fn as_user(ids: [u32; 2], call: &Call) -> i32 {
    const NONE: usize = usize::MAX;
    let ours = credentials();
    let set = |ids: [u32; 2]| {
        let _ = sys::plain(libc::SYS_setfsgid, &[ids[1] as usize]);
        let _ = sys::plain(libc::SYS_setfsuid, &[ids[0] as usize]);
        // Neither tells whether it worked; asking for nonsense tells what is.
        sys::plain(libc::SYS_setfsuid, &[NONE]) == Ok(ids[0] as usize)
            && sys::plain(libc::SYS_setfsgid, &[NONE]) == Ok(ids[1] as usize)
    };
    let res = if set(ids) {
        // SAFETY: as in `perform`.
        sys::to_res(unsafe { sys::raw(call.number, &call.args) })
    } else {
        -libc::EPERM
    };
    // The user first: a group can be set by those who may.
    let _ = sys::plain(libc::SYS_setfsuid, &[ours[0] as usize]);
    set(ours);
    res
}

/// Takes a request's work out of the queue; false if it has begun (or ended).
pub(crate) fn cancel(serial: u64, id: Id) -> bool {
    CLASSES.iter().any(|class| {
        let mut class = class.lock();
        let place = class
            .queue
            .iter()
            .position(|job| job.serial == serial && job.id == id);
        let job = place.and_then(|place| class.queue.remove(place));
        drop(class);
        // Dropped without the lock: it may be the last to know its ring.
        job.is_some()
    })
}

/// Takes all work of a ring out of the queues.
pub(crate) fn forget(serial: u64) {
    for class in &CLASSES {
        loop {
            let mut class = class.lock();
            let place = class.queue.iter().position(|job| job.serial == serial);
            let job = place.and_then(|place| class.queue.remove(place));
            drop(class);
            if job.is_none() {
                break;
            }
        }
    }
}

/// Forgets the threads, which the child does not have.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the pool.
pub(crate) unsafe fn begin_child() {
    for class in &CLASSES {
        // SAFETY: the caller is alone.
        unsafe { class.reset(Class::new()) };
    }
}
