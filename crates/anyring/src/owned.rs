//! A ring that Rust owns.

use core::cell::{Cell, UnsafeCell};
use core::ffi::c_int;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use anyring_abi as abi;
use anyring_abi::{
    __kernel_timespec, IORING_CQE_F_SKIP, IORING_FEAT_EXT_ARG, IORING_SETUP_CQE_MIXED,
    IORING_SETUP_CQE32, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_R_DISABLED,
    IORING_SETUP_REGISTERED_FD_ONLY, IORING_SETUP_SQ_REWIND, IORING_SETUP_SQE_MIXED,
    IORING_SETUP_SQE128, IORING_SETUP_SQPOLL, IORING_SETUP_TASKRUN_FLAG, LIBURING_UDATA_TIMEOUT,
    io_uring_cqe, io_uring_params, io_uring_reg_wait, io_uring_sqe,
};

use crate::errno::{Errno, PushError, check};
use crate::flags::{CqeFlags, FeatureFlags, SetupFlags};
use crate::kernel::{Kernel, Linux};
use crate::ring::setup::{empty, params, queue_exit, queue_init_params};
use crate::ring::word::Word as _;
use crate::ring::{RingRef, cq, get, protocol, put};
use crate::submit::Waited;

mod disabled;
mod entry;
mod provided;
mod registered;
mod waits;

pub use disabled::Disabled;
pub use entry::Queueable;
#[cfg(feature = "io-uring")]
pub use entry::sqe_from_entry;
#[cfg(feature = "owned")]
pub(crate) use provided::Group;
pub use provided::{BufRing, RegisteredBuffers};
pub use registered::{CancelSync, ClockId, Napi, NapiTracking, Restriction};
pub use waits::WaitArgs;

use waits::Waits;

/// How a ring is to be made. `T` says which threads may hold it.
///
/// ```
/// use anyring::{Builder, flags::SetupFlags};
///
/// # fn main() -> Result<(), anyring::Errno> {
/// # let Ok(_) = anyring::Ring::new(1) else { return Ok(()) };
/// let ring = Builder::new(8)
///     .flags(SetupFlags::COOP_TASKRUN)
///     .single_issuer()
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Builder<T = AnyThread> {
    entries: u32,
    params: io_uring_params,
    threads: PhantomData<T>,
}

impl Builder {
    /// A ring with room for `entries` SQEs, rounded up to a power of two
    /// (1 to 32768).
    #[must_use]
    pub fn new(entries: u32) -> Self {
        Builder {
            entries,
            params: params(0),
            threads: PhantomData,
        }
    }

    /// A ring that one thread submits to (`IORING_SETUP_SINGLE_ISSUER`, Linux 6.0), and
    /// that cannot leave that thread once it works: the kernel would answer EEXIST there.
    /// A [`Disabled`] one may go to the thread that enables it.
    ///
    /// The same flag through [`flags`](Self::flags) makes a ring that may move, and
    /// fails with that error where it was moved to.
    #[must_use]
    pub fn single_issuer(self) -> Builder<ThisThread> {
        self.flags(SetupFlags::SINGLE_ISSUER).local()
    }

    /// A ring that stays in the thread that makes it, and may therefore use what the
    /// kernel keeps for each thread: a registered ring descriptor, and
    /// `IORING_SETUP_REGISTERED_FD_ONLY`.
    #[must_use]
    pub fn local(self) -> Builder<ThisThread> {
        Builder {
            entries: self.entries,
            params: self.params,
            threads: PhantomData,
        }
    }

    /// [`local`](Self::local) and [`build`](Self::build).
    ///
    /// # Errors
    /// As there.
    pub fn build_local(self) -> Result<Ring<Linux, ThisThread>, Errno> {
        self.local().build()
    }

    /// [`local`](Self::local) and [`build_on`](Self::build_on).
    ///
    /// # Errors
    /// As there.
    pub fn build_local_on<K: Kernel>(self, kernel: K) -> Result<Ring<K, ThisThread>, Errno> {
        self.local().build_on(kernel)
    }
}

