//! What can be put into a submission queue.

use anyring_abi::io_uring_sqe;
#[cfg(feature = "io-uring")]
use io_uring::squeue::Entry;

mod sealed {
    /// Not for other crates: an entry is 64 bytes of the kernel's.
    pub trait Sealed {}
}

/// An entry as [`Ring::push`](crate::Ring::push) takes it: an SQE, or with the feature
/// `io-uring` an entry of that crate, or a reference to one.
pub trait Queueable: Clone + sealed::Sealed {
    /// Its 64 bytes.
    fn sqe(&self) -> io_uring_sqe;
}

impl<E: Queueable> sealed::Sealed for &E {}

/// A copy, without one on the way.
impl<E: Queueable> Queueable for &E {
    #[inline(always)]
    fn sqe(&self) -> io_uring_sqe {
        (**self).sqe()
    }
}

impl sealed::Sealed for io_uring_sqe {}

impl Queueable for io_uring_sqe {
    #[inline(always)]
    fn sqe(&self) -> io_uring_sqe {
        *self
    }
}

#[cfg(feature = "io-uring")]
impl sealed::Sealed for Entry {}

#[cfg(feature = "io-uring")]
impl Queueable for Entry {
    #[inline(always)]
    fn sqe(&self) -> io_uring_sqe {
        sqe_from_entry(self)
    }
}

/// The bytes of an entry of the io-uring crate.
#[cfg(feature = "io-uring")]
#[inline(always)]
#[must_use]
pub fn sqe_from_entry(entry: &Entry) -> io_uring_sqe {
    const _: () = assert!(size_of::<Entry>() == size_of::<io_uring_sqe>());
    // SAFETY: both are the kernel's 64-byte SQE: integers without padding.
    unsafe { core::ptr::from_ref(entry).cast::<io_uring_sqe>().read() }
}
