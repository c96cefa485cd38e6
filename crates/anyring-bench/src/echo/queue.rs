//! What servers on io_uring need of a ring: this library's and the io-uring
//! crate's serve with the same code.
//!
//! # Safety
//! [`Queue::enqueue`] hands addresses on; what they point to is its caller's
//! business. A [`Group`] must outlive its ring or be left in memory for good.
#![allow(unsafe_code, reason = "hands buffers to the kernel; see above")]

use std::ffi::c_int;
use std::os::fd::RawFd;
use std::ptr;

use anyring::abi::{
    IORING_RECVSEND_BUNDLE, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER,
    IOSQE_BUFFER_SELECT, io_uring_buf_reg, io_uring_buf_ring,
};
use anyring::{Builder, Ring, buffers, prep};
use io_uring::{IoUring, opcode, types};

use crate::counted::note;
use crate::memory::Aligned;
use crate::seam::Seam;
use crate::text;

/// A step of a server.
#[derive(Clone, Copy)]
pub(super) enum Op {
    /// Until the descriptor is readable.
    Poll(RawFd),
    Accept(RawFd),
    AcceptMultishot(RawFd),
    Receive(RawFd, *mut u8, usize),
    /// Multishot, into buffers of group 0; several at once with bundles.
    ReceiveSelected(RawFd, bool),
    Send(RawFd, *const u8, usize),
    SendZeroCopy(RawFd, *const u8, usize),
    /// All buffers of the group.
    SendBundle(RawFd, u16),
    Close(RawFd),
}

/// A completion.
#[derive(Clone, Copy)]
pub(super) struct Done {
    pub(super) data: u64,
    pub(super) result: i32,
    pub(super) flags: u32,
}

/// Sends are complete or have failed.
const SEND: c_int = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;

/// A submission and a completion queue.
pub(super) trait Queue: Sized {
    /// A ring; `deferred`: with task work run at waits only, if the kernel can.
    fn open(entries: u32, deferred: bool) -> Result<Self, String>;

    /// Queues a step, after a submission if the queue is full.
    ///
    /// # Safety
    /// Memory of the step is valid, and left alone, until it is done.
    unsafe fn enqueue(&mut self, op: Op, data: u64) -> Result<(), String>;

    /// Submits, waits for one at least; all that are ready replace `done`.
    fn wait_for_any(&mut self, done: &mut Vec<Done>) -> Result<(), String>;

    /// Registers a group of provided buffers.
    fn register(&mut self, group: &Group) -> Result<(), String>;
}

/// Provided buffers, which may be anywhere; the ring of their addresses is here.
pub(super) struct Group {
    pub(super) id: u16,
    entries: u16,
    ring: Aligned,
}

impl Group {
    /// An empty group; `entries` is a power of two.
    pub(super) fn new(id: u16, entries: u16) -> Self {
        let ring = Aligned::new(usize::from(entries) * size_of::<anyring::abi::io_uring_buf>());
        Group { id, entries, ring }
    }

    fn start(&self) -> *mut io_uring_buf_ring {
        self.ring.as_mut_ptr().cast()
    }

    /// Gives a buffer to the kernel.
    ///
    /// # Safety
    /// There is room; the buffer is valid, and left alone, until it comes back.
    pub(super) unsafe fn give(&mut self, from: *mut u8, bytes: usize, buffer: u16) {
        let mask = buffers::mask(u32::from(self.entries));
        // SAFETY: the memory is a ring of that many entries.
        unsafe {
            buffers::add(self.start(), from.cast(), bytes as u32, buffer, mask, 0);
            buffers::advance(self.start(), 1);
        }
    }
}

fn provided(error: impl std::fmt::Display) -> String {
    format!("provided buffers need Linux 5.19 ({error})")
}

impl<S: Seam> Queue for Ring<S> {
    fn open(entries: u32, deferred: bool) -> Result<Self, String> {
        let mut ring = Err(anyring::Errno(libc::EINVAL));
        // Older kernels know fewer flags: the best they have.
        for flags in [IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0] {
            if ring.is_err() && (deferred || flags == 0) {
                let builder = Builder::new(entries).flags(flags).cq_entries(8192);
                ring = builder.build_on(S::get());
            }
        }
        let ring = ring.map_err(|e| format!("io_uring_setup: {}", text(e)))?;
        S::check(ring.fd())?;
        Ok(ring)
    }

