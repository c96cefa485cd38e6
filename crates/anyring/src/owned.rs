//! A ring that Rust owns.

use core::cell::{Cell, UnsafeCell};
use core::ffi::c_int;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ptr;

use anyring_abi as abi;
use anyring_abi::{
    __kernel_timespec, IORING_CQE_F_SKIP, IORING_FEAT_EXT_ARG, IORING_FEAT_MIN_TIMEOUT,
    IORING_SETUP_CQE_MIXED, IORING_SETUP_CQE32, IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_REGISTERED_FD_ONLY, IORING_SETUP_SQE_MIXED, IORING_SETUP_SQE128,
    IORING_SETUP_TASKRUN_FLAG, LIBURING_UDATA_TIMEOUT, io_uring_cqe, io_uring_params, io_uring_sqe,
};
#[cfg(feature = "io-uring")]
use io_uring::squeue::Entry;

use crate::errno::{Errno, PushError, check};
use crate::kernel::{Kernel, Linux};
use crate::ring::setup::{empty, params, queue_exit, queue_init_params};
use crate::ring::word::Word as _;
use crate::ring::{RingRef, cq, get};
use crate::submit::Waited;

mod registered;

/// How a ring is to be made.
///
/// ```
/// # fn main() -> Result<(), anyring::Errno> {
/// # let Ok(_) = anyring::Ring::new(1) else { return Ok(()) };
/// let ring = anyring::Builder::new(8)
///     .flags(anyring::abi::IORING_SETUP_SINGLE_ISSUER)
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    entries: u32,
    params: io_uring_params,
}

impl Builder {
    /// A ring with room for `entries` SQEs, rounded up to a power of two
    /// (1 to 32768).
    #[must_use]
    pub fn new(entries: u32) -> Self {
        Builder {
            entries,
            params: params(0),
        }
    }

    /// Adds `IORING_SETUP_*` flags.
    #[must_use]
    pub fn flags(mut self, flags: u32) -> Self {
        self.params.flags |= flags;
        self
    }

    /// Room for `entries` CQEs (`IORING_SETUP_CQSIZE`, up to 65536).
    #[must_use]
    pub fn cq_entries(mut self, entries: u32) -> Self {
        self.params.flags |= anyring_abi::IORING_SETUP_CQSIZE;
        self.params.cq_entries = entries;
        self
    }

    /// Milliseconds after which an idle SQPOLL thread sleeps.
    #[must_use]
    pub fn sq_thread_idle(mut self, milliseconds: u32) -> Self {
        self.params.sq_thread_idle = milliseconds;
        self
    }

    /// Binds the SQPOLL thread to a processor (`IORING_SETUP_SQ_AFF`).
    #[must_use]
    pub fn sq_thread_cpu(mut self, cpu: u32) -> Self {
        self.params.flags |= anyring_abi::IORING_SETUP_SQ_AFF;
        self.params.sq_thread_cpu = cpu;
        self
    }

    /// Shares the worker pool of the ring with this fd
    /// (`IORING_SETUP_ATTACH_WQ`).
    #[must_use]
    pub fn attach_wq(mut self, ring_fd: c_int) -> Self {
        self.params.flags |= anyring_abi::IORING_SETUP_ATTACH_WQ;
        self.params.wq_fd = ring_fd as u32;
        self
    }

    /// Makes the ring. One with `IORING_SETUP_DEFER_TASKRUN` gets
    /// `IORING_SETUP_TASKRUN_FLAG` too, so that [`Ring::completions`] sees that
    /// the kernel has work to do.
    ///
    /// # Errors
    /// Those of io_uring_setup(2) and mmap(2); EINVAL for
    /// `IORING_SETUP_REGISTERED_FD_ONLY`, for which there is
    /// [`build_local`](Self::build_local).
    pub fn build(self) -> Result<Ring, Errno> {
        self.build_on(Linux)
    }

