//! Mistakes: one field of an entry at an odd value.

use anyring::abi::*;

use crate::good;
use crate::world::{KINDS, Kind, World};

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Number(u64),
    /// Mapped, but not for us.
    Guard,
    /// May be read only.
    Constant,
    /// A few bytes before such memory.
    Edge,
    /// What is there, and a little.
    Odd(u64),
}

/// A change of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    Flags(u8),
    Ioprio(u16),
    Fd(i32),
    FdOf(Kind),
    /// A registered file.
    Slot(i32),
    Off(At),
    Addr(At),
    Len(u32),
    OpFlags(u32),
    BufIndex(u16),
    Personality(u16),
    FileIndex(u32),
    Addr3(At),
    Pad(u64),
}

impl At {
    fn apply(self, world: &World<'_>, field: &mut u64) {
        *field = match self {
            At::Number(number) => number,
            At::Guard => world.guard() as u64,
            At::Constant => world.constant() as u64,
            At::Edge => world.guard() as u64 - 4,
            At::Odd(more) => field.wrapping_add(more),
        };
    }
}

impl Change {
    pub(crate) fn apply(self, world: &World<'_>, sqe: &mut io_uring_sqe) {
        match self {
            Change::Nothing => {}
            Change::Flags(value) => sqe.flags ^= value,
            Change::Ioprio(value) => sqe.ioprio ^= value,
            Change::Fd(value) => sqe.fd = value,
            Change::FdOf(kind) => sqe.fd = world.fd(kind),
            Change::Slot(slot) => {
                sqe.flags |= IOSQE_FIXED_FILE as u8;
                sqe.fd = slot;
            }
            Change::Off(at) => at.apply(world, &mut sqe.off),
            Change::Addr(at) => at.apply(world, &mut sqe.addr),
            Change::Len(value) => sqe.len = value,
            Change::OpFlags(value) => sqe.op_flags ^= value,
            Change::BufIndex(value) => sqe.buf_index = value,
            Change::Personality(value) => sqe.personality = value,
            Change::FileIndex(value) => sqe.file_index = value,
            Change::Addr3(at) => at.apply(world, &mut sqe.addr3),
            Change::Pad(value) => sqe.__pad2 = [value],
        }
    }
}

const ADDRESSES: [At; 12] = [
    At::Number(0),
    At::Number(1),
    At::Number(8),
    At::Number(1 << 31),
    At::Number(u32::MAX as u64),
    At::Number(1 << 32),
    At::Number(1 << 63),
    At::Number(u64::MAX),
    At::Number(0xffff_8880_0000_0000),
    At::Guard,
    At::Constant,
    At::Edge,
];

/// All changes of an operation's entries.
pub(crate) fn changes(op: u32) -> Vec<Change> {
    let mut all = vec![Change::Nothing];
    let lengths = [0, 1, 2, 3, 16, 4096, 5000, 1 << 20, 1 << 31, u32::MAX];
    // Registered files are below.
    all.extend((1..8).map(|bit| Change::Flags(1 << bit)));
    all.extend((0..16).map(|bit| Change::Ioprio(1 << bit)));
    all.extend([0x6000, 0xffff, 4 << 13 | 7].map(Change::Ioprio));
    if good::fd_is_number(op) {
        all.extend([-1, 0, 1, 2, 3, 4, 130, 987_654, i32::MIN].map(Change::Fd));
    } else {
        all.extend([-1, 987_654, i32::MIN].map(Change::Fd));
        all.extend(KINDS.map(Change::FdOf));
    }
    // Slots of kinds, empty ones, and none.
    all.extend((0..26).map(Change::Slot));
    all.extend([-1, 987_654].map(Change::Slot));
    all.extend(ADDRESSES.map(Change::Off));
    all.extend(ADDRESSES.map(Change::Addr));
    all.extend(ADDRESSES.map(Change::Addr3));
    all.extend([Change::Addr(At::Odd(1)), Change::Off(At::Odd(1))]);
    all.extend(lengths.map(Change::Len));
    all.extend((0..32).map(|bit| Change::OpFlags(1 << bit)));
    all.extend([3, 5, 6, 7, 9, 12].map(Change::OpFlags));
    all.extend([1, 2, 3, 99, u16::MAX].map(Change::BufIndex));
    all.extend([1, u16::MAX].map(Change::Personality));
    let indices = [0, 1, 2, 3, 19, 24, 25, 26, 1 << 31, u32::MAX - 1, u32::MAX];
    all.extend(indices.map(Change::FileIndex));
    all.extend([1, u64::MAX].map(Change::Pad));
    all.retain(|change| !harms(op, *change));
    all
}

/// What must not be tried.
fn harms(op: u32, change: Change) -> bool {
    match (op, change) {
        // Room for that much may be there, and takes long to find.
        (IORING_OP_FALLOCATE, Change::Addr(At::Number(number))) => {
            number > 1 << 20 && number < 1 << 63
        }
        (IORING_OP_FALLOCATE, Change::Addr(At::Guard | At::Constant | At::Edge)) => true,
        // Descriptors of the test, its harness and the engine.
        (IORING_OP_CLOSE, Change::Fd(fd)) => fd != -1 && fd != 987_654,
        (IORING_OP_SPLICE | IORING_OP_TEE, Change::FileIndex(fd)) => fd < 1 << 20,
        (IORING_OP_RENAMEAT | IORING_OP_LINKAT, Change::Len(fd)) => fd < 100,
        (IORING_OP_CLOSE, Change::FileIndex(0)) => true,
        // Numbers and names that the two do not share, or that they would.
        (IORING_OP_FIXED_FD_INSTALL, Change::FdOf(_)) => true,
        (IORING_OP_MSG_RING, Change::Off(At::Guard | At::Constant | At::Edge)) => true,
        (IORING_OP_ASYNC_CANCEL, Change::OpFlags(8 | 9)) => true,
        (IORING_OP_SPLICE | IORING_OP_TEE, Change::OpFlags(SPLICE_F_FD_IN_FIXED)) => true,
        (IORING_OP_EPOLL_CTL, Change::Off(At::Odd(_))) => true,
        (IORING_OP_BIND, Change::Off(At::Number(8) | At::Odd(_))) => true,
        (IORING_OP_EPOLL_CTL, Change::Off(At::Number(fd))) => fd as u32 <= 8,
        (IORING_OP_MSG_RING, Change::Addr3(At::Number(fd))) => (1..8).contains(&fd),
        _ => false,
    }
}
