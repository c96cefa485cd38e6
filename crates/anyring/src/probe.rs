//! Asking the kernel which operations it has.

use core::ffi::{c_int, c_uint};
use core::ptr;

use anyring_abi::{
    IO_URING_OP_SUPPORTED, IORING_REGISTER_PROBE, io_uring_probe, io_uring_probe_op,
};

use crate::kernel::Kernel;
use crate::ring::RingRef;
use crate::ring::setup::{empty, params, queue_exit, queue_init_params};

/// Operations a probe block has room for.
pub const PROBE_OPS: usize = 256;

/// Bytes of a probe block with room for [`PROBE_OPS`] operations.
pub const PROBE_SIZE: usize =
    size_of::<io_uring_probe>() + PROBE_OPS * size_of::<io_uring_probe_op>();

impl<K: Kernel> RingRef<K> {
    /// io_uring_register_probe(3).
    ///
    /// # Safety
    /// `probe` is zeroed and has room for `nr` operations.
    pub unsafe fn register_probe(self, probe: *mut io_uring_probe, nr: c_uint) -> c_int {
        // SAFETY: handed on from the caller.
        unsafe { self.register(IORING_REGISTER_PROBE, probe.cast_const().cast(), nr) }
    }
}

/// Runs `ask` on a small ring of its own; `-errno` when there is none to be
/// had.
pub fn on_own_ring<K: Kernel>(kernel: K, ask: impl FnOnce(RingRef<K>) -> c_int) -> c_int {
    let mut ring = empty();
    let mut p = params(0);
    // SAFETY: both are valid; the ring is taken down when `ask` is through.
    unsafe {
        let result = queue_init_params(kernel, 2, &raw mut ring, &raw mut p);
        if result < 0 {
            return result;
        }
        let ring = RingRef::new(&raw mut ring, kernel);
        let result = ask(ring);
        queue_exit(ring);
        result
    }
}

/// Whether a filled probe block says that operation `op` exists.
///
/// # Safety
/// `probe` is a block the kernel filled, with room for what it says it holds.
#[inline]
pub unsafe fn opcode_supported(probe: *const io_uring_probe, op: c_int) -> bool {
    // SAFETY: handed on from the caller; op is at most last_op.
    unsafe {
        if op < 0 || op > c_int::from((*probe).last_op) {
            return false;
        }
        let ops = ptr::addr_of!((*probe).ops).cast::<io_uring_probe_op>();
        u32::from((*ops.wrapping_add(op as usize)).flags) & IO_URING_OP_SUPPORTED != 0
    }
}
