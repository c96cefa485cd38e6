//! What follows a request: its result, its chain, its time limit, drains.

use anyring_abi::{
    IORING_CQE_F_MORE, IORING_CQE_F_NOTIF, IORING_OP_LINK_TIMEOUT, IORING_OP_TIMEOUT, IOSQE_ASYNC,
    IOSQE_IO_DRAIN, IOSQE_IO_HARDLINK,
};

use crate::ops;
use crate::request::{Id, Request};
use crate::ring::cq::Completion;
use crate::ring::state::State;

impl State {
    /// Posts the result and goes on with the chain.
    pub(crate) fn finish(
        &mut self,
        mut request: Request,
        res: i32,
        flags: u32,
        extra: Option<[u64; 2]>,
    ) {
        let drains = core::mem::take(&mut self.hands_drain_on);
        let short = ops::link::fell_short(&request, res);
        let flags = if request.selected.is_some() {
            flags | self.settle_buffer(&mut request, res)
        } else {
            flags
        };
        let is_notification = flags & IORING_CQE_F_NOTIF != 0;
        let failed = res < 0 && !is_notification && !ops::link::counts_as_success(&request, res)
            || request.failed
            || short;
        let counts = request.sqe.opcode != IORING_OP_TIMEOUT as u8;
        if failed || !request.skips_success() {
            let c = Completion {
                user_data: request.sqe.user_data,
                res,
                flags,
                extra,
            };
            if request.owes {
                self.post_with_notification(&mut request, c);
            } else if !(self.hindered && self.delays(&request, &c, !counts)) {
                self.post_last(c, !counts);
            }
        }
        if counts {
            self.count_completion();
        }
        if let Some(guard) = request.guard.take() {
            // Its time limit is not needed any more.
            self.cancel_guard(guard);
        }
        while let Some(next) = request.next.take() {
            let next = self.id_of(next);
            if self
                .get(next)
                .is_some_and(|r| r.sqe.opcode == IORING_OP_LINK_TIMEOUT as u8)
            {
                // Finished before its time limit could start.
                if let Some(mut limit) = self.take(next) {
                    request.next = limit.next.take();
                    limit.started = true;
                    self.end(Some(next), limit, -libc::ECANCELED, 0, None);
                }
                continue;
            }
            if request.has(IOSQE_ASYNC) {
                self.stay_with_worker(next);
            }
            if failed && !request.has(IOSQE_IO_HARDLINK) {
                self.cancel_chain(next, request.skips_success());
            } else if self.ready.try_reserve(1).is_ok() {
                self.ready.push_back(next.slot);
                if drains {
                    self.draining = Some(next);
                }
            } else {
                self.cancel_chain(next, false);
            }
        }
    }

    /// What follows a request of a worker in its chain is that worker's: a write
    /// sends the program no SIGPIPE.
    fn stay_with_worker(&mut self, next: Id) {
        if let Some(next) = self.get_mut(next) {
            if next.def.rw {
                next.sqe.flags |= IOSQE_ASYNC as u8;
            }
        }
    }

    /// Cancels a chain from this request on.
    fn cancel_chain(&mut self, first: Id, silent: bool) {
        let mut at = Some(first);
        while let Some(id) = at {
            let Some(mut request) = self.take(id) else {
                return;
            };
            at = request.next.take().map(|slot| self.id_of(slot));
            if request.counted {
                self.running -= 1;
            }
            if self.draining == Some(id) {
                self.draining = None;
            }
            self.release(id);
            if !silent {
                self.post(Completion {
                    user_data: request.sqe.user_data,
                    res: -libc::ECANCELED,
                    flags: 0,
                    extra: None,
                });
            }
            self.notify(&mut request);
            self.count_completion();
        }
    }

