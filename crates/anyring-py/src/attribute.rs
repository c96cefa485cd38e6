//! Attributes read and set for every operation, as the interpreter calls them.

use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::{PyAttributeError, PyRuntimeError};
use pyo3::ffi;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::{PyClass, PyTypeInfo};

/// A descriptor of a class.
pub(crate) struct Attribute {
    pub(crate) name: &'static CStr,
    pub(crate) get: ffi::getter,
    pub(crate) set: Option<ffi::setter>,
    pub(crate) doc: &'static CStr,
}

/// Puts descriptors into a class.
pub(crate) fn add<T: PyTypeInfo>(py: Python<'_>, attributes: &[Attribute]) -> PyResult<()> {
    let class = T::type_object(py);
    for attribute in attributes {
        // The interpreter refers to it as long as the class lives.
        let definition = Box::leak(Box::new(ffi::PyGetSetDef {
            name: attribute.name.as_ptr(),
            get: Some(attribute.get),
            set: attribute.set,
            doc: attribute.doc.as_ptr(),
            closure: null_mut(),
        }));
        // SAFETY: a class and a definition that is never freed.
        let descriptor = unsafe {
            let place = class.as_type_ptr();
            Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewGetSet(place, definition))?
        };
        class.setattr(attribute.name.to_str()?, descriptor)?;
    }
    Ok(())
}

/// The integers from 0 on that the interpreter has anyway, one object each.
static SMALL: [AtomicPtr<PyObject>; 129] = [const { AtomicPtr::new(null_mut()) }; 129];

/// Notes the small integers, for ever.
pub(crate) fn small_integers(py: Python<'_>) -> PyResult<()> {
    for (value, place) in SMALL.iter().enumerate() {
        // SAFETY: makes an object, or NULL with MemoryError set.
        let object = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromSize_t(value))? };
        place.store(object.into_ptr(), Ordering::Relaxed);
    }
    Ok(())
}

/// A new reference to a small integer.
#[inline]
pub(crate) fn small(value: u64) -> Option<*mut PyObject> {
    let object = SMALL.get(value as usize)?.load(Ordering::Relaxed);
    // SAFETY: an object that is never freed: the table holds it.
    unsafe { ffi::Py_INCREF(object) };
    Some(object)
}

/// Whether this is the object of the number 0.
#[inline]
pub(crate) fn is_zero(object: *mut PyObject) -> bool {
    object == SMALL[0].load(Ordering::Relaxed)
}

/// An integer.
#[inline]
pub(crate) fn number(value: u64) -> PyResult<*mut PyObject> {
    Ok(match small(value) {
        Some(object) => object,
        // SAFETY: makes an object, or NULL with MemoryError set.
        None => unsafe { ffi::PyLong_FromUnsignedLongLong(value) },
    })
}

/// An integer that may be negative.
#[inline]
pub(crate) fn signed(value: i32) -> PyResult<*mut PyObject> {
    Ok(match u64::try_from(value).ok().and_then(small) {
        Some(object) => object,
        // SAFETY: makes an object, or NULL with MemoryError set.
        None => unsafe { ffi::PyLong_FromLong(value.into()) },
    })
}

/// Runs the body of a C function; errors become exceptions, and no panic
/// leaves it.
#[inline]
pub(crate) fn guarded<R>(failed: R, body: impl FnOnce(Python<'_>) -> PyResult<R>) -> R {
    // SAFETY: the interpreter calls with its lock held.
    let py = unsafe { Python::assume_attached() };
    match catch_unwind(AssertUnwindSafe(|| body(py))) {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => {
            error.restore(py);
            failed
        }
        Err(_) => {
            crate::make::raised::<PyRuntimeError>("liburing failed inside; this is a bug")
                .restore(py);
            failed
        }
    }
}

/// Reads an attribute.
///
/// # Safety
/// `slf` is an object of the class, as the descriptor made sure.
#[inline]
pub(crate) unsafe fn run_get<T: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync>(
    slf: *mut PyObject,
    read: impl FnOnce(Python<'_>, &T) -> PyResult<*mut PyObject>,
) -> *mut PyObject {
    guarded(null_mut(), |py| {
        // SAFETY: alive through the call.
        let object = unsafe { pyo3::Borrowed::from_ptr(py, slf) };
        // SAFETY: of the class.
        let object = unsafe { object.cast_unchecked::<T>() };
        read(py, object.get())
    })
}

/// Sets an attribute to an integer of 64 bits.
///
/// # Safety
/// As [`run_get`].
#[inline]
pub(crate) unsafe fn run_set<T: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync>(
    slf: *mut PyObject,
    value: *mut PyObject,
    set: impl FnOnce(Python<'_>, &T, u64) -> PyResult<()>,
) -> c_int {
    guarded(-1, |py| {
        if value.is_null() {
            return Err(crate::make::raised::<PyAttributeError>(
                "the attribute cannot be deleted",
            ));
        }
        // SAFETY: an object; TypeError for any but an integer.
        let number = unsafe { ffi::PyLong_AsUnsignedLongLong(value) };
        // SAFETY: the interpreter lock is held.
        if number == u64::MAX && !unsafe { ffi::PyErr_Occurred() }.is_null() {
            return Err(PyErr::fetch(py));
        }
        // SAFETY: alive through the call.
        let object = unsafe { pyo3::Borrowed::from_ptr(py, slf) };
        // SAFETY: of the class.
        let object = unsafe { object.cast_unchecked::<T>() };
        set(py, object.get(), number).map(|()| 0)
    })
}
