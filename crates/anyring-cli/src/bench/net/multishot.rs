//! The server on multishot accept and receive with provided buffers, and
//! zero-copy sends if wanted.
#![allow(unsafe_code, reason = "hands buffers to the kernel")]

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::sync::mpsc::Sender;

use anyring::abi::{
    IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER, IORING_CQE_F_MORE, IORING_CQE_F_NOTIF,
    IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER, IOSQE_BUFFER_SELECT, io_uring_buf_ring,
};
use anyring::{Builder, Completion, Ring, buffers, prep};

use super::super::counted::{Counted, note};
use super::super::reads::ours::text;
use super::super::sys::Aligned;
use super::plain::{sqe, wind_down};
use super::{Site, poll};

const ACCEPT: u64 = 0;
const RECV: u64 = 1;
const SEND: u64 = 2;
const STOP: u64 = 3;
const CLOSE: u64 = 4;

const BUFFERS: u32 = 256;
const SIZE: usize = 4096;

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

struct Server {
    ring: Ring<Counted>,
    provided: *mut io_uring_buf_ring,
    memory: Option<Aligned>,
    connections: Vec<Option<Connection>>,
    /// Connections whose receive ended because no buffer was free.
    starved: VecDeque<i32>,
    zero_copy: bool,
}

impl Server {
    fn new(zero_copy: bool) -> Result<Self, String> {
        // Older kernels know fewer flags: the best they have.
        let wanted = [
            IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
            IORING_SETUP_SINGLE_ISSUER,
            0,
        ];
        let mut ring = Err(anyring::Errno(libc::EINVAL));
        for flags in wanted {
            ring = Builder::new(1024)
                .cq_entries(8192)
                .flags(flags)
                .build_on(Counted);
            if ring.is_ok() {
                break;
            }
        }
        let mut ring = ring.map_err(|e| format!("io_uring_setup: {}", text(e)))?;
        // SAFETY: used within this call.
        let provided = unsafe { ring.as_ring_ref() }
            .setup_buf_ring(BUFFERS, 0, 0)
            .map_err(|e| {
                format!(
                    "provided buffers need Linux 5.19 ({})",
                    text(anyring::Errno(-e))
                )
            })?;
        let server = Server {
            ring,
            provided,
            memory: Some(Aligned::new(BUFFERS as usize * SIZE)),
            connections: Vec::new(),
            starved: VecDeque::new(),
            zero_copy,
        };
        for buffer in 0..BUFFERS as u16 {
            server.give(buffer);
        }
        Ok(server)
    }

    fn place(&self, buffer: u16) -> *mut u8 {
        let start = self.memory.as_ref().expect("while serving").as_mut_ptr();
        start.wrapping_add(usize::from(buffer) * SIZE)
    }

    /// Gives a buffer to the kernel.
    fn give(&self, buffer: u16) {
        // SAFETY: the mapped ring of this server; the buffer is in no use.
        unsafe {
            buffers::add(
                self.provided,
                self.place(buffer).cast(),
                SIZE as u32,
                buffer,
                buffers::mask(BUFFERS),
                0,
            );
            buffers::advance(self.provided, 1);
        }
    }

    fn accept(&mut self, listener: i32) -> Result<(), String> {
        let entry = sqe(&mut self.ring)?;
        prep::prep_multishot_accept(
            entry,
            listener,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            libc::SOCK_CLOEXEC,
        );
        entry.user_data = ACCEPT;
        Ok(())
    }

    fn receive(&mut self, fd: i32) -> Result<(), String> {
        self.connections[fd as usize]
            .as_mut()
            .expect("open")
            .receiving = true;
        let entry = sqe(&mut self.ring)?;
        prep::prep_recv_multishot(entry, fd, std::ptr::null_mut(), 0, 0);
        entry.flags |= IOSQE_BUFFER_SELECT as u8;
        entry.buf_index = 0;
        entry.user_data = (fd as u64) << 8 | RECV;
        Ok(())
    }

    fn send(&mut self, fd: i32, piece: Piece) -> Result<(), String> {
        let from = self.place(piece.buffer).wrapping_add(piece.from);
        let (bytes, zero_copy) = (piece.to - piece.from, self.zero_copy);
        let entry = sqe(&mut self.ring)?;
        if zero_copy {
            prep::prep_send_zc(
                entry,
                fd,
                from.cast(),
                bytes,
                libc::MSG_NOSIGNAL | libc::MSG_WAITALL,
                0,
            );
        } else {
            prep::prep_send(
                entry,
                fd,
                from.cast(),
                bytes,
                libc::MSG_NOSIGNAL | libc::MSG_WAITALL,
            );
        }
        // The notice of a zero-copy send says which buffer is free again.
        entry.user_data = u64::from(piece.buffer) << 40 | (fd as u64) << 8 | SEND;
        Ok(())
    }

