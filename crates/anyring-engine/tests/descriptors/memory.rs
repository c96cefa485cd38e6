//! The memory that requests of a case use.

use std::os::fd::RawFd;
use std::ptr;

use anyring::RingRef;
use anyring::abi::*;
use anyring_engine::KernelOrEngine;

const PAGE: usize = 4096;
const PAGES: usize = 6;
const GROUP: u16 = 3;
const BUFFERS: u16 = 8;
/// Bytes of a provided buffer.
const BUFFER: usize = 48;

/// Pages of one side, used again in each of its cases, and a pipe.
pub(crate) struct Memory {
    at: *mut u8,
    used: usize,
    /// A pipe with bytes in it, and one with room.
    pipes: [[RawFd; 2]; 2],
}

fn pipe() -> [RawFd; 2] {
    let mut fds = [0; 2];
    // SAFETY: room for two descriptors.
    let result = unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(result, 0, "a pipe");
    fds
}

impl Memory {
    pub(crate) fn new() -> Memory {
        // SAFETY: a fresh mapping.
        let at = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGES * PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(at, libc::MAP_FAILED);
        Memory {
            at: at.cast(),
            used: 0,
            pipes: [pipe(), pipe()],
        }
    }

    /// Brings the memory and the pipes into the state in which a case starts.
    pub(crate) fn reset(&mut self) {
        self.used = 0;
        for pair in self.pipes {
            for fd in pair {
                // SAFETY: pipes of this struct.
                unsafe { libc::close(fd) };
            }
        }
        self.pipes = [pipe(), pipe()];
        // SAFETY: pages of this struct; bytes for a pipe with room.
        unsafe {
            ptr::write_bytes(self.at, 0, PAGES * PAGE);
            for at in 0..PAGE {
                self.data().add(at).write(at as u8);
            }
            libc::write(self.pipes[0][1], self.data().cast(), 32);
        }
    }

    fn page(&self, number: usize) -> *mut u8 {
        self.at.wrapping_add(number * PAGE)
    }

    /// Bytes to write.
    pub(crate) fn data(&self) -> *mut u8 {
        self.page(0)
    }

    /// Room for results.
    pub(crate) fn out(&self) -> *mut u8 {
        self.page(1)
    }

    /// The end of a pipe with room.
    pub(crate) fn pipe_in(&self) -> RawFd {
        self.pipes[1][1]
    }

    /// The end of a pipe with bytes to take.
    pub(crate) fn pipe_out(&self) -> RawFd {
        self.pipes[0][0]
    }

    fn keep<T: Copy>(&mut self, value: T) -> u64 {
        let at = self.page(2).wrapping_add(self.used);
        self.used += size_of::<T>().next_multiple_of(16);
        assert!(self.used <= PAGE, "cases need less");
        // SAFETY: room on a page of this struct, aligned to 16.
        unsafe { at.cast::<T>().write(value) };
        at as u64
    }

    pub(crate) fn vectors(&mut self, at: u64) -> u64 {
        self.keep([at, 10, at + 20, 30])
    }

    pub(crate) fn text(&mut self, text: &str) -> u64 {
        let mut bytes = [0_u8; 64];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        self.keep(bytes)
    }

    pub(crate) fn time(&mut self, nanos: u64) -> u64 {
        self.keep([0, nanos])
    }

    pub(crate) fn group(&self) -> u16 {
        GROUP
    }

    /// Registers a buffer ring; false where the ring refuses it.
    pub(crate) fn provide(&self, ring: RingRef<KernelOrEngine>) -> bool {
        let group = self.page(3).cast::<io_uring_buf_ring>();
        let reg = io_uring_buf_reg {
            ring_addr: group as u64,
            ring_entries: u32::from(BUFFERS),
            bgid: GROUP,
            // SAFETY: integers only.
            ..unsafe { std::mem::zeroed() }
        };
        // SAFETY: the struct is read during the call; the pages outlive the ring.
        let result =
            unsafe { ring.register(IORING_REGISTER_PBUF_RING, (&raw const reg).cast(), 1) };
        if result < 0 {
            return false;
        }
        for bid in 0..BUFFERS {
            let at = self.page(4).wrapping_add(usize::from(bid) * BUFFER);
            let (mask, offset) = (i32::from(BUFFERS) - 1, i32::from(bid));
            // SAFETY: an entry of the ring just registered.
            unsafe { anyring::buffers::add(group, at.cast(), BUFFER as u32, bid, mask, offset) };
        }
        // SAFETY: the ring just registered, with entries filled.
        unsafe { anyring::buffers::advance(group, i32::from(BUFFERS)) };
        true
    }

    /// All bytes that an operation may have written.
    pub(crate) fn written(&self) -> Vec<u8> {
        // SAFETY: pages of this struct, and no request is left that writes.
        let bytes = |page| unsafe { std::slice::from_raw_parts(self.page(page), PAGE) };
        [bytes(1), bytes(4)].concat()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for pair in self.pipes {
            for fd in pair {
                // SAFETY: pipes of this struct.
                unsafe { libc::close(fd) };
            }
        }
        // SAFETY: the mapping made by `new`.
        unsafe { libc::munmap(self.at.cast(), PAGES * PAGE) };
    }
}
