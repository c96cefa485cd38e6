//! Several parts of one registered buffer at once.

use anyring_abi as abi;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::engine::Engine;
use super::files::{FixedBuffer, index_of, target};
use super::hold::Hold;
use super::message::blank;
use super::operation::Operation;
use super::options::Options;
use super::start::Plan;
use crate::keep::{Keep, vectors_fit};
use crate::make::Many;

impl Engine {
    /// Vectors of parts of one registered buffer, what keeps them, and the
    /// index of the buffer.
    pub(super) fn fixed_vectors(
        &self,
        parts: &[Bound<'_, FixedBuffer>],
        hold: &mut Vec<Hold>,
    ) -> PyResult<(Box<[libc::iovec]>, u16)> {
        vectors_fit(parts.len(), 1)?;
        let first = index_of(parts[0].get());
        let mut vectors = crate::reserve::room(parts.len())?;
        for part in parts {
            if index_of(part.get()) != first {
                return Err(crate::make::raised::<PyValueError>(
                    "the parts are of more than one registered buffer",
                ));
            }
            let (address, length, pinned) = self.fixed(part.get())?;
            vectors.push(libc::iovec {
                iov_base: address as *mut libc::c_void,
                iov_len: length,
            });
            hold.push(Hold::Fixed(pinned));
        }
        Ok((vectors.into_boxed_slice(), first))
    }
}

#[pymethods]
impl Engine {
    /// readv or writev of parts of one registered buffer.
    fn fixed_vector(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        parts: Many<Bound<'_, FixedBuffer>>,
        offset: u64,
        op_flags: u32,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Operation>> {
        let Many(parts) = parts;
        let op = match &*name.to_cow()? {
            "readv" => abi::IORING_OP_READV_FIXED,
            "writev" => abi::IORING_OP_WRITEV_FIXED,
            _ => return Err(crate::make::raised::<PyValueError>("no such operation")),
        };
        let mut hold = crate::reserve::room(parts.len() + 2)?;
        let target = target(fd, &mut hold)?;
        let (vectors, index) = slf.try_borrow()?.fixed_vectors(&parts, &mut hold)?;
        let mut sqe = blank(op, target.fd, target.fixed);
        sqe.addr = vectors.as_ptr() as u64;
        sqe.len = vectors.len() as u32;
        sqe.off = offset;
        sqe.op_flags = op_flags;
        sqe.buf_index = index;
        hold.push(Hold::Buffers(vec![Keep::Vectors { _vectors: vectors }]));
        Engine::launch(
            slf,
            Plan::new(name, sqe, hold),
            Options::read(Some(options))?,
        )
    }
}
