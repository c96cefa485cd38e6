//! Differences that stand in `docs/engine.md`, with the reason.

use anyring::abi::*;

use crate::changes::{At, Change};
use crate::world::Kind;
use crate::{Case, Way};

const LISTENER: i32 = Kind::Listener as i32;

/// Entries that take a buffer of a group, or are multishot.
fn uses_group(case: &Case) -> bool {
    match case.op {
        IORING_OP_READ => case.variant >= 2,
        IORING_OP_RECV | IORING_OP_RECVMSG => case.variant >= 1,
        IORING_OP_SEND => true,
        IORING_OP_ACCEPT => case.variant == 3,
        IORING_OP_READ_MULTISHOT => true,
        _ => false,
    }
}

/// Why a case may end differently.
pub(crate) fn reason(case: &Case) -> Option<&'static str> {
    let in_worker = case.way == Way::Async
        || matches!(case.change, Change::Flags(flags) if matches!(u32::from(flags),
            IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_ASYNC | IOSQE_IO_DRAIN));
    if case.way == Way::Async && uses_group(case) {
        return Some("the kernel's workers take buffers at once, and run nothing multishot");
    }
    match case.op {
        IORING_OP_NOP128 | IORING_OP_URING_CMD128 => Some("newer than some kernels"),
        IORING_OP_TIMEOUT | IORING_OP_TIMEOUT_REMOVE | IORING_OP_LINK_TIMEOUT
            if case.change == Change::OpFlags(IORING_TIMEOUT_IMMEDIATE_ARG) =>
        {
            Some("newer than some kernels")
        }
        // A short one that repeats without end.
        IORING_OP_TIMEOUT if case.change == Change::OpFlags(IORING_TIMEOUT_MULTISHOT) => {
            Some("how often it fires before the queue is full depends on who looks when")
        }
        // The last of the entries.
        IORING_OP_URING_CMD if case.variant == 4 => Some("newer than some kernels"),
        IORING_OP_SEND_ZC | IORING_OP_SENDMSG_ZC
            if case.change == Change::Flags(IOSQE_IO_DRAIN as u8) =>
        {
            Some("the kernel's drain waits for the notification that comes after it")
        }
        IORING_OP_SEND if case.variant == 2 && in_worker => {
            Some("the kernel's workers cancel bundles")
        }
        IORING_OP_WRITE
            if case.way == Way::Async
                && matches!(
                    case.change,
                    Change::FdOf(Kind::Listener) | Change::Slot(LISTENER)
                ) =>
        {
            Some("who writes to a listener waits until it can be written to")
        }
        // The last of the entries. MSG_PEEK and MSG_ERRQUEUE.
        IORING_OP_RECV
            if case.variant == 4
                && matches!(case.change, Change::OpFlags(flags) if flags & 0x2002 != 0) =>
        {
            Some("the kernel goes on with a bundle that takes nothing")
        }
        // An entry with a multishot receive.
        IORING_OP_RECV if case.variant == 3 && matches!(case.change, Change::FileIndex(_)) => {
            Some("a limit of multishot receives is newer than some kernels")
        }
        IORING_OP_FUTEX_WAITV if in_worker => Some("the kernel's workers end the chain"),
        IORING_OP_LINK_TIMEOUT
            if matches!(
                case.change,
                Change::Addr(At::Constant) | Change::OpFlags(1 | 5 | 9)
            ) =>
        {
            Some("a time limit that is over at once may come before or after what it limits")
        }
        IORING_OP_EPOLL_WAIT if in_worker => Some("the kernel's workers do not wait for epolls"),
        IORING_OP_ASYNC_CANCEL if in_worker => Some("the kernel's workers find themselves"),
        IORING_OP_READV_FIXED | IORING_OP_WRITEV_FIXED if matches!(case.change, Change::Len(len) if len >= 1 << 20) => {
            Some("the kernel finds no memory for so many vectors before it counts them")
        }
        IORING_OP_MADVISE if matches!(case.change, Change::Len(len) if len > 4096) => {
            Some("what is mapped behind the memory is not the same on both")
        }
        _ => None,
    }
}
