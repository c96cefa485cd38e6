//! Whether memory that a program registers can be used: the kernel pins it, which
//! fails with EFAULT where it cannot be written; the engine would crash there, or
//! its system calls fail much later.
//!
//! # Safety
//! The calls look at page tables, or write what was read before.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::os::sys;
use crate::os::user_memory;

const PAGE: usize = 4096;

/// MADV_POPULATE_WRITE, of Linux 5.14.
const POPULATE_WRITE: usize = 23;
const UNKNOWN: u8 = 0;
const ABSENT: u8 = 1;
const PRESENT: u8 = 2;
static POPULATES: AtomicU8 = AtomicU8::new(UNKNOWN);

fn populate(page: usize, bytes: usize) -> sys::Sys {
    // SAFETY: pages are brought in as a write would do it; contents stay.
    unsafe { sys::raw(libc::SYS_madvise, &[page, bytes, POPULATE_WRITE]) }
}

/// Whether this kernel has it: it works on a stack then.
fn populates() -> bool {
    let mut known = POPULATES.load(Ordering::Relaxed);
    if known == UNKNOWN {
        let here = 0_u8;
        let page = (&raw const here) as usize & !(PAGE - 1);
        known = if populate(page, PAGE).is_ok() {
            PRESENT
        } else {
            ABSENT
        };
        POPULATES.store(known, Ordering::Relaxed);
    }
    known == PRESENT
}

/// Whether every page of a range can be read and written.
pub(crate) fn is_writable(address: usize, bytes: usize) -> bool {
    let Some(end) = address.checked_add(bytes) else {
        return false;
    };
    let first = address & !(PAGE - 1);
    if bytes == 0 {
        return true;
    }
    if populates() {
        return populate(first, end - first).is_ok();
    }
    // Mapped, and the ends at least can be read.
    let mut byte = [0_u8];
    is_mapped(first, end)
        && [address, end - 1]
            .iter()
            .all(|at| user_memory::copy_in(*at as u64, &mut byte).is_ok())
}

fn is_mapped(first: usize, end: usize) -> bool {
    const PAGES: usize = 1024;
    let mut seen = [0_u8; PAGES];
    (first..end).step_by(PAGES * PAGE).all(|at| {
        let step = (end - at).min(PAGES * PAGE);
        // SAFETY: one byte is written for each page of the step.
        unsafe { sys::raw(libc::SYS_mincore, &[at, step, seen.as_mut_ptr() as usize]) }.is_ok()
    })
}
