//! What a ring is restricted to (IORING_REGISTER_RESTRICTIONS).

use core::ffi::c_int;

use anyring_abi::io_uring_sqe;

/// Restrictions of a ring.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restrictions {
    pub(crate) register: u64,
    pub(crate) ops: [u64; 2],
    pub(crate) allowed: u8,
    pub(crate) required: u8,
}

impl Restrictions {
    /// Whether an SQE may run.
    pub(crate) fn check(&self, sqe: &io_uring_sqe) -> Result<(), c_int> {
        let op = usize::from(sqe.opcode);
        let known = self
            .ops
            .get(op / 64)
            .is_some_and(|word| word >> (op % 64) & 1 != 0);
        let flags = sqe.flags;
        if !known
            || flags & self.required != self.required
            || flags & !(self.allowed | self.required) != 0
        {
            return Err(-libc::EACCES);
        }
        Ok(())
    }

    /// Whether a register call may be made.
    pub(crate) fn check_register(&self, opcode: u32) -> Result<(), c_int> {
        if opcode < 64 && self.register >> opcode & 1 != 0 {
            Ok(())
        } else {
            Err(-libc::EACCES)
        }
    }
}
