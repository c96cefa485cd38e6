//! The ring's epoll: what happens when it has an event.

use alloc::sync::Arc;
use core::ffi::c_int;

use crate::ops;
use crate::os::sync::NoSignals;
use crate::os::sys::{self, EVENTS, Event};
use crate::request::{Id, Outcome, Request, Stage};
use crate::ring::delayed::LATE;
use crate::ring::state::State;
use crate::ring::{CLOCKS, KICK, Ring, TIMER, ring_wakes};

/// Looks at the epoll in a row.
const LOOKS: u32 = 64;
/// How often the completions of rings that wait for rings may wake others.
const ROUNDS: u32 = 8;

impl State {
    /// Goes on with what became ready.
    pub(crate) fn handle(&mut self, events: &mut [Event], kick: c_int) {
        if self.shuffle.is_on() {
            for at in (1..events.len()).rev() {
                let other = self.shuffle.below(at + 1);
                events.swap(at, other);
            }
        }
        // Completions show when the files that their requests held are let go of.
        let together = events.len() > 1 && !self.gone;
        if together {
            self.close_batch.begin();
            self.cq.withhold();
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
        if together {
            self.close_batch.end();
            self.cq.show(&self.memory);
        }
    }

    fn became_ready(&mut self, id: Id, events: u32) {
        // An old event of a request that is finished names another generation.
        if self.get(id).is_none_or(|r| r.stage != Stage::Polling) {
            if id.token() == LATE {
                self.show_delayed(false);
            }
            return;
        }
        let Some(mut request) = self.take(id) else {
            return;
        };
        request.stage = Stage::Running;
        // What the first look finds perhaps was there all the time.
        let wrong = core::mem::take(&mut request.guessed) && self.first_look;
        if let Some(watch) = &mut request.watch {
            watch.armed = watch.events & libc::EPOLLONESHOT as u32 == 0;
            if wrong {
                self.notes.guessed_wrong(watch);
            }
        }
        let outcome = ops::ready(self, &mut request, events);
        // One that goes on may find more at once.
        self.look_soon |= request.posted && matches!(outcome, Outcome::Poll(_));
        self.settle(Some(id), request, outcome);
    }

    /// Whether there are files that the epoll may not report, or not to this thread.
    #[inline]
    pub(crate) fn has_unreported(&self) -> bool {
        self.signal_watches | self.asked_watches != 0
    }

    /// Asks each of them, as this thread. A signalfd is ready for those threads only
    /// that have the signals, and takes itself off the epoll's list when another one, such
    /// as the driver, finds that it is not. The ring's own descriptor may have this epoll
    /// in it.
    #[inline]
    pub(crate) fn ask_unreported(&mut self) {
        if self.has_unreported() && self.inside {
            self.ask_each();
        }
    }

    #[cold]
    fn ask_each(&mut self) {
        let waits = |request: &Request| {
            request.stage == Stage::Polling
                && request
                    .watch
                    .as_ref()
                    .is_some_and(|watch| watch.signals || watch.asked)
        };
        let Ok(found) = self.find_all(waits) else {
            return;
        };
        for id in found {
            let watch = self.get(id).and_then(|request| request.watch.as_ref());
            let Some((fd, events, asked)) =
                watch.map(|watch| (watch.number, watch.events, watch.asked))
            else {
                continue;
            };
            let ready = match ops::poll::ring_events(self, fd) {
                Some(ready) if asked => ready & events,
                _ => sys::poll_now(fd, events & 0x7fff),
            };
            if ready != 0 {
                self.became_ready(id, ready);
            }
        }
    }

    /// Looks what became ready, without waiting, and again while multishot requests
    /// go on, within bounds.
    pub(crate) fn poll_events(&mut self, kick: c_int) {
        for _ in 0..LOOKS {
            self.look_soon = false;
            let mut events = [sys::NO_EVENT; EVENTS];
            let zero = anyring_abi::__kernel_timespec::default();
            let Ok(count) = sys::epoll_wait(self.epoll, &mut events, Some(zero), (0, 8)) else {
                return;
            };
            self.handle(&mut events[..count], kick);
            if count < EVENTS && !self.look_soon {
                return;
            }
        }
    }
}

/// Goes on with what waits for rings, after an enter that posted: on the kernel it has
/// completed when that enter returns. `fetches` says that the enter asked for completions.
#[cold]
pub(crate) fn wake_rings(entered: &Arc<Ring>, fetches: bool) {
    // What completes there may be what others wait for.
    for _ in 0..ROUNDS {
        if !ring_wakes::take_posted() {
            return;
        }
        ring_wakes::each(|ring| {
            if ring.serial == entered.serial {
                ring.with(true, |state| {
                    let defers = state.flags & anyring_abi::IORING_SETUP_DEFER_TASKRUN != 0;
                    if fetches || !defers {
                        state.ask_unreported();
                        state.poll_events(ring.kick.get());
                    }
                });
                return;
            }
            let _signals = NoSignals::new();
            let _ = ring.try_with(|state| go_on(state, ring.kick.get()));
        });
    }
}

/// What the driver thread does for a ring whose epoll woke it, or at a tick;
/// false when a program thread waits there, who does it better.
pub(crate) fn drive(ring: &Arc<Ring>) -> bool {
    ring.with(false, |state| go_on(state, ring.kick.get()))
}

/// Goes on with what became ready, unless a thread waits there.
fn go_on(state: &mut State, kick: c_int) -> bool {
    if state.gone || !state.waiters.is_empty() {
        return false;
    }
    if state.flags & anyring_abi::IORING_SETUP_DEFER_TASKRUN == 0 {
        state.poll_events(kick);
    } else if state.signals_pending() && sys::poll_now(state.epoll, libc::EPOLLIN as u32) != 0 {
        // The work itself is left to an enter.
        state.notify_pending();
    }
    true
}
