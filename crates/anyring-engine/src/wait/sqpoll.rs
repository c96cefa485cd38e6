//! SQPOLL: threads that submit for rings.

use alloc::sync::Arc;
use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::{__kernel_timespec, io_uring_params};

use crate::os::sync::Futex;
use crate::os::sys;
use crate::os::threads;
use crate::ring::Ring;
use crate::ring::memory::Memory;
use crate::ring::sq::SubmissionQueue;
use crate::wait::enter;
use crate::wait::sqpoll_idle::{Polled, poll_once, wake};

/// Between two looks at a full queue.
const NAP_NANOS: u64 = 50_000;

impl Polled for Arc<Ring> {
    type Memory = Memory;

    fn wake_word(&self) -> &Futex {
        &self.sqpoll_wake
    }

    fn idle_nanos(&self) -> u64 {
        u64::from(self.idle_millis) * 1_000_000
    }

    fn now(&self) -> u64 {
        sys::now(libc::CLOCK_MONOTONIC)
    }

    fn submit(&self) -> Option<u32> {
        self.with(false, |state| match (state.gone, state.disabled) {
            (true, _) => None,
            (_, true) => Some(0),
            _ => Some(enter::submit(state, u32::MAX).unwrap_or(0) as u32),
        })
    }

    fn look<R>(&self, look: impl FnOnce(&SubmissionQueue, &Memory, bool) -> R) -> Option<R> {
        self.peek(|state| (!state.gone).then(|| look(&state.sq, &state.memory, state.disabled)))
    }
}

/// Starts the thread that submits for a ring.
pub(crate) fn start(ring: &Arc<Ring>, p: &io_uring_params) -> Result<(), c_int> {
    let theirs = Arc::downgrade(ring);
    let cpu = (p.flags & abi::IORING_SETUP_SQ_AFF != 0).then_some(p.sq_thread_cpu as usize);
    threads::start(move || {
        if let Some(cpu) = cpu {
            let mut set = [0_u64; 16];
            if let Some(word) = set.get_mut(cpu / 64) {
                *word = 1 << (cpu % 64);
            }
            // SAFETY: the set is read during the call.
            let _ = unsafe {
                sys::raw(
                    libc::SYS_sched_setaffinity,
                    &[0, size_of_val(&set), set.as_ptr() as usize],
                )
            };
        }
        let mut worked = sys::now(libc::CLOCK_MONOTONIC);
        while let Some(ring) = theirs.upgrade() {
            if !poll_once(&ring, &mut worked) {
                return;
            }
        }
    })
}

/// Waits until the submission queue has room.
pub(crate) fn wait_for_room(ring: &Arc<Ring>) {
    let full = || {
        ring.look(|sq, memory, _| sq.is_full(memory))
            .unwrap_or(false)
    };
    while full() {
        wake(ring);
        let nap: __kernel_timespec = sys::timespec(NAP_NANOS);
        // SAFETY: the time is read during the call.
        let slept = unsafe { sys::raw(libc::SYS_nanosleep, &[(&raw const nap) as usize, 0]) };
        if slept.is_err() {
            return;
        }
    }
}
