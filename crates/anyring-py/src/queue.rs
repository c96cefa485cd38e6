//! The ring as the core library sees it, owned.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use anyring::ring::setup;
use anyring::{Errno, RingRef, check};
use anyring_abi as abi;
use anyring_abi::{io_uring, io_uring_params};

use crate::cqe::Completed;

/// Private memory for a ring that maps none of its own.
pub(crate) struct Mapping {
    address: *mut c_void,
    size: usize,
}

impl Mapping {
    /// Zeroed pages.
    pub(crate) fn new(size: usize) -> Result<Self, Errno> {
        // SAFETY: a fresh anonymous mapping.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_ANONYMOUS | libc::MAP_SHARED,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(Errno(libc::ENOMEM));
        }
        Ok(Mapping { address, size })
    }

    pub(crate) fn address(&self) -> *mut c_void {
        self.address
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, used no more.
        unsafe { libc::munmap(self.address, self.size) };
    }
}

// SAFETY: memory of the process; the owner decides who reaches it.
unsafe impl Send for Mapping {}

/// A ring that is set up, taken down when it is dropped.
pub(crate) struct Queue {
    raw: Box<io_uring>,
    /// After the ring: given back when that is down.
    memory: Option<Mapping>,
}

// SAFETY: ring memory belongs to no thread; the owner lets one at a time use it.
unsafe impl Send for Queue {}

impl Queue {
    /// A ring as `params` says, which the kernel fills.
    pub(crate) fn new(entries: u32, params: &mut io_uring_params) -> Result<Self, Errno> {
        let own = abi::IORING_SETUP_NO_MMAP | abi::IORING_SETUP_REGISTERED_FD_ONLY;
        if params.flags & own != 0 {
            return Err(Errno(libc::EINVAL));
        }
        let mut raw = Box::new(setup::empty());
        // SAFETY: both are valid for reads and writes.
        check(unsafe { setup::queue_init_params(crate::KERNEL, entries, &raw mut *raw, params) })?;
        Ok(Queue { raw, memory: None })
    }

    /// A ring in `memory`; the bytes used of it.
    pub(crate) fn in_memory(
        entries: u32,
        params: &mut io_uring_params,
        memory: Mapping,
    ) -> Result<(Self, u32), Errno> {
        if params.flags & abi::IORING_SETUP_REGISTERED_FD_ONLY != 0 {
            return Err(Errno(libc::EINVAL));
        }
        let mut raw = Box::new(setup::empty());
        // SAFETY: both are valid; the mapping is page-aligned and outlives
        // the ring, which is dropped first.
        let used = check(unsafe {
            let (place, size) = (memory.address(), memory.size());
            setup::queue_init_mem(crate::KERNEL, entries, &raw mut *raw, params, place, size)
        })?;
        let memory = Some(memory);
        Ok((Queue { raw, memory }, used))
    }

    /// The ring of a descriptor that io_uring_setup gave.
    ///
    /// # Safety
    /// The kernel filled `params` for `maps`, which is the ring of `fd`.
    pub(crate) unsafe fn map(maps: i32, fd: i32, params: &io_uring_params) -> Result<Self, Errno> {
        let mut raw = Box::new(setup::empty());
        // SAFETY: the caller vouches for the parameters.
        check(unsafe { setup::queue_mmap(crate::KERNEL, maps, params, &raw mut *raw) })?;
        raw.ring_fd = fd;
        raw.enter_ring_fd = fd;
        if params.flags & abi::IORING_SETUP_NO_SQARRAY == 0 {
            for index in 0..raw.sq.ring_entries {
                // SAFETY: the array has that many entries.
                unsafe { *raw.sq.array.add(index as usize) = index };
            }
        }
        Ok(Queue { raw, memory: None })
    }

    /// For calls of the core, within one borrow.
    #[inline]
    pub(crate) fn ring(&mut self) -> RingRef<crate::Serving> {
        // SAFETY: set up and not yet down; the box does not move.
        unsafe { RingRef::new(&raw mut *self.raw, crate::KERNEL) }
    }

    pub(crate) fn raw(&self) -> &io_uring {
        &self.raw
    }

    /// The oldest completion, given back at once.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Completed> {
        let mixed = self.raw.flags & abi::IORING_SETUP_CQE_MIXED != 0;
        let ring = self.ring();
        let cqe = ring.peek_raw().cqe;
        if cqe.is_null() {
            return None;
        }
        // SAFETY: a ready entry, read before it is given back.
        let (user_data, res, flags) = unsafe { ((*cqe).user_data, (*cqe).res, (*cqe).flags) };
        let slots = if mixed {
            anyring::ring::cq::cqe_nr(flags)
        } else {
            1
        };
        ring.cq_advance(slots);
        Some((user_data, res, flags))
    }

    /// The oldest completions, as many as there is room for, given back at
    /// once.
    #[inline]
    pub(crate) fn take<'a>(&mut self, room: &'a mut [MaybeUninit<Completed>]) -> &'a [Completed] {
        let ring = self.ring();
        let ready = ring.cqe_iter();
        // Only such rings have entries that are not for the program.
        let some_hidden = self.raw.flags & abi::IORING_SETUP_CQE_MIXED != 0
            || self.raw.features & abi::IORING_FEAT_EXT_ARG == 0;
        let mut count = 0;
        if some_hidden {
            while let Some(place) = room.get_mut(count) {
                let Some(entry) = self.next() else {
                    break;
                };
                place.write(entry);
                count += 1;
            }
        } else {
            for place in &mut *room {
                let index = ready.head.wrapping_add(count as u32);
                if index == ready.tail {
                    break;
                }
                // SAFETY: an entry between head and tail, read before it is
                // given back.
                place.write(unsafe {
                    let slot = (index & ready.mask) << ready.shift;
                    let cqe = ready.cqes.add(slot as usize);
                    ((*cqe).user_data, (*cqe).res, (*cqe).flags)
                });
                count += 1;
            }
            ring.cq_advance(count as u32);
        }
        // SAFETY: that many were written.
        unsafe { std::slice::from_raw_parts(room.as_ptr().cast(), count) }
    }

    /// Copies an entry to the queue, with another tag and other flags; false
    /// when it is full.
    #[inline]
    pub(crate) fn push(&mut self, entry: &abi::io_uring_sqe, tag: u64, flags: u8) -> bool {
        let slot = if self.raw.flags & abi::IORING_SETUP_SQE_MIXED != 0 {
            self.slot_mixed(entry.opcode)
        } else {
            self.ring().get_sqe()
        };
        let Some(slot) = slot else {
            return false;
        };
        let slot = slot.as_ptr();
        // SAFETY: a free slot of the mapped queue.
        unsafe {
            slot.write(*entry);
            (*slot).user_data = tag;
            (*slot).flags = flags;
        }
        true
    }

    #[cold]
    fn slot_mixed(&mut self, opcode: u8) -> Option<std::ptr::NonNull<abi::io_uring_sqe>> {
        match u32::from(opcode) {
            abi::IORING_OP_NOP128 | abi::IORING_OP_URING_CMD128 => self.ring().get_sqe128(),
            _ => self.ring().get_sqe(),
        }
    }

    /// Gives the parent's ring up in a child: nothing is unmapped or closed.
    pub(crate) fn forget(mut self) {
        std::mem::forget(self.memory.take());
        std::mem::forget(self);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let ring = self.ring();
        // SAFETY: nobody uses it any more.
        unsafe { setup::queue_exit(ring) };
    }
}
