//! Linux AIO, the way it was done before, by its system calls: what libaio wraps.
//!
//! # Safety
//! Control blocks live in a vector of [`Aio`] that never grows; the context is
//! destroyed, which waits for what is in flight, before they go. The memory of
//! reads is the business of [`Aio::push`].
#![allow(
    unsafe_code,
    reason = "system calls that rustix does not have; see above"
)]

use std::io;
use std::ptr;

/// The result of a libc call.
fn check(result: libc::c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Iocb {
    data: u64,
    key: u32,
    rw_flags: i32,
    opcode: u16,
    priority: i16,
    fd: u32,
    buf: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event_fd: u32,
}
const _: () = assert!(size_of::<Iocb>() == 64);

/// A completion of Linux AIO.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct IoEvent {
    pub(crate) data: u64,
    object: u64,
    pub(crate) result: i64,
    result2: i64,
}

/// Linux AIO, through its system calls.
pub(crate) struct Aio {
    context: u64,
    blocks: Vec<Iocb>,
    queued: Vec<*mut Iocb>,
    events: Vec<IoEvent>,
}

impl Aio {
    pub(crate) fn new(depth: usize) -> io::Result<Self> {
        let mut context = 0u64;
        // SAFETY: valid for the call.
        check(unsafe { libc::syscall(libc::SYS_io_setup, depth, &raw mut context) })?;
        // SAFETY: integers.
        let empty: Iocb = unsafe { std::mem::zeroed() };
        Ok(Aio {
            context,
            blocks: vec![empty; depth],
            queued: Vec::with_capacity(depth),
            events: vec![IoEvent::default(); depth],
        })
    }

    /// Queues a read.
    ///
    /// # Safety
    /// `buf` is writable for `bytes` until the read has completed, and the
    /// slot is not in flight.
    pub(crate) unsafe fn push(
        &mut self,
        slot: usize,
        fd: i32,
        buf: *mut u8,
        bytes: usize,
        offset: u64,
    ) {
        let block = &mut self.blocks[slot];
        block.data = slot as u64;
        block.opcode = 0; // IOCB_CMD_PREAD
        block.fd = fd as u32;
        block.buf = buf as u64;
        block.bytes = bytes as u64;
        block.offset = offset as i64;
        self.queued.push(block);
    }

    /// Submits what is queued; system calls made.
    pub(crate) fn submit(&mut self) -> io::Result<u64> {
        let mut calls = 0;
        while !self.queued.is_empty() {
            // SAFETY: the blocks live in `self`, whose vector does not grow.
            let taken = check(unsafe {
                libc::syscall(
                    libc::SYS_io_submit,
                    self.context,
                    self.queued.len(),
                    self.queued.as_ptr(),
                )
            })?;
            calls += 1;
            self.queued.drain(..taken);
        }
        Ok(calls)
    }

    /// Waits for one completion at least; none after a signal.
    pub(crate) fn wait(&mut self) -> io::Result<&[IoEvent]> {
        // SAFETY: room for as many events as are given.
        let found = check(unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.context,
                1usize,
                self.events.len(),
                self.events.as_mut_ptr(),
                ptr::null::<libc::timespec>(),
            )
        });
        match found {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(&[]),
            found => Ok(&self.events[..found?]),
        }
    }
}

impl Drop for Aio {
    fn drop(&mut self) {
        // SAFETY: waits for what is in flight; used by nobody afterwards.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.context) };
    }
}