impl<T: Threads> Builder<T> {
    /// Adds `IORING_SETUP_*` flags.
    #[must_use]
    pub fn flags(mut self, flags: impl Into<SetupFlags>) -> Self {
        self.params.flags |= flags.into().bits();
        self
    }

    /// Room for `entries` CQEs (`IORING_SETUP_CQSIZE`, up to 65536).
    #[must_use]
    pub fn cq_entries(mut self, entries: u32) -> Self {
        self.params.flags |= anyring_abi::IORING_SETUP_CQSIZE;
        self.params.cq_entries = entries;
        self
    }

    /// A kernel thread takes the entries (`IORING_SETUP_SQPOLL`) and sleeps when there
    /// were none for so many milliseconds (0: one second).
    #[must_use]
    pub fn sqpoll(self, idle_milliseconds: u32) -> Self {
        self.flags(SetupFlags::SQPOLL)
            .sq_thread_idle(idle_milliseconds)
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
    /// `IORING_SETUP_REGISTERED_FD_ONLY` of a ring that is not
    /// [`local`](Self::local).
    pub fn build(self) -> Result<Ring<Linux, T>, Errno> {
        self.build_on(Linux)
    }

    /// Makes the ring on another kernel.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_on<K: Kernel>(mut self, kernel: K) -> Result<Ring<K, T>, Errno> {
        if T::MOVES && self.params.flags & IORING_SETUP_REGISTERED_FD_ONLY != 0 {
            return Err(Errno(libc::EINVAL));
        }
        if self.params.flags & IORING_SETUP_DEFER_TASKRUN != 0 {
            self.params.flags |= IORING_SETUP_TASKRUN_FLAG;
        }
        let mut raw = empty();
        // SAFETY: both structs are valid for the call.
        let result =
            unsafe { queue_init_params(kernel, self.entries, &raw mut raw, &raw mut self.params) };
        check(result)?;
        Ok(Ring {
            plain: raw.flags & (IORING_SETUP_CQE_MIXED | IORING_SETUP_CQE32) == 0
                && raw.features & IORING_FEAT_EXT_ARG != 0,
            still: raw.flags & (IORING_SETUP_SQPOLL | IORING_SETUP_SQ_REWIND) == 0,
            large: raw.flags & IORING_SETUP_SQE128 != 0,
            limit: Cell::new(raw.sq.sqe_tail),
            raw: UnsafeCell::new(raw),
            kernel,
            walked: Cell::new(false),
            waits: None,
            threads: PhantomData,
        })
    }

    /// Makes a ring that does nothing before [`Disabled::enable`]
    /// (`IORING_SETUP_R_DISABLED`, Linux 5.10): for restrictions, for registered waits,
    /// and for single-issuer rings that another thread is to use.
    ///
    /// # Errors
    /// As [`build`](Self::build); EINVAL also for `IORING_SETUP_REGISTERED_FD_ONLY`.
    pub fn build_disabled(self) -> Result<Disabled<Linux, T>, Errno> {
        self.build_disabled_on(Linux)
    }

    /// [`build_disabled`](Self::build_disabled) on another kernel.
    ///
    /// # Errors
    /// As there.
    pub fn build_disabled_on<K: Kernel>(self, kernel: K) -> Result<Disabled<K, T>, Errno> {
        // The index of such a ring belongs to the thread that made it.
        if self.params.flags & IORING_SETUP_REGISTERED_FD_ONLY != 0 {
            return Err(Errno(libc::EINVAL));
        }
        let ring = self.flags(IORING_SETUP_R_DISABLED).build_on(kernel)?;
        Ok(Disabled::new(ring))
    }
}

mod sealed {
    /// Which threads may hold a ring.
    pub trait Threads {
        /// Whether it may go to another thread.
        const MOVES: bool;
    }
}

/// [`AnyThread`] or [`ThisThread`].
pub trait Threads: sealed::Threads {}

