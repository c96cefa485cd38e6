//! Buffers that the kernel takes from by itself.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use anyring_abi::{IORING_RECVSEND_BUNDLE, io_uring_sqe};

use super::message::{datagram_header, decode_bytes};
use super::{Gives, Kept, Memory, Number, Output, Owner, Pinned, Request, State, sealed};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::owned::{Completion, Group};
use crate::prep;
use crate::recvmsg::RecvMsgOut;

/// How many pools the process has had.
static POOLS: AtomicU64 = AtomicU64::new(0);

/// No buffer.
const NONE: u16 = u16::MAX;

/// A group of buffers of the ring, and what uses it: the pool, requests, buffers.
#[derive(Debug)]
pub(super) struct PoolState<K: Kernel> {
    pub(super) group: Group<K>,
    pub(super) users: usize,
    /// Which pool of the process it is.
    pub(super) number: u64,
    /// The buffers that the kernel has, in the order in which it takes them.
    order: VecDeque<u16>,
    /// Whether it has this one.
    has: Vec<bool>,
    /// Of buffers that one completion has taken together: the one that comes next.
    next: Vec<u16>,
    /// The bytes of each that the kernel has, or had.
    lengths: Vec<u32>,
    /// Of buffers that are sent: those that may be filled.
    free: Vec<u16>,
    sends: bool,
}

impl<K: Kernel> PoolState<K> {
    fn new(group: Group<K>, sends: bool) -> Self {
        let all = 0..group.entries();
        let count = usize::from(group.entries());
        let (order, free) = if sends {
            (VecDeque::with_capacity(count), all.rev().collect())
        } else {
            (all.collect(), Vec::new())
        };
        PoolState {
            users: 1,
            number: POOLS.fetch_add(1, Ordering::Relaxed),
            has: vec![!sends; count],
            order,
            next: vec![NONE; count],
            lengths: vec![group.size(); count],
            free,
            sends,
            group,
        }
    }

    /// A completion came: what it took is the kernel's no more. To be called once for
    /// each, in their order.
    pub(super) fn took(&mut self, done: &Completion, several: bool) {
        let Some(first) = done.buffer_id() else {
            return;
        };
        let Some(start) = self.order.iter().position(|id| *id == first) else {
            return;
        };
        // Of those behind the first the kernel takes as many as it needs.
        let mut left = i64::from(done.res.max(0));
        let mut count = 0;
        for id in self.order.iter().skip(start) {
            let length = get(&self.lengths, *id).unwrap_or(0);
            (left, count) = (left - i64::from(length), count + 1);
            if left <= 0 || !several {
                break;
            }
        }
        let mut before = None;
        for id in self.order.drain(start..start + count) {
            set(&mut self.has, id, false);
            set(&mut self.next, id, NONE);
            if let Some(before) = before.replace(id) {
                set(&mut self.next, before, id);
            }
        }
        if self.sends {
            let mut id = first;
            while id != NONE {
                self.free.push(id);
                id = get(&self.next, id).unwrap_or(NONE);
            }
        }
    }

    /// The buffers of a completion that came, and the bytes in each.
    pub(super) fn buffers_of(&self, done: &Completion) -> Vec<(u16, u32)> {
        let mut buffers = Vec::new();
        let mut left = done.res.max(0) as u32;
        let mut next = done.buffer_id();
        while let Some(id) = next.filter(|id| get(&self.has, *id) == Some(false)) {
            let length = left.min(self.group.size());
            left -= length;
            buffers.push((id, length));
            next = get(&self.next, id);
        }
        buffers
    }

    /// The kernel has the buffer again.
    pub(super) fn give_back(&mut self, id: u16) {
        if !self.sends && get(&self.has, id) == Some(false) && self.group.give_back(id) {
            set(&mut self.has, id, true);
            self.order.push_back(id);
        }
    }

