//! Follows the two queues of a ring.

use std::collections::VecDeque;

use anyring_abi as abi;

use crate::decode::entry;
use crate::event::{Cqe, Happening};
use crate::layout::Layout;

/// The memory of a ring.
pub trait Memory {
    /// Copies from the queues; false where they cannot be read.
    fn queues(&self, at: usize, to: &mut [u8]) -> bool;
    /// Copies from the array of SQEs; false where it cannot be read.
    fn entries(&self, at: usize, to: &mut [u8]) -> bool;
}

/// The words that both sides share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Head of the submission queue.
    pub sq_head: u32,
    /// Its tail.
    pub sq_tail: u32,
    /// Entries dropped.
    pub dropped: u32,
    /// `IORING_SQ_*`.
    pub sq_flags: u32,
    /// Head of the completion queue.
    pub cq_head: u32,
    /// Its tail.
    pub cq_tail: u32,
    /// Completions that found no room.
    pub overflow: u32,
}

/// How far a ring has been followed.
#[derive(Debug)]
pub struct Queues {
    /// Its layout.
    pub layout: Layout,
    next_sq: u32,
    next_cq: u32,
    overflow: u32,
    dropped: u32,
    waiting: VecDeque<(u32, Option<abi::io_uring_sqe>)>,
    complained: bool,
}

fn word(memory: &dyn Memory, at: u32) -> Option<u32> {
    let mut bytes = [0; 4];
    memory
        .queues(at as usize, &mut bytes)
        .then(|| u32::from_ne_bytes(bytes))
}

impl Queues {
    /// A ring of which everything is still to come.
    #[must_use]
    pub fn new(layout: Layout) -> Queues {
        Queues {
            layout,
            next_sq: 0,
            next_cq: 0,
            overflow: 0,
            dropped: 0,
            waiting: VecDeque::new(),
            complained: false,
        }
    }

    /// Begins where the ring is now: what is waiting will be seen, what is done not.
    pub fn begin(&mut self, words: &Words) {
        self.next_sq = words.sq_head;
        self.next_cq = words.cq_head;
        self.overflow = words.overflow;
        self.dropped = words.dropped;
    }

    /// Reads the shared words. `None` if the memory cannot be read, or holds what no
    /// ring can: `out` gets a note the first time.
    pub fn words(&mut self, memory: &dyn Memory, out: &mut Vec<Happening>) -> Option<Words> {
        let [sq_head, sq_tail, dropped, sq_flags] = self.layout.sq;
        let [cq_head, cq_tail, overflow] = self.layout.cq;
        // The heads first: a head never passes a tail that is read after it.
        let words = Words {
            sq_head: word(memory, sq_head)?,
            cq_head: word(memory, cq_head)?,
            sq_tail: word(memory, sq_tail)?,
            cq_tail: word(memory, cq_tail)?,
            dropped: word(memory, dropped)?,
            sq_flags: word(memory, sq_flags)?,
            overflow: word(memory, overflow)?,
        };
        let sq = words.sq_tail.wrapping_sub(words.sq_head);
        let cq = words.cq_tail.wrapping_sub(words.cq_head);
        // Between the two looks at a queue a busy ring moves on by what it has at most.
        let fits = sq <= self.layout.sq_entries.saturating_mul(64)
            && cq <= self.layout.cq_entries.saturating_mul(64);
        if !fits && !self.complained {
            self.complained = true;
            out.push(Happening::Note(format!(
                "heads and tails that no ring has (SQ {}..{}, CQ {}..{}): not followed until they fit",
                words.sq_head, words.sq_tail, words.cq_head, words.cq_tail
            )));
        }
        fits.then_some(words)
    }

    /// Copies the entries that the program has published.
    pub fn published(&mut self, words: &Words, memory: &dyn Memory, out: &mut Vec<Happening>) {
        let count = words.sq_tail.wrapping_sub(self.next_sq);
        if count > u32::MAX / 2 {
            // The tail went back: the ring begins anew from there.
            self.next_sq = words.sq_tail;
            self.waiting.clear();
            return;
        }
        let lost = count.saturating_sub(self.layout.sq_entries);
        if lost > 0 {
            out.push(Happening::Lost {
                submissions: lost.into(),
                completions: 0,
            });
            self.next_sq = self.next_sq.wrapping_add(lost);
        }
        while self.next_sq != words.sq_tail {
            let sqe = self.entry(self.next_sq, memory);
            self.waiting.push_back((self.next_sq, sqe));
            let two = sqe.is_some_and(|sqe| self.two_places(&sqe));
            self.next_sq = self.next_sq.wrapping_add(if two { 2 } else { 1 });
            if words.sq_tail.wrapping_sub(self.next_sq) > u32::MAX / 2 {
                break;
            }
        }
    }

