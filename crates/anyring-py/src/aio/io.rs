//! The operations that finish a future. Each function queues one;
//! `Proactor.flush` or `poll` submits it.

use anyring::prep;
use anyring_abi::{self as abi, __kernel_timespec, io_uring_sqe};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::done::{Convert, Hold, Message};
use super::operation::Operation;
use super::state::{Kind, Proactor, blank};
use crate::keep::pin;

/// The most bytes of one transfer, as the kernel has it.
pub(super) const MOST: usize = 0x7fff_f000;

pub(super) fn start(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    name: &'static str,
    convert: Convert,
    hold: Hold,
    sqe: io_uring_sqe,
) -> PyResult<()> {
    crate::given::permitted(&sqe)?;
    crate::reserve::check()?;
    let kind = Kind::Future {
        future: future.clone().unbind(),
        convert,
        name,
        cancelled: false,
    };
    let token = proactor.try_borrow_mut()?.start(sqe, kind, hold)?;
    future.try_borrow_mut()?.set_token(token);
    Ok(())
}

/// A bytes object that the kernel fills before anybody sees it.
pub(super) fn fresh(py: Python<'_>, size: usize) -> PyResult<(Hold, *mut u8, usize)> {
    let size = size.min(MOST);
    // SAFETY: NULL asks for memory that is not initialised; the object is ours
    // alone until the operation has ended, and only what was written is shown.
    unsafe {
        let object = ffi::PyBytes_FromStringAndSize(std::ptr::null(), size as isize);
        let object = Bound::from_owned_ptr_or_err(py, object)?;
        let address = ffi::PyBytes_AsString(object.as_ptr()).cast::<u8>();
        let object = object.downcast_into_unchecked::<PyBytes>();
        Ok((Hold::Bytes(object.unbind()), address, size))
    }
}

/// The same for a receive with these flags.
fn fresh_for(py: Python<'_>, size: usize, flags: i32) -> PyResult<(Hold, *mut u8, usize)> {
    let (hold, address, size) = fresh(py, size)?;
    if flags & libc::MSG_TRUNC != 0 {
        // What is received is counted, and on a stream not written.
        // SAFETY: a new object of that size, which is ours alone.
        unsafe { address.write_bytes(0, size) };
    }
    Ok((hold, address, size))
}

/// Memory of the program, for the kernel to read or to write.
fn memory(data: &Bound<'_, PyAny>, writable: bool) -> PyResult<(Hold, *mut u8, usize)> {
    if !writable {
        if let Ok(bytes) = data.downcast_exact::<PyBytes>() {
            let slice = bytes.as_bytes();
            let place = (slice.as_ptr().cast_mut(), slice.len().min(MOST));
            return Ok((Hold::Bytes(bytes.clone().unbind()), place.0, place.1));
        }
    }
    let mut pinned = Vec::with_capacity(1);
    let (address, length) = pin(data, writable, &mut pinned)?;
    let hold = Hold::Pinned { _pinned: pinned };
    Ok((hold, address as *mut u8, length.min(MOST)))
}

/// read(2) of at most `size` bytes; offset -1 is the file's position: bytes.
#[pyfunction]
pub(super) fn read(
    py: Python<'_>,
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    size: usize,
    offset: i64,
) -> PyResult<()> {
    let (hold, address, size) = fresh(py, size)?;
    let mut sqe = blank();
    prep::prep_read(&mut sqe, fd, address.cast(), size as u32, offset as u64);
    start(proactor, future, "read", Convert::Bytes, hold, sqe)
}

/// read(2) into a buffer: the number of bytes.
#[pyfunction]
pub(super) fn read_into(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    buffer: &Bound<'_, PyAny>,
    offset: i64,
) -> PyResult<()> {
    let (hold, address, size) = memory(buffer, true)?;
    let mut sqe = blank();
    prep::prep_read(&mut sqe, fd, address.cast(), size as u32, offset as u64);
    start(proactor, future, "read", Convert::Number, hold, sqe)
}

/// write(2): the number of bytes.
#[pyfunction]
pub(super) fn write(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    data: &Bound<'_, PyAny>,
    offset: i64,
) -> PyResult<()> {
    let (hold, address, size) = memory(data, false)?;
    let mut sqe = blank();
    prep::prep_write(&mut sqe, fd, address.cast(), size as u32, offset as u64);
    start(proactor, future, "write", Convert::Number, hold, sqe)
}

/// recv(2): bytes.
#[pyfunction]
pub(super) fn recv(
    py: Python<'_>,
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    size: usize,
    flags: i32,
) -> PyResult<()> {
    let (hold, address, size) = fresh_for(py, size, flags)?;
    let mut sqe = blank();
    prep::prep_recv(&mut sqe, fd, address.cast(), size, flags);
    start(proactor, future, "recv", Convert::Bytes, hold, sqe)
}

/// recv(2) into a buffer: the number of bytes.
#[pyfunction]
pub(super) fn recv_into(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    buffer: &Bound<'_, PyAny>,
    flags: i32,
) -> PyResult<()> {
    let (hold, address, size) = memory(buffer, true)?;
    let mut sqe = blank();
    prep::prep_recv(&mut sqe, fd, address.cast(), size, flags);
    start(proactor, future, "recv", Convert::Number, hold, sqe)
}

