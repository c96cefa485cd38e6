//! Futexes. A wait takes a thread of its own, which sleeps on the program's
//! words and on one of ours at once, so that it can be stopped.
//!
//! # Safety
//! Addresses of words come from SQEs; the kernel checks them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};

use anyring_abi::io_uring_sqe;

use crate::os::sync::Futex;
use crate::os::sys;
use crate::os::user_memory;
use crate::request::{Data, Outcome, Request, Work};
use crate::ring::state::State;

/// A word to wait on, as futex_waitv(2) has it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waitv {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

// SAFETY: integers only, without padding.
unsafe impl user_memory::Pod for Waitv {}

const SYS_FUTEX_WAITV: i64 = 449;
const SYS_FUTEX_WAKE: i64 = 454;
const SIZE_MASK: u32 = 3;
const SIZE_U32: u32 = 2;
const PRIVATE: u32 = 128;
/// A word that says the memory node, and the policy of the memory: newer than
/// the others, so the kernel is asked.
const NODES: u32 = 4 | 8;
const VALID: u32 = SIZE_MASK | PRIVATE | NODES;
const ANY: u64 = 0xffff_ffff;
/// The most words of one wait.
pub(crate) const MOST: usize = 128;
/// How long a wait with a mask of its own sleeps at a time.
const SLICE_NANOS: u64 = 20_000_000;

/// A wait.
#[derive(Debug)]
pub(crate) struct Wait {
    words: Vec<Waitv>,
    mask: u32,
    /// Results are indices.
    several: bool,
    stop: Futex,
    /// Of a wait in slices: its thread. -1 when the wait is over.
    thread: AtomicI32,
}

const OVER: c_int = -1;

impl Wait {
    /// Ends it.
    pub(crate) fn stop(&self) {
        self.stop.store(1, Ordering::Release);
        self.stop.wake(u32::MAX);
    }
}

