//! The operations that finish a future. Each function queues one and returns
//! its token; `Proactor.flush` or `poll` submits it.

use std::ffi::CString;

use anyring::prep;
use anyring_abi::{__kernel_timespec, io_uring_sqe};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::aio::{Kind, Proactor, blank};
use crate::aio_done::{Convert, Hold, Message, Status};
use crate::keep::pin;

/// The most bytes of one transfer, as the kernel has it.
const MOST: usize = 0x7fff_f000;

fn start(
    proactor: &mut Proactor,
    future: Py<PyAny>,
    name: &'static str,
    convert: Convert,
    hold: Hold,
    sqe: io_uring_sqe,
) -> PyResult<u64> {
    let kind = Kind::Future {
        future,
        convert,
        name,
        cancelled: false,
    };
    proactor.start(sqe, kind, hold)
}

/// A bytes object that the kernel fills before anybody sees it.
fn fresh(py: Python<'_>, size: usize) -> PyResult<(Hold, *mut u8, usize)> {
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

fn path(bytes: Vec<u8>) -> PyResult<CString> {
    CString::new(bytes).map_err(|_| PyValueError::new_err("embedded null byte"))
}

/// read(2) of at most `size` bytes; offset -1 is the file's position: bytes.
#[pyfunction]
fn read(
    py: Python<'_>,
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    size: usize,
    offset: i64,
) -> PyResult<u64> {
    let (hold, address, size) = fresh(py, size)?;
    let mut sqe = blank();
    prep::prep_read(&mut sqe, fd, address.cast(), size as u32, offset as u64);
    start(&mut proactor, future, "read", Convert::Bytes, hold, sqe)
}

/// read(2) into a buffer: the number of bytes.
#[pyfunction]
fn read_into(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    buffer: &Bound<'_, PyAny>,
    offset: i64,
) -> PyResult<u64> {
    let (hold, address, size) = memory(buffer, true)?;
    let mut sqe = blank();
    prep::prep_read(&mut sqe, fd, address.cast(), size as u32, offset as u64);
    start(&mut proactor, future, "read", Convert::Number, hold, sqe)
}

/// write(2): the number of bytes.
#[pyfunction]
fn write(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    data: &Bound<'_, PyAny>,
    offset: i64,
) -> PyResult<u64> {
    let (hold, address, size) = memory(data, false)?;
    let mut sqe = blank();
    prep::prep_write(&mut sqe, fd, address.cast(), size as u32, offset as u64);
    start(&mut proactor, future, "write", Convert::Number, hold, sqe)
}

/// recv(2): bytes.
#[pyfunction]
fn recv(
    py: Python<'_>,
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    size: usize,
    flags: i32,
) -> PyResult<u64> {
    let (hold, address, size) = fresh(py, size)?;
    let mut sqe = blank();
    prep::prep_recv(&mut sqe, fd, address.cast(), size, flags);
    start(&mut proactor, future, "recv", Convert::Bytes, hold, sqe)
}

/// recv(2) into a buffer: the number of bytes.
#[pyfunction]
fn recv_into(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    buffer: &Bound<'_, PyAny>,
    flags: i32,
) -> PyResult<u64> {
    let (hold, address, size) = memory(buffer, true)?;
    let mut sqe = blank();
    prep::prep_recv(&mut sqe, fd, address.cast(), size, flags);
    start(&mut proactor, future, "recv", Convert::Number, hold, sqe)
}

/// send(2): the number of bytes.
#[pyfunction]
fn send(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    data: &Bound<'_, PyAny>,
    flags: i32,
) -> PyResult<u64> {
    let (hold, address, size) = memory(data, false)?;
    let mut sqe = blank();
    prep::prep_send(
        &mut sqe,
        fd,
        address.cast(),
        size,
        flags | libc::MSG_NOSIGNAL,
    );
    start(&mut proactor, future, "send", Convert::Number, hold, sqe)
}

fn message(data: Hold, address: *mut u8, size: usize, name: &[u8]) -> PyResult<Box<Message>> {
    let mut stored = [0u8; 128];
    if name.len() > stored.len() {
        return Err(PyValueError::new_err("the address is too long"));
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
fn recvfrom(
    py: Python<'_>,
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    size: usize,
    flags: u32,
) -> PyResult<u64> {
    let (hold, address, size) = fresh(py, size)?;
    let mut message = message(hold, address, size, &[])?;
    message.header.msg_name = message.name.as_mut_ptr().cast();
    message.header.msg_namelen = message.name.len() as u32;
    let mut sqe = blank();
    prep::prep_recvmsg(&mut sqe, fd, (&raw mut message.header).cast(), flags);
    let hold = Hold::Message(message);
    start(
        &mut proactor,
        future,
        "recvfrom",
        Convert::Message,
        hold,
        sqe,
    )
}

/// sendmsg(2) of one datagram to a raw address: the number of bytes.
#[pyfunction]
fn sendto(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    data: &Bound<'_, PyAny>,
    flags: u32,
    name: &[u8],
) -> PyResult<u64> {
    let (hold, address, size) = memory(data, false)?;
    let mut message = message(hold, address, size, name)?;
    message.header.msg_name = message.name.as_mut_ptr().cast();
    message.header.msg_namelen = name.len() as u32;
    let mut sqe = blank();
    let flags = flags | libc::MSG_NOSIGNAL as u32;
    prep::prep_sendmsg(&mut sqe, fd, (&raw mut message.header).cast(), flags);
    let hold = Hold::Message(message);
    start(&mut proactor, future, "sendto", Convert::Number, hold, sqe)
}

/// accept4(2): a descriptor, close-on-exec and non-blocking.
#[pyfunction]
fn accept(mut proactor: PyRefMut<'_, Proactor>, future: Py<PyAny>, fd: i32) -> PyResult<u64> {
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
    start(&mut proactor, future, "accept", convert, Hold::Nothing, sqe)
}

/// connect(2) to a raw address.
#[pyfunction]
fn connect(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    name: Vec<u8>,
) -> PyResult<u64> {
    let name = name.into_boxed_slice();
    let mut sqe = blank();
    prep::prep_connect(&mut sqe, fd, name.as_ptr().cast(), name.len() as u32);
    let hold = Hold::Name { _name: name };
    start(
        &mut proactor,
        future,
        "connect",
        Convert::Nothing,
        hold,
        sqe,
    )
}

/// shutdown(2).
#[pyfunction]
fn shutdown(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    how: i32,
) -> PyResult<u64> {
    let mut sqe = blank();
    prep::prep_shutdown(&mut sqe, fd, how);
    let convert = Convert::Nothing;
    start(
        &mut proactor,
        future,
        "shutdown",
        convert,
        Hold::Nothing,
        sqe,
    )
}

/// poll(2) for a mask of `EPOLL*`: the mask that is ready.
#[pyfunction]
fn poll(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    mask: u32,
) -> PyResult<u64> {
    let mut sqe = blank();
    prep::prep_poll_add(&mut sqe, fd, mask);
    start(
        &mut proactor,
        future,
        "poll",
        Convert::Number,
        Hold::Nothing,
        sqe,
    )
}

/// Waits that many nanoseconds.
#[pyfunction]
fn timeout(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    nanoseconds: u64,
) -> PyResult<u64> {
    let time = Box::new(__kernel_timespec {
        tv_sec: (nanoseconds / 1_000_000_000) as i64,
        tv_nsec: (nanoseconds % 1_000_000_000) as i64,
    });
    let mut sqe = blank();
    prep::prep_timeout(&mut sqe, &raw const *time, 0, 0);
    let hold = Hold::Time { _time: time };
    start(&mut proactor, future, "sleep", Convert::Time, hold, sqe)
}

/// openat(2) with close-on-exec: a descriptor.
#[pyfunction]
fn open(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    dir: i32,
    name: Vec<u8>,
    flags: i32,
    mode: u32,
) -> PyResult<u64> {
    let name = path(name)?;
    let mut sqe = blank();
    prep::prep_openat(&mut sqe, dir, name.as_ptr(), flags | libc::O_CLOEXEC, mode);
    let hold = Hold::Paths {
        _paths: [name, CString::default()],
    };
    start(
        &mut proactor,
        future,
        "open",
        Convert::Descriptor,
        hold,
        sqe,
    )
}

/// close(2).
#[pyfunction]
fn close(mut proactor: PyRefMut<'_, Proactor>, future: Py<PyAny>, fd: i32) -> PyResult<u64> {
    let mut sqe = blank();
    prep::prep_close(&mut sqe, fd);
    let convert = Convert::Nothing;
    start(&mut proactor, future, "close", convert, Hold::Nothing, sqe)
}

/// fsync(2), or fdatasync(2).
#[pyfunction]
fn fsync(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    data_only: bool,
) -> PyResult<u64> {
    let mut sqe = blank();
    prep::prep_fsync(&mut sqe, fd, u32::from(data_only));
    let convert = Convert::Nothing;
    start(&mut proactor, future, "fsync", convert, Hold::Nothing, sqe)
}

/// ftruncate(2) (Linux 6.9).
#[pyfunction]
fn ftruncate(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    fd: i32,
    length: i64,
) -> PyResult<u64> {
    let mut sqe = blank();
    prep::prep_ftruncate(&mut sqe, fd, length);
    let convert = Convert::Nothing;
    start(
        &mut proactor,
        future,
        "ftruncate",
        convert,
        Hold::Nothing,
        sqe,
    )
}

/// statx(2) of a path, or with an empty path and AT_EMPTY_PATH of `dir`.
#[pyfunction]
fn statx(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    dir: i32,
    name: Vec<u8>,
    flags: i32,
) -> PyResult<u64> {
    let mut held = Box::new(Status {
        // SAFETY: all zeroes is a value of this struct.
        status: unsafe { std::mem::zeroed() },
        path: path(name)?,
    });
    let mut sqe = blank();
    let mask = libc::STATX_BASIC_STATS;
    let status = (&raw mut held.status).cast();
    prep::prep_statx(&mut sqe, dir, held.path.as_ptr(), flags, mask, status);
    let hold = Hold::Status(held);
    start(&mut proactor, future, "statx", Convert::Status, hold, sqe)
}

/// `unlink`, `rmdir`, `mkdir`, `rename`, `link` or `symlink`, as Python's os
/// has them.
#[pyfunction]
fn change(
    mut proactor: PyRefMut<'_, Proactor>,
    future: Py<PyAny>,
    what: &str,
    first: Vec<u8>,
    second: Vec<u8>,
    mode: u32,
) -> PyResult<u64> {
    let paths = [path(first)?, path(second)?];
    let [first, second] = [paths[0].as_ptr(), paths[1].as_ptr()];
    let mut sqe = blank();
    let name = match what {
        "unlink" => {
            prep::prep_unlink(&mut sqe, first, 0);
            "unlink"
        }
        "rmdir" => {
            prep::prep_unlink(&mut sqe, first, libc::AT_REMOVEDIR);
            "rmdir"
        }
        "mkdir" => {
            prep::prep_mkdir(&mut sqe, first, mode);
            "mkdir"
        }
        "rename" => {
            prep::prep_rename(&mut sqe, first, second);
            "rename"
        }
        "link" => {
            prep::prep_link(&mut sqe, first, second, 0);
            "link"
        }
        "symlink" => {
            prep::prep_symlink(&mut sqe, first, second);
            "symlink"
        }
        _ => return Err(PyValueError::new_err("no such operation")),
    };
    let hold = Hold::Paths { _paths: paths };
    start(&mut proactor, future, name, Convert::Nothing, hold, sqe)
}

/// The module `liburing._liburing.aio`.
pub(crate) fn add(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), "liburing._liburing.aio")?;
    module.add_class::<Proactor>()?;
    module.add_class::<crate::aio_stream::Stream>()?;
    for function in [
        wrap_pyfunction!(read, &module)?,
        wrap_pyfunction!(read_into, &module)?,
        wrap_pyfunction!(write, &module)?,
        wrap_pyfunction!(recv, &module)?,
        wrap_pyfunction!(recv_into, &module)?,
        wrap_pyfunction!(send, &module)?,
        wrap_pyfunction!(recvfrom, &module)?,
        wrap_pyfunction!(sendto, &module)?,
        wrap_pyfunction!(accept, &module)?,
        wrap_pyfunction!(connect, &module)?,
        wrap_pyfunction!(shutdown, &module)?,
        wrap_pyfunction!(poll, &module)?,
        wrap_pyfunction!(timeout, &module)?,
        wrap_pyfunction!(open, &module)?,
        wrap_pyfunction!(close, &module)?,
        wrap_pyfunction!(fsync, &module)?,
        wrap_pyfunction!(ftruncate, &module)?,
        wrap_pyfunction!(statx, &module)?,
        wrap_pyfunction!(change, &module)?,
    ] {
        module.add_function(function)?;
    }
    parent.add("aio", module)
}
