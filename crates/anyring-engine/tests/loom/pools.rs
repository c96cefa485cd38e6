//! The pool's queue.

use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::queue::Queue;

/// What the pool's threads have done.
struct Done {
    jobs: Mutex<Vec<u32>>,
    more: Condvar,
}

#[derive(Clone)]
struct Pool {
    queue: Arc<Queue<u32>>,
    done: Arc<Done>,
}

impl Pool {
    fn new() -> Self {
        Pool {
            queue: Arc::new(Queue::new()),
            done: Arc::new(Done {
                jobs: Mutex::new(Vec::new()),
                more: Condvar::new(),
            }),
        }
    }

    fn add(&self, job: u32, limit: u32) {
        let pool = self.clone();
        let start = move || pool.start(None);
        let watch = || Err(0);
        self.queue.add(job, limit, true, start, watch).unwrap();
    }

    /// A thread; the first job of two waits for the second.
    fn start(self, blocks: Option<u32>) -> Result<(), i32> {
        thread::spawn(move || {
            while let Some(job) = self.queue.next(|| false) {
                let mut jobs = self.done.jobs.lock().unwrap();
                while blocks == Some(job) && jobs.is_empty() {
                    jobs = self.done.more.wait(jobs).unwrap();
                }
                jobs.push(job);
                self.done.more.notify_all();
            }
        });
        Ok(())
    }

    /// Waits for as many jobs, then lets the threads end.
    fn finish(&self, count: usize) -> Vec<u32> {
        let mut jobs = self.done.jobs.lock().unwrap();
        while jobs.len() < count {
            jobs = self.done.more.wait(jobs).unwrap();
        }
        self.queue.wake.expire(true);
        jobs.sort_unstable();
        jobs.clone()
    }
}

/// A thread for each job.
pub(crate) fn each_has_a_thread() {
    let pool = Pool::new();
    pool.add(1, 2);
    pool.add(2, 2);
    assert_eq!(pool.finish(2), [1, 2]);
}

/// Two threads of the program add jobs for one of the pool.
pub(crate) fn jobs_are_done() {
    let pool = Pool::new();
    let other = pool.clone();
    let adds = thread::spawn(move || other.add(1, 1));
    pool.add(2, 1);
    assert_eq!(pool.finish(2), [1, 2]);
    adds.join().unwrap();
}

/// A thread's time is over just when a job comes.
pub(crate) fn an_idle_thread_ends() {
    let pool = Pool::new();
    pool.add(1, 1);
    let clock = pool.clone();
    let clock = thread::spawn(move || clock.queue.wake.expire(false));
    pool.add(2, 1);
    assert_eq!(pool.finish(2), [1, 2]);
    clock.join().unwrap();
}

/// The only thread that the limit allows is blocked by what another job does.
pub(crate) fn a_blocked_thread_holds_up_nothing() {
    let pool = Pool::new();
    pool.queue.pause.expire(true);
    for job in [1, 2] {
        let (start, watch) = (pool.clone(), pool.clone());
        let watch = move || {
            thread::spawn(move || watch.queue.watch(|| watch.clone().start(Some(1))));
            Ok(())
        };
        let start = move || start.start(Some(1));
        pool.queue.add(job, 1, true, start, watch).unwrap();
    }
    assert_eq!(pool.finish(2), [1, 2]);
}

/// A job is cancelled just when a thread takes it.
pub(crate) fn done_or_cancelled() {
    let pool = Pool::new();
    pool.add(1, 1);
    pool.add(2, 1);
    let cancelled = pool.queue.take_out(|job| *job == 2).is_some();
    let expected: &[u32] = if cancelled { &[1] } else { &[1, 2] };
    assert_eq!(pool.finish(expected.len()), expected);
}
