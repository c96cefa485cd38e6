//! Requests that own what they use.
//!
//! An [`Owner`] has a ring that nothing else can put entries into, and keeps the memory
//! of each request in its table until the request's completion. So submitting is safe,
//! whatever a program drops, forgets or unwinds.
//!
//! An [`Operation`] gives its buffer back with its result, by [`wait`](Operation::wait)
//! or as a [`Future`]; there is no runtime: [`Owner::turn`] takes completions and wakes
//! their wakers, and is to be called by whatever drives the futures. Multishot requests
//! are iterators ([`Multishot`]), links, timeouts and batches a builder ([`Batch`]),
//! provided buffers a [`Pool`], messages with addresses and descriptors a [`Message`].
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use anyring::{Builder, Linux, operation::Owner};
//! # if anyring::Ring::new(1).is_err() { return Ok(()) }
//! let owner = Owner::new(Builder::new(8), Linux)?;
//! let file = std::fs::File::open("/proc/self/stat")?;
//! let (result, buffer) = owner.read(&file, vec![0; 64], 0)?.wait();
//! assert_eq!(&buffer[..2], std::process::id().to_string()[..2].as_bytes());
//! assert_eq!(result, Ok(64));
//! # Ok(()) }
//! ```
//!
//! # Safety
//! The only unsafe calls are those that submit. What they vouch for: every entry of the
//! ring is made here, and points into heap memory (of a `Vec`, a `CString`, a `Box`) that
//! the table holds from before the entry is queued until its completion, or for ever, or
//! takes a buffer of a group that the ring holds. Memory on the heap stays where it is
//! when what owns it is moved.
//!
//! A file has to stay open until its entry was taken, which is so when a request was
//! started. Where an enter failed or took less, duplicates of the files stand in the
//! entries that wait, and the table keeps them.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::mem;
use core::pin::Pin;
use core::sync::atomic::AtomicU32;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use anyring_abi as abi;
use anyring_abi::{__kernel_timespec, io_uring_sqe};

use crate::errno::{Errno, check};
use crate::flags::SqeFlags;
use crate::inflight::{InFlight, Token};
use crate::kernel::{Kernel, Linux};
use crate::owned::{Builder, Completion, Ring};
use crate::prep;

mod message;
mod pinned;
mod pool;
mod request;

pub use message::{Message, Messages};
use pinned::{Path, Pinned};
use pool::PoolState;
pub use pool::{Buffer, Bundle, Datagram, Datagrams, Pool, PoolBuffer, SendPool};
use request::FutexWait;
pub use request::Request;

/// How often the end of an owner waits for the kernel before it gives up and leaks
/// what is still in flight, a tenth of a second each time.
const PATIENCE: u32 = 20;

/// `user_data` of cancellations: their results are of no interest. No token has it.
const CANCELS: u64 = u64::MAX - 1;

/// What an entry points to.
#[derive(Debug)]
enum Memory {
    None,
    Bytes(Vec<u8>),
    #[allow(dead_code, reason = "kept for the kernel")]
    Paths(Vec<Path>),
    #[allow(dead_code, reason = "kept for the kernel")]
    Span(Pinned<__kernel_timespec>),
    #[allow(dead_code, reason = "kept for the kernel")]
    Address(Pinned<libc::sockaddr_storage>),
    Message(Pinned<message::Parts>),
    #[allow(dead_code, reason = "kept for the kernel")]
    Header(Pinned<libc::msghdr>),
    Status(
        #[allow(dead_code, reason = "kept for the kernel")] Path,
        Pinned<libc::statx>,
    ),
    #[allow(dead_code, reason = "kept for the kernel")]
    Words(Vec<Arc<AtomicU32>>, Vec<FutexWait>),
}

/// What results of a request are, besides a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gives {
    Number,
    /// A descriptor that is the program's.
    Descriptor,
    /// A buffer of a pool, or several.
    Buffers {
        place: usize,
        several: bool,
    },
}

/// What an outcome is made of, besides the completion.
#[derive(Debug)]
struct Kept {
    gives: Gives,
    memory: Memory,
}

