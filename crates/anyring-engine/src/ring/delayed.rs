//! Completions that chaos holds back for a time.

use alloc::vec::Vec;
use core::ffi::c_int;

use crate::os::sys::{self, Fd};
use crate::ring::cq::Completion;

/// The token of their timer in the ring's epoll, below those of the ring's own.
pub(crate) const LATE: u64 = u64::MAX - 16;

/// Completions, each with the time at which it shows.
#[derive(Debug, Default)]
pub(crate) struct Delayed {
    timer: Option<Fd>,
    queue: Vec<(u64, Completion)>,
}

impl Delayed {
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Keeps a completion for so many microseconds; false if that cannot be.
    pub(crate) fn keep(&mut self, epoll: c_int, c: Completion, micros: u64) -> bool {
        if self.timer.is_none() {
            let Ok(timer) = sys::timerfd(libc::CLOCK_MONOTONIC) else {
                return false;
            };
            let (add, events) = (libc::EPOLL_CTL_ADD, libc::EPOLLIN as u32);
            if sys::epoll_ctl(epoll, add, timer.get(), events, LATE).is_err() {
                return false;
            }
            self.timer = Some(timer);
        }
        if self.queue.try_reserve(1).is_err() {
            return false;
        }
        let at = sys::now(libc::CLOCK_MONOTONIC).saturating_add(micros.saturating_mul(1000));
        self.queue.push((at, c));
        self.set();
        true
    }

    /// The next that is due or, with `all`, that is there.
    pub(crate) fn next(&mut self, all: bool) -> Option<Completion> {
        let now = sys::now(libc::CLOCK_MONOTONIC);
        let first = (0..self.queue.len()).min_by_key(|at| self.queue[*at].0);
        match first {
            Some(at) if all || self.queue[at].0 <= now => Some(self.queue.remove(at).1),
            _ => {
                self.set();
                None
            }
        }
    }

    fn set(&self) {
        let first = self.queue.iter().map(|(at, _)| *at).min();
        if let Some(timer) = &self.timer {
            sys::timerfd_set(timer.get(), first);
        }
    }

    /// Forgets them all.
    pub(crate) fn clear(&mut self) {
        *self = Delayed::default();
    }
}
