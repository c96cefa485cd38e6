//! Descriptors: owned, duplicated, signalled.
//!
//! # Safety
//! The calls touch no memory but what stands beside them.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};

use super::{Sys, plain, raw};

/// A descriptor that the engine made; closed when dropped.
#[derive(Debug)]
pub(crate) struct Fd {
    number: AtomicI32,
    /// The program's descriptor of the same file, if it may have locks.
    from: AtomicI32,
}

impl Fd {
    /// Takes over a descriptor of the engine's own.
    pub(crate) fn own(fd: c_int) -> Fd {
        Fd::of_program(fd, -1)
    }

    /// Takes over a second descriptor of a program's file.
    pub(crate) fn of_program(fd: c_int, from: c_int) -> Fd {
        crate::os::fork::mark(fd, true);
        Fd {
            number: AtomicI32::new(fd),
            from: AtomicI32::new(from),
        }
    }

    /// It proved to be a file that has no locks.
    pub(crate) fn has_no_locks(&self) {
        self.from.store(-1, Ordering::Relaxed);
    }

    /// Its number; -1 once it is closed.
    #[inline]
    pub(crate) fn get(&self) -> c_int {
        self.number.load(Ordering::Relaxed)
    }

    /// Gives it away.
    pub(crate) fn release(self) -> c_int {
        let fd = self.number.swap(-1, Ordering::Relaxed);
        crate::os::fork::mark(fd, false);
        fd
    }

    /// Closes it now; it has no descriptor afterwards.
    pub(crate) fn close(&self) {
        let fd = self.number.swap(-1, Ordering::Relaxed);
        crate::os::fork::mark(fd, false);
        let from = self.from.load(Ordering::Relaxed);
        if fd >= 0 && from >= 0 {
            crate::os::file_cache::close(fd, from);
        } else if fd >= 0 {
            let _ = plain(libc::SYS_close, &[fd as usize]);
        }
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        self.close();
    }
}

/// Closes all descriptors of a range.
pub(crate) fn close_range(first: c_int, last: c_int) -> Sys {
    plain(libc::SYS_close_range, &[first as usize, last as usize, 0])
}

/// Descriptors of the engine start here, out of the way of programs that
/// count on small numbers; below, if the limit on open files is lower.
pub(crate) const MIN_PRIVATE_FD: usize = 200;

/// A second descriptor of the same open file, close-on-exec.
pub(crate) fn dup(fd: c_int) -> Sys<Fd> {
    dup_number(fd).map(|second| Fd::of_program(second, fd))
}

/// A second descriptor of a file of the engine's own.
pub(crate) fn second(fd: c_int) -> Sys<Fd> {
    dup_number(fd).map(Fd::own)
}

/// Makes a number stand for the file of another descriptor; whether it is closed by
/// exec stays.
pub(crate) fn put_over(number: c_int, file: c_int) -> Sys<()> {
    let flags = plain(
        libc::SYS_fcntl,
        &[number as usize, libc::F_GETFD as usize, 0],
    )?;
    let flags = if flags & libc::FD_CLOEXEC as usize != 0 {
        libc::O_CLOEXEC
    } else {
        0
    };
    plain(
        libc::SYS_dup3,
        &[file as usize, number as usize, flags as usize],
    )
    .map(|_| ())
}

fn dup_number(fd: c_int) -> Sys<c_int> {
    plain(
        libc::SYS_fcntl,
        &[fd as usize, libc::F_DUPFD_CLOEXEC as usize, MIN_PRIVATE_FD],
    )
    .or_else(|error| match error {
        e if e == -libc::EINVAL => plain(
            libc::SYS_fcntl,
            &[fd as usize, libc::F_DUPFD_CLOEXEC as usize, 0],
        ),
        e => Err(e),
    })
    .map(|fd| fd as c_int)
}

/// A duplicate from a number on, if there is a free one.
pub(crate) fn dup_from(fd: c_int, from: usize) -> Sys<Fd> {
    plain(
        libc::SYS_fcntl,
        &[fd as usize, libc::F_DUPFD_CLOEXEC as usize, from],
    )
    .map(|second| Fd::of_program(second as c_int, fd))
    .or_else(|error| match error {
        e if e == -libc::EINVAL || e == -libc::EMFILE => dup(fd),
        e => Err(e),
    })
}

/// Moves a fresh descriptor out of the way.
pub(crate) fn high(fd: usize) -> Fd {
    let low = Fd::own(fd as c_int);
    dup_number(low.get()).map_or(low, Fd::own)
}

/// Moves a descriptor of a file that was just opened out of the way, unless the process
/// has POSIX locks on the file: closing it would end them.
pub(crate) fn high_file(fd: c_int) -> Fd {
    if crate::os::file_cache::is_locked(fd) {
        return Fd::of_program(fd, fd);
    }
    let high = high(fd as usize);
    high.from.store(fd, Ordering::Relaxed);
    high
}

/// A counter that polls readable while it is not zero.
pub(crate) fn eventfd() -> Sys<Fd> {
    plain(
        libc::SYS_eventfd2,
        &[0, (libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) as usize],
    )
    .map(high)
}

/// Adds one to a counter.
pub(crate) fn eventfd_add(fd: c_int) {
    let one = 1_u64;
    // SAFETY: eight bytes are read.
    let _ = unsafe {
        raw(
            libc::SYS_write,
            &[fd as usize, (&raw const one) as usize, 8],
        )
    };
}

/// Sets a counter to zero (and a timer's expirations with it).
pub(crate) fn drain(fd: c_int) {
    let mut count = 0_u64;
    // SAFETY: eight bytes are written.
    let _ = unsafe { raw(libc::SYS_read, &[fd as usize, (&raw mut count) as usize, 8]) };
}

/// The flags of an open file (`O_NONBLOCK` and others).
pub(crate) fn status_flags(fd: c_int) -> Sys<c_int> {
    plain(libc::SYS_fcntl, &[fd as usize, libc::F_GETFL as usize, 0]).map(|flags| flags as c_int)
}

/// Sets them.
pub(crate) fn set_status_flags(fd: c_int, flags: c_int) {
    let _ = plain(
        libc::SYS_fcntl,
        &[fd as usize, libc::F_SETFL as usize, flags as usize],
    );
}

/// Whether the number is an open descriptor, other than a mere path.
pub(crate) fn is_open(fd: c_int) -> bool {
    status_flags(fd).is_ok_and(|flags| flags & libc::O_PATH == 0)
}
