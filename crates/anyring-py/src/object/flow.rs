//! Submitting, harvesting and waiting.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyring::{Completion, Errno};
use anyring_abi as abi;
use anyring_abi::{__kernel_timespec, io_uring_sqe};
use pyo3::exceptions::{PyRuntimeError, PyTimeoutError, PyValueError};
use pyo3::prelude::*;

use super::engine::{Engine, News, Owned};
use super::group::ended;
use super::hold::Hold;
use super::message::Message;
use super::requests::{LIMITER, Owner, Requests, Started};
use crate::core::raise;
use crate::fork::generation;
use crate::inflight::Found;

const LINKED: u8 = 1 << abi::IOSQE_IO_LINK_BIT | 1 << abi::IOSQE_IO_HARDLINK_BIT;

/// When a wait ends; None: never.
pub(super) type Deadline = Option<Instant>;

/// The deadline of a timeout in seconds.
pub(super) fn deadline(timeout: Option<f64>) -> PyResult<Deadline> {
    let Some(seconds) = timeout else {
        return Ok(None);
    };
    if seconds.is_nan() {
        return Err(crate::make::raised::<PyValueError>(
            "a timeout is a number of seconds",
        ));
    }
    let length = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    Ok(Instant::now().checked_add(length))
}

/// How many of the first entries fit, without cutting a chain.
fn whole_chains(pending: &[io_uring_sqe], room: usize) -> usize {
    if pending.len() <= room {
        return pending.len();
    }
    let mut count = room;
    while count > 0 && pending[count - 1].flags & LINKED != 0 {
        count -= 1;
    }
    count
}

/// From so many news on, the room for more of them can be more than the reserve has.
const MANY: usize = 4096;

impl Engine {
    /// Copies `pending` from `from` to the queue, as far as there is room.
    fn stage(&mut self, from: usize) -> PyResult<usize> {
        let Some(Owned(ring)) = self.ring.as_mut() else {
            return Ok(0);
        };
        // SAFETY: used within this call only.
        let room = unsafe { ring.as_ring_ref() }.sq_space_left() as usize;
        let count = whole_chains(&self.pending[from..], room);
        for sqe in &self.pending[from..from + count] {
            ring.push_sqe(*sqe)
                .map_err(|_| crate::make::raised::<PyRuntimeError>("the queue is full"))?;
        }
        Ok(count)
    }

    /// Submits everything and, if that takes one call of the kernel, waits for
    /// `wait` completions in it; the number of entries submitted.
    pub(super) fn flush(&mut self, py: Python<'_>, wait: u32) -> PyResult<usize> {
        self.ring()?;
        if self.chain.is_some() {
            return Err(crate::make::raised::<PyRuntimeError>(
                "a chain is submitted as a whole: leave link() first",
            ));
        }
        let total = self.pending.len();
        if total == 0 && wait == 0 {
            // SAFETY: used within this call only.
            let queued = unsafe { self.ring()?.as_ring_ref() }.sq_ready();
            if queued == 0 {
                return Ok(0);
            }
        }
        let mut from = 0;
        let result = loop {
            let staged = match self.stage(from) {
                Ok(staged) => staged,
                Err(error) => break Err(error),
            };
            from += staged;
            let last = from == total;
            // After the first part some of what is waited for may be here.
            let whole = last && staged == total;
            match self.enter(py, if whole { wait } else { 0 }) {
                Ok(taken) if last => {
                    // SAFETY: used within this call only.
                    let queued = unsafe { self.ring()?.as_ring_ref() }.sq_ready();
                    if taken == 0 || queued == 0 || self.sqpoll()? {
                        break Ok(total);
                    }
                }
                Ok(taken) => {
                    if taken == 0 && staged == 0 {
                        break Err(crate::make::raised::<PyValueError>(
                            "a chain is longer than the submission queue",
                        ));
                    }
                }
                Err(error) => break Err(error),
            }
            if !last {
                // Room for the completions of the next part.
                if let Err(error) = self.harvest(py, false) {
                    break Err(error);
                }
            }
        };
        // What is in the queue stays there when the kernel refused for now.
        if from == self.pending.len() {
            self.pending.clear();
        } else {
            self.pending.drain(..from);
        }
        result
    }

