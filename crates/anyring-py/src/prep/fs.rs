//! Paths and attributes. Everything the kernel only reads is copied.

use std::ffi::{c_char, c_void};

use anyring::prep;
use pyo3::prelude::*;
use pyo3::types::PyInt;

use crate::args::{I32, U32, length};
use crate::keep::{self, Keep, copy, pin_block, pinned, text};
use crate::sqe::{Sqe, entry};

/// `(dfd, path, flags, mode, file_index)`: opens a file; without an index the
/// result is a descriptor. Kernel 5.6.
#[pyfunction]
fn _openat(
    sqe: &Bound<'_, Sqe>,
    dfd: I32,
    path: &Bound<'_, PyAny>,
    flags: I32,
    mode: U32,
    file_index: Option<U32>,
) -> PyResult<()> {
    let (place, keep) = keep::path(sqe, path)?;
    let place = place as *const c_char;
    entry(sqe)?.prepare(keep.into(), |raw| match file_index {
        Some(index) => prep::prep_openat_direct(raw, dfd.0, place, flags.0, mode.0, index.0),
        None => prep::prep_openat(raw, dfd.0, place, flags.0, mode.0),
    })
}

/// `(dfd, path, how, file_index)`: opens a file as 24 bytes say. Kernel 5.6.
#[pyfunction]
fn _openat2(
    sqe: &Bound<'_, Sqe>,
    dfd: I32,
    path: &Bound<'_, PyAny>,
    how: &Bound<'_, PyAny>,
    file_index: Option<U32>,
) -> PyResult<()> {
    let (place, path) = keep::path(sqe, path)?;
    let (how, block) = copy(how, 24)?;
    let (place, how) = (place as *const c_char, how as *const libc::open_how);
    entry(sqe)?.prepare(vec![path, block].into(), |raw| match file_index {
        Some(index) => prep::prep_openat2_direct(raw, dfd.0, place, how, index.0),
        None => prep::prep_openat2(raw, dfd.0, place, how),
    })
}

/// `(dfd, path, flags, mask, block)`: fills 256 bytes. Kernel 5.6.
#[pyfunction]
fn _statx(
    sqe: &Bound<'_, Sqe>,
    dfd: I32,
    path: &Bound<'_, PyAny>,
    flags: I32,
    mask: U32,
    block: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (place, path) = keep::path(sqe, path)?;
    let block = pin_block(block, 256, true)?;
    let found = block.address() as *mut libc::statx;
    entry(sqe)?.prepare(vec![path, Keep::Pinned(block)].into(), |raw| {
        prep::prep_statx(raw, dfd.0, place as *const c_char, flags.0, mask.0, found);
    })
}

/// `(dfd, path, flags)`: removes a name. Kernel 5.11.
#[pyfunction]
fn _unlinkat(sqe: &Bound<'_, Sqe>, dfd: I32, path: &Bound<'_, PyAny>, flags: I32) -> PyResult<()> {
    let (place, keep) = keep::path(sqe, path)?;
    entry(sqe)?.prepare(keep.into(), |raw| {
        prep::prep_unlinkat(raw, dfd.0, place as *const c_char, flags.0);
    })
}

/// `(dfd, path, mode)`: makes a folder. Kernel 5.15.
#[pyfunction]
fn _mkdirat(sqe: &Bound<'_, Sqe>, dfd: I32, path: &Bound<'_, PyAny>, mode: U32) -> PyResult<()> {
    let (place, keep) = keep::path(sqe, path)?;
    entry(sqe)?.prepare(keep.into(), |raw| {
        prep::prep_mkdirat(raw, dfd.0, place as *const c_char, mode.0);
    })
}

/// `(target, dfd, path)`: makes a symbolic link. Kernel 5.15.
#[pyfunction]
fn _symlinkat(
    sqe: &Bound<'_, Sqe>,
    target: &Bound<'_, PyAny>,
    dfd: I32,
    path: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (target, one) = keep::path(sqe, target)?;
    let (place, two) = keep::path(sqe, path)?;
    entry(sqe)?.prepare(vec![one, two].into(), |raw| {
        prep::prep_symlinkat(raw, target as *const c_char, dfd.0, place as *const c_char);
    })
}

