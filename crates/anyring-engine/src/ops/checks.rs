//! What the kernel refuses before an operation starts: such an entry takes its
//! whole chain with it, and the submission may stop there.
//!
//! Checks of operands that need nothing of their operation's module; the others stand
//! beside what they check.

use core::ffi::c_int;

use anyring_abi as abi;

use super::net;
use crate::os::user_memory;
use crate::request::Request;
use crate::ring::state::State;

/// The answer to whether an entry is wrong.
fn refuse_if(wrong: bool) -> Result<(), c_int> {
    if wrong { Err(-libc::EINVAL) } else { Ok(()) }
}

pub(super) fn fsync(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    refuse_if(sqe.op_flags & !abi::IORING_FSYNC_DATASYNC != 0 || (sqe.off as i64) < 0)
}

pub(super) fn uring_cmd(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    refuse_if(
        sqe.off >> 32 != 0
            || sqe.op_flags & !abi::IORING_URING_CMD_MASK != 0
            || request.has(abi::IOSQE_BUFFER_SELECT),
    )
}

pub(super) fn msg_ring(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let known = abi::IORING_MSG_RING_CQE_SKIP | abi::IORING_MSG_RING_FLAGS_PASS;
    refuse_if(sqe.buf_index != 0 || sqe.personality != 0 || sqe.op_flags & !known != 0)
}

pub(super) fn unlinkat(_: &State, request: &Request) -> Result<(), c_int> {
    refuse_if(request.sqe.op_flags & !(libc::AT_REMOVEDIR as u32) != 0)
}

pub(super) fn fixed_fd_install(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    if !request.has(abi::IOSQE_FIXED_FILE) {
        return Err(-libc::EBADF);
    }
    let known = sqe.op_flags & !abi::IORING_FIXED_FD_NO_CLOEXEC == 0;
    if known && sqe.personality != 0 {
        return Err(-libc::EPERM);
    }
    refuse_if(!known)
}

pub(super) fn socket(_: &State, request: &Request) -> Result<(), c_int> {
    const KIND: c_int = 0xf;
    let sqe = &request.sqe;
    let flags = sqe.off as c_int & !KIND;
    refuse_if(
        flags & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) != 0
            || sqe.file_index != 0 && flags & libc::SOCK_CLOEXEC != 0,
    )
}

pub(super) fn files_update(_: &State, request: &Request) -> Result<(), c_int> {
    refuse_if(request.sqe.len == 0)
}

pub(super) fn openat(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    refuse_if(sqe.file_index != 0 && sqe.op_flags & libc::O_CLOEXEC as u32 != 0)
}

pub(super) fn close(_: &State, request: &Request) -> Result<(), c_int> {
    refuse_if(request.sqe.file_index != 0 && request.sqe.fd != 0)
}

pub(super) fn getxattr(_: &State, request: &Request) -> Result<(), c_int> {
    refuse_if(request.sqe.op_flags != 0)
}

pub(super) fn pipe(_: &State, request: &Request) -> Result<(), c_int> {
    let allowed = (libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_DIRECT) as u32 | 0o200;
    refuse_if(request.sqe.op_flags & !allowed != 0)
}

/// The program's buffer must lie in its half of the address space. Asked of a request
/// that waits for its turn in a chain.
pub(super) fn buffer(request: &Request) -> Result<(), c_int> {
    if request.has(abi::IOSQE_BUFFER_SELECT) || net::send::is_fixed(request) {
        return Ok(());
    }
    user_memory::check_range(request.sqe.addr, request.sqe.len as usize)
}
