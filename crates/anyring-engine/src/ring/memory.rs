//! The memory that a ring shares with the program.
//!
//! # Safety
//! The pointers lead into mappings (or memory of the program) that live as
//! long as the [`Memory`], of the sizes given at setup. Words that both sides
//! use are accessed as atomics only; the program's inline code does the same.

use core::ffi::c_int;
use core::ptr;

use anyring_abi::{
    IORING_OFF_SQ_RING, IORING_OFF_SQES, IORING_SETUP_CQE32, IORING_SETUP_NO_SQARRAY,
    IORING_SETUP_SQE128, io_cqring_offsets, io_sqring_offsets, io_uring_params, io_uring_sqe,
};

use crate::os::sync::{AtomicU32, Ordering};
use crate::os::sys;
use crate::ring::mappable::Mappable;
use crate::ring::shared::Shared;

const SQ_HEAD: u32 = 0;
const SQ_TAIL: u32 = 64;
const CQ_HEAD: u32 = 128;
const CQ_TAIL: u32 = 192;
const SQ_MASK: u32 = 256;
const CQ_MASK: u32 = 260;
const SQ_ENTRIES: u32 = 264;
const CQ_ENTRIES: u32 = 268;
const SQ_DROPPED: u32 = 272;
const SQ_FLAGS: u32 = 276;
const CQ_FLAGS: u32 = 280;
const CQ_OVERFLOW: u32 = 284;
const CQES: u32 = 320;
/// Bytes before the CQEs.
pub(crate) const HEADER: u32 = CQES;

/// The two regions of a ring.
#[derive(Debug)]
pub(crate) struct Memory {
    rings: *mut u8,
    rings_bytes: usize,
    sqes: *mut u8,
    sqes_bytes: usize,
    /// Mapped by the engine, not given by the program: rings, SQEs.
    owned: [bool; 2],
    /// The program unmapped them, it thinks.
    given_up: [bool; 2],
    /// The program maps them by the ring fd, and has not been given these addresses.
    hidden: [bool; 2],
    shared: bool,
    pub(crate) sq_entries: u32,
    pub(crate) cq_entries: u32,
    /// log2 of the units of 64 bytes in an SQE.
    pub(crate) sq_shift: u32,
    /// log2 of the units of 16 bytes in a CQE.
    pub(crate) cq_shift: u32,
    array: u32,
}

// SAFETY: the memory is not bound to a thread; the ring's lock orders the
// engine's own accesses.
unsafe impl Send for Memory {}

fn pages(bytes: usize) -> usize {
    (bytes + 4095) & !4095
}

