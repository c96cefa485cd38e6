//! The server on io_uring, one SQE for each step.
//!
//! # Safety
//! A connection's buffer is in one operation at a time and is freed when its
//! last one is done; if the server fails before, the buffers stay in memory.
#![allow(unsafe_code, reason = "hands buffers to the kernel; see above")]

use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::Sender;

use super::queue::{Op, Queue};
use super::{ACCEPT, CLOSE, RECV, SEND, STOP, Site, split, tag};
use crate::memory::Aligned;

const SIZE: usize = 4096;

/// Bytes of a connection that wait to be sent: `buffer[sent..filled]`.
struct Connection {
    buffer: Aligned,
    filled: usize,
    sent: usize,
}

struct Server<Q> {
    ring: Q,
    connections: ManuallyDrop<Vec<Option<Connection>>>,
    open: usize,
    closing: usize,
}

impl<Q: Queue> Server<Q> {
    /// Queues a receive or a send.
    fn step(&mut self, fd: RawFd, kind: u64) -> Result<(), String> {
        let connection = self.connections[fd as usize].as_mut().ok_or("not open")?;
        let start = connection.buffer.as_mut_ptr();
        let op = if kind == RECV {
            Op::Receive(fd, start, SIZE)
        } else {
            let rest = connection.filled - connection.sent;
            Op::Send(fd, start.wrapping_add(connection.sent), rest)
        };
        // SAFETY: the buffer is this connection's and in no other operation.
        unsafe { self.ring.enqueue(op, tag(kind, fd, 0)) }
    }

    fn accepted(&mut self, fd: RawFd) -> Result<(), String> {
        let place = fd as usize;
        if self.connections.len() <= place {
            self.connections.resize_with(place + 1, || None);
        }
        self.connections[place] = Some(Connection {
            buffer: Aligned::new(SIZE),
            filled: 0,
            sent: 0,
        });
        self.open += 1;
        self.step(fd, RECV)
    }

    fn moved(&mut self, fd: RawFd, kind: u64, result: i32) -> Result<(), String> {
        let place = &mut self.connections[fd as usize];
        let connection = place.as_mut().ok_or("not open")?;
        if result <= 0 {
            *place = None;
            self.open -= 1;
            self.closing += 1;
            // SAFETY: no memory.
            return unsafe { self.ring.enqueue(Op::Close(fd), tag(CLOSE, 0, 0)) };
        }
        let next = if kind == RECV {
            connection.filled = result as usize;
            connection.sent = 0;
            SEND
        } else {
            connection.sent += result as usize;
            if connection.sent < connection.filled {
                SEND
            } else {
                RECV
            }
        };
        self.step(fd, next)
    }

    fn run(&mut self, site: &Site) -> Result<(), String> {
        let listener = site.listener.as_raw_fd();
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
                        // SAFETY: no memory.
                        unsafe { self.ring.enqueue(Op::Accept(listener), tag(ACCEPT, 0, 0)) }?;
                        if done.result >= 0 {
                            self.accepted(done.result)?;
                        }
                    }
                    RECV | SEND => self.moved(fd, kind, done.result)?,
                    _ => self.closing -= 1,
                }
            }
        }
        site.meter.update();
        Ok(())
    }
}

/// Entries for a receive or a send of each connection.
pub(super) fn entries(connections: usize) -> u32 {
    (connections as u32).clamp(64, 4096).next_power_of_two()
}

/// Serves until told to stop.
pub(super) fn serve<Q: Queue>(
    site: &Site,
    ready: &Sender<()>,
    connections: usize,
) -> Result<(), String> {
    let mut server = Server {
        ring: Q::open(entries(connections), false)?,
        connections: ManuallyDrop::new(Vec::new()),
        open: 0,
        closing: 0,
    };
    // SAFETY: no memory.
    unsafe {
        let stop = Op::Poll(site.stop.as_raw_fd());
        server.ring.enqueue(stop, tag(STOP, 0, 0))?;
        let accept = Op::Accept(site.listener.as_raw_fd());
        server.ring.enqueue(accept, tag(ACCEPT, 0, 0))?;
    }
    let _ = ready.send(());
    server.run(site)?;
    // All are closed: nothing is in flight but the accept.
    drop(server.ring);
    drop(ManuallyDrop::into_inner(server.connections));
    Ok(())
}
