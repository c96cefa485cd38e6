//! Whose credentials a thread has.
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

use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};

use crate::os::lock::Mutex;
use crate::os::sys;

const NOBODY: usize = usize::MAX;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
/// Groups that fit into one call without asking for their number.
const GROUPS: usize = 256;

/// The threads of the engine, and whose credentials they have.
#[derive(Debug)]
struct Engine {
    threads: u32,
    credentials: u64,
    /// Some were started by threads of other credentials.
    mixed: bool,
    /// Their numbers, as far as they run and there was memory.
    ids: Vec<c_int>,
    /// The thread that started the last one.
    starter: c_int,
}

impl Engine {
    const fn new() -> Engine {
        Engine {
            threads: 0,
            credentials: 0,
            mixed: false,
            ids: Vec::new(),
            starter: 0,
        }
    }

    /// Names a thread that looks names up as those of the engine do; 0 if there is
    /// none.
    fn witness(&self) {
        let one = match self.threads {
            0 => 0,
            _ => self.ids.first().copied().unwrap_or(self.starter),
        };
        WITNESS.store(one, Ordering::Relaxed);
    }
}

static ENGINE: Mutex<Engine> = Mutex::new(Engine::new());
/// [`Engine::witness`], without the lock.
static WITNESS: AtomicI32 = AtomicI32::new(0);

fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Whether the calling thread looks names up and makes files as another one does:
/// working directory, root and umask are those of the process, unless a thread
/// called unshare(2) (CLONE_FS).
fn shares_names(with: c_int) -> bool {
    const KCMP_FS: usize = 3;
    let me = sys::gettid();
    if with == 0 || with == me {
        return true;
    }
    match sys::plain(libc::SYS_kcmp, &[me as usize, with as usize, KCMP_FS, 0, 0]) {
        Ok(order) => order == 0,
        // It has just ended: one that runs is compared next time.
        Err(e) if e == -libc::ESRCH => false,
        Err(_) => looks_alike(me, with),
    }
}

/// Whether two threads share them by what /proc shows, where kcmp(2) is denied.
#[cold]
fn looks_alike(one: c_int, other: c_int) -> bool {
    let same = |name: &[u8]| {
        let place = |thread| sys::task_file(thread, name).and_then(|path| sys::place_of(&path));
        place(one) == place(other)
    };
    same(b"/cwd") && same(b"/root") && sys::umask_of(one) == sys::umask_of(other)
}

/// The calling thread's credentials as a number, never 0: ids for files, groups,
/// capabilities, whether it may gain any, and whether names mean the same to it as
/// to the engine's threads.
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
    let witness = WITNESS.load(Ordering::Relaxed);
    if !shares_names(witness) {
        hash = mix(hash, u64::from(sys::gettid() as u32));
    }
    for group in &groups[..count.unwrap_or(0).min(GROUPS)] {
        hash = mix(hash, u64::from(*group));
    }
    hash.max(1)
}

/// A thread of the engine is about to start, with the credentials of this one.
pub(crate) fn begin_thread() {
    let credentials = here();
    let mut engine = ENGINE.lock_without_signals();
    if engine.threads == 0 {
        engine.credentials = credentials;
        engine.mixed = false;
    } else if engine.credentials != credentials {
        engine.mixed = true;
    }
    engine.threads += 1;
    engine.starter = sys::gettid();
    engine.witness();
}

/// It runs: this is it.
pub(crate) fn thread_runs() {
    let me = sys::gettid();
    let mut engine = ENGINE.lock_without_signals();
    if engine.ids.try_reserve(1).is_ok() {
        engine.ids.push(me);
    }
    engine.witness();
}

/// One did not start.
pub(crate) fn no_thread() {
    let mut engine = ENGINE.lock_without_signals();
    engine.threads -= 1;
    engine.witness();
}

/// This one ends.
pub(crate) fn end_thread() {
    let me = sys::gettid();
    let mut engine = ENGINE.lock_without_signals();
    engine.threads -= 1;
    engine.ids.retain(|id| *id != me);
    engine.witness();
}

/// Whether all threads of the engine (or those it would start now, from a
/// thread of these credentials) have them.
pub(crate) fn are_the_engines(credentials: u64) -> bool {
    let engine = ENGINE.lock_without_signals();
    engine.threads == 0 || !engine.mixed && engine.credentials == credentials
}

/// Forgets the threads, which the child does not have.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the engine.
pub(crate) unsafe fn begin_child() {
    // SAFETY: the caller is alone.
    unsafe {
        ENGINE.reset(Engine::new());
        WITNESS.store(0, Ordering::Relaxed);
    }
}

/// The effective user and group, which are also those for files.
pub(crate) fn effective() -> [u32; 2] {
    // SAFETY: neither call has preconditions.
    unsafe { [libc::geteuid(), libc::getegid()] }
}
