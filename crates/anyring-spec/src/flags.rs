//! Flag words of operations, and which of their bits leave the kernel with the
//! memory that the operation was given.
//!
//! A binding that vouches for the memory of its operations (the Python module)
//! lets a word through only if it is allowed here. Every field that a row of
//! the operation table fills with flags has a row; a test checks that.

use anyring_abi as abi;

/// What may stand in a flag word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Anything: no bit makes the kernel use other memory.
    All,
    /// These bits.
    Bits(u32),
    /// One of these numbers.
    Values(&'static [u32]),
}

/// Where a flag word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Bytes 2 and 3.
    Ioprio,
    /// Bytes 4 to 7, which hold the flags of a futex.
    Fd,
    /// Bytes 24 to 27, where an operation has flags instead of a length.
    Len,
    /// Bytes 28 to 31.
    OpFlags,
    /// Bytes 44 to 47, where a message has the flags of its completion.
    FileIndex,
}

/// A flag word of an operation.
#[derive(Clone, Copy, Debug)]
pub struct FlagWord {
    /// The operation.
    pub opcode: u32,
    /// The field.
    pub word: Word,
    /// What may stand there.
    pub allowed: Allowed,
    /// Why.
    pub why: &'static str,
}

/// What socket calls may be asked for: the flags of recv(2) and send(2), without
/// `MSG_ZEROCOPY`, `MSG_SPLICE_PAGES`, `MSG_SOCK_DEVMEM` and `MSG_CMSG_COMPAT`.
const MESSAGE: Allowed = Allowed::Bits(0x6004_ffff);
const MESSAGE_WHY: &str = "MSG_ZEROCOPY keeps pages after the completion, MSG_SPLICE_PAGES and \
     MSG_SOCK_DEVMEM use pages of others, MSG_CMSG_COMPAT reads another layout";
const RECEIVE: Allowed = Allowed::Bits(
    abi::IORING_RECVSEND_POLL_FIRST
        | abi::IORING_RECV_MULTISHOT
        | abi::IORING_RECVSEND_FIXED_BUF
        | abi::IORING_RECVSEND_BUNDLE,
);
const RECEIVE_WHY: &str = "registered and provided buffers are checked by the kernel";
const SEND: Allowed = Allowed::Bits(
    abi::IORING_RECVSEND_POLL_FIRST
        | abi::IORING_RECVSEND_FIXED_BUF
        | abi::IORING_SEND_ZC_REPORT_USAGE
        | abi::IORING_RECVSEND_BUNDLE,
);
const SEND_WHY: &str = "IORING_SEND_VECTORIZED reads the buffer as a list of addresses";
const FUTEX: Allowed = Allowed::Bits(FUTEX2_SIZE_U32 | FUTEX2_PRIVATE);
const FUTEX_WHY: &str = "FUTEX2_NUMA reads and writes the word behind the futex, FUTEX2_MPOL \
     and other sizes are not given their memory";
/// Of linux/futex.h.
pub const FUTEX2_SIZE_U32: u32 = 2;
/// Of linux/futex.h.
pub const FUTEX2_PRIVATE: u32 = 128;

/// Advice of madvise(2) that leaves memory what it is, whoever's it is: from
/// `MADV_NORMAL` to `MADV_WILLNEED`, `MADV_MERGEABLE` to `MADV_DODUMP`,
/// `MADV_COLD` to `MADV_POPULATE_WRITE`, `MADV_COLLAPSE`.
pub static ADVICE: &[u32] = &[0, 1, 2, 3, 12, 13, 14, 15, 16, 17, 20, 21, 22, 23, 25];
/// Advice that takes contents away: `MADV_DONTNEED`, `MADV_FREE`, `MADV_REMOVE`.
pub static ADVICE_EMPTIES: &[u32] = &[4, 8, 9];
/// Both.
static ADVICE_ALL: &[u32] = &[
    0, 1, 2, 3, 4, 8, 9, 12, 13, 14, 15, 16, 17, 20, 21, 22, 23, 25,
];

const NO_MEMORY: &str = "says how, not where";

const fn free(opcode: u32, word: Word) -> FlagWord {
    FlagWord {
        opcode,
        word,
        allowed: Allowed::All,
        why: NO_MEMORY,
    }
}

