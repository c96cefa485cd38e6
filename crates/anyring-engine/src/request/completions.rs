//! What a ring publishes: completions, flags, readability, wake-ups.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use anyring_abi::{
    IORING_CQ_EVENTFD_DISABLED, IORING_CQE_F_BUFFER, IORING_CQE_F_MORE, IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_TASKRUN_FLAG, IORING_SQ_TASKRUN,
};

use crate::ops;
use crate::os::sys;
use crate::request::Request;
use crate::ring::cq::{Completion, News};
use crate::ring::ring_wakes;
use crate::ring::shared;
use crate::ring::shared::Shared;
use crate::ring::state::{Notify, State, Waiter};

impl State {
    /// CQEs that the program has not taken yet.
    #[inline]
    pub(crate) fn cq_ready(&self) -> u32 {
        if self.gone {
            return 0;
        }
        self.cq.ready(&self.memory)
    }

    /// Posts a completion; what finds no room waits for it.
    #[inline]
    pub(crate) fn post(&mut self, c: Completion) {
        if !self.gone {
            self.cq.post(&self.memory, c, self.inside);
        }
    }

    /// Brings what waits into the queue, as far as there is room.
    pub(crate) fn flush(&mut self) {
        if !self.gone {
            self.cq.flush(&self.memory, self.inside);
        }
    }

    /// Whether the next completion would find no room, so that a multishot
    /// request should end with it.
    pub(crate) fn is_full(&self) -> bool {
        !self.gone && self.cq.is_full(&self.memory)
    }

    /// The CQ tail at which the queue holds that many CQEs.
    pub(crate) fn target(&self, wanted: u32) -> u32 {
        let head = self.memory.cq_head().load(Ordering::Acquire);
        head.wrapping_add(wanted.min(self.memory.cq_entries))
    }

    /// Whether the queue holds what a waiter waits for.
    pub(crate) fn reached(&self, target: u32) -> bool {
        self.cq.reached(target)
    }

    /// Posts a request's last completion, or holds it to be mixed with others.
    pub(crate) fn post_last(&mut self, c: Completion, timed: bool) {
        // Buffers are counted in the order of their completions, and a timeout
        // comes after those it counted.
        let ordered = timed || c.flags & IORING_CQE_F_BUFFER != 0;
        if self.holds && !ordered && self.held.try_reserve(1).is_ok() {
            return self.held.push(c);
        }
        if self.holds {
            self.release_held();
        }
        self.post(c);
    }

    /// Shows what was held, in a random order.
    pub(crate) fn release_held(&mut self) {
        while !self.held.is_empty() {
            let at = self.shuffle.below(self.held.len());
            let c = self.held.swap_remove(at);
            self.post(c);
        }
    }

    pub(crate) fn set_flag(&self, flag: u32) {
        if self.gone {
            return;
        }
        shared::set_flag(&self.memory, flag);
    }

    pub(crate) fn clear_flag(&self, flag: u32) {
        if self.gone {
            return;
        }
        shared::clear_flag(&self.memory, flag);
    }

    /// Posts a completion of a request that goes on.
    pub(crate) fn post_more(&mut self, request: &mut Request, res: i32, flags: u32) {
        request.posted = true;
        self.post(Completion {
            user_data: request.sqe.user_data,
            res,
            flags: flags | IORING_CQE_F_MORE,
            extra: None,
        });
        self.count_completion();
    }

    /// Counts for timeouts that wait for completions.
    #[inline]
    pub(crate) fn count_completion(&mut self) {
        self.count = self.count.wrapping_add(1);
        if self.timers.has_targets() {
            ops::timeout::counted(self);
        }
    }

