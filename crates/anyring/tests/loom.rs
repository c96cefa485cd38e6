//! Models of the ring protocol: every interleaving and every legal reordering.
//!
//! The functions under test are those that rings use; only the words are loom's.
//! The kernel's side is written here as io_uring(7) describes it. Each model has a
//! twin with a weaker word, which loom must refuse: so the models can fail.

#[path = "common/ordered.rs"]
mod ordered;

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use anyring::abi::IORING_SQ_NEED_WAKEUP;
use anyring::ring::protocol::{cq_advance, cq_tail, sq_head, sq_needs_wakeup, sq_publish};
use anyring::ring::word::Word;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, fence};
use loom::thread;

use ordered::Ordered;

/// A word without any order.
#[derive(Clone, Copy)]
struct Unordered<'a>(&'a AtomicU32);

impl Word for Unordered<'_> {
    fn load(self) -> u32 {
        self.0.load(Relaxed)
    }
    fn load_acquire(self) -> u32 {
        self.0.load(Relaxed)
    }
    fn store(self, value: u32) {
        self.0.store(value, Relaxed);
    }
    fn store_release(self, value: u32) {
        self.0.store(value, Relaxed);
    }
    fn fence() {}
}

/// A queue of one slot.
struct Queue {
    head: AtomicU32,
    tail: AtomicU32,
    slot: UnsafeCell<u32>,
}

impl Queue {
    fn new() -> Arc<Self> {
        Arc::new(Queue {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            slot: UnsafeCell::new(0),
        })
    }

    fn write(&self, value: u32) {
        // SAFETY: loom checks that nobody else looks at the slot meanwhile.
        self.slot.with_mut(|slot| unsafe { *slot = value });
    }

    fn read(&self) -> u32 {
        // SAFETY: loom checks that nobody writes the slot meanwhile.
        self.slot.with(|slot| unsafe { *slot })
    }
}

/// Submits two entries through one slot to an SQPOLL thread.
fn submission<'a, W: Word + 'a>(word: fn(&'a AtomicU32) -> W, queue: &'a Queue) {
    for value in 1..=2_u32 {
        while value - 1 - sq_head(word(&queue.head), true) == 1 {
            thread::yield_now();
        }
        queue.write(value);
        sq_publish(word(&queue.tail), value, true);
    }
}

fn kernel_takes(queue: &Queue) {
    for value in 1..=2_u32 {
        while queue.tail.load(Acquire) < value {
            thread::yield_now();
        }
        assert_eq!(queue.read(), value);
        queue.head.store(value, Release);
    }
}

#[test]
fn submission_queue() {
    loom::model(|| {
        let queue = Queue::new();
        let other = Arc::clone(&queue);
        let kernel = thread::spawn(move || kernel_takes(&other));
        submission(Ordered, &queue);
        kernel.join().unwrap();
    });
}

#[test]
#[should_panic = "Causality violation"]
fn submission_queue_without_order() {
    loom::model(|| {
        let queue = Queue::new();
        let other = Arc::clone(&queue);
        let kernel = thread::spawn(move || kernel_takes(&other));
        submission(Unordered, &queue);
        kernel.join().unwrap();
    });
}

fn kernel_posts(queue: &Queue) {
    for value in 1..=2_u32 {
        while value - 1 - queue.head.load(Acquire) == 1 {
            thread::yield_now();
        }
        queue.write(value);
        queue.tail.store(value, Release);
    }
}

fn completion<'a, W: Word + 'a>(word: fn(&'a AtomicU32) -> W, queue: &'a Queue) {
    for value in 1..=2_u32 {
        while cq_tail(word(&queue.tail)) < value {
            thread::yield_now();
        }
        assert_eq!(queue.read(), value);
        cq_advance(word(&queue.head), 1);
    }
}

#[test]
fn completion_queue() {
    loom::model(|| {
        let queue = Queue::new();
        let other = Arc::clone(&queue);
        let kernel = thread::spawn(move || kernel_posts(&other));
        completion(Ordered, &queue);
        kernel.join().unwrap();
    });
}

#[test]
#[should_panic = "Causality violation"]
fn completion_queue_without_order() {
    loom::model(|| {
        let queue = Queue::new();
        let other = Arc::clone(&queue);
        let kernel = thread::spawn(move || kernel_posts(&other));
        completion(Unordered, &queue);
        kernel.join().unwrap();
    });
}

/// The thread says that it will sleep and looks once more; the program publishes
/// and looks whether it has to wake it. One of them must see the other.
fn wakeup<W: Word + 'static>(word: fn(&'static AtomicU32) -> W) {
    loom::model(move || {
        // Leaked per run: the words have to outlive both threads.
        let tail: &'static AtomicU32 = Box::leak(Box::new(AtomicU32::new(0)));
        let flags: &'static AtomicU32 = Box::leak(Box::new(AtomicU32::new(0)));
        let kernel = thread::spawn(move || {
            flags.store(IORING_SQ_NEED_WAKEUP, Relaxed);
            fence(SeqCst);
            tail.load(Acquire) == 0
        });
        sq_publish(word(tail), 1, true);
        let woken = sq_needs_wakeup(word(flags));
        let sleeps = kernel.join().unwrap();
        assert!(!sleeps || woken, "the thread sleeps and nobody wakes it");
    });
}

#[test]
fn wake_up() {
    wakeup(Ordered);
}

#[test]
#[should_panic = "nobody wakes it"]
fn wake_up_without_the_fence() {
    wakeup(Unordered);
}
