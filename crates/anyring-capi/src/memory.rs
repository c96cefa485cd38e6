//! The allocator of the engine, which is the program's own.
//!
//! # Safety
//! malloc(3) and its relatives keep the contract of [`GlobalAlloc`].

use core::alloc::{GlobalAlloc, Layout};

struct Malloc;

/// What malloc aligns to.
const ALIGNED: usize = 16;

// SAFETY: each block comes from malloc or posix_memalign and goes to free.
unsafe impl GlobalAlloc for Malloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: neither call has preconditions that a layout does not fulfil.
        unsafe {
            if layout.align() <= ALIGNED {
                return libc::malloc(layout.size()).cast();
            }
            let mut block = core::ptr::null_mut();
            if libc::posix_memalign(&raw mut block, layout.align(), layout.size()) != 0 {
                return core::ptr::null_mut();
            }
            block.cast()
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: from `alloc`, the caller says.
        unsafe { libc::free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: from `alloc`; larger alignments are copied by hand.
        unsafe {
            if layout.align() <= ALIGNED {
                return libc::realloc(block.cast(), size).cast();
            }
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                core::ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[global_allocator]
static MALLOC: Malloc = Malloc;
