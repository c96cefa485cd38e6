//! A ring that does not work yet.

use core::ffi::c_int;

use anyring_abi::IORING_REGISTER_ENABLE_RINGS;

use super::waits::Waits;
use super::{AnyThread, Restriction, Ring, WaitArgs};
use crate::errno::{Errno, check};
use crate::kernel::{Kernel, Linux};
use crate::register::Signals;

/// A ring made with `IORING_SETUP_R_DISABLED`: it can be given what it is to have and
/// what it is not to do, and cannot submit before it is [enabled](Self::enable).
///
/// It may go to another thread also if the ring that it becomes may not: a single-issuer
/// ring belongs to the thread that enables it.
///
/// ```
/// use anyring::{Builder, Op, Restriction, prep};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Ok(_) = Builder::new(1).build_disabled() else { return Ok(()) };
/// let mut disabled = Builder::new(8).build_disabled()?;
/// disabled.register_restrictions(&[Restriction::sqe_op(Op::Nop)])?;
/// let mut ring = disabled.enable()?;
/// let sqe = ring.next_sqe().ok_or("full")?;
/// prep::fsync(sqe, 0, 0);
/// // SAFETY: it has no memory of ours.
/// unsafe { ring.submit_and_wait(1)? };
/// let done = ring.completions().next().ok_or("none")?;
/// assert_eq!(done.result(), Err(anyring::Errno::EACCES));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Disabled<K: Kernel = Linux, T = AnyThread>(Ring<K, T>);

// SAFETY: ring memory belongs to no thread, and nothing of a thread can be registered
// here. The kernel binds a single-issuer ring to the thread that enables it.
unsafe impl<K: Kernel + Send, T> Send for Disabled<K, T> {}

impl<K: Kernel, T> Disabled<K, T> {
    pub(super) const fn new(ring: Ring<K, T>) -> Self {
        Disabled(ring)
    }

    /// Lets the ring work.
    ///
    /// # Errors
    /// Those of io_uring_register(2); the ring is gone then.
    pub fn enable(self) -> Result<Ring<K, T>, Errno> {
        check(self.0.inner().register_plain(IORING_REGISTER_ENABLE_RINGS))?;
        Ok(self.0)
    }

    /// What the ring will be allowed to do, once.
    ///
    /// # Errors
    /// EBUSY if it has restrictions, EINVAL for too many.
    pub fn register_restrictions(&mut self, restrictions: &[Restriction]) -> Result<(), Errno> {
        self.0
            .register_restrictions(Restriction::structs(restrictions))
    }

    /// [`Ring::register_files`].
    ///
    /// # Errors
    /// As there.
    pub fn register_files(&mut self, files: &[c_int]) -> Result<(), Errno> {
        self.0.register_files(files)
    }

    /// [`Ring::register_files_sparse`].
    ///
    /// # Errors
    /// As there.
    pub fn register_files_sparse(&mut self, slots: u32) -> Result<(), Errno> {
        self.0.register_files_sparse(slots)
    }

    /// [`Ring::register_buffers_sparse`].
    ///
    /// # Errors
    /// As there.
    pub fn register_buffers_sparse(&mut self, slots: u32) -> Result<(), Errno> {
        self.0.register_buffers_sparse(slots)
    }

    /// [`Ring::register_eventfd`].
    ///
    /// # Errors
    /// As there.
    pub fn register_eventfd(&mut self, signals: Signals, fd: c_int) -> Result<(), Errno> {
        self.0.register_eventfd(signals, fd)
    }

    /// Maps and registers `count` waits (1 to 65535), for
    /// [`Ring::submit_and_wait_registered`]; a ring has them once, and for good.
    /// Linux 6.13.
    ///
    /// # Errors
    /// EINVAL before Linux 6.13, EBUSY if the ring has waits, ENOMEM.
    pub fn register_waits(&mut self, count: u32) -> Result<(), Errno> {
        if self.0.waits.is_some() {
            return Err(Errno(libc::EBUSY));
        }
        self.0.waits = Some(Waits::new(self.0.inner(), count)?);
        Ok(())
    }

    /// [`Ring::set_wait`].
    ///
    /// # Errors
    /// As there.
    pub fn set_wait(&mut self, index: u32, args: WaitArgs) -> Result<(), Errno> {
        self.0.set_wait(index, args)
    }

    /// The file descriptor.
    #[must_use]
    pub fn fd(&self) -> c_int {
        self.0.fd()
    }
}