#[derive(Debug)]
struct InTable {
    memory: Memory,
    gives: Gives,
    /// Results that were not asked for yet. The first needs no allocation.
    first: Option<Completion>,
    rest: VecDeque<Completion>,
    /// The last completion came.
    ended: bool,
    waker: Option<Waker>,
    /// The operation was dropped: what is kept goes when the kernel has let go.
    abandoned: bool,
    /// Duplicates of the files of an entry that had to wait.
    files: Vec<OwnedFd>,
}

impl InTable {
    fn new(memory: Memory, gives: Gives) -> Self {
        InTable {
            memory,
            gives,
            first: None,
            rest: VecDeque::new(),
            ended: false,
            waker: None,
            abandoned: false,
            files: Vec::new(),
        }
    }

    fn put(&mut self, done: Completion) {
        if self.first.is_none() && self.rest.is_empty() {
            self.first = Some(done);
        } else {
            self.rest.push_back(done);
        }
    }

    fn next(&mut self) -> Option<Completion> {
        self.first.take().or_else(|| self.rest.pop_front())
    }
}

#[derive(Debug)]
struct State<K: Kernel> {
    ring: Ring<K>,
    requests: InFlight<InTable>,
    pools: Vec<Option<PoolState<K>>>,
}

impl<K: Kernel> State<K> {
    /// Makes room for so many entries.
    fn make_room(&mut self, entries: usize) -> Result<(), Errno> {
        if entries > self.ring.sq_entries() as usize {
            return Err(Errno::E2BIG);
        }
        if self.room() < entries {
            self.submit()?;
            let _ = self.ring.wait_for_room();
        }
        if self.room() < entries {
            return Err(Errno::EBUSY);
        }
        Ok(())
    }

    fn room(&self) -> usize {
        self.ring.sq_space_left() as usize
    }

    /// Whether the kernel has bundles.
    fn bundles(&self) -> bool {
        let bundle = crate::flags::FeatureFlags::RECVSEND_BUNDLE;
        self.ring.features().contains(bundle)
    }

    fn submit(&mut self) -> Result<u32, Errno> {
        // SAFETY: all entries are of this module, which says why.
        unsafe { self.ring.submit() }
    }

    /// Takes completions; the wakers to wake.
    fn reap(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        let (mut unwanted, mut ended) = (Vec::new(), Vec::new());
        for done in self.ring.completions() {
            if done.user_data == CANCELS {
                continue;
            }
            let token = Token::from_user_data(done.user_data);
            let Some(request) = self.requests.get_mut(token) else {
                continue;
            };
            request.ended = !done.more();
            wakers.extend(request.waker.take());
            if !done.is_notification() {
                if let Memory::Message(parts) = &mut request.memory {
                    parts.get_mut().completed(done.res);
                }
                if let Gives::Buffers { place, several } = request.gives {
                    if let Some(Some(pool)) = self.pools.get_mut(place) {
                        pool.took(&done, several);
                    }
                }
                if request.abandoned {
                    unwanted.push((request.gives, done));
                } else {
                    request.put(done);
                }
            }
            if request.ended && request.abandoned {
                ended.push(token);
            }
        }
        for (gives, done) in unwanted {
            self.discard(gives, done);
        }
        for token in ended {
            self.remove(token);
        }
        wakers
    }

