//! A ring and what its operations keep alive.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyring::Errno;
use anyring_abi as abi;
use anyring_abi::{__kernel_timespec, io_uring_params, io_uring_sqe};
use pyo3::prelude::*;

use crate::cqe::Completed;
pub(crate) use crate::fork::generation;
use crate::inflight::{Table, Token};
use crate::keep::{Keep, Keeps, Pinned};
use crate::os_error;
use crate::queue::Queue;
use crate::sqe::{Phase, Sqe, fresh};
use entries::Entries;

mod complete;
mod entries;
mod stage;
mod wait;

pub(crate) use stage::cancels_by_tag;
pub(crate) use wait::Raw;

/// How long closing waits for the kernel to let go.
const PATIENCE: Duration = Duration::from_secs(1);

/// A request in flight.
struct Request {
    /// What the program tagged it with.
    user_data: u64,
    keep: Keeps,
    hide_success: bool,
}

/// Requests that stand for one: cancelling all operations with a tag.
struct Group {
    user_data: u64,
    done: i32,
    error: i32,
    hide_success: bool,
}

/// What a ring is made of.
pub(crate) struct State {
    queue: Option<Queue>,
    process: u32,
    pub(crate) entries: Entries,
    requests: Table<Request, Group>,
    /// Requests of groups that no program prepared, to be submitted.
    extra: u32,
    /// Completions from number `kept` on; those before `head` are given back.
    ready: VecDeque<Completed>,
    kept: u64,
    /// Completions given back so far.
    pub(crate) head: u64,
    /// Set by close, not by drop.
    pub(crate) closed: Arc<AtomicBool>,
    /// Registered buffers and regions.
    pub(crate) registered: Vec<Arc<Keep>>,
    /// Buffers given to groups: `(group, buffer)`.
    pub(crate) provided: Vec<(u16, Arc<Keep>)>,
    /// Rings of provided buffers by group.
    pub(crate) buf_rings: Vec<(u16, Arc<crate::bufring::Memory>)>,
    /// Those unregistered while operations were in flight.
    pub(crate) retired: Vec<Arc<crate::bufring::Memory>>,
    /// Entries are of the older style.
    old: bool,
}

pub(crate) fn raise(error: Errno) -> PyErr {
    os_error(error.0)
}

/// A result of the core; `-errno` becomes an OSError.
pub(crate) fn checked(result: i32) -> PyResult<u32> {
    anyring::check(result).map_err(raise)
}

impl State {
    /// Takes a ring over.
    pub(crate) fn new(queue: Queue, old: bool) -> PyResult<Self> {
        Ok(State {
            queue: Some(queue),
            process: generation(),
            entries: Entries::default(),
            requests: Table::new()?,
            extra: 0,
            ready: VecDeque::new(),
            kept: 0,
            head: 0,
            closed: Arc::new(AtomicBool::new(false)),
            registered: Vec::new(),
            provided: Vec::new(),
            buf_rings: Vec::new(),
            retired: Vec::new(),
            old,
        })
    }

    /// The open ring; RuntimeError in a child process and after close.
    #[inline]
    pub(crate) fn queue(&mut self) -> PyResult<&mut Queue> {
        if self.process != generation() {
            return Err(crate::make::foreign());
        }
        self.queue.as_mut().ok_or_else(crate::make::closed)
    }