    /// One io_uring_enter; the number of entries it took.
    fn enter(&mut self, py: Python<'_>, wait: u32) -> PyResult<u32> {
        let mut patience = 1;
        if wait > 0 {
            // A signal that came before would not end the wait.
            py.check_signals()?;
        }
        loop {
            let ring = self.ring()?;
            let result = crate::detach::detach(py, || {
                // SAFETY: the slots keep what the entries point to until
                // their last completion.
                unsafe {
                    if wait > 0 {
                        ring.submit_and_wait(wait)
                    } else {
                        ring.submit()
                    }
                }
            });
            match result {
                Ok(count) => {
                    // An SQPOLL thread takes entries when it gets to them.
                    // SAFETY: used within this call only.
                    let full = unsafe { ring.as_ring_ref() }.sq_space_left() == 0;
                    if full && self.sqpoll()? {
                        crate::detach::detach(py, || self.await_room());
                    }
                    return Ok(count);
                }
                Err(Errno(libc::EINTR)) => py.check_signals()?,
                Err(Errno(libc::EBUSY)) if patience > 0 => {
                    // The kernel wants completions taken first.
                    patience -= 1;
                    self.harvest(py, true)?;
                }
                Err(error) => return Err(raise(error)),
            }
        }
    }

    fn sqpoll(&mut self) -> PyResult<bool> {
        Ok(self.ring()?.setup_flags() & abi::IORING_SETUP_SQPOLL != 0)
    }

    fn await_room(&mut self) {
        if let Some(Owned(ring)) = self.ring.as_mut() {
            // SAFETY: used within this call only.
            unsafe { ring.as_ring_ref() }.sqring_wait();
        }
    }

    /// Waits for `count` more completions and harvests; it may have been fewer.
    /// TimeoutError when the time is over.
    pub(super) fn wait_more(&mut self, py: Python<'_>, count: u32, end: Deadline) -> PyResult<()> {
        // A signal that came before would not end the wait.
        py.check_signals()?;
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(timed_out());
        }
        let pause = left.map(|left| __kernel_timespec {
            tv_sec: left.as_secs().min(1 << 32) as i64,
            tv_nsec: i64::from(left.subsec_nanos()) as _,
        });
        if self.held_back() {
            // Every wait would end at once.
            return Err(crate::reserve::short());
        }
        let ring = self.ring()?;
        let waited = crate::detach::detach(py, || ring.wait(count, pause.as_ref()));
        self.harvest(py, false)?;
        match waited {
            Ok(()) | Err(Errno(libc::ETIME)) => Ok(()),
            Err(Errno(libc::EINTR)) => py.check_signals(),
            Err(error) => Err(raise(error)),
        }
    }

    /// Takes every completion out of the kernel's queue; what an operation
    /// held goes with its last one. `fetch` asks the kernel for those it keeps
    /// back. The number taken: where memory is short they stay in the queue.
    pub(super) fn harvest(&mut self, py: Python<'_>, fetch: bool) -> PyResult<usize> {
        if self.held_back() {
            return Ok(0);
        }
        self.collect(py, fetch)
    }

    /// Whether there is memory to note what is in the kernel's queue.
    #[cold]
    fn room_for_news(&mut self) -> bool {
        let Some(Owned(ring)) = self.ring.as_mut() else {
            return true;
        };
        // SAFETY: used within this call only.
        let ready = unsafe { ring.as_ring_ref() }.cq_ready() as usize;
        crate::reserve::giving_up(|| self.news.try_reserve(ready)).is_ok()
    }

    /// Whether completions stay in the kernel's queue for want of memory.
    fn held_back(&mut self) -> bool {
        crate::reserve::check().is_err() || self.news.len() >= MANY && !self.room_for_news()
    }

    /// As `harvest`, whether memory is short or not.
    pub(super) fn collect(&mut self, py: Python<'_>, fetch: bool) -> PyResult<usize> {
        if self.process != generation() {
            return Ok(0);
        }
        let Engine {
            ring: Some(Owned(ring)),
            requests,
            news,
            ..
        } = self
        else {
            return Ok(0);
        };
        if fetch {
            let deferred = abi::IORING_SETUP_DEFER_TASKRUN | abi::IORING_SETUP_IOPOLL;
            // SAFETY: used within this call only.
            let inner = unsafe { ring.as_ring_ref() };
            if ring.setup_flags() & deferred != 0 || inner.cq_has_overflow() {
                inner.get_events();
            }
        }
        let mut found = 0;
        let mut over = Vec::new();
        for entry in ring.completions() {
            found += 1;
            deliver(py, requests, news, &mut over, entry);
        }
        if self.stale > 64 && self.stale * 2 > self.news.len() {
            self.news.retain(|news| match news {
                // A stream knows whether it is among the news.
                News::Stream(handle) => handle.get().untold() || handle.get().tell(),
                other => other.untold(),
            });
            self.stale = 0;
        }
        // Releasing a buffer may run code of the program: last.
        drop(over);
        Ok(found)
    }

    /// Submits and waits until `needed`, which says how many more completions
    /// it takes at least, is 0.
    pub(super) fn wait_until(
        &mut self,
        py: Python<'_>,
        timeout: Option<f64>,
        needed: impl Fn(&mut Self) -> u32,
    ) -> PyResult<()> {
        let end = deadline(timeout)?;
        let count = needed(self);
        self.flush(py, if timeout.is_none() { count } else { 0 })?;
        self.harvest(py, true)?;
        loop {
            match needed(self) {
                0 => return Ok(()),
                count => self.wait_more(py, count, end)?,
            }
        }
    }
}

