//! A pool of threads that call pread(2), as event loops have for files.
//!
//! # Safety
//! `Engine` keeps file and memory for longer than the queue, which joins its
//! threads, and looks at a slot's bytes only when its read is done.
#![allow(unsafe_code, reason = "reads into the engine's memory; see above")]

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::others::pread;
use super::{Done, Queue, Setup};

/// As many as libuv starts.
pub(super) const THREADS: usize = 4;

#[derive(Default)]
struct Work {
    asked: VecDeque<(usize, u64)>,
    done: Vec<Done>,
    over: bool,
}

#[derive(Default)]
struct Shared {
    work: Mutex<Work>,
    asked: Condvar,
    done: Condvar,
}

/// What a thread needs of the setup.
#[derive(Clone, Copy)]
struct Place {
    fd: i32,
    block: usize,
    memory: *mut u8,
}

// SAFETY: the memory is not bound to a thread, and a slot is one thread's at a
// time.
unsafe impl Send for Place {}

impl Place {
    fn read(self, slot: usize, offset: u64) -> i32 {
        // SAFETY: the slot lies inside the memory of the engine.
        unsafe {
            pread(
                self.fd,
                self.memory.add(slot * self.block),
                self.block,
                offset,
            )
        }
    }
}

/// The pool.
pub(super) struct Threads {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(super) fn new(setup: &Setup) -> Result<Self, String> {
        let place = Place {
            fd: setup.fd,
            block: setup.block,
            memory: setup.memory,
        };
        let mut pool = Threads {
            shared: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..THREADS {
            let shared = pool.shared.clone();
            let thread = std::thread::Builder::new().spawn(move || work_off(&shared, place));
            pool.threads
                .push(thread.map_err(|e| format!("a thread: {e}"))?);
        }
        Ok(pool)
    }
}

fn work_off(shared: &Shared, place: Place) {
    let mut work = shared.work.lock().unwrap_or_else(PoisonError::into_inner);
    while !work.over {
        let Some((slot, offset)) = work.asked.pop_front() else {
            work = shared
                .asked
                .wait(work)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        drop(work);
        let result = place.read(slot, offset);
        work = shared.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.done.push(Done { slot, result });
        shared.done.notify_one();
    }
}

impl Queue for Threads {
    // They are made in the threads.
    const COUNTS: bool = false;

    fn push(&mut self, slot: usize, offset: u64) {
        let mut work = self
            .shared
            .work
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work.asked.push_back((slot, offset));
        drop(work);
        self.shared.asked.notify_one();
    }

    fn exchange(&mut self, done: &mut Vec<Done>) -> Result<(), String> {
        let mut work = self
            .shared
            .work
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while work.done.is_empty() {
            work = self
                .shared
                .done
                .wait(work)
                .unwrap_or_else(PoisonError::into_inner);
        }
        done.append(&mut work.done);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared
            .work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .over = true;
        self.shared.asked.notify_all();
        for thread in self.threads.drain(..) {
            // It has not panicked: nothing in it can.
            let _ = thread.join();
        }
    }
}
