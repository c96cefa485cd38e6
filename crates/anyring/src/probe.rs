//! Asking the kernel which operations it has.

use core::ffi::{c_int, c_uint};
use core::ptr;

use anyring_abi::{
    IO_URING_OP_SUPPORTED, IORING_REGISTER_PROBE, io_uring_probe, io_uring_probe_op,
};

use crate::errno::{Errno, check};
use crate::kernel::Kernel;
use crate::op::Op;
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

/// Which operations a kernel has ([`Ring::probe`](crate::Ring::probe)).
#[derive(Clone, Copy)]
pub struct Probe([bool; PROBE_OPS]);

impl Probe {
    /// Whether the operation exists.
    #[must_use]
    pub fn supports(&self, op: Op) -> bool {
        self.0.get(usize::from(op.0)).is_some_and(|there| *there)
    }
}

impl core::fmt::Debug for Probe {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let there = self.0.iter().enumerate().filter(|(_, there)| **there);
        f.debug_set().entries(there.map(|(op, _)| op)).finish()
    }
}

impl<K: Kernel> RingRef<K> {
    /// Asks for all operations.
    ///
    /// # Errors
    /// EINVAL before Linux 5.6.
    pub(crate) fn probe(self) -> Result<Probe, Errno> {
        /// As the kernel fills it.
        #[repr(C)]
        struct Block {
            head: io_uring_probe,
            ops: [io_uring_probe_op; PROBE_OPS],
        }
        const _: () = assert!(size_of::<Block>() == PROBE_SIZE);
        let mut block = core::mem::MaybeUninit::<Block>::zeroed();
        // SAFETY: zeroed, with room for that many operations.
        let asked = unsafe { self.register_probe(block.as_mut_ptr().cast(), PROBE_OPS as c_uint) };
        check(asked)?;
        // SAFETY: integers, zeroed and then filled.
        let block = unsafe { block.assume_init() };
        let mut there = [false; PROBE_OPS];
        let count = usize::from(block.head.ops_len).min(PROBE_OPS);
        for op in block.ops.iter().take(count) {
            there[usize::from(op.op)] = u32::from(op.flags) & IO_URING_OP_SUPPORTED != 0;
        }
        Ok(Probe(there))
    }
}

/// Runs `ask` on a small ring of its own; `-errno` when there is none to be
/// had. The ring is taken down also when `ask` panics.
///
/// # Safety
/// `ask` lets no copy of the handle out: the ring ends with it.
pub unsafe fn on_own_ring<K: Kernel>(kernel: K, ask: impl FnOnce(RingRef<K>) -> c_int) -> c_int {
    /// Takes it down.
    struct Guard<K: Kernel>(RingRef<K>);
    impl<K: Kernel> Drop for Guard<K> {
        fn drop(&mut self) {
            // SAFETY: `ask` is through, and let no copy out, its caller says.
            unsafe { queue_exit(self.0) };
        }
    }
    let mut ring = empty();
    let mut p = params(0);
    // SAFETY: both are valid; the guard is dropped before them.
    unsafe {
        let result = queue_init_params(kernel, 2, &raw mut ring, &raw mut p);
        if result < 0 {
            return result;
        }
        let guard = Guard(RingRef::new(&raw mut ring, kernel));
        ask(guard.0)
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
