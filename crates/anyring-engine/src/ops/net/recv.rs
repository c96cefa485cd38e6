//! Receiving.
//!
//! # Safety
//! Addresses come from SQEs, or from copies that the request keeps; the kernel
//! checks those of the program.

use core::ffi::c_int;
use core::ptr;

use anyring_abi as abi;
use anyring_abi::io_uring_recvmsg_out;

use super::{
    BUNDLE, advance, call_flags, empty_header, header, ioprio, is_message, is_stream,
    message_total, partial, refuses_to_wait, touched,
};
use crate::ops;
use crate::os::sys::{self, Sys};
use crate::os::user_memory::{self, user_msghdr};
use crate::request::{Data, Outcome, PickedBuffer, Request};
use crate::ring::state::State;

/// Results of one multishot request before others get a turn.
const TURN: u32 = 33;

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
        let header: user_msghdr = user_memory::read(sqe.addr)?;
        if header.msg_iovlen > 1 {
            return Err(-libc::EINVAL);
        }
    }
    Ok(())
}

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
    // Datagrams that wait are not told of.
    let more = if readable_bytes(request.file.fd()) > 0 {
        sys::socket_option(request.file.fd(), libc::SO_TYPE) == Ok(libc::SOCK_STREAM)
    } else {
        may_have_ended && has_ended(request.file.fd())
    };
    u32::from(more) * abi::IORING_CQE_F_SOCK_NONEMPTY
}

