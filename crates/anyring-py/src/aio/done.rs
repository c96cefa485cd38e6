//! What operations with a future use, and how they end.

use std::ffi::CString;

use anyring_abi::__kernel_timespec;
use pyo3::PyErr;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::operation::{Operation, Outcome, end};
use super::whole::Part;
use crate::keep::Keep;
use crate::make;

/// Memory the kernel may use until an operation ends.
pub(super) enum Hold {
    /// None.
    Nothing,
    /// A bytes object: written by the kernel only while nobody else has it.
    Bytes(Py<PyBytes>),
    /// What is left to fill of a bytes object.
    Part(Part),
    /// Buffers of the program.
    Pinned {
        /// Held, never read.
        _pinned: Vec<Keep>,
    },
    /// Paths.
    Paths {
        /// Held, never read.
        _paths: [CString; 2],
    },
    /// A time.
    Time {
        /// Held, never read.
        _time: Box<__kernel_timespec>,
    },
    /// A socket address.
    Name {
        /// Held, never read.
        _name: Box<[u8]>,
    },
    /// A message with its parts.
    Message(Box<Message>),
    /// What statx(2) fills, and its path.
    Status(Box<Status>),
}

// SAFETY: the addresses inside are only handed to the kernel.
unsafe impl Send for Hold {}
// SAFETY: nothing is reached through a shared reference.
unsafe impl Sync for Hold {}

/// The memory of recvmsg(2) or sendmsg(2) with one buffer.
pub(super) struct Message {
    pub(super) header: libc::msghdr,
    pub(super) vector: libc::iovec,
    pub(super) name: [u8; 128],
    pub(super) data: Hold,
}

/// The memory of statx(2).
pub(super) struct Status {
    pub(super) status: libc::statx,
    pub(super) path: CString,
}

/// What a result that is no error becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Convert {
    /// The number.
    Number,
    /// A descriptor, closed if nobody takes it.
    Descriptor,
    /// That many of the bytes held.
    Bytes,
    /// None.
    Nothing,
    /// None; the time being over is the success.
    Time,
    /// (bytes, raw address).
    Message,
    /// The fields of os.stat_result, in nanoseconds.
    Status,
}

/// An OSError of the right subclass, with the operation's name as its attribute
/// `operation` and from Python 3.11 on in a note. `strerror` is as os.strerror has it:
/// programs compare the two.
pub(super) fn operation_error(py: Python<'_>, number: i32, name: &str) -> PyErr {
    let message = std::io::Error::from_raw_os_error(number).to_string();
    let message = message.split(" (os error").next().unwrap_or_default();
    let error = make::error(&py.get_type::<PyOSError>(), number, message, None);
    // The exception is raised with or without what explains it.
    let value = error.value(py);
    if let (Ok(name), Ok(names)) = (make::text(py, name), make::names(py)) {
        let _ = value.setattr(names.operation.bind(py), name);
    }
    let note = make::text(py, &format!("io_uring operation: {name}"));
    let note = note.and_then(|note| make::tuple(py, [note]));
    if let (Ok(note), Ok(names)) = (note, make::names(py)) {
        let _ = value.call_method1(names.add_note.bind(py), note);
    }
    error
}

/// The first `length` bytes of what was received.
pub(super) fn bytes<'py>(
    py: Python<'py>,
    whole: &Py<PyBytes>,
    length: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let whole = whole.bind(py);
    let data = whole.as_bytes();
    if length >= data.len() {
        return Ok(whole.clone().into_any());
    }
    Ok(make::bytes(py, &data[..length])?.into_any())
}

