//! Registration, as far as safe code can do it.
//!
//! Nothing here lets the kernel keep an address of ours past the call: files
//! are counted by the kernel, tables of numbers are copied. Buffers are the
//! exception: the kernel pins their pages, and what it may do to them is said
//! by entries, for which [`Ring::submit`] asks.

use core::ffi::{c_int, c_uint, c_void};

use anyring_abi as abi;
use anyring_abi::io_uring_restriction;

use super::{Ring, ThisThread};
use crate::errno::{Errno, check};
use crate::flags::{CloneFlags, SqeFlags};
use crate::kernel::Kernel;
use crate::op::Op;
use crate::probe::Probe;
use crate::register::{CloneRange, Signals, Table};

/// The length of a slice as the kernel counts; EINVAL beyond.
fn count<T>(slice: &[T]) -> Result<c_uint, Errno> {
    c_uint::try_from(slice.len()).map_err(|_| Errno(libc::EINVAL))
}

impl<K: Kernel, T> Ring<K, T> {
    /// Which operations this ring's kernel has.
    ///
    /// # Errors
    /// EINVAL before Linux 5.6.
    pub fn probe(&self) -> Result<Probe, Errno> {
        self.inner().probe()
    }

    /// Lets a ring made with `IORING_SETUP_R_DISABLED` work. Linux 5.10.
    ///
    /// # Errors
    /// EBADFD if it works already.
    pub fn enable(&mut self) -> Result<(), Errno> {
        self.plain(abi::IORING_REGISTER_ENABLE_RINGS)
    }

    fn plain(&mut self, opcode: u32) -> Result<(), Errno> {
        check(self.inner().register_plain(opcode)).map(|_| ())
    }

    /// Registers descriptors, -1 for empty slots; entries with
    /// `IOSQE_FIXED_FILE` name them by their place. The kernel holds the files
    /// itself. Linux 5.1.
    ///
    /// # Errors
    /// EBADF, EBUSY if there are some, EMFILE, ENXIO.
    pub fn register_files(&mut self, files: &[c_int]) -> Result<(), Errno> {
        // SAFETY: the kernel reads that many numbers during the call.
        check(unsafe { self.inner().register_files(files.as_ptr(), count(files)?) }).map(|_| ())
    }

    /// Registers `slots` empty slots for files. Linux 5.19.
    ///
    /// # Errors
    /// As [`register_files`](Self::register_files).
    pub fn register_files_sparse(&mut self, slots: u32) -> Result<(), Errno> {
        check(self.inner().register_files_sparse(slots)).map(|_| ())
    }

    /// Puts descriptors into the slots from `offset` on (-1: empties one, -2:
    /// leaves it); the number changed. Linux 5.5.
    ///
    /// # Errors
    /// EBADF, EINVAL beyond the table, ENXIO without one.
    pub fn update_files(&mut self, offset: u32, files: &[c_int]) -> Result<u32, Errno> {
        // SAFETY: the kernel reads that many numbers during the call.
        check(unsafe {
            self.inner()
                .register_files_update(offset, files.as_ptr(), count(files)?)
        })
    }

    /// Gives the registered files up; requests in flight keep theirs.
    ///
    /// # Errors
    /// ENXIO if there are none.
    pub fn unregister_files(&mut self) -> Result<(), Errno> {
        self.plain(abi::IORING_UNREGISTER_FILES)
    }

    /// The slots among which the kernel chooses one itself. Linux 6.0.
    ///
    /// # Errors
    /// EINVAL beyond the table.
    pub fn register_file_alloc_range(&mut self, offset: u32, length: u32) -> Result<(), Errno> {
        check(self.inner().register_file_alloc_range(offset, length)).map(|_| ())
    }

    /// Registers buffers; entries for fixed buffers name them by their place.
    /// The kernel pins their pages; what it does there is said by entries, and
    /// [`submit`](Self::submit) asks for that. Linux 5.1.
    ///
    /// # Errors
    /// EFAULT for memory that is not there, EBUSY if there are some, ENOMEM,
    /// EOVERFLOW.
    pub fn register_buffers(&mut self, buffers: &[libc::iovec]) -> Result<(), Errno> {
        // SAFETY: the kernel reads the array during the call, and checks what
        // it names.
        check(unsafe {
            self.inner().register(
                abi::IORING_REGISTER_BUFFERS,
                buffers.as_ptr().cast::<c_void>(),
                count(buffers)?,
            )
        })
        .map(|_| ())
    }

