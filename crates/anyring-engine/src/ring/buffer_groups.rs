//! Provided buffers: groups that requests take a buffer from when they need
//! one. Classic groups are filled by PROVIDE_BUFFERS; buffer rings lie in
//! memory that the program fills itself.
//!
//! # Safety
//! A buffer ring is memory of `entries` times 16 bytes that was mapped when it
//! was registered and stays so until it is unregistered: the program's side of
//! io_uring_register_buf_ring(3). Its tail is an atomic word of both sides; the
//! entries between head and tail are ours to read.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicU16, Ordering};

use anyring_abi as abi;
use anyring_abi::{io_uring_buf, io_uring_buf_reg};

use crate::os::sys;
use crate::request::{PickedBuffer, Request};
use crate::ring::mappable::{GROUPS, Mappable};
use crate::ring::state::State;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) bid: u16,
}

#[derive(Debug)]
struct BufRing {
    at: *mut u8,
    entries: u32,
    head: u16,
    incremental: bool,
    /// Bytes that must be left of a buffer for it to be used further.
    min_left: u32,
    /// Bytes that we mapped for it.
    mapped: usize,
    /// The program may have mapped it by the ring fd.
    shared: bool,
}

// SAFETY: the memory is not bound to a thread; the ring's lock orders accesses.
unsafe impl Send for BufRing {}

impl Drop for BufRing {
    fn drop(&mut self) {
        if self.mapped != 0 {
            // SAFETY: our own mapping, of this size.
            unsafe {
                if self.shared {
                    sys::free_shared(self.at.cast(), self.mapped);
                }
                sys::unmap(self.at.cast(), self.mapped);
            }
        }
    }
}

impl BufRing {
    fn tail(&self) -> u16 {
        // SAFETY: the tail stands at offset 14 of the first entry.
        unsafe { (*self.at.add(14).cast::<AtomicU16>()).load(Ordering::Acquire) }
    }

    fn entry(&self, position: u16) -> *mut io_uring_buf {
        let at = (u32::from(position) & (self.entries - 1)) as usize * 16;
        // SAFETY: inside the ring.
        unsafe { self.at.add(at).cast() }
    }

    fn read(&self, position: u16) -> Buffer {
        let entry = self.entry(position);
        // SAFETY: between head and tail, written before the tail was published.
        // The first entry shares its last two bytes with the tail: not read.
        unsafe {
            Buffer {
                addr: ptr::read_volatile(&raw const (*entry).addr),
                len: ptr::read_volatile(&raw const (*entry).len),
                bid: ptr::read_volatile(&raw const (*entry).bid),
            }
        }
    }

    /// Uses bytes of the first buffers; whether the last of them has more.
    fn consume(&mut self, mut bytes: u32, buffers: u16) -> bool {
        if !self.incremental {
            self.head = self.head.wrapping_add(buffers);
            return false;
        }
        loop {
            let first = self.read(self.head);
            let entry = self.entry(self.head);
            let used = bytes.min(first.len);
            let left = first.len - used;
            // Nothing uses nothing up. An entry whose length was made 0 meanwhile
            // stays the first: without an end here it would be asked for ever.
            let stays = used == 0 || left >= self.min_left.max(1);
            // SAFETY: as in `read`; between head and tail entries are ours.
            unsafe {
                if stays {
                    let addr = first.addr.wrapping_add(u64::from(used));
                    ptr::write_volatile(&raw mut (*entry).addr, addr);
                }
                let left = if stays { left } else { 0 };
                ptr::write_volatile(&raw mut (*entry).len, left);
            }
            if stays {
                return true;
            }
            self.head = self.head.wrapping_add(1);
            bytes -= used;
            if bytes == 0 {
                return false;
            }
        }
    }
}

#[derive(Debug)]
enum Kind {
    Classic(VecDeque<Buffer>),
    Ring(BufRing),
}

#[derive(Debug)]
struct Group {
    id: u16,
    kind: Kind,
}

/// All groups of a ring.
#[derive(Debug, Default)]
pub(crate) struct Groups(Vec<Group>);

