//! A ring's descriptor as something that a program maps itself.
//!
//! No descriptor can be both mapped and waited for, but its number can stand for
//! one after the other. When there is something for the program to map, a sparse
//! memfd that has it at the documented offsets takes the number, and the epoll is
//! kept in a duplicate, so that its entries in the program's own epolls stay. The
//! next call on the ring that may lead to a wait puts the epoll back.
//!
//! The memfd is sealed against changes of its size, and its content allocated
//! before it is mapped: a touch of it cannot fail. Its file position is where
//! neither reads nor writes are possible.
//!
//! # Safety
//! [`Mapping`]s are the engine's own; those that a program was given the address
//! of are given away.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::{c_int, c_void};
use core::sync::atomic::Ordering;

use anyring_abi as abi;

use crate::os::sys::{self, Fd, Sys};
use crate::ring::Ring;
use crate::ring::ring_registry;
use crate::ring::state::State;

/// Buffer groups whose rings have an offset.
pub(crate) const GROUPS: u64 =
    (1 << abi::IORING_OFF_MMAP_MASK.trailing_zeros()) >> abi::IORING_OFF_PBUF_SHIFT;
/// Where the ring of the highest one ends, at most.
const SIZE: u64 = abi::IORING_OFF_PBUF_RING + (GROUPS << abi::IORING_OFF_PBUF_SHIFT) + (1 << 20);

/// Memory that the engine mapped.
#[derive(Debug)]
pub(crate) struct Mapping {
    at: *mut c_void,
    bytes: usize,
}

// SAFETY: memory is not bound to a thread.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the engine's own mapping, which nothing else refers to.
        unsafe { sys::unmap(self.at, self.bytes) };
    }
}

impl Mapping {
    pub(crate) fn address(&self) -> *mut c_void {
        self.at
    }

    /// The program has its address, and unmaps it.
    pub(crate) fn give_away(self) {
        core::mem::forget(self);
    }
}

/// What of a ring can be mapped.
#[derive(Debug, Default)]
pub(crate) struct Mappable {
    /// Takes what comes next, unless something is there.
    file: Option<Fd>,
    /// Offsets and bytes of what it holds.
    used: Vec<(u64, u64)>,
    /// Something came that the program has not had an occasion to map.
    fresh: bool,
    /// The ring's epoll and number, while the memfd has the number.
    shown: Option<(Fd, c_int)>,
}

impl Mappable {
    /// Zeroes to be mapped at an offset of the ring fd, mapped by the engine.
    pub(crate) fn place(&mut self, offset: u64, bytes: usize) -> Sys<Mapping> {
        let end = offset.checked_add(bytes as u64).ok_or(-libc::ENOMEM)?;
        if end > SIZE {
            return Err(-libc::ENOMEM);
        }
        self.used.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
        // Offsets overlap, or are used again, while the old content is still mapped.
        let overlaps = |(at, len): &(u64, u64)| offset < at + len && *at < end;
        let file = match self.file.take() {
            Some(file) if !self.used.iter().any(overlaps) => file,
            _ => {
                let file = sys::memfd(SIZE)?;
                self.used.clear();
                file
            }
        };
        let number = file.get();
        self.file = Some(file);
        let at = sys::map_shared(number, offset, bytes)?;
        self.used.push((offset, bytes as u64));
        self.fresh = true;
        Ok(Mapping { at, bytes })
    }

    /// The ring ends.
    pub(crate) fn clear(&mut self) {
        *self = Mappable::default();
    }
}

impl Ring {
    /// Whether a descriptor is the memfd of this ring.
    #[cold]
    pub(crate) fn is_mapped_at(&self, fd: c_int) -> bool {
        let inode = self.inode.load(Ordering::Relaxed);
        if inode == 0 {
            return false;
        }
        let place = (self.device.load(Ordering::Relaxed), inode);
        // Another thread may just be exchanging the two.
        (0..8).any(|_| sys::identity(fd) == Ok(place) || self.is_epoll_at(fd))
    }

    /// Puts the memfd over the ring's number if there is something new to map, or
    /// `again`.
    pub(crate) fn show(self: &Arc<Self>, state: &mut State, again: bool) -> Sys<()> {
        if !core::mem::take(&mut state.mappable.fresh) && !again {
            return Ok(());
        }
        let Some(file) = &state.mappable.file else {
            return Ok(());
        };
        let number = ring_registry::number_of(self).ok_or(-libc::EBADF)?;
        if !self.is_epoll_at(number) {
            return Err(-libc::EBADF);
        }
        let epoll = sys::second(number)?;
        let (device, inode) = sys::identity(file.get())?;
        self.device.store(device, Ordering::Relaxed);
        self.inode.store(inode, Ordering::Relaxed);
        sys::put_over(number, file.get())?;
        state.mappable.shown = Some((epoll, number));
        state.shown = true;
        Ok(())
    }

    /// Puts the epoll back, unless the number is another file by now.
    #[cold]
    #[inline(never)]
    pub(crate) fn put_back(&self, state: &mut State) {
        state.shown = false;
        let Some((epoll, number)) = state.mappable.shown.take() else {
            return;
        };
        let place = (
            self.device.load(Ordering::Relaxed),
            self.inode.load(Ordering::Relaxed),
        );
        if sys::identity(number) == Ok(place) && sys::put_over(number, epoll.get()).is_err() {
            state.mappable.shown = Some((epoll, number));
            state.shown = true;
        }
    }
}
