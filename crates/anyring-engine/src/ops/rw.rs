//! Reads and writes.
//!
//! # Safety
//! Addresses come from SQEs and go to the kernel, which checks them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

use super::opdef::{AtOnce, Attempt};
use super::work;
use crate::os::file_cache;
use crate::os::sys::{self, Sys};
use crate::os::user_memory;
use crate::request::{Data, Outcome, PickedBuffer, Request};
use crate::ring::state::State;

const RWF_NOWAIT: u32 = libc::RWF_NOWAIT as u32;
const HIGH_PRIORITY: u32 = libc::RWF_HIPRI as u32;
/// The most vectors in a call.
const MAX_VECTORS: u32 = 1024;
/// "At the file's position."
const CURRENT: u64 = u64::MAX;
/// The most bytes in a call.
const MAX_BYTES: usize = 0x7fff_f000;

fn writes(request: &Request) -> bool {
    request.def.writes
}

fn vectored(request: &Request) -> bool {
    request.def.vectored
}

/// Vectors of a call: in the program's memory, in the request, or one here.
#[derive(Clone, Copy)]
enum Vectors<'a> {
    One(libc::iovec),
    Kept(&'a [libc::iovec]),
    /// Address and number, which the kernel checks.
    Given(u64, usize),
}

impl Vectors<'_> {
    fn address(&self) -> usize {
        match self {
            Vectors::One(one) => (&raw const *one) as usize,
            Vectors::Kept(kept) => kept.as_ptr() as usize,
            Vectors::Given(at, _) => *at as usize,
        }
    }

    fn count(&self) -> usize {
        match self {
            Vectors::One(_) => 1,
            Vectors::Kept(kept) => kept.len(),
            Vectors::Given(_, count) => *count,
        }
    }

    /// Bytes to transfer; none if the program has unmapped its vectors meanwhile.
    fn total(&self) -> usize {
        match self {
            Vectors::One(one) => one.iov_len,
            Vectors::Kept(kept) => sum(kept).min(MAX_BYTES),
            Vectors::Given(at, 1) => {
                user_memory::read(*at).map_or(0, |one: libc::iovec| one.iov_len.min(MAX_BYTES))
            }
            Vectors::Given(at, count) => user_memory::read_array(*at, *count)
                .map_or(0, |all: Vec<libc::iovec>| sum(&all).min(MAX_BYTES)),
        }
    }
}

fn sum(vectors: &[libc::iovec]) -> usize {
    vectors
        .iter()
        .map(|vector| vector.iov_len)
        .fold(0, usize::saturating_add)
}

/// Whether less than asked for was moved.
pub(crate) fn fell_short(request: &Request, res: i32) -> bool {
    (res as usize) < total(request)
}

/// Whether a read that moved nothing keeps its provided buffer: it does, unless the
/// buffer is one of a ring and the file such that it could have been waited for.
pub(crate) fn uses_buffer(
    epoll: c_int,
    request: &Request,
    selected: PickedBuffer,
    res: i32,
) -> bool {
    let fd = request.file.fd();
    let had_file = res != -libc::EBADF || sys::is_open(fd);
    res < 0 && had_file && !(selected.ring && sys::is_pollable(epoll, fd))
}

/// Bytes that a request asks for.
fn total(request: &Request) -> usize {
    match &request.data {
        Data::Vectors(vectors) => request.done + sum(vectors),
        _ if vectored(request) => user_memory::read_array::<libc::iovec>(
            request.sqe.addr,
            request.sqe.len.min(MAX_VECTORS) as usize,
        )
        .map_or(0, |vectors| sum(&vectors)),
        _ => match &request.selected {
            Some(selected) => selected.len as usize,
            None => request.sqe.len as usize,
        },
    }
}

/// Keeps the vectors, for a request that outlives its submission.
pub(crate) fn copy(request: &mut Request) -> Result<(), c_int> {
    keep_vectors(request, user_memory::read_vectors)
}

/// Keeps the vectors of a registered buffer, which they are compared with when they
/// are used.
pub(crate) fn copy_fixed(request: &mut Request) -> Result<(), c_int> {
    keep_vectors(request, user_memory::read_array)
}

fn keep_vectors(
    request: &mut Request,
    read: impl FnOnce(u64, usize) -> Result<Vec<libc::iovec>, c_int>,
) -> Result<(), c_int> {
    if request.has(abi::IOSQE_BUFFER_SELECT) {
        return Ok(());
    }
    if request.sqe.len > MAX_VECTORS {
        return Err(-libc::EINVAL);
    }
    request.data = Data::Vectors(read(request.sqe.addr, request.sqe.len as usize)?);
    Ok(())
}

