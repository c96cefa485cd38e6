//! The load: one thread, one epoll, many connections; the same for every
//! server. Every echoed byte is compared with what was sent.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::poll::Poll;
use crate::contender::{Clock, Stop, histogram};

/// Who asks how much.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// At a time.
    pub connections: usize,
    /// Of a request and of its answer.
    pub bytes: usize,
    /// A new connection for each request.
    pub short: bool,
    /// Requests a second, whether or not the server keeps up: open load.
    pub rate: Option<f64>,
}

struct Connection {
    stream: Option<TcpStream>,
    got: usize,
    started: Instant,
    request: u64,
}

/// What a run of the client gave.
pub(super) struct Answered {
    pub(super) requests: u64,
    pub(super) latency: Histogram<u64>,
}

/// The client of one server.
pub(super) struct Client {
    address: SocketAddr,
    load: Load,
    poll: Poll,
    connections: Vec<Connection>,
    payload: Vec<u8>,
    received: Vec<u8>,
    request: u64,
}

fn failed(what: &str) -> impl Fn(std::io::Error) -> String {
    let what = what.to_string();
    move |error| format!("client, {what}: {error}")
}

/// Connects. Ports of earlier short connections rest for a while: if no other
/// is left, this waits for one.
fn connected(address: SocketAddr) -> std::io::Result<TcpStream> {
    let begin = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Err(error)
                if error.kind() == ErrorKind::AddrNotAvailable
                    && begin.elapsed() < Duration::from_secs(70)
                    && !Stop::asked() =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

impl Client {
    pub(super) fn new(address: SocketAddr, load: Load) -> Result<Self, String> {
        let connections = (0..load.connections)
            .map(|_| Connection {
                stream: None,
                got: 0,
                started: Instant::now(),
                request: 0,
            })
            .collect();
        let mut client = Client {
            address,
            load,
            poll: Poll::new().map_err(failed("epoll"))?,
            connections,
            payload: (0..load.bytes).map(|i| i as u8).collect(),
            received: vec![0; load.bytes + 1],
            request: 0,
        };
        if !load.short {
            for index in 0..load.connections {
                client.connect(index)?;
            }
        }
        Ok(client)
    }

    fn connect(&mut self, index: usize) -> Result<(), String> {
        // On loopback this returns when the connection is in the backlog.
        let stream = connected(self.address).map_err(failed("connect"))?;
        stream.set_nodelay(true).map_err(failed("nodelay"))?;
        stream
            .set_nonblocking(true)
            .map_err(failed("nonblocking"))?;
        self.poll
            .add(&stream, index as u64)
            .map_err(failed("epoll"))?;
        self.connections[index].stream = Some(stream);
        Ok(())
    }

    /// Sends a request that was due at `due`.
    fn send(&mut self, index: usize, due: Instant) -> Result<(), String> {
        if self.connections[index].stream.is_none() {
            self.connect(index)?;
        }
        self.request += 1;
        let connection = &mut self.connections[index];
        connection.got = 0;
        connection.started = due;
        connection.request = self.request;
        let tag = self.request.to_le_bytes();
        self.payload[..8].copy_from_slice(&tag);
        let stream = connection.stream.as_mut().expect("connected");
        // At most 4 KiB are in flight: they fit into the socket's buffer.
        match stream.write(&self.payload) {
            Ok(sent) if sent == self.payload.len() => Ok(()),
            Ok(sent) => Err(format!("client: only {sent} bytes of a request fit")),
            Err(error) => Err(failed("send")(error)),
        }
    }

    /// Reads what came; true when the answer is complete.
    fn receive(&mut self, index: usize) -> Result<bool, String> {
        let connection = &mut self.connections[index];
        let Some(stream) = &mut connection.stream else {
            return Ok(false);
        };
        loop {
            let rest = self.load.bytes - connection.got;
            match stream.read(&mut self.received[..rest + 1]) {
                Ok(0) => return Err("client: the server closed a connection".into()),
                Ok(count) if count > rest => {
                    return Err("client: more came back than was sent".into());
                }
                Ok(count) => {
                    self.payload[..8].copy_from_slice(&connection.request.to_le_bytes());
                    if self.received[..count]
                        != self.payload[connection.got..connection.got + count]
                    {
                        return Err("client: other bytes came back than were sent".into());
                    }
                    connection.got += count;
                    if count == rest {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(failed("receive")(error)),
            }
        }
    }

    /// Keeps all connections busy, or sends at the given rate.
    pub(super) fn run(&mut self, clock: &mut Clock) -> Result<Answered, String> {
        let mut answered = Answered {
            requests: 0,
            latency: histogram(),
        };
        let mut idle: VecDeque<usize> = (0..self.load.connections).collect();
        let interval = self
            .load
            .rate
            .map(|rate| Duration::from_secs_f64(1.0 / rate));
        let begin = Instant::now();
        let mut due = begin;
        let mut last_answer = begin;
        let mut over = false;
        let mut ready = Vec::new();
        loop {
            over = over
                || clock.over(answered.requests)
                || interval.is_some() && answered.requests > 0 && clock.over(u64::MAX);
            if over && idle.len() == self.load.connections {
                return Ok(answered);
            }
            loop {
                if over {
                    break;
                }
                let now = Instant::now();
                let start = match interval {
                    None => now,
                    Some(_) if due > now => break,
                    Some(_) => due,
                };
                let Some(index) = idle.pop_front() else { break };
                if let Some(interval) = interval {
                    due += interval;
                }
                self.send(index, start)?;
            }
            let wait = match interval {
                // Busy: a sleep would be later than the requests are due.
                Some(_) if !over && !idle.is_empty() => 0,
                _ => 100,
            };
            self.poll
                .wait(Some(wait), &mut ready)
                .map_err(failed("epoll"))?;
            for &token in &ready {
                let index = token as usize;
                if self.receive(index)? {
                    last_answer = Instant::now();
                    answered.requests += 1;
                    let connection = &mut self.connections[index];
                    // From when it was due: waiting for a slow server counts.
                    let taken = last_answer - connection.started;
                    answered.latency.saturating_record(taken.as_nanos() as u64);
                    if self.load.short {
                        connection.stream = None;
                    }
                    idle.push_back(index);
                }
            }
            if idle.len() < self.load.connections
                && last_answer.max(begin).elapsed() > Duration::from_secs(5)
            {
                return Err("client: no answer for five seconds".into());
            }
        }
    }
}
