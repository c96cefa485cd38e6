//! The server on bundles: receives bring several buffers at once, and one send
//! takes all buffers that wait in a group of the connection's own.
//!
//! # Safety
//! A buffer goes from the pool to a connection's group and back when its send
//! is done. Pool and groups are freed when all connections are closed, and
//! otherwise stay.
#![allow(unsafe_code, reason = "hands buffers to the kernel; see above")]

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::os::fd::RawFd;
use std::sync::mpsc::Sender;

use anyring::Ring;
use anyring::abi::{
    IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER, IORING_CQE_F_MORE, IORING_FEAT_RECVSEND_BUNDLE,
};

use super::multishot::{accept_again, begin};
use super::pool::{Pool, SIZE};
use super::queue::{Done, Group, Op, Queue};
use super::{ACCEPT, CLOSE, RECV, SEND, STOP, Site, split, tag};
use crate::counted::Counted;

/// Buffers that wait in the group of a connection, at most.
const WAITING: u16 = 16;

struct Connection {
    /// The slot of its group.
    slot: usize,
    /// Buffers in the group, in order, with their bytes.
    given: VecDeque<(u16, usize)>,
    /// Those that found no room in it.
    more: VecDeque<(u16, usize)>,
    sending: bool,
    receiving: bool,
    over: bool,
    /// A send failed: what the group holds is not known any more.
    spoilt: bool,
}

struct Server {
    ring: Ring<Counted>,
    pool: ManuallyDrop<Pool>,
    groups: ManuallyDrop<Vec<Group>>,
    /// Groups of closed connections.
    free: Vec<usize>,
    connections: Vec<Option<Connection>>,
    starved: Vec<RawFd>,
    open: usize,
    closing: usize,
}

impl Server {
    fn connection(&mut self, fd: RawFd) -> Result<&mut Connection, String> {
        let place = self.connections.get_mut(fd as usize);
        place
            .and_then(Option::as_mut)
            .ok_or_else(|| "not open".into())
    }