    /// Makes the ring on another kernel.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_on<K: Kernel>(self, kernel: K) -> Result<Ring<K>, Errno> {
        if self.params.flags & IORING_SETUP_REGISTERED_FD_ONLY != 0 {
            return Err(Errno(libc::EINVAL));
        }
        self.make(kernel)
    }

    /// Makes a ring that stays in this thread, and may therefore use what the
    /// kernel keeps for each thread: a registered ring descriptor, and
    /// `IORING_SETUP_REGISTERED_FD_ONLY`.
    ///
    /// # Errors
    /// As [`build`](Self::build), without the last.
    pub fn build_local(self) -> Result<Ring<Linux, ThisThread>, Errno> {
        self.build_local_on(Linux)
    }

    /// [`build_local`](Self::build_local) on another kernel.
    ///
    /// # Errors
    /// As there.
    pub fn build_local_on<K: Kernel>(self, kernel: K) -> Result<Ring<K, ThisThread>, Errno> {
        self.make(kernel)
    }

    fn make<K: Kernel, T>(mut self, kernel: K) -> Result<Ring<K, T>, Errno> {
        if self.params.flags & IORING_SETUP_DEFER_TASKRUN != 0 {
            self.params.flags |= IORING_SETUP_TASKRUN_FLAG;
        }
        let mut raw = empty();
        // SAFETY: both structs are valid for the call.
        let result =
            unsafe { queue_init_params(kernel, self.entries, &raw mut raw, &raw mut self.params) };
        check(result)?;
        Ok(Ring {
            raw: UnsafeCell::new(raw),
            kernel,
            taken: Cell::new(0),
            threads: PhantomData,
        })
    }
}

/// A ring that may go to another thread.
#[derive(Clone, Copy, Debug)]
pub enum AnyThread {}

/// A ring that stays in the thread that made it: registered ring descriptors
/// are numbers of one thread, and mean another ring in another thread.
#[derive(Clone, Copy, Debug)]
pub enum ThisThread {}

/// A ring, taken down when it is dropped.
///
/// Not `Sync`, and `Send` only as a whole (`T` is [`AnyThread`]) or not at all
/// ([`ThisThread`]): the queues have one submitter and one reaper.
///
/// Entries are queued ([`next_sqe`](Self::next_sqe)) and completions taken
/// ([`completions`](Self::completions)) through a shared borrow, so that a loop
/// over completions may queue what follows from them. Whatever hands entries to
/// the kernel takes `&mut self`: no entry is being written then.
///
/// ```
/// # fn main() -> Result<(), anyring::Errno> {
/// # let Ok(_) = anyring::Ring::new(1) else { return Ok(()) };
/// let mut ring = anyring::Ring::new(8)?;
/// let sqe = ring.next_sqe().expect("an empty queue has room");
/// anyring::prep::nop(sqe);
/// sqe.user_data = 7;
/// // SAFETY: a nop has no memory of ours.
/// unsafe { ring.submit_and_wait(1)? };
/// for completion in ring.completions() {
///     assert_eq!(completion.user_data, 7);
///     assert_eq!(completion.result(), Ok(0));
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Ring<K: Kernel = Linux, T = AnyThread> {
    raw: UnsafeCell<abi::io_uring>,
    kernel: K,
    /// Slots of completions that were taken and are not yet given back.
    taken: Cell<u32>,
    threads: PhantomData<(*mut (), T)>,
}

// SAFETY: ring memory belongs to no thread; the kernel's own rule for
// SINGLE_ISSUER rings (-EEXIST from another thread) is an error, not a race.
// Safe code cannot register the descriptor of such a ring with a thread.
unsafe impl<K: Kernel + Send> Send for Ring<K, AnyThread> {}

/// A completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What the SQE was tagged with.
    pub user_data: u64,
    /// Zero or more, or `-errno`.
    pub res: i32,
    /// `IORING_CQE_F_*`.
    pub flags: u32,
}

