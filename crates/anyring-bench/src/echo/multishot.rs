//! The server on multishot accept and receive with provided buffers, and
//! zero-copy sends if wanted.
//!
//! # Safety
//! A buffer is given back when its sends are done, zero-copy ones noticed; the
//! pool is freed when all connections are closed, and otherwise stays.
#![allow(unsafe_code, reason = "hands buffers to the kernel; see above")]

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::Sender;

use anyring::abi::{
    IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER, IORING_CQE_F_MORE, IORING_CQE_F_NOTIF,
};

use super::pool::Pool;
use super::queue::{Done, Op, Queue};
use super::{ACCEPT, CLOSE, RECV, SEND, STOP, Site, split, tag};

/// A part of a buffer that waits to be sent.
#[derive(Clone, Copy)]
struct Piece {
    buffer: u16,
    from: usize,
    to: usize,
}

#[derive(Default)]
struct Connection {
    /// Sends of one connection follow one another: the first is in flight.
    queue: VecDeque<Piece>,
    /// Zero-copy sends whose buffer the kernel still reads.
    notices: usize,
    /// The stream has ended; closed when nothing is in flight.
    over: bool,
    receiving: bool,
}

struct Server<Q> {
    ring: Q,
    pool: ManuallyDrop<Pool>,
    connections: Vec<Option<Connection>>,
    /// Connections whose receive ended because no buffer was free.
    starved: Vec<RawFd>,
    open: usize,
    closing: usize,
    zero_copy: bool,
}

impl<Q: Queue> Server<Q> {
    fn connection(&mut self, fd: RawFd) -> Result<&mut Connection, String> {
        let place = self.connections.get_mut(fd as usize);
        place
            .and_then(Option::as_mut)
            .ok_or_else(|| "not open".into())
    }

    fn receive(&mut self, fd: RawFd) -> Result<(), String> {
        self.connection(fd)?.receiving = true;
        // SAFETY: buffers come from the pool.
        unsafe {
            self.ring
                .enqueue(Op::ReceiveSelected(fd, false), tag(RECV, fd, 0))
        }
    }

    fn send(&mut self, fd: RawFd, piece: Piece) -> Result<(), String> {
        let from = self.pool.place(piece.buffer).wrapping_add(piece.from);
        let bytes = piece.to - piece.from;
        let op = if self.zero_copy {
            Op::SendZeroCopy(fd, from, bytes)
        } else {
            Op::Send(fd, from, bytes)
        };
        // The notice of a zero-copy send says which buffer is free again.
        // SAFETY: the buffer is given back when this is done.
        unsafe { self.ring.enqueue(op, tag(SEND, fd, piece.buffer)) }
    }

    fn received(&mut self, fd: RawFd, done: Done) -> Result<(), String> {
        let more = done.flags & IORING_CQE_F_MORE != 0;
        let connection = self.connection(fd)?;
        connection.receiving = more;
        if done.result > 0 && done.flags & IORING_CQE_F_BUFFER != 0 {
            let piece = Piece {
                buffer: (done.flags >> IORING_CQE_BUFFER_SHIFT) as u16,
                from: 0,
                to: done.result as usize,
            };
            connection.queue.push_back(piece);
            if connection.queue.len() == 1 {
                self.send(fd, piece)?;
            }
            if !more {
                self.receive(fd)?;
            }
        } else if done.result == -libc::ENOBUFS {
            connection.receiving = true; // as soon as there are buffers
            self.starved.push(fd);
        } else {
            connection.over = true;
        }
        self.close_if_done(fd)
    }

