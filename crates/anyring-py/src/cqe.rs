//! Completions.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::PyTypeInfo;
use pyo3::exceptions::{PyIndexError, PyRuntimeError};
use pyo3::ffi;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::attribute::{Attribute, is_zero, number, run_get, signed};
use crate::cell::Locked;
use crate::core::State;
use crate::handle::{FOUND, usual};
use crate::os_error;
use crate::pycore::Core;

/// `(user_data, res, flags)`.
pub(crate) type Completed = (u64, i32, u32);

/// A copy of one completion; stays readable after it was seen. After
/// io_uring_queue_exit it raises RuntimeError.
#[pyclass(module = "liburing", name = "CQE", frozen)]
pub(crate) struct Cqe {
    entry: Cell<Completed>,
    plain: bool,
    /// Whether its ring is closed; None for `CQE()`.
    closed: Option<Arc<AtomicBool>>,
}

// SAFETY: reached with the interpreter lock held.
unsafe impl Sync for Cqe {}

impl Cqe {
    /// The tag, the result and the flags.
    #[inline]
    fn known(&self) -> PyResult<Completed> {
        match &self.closed {
            Some(closed) if !closed.load(Ordering::Relaxed) => Ok(self.entry.get()),
            closed => Err(gone(closed.is_some())),
        }
    }
}

#[cold]
fn gone(was_open: bool) -> PyErr {
    crate::make::raised::<PyRuntimeError>(if was_open {
        "the ring of this completion is closed"
    } else {
        "completions come from a ring"
    })
}

#[pymethods]
impl Cqe {
    #[new]
    #[pyo3(signature = ())]
    fn new() -> Self {
        Cqe {
            entry: Cell::new((0, 0, 0)),
            plain: false,
            closed: None,
        }
    }

    /// RuntimeError: completions of 32 bytes are read as those of 16.
    #[getter]
    fn big_cqe(&self) -> PyResult<u64> {
        Err(crate::make::raised::<PyRuntimeError>(
            "the second half of 32-byte completions is not read",
        ))
    }
}

unsafe extern "C" fn user_data(slf: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: the descriptor is for this class.
    unsafe { run_get::<Cqe>(slf, |_, cqe| number(cqe.known()?.0)) }
}

unsafe extern "C" fn res(slf: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: the descriptor is for this class.
    unsafe {
        run_get::<Cqe>(slf, |_, cqe| match cqe.known()?.1 {
            error if error < 0 && !cqe.plain => Err(os_error(-error)),
            result => signed(result),
        })
    }
}

unsafe extern "C" fn flags(slf: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: the descriptor is for this class.
    unsafe { run_get::<Cqe>(slf, |_, cqe| number(cqe.known()?.2.into())) }
}

/// Attributes that every operation touches.
pub(crate) const ATTRIBUTES: &[Attribute] = &[
    Attribute {
        name: c"user_data",
        get: user_data,
        set: None,
        doc: c"The tag.",
    },
    Attribute {
        name: c"res",
        get: res,
        set: None,
        doc: c"The result. While it is negative: an OSError, in the older style the number.",
    },
    Attribute {
        name: c"flags",
        get: flags,
        set: None,
        doc: c"`IORING_CQE_F_*`.",
    },
];

/// Where a Cqe looks.
struct Window {
    core: Option<Py<Core>>,
    closed: Arc<AtomicBool>,
    /// Number of the first completion when it was filled.
    base: u64,
    first: Completed,
    filled: bool,
    /// Views handed out last, to be used again when nobody holds them.
    spare: [Option<Py<Cqe>>; 2],
}

/// What waits and peeks fill; false until one did. `[i]` counts from the
/// first completion at that moment.
#[pyclass(module = "liburing._liburing", subclass, frozen)]
pub(crate) struct Found {
    window: Locked<Window>,
    plain: bool,
}

