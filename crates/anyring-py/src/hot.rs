//! The calls a program makes for every operation, without Python in between.

use std::collections::BTreeMap;

use anyring_abi as abi;
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::core::{Core, Entry};
use crate::keep::pin;
use crate::os_error;
use crate::sqe::Sqe;

/// What a ring of Python is made of: its native half while it is open.
#[pyclass(module = "liburing._liburing", subclass)]
pub(crate) struct Handle {
    /// None before the ring is made and after it is closed.
    #[pyo3(get, set, name = "_core")]
    core: Option<Py<Core>>,
}

#[pymethods]
impl Handle {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyAny>>) -> Self {
        Handle { core: None }
    }
}

impl Handle {
    fn open<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Core>> {
        match &self.core {
            Some(core) => Ok(core.bind(py).clone()),
            None => Err(PyRuntimeError::new_err("the ring is not initialised")),
        }
    }
}

/// A copy of one completion; stays readable after it was seen.
#[pyclass(module = "liburing", name = "CQE", frozen)]
pub(crate) struct Completion {
    entry: Entry,
    plain: bool,
}

#[pymethods]
impl Completion {
    #[new]
    #[pyo3(signature = (*_args))]
    fn new(_args: &Bound<'_, PyTuple>) -> PyResult<Self> {
        Err(PyRuntimeError::new_err("completions come from a ring"))
    }

    /// The tag.
    #[getter]
    fn user_data(&self) -> u64 {
        self.entry.0
    }

    /// The result. While it is negative: an OSError, in the older style the
    /// number.
    #[getter]
    fn res(&self) -> PyResult<i32> {
        match self.entry.1 {
            error if error < 0 && !self.plain => Err(os_error(-error)),
            result => Ok(result),
        }
    }

    /// `IORING_CQE_F_*`.
    #[getter]
    fn flags(&self) -> u32 {
        self.entry.2
    }

    /// Not available.
    #[getter]
    fn big_cqe(&self) -> PyResult<u64> {
        Err(PyRuntimeError::new_err(
            "the ring has no 32-byte completions",
        ))
    }
}

/// What waits and peeks fill; false until one did.
#[pyclass(module = "liburing._liburing", subclass)]
pub(crate) struct Found {
    core: Option<Py<Core>>,
    base: usize,
    entries: BTreeMap<usize, Entry>,
    /// Negative results are values.
    #[pyo3(get, set, name = "_plain")]
    plain: bool,
    /// All completions are copied at once.
    #[pyo3(get, set, name = "_all")]
    all: bool,
}

#[pymethods]
impl Found {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyAny>>) -> Self {
        Found {
            core: None,
            base: 0,
            entries: BTreeMap::new(),
            plain: false,
            all: false,
        }
    }

    fn __bool__(&self) -> bool {
        !self.entries.is_empty()
    }

    fn __getitem__(&mut self, py: Python<'_>, index: isize) -> PyResult<Completion> {
        let none = || PyIndexError::new_err("no such completion");
        let index = usize::try_from(index).map_err(|_| none())?;
        if let Some(entry) = self.entries.get(&index) {
            return Ok(self.completion(*entry));
        }
        let core = self.core.as_ref().ok_or_else(none)?.try_borrow(py)?;
        let behind = self
            .base
            .checked_add(index)
            .and_then(|place| place.checked_sub(core.head));
        let entry = behind
            .and_then(|behind| core.entry(behind))
            .ok_or_else(none)?;
        drop(core);
        self.entries.insert(index, entry);
        Ok(self.completion(entry))
    }

    /// How many completions were copied.
    #[getter]
    fn _count(&self) -> usize {
        self.entries.len()
    }

    /// Takes over what is ready.
    fn _fill(&mut self, core: &Bound<'_, Core>) -> PyResult<()> {
        self.fill(core, &*core.try_borrow()?);
        Ok(())
    }
}

impl Found {
    fn completion(&self, entry: Entry) -> Completion {
        Completion {
            entry,
            plain: self.plain,
        }
    }

    fn fill(&mut self, object: &Bound<'_, Core>, core: &Core) {
        self.entries.clear();
        self.base = core.head;
        if !self.core.as_ref().is_some_and(|held| held.is(object)) {
            self.core = Some(object.clone().unbind());
        }
        let count = if self.all { usize::MAX } else { 1 };
        self.entries
            .extend((0..count).map_while(|index| Some((index, core.entry(index)?))));
    }
}

