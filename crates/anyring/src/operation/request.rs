//! What can be asked for, with what it needs.

use alloc::ffi::CString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::sync::atomic::AtomicU32;
use core::time::Duration;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use anyring_abi::io_uring_sqe;

use super::{
    Bytes, Descriptor, Gives, Memory, Number, Operation, Output, Owner, Path, Pinned, Status,
    timespec,
};
use crate::errno::Errno;
use crate::flags::{FsyncFlags, SqeFlags};
use crate::kernel::Kernel;
use crate::prep;

/// A request that was not started yet, with its memory, for [`Owner::start`],
/// [`Owner::start_multishot`] or [`Batch::push`](super::Batch::push). Its files stay open
/// until it is submitted.
#[derive(Debug)]
#[must_use = "a request does nothing before it is started"]
pub struct Request<'f, T: Output = Bytes> {
    pub(super) entry: io_uring_sqe,
    pub(super) memory: Memory,
    pub(super) gives: Gives,
    pub(super) timeout: Option<Duration>,
    /// The pool that it takes its buffers from: the place in its ring, and the number.
    pub(super) pool: Option<(usize, u64)>,
    /// The files that it names, which are the program's: in `fd` and in `splice_fd_in`.
    pub(super) files: [RawFd; 2],
    /// Why it cannot be started.
    pub(super) refused: Option<Errno>,
    borrowed: PhantomData<(BorrowedFd<'f>, T)>,
}

/// `MSG_*` flags that a request may have. `MSG_ZEROCOPY` has the kernel keep the pages of
/// the buffer beyond the completion, others are of the kernel's own.
const MESSAGE_FLAGS: i32 = libc::MSG_OOB
    | libc::MSG_PEEK
    | libc::MSG_DONTROUTE
    | libc::MSG_TRUNC
    | libc::MSG_DONTWAIT
    | libc::MSG_EOR
    | libc::MSG_WAITALL
    | libc::MSG_CONFIRM
    | libc::MSG_ERRQUEUE
    | libc::MSG_NOSIGNAL
    | libc::MSG_MORE
    | libc::MSG_FASTOPEN
    | libc::MSG_CMSG_CLOEXEC;

/// An entry of the array of `FUTEX_WAITV` (`struct futex_waitv`).
#[derive(Debug)]
#[repr(C)]
pub(super) struct FutexWait {
    val: u64,
    uaddr: u64,
    flags: u32,
    __reserved: u32,
}

/// `FUTEX2_SIZE_U32 | FUTEX2_PRIVATE`: a word of 32 bits, in this process only.
const FUTEX: u32 = 2 | 128;

/// The length of a buffer as one request can have it.
fn length(bytes: &[u8]) -> u32 {
    bytes.len().min(i32::MAX as usize) as u32
}

impl<'f, T: Output> Request<'f, T> {
    pub(super) fn new(
        memory: Memory,
        gives: Gives,
        prepare: impl FnOnce(&mut io_uring_sqe),
    ) -> Self {
        let mut entry = io_uring_sqe::default();
        prepare(&mut entry);
        Request {
            entry,
            memory,
            gives,
            timeout: None,
            pool: None,
            files: [-1; 2],
            refused: None,
            borrowed: PhantomData,
        }
    }

    /// It names a file of the program's, in `fd`.
    pub(super) fn of(mut self, file: RawFd) -> Self {
        self.files[0] = file;
        self
    }

    /// It names another one, in `splice_fd_in`.
    fn of_too(mut self, file: RawFd) -> Self {
        self.files[1] = file;
        self
    }

    /// Refuses `MSG_*` flags that have the kernel keep or use other memory than the
    /// request's.
    pub(super) fn message_flags(mut self, flags: i32) -> Self {
        if flags & !MESSAGE_FLAGS != 0 {
            self.refused = Some(Errno::EINVAL);
        }
        self
    }

    /// The next request of the batch starts when this one succeeded, and is cancelled
    /// when it failed or was short.
    pub fn link(mut self) -> Self {
        self.entry.flags |= SqeFlags::IO_LINK.bits();
        self
    }

