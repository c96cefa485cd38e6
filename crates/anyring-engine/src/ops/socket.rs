//! Sockets: made, named, connected, accepted, shut down.
//!
//! # Safety
//! Addresses come from SQEs or from copies that the request keeps; the kernel
//! checks those of the program.

use core::ffi::c_int;

use anyring_abi as abi;

use super::work;
use crate::os::sys::{self, Sys};
use crate::os::user_memory;
use crate::request::{Data, Outcome, Request};
use crate::ring::state::State;

/// What the kernel checks of an accept.
pub(crate) fn check_accept(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let known =
        abi::IORING_ACCEPT_MULTISHOT | abi::IORING_ACCEPT_DONTWAIT | abi::IORING_ACCEPT_POLL_FIRST;
    let cloexec = libc::SOCK_CLOEXEC as u32;
    let wrong = u32::from(sqe.ioprio) & !known != 0
        || sqe.file_index != 0 && sqe.op_flags & cloexec != 0
        || sqe.op_flags & !(cloexec | libc::SOCK_NONBLOCK as u32) != 0
        || is_multishot(request)
            && sqe.file_index != 0
            && sqe.file_index != abi::IORING_FILE_INDEX_ALLOC;
    if wrong { Err(-libc::EINVAL) } else { Ok(()) }
}

fn is_multishot(request: &Request) -> bool {
    u32::from(request.sqe.ioprio) & abi::IORING_ACCEPT_MULTISHOT != 0
}

/// Keeps the address.
pub(crate) fn copy(request: &mut Request) -> Result<(), c_int> {
    let len = request.sqe.off as u32;
    if len > 128 {
        return Err(-libc::EINVAL);
    }
    let name = user_memory::read_array::<u8>(request.sqe.addr, len as usize)?;
    request.data = Data::Bytes(name, alloc::vec::Vec::new());
    Ok(())
}

fn is_listening(fd: c_int) -> Sys<bool> {
    sys::socket_option(fd, libc::SO_ACCEPTCONN).map(|value| value != 0)
}

fn has_no_connections(kind: c_int) -> bool {
    !matches!(kind, libc::SOCK_STREAM | libc::SOCK_SEQPACKET)
}

fn is_internet(fd: c_int) -> bool {
    sys::socket_option(fd, libc::SO_DOMAIN)
        .is_ok_and(|family| matches!(family, libc::AF_INET | libc::AF_INET6))
}

/// ACCEPT. Only when a connection is there: accept4(2) would wait otherwise,
/// unless the program made its socket so that it does not.
pub(crate) fn accept(state: &mut State, request: &mut Request, events: Option<u32>) -> Outcome {
    let sqe = request.sqe;
    let ioprio = u32::from(sqe.ioprio);
    if events.is_none() && ioprio & abi::IORING_ACCEPT_POLL_FIRST != 0 {
        if ioprio & abi::IORING_ACCEPT_DONTWAIT != 0 {
            return Outcome::Done(-libc::EAGAIN);
        }
        return Outcome::WouldBlock;
    }
    let fd = request.file.fd();
    loop {
        let ready = sys::poll_now(fd, libc::POLLIN as u32);
        if ready == 0 {
            match is_listening(fd) {
                Ok(false)
                    if sys::socket_option(fd, libc::SO_TYPE).is_ok_and(has_no_connections) =>
                {
                    return Outcome::Done(-libc::EOPNOTSUPP);
                }
                Ok(false) => return Outcome::Done(-libc::EINVAL),
                Err(error) => return Outcome::Done(error),
                Ok(true) if ioprio & abi::IORING_ACCEPT_DONTWAIT != 0 => {
                    return Outcome::Done(-libc::EAGAIN);
                }
                Ok(true) => return Outcome::WouldBlock,
            }
        }
        // SAFETY: the kernel checks the addresses.
        let accepted = unsafe {
            sys::raw(
                libc::SYS_accept4,
                &[
                    fd as usize,
                    sqe.addr as usize,
                    sqe.off as usize,
                    sqe.op_flags as usize,
                ],
            )
        };
        let res = match accepted {
            Err(e) if e == -libc::EAGAIN || e == -libc::EINTR => {
                if ioprio & abi::IORING_ACCEPT_DONTWAIT != 0 {
                    return Outcome::Done(-libc::EAGAIN);
                }
                return Outcome::WouldBlock;
            }
            // One that went away meanwhile; the kernel's io_uring waits on.
            Err(e) if e == -libc::ECONNABORTED => continue,
            Err(error) => return Outcome::Done(error),
            Ok(fd) => placed(state, fd as c_int, sqe.file_index),
        };
        if res < 0 {
            return Outcome::Done(res);
        }
        let more = sys::poll_now(fd, libc::POLLIN as u32) != 0;
        // Only TCP's accept says whether more connections wait.
        let flags = if more && is_internet(fd) {
            abi::IORING_CQE_F_SOCK_NONEMPTY
        } else {
            0
        };
        if !is_multishot(request) || state.ends_early(request) {
            return Outcome::DoneWith(res, flags);
        }
        state.post_more(request, res, flags);
        if !more && ioprio & abi::IORING_ACCEPT_DONTWAIT == 0 {
            return Outcome::WouldBlock;
        }
    }
}