    fn received(&mut self, fd: i32, completion: Completion) -> Result<(), String> {
        let more = completion.flags & IORING_CQE_F_MORE != 0;
        let connection = self.connections[fd as usize].as_mut().expect("open");
        connection.receiving = more;
        if completion.res > 0 && completion.flags & IORING_CQE_F_BUFFER != 0 {
            let buffer = (completion.flags >> IORING_CQE_BUFFER_SHIFT) as u16;
            let piece = Piece {
                buffer,
                from: 0,
                to: completion.res as usize,
            };
            connection.queue.push_back(piece);
            if connection.queue.len() == 1 {
                self.send(fd, piece)?;
            }
            if !more {
                self.receive(fd)?;
            }
        } else if completion.res == -libc::ENOBUFS {
            self.starved.push_back(fd);
        } else {
            connection.over = true;
        }
        self.close_if_done(fd)
    }

    fn sent(&mut self, fd: i32, buffer: u16, completion: Completion) -> Result<(), String> {
        let connection = self.connections[fd as usize].as_mut().expect("open");
        if completion.flags & IORING_CQE_F_NOTIF != 0 {
            connection.notices -= 1;
            // Another part of the buffer may still wait.
            if !connection.queue.iter().any(|piece| piece.buffer == buffer) {
                self.give(buffer);
            }
            return self.close_if_done(fd);
        }
        let noticed = completion.flags & IORING_CQE_F_MORE != 0;
        connection.notices += usize::from(noticed);
        let piece = connection.queue.front_mut().expect("in flight");
        if completion.res >= 0 {
            piece.from += completion.res as usize;
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
            self.give(buffer);
        }
        if let Some(piece) = next {
            self.send(fd, piece)?;
        }
        self.close_if_done(fd)
    }

    fn close_if_done(&mut self, fd: i32) -> Result<(), String> {
        let connection = self.connections[fd as usize].as_ref().expect("open");
        if connection.over
            && !connection.receiving
            && connection.queue.is_empty()
            && connection.notices == 0
        {
            self.connections[fd as usize] = None;
            self.starved.retain(|&other| other != fd);
            let entry = sqe(&mut self.ring)?;
            prep::prep_close(entry, fd);
            entry.user_data = CLOSE;
        }
        Ok(())
    }

    fn accepted(&mut self, fd: i32) -> Result<(), String> {
        poll::no_delay(fd);
        note(1);
        if self.connections.len() <= fd as usize {
            self.connections.resize_with(fd as usize + 1, || None);
        }
        self.connections[fd as usize] = Some(Connection::default());
        self.receive(fd)
    }

    fn run(&mut self, site: &Site) -> Result<(), String> {
        let listener = site.listener.as_raw_fd();
        let mut batch = Vec::new();
        loop {
            site.meter.update();
            // SAFETY: `memory` is kept for as long as the ring.
            unsafe { self.ring.submit_and_wait(1) }.map_err(text)?;
            batch.clear();
            batch.extend(self.ring.completions());
            for &completion in &batch {
                let fd = (completion.user_data >> 8) as u32 as i32;
                match completion.user_data & 0xff {
                    STOP => return Ok(()),
                    ACCEPT => {
                        if completion.flags & IORING_CQE_F_MORE == 0 {
                            if completion.res == -libc::EINVAL {
                                return Err("multishot accept needs Linux 5.19".into());
                            }
                            self.accept(listener)?;
                        }
                        if completion.res >= 0 {
                            self.accepted(completion.res)?;
                        }
                    }
                    RECV => self.received(fd, completion)?,
                    SEND => self.sent(fd, (completion.user_data >> 40) as u16, completion)?,
                    _ => {}
                }
            }
            for _ in 0..self.starved.len() {
                if let Some(fd) = self.starved.pop_front() {
                    self.receive(fd)?;
                }
            }
        }
    }
}

/// Serves until told to stop.
pub(super) fn serve(site: &Site, ready: &Sender<()>, zero_copy: bool) -> Result<(), String> {
    let mut server = Server::new(zero_copy)?;
    let entry = sqe(&mut server.ring)?;
    prep::prep_poll_add(entry, site.stop.as_raw_fd(), libc::POLLIN as u32);
    entry.user_data = STOP;
    server.accept(site.listener.as_raw_fd())?;
    let _ = ready.send(());
    let result = server.run(site);
    // SAFETY: set up with these values; the ring goes next.
    unsafe {
        server
            .ring
            .as_ring_ref()
            .free_buf_ring(server.provided, BUFFERS, 0)
    };
    // Receives that are still armed may hold buffers: their memory is kept.
    std::mem::forget(server.memory.take());
    let open: Vec<i32> = (0..server.connections.len() as i32)
        .filter(|&fd| server.connections[fd as usize].is_some())
        .collect();
    wind_down(server.ring, open.into_iter());
    result
}
