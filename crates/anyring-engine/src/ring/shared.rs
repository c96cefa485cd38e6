//! What a ring shares with the program, as the queues' protocols see it.

use anyring_abi::io_uring_sqe;

use super::sync::{AtomicU32, Ordering};

/// The words and entries of a ring. [`Memory`](super::memory::Memory) has them
/// in mapped pages, `tests/loom` in loom's cells.
pub(crate) trait Shared {
    /// Where the engine takes SQEs; the program loads it to see what is free.
    fn sq_head(&self) -> &AtomicU32;
    /// Where the program puts SQEs.
    fn sq_tail(&self) -> &AtomicU32;
    /// Where the program takes CQEs.
    fn cq_head(&self) -> &AtomicU32;
    /// Where the engine puts CQEs.
    fn cq_tail(&self) -> &AtomicU32;
    /// `IORING_SQ_*`.
    fn sq_flags(&self) -> &AtomicU32;
    /// Entries of the index array that were no index.
    fn sq_dropped(&self) -> &AtomicU32;
    /// Completions that were lost.
    fn cq_overflow(&self) -> &AtomicU32;
    fn sq_entries(&self) -> u32;
    fn cq_entries(&self) -> u32;
    /// The slot that stands at a position of the queue, or `None` if the index
    /// array says nonsense.
    fn sq_slot(&self, position: u32) -> Option<u32>;
    /// A copy of the SQE in a slot.
    fn sqe(&self, slot: u32) -> io_uring_sqe;
    /// Writes a CQE, one unit of 16 bytes.
    fn put_cqe(&self, position: u32, user_data: u64, res: i32, flags: u32);
    /// Writes the second half of a CQE of 32 bytes.
    fn put_extra(&self, position: u32, extra: [u64; 2]);
}

/// Sets a flag that the program looks at.
pub(crate) fn set_flag<M: Shared>(memory: &M, flag: u32) {
    memory.sq_flags().fetch_or(flag, Ordering::AcqRel);
}

/// Clears it.
pub(crate) fn clear_flag<M: Shared>(memory: &M, flag: u32) {
    memory.sq_flags().fetch_and(!flag, Ordering::AcqRel);
}