/// send(2): the number of bytes.
#[pyfunction]
pub(super) fn send(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    data: &Bound<'_, PyAny>,
    flags: i32,
) -> PyResult<()> {
    let (hold, address, size) = memory(data, false)?;
    let mut sqe = blank();
    prep::prep_send(
        &mut sqe,
        fd,
        address.cast(),
        size,
        flags | libc::MSG_NOSIGNAL,
    );
    start(proactor, future, "send", Convert::Number, hold, sqe)
}

fn message(data: Hold, address: *mut u8, size: usize, name: &[u8]) -> PyResult<Box<Message>> {
    let mut stored = [0u8; 128];
    if name.len() > stored.len() {
        return Err(crate::make::raised::<PyValueError>(
            "the address is too long",
        ));
    }
    stored[..name.len()].copy_from_slice(name);
    let mut message = Box::new(Message {
        // SAFETY: all zeroes is an empty header.
        header: unsafe { std::mem::zeroed() },
        vector: libc::iovec {
            iov_base: address.cast(),
            iov_len: size,
        },
        name: stored,
        data,
    });
    message.header.msg_iov = &raw mut message.vector;
    message.header.msg_iovlen = 1;
    Ok(message)
}

/// recvmsg(2) of one datagram: (bytes, raw address of the sender).
#[pyfunction]
pub(super) fn recvfrom(
    py: Python<'_>,
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    size: usize,
    flags: u32,
) -> PyResult<()> {
    let (hold, address, size) = fresh_for(py, size, flags as i32)?;
    let mut message = message(hold, address, size, &[])?;
    message.header.msg_name = message.name.as_mut_ptr().cast();
    message.header.msg_namelen = message.name.len() as u32;
    let mut sqe = blank();
    prep::prep_recvmsg(&mut sqe, fd, (&raw mut message.header).cast(), flags);
    let hold = Hold::Message(message);
    start(proactor, future, "recvfrom", Convert::Message, hold, sqe)
}

/// sendmsg(2) of one datagram to a raw address: the number of bytes.
#[pyfunction]
pub(super) fn sendto(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    data: &Bound<'_, PyAny>,
    flags: u32,
    name: &[u8],
) -> PyResult<()> {
    let (hold, address, size) = memory(data, false)?;
    let mut message = message(hold, address, size, name)?;
    message.header.msg_name = message.name.as_mut_ptr().cast();
    message.header.msg_namelen = name.len() as u32;
    let mut sqe = blank();
    let flags = flags | libc::MSG_NOSIGNAL as u32;
    prep::prep_sendmsg(&mut sqe, fd, (&raw mut message.header).cast(), flags);
    let hold = Hold::Message(message);
    start(proactor, future, "sendto", Convert::Number, hold, sqe)
}

/// accept4(2): a descriptor, close-on-exec and non-blocking.
#[pyfunction]
pub(super) fn accept(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
) -> PyResult<()> {
    let mut sqe = blank();
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    prep::prep_accept(
        &mut sqe,
        fd,
        std::ptr::null_mut(),
        std::ptr::null_mut(),
        flags,
    );
    let convert = Convert::Descriptor;
    start(proactor, future, "accept", convert, Hold::Nothing, sqe)
}

/// connect(2) to a raw address.
#[pyfunction]
pub(super) fn connect(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    name: &[u8],
) -> PyResult<()> {
    let name = crate::make::copied(name)?.into_boxed_slice();
    let mut sqe = blank();
    prep::prep_connect(&mut sqe, fd, name.as_ptr().cast(), name.len() as u32);
    let hold = Hold::Name { _name: name };
    start(proactor, future, "connect", Convert::Nothing, hold, sqe)
}

/// shutdown(2).
#[pyfunction]
pub(super) fn shutdown(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    how: i32,
) -> PyResult<()> {
    let mut sqe = blank();
    prep::prep_shutdown(&mut sqe, fd, how);
    let convert = Convert::Nothing;
    start(proactor, future, "shutdown", convert, Hold::Nothing, sqe)
}

/// poll(2) for a mask of `EPOLL*`: the mask that is ready.
#[pyfunction]
pub(super) fn poll(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    mask: u32,
) -> PyResult<()> {
    let mut sqe = blank();
    prep::prep_poll_add(&mut sqe, fd, mask);
    start(
        proactor,
        future,
        "poll",
        Convert::Number,
        Hold::Nothing,
        sqe,
    )
}

/// Waits that many nanoseconds.
#[pyfunction]
pub(super) fn timeout(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    nanoseconds: u64,
) -> PyResult<()> {
    // A moment and no duration, because the entry may be queued again.
    // SAFETY: all zeroes is a value of this struct.
    let mut now: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the struct is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let moment = nanoseconds.saturating_add(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64);
    let time = Box::new(__kernel_timespec {
        tv_sec: (moment / 1_000_000_000) as i64,
        tv_nsec: (moment % 1_000_000_000) as i64,
    });
    let mut sqe = blank();
    prep::prep_timeout(&mut sqe, &raw const *time, 0, abi::IORING_TIMEOUT_ABS);
    let hold = Hold::Time { _time: time };
    start(proactor, future, "sleep", Convert::Time, hold, sqe)
}
