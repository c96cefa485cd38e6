//! A ring and what its operations keep alive.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyring::Errno;
use anyring_abi as abi;
use anyring_abi::{__kernel_timespec, io_uring_params, io_uring_sqe};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::cqe::Completed;
pub(crate) use crate::fork::generation;
use crate::keep::{Keep, Keeps, Pinned};
use crate::os_error;
use crate::queue::Queue;
use crate::sqe::{Phase, Sqe, fresh};

/// How long closing waits for the kernel to let go.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bits of a token that number the slot.
const INDEX_BITS: u32 = 24;
/// Entries kept to be handed out again.
const POOL: usize = 128;

/// One operation in flight.
struct Slot {
    token: u64,
    user_data: u64,
    keep: Keeps,
    hide_success: bool,
    live: bool,
    /// One more than the number of its group.
    group: u32,
}

/// Requests that stand for one: cancelling all operations with a tag.
struct Group {
    user_data: u64,
    left: u32,
    done: i32,
    error: i32,
    hide_success: bool,
}

/// What a ring is made of.
pub(crate) struct State {
    queue: Option<Queue>,
    process: u32,
    secret: u64,
    count: u64,
    pub(crate) pending: Vec<Py<Sqe>>,
    pool: VecDeque<Py<Sqe>>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    groups: Vec<Option<Group>>,
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

#[cold]
fn foreign() -> PyErr {
    PyRuntimeError::new_err("this ring belongs to the process that made it")
}

#[cold]
fn is_closed() -> PyErr {
    PyRuntimeError::new_err("the ring is closed")
}

impl State {
    /// Takes a ring over.
    pub(crate) fn new(queue: Queue, old: bool) -> PyResult<Self> {
        let mut secret = [0u8; 8];
        // SAFETY: the buffer is valid for its length.
        let got = unsafe { libc::getrandom(secret.as_mut_ptr().cast(), secret.len(), 0) };
        if got != 8 {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(State {
            queue: Some(queue),
            process: generation(),
            secret: u64::from_ne_bytes(secret),
            count: 0,
            pending: Vec::new(),
            pool: VecDeque::new(),
            slots: Vec::new(),
            free: Vec::new(),
            groups: Vec::new(),
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
            return Err(foreign());
        }
        self.queue.as_mut().ok_or_else(is_closed)
    }

    /// Whether entries are of the older style.
    pub(crate) fn is_old(&self) -> bool {
        self.old
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
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

    /// All completions that are ready, given back.
    pub(crate) fn take(&mut self) -> Vec<Completed> {
        self.forget_seen();
        self.head += self.ready.len() as u64;
        self.kept = self.head;
        self.ready.drain(..).collect()
    }

    #[inline]
    fn take_slot(&mut self, user_data: u64, keep: Keeps, hide_success: bool, group: u32) -> u64 {
        let index = self.free.pop().unwrap_or(self.slots.len() as u32);
        self.count = self.count.wrapping_add(1);
        // A number that no completion of an earlier operation carries.
        let token = (self.secret.wrapping_add(self.count) << INDEX_BITS) | u64::from(index);
        let slot = Slot {
            token,
            user_data,
            keep,
            hide_success,
            live: true,
            group,
        };
        match self.slots.get_mut(index as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        token
    }

    /// The tokens of operations in flight with this user data; one that is
    /// nobody's when there are none.
    pub(crate) fn tokens_of(&self, user_data: u64, all: bool) -> Vec<u64> {
        let found = self
            .slots
            .iter()
            .filter(|slot| slot.live && slot.user_data == user_data)
            .map(|slot| slot.token);
        let mut tokens: Vec<u64> = found.take(if all { usize::MAX } else { 1 }).collect();
        if tokens.is_empty() {
            tokens.push(u64::MAX - 1);
        }
        tokens
    }

    /// Room in the queue for entries not yet taken.
    #[inline]
    pub(crate) fn space_left(&mut self) -> PyResult<usize> {
        let room = self.queue()?.ring().sq_space_left() as usize;
        Ok(room.saturating_sub(self.pending.len()))
    }

    /// A fresh entry of the queue, None when it is full.
    #[inline]
    pub(crate) fn get_sqe(&mut self, py: Python<'_>) -> PyResult<Option<Py<Sqe>>> {
        if self.space_left()? == 0 || self.in_flight() >= 1 << INDEX_BITS {
            return Ok(None);
        }
        // An entry that no program holds any more is as good as a new one;
        // the first may be in the variable the next goes to.
        for _ in 0..self.pool.len().min(2) {
            let Some(entry) = self.pool.pop_front() else {
                break;
            };
            // SAFETY: a live object.
            if unsafe { pyo3::ffi::Py_REFCNT(entry.as_ptr()) } == 1 {
                entry.get().entry.lock(py)?.renew();
                self.pending.push(entry.clone_ref(py));
                return Ok(Some(entry));
            }
            self.pool.push_back(entry);
        }
        let entry = fresh(py, self.old)?;
        self.pending.push(entry.clone_ref(py));
        Ok(Some(entry))
    }

    /// Moves what the program prepared to the queue.
    pub(crate) fn stage(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let room = self.queue()?.ring().sq_space_left() as usize;
        let count = self.pending.len().min(room);
        let mut pending = std::mem::take(&mut self.pending);
        for entry in pending.drain(..count) {
            match entry.get().entry.lock(py) {
                Ok(mut sqe) => {
                    sqe.phase = Phase::Spent;
                    let keep = std::mem::take(&mut sqe.keep);
                    self.stage_one(&sqe.raw, keep)?;
                }
                // One that another call is filling right now goes as a NOP.
                // SAFETY: all zeroes is one.
                Err(_) => self.stage_one(&unsafe { std::mem::zeroed() }, Keeps::None)?,
            }
            if self.pool.len() >= POOL {
                drop(self.pool.pop_front().map(|entry| entry.into_bound(py)));
            }
            self.pool.push_back(entry);
        }
        // What Python code did meanwhile goes behind what was there before.
        pending.append(&mut self.pending);
        self.pending = pending;
        Ok(())
    }

    #[inline]
    fn stage_one(&mut self, raw: &io_uring_sqe, keep: Keeps) -> PyResult<()> {
        match u32::from(raw.opcode) {
            abi::IORING_OP_ASYNC_CANCEL => return self.stage_cancel(raw),
            abi::IORING_OP_TIMEOUT_REMOVE => {
                let mut raw = *raw;
                raw.addr = self.tokens_of(raw.addr, false)[0];
                return self.push(&raw, keep, 0);
            }
            abi::IORING_OP_POLL_REMOVE => {
                let mut raw = *raw;
                let token = self.tokens_of(raw.addr, false)[0];
                raw.addr = token;
                if raw.len & abi::IORING_POLL_UPDATE_USER_DATA != 0 {
                    // The kernel's tag stays ours; the program's changes when
                    // the update completes.
                    let user_data = std::mem::replace(&mut raw.off, token);
                    let keep = Keeps::from(Keep::Retag { token, user_data });
                    return self.push(&raw, keep, 0);
                }
                return self.push(&raw, keep, 0);
            }
            abi::IORING_OP_PROVIDE_BUFFERS => self.provide(raw.buf_index, &keep),
            _ => {}
        }
        self.push(raw, keep, 0)
    }

    /// Buffers of a group stay in use when the request that gave them is over.
    fn provide(&mut self, group: u16, keep: &Keeps) {
        for keep in keep.each() {
            let held = |other: &(u16, Arc<Keep>)| matches!(&**keep, Keep::Pinned(pinned) if same_place(&other.1, pinned));
            if !self.provided.iter().any(held) {
                self.provided.push((group, keep.clone()));
            }
        }
    }

    /// A cancellation by tag means our tokens with that tag, one request each.
    fn stage_cancel(&mut self, raw: &io_uring_sqe) -> PyResult<()> {
        let mut raw = *raw;
        let (by_tag, all) = cancels_by_tag(raw.op_flags);
        if !by_tag {
            return self.push(&raw, Keeps::None, 0);
        }
        let mut tokens = self.tokens_of(raw.addr, all);
        tokens.truncate(self.queue()?.ring().sq_space_left() as usize);
        if tokens.len() < 2 {
            raw.addr = tokens.first().copied().unwrap_or(u64::MAX - 1);
            return self.push(&raw, Keeps::None, 0);
        }
        let skip = 1u8 << abi::IOSQE_CQE_SKIP_SUCCESS_BIT;
        let hide = raw.flags & skip != 0;
        raw.flags &= !skip;
        let group = Group {
            user_data: raw.user_data,
            left: tokens.len() as u32,
            done: 0,
            error: 0,
            hide_success: hide,
        };
        let free = self.groups.iter().position(Option::is_none);
        let number = free.unwrap_or(self.groups.len());
        match free {
            Some(place) => self.groups[place] = Some(group),
            None => self.groups.push(Some(group)),
        }
        self.extra += tokens.len() as u32 - 1;
        for token in tokens {
            raw.addr = token;
            self.push(&raw, Keeps::None, number as u32 + 1)?;
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, raw: &io_uring_sqe, keep: Keeps, group: u32) -> PyResult<()> {
        let skip = 1u8 << abi::IOSQE_CQE_SKIP_SUCCESS_BIT;
        let hide = raw.flags & skip != 0;
        let token = self.take_slot(raw.user_data, keep, hide, group);
        let Some(queue) = self.queue.as_mut() else {
            return Err(is_closed());
        };
        if queue.push(raw, token, raw.flags & !skip) {
            return Ok(());
        }
        Err(PyRuntimeError::new_err("the queue is full"))
    }

    /// Takes every completion out of the kernel's queue; what an operation
    /// kept alive goes with its last one.
    #[inline]
    pub(crate) fn harvest(&mut self) -> PyResult<()> {
        self.queue()?;
        while let Some(entry) = self.queue.as_mut().and_then(Queue::next) {
            self.complete(entry);
        }
        Ok(())
    }

    #[inline]
    fn complete(&mut self, (token, res, flags): Completed) {
        let index = (token & ((1 << INDEX_BITS) - 1)) as usize;
        let slot = self
            .slots
            .get_mut(index)
            .filter(|slot| slot.live && slot.token == token);
        let Some(slot) = slot else {
            // A message of another ring.
            self.ready.push_back((token, res, flags));
            return;
        };
        if !(slot.hide_success && res >= 0 || slot.group != 0) {
            self.ready.push_back((slot.user_data, res, flags));
        }
        if flags & abi::IORING_CQE_F_MORE != 0 {
            return;
        }
        slot.live = false;
        let keep = std::mem::take(&mut slot.keep);
        let group = slot.group;
        self.free.push(index as u32);
        if group != 0 {
            self.complete_group(group as usize - 1, res);
        }
        if res >= 0 {
            for keep in keep.each() {
                if let Keep::Retag { token, user_data } = &**keep {
                    self.retag(*token, *user_data);
                }
            }
        }
    }

    fn retag(&mut self, token: u64, user_data: u64) {
        let index = (token & ((1 << INDEX_BITS) - 1)) as usize;
        if let Some(slot) = self.slots.get_mut(index) {
            if slot.live && slot.token == token {
                slot.user_data = user_data;
            }
        }
    }

    fn complete_group(&mut self, number: usize, res: i32) {
        let Some(place) = self.groups.get_mut(number) else {
            return;
        };
        let Some(group) = place else {
            return;
        };
        if res >= 0 {
            group.done += res.max(1);
        } else if group.error != -libc::EALREADY {
            group.error = res;
        }
        group.left -= 1;
        if group.left == 0 {
            let res = if group.done > 0 {
                group.done
            } else {
                group.error
            };
            if !(group.hide_success && res >= 0) {
                self.ready.push_back((group.user_data, res, 0));
            }
            *place = None;
        }
    }

    /// Submits all that was prepared and waits for `wait` completions; the
    /// number taken. Another call on the ring meanwhile raises RuntimeError.
    pub(crate) fn enter(&mut self, py: Python<'_>, wait: u32) -> PyResult<u32> {
        let mut total = 0;
        loop {
            self.stage(py)?;
            let last = self.pending.is_empty();
            let ring = self.queue()?.ring();
            let result = if last && wait > 0 {
                let place = Raw(ring);
                // The slots keep what the entries point to until their last
                // completion.
                py.detach(move || place.ring().submit_and_wait(wait))
            } else {
                ring.submit()
            };
            match checked(result) {
                Ok(count) => total += count,
                Err(error) => {
                    py.check_signals()?;
                    return Err(error);
                }
            }
            if last {
                let hidden = self.extra.min(total);
                self.extra -= hidden;
                return Ok(total - hidden);
            }
        }
    }

    /// Submits and waits for `wait` completions, those at hand included.
    #[inline]
    pub(crate) fn submit(&mut self, py: Python<'_>, wait: u32) -> PyResult<u32> {
        let held = u32::try_from(self.ready()).unwrap_or(u32::MAX);
        self.enter(py, wait.saturating_sub(held))
    }

    /// Waits until `count` completions are ready, at most `nanoseconds`, with
    /// `least_usec` for one; the number ready.
    pub(crate) fn wait(
        &mut self,
        py: Python<'_>,
        count: usize,
        nanoseconds: Option<u64>,
        least_usec: u32,
        sigmask: Option<u64>,
    ) -> PyResult<usize> {
        let end = nanoseconds.map(|time| Instant::now().checked_add(Duration::from_nanos(time)));
        let content = least_usec > 0;
        loop {
            self.harvest()?;
            if self.ready() >= count {
                return Ok(self.ready());
            }
            let missing = u32::try_from(count - self.ready()).unwrap_or(u32::MAX);
            let mut left = end
                .flatten()
                .map(|end| end.saturating_duration_since(Instant::now()));
            let mut least_usec = least_usec;
            if least_usec > 0 && self.ready() > 0 {
                // One is here already: only the least time is left to wait.
                let least = Duration::from_micros(least_usec.into());
                left = Some(left.map_or(least, |left| left.min(least)));
                least_usec = 0;
            }
            let left = left.map(|left| __kernel_timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: i64::from(left.subsec_nanos()) as _,
            });
            let result = self.block(py, missing, left.as_ref(), least_usec, sigmask);
            self.harvest()?;
            if self.ready() >= count {
                return Ok(self.ready());
            }
            if content && self.ready() > 0 && result != Err(Errno(libc::EINTR)) {
                // A batch that is not full after the least time will do.
                return Ok(self.ready());
            }
            if let Err(error) = result {
                py.check_signals()?;
                return Err(raise(error));
            }
        }
    }

    fn block(
        &mut self,
        py: Python<'_>,
        missing: u32,
        left: Option<&__kernel_timespec>,
        least_usec: u32,
        sigmask: Option<u64>,
    ) -> Result<(), Errno> {
        let Some(queue) = self.queue.as_mut() else {
            return Err(Errno(libc::EBADF));
        };
        let queued = queue.raw().sq.sqe_tail != queue.raw().sq.sqe_head;
        let has_ext_arg = queue.raw().features & abi::IORING_FEAT_EXT_ARG != 0;
        let place = Raw(queue.ring());
        if left.is_some() && !has_ext_arg && queued {
            // Such a wait would submit what nobody asked to submit.
            return Err(Errno(libc::EBUSY));
        }
        let left = left.copied();
        let waited = py.detach(move || {
            let left = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            let mask = sigmask
                .as_ref()
                .map_or(std::ptr::null(), |mask| std::ptr::from_ref(mask).cast());
            let ring = place.ring();
            // SAFETY: time and mask live through the call; kernels without
            // EXT_ARG copy the time at submission.
            let waited = unsafe {
                if least_usec > 0 {
                    ring.wait_cqes_min_timeout(missing, left, least_usec, mask)
                } else {
                    ring.wait_cqes(missing, left, mask)
                }
            };
            waited.map(|waited| (waited.result, waited.cqe.is_null()))
        });
        match waited {
            Ok((result, true)) if result >= 0 && missing > 0 && left.is_some() => {
                Err(Errno(libc::ETIME))
            }
            Ok((result, _)) => anyring::check(result).map(drop),
            Err(error) => Err(Errno(-error)),
        }
    }

    /// Lets the kernel post what it holds back; the number ready.
    pub(crate) fn peek(&mut self) -> PyResult<usize> {
        let deferred = abi::IORING_SETUP_DEFER_TASKRUN | abi::IORING_SETUP_IOPOLL;
        let queue = self.queue()?;
        let deferred = queue.raw().flags & deferred != 0;
        let ring = queue.ring();
        if deferred || ring.cq_has_overflow() {
            ring.get_events();
        }
        self.harvest()?;
        Ok(self.ready())
    }

    /// What `prepare` put into another entry goes in as one of ours.
    pub(crate) fn put(&mut self, py: Python<'_>, raw: io_uring_sqe, keep: Keeps) -> PyResult<()> {
        let entry = fresh(py, self.old)?;
        {
            let mut place = entry.get().entry.lock(py)?;
            place.raw = raw;
            place.keep = keep;
        }
        self.pending.push(entry);
        Ok(())
    }

    /// Swaps the queues for others of another size.
    pub(crate) fn resize(&mut self, params: &mut io_uring_params) -> PyResult<u32> {
        let ring = self.queue()?.ring();
        // SAFETY: valid for reads and writes, and we are the only user.
        checked(unsafe { ring.resize(params) })
    }

    /// Marks what was prepared as lost.
    pub(crate) fn spend(&mut self, py: Python<'_>) {
        for entry in self.pending.drain(..) {
            if let Ok(mut sqe) = entry.get().entry.lock(py) {
                sqe.phase = Phase::Spent;
                sqe.keep = Keeps::None;
            }
            drop(entry.into_bound(py));
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
            std::mem::forget(std::mem::take(&mut self.slots));
            self.give_up_registered();
            return;
        }
        let end = Instant::now() + PATIENCE;
        while self.in_flight() > 0 && Instant::now() < end {
            // SAFETY: all zeroes is a NOP.
            let mut cancel: io_uring_sqe = unsafe { std::mem::zeroed() };
            cancel.opcode = abi::IORING_OP_ASYNC_CANCEL as u8;
            cancel.fd = -1;
            cancel.op_flags = abi::IORING_ASYNC_CANCEL_ANY | abi::IORING_ASYNC_CANCEL_ALL;
            queue.push(&cancel, u64::MAX - 2, 0);
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
        drop(queue);
        if self.in_flight() > 0 {
            self.give_up_registered();
        }
        for slot in self.slots.drain(..).filter(|slot| slot.live) {
            std::mem::forget(slot.keep);
        }
        self.free.clear();
        self.ready.clear();
        self.kept = self.head;
        self.registered.clear();
        self.provided.clear();
        self.buf_rings.clear();
        self.retired.clear();
    }

    /// Registered memory that operations in flight may still use.
    pub(crate) fn give_up_registered(&mut self) {
        std::mem::forget(std::mem::take(&mut self.registered));
        std::mem::forget(std::mem::take(&mut self.provided));
        std::mem::forget(std::mem::take(&mut self.buf_rings));
        std::mem::forget(std::mem::take(&mut self.retired));
    }
}

/// The ring in a wait that goes on without the interpreter lock.
#[derive(Clone, Copy)]
pub(crate) struct Raw(pub(crate) anyring::RingRef<anyring::Linux>);

impl Raw {
    pub(crate) fn ring(self) -> anyring::RingRef<anyring::Linux> {
        self.0
    }
}

// SAFETY: the state is held exclusively while the wait lasts.
unsafe impl Send for Raw {}

/// Whether anything keeps this memory but `keep`.
pub(crate) fn same_place(keep: &Keep, pinned: &Pinned) -> bool {
    matches!(keep, Keep::Pinned(held) if held.address() == pinned.address() && held.len() == pinned.len())
}

/// Whether `IORING_ASYNC_CANCEL_*` go by tag, and whether they mean all.
pub(crate) fn cancels_by_tag(flags: u32) -> (bool, bool) {
    let other =
        abi::IORING_ASYNC_CANCEL_FD | abi::IORING_ASYNC_CANCEL_ANY | abi::IORING_ASYNC_CANCEL_OP;
    let by_tag = flags & other == 0 || flags & abi::IORING_ASYNC_CANCEL_USERDATA != 0;
    (by_tag, flags & abi::IORING_ASYNC_CANCEL_ALL != 0)
}
