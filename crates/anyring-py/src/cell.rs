//! State that Python objects share: one user at a time.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// A value behind the interpreter lock. A second user, which there is while
/// the first waits without the lock or runs code of a program, is refused.
///
/// The module is for interpreters with a lock only (see `lib.rs`), so a plain
/// flag does.
pub(crate) struct Locked<T> {
    busy: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: `busy` and `value` are reached with the interpreter lock held, which
// `lock` has a token for, and `value` by the holder of `Held` only.
unsafe impl<T: Send> Sync for Locked<T> {}

/// Access to a [`Locked`] value.
pub(crate) struct Held<'a, T> {
    cell: &'a Locked<T>,
    not_send: PhantomData<*mut ()>,
}

impl<T> Locked<T> {
    pub(crate) fn new(value: T) -> Self {
        Locked {
            busy: Cell::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The value; RuntimeError while another call has it.
    #[inline]
    pub(crate) fn lock<'a>(&'a self, py: Python<'a>) -> PyResult<Held<'a, T>> {
        self.try_lock(py).ok_or_else(busy)
    }

    /// The value; None while another call has it.
    #[inline]
    pub(crate) fn try_lock<'a>(&'a self, _py: Python<'a>) -> Option<Held<'a, T>> {
        if self.busy.replace(true) {
            return None;
        }
        Some(Held {
            cell: self,
            not_send: PhantomData,
        })
    }

    /// The value of an object nobody else refers to.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

#[cold]
fn busy() -> PyErr {
    crate::make::raised::<PyRuntimeError>("another call is using this object")
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: `busy` makes this the only access.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.cell.value.get() }
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.cell.busy.set(false);
    }
}
