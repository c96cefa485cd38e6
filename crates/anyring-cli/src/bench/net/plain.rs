//! The server on io_uring, one SQE for each step.
#![allow(unsafe_code, reason = "hands buffers to the kernel")]

use std::os::fd::AsRawFd;
use std::sync::mpsc::Sender;

use anyring::abi::io_uring_sqe;
use anyring::{Builder, Ring, prep};

use super::super::counted::{Counted, note};
use super::super::reads::ours::text;
use super::{Site, poll};

const ACCEPT: u64 = 0;
const RECV: u64 = 1;
const SEND: u64 = 2;
const STOP: u64 = 3;
const CLOSE: u64 = 4;

/// Bytes of a connection that wait to be sent: `buffer[sent..filled]`.
struct Connection {
    buffer: Box<[u8; 4096]>,
    filled: usize,
    sent: usize,
}

/// The next SQE, after a submission if the queue is full.
pub(super) fn sqe(ring: &mut Ring<Counted>) -> Result<&mut io_uring_sqe, String> {
    // SAFETY: used within this call; buffers live until the server has ended.
    unsafe {
        if ring.as_ring_ref().sq_space_left() == 0 {
            ring.submit().map_err(text)?;
        }
    }
    ring.next_sqe()
        .ok_or_else(|| "the submission queue stays full".into())
}

/// Takes the ring down and closes what is open.
pub(super) fn wind_down(ring: Ring<Counted>, open: impl Iterator<Item = i32>) {
    drop(ring);
    for fd in open {
        poll::close(fd);
    }
}

/// Serves until told to stop.
pub(super) fn serve(site: &Site, ready: &Sender<()>, expected: usize) -> Result<(), String> {
    let listener = site.listener.as_raw_fd();
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let entries = (expected as u32 * 2).clamp(64, 4096).next_power_of_two();
    let mut ring = Builder::new(entries)
        .build_on(Counted)
        .map_err(|e| format!("io_uring_setup: {}", text(e)))?;
    let arm_accept = |ring: &mut Ring<Counted>| -> Result<(), String> {
        let entry = sqe(ring)?;
        prep::prep_accept(
            entry,
            listener,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            libc::SOCK_CLOEXEC,
        );
        entry.user_data = ACCEPT;
        Ok(())
    };
    let entry = sqe(&mut ring)?;
    prep::prep_poll_add(entry, site.stop.as_raw_fd(), libc::POLLIN as u32);
    entry.user_data = STOP;
    arm_accept(&mut ring)?;
    let _ = ready.send(());
    let mut batch = Vec::new();
    loop {
        site.meter.update();
        // SAFETY: the buffers of connections live until `ring` is gone.
        unsafe { ring.submit_and_wait(1) }.map_err(text)?;
        batch.clear();
        batch.extend(ring.completions());
        for &completion in &batch {
            let (fd, kind) = (
                (completion.user_data >> 8) as i32,
                completion.user_data & 0xff,
            );
            match kind {
                STOP => {
                    let open = (0..connections.len() as i32)
                        .filter(|&fd| connections[fd as usize].is_some());
                    wind_down(ring, open);
                    // The kernel may still hold receives: keep their memory.
                    std::mem::forget(connections);
                    return Ok(());
                }
                ACCEPT => {
                    arm_accept(&mut ring)?;
                    if completion.res < 0 {
                        continue;
                    }
                    let fd = completion.res;
                    poll::no_delay(fd);
                    note(1);
                    if connections.len() <= fd as usize {
                        connections.resize_with(fd as usize + 1, || None);
                    }
                    connections[fd as usize] = Some(Connection {
                        buffer: Box::new([0; 4096]),
                        filled: 0,
                        sent: 0,
                    });
                    step(&mut ring, &mut connections, fd, RECV)?;
                }
                RECV | SEND => {
                    let connection = connections[fd as usize].as_mut().expect("open");
                    if completion.res <= 0 {
                        connections[fd as usize] = None;
                        let entry = sqe(&mut ring)?;
                        prep::prep_close(entry, fd);
                        entry.user_data = CLOSE;
                        continue;
                    }
                    let next = if kind == RECV {
                        connection.filled = completion.res as usize;
                        connection.sent = 0;
                        SEND
                    } else {
                        connection.sent += completion.res as usize;
                        if connection.sent < connection.filled {
                            SEND
                        } else {
                            RECV
                        }
                    };
                    step(&mut ring, &mut connections, fd, next)?;
                }
                _ => {}
            }
        }
    }
}

/// Queues a receive or a send.
fn step(
    ring: &mut Ring<Counted>,
    connections: &mut [Option<Connection>],
    fd: i32,
    kind: u64,
) -> Result<(), String> {
    let connection = connections[fd as usize].as_mut().expect("open");
    let entry = sqe(ring)?;
    if kind == RECV {
        prep::prep_recv(entry, fd, connection.buffer.as_mut_ptr().cast(), 4096, 0);
    } else {
        let rest = &connection.buffer[connection.sent..connection.filled];
        prep::prep_send(
            entry,
            fd,
            rest.as_ptr().cast(),
            rest.len(),
            libc::MSG_NOSIGNAL,
        );
    }
    entry.user_data = (fd as u64) << 8 | kind;
    Ok(())
}
