//! CloseBatch many descriptors with few system calls.

use alloc::vec::Vec;
use core::ffi::c_int;

use crate::os::sys::{self, Fd};

/// Descriptors that are closed together, if that is asked for.
#[derive(Debug, Default)]
pub(crate) struct CloseBatch {
    numbers: Vec<c_int>,
    collects: bool,
    /// The kernel, or a policy, has no close_range(2).
    one_by_one: bool,
}

impl CloseBatch {
    /// From now on they are collected.
    pub(crate) fn begin(&mut self) {
        self.collects = true;
    }

    /// Closes one, now or with the others.
    pub(crate) fn close(&mut self, fd: Fd) {
        if self.collects && self.numbers.try_reserve(1).is_ok() {
            self.numbers.push(fd.release());
        }
    }

    /// Closes what was collected. Duplicates of neighbours are neighbours: a
    /// range of them takes one call.
    pub(crate) fn end(&mut self) {
        self.collects = false;
        self.numbers.sort_unstable();
        for range in self.numbers.chunk_by(|one, next| one + 1 == *next) {
            if let ([first, .., last], false) = (range, self.one_by_one) {
                if sys::close_range(*first, *last).is_ok() {
                    continue;
                }
                self.one_by_one = true;
            }
            for fd in range {
                Fd::own(*fd).close();
            }
        }
        self.numbers.clear();
    }
}
