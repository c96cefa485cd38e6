//! Sending and receiving.
//!
//! # Safety
//! Addresses come from SQEs, or from copies that the request keeps; the kernel
//! checks those of the program.

use alloc::vec::Vec;
use core::ffi::c_int;
use core::ptr;

use anyring_abi as abi;
use anyring_abi::io_uring_recvmsg_out;

use crate::os::sys::{self, Sys};
use crate::os::user_memory;
use crate::request::{Data, Outcome, Request, Selected};
use crate::ring::state::State;

/// Buffers in a bundle.
const BUNDLE: usize = 256;
/// Results of one multishot request before others get a turn.
const TURN: u32 = 33;

fn ioprio(request: &Request, flag: u32) -> bool {
    u32::from(request.sqe.ioprio) & flag != 0
}

fn is_message(request: &Request) -> bool {
    request.def.message
}

fn is_zero_copy(request: &Request) -> bool {
    request.def.zero_copy
}

/// The pieces of a plain send are those of an array.
fn is_vectorized(request: &Request) -> bool {
    ioprio(request, abi::IORING_SEND_VECTORIZED)
        && !is_message(request)
        && !request.has(abi::IOSQE_BUFFER_SELECT)
}

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

/// What a notification tells.
pub(crate) fn usage(request: &Request) -> i32 {
    let known = u32::from(request.sqe.ioprio) & !known_send_flags(request) == 0;
    if known && ioprio(request, abi::IORING_SEND_ZC_REPORT_USAGE) {
        abi::IORING_NOTIF_USAGE_ZC_COPIED as i32
    } else {
        0
    }
}

/// Whether a transfer that wanted all moved less.
pub(crate) fn fell_short(request: &Request, res: i32) -> bool {
    request.sqe.op_flags & libc::MSG_WAITALL as u32 != 0 && (res as u32) < request.sqe.len
}

