//! What the kernel finished.

use std::mem::MaybeUninit;

use anyring_abi as abi;
use pyo3::prelude::*;

use super::State;
use crate::cqe::Completed;
use crate::keep::Keep;

impl State {
    /// Takes every completion out of the kernel's queue; what an operation
    /// kept alive goes with its last one.
    pub(crate) fn harvest(&mut self) -> PyResult<()> {
        self.queue()?;
        let mut room = [const { MaybeUninit::uninit() }; 16];
        while let Some(queue) = self.queue.as_mut() {
            if self.ready.try_reserve(room.len()).is_err() {
                // They stay in the kernel's queue.
                return Err(crate::reserve::short());
            }
            let found = queue.take(&mut room);
            for &entry in found {
                self.complete(entry);
            }
            if found.len() < 16 {
                break;
            }
        }
        Ok(())
    }

    #[inline]
    pub(super) fn complete(&mut self, entry: Completed) {
        let (token, res, flags) = entry;
        if flags & abi::IORING_CQE_F_MORE == 0 {
            if let Some(user_data) = self.slots.end_simple(token) {
                self.ready.push_back((user_data, res, flags));
                return;
            }
        }
        self.complete_with(entry);
    }

    /// A completion of an operation that keeps something, is one of several,
    /// or goes on.
    fn complete_with(&mut self, (token, res, flags): Completed) {
        let Some(slot) = self.slots.get(token) else {
            // A message of another ring.
            self.ready.push_back((token, res, flags));
            return;
        };
        let group = slot.group;
        if !(slot.hide_success && res >= 0 || group != 0) {
            self.ready.push_back((slot.user_data, res, flags));
        }
        if flags & abi::IORING_CQE_F_MORE != 0 {
            return;
        }
        let keep = self.slots.end(token);
        if group != 0 {
            self.complete_group(group as usize - 1, res);
        }
        if res >= 0 {
            for keep in keep.each() {
                if let Keep::Retag { token, user_data } = &**keep {
                    if let Some(slot) = self.slots.get(*token) {
                        slot.user_data = *user_data;
                    }
                }
            }
        }
    }

    fn complete_group(&mut self, number: usize, res: i32) {
        let Some(place) = self.groups.get_mut(number) else {
            return;
        };
        let Some(group) = place else {
            return;
        };
        if res >= 0 {
            group.done += res.max(1);
        } else if group.error != -libc::EALREADY {
            group.error = res;
        }
        group.left -= 1;
        if group.left == 0 {
            let res = if group.done > 0 {
                group.done
            } else {
                group.error
            };
            if !(group.hide_success && res >= 0) {
                self.ready.push_back((group.user_data, res, 0));
            }
            *place = None;
        }
    }
}
