//! Follows the two queues of a ring.
//!
//! An entry is what was submitted as long as the kernel has not taken it: it lies between
//! head and tail. After that its slot is the program's again, and may hold a later entry,
//! or half of one. So the head is read again after the entries were copied. An entry that
//! was taken by then counts as one, if nothing of what is filled before its slot is
//! filled again has changed since a look before it was published ([`Queues::remember`]);
//! otherwise it is lost, and counted.

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
    /// Completions wait outside the queue.
    full: bool,
    dropped: u32,
    waiting: VecDeque<(u32, Waiting)>,
    /// What the slots held that come next, before anything was published there.
    before: Before,
    complained: bool,
}

/// What was published, until the kernel has taken it: so that all is said in order.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    Entry(abi::io_uring_sqe),
    /// Taken, and perhaps filled anew, before it was read.
    Taken,
    /// So many up to this index, whose slots others have by now.
    Gone(u32),
}

/// Slots that are compared at most: of a larger queue, those which are filled next.
const REMEMBERED: u32 = 64;

#[derive(Debug, Default)]
struct Before {
    /// Index of the first of them.
    first: u32,
    /// Whether anything is remembered.
    valid: bool,
    entries: Vec<[u8; 64]>,
    /// Words of the index array, where there is one.
    array: Vec<u32>,
}

