//! A turn of the loop: submitting, waiting, taking completions, handing out
//! what they brought.

use std::time::{Duration, Instant};

use anyring_abi as abi;
use anyring_abi::__kernel_timespec;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::done::{Convert, Hold, finish};
use super::receive;
use super::state::{Event, Kind, Owned, Proactor, Request, blank, is_open};
use super::stream::{self, Stream};
use crate::core::generation;
use crate::inflight::{Found, Token};
use crate::make;
use crate::reserve::giving_up;
use crate::trashcan::let_go;

/// How long closing waits for the kernel to let go.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// The longest wait in one go.
pub(super) const LONGEST: Duration = Duration::from_secs(86400);
/// The parts of a poll mask that selectors know.
const IN: u32 = libc::POLLIN as u32;
const OUT: u32 = libc::POLLOUT as u32;
impl Proactor {
    /// Takes all completions out of the queue.
    pub(super) fn harvest(&mut self, py: Python<'_>) -> PyResult<()> {
        let threads = self.turn_of_threads;
        let mut again = Vec::new();
        loop {
            self.ring()?;
            let Some(Owned(ring)) = self.ring.as_mut() else {
                return Ok(());
            };
            // SAFETY: used within this call only.
            let count = unsafe { ring.as_ring_ref() }.cq_ready() as usize;
            if count > self.events.capacity() - self.events.len()
                && giving_up(|| self.events.try_reserve(count)).is_err()
            {
                // They stay in the kernel's queue.
                return Err(crate::reserve::short());
            }
            for entry in ring.completions() {
                // The kernel cancels what a thread has submitted when it ends.
                let mut result = entry.res;
                if abandoned(result) && !self.ending {
                    let request = self.requests.request(entry.user_data);
                    if let Some(request) = request.filter(|one| one.threads != threads) {
                        match &request.kind {
                            // A close that a signal interrupts has closed.
                            Kind::Future {
                                cancelled: false,
                                name,
                                ..
                            } if result == -libc::ECANCELED || *name != "close" => {
                                request.threads = threads;
                                again.push(request.sqe);
                                continue;
                            }
                            // Their owners start them again.
                            _ => result = -libc::EINTR,
                        }
                    }
                }
                let (kind, hold) = match self.requests.complete(entry.user_data, entry.flags) {
                    Found::Last(request) => {
                        if let Kind::Future { .. } = request.kind {
                            self.opens -= u32::from(is_open(&request.sqe));
                        }
                        (
                            std::mem::replace(&mut request.kind, Kind::Nobody),
                            std::mem::replace(&mut request.hold, Hold::Nothing),
                        )
                    }
                    Found::More(request) => {
                        if let Kind::Receive(stream) = &request.kind {
                            let stream = stream.clone_ref(py);
                            self.events
                                .push_back(Event::Received(stream, result, entry.flags));
                        }
                        continue;
                    }
                    Found::Stranger => {
                        if entry.user_data != Token::NOBODY.tag() {
                            self.strangers += 1;
                        }
                        continue;
                    }
                    Found::Ignored => continue,
                    Found::Part(never, _) => match *never {},
                    Found::LastPart(never, _) => match never {},
                };
                match kind {
                    Kind::Receive(stream) => {
                        self.events
                            .push_back(Event::Received(stream, result, entry.flags));
                    }
                    Kind::Watch => {
                        self.watching = None;
                        self.events.push_back(Event::Watched);
                    }
                    Kind::Nobody => {}
                    kind => self.events.push_back(Event::Done(kind, hold, result)),
                }
            }
            // SAFETY: used within this call only.
            let ring = unsafe { ring.as_ring_ref() };
            if !ring.cq_has_overflow() {
                break;
            }
            ring.get_events();
        }
        self.requeued |= !again.is_empty();
        for sqe in again {
            self.push(sqe)?;
        }
        if self.requests.has_silent() {
            self.end_silent()?;
        }
        Ok(())
    }

    /// Silent sends that did not fail while they were submitted are done.
    pub(super) fn end_silent(&mut self) -> PyResult<()> {
        // SAFETY: used within this call only.
        if unsafe { self.ring()?.as_ring_ref() }.sq_ready() != 0 || !self.backlog.is_empty() {
            return Ok(());
        }
        while let Some(Request { kind, hold, .. }) = self.requests.settle() {
            let length = match &kind {
                Kind::Send(_, sending) => sending.length() as i32,
                _ => 0,
            };
            self.events.push_back(Event::Done(kind, hold, length));
        }
        Ok(())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.requests.live()
    }

