//! What is in flight: a table of things that are to be kept until the kernel has let
//! go of them.
//!
//! Generic, without `unsafe`, and without a ring: it gives a number for `user_data`
//! and finds the thing again by that. A number is used once in 2^32 rounds of its slot,
//! so that a completion that comes late, or that was never asked for, finds nothing.

use alloc::vec::Vec;

/// Number of an entry: slot in the lower half, round of the slot in the upper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(u64);

impl Token {
    /// As `user_data` of an SQE.
    #[must_use]
    pub const fn user_data(self) -> u64 {
        self.0
    }

    /// As `user_data` of a completion, whether it is known or not.
    #[must_use]
    pub const fn from_user_data(user_data: u64) -> Self {
        Token(user_data)
    }

    fn slot(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    fn round(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[derive(Debug)]
struct Slot<T> {
    round: u32,
    thing: Option<T>,
}

/// The table.
#[derive(Debug)]
pub struct InFlight<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> InFlight<T> {
    /// An empty table; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        InFlight {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Keeps a thing; its number. `None` for 2^32 - 1 things and more, with the
    /// thing dropped.
    pub fn insert(&mut self, thing: T) -> Option<Token> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                // All ones are the number of the library's own timeouts.
                let slot = u32::try_from(self.slots.len())
                    .ok()
                    .filter(|at| *at != u32::MAX)?;
                self.slots.push(Slot {
                    round: 0,
                    thing: None,
                });
                slot
            }
        };
        let place = self.slots.get_mut(slot as usize)?;
        place.thing = Some(thing);
        Some(Token(u64::from(place.round) << 32 | u64::from(slot)))
    }

    /// The thing of a number.
    #[must_use]
    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        let slot = self.slots.get_mut(token.slot())?;
        slot.thing.as_mut().filter(|_| slot.round == token.round())
    }

    /// Gives the thing of a number up.
    pub fn remove(&mut self, token: Token) -> Option<T> {
        let slot = self.slots.get_mut(token.slot())?;
        if slot.round != token.round() {
            return None;
        }
        let thing = slot.thing.take()?;
        slot.round = slot.round.wrapping_add(1);
        self.free.push(token.slot() as u32);
        Some(thing)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers of all there are.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        self.slots.iter().enumerate().filter_map(|(at, slot)| {
            let token = Token(u64::from(slot.round) << 32 | at as u64);
            slot.thing.as_ref().map(|_| token)
        })
    }
}
