//! Ordinary system calls, as the engine needs them.
//!
//! # Safety
//! Every call here is one that the process may make itself; each is checked by
//! the kernel and by whatever policy the process runs under. Wrappers are safe
//! functions where the call touches no memory but its own arguments. [`raw`]
//! hands addresses on that a program put into an SQE: the kernel checks them
//! (`-EFAULT`), and what it writes is what the program asked for.

use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicI32, Ordering};

use anyring::kernel::syscall;
use anyring_abi::__kernel_timespec;

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

/// An epoll descriptor; out of the way or, as programs see it, at its number.
pub(crate) fn epoll() -> Sys<Fd> {
    plain(libc::SYS_epoll_create1, &[libc::EPOLL_CLOEXEC as usize]).map(high)
}

/// An epoll with the lowest free number, which io_uring_setup(2) gives.
pub(crate) fn epoll_low() -> Sys<Fd> {
    plain(libc::SYS_epoll_create1, &[libc::EPOLL_CLOEXEC as usize]).map(|fd| Fd::own(fd as c_int))
}

/// An event of an epoll.
pub(crate) type Event = libc::epoll_event;

/// epoll_ctl(2).
pub(crate) fn epoll_ctl(epoll: c_int, op: c_int, fd: c_int, events: u32, data: u64) -> Sys {
    let event = Event { events, u64: data };
    // SAFETY: the event is read during the call.
    unsafe {
        raw(
            libc::SYS_epoll_ctl,
            &[
                epoll as usize,
                op as usize,
                fd as usize,
                (&raw const event) as usize,
            ],
        )
    }
}

/// Room for events.
pub(crate) const EVENTS: usize = 64;

/// An empty event.
pub(crate) const NO_EVENT: Event = Event { events: 0, u64: 0 };

const SYS_EPOLL_PWAIT2: i64 = 441;

/// epoll_pwait2(2), or what comes nearest on older kernels. A NULL timeout
/// waits for good; the mask is NULL or what the program gave.
pub(crate) fn epoll_wait(
    epoll: c_int,
    events: &mut [Event; EVENTS],
    timeout: Option<__kernel_timespec>,
    mask: (usize, usize),
) -> Sys {
    let ts = timeout
        .as_ref()
        .map_or(ptr::null(), |timeout| &raw const *timeout);
    // SAFETY: room for EVENTS events; the mask is the program's own.
    let result = unsafe {
        raw(
            SYS_EPOLL_PWAIT2,
            &[
                epoll as usize,
                events.as_mut_ptr() as usize,
                EVENTS,
                ts as usize,
                mask.0,
                mask.1,
            ],
        )
    };
    if !matches!(result, Err(e) if e == -libc::ENOSYS || e == -libc::EPERM) {
        return result;
    }
    let millis = timeout.map_or(-1_i32, |t| {
        let millis = t
            .tv_sec
            .saturating_mul(1000)
            .saturating_add((t.tv_nsec + 999_999) / 1_000_000);
        millis.clamp(0, i64::from(i32::MAX)) as i32
    });
    // SAFETY: at most as many events are written as the array has room for.
    unsafe {
        raw(
            libc::SYS_epoll_pwait,
            &[
                epoll as usize,
                events.as_mut_ptr() as usize,
                EVENTS,
                millis as usize,
                mask.0,
                mask.1,
            ],
        )
    }
}

/// Ready events of one descriptor, without waiting; POLLNVAL for a bad one.
pub(crate) fn poll_now(fd: c_int, events: u32) -> u32 {
    let mut poll = libc::pollfd {
        fd,
        events: events as i16,
        revents: 0,
    };
    let zero = __kernel_timespec::default();
    // SAFETY: one entry is read and written, the timeout is read.
    let result = unsafe {
        raw(
            libc::SYS_ppoll,
            &[
                (&raw mut poll) as usize,
                1,
                (&raw const zero) as usize,
                0,
                8,
            ],
        )
    };
    match result {
        Ok(0) | Err(_) => 0,
        Ok(_) => u32::from(poll.revents as u16),
    }
}

/// A timer that polls readable when it expires.
pub(crate) fn timerfd(clock: c_int) -> Sys<Fd> {
    plain(
        libc::SYS_timerfd_create,
        &[
            clock as usize,
            (libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) as usize,
        ],
    )
    .map(high)
}

