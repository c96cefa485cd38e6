//! Operations in flight: which completion is whose.

use crate::keep::Keeps;

/// Bits of a token that number the slot.
const INDEX_BITS: u32 = 24;
/// No slot.
const NONE: u32 = u32::MAX;
/// A token that no operation has.
pub(crate) const NOBODY: u64 = u64::MAX - 1;

/// One operation in flight.
pub(crate) struct Slot {
    token: u64,
    pub(super) user_data: u64,
    pub(super) keep: Keeps,
    /// The next free one, if this is free.
    next: u32,
    /// One more than the number of its group.
    pub(super) group: u32,
    pub(super) hide_success: bool,
    live: bool,
}

/// The slots of a ring.
pub(crate) struct Slots {
    all: Vec<Slot>,
    free: u32,
    live: u32,
    /// Tokens cannot be guessed by what sends messages to the ring.
    secret: u64,
    count: u64,
}

/// The slot a token is of, if it is of any.
#[inline]
fn index(token: u64) -> usize {
    (token & ((1 << INDEX_BITS) - 1)) as usize
}

impl Slots {
    pub(super) fn new(secret: u64) -> Self {
        Slots {
            all: Vec::new(),
            free: NONE,
            live: 0,
            secret,
            count: 0,
        }
    }

    /// Operations in flight.
    #[inline]
    pub(crate) fn live(&self) -> usize {
        self.live as usize
    }

    /// Whether there is room for one more.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.live < 1 << INDEX_BITS
    }

    /// The token of one operation more.
    #[inline]
    pub(super) fn add(
        &mut self,
        user_data: u64,
        keep: Keeps,
        hide_success: bool,
        group: u32,
    ) -> u64 {
        self.count = self.count.wrapping_add(1);
        // A number that no completion of an earlier operation carries.
        let number = self.secret.wrapping_add(self.count) << INDEX_BITS;
        self.live += 1;
        let Some(slot) = self.all.get_mut(self.free as usize) else {
            return self.add_new(number, user_data, keep, hide_success, group);
        };
        let token = number | u64::from(self.free);
        self.free = slot.next;
        slot.token = token;
        slot.user_data = user_data;
        // A free slot keeps nothing: there is nothing to drop.
        std::mem::forget(std::mem::replace(&mut slot.keep, keep));
        slot.group = group;
        slot.hide_success = hide_success;
        slot.live = true;
        token
    }

    #[cold]
    fn add_new(
        &mut self,
        number: u64,
        user_data: u64,
        keep: Keeps,
        hide_success: bool,
        group: u32,
    ) -> u64 {
        let token = number | self.all.len() as u64;
        self.all.push(Slot {
            token,
            user_data,
            keep,
            next: NONE,
            group,
            hide_success,
            live: true,
        });
        token
    }

    /// The operation in flight with this token.
    #[inline]
    pub(super) fn get(&mut self, token: u64) -> Option<&mut Slot> {
        let slot = self.all.get_mut(index(token));
        slot.filter(|slot| slot.live && slot.token == token)
    }

    /// Ends an operation that is one with one visible result and keeps
    /// nothing; its user data. None for any other.
    #[inline]
    pub(super) fn end_simple(&mut self, token: u64) -> Option<u64> {
        let slot = self.all.get_mut(index(token))?;
        let keeps = !matches!(slot.keep, Keeps::None);
        if slot.token != token || !slot.live || slot.hide_success || slot.group != 0 || keeps {
            return None;
        }
        slot.live = false;
        slot.next = self.free;
        self.free = index(token) as u32;
        self.live -= 1;
        Some(slot.user_data)
    }

    /// Ends an operation; what it kept.
    #[inline]
    pub(super) fn end(&mut self, token: u64) -> Keeps {
        let Some(slot) = self.all.get_mut(index(token)) else {
            return Keeps::None;
        };
        if !slot.live || slot.token != token {
            return Keeps::None;
        }
        slot.live = false;
        slot.next = self.free;
        self.free = index(token) as u32;
        self.live -= 1;
        std::mem::take(&mut slot.keep)
    }

    /// The tokens of operations with this user data; one that is nobody's when
    /// there are none.
    pub(super) fn tokens_of(&self, user_data: u64, all: bool) -> Vec<u64> {
        let found = self
            .all
            .iter()
            .filter(|slot| slot.live && slot.user_data == user_data)
            .map(|slot| slot.token);
        let mut tokens: Vec<u64> = found.take(if all { usize::MAX } else { 1 }).collect();
        if tokens.is_empty() {
            tokens.push(NOBODY);
        }
        tokens
    }

    /// Never frees what operations keep: the kernel may still use it.
    pub(super) fn give_up(&mut self) {
        for slot in self.all.drain(..) {
            std::mem::forget(slot.keep);
        }
        self.free = NONE;
        self.live = 0;
    }
}
