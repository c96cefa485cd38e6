//! Memory for the engine where it is a library of its own: taken from mmap(2), never from
//! malloc(3), and given out without a lock.
//!
//! A signal handler may use a ring while the thread that it interrupts is inside malloc or
//! inside the engine. So the engine must not call malloc, and what hands out its own memory must be
//! usable at any instruction of an interrupted call: every step here is one atomic
//! exchange, and a call that is interrupted between two of them holds nothing that
//! another needs.
//!
//! Blocks come in classes (16, 32, 48, 64, 96, 128, … 65536 bytes: powers of two and the
//! middles between them). Each class has a list of free blocks, a stack whose head carries a
//! count of its changes beside the block's number, so that a head that is read late is noticed.
//! The links of the list lie beside the blocks, not in them: a late reader never looks into
//! a block that was given out meanwhile. Blocks are cut from chunks of 256 KiB as they are
//! needed; chunks stay until the process ends. What is larger than a block is a mapping of its own, at
//! a multiple of the size of chunks, where no block lies: so the address of memory says what it is.
//! A block that shrinks stays where it is, since the standard library takes it for
//! granted that this works without memory.
//!
//! # Safety
//! A block has one owner: it is cut once (the exchange on `fresh`), and taken from its
//! list by the one exchange that succeeds on `head`. The numbers in both lead into chunks that are
//! never unmapped.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::os::sys;

const CHUNK: usize = 256 << 10;
/// Chunks there can be: 4 GiB.
const CHUNKS: usize = 1 << 14;
/// Bits of a place in a chunk, counted in steps of 16 bytes.
const PLACE: u32 = 14;
const STEP: usize = 16;
/// The largest block.
const LARGEST: usize = 64 << 10;
const CLASSES: usize = 25;
const PAGE: usize = 4096;

/// Where the chunks are.
static CHUNK_AT: [AtomicPtr<u8>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];
/// Chunks so far.
static COUNT: AtomicU32 = AtomicU32::new(0);

struct Class {
    /// Above: how often it changed; below: the number of the first free block and one, 0 for none.
    head: AtomicU64,
    /// The number of the next block that was never given out and one, 0 for none: what is
    /// left of the chunk holds it whole.
    fresh: AtomicU64,
}

static CLASS: [Class; CLASSES] = [const {
    Class {
        head: AtomicU64::new(0),
        fresh: AtomicU64::new(0),
    }
}; CLASSES];

/// The class of a layout and the size of its blocks; `None` beyond the largest.
#[inline]
fn class(layout: Layout) -> Option<(usize, usize)> {
    // Blocks whose size is a power of two lie at multiples of it.
    let size = if layout.align() > STEP {
        layout
            .size()
            .max(layout.align())
            .checked_next_power_of_two()?
    } else {
        layout.size().max(1)
    };
    if size > LARGEST {
        return None;
    }
    let bits = (usize::BITS - (size - 1).leading_zeros()).max(4);
    let middle = if bits >= 6 { 3 << (bits - 2) } else { 0 };
    let whole = 2 * (bits as usize - 4);
    Some(if size <= middle {
        (whole - 1, middle)
    } else {
        (whole, 1 << bits)
    })
}

/// Where in a chunk the blocks of a size begin: behind the chunk's number and the links.
#[inline]
fn first(size: usize) -> usize {
    let links = STEP + size_of::<u32>() * (CHUNK >> size.ilog2());
    let align = if size.is_power_of_two() { size } else { STEP };
    links.next_multiple_of(align)
}

/// The link of a block.
///
/// # Safety
/// `number` is that of a block of this size.
#[inline]
unsafe fn link<'a>(number: u32, size: usize) -> &'a AtomicU32 {
    // SAFETY: blocks of a size are further apart than the power of two below it, so each
    // has a link of its own; the links lie in front of the first block of a chunk, which
    // stays mapped.
    unsafe {
        let (chunk, place) = locate(number);
        &*chunk
            .add(STEP)
            .cast::<AtomicU32>()
            .add(place >> size.ilog2())
    }
}

