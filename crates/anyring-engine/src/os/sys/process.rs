//! This process and its threads: ids, signals, what /proc says of them.
//!
//! # Safety
//! The calls touch no memory but what stands beside them.

use core::ffi::c_int;

use anyring_abi::__kernel_timespec;

use super::fd::Fd;
use super::{plain, raw};

/// This thread's number.
pub(crate) fn gettid() -> c_int {
    plain(libc::SYS_gettid, &[]).unwrap_or(0) as c_int
}

/// This process's number.
pub(crate) fn getpid() -> c_int {
    plain(libc::SYS_getpid, &[]).unwrap_or(0) as c_int
}

/// Whether the process has one of these capabilities, by their numbers below 32.
pub(crate) fn is_capable(any: &[u32]) -> bool {
    // _LINUX_CAPABILITY_VERSION_3 and the calling thread; then the effective
    // ones lead each of two triples.
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut data = [0_u32; 6];
    // SAFETY: the header is read, two structs of three words are written.
    let asked = unsafe {
        raw(
            libc::SYS_capget,
            &[(&raw const header) as usize, data.as_mut_ptr() as usize],
        )
    };
    asked.is_ok() && any.iter().any(|one| data[0] >> one & 1 != 0)
}

/// Sets the signals that this thread does not take; those it did not take before.
pub(crate) fn set_signal_mask(mask: u64) -> u64 {
    let mut before = 0_u64;
    // SAFETY: sets of that size are read and written.
    let _ = unsafe {
        raw(
            libc::SYS_rt_sigprocmask,
            &[
                libc::SIG_SETMASK as usize,
                (&raw const mask) as usize,
                (&raw mut before) as usize,
                SIGSET,
            ],
        )
    };
    before
}

/// Bytes of a signal set.
pub(crate) const SIGSET: usize = 8;

/// While it lives this thread's calls raise no SIGPIPE.
#[derive(Debug)]
pub(crate) struct NoSigpipe {
    before: u64,
    /// One was raised already, by the program's own calls.
    pending: bool,
}

impl NoSigpipe {
    const SET: u64 = 1 << (libc::SIGPIPE - 1);

    pub(crate) fn new() -> NoSigpipe {
        let set = Self::SET;
        let (mut before, mut pending) = (0_u64, 0_u64);
        // SAFETY: sets of that size are read and written.
        unsafe {
            let _ = raw(
                libc::SYS_rt_sigprocmask,
                &[
                    libc::SIG_BLOCK as usize,
                    (&raw const set) as usize,
                    (&raw mut before) as usize,
                    SIGSET,
                ],
            );
            let _ = raw(
                libc::SYS_rt_sigpending,
                &[(&raw mut pending) as usize, SIGSET],
            );
        }
        NoSigpipe {
            before,
            pending: pending & set != 0,
        }
    }
}

impl Drop for NoSigpipe {
    fn drop(&mut self) {
        let set = Self::SET;
        let none = __kernel_timespec::default();
        // SAFETY: sets of that size and a time are read.
        unsafe {
            if !self.pending {
                let _ = raw(
                    libc::SYS_rt_sigtimedwait,
                    &[
                        (&raw const set) as usize,
                        0,
                        (&raw const none) as usize,
                        SIGSET,
                    ],
                );
            }
            let _ = raw(
                libc::SYS_rt_sigprocmask,
                &[
                    libc::SIG_SETMASK as usize,
                    (&raw const self.before) as usize,
                    0,
                    SIGSET,
                ],
            );
        }
    }
}

/// Sends a signal to a thread of this process.
pub(crate) fn signal_thread(thread: c_int, signal: c_int) {
    let _ = plain(
        libc::SYS_tgkill,
        &[getpid() as usize, thread as usize, signal as usize],
    );
}

/// The path of what /proc has about a number, with its NUL; `None` if it is too long.
pub(super) fn numbered(folder: &[u8], number: u32, name: &[u8]) -> Option<[u8; 48]> {
    let mut path = [0_u8; 48];
    let number = Decimal::of(number);
    let text = folder.iter().chain(number.text()).chain(name);
    for (to, from) in path.iter_mut().zip(text) {
        *to = *from;
    }
    (path[47] == 0).then_some(path)
}

/// What /proc calls a descriptor.
pub(crate) fn link_of(fd: c_int) -> Option<[u8; 32]> {
    let path = numbered(b"/proc/self/fd/", fd as u32, b"")?;
    let mut name = [0_u8; 32];
    // SAFETY: the path ends in NUL; the buffer has its length.
    unsafe {
        raw(
            libc::SYS_readlinkat,
            &[
                libc::AT_FDCWD as usize,
                path.as_ptr() as usize,
                name.as_mut_ptr() as usize,
                name.len(),
            ],
        )
    }
    .ok()
    .map(|_| name)
}

/// The path of a file that /proc has about a thread of this process, with its NUL.
pub(crate) fn task_file(thread: c_int, name: &[u8]) -> Option<[u8; 48]> {
    numbered(b"/proc/self/task/", thread as u32, name)
}

/// The path of what /proc has about a descriptor of this process, with its NUL.
pub(super) fn fd_info(fd: c_int) -> Option<[u8; 48]> {
    numbered(b"/proc/self/fdinfo/", fd as u32, b"")
}

/// The beginning of a file of /proc, as much as the buffer holds; `None` if it cannot be
/// read.
pub(crate) fn beginning<'a>(path: &[u8; 48], text: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: the path ends in NUL; the buffer has its length.
    let count = unsafe {
        let file = raw(
            libc::SYS_openat,
            &[
                libc::AT_FDCWD as usize,
                path.as_ptr() as usize,
                libc::O_CLOEXEC as usize,
            ],
        );
        let file = Fd::own(file.ok()? as c_int);
        raw(
            libc::SYS_read,
            &[file.get() as usize, text.as_mut_ptr() as usize, text.len()],
        )
        .ok()?
    };
    text.get(..count)
}

/// Device and inode of what a path leads to.
pub(crate) fn place_of(path: &[u8; 48]) -> Option<(u64, u64)> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path ends in NUL; the struct is written when the call succeeds.
    unsafe {
        raw(
            libc::SYS_newfstatat,
            &[
                libc::AT_FDCWD as usize,
                path.as_ptr() as usize,
                stat.as_mut_ptr() as usize,
                0,
            ],
        )
        .ok()?;
        let stat = stat.assume_init();
        Some((stat.st_dev, stat.st_ino))
    }
}

/// The umask of a thread of this process, as /proc has it.
pub(crate) fn umask_of(thread: c_int) -> Option<[u8; 4]> {
    const LABEL: &[u8] = b"\nUmask:\t";
    let mut text = [0_u8; 128];
    let text = beginning(&task_file(thread, b"/status")?, &mut text)?;
    let at = text.windows(LABEL.len()).position(|part| part == LABEL)?;
    text.get(at + LABEL.len()..)?.first_chunk().copied()
}

/// A number as text.
pub(crate) struct Decimal {
    digits: [u8; 10],
    start: usize,
}

impl Decimal {
    pub(crate) fn of(number: u32) -> Decimal {
        let mut text = Decimal {
            digits: [0; 10],
            start: 10,
        };
        let mut left = number;
        for (at, digit) in text.digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
            text.start = at;
            if left == 0 {
                break;
            }
        }
        text
    }

    pub(crate) fn text(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or(&[])
    }
}
