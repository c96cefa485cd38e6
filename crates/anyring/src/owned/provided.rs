//! Buffers that the kernel has, in memory that is theirs, on a ring that they cannot
//! outlive.
//!
//! What a program may not do with them is what it says when it submits: that buffers
//! named by an entry are left alone until its completion
//! ([`Ring::submit`](super::Ring::submit)). So reading and dropping them is safe.

use core::ffi::c_int;
use core::ptr::NonNull;

use anyring_abi::{
    IORING_REGISTER_PBUF_RING, IORING_UNREGISTER_BUFFERS, io_uring_buf, io_uring_buf_ring,
    io_uring_sqe,
};

use super::{AnyThread, Completion, Ring};
use crate::buffers;
use crate::errno::{Errno, check};
use crate::flags::SqeFlags;
use crate::kernel::{Kernel, Linux};
use crate::prep;
use crate::register::buf_reg;
use crate::ring::RingRef;

/// Mapped memory, not mapped any more when it is dropped.
#[derive(Debug)]
struct Mapping<K: Kernel> {
    kernel: K,
    start: NonNull<u8>,
    length: usize,
}

impl<K: Kernel> Mapping<K> {
    fn new(kernel: K, length: usize) -> Result<Self, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping.
        let mapped = unsafe { kernel.mmap(length, flags, -1, 0) };
        let start = mapped.map_err(|error| Errno(error.saturating_neg()))?;
        Ok(Mapping {
            kernel,
            start: NonNull::new(start.cast()).ok_or(Errno(libc::ENOMEM))?,
            length,
        })
    }

    fn at(&self, offset: usize) -> *mut u8 {
        self.start.as_ptr().wrapping_add(offset)
    }
}

impl<K: Kernel> Drop for Mapping<K> {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and what it held is given up.
        unsafe { self.kernel.munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// A group of provided buffers, with their memory
/// ([`SubmissionSide::buf_ring`](super::SubmissionSide::buf_ring)).
///
/// ```
/// use anyring::{Ring, prep};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Ok(_) = Ring::new(1) else { return Ok(()) };
/// let file = std::fs::File::open("/proc/self/stat")?;
/// let mut ring = Ring::new(8)?;
/// let (mut queue, done) = ring.split();
/// let mut buffers = queue.buf_ring(3, 4, 64)?;
/// let sqe = queue.next_sqe().ok_or("full")?;
/// # use std::os::fd::AsRawFd;
/// prep::read(sqe, file.as_raw_fd(), std::ptr::null_mut(), 64, 0);
/// buffers.select(sqe);
/// // SAFETY: the read has a buffer of the group only, which is looked at below.
/// unsafe { queue.submit_and_wait(1)? };
/// for done in done.completions() {
///     let buffer = buffers.take(&done).ok_or("no buffer")?;
///     assert!(buffer.starts_with(&std::process::id().to_string().as_bytes()[..1]));
///     buffers.give_back(&done);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct BufRing<'a, K: Kernel = Linux, T = AnyThread> {
    ring: &'a Ring<K, T>,
    group: Group<K>,
}

/// The memory of a group of provided buffers, which is registered with some ring.
#[derive(Debug)]
pub(crate) struct Group<K: Kernel> {
    /// The ring of descriptions, then the buffers.
    memory: Mapping<K>,
    number: u16,
    entries: u16,
    size: u32,
}

impl<K: Kernel> Group<K> {
    /// Maps and registers a group, all of whose buffers are the kernel's, or none.
    pub(crate) fn new(
        ring: RingRef<K>,
        number: u16,
        entries: u16,
        size: u32,
        empty: bool,
    ) -> Result<Self, Errno> {
        if !entries.is_power_of_two() || size == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let head = usize::from(entries) * size_of::<io_uring_buf>();
        let bytes = usize::from(entries) * size as usize + head;
        let memory = Mapping::new(ring.kernel(), bytes)?;
        let reg = buf_reg(memory.at(0) as u64, entries.into(), number.into(), 0);
        // SAFETY: the struct lives through the call. The memory it names lives until the
        // group is unregistered.
        let registered =
            unsafe { ring.register(IORING_REGISTER_PBUF_RING, (&raw const reg).cast(), 1) };
        check(registered)?;
        let mut made = Group {
            memory,
            number,
            entries,
            size,
        };
        if !empty {
            for id in 0..entries {
                made.add(id, size, id.into());
            }
            made.advance(entries);
        }
        Ok(made)
    }

