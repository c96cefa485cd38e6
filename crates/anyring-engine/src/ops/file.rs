//! Files and paths: what the kernel's io_uring does in a worker, the pool does
//! here.
//!
//! # Safety
//! Addresses come from SQEs or from copies that the request keeps; the kernel
//! checks those of the program.

use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi as abi;

use super::socket::placed;
use super::work;
use crate::request::{Call, Data, Outcome, Request, Work};
use crate::rights;
use crate::state::State;
use crate::sys::{self, Fd};
use crate::user;

/// The most bytes of an extended attribute.
const XATTR_MAX: u32 = 65536;
const OPEN_HOW: usize = 24;

/// Which addresses of an SQE are paths, as (addr, addr2, addr3).
const fn paths(op: u32) -> (bool, bool, bool) {
    match op {
        abi::IORING_OP_OPENAT
        | abi::IORING_OP_OPENAT2
        | abi::IORING_OP_STATX
        | abi::IORING_OP_UNLINKAT
        | abi::IORING_OP_MKDIRAT => (true, false, false),
        abi::IORING_OP_RENAMEAT | abi::IORING_OP_LINKAT | abi::IORING_OP_SYMLINKAT => {
            (true, true, false)
        }
        // The name of the attribute, and the path.
        abi::IORING_OP_SETXATTR | abi::IORING_OP_GETXATTR => (true, false, true),
        abi::IORING_OP_FSETXATTR | abi::IORING_OP_FGETXATTR => (true, false, false),
        _ => (false, false, false),
    }
}

const fn is_xattr(op: u32) -> bool {
    matches!(
        op,
        abi::IORING_OP_SETXATTR
            | abi::IORING_OP_GETXATTR
            | abi::IORING_OP_FSETXATTR
            | abi::IORING_OP_FGETXATTR
    )
}

/// The name of an extended attribute.
fn attribute_name(sqe: &abi::io_uring_sqe) -> Result<Vec<u8>, c_int> {
    const LONGEST: usize = 255;
    let known = (libc::XATTR_CREATE | libc::XATTR_REPLACE) as u32;
    if sqe.op_flags & !known != 0 {
        return Err(-libc::EINVAL);
    }
    match user::read_path(sqe.addr) {
        Ok(name) if name.len() == 1 || name.len() > LONGEST + 1 => Err(-libc::ERANGE),
        Err(error) if error == -libc::ENAMETOOLONG => Err(-libc::ERANGE),
        name => name,
    }
}

/// Keeps paths, and what else lies behind addresses.
pub(crate) fn copy(request: &mut Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let op = u32::from(sqe.opcode);
    let (first, second, third) = paths(op);
    if !first {
        return Ok(());
    }
    let takes_empty = matches!(op, abi::IORING_OP_STATX | abi::IORING_OP_LINKAT)
        && sqe.op_flags & libc::AT_EMPTY_PATH as u32 != 0;
    let path = |at: u64, empty: bool| match at {
        // The kernel takes NULL for "" where the flags allow that.
        0 if op == abi::IORING_OP_STATX && empty => Ok(Vec::new()),
        at => match user::read_path(at)? {
            path if path.len() == 1 && !empty => Err(-libc::ENOENT),
            path => Ok(path),
        },
    };
    let mut one = if is_xattr(op) {
        attribute_name(sqe)?
    } else {
        path(sqe.addr, takes_empty)?
    };
    let mut two = Vec::new();
    if second {
        two = path(sqe.off, false)?;
    } else if third {
        two = path(sqe.addr3, false)?;
    } else if op == abi::IORING_OP_OPENAT2 {
        if (sqe.len as usize) < OPEN_HOW {
            return Err(-libc::EINVAL);
        }
        two = user::read_array(sqe.off, OPEN_HOW)?;
        check_zeroes(sqe.off, OPEN_HOW as u64, u64::from(sqe.len))?;
    }
    if matches!(op, abi::IORING_OP_SETXATTR | abi::IORING_OP_FSETXATTR) {
        // The value follows the name.
        if sqe.len > XATTR_MAX {
            return Err(-libc::E2BIG);
        }
        let value: Vec<u8> = user::read_array(sqe.off, sqe.len as usize)?;
        one.try_reserve_exact(value.len())
            .map_err(|_| -libc::ENOMEM)?;
        one.extend_from_slice(&value);
    }
    request.data = Data::Bytes(one, two);
    Ok(())
}

