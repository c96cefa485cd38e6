//! Objects of a program that go with ours: one behind another, without using up the stack.
//!
//! What an object of ours holds may be the last reference to another of ours, which holds a
//! third, and so on: a list of operations, each known by the one before. The interpreter frees
//! such lists of its own classes in a loop (its "trashcan"), and no others.

use std::cell::Cell;
use std::ptr::null_mut;

use pyo3::ffi;
use pyo3::prelude::*;

/// How many objects are freed inside one another.
const DEEPEST: u32 = 50;

/// An object that is to be freed.
struct Waiting {
    object: Py<PyAny>,
    next: *mut Waiting,
}

thread_local! {
    // Neither has a destructor: to register that takes memory.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static WAITING: Cell<*mut Waiting> = const { Cell::new(null_mut()) };
}

/// Lets go of an object from within the destructor of another.
#[inline]
pub(crate) fn let_go(object: Option<Py<PyAny>>) {
    let Some(object) = object else { return };
    // SAFETY: a live object, and destructors of objects run with the interpreter lock held.
    if unsafe { ffi::Py_REFCNT(object.as_ptr()) } > 1 {
        drop(object);
    } else {
        let_go_of_last(object);
    }
}

#[inline(never)]
fn let_go_of_last(object: Py<PyAny>) {
    let depth = DEPTH.get();
    if depth >= DEEPEST {
        let next = WAITING.get();
        WAITING.set(Box::into_raw(Box::new(Waiting { object, next })));
        return;
    }
    DEPTH.set(depth + 1);
    drop(object);
    if depth == 0 {
        while let Some(object) = next() {
            drop(object);
        }
    }
    DEPTH.set(depth);
}

/// The object that waits for the shortest time.
fn next() -> Option<Py<PyAny>> {
    let first = WAITING.get();
    if first.is_null() {
        return None;
    }
    // SAFETY: made by `let_go_of_last` in this thread, and taken off the list here.
    let first = unsafe { Box::from_raw(first) };
    WAITING.set(first.next);
    Some(first.object)
}
