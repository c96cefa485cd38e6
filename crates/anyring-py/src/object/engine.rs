//! The ring of the object tier, as Python sees it.

use std::collections::VecDeque;
use std::sync::Arc;

use anyring::Builder;
use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::batch::Batch;
use super::files::Pinned;
use super::flow::deadline;
use super::group::Group;
use super::hold::Hold;
use super::message::Message;
use super::operation::Operation;
use super::pool::Shared;
use super::requests::{Owner, Requests};
use super::stream::Stream;
use crate::OwnRing;
use crate::core::raise;
use crate::fork::generation;

/// The ring. Python reaches it through `&mut Engine` only.
pub(super) struct Owned(pub(super) OwnRing);

// SAFETY: no function takes it by shared reference.
unsafe impl Sync for Owned {}

/// A handle the program has not been told of since something happened to it.
pub(super) enum News {
    Operation(Py<Operation>),
    Batch(Py<Batch>),
    Group(Py<Group>),
    Stream(Py<Stream>),
    Message(Message),
}

impl News {
    /// Whether the program has not learned it otherwise.
    pub(super) fn untold(&self) -> bool {
        match self {
            News::Operation(handle) => handle.get().untold(),
            News::Batch(handle) => handle.get().untold(),
            News::Group(handle) => handle.get().untold(),
            News::Stream(handle) => handle.get().untold(),
            News::Message(_) => true,
        }
    }

    /// Tells the program by a list, unless it knows.
    fn tell(&self, all: &Bound<'_, PyList>) -> PyResult<()> {
        let py = all.py();
        match self {
            News::Operation(handle) => {
                if handle.get().untold() {
                    all.append(handle.bind(py))?;
                }
                handle.get().tell();
            }
            News::Batch(handle) => {
                if handle.get().untold() {
                    all.append(handle.bind(py))?;
                }
                handle.get().tell();
            }
            News::Group(handle) => {
                if handle.get().untold() {
                    all.append(handle.bind(py))?;
                }
                handle.get().tell();
            }
            News::Stream(handle) => {
                if handle.get().untold() {
                    all.append(handle.bind(py))?;
                }
                handle.get().tell();
            }
            News::Message(message) => all.append(Bound::new(py, *message)?)?,
        }
        Ok(())
    }
}

/// A chain of linked operations that is being started.
pub(super) struct Chain {
    /// Where in `pending` it begins.
    pub(super) start: usize,
    /// IOSQE_IO_LINK or IOSQE_IO_HARDLINK.
    pub(super) flag: u8,
}

/// A ring and all it keeps alive. One thread at a time: a call while another
/// runs raises RuntimeError.
#[pyclass(module = "liburing._liburing")]
pub(crate) struct Engine {
    pub(super) ring: Option<Owned>,
    pub(super) process: u32,
    pub(super) requests: Requests,
    /// Entries started and not yet copied to the queue, which may not end
    /// inside a chain.
    pub(super) pending: Vec<io_uring_sqe>,
    pub(super) chain: Option<Chain>,
    /// The batch that is being started.
    pub(super) group: Option<Py<Group>>,
    pub(super) news: VecDeque<News>,
    /// How many of the news were taken otherwise meanwhile.
    pub(super) stale: usize,
    pub(super) files: u32,
    pub(super) buffers: Vec<Arc<Pinned>>,
    pub(super) pools: Vec<Arc<Shared>>,
}

impl Engine {
    #[inline]
    pub(super) fn ring(&mut self) -> PyResult<&mut OwnRing> {
        if self.process != generation() {
            return Err(crate::make::foreign());
        }
        match &mut self.ring {
            Some(Owned(ring)) => Ok(ring),
            None => Err(crate::make::closed()),
        }
    }

    /// Room to note an operation and its end; MemoryError where there is none.
    #[inline]
    pub(super) fn make_room(&mut self, entries: usize) -> PyResult<()> {
        crate::reserve::check()?;
        let news = self.requests.live_shares() + 2;
        let pending = self.pending.capacity() - self.pending.len();
        if entries <= pending && news <= self.news.capacity() - self.news.len() {
            return Ok(());
        }
        self.make_more_room(entries, news)
    }

    #[cold]
    fn make_more_room(&mut self, entries: usize, news: usize) -> PyResult<()> {
        let room = crate::reserve::giving_up(|| {
            self.pending.try_reserve(entries).is_ok() && self.news.try_reserve(news).is_ok()
        });
        if room {
            Ok(())
        } else {
            Err(crate::reserve::short())
        }
    }

