//! SPLICE and TEE: begun when both ends are ready, done in the pool.

use core::ffi::c_int;

use anyring_abi as abi;

use super::work;
use crate::os::sys;
use crate::request::{File, Outcome, Request};
use crate::ring::state::State;

const FLAGS: u32 = 0xf | abi::SPLICE_F_FD_IN_FIXED;

pub(crate) fn check(_: &State, request: &Request) -> Result<(), c_int> {
    if request.sqe.op_flags & !FLAGS != 0 {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

/// Whether less than asked for was moved.
pub(crate) fn fell_short(request: &Request, res: i32) -> bool {
    res as u32 != request.sqe.len
}

/// Waits until there is something to move and room for it.
pub(crate) fn issue(state: &mut State, request: &mut Request, _events: Option<u32>) -> Outcome {
    let sqe = request.sqe;
    if matches!(request.second, File::None) {
        request.second = if sqe.op_flags & abi::SPLICE_F_FD_IN_FIXED != 0 {
            match super::fixed_file(state, sqe.file_index) {
                Ok(file) => file,
                Err(error) => return Outcome::Done(error),
            }
        } else {
            File::Borrowed(sqe.file_index as c_int)
        };
    }
    if sqe.len == 0 {
        if !sys::is_open(request.file.fd()) {
            return Outcome::Done(-libc::EBADF);
        }
        return Outcome::Done(0);
    }
    if request.watch.is_none() {
        if let Err(error) = check_ends(request) {
            return Outcome::Done(error);
        }
    }
    if sqe.op_flags & libc::SPLICE_F_NONBLOCK == 0 {
        if let Some(result) = try_now(request) {
            return Outcome::Done(sys::to_res(result));
        }
    }
    for (fd, events, second) in [
        (request.second.fd(), libc::POLLIN, true),
        (request.file.fd(), libc::POLLOUT, false),
    ] {
        if sqe.op_flags & libc::SPLICE_F_NONBLOCK != 0 {
            break;
        }
        let ready = sys::poll_now(fd, events as u32);
        if ready == 0 && fails_unready(request, fd, second) {
            break;
        }
        if ready == 0 {
            // Of a pair, the one that was waited for first is ready by now.
            if request.watch.is_none() || request.waits_for_second == second {
                request.waits_for_second = second;
                // Of both files, since the program may close either.
                let held = request
                    .hold()
                    .and_then(|_| request.second.hold().map(|_| ()));
                return match held {
                    Ok(()) => Outcome::Poll(events as u32),
                    Err(error) => Outcome::Done(error),
                };
            }
        }
    }
    offload(state, request)
}

/// Whether the call does not wait for an end that is not ready: the program asked
/// for that with O_NONBLOCK, or no data ever passes a socket that listens.
fn fails_unready(request: &Request, fd: c_int, from: bool) -> bool {
    let is_nonblocking =
        |fd| sys::status_flags(fd).is_ok_and(|flags| flags & libc::O_NONBLOCK != 0);
    let ends = [request.second.fd(), request.file.fd()];
    if is_pipe(ends[0]) && is_pipe(ends[1]) {
        return ends.into_iter().any(is_nonblocking);
    }
    // An empty pipe whose bytes go elsewhere is waited for all the same.
    is_nonblocking(fd) && !(from && is_pipe(fd))
        || sys::socket_option(fd, libc::SO_ACCEPTCONN) == Ok(1)
}

fn is_pipe(fd: c_int) -> bool {
    sys::kind_of(fd).is_ok_and(|kind| kind.0 == libc::S_IFIFO)
}

/// Whether it can work at all, which must not be found out only when there is
/// something to move.
fn check_ends(request: &Request) -> Result<(), c_int> {
    let [from, to] = [request.second.fd(), request.file.fd()];
    let mode = |fd| sys::status_flags(fd).map(|flags| flags & (libc::O_ACCMODE | libc::O_PATH));
    if mode(from)? & !libc::O_RDWR != 0 || !matches!(mode(to)?, libc::O_WRONLY | libc::O_RDWR) {
        return Err(-libc::EBADF);
    }
    let enough = if request.sqe.opcode == abi::IORING_OP_TEE as u8 {
        is_pipe(from) && is_pipe(to)
    } else {
        is_pipe(from) || is_pipe(to)
    };
    if !enough {
        return Err(-libc::EINVAL);
    }
    // No such file can be spliced from or to.
    let never = |fd| sys::kind_of(fd).is_ok_and(|kind| kind.0 == 0);
    if never(to) {
        return Err(-libc::EINVAL);
    }
    if !is_pipe(from) {
        // A stream has no offsets.
        let has_offset = request.sqe.addr != u64::MAX;
        if has_offset && request.sqe.off != u64::MAX {
            return Err(-libc::ESPIPE);
        }
        if never(from) || has_offset && !sys::is_seekable(from) {
            return Err(-libc::EINVAL);
        }
    }
    Ok(())
}

/// The call itself where it cannot block: between pipes, or out of an empty one.
/// What is wrong with offsets, flags and kinds of files shows so before any wait.
fn try_now(request: &Request) -> Option<sys::Sys> {
    let [from, to] = [request.second.fd(), request.file.fd()];
    if !is_pipe(from) {
        return None;
    }
    if is_pipe(to) {
        // A worker writes into a broken one, since that raises a signal.
        if sys::poll_now(to, libc::POLLOUT as u32) & libc::POLLERR as u32 != 0 {
            return None;
        }
    } else if sys::poll_now(from, libc::POLLIN as u32) != 0 {
        return None;
    }
    let sqe = &request.sqe;
    let flags = (sqe.op_flags & !abi::SPLICE_F_FD_IN_FIXED | libc::SPLICE_F_NONBLOCK) as usize;
    let (from, to, len) = (from as usize, to as usize, sqe.len as usize);
    let place = |offset: &u64| match *offset {
        u64::MAX => 0,
        _ => (&raw const *offset) as usize,
    };
    let (read, write) = (sqe.addr, sqe.off);
    // SAFETY: the offsets are copies that live through the call.
    let result = unsafe {
        if sqe.opcode == abi::IORING_OP_TEE as u8 {
            sys::raw(libc::SYS_tee, &[from, to, len, flags])
        } else {
            sys::raw(
                libc::SYS_splice,
                &[from, place(&read), to, place(&write), len, flags],
            )
        }
    };
    match result {
        Err(e) if e == -libc::EAGAIN => None,
        result => Some(result),
    }
}

/// Moves it.
pub(crate) fn offload(_: &mut State, request: &mut Request) -> Outcome {
    let held = request
        .hold()
        .and_then(|_| request.second.hold().map(|_| ()));
    if let Err(error) = held {
        return Outcome::Done(error);
    }
    let sqe = &request.sqe;
    let flags = (sqe.op_flags & !abi::SPLICE_F_FD_IN_FIXED) as usize;
    let (from, to) = (request.second.fd() as usize, request.file.fd() as usize);
    if sqe.opcode == abi::IORING_OP_TEE as u8 {
        return work(libc::SYS_tee, &[from, to, sqe.len as usize, flags]);
    }
    // Offsets are pointers for the system call; they stand in the SQE, which
    // the request keeps. Its place changes when the request is stored, so they
    // lie in a vector.
    let mut offsets = match crate::os::user_memory::room::<u8>(16) {
        Ok(offsets) => offsets,
        Err(error) => return Outcome::Done(error),
    };
    offsets.extend_from_slice(&sqe.addr.to_ne_bytes());
    offsets.extend_from_slice(&sqe.off.to_ne_bytes());
    let at = offsets.as_ptr() as usize;
    let place = |offset: u64, at: usize| if offset == u64::MAX { 0 } else { at };
    let args = [
        from,
        place(sqe.addr, at),
        to,
        place(sqe.off, at + 8),
        sqe.len as usize,
        flags,
    ];
    request.data = crate::request::Data::Bytes(offsets, alloc::vec::Vec::new());
    work(libc::SYS_splice, &args)
}
