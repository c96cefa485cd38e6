//! Random reads: one loop for all contenders, one queue for each.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Instant;

use crate::contender::{Budget, Clock, Contender, Sample, histogram};
use crate::data::{self, DataFile};
use crate::memory::Aligned;

mod cases;
mod in_c;
mod others;
mod ours;
mod threads;

pub use cases::{Makers, NAMES, PAIRS, REGISTERED, depth_topic, size_topic};

/// A finished read.
#[derive(Clone, Copy)]
pub(super) struct Done {
    pub(super) slot: usize,
    pub(super) result: i32,
}

/// What a queue is made for. The memory outlives it.
pub(super) struct Setup {
    pub(super) depth: usize,
    pub(super) block: usize,
    pub(super) fd: i32,
    pub(super) memory: *mut u8,
}

/// A way to have `depth` reads in flight.
pub(super) trait Queue {
    /// Whether its system calls are noted in the thread that runs it.
    const COUNTS: bool = true;

    /// Queues a read of one block to its slot; at most `depth` are out.
    fn push(&mut self, slot: usize, offset: u64);
    /// Submits, waits for one at least, and adds all that are ready.
    fn exchange(&mut self, done: &mut Vec<Done>) -> Result<(), String>;
}

/// A queue with its file and memory; the order of fields is the order they
/// are dropped in.
pub(super) struct Engine<Q: Queue> {
    queue: Q,
    memory: Option<Aligned>,
    _file: File,
    name: &'static str,
    depth: usize,
    block: usize,
    places: u64,
    offsets: Vec<u64>,
    /// Check every byte and not only the ends.
    thorough: bool,
}

impl<Q: Queue> Engine<Q> {
    pub(super) fn new(
        name: &'static str,
        data: &DataFile,
        shape: Shape,
        make: impl FnOnce(&Setup) -> Result<Q, String>,
    ) -> Result<Self, String> {
        let Shape {
            depth,
            block,
            direct,
        } = shape;
        if data.bytes < block as u64 {
            let bytes = data.bytes;
            return Err(format!(
                "the file is too small: {bytes} bytes, and a read has {block}"
            ));
        }
        let file = data.open(direct)?;
        let memory = Aligned::new(depth * block);
        let setup = Setup {
            depth,
            block,
            fd: file.as_raw_fd(),
            memory: memory.as_mut_ptr(),
        };
        let queue = make(&setup)?;
        Ok(Engine {
            queue,
            memory: Some(memory),
            _file: file,
            name,
            depth,
            block,
            places: data.bytes / block as u64,
            offsets: vec![0; depth],
            thorough: false,
        })
    }

    fn settle(&mut self, done: Done) -> Result<(), String> {
        let offset = self.offsets[done.slot];
        if done.result != self.block as i32 {
            return Err(match done.result {
                error if error < 0 => std::io::Error::from_raw_os_error(-error).to_string(),
                short => format!("a read at {offset} gave {short} of {} bytes", self.block),
            });
        }
        let memory = self.memory.as_ref().expect("present while running");
        let bytes = memory.bytes(done.slot * self.block, self.block);
        let same = if self.thorough {
            data::all_match(offset, bytes)
        } else {
            data::ends_match(offset, bytes)
        };
        if same {
            Ok(())
        } else {
            Err(format!("the bytes at {offset} are not those of the file"))
        }
    }

    fn work(&mut self, budget: Budget, latency: bool) -> Result<Sample, String> {
        let mut free: Vec<usize> = (0..self.depth).collect();
        let mut done = Vec::with_capacity(self.depth);
        let mut started = vec![Instant::now(); self.depth];
        let mut recorded = latency.then(histogram);
        let mut random = fastrand::Rng::new();
        let mut operations = 0;
        let mut over = false;
        let mut clock = Clock::start(budget);
        loop {
            over = over || clock.over(operations);
            if over && free.len() == self.depth {
                break;
            }
            if !over {
                while let Some(slot) = free.pop() {
                    let offset = random.u64(..self.places) * self.block as u64;
                    self.offsets[slot] = offset;
                    if latency {
                        started[slot] = Instant::now();
                    }
                    self.queue.push(slot, offset);
                }
            }
            self.queue.exchange(&mut done)?;
            for one in done.drain(..) {
                if let Some(recorded) = &mut recorded {
                    recorded.saturating_record(started[one.slot].elapsed().as_nanos() as u64);
                }
                self.settle(one)?;
                free.push(one.slot);
                operations += 1;
            }
        }
        let mut sample = clock.stop(operations, Q::COUNTS);
        sample.latency = recorded;
        Ok(sample)
    }
}