/// What a newer program says beyond what is known has to be nothing.
fn check_zeroes(at: u64, mut from: u64, end: u64) -> Result<(), c_int> {
    while from < end {
        let step = (end - from).min(4096);
        let bytes: Vec<u8> = user::read_array(at.wrapping_add(from), step as usize)?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(-libc::E2BIG);
        }
        from += step;
    }
    Ok(())
}

/// A directory that a path starts from, kept open.
fn directory(file: &mut crate::request::File, fd: c_int) -> Result<usize, c_int> {
    if fd < 0 {
        return Ok(fd as usize);
    }
    *file = crate::request::File::Borrowed(fd);
    match file.hold() {
        // The call finds what else is wrong, or that an absolute name needs
        // no directory.
        Err(error) if error == -libc::EBADF => Ok(usize::MAX),
        held => held.map(|fd| fd as usize),
    }
}

/// Whether an operation looks names up.
pub(crate) const fn has_path(op: u32) -> bool {
    paths(op).0
}

/// Everything that goes to the pool at once.
pub(crate) fn start(state: &mut State, request: &mut Request) -> Outcome {
    match build(request) {
        Ok(Outcome::Work(Work::Call(call))) if request.sqe.personality != 0 => {
            let ours = state
                .personalities
                .iter()
                .find(|one| one.0 == request.sqe.personality);
            Outcome::Work(match ours {
                Some((_, ids)) => Work::CallAs(call, *ids),
                None => Work::Call(call),
            })
        }
        Ok(Outcome::Work(Work::Call(call))) if has_path(u32::from(request.sqe.opcode)) => {
            with_rights(state, request, call)
        }
        Ok(outcome) => outcome,
        Err(error) => Outcome::Done(error),
    }
}

/// A call that looks names up: for the pool if that has the submitter's rights,
/// otherwise done here and now, if this is its thread.
fn with_rights(state: &mut State, request: &mut Request, call: Call) -> Outcome {
    // One that is not stored runs in the thread that submitted it.
    if request.rights == 0 {
        if let Some(res) = open_at_once(request, &call) {
            return super::finish(state, request, res);
        }
    }
    let here = rights::here();
    if request.rights != 0 {
        if request.rights != here {
            return Outcome::Done(-libc::EPERM);
        }
        if let Some(res) = open_at_once(request, &call) {
            return super::finish(state, request, res);
        }
    }
    if rights::are_the_engines(here) {
        return Outcome::Work(Work::Call(call));
    }
    // SAFETY: its addresses lie in memory that the request keeps, or are the
    // program's, which the kernel checks.
    let res = sys::to_res(unsafe { sys::raw(call.number, &call.args) });
    super::finish(state, request, res)
}

/// What openat2(2) takes for "as open(2)".
const OPEN_FLAGS: c_int = libc::O_ACCMODE
    | libc::O_NOCTTY
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_SYNC
    | libc::O_ASYNC
    | libc::O_DIRECT
    | libc::O_LARGEFILE
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | libc::O_NOATIME
    | libc::O_CLOEXEC
    | libc::O_PATH;

