//! What the kernel refuses before an operation starts: such an entry takes its
//! whole chain with it, and the submission may stop there.

use core::ffi::c_int;

use anyring_abi as abi;

use super::{cancel, futex, provide, splice, timeout};
use crate::request::Request;

/// Checks the operands that an operation gives a meaning of its own.
pub(crate) fn operands(request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let wrong = match u32::from(sqe.opcode) {
        abi::IORING_OP_FSYNC => {
            sqe.op_flags & !abi::IORING_FSYNC_DATASYNC != 0 || (sqe.off as i64) < 0
        }
        abi::IORING_OP_URING_CMD => {
            sqe.off >> 32 != 0
                || sqe.op_flags & !abi::IORING_URING_CMD_MASK != 0
                || request.has(abi::IOSQE_BUFFER_SELECT)
        }
        abi::IORING_OP_READV => request.has(abi::IOSQE_BUFFER_SELECT) && sqe.len != 1,
        abi::IORING_OP_FUTEX_WAIT | abi::IORING_OP_FUTEX_WAKE => {
            return futex::check(sqe);
        }
        abi::IORING_OP_FUTEX_WAITV => sqe.len == 0 || sqe.len as usize > futex::MOST,
        abi::IORING_OP_PIPE => return super::file::check_pipe(sqe),
        abi::IORING_OP_MSG_RING => {
            let known = abi::IORING_MSG_RING_CQE_SKIP | abi::IORING_MSG_RING_FLAGS_PASS;
            sqe.buf_index != 0 || sqe.personality != 0 || sqe.op_flags & !known != 0
        }
        abi::IORING_OP_PROVIDE_BUFFERS => return provide::check(sqe),
        abi::IORING_OP_REMOVE_BUFFERS => sqe.fd <= 0 || sqe.fd as u64 > provide::MAX,
        abi::IORING_OP_UNLINKAT => sqe.op_flags & !(libc::AT_REMOVEDIR as u32) != 0,
        abi::IORING_OP_FIXED_FD_INSTALL => {
            if !request.has(abi::IOSQE_FIXED_FILE) {
                return Err(-libc::EBADF);
            }
            if sqe.op_flags & !abi::IORING_FIXED_FD_NO_CLOEXEC == 0 && sqe.personality != 0 {
                return Err(-libc::EPERM);
            }
            sqe.op_flags & !abi::IORING_FIXED_FD_NO_CLOEXEC != 0
        }
        abi::IORING_OP_SOCKET => {
            const KIND: c_int = 0xf;
            let flags = sqe.off as c_int & !KIND;
            flags & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) != 0
                || sqe.file_index != 0 && flags & libc::SOCK_CLOEXEC != 0
        }
        abi::IORING_OP_ASYNC_CANCEL => return cancel::check(request),
        abi::IORING_OP_TIMEOUT_REMOVE => return timeout::check_change(request).map(|_| ()),
        abi::IORING_OP_POLL_REMOVE => return super::poll::check_change(request),
        abi::IORING_OP_SPLICE | abi::IORING_OP_TEE => sqe.op_flags & !splice::FLAGS != 0,
        abi::IORING_OP_FILES_UPDATE => sqe.len == 0,
        abi::IORING_OP_OPENAT => sqe.file_index != 0 && sqe.op_flags & libc::O_CLOEXEC as u32 != 0,
        abi::IORING_OP_CLOSE => sqe.file_index != 0 && sqe.fd != 0,
        abi::IORING_OP_GETXATTR | abi::IORING_OP_FGETXATTR => sqe.op_flags != 0,
        _ => false,
    };
    if wrong { Err(-libc::EINVAL) } else { Ok(()) }
}