    /// Registers `slots` empty slots for buffers. Linux 5.19.
    ///
    /// # Errors
    /// EBUSY if there are some, EINVAL.
    pub fn register_buffers_sparse(&mut self, slots: u32) -> Result<(), Errno> {
        check(self.inner().register_sparse(Table::Buffers, slots)).map(|_| ())
    }

    /// Gives the registered buffers up; requests in flight keep theirs.
    ///
    /// # Errors
    /// ENXIO if there are none.
    pub fn unregister_buffers(&mut self) -> Result<(), Errno> {
        self.plain(abi::IORING_UNREGISTER_BUFFERS)
    }

    /// Has the registered buffers of another ring here too. Linux 6.12.
    ///
    /// # Errors
    /// ENXIO if that has none, EBUSY if this one has some and `flags`
    /// (`IORING_REGISTER_DST_REPLACE`) does not say otherwise.
    pub fn clone_buffers<U>(
        &mut self,
        source: &mut Ring<K, U>,
        range: CloneRange,
        flags: impl Into<CloneFlags>,
    ) -> Result<(), Errno> {
        let flags = flags.into().bits();
        check(self.inner().clone_buffers(source.inner(), range, flags)).map(|_| ())
    }

    /// Has completions signal an eventfd. Linux 5.2; [`Signals::Async`] 5.6.
    ///
    /// # Errors
    /// EBADF, EINVAL for another file, EBUSY if there is one.
    pub fn register_eventfd(&mut self, signals: Signals, fd: c_int) -> Result<(), Errno> {
        check(self.inner().register_eventfd(signals, fd)).map(|_| ())
    }

    /// Ends that.
    ///
    /// # Errors
    /// ENXIO if there is none.
    pub fn unregister_eventfd(&mut self) -> Result<(), Errno> {
        self.plain(abi::IORING_UNREGISTER_EVENTFD)
    }

    /// Keeps this thread's credentials under a number for `personality` of
    /// entries. Linux 5.6.
    ///
    /// # Errors
    /// ENOMEM, EINVAL.
    pub fn register_personality(&mut self) -> Result<u16, Errno> {
        check(
            self.inner()
                .register_plain(abi::IORING_REGISTER_PERSONALITY),
        )
        .map(|id| id as u16)
    }

    /// Forgets them.
    ///
    /// # Errors
    /// EINVAL for an unknown number.
    pub fn unregister_personality(&mut self, id: u16) -> Result<(), Errno> {
        let opcode = abi::IORING_UNREGISTER_PERSONALITY;
        check(self.inner().register_number(opcode, u32::from(id))).map(|_| ())
    }

    /// What a ring made with `IORING_SETUP_R_DISABLED` will be allowed to do, as
    /// [`Restriction`]s say. Linux 5.10.
    ///
    /// # Errors
    /// EBADFD if it works already, EBUSY if it has restrictions, EINVAL.
    pub fn register_restrictions(
        &mut self,
        restrictions: &[io_uring_restriction],
    ) -> Result<(), Errno> {
        // SAFETY: the kernel reads that many structs during the call.
        check(unsafe {
            self.inner().register(
                abi::IORING_REGISTER_RESTRICTIONS,
                restrictions.as_ptr().cast::<c_void>(),
                count(restrictions)?,
            )
        })
        .map(|_| ())
    }

    /// Registers buffers with a tag each (0: none), which comes as `user_data` of a
    /// completion when the kernel has let go of the buffer. Linux 5.13.
    ///
    /// # Errors
    /// As [`register_buffers`](Self::register_buffers); EINVAL for another number of tags.
    pub fn register_buffers_tagged(
        &mut self,
        buffers: &[libc::iovec],
        tags: &[u64],
    ) -> Result<(), Errno> {
        if buffers.len() != tags.len() {
            return Err(Errno(libc::EINVAL));
        }
        // SAFETY: the kernel reads both arrays during the call, and checks what the first
        // names.
        check(unsafe {
            self.inner().register_resources(
                abi::IORING_REGISTER_BUFFERS2,
                buffers.as_ptr().cast::<c_void>(),
                tags.as_ptr(),
                count(buffers)?,
                0,
            )
        })
        .map(|_| ())
    }

