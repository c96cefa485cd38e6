//! The pool: threads for what has to block.
//!
//! They start when there is something to do and no thread idle, up to a limit,
//! and end after two idle seconds. Two classes, as the kernel has: bounded
//! work (files) shares a few threads, to which others are added while all of them
//! are blocked; unbounded work (a futex wait) may last for ever and gets a thread
//! each.

mod queue;

use alloc::sync::Arc;
use core::ffi::c_int;

use crate::ops::futex;
use crate::os::credentials;
use crate::os::file_cache;
use crate::os::lock;
use crate::os::sync;
use crate::os::sys;
use crate::os::threads;
use crate::pool::queue::Queue;
use crate::request::{Call, Id, Work};
use crate::ring::Ring;
use crate::ring::ring_registry;
use crate::ring::state::State;

/// Threads for bounded work, unless a program set another limit.
pub(crate) const BOUNDED: u32 = 32;
/// Threads for unbounded work.
pub(crate) const UNBOUNDED: u32 = 4096;

#[derive(Debug)]
struct Job {
    ring: Arc<Ring>,
    serial: u64,
    id: Id,
    work: Work,
}

static QUEUES: [Queue<Job>; 2] = [Queue::new(), Queue::new()];

impl State {
    /// Queues work of a request.
    pub(crate) fn queue_work(&mut self, id: Id, work: Work) -> Result<(), c_int> {
        submit(self, id, work)
    }

    /// Takes a request's work out of the queue; false if it has begun (or ended).
    pub(crate) fn withdraw_work(&self, id: Id) -> bool {
        cancel(self.serial, id)
    }
}

fn submit(state: &mut State, id: Id, work: Work) -> Result<(), c_int> {
    let ring = state.me.upgrade().ok_or(-libc::EBADF)?;
    let kind = usize::from(matches!(work, Work::Futex(_)));
    let limit = match state.workers[kind] {
        0 => [BOUNDED, UNBOUNDED][kind],
        limit => limit,
    };
    let wait = match &work {
        Work::Futex(wait) => Some(Arc::clone(wait)),
        Work::Call(_) | Work::CallAs(..) => None,
    };
    let job = Job {
        ring,
        serial: state.serial,
        id,
        work,
    };
    // Futex waits have a thread each, so that only bounded work is watched for stalls.
    QUEUES[kind].add(
        job,
        limit,
        kind == 0,
        || start(kind),
        || threads::start(move || QUEUES[kind].watch(|| start(kind))),
    )?;
    if let Some(wait) = wait {
        // Without memory its thread is not waited for.
        if state.settling.try_reserve(1).is_ok() {
            state.settling.push(wait);
        }
    }
    Ok(())
}

/// Starts a thread for one of the queues.
fn start(kind: usize) -> Result<(), c_int> {
    threads::start(move || {
        while let Some(job) = QUEUES[kind].next(keeps_watch) {
            perform(job);
        }
    })
}

/// Whether files have to be looked at again, for as long as there are rings.
fn keeps_watch() -> bool {
    file_cache::sweep() && ring_registry::any()
}

fn perform(job: Job) {
    let res = match &job.work {
        // SAFETY: the call and its addresses are what the program asked for, or
        // lie in memory that the request keeps until it is resumed.
        Work::Call(call) => sys::to_res(unsafe { sys::transfer(call.number, &call.args) }),
        Work::CallAs(call, ids) => as_user(*ids, call),
        Work::Futex(wait) => futex::block(wait),
    };
    job.ring.with(false, |state| {
        state.by_worker = true;
        state.resume(job.id, res);
    });
}

/// A call with other ids for files: the kernel has them for each thread.
fn as_user(ids: [u32; 2], call: &Call) -> i32 {
    const NONE: usize = usize::MAX;
    let ours = credentials::effective();
    let set = |ids: [u32; 2]| {
        let _ = sys::plain(libc::SYS_setfsgid, &[ids[1] as usize]);
        let _ = sys::plain(libc::SYS_setfsuid, &[ids[0] as usize]);
        // Neither reports whether it worked; a call with an id that cannot be set returns
        // the present one.
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

fn cancel(serial: u64, id: Id) -> bool {
    // Dropped without the lock: it may be the last to know its ring.
    QUEUES.iter().any(|queue| {
        queue
            .take_out(|job| job.serial == serial && job.id == id)
            .is_some()
    })
}

/// Takes all work of a ring out of the queues.
pub(crate) fn forget(serial: u64) {
    for queue in &QUEUES {
        while queue.take_out(|job| job.serial == serial).is_some() {}
    }
}

/// Forgets the threads, which the child does not have.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the pool.
pub(crate) unsafe fn begin_child() {
    for queue in &QUEUES {
        // SAFETY: the caller is alone.
        unsafe { queue.begin_child() };
    }
}