#[pymethods]
impl Found {
    #[new]
    #[pyo3(signature = (*_args, _plain=false, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _plain: bool, _kwargs: Option<&Bound<'_, PyAny>>) -> Self {
        let window = Window {
            core: None,
            closed: Arc::new(AtomicBool::new(false)),
            base: 0,
            first: (0, 0, 0),
            filled: false,
            spare: [None, None],
        };
        Found {
            window: Locked::new(window),
            plain: _plain,
        }
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.window.lock(py)?.filled)
    }

    /// How many completions were ready when it was filled, less those
    /// forgotten since.
    #[getter]
    fn _count(&self, py: Python<'_>) -> PyResult<u64> {
        let window = self.window.lock(py)?;
        let mut count = 0;
        while window.entry(py, count)?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Looks at nothing until it is filled again.
    pub(crate) fn _empty(&self, py: Python<'_>) -> PyResult<()> {
        self.window.lock(py)?.filled = false;
        Ok(())
    }

    /// Takes over what is ready.
    fn _fill(&self, core: &Bound<'_, Core>) -> PyResult<()> {
        let mut state = core.get().lock(core.py())?;
        self.fill(core, &mut state)
    }

    /// Takes over what is ready from the `index`th completion on.
    fn _fill_from(&self, core: &Bound<'_, Core>, index: u64) -> PyResult<bool> {
        let state = core.get().lock(core.py())?;
        let number = state.head.saturating_add(index);
        let Some(entry) = state.entry(number) else {
            return Ok(false);
        };
        self.window
            .lock(core.py())?
            .open(core, &state, number, entry);
        Ok(true)
    }

    /// Takes over the completion of a number, or the first behind it that was not
    /// given back: its number; None if there is none before `end`.
    fn _fill_at(&self, core: &Bound<'_, Core>, number: u64, end: u64) -> PyResult<Option<u64>> {
        let state = core.get().lock(core.py())?;
        let number = number.max(state.head);
        let Some(entry) = state.entry(number).filter(|_| number < end) else {
            return Ok(None);
        };
        self.window
            .lock(core.py())?
            .open(core, &state, number, entry);
        Ok(Some(number))
    }
}

#[cold]
fn none() -> PyErr {
    crate::make::raised::<PyIndexError>("no such completion")
}

impl Found {
    #[inline]
    fn item<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, Cqe>> {
        let mut window = self.window.lock(py)?;
        if index == 0 && window.filled {
            let first = window.first;
            return window.view(py, first, self.plain);
        }
        let index = u64::try_from(index).map_err(|_| none())?;
        let entry = window.entry(py, index)?.ok_or_else(none)?;
        window.view(py, entry, self.plain)
    }

    /// Looks at the completions from the first on that is not given back.
    #[inline]
    pub(crate) fn fill(&self, core: &Bound<'_, Core>, state: &mut State) -> PyResult<()> {
        state.forget_seen();
        let mut window = self.window.lock(core.py())?;
        let base = state.head;
        match state.entry(base) {
            Some(entry) => window.open(core, state, base, entry),
            None => window.filled = false,
        }
        Ok(())
    }
}

impl Found {
    /// The same for a ring that it looked at before; None if it did not or
    /// nothing is ready.
    #[inline]
    pub(crate) fn fill_again(
        &self,
        py: Python<'_>,
        core: &Py<Core>,
        state: &mut State,
    ) -> Option<()> {
        let mut window = self.window.try_lock(py)?;
        window.core.as_ref().filter(|held| held.is(core))?;
        state.forget_seen();
        let base = state.head;
        window.first = state.entry(base)?;
        window.base = base;
        window.filled = true;
        Some(())
    }

    /// The first completion, if a view of it was handed out before and nobody
    /// holds that.
    #[inline]
    fn first_again(&self, py: Python<'_>) -> Option<*mut PyObject> {
        let mut window = self.window.try_lock(py)?;
        if !window.filled || window.closed.load(Ordering::Relaxed) {
            return None;
        }
        let first = window.first;
        Some(window.view_again(py, first)?.into_ptr())
    }
}

impl Window {
    #[inline]
    fn open(&mut self, core: &Bound<'_, Core>, state: &State, base: u64, entry: Completed) {
        if !self.core.as_ref().is_some_and(|held| held.is(core)) {
            let old = self.core.replace(core.clone().unbind());
            self.closed = state.closed.clone();
            let spare = std::mem::take(&mut self.spare);
            drop(old.map(|old| old.into_bound(core.py())));
            for view in spare.into_iter().flatten() {
                drop(view.into_bound(core.py()));
            }
        }
        self.base = base;
        self.first = entry;
        self.filled = true;
    }

