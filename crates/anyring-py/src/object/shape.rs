//! Which field of an entry is an address, of what, and how large that is.

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList};

use super::engine::Engine;
use super::hold::Hold;
use super::operation::Operation;
use super::stream::Stream;
use crate::args::Data;
use crate::inflight::Token;
use crate::keep::{pin, pin_all, vectors_fit};
use crate::make::{c_string, gather};

/// What an operation has in one field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    /// Nothing: only 0 or None.
    Zero,
    /// A number.
    Number,
    /// Memory the kernel reads, of that many bytes at least.
    Source(usize),
    /// Memory the kernel writes, of that many bytes at least.
    Sink(usize),
    /// A path or name.
    Text,
    /// Buffers the kernel writes.
    Sinks,
    /// Buffers the kernel reads.
    Sources,
    /// An operation or a stream of the same ring.
    Request,
}
use Field::{Number, Request, Sink, Sinks, Source, Sources, Text, Zero};

/// What the length of the entry is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    /// Whatever is given: it measures no memory.
    Given,
    /// As many units of so many bytes as `addr` has.
    Addr(usize),
    /// As many bytes as `off` has.
    Off,
    /// 0; `off` has the size of `addr`.
    InOff,
    /// 0; `file_index` has the size of `addr3`.
    InFileIndex,
}
use Length::{Addr, Given, InFileIndex, InOff, Off};

/// `(operation, addr, off, addr3, length)`. What is not here is not started.
const SHAPES: &[(u32, Field, Field, Field, Length)] = &[
    (abi::IORING_OP_NOP, Zero, Zero, Zero, Given),
    (abi::IORING_OP_READV, Sinks, Number, Zero, Addr(1)),
    (abi::IORING_OP_WRITEV, Sources, Number, Zero, Addr(1)),
    (abi::IORING_OP_FSYNC, Zero, Number, Zero, Given),
    (abi::IORING_OP_SYNC_FILE_RANGE, Zero, Number, Zero, Given),
    (abi::IORING_OP_POLL_ADD, Zero, Zero, Zero, Given),
    (abi::IORING_OP_POLL_REMOVE, Request, Zero, Zero, Given),
    (abi::IORING_OP_TIMEOUT_REMOVE, Request, Zero, Zero, Given),
    (abi::IORING_OP_FILES_UPDATE, Sink(4), Number, Zero, Addr(4)),
    (abi::IORING_OP_ASYNC_CANCEL, Request, Zero, Zero, Given),
    (abi::IORING_OP_FALLOCATE, Number, Number, Zero, Given),
    (abi::IORING_OP_OPENAT, Text, Zero, Zero, Given),
    (abi::IORING_OP_OPENAT2, Text, Source(24), Zero, Off),
    (abi::IORING_OP_CLOSE, Zero, Zero, Zero, Given),
    (abi::IORING_OP_STATX, Text, Sink(256), Zero, Given),
    (abi::IORING_OP_FADVISE, Number, Number, Zero, Given),
    (abi::IORING_OP_MADVISE, Sink(1), Zero, Zero, Addr(1)),
    (abi::IORING_OP_EPOLL_CTL, Source(12), Number, Zero, Given),
    (abi::IORING_OP_EPOLL_WAIT, Sink(12), Zero, Zero, Addr(12)),
    (abi::IORING_OP_SPLICE, Number, Number, Zero, Given),
    (abi::IORING_OP_TEE, Zero, Zero, Zero, Given),
    (abi::IORING_OP_SHUTDOWN, Zero, Zero, Zero, Given),
    (abi::IORING_OP_RENAMEAT, Text, Text, Zero, Given),
    (abi::IORING_OP_UNLINKAT, Text, Zero, Zero, Given),
    (abi::IORING_OP_MKDIRAT, Text, Zero, Zero, Given),
    (abi::IORING_OP_SYMLINKAT, Text, Text, Zero, Given),
    (abi::IORING_OP_LINKAT, Text, Text, Zero, Given),
    (abi::IORING_OP_MSG_RING, Number, Number, Number, Given),
    (abi::IORING_OP_FSETXATTR, Text, Source(0), Zero, Off),
    (abi::IORING_OP_SETXATTR, Text, Source(0), Text, Off),
    (abi::IORING_OP_FGETXATTR, Text, Sink(0), Zero, Off),
    (abi::IORING_OP_GETXATTR, Text, Sink(0), Text, Off),
    (abi::IORING_OP_SOCKET, Zero, Number, Zero, Given),
    (abi::IORING_OP_CONNECT, Source(2), Zero, Zero, InOff),
    (abi::IORING_OP_BIND, Source(2), Zero, Zero, InOff),
    (abi::IORING_OP_LISTEN, Zero, Zero, Zero, Given),
    (abi::IORING_OP_ACCEPT, Zero, Zero, Zero, Given),
    (abi::IORING_OP_FUTEX_WAIT, Source(4), Number, Number, Given),
    (abi::IORING_OP_FUTEX_WAKE, Source(4), Number, Number, Given),
    (abi::IORING_OP_WAITID, Zero, Sink(128), Zero, Given),
    (abi::IORING_OP_FIXED_FD_INSTALL, Zero, Zero, Zero, Given),
    (abi::IORING_OP_FTRUNCATE, Zero, Number, Zero, Given),
    (abi::IORING_OP_PIPE, Sink(8), Zero, Zero, Given),
    (
        abi::IORING_OP_URING_CMD,
        Number,
        Number,
        Sink(0),
        InFileIndex,
    ),
];

