//! Cancellation.

use core::ffi::c_int;

use anyring_abi as abi;

use super::opdef::Cancel;
use crate::request::{Data, File, Id, Outcome, Request, Stage};
use crate::ring::state::State;

const FLAGS: u32 = abi::IORING_ASYNC_CANCEL_ALL
    | abi::IORING_ASYNC_CANCEL_FD
    | abi::IORING_ASYNC_CANCEL_ANY
    | abi::IORING_ASYNC_CANCEL_FD_FIXED
    | abi::IORING_ASYNC_CANCEL_USERDATA
    | abi::IORING_ASYNC_CANCEL_OP;

/// What to cancel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) user_data: u64,
    pub(crate) fd: c_int,
    pub(crate) opcode: u8,
    pub(crate) flags: u32,
}

impl Query {
    pub(crate) fn check(&self) -> Result<(), c_int> {
        let has = |flag| self.flags & flag != 0;
        let wrong = self.flags & !FLAGS != 0
            || has(abi::IORING_ASYNC_CANCEL_ANY)
                && has(abi::IORING_ASYNC_CANCEL_FD | abi::IORING_ASYNC_CANCEL_OP);
        if wrong { Err(-libc::EINVAL) } else { Ok(()) }
    }

    /// `file` is a descriptor of the file that is meant.
    fn matches(&self, file: c_int, request: &Request) -> bool {
        let has = |flag| self.flags & flag != 0;
        if has(abi::IORING_ASYNC_CANCEL_ANY) {
            return true;
        }
        if has(abi::IORING_ASYNC_CANCEL_FD) && !is_on(file, request) {
            return false;
        }
        if has(abi::IORING_ASYNC_CANCEL_OP) && request.sqe.opcode != self.opcode {
            return false;
        }
        let by_data = has(abi::IORING_ASYNC_CANCEL_USERDATA)
            || !has(abi::IORING_ASYNC_CANCEL_FD | abi::IORING_ASYNC_CANCEL_OP);
        !by_data || request.sqe.user_data == self.user_data
    }

    /// A descriptor of the file that is meant: -1 if none is.
    fn file(&self, state: &State) -> Result<c_int, c_int> {
        if self.flags & abi::IORING_ASYNC_CANCEL_FD == 0 {
            return Ok(-1);
        }
        if self.flags & abi::IORING_ASYNC_CANCEL_FD_FIXED != 0 {
            let file = state.files.table.get(self.fd as u32 as usize);
            return file.map(|file| file.get()).ok_or(-libc::EBADF);
        }
        if crate::os::sys::is_open(self.fd) {
            Ok(self.fd)
        } else {
            Err(-libc::EBADF)
        }
    }
}

/// Whether a request works on an open file: files are compared, not the numbers
/// of their descriptors.
fn is_on(file: c_int, request: &Request) -> bool {
    request.def.needs_file
        && !matches!(request.file, File::None)
        && crate::os::sys::is_same_file(request.file.fd(), file)
}

/// What a request asks for.
fn query(request: &Request) -> Query {
    let sqe = &request.sqe;
    let mut flags = sqe.op_flags;
    if request.has(abi::IOSQE_FIXED_FILE) && flags & abi::IORING_ASYNC_CANCEL_FD != 0 {
        flags |= abi::IORING_ASYNC_CANCEL_FD_FIXED;
    }
    Query {
        user_data: sqe.addr,
        fd: sqe.fd,
        opcode: sqe.len as u8,
        flags,
    }
}

/// Whether it can be asked for.
pub(crate) fn check(_: &State, request: &Request) -> Result<(), c_int> {
    if request.has(abi::IOSQE_BUFFER_SELECT) {
        return Err(-libc::EINVAL);
    }
    query(request).check()
}

/// ASYNC_CANCEL.
pub(crate) fn issue(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    run(state, query(request)).into()
}