/// A fresh entry, None when the queue is full.
#[pyfunction]
fn io_uring_get_sqe(py: Python<'_>, ring: PyRef<'_, Handle>) -> PyResult<Option<Py<Sqe>>> {
    ring.open(py)?.try_borrow_mut()?.get_sqe(py)
}

/// The native ring; the handle is not borrowed while a call waits.
pub(crate) fn native<'py>(ring: &Bound<'py, Handle>) -> PyResult<Bound<'py, Core>> {
    ring.try_borrow()?.open(ring.py())
}

/// Submits; the number taken.
#[pyfunction]
fn io_uring_submit(ring: &Bound<'_, Handle>) -> PyResult<u32> {
    native(ring)?.try_borrow_mut()?.submit(ring.py(), 0)
}

/// Waits for one completion.
#[pyfunction]
fn io_uring_wait_cqe(ring: &Bound<'_, Handle>, cqe: &Bound<'_, Found>) -> PyResult<u32> {
    let object = native(ring)?;
    let mut core = object.try_borrow_mut()?;
    core.wait(ring.py(), 1, None)?;
    cqe.try_borrow_mut()?.fill(&object, &core);
    Ok(0)
}

/// Gives the first completion back.
#[pyfunction]
fn io_uring_cqe_seen(ring: &Bound<'_, Handle>, cqe: &Bound<'_, PyAny>) -> PyResult<()> {
    if !cqe.is_instance_of::<Completion>() && !cqe.is_instance_of::<Found>() {
        return Err(PyTypeError::new_err("a completion is required"));
    }
    native(ring)?.try_borrow_mut()?.advance(1)
}

/// Does nothing.
#[pyfunction]
fn io_uring_prep_nop(mut sqe: PyRefMut<'_, Sqe>) -> PyResult<()> {
    sqe.fill(abi::IORING_OP_NOP, -1, 0, 0, 0, Vec::new())
}

/// `(offset)`, or `(nbytes, offset)` as in the older releases.
fn transfer(
    op: u32,
    sqe: &mut Sqe,
    fd: i32,
    buf: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    offset: Option<u64>,
) -> PyResult<()> {
    let surplus = args.len() + usize::from(offset.is_some() && !args.is_empty());
    if surplus > 2 || (args.len() == 1 && offset.is_some()) {
        return Err(PyTypeError::new_err("too many arguments"));
    }
    let mut keep = Vec::with_capacity(1);
    let (address, found) = pin(buf, op == abi::IORING_OP_READ, &mut keep)?;
    let (length, offset) = match args.len() {
        0 => (found, offset),
        1 => (found, args.get_item(0)?.extract()?),
        _ => {
            let length = args.get_item(0)?.extract::<u32>()? as usize;
            (length, args.get_item(1)?.extract()?)
        }
    };
    if length > found {
        return Err(PyValueError::new_err(
            "the buffer is shorter than the length",
        ));
    }
    let length = u32::try_from(length)
        .map_err(|_| PyValueError::new_err("the buffer has more than 4 GiB"))?;
    sqe.fill(op, fd, address, length, offset.unwrap_or(0), keep)
}

/// Reads into a buffer: (offset), or (nbytes, offset) as the older releases.
#[pyfunction]
#[pyo3(signature = (sqe, fd, buf, *args, offset=None))]
fn io_uring_prep_read(
    mut sqe: PyRefMut<'_, Sqe>,
    fd: i32,
    buf: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    offset: Option<u64>,
) -> PyResult<()> {
    transfer(abi::IORING_OP_READ, &mut sqe, fd, buf, args, offset)
}

/// Writes a buffer: (offset), or (nbytes, offset) as the older releases.
#[pyfunction]
#[pyo3(signature = (sqe, fd, buf, *args, offset=None))]
fn io_uring_prep_write(
    mut sqe: PyRefMut<'_, Sqe>,
    fd: i32,
    buf: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    offset: Option<u64>,
) -> PyResult<()> {
    transfer(abi::IORING_OP_WRITE, &mut sqe, fd, buf, args, offset)
}

/// Adds what this file has to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Handle>()?;
    module.add_class::<Completion>()?;
    module.add_class::<Found>()?;
    module.add_function(wrap_pyfunction!(io_uring_get_sqe, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_submit, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_wait_cqe, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_cqe_seen, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_prep_nop, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_prep_read, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_prep_write, module)?)
}