    /// Handles the program has not been told of.
    fn untold(&self) -> usize {
        self.news.iter().filter(|news| news.untold()).count()
    }
}

#[pymethods]
impl Engine {
    /// A ring with room for `entries` entries.
    #[new]
    #[pyo3(signature = (entries, flags=0, cq_entries=0, sq_thread_idle=0, attach=None))]
    fn new(
        entries: u32,
        flags: u32,
        cq_entries: u32,
        sq_thread_idle: u32,
        attach: Option<i32>,
    ) -> PyResult<Self> {
        let own_memory = abi::IORING_SETUP_NO_MMAP | abi::IORING_SETUP_REGISTERED_FD_ONLY;
        if flags & own_memory != 0 {
            return Err(crate::make::raised::<PyValueError>(
                "ring memory cannot be given here",
            ));
        }
        let mut builder = Builder::new(entries)
            .flags(flags)
            .sq_thread_idle(sq_thread_idle);
        if cq_entries > 0 {
            builder = builder.cq_entries(cq_entries);
        }
        if let Some(fd) = attach {
            builder = builder.attach_wq(fd);
        }
        Ok(Engine {
            ring: Some(Owned(crate::open(builder).map_err(raise)?)),
            process: generation(),
            requests: Requests::new()?,
            pending: Vec::new(),
            chain: None,
            group: None,
            news: VecDeque::new(),
            stale: 0,
            files: 0,
            buffers: Vec::new(),
            pools: Vec::new(),
        })
    }

