//! Lines on standard error, for users who ask for them in the environment.

use core::ptr;

use super::environment::variable;
use super::sys;

/// Whether `ANYRING_LOG` asks for lines.
pub(crate) fn wants_log() -> bool {
    variable(c"ANYRING_LOG") == Some(b"stderr")
}

/// A line on standard error if `ANYRING_LOG=stderr` asks for it: `parts`, of
/// which at most six are written, behind the project's name.
pub fn log(parts: &[&[u8]]) {
    const PARTS: usize = 8;
    if !wants_log() {
        return;
    }
    let mut vectors = [libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    }; PARTS];
    let whole = [b"anyring: ".as_slice()]
        .into_iter()
        .chain(parts.iter().copied())
        .chain([b"\n".as_slice()]);
    for (vector, part) in vectors.iter_mut().zip(whole) {
        vector.iov_base = part.as_ptr().cast_mut().cast();
        vector.iov_len = part.len();
    }
    // SAFETY: the pieces live through the call; those not used are empty. One
    // call, so that lines of several threads do not mix.
    let _ = unsafe {
        sys::raw(
            libc::SYS_writev,
            &[2, vectors.as_ptr() as usize, vectors.len()],
        )
    };
}
