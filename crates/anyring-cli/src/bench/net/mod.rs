//! Loopback echo: one protocol, one client, several servers.
//!
//! The protocol is the same for all: whatever arrives is sent back in order;
//! the end of the stream closes the connection.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::stats::{Budget, Clock, Contender, Sample, Topic};
use super::{counted, sys};

mod client;
mod epoll;
mod multishot;
mod plain;
mod poll;

pub(crate) use client::Load;

/// Servers, the baseline first.
pub(crate) const SERVERS: [&str; 4] = [
    "epoll",
    "anyring, plain",
    "anyring, multishot",
    "anyring, multishot + zero copy",
];

/// Kept up to date by a server's thread.
#[derive(Default)]
pub(crate) struct Meter {
    calls: AtomicU64,
    cpu: AtomicU64,
}

impl Meter {
    /// Called once a round of the server's loop.
    fn update(&self) {
        self.calls.store(counted::calls(), Ordering::Relaxed);
        self.cpu
            .store(sys::thread_cpu().as_nanos() as u64, Ordering::Relaxed);
    }

    fn read(&self) -> (u64, u64) {
        (
            self.calls.load(Ordering::Relaxed),
            self.cpu.load(Ordering::Relaxed),
        )
    }
}

/// What a server is given.
pub(crate) struct Site {
    listener: TcpListener,
    stop: Arc<OwnedFd>,
    meter: Arc<Meter>,
}

/// A server in a thread and its client; both end with it.
pub(crate) struct Service {
    name: &'static str,
    client: Option<client::Client>,
    stop: Arc<OwnedFd>,
    meter: Arc<Meter>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Service {
    pub(crate) fn start(
        name: &'static str,
        load: Load,
        cpu: Option<usize>,
    ) -> Result<Self, String> {
        let listener =
            poll::listener(4096).map_err(|e| format!("cannot listen on loopback: {e}"))?;
        let address: SocketAddr = listener.local_addr().map_err(|e| e.to_string())?;
        let stop = Arc::new(poll::event().map_err(|e| format!("eventfd: {e}"))?);
        let meter = Arc::new(Meter::default());
        let site = Site {
            listener,
            stop: stop.clone(),
            meter: meter.clone(),
        };
        let (ready, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            if let Some(cpu) = cpu {
                sys::pin(cpu);
            }
            match name {
                "epoll" => epoll::serve(&site, &ready),
                "anyring, plain" => plain::serve(&site, &ready, load.connections),
                "anyring, multishot" => multishot::serve(&site, &ready, false),
                _ => multishot::serve(&site, &ready, true),
            }
        });
        let mut service = Service {
            name,
            client: None,
            stop,
            meter,
            thread: Some(thread),
        };
        if started.recv().is_err() {
            return Err(service
                .end()
                .err()
                .unwrap_or_else(|| "the server did not start".into()));
        }
        service.client = Some(client::Client::new(address, load)?);
        Ok(service)
    }

    fn end(&mut self) -> Result<(), String> {
        self.client = None;
        poll::wake(&self.stop);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err("the server panicked".into()),
            None => Ok(()),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{}: {error}", self.name);
        }
    }
}

impl Contender for Service {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run(&mut self, budget: Budget, _latency: bool) -> Result<Sample, String> {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(self
                .end()
                .err()
                .unwrap_or_else(|| "the server ended".into()));
        }
        let (calls, cpu) = self.meter.read();
        let mut clock = Clock::start(budget);
        let answered = self.client.as_mut().expect("started").run(&mut clock)?;
        let mut sample = clock.stop(answered.requests, false);
        // The server goes to sleep after the last answer and then is counted.
        std::thread::sleep(Duration::from_millis(2));
        let (calls_after, cpu_after) = self.meter.read();
        sample.calls = Some(calls_after - calls);
        sample.cpu = Duration::from_nanos(cpu_after - cpu);
        sample.latency = Some(answered.latency);
        Ok(sample)
    }
}

/// The group of a load.
pub(crate) fn topic(load: Load) -> Topic {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client compares every byte; all servers answer all kinds of load.
    #[test]
    fn every_server_echoes() {
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
                        match Service::start(name, load, None) {
                            Ok(mut service) => {
                                let sample = service
                                    .run(Budget::Operations(120), true)
                                    .unwrap_or_else(|e| panic!("{name} {load:?}: {e}"));
                                assert!(sample.operations >= 120, "{name}");
                                assert!(sample.calls.unwrap() > 0, "{name}");
                                assert_eq!(sample.latency.unwrap().len(), sample.operations);
                                service.end().unwrap();
                            }
                            Err(why) => println!("skipped: {name}: {why}"),
                        }
                    }
                }
            }
        }
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
        for name in [SERVERS[2], SERVERS[3]] {
            match Service::start(name, load, None) {
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
        let mut service = Service::start("epoll", load, None).unwrap();
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