fn timed_out() -> PyErr {
    Python::attach(|py| {
        let class = py.get_type::<PyTimeoutError>();
        crate::make::error(&class, libc::ETIME, "the time is over", None)
    })
}

impl Started {
    /// Hands a completion to the handle.
    #[inline]
    fn arrived(&self, py: Python<'_>, place: u32, entry: &Completion, news: &mut VecDeque<News>) {
        match &self.owner {
            Owner::Nobody => {}
            Owner::Batch(_, results) => results.put(place, entry.res),
            Owner::Operation(handle) if place == LIMITER => handle.get().limited(entry.res),
            Owner::Operation(handle) => handle.get().complete(py, entry.res, entry.flags),
            Owner::Stream(handle) => {
                let more = entry.flags & abi::IORING_CQE_F_MORE != 0;
                if handle.get().arrived(entry.res, entry.flags, more) {
                    news.push_back(News::Stream(handle.clone_ref(py)));
                }
            }
        }
    }
}

/// Hands one completion to its handle; what the operation held goes to `over`
/// with the last one.
#[inline(always)]
pub(super) fn deliver(
    py: Python<'_>,
    requests: &mut Requests,
    news: &mut VecDeque<News>,
    over: &mut Vec<Vec<Hold>>,
    entry: Completion,
) {
    match requests.end_part(entry.user_data, entry.flags) {
        Some((
            Started {
                owner: Owner::Batch(_, results),
                ..
            },
            place,
        )) => results.put(place, entry.res),
        Some((started, place)) => started.arrived(py, place, &entry, news),
        None => deliver_otherwise(py, requests, news, over, &entry),
    }
}

/// The same for a completion that is not just the end of one request of several.
#[inline(never)]
fn deliver_otherwise(
    py: Python<'_>,
    requests: &mut Requests,
    news: &mut VecDeque<News>,
    over: &mut Vec<Vec<Hold>>,
    entry: &Completion,
) {
    match requests.complete(entry.user_data, entry.flags) {
        Found::Part(started, place) => started.arrived(py, place, entry, news),
        Found::LastPart(started, place) => {
            started.arrived(py, place, entry, news);
            let Started { owner, hold } = started;
            match owner {
                Owner::Operation(handle) => {
                    if let Some(fresh) = ended(handle) {
                        news.push_back(fresh);
                    }
                }
                Owner::Batch(handle, _) => {
                    handle.get().end();
                    news.push_back(News::Batch(handle));
                }
                Owner::Stream(_) | Owner::Nobody => {}
            }
            if !hold.is_empty() {
                over.push(hold);
            }
        }
        Found::Stranger => {
            let message = Message::new(entry.user_data, entry.res, entry.flags);
            news.push_back(News::Message(message));
        }
        Found::Ignored => {}
        Found::More(never) => match *never {},
        Found::Last(never) => match *never {},
    }
}