impl sealed::Threads for AnyThread {
    const MOVES: bool = true;
}
impl Threads for AnyThread {}
impl sealed::Threads for ThisThread {
    const MOVES: bool = false;
}
impl Threads for ThisThread {}

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
    /// Up to here the slots are free and of 64 bytes: the next entry needs no look at
    /// how far the kernel is. Never beyond the slots that are free.
    limit: Cell<u32>,
    /// Whether free slots can be counted ahead: no kernel thread looks for the tail, and
    /// positions go on and on.
    still: bool,
    /// Whether a slot has room for 128 bytes.
    large: bool,
    /// Whether each slot of the completion queue is an entry of 16 bytes for the program.
    plain: bool,
    /// An iterator over completions is alive, or was forgotten.
    walked: Cell<bool>,
    /// The region of registered waits, which lives as long as the ring.
    waits: Option<Waits>,
    threads: PhantomData<(*mut (), T)>,
}

// SAFETY: ring memory belongs to no thread; the kernel's own rule for
// SINGLE_ISSUER rings (-EEXIST from another thread) is an error, not a race.
// Safe code cannot register the descriptor of such a ring with a thread.
unsafe impl<K: Kernel + Send> Send for Ring<K, AnyThread> {}

/// A completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completion {
    /// What the SQE was tagged with.
    pub user_data: u64,
    /// Zero or more, or `-errno`.
    pub res: i32,
    /// `IORING_CQE_F_*`.
    pub flags: u32,
}

impl Completion {
    /// One of a program's own, for tests of what handles completions.
    #[inline]
    #[must_use]
    pub const fn new(user_data: u64, res: i32, flags: u32) -> Self {
        Completion {
            user_data,
            res,
            flags,
        }
    }

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

    /// The flags by name. The number of a buffer is left out.
    #[inline]
    #[must_use]
    pub const fn cqe_flags(self) -> CqeFlags {
        CqeFlags::from_bits_retain(self.flags & 0xffff)
    }

    /// Whether this is the notification of a zero-copy send (`IORING_CQE_F_NOTIF`).
    #[inline]
    #[must_use]
    pub const fn is_notification(self) -> bool {
        self.flags & abi::IORING_CQE_F_NOTIF != 0
    }

    /// Whether more of its provided buffer follows (`IORING_CQE_F_BUF_MORE`).
    #[inline]
    #[must_use]
    pub const fn buffer_more(self) -> bool {
        self.flags & abi::IORING_CQE_F_BUF_MORE != 0
    }

