//! What an operation in flight keeps alive.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::prelude::*;

/// Memory the kernel may read or write until the operation ends. An exported
/// buffer can be neither freed nor resized while it is held.
pub(crate) enum Keep {
    /// A buffer of Python.
    Buffer {
        /// Held, never read.
        _buffer: PyBuffer<u8>,
    },
    /// Vectors that point into buffers held beside them.
    Vectors {
        /// Held for the kernel.
        _vectors: Box<[libc::iovec]>,
    },
}

// SAFETY: the addresses inside are only handed to the kernel; PyBuffer takes
// the interpreter lock itself when it is dropped.
unsafe impl Send for Keep {}
// SAFETY: nothing is reached through a shared reference.
unsafe impl Sync for Keep {}

/// Pins a buffer: address and length in bytes.
pub(crate) fn pin(
    object: &Bound<'_, PyAny>,
    writable: bool,
    keep: &mut Vec<Keep>,
) -> PyResult<(u64, usize)> {
    let buffer = PyBuffer::<u8>::get(object)?;
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("the buffer is not contiguous"));
    }
    if writable && buffer.readonly() {
        return Err(PyTypeError::new_err(
            "the kernel writes into this buffer, and it is read-only",
        ));
    }
    let place = (buffer.buf_ptr() as u64, buffer.len_bytes());
    keep.push(Keep::Buffer { _buffer: buffer });
    Ok(place)
}

/// Pins several buffers and the vectors that describe them: address and count
/// of the vectors.
pub(crate) fn pin_all(
    objects: &[Bound<'_, PyAny>],
    writable: bool,
    keep: &mut Vec<Keep>,
) -> PyResult<(u64, usize)> {
    let mut vectors = Vec::with_capacity(objects.len());
    for object in objects {
        let (address, length) = pin(object, writable, keep)?;
        vectors.push(libc::iovec {
            iov_base: address as *mut libc::c_void,
            iov_len: length,
        });
    }
    let vectors = vectors.into_boxed_slice();
    let place = (vectors.as_ptr() as u64, vectors.len());
    keep.push(Keep::Vectors { _vectors: vectors });
    Ok(place)
}