impl Completion {
    /// What the operation results in.
    ///
    /// # Errors
    /// The error number of an operation that failed.
    #[inline]
    pub const fn result(self) -> Result<u32, Errno> {
        check(self.res)
    }

    /// Whether more completions of this request follow
    /// (`IORING_CQE_F_MORE`).
    #[inline]
    #[must_use]
    pub const fn more(self) -> bool {
        self.flags & abi::IORING_CQE_F_MORE != 0
    }

    /// Which provided buffer the kernel took (`IORING_CQE_F_BUFFER`).
    #[inline]
    #[must_use]
    pub const fn buffer_id(self) -> Option<u16> {
        if self.flags & abi::IORING_CQE_F_BUFFER != 0 {
            Some((self.flags >> abi::IORING_CQE_BUFFER_SHIFT) as u16)
        } else {
            None
        }
    }
}

impl Ring {
    /// A plain ring with room for `entries` SQEs.
    ///
    /// # Errors
    /// Those of io_uring_setup(2) and mmap(2).
    pub fn new(entries: u32) -> Result<Self, Errno> {
        Builder::new(entries).build()
    }
}

impl<K: Kernel, T> Ring<K, T> {
    /// The ring for the functions of [`RingRef`].
    ///
    /// # Safety
    /// - The result is not used after this value has moved or was dropped, nor
    ///   while completions are taken or an entry is written through this value.
    /// - What is submitted through it is vouched for as in
    ///   [`submit`](Self::submit).
    /// - Entries are given back (`cq_advance`) only after they were read.
    /// - A ring whose descriptor is registered through it stays in its thread.
    #[inline]
    pub unsafe fn as_ring_ref(&mut self) -> RingRef<K> {
        self.give_back();
        self.inner()
    }

    /// The ring, for use within one borrow of `self`.
    #[inline(always)]
    fn inner(&self) -> RingRef<K> {
        // SAFETY: set up and owned; the result is dropped before the borrow
        // ends. This thread alone has the ring (it is not Sync), and each
        // method reads and writes fields for itself.
        unsafe { RingRef::new(self.raw.get(), self.kernel) }
    }

    /// Gives the slots of taken completions back to the kernel.
    #[inline(always)]
    fn give_back(&self) {
        self.inner().cq_advance(self.taken.replace(0));
    }

    /// The file descriptor, -1 for REGISTERED_FD_ONLY rings.
    #[must_use]
    pub fn fd(&self) -> c_int {
        get!(self.inner(), ring_fd)
    }

    /// `IORING_FEAT_*` of the kernel.
    #[must_use]
    pub fn features(&self) -> u32 {
        get!(self.inner(), features)
    }

    /// The `IORING_SETUP_*` flags the kernel accepted.
    #[must_use]
    pub fn setup_flags(&self) -> u32 {
        get!(self.inner(), flags)
    }

    /// Entries queued and not yet taken by the kernel.
    #[must_use]
    pub fn sq_ready(&self) -> u32 {
        self.inner().sq_ready()
    }

    /// Entries that can still be queued.
    #[must_use]
    pub fn sq_space_left(&self) -> u32 {
        let left = self.inner().sq_space_left();
        // What the kernel says of its head is not trusted: more entries than there
        // are slots leave no room, as they do for `next_sqe`.
        if left as i32 >= 0 { left } else { 0 }
    }

    /// Waits until an SQPOLL thread has made room; returns at once otherwise.
    ///
    /// # Errors
    /// Those of io_uring_enter(2).
    pub fn wait_for_room(&mut self) -> Result<u32, Errno> {
        check(self.inner().sqring_wait())
    }

