//! The io_uring interface of the kernel and `struct io_uring`, as plain data.
//!
//! Structs and constants only: no code that touches a ring, no dependency, no
//! `unsafe`. x86-64 and other LP64 little-endian machines.
#![no_std]
#![forbid(unsafe_code)]

pub mod constants;
pub mod structs;

pub use constants::*;
pub use structs::*;

/// Major version of liburing that is matched.
pub const VERSION_MAJOR: i32 = IO_URING_VERSION_MAJOR;
/// Minor version of liburing that is matched.
pub const VERSION_MINOR: i32 = IO_URING_VERSION_MINOR;
