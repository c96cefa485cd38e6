//! A ring that Rust owns.

use core::ffi::c_int;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use anyring_abi as abi;
use anyring_abi::{__kernel_timespec, io_uring_cqe, io_uring_params, io_uring_sqe};
#[cfg(feature = "io-uring")]
use io_uring::squeue::Entry;

use crate::errno::{Errno, check};
use crate::kernel::{Kernel, Linux};
use crate::ring::setup::{empty, params, queue_exit, queue_init_params};
use crate::ring::{RingRef, cq, get};

/// How a ring is to be made.
///
/// ```no_run
/// # fn main() -> Result<(), anyring::Errno> {
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

    /// Makes the ring.
    ///
    /// # Errors
    /// Those of io_uring_setup(2) and mmap(2).
    pub fn build(self) -> Result<Ring, Errno> {
        self.build_on(Linux)
    }

    /// Makes the ring on another kernel.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_on<K: Kernel>(mut self, kernel: K) -> Result<Ring<K>, Errno> {
        let mut raw = empty();
        // SAFETY: both structs are valid for the call.
        let result =
            unsafe { queue_init_params(kernel, self.entries, &raw mut raw, &raw mut self.params) };
        check(result)?;
        Ok(Ring {
            raw,
            kernel,
            not_sync: PhantomData,
        })
    }
}

/// A ring, taken down when it is dropped.
///
/// Not `Sync`, and `Send` only as a whole: the queues have one submitter and
/// one reaper.
///
/// ```no_run
/// # fn main() -> Result<(), anyring::Errno> {
/// let mut ring = anyring::Ring::new(8)?;
/// let sqe = ring.next_sqe().expect("an empty queue has room");
/// anyring::prep::prep_nop(sqe);
/// sqe.user_data = 7;
/// // SAFETY: a nop has no memory of ours.
/// unsafe { ring.submit_and_wait(1)? };
/// for completion in ring.completions() {
///     assert_eq!(completion.user_data, 7);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Ring<K: Kernel = Linux> {
    raw: abi::io_uring,
    kernel: K,
    not_sync: PhantomData<*mut ()>,
}

// SAFETY: ring memory belongs to no thread; the kernel's own rule for
// SINGLE_ISSUER rings (-EEXIST from another thread) is an error, not a race.
unsafe impl<K: Kernel + Send> Send for Ring<K> {}

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

impl Ring {
    /// A plain ring with room for `entries` SQEs.
    ///
    /// # Errors
    /// Those of io_uring_setup(2) and mmap(2).
    pub fn new(entries: u32) -> Result<Self, Errno> {
        Builder::new(entries).build()
    }
}

impl<K: Kernel> Ring<K> {
    /// The ring for the functions of [`RingRef`].
    ///
    /// # Safety
    /// The result is not used after this value has moved or was dropped.
    #[inline]
    pub unsafe fn as_ring_ref(&mut self) -> RingRef<K> {
        self.inner()
    }

    /// As above, for use within one borrow of `self`.
    #[inline]
    fn inner(&mut self) -> RingRef<K> {
        // SAFETY: set up and owned; dropped before the borrow ends.
        unsafe { RingRef::new(&raw mut self.raw, self.kernel) }
    }

    /// The file descriptor, -1 for REGISTERED_FD_ONLY rings.
    #[must_use]
    pub fn fd(&self) -> c_int {
        self.raw.ring_fd
    }

    /// `IORING_FEAT_*` of the kernel.
    #[must_use]
    pub fn features(&self) -> u32 {
        self.raw.features
    }

    /// The `IORING_SETUP_*` flags the kernel accepted.
    #[must_use]
    pub fn setup_flags(&self) -> u32 {
        self.raw.flags
    }

    /// The next free SQE, initialised; `None` when the queue is full.
    #[inline]
    pub fn next_sqe(&mut self) -> Option<&mut io_uring_sqe> {
        // SAFETY: a free slot; the borrow ends before the next call.
        self.inner()
            .get_sqe()
            .map(|sqe| unsafe { &mut *sqe.as_ptr() })
    }

    /// Queues an entry built elsewhere.
    ///
    /// # Errors
    /// Gives the entry back when the queue is full.
    pub fn push_sqe(&mut self, entry: io_uring_sqe) -> Result<(), io_uring_sqe> {
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
    pub fn push(&mut self, entry: Entry) -> Result<(), Entry> {
        let sqe = sqe_from_entry(&entry);
        self.push_sqe(sqe).map_err(|_| entry)
    }

    /// Submits what was queued; the number taken.
    ///
    /// # Errors
    /// Those of io_uring_enter(2); nothing is lost, call again.
    ///
    /// # Safety
    /// What the queued entries point to is valid until their completions.
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
        check(self.inner().submit_and_wait(wait_nr))
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
        let ring = self.inner();
        let queued = get!(ring, sq.sqe_tail) != get!(ring, sq.sqe_head);
        if timeout.is_some() && !ring.has_ext_arg() && queued {
            // Nobody has vouched yet for what those entries point to.
            return Err(Errno(libc::EBUSY));
        }
        let timeout = timeout.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the timeout is valid for the call; kernels without EXT_ARG
        // copy it at submission.
        let waited = unsafe { ring.wait_cqes(wait_nr, timeout, ptr::null()) };
        match waited {
            // Without EXT_ARG an expiry shows by there being no entry only.
            Ok(waited) if waited.result >= 0 && waited.cqe.is_null() && wait_nr != 0 => {
                Err(Errno(libc::ETIME))
            }
            Ok(waited) => check(waited.result).map(|_| ()),
            Err(error) => Err(Errno(-error)),
        }
    }

    /// The completions that are ready; each is given back to the kernel when
    /// the iterator moves on.
    pub fn completions(&mut self) -> Completions<'_, K> {
        Completions {
            ring: self.inner(),
            ready: PhantomData,
        }
    }

    /// Slots ready in the completion queue.
    pub fn cq_ready(&mut self) -> u32 {
        self.inner().cq_ready()
    }
}

impl<K: Kernel> Drop for Ring<K> {
    fn drop(&mut self) {
        let ring = self.inner();
        // SAFETY: nobody uses it any more.
        unsafe { queue_exit(ring) };
    }
}

/// Iterator over ready completions.
#[derive(Debug)]
pub struct Completions<'a, K: Kernel> {
    ring: RingRef<K>,
    ready: PhantomData<&'a mut Ring<K>>,
}

impl<K: Kernel> Iterator for Completions<'_, K> {
    type Item = Completion;

    fn next(&mut self) -> Option<Completion> {
        let cqe: NonNull<io_uring_cqe> = NonNull::new(self.ring.peek_raw().cqe)?;
        // SAFETY: a ready entry, read before it is given back.
        let io_uring_cqe {
            user_data,
            res,
            flags,
            ..
        } = unsafe { *cqe.as_ptr() };
        let slots = if get!(self.ring, flags) & anyring_abi::IORING_SETUP_CQE_MIXED != 0 {
            cq::cqe_nr(flags)
        } else {
            1
        };
        self.ring.cq_advance(slots);
        Some(Completion {
            user_data,
            res,
            flags,
        })
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
