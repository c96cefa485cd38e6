//! The ring of an event loop: operations with a future each, readiness of
//! descriptors, streams; completions taken and handed out in batches.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use anyring::{Builder, Ring};
use anyring_abi as abi;
use anyring_abi::{__kernel_timespec, io_uring_sqe};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::aio_done::{Convert, Hold, finish};
use crate::aio_pool::Pool;
use crate::aio_stream::{self, Sending, Stream};
use crate::core::{generation, raise};
use crate::os_error;

/// How long closing waits for the kernel to let go.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest wait in one go.
const LONGEST: Duration = Duration::from_secs(86400);
/// Completions of nobody's concern.
const NOBODY: u64 = u64::MAX - 8;

/// The parts of a poll mask that selectors know.
const IN: u32 = libc::POLLIN as u32;
const OUT: u32 = libc::POLLOUT as u32;

/// The ring, reached through `&mut Proactor` only.
struct Owned(Ring);

// SAFETY: no function takes it by shared reference.
unsafe impl Sync for Owned {}

/// Whom a completion is for.
pub(crate) enum Kind {
    /// A free slot.
    Free,
    /// Nobody any more.
    Nobody,
    /// A future.
    Future {
        future: Py<PyAny>,
        convert: Convert,
        name: &'static str,
        cancelled: bool,
    },
    /// A watched descriptor.
    Watch(i32),
    /// The multishot receive of a stream.
    Receive(Py<Stream>),
    /// What a stream sends.
    Send(Py<Stream>, Sending),
}

/// One operation in flight and what it uses.
struct Slot {
    serial: u32,
    kind: Kind,
    hold: Hold,
}

/// Something to hand out.
enum Event {
    Done(Kind, Hold, i32),
    Ready(i32, u32),
    Received(Py<Stream>, i32, u32),
    Held(Py<Stream>),
}

/// A descriptor whose readiness is asked for, again after each answer: so a
/// callback that leaves data behind is called again.
struct Watch {
    key: Py<PyAny>,
    mask: u32,
    token: Option<u64>,
}

/// The ring of one event loop. One thread at a time.
#[pyclass(module = "liburing._liburing", weakref)]
pub(crate) struct Proactor {
    ring: Option<Owned>,
    process: u32,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Entries that found the queue full.
    backlog: VecDeque<io_uring_sqe>,
    events: VecDeque<Event>,
    watches: HashMap<i32, Watch>,
    rearm: Vec<i32>,
    dirty: Vec<Py<Stream>>,
    /// Sends that complete while they are submitted and then say nothing.
    silent: Vec<u32>,
    pool: Option<Pool>,
    eventfd: i32,
    interrupted: bool,
}