    /// Puts buffers, with a tag each, into the slots from `offset` on (without bytes:
    /// empties the slot); the number changed. Linux 5.13.
    ///
    /// # Errors
    /// EINVAL for another number of tags and beyond the table, EFAULT, ENXIO without one.
    pub fn update_buffers(
        &mut self,
        offset: u32,
        buffers: &[libc::iovec],
        tags: &[u64],
    ) -> Result<u32, Errno> {
        if buffers.len() != tags.len() {
            return Err(Errno(libc::EINVAL));
        }
        // SAFETY: as in `register_buffers_tagged`.
        check(unsafe {
            self.inner().update_resources(
                abi::IORING_REGISTER_BUFFERS_UPDATE,
                offset,
                buffers.as_ptr().cast::<c_void>(),
                tags.as_ptr(),
                count(buffers)?,
            )
        })
    }

    /// Registers descriptors with a tag each, as
    /// [`register_buffers_tagged`](Self::register_buffers_tagged). Linux 5.13.
    ///
    /// # Errors
    /// As [`register_files`](Self::register_files); EINVAL for another number of tags.
    pub fn register_files_tagged(&mut self, files: &[c_int], tags: &[u64]) -> Result<(), Errno> {
        if files.len() != tags.len() {
            return Err(Errno(libc::EINVAL));
        }
        // SAFETY: the kernel reads both arrays during the call.
        check(unsafe {
            self.inner()
                .register_files_tags(files.as_ptr(), tags.as_ptr(), count(files)?)
        })
        .map(|_| ())
    }

    /// The processors that workers may run on: bit n of word n / 64. Linux 5.14.
    ///
    /// # Errors
    /// EINVAL for none that is there.
    pub fn register_iowq_affinity(&mut self, processors: &[u64]) -> Result<(), Errno> {
        let bytes = size_of_val(processors);
        // SAFETY: the kernel reads that many bytes during the call.
        check(unsafe {
            self.inner()
                .register_iowq_aff(bytes, processors.as_ptr().cast::<c_void>())
        })
        .map(|_| ())
    }

    /// Lets workers run on all processors again.
    ///
    /// # Errors
    /// Those of io_uring_register(2).
    pub fn unregister_iowq_affinity(&mut self) -> Result<(), Errno> {
        self.plain(abi::IORING_UNREGISTER_IOWQ_AFF)
    }

    /// The clock by which waits with a timeout are measured. Linux 6.12.
    ///
    /// # Errors
    /// EINVAL before.
    pub fn register_clock(&mut self, clock: ClockId) -> Result<(), Errno> {
        let arg = abi::io_uring_clock_register {
            clockid: clock as u32,
            __resv: [0; 3],
        };
        // SAFETY: the kernel reads one struct during the call.
        check(unsafe {
            self.inner().register(
                abi::IORING_REGISTER_CLOCK,
                (&raw const arg).cast::<c_void>(),
                0,
            )
        })
        .map(|_| ())
    }

    /// Has waits poll the network devices busily; what was set before. Linux 6.9.
    ///
    /// # Errors
    /// EINVAL before, and on kernels without CONFIG_NET_RX_BUSY_POLL.
    pub fn register_napi(&mut self, napi: Napi) -> Result<Napi, Errno> {
        self.napi(abi::IORING_REGISTER_NAPI, napi)
    }

    /// Ends that; what was set.
    ///
    /// # Errors
    /// As [`register_napi`](Self::register_napi).
    pub fn unregister_napi(&mut self) -> Result<Napi, Errno> {
        self.napi(abi::IORING_UNREGISTER_NAPI, Napi::default())
    }

    fn napi(&mut self, opcode: u32, napi: Napi) -> Result<Napi, Errno> {
        let tracking = napi.tracking as u64;
        let arg = self.napi_call(opcode, NAPI_SET, tracking, napi)?;
        Ok(Napi {
            busy_poll_usec: arg.busy_poll_to,
            prefer_busy_poll: arg.prefer_busy_poll != 0,
            tracking: match arg.resv as u32 {
                NAPI_STATIC => NapiTracking::Static,
                NAPI_INACTIVE => NapiTracking::Inactive,
                _ => NapiTracking::Dynamic,
            },
        })
    }

