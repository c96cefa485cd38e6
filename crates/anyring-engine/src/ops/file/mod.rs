//! Files and names: what the kernel's io_uring does in a worker, the pool does here.
//! This has the way to the pool, and the calls on an open file.
//!
//! # Safety
//! Addresses come from SQEs or from copies that the request keeps; the kernel
//! checks those of the program.

use core::ffi::c_int;

use anyring_abi::io_uring_sqe;

use crate::os::credentials;
use crate::os::sys;
use crate::request::{Call, Data, Outcome, Request, Work};
use crate::ring::state::State;

pub(crate) mod open;
pub(crate) mod path;
pub(crate) mod xattr;

/// What a request tries before its call blocks; its result if that was enough.
type AtOnce = fn(&Request, &Call) -> Option<i32>;

/// Queues a call for the pool, or makes it here and now: what looks names up depends on
/// the credentials, the root and the working directory of the thread that does it.
fn queue(state: &mut State, request: &mut Request, call: Call, at_once: AtOnce) -> Outcome {
    if request.sqe.personality != 0 {
        let ours = state
            .personalities
            .iter()
            .find(|one| one.0 == request.sqe.personality);
        return Outcome::Work(match ours {
            Some((_, ids)) => Work::CallAs(call, *ids),
            None => Work::Call(call),
        });
    }
    if !request.def.path {
        return Outcome::Work(Work::Call(call));
    }
    // One that is not stored runs in the thread that submitted it.
    if request.credentials == 0 {
        if let Some(res) = at_once(request, &call) {
            return crate::ops::finish(state, request, res);
        }
    }
    let here = credentials::here();
    if request.credentials != 0 {
        if request.credentials != here {
            return Outcome::Done(-libc::EPERM);
        }
        if let Some(res) = at_once(request, &call) {
            return crate::ops::finish(state, request, res);
        }
    }
    if credentials::are_the_engines(here) {
        return Outcome::Work(Work::Call(call));
    }
    // SAFETY: its addresses lie in memory that the request keeps, or are the
    // program's, which the kernel checks.
    let res = sys::to_res(unsafe { sys::raw(call.number, &call.args) });
    crate::ops::finish(state, request, res)
}

/// Addresses of what a request keeps.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    /// The first path, or the name of an attribute.
    one: usize,
    /// The second path, or a struct.
    two: usize,
    /// The value behind the name of an attribute.
    value: usize,
}

pub(super) fn kept(request: &Request) -> Kept {
    match &request.data {
        Data::Bytes(one, two) => {
            let at = if one.is_empty() {
                0
            } else {
                one.as_ptr() as usize
            };
            Kept {
                one: at,
                two: two.as_ptr() as usize,
                value: (at + one.len()).wrapping_sub(request.sqe.len as usize),
            }
        }
        _ => Kept {
            one: 0,
            two: 0,
            value: 0,
        },
    }
}

/// Queues the call that `make` builds, with the request's arguments copied.
pub(super) fn call(
    state: &mut State,
    request: &mut Request,
    at_once: AtOnce,
    make: impl FnOnce(&mut Request, Kept) -> Result<Call, c_int>,
) -> Outcome {
    let made = crate::ops::copy(request).and_then(|()| {
        let kept = kept(request);
        make(request, kept)
    });
    match made {
        Ok(call) => queue(state, request, call, at_once),
        Err(error) => Outcome::Done(error),
    }
}

/// Queues a call on the request's file, which it holds until the call is made.
pub(super) fn on_file(
    state: &mut State,
    request: &mut Request,
    make: impl FnOnce(&io_uring_sqe, usize, Kept) -> Result<Call, c_int>,
) -> Outcome {
    call(state, request, never, |request, kept| {
        request.hold_for_offsets()?;
        if request.file.fd() < 0 {
            return Err(-libc::EBADF);
        }
        make(&request.sqe, request.file.fd() as usize, kept)
    })
}

/// Nothing can be done without blocking.
pub(super) fn never(_: &Request, _: &Call) -> Option<i32> {
    None
}

pub(crate) fn fsync(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, _| {
        let call = if sqe.op_flags != 0 {
            libc::SYS_fdatasync
        } else {
            libc::SYS_fsync
        };
        Ok(Call::new(call, &[fd]))
    })
}

/// An offset that a call on a file takes.
fn check_offset(sqe: &io_uring_sqe) -> Result<(), c_int> {
    if (sqe.off as i64) < 0 {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

pub(crate) fn sync_file_range(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, _| {
        check_offset(sqe)?;
        let (off, len, flags) = (sqe.off as usize, sqe.len as usize, sqe.op_flags as usize);
        Ok(Call::new(libc::SYS_sync_file_range, &[fd, off, len, flags]))
    })
}

pub(crate) fn fallocate(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, _| {
        check_offset(sqe)?;
        let (mode, off, len) = (sqe.len as usize, sqe.off as usize, sqe.addr as usize);
        Ok(Call::new(libc::SYS_fallocate, &[fd, mode, off, len]))
    })
}

pub(crate) fn ftruncate(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, _| {
        Ok(Call::new(libc::SYS_ftruncate, &[fd, sqe.off as usize]))
    })
}

/// The length of an advice, for which older programs have 32 bits.
fn advised(long: u64, short: u32) -> usize {
    (if long != 0 { long } else { u64::from(short) }) as usize
}

/// MADVISE.
pub(crate) fn madvise(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = &request.sqe;
    let len = advised(sqe.off, sqe.len);
    let args = [sqe.addr as usize, len, sqe.op_flags as usize];
    // SAFETY: the program asked for this advice on its memory.
    Outcome::Done(sys::to_res(unsafe { sys::raw(libc::SYS_madvise, &args) }))
}

/// FADVISE.
pub(crate) fn fadvise(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = &request.sqe;
    let (fd, len) = (request.file.fd() as usize, advised(sqe.addr, sqe.len));
    let args = [fd, sqe.off as usize, len, sqe.op_flags as usize];
    Outcome::Done(sys::to_res(sys::plain(libc::SYS_fadvise64, &args)))
}
