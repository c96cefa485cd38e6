//! The rings' queues, against a program that uses the library's inline code,
//! and the sleep of an SQPOLL thread.

use anyring::abi::{IORING_SQ_CQ_OVERFLOW, io_uring_sqe};
use anyring::ring::protocol::{cq_advance, cq_tail, sq_head, sq_needs_wakeup, sq_publish};
use std::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use crate::ordered::Ordered;

use super::cq::{Completion, CompletionQueue};
use super::sqpoll_idle::{self, Polled};
use super::lock::Mutex;
use super::shared::Shared;
use super::sq::SubmissionQueue;
use super::sync::{Cell, Futex};

/// The memory of a ring, with queues as small as can be: what can go wrong
/// between neighbours does.
struct Memory {
    sq_head: AtomicU32,
    sq_tail: AtomicU32,
    cq_head: AtomicU32,
    cq_tail: AtomicU32,
    sq_flags: AtomicU32,
    sq_dropped: AtomicU32,
    cq_overflow: AtomicU32,
    sqes: Vec<Cell<u64>>,
    cqe: Cell<u64>,
}

impl Memory {
    fn new(sq_entries: usize) -> Self {
        let word = || AtomicU32::new(0);
        Memory {
            sq_head: word(),
            sq_tail: word(),
            cq_head: word(),
            cq_tail: word(),
            sq_flags: word(),
            sq_dropped: word(),
            cq_overflow: word(),
            sqes: (0..sq_entries).map(|_| Cell::new(0)).collect(),
            cqe: Cell::new(0),
        }
    }

    fn write(cell: &Cell<u64>, value: u64) {
        // SAFETY: loom refuses any other thread here meanwhile.
        unsafe { *cell.reach().pointer() = value };
    }

    fn read(cell: &Cell<u64>) -> u64 {
        // SAFETY: as above.
        unsafe { *cell.reach().pointer() }
    }
}

// SAFETY: the cells are what is checked; loom refuses two threads in one.
unsafe impl Sync for Memory {}

impl Shared for Memory {
    fn sq_head(&self) -> &AtomicU32 {
        &self.sq_head
    }
    fn sq_tail(&self) -> &AtomicU32 {
        &self.sq_tail
    }
    fn cq_head(&self) -> &AtomicU32 {
        &self.cq_head
    }
    fn cq_tail(&self) -> &AtomicU32 {
        &self.cq_tail
    }
    fn sq_flags(&self) -> &AtomicU32 {
        &self.sq_flags
    }
    fn sq_dropped(&self) -> &AtomicU32 {
        &self.sq_dropped
    }
    fn cq_overflow(&self) -> &AtomicU32 {
        &self.cq_overflow
    }
    fn sq_entries(&self) -> u32 {
        self.sqes.len() as u32
    }
    fn cq_entries(&self) -> u32 {
        1
    }
    fn sq_slot(&self, position: u32) -> Option<u32> {
        Some(position % self.sq_entries())
    }
    fn sqe(&self, slot: u32) -> io_uring_sqe {
        // SAFETY: an SQE is integers.
        let mut sqe: io_uring_sqe = unsafe { core::mem::zeroed() };
        sqe.user_data = Memory::read(&self.sqes[slot as usize]);
        sqe
    }
    fn put_cqe(&self, _: u32, user_data: u64, _: i32, _: u32) {
        Memory::write(&self.cqe, user_data);
    }
    fn put_extra(&self, _: u32, _: [u64; 2]) {}
}