    /// Has waits poll the device queue with this number too (`SO_INCOMING_NAPI_ID` of a
    /// socket), where [`NapiTracking::Static`] was registered. Linux 6.13.
    ///
    /// # Errors
    /// EEXIST if it is there, EINVAL for a number of none, without that tracking, and
    /// before Linux 6.13.
    pub fn register_napi_add_id(&mut self, id: u32) -> Result<(), Errno> {
        let opcode = abi::IORING_REGISTER_NAPI;
        self.napi_call(opcode, NAPI_ADD_ID, id.into(), Napi::default())
            .map(|_| ())
    }

    /// Has waits poll it no more.
    ///
    /// # Errors
    /// ENOENT if it is not there, otherwise as
    /// [`register_napi_add_id`](Self::register_napi_add_id).
    pub fn register_napi_del_id(&mut self, id: u32) -> Result<(), Errno> {
        let opcode = abi::IORING_REGISTER_NAPI;
        self.napi_call(opcode, NAPI_DEL_ID, id.into(), Napi::default())
            .map(|_| ())
    }

    /// What is to be done with `parameter` stands where kernels before Linux 6.13 want
    /// zeroes.
    fn napi_call(
        &mut self,
        opcode: u32,
        what: u8,
        parameter: u64,
        napi: Napi,
    ) -> Result<abi::io_uring_napi, Errno> {
        let mut arg = abi::io_uring_napi {
            busy_poll_to: napi.busy_poll_usec,
            prefer_busy_poll: u8::from(napi.prefer_busy_poll),
            pad: [what, 0, 0],
            resv: parameter,
        };
        // SAFETY: the kernel reads and writes one struct during the call.
        check(unsafe {
            self.inner()
                .register(opcode, (&raw mut arg).cast_const().cast::<c_void>(), 1)
        })?;
        Ok(arg)
    }

    /// Registers a queue of a network device for zero-copy receives
    /// ([`prep::recv_zc`](crate::prep::recv_zc)), of a ring with
    /// `IORING_SETUP_DEFER_TASKRUN` and 32-byte completions; the struct says where the
    /// refill queue is then. Linux 6.15, and CAP_NET_ADMIN.
    ///
    /// # Errors
    /// EINVAL, EPERM, ENODEV, EOPNOTSUPP of a device that cannot.
    ///
    /// # Safety
    /// The area and the region that the struct names are memory of the program's, of the
    /// sizes that it says, which nothing else uses until this ring is closed.
    pub unsafe fn register_ifq(
        &mut self,
        queue: &mut abi::io_uring_zcrx_ifq_reg,
    ) -> Result<(), Errno> {
        // SAFETY: the kernel reads and writes one struct during the call; what it names is
        // the caller's promise.
        check(unsafe {
            self.inner().register(
                abi::IORING_REGISTER_ZCRX_IFQ,
                core::ptr::from_mut(queue).cast_const().cast::<c_void>(),
                1,
            )
        })
        .map(|_| ())
    }

    /// Cancels requests and waits until they are cancelled, at most `timeout` if given;
    /// how many there were. Linux 6.0.
    ///
    /// # Errors
    /// ENOENT for none, ETIME, EINVAL before Linux 6.0, of an operation before 6.6.
    pub fn cancel_sync(
        &mut self,
        which: CancelSync,
        timeout: Option<abi::__kernel_timespec>,
    ) -> Result<u32, Errno> {
        use abi::{
            IORING_ASYNC_CANCEL_ALL, IORING_ASYNC_CANCEL_ANY, IORING_ASYNC_CANCEL_FD,
            IORING_ASYNC_CANCEL_FD_FIXED, IORING_ASYNC_CANCEL_OP,
        };
        let opcode = match which {
            CancelSync::Op(op) => op.0,
            _ => 0,
        };
        let (addr, fd, flags) = match which {
            CancelSync::UserData(user_data) => (user_data, -1, 0),
            CancelSync::AllOfUserData(user_data) => (user_data, -1, IORING_ASYNC_CANCEL_ALL),
            CancelSync::Fd(fd) => (0, fd, IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL),
            CancelSync::FixedFile(slot) => (
                0,
                slot as c_int,
                IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_FD_FIXED | IORING_ASYNC_CANCEL_ALL,
            ),
            CancelSync::Op(_) => (0, -1, IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_ALL),
            CancelSync::All => (0, -1, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL),
        };
        let forever = abi::__kernel_timespec {
            tv_sec: -1,
            tv_nsec: -1,
        };
        let arg = abi::io_uring_sync_cancel_reg {
            addr,
            fd,
            flags,
            timeout: timeout.unwrap_or(forever),
            opcode,
            pad: [0; 7],
            pad2: [0; 3],
        };
        // SAFETY: the kernel reads one struct during the call. It ends requests, which
        // gives their memory back earlier, not later.
        check(unsafe {
            self.inner().register(
                abi::IORING_REGISTER_SYNC_CANCEL,
                (&raw const arg).cast::<c_void>(),
                1,
            )
        })
    }

