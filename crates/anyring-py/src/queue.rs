//! The ring as the core library sees it, owned.

use std::ffi::c_void;

use anyring::ring::setup;
use anyring::{Errno, Kernel, RingRef, check};
use anyring_abi as abi;
use anyring_abi::{io_uring, io_uring_params};

use crate::cqe::Completed;
use crate::inflight::Token;
use crate::owner::Serving;

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
    serving: Serving,
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
        let serving = Serving::fresh();
        // SAFETY: both are valid for reads and writes.
        check(unsafe { setup::queue_init_params(serving, entries, &raw mut *raw, params) })
            .inspect_err(|_| serving.unused())?;
        Ok(Queue {
            raw,
            serving,
            memory: None,
        })
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
        let serving = Serving::fresh();
        // SAFETY: both are valid; the mapping is page-aligned and outlives
        // the ring, which is dropped first.
        let used = check(unsafe {
            let (place, size) = (memory.address(), memory.size());
            setup::queue_init_mem(serving, entries, &raw mut *raw, params, place, size)
        })
        .inspect_err(|_| serving.unused())?;
        let queue = Queue {
            raw,
            serving,
            memory: Some(memory),
        };
        Ok((queue, used))
    }

    /// The ring of a bare io_uring_setup(2), with exactly these flags, made and
    /// mapped in one. The descriptor stays the program's until
    /// [`adopt`](Queue::adopt).
    pub(crate) fn bare(entries: u32, params: &mut io_uring_params) -> Result<Self, Errno> {
        let mut raw = Box::new(setup::empty());
        let serving = Serving::fresh();
        // SAFETY: valid for reads and writes.
        let fd = check(unsafe { serving.setup(entries, params) })
            .inspect_err(|_| serving.unused())? as i32;
        // SAFETY: what was just filled for this descriptor.
        let mapped = check(unsafe { setup::queue_mmap(serving, fd, params, &raw mut *raw) });
        if let Err(error) = mapped {
            // SAFETY: just opened, and given to nobody.
            unsafe { serving.close(fd) };
            return Err(error);
        }
        if params.flags & abi::IORING_SETUP_NO_SQARRAY == 0 {
            for index in 0..raw.sq.ring_entries {
                // SAFETY: the array has that many entries.
                unsafe { *raw.sq.array.add(index as usize) = index };
            }
        }
        Ok(Queue {
            raw,
            serving,
            memory: None,
        })
    }

    /// The descriptor is the ring's from now on: its own or a duplicate. False
    /// when it is none of either.
    pub(crate) fn adopt(&mut self, fd: i32) -> bool {
        if !self.serving.is(fd) {
            return false;
        }
        self.serving.move_to(fd);
        self.raw.ring_fd = fd;
        self.raw.enter_ring_fd = fd;
        true
    }

    /// Lets the mappings go and leaves the descriptor to the program.
    pub(crate) fn give_away(mut self) {
        self.raw.ring_fd = -1;
        self.serving.give_away();
    }

    /// Whether its descriptor still is the ring.
    pub(crate) fn is_intact(&self) -> bool {
        self.serving.intact()
    }

    /// For calls of the core, within one borrow.
    #[inline]
    pub(crate) fn ring(&mut self) -> RingRef<crate::Serving> {
        // SAFETY: set up and not yet down; the box does not move.
        unsafe { RingRef::new(&raw mut *self.raw, self.serving) }
    }

    pub(crate) fn raw(&self) -> &io_uring {
        &self.raw
    }

    /// The oldest completion, given back at once.
    #[inline(never)]
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

    /// Whether there may be slots that are not for the program.
    #[inline]
    fn has_hidden(&self) -> bool {
        self.raw.flags & abi::IORING_SETUP_CQE_MIXED != 0
            || self.raw.features & abi::IORING_FEAT_EXT_ARG == 0
    }

    /// Slots of the kernel's queue that are in use.
    #[inline]
    pub(crate) fn count(&mut self) -> u32 {
        let ready = self.ring().cqe_iter();
        let count = ready.tail.wrapping_sub(ready.head);
        count.min(self.raw.cq.ring_entries)
    }

    /// Gives `each` the oldest completions, `count` at most, and then the slots
    /// back.
    #[inline]
    pub(crate) fn take(&mut self, count: u32, mut each: impl FnMut(Completed)) {
        let hidden = self.has_hidden();
        let ring = self.ring();
        let ready = ring.cqe_iter();
        let count = count.min(ready.tail.wrapping_sub(ready.head));
        // `each` is called in one place, so that it becomes part of the loop.
        for number in 0..count {
            let entry = if hidden {
                let Some(entry) = self.next() else {
                    break;
                };
                entry
            } else {
                let index = ready.head.wrapping_add(number);
                // SAFETY: an entry between head and tail, read before it is
                // given back.
                unsafe {
                    let slot = (index & ready.mask) << ready.shift;
                    let cqe = ready.cqes.add(slot as usize);
                    ((*cqe).user_data, (*cqe).res, (*cqe).flags)
                }
            };
            each(entry);
        }
        if !hidden {
            ring.cq_advance(count);
        }
    }

    /// Copies an entry to the queue, with the tag of a request and other flags; false
    /// when it is full.
    #[inline]
    pub(crate) fn push(&mut self, entry: &abi::io_uring_sqe, token: Token, flags: u8) -> bool {
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
            (*slot).user_data = token.tag();
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
