//! A ring: its descriptors, its state, and what it takes to make and end one.
//!
//! The ring fd is an epoll that watches an eventfd of ours: it polls readable
//! while the completion queue holds something, in poll, select and any epoll,
//! and closing it takes nothing from us. On a ring with DEFER_TASKRUN it also
//! watches the epoll of pending operations, since such a ring makes progress
//! in enters only.

pub(crate) mod buffer_groups;
pub(crate) mod cq;
pub(crate) mod driver_policy;
pub(crate) mod mappable;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod resources;
pub(crate) mod ring_registry;
pub(crate) mod shared;
pub(crate) mod shuffle;
pub(crate) mod sq;
pub(crate) mod state;
pub(crate) mod timers;

use alloc::sync::Arc;
use core::ffi::c_int;
use core::sync::atomic::{AtomicU64, Ordering};

use anyring_abi as abi;
use anyring_abi::io_uring_params;

use crate::ops::futex;
use crate::os::file_cache;
use crate::os::lock::Mutex;
use crate::os::sync::{self, Futex};
use crate::os::sys::{self, Fd, Sys};
use crate::os::user_memory;
use crate::pool;
use crate::ring::mappable::Mappable;
use crate::ring::memory::Memory;
use crate::ring::state::State;
use crate::wait::driver;
use crate::wait::sqpoll;
use crate::wait::sqpoll_idle;

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

/// Setup flags that the engine serves.
pub(crate) const SETUP_FLAGS: u32 = abi::IORING_SETUP_IOPOLL
    | abi::IORING_SETUP_SQPOLL
    | abi::IORING_SETUP_SQ_AFF
    | abi::IORING_SETUP_CQSIZE
    | abi::IORING_SETUP_CLAMP
    | abi::IORING_SETUP_ATTACH_WQ
    | abi::IORING_SETUP_R_DISABLED
    | abi::IORING_SETUP_SUBMIT_ALL
    | abi::IORING_SETUP_COOP_TASKRUN
    | abi::IORING_SETUP_TASKRUN_FLAG
    | abi::IORING_SETUP_SQE128
    | abi::IORING_SETUP_CQE32
    | abi::IORING_SETUP_SINGLE_ISSUER
    | abi::IORING_SETUP_DEFER_TASKRUN
    | abi::IORING_SETUP_NO_MMAP
    | abi::IORING_SETUP_REGISTERED_FD_ONLY
    | abi::IORING_SETUP_NO_SQARRAY
    | abi::IORING_SETUP_HYBRID_IOPOLL
    | abi::IORING_SETUP_CQE_MIXED;

/// What the engine can, in the kernel's feature bits.
pub(crate) const FEATURES: u32 = abi::IORING_FEAT_SINGLE_MMAP
    | abi::IORING_FEAT_NODROP
    | abi::IORING_FEAT_SUBMIT_STABLE
    | abi::IORING_FEAT_RW_CUR_POS
    | abi::IORING_FEAT_CUR_PERSONALITY
    | abi::IORING_FEAT_FAST_POLL
    | abi::IORING_FEAT_POLL_32BITS
    | abi::IORING_FEAT_SQPOLL_NONFIXED
    | abi::IORING_FEAT_EXT_ARG
    | abi::IORING_FEAT_NATIVE_WORKERS
    | abi::IORING_FEAT_RSRC_TAGS
    | abi::IORING_FEAT_CQE_SKIP
    | abi::IORING_FEAT_LINKED_FILE
    | abi::IORING_FEAT_REG_REG_RING
    | abi::IORING_FEAT_RECVSEND_BUNDLE
    | abi::IORING_FEAT_MIN_TIMEOUT
    | abi::IORING_FEAT_NO_IOWAIT;

/// A ring.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) serial: u64,
    /// Readable while there are completions.
    pub(crate) signal: Fd,
    /// Watches the files that requests wait for.
    pub(crate) epoll: Fd,
    /// Wakes whoever waits on that epoll.
    pub(crate) kick: Fd,
    state: Mutex<State>,
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

