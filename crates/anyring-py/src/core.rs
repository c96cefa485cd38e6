//! A ring and what its operations keep alive.

use std::collections::VecDeque;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyring::{Builder, Errno, Ring};
use anyring_abi as abi;
use anyring_abi::{__kernel_timespec, io_uring_sqe};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::keep::{Keep, pin};
use crate::os_error;
use crate::sqe::Sqe;

/// How long closing waits for the kernel to let go.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bits of a token that number the slot.
const INDEX_BITS: u32 = 24;

/// How often this process is a fork of the one that loaded the module.
static FORKS: AtomicU32 = AtomicU32::new(0);
static WATCH: Once = Once::new();

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Differs between a process and its children; no system call.
pub(crate) fn generation() -> u32 {
    WATCH.call_once(|| {
        // SAFETY: the handler only adds to an atomic.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    FORKS.load(Ordering::Relaxed)
}

/// One operation in flight.
struct Slot {
    token: u64,
    user_data: u64,
    keep: Vec<Keep>,
    hide_success: bool,
    live: bool,
}

/// The ring. Python reaches it through `&mut Core` only.
struct Owned(Ring);

// SAFETY: no function takes it by shared reference.
unsafe impl Sync for Owned {}

/// `(user_data, res, flags)`.
pub(crate) type Entry = (u64, i32, u32);

/// A ring that owns the memory of its operations. One thread at a time: a
/// call while another runs raises RuntimeError.
#[pyclass(module = "liburing._liburing")]
pub(crate) struct Core {
    ring: Option<Owned>,
    process: u32,
    secret: u64,
    count: u64,
    pending: Vec<Py<Sqe>>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    ready: VecDeque<Entry>,
    /// Completions given back so far.
    #[pyo3(get)]
    pub(crate) head: usize,
    registered: Vec<Keep>,
}

pub(crate) fn raise(error: Errno) -> PyErr {
    os_error(error.0)
}

impl Core {
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

    fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn take_slot(&mut self, user_data: u64, keep: Vec<Keep>, hide_success: bool) -> u64 {
        let index = self.free.pop().unwrap_or(self.slots.len());
        self.count = self.count.wrapping_add(1);
        // A number that no completion of an earlier operation carries.
        let token = (self.secret.wrapping_add(self.count) << INDEX_BITS) | index as u64;
        let slot = Slot {
            token,
            user_data,
            keep,
            hide_success,
            live: true,
        };
        if index == self.slots.len() {
            self.slots.push(slot);
        } else {
            self.slots[index] = slot;
        }
        token
    }

    /// The token of an operation in flight with this user data; one that is
    /// nobody's when there is none.
    fn token_of(&self, user_data: u64) -> u64 {
        self.slots
            .iter()
            .find(|slot| slot.live && slot.user_data == user_data)
            .map_or(u64::MAX - 1, |slot| slot.token)
    }

    /// Moves what the program prepared to the queue.
    fn stage(&mut self, py: Python<'_>) -> PyResult<()> {
        let ring = self.ring()?;
        // SAFETY: used within this call only.
        let room = unsafe { ring.as_ring_ref() }.sq_space_left();
        let count = self.pending.len().min(room as usize);
        let entries: Vec<Py<Sqe>> = self.pending.drain(..count).collect();
        for entry in entries {
            let mut sqe = entry.borrow_mut(py);
            let mut raw: io_uring_sqe = sqe.raw;
            let keep = std::mem::take(&mut sqe.keep);
            sqe.spent = true;
            let op = u32::from(raw.opcode);
            let (address, op_flags) = (raw.addr, raw.op_flags);
            let by_user_data = match op {
                abi::IORING_OP_ASYNC_CANCEL => {
                    op_flags
                        & (abi::IORING_ASYNC_CANCEL_FD
                            | abi::IORING_ASYNC_CANCEL_ANY
                            | abi::IORING_ASYNC_CANCEL_OP)
                        == 0
                }
                abi::IORING_OP_TIMEOUT_REMOVE | abi::IORING_OP_POLL_REMOVE => true,
                _ => false,
            };
            if by_user_data {
                raw.addr = self.token_of(address);
            }
            let skip = 1u8 << abi::IOSQE_CQE_SKIP_SUCCESS_BIT;
            let hide = raw.flags & skip != 0;
            raw.flags &= !skip;
            raw.user_data = self.take_slot(raw.user_data, keep, hide);
            self.ring()?
                .push_sqe(raw)
                .map_err(|_| PyRuntimeError::new_err("the queue is full"))?;
        }
        Ok(())
    }

    /// Takes every completion out of the kernel's queue; what an operation
    /// kept alive goes with its last one.
    fn harvest(&mut self) -> PyResult<()> {
        self.ring()?;
        let Some(Owned(ring)) = self.ring.as_mut() else {
            return Ok(());
        };
        for entry in ring.completions() {
            let index = (entry.user_data & ((1 << INDEX_BITS) - 1)) as usize;
            let slot = self
                .slots
                .get_mut(index)
                .filter(|slot| slot.live && slot.token == entry.user_data);
            let Some(slot) = slot else {
                // A message of another ring.
                self.ready
                    .push_back((entry.user_data, entry.res, entry.flags));
                continue;
            };
            let hidden = slot.hide_success && entry.res >= 0;
            if !hidden {
                self.ready
                    .push_back((slot.user_data, entry.res, entry.flags));
            }
            if entry.flags & abi::IORING_CQE_F_MORE == 0 {
                slot.live = false;
                slot.keep = Vec::new();
                self.free.push(index);
            }
        }
        Ok(())
    }

    fn enter(&mut self, py: Python<'_>, wait: u32) -> PyResult<u32> {
        let mut total = 0;
        loop {
            self.stage(py)?;
            let last = self.pending.is_empty();
            let ring = self.ring()?;
            let nr = if last { wait } else { 0 };
            let result = if nr > 0 {
                // SAFETY: the slots keep what the entries point to until
                // their last completion.
                py.detach(|| unsafe { ring.submit_and_wait(nr) })
            } else {
                // SAFETY: as above.
                unsafe { ring.submit() }
            };
            total += match result {
                Ok(count) => count,
                Err(error) => {
                    py.check_signals()?;
                    return Err(raise(error));
                }
            };
            if last {
                return Ok(total);
            }
        }
    }

    /// Cancels, waits a bounded time, and gives up memory the kernel may
    /// still use rather than free it.
    fn shut(&mut self) {
        self.pending.clear();
        let Some(Owned(mut ring)) = self.ring.take() else {
            return;
        };
        if self.process != generation() {
            // The parent's: its memory and descriptor are left alone.
            std::mem::forget(ring);
            std::mem::forget(std::mem::take(&mut self.slots));
            std::mem::forget(std::mem::take(&mut self.registered));
            return;
        }
        let end = Instant::now() + PATIENCE;
        while self.in_flight() > 0 && Instant::now() < end {
            // SAFETY: all zeroes is a NOP.
            let mut cancel: io_uring_sqe = unsafe { std::mem::zeroed() };
            cancel.opcode = abi::IORING_OP_ASYNC_CANCEL as u8;
            cancel.fd = -1;
            cancel.op_flags = abi::IORING_ASYNC_CANCEL_ANY | abi::IORING_ASYNC_CANCEL_ALL;
            cancel.user_data = u64::MAX - 2;
            let _ = ring.push_sqe(cancel);
            // SAFETY: the slots keep what the entries point to.
            if unsafe { ring.submit() }.is_err_and(|error| error.0 != libc::EBUSY) {
                break;
            }
            let pause = __kernel_timespec {
                tv_sec: 0,
                tv_nsec: 20_000_000,
            };
            let _ = ring.wait(2, Some(&pause));
            self.ring = Some(Owned(ring));
            let _ = self.harvest();
            let Some(Owned(back)) = self.ring.take() else {
                return;
            };
            ring = back;
        }
        drop(ring);
        for slot in self.slots.drain(..).filter(|slot| slot.live) {
            std::mem::forget(slot.keep);
        }
        self.free.clear();
        self.ready.clear();
        self.registered.clear();
    }
}

#[pymethods]
impl Core {
    /// A ring with room for `entries` entries.
    ///
    /// Raises OSError as io_uring_setup(2) does.
    #[new]
    #[pyo3(signature = (entries, flags=0, cq_entries=0, sq_thread_idle=0))]
    fn new(entries: u32, flags: u32, cq_entries: u32, sq_thread_idle: u32) -> PyResult<Self> {
        let own_memory = abi::IORING_SETUP_NO_MMAP | abi::IORING_SETUP_REGISTERED_FD_ONLY;
        if flags & own_memory != 0 {
            return Err(PyValueError::new_err("ring memory cannot be given here"));
        }
        let mut builder = Builder::new(entries)
            .flags(flags)
            .sq_thread_idle(sq_thread_idle);
        if cq_entries > 0 {
            builder = builder.cq_entries(cq_entries);
        }
        let mut secret = [0u8; 8];
        // SAFETY: the buffer is valid for its length.
        let got = unsafe { libc::getrandom(secret.as_mut_ptr().cast(), secret.len(), 0) };
        if got != 8 {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(Core {
            ring: Some(Owned(builder.build().map_err(raise)?)),
            process: generation(),
            secret: u64::from_ne_bytes(secret),
            count: 0,
            pending: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            head: 0,
            registered: Vec::new(),
        })
    }

    /// The descriptor, for poll and for eventfds.
    #[getter]
    fn fd(&mut self) -> PyResult<i32> {
        Ok(self.ring()?.fd())
    }

    /// `IORING_FEAT_*`.
    #[getter]
    fn features(&mut self) -> PyResult<u32> {
        Ok(self.ring()?.features())
    }

    /// `IORING_SETUP_*` in force.
    #[getter]
    fn flags(&mut self) -> PyResult<u32> {
        Ok(self.ring()?.setup_flags())
    }

    /// Operations the kernel has not finished.
    #[getter(in_flight)]
    fn operations_in_flight(&self) -> usize {
        self.in_flight()
    }

    /// Entries prepared and not submitted.
    fn sq_ready(&mut self) -> PyResult<usize> {
        let ring = self.ring()?;
        // SAFETY: used within this call only.
        let queued = unsafe { ring.as_ring_ref() }.sq_ready() as usize;
        Ok(queued + self.pending.len())
    }

    /// Entries that can still be taken.
    fn sq_space_left(&mut self) -> PyResult<usize> {
        let ring = self.ring()?;
        // SAFETY: used within this call only.
        let room = unsafe { ring.as_ring_ref() }.sq_space_left() as usize;
        Ok(room.saturating_sub(self.pending.len()))
    }

    /// A fresh entry of the queue, None when it is full.
    pub(crate) fn get_sqe(&mut self, py: Python<'_>) -> PyResult<Option<Py<Sqe>>> {
        if self.sq_space_left()? == 0 || self.in_flight() >= 1 << INDEX_BITS {
            return Ok(None);
        }
        let entry = Py::new(py, Sqe::blank())?;
        self.pending.push(entry.clone_ref(py));
        Ok(Some(entry))
    }

    /// Submits and waits for `wait` completions; the number submitted.
    ///
    /// Raises OSError as io_uring_enter(2) does; InterruptedError after a
    /// signal whose handler did not raise.
    #[pyo3(signature = (wait=0))]
    pub(crate) fn submit(&mut self, py: Python<'_>, wait: u32) -> PyResult<u32> {
        let held = u32::try_from(self.ready.len()).unwrap_or(u32::MAX);
        self.enter(py, wait.saturating_sub(held))
    }

    /// Waits until `count` completions are ready, at most `nanoseconds`; the
    /// number ready.
    ///
    /// Raises OSError (ETIME) when the time is over, InterruptedError after a
    /// signal whose handler did not raise.
    #[pyo3(signature = (count, nanoseconds=None))]
    pub(crate) fn wait(
        &mut self,
        py: Python<'_>,
        count: usize,
        nanoseconds: Option<u64>,
    ) -> PyResult<usize> {
        let end = nanoseconds.map(|time| Instant::now().checked_add(Duration::from_nanos(time)));
        loop {
            self.harvest()?;
            if self.ready.len() >= count {
                return Ok(self.ready.len());
            }
            let missing = u32::try_from(count - self.ready.len()).unwrap_or(u32::MAX);
            let left = end
                .flatten()
                .map(|end| end.saturating_duration_since(Instant::now()));
            let left = left.map(|left| __kernel_timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: i64::from(left.subsec_nanos()) as _,
            });
            let ring = self.ring()?;
            if let Err(error) = py.detach(|| ring.wait(missing, left.as_ref())) {
                self.harvest()?;
                if self.ready.len() >= count {
                    return Ok(self.ready.len());
                }
                py.check_signals()?;
                return Err(raise(error));
            }
        }
    }

    /// The number of completions that are ready; never waits.
    fn peek(&mut self) -> PyResult<usize> {
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        let deferred = abi::IORING_SETUP_DEFER_TASKRUN | abi::IORING_SETUP_IOPOLL;
        if self.flags()? & deferred != 0 || ring.cq_has_overflow() {
            ring.get_events();
        }
        self.harvest()?;
        Ok(self.ready.len())
    }

    /// The completion `index` places behind the first, None past the end.
    pub(crate) fn entry(&self, index: usize) -> Option<Entry> {
        self.ready.get(index).copied()
    }

    /// Gives `count` completions back, no more than are ready.
    pub(crate) fn advance(&mut self, count: usize) -> PyResult<()> {
        self.ring()?;
        let count = count.min(self.ready.len());
        self.ready.drain(..count);
        self.head += count;
        Ok(())
    }

    /// Takes all completions that are ready, `(user_data, res, flags)` each.
    fn completions(&mut self) -> PyResult<Vec<Entry>> {
        self.peek()?;
        self.head += self.ready.len();
        Ok(self.ready.drain(..).collect())
    }

    /// Signals this eventfd at each completion; -1 stops it.
    fn eventfd(&mut self, fd: i32) -> PyResult<()> {
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        let result = if fd < 0 {
            ring.register_plain(abi::IORING_UNREGISTER_EVENTFD)
        } else {
            ring.register_eventfd(abi::IORING_REGISTER_EVENTFD, fd)
        };
        anyring::check(result).map_err(raise)?;
        Ok(())
    }

    /// Registers files; an empty list takes the registration back.
    fn files(&mut self, files: Vec<i32>) -> PyResult<u32> {
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        let result = if files.is_empty() {
            ring.register_plain(abi::IORING_UNREGISTER_FILES)
        } else {
            // SAFETY: the kernel copies the list during the call.
            unsafe { ring.register_files(files.as_ptr(), files.len() as u32) }
        };
        anyring::check(result).map_err(raise)
    }

    /// Registers buffers and keeps them until the registration is taken back
    /// by an empty list or the ring is closed.
    fn buffers(&mut self, buffers: Vec<Bound<'_, PyAny>>) -> PyResult<u32> {
        let mut keep = Vec::new();
        let mut vectors = Vec::new();
        for buffer in &buffers {
            let (address, length) = pin(buffer, true, &mut keep)?;
            vectors.push(libc::iovec {
                iov_base: address as *mut libc::c_void,
                iov_len: length,
            });
        }
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        // SAFETY: the kernel copies the vectors; the buffers are kept.
        let result = unsafe {
            if buffers.is_empty() {
                ring.register_plain(abi::IORING_UNREGISTER_BUFFERS)
            } else {
                ring.register(
                    abi::IORING_REGISTER_BUFFERS,
                    vectors.as_ptr().cast(),
                    vectors.len() as u32,
                )
            }
        };
        let count = anyring::check(result).map_err(raise)?;
        if buffers.is_empty() && self.in_flight() > 0 {
            // Operations in flight may use them until they end.
            std::mem::forget(std::mem::take(&mut self.registered));
        }
        self.registered = keep;
        Ok(count)
    }

    /// Whether the kernel has each operation, by number.
    fn probe(&mut self) -> PyResult<Vec<bool>> {
        let mut words = vec![0u64; anyring::probe::PROBE_SIZE.div_ceil(8)];
        let probe = words.as_mut_ptr().cast::<abi::io_uring_probe>();
        // SAFETY: the memory has the size of a probe with all its operations.
        unsafe {
            let ring = self.ring()?.as_ring_ref();
            let result = ring.register_probe(probe, anyring::probe::PROBE_OPS as u32);
            anyring::check(result).map_err(raise)?;
            Ok((0..anyring_spec::operations().count() as i32)
                .map(|op| anyring::probe::opcode_supported(probe, op))
                .collect())
        }
    }

    /// Cancels what is in flight, waits up to a second for the kernel to let
    /// go, and takes the ring down. Memory the kernel still uses after that is
    /// never freed.
    fn close(&mut self, py: Python<'_>) {
        for entry in &self.pending {
            if let Ok(mut sqe) = entry.try_borrow_mut(py) {
                sqe.spent = true;
            }
        }
        self.shut();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.shut();
    }
}
