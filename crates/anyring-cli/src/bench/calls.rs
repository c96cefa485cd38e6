//! What a system call, a NOP, an SQE and a CQE cost.
#![allow(unsafe_code, reason = "submits NOPs, which have no memory")]

use std::time::{Duration, Instant};

use anyring::{Builder, Ring, prep};
use io_uring::{IoUring, opcode};

use super::counted::{Counted, note};
use super::reads::Setup;
use super::reads::liburing::{Library, Liburing};
use super::reads::ours::text;
use super::stats::{Budget, Clock, Contender, Sample, Topic};
use super::sys;

/// A closure that does `batch` operations.
struct Repeated<F> {
    name: String,
    batch: u64,
    counts: bool,
    work: F,
}

impl<F: FnMut() -> Result<(), String>> Contender for Repeated<F> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn run(&mut self, budget: Budget, _latency: bool) -> Result<Sample, String> {
        let mut operations = 0;
        let mut clock = Clock::start(budget);
        while !clock.over(operations) {
            (self.work)()?;
            operations += self.batch;
        }
        Ok(clock.stop(operations, self.counts))
    }
}

fn boxed(
    name: &str,
    batch: u32,
    counts: bool,
    work: impl FnMut() -> Result<(), String> + 'static,
) -> Box<dyn Contender> {
    Box::new(Repeated {
        name: name.into(),
        batch: batch.into(),
        counts,
        work,
    })
}

fn reap(ring: &mut Ring<Counted>, wanted: u32) -> Result<(), String> {
    let (mut found, mut failed) = (0, 0);
    for completion in ring.completions() {
        found += 1;
        failed |= completion.res;
    }
    if found == wanted && failed == 0 {
        Ok(())
    } else {
        Err(format!("{found} of {wanted} NOPs completed"))
    }
}

fn ring(entries: u32) -> Result<Ring<Counted>, String> {
    Builder::new(entries)
        .build_on(Counted)
        .map_err(|e| format!("io_uring_setup: {}", text(e)))
}

/// NOPs at one batch size; the baseline is a null system call.
pub(crate) fn nops(
    batch: u32,
    library: Option<Library>,
) -> Result<(Topic, Vec<Box<dyn Contender>>), String> {
    let mut own = ring(batch)?;
    let mut other = IoUring::new(batch).map_err(|e| e.to_string())?;
    let mut contenders = vec![
        boxed("null system call", 1, true, || {
            sys::null_call();
            note(1);
            Ok(())
        }),
        boxed("anyring", batch, true, move || {
            for _ in 0..batch {
                prep::prep_nop(own.next_sqe().ok_or("no room")?);
            }
            // SAFETY: NOPs have no memory.
            unsafe { own.submit_and_wait(batch) }.map_err(text)?;
            reap(&mut own, batch)
        }),
    ];
    if let Some(library) = library {
        let setup = Setup {
            depth: batch as usize,
            block: 0,
            fd: -1,
            memory: std::ptr::null_mut(),
        };
        let mut peer = Liburing::new(library, &setup, false)?;
        contenders.push(boxed("liburing", batch, false, move || peer.nops(batch)));
    }
    contenders.push(boxed("io-uring crate", batch, true, move || {
        for _ in 0..batch {
            // SAFETY: as above.
            unsafe { other.submission().push(&opcode::Nop::new().build()) }
                .map_err(|e| e.to_string())?;
        }
        note(1);
        other
            .submit_and_wait(batch as usize)
            .map_err(|e| e.to_string())?;
        match other.completion().filter(|c| c.result() == 0).count() {
            found if found == batch as usize => Ok(()),
            found => Err(format!("{found} of {batch} NOPs completed")),
        }
    }));
    let topic = Topic {
        id: format!("nop-{batch}"),
        family: "calls",
        title: format!("NOPs, {batch} a system call"),
        parameters: vec![("batch", batch.to_string())],
    };
    Ok((topic, contenders))
}

/// A part of a NOP that is timed alone: the rest is not on its clock.
struct Part {
    ring: Ring<Counted>,
    reading: bool,
}

const PART: u32 = 1024;

impl Contender for Part {
    fn name(&self) -> String {
        if self.reading {
            "reading a CQE"
        } else {
            "writing an SQE"
        }
        .into()
    }

    fn run(&mut self, budget: Budget, _latency: bool) -> Result<Sample, String> {
        let mut operations = 0;
        let mut timed = Duration::ZERO;
        let mut clock = Clock::start(budget);
        while !clock.over(operations) {
            let start = Instant::now();
            for tag in 0..PART {
                let sqe = self.ring.next_sqe().ok_or("no room")?;
                prep::prep_nop(sqe);
                sqe.user_data = u64::from(tag);
            }
            let written = start.elapsed();
            // SAFETY: NOPs have no memory.
            unsafe { self.ring.submit_and_wait(PART) }.map_err(text)?;
            let start = Instant::now();
            reap(&mut self.ring, PART)?;
            timed += if self.reading {
                start.elapsed()
            } else {
                written
            };
            operations += u64::from(PART);
        }
        let mut sample = clock.stop(operations, false);
        sample.elapsed = timed;
        sample.cpu = timed;
        sample.calls = Some(0);
        Ok(sample)
    }
}

/// An SQE and a CQE against a null system call.
pub(crate) fn parts() -> Result<(Topic, Vec<Box<dyn Contender>>), String> {
    let contenders: Vec<Box<dyn Contender>> = vec![
        boxed("null system call", 1, true, || {
            sys::null_call();
            note(1);
            Ok(())
        }),
        Box::new(Part {
            ring: ring(PART)?,
            reading: false,
        }),
        Box::new(Part {
            ring: ring(PART)?,
            reading: true,
        }),
    ];
    let topic = Topic {
        id: "parts".into(),
        family: "calls",
        title: "A null system call, an SQE, a CQE".into(),
        parameters: vec![("batch", PART.to_string())],
    };
    Ok((topic, contenders))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_runs() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::load(folder.path())
            .map_err(|why| println!("skipped: {why}"))
            .ok();
        for batch in [1, 8, 128] {
            for mut contender in nops(batch, library).unwrap().1 {
                let sample = contender.run(Budget::Operations(300), false).unwrap();
                assert!(sample.operations >= 300);
                if contender.name() == "anyring" {
                    assert_eq!(sample.calls.unwrap(), sample.operations / u64::from(batch));
                }
            }
        }
        for mut contender in parts().unwrap().1 {
            assert!(
                contender
                    .run(Budget::Operations(300), false)
                    .unwrap()
                    .operations
                    >= 300
            );
        }
    }
}