    /// The next free entry: a NOP with user_data 0, which is what the kernel
    /// gets if nothing is written to it. `None` when the queue is full.
    ///
    /// It is safe: nothing reads it before a submit, which is not.
    #[inline]
    #[must_use]
    #[expect(clippy::mut_from_ref, reason = "each call lends another slot")]
    pub fn next_sqe(&self) -> Option<&mut io_uring_sqe> {
        let ring = self.inner();
        let large = get!(ring, flags) & IORING_SETUP_SQE128 != 0;
        let sqe = ring.get_sqe()?.as_ptr();
        // SAFETY: a free slot, lent once: the next call gives another, and a
        // slot is free again only after a submit, which ends all borrows. On
        // SQE128 rings a slot has the size of two entries.
        unsafe {
            sqe.write(io_uring_sqe::default());
            if large {
                sqe.add(1).write(io_uring_sqe::default());
            }
            Some(&mut *sqe)
        }
    }

    /// The next free 128-byte entry of a ring with `IORING_SETUP_SQE128` or
    /// `IORING_SETUP_SQE_MIXED`, as its two halves, of which the second is the
    /// command's own; NOP and zeroes. `None` when there is no room or the ring
    /// has no such entries.
    #[must_use]
    #[expect(clippy::mut_from_ref, reason = "each call lends another slot")]
    pub fn next_sqe128(&self) -> Option<&mut [io_uring_sqe; 2]> {
        let ring = self.inner();
        if get!(ring, flags) & (IORING_SETUP_SQE128 | IORING_SETUP_SQE_MIXED) == 0 {
            return None;
        }
        let sqe = ring.get_sqe128()?.as_ptr().cast::<[io_uring_sqe; 2]>();
        // SAFETY: as in `next_sqe`; such a slot has the size of two entries.
        unsafe {
            sqe.write([io_uring_sqe::default(); 2]);
            Some(&mut *sqe)
        }
    }

    /// Queues an entry built elsewhere.
    ///
    /// # Errors
    /// Gives the entry back when the queue is full.
    pub fn push_sqe(&self, entry: io_uring_sqe) -> Result<(), io_uring_sqe> {
        match self.next_sqe() {
            Some(sqe) => {
                *sqe = entry;
                Ok(())
            }
            None => Err(entry),
        }
    }

    /// Queues an entry built by the io-uring crate.
    ///
    /// # Errors
    /// Gives the entry back when the queue is full.
    #[cfg(feature = "io-uring")]
    pub fn push(&self, entry: Entry) -> Result<(), Entry> {
        let sqe = sqe_from_entry(&entry);
        self.push_sqe(sqe).map_err(|_| entry)
    }

    /// Submits what was queued; the number taken.
    ///
    /// # Errors
    /// Those of io_uring_enter(2); nothing is lost, call again.
    ///
    /// # Safety
    /// The kernel may do what the queued entries say: what they point to, and
    /// what they name of registered and provided buffers, is valid for that and
    /// otherwise unused until their completions, beyond the life of this ring
    /// if it is dropped before.
    pub unsafe fn submit(&mut self) -> Result<u32, Errno> {
        check(self.inner().submit())
    }

    /// Submits what was queued and waits for `wait_nr` completions.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    ///
    /// # Safety
    /// As [`submit`](Self::submit).
    pub unsafe fn submit_and_wait(&mut self, wait_nr: u32) -> Result<u32, Errno> {
        self.give_back();
        check(self.inner().submit_and_wait(wait_nr))
    }

    /// Submits what was queued and lets the kernel post what it has.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    ///
    /// # Safety
    /// As [`submit`](Self::submit).
    pub unsafe fn submit_and_get_events(&mut self) -> Result<u32, Errno> {
        self.give_back();
        check(self.inner().submit_and_get_events())
    }

    /// Submits what was queued and waits for `wait_nr` completions or until
    /// `timeout` is over; the number taken.
    ///
    /// # Errors
    /// ETIME when it expires without a completion, otherwise as
    /// [`submit`](Self::submit).
    ///
    /// # Safety
    /// As [`submit`](Self::submit).
    pub unsafe fn submit_and_wait_timeout(
        &mut self,
        wait_nr: u32,
        timeout: &__kernel_timespec,
    ) -> Result<u32, Errno> {
        self.give_back();
        // SAFETY: the timeout is valid for the call: kernels without EXT_ARG
        // get a copy in the ring. The entries are the caller's promise.
        done(unsafe {
            self.inner()
                .submit_and_wait_timeout(wait_nr, timeout, 0, ptr::null())
        })
    }

