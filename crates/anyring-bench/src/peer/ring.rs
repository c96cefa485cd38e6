//! A ring of a C library: reads, NOPs and chains.

use std::ffi::{c_int, c_uint, c_void};

use super::{Batch, Functions, Library, message};

/// What a ring is opened for.
pub(crate) struct Use {
    pub(crate) entries: u32,
    pub(crate) fd: c_int,
    pub(crate) memory: *mut u8,
    pub(crate) block: usize,
    /// Registered file and buffer.
    pub(crate) fixed: bool,
}

/// A ring of a C library.
pub(crate) struct Ring {
    functions: Functions,
    peer: *mut c_void,
}

impl Ring {
    /// Opens a ring.
    ///
    /// # Safety
    /// `memory` has `entries * block` bytes; it and the file outlive the ring.
    pub(crate) unsafe fn new(library: Library, what: &Use) -> Result<Self, String> {
        let mut error = 0;
        // SAFETY: a condition of this function.
        let peer = unsafe {
            (library.functions.open)(
                what.entries,
                0,
                what.fd,
                what.memory.cast(),
                what.block as c_uint,
                c_int::from(what.fixed),
                &raw mut error,
            )
        };
        if peer.is_null() {
            return Err(format!(
                "io_uring_queue_init or registering: {}",
                message(error)
            ));
        }
        Ok(Ring {
            functions: library.functions,
            peer,
        })
    }

    /// A ring for NOPs.
    pub(crate) fn for_nops(library: Library, entries: u32) -> Result<Self, String> {
        let what = Use {
            entries,
            fd: -1,
            memory: std::ptr::null_mut(),
            block: 0,
            fixed: false,
        };
        // SAFETY: NOPs have no memory and no file.
        unsafe { Self::new(library, &what) }
    }

    /// Queues a read; there is room for `entries` of them.
    pub(crate) fn push(&mut self, slot: usize, offset: u64) {
        // SAFETY: an open peer; the slot is below `entries`.
        unsafe { (self.functions.push)(self.peer, slot as c_uint, offset) };
    }

    /// Submits, waits for one; how many slots and results were filled in.
    pub(crate) fn exchange(
        &mut self,
        slots: &mut [c_uint],
        results: &mut [c_int],
    ) -> Result<usize, String> {
        let room = slots.len().min(results.len()) as c_uint;
        // SAFETY: both arrays have that room.
        let found = unsafe {
            (self.functions.exchange)(self.peer, slots.as_mut_ptr(), results.as_mut_ptr(), room)
        };
        usize::try_from(found).map_err(|_| message(found))
    }

    fn batch(&mut self, step: Batch, batch: u32) -> Result<(), String> {
        // SAFETY: an open peer with room for the batch.
        match unsafe { step(self.peer, batch) } {
            0 => Ok(()),
            error => Err(message(error)),
        }
    }

    /// Writes so many NOPs into the queue.
    pub(crate) fn fill(&mut self, batch: u32) -> Result<(), String> {
        self.batch(self.functions.fill, batch)
    }

    /// Submits them and waits for all.
    pub(crate) fn submit(&mut self, batch: u32) -> Result<(), String> {
        self.batch(self.functions.submit, batch)
    }

    /// Reads so many completions.
    pub(crate) fn reap(&mut self, batch: u32) -> Result<(), String> {
        self.batch(self.functions.reap, batch)
    }

    /// The three steps in one call.
    pub(crate) fn nops(&mut self, batch: u32) -> Result<(), String> {
        self.batch(self.functions.nops, batch)
    }

    /// Writes the block at `offset` and syncs.
    pub(crate) fn chain(&mut self, offset: u64, linked: bool) -> Result<(), String> {
        // SAFETY: an open peer; its memory is one block.
        match unsafe { (self.functions.chain)(self.peer, offset, c_int::from(linked)) } {
            0 => Ok(()),
            error => Err(message(error)),
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: opened and not used afterwards.
        unsafe { (self.functions.close)(self.peer) };
    }
}
