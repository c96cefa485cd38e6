//! Constants of the interface, each with the form it has in C.
//!
//! One macro makes both the Rust constant and its row in [`GROUPS`], from
//! which the C headers are generated. Values: `linux/io_uring.h` of Linux 7.x
//! development as listed in `tests/abi/facts/constants.json`, which the tests
//! compare with this file. Enum members are `u32` here, whatever C makes of
//! them: an unknown value from the kernel must stay representable.

/// How a group of constants is written in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Members of an enum; the tag may be empty.
    Enum(&'static str),
    /// Macros of type `int`.
    Int,
    /// Macros of type `unsigned int`.
    UInt,
    /// Macros of type `unsigned long long`.
    ULongLong,
}

/// One constant.
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    /// Its name in C and in Rust.
    pub name: &'static str,
    /// Its value, two's complement.
    pub value: u64,
    /// The Rust expression it was given by, e.g. `1 << 3`.
    pub expression: &'static str,
    /// One line of documentation.
    pub doc: &'static str,
}

/// Constants that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The public header that defines them.
    pub header: &'static str,
    /// Their form in C.
    pub form: Form,
    /// What they are for.
    pub doc: &'static str,
    /// The constants in order of declaration.
    pub constants: &'static [Constant],
}

macro_rules! groups {
    ($( $gdoc:literal $header:literal $form:expr => $ty:ty { $( #[doc = $doc:literal] $name:ident = $value:expr, )* } )*) => {
        $( $( #[doc = $doc] pub const $name: $ty = $value; )* )*
        /// Every constant of the public headers, in the order of the headers.
        pub static GROUPS: &[Group] = &[ $(
            Group { header: $header, form: $form, doc: $gdoc, constants: &[ $(
                Constant { name: stringify!($name), value: $name as u64, expression: stringify!($value), doc: $doc },
            )* ] },
        )* ];
    };
}

groups! {
    "Bit numbers of the SQE flags."
    "liburing/io_uring.h" Form::Enum("io_uring_sqe_flags_bit") => u32 {
        #[doc = "Bit number of `IOSQE_FIXED_FILE`."]
        IOSQE_FIXED_FILE_BIT = 0,
        #[doc = "Bit number of `IOSQE_IO_DRAIN`."]
        IOSQE_IO_DRAIN_BIT = 1,
        #[doc = "Bit number of `IOSQE_IO_LINK`."]
        IOSQE_IO_LINK_BIT = 2,
        #[doc = "Bit number of `IOSQE_IO_HARDLINK`."]
        IOSQE_IO_HARDLINK_BIT = 3,
        #[doc = "Bit number of `IOSQE_ASYNC`."]
        IOSQE_ASYNC_BIT = 4,
        #[doc = "Bit number of `IOSQE_BUFFER_SELECT`."]
        IOSQE_BUFFER_SELECT_BIT = 5,
        #[doc = "Bit number of `IOSQE_CQE_SKIP_SUCCESS`."]
        IOSQE_CQE_SKIP_SUCCESS_BIT = 6,
    }
    "Operations."
    "liburing/io_uring.h" Form::Enum("io_uring_op") => u32 {
        #[doc = "Does nothing (Linux 5.1)."]
        IORING_OP_NOP = 0,
        #[doc = "Reads into an iovec array (Linux 5.1)."]
        IORING_OP_READV = 1,
        #[doc = "Writes from an iovec array (Linux 5.1)."]
        IORING_OP_WRITEV = 2,
        #[doc = "Flushes a file (Linux 5.1)."]
        IORING_OP_FSYNC = 3,
        #[doc = "Reads into a registered buffer (Linux 5.1)."]
        IORING_OP_READ_FIXED = 4,
        #[doc = "Writes from a registered buffer (Linux 5.1)."]
        IORING_OP_WRITE_FIXED = 5,
        #[doc = "Waits for poll events (Linux 5.1)."]
        IORING_OP_POLL_ADD = 6,
        #[doc = "Ends or changes a poll request (Linux 5.1)."]
        IORING_OP_POLL_REMOVE = 7,
        #[doc = "Flushes a range of a file (Linux 5.2)."]
        IORING_OP_SYNC_FILE_RANGE = 8,
        #[doc = "sendmsg(2) (Linux 5.3)."]
        IORING_OP_SENDMSG = 9,
        #[doc = "recvmsg(2) (Linux 5.3)."]
        IORING_OP_RECVMSG = 10,
        #[doc = "A timer (Linux 5.4)."]
        IORING_OP_TIMEOUT = 11,
        #[doc = "Ends or changes a timer (Linux 5.5)."]
        IORING_OP_TIMEOUT_REMOVE = 12,
        #[doc = "accept4(2) (Linux 5.5)."]
        IORING_OP_ACCEPT = 13,
        #[doc = "Cancels requests (Linux 5.5)."]
        IORING_OP_ASYNC_CANCEL = 14,
        #[doc = "Limits the time of the request it is linked to (Linux 5.5)."]
        IORING_OP_LINK_TIMEOUT = 15,
        #[doc = "connect(2) (Linux 5.5)."]
        IORING_OP_CONNECT = 16,
        #[doc = "fallocate(2) (Linux 5.6)."]
        IORING_OP_FALLOCATE = 17,
        #[doc = "openat(2) (Linux 5.6)."]
        IORING_OP_OPENAT = 18,
        #[doc = "close(2), or empties a registered slot (Linux 5.6)."]
        IORING_OP_CLOSE = 19,
        #[doc = "Updates the registered files (Linux 5.6)."]
        IORING_OP_FILES_UPDATE = 20,
        #[doc = "statx(2) (Linux 5.6)."]
        IORING_OP_STATX = 21,
        #[doc = "pread(2) (Linux 5.6)."]
        IORING_OP_READ = 22,
        #[doc = "pwrite(2) (Linux 5.6)."]
        IORING_OP_WRITE = 23,
        #[doc = "posix_fadvise(2) (Linux 5.6)."]
        IORING_OP_FADVISE = 24,
        #[doc = "madvise(2) (Linux 5.6)."]
        IORING_OP_MADVISE = 25,
        #[doc = "send(2), sendto(2) (Linux 5.6)."]
        IORING_OP_SEND = 26,
        #[doc = "recv(2) (Linux 5.6)."]
        IORING_OP_RECV = 27,
        #[doc = "openat2(2) (Linux 5.6)."]
        IORING_OP_OPENAT2 = 28,
        #[doc = "epoll_ctl(2) (Linux 5.6)."]
        IORING_OP_EPOLL_CTL = 29,
        #[doc = "splice(2) (Linux 5.7)."]
        IORING_OP_SPLICE = 30,
        #[doc = "Gives buffers to a group (Linux 5.7)."]
        IORING_OP_PROVIDE_BUFFERS = 31,
        #[doc = "Takes buffers from a group (Linux 5.7)."]
        IORING_OP_REMOVE_BUFFERS = 32,
        #[doc = "tee(2) (Linux 5.8)."]
        IORING_OP_TEE = 33,
        #[doc = "shutdown(2) (Linux 5.11)."]
        IORING_OP_SHUTDOWN = 34,
        #[doc = "renameat2(2) (Linux 5.11)."]
        IORING_OP_RENAMEAT = 35,
        #[doc = "unlinkat(2) (Linux 5.11)."]
        IORING_OP_UNLINKAT = 36,
        #[doc = "mkdirat(2) (Linux 5.15)."]
        IORING_OP_MKDIRAT = 37,
        #[doc = "symlinkat(2) (Linux 5.15)."]
        IORING_OP_SYMLINKAT = 38,
        #[doc = "linkat(2) (Linux 5.15)."]
        IORING_OP_LINKAT = 39,
        #[doc = "Posts a CQE or a file to another ring (Linux 5.18)."]
        IORING_OP_MSG_RING = 40,
        #[doc = "fsetxattr(2) (Linux 5.19)."]
        IORING_OP_FSETXATTR = 41,
        #[doc = "setxattr(2) (Linux 5.19)."]
        IORING_OP_SETXATTR = 42,
        #[doc = "fgetxattr(2) (Linux 5.19)."]
        IORING_OP_FGETXATTR = 43,
        #[doc = "getxattr(2) (Linux 5.19)."]
        IORING_OP_GETXATTR = 44,
        #[doc = "socket(2) (Linux 5.19)."]
        IORING_OP_SOCKET = 45,
        #[doc = "A command of the file's own (Linux 5.19)."]
        IORING_OP_URING_CMD = 46,
        #[doc = "Zero-copy send, completed twice (Linux 6.0)."]
        IORING_OP_SEND_ZC = 47,
        #[doc = "Zero-copy sendmsg, completed twice (Linux 6.1)."]
        IORING_OP_SENDMSG_ZC = 48,
        #[doc = "Reads into provided buffers until stopped (Linux 6.7)."]
        IORING_OP_READ_MULTISHOT = 49,
        #[doc = "waitid(2) (Linux 6.7)."]
        IORING_OP_WAITID = 50,
        #[doc = "Waits on a futex (Linux 6.7)."]
        IORING_OP_FUTEX_WAIT = 51,
        #[doc = "Wakes a futex (Linux 6.7)."]
        IORING_OP_FUTEX_WAKE = 52,
        #[doc = "Waits on several futexes (Linux 6.7)."]
        IORING_OP_FUTEX_WAITV = 53,
        #[doc = "Makes an fd of a registered file (Linux 6.8)."]
        IORING_OP_FIXED_FD_INSTALL = 54,
        #[doc = "ftruncate(2) (Linux 6.9)."]
        IORING_OP_FTRUNCATE = 55,
        #[doc = "bind(2) (Linux 6.11)."]
        IORING_OP_BIND = 56,
        #[doc = "listen(2) (Linux 6.11)."]
        IORING_OP_LISTEN = 57,
        #[doc = "Zero-copy receive (Linux 6.15)."]
        IORING_OP_RECV_ZC = 58,
        #[doc = "epoll_wait(2) (Linux 6.15)."]
        IORING_OP_EPOLL_WAIT = 59,
        #[doc = "Vectored read into registered buffers (Linux 6.15)."]
        IORING_OP_READV_FIXED = 60,
        #[doc = "Vectored write from registered buffers (Linux 6.15)."]
        IORING_OP_WRITEV_FIXED = 61,
        #[doc = "pipe2(2) (Linux 6.16)."]
        IORING_OP_PIPE = 62,
        #[doc = "Does nothing, in a 128-byte SQE (newer than Linux 6.18)."]
        IORING_OP_NOP128 = 63,
        #[doc = "A command of the file's own, in a 128-byte SQE (newer than Linux 6.18)."]
        IORING_OP_URING_CMD128 = 64,
        #[doc = "Number of operations known to this header."]
        IORING_OP_LAST = 65,
    }
    "Kinds of msg_ring."
    "liburing/io_uring.h" Form::Enum("io_uring_msg_ring_flags") => u32 {
        #[doc = "Sends `len` and `off` as res and user_data (Linux 5.18)."]
        IORING_MSG_DATA = 0,
        #[doc = "Sends a registered file (Linux 6.0)."]
        IORING_MSG_SEND_FD = 1,
    }
    "Register calls."
    "liburing/io_uring.h" Form::Enum("io_uring_register_op") => u32 {
        #[doc = "Registers buffers (Linux 5.1)."]
        IORING_REGISTER_BUFFERS = 0,
        #[doc = "Unregisters them (Linux 5.1)."]
        IORING_UNREGISTER_BUFFERS = 1,
        #[doc = "Registers files (Linux 5.1)."]
        IORING_REGISTER_FILES = 2,
        #[doc = "Unregisters them (Linux 5.1)."]
        IORING_UNREGISTER_FILES = 3,
        #[doc = "Registers an eventfd for completions (Linux 5.2)."]
        IORING_REGISTER_EVENTFD = 4,
        #[doc = "Unregisters it (Linux 5.2)."]
        IORING_UNREGISTER_EVENTFD = 5,
        #[doc = "Changes registered files (Linux 5.5)."]
        IORING_REGISTER_FILES_UPDATE = 6,
        #[doc = "As the eventfd, for asynchronous completions only (Linux 5.6)."]
        IORING_REGISTER_EVENTFD_ASYNC = 7,
        #[doc = "Asks which operations exist (Linux 5.6)."]
        IORING_REGISTER_PROBE = 8,
        #[doc = "Registers the current credentials (Linux 5.6)."]
        IORING_REGISTER_PERSONALITY = 9,
        #[doc = "Unregisters credentials (Linux 5.6)."]
        IORING_UNREGISTER_PERSONALITY = 10,
        #[doc = "Restricts a disabled ring (Linux 5.10)."]
        IORING_REGISTER_RESTRICTIONS = 11,
        #[doc = "Enables a disabled ring (Linux 5.10)."]
        IORING_REGISTER_ENABLE_RINGS = 12,
        #[doc = "Registers files with tags or sparse (Linux 5.13)."]
        IORING_REGISTER_FILES2 = 13,
        #[doc = "Changes registered files, with tags (Linux 5.13)."]
        IORING_REGISTER_FILES_UPDATE2 = 14,
        #[doc = "Registers buffers with tags or sparse (Linux 5.13)."]
        IORING_REGISTER_BUFFERS2 = 15,
        #[doc = "Changes registered buffers (Linux 5.13)."]
        IORING_REGISTER_BUFFERS_UPDATE = 16,
        #[doc = "Sets the CPUs of workers (Linux 5.14)."]
        IORING_REGISTER_IOWQ_AFF = 17,
        #[doc = "Resets them (Linux 5.14)."]
        IORING_UNREGISTER_IOWQ_AFF = 18,
        #[doc = "Sets the number of workers (Linux 5.15)."]
        IORING_REGISTER_IOWQ_MAX_WORKERS = 19,
        #[doc = "Registers ring fds with the task (Linux 5.18)."]
        IORING_REGISTER_RING_FDS = 20,
        #[doc = "Unregisters them (Linux 5.18)."]
        IORING_UNREGISTER_RING_FDS = 21,
        #[doc = "Registers a provided-buffer ring (Linux 5.19)."]
        IORING_REGISTER_PBUF_RING = 22,
        #[doc = "Unregisters it (Linux 5.19)."]
        IORING_UNREGISTER_PBUF_RING = 23,
        #[doc = "Cancels and waits (Linux 6.0)."]
        IORING_REGISTER_SYNC_CANCEL = 24,
        #[doc = "Sets the range for allocated slots (Linux 6.0)."]
        IORING_REGISTER_FILE_ALLOC_RANGE = 25,
        #[doc = "Tells the head of a buffer ring (Linux 6.8)."]
        IORING_REGISTER_PBUF_STATUS = 26,
        #[doc = "Sets busy polling (Linux 6.9)."]
        IORING_REGISTER_NAPI = 27,
        #[doc = "Ends busy polling (Linux 6.9)."]
        IORING_UNREGISTER_NAPI = 28,
        #[doc = "Sets the clock of waits (Linux 6.12)."]
        IORING_REGISTER_CLOCK = 29,
        #[doc = "Copies registered buffers from another ring (Linux 6.12)."]
        IORING_REGISTER_CLONE_BUFFERS = 30,
        #[doc = "Sends a msg_ring without a ring (Linux 6.13)."]
        IORING_REGISTER_SEND_MSG_RING = 31,
        #[doc = "Registers a zero-copy receive queue (Linux 6.15)."]
        IORING_REGISTER_ZCRX_IFQ = 32,
        #[doc = "Resizes the rings (Linux 6.13)."]
        IORING_REGISTER_RESIZE_RINGS = 33,
        #[doc = "Registers a memory region (Linux 6.13)."]
        IORING_REGISTER_MEM_REGION = 34,
        #[doc = "Asks for capabilities (Linux 6.18)."]
        IORING_REGISTER_QUERY = 35,
        #[doc = "Controls a zero-copy receive queue (newer than Linux 6.18)."]
        IORING_REGISTER_ZCRX_CTRL = 36,
        #[doc = "Filters operations by BPF (newer than Linux 6.18)."]
        IORING_REGISTER_BPF_FILTER = 37,
        #[doc = "Number of register calls known to this header."]
        IORING_REGISTER_LAST = 38,
        #[doc = "ORed into the call: the fd is a registered ring index (Linux 6.3)."]
        IORING_REGISTER_USE_REGISTERED_RING = 1 << 31,
    }
    "Kinds of worker."
    "liburing/io_uring.h" Form::Enum("io_wq_type") => u32 {
        #[doc = "Index of the limit for bounded work."]
        IO_WQ_BOUND = 0,
        #[doc = "Index of the limit for unbounded work."]
        IO_WQ_UNBOUND = 1,
    }
    "Kinds of memory region."
    "liburing/io_uring.h" Form::Enum("") => u32 {
        #[doc = "The region is memory of the application."]
        IORING_MEM_REGION_TYPE_USER = 1,
    }
    "Flags of a region registration."
    "liburing/io_uring.h" Form::Enum("") => u32 {
        #[doc = "The region holds `struct io_uring_reg_wait`."]
        IORING_MEM_REGION_REG_WAIT_ARG = 1,
    }
    "Flags of buffer cloning."
    "liburing/io_uring.h" Form::Enum("") => u32 {
        #[doc = "The source ring is a registered index."]
        IORING_REGISTER_SRC_REGISTERED = 1,
        #[doc = "Replaces buffers the destination has (Linux 6.13)."]
        IORING_REGISTER_DST_REPLACE = 2,
    }
    "Flags of a provided-buffer ring."
    "liburing/io_uring.h" Form::Enum("io_uring_register_pbuf_ring_flags") => u32 {
        #[doc = "The kernel allocates the buffer ring (Linux 6.4)."]
        IOU_PBUF_RING_MMAP = 1,
        #[doc = "Buffers are used up piece by piece (Linux 6.12)."]
        IOU_PBUF_RING_INC = 2,
    }
    "Kinds of restriction."
    "liburing/io_uring.h" Form::Enum("io_uring_register_restriction_op") => u32 {
        #[doc = "Allows a register call."]
        IORING_RESTRICTION_REGISTER_OP = 0,
        #[doc = "Allows an operation."]
        IORING_RESTRICTION_SQE_OP = 1,
        #[doc = "Allows SQE flags."]
        IORING_RESTRICTION_SQE_FLAGS_ALLOWED = 2,
        #[doc = "Demands SQE flags."]
        IORING_RESTRICTION_SQE_FLAGS_REQUIRED = 3,
        #[doc = "Number of restriction kinds."]
        IORING_RESTRICTION_LAST = 4,
    }
    "Flags of a registered wait."
    "liburing/io_uring.h" Form::Enum("") => u32 {
        #[doc = "The timeout in the block is valid."]
        IORING_REG_WAIT_TS = 1,
    }
    "Socket commands."
    "liburing/io_uring.h" Form::Enum("io_uring_socket_op") => u32 {
        #[doc = "Bytes that can be received (Linux 6.7)."]
        SOCKET_URING_OP_SIOCINQ = 0,
        #[doc = "Bytes not sent yet (Linux 6.7)."]
        SOCKET_URING_OP_SIOCOUTQ = 1,
        #[doc = "getsockopt(2) (Linux 6.7)."]
        SOCKET_URING_OP_GETSOCKOPT = 2,
        #[doc = "setsockopt(2) (Linux 6.7)."]
        SOCKET_URING_OP_SETSOCKOPT = 3,
        #[doc = "Fetches transmit time stamps (Linux 6.17)."]
        SOCKET_URING_OP_TX_TIMESTAMP = 4,
        #[doc = "getsockname(2), getpeername(2) (newer than Linux 6.18)."]
        SOCKET_URING_OP_GETSOCKNAME = 5,
    }
    "Flags of a zero-copy receive area."
    "liburing/io_uring.h" Form::Enum("io_uring_zcrx_area_flags") => u32 {
        #[doc = "The area is a DMA buffer."]
        IORING_ZCRX_AREA_DMABUF = 1,
    }
    "Flags of a zero-copy receive registration."
    "liburing/io_uring.h" Form::Enum("zcrx_reg_flags") => u32 {
        #[doc = "Imports a queue of another ring."]
        ZCRX_REG_IMPORT = 1,
        #[doc = "A queue without a device."]
        ZCRX_REG_NODEV = 2,
    }
    "Features of zero-copy receive."
    "liburing/io_uring.h" Form::Enum("zcrx_features") => u32 {
        #[doc = "The page size of receive buffers can be chosen."]
        ZCRX_FEATURE_RX_PAGE_SIZE = 1,
    }
    "Zero-copy receive controls."
    "liburing/io_uring.h" Form::Enum("zcrx_ctrl_op") => u32 {
        #[doc = "Flushes the refill queue."]
        ZCRX_CTRL_FLUSH_RQ = 0,
        #[doc = "Exports the queue as an fd."]
        ZCRX_CTRL_EXPORT = 1,
        #[doc = "Number of control calls."]
        __ZCRX_CTRL_LAST = 2,
    }
    "Attributes of reads and writes."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The attribute block is a `struct io_uring_attr_pi` (Linux 6.14)."]
        IORING_RW_ATTR_FLAG_PI = 1 << 0,
    }
    "File indices."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "As a file index: the kernel chooses a free slot (Linux 5.19)."]
        IORING_FILE_INDEX_ALLOC = 0xffffffff,
    }
    "Flags of an SQE."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The fd is an index into the registered files (Linux 5.1)."]
        IOSQE_FIXED_FILE = 1 << 0,
        #[doc = "Starts when all requests before it have completed (Linux 5.2)."]
        IOSQE_IO_DRAIN = 1 << 1,
        #[doc = "The next SQE starts when this one succeeded (Linux 5.3)."]
        IOSQE_IO_LINK = 1 << 2,
        #[doc = "As a link, but severed only by submission errors (Linux 5.5)."]
        IOSQE_IO_HARDLINK = 1 << 3,
        #[doc = "Goes to a worker at once, without a non-blocking try (Linux 5.6)."]
        IOSQE_ASYNC = 1 << 4,
        #[doc = "The kernel takes a buffer from the group `buf_group` (Linux 5.7)."]
        IOSQE_BUFFER_SELECT = 1 << 5,
        #[doc = "Posts no CQE when it succeeds (Linux 5.17)."]
        IOSQE_CQE_SKIP_SUCCESS = 1 << 6,
    }
    "Flags of io_uring_setup(2)."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "Completions are polled for; O_DIRECT reads and writes only (Linux 5.1)."]
        IORING_SETUP_IOPOLL = 1 << 0,
        #[doc = "A kernel thread takes SQEs; no system call to submit (Linux 5.1)."]
        IORING_SETUP_SQPOLL = 1 << 1,
        #[doc = "`sq_thread_cpu` names the CPU of that thread (Linux 5.1)."]
        IORING_SETUP_SQ_AFF = 1 << 2,
        #[doc = "`cq_entries` gives the size of the completion queue (Linux 5.5)."]
        IORING_SETUP_CQSIZE = 1 << 3,
        #[doc = "Too large sizes are cut to the limit instead of refused (Linux 5.6)."]
        IORING_SETUP_CLAMP = 1 << 4,
        #[doc = "Shares the worker pool or SQPOLL thread of the ring `wq_fd` (Linux 5.6)."]
        IORING_SETUP_ATTACH_WQ = 1 << 5,
        #[doc = "Starts disabled, for restrictions (Linux 5.10)."]
        IORING_SETUP_R_DISABLED = 1 << 6,
        #[doc = "A bad SQE does not end the submission of the batch (Linux 5.18)."]
        IORING_SETUP_SUBMIT_ALL = 1 << 7,
        #[doc = "No interrupt to run completion work (Linux 5.19)."]
        IORING_SETUP_COOP_TASKRUN = 1 << 8,
        #[doc = "`IORING_SQ_TASKRUN` tells of pending work (Linux 5.19)."]
        IORING_SETUP_TASKRUN_FLAG = 1 << 9,
        #[doc = "SQEs of 128 bytes (Linux 5.19)."]
        IORING_SETUP_SQE128 = 1 << 10,
        #[doc = "CQEs of 32 bytes (Linux 5.19)."]
        IORING_SETUP_CQE32 = 1 << 11,
        #[doc = "Only one task submits (Linux 6.0)."]
        IORING_SETUP_SINGLE_ISSUER = 1 << 12,
        #[doc = "Completion work runs only when asked for events; needs SINGLE_ISSUER (Linux 6.1)."]
        IORING_SETUP_DEFER_TASKRUN = 1 << 13,
        #[doc = "The application brings the memory of the rings (Linux 6.5)."]
        IORING_SETUP_NO_MMAP = 1 << 14,
        #[doc = "The result is a registered ring index, not an fd; needs NO_MMAP (Linux 6.5)."]
        IORING_SETUP_REGISTERED_FD_ONLY = 1 << 15,
        #[doc = "No index array: SQEs are taken in order (Linux 6.6)."]
        IORING_SETUP_NO_SQARRAY = 1 << 16,
        #[doc = "IOPOLL that sleeps before it spins (Linux 6.13)."]
        IORING_SETUP_HYBRID_IOPOLL = 1 << 17,
        #[doc = "CQEs of 16 and of 32 bytes in one ring (Linux 6.18)."]
        IORING_SETUP_CQE_MIXED = 1 << 18,
        #[doc = "SQEs of 64 and of 128 bytes in one ring (newer than Linux 6.18)."]
        IORING_SETUP_SQE_MIXED = 1 << 19,
        #[doc = "Each submission starts at slot 0 (newer than Linux 6.18)."]
        IORING_SETUP_SQ_REWIND = 1 << 20,
    }
    "Flags of a command."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The command uses a registered buffer (Linux 6.1)."]
        IORING_URING_CMD_FIXED = 1 << 0,
        #[doc = "All flags of a command that the ring itself knows."]
        IORING_URING_CMD_MASK = IORING_URING_CMD_FIXED,
    }
    "Flags of fsync."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "fdatasync(2) instead of fsync(2)."]
        IORING_FSYNC_DATASYNC = 1 << 0,
    }
    "Flags of timeouts."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The time is absolute."]
        IORING_TIMEOUT_ABS = 1 << 0,
        #[doc = "Changes a timer instead of removing it (Linux 5.11)."]
        IORING_TIMEOUT_UPDATE = 1 << 1,
        #[doc = "Measured by CLOCK_BOOTTIME (Linux 5.15)."]
        IORING_TIMEOUT_BOOTTIME = 1 << 2,
        #[doc = "Measured by CLOCK_REALTIME (Linux 5.15)."]
        IORING_TIMEOUT_REALTIME = 1 << 3,
        #[doc = "Changes a link timeout (Linux 5.15)."]
        IORING_LINK_TIMEOUT_UPDATE = 1 << 4,
        #[doc = "Expiry counts as success for links (Linux 5.16)."]
        IORING_TIMEOUT_ETIME_SUCCESS = 1 << 5,
        #[doc = "Expires again and again (Linux 6.4)."]
        IORING_TIMEOUT_MULTISHOT = 1 << 6,
        #[doc = "`addr` holds nanoseconds, not a pointer (newer than Linux 6.18)."]
        IORING_TIMEOUT_IMMEDIATE_ARG = 1 << 7,
        #[doc = "All clock flags."]
        IORING_TIMEOUT_CLOCK_MASK = IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME,
        #[doc = "All update flags."]
        IORING_TIMEOUT_UPDATE_MASK = IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE,
    }
    "Flags of splice and tee."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The input of splice or tee is a registered file."]
        SPLICE_F_FD_IN_FIXED = 1 << 31,
    }
    "Flags of poll requests, in `len`."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "Posts a CQE at every event (Linux 5.13)."]
        IORING_POLL_ADD_MULTI = 1 << 0,
        #[doc = "Changes the events of a poll request (Linux 5.13)."]
        IORING_POLL_UPDATE_EVENTS = 1 << 1,
        #[doc = "Changes the user_data of a poll request (Linux 5.13)."]
        IORING_POLL_UPDATE_USER_DATA = 1 << 2,
        #[doc = "Level triggered (Linux 6.0)."]
        IORING_POLL_ADD_LEVEL = 1 << 3,
    }
    "Flags of cancellation."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "Cancels every match, not just the first (Linux 5.19)."]
        IORING_ASYNC_CANCEL_ALL = 1 << 0,
        #[doc = "Matches by file (Linux 5.19)."]
        IORING_ASYNC_CANCEL_FD = 1 << 1,
        #[doc = "Matches any request (Linux 5.19)."]
        IORING_ASYNC_CANCEL_ANY = 1 << 2,
        #[doc = "The fd to match is a registered file (Linux 6.0)."]
        IORING_ASYNC_CANCEL_FD_FIXED = 1 << 3,
        #[doc = "Matches by user_data (Linux 6.6)."]
        IORING_ASYNC_CANCEL_USERDATA = 1 << 4,
        #[doc = "Matches by opcode (Linux 6.6)."]
        IORING_ASYNC_CANCEL_OP = 1 << 5,
    }
    "Flags of send and receive, in `ioprio`."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "Waits for readiness before the first try (Linux 5.19)."]
        IORING_RECVSEND_POLL_FIRST = 1 << 0,
        #[doc = "Posts a CQE for every receive (Linux 6.0)."]
        IORING_RECV_MULTISHOT = 1 << 1,
        #[doc = "`buf_index` names a registered buffer (Linux 6.0)."]
        IORING_RECVSEND_FIXED_BUF = 1 << 2,
        #[doc = "The notification tells whether data was copied (Linux 6.2)."]
        IORING_SEND_ZC_REPORT_USAGE = 1 << 3,
        #[doc = "Uses several provided buffers at once (Linux 6.10)."]
        IORING_RECVSEND_BUNDLE = 1 << 4,
        #[doc = "The buffer of a send is an iovec array (Linux 6.17)."]
        IORING_SEND_VECTORIZED = 1 << 5,
    }
    "Results of a zero-copy notification."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "In a notification: the data was copied (Linux 6.2)."]
        IORING_NOTIF_USAGE_ZC_COPIED = 1 << 31,
    }
    "Flags of accept, in `ioprio`."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "Accepts again and again (Linux 5.19)."]
        IORING_ACCEPT_MULTISHOT = 1 << 0,
        #[doc = "Fails with -EAGAIN instead of waiting (Linux 6.10)."]
        IORING_ACCEPT_DONTWAIT = 1 << 1,
        #[doc = "Waits for readiness before the first try (Linux 6.10)."]
        IORING_ACCEPT_POLL_FIRST = 1 << 2,
    }
    "Flags of msg_ring."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "Posts no CQE in the target ring (Linux 6.0)."]
        IORING_MSG_RING_CQE_SKIP = 1 << 0,
        #[doc = "Passes `file_index` as CQE flags (Linux 6.3)."]
        IORING_MSG_RING_FLAGS_PASS = 1 << 1,
    }
    "Flags of fixed_fd_install."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The installed fd stays open over exec (Linux 6.8)."]
        IORING_FIXED_FD_NO_CLOEXEC = 1 << 0,
    }
    "Flags of nop."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "Completes with `len` as its result (Linux 6.11)."]
        IORING_NOP_INJECT_RESULT = 1 << 0,
        #[doc = "Completes with a 32-byte CQE (Linux 6.18)."]
        IORING_NOP_CQE32 = 1 << 5,
    }
    "Flags of a CQE."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The upper 16 bits of flags are a buffer id."]
        IORING_CQE_F_BUFFER = 1 << 0,
        #[doc = "More CQEs of the same request follow."]
        IORING_CQE_F_MORE = 1 << 1,
        #[doc = "The socket holds more data."]
        IORING_CQE_F_SOCK_NONEMPTY = 1 << 2,
        #[doc = "The notification of a zero-copy send."]
        IORING_CQE_F_NOTIF = 1 << 3,
        #[doc = "The buffer will be used further (incremental buffer rings)."]
        IORING_CQE_F_BUF_MORE = 1 << 4,
        #[doc = "Filler, to be ignored."]
        IORING_CQE_F_SKIP = 1 << 5,
        #[doc = "This entry has 32 bytes (CQE_MIXED)."]
        IORING_CQE_F_32 = 1 << 15,
    }
    "Parts of the CQE flags."
    "liburing/io_uring.h" Form::Int => i32 {
        #[doc = "Position of the buffer id in the flags."]
        IORING_CQE_BUFFER_SHIFT = 16,
    }
    "What an mmap(2) offset of the ring fd selects."
    "liburing/io_uring.h" Form::ULongLong => u64 {
        #[doc = "mmap(2) offset of the submission ring."]
        IORING_OFF_SQ_RING = 0x0,
        #[doc = "mmap(2) offset of the completion ring."]
        IORING_OFF_CQ_RING = 0x8000000,
        #[doc = "mmap(2) offset of the SQE array."]
        IORING_OFF_SQES = 0x10000000,
        #[doc = "mmap(2) offset of provided-buffer rings."]
        IORING_OFF_PBUF_RING = 0x80000000,
    }
    "What an mmap(2) offset of the ring fd selects."
    "liburing/io_uring.h" Form::Int => i32 {
        #[doc = "Position of the buffer group in that offset."]
        IORING_OFF_PBUF_SHIFT = 16,
    }
    "What an mmap(2) offset of the ring fd selects."
    "liburing/io_uring.h" Form::ULongLong => u64 {
        #[doc = "The part of an offset that tells what is mapped."]
        IORING_OFF_MMAP_MASK = 0xf8000000,
    }
    "Flags the kernel sets in the SQ ring."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The SQPOLL thread sleeps."]
        IORING_SQ_NEED_WAKEUP = 1 << 0,
        #[doc = "Completions wait for room in the CQ."]
        IORING_SQ_CQ_OVERFLOW = 1 << 1,
        #[doc = "Completion work is pending."]
        IORING_SQ_TASKRUN = 1 << 2,
    }
    "Flags the application sets in the CQ ring."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The registered eventfd is not signalled."]
        IORING_CQ_EVENTFD_DISABLED = 1 << 0,
    }
    "Flags of io_uring_enter(2)."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "Waits for or fetches completions."]
        IORING_ENTER_GETEVENTS = 1 << 0,
        #[doc = "Wakes the SQPOLL thread."]
        IORING_ENTER_SQ_WAKEUP = 1 << 1,
        #[doc = "Waits for room in the SQ (Linux 5.10)."]
        IORING_ENTER_SQ_WAIT = 1 << 2,
        #[doc = "The argument is a `struct io_uring_getevents_arg` (Linux 5.11)."]
        IORING_ENTER_EXT_ARG = 1 << 3,
        #[doc = "The fd is a registered ring index (Linux 5.18)."]
        IORING_ENTER_REGISTERED_RING = 1 << 4,
        #[doc = "The timeout is absolute (Linux 6.12)."]
        IORING_ENTER_ABS_TIMER = 1 << 5,
        #[doc = "The argument is an offset into the registered wait region (Linux 6.13)."]
        IORING_ENTER_EXT_ARG_REG = 1 << 6,
        #[doc = "Waiting is not counted as iowait (Linux 6.15)."]
        IORING_ENTER_NO_IOWAIT = 1 << 7,
    }
    "Features, in `io_uring_params.features`."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "One mapping holds both rings (Linux 5.4)."]
        IORING_FEAT_SINGLE_MMAP = 1 << 0,
        #[doc = "Completions are never dropped (Linux 5.5)."]
        IORING_FEAT_NODROP = 1 << 1,
        #[doc = "Arguments need not outlive submission (Linux 5.5)."]
        IORING_FEAT_SUBMIT_STABLE = 1 << 2,
        #[doc = "Offset -1 is the file position (Linux 5.6)."]
        IORING_FEAT_RW_CUR_POS = 1 << 3,
        #[doc = "Requests run with the credentials of the submitter (Linux 5.6)."]
        IORING_FEAT_CUR_PERSONALITY = 1 << 4,
        #[doc = "Waiting for readiness needs no worker (Linux 5.7)."]
        IORING_FEAT_FAST_POLL = 1 << 5,
        #[doc = "Poll takes 32-bit events (Linux 5.9)."]
        IORING_FEAT_POLL_32BITS = 1 << 6,
        #[doc = "SQPOLL works with plain fds (Linux 5.11)."]
        IORING_FEAT_SQPOLL_NONFIXED = 1 << 7,
        #[doc = "Waits take timeouts (Linux 5.11)."]
        IORING_FEAT_EXT_ARG = 1 << 8,
        #[doc = "Workers are threads of the process; rings count against memlock from 6.14 on only (Linux 5.12)."]
        IORING_FEAT_NATIVE_WORKERS = 1 << 9,
        #[doc = "Registered resources have tags (Linux 5.13)."]
        IORING_FEAT_RSRC_TAGS = 1 << 10,
        #[doc = "`IOSQE_CQE_SKIP_SUCCESS` works (Linux 5.17)."]
        IORING_FEAT_CQE_SKIP = 1 << 11,
        #[doc = "A linked request looks its file up when it starts (Linux 5.18)."]
        IORING_FEAT_LINKED_FILE = 1 << 12,
        #[doc = "Register calls take a registered ring index (Linux 6.3)."]
        IORING_FEAT_REG_REG_RING = 1 << 13,
        #[doc = "Bundles work (Linux 6.10)."]
        IORING_FEAT_RECVSEND_BUNDLE = 1 << 14,
        #[doc = "Minimum waits work (Linux 6.12)."]
        IORING_FEAT_MIN_TIMEOUT = 1 << 15,
        #[doc = "Read and write take attributes (Linux 6.14)."]
        IORING_FEAT_RW_ATTR = 1 << 16,
        #[doc = "`IORING_ENTER_NO_IOWAIT` works (Linux 6.15)."]
        IORING_FEAT_NO_IOWAIT = 1 << 17,
    }
    "Flags of resource registration."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "All slots start empty (Linux 5.19)."]
        IORING_RSRC_REGISTER_SPARSE = 1 << 0,
    }
    "Special values of file updates."
    "liburing/io_uring.h" Form::Int => i32 {
        #[doc = "In an update: leaves the slot as it is."]
        IORING_REGISTER_FILES_SKIP = -2,
    }
    "Flags of a probe entry."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The operation exists."]
        IO_URING_OP_SUPPORTED = 1 << 0,
    }
    "Time stamp entries."
    "liburing/io_uring.h" Form::Int => i32 {
        #[doc = "Bit of a time stamp entry that tells hardware from software."]
        IORING_TIMESTAMP_HW_SHIFT = 16,
        #[doc = "Position of the type in a time stamp entry."]
        IORING_TIMESTAMP_TYPE_SHIFT = IORING_TIMESTAMP_HW_SHIFT + 1,
    }
    "Time stamp entries."
    "liburing/io_uring.h" Form::UInt => u32 {
        #[doc = "The time stamp was made by hardware."]
        IORING_CQE_F_TSTAMP_HW = 1 << IORING_TIMESTAMP_HW_SHIFT,
    }
    "Zero-copy receive offsets."
    "liburing/io_uring.h" Form::Int => i32 {
        #[doc = "Position of the area in a zero-copy receive offset."]
        IORING_ZCRX_AREA_SHIFT = 48,
    }
    "Zero-copy receive offsets."
    "liburing/io_uring.h" Form::ULongLong => u64 {
        #[doc = "The area part of a zero-copy receive offset."]
        IORING_ZCRX_AREA_MASK = !((1 << IORING_ZCRX_AREA_SHIFT) - 1),
    }
    "Queries."
    "liburing/io_uring/query.h" Form::Enum("") => u32 {
        #[doc = "Asks for operations, flags and features."]
        IO_URING_QUERY_OPCODES = 0,
        #[doc = "Asks about zero-copy receive."]
        IO_URING_QUERY_ZCRX = 1,
        #[doc = "Asks about the shared ring header."]
        IO_URING_QUERY_SCQ = 2,
        #[doc = "Number of queries."]
        __IO_URING_QUERY_MAX = 3,
    }
    "Flags of BPF filters."
    "liburing/io_uring/bpf_filter.h" Form::Enum("") => u32 {
        #[doc = "Operations without a filter are denied."]
        IO_URING_BPF_FILTER_DENY_REST = 1,
        #[doc = "The context must have exactly the expected size."]
        IO_URING_BPF_FILTER_SZ_STRICT = 2,
    }
    "Kinds of BPF command."
    "liburing/io_uring/bpf_filter.h" Form::Enum("") => u32 {
        #[doc = "Installs a filter."]
        IO_URING_BPF_CMD_FILTER = 1,
    }
    "Version of the interface."
    "liburing/io_uring_version.h" Form::Int => i32 {
        #[doc = "Major version of the interface."]
        IO_URING_VERSION_MAJOR = 2,
        #[doc = "Minor version of the interface."]
        IO_URING_VERSION_MINOR = 15,
    }
}

/// user_data of the library's own timeouts on kernels without
/// [`IORING_FEAT_EXT_ARG`].
pub const LIBURING_UDATA_TIMEOUT: u64 = u64::MAX;
/// Number of the io_uring_setup(2) system call.
pub const NR_IO_URING_SETUP: i64 = 425;
/// Number of the io_uring_enter(2) system call.
pub const NR_IO_URING_ENTER: i64 = 426;
/// Number of the io_uring_register(2) system call.
pub const NR_IO_URING_REGISTER: i64 = 427;
/// `_IO(0x12, 0)`: discards a range of a block device (Linux 6.12).
pub const BLOCK_URING_CMD_DISCARD: u32 = 0x1200;
/// `_IO(0x12, 1)`: resets all zones of a block device (newer than Linux 6.18).
pub const BLOCK_URING_CMD_ZONE_RESET_ALL: u32 = 0x1201;
