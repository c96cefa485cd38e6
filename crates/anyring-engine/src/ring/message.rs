//! Messages between rings. A sender's lock is never held while a receiver is
//! locked: letters are collected, and delivered between two looks at the
//! sender.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi as abi;

use crate::os::sys::{self, Fd};
use crate::request::Id;
use crate::ring::Ring;
use crate::ring::cq::Completion;
use crate::ring::ring_registry::{self, Found};
use crate::ring::state::State;

/// What is sent.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A completion.
    Data,
    /// A file, for a slot (1-based, or the ALLOC value), and perhaps a
    /// completion.
    File {
        file: Arc<Fd>,
        index: u32,
        skips_cqe: bool,
    },
}

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    /// The receiver, by a descriptor that the request has made its own.
    pub(crate) target: c_int,
    pub(crate) kind: Kind,
    pub(crate) user_data: u64,
    pub(crate) res: i32,
    pub(crate) flags: u32,
}

/// Finds the receiver behind any descriptor of it.
pub(crate) fn find(fd: c_int) -> Result<Arc<Ring>, c_int> {
    match ring_registry::find(fd) {
        Found::Ring(ring) => Ok(ring),
        Found::Unknown if sys::is_open(fd) => ring_registry::by_any(fd).ok_or(-libc::EBADFD),
        _ if sys::is_open(fd) => Err(-libc::EBADFD),
        _ => Err(-libc::EBADF),
    }
}

/// Delivers letters; what to tell each sender.
pub(crate) fn deliver(letters: Vec<(Id, Message)>) -> Vec<(Id, i32)> {
    // Collected in the letters' own place, so that no memory is needed.
    letters
        .into_iter()
        .map(|(id, message)| (id, send(message).unwrap_or_else(|error| error)))
        .collect()
}

/// Delivers one.
pub(crate) fn send(message: Message) -> Result<i32, c_int> {
    let ring = find(message.target)?;
    ring.with(false, |state| receive(state, message))
}

fn receive(state: &mut State, message: Message) -> Result<i32, c_int> {
    if state.disabled || state.gone {
        return Err(-libc::EBADFD);
    }
    let mut res = message.res;
    let mut result = 0;
    match message.kind {
        Kind::Data => {}
        Kind::File {
            file,
            index,
            skips_cqe,
        } => {
            let file = sys::dup(file.get())?;
            result = state.install(file, index)?;
            if index == abi::IORING_FILE_INDEX_ALLOC {
                res = result;
            }
            if skips_cqe {
                return Ok(result);
            }
        }
    }
    state.post(Completion {
        user_data: message.user_data,
        res,
        flags: message.flags,
        extra: None,
    });
    state.count_completion();
    Ok(result)
}
