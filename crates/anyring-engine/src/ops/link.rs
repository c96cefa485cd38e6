//! When a result breaks a chain.

use core::ffi::c_int;

use crate::request::{File, Request};

/// Whether an error does not break a chain: that of a timeout which asks for it, and
/// those of operations that the kernel never lets fail a chain, as long as they ran.
pub(crate) fn counts_as_success(request: &Request, res: i32) -> bool {
    request
        .def
        .link_success
        .is_some_and(|is_success| is_success(request, res))
}

/// Whether less than asked for was moved, which breaks a chain and is posted in
/// spite of IOSQE_CQE_SKIP_SUCCESS.
#[inline]
pub(crate) fn fell_short(request: &Request, res: i32) -> bool {
    if !(request.is_linked() || request.skips_success()) || res < 0 {
        return false;
    }
    request
        .def
        .fell_short
        .is_some_and(|is_short| is_short(request, res))
}

/// Whether an operation ran, and so does not break its chain, whatever its error is.
pub(crate) fn ran(request: &Request, res: i32) -> bool {
    ran_unless(request, res, -libc::ENOMEM)
}

/// Whether a MADVISE ran, which may itself find that there is no memory.
pub(crate) fn advised(request: &Request, res: i32) -> bool {
    ran_unless(request, res, -libc::ECANCELED)
}

/// Whether an operation ran: errors that come from elsewhere say that it did not, among
/// them the one given.
fn ran_unless(request: &Request, res: i32, error: c_int) -> bool {
    if !request.started {
        return false;
    }
    // A file that was held was there: then the call says it is not for this.
    let had_file = match &request.file {
        File::Held(file) => crate::os::sys::is_open(file.get()),
        _ => false,
    };
    let never_ran = matches!(-res, libc::ECANCELED | libc::ENOTSOCK)
        || res == error
        || res == -libc::EBADF && request.def.needs_file && !had_file;
    !never_ran
}