/// Sets a timer to a point of its clock; `None` stops it.
pub(crate) fn timerfd_set(fd: c_int, at: Option<u64>) {
    // A zero would stop the timer: the first nanosecond is past as well.
    let at = at.map_or_else(__kernel_timespec::default, |at| timespec(at.max(1)));
    let spec = [__kernel_timespec::default(), at];
    // SAFETY: the two points are read during the call.
    let _ = unsafe {
        raw(
            libc::SYS_timerfd_settime,
            &[
                fd as usize,
                libc::TFD_TIMER_ABSTIME as usize,
                spec.as_ptr() as usize,
                0,
            ],
        )
    };
}

/// Nanoseconds of a clock.
pub(crate) fn now(clock: c_int) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the struct is written; a bad clock leaves it as it is.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    (time.tv_sec as u64)
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec as u64)
}

/// Nanoseconds as a time span or point.
pub(crate) fn timespec(nanos: u64) -> __kernel_timespec {
    __kernel_timespec {
        tv_sec: (nanos / 1_000_000_000) as i64,
        tv_nsec: (nanos % 1_000_000_000) as i64,
    }
}

/// This thread's number.
pub(crate) fn gettid() -> c_int {
    plain(libc::SYS_gettid, &[]).unwrap_or(0) as c_int
}

/// This process's number.
pub(crate) fn getpid() -> c_int {
    plain(libc::SYS_getpid, &[]).unwrap_or(0) as c_int
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

/// Whether a file can be waited for. An epoll is asked, by a call that does
/// nothing: whether the file can be polled is looked at before the operation is
/// found to be none.
pub(crate) fn is_pollable(epoll: c_int, fd: c_int) -> bool {
    const NOTHING: c_int = 0;
    is_open(fd) && epoll_ctl(epoll, NOTHING, fd, 0, 0) != Err(-libc::EPERM)
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

/// Bytes of the records that a read takes out of an eventfd, a timerfd or a
/// signalfd whole; none for other files, or if nothing says what the file is.
pub(crate) fn record_size(fd: c_int) -> Option<usize> {
    if kind_of(fd).ok()?.0 != 0 {
        return None;
    }
    let name = link_of(fd)?;
    let is = |kind: &[u8]| name.starts_with(kind);
    if is(b"anon_inode:[eventfd]") || is(b"anon_inode:[timerfd]") {
        Some(8)
    } else if is(b"anon_inode:[signalfd]") {
        Some(size_of::<libc::signalfd_siginfo>())
    } else {
        None
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

/// Whether an epoll watches a descriptor of which this holds, as /proc shows; false for
/// any other file.
pub(crate) fn watched_by(fd: c_int, holds: impl Fn(c_int) -> bool) -> bool {
    let number = Decimal::of(fd as u32);
    let mut path = [0_u8; 48];
    let text = b"/proc/self/fdinfo/".iter().chain(number.text());
    for (to, from) in path.iter_mut().zip(text) {
        *to = *from;
    }
    let mut text = [0_u8; 4096];
    // SAFETY: the path ends in NUL; the buffer has its length.
    let count = unsafe {
        let Ok(info) = raw(
            libc::SYS_openat,
            &[
                libc::AT_FDCWD as usize,
                path.as_ptr() as usize,
                libc::O_CLOEXEC as usize,
            ],
        ) else {
            return false;
        };
        let info = Fd::own(info as c_int);
        raw(
            libc::SYS_read,
            &[info.get() as usize, text.as_mut_ptr() as usize, text.len()],
        )
        .unwrap_or(0)
    };
    // "tfd: 5 events: 19 ...", a line for each.
    text[..count].split(|byte| *byte == b'\n').any(|line| {
        let Some(rest) = line.strip_prefix(b"tfd:") else {
            return false;
        };
        let digits = rest.trim_ascii_start().iter();
        let number = digits
            .take_while(|byte| byte.is_ascii_digit())
            .fold(0_i32, |all, digit| {
                all.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'))
            });
        holds(number)
    })
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

/// What /proc calls a descriptor.
pub(crate) fn link_of(fd: c_int) -> Option<[u8; 32]> {
    let mut path = [0_u8; 32];
    let number = Decimal::of(fd as u32);
    let text = b"/proc/self/fd/".iter().chain(number.text());
    for (to, from) in path.iter_mut().zip(text) {
        *to = *from;
    }
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
    let mut path = [0_u8; 48];
    let number = Decimal::of(thread as u32);
    let text = b"/proc/self/task/".iter().chain(number.text()).chain(name);
    for (to, from) in path.iter_mut().zip(text) {
        *to = *from;
    }
    (path[47] == 0).then_some(path)
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
    let path = task_file(thread, b"/status")?;
    let mut text = [0_u8; 128];
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
    const LABEL: &[u8] = b"\nUmask:\t";
    let text = &text[..count];
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
