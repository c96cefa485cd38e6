//! A ring: its descriptors, its state, and what it takes to make and end one.
//!
//! The ring fd is an epoll that watches an eventfd of ours: it polls readable
//! while the completion queue holds something, in poll, select and any epoll,
//! and closing it takes nothing from us. On a ring with DEFER_TASKRUN it also
//! watches the epoll of pending operations, since such a ring makes progress
//! in enters only.

pub(crate) mod buffer_groups;
pub(crate) mod cq;
pub(crate) mod delayed;
pub(crate) mod driver_policy;
pub(crate) mod mappable;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod poll_notes;
pub(crate) mod resources;
pub(crate) mod restrictions;
pub(crate) mod ring_registry;
pub(crate) mod ring_wakes;
pub(crate) mod shared;
pub(crate) mod shuffle;
pub(crate) mod sq;
pub(crate) mod state;
pub(crate) mod timers;

use alloc::sync::Arc;
use core::ffi::c_int;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::ops::futex;
use crate::os::lock::{Guard, Mutex};
use crate::os::sync::{self, Futex, NoSignals};
use crate::os::sys::{self, Fd};
use crate::ring::memory::Memory;
use crate::ring::state::State;

/// The descriptor or address is none of the engine's.
pub const NOT_OURS: c_int = c_int::MIN;

/// Tokens of the ring's epoll that are no request.
pub(crate) const KICK: u64 = u64::MAX;
/// And of its three timers, counted down from here.
pub(crate) const TIMER: u64 = u64::MAX - 1;
/// Clocks of timers, by index.
pub(crate) const CLOCKS: [c_int; 3] = [
    libc::CLOCK_MONOTONIC,
    libc::CLOCK_BOOTTIME,
    libc::CLOCK_REALTIME,
];

/// How often another ring's lock is tried.
const LOOKS: u32 = 200;

/// A ring.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) serial: u64,
    /// Readable while there are completions.
    pub(crate) signal: Fd,
    /// Watches the files that requests wait for.
    pub(crate) epoll: Fd,
    /// Wakes the threads that wait on that epoll.
    pub(crate) kick: Fd,
    state: Mutex<State>,
    /// Where the memory shared with the program lies, for those who may not wait for the
    /// lock.
    regions: [AtomicUsize; 2],
    waiter: AtomicU64,
    /// Milliseconds until an SQPOLL thread goes to sleep.
    pub(crate) idle_millis: u32,
    /// The errno of io_uring_setup(2) that brought the ring here, 0 if it was
    /// chosen.
    pub(crate) reason: c_int,
    /// What a sleeping SQPOLL thread waits for.
    pub(crate) sqpoll_wake: Futex,
    /// Of the memfd that last took the ring's number; 0 if none did.
    pub(crate) device: AtomicU64,
    pub(crate) inode: AtomicU64,
}

impl Ring {
    pub(crate) fn new(
        signal: Fd,
        epoll: Fd,
        kick: Fd,
        state: State,
        idle_millis: u32,
        reason: c_int,
    ) -> Ring {
        Ring {
            serial: state.serial,
            signal,
            epoll,
            kick,
            state: Mutex::new(state),
            regions: [const { AtomicUsize::new(0) }; 2],
            waiter: AtomicU64::new(1),
            idle_millis,
            reason,
            sqpoll_wake: Futex::new(0),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
        }
    }

    /// Works on the state, and does afterwards what that brought about.
    /// `inside` says that a program thread is entering the ring.
    #[inline]
    pub(crate) fn with<R>(self: &Arc<Self>, inside: bool, work: impl FnOnce(&mut State) -> R) -> R {
        self.with_as(inside, 0, work)
    }

    /// [`Ring::with`] for a waiting thread of that number, which need not be woken.
    #[inline]
    pub(crate) fn with_as<R>(
        self: &Arc<Self>,
        inside: bool,
        me: u64,
        work: impl FnOnce(&mut State) -> R,
    ) -> R {
        self.work_with(self.state.lock(), inside, me, work)
    }