    /// Waits for `wait_nr` completions, with a timeout if given. Submits
    /// nothing that was queued.
    ///
    /// # Errors
    /// ETIME when it expires without a completion, EINTR on a signal, EAGAIN
    /// when `wait_nr` is 0 and nothing is ready, those of io_uring_enter(2).
    /// Kernels before 5.11 wait by a request of our own, which cannot go
    /// without what was queued before it: EBUSY there while something queued
    /// was not yet submitted.
    pub fn wait(&mut self, wait_nr: u32, timeout: Option<&__kernel_timespec>) -> Result<(), Errno> {
        self.give_back();
        let ring = self.inner();
        let queued = get!(ring, sq.sqe_tail) != get!(ring, sq.sqe_head);
        if timeout.is_some() && !ring.has_ext_arg() && queued {
            // Nobody has vouched yet for what those entries point to.
            return Err(Errno(libc::EBUSY));
        }
        let timeout = timeout.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the timeout is valid for the call; kernels without EXT_ARG
        // get a copy in the ring, where it stays.
        let waited = unsafe { ring.wait_cqes(wait_nr, timeout, ptr::null()) };
        match waited {
            // Without EXT_ARG an expiry shows by there being no entry only.
            Ok(waited) if waited.result >= 0 && waited.cqe.is_null() && wait_nr != 0 => {
                Err(Errno(libc::ETIME))
            }
            waited => done(waited).map(|_| ()),
        }
    }

    /// Waits for `wait_nr` completions, but after `least_usec` microseconds for
    /// one, and with a timeout for that if given. Submits nothing.
    ///
    /// # Errors
    /// As [`wait`](Self::wait); EINVAL before Linux 6.12.
    pub fn wait_min(
        &mut self,
        wait_nr: u32,
        least_usec: u32,
        timeout: Option<&__kernel_timespec>,
    ) -> Result<(), Errno> {
        if self.features() & IORING_FEAT_MIN_TIMEOUT == 0 {
            return Err(Errno(libc::EINVAL));
        }
        self.give_back();
        let timeout = timeout.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the timeout is valid for the call, which copies it.
        let waited = unsafe {
            self.inner()
                .wait_cqes_min_timeout(wait_nr, timeout, least_usec, ptr::null())
        };
        done(waited).map(|_| ())
    }

    /// Lets the kernel post completions that wait for an enter.
    ///
    /// # Errors
    /// Those of io_uring_enter(2).
    pub fn get_events(&mut self) -> Result<u32, Errno> {
        self.give_back();
        check(self.inner().get_events())
    }

