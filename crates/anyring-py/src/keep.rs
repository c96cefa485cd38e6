//! What an operation in flight keeps alive.

use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::Arc;

use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi::{Py_ssize_t, PyObject};
use pyo3::prelude::*;

use crate::inflight::Token;

/// A view of an object's memory. In the stable ABI since Python 3.11, and the
/// same in 3.10, where PyO3 does not declare it.
#[repr(C)]
struct View {
    buf: *mut c_void,
    obj: *mut PyObject,
    len: Py_ssize_t,
    itemsize: Py_ssize_t,
    readonly: c_int,
    ndim: c_int,
    format: *mut c_char,
    shape: *mut Py_ssize_t,
    strides: *mut Py_ssize_t,
    suboffsets: *mut Py_ssize_t,
    internal: *mut c_void,
}

/// The most vectors of one operation: IOV_MAX of Linux.
const IOV_MAX: usize = 1024;

/// Whether that many buffers fit one operation; ValueError otherwise.
pub(crate) fn vectors_fit(count: usize, least: usize) -> PyResult<()> {
    if count > IOV_MAX {
        return Err(crate::make::raised::<PyValueError>(format!(
            "{count} buffers: exceeds `IOV_MAX` limit of {IOV_MAX}"
        )));
    }
    if count < least {
        return Err(crate::make::raised::<PyValueError>(format!(
            "{least} to {IOV_MAX} buffers are required, not {count}"
        )));
    }
    Ok(())
}

/// One contiguous run of bytes, writable if need be.
const SIMPLE: c_int = 0;
const WRITABLE: c_int = 1;

unsafe extern "C" {
    fn PyObject_GetBuffer(exporter: *mut PyObject, view: *mut View, flags: c_int) -> c_int;
    fn PyBuffer_Release(view: *mut View);
}

/// Memory that describes itself: format and items.
const FORMAT: c_int = 0x4 | 0x8;

impl View {
    fn empty() -> Self {
        View {
            buf: std::ptr::null_mut(),
            obj: std::ptr::null_mut(),
            len: 0,
            itemsize: 0,
            readonly: 0,
            ndim: 0,
            format: std::ptr::null_mut(),
            shape: std::ptr::null_mut(),
            strides: std::ptr::null_mut(),
            suboffsets: std::ptr::null_mut(),
            internal: std::ptr::null_mut(),
        }
    }
}

