//! A bytes object that several reads fill, and that is handed over without a copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyring::prep;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::done::{Convert, Hold};
use super::io::{MOST, start};
use super::operation::Operation;
use super::state::{Proactor, blank};
use crate::cell::Locked;

/// How far a `Whole` is.
struct Progress {
    /// Bytes at the front that the kernel has written.
    filled: AtomicUsize,
    /// Whether a read is in flight.
    busy: AtomicBool,
}

/// The share of a read in flight: the memory, and the end of being busy.
pub(super) struct Part {
    /// Kept alive; shown only by `Whole::take`.
    _bytes: Py<PyBytes>,
    progress: Arc<Progress>,
    /// The bytes that were asked for.
    asked: usize,
}

impl Part {
    /// Counts what was read.
    pub(super) fn filled(&self, count: usize) {
        let count = count.min(self.asked);
        self.progress.filled.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.progress.busy.store(false, Ordering::Release);
    }
}

/// Memory for a known number of bytes, filled from the front.
#[pyclass(module = "liburing._liburing.aio", frozen)]
pub(super) struct Whole {
    bytes: Locked<Option<Py<PyBytes>>>,
    size: usize,
    progress: Arc<Progress>,
}

#[pymethods]
impl Whole {
    /// Room for `size` bytes; MemoryError if there is none.
    #[new]
    fn new(py: Python<'_>, size: usize) -> PyResult<Whole> {
        let length = isize::try_from(size)?;
        // SAFETY: NULL asks for memory that is not initialised; only the part that
        // was read into is ever shown.
        let bytes = unsafe {
            let object = ffi::PyBytes_FromStringAndSize(std::ptr::null(), length);
            Bound::from_owned_ptr_or_err(py, object)?.downcast_into_unchecked::<PyBytes>()
        };
        let progress = Progress {
            filled: AtomicUsize::new(0),
            busy: AtomicBool::new(false),
        };
        Ok(Whole {
            bytes: Locked::new(Some(bytes.unbind())),
            size,
            progress: Arc::new(progress),
        })
    }

    /// The bytes read so far, once. RuntimeError during a read.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut held = self.bytes.lock(py)?;
        if self.progress.busy.load(Ordering::Acquire) {
            return Err(crate::make::raised::<PyRuntimeError>("a read is in flight"));
        }
        let bytes = held.take().ok_or_else(taken)?.into_bound(py);
        let filled = self.progress.filled.load(Ordering::Relaxed);
        if filled == self.size {
            return Ok(bytes);
        }
        crate::make::bytes(py, &bytes.as_bytes()[..filled])
    }
}

fn taken() -> PyErr {
    crate::make::raised::<PyRuntimeError>("the bytes were taken")
}

/// read(2) at `offset` into what is not filled yet: the number of bytes.
#[pyfunction]
pub(super) fn read_part(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    whole: &Bound<'_, Whole>,
    offset: i64,
) -> PyResult<()> {
    let py = proactor.py();
    let whole = whole.get();
    let held = whole.bytes.lock(py)?;
    let bytes = held.as_ref().ok_or_else(taken)?;
    let progress = &whole.progress;
    if progress.busy.swap(true, Ordering::AcqRel) {
        return Err(crate::make::raised::<PyRuntimeError>("a read is in flight"));
    }
    let filled = progress.filled.load(Ordering::Relaxed);
    let asked = (whole.size - filled).min(MOST);
    let part = Part {
        _bytes: bytes.clone_ref(py),
        progress: Arc::clone(progress),
        asked,
    };
    // SAFETY: `filled` is at most the size of the object.
    let address = unsafe { ffi::PyBytes_AsString(bytes.as_ptr()).add(filled) };
    let mut sqe = blank();
    prep::prep_read(&mut sqe, fd, address.cast(), asked as u32, offset as u64);
    start(
        proactor,
        future,
        "read",
        Convert::Number,
        Hold::Part(part),
        sqe,
    )
}