impl Memory {
    /// Makes it for the sizes in `p`, and writes the offsets there. Without
    /// mapping (NO_MMAP), the addresses stand in the offsets.
    /// With a place to map them from, others can map the regions, too.
    pub(crate) fn new(
        p: &mut io_uring_params,
        given: bool,
        mappable: Option<&mut Mappable>,
    ) -> Result<Memory, c_int> {
        let shared = !given && mappable.is_some();
        let sq_shift = u32::from(p.flags & IORING_SETUP_SQE128 != 0);
        let cq_shift = u32::from(p.flags & IORING_SETUP_CQE32 != 0);
        let array = if p.flags & IORING_SETUP_NO_SQARRAY == 0 {
            CQES + ((p.cq_entries * 16) << cq_shift)
        } else {
            0
        };
        let rings_bytes = pages(
            CQES as usize
                + ((p.cq_entries as usize * 16) << cq_shift)
                + if array != 0 {
                    p.sq_entries as usize * 4
                } else {
                    0
                },
        );
        let sqes_bytes = pages((p.sq_entries as usize * 64) << sq_shift);
        let (rings, sqes) = if given {
            let (rings, sqes) = (p.cq_off.user_addr as usize, p.sq_off.user_addr as usize);
            let usable = |at: usize, bytes| {
                at != 0 && at % 4096 == 0 && crate::os::writable::is_writable(at, bytes)
            };
            if !usable(rings, rings_bytes) || !usable(sqes, sqes_bytes) {
                return Err(-libc::EFAULT);
            }
            (rings as *mut u8, sqes as *mut u8)
        } else if let Some(place) = mappable {
            // Where no memory can be had that the program can map, it has no ring.
            let denied = |error: c_int| match -error {
                libc::EPERM | libc::EACCES | libc::EFBIG | libc::EOPNOTSUPP => -libc::ENOSYS,
                _ => error,
            };
            let rings = place
                .place(IORING_OFF_SQ_RING, rings_bytes)
                .map_err(denied)?;
            let sqes = place.place(IORING_OFF_SQES, sqes_bytes).map_err(denied)?;
            let addresses = (rings.address().cast(), sqes.address().cast());
            // The memory below unmaps them.
            rings.give_away();
            sqes.give_away();
            addresses
        } else {
            let rings = sys::map(rings_bytes)?;
            match sys::map(sqes_bytes) {
                Ok(sqes) => (rings.cast(), sqes.cast()),
                Err(error) => {
                    // SAFETY: mapped above, and not shared yet.
                    unsafe { sys::unmap(rings, rings_bytes) };
                    return Err(error);
                }
            }
        };
        let memory = Memory {
            rings,
            rings_bytes,
            sqes,
            sqes_bytes,
            owned: [!given; 2],
            given_up: [false; 2],
            hidden: [shared; 2],
            shared,
            sq_entries: p.sq_entries,
            cq_entries: p.cq_entries,
            sq_shift,
            cq_shift,
            array,
        };
        if given {
            // What the program hands over need not be zeroes.
            // SAFETY: mapped, at least that many bytes.
            unsafe { ptr::write_bytes(rings, 0, CQES as usize) };
        }
        memory
            .word(SQ_MASK)
            .store(p.sq_entries - 1, Ordering::Relaxed);
        memory
            .word(CQ_MASK)
            .store(p.cq_entries - 1, Ordering::Relaxed);
        memory
            .word(SQ_ENTRIES)
            .store(p.sq_entries, Ordering::Relaxed);
        memory
            .word(CQ_ENTRIES)
            .store(p.cq_entries, Ordering::Relaxed);
        p.sq_off = io_sqring_offsets {
            head: SQ_HEAD,
            tail: SQ_TAIL,
            ring_mask: SQ_MASK,
            ring_entries: SQ_ENTRIES,
            flags: SQ_FLAGS,
            dropped: SQ_DROPPED,
            array,
            resv1: 0,
            user_addr: if given { sqes as u64 } else { 0 },
        };
        p.cq_off = io_cqring_offsets {
            head: CQ_HEAD,
            tail: CQ_TAIL,
            ring_mask: CQ_MASK,
            ring_entries: CQ_ENTRIES,
            overflow: CQ_OVERFLOW,
            cqes: CQES,
            flags: CQ_FLAGS,
            resv1: 0,
            user_addr: if given { rings as u64 } else { 0 },
        };
        Ok(memory)
    }

    #[inline(always)]
    fn word(&self, offset: u32) -> &AtomicU32 {
        // SAFETY: aligned, inside the first 320 bytes of the region, and only
        // ever accessed as an atomic.
        unsafe { &*self.rings.add(offset as usize).cast::<AtomicU32>() }
    }

    /// `IORING_CQ_*`.
    pub(crate) fn cq_flags(&self) -> &AtomicU32 {
        self.word(CQ_FLAGS)
    }

    /// Whether the program can map it by the ring fd.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Address and bytes of a region, as mmap(2) of the ring fd would give it.
    pub(crate) fn region(&mut self, sqes: bool) -> (*mut u8, usize) {
        self.hidden[usize::from(sqes)] = false;
        if sqes {
            (self.sqes, self.sqes_bytes)
        } else {
            (self.rings, self.rings_bytes)
        }
    }

    /// Takes over what another memory holds: entries keep their positions.
    pub(crate) fn continue_from(&self, old: &Memory, sq_head: u32, cq_tail: u32) {
        let sq_tail = old.sq_tail().load(Ordering::Acquire);
        let mut at = sq_head;
        while at != sq_tail {
            if let Some(slot) = old.sq_slot(at) {
                let to = ((at & (self.sq_entries - 1)) as usize * 64) << self.sq_shift;
                let from = (slot as usize * 64) << old.sq_shift;
                // SAFETY: whole entries inside both regions.
                unsafe {
                    ptr::copy_nonoverlapping(
                        old.sqes.add(from),
                        self.sqes.add(to),
                        64 << self.sq_shift,
                    );
                }
            }
            at = at.wrapping_add(1);
        }
        let cq_head = old.cq_head().load(Ordering::Acquire);
        let mut at = cq_head;
        while at != cq_tail {
            let to = ((at & (self.cq_entries - 1)) as usize * 16) << self.cq_shift;
            let from = ((at & (old.cq_entries - 1)) as usize * 16) << old.cq_shift;
            // SAFETY: whole entries inside both regions.
            unsafe {
                ptr::copy_nonoverlapping(
                    old.rings.add(CQES as usize + from),
                    self.rings.add(CQES as usize + to),
                    16 << self.cq_shift,
                );
            }
            at = at.wrapping_add(1);
        }
        self.sq_head().store(sq_head, Ordering::Relaxed);
        self.sq_tail().store(sq_tail, Ordering::Relaxed);
        self.cq_head().store(cq_head, Ordering::Relaxed);
        self.cq_tail().store(cq_tail, Ordering::Release);
        let flags = old.sq_flags().load(Ordering::Relaxed);
        self.sq_flags().store(flags, Ordering::Relaxed);
        let flags = old.cq_flags().load(Ordering::Relaxed);
        self.cq_flags().store(flags, Ordering::Relaxed);
    }