/// The chunk of a block, and the block's distance from its beginning.
#[inline]
fn locate(number: u32) -> (*mut u8, usize) {
    let chunk = CHUNK_AT[(number >> PLACE) as usize % CHUNKS].load(Ordering::Relaxed);
    (chunk, (number as usize & ((1 << PLACE) - 1)) * STEP)
}

/// The address of a block.
#[inline]
fn address(number: u32) -> *mut u8 {
    let (chunk, place) = locate(number);
    chunk.wrapping_add(place)
}

/// Takes a block from the list of its class.
#[inline]
fn take(class: usize, size: usize) -> *mut u8 {
    let list = &CLASS[class];
    let mut seen = list.head.load(Ordering::Acquire);
    loop {
        let Some(number) = (seen as u32).checked_sub(1) else {
            return cut(class, size);
        };
        // SAFETY: the number was in the list. The block may be another's by now; its link is
        // still there, and then the exchange fails.
        let next = unsafe { link(number, size) }.load(Ordering::Relaxed);
        let new = ((seen >> 32).wrapping_add(1) << 32) | u64::from(next);
        match list
            .head
            .compare_exchange_weak(seen, new, Ordering::Acquire, Ordering::Acquire)
        {
            Ok(_) => return address(number),
            Err(now) => seen = now,
        }
    }
}

/// What a chunk begins with.
#[derive(Clone, Copy)]
#[repr(C)]
struct Head {
    number: u32,
    class: u32,
    /// Bytes of each of its blocks.
    size: usize,
}

const _: () = assert!(size_of::<Head>() == STEP);

/// The head of the chunk that a block lies in.
///
/// # Safety
/// The block was given out by this allocator and is no mapping.
#[inline]
unsafe fn head(block: *mut u8) -> Head {
    // SAFETY: chunks lie at multiples of their size, begin with their head, and are
    // not changed after they got it.
    unsafe { block.sub(block as usize % CHUNK).cast::<Head>().read() }
}