fn check_flags(flags: u32) -> Result<(), c_int> {
    if flags & !VALID != 0 || flags & SIZE_MASK != SIZE_U32 {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

/// What the kernel checks of a wait or a wake-up.
pub(crate) fn check(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    check_flags(sqe.fd as u32)?;
    if sqe.addr3 > ANY || sqe.off > ANY {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

/// What the kernel checks of a wait for several words.
pub(crate) fn check_count(_: &State, request: &Request) -> Result<(), c_int> {
    let count = request.sqe.len as usize;
    if count == 0 || count > MOST {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

/// Checks the words of a wait that has to stand in a chain.
pub(crate) fn prepare_waitv(request: &Request) -> Result<(), c_int> {
    check_words(&request.sqe).map(|_| ())
}

/// Whether the end of a wait does not break its chain: it was cancelled.
pub(crate) fn is_success(request: &Request, res: i32) -> bool {
    request.started && res == -libc::ECANCELED
}

/// What it checks of several words, before it looks at any.
fn check_words(sqe: &io_uring_sqe) -> Result<Vec<Waitv>, c_int> {
    let words: Vec<Waitv> = user_memory::read_array(sqe.addr, sqe.len as usize)?;
    for word in &words {
        if word.reserved != 0 || word.value > ANY {
            return Err(-libc::EINVAL);
        }
        check_flags(word.flags)?;
    }
    Ok(words)
}

fn single(sqe: &io_uring_sqe) -> Result<Wait, c_int> {
    let flags = sqe.fd as u32;
    if sqe.addr3 == 0 {
        return Err(-libc::EINVAL);
    }
    if sqe.addr % 4 != 0 {
        return Err(-libc::EINVAL);
    }
    let value: u32 = user_memory::read(sqe.addr)?;
    if u64::from(value) != sqe.off {
        return Err(-libc::EAGAIN);
    }
    let mut words = user_memory::room(2)?;
    words.push(Waitv {
        value: sqe.off,
        address: sqe.addr,
        flags,
        reserved: 0,
    });
    Ok(Wait {
        words,
        mask: sqe.addr3 as u32,
        several: false,
        stop: Futex::new(0),
        thread: AtomicI32::new(0),
    })
}

fn several(sqe: &io_uring_sqe) -> Result<Wait, c_int> {
    let words = check_words(sqe)?;
    for word in &words {
        let value: u32 = user_memory::read(word.address)?;
        if u64::from(value) != word.value {
            return Err(-libc::EAGAIN);
        }
    }
    Ok(Wait {
        words,
        mask: ANY as u32,
        several: true,
        stop: Futex::new(0),
        thread: AtomicI32::new(0),
    })
}

fn queue(request: &mut Request, wait: Result<Wait, c_int>) -> Outcome {
    match wait.and_then(user_memory::shared) {
        Ok(wait) => {
            request.data = Data::Futex(Arc::clone(&wait));
            Outcome::Work(Work::Futex(wait))
        }
        Err(error) => Outcome::Done(error),
    }
}

/// FUTEX_WAIT.
pub(crate) fn wait(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let wait = single(&request.sqe);
    queue(request, wait)
}

/// FUTEX_WAITV.
pub(crate) fn waitv(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let wait = several(&request.sqe);
    queue(request, wait)
}

/// FUTEX_WAKE.
pub(crate) fn wake(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = &request.sqe;
    let flags = sqe.fd as u32;
    if sqe.addr3 == 0 {
        return Outcome::Done(-libc::EINVAL);
    }
    let (address, mask, count) = (sqe.addr as usize, sqe.addr3 as usize, sqe.off as usize);
    // SAFETY: the kernel checks the address.
    let woken = unsafe {
        match sys::raw(SYS_FUTEX_WAKE, &[address, mask, count, flags as usize]) {
            Err(e) if e == -libc::ENOSYS || e == -libc::EPERM => {
                let private = if flags & PRIVATE != 0 {
                    libc::FUTEX_PRIVATE_FLAG
                } else {
                    0
                };
                sys::raw(
                    libc::SYS_futex,
                    &[
                        address,
                        (libc::FUTEX_WAKE_BITSET | private) as usize,
                        count.min(i32::MAX as usize),
                        0,
                        0,
                        mask,
                    ],
                )
            }
            other => other,
        }
    };
    Outcome::Done(sys::to_res(woken))
}

/// The wait itself, in a thread of the pool.
pub(crate) fn block(wait: &Wait) -> i32 {
    let several = wait.several || wait.mask == ANY as u32;
    let res = if several && wait.words.len() < MOST {
        block_on_all(wait)
    } else {
        block_in_slices(wait)
    };
    wait.thread.store(OVER, Ordering::Release);
    match res {
        // The word was as expected when the wait was submitted: what changed
        // it came with a wake-up, or will.
        e if e == -libc::EAGAIN => 0,
        e => e,
    }
}

fn block_on_all(wait: &Wait) -> i32 {
    let mut words: Vec<Waitv> = Vec::new();
    if words.try_reserve_exact(wait.words.len() + 1).is_err() {
        return -libc::ENOMEM;
    }
    words.extend_from_slice(&wait.words);
    words.push(Waitv {
        value: 0,
        address: wait.stop.as_ptr() as u64,
        flags: SIZE_U32 | PRIVATE,
        reserved: 0,
    });
    // SAFETY: the kernel checks the addresses; ours lives with the wait.
    let woken = unsafe {
        sys::raw(
            SYS_FUTEX_WAITV,
            &[words.as_ptr() as usize, words.len(), 0, 0, 0],
        )
    };
    match woken {
        _ if wait.stop.load(Ordering::Acquire) != 0 => -libc::EINTR,
        Err(e) if e == -libc::ENOSYS || e == -libc::EPERM => block_in_slices(wait),
        Ok(index) if wait.several => index as i32,
        Ok(_) => 0,
        Err(error) => error,
    }
}

/// Where the words cannot be waited for together with ours: a little at a
/// time. A wake-up between two slices is noticed by the changed word.
fn block_in_slices(wait: &Wait) -> i32 {
    wait.thread.store(sys::gettid(), Ordering::Release);
    loop {
        if wait.stop.load(Ordering::Acquire) != 0 {
            return -libc::EINTR;
        }
        for (at, word) in wait.words.iter().enumerate() {
            let until = sys::timespec(sys::now(libc::CLOCK_MONOTONIC) + SLICE_NANOS);
            let private = if word.flags & PRIVATE != 0 {
                libc::FUTEX_PRIVATE_FLAG
            } else {
                0
            };
            // SAFETY: the kernel checks the address.
            let woken = unsafe {
                sys::raw(
                    libc::SYS_futex,
                    &[
                        word.address as usize,
                        (libc::FUTEX_WAIT_BITSET | private) as usize,
                        word.value as usize,
                        (&raw const until) as usize,
                        0,
                        wait.mask as usize,
                    ],
                )
            };
            match woken {
                Err(e) if e == -libc::ETIMEDOUT || e == -libc::EINTR => {}
                Ok(_) => return if wait.several { at as i32 } else { 0 },
                Err(e) if e == -libc::EAGAIN && wait.several => return at as i32,
                Err(error) => return error,
            }
        }
    }
}

/// Waits, a moment at most, until the thread sleeps: a program may expect that
/// its wait is in place when the submission returns.
pub(crate) fn settle_in(wait: &Arc<Wait>) {
    for _ in 0..10_000 {
        let settled = match wait.thread.load(Ordering::Acquire) {
            OVER => true,
            0 => sleeps_on(&wait.stop),
            thread => sleeps(thread),
        };
        if settled {
            return;
        }
        let nap = sys::timespec(20_000);
        // SAFETY: the time is read during the call.
        let _ = unsafe { sys::raw(libc::SYS_nanosleep, &[(&raw const nap) as usize, 0]) };
    }
}

/// Whether a thread sleeps on a word of ours, the last of those that it waits for at
/// once: moving it to where it is counts it. A word that has changed, or cannot be asked
/// about, is as good as slept on.
fn sleeps_on(word: &Futex) -> bool {
    let op = libc::FUTEX_CMP_REQUEUE | libc::FUTEX_PRIVATE_FLAG;
    let at = word.as_ptr() as usize;
    // SAFETY: the word is ours and outlives the call; no thread is woken.
    let moved = unsafe { sys::raw(libc::SYS_futex, &[at, op as usize, 0, 1, at, 0]) };
    moved != Ok(0)
}

/// Whether /proc says that a thread of ours sleeps: one that waits with a mask of its
/// own sleeps on the program's word only.
fn sleeps(thread: c_int) -> bool {
    let mut text = [0_u8; 128];
    let stat = sys::task_file(thread, b"/stat").and_then(|path| sys::beginning(&path, &mut text));
    // "pid (name) S ...": the state stands behind the last parenthesis. With nothing to be
    // learned here it is as good as asleep.
    stat.and_then(|text| {
        let at = text.iter().rposition(|byte| *byte == b')')?;
        text.get(at + 2)
    })
    .is_none_or(|state| *state == b'S')
}