    /// Whether the ring was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.ring.is_none()
    }

    /// The descriptor.
    #[getter]
    fn fd(&mut self) -> PyResult<i32> {
        Ok(self.ring()?.fd())
    }

    /// `IORING_FEAT_*`.
    #[getter]
    fn features(&mut self) -> PyResult<u32> {
        Ok(self.ring()?.features().bits())
    }

    /// `IORING_SETUP_*` in force.
    #[getter]
    fn flags(&mut self) -> PyResult<u32> {
        Ok(self.ring()?.setup_flags().bits())
    }

    /// Operations, batches and streams that have not ended.
    #[getter]
    fn in_flight(&self) -> usize {
        self.requests.live_shares()
    }

    /// Completions so far that were of no request that could have them.
    #[getter]
    fn ignored(&self) -> u64 {
        self.requests.ignored()
    }

    /// Entries started and not submitted.
    #[getter]
    fn unsubmitted(&mut self) -> PyResult<usize> {
        // SAFETY: used within this call only.
        let queued = unsafe { self.ring()?.as_ring_ref() }.sq_ready() as usize;
        Ok(queued + self.pending.len())
    }

    /// Submits what was started; the number of entries.
    fn submit(&mut self, py: Python<'_>) -> PyResult<usize> {
        self.flush(py, 0)
    }

    /// Submits, waits for `wait` handles with news and gives all there are.
    #[pyo3(signature = (wait=0, timeout=None))]
    fn completions(
        &mut self,
        py: Python<'_>,
        wait: usize,
        timeout: Option<f64>,
    ) -> PyResult<Py<PyList>> {
        let end = deadline(timeout)?;
        self.flush(py, 0)?;
        self.harvest(py, true)?;
        while self.untold() < wait {
            if self.requests.live_shares() == 0 && timeout.is_none() {
                // Nothing could end such a wait.
                break;
            }
            self.wait_more(py, 1, end)?;
        }
        self.stale = 0;
        if self.news.is_empty() {
            crate::reserve::check()?;
        }
        let all = crate::make::list(py)?;
        while let Some(news) = self.news.pop_front() {
            if let Err(error) = news.tell(&all) {
                self.news.push_front(news);
                if all.is_empty() {
                    return Err(error);
                }
                break;
            }
        }
        Ok(all.unbind())
    }

    /// Begins a chain.
    fn link_begin(&mut self, hard: bool) -> PyResult<()> {
        self.ring()?;
        if self.chain.is_some() {
            return Err(crate::make::raised::<PyRuntimeError>(
                "a chain cannot contain a chain",
            ));
        }
        let bit = if hard {
            abi::IOSQE_IO_HARDLINK_BIT
        } else {
            abi::IOSQE_IO_LINK_BIT
        };
        self.chain = Some(Chain {
            start: self.pending.len(),
            flag: 1 << bit,
        });
        Ok(())
    }

    /// Ends a chain, or takes back what was started in it; also when it is
    /// longer than the queue, with ValueError.
    fn link_end(&mut self, py: Python<'_>, keep: bool) -> PyResult<()> {
        let Some(chain) = self.chain.take() else {
            return Ok(());
        };
        let start = chain.start.min(self.pending.len());
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        let entries = ring.sq_ready() + ring.sq_space_left();
        let fits = self.pending.len() - start <= entries as usize;
        if keep && fits {
            if let Some(last) = self.pending[start..].last_mut() {
                last.flags &= !chain.flag;
            }
            return Ok(());
        }
        for sqe in self.pending.split_off(start) {
            self.abandon(py, sqe.user_data);
        }
        if keep {
            return Err(crate::make::raised::<PyValueError>(
                "a chain is longer than the submission queue",
            ));
        }
        Ok(())
    }

    /// Whether the kernel has each operation, by number.
    fn probe<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut words = vec![0u64; anyring::probe::PROBE_SIZE.div_ceil(8)];
        let probe = words.as_mut_ptr().cast::<abi::io_uring_probe>();
        // SAFETY: the memory has the size of a probe with all its operations.
        unsafe {
            let ring = self.ring()?.as_ring_ref();
            let result = ring.register_probe(probe, anyring::probe::PROBE_OPS as u32);
            anyring::check(result).map_err(raise)?;
            let operations = 0..anyring_spec::operations().count() as i32;
            crate::make::truths(
                py,
                operations.map(|op| anyring::probe::opcode_supported(probe, op)),
            )
        }
    }

    /// Signals this eventfd at each completion; -1 stops it.
    fn eventfd(&mut self, fd: i32) -> PyResult<()> {
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        let result = if fd < 0 {
            ring.register_plain(abi::IORING_UNREGISTER_EVENTFD)
        } else {
            ring.register_eventfd(anyring::register::Signals::All, fd)
        };
        anyring::check(result).map_err(raise)?;
        Ok(())
    }

    /// Registers the credentials of the process, or takes those of a number
    /// back.
    fn personality(&mut self, id: i32) -> PyResult<u32> {
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        anyring::check(match u32::try_from(id) {
            Ok(id) => ring.register_number(abi::IORING_UNREGISTER_PERSONALITY, id),
            Err(_) => ring.register_plain(abi::IORING_REGISTER_PERSONALITY),
        })
        .map_err(raise)
    }

    /// Limits of the worker threads; those before.
    fn limit_workers(&mut self, bounded: u32, unbounded: u32) -> PyResult<(u32, u32)> {
        let mut limits = [bounded, unbounded];
        let place = limits.as_mut_ptr().cast_const().cast();
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        // SAFETY: two numbers, which the kernel exchanges during the call.
        let result = unsafe { ring.register(abi::IORING_REGISTER_IOWQ_MAX_WORKERS, place, 2) };
        anyring::check(result).map_err(raise)?;
        Ok((limits[0], limits[1]))
    }

    /// Starts a ring made with IORING_SETUP_R_DISABLED.
    fn enable(&mut self) -> PyResult<()> {
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        anyring::check(ring.register_plain(abi::IORING_REGISTER_ENABLE_RINGS)).map_err(raise)?;
        Ok(())
    }

    /// Cancels what is in flight, waits up to a second for the kernel to let
    /// go, and takes the ring down. Memory the kernel still uses after that is
    /// never freed.
    fn close(&mut self, py: Python<'_>) {
        self.shut(py);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for started in self.requests.all_shared() {
            match &started.owner {
                Owner::Nobody => {}
                Owner::Operation(handle) => visit.call(handle)?,
                Owner::Batch(handle, _) => visit.call(handle)?,
                Owner::Stream(handle) => visit.call(handle)?,
            }
            for hold in &started.hold {
                if let Hold::Object(object) = hold {
                    visit.call(object)?;
                }
            }
        }
        visit.call(&self.group)?;
        for news in &self.news {
            match news {
                News::Operation(handle) => visit.call(handle)?,
                News::Batch(handle) => visit.call(handle)?,
                News::Group(handle) => visit.call(handle)?,
                News::Stream(handle) => visit.call(handle)?,
                News::Message(_) => {}
            }
        }
        Ok(())
    }

    fn __clear__(&mut self, py: Python<'_>) {
        self.group = None;
        self.shut(py);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        Python::attach(|py| self.shut(py));
    }
}