/// A new descriptor, or its place among the registered files.
pub(crate) fn placed(state: &mut State, fd: c_int, index: u32) -> i32 {
    if index == 0 {
        return fd;
    }
    match state.install(sys::high_file(fd), index) {
        Ok(slot) => slot,
        Err(error) => error,
    }
}

fn address(request: &Request) -> (usize, usize) {
    match &request.data {
        Data::Bytes(name, _) => (name.as_ptr() as usize, name.len()),
        _ => (request.sqe.addr as usize, request.sqe.off as usize),
    }
}

/// CONNECT: begun without waiting, and asked again when it is known.
pub(crate) fn connect(_: &mut State, request: &mut Request, events: Option<u32>) -> Outcome {
    let fd = request.file.fd();
    let (name, len) = address(request);
    let flags = match sys::status_flags(fd) {
        Ok(flags) => flags,
        Err(error) => return Outcome::Done(error),
    };
    let blocking = flags & libc::O_NONBLOCK == 0;
    if blocking {
        sys::set_status_flags(fd, flags | libc::O_NONBLOCK);
    }
    // SAFETY: the kernel checks the address.
    let result = unsafe { sys::raw(libc::SYS_connect, &[fd as usize, name, len]) };
    if blocking {
        sys::set_status_flags(fd, flags);
    }
    match result {
        Ok(_) => Outcome::Done(0),
        Err(e) if e == -libc::EINPROGRESS || e == -libc::EALREADY && events.is_some() => {
            request.posted = true;
            Outcome::WouldBlock
        }
        Err(e) if e == -libc::EISCONN && request.posted => Outcome::Done(0),
        Err(e) if e == -libc::EAGAIN => {
            // A Unix socket whose listener is busy: no event says when it is
            // not.
            let held = super::copy(request).and_then(|()| request.hold());
            match held {
                Ok(fd) => {
                    let (name, len) = address(request);
                    work(libc::SYS_connect, &[fd as usize, name, len])
                }
                Err(error) => Outcome::Done(error),
            }
        }
        Err(error) => Outcome::Done(error),
    }
}

/// SOCKET.
pub(crate) fn socket(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = &request.sqe;
    let args = [sqe.fd as usize, sqe.off as c_int as usize, sqe.len as usize];
    match sys::plain(libc::SYS_socket, &args) {
        Ok(fd) => Outcome::Done(placed(state, fd as c_int, sqe.file_index)),
        Err(error) => Outcome::Done(error),
    }
}

/// Whether a SOCKET made its socket, and failed for want of a place among the
/// registered files: that does not break a chain.
pub(crate) fn has_no_place(request: &Request, res: i32) -> bool {
    request.started
        && request.sqe.file_index != 0
        && matches!(-res, libc::EINVAL | libc::ENXIO | libc::ENFILE)
}

/// BIND.
pub(crate) fn bind(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let (name, len) = address(request);
    let args = [request.file.fd() as usize, name, len];
    // SAFETY: the kernel checks the address.
    Outcome::Done(sys::to_res(unsafe { sys::raw(libc::SYS_bind, &args) }))
}

/// LISTEN.
pub(crate) fn listen(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let args = [request.file.fd() as usize, request.sqe.len as usize];
    Outcome::Done(sys::to_res(sys::plain(libc::SYS_listen, &args)))
}

/// SHUTDOWN.
pub(crate) fn shutdown(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let args = [request.file.fd() as usize, request.sqe.len as usize];
    Outcome::Done(sys::to_res(sys::plain(libc::SYS_shutdown, &args)))
}
