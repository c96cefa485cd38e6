//! Reads, writes and memory.

use std::cell::UnsafeCell;
use std::ffi::c_void;

use anyring::prep;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyInt;

use super::vectors;
use crate::args::{I32, U32, U64, fit, length, or_zero};
use crate::given;
use crate::keep::{Keep, pin_block, pinned};
use crate::make::Many;
use crate::reserve::room;
use crate::sqe::{OldSqe, Sqe, entry};

/// `(offset)` with a new entry, `(nbytes, offset)` with an old one or where
/// five arguments decide.
#[inline]
fn part(
    sqe: &Bound<'_, Sqe>,
    third: Option<U64>,
    fourth: Option<U64>,
    offset: Option<U64>,
    nbytes: Option<U64>,
) -> PyResult<(Option<u64>, u64)> {
    let (length, place) = if fourth.is_some() || sqe.is_instance_of::<OldSqe>() {
        (third, fourth)
    } else {
        (None, third)
    };
    if (place.is_some() && offset.is_some()) || (length.is_some() && nbytes.is_some()) {
        return Err(crate::make::raised::<PyTypeError>(
            "an argument was given twice",
        ));
    }
    Ok((
        length.or(nbytes).map(|length| length.0),
        or_zero(place.or(offset)),
    ))
}

/// Reads into a buffer: `(offset)`, or `(nbytes, offset)` as the older
/// releases; offset in bytes, 2**64-1 is the file position. Kernel 5.6.
#[pyfunction]
#[pyo3(
    signature = (sqe, fd, buf, third=None, fourth=None, /, *, offset=None, nbytes=None),
    text_signature = "(sqe, fd, buf, /, offset=0)"
)]
fn io_uring_prep_read(
    sqe: &Bound<'_, Sqe>,
    fd: I32,
    buf: &Bound<'_, PyAny>,
    third: Option<U64>,
    fourth: Option<U64>,
    offset: Option<U64>,
    nbytes: Option<U64>,
) -> PyResult<()> {
    let (wanted, offset) = part(sqe, third, fourth, offset, nbytes)?;
    let pinned = pinned(buf, true)?;
    let (place, len) = (pinned.address(), length(pinned.len(), wanted)?);
    entry(sqe)?.prepare(Keep::Pinned(pinned).into(), |raw| {
        prep::prep_read(raw, fd.0, place as *mut c_void, len, offset);
    })
}

/// Writes a buffer: `(offset)`, or `(nbytes, offset)` as the older releases;
/// offset in bytes, 2**64-1 is the file position. Kernel 5.6.
#[pyfunction]
#[pyo3(
    signature = (sqe, fd, buf, third=None, fourth=None, /, *, offset=None, nbytes=None),
    text_signature = "(sqe, fd, buf, /, offset=0)"
)]
fn io_uring_prep_write(
    sqe: &Bound<'_, Sqe>,
    fd: I32,
    buf: &Bound<'_, PyAny>,
    third: Option<U64>,
    fourth: Option<U64>,
    offset: Option<U64>,
    nbytes: Option<U64>,
) -> PyResult<()> {
    let (wanted, offset) = part(sqe, third, fourth, offset, nbytes)?;
    let pinned = pinned(buf, false)?;
    let (place, len) = (pinned.address(), length(pinned.len(), wanted)?);
    entry(sqe)?.prepare(Keep::Pinned(pinned).into(), |raw| {
        prep::prep_write(raw, fd.0, place as *const c_void, len, offset);
    })
}

/// `(fd, buf, nbytes, offset, buf_index)`: reads into a registered buffer.
#[pyfunction]
fn _read_fixed(
    sqe: &Bound<'_, Sqe>,
    fd: I32,
    buf: &Bound<'_, PyAny>,
    nbytes: Option<U64>,
    offset: U64,
    buf_index: I32,
) -> PyResult<()> {
    let pinned = pinned(buf, true)?;
    let wanted = nbytes.map(|nbytes| nbytes.0);
    let (place, len) = (pinned.address(), length(pinned.len(), wanted)?);
    entry(sqe)?.prepare(Keep::Pinned(pinned).into(), |raw| {
        let place = place as *mut c_void;
        prep::prep_read_fixed(raw, fd.0, place, len, offset.0, buf_index.0);
    })
}

