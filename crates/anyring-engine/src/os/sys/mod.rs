//! Ordinary system calls, as the engine needs them.
//!
//! # Safety
//! Every call here is one that the process may make itself; each is checked by
//! the kernel and by whatever policy the process runs under. Wrappers are safe
//! functions where the call touches no memory but its own arguments. [`raw`]
//! hands addresses on that a program put into an SQE: the kernel checks them
//! (`-EFAULT`), and what it writes is what the program asked for.

use core::ffi::c_int;

use anyring::kernel::syscall;

mod epoll;
mod fd;
mod file;
mod mapping;
mod process;
mod text;

pub(crate) use self::epoll::{
    EVENTS, Event, NO_EVENT, epoll, epoll_ctl, epoll_low, epoll_wait, is_pollable, now, poll_now,
    timerfd, timerfd_set, timespec, watched_by,
};
pub(crate) use self::fd::{
    Fd, MIN_PRIVATE_FD, close_range, drain, dup, dup_from, eventfd, eventfd_add, high, high_file,
    is_open, put_over, second, set_status_flags, status_flags,
};
pub(crate) use self::file::{
    Anonymous, anonymous, file_system_of, identity, is_anonymous, is_named_fifo, is_same_file,
    is_seekable, kind_of, knows, record_size, socket_option, takes_nowait,
};
pub(crate) use self::mapping::{free_shared, map, map_shared, memfd, unmap};
pub(crate) use self::process::{
    Decimal, NoSigpipe, SIGSET, beginning, getpid, gettid, is_capable, link_of, place_of,
    set_signal_mask, signal_thread, task_file, umask_of,
};
pub(crate) use self::text::{append, path_of, read_file};

/// Result or `-errno`.
pub(crate) type Sys<T = usize> = Result<T, c_int>;

/// A system call with up to six words; its result or `-errno`.
///
/// # Safety
/// Addresses among `args` are the program's own, given for this purpose, or
/// valid for the call.
#[inline]
pub(crate) unsafe fn raw(number: i64, args: &[usize]) -> Sys {
    let mut a = [0_usize; 6];
    a[..args.len()].copy_from_slice(args);
    // SAFETY: the words are what the call of this number takes: the contract of this
    // function.
    let result = unsafe { syscall(number as _, a) };
    if (-4095..0).contains(&result) {
        Err(result as c_int)
    } else {
        Ok(result as usize)
    }
}

/// A system call that touches no memory of the process.
#[inline]
pub(crate) fn plain(number: i64, args: &[usize]) -> Sys {
    // SAFETY: no addresses among the arguments: that is what this is for.
    unsafe { raw(number, args) }
}

/// preadv2(2), pwritev2(2) or another call. Where the system lacks those two (ENOSYS: old
/// emulators, some sandboxes), the calls without flags stand for them; with flags the
/// answer is that of a file that does not know them, EOPNOTSUPP.
///
/// # Safety
/// As for [`raw`].
#[inline]
pub(crate) unsafe fn transfer(number: i64, args: &[usize; 6]) -> Sys {
    // SAFETY: the contract is that of `raw`, for both.
    unsafe {
        match raw(number, args) {
            Err(e) if e == -libc::ENOSYS => without_flags(number, args),
            result => result,
        }
    }
}

/// The second try of [`transfer`].
///
/// # Safety
/// As for [`raw`].
#[cold]
unsafe fn without_flags(number: i64, args: &[usize; 6]) -> Sys {
    let (at_offset, at_position) = match number {
        libc::SYS_preadv2 => (libc::SYS_preadv, libc::SYS_readv),
        libc::SYS_pwritev2 => (libc::SYS_pwritev, libc::SYS_writev),
        _ => return Err(-libc::ENOSYS),
    };
    // An offset of -1 is the file's position.
    let number = if args[3] == usize::MAX {
        at_position
    } else {
        at_offset
    };
    if args[5] != 0 {
        // What the file refuses in any case it refuses without vectors.
        return plain(number, &[args[0], 0, 0, args[3], 0]).and(Err(-libc::EOPNOTSUPP));
    }
    // SAFETY: descriptor, vectors and offset are those of the call that failed.
    unsafe { raw(number, &args[..5]) }
}

/// A result in the way io_uring gives it: zero or more, or `-errno`.
#[inline]
pub(crate) fn to_res(result: Sys) -> i32 {
    match result {
        Ok(value) => value as i32,
        Err(error) => error,
    }
}
