//! What happens when memory is short: MemoryError, not an end of the process.
//!
//! Rust ends the process when an allocation fails. What a program chooses the size
//! of is allocated so that it can fail ([`room`]). All else is small, and cannot be
//! given up half-way: an operation that the kernel has must be noted. So there is for
//! those a reserve of address space, untouched until malloc fails; what was served
//! from it is given back as it is freed. While it is in use, calls that begin
//! something raise MemoryError ([`check`]), and those that end something go on.
//!
//! # Safety
//! The reserve is a mapping for the life of the process. Pieces are cut from it
//! from the end of what is in use, which moves in one atomic step: so no two overlap.
//! It moves back over the newest piece when that is given back, and to the beginning
//! when no piece is in use.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;

/// Bytes of the reserve.
const SIZE: usize = 8 << 20;
/// Calls begin nothing when more than this is in use.
const BEGIN: usize = SIZE / 8;

/// malloc, and behind it the reserve.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

static START: AtomicPtr<u8> = AtomicPtr::new(null_mut());
/// How many pieces are in use, and how far it is cut: 32 bits each.
static STATE: AtomicU64 = AtomicU64::new(0);
/// Each n-th allocation of malloc fails, for tests; 0: none.
static FAILING: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Maps the reserve. Without it small allocations fail as they do anywhere.
pub(crate) fn prepare() {
    if !START.load(Ordering::Acquire).is_null() {
        return;
    }
    // SAFETY: a new anonymous mapping.
    let place = unsafe {
        libc::mmap(
            null_mut(),
            SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if place != libc::MAP_FAILED {
        START.store(place.cast(), Ordering::Release);
    }
}

/// MemoryError while much of the reserve is in use and malloc has nothing: nothing is to
/// be begun.
#[inline]
pub(crate) fn check() -> PyResult<()> {
    if STATE.load(Ordering::Relaxed) as u32 as usize <= BEGIN {
        return Ok(());
    }
    check_again()
}

/// There may be memory again, as much as the reserve has, while pieces of that are in use.
#[cold]
fn check_again() -> PyResult<()> {
    // SAFETY: neither empty nor badly aligned.
    let probe = unsafe { Layout::from_size_align_unchecked(SIZE, 16) };
    // SAFETY: not of size zero; given back at once.
    let found = unsafe {
        // Compilers leave out what is given back unused, and take it for a success.
        let place = std::hint::black_box(System.alloc(probe));
        System.dealloc(place, probe);
        !place.is_null()
    };
    if found { Ok(()) } else { Err(short()) }
}

#[cold]
pub(crate) fn short() -> PyErr {
    PyMemoryError::new_err(())
}

/// An empty list with room for that many; MemoryError where there is none.
pub(crate) fn room<T>(count: usize) -> PyResult<Vec<T>> {
    let mut list = Vec::new();
    match giving_up(|| list.try_reserve_exact(count)) {
        Ok(()) => Ok(list),
        Err(_) => Err(short()),
    }
}

/// The thread that allocates what can be given up. No variable of threads: making those
/// takes memory.
static OPTIONAL: AtomicUsize = AtomicUsize::new(0);

#[inline]
fn this_thread() -> usize {
    // SAFETY: no memory is involved.
    unsafe { libc::pthread_self() as usize }
}

/// Does what allocates so that it can fail: the reserve is not for that. Called with
/// the interpreter's lock held, which is not let go of inside.
#[inline]
pub(crate) fn giving_up<T>(allocate: impl FnOnce() -> T) -> T {
    OPTIONAL.store(this_thread(), Ordering::Relaxed);
    let done = allocate();
    OPTIONAL.store(0, Ordering::Relaxed);
    done
}

/// Cuts a piece from the reserve.
#[cold]
#[inline(never)]
fn cut(layout: Layout) -> *mut u8 {
    let start = START.load(Ordering::Acquire);
    if start.is_null() || layout.size() > SIZE {
        return null_mut();
    }
    if OPTIONAL.load(Ordering::Relaxed) == this_thread() {
        return null_mut();
    }
    let mut state = STATE.load(Ordering::Relaxed);
    loop {
        let used = (state as u32 as usize).next_multiple_of(layout.align().max(16));
        let end = used + layout.size();
        if end > SIZE {
            return null_mut();
        }
        let next = ((state >> 32) + 1) << 32 | end as u64;
        match STATE.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed) {
            // SAFETY: inside the mapping.
            Ok(_) => return unsafe { start.add(used) },
            Err(other) => state = other,
        }
    }
}

/// Whether a pointer is of the reserve.
#[inline]
fn is_cut(place: *mut u8) -> bool {
    let start = START.load(Ordering::Relaxed) as usize;
    start != 0 && (place as usize).wrapping_sub(start) < SIZE
}

/// Gives a piece back.
#[cold]
#[inline(never)]
fn give_back(place: *mut u8, layout: Layout) {
    let from = place as usize - START.load(Ordering::Relaxed) as usize;
    let mut state = STATE.load(Ordering::Relaxed);
    loop {
        let count = (state >> 32) - 1;
        let used = state as u32;
        // With the last piece cutting begins anew, and goes on where the newest was.
        let next = if count == 0 {
            0
        } else if from + layout.size() == used as usize {
            count << 32 | from as u64
        } else {
            count << 32 | u64::from(used)
        };
        match STATE.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            Err(other) => state = other,
        }
    }
}

#[inline]
fn fails() -> bool {
    let each = FAILING.load(Ordering::Relaxed);
    each != 0 && CALLS.fetch_add(1, Ordering::Relaxed) % each == 0
}

// SAFETY: memory of malloc, or pieces of the reserve, which do not overlap and are
// given back by `dealloc` only.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !fails() {
            // SAFETY: handed on from the caller.
            let place = unsafe { System.alloc(layout) };
            if !place.is_null() {
                return place;
            }
        }
        cut(layout)
    }

    #[inline]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if is_cut(place) {
            return give_back(place, layout);
        }
        // SAFETY: handed on from the caller; it came from malloc.
        unsafe { System.dealloc(place, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_cut(place) && !fails() {
            // SAFETY: handed on from the caller; it came from malloc.
            let moved = unsafe { System.realloc(place, layout, size) };
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: the caller vouches for size and alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: not of size zero, as the caller says.
        let moved = unsafe { self.alloc(new) };
        if !moved.is_null() {
            // SAFETY: both are valid for the smaller size, and apart.
            unsafe {
                place.copy_to_nonoverlapping(moved, layout.size().min(size));
                self.dealloc(place, layout);
            }
        }
        moved
    }
}

/// Has each n-th allocation of the module fail, for tests; 0 ends that. The bytes
/// of the reserve that are cut.
#[pyfunction]
pub(crate) fn _fail_allocations(each: usize) -> u32 {
    FAILING.store(each, Ordering::Relaxed);
    STATE.load(Ordering::Relaxed) as u32
}
