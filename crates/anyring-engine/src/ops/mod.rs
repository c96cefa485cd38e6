//! Operations: what each does when it starts, when its file is ready, when
//! the pool is done.
//!
//! A request first tries what cannot block ([`start`]). If that says "not
//! now", it waits for its file ([`ready`]) or goes to the pool
//! ([`blocking`], then [`finish`]). Arguments are read from the program's
//! memory by the system call itself; only a request that outlives its
//! submission gets copies ([`copy`]), since the program may reuse the memory.

use alloc::sync::Arc;
use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

use crate::request::{Call, Data, File, Outcome, Request, Work};
use crate::state::State;

pub(crate) mod cancel;
mod checks;
pub(crate) mod command;
pub(crate) mod file;
pub(crate) mod futex;
pub(crate) mod msg_ring;
pub(crate) mod net;
pub(crate) mod poll;
pub(crate) mod provide;
pub(crate) mod rw;
pub(crate) mod socket;
pub(crate) mod splice;
pub(crate) mod timeout;
pub(crate) mod waitid;

/// Operations the engine knows the numbers of.
pub(crate) const LAST: u32 = abi::IORING_OP_LAST;

/// Operations that no ordinary system call can stand in for.
const ABSENT: &[u32] = &[abi::IORING_OP_RECV_ZC, abi::IORING_OP_URING_CMD128];

/// Whether the engine serves an operation.
pub(crate) fn is_supported(op: u32) -> bool {
    op < LAST && !ABSENT.contains(&op)
}

const OFF: u16 = 1 << 0;
const ADDR: u16 = 1 << 1;
const LEN: u16 = 1 << 2;
const FLAGS: u16 = 1 << 3;
const BUF: u16 = 1 << 4;
const INDEX: u16 = 1 << 5;
const ADDR3: u16 = 1 << 6;
const IOPRIO: u16 = 1 << 7;
const FD: u16 = 1 << 8;
const PAD2: u16 = 1 << 9;

/// Fields that an operation does not use, which the kernel wants to be zero.
const fn unused(op: u32) -> u16 {
    match op {
        abi::IORING_OP_FSYNC => ADDR | BUF | INDEX,
        abi::IORING_OP_SYNC_FILE_RANGE => ADDR | BUF | INDEX,
        abi::IORING_OP_POLL_ADD => BUF | OFF | ADDR,
        abi::IORING_OP_POLL_REMOVE => BUF | INDEX,
        abi::IORING_OP_TIMEOUT | abi::IORING_OP_LINK_TIMEOUT => BUF | INDEX | ADDR3 | PAD2,
        abi::IORING_OP_TIMEOUT_REMOVE => BUF | LEN | INDEX | ADDR3 | PAD2,
        abi::IORING_OP_ACCEPT => LEN | BUF,
        abi::IORING_OP_ASYNC_CANCEL => OFF | INDEX,
        abi::IORING_OP_CONNECT => LEN | BUF | FLAGS | INDEX,
        abi::IORING_OP_FALLOCATE => BUF | FLAGS | INDEX,
        abi::IORING_OP_OPENAT | abi::IORING_OP_OPENAT2 => BUF,
        abi::IORING_OP_CLOSE => OFF | ADDR | LEN | FLAGS | BUF,
        abi::IORING_OP_FILES_UPDATE => FLAGS | INDEX,
        abi::IORING_OP_STATX => BUF | INDEX,
        abi::IORING_OP_FADVISE => BUF | INDEX,
        abi::IORING_OP_MADVISE => BUF | INDEX,
        abi::IORING_OP_EPOLL_CTL => BUF | INDEX,
        abi::IORING_OP_PROVIDE_BUFFERS => FLAGS | INDEX,
        abi::IORING_OP_REMOVE_BUFFERS => FLAGS | ADDR | LEN | OFF | INDEX,
        abi::IORING_OP_SHUTDOWN => OFF | ADDR | FLAGS | BUF | INDEX,
        abi::IORING_OP_RENAMEAT | abi::IORING_OP_LINKAT => BUF | INDEX,
        abi::IORING_OP_UNLINKAT => OFF | LEN | BUF | INDEX,
        abi::IORING_OP_MKDIRAT => OFF | FLAGS | BUF | INDEX,
        abi::IORING_OP_SYMLINKAT => LEN | FLAGS | BUF | INDEX,
        abi::IORING_OP_SOCKET => ADDR | FLAGS | BUF,
        abi::IORING_OP_FUTEX_WAIT | abi::IORING_OP_FUTEX_WAKE => LEN | FLAGS | BUF | INDEX,
        abi::IORING_OP_FUTEX_WAITV => FD | BUF | INDEX | OFF | FLAGS | ADDR3,
        abi::IORING_OP_WAITID => ADDR | BUF | ADDR3 | FLAGS,
        abi::IORING_OP_FIXED_FD_INSTALL => OFF | ADDR | LEN | BUF | INDEX | ADDR3,
        abi::IORING_OP_FTRUNCATE => FLAGS | ADDR | LEN | BUF | INDEX | ADDR3,
        abi::IORING_OP_BIND => LEN | BUF | FLAGS | INDEX,
        abi::IORING_OP_LISTEN => ADDR | BUF | FLAGS | INDEX | OFF,
        abi::IORING_OP_EPOLL_WAIT => OFF | FLAGS | BUF | INDEX,
        abi::IORING_OP_PIPE => FD | OFF | ADDR3,
        abi::IORING_OP_TEE => OFF | ADDR,
        abi::IORING_OP_READ_MULTISHOT => ADDR | LEN,
        _ => 0,
    }
}

