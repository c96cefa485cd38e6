//! Sending.
//!
//! # Safety
//! Addresses come from SQEs, or from copies that the request keeps; the kernel
//! checks those of the program.

use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi as abi;

use super::{
    BUNDLE, advance, call_flags, empty_header, header, ioprio, is_message, is_stream,
    is_vectorized, is_zero_copy, message_total, partial, refuses_to_wait, touched,
};
use crate::ops;
use crate::os::sys::{self, Sys};
use crate::request::{Data, Outcome, PickedBuffer, Request};
use crate::ring::state::State;

fn known_send_flags(request: &Request) -> u32 {
    let own = if is_zero_copy(request) {
        abi::IORING_RECVSEND_FIXED_BUF | abi::IORING_SEND_ZC_REPORT_USAGE
    } else {
        abi::IORING_RECVSEND_BUNDLE
    };
    own | abi::IORING_RECVSEND_POLL_FIRST | abi::IORING_SEND_VECTORIZED
}

/// Whether a request gets as far as to owe a notification, however it ends.
#[inline]
pub(crate) fn owes_notification(request: &Request) -> bool {
    let sqe = &request.sqe;
    is_zero_copy(request)
        && sqe.addr3 == 0
        && sqe.__pad2 == [0]
        && !request.has(abi::IOSQE_CQE_SKIP_SUCCESS)
}

/// Whether a send is one of a registered buffer.
pub(crate) fn is_fixed(request: &Request) -> bool {
    is_zero_copy(request) && ioprio(request, abi::IORING_RECVSEND_FIXED_BUF)
}

/// The result of a notification.
pub(crate) fn usage(request: &Request) -> i32 {
    let known = u32::from(request.sqe.ioprio) & !known_send_flags(request) == 0;
    if known && ioprio(request, abi::IORING_SEND_ZC_REPORT_USAGE) {
        abi::IORING_NOTIF_USAGE_ZC_COPIED as i32
    } else {
        0
    }
}

/// Whether a send that failed keeps its provided buffer: it does once it had a socket
/// to try.
pub(crate) fn uses_buffer(_: c_int, _: &Request, _: PickedBuffer, res: i32) -> bool {
    !matches!(-res, libc::EBADF | libc::ENOTSOCK | libc::ECANCELED)
}

/// What the kernel checks of a send.
pub(crate) fn check_send(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let message = is_message(request);
    let vectorized = is_vectorized(request);
    let wrong = is_zero_copy(request) && !owes_notification(request)
        || u32::from(sqe.ioprio) & !known_send_flags(request) != 0
        || (sqe.len as i32) < 0 && !is_zero_copy(request)
        || message && (sqe.off != 0 || sqe.file_index != 0)
        // The address has a length of 16 bits.
        || sqe.file_index >> 16 != 0
        || ioprio(request, abi::IORING_RECVSEND_BUNDLE) && message
        || vectorized && ioprio(request, abi::IORING_RECVSEND_FIXED_BUF)
        || vectorized && sqe.len > 1024;
    if wrong { Err(-libc::EINVAL) } else { Ok(()) }
}

