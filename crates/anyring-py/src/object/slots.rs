//! Which operation a completion belongs to, and what that keeps alive.

use pyo3::prelude::*;

use super::batch::Batch;
use super::hold::Hold;
use super::operation::Operation;
use super::stream::Stream;

/// Bits of a token for the slot and for the place in a batch.
const BITS: u32 = 20;
const MASK: u64 = (1 << BITS) - 1;
/// Operations in flight, and operations of a batch, at most.
pub(super) const LIMIT: usize = 1 << BITS;
/// The place that a linked timeout has in the token of its operation.
pub(super) const LIMITER: u32 = (1 << BITS) - 1;

/// Whom a completion is for.
pub(super) enum Owner {
    /// The ring itself: the result is of no interest.
    Nobody,
    /// A handle.
    Operation(Py<Operation>),
    /// A handle for many, with the array its results go to.
    Batch(Py<Batch>, Results),
    /// A multishot handle.
    Stream(Py<Stream>),
}

/// The array of a batch's results.
#[derive(Clone, Copy)]
pub(super) struct Results {
    pub(super) first: *mut i32,
    pub(super) count: u32,
}

// SAFETY: the array is a bytes object that the Batch beside it keeps; it is
// written with the interpreter lock held and through `&mut Engine` only.
unsafe impl Send for Results {}
// SAFETY: as above; a shared reference gives no access.
unsafe impl Sync for Results {}

/// An operation or a batch in flight.
pub(super) struct Slot {
    key: u64,
    live: bool,
    /// Completions that are still to come.
    pub(super) remaining: u32,
    pub(super) owner: Owner,
    pub(super) hold: Vec<Hold>,
}

/// All of them.
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    count: u64,
}

impl Slots {
    pub(super) fn new(secret: u64) -> Self {
        Slots {
            slots: Vec::new(),
            free: Vec::new(),
            count: secret,
        }
    }

    pub(super) fn in_use(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A slot and the token of its first completion. The owner is set later,
    /// when the handle that knows the token exists.
    pub(super) fn take(&mut self, remaining: u32, hold: Vec<Hold>) -> Option<u64> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < LIMIT => self.slots.len() as u32,
            None => return None,
        };
        // Starts at random and never repeats soon, so that neither a late
        // completion nor a message of another ring is taken for this one.
        self.count = self.count.wrapping_add(1);
        let slot = Slot {
            key: self.count << (2 * BITS),
            live: true,
            remaining,
            owner: Owner::Nobody,
            hold,
        };
        let token = slot.key | u64::from(index);
        match self.slots.get_mut(index as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        Some(token)
    }

    /// The slot of a token, and the place in the batch.
    #[inline]
    pub(super) fn find(&mut self, token: u64) -> Option<(&mut Slot, u32)> {
        let slot = self.slots.get_mut((token & MASK) as usize)?;
        let place = (token >> BITS & MASK) as u32;
        (slot.live && slot.key == token & !(MASK | MASK << BITS)).then_some((slot, place))
    }

    /// Ends a slot; what it held is the caller's to drop.
    pub(super) fn release(&mut self, token: u64) -> Option<(Owner, Vec<Hold>)> {
        let (slot, _) = self.find(token)?;
        slot.live = false;
        let owner = std::mem::replace(&mut slot.owner, Owner::Nobody);
        let hold = std::mem::take(&mut slot.hold);
        self.free.push((token & MASK) as u32);
        Some((owner, hold))
    }

    /// The token of every slot in use.
    pub(super) fn tokens(&self) -> Vec<u64> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.live)
            .map(|(index, slot)| slot.key | index as u64)
            .collect()
    }

    /// The slots, for the garbage collector.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.live)
    }
}

/// The token of the first place of a slot.
pub(super) fn base(token: u64) -> u64 {
    token & !(MASK << BITS)
}

/// The token of another place in the same slot.
#[inline]
pub(super) fn at_place(token: u64, place: u32) -> u64 {
    token | u64::from(place) << BITS
}