    /// The next request of the batch starts when this one has ended, however.
    pub fn hardlink(mut self) -> Self {
        self.entry.flags |= SqeFlags::IO_HARDLINK.bits();
        self
    }

    /// Starts when all requests before it have ended.
    pub fn drain(mut self) -> Self {
        self.entry.flags |= SqeFlags::IO_DRAIN.bits();
        self
    }

    /// Is cancelled after this time. Linux 5.5.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some(after);
        self
    }
}

impl<'f> Request<'f, Bytes> {
    fn bytes(mut buffer: Vec<u8>, prepare: impl FnOnce(&mut io_uring_sqe, &mut [u8])) -> Self {
        let mut entry = io_uring_sqe::default();
        prepare(&mut entry, &mut buffer);
        Self::new(Memory::Bytes(buffer), Gives::Number, |sqe| *sqe = entry)
    }

    /// Reads from `file` at `offset` (all ones: the file's position) into the bytes of
    /// `buffer`, as many as its length and at most 2^31 - 1. Linux 5.6.
    pub fn read(file: &'f impl AsFd, buffer: Vec<u8>, offset: u64) -> Self {
        let fd = file.as_fd().as_raw_fd();
        Self::bytes(buffer, |sqe, bytes| {
            prep::read(sqe, fd, bytes.as_mut_ptr().cast(), length(bytes), offset);
        })
        .of(fd)
    }

    /// Writes the bytes of `buffer`, otherwise as [`read`](Self::read).
    pub fn write(file: &'f impl AsFd, buffer: Vec<u8>, offset: u64) -> Self {
        let fd = file.as_fd().as_raw_fd();
        Self::bytes(buffer, |sqe, bytes| {
            prep::write(sqe, fd, bytes.as_ptr().cast(), length(bytes), offset);
        })
        .of(fd)
    }

    /// Receives from a socket, with `MSG_*` flags. Linux 5.6.
    pub fn recv(socket: &'f impl AsFd, buffer: Vec<u8>, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        Self::bytes(buffer, |sqe, bytes| {
            let length = length(bytes) as usize;
            prep::recv(sqe, fd, bytes.as_mut_ptr().cast(), length, flags);
        })
        .of(fd)
        .message_flags(flags)
    }

    /// Sends the bytes of `buffer`, with `MSG_*` flags. Linux 5.6.
    pub fn send(socket: &'f impl AsFd, buffer: Vec<u8>, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        Self::bytes(buffer, |sqe, bytes| {
            let length = length(bytes) as usize;
            prep::send(sqe, fd, bytes.as_ptr().cast(), length, flags);
        })
        .of(fd)
        .message_flags(flags)
    }

    /// Sends without a copy; ends when the kernel has let go of the buffer. Linux 6.0.
    pub fn send_zc(socket: &'f impl AsFd, buffer: Vec<u8>, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        Self::bytes(buffer, |sqe, bytes| {
            let length = length(bytes) as usize;
            prep::send_zc(sqe, fd, bytes.as_ptr().cast(), length, flags, 0);
        })
        .of(fd)
        .message_flags(flags)
    }

    /// Does nothing, in the kernel; its buffer is empty.
    pub fn nop() -> Self {
        Self::bytes(Vec::new(), |sqe, _| prep::nop(sqe))
    }
}

impl<'f> Request<'f, Number> {
    fn number(prepare: impl FnOnce(&mut io_uring_sqe)) -> Self {
        Self::new(Memory::None, Gives::Number, prepare)
    }

    /// Writes a file out to its device. Linux 5.1.
    pub fn fsync(file: &'f impl AsFd) -> Self {
        let fd = file.as_fd().as_raw_fd();
        Self::number(|sqe| prep::fsync(sqe, fd, 0)).of(fd)
    }

    /// fdatasync(2). Linux 5.1.
    pub fn fdatasync(file: &'f impl AsFd) -> Self {
        let fd = file.as_fd().as_raw_fd();
        Self::number(|sqe| prep::fsync(sqe, fd, FsyncFlags::DATASYNC.bits())).of(fd)
    }