/// Operations on two paths.
macro_rules! two_paths {
    ($($(#[$doc:meta])* $name:ident($flags:ty) => $core:ident;)*) => {
        $($(#[$doc])*
        #[pyfunction]
        fn $name(
            sqe: &Bound<'_, Sqe>,
            olddfd: I32,
            oldpath: &Bound<'_, PyAny>,
            newdfd: I32,
            newpath: &Bound<'_, PyAny>,
            flags: $flags,
        ) -> PyResult<()> {
            let (old, one) = keep::path(sqe, oldpath)?;
            let (new, two) = keep::path(sqe, newpath)?;
            entry(sqe)?.prepare(vec![one, two].into(), |raw| {
                let (old, new) = (old as *const c_char, new as *const c_char);
                prep::$core(raw, olddfd.0, old, newdfd.0, new, flags.0);
            })
        })*

        fn add_two_paths(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

two_paths! {
    /// `(olddfd, oldpath, newdfd, newpath, flags)`: renames. Kernel 5.11.
    _renameat(U32) => prep_renameat;
    /// `(olddfd, oldpath, newdfd, newpath, flags)`: a hard link. Kernel 5.15.
    _linkat(I32) => prep_linkat;
}

/// `(name, value, path, len)`: reads an attribute into a buffer; of an open
/// file when `path` is a descriptor. Kernel 5.19.
#[pyfunction]
fn _getxattr(
    sqe: &Bound<'_, Sqe>,
    name: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
    path: &Bound<'_, PyAny>,
    len: Option<u64>,
) -> PyResult<()> {
    let (name, one) = text(name)?;
    let pinned = pinned(value, true)?;
    let (value, len) = (pinned.address(), length(pinned.len(), len)?);
    let (name, value) = (name as *const c_char, value as *mut c_char);
    let mut keep = vec![one, Keep::Pinned(pinned)];
    if path.is_instance_of::<PyInt>() {
        let fd = path.extract::<I32>()?.0;
        return entry(sqe)?.prepare(keep.into(), |raw| {
            prep::prep_fgetxattr(raw, fd, name, value, len);
        });
    }
    let (path, two) = keep::path(sqe, path)?;
    keep.push(two);
    entry(sqe)?.prepare(keep.into(), |raw| {
        prep::prep_getxattr(raw, name, value, path as *const c_char, len);
    })
}

/// `(name, value, path, flags, len)`: sets an attribute; of an open file when
/// `path` is a descriptor. Kernel 5.19.
#[pyfunction]
fn _setxattr(
    sqe: &Bound<'_, Sqe>,
    name: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
    path: &Bound<'_, PyAny>,
    flags: I32,
    len: Option<u64>,
) -> PyResult<()> {
    let (name, one) = text(name)?;
    let pinned = pinned(value, false)?;
    let (value, len) = (pinned.address(), length(pinned.len(), len)?);
    let (name, value) = (name as *const c_char, value as *const c_void);
    let mut keep = vec![one, Keep::Pinned(pinned)];
    if path.is_instance_of::<PyInt>() {
        let fd = path.extract::<I32>()?.0;
        return entry(sqe)?.prepare(keep.into(), |raw| {
            prep::prep_fsetxattr(raw, fd, name, value.cast(), flags.0, len);
        });
    }
    let (path, two) = keep::path(sqe, path)?;
    keep.push(two);
    entry(sqe)?.prepare(keep.into(), |raw| {
        let path = path as *const c_char;
        prep::prep_setxattr(raw, name, value.cast(), path, flags.0, len);
    })
}

/// Adds what this file has to the module.
pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add_two_paths(module)?;
    module.add_function(wrap_pyfunction!(_openat, module)?)?;
    module.add_function(wrap_pyfunction!(_openat2, module)?)?;
    module.add_function(wrap_pyfunction!(_statx, module)?)?;
    module.add_function(wrap_pyfunction!(_unlinkat, module)?)?;
    module.add_function(wrap_pyfunction!(_mkdirat, module)?)?;
    module.add_function(wrap_pyfunction!(_symlinkat, module)?)?;
    module.add_function(wrap_pyfunction!(_getxattr, module)?)?;
    module.add_function(wrap_pyfunction!(_setxattr, module)?)
}
