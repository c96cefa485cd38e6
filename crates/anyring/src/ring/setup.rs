//! Making and taking down rings.
//!
//! # Safety
//! The functions here fill a `struct io_uring` from offsets that the kernel
//! wrote into the params. That those lie inside the mapping is the kernel's
//! side of the interface ([`Kernel`]'s contract).

use core::ffi::{c_int, c_uint, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use anyring_abi::{
    IORING_FEAT_NATIVE_WORKERS, IORING_FEAT_REG_REG_RING, IORING_FEAT_SINGLE_MMAP,
    IORING_OFF_CQ_RING, IORING_OFF_SQ_RING, IORING_OFF_SQES, IORING_SETUP_CLAMP,
    IORING_SETUP_CQSIZE, IORING_SETUP_NO_MMAP, IORING_SETUP_NO_SQARRAY,
    IORING_SETUP_REGISTERED_FD_ONLY, io_cqring_offsets, io_sqring_offsets, io_uring, io_uring_cqe,
    io_uring_params, io_uring_sqe,
};

use super::cq::cqe_shift;
use super::sq::sqe_shift;
use super::{RingRef, get, int_flags};
use crate::kernel::Kernel;

/// Largest submission queue of the kernel.
const MAX_ENTRIES: u32 = 32768;
/// Largest completion queue of the kernel.
const MAX_CQ_ENTRIES: u32 = 2 * MAX_ENTRIES;
/// Bytes the kernel puts in front of the CQEs.
const RING_HEADER: u64 = 64;
/// The huge page that a ring without mmap is put into.
const HUGE_PAGE: usize = 2 * 1024 * 1024;

/// All zeroes, as C's memset gives it.
pub(crate) fn zeroed<T: AllZero>() -> T {
    // SAFETY: AllZero says that zeroes are a value of the type.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// A type for which all zero bytes are a value.
///
/// # Safety
/// As said: integers, raw pointers and structs of them.
pub(crate) unsafe trait AllZero {}
// SAFETY: integers only.
unsafe impl AllZero for io_uring_params {}
// SAFETY: integers and raw pointers only.
unsafe impl AllZero for io_uring {}

/// Zeroed params with these setup flags.
#[must_use]
pub fn params(flags: c_uint) -> io_uring_params {
    io_uring_params { flags, ..zeroed() }
}

/// A ring struct before setup.
#[must_use]
pub fn empty() -> io_uring {
    zeroed()
}

/// Sizes of the two queues as the kernel rounds them; -EINVAL beyond the
/// limits.
#[inline]
pub fn queue_sizes(entries: c_uint, p: &io_uring_params) -> Result<(u32, u32), c_int> {
    let limited = |wanted: u32, limit: u32| match wanted {
        0 => Err(-libc::EINVAL),
        _ if wanted <= limit => Ok(wanted.next_power_of_two()),
        _ if p.flags & IORING_SETUP_CLAMP != 0 => Ok(limit),
        _ => Err(-libc::EINVAL),
    };
    let sq = limited(entries, MAX_ENTRIES)?;
    let cq = if p.flags & IORING_SETUP_CQSIZE != 0 {
        limited(p.cq_entries, MAX_CQ_ENTRIES)?
    } else {
        2 * sq
    };
    if cq < sq {
        return Err(-libc::EINVAL);
    }
    Ok((sq, cq))
}

/// Bytes of the SQEs and of the rings, each rounded up to pages.
fn memory_parts(
    entries: c_uint,
    p: &io_uring_params,
    page: usize,
) -> Result<(usize, usize), c_int> {
    let (sq, cq) = queue_sizes(entries, p)?;
    let sqes = (u64::from(sq) * size_of::<io_uring_sqe>() as u64) << sqe_shift(p.flags);
    let mut rings =
        RING_HEADER + ((u64::from(cq) * size_of::<io_uring_cqe>() as u64) << cqe_shift(p.flags));
    if p.flags & IORING_SETUP_NO_SQARRAY == 0 {
        rings += u64::from(sq) * size_of::<u32>() as u64;
    }
    // Pages are powers of two; a division would need a zero check, which could
    // panic.
    let whole_pages = |bytes: u64| (bytes as usize).wrapping_add(page - 1) & !(page - 1);
    Ok((whole_pages(sqes), whole_pages(rings)))
}

/// Bytes of memory a ring needs, or -EINVAL.
pub fn memory_size<K: Kernel>(kernel: K, entries: c_uint, p: &io_uring_params) -> isize {
    match memory_parts(entries, p, kernel.page_size()) {
        Ok((sqes, rings)) => (sqes + rings) as isize,
        Err(error) => error as isize,
    }
}

/// Bytes of memlock limit a ring needs, or `-errno`: 0 from Linux 5.12 on, which
/// is liburing's answer; from 6.14 on the kernel charges rings again.
pub fn mlock_size<K: Kernel>(kernel: K, entries: c_uint, p: &io_uring_params) -> isize {
    let mut trial_params = params(0);
    let mut ring = empty();
    // SAFETY: both are valid; a successful ring is taken down at once.
    let native_workers = unsafe {
        if queue_init_params(kernel, entries, &raw mut ring, &raw mut trial_params) < 0 {
            false
        } else {
            queue_exit(RingRef::new(&raw mut ring, kernel));
            trial_params.features & IORING_FEAT_NATIVE_WORKERS != 0
        }
    };
    if native_workers {
        0
    } else {
        memory_size(kernel, entries, p)
    }
}

/// Where the memory of a NO_MMAP ring comes from.
#[derive(Clone, Copy)]
enum Memory {
    /// From the kernel, by mapping the ring fd; with NO_MMAP from anonymous
    /// mappings of our own.
    Mapped,
    /// From the caller.
    Caller(*mut c_void, usize),
}

/// Memory of a NO_MMAP ring. The sizes are what has to be unmapped: 0 for the
/// rings when they lie behind the SQEs, 0 for both when the caller owns them.
#[derive(Clone, Copy)]
struct UserMemory {
    sqes: *mut c_void,
    sqes_size: usize,
    rings: *mut c_void,
    rings_size: usize,
    used: usize,
}

impl UserMemory {
    /// Takes it from the caller.
    fn from_caller(buffer: *mut c_void, size: usize, parts: (usize, usize)) -> Result<Self, c_int> {
        let used = parts.0 + parts.1;
        if size < used {
            return Err(-libc::ENOMEM);
        }
        Ok(UserMemory {
            sqes: buffer,
            sqes_size: 0,
            rings: buffer.wrapping_byte_add(parts.0),
            rings_size: 0,
            used,
        })
    }

    /// Maps it: a page where that is enough, otherwise a huge page, since the
    /// kernel wants each part physically contiguous.
    fn map<K: Kernel>(kernel: K, parts: (usize, usize)) -> Result<Self, c_int> {
        let page = kernel.page_size();
        let (sqes_bytes, rings_bytes) = parts;
        if sqes_bytes > HUGE_PAGE || rings_bytes > HUGE_PAGE {
            return Err(-libc::ENOMEM);
        }
        let map = |bytes: usize| {
            let (size, huge) = if bytes <= page {
                (page, 0)
            } else {
                (HUGE_PAGE, libc::MAP_HUGETLB)
            };
            let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | huge;
            // SAFETY: a new anonymous mapping.
            unsafe { kernel.mmap(size, flags, -1, 0) }.map(|address| (address, size))
        };
        let (sqes, sqes_size) = map(sqes_bytes)?;
        let used = sqes_bytes + rings_bytes;
        let (rings, rings_size) = if used <= sqes_size {
            (sqes.wrapping_byte_add(sqes_bytes), 0)
        } else {
            match map(rings_bytes) {
                Ok(mapped) => mapped,
                Err(error) => {
                    // SAFETY: mapped above, not used yet.
                    unsafe { kernel.munmap(sqes, sqes_size) };
                    return Err(error);
                }
            }
        };
        Ok(UserMemory {
            sqes,
            sqes_size,
            rings,
            rings_size,
            used,
        })
    }

    /// # Safety
    /// It is no longer used.
    unsafe fn unmap<K: Kernel>(self, kernel: K) {
        // SAFETY: mapped by `map` with these sizes; 0 marks what was not.
        unsafe {
            if self.sqes_size != 0 {
                kernel.munmap(self.sqes, self.sqes_size);
            }
            if self.rings_size != 0 {
                kernel.munmap(self.rings, self.rings_size);
            }
        }
    }
}

/// io_uring_queue_init_params(3): a ring of `entries`; 0 or `-errno`.
///
/// # Safety
/// `ring` and `p` are valid for reads and writes.
pub unsafe fn queue_init_params<K: Kernel>(
    kernel: K,
    entries: c_uint,
    ring: *mut io_uring,
    p: *mut io_uring_params,
) -> c_int {
    // SAFETY: handed on from the caller.
    let result = unsafe { init_with_fallback(kernel, entries, ring, p, Memory::Mapped) };
    result.min(0)
}

/// io_uring_queue_init_mem(3): the same in caller memory, or with a NULL
/// buffer in memory of its own, whatever `size` says; bytes used or `-errno`.
///
/// # Safety
/// As [`queue_init_params`]; `buffer` is NULL, or has `size` bytes, is
/// page-aligned and outlives the ring.
pub unsafe fn queue_init_mem<K: Kernel>(
    kernel: K,
    entries: c_uint,
    ring: *mut io_uring,
    p: *mut io_uring_params,
    buffer: *mut c_void,
    size: usize,
) -> c_int {
    let memory = if buffer.is_null() {
        Memory::Mapped
    } else {
        Memory::Caller(buffer, size)
    };
    // SAFETY: handed on from the caller.
    unsafe {
        (*p).flags |= IORING_SETUP_NO_MMAP;
        init_with_fallback(kernel, entries, ring, p, memory)
    }
}

/// Asks for a ring without an index array first, since it saves the array and
/// its upkeep, and does without where the kernel does not know it.
///
/// # Safety
/// As [`init`].
unsafe fn init_with_fallback<K: Kernel>(
    kernel: K,
    entries: c_uint,
    ring: *mut io_uring,
    p: *mut io_uring_params,
    memory: Memory,
) -> c_int {
    // SAFETY: handed on from the caller.
    unsafe {
        let flags = (*p).flags;
        (*p).flags = flags | IORING_SETUP_NO_SQARRAY;
        let result = init(kernel, entries, ring, p, memory);
        if result != -libc::EINVAL || flags & IORING_SETUP_NO_SQARRAY != 0 {
            return result;
        }
        (*p).flags = flags;
        init(kernel, entries, ring, p, memory)
    }
}

/// Sets a ring up with exactly the flags in `p`; bytes of memory used if the
/// kernel did not make it, 0, or `-errno`.
///
/// # Safety
/// `ring` and `p` are valid for reads and writes, caller memory as
/// [`queue_init_mem`] says.
unsafe fn init<K: Kernel>(
    kernel: K,
    entries: c_uint,
    ring: *mut io_uring,
    p: *mut io_uring_params,
    memory: Memory,
) -> c_int {
    // SAFETY: the caller's pointers are valid; ring memory comes from the
    // kernel or from mappings made here.
    unsafe {
        ring.write(empty());
        let flags = (*p).flags;
        if flags & (IORING_SETUP_REGISTERED_FD_ONLY | IORING_SETUP_NO_MMAP)
            == IORING_SETUP_REGISTERED_FD_ONLY
        {
            return -libc::EINVAL;
        }
        let mut user = None;
        if flags & IORING_SETUP_NO_MMAP != 0 {
            let taken =
                memory_parts(entries, &*p, kernel.page_size()).and_then(|parts| match memory {
                    Memory::Caller(buffer, size) => UserMemory::from_caller(buffer, size, parts),
                    Memory::Mapped => UserMemory::map(kernel, parts),
                });
            match taken {
                Ok(taken) => {
                    (*p).sq_off.user_addr = taken.sqes as u64;
                    (*p).cq_off.user_addr = taken.rings as u64;
                    user = Some(taken);
                }
                Err(error) => return error,
            }
        }
        let fd = kernel.setup(entries, p);
        if fd < 0 {
            if let Some(user) = user {
                user.unmap(kernel);
            }
            return fd;
        }
        let mut used = 0;
        if let Some(user) = user {
            (*ring).sq.ring_ptr = user.rings;
            (*ring).cq.ring_ptr = user.rings;
            (*ring).sq.sqes = user.sqes.cast();
            (*ring).sq.sqes_sz = user.sqes_size as c_uint;
            // One mapping: its size stands once, as in the reference.
            (*ring).sq.ring_sz = user.rings_size;
            set_pointers(ring, &*p);
            used = user.used as c_int;
            if let Memory::Caller(..) = memory {
                (*ring).int_flags |= int_flags::APP_MEMORY;
            }
        } else if let Err(error) = map_rings(kernel, fd, &*p, ring) {
            kernel.close(fd);
            return error;
        }
        if (*p).flags & IORING_SETUP_NO_SQARRAY == 0 {
            fill_index_array(ring);
        }
        (*ring).features = (*p).features;
        (*ring).flags = (*p).flags;
        (*ring).enter_ring_fd = fd;
        if (*p).flags & IORING_SETUP_REGISTERED_FD_ONLY != 0 {
            (*ring).ring_fd = -1;
            (*ring).int_flags |= registered_flags((*p).features);
        } else {
            (*ring).ring_fd = fd;
        }
        if RingRef::<K>::iopoll_enter((*p).flags) {
            (*ring).int_flags |= int_flags::CQ_ENTER;
        }
        used
    }
}

/// What a registered ring fd changes, on a kernel with these features.
pub(crate) const fn registered_flags(features: u32) -> u8 {
    if features & IORING_FEAT_REG_REG_RING != 0 {
        int_flags::REGISTERED_RING | int_flags::REG_REG_RING
    } else {
        int_flags::REGISTERED_RING
    }
}

/// io_uring_queue_mmap(3): maps the rings of an fd that io_uring_setup(2)
/// gave; 0 or `-errno`. The index array is the caller's to fill.
///
/// # Safety
/// `p` is what io_uring_setup filled for `fd`; `ring` is valid for writes.
pub unsafe fn queue_mmap<K: Kernel>(
    kernel: K,
    fd: c_int,
    p: *const io_uring_params,
    ring: *mut io_uring,
) -> c_int {
    // SAFETY: the caller's pointers are valid.
    unsafe {
        ring.write(empty());
        if let Err(error) = map_rings(kernel, fd, &*p, ring) {
            return error;
        }
        (*ring).flags = (*p).flags;
        (*ring).features = (*p).features;
        (*ring).ring_fd = fd;
        (*ring).enter_ring_fd = fd;
    }
    0
}

/// Maps rings and SQEs and sets all pointers and sizes; nothing stays mapped
/// on failure.
///
/// # Safety
/// `p` is what the kernel filled for `fd`; `ring` is valid for writes.
pub(crate) unsafe fn map_rings<K: Kernel>(
    kernel: K,
    fd: c_int,
    p: &io_uring_params,
    ring: *mut io_uring,
) -> Result<(), c_int> {
    let single = p.features & IORING_FEAT_SINGLE_MMAP != 0;
    let mut sq_size = p.sq_off.array as usize + p.sq_entries as usize * size_of::<u32>();
    let mut cq_size = p.cq_off.cqes as usize
        + ((p.cq_entries as usize * size_of::<io_uring_cqe>()) << cqe_shift(p.flags));
    if single {
        sq_size = sq_size.max(cq_size);
        cq_size = sq_size;
    }
    let sqes_size = (p.sq_entries as usize * size_of::<io_uring_sqe>()) << sqe_shift(p.flags);
    let flags = libc::MAP_SHARED | libc::MAP_POPULATE;

    // SAFETY: new mappings of the ring fd; each is unmapped again when a later
    // one fails. `ring` is valid for writes.
    unsafe {
        let sq_ring = kernel.mmap(sq_size, flags, fd, IORING_OFF_SQ_RING)?;
        let cq_ring = if single {
            sq_ring
        } else {
            match kernel.mmap(cq_size, flags, fd, IORING_OFF_CQ_RING) {
                Ok(address) => address,
                Err(error) => {
                    kernel.munmap(sq_ring, sq_size);
                    return Err(error);
                }
            }
        };
        let sqes = match kernel.mmap(sqes_size, flags, fd, IORING_OFF_SQES) {
            Ok(address) => address,
            Err(error) => {
                kernel.munmap(sq_ring, sq_size);
                if !single {
                    kernel.munmap(cq_ring, cq_size);
                }
                return Err(error);
            }
        };
        (*ring).sq.ring_ptr = sq_ring;
        (*ring).sq.ring_sz = sq_size;
        (*ring).cq.ring_ptr = cq_ring;
        (*ring).cq.ring_sz = cq_size;
        (*ring).sq.sqes = sqes.cast();
        (*ring).sq.sqes_sz = sqes_size as c_uint;
        set_pointers(ring, p);
    }
    Ok(())
}

/// Sets the pointers into the rings from the kernel's offsets, and the copies
/// of mask and size.
///
/// # Safety
/// `ring` is valid for writes and its ring pointers are mapped.
unsafe fn set_pointers(ring: *mut io_uring, p: &io_uring_params) {
    let io_sqring_offsets {
        head,
        tail,
        ring_mask,
        ring_entries,
        flags,
        dropped,
        array,
        ..
    } = p.sq_off;
    // SAFETY: the offsets lie inside the mapping: the kernel's side.
    unsafe {
        let sq = &raw mut (*ring).sq;
        let base = (*sq).ring_ptr;
        let at = |offset: u32| base.wrapping_byte_add(offset as usize).cast::<c_uint>();
        (*sq).khead = at(head);
        (*sq).ktail = at(tail);
        (*sq).kring_mask = at(ring_mask);
        (*sq).kring_entries = at(ring_entries);
        (*sq).kflags = at(flags);
        (*sq).kdropped = at(dropped);
        (*sq).array = if p.flags & IORING_SETUP_NO_SQARRAY == 0 {
            at(array)
        } else {
            ptr::null_mut()
        };
        (*sq).ring_mask = *(*sq).kring_mask;
        (*sq).ring_entries = *(*sq).kring_entries;
    }
    let io_cqring_offsets {
        head,
        tail,
        ring_mask,
        ring_entries,
        overflow,
        cqes,
        flags,
        ..
    } = p.cq_off;
    // SAFETY: as above.
    unsafe {
        let cq = &raw mut (*ring).cq;
        let base = (*cq).ring_ptr;
        let at = |offset: u32| base.wrapping_byte_add(offset as usize).cast::<c_uint>();
        (*cq).khead = at(head);
        (*cq).ktail = at(tail);
        (*cq).kring_mask = at(ring_mask);
        (*cq).kring_entries = at(ring_entries);
        (*cq).koverflow = at(overflow);
        (*cq).cqes = base.wrapping_byte_add(cqes as usize).cast();
        // Kernels before 5.8 have no such word.
        (*cq).kflags = if flags != 0 {
            at(flags)
        } else {
            ptr::null_mut()
        };
        (*cq).ring_mask = *(*cq).kring_mask;
        (*cq).ring_entries = *(*cq).kring_entries;
    }
}

/// Entry i stands in slot i, for good.
///
/// # Safety
/// `ring` has a mapped index array.
pub(crate) unsafe fn fill_index_array(ring: *mut io_uring) {
    // SAFETY: the array has ring_entries words.
    unsafe {
        for i in 0..(*ring).sq.ring_entries {
            *(*ring).sq.array.wrapping_add(i as usize) = i;
        }
    }
}

/// Unmaps the SQEs, the SQ ring, and the CQ ring if mapped apart.
///
/// # Safety
/// The mappings are no longer used.
pub(crate) unsafe fn unmap_rings<K: Kernel>(kernel: K, ring: *mut io_uring) {
    // SAFETY: mapped at setup with these sizes; 0 or NULL marks what was not.
    unsafe {
        let (sq, cq) = ((*ring).sq, (*ring).cq);
        if !sq.sqes.is_null() && sq.sqes_sz != 0 {
            kernel.munmap(sq.sqes.cast(), sq.sqes_sz as usize);
        }
        if !sq.ring_ptr.is_null() && sq.ring_sz != 0 {
            kernel.munmap(sq.ring_ptr, sq.ring_sz);
        }
        if !cq.ring_ptr.is_null() && cq.ring_sz != 0 && cq.ring_ptr != sq.ring_ptr {
            kernel.munmap(cq.ring_ptr, cq.ring_sz);
        }
    }
}

/// io_uring_queue_exit(3).
///
/// # Safety
/// The ring is used no more.
pub unsafe fn queue_exit<K: Kernel>(ring: RingRef<K>) {
    let kernel = ring.kernel();
    if get!(ring, sq.sqes).is_null() {
        // Never set up, zeroes: its fd 0 is not ours.
        return;
    }
    if get!(ring, int_flags) & int_flags::APP_MEMORY == 0 {
        // SAFETY: no longer used, the caller says.
        unsafe { unmap_rings(kernel, ring.as_ptr()) };
    }
    if get!(ring, int_flags) & int_flags::REGISTERED_RING != 0 {
        ring.unregister_ring_fd();
    }
    let fd = get!(ring, ring_fd);
    if fd != -1 {
        // SAFETY: the ring owns its fd.
        unsafe { kernel.close(fd) };
    }
    // A second exit finds nothing left to take down, where the reference
    // would unmap and close what may be somebody else's by then.
    let raw = ring.as_ptr();
    // SAFETY: a valid struct, the caller says.
    unsafe {
        (*raw).sq.sqes = ptr::null_mut();
        (*raw).sq.sqes_sz = 0;
        (*raw).sq.ring_sz = 0;
        (*raw).cq.ring_sz = 0;
        (*raw).ring_fd = -1;
        (*raw).enter_ring_fd = -1;
        (*raw).int_flags = 0;
    }
}

impl<K: Kernel> RingRef<K> {
    /// io_uring_ring_dontfork(3): a forked child does not get the mappings;
    /// 0 or `-errno`.
    pub fn dontfork(self) -> c_int {
        let sq = get!(self, sq);
        let cq = get!(self, cq);
        if sq.ring_ptr.is_null() || sq.sqes.is_null() || cq.ring_ptr.is_null() {
            return -libc::EINVAL;
        }
        let sqes_bytes =
            (sq.ring_entries as usize * size_of::<io_uring_sqe>()) << sqe_shift(get!(self, flags));
        let parts = [
            (sq.sqes.cast::<c_void>(), sqes_bytes),
            (sq.ring_ptr, sq.ring_sz),
            (cq.ring_ptr, cq.ring_sz),
        ];
        let apart = cq.ring_ptr != sq.ring_ptr;
        for (address, length) in &parts[..2 + usize::from(apart)] {
            // SAFETY: mappings of this ring; the advice changes no contents.
            let result = unsafe {
                self.kernel()
                    .madvise(*address, *length, libc::MADV_DONTFORK)
            };
            if result < 0 {
                return result;
            }
        }
        0
    }

    /// io_uring_resize_rings(3): new sizes for a ring in use; 0 or `-errno`.
    ///
    /// # Safety
    /// `p` is valid for reads and writes, and no other thread uses the ring.
    pub unsafe fn resize(self, p: *mut io_uring_params) -> c_int {
        if get!(self, flags) & IORING_SETUP_NO_MMAP != 0 {
            return -libc::EINVAL;
        }
        let fd = get!(self, ring_fd);
        // SAFETY: `p` is valid, the caller says.
        unsafe {
            (*p).sq_off = zeroed::<io_uring_params>().sq_off;
            (*p).cq_off = zeroed::<io_uring_params>().cq_off;
            let mut result = self.register(
                anyring_abi::IORING_REGISTER_RESIZE_RINGS,
                p.cast_const().cast(),
                1,
            );
            if result >= 0 {
                let mut fresh = empty();
                match map_rings(self.kernel(), fd, &*p, &raw mut fresh) {
                    Err(error) => result = error,
                    Ok(()) => {
                        unmap_rings(self.kernel(), self.as_ptr());
                        let ring = self.as_ptr();
                        fresh.sq.sqe_head = (*ring).sq.sqe_head;
                        fresh.sq.sqe_tail = (*ring).sq.sqe_tail;
                        (*ring).sq = fresh.sq;
                        (*ring).cq = fresh.cq;
                        if (*p).flags & IORING_SETUP_NO_SQARRAY == 0 {
                            fill_index_array(ring);
                        }
                        result = 0;
                    }
                }
            }
            (*p).flags = 0;
            result
        }
    }
}
