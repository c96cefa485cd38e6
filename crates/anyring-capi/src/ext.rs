//! The calls behind `liburing/ext.h`.
//!
//! # Safety
//! The reason is written to where the program says, unless that is NULL.

use core::ffi::{c_int, c_uint, c_void};

use anyring_engine::{Choice, Served, choose, served};

/// All of them: no register call of the kernel has such a number.
const BASE: c_uint = 0x616e_7900;
const CHOOSE: c_uint = BASE + 1;
const SERVED: c_uint = BASE + 2;

/// Whether a register call is one of these.
pub(crate) fn is_one(opcode: c_uint) -> bool {
    opcode & !0xff == BASE
}

/// Answers it.
///
/// # Safety
/// `arg` is NULL or valid for writing an int.
pub(crate) unsafe fn call(fd: c_int, opcode: c_uint, arg: *const c_void, number: c_uint) -> c_int {
    match opcode {
        CHOOSE => {
            let wish = match number {
                0 => None,
                1 => Some(Choice::Kernel),
                2 => Some(Choice::Auto),
                3 => Some(Choice::Userspace),
                _ => return -libc::EINVAL,
            };
            choose(wish);
            0
        }
        SERVED => {
            let (engine, reason) = match served(fd) {
                Served::Kernel => (Choice::Kernel as c_int, 0),
                Served::Userspace(reason) => (Choice::Userspace as c_int, reason),
                Served::Inherited => return -libc::EOWNERDEAD,
            };
            if !arg.is_null() {
                // SAFETY: handed on from the caller.
                unsafe { arg.cast_mut().cast::<c_int>().write(reason) };
            }
            engine
        }
        _ => -libc::EINVAL,
    }
}
