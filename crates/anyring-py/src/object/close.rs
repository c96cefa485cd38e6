//! Ending: of a ring with operations in flight, and of operations that never
//! reached the kernel.

use std::time::{Duration, Instant};

use anyring::Completion;
use anyring_abi as abi;
use anyring_abi::{__kernel_timespec, io_uring_sqe};
use pyo3::prelude::*;

use super::engine::{Engine, News, Owned};
use super::flow::deliver;
use super::group::ended;
use super::requests::{Owner, Started};
use crate::fork::generation;
use crate::inflight::Token;

/// How long closing waits for the kernel to let go.
const PATIENCE: Duration = Duration::from_secs(1);

impl Engine {
    /// Ends an entry that the kernel never saw.
    pub(super) fn abandon(&mut self, py: Python<'_>, token: u64) {
        let mut over = Vec::new();
        let cancelled = Completion::new(token, -libc::ECANCELED, 0);
        deliver(py, &mut self.requests, &mut self.news, &mut over, cancelled);
    }

    /// Tells a handle that its operation will not be done.
    fn cancelled(&mut self, py: Python<'_>, owner: Owner) {
        match owner {
            Owner::Nobody => {}
            Owner::Operation(handle) => {
                handle.get().complete(py, -libc::ECANCELED, 0);
                self.news.extend(ended(handle));
            }
            Owner::Batch(handle, results) => {
                for place in 0..results.count as usize {
                    // SAFETY: inside the array, which the batch keeps.
                    unsafe {
                        let result = results.first.add(place);
                        if *result == super::batch::UNKNOWN {
                            *result = -libc::ECANCELED;
                        }
                    }
                }
                handle.get().end();
                self.news.push_back(News::Batch(handle));
            }
            Owner::Stream(handle) => {
                if handle.get().arrived(-libc::ECANCELED, 0, false) {
                    self.news.push_back(News::Stream(handle));
                }
            }
        }
    }

    /// Ends what the kernel has not ended, and never frees what that keeps: the
    /// kernel may still use it.
    fn give_up(&mut self, py: Python<'_>) {
        let mut left = Vec::new();
        self.requests.end_all(
            |never| match never {},
            |Started { owner, hold }| {
                std::mem::forget(hold);
                left.push(owner);
            },
        );
        for owner in left {
            self.cancelled(py, owner);
        }
    }

    /// Ends everything; what is left are handles that know how they ended.
    pub(super) fn shut(&mut self, py: Python<'_>) {
        self.take_down(py);
        // Nobody can ask for them any more, and they hold the ring.
        drop(std::mem::take(&mut self.news));
    }

    /// Cancels, waits a bounded time, and gives up memory the kernel may
    /// still use rather than free it.
    fn take_down(&mut self, py: Python<'_>) {
        self.chain = None;
        if self.process != generation() {
            // The parent's: its memory and descriptor are left alone.
            std::mem::forget(self.ring.take());
            std::mem::forget(std::mem::take(&mut self.buffers));
            std::mem::forget(std::mem::take(&mut self.pools));
            self.give_up(py);
            return;
        }
        if self.ring.is_none() {
            return;
        }
        for sqe in std::mem::take(&mut self.pending) {
            self.abandon(py, sqe.user_data);
        }
        let end = Instant::now() + PATIENCE;
        while self.requests.live_shares() > 0 && Instant::now() < end && self.cancel_everything(py)
        {
        }
        let intact = self
            .ring
            .as_mut()
            .is_some_and(|owned| crate::is_intact(&mut owned.0));
        let idle = self.requests.live_shares() == 0 && intact;
        for pool in std::mem::take(&mut self.pools) {
            if let Some(Owned(ring)) = self.ring.as_mut() {
                pool.detach(ring);
            }
            if !idle {
                std::mem::forget(pool);
            }
        }
        self.ring = None;
        self.give_up(py);
        let buffers = std::mem::take(&mut self.buffers);
        if !idle {
            std::mem::forget(buffers);
        }
    }

    /// One round; whether another one makes sense.
    fn cancel_everything(&mut self, py: Python<'_>) -> bool {
        let Some(Owned(ring)) = self.ring.as_mut() else {
            return false;
        };
        // SAFETY: all zeroes is a NOP.
        let mut cancel: io_uring_sqe = unsafe { std::mem::zeroed() };
        cancel.opcode = abi::IORING_OP_ASYNC_CANCEL as u8;
        cancel.fd = -1;
        cancel.op_flags = abi::IORING_ASYNC_CANCEL_ANY | abi::IORING_ASYNC_CANCEL_ALL;
        // Of no request: its completion is a message.
        cancel.user_data = Token::NOBODY.tag();
        let _ = ring.push_sqe(cancel);
        let pause = __kernel_timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        };
        let submitted = crate::detach::detach(py, || {
            // SAFETY: the slots keep what the entries point to.
            let submitted = unsafe { ring.submit() };
            let _ = ring.wait(2, Some(&pause));
            submitted
        });
        let known = self.news.len();
        let harvested = self.collect(py, true);
        // The completion of the cancellation itself is no message.
        let mut fresh = self.news.split_off(known.min(self.news.len()));
        fresh.retain(|news| !matches!(news, News::Message(_)));
        self.news.append(&mut fresh);
        harvested.is_ok() && !submitted.is_err_and(|error| error.0 != libc::EBUSY)
    }
}