    /// Puts bytes into a free buffer and hands it to the kernel.
    fn fill(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        if bytes.is_empty() || bytes.len() > self.group.size() as usize {
            return Err(Errno::EMSGSIZE);
        }
        let id = self.free.pop().ok_or(Errno::ENOBUFS)?;
        if let Some(place) = self.group.place(id) {
            // SAFETY: a buffer of the group, of that size at least, which the kernel does
            // not have: it is free.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        }
        let length = bytes.len() as u32;
        set(&mut self.lengths, id, length);
        set(&mut self.has, id, true);
        self.group.give(id, length);
        self.order.push_back(id);
        Ok(())
    }
}

fn get<T: Copy>(table: &[T], id: u16) -> Option<T> {
    table.get(usize::from(id)).copied()
}

fn set<T>(table: &mut [T], id: u16, value: T) {
    if let Some(place) = table.get_mut(usize::from(id)) {
        *place = value;
    }
}

impl<K: Kernel> State<K> {
    fn add_pool(&mut self, buffers: u16, size: u32, sends: bool) -> Result<usize, Errno> {
        let free = self.pools.iter().position(Option::is_none);
        let place = free.unwrap_or(self.pools.len());
        let number = u16::try_from(place).map_err(|_| Errno::EMFILE)?;
        let group = self.ring.register_group(number, buffers, size, sends)?;
        let pool = Some(PoolState::new(group, sends));
        match self.pools.get_mut(place) {
            Some(empty) => *empty = pool,
            None => self.pools.push(pool),
        }
        Ok(place)
    }
}

impl<K: Kernel> Owner<K> {
    /// A pool of `buffers` (a power of two up to 32768) of `size` bytes that the kernel
    /// takes from by itself. Linux 5.19.
    ///
    /// # Errors
    /// EINVAL for these numbers and before Linux 5.19, ENOMEM.
    pub fn pool(&self, buffers: u16, size: u32) -> Result<Pool<K>, Errno> {
        let place = self.0.borrow_mut().add_pool(buffers, size, false)?;
        Ok(Pool(User::of(self, place)))
    }

    /// A pool of `buffers` (a power of two up to 32768) of `size` bytes that are sent as
    /// bundles. Linux 6.10.
    ///
    /// # Errors
    /// EINVAL for these numbers and before Linux 6.10, ENOMEM.
    pub fn send_pool(&self, buffers: u16, size: u32) -> Result<SendPool<K>, Errno> {
        let state = &mut *self.0.borrow_mut();
        if !state.bundles() {
            return Err(Errno::EINVAL);
        }
        let place = state.add_pool(buffers, size, true)?;
        Ok(SendPool(User::of(self, place)))
    }
}

/// What keeps a group of buffers.
#[derive(Debug)]
struct User<K: Kernel> {
    owner: Owner<K>,
    place: usize,
}

impl<K: Kernel> User<K> {
    /// One that was counted.
    fn of(owner: &Owner<K>, place: usize) -> Self {
        User {
            owner: owner.clone(),
            place,
        }
    }
}

impl<K: Kernel> Drop for User<K> {
    fn drop(&mut self) {
        let state = &mut *self.owner.0.borrow_mut();
        super::release_user(&mut state.pools, self.place);
        state.sweep();
    }
}

/// Buffers that the kernel takes from by itself ([`Owner::pool`]). They live until the
/// pool, its requests and its buffers are gone.
#[derive(Debug)]
pub struct Pool<K: Kernel = crate::kernel::Linux>(User<K>);

/// Buffers that are filled by the program and sent by bundles ([`Owner::send_pool`]), in
/// the order in which they were filled.
///
/// ```
/// use anyring::operation::{Owner, Request};
/// use anyring::{Builder, Linux};
/// use std::io::Read;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if anyring::Ring::new(1).is_err() { return Ok(()) }
/// let owner = Owner::new(Builder::new(8), Linux)?;
/// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// # if owner.send_pool(1, 1).is_err() { return Ok(()) } // before Linux 6.10
/// let pool = owner.send_pool(4, 64)?;
/// pool.push(b"several ")?;
/// pool.push(b"buffers, ")?;
/// pool.push(b"one request")?;
/// assert_eq!(owner.start(Request::send_bundle(&ours, &pool, 0))?.wait(), Ok(28));
/// let mut text = [0; 28];
/// theirs.read_exact(&mut text)?;
/// assert_eq!(&text, b"several buffers, one request");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SendPool<K: Kernel = crate::kernel::Linux>(User<K>);

impl<K: Kernel> SendPool<K> {
    /// Copies bytes into a free buffer, behind those that wait to be sent.
    ///
    /// # Errors
    /// ENOBUFS when none is free, EMSGSIZE for no bytes and more than a buffer has.
    pub fn push(&self, bytes: &[u8]) -> Result<(), Errno> {
        let state = &mut *self.0.owner.0.borrow_mut();
        match state.pools.get_mut(self.0.place) {
            Some(Some(pool)) => pool.fill(bytes),
            _ => Err(Errno::ENOBUFS),
        }
    }

