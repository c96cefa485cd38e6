//! Whom completions are for, and what requests in flight keep alive.

use std::convert::Infallible;

use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::prelude::*;

use super::batch::Batch;
use super::engine::Engine;
use super::hold::Hold;
use super::operation::Operation;
use super::stream::Stream;
use crate::inflight::{Expect, Key, Refused, Table, Token};

/// The place that a linked timeout has beside its operation, which is at 0.
pub(super) const LIMITER: u32 = 1;

/// Requests in flight. Each is part of what was started: an operation with its
/// linked timeout, a batch, a stream.
pub(super) type Requests = Table<Infallible, Started>;

/// Whom a completion is for.
pub(super) enum Owner {
    /// The ring itself: the result is of no interest.
    Nobody,
    /// A handle.
    Operation(Py<Operation>),
    /// A handle for many, with the array its results go to.
    Batch(Py<Batch>, Results),
    /// A multishot handle.
    Stream(Py<Stream>),
}

/// The array of a batch's results.
#[derive(Clone, Copy)]
pub(super) struct Results {
    pub(super) first: *mut i32,
    pub(super) count: u32,
}

impl Results {
    /// The result of the operation at a place.
    #[inline(always)]
    pub(super) fn put(&self, place: u32, res: i32) {
        if place < self.count {
            // SAFETY: inside the array, which the batch keeps.
            unsafe { self.first.add(place as usize).write(res) };
        }
    }
}

// SAFETY: the array is a bytes object that the Batch beside it keeps; it is
// written with the interpreter lock held and through `&mut Engine` only.
unsafe impl Send for Results {}
// SAFETY: as above; a shared reference gives no access.
unsafe impl Sync for Results {}

/// What was started, until the last completion of its last request.
pub(super) struct Started {
    pub(super) owner: Owner,
    pub(super) hold: Vec<Hold>,
}

/// The exception for a request that cannot be noted.
#[cold]
pub(super) fn refused(reason: Refused) -> PyErr {
    match reason {
        Refused::Full => crate::make::raised::<PyRuntimeError>("too many operations are in flight"),
        Refused::Memory => {
            crate::make::raised::<PyMemoryError>("no memory for another operation in flight")
        }
    }
}

impl Engine {
    /// Something to start, with what it keeps alive. The owner is set later,
    /// when the handle that has the tokens exists.
    pub(super) fn begin(&mut self, hold: Vec<Hold>) -> PyResult<Key> {
        let owner = Owner::Nobody;
        self.requests
            .share(Started { owner, hold })
            .map_err(refused)
    }

    /// The token of a request of what is being started.
    pub(super) fn request(&mut self, key: Key, expect: Expect, place: u32) -> PyResult<Token> {
        self.requests.add_part(expect, key, place).map_err(|error| {
            drop(self.requests.unshare(key));
            refused(error)
        })
    }

    /// The token of a request whose result is of no interest.
    pub(super) fn nobodys(&mut self) -> PyResult<Token> {
        let key = self.begin(Vec::new())?;
        self.request(key, Expect::Once, 0)
    }

    /// Says whom the completions are for.
    pub(super) fn own(&mut self, key: Key, owner: Owner) {
        if let Some((started, _)) = self.requests.shared(key) {
            started.owner = owner;
        }
    }
}