/// `(fd, buf, nbytes, offset, buf_index)`: writes a registered buffer.
#[pyfunction]
fn _write_fixed(
    sqe: &Bound<'_, Sqe>,
    fd: I32,
    buf: &Bound<'_, PyAny>,
    nbytes: Option<U64>,
    offset: U64,
    buf_index: I32,
) -> PyResult<()> {
    let pinned = pinned(buf, false)?;
    let wanted = nbytes.map(|nbytes| nbytes.0);
    let (place, len) = (pinned.address(), length(pinned.len(), wanted)?);
    entry(sqe)?.prepare(Keep::Pinned(pinned).into(), |raw| {
        let place = place as *const c_void;
        prep::prep_write_fixed(raw, fd.0, place, len, offset.0, buf_index.0);
    })
}

/// As many vectors as asked for, or all.
fn count(found: u32, wanted: Option<U32>) -> PyResult<u32> {
    match wanted {
        Some(wanted) if wanted.0 > found => Err(crate::make::raised::<PyValueError>(
            "fewer buffers than the count",
        )),
        Some(wanted) => Ok(wanted.0),
        None => Ok(found),
    }
}

/// Operations on vectors.
macro_rules! vectored {
    ($($(#[$doc:meta])* $name:ident(writable: $writable:expr, $($arg:ident: $kind:ty),*) => $core:ident;)*) => {
        $($(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (sqe, fd, vecs, nr_vecs, offset, flags, $($arg),*))]
        fn $name(
            sqe: &Bound<'_, Sqe>,
            fd: I32,
            vecs: &Bound<'_, PyAny>,
            nr_vecs: Option<U32>,
            offset: Option<U64>,
            flags: Option<I32>,
            $($arg: $kind),*
        ) -> PyResult<()> {
            let (place, found, keep) = vectors(vecs, $writable)?;
            let (count, offset, flags) = (count(found, nr_vecs)?, or_zero(offset), or_zero(flags));
            entry(sqe)?.prepare(keep, |raw| {
                prep::$core(raw, fd.0, place, count, offset, flags $(, $arg.0)*);
            })
        })*

        fn add_vectored(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

vectored! {
    /// `(fd, list, nr_vecs, offset, flags)`: reads into several buffers.
    _readv(writable: true,) => prep_readv2;
    /// `(fd, list, nr_vecs, offset, flags)`: writes several buffers.
    _writev(writable: false,) => prep_writev2;
    /// `(fd, list, nr_vecs, offset, flags, buf_index)`: reads into parts of a
    /// registered buffer.
    _readv_fixed(writable: true, buf_index: I32) => prep_readv_fixed;
    /// `(fd, list, nr_vecs, offset, flags, buf_index)`: writes parts of a
    /// registered buffer.
    _writev_fixed(writable: false, buf_index: I32) => prep_writev_fixed;
}

/// `(addr, length, advice, long)`: advice on memory. `addr` is a buffer, or a
/// number. Advice that leaves memory as it is may be given on any; what takes
/// contents away on whole pages of an mmap.
///
/// Raises ValueError for anything else.
#[pyfunction]
fn _madvise(
    sqe: &Bound<'_, Sqe>,
    addr: &Bound<'_, PyAny>,
    length: U64,
    advice: I32,
    long: bool,
) -> PyResult<()> {
    let harmless = given::is_harmless(advice.0);
    let (place, keep) = if addr.is_instance_of::<PyInt>() {
        if !harmless {
            return Err(crate::make::raised::<PyValueError>(
                "this advice changes memory: give a buffer, not an address",
            ));
        }
        (addr.extract::<U64>()?.0, Default::default())
    } else {
        let size = fit::<_, usize>(length.0)?;
        let pinned = pin_block(addr, size, !harmless)?;
        let place = pinned.address();
        given::advice(addr, place, length.0, advice.0)?;
        (place, Keep::Pinned(pinned).into())
    };
    let place = place as *mut c_void;
    if long {
        let length = fit::<_, i64>(length.0)?;
        return entry(sqe)?.prepare(keep, |raw| {
            prep::prep_madvise64(raw, place, length, advice.0);
        });
    }
    let length = fit::<_, u32>(length.0)?;
    entry(sqe)?.prepare(keep, |raw| {
        prep::prep_madvise(raw, place, length, advice.0);
    })
}

/// `(fds, pipe_flags, file_index)`: a pipe, its descriptors written to the
/// first eight bytes of `fds`. Kernel 6.16.
#[pyfunction]
fn _pipe(
    sqe: &Bound<'_, Sqe>,
    fds: &Bound<'_, PyAny>,
    pipe_flags: I32,
    file_index: Option<U32>,
) -> PyResult<()> {
    let (place, keep) = if fds.is_instance_of::<PyInt>() {
        // A number is no memory: the operation ends with EFAULT.
        fds.extract::<I32>()?;
        (std::ptr::null_mut(), Default::default())
    } else {
        let pinned = pin_block(fds, 8, true)?;
        (pinned.address() as *mut i32, Keep::Pinned(pinned).into())
    };
    entry(sqe)?.prepare(keep, |raw| match file_index {
        Some(index) => prep::prep_pipe_direct(raw, place, pipe_flags.0, index.0),
        None => prep::prep_pipe(raw, place, pipe_flags.0),
    })
}

/// Replaces registered files by a list of descriptors, from a slot on; the
/// result is their number. Kernel 5.6.
#[pyfunction]
#[pyo3(signature = (sqe, fds, /, offset = None), text_signature = "(sqe, fds, /, offset=0)")]
fn io_uring_prep_files_update(
    sqe: &Bound<'_, Sqe>,
    fds: Many<I32>,
    offset: Option<I32>,
) -> PyResult<()> {
    let Many(fds) = fds;
    let count = fds.len() as u32;
    let mut words = room(fds.len().div_ceil(2).max(1))?;
    words.extend(fds.chunks(2).map(|pair| {
        let mut bytes = [0; 8];
        for (place, fd) in bytes.chunks_exact_mut(4).zip(pair) {
            place.copy_from_slice(&fd.0.to_ne_bytes());
        }
        UnsafeCell::new(u64::from_ne_bytes(bytes))
    }));
    if words.is_empty() {
        words.push(UnsafeCell::new(0));
    }
    let words = words.into_boxed_slice();
    let place = words.as_ptr() as *mut i32;
    let offset = or_zero(offset);
    entry(sqe)?.prepare(Keep::Words { _words: words }.into(), |raw| {
        prep::prep_files_update(raw, place, count, offset);
    })
}

/// `(buf, len, nr, bgid, bid)`: gives `nr` buffers of `len` bytes, one behind
/// the other in `buf`, to a group; the ring keeps them from then on.
/// Kernel 5.7.
#[pyfunction]
fn _provide_buffers(
    sqe: &Bound<'_, Sqe>,
    buf: &Bound<'_, PyAny>,
    len: I32,
    nr: I32,
    bgid: I32,
    bid: I32,
) -> PyResult<()> {
    let pinned = pinned(buf, true)?;
    let all = u64::try_from(len.0).ok().zip(u64::try_from(nr.0).ok());
    if all.is_none_or(|(len, nr)| len * nr > pinned.len() as u64) {
        return Err(crate::make::raised::<PyValueError>(
            "the buffer is too small for them",
        ));
    }
    let place = pinned.address() as *mut c_void;
    entry(sqe)?.prepare(Keep::Pinned(pinned).into(), |raw| {
        prep::prep_provide_buffers(raw, place, len.0, nr.0, bgid.0, bid.0);
    })
}

/// Adds what this file has to the module.
pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add_vectored(module)?;
    crate::hot::general(
        wrap_pyfunction!(io_uring_prep_read, module)?,
        wrap_pyfunction!(io_uring_prep_write, module)?,
    );
    module.add_function(wrap_pyfunction!(_read_fixed, module)?)?;
    module.add_function(wrap_pyfunction!(_write_fixed, module)?)?;
    module.add_function(wrap_pyfunction!(_madvise, module)?)?;
    module.add_function(wrap_pyfunction!(_pipe, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_prep_files_update, module)?)?;
    module.add_function(wrap_pyfunction!(_provide_buffers, module)?)
}