    fn entry(&self, py: Python<'_>, index: u64) -> PyResult<Option<Completed>> {
        let Some(core) = self.core.as_ref().filter(|_| self.filled) else {
            return Ok(None);
        };
        if self.closed.load(Ordering::Relaxed) {
            return Err(gone(true));
        }
        let state = core.get().lock(py)?;
        Ok(self.base.checked_add(index).and_then(|i| state.entry(i)))
    }

    /// A view that nobody holds any more.
    #[inline]
    fn view_again<'py>(&mut self, py: Python<'py>, entry: Completed) -> Option<Bound<'py, Cqe>> {
        // SAFETY: a live object. What nobody else holds, nobody sees change.
        let is_ours = |view: &&Py<Cqe>| unsafe { ffi::Py_REFCNT(view.as_ptr()) == 1 };
        let view = self.spare.iter().flatten().find(is_ours)?;
        view.get().entry.set(entry);
        Some(view.bind(py).clone())
    }

    fn view<'py>(
        &mut self,
        py: Python<'py>,
        entry: Completed,
        plain: bool,
    ) -> PyResult<Bound<'py, Cqe>> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(gone(true));
        }
        if let Some(view) = self.view_again(py, entry) {
            return Ok(view);
        }
        let view = Cqe {
            entry: Cell::new(entry),
            plain,
            closed: Some(self.closed.clone()),
        };
        let view = Bound::new(py, view)?;
        self.spare.swap(0, 1);
        let old = self.spare[0].replace(view.clone().unbind());
        drop(old.map(|old| old.into_bound(py)));
        Ok(view)
    }
}

unsafe extern "C" fn item(slf: *mut PyObject, index: *mut PyObject) -> *mut PyObject {
    if is_zero(index) {
        // SAFETY: the interpreter calls with its lock held and a live object.
        let py = unsafe { Python::assume_attached() };
        // SAFETY: as above.
        let found = unsafe { usual::<Found>(py, slf, &FOUND) };
        if let Some(first) = found.and_then(|found| found.first_again(py)) {
            return first;
        }
    }
    // SAFETY: an object; TypeError for any but an integer.
    let index = unsafe { ffi::PyLong_AsSsize_t(index) };
    let read = |py: Python<'_>, found: &Found| {
        // SAFETY: the interpreter lock is held.
        if index == -1 && !unsafe { ffi::PyErr_Occurred() }.is_null() {
            return Err(PyErr::fetch(py));
        }
        Ok(found.item(py, index)?.into_ptr())
    };
    // SAFETY: the slot is that of a class derived from Found.
    unsafe { run_get::<Found>(slf, read) }
}

unsafe extern "C" fn item_at(slf: *mut PyObject, index: ffi::Py_ssize_t) -> *mut PyObject {
    // SAFETY: the slot is that of a class derived from Found.
    unsafe { run_get::<Found>(slf, |py, found| Ok(found.item(py, index)?.into_ptr())) }
}

/// The class Cqe derives from: `Found` with `[i]` as the interpreter calls it.
pub(crate) fn indexed(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let mut slots = [
        ffi::PyType_Slot {
            slot: ffi::Py_mp_subscript,
            pfunc: item as *mut c_void,
        },
        // For loops over a Cqe.
        ffi::PyType_Slot {
            slot: ffi::Py_sq_item,
            pfunc: item_at as *mut c_void,
        },
        ffi::PyType_Slot {
            slot: 0,
            pfunc: std::ptr::null_mut(),
        },
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"liburing._liburing.Window".as_ptr(),
        // As that of its base.
        basicsize: 0,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE) as u32,
        slots: slots.as_mut_ptr(),
    };
    let base = Found::type_object(py);
    // SAFETY: a spec without memory of its own; the interpreter copies it.
    unsafe {
        Bound::from_owned_ptr_or_err(
            py,
            ffi::PyType_FromSpecWithBases(&raw mut spec, base.as_ptr()),
        )
    }
}