/// Opens what can be opened without waiting, as the kernel does before it asks a
/// worker: names from the cache only, and with O_NONBLOCK, which the program does
/// not see afterwards. So a FIFO is opened for reading at once, and found to have
/// no reader (ENXIO) where it is opened for writing.
fn open_at_once(request: &Request, call: &Call) -> Option<i32> {
    const CACHED: u64 = 0x20;
    let op = u32::from(request.sqe.opcode);
    let opens = matches!(op, abi::IORING_OP_OPENAT | abi::IORING_OP_OPENAT2);
    if !opens || request.has(abi::IOSQE_ASYNC) {
        return None;
    }
    let Data::Bytes(_, given) = &request.data else {
        return None;
    };
    // Flags, mode, and how names are resolved.
    let mut how = [0_u64; OPEN_HOW / 8];
    if op == abi::IORING_OP_OPENAT2 {
        for (word, bytes) in how.iter_mut().zip(given.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().ok()?);
        }
    } else {
        how[0] = u64::from((request.sqe.op_flags as c_int & OPEN_FLAGS) as u32);
    }
    let makes = (libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
    let asked = match op {
        abi::IORING_OP_OPENAT => u64::from(request.sqe.op_flags),
        _ => how[0],
    };
    let (flags, path) = (how[0] as c_int, how[0] & libc::O_PATH as u64 != 0);
    if asked & makes != 0 || how[2] & CACHED != 0 || op == abi::IORING_OP_OPENAT && path {
        return None;
    }
    if !path {
        how[0] |= libc::O_NONBLOCK as u64;
    }
    how[2] |= CACHED;
    // SAFETY: the path lies in memory that the request keeps, the struct here.
    let opened = unsafe {
        sys::raw(
            libc::SYS_openat2,
            &[call.args[0], call.args[1], how.as_ptr() as usize, OPEN_HOW],
        )
    };
    // Denied by a policy that does not know it, or refused: open(2) finds out, except
    // that it does not keep to the cache.
    let opened = match opened {
        Err(e) if op == abi::IORING_OP_OPENAT && (e == -libc::EPERM || e == -libc::ENOSYS) => {
            // SAFETY: as above.
            unsafe {
                sys::raw(
                    libc::SYS_openat,
                    &[
                        call.args[0],
                        call.args[1],
                        (flags | libc::O_NONBLOCK) as usize,
                        0,
                    ],
                )
            }
        }
        opened => opened,
    };
    match opened {
        Ok(fd) => {
            if !path && flags & libc::O_NONBLOCK == 0 {
                sys::set_status_flags(fd as c_int, flags);
            }
            Some(fd as i32)
        }
        Err(error) if error == -libc::ENXIO => Some(error),
        // Not in the cache, or not now, or another reason that a worker finds too.
        Err(_) => None,
    }
}

fn build(request: &mut Request) -> Result<Outcome, c_int> {
    super::copy(request)?;
    let sqe = request.sqe;
    let op = u32::from(sqe.opcode);
    let flags = sqe.op_flags as usize;
    let (one, two, one_len) = match &request.data {
        Data::Bytes(one, two) => (
            if one.is_empty() {
                0
            } else {
                one.as_ptr() as usize
            },
            two.as_ptr() as usize,
            one.len(),
        ),
        _ => (0, 0, 0),
    };
    let value = (one + one_len).wrapping_sub(sqe.len as usize);
    if super::uses_file(op) {
        request.hold_for_offsets()?;
        if request.file.fd() < 0 {
            return Err(-libc::EBADF);
        }
    }
    let fd = request.file.fd() as usize;
    if (sqe.off as i64) < 0
        && matches!(
            op,
            abi::IORING_OP_SYNC_FILE_RANGE | abi::IORING_OP_FALLOCATE
        )
    {
        return Err(-libc::EINVAL);
    }
    let outcome = match op {
        abi::IORING_OP_FSYNC => {
            let call = if flags != 0 {
                libc::SYS_fdatasync
            } else {
                libc::SYS_fsync
            };
            work(call, &[fd])
        }
        abi::IORING_OP_SYNC_FILE_RANGE => work(
            libc::SYS_sync_file_range,
            &[fd, sqe.off as usize, sqe.len as usize, flags],
        ),
        abi::IORING_OP_FALLOCATE => work(
            libc::SYS_fallocate,
            &[fd, sqe.len as usize, sqe.off as usize, sqe.addr as usize],
        ),
        abi::IORING_OP_FTRUNCATE => work(libc::SYS_ftruncate, &[fd, sqe.off as usize]),
        abi::IORING_OP_OPENAT | abi::IORING_OP_OPENAT2 => {
            if sqe.file_index != 0 && open_flags(request) & libc::O_CLOEXEC as u64 != 0 {
                return Err(-libc::EINVAL);
            }
            let from = directory(&mut request.second, sqe.fd)?;
            if op == abi::IORING_OP_OPENAT {
                // As open(2) of a 64-bit program.
                let flags = flags | libc::O_LARGEFILE as usize;
                work(libc::SYS_openat, &[from, one, flags, sqe.len as usize])
            } else {
                work(libc::SYS_openat2, &[from, one, two, OPEN_HOW])
            }
        }
        abi::IORING_OP_STATX => {
            let from = directory(&mut request.second, sqe.fd)?;
            work(
                libc::SYS_statx,
                &[from, one, flags, sqe.len as usize, sqe.off as usize],
            )
        }
        abi::IORING_OP_UNLINKAT => {
            let from = directory(&mut request.second, sqe.fd)?;
            work(libc::SYS_unlinkat, &[from, one, flags])
        }
        abi::IORING_OP_MKDIRAT => {
            let from = directory(&mut request.second, sqe.fd)?;
            work(libc::SYS_mkdirat, &[from, one, sqe.len as usize])
        }
        abi::IORING_OP_SYMLINKAT => {
            let at = directory(&mut request.second, sqe.fd)?;
            work(libc::SYS_symlinkat, &[one, at, two])
        }
        abi::IORING_OP_RENAMEAT | abi::IORING_OP_LINKAT => {
            let from = directory(&mut request.second, sqe.fd)?;
            let to = directory(&mut request.file, sqe.len as c_int)?;
            let call = if op == abi::IORING_OP_LINKAT {
                libc::SYS_linkat
            } else {
                libc::SYS_renameat2
            };
            work(call, &[from, one, to, two, flags])
        }
        abi::IORING_OP_SETXATTR => work(
            libc::SYS_setxattr,
            &[two, one, value, sqe.len as usize, flags],
        ),
        abi::IORING_OP_FSETXATTR => work(
            libc::SYS_fsetxattr,
            &[fd, one, value, sqe.len as usize, flags],
        ),
        abi::IORING_OP_GETXATTR | abi::IORING_OP_FGETXATTR => {
            let (call, place) = if op == abi::IORING_OP_GETXATTR {
                (libc::SYS_getxattr, two)
            } else {
                (libc::SYS_fgetxattr, fd)
            };
            work(call, &[place, one, sqe.off as usize, sqe.len as usize])
        }
        _ => return Err(-libc::EINVAL),
    };
    Ok(outcome)
}

