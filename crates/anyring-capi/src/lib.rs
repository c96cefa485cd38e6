//! The C interface: pointers in, core calls, the conventions of liburing out.
//!
//! The functions are ordinary Rust functions until the link step sets
//! `cfg(anyring_staticlib)`; then they get their C names. So our symbols can
//! be tested beside those of an installed liburing in one process.
//!
//! # Safety
//! Every function takes pointers from C and has the contract of its C
//! prototype, which its own `# Safety` section does not repeat:
//!
//! - `ring` points to a `struct io_uring` that a setup function filled and
//!   that was not yet taken down (setup functions themselves: to memory of
//!   that size). One thread submits and one reaps, at most.
//! - `sqe` and `cqe` point to entries of the ring.
//! - other pointers are valid for what the matching system call does with
//!   them; where C allows NULL, so do we.
//!
//! # Results
//! Zero or more, or `-errno`; `errno` is never touched. Functions that return
//! a pointer return NULL on failure. Where the reference would crash on a NULL
//! `ring` or `p`, setup functions return -EFAULT.
#![cfg_attr(anyring_staticlib, no_std)]
#![allow(
    clippy::missing_safety_doc,
    reason = "the contract of each function is that of its C prototype, above"
)]

mod engine;
mod ext;
pub mod helpers;
pub mod prep;
pub mod register;
pub mod setup;
pub mod submit;

use anyring::RingRef;
use anyring::abi::io_uring;
use anyring_engine::KernelOrEngine;

/// What serves the rings of this library: the kernel, unless a user, a program
/// or a packager chose otherwise.
type Serving = KernelOrEngine<engine::Place>;
const KERNEL: Serving = KernelOrEngine::new();

/// The ring behind a C pointer.
///
/// # Safety
/// As the crate says of `ring`.
#[inline(always)]
unsafe fn ring_ref(ring: *const io_uring) -> RingRef<Serving> {
    // SAFETY: handed on from the caller.
    unsafe { RingRef::new(ring.cast_mut(), KERNEL) }
}

/// Memory of the engine in the static archives. The shared libraries allocate nothing, but
/// the engine's crate, which they take types from, wants an allocator to be named.
#[cfg(anyring_staticlib)]
#[global_allocator]
static MEMORY: anyring_engine::Arena = anyring_engine::Arena;

/// Panics cannot cross into C, and there is nobody to report to: stop.
#[cfg(anyring_staticlib)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort has no preconditions.
    unsafe { libc::abort() }
}
