//! Provided-buffer rings.
//!
//! # Safety
//! The functions take pointers to buffer rings: memory of `entries` slots of
//! 16 bytes, shared with the kernel, whose tail only this side writes.

use core::ffi::{c_int, c_uint, c_ushort, c_void};
use core::sync::atomic::{AtomicU16, Ordering};

use anyring_abi::{IORING_REGISTER_PBUF_RING, io_uring_buf, io_uring_buf_ring};

use crate::kernel::Kernel;
use crate::register::buf_reg;
use crate::ring::RingRef;

/// The tail of a buffer ring.
///
/// # Safety
/// `br` is a mapped buffer ring.
#[inline(always)]
unsafe fn tail<'a>(br: *mut io_uring_buf_ring) -> &'a AtomicU16 {
    // SAFETY: aligned and mapped, the caller says; all accesses are atomic.
    unsafe { AtomicU16::from_ptr(&raw mut (*br).tail) }
}

/// Mask of a ring with `entries` slots.
#[inline(always)]
#[must_use]
pub const fn mask(entries: u32) -> c_int {
    entries.wrapping_sub(1) as c_int
}

/// Empties a buffer ring.
///
/// # Safety
/// `br` is a mapped buffer ring.
#[inline(always)]
pub unsafe fn init(br: *mut io_uring_buf_ring) {
    // SAFETY: handed on from the caller.
    unsafe { tail(br) }.store(0, Ordering::Relaxed);
}

/// Fills the slot `offset` behind the tail; the tail stays.
///
/// # Safety
/// `br` is a mapped buffer ring with this `mask`.
#[inline(always)]
pub unsafe fn add(
    br: *mut io_uring_buf_ring,
    addr: *mut c_void,
    len: c_uint,
    bid: c_ushort,
    mask: c_int,
    offset: c_int,
) {
    // SAFETY: handed on from the caller. The slots begin where the ring does.
    // The last two bytes of a slot are left alone: in slot 0 they are the tail.
    unsafe {
        let slot = (c_int::from(tail(br).load(Ordering::Relaxed)).wrapping_add(offset)) & mask;
        let buf = br.cast::<io_uring_buf>().wrapping_offset(slot as isize);
        (*buf).addr = addr as u64;
        (*buf).len = len;
        (*buf).bid = bid;
    }
}

/// Moves the tail by `count`, modulo 65536, and shows the slots to the kernel.
///
/// # Safety
/// `br` is a mapped buffer ring.
#[inline(always)]
pub unsafe fn advance(br: *mut io_uring_buf_ring, count: c_int) {
    // SAFETY: handed on from the caller. Release: the slots were written
    // before; the kernel reads the tail with acquire.
    unsafe {
        let tail = tail(br);
        let moved = tail.load(Ordering::Relaxed).wrapping_add(count as u16);
        tail.store(moved, Ordering::Release);
    }
}

impl<K: Kernel> RingRef<K> {
    /// Gives buffers to the kernel, then CQ slots.
    ///
    /// # Safety
    /// `br` is a mapped buffer ring.
    #[inline(always)]
    pub unsafe fn buf_ring_cq_advance(
        self,
        br: *mut io_uring_buf_ring,
        cq_count: c_int,
        buf_count: c_int,
    ) {
        // SAFETY: handed on from the caller.
        unsafe { advance(br, buf_count) };
        self.cq_advance(cq_count as u32);
    }

    /// Buffers in the ring that the kernel has not used yet, or `-errno`.
    ///
    /// # Safety
    /// `br` is the mapped buffer ring of group `bgid`.
    pub unsafe fn buf_ring_available(self, br: *mut io_uring_buf_ring, bgid: c_ushort) -> c_int {
        match self.buf_ring_head(c_int::from(bgid)) {
            // SAFETY: handed on from the caller.
            Ok(head) => c_int::from(
                unsafe { tail(br) }
                    .load(Ordering::Relaxed)
                    .wrapping_sub(head),
            ),
            Err(error) => error,
        }
    }

    /// io_uring_setup_buf_ring(3): maps and registers a buffer ring.
    ///
    /// # Errors
    /// The `-errno` of the mapping, or what the registration gave if not 0.
    pub fn setup_buf_ring(
        self,
        entries: c_uint,
        bgid: c_int,
        flags: c_uint,
    ) -> Result<*mut io_uring_buf_ring, c_int> {
        let size = entries as usize * size_of::<io_uring_buf>();
        let map_flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping, unmapped again if it cannot be
        // registered.
        unsafe {
            let memory = self.kernel().mmap(size, map_flags, -1, 0)?;
            let br = memory.cast::<io_uring_buf_ring>();
            let reg = buf_reg(br as u64, entries, bgid, flags);
            let result = self.register(IORING_REGISTER_PBUF_RING, (&raw const reg).cast(), 1);
            if result != 0 {
                self.kernel().munmap(memory, size);
                return Err(result);
            }
            init(br);
            Ok(br)
        }
    }

    /// io_uring_free_buf_ring(3): unregisters, and unmaps only if that worked.
    ///
    /// # Safety
    /// `br` came from [`setup_buf_ring`](Self::setup_buf_ring) with `entries`
    /// and is no longer used.
    pub unsafe fn free_buf_ring(
        self,
        br: *mut io_uring_buf_ring,
        entries: c_uint,
        bgid: c_int,
    ) -> c_int {
        let result = self.unregister_buf_ring(bgid);
        if result < 0 {
            return result;
        }
        let size = entries as usize * size_of::<io_uring_buf>();
        // SAFETY: handed on from the caller.
        unsafe { self.kernel().munmap(br.cast(), size) };
        0
    }
}
