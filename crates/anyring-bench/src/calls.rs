//! What a system call, a NOP, an SQE and a CQE cost.
//!
//! # Safety
//! Only NOPs are submitted here, which have no memory and no file.
#![allow(unsafe_code, reason = "submits NOPs; see above")]

use std::time::{Duration, Instant};

use anyring::{Builder, prep};
use anyring_engine::KernelOrEngine;
use io_uring::{IoUring, opcode};

use crate::contender::{Budget, Clock, Contender, Sample};
use crate::counted::{Counted, note};
use crate::peer::Ring as InC;
use crate::seam::Seam;
use crate::{Contenders, ENGINE, Peers, Topic, machine, text};

const PAIRS: [(&str, &str); 4] = [
    ("anyring in C", "liburing"),
    ("anyring", "liburing"),
    ("anyring", "io-uring crate"),
    (ENGINE, "anyring"),
];
const PART_PAIRS: [(&str, &str); 6] = [
    ("writing an SQE, anyring in C", "writing an SQE, liburing"),
    ("writing an SQE, anyring", "writing an SQE, liburing"),
    ("reading a CQE, anyring in C", "reading a CQE, liburing"),
    ("reading a CQE, anyring", "reading a CQE, liburing"),
    ("writing an SQE, anyring", "writing an SQE, io-uring crate"),
    ("reading a CQE, anyring", "reading a CQE, io-uring crate"),
];

/// A ring for NOPs, whose three steps can be timed apart.
trait Nops {
    /// Whether system calls are noted.
    const COUNTS: bool = true;
    /// Writes so many SQEs.
    fn fill(&mut self, batch: u32) -> Result<(), String>;
    /// Submits them and waits for all.
    fn submit(&mut self, batch: u32) -> Result<(), String>;
    /// Reads so many CQEs and checks them.
    fn reap(&mut self, batch: u32) -> Result<(), String>;
    /// All three.
    #[inline]
    fn nops(&mut self, batch: u32) -> Result<(), String> {
        self.fill(batch)?;
        self.submit(batch)?;
        self.reap(batch)
    }
}

fn all(found: u32, failed: i32, batch: u32) -> Result<(), String> {
    if found == batch && failed == 0 {
        Ok(())
    } else {
        Err(format!("{found} of {batch} NOPs completed"))
    }
}

struct Ours<S: Seam>(anyring::Ring<S>);

impl<S: Seam> Ours<S> {
    fn new(entries: u32) -> Result<Self, String> {
        let ring = Builder::new(entries).build_on(S::get());
        let ring = ring.map_err(|e| format!("io_uring_setup: {}", text(e)))?;
        S::check(ring.fd())?;
        Ok(Ours(ring))
    }
}

impl<S: Seam> Nops for Ours<S> {
    const COUNTS: bool = S::COUNTS;

    #[inline]
    fn fill(&mut self, batch: u32) -> Result<(), String> {
        for tag in 0..batch {
            let sqe = self.0.next_sqe().ok_or("no room")?;
            prep::prep_nop(sqe);
            sqe.user_data = u64::from(tag);
        }
        Ok(())
    }

    #[inline]
    fn submit(&mut self, batch: u32) -> Result<(), String> {
        // SAFETY: NOPs have no memory.
        unsafe { self.0.submit_and_wait(batch) }.map_err(text)?;
        Ok(())
    }

    #[inline]
    fn reap(&mut self, batch: u32) -> Result<(), String> {
        let (mut found, mut failed) = (0, 0);
        for completion in self.0.completions() {
            found += 1;
            failed |= completion.res;
        }
        all(found, failed, batch)
    }
}

struct Crate(IoUring);

impl Nops for Crate {
    #[inline]
    fn fill(&mut self, batch: u32) -> Result<(), String> {
        let mut queue = self.0.submission();
        for tag in 0..batch {
            let entry = opcode::Nop::new().build().user_data(u64::from(tag));
            // SAFETY: NOPs have no memory.
            unsafe { queue.push(&entry) }.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    #[inline]
    fn submit(&mut self, batch: u32) -> Result<(), String> {
        note(1);
        let done = self.0.submit_and_wait(batch as usize);
        done.map(drop).map_err(|e| e.to_string())
    }

    #[inline]
    fn reap(&mut self, batch: u32) -> Result<(), String> {
        let (mut found, mut failed) = (0, 0);
        for completion in self.0.completion() {
            found += 1;
            failed |= completion.result();
        }
        all(found, failed, batch)
    }
}

impl Nops for InC {
    fn fill(&mut self, batch: u32) -> Result<(), String> {
        InC::fill(self, batch)
    }

    fn submit(&mut self, batch: u32) -> Result<(), String> {
        note(1);
        InC::submit(self, batch)
    }

    fn reap(&mut self, batch: u32) -> Result<(), String> {
        InC::reap(self, batch)
    }

    fn nops(&mut self, batch: u32) -> Result<(), String> {
        // One call for the three: the loops are in C.
        note(1);
        InC::nops(self, batch)
    }
}

/// A null system call for each operation.
struct NullCalls;

impl Contender for NullCalls {
    fn name(&self) -> String {
        "null system call".into()
    }

    fn run(&mut self, budget: Budget, _latency: bool) -> Result<Sample, String> {
        let mut operations = 0;
        let mut clock = Clock::start(budget);
        while !clock.over(operations) {
            machine::null_call();
            note(1);
            operations += 1;
        }
        Ok(clock.stop(operations, true))
    }
}

/// NOPs in batches, the whole way.
struct Batches<N> {
    name: String,
    nops: N,
    batch: u32,
}

impl<N: Nops> Contender for Batches<N> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn run(&mut self, budget: Budget, _latency: bool) -> Result<Sample, String> {
        let mut operations = 0;
        let mut clock = Clock::start(budget);
        while !clock.over(operations) {
            self.nops.nops(self.batch)?;
            operations += u64::from(self.batch);
        }
        Ok(clock.stop(operations, N::COUNTS))
    }
}

/// A step of a NOP that is timed alone: the rest is not on its clock.
struct Step<N> {
    name: String,
    nops: N,
    reading: bool,
}

const STEPS: u32 = 1024;

impl<N: Nops> Contender for Step<N> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn run(&mut self, budget: Budget, _latency: bool) -> Result<Sample, String> {
        let mut operations = 0;
        let mut timed = Duration::ZERO;
        let mut clock = Clock::start(budget);
        while !clock.over(operations) {
            let start = Instant::now();
            self.nops.fill(STEPS)?;
            let written = start.elapsed();
            self.nops.submit(STEPS)?;
            let start = Instant::now();
            self.nops.reap(STEPS)?;
            timed += if self.reading {
                start.elapsed()
            } else {
                written
            };
            operations += u64::from(STEPS);
        }
        let mut sample = clock.stop(operations, false);
        sample.elapsed = timed;
        sample.cpu = timed;
        sample.calls = Some(0);
        Ok(sample)
    }
}