/// Gives a block back to the list of its class.
///
/// # Safety
/// The block is no mapping, and the caller's to give.
#[inline]
unsafe fn give(block: *mut u8) {
    // SAFETY: a block, says the caller.
    let Head {
        number,
        class,
        size,
    } = unsafe { head(block) };
    let number = (number << PLACE) | (block as usize % CHUNK / STEP) as u32;
    // SAFETY: the number of this block.
    let link = unsafe { link(number, size) };
    let list = &CLASS[class as usize % CLASSES];
    let mut seen = list.head.load(Ordering::Relaxed);
    loop {
        link.store(seen as u32, Ordering::Relaxed);
        let new = ((seen >> 32).wrapping_add(1) << 32) | u64::from(number + 1);
        match list
            .head
            .compare_exchange_weak(seen, new, Ordering::Release, Ordering::Relaxed)
        {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

/// Cuts a block that was never given out; NULL without memory.
#[cold]
fn cut(class: usize, size: usize) -> *mut u8 {
    let fresh = &CLASS[class].fresh;
    let mut seen = fresh.load(Ordering::Acquire);
    loop {
        let mut made = None;
        let number = match (seen as u32).checked_sub(1) {
            Some(number) => number,
            None => {
                let Some(chunk) = make(class, size) else {
                    return ptr::null_mut();
                };
                made = Some(chunk);
                (chunk << PLACE) | (first(size) / STEP) as u32
            }
        };
        let behind = locate(number).1 + size;
        let next = if behind + size <= CHUNK {
            u64::from(number) + (size / STEP) as u64 + 1
        } else {
            0
        };
        match fresh.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return address(number),
            Err(now) => {
                // Another call made a chunk meanwhile: that of this one is kept for its blocks,
                // which go to the list but for the one that is needed.
                if let Some(chunk) = made {
                    return spread(size, chunk);
                }
                seen = now;
            }
        }
    }
}

/// Puts the blocks of a new chunk into the list, but for the first, which it returns.
#[cold]
fn spread(size: usize, chunk: u32) -> *mut u8 {
    let start = first(size);
    let (at, _) = locate(chunk << PLACE);
    let mut place = start + size;
    while place + size <= CHUNK {
        // SAFETY: a block of a chunk that no other call has seen.
        unsafe { give(at.add(place)) };
        place += size;
    }
    at.wrapping_add(start)
}

/// Maps a chunk for blocks of a class and gives it a number.
#[cold]
fn make(class: usize, size: usize) -> Option<u32> {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let chunk = if (number as usize) < CHUNKS {
        map(CHUNK)
    } else {
        None
    };
    let Some(chunk) = chunk else {
        // The number is lost unless it is the last.
        let _ = COUNT.compare_exchange(number + 1, number, Ordering::Relaxed, Ordering::Relaxed);
        return None;
    };
    let head = Head {
        number,
        class: class as u32,
        size,
    };
    // SAFETY: mapped just now, writable, and no other's.
    unsafe { chunk.cast::<Head>().write(head) };
    CHUNK_AT[number as usize].store(chunk, Ordering::Release);
    Some(number)
}

/// Bytes of the mapping that holds so many.
fn pages(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE)
}

/// A mapping at a multiple of the size of chunks, full of zeroes.
fn map(bytes: usize) -> Option<*mut u8> {
    let bytes = bytes.checked_next_multiple_of(PAGE)?;
    // With a chunk more there is a multiple in it.
    let whole = bytes.checked_add(CHUNK)?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // No C function: that would change errno of an interrupted program.
    let args = [0, whole, protection as usize, flags as usize, usize::MAX, 0];
    // SAFETY: a new mapping touches no other.
    let start = unsafe { sys::raw(libc::SYS_mmap, &args) }.ok()?;
    let at = start.next_multiple_of(CHUNK);
    unmap(start, at - start);
    unmap(at + bytes, start + whole - (at + bytes));
    Some(ptr::with_exposed_provenance_mut(at))
}

fn unmap(at: usize, bytes: usize) {
    if bytes != 0 {
        // SAFETY: part of a mapping of this module that nothing uses.
        let _ = unsafe { sys::raw(libc::SYS_munmap, &[at, bytes]) };
    }
}

/// Whether memory is a mapping of its own.
#[inline]
fn is_mapping(block: *mut u8) -> bool {
    block as usize % CHUNK == 0
}

/// The allocator.
#[derive(Debug)]
pub struct Arena;

// SAFETY: the head of this module says why a block has one owner. Its size is the
// layout's at least, its alignment too: class blocks lie at multiples of 16, of their
// size where that is a power of two, and mappings at multiples of a chunk's size.
unsafe impl GlobalAlloc for Arena {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some((class, size)) => take(class, size),
            None if layout.align() > CHUNK => ptr::null_mut(),
            None => map(layout.size()).unwrap_or(ptr::null_mut()),
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_mapping(block) {
            unmap(block.expose_provenance(), pages(layout.size()));
        } else {
            // SAFETY: a block from `alloc`, which the caller gives up.
            unsafe { give(block) }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout is the caller's; a block is as large as it says.
        unsafe {
            let block = self.alloc(layout);
            // A mapping is zeroes already.
            if !block.is_null() && !is_mapping(block) {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    #[cold]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_mapping(block) {
            if pages(size) <= pages(layout.size()) {
                let at = block.expose_provenance();
                unmap(at + pages(size), pages(layout.size()) - pages(size));
                return block;
            }
        // SAFETY: a block from `alloc`.
        } else if size <= unsafe { head(block) }.size {
            return block;
        }
        // SAFETY: the caller keeps the contract of `realloc`: the size fits the
        // alignment. Two blocks of their own; as many bytes as the old one holds are copied.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests;