    /// [`Ring::with`] from the call of another ring, unless its lock stays taken: the
    /// thread that has it may be the one that this one, in a signal handler, interrupted.
    /// The caller has blocked signals.
    pub(crate) fn try_with<R>(self: &Arc<Self>, work: impl FnOnce(&mut State) -> R) -> Option<R> {
        let state = (0..LOOKS).find_map(|_| {
            self.state.try_lock().or_else(|| {
                let _ = sys::plain(libc::SYS_sched_yield, &[]);
                None
            })
        })?;
        Some(self.work_with(state, false, 0, work))
    }

    #[inline]
    fn work_with<'a, R>(
        self: &'a Arc<Self>,
        mut state: Guard<'a, State>,
        inside: bool,
        me: u64,
        work: impl FnOnce(&mut State) -> R,
    ) -> R {
        state.inside = inside;
        state.by_worker = false;
        let result = work(&mut state);
        state.advance();
        loop {
            state.notify_waiters(self.signal.get(), self.kick.get(), me);
            if state.outbox.is_empty() {
                break;
            }
            // Never two rings' locks at a time.
            let letters = core::mem::take(&mut state.outbox);
            drop(state);
            let results = message::deliver(letters);
            state = self.state.lock();
            state.inside = inside;
            for (id, res) in results {
                state.resume(id, res);
            }
            state.advance();
        }
        state.show_work();
        let needs_driver = state.driver_policy.needs_driver(&state.situation());
        if state.settling.is_empty() {
            drop(state);
        } else {
            let settling = core::mem::take(&mut state.settling);
            drop(state);
            for wait in settling {
                futex::settle_in(&wait);
            }
        }
        if needs_driver {
            self.attach_driver();
        }
        result
    }

    /// The state, for short looks that change nothing others wait for.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(&mut self.state.lock())
    }

    /// The state of a ring that is not this call's own, with signals blocked: a handler
    /// that interrupts this thread may use that ring.
    pub(crate) fn peek_without_signals<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        let _signals = NoSignals::new();
        self.peek(look)
    }

    /// [`Ring::peek`], unless another thread has the lock.
    pub(crate) fn try_peek<R>(&self, look: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.state.try_lock().map(|mut state| look(&mut state))
    }

    /// A number for a waiting thread.
    pub(crate) fn waiter(&self) -> u64 {
        self.waiter.fetch_add(1, Ordering::Relaxed)
    }

    /// The ring's memory is this from now on.
    pub(crate) fn note_memory(&self, memory: &Memory) {
        for (place, start) in self.regions.iter().zip(memory.starts()) {
            place.store(start, Ordering::Relaxed);
        }
    }

    /// The program unmaps what starts at this address; if that is the ring's,
    /// whether the engine mapped it.
    /// The lock of another ring is not waited for: a signal handler may ask, and the
    /// thread that it interrupted have that lock.
    pub(crate) fn give_up(&self, address: usize) -> Option<bool> {
        if self
            .regions
            .iter()
            .all(|start| start.load(Ordering::Relaxed) != address)
        {
            return None;
        }
        self.peek_without_signals(|state| state.memory.give_up(address))
    }

    /// Whether a descriptor still is this ring's.
    #[inline]
    pub(crate) fn is_at(&self, fd: c_int) -> bool {
        self.is_epoll_at(fd) || self.is_mapped_at(fd)
    }

    /// Whether it is the ring's epoll: only our own has the eventfd in it.
    pub(crate) fn is_epoll_at(&self, fd: c_int) -> bool {
        sys::epoll_ctl(
            fd,
            libc::EPOLL_CTL_MOD,
            self.signal.get(),
            libc::EPOLLIN as u32,
            0,
        )
        .is_ok()
    }
}
