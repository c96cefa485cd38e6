//! Names: looked up, made, linked, removed.
//!
//! # Safety
//! Addresses come from SQEs or from copies that the request keeps; the kernel
//! checks those of the program.

use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi::io_uring_sqe;

use super::{Kept, call, never};
use crate::os::user_memory;
use crate::request::{Call, Data, File, Outcome, Request};
use crate::ring::state::State;

/// A path in the program's memory; an empty one only where that is allowed.
pub(super) fn path(at: u64, may_be_empty: bool) -> Result<Vec<u8>, c_int> {
    match user_memory::read_path(at)? {
        path if path.len() == 1 && !may_be_empty => Err(-libc::ENOENT),
        path => Ok(path),
    }
}

/// Whether the flags allow an empty path, for the file of the descriptor itself.
fn takes_empty(sqe: &io_uring_sqe) -> bool {
    sqe.op_flags & libc::AT_EMPTY_PATH as u32 != 0
}

pub(super) fn keep(request: &mut Request, one: Vec<u8>, two: Vec<u8>) -> Result<(), c_int> {
    request.data = Data::Bytes(one, two);
    Ok(())
}

/// Keeps the path.
pub(crate) fn copy_path(request: &mut Request) -> Result<(), c_int> {
    let one = path(request.sqe.addr, false)?;
    keep(request, one, Vec::new())
}

/// Keeps the path of a STATX. The kernel takes NULL for "" where the flags allow that.
pub(crate) fn copy_statx_path(request: &mut Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let one = match (sqe.addr, takes_empty(sqe)) {
        (0, true) => Vec::new(),
        (at, empty) => path(at, empty)?,
    };
    keep(request, one, Vec::new())
}

/// Keeps both paths.
pub(crate) fn copy_two_paths(request: &mut Request) -> Result<(), c_int> {
    let one = path(request.sqe.addr, false)?;
    let two = path(request.sqe.off, false)?;
    keep(request, one, two)
}

/// Keeps both paths of a LINKAT.
pub(crate) fn copy_link_paths(request: &mut Request) -> Result<(), c_int> {
    let one = path(request.sqe.addr, takes_empty(&request.sqe))?;
    let two = path(request.sqe.off, false)?;
    keep(request, one, two)
}

/// A directory that a path starts from, kept open.
pub(super) fn directory(file: &mut File, fd: c_int) -> Result<usize, c_int> {
    if fd < 0 {
        return Ok(fd as usize);
    }
    *file = File::Borrowed(fd);
    match file.hold() {
        // The call finds what else is wrong, or that an absolute name needs
        // no directory.
        Err(error) if error == -libc::EBADF => Ok(usize::MAX),
        held => held.map(|fd| fd as usize),
    }
}

/// Queues a call on a path below a directory, which the request holds.
fn below(
    state: &mut State,
    request: &mut Request,
    make: impl FnOnce(&io_uring_sqe, usize, Kept) -> Call,
) -> Outcome {
    call(state, request, never, |request, kept| {
        let from = directory(&mut request.second, request.sqe.fd)?;
        Ok(make(&request.sqe, from, kept))
    })
}

pub(crate) fn statx(state: &mut State, request: &mut Request) -> Outcome {
    below(state, request, |sqe, from, kept| {
        let (flags, mask) = (sqe.op_flags as usize, sqe.len as usize);
        let args = [from, kept.one, flags, mask, sqe.off as usize];
        Call::new(libc::SYS_statx, &args)
    })
}

pub(crate) fn unlinkat(state: &mut State, request: &mut Request) -> Outcome {
    below(state, request, |sqe, from, kept| {
        Call::new(libc::SYS_unlinkat, &[from, kept.one, sqe.op_flags as usize])
    })
}

pub(crate) fn mkdirat(state: &mut State, request: &mut Request) -> Outcome {
    below(state, request, |sqe, from, kept| {
        Call::new(libc::SYS_mkdirat, &[from, kept.one, sqe.len as usize])
    })
}

pub(crate) fn symlinkat(state: &mut State, request: &mut Request) -> Outcome {
    below(state, request, |_, at, kept| {
        Call::new(libc::SYS_symlinkat, &[kept.one, at, kept.two])
    })
}

/// Queues a call on two paths, below a directory each.
fn from_to(state: &mut State, request: &mut Request, number: i64) -> Outcome {
    call(state, request, never, |request, kept| {
        let from = directory(&mut request.second, request.sqe.fd)?;
        let to = directory(&mut request.file, request.sqe.len as c_int)?;
        let flags = request.sqe.op_flags as usize;
        Ok(Call::new(number, &[from, kept.one, to, kept.two, flags]))
    })
}

pub(crate) fn renameat(state: &mut State, request: &mut Request) -> Outcome {
    from_to(state, request, libc::SYS_renameat2)
}

pub(crate) fn linkat(state: &mut State, request: &mut Request) -> Outcome {
    from_to(state, request, libc::SYS_linkat)
}
