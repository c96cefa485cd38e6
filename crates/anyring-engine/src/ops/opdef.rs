//! The table of operations: one row for each opcode, as the kernel's `io_issue_defs`.
//!
//! Everything the engine asks about an operation by its number stands in its row: what
//! the kernel refuses, what the operation works on, and the functions that do it. To
//! serve a new operation, write its function and its row; a missing or doubled row does
//! not compile.

use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

use super::{
    cancel, checks, command, descriptor, file, files_update, futex, link, msg_ring, net, nop, poll,
    provide, rw, socket, splice, struck, timeout, waitid,
};
use crate::os::sys::Sys;
use crate::request::{Outcome, PickedBuffer, Request};
use crate::ring::state::State;

/// Number of operations that the engine has a row for.
pub(crate) const LAST: u32 = abi::IORING_OP_LAST;

/// Fields of an SQE, as bits of [`OpDef::unused`].
pub(super) const OFF: u16 = 1 << 0;
pub(super) const ADDR: u16 = 1 << 1;
pub(super) const LEN: u16 = 1 << 2;
pub(super) const FLAGS: u16 = 1 << 3;
pub(super) const BUF: u16 = 1 << 4;
pub(super) const INDEX: u16 = 1 << 5;
pub(super) const ADDR3: u16 = 1 << 6;
pub(super) const FD: u16 = 1 << 7;
pub(super) const PAD2: u16 = 1 << 8;

/// What a cancellation finds of a request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// The request: the answer is 0.
    Waiting,
    /// One of a list that the kernel answers a number for; which list.
    Counted(usize),
    /// A worker that waits, where the request here waits for a file: -EALREADY.
    AtWork,
}

/// When a request posts more than one completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Multishot {
    Never,
    /// With this flag in `ioprio`.
    Flag(u32),
    Always,
}

/// What came of an SQE that was tried without a request; see [`AtOnce`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attempt {
    /// It is done, with this result.
    Done(i32),
    /// Its system call was made and answered this, which does not end it.
    Tried(Sys),
    /// Nothing was done: it needs a request from its beginning.
    Unsuitable,
}

/// How an operation is done without a request, which costs more than the operation itself
/// where that is short. Only for SQEs that [`io_uring_sqe::flags`] and the ring let run
/// alone and at once; the result has to be what a request would have come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtOnce {
    pub(crate) attempt: fn(&State, &io_uring_sqe) -> Attempt,
    /// Goes on with the request that [`Attempt::Tried`] makes necessary.
    pub(super) go_on: fn(&mut State, &mut Request, Sys) -> Outcome,
}

type Check = fn(&State, &Request) -> Result<(), c_int>;
type Prepare = fn(&Request) -> Result<(), c_int>;
type CopyArguments = fn(&mut Request) -> Result<(), c_int>;
type Issue = fn(&mut State, &mut Request, Option<u32>) -> Outcome;
type UsesBuffer = fn(c_int, &Request, PickedBuffer, i32) -> bool;

