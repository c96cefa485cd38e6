//! epoll and sockets.
#![allow(
    unsafe_code,
    reason = "system calls with memory that lives through them"
)]

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::super::sys::check;

/// An epoll instance, level-triggered.
pub(crate) struct Poll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointer; a new descriptor is ours.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }.into())?;
        // SAFETY: just made.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
        Ok(Poll {
            fd,
            events: vec![libc::epoll_event { events: 0, u64: 0 }; 256],
        })
    }

    pub(crate) fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        let own = self.fd.as_raw_fd();
        // SAFETY: valid for the call.
        let result = unsafe { libc::epoll_ctl(own, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        check(result.into())?;
        Ok(())
    }

    /// Waits for at most `milliseconds`; what is ready replaces `ready`.
    pub(crate) fn wait(&mut self, milliseconds: i32, ready: &mut Vec<u64>) -> io::Result<()> {
        // SAFETY: room for as many events as are given.
        let found = unsafe {
            libc::epoll_wait(
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len() as i32,
                milliseconds,
            )
        };
        ready.clear();
        match check(found.into()) {
            Ok(found) => ready.extend(self.events[..found].iter().map(|event| event.u64)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// An event counter that wakes a server.
pub(crate) fn event() -> io::Result<OwnedFd> {
    // SAFETY: no pointer; a new descriptor is ours.
    unsafe {
        let fd = check(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK).into())?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Makes the event counter readable.
pub(crate) fn wake(event: &OwnedFd) {
    let one = 1u64;
    // SAFETY: eight readable bytes.
    unsafe { libc::write(event.as_raw_fd(), (&raw const one).cast(), 8) };
}

/// A listener on loopback with a port of the kernel's choice and room for
/// `backlog` connections that were not accepted yet.
pub(crate) fn listener(backlog: i32) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    // SAFETY: a second listen(2) sets the backlog.
    check(unsafe { libc::listen(listener.as_raw_fd(), backlog) }.into())?;
    Ok(listener)
}

/// accept4(2) without address; `None` when nobody waits.
pub(crate) fn accept(listener: RawFd) -> io::Result<Option<RawFd>> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no address is wanted.
    let fd = unsafe { libc::accept4(listener, std::ptr::null_mut(), std::ptr::null_mut(), flags) };
    match check(fd.into()) {
        Ok(fd) => Ok(Some(fd as RawFd)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// recv(2).
pub(crate) fn recv(fd: RawFd, bytes: &mut [u8]) -> io::Result<usize> {
    // SAFETY: writable for its length.
    check(unsafe { libc::recv(fd, bytes.as_mut_ptr().cast(), bytes.len(), 0) } as _)
}

/// send(2) without SIGPIPE.
pub(crate) fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: readable for its length.
    check(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) } as _)
}

/// TCP_NODELAY, as every server here sets it.
pub(crate) fn no_delay(fd: RawFd) {
    let one = 1i32;
    // SAFETY: four readable bytes.
    unsafe {
        libc::setsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_NODELAY,
            (&raw const one).cast(),
            4,
        )
    };
}

/// close(2).
pub(crate) fn close(fd: RawFd) {
    // SAFETY: servers close each descriptor they accepted once.
    unsafe { libc::close(fd) };
}
