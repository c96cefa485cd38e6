//! Random operations. The same generator runs once for each world, from equal
//! numbers, and so gives the same operation on each world's own objects.

use anyring::abi::*;
use anyring::prep;

use crate::random::Random;
use crate::world::{FILES, GROUP, OBJECTS, PIPES, SLOTS, STREAMS, World};

/// What an operation concerns, one bit each. Chains that run at the same time
/// share none, so that only one result is legal.
pub(crate) type Tokens = u64;

const NAMES: Tokens = 1 << 40;
const SLOT: Tokens = 1 << 41;
const RING_GROUP: Tokens = 1 << 42;
const CLASSIC_GROUP: Tokens = 1 << 43;
const FIXED: Tokens = 1 << 44;
const SECOND: Tokens = 1 << 45;

fn file_token(at: usize) -> Tokens {
    1 << at
}

/// The end of a byte queue that is read from, the one that is written to.
fn queue_tokens(at: usize) -> [Tokens; 2] {
    [1 << (8 + 2 * at), 2 << (8 + 2 * at)]
}

/// Both ends of whatever has a token here.
pub(crate) fn widen(tokens: Tokens) -> Tokens {
    let queues = (tokens >> 8) & 0xff_ffff;
    let both = queues | (queues & 0x55_5555) << 1 | (queues & 0xaa_aaaa) >> 1;
    tokens | both << 8
}

/// What the test knows of an operation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About {
    pub(crate) tokens: Tokens,
    /// It may wait for ever.
    pub(crate) parks: bool,
    /// Its result is a descriptor.
    pub(crate) gives_fd: bool,
    /// The request it is about and its chain, which must not be concerned by
    /// others now.
    pub(crate) target: Option<(u64, u64)>,
    pub(crate) opcode: u8,
}

/// A byte queue, with the descriptors at its ends.
fn queue(world: &World, at: usize) -> ([i32; 2], [usize; 2]) {
    if at < 2 * STREAMS {
        let (pair, side) = (at / 2, at % 2);
        let slots = FILES + 2 * pair;
        let fds = world.streams[pair];
        ([fds[side], fds[1 - side]], [slots + side, slots + 1 - side])
    } else {
        let pipe = at - 2 * STREAMS;
        let slots = FILES + 2 * STREAMS + 2 * pipe;
        (world.pipes[pipe], [slots, slots + 1])
    }
}

/// Takes the descriptor itself or its registered index.
fn target(sqe: &mut io_uring_sqe, random: &mut Random, fd: i32, slot: usize) {
    if random.one_in(3) {
        sqe.fd = slot as i32;
        sqe.flags |= IOSQE_FIXED_FILE as u8;
    } else {
        sqe.fd = fd;
    }
}

fn vectors(world: &mut World, random: &mut Random) -> (*const libc::iovec, u32) {
    let mut words = Vec::new();
    let count = random.below(4) + 1;
    for _ in 0..count {
        let len = random.below(200);
        let at = world.buffer(len, random.next());
        words.extend([at as u64, len as u64]);
    }
    (world.keep(&words).cast_const().cast(), count as u32)
}

fn time(world: &mut World, nanos: u64) -> *const __kernel_timespec {
    let words = [nanos / 1_000_000_000, nanos % 1_000_000_000];
    world.keep(&words).cast_const().cast()
}

const LONG: u64 = 3_600_000_000_000;

/// Fills an SQE with a random operation.
pub(crate) fn fill(
    world: &mut World,
    random: &mut Random,
    sqe: &mut io_uring_sqe,
    pending: &[(u64, u64, Tokens)],
) -> About {
    let mut about = About::default();
    match random.below(16) {
        0 => prep::prep_nop(sqe),
        1..=4 => file(world, random, sqe, &mut about),
        5..=8 => bytes(world, random, sqe, &mut about),
        9 => names(world, random, sqe, &mut about),
        10 => waits(world, random, sqe, &mut about),
        11 | 12 => others(world, random, sqe, &mut about, pending),
        13 => selected(world, random, sqe, &mut about),
        14 => slots(world, random, sqe, &mut about),
        _ => {
            let tag = 0xfeed_0000 + random.next() % 100;
            let flags = random.below(2) as u32;
            match random.below(4) {
                0 => prep::prep_msg_ring(sqe, world.second_fd(), random.next() as u32 >> 8, tag, 0),
                1 => prep::prep_msg_ring_cqe_flags(sqe, world.second_fd(), 7, tag, flags << 3, 0),
                2 => prep::prep_msg_ring(sqe, world.files[0], 0, tag, 0),
                _ => prep::prep_msg_ring(sqe, world.second_fd(), 1, tag, 4 * flags),
            }
            about.tokens = SECOND | file_token(0);
        }
    }
    about.opcode = sqe.opcode;
    if random.one_in(12) {
        spoil(random, sqe);
        about.parks = about.parks || sqe.opcode == IORING_OP_POLL_ADD as u8;
    }
    about
}