    fn accepted(&mut self, fd: RawFd) -> Result<(), String> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let id = u16::try_from(self.groups.len() + 1).map_err(|_| "too many groups")?;
                let group = Group::new(id, WAITING);
                self.ring.register(&group)?;
                self.groups.push(group);
                self.groups.len() - 1
            }
        };
        let place = fd as usize;
        if self.connections.len() <= place {
            self.connections.resize_with(place + 1, || None);
        }
        self.connections[place] = Some(Connection {
            slot,
            given: VecDeque::new(),
            more: VecDeque::new(),
            sending: false,
            receiving: false,
            over: false,
            spoilt: false,
        });
        self.open += 1;
        self.receive(fd)
    }

    fn receive(&mut self, fd: RawFd) -> Result<(), String> {
        self.connection(fd)?.receiving = true;
        // SAFETY: buffers come from the pool.
        unsafe {
            self.ring
                .enqueue(Op::ReceiveSelected(fd, true), tag(RECV, fd, 0))
        }
    }

    fn received(&mut self, fd: RawFd, done: Done) -> Result<(), String> {
        let more = done.flags & IORING_CQE_F_MORE != 0;
        self.connection(fd)?.receiving = more;
        if done.result > 0 && done.flags & IORING_CQE_F_BUFFER != 0 {
            let mut rest = done.result as usize;
            let mut buffer = (done.flags >> IORING_CQE_BUFFER_SHIFT) as u16;
            while rest > 0 {
                let bytes = rest.min(SIZE);
                let following = self.pool.after(buffer);
                self.connection(fd)?.more.push_back((buffer, bytes));
                rest -= bytes;
                buffer = following;
            }
            if !more {
                self.receive(fd)?;
            }
            self.send(fd)?;
        } else if done.result == -libc::ENOBUFS {
            self.connection(fd)?.receiving = true; // as soon as there are buffers
            self.starved.push(fd);
        } else {
            self.connection(fd)?.over = true;
        }
        self.close_if_done(fd)
    }

    /// Fills the group and sends what is in it, one send at a time.
    fn send(&mut self, fd: RawFd) -> Result<(), String> {
        let place = self.connections.get_mut(fd as usize);
        let connection = place.and_then(Option::as_mut).ok_or("not open")?;
        if connection.sending || connection.spoilt {
            return Ok(());
        }
        let group = &mut self.groups[connection.slot];
        while connection.given.len() < WAITING.into() {
            let Some((buffer, bytes)) = connection.more.pop_front() else {
                break;
            };
            // SAFETY: there is room; it comes back when the send is done.
            unsafe { group.give(self.pool.place(buffer), bytes, buffer) };
            connection.given.push_back((buffer, bytes));
        }
        if connection.given.is_empty() {
            return Ok(());
        }
        connection.sending = true;
        // SAFETY: as above.
        unsafe {
            self.ring
                .enqueue(Op::SendBundle(fd, group.id), tag(SEND, fd, 0))
        }
    }

    fn sent(&mut self, fd: RawFd, done: Done) -> Result<(), String> {
        let connection = self.connection(fd)?;
        connection.sending = done.flags & IORING_CQE_F_MORE != 0;
        let mut back = Vec::new();
        let mut rest = done.result.max(0) as usize;
        while rest > 0 {
            let (buffer, bytes) = connection
                .given
                .pop_front()
                .ok_or("sent what was not given")?;
            // A part of a buffer goes only if the connection ends.
            connection.spoilt |= rest < bytes;
            rest -= bytes.min(rest);
            back.push(buffer);
        }
        connection.spoilt |= done.result <= 0;
        if connection.spoilt && !connection.sending {
            connection.over = true;
            back.extend(connection.given.drain(..).map(|(buffer, _)| buffer));
            back.extend(connection.more.drain(..).map(|(buffer, _)| buffer));
        }
        for buffer in back {
            self.pool.give(buffer);
        }
        self.send(fd)?;
        self.close_if_done(fd)
    }

    fn close_if_done(&mut self, fd: RawFd) -> Result<(), String> {
        let c = self.connection(fd)?;
        if c.over && !c.receiving && !c.sending && c.more.is_empty() {
            let (slot, spoilt) = (c.slot, c.spoilt);
            self.connections[fd as usize] = None;
            self.open -= 1;
            self.closing += 1;
            if !spoilt {
                self.free.push(slot);
            }
            // SAFETY: no memory.
            unsafe { self.ring.enqueue(Op::Close(fd), tag(CLOSE, 0, 0)) }?;
        }
        Ok(())
    }

    fn run(&mut self, site: &Site) -> Result<(), String> {
        let mut done = Vec::new();
        let mut stopping = false;
        while !stopping || self.open + self.closing > 0 {
            site.meter.update();
            self.ring.wait_for_any(&mut done)?;
            for &done in &done {
                let (kind, fd, _) = split(done.data);
                match kind {
                    // The client is gone: what is open ends by itself.
                    STOP => stopping = true,
                    ACCEPT => {
                        accept_again(&mut self.ring, site, done)?;
                        if done.result >= 0 {
                            self.accepted(done.result)?;
                        }
                    }
                    RECV if done.result == -libc::EINVAL => {
                        return Err("bundles need Linux 6.10".into());
                    }
                    RECV => self.received(fd, done)?,
                    SEND => self.sent(fd, done)?,
                    _ => self.closing -= 1,
                }
            }
            for fd in std::mem::take(&mut self.starved) {
                self.receive(fd)?;
            }
        }
        site.meter.update();
        Ok(())
    }
}

/// Serves until told to stop.
pub(super) fn serve(site: &Site, ready: &Sender<()>) -> Result<(), String> {
    let mut ring = Ring::open(1024, true)?;
    if ring.features() & IORING_FEAT_RECVSEND_BUNDLE == 0 {
        return Err("bundles need Linux 6.10".into());
    }
    let pool = Pool::new(&mut ring)?;
    let mut server = Server {
        ring,
        pool: ManuallyDrop::new(pool),
        groups: ManuallyDrop::new(Vec::new()),
        free: Vec::new(),
        connections: Vec::new(),
        starved: Vec::new(),
        open: 0,
        closing: 0,
    };
    begin(&mut server.ring, site)?;
    let _ = ready.send(());
    server.run(site)?;
    // All are closed: the kernel uses no buffer.
    drop(server.ring);
    drop(ManuallyDrop::into_inner(server.pool));
    drop(ManuallyDrop::into_inner(server.groups));
    Ok(())
}