fn number(py: Python<'_>, value: i32) -> PyResult<Bound<'_, PyAny>> {
    make::integer(py, value.into())
}

fn status<'py>(py: Python<'py>, held: &Status) -> PyResult<Bound<'py, PyAny>> {
    let s = &held.status;
    let device = |major, minor| libc::makedev(major, minor);
    let time =
        |t: libc::statx_timestamp| i128::from(t.tv_sec) * 1_000_000_000 + i128::from(t.tv_nsec);
    let moment = |t| {
        let nanoseconds: i128 = time(t);
        // Four centuries around the epoch fit 64 bits; the rest is rare.
        match i64::try_from(nanoseconds) {
            Ok(nanoseconds) => make::integer(py, nanoseconds),
            Err(_) => make::integer(py, t.tv_sec)?
                .mul(make::integer(py, 1_000_000_000)?)?
                .add(make::integer(py, t.tv_nsec.into())?),
        }
    };
    let count = |number: u64| make::unsigned(py, number);
    let groups = [
        make::tuple(
            py,
            [
                count(s.stx_mode.into())?,
                count(s.stx_ino)?,
                count(device(s.stx_dev_major, s.stx_dev_minor))?,
            ],
        )?,
        make::tuple(
            py,
            [
                count(s.stx_nlink.into())?,
                count(s.stx_uid.into())?,
                count(s.stx_gid.into())?,
                count(s.stx_size)?,
            ],
        )?,
        make::tuple(
            py,
            [
                moment(s.stx_atime)?,
                moment(s.stx_mtime)?,
                moment(s.stx_ctime)?,
            ],
        )?,
        make::tuple(
            py,
            [
                count(s.stx_blksize.into())?,
                count(s.stx_blocks)?,
                count(device(s.stx_rdev_major, s.stx_rdev_minor))?,
            ],
        )?,
    ];
    Ok(make::tuple(py, groups.map(Bound::into_any))?.into_any())
}

fn value<'py>(
    py: Python<'py>,
    convert: Convert,
    hold: Hold,
    result: i32,
) -> PyResult<Bound<'py, PyAny>> {
    let length = result.max(0) as usize;
    Ok(match (convert, hold) {
        (Convert::Nothing | Convert::Time, _) => py.None().into_bound(py),
        (Convert::Number, Hold::Part(part)) => {
            part.filled(length);
            number(py, result)?
        }
        (Convert::Bytes, Hold::Bytes(whole)) => bytes(py, &whole, length)?,
        (Convert::Message, Hold::Message(message)) => {
            let Message {
                header, name, data, ..
            } = *message;
            let name_length = (header.msg_namelen as usize).min(name.len());
            let address = make::bytes(py, &name[..name_length])?.into_any();
            let data = match data {
                Hold::Bytes(whole) => bytes(py, &whole, length)?,
                _ => number(py, result)?,
            };
            make::tuple(py, [data, address])?.into_any()
        }
        (Convert::Status, Hold::Status(held)) => status(py, &held)?,
        _ => number(py, result)?,
    })
}

/// Finishes a future. Only exceptions that no handler of the loop may swallow
/// are passed on.
pub(super) fn finish(
    future: &Bound<'_, Operation>,
    convert: Convert,
    name: &'static str,
    cancelled: bool,
    hold: Hold,
    result: i32,
) -> PyResult<()> {
    let py = future.py();
    let failed = result < 0 && !(convert == Convert::Time && result == -libc::ETIME);
    // What it held is let go of before anybody learns that it has ended.
    let outcome = if cancelled {
        drop(hold);
        if convert == Convert::Descriptor && result >= 0 {
            // SAFETY: made for the operation, and nobody has seen it.
            unsafe { libc::close(result) };
        }
        Outcome::Cancelled
    } else if failed {
        drop(hold);
        Outcome::Error(
            operation_error(py, result.wrapping_neg(), name)
                .into_value(py)
                .into_any(),
        )
    } else {
        match value(py, convert, hold, result) {
            Ok(value) => Outcome::Value(value.unbind()),
            Err(error) => {
                // There was no memory for the result: the future ends with that.
                if convert == Convert::Descriptor {
                    // SAFETY: made for the operation, and nobody has seen it.
                    unsafe { libc::close(result) };
                }
                Outcome::Error(error.into_value(py).into_any())
            }
        }
    };
    end(future, outcome)
}