    /// Submits and, with a timeout, waits for the first completion. A wait
    /// that a signal ends is not taken up again.
    pub(super) fn enter(&mut self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<i32> {
        self.note_thread();
        self.push_backlog()?;
        let Some(limit) = timeout else {
            return self.submit_all();
        };
        let ring = self.ring()?;
        let limit = limit.min(LONGEST);
        let time = __kernel_timespec {
            tv_sec: limit.as_secs() as i64,
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        let result = crate::detach::detach(py, || {
            // SAFETY: the slots keep what the entries point to; the time is
            // valid for the call.
            let waited = unsafe {
                ring.as_ring_ref()
                    .submit_and_wait_timeout(1, &raw const time, 0, std::ptr::null())
            };
            waited.map_or_else(|error| error, |waited| waited.result)
        });
        // SAFETY: used within this call only.
        if result > 0 && unsafe { self.ring()?.as_ring_ref() }.sq_ready() > 0 {
            // Entries behind one that was refused.
            self.submit_all()?;
        }
        Ok(result)
    }

    /// Submits until the queue is empty: where the kernel refuses an entry
    /// while it prepares it, a kernel without `IORING_SETUP_SUBMIT_ALL` leaves
    /// those behind it in the queue. Of the last call the number taken.
    fn submit_all(&mut self) -> PyResult<i32> {
        let on_engine = self.on_engine;
        loop {
            // SAFETY: used within this call only; the slots keep what the
            // entries point to.
            let ring = unsafe { self.ring()?.as_ring_ref() };
            // The kernel posts what completes by itself. The engine has to be entered
            // for it: a loop that is busy would wait for the engine's own thread.
            let result = if on_engine {
                ring.submit_and_get_events()
            } else {
                ring.submit()
            };
            if result <= 0 || ring.sq_ready() == 0 {
                return Ok(result);
            }
        }
    }

    /// Closes the descriptors that operations have made for nobody.
    fn close_made(&mut self) {
        for event in self.events.drain(..) {
            let Event::Done(Kind::Future { convert, .. }, _, result) = event else {
                continue;
            };
            if convert == Convert::Descriptor && result >= 0 {
                // SAFETY: made for the operation, and nobody has seen it.
                unsafe { libc::close(result) };
            }
        }
    }

    /// Cancels, waits a bounded time, and gives up memory the kernel may
    /// still use rather than free it.
    pub(super) fn shut(&mut self, py: Python<'_>) {
        self.ending = true;
        let watches = std::mem::take(&mut self.watches);
        self.watching = None;
        self.dirty.clear();
        self.arming.clear();
        let foreign = self.process != generation();
        if self.ring.is_some() && !foreign {
            let end = Instant::now() + PATIENCE;
            let _ = self.enter(py, None);
            let _ = self.harvest(py);
            while self.in_flight() > 0 && Instant::now() < end {
                let mut cancel = blank();
                let all = abi::IORING_ASYNC_CANCEL_ANY | abi::IORING_ASYNC_CANCEL_ALL;
                anyring::prep::prep_cancel64(&mut cancel, 0, all as i32);
                cancel.user_data = Token::NOBODY.tag();
                let _ = self.push(cancel);
                let pause = Duration::from_millis(20);
                let _ = self.enter(py, None);
                if self.harvest(py).is_err() {
                    break;
                }
                if self.in_flight() > 0 {
                    let _ = self.enter(py, Some(pause));
                    let _ = self.harvest(py);
                }
            }
        }
        if !foreign {
            self.close_made();
        }
        let mut ring = self.ring.take();
        let intact = match &mut ring {
            Some(ring) if !foreign => crate::is_intact(&mut ring.0),
            _ => false,
        };
        let idle = self.in_flight() == 0 && intact;
        if foreign {
            // The parent's: its memory and descriptor are left alone.
            std::mem::forget(ring);
        } else {
            drop(ring);
        }
        if !idle {
            std::mem::forget(self.pool.take());
        }
        self.pool = None;
        self.requests.end_all(
            |Request { kind, hold, .. }| {
                std::mem::forget(hold);
                if let Kind::Send(_, sending) = kind {
                    std::mem::forget(sending);
                }
            },
            |never| match never {},
        );
        for hidden in self.hidden.drain(..) {
            // The parent's are its own to close.
            if !foreign {
                hidden.close(|fd| watches.contains_key(&fd));
            }
        }
        self.eventfd = -1;
        self.epoll = -1;
        self.backlog.clear();
        self.events.clear();
        for watch in watches.into_values() {
            let_go(Some(watch.key));
        }
    }
}

/// The keys of watched descriptors that are ready, as selectors have them.
pub(super) fn keys<'py>(
    this: &Bound<'py, Proactor>,
    ready: &[(i32, u32)],
) -> PyResult<Bound<'py, PyList>> {
    let list = make::list(this.py())?;
    let proactor = this.try_borrow()?;
    for (fd, mask) in ready {
        // Looked up now: callbacks may have changed what is watched.
        let Some(watch) = proactor.watches.get(fd) else {
            continue;
        };
        // Errors and hang-ups are for readers and writers.
        let mut events = 0;
        if watch.mask & IN != 0 && mask & !OUT != 0 {
            events |= 1;
        }
        if watch.mask & OUT != 0 && mask & !IN != 0 {
            events |= 2;
        }
        if events != 0 {
            list.append((&watch.key, events))?;
        }
    }
    Ok(list)
}