/// Reads and writes of all forms but the multishot one.
pub(crate) const fn is_rw(op: u32) -> bool {
    matches!(
        op,
        abi::IORING_OP_READ
            | abi::IORING_OP_WRITE
            | abi::IORING_OP_READV
            | abi::IORING_OP_WRITEV
            | abi::IORING_OP_READ_FIXED
            | abi::IORING_OP_WRITE_FIXED
            | abi::IORING_OP_READV_FIXED
            | abi::IORING_OP_WRITEV_FIXED
    )
}

/// Operations whose `ioprio` means something.
const fn uses_ioprio(op: u32) -> bool {
    is_rw(op)
        || matches!(
            op,
            abi::IORING_OP_SEND
                | abi::IORING_OP_SENDMSG
                | abi::IORING_OP_SEND_ZC
                | abi::IORING_OP_SENDMSG_ZC
                | abi::IORING_OP_RECV
                | abi::IORING_OP_RECVMSG
                | abi::IORING_OP_RECV_ZC
                | abi::IORING_OP_ACCEPT
        )
}

/// Operations that work on the file `fd` names.
const fn uses_file(op: u32) -> bool {
    is_rw(op)
        || matches!(
            op,
            abi::IORING_OP_READ_MULTISHOT
                | abi::IORING_OP_FSYNC
                | abi::IORING_OP_SYNC_FILE_RANGE
                | abi::IORING_OP_POLL_ADD
                | abi::IORING_OP_SENDMSG
                | abi::IORING_OP_RECVMSG
                | abi::IORING_OP_SEND
                | abi::IORING_OP_RECV
                | abi::IORING_OP_SEND_ZC
                | abi::IORING_OP_SENDMSG_ZC
                | abi::IORING_OP_ACCEPT
                | abi::IORING_OP_CONNECT
                | abi::IORING_OP_FALLOCATE
                | abi::IORING_OP_FADVISE
                | abi::IORING_OP_SPLICE
                | abi::IORING_OP_TEE
                | abi::IORING_OP_SHUTDOWN
                | abi::IORING_OP_MSG_RING
                | abi::IORING_OP_FSETXATTR
                | abi::IORING_OP_FGETXATTR
                | abi::IORING_OP_URING_CMD
                | abi::IORING_OP_FIXED_FD_INSTALL
                | abi::IORING_OP_FTRUNCATE
                | abi::IORING_OP_BIND
                | abi::IORING_OP_LISTEN
                | abi::IORING_OP_EPOLL_WAIT
        )
}

