//! The io_uring interface of the kernel and `struct io_uring`, as plain data.
//!
//! Structs and constants only: no code that touches a ring, no dependency, no
//! `unsafe`. x86-64 and other LP64 little-endian machines.
#![no_std]
#![forbid(unsafe_code)]

// Layouts are those of 64-bit little-endian machines: elsewhere this is the only error.
#[cfg(not(all(target_pointer_width = "64", target_endian = "little")))]
compile_error!("anyring supports 64-bit little-endian targets only");

#[cfg(all(target_pointer_width = "64", target_endian = "little"))]
pub mod constants;
#[cfg(all(target_pointer_width = "64", target_endian = "little"))]
pub mod structs;

#[cfg(all(target_pointer_width = "64", target_endian = "little"))]
pub use constants::*;
#[cfg(all(target_pointer_width = "64", target_endian = "little"))]
pub use structs::*;

/// Major version of liburing that is matched.
#[cfg(all(target_pointer_width = "64", target_endian = "little"))]
pub const VERSION_MAJOR: i32 = IO_URING_VERSION_MAJOR;
/// Minor version of liburing that is matched.
#[cfg(all(target_pointer_width = "64", target_endian = "little"))]
pub const VERSION_MINOR: i32 = IO_URING_VERSION_MINOR;