/// Whether a send that failed keeps its provided buffer: it does once it had a socket
/// to try.
pub(crate) fn uses_buffer(_: c_int, _: &Request, _: Selected, res: i32) -> bool {
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

/// What the kernel checks of a receive.
pub(crate) fn check_recv(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let known =
        abi::IORING_RECVSEND_POLL_FIRST | abi::IORING_RECV_MULTISHOT | abi::IORING_RECVSEND_BUNDLE;
    let multishot = ioprio(request, abi::IORING_RECV_MULTISHOT);
    let wrong = u32::from(sqe.ioprio) & !known != 0
        || (sqe.len as i32) < 0
        || sqe.off != 0
        // A limit of all that is received.
        || sqe.file_index != 0 && (!multishot || is_message(request))
        || multishot
            && (!request.has(abi::IOSQE_BUFFER_SELECT)
                || sqe.op_flags & libc::MSG_WAITALL as u32 != 0)
        || ioprio(request, abi::IORING_RECVSEND_BUNDLE) && is_message(request);
    if wrong {
        return Err(-libc::EINVAL);
    }
    if is_message(request) && request.has(abi::IOSQE_BUFFER_SELECT) {
        let header: libc::msghdr = user_memory::read(sqe.addr)?;
        if header.msg_iovlen > 1 {
            return Err(-libc::EINVAL);
        }
    }
    Ok(())
}

/// Flags for a system call that does not wait. The topmost one is the
/// kernel's own.
fn call_flags(request: &Request) -> usize {
    const COMPAT: u32 = 1 << 31;
    (request.sqe.op_flags & !COMPAT | libc::MSG_DONTWAIT as u32) as usize
}

/// Whether the program said that it does not want to wait.
fn refuses_to_wait(request: &Request) -> bool {
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
    let mut header: libc::msghdr = user_memory::read(request.sqe.addr)?;
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
fn header(request: &Request) -> usize {
    match &request.data {
        Data::Message(headers, ..) if !headers.is_empty() => headers.as_ptr() as usize,
        _ => request.sqe.addr as usize,
    }
}

/// What was transferred before an error counts.
fn partial(request: &Request, error: c_int) -> i32 {
    if request.done != 0 {
        request.done as i32
    } else {
        error
    }
}

/// Takes bytes off the front of kept vectors.
fn advance(request: &mut Request, count: usize) {
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
fn message_total(request: &Request) -> usize {
    let vectors = match &request.data {
        Data::Message(headers, vectors, _) if !headers.is_empty() => {
            return vectors.iter().map(|v| v.iov_len).sum();
        }
        _ => user_memory::read::<libc::msghdr>(request.sqe.addr).and_then(|header| {
            user_memory::read_array::<libc::iovec>(
                header.msg_iov as u64,
                header.msg_iovlen.min(1024),
            )
        }),
    };
    vectors.map_or(0, |vectors| vectors.iter().map(|v| v.iov_len).sum())
}

// ---- sending

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

fn empty_header() -> libc::msghdr {
    // SAFETY: integers and pointers: zeroes are a value.
    unsafe { core::mem::zeroed() }
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
                    if let Err(error) = super::copy(request) {
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
    super::copy(request)?;
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

/// A send ended; a zero-copy one tells that its buffer is free again.
fn sent(state: &mut State, request: &mut Request, res: i32) -> Outcome {
    if !is_zero_copy(request) {
        return Outcome::Done(res);
    }
    state.post_more(request, res, 0);
    request.failed |= res < 0;
    request.owes = false;
    Outcome::DoneWith(usage(request), abi::IORING_CQE_F_NOTIF)
}

/// Buffers that `bytes` fill, the last perhaps in part.
fn touched(vectors: &[libc::iovec], bytes: usize) -> u16 {
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
    mut first: Selected,
    vectors: Vec<libc::iovec>,
    count: usize,
) -> Outcome {
    if let Err(error) = super::copy(request) {
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

// ---- receiving

/// Whether a TCP socket's peer has sent its last; false for any other socket.
fn has_ended(fd: c_int) -> bool {
    const CLOSING: [u8; 5] = [6, 7, 8, 9, 11];
    let (mut state, mut size): (u8, u32) = (0, 1);
    // SAFETY: the first byte of a tcp_info, its state, is written, and the size.
    let asked = unsafe {
        sys::raw(
            libc::SYS_getsockopt,
            &[
                fd as usize,
                libc::IPPROTO_TCP as usize,
                libc::TCP_INFO as usize,
                (&raw mut state) as usize,
                (&raw mut size) as usize,
            ],
        )
    };
    // TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING.
    asked.is_ok() && CLOSING.contains(&state)
}

/// Flags that a receive adds to its completion: whether the socket holds more. TCP
/// counts the end of the stream as something to be received. `events` are those of
/// the file, if it was waited for.
fn inquire(request: &Request, count: usize, room: usize, events: Option<u32>) -> u32 {
    let peeks = request.sqe.op_flags & libc::MSG_PEEK as u32 != 0;
    let may_have_ended = events.is_none_or(|events| events & libc::EPOLLRDHUP as u32 != 0);
    if count < room && count != 0 && !peeks {
        // It gave all it had.
        let ended = may_have_ended && has_ended(request.file.fd());
        return u32::from(ended) * abi::IORING_CQE_F_SOCK_NONEMPTY;
    }
    let mut left: c_int = 0;
    // SAFETY: a number is written.
    let asked = unsafe {
        sys::raw(
            libc::SYS_ioctl,
            &[
                request.file.fd() as usize,
                libc::FIONREAD as usize,
                (&raw mut left) as usize,
            ],
        )
    };
    // Datagrams that wait are not told of.
    let more = if asked.is_ok() && left > 0 {
        sys::socket_option(request.file.fd(), libc::SO_TYPE) == Ok(libc::SOCK_STREAM)
    } else {
        may_have_ended && has_ended(request.file.fd())
    };
    u32::from(more) * abi::IORING_CQE_F_SOCK_NONEMPTY
}

fn receive_once(request: &Request, addr: u64, len: usize) -> Sys {
    // SAFETY: the kernel checks the address.
    unsafe {
        sys::raw(
            libc::SYS_recvfrom,
            &[
                request.file.fd() as usize,
                addr as usize,
                len,
                call_flags(request),
                0,
                0,
            ],
        )
    }
}

/// RECV and RECVMSG in all their forms.
pub(crate) fn recv(state: &mut State, request: &mut Request, events: Option<u32>) -> Outcome {
    if events.is_none() && ioprio(request, abi::IORING_RECVSEND_POLL_FIRST) {
        if refuses_to_wait(request) {
            return Outcome::Done(-libc::EAGAIN);
        }
        return Outcome::WouldBlock;
    }
    if events.is_none() && may_guess(request) && state.guess_wait(request) {
        return Outcome::WouldBlock;
    }
    let multishot = ioprio(request, abi::IORING_RECV_MULTISHOT);
    if request.has(abi::IOSQE_BUFFER_SELECT) {
        return recv_selected(state, request, multishot, events);
    }
    let all = request.sqe.op_flags & libc::MSG_WAITALL as u32 != 0;
    loop {
        let message = is_message(request);
        let result = if message {
            let flags = call_flags(request);
            // SAFETY: the kernel checks what the program gave; ours is kept.
            unsafe {
                sys::raw(
                    libc::SYS_recvmsg,
                    &[request.file.fd() as usize, header(request), flags],
                )
            }
        } else {
            let left = request.sqe.len as usize - request.done;
            receive_once(request, request.sqe.addr + request.done as u64, left)
        };
        match result {
            Ok(count) => {
                let room = match (message, all) {
                    (false, _) => request.sqe.len as usize - request.done,
                    (true, true) => message_total(request),
                    // As much as it took: what is left is asked for.
                    (true, false) => count,
                };
                if all && count != 0 && count < room && is_stream(request.file.fd()) {
                    if let Err(error) = super::copy(request) {
                        return Outcome::Done(error);
                    }
                    advance(request, count);
                    continue;
                }
                // Less than all is a failure, though its count is the result.
                request.failed = all && count < room;
                let flags = inquire(request, count, room, events);
                if message {
                    if let Err(error) = give_back_header(request) {
                        return Outcome::Done(error);
                    }
                }
                return Outcome::DoneWith((request.done + count) as i32, flags);
            }
            Err(e) if e == -libc::EAGAIN && !refuses_to_wait(request) => {
                if events.is_none() && may_guess(request) {
                    state.notes.had_to_wait(request.file.fd());
                }
                return Outcome::WouldBlock;
            }
            Err(error) => {
                request.failed = all;
                return Outcome::Done(partial(request, error));
            }
        }
    }
}

/// Whether a receive may wait without a first try: it does nothing but read,
/// and needs nothing that is missing at once (a buffer of a group).
fn may_guess(request: &Request) -> bool {
    let plain = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
    request.sqe.op_flags & !(plain as u32) == 0
        && !request.has(abi::IOSQE_BUFFER_SELECT)
        && (is_message(request) || request.sqe.len != 0)
}

fn is_stream(fd: c_int) -> bool {
    sys::socket_option(fd, libc::SO_TYPE)
        .is_ok_and(|kind| matches!(kind, libc::SOCK_STREAM | libc::SOCK_SEQPACKET))
}

/// A header that was copied got the results: the program looks at its own.
fn give_back_header(request: &Request) -> Result<(), c_int> {
    match &request.data {
        Data::Message(headers, ..) if !headers.is_empty() => {
            write_header(request.sqe.addr, &headers[0])
        }
        _ => Ok(()),
    }
}

/// Writes what a receive says into a header of the program.
fn write_header(at: u64, header: &libc::msghdr) -> Result<(), c_int> {
    let field = |offset: usize| at + offset as u64;
    user_memory::write(
        field(core::mem::offset_of!(libc::msghdr, msg_namelen)),
        &header.msg_namelen,
    )?;
    user_memory::write(
        field(core::mem::offset_of!(libc::msghdr, msg_controllen)),
        &(header.msg_controllen as u64),
    )?;
    user_memory::write(
        field(core::mem::offset_of!(libc::msghdr, msg_flags)),
        &header.msg_flags,
    )
}

/// Receives into provided buffers, once or until there is nothing.
fn recv_selected(
    state: &mut State,
    request: &mut Request,
    multishot: bool,
    events: Option<u32>,
) -> Outcome {
    if is_message(request) && multishot {
        // The header says how to lay a buffer out.
        if let Err(error) = super::copy(request) {
            return Outcome::Done(error);
        }
    }
    for _ in 0..TURN {
        let group = request.sqe.buf_index;
        let bundle = ioprio(request, abi::IORING_RECVSEND_BUNDLE);
        let picked = if bundle {
            state
                .groups
                .select_many(group, request.sqe.len as usize, BUNDLE)
        } else {
            let wanted = if is_message(request) {
                0
            } else {
                request.sqe.len
            };
            state
                .groups
                .select(group, wanted)
                .map(|selected| (selected, Vec::new()))
        };
        let (selected, vectors) = match picked {
            Ok(picked) => picked,
            Err(error) => return Outcome::Done(error),
        };
        match recv_into(request, &selected, &vectors, multishot) {
            Ok((0, room)) if !is_message(request) || !multishot || room == 0 => {
                state.groups.give_back(selected);
                return Outcome::DoneWith(0, inquire(request, 0, room, events));
            }
            Ok((count, room)) => {
                let buffers = if bundle { touched(&vectors, count) } else { 1 };
                let flags = state.groups.used(selected, count as u32, buffers);
                let flags = flags | inquire(request, count, room, events);
                // A message without a payload may be the end of a connection,
                // so the kernel stops there.
                let empty = multishot && head(request).is_ok_and(|head| head == count);
                if !multishot || empty || reaches_limit(request, count) || state.is_full() {
                    return Outcome::DoneWith(count as i32, flags);
                }
                state.post_more(request, count as i32, flags);
                if bundle && request.sqe.len != 0 && count >= request.sqe.len as usize {
                    // That much a turn, then others run.
                    break;
                }
                if flags & abi::IORING_CQE_F_SOCK_NONEMPTY == 0
                    && !is_message(request)
                    && !refuses_to_wait(request)
                {
                    // Nothing more for now, so no buffer is asked for; the
                    // epoll says if that is wrong.
                    return Outcome::WouldBlock;
                }
            }
            Err(error) => {
                state.groups.give_back(selected);
                return if error == -libc::EAGAIN && !refuses_to_wait(request) {
                    Outcome::WouldBlock
                } else {
                    Outcome::Done(error)
                };
            }
        }
    }
    Outcome::WouldBlock
}

/// Counts what a multishot receive got against its limit; whether it is reached.
fn reaches_limit(request: &mut Request, count: usize) -> bool {
    let limit = request.sqe.file_index as usize;
    request.sqe.file_index = limit.saturating_sub(count) as u32;
    limit != 0 && count >= limit
}

/// One attempt into a buffer (or several); bytes and the room there was.
fn recv_into(
    request: &Request,
    selected: &Selected,
    vectors: &[libc::iovec],
    multishot: bool,
) -> Result<(usize, usize), c_int> {
    if is_message(request) {
        return if multishot {
            recv_message_laid_out(request, selected)
        } else {
            recv_message_into(request, selected)
        };
    }
    if vectors.is_empty() {
        let count = receive_once(request, selected.addr, selected.len as usize)?;
        return Ok((count, selected.len as usize));
    }
    let mut message = empty_header();
    message.msg_iov = vectors.as_ptr().cast_mut();
    message.msg_iovlen = vectors.len();
    let flags = call_flags(request);
    // SAFETY: the header lives through the call; the kernel checks the rest.
    let count = unsafe {
        sys::raw(
            libc::SYS_recvmsg,
            &[
                request.file.fd() as usize,
                (&raw mut message) as usize,
                flags,
            ],
        )
    }?;
    Ok((count, vectors.iter().map(|vector| vector.iov_len).sum()))
}

/// A message whose payload goes into a provided buffer.
fn recv_message_into(request: &Request, selected: &Selected) -> Result<(usize, usize), c_int> {
    let mut message: libc::msghdr = user_memory::read(request.sqe.addr)?;
    let mut wanted = selected.len as usize;
    if message.msg_iovlen != 0 {
        let vector: libc::iovec = user_memory::read(message.msg_iov as u64)?;
        if vector.iov_len != 0 {
            wanted = wanted.min(vector.iov_len);
        }
    }
    let vector = libc::iovec {
        iov_base: selected.addr as *mut _,
        iov_len: wanted,
    };
    message.msg_iov = (&raw const vector).cast_mut();
    message.msg_iovlen = 1;
    let flags = call_flags(request);
    // SAFETY: header and vector live through the call; the kernel checks the
    // rest.
    let count = unsafe {
        sys::raw(
            libc::SYS_recvmsg,
            &[
                request.file.fd() as usize,
                (&raw mut message) as usize,
                flags,
            ],
        )
    }?;
    write_header(request.sqe.addr, &message)?;
    Ok((count, wanted))
}

/// Bytes in front of the payload of a message in its buffer.
fn head(request: &Request) -> Result<usize, c_int> {
    let Data::Message(headers, ..) = &request.data else {
        return Err(-libc::EFAULT);
    };
    let given = headers.first().ok_or(-libc::EFAULT)?;
    Ok(size_of::<io_uring_recvmsg_out>() + given.msg_namelen as usize + given.msg_controllen)
}

/// A message laid out in its buffer as io_uring_recvmsg_out(3) says.
fn recv_message_laid_out(request: &Request, selected: &Selected) -> Result<(usize, usize), c_int> {
    let Data::Message(headers, ..) = &request.data else {
        return Err(-libc::EFAULT);
    };
    let given = headers.first().ok_or(-libc::EFAULT)?;
    let (name, control) = (given.msg_namelen as usize, given.msg_controllen);
    let head = head(request)?;
    let room = (selected.len as usize)
        .checked_sub(head)
        .ok_or(-libc::EFAULT)?;
    let start = selected.addr + size_of::<io_uring_recvmsg_out>() as u64;
    let vector = libc::iovec {
        iov_base: (start + (name + control) as u64) as *mut _,
        iov_len: room,
    };
    let mut message = empty_header();
    if name != 0 {
        message.msg_name = start as *mut _;
        message.msg_namelen = name as u32;
    }
    if control != 0 {
        message.msg_control = (start + name as u64) as *mut _;
        message.msg_controllen = control as _;
    }
    message.msg_iov = (&raw const vector).cast_mut();
    message.msg_iovlen = 1;
    let flags = call_flags(request);
    // SAFETY: header and vector live through the call; the kernel checks the
    // rest.
    let count = unsafe {
        sys::raw(
            libc::SYS_recvmsg,
            &[
                request.file.fd() as usize,
                (&raw mut message) as usize,
                flags,
            ],
        )
    }?;
    let out = [
        message.msg_namelen,
        message.msg_controllen as u32,
        count as u32,
        message.msg_flags as u32,
    ];
    // SAFETY: four words, as bytes.
    let bytes = unsafe { core::slice::from_raw_parts(ptr::from_ref(&out).cast::<u8>(), 16) };
    user_memory::copy_out(selected.addr, bytes)?;
    Ok((head + count.min(room), selected.len as usize))
}
