//! Memory: mappings, files in memory.
//!
//! # Safety
//! The calls touch no memory but what stands beside them.

use core::ffi::{c_int, c_void};
use core::ptr;

use super::fd::{Fd, high};
use super::{Sys, plain, raw, to_res};

/// A sparse file in memory whose size stays as it is, and which can be mapped, but
/// neither read nor written at its position.
pub(crate) fn memfd(size: u64) -> Sys<Fd> {
    const NOEXEC_SEAL: usize = 8;
    let name = c"anyring-ring".as_ptr() as usize;
    let flags = (libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) as usize;
    // SAFETY: the name is a text that lives for ever.
    let made = unsafe {
        raw(libc::SYS_memfd_create, &[name, flags | NOEXEC_SEAL]).or_else(|error| match error {
            // Before Linux 6.3.
            e if e == -libc::EINVAL => raw(libc::SYS_memfd_create, &[name, flags]),
            e => Err(e),
        })
    };
    let file = made.map(high)?;
    let fd = file.get() as usize;
    set_file_size(fd, size)?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    plain(
        libc::SYS_fcntl,
        &[fd, libc::F_ADD_SEALS as usize, seals as usize],
    )?;
    plain(
        libc::SYS_lseek,
        &[fd, i64::MAX as usize, libc::SEEK_SET as usize],
    )?;
    Ok(file)
}

/// Sets a file's size where RLIMIT_FSIZE would not have it, as far as the limit can
/// be raised for the moment: a refusal would be a signal, too.
fn set_file_size(fd: usize, size: u64) -> Sys<()> {
    let limit = |new: Option<[u64; 2]>| -> Sys<[u64; 2]> {
        let mut old = [0_u64; 2];
        let new = new.as_ref().map_or(ptr::null(), |new| new.as_ptr());
        // SAFETY: NULL or two words are read, and two words written.
        unsafe {
            raw(
                libc::SYS_prlimit64,
                &[
                    0,
                    libc::RLIMIT_FSIZE as usize,
                    new as usize,
                    old.as_mut_ptr() as usize,
                ],
            )
        }?;
        Ok(old)
    };
    let set = || plain(libc::SYS_ftruncate, &[fd, size as usize]).map(|_| ());
    let [soft, hard] = limit(None)?;
    if soft >= size {
        return set();
    }
    if hard < size {
        return Err(-libc::EFBIG);
    }
    limit(Some([hard, hard]))?;
    let done = set();
    let _ = limit(Some([soft, hard]));
    done
}

/// Maps a part of a file in memory, for all who map it. Its pages are there when this
/// returns.
pub(crate) fn map_shared(fd: c_int, offset: u64, bytes: usize) -> Sys<*mut c_void> {
    plain(
        libc::SYS_fallocate,
        &[fd as usize, 0, offset as usize, bytes],
    )?;
    // SAFETY: a new mapping.
    unsafe {
        raw(
            libc::SYS_mmap,
            &[
                0,
                bytes,
                (libc::PROT_READ | libc::PROT_WRITE) as usize,
                libc::MAP_SHARED as usize,
                fd as usize,
                offset as usize,
            ],
        )
    }
    .map(|address| address as *mut c_void)
}

/// Pages of zeroes; a forked child gets its own copy.
pub(crate) fn map(bytes: usize) -> Sys<*mut c_void> {
    // SAFETY: a new anonymous mapping.
    unsafe {
        raw(
            libc::SYS_mmap,
            &[
                0,
                bytes,
                (libc::PROT_READ | libc::PROT_WRITE) as usize,
                (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize,
                usize::MAX,
                0,
            ],
        )
    }
    .map(|address| address as *mut c_void)
}

/// Gives a mapping back.
///
/// # Safety
/// Nothing refers to the mapping any more.
pub(crate) unsafe fn unmap(address: *mut c_void, bytes: usize) -> c_int {
    // SAFETY: nothing refers to the mapping any more: the contract of this function.
    to_res(unsafe { raw(libc::SYS_munmap, &[address as usize, bytes]) })
}

/// Frees the pages of a shared mapping, for all who mapped them: they find zeroes.
///
/// # Safety
/// The mapping is of a file in memory, whose content is not needed any more.
pub(crate) unsafe fn free_shared(address: *mut c_void, bytes: usize) {
    // SAFETY: the mapping is shared, and its content not needed any more: the contract of
    // this function.
    let _ = unsafe {
        raw(
            libc::SYS_madvise,
            &[address as usize, bytes, libc::MADV_REMOVE as usize],
        )
    };
}
