//! Rings as C programs hold them.
//!
//! # Safety
//! Everything here works on a [`RingRef`]: a pointer to a `struct io_uring`
//! plus the kernel that serves it. A ring is *valid* when it was filled by a
//! setup function and not yet taken down: its pointers then lead into mapped
//! ring memory. [`RingRef::new`] asks for that once; the methods rely on it.
//! The struct is only read and written through the raw pointer, field by
//! field, because C programs use one ring from two threads (one submits, one
//! reaps): a Rust reference to the whole would claim too much.

use core::ffi::{c_int, c_uint, c_void};

use anyring_abi::{
    IORING_ENTER_NO_IOWAIT, IORING_ENTER_REGISTERED_RING, IORING_SETUP_IOPOLL, IORING_SETUP_SQPOLL,
    IORING_SQ_CQ_OVERFLOW, IORING_SQ_TASKRUN, io_uring,
};

use crate::kernel::{Kernel, Linux};

pub mod cq;
// Hidden, not an interface: the engine is the other side of the protocol, and the model
// checker of both runs these functions on words of its own.
#[doc(hidden)]
pub mod protocol;
pub mod setup;
pub mod sq;
#[doc(hidden)]
pub mod word;

use word::{SharedWord, Word};

/// State of the library's own in `int_flags`. Programs never look at it; the sibling
/// crates do, which work on the same struct.
///
/// Two bits sit where io_uring_enter(2) has them, so that the flags of every
/// enter are one AND away.
#[doc(hidden)]
pub mod int_flags {
    /// Register calls take the registered ring index.
    pub const REG_REG_RING: u8 = 1 << 0;
    /// The ring memory belongs to the application.
    pub const APP_MEMORY: u8 = 1 << 1;
    /// Completions appear only when the kernel is entered (IOPOLL).
    pub const CQ_ENTER: u8 = 1 << 2;
    /// The ring fd is registered; `IORING_ENTER_REGISTERED_RING`.
    pub const REGISTERED_RING: u8 = 1 << 4;
    /// Waits do not count as iowait; `IORING_ENTER_NO_IOWAIT`.
    pub const NO_IOWAIT: u8 = 1 << 7;
}

const _: () = assert!(
    int_flags::REGISTERED_RING as u32 == IORING_ENTER_REGISTERED_RING
        && int_flags::NO_IOWAIT as u32 == IORING_ENTER_NO_IOWAIT
);

/// Reads a field of the ring.
macro_rules! get {
    ($ring:expr, $($field:tt)+) => {
        // SAFETY: a valid ring, by the contract of `RingRef::new`.
        unsafe { (*$ring.as_ptr()).$($field)+ }
    };
}

/// Writes a field of the ring.
macro_rules! put {
    ($ring:expr, $value:expr => $($field:tt)+) => {{
        let value = $value;
        // SAFETY: a valid ring, by the contract of `RingRef::new`.
        unsafe { (*$ring.as_ptr()).$($field)+ = value }
    }};
}

pub(crate) use {get, put};

/// A ring and the kernel that serves it.
#[derive(Clone, Copy, Debug)]
pub struct RingRef<K: Kernel = Linux> {
    raw: *mut io_uring,
    kernel: K,
}

impl<K: Kernel> RingRef<K> {
    /// The one place where a caller vouches for what the methods do. Those that
    /// are safe rely on it.
    ///
    /// # Safety
    /// As long as the result or a copy of it is used:
    /// - `raw` points to a valid ring (see the module) that `kernel` serves;
    /// - other threads use it only as the interface allows: one submits, one
    ///   reaps, and the descriptor is registered with the one that uses it;
    /// - when a method submits (those that do say so, waits with a timeout
    ///   among them), what the entries that were handed out point to, and what
    ///   they name of registered and provided buffers, is valid for what they
    ///   say until their completions;
    /// - slots are given back (`cq_advance`) after they were read only.
    #[inline(always)]
    #[must_use]
    pub const unsafe fn new(raw: *mut io_uring, kernel: K) -> Self {
        RingRef { raw, kernel }
    }

    /// The struct.
    #[inline(always)]
    #[must_use]
    pub const fn as_ptr(self) -> *mut io_uring {
        self.raw
    }

    /// The kernel.
    #[inline(always)]
    #[must_use]
    pub const fn kernel(self) -> K {
        self.kernel
    }

    /// A shared word of the ring.
    #[inline(always)]
    pub(crate) fn word(self, pointer: *mut c_uint) -> SharedWord {
        // SAFETY: the pointers of a valid ring lead to words of its mapping.
        unsafe { SharedWord::new(pointer) }
    }

    #[inline(always)]
    pub(crate) fn sqpoll(self) -> bool {
        get!(self, flags) & IORING_SETUP_SQPOLL != 0
    }

    /// The flags that every enter of this ring carries.
    #[inline(always)]
    pub(crate) fn enter_flags(self) -> c_uint {
        c_uint::from(get!(self, int_flags) & (int_flags::REGISTERED_RING | int_flags::NO_IOWAIT))
    }

    /// Enters the kernel; result or `-errno`.
    ///
    /// # Safety
    /// `arg` is NULL or valid for what `flags` says it is.
    #[inline(always)]
    pub(crate) unsafe fn enter(
        self,
        to_submit: c_uint,
        min_complete: c_uint,
        flags: c_uint,
        arg: *const c_void,
        size: usize,
    ) -> c_int {
        let fd = get!(self, enter_ring_fd);
        // SAFETY: handed on from the caller.
        unsafe {
            self.kernel
                .enter(fd, to_submit, min_complete, flags, arg, size)
        }
    }

    /// Whether completions may be waiting that only an enter brings into the
    /// completion queue.
    #[inline(always)]
    pub(crate) fn cq_needs_enter(self) -> bool {
        get!(self, int_flags) & int_flags::CQ_ENTER != 0 || self.cq_needs_flush()
    }

    /// The part of that which the kernel tells through the SQ flags.
    #[inline(always)]
    pub(crate) fn cq_needs_flush(self) -> bool {
        self.word(get!(self, sq.kflags)).load() & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN) != 0
    }

    /// Whether an IOPOLL ring has to be entered to find completions.
    pub(crate) const fn iopoll_enter(flags: c_uint) -> bool {
        flags & (IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL) == IORING_SETUP_IOPOLL
    }
}