    /// The completions that are ready, and what the kernel still had to post
    /// when they end (overflow, deferred work). Their slots are given back to
    /// the kernel when the iterator is dropped.
    ///
    /// ```
    /// # use anyring::prep;
    /// # fn main() -> Result<(), anyring::Errno> {
    /// # let Ok(mut ring) = anyring::Ring::new(8) else { return Ok(()) };
    /// # ring.next_sqe().unwrap().user_data = 1;
    /// # unsafe { ring.submit_and_wait(1)? };
    /// for done in ring.completions() {
    ///     if done.user_data == 1 {
    ///         prep::nop(ring.next_sqe().expect("room"));
    ///     }
    /// }
    /// # assert_eq!(ring.sq_ready(), 1);
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn completions(&self) -> Completions<'_, K, T> {
        let walk = self.inner().cqe_iter();
        let (flags, features) = (self.setup_flags(), self.features());
        Completions {
            ring: self,
            cqes: walk.cqes,
            mask: walk.mask,
            shift: walk.shift,
            tail: walk.tail,
            plain: flags & IORING_SETUP_CQE_MIXED == 0 && features & IORING_FEAT_EXT_ARG != 0,
            ended: false,
        }
    }

    /// The next completion, given back at once: for loops that submit between
    /// two completions.
    #[inline]
    pub fn next_completion(&mut self) -> Option<Completion> {
        self.completions().next()
    }

    /// The two sides of the ring: one queues and submits while the other takes
    /// completions.
    ///
    /// ```
    /// # use anyring::{abi, prep};
    /// # fn main() -> Result<(), anyring::Errno> {
    /// # let Ok(mut ring) = anyring::Ring::new(8) else { return Ok(()) };
    /// # ring.next_sqe().unwrap().user_data = 1;
    /// # unsafe { ring.submit_and_wait(1)? };
    /// let (mut queue, done) = ring.split();
    /// for done in done.completions() {
    ///     prep::nop(queue.next_sqe().expect("room"));
    ///     // SAFETY: a nop has no memory of ours.
    ///     unsafe { queue.submit()? };
    /// #   break;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn split(&mut self) -> (SubmissionSide<'_, K, T>, CompletionSide<'_, K, T>) {
        (SubmissionSide { ring: self }, CompletionSide { ring: self })
    }

    /// Slots ready in the completion queue.
    pub fn cq_ready(&self) -> u32 {
        self.inner().cq_ready().wrapping_sub(self.taken.get())
    }
}

/// The outcome of a wait.
fn done(waited: Result<Waited, c_int>) -> Result<u32, Errno> {
    match waited {
        Ok(waited) => check(waited.result),
        Err(error) => check(error),
    }
}

impl<K: Kernel, T> Drop for Ring<K, T> {
    fn drop(&mut self) {
        let ring = self.inner();
        // SAFETY: nothing uses it any more.
        unsafe { queue_exit(ring) };
    }
}

/// The side of a ring that queues and submits ([`Ring::split`]).
#[derive(Debug)]
pub struct SubmissionSide<'a, K: Kernel = Linux, T = AnyThread> {
    ring: &'a Ring<K, T>,
}

impl<K: Kernel, T> SubmissionSide<'_, K, T> {
    /// [`Ring::next_sqe`].
    #[inline]
    #[must_use]
    pub fn next_sqe(&mut self) -> Option<&mut io_uring_sqe> {
        self.ring.next_sqe()
    }

    /// Queues an entry built elsewhere.
    ///
    /// # Errors
    /// Gives the entry back when the queue is full.
    pub fn push(&mut self, entry: io_uring_sqe) -> Result<(), PushError<io_uring_sqe>> {
        self.ring.push_sqe(entry).map_err(PushError)
    }

    /// [`Ring::submit`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn submit(&mut self) -> Result<u32, Errno> {
        check(self.ring.inner().submit())
    }
}

/// The side of a ring that takes completions ([`Ring::split`]).
#[derive(Debug)]
pub struct CompletionSide<'a, K: Kernel = Linux, T = AnyThread> {
    ring: &'a Ring<K, T>,
}

impl<'a, K: Kernel, T> CompletionSide<'a, K, T> {
    /// [`Ring::completions`].
    #[inline]
    #[must_use]
    pub fn completions(&self) -> Completions<'a, K, T> {
        self.ring.completions()
    }
}

/// Iterator over ready completions ([`Ring::completions`]).
///
/// Two that are alive at a time share what there is: each completion comes out
/// of one of them.
#[derive(Debug)]
pub struct Completions<'a, K: Kernel = Linux, T = AnyThread> {
    ring: &'a Ring<K, T>,
    cqes: *mut io_uring_cqe,
    mask: u32,
    shift: u32,
    tail: u32,
    /// Whether every slot is an entry for the program.
    plain: bool,
    /// Nothing comes any more.
    ended: bool,
}