    /// Whether the socket has more to receive (`IORING_CQE_F_SOCK_NONEMPTY`).
    #[inline]
    #[must_use]
    pub const fn sock_nonempty(self) -> bool {
        self.flags & abi::IORING_CQE_F_SOCK_NONEMPTY != 0
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
    /// - The ring is resized by [`resize`](Self::resize) only, and of 2^31 entries in a
    ///   row at least one is taken through this value.
    #[inline]
    pub unsafe fn as_ring_ref(&mut self) -> RingRef<K> {
        self.end_walk();
        self.inner()
    }

    /// The next entry looks at how far the kernel is. To be called where the queue
    /// changes, and where entries are taken by other means than
    /// [`free_slot`](Self::free_slot): 2^31 of them would bring the limit before the tail.
    #[inline(always)]
    fn count_anew(&self) {
        self.limit.set(get!(self.inner(), sq.sqe_tail));
    }

    /// The ring, for use within one borrow of `self`.
    #[inline(always)]
    fn inner(&self) -> RingRef<K> {
        // SAFETY: set up and owned; the result is dropped before the borrow
        // ends. This thread alone has the ring (it is not Sync), and each
        // method reads and writes fields for itself.
        unsafe { RingRef::new(self.raw.get(), self.kernel) }
    }

    /// What borrows the ring alone knows that no iterator over completions is alive: if
    /// one was forgotten, its completions come again.
    #[inline(always)]
    fn end_walk(&mut self) {
        self.walked.set(false);
    }

    /// The file descriptor, -1 for REGISTERED_FD_ONLY rings.
    #[must_use]
    pub fn fd(&self) -> c_int {
        get!(self.inner(), ring_fd)
    }

    /// What the kernel can do (`IORING_FEAT_*`).
    #[must_use]
    pub fn features(&self) -> FeatureFlags {
        FeatureFlags::from_bits_retain(get!(self.inner(), features))
    }

    /// The flags that the kernel accepted (`IORING_SETUP_*`).
    #[must_use]
    pub fn setup_flags(&self) -> SetupFlags {
        SetupFlags::from_bits_retain(get!(self.inner(), flags))
    }

    /// Entries the submission queue holds.
    #[must_use]
    pub fn sq_entries(&self) -> u32 {
        get!(self.inner(), sq.ring_entries)
    }

    /// Entries the completion queue holds.
    #[must_use]
    pub fn cq_entries(&self) -> u32 {
        get!(self.inner(), cq.ring_entries)
    }

    /// Invalid entries that the kernel dropped from the submission queue.
    #[must_use]
    pub fn sq_dropped(&self) -> u32 {
        let ring = self.inner();
        ring.word(get!(ring, sq.kdropped)).load()
    }

    /// Completions that the kernel lost for want of room. Kernels with
    /// [`FeatureFlags::NODROP`] lose none but when they are out of memory.
    #[must_use]
    pub fn cq_overflow(&self) -> u32 {
        let ring = self.inner();
        ring.word(get!(ring, cq.koverflow)).load()
    }

    /// Whether completions wait for room in the queue; the next end of an iteration
    /// fetches them.
    #[must_use]
    pub fn cq_has_overflow(&self) -> bool {
        self.inner().cq_has_overflow()
    }

    /// Whether completions signal the registered eventfd. Linux 5.8; true before.
    #[must_use]
    pub fn eventfd_enabled(&self) -> bool {
        self.inner().cq_eventfd_enabled()
    }

    /// Has completions signal the registered eventfd, or not.
    ///
    /// # Errors
    /// EOPNOTSUPP for a change before Linux 5.8.
    pub fn enable_eventfd(&mut self, enabled: bool) -> Result<(), Errno> {
        check(self.inner().cq_eventfd_toggle(enabled)).map(|_| ())
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
        let sqe = self.free_slot()?;
        // SAFETY: a free slot, lent once: the next call gives another, and a
        // slot is free again only after a submit, which ends all borrows.
        unsafe {
            sqe.write(io_uring_sqe::default());
            Some(&mut *sqe.as_ptr())
        }
    }

    /// The next free slot, handed out with what it held; of 128 bytes the second half is
    /// zeroes.
    #[inline(always)]
    fn free_slot(&self) -> Option<NonNull<io_uring_sqe>> {
        let ring = self.inner();
        let tail = get!(ring, sq.sqe_tail);
        if (tail.wrapping_sub(self.limit.get()) as i32) < 0 {
            put!(ring, tail.wrapping_add(1) => sq.sqe_tail);
            let slot = tail & get!(ring, sq.ring_mask);
            let sqe = get!(ring, sq.sqes).wrapping_add(slot as usize);
            // SAFETY: a slot of a valid ring, not NULL.
            Some(unsafe { NonNull::new_unchecked(sqe) })
        } else {
            #[expect(
                clippy::manual_map,
                reason = "each has a way of its own in the caller: an instruction less"
            )]
            match self.free_slot_beyond() {
                Some(slot) => Some(slot),
                None => None,
            }
        }
    }

    /// The same where the kernel's head has to be looked at: once a round of the queue,
    /// and for each entry of rings whose free slots cannot be counted ahead.
    #[inline(never)]
    fn free_slot_beyond(&self) -> Option<NonNull<io_uring_sqe>> {
        let slot = self.inner().get_slot();
        if let Some(slot) = slot.filter(|_| self.large) {
            // SAFETY: a free slot of the size of two entries.
            unsafe { slot.add(1).write(io_uring_sqe::default()) };
        }
        self.count_anew();
        if self.still && !self.large {
            let limit = self.limit.get().wrapping_add(self.sq_space_left());
            self.limit.set(limit);
        }
        slot
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
        self.count_anew();
        // SAFETY: as in `next_sqe`; such a slot has the size of two entries.
        unsafe {
            sqe.write([io_uring_sqe::default(); 2]);
            Some(&mut *sqe)
        }
    }

    /// Queues an entry that was built elsewhere: an SQE, or with the feature `io-uring`
    /// an entry of that crate.
    ///
    /// # Errors
    /// Gives the entry back when the queue is full.
    #[inline(always)]
    pub fn push<E: Queueable>(&self, entry: E) -> Result<(), PushError<E>> {
        match self.free_slot() {
            Some(slot) => {
                // SAFETY: a free slot, lent to nothing else.
                unsafe { slot.write(entry.sqe()) };
                Ok(())
            }
            None => Err(PushError(entry)),
        }
    }

    /// Queues entries as long as there is room for all of them.
    ///
    /// # Errors
    /// Gives them back when there is not; none is queued then.
    pub fn push_all<'e, E: Queueable>(&self, entries: &'e [E]) -> Result<(), PushError<&'e [E]>> {
        if (self.sq_space_left() as usize) < entries.len() {
            return Err(PushError(entries));
        }
        for entry in entries {
            let _ = self.push(entry);
        }
        Ok(())
    }

    /// [`push`](Self::push), for the sibling crates, which have no use for the wrapper.
    ///
    /// # Errors
    /// As there.
    #[doc(hidden)]
    pub fn push_sqe(&self, entry: io_uring_sqe) -> Result<(), io_uring_sqe> {
        self.push(entry).map_err(PushError::into_inner)
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
    /// if it is dropped before. None posts completions (`MSG_RING`) to a ring whose
    /// owner frees memory by them, as that of `operation::Owner` does.
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
        self.end_walk();
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
        self.end_walk();
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
        self.end_walk();
        if !self.inner().has_ext_arg() {
            // The timeout will be an entry.
            self.count_anew();
        }
        // SAFETY: the timeout is valid for the call: kernels without EXT_ARG
        // get a copy in the ring. The entries are the caller's promise.
        done(unsafe {
            self.inner()
                .submit_and_wait_timeout(wait_nr, timeout, 0, ptr::null())
        })
    }

    /// Submits what was queued and waits for `wait_nr` completions, but after
    /// `least_usec` microseconds for one, and with a timeout for that if given; the
    /// number taken. Linux 6.12.
    ///
    /// # Errors
    /// EINVAL before Linux 6.12, otherwise as
    /// [`submit_and_wait_timeout`](Self::submit_and_wait_timeout).
    ///
    /// # Safety
    /// As [`submit`](Self::submit).
    pub unsafe fn submit_and_wait_min(
        &mut self,
        wait_nr: u32,
        least_usec: u32,
        timeout: Option<&__kernel_timespec>,
    ) -> Result<u32, Errno> {
        if !self.features().contains(FeatureFlags::MIN_TIMEOUT) {
            return Err(Errno(libc::EINVAL));
        }
        self.end_walk();
        let timeout = timeout.map_or(ptr::null(), ptr::from_ref);
        let ring = self.inner();
        // SAFETY: the timeout is valid for the call, which copies it. The entries are the
        // caller's promise.
        done(unsafe { ring.submit_and_wait_min_timeout(wait_nr, timeout, least_usec, ptr::null()) })
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
        self.end_walk();
        self.wait_shared(wait_nr, timeout)
    }

    /// The wait of the ring and of its submission side.
    fn wait_shared(&self, wait_nr: u32, timeout: Option<&__kernel_timespec>) -> Result<(), Errno> {
        let ring = self.inner();
        let queued = get!(ring, sq.sqe_tail) != get!(ring, sq.sqe_head);
        if timeout.is_some() && !ring.has_ext_arg() {
            if queued {
                // What those entries point to was not vouched for yet.
                return Err(Errno(libc::EBUSY));
            }
            // The timeout will be an entry.
            self.count_anew();
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
        if !self.features().contains(FeatureFlags::MIN_TIMEOUT) {
            return Err(Errno(libc::EINVAL));
        }
        self.end_walk();
        let timeout = timeout.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the timeout is valid for the call, which copies it.
        let waited = unsafe {
            self.inner()
                .wait_cqes_min_timeout(wait_nr, timeout, least_usec, ptr::null())
        };
        done(waited).map(|_| ())
    }

    /// Sets one of the waits that were registered with
    /// [`Disabled::register_waits`].
    ///
    /// # Errors
    /// ENXIO if there are none, ERANGE beyond their number.
    pub fn set_wait(&mut self, index: u32, args: WaitArgs) -> Result<(), Errno> {
        let waits = self.waits.as_mut().ok_or(Errno(libc::ENXIO))?;
        waits.set(index, io_uring_reg_wait::from(args))
    }

    /// Submits what was queued and waits for `wait_nr` completions as the registered
    /// wait `index` says; the number taken. Linux 6.13.
    ///
    /// # Errors
    /// ENXIO if there are no registered waits, ERANGE beyond their number, otherwise as
    /// [`submit_and_wait_timeout`](Self::submit_and_wait_timeout).
    ///
    /// # Safety
    /// As [`submit`](Self::submit).
    pub unsafe fn submit_and_wait_registered(
        &mut self,
        wait_nr: u32,
        index: u32,
    ) -> Result<u32, Errno> {
        let waits = self.waits.as_ref().ok_or(Errno(libc::ENXIO))?;
        let index = waits.index(index)?;
        self.end_walk();
        done(self.inner().submit_and_wait_reg(wait_nr, index))
    }

    /// Lets the kernel post completions that wait for an enter.
    ///
    /// # Errors
    /// Those of io_uring_enter(2).
    pub fn get_events(&mut self) -> Result<u32, Errno> {
        self.end_walk();
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
        let ring = self.inner();
        let head = ring.word(get!(ring, cq.khead)).load();
        let (walks, tail) = if self.walked.replace(true) {
            (false, head)
        } else {
            (true, protocol::cq_tail(ring.word(get!(ring, cq.ktail))))
        };
        Completions {
            ring: self,
            cqes: get!(ring, cq.cqes),
            mask: get!(ring, cq.ring_mask),
            head,
            plain: if self.plain { tail } else { head },
            tail,
            walks,
            ended: !walks,
        }
    }

    /// The next completion, given back at once: for loops that submit between
    /// two completions.
    #[inline]
    pub fn next_completion(&mut self) -> Option<Completion> {
        self.end_walk();
        if !self.plain {
            return self.completions().next();
        }
        let ring = self.inner();
        loop {
            let head = ring.word(get!(ring, cq.khead)).load();
            if head != protocol::cq_tail(ring.word(get!(ring, cq.ktail))) {
                let slot = head & get!(ring, cq.ring_mask);
                let done = read(get!(ring, cq.cqes).wrapping_add(slot as usize));
                ring.cq_advance(1);
                return Some(done);
            }
            if !ring.cq_needs_flush() || fetch(ring, head).is_none() {
                return None;
            }
        }
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

    /// A group of provided buffers, of which the kernel has none if it is `empty`, for a
    /// caller that unregisters it before this ring ends.
    #[cfg(feature = "owned")]
    pub(crate) fn register_group(
        &mut self,
        number: u16,
        entries: u16,
        size: u32,
        empty: bool,
    ) -> Result<Group<K>, Errno> {
        Group::new(self.inner(), number, entries, size, empty)
    }

    #[cfg(feature = "owned")]
    pub(crate) fn unregister_group(&mut self, group: &Group<K>) {
        group.unregister(self.inner());
    }

    /// Slots ready in the completion queue, those included that an iterator has taken and
    /// not yet given back.
    pub fn cq_ready(&self) -> u32 {
        self.inner().cq_ready()
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
        if let Some(waits) = self.waits.take() {
            // SAFETY: the ring that read it is closed, and no wait of it is under way.
            unsafe { waits.unmap(self.kernel) };
        }
    }
}

/// The side of a ring that queues and submits ([`Ring::split`]).
#[derive(Debug)]
pub struct SubmissionSide<'a, K: Kernel = Linux, T = AnyThread> {
    ring: &'a Ring<K, T>,
}

