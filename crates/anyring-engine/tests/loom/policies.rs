//! Who drives a ring: a program that submits, waits and looks at its memory, a
//! driver, and events that come when they like.

use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::driver_policy::{DriverPolicy, Member, Situation, DrivenRing};

/// The ring's epoll, the driver's, and the program's looks at its memory: one
/// lock, so that the models stay small. It is the kernel's.
#[derive(Default)]
struct Files {
    /// Files that are ready and were not handled.
    ready: u32,
    /// The ring's epoll wakes the driver's, once.
    armed: bool,
    /// It has.
    fired: bool,
    /// A ring was handed over.
    arrived: bool,
    posted: u32,
    /// So many files may become ready.
    asked: u32,
    /// The program took the completions.
    taken: bool,
    /// The ring fd was made unreadable after that.
    quiet: bool,
    /// The driver left the ring to a waiter.
    left: bool,
    over: bool,
}

#[derive(Default)]
struct State {
    driver_policy: Option<DriverPolicy>,
    waiters: u32,
    waits: u64,
    pending: u32,
    posted: u32,
    signalled: bool,
}

impl State {
    fn driver_policy(&self) -> DriverPolicy {
        self.driver_policy.unwrap_or(DriverPolicy::None)
    }

    fn situation(&self) -> Situation {
        Situation {
            waiting: self.waiters != 0,
            waits: self.waits,
            pending: self.pending != 0,
            signalled: self.signalled,
            gone: false,
        }
    }
}

#[derive(Default)]
struct Ring {
    state: Mutex<State>,
    files: Mutex<Files>,
    changed: Condvar,
}

type Shared = Arc<Ring>;

impl Ring {
    fn files<R>(&self, change: impl FnOnce(&mut Files) -> R) -> R {
        let result = change(&mut self.files.lock().unwrap());
        self.changed.notify_all();
        result
    }

    /// Sleeps until there is something.
    fn sleep<R>(&self, until: impl Fn(&mut Files) -> Option<R>) -> R {
        let mut files = self.files.lock().unwrap();
        loop {
            if let Some(found) = until(&mut files) {
                return found;
            }
            files = self.changed.wait(files).unwrap();
        }
    }

    /// Looks at the memory until so many completions are there.
    fn look_for(&self, count: u32) {
        self.sleep(|files| (files.posted == count).then_some(()));
    }

    /// Handles what is ready.
    fn poll_events(&self, state: &mut State) {
        self.files(|files| {
            let count = std::mem::take(&mut files.ready);
            state.pending -= count;
            state.posted += count;
            files.posted = state.posted;
        });
    }

    /// What the engine does around any work on a ring.
    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap();
        let result = work(&mut state);
        let needs_driver = state.driver_policy().needs_driver(&state.situation());
        drop(state);
        if needs_driver && self.claim() {
            self.files(|files| files.arrived = true);
        }
        result
    }

    fn claim(&self) -> bool {
        let state = &mut *self.state.lock().unwrap();
        let mut policy = state.driver_policy();
        let claimed = policy.claim(&state.situation());
        state.driver_policy = Some(policy);
        claimed
    }

    /// An enter that submits requests which wait for files.
    fn submit(&self, count: u32) {
        self.with(|state| state.pending += count);
    }

    /// An enter that submits a request which completes at once, so that the ring fd
    /// turns readable. The program takes the completion without a call.
    fn complete_and_take(&self) {
        self.with(|state| state.signalled = true);
        self.files(|files| files.taken = true);
    }

    /// Sleeps until the ring fd is unreadable again.
    fn look_for_quiet(&self) {
        self.sleep(|files| files.quiet.then_some(()));
    }

    /// From now on so many more files may become ready.
    fn let_come(&self, count: u32) {
        self.files(|files| files.asked += count);
    }

    /// An enter that waits for so many completions.
    fn wait(&self, target: u32) {
        let already = self.with(|state| {
            let already = state.posted >= target;
            if !already {
                state.waiters += 1;
                state.waits += 1;
            }
            already
        });
        if already {
            return;
        }
        let mut done = false;
        while !done {
            self.sleep(|files| (files.ready != 0).then_some(()));
            done = self.with(|state| {
                self.poll_events(state);
                state.posted >= target
            });
        }
        self.with(|state| {
            state.waiters -= 1;
            let mut policy = state.driver_policy();
            policy.wait_ended(&state.situation());
            state.driver_policy = Some(policy);
        });
    }

    /// The driver's loop, with one ring at most. Ticks come as often as they can.
    fn drive_rings(self: &Shared) {
        let mut member: Option<Member<Shared>> = None;
        loop {
            let ticking = member.as_ref().is_some_and(Member::is_ticking);
            let (fired, arrived, over) = self.sleep(|files| {
                let seen = (files.fired, files.arrived, files.over);
                (files.fired, files.arrived) = (false, false);
                (ticking || seen != (false, false, false)).then_some(seen)
            });
            if over {
                return;
            }
            if let (true, Some(member)) = (fired, &mut member) {
                member.woken(0);
            }
            if arrived {
                match &mut member {
                    Some(member) => member.again(),
                    None => member = Some(Member::new(Arc::clone(self))),
                }
            }
            if let Some(own) = &mut member {
                if own.is_ticking() {
                    own.tick(0);
                    thread::yield_now();
                }
                if !own.stays() {
                    own.leave(0);
                    member = None;
                }
            }
        }
    }
}

