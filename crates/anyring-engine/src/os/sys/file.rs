//! What kind of file a descriptor is of.
//!
//! # Safety
//! The calls touch no memory but what stands beside them.

use core::ffi::c_int;

use super::epoll::{epoll, epoll_ctl};
use super::fd::{dup, status_flags};
use super::process::{getpid, link_of};
use super::{Sys, plain, raw};

/// Device and inode of a descriptor's file.
pub(crate) fn identity(fd: c_int) -> Sys<(u64, u64)> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the struct is written when the call succeeds.
    unsafe {
        raw(libc::SYS_fstat, &[fd as usize, stat.as_mut_ptr() as usize])?;
        let stat = stat.assume_init();
        Ok((stat.st_dev, stat.st_ino))
    }
}

/// Whether the file has a position.
pub(crate) fn is_seekable(fd: c_int) -> bool {
    plain(libc::SYS_lseek, &[fd as usize, 0, libc::SEEK_CUR as usize]) != Err(-libc::ESPIPE)
}

/// Whether reads and writes of a file that can be polled need not wait: that of
/// sockets, pipes, files with records, and of what the program opened so.
pub(crate) fn takes_nowait(fd: c_int) -> bool {
    let is_socket_or_pipe = match kind_of(fd) {
        Ok((libc::S_IFSOCK, _)) => true,
        Ok((libc::S_IFIFO, _)) => !is_named_fifo(fd),
        _ => record_size(fd).is_some(),
    };
    is_socket_or_pipe || status_flags(fd).is_ok_and(|flags| flags & libc::O_NONBLOCK != 0)
}

/// Whether a FIFO was opened by its name, not made by pipe(2).
pub(crate) fn is_named_fifo(fd: c_int) -> bool {
    kind_of(fd).is_ok_and(|kind| kind.0 == libc::S_IFIFO)
        && link_of(fd).is_some_and(|name| !name.starts_with(b"pipe:"))
}

/// Whether reads (preadv2) or writes (pwritev2) are possible at all, asked by a
/// transfer of nothing.
pub(crate) fn knows(number: i64, fd: c_int) -> bool {
    plain(number, &[fd as usize, 0, 0, usize::MAX, 0, 0]) != Err(-libc::EINVAL)
}

/// Files without a name, as far as the engine treats them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anonymous {
    Eventfd,
    Timerfd,
    Signalfd,
    Epoll,
}

/// Which of them a descriptor is; none for other files, or if nothing says what the
/// file is.
pub(crate) fn anonymous(fd: c_int) -> Option<Anonymous> {
    if !is_anonymous(fd) {
        return None;
    }
    let name = link_of(fd)?;
    let kinds: [(&[u8], Anonymous); 4] = [
        (b"anon_inode:[eventfd]", Anonymous::Eventfd),
        (b"anon_inode:[timerfd]", Anonymous::Timerfd),
        (b"anon_inode:[signalfd]", Anonymous::Signalfd),
        (b"anon_inode:[eventpoll]", Anonymous::Epoll),
    ];
    let found = kinds.iter().find(|(start, _)| name.starts_with(start))?;
    Some(found.1)
}

/// Bytes of the records that a read takes out of an eventfd, a timerfd or a
/// signalfd whole; none for other files, or if nothing says what the file is.
pub(crate) fn record_size(fd: c_int) -> Option<usize> {
    match anonymous(fd)? {
        Anonymous::Eventfd | Anonymous::Timerfd => Some(8),
        Anonymous::Signalfd => Some(size_of::<libc::signalfd_siginfo>()),
        Anonymous::Epoll => None,
    }
}

/// Whether two descriptors name one open file. Where kcmp(2) is denied, an epoll
/// knows: its entries are found by the number and the open file together.
pub(crate) fn is_same_file(one: c_int, other: c_int) -> bool {
    const KCMP_FILE: usize = 0;
    if one == other {
        return true;
    }
    let me = getpid() as usize;
    match plain(
        libc::SYS_kcmp,
        &[me, me, KCMP_FILE, one as usize, other as usize],
    ) {
        Ok(order) => order == 0,
        Err(e) if e == -libc::EBADF => false,
        Err(_) => is_same_by_epoll(one, other).unwrap_or(false),
    }
}

#[cold]
fn is_same_by_epoll(one: c_int, other: c_int) -> Sys<bool> {
    if crate::os::file_cache::has_offsets(one) {
        // An epoll takes no such file, and a second descriptor of it must not be
        // closed. Two that were opened alike and stand at the same place are
        // taken for one.
        let seek = |fd: c_int| plain(libc::SYS_lseek, &[fd as usize, 0, libc::SEEK_CUR as usize]);
        return Ok(crate::os::file_cache::is_alike(one, other) && seek(one) == seek(other));
    }
    let epoll = epoll()?;
    let second = dup(one)?;
    second.has_no_locks();
    let number = second.get();
    epoll_ctl(epoll.get(), libc::EPOLL_CTL_ADD, number, 0, 0)?;
    plain(
        libc::SYS_dup3,
        &[other as usize, number as usize, libc::O_CLOEXEC as usize],
    )?;
    Ok(epoll_ctl(epoll.get(), libc::EPOLL_CTL_MOD, number, 0, 0).is_ok())
}

/// Whether a file has no kind, as epolls and eventfds have none.
pub(crate) fn is_anonymous(fd: c_int) -> bool {
    kind_of(fd).is_ok_and(|(kind, _)| kind == 0)
}

/// The kind of a file, as `S_IFMT` has it, and its device number if it is one.
pub(crate) fn kind_of(fd: c_int) -> Sys<(u32, u64)> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the struct is written when the call succeeds.
    unsafe {
        raw(libc::SYS_fstat, &[fd as usize, stat.as_mut_ptr() as usize])?;
        let stat = stat.assume_init();
        Ok((stat.st_mode & libc::S_IFMT, stat.st_rdev))
    }
}

/// The number of the kind of file system that a file is on.
pub(crate) fn file_system_of(fd: c_int) -> Sys<u32> {
    let mut stat = core::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the struct is written when the call succeeds.
    unsafe {
        raw(
            libc::SYS_fstatfs,
            &[fd as usize, stat.as_mut_ptr() as usize],
        )?;
        Ok(stat.assume_init().f_type as u32)
    }
}

/// An option of a socket that is a number.
pub(crate) fn socket_option(fd: c_int, option: c_int) -> Sys<c_int> {
    let mut value: c_int = 0;
    let mut len: u32 = 4;
    // SAFETY: two numbers are written.
    unsafe {
        raw(
            libc::SYS_getsockopt,
            &[
                fd as usize,
                libc::SOL_SOCKET as usize,
                option as usize,
                (&raw mut value) as usize,
                (&raw mut len) as usize,
            ],
        )
    }?;
    Ok(value)
}
