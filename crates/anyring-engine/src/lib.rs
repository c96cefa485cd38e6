//! A kernel in user space that serves io_uring rings where io_uring is blocked.
//!
//! It stands behind the core's seam ([`KernelOrEngine`] is an
//! [`anyring::Kernel`]), consumes SQEs from and posts CQEs into the same shared
//! rings as the kernel, and makes only ordinary system calls, each subject to
//! the policy that the process runs under: nothing is bypassed.
//!
//! Nothing here needs the standard library; memory comes from the global allocator: in
//! Rust programs theirs, in the libraries for C programs [`Arena`], which signal handlers
//! may interrupt. `docs/engine.md` tells users what to expect,
//! `docs/engine-internals.md` tells maintainers how it works. Each unsafe block
//! has its reason beside it; a module whose blocks rest on an invariant in common
//! states it in its head.
//!
//! A Rust program has its rings served by whichever engine is chosen:
//!
//! ```
//! use anyring::{Builder, prep};
//! use anyring_engine::{Choice, KernelOrEngine, Served, choose, served};
//!
//! # fn main() -> Result<(), anyring::Errno> {
//! choose(Some(Choice::Userspace));
//! let mut ring = Builder::new(8).build_on(<KernelOrEngine>::new())?;
//! assert_eq!(served(ring.fd()), Served::Userspace(0));
//! prep::nop(ring.next_sqe().expect("an empty queue has room"));
//! // SAFETY: a nop has no memory of ours.
//! unsafe { ring.submit_and_wait(1)? };
//! assert_eq!(ring.completions().count(), 1);
//! # Ok(())
//! # }
//! ```
#![no_std]

extern crate alloc;

mod api;
mod chaos;
mod ops;
mod os;
mod pool;
mod register;
mod request;
mod ring;
mod select;
mod setup;
mod wait;

pub use api::{API, Api, INHERITED, NOT_OURS, VERSION, serial};
pub use chaos::{begin_chaos, end_chaos};
pub use os::arena::Arena;
pub use os::log::log;
pub use select::{
    BuiltIn, Choice, KernelOrEngine, Served, Source, choice, choose, chosen, served, set_default,
};

/// The one symbol of the engine's own shared library.
#[cfg(anyring_staticlib)]
#[unsafe(no_mangle)]
pub extern "C" fn anyring_engine() -> &'static Api {
    &API
}

#[cfg(anyring_staticlib)]
#[global_allocator]
static MEMORY: Arena = Arena;

#[cfg(anyring_staticlib)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort has no preconditions.
    unsafe { libc::abort() }
}