const fn word(opcode: u32, word: Word, allowed: Allowed, why: &'static str) -> FlagWord {
    FlagWord {
        opcode,
        word,
        allowed,
        why,
    }
}

/// Every flag word that a function of the interface fills.
#[rustfmt::skip]
pub static FLAG_WORDS: &[FlagWord] = &[
    free(abi::IORING_OP_READV, Word::OpFlags),
    free(abi::IORING_OP_WRITEV, Word::OpFlags),
    free(abi::IORING_OP_READV_FIXED, Word::OpFlags),
    free(abi::IORING_OP_WRITEV_FIXED, Word::OpFlags),
    free(abi::IORING_OP_READ, Word::OpFlags),
    free(abi::IORING_OP_WRITE, Word::OpFlags),
    free(abi::IORING_OP_READ_FIXED, Word::OpFlags),
    free(abi::IORING_OP_WRITE_FIXED, Word::OpFlags),
    free(abi::IORING_OP_FSYNC, Word::OpFlags),
    free(abi::IORING_OP_SYNC_FILE_RANGE, Word::OpFlags),
    free(abi::IORING_OP_POLL_ADD, Word::OpFlags),
    word(abi::IORING_OP_POLL_REMOVE, Word::Len, Allowed::All, "a new tag is kept by the binding, the kernel's stays"),
    free(abi::IORING_OP_POLL_REMOVE, Word::OpFlags),
    word(abi::IORING_OP_SENDMSG, Word::OpFlags, MESSAGE, MESSAGE_WHY),
    word(abi::IORING_OP_SENDMSG, Word::Ioprio, SEND, SEND_WHY),
    word(abi::IORING_OP_SENDMSG_ZC, Word::OpFlags, MESSAGE, MESSAGE_WHY),
    word(abi::IORING_OP_SENDMSG_ZC, Word::Ioprio, SEND, SEND_WHY),
    word(abi::IORING_OP_SEND, Word::OpFlags, MESSAGE, MESSAGE_WHY),
    word(abi::IORING_OP_SEND, Word::Ioprio, SEND, SEND_WHY),
    word(abi::IORING_OP_SEND_ZC, Word::OpFlags, MESSAGE, MESSAGE_WHY),
    word(abi::IORING_OP_SEND_ZC, Word::Ioprio, SEND, SEND_WHY),
    word(abi::IORING_OP_RECVMSG, Word::OpFlags, MESSAGE, MESSAGE_WHY),
    word(abi::IORING_OP_RECVMSG, Word::Ioprio, RECEIVE, RECEIVE_WHY),
    word(abi::IORING_OP_RECV, Word::OpFlags, MESSAGE, MESSAGE_WHY),
    word(abi::IORING_OP_RECV, Word::Ioprio, RECEIVE, RECEIVE_WHY),
    free(abi::IORING_OP_ACCEPT, Word::OpFlags),
    free(abi::IORING_OP_ACCEPT, Word::Ioprio),
    free(abi::IORING_OP_SOCKET, Word::OpFlags),
    free(abi::IORING_OP_TIMEOUT, Word::OpFlags),
    free(abi::IORING_OP_TIMEOUT_REMOVE, Word::OpFlags),
    free(abi::IORING_OP_LINK_TIMEOUT, Word::OpFlags),
    word(abi::IORING_OP_ASYNC_CANCEL, Word::OpFlags, Allowed::All, "tags are looked up by the binding"),
    free(abi::IORING_OP_OPENAT, Word::OpFlags),
    free(abi::IORING_OP_STATX, Word::OpFlags),
    free(abi::IORING_OP_FADVISE, Word::OpFlags),
    word(abi::IORING_OP_MADVISE, Word::OpFlags, Allowed::Values(ADVICE_ALL), "other advice makes other memory of the pages, for good; what takes contents away is for whole pages of a mapping of the program's own"),
    free(abi::IORING_OP_SPLICE, Word::OpFlags),
    free(abi::IORING_OP_TEE, Word::OpFlags),
    free(abi::IORING_OP_RENAMEAT, Word::OpFlags),
    free(abi::IORING_OP_UNLINKAT, Word::OpFlags),
    free(abi::IORING_OP_LINKAT, Word::OpFlags),
    free(abi::IORING_OP_MSG_RING, Word::OpFlags),
    word(abi::IORING_OP_MSG_RING, Word::FileIndex, Allowed::All, "a number in a completion of the other ring"),
    free(abi::IORING_OP_FSETXATTR, Word::OpFlags),
    free(abi::IORING_OP_SETXATTR, Word::OpFlags),
    free(abi::IORING_OP_FGETXATTR, Word::OpFlags),
    free(abi::IORING_OP_GETXATTR, Word::OpFlags),
    free(abi::IORING_OP_EPOLL_WAIT, Word::OpFlags),
    free(abi::IORING_OP_WAITID, Word::OpFlags),
    word(abi::IORING_OP_FUTEX_WAIT, Word::Fd, FUTEX, FUTEX_WHY),
    free(abi::IORING_OP_FUTEX_WAIT, Word::OpFlags),
    word(abi::IORING_OP_FUTEX_WAKE, Word::Fd, FUTEX, FUTEX_WHY),
    free(abi::IORING_OP_FUTEX_WAKE, Word::OpFlags),
    free(abi::IORING_OP_FUTEX_WAITV, Word::OpFlags),
    free(abi::IORING_OP_FIXED_FD_INSTALL, Word::OpFlags),
    free(abi::IORING_OP_PIPE, Word::OpFlags),
];