    /// Takes it from its ring; the memory goes after that.
    pub(crate) fn unregister(&self, ring: RingRef<K>) {
        ring.unregister_buf_ring(self.number.into());
    }

    fn raw(&self) -> *mut io_uring_buf_ring {
        self.memory.at(0).cast()
    }

    /// Where a buffer is; `None` for a number that is none of this group.
    pub(crate) fn place(&self, id: u16) -> Option<*mut u8> {
        let head = usize::from(self.entries) * size_of::<io_uring_buf>();
        (id < self.entries).then(|| self.memory.at(head + usize::from(id) * self.size as usize))
    }

    fn add(&mut self, id: u16, length: u32, offset: c_int) {
        let Some(place) = self.place(id) else { return };
        let mask = buffers::mask(self.entries.into());
        // SAFETY: the mapped buffer ring of this value, and its mask.
        unsafe { buffers::add(self.raw(), place.cast(), length, id, mask, offset) };
    }

    fn advance(&mut self, count: u16) {
        // SAFETY: the mapped buffer ring of this value.
        unsafe { buffers::advance(self.raw(), count.into()) };
    }

    /// Gives the kernel a buffer back; whether there is one of this number.
    pub(crate) fn give_back(&mut self, id: u16) -> bool {
        let there = id < self.entries;
        if there {
            self.add(id, self.size, 0);
            self.advance(1);
        }
        there
    }

    /// Gives the kernel the first bytes of a buffer.
    #[cfg(feature = "owned")]
    pub(crate) fn give(&mut self, id: u16, length: u32) {
        self.add(id, length.min(self.size), 0);
        self.advance(1);
    }

    #[cfg(feature = "owned")]
    pub(crate) fn entries(&self) -> u16 {
        self.entries
    }

    #[cfg(feature = "owned")]
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Has an entry take its buffer from this group.
    pub(crate) fn select(&self, sqe: &mut io_uring_sqe) {
        sqe.flags |= SqeFlags::BUFFER_SELECT.bits();
        sqe.buf_index = self.number;
    }
}

impl<'a, K: Kernel, T> BufRing<'a, K, T> {
    pub(super) fn new(
        ring: &'a Ring<K, T>,
        group: u16,
        entries: u16,
        size: u32,
    ) -> Result<Self, Errno> {
        Ok(BufRing {
            ring,
            group: Group::new(ring.inner(), group, entries, size, false)?,
        })
    }

    /// The number of the group.
    #[must_use]
    pub fn group(&self) -> u16 {
        self.group.number
    }

    /// How many buffers it has.
    #[must_use]
    pub fn entries(&self) -> u16 {
        self.group.entries
    }

    /// The bytes of each.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.group.size
    }

    /// Has an entry take its buffer from this group: `IOSQE_BUFFER_SELECT`, and the
    /// group's number.
    pub fn select(&self, sqe: &mut io_uring_sqe) {
        self.group.select(sqe);
    }

    /// The bytes that a request left in the buffer it took; `None` if it took none, or
    /// one that is not of this group.
    #[must_use]
    pub fn take(&mut self, done: &Completion) -> Option<&mut [u8]> {
        let place = self.group.place(done.buffer_id()?)?;
        let length = done.result().unwrap_or(0).min(self.group.size);
        // SAFETY: inside the mapping, all of which is initialised: the kernel zeroes it.
        // It is borrowed with the value; that no request uses it was said by its
        // submitter.
        Some(unsafe { core::slice::from_raw_parts_mut(place, length as usize) })
    }

    /// Gives the kernel the buffer back that a request took; whether there was one.
    pub fn give_back(&mut self, done: &Completion) -> bool {
        match done.buffer_id() {
            Some(id) => self.group.give_back(id),
            None => false,
        }
    }

    /// How many buffers the kernel has not used yet. Linux 6.8.
    ///
    /// # Errors
    /// EINVAL before.
    pub fn available(&self) -> Result<u16, Errno> {
        let (raw, number) = (self.group.raw(), self.group.number);
        // SAFETY: the mapped buffer ring of this group.
        let left = unsafe { self.ring.inner().buf_ring_available(raw, number) };
        check(left).map(|left| left as u16)
    }
}

impl<K: Kernel, T> Drop for BufRing<'_, K, T> {
    /// Unregisters the group; the memory goes after that.
    fn drop(&mut self) {
        self.group.unregister(self.ring.inner());
    }
}

