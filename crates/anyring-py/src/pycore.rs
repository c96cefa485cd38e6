//! The ring as Python holds it.

use std::sync::Arc;

use anyring_abi as abi;
use anyring_abi::io_uring_params;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::args::Data;
use crate::cell::{Held, Locked};
use crate::core::{State, checked, raise};
use crate::cqe::Completed;
use crate::keep::vectors;
use crate::make::{self, Many};
use crate::queue::Queue;
use crate::sqe::Sqe;

/// A ring that owns the memory of its operations. One thread at a time: a
/// call while another runs raises RuntimeError.
#[pyclass(module = "liburing._liburing", frozen)]
pub(crate) struct Core {
    state: Locked<State>,
}

impl Core {
    /// Takes a ring over.
    pub(crate) fn of(queue: Queue, old: bool) -> PyResult<Self> {
        let state = Locked::new(State::new(queue, old)?);
        Ok(Core { state })
    }

    /// The state; RuntimeError while another call has it.
    #[inline]
    pub(crate) fn lock<'a>(&'a self, py: Python<'a>) -> PyResult<Held<'a, State>> {
        self.state.lock(py)
    }

    /// The state; None while another call has it.
    #[inline]
    pub(crate) fn try_lock<'a>(&'a self, py: Python<'a>) -> Option<Held<'a, State>> {
        self.state.try_lock(py)
    }
}

#[pymethods]
impl Core {
    /// A ring with room for `entries` entries.
    ///
    /// Raises OSError as io_uring_setup(2) does.
    #[new]
    #[pyo3(signature = (entries, flags=0, cq_entries=0, sq_thread_idle=0, *, old=false))]
    fn new(
        entries: u32,
        flags: u32,
        cq_entries: u32,
        sq_thread_idle: u32,
        old: bool,
    ) -> PyResult<Self> {
        let own_memory = abi::IORING_SETUP_NO_MMAP | abi::IORING_SETUP_REGISTERED_FD_ONLY;
        if flags & own_memory != 0 {
            return Err(make::raised::<PyValueError>(
                "ring memory cannot be given here",
            ));
        }
        let mut params: io_uring_params = anyring::ring::setup::params(flags);
        params.sq_thread_idle = sq_thread_idle;
        if cq_entries > 0 {
            params.flags |= abi::IORING_SETUP_CQSIZE;
            params.cq_entries = cq_entries;
        }
        Core::of(Queue::new(entries, &mut params).map_err(raise)?, old)
    }

    /// The descriptor, for poll and for eventfds.
    #[getter]
    fn fd(&self, py: Python<'_>) -> PyResult<i32> {
        Ok(self.lock(py)?.queue()?.raw().ring_fd)
    }

    /// The descriptor or registered index that io_uring_enter(2) is given.
    #[getter]
    fn enter_fd(&self, py: Python<'_>) -> PyResult<i32> {
        Ok(self.lock(py)?.queue()?.raw().enter_ring_fd)
    }

    /// `IORING_FEAT_*`.
    #[getter]
    fn features(&self, py: Python<'_>) -> PyResult<u32> {
        Ok(self.lock(py)?.queue()?.raw().features)
    }

    /// `IORING_SETUP_*` in force.
    #[getter]
    fn flags(&self, py: Python<'_>) -> PyResult<u32> {
        Ok(self.lock(py)?.queue()?.raw().flags)
    }

    /// The library's own flags.
    #[getter]
    fn int_flags(&self, py: Python<'_>) -> PyResult<u8> {
        Ok(self.lock(py)?.queue()?.raw().int_flags)
    }

