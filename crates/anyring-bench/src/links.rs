//! A write and its fdatasync: linked, in two round trips, or as system calls.
//!
//! # Safety
//! The block that is written belongs to the contender, and every way waits for
//! its operations before it returns; the ring goes before block and file.
#![allow(unsafe_code, reason = "hands memory to the kernel; see above")]

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyring::abi::{IORING_FSYNC_DATASYNC, IOSQE_IO_LINK};
use anyring::{Builder, Ring, prep};
use io_uring::{IoUring, opcode, squeue, types};

use crate::contender::{Budget, Clock, Contender, Sample, histogram};
use crate::counted::{Counted, note};
use crate::data::BLOCK;
use crate::memory::Aligned;
use crate::peer::{Ring as InC, Use};
use crate::{Contenders, Peers, Topic, text};

const PAIRS: [(&str, &str); 6] = [
    ("anyring in C, linked", "liburing, linked"),
    ("anyring, linked", "liburing, linked"),
    ("anyring in C, two round trips", "liburing, two round trips"),
    ("anyring, two round trips", "liburing, two round trips"),
    ("anyring, linked", "io-uring crate, linked"),
    ("anyring, linked", "anyring, two round trips"),
];

/// Blocks of the file, written one after the other and again.
const BLOCKS: u64 = 64;

/// A way to write a block and sync.
trait Way {
    /// Writes the block at this offset and syncs.
    fn write(&mut self, file: &File, block: &Aligned, offset: u64) -> Result<(), String>;
}

struct Calls;

impl Way for Calls {
    fn write(&mut self, file: &File, block: &Aligned, offset: u64) -> Result<(), String> {
        note(2);
        file.write_all_at(block.bytes(0, BLOCK), offset)
            .map_err(|e| format!("write: {e}"))?;
        file.sync_data().map_err(|e| format!("fdatasync: {e}"))
    }
}

/// Checks `(tag, result)` of a write (tag 0) and a sync (tag 1).
fn check(found: &[(u64, i32)], wanted: usize) -> Result<(), String> {
    let right = |&(tag, result): &(u64, i32)| result == if tag == 0 { BLOCK as i32 } else { 0 };
    if found.len() == wanted && found.iter().all(right) {
        Ok(())
    } else {
        Err(format!("write and fdatasync gave {found:?}"))
    }
}

struct Ours {
    ring: Ring<Counted>,
    linked: bool,
}

impl Ours {
    fn finish(&mut self, count: u32) -> Result<(), String> {
        let mut found = Vec::new();
        while found.len() < count as usize {
            let rest = count - found.len() as u32;
            // SAFETY: the block outlives the wait, which is for all.
            match unsafe { self.ring.submit_and_wait(rest) } {
                // A signal ends a wait early.
                Err(error) if error.0 != libc::EINTR => return Err(text(error)),
                _ => found.extend(self.ring.completions().map(|c| (c.user_data, c.res))),
            }
        }
        check(&found, count as usize)
    }
}

impl Way for Ours {
    fn write(&mut self, file: &File, block: &Aligned, offset: u64) -> Result<(), String> {
        let fd = file.as_raw_fd();
        let sqe = self.ring.next_sqe().ok_or("no room")?;
        prep::prep_write(sqe, fd, block.as_mut_ptr().cast(), BLOCK as u32, offset);
        sqe.user_data = 0;
        if self.linked {
            sqe.flags |= IOSQE_IO_LINK as u8;
        } else {
            self.finish(1)?;
        }
        let sqe = self.ring.next_sqe().ok_or("no room")?;
        prep::prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
        sqe.user_data = 1;
        self.finish(1 + u32::from(self.linked))
    }
}

struct Crate {
    ring: IoUring,
    linked: bool,
}

impl Crate {
    fn push(&mut self, entry: &squeue::Entry) -> Result<(), String> {
        // SAFETY: the block outlives the wait, which is for all.
        unsafe { self.ring.submission().push(entry) }.map_err(|e| e.to_string())
    }

    fn finish(&mut self, count: usize) -> Result<(), String> {
        let mut found = Vec::new();
        while found.len() < count {
            note(1);
            match self.ring.submit_and_wait(count - found.len()) {
                // A signal ends a wait early.
                Err(error) if error.raw_os_error() != Some(libc::EINTR) => {
                    return Err(error.to_string());
                }
                _ => {
                    let all = self.ring.completion();
                    found.extend(all.map(|c| (c.user_data(), c.result())));
                }
            }
        }
        check(&found, count)
    }
}

impl Way for Crate {
    fn write(&mut self, file: &File, block: &Aligned, offset: u64) -> Result<(), String> {
        let fd = types::Fd(file.as_raw_fd());
        let mut write = opcode::Write::new(fd, block.as_mut_ptr(), BLOCK as u32)
            .offset(offset)
            .build();
        if self.linked {
            write = write.flags(squeue::Flags::IO_LINK);
        }
        self.push(&write)?;
        if !self.linked {
            self.finish(1)?;
        }
        let sync = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC);
        self.push(&sync.build().user_data(1))?;
        self.finish(1 + usize::from(self.linked))
    }
}

