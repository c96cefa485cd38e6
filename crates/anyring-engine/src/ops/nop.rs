//! NOP and NOP128: nothing, and what their flags ask for.

use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

use super::opdef::{AtOnce, Attempt};
use crate::os::sys::{self, Sys};
use crate::request::{Outcome, Request};
use crate::ring::state::State;

// The kernel's own, which no liburing header names.
const NOP_FILE: u32 = 1 << 1;
const NOP_FIXED_FILE: u32 = 1 << 2;
const NOP_FIXED_BUFFER: u32 = 1 << 3;
const NOP_TW: u32 = 1 << 4;
const NOP_FLAGS: u32 = abi::IORING_NOP_INJECT_RESULT
    | NOP_FILE
    | NOP_FIXED_FILE
    | NOP_FIXED_BUFFER
    | NOP_TW
    | abi::IORING_NOP_CQE32;

/// NOP without flags.
pub(crate) const AT_ONCE: AtOnce = AtOnce { attempt, go_on };

fn attempt(_: &State, sqe: &io_uring_sqe) -> Attempt {
    if sqe.op_flags == 0 {
        Attempt::Done(0)
    } else {
        Attempt::Unsuitable
    }
}

fn go_on(_: &mut State, _: &mut Request, result: Sys) -> Outcome {
    Outcome::Done(sys::to_res(result))
}

/// NOP and NOP128.
#[inline]
pub(crate) fn issue(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = &request.sqe;
    if sqe.op_flags == 0 {
        return Outcome::Done(0);
    }
    with_flags(state, sqe)
}

/// A 128-byte NOP needs a ring that has such entries.
pub(crate) fn check_128(state: &State, _: &Request) -> Result<(), c_int> {
    if state.flags & (abi::IORING_SETUP_SQE128 | abi::IORING_SETUP_SQE_MIXED) == 0 {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

/// What the kernel checks of a NOP that asks for something.
#[cold]
pub(crate) fn check(state: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let big = sqe.op_flags & abi::IORING_NOP_CQE32 != 0;
    let has_room = state.flags & (abi::IORING_SETUP_CQE32 | abi::IORING_SETUP_CQE_MIXED) != 0;
    if sqe.op_flags & !NOP_FLAGS != 0 || big && !has_room {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

#[cold]
fn with_flags(state: &State, sqe: &io_uring_sqe) -> Outcome {
    let has = |flag| sqe.op_flags & flag != 0;
    let big = has(abi::IORING_NOP_CQE32);
    let mut res = if has(abi::IORING_NOP_INJECT_RESULT) {
        sqe.len as i32
    } else {
        0
    };
    if has(NOP_FILE) {
        let open = if has(NOP_FIXED_FILE) {
            super::fixed_file(state, sqe.fd as u32).is_ok()
        } else {
            crate::os::sys::is_open(sqe.fd)
        };
        if !open {
            res = -libc::EBADF;
        }
    }
    if has(NOP_FIXED_BUFFER) && state.buffers.get(usize::from(sqe.buf_index)).is_none() {
        res = -libc::EFAULT;
    }
    if big {
        Outcome::DoneBig(res, [sqe.off, sqe.addr])
    } else {
        Outcome::Done(res)
    }
}
