//! Who drives a ring: the thread that waits in it, or the driver.
//!
//! A thread that waits in an enter drives its ring itself, without a detour.
//! But completions have to appear also while the program looks at memory or
//! polls the ring fd. So a ring with something pending is put into the driver's
//! care: at first it looks every millisecond whether the program keeps coming
//! back; if not, it sleeps on the ring's epoll; and if the program sits in a
//! long wait, it lets go of the ring, which the end of the wait hands over
//! again. `tests/loom` checks that a ring is never left alone.

use core::ffi::c_int;

use super::sync::WAITER_TICKS;

/// Between two looks at a ring.
pub(crate) const TICK_NANOS: u64 = 1_000_000;
/// The longest between two looks at one whose program keeps waiting in it.
const EASY_NANOS: u64 = 4_000_000;
/// The longest between two looks at one that only waits to be unread.
pub(crate) const SLOW_NANOS: u64 = 32_000_000;
/// Looks in a row at a ring with completions until it is looked at that seldom.
const SLOW_AFTER: u32 = 250;

/// Who looks after the ring's epoll while no program thread waits in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriverPolicy {
    /// No thread.
    None,
    /// The driver thread, at its next ticks.
    Ticking,
    /// The driver thread, woken by the epoll.
    Armed,
    /// The driver thread left it to a program thread that waits for long.
    Left,
}

/// What the decision depends on, under the ring's lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// Program threads wait in it.
    pub(crate) waiting: bool,
    /// Waits so far.
    pub(crate) waits: u64,
    /// Requests wait for files or timers, and need not wait for an enter.
    pub(crate) pending: bool,
    /// The ring fd polls readable, and has to be made unreadable.
    pub(crate) signalled: bool,
    pub(crate) gone: bool,
}

impl DriverPolicy {
    /// After any work on the ring: whether the driver has to take it.
    #[inline]
    pub(crate) fn needs_driver(self, now: &Situation) -> bool {
        // What has to be unread needs ticks, which only one of the states has.
        let wanted = match self {
            DriverPolicy::Ticking => false,
            DriverPolicy::None => now.pending || now.signalled,
            DriverPolicy::Armed | DriverPolicy::Left => now.signalled,
        };
        wanted && !now.gone
    }

    /// Hands a ring that needs the driver over: true for one thread only.
    pub(crate) fn claim(&mut self, now: &Situation) -> bool {
        let wanted = self.needs_driver(now);
        if wanted {
            *self = DriverPolicy::Ticking;
        }
        wanted
    }

    /// A program thread has ended its wait.
    pub(crate) fn wait_ended(&mut self, now: &Situation) {
        if !now.waiting && *self == DriverPolicy::Left {
            *self = DriverPolicy::None;
        }
    }
}

/// A ring that the driver looks after.
pub(crate) trait DrivenRing {
    /// Works under the ring's lock.
    fn hold<R>(&self, work: impl FnOnce(&mut DriverPolicy, &Situation) -> R) -> R;
    /// Looks, unless the lock is held: then a thread is at work there.
    fn try_peek(&self) -> Option<Situation>;
    /// Goes on with what is ready; false if a program thread waits, who does.
    fn drive(&self) -> bool;
    /// Makes the ring fd unreadable if all completions were taken.
    fn unread(&self);
    /// Has the ring's epoll wake the driver's, once; whether that worked.
    fn arm(&self, epoll: c_int, known: bool) -> bool;
    /// Ends that.
    fn disarm(&self, epoll: c_int);
}

/// A ring in the driver's care.
#[derive(Debug)]
pub(crate) struct Member<T> {
    pub(crate) ring: T,
    policy: DriverPolicy,
    waits: u64,
    ticks: u32,
    /// Looks in a row that found completions.
    unread: u32,
    /// Whether the ring's epoll is in the driver's.
    known: bool,
    /// And will wake it.
    armed: bool,
}

impl<T: DrivenRing> Member<T> {
    pub(crate) fn new(ring: T) -> Self {
        Member {
            ring,
            policy: DriverPolicy::Ticking,
            waits: u64::MAX,
            ticks: 0,
            unread: 0,
            known: false,
            armed: false,
        }
    }

    /// It was handed over again.
    pub(crate) fn again(&mut self) {
        self.policy = DriverPolicy::Ticking;
        self.ticks = 0;
        self.unread = 0;
    }

    pub(crate) fn is_ticking(&self) -> bool {
        self.policy == DriverPolicy::Ticking
    }

    /// Whether it stays in the driver's care.
    pub(crate) fn stays(&self) -> bool {
        matches!(self.policy, DriverPolicy::Ticking | DriverPolicy::Armed)
    }

    /// Its epoll has something.
    pub(crate) fn woken(&mut self, epoll: c_int) {
        self.armed = false;
        // It ticks, so that what is posted now need not be handed over.
        self.ring.hold(|policy, now| {
            if !now.gone {
                *policy = DriverPolicy::Ticking;
            }
        });
        if self.ring.drive() {
            // What was posted has to be looked at until it is taken.
            self.unread = 0;
            self.watch(epoll);
        } else {
            self.again();
        }
    }

    /// Looks at the ring; how long it can do without another look.
    pub(crate) fn tick(&mut self, epoll: c_int) -> u64 {
        let Some(now) = self.ring.try_peek() else {
            // The program is inside, at work.
            return EASY_NANOS;
        };
        let comes_by = now.waits != self.waits;
        self.waits = now.waits;
        if now.waiting {
            if now.signalled {
                // Others may take the completions, and poll.
                self.ring.unread();
            }
            self.ticks += 1;
            if self.ticks >= WAITER_TICKS {
                // Unless it has just left: then it must not be left alone.
                self.policy = self.ring.hold(|policy, now| {
                    if now.waiting && !now.signalled {
                        *policy = DriverPolicy::Left;
                    }
                    *policy
                });
            }
            return if self.ticks < WAITER_TICKS {
                TICK_NANOS
            } else {
                self.until_unread()
            };
        }
        self.ticks = 0;
        if comes_by {
            return EASY_NANOS;
        }
        if !self.ring.drive() {
            return TICK_NANOS;
        }
        self.ring.unread();
        self.watch(epoll);
        self.until_unread()
    }

    /// How long a ring whose completions are not taken can do without a look:
    /// when they are taken, a loop that polls the ring fd must not go round for long.
    fn until_unread(&mut self) -> u64 {
        self.unread = self.unread.saturating_add(1);
        if self.unread < SLOW_AFTER {
            EASY_NANOS
        } else {
            SLOW_NANOS
        }
    }

    /// Decides how the ring is looked after while no program thread comes by.
    fn watch(&mut self, epoll: c_int) {
        // Armed also if it only has to be unread: what begins meanwhile must not
        // wait for a tick.
        let needed = |_: &mut DriverPolicy, now: &Situation| now.pending || now.signalled;
        if !self.armed && self.ring.hold(needed) && self.ring.arm(epoll, self.known) {
            self.known = true;
            self.armed = true;
        }
        let armed = self.armed;
        // In one hold: what begins after it finds the decision made.
        self.policy = self.ring.hold(|policy, now| {
            if !now.gone {
                *policy = match (now.signalled, now.pending) {
                    (false, false) => DriverPolicy::None,
                    (false, true) if armed => DriverPolicy::Armed,
                    _ => DriverPolicy::Ticking,
                };
            }
            *policy
        });
    }

    /// The driver lets go of it.
    pub(crate) fn leave(&mut self, epoll: c_int) {
        if self.known {
            self.ring.disarm(epoll);
        }
    }
}