/// A copy of the 64-bit integers in a buffer; None for an object that has none,
/// TypeError for a buffer of something else.
pub(crate) fn integers(object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u64>>> {
    let mut view = View::empty();
    // SAFETY: an object, and a view to fill that does not move.
    if unsafe { PyObject_GetBuffer(object.as_ptr(), &raw mut view, FORMAT) } != 0 {
        let error = PyErr::fetch(object.py());
        if error.is_instance_of::<PyTypeError>(object.py()) {
            return Ok(None);
        }
        return Err(error);
    }
    let format = if view.format.is_null() {
        b"B"
    } else {
        // SAFETY: the exporter's text, with its end.
        unsafe { CStr::from_ptr(view.format) }.to_bytes()
    };
    let kind = format
        .strip_prefix(b"@")
        .or(format.strip_prefix(b"="))
        .or(format.strip_prefix(b"<"));
    let fits = view.itemsize == 8 && matches!(kind.unwrap_or(format), b"q" | b"Q" | b"l" | b"L");
    let all = fits.then(|| {
        let first = view.buf as *const u64;
        // SAFETY: contiguous memory of that many bytes; any alignment.
        let read = |place| unsafe { first.add(place).read_unaligned() };
        let count = view.len as usize / 8;
        crate::reserve::room(count).map(|mut all| {
            all.extend((0..count).map(read));
            all
        })
    });
    // SAFETY: filled above, released once.
    unsafe { PyBuffer_Release(&raw mut view) };
    match all {
        Some(all) => all.map(Some),
        None => Err(crate::make::raised::<PyTypeError>(
            "offsets in a buffer are 64-bit integers",
        )),
    }
}

/// The memory of a Python object, which can be neither freed nor resized
/// while this lives.
pub(crate) struct Pinned(View);

impl Pinned {
    pub(crate) fn address(&self) -> u64 {
        self.0.buf as u64
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len as usize
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: filled by PyObject_GetBuffer, released once; whatever owns
        // a Keep drops it with the interpreter lock held.
        unsafe { PyBuffer_Release(&raw mut self.0) };
    }
}

/// Memory the kernel may read or write until the operation ends.
pub(crate) enum Keep {
    /// Memory of Python.
    Pinned(Pinned),
    /// A path or a name.
    Text {
        /// Held for the kernel.
        _text: CString,
    },
    /// Vectors that point into buffers held beside them.
    Vectors {
        /// Held for the kernel.
        _vectors: Box<[libc::iovec]>,
    },
    /// Words the kernel reads or writes: times, lengths, lists of descriptors.
    Words {
        /// Held for the kernel.
        _words: Box<[UnsafeCell<u64>]>,
    },
    /// A message header and what it points to.
    Message {
        /// Held for the kernel.
        _block: Arc<crate::msg::Block>,
    },
    /// Pages shared with the kernel.
    Pages(crate::queue::Mapping),
    /// Several things.
    Several {
        /// Held for the kernel.
        _all: Vec<Keep>,
    },
    /// What copies of an entry keep as well.
    Shared {
        /// Held for the kernel.
        _other: Arc<Keep>,
    },
    /// Not memory: what the completion of a poll update changes.
    Retag {
        /// The operation whose tag changes.
        token: Token,
        /// Its new tag.
        user_data: u64,
    },
}

// SAFETY: the addresses inside are only handed to the kernel; objects of
// Python are let go with the interpreter lock held.
unsafe impl Send for Keep {}
// SAFETY: nothing is written through a shared reference but by the kernel,
// and what it may write is in an UnsafeCell or in memory of Python.
unsafe impl Sync for Keep {}

/// What one operation keeps; copies share it. One word: it is moved from the
/// entry to the table of what is in flight and out of that.
#[derive(Clone, Default)]
pub(crate) enum Keeps {
    /// Nothing.
    #[default]
    None,
    /// Something.
    Some(Arc<Keep>),
}

impl From<Keep> for Keeps {
    fn from(keep: Keep) -> Self {
        Keeps::Some(Arc::new(keep))
    }
}

impl From<Vec<Keep>> for Keeps {
    fn from(mut keep: Vec<Keep>) -> Self {
        match (keep.pop(), keep.is_empty()) {
            (None, _) => Keeps::None,
            (Some(only), true) => only.into(),
            (Some(last), false) => {
                keep.push(last);
                Keep::Several { _all: keep }.into()
            }
        }
    }
}

impl Keeps {
    /// Keeps one thing more.
    pub(crate) fn add(&mut self, keep: Keep) {
        *self = match std::mem::take(self) {
            Keeps::None => keep.into(),
            Keeps::Some(other) => vec![Keep::Shared { _other: other }, keep].into(),
        };
    }
}

/// Pins a buffer of bytes: address and length.
pub(crate) fn pin(
    object: &Bound<'_, PyAny>,
    writable: bool,
    keep: &mut Vec<Keep>,
) -> PyResult<(u64, usize)> {
    let pinned = pinned(object, writable)?;
    let place = (pinned.address(), pinned.len());
    keep.push(Keep::Pinned(pinned));
    Ok(place)
}

/// Pins a buffer of bytes.
///
/// TypeError when it is read-only and the kernel writes, BufferError when it
/// is not contiguous.
pub(crate) fn pinned(object: &Bound<'_, PyAny>, writable: bool) -> PyResult<Pinned> {
    let get = |flags| {
        let mut view = View::empty();
        // SAFETY: an object and a view to fill. Without shape and strides
        // nothing in the view points into itself, so it can be moved.
        match unsafe { PyObject_GetBuffer(object.as_ptr(), &raw mut view, flags) } {
            0 => Ok(Pinned(view)),
            _ => Err(PyErr::fetch(object.py())),
        }
    };
    if !writable {
        return get(SIMPLE);
    }
    get(WRITABLE).map_err(|error| {
        // numpy's read-only arrays refuse with ValueError.
        let refused = error.is_instance_of::<PyBufferError>(object.py())
            || error.is_instance_of::<PyValueError>(object.py());
        match get(SIMPLE) {
            Ok(view) if refused && view.0.readonly != 0 => crate::make::raised::<PyTypeError>(
                "the kernel writes into this buffer, and it is read-only",
            ),
            _ => error,
        }
    })
}

/// Pins several buffers and the vectors that describe them: address and count
/// of the vectors.
pub(crate) fn pin_all(
    objects: &[Bound<'_, PyAny>],
    writable: bool,
    keep: &mut Vec<Keep>,
) -> PyResult<(u64, usize)> {
    let vectors = vectors(objects, writable, keep)?;
    let place = (vectors.as_ptr() as u64, vectors.len());
    keep.push(Keep::Vectors { _vectors: vectors });
    Ok(place)
}

/// Pins several buffers; the vectors that describe them.
pub(crate) fn vectors(
    objects: &[Bound<'_, PyAny>],
    writable: bool,
    keep: &mut Vec<Keep>,
) -> PyResult<Box<[libc::iovec]>> {
    let mut vectors = crate::reserve::room(objects.len())?;
    // One more for the vectors themselves.
    keep.try_reserve(objects.len() + 1)
        .map_err(|_| crate::reserve::short())?;
    for object in objects {
        let (address, length) = pin(object, writable, keep)?;
        vectors.push(libc::iovec {
            iov_base: address as *mut c_void,
            iov_len: length,
        });
    }
    Ok(vectors.into_boxed_slice())
}

/// Pins memory of at least that many bytes.
pub(crate) fn pin_block(
    object: &Bound<'_, PyAny>,
    least: usize,
    writable: bool,
) -> PyResult<Pinned> {
    let pinned = pinned(object, writable)?;
    if pinned.len() < least {
        return Err(crate::make::raised::<PyValueError>(
            "the buffer is too small",
        ));
    }
    Ok(pinned)
}

/// A copy of words: their address and what holds them.
pub(crate) fn words(values: impl IntoIterator<Item = u64>) -> (u64, Keep) {
    let words: Box<[_]> = values.into_iter().map(UnsafeCell::new).collect();
    (words.as_ptr() as u64, Keep::Words { _words: words })
}

/// A copy of the first bytes of an object that is at least that long.
pub(crate) fn copy(object: &Bound<'_, PyAny>, size: usize) -> PyResult<(u64, Keep)> {
    let pinned = pin_block(object, size, false)?;
    // SAFETY: pinned and long enough; copied before anything else runs.
    let bytes = unsafe { std::slice::from_raw_parts(pinned.address() as *const u8, size) };
    Ok(words(bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(word)
    })))
}

/// A copy of a path. Bytes are for entries of the older style only.
pub(crate) fn path(
    sqe: &Bound<'_, crate::sqe::Sqe>,
    object: &Bound<'_, PyAny>,
) -> PyResult<(u64, Keep)> {
    let bytes = object.is_instance_of::<pyo3::types::PyBytes>();
    if bytes && !sqe.is_instance_of::<crate::sqe::OldSqe>() {
        return Err(crate::make::raised::<PyTypeError>(
            "a path is a str or PathLike, bytes for an io_uring_sqe only",
        ));
    }
    text(object)
}

/// A copy of a path or a name, str, bytes or PathLike, with its end.
pub(crate) fn text(object: &Bound<'_, PyAny>) -> PyResult<(u64, Keep)> {
    let bytes = crate::args::fs_bytes(object)?;
    let text = crate::make::c_string(&bytes)?;
    Ok((text.as_ptr() as u64, Keep::Text { _text: text }))
}