    /// Gives up what a result gave.
    fn discard(&mut self, gives: Gives, done: Completion) {
        match gives {
            Gives::Descriptor if done.res >= 0 => {
                // SAFETY: a result that is a descriptor is nobody's but the request's.
                drop(unsafe { OwnedFd::from_raw_fd(done.res) });
            }
            Gives::Buffers { place, .. } => {
                if let Some(Some(pool)) = self.pools.get_mut(place) {
                    for (id, _) in pool.buffers_of(&done) {
                        pool.give_back(id);
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes the groups from the ring that nothing uses any more.
    fn sweep(&mut self) {
        for place in &mut self.pools {
            if let Some(pool) = place.take_if(|pool| pool.users == 0) {
                self.ring.unregister_group(&pool.group);
            }
        }
    }

    /// Queues and submits entries that there is room for. What is not taken now goes with
    /// the next turn, with files of its own: those of the program may be closed by then.
    fn send(&mut self, entries: Vec<io_uring_sqe>, files: &[[RawFd; 2]]) {
        let mut slots = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(slot) = self.ring.next_sqe() {
                *slot = entry;
                slots.push(core::ptr::from_mut(slot));
            }
        }
        // An entry that is refused ends an enter: those behind it go with another.
        while let Ok(1..) = self.submit() {
            if self.ring.sq_ready() == 0 {
                return;
            }
        }
        let waiting = (self.ring.sq_ready() as usize).min(slots.len());
        let taken = slots.len() - waiting;
        for (slot, files) in slots.into_iter().zip(files).skip(taken) {
            // SAFETY: a slot of this ring that was handed out above and that the kernel
            // has not taken; it reads it in an enter only, and nothing else writes it.
            let entry = unsafe { &mut *slot };
            self.hold_files(entry, *files);
        }
    }

    /// Has an entry that waits name duplicates of its files, or none where there can be
    /// none: it fails with EBADF then.
    fn hold_files(&mut self, entry: &mut io_uring_sqe, files: [RawFd; 2]) {
        let mut duplicate = |file: RawFd| {
            if file < 0 {
                return file;
            }
            // SAFETY: the file is borrowed by whoever is starting the request.
            let file = unsafe { BorrowedFd::borrow_raw(file) };
            let copy = file.try_clone_to_owned().ok();
            let request = self
                .requests
                .get_mut(Token::from_user_data(entry.user_data));
            match (copy, request) {
                (Some(copy), Some(request)) => {
                    let number = copy.as_raw_fd();
                    request.files.push(copy);
                    number
                }
                _ => -1,
            }
        };
        let [first, second] = files;
        if first >= 0 {
            entry.fd = duplicate(first);
        }
        if second >= 0 {
            entry.file_index = duplicate(second) as u32;
        }
    }

    fn cancel(&mut self, token: Token) -> Result<(), Errno> {
        let mut entry = io_uring_sqe::default();
        prep::cancel64(&mut entry, token.user_data(), 0);
        entry.user_data = CANCELS;
        self.make_room(1)?;
        let _ = self.ring.push(entry);
        self.submit().map(|_| ())
    }

    /// An operation is dropped: its results are given up, and the request is cancelled
    /// if it has not ended.
    fn abandon(&mut self, token: Token) -> Option<Waker> {
        let request = self.requests.get_mut(token)?;
        let (gives, waker) = (request.gives, request.waker.take());
        request.abandoned = true;
        let ended = request.ended;
        while let Some(done) = self.requests.get_mut(token).and_then(InTable::next) {
            self.discard(gives, done);
        }
        if ended {
            self.remove(token);
        } else {
            let _ = self.cancel(token);
        }
        waker
    }

    fn remove(&mut self, token: Token) -> Option<InTable> {
        let request = self.requests.remove(token)?;
        if let Gives::Buffers { place: pool, .. } = request.gives {
            release_user(&mut self.pools, pool);
            self.sweep();
        }
        Some(request)
    }
}

fn release_user<K: Kernel>(pools: &mut [Option<PoolState<K>>], pool: usize) {
    if let Some(Some(pool)) = pools.get_mut(pool) {
        pool.users = pool.users.saturating_sub(1);
    }
}

impl<K: Kernel> Drop for State<K> {
    fn drop(&mut self) {
        let tokens: Vec<Token> = self.requests.tokens().collect();
        for token in tokens {
            drop(self.abandon(token));
        }
        let pause = __kernel_timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        for _ in 0..PATIENCE {
            drop(self.reap());
            if self.requests.is_empty() {
                break;
            }
            let _ = self.submit();
            let _ = self.ring.wait(1, Some(&pause));
        }
        if self.requests.is_empty() {
            for pool in self.pools.drain(..).flatten() {
                self.ring.unregister_group(&pool.group);
            }
        } else {
            // The kernel may still write there: the memory is lost, not freed.
            mem::forget(mem::take(&mut self.requests));
            mem::forget(mem::take(&mut self.pools));
        }
    }
}

/// A ring whose requests own what they use. A clone is the same ring.
#[derive(Debug)]
pub struct Owner<K: Kernel = Linux>(Rc<RefCell<State<K>>>);

impl<K: Kernel> Clone for Owner<K> {
    fn clone(&self) -> Self {
        Owner(Rc::clone(&self.0))
    }
}

impl<K: Kernel> Owner<K> {
    /// Makes the ring, on [`Linux`] or another kernel.
    ///
    /// # Errors
    /// Those of [`Builder::build_on`]; EINVAL for `IORING_SETUP_SQPOLL`, whose thread
    /// takes an entry when its file may be closed.
    pub fn new(builder: Builder, kernel: K) -> Result<Self, Errno> {
        let ring = builder.build_on(kernel)?;
        if ring.setup_flags() & abi::IORING_SETUP_SQPOLL != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Owner(Rc::new(RefCell::new(State {
            ring,
            requests: InFlight::new(),
            pools: Vec::new(),
        }))))
    }

    /// Requests whose memory is kept, finished ones that were not asked for included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.borrow().requests.len()
    }

    /// The descriptor of the ring: readable when there are completions, for event loops
    /// that call [`turn`](Self::turn) then.
    #[must_use]
    pub fn ring_fd(&self) -> i32 {
        self.0.borrow().ring.fd()
    }

    /// A batch, which is submitted as one.
    #[must_use]
    pub fn batch<'f>(&self) -> Batch<'f, K> {
        Batch {
            owner: self.clone(),
            entries: Vec::new(),
            files: Vec::new(),
            borrowed: PhantomData,
        }
    }

    /// Starts a request.
    ///
    /// # Errors
    /// EBUSY while the queue stays full; ENOMEM; EINVAL for flags that would have the
    /// kernel use other memory. What the request owns is dropped then.
    pub fn start<T: Output>(&self, request: Request<'_, T>) -> Result<Operation<K, T>, Errno> {
        let mut batch = self.batch();
        let mut operation = batch.push(request)?;
        if let Err(error) = batch.submit() {
            operation.token = None;
            return Err(error);
        }
        Ok(operation)
    }

    /// Starts a request that completes again and again.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_multishot<T: Output>(
        &self,
        request: Request<'_, T>,
    ) -> Result<Multishot<K, T>, Errno> {
        self.start(request).map(|operation| Multishot { operation })
    }

    /// Submits what waits, waits for `wait_nr` completions (0: not at all) or until
    /// `timeout` is over, and wakes the futures that are done.
    ///
    /// # Errors
    /// ETIME, EINTR and others of io_uring_enter(2); nothing is lost.
    pub fn turn(&self, wait_nr: u32, timeout: Option<&__kernel_timespec>) -> Result<(), Errno> {
        let (waited, wakers) = {
            let state = &mut *self.0.borrow_mut();
            let mut waited = state.submit().map(|_| ());
            if waited.is_ok() && wait_nr != 0 {
                waited = state.ring.wait(wait_nr, timeout);
            }
            (waited, state.reap())
        };
        // They may call back in.
        wakers.into_iter().for_each(Waker::wake);
        waited
    }
}

/// Readable when there are completions, for event loops that call [`Owner::turn`] then.
impl<K: Kernel> AsFd for Owner<K> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor of the ring, which stays as long as there are owners.
        unsafe { BorrowedFd::borrow_raw(self.ring_fd()) }
    }
}