/// A mistake, which both have to find.
fn spoil(random: &mut Random, sqe: &mut io_uring_sqe) {
    match random.below(7) {
        0 => sqe.fd = 987_654,
        1 => sqe.fd = -1,
        2 => sqe.flags |= 0x80,
        3 => sqe.opcode = 200,
        4 => sqe.ioprio = 0x7000,
        5 => sqe.buf_index = 77,
        _ => sqe.personality = 99,
    }
}

fn file(world: &mut World, random: &mut Random, sqe: &mut io_uring_sqe, about: &mut About) {
    let at = random.below(FILES);
    let fd = world.files[at];
    about.tokens = file_token(at);
    let offset = if random.one_in(5) {
        u64::MAX
    } else {
        random.below(5000) as u64
    };
    let len = random.below(700);
    match random.below(13) {
        0..=2 => {
            let to = world.buffer(len, random.next());
            prep::prep_read(sqe, fd, to.cast(), len as u32, offset);
        }
        3 | 4 => {
            let from = world.buffer(len, random.next());
            prep::prep_write(sqe, fd, from.cast_const().cast(), len as u32, offset);
        }
        5 => {
            let (iov, count) = vectors(world, random);
            prep::prep_readv(sqe, fd, iov, count, offset);
        }
        6 => {
            let (iov, count) = vectors(world, random);
            prep::prep_writev(sqe, fd, iov, count, offset);
        }
        7 | 8 => {
            about.tokens |= FIXED;
            let at = random.below(4096);
            let len = random.below(600) as u32;
            if random.one_in(2) {
                prep::prep_read_fixed(sqe, fd, world.fixed(at).cast(), len, offset, 0);
            } else {
                let from = world.fixed(at).cast_const().cast();
                prep::prep_write_fixed(sqe, fd, from, len, offset, 0);
            }
        }
        9 => match random.below(4) {
            0 => prep::prep_fsync(sqe, fd, random.below(3) as u32),
            1 => prep::prep_ftruncate(sqe, fd, random.below(6000) as i64 - 100),
            2 => prep::prep_sync_file_range(sqe, fd, 100, offset, random.below(9) as i32),
            _ => prep::prep_fadvise(sqe, fd, offset, 100, random.below(8) as i32),
        },
        10 => {
            let mode = [0, libc::FALLOC_FL_KEEP_SIZE, 1 << 20][random.below(3)];
            prep::prep_fallocate(sqe, fd, mode, offset, random.below(5000) as u64);
        }
        11 => {
            // An address that nothing is at.
            prep::prep_write(sqe, fd, 0x10 as *const _, 10, offset);
        }
        _ => {
            let pipe = 2 * STREAMS + random.below(PIPES);
            let ends = queue(world, pipe).0;
            about.tokens |= queue_tokens(pipe)[1];
            let offset = random.below(4000) as i64;
            // Pipes hold its pages, not copies: no other program changes them.
            let from = world.source;
            prep::prep_splice(sqe, from, offset, ends[1], -1, random.below(300) as u32, 0);
            return;
        }
    }
    target(sqe, random, fd, at);
    if random.one_in(6) {
        sqe.flags |= IOSQE_ASYNC as u8;
    }
}