/// Hands out what was harvested. No ring is borrowed while Python runs; an
/// exception leaves the rest for the next time.
pub(super) fn dispatch(this: &Bound<'_, Proactor>, ready: &mut Vec<(i32, u32)>) -> PyResult<()> {
    let py = this.py();
    loop {
        let Some(event) = this.try_borrow_mut()?.events.pop_front() else {
            return Ok(());
        };
        match event {
            Event::Done(Kind::Send(stream, sending), hold, result) => {
                drop(hold);
                stream::sent(stream.bind(py), sending, result)?;
            }
            Event::Done(Kind::ReceiveWhole(stream), hold, result) => {
                receive::received_whole(stream.bind(py), this, hold, result)?;
            }
            Event::Done(
                Kind::Future {
                    future,
                    convert,
                    name,
                    cancelled,
                },
                hold,
                result,
            ) => finish(future.bind(py), convert, name, cancelled, hold, result)?,
            Event::Done(..) => {}
            Event::Watched => this.try_borrow_mut()?.watched(ready),
            Event::Received(stream, result, flags) => {
                receive::received(stream.bind(py), this, result, flags)?;
            }
            Event::Held(stream) => receive::held(stream.bind(py))?,
        }
    }
}

/// Gives the streams with something to send an entry each.
pub(super) fn prepare(this: &Bound<'_, Proactor>) -> PyResult<()> {
    let py = this.py();
    let mut dirty = std::mem::take(&mut this.try_borrow_mut()?.dirty).into_iter();
    while let Some(stream) = dirty.next() {
        if let Err(error) = stream::transmit(stream.bind(py), this) {
            // Short memory: it and those behind it have their turn later.
            let left = std::iter::once(stream).chain(dirty).collect();
            let mut proactor = this.try_borrow_mut()?;
            let new = std::mem::replace(&mut proactor.dirty, left);
            proactor.dirty.extend(new);
            return Err(error);
        }
    }
    let mut proactor = this.try_borrow_mut()?;
    let mut arming = std::mem::take(&mut proactor.arming).into_iter();
    while let Some(stream) = arming.next() {
        if let Err(error) = Stream::receive(stream.bind(py), &mut proactor) {
            let left = std::iter::once(stream).chain(arming).collect();
            let new = std::mem::replace(&mut proactor.arming, left);
            proactor.arming.extend(new);
            return Err(error);
        }
    }
    proactor.arm_watches()
}

/// Whether an operation that nobody cancelled ends so when the thread that
/// submitted it does.
fn abandoned(result: i32) -> bool {
    /// The kernel's own number for "again after the signal", which reaches
    /// completions of operations that wait outside of a system call.
    const ERESTARTSYS: i32 = 512;
    matches!(
        result.wrapping_neg(),
        libc::ECANCELED | libc::EINTR | ERESTARTSYS
    )
}

/// Errors of io_uring_enter(2) after which the next call does it.
pub(super) fn temporary(error: i32) -> bool {
    matches!(
        error,
        libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ETIME
    )
}
