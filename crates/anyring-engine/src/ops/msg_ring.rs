//! Messages to other rings.

use alloc::sync::Arc;
use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

use crate::request::{File, Outcome, Request, Stage};
use crate::ring::message::{Kind, Message};
use crate::ring::state::State;

/// What an SQE says.
pub(crate) fn message_of(
    sqe: &io_uring_sqe,
    target: c_int,
    file: impl FnOnce(u32) -> Result<Arc<crate::os::sys::Fd>, c_int>,
) -> Result<Message, c_int> {
    let known = abi::IORING_MSG_RING_CQE_SKIP | abi::IORING_MSG_RING_FLAGS_PASS;
    if sqe.buf_index != 0 || sqe.personality != 0 || sqe.op_flags & !known != 0 {
        return Err(-libc::EINVAL);
    }
    let skips_cqe = sqe.op_flags & abi::IORING_MSG_RING_CQE_SKIP != 0;
    let passes = sqe.op_flags & abi::IORING_MSG_RING_FLAGS_PASS != 0;
    let kind = match sqe.addr as u32 {
        abi::IORING_MSG_DATA => {
            if sqe.addr3 as u32 != 0 || skips_cqe || !passes && sqe.file_index != 0 {
                return Err(-libc::EINVAL);
            }
            Kind::Data
        }
        abi::IORING_MSG_SEND_FD => {
            if sqe.len != 0 {
                return Err(-libc::EINVAL);
            }
            Kind::File {
                file: file(sqe.addr3 as u32)?,
                index: sqe.file_index,
                skips_cqe,
            }
        }
        _ => return Err(-libc::EINVAL),
    };
    Ok(Message {
        target,
        user_data: sqe.off,
        res: sqe.len as i32,
        flags: match kind {
            Kind::Data if passes => sqe.file_index,
            _ => 0,
        },
        kind,
    })
}

/// MSG_RING: written now, delivered when this ring's lock is free.
pub(crate) fn issue(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let target = match &request.file {
        File::Borrowed(fd) => *fd,
        _ => return Outcome::Done(-libc::EBADFD),
    };
    let written = message_of(&request.sqe, target, |index| {
        match super::fixed_file(state, index) {
            Ok(File::Held(file)) => Ok(file),
            _ => Err(-libc::EBADF),
        }
    });
    match written.and_then(|message| {
        state.outbox.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
        Ok(message)
    }) {
        Ok(message) => {
            state.written = Some(message);
            Outcome::Suspended(Stage::Messaging)
        }
        Err(error) => Outcome::Done(error),
    }
}

/// The request is stored: the message gets its sender's number.
pub(crate) fn named(state: &mut State, id: crate::request::Id) {
    if let Some(message) = state.written.take() {
        state.outbox.push((id, message));
    }
}