/// Fixed buffers of a ring, with their memory
/// ([`SubmissionSide::buffers`](super::SubmissionSide::buffers)).
///
/// ```
/// use anyring::Ring;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Ok(_) = Ring::new(1) else { return Ok(()) };
/// let file = std::fs::File::open("/proc/self/stat")?;
/// let mut ring = Ring::new(8)?;
/// let (mut queue, done) = ring.split();
/// let buffers = queue.buffers(2, 4096)?;
/// # use std::os::fd::AsRawFd;
/// let sqe = queue.next_sqe().ok_or("full")?;
/// buffers.read(sqe, file.as_raw_fd(), 1, 100, 0)?;
/// // SAFETY: the read has its registered buffer, which is looked at below.
/// unsafe { queue.submit_and_wait(1)? };
/// let length = done.completions().next().ok_or("none")?.result()?;
/// assert_eq!(buffers.bytes(1).ok_or("no such buffer")?[..2].len(), 2);
/// # assert!(length > 2);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RegisteredBuffers<'a, K: Kernel = Linux, T = AnyThread> {
    ring: &'a Ring<K, T>,
    memory: Mapping<K>,
    count: u16,
    size: u32,
}

impl<'a, K: Kernel, T> RegisteredBuffers<'a, K, T> {
    pub(super) fn new(ring: &'a Ring<K, T>, count: u16, size: u32) -> Result<Self, Errno> {
        if count == 0 || size == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let inner = ring.inner();
        let memory = Mapping::new(inner.kernel(), usize::from(count) * size as usize)?;
        check(inner.register_sparse(crate::register::Table::Buffers, count.into()))?;
        let made = RegisteredBuffers {
            ring,
            memory,
            count,
            size,
        };
        for index in 0..count {
            let vector = libc::iovec {
                iov_base: made.memory.at(usize::from(index) * size as usize).cast(),
                iov_len: size as usize,
            };
            // SAFETY: one vector that lives through the call; the memory it names lives
            // until the buffers are unregistered, in drop.
            let put = unsafe {
                inner.update_resources(
                    anyring_abi::IORING_REGISTER_BUFFERS_UPDATE,
                    index.into(),
                    (&raw const vector).cast(),
                    core::ptr::null(),
                    1,
                )
            };
            check(put)?;
        }
        Ok(made)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The bytes of each.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    fn place(&self, index: u16) -> Option<*mut u8> {
        (index < self.count).then(|| self.memory.at(usize::from(index) * self.size as usize))
    }

    /// The bytes of a buffer; `None` beyond their number.
    #[must_use]
    pub fn bytes(&self, index: u16) -> Option<&[u8]> {
        let place = self.place(index)?;
        // SAFETY: inside the mapping, all of which is initialised: the kernel zeroes it.
        // That no request writes it now was said by its submitter.
        Some(unsafe { core::slice::from_raw_parts(place, self.size as usize) })
    }

    /// The bytes of a buffer, to be changed; `None` beyond their number.
    #[must_use]
    pub fn bytes_mut(&mut self, index: u16) -> Option<&mut [u8]> {
        let place = self.place(index)?;
        // SAFETY: as in `bytes`; borrowed alone.
        Some(unsafe { core::slice::from_raw_parts_mut(place, self.size as usize) })
    }

    fn range(&self, index: u16, length: u32) -> Result<*mut u8, Errno> {
        let place = self.place(index).filter(|_| length <= self.size);
        place.ok_or(Errno(libc::EFAULT))
    }

    /// Makes an entry read `length` bytes of a file into the buffer `index`.
    ///
    /// # Errors
    /// EFAULT beyond the buffers, before anything is written.
    pub fn read(
        &self,
        sqe: &mut io_uring_sqe,
        fd: c_int,
        index: u16,
        length: u32,
        offset: u64,
    ) -> Result<(), Errno> {
        let place = self.range(index, length)?;
        prep::read_fixed(sqe, fd, place.cast(), length, offset, index.into());
        Ok(())
    }

    /// Makes an entry write `length` bytes of the buffer `index` to a file.
    ///
    /// # Errors
    /// EFAULT beyond the buffers, before anything is written.
    pub fn write(
        &self,
        sqe: &mut io_uring_sqe,
        fd: c_int,
        index: u16,
        length: u32,
        offset: u64,
    ) -> Result<(), Errno> {
        let place = self.range(index, length)?;
        prep::write_fixed(sqe, fd, place.cast(), length, offset, index.into());
        Ok(())
    }
}

impl<K: Kernel, T> Drop for RegisteredBuffers<'_, K, T> {
    /// Unregisters them; the memory goes after that. Requests in flight keep its pages.
    fn drop(&mut self) {
        self.ring.inner().register_plain(IORING_UNREGISTER_BUFFERS);
    }
}
