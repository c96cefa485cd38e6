//! A write and its fsync: linked, in two round trips, or as system calls.
#![allow(unsafe_code, reason = "hands memory to the kernel")]

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyring::abi::IOSQE_IO_LINK;
use anyring::{Builder, Ring, prep};

use super::counted::{Counted, note};
use super::data::BLOCK;
use super::reads::ours::text;
use super::stats::{Budget, Clock, Contender, Sample, Topic, histogram};

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Calls,
    Trips,
    Linked,
}

/// Dropped in this order: the ring before what it writes from.
struct Writer {
    ring: Option<Ring<Counted>>,
    file: File,
    block: Vec<u8>,
    way: Way,
    written: u64,
}

impl Writer {
    fn wait(&mut self, wanted: &[i32]) -> Result<(), String> {
        let ring = self.ring.as_mut().expect("a ring for this way");
        // SAFETY: the block lives in `self` and the wait is for all.
        unsafe { ring.submit_and_wait(wanted.len() as u32) }.map_err(text)?;
        let mut found: Vec<_> = ring.completions().map(|c| (c.user_data, c.res)).collect();
        found.sort_unstable();
        let results: Vec<i32> = found.iter().map(|f| f.1).collect();
        if results == wanted {
            Ok(())
        } else {
            Err(format!("write and fsync gave {results:?}, not {wanted:?}"))
        }
    }

    fn queue(&mut self, sync: bool, offset: u64, link: bool) -> Result<(), String> {
        let fd = self.file.as_raw_fd();
        let (from, bytes) = (self.block.as_ptr(), self.block.len() as u32);
        let sqe = self
            .ring
            .as_mut()
            .expect("a ring")
            .next_sqe()
            .ok_or("no room")?;
        if sync {
            prep::prep_fsync(sqe, fd, anyring::abi::IORING_FSYNC_DATASYNC);
        } else {
            prep::prep_write(sqe, fd, from.cast(), bytes, offset);
        }
        if link {
            sqe.flags |= IOSQE_IO_LINK as u8;
        }
        sqe.user_data = u64::from(sync);
        Ok(())
    }

    fn one(&mut self) -> Result<(), String> {
        let offset = (self.written % 64) * BLOCK as u64;
        self.block[..8].copy_from_slice(&self.written.to_le_bytes());
        match self.way {
            Way::Calls => {
                note(2);
                self.file
                    .write_all_at(&self.block, offset)
                    .map_err(|e| format!("write: {e}"))?;
                self.file
                    .sync_data()
                    .map_err(|e| format!("fdatasync: {e}"))?;
            }
            Way::Trips => {
                self.queue(false, offset, false)?;
                self.wait(&[BLOCK as i32])?;
                self.queue(true, 0, false)?;
                self.wait(&[0])?;
            }
            Way::Linked => {
                self.queue(false, offset, true)?;
                self.queue(true, 0, false)?;
                self.wait(&[BLOCK as i32, 0])?;
            }
        }
        self.written += 1;
        Ok(())
    }
}

impl Contender for Writer {
    fn name(&self) -> String {
        match self.way {
            Way::Calls => "pwrite, fdatasync",
            Way::Trips => "anyring, two round trips",
            Way::Linked => "anyring, linked",
        }
        .into()
    }

    fn run(&mut self, budget: Budget, latency: bool) -> Result<Sample, String> {
        let mut recorded = latency.then(histogram);
        let mut operations = 0;
        let mut clock = Clock::start(match budget {
            // fsync takes milliseconds: one look at the clock for each.
            Budget::Time(slice) => Budget::Time(slice),
            operations => operations,
        });
        while !clock.over(operations * 32) {
            let start = Instant::now();
            self.one()?;
            operations += 1;
            if let Some(recorded) = &mut recorded {
                recorded.saturating_record(start.elapsed().as_nanos() as u64);
            }
        }
        let mut sample = clock.stop(operations, true);
        sample.latency = recorded;
        Ok(sample)
    }
}

/// Write-then-fsync chains; the baseline is system calls.
pub(crate) fn chains(folder: &Path) -> Result<(Topic, Vec<Box<dyn Contender>>), String> {
    let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
    for (way, name) in [
        (Way::Calls, "calls"),
        (Way::Trips, "trips"),
        (Way::Linked, "linked"),
    ] {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(folder.join(name))
            .map_err(|e| format!("cannot make a file in {}: {e}", folder.display()))?;
        file.write_all_at(&vec![0; 64 * BLOCK], 0)
            .map_err(|e| format!("cannot write to {}: {e}", folder.display()))?;
        let ring = match way {
            Way::Calls => None,
            _ => Some(
                Builder::new(2)
                    .build_on(Counted)
                    .map_err(|e| format!("io_uring_setup: {}", text(e)))?,
            ),
        };
        contenders.push(Box::new(Writer {
            ring,
            file,
            block: vec![7; BLOCK],
            way,
            written: 0,
        }));
    }
    let topic = Topic {
        id: "write-fsync".into(),
        family: "links",
        title: "4 KiB write, then fdatasync".into(),
        parameters: vec![("bytes", BLOCK.to_string())],
    };
    Ok((topic, contenders))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for mut contender in chains(folder.path()).unwrap().1 {
            let sample = contender.run(Budget::Operations(5 * 32), true).unwrap();
            assert_eq!(sample.operations, 5);
            let per_operation = if contender.name() == "anyring, linked" {
                1
            } else {
                2
            };
            assert_eq!(
                sample.calls,
                Some(5 * per_operation),
                "{}",
                contender.name()
            );
        }
        for name in ["calls", "trips", "linked"] {
            let bytes = std::fs::read(folder.path().join(name)).unwrap();
            for block in 0..5usize {
                let at = block * BLOCK;
                assert_eq!(bytes[at..at + 8], (block as u64).to_le_bytes(), "{name}");
                assert!(bytes[at + 8..at + BLOCK].iter().all(|&b| b == 7), "{name}");
            }
        }
    }
}