    /// Connects a socket. Linux 5.5.
    pub fn connect(socket: &'f impl AsFd, to: SocketAddr) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        let (address, length) = encode(to);
        let address = Pinned::new(address);
        let place = address.as_ptr().cast_const().cast();
        Self::new(Memory::Address(address), Gives::Number, |sqe| {
            prep::connect(sqe, fd, place, length);
        })
        .of(fd)
    }

    /// Ends after this time, with ETIME. Linux 5.4.
    pub fn sleep(after: Duration) -> Self {
        let span = Pinned::new(timespec(after));
        let place = span.as_ptr();
        Self::new(Memory::Span(span), Gives::Number, |sqe| {
            prep::timeout(sqe, place, 0, 0);
        })
    }

    /// Waits for `POLL*` events; those that came. Linux 5.1.
    pub fn poll(file: &'f impl AsFd, events: u32) -> Self {
        let fd = file.as_fd().as_raw_fd();
        Self::number(|sqe| prep::poll_add(sqe, fd, events)).of(fd)
    }

    /// Waits for `POLL*` events again and again, for [`Owner::start_multishot`].
    /// Linux 5.13.
    pub fn poll_multishot(file: &'f impl AsFd, events: u32) -> Self {
        let fd = file.as_fd().as_raw_fd();
        Self::number(|sqe| prep::poll_multishot(sqe, fd, events)).of(fd)
    }

    /// Waits on a word while it has the value `expected`, until a wake whose mask has a
    /// bit of `mask` in common (all ones: any): 0; EAGAIN if it has another value. The
    /// word is kept meanwhile, and is to be woken in this process (`FUTEX_PRIVATE`).
    /// Linux 6.7.
    pub fn futex_wait(word: Arc<AtomicU32>, expected: u32, mask: u32) -> Self {
        let place = word.as_ptr().cast_const();
        Self::new(
            Memory::Words(vec![word], Vec::new()),
            Gives::Number,
            |sqe| {
                prep::futex_wait(sqe, place, expected.into(), mask.into(), FUTEX, 0);
            },
        )
    }

    /// Waits on several words (1 to 128), each with the value it is to have; the index of
    /// one that was woken. Linux 6.7.
    pub fn futex_wait_any(words: Vec<(Arc<AtomicU32>, u32)>) -> Self {
        let mut waits: Vec<FutexWait> = words
            .iter()
            .map(|(word, expected)| FutexWait {
                val: (*expected).into(),
                uaddr: word.as_ptr() as u64,
                flags: FUTEX,
                __reserved: 0,
            })
            .collect();
        let place = waits.as_mut_ptr();
        let count = u32::try_from(waits.len()).unwrap_or(u32::MAX);
        let words = words.into_iter().map(|(word, _)| word).collect();
        Self::new(Memory::Words(words, waits), Gives::Number, |sqe| {
            prep::futex_waitv(sqe, place.cast(), count, 0);
        })
    }

    /// Wakes at most `count` waits on a word whose masks have a bit of `mask` in common;
    /// how many. Linux 6.7.
    pub fn futex_wake(word: Arc<AtomicU32>, count: u32, mask: u32) -> Self {
        let place = word.as_ptr().cast_const();
        Self::new(
            Memory::Words(vec![word], Vec::new()),
            Gives::Number,
            |sqe| {
                prep::futex_wake(sqe, place, count.into(), mask.into(), FUTEX, 0);
            },
        )
    }

    /// Closes a descriptor. One that is not started, or whose ring ends before, stays
    /// open. Linux 5.6.
    pub fn close(file: OwnedFd) -> Self {
        let fd = file.into_raw_fd();
        Self::number(|sqe| prep::close(sqe, fd))
    }

