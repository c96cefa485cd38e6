//! Entries that a program has, or had.

use pyo3::ffi;
use pyo3::prelude::*;

use crate::cell::Locked;
use crate::sqe::{Entry, Sqe, fresh};

/// Entries kept to be handed out again.
const KEPT: usize = 256;

/// The first `used` entries are prepared and not submitted yet; the others are
/// spent and can be handed out again once no program holds them.
#[derive(Default)]
pub(crate) struct Entries {
    all: Vec<Py<Sqe>>,
    used: usize,
    /// One more: the variable that the next entry goes to holds the last.
    spare: Option<Py<Sqe>>,
}

/// Whether only we hold it.
#[inline]
fn is_ours(entry: &Py<Sqe>) -> bool {
    // SAFETY: a live object.
    unsafe { ffi::Py_REFCNT(entry.as_ptr()) == 1 }
}

impl Entries {
    /// Entries prepared and not submitted.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// One that was used before, if there is any that no program holds.
    #[inline]
    pub(super) fn again(&mut self, py: Python<'_>) -> Option<Py<Sqe>> {
        let place = self.all.get_mut(self.used)?;
        if !is_ours(place) {
            let spare = self.spare.as_mut().filter(|spare| is_ours(spare))?;
            std::mem::swap(place, spare);
        }
        place.get().entry.try_lock(py)?.renew();
        self.used += 1;
        Some(place.clone_ref(py))
    }

    /// A new one.
    #[cold]
    pub(super) fn new_one(&mut self, py: Python<'_>, old: bool) -> PyResult<Py<Sqe>> {
        let entry = fresh(py, old)?;
        self.add(py, entry.clone_ref(py));
        Ok(entry)
    }

    /// Another entry is to be submitted.
    pub(super) fn add(&mut self, py: Python<'_>, entry: Py<Sqe>) {
        let old = match self.all.get_mut(self.used) {
            Some(place) => self.spare.replace(std::mem::replace(place, entry)),
            None => {
                self.all.push(entry);
                None
            }
        };
        self.used += 1;
        drop(old.map(|old| old.into_bound(py)));
    }

    /// What is prepared, in order.
    #[inline]
    pub(super) fn prepared(&self, index: usize) -> Option<*const Locked<Entry>> {
        let entry = self.all.get(index).filter(|_| index < self.used)?;
        Some(&raw const entry.get().entry)
    }

    /// The first `count` were submitted.
    #[inline]
    pub(super) fn spent(&mut self, py: Python<'_>, count: usize) {
        if count < self.used || self.all.len() > KEPT {
            return self.sort(py, count);
        }
        self.used = 0;
    }

    #[cold]
    fn sort(&mut self, py: Python<'_>, count: usize) {
        self.all[..self.used].rotate_left(count);
        self.used -= count;
        let kept = KEPT.max(self.used).min(self.all.len());
        for entry in self.all.drain(kept..) {
            drop(entry.into_bound(py));
        }
    }
}