impl<K: Kernel> AsRawFd for Owner<K> {
    fn as_raw_fd(&self) -> RawFd {
        self.ring_fd()
    }
}

/// Requests that are submitted as one, in their order ([`Owner::batch`]). Dropped, it
/// submits what it has.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anyring::operation::{Owner, Request};
/// use anyring::{Builder, Errno, Linux};
/// # if anyring::Ring::new(1).is_err() { return Ok(()) }
/// let owner = Owner::new(Builder::new(8), Linux)?;
/// let (reader, writer) = std::os::unix::net::UnixStream::pair()?;
/// let mut batch = owner.batch();
/// // The second starts when the first succeeded, and ends after a millisecond at most.
/// let write = batch.push(Request::write(&writer, b"one".to_vec(), u64::MAX).link())?;
/// let late = Request::recv(&writer, vec![0; 8], 0);
/// let late = batch.push(late.timeout(std::time::Duration::from_millis(1)))?;
/// batch.submit()?;
/// assert_eq!(write.wait().0, Ok(3));
/// assert_eq!(late.wait().0, Err(Errno::ECANCELED));
/// # drop(reader);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Batch<'f, K: Kernel = Linux> {
    owner: Owner<K>,
    entries: Vec<io_uring_sqe>,
    /// The files that each entry names, -1 for none.
    files: Vec<[RawFd; 2]>,
    borrowed: PhantomData<BorrowedFd<'f>>,
}