    /// Moves bytes between a pipe and another file, at these offsets (-1: the file's
    /// position). Linux 5.7.
    pub fn splice(
        from: &'f impl AsFd,
        from_offset: i64,
        to: &'f impl AsFd,
        to_offset: i64,
        bytes: u32,
    ) -> Self {
        let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
        Self::number(|sqe| prep::splice(sqe, from, from_offset, to, to_offset, bytes, 0))
            .of(to)
            .of_too(from)
    }

    /// Ends one or both directions of a socket: `SHUT_*`. Linux 5.11.
    pub fn shutdown(socket: &'f impl AsFd, how: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        Self::number(|sqe| prep::shutdown(sqe, fd, how)).of(fd)
    }

    /// fallocate(2). Linux 5.6.
    pub fn fallocate(file: &'f impl AsFd, mode: i32, offset: u64, length: u64) -> Self {
        let fd = file.as_fd().as_raw_fd();
        Self::number(|sqe| prep::fallocate(sqe, fd, mode, offset, length)).of(fd)
    }

    /// Removes a name, with `AT_REMOVEDIR` of a folder. Linux 5.11.
    pub fn unlink(path: CString, flags: i32) -> Self {
        let path = Path::new(path);
        let place = path.as_ptr();
        Self::new(Memory::Paths(vec![path]), Gives::Number, |sqe| {
            prep::unlink(sqe, place, flags);
        })
    }

    /// Renames. Linux 5.11.
    pub fn rename(from: CString, to: CString) -> Self {
        let (from, to) = (Path::new(from), Path::new(to));
        let (old, new) = (from.as_ptr(), to.as_ptr());
        Self::new(Memory::Paths(vec![from, to]), Gives::Number, |sqe| {
            prep::rename(sqe, old, new);
        })
    }

    /// Makes a folder. Linux 5.15.
    pub fn mkdir(path: CString, mode: u32) -> Self {
        let path = Path::new(path);
        let place = path.as_ptr();
        Self::new(Memory::Paths(vec![path]), Gives::Number, |sqe| {
            prep::mkdir(sqe, place, mode);
        })
    }
}

impl<'f> Request<'f, Descriptor> {
    /// Opens a file, with `O_*` flags (`O_CLOEXEC` is added). Linux 5.6.
    pub fn open(path: CString, flags: i32, mode: u32) -> Self {
        let path = Path::new(path);
        let place = path.as_ptr();
        Self::new(Memory::Paths(vec![path]), Gives::Descriptor, |sqe| {
            prep::open(sqe, place, flags | libc::O_CLOEXEC, mode);
        })
    }

    /// Opens a file below a folder, otherwise as [`open`](Self::open).
    pub fn open_at(folder: &'f impl AsFd, path: CString, flags: i32, mode: u32) -> Self {
        let path = Path::new(path);
        let (fd, place) = (folder.as_fd().as_raw_fd(), path.as_ptr());
        Self::new(Memory::Paths(vec![path]), Gives::Descriptor, |sqe| {
            prep::openat(sqe, fd, place, flags | libc::O_CLOEXEC, mode);
        })
        .of(fd)
    }

    /// Accepts a connection. Linux 5.5.
    pub fn accept(listener: &'f impl AsFd) -> Self {
        let fd = listener.as_fd().as_raw_fd();
        let none = core::ptr::null_mut();
        Self::new(Memory::None, Gives::Descriptor, |sqe| {
            prep::accept(sqe, fd, none, none.cast(), libc::SOCK_CLOEXEC);
        })
        .of(fd)
    }

    /// Accepts connections again and again, for [`Owner::start_multishot`]. Linux 5.19.
    pub fn accept_multishot(listener: &'f impl AsFd) -> Self {
        let fd = listener.as_fd().as_raw_fd();
        let none = core::ptr::null_mut();
        Self::new(Memory::None, Gives::Descriptor, |sqe| {
            prep::multishot_accept(sqe, fd, none, none.cast(), libc::SOCK_CLOEXEC);
        })
        .of(fd)
    }

