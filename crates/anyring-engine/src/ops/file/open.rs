//! OPENAT and OPENAT2.
//!
//! # Safety
//! Addresses come from SQEs or from copies that the request keeps; the kernel
//! checks those of the program.

use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi as abi;

use super::call;
use super::path::{directory, keep, path};
use crate::ops::socket;
use crate::os::sys;
use crate::os::user_memory;
use crate::request::{Call, Data, File, Outcome, Request};
use crate::ring::state::State;

const OPEN_HOW: usize = 24;

/// Keeps the path and the struct open_how.
pub(crate) fn copy_open_how(request: &mut Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let one = path(sqe.addr, false)?;
    if (sqe.len as usize) < OPEN_HOW {
        return Err(-libc::EINVAL);
    }
    let how = user_memory::read_array(sqe.off, OPEN_HOW)?;
    check_zeroes(sqe.off, OPEN_HOW as u64, u64::from(sqe.len))?;
    keep(request, one, how)
}

/// What a newer program says beyond what is known has to be nothing.
fn check_zeroes(at: u64, mut from: u64, end: u64) -> Result<(), c_int> {
    while from < end {
        let step = (end - from).min(4096);
        let bytes: Vec<u8> = user_memory::read_array(at.wrapping_add(from), step as usize)?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(-libc::E2BIG);
        }
        from += step;
    }
    Ok(())
}

/// What openat2(2) takes for "as open(2)".
const OPEN_FLAGS: c_int = libc::O_ACCMODE
    | libc::O_NOCTTY
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_SYNC
    | libc::O_ASYNC
    | libc::O_DIRECT
    | libc::O_LARGEFILE
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | libc::O_NOATIME
    | libc::O_CLOEXEC
    | libc::O_PATH;

/// Opens what can be opened without waiting, as the kernel does before it asks a
/// worker: names from the cache only, and with O_NONBLOCK, which the program does
/// not see afterwards. So a FIFO is opened for reading at once, and found to have
/// no reader (ENXIO) where it is opened for writing.
fn open_at_once(request: &Request, call: &Call) -> Option<i32> {
    const CACHED: u64 = 0x20;
    if request.has(abi::IOSQE_ASYNC) {
        return None;
    }
    let Data::Bytes(_, given) = &request.data else {
        return None;
    };
    // Flags, mode, and how names are resolved.
    let mut how = [0_u64; OPEN_HOW / 8];
    let plain = given.is_empty();
    if plain {
        how[0] = u64::from((request.sqe.op_flags as c_int & OPEN_FLAGS) as u32);
    } else {
        for (word, bytes) in how.iter_mut().zip(given.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().ok()?);
        }
    }
    let makes = (libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
    let asked = open_flags(request);
    let (flags, path) = (how[0] as c_int, how[0] & libc::O_PATH as u64 != 0);
    if asked & makes != 0 || how[2] & CACHED != 0 || plain && path {
        return None;
    }
    if !path {
        how[0] |= libc::O_NONBLOCK as u64;
    }
    how[2] |= CACHED;
    // SAFETY: the path lies in memory that the request keeps, the struct here.
    let opened = unsafe {
        sys::raw(
            libc::SYS_openat2,
            &[call.args[0], call.args[1], how.as_ptr() as usize, OPEN_HOW],
        )
    };
    // Denied by a policy that does not know it, or refused: open(2) finds out, except
    // that it does not keep to the cache.
    let opened = match opened {
        Err(e) if plain && (e == -libc::EPERM || e == -libc::ENOSYS) => {
            // SAFETY: the path lies in memory that the request keeps.
            unsafe {
                sys::raw(
                    libc::SYS_openat,
                    &[
                        call.args[0],
                        call.args[1],
                        (flags | libc::O_NONBLOCK) as usize,
                        0,
                    ],
                )
            }
        }
        opened => opened,
    };
    match opened {
        Ok(fd) => {
            if !path && flags & libc::O_NONBLOCK == 0 {
                sys::set_status_flags(fd as c_int, flags);
            }
            Some(fd as i32)
        }
        Err(error) if error == -libc::ENXIO => Some(error),
        // Not in the cache, or not now, or another reason that a worker finds too.
        Err(_) => None,
    }
}

/// The directory of an open, whose flags must fit a place among the registered files.
fn open_from(request: &mut Request) -> Result<usize, c_int> {
    if request.sqe.file_index != 0 && open_flags(request) & libc::O_CLOEXEC as u64 != 0 {
        return Err(-libc::EINVAL);
    }
    directory(&mut request.second, request.sqe.fd)
}

/// OPENAT.
pub(crate) fn open(state: &mut State, request: &mut Request) -> Outcome {
    call(state, request, open_at_once, |request, kept| {
        let from = open_from(request)?;
        let sqe = &request.sqe;
        // As open(2) of a 64-bit program.
        let flags = sqe.op_flags as usize | libc::O_LARGEFILE as usize;
        let args = [from, kept.one, flags, sqe.len as usize];
        Ok(Call::new(libc::SYS_openat, &args))
    })
}

/// OPENAT2.
pub(crate) fn open2(state: &mut State, request: &mut Request) -> Outcome {
    call(state, request, open_at_once, |request, kept| {
        let from = open_from(request)?;
        let args = [from, kept.one, kept.two, OPEN_HOW];
        Ok(Call::new(libc::SYS_openat2, &args))
    })
}

/// Whether an open is of a named pipe, and so waits for its other end, perhaps for
/// ever. It neither makes nor truncates anything then: when it ends does not matter
/// to who gave it up. Looked up without waiting.
pub(crate) fn waits_for_peer(request: &Request) -> bool {
    const CACHED: u64 = 0x20;
    let Data::Bytes(path, how) = &request.data else {
        return false;
    };
    if !request.def.opens || path.is_empty() {
        return false;
    }
    // The kernel copied the path by the time it waits: only its look counts here.
    let nofollow = open_flags(request) & libc::O_NOFOLLOW as u64;
    let resolve = match how.get(16..24).map(<[u8; 8]>::try_from) {
        Some(Ok(word)) => u64::from_ne_bytes(word),
        _ => 0,
    };
    let look = [
        libc::O_PATH as u64 | libc::O_CLOEXEC as u64 | nofollow,
        0,
        resolve | CACHED,
    ];
    let from = match &request.second {
        File::None => request.sqe.fd,
        held => held.fd(),
    };
    let args = [
        from as usize,
        path.as_ptr() as usize,
        look.as_ptr() as usize,
        OPEN_HOW,
    ];
    // SAFETY: the path lies in memory that the request keeps, the struct here.
    let Ok(found) = (unsafe { sys::raw(libc::SYS_openat2, &args) }) else {
        return false;
    };
    let fd = sys::Fd::own(found as c_int);
    sys::kind_of(fd.get()).is_ok_and(|kind| kind.0 == libc::S_IFIFO)
}

/// The flags of an open, from the SQE or from its struct.
fn open_flags(request: &Request) -> u64 {
    match &request.data {
        Data::Bytes(_, how) if how.len() >= 8 => {
            let mut word = [0_u8; 8];
            word.copy_from_slice(&how[..8]);
            u64::from_ne_bytes(word)
        }
        _ => u64::from(request.sqe.op_flags),
    }
}

/// A file was opened: it may have to go among the registered ones.
pub(crate) fn opened(state: &mut State, request: &mut Request, res: i32) -> Outcome {
    Outcome::Done(if res < 0 {
        res
    } else {
        socket::placed(state, res, request.sqe.file_index)
    })
}