/// Flags that exclude one another, or need one another.
fn check_flags(flags: u32) -> Result<(), c_int> {
    let has = |flag| flags & flag != 0;
    let wrong = flags & !SETUP_FLAGS != 0
        || has(abi::IORING_SETUP_HYBRID_IOPOLL) && !has(abi::IORING_SETUP_IOPOLL)
        || has(abi::IORING_SETUP_SQPOLL)
            && has(abi::IORING_SETUP_COOP_TASKRUN
                | abi::IORING_SETUP_TASKRUN_FLAG
                | abi::IORING_SETUP_DEFER_TASKRUN)
        || has(abi::IORING_SETUP_TASKRUN_FLAG)
            && !has(abi::IORING_SETUP_COOP_TASKRUN | abi::IORING_SETUP_DEFER_TASKRUN)
        || has(abi::IORING_SETUP_DEFER_TASKRUN) && !has(abi::IORING_SETUP_SINGLE_ISSUER)
        || has(abi::IORING_SETUP_REGISTERED_FD_ONLY) && !has(abi::IORING_SETUP_NO_MMAP)
        || has(abi::IORING_SETUP_CQE32) && has(abi::IORING_SETUP_CQE_MIXED);
    if wrong { Err(-libc::EINVAL) } else { Ok(()) }
}