fn bytes(world: &mut World, random: &mut Random, sqe: &mut io_uring_sqe, about: &mut About) {
    let at = random.below(2 * STREAMS + PIPES);
    let (fds, slots) = queue(world, at);
    let len = random.below(300) + usize::from(!random.one_in(20));
    let reads = random.one_in(2);
    let side = usize::from(!reads);
    about.tokens = queue_tokens(at)[side];
    about.parks = reads;
    let buffer = world.buffer(len, random.next());
    let flags = if reads {
        [
            0,
            libc::MSG_DONTWAIT,
            libc::MSG_PEEK,
            libc::MSG_WAITALL,
            libc::MSG_TRUNC,
        ][random.below(5)]
    } else {
        [0, libc::MSG_DONTWAIT, libc::MSG_NOSIGNAL][random.below(3)]
    };
    match random.below(6) {
        0 | 1 => {
            if reads {
                prep::prep_recv(sqe, fds[0], buffer.cast(), len, flags);
            } else {
                prep::prep_send(sqe, fds[1], buffer.cast_const().cast(), len, flags);
            }
        }
        2 => {
            let (iov, count) = vectors(world, random);
            let header = [0, 0, iov as u64, u64::from(count), 0, 0, 0];
            let header = world.keep(&header);
            if reads {
                prep::prep_recvmsg(sqe, fds[0], header.cast(), flags as u32);
            } else {
                prep::prep_sendmsg(sqe, fds[1], header.cast_const().cast(), flags as u32);
            }
        }
        3 => {
            let (iov, count) = vectors(world, random);
            if reads {
                prep::prep_readv(sqe, fds[0], iov, count, 0);
            } else {
                prep::prep_writev(sqe, fds[1], iov, count, u64::MAX);
            }
        }
        _ => {
            if reads {
                prep::prep_read(sqe, fds[0], buffer.cast(), len as u32, 0);
            } else {
                prep::prep_write(
                    sqe,
                    fds[1],
                    buffer.cast_const().cast(),
                    len as u32,
                    u64::MAX,
                );
            }
        }
    }
    target(sqe, random, fds[side], slots[side]);
}

fn names(world: &mut World, random: &mut Random, sqe: &mut io_uring_sqe, about: &mut About) {
    let dir = world.dir_fd;
    let (one, two) = (world.name(random.below(8)), world.name(random.below(8)));
    about.tokens = NAMES;
    match random.below(8) {
        0 | 1 => {
            let flags = [
                libc::O_RDONLY,
                libc::O_RDWR | libc::O_CREAT,
                libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL,
                libc::O_RDWR | libc::O_TRUNC,
                libc::O_DIRECTORY,
                libc::O_NOFOLLOW,
            ][random.below(6)];
            if random.one_in(2) {
                about.gives_fd = true;
                prep::prep_openat(sqe, dir, one, flags, 0o640);
            } else {
                about.tokens |= SLOT;
                let slot = (OBJECTS + random.below(6)) as u32;
                prep::prep_openat_direct(sqe, dir, one, flags, 0o640, slot);
            }
        }
        2 => prep::prep_unlinkat(
            sqe,
            dir,
            one,
            if random.one_in(2) {
                libc::AT_REMOVEDIR
            } else {
                random.below(2) as i32
            },
        ),
        3 => prep::prep_renameat(sqe, dir, one, dir, two, random.below(5) as u32),
        4 => prep::prep_mkdirat(sqe, dir, one, 0o750),
        5 => prep::prep_symlinkat(sqe, one, dir, two),
        6 => prep::prep_linkat(sqe, dir, one, dir, two, 0),
        _ => {
            let out = world.keep(&[0; 32]);
            prep::prep_statx(sqe, dir, one, random.below(2) as i32, 0x7ff, out.cast());
        }
    }
}

fn waits(world: &mut World, random: &mut Random, sqe: &mut io_uring_sqe, about: &mut About) {
    match random.below(4) {
        0 | 1 => {
            let short = random.one_in(2);
            let at = time(world, if short { 200_000 } else { LONG });
            let flags = if random.one_in(4) {
                IORING_TIMEOUT_ETIME_SUCCESS
            } else {
                0
            };
            prep::prep_timeout(sqe, at, 0, flags);
            about.parks = !short;
        }
        2 => {
            let at = time(world, 0);
            prep::prep_timeout(sqe, at, 0, [0, 1 << 1, 3 << 2, 1 << 20][random.below(4)]);
            // An absolute zero is long past.
            about.parks = false;
        }
        _ => {
            let at = random.below(2 * STREAMS + PIPES);
            let (fds, slots) = queue(world, at);
            about.tokens = queue_tokens(at)[0];
            about.parks = true;
            prep::prep_poll_add(sqe, fds[0], libc::POLLIN as u32);
            target(sqe, random, fds[0], slots[0]);
        }
    }
}