impl<'f, K: Kernel> Batch<'f, K> {
    /// Adds a request.
    ///
    /// # Errors
    /// ENOMEM; EINVAL for a pool of another ring, and for flags that would have the
    /// kernel use other memory. What the request owns is dropped then.
    pub fn push<T: Output>(&mut self, request: Request<'f, T>) -> Result<Operation<K, T>, Errno> {
        let Request {
            mut entry,
            memory,
            gives,
            timeout,
            pool,
            files,
            refused,
            ..
        } = request;
        if let Some(error) = refused {
            return Err(error);
        }
        let state = &mut *self.owner.0.borrow_mut();
        if let Some((place, number)) = pool {
            let Some(Some(pool)) = state.pools.get_mut(place) else {
                return Err(Errno::EINVAL);
            };
            if pool.number != number {
                return Err(Errno::EINVAL);
            }
            pool.users += 1;
            pool.group.select(&mut entry);
        }
        let token = state.requests.insert(InTable::new(memory, gives));
        let token = token.ok_or(Errno::ENOMEM)?;
        entry.user_data = token.user_data();
        if let Some(after) = timeout {
            // What the next request of the batch is linked to is this limit.
            let linked = entry.flags & SqeFlags::IO_LINK.bits();
            entry.flags |= SqeFlags::IO_LINK.bits();
            self.entries.push(entry);
            self.files.push(files);
            let span = Pinned::new(timespec(after));
            let mut entry = io_uring_sqe::default();
            prep::link_timeout(&mut entry, span.as_ptr(), 0);
            entry.flags |= linked;
            let mut kept = InTable::new(Memory::Span(span), Gives::Number);
            kept.abandoned = true;
            let limit = state.requests.insert(kept).ok_or(Errno::ENOMEM)?;
            entry.user_data = limit.user_data();
            self.entries.push(entry);
            self.files.push([-1; 2]);
        } else {
            self.entries.push(entry);
            self.files.push(files);
        }
        Ok(Operation {
            owner: self.owner.clone(),
            token: Some(token),
            output: PhantomData,
        })
    }

    /// Submits them.
    ///
    /// # Errors
    /// E2BIG for more than the queue holds, EBUSY while the queue stays full: none was
    /// started then, and each ends with ECANCELED. What an enter did not take goes with
    /// the next [`Owner::turn`].
    pub fn submit(mut self) -> Result<(), Errno> {
        self.send()
    }

    fn send(&mut self) -> Result<(), Errno> {
        let entries = mem::take(&mut self.entries);
        let files = mem::take(&mut self.files);
        let state = &mut *self.owner.0.borrow_mut();
        if entries.is_empty() {
            return Ok(());
        }
        let room = state.make_room(entries.len());
        if room.is_ok() {
            state.send(entries, &files);
            return Ok(());
        }
        for entry in entries {
            // The kernel never saw it.
            let token = Token::from_user_data(entry.user_data);
            let Some(request) = state.requests.get_mut(token) else {
                continue;
            };
            request.ended = true;
            request.put(Completion {
                user_data: entry.user_data,
                res: -libc::ECANCELED,
                flags: 0,
            });
            if request.abandoned {
                state.remove(token);
            }
        }
        room
    }
}

impl<K: Kernel> Drop for Batch<'_, K> {
    fn drop(&mut self) {
        let _ = self.send();
    }
}

/// A time span as the kernel takes it.
fn timespec(span: Duration) -> __kernel_timespec {
    __kernel_timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: span.subsec_nanos().into(),
    }
}

mod sealed {
    use super::{Completion, Errno, Kept, Kernel, Owner};

    /// What an operation results in.
    pub trait Output {
        /// With its memory.
        type Value<K: Kernel>;
        /// From a result.
        #[allow(private_interfaces, reason = "sealed")]
        fn value<K: Kernel>(owner: &Owner<K>, done: Completion, kept: Kept) -> Self::Value<K>;
        /// Without one.
        fn failed<K: Kernel>(error: Errno) -> Self::Value<K>;
    }
}