impl Groups {
    fn find(&mut self, id: u16) -> Option<&mut Group> {
        self.0.iter_mut().find(|group| group.id == id)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes a buffer of at most `wanted` bytes (0: all of it).
    pub(crate) fn select(&mut self, id: u16, wanted: u32) -> Result<PickedBuffer, c_int> {
        let group = self.find(id).ok_or(-libc::ENOBUFS)?;
        let (buffer, ring) = match &mut group.kind {
            Kind::Classic(buffers) => (buffers.pop_front().ok_or(-libc::ENOBUFS)?, false),
            Kind::Ring(ring) if ring.tail() == ring.head => return Err(-libc::ENOBUFS),
            Kind::Ring(ring) => (ring.read(ring.head), true),
        };
        let len = match wanted {
            0 => buffer.len,
            wanted => wanted.min(buffer.len),
        };
        Ok(PickedBuffer {
            addr: buffer.addr,
            len,
            bid: buffer.bid,
            group: id,
            ring,
            more: false,
        })
    }

    /// Takes at once a buffer of a ring that a request has selected, since what
    /// comes next may run while others look at the ring.
    pub(crate) fn commit(&mut self, selected: &mut PickedBuffer) {
        if core::mem::take(&mut selected.ring) {
            if let Some(Group {
                kind: Kind::Ring(ring),
                ..
            }) = self.find(selected.group)
            {
                selected.more = ring.consume(selected.len, 1);
            }
        }
    }

    /// Takes all buffers of a bundle out of the group.
    pub(crate) fn commit_many(&mut self, first: &mut PickedBuffer, vectors: &[libc::iovec]) {
        if core::mem::take(&mut first.ring) {
            if let Some(Group {
                kind: Kind::Ring(ring),
                ..
            }) = self.find(first.group)
            {
                let bytes: usize = vectors.iter().map(|vector| vector.iov_len).sum();
                first.more = ring.consume(bytes as u32, vectors.len() as u16);
            }
        }
    }

    /// Whether buffers of a group are used piece by piece.
    pub(crate) fn is_incremental(&mut self, id: u16) -> bool {
        matches!(
            self.find(id),
            Some(Group {
                kind: Kind::Ring(BufRing {
                    incremental: true,
                    ..
                }),
                ..
            })
        )
    }

    /// Takes a buffer to send from: a classic one as a whole.
    pub(crate) fn select_to_send(&mut self, id: u16, wanted: u32) -> Result<PickedBuffer, c_int> {
        let wanted = match &self.find(id).ok_or(-libc::ENOENT)?.kind {
            Kind::Classic(_) => 0,
            Kind::Ring(_) => wanted,
        };
        self.select(id, wanted)
    }

    /// Whether nothing is left behind buffers that [`Groups::select_many`] gave.
    pub(crate) fn is_used_up(&mut self, id: u16, count: usize) -> bool {
        self.find(id).is_none_or(|group| match &group.kind {
            Kind::Classic(buffers) => buffers.is_empty(),
            Kind::Ring(ring) => usize::from(ring.tail().wrapping_sub(ring.head)) <= count,
        })
    }

    /// Several buffers of a ring at once, for a bundle that is received: as many of the size
    /// of the first one as `wanted` bytes (0: any number) take, at most `limit`. Also whether
    /// a buffer was cut or left since it would have been, and whether none is left.
    pub(crate) fn select_to_fill(
        &mut self,
        id: u16,
        wanted: usize,
        limit: usize,
    ) -> Result<(PickedBuffer, Vec<libc::iovec>, bool, bool), c_int> {
        let room = match self.find(id) {
            Some(Group {
                kind: Kind::Ring(ring),
                ..
            }) if wanted != 0 => {
                let first = ring.read(ring.head).len as usize;
                wanted.div_ceil(first.max(1)).min(limit)
            }
            _ => limit,
        };
        let (first, mut vectors) = self.select_many(id, wanted, room)?;
        if !first.ring && wanted != 0 {
            for vector in &mut vectors {
                vector.iov_len = vector.iov_len.min(wanted);
            }
        }
        let sum: usize = vectors.iter().map(|vector| vector.iov_len).sum();
        let (mut cut, mut empty) = (false, false);
        match self.find(id) {
            Some(Group {
                kind: Kind::Classic(buffers),
                ..
            }) => empty = buffers.is_empty(),
            Some(Group {
                kind: Kind::Ring(ring),
                ..
            }) => {
                let available = usize::from(ring.tail().wrapping_sub(ring.head));
                let full = wanted != 0 && sum >= wanted;
                let last = ring.head.wrapping_add(vectors.len() as u16).wrapping_sub(1);
                let shortened = vectors
                    .last()
                    .is_some_and(|vector| vector.iov_len < ring.read(last).len as usize);
                cut = !ring.incremental
                    && (shortened || vectors.len() < room.min(available) && !full);
                // The kernel looks no further once it has all bytes that it wanted.
                empty = vectors.len() == available && !full;
            }
            None => {}
        }
        Ok((first, vectors, cut, empty))
    }

    /// Several buffers of a ring at once, for a bundle: at most `wanted` bytes
    /// (0: all) and `limit` buffers.
    pub(crate) fn select_many(
        &mut self,
        id: u16,
        wanted: usize,
        limit: usize,
    ) -> Result<(PickedBuffer, Vec<libc::iovec>), c_int> {
        let first = self.select_to_send(id, 0)?;
        if !first.ring {
            let mut one = crate::os::user_memory::room(1)?;
            one.push(libc::iovec {
                iov_base: first.addr as *mut _,
                iov_len: first.len as usize,
            });
            return Ok((first, one));
        }
        let Some(Group {
            kind: Kind::Ring(ring),
            ..
        }) = self.find(id)
        else {
            return Err(-libc::ENOBUFS);
        };
        let available = usize::from(ring.tail().wrapping_sub(ring.head)).min(limit);
        let mut vectors = crate::os::user_memory::room(available)?;
        let mut left = if wanted == 0 { usize::MAX } else { wanted };
        for at in 0..available {
            let buffer = ring.read(ring.head.wrapping_add(at as u16));
            let len = (buffer.len as usize).min(left);
            if len < buffer.len as usize && !ring.incremental && at != 0 {
                // What is used up by a part is left for the next time.
                break;
            }
            vectors.push(libc::iovec {
                iov_base: buffer.addr as *mut _,
                iov_len: len,
            });
            left -= len;
            if left == 0 {
                break;
            }
        }
        Ok((first, vectors))
    }

    /// A request did not use its buffer.
    pub(crate) fn give_back(&mut self, selected: PickedBuffer) {
        if selected.ring {
            return;
        }
        if let Some(Group {
            kind: Kind::Classic(buffers),
            ..
        }) = self.find(selected.group)
        {
            // There was room for it before.
            buffers.push_front(Buffer {
                addr: selected.addr,
                len: selected.len,
                bid: selected.bid,
            });
        }
    }

    /// A request used bytes of one or, of a bundle, several buffers; the CQE
    /// flags that say so.
    pub(crate) fn used(&mut self, selected: PickedBuffer, bytes: u32, buffers: u16) -> u32 {
        let mut flags =
            abi::IORING_CQE_F_BUFFER | u32::from(selected.bid) << abi::IORING_CQE_BUFFER_SHIFT;
        let mut more = selected.more;
        if selected.ring {
            if let Some(Group {
                kind: Kind::Ring(ring),
                ..
            }) = self.find(selected.group)
            {
                more = ring.consume(bytes, buffers);
            }
        }
        if more {
            flags |= abi::IORING_CQE_F_BUF_MORE;
        }
        flags
    }

    /// PROVIDE_BUFFERS.
    pub(crate) fn provide(
        &mut self,
        id: u16,
        addr: u64,
        len: u32,
        count: u32,
        first: u16,
    ) -> Result<(), c_int> {
        if self.find(id).is_none() {
            self.0.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
            self.0.push(Group {
                id,
                kind: Kind::Classic(VecDeque::new()),
            });
        }
        let Some(Group {
            kind: Kind::Classic(buffers),
            ..
        }) = self.find(id)
        else {
            return Err(-libc::EINVAL);
        };
        buffers
            .try_reserve(count as usize)
            .map_err(|_| -libc::ENOMEM)?;
        for at in 0..count {
            buffers.push_back(Buffer {
                addr: addr + u64::from(at) * u64::from(len),
                len,
                bid: first.wrapping_add(at as u16),
            });
        }
        Ok(())
    }

    /// REMOVE_BUFFERS; how many.
    pub(crate) fn remove(&mut self, id: u16, count: u32) -> Result<i32, c_int> {
        match self.find(id) {
            None => Err(-libc::ENOENT),
            Some(Group {
                kind: Kind::Classic(buffers),
                ..
            }) => {
                let count = buffers.len().min(count as usize);
                buffers.drain(..count);
                Ok(count as i32)
            }
            Some(_) => Err(-libc::EINVAL),
        }
    }

    /// IORING_REGISTER_PBUF_RING.
    pub(crate) fn register(
        &mut self,
        reg: &io_uring_buf_reg,
        mappable: &mut Mappable,
    ) -> Result<(), c_int> {
        const FLAGS: u32 = abi::IOU_PBUF_RING_MMAP | abi::IOU_PBUF_RING_INC;
        let incremental = u32::from(reg.flags) & abi::IOU_PBUF_RING_INC != 0;
        if reg.resv.iter().any(|word| *word != 0)
            || reg.min_left != 0 && !incremental
            || u32::from(reg.flags) & !FLAGS != 0
            || !reg.ring_entries.is_power_of_two()
            || reg.ring_entries >= 65536
        {
            return Err(-libc::EINVAL);
        }
        let mapped = u32::from(reg.flags) & abi::IOU_PBUF_RING_MMAP != 0;
        match self.find(reg.bgid) {
            Some(Group {
                kind: Kind::Classic(buffers),
                ..
            }) if buffers.is_empty() => self.0.retain(|group| group.id != reg.bgid),
            Some(_) => return Err(-libc::EEXIST),
            None => {}
        }
        self.0.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
        let bytes = (reg.ring_entries as usize * 16 + 4095) & !4095;
        let mut shared = false;
        let at = if mapped {
            let group = u64::from(reg.bgid);
            let placed = if group < GROUPS {
                let offset = abi::IORING_OFF_PBUF_RING | group << abi::IORING_OFF_PBUF_SHIFT;
                mappable.place(offset, bytes)
            } else {
                Err(-libc::EINVAL)
            };
            match placed {
                Ok(mapping) => {
                    shared = true;
                    let at = mapping.address();
                    // The ring of buffers unmaps it.
                    mapping.give_away();
                    at
                }
                // The library can map it all the same.
                Err(_) => sys::map(bytes)?,
            }
        } else {
            if reg.ring_addr == 0 {
                return Err(-libc::EFAULT);
            }
            if reg.ring_addr % 4096 != 0 {
                return Err(-libc::EINVAL);
            }
            if !crate::os::writable::is_writable(
                reg.ring_addr as usize,
                reg.ring_entries as usize * 16,
            ) {
                return Err(-libc::EFAULT);
            }
            reg.ring_addr as *mut _
        };
        self.0.push(Group {
            id: reg.bgid,
            kind: Kind::Ring(BufRing {
                at: at.cast(),
                entries: reg.ring_entries,
                head: 0,
                incremental,
                min_left: reg.min_left,
                mapped: if mapped { bytes } else { 0 },
                shared,
            }),
        });
        Ok(())
    }

    /// IORING_UNREGISTER_PBUF_RING.
    pub(crate) fn unregister(&mut self, id: u16) -> Result<(), c_int> {
        let place = self
            .0
            .iter()
            .position(|group| group.id == id)
            .ok_or(-libc::ENOENT)?;
        if matches!(self.0[place].kind, Kind::Classic(_)) {
            return Err(-libc::EINVAL);
        }
        self.0.swap_remove(place);
        Ok(())
    }

    /// The head of a buffer ring.
    pub(crate) fn head(&mut self, id: u16) -> Result<u16, c_int> {
        match self.find(id) {
            None => Err(-libc::ENOENT),
            Some(Group {
                kind: Kind::Ring(ring),
                ..
            }) => Ok(ring.head),
            Some(_) => Err(-libc::EINVAL),
        }
    }

    /// The memory of a buffer ring that we mapped.
    pub(crate) fn memory(&mut self, id: u16) -> Option<(*mut u8, usize)> {
        match self.find(id) {
            Some(Group {
                kind: Kind::Ring(ring),
                ..
            }) if ring.mapped != 0 => Some((ring.at, ring.mapped)),
            _ => None,
        }
    }
}

impl State {
    /// A request with a buffer is finished; the flags for its CQE.
    #[inline(never)]
    pub(crate) fn settle_buffer(&mut self, request: &mut Request, res: i32) -> u32 {
        let def = request.def;
        // A READ at the end of its file says so with a buffer.
        let reads_plainly = def.rw && !def.vectored;
        match request.selected.take() {
            None => 0,
            Some(selected) if res > 0 || res == 0 && reads_plainly => {
                self.groups.used(selected, res as u32, 1)
            }
            Some(selected)
                if def
                    .uses_buffer
                    .is_some_and(|uses| uses(self.epoll, request, selected, res)) =>
            {
                self.groups.used(selected, selected.len, 1)
            }
            Some(selected) => {
                self.groups.give_back(selected);
                0
            }
        }
    }
}
