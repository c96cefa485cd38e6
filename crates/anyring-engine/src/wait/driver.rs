//! The driver: the thread that looks after rings while no thread of the
//! program waits in them; `ring::driver_policy` decides when that is.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::os::lock::Mutex;
use crate::os::sync::Futex;
use crate::os::sys::{self, EVENTS, Fd};
use crate::os::threads;
use crate::os::user_memory;
use crate::ring::Ring;
use crate::ring::driver_policy::{
    DrivenRing, DriverPolicy, Member, SLOW_NANOS, Situation, TICK_NANOS,
};
use crate::ring::ring_registry;
use crate::wait::events::drive;

/// Looks at whether the driver has let go of a ring that ends.
const LOOKS: u32 = 10;
/// How long the driver stays without rings in its care.
const IDLE_NANOS: u64 = 2_000_000_000;
const WAKE_TOKEN: u64 = 0;

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

impl Ring {
    /// Puts the ring into the driver's care: it has work that no thread waits for.
    #[cold]
    pub(crate) fn attach_driver(self: &Arc<Self>) {
        attach(self);
    }
}

fn attach(ring: &Arc<Ring>) {
    if ring.hold(|policy, now| policy.claim(now)) && hand_over(ring).is_err() {
        // Without a driver the ring makes progress in enters only.
        ring.peek(|state| state.driver_policy = DriverPolicy::None);
    }
}

/// Has the driver run before a ring needs it: the first request that waits may be one
/// of a signal handler, which must not start a thread, since pthread_create(3) calls
/// malloc(3). Without it a ring is attached later.
pub(crate) fn prepare() {
    let _ = start(&mut DRIVER.lock_without_signals());
}

/// What the driver is woken by, once it runs.
fn start(driver: &mut Driver) -> Result<Arc<(Fd, Fd)>, c_int> {
    if let Some(tools) = &driver.tools {
        return Ok(Arc::clone(tools));
    }
    let (epoll, wake) = (sys::epoll()?, sys::eventfd()?);
    sys::epoll_ctl(
        epoll.get(),
        libc::EPOLL_CTL_ADD,
        wake.get(),
        libc::EPOLLIN as u32,
        WAKE_TOKEN,
    )?;
    let tools = user_memory::shared((epoll, wake))?;
    let theirs = Arc::clone(&tools);
    threads::start(move || run(theirs))?;
    driver.tools = Some(Arc::clone(&tools));
    Ok(tools)
}

fn hand_over(ring: &Arc<Ring>) -> Result<(), c_int> {
    let mut driver = DRIVER.lock_without_signals();
    driver.arrivals.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
    driver.known.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
    let tools = start(&mut driver)?;
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
    for _ in 0..LOOKS {
        let seen = LETS_GO.load(Ordering::Acquire);
        {
            let mut driver = DRIVER.lock_without_signals();
            driver.hurry = !ring_registry::any();
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
    let mut members: Vec<Member<Arc<Ring>>> = Vec::new();
    let mut tick = TICK_NANOS;
    let mut next = 0_u64;
    loop {
        let ticking = members.iter().any(Member::is_ticking);
        let timeout = match (ticking, members.is_empty()) {
            (true, _) => Some(sys::timespec(
                next.saturating_sub(sys::now(libc::CLOCK_MONOTONIC)),
            )),
            // The end of the last ring wakes this thread.
            (false, true) if !ring_registry::any() => Some(sys::timespec(IDLE_NANOS)),
            (false, _) => None,
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
            if ticks && member.is_ticking() {
                longest = longest.min(member.tick(epoll));
            }
            // Who ends a ring wakes this thread and waits for it.
            let gone = if arrived {
                member.ring.hold(|_, now| now.gone)
            } else {
                DrivenRing::try_peek(&member.ring).is_some_and(|now| now.gone)
            };
            let stays = member.stays() && !gone;
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
        let ends = known.is_empty() && (idle && !ring_registry::any() || driver.hurry);
        if ends {
            // Under the lock: the next ring that needs a driver starts another thread.
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
fn take_in(members: &mut Vec<Member<Arc<Ring>>>) {
    let mut driver = DRIVER.lock();
    for ring in driver.arrivals.drain(..) {
        if let Some(member) = members.iter_mut().find(|m| Arc::ptr_eq(&m.ring, &ring)) {
            member.again();
        } else if members.try_reserve(1).is_ok() {
            members.push(Member::new(ring));
        }
    }
}

impl DrivenRing for Arc<Ring> {
    fn hold<R>(&self, work: impl FnOnce(&mut DriverPolicy, &Situation) -> R) -> R {
        self.peek(|state| {
            let now = state.situation();
            work(&mut state.driver_policy, &now)
        })
    }

    fn try_peek(&self) -> Option<Situation> {
        Ring::try_peek(self, |state| state.situation())
    }

    fn drive(&self) -> bool {
        drive(self)
    }

    fn unread(&self) {
        self.peek(|state| state.clear_readable(self.signal.get()));
    }

    fn arm(&self, epoll: c_int, known: bool) -> bool {
        let op = if known {
            libc::EPOLL_CTL_MOD
        } else {
            libc::EPOLL_CTL_ADD
        };
        let events = (libc::EPOLLIN | libc::EPOLLONESHOT) as u32;
        // Under the ring's lock: its epoll is not closed meanwhile.
        self.peek(|state| {
            let fd = self.epoll.get();
            !state.gone && sys::epoll_ctl(epoll, op, fd, events, self.serial).is_ok()
        })
    }

    fn disarm(&self, epoll: c_int) {
        // A closed one has left by itself.
        if self.epoll.get() >= 0 {
            let _ = sys::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, self.epoll.get(), 0, 0);
        }
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
