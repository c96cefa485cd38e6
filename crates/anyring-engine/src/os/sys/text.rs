//! Files read and written as a whole, by path.
//!
//! # Safety
//! Paths end in NUL; buffers live through the call and have the length given.

use alloc::vec::Vec;
use core::ffi::c_int;

use super::process::numbered;
use super::{Fd, raw};

/// The largest file that is read.
const MOST: usize = 1 << 26;

fn open(path: &[u8], flags: c_int) -> Option<Fd> {
    let mut text = Vec::new();
    text.try_reserve_exact(path.len() + 1).ok()?;
    text.extend_from_slice(path);
    text.push(0);
    let words = [
        libc::AT_FDCWD as usize,
        text.as_ptr() as usize,
        (flags | libc::O_CLOEXEC) as usize,
        0o600,
    ];
    // SAFETY: a path that ends in NUL.
    let fd = unsafe { raw(libc::SYS_openat, &words) }.ok()?;
    Some(Fd::own(fd as c_int))
}

/// Appends to a file, by one write; what cannot be written is lost.
pub(crate) fn append(path: &[u8], text: &[u8]) {
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT;
    if let Some(file) = open(path, flags) {
        let words = [file.get() as usize, text.as_ptr() as usize, text.len()];
        // SAFETY: the text lives through the call.
        let _ = unsafe { raw(libc::SYS_write, &words) };
    }
}

/// What is in a file; none if it cannot be read.
pub(crate) fn read_file(path: &[u8]) -> Option<Vec<u8>> {
    const STEP: usize = 4096;
    let file = open(path, libc::O_RDONLY)?;
    let mut text = Vec::new();
    while text.len() < MOST {
        let mut part = [0_u8; STEP];
        let words = [file.get() as usize, part.as_mut_ptr() as usize, STEP];
        // SAFETY: the buffer has that length.
        let count = unsafe { raw(libc::SYS_read, &words) }.ok()?;
        if count == 0 {
            return Some(text);
        }
        text.try_reserve(count).ok()?;
        text.extend_from_slice(&part[..count]);
    }
    None
}

/// The path of an open file, as far as the buffer holds it.
pub(crate) fn path_of(fd: c_int, text: &mut [u8]) -> Option<&[u8]> {
    if fd < 0 {
        return None;
    }
    let path = numbered(b"/proc/self/fd/", fd as u32, b"")?;
    let words = [
        libc::AT_FDCWD as usize,
        path.as_ptr() as usize,
        text.as_mut_ptr() as usize,
        text.len(),
    ];
    // SAFETY: the path ends in NUL; the buffer has its length.
    let count = unsafe { raw(libc::SYS_readlinkat, &words) }.ok()?;
    text.get(..count)
}
