//! Requests in flight: which completion is of which request, and what the
//! kernel may use until then. One table for every tier.
//!
//! A completion is no proof. Any process with the descriptor of a ring posts
//! completions to it with msg_ring, with any tag, result and flags. So the tag
//! of a request, its [`Token`], is random and made for that one request; a slot
//! takes the completions that its [`Expect`] allows, in their order, and no
//! other; and what one of our own rings is to send is refused if it is the
//! token of a request ([`names_a_request`]): tokens of requests that go on can
//! be read in /proc.
//!
//! Nothing in here knows Python, and nothing is `unsafe`.
#![forbid(unsafe_code)]

use anyring_abi as abi;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

mod expect;
mod token;

pub(crate) use expect::Expect;
use expect::{Phase, Step};
use token::{Board, Listed, Nonces, find};
pub(crate) use token::{Token, names_a_request};

/// No slot.
const NONE: u32 = u32::MAX;
/// Slots of a table that was not used yet.
const FIRST: usize = 64;
/// Flags of completions that say more than that a request has ended.
const SEVERAL: u32 = abi::IORING_CQE_F_MORE | abi::IORING_CQE_F_NOTIF;
/// Requests in flight at most.
pub(crate) const LIMIT: usize = 1 << 24;

/// Why a request cannot be noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// As many as there may be are in flight.
    Full,
    /// No memory for another slot.
    Memory,
}

/// What a slot has.
enum Held<R> {
    Nothing,
    /// A request of its own.
    Alone(R),
    /// One of the requests that share something.
    Part {
        share: u32,
        place: u32,
    },
}

struct Slot<R> {
    phase: Phase,
    /// The next slot in the list of free ones or of silent ones, and in the
    /// latter the one before.
    next: u32,
    previous: u32,
    held: Held<R>,
}

impl<R> Slot<R> {
    /// The request in flight, if it shares nothing.
    fn request(&self) -> Option<&R> {
        match &self.held {
            Held::Alone(request) if self.phase != Phase::Free => Some(request),
            _ => None,
        }
    }

    fn is_part_of(&self, number: u32) -> bool {
        self.phase != Phase::Free
            && matches!(self.held, Held::Part { share, .. } if share == number)
    }
}

/// Names what several requests share; never leaves the process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

struct Share<S> {
    generation: u32,
    /// Requests that have not ended.
    left: u32,
    /// The next free one, if this is free.
    next: u32,
    value: Option<S>,
}

