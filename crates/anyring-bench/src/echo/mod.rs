//! Loopback echo: one protocol, one client, several servers.
//!
//! The protocol is the same for all: whatever arrives is sent back in order;
//! the end of the stream closes the connection.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use anyring::Ring;
use io_uring::IoUring;

use crate::contender::{Budget, Clock, Contender, Sample};
use crate::counted::{self, Counted};
use crate::peer::{Echo, Library};
use crate::{Peers, Topic, machine};

mod bundle;
mod client;
mod epoll;
mod multishot;
mod plain;
mod poll;
mod pool;
mod queue;

pub use client::Load;

/// Servers, the baseline first.
pub const SERVERS: [&str; 11] = [
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
];

const PAIRS: [(&str, &str); 6] = [
    ("anyring in C, plain", "liburing, plain"),
    ("anyring, plain", "liburing, plain"),
    ("anyring in C, multishot", "liburing, multishot"),
    ("anyring, multishot", "liburing, multishot"),
    ("anyring, plain", "io-uring crate, plain"),
    ("anyring, multishot", "io-uring crate, multishot"),
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

/// Kept up to date by a server's thread.
#[derive(Default)]
struct Meter {
    calls: AtomicU64,
    thread: AtomicI32,
}

impl Meter {
    /// Called once a round of the server's loop.
    fn update(&self) {
        self.calls.store(counted::calls(), Ordering::Relaxed);
    }

    /// System calls and CPU time so far.
    fn read(&self) -> Result<(u64, Duration), String> {
        let cpu = machine::thread_cpu(self.thread.load(Ordering::Relaxed))?;
        Ok((self.calls.load(Ordering::Relaxed), cpu))
    }
}

/// What a server is given.
struct Site {
    listener: TcpListener,
    stop: Arc<OwnedFd>,
    meter: Arc<Meter>,
}

/// Which server, for how many connections, on which processor.
#[derive(Clone, Copy)]
pub struct Plan {
    /// One of [`SERVERS`].
    pub name: &'static str,
    /// Connections at a time.
    pub connections: usize,
    /// The processor of its thread.
    pub cpu: Option<usize>,
}

fn in_c(
    site: &Site,
    ready: &Sender<()>,
    library: Option<Library>,
    plan: Plan,
) -> Result<(), String> {
    let library = library.ok_or("not there")?;
    let multishot = plan.name.ends_with("multishot");
    let entries = plain::entries(plan.connections);
    let (listener, stop) = (site.listener.as_fd(), site.stop.as_fd());
    let mut echo = Echo::new(library, listener, stop, multishot, entries)?;
    let _ = ready.send(());
    echo.run(&site.meter.calls)
}

fn serve(site: &Site, ready: &Sender<()>, peers: Peers, plan: Plan) -> Result<(), String> {
    let connections = plan.connections;
    match plan.name {
        "epoll" => epoll::serve(site, ready),
        "anyring, plain" => plain::serve::<Ring<Counted>>(site, ready, connections),
        "anyring, multishot" => multishot::serve::<Ring<Counted>>(site, ready, false),
        "anyring, multishot + bundles" => bundle::serve(site, ready),
        "anyring, multishot + zero copy" => multishot::serve::<Ring<Counted>>(site, ready, true),
        "anyring in C, plain" | "anyring in C, multishot" => in_c(site, ready, peers.own, plan),
        "liburing, plain" | "liburing, multishot" => in_c(site, ready, peers.liburing, plan),
        "io-uring crate, plain" => plain::serve::<IoUring>(site, ready, connections),
        "io-uring crate, multishot" => multishot::serve::<IoUring>(site, ready, false),
        _ => Err("no such server".into()),
    }
}

/// A server in a thread, which ends with it.
pub struct Server {
    name: &'static str,
    address: SocketAddr,
    stop: Arc<OwnedFd>,
    meter: Arc<Meter>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Server {
    /// Starts one; it is ready when this returns.
    ///
    /// # Errors
    /// Why it cannot take part.
    pub fn start(plan: Plan, peers: Peers) -> Result<Self, String> {
        let listener =
            poll::listener(4096).map_err(|e| format!("cannot listen on loopback: {e}"))?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let stop = Arc::new(poll::event().map_err(|e| format!("eventfd: {e}"))?);
        let meter = Arc::new(Meter::default());
        let site = Site {
            listener,
            stop: stop.clone(),
            meter: meter.clone(),
        };
        let (ready, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            if let Some(cpu) = plan.cpu {
                machine::pin(cpu);
            }
            site.meter
                .thread
                .store(machine::thread(), Ordering::Relaxed);
            serve(&site, &ready, peers, plan)
        });
        let mut server = Server {
            name: plan.name,
            address,
            stop,
            meter,
            thread: Some(thread),
        };
        if started.recv().is_err() {
            let why = server.end().err();
            return Err(why.unwrap_or_else(|| "the server did not start".into()));
        }
        Ok(server)
    }

    /// The port it listens on, on loopback.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// System calls it has made so far.
    pub fn calls(&self) -> u64 {
        self.meter.calls.load(Ordering::Relaxed)
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends it; its clients are gone before.
    ///
    /// # Errors
    /// What went wrong while it served.
    pub fn end(&mut self) -> Result<(), String> {
        poll::wake(&self.stop).map_err(|e| e.to_string())?;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err("the server panicked".into()),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{}: {error}", self.name);
        }
    }
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
        let client = client::Client::new(server.address, load)?;
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
        self.server.name.into()
    }

    fn run(&mut self, budget: Budget, _latency: bool) -> Result<Sample, String> {
        if self.server.has_ended() {
            let why = self.server.end().err();
            return Err(why.unwrap_or_else(|| "the server ended".into()));
        }
        let (calls, cpu) = self.server.meter.read()?;
        let mut clock = Clock::start(budget);
        let answered = self.client.run(&mut clock)?;
        let mut sample = clock.stop(answered.requests, false);
        // The server goes to sleep after the last answer and then is counted.
        std::thread::sleep(Duration::from_millis(2));
        let (calls_after, cpu_after) = self.server.meter.read()?;
        sample.calls = Some(calls_after - calls);
        sample.cpu = cpu_after - cpu;
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
                                assert!(sample.calls.unwrap() > 0, "{name}");
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
