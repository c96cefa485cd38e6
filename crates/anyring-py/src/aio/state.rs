//! What the ring of a loop has in flight, and putting more there.

use std::collections::{HashMap, VecDeque};

use anyring_abi::io_uring_sqe;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::done::{Convert, Hold};
use super::operation::Operation;
use super::pool::Pool;
use super::stream::{Sending, Stream};
use crate::core::generation;

/// Completions of nobody's concern.
pub(super) const NOBODY: u64 = u64::MAX - 8;

/// The ring, reached through `&mut Proactor` only.
pub(super) struct Owned(pub(super) crate::OwnRing);

// SAFETY: no function takes it by shared reference.
unsafe impl Sync for Owned {}

/// Whom a completion is for.
pub(super) enum Kind {
    /// A free slot.
    Free,
    /// Nobody any more.
    Nobody,
    /// A future.
    Future {
        future: Py<Operation>,
        convert: Convert,
        name: &'static str,
        cancelled: bool,
    },
    /// A watched descriptor.
    Watch(i32),
    /// The multishot receive of a stream.
    Receive(Py<Stream>),
    /// One receive of a stream into memory of its own.
    ReceiveWhole(Py<Stream>),
    /// What a stream sends.
    Send(Py<Stream>, Sending),
}

/// One operation in flight and what it uses.
pub(super) struct Slot {
    pub(super) serial: u32,
    pub(super) kind: Kind,
    pub(super) hold: Hold,
}

/// Something to hand out.
pub(super) enum Event {
    Done(Kind, Hold, i32),
    Ready(i32, u32),
    Received(Py<Stream>, i32, u32),
    Held(Py<Stream>),
}

/// A descriptor whose readiness is asked for, again after each answer: so a
/// callback that leaves data behind is called again.
pub(super) struct Watch {
    pub(super) key: Py<PyAny>,
    pub(super) mask: u32,
    pub(super) token: Option<u64>,
}

/// The ring of one event loop. One thread at a time.
#[pyclass(module = "liburing._liburing", weakref)]
pub(crate) struct Proactor {
    pub(super) ring: Option<Owned>,
    pub(super) process: u32,
    pub(super) slots: Vec<Slot>,
    pub(super) free: Vec<u32>,
    /// Entries that found the queue full.
    pub(super) backlog: VecDeque<io_uring_sqe>,
    pub(super) events: VecDeque<Event>,
    pub(super) watches: HashMap<i32, Watch>,
    pub(super) rearm: Vec<i32>,
    pub(super) dirty: Vec<Py<Stream>>,
    /// Tokens of sends that complete while they are submitted and then post no
    /// completion. One that failed has ended since: its token is of no slot.
    pub(super) silent: Vec<u64>,
    pub(super) pool: Option<Pool>,
    pub(super) eventfd: i32,
    pub(super) interrupted: bool,
}

impl Proactor {
    pub(super) fn ring(&mut self) -> PyResult<&mut crate::OwnRing> {
        if self.process != generation() {
            return Err(PyRuntimeError::new_err(
                "this ring belongs to the process that made it",
            ));
        }
        self.ring
            .as_mut()
            .map(|owned| &mut owned.0)
            .ok_or_else(|| PyRuntimeError::new_err("the ring is closed"))
    }

    /// Queues an entry for `kind`; its token.
    pub(super) fn start(&mut self, mut sqe: io_uring_sqe, kind: Kind, hold: Hold) -> PyResult<u64> {
        self.ring()?;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                serial: 0,
                kind: Kind::Free,
                hold: Hold::Nothing,
            });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        // The topmost serial number is NOBODY's.
        slot.serial = (slot.serial + 1) % (u32::MAX - 1);
        slot.kind = kind;
        slot.hold = hold;
        let token = u64::from(slot.serial) << 32 | u64::from(index);
        sqe.user_data = token;
        if let Err(error) = self.push(sqe) {
            self.release(index);
            return Err(error);
        }
        Ok(token)
    }

    pub(super) fn push(&mut self, sqe: io_uring_sqe) -> PyResult<()> {
        if self.backlog.is_empty() {
            let ring = self.ring()?;
            let Err(refused) = ring.push_sqe(sqe) else {
                return Ok(());
            };
            // Full: the kernel takes what is there, without waiting. An error
            // leaves it there.
            // SAFETY: the slots keep what the entries point to.
            let _ = unsafe { ring.submit() };
            if let Err(refused) = ring.push_sqe(refused) {
                self.backlog.push_back(refused);
            }
        } else {
            self.backlog.push_back(sqe);
        }
        Ok(())
    }

    pub(super) fn push_backlog(&mut self) -> PyResult<()> {
        while let Some(sqe) = self.backlog.pop_front() {
            if let Err(sqe) = self.ring()?.push_sqe(sqe) {
                self.backlog.push_front(sqe);
                break;
            }
        }
        Ok(())
    }

    pub(super) fn slot(&mut self, token: u64) -> Option<&mut Slot> {
        self.slots
            .get_mut(token as u32 as usize)
            .filter(|slot| slot.serial == (token >> 32) as u32)
            .filter(|slot| !matches!(slot.kind, Kind::Free))
    }

    /// Queues a cancellation.
    pub(super) fn push_cancel(&mut self, token: u64) -> PyResult<()> {
        let mut sqe = blank();
        anyring::prep::prep_cancel64(&mut sqe, token, 0);
        sqe.user_data = NOBODY;
        self.push(sqe)
    }

    /// Cancels without waiting for the next turn of the loop.
    pub(super) fn cancel_now(&mut self, py: Python<'_>, token: u64) -> PyResult<()> {
        self.push_cancel(token)?;
        self.enter(py, None).map(|_| ())
    }

    /// Has `stream` looked at before the next submission.
    pub(super) fn mark_dirty(&mut self, stream: Py<Stream>) {
        self.dirty.push(stream);
    }

    /// Has data that a stream held back handed out.
    pub(super) fn hand_out(&mut self, stream: Py<Stream>) {
        self.events.push_back(Event::Held(stream));
    }

    /// The send of `token` says nothing when it goes well.
    pub(super) fn mark_silent(&mut self, token: u64) {
        self.silent.push(token);
    }

    /// The buffers that receives choose from, made at first use.
    pub(super) fn pool(&mut self) -> PyResult<&mut Pool> {
        if self.pool.is_none() {
            let pool = Pool::new(self.ring()?)?;
            self.pool = Some(pool);
        }
        self.pool
            .as_mut()
            .ok_or_else(|| PyRuntimeError::new_err("the ring is closed"))
    }

    pub(super) fn arm(&mut self, fd: i32) -> PyResult<()> {
        let Some(watch) = self.watches.get(&fd) else {
            return Ok(());
        };
        if watch.token.is_some() {
            return Ok(());
        }
        let mut sqe = blank();
        anyring::prep::prep_poll_add(&mut sqe, fd, watch.mask);
        let token = self.start(sqe, Kind::Watch(fd), Hold::Nothing)?;
        if let Some(watch) = self.watches.get_mut(&fd) {
            watch.token = Some(token);
        }
        Ok(())
    }
}

impl Proactor {
    pub(super) fn forget(&mut self, token: Option<u64>) -> PyResult<()> {
        let Some(token) = token else { return Ok(()) };
        if let Some(slot) = self.slot(token) {
            slot.kind = Kind::Nobody;
            self.push_cancel(token)?;
        }
        Ok(())
    }
}
/// An entry of zeroes, which is a NOP.
pub(super) fn blank() -> io_uring_sqe {
    // SAFETY: all zeroes is a NOP.
    unsafe { std::mem::zeroed() }
}
