//! Entries with nothing wrong, of every operation: what is changed in them is
//! the only mistake then.

use std::mem;

use anyring::abi::*;

use crate::world::{CLASSIC, GROUP, Kind, World};

/// An entry of zeroes.
pub(crate) fn empty() -> io_uring_sqe {
    // SAFETY: integers only.
    unsafe { mem::zeroed() }
}

fn entry(op: u32, fd: i32, off: u64, addr: u64, len: u32, op_flags: u32) -> io_uring_sqe {
    io_uring_sqe {
        opcode: op as u8,
        fd,
        off,
        addr,
        len,
        op_flags,
        ..empty()
    }
}

fn vectors(world: &mut World<'_>, at: *mut u8) -> u64 {
    world.keep([at as u64, 10, at.wrapping_add(20) as u64, 30]) as u64
}

fn message(world: &mut World<'_>, at: *mut u8) -> u64 {
    let vectors = vectors(world, at);
    world.keep([0, 0, vectors, 2, 0, 0, 0_u64]) as u64
}

fn time(world: &mut World<'_>, seconds: u64, nanos: u64) -> u64 {
    world.keep([seconds, nanos]) as u64
}

/// A group to take a buffer from.
fn selects(mut sqe: io_uring_sqe, group: u16, ioprio: u32) -> io_uring_sqe {
    sqe.flags |= IOSQE_BUFFER_SELECT as u8;
    sqe.buf_index = group;
    sqe.ioprio = ioprio as u16;
    sqe
}

fn with(mut sqe: io_uring_sqe, change: impl FnOnce(&mut io_uring_sqe)) -> io_uring_sqe {
    change(&mut sqe);
    sqe
}

/// Operations whose `fd` is no descriptor.
pub(crate) fn fd_is_number(op: u32) -> bool {
    matches!(
        op,
        IORING_OP_SOCKET
            | IORING_OP_FUTEX_WAIT
            | IORING_OP_FUTEX_WAKE
            | IORING_OP_FUTEX_WAITV
            | IORING_OP_PROVIDE_BUFFERS
            | IORING_OP_REMOVE_BUFFERS
            | IORING_OP_WAITID
            | IORING_OP_PIPE
            | IORING_OP_TIMEOUT
            | IORING_OP_TIMEOUT_REMOVE
            | IORING_OP_LINK_TIMEOUT
            | IORING_OP_POLL_REMOVE
            | IORING_OP_FILES_UPDATE
            | IORING_OP_MADVISE
            | IORING_OP_NOP
            | IORING_OP_GETXATTR
            | IORING_OP_SETXATTR
    )
}

/// Reads and writes.
pub(crate) fn is_transfer(op: u32) -> bool {
    matches!(
        op,
        IORING_OP_READ
            | IORING_OP_WRITE
            | IORING_OP_READV
            | IORING_OP_WRITEV
            | IORING_OP_READ_FIXED
            | IORING_OP_WRITE_FIXED
            | IORING_OP_READV_FIXED
            | IORING_OP_WRITEV_FIXED
    )
}

/// Operations that wait for somebody, or of whose completions there is no end.
pub(crate) fn may_wait(op: u32) -> bool {
    !matches!(
        op,
        IORING_OP_NOP
            | IORING_OP_FSYNC
            | IORING_OP_SYNC_FILE_RANGE
            | IORING_OP_FALLOCATE
            | IORING_OP_FTRUNCATE
            | IORING_OP_OPENAT
            | IORING_OP_OPENAT2
            | IORING_OP_CLOSE
            | IORING_OP_STATX
            | IORING_OP_RENAMEAT
            | IORING_OP_UNLINKAT
            | IORING_OP_MKDIRAT
            | IORING_OP_SYMLINKAT
            | IORING_OP_LINKAT
            | IORING_OP_SETXATTR
            | IORING_OP_GETXATTR
            | IORING_OP_FSETXATTR
            | IORING_OP_FGETXATTR
    )
}

/// Operations whose result is a descriptor unless there is a file index.
pub(crate) fn gives_fd(sqe: &io_uring_sqe) -> bool {
    let op = u32::from(sqe.opcode);
    op == IORING_OP_FIXED_FD_INSTALL
        || sqe.file_index == 0
            && matches!(
                op,
                IORING_OP_OPENAT | IORING_OP_OPENAT2 | IORING_OP_SOCKET | IORING_OP_ACCEPT
            )
}