    /// How many buffers may be filled.
    #[must_use]
    pub fn free(&self) -> usize {
        let state = &*self.0.owner.0.borrow();
        match state.pools.get(self.0.place) {
            Some(Some(pool)) => pool.free.len(),
            _ => 0,
        }
    }
}

/// Bytes in a buffer of a [`Pool`]; dropped, the kernel has the buffer again.
pub struct PoolBuffer<K: Kernel = crate::kernel::Linux> {
    user: User<K>,
    id: u16,
    start: NonNull<u8>,
    length: usize,
}

impl<K: Kernel> fmt::Debug for PoolBuffer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolBuffer").field(&&**self).finish()
    }
}

impl<K: Kernel> Deref for PoolBuffer<K> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: inside a buffer of a group that is kept while this is one of its users,
        // and that the kernel does not have before this is dropped.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl<K: Kernel> Drop for PoolBuffer<K> {
    fn drop(&mut self) {
        let state = &mut *self.user.owner.0.borrow_mut();
        if let Some(Some(pool)) = state.pools.get_mut(self.user.place) {
            if self.id != NONE {
                pool.give_back(self.id);
            }
        }
    }
}

/// The buffers of a completion; `None` if it is of no pool that is there.
fn buffers<K: Kernel>(
    owner: &Owner<K>,
    done: &Completion,
    kept: &Kept,
) -> Result<Vec<PoolBuffer<K>>, Errno> {
    done.result()?;
    let Gives::Buffers { place, .. } = kept.gives else {
        return Err(Errno::ENOBUFS);
    };
    let state = &mut *owner.0.borrow_mut();
    let Some(Some(pool)) = state.pools.get_mut(place) else {
        return Err(Errno::ENOBUFS);
    };
    let found = pool.buffers_of(done);
    if found.is_empty() && done.buffer_id().is_some() {
        return Err(Errno::ENOBUFS);
    }
    let mut buffers = Vec::with_capacity(found.len());
    for (id, length) in found {
        let start = pool.group.place(id).and_then(NonNull::new);
        pool.users += 1;
        buffers.push(PoolBuffer {
            user: User::of(owner, place),
            id,
            start: start.unwrap_or(NonNull::dangling()),
            length: if start.is_some() { length as usize } else { 0 },
        });
    }
    Ok(buffers)
}

/// A buffer of a pool, empty at the end: `Result<PoolBuffer, Errno>`.
#[derive(Debug)]
pub enum Buffer {}

impl sealed::Output for Buffer {
    type Value<K: Kernel> = Result<PoolBuffer<K>, Errno>;