/// Cancels; 0, or a number where all were meant.
pub(crate) fn run(state: &mut State, query: Query) -> Result<i32, c_int> {
    query.check()?;
    let file = query.file(state)?;
    let all = query.flags & (abi::IORING_ASYNC_CANCEL_ALL | abi::IORING_ASYNC_CANCEL_ANY) != 0;
    // Of these the kernel stops all at once, which counts as one.
    let together = query.flags & abi::IORING_ASYNC_CANCEL_ALL != 0;
    let mut counted = [false; 2];
    // Time limits end with what they guard. What has not started is not found,
    // as in the kernel: it goes with what it waits for.
    let found = state.find_all(|request| {
        request.sqe.opcode != abi::IORING_OP_LINK_TIMEOUT as u8
            && !matches!(request.stage, Stage::Linked | Stage::Deferred)
            && query.matches(file, request)
    })?;
    let mut count = 0;
    let mut problem = -libc::ENOENT;
    for id in found {
        let group = state.get(id).and_then(group_of);
        let at_work = state
            .get(id)
            .is_some_and(|request| request.def.cancel == Cancel::AtWork);
        match one(state, id) {
            // As one that a worker is at, which is stopped and not counted.
            Ok(_) if at_work && !all => return Err(-libc::EALREADY),
            Ok(_) if at_work => {}
            Ok(result) if !all => return Ok(result),
            Ok(_) => match group {
                Some(group) if together => {
                    count += i32::from(!core::mem::replace(&mut counted[group], true));
                }
                _ => count += 1,
            },
            // That one had ended already.
            Err(error) if error == -libc::ENOENT => {}
            Err(error) if !all => return Err(error),
            Err(error) if error == -libc::EALREADY => {
                // On its way: counted, as it was found.
                problem = error;
                count += 1;
            }
            Err(_) => {}
        }
    }
    if all { Ok(count) } else { Err(problem) }
}

/// Of requests that the kernel answers a number for: which list they are in.
fn group_of(request: &Request) -> Option<usize> {
    match request.def.cancel {
        Cancel::Counted(group) => Some(group),
        _ => None,
    }
}

/// Cancels one request; what the kernel answers to who asks for it, or -EALREADY
/// if it cannot be stopped any more.
pub(crate) fn one(state: &mut State, id: Id) -> Result<i32, c_int> {
    let Some(request) = state.get_mut(id) else {
        return Err(-libc::ENOENT);
    };
    let stopped = i32::from(group_of(request).is_some());
    match request.stage {
        Stage::Polling | Stage::Timing => {
            state.stop(id, -libc::ECANCELED);
            Ok(stopped)
        }
        Stage::Linked => {
            state.cancel_linked(id);
            Ok(0)
        }
        Stage::Deferred => {
            state.leave_drain(id);
            state.fail(id, -libc::ECANCELED);
            Ok(0)
        }
        Stage::Working => {
            if let Data::Futex(wait) = &request.data {
                if request.cancelled {
                    return Err(-libc::ENOENT);
                }
                let wait = alloc::sync::Arc::clone(wait);
                request.cancelled = true;
                wait.stop();
                return Ok(stopped);
            }
            if state.withdraw_work(id) {
                state.stop(id, -libc::ECANCELED);
                return Ok(stopped);
            }
            // It has begun. The kernel interrupts the wait; a call of ours goes on
            // without its request.
            if state.get(id).is_some_and(super::file::open::waits_for_peer) {
                state.leave(id);
            }
            Err(-libc::EALREADY)
        }
        // A wait for a file is found until it ends, other waits are not.
        Stage::Stopped if stopped == 0 && request.watch.is_some() => Ok(0),
        Stage::Stopped => Err(-libc::ENOENT),
        Stage::Running | Stage::Messaging => Err(-libc::EALREADY),
    }
}

/// Cancels everything, for a ring that ends.
pub(crate) fn everything(state: &mut State) {
    if let Ok(found) = state.find_all(|_| true) {
        for id in found {
            let _ = one(state, id);
        }
    }
}
