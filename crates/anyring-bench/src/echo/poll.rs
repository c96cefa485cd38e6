//! epoll, sockets and an event counter, for client and servers.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::net::{SocketFlags, accept_with, listen, sockopt};

/// An epoll instance, level-triggered.
pub(super) struct Poll {
    fd: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Poll {
            fd: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(256),
        })
    }

    pub(super) fn add(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        let data = EventData::new_u64(token);
        Ok(epoll::add(&self.fd, fd, data, EventFlags::IN)?)
    }

    pub(super) fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.fd, fd)?)
    }

    /// Waits, for at most so many milliseconds if any; what is ready replaces
    /// `ready`.
    pub(super) fn wait(&mut self, most: Option<i64>, ready: &mut Vec<u64>) -> io::Result<()> {
        let most = most.map(|milliseconds| Timespec {
            tv_sec: milliseconds / 1000,
            tv_nsec: milliseconds % 1000 * 1_000_000,
        });
        self.events.clear();
        ready.clear();
        match epoll::wait(&self.fd, spare_capacity(&mut self.events), most.as_ref()) {
            Ok(_) => ready.extend(self.events.iter().map(|event| event.data.u64())),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// An event counter that wakes a server.
pub(super) fn event() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Makes the event counter readable.
pub(super) fn wake(event: &OwnedFd) -> io::Result<()> {
    rustix::io::write(event, &1u64.to_ne_bytes())?;
    Ok(())
}

/// A listener on loopback with a port of the kernel's choice and room for
/// `backlog` connections that were not accepted yet. What it accepts sends
/// without delay (TCP_NODELAY is inherited), without a call for each.
pub(super) fn listener(backlog: i32) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    sockopt::set_tcp_nodelay(&listener, true)?;
    listen(&listener, backlog)?;
    Ok(listener)
}

/// Accepts one connection; `None` when nobody waits.
pub(super) fn accept(listener: &TcpListener) -> io::Result<Option<OwnedFd>> {
    match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(fd) => Ok(Some(fd)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
