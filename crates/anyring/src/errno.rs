//! Error numbers.

use core::ffi::c_int;
use core::fmt;

/// A positive error number, as in errno(3). Any value the kernel may give is
/// representable.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Errno(pub c_int);

impl Errno {
    /// The number as C returns it, negative.
    #[must_use]
    pub const fn negative(self) -> c_int {
        self.0.wrapping_neg()
    }
}

/// The result of a call that returns zero or more, or `-errno`.
///
/// # Errors
/// The error number, when `result` is negative.
#[inline]
pub const fn check(result: c_int) -> Result<u32, Errno> {
    if result < 0 {
        // Nothing has this number; it has no opposite either.
        Err(Errno(if result == c_int::MIN {
            c_int::MAX
        } else {
            -result
        }))
    } else {
        Ok(result as u32)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({})", self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.0)
    }
}

impl core::error::Error for Errno {}

#[cfg(feature = "std")]
impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> std::io::Error {
        std::io::Error::from_raw_os_error(errno.0)
    }
}

/// What could not be queued, since the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushError<T>(pub T);

impl<T> PushError<T> {
    /// What was to be queued.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the submission queue is full")
    }
}

impl<T: fmt::Debug> core::error::Error for PushError<T> {}

impl From<Errno> for c_int {
    fn from(errno: Errno) -> c_int {
        errno.0
    }
}
