//! The seam between the rings and whatever serves them.
//!
//! Everything above this module is written once, for any [`Kernel`]. An
//! implementation speaks the kernel's own vocabulary (raw structs, flags,
//! `-errno`), so that it is a kernel, no more and no less: it reads and writes
//! the same shared rings that inline code in compiled C programs touches.

use core::ffi::{c_int, c_uint, c_void};

use anyring_abi::io_uring_params;

mod linux;
#[cfg(feature = "scripted")]
pub mod scripted;

pub use linux::Linux;
// Hidden, not an interface: the engine makes its system calls by the same code.
#[doc(hidden)]
pub use linux::syscall;

/// What serves rings: three io_uring calls and the memory calls around them.
///
/// Results are the kernel's: zero or more, or `-errno`. `errno` is never
/// touched.
///
/// # Open, and versioned
/// The trait is not sealed: kernels of other crates are what the seam is for (the
/// userspace engine is one, and one that counts calls, or that fails them, is a few
/// lines). What keeps such crates compiling: a function that is added here has a default
/// that answers -ENOSYS, or that calls those which are here; anything else is a new major
/// version of this crate.
///
/// # Safety
/// An implementation must uphold the kernel's side of the interface: memory
/// returned by [`mmap`](Kernel::mmap) is valid for the given length until
/// [`munmap`](Kernel::munmap), offsets written into the params lie inside it,
/// and ring memory is accessed with the orderings of io_uring(7). Completions answer
/// entries: a result that is a descriptor is one that is open and that nothing else owns,
/// and memory that an entry names is left alone after its last completion.
pub unsafe trait Kernel: Copy {
    /// io_uring_setup(2).
    ///
    /// # Safety
    /// `params` is valid for reads and writes.
    unsafe fn setup(self, entries: c_uint, params: *mut io_uring_params) -> c_int;

    /// io_uring_enter(2).
    ///
    /// # Safety
    /// `arg` is NULL or valid for what `flags` says it is, `size` bytes.
    unsafe fn enter(
        self,
        fd: c_int,
        to_submit: c_uint,
        min_complete: c_uint,
        flags: c_uint,
        arg: *const c_void,
        size: usize,
    ) -> c_int;

    /// io_uring_register(2).
    ///
    /// # Safety
    /// `arg` is valid for what `opcode` and `nr_args` say it is.
    unsafe fn register(
        self,
        fd: c_int,
        opcode: c_uint,
        arg: *const c_void,
        nr_args: c_uint,
    ) -> c_int;

    /// mmap(2), readable and writable; `Err` holds `-errno`.
    ///
    /// # Safety
    /// As mmap(2) without `MAP_FIXED`.
    unsafe fn mmap(
        self,
        length: usize,
        flags: c_int,
        fd: c_int,
        offset: u64,
    ) -> Result<*mut c_void, c_int>;

    /// munmap(2).
    ///
    /// # Safety
    /// The range came from [`mmap`](Kernel::mmap) and is no longer used.
    unsafe fn munmap(self, address: *mut c_void, length: usize) -> c_int;

    /// madvise(2).
    ///
    /// # Safety
    /// The range is mapped and the advice does not change its contents.
    unsafe fn madvise(self, address: *mut c_void, length: usize, advice: c_int) -> c_int;

    /// close(2).
    ///
    /// # Safety
    /// The caller owns the descriptor.
    unsafe fn close(self, fd: c_int) -> c_int;

    /// The soft and hard limit on open files (getrlimit(2)).
    fn open_files_limit(self) -> Result<(u64, u64), c_int>;

    /// Sets that limit (setrlimit(2)).
    fn set_open_files_limit(self, soft: u64, hard: u64) -> c_int;

    /// Size of a page of memory in bytes.
    fn page_size(self) -> usize;
}
