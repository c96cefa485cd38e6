//! Buffers given to and taken from classic groups.

use core::ffi::c_int;

use crate::os::user_memory;
use crate::request::{Outcome, Request};
use crate::ring::state::State;

/// The most buffers of a group, and the largest number of one.
const MAX: u64 = 65536;

/// Whether the buffers can be what they are said to be.
pub(crate) fn check(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let count = sqe.fd as u32;
    if sqe.fd <= 0 || u64::from(count) > MAX {
        return Err(-libc::E2BIG);
    }
    if sqe.len == 0 {
        return Err(-libc::EINVAL);
    }
    let bytes = u64::from(count) * u64::from(sqe.len);
    if sqe.addr.checked_add(bytes).is_none() {
        return Err(-libc::EOVERFLOW);
    }
    if sqe.addr + bytes >= user_memory::end_of_addresses() {
        return Err(-libc::EFAULT);
    }
    if sqe.off > MAX - 1 {
        return Err(-libc::E2BIG);
    }
    if sqe.off + u64::from(count) > MAX {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

/// PROVIDE_BUFFERS.
pub(crate) fn provide(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = &request.sqe;
    let (count, first) = (sqe.fd as u32, sqe.off as u16);
    let provided = state
        .groups
        .provide(sqe.buf_index, sqe.addr, sqe.len, count, first);
    provided.map(|()| 0).into()
}

/// Whether a group can have that many buffers.
pub(crate) fn check_remove(_: &State, request: &Request) -> Result<(), c_int> {
    if request.sqe.fd <= 0 || request.sqe.fd as u64 > MAX {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

/// REMOVE_BUFFERS.
pub(crate) fn remove(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = &request.sqe;
    state.groups.remove(sqe.buf_index, sqe.fd as u32).into()
}
