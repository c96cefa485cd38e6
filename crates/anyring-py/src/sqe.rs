//! Submission entries in memory of their own.

use std::ffi::{c_int, c_void};

use anyring_abi::io_uring_sqe;
use pyo3::exceptions::{PyIndexError, PyMemoryError, PyRuntimeError};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;

use crate::args::{Int, U64};
use crate::attribute::{Attribute, number, run_get, run_set};
use crate::cell::{Held, Locked};
use crate::keep::Keeps;

/// What may be done with an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `SQE()`: of no ring.
    Unbound,
    /// Filled, or to be filled.
    Open,
    /// Submitted, or its ring is closed.
    Spent,
}

/// The entry itself. Never shown to Python as memory.
pub(crate) struct Entry {
    pub(crate) raw: io_uring_sqe,
    pub(crate) keep: Keeps,
    pub(crate) phase: Phase,
}

impl Entry {
    /// A NOP that holds nothing.
    pub(crate) fn blank(phase: Phase) -> Self {
        Entry {
            // SAFETY: all zeroes is a NOP.
            raw: unsafe { std::mem::zeroed() },
            keep: Keeps::None,
            phase,
        }
    }

    /// Makes it as new.
    #[inline]
    pub(crate) fn renew(&mut self) {
        // SAFETY: all zeroes is a NOP.
        self.raw = unsafe { std::mem::zeroed() };
        self.phase = Phase::Open;
    }

    #[inline]
    pub(crate) fn open(&mut self) -> PyResult<&mut Self> {
        if self.phase == Phase::Open {
            Ok(self)
        } else {
            Err(not_open(self.phase))
        }
    }

    /// Prepares an operation. What a program set by hand (tag, flags, buffer
    /// group, personality) stays, as in C; `keep` holds all that it points to.
    #[inline]
    pub(crate) fn prepare(
        &mut self,
        keep: Keeps,
        fill: impl FnOnce(&mut io_uring_sqe),
    ) -> PyResult<()> {
        let this = self.open()?;
        let raw = this.filled(fill);
        crate::given::permitted(&raw)?;
        crate::reserve::check()?;
        this.raw = raw;
        this.keep = keep;
        Ok(())
    }

    #[inline]
    pub(crate) fn fill(&mut self, fill: impl FnOnce(&mut io_uring_sqe)) {
        let io_uring_sqe {
            user_data,
            flags,
            buf_index,
            personality,
            ..
        } = self.raw;
        // SAFETY: all zeroes is a NOP.
        self.raw = unsafe { std::mem::zeroed() };
        self.raw.user_data = user_data;
        self.raw.flags = flags;
        self.raw.buf_index = buf_index;
        self.raw.personality = personality;
        fill(&mut self.raw);
    }

    #[inline]
    fn filled(&self, fill: impl FnOnce(&mut io_uring_sqe)) -> io_uring_sqe {
        // SAFETY: all zeroes is a NOP.
        let mut raw: io_uring_sqe = unsafe { std::mem::zeroed() };
        raw.user_data = self.raw.user_data;
        raw.flags = self.raw.flags;
        raw.buf_index = self.raw.buf_index;
        raw.personality = self.raw.personality;
        fill(&mut raw);
        raw
    }
}

#[cold]
fn not_open(phase: Phase) -> PyErr {
    crate::make::raised::<PyRuntimeError>(match phase {
        Phase::Unbound => "this entry is of no ring: use io_uring_get_sqe() or Sqe()",
        _ => "this entry was submitted or its ring was closed",
    })
}

/// One entry of the submission queue, from io_uring_get_sqe: prepared, then
/// submitted, then spent (RuntimeError).
#[pyclass(module = "liburing", name = "SQE", subclass, frozen)]
pub(crate) struct Sqe {
    pub(crate) entry: Locked<Entry>,
}

impl Sqe {
    pub(crate) fn new(phase: Phase) -> Self {
        Sqe {
            entry: Locked::new(Entry::blank(phase)),
        }
    }

    fn known(&self, py: Python<'_>) -> PyResult<io_uring_sqe> {
        let entry = self.entry.lock(py)?;
        match entry.phase {
            Phase::Unbound => Err(not_open(Phase::Unbound)),
            _ => Ok(entry.raw),
        }
    }
}

#[pymethods]
impl Sqe {
    #[new]
    #[pyo3(signature = ())]
    fn make() -> Self {
        Sqe::new(Phase::Unbound)
    }

    /// The opcode, `IORING_OP_*`.
    #[getter]
    fn opcode(&self, py: Python<'_>) -> PyResult<u8> {
        Ok(self.known(py)?.opcode)
    }

    /// The file descriptor or index.
    #[getter]
    fn fd(&self, py: Python<'_>) -> PyResult<i32> {
        Ok(self.known(py)?.fd)
    }

    /// Bytes, or what the operation uses the field for.
    #[getter]
    fn len(&self, py: Python<'_>) -> PyResult<u32> {
        Ok(self.known(py)?.len)
    }

    /// The priority, or flags of the operation.
    #[getter]
    fn ioprio(&self, py: Python<'_>) -> PyResult<u16> {
        Ok(self.known(py)?.ioprio)
    }

