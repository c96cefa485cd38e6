//! Files and paths: what the kernel's io_uring does in a worker, the pool does
//! here.
//!
//! # Safety
//! Addresses come from SQEs or from copies that the request keeps; the kernel
//! checks those of the program.

use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

use super::socket::placed;
use crate::os::credentials;
use crate::os::sys::{self, Fd};
use crate::os::user_memory;
use crate::request::{Call, Data, Outcome, Request, Work};
use crate::ring::state::State;

/// The most bytes of an extended attribute.
const XATTR_MAX: u32 = 65536;
const OPEN_HOW: usize = 24;

/// The name of an extended attribute.
fn attribute_name(sqe: &io_uring_sqe) -> Result<Vec<u8>, c_int> {
    const LONGEST: usize = 255;
    let known = (libc::XATTR_CREATE | libc::XATTR_REPLACE) as u32;
    if sqe.op_flags & !known != 0 {
        return Err(-libc::EINVAL);
    }
    match user_memory::read_path(sqe.addr) {
        Ok(name) if name.len() == 1 || name.len() > LONGEST + 1 => Err(-libc::ERANGE),
        Err(error) if error == -libc::ENAMETOOLONG => Err(-libc::ERANGE),
        name => name,
    }
}

/// A path in the program's memory; an empty one only where that is allowed.
fn path(at: u64, may_be_empty: bool) -> Result<Vec<u8>, c_int> {
    match user_memory::read_path(at)? {
        path if path.len() == 1 && !may_be_empty => Err(-libc::ENOENT),
        path => Ok(path),
    }
}

/// Whether the flags allow an empty path, for the file of the descriptor itself.
fn takes_empty(sqe: &io_uring_sqe) -> bool {
    sqe.op_flags & libc::AT_EMPTY_PATH as u32 != 0
}

fn keep(request: &mut Request, one: Vec<u8>, two: Vec<u8>) -> Result<(), c_int> {
    request.data = Data::Bytes(one, two);
    Ok(())
}

/// Keeps the path.
pub(crate) fn copy_path(request: &mut Request) -> Result<(), c_int> {
    let one = path(request.sqe.addr, false)?;
    keep(request, one, Vec::new())
}

/// Keeps the path of a STATX. The kernel takes NULL for "" where the flags allow that.
pub(crate) fn copy_statx_path(request: &mut Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let one = match (sqe.addr, takes_empty(sqe)) {
        (0, true) => Vec::new(),
        (at, empty) => path(at, empty)?,
    };
    keep(request, one, Vec::new())
}

/// Keeps both paths.
pub(crate) fn copy_two_paths(request: &mut Request) -> Result<(), c_int> {
    let one = path(request.sqe.addr, false)?;
    let two = path(request.sqe.off, false)?;
    keep(request, one, two)
}

/// Keeps both paths of a LINKAT.
pub(crate) fn copy_link_paths(request: &mut Request) -> Result<(), c_int> {
    let one = path(request.sqe.addr, takes_empty(&request.sqe))?;
    let two = path(request.sqe.off, false)?;
    keep(request, one, two)
}

/// Keeps the path and the struct open_how.
pub(crate) fn copy_open_how(request: &mut Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let one = path(sqe.addr, false)?;
    if (sqe.len as usize) < OPEN_HOW {
        return Err(-libc::EINVAL);
    }
    let how = user_memory::read_array(sqe.off, OPEN_HOW)?;
    check_zeroes(sqe.off, OPEN_HOW as u64, u64::from(sqe.len))?;
    keep(request, one, how)
}

/// Keeps the name of an attribute.
pub(crate) fn copy_attribute(request: &mut Request) -> Result<(), c_int> {
    let name = attribute_name(&request.sqe)?;
    keep(request, name, Vec::new())
}

/// Keeps the name of an attribute and the path of its file.
pub(crate) fn copy_attribute_and_path(request: &mut Request) -> Result<(), c_int> {
    let name = attribute_name(&request.sqe)?;
    let file = path(request.sqe.addr3, false)?;
    keep(request, name, file)
}

/// Keeps the name of an attribute and its value.
pub(crate) fn copy_attribute_and_value(request: &mut Request) -> Result<(), c_int> {
    let name = attribute_name(&request.sqe)?;
    let name = with_value(&request.sqe, name)?;
    keep(request, name, Vec::new())
}

/// Keeps the name of an attribute, its value, and the path of its file.
pub(crate) fn copy_attribute_path_and_value(request: &mut Request) -> Result<(), c_int> {
    let name = attribute_name(&request.sqe)?;
    let file = path(request.sqe.addr3, false)?;
    let name = with_value(&request.sqe, name)?;
    keep(request, name, file)
}

