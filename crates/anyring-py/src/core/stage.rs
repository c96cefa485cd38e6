//! From entries that a program prepared to requests in the kernel's queue.

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::{Group, INDEX_BITS, POOL, Slot, State, is_closed, same_place};
use crate::keep::{Keep, Keeps};
use crate::sqe::Phase;
use std::sync::Arc;

impl State {
    #[inline]
    fn take_slot(&mut self, user_data: u64, keep: Keeps, hide_success: bool, group: u32) -> u64 {
        let index = self.free.pop().unwrap_or(self.slots.len() as u32);
        self.count = self.count.wrapping_add(1);
        // A number that no completion of an earlier operation carries.
        let token = (self.secret.wrapping_add(self.count) << INDEX_BITS) | u64::from(index);
        let slot = Slot {
            token,
            user_data,
            keep,
            hide_success,
            live: true,
            group,
        };
        match self.slots.get_mut(index as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        token
    }

    /// The tokens of operations in flight with this user data; one that is
    /// nobody's when there are none.
    pub(crate) fn tokens_of(&self, user_data: u64, all: bool) -> Vec<u64> {
        let found = self
            .slots
            .iter()
            .filter(|slot| slot.live && slot.user_data == user_data)
            .map(|slot| slot.token);
        let mut tokens: Vec<u64> = found.take(if all { usize::MAX } else { 1 }).collect();
        if tokens.is_empty() {
            tokens.push(u64::MAX - 1);
        }
        tokens
    }

    /// Moves what the program prepared to the queue.
    pub(crate) fn stage(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let room = self.queue()?.ring().sq_space_left() as usize;
        let count = self.pending.len().min(room);
        let mut pending = std::mem::take(&mut self.pending);
        for entry in pending.drain(..count) {
            match entry.get().entry.lock(py) {
                Ok(mut sqe) => {
                    sqe.phase = Phase::Spent;
                    let keep = std::mem::take(&mut sqe.keep);
                    self.stage_one(&sqe.raw, keep)?;
                }
                // One that another call is filling right now goes as a NOP.
                // SAFETY: all zeroes is one.
                Err(_) => self.stage_one(&unsafe { std::mem::zeroed() }, Keeps::None)?,
            }
            if self.pool.len() >= POOL {
                drop(self.pool.pop_front().map(|entry| entry.into_bound(py)));
            }
            self.pool.push_back(entry);
        }
        // What Python code did meanwhile goes behind what was there before.
        pending.append(&mut self.pending);
        self.pending = pending;
        Ok(())
    }

    #[inline]
    fn stage_one(&mut self, raw: &io_uring_sqe, keep: Keeps) -> PyResult<()> {
        match u32::from(raw.opcode) {
            abi::IORING_OP_ASYNC_CANCEL => return self.stage_cancel(raw),
            abi::IORING_OP_TIMEOUT_REMOVE => {
                let mut raw = *raw;
                raw.addr = self.tokens_of(raw.addr, false)[0];
                return self.push(&raw, keep, 0);
            }
            abi::IORING_OP_POLL_REMOVE => {
                let mut raw = *raw;
                let token = self.tokens_of(raw.addr, false)[0];
                raw.addr = token;
                if raw.len & abi::IORING_POLL_UPDATE_USER_DATA != 0 {
                    // The kernel's tag stays ours; the program's changes when
                    // the update completes.
                    let user_data = std::mem::replace(&mut raw.off, token);
                    let keep = Keeps::from(Keep::Retag { token, user_data });
                    return self.push(&raw, keep, 0);
                }
                return self.push(&raw, keep, 0);
            }
            abi::IORING_OP_PROVIDE_BUFFERS => self.provide(raw.buf_index, &keep),
            _ => {}
        }
        self.push(raw, keep, 0)
    }

    /// Buffers of a group stay in use when the request that gave them is over.
    fn provide(&mut self, group: u16, keep: &Keeps) {
        for keep in keep.each() {
            let held = |other: &(u16, Arc<Keep>)| matches!(&**keep, Keep::Pinned(pinned) if same_place(&other.1, pinned));
            if !self.provided.iter().any(held) {
                self.provided.push((group, keep.clone()));
            }
        }
    }

    /// A cancellation by tag means our tokens with that tag, one request each.
    fn stage_cancel(&mut self, raw: &io_uring_sqe) -> PyResult<()> {
        let mut raw = *raw;
        let (by_tag, all) = cancels_by_tag(raw.op_flags);
        if !by_tag {
            return self.push(&raw, Keeps::None, 0);
        }
        let mut tokens = self.tokens_of(raw.addr, all);
        tokens.truncate(self.queue()?.ring().sq_space_left() as usize);
        if tokens.len() < 2 {
            raw.addr = tokens.first().copied().unwrap_or(u64::MAX - 1);
            return self.push(&raw, Keeps::None, 0);
        }
        let skip = 1u8 << abi::IOSQE_CQE_SKIP_SUCCESS_BIT;
        let hide = raw.flags & skip != 0;
        raw.flags &= !skip;
        let group = Group {
            user_data: raw.user_data,
            left: tokens.len() as u32,
            done: 0,
            error: 0,
            hide_success: hide,
        };
        let free = self.groups.iter().position(Option::is_none);
        let number = free.unwrap_or(self.groups.len());
        match free {
            Some(place) => self.groups[place] = Some(group),
            None => self.groups.push(Some(group)),
        }
        self.extra += tokens.len() as u32 - 1;
        for token in tokens {
            raw.addr = token;
            self.push(&raw, Keeps::None, number as u32 + 1)?;
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, raw: &io_uring_sqe, keep: Keeps, group: u32) -> PyResult<()> {
        let skip = 1u8 << abi::IOSQE_CQE_SKIP_SUCCESS_BIT;
        let hide = raw.flags & skip != 0;
        let token = self.take_slot(raw.user_data, keep, hide, group);
        let Some(queue) = self.queue.as_mut() else {
            return Err(is_closed());
        };
        if queue.push(raw, token, raw.flags & !skip) {
            return Ok(());
        }
        Err(PyRuntimeError::new_err("the queue is full"))
    }
}

/// Whether `IORING_ASYNC_CANCEL_*` go by tag, and whether they mean all.
pub(crate) fn cancels_by_tag(flags: u32) -> (bool, bool) {
    let other =
        abi::IORING_ASYNC_CANCEL_FD | abi::IORING_ASYNC_CANCEL_ANY | abi::IORING_ASYNC_CANCEL_OP;
    let by_tag = flags & other == 0 || flags & abi::IORING_ASYNC_CANCEL_USERDATA != 0;
    (by_tag, flags & abi::IORING_ASYNC_CANCEL_ALL != 0)
}
