//! Descriptors that a program is not given: the eventfd and the epoll instance of a
//! loop's ring. A program that closes numbers at random, or puts another file behind
//! one, must not have that file closed when the ring goes.

use std::os::fd::RawFd;

use crate::owner::identity;

/// What is known of an open file that has no inode of its own, as eventfds and epoll
/// instances have none.
pub(super) struct Hidden {
    fd: RawFd,
    file: Option<(u64, u64)>,
    /// The number that the kernel shows of an eventfd (Linux 5.2, with /proc).
    number: Option<u64>,
}

impl Hidden {
    /// A descriptor that was made just now.
    pub(super) fn new(fd: RawFd) -> Self {
        Hidden {
            fd,
            file: identity(fd),
            number: details(fd).and_then(|text| number(&text)),
        }
    }

    /// Closes it, unless something else is behind the number by now. Of an epoll
    /// instance `watched` says what can be in it.
    pub(super) fn close(self, watched: impl Fn(RawFd) -> bool) {
        if self.file != identity(self.fd) {
            return;
        }
        if let Some(text) = details(self.fd) {
            if self.number != number(&text) || !members(&text).all(watched) {
                return;
            }
            let kind = std::fs::read_link(format!("/proc/self/fd/{}", self.fd));
            let kind = kind.unwrap_or_default();
            if self.number.is_none() && !kind.as_os_str().is_empty() && !kind.ends_with(EPOLL) {
                return;
            }
        }
        // SAFETY: ours as far as can be known, and closed once.
        unsafe { libc::close(self.fd) };
    }
}

const EPOLL: &str = "anon_inode:[eventpoll]";

/// What the kernel says about a descriptor; None without /proc.
fn details(fd: RawFd) -> Option<String> {
    std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()
}

fn number(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("eventfd-id:"))?;
    line.trim().parse().ok()
}

/// The descriptors that are in an epoll instance.
fn members(text: &str) -> impl Iterator<Item = RawFd> {
    text.lines().filter_map(|line| {
        let line = line.strip_prefix("tfd:")?;
        line.split_whitespace().next()?.parse().ok()
    })
}