    fn sent(&mut self, fd: RawFd, buffer: u16, done: Done) -> Result<(), String> {
        let connection = self.connection(fd)?;
        if done.flags & IORING_CQE_F_NOTIF != 0 {
            connection.notices -= 1;
            // Another part of the buffer may still wait.
            if !connection.queue.iter().any(|piece| piece.buffer == buffer) {
                self.pool.give(buffer);
            }
            return self.close_if_done(fd);
        }
        let noticed = done.flags & IORING_CQE_F_MORE != 0;
        connection.notices += usize::from(noticed);
        let piece = connection.queue.front_mut().ok_or("nothing was sent")?;
        if done.result >= 0 {
            piece.from += done.result as usize;
        } else {
            piece.from = piece.to;
            connection.over = true;
        }
        let finished = piece.from == piece.to;
        if finished {
            connection.queue.pop_front();
        }
        let next = connection.queue.front().copied();
        if finished && !noticed {
            self.pool.give(buffer);
        }
        if let Some(piece) = next {
            self.send(fd, piece)?;
        }
        self.close_if_done(fd)
    }

    fn close_if_done(&mut self, fd: RawFd) -> Result<(), String> {
        let c = self.connection(fd)?;
        if c.over && !c.receiving && c.queue.is_empty() && c.notices == 0 {
            self.connections[fd as usize] = None;
            self.open -= 1;
            self.closing += 1;
            // SAFETY: no memory.
            unsafe { self.ring.enqueue(Op::Close(fd), tag(CLOSE, 0, 0)) }?;
        }
        Ok(())
    }

    fn accepted(&mut self, fd: RawFd) -> Result<(), String> {
        let place = fd as usize;
        if self.connections.len() <= place {
            self.connections.resize_with(place + 1, || None);
        }
        self.connections[place] = Some(Connection::default());
        self.open += 1;
        self.receive(fd)
    }

    fn run(&mut self, site: &Site) -> Result<(), String> {
        let mut done = Vec::new();
        let mut stopping = false;
        while !stopping || self.open + self.closing > 0 {
            site.meter.update();
            self.ring.wait_for_any(&mut done)?;
            for &done in &done {
                let (kind, fd, buffer) = split(done.data);
                match kind {
                    // The client is gone: what is open ends by itself.
                    STOP => stopping = true,
                    ACCEPT => {
                        accept_again(&mut self.ring, site, done)?;
                        if done.result >= 0 {
                            self.accepted(done.result)?;
                        }
                    }
                    RECV => self.received(fd, done)?,
                    SEND => self.sent(fd, buffer, done)?,
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

/// Arms the first accept and the wait for the end.
pub(super) fn begin(ring: &mut impl Queue, site: &Site) -> Result<(), String> {
    // SAFETY: no memory.
    unsafe {
        ring.enqueue(Op::Poll(site.stop.as_raw_fd()), tag(STOP, 0, 0))?;
        let accept = Op::AcceptMultishot(site.listener.as_raw_fd());
        ring.enqueue(accept, tag(ACCEPT, 0, 0))
    }
}

/// Arms the accept again if it has ended.
pub(super) fn accept_again(ring: &mut impl Queue, site: &Site, done: Done) -> Result<(), String> {
    if done.flags & IORING_CQE_F_MORE != 0 {
        return Ok(());
    }
    if done.result == -libc::EINVAL {
        return Err("multishot accept needs Linux 5.19".into());
    }
    let accept = Op::AcceptMultishot(site.listener.as_raw_fd());
    // SAFETY: no memory.
    unsafe { ring.enqueue(accept, tag(ACCEPT, 0, 0)) }
}

/// Serves until told to stop.
pub(super) fn serve<Q: Queue>(
    site: &Site,
    ready: &Sender<()>,
    zero_copy: bool,
) -> Result<(), String> {
    let mut ring = Q::open(1024, true)?;
    let pool = Pool::new(&mut ring)?;
    let mut server = Server {
        ring,
        pool: ManuallyDrop::new(pool),
        connections: Vec::new(),
        starved: Vec::new(),
        open: 0,
        closing: 0,
        zero_copy,
    };
    begin(&mut server.ring, site)?;
    let _ = ready.send(());
    server.run(site)?;
    // All are closed: the kernel writes to no buffer.
    drop(server.ring);
    drop(ManuallyDrop::into_inner(server.pool));
    Ok(())
}