/// What the kernel checks of a read or write.
pub(crate) fn check(_: &State, request: &Request) -> Result<(), c_int> {
    if says_more(request) {
        return check_priority(request);
    }
    Ok(())
}

/// What the kernel checks of a READV, which can select one buffer only.
pub(crate) fn check_readv(_: &State, request: &Request) -> Result<(), c_int> {
    if says_more(request) {
        return check_priority(request);
    }
    if request.has(abi::IOSQE_BUFFER_SELECT) && request.sqe.len != 1 {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

/// What the kernel checks of a READ_MULTISHOT, which reads into provided buffers.
pub(crate) fn check_multishot(state: &State, request: &Request) -> Result<(), c_int> {
    if !request.has(abi::IOSQE_BUFFER_SELECT) {
        return Err(-libc::EINVAL);
    }
    check(state, request)
}

/// Whether its priority or attributes say something.
fn says_more(request: &Request) -> bool {
    request.sqe.ioprio != 0 || request.sqe.__pad2 != [0]
}

/// What the kernel checks of a read or write whose priority or attributes say
/// something.
#[cold]
fn check_priority(request: &Request) -> Result<(), c_int> {
    const CAP_SYS_ADMIN: u32 = 21;
    const CAP_SYS_NICE: u32 = 23;
    let sqe = &request.sqe;
    match (sqe.ioprio >> 13, sqe.ioprio & 7) {
        // None, real time, best effort, idle; there are no others.
        (0, 0) | (2 | 3, _) => {}
        (1, _) if sys::is_capable(&[CAP_SYS_ADMIN, CAP_SYS_NICE]) => {}
        (1, _) => return Err(-libc::EPERM),
        _ => return Err(-libc::EINVAL),
    }
    match sqe.__pad2 {
        [0] => Ok(()),
        [kind] if kind == u64::from(abi::IORING_RW_ATTR_FLAG_PI) => {
            let _: alloc::vec::Vec<u64> = user_memory::read_array(sqe.addr3, 4)?;
            // Protection information, which no system call takes.
            Err(-libc::EINVAL)
        }
        _ => Err(-libc::EINVAL),
    }
}

/// Checks what can be, and takes a buffer if the request selects one.
fn prepare(state: &mut State, request: &mut Request) -> Result<(), c_int> {
    let sqe = request.sqe;
    let polled = state.flags & abi::IORING_SETUP_IOPOLL != 0;
    if polled {
        if !can_be_polled(request.file.fd()) {
            return Err(-libc::EOPNOTSUPP);
        }
        request.sqe.op_flags |= HIGH_PRIORITY;
    }
    if request.buffer.is_some() || request.selected.is_some() {
        return Ok(());
    }
    match u32::from(sqe.opcode) {
        abi::IORING_OP_READ_FIXED | abi::IORING_OP_WRITE_FIXED => {
            let buffer = state
                .buffers
                .check(sqe.buf_index, sqe.addr, sqe.len as usize)?;
            request.buffer = Some(buffer);
        }
        abi::IORING_OP_READV_FIXED | abi::IORING_OP_WRITEV_FIXED => {
            super::copy(request)?;
            if let Data::Vectors(vectors) = &request.data {
                let mut all: u64 = 0;
                for vector in vectors {
                    if vector.iov_len == 0 {
                        return Err(-libc::EFAULT);
                    }
                    all = all.saturating_add(vector.iov_len as u64);
                    if all > u64::from(u32::MAX) {
                        return Err(-libc::EOVERFLOW);
                    }
                    let at = vector.iov_base as u64;
                    let buffer = state.buffers.check(sqe.buf_index, at, vector.iov_len)?;
                    request.buffer = Some(buffer);
                }
            }
        }
        _ if request.has(abi::IOSQE_BUFFER_SELECT) => {
            let wanted = if vectored(request) {
                if sqe.len != 1 {
                    return Err(-libc::EINVAL);
                }
                let vector: libc::iovec = user_memory::read(sqe.addr)?;
                vector.iov_len as u32
            } else {
                sqe.len
            };
            let mut selected = state.groups.select(sqe.buf_index, wanted)?;
            // As the kernel has it: a worker takes the buffer when it begins, and
            // what is asked for of a file that cannot be polled is used up,
            // however much there is to read.
            let fd = request.file.fd();
            let at_once = request.has(abi::IOSQE_ASYNC)
                || state.groups.is_incremental(sqe.buf_index) && !sys::is_pollable(state.epoll, fd);
            if at_once && sys::is_open(fd) {
                state.groups.commit(&mut selected);
            }
            request.selected = Some(selected);
        }
        _ if vectored(request) && sqe.len > MAX_VECTORS => return Err(-libc::EINVAL),
        _ => {}
    }
    if polled { Ok(()) } else { check_flags(&sqe) }
}

/// Whether the kernel would poll a device for the file's transfers: it is open for
/// direct I/O, and a block device or on a file system that hands them down to one.
#[cold]
fn can_be_polled(fd: c_int) -> bool {
    const FILE_SYSTEMS: [u32; 6] = [
        // ext4, xfs, btrfs, f2fs, gfs2, zonefs
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0xf2f5_2010,
        0x0116_1970,
        0x5a4f_4653,
    ];
    let direct = sys::status_flags(fd).is_ok_and(|flags| flags & libc::O_DIRECT != 0);
    direct
        && match sys::kind_of(fd) {
            Ok((libc::S_IFBLK, _)) => true,
            Ok((libc::S_IFREG, _)) => {
                sys::file_system_of(fd).is_ok_and(|kind| FILE_SYSTEMS.contains(&kind))
            }
            _ => false,
        }
}

/// What the kernel checks of flags once it has a buffer.
fn check_flags(sqe: &io_uring_sqe) -> Result<(), c_int> {
    // Up to RWF_DONTCACHE; what is newer a kernel that knows it checks itself.
    const KNOWN: u32 = 0xff;
    if sqe.op_flags & HIGH_PRIORITY == 0 {
        Ok(())
    } else if sqe.op_flags & !KNOWN != 0 {
        Err(-libc::EOPNOTSUPP)
    } else {
        Err(-libc::EINVAL)
    }
}

fn vectors(request: &Request) -> Vectors<'_> {
    let one = |addr: u64, len: usize| {
        Vectors::One(libc::iovec {
            iov_base: (addr as usize + request.done) as *mut _,
            iov_len: len.min(MAX_BYTES).saturating_sub(request.done),
        })
    };
    if let Some(selected) = &request.selected {
        return one(selected.addr, selected.len as usize);
    }
    match &request.data {
        Data::Vectors(vectors) => Vectors::Kept(vectors),
        _ if vectored(request) => Vectors::Given(request.sqe.addr, request.sqe.len as usize),
        _ => one(request.sqe.addr, request.sqe.len as usize),
    }
}

fn number(request: &Request) -> i64 {
    if writes(request) {
        libc::SYS_pwritev2
    } else {
        libc::SYS_preadv2
    }
}

fn offset(request: &Request) -> u64 {
    match request.sqe.off {
        CURRENT => CURRENT,
        offset => offset.wrapping_add(request.done as u64),
    }
}

fn call(request: &Request, extra: u32) -> Sys {
    let vectors = vectors(request);
    let flags = request.sqe.op_flags | extra;
    // SAFETY: the kernel checks the addresses; ours outlive the call.
    unsafe {
        sys::transfer(
            number(request),
            &[
                request.file.fd() as usize,
                vectors.address(),
                vectors.count(),
                offset(request) as usize,
                0,
                flags as usize,
            ],
        )
    }
}

/// The plain forms, without a request.
pub(crate) const READ_AT_ONCE: AtOnce = AtOnce {
    attempt: attempt::<false, false>,
    go_on,
};
pub(crate) const WRITE_AT_ONCE: AtOnce = AtOnce {
    attempt: attempt::<true, false>,
    go_on,
};
pub(crate) const READ_FIXED_AT_ONCE: AtOnce = AtOnce {
    attempt: attempt::<false, true>,
    go_on,
};
pub(crate) const WRITE_FIXED_AT_ONCE: AtOnce = AtOnce {
    attempt: attempt::<true, true>,
    go_on,
};

/// Moves everything asked for in one call; what that does not end goes on as a request.
fn attempt<const WRITES: bool, const FIXED: bool>(state: &State, sqe: &io_uring_sqe) -> Attempt {
    let len = sqe.len as usize;
    if sqe.op_flags != 0
        || sqe.__pad2 != [0]
        || len == 0
        || len > MAX_BYTES
        || may_be_direct(sqe.off, sqe.addr | u64::from(sqe.len))
    {
        return Attempt::Unsuitable;
    }
    let fd = if u32::from(sqe.flags) & abi::IOSQE_FIXED_FILE == 0 {
        sqe.fd
    } else {
        match state.files.table.get(sqe.fd as u32 as usize) {
            Some(file) => file.get(),
            None => return Attempt::Unsuitable,
        }
    };
    // Stays registered until the call is over: the ring's lock is held.
    if FIXED && state.buffers.check(sqe.buf_index, sqe.addr, len).is_err() {
        return Attempt::Unsuitable;
    }
    let vector = libc::iovec {
        iov_base: sqe.addr as usize as *mut _,
        iov_len: len,
    };
    let number = if WRITES {
        libc::SYS_pwritev2
    } else {
        libc::SYS_preadv2
    };
    // SAFETY: the kernel checks the address; the vector outlives the call.
    let result = unsafe {
        sys::transfer(
            number,
            &[
                fd as usize,
                (&raw const vector) as usize,
                1,
                sqe.off as usize,
                0,
                RWF_NOWAIT as usize,
            ],
        )
    };
    match result {
        Ok(count) if count == len => Attempt::Done(count as i32),
        result => Attempt::Tried(result),
    }
}

/// Goes on behind the call of [`attempt`].
fn go_on(state: &mut State, request: &mut Request, result: Sys) -> Outcome {
    match prepare(state, request) {
        Ok(()) => transfer(state, request, None, Some(result)),
        Err(error) => Outcome::Done(error),
    }
}

/// Tries to transfer without waiting.
pub(crate) fn issue(state: &mut State, request: &mut Request, events: Option<u32>) -> Outcome {
    if let Err(error) = prepare(state, request) {
        return Outcome::Done(error);
    }
    if events.is_none() && request.has(abi::IOSQE_ASYNC) {
        return match check_file(request) {
            Ok(()) if is_short(request) => Outcome::Done(-libc::EINVAL),
            // What can only fail is never ready, and a worker's call fails at once.
            Ok(()) if is_idle(request) => by_worker(state, request),
            Ok(()) => would_block(state, request),
            Err(error) => Outcome::Done(error),
        };
    }
    if request.no_nowait {
        return would_block(state, request);
    }
    transfer(state, request, events, None)
}

/// Transfers without waiting, as far as that goes. `tried` is the answer to the first
/// call, if that was made already.
fn transfer(
    state: &mut State,
    request: &mut Request,
    events: Option<u32>,
    mut tried: Option<Sys>,
) -> Outcome {
    // As by a worker of the kernel's: no SIGPIPE comes to the program.
    let _quiet = (state.inside && writes(request) && request.has(abi::IOSQE_ASYNC))
        .then(sys::NoSigpipe::new);
    loop {
        match tried.take().unwrap_or_else(|| call(request, RWF_NOWAIT)) {
            Ok(count) => {
                let total = vectors(request).total();
                if total == 0 && (events.is_none() || writes(request)) {
                    if let Some(outcome) = move_nothing(state, request, events.is_some()) {
                        return outcome;
                    }
                }
                if let Some(outcome) = moved(request, count, total) {
                    return outcome;
                }
            }
            Err(e) if e == -libc::ESPIPE && ignores_offset(request) => {
                request.sqe.off = CURRENT;
            }
            Err(e) if e == -libc::EINVAL && events.is_none() && is_in_vain(request) => {
                // What cannot be read or written at all is found so when it is
                // ready.
                return would_block(state, request);
            }
            Err(e) if e == -libc::EOPNOTSUPP && writes(request) && asks_in_vain(request) => {
                return partial(request, -libc::EAGAIN);
            }
            Err(e) if e == -libc::EAGAIN => {
                if request.sqe.op_flags & RWF_NOWAIT != 0 {
                    return partial(request, e);
                }
                return would_block(state, request);
            }
            Err(e) if e == -libc::EOPNOTSUPP && request.sqe.op_flags & RWF_NOWAIT == 0 => {
                request.no_nowait = true;
                let nonblocking = sys::status_flags(request.file.fd())
                    .is_ok_and(|flags| flags & libc::O_NONBLOCK != 0);
                if nonblocking {
                    return match call(request, 0) {
                        Ok(count) => Outcome::Done((request.done + count) as i32),
                        Err(error) => partial(request, error),
                    };
                }
                return would_block(state, request);
            }
            Err(error) => {
                if error == -libc::EPIPE && !state.inside && !request.has(abi::IOSQE_ASYNC) {
                    raise_for_submitter(state, request);
                }
                return partial(request, error);
            }
        }
    }
}

/// A first try in a worker's place, of a file that is not ready.
fn by_worker(state: &mut State, request: &mut Request) -> Outcome {
    let _quiet = writes(request).then(sys::NoSigpipe::new);
    match call(request, RWF_NOWAIT) {
        Ok(0) if vectors(request).total() == 0 && !waits_for_nothing(request) => {
            let result = if writes(request) {
                write_nothing(request).unwrap_or(Ok(0))
            } else {
                Ok(0)
            };
            Outcome::Done(sys::to_res(result))
        }
        Err(e) if e != -libc::EAGAIN && e != -libc::EOPNOTSUPP && e != -libc::ESPIPE => {
            if e == -libc::EINVAL && is_in_vain(request) {
                return would_block(state, request);
            }
            Outcome::Done(e)
        }
        Ok(count) if count != 0 => Outcome::Done(count as i32),
        _ => would_block(state, request),
    }
}

/// Whether a transfer of nothing waits as any other: with files that do not know "do
/// not wait".
fn waits_for_nothing(request: &Request) -> bool {
    let fd = request.file.fd();
    match sys::kind_of(fd) {
        Ok((0 | libc::S_IFCHR, _)) => true,
        Ok((libc::S_IFIFO, _)) => !writes(request) && sys::is_named_fifo(fd),
        _ => false,
    }
}

/// A write of nothing to a socket, whose state it reports; pwritev2(2) would not ask it.
fn write_nothing(request: &Request) -> Option<Sys> {
    if !file_cache::is_socket(request.file.fd()) {
        return None;
    }
    let (fd, flags) = (request.file.fd() as usize, libc::MSG_DONTWAIT as usize);
    Some(sys::plain(libc::SYS_sendto, &[fd, 0, 0, flags, 0, 0]))
}

/// What must not be found out only when the file is ready.
fn check_file(request: &Request) -> Result<(), c_int> {
    let wrong = if writes(request) {
        libc::O_RDONLY
    } else {
        libc::O_WRONLY
    };
    let fd = request.file.fd();
    if sys::status_flags(fd)? & libc::O_ACCMODE == wrong {
        return Err(-libc::EBADF);
    }
    let is_ring = || {
        matches!(
            crate::ring::ring_registry::find(fd),
            crate::ring::ring_registry::Found::Ring(_)
        )
    };
    if writes(request) && is_ring() {
        return Err(-libc::EINVAL);
    }
    if request.sqe.off == CURRENT {
        return Ok(());
    }
    if (request.sqe.off as i64) < 0 {
        return Err(-libc::EINVAL);
    }
    if ignores_offset(request) {
        Ok(())
    } else {
        Err(-libc::ESPIPE)
    }
}

/// Streams have no offsets; the kernel's io_uring ignores one, except for
/// sockets.
fn ignores_offset(request: &Request) -> bool {
    let sqe = &request.sqe;
    sqe.off != CURRENT && (sqe.off == 0 || !file_cache::is_socket(request.file.fd()))
}

/// Whether the file is not ready for what the request does.
fn is_idle(request: &Request) -> bool {
    let fd = request.file.fd();
    let is_ring = || {
        matches!(
            crate::ring::ring_registry::find(fd),
            crate::ring::ring_registry::Found::Ring(_)
        )
    };
    sys::poll_now(fd, request.def.poll) == 0 && !(writes(request) && is_ring())
}

/// Whether a write to a file says "do not wait", which file systems need not
/// know: the kernel's io_uring takes that for "not now".
fn asks_in_vain(request: &Request) -> bool {
    let flags = request.sqe.op_flags;
    flags & RWF_NOWAIT != 0 && flags < 0x100 && file_cache::has_offsets(request.file.fd())
}

/// Whether the file is open for direct I/O: then even "do not wait" waits for the
/// device. Asked only of requests that could be such.
pub(super) fn is_direct(request: &Request) -> bool {
    let sqe = &request.sqe;
    let aligned = if vectored(request) {
        may_be_direct(sqe.off, 0)
    } else {
        may_be_direct(sqe.off, sqe.addr | u64::from(sqe.len)) && sqe.op_flags & RWF_NOWAIT == 0
    };
    aligned && sys::status_flags(request.file.fd()).is_ok_and(|flags| flags & libc::O_DIRECT != 0)
}

/// Whether a transfer at this offset could be one of direct I/O, `bits` being those of its
/// address and length together.
#[inline]
fn may_be_direct(offset: u64, bits: u64) -> bool {
    const SECTOR: u64 = 512;
    (offset | bits) % SECTOR == 0
}

/// Whether the file is not ready and knows no such call at all, which shows only
/// when it is ready. Those with records know "do not wait", and are asked at once.
fn is_in_vain(request: &Request) -> bool {
    let fd = request.file.fd();
    is_idle(request) && !sys::knows(number(request), fd) && sys::record_size(fd).is_none()
}

/// Whether a read has less room than the file's records have bytes.
fn is_short(request: &Request) -> bool {
    const LARGEST: usize = 128;
    let room = vectors(request).total();
    !writes(request)
        && room < LARGEST
        && sys::record_size(request.file.fd()).is_some_and(|bytes| room < bytes)
}

/// A transfer of nothing moved nothing, which preadv2(2) and pwritev2(2) say of any
/// file: those with records find that too little, sockets may be in a state that
/// forbids it, and others that do not know "do not wait" are waited for.
#[cold]
fn move_nothing(state: &mut State, request: &mut Request, waited: bool) -> Option<Outcome> {
    if writes(request) {
        match write_nothing(request) {
            Some(Err(e)) if e == -libc::EAGAIN && !refuses_to_wait(request) => {
                return Some(would_block(state, request));
            }
            Some(result) => return Some(Outcome::Done(sys::to_res(result))),
            None => {}
        }
    }
    if waited || !waits_for_nothing(request) {
        return None;
    }
    if is_short(request) {
        return Some(Outcome::Done(-libc::EINVAL));
    }
    if !is_idle(request) || refuses_to_wait(request) {
        return None;
    }
    request.no_nowait = true;
    Some(would_block(state, request))
}

fn refuses_to_wait(request: &Request) -> bool {
    request.sqe.op_flags & RWF_NOWAIT != 0
}

/// The program's writes into a broken pipe raise SIGPIPE in the thread that
/// submitted them, also if a thread of the engine found out.
#[cold]
fn raise_for_submitter(state: &State, request: &Request) {
    if request.submitter != 0 && state.flags & abi::IORING_SETUP_SQPOLL == 0 {
        sys::signal_thread(request.submitter, libc::SIGPIPE);
    }
}

/// Has to wait.
fn would_block(state: &mut State, request: &mut Request) -> Outcome {
    if writes(request) && state.inside && !request.has(abi::IOSQE_ASYNC) {
        request.submitter = sys::gettid();
    }
    // One of a ring is taken anew when there is something to read.
    if request.done == 0 && request.selected.is_some_and(|selected| selected.ring) {
        request.selected = None;
    }
    Outcome::WouldBlock
}

/// What was transferred before an error counts.
fn partial(request: &Request, error: c_int) -> Outcome {
    Outcome::Done(if request.done != 0 {
        request.done as i32
    } else {
        error
    })
}

/// Bytes were transferred: done, or on with the rest.
fn moved(request: &mut Request, count: usize, total: usize) -> Option<Outcome> {
    if count == 0 || count >= total || !file_cache::has_offsets(request.file.fd()) {
        return Some(Outcome::Done((request.done + count) as i32));
    }
    if vectored(request) && matches!(request.data, Data::None) && request.selected.is_none() {
        if let Err(error) = super::copy(request) {
            return Some(Outcome::Done(error));
        }
    }
    request.done += count;
    if let Data::Vectors(vectors) = &mut request.data {
        skip(vectors, count);
    }
    None
}

/// Takes bytes off the front.
fn skip(vectors: &mut Vec<libc::iovec>, mut count: usize) {
    while let Some(first) = vectors.first_mut() {
        if count < first.iov_len {
            first.iov_base = first.iov_base.wrapping_byte_add(count);
            first.iov_len -= count;
            return;
        }
        count -= first.iov_len;
        vectors.remove(0);
    }
}

/// Transfers the rest where it may block.
pub(crate) fn offload(state: &mut State, request: &mut Request) -> Outcome {
    if let Err(error) = prepare(state, request) {
        return partial(request, error);
    }
    if request.selected.is_some()
        && sys::is_anonymous(request.file.fd())
        && !sys::knows(number(request), request.file.fd())
    {
        // Before any worker takes the buffer.
        return Outcome::Done(-libc::EINVAL);
    }
    if let Some(selected) = &mut request.selected {
        // Another request must not get it meanwhile.
        state.groups.commit(selected);
    }
    let held = if request.sqe.off == CURRENT {
        request.hold()
    } else {
        request.hold_for_offsets()
    };
    if let Err(error) = held {
        return partial(request, error);
    }
    let kept = match vectors(request) {
        Vectors::One(one) => Some(user_memory::room(1).map(|mut kept| {
            kept.push(one);
            kept
        })),
        Vectors::Given(at, count) => Some(user_memory::read_array(at, count)),
        Vectors::Kept(_) => None,
    };
    match kept {
        Some(Ok(kept)) => request.data = Data::Vectors(kept),
        Some(Err(error)) => return partial(request, error),
        None => {}
    }
    let Data::Vectors(kept) = &request.data else {
        return partial(request, -libc::EFAULT);
    };
    let (at, count) = (kept.as_ptr() as usize, kept.len());
    work(
        number(request),
        &[
            request.file.fd() as usize,
            at,
            count,
            offset(request) as usize,
            0,
            // A worker may wait.
            (request.sqe.op_flags & !RWF_NOWAIT) as usize,
        ],
    )
}

/// The pool transferred something.
pub(crate) fn finish(state: &mut State, request: &mut Request, res: i32) -> Outcome {
    if res == -libc::ESPIPE && ignores_offset(request) {
        request.sqe.off = CURRENT;
        return offload(state, request);
    }
    if res < 0 {
        return partial(request, res);
    }
    let total = match &request.data {
        Data::Vectors(vectors) => sum(vectors),
        _ => 0,
    };
    match moved(request, res as usize, total) {
        Some(outcome) => outcome,
        None => offload(state, request),
    }
}

/// READ_MULTISHOT: reads into provided buffers until there is nothing.
pub(crate) fn multishot(state: &mut State, request: &mut Request, events: Option<u32>) -> Outcome {
    if events.is_none() && !sys::is_pollable(state.epoll, request.file.fd()) {
        // Only what can be polled.
        return Outcome::Done(-libc::EBADFD);
    }
    if let Err(error) = check_flags(&request.sqe) {
        return Outcome::Done(error);
    }
    loop {
        let selected = match state.groups.select(request.sqe.buf_index, request.sqe.len) {
            Ok(selected) => selected,
            Err(error) => return Outcome::Done(error),
        };
        request.selected = Some(selected);
        if request.no_nowait && is_idle(request) {
            request.selected = None;
            state.groups.give_back(selected);
            return Outcome::WouldBlock;
        }
        match call(request, if request.no_nowait { 0 } else { RWF_NOWAIT }) {
            Ok(count) if count > 0 => {
                request.selected = None;
                let flags = state.groups.used(selected, count as u32, 1);
                if state.ends_early(request) {
                    return Outcome::DoneWith(count as i32, flags);
                }
                state.post_more(request, count as i32, flags);
            }
            Ok(_) => {
                request.selected = None;
                state.groups.give_back(selected);
                return Outcome::Done(0);
            }
            Err(error) => {
                request.selected = None;
                state.groups.give_back(selected);
                match error {
                    e if e == -libc::ESPIPE && ignores_offset(request) => {
                        request.sqe.off = CURRENT;
                    }
                    e if e == -libc::EAGAIN && request.sqe.op_flags & RWF_NOWAIT == 0
                        || e == -libc::EINVAL && events.is_none() && is_in_vain(request) =>
                    {
                        return Outcome::WouldBlock;
                    }
                    e if e == -libc::EOPNOTSUPP
                        && request.sqe.op_flags & RWF_NOWAIT == 0
                        && !request.no_nowait =>
                    {
                        // Read when it is ready, then, as the kernel does.
                        request.no_nowait = true;
                    }
                    error => return Outcome::Done(error),
                }
            }
        }
    }
}

/// READ_MULTISHOT of a file that cannot be waited for.
pub(crate) fn refuse_multishot(_: &mut State, _: &mut Request) -> Outcome {
    Outcome::Done(-libc::EBADFD)
}

/// Keeps a registered buffer from going away.
pub(crate) type Kept = Option<Arc<crate::ring::resources::Registered>>;