/// Entries of an operation: none for one that is not known.
pub(crate) fn good(world: &mut World<'_>, op: u32) -> Vec<io_uring_sqe> {
    use Kind::*;
    let fd = |world: &World<'_>, kind| world.fd(kind);
    let (out, data) = (world.out(), world.data());
    let (to, from) = (out as u64, data as u64);
    let file = fd(world, File);
    match op {
        IORING_OP_NOP => vec![empty()],
        IORING_OP_READ => {
            let stream = fd(world, Stream);
            vec![
                entry(op, file, 100, to, 200, 0),
                entry(op, stream, 0, to, 200, 0),
                selects(entry(op, file, 0, 0, 40, 0), GROUP, 0),
                selects(entry(op, stream, 0, 0, 0, 0), CLASSIC, 0),
            ]
        }
        IORING_OP_WRITE => vec![
            entry(op, file, 100, from, 200, 0),
            entry(op, fd(world, Peer), u64::MAX, from, 200, 0),
        ],
        IORING_OP_READV | IORING_OP_WRITEV => {
            let at = if op == IORING_OP_READV { out } else { data };
            let vectors = vectors(world, at);
            vec![entry(op, file, 100, vectors, 2, 0)]
        }
        IORING_OP_READ_FIXED | IORING_OP_WRITE_FIXED => {
            vec![entry(op, file, 100, from + 100, 200, 0)]
        }
        IORING_OP_READV_FIXED | IORING_OP_WRITEV_FIXED => {
            let vectors = vectors(world, data);
            vec![entry(op, file, 100, vectors, 2, 0)]
        }
        IORING_OP_READ_MULTISHOT => vec![
            selects(entry(op, fd(world, PipeRead), 0, 0, 0, 0), GROUP, 0),
            selects(entry(op, fd(world, Stream), 0, 0, 0, 0), CLASSIC, 0),
        ],
        IORING_OP_FSYNC => vec![entry(op, file, 0, 0, 0, 0)],
        IORING_OP_SYNC_FILE_RANGE => vec![entry(op, file, 0, 0, 100, 0)],
        IORING_OP_FALLOCATE => vec![entry(op, file, 100, 5000, 0, 0)],
        IORING_OP_FTRUNCATE => vec![entry(op, file, 100, 0, 0, 0)],
        IORING_OP_FADVISE => vec![entry(op, file, 0, 0, 100, 0), entry(op, file, 0, 9, 0, 0)],
        IORING_OP_MADVISE => vec![entry(op, 0, 0, to, 4096, 0), entry(op, 0, 4096, to, 0, 0)],
        _ => vec![],
    }
    .into_iter()
    .chain(network(world, op))
    .chain(names(world, op))
    .chain(waits(world, op))
    .chain(tables(world, op))
    .collect()
}