fn others(
    world: &mut World,
    random: &mut Random,
    sqe: &mut io_uring_sqe,
    about: &mut About,
    pending: &[(u64, u64, Tokens)],
) {
    let aim = pending.get(random.below(pending.len().max(1)));
    let tag = match aim {
        Some((tag, chain, tokens)) if !random.one_in(5) => {
            about.target = Some((*tag, *chain));
            about.tokens = *tokens;
            *tag
        }
        _ => 0xdead_beef,
    };
    match random.below(6) {
        0..=2 => prep::prep_cancel64(sqe, tag, [0, 1, 1 << 20][random.below(3)]),
        3 => prep::prep_timeout_remove(sqe, tag, 0),
        4 => {
            let at = time(world, LONG + 5);
            prep::prep_timeout_update(sqe, at, tag, 0);
        }
        _ => prep::prep_poll_remove(sqe, tag),
    }
}

fn selected(world: &mut World, random: &mut Random, sqe: &mut io_uring_sqe, about: &mut About) {
    let at = random.below(2 * STREAMS);
    let (fds, slots) = queue(world, at);
    match random.below(5) {
        0 => {
            about.tokens = CLASSIC_GROUP;
            let count = random.below(4) as i32;
            let buffers = world.buffer(32 * 4, 0);
            prep::prep_provide_buffers(sqe, buffers.cast(), 32, count, 2, random.below(40) as i32);
        }
        1 => {
            about.tokens = CLASSIC_GROUP;
            prep::prep_remove_buffers(sqe, random.below(4) as i32, 2 + random.below(2) as i32);
        }
        kind => {
            about.tokens = RING_GROUP | queue_tokens(at)[0];
            about.parks = true;
            let len = random.below(2) * random.below(2 * GROUP.1 as usize);
            if kind == 2 {
                prep::prep_recv_multishot(sqe, fds[0], std::ptr::null_mut(), 0, 0);
            } else {
                prep::prep_recv(sqe, fds[0], std::ptr::null_mut(), len, 0);
            }
            sqe.flags |= IOSQE_BUFFER_SELECT as u8;
            sqe.buf_index = if random.one_in(10) { 99 } else { 1 };
            target(sqe, random, fds[0], slots[0]);
        }
    }
}

fn slots(world: &mut World, random: &mut Random, sqe: &mut io_uring_sqe, about: &mut About) {
    about.tokens = SLOT;
    let slot = OBJECTS + random.below(6);
    match random.below(5) {
        0 => {
            let fd = [-1, world.files[0], 876_543, -2][random.below(4)];
            let table = world.keep(&[fd as u32 as u64 | 0xffff_ffff << 32]);
            let count = random.below(3) as u32;
            prep::prep_files_update(sqe, table.cast(), count, slot as i32);
            about.tokens |= file_token(0);
        }
        1 => prep::prep_close_direct(sqe, slot as u32),
        2 => {
            about.gives_fd = true;
            prep::prep_fixed_fd_install(sqe, random.below(SLOTS) as i32, random.below(3) as u32);
        }
        3 => {
            // Nothing that a read from it would wait for.
            let kind = [libc::SOCK_STREAM, 77][random.below(2)];
            if random.one_in(2) {
                about.gives_fd = true;
                prep::prep_socket(sqe, libc::AF_UNIX, kind, 0, 0);
            } else {
                prep::prep_socket_direct(sqe, libc::AF_UNIX, kind, 0, slot as u32, 0);
            }
        }
        _ => {
            about.tokens |= file_token(0) | NAMES;
            let to = world.buffer(50, random.next());
            prep::prep_read(sqe, slot as i32, to.cast(), 50, 0);
            sqe.flags |= IOSQE_FIXED_FILE as u8;
        }
    }
}
