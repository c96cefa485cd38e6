//! The usual case of each call: arguments of the usual classes, nothing to wait
//! for, no code of a program that could run. None is for all other cases.
//!
//! # Safety
//! What each function is given are live objects, and the interpreter lock is
//! held. Unless it says so, none of them releases that, frees an object or calls
//! Python code, so whatever the objects hold stays as long as the call lasts.

use pyo3::ffi;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;

use crate::attribute::small;
use crate::cell::Held;
use crate::core::State;
use crate::cqe::{Cqe, Found};
use crate::handle::{CQE, FOUND, SQE, usual, usual_core};
use crate::keep::Keeps;
use crate::pycore::Core;
use crate::sqe::{Phase, Sqe};

/// A new reference to None.
#[inline]
pub(super) fn none() -> *mut PyObject {
    // SAFETY: a static object.
    unsafe {
        let none = ffi::Py_None();
        ffi::Py_INCREF(none);
        none
    }
}

/// # Safety
/// See above.
#[inline]
unsafe fn attached<'py>() -> Python<'py> {
    // SAFETY: the lock is held.
    unsafe { Python::assume_attached() }
}

/// # Safety
/// See above.
#[inline]
pub(super) unsafe fn get_sqe(ring: *mut PyObject) -> Option<*mut PyObject> {
    // SAFETY: see above.
    let (py, core) = unsafe { (attached(), usual_core(attached(), ring)?) };
    Some(core.get().try_lock(py)?.entry_again(py)?.into_ptr())
}

/// # Safety
/// See above.
#[inline]
pub(super) unsafe fn prep_nop(sqe: *mut PyObject) -> Option<*mut PyObject> {
    // SAFETY: see above.
    let (py, sqe) = unsafe { (attached(), usual::<Sqe>(attached(), sqe, &SQE)?) };
    let mut entry = sqe.entry.try_lock(py)?;
    if entry.phase != Phase::Open || !matches!(entry.keep, Keeps::None) {
        return None;
    }
    entry.fill(anyring::prep::prep_nop);
    Some(none())
}

/// # Safety
/// See above.
#[inline]
pub(super) unsafe fn wait_cqe(ring: *mut PyObject, cqe: *mut PyObject) -> Option<*mut PyObject> {
    // SAFETY: see above.
    let (py, core) = unsafe { (attached(), usual_core(attached(), ring)?) };
    // SAFETY: see above.
    let found = unsafe { usual::<Found>(py, cqe, &FOUND)? };
    let mut state = core.get().try_lock(py)?;
    if !state.is_open() {
        return None;
    }
    if state.ready() == 0 {
        return harvest_and_fill(core.bind(py).clone(), state, found);
    }
    found.fill_again(py, core, &mut state)?;
    small(0)
}

/// Lets buffers go, which may call what the program likes: so the native half
/// is held, and its state is ours.
fn harvest_and_fill(
    core: Bound<'_, Core>,
    mut state: Held<'_, State>,
    found: &Found,
) -> Option<*mut PyObject> {
    state.harvest().ok()?;
    found.fill_again(core.py(), core.as_unbound(), &mut state)?;
    small(0)
}

/// # Safety
/// See above.
#[inline]
pub(super) unsafe fn cqe_seen(ring: *mut PyObject, cqe: *mut PyObject) -> Option<*mut PyObject> {
    // SAFETY: see above.
    let (py, core) = unsafe { (attached(), usual_core(attached(), ring)?) };
    // SAFETY: see above.
    unsafe { usual::<Cqe>(py, cqe, &CQE)? };
    let mut state = core.get().try_lock(py)?;
    if !state.is_open() {
        return None;
    }
    state.head += u64::from(state.ready() > 0);
    Some(none())
}