/// One operation as the engine serves it.
///
/// A function that is missing stands for the common case, which its field names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpDef {
    /// Fields of the SQE that have to be zero.
    pub(super) unused: u16,
    /// Events that it waits for when a try would block; 0 if it never waits for a file.
    pub(super) poll: u32,
    /// What an SQE with IOSQE_FIXED_FILE is refused with, 0 if it is taken.
    pub(super) refuses_fixed_file: c_int,
    /// It works on the file that `fd` names.
    pub(crate) needs_file: bool,
    /// `ioprio` means something.
    pub(super) ioprio: bool,
    /// An IOPOLL ring takes it.
    pub(super) iopoll: bool,
    /// It takes buffers from a group (IOSQE_BUFFER_SELECT).
    pub(crate) buffer_select: bool,
    /// It opens a file, which can wait for another process.
    pub(super) opens: bool,
    /// It looks names up, which depends on the thread that does it.
    pub(crate) path: bool,
    /// Reads and writes of all forms but the multishot one.
    pub(crate) rw: bool,
    /// It writes (of reads and writes).
    pub(super) writes: bool,
    /// `addr` is an array of vectors (of reads and writes).
    pub(crate) vectored: bool,
    /// Sends and receives: they touch no file but the socket they name.
    pub(crate) transfers: bool,
    /// It receives (of sends and receives).
    pub(crate) receives: bool,
    /// `addr` is a message header (of sends and receives).
    pub(super) message: bool,
    /// A notification follows its completion.
    pub(super) zero_copy: bool,
    /// It may wait for what is no file, pipe or socket, and what it is matters then.
    pub(crate) kind_matters: bool,
    /// When it is a multishot request that waits for a file and is no poll.
    pub(super) multishot: Multishot,
    /// What a cancellation answers.
    pub(super) cancel: Cancel,
    /// How the short form of it is done without a request; none always makes one.
    pub(crate) at_once: Option<AtOnce>,
    /// Refuses an SQE before the operation starts; none refuses nothing more.
    pub(super) check: Option<Check>,
    /// Refuses what is wrong in the program's memory when the request has to wait for
    /// its turn in a chain.
    pub(super) prepare: Option<Prepare>,
    /// Copies arguments for a request that outlives its submission.
    pub(super) copy: Option<CopyArguments>,
    /// Tries without blocking. The events are those of the file, if it was waited for.
    /// None where only a call that may block will do.
    pub(super) issue: Option<Issue>,
    /// Builds the call that may block, for the pool; on a file that is always ready, too.
    /// None refuses such a file with -ENOTSOCK.
    pub(super) offload: Option<fn(&mut State, &mut Request) -> Outcome>,
    /// Takes the result of the pool (or of another ring); none completes with it.
    pub(super) finish: Option<fn(&mut State, &mut Request, i32) -> Outcome>,
    /// Whether an error does not break the chain; none says that every error does.
    pub(super) link_success: Option<fn(&Request, i32) -> bool>,
    /// Whether a result that is no error is less than was asked for, which breaks a chain.
    pub(super) fell_short: Option<fn(&Request, i32) -> bool>,
    /// Whether a request that moved nothing keeps its provided buffer all the same. It
    /// gets the ring's epoll.
    pub(crate) uses_buffer: Option<UsesBuffer>,
}

impl OpDef {
    /// Whether the engine serves the operation.
    pub(crate) const fn is_supported(&self) -> bool {
        self.issue.is_some() || self.offload.is_some()
    }

    /// Whether a field that the operation does not use is set.
    #[inline]
    pub(super) fn has_unused(&self, sqe: &io_uring_sqe) -> bool {
        let fields = self.unused;
        fields != 0
            && (fields & OFF != 0 && sqe.off != 0
                || fields & ADDR != 0 && sqe.addr != 0
                || fields & LEN != 0 && sqe.len != 0
                || fields & FLAGS != 0 && sqe.op_flags != 0
                || fields & BUF != 0 && sqe.buf_index != 0
                || fields & INDEX != 0 && sqe.file_index != 0
                || fields & ADDR3 != 0 && sqe.addr3 != 0
                || fields & FD != 0 && sqe.fd != 0
                || fields & PAD2 != 0 && sqe.__pad2 != [0])
    }
}

/// The row of an opcode; that of an operation which is not served if there is none.
#[inline]
pub(crate) fn opdef(opcode: u8) -> &'static OpDef {
    OPDEFS.get(usize::from(opcode)).unwrap_or(&ABSENT)
}

/// An operation that the engine does not serve: no ordinary system call can stand in.
static ABSENT: OpDef = NONE;

/// What becomes of a request that chaos fails.
pub(super) static DOOMED: OpDef = OpDef {
    issue: Some(struck::fail),
    ..NONE
};

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
/// What a receive waits for: that the peer has ended, too, comes with it.
pub(super) const RECEIVE: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;

// ---- what rows of a family have in common

const NONE: OpDef = OpDef {
    unused: 0,
    poll: 0,
    refuses_fixed_file: 0,
    needs_file: false,
    ioprio: false,
    iopoll: false,
    buffer_select: false,
    opens: false,
    path: false,
    rw: false,
    writes: false,
    vectored: false,
    transfers: false,
    receives: false,
    message: false,
    zero_copy: false,
    kind_matters: false,
    multishot: Multishot::Never,
    cancel: Cancel::Waiting,
    at_once: None,
    check: None,
    prepare: None,
    copy: None,
    issue: None,
    offload: None,
    finish: None,
    link_success: None,
    fell_short: None,
    uses_buffer: None,
};

