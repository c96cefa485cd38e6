//! Buffers that receives take from.
//!
//! # Safety
//! A buffer is the kernel's from [`Pool::give`] until a receive brings it; then
//! it is the server's, who gives it back when nothing reads it any more.
//! Servers keep a pool until all connections are closed, or for good.
#![allow(unsafe_code, reason = "hands buffers to the kernel; see above")]

use super::queue::{Group, Queue};
use crate::memory::Aligned;

/// Buffers of a pool.
pub(super) const BUFFERS: u16 = 256;
/// Bytes of a buffer.
pub(super) const SIZE: usize = 4096;

/// Provided buffers with their memory; group 0.
pub(super) struct Pool {
    group: Group,
    memory: Aligned,
    /// The buffer that was given after this one: bundles run along it.
    next: Vec<u16>,
    last: u16,
}

impl Pool {
    /// A pool with all its buffers given.
    pub(super) fn new(ring: &mut impl Queue) -> Result<Self, String> {
        let group = Group::new(0, BUFFERS);
        ring.register(&group)?;
        let mut pool = Pool {
            group,
            memory: Aligned::new(usize::from(BUFFERS) * SIZE),
            next: vec![0; BUFFERS.into()],
            last: 0,
        };
        for buffer in 0..BUFFERS {
            pool.give(buffer);
        }
        Ok(pool)
    }

    /// Where a buffer is.
    pub(super) fn place(&self, buffer: u16) -> *mut u8 {
        assert!(buffer < BUFFERS);
        let start = self.memory.as_mut_ptr();
        start.wrapping_add(usize::from(buffer) * SIZE)
    }

    /// The buffer the kernel takes after this one.
    pub(super) fn after(&self, buffer: u16) -> u16 {
        self.next[usize::from(buffer)]
    }

    /// Gives a buffer to the kernel.
    pub(super) fn give(&mut self, buffer: u16) {
        let place = self.place(buffer);
        // SAFETY: each buffer is given once until it is taken; see above.
        unsafe { self.group.give(place, SIZE, buffer) };
        self.next[usize::from(self.last)] = buffer;
        self.last = buffer;
    }
}