impl DrivenRing for Shared {
    fn hold<R>(&self, work: impl FnOnce(&mut DriverPolicy, &Situation) -> R) -> R {
        let state = &mut *self.state.lock().unwrap();
        let mut policy = state.driver_policy();
        let result = work(&mut policy, &state.situation());
        state.driver_policy = Some(policy);
        if policy == DriverPolicy::Left {
            self.files(|files| files.left = true);
        }
        result
    }

    fn try_peek(&self) -> Option<Situation> {
        Some(self.state.lock().unwrap().situation())
    }

    fn drive(&self) -> bool {
        self.with(|state| {
            if state.waiters != 0 {
                return false;
            }
            self.poll_events(state);
            true
        })
    }

    fn unread(&self) {
        let state = &mut *self.state.lock().unwrap();
        if self.files(|files| {
            files.quiet |= files.taken;
            files.taken
        }) {
            state.signalled = false;
        }
    }

    fn arm(&self, _: i32, _: bool) -> bool {
        self.files(|files| {
            if files.ready != 0 {
                files.fired = true;
            } else {
                files.armed = true;
            }
        });
        true
    }

    fn disarm(&self, _: i32) {
        self.files(|files| (files.armed, files.fired) = (false, false));
    }
}

/// Runs a program while a driver lives and that many files become ready.
fn run(events: u32, program: impl FnOnce(&Ring)) {
    let ring = Shared::default();
    let driver = Arc::clone(&ring);
    let driver = thread::spawn(move || driver.drive_rings());
    let world = Arc::clone(&ring);
    let world = thread::spawn(move || {
        for event in 0..events {
            world.sleep(|files| {
                if files.asked <= event {
                    return None;
                }
                files.ready += 1;
                files.fired |= std::mem::take(&mut files.armed);
                world.changed.notify_all();
                Some(())
            });
        }
    });
    program(&ring);
    world.join().unwrap();
    ring.files(|files| files.over = true);
    driver.join().unwrap();
}

/// Nobody ever waits in the ring: the program looks at its memory. One request
/// after the other.
pub(crate) fn memory_alone(requests: u32) {
    run(requests, |ring| {
        for request in 1..=requests {
            ring.submit(1);
            ring.let_come(1);
            ring.look_for(request);
        }
    });
}

/// The driver sleeps again after the first of two.
pub(crate) fn two_at_once() {
    run(2, |ring| {
        ring.submit(2);
        ring.let_come(2);
        ring.look_for(2);
    });
}

/// A wait for the first of two while the driver ticks.
pub(crate) fn a_wait_between() {
    run(2, |ring| {
        ring.submit(2);
        ring.let_come(2);
        ring.wait(1);
        ring.look_for(2);
    });
}

/// The same while it sleeps.
pub(crate) fn a_wait_while_the_driver_sleeps() {
    run(2, |ring| {
        ring.submit(2);
        ring.sleep(|files| files.armed.then_some(()));
        ring.let_come(2);
        ring.wait(1);
        ring.look_for(2);
    });
}

/// A completion is taken without a call while the driver ticks, or sleeps on the
/// ring's epoll since another request waits for long.
pub(crate) fn taken_while_another_waits(sleeps: bool) {
    run(0, |ring| {
        ring.submit(1);
        if sleeps {
            ring.sleep(|files| files.armed.then_some(()));
        }
        ring.complete_and_take();
        ring.look_for_quiet();
    });
}

/// A completion is taken without a call while another thread waits in an enter for
/// what comes later: after the driver left the ring to it, or while it still ticks.
pub(crate) fn taken_beside_a_waiter(left: bool) {
    let ring = Shared::default();
    let driver = Arc::clone(&ring);
    let driver = thread::spawn(move || driver.drive_rings());
    let waiter = Arc::clone(&ring);
    let waiter = thread::spawn(move || {
        waiter.submit(1);
        waiter.wait(1);
    });
    if left {
        ring.sleep(|files| files.left.then_some(()));
    }
    ring.complete_and_take();
    ring.look_for_quiet();
    ring.files(|files| files.ready += 1);
    waiter.join().unwrap();
    ring.files(|files| files.over = true);
    driver.join().unwrap();
}
