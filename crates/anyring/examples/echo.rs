//! An echo server by one multishot accept and one multishot receive for each connection,
//! into provided buffers: `echo CONNECTIONS`. Prints its port, and ends after so many
//! connections.
#![forbid(unsafe_code)]

use std::error::Error;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, Waker};

use anyring::operation::{Buffer, Multishot, Owner, Pool, Request};
use anyring::{Builder, Errno, Linux};

/// What a look at a connection came to.
enum Look {
    Nothing,
    Sent,
    End,
}

struct Connection {
    socket: OwnedFd,
    parts: Multishot<Linux, Buffer>,
}

impl Connection {
    fn new(owner: &Owner, pool: &Pool, socket: OwnedFd) -> Result<Self, Errno> {
        let parts = owner.start_multishot(Request::recv_multishot(&socket, pool, 0))?;
        Ok(Connection { socket, parts })
    }

    /// Sends back what has come.
    fn serve(&mut self, owner: &Owner, pool: &Pool) -> Result<Look, Errno> {
        let mut context = Context::from_waker(Waker::noop());
        let mut look = Look::Nothing;
        while let Poll::Ready(part) = self.parts.poll_next(&mut context) {
            look = Look::Sent;
            match part {
                Some(Ok(bytes)) if bytes.is_empty() => return Ok(Look::End),
                Some(Ok(bytes)) => {
                    let mut rest = bytes.to_vec();
                    drop(bytes);
                    while !rest.is_empty() {
                        let (sent, back) = owner.send(&self.socket, rest, 0)?.wait();
                        rest = back[sent? as usize..].to_vec();
                    }
                }
                // No buffer was free, or the kernel ended it: once more, when the others
                // have had their turn, since they may have the buffers.
                Some(Err(Errno::ENOBUFS)) | None => {
                    let again = Request::recv_multishot(&self.socket, pool, 0);
                    self.parts = owner.start_multishot(again)?;
                    break;
                }
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(look)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut left: usize = std::env::args().nth(1).ok_or("echo CONNECTIONS")?.parse()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let owner = Owner::new(Builder::new(64), Linux)?;
    let pool = owner.pool(16, 4096)?;
    let mut accepts = owner.start_multishot(Request::accept_multishot(&listener))?;
    let mut connections: Vec<Connection> = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while left > 0 || !connections.is_empty() {
        // What completes while a send is waited for may be another connection's, one that
        // was looked at before: only a round without anything may wait.
        let mut idle = true;
        while let Poll::Ready(Some(socket)) = accepts.poll_next(&mut context) {
            connections.push(Connection::new(&owner, &pool, socket?)?);
            left = left.saturating_sub(1);
            idle = false;
        }
        let mut at = 0;
        while let Some(connection) = connections.get_mut(at) {
            match connection.serve(&owner, &pool)? {
                Look::Nothing => at += 1,
                Look::Sent => {
                    idle = false;
                    at += 1;
                }
                Look::End => {
                    idle = false;
                    connections.swap_remove(at);
                }
            }
        }
        if idle {
            match owner.turn(1, None) {
                Ok(()) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
