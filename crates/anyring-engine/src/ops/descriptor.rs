//! Descriptors: closed, made, moved among the registered files.
//!
//! # Safety
//! Addresses come from SQEs or from copies that the request keeps; the kernel
//! checks those of the program.

use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

use crate::os::sys::{self, Fd};
use crate::os::user_memory;
use crate::request::{Outcome, Request};
use crate::ring::state::State;

/// FIXED_FD_INSTALL.
pub(crate) fn fixed_fd_install(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let command = if request.sqe.op_flags != 0 {
        libc::F_DUPFD
    } else {
        libc::F_DUPFD_CLOEXEC
    };
    let args = [request.file.fd() as usize, command as usize, 0];
    Outcome::Done(sys::to_res(sys::plain(libc::SYS_fcntl, &args)))
}

/// CLOSE.
pub(crate) fn close(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    close_one(state, request.sqe.fd, request.sqe.file_index).into()
}

/// PIPE.
pub(crate) fn pipe(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    make_pipe(state, &request.sqe).into()
}

/// Closes a descriptor, or a registered slot.
fn close_one(state: &mut State, fd: c_int, index: u32) -> Result<i32, c_int> {
    if index != 0 {
        if !state.files.table.exists() {
            return Err(-libc::ENXIO);
        }
        let at = (index - 1) as usize;
        if at >= state.files.table.len() {
            return Err(-libc::EINVAL);
        }
        let was_there = state.files.table.replace(at, None)?;
        state.post_tags();
        return match was_there {
            true => Ok(0),
            false => Err(-libc::EBADF),
        };
    }
    if let crate::ring::ring_registry::Found::Ring(_) = crate::ring::ring_registry::find(fd) {
        return Err(-libc::EBADF);
    }
    sys::plain(libc::SYS_close, &[fd as usize]).map(|_| 0)
}

/// A pipe, as two descriptors or two registered slots.
fn make_pipe(state: &mut State, sqe: &io_uring_sqe) -> Result<i32, c_int> {
    if sqe.file_index != 0 && sqe.op_flags & libc::O_CLOEXEC as u32 != 0 {
        return Err(-libc::EINVAL);
    }
    let mut ends = [0_i32; 2];
    // SAFETY: two numbers are written.
    unsafe {
        sys::raw(
            libc::SYS_pipe2,
            &[ends.as_mut_ptr() as usize, sqe.op_flags as usize],
        )
    }?;
    let (read, write) = (Fd::own(ends[0]), Fd::own(ends[1]));
    if sqe.file_index == 0 {
        user_memory::write(sqe.addr, &ends[0])?;
        user_memory::write(sqe.addr + 4, &ends[1])?;
        let _ = (read.release(), write.release());
        return Ok(0);
    }
    let allocated = sqe.file_index == abi::IORING_FILE_INDEX_ALLOC;
    let [read, write] = [read, write].map(|end| sys::high(end.release() as usize));
    let first = state.install(read, sqe.file_index)?;
    let undo = |state: &mut State, slot: i32| {
        let _ = state.files.table.replace(slot as usize, None);
    };
    let first = if allocated {
        first
    } else {
        sqe.file_index as i32 - 1
    };
    let next = if allocated {
        sqe.file_index
    } else {
        sqe.file_index + 1
    };
    let second = match state.install(write, next) {
        Ok(second) if allocated => second,
        Ok(_) => first + 1,
        Err(error) => {
            undo(state, first);
            return Err(error);
        }
    };
    let told = user_memory::write(sqe.addr, &first)
        .and_then(|()| user_memory::write(sqe.addr + 4, &second));
    if let Err(error) = told {
        undo(state, first);
        undo(state, second);
        return Err(error);
    }
    Ok(0)
}