/// Bytes that a file has to be read; 0 also if it cannot tell.
fn readable_bytes(fd: c_int) -> usize {
    let mut left: c_int = 0;
    // SAFETY: a number is written.
    let asked = unsafe {
        sys::raw(
            libc::SYS_ioctl,
            &[
                fd as usize,
                libc::FIONREAD as usize,
                (&raw mut left) as usize,
            ],
        )
    };
    asked.map_or(0, |_| left.max(0) as usize)
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
                    if let Err(error) = ops::copy(request) {
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
fn write_header(at: u64, header: &user_msghdr) -> Result<(), c_int> {
    let field = |offset: usize| at + offset as u64;
    user_memory::write(
        field(core::mem::offset_of!(user_msghdr, msg_namelen)),
        &header.msg_namelen,
    )?;
    user_memory::write(
        field(core::mem::offset_of!(user_msghdr, msg_controllen)),
        &(header.msg_controllen as u64),
    )?;
    user_memory::write(
        field(core::mem::offset_of!(user_msghdr, msg_flags)),
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
        if let Err(error) = ops::copy(request) {
            return Outcome::Done(error);
        }
    }
    if ioprio(request, abi::IORING_RECVSEND_BUNDLE) {
        return recv_bundles(state, request, multishot, events);
    }
    for _ in 0..TURN {
        let group = request.sqe.buf_index;
        let wanted = if is_message(request) {
            0
        } else {
            request.sqe.len
        };
        let selected = match state.groups.select(group, wanted) {
            Ok(selected) => selected,
            Err(error) => return Outcome::Done(error),
        };
        match recv_into(request, &selected, &[], multishot) {
            Ok((0, room)) if !is_message(request) || !multishot || room == 0 => {
                state.groups.give_back(selected);
                return Outcome::DoneWith(0, inquire(request, 0, room, events));
            }
            Ok((count, room)) => {
                let flags = state.groups.used(selected, count as u32, 1);
                let flags = flags | inquire(request, count, room, events);
                // A message without a payload may be the end of a connection,
                // so the kernel stops there.
                let empty = multishot && head(request).is_ok_and(|head| head == count);
                if !multishot || empty || reaches_limit(request, count) || state.ends_early(request)
                {
                    return Outcome::DoneWith(count as i32, flags);
                }
                state.post_more(request, count as i32, flags);
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

/// Bundles as the kernel makes them: of the length that was asked for or, without one, of
/// what the last receive left, else of one buffer; and once more into the same completion if
/// that was filled and more is there.
fn recv_bundles(
    state: &mut State,
    request: &mut Request,
    multishot: bool,
    events: Option<u32>,
) -> Outcome {
    let group = request.sqe.buf_index;
    let length = request.sqe.len as usize;
    let limit = request.sqe.file_index as usize;
    let mut left = 0;
    for _ in 0..TURN {
        let (mut total, mut flags) = (0, 0);
        let mut finished = !multishot;
        let mut wanted = if length != 0 { length } else { left };
        loop {
            let again = total != 0;
            if limit != 0 {
                let rest = (request.sqe.file_index as usize).max(1);
                wanted = if wanted == 0 { rest } else { wanted.min(rest) };
            }
            // Without a length there are as many as a receive before had, which the request
            // remembers.
            let most = if wanted == 0 {
                request.done.max(1)
            } else {
                BUNDLE
            };
            let picked = state.groups.select_to_fill(group, wanted, most);
            let (selected, vectors, cut, empty) = match picked {
                Ok(picked) => picked,
                Err(_) if again => {
                    flags &= !abi::IORING_CQE_F_SOCK_NONEMPTY;
                    finished = true;
                    break;
                }
                Err(error) => return Outcome::Done(error),
            };
            request.done = request.done.max(vectors.len());
            let (count, room) = match recv_into(request, &selected, &vectors, multishot) {
                Ok(received) => received,
                Err(error) => {
                    state.groups.give_back(selected);
                    if again {
                        flags &= !abi::IORING_CQE_F_SOCK_NONEMPTY;
                        finished |= error != -libc::EAGAIN;
                        break;
                    }
                    return if error == -libc::EAGAIN && !refuses_to_wait(request) {
                        Outcome::WouldBlock
                    } else {
                        Outcome::Done(error)
                    };
                }
            };
            let more = inquire(request, count, room, events);
            if count == 0 {
                state.groups.give_back(selected);
                if !again {
                    return Outcome::DoneWith(0, more);
                }
                break;
            }
            let used = state
                .groups
                .used(selected, count as u32, touched(&vectors, count));
            // A completion names its first buffer, and says what is so after the last one.
            let last = abi::IORING_CQE_F_SOCK_NONEMPTY | abi::IORING_CQE_F_BUF_MORE;
            let first = if again { flags } else { used };
            flags = first & !last | used & abi::IORING_CQE_F_BUF_MORE | more;
            total += count;
            // The kernel counts what is continued twice.
            finished |= reaches_limit(request, total) || empty;
            let capped = multishot && length != 0 && total >= length;
            left = match more {
                0 => 0,
                _ => readable_bytes(request.file.fd()),
            };
            let done_here = finished && multishot || empty || capped || cut || again;
            if done_here || left <= 1 || count != room {
                break;
            }
            wanted = left;
        }
        if finished || state.is_full() {
            return Outcome::DoneWith(total as i32, flags);
        }
        state.post_more(request, total as i32, flags);
        if length != 0 && total >= length {
            // That much a turn, then others run.
            break;
        }
        if flags & abi::IORING_CQE_F_SOCK_NONEMPTY == 0 && !refuses_to_wait(request) {
            return Outcome::WouldBlock;
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
    selected: &PickedBuffer,
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
    // SAFETY: the vectors live through the call.
    let count = unsafe { receive_message(request, &mut message) }?;
    Ok((count, vectors.iter().map(|vector| vector.iov_len).sum()))
}

/// recvmsg(2) with a header that the engine has made; what the kernel says stands in it.
///
/// # Safety
/// The vectors that the header names live through the call; other addresses may be bad, the
/// kernel checks them.
unsafe fn receive_message(request: &Request, message: &mut user_msghdr) -> Sys {
    // SAFETY: the header is borrowed for the call; the rest as the contract says.
    unsafe {
        sys::raw(
            libc::SYS_recvmsg,
            &[
                request.file.fd() as usize,
                (&raw mut *message) as usize,
                call_flags(request),
            ],
        )
    }
}

/// A message whose payload goes into a provided buffer.
fn recv_message_into(request: &Request, selected: &PickedBuffer) -> Result<(usize, usize), c_int> {
    let mut message: user_msghdr = user_memory::read(request.sqe.addr)?;
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
    // SAFETY: the vector lives through the call, and so does what the header names.
    let count = unsafe { receive_message(request, &mut message) }?;
    write_header(request.sqe.addr, &message)?;
    Ok((count, wanted))
}

/// The header that the program gave for messages laid out in buffers.
fn given(request: &Request) -> Result<&user_msghdr, c_int> {
    match &request.data {
        Data::Message(headers, ..) => headers.first().ok_or(-libc::EFAULT),
        _ => Err(-libc::EFAULT),
    }
}

/// Bytes in front of the payload of a message in its buffer.
fn head(request: &Request) -> Result<usize, c_int> {
    let given = given(request)?;
    Ok(size_of::<io_uring_recvmsg_out>() + given.msg_namelen as usize + given.msg_controllen)
}

/// A message laid out in its buffer as io_uring_recvmsg_out(3) says.
fn recv_message_laid_out(
    request: &Request,
    selected: &PickedBuffer,
) -> Result<(usize, usize), c_int> {
    let given = given(request)?;
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
    // SAFETY: the vector lives through the call, and so does what the header names.
    let count = unsafe { receive_message(request, &mut message) }?;
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