/// Whether an open is of a named pipe, and so waits for its other end, perhaps for
/// ever. It neither makes nor truncates anything then: when it ends does not matter
/// to who gave it up. Looked up without waiting.
pub(crate) fn waits_for_peer(request: &Request) -> bool {
    const CACHED: u64 = 0x20;
    let op = u32::from(request.sqe.opcode);
    let Data::Bytes(path, how) = &request.data else {
        return false;
    };
    if !matches!(op, abi::IORING_OP_OPENAT | abi::IORING_OP_OPENAT2) || path.is_empty() {
        return false;
    }
    // The kernel copied the path by the time it waits: only its look counts here.
    let nofollow = open_flags(request) & libc::O_NOFOLLOW as u64;
    let resolve = match how.get(16..24).map(<[u8; 8]>::try_from) {
        Some(Ok(word)) => u64::from_ne_bytes(word),
        _ => 0,
    };
    let look = [
        libc::O_PATH as u64 | libc::O_CLOEXEC as u64 | nofollow,
        0,
        resolve | CACHED,
    ];
    let from = match &request.second {
        crate::request::File::None => request.sqe.fd,
        held => held.fd(),
    };
    let args = [
        from as usize,
        path.as_ptr() as usize,
        look.as_ptr() as usize,
        OPEN_HOW,
    ];
    // SAFETY: the path lies in memory that the request keeps, the struct here.
    let Ok(found) = (unsafe { sys::raw(libc::SYS_openat2, &args) }) else {
        return false;
    };
    let fd = sys::Fd::own(found as c_int);
    sys::kind_of(fd.get()).is_ok_and(|kind| kind.0 == libc::S_IFIFO)
}

/// The flags of an open, from the SQE or from its struct.
fn open_flags(request: &Request) -> u64 {
    match &request.data {
        Data::Bytes(_, how) if how.len() >= 8 => {
            let mut word = [0_u8; 8];
            word.copy_from_slice(&how[..8]);
            u64::from_ne_bytes(word)
        }
        _ => u64::from(request.sqe.op_flags),
    }
}

/// A file was opened: it may have to go among the registered ones.
pub(crate) fn opened(state: &mut State, request: &Request, res: i32) -> Result<i32, c_int> {
    if res < 0 {
        return Err(res);
    }
    Ok(placed(state, res, request.sqe.file_index))
}