fn network(world: &mut World<'_>, op: u32) -> Vec<io_uring_sqe> {
    use Kind::*;
    let (out, data) = (world.out(), world.data());
    let (to, from) = (out as u64, data as u64);
    let stream = world.fd(Stream);
    let peer = world.fd(Peer);
    match op {
        IORING_OP_SEND => {
            let vectors = vectors(world, data);
            vec![
                entry(op, peer, 0, from, 50, 0),
                entry(op, world.fd(Tcp), 0, from, 50, 0),
                selects(entry(op, peer, 0, 0, 0, 0), GROUP, IORING_RECVSEND_BUNDLE),
                selects(entry(op, peer, 0, 0, 30, 0), GROUP, 0),
                with(entry(op, peer, 0, vectors, 2, 0), |sqe| {
                    sqe.ioprio = IORING_SEND_VECTORIZED as u16;
                }),
            ]
        }
        IORING_OP_RECV => vec![
            entry(op, stream, 0, to, 50, 0),
            selects(entry(op, stream, 0, 0, 0, 0), GROUP, 0),
            selects(entry(op, stream, 0, 0, 10, 0), CLASSIC, 0),
            selects(entry(op, stream, 0, 0, 0, 0), GROUP, IORING_RECV_MULTISHOT),
            selects(
                entry(op, world.fd(Tcp), 0, 0, 0, 0),
                GROUP,
                IORING_RECVSEND_BUNDLE,
            ),
        ],
        IORING_OP_SENDMSG => {
            let message = message(world, data);
            vec![entry(op, peer, 0, message, 1, 0)]
        }
        IORING_OP_RECVMSG => {
            let plain = message(world, out);
            let header = world.keep([0_u64; 7]) as u64;
            vec![
                entry(op, stream, 0, plain, 1, 0),
                selects(
                    entry(op, world.fd(Datagram), 0, header, 1, 0),
                    GROUP,
                    IORING_RECV_MULTISHOT,
                ),
                selects(entry(op, world.fd(Datagram), 0, header, 1, 0), GROUP, 0),
            ]
        }
        IORING_OP_SEND_ZC => {
            let vectors = vectors(world, data);
            let tcp = world.fd(Tcp);
            vec![
                entry(op, tcp, 0, from, 50, 0),
                with(entry(op, tcp, 0, from, 50, 0), |sqe| {
                    sqe.ioprio = IORING_RECVSEND_FIXED_BUF as u16;
                }),
                with(entry(op, tcp, 0, vectors, 2, 0), |sqe| {
                    sqe.ioprio = IORING_SEND_VECTORIZED as u16;
                }),
            ]
        }
        IORING_OP_SENDMSG_ZC => {
            let message = message(world, data);
            vec![entry(op, world.fd(Tcp), 0, message, 1, 0)]
        }
        IORING_OP_ACCEPT => {
            let listener = world.fd(Listener);
            let len = world.keep(100_u32) as u64;
            vec![
                entry(op, listener, len, to, 0, 0),
                with(entry(op, listener, 0, 0, 0, 0), |sqe| sqe.file_index = 21),
                with(entry(op, listener, 0, 0, 0, 0), |sqe| {
                    sqe.ioprio = IORING_ACCEPT_DONTWAIT as u16;
                }),
                with(entry(op, listener, 0, 0, 0, 0), |sqe| {
                    sqe.ioprio = IORING_ACCEPT_MULTISHOT as u16;
                    sqe.file_index = IORING_FILE_INDEX_ALLOC;
                }),
            ]
        }
        IORING_OP_CONNECT => {
            let address = world.address() as u64;
            vec![entry(op, world.fd(Lonely), 16, address, 0, 0)]
        }
        IORING_OP_BIND => {
            // An empty unix address: the kernel finds a name.
            let address = world.keep(1_u64) as u64;
            vec![entry(op, world.fd(Lonely), 2, address, 0, 0)]
        }
        IORING_OP_LISTEN => vec![entry(op, world.fd(Lonely), 0, 0, 5, 0)],
        IORING_OP_SHUTDOWN => vec![entry(op, peer, 0, 0, 1, 0)],
        IORING_OP_SOCKET => {
            let (domain, kind) = (libc::AF_UNIX, libc::SOCK_STREAM as u64);
            vec![
                entry(op, domain, kind, 0, 0, 0),
                with(entry(op, domain, kind, 0, 0, 0), |sqe| sqe.file_index = 21),
            ]
        }
        IORING_OP_URING_CMD => {
            let option = world.keep(1_u32) as u64;
            let len = world.keep(100_u32) as u64;
            let socket = |command: u32, name: i32| {
                with(
                    entry(
                        op,
                        peer,
                        u64::from(command),
                        (name as u64) << 32 | libc::SOL_SOCKET as u64,
                        0,
                        0,
                    ),
                    |sqe| {
                        sqe.file_index = 4;
                        sqe.addr3 = option;
                    },
                )
            };
            vec![
                entry(op, stream, u64::from(SOCKET_URING_OP_SIOCINQ), 0, 0, 0),
                entry(op, stream, u64::from(SOCKET_URING_OP_SIOCOUTQ), 0, 0, 0),
                socket(SOCKET_URING_OP_GETSOCKOPT, libc::SO_REUSEADDR),
                socket(SOCKET_URING_OP_SETSOCKOPT, libc::SO_REUSEADDR),
                with(
                    entry(op, peer, u64::from(SOCKET_URING_OP_GETSOCKNAME), to, 0, 0),
                    |sqe| sqe.addr3 = len,
                ),
            ]
        }
        _ => vec![],
    }
}

