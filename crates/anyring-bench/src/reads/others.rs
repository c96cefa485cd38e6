//! pread, Linux AIO, and the io-uring crate.
//!
//! # Safety
//! `Engine` keeps file and memory for longer than the queue, and looks at a
//! slot's bytes only when its read is done; slots are below the depth.
#![allow(unsafe_code, reason = "hands memory to the kernel; see above")]

use io_uring::{IoUring, opcode, squeue, types};

use super::{Done, Queue, Setup};
use crate::aio::Aio;
use crate::counted::note;

/// pread(2); bytes or `-errno`.
///
/// # Safety
/// There is room for a block.
pub(super) unsafe fn pread(fd: i32, to: *mut u8, block: usize, offset: u64) -> i32 {
    // SAFETY: a condition of this function.
    match unsafe { libc::pread(fd, to.cast(), block, offset as i64) } {
        -1 => -std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO),
        bytes => bytes as i32,
    }
}

/// One pread(2) after the other.
pub(super) struct Pread {
    fd: i32,
    block: usize,
    memory: *mut u8,
    done: Vec<Done>,
}

impl Pread {
    pub(super) fn new(setup: &Setup) -> Self {
        Pread {
            fd: setup.fd,
            block: setup.block,
            memory: setup.memory,
            done: Vec::with_capacity(setup.depth),
        }
    }
}

impl Queue for Pread {
    fn push(&mut self, slot: usize, offset: u64) {
        // SAFETY: the slot lies inside the memory of the engine.
        let result = unsafe {
            let to = self.memory.add(slot * self.block);
            pread(self.fd, to, self.block, offset)
        };
        note(1);
        self.done.push(Done { slot, result });
    }

    fn exchange(&mut self, done: &mut Vec<Done>) -> Result<(), String> {
        done.append(&mut self.done);
        Ok(())
    }
}

/// Linux AIO.
pub(super) struct AioQueue {
    aio: Aio,
    fd: i32,
    block: usize,
    memory: *mut u8,
}

impl AioQueue {
    pub(super) fn new(setup: &Setup) -> Result<Self, String> {
        let aio = Aio::new(setup.depth).map_err(|e| format!("io_setup: {e}"))?;
        Ok(AioQueue {
            aio,
            fd: setup.fd,
            block: setup.block,
            memory: setup.memory,
        })
    }
}

impl Queue for AioQueue {
    fn push(&mut self, slot: usize, offset: u64) {
        // SAFETY: the engine's memory outlives the queue; slots are free.
        unsafe {
            self.aio.push(
                slot,
                self.fd,
                self.memory.add(slot * self.block),
                self.block,
                offset,
            )
        };
    }

    fn exchange(&mut self, done: &mut Vec<Done>) -> Result<(), String> {
        note(1 + self.aio.submit().map_err(|e| format!("io_submit: {e}"))?);
        let events = self.aio.wait().map_err(|e| format!("io_getevents: {e}"))?;
        done.extend(events.iter().map(|e| Done {
            slot: e.data as usize,
            result: e.result as i32,
        }));
        Ok(())
    }
}

/// The io-uring crate.
pub(super) struct Crate {
    ring: IoUring,
    fixed: bool,
    fd: i32,
    block: usize,
    memory: *mut u8,
}

impl Crate {
    pub(super) fn new(setup: &Setup, fixed: bool) -> Result<Self, String> {
        let ring = IoUring::new(setup.depth as u32).map_err(|e| e.to_string())?;
        if fixed {
            let all = libc::iovec {
                iov_base: setup.memory.cast(),
                iov_len: setup.depth * setup.block,
            };
            // SAFETY: the engine's memory outlives the ring.
            unsafe { ring.submitter().register_buffers(&[all]) }.map_err(|e| e.to_string())?;
            ring.submitter()
                .register_files(&[setup.fd])
                .map_err(|e| e.to_string())?;
        }
        Ok(Crate {
            ring,
            fixed,
            fd: setup.fd,
            block: setup.block,
            memory: setup.memory,
        })
    }

    fn entry(&self, slot: usize, offset: u64) -> squeue::Entry {
        // SAFETY: the slot lies inside the memory of the engine.
        let to = unsafe { self.memory.add(slot * self.block) };
        let entry = if self.fixed {
            opcode::ReadFixed::new(types::Fixed(0), to, self.block as u32, 0)
                .offset(offset)
                .build()
        } else {
            opcode::Read::new(types::Fd(self.fd), to, self.block as u32)
                .offset(offset)
                .build()
        };
        entry.user_data(slot as u64)
    }
}

impl Queue for Crate {
    fn push(&mut self, slot: usize, offset: u64) {
        let entry = self.entry(slot, offset);
        // SAFETY: the memory outlives the ring.
        unsafe { self.ring.submission().push(&entry) }.expect("at most the depth is out");
    }

    fn exchange(&mut self, done: &mut Vec<Done>) -> Result<(), String> {
        note(1);
        match self.ring.submit_and_wait(1) {
            Err(error) if error.raw_os_error() != Some(libc::EINTR) => {
                return Err(error.to_string());
            }
            _ => {}
        }
        done.extend(self.ring.completion().map(|c| Done {
            slot: c.user_data() as usize,
            result: c.result(),
        }));
        Ok(())
    }
}