    /// The program unmaps it.
    pub(crate) fn give_away(mut self) {
        for (owned, hidden) in self.owned.iter_mut().zip(self.hidden) {
            *owned &= hidden;
        }
    }

    /// The ring fd was closed, but the program did not unmap what it still may
    /// look at: that stays until it does.
    pub(crate) fn leave_mapped(&mut self) {
        let unseen = self.given_up.iter().zip(self.hidden);
        for (owned, (given_up, hidden)) in self.owned.iter_mut().zip(unseen) {
            *owned &= *given_up || hidden;
        }
    }

    /// Where the regions start that programs unmap.
    pub(crate) fn starts(&self) -> [usize; 2] {
        [self.rings as usize, self.sqes as usize]
    }

    /// The program unmaps the region that starts here, if one does; whether
    /// the engine mapped it and so keeps it until the ring is closed.
    pub(crate) fn give_up(&mut self, address: usize) -> Option<bool> {
        let region = match address {
            at if at == self.rings as usize => 0,
            at if at == self.sqes as usize => 1,
            _ => return None,
        };
        self.given_up[region] = true;
        Some(self.owned[region])
    }
}

impl Shared for Memory {
    #[inline(always)]
    fn sq_head(&self) -> &AtomicU32 {
        self.word(SQ_HEAD)
    }

    #[inline(always)]
    fn sq_tail(&self) -> &AtomicU32 {
        self.word(SQ_TAIL)
    }

    #[inline(always)]
    fn cq_head(&self) -> &AtomicU32 {
        self.word(CQ_HEAD)
    }

    #[inline(always)]
    fn cq_tail(&self) -> &AtomicU32 {
        self.word(CQ_TAIL)
    }

    #[inline(always)]
    fn sq_flags(&self) -> &AtomicU32 {
        self.word(SQ_FLAGS)
    }

    fn sq_dropped(&self) -> &AtomicU32 {
        self.word(SQ_DROPPED)
    }

    fn cq_overflow(&self) -> &AtomicU32 {
        self.word(CQ_OVERFLOW)
    }

    #[inline(always)]
    fn sq_entries(&self) -> u32 {
        self.sq_entries
    }

    #[inline(always)]
    fn cq_entries(&self) -> u32 {
        self.cq_entries
    }

    #[inline(always)]
    fn sq_slot(&self, position: u32) -> Option<u32> {
        let at = position & (self.sq_entries - 1);
        if self.array == 0 {
            return Some(at);
        }
        // SAFETY: the array has one word for each entry.
        let slot = unsafe {
            (*self
                .rings
                .add(self.array as usize + at as usize * 4)
                .cast::<AtomicU32>())
            .load(Ordering::Relaxed)
        };
        (slot < self.sq_entries).then_some(slot)
    }

    #[inline(always)]
    fn sqe(&self, slot: u32) -> io_uring_sqe {
        let at = ((slot & (self.sq_entries - 1)) as usize * 64) << self.sq_shift;
        // SAFETY: inside the region. The program wrote it before it published
        // the tail; should it write again meanwhile, some bytes are old and
        // some new, all of them integers.
        unsafe { ptr::read_volatile(self.sqes.add(at).cast()) }
    }

    #[inline(always)]
    fn put_cqe(&self, position: u32, user_data: u64, res: i32, flags: u32) {
        let at = ((position & (self.cq_entries - 1)) as usize * 16) << self.cq_shift;
        // SAFETY: inside the region; the program reads it only after the tail
        // was published.
        unsafe {
            let cqe = self.rings.add(CQES as usize + at);
            cqe.cast::<u64>().write(user_data);
            cqe.add(8).cast::<i32>().write(res);
            cqe.add(12).cast::<u32>().write(flags);
        }
    }

    fn put_extra(&self, position: u32, extra: [u64; 2]) {
        let at = ((position & (self.cq_entries - 1)) as usize * 16) << self.cq_shift;
        // SAFETY: inside the region: either entries have 32 bytes, or the next
        // entry is part of this one.
        unsafe {
            self.rings
                .add(CQES as usize + at + 16)
                .cast::<[u64; 2]>()
                .write(extra);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let regions = [(self.rings, self.rings_bytes), (self.sqes, self.sqes_bytes)];
        for ((at, bytes), owned) in regions.into_iter().zip(self.owned) {
            if owned {
                // SAFETY: our own mapping; the program gave it up, or the ring
                // with it.
                unsafe { sys::unmap(at.cast(), bytes) };
            }
        }
    }
}