    /// Operations the kernel has not finished.
    #[getter]
    fn in_flight(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.lock(py)?.in_flight())
    }

    /// Completions so far that were of no request that could have them.
    #[getter]
    fn ignored(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.lock(py)?.ignored())
    }

    /// Completions given back so far.
    #[getter]
    fn head(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.lock(py)?.head)
    }

    /// Entries prepared and not submitted.
    fn sq_ready(&self, py: Python<'_>) -> PyResult<usize> {
        let mut state = self.lock(py)?;
        Ok(state.queue()?.ring().sq_ready() as usize + state.entries.len())
    }

    /// Entries that can still be taken.
    fn sq_space_left(&self, py: Python<'_>) -> PyResult<usize> {
        self.lock(py)?.space_left()
    }

    /// A fresh entry of the queue, None when it is full.
    fn get_sqe(&self, py: Python<'_>) -> PyResult<Option<Py<Sqe>>> {
        self.lock(py)?.get_sqe(py)
    }

    /// Submits and waits for `wait` completions; the number submitted.
    ///
    /// Raises OSError as io_uring_enter(2) does; InterruptedError after a
    /// signal whose handler did not raise.
    #[pyo3(signature = (wait=0))]
    fn submit(&self, py: Python<'_>, wait: u32) -> PyResult<u32> {
        self.lock(py)?.submit(py, wait)
    }

    /// Waits until `count` completions are ready, at most `nanoseconds`; after
    /// `least_usec` microseconds one will do (kernel 6.12). The number ready.
    ///
    /// Raises OSError (ETIME) when the time is over, InterruptedError after a
    /// signal whose handler did not raise.
    #[pyo3(signature = (count, nanoseconds=None, least_usec=0, sigmask=None))]
    fn wait(
        &self,
        py: Python<'_>,
        count: usize,
        nanoseconds: Option<u64>,
        least_usec: u32,
        sigmask: Option<u64>,
    ) -> PyResult<usize> {
        self.lock(py)?
            .wait(py, count, nanoseconds, least_usec, sigmask)
    }

    /// The number of completions that are ready; never waits.
    fn peek(&self, py: Python<'_>) -> PyResult<usize> {
        self.lock(py)?.peek()
    }

    /// The numbers of the completions that are ready: of the first, and one past
    /// the last. Never waits.
    fn walk(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let mut state = self.lock(py)?;
        let count = state.peek()? as u64;
        Ok((state.head, state.head + count))
    }

    /// The completion `index` places behind the first, None past the end.
    fn entry(&self, py: Python<'_>, index: u64) -> PyResult<Option<Completed>> {
        let state = self.lock(py)?;
        Ok(state.entry(state.head.saturating_add(index)))
    }

    /// Gives `count` completions back, no more than are ready.
    fn advance(&self, py: Python<'_>, count: usize) -> PyResult<()> {
        self.lock(py)?.advance_far(count)
    }

    /// Takes all completions that are ready, `(user_data, res, flags)` each.
    fn completions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut state = self.lock(py)?;
        state.peek()?;
        state.forget_seen();
        let all = make::list(py)?;
        while let Some((user_data, res, flags)) = state.entry(state.head) {
            let item = [
                make::unsigned(py, user_data)?,
                make::integer(py, res.into())?,
                make::integer(py, flags.into())?,
            ];
            all.append(make::tuple(py, item)?)?;
            state.head += 1;
            state.forget_seen();
        }
        Ok(all)
    }

    /// Signals this eventfd at each completion; -1 stops it.
    fn eventfd(&self, py: Python<'_>, fd: i32) -> PyResult<()> {
        let mut state = self.lock(py)?;
        let ring = state.queue()?.ring();
        let result = if fd < 0 {
            ring.register_plain(abi::IORING_UNREGISTER_EVENTFD)
        } else {
            ring.register_eventfd(anyring::register::Signals::All, fd)
        };
        checked(result).map(drop)
    }

    /// Registers files; an empty list takes the registration back.
    fn files(&self, py: Python<'_>, files: Many<i32>) -> PyResult<u32> {
        let Many(files) = files;
        let mut state = self.lock(py)?;
        let ring = state.queue()?.ring();
        checked(if files.is_empty() {
            ring.register_plain(abi::IORING_UNREGISTER_FILES)
        } else {
            // SAFETY: the kernel copies the list during the call.
            unsafe { ring.register_files(files.as_ptr(), files.len() as u32) }
        })
    }

    /// Registers buffers and keeps them until the registration is taken back
    /// by an empty list or the ring is closed. Tags, if given, come as
    /// completions when a buffer is used no more (kernel 5.13).
    #[pyo3(signature = (buffers, tags=None))]
    fn buffers(
        &self,
        py: Python<'_>,
        buffers: Many<Bound<'_, PyAny>>,
        tags: Option<Many<u64>>,
    ) -> PyResult<u32> {
        let Many(buffers) = buffers;
        let mut keep = Vec::new();
        let vectors = vectors(&buffers, true, &mut keep)?;
        let tags = tags_for(tags, vectors.len())?;
        let mut state = self.lock(py)?;
        let more = state.registered.try_reserve(keep.len());
        more.map_err(|_| crate::reserve::short())?;
        let ring = state.queue()?.ring();
        // SAFETY: the kernel copies vectors and tags; the buffers are kept.
        let result = unsafe {
            if buffers.is_empty() {
                ring.register_plain(abi::IORING_UNREGISTER_BUFFERS)
            } else if tags.is_empty() {
                let place = vectors.as_ptr().cast();
                ring.register(abi::IORING_REGISTER_BUFFERS, place, vectors.len() as u32)
            } else {
                ring.register_resources(
                    abi::IORING_REGISTER_BUFFERS2,
                    vectors.as_ptr().cast(),
                    tags.as_ptr(),
                    vectors.len() as u32,
                    0,
                )
            }
        };
        let count = checked(result)?;
        if buffers.is_empty() && state.in_flight() > 0 {
            // Operations in flight may use them until they end.
            std::mem::forget(std::mem::take(&mut state.registered));
        }
        if buffers.is_empty() {
            let old = std::mem::take(&mut state.registered);
            drop(state);
            drop(old);
        } else {
            state.registered.extend(keep.into_iter().map(Arc::new));
        }
        Ok(count)
    }

    /// Replaces registered buffers from `offset` on; the old ones are kept as
    /// well, since operations may use them. The number replaced. Kernel 5.13.
    #[pyo3(signature = (offset, buffers, tags=None))]
    fn update_buffers(
        &self,
        py: Python<'_>,
        offset: u32,
        buffers: Many<Bound<'_, PyAny>>,
        tags: Option<Many<u64>>,
    ) -> PyResult<u32> {
        let Many(buffers) = buffers;
        let mut keep = Vec::new();
        let vectors = vectors(&buffers, true, &mut keep)?;
        let mut tags = tags_for(tags, vectors.len())?;
        tags.resize(vectors.len(), 0);
        let mut state = self.lock(py)?;
        let more = state.registered.try_reserve(keep.len());
        more.map_err(|_| crate::reserve::short())?;
        let ring = state.queue()?.ring();
        // SAFETY: the kernel copies vectors and tags; the buffers are kept.
        let result = unsafe {
            ring.update_resources(
                abi::IORING_REGISTER_BUFFERS_UPDATE,
                offset,
                vectors.as_ptr().cast(),
                tags.as_ptr(),
                vectors.len() as u32,
            )
        };
        state.registered.extend(keep.into_iter().map(Arc::new));
        checked(result)
    }

    /// Whether the kernel has each operation, by number.
    fn probe<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut words = vec![0u64; anyring::probe::PROBE_SIZE.div_ceil(8)];
        let probe = words.as_mut_ptr().cast::<abi::io_uring_probe>();
        let mut state = self.lock(py)?;
        let ring = state.queue()?.ring();
        // SAFETY: the memory has the size of a probe with all its operations.
        unsafe {
            checked(ring.register_probe(probe, anyring::probe::PROBE_OPS as u32))?;
            let operations = 0..anyring_spec::operations().count() as i32;
            crate::make::truths(
                py,
                operations.map(|op| anyring::probe::opcode_supported(probe, op)),
            )
        }
    }

    /// Cancels what is in flight, waits up to a second for the kernel to let
    /// go, and takes the ring down. Memory the kernel still uses after that is
    /// never freed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let mut state = self.lock(py)?;
        state.spend(py);
        state.shut();
        Ok(())
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.state.get_mut().shut();
    }
}

/// Tags of registered resources: none, or one for each.
pub(crate) fn tags_for(tags: Option<Many<u64>>, count: usize) -> PyResult<Vec<u64>> {
    let tags = tags.map(|tags| tags.0).unwrap_or_default();
    if !tags.is_empty() && tags.len() != count {
        return Err(make::raised::<PyValueError>(
            "as many tags as resources, or none",
        ));
    }
    for tag in &tags {
        Data::of(*tag)?;
    }
    Ok(tags)
}