    /// Wakes the threads that wait for what was posted. Under the lock, so
    /// that none of them can see it too late.
    pub(crate) fn notify_waiters(&mut self, signal: c_int, kick: c_int, me: u64) {
        if !self.cq.news.posted || self.gone {
            return;
        }
        ring_wakes::note_posted();
        let News {
            from_outside,
            was_empty,
            ..
        } = core::mem::take(&mut self.cq.news);
        // An edge-triggered epoll needs an event of its own for what comes while the
        // fd is readable still. What the thread that posts it waits for itself needs
        // none: it finds an empty queue, as a rule.
        let edge = from_outside || !was_empty || !self.waits_next;
        if !self.signalled || (edge && self.waiters.is_empty()) {
            self.signalled = true;
            sys::eventfd_add(signal);
        }
        if self.notify.is_some() {
            self.notify_posted(from_outside);
        }
        if self.other_satisfied(me) {
            sys::eventfd_add(kick);
        }
    }

    /// Signals the registered eventfd for what was posted, or waits for an enter.
    #[cold]
    fn notify_posted(&mut self, from_outside: bool) {
        if self.notify.as_ref().is_some_and(|notify| notify.only_async) {
            if self.by_worker {
                self.signal_notify();
            }
        } else if from_outside && self.flags & IORING_SETUP_DEFER_TASKRUN != 0 {
            self.notify_pending();
        } else {
            self.signal_notify();
        }
    }

    /// Deferred work is pending: signals that once until an enter fetches it.
    pub(crate) fn notify_pending(&mut self) {
        if !core::mem::replace(&mut self.pending_signalled, true) {
            self.signal_notify();
        }
    }

    /// Whether deferred work has to be looked out for: a registered eventfd is to be
    /// signalled for it, and was not since the last enter that fetched.
    #[inline]
    pub(crate) fn signals_pending(&self) -> bool {
        !self.pending_signalled
            && self
                .notify
                .as_ref()
                .is_some_and(|notify| !notify.only_async)
    }

    fn signal_notify(&mut self) {
        let Some(notify) = &self.notify else {
            return;
        };
        if self.memory.cq_flags().load(Ordering::Relaxed) & IORING_CQ_EVENTFD_DISABLED == 0 {
            sys::eventfd_add(notify.fd.get());
            self.notified = true;
        }
    }

    /// Whether this is the registered eventfd, and was signalled since a poll last asked.
    pub(crate) fn has_notified(&mut self, fd: c_int) -> bool {
        let notifies = |notify: &Notify| sys::is_same_file(notify.fd.get(), fd);
        let notified = self.notified && self.notify.as_ref().is_some_and(notifies);
        self.notified &= !notified;
        notified
    }

    /// Whether a waiter other than this one could go.
    pub(crate) fn other_satisfied(&self, me: u64) -> bool {
        self.waiters
            .iter()
            .any(|waiter| waiter.id != me && self.releases(waiter))
    }

    /// Whether this waiter could go.
    pub(crate) fn may_go(&self, me: u64) -> bool {
        self.waiters
            .iter()
            .any(|waiter| waiter.id == me && self.releases(waiter))
    }

    fn releases(&self, waiter: &Waiter) -> bool {
        self.reached(waiter.target) || self.timeouts != waiter.timeouts
    }

    /// The minimum wait is over: one completion is enough from now on.
    pub(crate) fn lower_target(&mut self, me: u64) {
        let target = self.target(1);
        if let Some(waiter) = self.waiters.iter_mut().find(|waiter| waiter.id == me) {
            waiter.target = target;
        }
    }

    /// On a DEFER_TASKRUN ring only an enter looks at files and timers:
    /// a program that goes by the flag has to make one as long as some are
    /// waited for.
    pub(crate) fn show_work(&self) {
        let both = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
        if self.flags & both == both && (self.waiting_events != 0 || self.cq.defers()) {
            self.set_flag(IORING_SQ_TASKRUN);
        }
    }

    /// The ring fd is readable and the queue empty: makes it unreadable.
    pub(crate) fn clear_readable(&mut self, signal: c_int) {
        if self.signalled && self.cq_ready() == 0 && !self.cq.has_more() {
            sys::drain(signal);
            self.signalled = false;
        }
    }
}