impl<Q: Queue> Contender for Engine<Q> {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run(&mut self, budget: Budget, latency: bool) -> Result<Sample, String> {
        let result = self.work(budget, latency);
        if result.is_err() {
            // Reads may still be in flight: their memory is never given back.
            std::mem::forget(self.memory.take());
            self.memory = Some(Aligned::new(self.depth * self.block));
        }
        result
    }
}

/// Queue depth, bytes of a read, page cache or not.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Reads in flight.
    pub depth: usize,
    /// Bytes of a read.
    pub block: usize,
    /// O_DIRECT: not through the page cache.
    pub direct: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Peers;
    use crate::data::BLOCK;
    use crate::peer::tests::libraries;

    /// Every contender reads a handful of blocks, and every byte is right.
    #[test]
    fn bytes_are_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFile::create(folder.path(), 4 << 20).unwrap();
        let makers = Makers {
            peers: libraries(folder.path()),
            poller: None,
        };
        let mut ran = 0;
        for direct in [false, true] {
            for depth in [1, 4, 32] {
                for block in [BLOCK, 65536] {
                    for name in NAMES {
                        let shape = Shape {
                            depth,
                            block,
                            direct,
                        };
                        match makers.make(name, &data, shape, true) {
                            Ok(mut contender) => {
                                let sample = contender.run(Budget::Operations(50), true).unwrap();
                                assert!(sample.operations >= 50, "{name}");
                                assert_eq!(sample.latency.unwrap().len(), sample.operations);
                                ran += 1;
                            }
                            Err(why) => {
                                println!("skipped: {name}, depth {depth}, direct {direct}: {why}")
                            }
                        }
                    }
                }
            }
        }
        assert!(ran >= 12, "pread at least runs everywhere");
    }

    #[test]
    fn small_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFile::create(folder.path(), 1 << 20).unwrap();
        let makers = Makers {
            peers: Peers::default(),
            poller: None,
        };
        for (block, fits) in [(1 << 20, true), (2 << 20, false)] {
            let shape = Shape {
                depth: 1,
                block,
                direct: false,
            };
            let made = makers.make("pread", &data, shape, true);
            assert_eq!(made.is_ok(), fits);
            let mut missing = Vec::new();
            let all = makers.all(&["pread"], &data, shape, &mut missing);
            assert!(fits || all.err().unwrap().contains("too small"));
        }
    }

    /// A contender that brings other bytes is found out.
    #[test]
    fn wrong_bytes_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFile::create(folder.path(), 1 << 20).unwrap();
        let mut contents = std::fs::read(data.path()).unwrap();
        assert!(data::all_match(0, &contents));
        contents[5000] ^= 1;
        assert!(!data::all_match(0, &contents));
        std::fs::write(data.path(), vec![0; 1 << 20]).unwrap();
        let makers = Makers {
            peers: Peers::default(),
            poller: None,
        };
        let shape = Shape {
            depth: 2,
            block: BLOCK,
            direct: false,
        };
        let mut contender = makers.make("pread", &data, shape, false).unwrap();
        let error = contender.run(Budget::Operations(1), false).err().unwrap();
        assert!(error.contains("not those of the file"), "{error}");
        std::fs::write(data.path(), vec![0; 100]).unwrap();
        let error = contender.run(Budget::Operations(50), false).err().unwrap();
        assert!(error.contains("bytes"), "{error}");
    }
}
