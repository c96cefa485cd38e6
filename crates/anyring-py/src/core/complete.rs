//! What the kernel finished.

use std::collections::VecDeque;

use pyo3::prelude::*;

use super::{Group, Request, State};
use crate::cqe::Completed;
use crate::inflight::{Found, Table};
use crate::keep::{Keep, Keeps};

impl State {
    /// Takes every completion out of the kernel's queue; what an operation
    /// kept alive goes with its last one.
    pub(crate) fn harvest(&mut self) -> PyResult<()> {
        self.queue()?;
        let State {
            queue: Some(queue),
            requests,
            ready,
            ..
        } = self
        else {
            return Ok(());
        };
        let count = queue.count();
        if count == 0 {
            return Ok(());
        }
        let more = count as usize;
        if more > ready.capacity() - ready.len()
            && crate::reserve::giving_up(|| ready.try_reserve(more)).is_err()
        {
            // They stay in the kernel's queue.
            return Err(crate::reserve::short());
        }
        queue.take(count, |entry| complete(requests, ready, entry));
        Ok(())
    }

    /// The same for a completion that was taken.
    pub(super) fn complete(&mut self, entry: Completed) {
        complete(&mut self.requests, &mut self.ready, entry);
    }
}

/// Hands one completion to its request.
#[inline(always)]
fn complete(
    requests: &mut Table<Request, Group>,
    ready: &mut VecDeque<Completed>,
    (tag, res, flags): Completed,
) {
    match requests.end_alone(tag, flags) {
        Some(Request {
            user_data,
            keep,
            hide_success: false,
        }) => {
            ready.push_back((*user_data, res, flags));
            if !matches!(keep, Keeps::None) {
                let keep = std::mem::take(keep);
                end(requests, keep, res);
            }
        }
        Some(request) => {
            let (user_data, keep) = (request.user_data, std::mem::take(&mut request.keep));
            if res < 0 {
                ready.push_back((user_data, res, flags));
            }
            end(requests, keep, res);
        }
        None => complete_otherwise(requests, ready, (tag, res, flags)),
    }
}

/// The same for a completion that is not just the end of a request of its own.
#[inline(never)]
fn complete_otherwise(
    requests: &mut Table<Request, Group>,
    ready: &mut VecDeque<Completed>,
    (tag, res, flags): Completed,
) {
    match requests.complete(tag, flags) {
        Found::Last(request) => {
            let Request {
                user_data,
                hide_success,
                ..
            } = *request;
            let keep = std::mem::take(&mut request.keep);
            if !(hide_success && res >= 0) {
                ready.push_back((user_data, res, flags));
            }
            end(requests, keep, res);
        }
        Found::More(request) => {
            if !(request.hide_success && res >= 0) {
                ready.push_back((request.user_data, res, flags));
            }
        }
        // A message of another ring, or the tag of something registered.
        Found::Stranger => ready.push_back((tag, res, flags)),
        Found::Part(group, ..) => group.add(res),
        Found::LastPart(mut group, _) => {
            group.add(res);
            let res = group.result();
            if !(group.hide_success && res >= 0) {
                ready.push_back((group.user_data, res, 0));
            }
        }
        Found::Ignored => {}
    }
}

/// Lets go of what an operation kept.
fn end(requests: &mut Table<Request, Group>, keep: Keeps, res: i32) {
    let Keeps::Some(keep) = keep else {
        return;
    };
    if let (Keep::Retag { token, user_data }, 0..) = (&*keep, res) {
        if let Some(request) = requests.request(token.tag()) {
            request.user_data = *user_data;
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
