//! The driver: the thread that looks after rings while no thread of the
//! program waits in them.
//!
//! A thread that waits in an enter drives its ring itself, without a detour.
//! But completions have to appear also while the program looks at memory or
//! polls the ring fd. So a ring with something pending is put into the
//! driver's care: at first it looks every millisecond whether the program
//! keeps coming back; if not, it sleeps on the ring's epoll; and if the program
//! sits in a long wait, it lets go of the ring.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::events::drive;
use crate::lock::Mutex;
use crate::ring::Ring;
use crate::state::{Care, State};
use crate::sync::Futex;
use crate::sys::{self, EVENTS, Fd};
use crate::{table, threads, user};

const TICK_NANOS: u64 = 1_000_000;
/// The longest between two looks at a ring whose program keeps waiting in it.
const EASY_NANOS: u64 = 4_000_000;
/// The longest between two looks at a ring that only waits to be unread.
const SLOW_NANOS: u64 = 32_000_000;
/// Ticks with a waiting program until the driver lets go.
const PATIENCE: u32 = 10;
/// How long the driver stays without rings in its care.
const IDLE_NANOS: u64 = 2_000_000_000;
const WAKE_TOKEN: u64 = 0;

#[derive(Debug)]
struct Member {
    ring: Arc<Ring>,
    care: Care,
    waits: u64,
    ticks: u32,
    /// Whether the ring's epoll is in the driver's.
    known: bool,
    /// And will wake it.
    armed: bool,
}

#[derive(Debug)]
struct Driver {
    /// Rings handed over since the thread last looked.
    arrivals: Vec<Arc<Ring>>,
    /// Serial numbers of the rings in its care.
    known: Vec<u64>,
    /// No ring is left: the thread need not wait for another.
    hurry: bool,
    /// Its epoll and what wakes it; there while the thread is.
    tools: Option<Arc<(Fd, Fd)>>,
}

impl Driver {
    const fn new() -> Driver {
        Driver {
            arrivals: Vec::new(),
            known: Vec::new(),
            hurry: false,
            tools: None,
        }
    }
}

static DRIVER: Mutex<Driver> = Mutex::new(Driver::new());
/// Counts what the thread let go of, for those who wait for it.
static LETS_GO: Futex = Futex::new(0);

/// Processors that there are.
pub(crate) fn cpus() -> usize {
    static CPUS: AtomicUsize = AtomicUsize::new(0);
    match CPUS.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: sysconf has no preconditions.
            let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) }.max(1) as usize;
            CPUS.store(count, Ordering::Relaxed);
            count
        }
        count => count,
    }
}

/// Puts a ring into the driver's care.
#[cold]
pub(crate) fn attach(ring: &Arc<Ring>) {
    let wanted = ring.peek(|state| {
        let wanted = state.care == Care::None && !state.gone;
        if wanted {
            state.care = Care::Ticking;
        }
        wanted
    });
    if wanted && hand_over(ring).is_err() {
        // Without a driver the ring makes progress in enters only.
        ring.peek(|state| state.care = Care::None);
    }
}

fn hand_over(ring: &Arc<Ring>) -> Result<(), c_int> {
    let mut driver = DRIVER.lock();
    driver.arrivals.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
    driver.known.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
    let tools = match &driver.tools {
        Some(tools) => Arc::clone(tools),
        None => {
            let (epoll, wake) = (sys::epoll()?, sys::eventfd()?);
            sys::epoll_ctl(
                epoll.get(),
                libc::EPOLL_CTL_ADD,
                wake.get(),
                libc::EPOLLIN as u32,
                WAKE_TOKEN,
            )?;
            let tools = user::shared((epoll, wake))?;
            let theirs = Arc::clone(&tools);
            threads::start(Box::new(move || run(theirs)))?;
            driver.tools = Some(Arc::clone(&tools));
            tools
        }
    };
    driver.arrivals.push(Arc::clone(ring));
    if !driver.known.contains(&ring.serial) {
        driver.known.push(ring.serial);
    }
    sys::eventfd_add(tools.1.get());
    Ok(())
}