/// One attempt to send.
fn send_once(request: &mut Request, vectors: Option<&[libc::iovec]>) -> Sys {
    let sqe = &request.sqe;
    let flags = call_flags(request) | libc::MSG_NOSIGNAL as usize;
    let fd = request.file.fd() as usize;
    if is_message(request) {
        // SAFETY: the kernel checks what the program gave; ours is kept.
        return unsafe { sys::raw(libc::SYS_sendmsg, &[fd, header(request), flags]) };
    }
    let (mut name, mut name_len) = (sqe.off as usize, usize::from(sqe.file_index as u16));
    if let Data::Message(_, _, kept) = &request.data {
        if !kept.is_empty() {
            (name, name_len) = (kept.as_ptr() as usize, kept.len());
        }
    }
    if name == 0 {
        name_len = 0;
    }
    let keeps = matches!(&request.data, Data::Message(_, kept, _) if !kept.is_empty());
    if vectors.is_some() || keeps || is_vectorized(request) {
        let (at, count) = match (vectors, &request.data) {
            (Some(vectors), _) => (vectors.as_ptr(), vectors.len()),
            (None, Data::Message(_, vectors, _)) => (vectors.as_ptr(), vectors.len()),
            (None, _) => (sqe.addr as *const libc::iovec, sqe.len as usize),
        };
        let mut message = empty_header();
        message.msg_name = name as *mut _;
        message.msg_namelen = name_len as u32;
        message.msg_iov = at.cast_mut();
        message.msg_iovlen = count;
        // SAFETY: the header lives through the call; the kernel checks the rest.
        return unsafe {
            sys::raw(
                libc::SYS_sendmsg,
                &[fd, (&raw const message) as usize, flags],
            )
        };
    }
    let (addr, len) = match &request.selected {
        Some(selected) => (selected.addr, selected.len),
        None => (sqe.addr, sqe.len),
    };
    let done = request.done;
    // SAFETY: the kernel checks the addresses.
    unsafe {
        sys::raw(
            libc::SYS_sendto,
            &[
                fd,
                addr as usize + done,
                len as usize - done,
                flags,
                name,
                name_len,
            ],
        )
    }
}

/// SEND, SENDMSG and their zero-copy forms, which copy here: what a user
/// process cannot do is said in the notification.
pub(crate) fn send(state: &mut State, request: &mut Request, events: Option<u32>) -> Outcome {
    if is_zero_copy(request) && events.is_none() && !takes_zero_copy(request.file.fd()) {
        return sent(state, request, -libc::EOPNOTSUPP);
    }
    if events.is_none() && ioprio(request, abi::IORING_RECVSEND_POLL_FIRST) {
        if refuses_to_wait(request) {
            return sent(state, request, -libc::EAGAIN);
        }
        return Outcome::WouldBlock;
    }
    if ioprio(request, abi::IORING_RECVSEND_FIXED_BUF) && request.buffer.is_none() {
        let (index, addr, len) = (request.sqe.buf_index, request.sqe.addr, request.sqe.len);
        if is_message(request) || is_vectorized(request) {
            if let Err(error) = check_fixed_vectors(state, request) {
                return Outcome::Done(error);
            }
        } else {
            match state.buffers.check(index, addr, len as usize) {
                Ok(buffer) => request.buffer = Some(buffer),
                Err(error) => return Outcome::Done(error),
            }
        }
    }
    let bundle = ioprio(request, abi::IORING_RECVSEND_BUNDLE);
    if bundle && request.has(abi::IOSQE_BUFFER_SELECT) {
        return send_bundle(state, request, events.is_some());
    }
    if request.has(abi::IOSQE_BUFFER_SELECT) && request.selected.is_none() {
        let (group, wanted) = (request.sqe.buf_index, request.sqe.len);
        match state.groups.select_to_send(group, wanted) {
            Ok(selected) => request.selected = Some(selected),
            Err(error) => return Outcome::Done(error),
        }
    }
    let all = request.sqe.op_flags & libc::MSG_WAITALL as u32 != 0;
    loop {
        match send_once(request, None) {
            Ok(count) => {
                let total = if !all {
                    0
                } else if is_message(request) {
                    message_total(request)
                } else if let Some(selected) = &request.selected {
                    selected.len as usize - request.done
                } else {
                    request.sqe.len as usize - request.done
                };
                if count != 0 && count < total {
                    if let Err(error) = ops::copy(request) {
                        return sent(state, request, error);
                    }
                    advance(request, count);
                    continue;
                }
                let total = (request.done + count) as i32;
                if bundle && total > 0 {
                    // A bundle goes on, though there is nothing more here.
                    state.post_more(request, total, 0);
                    request.sqe.ioprio &= !(abi::IORING_RECVSEND_BUNDLE as u16);
                    request.sqe.len = 0;
                    request.done = 0;
                    request.data = Data::None;
                    return send(state, request, events);
                }
                return sent(state, request, total);
            }
            Err(e) if e == -libc::EAGAIN && !refuses_to_wait(request) => {
                return Outcome::WouldBlock;
            }
            Err(error) => {
                request.failed = all;
                let res = partial(request, error);
                return sent(state, request, res);
            }
        }
    }
}