/// Operations that an IOPOLL ring takes at all.
const fn polls(op: u32) -> bool {
    is_rw(op)
        || matches!(
            op,
            abi::IORING_OP_NOP
                | abi::IORING_OP_FILES_UPDATE
                | abi::IORING_OP_PROVIDE_BUFFERS
                | abi::IORING_OP_REMOVE_BUFFERS
                | abi::IORING_OP_MSG_RING
                | abi::IORING_OP_URING_CMD
        )
}

/// Sends and receives: they touch no file but the socket they name.
pub(crate) const fn transfers(op: u8) -> bool {
    matches!(
        op as u32,
        abi::IORING_OP_SEND
            | abi::IORING_OP_SENDMSG
            | abi::IORING_OP_RECV
            | abi::IORING_OP_RECVMSG
            | abi::IORING_OP_SEND_ZC
            | abi::IORING_OP_SENDMSG_ZC
    )
}

/// Operations that may wait for a signalfd.
pub(crate) const fn may_read_signals(op: u8) -> bool {
    matches!(
        op as u32,
        abi::IORING_OP_READ
            | abi::IORING_OP_READV
            | abi::IORING_OP_READ_FIXED
            | abi::IORING_OP_READV_FIXED
            | abi::IORING_OP_READ_MULTISHOT
            | abi::IORING_OP_POLL_ADD
    )
}

/// Whether an operation looks names up.
pub(crate) const fn has_path(op: u8) -> bool {
    file::has_path(op as u32)
}

/// Whether an operation takes buffers from a group.
pub(crate) const fn selects(op: u8) -> bool {
    matches!(
        op as u32,
        abi::IORING_OP_READ
            | abi::IORING_OP_READV
            | abi::IORING_OP_READ_MULTISHOT
            | abi::IORING_OP_RECV
            | abi::IORING_OP_RECVMSG
            | abi::IORING_OP_SEND
            | abi::IORING_OP_URING_CMD
    )
}

/// What the kernel checks of an operation before it starts.
#[inline]
pub(crate) fn check(state: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let op = u32::from(sqe.opcode);
    if !is_supported(op) {
        return Err(-libc::EINVAL);
    }
    if sqe.ioprio != 0 && !uses_ioprio(op) {
        return Err(-libc::EINVAL);
    }
    if state.flags & abi::IORING_SETUP_IOPOLL != 0 && !polls(op) {
        return Err(-libc::EINVAL);
    }
    let fields = unused(op);
    let wrong = fields != 0
        && (fields & OFF != 0 && sqe.off != 0
            || fields & ADDR != 0 && sqe.addr != 0
            || fields & LEN != 0 && sqe.len != 0
            || fields & FLAGS != 0 && sqe.op_flags != 0
            || fields & BUF != 0 && sqe.buf_index != 0
            || fields & INDEX != 0 && sqe.file_index != 0
            || fields & ADDR3 != 0 && sqe.addr3 != 0
            || fields & IOPRIO != 0 && sqe.ioprio != 0
            || fields & FD != 0 && sqe.fd != 0
            || fields & PAD2 != 0 && sqe.__pad2 != [0]);
    if wrong {
        return Err(-libc::EINVAL);
    }
    if op == abi::IORING_OP_NOP && sqe.op_flags == 0 {
        return Ok(());
    }
    match op {
        abi::IORING_OP_NOP128
            if state.flags & (abi::IORING_SETUP_SQE128 | abi::IORING_SETUP_SQE_MIXED) == 0 =>
        {
            Err(-libc::EINVAL)
        }
        abi::IORING_OP_NOP => check_nop(state, sqe),
        abi::IORING_OP_LINK_TIMEOUT => timeout::check(request).and_then(|()| {
            let guards = state.chain.is_some();
            guards.then_some(()).ok_or(-libc::EINVAL)
        }),
        abi::IORING_OP_TIMEOUT => timeout::check(request),
        abi::IORING_OP_POLL_ADD => poll::check(request),
        abi::IORING_OP_RECV | abi::IORING_OP_RECVMSG => net::check_recv(request),
        abi::IORING_OP_SEND
        | abi::IORING_OP_SENDMSG
        | abi::IORING_OP_SEND_ZC
        | abi::IORING_OP_SENDMSG_ZC => net::check_send(request),
        abi::IORING_OP_ACCEPT => socket::check_accept(request),
        abi::IORING_OP_READ_MULTISHOT if !request.has(abi::IOSQE_BUFFER_SELECT) => {
            Err(-libc::EINVAL)
        }
        _ if (is_rw(op) || op == abi::IORING_OP_READ_MULTISHOT)
            && (sqe.ioprio != 0 || sqe.__pad2 != [0]) =>
        {
            rw::check(request)
        }
        _ if takes_no_fixed_file(op) && request.has(abi::IOSQE_FIXED_FILE) => {
            Err(if refuses_with_einval(op) {
                -libc::EINVAL
            } else {
                -libc::EBADF
            })
        }
        abi::IORING_OP_READ | abi::IORING_OP_WRITE => Ok(()),
        _ => checks::operands(request),
    }
}