    /// Limits bounded and unbounded workers (0: leaves the limit); the limits
    /// before. Linux 5.15.
    ///
    /// # Errors
    /// EINVAL.
    pub fn register_iowq_max_workers(&mut self, limits: [u32; 2]) -> Result<[u32; 2], Errno> {
        let mut values = limits;
        // SAFETY: the kernel reads and writes two numbers during the call.
        check(unsafe {
            self.inner().register(
                abi::IORING_REGISTER_IOWQ_MAX_WORKERS,
                (&raw mut values).cast_const().cast::<c_void>(),
                2,
            )
        })?;
        Ok(values)
    }

    /// New sizes of the queues, of a ring with `IORING_SETUP_DEFER_TASKRUN`.
    /// Linux 6.13.
    ///
    /// # Errors
    /// EINVAL for another ring or size, EOVERFLOW if what is pending has no
    /// room, entries that were not submitted yet included.
    pub fn resize(&mut self, sq_entries: u32, cq_entries: u32) -> Result<(), Errno> {
        self.end_walk();
        // The kernel counts and moves published entries only.
        self.inner().publish();
        let room = sq_entries.checked_next_power_of_two().unwrap_or(u32::MAX);
        if self.inner().sq_ready() > room {
            check(-libc::EOVERFLOW)?;
        }
        let mut p = crate::ring::setup::params(abi::IORING_SETUP_CQSIZE);
        (p.sq_entries, p.cq_entries) = (sq_entries, cq_entries);
        // SAFETY: the struct is valid; no entry is lent and no other thread has
        // the ring, since it is borrowed alone.
        let resized = unsafe { self.inner().resize(&raw mut p) };
        self.count_anew();
        check(resized).map(|_| ())
    }

    /// Whether waits count as iowait. Linux 6.15.
    ///
    /// # Errors
    /// EOPNOTSUPP where the kernel cannot.
    pub fn set_iowait(&mut self, counts: bool) -> Result<(), Errno> {
        check(self.inner().set_iowait(counts)).map(|_| ())
    }

    /// Keeps the ring's memory out of forked children.
    ///
    /// # Errors
    /// Those of madvise(2).
    pub fn dontfork(&mut self) -> Result<(), Errno> {
        check(self.inner().dontfork()).map(|_| ())
    }
}

/// What a ring with restrictions allows: everything else is refused with EACCES.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Restriction(io_uring_restriction);

impl Restriction {
    /// As the kernel takes them.
    pub(super) fn structs(restrictions: &[Self]) -> &[io_uring_restriction] {
        // SAFETY: transparent: one is the other.
        unsafe { core::slice::from_raw_parts(restrictions.as_ptr().cast(), restrictions.len()) }
    }

    const fn new(kind: u32, value: u8) -> Self {
        Restriction(io_uring_restriction {
            opcode: kind as u16,
            register_op: value,
            resv: 0,
            resv2: [0; 3],
        })
    }

    /// Allows a register call, by its number (`IORING_REGISTER_*`).
    #[must_use]
    pub const fn register(opcode: u8) -> Self {
        Self::new(abi::IORING_RESTRICTION_REGISTER_OP, opcode)
    }

    /// Allows an operation.
    #[must_use]
    pub const fn sqe_op(op: Op) -> Self {
        Self::new(abi::IORING_RESTRICTION_SQE_OP, op.0)
    }

    /// Allows these flags in entries.
    #[must_use]
    pub const fn sqe_flags_allowed(flags: SqeFlags) -> Self {
        Self::new(abi::IORING_RESTRICTION_SQE_FLAGS_ALLOWED, flags.bits())
    }

    /// Wants these flags in every entry.
    #[must_use]
    pub const fn sqe_flags_required(flags: SqeFlags) -> Self {
        Self::new(abi::IORING_RESTRICTION_SQE_FLAGS_REQUIRED, flags.bits())
    }
}

impl From<Restriction> for io_uring_restriction {
    fn from(restriction: Restriction) -> io_uring_restriction {
        restriction.0
    }
}

