//! The operations on files and the file system that finish a future.

use std::ffi::CString;

use anyring::prep;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::done::{Convert, Hold, Status};
use super::io::start;
use super::operation::Operation;
use super::state::{Proactor, blank};

use crate::make::c_string as path;

/// openat(2) with close-on-exec: a descriptor.
#[pyfunction]
pub(super) fn open(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    dir: i32,
    name: &[u8],
    flags: i32,
    mode: u32,
) -> PyResult<()> {
    let name = path(name)?;
    let mut sqe = blank();
    prep::prep_openat(&mut sqe, dir, name.as_ptr(), flags | libc::O_CLOEXEC, mode);
    let hold = Hold::Paths {
        _paths: [name, CString::default()],
    };
    start(proactor, future, "open", Convert::Descriptor, hold, sqe)
}

/// close(2).
#[pyfunction]
pub(super) fn close(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
) -> PyResult<()> {
    let mut sqe = blank();
    prep::prep_close(&mut sqe, fd);
    let convert = Convert::Nothing;
    start(proactor, future, "close", convert, Hold::Nothing, sqe)
}

/// fsync(2), or fdatasync(2).
#[pyfunction]
pub(super) fn fsync(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    data_only: bool,
) -> PyResult<()> {
    let mut sqe = blank();
    prep::prep_fsync(&mut sqe, fd, u32::from(data_only));
    let convert = Convert::Nothing;
    start(proactor, future, "fsync", convert, Hold::Nothing, sqe)
}

/// ftruncate(2) (Linux 6.9).
#[pyfunction]
pub(super) fn ftruncate(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    fd: i32,
    length: i64,
) -> PyResult<()> {
    let mut sqe = blank();
    prep::prep_ftruncate(&mut sqe, fd, length);
    let convert = Convert::Nothing;
    start(proactor, future, "ftruncate", convert, Hold::Nothing, sqe)
}

/// statx(2) of a path, or with an empty path and AT_EMPTY_PATH of `dir`.
#[pyfunction]
pub(super) fn statx(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    dir: i32,
    name: &[u8],
    flags: i32,
) -> PyResult<()> {
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
    start(proactor, future, "statx", Convert::Status, hold, sqe)
}

/// `unlink`, `rmdir`, `mkdir`, `rename`, `link` or `symlink`, as Python's os
/// has them.
#[pyfunction]
pub(super) fn change(
    proactor: &Bound<'_, Proactor>,
    future: &Bound<'_, Operation>,
    what: &str,
    first: &[u8],
    second: &[u8],
    mode: u32,
) -> PyResult<()> {
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
        _ => return Err(crate::make::raised::<PyValueError>("no such operation")),
    };
    let hold = Hold::Paths { _paths: paths };
    start(proactor, future, name, Convert::Nothing, hold, sqe)
}
