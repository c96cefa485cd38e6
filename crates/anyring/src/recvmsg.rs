//! What a multishot recvmsg leaves in its buffer: a header, the name area, the
//! control area, the payload.
//!
//! # Safety
//! The functions take the buffer as the kernel filled it and the `msghdr` the
//! request was submitted with: the areas have the sizes given there. The kernel
//! may start a buffer anywhere (incremental buffer rings), and a name area of
//! any length moves what is behind it: nothing in the buffer need be aligned.

use core::ffi::{c_int, c_uint, c_void};
use core::ptr;

use anyring_abi::io_uring_recvmsg_out;
use libc::{cmsghdr, msghdr};

const HEADER: usize = size_of::<io_uring_recvmsg_out>();
const CMSG_HEADER: usize = size_of::<cmsghdr>();
const CMSG_ALIGN: usize = size_of::<usize>();

/// Bytes of the control area.
#[allow(clippy::unnecessary_cast, reason = "musl has 32 bits here")]
#[inline]
fn control_area(msg: &msghdr) -> usize {
    msg.msg_controllen as usize
}

/// The length that a control message gives itself.
///
/// # Safety
/// `cmsg` points to the header of a control message, aligned or not.
#[allow(clippy::unnecessary_cast, reason = "musl has 32 bits here")]
#[inline]
unsafe fn message_length(cmsg: *const cmsghdr) -> usize {
    // SAFETY: the caller points at a header; it is read unaligned.
    unsafe { (&raw const (*cmsg).cmsg_len).read_unaligned() as usize }
}

/// Bytes in front of the payload; `None` if that overflows.
fn payload_offset(msg: &msghdr) -> Option<usize> {
    HEADER
        .checked_add(msg.msg_namelen as usize)?
        .checked_add(control_area(msg))
}

/// The buffer as header, or NULL if `len` cannot hold header, name and control
/// area.
///
/// # Safety
/// `msg` is valid.
#[inline]
pub unsafe fn validate(
    buffer: *mut c_void,
    len: c_int,
    msg: *const msghdr,
) -> *mut io_uring_recvmsg_out {
    // SAFETY: handed on from the caller.
    match (usize::try_from(len), payload_offset(unsafe { &*msg })) {
        (Ok(len), Some(needed)) if needed <= len => buffer.cast(),
        _ => ptr::null_mut(),
    }
}

/// The name area.
#[inline]
#[must_use]
pub fn name(out: *mut io_uring_recvmsg_out) -> *mut c_void {
    out.wrapping_add(1).cast()
}

/// Bytes of control messages.
///
/// # Safety
/// `out` points to a header, aligned or not.
#[inline]
unsafe fn control_length(out: *const io_uring_recvmsg_out) -> usize {
    // SAFETY: handed on from the caller.
    unsafe { (&raw const (*out).controllen).read_unaligned() as usize }
}

/// The first control message, or NULL.
///
/// # Safety
/// `out` was validated with `msg`.
#[inline]
pub unsafe fn cmsg_firsthdr(out: *mut io_uring_recvmsg_out, msg: *const msghdr) -> *mut cmsghdr {
    // SAFETY: handed on from the caller.
    unsafe {
        if control_length(out) < CMSG_HEADER {
            return ptr::null_mut();
        }
        name(out)
            .wrapping_byte_add((*msg).msg_namelen as usize)
            .cast()
    }
}

/// The control message behind `cmsg`, or NULL.
///
/// # Safety
/// `out` was validated with `msg`; `cmsg` lies in its control area.
#[inline]
pub unsafe fn cmsg_nexthdr(
    out: *mut io_uring_recvmsg_out,
    msg: *const msghdr,
    cmsg: *mut cmsghdr,
) -> *mut cmsghdr {
    // SAFETY: handed on from the caller. Addresses are compared as numbers, so
    // that a wild length cannot wrap around.
    unsafe {
        let length = message_length(cmsg);
        if length < CMSG_HEADER {
            return ptr::null_mut();
        }
        let start = (cmsg_firsthdr(out, msg)) as usize;
        let end = start.wrapping_add(control_length(out));
        let next = length
            .checked_next_multiple_of(CMSG_ALIGN)
            .and_then(|step| (cmsg as usize).checked_add(step));
        let Some(next) = next else {
            return ptr::null_mut();
        };
        let fits = |bytes: usize| next.checked_add(bytes).is_some_and(|stop| stop <= end);
        if !fits(CMSG_HEADER) {
            return ptr::null_mut();
        }
        let next = cmsg.wrapping_byte_add(next - cmsg as usize);
        let length = message_length(next);
        match length.checked_next_multiple_of(CMSG_ALIGN) {
            Some(bytes) if fits(bytes) => next,
            _ => ptr::null_mut(),
        }
    }
}

/// The payload.
///
/// # Safety
/// `out` was validated with `msg`.
#[inline]
pub unsafe fn payload(out: *mut io_uring_recvmsg_out, msg: *const msghdr) -> *mut c_void {
    // SAFETY: handed on from the caller.
    unsafe {
        name(out)
            .wrapping_byte_add((*msg).msg_namelen as usize)
            .wrapping_byte_add(control_area(&*msg))
    }
}

/// Bytes of payload in a buffer of `len` bytes; 0 if it ends before.
///
/// # Safety
/// `msg` is valid.
#[inline]
pub unsafe fn payload_length(len: c_int, msg: *const msghdr) -> c_uint {
    // SAFETY: handed on from the caller.
    match (usize::try_from(len), payload_offset(unsafe { &*msg })) {
        (Ok(len), Some(offset)) => len.saturating_sub(offset) as c_uint,
        _ => 0,
    }
}