/// The ring is gone: waits until the driver has let go of it and, if it was the
/// last, has put its own descriptors away.
pub(crate) fn detach(ring: &Arc<Ring>) {
    for _ in 0..PATIENCE {
        let seen = LETS_GO.load(Ordering::Acquire);
        {
            let mut driver = DRIVER.lock();
            driver.hurry = !table::any();
            let Some(tools) = &driver.tools else {
                return;
            };
            if !driver.hurry && !driver.known.contains(&ring.serial) {
                return;
            }
            sys::eventfd_add(tools.1.get());
        }
        LETS_GO.wait(seen, Some(SLOW_NANOS));
    }
}

/// The thread.
fn run(tools: Arc<(Fd, Fd)>) {
    let (epoll, wake) = (tools.0.get(), tools.1.get());
    let mut members: Vec<Member> = Vec::new();
    let mut tick = TICK_NANOS;
    let mut next = 0_u64;
    loop {
        let ticking = members.iter().any(|member| member.care == Care::Ticking);
        let timeout = match (ticking, members.is_empty()) {
            (true, _) => Some(sys::timespec(
                next.saturating_sub(sys::now(libc::CLOCK_MONOTONIC)),
            )),
            (false, true) => Some(sys::timespec(IDLE_NANOS)),
            (false, false) => None,
        };
        let mut events = [sys::NO_EVENT; EVENTS];
        let count = sys::epoll_wait(epoll, &mut events, timeout, (0, 8)).unwrap_or(0);
        let mut arrived = false;
        for event in &events[..count] {
            let token = event.u64;
            if token == WAKE_TOKEN {
                sys::drain(wake);
                arrived = true;
            } else if let Some(member) = members.iter_mut().find(|m| m.ring.serial == token) {
                member.woken(epoll);
                tick = TICK_NANOS;
                next = 0;
            }
        }
        if arrived {
            take_in(&mut members);
            tick = TICK_NANOS;
        }
        let now = sys::now(libc::CLOCK_MONOTONIC);
        let idle = members.is_empty() && count == 0;
        let ticks = arrived || now >= next;
        if !(ticks || count != 0 || idle) {
            continue;
        }
        let mut longest = SLOW_NANOS;
        let before = members.len();
        members.retain_mut(|member| {
            if ticks && member.care == Care::Ticking {
                longest = longest.min(member.tick(epoll));
            }
            // Who ends a ring wakes this thread and waits for it.
            let gone = if arrived {
                member.ring.peek(|state| state.gone)
            } else {
                member.ring.glance(|state| state.gone) == Some(true)
            };
            let stays = matches!(member.care, Care::Ticking | Care::Armed) && !gone;
            if !stays {
                member.leave(epoll);
            }
            stays
        });
        if ticks {
            tick = (tick * 2).min(longest);
            next = now + tick;
        }
        if members.len() == before && !members.is_empty() {
            continue;
        }
        let mut driver = DRIVER.lock();
        let Driver {
            known, arrivals, ..
        } = &mut *driver;
        known.retain(|serial| {
            members.iter().any(|member| member.ring.serial == *serial)
                || arrivals.iter().any(|ring| ring.serial == *serial)
        });
        let ends = known.is_empty() && (idle || driver.hurry);
        if ends {
            // Under the lock: whoever comes next starts another thread.
            driver.tools = None;
            tools.0.close();
            tools.1.close();
        }
        LETS_GO.fetch_add(1, Ordering::Release);
        drop(driver);
        LETS_GO.wake(u32::MAX);
        if ends {
            return;
        }
    }
}

