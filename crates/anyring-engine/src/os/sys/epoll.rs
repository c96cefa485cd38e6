//! Epolls, polling, timers and clocks.
//!
//! # Safety
//! The calls touch no memory but what stands beside them.

use core::ffi::c_int;
use core::ptr;

use anyring_abi::__kernel_timespec;

use super::fd::{Fd, high, is_open};
use super::process::{beginning, fd_info};
use super::{Sys, plain, raw};

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

/// Whether a file can be waited for. An epoll is asked, by a call that does
/// nothing: whether the file can be polled is looked at before the operation is
/// found to be none.
pub(crate) fn is_pollable(epoll: c_int, fd: c_int) -> bool {
    const NOTHING: c_int = 0;
    is_open(fd) && epoll_ctl(epoll, NOTHING, fd, 0, 0) != Err(-libc::EPERM)
}

/// Whether an epoll watches a descriptor of which this holds, as /proc shows; false for
/// any other file.
pub(crate) fn watched_by(fd: c_int, holds: impl Fn(c_int) -> bool) -> bool {
    let mut text = [0_u8; 4096];
    let Some(text) = fd_info(fd).and_then(|path| beginning(&path, &mut text)) else {
        return false;
    };
    // "tfd: 5 events: 19 ...", a line for each.
    text.split(|byte| *byte == b'\n').any(|line| {
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