/// Only rings of mixed sizes have such completions.
fn mixed_size(cqe: &Cqe) -> bool {
    cqe.flags & (abi::IORING_CQE_F_32 | abi::IORING_CQE_F_SKIP) != 0
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
            full: false,
            dropped: 0,
            waiting: VecDeque::new(),
            before: Before::default(),
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
        // A tail is not behind a head that was read before it, and not further from one
        // that was read after it than the queue has places, however long it took to read.
        let fits = |head: u32, tail: u32, again: u32, entries: u32| {
            let signed = |to: u32, from: u32| to.wrapping_sub(from) as i32;
            signed(tail, head) >= 0
                && signed(again, head) >= 0
                && signed(tail, again) <= entries as i32
        };
        let sq_again = word(memory, sq_head)?;
        let cq_again = word(memory, cq_head)?;
        let fits = fits(
            words.sq_head,
            words.sq_tail,
            sq_again,
            self.layout.sq_entries,
        ) && fits(
            words.cq_head,
            words.cq_tail,
            cq_again,
            self.layout.cq_entries,
        );
        if !fits && !self.complained {
            self.complained = true;
            out.push(Happening::Note(format!(
                "heads and tails that no ring has (SQ {}..{}, CQ {}..{}): not followed until they fit",
                words.sq_head, words.sq_tail, words.cq_head, words.cq_tail
            )));
        }
        fits.then_some(words)
    }

    /// Copies the entries that the program has published. Those that the kernel had
    /// taken by then are kept only if they can be shown to be what it took.
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
            self.next_sq = self.next_sq.wrapping_add(lost);
            self.waiting
                .push_back((self.next_sq.wrapping_sub(1), Waiting::Gone(lost)));
        }
        self.decide_sqes(memory, out);
        self.decide_cqes(words, memory, out);
        self.find_array(words, memory, out);
        let first = self.waiting.len();
        while self.next_sq != words.sq_tail {
            let sqe = self.entry(self.next_sq, memory);
            let waiting = sqe.map_or(Waiting::Taken, Waiting::Entry);
            self.waiting.push_back((self.next_sq, waiting));
            let two = sqe.is_some_and(|sqe| self.two_places(&sqe, out));
            self.next_sq = self.next_sq.wrapping_add(if two { 2 } else { 1 });
            if words.sq_tail.wrapping_sub(self.next_sq) > u32::MAX / 2 {
                break;
            }
        }
        if self.waiting.len() == first {
            return;
        }
        let head = word(memory, self.layout.sq[0]);
        let taken = |index: u32| {
            head.is_none_or(|head| {
                let passed = head.wrapping_sub(index);
                passed != 0 && passed <= u32::MAX / 2
            })
        };
        let mut all = self.waiting.range(first..);
        if all.any(|(index, _)| taken(*index)) && !self.untouched(words, memory) {
            for (index, waiting) in self.waiting.range_mut(first..) {
                if taken(*index) {
                    *waiting = Waiting::Taken;
                }
            }
        }
    }

    /// Copies the slots that the program fills next, for [`Queues::published`] to compare.
    /// To be called after it, on memory that the program goes on to write.
    pub fn remember(&mut self, words: &Words, memory: &dyn Memory) {
        let first = words.sq_tail;
        if self.before.valid && self.before.first == first {
            // What was copied earlier is earlier still.
            return;
        }
        self.before.valid = false;
        self.before.first = first;
        self.before.entries.clear();
        self.before.array.clear();
        for i in 0..self.layout.sq_entries.min(REMEMBERED) {
            let index = first.wrapping_add(i);
            let Some((slot, place)) = self.slot(index, memory) else {
                return;
            };
            let mut bytes = [0; 64];
            if !memory.entries(slot as usize * self.layout.sqe_size(), &mut bytes) {
                return;
            }
            self.before.entries.push(bytes);
            self.before.array.extend(place);
        }
        // Nothing beyond this tail was published before the copy was made.
        self.before.valid = word(memory, self.layout.sq[1]) == Some(first);
    }

    /// Whether the slots that come after the tail are as they were before that tail was
    /// published. Programs fill their slots in order: none of what was published is filled
    /// anew as long as these are not. (A program that has no order shows it by the index
    /// array.)
    fn untouched(&self, words: &Words, memory: &dyn Memory) -> bool {
        let ahead = words.sq_tail.wrapping_sub(self.before.first);
        if !self.before.valid || ahead >= self.layout.sq_entries {
            return false;
        }
        let Some(before) = self.before.entries.get(ahead as usize..) else {
            return false;
        };
        if before.is_empty() {
            return false;
        }
        // All slots that were remembered stand where they stood.
        for (i, place) in self.before.array.iter().enumerate() {
            let index = self.before.first.wrapping_add(i as u32);
            let new = (i as u32) < ahead;
            match self.slot(index, memory) {
                Some((_, Some(now))) if now == *place || new && *place == 0 => {}
                _ => return false,
            }
        }
        before.iter().enumerate().all(|(i, before)| {
            let index = words.sq_tail.wrapping_add(i as u32);
            let mut bytes = [0; 64];
            self.slot(index, memory).is_some_and(|(slot, _)| {
                memory.entries(slot as usize * self.layout.sqe_size(), &mut bytes)
                    && bytes == *before
            })
        })
    }

    /// Decides the size of SQEs by what was written to their places, each of which was
    /// zero when the ring was made. As long as only the first place was used, both sizes
    /// are read alike.
    fn decide_sqes(&mut self, memory: &dyn Memory, out: &mut Vec<Happening>) {
        if self.layout.undecided & abi::IORING_SETUP_SQE128 == 0 {
            return;
        }
        let entries = self.layout.sq_entries as usize;
        let place = |i: usize| {
            let mut bytes = [0; 64];
            memory.entries(i * 64, &mut bytes).then_some(bytes)
        };
        let used = |bytes: Option<[u8; 64]>| bytes.is_some_and(|bytes| bytes != [0; 64]);
        let command = |bytes: Option<[u8; 64]>| {
            let opcode = bytes.map_or(0, |bytes| u32::from(bytes[0]));
            [
                abi::IORING_OP_URING_CMD,
                abi::IORING_OP_URING_CMD128,
                abi::IORING_OP_NOP128,
            ]
            .contains(&opcode)
        };
        let large = if (entries..entries * 2).any(|i| used(place(i))) {
            true
        } else if (1..entries)
            .step_by(2)
            .any(|i| used(place(i)) && !command(place(i - 1)))
        {
            false
        } else if (2..entries).step_by(2).any(|i| used(place(i))) {
            true
        } else {
            return;
        };
        self.decided(abi::IORING_SETUP_SQE128, large, "128-byte SQEs", out);
    }

    /// An index array shows itself by a slot that is not the place's own. (One that is
    /// followed in order, or all zeros, is followed rightly without.)
    fn find_array(&mut self, words: &Words, memory: &dyn Memory, out: &mut Vec<Happening>) {
        if self.layout.exact || self.layout.array.is_some() {
            return;
        }
        let (place, mask) = (self.layout.array_place() as u32, self.layout.sq_entries - 1);
        let count = words.sq_tail.wrapping_sub(self.next_sq);
        let orders = (0..count.min(self.layout.sq_entries)).any(|i| {
            let own = self.next_sq.wrapping_add(i) & mask;
            word(memory, place + own * 4)
                .is_some_and(|slot| slot != 0 && slot != own && slot <= mask)
        });
        if orders {
            self.layout.array = Some(place);
            self.before.valid = false;
            out.push(Happening::Note("an index array, by its contents".into()));
        }
    }

    /// Decides the size of CQEs by how far the kernel has written.
    fn decide_cqes(&mut self, words: &Words, memory: &dyn Memory, out: &mut Vec<Happening>) {
        let written = words.cq_tail.min(self.layout.cq_entries) as usize;
        if self.layout.undecided & abi::IORING_SETUP_CQE32 == 0 || written < 2 {
            return;
        }
        let first = self.layout.cqes as usize;
        let array = self.layout.array_place();
        let array = array..array + self.layout.sq_entries as usize * 4;
        let large = (first + written * 16..first + written * 32)
            .step_by(4)
            .filter(|at| !array.contains(at))
            .any(|at| {
                let mut four = [0; 4];
                memory.queues(at, &mut four) && four != [0; 4]
            });
        self.decided(abi::IORING_SETUP_CQE32, large, "32-byte CQEs", out);
    }

    fn decided(&mut self, flag: u32, large: bool, what: &str, out: &mut Vec<Happening>) {
        self.layout.undecided &= !flag;
        if large {
            self.layout.flags |= flag;
            self.before.valid = false;
            out.push(Happening::Note(format!("{what}, by what is in the ring")));
        }
    }

    fn two_places(&mut self, sqe: &abi::io_uring_sqe, out: &mut Vec<Happening>) -> bool {
        let opcode = u32::from(sqe.opcode);
        let two = self.layout.sqe_size() == 64
            && (opcode == abi::IORING_OP_NOP128 || opcode == abi::IORING_OP_URING_CMD128);
        if !two || self.layout.exact {
            return two && self.layout.flags & abi::IORING_SETUP_SQE_MIXED != 0;
        }
        // Other rings of 64-byte entries refuse these opcodes.
        self.mixed(abi::IORING_SETUP_SQE_MIXED, out);
        true
    }

    /// A ring of mixed sizes shows itself by its first large entry.
    fn mixed(&mut self, flag: u32, out: &mut Vec<Happening>) {
        if self.layout.flags & flag == 0 {
            self.layout.flags |= flag;
            let (what, name) = if flag == abi::IORING_SETUP_SQE_MIXED {
                ("SQEs", "IORING_SETUP_SQE_MIXED")
            } else {
                ("CQEs", "IORING_SETUP_CQE_MIXED")
            };
            out.push(Happening::Note(format!(
                "{what} of mixed sizes, by the first large one: {name}"
            )));
        }
    }

    /// The slot of an index, and what the index array says where there is one.
    fn slot(&self, index: u32, memory: &dyn Memory) -> Option<(u32, Option<u32>)> {
        let place = index & (self.layout.sq_entries - 1);
        let Some(array) = self.layout.array else {
            return Some((place, None));
        };
        let slot = word(memory, array.checked_add(place * 4)?)?;
        (slot < self.layout.sq_entries).then_some((slot, Some(slot)))
    }

    fn entry(&self, index: u32, memory: &dyn Memory) -> Option<abi::io_uring_sqe> {
        let (slot, _) = self.slot(index, memory)?;
        let mut bytes = [0; 64];
        let there = memory.entries(slot as usize * self.layout.sqe_size(), &mut bytes);
        there.then(|| entry(&bytes))
    }

    /// Entries that the kernel has taken by now.
    pub fn taken(&mut self, words: &Words, out: &mut Vec<Happening>) {
        let (mut lost, mut taken) = (0, 0);
        let tell = |lost: &mut u64, taken: &mut u64, out: &mut Vec<Happening>| {
            if *lost > 0 {
                out.push(Happening::Lost {
                    submissions: *lost,
                    completions: 0,
                    taken: *taken,
                });
                (*lost, *taken) = (0, 0);
            }
        };
        while let Some((index, waiting)) = self.waiting.front() {
            let distance = words.sq_head.wrapping_sub(*index);
            if distance == 0 || distance > u32::MAX / 2 {
                break;
            }
            match waiting {
                Waiting::Entry(sqe) => {
                    tell(&mut lost, &mut taken, out);
                    out.push(Happening::Submitted(*sqe));
                }
                Waiting::Taken => (lost, taken) = (lost + 1, taken + 1),
                Waiting::Gone(count) => lost += u64::from(*count),
            }
            self.waiting.pop_front();
        }
        // More than a queue holds twice waits only in a ring whose head stands still or
        // jumps while its tail moves: no kernel writes that.
        let bound = self.layout.sq_entries as usize * 2;
        if self.waiting.len() > bound {
            lost += self.waiting.len() as u64;
            self.waiting.clear();
        }
        tell(&mut lost, &mut taken, out);
        let dropped = words.dropped.wrapping_sub(self.dropped);
        if dropped > 0 {
            self.dropped = words.dropped;
            out.push(Happening::Dropped(dropped));
        }
    }

    /// Completions since the last look.
    pub fn completed(&mut self, words: &Words, memory: &dyn Memory, out: &mut Vec<Happening>) {
        let mut lost = 0;
        self.decide_cqes(words, memory, out);
        let count = words.cq_tail.wrapping_sub(self.next_cq);
        if count > u32::MAX / 2 {
            self.next_cq = words.cq_tail;
            return;
        }
        let inferred = !self.layout.exact && self.layout.cqe_size() == 16;
        if count > self.layout.cq_entries {
            // Where to go on may be the second half of a completion, if there are any.
            let large = (0..self.layout.cq_entries).any(|i| {
                let at = words.cq_tail.wrapping_sub(i + 1);
                self.completion(at, memory)
                    .is_some_and(|(cqe, _)| mixed_size(&cqe))
            });
            if inferred && large {
                self.mixed(abi::IORING_SETUP_CQE_MIXED, out);
            }
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
            let found = self.completion(at, memory);
            let found = match found {
                Some((cqe, _)) if inferred && mixed_size(&cqe) => {
                    self.mixed(abi::IORING_SETUP_CQE_MIXED, out);
                    self.completion(at, memory)
                }
                found => found,
            };
            let Some((cqe, places)) = found else {
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
            // Of a large one, the first half goes first.
            let first = if self.layout.exact {
                at
            } else {
                at.wrapping_sub(1)
            };
            if now.wrapping_sub(first) > self.layout.cq_entries {
                lost += 1;
            } else {
                out.push(Happening::Completed(cqe));
            }
        }
        if lost > 0 {
            out.push(Happening::Lost {
                submissions: 0,
                completions: lost.into(),
                taken: 0,
            });
        }
        let full = words.sq_flags & abi::IORING_SQ_CQ_OVERFLOW != 0;
        if full && !self.full {
            out.push(Happening::Full);
        }
        self.full = full;
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