    /// The personality the operation runs under.
    #[getter]
    fn personality(&self, py: Python<'_>) -> PyResult<u16> {
        Ok(self.known(py)?.personality)
    }

    /// `IOSQE_*`.
    #[getter]
    fn flags(&self, py: Python<'_>) -> PyResult<u8> {
        Ok(self.known(py)?.flags)
    }

    #[setter]
    fn set_flags(&self, py: Python<'_>, flags: Int<u8>) -> PyResult<()> {
        self.entry.lock(py)?.open()?.raw.flags = flags.0;
        Ok(())
    }
}

/// Entries of the program's own, for put_sqe: `Sqe()` is one, `Sqe(n)` n;
/// itself entry 0. They can be put again and again.
#[pyclass(module = "liburing", name = "Sqe", extends = Sqe, subclass, frozen)]
pub(crate) struct SqeArray {
    more: Vec<Py<Sqe>>,
}

/// Entries the kernel allows in a queue.
const MOST: usize = 32768;

impl SqeArray {
    fn make(py: Python<'_>, count: usize) -> PyResult<PyClassInitializer<Self>> {
        if count == 0 {
            return Err(crate::make::raised::<PyRuntimeError>("no entry at all"));
        }
        if count > MOST {
            return Err(crate::make::raised::<PyMemoryError>(
                "more entries than a queue can have",
            ));
        }
        let more = (1..count)
            .map(|_| Py::new(py, Sqe::new(Phase::Open)))
            .collect::<PyResult<_>>()?;
        Ok(PyClassInitializer::from(Sqe::new(Phase::Open)).add_subclass(SqeArray { more }))
    }

    /// Every entry, the first included.
    pub(crate) fn each<'py>(object: &Bound<'py, Self>) -> Vec<Bound<'py, Sqe>> {
        let py = object.py();
        let first = object.as_super().clone();
        let more = object.get().more.iter().map(|entry| entry.bind(py).clone());
        std::iter::once(first).chain(more).collect()
    }
}

#[pymethods]
impl SqeArray {
    #[new]
    #[pyo3(signature = (no=None, /))]
    fn py_new(py: Python<'_>, no: Option<U64>) -> PyResult<PyClassInitializer<Self>> {
        SqeArray::make(py, no.map_or(1, |no| no.0 as usize))
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __len__(&self) -> usize {
        self.more.len() + 1
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, index: isize) -> PyResult<Bound<'py, Sqe>> {
        match index {
            0 => Ok(slf.as_super().clone()),
            _ => usize::try_from(index - 1)
                .ok()
                .and_then(|index| slf.get().more.get(index))
                .map(|entry| entry.bind(slf.py()).clone())
                .ok_or_else(|| crate::make::raised::<PyIndexError>("no such entry")),
        }
    }
}

/// An entry of the older releases: prep functions read their arguments in the
/// older order for it.
#[pyclass(module = "liburing", name = "io_uring_sqe", extends = SqeArray, subclass, frozen)]
pub(crate) struct OldSqe;

#[pymethods]
impl OldSqe {
    #[new]
    #[pyo3(signature = (no=None, /))]
    fn py_new(py: Python<'_>, no: Option<U64>) -> PyResult<PyClassInitializer<Self>> {
        Ok(SqeArray::make(py, no.map_or(1, |no| no.0 as usize))?.add_subclass(OldSqe))
    }
}

/// A fresh entry for a queue, in the style of its ring.
pub(crate) fn fresh(py: Python<'_>, old: bool) -> PyResult<Py<Sqe>> {
    if old {
        let entry = Bound::new(py, SqeArray::make(py, 1)?.add_subclass(OldSqe))?;
        return Ok(entry.into_super().into_super().unbind());
    }
    Py::new(py, Sqe::new(Phase::Open))
}

/// The entry of an argument.
#[inline]
pub(crate) fn entry<'a>(sqe: &'a Bound<'_, Sqe>) -> PyResult<Held<'a, Entry>> {
    sqe.get().entry.lock(sqe.py())
}

/// Sets the group of provided buffers.
#[pyfunction]
pub(crate) fn _set_buf_group(sqe: &Bound<'_, Sqe>, bgid: i32) -> PyResult<()> {
    anyring::prep::sqe_set_buf_group(&mut entry(sqe)?.open()?.raw, bgid);
    Ok(())
}

unsafe extern "C" fn get_user_data(slf: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: the descriptor is for this class.
    unsafe { run_get::<Sqe>(slf, |py, sqe| number(sqe.known(py)?.user_data)) }
}

unsafe extern "C" fn set_user_data(
    slf: *mut PyObject,
    value: *mut PyObject,
    _: *mut c_void,
) -> c_int {
    // SAFETY: the descriptor is for this class.
    unsafe {
        run_set::<Sqe>(slf, value, |py, sqe, value| {
            sqe.entry.lock(py)?.open()?.raw.user_data = value;
            Ok(())
        })
    }
}

/// Attributes that every operation touches.
pub(crate) const ATTRIBUTES: &[Attribute] = &[Attribute {
    name: c"user_data",
    get: get_user_data,
    set: Some(set_user_data),
    doc: c"What the completion is tagged with, 0 to 2**64-1.",
}];