impl<K: Kernel, T> Completions<'_, K, T> {
    /// The next ready entry, its slots taken.
    #[inline(always)]
    fn take(&mut self) -> Option<*mut io_uring_cqe> {
        loop {
            let ring = self.ring.inner();
            let taken = self.ring.taken.get();
            let head = ring.word(get!(ring, cq.khead)).load().wrapping_add(taken);
            // Another iterator may have gone beyond what this one saw.
            if self.tail.wrapping_sub(head) as i32 <= 0 {
                if !self.ended && self.refill() {
                    continue;
                }
                self.ended = true;
                return None;
            }
            let cqe = self
                .cqes
                .wrapping_add(((head & self.mask) << self.shift) as usize);
            if self.plain {
                self.ring.taken.set(taken.wrapping_add(1));
                return Some(cqe);
            }
            // SAFETY: an entry between head and tail is ready.
            let (flags, user_data) = unsafe { ((*cqe).flags, (*cqe).user_data) };
            self.ring.taken.set(taken.wrapping_add(cq::cqe_nr(flags)));
            let own = user_data == LIBURING_UDATA_TIMEOUT
                && self.ring.features() & IORING_FEAT_EXT_ARG == 0;
            if flags & IORING_CQE_F_SKIP == 0 && !own {
                return Some(cqe);
            }
        }
    }

    /// At the end: fetches what the kernel says it still has to post. True if
    /// there is more.
    #[cold]
    fn refill(&mut self) -> bool {
        let ring = self.ring.inner();
        if !ring.cq_needs_flush() {
            return false;
        }
        self.ring.give_back();
        if ring.get_events() < 0 {
            return false;
        }
        let walk = ring.cqe_iter();
        self.tail = walk.tail;
        walk.tail != walk.head
    }

    /// The next completion with the 16 bytes behind it, on a ring with
    /// `IORING_SETUP_CQE32`, or for a 32-byte entry of a ring with
    /// `IORING_SETUP_CQE_MIXED`; zeroes otherwise.
    pub fn next_with_extra(&mut self) -> Option<(Completion, [u64; 2])> {
        let cqe = self.take()?;
        let completion = read(cqe);
        let large = self.ring.setup_flags() & IORING_SETUP_CQE32 != 0
            || completion.flags & abi::IORING_CQE_F_32 != 0;
        let extra = if large {
            // SAFETY: an entry of 32 bytes, ready and not yet given back.
            unsafe { cqe.add(1).cast::<[u64; 2]>().read() }
        } else {
            [0; 2]
        };
        Some((completion, extra))
    }
}

/// What a ready entry says.
#[inline(always)]
fn read(cqe: *mut io_uring_cqe) -> Completion {
    // SAFETY: from `take`: a ready entry, not yet given back.
    let io_uring_cqe {
        user_data,
        res,
        flags,
        ..
    } = unsafe { *cqe };
    Completion {
        user_data,
        res,
        flags,
    }
}

impl<K: Kernel, T> Iterator for Completions<'_, K, T> {
    type Item = Completion;

    #[inline(always)]
    fn next(&mut self) -> Option<Completion> {
        self.take().map(read)
    }

    /// At least what was ready when it was made, fillers left out; how much
    /// more the kernel has is not known.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let ring = self.ring.inner();
        let head = ring.word(get!(ring, cq.khead)).load();
        let left = self
            .tail
            .wrapping_sub(head.wrapping_add(self.ring.taken.get()));
        let left = (left as i32).max(0) as usize;
        (if self.plain { left } else { 0 }, None)
    }
}

impl<K: Kernel, T> FusedIterator for Completions<'_, K, T> {}

impl<K: Kernel, T> Drop for Completions<'_, K, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.ring.give_back();
    }
}

/// The bytes of an entry of the io-uring crate.
#[cfg(feature = "io-uring")]
#[must_use]
pub fn sqe_from_entry(entry: &Entry) -> io_uring_sqe {
    const _: () = assert!(size_of::<Entry>() == size_of::<io_uring_sqe>());
    // SAFETY: both are the kernel's 64-byte SQE: integers without padding.
    unsafe { ptr::from_ref(entry).cast::<io_uring_sqe>().read() }
}
