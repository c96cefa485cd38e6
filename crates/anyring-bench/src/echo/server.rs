//! A server in a thread, and what is known of it from outside the thread.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use anyring::Ring;
use anyring_engine::KernelOrEngine;
use io_uring::IoUring;

use super::{bundle, epoll, multishot, plain, poll};
use crate::counted::{self, Counted};
use crate::peer::{Echo, Library};
use crate::{ENGINE, Peers, machine};

/// Kept up to date by a server's thread.
#[derive(Default)]
pub(super) struct Meter {
    calls: AtomicU64,
    thread: AtomicI32,
}

impl Meter {
    /// Called once a round of the server's loop.
    pub(super) fn update(&self) {
        self.calls.store(counted::calls(), Ordering::Relaxed);
    }

    /// CPU time so far.
    fn cpu(&self) -> Result<Duration, String> {
        machine::thread_cpu(self.thread.load(Ordering::Relaxed))
    }
}

/// What a server is given.
pub(super) struct Site {
    pub(super) listener: TcpListener,
    pub(super) stop: Arc<OwnedFd>,
    pub(super) meter: Arc<Meter>,
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
        "userspace engine, plain" => plain::serve::<Ring<KernelOrEngine>>(site, ready, connections),
        "userspace engine, multishot" => {
            multishot::serve::<Ring<KernelOrEngine>>(site, ready, false)
        }
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

    /// System calls it has made so far, if they are counted.
    pub fn calls(&self) -> Option<u64> {
        let counts = !self.name.starts_with(ENGINE);
        counts.then(|| self.meter.calls.load(Ordering::Relaxed))
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time of its thread so far.
    pub(super) fn cpu(&self) -> Result<Duration, String> {
        self.meter.cpu()
    }

    pub(super) fn has_ended(&self) -> bool {
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
