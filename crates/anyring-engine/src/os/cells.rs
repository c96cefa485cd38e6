//! Values found by a number without a lock.
//!
//! A signal handler may look something up while the thread that it interrupted
//! does: no lock can be taken for that. Each cell counts who is just taking a
//! reference; the value is taken out first, and let go of when no thread is. Cells
//! are never freed. Writers hold a lock of their own, with signals blocked.
//! `tests/loom` checks it.
//!
//! # Safety
//! A cell's pointer is that of an [`Arc`], whose count is increased only while the
//! cell's own reference is there: a reader counts itself before it loads the
//! pointer, a writer looks at the count after it took the pointer out, both by an
//! access that changes it: whichever is second sees what the other did before.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::ptr;

use super::sync::{AtomicPtr, AtomicU32, Ordering, constant, spin_loop};

/// Looks at readers before a reference is left to one that stands still: the
/// thread that this one, in a signal handler, interrupted.
const LOOKS: u32 = 1 << 14;
/// Numbers of cells without a value, and of those given up.
const FREE: u32 = u32::MAX;
const LOST: u32 = u32::MAX - 1;

#[derive(Debug)]
struct Cell<T> {
    key: AtomicU32,
    value: AtomicPtr<T>,
    readers: AtomicU32,
    next: *const Cell<T>,
}

/// Cells, each with a number and a value.
#[derive(Debug)]
pub(crate) struct Cells<T> {
    first: AtomicPtr<Cell<T>>,
}

// SAFETY: references to values go from thread to thread as those of an Arc do.
unsafe impl<T: Send + Sync> Sync for Cells<T> {}
// SAFETY: any thread may use and drop values, which are `Send` and `Sync`.
unsafe impl<T: Send + Sync> Send for Cells<T> {}

impl<T> Cells<T> {
    constant! {
        pub(crate) fn new() -> Self {
            Cells {
                first: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &Cell<T>> {
        let mut at = self.first.load(Ordering::Acquire).cast_const();
        core::iter::from_fn(move || {
            // SAFETY: NULL, or a cell, which is never freed.
            let cell = unsafe { at.as_ref() }?;
            at = cell.next;
            Some(cell)
        })
    }

    /// The value of a number.
    #[inline]
    pub(crate) fn find(&self, key: u32) -> Option<Arc<T>> {
        self.all().find_map(|cell| cell.get(key))
    }

    /// Calls a function with each value that is there.
    pub(crate) fn each(&self, mut call: impl FnMut(Arc<T>)) {
        for cell in self.all() {
            if let Some(value) = cell.get(cell.key.load(Ordering::Relaxed)) {
                call(value);
            }
        }
    }

    /// Makes a value found; -ENOMEM. The caller is the only writer.
    pub(crate) fn publish(&self, key: u32, value: Arc<T>) -> Result<(), c_int> {
        let free = |cell: &&Cell<T>| cell.key.load(Ordering::Relaxed) == FREE;
        let cell = match self.all().find(free) {
            Some(cell) => cell,
            None => self.grow()?,
        };
        cell.key.store(key, Ordering::Relaxed);
        cell.value
            .store(Arc::into_raw(value).cast_mut(), Ordering::Release);
        Ok(())
    }

    fn grow(&self) -> Result<&Cell<T>, c_int> {
        let mut place = Vec::new();
        place.try_reserve_exact(1).map_err(|_| -libc::ENOMEM)?;
        place.push(Cell {
            key: AtomicU32::new(FREE),
            value: AtomicPtr::new(ptr::null_mut()),
            readers: AtomicU32::new(0),
            next: self.first.load(Ordering::Relaxed),
        });
        let cell: &mut Cell<T> = &mut place.leak()[0];
        self.first.store(cell, Ordering::Release);
        Ok(cell)
    }

    /// A number is found no more. The caller is the only writer, and has another
    /// reference to the value.
    pub(crate) fn withdraw(&self, key: u32) {
        let Some(cell) = self
            .all()
            .find(|cell| cell.key.load(Ordering::Relaxed) == key)
        else {
            return;
        };
        let value = cell.value.swap(ptr::null_mut(), Ordering::AcqRel);
        for _ in 0..LOOKS {
            if cell.readers.fetch_add(0, Ordering::AcqRel) == 0 {
                // SAFETY: the cell's own reference, which no other thread takes.
                drop(unsafe { Arc::from_raw(value) });
                cell.key.store(FREE, Ordering::Relaxed);
                return;
            }
            spin_loop();
        }
        cell.key.store(LOST, Ordering::Relaxed);
    }

    /// Forgets all values without touching them, in a forked child.
    ///
    /// # Safety
    /// No other thread exists that uses the cells.
    pub(crate) unsafe fn reset(&self) {
        for cell in self.all() {
            cell.value.store(ptr::null_mut(), Ordering::Relaxed);
            cell.readers.store(0, Ordering::Relaxed);
            cell.key.store(FREE, Ordering::Relaxed);
        }
    }
}

impl<T> Cell<T> {
    #[inline]
    fn get(&self, key: u32) -> Option<Arc<T>> {
        if self.key.load(Ordering::Relaxed) != key {
            return None;
        }
        self.readers.fetch_add(1, Ordering::AcqRel);
        let value = self.value.load(Ordering::Acquire).cast_const();
        // The cell may have got another number before; with a reader it gets none.
        let found = (!value.is_null() && self.key.load(Ordering::Relaxed) == key).then(|| {
            // SAFETY: the cell's own reference is there as long as this reader is
            // counted.
            unsafe {
                Arc::increment_strong_count(value);
                Arc::from_raw(value)
            }
        });
        self.readers.fetch_sub(1, Ordering::Release);
        found
    }
}
