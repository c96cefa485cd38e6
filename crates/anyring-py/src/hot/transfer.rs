//! Reads and writes of an entry as programs mostly write them: no keyword, an
//! entry of the newer style. All else goes to the functions in `prep`.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use anyring::prep;
use pyo3::ffi::{Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyInt, PyTuple};
use pyo3::{Borrowed, ffi};

use crate::attribute::guarded;
use crate::handle::{SQE, usual};
use crate::keep::{Keep, pinned};
use crate::sqe::Sqe;

/// The functions for all cases, kept for ever.
static READ: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());
static WRITE: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());

/// The usual case: `(sqe, fd, buf)` or `(sqe, fd, buf, offset)`. None for any
/// other, and where something is wrong.
///
/// # Safety
/// `args` are live objects.
#[inline]
unsafe fn usual_case(py: Python<'_>, args: &[*mut PyObject], inward: bool) -> Option<()> {
    if args.len() != 3 && args.len() != 4 {
        return None;
    }
    let number = |index: usize| {
        // SAFETY: alive through the call.
        let object = unsafe { Borrowed::from_ptr(py, args[index]) };
        object.is_exact_instance_of::<PyInt>().then_some(object)
    };
    // SAFETY: alive through the call.
    let sqe = unsafe { usual::<Sqe>(py, args[0], &SQE)? };
    let fd = number(1)?.extract::<i32>().ok()?;
    let offset = match args.len() {
        3 => 0,
        _ => number(3)?.extract::<u64>().ok()?,
    };
    // SAFETY: alive through the call.
    let buffer = unsafe { Borrowed::from_ptr(py, args[2]) };
    let pinned = pinned(&buffer, inward).ok()?;
    let (place, len) = (pinned.address(), u32::try_from(pinned.len()).ok()?);
    let mut entry = sqe.entry.try_lock(py)?;
    let keep = Keep::Pinned(pinned).into();
    let done = entry.prepare(keep, |raw| {
        if inward {
            prep::prep_read(raw, fd, place as *mut c_void, len, offset);
        } else {
            prep::prep_write(raw, fd, place as *const c_void, len, offset);
        }
    });
    done.ok()
}

/// # Safety
/// Called by the interpreter: `count` arguments, then those of `names`.
unsafe fn call(
    args: *const *mut PyObject,
    count: Py_ssize_t,
    names: *mut PyObject,
    inward: bool,
) -> *mut PyObject {
    guarded(null_mut(), |py| {
        let named = if names.is_null() {
            0
        } else {
            // SAFETY: a tuple of names.
            unsafe { ffi::PyTuple_Size(names) as usize }
        };
        let total = count as usize + named;
        let all = if total == 0 {
            &[]
        } else {
            // SAFETY: that many live objects.
            unsafe { std::slice::from_raw_parts(args, total) }
        };
        // SAFETY: live objects.
        if named == 0 && unsafe { usual_case(py, all, inward) }.is_some() {
            return Ok(py.None().into_ptr());
        }
        let object = |place: &*mut PyObject| {
            // SAFETY: alive through the call.
            unsafe { Borrowed::from_ptr(py, *place) }.to_owned()
        };
        let (given, by_name) = all.split_at(count as usize);
        let keywords = PyDict::new(py);
        for (index, value) in by_name.iter().enumerate() {
            // SAFETY: within the tuple of names.
            let name = unsafe {
                let name = ffi::PyTuple_GetItem(names, index as Py_ssize_t);
                Bound::from_borrowed_ptr_or_err(py, name)?
            };
            keywords.set_item(name, object(value))?;
        }
        let given = PyTuple::new(py, given.iter().map(object))?;
        let general = if inward { &READ } else { &WRITE };
        // SAFETY: a function that is kept for ever.
        let general = unsafe { Borrowed::from_ptr(py, general.load(Ordering::Relaxed)) };
        Ok(general.call(given, Some(&keywords))?.into_ptr())
    })
}

/// # Safety
/// As [`call`].
pub(super) unsafe extern "C" fn prep_read(
    _: *mut PyObject,
    args: *const *mut PyObject,
    count: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: handed on from the caller.
    unsafe { call(args, count, names, true) }
}

/// # Safety
/// As [`call`].
pub(super) unsafe extern "C" fn prep_write(
    _: *mut PyObject,
    args: *const *mut PyObject,
    count: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: handed on from the caller.
    unsafe { call(args, count, names, false) }
}

/// Notes the functions for all cases.
pub(crate) fn general(read: Bound<'_, PyCFunction>, write: Bound<'_, PyCFunction>) {
    READ.store(read.into_ptr(), Ordering::Relaxed);
    WRITE.store(write.into_ptr(), Ordering::Relaxed);
}