/// More completions than the queue has room for, from two threads of the
/// engine, to a program that looks at the memory and enters only when the
/// overflow flag asks for it.
pub(crate) fn completions() {
    const ALL: u64 = 3;
    let ring = Arc::new((Memory::new(1), Mutex::new((CompletionQueue::new(0), 0))));
    let post = |ring: &(Memory, Mutex<(CompletionQueue, u64)>)| {
        let (cq, count) = &mut *ring.1.lock();
        *count += 1;
        let completion = Completion {
            user_data: *count,
            res: 0,
            flags: 0,
            extra: None,
        };
        cq.post(&ring.0, completion, false);
    };
    let engine = Arc::clone(&ring);
    let engine = thread::spawn(move || {
        post(&engine);
        post(&engine);
    });
    post(&ring);
    let (memory, lock) = &*ring;
    let mut taken = 0;
    while taken < ALL {
        if cq_tail(Ordered(&memory.cq_tail)) as u64 != taken {
            taken += 1;
            assert_eq!(Memory::read(&memory.cqe), taken);
            cq_advance(Ordered(&memory.cq_head), 1);
        } else if memory.sq_flags.load(Relaxed) & IORING_SQ_CQ_OVERFLOW != 0 {
            lock.lock().0.flush(memory, true);
        } else {
            thread::yield_now();
        }
    }
    engine.join().unwrap();
    let (cq, _) = &*lock.lock();
    assert!(!cq.has_more());
    assert_eq!(memory.sq_flags.load(Relaxed) & IORING_SQ_CQ_OVERFLOW, 0);
}

/// A ring that an SQPOLL thread serves.
struct Ring {
    memory: Memory,
    state: Mutex<State>,
    wake_word: Futex,
}

#[derive(Default)]
struct State {
    sq: SubmissionQueue,
    taken: u64,
    gone: bool,
}

impl Ring {
    fn new(sq_entries: usize) -> Arc<Self> {
        Arc::new(Ring {
            memory: Memory::new(sq_entries),
            state: Mutex::new(State::default()),
            wake_word: Futex::new(0),
        })
    }

    /// Submits one entry after the other.
    fn publish(&self, count: u32) {
        let entries = self.memory.sq_entries();
        for number in 1..=count {
            while number - 1 - sq_head(Ordered(&self.memory.sq_head), true) == entries {
                thread::yield_now();
            }
            let slot = (number - 1) % entries;
            Memory::write(&self.memory.sqes[slot as usize], number.into());
            sq_publish(Ordered(&self.memory.sq_tail), number, true);
            if sq_needs_wakeup(Ordered(&self.memory.sq_flags)) {
                sqpoll_idle::wake(self);
            }
        }
    }

    /// Takes one entry if there is one.
    fn take(&self) -> u32 {
        let state = &mut *self.state.lock();
        if state.sq.ready(&self.memory) == 0 {
            return 0;
        }
        let sqe = state.sq.take(&self.memory).unwrap();
        state.taken += 1;
        assert_eq!(sqe.user_data, state.taken);
        1
    }
}

impl Polled for Ring {
    type Memory = Memory;

    fn wake_word(&self) -> &Futex {
        &self.wake_word
    }

    fn idle_nanos(&self) -> u64 {
        0
    }

    fn now(&self) -> u64 {
        0
    }

    fn submit(&self) -> Option<u32> {
        if self.state.lock().gone {
            return None;
        }
        Some(self.take())
    }

    fn look<R>(&self, look: impl FnOnce(&SubmissionQueue, &Memory, bool) -> R) -> Option<R> {
        let state = self.state.lock();
        (!state.gone).then(|| look(&state.sq, &self.memory, false))
    }
}

/// Two entries through one slot.
pub(crate) fn submissions() {
    let ring = Ring::new(1);
    let program = Arc::clone(&ring);
    let program = thread::spawn(move || program.publish(2));
    while ring.state.lock().taken < 2 {
        if ring.take() == 0 {
            thread::yield_now();
        }
    }
    program.join().unwrap();
}

/// The thread sleeps whenever the queue is empty; what the program publishes
/// meanwhile is taken all the same.
pub(crate) fn sqpoll() {
    const ALL: u32 = 2;
    let ring = Ring::new(2);
    let poller = Arc::clone(&ring);
    let poller = thread::spawn(move || {
        let mut worked = 0;
        while poller.state.lock().taken < u64::from(ALL) {
            assert!(sqpoll_idle::poll_once(&*poller, &mut worked));
        }
    });
    ring.publish(ALL);
    poller.join().unwrap();
}

/// A ring is closed while its thread goes to sleep.
pub(crate) fn sqpoll_ends() {
    let ring = Ring::new(2);
    let poller = Arc::clone(&ring);
    let poller = thread::spawn(move || {
        let mut worked = 0;
        while sqpoll_idle::poll_once(&*poller, &mut worked) {}
    });
    ring.state.lock().gone = true;
    sqpoll_idle::wake(&*ring);
    poller.join().unwrap();
}
