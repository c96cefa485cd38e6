//! Sending and receiving: what both have in common.
//!
//! # Safety
//! Addresses come from SQEs, or from copies that the request keeps; the kernel
//! checks those of the program.

use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi as abi;

use crate::os::user_memory::user_msghdr;
use crate::os::{sys, user_memory};
use crate::request::{Data, Request};

pub(crate) mod recv;
pub(crate) mod send;

/// Buffers in a bundle.
pub(super) const BUNDLE: usize = 256;

pub(super) fn ioprio(request: &Request, flag: u32) -> bool {
    u32::from(request.sqe.ioprio) & flag != 0
}

pub(super) fn is_message(request: &Request) -> bool {
    request.def.message
}

pub(super) fn is_zero_copy(request: &Request) -> bool {
    request.def.zero_copy
}

/// The pieces of a plain send are those of an array.
pub(super) fn is_vectorized(request: &Request) -> bool {
    ioprio(request, abi::IORING_SEND_VECTORIZED)
        && !is_message(request)
        && !request.has(abi::IOSQE_BUFFER_SELECT)
}

/// Whether a transfer that wanted all moved less.
pub(crate) fn fell_short(request: &Request, res: i32) -> bool {
    request.sqe.op_flags & libc::MSG_WAITALL as u32 != 0 && (res as u32) < request.sqe.len
}

/// Flags for a system call that does not wait. The topmost one is the
/// kernel's own.
pub(super) fn call_flags(request: &Request) -> usize {
    const COMPAT: u32 = 1 << 31;
    (request.sqe.op_flags & !COMPAT | libc::MSG_DONTWAIT as u32) as usize
}

/// Whether the program said that it does not want to wait.
pub(super) fn refuses_to_wait(request: &Request) -> bool {
    request.sqe.op_flags & libc::MSG_DONTWAIT as u32 != 0
}

/// Keeps a message header and all it points to, or a destination address.
pub(crate) fn copy(request: &mut Request) -> Result<(), c_int> {
    if !is_message(request) {
        let mut vectors = Vec::new();
        if is_vectorized(request) {
            vectors =
                user_memory::read_vectors(request.sqe.addr, request.sqe.len.min(1024) as usize)?;
        }
        let name = match (request.sqe.off, request.sqe.file_index as u16) {
            (0, _) => Vec::new(),
            (at, len) => user_memory::read_array::<u8>(at, usize::from(len).min(128))?,
        };
        request.data = Data::Message(Vec::new(), vectors, name);
        return Ok(());
    }
    let mut header: user_msghdr = user_memory::read(request.sqe.addr)?;
    if header.msg_iovlen > 1024 {
        return Err(-libc::EMSGSIZE);
    }
    let mut vectors: Vec<libc::iovec> =
        user_memory::read_vectors(header.msg_iov as u64, header.msg_iovlen)?;
    let mut kept = Vec::new();
    if !request.def.receives {
        let name = if header.msg_name.is_null() {
            0
        } else {
            header.msg_namelen.min(128) as usize
        };
        let control = if header.msg_control.is_null() {
            0
        } else {
            header.msg_controllen.min(65536)
        };
        // The control data comes first: it is the part that is aligned.
        kept = user_memory::room(name + control)?;
        kept.resize(name + control, 0_u8);
        user_memory::copy_in(header.msg_control as u64, &mut kept[..control])?;
        user_memory::copy_in(header.msg_name as u64, &mut kept[control..])?;
        if control != 0 {
            header.msg_control = kept.as_mut_ptr().cast();
        }
        if name != 0 {
            header.msg_name = kept[control..].as_mut_ptr().cast();
        }
    }
    header.msg_iov = vectors.as_mut_ptr();
    let mut headers = user_memory::room(1)?;
    headers.push(header);
    request.data = Data::Message(headers, vectors, kept);
    Ok(())
}

/// The address of the message header to use.
pub(super) fn header(request: &Request) -> usize {
    match &request.data {
        Data::Message(headers, ..) if !headers.is_empty() => headers.as_ptr() as usize,
        _ => request.sqe.addr as usize,
    }
}

/// What was transferred before an error counts.
pub(super) fn partial(request: &Request, error: c_int) -> i32 {
    if request.done != 0 {
        request.done as i32
    } else {
        error
    }
}

/// Takes bytes off the front of kept vectors.
pub(super) fn advance(request: &mut Request, count: usize) {
    request.done += count;
    let Data::Message(headers, vectors, _) = &mut request.data else {
        return;
    };
    let mut left = count;
    for vector in vectors.iter_mut() {
        let step = left.min(vector.iov_len);
        vector.iov_base = vector.iov_base.wrapping_byte_add(step);
        vector.iov_len -= step;
        left -= step;
    }
    // Empty vectors do no harm.
    for header in headers {
        header.msg_iov = vectors.as_mut_ptr();
    }
}

/// Bytes of a message; the kernel has just read its header.
pub(super) fn message_total(request: &Request) -> usize {
    let vectors = match &request.data {
        Data::Message(headers, vectors, _) if !headers.is_empty() => {
            return vectors.iter().map(|v| v.iov_len).sum();
        }
        _ => user_memory::read::<user_msghdr>(request.sqe.addr).and_then(|header| {
            user_memory::read_array::<libc::iovec>(
                header.msg_iov as u64,
                header.msg_iovlen.min(1024),
            )
        }),
    };
    vectors.map_or(0, |vectors| vectors.iter().map(|v| v.iov_len).sum())
}

pub(super) fn empty_header() -> user_msghdr {
    // SAFETY: integers and pointers: zeroes are a value.
    unsafe { core::mem::zeroed() }
}

/// Buffers that `bytes` fill, the last perhaps in part.
pub(super) fn touched(vectors: &[libc::iovec], bytes: usize) -> u16 {
    let mut left = bytes;
    let mut count = 0;
    for vector in vectors {
        if left == 0 {
            break;
        }
        count += 1;
        left -= left.min(vector.iov_len);
    }
    count
}

pub(super) fn is_stream(fd: c_int) -> bool {
    sys::socket_option(fd, libc::SO_TYPE)
        .is_ok_and(|kind| matches!(kind, libc::SOCK_STREAM | libc::SOCK_SEQPACKET))
}