/// Operations on descriptors or paths only.
const fn takes_no_fixed_file(op: u32) -> bool {
    matches!(
        op,
        abi::IORING_OP_OPENAT
            | abi::IORING_OP_OPENAT2
            | abi::IORING_OP_CLOSE
            | abi::IORING_OP_STATX
            | abi::IORING_OP_RENAMEAT
            | abi::IORING_OP_UNLINKAT
            | abi::IORING_OP_MKDIRAT
            | abi::IORING_OP_SYMLINKAT
            | abi::IORING_OP_LINKAT
            | abi::IORING_OP_SETXATTR
            | abi::IORING_OP_GETXATTR
            | abi::IORING_OP_FILES_UPDATE
            | abi::IORING_OP_TIMEOUT_REMOVE
    )
}

const fn refuses_with_einval(op: u32) -> bool {
    matches!(
        op,
        abi::IORING_OP_FILES_UPDATE | abi::IORING_OP_TIMEOUT_REMOVE
    )
}

/// A registered file.
pub(crate) fn fixed_file(state: &State, index: u32) -> Result<File, c_int> {
    state
        .files
        .table
        .get(index as usize)
        .map(|file| File::Held(Arc::clone(file)))
        .ok_or(-libc::EBADF)
}

/// Runs a request from its beginning.
#[inline]
pub(crate) fn start(state: &mut State, request: &mut Request) -> Outcome {
    let op = u32::from(request.sqe.opcode);
    if op == abi::IORING_OP_NOP {
        return nop(state, request);
    }
    request.started = true;
    if uses_file(op) && matches!(request.file, File::None) {
        if request.has(abi::IOSQE_FIXED_FILE) {
            match fixed_file(state, request.sqe.fd as u32) {
                Ok(file) => request.file = file,
                Err(error) => return Outcome::Done(error),
            }
        } else {
            request.file = File::Borrowed(request.sqe.fd);
        }
    }
    let outcome = if request.has(abi::IOSQE_ASYNC) && repeats(request) {
        begin_repeating(state, request)
    } else {
        step(state, request, None)
    };
    match (&outcome, &request.file) {
        // What is wrong with the file comes before anything else.
        (Outcome::Done(res) | Outcome::DoneWith(res, _), File::Borrowed(fd))
            if *res < 0 && uses_file(op) && !crate::sys::is_open(*fd) =>
        {
            Outcome::Done(-libc::EBADF)
        }
        _ => outcome,
    }
}

/// Multishot requests but polls.
fn repeats(request: &Request) -> bool {
    let flag = match u32::from(request.sqe.opcode) {
        abi::IORING_OP_READ_MULTISHOT => return true,
        abi::IORING_OP_ACCEPT => abi::IORING_ACCEPT_MULTISHOT,
        abi::IORING_OP_RECV | abi::IORING_OP_RECVMSG => abi::IORING_RECV_MULTISHOT,
        _ => return false,
    };
    u32::from(request.sqe.ioprio) & flag != 0
}

