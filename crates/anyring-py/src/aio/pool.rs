//! The buffers from which multishot receives of a loop choose.

use anyring::buffers;
use anyring_abi as abi;
use anyring_abi::io_uring_buf_ring;
use pyo3::prelude::*;

use crate::core::raise;

/// Buffers, a power of two; pages are touched as they are used.
const COUNT: u16 = 256;
/// Bytes of each.
pub(super) const SIZE: usize = 16 << 10;
/// The buffer group.
pub(super) const GROUP: u16 = 0;

/// A registered buffer ring and its buffers. Must outlive the ring.
pub(super) struct Pool {
    entries: *mut io_uring_buf_ring,
    memory: *mut u8,
}

// SAFETY: reached through the proactor that owns it only.
unsafe impl Send for Pool {}
// SAFETY: nothing is reached through a shared reference.
unsafe impl Sync for Pool {}

impl Pool {
    /// Registers a pool with `ring` (Linux 5.19).
    pub(super) fn new(ring: &mut crate::OwnRing) -> PyResult<Self> {
        // SAFETY: a fresh mapping of its own.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                SIZE * usize::from(COUNT),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        // SAFETY: used within this call only.
        let entries = unsafe { ring.as_ring_ref() }
            .setup_buf_ring(u32::from(COUNT), i32::from(GROUP), 0)
            .map_err(|error| {
                // SAFETY: mapped above, used by nobody.
                unsafe { libc::munmap(memory, SIZE * usize::from(COUNT)) };
                raise(anyring::Errno(-error))
            })?;
        let pool = Pool {
            entries,
            memory: memory.cast(),
        };
        for id in 0..COUNT {
            pool.add(id, i32::from(id));
        }
        // SAFETY: a mapped buffer ring.
        unsafe { buffers::advance(entries, i32::from(COUNT)) };
        Ok(pool)
    }

    fn buffer(&self, id: u16) -> *mut u8 {
        self.memory
            .wrapping_add(usize::from(id % COUNT).wrapping_mul(SIZE))
    }

    fn add(&self, id: u16, offset: i32) {
        // SAFETY: a mapped buffer ring of COUNT slots; the buffer is ours and
        // the kernel's only from here on.
        unsafe {
            buffers::add(
                self.entries,
                self.buffer(id).cast(),
                SIZE as u32,
                id,
                buffers::mask(u32::from(COUNT)),
                offset,
            );
        }
    }

    /// What a completion with these flags and this result brought.
    pub(super) fn data(&self, flags: u32, length: usize) -> &[u8] {
        let id = (flags >> abi::IORING_CQE_BUFFER_SHIFT) as u16;
        // SAFETY: the kernel has given the buffer to us until `give_back`.
        unsafe { std::slice::from_raw_parts(self.buffer(id), length.min(SIZE)) }
    }

    /// The buffer of this completion is the kernel's again.
    pub(super) fn give_back(&mut self, flags: u32) {
        let id = (flags >> abi::IORING_CQE_BUFFER_SHIFT) as u16;
        if id >= COUNT {
            return;
        }
        self.add(id, 0);
        // SAFETY: a mapped buffer ring.
        unsafe { buffers::advance(self.entries, 1) };
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let size = usize::from(COUNT) * size_of::<abi::io_uring_buf>();
        // SAFETY: the ring is gone, and with it the registration; both
        // mappings are ours.
        unsafe {
            libc::munmap(self.entries.cast(), size);
            libc::munmap(self.memory.cast(), SIZE * usize::from(COUNT));
        }
    }
}