/// What the kernel checks of threads, when it has the memory.
fn check_helpers(p: &io_uring_params) -> Result<(), c_int> {
    if p.flags & abi::IORING_SETUP_ATTACH_WQ != 0 {
        // Workers are shared by all rings; what is asked for must be a ring all
        // the same.
        match ring_registry::find(p.wq_fd as c_int) {
            // A thread that submits is shared only if there is one.
            ring_registry::Found::Ring(other)
                if p.flags & abi::IORING_SETUP_SQPOLL != 0
                    && other.peek(|state| state.flags & abi::IORING_SETUP_SQPOLL == 0) =>
            {
                return Err(-libc::EINVAL);
            }
            ring_registry::Found::Ring(_) => {}
            _ if sys::is_open(p.wq_fd as c_int) => return Err(-libc::EINVAL),
            _ => return Err(-libc::ENXIO),
        }
    }
    let has = |flag| p.flags & flag != 0;
    if has(abi::IORING_SETUP_SQ_AFF) && !has(abi::IORING_SETUP_SQPOLL) {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

/// Sizes of the queues as the kernel rounds them.
pub(crate) fn set_sizes(entries: u32, p: &mut io_uring_params) -> Result<(), c_int> {
    (p.sq_entries, p.cq_entries) = anyring::ring::setup::queue_sizes(entries, p)?;
    Ok(())
}

impl Ring {
    /// io_uring_setup(2); the ring fd, or its index if it gets no fd. `bare` says that
    /// the program maps the fd itself.
    pub(crate) fn setup(
        entries: u32,
        p: &mut io_uring_params,
        reason: c_int,
        bare: bool,
    ) -> Sys<c_int> {
        if p.resv != [0; 3] {
            return Err(-libc::EINVAL);
        }
        check_flags(p.flags)?;
        set_sizes(entries, p)?;
        crate::os::fork::watch()?;
        for gone in ring_registry::sweep() {
            gone.abandon();
        }
        let given = p.flags & abi::IORING_SETUP_NO_MMAP != 0;
        let mut mappable = Mappable::default();
        let memory = Memory::new(p, given, bare.then_some(&mut mappable))?;
        check_helpers(p)?;
        let signal = sys::eventfd()?;
        let epoll = sys::epoll()?;
        let kick = sys::eventfd()?;
        let ring_fd = sys::epoll_low()?;
        let readable = libc::EPOLLIN as u32;
        let add = |epoll: &Fd, fd: &Fd, token| {
            sys::epoll_ctl(epoll.get(), libc::EPOLL_CTL_ADD, fd.get(), readable, token)
        };
        add(&epoll, &kick, KICK)?;
        add(&ring_fd, &signal, 0)?;
        if p.flags & abi::IORING_SETUP_DEFER_TASKRUN != 0 {
            add(&ring_fd, &epoll, 0)?;
        }
        let serial = ring_registry::serial();
        let mut state = State::new(memory, p.flags, epoll.get(), serial)?;
        state.mappable = mappable;
        state.disabled = p.flags & abi::IORING_SETUP_R_DISABLED != 0;
        if p.flags & abi::IORING_SETUP_SINGLE_ISSUER != 0 && !state.disabled {
            state.issuer = sys::gettid();
        }
        let ring = user_memory::shared(Ring {
            serial,
            signal,
            epoll,
            kick,
            state: Mutex::new(state),
            waiter: AtomicU64::new(1),
            idle_millis: match p.sq_thread_idle {
                0 => 1000,
                millis => millis,
            },
            reason,
            sqpoll_wake: Futex::new(0),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
        })?;
        ring.peek(|state| state.me = Arc::downgrade(&ring));
        p.features = FEATURES;
        if p.flags & abi::IORING_SETUP_SQPOLL != 0 {
            if p.flags & abi::IORING_SETUP_SQ_AFF != 0 && p.sq_thread_cpu as usize >= driver::cpus()
            {
                return Err(-libc::EINVAL);
            }
            sqpoll::start(&ring, p)?;
        }
        let result = if p.flags & abi::IORING_SETUP_REGISTERED_FD_ONLY != 0 {
            ring_registry::register(Arc::clone(&ring), None)
        } else {
            let fd = ring_fd.get();
            match ring_registry::add(fd, Arc::clone(&ring)) {
                Ok(gone) => {
                    if let Some(gone) = gone {
                        gone.abandon();
                    }
                    match ring.peek(|state| ring.show(state, false)) {
                        Ok(()) => Ok(ring_fd.release()),
                        Err(error) => {
                            ring_registry::remove(fd);
                            Err(error)
                        }
                    }
                }
                Err(error) => Err(error),
            }
        };
        if result.is_err() {
            ring.close();
        }
        result
    }

    /// Works on the state, and does afterwards what that brought about.
    /// `inside` says that a program thread is entering the ring.
    #[inline]
    pub(crate) fn with<R>(self: &Arc<Self>, inside: bool, work: impl FnOnce(&mut State) -> R) -> R {
        self.with_as(inside, 0, work)
    }

    /// The same for a waiting thread of that number, which need not be woken.
    #[inline]
    pub(crate) fn with_as<R>(
        self: &Arc<Self>,
        inside: bool,
        me: u64,
        work: impl FnOnce(&mut State) -> R,
    ) -> R {
        let mut state = self.state.lock();
        state.inside = inside;
        state.by_worker = false;
        let result = work(&mut state);
        state.advance();
        loop {
            state.announce(self.signal.get(), self.kick.get(), me);
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
        let neglected = state.care.is_neglected(&state.situation());
        if state.settling.is_empty() {
            drop(state);
        } else {
            let settling = core::mem::take(&mut state.settling);
            drop(state);
            for wait in settling {
                futex::settle_in(&wait);
            }
        }
        if neglected {
            driver::attach(self);
        }
        result
    }

    /// The state, for short looks that change nothing others wait for.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(&mut self.state.lock())
    }

    /// The same unless somebody works on it right now.
    pub(crate) fn glance<R>(&self, look: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.state.try_lock().map(|mut state| look(&mut state))
    }

    /// A number for a waiting thread.
    pub(crate) fn waiter(&self) -> u64 {
        self.waiter.fetch_add(1, Ordering::Relaxed)
    }

    /// The program unmaps what starts at this address; if that is the ring's,
    /// whether the engine mapped it.
    pub(crate) fn give_up(&self, address: usize) -> Option<bool> {
        self.peek(|state| state.memory.give_up(address))
    }

    /// Whether a descriptor still is this ring's.
    #[inline]
    pub(crate) fn is_at(&self, fd: c_int) -> bool {
        self.is_epoll_at(fd) || self.is_mapped_at(fd)
    }

    /// Whether it is the ring's epoll: only our own knows the eventfd in it.
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

    /// Its memory goes away: nothing may look at it any more.
    pub(crate) fn detach(self: &Arc<Self>) {
        self.with(false, |state| state.gone = true);
    }

    /// Ends a ring whose last descriptor or index is gone. As with a file, its
    /// mappings stay until the program unmaps them.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.peek(|state| state.memory.leave_mapped());
        self.close();
    }

    /// Ends it: whatever can be cancelled is, nothing is posted any more, and
    /// its descriptors are closed when this returns.
    pub(crate) fn close(self: &Arc<Self>) {
        pool::forget(self.serial);
        let waits = self.with(false, |state| {
            state.gone = true;
            crate::ops::cancel::everything(state);
            state.files.clear();
            state.buffers.clear();
            state.groups.clear();
            state.timers.clear();
            state.notify = None;
            state.shown = false;
            state.mappable.clear();
            !state.waiters.is_empty()
        });
        driver::detach(self);
        sqpoll_idle::wake(self);
        if waits {
            // They see that it is gone, and close what they hold.
            sys::eventfd_add(self.kick.get());
            return;
        }
        for fd in [&self.signal, &self.epoll, &self.kick] {
            fd.close();
        }
        file_cache::sweep();
    }
}
