//! A ring on a scripted machine.
#![allow(dead_code, reason = "each test file uses a part")]

use std::ptr;

use anyring::RingRef;
use anyring::abi::*;
use anyring::kernel::scripted::{Call, Features, Machine};
use anyring::ring::setup::{empty, params, queue_exit, queue_init_params};

/// A ring and the machine that serves it.
pub(crate) struct Served {
    /// The machine; leaked, so that rings may keep a reference to it.
    pub(crate) machine: &'static Machine,
    /// The ring, at a fixed place.
    pub(crate) raw: Box<io_uring>,
}

impl Served {
    /// Sets a ring of `entries` up with these setup flags.
    pub(crate) fn new(features: Features, entries: u32, flags: u32) -> Self {
        Self::with(features, entries, params(flags))
    }

    /// The same with whole params.
    pub(crate) fn with(features: Features, entries: u32, mut p: io_uring_params) -> Self {
        let machine: &'static Machine = Box::leak(Box::new(Machine::new(features)));
        let mut raw = Box::new(empty());
        // SAFETY: both structs are valid.
        let result = unsafe { queue_init_params(machine, entries, &raw mut *raw, &raw mut p) };
        assert_eq!(result, 0);
        machine.calls();
        Served { machine, raw }
    }

    /// The ring.
    pub(crate) fn ring(&mut self) -> RingRef<&'static Machine> {
        // SAFETY: set up above; tests do not use it after `exit`.
        unsafe { RingRef::new(&raw mut *self.raw, self.machine) }
    }

    /// Queues a nop with this tag.
    pub(crate) fn nop(&mut self, tag: u64) {
        let sqe = self.ring().get_sqe().expect("room in the queue");
        // SAFETY: a fresh entry.
        let sqe = unsafe { &mut *sqe.as_ptr() };
        anyring::prep::prep_nop(sqe);
        sqe.user_data = tag;
    }

    /// Takes the first completion.
    pub(crate) fn take(&mut self) -> Option<(u64, i32)> {
        let peek = self.ring().peek_raw();
        if peek.cqe.is_null() {
            return None;
        }
        // SAFETY: a ready entry.
        let cqe = unsafe { *peek.cqe };
        self.ring().cq_advance(1);
        Some((cqe.user_data, cqe.res))
    }

    /// Takes the ring down; nothing may be left open.
    pub(crate) fn exit(mut self) {
        // SAFETY: not used any more.
        unsafe { queue_exit(self.ring()) };
        assert_eq!(self.machine.open(), (0, 0), "descriptors, mappings");
    }

    /// The flags of the enters since the last look.
    pub(crate) fn enters(&self) -> Vec<(u32, u32, u32)> {
        self.machine
            .calls()
            .into_iter()
            .filter_map(|call| match call {
                Call::Enter(_, submit, wait, flags, _) => Some((submit, wait, flags)),
                _ => None,
            })
            .collect()
    }
}

/// A timeout that is never looked at.
pub(crate) fn soon() -> __kernel_timespec {
    __kernel_timespec {
        tv_sec: 0,
        tv_nsec: 1,
    }
}

/// No signal mask.
pub(crate) fn no_mask() -> *const std::ffi::c_void {
    ptr::null()
}
