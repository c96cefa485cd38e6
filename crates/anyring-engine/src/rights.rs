//! Whose rights a thread has.
//!
//! The kernel's io_uring does everything with the credentials of the thread
//! that submitted it. Credentials belong to threads: libc changes them for all
//! threads of a process at once, but a file server that calls setfsuid(2) or
//! the bare setresuid(2) for one thread, or a daemon that drops capabilities,
//! does not reach the threads of the engine. What looks names up must not be
//! done there then.
//!
//! # Safety
//! The calls write into arrays of this module, of the sizes they are told.

use crate::lock::Mutex;
use crate::sys;

const NOBODY: usize = usize::MAX;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
/// Groups that fit into one call without asking for their number.
const GROUPS: usize = 256;

/// The threads of the engine, and whose rights they have.
#[derive(Debug)]
struct Engine {
    threads: u32,
    rights: u64,
    /// Some were started by threads of other rights.
    mixed: bool,
}

static ENGINE: Mutex<Engine> = Mutex::new(Engine {
    threads: 0,
    rights: 0,
    mixed: false,
});

fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// The calling thread's rights as a number, never 0: ids for files, groups,
/// capabilities, and whether it may gain any.
pub(crate) fn here() -> u64 {
    let word = |result: sys::Sys| u64::from(sys::to_res(result) as u32);
    let mut hash = mix(1, word(sys::plain(libc::SYS_setfsuid, &[NOBODY])));
    hash = mix(hash, word(sys::plain(libc::SYS_setfsgid, &[NOBODY])));
    hash = mix(
        hash,
        word(sys::plain(
            libc::SYS_prctl,
            &[libc::PR_GET_NO_NEW_PRIVS as usize, 0, 0, 0, 0],
        )),
    );
    let header = [CAPABILITY_VERSION_3, 0];
    let mut sets = [0_u32; 6];
    let mut groups = [0_u32; GROUPS];
    // SAFETY: two triples of words are written, and at most GROUPS words.
    let count = unsafe {
        let _ = sys::raw(
            libc::SYS_capget,
            &[header.as_ptr() as usize, sets.as_mut_ptr() as usize],
        );
        sys::raw(libc::SYS_getgroups, &[GROUPS, groups.as_mut_ptr() as usize])
    };
    // The effective sets: a thread of the engine uses no others.
    hash = mix(hash, u64::from(sets[0]) << 32 | u64::from(sets[3]));
    hash = mix(hash, word(count));
    for group in &groups[..count.unwrap_or(0).min(GROUPS)] {
        hash = mix(hash, u64::from(*group));
    }
    hash.max(1)
}

/// A thread of the engine is about to start, with the rights of this one.
pub(crate) fn begin_thread() {
    let rights = here();
    let mut engine = ENGINE.lock();
    if engine.threads == 0 {
        engine.rights = rights;
        engine.mixed = false;
    } else if engine.rights != rights {
        engine.mixed = true;
    }
    engine.threads += 1;
}

/// One has ended, or did not start.
pub(crate) fn end_thread() {
    ENGINE.lock().threads -= 1;
}

/// Whether all threads of the engine (or those it would start now, from a
/// thread of these rights) have them.
pub(crate) fn are_the_engines(rights: u64) -> bool {
    let engine = ENGINE.lock();
    engine.threads == 0 || !engine.mixed && engine.rights == rights
}

/// Forgets the threads, which the child does not have.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the engine.
pub(crate) unsafe fn begin_child() {
    // SAFETY: the caller is alone.
    unsafe {
        ENGINE.reset(Engine {
            threads: 0,
            rights: 0,
            mixed: false,
        });
    }
}
