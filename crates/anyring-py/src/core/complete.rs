//! What the kernel finished.

use std::mem::MaybeUninit;

use pyo3::prelude::*;

use super::{Group, Request, State};
use crate::cqe::Completed;
use crate::inflight::Found;
use crate::keep::{Keep, Keeps};

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
    pub(super) fn complete(&mut self, (tag, res, flags): Completed) {
        match self.requests.complete(tag, flags) {
            Found::Last(Request {
                user_data,
                keep: Keeps::None,
                hide_success: false,
            }) => self.ready.push_back((*user_data, res, flags)),
            Found::Last(request) => {
                let Request {
                    user_data,
                    hide_success,
                    ..
                } = *request;
                let keep = std::mem::take(&mut request.keep);
                if !(hide_success && res >= 0) {
                    self.ready.push_back((user_data, res, flags));
                }
                self.end(keep, res);
            }
            Found::More(request) => {
                if !(request.hide_success && res >= 0) {
                    self.ready.push_back((request.user_data, res, flags));
                }
            }
            // A message of another ring, or the tag of something registered.
            Found::Stranger => self.ready.push_back((tag, res, flags)),
            Found::Part(group, ..) => group.add(res),
            Found::LastPart(mut group, _) => {
                group.add(res);
                let res = group.result();
                if !(group.hide_success && res >= 0) {
                    self.ready.push_back((group.user_data, res, 0));
                }
            }
            Found::Ignored => {}
        }
    }

    /// Lets go of what an operation kept.
    fn end(&mut self, keep: Keeps, res: i32) {
        for keep in keep.each() {
            if let (Keep::Retag { token, user_data }, 0..) = (&**keep, res) {
                if let Some(request) = self.requests.request(token.tag()) {
                    request.user_data = *user_data;
                }
            }
        }
    }
}

impl Group {
    fn add(&mut self, res: i32) {
        if res >= 0 {
            self.done = self.done.saturating_add(res.max(1));
        } else if self.error != -libc::EALREADY {
            self.error = res;
        }
    }

    fn result(&self) -> i32 {
        if self.done > 0 { self.done } else { self.error }
    }
}
