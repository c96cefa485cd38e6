//! A process that runs: its rings are mapped read only and sampled.
//!
//! The process is neither stopped nor changed. A duplicate of each ring's
//! descriptor is held while it is watched, so that a ring that the process closes
//! lives on until [`Watched::refresh`] finds that out.

use std::os::fd::OwnedFd;
use std::time::Instant;

use anyring_abi as abi;

use crate::event::{Event, Happening};
use crate::layout::Layout;
use crate::process::{self, RingFd};
use crate::queues::{Memory, Queues, Words};
use crate::sys::{Mapping, ended, pidfd_getfd, pidfd_open};

/// The memory of a ring of another process.
#[derive(Debug)]
pub struct Mapped {
    queues: Mapping,
    entries: Mapping,
}

impl Memory for Mapped {
    fn queues(&self, at: usize, to: &mut [u8]) -> bool {
        self.queues.copy(at, to)
    }

    fn entries(&self, at: usize, to: &mut [u8]) -> bool {
        self.entries.copy(at, to)
    }
}

/// Maps a ring of another process and finds out its layout, with what was inferred.
///
/// # Errors
/// In words: why this ring cannot be looked at.
pub fn map(pid: i32, pidfd: &OwnedFd, fd: i32) -> Result<(Mapped, Layout, Vec<String>), String> {
    let ring = pidfd_getfd(pidfd, fd).map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM) => process::forbidden(pid),
        Some(libc::EBADF) => format!("descriptor {fd} was closed"),
        Some(libc::ENOSYS) => "pidfd_getfd(2) is missing: Linux 5.6 has it".into(),
        _ => format!("pidfd_getfd: {error}"),
    })?;
    let page = |bytes| {
        Mapping::new(&ring, abi::IORING_OFF_SQ_RING, bytes).map_err(|error| match error.raw_os_error() {
            Some(libc::EINVAL | libc::ENOMEM) => "the ring's memory is the program's own (IORING_SETUP_NO_MMAP): it can be followed only in a program that `uring trace` starts".to_string(),
            _ => format!("mmap of the ring: {error}"),
        })
    };
    let mut bytes = [0; 64];
    if !page(64)?.copy(0, &mut bytes) {
        return Err("the ring's memory cannot be read".into());
    }
    let mut header = [0; 16];
    for (word, four) in header.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_ne_bytes(four.try_into().unwrap_or_default());
    }
    let info = process::info(pid, fd).ok_or("the ring is gone")?;
    let (mut layout, mut notes) = Layout::inferred(&header, &info)?;
    // The largest that it can be: the pages that are there say which it is, where that
    // makes a difference of a page.
    let largest = layout
        .clone()
        .with(abi::IORING_SETUP_SQE128 | abi::IORING_SETUP_CQE32);
    let entries = Mapping::new(&ring, abi::IORING_OFF_SQES, largest.sqe_bytes())
        .map_err(|error| format!("mmap of the entries: {error}"))?;
    if entries.usable() > layout.sqe_bytes().next_multiple_of(4096) {
        layout = layout.with(abi::IORING_SETUP_SQE128);
        notes.retain(|note| !note.contains("SQEs"));
    } else if layout.sqe_bytes() >= 4096 {
        notes.retain(|note| !note.contains("SQEs"));
    }
    let queues = page(largest.ring_bytes())?;
    if queues.usable() > layout.ring_bytes().next_multiple_of(4096) {
        layout = layout.with(abi::IORING_SETUP_CQE32);
        notes.retain(|note| !note.contains("CQEs"));
    } else if queues.usable() < largest.ring_bytes() {
        notes.retain(|note| !note.contains("CQEs"));
    }
    for (size, name) in [
        (abi::IORING_SETUP_SQE128, "SQEs"),
        (abi::IORING_SETUP_CQE32, "CQEs"),
    ] {
        if notes.iter().any(|note| note.contains(name)) {
            layout.undecided |= size;
        }
    }
    let mapped = Mapped { queues, entries };
    layout.array = array(&mapped, &layout);
    if layout.array.is_some() {
        notes.push("the index array is inferred from its contents".into());
    }
    Ok((mapped, layout, notes))
}

/// Where the index array is, if what stands there can only be one that matters: one
/// that orders the entries in another way than their own. Whether a ring has an array
/// is not to be seen from outside; an array of zeros, or one that counts up, is
/// followed rightly without.
fn array(memory: &Mapped, layout: &Layout) -> Option<u32> {
    let place = layout.array_place();
    let mut bytes = vec![0; layout.sq_entries as usize * 4];
    if !memory.queues(place, &mut bytes) {
        return None;
    }
    let slots: Vec<u32> = bytes
        .chunks_exact(4)
        .map(|four| u32::from_ne_bytes(four.try_into().unwrap_or_default()))
        .collect();
    let possible = slots.iter().all(|slot| *slot < layout.sq_entries);
    let counts = slots
        .iter()
        .enumerate()
        .all(|(i, slot)| *slot == 0 || *slot == i as u32);
    (possible && !counts).then_some(place as u32)
}