    #[allow(private_interfaces, reason = "sealed")]
    fn value<K: Kernel>(owner: &Owner<K>, done: Completion, kept: Kept) -> Self::Value<K> {
        let mut found = buffers(owner, &done, &kept)?;
        if !found.is_empty() {
            return Ok(found.swap_remove(0));
        }
        let Gives::Buffers { place, .. } = kept.gives else {
            return Err(Errno::ENOBUFS);
        };
        // The end of what is read takes no buffer.
        if let Some(Some(pool)) = owner.0.borrow_mut().pools.get_mut(place) {
            pool.users += 1;
        }
        Ok(PoolBuffer {
            user: User::of(owner, place),
            id: NONE,
            start: NonNull::dangling(),
            length: 0,
        })
    }

    fn failed<K: Kernel>(error: Errno) -> Self::Value<K> {
        Err(error)
    }
}
impl Output for Buffer {}

/// Several buffers of a pool, in their order, none at the end:
/// `Result<Vec<PoolBuffer>, Errno>`.
#[derive(Debug)]
pub enum Bundle {}

impl sealed::Output for Bundle {
    type Value<K: Kernel> = Result<Vec<PoolBuffer<K>>, Errno>;

    #[allow(private_interfaces, reason = "sealed")]
    fn value<K: Kernel>(owner: &Owner<K>, done: Completion, kept: Kept) -> Self::Value<K> {
        buffers(owner, &done, &kept)
    }

    fn failed<K: Kernel>(error: Errno) -> Self::Value<K> {
        Err(error)
    }
}
impl Output for Bundle {}

/// A message in a buffer of a pool, which it derefs to.
#[derive(Debug)]
pub struct Datagram<K: Kernel = crate::kernel::Linux> {
    buffer: PoolBuffer<K>,
    address: Option<SocketAddr>,
    flags: u32,
    /// Where in the buffer its bytes are.
    start: usize,
    end: usize,
}

impl<K: Kernel> Datagram<K> {
    /// The sender's address, of IPv4 and IPv6.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// `MSG_TRUNC`, `MSG_CTRUNC` and others.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags
    }
}

impl<K: Kernel> Deref for Datagram<K> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or(&[])
    }
}

/// A message in a buffer of a pool: `Result<Datagram, Errno>`.
#[derive(Debug)]
pub enum Datagrams {}

impl sealed::Output for Datagrams {
    type Value<K: Kernel> = Result<Datagram<K>, Errno>;

    #[allow(private_interfaces, reason = "sealed")]
    fn value<K: Kernel>(owner: &Owner<K>, done: Completion, kept: Kept) -> Self::Value<K> {
        let buffer = Buffer::value(owner, done, kept)?;
        let Some(message) = RecvMsgOut::parse(&buffer, &datagram_header()) else {
            return Err(Errno::ENODATA);
        };
        let (address, flags) = (decode_bytes(message.name()), message.flags());
        let start = message.payload().as_ptr() as usize - buffer.as_ptr() as usize;
        let end = start + message.payload().len();
        Ok(Datagram {
            buffer,
            address,
            flags,
            start,
            end,
        })
    }

    fn failed<K: Kernel>(error: Errno) -> Self::Value<K> {
        Err(error)
    }
}
impl Output for Datagrams {}

impl<T: Output> Request<'_, T> {
    fn with_pool<K: Kernel>(
        memory: Memory,
        pool: &User<K>,
        prepare: impl FnOnce(&mut io_uring_sqe),
    ) -> Self {
        let place = pool.place;
        let several = false;
        let mut request = Self::new(memory, Gives::Buffers { place, several }, prepare);
        let state = &*pool.owner.0.borrow();
        if let Some(Some(pool)) = state.pools.get(place) {
            request.pool = Some((place, pool.number));
        }
        request
    }

    /// Refused before Linux 6.10, where the flag would be overlooked.
    fn bundled<K: Kernel>(mut self, pool: &User<K>) -> Self {
        self.entry.ioprio |= IORING_RECVSEND_BUNDLE as u16;
        self.gives = Gives::Buffers {
            place: pool.place,
            several: true,
        };
        if !pool.owner.0.borrow().bundles() {
            self.refused = Some(Errno::EINVAL);
        }
        self
    }
}

