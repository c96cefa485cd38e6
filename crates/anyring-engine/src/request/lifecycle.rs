//! How a request starts, waits and ends.

use anyring_abi::{IOSQE_ASYNC, IOSQE_IO_DRAIN, io_uring_sqe};

use crate::ops;
use crate::os::sys::{Fd, Sys};
use crate::request::{Data, File, Id, Outcome, Request, Stage};
use crate::ring::cq::Completion;
use crate::ring::state::State;

impl State {
    /// Starts a request that no chain contains.
    pub(crate) fn begin_alone(&mut self, request: Request) {
        if !self.shuffle.is_on() {
            return self.begin(request);
        }
        if request.has(IOSQE_IO_DRAIN) {
            self.release_held();
            return self.begin(request);
        }
        self.holds = true;
        self.begin(request);
        self.holds = false;
    }

    /// Completes an SQE that no request was made of.
    #[inline]
    pub(crate) fn complete_at_once(&mut self, user_data: u64, res: i32) {
        if self.inside && !self.gone {
            self.cq.post_short(&self.memory, user_data, res);
        } else {
            self.post(Completion {
                user_data,
                res,
                flags: 0,
                extra: None,
            });
        }
        self.count_completion();
    }

    /// Makes the request of an SQE whose system call was made and did not end it.
    #[inline(never)]
    pub(crate) fn begin_tried(&mut self, sqe: io_uring_sqe, result: Sys) {
        let mut request = self.request(sqe);
        let outcome = ops::start_tried(self, &mut request, result);
        self.settle(None, request, outcome);
    }

    /// Starts a chain (or a request without one), unless a drain stands before
    /// it.
    pub(crate) fn begin(&mut self, request: Request) {
        if request.has(IOSQE_IO_DRAIN) || !self.drain.is_empty() || self.draining.is_some() {
            self.begin_in_line(request);
        } else {
            self.run(request);
        }
    }

    #[inline(never)]
    fn begin_in_line(&mut self, mut request: Request) {
        // The kernel has its workers start what drains.
        request.sqe.flags |= IOSQE_ASYNC as u8;
        if let Err(error) = ops::prepare(&mut request) {
            return self.finish(request, error, 0, None);
        }
        match self.store(request) {
            Ok(id) => self.begin_stored(id),
            Err(request) => self.finish(request, -libc::ENOMEM, 0, None),
        }
    }

    /// Starts a stored request (of a chain, or alone), unless a drain stands before it.
    #[inline(never)]
    pub(crate) fn begin_stored(&mut self, id: Id) {
        let drained = self.get(id).is_some_and(|r| r.has(IOSQE_IO_DRAIN));
        let idle = self.is_idle() && self.drain.is_empty() && self.draining.is_none();
        if (drained && !idle) || !self.drain.is_empty() || self.draining.is_some() {
            if self.drain.try_reserve(1).is_err() {
                if let Some(request) = self.take(id) {
                    self.release(id);
                    self.finish(request, -libc::ENOMEM, 0, None);
                }
                return;
            }
            if let Some(request) = self.get_mut(id) {
                request.stage = Stage::Deferred;
            }
            self.drain.push_back(id.slot);
        } else {
            if drained {
                self.draining = Some(id);
            }
            self.run_stored(id);
        }
    }

    /// Runs a request that is not stored: most finish here.
    #[inline]
    fn run(&mut self, mut request: Request) {
        match ops::start(self, &mut request) {
            Outcome::Done(res) => self.end(None, request, res, 0, None),
            outcome => self.settle(None, request, outcome),
        }
    }

    /// Runs a stored request, or goes on with it.
    #[inline(never)]
    pub(crate) fn run_stored(&mut self, id: Id) {
        let Some(mut request) = self.take(id) else {
            return;
        };
        request.stage = Stage::Running;
        let outcome = ops::start(self, &mut request);
        self.settle(Some(id), request, outcome);
    }

    /// Goes on with a request after the pool or a message finished a step.
    #[inline(never)]
    pub(crate) fn resume(&mut self, id: Id, res: i32) {
        if let Some(at) = self.left.iter().position(|left| left.0 == id) {
            self.left.swap_remove(at);
            if res >= 0 {
                self.close_batch.close(Fd::own(res));
            }
            return;
        }
        let Some(mut request) = self.take(id) else {
            return;
        };
        request.stage = Stage::Running;
        let outcome = if request.cancelled && res == -libc::EINTR {
            Outcome::Done(-libc::ECANCELED)
        } else {
            ops::finish(self, &mut request, res)
        };
        self.settle(Some(id), request, outcome);
    }