struct Peer {
    ring: InC,
    linked: bool,
}

impl Way for Peer {
    fn write(&mut self, _file: &File, _block: &Aligned, offset: u64) -> Result<(), String> {
        note(if self.linked { 1 } else { 2 });
        self.ring.chain(offset, self.linked)
    }
}

/// Dropped in this order: the ring before what it writes from and to.
struct Writer<W> {
    way: W,
    block: Aligned,
    file: File,
    name: String,
    written: u64,
}

impl<W: Way> Contender for Writer<W> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn run(&mut self, budget: Budget, latency: bool) -> Result<Sample, String> {
        let mut recorded = latency.then(histogram);
        let mut operations = 0;
        let mut clock = Clock::start(budget);
        while !clock.over_now(operations) {
            let start = Instant::now();
            self.block.write(0, &self.written.to_le_bytes());
            let offset = self.written % BLOCKS * BLOCK as u64;
            self.way.write(&self.file, &self.block, offset)?;
            self.written += 1;
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

fn make<W: Way + 'static>(
    contenders: &mut Contenders,
    folder: &Path,
    name: String,
    way: impl FnOnce(&File, &Aligned) -> Result<W, String>,
) -> Result<(), String> {
    let path = folder.join(name.replace([',', ' '], "-"));
    let failed = |e| format!("cannot write to {}: {e}", folder.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed)?;
    let blocks = vec![0; BLOCKS as usize * BLOCK];
    file.write_all_at(&blocks, 0).map_err(failed)?;
    let mut block = Aligned::new(BLOCK);
    block.write(8, &[7; BLOCK - 8]);
    contenders.push(Box::new(Writer {
        way: way(&file, &block)?,
        block,
        file,
        name,
        written: 0,
    }));
    Ok(())
}

/// Write-then-fsync chains; the baseline is system calls.
///
/// # Errors
/// Why there is no file or no ring.
pub fn chains(folder: &Path, peers: Peers) -> Result<(Topic, Contenders), String> {
    let mut contenders = Contenders::new();
    let all = &mut contenders;
    make(all, folder, "pwrite, fdatasync".into(), |_, _| Ok(Calls))?;
    for (linked, how) in [(false, "two round trips"), (true, "linked")] {
        make(all, folder, format!("anyring, {how}"), |_, _| {
            let ring = Builder::new(2).build_on(Counted);
            let ring = ring.map_err(|e| format!("io_uring_setup: {}", text(e)))?;
            Ok(Ours { ring, linked })
        })?;
        for library in peers.libraries() {
            make(
                all,
                folder,
                format!("{}, {how}", library.name),
                |file, block| {
                    let what = Use {
                        entries: 2,
                        fd: file.as_raw_fd(),
                        memory: block.as_mut_ptr(),
                        block: BLOCK,
                        fixed: false,
                    };
                    // SAFETY: `Writer` drops the ring before block and file.
                    let ring = unsafe { InC::new(library, &what) }?;
                    Ok(Peer { ring, linked })
                },
            )?;
        }
        make(all, folder, format!("io-uring crate, {how}"), |_, _| {
            let ring = IoUring::new(2).map_err(|e| e.to_string())?;
            Ok(Crate { ring, linked })
        })?;
    }
    let topic = Topic {
        id: "write-fsync".into(),
        family: "links",
        title: "4 KiB write, then fdatasync".into(),
        parameters: vec![("bytes", BLOCK.to_string())],
        pairs: &PAIRS,
    };
    Ok((topic, contenders))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::libraries;

    #[test]
    fn what_was_written_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let peers = libraries(folder.path());
        let mut names = Vec::new();
        for mut contender in chains(folder.path(), peers).unwrap().1 {
            let name = contender.name();
            let sample = contender.run(Budget::Operations(5), true).unwrap();
            assert_eq!(sample.operations, 5);
            assert_eq!(sample.latency.unwrap().len(), 5);
            let calls = if name.ends_with(", linked") { 1 } else { 2 };
            assert_eq!(sample.calls, Some(5 * calls), "{name}");
            names.push(name);
        }
        assert!(names.len() >= 5);
        for name in names {
            let bytes = std::fs::read(folder.path().join(name.replace([',', ' '], "-"))).unwrap();
            for block in 0..5usize {
                let at = block * BLOCK;
                assert_eq!(bytes[at..at + 8], (block as u64).to_le_bytes(), "{name}");
                assert!(bytes[at + 8..at + BLOCK].iter().all(|&b| b == 7), "{name}");
            }
        }
    }

    #[test]
    fn wrong_results_are_noticed() {
        assert!(check(&[(0, BLOCK as i32), (1, 0)], 2).is_ok());
        assert!(check(&[(0, 100), (1, 0)], 2).is_err());
        assert!(check(&[(0, BLOCK as i32), (1, -libc::ECANCELED)], 2).is_err());
        assert!(check(&[(0, BLOCK as i32)], 2).is_err());
    }
}