    #[inline]
    unsafe fn enqueue(&mut self, op: Op, data: u64) -> Result<(), String> {
        // SAFETY: a condition of this function.
        unsafe {
            if self.as_ring_ref().sq_space_left() == 0 {
                self.submit().map_err(text)?;
            }
        }
        let sqe = self.next_sqe().ok_or("the submission queue stays full")?;
        match op {
            Op::Poll(fd) => prep::prep_poll_add(sqe, fd, libc::POLLIN as u32),
            Op::Accept(fd) => prep::prep_accept(
                sqe,
                fd,
                ptr::null_mut(),
                ptr::null_mut(),
                libc::SOCK_CLOEXEC,
            ),
            Op::AcceptMultishot(fd) => {
                let (none, size) = (ptr::null_mut(), ptr::null_mut());
                prep::prep_multishot_accept(sqe, fd, none, size, libc::SOCK_CLOEXEC);
            }
            Op::Receive(fd, to, bytes) => prep::prep_recv(sqe, fd, to.cast(), bytes, 0),
            Op::ReceiveSelected(fd, bundle) => {
                prep::prep_recv_multishot(sqe, fd, ptr::null_mut(), 0, 0);
                sqe.flags |= IOSQE_BUFFER_SELECT as u8;
                sqe.buf_index = 0;
                if bundle {
                    sqe.ioprio |= IORING_RECVSEND_BUNDLE as u16;
                }
            }
            Op::Send(fd, from, bytes) => prep::prep_send(sqe, fd, from.cast(), bytes, SEND),
            Op::SendZeroCopy(fd, from, bytes) => {
                prep::prep_send_zc(sqe, fd, from.cast(), bytes, SEND, 0)
            }
            Op::SendBundle(fd, group) => {
                prep::prep_send_bundle(sqe, fd, 0, SEND);
                sqe.flags |= IOSQE_BUFFER_SELECT as u8;
                sqe.buf_index = group;
            }
            Op::Close(fd) => prep::prep_close(sqe, fd),
        }
        sqe.user_data = data;
        Ok(())
    }

    #[inline]
    fn wait_for_any(&mut self, done: &mut Vec<Done>) -> Result<(), String> {
        done.clear();
        // SAFETY: what was queued is valid until it is done.
        match unsafe { self.submit_and_wait(1) } {
            Err(error) if error.0 != libc::EINTR => return Err(text(error)),
            _ => {}
        }
        done.extend(self.completions().map(|c| Done {
            data: c.user_data,
            result: c.res,
            flags: c.flags,
        }));
        Ok(())
    }

    fn register(&mut self, group: &Group) -> Result<(), String> {
        let mut registration = io_uring_buf_reg {
            ring_addr: group.start() as u64,
            ring_entries: group.entries.into(),
            bgid: group.id,
            flags: 0,
            min_left: 0,
            resv: [0; 5],
        };
        // SAFETY: the ring of addresses outlives this one or stays in memory.
        let result = unsafe {
            self.as_ring_ref()
                .register_buf_ring(&raw mut registration, 0)
        };
        anyring::check(result).map_err(|e| provided(text(e)))?;
        Ok(())
    }
}

impl Queue for IoUring {
    fn open(entries: u32, deferred: bool) -> Result<Self, String> {
        let mut best = IoUring::builder();
        best.setup_cqsize(8192);
        let plain = best.clone();
        if deferred {
            best.setup_single_issuer().setup_defer_taskrun();
        }
        best.build(entries)
            .or_else(|_| plain.build(entries))
            .map_err(|e| e.to_string())
    }

    #[inline]
    unsafe fn enqueue(&mut self, op: Op, data: u64) -> Result<(), String> {
        let entry = match op {
            Op::Poll(fd) => opcode::PollAdd::new(types::Fd(fd), libc::POLLIN as u32).build(),
            Op::Accept(fd) => opcode::Accept::new(types::Fd(fd), ptr::null_mut(), ptr::null_mut())
                .flags(libc::SOCK_CLOEXEC)
                .build(),
            Op::AcceptMultishot(fd) => opcode::AcceptMulti::new(types::Fd(fd))
                .flags(libc::SOCK_CLOEXEC)
                .build(),
            Op::Receive(fd, to, bytes) => {
                opcode::Recv::new(types::Fd(fd), to, bytes as u32).build()
            }
            Op::ReceiveSelected(fd, false) => opcode::RecvMulti::new(types::Fd(fd), 0).build(),
            Op::ReceiveSelected(fd, true) => opcode::RecvMultiBundle::new(types::Fd(fd), 0).build(),
            Op::Send(fd, from, bytes) => opcode::Send::new(types::Fd(fd), from, bytes as u32)
                .flags(SEND)
                .build(),
            Op::SendZeroCopy(fd, from, bytes) => {
                opcode::SendZc::new(types::Fd(fd), from, bytes as u32)
                    .flags(SEND)
                    .build()
            }
            Op::SendBundle(fd, group) => opcode::SendBundle::new(types::Fd(fd), group)
                .flags(SEND)
                .build(),
            Op::Close(fd) => opcode::Close::new(types::Fd(fd)).build(),
        }
        .user_data(data);
        // SAFETY: a condition of this function.
        while unsafe { self.submission().push(&entry) }.is_err() {
            note(1);
            self.submit().map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    #[inline]
    fn wait_for_any(&mut self, done: &mut Vec<Done>) -> Result<(), String> {
        done.clear();
        note(1);
        match self.submit_and_wait(1) {
            Err(error) if error.raw_os_error() != Some(libc::EINTR) => {
                return Err(error.to_string());
            }
            _ => {}
        }
        done.extend(self.completion().map(|c| Done {
            data: c.user_data(),
            result: c.result(),
            flags: c.flags(),
        }));
        Ok(())
    }

    fn register(&mut self, group: &Group) -> Result<(), String> {
        // SAFETY: the ring of addresses outlives this one or stays in memory.
        let result = unsafe {
            self.submitter().register_buf_ring_with_flags(
                group.start() as u64,
                group.entries,
                group.id,
                0,
            )
        };
        result.map_err(provided)
    }
}