/// What an operation results in: [`Bytes`], [`Number`], [`Descriptor`], [`Status`],
/// [`Messages`], or of pools [`Buffer`], [`Bundle`], [`Datagrams`].
pub trait Output: sealed::Output {}

/// A number of bytes and the buffer: `(Result<u32, Errno>, Vec<u8>)`.
#[derive(Debug)]
pub enum Bytes {}

/// A number: `Result<u32, Errno>`.
#[derive(Debug)]
pub enum Number {}

/// A descriptor: `Result<OwnedFd, Errno>`. That of an operation that was dropped is
/// closed.
#[derive(Debug)]
pub enum Descriptor {}

impl sealed::Output for Bytes {
    type Value<K: Kernel> = (Result<u32, Errno>, Vec<u8>);

    #[allow(private_interfaces, reason = "sealed")]
    fn value<K: Kernel>(_: &Owner<K>, done: Completion, kept: Kept) -> Self::Value<K> {
        let bytes = match kept.memory {
            Memory::Bytes(bytes) => bytes,
            _ => Vec::new(),
        };
        (done.result(), bytes)
    }

    fn failed<K: Kernel>(error: Errno) -> Self::Value<K> {
        (Err(error), Vec::new())
    }
}
impl Output for Bytes {}

impl sealed::Output for Number {
    type Value<K: Kernel> = Result<u32, Errno>;

    #[allow(private_interfaces, reason = "sealed")]
    fn value<K: Kernel>(_: &Owner<K>, done: Completion, _: Kept) -> Self::Value<K> {
        done.result()
    }

    fn failed<K: Kernel>(error: Errno) -> Self::Value<K> {
        Err(error)
    }
}
impl Output for Number {}

impl sealed::Output for Descriptor {
    type Value<K: Kernel> = Result<OwnedFd, Errno>;

    #[allow(private_interfaces, reason = "sealed")]
    fn value<K: Kernel>(_: &Owner<K>, done: Completion, _: Kept) -> Self::Value<K> {
        check(done.res)?;
        // SAFETY: a result that is a descriptor is nobody's but the request's.
        Ok(unsafe { OwnedFd::from_raw_fd(done.res) })
    }

    fn failed<K: Kernel>(error: Errno) -> Self::Value<K> {
        Err(error)
    }
}
impl Output for Descriptor {}

/// What statx(2) says: `Result<libc::statx, Errno>`.
#[derive(Debug)]
pub enum Status {}

impl sealed::Output for Status {
    type Value<K: Kernel> = Result<libc::statx, Errno>;

    #[allow(private_interfaces, reason = "sealed")]
    fn value<K: Kernel>(_: &Owner<K>, done: Completion, kept: Kept) -> Self::Value<K> {
        check(done.res)?;
        match kept.memory {
            Memory::Status(_, status) => Ok(status.into_inner()),
            _ => Err(Errno::ENODATA),
        }
    }

    fn failed<K: Kernel>(error: Errno) -> Self::Value<K> {
        Err(error)
    }
}
impl Output for Status {}

/// What a read or write results in, and its buffer.
pub type Outcome = (Result<u32, Errno>, Vec<u8>);

/// A request in flight, or done and not yet asked for. Dropped, it cancels; its memory
/// is kept until the kernel has let go of it.
#[must_use = "dropping an operation cancels it"]
pub struct Operation<K: Kernel = Linux, T: Output = Bytes> {
    owner: Owner<K>,
    /// `None` when the result was given.
    token: Option<Token>,
    output: PhantomData<T>,
}

impl<K: Kernel, T: Output> fmt::Debug for Operation<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl<K: Kernel, T: Output> Unpin for Operation<K, T> {}

impl<K: Kernel, T: Output> Operation<K, T> {
    /// The outcome, once, if it is there.
    fn take(&mut self) -> Option<T::Value<K>> {
        let token = self.token?;
        let (done, kept) = {
            let state = &mut *self.owner.0.borrow_mut();
            let request = state.requests.get_mut(token)?;
            if !request.ended {
                return None;
            }
            let done = request.next()?;
            let kept = Kept {
                gives: request.gives,
                memory: mem::replace(&mut request.memory, Memory::None),
            };
            (done, kept)
        };
        let value = T::value(&self.owner, done, kept);
        // A buffer is a user of its pool by now.
        self.owner.0.borrow_mut().remove(token);
        self.token = None;
        Some(value)
    }

