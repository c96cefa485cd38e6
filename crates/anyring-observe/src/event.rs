//! The stream of events that both sources make.

use std::time::Duration;

use anyring_abi::io_uring_sqe;

/// A completion, copied from the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cqe {
    /// Of the request.
    pub user_data: u64,
    /// Its result.
    pub res: i32,
    /// `IORING_CQE_F_*`.
    pub flags: u32,
    /// The second half of a 32-byte entry.
    pub big: Option<[u64; 2]>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Since the trace began. Sampled: when it was seen.
    pub at: Duration,
    /// The process.
    pub pid: i32,
    /// The thread that made the call; the process where that cannot be seen.
    pub tid: i32,
    /// Number of the ring in this trace, from 1; 0 for none.
    pub ring: u32,
    /// The ring's descriptor; -1 for none.
    pub fd: i32,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A ring was made, or was found.
    Ring {
        /// Entries of the submission queue.
        sq_entries: u32,
        /// Entries of the completion queue.
        cq_entries: u32,
        /// `IORING_SETUP_*`; those that are known.
        flags: u32,
        /// What was inferred rather than read.
        notes: Vec<String>,
    },
    /// io_uring_setup(2) failed, with this negative errno.
    SetupFailed(u32, i32),
    /// The ring was closed, or its process ended.
    RingGone,
    /// The kernel took an entry.
    Submitted(io_uring_sqe),
    /// A completion was posted.
    Completed(Cqe),
    /// io_uring_enter(2) returned.
    Enter {
        /// Entries it was given.
        to_submit: u32,
        /// Completions it waited for.
        min_complete: u32,
        /// `IORING_ENTER_*`.
        flags: u32,
        /// Entries taken, or a negative errno.
        result: i64,
        /// How long it took, with the stops of the trace.
        took: Duration,
    },
    /// io_uring_register(2) returned: opcode, number of arguments, result.
    Register(u32, u32, i64),
    /// The completion queue is full, and completions wait in the kernel for room.
    Full,
    /// Completions that found no room in the completion queue and were dropped.
    Overflow(u32),
    /// Entries that the kernel dropped as invalid.
    Dropped(u32),
    /// What passed between two looks and was not seen.
    Lost {
        /// Submissions.
        submissions: u64,
        /// Completions.
        completions: u64,
        /// Those of the submissions that were taken before they were read: their slots
        /// may hold other entries by now.
        taken: u64,
    },
    /// The program is about to give memory back by munmap(2): address and length. Of a
    /// program that was started, while it has rings.
    Unmaps(u64, u64),
    /// Something about the observation, in words.
    Note(String),
    /// A process ended, with this wait status.
    Ended(i32),
}
