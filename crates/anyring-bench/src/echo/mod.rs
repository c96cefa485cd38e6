//! Loopback echo: one protocol, one client, several servers.
//!
//! The protocol is the same for all: whatever arrives is sent back in order;
//! the end of the stream closes the connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::time::Duration;

use crate::contender::{Budget, Clock, Contender, Sample};
use crate::{Peers, Topic};

mod bundle;
mod client;
mod epoll;
mod multishot;
mod plain;
mod poll;
mod pool;
mod queue;
mod server;

pub use client::Load;
pub use server::{Plan, Server};

use server::Site;

/// Servers, the baseline first.
pub const SERVERS: [&str; 13] = [
    "epoll",
    "anyring, plain",
    "anyring, multishot",
    "anyring, multishot + bundles",
    "anyring, multishot + zero copy",
    "anyring in C, plain",
    "anyring in C, multishot",
    "liburing, plain",
    "liburing, multishot",
    "io-uring crate, plain",
    "io-uring crate, multishot",
    "userspace engine, plain",
    "userspace engine, multishot",
];

const PAIRS: [(&str, &str); 8] = [
    ("anyring in C, plain", "liburing, plain"),
    ("anyring, plain", "liburing, plain"),
    ("anyring in C, multishot", "liburing, multishot"),
    ("anyring, multishot", "liburing, multishot"),
    ("anyring, plain", "io-uring crate, plain"),
    ("anyring, multishot", "io-uring crate, multishot"),
    ("userspace engine, plain", "anyring, plain"),
    ("userspace engine, multishot", "anyring, multishot"),
];

// Kinds of steps, in the low byte of user_data.
const ACCEPT: u64 = 0;
const RECV: u64 = 1;
const SEND: u64 = 2;
const STOP: u64 = 3;
const CLOSE: u64 = 4;

/// What a completion tells: the kind of step, its descriptor, its buffer.
fn tag(kind: u64, fd: RawFd, buffer: u16) -> u64 {
    u64::from(buffer) << 40 | u64::from(fd as u32) << 8 | kind
}

fn split(data: u64) -> (u64, RawFd, u16) {
    (
        data & 0xff,
        (data >> 8) as u32 as RawFd,
        (data >> 40) as u16,
    )
}

/// A client's requests to a server on this machine, without looking into it.
///
/// # Errors
/// What went wrong with the connections or the answers.
pub fn ask(port: u16, load: Load, requests: u64) -> Result<u64, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut client = client::Client::new(address, load)?;
    let mut clock = Clock::start(Budget::Operations(requests));
    Ok(client.run(&mut clock)?.requests)
}

/// A server and its client.
pub struct Service {
    client: client::Client,
    server: Server,
}

impl Service {
    /// Starts the server and connects the client.
    ///
    /// # Errors
    /// Why it cannot take part.
    pub fn start(
        name: &'static str,
        load: Load,
        cpu: Option<usize>,
        peers: Peers,
    ) -> Result<Self, String> {
        let plan = Plan {
            name,
            connections: load.connections,
            cpu,
        };
        let server = Server::start(plan, peers)?;
        let client = client::Client::new(server.address(), load)?;
        Ok(Service { client, server })
    }

    /// Ends both.
    ///
    /// # Errors
    /// What went wrong while it served.
    pub fn end(self) -> Result<(), String> {
        let Service { client, mut server } = self;
        drop(client);
        server.end()
    }
}

impl Contender for Service {
    fn name(&self) -> String {
        self.server.name().into()
    }

    fn run(&mut self, budget: Budget, _latency: bool) -> Result<Sample, String> {
        if self.server.has_ended() {
            let why = self.server.end().err();
            return Err(why.unwrap_or_else(|| "the server ended".into()));
        }
        let (calls, cpu) = (self.server.calls(), self.server.cpu()?);
        let mut clock = Clock::start(budget);
        let answered = self.client.run(&mut clock)?;
        let mut sample = clock.stop(answered.requests, false);
        // The server goes to sleep after the last answer and then is counted.
        std::thread::sleep(Duration::from_millis(2));
        sample.calls = self.server.calls().zip(calls).map(|(after, c)| after - c);
        sample.cpu = self.server.cpu()? - cpu;
        sample.latency = Some(answered.latency);
        Ok(sample)
    }
}

