//! The ring of a loop as Python has it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use anyring::Builder;
use anyring_abi as abi;
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::hidden::Hidden;
use super::state::{Kind, Owned, Proactor, Watch};
use super::turn::{LONGEST, dispatch, keys, prepare, temporary};
use crate::core::{generation, raise};
use crate::inflight::Table;
use crate::os_error;

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
        // anyway (Linux 5.19); an entry that is refused does not keep those
        // behind it back (Linux 5.18).
        let flags = abi::IORING_SETUP_COOP_TASKRUN
            | abi::IORING_SETUP_TASKRUN_FLAG
            | abi::IORING_SETUP_SUBMIT_ALL;
        let ring = crate::open(plain().flags(flags))
            .or_else(|error| match error.0 {
                libc::EINVAL => crate::open(plain()),
                _ => Err(error),
            })
            .map_err(raise)?;
        let on_engine = matches!(
            anyring_engine::served(ring.fd()),
            anyring_engine::Served::Userspace(_)
        );
        Ok(Proactor {
            on_engine,
            ring: Some(Owned(ring)),
            process: generation(),
            requests: Table::new()?,
            strangers: 0,
            backlog: VecDeque::new(),
            events: VecDeque::new(),
            watches: HashMap::new(),
            epoll: -1,
            watching: None,
            dirty: Vec::new(),
            arming: Vec::new(),
            thread: 0,
            turn_of_threads: 0,
            requeued: false,
            opens: 0,
            workers: 2,
            ending: false,
            pool: None,
            eventfd: -1,
            hidden: Vec::new(),
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

    /// Completions so far that were of no request that could have them.
    #[getter]
    fn ignored(&self) -> u64 {
        self.requests.ignored() + self.strangers
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
        self.hidden.push(Hidden::new(fd));
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        anyring::check(ring.register_eventfd(anyring::register::Signals::All, fd))
            .map_err(raise)?;
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
            let result = loop {
                let result = this.enter(py, None)?;
                this.harvest(py)?;
                if result < 0 || !std::mem::take(&mut this.requeued) {
                    break result;
                }
            };
            if own {
                // SAFETY: as above.
                unsafe { this.ring()?.as_ring_ref() }.cq_eventfd_toggle(true);
                // What has completed since then signalled nothing.
                this.harvest(py)?;
            }
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
                    Some(time) if time <= 0.0 || time.is_nan() => None,
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

    /// Has `poll` report `key` while `fd` is ready for `mask` (`EPOLL*`).
    ///
    /// Raises OSError (EBADF) if `fd` is no open descriptor, PermissionError if
    /// it is always ready, as the selectors of the standard library.
    fn watch(&mut self, fd: i32, mask: u32, key: Py<PyAny>) -> PyResult<()> {
        if mask == 0 {
            return Err(crate::make::raised::<PyValueError>("no events"));
        }
        let operation = match self.watches.get(&fd) {
            Some(watch) if watch.mask == mask => None,
            Some(_) => Some(libc::EPOLL_CTL_MOD),
            None => Some(libc::EPOLL_CTL_ADD),
        };
        if let Some(operation) = operation {
            self.control(operation, fd, mask)?;
        }
        self.watches.insert(fd, Watch { key, mask });
        Ok(())
    }

    /// Ends a `watch`.
    fn unwatch(&mut self, fd: i32) -> PyResult<()> {
        if self.watches.remove(&fd).is_none() || self.ring.is_none() {
            return Ok(());
        }
        self.ring()?;
        // It may be closed already.
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0);
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
        for request in self.requests.requests() {
            match &request.kind {
                Kind::Future { future, .. } => visit.call(future)?,
                Kind::Receive(stream) | Kind::ReceiveWhole(stream) | Kind::Send(stream, _) => {
                    visit.call(stream)?
                }
                _ => {}
            }
        }
        for watch in self.watches.values() {
            visit.call(&watch.key)?;
        }
        for stream in self.dirty.iter().chain(&self.arming) {
            visit.call(stream)?;
        }
        Ok(())
    }

    fn __clear__(&mut self) {
        Python::attach(|py| self.shut(py));
    }
}

impl Drop for Proactor {
    fn drop(&mut self) {
        if self.ring.is_some() {
            Python::attach(|py| self.shut(py));
        }
    }
}