/// A clock that waits can be measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum ClockId {
    /// Stands while the machine sleeps.
    Monotonic = libc::CLOCK_MONOTONIC as u32,
    /// Goes on while the machine sleeps.
    Boottime = libc::CLOCK_BOOTTIME as u32,
}

/// What `io_uring_napi.opcode` may be: sets how waits poll, adds and removes a queue.
const NAPI_SET: u8 = 0;
const NAPI_ADD_ID: u8 = 1;
const NAPI_DEL_ID: u8 = 2;
/// What its parameter is then, but for [`NapiTracking::Dynamic`].
const NAPI_STATIC: u32 = NapiTracking::Static as u32;
const NAPI_INACTIVE: u32 = NapiTracking::Inactive as u32;

/// How waits poll network devices ([`Ring::register_napi`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Napi {
    /// How long, in microseconds.
    pub busy_poll_usec: u32,
    /// Whether rather than by interrupts.
    pub prefer_busy_poll: bool,
    /// Which queues of devices.
    pub tracking: NapiTracking,
}

impl Napi {
    /// Polls for so many microseconds.
    #[must_use]
    pub const fn new(busy_poll_usec: u32) -> Self {
        Napi {
            busy_poll_usec,
            prefer_busy_poll: false,
            tracking: NapiTracking::Dynamic,
        }
    }

    /// Rather than by interrupts.
    #[must_use]
    pub const fn prefer_busy_poll(mut self) -> Self {
        self.prefer_busy_poll = true;
        self
    }

    /// Which queues of devices.
    #[must_use]
    pub const fn tracking(mut self, tracking: NapiTracking) -> Self {
        self.tracking = tracking;
        self
    }
}

/// Which queues of network devices waits poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum NapiTracking {
    /// Those of the sockets of requests.
    #[default]
    Dynamic = 0,
    /// Those of [`Ring::register_napi_add_id`]. Linux 6.13.
    Static = 1,
    /// None: what kernels answer where nothing is registered. Linux 6.13.
    Inactive = 255,
}

/// Which requests [`Ring::cancel_sync`] cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelSync {
    /// One with this tag.
    UserData(u64),
    /// All with this tag.
    AllOfUserData(u64),
    /// All of a descriptor.
    Fd(c_int),
    /// All of a registered file.
    FixedFile(u32),
    /// All of an operation. Linux 6.6.
    Op(Op),
    /// All.
    All,
}

impl<K: Kernel> Ring<K, ThisThread> {
    /// Registers the ring's descriptor with this thread, which makes enters
    /// cheaper. Linux 5.18.
    ///
    /// # Errors
    /// EEXIST if it is registered, EBUSY if the thread's table is full.
    pub fn register_ring_fd(&mut self) -> Result<(), Errno> {
        check(self.inner().register_ring_fd()).map(|_| ())
    }

    /// Ends that.
    ///
    /// # Errors
    /// EINVAL if it is not registered.
    pub fn unregister_ring_fd(&mut self) -> Result<(), Errno> {
        check(self.inner().unregister_ring_fd()).map(|_| ())
    }
}

#[cfg(feature = "std")]
impl<K: Kernel, T> Ring<K, T> {
    /// Registers files; entries with `IOSQE_FIXED_FILE` name them by their
    /// place.
    ///
    /// # Errors
    /// As [`register_files`](Self::register_files).
    pub fn register_fds(&mut self, files: &[std::os::fd::BorrowedFd<'_>]) -> Result<(), Errno> {
        // SAFETY: a borrowed descriptor has the representation of its number,
        // and the kernel reads that many during the call.
        check(unsafe {
            self.inner()
                .register_files(files.as_ptr().cast::<c_int>(), count(files)?)
        })
        .map(|_| ())
    }
}

/// -1 for a ring that has no descriptor (REGISTERED_FD_ONLY).
#[cfg(feature = "std")]
impl<K: Kernel, T> std::os::fd::AsRawFd for Ring<K, T> {
    fn as_raw_fd(&self) -> c_int {
        self.fd()
    }
}

/// Readable when there are completions. Of a ring that may move: it has a descriptor.
#[cfg(feature = "std")]
impl<K: Kernel> std::os::fd::AsFd for Ring<K> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        // SAFETY: the descriptor is the ring's, which is borrowed with it.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(self.fd()) }
    }
}
