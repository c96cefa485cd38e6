//! The ring's epoll: which files requests wait for, and what happens then.

use alloc::sync::Arc;
use core::ffi::c_int;

use crate::ops;
use crate::request::{File, Id, Stage, Watch};
use crate::ring::{CLOCKS, KICK, Ring, TIMER};
use crate::state::State;
use crate::sys::{self, EVENTS, Event};
use crate::user;

impl State {
    /// Waits for a file to become ready. A file that cannot be waited for is
    /// always ready: what would block there goes to the pool.
    pub(crate) fn arm(&mut self, id: Id, events: u32) {
        let epoll = self.epoll;
        let Some(request) = self.get_mut(id) else {
            return;
        };
        let wanted = events | libc::EPOLLERR as u32 | libc::EPOLLHUP as u32;
        if let Some(watch) = &mut request.watch {
            if watch.events != wanted {
                watch.events = wanted;
                let fd = watch.fd.get();
                let _ = sys::epoll_ctl(epoll, libc::EPOLL_CTL_MOD, fd, wanted, id.token());
            }
            return;
        }
        let second = request.waits_for_second;
        let file = if second {
            &request.second
        } else {
            &request.file
        };
        let made = match file {
            File::Borrowed(fd) => sys::dup(*fd),
            File::Held(fd) => sys::dup(fd.get()),
            File::None => Err(-libc::EBADF),
        };
        let added = made.and_then(user::shared).and_then(|fd| {
            sys::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd.get(), wanted, id.token()).map(|_| fd)
        });
        match added {
            Ok(fd) => {
                // The watch's descriptor serves for the file as well.
                let file = if second {
                    &mut request.second
                } else {
                    &mut request.file
                };
                if let File::Borrowed(_) = file {
                    *file = File::Borrowed(fd.get());
                }
                request.watch = Some(Watch { fd, events: wanted });
                self.waiting_events += 1;
            }
            Err(e) if e == -libc::EPERM => self.never_waits(id),
            Err(error) => self.fail(id, error),
        }
    }

    /// The file is always ready in poll(2)'s sense: a regular file.
    fn never_waits(&mut self, id: Id) {
        if let Some(mut request) = self.take(id) {
            let outcome = ops::blocking(self, &mut request);
            self.settle(Some(id), request, outcome);
        }
    }

    /// The request goes to the pool: no event concerns it any more. The
    /// watch's descriptor may be the one it works on.
    pub(crate) fn disarm(&mut self, id: Id) {
        let Some(watch) = self.get_mut(id).and_then(|request| request.watch.take()) else {
            return;
        };
        self.unwatch(&watch);
        let number = watch.fd.get();
        let held = File::Held(watch.fd);
        if let Some(request) = self.get_mut(id) {
            for file in [&mut request.file, &mut request.second] {
                if matches!(file, File::Borrowed(borrowed) if *borrowed == number) {
                    *file = held;
                    return;
                }
            }
        }
    }

    /// Ends a watch. Closing its descriptor is not enough, since the program
    /// has others of the same file.
    pub(crate) fn unwatch(&mut self, watch: &Watch) {
        let _ = sys::epoll_ctl(self.epoll, libc::EPOLL_CTL_DEL, watch.fd.get(), 0, 0);
        self.waiting_events -= 1;
    }

    /// Goes on with what became ready.
    pub(crate) fn handle(&mut self, events: &mut [Event], kick: c_int) {
        if self.shuffle.is_on() {
            for at in (1..events.len()).rev() {
                let other = self.shuffle.below(at + 1);
                events.swap(at, other);
            }
        }
        for event in events {
            let Event { events, u64: token } = *event;
            match token {
                KICK => sys::drain(kick),
                token if TIMER - token < CLOCKS.len() as u64 => {
                    ops::timeout::expire(self, (TIMER - token) as usize);
                }
                token => self.became_ready(Id::from_token(token), events),
            }
        }
    }

    fn became_ready(&mut self, id: Id, events: u32) {
        // An old event of a request that is finished names another generation.
        if self.get(id).is_none_or(|r| r.stage != Stage::Polling) {
            return;
        }
        let Some(mut request) = self.take(id) else {
            return;
        };
        request.stage = Stage::Running;
        let outcome = ops::ready(self, &mut request, events);
        self.settle(Some(id), request, outcome);
    }

    /// Looks once what became ready, without waiting.
    pub(crate) fn harvest(&mut self, kick: c_int) {
        loop {
            let mut events = [sys::NO_EVENT; EVENTS];
            let zero = anyring_abi::__kernel_timespec::default();
            let Ok(count) = sys::epoll_wait(self.epoll, &mut events, Some(zero), (0, 8)) else {
                return;
            };
            self.handle(&mut events[..count], kick);
            if count < EVENTS {
                return;
            }
        }
    }
}

/// What the driver thread does for a ring whose epoll woke it, or at a tick;
/// false when a program thread waits there, who does it better.
pub(crate) fn drive(ring: &Arc<Ring>) -> bool {
    ring.with(false, |state| {
        if !state.waiters.is_empty() {
            return false;
        }
        state.harvest(ring.kick.get());
        true
    })
}