/// What a completion turned out to be.
pub(crate) enum Found<'a, R, S> {
    /// Its tag is no token of this table: a message of another ring.
    Stranger,
    /// Its request has ended, or is not one that has such completions: counted,
    /// and of no effect.
    Ignored,
    /// One of several of a request that goes on.
    More(&'a mut R),
    /// The last one of a request, which is in flight no more: what it keeps is
    /// to be taken out of it.
    Last(&'a mut R),
    /// Of a request that shares this: its place.
    Part(&'a mut S, u32),
    /// The last one of the last request that shared this: its place.
    LastPart(S, u32),
}

/// The requests in flight of one ring: of type `R` each, or parts of something
/// of type `S` that several of them share.
pub(crate) struct Table<R, S> {
    /// The token of each slot, of the request before while it is free.
    board: Arc<Board>,
    /// As many as the board has.
    slots: Vec<Slot<R>>,
    free: u32,
    first_silent: u32,
    last_silent: u32,
    shares: Vec<Share<S>>,
    free_share: u32,
    live: u32,
    live_shares: u32,
    ignored: u64,
    nonces: Nonces,
    listed: Listed,
}

impl<R, S> Table<R, S> {
    /// An empty table; an error of getrandom(2) or no memory.
    pub(crate) fn new() -> std::io::Result<Self> {
        let board = Arc::new(Board::default());
        let mut table = Table {
            slots: Vec::new(),
            free: NONE,
            first_silent: NONE,
            last_silent: NONE,
            shares: Vec::new(),
            free_share: NONE,
            live: 0,
            live_shares: 0,
            ignored: 0,
            nonces: Nonces::new()?,
            listed: Listed::new(&board),
            board,
        };
        match table.grow(FIRST) {
            Ok(()) => Ok(table),
            Err(_) => Err(std::io::ErrorKind::OutOfMemory.into()),
        }
    }

    /// Requests in flight.
    #[inline]
    pub(crate) fn live(&self) -> usize {
        self.live as usize
    }

    /// Things that requests in flight share.
    #[inline]
    pub(crate) fn live_shares(&self) -> usize {
        self.live_shares as usize
    }

    /// Completions without effect so far.
    pub(crate) fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Whether there may be one request more.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        (self.live as usize) < LIMIT
    }

    /// Makes room for that many requests more.
    pub(crate) fn reserve(&mut self, count: usize) -> Result<(), Refused> {
        let needed = count.saturating_add(self.live());
        if needed > LIMIT {
            return Err(Refused::Full);
        }
        if needed > self.slots.len() {
            self.grow(needed.next_power_of_two())?;
        }
        Ok(())
    }

    #[cold]
    fn grow(&mut self, size: usize) -> Result<(), Refused> {
        if size > LIMIT {
            return Err(Refused::Full);
        }
        let old = self.slots.len();
        let mut board = Vec::new();
        board.try_reserve_exact(size).map_err(|_| Refused::Memory)?;
        self.slots
            .try_reserve_exact(size - old)
            .map_err(|_| Refused::Memory)?;
        board.extend(
            self.board
                .iter()
                .map(|token| AtomicU64::new(token.load(Relaxed))),
        );
        // No tag leads to a slot whose token has another number.
        board.extend((old..size).map(|index| AtomicU64::new(!(index as u64))));
        for index in old..size {
            let next = if index + 1 == size {
                self.free
            } else {
                index as u32 + 1
            };
            self.slots.push(Slot {
                phase: Phase::Free,
                next,
                previous: NONE,
                held: Held::Nothing,
            });
        }
        self.free = old as u32;
        self.board = Arc::new(board.into_boxed_slice());
        self.listed.replace(&self.board);
        Ok(())
    }

    /// A free slot, in use from here on.
    #[inline(always)]
    fn claim(
        &mut self,
        expect: Expect,
        held: impl FnOnce(Token) -> Held<R>,
    ) -> Result<Token, Refused> {
        if self.free as usize >= self.slots.len() {
            self.grow(self.slots.len() * 2)?;
        }
        let index = self.free;
        let board: &Board = &self.board;
        let (Some(slot), Some(place)) = (
            self.slots.get_mut(index as usize),
            board.get(index as usize),
        ) else {
            return Err(Refused::Full);
        };
        let token = token::of(self.nonces.next(), board, index);
        place.store(token.tag(), Relaxed);
        self.free = slot.next;
        slot.phase = expect.first();
        // What a free slot has left is nothing to drop: its request was taken
        // out of it, or what that kept.
        std::mem::forget(std::mem::replace(&mut slot.held, held(token)));
        self.live += 1;
        if matches!(expect, Expect::Silence) {
            self.append_silent(index);
        }
        Ok(token)
    }

    /// Notes a request.
    #[inline(always)]
    pub(crate) fn add(&mut self, expect: Expect, request: R) -> Result<Token, Refused> {
        self.claim(expect, |_| Held::Alone(request))
    }

    /// Notes a request that holds its own token.
    #[inline(always)]
    pub(crate) fn add_with(
        &mut self,
        expect: Expect,
        request: impl FnOnce(Token) -> R,
    ) -> Result<Token, Refused> {
        self.claim(expect, |token| Held::Alone(request(token)))
    }

    /// Something for requests to share; it goes with the last of them.
    pub(crate) fn share(&mut self, value: S) -> Result<Key, Refused> {
        let index = match self.free_share {
            NONE => {
                self.shares.try_reserve(1).map_err(|_| Refused::Memory)?;
                self.shares.push(Share {
                    generation: 0,
                    left: 0,
                    next: NONE,
                    value: None,
                });
                self.shares.len() as u32 - 1
            }
            free => free,
        };
        let share = &mut self.shares[index as usize];
        self.free_share = share.next;
        share.next = NONE;
        share.generation = share.generation.wrapping_add(1);
        share.left = 0;
        share.value = Some(value);
        self.live_shares += 1;
        let generation = share.generation;
        Ok(Key { index, generation })
    }

    /// Notes one of the requests that share something.
    #[inline(always)]
    pub(crate) fn add_part(
        &mut self,
        expect: Expect,
        key: Key,
        place: u32,
    ) -> Result<Token, Refused> {
        let share = key.index;
        let token = self.claim(expect, |_| Held::Part { share, place })?;
        self.shares[share as usize].left += 1;
        Ok(token)
    }

    /// Notes as many of the requests that share something as there are places
    /// for their tags, the first of them at place 0. All of them, or none.
    pub(crate) fn add_parts<'a>(
        &mut self,
        expect: Expect,
        key: Key,
        mut tags: impl ExactSizeIterator<Item = &'a mut u64>,
    ) -> Result<(), Refused> {
        let count = tags.len();
        self.reserve(count)?;
        let Table {
            board,
            slots,
            shares,
            nonces,
            ..
        } = self;
        let board: &Board = board;
        let share = key.index;
        let mut free = self.free;
        let mut place = 0;
        while (place as usize) < count {
            for (number, tag) in nonces.next_of(count - place as usize).zip(&mut tags) {
                let (Some(slot), Some(cell)) =
                    (slots.get_mut(free as usize), board.get(free as usize))
                else {
                    // Not reached: there is room for all of them.
                    return Err(Refused::Full);
                };
                let token = token::of(number, board, free);
                cell.store(token.tag(), Relaxed);
                *tag = token.tag();
                free = slot.next;
                slot.phase = expect.first();
                std::mem::forget(std::mem::replace(
                    &mut slot.held,
                    Held::Part { share, place },
                ));
                place += 1;
            }
        }
        self.free = free;
        self.live += place;
        shares[share as usize].left += place;
        Ok(())
    }

    /// What requests share, and how many of them have not ended.
    pub(crate) fn shared(&mut self, key: Key) -> Option<(&mut S, u32)> {
        let share = self.shares.get_mut(key.index as usize)?;
        let same = share.generation == key.generation;
        let left = share.left;
        Some((share.value.as_mut().filter(|_| same)?, left))
    }

    /// Ends what is shared, and every request that does: none of them has been
    /// handed to the kernel.
    pub(crate) fn unshare(&mut self, key: Key) -> Option<S> {
        self.shared(key)?;
        for index in 0..self.slots.len() {
            if self.slots[index].is_part_of(key.index) {
                self.free_slot(index);
            }
        }
        self.end_share(key.index)
    }

    /// The tokens of the requests that share something.
    pub(crate) fn parts(&self, key: Key) -> impl Iterator<Item = Token> {
        self.slots
            .iter()
            .zip(self.board.iter())
            .filter(move |(slot, _)| slot.is_part_of(key.index))
            .map(|(_, token)| Token::of(token.load(Relaxed)))
    }

    /// Ends the request that shares nothing, if the completion with this tag
    /// and these flags does; what the request keeps is to be taken out of it.
    /// None changes nothing: [`complete`](Table::complete) says what it is.
    #[inline(always)]
    pub(crate) fn end_alone(&mut self, tag: u64, flags: u32) -> Option<&mut R> {
        let index = find(&self.board, tag)?;
        let slot = self.slots.get_mut(index)?;
        if flags & SEVERAL != 0 || !slot.phase.ends_plainly() {
            return None;
        }
        let Held::Alone(request) = &mut slot.held else {
            return None;
        };
        slot.phase = Phase::Free;
        slot.next = self.free;
        self.free = index as u32;
        self.live -= 1;
        Some(request)
    }

    /// Ends the request that shares something with others in flight, if the
    /// completion with this tag and these flags does; what it shares, and its
    /// place. None changes nothing: [`complete`](Table::complete) says what it
    /// is.
    #[inline(always)]
    pub(crate) fn end_part(&mut self, tag: u64, flags: u32) -> Option<(&mut S, u32)> {
        let index = find(&self.board, tag)?;
        let slot = self.slots.get_mut(index)?;
        let Held::Part { share, place } = slot.held else {
            return None;
        };
        if flags & SEVERAL != 0 || !slot.phase.ends_plainly() {
            return None;
        }
        let shared = self.shares.get_mut(share as usize)?;
        let value = shared.value.as_mut()?;
        if shared.left < 2 {
            return None;
        }
        shared.left -= 1;
        slot.phase = Phase::Free;
        slot.next = self.free;
        self.free = index as u32;
        self.live -= 1;
        Some((value, place))
    }

    /// What the completion with this tag and these flags is.
    #[inline]
    pub(crate) fn complete(&mut self, tag: u64, flags: u32) -> Found<'_, R, S> {
        let Some(index) = find(&self.board, tag) else {
            return Found::Stranger;
        };
        let Some(slot) = self.slots.get_mut(index) else {
            return Found::Stranger;
        };
        if flags & SEVERAL == 0 && slot.phase.ends_plainly() {
            return self.end(index);
        }
        self.complete_otherwise(index, flags)
    }

    /// The same for what is not just the end of a request.
    fn complete_otherwise(&mut self, index: usize, flags: u32) -> Found<'_, R, S> {
        match self.slots[index].phase.after(flags) {
            Step::End => {
                if self.slots[index].phase == Phase::Silent {
                    self.remove_silent(index as u32);
                }
                self.end(index)
            }
            Step::Stay(phase) => {
                let slot = &mut self.slots[index];
                slot.phase = phase;
                match &mut slot.held {
                    Held::Nothing => Found::Ignored,
                    Held::Alone(request) => Found::More(request),
                    Held::Part { share, place } => {
                        match self.shares[*share as usize].value.as_mut() {
                            Some(value) => Found::Part(value, *place),
                            None => Found::Ignored,
                        }
                    }
                }
            }
            Step::Never => {
                self.ignored += 1;
                Found::Ignored
            }
        }
    }

    /// Frees a slot that is in no list; what its request, which had that slot,
    /// was.
    #[inline(always)]
    fn end(&mut self, index: usize) -> Found<'_, R, S> {
        let slot = &mut self.slots[index];
        slot.phase = Phase::Free;
        slot.next = self.free;
        self.free = index as u32;
        self.live -= 1;
        let (share, place) = match &mut slot.held {
            Held::Nothing => return Found::Ignored,
            Held::Alone(request) => return Found::Last(request),
            Held::Part { share, place } => (*share, *place),
        };
        let shared = &mut self.shares[share as usize];
        shared.left = shared.left.saturating_sub(1);
        if shared.left == 0 {
            shared.next = self.free_share;
            self.free_share = share;
            self.live_shares -= 1;
            return match shared.value.take() {
                Some(value) => Found::LastPart(value, place),
                None => Found::Ignored,
            };
        }
        match shared.value.as_mut() {
            Some(value) => Found::Part(value, place),
            None => Found::Ignored,
        }
    }

    /// Frees a slot in use. What it had stays in it until it is used again or
    /// that is taken.
    #[inline(always)]
    fn free_slot(&mut self, index: usize) {
        if self.slots[index].phase == Phase::Silent {
            self.remove_silent(index as u32);
        }
        let slot = &mut self.slots[index];
        slot.phase = Phase::Free;
        slot.next = self.free;
        self.free = index as u32;
        self.live -= 1;
    }

    /// Frees a slot in use and takes its request.
    fn take(&mut self, index: usize) -> Option<R> {
        self.free_slot(index);
        match std::mem::replace(&mut self.slots[index].held, Held::Nothing) {
            Held::Alone(request) => Some(request),
            _ => None,
        }
    }

    fn end_share(&mut self, index: u32) -> Option<S> {
        let share = &mut self.shares[index as usize];
        share.next = self.free_share;
        self.free_share = index;
        self.live_shares -= 1;
        share.value.take()
    }

    /// The slot of a request in flight.
    fn slot(&self, tag: u64) -> Option<usize> {
        find(&self.board, tag).filter(|index| self.slots[*index].phase != Phase::Free)
    }

    /// The request in flight with this tag.
    pub(crate) fn request(&mut self, tag: u64) -> Option<&mut R> {
        let index = self.slot(tag)?;
        match &mut self.slots[index].held {
            Held::Alone(request) => Some(request),
            _ => None,
        }
    }

    /// What the request in flight with this tag is a part of.
    pub(crate) fn share_of(&self, tag: u64) -> Option<&S> {
        match self.slots[self.slot(tag)?].held {
            Held::Part { share, .. } => self.shares[share as usize].value.as_ref(),
            _ => None,
        }
    }

    /// Ends a request that the kernel was not handed.
    pub(crate) fn take_back(&mut self, token: Token) -> Option<R> {
        let index = self.slot(token.tag())?;
        match self.slots[index].held {
            Held::Alone(_) => self.take(index),
            _ => None,
        }
    }

    /// Ends the first request that posts no completion when all goes well. To
    /// be called when every such request has been submitted and every
    /// completion taken: those that failed have ended by theirs.
    #[inline]
    pub(crate) fn settle(&mut self) -> Option<R> {
        if self.first_silent == NONE {
            return None;
        }
        self.take(self.first_silent as usize)
    }

    /// Whether there are requests for `settle`.
    #[inline]
    pub(crate) fn has_silent(&self) -> bool {
        self.first_silent != NONE
    }

    fn append_silent(&mut self, index: u32) {
        let last = std::mem::replace(&mut self.last_silent, index);
        let slot = &mut self.slots[index as usize];
        slot.previous = last;
        slot.next = NONE;
        match self.slots.get_mut(last as usize) {
            Some(last) => last.next = index,
            None => self.first_silent = index,
        }
    }

    fn remove_silent(&mut self, index: u32) {
        let Slot { next, previous, .. } = self.slots[index as usize];
        match self.slots.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => self.first_silent = next,
        }
        match self.slots.get_mut(next as usize) {
            Some(behind) => behind.previous = previous,
            None => self.last_silent = previous,
        }
    }

    /// The tokens of requests for which `wanted` holds.
    pub(crate) fn tokens(&self, wanted: impl Fn(&R) -> bool) -> impl Iterator<Item = Token> {
        self.slots
            .iter()
            .zip(self.board.iter())
            .filter(move |(slot, _)| slot.request().is_some_and(&wanted))
            .map(|(_, token)| Token::of(token.load(Relaxed)))
    }

    /// Every request that shares nothing.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &R> {
        self.slots.iter().filter_map(Slot::request)
    }

    /// All that is shared.
    pub(crate) fn all_shared(&self) -> impl Iterator<Item = &S> {
        self.shares.iter().filter_map(|share| share.value.as_ref())
    }

    /// Ends every request: the ring is gone.
    pub(crate) fn end_all(&mut self, mut request: impl FnMut(R), mut shared: impl FnMut(S)) {
        for index in 0..self.slots.len() {
            if self.slots[index].phase == Phase::Free {
                continue;
            }
            if let Some(each) = self.take(index) {
                request(each);
            }
        }
        for index in 0..self.shares.len() {
            if self.shares[index].value.is_some() {
                if let Some(value) = self.end_share(index as u32) {
                    shared(value);
                }
            }
        }
    }
}
