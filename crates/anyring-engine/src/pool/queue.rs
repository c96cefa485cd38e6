//! The pool's queue: jobs, and the threads that come and go with them.
//!
//! A thread that finds nothing counts itself idle under the lock; a thread that
//! adds a job sees that under this lock and wakes one, so a job is never left
//! to threads that all sleep. Threads are limited, but one whose job waits for
//! another process (the reader of a FIFO, a file server that does not answer) must
//! not hold up other jobs: while jobs wait for the limit a thread watches, and
//! where none was taken for a moment it adds to the threads. `tests/loom` checks
//! it.

use alloc::collections::VecDeque;
use core::ffi::c_int;

use super::lock::Mutex;
use super::sync::{Futex, Ordering, constant};

/// Without a job taken for so long, all threads are taken for blocked.
const STALL_NANOS: u64 = 20_000_000;
/// The most threads, blocked ones included.
const MOST: u32 = 4096;
/// How long a thread stays without work.
const IDLE_NANOS: u64 = 2_000_000_000;

#[derive(Debug)]
struct Jobs<J> {
    waiting: VecDeque<J>,
    threads: u32,
    idle: u32,
    /// Jobs taken so far.
    taken: u32,
    /// A thread watches whether any are.
    watched: bool,
}

impl<J> Jobs<J> {
    const fn new() -> Self {
        Jobs {
            waiting: VecDeque::new(),
            threads: 0,
            idle: 0,
            taken: 0,
            watched: false,
        }
    }
}

/// A queue, with a pool of threads at its end.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    jobs: Mutex<Jobs<J>>,
    pub(super) wake: Futex,
    /// What the thread that watches sleeps on; nothing wakes it.
    pub(super) pause: Futex,
}

impl<J> Queue<J> {
    constant! {
        pub(crate) fn new() -> Self {
            Queue {
                jobs: Mutex::new(Jobs::new()),
                wake: Futex::new(0),
                pause: Futex::new(0),
            }
        }
    }

    /// Adds a job, and a thread that [`next`](Self::next) serves if all others
    /// are busy and the limit allows it; at the limit one that
    /// [`watch`](Self::watch) serves. `patient`: where no thread can be had, the
    /// job may wait for one of those there are.
    pub(crate) fn add(
        &self,
        job: J,
        limit: u32,
        patient: bool,
        start: impl FnOnce() -> Result<(), c_int>,
        watch: impl FnOnce() -> Result<(), c_int>,
    ) -> Result<(), c_int> {
        let mut jobs = self.jobs.lock_without_signals();
        jobs.waiting.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
        if jobs.idle as usize <= jobs.waiting.len() {
            if jobs.threads < limit {
                jobs.threads += 1;
                if let Err(error) = start() {
                    jobs.threads -= 1;
                    if jobs.threads == 0 || !patient {
                        return Err(error);
                    }
                }
            } else if !jobs.watched {
                // Without it the job waits for one of the threads.
                jobs.watched = watch().is_ok();
            }
        }
        jobs.waiting.push_back(job);
        let sleeping = jobs.idle != 0;
        drop(jobs);
        if sleeping {
            self.wake.fetch_add(1, Ordering::Release);
            self.wake.wake(1);
        }
        Ok(())
    }

    /// The next job for a thread of the pool, which ends if there is none for a
    /// while; the last one only if `needed` says no.
    pub(crate) fn next(&self, needed: impl Fn() -> bool) -> Option<J> {
        loop {
            let seen = self.wake.load(Ordering::Acquire);
            let job = {
                let mut jobs = self.jobs.lock();
                let job = jobs.waiting.pop_front();
                if job.is_none() {
                    jobs.idle += 1;
                } else {
                    jobs.taken = jobs.taken.wrapping_add(1);
                }
                job
            };
            if job.is_some() {
                return job;
            }
            self.wake.wait(seen, Some(IDLE_NANOS));
            let needed = needed();
            let mut jobs = self.jobs.lock();
            jobs.idle -= 1;
            let stays = needed && jobs.threads == 1;
            if !stays && jobs.waiting.is_empty() && self.wake.load(Ordering::Acquire) == seen {
                jobs.threads -= 1;
                return None;
            }
        }
    }

    /// Looks after jobs that wait though there are as many threads as the limit
    /// allows, until none does: while none is taken, more threads are started.
    pub(crate) fn watch(&self, start: impl Fn() -> Result<(), c_int>) {
        let mut seen = self.jobs.lock().taken;
        // A thread that was started takes a job before others are.
        let mut added = None;
        loop {
            self.pause.wait(0, Some(STALL_NANOS));
            let mut jobs = self.jobs.lock();
            if jobs.waiting.is_empty() {
                jobs.watched = false;
                return;
            }
            if jobs.taken == seen && jobs.idle == 0 && added != Some(seen) {
                let wanted = (jobs.waiting.len() as u32).min(jobs.threads / 4 + 1);
                for _ in 0..wanted.min(MOST.saturating_sub(jobs.threads)) {
                    jobs.threads += 1;
                    if start().is_err() {
                        jobs.threads -= 1;
                        break;
                    }
                    added = Some(seen);
                }
            }
            seen = jobs.taken;
        }
    }

    /// Takes out the first job that matches.
    pub(crate) fn take_out(&self, matches: impl Fn(&J) -> bool) -> Option<J> {
        let mut jobs = self.jobs.lock_without_signals();
        let place = jobs.waiting.iter().position(matches)?;
        jobs.waiting.remove(place)
    }

    /// Forgets jobs and threads, which a forked child does not have.
    ///
    /// # Safety
    /// No other thread exists that uses the queue.
    pub(crate) unsafe fn begin_child(&self) {
        // SAFETY: the caller is alone.
        unsafe { self.jobs.reset(Jobs::new()) };
    }
}
