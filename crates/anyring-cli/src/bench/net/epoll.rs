//! The server on epoll.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::Sender;

use super::super::counted::note;
use super::{Site, poll};

const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

/// What could not be sent yet.
type Pending = HashMap<RawFd, Vec<u8>>;

fn flush(fd: RawFd, pending: &mut Pending) -> bool {
    let Some(bytes) = pending.get_mut(&fd) else {
        return true;
    };
    note(1);
    match poll::send(fd, bytes) {
        Ok(sent) if sent == bytes.len() => {
            pending.remove(&fd);
            true
        }
        Ok(sent) => {
            bytes.drain(..sent);
            true
        }
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// False when the connection is over.
fn echo(fd: RawFd, buffer: &mut [u8], pending: &mut Pending) -> bool {
    note(1);
    let count = match poll::recv(fd, buffer) {
        Ok(0) => return false,
        Ok(count) => count,
        Err(error) => return error.kind() == ErrorKind::WouldBlock,
    };
    let mut sent = 0;
    if !pending.contains_key(&fd) {
        note(1);
        sent = match poll::send(fd, &buffer[..count]) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return false,
        };
    }
    if sent < count {
        pending
            .entry(fd)
            .or_default()
            .extend_from_slice(&buffer[sent..count]);
    }
    true
}

/// Serves until told to stop.
pub(super) fn serve(site: &Site, ready: &Sender<()>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("epoll server: {error}");
    let mut poll = poll::Poll::new().map_err(failed)?;
    site.listener.set_nonblocking(true).map_err(failed)?;
    poll.add(site.listener.as_raw_fd(), LISTENER)
        .map_err(failed)?;
    poll.add(site.stop.as_raw_fd(), STOP).map_err(failed)?;
    let mut open = std::collections::HashSet::new();
    let mut pending = Pending::new();
    let mut buffer = vec![0; 4096];
    let mut tokens = Vec::new();
    let _ = ready.send(());
    loop {
        site.meter.update();
        note(1);
        // Unsent bytes are tried again at once; the echo rarely has any.
        poll.wait(if pending.is_empty() { -1 } else { 1 }, &mut tokens)
            .map_err(failed)?;
        let mut dead: Vec<RawFd> = pending.keys().copied().collect();
        dead.retain(|&fd| !flush(fd, &mut pending));
        for &token in &tokens {
            match token {
                STOP => {
                    for fd in open {
                        poll::close(fd);
                    }
                    return Ok(());
                }
                LISTENER => loop {
                    note(1);
                    let Some(fd) = poll::accept(site.listener.as_raw_fd()).map_err(failed)? else {
                        break;
                    };
                    poll::no_delay(fd);
                    note(2);
                    poll.add(fd, fd as u64).map_err(failed)?;
                    open.insert(fd);
                },
                fd if !echo(fd as RawFd, &mut buffer, &mut pending) => dead.push(fd as RawFd),
                _ => {}
            }
        }
        dead.sort_unstable();
        dead.dedup();
        for fd in dead {
            note(1);
            pending.remove(&fd);
            open.remove(&fd);
            poll::close(fd);
        }
    }
}