fn names(world: &mut World<'_>, op: u32) -> Vec<io_uring_sqe> {
    use Kind::*;
    let (to, from) = (world.out() as u64, world.data() as u64);
    let dir = world.fd(Folder);
    let victim = world.keep_text("victim") as u64;
    let fresh = world.keep_text("fresh") as u64;
    let attribute = world.keep_text("user.x") as u64;
    match op {
        IORING_OP_OPENAT => vec![
            entry(op, dir, 0, victim, 0, libc::O_RDWR as u32),
            entry(op, dir, 0, fresh, 0o600, libc::O_CREAT as u32),
            with(entry(op, dir, 0, victim, 0, 0), |sqe| sqe.file_index = 21),
        ],
        IORING_OP_OPENAT2 => {
            let how = world.keep([libc::O_RDWR as u64, 0, 0]) as u64;
            vec![
                entry(op, dir, how, victim, 24, 0),
                with(entry(op, dir, how, victim, 24, 0), |sqe| {
                    sqe.file_index = IORING_FILE_INDEX_ALLOC;
                }),
            ]
        }
        IORING_OP_STATX => vec![entry(op, dir, to, victim, 0x7ff, 0)],
        IORING_OP_RENAMEAT => vec![entry(op, dir, fresh, victim, dir as u32, 0)],
        IORING_OP_LINKAT => vec![entry(op, dir, fresh, victim, dir as u32, 0)],
        IORING_OP_UNLINKAT => vec![entry(op, dir, 0, victim, 0, 0)],
        IORING_OP_MKDIRAT => vec![entry(op, dir, 0, fresh, 0o700, 0)],
        IORING_OP_SYMLINKAT => vec![entry(op, dir, fresh, victim, 0, 0)],
        IORING_OP_FSETXATTR => vec![entry(op, world.fd(File), from, attribute, 20, 0)],
        IORING_OP_FGETXATTR => vec![entry(op, world.fd(File), to, attribute, 20, 0)],
        IORING_OP_SETXATTR | IORING_OP_GETXATTR => {
            let path = world.path("victim") as u64;
            let value = if op == IORING_OP_SETXATTR { from } else { to };
            vec![with(entry(op, 0, value, attribute, 20, 0), |sqe| {
                sqe.addr3 = path;
            })]
        }
        IORING_OP_EPOLL_CTL => {
            let event = world.keep([1_u32, 2, 3]) as u64;
            let stream = world.fd(Stream) as u64;
            vec![entry(op, world.fd(Epoll), stream, event, 1, 0)]
        }
        IORING_OP_EPOLL_WAIT => vec![entry(op, world.fd(Epoll), 0, to, 5, 0)],
        _ => vec![],
    }
}