    /// Makes a socket. Linux 5.19.
    pub fn socket(domain: i32, kind: i32, protocol: i32) -> Self {
        Self::new(Memory::None, Gives::Descriptor, |sqe| {
            prep::socket(sqe, domain, kind | libc::SOCK_CLOEXEC, protocol, 0);
        })
    }
}

impl<'f> Request<'f, Status> {
    fn status(place: RawFd, path: CString, flags: i32, mask: u32) -> Self {
        let path = Path::new(path);
        // SAFETY: integers: zeroes are a value.
        let status = Pinned::new(unsafe { core::mem::zeroed::<libc::statx>() });
        let (name, into) = (path.as_ptr(), status.as_ptr());
        Self::new(Memory::Status(path, status), Gives::Number, |sqe| {
            prep::statx(sqe, place, name, flags, mask, into.cast());
        })
    }

    /// statx(2) of a path, with `AT_*` flags and a mask of `STATX_*`. Linux 5.6.
    pub fn statx(path: CString, flags: i32, mask: u32) -> Self {
        Self::status(libc::AT_FDCWD, path, flags, mask)
    }

    /// statx(2) of a path below a folder, otherwise as [`statx`](Self::statx).
    pub fn statx_at(folder: &'f impl AsFd, path: CString, flags: i32, mask: u32) -> Self {
        let fd = folder.as_fd().as_raw_fd();
        Self::status(fd, path, flags, mask).of(fd)
    }

    /// statx(2) of an open file (`AT_EMPTY_PATH`), with a mask of `STATX_*`. Linux 5.6.
    pub fn fstat(file: &'f impl AsFd, mask: u32) -> Self {
        let fd = file.as_fd().as_raw_fd();
        Self::status(fd, CString::default(), libc::AT_EMPTY_PATH, mask).of(fd)
    }
}

/// An address as the kernel takes it, and its length.
pub(super) fn encode(address: SocketAddr) -> (libc::sockaddr_storage, u32) {
    // SAFETY: integers: zeroes are a value.
    let mut storage: libc::sockaddr_storage = unsafe { core::mem::zeroed() };
    let place = &raw mut storage;
    match address {
        SocketAddr::V4(v4) => {
            let address = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(v4.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: a sockaddr_storage has room for every address, and its alignment.
            unsafe { place.cast::<libc::sockaddr_in>().write(address) };
            (storage, size_of::<libc::sockaddr_in>() as u32)
        }
        SocketAddr::V6(v6) => {
            let address = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: v6.ip().octets(),
                },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { place.cast::<libc::sockaddr_in6>().write(address) };
            (storage, size_of::<libc::sockaddr_in6>() as u32)
        }
    }
}

/// The most used ones by name; all others by [`Owner::start`].
impl<K: Kernel> Owner<K> {
    /// [`Request::read`], started.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn read(
        &self,
        file: impl AsFd,
        buffer: Vec<u8>,
        offset: u64,
    ) -> Result<Operation<K>, Errno> {
        self.start(Request::read(&file, buffer, offset))
    }

    /// [`Request::write`], started.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn write(
        &self,
        file: impl AsFd,
        buffer: Vec<u8>,
        offset: u64,
    ) -> Result<Operation<K>, Errno> {
        self.start(Request::write(&file, buffer, offset))
    }

    /// [`Request::recv`], started.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn recv(
        &self,
        socket: impl AsFd,
        buffer: Vec<u8>,
        flags: i32,
    ) -> Result<Operation<K>, Errno> {
        self.start(Request::recv(&socket, buffer, flags))
    }

    /// [`Request::send`], started.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn send(
        &self,
        socket: impl AsFd,
        buffer: Vec<u8>,
        flags: i32,
    ) -> Result<Operation<K>, Errno> {
        self.start(Request::send(&socket, buffer, flags))
    }

    /// [`Request::accept`], started.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn accept(&self, listener: impl AsFd) -> Result<Operation<K, Descriptor>, Errno> {
        self.start(Request::accept(&listener))
    }

    /// [`Request::nop`], started.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn nop(&self) -> Result<Operation<K>, Errno> {
        self.start(Request::nop())
    }
}
