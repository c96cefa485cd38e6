//! Memory the kernel reads and writes.
//!
//! # Safety
//! An allocation is owned by its [`Aligned`], whose start does not move. What
//! the kernel still writes must not be looked at: callers look at finished
//! reads only.
#![allow(unsafe_code, reason = "allocates with an alignment; see above")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

/// Page-aligned memory, as O_DIRECT wants it.
pub(crate) struct Aligned {
    start: *mut u8,
    layout: Layout,
}

// SAFETY: plain owned memory.
unsafe impl Send for Aligned {}

impl Aligned {
    /// Zeroed memory of that many bytes, one page at least.
    pub(crate) fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes.max(4096), 4096).expect("a sane size");
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Aligned { start, layout }
    }

    /// Its start.
    pub(crate) fn as_mut_ptr(&self) -> *mut u8 {
        self.start
    }

    /// The bytes; nothing may be writing them.
    pub(crate) fn bytes(&self, from: usize, count: usize) -> &[u8] {
        assert!(from + count <= self.layout.size());
        // SAFETY: inside the allocation; callers look only at finished reads.
        unsafe { std::slice::from_raw_parts(self.start.add(from), count) }
    }
}

impl Aligned {
    /// Writes bytes; nothing may be reading or writing there.
    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.layout.size());
        // SAFETY: inside the allocation, which nobody else writes to.
        unsafe {
            self.start
                .add(at)
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
    }
}

impl Drop for Aligned {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start, self.layout) };
    }
}