/// The name of an attribute with its value behind it.
fn with_value(sqe: &io_uring_sqe, mut name: Vec<u8>) -> Result<Vec<u8>, c_int> {
    if sqe.len > XATTR_MAX {
        return Err(-libc::E2BIG);
    }
    let value: Vec<u8> = user_memory::read_array(sqe.off, sqe.len as usize)?;
    name.try_reserve_exact(value.len())
        .map_err(|_| -libc::ENOMEM)?;
    name.extend_from_slice(&value);
    Ok(name)
}

/// What a newer program says beyond what is known has to be nothing.
fn check_zeroes(at: u64, mut from: u64, end: u64) -> Result<(), c_int> {
    while from < end {
        let step = (end - from).min(4096);
        let bytes: Vec<u8> = user_memory::read_array(at.wrapping_add(from), step as usize)?;
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

/// What a request tries before its call blocks; its result if that was enough.
type AtOnce = fn(&Request, &Call) -> Option<i32>;

/// Queues a call for the pool, or makes it here and now: what looks names up depends on
/// the rights, the root and the working directory of the thread that does it.
fn queue(state: &mut State, request: &mut Request, call: Call, at_once: AtOnce) -> Outcome {
    if request.sqe.personality != 0 {
        let ours = state
            .personalities
            .iter()
            .find(|one| one.0 == request.sqe.personality);
        return Outcome::Work(match ours {
            Some((_, ids)) => Work::CallAs(call, *ids),
            None => Work::Call(call),
        });
    }
    if !request.def.path {
        return Outcome::Work(Work::Call(call));
    }
    // One that is not stored runs in the thread that submitted it.
    if request.rights == 0 {
        if let Some(res) = at_once(request, &call) {
            return super::finish(state, request, res);
        }
    }
    let here = credentials::here();
    if request.rights != 0 {
        if request.rights != here {
            return Outcome::Done(-libc::EPERM);
        }
        if let Some(res) = at_once(request, &call) {
            return super::finish(state, request, res);
        }
    }
    if credentials::are_the_engines(here) {
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
    if request.has(abi::IOSQE_ASYNC) {
        return None;
    }
    let Data::Bytes(_, given) = &request.data else {
        return None;
    };
    // Flags, mode, and how names are resolved.
    let mut how = [0_u64; OPEN_HOW / 8];
    let plain = given.is_empty();
    if plain {
        how[0] = u64::from((request.sqe.op_flags as c_int & OPEN_FLAGS) as u32);
    } else {
        for (word, bytes) in how.iter_mut().zip(given.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().ok()?);
        }
    }
    let makes = (libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
    let asked = open_flags(request);
    let (flags, path) = (how[0] as c_int, how[0] & libc::O_PATH as u64 != 0);
    if asked & makes != 0 || how[2] & CACHED != 0 || plain && path {
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
        Err(e) if plain && (e == -libc::EPERM || e == -libc::ENOSYS) => {
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

/// Addresses of what a request keeps.
#[derive(Clone, Copy)]
struct Kept {
    /// The first path, or the name of an attribute.
    one: usize,
    /// The second path, or a struct.
    two: usize,
    /// The value behind the name of an attribute.
    value: usize,
}

fn kept(request: &Request) -> Kept {
    match &request.data {
        Data::Bytes(one, two) => {
            let at = if one.is_empty() {
                0
            } else {
                one.as_ptr() as usize
            };
            Kept {
                one: at,
                two: two.as_ptr() as usize,
                value: (at + one.len()).wrapping_sub(request.sqe.len as usize),
            }
        }
        _ => Kept {
            one: 0,
            two: 0,
            value: 0,
        },
    }
}

/// Queues the call that `make` builds, with the request's arguments copied.
fn call(
    state: &mut State,
    request: &mut Request,
    at_once: AtOnce,
    make: impl FnOnce(&mut Request, Kept) -> Result<Call, c_int>,
) -> Outcome {
    let made = super::copy(request).and_then(|()| {
        let kept = kept(request);
        make(request, kept)
    });
    match made {
        Ok(call) => queue(state, request, call, at_once),
        Err(error) => Outcome::Done(error),
    }
}

/// Queues a call on the request's file, which it holds until the call is made.
fn on_file(
    state: &mut State,
    request: &mut Request,
    make: impl FnOnce(&io_uring_sqe, usize, Kept) -> Result<Call, c_int>,
) -> Outcome {
    call(state, request, never, |request, kept| {
        request.hold_for_offsets()?;
        if request.file.fd() < 0 {
            return Err(-libc::EBADF);
        }
        make(&request.sqe, request.file.fd() as usize, kept)
    })
}

/// Queues a call on a path below a directory, which the request holds.
fn below(
    state: &mut State,
    request: &mut Request,
    make: impl FnOnce(&io_uring_sqe, usize, Kept) -> Call,
) -> Outcome {
    call(state, request, never, |request, kept| {
        let from = directory(&mut request.second, request.sqe.fd)?;
        Ok(make(&request.sqe, from, kept))
    })
}

/// Nothing can be done without blocking.
fn never(_: &Request, _: &Call) -> Option<i32> {
    None
}

pub(crate) fn fsync(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, _| {
        let call = if sqe.op_flags != 0 {
            libc::SYS_fdatasync
        } else {
            libc::SYS_fsync
        };
        Ok(Call::new(call, &[fd]))
    })
}

/// An offset that a call on a file takes.
fn check_offset(sqe: &io_uring_sqe) -> Result<(), c_int> {
    if (sqe.off as i64) < 0 {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

pub(crate) fn sync_file_range(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, _| {
        check_offset(sqe)?;
        let (off, len, flags) = (sqe.off as usize, sqe.len as usize, sqe.op_flags as usize);
        Ok(Call::new(libc::SYS_sync_file_range, &[fd, off, len, flags]))
    })
}

pub(crate) fn fallocate(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, _| {
        check_offset(sqe)?;
        let (mode, off, len) = (sqe.len as usize, sqe.off as usize, sqe.addr as usize);
        Ok(Call::new(libc::SYS_fallocate, &[fd, mode, off, len]))
    })
}

pub(crate) fn ftruncate(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, _| {
        Ok(Call::new(libc::SYS_ftruncate, &[fd, sqe.off as usize]))
    })
}

/// The directory of an open, whose flags must fit a place among the registered files.
fn open_from(request: &mut Request) -> Result<usize, c_int> {
    if request.sqe.file_index != 0 && open_flags(request) & libc::O_CLOEXEC as u64 != 0 {
        return Err(-libc::EINVAL);
    }
    directory(&mut request.second, request.sqe.fd)
}

/// OPENAT.
pub(crate) fn open(state: &mut State, request: &mut Request) -> Outcome {
    call(state, request, open_at_once, |request, kept| {
        let from = open_from(request)?;
        let sqe = &request.sqe;
        // As open(2) of a 64-bit program.
        let flags = sqe.op_flags as usize | libc::O_LARGEFILE as usize;
        let args = [from, kept.one, flags, sqe.len as usize];
        Ok(Call::new(libc::SYS_openat, &args))
    })
}

/// OPENAT2.
pub(crate) fn open2(state: &mut State, request: &mut Request) -> Outcome {
    call(state, request, open_at_once, |request, kept| {
        let from = open_from(request)?;
        let args = [from, kept.one, kept.two, OPEN_HOW];
        Ok(Call::new(libc::SYS_openat2, &args))
    })
}

pub(crate) fn statx(state: &mut State, request: &mut Request) -> Outcome {
    below(state, request, |sqe, from, kept| {
        let (flags, mask) = (sqe.op_flags as usize, sqe.len as usize);
        let args = [from, kept.one, flags, mask, sqe.off as usize];
        Call::new(libc::SYS_statx, &args)
    })
}

pub(crate) fn unlinkat(state: &mut State, request: &mut Request) -> Outcome {
    below(state, request, |sqe, from, kept| {
        Call::new(libc::SYS_unlinkat, &[from, kept.one, sqe.op_flags as usize])
    })
}

pub(crate) fn mkdirat(state: &mut State, request: &mut Request) -> Outcome {
    below(state, request, |sqe, from, kept| {
        Call::new(libc::SYS_mkdirat, &[from, kept.one, sqe.len as usize])
    })
}

pub(crate) fn symlinkat(state: &mut State, request: &mut Request) -> Outcome {
    below(state, request, |_, at, kept| {
        Call::new(libc::SYS_symlinkat, &[kept.one, at, kept.two])
    })
}

/// Queues a call on two paths, below a directory each.
fn from_to(state: &mut State, request: &mut Request, number: i64) -> Outcome {
    call(state, request, never, |request, kept| {
        let from = directory(&mut request.second, request.sqe.fd)?;
        let to = directory(&mut request.file, request.sqe.len as c_int)?;
        let flags = request.sqe.op_flags as usize;
        Ok(Call::new(number, &[from, kept.one, to, kept.two, flags]))
    })
}

pub(crate) fn renameat(state: &mut State, request: &mut Request) -> Outcome {
    from_to(state, request, libc::SYS_renameat2)
}

pub(crate) fn linkat(state: &mut State, request: &mut Request) -> Outcome {
    from_to(state, request, libc::SYS_linkat)
}

pub(crate) fn setxattr(state: &mut State, request: &mut Request) -> Outcome {
    call(state, request, never, |request, kept| {
        let (len, flags) = (request.sqe.len as usize, request.sqe.op_flags as usize);
        let args = [kept.two, kept.one, kept.value, len, flags];
        Ok(Call::new(libc::SYS_setxattr, &args))
    })
}

pub(crate) fn fsetxattr(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, kept| {
        let (len, flags) = (sqe.len as usize, sqe.op_flags as usize);
        let args = [fd, kept.one, kept.value, len, flags];
        Ok(Call::new(libc::SYS_fsetxattr, &args))
    })
}

pub(crate) fn getxattr(state: &mut State, request: &mut Request) -> Outcome {
    call(state, request, never, |request, kept| {
        let (at, len) = (request.sqe.off as usize, request.sqe.len as usize);
        Ok(Call::new(
            libc::SYS_getxattr,
            &[kept.two, kept.one, at, len],
        ))
    })
}

pub(crate) fn fgetxattr(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, kept| {
        let (at, len) = (sqe.off as usize, sqe.len as usize);
        Ok(Call::new(libc::SYS_fgetxattr, &[fd, kept.one, at, len]))
    })
}

/// Whether an open is of a named pipe, and so waits for its other end, perhaps for
/// ever. It neither makes nor truncates anything then: when it ends does not matter
/// to who gave it up. Looked up without waiting.
pub(crate) fn waits_for_peer(request: &Request) -> bool {
    const CACHED: u64 = 0x20;
    let Data::Bytes(path, how) = &request.data else {
        return false;
    };
    if !request.def.opens || path.is_empty() {
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
pub(crate) fn opened(state: &mut State, request: &mut Request, res: i32) -> Outcome {
    Outcome::Done(if res < 0 {
        res
    } else {
        placed(state, res, request.sqe.file_index)
    })
}

/// FIXED_FD_INSTALL.
pub(crate) fn fixed_fd_install(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let command = if request.sqe.op_flags != 0 {
        libc::F_DUPFD
    } else {
        libc::F_DUPFD_CLOEXEC
    };
    let args = [request.file.fd() as usize, command as usize, 0];
    Outcome::Done(sys::to_res(sys::plain(libc::SYS_fcntl, &args)))
}

/// The length of an advice, for which older programs have 32 bits.
fn advised(long: u64, short: u32) -> usize {
    (if long != 0 { long } else { u64::from(short) }) as usize
}

/// MADVISE.
pub(crate) fn madvise(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = &request.sqe;
    let len = advised(sqe.off, sqe.len);
    let args = [sqe.addr as usize, len, sqe.op_flags as usize];
    // SAFETY: the program asked for this advice on its memory.
    Outcome::Done(sys::to_res(unsafe { sys::raw(libc::SYS_madvise, &args) }))
}

/// FADVISE.
pub(crate) fn fadvise(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = &request.sqe;
    let (fd, len) = (request.file.fd() as usize, advised(sqe.addr, sqe.len));
    let args = [fd, sqe.off as usize, len, sqe.op_flags as usize];
    Outcome::Done(sys::to_res(sys::plain(libc::SYS_fadvise64, &args)))
}

/// CLOSE.
pub(crate) fn close(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    close_one(state, request.sqe.fd, request.sqe.file_index).into()
}

/// PIPE.
pub(crate) fn pipe(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    make_pipe(state, &request.sqe).into()
}

/// Closes a descriptor, or a registered slot.
fn close_one(state: &mut State, fd: c_int, index: u32) -> Result<i32, c_int> {
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
    if let crate::ring::ring_registry::Found::Ring(_) = crate::ring::ring_registry::find(fd) {
        return Err(-libc::EBADF);
    }
    sys::plain(libc::SYS_close, &[fd as usize]).map(|_| 0)
}

/// A pipe, as two descriptors or two registered slots.
fn make_pipe(state: &mut State, sqe: &io_uring_sqe) -> Result<i32, c_int> {
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
        user_memory::write(sqe.addr, &ends[0])?;
        user_memory::write(sqe.addr + 4, &ends[1])?;
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
    let told = user_memory::write(sqe.addr, &first)
        .and_then(|()| user_memory::write(sqe.addr + 4, &second));
    if let Err(error) = told {
        undo(state, first);
        undo(state, second);
        return Err(error);
    }
    Ok(0)
}
