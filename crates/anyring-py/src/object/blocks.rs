//! A queue that may grow long: in blocks, so that it never needs one large piece of
//! memory, which may not be had, for what cannot be given up.

use std::collections::VecDeque;

/// Items of a block.
const MOST: usize = 512;

/// First in, first out.
pub(crate) struct Blocks<T> {
    first: VecDeque<T>,
    /// Behind it, each but the last one full.
    later: VecDeque<VecDeque<T>>,
}

impl<T> Blocks<T> {
    pub(crate) const fn new() -> Self {
        Blocks {
            first: VecDeque::new(),
            later: VecDeque::new(),
        }
    }

    #[inline]
    pub(crate) fn push_back(&mut self, item: T) {
        if self.first.len() < MOST && self.later.is_empty() {
            self.first.push_back(item);
        } else {
            self.push_later(item);
        }
    }

    #[cold]
    fn push_later(&mut self, item: T) {
        match self.later.back_mut() {
            Some(last) if last.len() < MOST => last.push_back(item),
            _ => {
                let mut last = VecDeque::with_capacity(MOST);
                last.push_back(item);
                self.later.push_back(last);
            }
        }
    }

    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let item = self.first.pop_front();
        if self.first.is_empty() && self.first.capacity() >= MOST {
            self.next_block();
        }
        item
    }

    /// Also gives memory back that came from a reserve, perhaps.
    #[cold]
    fn next_block(&mut self) {
        self.first = self.later.pop_front().unwrap_or_default();
        if self.later.is_empty() {
            self.later = VecDeque::new();
        }
    }

    /// Puts back what was taken.
    pub(crate) fn push_front(&mut self, item: T) {
        self.first.push_front(item);
    }

    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        self.first.front()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.later.iter().map(VecDeque::len).sum::<usize>()
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = T> {
        self.first
            .into_iter()
            .chain(self.later.into_iter().flatten())
    }
}