/// A multishot request that a worker starts: the kernel's waits for the file before
/// its first try, so that only what can be polled is right.
#[cold]
fn begin_repeating(state: &mut State, request: &mut Request) -> Outcome {
    let fd = request.file.fd();
    if !crate::sys::is_pollable(state.epoll, fd) {
        return Outcome::Done(-libc::EBADFD);
    }
    if !crate::sys::takes_nowait(fd) {
        return step(state, request, None);
    }
    match copy(request) {
        Ok(()) if transfers(request.sqe.opcode) => Outcome::Poll(net::RECEIVE as u32),
        Ok(()) => Outcome::Poll(libc::EPOLLIN as u32),
        Err(error) => Outcome::Done(error),
    }
}

/// Goes on with a request whose file is ready.
pub(crate) fn ready(state: &mut State, request: &mut Request, events: u32) -> Outcome {
    step(state, request, Some(events))
}

/// One step; `events` are those of the file, if it was waited for.
fn step(state: &mut State, request: &mut Request, events: Option<u32>) -> Outcome {
    match u32::from(request.sqe.opcode) {
        abi::IORING_OP_NOP128 => nop(state, request),
        op if is_rw(op) => rw::step(state, request, events),
        abi::IORING_OP_READ_MULTISHOT => rw::multishot(state, request, events),
        abi::IORING_OP_SEND
        | abi::IORING_OP_SENDMSG
        | abi::IORING_OP_SEND_ZC
        | abi::IORING_OP_SENDMSG_ZC => net::send(state, request, events),
        abi::IORING_OP_RECV | abi::IORING_OP_RECVMSG => net::recv(state, request, events),
        abi::IORING_OP_ACCEPT => socket::accept(state, request, events),
        abi::IORING_OP_CONNECT => socket::connect(request, events),
        abi::IORING_OP_SOCKET
        | abi::IORING_OP_BIND
        | abi::IORING_OP_LISTEN
        | abi::IORING_OP_SHUTDOWN => socket::quick(state, request),
        abi::IORING_OP_POLL_ADD => poll::add(state, request, events),
        abi::IORING_OP_POLL_REMOVE => poll::remove(state, request),
        abi::IORING_OP_TIMEOUT => timeout::start(state, request),
        abi::IORING_OP_TIMEOUT_REMOVE => timeout::remove(state, request),
        // Reached only if what it should guard did not have to wait.
        abi::IORING_OP_LINK_TIMEOUT => Outcome::Done(-libc::ECANCELED),
        abi::IORING_OP_ASYNC_CANCEL => cancel::start(state, request),
        abi::IORING_OP_SPLICE | abi::IORING_OP_TEE => splice::step(state, request, events),
        abi::IORING_OP_MSG_RING => msg_ring::start(state, request),
        abi::IORING_OP_FILES_UPDATE => {
            crate::register::files::update_op(state, &request.sqe).into()
        }
        abi::IORING_OP_PROVIDE_BUFFERS => provide::provide(state, &request.sqe).into(),
        abi::IORING_OP_REMOVE_BUFFERS => provide::remove(state, &request.sqe).into(),
        abi::IORING_OP_FUTEX_WAIT => futex::wait(request),
        abi::IORING_OP_FUTEX_WAKE => futex::wake(&request.sqe),
        abi::IORING_OP_FUTEX_WAITV => futex::waitv(request),
        abi::IORING_OP_WAITID => waitid::step(request),
        abi::IORING_OP_URING_CMD => command::start(request),
        abi::IORING_OP_EPOLL_CTL | abi::IORING_OP_EPOLL_WAIT => poll::epoll(request),
        abi::IORING_OP_CLOSE
        | abi::IORING_OP_PIPE
        | abi::IORING_OP_FIXED_FD_INSTALL
        | abi::IORING_OP_MADVISE
        | abi::IORING_OP_FADVISE => file::quick(state, request),
        _ => file::start(state, request),
    }
}

