//! The groups of random reads.

use std::path::Path;

use anyring::abi::{IORING_SETUP_IOPOLL, IORING_SETUP_SQPOLL};

use super::super::data::{BLOCK, DataFile};
use super::super::stats::{Contender, Topic};
use super::liburing::{Library, Liburing};
use super::others::{AioQueue, Crate, Pread};
use super::ours::{Features, Ours};
use super::{Engine, Queue, Setup, Shape};

/// Contenders, the baseline first.
pub(crate) const NAMES: [&str; 10] = [
    "pread",
    "Linux AIO",
    "anyring",
    "anyring, registered",
    "anyring, SQPOLL + registered",
    "anyring, IOPOLL + registered",
    "liburing",
    "liburing, registered",
    "io-uring crate",
    "io-uring crate, registered",
];

/// Makes contenders.
pub(crate) struct Makers {
    pub(crate) liburing: Option<Library>,
}

impl Makers {
    /// Loads what is there; what is not is added to `missing`.
    pub(crate) fn new(folder: &Path, missing: &mut Vec<String>) -> Self {
        let liburing = Library::load(folder)
            .map_err(|why| missing.push(format!("liburing: {why}")))
            .ok();
        Makers { liburing }
    }

    /// A contender by name, or why it cannot take part.
    pub(crate) fn make(
        &self,
        name: &'static str,
        data: &DataFile,
        shape: Shape,
        thorough: bool,
    ) -> Result<Box<dyn Contender>, String> {
        fn boxed<Q: Queue + 'static>(
            engine: Result<Engine<Q>, String>,
            thorough: bool,
        ) -> Result<Box<dyn Contender>, String> {
            let mut engine = engine?;
            engine.thorough = thorough;
            Ok(Box::new(engine))
        }
        let ours = |flags, fixed| move |setup: &Setup| Ours::new(setup, Features { fixed, flags });
        let liburing = |fixed| {
            move |setup: &Setup| match self.liburing {
                Some(library) => Liburing::new(library, setup, fixed),
                None => Err("not installed".into()),
            }
        };
        match name {
            "pread" => boxed(
                Engine::new(name, data, shape, |s| Ok(Pread::new(s))),
                thorough,
            ),
            "Linux AIO" => boxed(Engine::new(name, data, shape, AioQueue::new), thorough),
            "anyring" => boxed(Engine::new(name, data, shape, ours(0, false)), thorough),
            "anyring, registered" => boxed(Engine::new(name, data, shape, ours(0, true)), thorough),
            "anyring, SQPOLL + registered" => boxed(
                Engine::new(name, data, shape, ours(IORING_SETUP_SQPOLL, true)),
                thorough,
            ),
            "anyring, IOPOLL + registered" => {
                if !shape.direct {
                    return Err("polled reads need O_DIRECT".into());
                }
                let make = |setup: &Setup| {
                    Ours::probe_polled(setup)?;
                    Ours::new(
                        setup,
                        Features {
                            fixed: true,
                            flags: IORING_SETUP_IOPOLL,
                        },
                    )
                };
                boxed(Engine::new(name, data, shape, make), thorough)
            }
            "liburing" => boxed(Engine::new(name, data, shape, liburing(false)), thorough),
            "liburing, registered" => {
                boxed(Engine::new(name, data, shape, liburing(true)), thorough)
            }
            "io-uring crate" => boxed(
                Engine::new(name, data, shape, |s| Crate::new(s, false)),
                thorough,
            ),
            "io-uring crate, registered" => boxed(
                Engine::new(name, data, shape, |s| Crate::new(s, true)),
                thorough,
            ),
            _ => Err("no such contender".into()),
        }
    }

    /// All contenders that can take part; others go to `missing`, once each.
    pub(crate) fn all(
        &self,
        names: &[&'static str],
        data: &DataFile,
        shape: Shape,
        missing: &mut Vec<String>,
    ) -> Result<Vec<Box<dyn Contender>>, String> {
        let mut contenders = Vec::new();
        for &name in names {
            match self.make(name, data, shape, false) {
                Ok(contender) => contenders.push(contender),
                Err(why) if name == names[0] => return Err(why),
                Err(_) if name.starts_with("anyring, IOPOLL") && !shape.direct => {}
                Err(_) if name.starts_with("liburing") && self.liburing.is_none() => {}
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

/// A group of 4 KiB reads.
pub(crate) fn depth_topic(shape: Shape) -> Topic {
    let kind = if shape.direct { "direct" } else { "cached" };
    Topic {
        id: format!("reads-{kind}-{}", shape.depth),
        family: "reads",
        title: format!("4 KiB random reads, {kind}, queue depth {}", shape.depth),
        parameters: vec![
            ("kind", kind.into()),
            ("depth", shape.depth.to_string()),
            ("bytes", BLOCK.to_string()),
        ],
    }
}

/// A group that compares registered with plain buffers.
pub(crate) fn size_topic(shape: Shape) -> Topic {
    let kind = if shape.direct { "direct" } else { "cached" };
    Topic {
        id: format!("registered-{kind}-{}", shape.block),
        family: "registered",
        title: format!(
            "{} KiB reads, {kind}, registered against plain",
            shape.block >> 10
        ),
        parameters: vec![
            ("kind", kind.into()),
            ("depth", shape.depth.to_string()),
            ("bytes", shape.block.to_string()),
        ],
    }
}