/// Whether the flags of one futex of `FUTEX_WAITV`, or of any other futex
/// operation, are allowed.
#[must_use]
pub const fn futex_allowed(flags: u32) -> bool {
    match FUTEX {
        Allowed::Bits(bits) => flags & !bits == 0,
        _ => false,
    }
}

/// Bits that may stand in `op_flags`, `ioprio` and `fd` of an opcode.
#[derive(Clone, Copy)]
struct Masks {
    op_flags: u32,
    ioprio: u32,
    fd: u32,
}

static MASKS: [Masks; 128] = masks();

const fn masks() -> [Masks; 128] {
    let mut all = [Masks {
        op_flags: u32::MAX,
        ioprio: u32::MAX,
        fd: u32::MAX,
    }; 128];
    let mut at = 0;
    while at < FLAG_WORDS.len() {
        let row = &FLAG_WORDS[at];
        let bits = match row.allowed {
            Allowed::Bits(bits) => bits,
            // Looked up one by one.
            Allowed::Values(_) => 0,
            Allowed::All => u32::MAX,
        };
        let masks = &mut all[row.opcode as usize];
        match row.word {
            Word::OpFlags => masks.op_flags = bits,
            Word::Ioprio => masks.ioprio = bits,
            Word::Fd => masks.fd = bits,
            Word::Len | Word::FileIndex => {}
        }
        at += 1;
    }
    all
}

/// Whether the flag words of an entry are allowed; the word that is not.
#[inline]
pub fn check(sqe: &abi::io_uring_sqe) -> Result<(), &'static FlagWord> {
    let Some(masks) = MASKS.get(sqe.opcode as usize) else {
        return Ok(());
    };
    let other = sqe.op_flags & !masks.op_flags
        | u32::from(sqe.ioprio) & !masks.ioprio
        | sqe.fd as u32 & !masks.fd;
    if other == 0 { Ok(()) } else { look(sqe) }
}

#[cold]
fn look(sqe: &abi::io_uring_sqe) -> Result<(), &'static FlagWord> {
    let rows = FLAG_WORDS
        .iter()
        .filter(|row| row.opcode == u32::from(sqe.opcode));
    for row in rows {
        let value = match row.word {
            Word::OpFlags => sqe.op_flags,
            Word::Ioprio => sqe.ioprio.into(),
            Word::Fd => sqe.fd as u32,
            Word::Len => sqe.len,
            Word::FileIndex => sqe.file_index,
        };
        let allowed = match row.allowed {
            Allowed::All => true,
            Allowed::Bits(bits) => value & !bits == 0,
            Allowed::Values(values) => values.contains(&value),
        };
        if !allowed {
            return Err(row);
        }
    }
    Ok(())
}
