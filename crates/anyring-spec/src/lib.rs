//! The interface as data: which SQE field each argument of an operation goes
//! to, which symbol has which version, which kernel brought what.
//!
//! Everything that is derived comes from here: the Rust prep functions, their
//! C twins (inline and exported), the version maps and the reference tables. A new
//! operation is one row here.
#![no_std]
#![forbid(unsafe_code)]

pub mod flags;
pub mod functions;
pub mod kernels;
pub mod prep;
pub mod register;

pub use functions::{FUNCTIONS, Function};
pub use prep::{Arg, Field, Prep, Set, Value, operations, rows};
pub use register::{REGISTER_CALLS, RegisterCall};

/// Where a function's symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// Exported under this version node.
    V(&'static str),
    /// Defined in the static ffi archive of the reference, which exports it
    /// nowhere; the shared ffi library has it under [`ADDITIONS_NODE`].
    Archive,
    /// Inline in the header only.
    Local,
}

/// Version nodes of `liburing.so.2`, oldest first; each inherits the one before.
pub static SO_NODES: &[&str] = &[
    "LIBURING_2.0",
    "LIBURING_2.1",
    "LIBURING_2.2",
    "LIBURING_2.3",
    "LIBURING_2.4",
    "LIBURING_2.5",
    "LIBURING_2.6",
    "LIBURING_2.7",
    "LIBURING_2.8",
    "LIBURING_2.9",
    "LIBURING_2.10",
    "LIBURING_2.11",
    "LIBURING_2.12",
    "LIBURING_2.13",
    "LIBURING_2.14",
    "LIBURING_2.15",
];

/// Version nodes of `liburing-ffi.so.2`, oldest first.
pub static FFI_NODES: &[&str] = &[
    "LIBURING_2.4",
    "LIBURING_2.5",
    "LIBURING_2.6",
    "LIBURING_2.7",
    "LIBURING_2.8",
    "LIBURING_2.9",
    "LIBURING_2.10",
    "LIBURING_2.11",
    "LIBURING_2.12",
    "LIBURING_2.13",
    "LIBURING_2.14",
    "LIBURING_2.15",
    "LIBURING_2.16",
];

/// The node of the ffi library that has what the reference exports nowhere: one
/// of our own, so that a program that uses such a function says so, instead of
/// asking for a version of liburing that does not have it. It inherits the
/// nodes of the reference.
pub const ADDITIONS_NODE: &str = "ANYRING_1.0";