    fn two_places(&self, sqe: &abi::io_uring_sqe) -> bool {
        let opcode = u32::from(sqe.opcode);
        self.layout.flags & abi::IORING_SETUP_SQE_MIXED != 0
            && (opcode == abi::IORING_OP_NOP128 || opcode == abi::IORING_OP_URING_CMD128)
    }

    fn entry(&self, index: u32, memory: &dyn Memory) -> Option<abi::io_uring_sqe> {
        let mut slot = index & (self.layout.sq_entries - 1);
        if let Some(array) = self.layout.array {
            slot = word(memory, array + slot * 4)?;
            if slot >= self.layout.sq_entries {
                return None;
            }
        }
        let mut bytes = [0; 64];
        let there = memory.entries(slot as usize * self.layout.sqe_size(), &mut bytes);
        there.then(|| entry(&bytes))
    }

    /// Entries that the kernel has taken by now.
    pub fn taken(&mut self, words: &Words, out: &mut Vec<Happening>) {
        while let Some((index, sqe)) = self.waiting.front() {
            let distance = words.sq_head.wrapping_sub(*index);
            if distance == 0 || distance > u32::MAX / 2 {
                break;
            }
            out.push(match sqe {
                Some(sqe) => Happening::Submitted(*sqe),
                None => Happening::Lost {
                    submissions: 1,
                    completions: 0,
                },
            });
            self.waiting.pop_front();
        }
        let dropped = words.dropped.wrapping_sub(self.dropped);
        if dropped > 0 {
            self.dropped = words.dropped;
            out.push(Happening::Dropped(dropped));
        }
    }

    /// Completions since the last look.
    pub fn completed(&mut self, words: &Words, memory: &dyn Memory, out: &mut Vec<Happening>) {
        let mut lost = 0;
        let count = words.cq_tail.wrapping_sub(self.next_cq);
        if count > u32::MAX / 2 {
            self.next_cq = words.cq_tail;
            return;
        }
        if count > self.layout.cq_entries {
            let mixed = self.layout.flags & abi::IORING_SETUP_CQE_MIXED != 0;
            // In a mixed queue an entry may begin anywhere: all is lost up to the tail.
            lost = if mixed {
                count
            } else {
                count - self.layout.cq_entries
            };
            self.next_cq = self.next_cq.wrapping_add(lost);
        }
        let mut seen = Vec::new();
        while self.next_cq != words.cq_tail {
            let at = self.next_cq;
            let Some((cqe, places)) = self.completion(at, memory) else {
                lost += 1;
                self.next_cq = at.wrapping_add(1);
                continue;
            };
            if words.cq_tail.wrapping_sub(at) < places {
                break;
            }
            self.next_cq = at.wrapping_add(places);
            if cqe.flags & abi::IORING_CQE_F_SKIP == 0 {
                seen.push((at, cqe));
            }
        }
        // What the kernel has overwritten meanwhile is not what was read.
        let now = word(memory, self.layout.cq[1]).unwrap_or(words.cq_tail);
        for (at, cqe) in seen {
            if now.wrapping_sub(at) > self.layout.cq_entries {
                lost += 1;
            } else {
                out.push(Happening::Completed(cqe));
            }
        }
        if lost > 0 {
            out.push(Happening::Lost {
                submissions: 0,
                completions: lost.into(),
            });
        }
        let overflow = words.overflow.wrapping_sub(self.overflow);
        if overflow > 0 {
            self.overflow = words.overflow;
            out.push(Happening::Overflow(overflow));
        }
    }

    fn completion(&self, index: u32, memory: &dyn Memory) -> Option<(Cqe, u32)> {
        let size = self.layout.cqe_size();
        let at = |index: u32| {
            self.layout.cqes as usize + (index & (self.layout.cq_entries - 1)) as usize * size
        };
        let mut b = [0; 32];
        if !memory.queues(at(index), &mut b[..size]) {
            return None;
        }
        let half =
            |b: &[u8], i: usize| u64::from_ne_bytes(b[i..i + 8].try_into().unwrap_or_default());
        let flags = (half(&b, 8) >> 32) as u32;
        let mut cqe = Cqe {
            user_data: half(&b, 0),
            res: half(&b, 8) as u32 as i32,
            flags,
            big: None,
        };
        if cfg!(target_endian = "big") {
            cqe.flags = half(&b, 8) as u32;
            cqe.res = (half(&b, 8) >> 32) as i32;
        }
        let mixed = self.layout.flags & abi::IORING_SETUP_CQE_MIXED != 0
            && cqe.flags & abi::IORING_CQE_F_32 != 0;
        if mixed && !memory.queues(at(index.wrapping_add(1)), &mut b[16..32]) {
            return None;
        }
        if mixed || size == 32 {
            cqe.big = Some([half(&b, 16), half(&b, 24)]);
        }
        Some((cqe, if mixed { 2 } else { 1 }))
    }
}
