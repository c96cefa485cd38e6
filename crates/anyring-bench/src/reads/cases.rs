//! The groups of random reads.

use anyring::abi::{IORING_SETUP_IOPOLL, IORING_SETUP_SQPOLL};
use anyring_engine::KernelOrEngine;

use super::in_c::InC;
use super::others::{AioQueue, Crate, Pread};
use super::ours::{Features, Ours};
use super::threads::Threads;
use super::{Engine, Queue, Setup, Shape};
use crate::counted::Counted;
use crate::data::{BLOCK, DataFile};
use crate::peer::Library;
use crate::{Contender, Contenders, ENGINE, Peers, Topic};

/// All contenders, the baseline first.
pub const NAMES: [&str; 14] = [
    "pread",
    "pread, 4 threads",
    "Linux AIO",
    "anyring",
    "anyring, registered",
    "anyring, SQPOLL + registered",
    "anyring, IOPOLL + registered",
    "anyring in C",
    "anyring in C, registered",
    "liburing",
    "liburing, registered",
    "io-uring crate",
    "io-uring crate, registered",
    ENGINE,
];

/// Those that compare registered with plain buffers.
pub const REGISTERED: [&str; 6] = [
    "anyring",
    "anyring, registered",
    "anyring in C",
    "anyring in C, registered",
    "liburing",
    "liburing, registered",
];

/// Ours and theirs; of several that have the same second the first counts.
pub const PAIRS: [(&str, &str); 8] = [
    ("anyring in C", "liburing"),
    ("anyring", "liburing"),
    ("anyring in C, registered", "liburing, registered"),
    ("anyring, registered", "liburing, registered"),
    ("anyring", "io-uring crate"),
    ("anyring, registered", "io-uring crate, registered"),
    (ENGINE, "pread, 4 threads"),
    (ENGINE, "anyring"),
];

/// Makes contenders.
pub struct Makers {
    /// The C libraries that are there.
    pub peers: Peers,
    /// The processor of SQPOLL threads, if it can be another one than ours.
    pub poller: Option<usize>,
}

fn boxed<Q: Queue + 'static>(
    engine: Result<Engine<Q>, String>,
    thorough: bool,
) -> Result<Box<dyn Contender>, String> {
    let mut engine = engine?;
    engine.thorough = thorough;
    Ok(Box::new(engine))
}

impl Makers {
    /// A contender by name; `thorough`: every byte is checked and not only the
    /// first and the last word of a read.
    ///
    /// # Errors
    /// Why it cannot take part.
    pub fn make(
        &self,
        name: &'static str,
        data: &DataFile,
        shape: Shape,
        thorough: bool,
    ) -> Result<Box<dyn Contender>, String> {
        let fixed = name.ends_with("registered");
        let ours = |flags| {
            let features = Features {
                fixed,
                flags,
                poller: self.poller,
            };
            move |setup: &Setup| {
                if flags & IORING_SETUP_IOPOLL != 0 {
                    Ours::<Counted>::probe_polled(setup)?;
                }
                Ours::<Counted>::new(setup, features)
            }
        };
        let in_c = |library: Option<Library>| {
            move |setup: &Setup| match library {
                Some(library) => InC::new(library, setup, fixed),
                None => Err("not there".into()),
            }
        };
        match name {
            "pread" => {
                let make = |s: &Setup| Ok(Pread::new(s));
                boxed(Engine::new(name, data, shape, make), thorough)
            }
            "pread, 4 threads" => boxed(Engine::new(name, data, shape, Threads::new), thorough),
            ENGINE => {
                let make = |s: &Setup| Ours::<KernelOrEngine>::new(s, Features::default());
                boxed(Engine::new(name, data, shape, make), thorough)
            }
            "Linux AIO" => boxed(Engine::new(name, data, shape, AioQueue::new), thorough),
            "anyring" | "anyring, registered" => {
                boxed(Engine::new(name, data, shape, ours(0)), thorough)
            }
            "anyring, SQPOLL + registered" => {
                let make = ours(IORING_SETUP_SQPOLL);
                boxed(Engine::new(name, data, shape, make), thorough)
            }
            "anyring, IOPOLL + registered" => {
                if !shape.direct {
                    return Err("polled reads need O_DIRECT".into());
                }
                let make = ours(IORING_SETUP_IOPOLL);
                boxed(Engine::new(name, data, shape, make), thorough)
            }
            "anyring in C" | "anyring in C, registered" => {
                let make = in_c(self.peers.own);
                boxed(Engine::new(name, data, shape, make), thorough)
            }
            "liburing" | "liburing, registered" => {
                let make = in_c(self.peers.liburing);
                boxed(Engine::new(name, data, shape, make), thorough)
            }
            "io-uring crate" | "io-uring crate, registered" => {
                let make = |s: &Setup| Crate::new(s, fixed);
                boxed(Engine::new(name, data, shape, make), thorough)
            }
            _ => Err("no such contender".into()),
        }
    }

    /// Contenders for polled reads and of libraries that are not there have
    /// been reported already, or have nothing to do with this shape.
    fn told(&self, name: &str, shape: Shape) -> bool {
        name.starts_with("anyring, IOPOLL") && !shape.direct
            || name.starts_with("anyring in C") && self.peers.own.is_none()
            || name.starts_with("liburing") && self.peers.liburing.is_none()
    }

    /// All contenders that can take part; others go to `missing`, once each.
    ///
    /// # Errors
    /// Why the first cannot take part: without it there is no group.
    pub fn all(
        &self,
        names: &[&'static str],
        data: &DataFile,
        shape: Shape,
        missing: &mut Vec<String>,
    ) -> Result<Contenders, String> {
        let mut contenders = Vec::new();
        for &name in names {
            match self.make(name, data, shape, false) {
                Ok(contender) => contenders.push(contender),
                Err(why) if name == names[0] => return Err(why),
                Err(_) if self.told(name, shape) => {}
                Err(why) => {
                    let line = format!("{name}: {why}");
                    if !missing.contains(&line) {
                        missing.push(line);
                    }
                }
            }
        }
        Ok(contenders)
    }
}

fn kind(shape: Shape) -> &'static str {
    if shape.direct { "direct" } else { "cached" }
}

fn parameters(shape: Shape) -> Vec<(&'static str, String)> {
    vec![
        ("kind", kind(shape).into()),
        ("depth", shape.depth.to_string()),
        ("bytes", shape.block.to_string()),
    ]
}

/// A group of 4 KiB reads.
pub fn depth_topic(shape: Shape) -> Topic {
    let (kind, depth, kib) = (kind(shape), shape.depth, BLOCK >> 10);
    Topic {
        id: format!("reads-{kind}-{depth}"),
        family: "reads",
        title: format!("{kib} KiB random reads, {kind}, queue depth {depth}"),
        parameters: parameters(shape),
        pairs: &PAIRS,
    }
}

/// A group that compares registered with plain buffers.
pub fn size_topic(shape: Shape) -> Topic {
    let (kind, kib) = (kind(shape), shape.block >> 10);
    Topic {
        id: format!("registered-{kind}-{}", shape.block),
        family: "registered",
        title: format!("{kib} KiB reads, {kind}, registered against plain"),
        parameters: parameters(shape),
        pairs: &PAIRS,
    }
}