impl<'f> Request<'f, Buffer> {
    /// Receives into a buffer of a pool. Linux 5.19.
    pub fn recv_pooled<K: Kernel>(socket: &'f impl AsFd, pool: &Pool<K>, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        let none = core::ptr::null_mut();
        Self::with_pool(Memory::None, &pool.0, |sqe| {
            prep::recv(sqe, fd, none, 0, flags)
        })
        .of(fd)
        .message_flags(flags)
    }

    /// Receives into buffers of a pool again and again, for [`Owner::start_multishot`].
    /// Linux 6.0.
    pub fn recv_multishot<K: Kernel>(socket: &'f impl AsFd, pool: &Pool<K>, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        let none = core::ptr::null_mut();
        Self::with_pool(Memory::None, &pool.0, |sqe| {
            prep::recv_multishot(sqe, fd, none, 0, flags);
        })
        .of(fd)
        .message_flags(flags)
    }

    /// Reads into a buffer of a pool, up to its size. Linux 5.19.
    pub fn read_pooled<K: Kernel>(file: &'f impl AsFd, pool: &Pool<K>, offset: u64) -> Self {
        let fd = file.as_fd().as_raw_fd();
        let none = core::ptr::null_mut();
        Self::with_pool(Memory::None, &pool.0, |sqe| {
            prep::read(sqe, fd, none, 0, offset)
        })
        .of(fd)
    }
}

impl<'f> Request<'f, Bundle> {
    /// Receives into as many buffers of a pool as the bytes that are there fill.
    /// Linux 6.10.
    pub fn recv_bundle<K: Kernel>(socket: &'f impl AsFd, pool: &Pool<K>, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        let none = core::ptr::null_mut();
        Self::with_pool(Memory::None, &pool.0, |sqe| {
            prep::recv(sqe, fd, none, 0, flags)
        })
        .of(fd)
        .message_flags(flags)
        .bundled(&pool.0)
    }

    /// The same again and again, for [`Owner::start_multishot`]. Linux 6.10.
    pub fn recv_bundle_multishot<K: Kernel>(
        socket: &'f impl AsFd,
        pool: &Pool<K>,
        flags: i32,
    ) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        let none = core::ptr::null_mut();
        Self::with_pool(Memory::None, &pool.0, |sqe| {
            prep::recv_multishot(sqe, fd, none, 0, flags);
        })
        .of(fd)
        .message_flags(flags)
        .bundled(&pool.0)
    }
}

impl<'f> Request<'f, Datagrams> {
    /// Receives messages with their senders' addresses into buffers of a pool again and
    /// again, for [`Owner::start_multishot`]. Of each buffer 144 bytes are taken by the
    /// header and the address. Linux 6.0.
    pub fn recvmsg_multishot<K: Kernel>(socket: &'f impl AsFd, pool: &Pool<K>, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        let header = Pinned::new(datagram_header());
        let place = header.as_ptr();
        Self::with_pool(Memory::Header(header), &pool.0, |sqe| {
            prep::recvmsg_multishot(sqe, fd, place, flags as u32);
        })
        .of(fd)
        .message_flags(flags)
    }
}

impl<'f> Request<'f, Number> {
    /// Sends what was pushed to a pool, whole (`MSG_WAITALL` is added); the number of
    /// bytes. The buffers are free again then. Linux 6.10.
    pub fn send_bundle<K: Kernel>(socket: &'f impl AsFd, pool: &SendPool<K>, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        let flags = flags | libc::MSG_WAITALL;
        Self::with_pool(Memory::None, &pool.0, |sqe| {
            prep::send_bundle(sqe, fd, 0, flags)
        })
        .of(fd)
        .message_flags(flags)
        .bundled(&pool.0)
    }
}
