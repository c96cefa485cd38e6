//! Registered files and buffers.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi as abi;

use crate::os::sys::{self, Fd};
use crate::ring::cq::Completion;
use crate::ring::state::State;

/// Things with their tags, or nothing.
pub(crate) type Slots<T> = Vec<Option<(Arc<T>, u64)>>;

/// A table of things with tags. What is removed while requests use it lives
/// on; its tag is posted when the last of them is done.
#[derive(Debug)]
pub(crate) struct Table<T> {
    slots: Option<Slots<T>>,
    dying: Vec<(Arc<T>, u64)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            slots: None,
            dying: Vec::new(),
        }
    }
}

impl<T> Table<T> {
    /// Whether there is a table.
    pub(crate) fn exists(&self) -> bool {
        self.slots.is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.as_ref().map_or(0, Vec::len)
    }

    /// Makes a table.
    pub(crate) fn set(&mut self, slots: Slots<T>) {
        self.slots = Some(slots);
    }

    /// What a slot holds.
    pub(crate) fn get(&self, at: usize) -> Option<&Arc<T>> {
        self.slots
            .as_ref()?
            .get(at)?
            .as_ref()
            .map(|(thing, _)| thing)
    }

    /// Puts something (or nothing) into a slot; whether something was there.
    pub(crate) fn replace(&mut self, at: usize, new: Option<(Arc<T>, u64)>) -> Result<bool, c_int> {
        self.dying.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
        let slot = self
            .slots
            .as_mut()
            .and_then(|slots| slots.get_mut(at))
            .ok_or(-libc::EINVAL)?;
        let old = core::mem::replace(slot, new);
        let was = old.is_some();
        self.retire(old);
        Ok(was)
    }

    /// What was in a slot goes away; its tag waits for the last who uses it.
    pub(crate) fn retire(&mut self, old: Option<(Arc<T>, u64)>) {
        if let Some((thing, tag)) = old {
            if tag != 0 && self.dying.try_reserve(1).is_ok() {
                self.dying.push((thing, tag));
            }
        }
    }

    /// Removes the table; false if there is none.
    pub(crate) fn remove(&mut self) -> bool {
        let Some(slots) = self.slots.take() else {
            return false;
        };
        // The kernel begins at the end.
        for slot in slots.into_iter().rev() {
            self.retire(slot);
        }
        true
    }

    /// Forgets everything without a word.
    pub(crate) fn clear(&mut self) {
        self.slots = None;
        self.dying.clear();
    }

    /// Whether tags wait for those who use their things.
    #[inline]
    pub(crate) fn has_dying(&self) -> bool {
        !self.dying.is_empty()
    }

    /// Posts each tag whose file or buffer is used no more.
    fn bury(dying: &mut Vec<(Arc<T>, u64)>, mut tell: impl FnMut(u64)) {
        dying.retain(|(thing, tag)| {
            let used = Arc::strong_count(thing) != 1;
            if !used {
                tell(*tag);
            }
            used
        });
    }

    /// All slots, for copying.
    pub(crate) fn slots(&self) -> Option<&Slots<T>> {
        self.slots.as_ref()
    }
}

/// A registered buffer.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) addr: u64,
    pub(crate) len: usize,
}

/// Registered buffers.
pub(crate) type Buffers = Table<Registered>;

impl Buffers {
    /// Checks that a range lies in a buffer.
    pub(crate) fn check(
        &self,
        index: u16,
        addr: u64,
        len: usize,
    ) -> Result<Arc<Registered>, c_int> {
        let buffer = self.get(usize::from(index)).ok_or(-libc::EFAULT)?;
        let inside = addr >= buffer.addr
            && addr
                .checked_add(len as u64)
                .is_some_and(|end| end <= buffer.addr + buffer.len as u64);
        if inside {
            Ok(Arc::clone(buffer))
        } else {
            Err(-libc::EFAULT)
        }
    }
}

/// Registered files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) table: Table<Fd>,
    /// Where slots are allocated; the end is exclusive.
    pub(crate) range: (usize, usize),
    hint: usize,
}

impl Files {
    pub(crate) fn clear(&mut self) {
        self.table.clear();
    }

    /// Makes the table, with all of it for allocation.
    pub(crate) fn set(&mut self, slots: Slots<Fd>) {
        self.range = (0, slots.len());
        self.hint = 0;
        self.table.set(slots);
    }

    /// The first free slot of the range.
    pub(crate) fn allocate(&mut self) -> Result<usize, c_int> {
        let (start, end) = self.range;
        if start == end || !self.table.exists() {
            return Err(-libc::ENFILE);
        }
        let hint = self.hint.clamp(start, end - 1);
        let free = (hint..end)
            .chain(start..hint)
            .find(|at| self.table.get(*at).is_none())
            .ok_or(-libc::ENFILE)?;
        self.hint = free + 1;
        Ok(free)
    }

    /// Sets the range and begins at its start.
    pub(crate) fn set_range(&mut self, start: usize, end: usize) {
        self.range = (start, end);
        self.hint = start;
    }

    /// Puts a file into a slot as operations ask for it: `index` 1-based, or
    /// `IORING_FILE_INDEX_ALLOC`. The slot if it was allocated, otherwise 0.
    pub(crate) fn install(&mut self, file: Fd, index: u32) -> Result<i32, c_int> {
        let allocated = index == abi::IORING_FILE_INDEX_ALLOC;
        if !allocated && !self.table.exists() {
            return Err(-libc::ENXIO);
        }
        let at = if allocated {
            self.allocate()?
        } else {
            (index - 1) as usize
        };
        if at >= self.table.len() {
            return Err(-libc::EINVAL);
        }
        self.table
            .replace(at, Some((crate::os::user_memory::shared(file)?, 0)))?;
        Ok(if allocated { at as i32 } else { 0 })
    }
}

/// A file of the table, from a descriptor that must not be a ring's.
pub(crate) fn open_file(fd: c_int) -> Result<Arc<Fd>, c_int> {
    if let crate::ring::ring_registry::Found::Ring(_) = crate::ring::ring_registry::find(fd) {
        return Err(-libc::EBADF);
    }
    sys::dup(fd).and_then(crate::os::user_memory::shared)
}

impl State {
    /// Posts the tags of what is used no more.
    #[cold]
    pub(crate) fn post_tags(&mut self) {
        let mut files = core::mem::take(&mut self.files.table.dying);
        Table::bury(&mut files, |tag| self.post_tag(tag));
        self.files.table.dying = files;
        let mut buffers = core::mem::take(&mut self.buffers.dying);
        Table::bury(&mut buffers, |tag| self.post_tag(tag));
        self.buffers.dying = buffers;
    }

    fn post_tag(&mut self, tag: u64) {
        self.post(Completion {
            user_data: tag,
            res: 0,
            flags: 0,
            extra: None,
        });
        self.count_completion();
    }

    /// Puts a file into a slot as operations ask for it; see [`Files::install`].
    pub(crate) fn install(&mut self, file: Fd, index: u32) -> Result<i32, c_int> {
        let placed = self.files.install(file, index);
        // What was in the slot.
        self.post_tags();
        placed
    }
}
