//! The server on epoll.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::Sender;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::{Site, poll};
use crate::counted::note;

const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

struct Connection {
    fd: OwnedFd,
    /// What could not be sent yet.
    unsent: Vec<u8>,
}

impl Connection {
    /// False when the connection is over.
    fn flush(&mut self) -> bool {
        note(1);
        match send(&self.fd, &self.unsent, SendFlags::NOSIGNAL) {
            Ok(sent) => {
                self.unsent.drain(..sent);
                true
            }
            Err(error) => error == Errno::WOULDBLOCK,
        }
    }

    /// False when the connection is over.
    fn echo(&mut self, buffer: &mut [u8]) -> bool {
        note(1);
        let count = match recv(&self.fd, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return false,
            Ok((count, _)) => count,
            Err(error) => return error == Errno::WOULDBLOCK,
        };
        let mut sent = 0;
        if self.unsent.is_empty() {
            note(1);
            sent = match send(&self.fd, &buffer[..count], SendFlags::NOSIGNAL) {
                Ok(sent) => sent,
                Err(Errno::WOULDBLOCK) => 0,
                Err(_) => return false,
            };
        }
        self.unsent.extend_from_slice(&buffer[sent..count]);
        true
    }
}

/// Serves until told to stop.
pub(super) fn serve(site: &Site, ready: &Sender<()>) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut poll = poll::Poll::new().map_err(failed)?;
    site.listener.set_nonblocking(true).map_err(failed)?;
    poll.add(&site.listener, LISTENER).map_err(failed)?;
    poll.add(&*site.stop, STOP).map_err(failed)?;
    let mut open: HashMap<u64, Connection> = HashMap::new();
    let mut unsent: Vec<u64> = Vec::new();
    let mut buffer = vec![0; 4096];
    let mut tokens = Vec::new();
    let mut stopping = false;
    let _ = ready.send(());
    while !stopping || !open.is_empty() {
        site.meter.update();
        note(1);
        // Unsent bytes are tried again at once; the echo rarely has any.
        let most = (!unsent.is_empty()).then_some(1);
        poll.wait(most, &mut tokens).map_err(failed)?;
        let mut over: Vec<u64> = Vec::new();
        unsent.retain(|fd| {
            let Some(connection) = open.get_mut(fd) else {
                return false;
            };
            if !connection.flush() {
                over.push(*fd);
            }
            !connection.unsent.is_empty()
        });
        for &token in &tokens {
            match token {
                // The client is gone: what is open ends by itself.
                STOP => {
                    stopping = true;
                    note(1);
                    poll.remove(&*site.stop).map_err(failed)?;
                }
                LISTENER => loop {
                    note(1);
                    let Some(fd) = poll::accept(&site.listener).map_err(failed)? else {
                        break;
                    };
                    let token = fd.as_raw_fd() as u64;
                    note(1);
                    poll.add(&fd, token).map_err(failed)?;
                    let unsent = Vec::new();
                    open.insert(token, Connection { fd, unsent });
                },
                fd => {
                    let Some(connection) = open.get_mut(&fd) else {
                        continue;
                    };
                    let had = !connection.unsent.is_empty();
                    if !connection.echo(&mut buffer) {
                        over.push(fd);
                    } else if !had && !connection.unsent.is_empty() {
                        unsent.push(fd);
                    }
                }
            }
        }
        for fd in over {
            if open.remove(&fd).is_some() {
                note(1); // close
            }
        }
    }
    site.meter.update();
    Ok(())
}