fn memory(
    object: &Bound<'_, PyAny>,
    writable: bool,
    least: usize,
    hold: &mut Vec<Hold>,
) -> PyResult<(u64, usize)> {
    let mut keep = Vec::with_capacity(1);
    let (address, length) = pin(object, writable, &mut keep)?;
    if length < least {
        return Err(crate::make::raised::<PyValueError>(
            "the buffer is too small",
        ));
    }
    hold.push(Hold::Buffers(keep));
    Ok((address, length))
}

/// The value of a field, and the size of what it points to.
fn field(
    engine: &Bound<'_, Engine>,
    kind: Field,
    object: &Bound<'_, PyAny>,
    hold: &mut Vec<Hold>,
) -> PyResult<(u64, usize)> {
    if matches!(kind, Zero | Number) {
        if object.is_none() {
            return Ok((0, 0));
        }
        if !object.is_instance_of::<PyInt>() {
            return Err(crate::make::raised::<PyTypeError>("a number is required"));
        }
        // Offsets may be negative in Python and are 64 bits to the kernel.
        let number = object
            .extract::<u64>()
            .or_else(|error| object.extract::<i64>().map_or(Err(error), |n| Ok(n as u64)))?;
        if kind == Zero && number != 0 {
            return Err(crate::make::raised::<PyValueError>(
                "the operation has nothing there",
            ));
        }
        return Ok((number, 0));
    }
    match kind {
        Request => Ok((request(engine, object)?, 0)),
        Source(least) => memory(object, false, least, hold),
        Sink(least) => memory(object, true, least, hold),
        Text => {
            let bytes = object.cast::<PyBytes>()?.as_bytes();
            let text = c_string(bytes)?;
            let address = text.as_ptr() as u64;
            hold.push(Hold::Text(text));
            Ok((address, bytes.len()))
        }
        _ => {
            let list = object.cast::<PyList>()?;
            vectors_fit(list.len(), 1)?;
            let list = gather(list.iter().map(Ok))?;
            let mut keep = crate::reserve::room(list.len() + 1)?;
            let found = pin_all(&list, kind == Sinks, &mut keep)?;
            hold.push(Hold::Buffers(keep));
            Ok(found)
        }
    }
}

/// The tag of a request in flight; that of none if it is of another ring, or
/// over.
fn request(engine: &Bound<'_, Engine>, object: &Bound<'_, PyAny>) -> PyResult<u64> {
    if object.is_none() {
        return Ok(0);
    }
    let token = if let Ok(operation) = object.cast::<Operation>() {
        operation.get().token_on(engine)
    } else if let Ok(stream) = object.cast::<Stream>() {
        stream.get().token_on(engine)
    } else {
        return Err(crate::make::raised::<PyTypeError>(
            "an Operation or a Stream is required",
        ));
    };
    Ok(token.unwrap_or(Token::NOBODY).tag())
}

