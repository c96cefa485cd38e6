//! Flags by name.

use std::fmt::Write;

use anyring_abi as abi;

/// A constant and its name in C.
pub type Name = (&'static str, u64);

macro_rules! libc_names {
    ($($name:ident)*) => { &[ $( (stringify!($name), libc::$name as u32 as u64) ),* ] };
}

/// Flags whose header is not io_uring's, by the name that the SQE field has for
/// them in the operation table.
fn foreign(field: &str) -> &'static [Name] {
    match field {
        "msg_flags" => libc_names!(MSG_OOB MSG_PEEK MSG_DONTROUTE MSG_CTRUNC MSG_TRUNC MSG_DONTWAIT
            MSG_EOR MSG_WAITALL MSG_CONFIRM MSG_ERRQUEUE MSG_NOSIGNAL MSG_MORE MSG_CMSG_CLOEXEC),
        "open_flags" => libc_names!(O_WRONLY O_RDWR O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND
            O_NONBLOCK O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_DIRECT O_NOATIME O_PATH O_SYNC O_DSYNC),
        "accept_flags" => libc_names!(SOCK_NONBLOCK SOCK_CLOEXEC),
        "pipe_flags" => libc_names!(O_NONBLOCK O_CLOEXEC O_DIRECT),
        "rw_flags" => libc_names!(RWF_HIPRI RWF_DSYNC RWF_SYNC RWF_NOWAIT RWF_APPEND),
        "poll32_events" => libc_names!(POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDNORM
            POLLRDBAND POLLWRNORM POLLWRBAND POLLRDHUP EPOLLEXCLUSIVE EPOLLONESHOT EPOLLET),
        "statx_flags" | "unlink_flags" | "hardlink_flags" => libc_names!(AT_SYMLINK_NOFOLLOW
            AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH AT_STATX_FORCE_SYNC
            AT_STATX_DONT_SYNC),
        "rename_flags" => libc_names!(RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT),
        "splice_flags" => libc_names!(SPLICE_F_MOVE SPLICE_F_NONBLOCK SPLICE_F_MORE SPLICE_F_GIFT),
        "sync_range_flags" => libc_names!(SYNC_FILE_RANGE_WAIT_BEFORE SYNC_FILE_RANGE_WRITE
            SYNC_FILE_RANGE_WAIT_AFTER),
        "xattr_flags" => libc_names!(XATTR_CREATE XATTR_REPLACE),
        "waitid_flags" => libc_names!(WNOHANG WSTOPPED WEXITED WCONTINUED WNOWAIT),
        _ => &[],
    }
}

/// Beginnings of the names of io_uring's own flags in this field.
fn prefixes(field: &str, opcode: u32) -> &'static [&'static str] {
    match field {
        "flags" => &["IOSQE_"],
        "ioprio" if opcode == abi::IORING_OP_ACCEPT => &["IORING_ACCEPT_"],
        "ioprio" => match opcode {
            abi::IORING_OP_SEND
            | abi::IORING_OP_RECV
            | abi::IORING_OP_SENDMSG
            | abi::IORING_OP_RECVMSG
            | abi::IORING_OP_SEND_ZC
            | abi::IORING_OP_SENDMSG_ZC
            | abi::IORING_OP_RECV_ZC => &["IORING_RECVSEND_", "IORING_RECV_", "IORING_SEND_"],
            _ => &[],
        },
        "len" if opcode == abi::IORING_OP_POLL_ADD || opcode == abi::IORING_OP_POLL_REMOVE => {
            &["IORING_POLL_"]
        }
        "timeout_flags" => &["IORING_TIMEOUT_", "IORING_LINK_TIMEOUT_"],
        "fsync_flags" => &["IORING_FSYNC_"],
        "cancel_flags" => &["IORING_ASYNC_CANCEL_"],
        "msg_ring_flags" => &["IORING_MSG_RING_"],
        "install_fd_flags" => &["IORING_FIXED_FD_"],
        "splice_flags" => &["SPLICE_F_FD_IN_FIXED"],
        _ => &[],
    }
}

/// Every constant of the interface.
pub fn constants() -> impl Iterator<Item = &'static abi::Constant> {
    abi::GROUPS.iter().flat_map(|group| group.constants)
}

fn own(prefix: &str) -> impl Iterator<Item = Name> {
    constants()
        .filter(move |c| c.name.starts_with(prefix) && c.value.is_power_of_two())
        .filter(|c| !c.name.ends_with("_BIT") && !c.name.ends_with("_MASK"))
        .map(|c| (c.name, c.value))
}

/// The flags that may stand in a field of an operation.
#[must_use]
pub fn of_field(field: &str, opcode: u32) -> Vec<Name> {
    let mut all: Vec<Name> = foreign(field).to_vec();
    for prefix in prefixes(field, opcode) {
        all.extend(own(prefix));
    }
    all
}

/// A flag word in C: names joined by `|`, bits without a name in hex, 0 for none.
#[must_use]
pub fn flags(value: u64, names: &[Name]) -> String {
    let mut text = String::new();
    let mut rest = value;
    for (name, bits) in names {
        if *bits != 0 && rest & bits == *bits {
            rest &= !bits;
            if !text.is_empty() {
                text.push('|');
            }
            text.push_str(name);
        }
    }
    if rest != 0 || text.is_empty() {
        let bar = if text.is_empty() { "" } else { "|" };
        let _ = if rest == 0 {
            write!(text, "0")
        } else {
            write!(text, "{bar}{rest:#x}")
        };
    }
    text
}

/// The flags of a prefix, as text without that prefix (`F_MORE`).
#[must_use]
pub fn short(value: u64, prefix: &str) -> String {
    let names: Vec<Name> = own(prefix).collect();
    flags(value, &names).replace(prefix, "")
}

/// The value of a name in C.
#[must_use]
pub fn value(name: &str) -> Option<u64> {
    const FIELDS: &[&str] = &[
        "msg_flags",
        "open_flags",
        "accept_flags",
        "pipe_flags",
        "rw_flags",
        "poll32_events",
        "statx_flags",
        "rename_flags",
        "splice_flags",
        "sync_range_flags",
        "xattr_flags",
        "waitid_flags",
    ];
    match name {
        "AT_FDCWD" => return Some(libc::AT_FDCWD as i64 as u64),
        "BLOCK_URING_CMD_DISCARD" => return Some(abi::BLOCK_URING_CMD_DISCARD.into()),
        "BLOCK_URING_CMD_ZONE_RESET_ALL" => {
            return Some(abi::BLOCK_URING_CMD_ZONE_RESET_ALL.into());
        }
        _ => {}
    }
    constants()
        .find(|c| c.name == name)
        .map(|c| c.value)
        .or_else(|| {
            FIELDS
                .iter()
                .flat_map(|field| foreign(field))
                .find(|(known, _)| *known == name)
                .map(|(_, value)| *value)
        })
}

/// The name of an errno, as `EAGAIN`; the number where it has none.
#[must_use]
pub fn errno(number: i32) -> String {
    anyring::Errno(number)
        .name()
        .map_or_else(|| format!("errno {number}"), str::to_owned)
}

/// Text of another process, made harmless for a terminal: control characters,
/// also those beyond ASCII and the marks that reorder text, become escapes.
#[must_use]
pub fn escape(text: &[u8]) -> String {
    let mut out = String::new();
    for c in String::from_utf8_lossy(text).chars() {
        let reorders = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || c == '\\' || reorders {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