/// NOPs at one batch size; the baseline is a null system call.
///
/// # Errors
/// Why there is no ring.
pub fn nops(batch: u32, peers: Peers) -> Result<(Topic, Contenders), String> {
    fn one<N: Nops + 'static>(name: &str, nops: N, batch: u32) -> Box<dyn Contender> {
        let name = name.into();
        Box::new(Batches { name, nops, batch })
    }
    let theirs = IoUring::new(batch).map_err(|e| e.to_string())?;
    let mut contenders: Contenders = vec![
        Box::new(NullCalls),
        one("anyring", Ours::<Counted>::new(batch)?, batch),
    ];
    for library in peers.libraries() {
        let ring = InC::for_nops(library, batch)?;
        contenders.push(one(library.name, ring, batch));
    }
    contenders.push(one("io-uring crate", Crate(theirs), batch));
    contenders.push(one(ENGINE, Ours::<KernelOrEngine>::new(batch)?, batch));
    let topic = Topic {
        id: format!("nop-{batch}"),
        family: "calls",
        title: format!("NOPs, {batch} a system call"),
        parameters: vec![("batch", batch.to_string())],
        pairs: &PAIRS,
    };
    Ok((topic, contenders))
}

/// An SQE and a CQE against a null system call.
///
/// # Errors
/// Why there is no ring.
pub fn steps(peers: Peers) -> Result<(Topic, Contenders), String> {
    fn both<N: Nops + 'static>(
        contenders: &mut Contenders,
        library: &str,
        make: impl Fn() -> Result<N, String>,
    ) -> Result<(), String> {
        for (reading, what) in [(false, "writing an SQE"), (true, "reading a CQE")] {
            contenders.push(Box::new(Step {
                name: format!("{what}, {library}"),
                nops: make()?,
                reading,
            }));
        }
        Ok(())
    }
    let mut contenders: Contenders = vec![Box::new(NullCalls)];
    both(&mut contenders, "anyring", || Ours::<Counted>::new(STEPS))?;
    for library in peers.libraries() {
        both(&mut contenders, library.name, || {
            InC::for_nops(library, STEPS)
        })?;
    }
    both(&mut contenders, "io-uring crate", || {
        IoUring::new(STEPS).map(Crate).map_err(|e| e.to_string())
    })?;
    let topic = Topic {
        id: "parts".into(),
        family: "calls",
        title: "A null system call, an SQE, a CQE".into(),
        parameters: vec![("batch", STEPS.to_string())],
        pairs: &PART_PAIRS,
    };
    Ok((topic, contenders))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::libraries;

    #[test]
    fn every_contender_runs() {
        let folder = tempfile::tempdir().unwrap();
        let peers = libraries(folder.path());
        for batch in [1, 8, 128] {
            for mut contender in nops(batch, peers).unwrap().1 {
                let sample = contender.run(Budget::Operations(300), false).unwrap();
                assert!(sample.operations >= 300);
                let each = match contender.name().as_str() {
                    "null system call" => 1,
                    ENGINE => {
                        assert_eq!(sample.calls, None, "the engine's are not counted");
                        continue;
                    }
                    _ => u64::from(batch),
                };
                assert_eq!(sample.calls.unwrap(), sample.operations / each);
            }
        }
        let (topic, contenders) = steps(peers).unwrap();
        let names: Vec<String> = contenders.iter().map(|c| c.name()).collect();
        for (ours, _) in topic.pairs {
            assert!(
                names.iter().any(|n| n == ours) || ours.contains("in C"),
                "{ours}"
            );
        }
        for mut contender in contenders {
            let sample = contender.run(Budget::Operations(300), false).unwrap();
            assert!(sample.operations >= 300);
        }
    }

    /// A NOP that failed or is missing is an error.
    #[test]
    fn missing_nops_are_noticed() {
        assert!(all(8, 0, 8).is_ok());
        assert!(all(7, 0, 8).is_err());
        assert!(all(8, -libc::EINVAL, 8).is_err());
        let mut ring = Ours::<Counted>::new(8).unwrap();
        ring.fill(4).unwrap();
        ring.submit(4).unwrap();
        assert!(ring.reap(5).is_err());
    }
}