/// Whether the kernel sends without copying on such a socket: TCP, UDP, vsock. What
/// is no socket is found so by the send.
fn takes_zero_copy(fd: c_int) -> bool {
    match sys::socket_option(fd, libc::SO_PROTOCOL) {
        Ok(libc::IPPROTO_TCP | libc::IPPROTO_UDP) => true,
        Ok(_) => sys::socket_option(fd, libc::SO_DOMAIN) == Ok(libc::AF_VSOCK),
        Err(_) => true,
    }
}

/// Every piece must lie in the registered buffer.
fn check_fixed_vectors(state: &State, request: &mut Request) -> Result<(), c_int> {
    ops::copy(request)?;
    let index = request.sqe.buf_index;
    let mut buffer = None;
    if let Data::Message(_, vectors, _) = &request.data {
        for vector in vectors {
            buffer = Some(
                state
                    .buffers
                    .check(index, vector.iov_base as u64, vector.iov_len)?,
            );
        }
    }
    request.buffer = buffer;
    Ok(())
}

/// A send ended; a zero-copy one posts that its buffer is free again.
fn sent(state: &mut State, request: &mut Request, res: i32) -> Outcome {
    if !is_zero_copy(request) {
        return Outcome::Done(res);
    }
    state.post_more(request, res, 0);
    request.failed |= res < 0;
    request.owes = false;
    Outcome::DoneWith(usage(request), abi::IORING_CQE_F_NOTIF)
}

/// Sends what the group holds.
fn send_bundle(state: &mut State, request: &mut Request, waited: bool) -> Outcome {
    if request.done != 0 {
        return send_rest(request);
    }
    let group = request.sqe.buf_index;
    let mut wanted = request.sqe.len as usize;
    loop {
        let (first, vectors) = match state.groups.select_many(group, wanted, BUNDLE) {
            Ok(found) => found,
            Err(error) => return Outcome::Done(error),
        };
        let last = state.groups.is_used_up(group, vectors.len());
        match send_once(request, Some(&vectors)) {
            Ok(count) => {
                let all: usize = vectors.iter().map(|vector| vector.iov_len).sum();
                if count != 0 && count < all && is_stream(request.file.fd()) {
                    return take_all(state, request, first, vectors, count);
                }
                let flags = state
                    .groups
                    .used(first, count as u32, touched(&vectors, count));
                if last || waited || count == 0 || count < all || state.is_full() {
                    return Outcome::DoneWith(count as i32, flags);
                }
                state.post_more(request, count as i32, flags);
                // The length limits the first time only.
                wanted = 0;
            }
            Err(e) if e == -libc::EAGAIN && !refuses_to_wait(request) => {
                state.groups.give_back(first);
                return Outcome::WouldBlock;
            }
            Err(error) => {
                request.selected = Some(first);
                return Outcome::Done(error);
            }
        }
    }
}

/// A stream took a part of a bundle: its buffers are used up, and the request has
/// them until all is sent.
fn take_all(
    state: &mut State,
    request: &mut Request,
    mut first: PickedBuffer,
    vectors: Vec<libc::iovec>,
    count: usize,
) -> Outcome {
    if let Err(error) = ops::copy(request) {
        request.selected = Some(first);
        return Outcome::Done(error);
    }
    state.groups.commit_many(&mut first, &vectors);
    request.selected = Some(first);
    if let Data::Message(_, kept, _) = &mut request.data {
        *kept = vectors;
    }
    advance(request, count);
    send_rest(request)
}

/// Goes on with a bundle of which a part is sent; its one completion counts all.
fn send_rest(request: &mut Request) -> Outcome {
    loop {
        let left: usize = match &request.data {
            Data::Message(_, vectors, _) => vectors.iter().map(|vector| vector.iov_len).sum(),
            _ => 0,
        };
        if left == 0 {
            return Outcome::Done(request.done as i32);
        }
        match send_once(request, None) {
            Ok(count) if count != 0 => advance(request, count),
            Err(e) if e == -libc::EAGAIN && !refuses_to_wait(request) => {
                return Outcome::WouldBlock;
            }
            _ => {
                request.failed = true;
                return Outcome::Done(request.done as i32);
            }
        }
    }
}