const READ: OpDef = OpDef {
    poll: IN,
    needs_file: true,
    ioprio: true,
    iopoll: true,
    rw: true,
    kind_matters: true,
    check: Some(rw::check),
    issue: Some(rw::issue),
    offload: Some(rw::offload),
    finish: Some(rw::finish),
    fell_short: Some(rw::fell_short),
    ..NONE
};

const WRITE: OpDef = OpDef {
    poll: OUT,
    writes: true,
    kind_matters: false,
    ..READ
};

const SEND: OpDef = OpDef {
    poll: OUT,
    needs_file: true,
    ioprio: true,
    transfers: true,
    check: Some(net::send::check_send),
    copy: Some(net::copy),
    issue: Some(net::send::send),
    ..NONE
};

const RECV: OpDef = OpDef {
    poll: RECEIVE,
    needs_file: true,
    ioprio: true,
    buffer_select: true,
    transfers: true,
    receives: true,
    multishot: Multishot::Flag(abi::IORING_RECV_MULTISHOT),
    check: Some(net::recv::check_recv),
    issue: Some(net::recv::recv),
    ..NONE
};

/// Work on an open file that only the pool does.
const FILE: OpDef = OpDef {
    needs_file: true,
    link_success: Some(link::ran),
    ..NONE
};

/// Work on names, which have no registered files.
const PATH: OpDef = OpDef {
    refuses_fixed_file: -libc::EBADF,
    path: true,
    copy: Some(file::path::copy_path),
    link_success: Some(link::ran),
    ..NONE
};

const OPEN: OpDef = OpDef {
    unused: BUF,
    opens: true,
    offload: Some(file::open::open),
    finish: Some(file::open::opened),
    link_success: None,
    ..PATH
};

const TIMEOUT: OpDef = OpDef {
    unused: BUF | INDEX | ADDR3 | PAD2,
    check: Some(timeout::check),
    copy: Some(timeout::copy),
    issue: Some(timeout::start),
    link_success: Some(timeout::is_success),
    ..NONE
};

const SPLICE: OpDef = OpDef {
    needs_file: true,
    cancel: Cancel::AtWork,
    check: Some(splice::check),
    issue: Some(splice::issue),
    offload: Some(splice::offload),
    fell_short: Some(splice::fell_short),
    ..NONE
};

const FUTEX_WAIT: OpDef = OpDef {
    unused: LEN | FLAGS | BUF | INDEX,
    cancel: Cancel::Counted(0),
    check: Some(futex::check),
    issue: Some(futex::wait),
    link_success: Some(futex::is_success),
    ..NONE
};

// ---- the rows

