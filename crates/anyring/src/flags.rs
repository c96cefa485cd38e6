//! Flags of the interface, by their names in the kernel's headers without the prefix.
//!
//! Made with the bitflags crate, whose traits the types implement: the one public
//! dependency of this module. Bits that have no name here are kept, since kernels newer
//! than this crate have more; so no operation fails on them.
//!
//! ```
//! use anyring::flags::{SetupFlags, SqeFlags};
//!
//! let flags = SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN;
//! assert_eq!(flags.bits(), 1 << 12 | 1 << 13);
//! assert_eq!(format!("{:?}", SqeFlags::IO_LINK), "SqeFlags(IO_LINK)");
//! ```

use anyring_abi as abi;
use bitflags::bitflags;

macro_rules! flags {
    ($($(#[doc = $doc:literal])+ $name:ident: $bits:ty {
        $(#[doc = $what:literal] $flag:ident = $constant:ident,)*
    })*) => {
        bitflags! {
            $($(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name: $bits {
                $(#[doc = $what] const $flag = abi::$constant as $bits;)*
                // Others are kept.
                const _ = !0;
            })*
        }

        $(impl From<$bits> for $name {
            /// All bits as they are.
            fn from(bits: $bits) -> Self {
                $name::from_bits_retain(bits)
            }
        }

        impl From<$name> for $bits {
            fn from(flags: $name) -> $bits {
                flags.bits()
            }
        })*

        /// Every flag with a name, as the constant it is made of: for the test that
        /// none is missing.
        #[doc(hidden)]
        pub const NAMED: &[&str] = &[$($(stringify!($constant),)*)*];
    };
}

flags! {
    /// How a ring is made: `IORING_SETUP_*` of io_uring_setup(2).
    SetupFlags: u32 {
        /// Completions are polled for; O_DIRECT reads and writes only (Linux 5.1).
        IOPOLL = IORING_SETUP_IOPOLL,
        /// A kernel thread takes SQEs; no system call to submit (Linux 5.1).
        SQPOLL = IORING_SETUP_SQPOLL,
        /// `sq_thread_cpu` names the CPU of that thread (Linux 5.1).
        SQ_AFF = IORING_SETUP_SQ_AFF,
        /// `cq_entries` gives the size of the completion queue (Linux 5.5).
        CQSIZE = IORING_SETUP_CQSIZE,
        /// Too large sizes are cut to the limit instead of refused (Linux 5.6).
        CLAMP = IORING_SETUP_CLAMP,
        /// Shares the worker pool or SQPOLL thread of the ring `wq_fd` (Linux 5.6).
        ATTACH_WQ = IORING_SETUP_ATTACH_WQ,
        /// Starts disabled, for restrictions (Linux 5.10).
        R_DISABLED = IORING_SETUP_R_DISABLED,
        /// A bad SQE does not end the submission of the batch (Linux 5.18).
        SUBMIT_ALL = IORING_SETUP_SUBMIT_ALL,
        /// No interrupt to run completion work (Linux 5.19).
        COOP_TASKRUN = IORING_SETUP_COOP_TASKRUN,
        /// `IORING_SQ_TASKRUN` tells of pending work (Linux 5.19).
        TASKRUN_FLAG = IORING_SETUP_TASKRUN_FLAG,
        /// SQEs of 128 bytes (Linux 5.19).
        SQE128 = IORING_SETUP_SQE128,
        /// CQEs of 32 bytes (Linux 5.19).
        CQE32 = IORING_SETUP_CQE32,
        /// Only one task submits (Linux 6.0).
        SINGLE_ISSUER = IORING_SETUP_SINGLE_ISSUER,
        /// Completion work runs only when asked for events; needs SINGLE_ISSUER (Linux 6.1).
        DEFER_TASKRUN = IORING_SETUP_DEFER_TASKRUN,
        /// The application brings the memory of the rings (Linux 6.5).
        NO_MMAP = IORING_SETUP_NO_MMAP,
        /// The result is a registered ring index, not an fd; needs NO_MMAP (Linux 6.5).
        REGISTERED_FD_ONLY = IORING_SETUP_REGISTERED_FD_ONLY,
        /// No index array: SQEs are taken in order (Linux 6.6).
        NO_SQARRAY = IORING_SETUP_NO_SQARRAY,
        /// IOPOLL that sleeps before it spins (Linux 6.13).
        HYBRID_IOPOLL = IORING_SETUP_HYBRID_IOPOLL,
        /// CQEs of 16 and of 32 bytes in one ring (Linux 6.18).
        CQE_MIXED = IORING_SETUP_CQE_MIXED,
        /// SQEs of 64 and of 128 bytes in one ring (newer than Linux 6.18).
        SQE_MIXED = IORING_SETUP_SQE_MIXED,
        /// Each submission starts at slot 0 (newer than Linux 6.18).
        SQ_REWIND = IORING_SETUP_SQ_REWIND,
    }
    /// What the kernel of a ring can do: `IORING_FEAT_*` of io_uring_setup(2).
    FeatureFlags: u32 {
        /// One mapping holds both rings (Linux 5.4).
        SINGLE_MMAP = IORING_FEAT_SINGLE_MMAP,
        /// Completions are never dropped (Linux 5.5).
        NODROP = IORING_FEAT_NODROP,
        /// Arguments need not outlive submission (Linux 5.5).
        SUBMIT_STABLE = IORING_FEAT_SUBMIT_STABLE,
        /// Offset -1 is the file position (Linux 5.6).
        RW_CUR_POS = IORING_FEAT_RW_CUR_POS,
        /// Requests run with the credentials of the submitter (Linux 5.6).
        CUR_PERSONALITY = IORING_FEAT_CUR_PERSONALITY,
        /// Waiting for readiness needs no worker (Linux 5.7).
        FAST_POLL = IORING_FEAT_FAST_POLL,
        /// Poll takes 32-bit events (Linux 5.9).
        POLL_32BITS = IORING_FEAT_POLL_32BITS,
        /// SQPOLL works with plain fds (Linux 5.11).
        SQPOLL_NONFIXED = IORING_FEAT_SQPOLL_NONFIXED,
        /// Waits take timeouts (Linux 5.11).
        EXT_ARG = IORING_FEAT_EXT_ARG,
        /// Workers are threads of the process; rings count against memlock from 6.14 on only (Linux 5.12).
        NATIVE_WORKERS = IORING_FEAT_NATIVE_WORKERS,
        /// Registered resources have tags (Linux 5.13).
        RSRC_TAGS = IORING_FEAT_RSRC_TAGS,
        /// `IOSQE_CQE_SKIP_SUCCESS` works (Linux 5.17).
        CQE_SKIP = IORING_FEAT_CQE_SKIP,
        /// A linked request looks its file up when it starts (Linux 5.18).
        LINKED_FILE = IORING_FEAT_LINKED_FILE,
        /// Register calls take a registered ring index (Linux 6.3).
        REG_REG_RING = IORING_FEAT_REG_REG_RING,
        /// Bundles work (Linux 6.10).
        RECVSEND_BUNDLE = IORING_FEAT_RECVSEND_BUNDLE,
        /// Minimum waits work (Linux 6.12).
        MIN_TIMEOUT = IORING_FEAT_MIN_TIMEOUT,
        /// Read and write take attributes (Linux 6.14).
        RW_ATTR = IORING_FEAT_RW_ATTR,
        /// `IORING_ENTER_NO_IOWAIT` works (Linux 6.15).
        NO_IOWAIT = IORING_FEAT_NO_IOWAIT,
    }
    /// How an entry is treated: `IOSQE_*`, the field `flags` of an entry.
    SqeFlags: u8 {
        /// The fd is an index into the registered files (Linux 5.1).
        FIXED_FILE = IOSQE_FIXED_FILE,
        /// Starts when all requests before it have completed (Linux 5.2).
        IO_DRAIN = IOSQE_IO_DRAIN,
        /// The next SQE starts when this one succeeded (Linux 5.3).
        IO_LINK = IOSQE_IO_LINK,
        /// As a link, but severed only by submission errors (Linux 5.5).
        IO_HARDLINK = IOSQE_IO_HARDLINK,
        /// Goes to a worker at once, without a non-blocking try (Linux 5.6).
        ASYNC = IOSQE_ASYNC,
        /// The kernel takes a buffer from the group `buf_group` (Linux 5.7).
        BUFFER_SELECT = IOSQE_BUFFER_SELECT,
        /// Posts no CQE when it succeeds (Linux 5.17).
        CQE_SKIP_SUCCESS = IOSQE_CQE_SKIP_SUCCESS,
    }
    /// What a completion says beside its result: `IORING_CQE_F_*`. The upper 16 bits are the
    /// number of a buffer, which [`Completion::buffer_id`](crate::Completion::buffer_id) gives.
    CqeFlags: u32 {
        /// The upper 16 bits of flags are a buffer id.
        BUFFER = IORING_CQE_F_BUFFER,
        /// More CQEs of the same request follow.
        MORE = IORING_CQE_F_MORE,
        /// The socket holds more data.
        SOCK_NONEMPTY = IORING_CQE_F_SOCK_NONEMPTY,
        /// The notification of a zero-copy send.
        NOTIF = IORING_CQE_F_NOTIF,
        /// The buffer will be used further (incremental buffer rings).
        BUF_MORE = IORING_CQE_F_BUF_MORE,
        /// Filler, to be ignored.
        SKIP = IORING_CQE_F_SKIP,
        /// This entry has 32 bytes (CQE_MIXED).
        ENTRY_32 = IORING_CQE_F_32,
        /// The time stamp was made by hardware.
        TSTAMP_HW = IORING_CQE_F_TSTAMP_HW,
    }
    /// Flags of io_uring_enter(2): `IORING_ENTER_*`. For kernels behind the seam and for those
    /// who look at what was called.
    EnterFlags: u32 {
        /// Waits for or fetches completions.
        GETEVENTS = IORING_ENTER_GETEVENTS,
        /// Wakes the SQPOLL thread.
        SQ_WAKEUP = IORING_ENTER_SQ_WAKEUP,
        /// Waits for room in the SQ (Linux 5.10).
        SQ_WAIT = IORING_ENTER_SQ_WAIT,
        /// The argument is a `struct io_uring_getevents_arg` (Linux 5.11).
        EXT_ARG = IORING_ENTER_EXT_ARG,
        /// The fd is a registered ring index (Linux 5.18).
        REGISTERED_RING = IORING_ENTER_REGISTERED_RING,
        /// The timeout is absolute (Linux 6.12).
        ABS_TIMER = IORING_ENTER_ABS_TIMER,
        /// The argument is an offset into the registered wait region (Linux 6.13).
        EXT_ARG_REG = IORING_ENTER_EXT_ARG_REG,
        /// Waiting is not counted as iowait (Linux 6.15).
        NO_IOWAIT = IORING_ENTER_NO_IOWAIT,
    }
    /// Flags of timeouts: `IORING_TIMEOUT_*`, `IORING_LINK_TIMEOUT_UPDATE`.
    TimeoutFlags: u32 {
        /// The time is absolute.
        ABS = IORING_TIMEOUT_ABS,
        /// Changes a timer instead of removing it (Linux 5.11).
        UPDATE = IORING_TIMEOUT_UPDATE,
        /// Measured by CLOCK_BOOTTIME (Linux 5.15).
        BOOTTIME = IORING_TIMEOUT_BOOTTIME,
        /// Measured by CLOCK_REALTIME (Linux 5.15).
        REALTIME = IORING_TIMEOUT_REALTIME,
        /// Expiry counts as success for links (Linux 5.16).
        ETIME_SUCCESS = IORING_TIMEOUT_ETIME_SUCCESS,
        /// Expires again and again (Linux 6.4).
        MULTISHOT = IORING_TIMEOUT_MULTISHOT,
        /// `addr` holds nanoseconds, not a pointer (newer than Linux 6.18).
        IMMEDIATE_ARG = IORING_TIMEOUT_IMMEDIATE_ARG,
        /// Changes a link timeout (Linux 5.15).
        LINK_UPDATE = IORING_LINK_TIMEOUT_UPDATE,
    }
    /// Flags of poll requests: `IORING_POLL_*`.
    PollFlags: u32 {
        /// Posts a CQE at every event (Linux 5.13).
        ADD_MULTI = IORING_POLL_ADD_MULTI,
        /// Changes the events of a poll request (Linux 5.13).
        UPDATE_EVENTS = IORING_POLL_UPDATE_EVENTS,
        /// Changes the user_data of a poll request (Linux 5.13).
        UPDATE_USER_DATA = IORING_POLL_UPDATE_USER_DATA,
        /// Level triggered (Linux 6.0).
        ADD_LEVEL = IORING_POLL_ADD_LEVEL,
    }
    /// Which requests a cancellation means: `IORING_ASYNC_CANCEL_*`.
    CancelFlags: u32 {
        /// Cancels every match, not just the first (Linux 5.19).
        ALL = IORING_ASYNC_CANCEL_ALL,
        /// Matches by file (Linux 5.19).
        FD = IORING_ASYNC_CANCEL_FD,
        /// Matches any request (Linux 5.19).
        ANY = IORING_ASYNC_CANCEL_ANY,
        /// The fd to match is a registered file (Linux 6.0).
        FD_FIXED = IORING_ASYNC_CANCEL_FD_FIXED,
        /// Matches by user_data (Linux 6.6).
        USERDATA = IORING_ASYNC_CANCEL_USERDATA,
        /// Matches by opcode (Linux 6.6).
        OP = IORING_ASYNC_CANCEL_OP,
    }
    /// How sockets are read and written, in `ioprio`: `IORING_RECVSEND_*`, `IORING_RECV_*`,
    /// `IORING_SEND_*`.
    SendRecvFlags: u16 {
        /// Waits for readiness before the first try (Linux 5.19).
        POLL_FIRST = IORING_RECVSEND_POLL_FIRST,
        /// `buf_index` names a registered buffer (Linux 6.0).
        FIXED_BUF = IORING_RECVSEND_FIXED_BUF,
        /// Uses several provided buffers at once (Linux 6.10).
        BUNDLE = IORING_RECVSEND_BUNDLE,
        /// Posts a CQE for every receive (Linux 6.0).
        RECV_MULTISHOT = IORING_RECV_MULTISHOT,
        /// The notification tells whether data was copied (Linux 6.2).
        SEND_ZC_REPORT_USAGE = IORING_SEND_ZC_REPORT_USAGE,
        /// The buffer of a send is an iovec array (Linux 6.17).
        SEND_VECTORIZED = IORING_SEND_VECTORIZED,
    }
    /// How connections are accepted, in `ioprio`: `IORING_ACCEPT_*`.
    AcceptFlags: u16 {
        /// Accepts again and again (Linux 5.19).
        MULTISHOT = IORING_ACCEPT_MULTISHOT,
        /// Fails with -EAGAIN instead of waiting (Linux 6.10).
        DONTWAIT = IORING_ACCEPT_DONTWAIT,
        /// Waits for readiness before the first try (Linux 6.10).
        POLL_FIRST = IORING_ACCEPT_POLL_FIRST,
    }
    /// Flags of messages to rings: `IORING_MSG_RING_*`.
    MsgRingFlags: u32 {
        /// Posts no CQE in the target ring (Linux 6.0).
        CQE_SKIP = IORING_MSG_RING_CQE_SKIP,
        /// Passes `file_index` as CQE flags (Linux 6.3).
        FLAGS_PASS = IORING_MSG_RING_FLAGS_PASS,
    }
    /// Flags of NOPs: `IORING_NOP_*`.
    NopFlags: u32 {
        /// Completes with `len` as its result (Linux 6.11).
        INJECT_RESULT = IORING_NOP_INJECT_RESULT,
        /// Completes with a 32-byte CQE (Linux 6.18).
        CQE32 = IORING_NOP_CQE32,
    }
    /// Flags of fsync requests: `IORING_FSYNC_*`.
    FsyncFlags: u32 {
        /// fdatasync(2) instead of fsync(2).
        DATASYNC = IORING_FSYNC_DATASYNC,
    }
    /// Flags of commands: `IORING_URING_CMD_*`.
    CommandFlags: u32 {
        /// The command uses a registered buffer (Linux 6.1).
        FIXED = IORING_URING_CMD_FIXED,
    }
    /// Flags of `FIXED_FD_INSTALL`: `IORING_FIXED_FD_*`.
    InstallFlags: u32 {
        /// The installed fd stays open over exec (Linux 6.8).
        NO_CLOEXEC = IORING_FIXED_FD_NO_CLOEXEC,
    }
    /// How a ring of provided buffers works: `IOU_PBUF_RING_*`.
    BufRingFlags: u16 {
        /// The kernel allocates the buffer ring (Linux 6.4).
        MMAP = IOU_PBUF_RING_MMAP,
        /// Buffers are used up piece by piece (Linux 6.12).
        INC = IOU_PBUF_RING_INC,
    }
    /// How buffers are cloned: `IORING_REGISTER_SRC_REGISTERED`, `IORING_REGISTER_DST_REPLACE`.
    CloneFlags: u32 {
        /// The source ring is a registered index.
        SRC_REGISTERED = IORING_REGISTER_SRC_REGISTERED,
        /// Replaces buffers the destination has (Linux 6.13).
        DST_REPLACE = IORING_REGISTER_DST_REPLACE,
    }
}

/// With a constant of [`abi`]: `ring.features() & IORING_FEAT_NODROP`.
impl core::ops::BitAnd<u32> for FeatureFlags {
    type Output = u32;

    fn bitand(self, bits: u32) -> u32 {
        self.bits() & bits
    }
}

/// With a constant of [`abi`]: `ring.setup_flags() & IORING_SETUP_SQPOLL`.
impl core::ops::BitAnd<u32> for SetupFlags {
    type Output = u32;

    fn bitand(self, bits: u32) -> u32 {
        self.bits() & bits
    }
}
