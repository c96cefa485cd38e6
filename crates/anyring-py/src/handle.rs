//! Rings as objects of Python, and the classes of arguments.

use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use pyo3::{Borrowed, PyClass, PyTypeInfo};

use crate::args::wrong_type;
use crate::cell::Locked;
use crate::cqe::{Cqe, Found};
use crate::pycore::Core;
use crate::sqe::Sqe;

/// What a ring of Python is made of: its native half while it is open.
#[pyclass(module = "liburing._liburing", subclass, frozen)]
pub(crate) struct Handle {
    core: Locked<Option<Py<Core>>>,
}

#[pymethods]
impl Handle {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyAny>>) -> Self {
        Handle {
            core: Locked::new(None),
        }
    }

    /// None before the ring is made and after it is closed.
    #[getter]
    fn _core(&self, py: Python<'_>) -> PyResult<Option<Py<Core>>> {
        Ok(self.core.lock(py)?.as_ref().map(|core| core.clone_ref(py)))
    }

    #[setter(_core)]
    fn set_core(&self, py: Python<'_>, core: Option<Py<Core>>) -> PyResult<()> {
        let old = std::mem::replace(&mut *self.core.lock(py)?, core);
        drop(old);
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Some(core) = self.core.get_mut().take() else {
            return;
        };
        // A Cqe may still hold the native half; the ring goes all the same.
        Python::attach(|py| {
            if let Ok(mut state) = core.get().lock(py) {
                state.shut();
            }
            drop(core.into_bound(py));
        });
    }
}

#[cold]
fn not_initialised() -> PyErr {
    crate::make::raised::<PyRuntimeError>("the ring is not initialised")
}

/// The native half of a ring.
#[inline]
pub(crate) fn native<'py>(ring: &Bound<'py, Handle>) -> PyResult<Bound<'py, Core>> {
    match &*ring.get().core.lock(ring.py())? {
        Some(core) => Ok(core.bind(ring.py()).clone()),
        None => Err(not_initialised()),
    }
}

/// An object of the usual class, nothing else.
///
/// # Safety
/// `object` lives for `'a`, and `usual` notes classes with a `T` only.
#[inline]
pub(crate) unsafe fn usual<'a, T>(
    py: Python<'_>,
    object: *mut PyObject,
    usual: &Usual,
) -> Option<&'a T>
where
    T: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync,
{
    // SAFETY: a live object, the caller says.
    let object = unsafe { Borrowed::from_ptr(py, object) };
    if !usual.is(object) {
        return None;
    }
    // SAFETY: the class noted has `T` as it is or derives from it.
    let inside: *const T = unsafe { object.cast_unchecked::<T>() }.get();
    // SAFETY: it lives as long as the object.
    Some(unsafe { &*inside })
}

/// The native half of an open ring of the usual class.
///
/// # Safety
/// `ring` lives for `'a`, and while the result is used no code of a program
/// runs, which could take it from the ring.
#[inline]
pub(crate) unsafe fn usual_core<'a>(py: Python<'_>, ring: *mut PyObject) -> Option<&'a Py<Core>> {
    // SAFETY: handed on from the caller.
    let handle = unsafe { usual::<Handle>(py, ring, &RING)? };
    let held = handle.core.try_lock(py)?;
    let core: *const Py<Core> = held.as_ref()?;
    // SAFETY: the ring holds it, and nobody changes that meanwhile.
    Some(unsafe { &*core })
}

/// The class most arguments of one kind have: a look at it spares the walk
/// through its bases.
pub(crate) struct Usual(AtomicPtr<ffi::PyTypeObject>);

impl Usual {
    #[inline]
    pub(crate) fn is(&self, object: pyo3::Borrowed<'_, '_, PyAny>) -> bool {
        // SAFETY: a live object. The class noted is never freed, so no other
        // can have its address.
        unsafe { ffi::Py_TYPE(object.as_ptr()) == self.0.load(Ordering::Relaxed) }
    }

    /// Notes a class that derives from `T`, for ever.
    fn note<T: PyTypeInfo>(&self, class: &Bound<'_, PyType>) -> PyResult<()> {
        if !class.is_subclass_of::<T>()? {
            return Err(crate::make::raised::<PyTypeError>(
                "another class is required",
            ));
        }
        let class = class.clone().into_ptr().cast();
        self.0.store(class, Ordering::Relaxed);
        Ok(())
    }
}

pub(crate) static RING: Usual = Usual(AtomicPtr::new(std::ptr::null_mut()));
pub(crate) static FOUND: Usual = Usual(AtomicPtr::new(std::ptr::null_mut()));
pub(crate) static SQE: Usual = Usual(AtomicPtr::new(std::ptr::null_mut()));
pub(crate) static CQE: Usual = Usual(AtomicPtr::new(std::ptr::null_mut()));

/// Notes the classes of most rings and of most Cqe.
#[pyfunction]
fn _usual(ring: &Bound<'_, PyType>, cqe: &Bound<'_, PyType>) -> PyResult<()> {
    RING.note::<Handle>(ring)?;
    FOUND.note::<Found>(cqe)?;
    SQE.note::<Sqe>(&Sqe::type_object(ring.py()))?;
    CQE.note::<Cqe>(&Cqe::type_object(ring.py()))
}

/// An argument as an object of a class or one derived from it.
#[inline]
pub(crate) fn of<'x, 'py, T: PyTypeInfo>(
    object: &'x pyo3::Borrowed<'_, 'py, PyAny>,
    usual: &Usual,
    wanted: &str,
) -> PyResult<&'x Bound<'py, T>> {
    if usual.is(*object) || object.is_instance_of::<T>() {
        // SAFETY: of the class.
        return Ok(unsafe { object.cast_unchecked() });
    }
    Err(wrong_type(wanted, object))
}

/// Adds what this file has to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Handle>()?;
    module.add_class::<Cqe>()?;
    module.add_class::<Found>()?;
    module.add("Window", crate::cqe::indexed(module.py())?)?;
    module.add_function(wrap_pyfunction!(_usual, module)?)
}
