//! Submitting and waiting.

use std::time::{Duration, Instant};

use anyring::Errno;
use anyring_abi as abi;
use anyring_abi::__kernel_timespec;
use pyo3::prelude::*;

use super::{State, checked, raise};

impl State {
    /// Submits all that was prepared and waits for `wait` completions; the
    /// number taken. Another call on the ring meanwhile raises RuntimeError.
    pub(crate) fn enter(&mut self, py: Python<'_>, wait: u32) -> PyResult<u32> {
        let mut total = 0;
        loop {
            self.stage(py)?;
            let last = self.entries.is_empty();
            let ring = self.queue()?.ring();
            let result = if last && wait > 0 {
                let place = Raw(ring);
                // The slots keep what the entries point to until their last
                // completion.
                crate::detach::detach(py, move || place.ring().submit_and_wait(wait))
            } else {
                ring.submit()
            };
            let taken = match checked(result) {
                Ok(taken) => taken,
                Err(error) => {
                    py.check_signals()?;
                    return Err(error);
                }
            };
            total += taken;
            // Nothing is taken of a queue that is not looked at any more (a resize that
            // failed after the kernel's half): the rest stays prepared.
            if last || taken == 0 {
                let hidden = self.extra.min(total);
                self.extra -= hidden;
                return Ok(total - hidden);
            }
        }
    }

    /// Submits and waits for `wait` completions, those at hand included.
    #[inline]
    pub(crate) fn submit(&mut self, py: Python<'_>, wait: u32) -> PyResult<u32> {
        let held = u32::try_from(self.ready()).unwrap_or(u32::MAX);
        self.enter(py, wait.saturating_sub(held))
    }

    /// Waits until `count` completions are ready, at most `nanoseconds`, with
    /// `least_usec` for one; the number ready, fewer when the time is over or
    /// a signal came and there are some.
    pub(crate) fn wait(
        &mut self,
        py: Python<'_>,
        count: usize,
        nanoseconds: Option<u64>,
        least_usec: u32,
        sigmask: Option<u64>,
    ) -> PyResult<usize> {
        let end = nanoseconds.map(|time| Instant::now().checked_add(Duration::from_nanos(time)));
        let content = least_usec > 0;
        loop {
            self.harvest()?;
            if self.ready() >= count {
                return Ok(self.ready());
            }
            let missing = u32::try_from(count - self.ready()).unwrap_or(u32::MAX);
            let mut left = end
                .flatten()
                .map(|end| end.saturating_duration_since(Instant::now()));
            let mut least_usec = least_usec;
            if least_usec > 0 && self.ready() > 0 {
                // One is here already: only the least time is left to wait.
                let least = Duration::from_micros(least_usec.into());
                left = Some(left.map_or(least, |left| left.min(least)));
                least_usec = 0;
            }
            let left = left.map(|left| __kernel_timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: i64::from(left.subsec_nanos()) as _,
            });
            let result = self.block(py, missing, left.as_ref(), least_usec, sigmask);
            self.harvest()?;
            if self.ready() >= count {
                return Ok(self.ready());
            }
            if content && self.ready() > 0 && result != Err(Errno(libc::EINTR)) {
                // A batch that is not full after the least time will do.
                return Ok(self.ready());
            }
            if let Err(error) = result {
                py.check_signals()?;
                if self.ready() > 0 && matches!(error, Errno(libc::ETIME | libc::EINTR)) {
                    // As the kernel has it: what is here outweighs the end of
                    // the wait.
                    return Ok(self.ready());
                }
                return Err(raise(error));
            }
        }
    }

    fn block(
        &mut self,
        py: Python<'_>,
        missing: u32,
        left: Option<&__kernel_timespec>,
        least_usec: u32,
        sigmask: Option<u64>,
    ) -> Result<(), Errno> {
        let Some(queue) = self.queue.as_mut() else {
            return Err(Errno(libc::EBADF));
        };
        let queued = queue.raw().sq.sqe_tail != queue.raw().sq.sqe_head;
        let has_ext_arg = queue.raw().features & abi::IORING_FEAT_EXT_ARG != 0;
        let place = Raw(queue.ring());
        if left.is_some() && !has_ext_arg && queued {
            // Such a wait would submit what nobody asked to submit.
            return Err(Errno(libc::EBUSY));
        }
        let left = left.copied();
        let waited = crate::detach::detach(py, move || {
            let left = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            let mask = sigmask
                .as_ref()
                .map_or(std::ptr::null(), |mask| std::ptr::from_ref(mask).cast());
            let ring = place.ring();
            // SAFETY: time and mask live through the call; kernels without
            // EXT_ARG copy the time at submission.
            let waited = unsafe {
                if least_usec > 0 {
                    ring.wait_cqes_min_timeout(missing, left, least_usec, mask)
                } else {
                    ring.wait_cqes(missing, left, mask)
                }
            };
            waited.map(|waited| (waited.result, waited.cqe.is_null()))
        });
        match waited {
            Ok((result, true)) if result >= 0 && missing > 0 && left.is_some() => {
                Err(Errno(libc::ETIME))
            }
            Ok((result, _)) => anyring::check(result).map(drop),
            Err(error) => Err(Errno(-error)),
        }
    }

    /// Lets the kernel post what it holds back; the number ready.
    pub(crate) fn peek(&mut self) -> PyResult<usize> {
        let deferred = abi::IORING_SETUP_DEFER_TASKRUN | abi::IORING_SETUP_IOPOLL;
        let queue = self.queue()?;
        let deferred = queue.raw().flags & deferred != 0;
        let ring = queue.ring();
        if deferred || ring.cq_has_overflow() {
            ring.get_events();
        }
        self.harvest()?;
        Ok(self.ready())
    }
}

/// The ring in a wait that goes on without the interpreter lock.
#[derive(Clone, Copy)]
pub(crate) struct Raw(pub(crate) anyring::RingRef<crate::Serving>);

impl Raw {
    pub(crate) fn ring(self) -> anyring::RingRef<crate::Serving> {
        self.0
    }
}

// SAFETY: the state is held exclusively while the wait lasts.
unsafe impl Send for Raw {}
