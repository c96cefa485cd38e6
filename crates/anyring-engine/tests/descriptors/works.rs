//! Operations that are tried on every kind of descriptor.

use anyring::abi::*;

use crate::memory::Memory;

/// What is done with the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Read,
    /// Less than a record of most kinds that have records.
    ReadShort,
    ReadNothing,
    ReadAt,
    ReadVectors,
    ReadSelect,
    ReadMultishot,
    Write,
    WriteShort,
    WriteNothing,
    WriteVectors,
    WriteLong,
    PollIn,
    PollOut,
    PollPri,
    PollHangUp,
    PollMultishot,
    PollLevel,
    SpliceFrom,
    SpliceTo,
    SpliceFromAt,
    Tee,
    Receive,
    ReceiveMultishot,
    ReceivePeek,
    ReceiveAll,
    Send,
    Accept,
    AcceptMultishot,
    Shutdown,
    Truncate,
    Advise,
    EpollWait,
    Close,
    NameOf,
}

use Work::*;

pub(crate) const WORKS: &[Work] = &[
    Read,
    ReadShort,
    ReadNothing,
    ReadAt,
    ReadVectors,
    ReadSelect,
    ReadMultishot,
    Write,
    WriteShort,
    WriteNothing,
    WriteVectors,
    WriteLong,
    PollIn,
    PollOut,
    PollPri,
    PollHangUp,
    PollMultishot,
    PollLevel,
    SpliceFrom,
    SpliceTo,
    SpliceFromAt,
    Tee,
    Receive,
    ReceiveMultishot,
    ReceivePeek,
    ReceiveAll,
    Send,
    Accept,
    AcceptMultishot,
    Shutdown,
    Truncate,
    Advise,
    EpollWait,
    Close,
    NameOf,
];

/// Takes the file's own position.
const CURRENT: u64 = u64::MAX;

impl Work {
    /// The entry, but for its flags and its descriptor.
    pub(crate) fn entry(self, memory: &mut Memory) -> io_uring_sqe {
        let out = memory.out() as u64;
        let data = memory.data() as u64;
        let (op, off, addr, len, op_flags) = match self {
            Read => (IORING_OP_READ, CURRENT, out, 200, 0),
            ReadShort => (IORING_OP_READ, CURRENT, out, 4, 0),
            ReadNothing => (IORING_OP_READ, CURRENT, out, 0, 0),
            ReadAt => (IORING_OP_READ, 10, out, 200, 0),
            ReadVectors => (IORING_OP_READV, CURRENT, memory.vectors(out), 2, 0),
            ReadSelect => (IORING_OP_READ, CURRENT, 0, 0, 0),
            ReadMultishot => (IORING_OP_READ_MULTISHOT, CURRENT, 0, 0, 0),
            Write => (IORING_OP_WRITE, CURRENT, data, 100, 0),
            WriteShort => (IORING_OP_WRITE, CURRENT, data, 8, 0),
            WriteNothing => (IORING_OP_WRITE, CURRENT, data, 0, 0),
            WriteVectors => (IORING_OP_WRITEV, CURRENT, memory.vectors(data), 2, 0),
            WriteLong => (IORING_OP_WRITE, CURRENT, data, 4096, 0),
            PollIn | PollMultishot | PollLevel => {
                (IORING_OP_POLL_ADD, 0, 0, 0, libc::POLLIN as u32)
            }
            PollOut => (IORING_OP_POLL_ADD, 0, 0, 0, libc::POLLOUT as u32),
            PollPri => (IORING_OP_POLL_ADD, 0, 0, 0, libc::POLLPRI as u32),
            PollHangUp => (IORING_OP_POLL_ADD, 0, 0, 0, libc::POLLRDHUP as u32),
            SpliceFrom | SpliceFromAt => (IORING_OP_SPLICE, CURRENT, CURRENT, 16, 0),
            SpliceTo => (IORING_OP_SPLICE, CURRENT, CURRENT, 16, 0),
            Tee => (IORING_OP_TEE, 0, 0, 16, 0),
            Receive | ReceivePeek | ReceiveAll => (IORING_OP_RECV, 0, out, 100, 0),
            ReceiveMultishot => (IORING_OP_RECV, 0, 0, 0, 0),
            Send => (IORING_OP_SEND, 0, data, 100, libc::MSG_NOSIGNAL as u32),
            Accept | AcceptMultishot => (IORING_OP_ACCEPT, 0, 0, 0, 0),
            Shutdown => (IORING_OP_SHUTDOWN, 0, 0, libc::SHUT_WR as u32, 0),
            Truncate => (IORING_OP_FTRUNCATE, 100, 0, 0, 0),
            Advise => (
                IORING_OP_FADVISE,
                0,
                0,
                100,
                libc::POSIX_FADV_WILLNEED as u32,
            ),
            EpollWait => (IORING_OP_EPOLL_WAIT, 0, out, 4, 0),
            Close => (IORING_OP_CLOSE, 0, 0, 0, 0),
            NameOf => (
                IORING_OP_FGETXATTR,
                memory.out() as u64,
                memory.text("user.kind"),
                100,
                0,
            ),
        };
        let mut sqe = io_uring_sqe {
            opcode: op as u8,
            off,
            addr,
            len,
            op_flags,
            // SAFETY: integers only.
            ..unsafe { std::mem::zeroed() }
        };
        match self {
            ReadSelect | ReadMultishot | ReceiveMultishot => {
                sqe.flags |= IOSQE_BUFFER_SELECT as u8;
                sqe.buf_index = memory.group();
                if self == ReceiveMultishot {
                    sqe.ioprio = IORING_RECV_MULTISHOT as u16;
                }
            }
            PollMultishot => sqe.len = IORING_POLL_ADD_MULTI,
            PollLevel => sqe.len = IORING_POLL_ADD_MULTI | IORING_POLL_ADD_LEVEL,
            AcceptMultishot => sqe.ioprio = IORING_ACCEPT_MULTISHOT as u16,
            ReceivePeek => sqe.op_flags = libc::MSG_PEEK as u32,
            ReceiveAll => sqe.op_flags = libc::MSG_WAITALL as u32,
            SpliceFromAt => sqe.addr = 4,
            _ => {}
        }
        sqe
    }

    /// Puts the descriptor where the operation has it.
    pub(crate) fn aim(self, sqe: &mut io_uring_sqe, fd: i32, fixed: bool, memory: &Memory) {
        match self {
            SpliceFrom | SpliceFromAt | Tee => {
                sqe.fd = memory.pipe_in();
                sqe.file_index = fd as u32;
                if fixed {
                    sqe.op_flags |= SPLICE_F_FD_IN_FIXED;
                }
            }
            SpliceTo => {
                sqe.fd = fd;
                sqe.file_index = memory.pipe_out() as u32;
                if fixed {
                    sqe.flags |= IOSQE_FIXED_FILE as u8;
                }
            }
            Close if fixed => sqe.file_index = fd as u32 + 1,
            _ => {
                sqe.fd = fd;
                if fixed {
                    sqe.flags |= IOSQE_FIXED_FILE as u8;
                }
            }
        }
    }

    /// Operations whose result is a descriptor.
    pub(crate) fn gives_fd(self) -> bool {
        matches!(self, Accept | AcceptMultishot)
    }
}
