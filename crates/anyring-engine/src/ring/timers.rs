//! Points in time that requests wait for, one queue and one timerfd a clock.

use alloc::vec::Vec;
use core::ffi::c_int;

use crate::os::sys::{self, Fd};
use crate::request::Id;
use crate::ring::{CLOCKS, TIMER};

#[derive(Debug, Default)]
struct Clock {
    timer: Option<Fd>,
    /// Sorted, the earliest last.
    queue: Vec<(u64, Id)>,
    set: Option<u64>,
}

/// All timers of a ring.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    clocks: [Clock; 3],
    /// Requests that a number of completions ends.
    targets: Vec<(u32, Id)>,
}

impl Timers {
    /// Makes room for a point of a clock, so that the next [`add`](Self::add) of
    /// one cannot fail.
    pub(crate) fn prepare(&mut self, epoll: c_int, clock: usize) -> Result<(), c_int> {
        let entry = &mut self.clocks[clock];
        if entry.timer.is_none() {
            let timer = sys::timerfd(CLOCKS[clock])?;
            sys::epoll_ctl(
                epoll,
                libc::EPOLL_CTL_ADD,
                timer.get(),
                libc::EPOLLIN as u32,
                TIMER - clock as u64,
            )?;
            entry.timer = Some(timer);
        }
        entry.queue.try_reserve(1).map_err(|_| -libc::ENOMEM)
    }

    /// Adds a point of a clock.
    pub(crate) fn add(&mut self, epoll: c_int, clock: usize, at: u64, id: Id) -> Result<(), c_int> {
        self.prepare(epoll, clock)?;
        let entry = &mut self.clocks[clock];
        let place = entry.queue.partition_point(|(other, _)| *other > at);
        entry.queue.insert(place, (at, id));
        self.set(clock);
        Ok(())
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Timers::default();
    }

    /// Removes a request's point.
    pub(crate) fn remove(&mut self, id: Id) -> bool {
        let mut found = false;
        for clock in 0..CLOCKS.len() {
            let queue = &mut self.clocks[clock].queue;
            if let Some(place) = queue.iter().position(|(_, other)| *other == id) {
                queue.remove(place);
                self.set(clock);
                found = true;
            }
        }
        self.targets.retain(|(_, other)| *other != id);
        found
    }

    /// Whether a point is reached.
    pub(crate) fn is_due(&self, clock: usize) -> bool {
        let earliest = self.clocks[clock].queue.last();
        earliest.is_some_and(|(at, _)| *at <= sys::now(CLOCKS[clock]))
    }

    /// Takes a point that is reached.
    pub(crate) fn due(&mut self, clock: usize) -> Option<Id> {
        let (at, id) = *self.clocks[clock].queue.last()?;
        if at > sys::now(CLOCKS[clock]) {
            return None;
        }
        self.clocks[clock].queue.pop();
        Some(id)
    }

    /// Sets the timer to the earliest point.
    pub(crate) fn set(&mut self, clock: usize) {
        let entry = &mut self.clocks[clock];
        let earliest = entry.queue.last().map(|(at, _)| *at);
        if earliest != entry.set {
            if let Some(timer) = &entry.timer {
                sys::timerfd_set(timer.get(), earliest);
            }
            entry.set = earliest;
        }
    }

    /// The timer fired: it is not set any more.
    pub(crate) fn fired(&mut self, clock: usize) {
        let entry = &mut self.clocks[clock];
        if let Some(timer) = &entry.timer {
            sys::drain(timer.get());
        }
        entry.set = None;
    }

    /// Adds a number of completions to wait for.
    pub(crate) fn add_target(&mut self, target: u32, id: Id) -> Result<(), c_int> {
        self.targets.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
        self.targets.push((target, id));
        Ok(())
    }

    #[inline]
    pub(crate) fn has_targets(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Takes a request whose number is reached.
    pub(crate) fn reached(&mut self, count: u32) -> Option<Id> {
        let place = self
            .targets
            .iter()
            .position(|(target, _)| count.wrapping_sub(*target) as i32 >= 0)?;
        Some(self.targets.remove(place).1)
    }
}

/// Nanoseconds of a time span. The kernel neither checks nor normalises the two parts,
/// it adds them up: nanoseconds may be a second and more, and either part negative.
pub(crate) fn nanos(t: anyring_abi::__kernel_timespec) -> i64 {
    t.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(t.tv_nsec)
}

/// The point of a clock that lies a span after another one; one beyond counting
/// never comes.
pub(crate) fn after(start: u64, span: i64) -> u64 {
    start.saturating_add_signed(span)
}