/// What a request does if its file is of the kind that is always ready.
pub(crate) fn blocking(state: &mut State, request: &mut Request) -> Outcome {
    match u32::from(request.sqe.opcode) {
        abi::IORING_OP_POLL_ADD => poll::always_ready(request),
        abi::IORING_OP_SPLICE | abi::IORING_OP_TEE => splice::blocking(request),
        abi::IORING_OP_READ_MULTISHOT => Outcome::Done(-libc::EBADFD),
        op if is_rw(op) => rw::blocking(state, request),
        // The others wait for sockets.
        _ => Outcome::Done(-libc::ENOTSOCK),
    }
}

/// The pool (or another ring) did its part.
pub(crate) fn finish(state: &mut State, request: &mut Request, res: i32) -> Outcome {
    match u32::from(request.sqe.opcode) {
        op if is_rw(op) => rw::finish(state, request, res),
        abi::IORING_OP_OPENAT | abi::IORING_OP_OPENAT2 => file::opened(state, request, res).into(),
        abi::IORING_OP_WAITID => waitid::step(request),
        _ => Outcome::Done(res),
    }
}

/// Reads what a request that starts later needs of the program's memory, which
/// the program may use again as soon as the request is submitted.
pub(crate) fn prepare(request: &mut Request) -> Result<(), c_int> {
    let sqe = request.sqe;
    let transfers = matches!(
        u32::from(sqe.opcode),
        abi::IORING_OP_READ
            | abi::IORING_OP_WRITE
            | abi::IORING_OP_SEND
            | abi::IORING_OP_SEND_ZC
            | abi::IORING_OP_RECV
    );
    if transfers && !request.has(abi::IOSQE_BUFFER_SELECT) && !net::is_fixed(request) {
        crate::user::check_range(sqe.addr, sqe.len as usize)?;
    }
    if u32::from(sqe.opcode) == abi::IORING_OP_FUTEX_WAITV {
        futex::check_words(&sqe)?;
    }
    match copy(request) {
        // Read when it starts, then: nothing fails that need not.
        Err(error) if error == -libc::ENOMEM => Ok(()),
        copied => copied,
    }
}

/// Copies what a request will need later from the program's memory.
pub(crate) fn copy(request: &mut Request) -> Result<(), c_int> {
    if !matches!(request.data, Data::None) {
        return Ok(());
    }
    match u32::from(request.sqe.opcode) {
        abi::IORING_OP_READV
        | abi::IORING_OP_WRITEV
        | abi::IORING_OP_READV_FIXED
        | abi::IORING_OP_WRITEV_FIXED => rw::copy(request),
        abi::IORING_OP_SEND
        | abi::IORING_OP_SEND_ZC
        | abi::IORING_OP_SENDMSG
        | abi::IORING_OP_SENDMSG_ZC
        | abi::IORING_OP_RECVMSG => net::copy(request),
        abi::IORING_OP_CONNECT | abi::IORING_OP_BIND => socket::copy(request),
        abi::IORING_OP_TIMEOUT | abi::IORING_OP_LINK_TIMEOUT => timeout::copy(request),
        abi::IORING_OP_EPOLL_CTL => poll::copy(request),
        _ => file::copy(request),
    }
}

