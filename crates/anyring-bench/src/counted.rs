//! Counts system calls at the seam: a kernel that counts and hands on.
//!
//! # Safety
//! Every call is handed on to [`Linux`] with its arguments as they are, so what
//! the trait asks of an implementation holds because it holds there.
#![allow(
    unsafe_code,
    reason = "an implementation of the kernel seam; see above"
)]

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};

use anyring::abi::io_uring_params;
use anyring::{Kernel, Linux};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// System calls this thread has made through [`Counted`] or [`note`].
pub fn calls() -> u64 {
    CALLS.get()
}

/// Counts calls made elsewhere.
pub fn note(count: u64) {
    CALLS.set(CALLS.get() + count);
}

/// Linux, counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted;

// SAFETY: every call is Linux' own.
unsafe impl Kernel for Counted {
    unsafe fn setup(self, entries: c_uint, params: *mut io_uring_params) -> c_int {
        note(1);
        // SAFETY: handed on from the caller.
        unsafe { Linux.setup(entries, params) }
    }

    #[inline]
    unsafe fn enter(
        self,
        fd: c_int,
        to_submit: c_uint,
        min_complete: c_uint,
        flags: c_uint,
        arg: *const c_void,
        size: usize,
    ) -> c_int {
        note(1);
        // SAFETY: handed on from the caller.
        unsafe { Linux.enter(fd, to_submit, min_complete, flags, arg, size) }
    }

    unsafe fn register(
        self,
        fd: c_int,
        opcode: c_uint,
        arg: *const c_void,
        nr_args: c_uint,
    ) -> c_int {
        note(1);
        // SAFETY: handed on from the caller.
        unsafe { Linux.register(fd, opcode, arg, nr_args) }
    }

    unsafe fn mmap(
        self,
        length: usize,
        flags: c_int,
        fd: c_int,
        offset: u64,
    ) -> Result<*mut c_void, c_int> {
        // SAFETY: handed on from the caller.
        unsafe { Linux.mmap(length, flags, fd, offset) }
    }

    unsafe fn munmap(self, address: *mut c_void, length: usize) -> c_int {
        // SAFETY: handed on from the caller.
        unsafe { Linux.munmap(address, length) }
    }

    unsafe fn madvise(self, address: *mut c_void, length: usize, advice: c_int) -> c_int {
        // SAFETY: handed on from the caller.
        unsafe { Linux.madvise(address, length, advice) }
    }

    unsafe fn close(self, fd: c_int) -> c_int {
        // SAFETY: handed on from the caller.
        unsafe { Linux.close(fd) }
    }

    fn open_files_limit(self) -> Result<(u64, u64), c_int> {
        Linux.open_files_limit()
    }

    fn set_open_files_limit(self, soft: u64, hard: u64) -> c_int {
        Linux.set_open_files_limit(soft, hard)
    }

    fn page_size(self) -> usize {
        Linux.page_size()
    }
}
