//! What the kernel finished.

use anyring_abi as abi;
use pyo3::prelude::*;

use super::{INDEX_BITS, State};
use crate::cqe::Completed;
use crate::keep::Keep;
use crate::queue::Queue;

impl State {
    /// Takes every completion out of the kernel's queue; what an operation
    /// kept alive goes with its last one.
    #[inline]
    pub(crate) fn harvest(&mut self) -> PyResult<()> {
        self.queue()?;
        while let Some(entry) = self.queue.as_mut().and_then(Queue::next) {
            self.complete(entry);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn complete(&mut self, (token, res, flags): Completed) {
        let index = (token & ((1 << INDEX_BITS) - 1)) as usize;
        let slot = self
            .slots
            .get_mut(index)
            .filter(|slot| slot.live && slot.token == token);
        let Some(slot) = slot else {
            // A message of another ring.
            self.ready.push_back((token, res, flags));
            return;
        };
        if !(slot.hide_success && res >= 0 || slot.group != 0) {
            self.ready.push_back((slot.user_data, res, flags));
        }
        if flags & abi::IORING_CQE_F_MORE != 0 {
            return;
        }
        slot.live = false;
        let keep = std::mem::take(&mut slot.keep);
        let group = slot.group;
        self.free.push(index as u32);
        if group != 0 {
            self.complete_group(group as usize - 1, res);
        }
        if res >= 0 {
            for keep in keep.each() {
                if let Keep::Retag { token, user_data } = &**keep {
                    self.retag(*token, *user_data);
                }
            }
        }
    }

    fn retag(&mut self, token: u64, user_data: u64) {
        let index = (token & ((1 << INDEX_BITS) - 1)) as usize;
        if let Some(slot) = self.slots.get_mut(index) {
            if slot.live && slot.token == token {
                slot.user_data = user_data;
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