/// Results that do not break a chain though they are errors: that of a timeout
/// which asks for it, and those of operations that the kernel never lets fail
/// a chain, as long as they had a file to work on.
pub(crate) fn counts_as_success(request: &Request, res: i32) -> bool {
    let op = u32::from(request.sqe.opcode);
    let lenient = matches!(
        op,
        abi::IORING_OP_RENAMEAT
            | abi::IORING_OP_UNLINKAT
            | abi::IORING_OP_MKDIRAT
            | abi::IORING_OP_SYMLINKAT
            | abi::IORING_OP_LINKAT
            | abi::IORING_OP_STATX
            | abi::IORING_OP_SETXATTR
            | abi::IORING_OP_GETXATTR
            | abi::IORING_OP_FSETXATTR
            | abi::IORING_OP_FGETXATTR
            | abi::IORING_OP_FSYNC
            | abi::IORING_OP_SYNC_FILE_RANGE
            | abi::IORING_OP_FALLOCATE
            | abi::IORING_OP_FTRUNCATE
            | abi::IORING_OP_MADVISE
            | abi::IORING_OP_SHUTDOWN
    );
    if lenient && request.started {
        // A file that was held was there: then the call says it is not for this.
        let had_file = match &request.file {
            File::Held(file) => crate::sys::is_open(file.get()),
            _ => false,
        };
        let never_ran = matches!(-res, libc::ECANCELED | libc::ENOTSOCK)
            || res == -libc::ENOMEM && op != abi::IORING_OP_MADVISE
            || res == -libc::EBADF && uses_file(op) && !had_file;
        return !never_ran;
    }
    if op == abi::IORING_OP_SOCKET && request.started && request.sqe.file_index != 0 {
        // There is a socket, but no place for it.
        return matches!(-res, libc::EINVAL | libc::ENXIO | libc::ENFILE);
    }
    if matches!(op, abi::IORING_OP_FUTEX_WAIT | abi::IORING_OP_FUTEX_WAITV) {
        return request.started && res == -libc::ECANCELED;
    }
    if op == abi::IORING_OP_LINK_TIMEOUT {
        // Once started it is no failure, whichever was faster.
        return request.started;
    }
    op == abi::IORING_OP_TIMEOUT
        && res == -libc::ETIME
        && request.sqe.op_flags & abi::IORING_TIMEOUT_ETIME_SUCCESS != 0
}

/// Whether less than asked for was moved, which breaks a chain and is told in
/// spite of IOSQE_CQE_SKIP_SUCCESS.
pub(crate) fn fell_short(request: &Request, res: i32) -> bool {
    if !(request.is_linked() || request.skips_success()) || res < 0 {
        return false;
    }
    match u32::from(request.sqe.opcode) {
        op if is_rw(op) => (res as usize) < rw::total(request),
        abi::IORING_OP_SEND | abi::IORING_OP_RECV
            if request.sqe.op_flags & libc::MSG_WAITALL as u32 != 0 =>
        {
            (res as u32) < request.sqe.len
        }
        abi::IORING_OP_SPLICE | abi::IORING_OP_TEE => res as u32 != request.sqe.len,
        _ => false,
    }
}

/// A call for the pool.
pub(crate) fn work(number: i64, args: &[usize]) -> Outcome {
    Outcome::Work(Work::Call(Call::new(number, args)))
}

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

#[inline]
fn nop(state: &State, request: &Request) -> Outcome {
    let sqe = &request.sqe;
    if sqe.op_flags == 0 {
        return Outcome::Done(0);
    }
    nop_with_flags(state, sqe)
}

/// What the kernel checks of a NOP that asks for something.
#[cold]
fn check_nop(state: &State, sqe: &io_uring_sqe) -> Result<(), c_int> {
    let big = sqe.op_flags & abi::IORING_NOP_CQE32 != 0;
    let has_room = state.flags & (abi::IORING_SETUP_CQE32 | abi::IORING_SETUP_CQE_MIXED) != 0;
    if sqe.op_flags & !NOP_FLAGS != 0 || big && !has_room {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

#[cold]
fn nop_with_flags(state: &State, sqe: &io_uring_sqe) -> Outcome {
    let has = |flag| sqe.op_flags & flag != 0;
    let big = has(abi::IORING_NOP_CQE32);
    let mut res = if has(abi::IORING_NOP_INJECT_RESULT) {
        sqe.len as i32
    } else {
        0
    };
    if has(NOP_FILE) {
        let open = if has(NOP_FIXED_FILE) {
            fixed_file(state, sqe.fd as u32).is_ok()
        } else {
            crate::sys::is_open(sqe.fd)
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