    /// Does what a step decided.
    #[inline(never)]
    pub(crate) fn settle(&mut self, id: Option<Id>, mut request: Request, outcome: Outcome) {
        let stage = match outcome {
            Outcome::Done(res) => return self.end(id, request, res, 0, None),
            Outcome::DoneWith(res, flags) => return self.end(id, request, res, flags, None),
            Outcome::DoneBig(res, extra) => return self.end(id, request, res, 0, Some(extra)),
            // Where that goes on is decided by then.
            Outcome::WouldBlock => return self.end(id, request, -libc::EAGAIN, 0, None),
            Outcome::Poll(_) => Stage::Polling,
            Outcome::Work(_) => Stage::Working,
            Outcome::Suspended(stage) => stage,
        };
        if !request.counted {
            request.counted = true;
            self.running += 1;
        }
        request.stage = stage;
        let id = match id {
            Some(id) => {
                self.put(id, request);
                id
            }
            None => match self.store(request) {
                Ok(id) => id,
                Err(request) => return self.end(None, request, -libc::ENOMEM, 0, None),
            },
        };
        match outcome {
            Outcome::Poll(events) => self.arm(id, events),
            Outcome::Work(work) => {
                let disarmed = self.disarm(id);
                if let Err(error) = disarmed.and_then(|()| self.queue_work(id, work)) {
                    self.fail(id, error);
                }
            }
            Outcome::Suspended(Stage::Timing) => ops::timeout::armed(self, id),
            Outcome::Suspended(Stage::Messaging) => ops::msg_ring::named(self, id),
            _ => {}
        }
        self.guard(id);
    }

    /// Stops a stored request: it ends with this result when the request that is
    /// at work now has posted its own, as in the kernel, where the one that
    /// cancels completes first.
    pub(crate) fn stop(&mut self, id: Id, res: i32) {
        if self.stopped.try_reserve(1).is_err() {
            return self.fail(id, res);
        }
        if let Some(request) = self.get_mut(id) {
            request.stage = Stage::Stopped;
            self.stopped.push_back((id, res));
        }
    }

    /// Ends an open that a worker waits in: the worker goes on with what the call
    /// uses, and a descriptor that it gets is closed.
    pub(crate) fn leave(&mut self, id: Id) {
        if self.left.try_reserve(1).is_err() {
            return;
        }
        if let Some(request) = self.get_mut(id) {
            let data = core::mem::replace(&mut request.data, Data::None);
            let directory = core::mem::replace(&mut request.second, File::None);
            self.left.push((id, data, directory));
            self.stop(id, -libc::EINTR);
        }
    }

    /// Ends what was stopped.
    pub(crate) fn end_stopped(&mut self) {
        while let Some((id, res)) = self.stopped.pop_front() {
            self.fail(id, res);
        }
    }

    /// Ends a stored request with an error; what it moved already counts.
    pub(crate) fn fail(&mut self, id: Id, mut res: i32) {
        if let Some(mut request) = self.take(id) {
            if request.started && request.done != 0 {
                request.failed = true;
                res = request.done as i32;
            }
            self.end(Some(id), request, res, 0, None);
        }
    }

    /// Frees the slot and finishes.
    pub(crate) fn end(
        &mut self,
        id: Option<Id>,
        mut request: Request,
        res: i32,
        mut flags: u32,
        extra: Option<[u64; 2]>,
    ) {
        if let Some(mut watch) = request.watch.take() {
            if request.selected.is_some() {
                // Its length goes with the buffer.
                request.failed |= ops::link::fell_short(&request, res);
                // While the file can still be asked.
                flags |= self.settle_buffer(&mut request, res);
            }
            self.unwatch(&watch);
            if let Some(own) = watch.own.take() {
                self.close_batch.close(own);
            }
        }
        // A timer that was read but never started is not to be stopped.
        let timed = request.stage == Stage::Timing || matches!(request.data, Data::Timer(_));
        if timed && request.counted {
            if let Some(id) = id {
                ops::timeout::disarmed(self, id);
            }
        }
        if request.counted {
            self.running -= 1;
        }
        if let Some(id) = id {
            if self.draining == Some(id) {
                self.draining = None;
                self.hands_drain_on = true;
            }
            self.release(id);
        }
        self.finish(request, res, flags, extra);
    }
}