    /// Whether `queue` gives it.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.process == generation() && self.queue.is_some()
    }

    /// Whether entries are of the older style.
    pub(crate) fn is_old(&self) -> bool {
        self.old
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.requests.live()
    }

    /// Completions that were of no request that could have them.
    pub(crate) fn ignored(&self) -> u64 {
        self.requests.ignored()
    }

    /// Completions that are ready and not given back.
    #[inline]
    pub(crate) fn ready(&self) -> usize {
        self.ready.len() - (self.head - self.kept) as usize
    }

    /// Completion number `index`, given back or not, while it is remembered.
    #[inline]
    pub(crate) fn entry(&self, index: u64) -> Option<Completed> {
        let place = usize::try_from(index.checked_sub(self.kept)?).ok()?;
        self.ready.get(place).copied()
    }

    /// Forgets what was given back.
    #[inline]
    pub(crate) fn forget_seen(&mut self) {
        while self.kept < self.head {
            self.ready.pop_front();
            self.kept += 1;
        }
    }

    /// Gives `count` completions back, no more than are ready.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) -> PyResult<()> {
        self.queue()?;
        self.head += count.min(self.ready()) as u64;
        Ok(())
    }

    /// The same, counting those that came since somebody looked.
    pub(crate) fn advance_far(&mut self, count: usize) -> PyResult<()> {
        self.queue()?;
        if count > self.ready() {
            self.harvest()?;
        }
        self.advance(count)
    }

    /// Room in the queue for entries not yet taken.
    #[inline]
    pub(crate) fn space_left(&mut self) -> PyResult<usize> {
        let room = self.queue()?.ring().sq_space_left() as usize;
        Ok(room.saturating_sub(self.entries.len()))
    }

    /// An entry of the queue that was used before, when that is all it takes.
    #[inline]
    pub(crate) fn entry_again(&mut self, py: Python<'_>) -> Option<Py<Sqe>> {
        if !self.is_open() {
            return None;
        }
        let room = self.queue.as_mut()?.ring().sq_space_left() as usize;
        if room <= self.entries.len() || !self.requests.has_room() {
            return None;
        }
        self.entries.again(py)
    }

    /// A fresh entry of the queue, None when it is full.
    pub(crate) fn get_sqe(&mut self, py: Python<'_>) -> PyResult<Option<Py<Sqe>>> {
        if self.space_left()? == 0 || !self.requests.has_room() {
            return Ok(None);
        }
        if let Some(entry) = self.entries.again(py) {
            return Ok(Some(entry));
        }
        self.entries.new_one(py, self.old).map(Some)
    }

    /// What `prepare` put into another entry goes in as one of ours.
    pub(crate) fn put(&mut self, py: Python<'_>, raw: io_uring_sqe, keep: Keeps) -> PyResult<()> {
        let entry = fresh(py, self.old)?;
        {
            let mut place = entry.get().entry.lock(py)?;
            place.raw = raw;
            place.keep = keep;
        }
        self.entries.add(py, entry);
        Ok(())
    }

    /// Swaps the queues for others of another size.
    pub(crate) fn resize(&mut self, params: &mut io_uring_params) -> PyResult<u32> {
        let ring = self.queue()?.ring();
        // The kernel counts and moves published entries only.
        ring.publish();
        // SAFETY: valid for reads and writes, and we are the only user.
        checked(unsafe { ring.resize(params) })
    }

    /// Marks what was prepared as lost.
    pub(crate) fn spend(&mut self, py: Python<'_>) {
        let entries = std::mem::take(&mut self.entries);
        for index in 0..entries.len() {
            // SAFETY: `entries` holds the object.
            let entry = entries.prepared(index).map(|entry| unsafe { &*entry });
            if let Some(mut sqe) = entry.and_then(|entry| entry.try_lock(py)) {
                sqe.phase = Phase::Spent;
                sqe.keep = Keeps::None;
            }
        }
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Cancels, waits a bounded time, and gives up memory the kernel may
    /// still use rather than free it.
    pub(crate) fn shut(&mut self) {
        let Some(mut queue) = self.queue.take() else {
            return;
        };
        if self.process != generation() {
            // The parent's: its memory and descriptor are left alone.
            queue.forget();
            self.give_up();
            self.give_up_registered();
            return;
        }
        let end = Instant::now() + PATIENCE;
        while self.in_flight() > 0 && Instant::now() < end && queue.is_intact() {
            // SAFETY: all zeroes is a NOP.
            let mut cancel: io_uring_sqe = unsafe { std::mem::zeroed() };
            cancel.opcode = abi::IORING_OP_ASYNC_CANCEL as u8;
            cancel.fd = -1;
            cancel.op_flags = abi::IORING_ASYNC_CANCEL_ANY | abi::IORING_ASYNC_CANCEL_ALL;
            queue.push(&cancel, Token::NOBODY, 0);
            let result = queue.ring().submit();
            if result < 0 && result != -libc::EBUSY {
                break;
            }
            let pause = __kernel_timespec {
                tv_sec: 0,
                tv_nsec: 20_000_000,
            };
            // SAFETY: the time lives through the call.
            let _ = unsafe { queue.ring().wait_cqes(2, &pause, std::ptr::null()) };
            while let Some(entry) = queue.next() {
                self.complete(entry);
            }
        }
        let intact = queue.is_intact();
        drop(queue);
        if self.in_flight() > 0 || !intact {
            self.give_up_registered();
        }
        self.give_up();
        self.ready.clear();
        self.kept = self.head;
        self.registered.clear();
        self.provided.clear();
        self.buf_rings.clear();
        self.retired.clear();
    }

    /// Never frees what operations keep: the kernel may still use it.
    fn give_up(&mut self) {
        self.requests
            .end_all(|request| std::mem::forget(request.keep), drop);
    }

    /// Registered memory that operations in flight may still use.
    pub(crate) fn give_up_registered(&mut self) {
        std::mem::forget(std::mem::take(&mut self.registered));
        std::mem::forget(std::mem::take(&mut self.provided));
        std::mem::forget(std::mem::take(&mut self.buf_rings));
        std::mem::forget(std::mem::take(&mut self.retired));
    }
}

/// Whether anything keeps this memory but `keep`.
pub(crate) fn same_place(keep: &Keep, pinned: &Pinned) -> bool {
    matches!(keep, Keep::Pinned(held) if held.address() == pinned.address() && held.len() == pinned.len())
}
