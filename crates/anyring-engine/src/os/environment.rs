//! The environment of the program.

use core::ffi::CStr;

/// A variable of the environment, unless the program runs with more rights than the
/// user who started it (AT_SECURE).
pub(crate) fn variable(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: both read what only the program itself changes; the text lives as long as the variable.
    unsafe {
        if libc::getauxval(libc::AT_SECURE) != 0 {
            return None;
        }
        let value = libc::getenv(name.as_ptr());
        if value.is_null() {
            None
        } else {
            Some(CStr::from_ptr(value).to_bytes())
        }
    }
}