/// One row for each opcode, in the kernel's order.
const ROWS: &[(u32, OpDef)] = &[
    (
        abi::IORING_OP_NOP,
        OpDef {
            iopoll: true,
            at_once: Some(nop::AT_ONCE),
            check: Some(nop::check),
            issue: Some(nop::issue),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_READV,
        OpDef {
            vectored: true,
            buffer_select: true,
            check: Some(rw::check_readv),
            copy: Some(rw::copy),
            uses_buffer: Some(rw::uses_buffer),
            ..READ
        },
    ),
    (
        abi::IORING_OP_WRITEV,
        OpDef {
            vectored: true,
            copy: Some(rw::copy),
            ..WRITE
        },
    ),
    (
        abi::IORING_OP_FSYNC,
        OpDef {
            unused: ADDR | BUF | INDEX,
            check: Some(checks::fsync),
            offload: Some(file::fsync),
            ..FILE
        },
    ),
    (
        abi::IORING_OP_READ_FIXED,
        OpDef {
            at_once: Some(rw::READ_FIXED_AT_ONCE),
            ..READ
        },
    ),
    (
        abi::IORING_OP_WRITE_FIXED,
        OpDef {
            at_once: Some(rw::WRITE_FIXED_AT_ONCE),
            ..WRITE
        },
    ),
    (
        abi::IORING_OP_POLL_ADD,
        OpDef {
            unused: BUF | OFF | ADDR,
            needs_file: true,
            kind_matters: true,
            check: Some(poll::check),
            issue: Some(poll::add),
            offload: Some(poll::always_ready),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_POLL_REMOVE,
        OpDef {
            unused: BUF | INDEX,
            check: Some(poll::check_change),
            issue: Some(poll::remove),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_SYNC_FILE_RANGE,
        OpDef {
            unused: ADDR | BUF | INDEX,
            offload: Some(file::sync_file_range),
            ..FILE
        },
    ),
    (
        abi::IORING_OP_SENDMSG,
        OpDef {
            message: true,
            ..SEND
        },
    ),
    (
        abi::IORING_OP_RECVMSG,
        OpDef {
            message: true,
            copy: Some(net::copy),
            ..RECV
        },
    ),
    (abi::IORING_OP_TIMEOUT, TIMEOUT),
    (
        abi::IORING_OP_TIMEOUT_REMOVE,
        OpDef {
            unused: BUF | LEN | INDEX | ADDR3 | PAD2,
            refuses_fixed_file: -libc::EINVAL,
            check: Some(timeout::check_remove),
            issue: Some(timeout::remove),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_ACCEPT,
        OpDef {
            unused: LEN | BUF,
            poll: IN,
            needs_file: true,
            ioprio: true,
            multishot: Multishot::Flag(abi::IORING_ACCEPT_MULTISHOT),
            check: Some(socket::check_accept),
            issue: Some(socket::accept),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_ASYNC_CANCEL,
        OpDef {
            unused: OFF | INDEX,
            check: Some(cancel::check),
            issue: Some(cancel::issue),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_LINK_TIMEOUT,
        OpDef {
            check: Some(timeout::check_link),
            issue: Some(timeout::issue_link),
            link_success: Some(timeout::link_is_success),
            ..TIMEOUT
        },
    ),
    (
        abi::IORING_OP_CONNECT,
        OpDef {
            unused: LEN | BUF | FLAGS | INDEX,
            poll: OUT,
            needs_file: true,
            copy: Some(socket::copy),
            issue: Some(socket::connect),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_FALLOCATE,
        OpDef {
            unused: BUF | FLAGS | INDEX,
            offload: Some(file::fallocate),
            ..FILE
        },
    ),
    (
        abi::IORING_OP_OPENAT,
        OpDef {
            check: Some(checks::openat),
            ..OPEN
        },
    ),
    (
        abi::IORING_OP_CLOSE,
        OpDef {
            unused: OFF | ADDR | LEN | FLAGS | BUF,
            refuses_fixed_file: -libc::EBADF,
            check: Some(checks::close),
            issue: Some(descriptor::close),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_FILES_UPDATE,
        OpDef {
            unused: FLAGS | INDEX,
            refuses_fixed_file: -libc::EINVAL,
            iopoll: true,
            check: Some(checks::files_update),
            issue: Some(files_update::issue),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_STATX,
        OpDef {
            unused: BUF | INDEX,
            copy: Some(file::path::copy_statx_path),
            offload: Some(file::path::statx),
            ..PATH
        },
    ),
    (
        abi::IORING_OP_READ,
        OpDef {
            buffer_select: true,
            at_once: Some(rw::READ_AT_ONCE),
            prepare: Some(checks::buffer),
            uses_buffer: Some(rw::uses_buffer),
            ..READ
        },
    ),
    (
        abi::IORING_OP_WRITE,
        OpDef {
            at_once: Some(rw::WRITE_AT_ONCE),
            prepare: Some(checks::buffer),
            ..WRITE
        },
    ),
    (
        abi::IORING_OP_FADVISE,
        OpDef {
            unused: BUF | INDEX,
            needs_file: true,
            issue: Some(file::fadvise),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_MADVISE,
        OpDef {
            unused: BUF | INDEX,
            issue: Some(file::madvise),
            link_success: Some(link::advised),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_SEND,
        OpDef {
            buffer_select: true,
            prepare: Some(checks::buffer),
            fell_short: Some(net::fell_short),
            uses_buffer: Some(net::send::uses_buffer),
            ..SEND
        },
    ),
    (
        abi::IORING_OP_RECV,
        OpDef {
            prepare: Some(checks::buffer),
            fell_short: Some(net::fell_short),
            ..RECV
        },
    ),
    (
        abi::IORING_OP_OPENAT2,
        OpDef {
            copy: Some(file::open::copy_open_how),
            offload: Some(file::open::open2),
            ..OPEN
        },
    ),
    (
        abi::IORING_OP_EPOLL_CTL,
        OpDef {
            unused: BUF | INDEX,
            copy: Some(poll::copy),
            issue: Some(poll::epoll_ctl),
            ..NONE
        },
    ),
    (abi::IORING_OP_SPLICE, SPLICE),
    (
        abi::IORING_OP_PROVIDE_BUFFERS,
        OpDef {
            unused: FLAGS | INDEX,
            iopoll: true,
            check: Some(provide::check),
            issue: Some(provide::provide),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_REMOVE_BUFFERS,
        OpDef {
            unused: FLAGS | ADDR | LEN | OFF | INDEX,
            iopoll: true,
            check: Some(provide::check_remove),
            issue: Some(provide::remove),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_TEE,
        OpDef {
            unused: OFF | ADDR,
            ..SPLICE
        },
    ),
    (
        abi::IORING_OP_SHUTDOWN,
        OpDef {
            unused: OFF | ADDR | FLAGS | BUF | INDEX,
            needs_file: true,
            issue: Some(socket::shutdown),
            link_success: Some(link::ran),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_RENAMEAT,
        OpDef {
            unused: BUF | INDEX,
            copy: Some(file::path::copy_two_paths),
            offload: Some(file::path::renameat),
            ..PATH
        },
    ),
    (
        abi::IORING_OP_UNLINKAT,
        OpDef {
            unused: OFF | LEN | BUF | INDEX,
            check: Some(checks::unlinkat),
            offload: Some(file::path::unlinkat),
            ..PATH
        },
    ),
    (
        abi::IORING_OP_MKDIRAT,
        OpDef {
            unused: OFF | FLAGS | BUF | INDEX,
            offload: Some(file::path::mkdirat),
            ..PATH
        },
    ),
    (
        abi::IORING_OP_SYMLINKAT,
        OpDef {
            unused: LEN | FLAGS | BUF | INDEX,
            copy: Some(file::path::copy_two_paths),
            offload: Some(file::path::symlinkat),
            ..PATH
        },
    ),
    (
        abi::IORING_OP_LINKAT,
        OpDef {
            unused: BUF | INDEX,
            copy: Some(file::path::copy_link_paths),
            offload: Some(file::path::linkat),
            ..PATH
        },
    ),
    (
        abi::IORING_OP_MSG_RING,
        OpDef {
            needs_file: true,
            iopoll: true,
            check: Some(checks::msg_ring),
            issue: Some(msg_ring::issue),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_FSETXATTR,
        OpDef {
            path: true,
            copy: Some(file::xattr::copy_attribute_and_value),
            offload: Some(file::xattr::fsetxattr),
            ..FILE
        },
    ),
    (
        abi::IORING_OP_SETXATTR,
        OpDef {
            copy: Some(file::xattr::copy_attribute_path_and_value),
            offload: Some(file::xattr::setxattr),
            ..PATH
        },
    ),
    (
        abi::IORING_OP_FGETXATTR,
        OpDef {
            path: true,
            check: Some(checks::getxattr),
            copy: Some(file::xattr::copy_attribute),
            offload: Some(file::xattr::fgetxattr),
            ..FILE
        },
    ),
    (
        abi::IORING_OP_GETXATTR,
        OpDef {
            check: Some(checks::getxattr),
            copy: Some(file::xattr::copy_attribute_and_path),
            offload: Some(file::xattr::getxattr),
            ..PATH
        },
    ),
    (
        abi::IORING_OP_SOCKET,
        OpDef {
            unused: ADDR | FLAGS | BUF,
            check: Some(checks::socket),
            issue: Some(socket::socket),
            link_success: Some(socket::has_no_place),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_URING_CMD,
        OpDef {
            needs_file: true,
            iopoll: true,
            buffer_select: true,
            check: Some(checks::uring_cmd),
            issue: Some(command::issue),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_SEND_ZC,
        OpDef {
            zero_copy: true,
            prepare: Some(checks::buffer),
            ..SEND
        },
    ),
    (
        abi::IORING_OP_SENDMSG_ZC,
        OpDef {
            message: true,
            zero_copy: true,
            ..SEND
        },
    ),
    (
        abi::IORING_OP_READ_MULTISHOT,
        OpDef {
            unused: ADDR | LEN,
            poll: IN,
            needs_file: true,
            buffer_select: true,
            kind_matters: true,
            multishot: Multishot::Always,
            check: Some(rw::check_multishot),
            issue: Some(rw::multishot),
            offload: Some(rw::refuse_multishot),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_WAITID,
        OpDef {
            unused: ADDR | BUF | ADDR3 | FLAGS,
            poll: IN,
            cancel: Cancel::Counted(1),
            issue: Some(waitid::issue),
            ..NONE
        },
    ),
    (abi::IORING_OP_FUTEX_WAIT, FUTEX_WAIT),
    (
        abi::IORING_OP_FUTEX_WAKE,
        OpDef {
            unused: LEN | FLAGS | BUF | INDEX,
            check: Some(futex::check),
            issue: Some(futex::wake),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_FUTEX_WAITV,
        OpDef {
            unused: FD | BUF | INDEX | OFF | FLAGS | ADDR3,
            check: Some(futex::check_count),
            prepare: Some(futex::prepare_waitv),
            issue: Some(futex::waitv),
            ..FUTEX_WAIT
        },
    ),
    (
        abi::IORING_OP_FIXED_FD_INSTALL,
        OpDef {
            unused: OFF | ADDR | LEN | BUF | INDEX | ADDR3,
            needs_file: true,
            check: Some(checks::fixed_fd_install),
            issue: Some(descriptor::fixed_fd_install),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_FTRUNCATE,
        OpDef {
            unused: FLAGS | ADDR | LEN | BUF | INDEX | ADDR3,
            offload: Some(file::ftruncate),
            ..FILE
        },
    ),
    (
        abi::IORING_OP_BIND,
        OpDef {
            unused: LEN | BUF | FLAGS | INDEX,
            needs_file: true,
            copy: Some(socket::copy),
            issue: Some(socket::bind),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_LISTEN,
        OpDef {
            unused: ADDR | BUF | FLAGS | INDEX | OFF,
            needs_file: true,
            issue: Some(socket::listen),
            ..NONE
        },
    ),
    // Packets in memory that a device writes to.
    (abi::IORING_OP_RECV_ZC, NONE),
    (
        abi::IORING_OP_EPOLL_WAIT,
        OpDef {
            unused: OFF | FLAGS | BUF | INDEX,
            poll: IN,
            needs_file: true,
            kind_matters: true,
            issue: Some(poll::epoll_wait),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_READV_FIXED,
        OpDef {
            vectored: true,
            copy: Some(rw::copy_fixed),
            ..READ
        },
    ),
    (
        abi::IORING_OP_WRITEV_FIXED,
        OpDef {
            vectored: true,
            copy: Some(rw::copy_fixed),
            ..WRITE
        },
    ),
    (
        abi::IORING_OP_PIPE,
        OpDef {
            unused: FD | OFF | ADDR3,
            check: Some(checks::pipe),
            issue: Some(descriptor::pipe),
            ..NONE
        },
    ),
    (
        abi::IORING_OP_NOP128,
        OpDef {
            check: Some(nop::check_128),
            issue: Some(nop::issue),
            ..NONE
        },
    ),
    // Commands of device drivers.
    (abi::IORING_OP_URING_CMD128, NONE),
];

static OPDEFS: [OpDef; LAST as usize] = by_opcode(ROWS);

/// The rows by their opcodes. Each opcode has one.
const fn by_opcode(rows: &[(u32, OpDef)]) -> [OpDef; LAST as usize] {
    let mut table = [NONE; LAST as usize];
    let mut at = 0;
    assert!(rows.len() == table.len(), "an operation has no row");
    while at < rows.len() {
        assert!(rows[at].0 as usize == at, "a row is not at its place");
        table[at] = rows[at].1;
        at += 1;
    }
    table
}