struct One {
    number: u32,
    ring: RingFd,
    memory: Mapped,
    queues: Queues,
}

/// A process whose rings are sampled.
pub struct Watched {
    pid: i32,
    pidfd: OwnedFd,
    began: Instant,
    rings: Vec<One>,
    refused: Vec<RingFd>,
    next: u32,
}

impl Watched {
    /// Begins to watch a process.
    ///
    /// # Errors
    /// In words: why the process cannot be watched.
    pub fn new(pid: i32) -> Result<Watched, String> {
        process::rings(pid)?;
        let pidfd = pidfd_open(pid).map_err(|error| format!("pidfd_open({pid}): {error}"))?;
        Ok(Watched {
            pid,
            pidfd,
            began: Instant::now(),
            rings: Vec::new(),
            refused: Vec::new(),
            next: 0,
        })
    }

    fn event(&self, number: u32, fd: i32, what: Happening) -> Event {
        Event {
            at: self.began.elapsed(),
            pid: self.pid,
            tid: self.pid,
            ring: number,
            fd,
            what,
        }
    }

    /// Looks which rings the process has now. False once the process is gone.
    pub fn refresh(&mut self, out: &mut Vec<Event>) -> bool {
        let there = process::rings(self.pid);
        let now = there.clone().unwrap_or_default();
        let mut gone = Vec::new();
        let pid = self.pid;
        self.rings.retain(|one| {
            let same_size = || {
                process::info(pid, one.ring.fd).is_some_and(|info| {
                    info.sq_mask
                        .is_none_or(|mask| mask + 1 == one.queues.layout.sq_entries)
                        && info
                            .cq_mask
                            .is_none_or(|mask| mask + 1 == one.queues.layout.cq_entries)
                })
            };
            let stays = now.contains(&one.ring) && same_size();
            if !stays {
                gone.push((one.number, one.ring.fd));
            }
            stays
        });
        for (number, fd) in gone {
            out.push(self.event(number, fd, Happening::RingGone));
        }
        self.refused.retain(|ring| now.contains(ring));
        for ring in now {
            if self.rings.iter().any(|one| one.ring == ring) || self.refused.contains(&ring) {
                continue;
            }
            self.next += 1;
            let number = self.next;
            match map(self.pid, &self.pidfd, ring.fd) {
                Ok((memory, layout, notes)) => {
                    let what = Happening::Ring {
                        sq_entries: layout.sq_entries,
                        cq_entries: layout.cq_entries,
                        flags: layout.flags,
                        notes,
                    };
                    out.push(self.event(number, ring.fd, what));
                    let mut queues = Queues::new(layout);
                    if let Some(words) = queues.words(&memory, &mut Vec::new()) {
                        queues.begin(&words);
                        queues.remember(&words, &memory);
                    }
                    self.rings.push(One {
                        number,
                        ring,
                        memory,
                        queues,
                    });
                }
                Err(why) => {
                    out.push(self.event(
                        number,
                        ring.fd,
                        Happening::Note(format!("not followed: {why}")),
                    ));
                    self.refused.push(ring);
                }
            }
        }
        there.is_ok() && !ended(&self.pidfd)
    }

    /// Looks at all rings; true if any had something new.
    pub fn sample(&mut self, out: &mut Vec<Event>) -> bool {
        let (before, at, pid) = (out.len(), self.began.elapsed(), self.pid);
        let mut found = Vec::new();
        for one in &mut self.rings {
            if let Some(words) = one.queues.words(&one.memory, &mut found) {
                one.queues.published(&words, &one.memory, &mut found);
                one.queues.remember(&words, &one.memory);
                one.queues.taken(&words, &mut found);
                one.queues.completed(&words, &one.memory, &mut found);
            }
            let (ring, fd) = (one.number, one.ring.fd);
            out.extend(found.drain(..).map(|what| Event {
                at,
                pid,
                tid: pid,
                ring,
                fd,
                what,
            }));
        }
        out.len() > before
    }

    /// Rings that are watched: number, descriptor, layout, the shared words.
    pub fn look(&mut self) -> Vec<(u32, i32, Layout, Words)> {
        let mut all = Vec::new();
        for one in &mut self.rings {
            if let Some(words) = one.queues.words(&one.memory, &mut Vec::new()) {
                all.push((one.number, one.ring.fd, one.queues.layout.clone(), words));
            }
        }
        all
    }
}