    /// One result of several, if it is there; `Some(None)` at the end.
    fn take_one(&mut self) -> Option<Option<T::Value<K>>> {
        let Some(token) = self.token else {
            return Some(None);
        };
        let (done, kept) = {
            let state = &mut *self.owner.0.borrow_mut();
            let request = state.requests.get_mut(token)?;
            match request.next() {
                Some(done) => {
                    let memory = if request.ended {
                        mem::replace(&mut request.memory, Memory::None)
                    } else {
                        Memory::None
                    };
                    let gives = request.gives;
                    (done, Kept { gives, memory })
                }
                None if request.ended => {
                    state.remove(token);
                    self.token = None;
                    return Some(None);
                }
                None => return None,
            }
        };
        Some(Some(T::value(&self.owner, done, kept)))
    }

    /// Whether a turn that ended so is worth another.
    fn goes_on(turned: Result<(), Errno>) -> Result<(), Errno> {
        match turned {
            Err(Errno::EINTR | Errno::EAGAIN | Errno::EBUSY) => Ok(()),
            turned => turned,
        }
    }

    /// Waits for it. An enter that fails for good (no signal, no shortage) ends the
    /// wait with its error and an empty buffer, and the request is cancelled.
    pub fn wait(mut self) -> T::Value<K> {
        loop {
            let turned = self.owner.turn(0, None);
            if let Some(outcome) = self.take() {
                return outcome;
            }
            let turned = turned.and_then(|()| self.owner.turn(1, None));
            if let Err(error) = Self::goes_on(turned) {
                return self.take().unwrap_or_else(|| T::failed(error));
            }
        }
    }

    fn set_waker(&self, context: &Context<'_>) {
        // Wakers are code of others: none is cloned or dropped while the state is
        // borrowed.
        let mut waker = Some(context.waker().clone());
        if let Some(token) = self.token {
            if let Some(request) = self.owner.0.borrow_mut().requests.get_mut(token) {
                mem::swap(&mut request.waker, &mut waker);
            }
        }
    }
}

impl<K: Kernel, T: Output> Future for Operation<K, T> {
    type Output = T::Value<K>;

    /// Looks at what is ready, without waiting. [`Owner::turn`] wakes it.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let _ = self.owner.turn(0, None);
        if let Some(outcome) = self.take() {
            return Poll::Ready(outcome);
        }
        self.set_waker(context);
        Poll::Pending
    }
}

impl<K: Kernel, T: Output> Drop for Operation<K, T> {
    fn drop(&mut self) {
        let Some(token) = self.token else { return };
        let waker = self.owner.0.borrow_mut().abandon(token);
        // Code of others, which may call back in.
        drop(waker);
    }
}

/// A request that completes again and again: an iterator that waits for each, or by
/// [`poll_next`](Self::poll_next) what a `Stream` is. Ends when the kernel ends it, after
/// an error that is the last item. Dropped, it cancels.
#[must_use = "dropping it cancels the request"]
#[derive(Debug)]
pub struct Multishot<K: Kernel = Linux, T: Output = Number> {
    operation: Operation<K, T>,
}

impl<K: Kernel, T: Output> Multishot<K, T> {
    /// The next result if there is one, without waiting. [`Owner::turn`] wakes.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<T::Value<K>>> {
        let _ = self.operation.owner.turn(0, None);
        if let Some(one) = self.operation.take_one() {
            return Poll::Ready(one);
        }
        self.operation.set_waker(context);
        Poll::Pending
    }
}

impl<K: Kernel, T: Output> Iterator for Multishot<K, T> {
    type Item = T::Value<K>;

    fn next(&mut self) -> Option<T::Value<K>> {
        loop {
            if let Some(one) = self.operation.take_one() {
                return one;
            }
            let turned = self.operation.owner.turn(1, None);
            if let Err(error) = Operation::<K, T>::goes_on(turned) {
                return Some(T::failed(error));
            }
        }
    }
}

impl<K: Kernel, T: Output> core::iter::FusedIterator for Multishot<K, T> {}