/// The group of a load.
pub fn topic(load: Load) -> Topic {
    let Load {
        connections,
        bytes,
        short,
        rate,
    } = load;
    let kind = if short { "short" } else { "long" };
    let (id, title) = match rate {
        None => (
            format!("echo-{kind}-{bytes}-{connections}"),
            format!("echo of {bytes} bytes, {kind} connections, {connections} at a time"),
        ),
        Some(rate) => (
            format!("echo-open-{bytes}-{connections}"),
            format!(
                "echo of {bytes} bytes, open load of {rate:.0}/s over {connections} {kind} connections"
            ),
        ),
    };
    let mut parameters = vec![
        ("kind", kind.into()),
        ("bytes", bytes.to_string()),
        ("connections", connections.to_string()),
    ];
    if let Some(rate) = rate {
        parameters.push(("rate", format!("{rate:.0}")));
    }
    Topic {
        id,
        family: if rate.is_some() { "open" } else { "echo" },
        title,
        parameters,
        pairs: &PAIRS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::libraries;

    /// The client compares every byte; all servers answer all kinds of load.
    #[test]
    fn every_server_echoes() {
        let folder = tempfile::tempdir().unwrap();
        let peers = libraries(folder.path());
        let mut ran = 0;
        for name in SERVERS {
            for short in [false, true] {
                for bytes in [64, 4096] {
                    for connections in [1, 40] {
                        let load = Load {
                            connections,
                            bytes,
                            short,
                            rate: None,
                        };
                        match Service::start(name, load, None, peers) {
                            Ok(mut service) => {
                                let sample = service
                                    .run(Budget::Operations(120), true)
                                    .unwrap_or_else(|e| panic!("{name} {load:?}: {e}"));
                                assert!(sample.operations >= 120, "{name}");
                                let on_engine = name.starts_with(crate::ENGINE);
                                assert_eq!(sample.calls.is_none(), on_engine, "{name}");
                                assert!(sample.calls != Some(0), "{name}");
                                assert_eq!(sample.latency.unwrap().len(), sample.operations);
                                service.end().unwrap();
                                ran += 1;
                            }
                            Err(why) => println!("skipped: {name}: {why}"),
                        }
                    }
                }
            }
        }
        assert!(ran >= 8, "epoll at least runs everywhere");
    }

    /// More connections than a server has buffers: none is forgotten.
    #[test]
    fn buffers_run_out() {
        let load = Load {
            connections: 400,
            bytes: 4096,
            short: false,
            rate: None,
        };
        let folder = tempfile::tempdir().unwrap();
        let peers = libraries(folder.path());
        for name in SERVERS
            .into_iter()
            .filter(|name| name.contains("multishot"))
        {
            match Service::start(name, load, None, peers) {
                Ok(mut service) => {
                    assert!(
                        service
                            .run(Budget::Operations(2000), false)
                            .unwrap()
                            .operations
                            >= 2000
                    );
                    service.end().unwrap();
                }
                Err(why) => println!("skipped: {name}: {why}"),
            }
        }
    }

    /// Under open load a request waits from when it was due.
    #[test]
    fn open_load_counts_waiting() {
        // Far more than one connection can do: the backlog grows with time.
        let load = Load {
            connections: 1,
            bytes: 64,
            short: false,
            rate: Some(5e6),
        };
        let mut service = Service::start("epoll", load, None, Peers::default()).unwrap();
        let sample = service
            .run(Budget::Time(Duration::from_millis(100)), true)
            .unwrap();
        let latency = sample.latency.unwrap();
        assert!(
            latency.value_at_quantile(0.99) > 20_000_000,
            "{}",
            latency.value_at_quantile(0.99)
        );
    }
}