/// What does not block, or does so in the kernel's io_uring as well.
pub(crate) fn quick(state: &mut State, request: &mut Request) -> Outcome {
    let sqe = request.sqe;
    let fd = request.file.fd();
    match u32::from(sqe.opcode) {
        abi::IORING_OP_CLOSE => close(state, sqe.fd, sqe.file_index).into(),
        abi::IORING_OP_PIPE => pipe(state, &sqe).into(),
        abi::IORING_OP_FIXED_FD_INSTALL => {
            let command = if sqe.op_flags != 0 {
                libc::F_DUPFD
            } else {
                libc::F_DUPFD_CLOEXEC
            };
            Outcome::Done(sys::to_res(sys::plain(
                libc::SYS_fcntl,
                &[fd as usize, command as usize, 0],
            )))
        }
        abi::IORING_OP_MADVISE => {
            let len = if sqe.off != 0 {
                sqe.off
            } else {
                u64::from(sqe.len)
            };
            // SAFETY: the program asked for this advice on its memory.
            Outcome::Done(sys::to_res(unsafe {
                sys::raw(
                    libc::SYS_madvise,
                    &[sqe.addr as usize, len as usize, sqe.op_flags as usize],
                )
            }))
        }
        _ => {
            let len = if sqe.addr != 0 {
                sqe.addr
            } else {
                u64::from(sqe.len)
            };
            Outcome::Done(sys::to_res(sys::plain(
                libc::SYS_fadvise64,
                &[
                    fd as usize,
                    sqe.off as usize,
                    len as usize,
                    sqe.op_flags as usize,
                ],
            )))
        }
    }
}

/// CLOSE, of a descriptor or of a registered slot.
fn close(state: &mut State, fd: c_int, index: u32) -> Result<i32, c_int> {
    if index != 0 {
        if !state.files.table.exists() {
            return Err(-libc::ENXIO);
        }
        let at = (index - 1) as usize;
        if at >= state.files.table.len() {
            return Err(-libc::EINVAL);
        }
        let was_there = state.files.table.replace(at, None)?;
        state.post_tags();
        return match was_there {
            true => Ok(0),
            false => Err(-libc::EBADF),
        };
    }
    if let crate::table::Found::Ring(_) = crate::table::find(fd) {
        return Err(-libc::EBADF);
    }
    sys::plain(libc::SYS_close, &[fd as usize]).map(|_| 0)
}

/// What the kernel checks of a PIPE.
pub(crate) fn check_pipe(sqe: &abi::io_uring_sqe) -> Result<(), c_int> {
    let allowed = (libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_DIRECT) as u32 | 0o200;
    if sqe.op_flags & !allowed != 0 {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

/// PIPE, as two descriptors or two registered slots.
fn pipe(state: &mut State, sqe: &abi::io_uring_sqe) -> Result<i32, c_int> {
    if sqe.file_index != 0 && sqe.op_flags & libc::O_CLOEXEC as u32 != 0 {
        return Err(-libc::EINVAL);
    }
    let mut ends = [0_i32; 2];
    // SAFETY: two numbers are written.
    unsafe {
        sys::raw(
            libc::SYS_pipe2,
            &[ends.as_mut_ptr() as usize, sqe.op_flags as usize],
        )
    }?;
    let (read, write) = (Fd::own(ends[0]), Fd::own(ends[1]));
    if sqe.file_index == 0 {
        user::write(sqe.addr, &ends[0])?;
        user::write(sqe.addr + 4, &ends[1])?;
        let _ = (read.release(), write.release());
        return Ok(0);
    }
    let allocated = sqe.file_index == abi::IORING_FILE_INDEX_ALLOC;
    let [read, write] = [read, write].map(|end| sys::high(end.release() as usize));
    let first = state.install(read, sqe.file_index)?;
    let undo = |state: &mut State, slot: i32| {
        let _ = state.files.table.replace(slot as usize, None);
    };
    let first = if allocated {
        first
    } else {
        sqe.file_index as i32 - 1
    };
    let next = if allocated {
        sqe.file_index
    } else {
        sqe.file_index + 1
    };
    let second = match state.install(write, next) {
        Ok(second) if allocated => second,
        Ok(_) => first + 1,
        Err(error) => {
            undo(state, first);
            return Err(error);
        }
    };
    let told = user::write(sqe.addr, &first).and_then(|()| user::write(sqe.addr + 4, &second));
    if let Err(error) = told {
        undo(state, first);
        undo(state, second);
        return Err(error);
    }
    Ok(0)
}
