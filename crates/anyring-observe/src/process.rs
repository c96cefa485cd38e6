//! Processes and their rings, by /proc.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::fdinfo::{self, FdInfo};
use crate::names::escape;

/// A ring among the descriptors of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingFd {
    /// The descriptor.
    pub fd: i32,
    /// Inode of the file: rings have one each on newer kernels, all the same on older.
    pub inode: u64,
}

/// The rings of a process, by descriptor.
///
/// # Errors
/// In words: there is no such process, or it may not be looked at.
pub fn rings(pid: i32) -> Result<Vec<RingFd>, String> {
    let folder = format!("/proc/{pid}/fd");
    let entries = fs::read_dir(&folder).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOENT) => format!("there is no process {pid}"),
        Some(libc::EACCES | libc::EPERM) => forbidden(pid),
        _ => format!("{folder}: {error}"),
    })?;
    let mut found: Vec<RingFd> = entries
        .flatten()
        .filter_map(|entry| {
            let fd = entry.file_name().to_str()?.parse().ok()?;
            Some(RingFd {
                fd,
                inode: ring_inode(pid, fd)?,
            })
        })
        .collect();
    found.sort_by_key(|ring| ring.fd);
    Ok(found)
}

/// The inode of a descriptor, if it is a ring.
#[must_use]
pub fn ring_inode(pid: i32, fd: i32) -> Option<u64> {
    let path = format!("/proc/{pid}/fd/{fd}");
    let link = fs::read_link(&path).ok()?;
    (link.as_os_str() == "anon_inode:[io_uring]").then_some(())?;
    Some(fs::metadata(&path).ok()?.ino())
}

/// Why a process may not be looked at.
#[must_use]
pub fn forbidden(pid: i32) -> String {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let yama = match scope.trim() {
        "1" => {
            " kernel.yama.ptrace_scope is 1: only descendants may be traced without CAP_SYS_PTRACE."
        }
        "2" => " kernel.yama.ptrace_scope is 2: only CAP_SYS_PTRACE may trace.",
        "3" => " kernel.yama.ptrace_scope is 3: tracing is switched off until the next boot.",
        _ => "",
    };
    let owner = fs::metadata(format!("/proc/{pid}")).map(|file| file.uid());
    let owner = owner.map_or_else(|_| "another user".into(), |uid| format!("user {uid}"));
    format!(
        "process {pid} may not be looked at (EPERM): it belongs to {owner}, has dropped or gained privileges, or is in another user namespace; ptrace(2) has the rule, CAP_SYS_PTRACE lifts it.{yama}"
    )
}

/// What the kernel says of a ring; `None` once it is gone.
#[must_use]
pub fn info(pid: i32, fd: i32) -> Option<FdInfo> {
    let text = fs::read(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
    Some(fdinfo::parse(&String::from_utf8_lossy(&text)))
}

/// The name of a process, harmless for a terminal.
#[must_use]
pub fn name(pid: i32) -> String {
    match fs::read(format!("/proc/{pid}/comm")) {
        Ok(name) => escape(name.trim_ascii_end()),
        Err(_) => String::new(),
    }
}

/// All processes, by number.
#[must_use]
pub fn all() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    found.sort_unstable();
    found
}

/// The process that a thread belongs to.
#[must_use]
pub fn of_thread(tid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
}

/// What a descriptor of a process is, harmless for a terminal: a path,
/// `socket:[…]` as its addresses where it is TCP or UDP.
#[must_use]
pub fn file(pid: i32, fd: i32) -> Option<String> {
    use std::os::unix::ffi::OsStrExt;
    let link = fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
    let text = escape(link.as_os_str().as_bytes());
    let inode = text
        .strip_prefix("socket:[")
        .and_then(|rest| rest.strip_suffix(']'));
    Some(inode.and_then(|inode| socket(pid, inode)).unwrap_or(text))
}

fn socket(pid: i32, inode: &str) -> Option<String> {
    ["tcp", "tcp6", "udp", "udp6"].iter().find_map(|kind| {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{kind}")).ok()?;
        let line = table
            .lines()
            .skip(1)
            .find(|line| line.split_whitespace().nth(9) == Some(inode))?;
        let mut words = line.split_whitespace().skip(1);
        let (here, there) = (address(words.next()?)?, address(words.next()?)?);
        let listens = there.ends_with(":0");
        Some(if listens {
            format!("{kind} {here}")
        } else {
            format!("{kind} {here}->{there}")
        })
    })
}

fn address(text: &str) -> Option<String> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for word in 0..ip.len() / 8 {
        bytes.extend(
            u32::from_str_radix(ip.get(word * 8..word * 8 + 8)?, 16)
                .ok()?
                .to_ne_bytes(),
        );
    }
    Some(match bytes.len() {
        4 => format!(
            "{}:{port}",
            std::net::Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)
        ),
        16 => format!(
            "[{}]:{port}",
            std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)
        ),
        _ => return None,
    })
}

/// Where a process has mapped the memory of a ring: the queues, the entries.
#[must_use]
pub fn mapped(pid: i32, inode: u64) -> Option<(u64, u64)> {
    let maps = fs::read(format!("/proc/{pid}/maps")).ok()?;
    let (mut queues, mut entries) = (None, None);
    for line in String::from_utf8_lossy(&maps).lines() {
        if !line.ends_with("anon_inode:[io_uring]") {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [range, _, offset, _, number, ..] = words[..] else {
            continue;
        };
        if number.parse() != Ok(inode) {
            continue;
        }
        let start = range
            .split('-')
            .next()
            .and_then(|start| u64::from_str_radix(start, 16).ok());
        match u64::from_str_radix(offset, 16) {
            Ok(anyring_abi::IORING_OFF_SQ_RING | anyring_abi::IORING_OFF_CQ_RING) => {
                queues = queues.or(start)
            }
            Ok(anyring_abi::IORING_OFF_SQES) => entries = start,
            _ => {}
        }
    }
    Some((queues?, entries?))
}