/// Takes new rings in.
fn take_in(members: &mut Vec<Member>) {
    let mut driver = DRIVER.lock();
    for ring in driver.arrivals.drain(..) {
        if let Some(member) = members.iter_mut().find(|m| Arc::ptr_eq(&m.ring, &ring)) {
            member.care = Care::Ticking;
            member.ticks = 0;
        } else if members.try_reserve(1).is_ok() {
            members.push(Member {
                ring,
                care: Care::Ticking,
                waits: u64::MAX,
                ticks: 0,
                known: false,
                armed: false,
            });
        }
    }
}

impl Member {
    /// Its epoll has something.
    fn woken(&mut self, epoll: c_int) {
        self.armed = false;
        if drive(&self.ring) {
            // What was posted has to be looked at until it is taken.
            self.watch(epoll);
        } else {
            self.become_care(Care::Ticking);
            self.ticks = 0;
        }
    }

    /// Decides how the ring is looked after while no program thread comes by.
    fn watch(&mut self, epoll: c_int) {
        // Armed also if it only has to be unread: what begins meanwhile must not
        // wait for a tick.
        let needed = |state: &mut State| state.waiting_events != 0 || state.signalled;
        if !self.armed && self.ring.peek(needed) {
            self.arm(epoll);
        }
        let armed = self.armed;
        // In one hold: what begins after it finds the decision made.
        self.care = self.ring.peek(|state| {
            if !state.gone {
                state.care = match (state.signalled, state.waiting_events != 0) {
                    (false, false) => Care::None,
                    (false, true) if armed => Care::Armed,
                    _ => Care::Ticking,
                };
            }
            state.care
        });
    }

    fn become_care(&mut self, care: Care) {
        self.care = care;
        self.ring.peek(|state| {
            if !state.gone {
                state.care = care;
            }
        });
    }

    /// Sleeps on the ring's epoll.
    fn arm(&mut self, epoll: c_int) {
        let (op, fd) = (
            if self.known {
                libc::EPOLL_CTL_MOD
            } else {
                libc::EPOLL_CTL_ADD
            },
            self.ring.epoll.get(),
        );
        let events = (libc::EPOLLIN | libc::EPOLLONESHOT) as u32;
        // Under the ring's lock: its epoll is not closed meanwhile.
        let armed = self.ring.peek(|state| {
            !state.gone && sys::epoll_ctl(epoll, op, fd, events, self.ring.serial).is_ok()
        });
        if armed {
            self.known = true;
            self.armed = true;
        }
    }

    fn leave(&mut self, epoll: c_int) {
        // A closed one has left by itself.
        if self.known && self.ring.epoll.get() >= 0 {
            let _ = sys::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, self.ring.epoll.get(), 0, 0);
        }
    }

    /// Looks at the ring; how long it can do without another look.
    fn tick(&mut self, epoll: c_int) -> u64 {
        let seen = self
            .ring
            .glance(|state| (!state.waiters.is_empty(), state.waits));
        let Some((waiting, waits)) = seen else {
            // The program is inside, at work.
            return EASY_NANOS;
        };
        let comes_by = waits != self.waits;
        self.waits = waits;
        if waiting {
            self.ticks += 1;
            if self.ticks >= PATIENCE {
                // Unless it has just left: then it must not be left alone.
                let left = self.ring.peek(|state| {
                    let still = !state.waiters.is_empty();
                    if still {
                        state.care = Care::Left;
                    }
                    still
                });
                if left {
                    self.care = Care::Left;
                }
            }
            return TICK_NANOS;
        }
        self.ticks = 0;
        if comes_by {
            return EASY_NANOS;
        }
        if !drive(&self.ring) {
            return TICK_NANOS;
        }
        self.ring.peek(|state| state.quiet(self.ring.signal.get()));
        self.watch(epoll);
        SLOW_NANOS
    }
}

/// Forgets the thread, which the child does not have.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the driver.
pub(crate) unsafe fn begin_child() {
    // SAFETY: the caller is alone.
    unsafe {
        DRIVER.reset(Driver::new());
    }
}
