//! io_uring_setup(2): makes rings, and ends them.

use alloc::sync::Arc;
use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_params;

use crate::chaos::{self, CALL, Kind};
use crate::os::sys::{self, Fd, Sys};
use crate::os::{file_cache, fork, user_memory};
use crate::pool;
use crate::ring::mappable::Mappable;
use crate::ring::memory::Memory;
use crate::ring::state::State;
use crate::ring::{KICK, Ring, ring_registry, ring_wakes};
use crate::wait::{driver, sqpoll, sqpoll_idle};

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

/// Flags that exclude one another, or need one another.
fn check_flags(flags: u32) -> Result<(), c_int> {
    let has = |flag| flags & flag != 0;
    let wrong = flags & !(SETUP_FLAGS & chaos::mask().setup) != 0
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
                    && other.peek_without_signals(|state| {
                        state.flags & abi::IORING_SETUP_SQPOLL == 0
                    }) =>
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
        fork::watch(begin_child)?;
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
        let chaos = state.chaos;
        let sleeps = p.flags & abi::IORING_SETUP_SQPOLL != 0
            && chaos.may(Kind::Sleep)
            && chaos.strikes(Kind::Sleep, 0, &CALL).is_some();
        let ring = user_memory::shared(Ring::new(
            signal,
            epoll,
            kick,
            state,
            match p.sq_thread_idle {
                _ if sleeps => 1,
                0 => 1000,
                millis => millis,
            },
            reason,
        ))?;
        ring.peek(|state| {
            state.me = Arc::downgrade(&ring);
            ring.note_memory(&state.memory);
        });
        p.features = FEATURES & chaos::mask().features;
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
        } else {
            driver::prepare();
        }
        result
    }

    /// Its memory goes away: nothing may look at it any more.
    pub(crate) fn detach(self: &Arc<Self>) {
        self.with(false, |state| state.gone = true);
    }

    /// Ends a ring whose last descriptor or index is gone. As with a file, its
    /// mappings stay until the program unmaps them.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.peek_without_signals(|state| state.memory.leave_mapped());
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
            state.waiting_events -= state.delayed.len() as u32;
            state.delayed.clear();
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

/// Gives up what a forked child has of its parent's rings.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the engine.
unsafe fn begin_child() {
    // SAFETY: the contract of `fork::Abandon`, which this has.
    unsafe {
        pool::begin_child();
        driver::begin_child();
        ring_registry::begin_child();
        ring_wakes::begin_child();
    }
}
