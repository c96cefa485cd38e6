//! What a ring remembers of descriptors that requests waited with.

use alloc::vec::Vec;
use core::ffi::c_int;

use crate::request::{Id, Watch};

/// Descriptor numbers from here on are not remembered.
pub(crate) const LIMIT: usize = 1 << 16;
/// Receives that wait without a first try after one that had to.
const GUESSES: u8 = 15;

/// What is remembered of a descriptor number. Nothing depends on it being true.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    /// Of a program's descriptor: the number its duplicates get.
    pub(crate) duplicate: c_int,
    /// Of a number of ours: the program's descriptor it last was a duplicate of.
    pub(crate) original: c_int,
    /// Of a number of ours: the epoll has an entry of that number.
    pub(crate) known: bool,
    /// Of a number of ours: a request waits with it.
    pub(crate) busy: bool,
    /// Receives on it that need not try before they wait.
    pub(crate) guesses: u8,
    /// A receive in this submission waits without having tried.
    pub(crate) untried: bool,
}

const NO_NOTE: Note = Note {
    duplicate: -1,
    original: -1,
    known: false,
    busy: false,
    guesses: 0,
    untried: false,
};

/// What is remembered of descriptor numbers.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    notes: Vec<Note>,
    /// Requests in this submission that wait without having tried.
    pub(crate) untried: Vec<(Id, c_int)>,
}

impl Notes {
    pub(crate) fn get(&self, fd: c_int) -> Note {
        self.notes.get(fd as usize).copied().unwrap_or(NO_NOTE)
    }

    /// To be written; none if there is no memory, or the number is too large.
    #[inline]
    pub(crate) fn at(&mut self, fd: c_int) -> Option<&mut Note> {
        let at = fd as usize;
        if at >= self.notes.len() && !self.grow(at) {
            return None;
        }
        self.notes.get_mut(at)
    }

    #[cold]
    fn grow(&mut self, at: usize) -> bool {
        let wanted = at.saturating_add(1) - self.notes.len();
        let grows = at < LIMIT && self.notes.try_reserve(wanted).is_ok();
        if grows {
            self.notes.resize(at + 1, NO_NOTE);
        }
        grows
    }

    #[inline]
    pub(crate) fn change(&mut self, fd: c_int, change: impl FnOnce(&mut Note)) {
        if let Some(note) = self.at(fd) {
            change(note);
        }
    }

    /// A receive that waited without a try perhaps need not have waited: what it
    /// waited for was there soon.
    pub(crate) fn guessed_wrong(&mut self, watch: &Watch) {
        let fd = match watch.own {
            Some(_) => self.get(watch.number).original,
            None => watch.number,
        };
        self.change(fd, |note| note.guesses = note.guesses.saturating_sub(2));
    }

    /// A receive on this descriptor found nothing.
    pub(crate) fn had_to_wait(&mut self, fd: c_int) {
        self.change(fd, |note| note.guesses = GUESSES);
    }
}