impl<'a, K: Kernel, T> SubmissionSide<'a, K, T> {
    /// [`Ring::next_sqe`].
    #[inline]
    #[must_use]
    pub fn next_sqe(&mut self) -> Option<&mut io_uring_sqe> {
        self.ring.next_sqe()
    }

    /// [`Ring::next_sqe128`].
    #[must_use]
    pub fn next_sqe128(&mut self) -> Option<&mut [io_uring_sqe; 2]> {
        self.ring.next_sqe128()
    }

    /// [`Ring::push`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn push<E: Queueable>(&mut self, entry: E) -> Result<(), PushError<E>> {
        self.ring.push(entry)
    }

    /// [`Ring::sq_space_left`].
    #[must_use]
    pub fn sq_space_left(&self) -> u32 {
        self.ring.sq_space_left()
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

    /// [`Ring::submit_and_wait`]. Completions that an iterator of the other side has not
    /// given back yet count as ready.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn submit_and_wait(&mut self, wait_nr: u32) -> Result<u32, Errno> {
        check(self.ring.inner().submit_and_wait(wait_nr))
    }

    /// [`Ring::wait`], under the same condition.
    ///
    /// # Errors
    /// As there.
    pub fn wait(&mut self, wait_nr: u32, timeout: Option<&__kernel_timespec>) -> Result<(), Errno> {
        self.ring.wait_shared(wait_nr, timeout)
    }

    /// Maps and registers a ring of provided buffers that cannot outlive this ring:
    /// group `group` with `entries` buffers (a power of two up to 32768) of `size` bytes
    /// each, all of them the kernel's. Linux 5.19.
    ///
    /// # Errors
    /// EINVAL for these numbers, EEXIST for a group that is there, ENOMEM.
    pub fn buf_ring(
        &self,
        group: u16,
        entries: u16,
        size: u32,
    ) -> Result<BufRing<'a, K, T>, Errno> {
        BufRing::new(self.ring, group, entries, size)
    }

    /// Maps and registers `count` fixed buffers of `size` bytes that cannot outlive this
    /// ring. Linux 5.1.
    ///
    /// # Errors
    /// EINVAL for no bytes, EBUSY if the ring has registered buffers, ENOMEM.
    pub fn buffers(&self, count: u16, size: u32) -> Result<RegisteredBuffers<'a, K, T>, Errno> {
        RegisteredBuffers::new(self.ring, count, size)
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
/// One at a time walks the queue: another that is made meanwhile finds nothing. One that
/// is forgotten gives nothing back: its completions come again.
#[derive(Debug)]
pub struct Completions<'a, K: Kernel = Linux, T = AnyThread> {
    ring: &'a Ring<K, T>,
    cqes: *mut io_uring_cqe,
    mask: u32,
    /// The first entry that was not taken.
    head: u32,
    /// Up to here every slot is an entry of 16 bytes for the program. On rings where
    /// that need not be so it is `head`, and each entry is looked at.
    plain: u32,
    /// The end of what was ready.
    tail: u32,
    /// It is the one that walks.
    walks: bool,
    /// Nothing comes any more.
    ended: bool,
}

