//! Many operations of one kind, started at once, with one handle.

use std::sync::atomic::{AtomicU8, Ordering};

use anyring_abi as abi;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyIndexError, PyRuntimeError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PyString};

use super::engine::Engine;
use super::message::blank;
use super::operation::named_error;
use crate::inflight::Key;
use crate::make;
use crate::reserve::{giving_up, room, short};
use crate::trashcan::let_go;

/// The result of an operation that is not done.
pub(super) const UNKNOWN: i32 = i32::MIN;
pub(super) const DONE: u8 = 1;
pub(super) const TOLD: u8 = 2;

/// A batch of operations: their results in one array.
#[pyclass(module = "liburing", frozen)]
pub(crate) struct Batch {
    pub(super) engine: Py<Engine>,
    /// None for an empty one.
    pub(super) key: Option<Key>,
    /// What the operations are called.
    #[pyo3(get)]
    pub(super) name: Py<PyString>,
    /// Whatever the program gave to know it by.
    #[pyo3(get)]
    pub(super) user_data: Option<Py<PyAny>>,
    /// The program's buffer or list of buffers.
    #[pyo3(get)]
    pub(super) buffer: Option<Py<PyAny>>,
    /// Bytes of `buffer` that each operation has; 0 for a list.
    #[pyo3(get)]
    pub(super) size: usize,
    pub(super) results: Py<PyBytes>,
    pub(super) count: usize,
    pub(super) state: AtomicU8,
}

impl Drop for Batch {
    fn drop(&mut self) {
        let_go(self.user_data.take());
        let_go(self.buffer.take());
    }
}

impl Batch {
    fn has(&self, state: u8) -> bool {
        self.state.load(Ordering::Relaxed) & state != 0
    }

    /// The last completion came.
    pub(super) fn end(&self) {
        self.state.fetch_or(DONE, Ordering::Relaxed);
    }

    /// Tells the program; false when it knows.
    pub(super) fn tell(&self) -> bool {
        self.state.fetch_or(TOLD, Ordering::Relaxed) & TOLD == 0
    }

    pub(super) fn untold(&self) -> bool {
        !self.has(TOLD)
    }

    fn res(&self, py: Python<'_>, index: usize) -> i32 {
        let bytes = self.results.bind(py).as_bytes();
        let at = index * 4;
        i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    }

    /// How many have not ended.
    fn left(&self, engine: &mut Engine) -> u32 {
        let shared = self.key.and_then(|key| engine.requests.shared(key));
        shared.map_or(0, |(_, left)| left)
    }

    fn await_done(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        if !self.has(DONE) {
            let mut engine = self.engine.bind(py).try_borrow_mut()?;
            engine.wait_until(py, timeout, |engine| {
                if self.has(DONE) {
                    return 0;
                }
                self.left(engine)
            })?;
        }
        if self.tell() {
            if let Ok(mut engine) = self.engine.bind(py).try_borrow_mut() {
                engine.stale += 1;
            }
        }
        Ok(())
    }

    fn error(&self, py: Python<'_>, index: usize, res: i32) -> PyErr {
        let name = self.name.bind(py).to_string_lossy().into_owned();
        let error = named_error(py, &name, res.wrapping_neg(), false, None);
        // An exception that cannot have it is an exception all the same.
        make::mark(&error, py, index);
        error
    }

    fn failures<'a>(&'a self, py: Python<'a>) -> impl Iterator<Item = (usize, i32)> + 'a {
        let bytes = self.results.bind(py).as_bytes();
        bytes
            .chunks_exact(4)
            .map(|word| i32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
            .enumerate()
            .filter(|(_, res)| *res < 0)
    }
}

#[pymethods]
impl Batch {
    /// Whether all of them are done. Never waits.
    #[getter]
    fn done(&self) -> bool {
        self.has(DONE)
    }

    /// How many are not done yet.
    #[getter]
    fn remaining(&self, py: Python<'_>) -> PyResult<u32> {
        let mut engine = self.engine.bind(py).try_borrow_mut()?;
        Ok(self.left(&mut engine))
    }

    /// The kernel's numbers, `-errno` for a failure, in the order of the
    /// batch: a view of 32-bit integers. -2**31 for what is not done. Never
    /// waits, never raises.
    #[getter]
    fn results<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PyMemoryView::from(self.results.bind(py).as_any())?.call_method1(
            make::names(py)?.cast.bind(py),
            (make::names(py)?.i.bind(py),),
        )
    }

    /// Submits what was started, waits for all of the batch, at most `timeout`
    /// seconds, and gives `results`.
    ///
    /// Raises the OSError of the first that failed, with the operation's name
    /// in `error.operation` and its place in `error.index`; TimeoutError when
    /// the time is over.
    #[pyo3(signature = (timeout=None))]
    fn result<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        self.await_done(py, timeout)?;
        if let Some((index, res)) = self.failures(py).next() {
            return Err(self.error(py, index, res));
        }
        self.results(py)
    }

    /// Waits as result() does and gives itself; failures raise nothing.
    #[pyo3(signature = (timeout=None))]
    fn wait(slf: Bound<'_, Self>, timeout: Option<f64>) -> PyResult<Bound<'_, Self>> {
        slf.get().await_done(slf.py(), timeout)?;
        Ok(slf)
    }

    /// `{place: OSError}` of those that failed. Waits as result() does.
    #[pyo3(signature = (timeout=None))]
    fn errors<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyDict>> {
        self.await_done(py, timeout)?;
        let errors = make::dict(py)?;
        for (index, res) in self.failures(py) {
            errors.set_item(
                make::unsigned(py, index as u64)?,
                self.error(py, index, res).into_value(py),
            )?;
        }
        Ok(errors)
    }

    /// Asks the kernel to cancel all of them; False when they are done.
    fn cancel(&self, py: Python<'_>) -> PyResult<bool> {
        if self.has(DONE) {
            return Ok(false);
        }
        let mut engine = self.engine.bind(py).try_borrow_mut()?;
        engine.flush(py, 0)?;
        let Some(key) = self.key else {
            return Ok(false);
        };
        let mut left = room(self.count)?;
        left.extend(engine.requests.parts(key));
        giving_up(|| engine.pending.try_reserve(left.len())).map_err(|_| short())?;
        for token in left {
            let mut sqe = blank(abi::IORING_OP_ASYNC_CANCEL, -1, false);
            sqe.addr = token.tag();
            sqe.user_data = engine.nobodys()?.tag();
            engine.pending.push(sqe);
        }
        engine.flush(py, 0)?;
        engine.harvest(py, true)?;
        Ok(true)
    }

    fn __len__(&self) -> usize {
        self.count
    }

    fn __getitem__(&self, py: Python<'_>, index: isize) -> PyResult<i32> {
        let place = if index < 0 {
            index + self.count as isize
        } else {
            index
        };
        let place = usize::try_from(place)
            .ok()
            .filter(|place| *place < self.count)
            .ok_or_else(|| make::raised::<PyIndexError>("no such operation"))?;
        match self.res(py, place) {
            UNKNOWN => Err(make::raised::<PyRuntimeError>("the operation is not done")),
            res if res < 0 => Err(self.error(py, place, res)),
            res => Ok(res),
        }
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let name = self.name.bind(py).to_string_lossy().into_owned();
        let word = if self.has(DONE) { "done" } else { "not done" };
        make::text(py, &format!("<Batch of {} {name}: {word}>", self.count))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.engine)?;
        visit.call(&self.user_data)?;
        visit.call(&self.buffer)
    }
}
