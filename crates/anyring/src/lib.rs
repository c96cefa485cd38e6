//! io_uring rings: setup, memory, queues, waits, registration, provided
//! buffers.
//!
//! Two ways in. [`Ring`] owns a ring and is what Rust programs use.
//! [`RingRef`] works on a `struct io_uring` that somebody else owns; the C
//! library and the Python module are built on it. Both run on any
//! [`Kernel`], by default the one of this machine.
//!
//! No function allocates. Nothing here needs the standard library.
#![no_std]
#![deny(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "scripted", feature = "std"))]
extern crate std;

#[cfg(not(target_os = "linux"))]
compile_error!("io_uring is an interface of Linux");
#[cfg(not(all(target_pointer_width = "64", target_endian = "little")))]
compile_error!("anyring supports 64-bit little-endian machines only");

#[allow(unsafe_code, reason = "memory shared with the kernel; see the module")]
pub mod buffers;
pub mod errno;
pub mod flags;
#[cfg(feature = "alloc")]
pub mod inflight;
#[allow(unsafe_code, reason = "system calls; see the module")]
pub mod kernel;
mod op;
#[cfg(feature = "owned")]
#[allow(unsafe_code, reason = "submits what it keeps alive; see the module")]
pub mod operation;
#[allow(unsafe_code, reason = "the owner of a ring vouches for it")]
mod owned;
pub mod prep;
#[allow(unsafe_code, reason = "reads what the kernel filled")]
pub mod probe;
#[allow(unsafe_code, reason = "reads what the kernel filled; see the module")]
pub mod recvmsg;
#[allow(unsafe_code, reason = "hands pointers to the kernel")]
pub mod register;
#[allow(unsafe_code, reason = "memory shared with the kernel; see the module")]
pub mod ring;
#[allow(unsafe_code, reason = "hands pointers to the kernel")]
pub mod submit;

// The program of the README runs with the tests of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use anyring_abi as abi;
pub use errno::{Errno, PushError, check};
pub use kernel::{Kernel, Linux};
pub use op::Op;
#[cfg(feature = "io-uring")]
pub use owned::sqe_from_entry;
pub use owned::{
    AnyThread, BufRing, Builder, CancelSync, ClockId, Completion, CompletionSide, Completions,
    Disabled, Napi, NapiTracking, Queueable, RegisteredBuffers, Restriction, Ring, SubmissionSide,
    ThisThread, Threads, WaitArgs,
};
pub use probe::Probe;
pub use recvmsg::RecvMsgOut;
pub use ring::RingRef;