    /// Posts the completion of a zero-copy send that could not be begun.
    #[cold]
    fn post_with_notification(&mut self, request: &mut Request, c: Completion) {
        self.release_held();
        self.post(Completion {
            flags: c.flags | IORING_CQE_F_MORE,
            ..c
        });
        self.count_completion();
        self.notify(request);
    }

    /// Posts the notification that a request owes.
    pub(crate) fn notify(&mut self, request: &mut Request) {
        if core::mem::take(&mut request.owes) {
            let c = Completion {
                user_data: request.sqe.user_data,
                res: ops::net::send::usage(request),
                flags: IORING_CQE_F_NOTIF,
                extra: None,
            };
            if !(self.hindered && self.delays_notification(request, &c)) {
                self.post(c);
            }
        }
    }

    /// A request that waits to be started by its chain is cancelled: the rest
    /// of the chain with it.
    pub(crate) fn cancel_linked(&mut self, id: Id) {
        // The request before it must not point to it any more.
        for slot in &mut self.slots {
            if let Some(request) = &mut slot.request {
                if request.next == Some(id.slot) {
                    request.next = None;
                }
            }
        }
        self.ready.retain(|slot| *slot != id.slot);
        self.cancel_chain(id, false);
    }

    /// Goes on with everything that can: chains, drains, tags.
    #[inline]
    pub(crate) fn advance(&mut self) {
        if !(self.stopped.is_empty() && self.ready.is_empty() && self.drain.is_empty()) {
            self.go_on();
        }
        // Who used them last has its completion by now.
        if self.files.table.has_dying() || self.buffers.has_dying() {
            self.post_tags();
        }
    }

    #[inline(never)]
    fn go_on(&mut self) {
        loop {
            self.end_stopped();
            while let Some(slot) = self.ready.pop_front() {
                let id = self.id_of(slot);
                self.run_stored(id);
                self.end_stopped();
            }
            if self.drain.is_empty() {
                return;
            }
            let before = self.drain.len();
            self.undrain();
            if self.ready.is_empty() && self.drain.len() == before {
                return;
            }
        }
    }

    /// If the next in the chain is a link timeout, it starts with this one.
    pub(crate) fn guard(&mut self, id: Id) {
        let Some(next) = self.get(id).and_then(|request| request.next) else {
            return;
        };
        let next = self.id_of(next);
        if self
            .get(next)
            .is_none_or(|r| r.sqe.opcode != IORING_OP_LINK_TIMEOUT as u8)
        {
            return;
        }
        let Some(mut timeout) = self.take(next) else {
            return;
        };
        if let Some(request) = self.get_mut(id) {
            request.next = timeout.next.take();
            request.guard = Some(next);
        }
        timeout.guarded = Some(id);
        let outcome = ops::timeout::start_link(self, &mut timeout);
        self.settle(Some(next), timeout, outcome);
    }

    /// The guarded request finished first.
    fn cancel_guard(&mut self, guard: Id) {
        if let Some(mut timeout) = self.take(guard) {
            timeout.guarded = None;
            self.end(Some(guard), timeout, -libc::ECANCELED, 0, None);
        }
    }

    /// Whether nothing runs, or is about to as the next of its chain.
    pub(crate) fn is_idle(&self) -> bool {
        self.running == 0 && self.ready.is_empty()
    }

    /// Lets what waited for a drain go, if it may.
    pub(crate) fn undrain(&mut self) {
        while let Some(slot) = self.drain.front().copied() {
            let id = self.id_of(slot);
            let drained = self.get(id).is_some_and(|r| r.has(IOSQE_IO_DRAIN));
            if self.draining.is_some() || (drained && !self.is_idle()) {
                return;
            }
            self.drain.pop_front();
            if self.get(id).is_none() {
                continue;
            }
            if drained {
                self.draining = Some(id);
            }
            self.run_stored(id);
        }
    }

    /// A deferred request is cancelled: it leaves the line.
    pub(crate) fn leave_drain(&mut self, id: Id) {
        self.drain.retain(|slot| *slot != id.slot);
    }
}
