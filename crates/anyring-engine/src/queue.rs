//! The pool's queue: jobs, and the threads that come and go with them.
//!
//! A thread that finds nothing counts itself idle under the lock; whoever adds
//! a job sees that under the same lock and wakes one, so a job is never left
//! to threads that all sleep. `tests/loom` checks it.

use alloc::collections::VecDeque;
use core::ffi::c_int;

use super::lock::Mutex;
use super::sync::{Futex, Ordering, constant};

/// How long a thread stays without work.
const IDLE_NANOS: u64 = 2_000_000_000;

#[derive(Debug)]
struct Jobs<J> {
    waiting: VecDeque<J>,
    threads: u32,
    idle: u32,
}

impl<J> Jobs<J> {
    const fn new() -> Self {
        Jobs {
            waiting: VecDeque::new(),
            threads: 0,
            idle: 0,
        }
    }
}

/// A queue, with a pool of threads at its end.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    jobs: Mutex<Jobs<J>>,
    pub(super) wake: Futex,
}

impl<J> Queue<J> {
    constant! {
        pub(crate) fn new() -> Self {
            Queue {
                jobs: Mutex::new(Jobs::new()),
                wake: Futex::new(0),
            }
        }
    }

    /// Adds a job, and a thread that [`next`](Self::next) serves if all others
    /// are busy and the limit allows it. `patient`: where no thread can be had,
    /// the job may wait for one of those there are.
    pub(crate) fn add(
        &self,
        job: J,
        limit: u32,
        patient: bool,
        start: impl FnOnce() -> Result<(), c_int>,
    ) -> Result<(), c_int> {
        let mut jobs = self.jobs.lock();
        jobs.waiting.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
        if jobs.idle as usize <= jobs.waiting.len() && jobs.threads < limit {
            jobs.threads += 1;
            if let Err(error) = start() {
                jobs.threads -= 1;
                if jobs.threads == 0 || !patient {
                    return Err(error);
                }
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

    /// Takes out the first job that matches.
    pub(crate) fn take_out(&self, matches: impl Fn(&J) -> bool) -> Option<J> {
        let mut jobs = self.jobs.lock();
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
