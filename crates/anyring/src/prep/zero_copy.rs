//! What is no row of the operation table: the C interface has no function for it.

use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

/// Receives again and again into the area of a registered device queue
/// ([`Ring::register_ifq`](crate::Ring::register_ifq)), at most `len` bytes in all (0: no
/// end). Minimum kernel: Linux 6.15.
#[inline(always)]
pub fn recv_zc(sqe: &mut io_uring_sqe, sockfd: c_int, len: u32, ifq: u32) {
    sqe.opcode = abi::IORING_OP_RECV_ZC as u8;
    sqe.ioprio |= abi::IORING_RECV_MULTISHOT as u16;
    sqe.fd = sockfd;
    sqe.off = 0;
    sqe.addr = 0;
    sqe.len = len;
    sqe.op_flags = 0;
    sqe.file_index = ifq;
}