fn waits(world: &mut World<'_>, op: u32) -> Vec<io_uring_sqe> {
    use Kind::*;
    match op {
        IORING_OP_POLL_ADD => vec![
            entry(op, world.fd(Stream), 0, 0, 0, libc::POLLIN as u32),
            entry(op, world.fd(Dry), 0, 0, 0, libc::POLLIN as u32),
            entry(op, world.fd(Stream), 0, 0, 1, libc::POLLIN as u32),
        ],
        IORING_OP_POLL_REMOVE => vec![
            entry(op, 0, 0, 99, 0, 0),
            entry(op, 0, 98, 99, IORING_POLL_UPDATE_USER_DATA, 0),
        ],
        IORING_OP_TIMEOUT => {
            let long = time(world, 3600, 0);
            let short = time(world, 0, 100_000);
            vec![
                entry(op, -1, 0, short, 1, 0),
                entry(op, -1, 0, long, 1, 0),
                entry(op, -1, 2, long, 1, IORING_TIMEOUT_MULTISHOT),
            ]
        }
        IORING_OP_TIMEOUT_REMOVE => {
            let long = time(world, 3600, 0);
            vec![
                entry(op, -1, 0, 99, 0, 0),
                entry(op, -1, long, 99, 0, IORING_TIMEOUT_UPDATE),
            ]
        }
        IORING_OP_LINK_TIMEOUT => {
            let long = time(world, 3600, 0);
            vec![entry(op, -1, 0, long, 1, 0)]
        }
        IORING_OP_ASYNC_CANCEL => {
            let dry = world.fd(Dry);
            let flags = [
                0,
                IORING_ASYNC_CANCEL_ALL,
                IORING_ASYNC_CANCEL_FD,
                IORING_ASYNC_CANCEL_ANY,
                IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_ALL,
            ];
            flags
                .into_iter()
                .map(|flags| entry(op, dry, 0, 99, 0, flags))
                .collect()
        }
        IORING_OP_FUTEX_WAIT | IORING_OP_FUTEX_WAKE => {
            let word = world.keep(7_u32) as u64;
            let value = if op == IORING_OP_FUTEX_WAIT { 7 } else { 1 };
            vec![with(entry(op, 2 | 128, value, word, 0, 0), |sqe| {
                sqe.addr3 = u64::from(u32::MAX);
            })]
        }
        IORING_OP_FUTEX_WAITV => {
            let word = world.keep(7_u32) as u64;
            let wait = world.keep([7, word, 2 | 128, 7, word, 2 | 128]) as u64;
            vec![entry(op, 0, 0, wait, 2, 0)]
        }
        IORING_OP_WAITID => {
            let to = world.out() as u64;
            vec![with(entry(op, 0, to, 0, libc::P_ALL, 0), |sqe| {
                sqe.file_index = libc::WEXITED as u32;
            })]
        }
        _ => vec![],
    }
}

fn tables(world: &mut World<'_>, op: u32) -> Vec<io_uring_sqe> {
    use Kind::*;
    let to = world.out() as u64;
    match op {
        IORING_OP_CLOSE => vec![
            entry(op, world.fd(Null), 0, 0, 0, 0),
            with(entry(op, 0, 0, 0, 0, 0), |sqe| sqe.file_index = 1),
            with(entry(op, 0, 0, 0, 0, 0), |sqe| sqe.file_index = 23),
        ],
        IORING_OP_FILES_UPDATE => {
            let null = world.fd(Null);
            let fds = world.keep([null, -1]) as u64;
            vec![
                entry(op, 0, 20, fds, 2, 0),
                entry(op, 0, u64::from(IORING_FILE_INDEX_ALLOC), fds, 1, 0),
            ]
        }
        IORING_OP_FIXED_FD_INSTALL => vec![with(entry(op, File as i32, 0, 0, 0, 0), |sqe| {
            sqe.flags = IOSQE_FIXED_FILE as u8;
        })],
        IORING_OP_PIPE => vec![
            entry(op, 0, 0, to, 0, 0),
            with(entry(op, 0, 0, to, 0, 0), |sqe| sqe.file_index = 21),
        ],
        IORING_OP_PROVIDE_BUFFERS => vec![with(entry(op, 2, 30, to, 64, 0), |sqe| {
            sqe.buf_index = CLASSIC;
        })],
        IORING_OP_REMOVE_BUFFERS => vec![with(entry(op, 2, 0, 0, 0, 0), |sqe| {
            sqe.buf_index = CLASSIC;
        })],
        IORING_OP_MSG_RING => {
            let second = world.fd(Ring);
            vec![
                entry(op, second, 55, u64::from(IORING_MSG_DATA), 7, 0),
                with(
                    entry(op, second, 55, u64::from(IORING_MSG_SEND_FD), 0, 0),
                    |sqe| sqe.file_index = 1,
                ),
            ]
        }
        IORING_OP_SPLICE => {
            let from = world.fd(File) as u32;
            vec![with(
                entry(op, world.fd(PipeWrite), u64::MAX, 10, 100, 0),
                |sqe| sqe.file_index = from,
            )]
        }
        IORING_OP_TEE => {
            let from = world.fd(PipeRead) as u32;
            vec![with(entry(op, world.fd(PipeWrite), 0, 0, 20, 0), |sqe| {
                sqe.file_index = from;
            })]
        }
        _ => vec![],
    }
}
