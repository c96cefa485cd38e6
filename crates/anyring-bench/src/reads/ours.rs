//! Rings of this library.
//!
//! # Safety
//! `Engine` keeps file and memory for longer than the ring, and looks at a
//! slot's bytes only when its read is done; slots are below the depth.
#![allow(unsafe_code, reason = "hands memory to the kernel; see above")]

use std::time::{Duration, Instant};

use anyring::abi::{IORING_SETUP_IOPOLL, IORING_SETUP_SQPOLL, IOSQE_FIXED_FILE};
use anyring::{Builder, Ring, prep};

use super::{Done, Queue, Setup};
use crate::seam::Seam;
use crate::text;

/// What is switched on.
#[derive(Clone, Copy, Default)]
pub(super) struct Features {
    /// Registered buffers and file.
    pub(super) fixed: bool,
    /// Setup flags.
    pub(super) flags: u32,
    /// The processor of the SQPOLL thread.
    pub(super) poller: Option<usize>,
}

/// A ring that reads.
pub(super) struct Ours<S: Seam> {
    ring: Ring<S>,
    fixed: bool,
    sqpoll: bool,
    block: usize,
    fd: i32,
    memory: *mut u8,
}

impl<S: Seam> Ours<S> {
    pub(super) fn new(setup: &Setup, features: Features) -> Result<Self, String> {
        let mut builder = Builder::new(setup.depth as u32).flags(features.flags);
        let sqpoll = features.flags & IORING_SETUP_SQPOLL != 0;
        if sqpoll {
            builder = builder.sq_thread_idle(100);
            if let Some(cpu) = features.poller {
                builder = builder.sq_thread_cpu(cpu as u32);
            }
        }
        let mut ring = builder
            .build_on(S::get())
            .map_err(|e| format!("io_uring_setup: {}", text(e)))?;
        S::check(ring.fd())?;
        if features.fixed {
            let all = libc::iovec {
                iov_base: setup.memory.cast(),
                iov_len: setup.depth * setup.block,
            };
            // SAFETY: `Engine` keeps file and memory until the ring is gone.
            unsafe {
                let ring = ring.as_ring_ref();
                anyring::check(ring.register(
                    anyring::abi::IORING_REGISTER_BUFFERS,
                    (&raw const all).cast(),
                    1,
                ))
                .map_err(|e| format!("registering buffers: {}", text(e)))?;
                anyring::check(ring.register_files(&raw const setup.fd, 1))
                    .map_err(|e| format!("registering files: {}", text(e)))?;
            }
        }
        Ok(Ours {
            ring,
            fixed: features.fixed,
            sqpoll,
            block: setup.block,
            fd: setup.fd,
            memory: setup.memory,
        })
    }

    /// A polled ring needs a device with polled queues: one read tells.
    pub(super) fn probe_polled(setup: &Setup) -> Result<(), String> {
        let features = Features {
            flags: IORING_SETUP_IOPOLL,
            fixed: true,
            poller: None,
        };
        let mut queue = Self::new(setup, features)?;
        let mut done = Vec::new();
        queue.push(0, 0);
        while done.is_empty() {
            queue.exchange(&mut done)?;
        }
        match done.first() {
            Some(Done { result, .. }) if *result < 0 => Err(format!(
                "this device or file system has no polled reads ({})",
                std::io::Error::from_raw_os_error(-result)
            )),
            _ => Ok(()),
        }
    }
}

/// Submits and waits; a signal ends the wait.
///
/// # Safety
/// What was queued is valid until it is done.
unsafe fn wait_for_one<S: Seam>(ring: &mut Ring<S>) -> Result<(), String> {
    // SAFETY: a condition of this function.
    match unsafe { ring.submit_and_wait(1) } {
        Err(error) if error.0 != libc::EINTR => Err(text(error)),
        _ => Ok(()),
    }
}

impl<S: Seam> Queue for Ours<S> {
    const COUNTS: bool = S::COUNTS;

    #[inline]
    fn push(&mut self, slot: usize, offset: u64) {
        // SAFETY: the slot lies inside the memory of the engine.
        let to = unsafe { self.memory.add(slot * self.block) };
        let (fixed, fd, block) = (self.fixed, self.fd, self.block as u32);
        let sqe = loop {
            // An SQPOLL thread may not have taken the last ones yet.
            // SAFETY: used within this call.
            if unsafe { self.ring.as_ring_ref() }.sq_space_left() > 0 {
                break self.ring.next_sqe().expect("there is room");
            }
            // SAFETY: as in `exchange`.
            let _ = unsafe { self.ring.submit() };
            std::hint::spin_loop();
        };
        if fixed {
            prep::prep_read_fixed(sqe, 0, to.cast(), block, offset, 0);
            sqe.flags |= IOSQE_FIXED_FILE as u8;
        } else {
            prep::prep_read(sqe, fd, to.cast(), block, offset);
        }
        sqe.user_data = slot as u64;
    }

    fn exchange(&mut self, done: &mut Vec<Done>) -> Result<(), String> {
        // SAFETY: the memory belongs to the engine until the reads are done.
        unsafe {
            if self.sqpoll {
                self.ring.submit().map_err(text)?;
                let patience = Instant::now();
                while self.ring.cq_ready() == 0 {
                    if patience.elapsed() > Duration::from_micros(200) {
                        wait_for_one(&mut self.ring)?;
                        break;
                    }
                    for _ in 0..64 {
                        std::hint::spin_loop();
                    }
                }
            } else {
                wait_for_one(&mut self.ring)?;
            }
        }
        done.extend(self.ring.completions().map(|c| Done {
            slot: c.user_data as usize,
            result: c.res,
        }));
        Ok(())
    }
}