/// Beyond the plain entries: the next entry if there is one, and where the walk is then.
struct Step {
    cqe: Option<*mut io_uring_cqe>,
    head: u32,
    plain: u32,
    tail: u32,
}

/// Gives the entries before `head` back and fetches what the kernel says it still has to
/// post; the new tail, if there is more.
#[cold]
fn fetch<K: Kernel>(ring: RingRef<K>, head: u32) -> Option<u32> {
    ring.word(get!(ring, cq.khead)).store_release(head);
    if ring.get_events() < 0 {
        return None;
    }
    let tail = protocol::cq_tail(ring.word(get!(ring, cq.ktail)));
    (tail != head).then_some(tail)
}

/// Goes on where the plain entries end: fetches what the kernel still has, and looks at
/// each entry of rings where not every slot is an entry for the program.
///
/// By value, so that the iterator need not be in memory for it.
#[inline(never)]
fn step<K: Kernel, T>(ring: &Ring<K, T>, mut head: u32, mut tail: u32) -> Step {
    let plain = ring.plain;
    let inner = ring.inner();
    let shift = cq::cqe_shift(get!(inner, flags));
    let mixed = get!(inner, flags) & IORING_SETUP_CQE_MIXED != 0;
    loop {
        if head == tail {
            match fetch_if_any(inner, head) {
                Some(more) => tail = more,
                None => break,
            }
        }
        let place = (head & get!(inner, cq.ring_mask)) << shift;
        let cqe = get!(inner, cq.cqes).wrapping_add(place as usize);
        // SAFETY: an entry between head and tail is ready.
        let (flags, user_data) = unsafe { ((*cqe).flags, (*cqe).user_data) };
        // A large entry that does not end before the tail is none.
        let slots = if mixed { cq::cqe_nr(flags) } else { 1 };
        head = head.wrapping_add(slots.min(tail.wrapping_sub(head)));
        let own =
            user_data == LIBURING_UDATA_TIMEOUT && get!(inner, features) & IORING_FEAT_EXT_ARG == 0;
        if plain || (flags & IORING_CQE_F_SKIP == 0 && !own) {
            return Step {
                cqe: Some(cqe),
                head,
                plain: if plain { tail } else { head },
                tail,
            };
        }
    }
    Step {
        cqe: None,
        head,
        plain: head,
        tail: head,
    }
}