fn size(length: usize) -> PyResult<u32> {
    u32::try_from(length)
        .map_err(|_| crate::make::raised::<PyValueError>("the buffer has more than 4 GiB"))
}

/// Checks a futex: 32 bits, the only size kernels have.
pub(super) fn futex(address: u64, length: usize, flags: u32) -> PyResult<()> {
    if flags & 3 != 2 || length < 4 || address % 4 != 0 {
        return Err(crate::make::raised::<PyValueError>(
            "a futex is 32 bits, aligned",
        ));
    }
    crate::given::futex(flags)
}

/// Fills `addr`, `off`, `addr3` and the lengths that belong to them.
pub(super) fn place(
    engine: &Bound<'_, Engine>,
    sqe: &mut io_uring_sqe,
    addr: &Bound<'_, PyAny>,
    off: &Bound<'_, PyAny>,
    addr3: &Bound<'_, PyAny>,
    hold: &mut Vec<Hold>,
) -> PyResult<()> {
    let op = u32::from(sqe.opcode);
    let &(_, addr_kind, off_kind, addr3_kind, length) =
        SHAPES.iter().find(|shape| shape.0 == op).ok_or_else(|| {
            crate::make::raised::<PyValueError>("this operation is not started so")
        })?;
    let addr_size;
    (sqe.addr, addr_size) = field(engine, addr_kind, addr, hold)?;
    let off_size;
    (sqe.off, off_size) = field(engine, off_kind, off, hold)?;
    let addr3_size;
    (sqe.addr3, addr3_size) = field(engine, addr3_kind, addr3, hold)?;
    match length {
        Given => {}
        Addr(unit) => sqe.len = size(addr_size / unit)?,
        Off => sqe.len = size(off_size)?,
        InOff => {
            sqe.len = 0;
            sqe.off = addr_size as u64;
        }
        InFileIndex => {
            sqe.len = 0;
            sqe.file_index = size(addr3_size)?;
        }
    }
    match op {
        abi::IORING_OP_FUTEX_WAIT | abi::IORING_OP_FUTEX_WAKE => {
            futex(sqe.addr, addr_size, sqe.fd as u32)?;
            sqe.len = 0;
        }
        abi::IORING_OP_MSG_RING => drop(Data::of(sqe.off)?),
        abi::IORING_OP_MADVISE => {
            whole_pages(sqe.addr, addr_size)?;
            crate::given::advice(addr, sqe.addr, addr_size as u64, sqe.op_flags as i32)?;
        }
        abi::IORING_OP_URING_CMD => socket_command(sqe)?,
        abi::IORING_OP_POLL_REMOVE if sqe.len & abi::IORING_POLL_UPDATE_USER_DATA != 0 => {
            return Err(crate::make::raised::<PyValueError>(
                "tags are not for programs to change",
            ));
        }
        _ => {}
    }
    Ok(())
}

/// The kernel rounds up: what it advises on must end where a page ends.
fn whole_pages(address: u64, length: usize) -> PyResult<()> {
    let page = crate::given::page_size();
    if address % page != 0 || length as u64 % page != 0 {
        return Err(crate::make::raised::<PyValueError>(
            "the buffer is not made of whole pages",
        ));
    }
    Ok(())
}

/// An option of a socket, with memory, or a question with a number for an
/// answer.
fn socket_command(sqe: &io_uring_sqe) -> PyResult<()> {
    on_a_socket(sqe)?;
    if sqe.off > u64::from(abi::SOCKET_URING_OP_SETSOCKOPT) {
        return Err(crate::make::raised::<PyValueError>("not a socket option"));
    }
    Ok(())
}

/// Commands of sockets, on sockets only: other files have other arguments.
pub(super) fn on_a_socket(sqe: &io_uring_sqe) -> PyResult<()> {
    let fixed = sqe.flags & 1 << abi::IOSQE_FIXED_FILE_BIT != 0;
    // SAFETY: all zeroes is a valid struct stat.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the struct is valid for the call.
    let found = !fixed && unsafe { libc::fstat(sqe.fd, &raw mut stat) } == 0;
    if !found || stat.st_mode & libc::S_IFMT != libc::S_IFSOCK {
        return Err(crate::make::raised::<PyValueError>(
            "the descriptor of a socket is required",
        ));
    }
    Ok(())
}