impl Proactor {
    pub(crate) fn ring(&mut self) -> PyResult<&mut Ring> {
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
    pub(crate) fn start(&mut self, mut sqe: io_uring_sqe, kind: Kind, hold: Hold) -> PyResult<u64> {
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
        self.push(sqe)?;
        Ok(token)
    }

    fn push(&mut self, sqe: io_uring_sqe) -> PyResult<()> {
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

    fn push_backlog(&mut self) -> PyResult<()> {
        while let Some(sqe) = self.backlog.pop_front() {
            if let Err(sqe) = self.ring()?.push_sqe(sqe) {
                self.backlog.push_front(sqe);
                break;
            }
        }
        Ok(())
    }

    fn slot(&mut self, token: u64) -> Option<&mut Slot> {
        self.slots
            .get_mut(token as u32 as usize)
            .filter(|slot| slot.serial == (token >> 32) as u32)
    }

    /// Queues a cancellation.
    pub(crate) fn push_cancel(&mut self, token: u64) -> PyResult<()> {
        let mut sqe = blank();
        anyring::prep::prep_cancel64(&mut sqe, token, 0);
        sqe.user_data = NOBODY;
        self.push(sqe)
    }

    /// Has `stream` looked at before the next submission.
    pub(crate) fn mark_dirty(&mut self, stream: Py<Stream>) {
        self.dirty.push(stream);
    }

    /// Has data that a stream held back handed out.
    pub(crate) fn hand_out(&mut self, stream: Py<Stream>) {
        self.events.push_back(Event::Held(stream));
    }

    /// The send of `token` says nothing when it goes well.
    pub(crate) fn mark_silent(&mut self, token: u64) {
        self.silent.push(token as u32);
    }

    /// The buffers that receives choose from, made at first use.
    pub(crate) fn pool(&mut self) -> PyResult<&mut Pool> {
        if self.pool.is_none() {
            let pool = Pool::new(self.ring()?)?;
            self.pool = Some(pool);
        }
        self.pool
            .as_mut()
            .ok_or_else(|| PyRuntimeError::new_err("the ring is closed"))
    }

    fn arm(&mut self, fd: i32) -> PyResult<()> {
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

    fn release(&mut self, index: u32) -> (Kind, Hold) {
        let slot = &mut self.slots[index as usize];
        let kind = std::mem::replace(&mut slot.kind, Kind::Free);
        let hold = std::mem::replace(&mut slot.hold, Hold::Nothing);
        self.free.push(index);
        (kind, hold)
    }

    /// Takes all completions out of the queue.
    fn harvest(&mut self, py: Python<'_>) -> PyResult<()> {
        loop {
            self.ring()?;
            let Some(Owned(ring)) = self.ring.as_mut() else {
                return Ok(());
            };
            for entry in ring.completions() {
                let index = entry.user_data as u32;
                let Some(slot) = self
                    .slots
                    .get_mut(index as usize)
                    .filter(|slot| slot.serial == (entry.user_data >> 32) as u32)
                else {
                    continue;
                };
                let more = entry.flags & abi::IORING_CQE_F_MORE != 0;
                if let Kind::Receive(stream) = &slot.kind {
                    let stream = stream.clone_ref(py);
                    self.events
                        .push_back(Event::Received(stream, entry.res, entry.flags));
                    if more {
                        continue;
                    }
                } else if more {
                    continue;
                }
                let kind = std::mem::replace(&mut slot.kind, Kind::Free);
                let hold = std::mem::replace(&mut slot.hold, Hold::Nothing);
                self.free.push(index);
                match kind {
                    Kind::Watch(fd) => {
                        let Some(watch) = self.watches.get_mut(&fd) else {
                            continue;
                        };
                        if watch.token != Some(entry.user_data) {
                            continue;
                        }
                        watch.token = None;
                        if entry.res > 0 {
                            self.rearm.push(fd);
                            self.events.push_back(Event::Ready(fd, entry.res as u32));
                        }
                    }
                    Kind::Free | Kind::Nobody | Kind::Receive(_) => {}
                    kind => self.events.push_back(Event::Done(kind, hold, entry.res)),
                }
            }
            // SAFETY: used within this call only.
            let ring = unsafe { ring.as_ring_ref() };
            if !ring.cq_has_overflow() {
                break;
            }
            ring.get_events();
        }
        if !self.silent.is_empty() {
            self.end_silent()?;
        }
        Ok(())
    }

    /// Silent sends that did not fail while they were submitted are done.
    fn end_silent(&mut self) -> PyResult<()> {
        // SAFETY: used within this call only.
        if unsafe { self.ring()?.as_ring_ref() }.sq_ready() != 0 || !self.backlog.is_empty() {
            return Ok(());
        }
        for index in std::mem::take(&mut self.silent) {
            if let Kind::Send(_, sending) = &self.slots[index as usize].kind {
                let length = sending.length() as i32;
                let (kind, hold) = self.release(index);
                self.events.push_back(Event::Done(kind, hold, length));
            }
        }
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Submits and, with a timeout, waits for the first completion. A wait
    /// that a signal ends is not taken up again.
    fn enter(&mut self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<i32> {
        self.push_backlog()?;
        let ring = self.ring()?;
        let Some(limit) = timeout else {
            // SAFETY: the slots keep what the entries point to.
            return Ok(unsafe { ring.as_ring_ref() }.submit());
        };
        let limit = limit.min(LONGEST);
        let time = __kernel_timespec {
            tv_sec: limit.as_secs() as i64,
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        Ok(py.detach(|| {
            // SAFETY: the slots keep what the entries point to; the time is
            // valid for the call.
            let waited = unsafe {
                ring.as_ring_ref()
                    .submit_and_wait_timeout(1, &raw const time, 0, std::ptr::null())
            };
            waited.map_or_else(|error| error, |waited| waited.result)
        }))
    }

    /// Cancels, waits a bounded time, and gives up memory the kernel may
    /// still use rather than free it.
    fn shut(&mut self, py: Python<'_>) {
        self.watches.clear();
        self.rearm.clear();
        self.dirty.clear();
        let foreign = self.process != generation();
        if self.ring.is_some() && !foreign {
            let end = Instant::now() + PATIENCE;
            let _ = self.enter(py, None);
            let _ = self.harvest(py);
            while self.in_flight() > 0 && Instant::now() < end {
                let mut cancel = blank();
                let all = abi::IORING_ASYNC_CANCEL_ANY | abi::IORING_ASYNC_CANCEL_ALL;
                anyring::prep::prep_cancel64(&mut cancel, 0, all as i32);
                cancel.user_data = NOBODY;
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
        let ring = self.ring.take();
        if foreign {
            // The parent's: its memory and descriptor are left alone.
            std::mem::forget(ring);
            std::mem::forget(std::mem::take(&mut self.slots));
            std::mem::forget(self.pool.take());
        } else {
            drop(ring);
            if self.in_flight() > 0 {
                std::mem::forget(self.pool.take());
            }
            for slot in self.slots.drain(..) {
                if !matches!(slot.kind, Kind::Free) {
                    std::mem::forget(slot.hold);
                    if let Kind::Send(_, sending) = slot.kind {
                        std::mem::forget(sending);
                    }
                }
            }
            self.pool = None;
        }
        if self.eventfd >= 0 && !foreign {
            // SAFETY: ours, and closed once.
            unsafe { libc::close(self.eventfd) };
        }
        self.eventfd = -1;
        self.free.clear();
        self.silent.clear();
        self.backlog.clear();
        self.events.clear();
    }
}

/// An entry of zeroes, which is a NOP.
pub(crate) fn blank() -> io_uring_sqe {
    // SAFETY: all zeroes is a NOP.
    unsafe { std::mem::zeroed() }
}

/// The keys of watched descriptors that are ready, as selectors have them.
fn keys<'py>(this: &Bound<'py, Proactor>, ready: &[(i32, u32)]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(this.py());
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
fn dispatch(this: &Bound<'_, Proactor>, ready: &mut Vec<(i32, u32)>) -> PyResult<()> {
    let py = this.py();
    loop {
        let Some(event) = this.try_borrow_mut()?.events.pop_front() else {
            return Ok(());
        };
        match event {
            Event::Done(Kind::Send(stream, sending), hold, result) => {
                drop(hold);
                aio_stream::sent(stream.bind(py), sending, result)?;
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
            Event::Ready(fd, mask) => ready.push((fd, mask)),
            Event::Received(stream, result, flags) => {
                aio_stream::received(stream.bind(py), this, result, flags)?;
            }
            Event::Held(stream) => aio_stream::held(stream.bind(py))?,
        }
    }
}

/// Gives the streams with something to send an entry each.
fn prepare(this: &Bound<'_, Proactor>) -> PyResult<()> {
    let py = this.py();
    let dirty = std::mem::take(&mut this.try_borrow_mut()?.dirty);
    for stream in dirty {
        aio_stream::transmit(stream.bind(py), this)?;
    }
    let mut proactor = this.try_borrow_mut()?;
    for fd in std::mem::take(&mut proactor.rearm) {
        proactor.arm(fd)?;
    }
    Ok(())
}

#[pymethods]
impl Proactor {
    /// A ring with room for `entries` entries and `cq_entries` completions.
    ///
    /// Raises OSError as io_uring_setup(2) does.
    #[new]
    #[pyo3(signature = (entries=512, cq_entries=4096))]
    fn new(entries: u32, cq_entries: u32) -> PyResult<Self> {
        let plain = || Builder::new(entries).cq_entries(cq_entries);
        // No interrupts for completions of a thread that looks for them
        // anyway (Linux 5.19).
        let flags = abi::IORING_SETUP_COOP_TASKRUN | abi::IORING_SETUP_TASKRUN_FLAG;
        let ring = plain()
            .flags(flags)
            .build()
            .or_else(|error| match error.0 {
                libc::EINVAL => plain().build(),
                _ => Err(error),
            })
            .map_err(raise)?;
        Ok(Proactor {
            ring: Some(Owned(ring)),
            process: generation(),
            slots: Vec::new(),
            free: Vec::new(),
            backlog: VecDeque::new(),
            events: VecDeque::new(),
            watches: HashMap::new(),
            rearm: Vec::new(),
            dirty: Vec::new(),
            silent: Vec::new(),
            pool: None,
            eventfd: -1,
            interrupted: false,
        })
    }

    /// The descriptor of the ring.
    #[getter]
    fn fd(&mut self) -> PyResult<i32> {
        Ok(self.ring()?.fd())
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.ring.is_none()
    }

    /// Operations the kernel has not finished.
    #[getter(in_flight)]
    fn count(&self) -> usize {
        self.in_flight()
    }

    /// Whether receives may choose from provided buffers again and again, and
    /// sends may be silent: Linux 6.0.
    fn can_stream(&mut self) -> PyResult<bool> {
        let mut words = vec![0u64; anyring::probe::PROBE_SIZE.div_ceil(8)];
        let probe = words.as_mut_ptr().cast::<abi::io_uring_probe>();
        // SAFETY: the memory has the size of a probe with all its operations.
        let known = unsafe {
            let ring = self.ring()?.as_ring_ref();
            ring.register_probe(probe, anyring::probe::PROBE_OPS as u32) >= 0
                && anyring::probe::opcode_supported(probe, abi::IORING_OP_SEND_ZC as i32)
        };
        Ok(known && self.pool().is_ok())
    }

    /// An eventfd that completions signal from now on; the ring closes it.
    fn open_eventfd(&mut self) -> PyResult<i32> {
        if self.eventfd >= 0 {
            return Ok(self.eventfd);
        }
        // SAFETY: no memory is involved.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        self.eventfd = fd;
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        anyring::check(ring.register_eventfd(abi::IORING_REGISTER_EVENTFD, fd)).map_err(raise)?;
        Ok(fd)
    }

    /// Submits without waiting and finishes what has completed. With
    /// `signalled` the eventfd is read first.
    #[pyo3(signature = (signalled=false))]
    fn flush(slf: &Bound<'_, Self>, signalled: bool) -> PyResult<()> {
        let py = slf.py();
        prepare(slf)?;
        {
            let mut this = slf.try_borrow_mut()?;
            if signalled && this.eventfd >= 0 {
                let mut count = 0u64;
                // SAFETY: eight bytes, as an eventfd has them.
                unsafe { libc::read(this.eventfd, (&raw mut count).cast(), 8) };
            }
            let own = this.eventfd >= 0;
            if own {
                // What completes while it is submitted is taken here and now.
                // SAFETY: used within this call only.
                unsafe { this.ring()?.as_ring_ref() }.cq_eventfd_toggle(false);
            }
            let result = this.enter(py, None)?;
            if own {
                // SAFETY: as above.
                unsafe { this.ring()?.as_ring_ref() }.cq_eventfd_toggle(true);
            }
            this.harvest(py)?;
            if result < 0 && !temporary(-result) {
                return Err(os_error(-result));
            }
        }
        dispatch(slf, &mut Vec::new())
    }

    /// Submits, waits at most `timeout` seconds (None: for ever) for the first
    /// completion, finishes what has completed; `[(key, events)]` of the
    /// watched descriptors that are ready, events as selectors have them.
    /// Empty after a signal.
    ///
    /// With the loop's queue of handles and heap of timers, and without a
    /// timeout, all that again until there is something in one of them, or
    /// something to return, or `interrupt` was called.
    #[pyo3(signature = (timeout=None, queue=None, timers=None))]
    fn poll<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<f64>,
        queue: Option<&Bound<'py, PyAny>>,
        timers: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let mut ready = Vec::new();
        loop {
            prepare(slf)?;
            let result = {
                let mut this = slf.try_borrow_mut()?;
                let limit = match timeout {
                    Some(time) if time <= 0.0 => None,
                    _ if !this.events.is_empty() || this.interrupted => None,
                    Some(time) => Some(Duration::try_from_secs_f64(time).unwrap_or(LONGEST)),
                    None => Some(LONGEST),
                };
                let result = this.enter(py, limit)?;
                this.harvest(py)?;
                result
            };
            if result < 0 && !temporary(-result) {
                return Err(os_error(-result));
            }
            py.check_signals()?;
            dispatch(slf, &mut ready)?;
            let again = match (timeout, queue, timers) {
                (None, Some(queue), Some(timers)) => {
                    ready.is_empty() && queue.len()? == 0 && timers.len()? == 0
                }
                _ => false,
            };
            if std::mem::take(&mut slf.try_borrow_mut()?.interrupted) || !again {
                return keys(slf, &ready);
            }
        }
    }

    /// Has `poll` return instead of beginning again.
    fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// Submits without waiting; finishes nothing.
    fn submit(slf: &Bound<'_, Self>) -> PyResult<()> {
        prepare(slf)?;
        let mut this = slf.try_borrow_mut()?;
        this.enter(slf.py(), None)?;
        this.harvest(slf.py())
    }

    /// Asks the kernel to end the operation of this token; its future is
    /// cancelled when the kernel has let go. False if it has ended.
    fn cancel(&mut self, token: u64) -> PyResult<bool> {
        match self.slot(token) {
            Some(Slot {
                kind: Kind::Future { cancelled, .. },
                ..
            }) => *cancelled = true,
            _ => return Ok(false),
        }
        self.push_cancel(token)?;
        Ok(true)
    }

    /// Has `poll` report `key` while `fd` is ready for `mask` (`EPOLL*`).
    ///
    /// Raises OSError (EBADF) if `fd` is no open descriptor.
    fn watch(&mut self, fd: i32, mask: u32, key: Py<PyAny>) -> PyResult<()> {
        // SAFETY: no memory is involved.
        if fd < 0 || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            return Err(os_error(libc::EBADF));
        }
        if mask == 0 {
            return Err(PyValueError::new_err("no events"));
        }
        let old = match self.watches.get_mut(&fd) {
            Some(watch) if watch.mask == mask => {
                watch.key = key;
                return Ok(());
            }
            Some(watch) => {
                watch.key = key;
                watch.mask = mask;
                watch.token.take()
            }
            None => {
                let token = None;
                self.watches.insert(fd, Watch { key, mask, token });
                None
            }
        };
        self.rearm.push(fd);
        self.forget(old)
    }

    /// Ends a `watch`; the kernel has let go of the descriptor on return.
    fn unwatch(&mut self, py: Python<'_>, fd: i32) -> PyResult<()> {
        let Some(watch) = self.watches.remove(&fd) else {
            return Ok(());
        };
        if watch.token.is_some() && self.ring.is_some() {
            self.forget(watch.token)?;
            self.enter(py, None)?;
        }
        Ok(())
    }

    /// Cancels everything, waits up to a second for the kernel to let go, and
    /// takes the ring down. Memory the kernel still uses then is never freed.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.try_borrow()?.ring.is_some() {
            let _ = prepare(slf);
        }
        slf.try_borrow_mut()?.shut(slf.py());
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for slot in &self.slots {
            match &slot.kind {
                Kind::Future { future, .. } => visit.call(future)?,
                Kind::Receive(stream) | Kind::Send(stream, _) => visit.call(stream)?,
                _ => {}
            }
        }
        for watch in self.watches.values() {
            visit.call(&watch.key)?;
        }
        for stream in &self.dirty {
            visit.call(stream)?;
        }
        Ok(())
    }

    fn __clear__(&mut self) {
        Python::attach(|py| self.shut(py));
    }
}

impl Proactor {
    fn forget(&mut self, token: Option<u64>) -> PyResult<()> {
        let Some(token) = token else { return Ok(()) };
        if let Some(slot) = self.slot(token) {
            slot.kind = Kind::Nobody;
            self.push_cancel(token)?;
        }
        Ok(())
    }
}

/// Errors of io_uring_enter(2) after which the next call does it.
fn temporary(error: i32) -> bool {
    matches!(
        error,
        libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ETIME
    )
}

impl Drop for Proactor {
    fn drop(&mut self) {
        if self.ring.is_some() {
            Python::attach(|py| self.shut(py));
        }
    }
}
