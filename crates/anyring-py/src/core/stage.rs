//! From entries that a program prepared to requests in the kernel's queue.

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::{Group, Request, State, same_place};
use crate::inflight::{Expect, Key, Token};
use crate::keep::{Keep, Keeps};
use crate::sqe::Phase;
use std::sync::Arc;

impl State {
    /// The tokens of operations in flight with this user data; one that is
    /// nobody's when there are none.
    pub(crate) fn tokens_of(&self, user_data: u64, all: bool) -> Vec<Token> {
        let most = if all { usize::MAX } else { 1 };
        let found = self
            .requests
            .tokens(|request| request.user_data == user_data);
        let mut tokens: Vec<Token> = found.take(most).collect();
        if tokens.is_empty() {
            tokens.push(Token::NOBODY);
        }
        tokens
    }

    /// Moves what the program prepared to the queue, as far as it has room.
    pub(crate) fn stage(&mut self, py: Python<'_>) -> PyResult<()> {
        self.queue()?;
        let (mut count, mut room) = (0, 0);
        let mut done = true;
        while let Some(entry) = self.entries.prepared(count) {
            if room == 0 {
                room = self.room();
                if room == 0 {
                    break;
                }
            }
            room -= 1;
            count += 1;
            // SAFETY: `entries` holds the object and stays as it is in this
            // loop: the state is ours, and nothing below looks at entries.
            let entry = unsafe { &*entry };
            done = match entry.try_lock(py) {
                Some(mut sqe) => {
                    sqe.phase = Phase::Spent;
                    let keep = std::mem::take(&mut sqe.keep);
                    if is_special(&sqe.raw) {
                        room = 0;
                        self.stage_special(&sqe.raw, keep)
                    } else {
                        self.push(&sqe.raw, keep)
                    }
                }
                // One that another call is filling right now goes as a NOP.
                // SAFETY: all zeroes is one.
                None => self.push(&unsafe { std::mem::zeroed() }, Keeps::None),
            };
            if !done {
                break;
            }
        }
        self.entries.spent(py, count);
        if done { Ok(()) } else { Err(is_full()) }
    }

    /// Room in the kernel's queue.
    #[inline]
    fn room(&mut self) -> u32 {
        let queue = self.queue.as_mut();
        queue.map_or(0, |queue| queue.ring().sq_space_left())
    }

    /// Requests that name others by their tags, or give buffers away.
    #[cold]
    fn stage_special(&mut self, raw: &io_uring_sqe, keep: Keeps) -> bool {
        let mut raw = *raw;
        match u32::from(raw.opcode) {
            abi::IORING_OP_ASYNC_CANCEL => return self.stage_cancel(&raw),
            abi::IORING_OP_TIMEOUT_REMOVE => {
                raw.addr = self.tokens_of(raw.addr, false)[0].tag();
            }
            abi::IORING_OP_POLL_REMOVE => {
                let token = self.tokens_of(raw.addr, false)[0];
                raw.addr = token.tag();
                if raw.len & abi::IORING_POLL_UPDATE_USER_DATA != 0 {
                    // The kernel's tag stays ours; the program's changes when
                    // the update completes.
                    let user_data = std::mem::replace(&mut raw.off, token.tag());
                    let keep = Keeps::from(Keep::Retag { token, user_data });
                    return self.push(&raw, keep);
                }
            }
            _ => self.provide(raw.buf_index, &keep),
        }
        self.push(&raw, keep)
    }

    /// Buffers of a group stay in use when the request that gave them is over.
    fn provide(&mut self, group: u16, keep: &Keeps) {
        let Keeps::Some(keep) = keep else {
            return;
        };
        let held = |other: &(u16, Arc<Keep>)| matches!(&**keep, Keep::Pinned(pinned) if same_place(&other.1, pinned));
        if !self.provided.iter().any(held) {
            self.provided.push((group, keep.clone()));
        }
    }

    /// A cancellation by tag means our tokens with that tag, one request each.
    fn stage_cancel(&mut self, raw: &io_uring_sqe) -> bool {
        let mut raw = *raw;
        let (by_tag, all) = cancels_by_tag(raw.op_flags);
        if !by_tag {
            return self.push(&raw, Keeps::None);
        }
        let mut tokens = self.tokens_of(raw.addr, all);
        tokens.truncate(self.room() as usize);
        if tokens.len() < 2 {
            raw.addr = tokens.first().copied().unwrap_or(Token::NOBODY).tag();
            return self.push(&raw, Keeps::None);
        }
        let skip = 1u8 << abi::IOSQE_CQE_SKIP_SUCCESS_BIT;
        let hide = raw.flags & skip != 0;
        raw.flags &= !skip;
        let group = Group {
            user_data: raw.user_data,
            done: 0,
            error: 0,
            hide_success: hide,
        };
        let Ok(key) = self.requests.share(group) else {
            return false;
        };
        self.extra += tokens.len() as u32 - 1;
        tokens.into_iter().all(|token| {
            raw.addr = token.tag();
            self.push_part(&raw, key)
        })
    }

    /// Into the kernel's queue; false when that is full.
    #[inline(always)]
    fn push(&mut self, raw: &io_uring_sqe, keep: Keeps) -> bool {
        let skip = 1u8 << abi::IOSQE_CQE_SKIP_SUCCESS_BIT;
        let hide_success = raw.flags & skip != 0;
        let Some(queue) = self.queue.as_mut() else {
            return false;
        };
        let request = Request {
            user_data: raw.user_data,
            keep,
            hide_success,
        };
        let Ok(token) = self.requests.add(Expect::of(raw), request) else {
            return false;
        };
        if queue.push(raw, token, raw.flags & !skip) {
            return true;
        }
        // No room, or none for one of 128 bytes.
        drop(self.requests.take_back(token));
        false
    }

    /// The same for a request that stands for one with others.
    fn push_part(&mut self, raw: &io_uring_sqe, group: Key) -> bool {
        let Some(queue) = self.queue.as_mut() else {
            return false;
        };
        let Ok(token) = self.requests.add_part(Expect::Once, group, 0) else {
            return false;
        };
        queue.push(raw, token, raw.flags)
    }
}

/// Whether `stage_special` is for it.
#[inline]
fn is_special(raw: &io_uring_sqe) -> bool {
    matches!(
        u32::from(raw.opcode),
        abi::IORING_OP_ASYNC_CANCEL
            | abi::IORING_OP_TIMEOUT_REMOVE
            | abi::IORING_OP_POLL_REMOVE
            | abi::IORING_OP_PROVIDE_BUFFERS
    )
}

#[cold]
fn is_full() -> PyErr {
    crate::make::raised::<PyRuntimeError>("the queue is full")
}

/// Whether `IORING_ASYNC_CANCEL_*` go by tag, and whether they mean all.
pub(crate) fn cancels_by_tag(flags: u32) -> (bool, bool) {
    let other =
        abi::IORING_ASYNC_CANCEL_FD | abi::IORING_ASYNC_CANCEL_ANY | abi::IORING_ASYNC_CANCEL_OP;
    let by_tag = flags & other == 0 || flags & abi::IORING_ASYNC_CANCEL_USERDATA != 0;
    (by_tag, flags & abi::IORING_ASYNC_CANCEL_ALL != 0)
}