fn fetch_if_any<K: Kernel>(ring: RingRef<K>, head: u32) -> Option<u32> {
    if ring.cq_needs_flush() {
        fetch(ring, head)
    } else {
        None
    }
}

impl<K: Kernel, T> Completions<'_, K, T> {
    /// The next ready entry, taken.
    #[inline(always)]
    fn take(&mut self) -> Option<*mut io_uring_cqe> {
        if self.head != self.plain {
            let cqe = self.cqes.wrapping_add((self.head & self.mask) as usize);
            self.head = self.head.wrapping_add(1);
            return Some(cqe);
        }
        if self.ended || (self.head == self.tail && !self.ring.inner().cq_needs_flush()) {
            self.ended = true;
            return None;
        }
        let Step {
            cqe,
            head,
            plain,
            tail,
        } = step(self.ring, self.head, self.tail);
        (self.head, self.plain, self.tail) = (head, plain, tail);
        self.ended = cqe.is_none();
        cqe
    }

    /// The next completion with the 16 bytes behind it, on a ring with
    /// `IORING_SETUP_CQE32`, or for a 32-byte entry of a ring with
    /// `IORING_SETUP_CQE_MIXED`; zeroes otherwise.
    pub fn next_with_extra(&mut self) -> Option<(Completion, [u64; 2])> {
        let cqe = self.take()?;
        let completion = read(cqe);
        let flags = self.ring.setup_flags();
        let large = flags.contains(SetupFlags::CQE32)
            || (flags.contains(SetupFlags::CQE_MIXED)
                && completion.flags & abi::IORING_CQE_F_32 != 0);
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
    // SAFETY: from `take` or its like: a ready entry, not yet given back.
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

    /// At least what was ready when it was made, on rings where every slot is an entry;
    /// how much more the kernel has is not known.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let plain = self.plain.wrapping_sub(self.head) as usize;
        (plain, if self.ended { Some(0) } else { None })
    }
}

impl<K: Kernel, T> FusedIterator for Completions<'_, K, T> {}

impl<K: Kernel, T> Drop for Completions<'_, K, T> {
    /// One store for all that was taken.
    #[inline(always)]
    fn drop(&mut self) {
        if self.walks {
            self.ring.walked.set(false);
            let ring = self.ring.inner();
            ring.word(get!(ring, cq.khead)).store_release(self.head);
        }
    }
}
