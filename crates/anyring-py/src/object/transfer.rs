//! Reads, writes, receives and sends: operations with one buffer.

use std::sync::{Arc, Mutex};

use anyring_abi as abi;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};

use super::engine::Engine;
use super::files::{FixedBuffer, index_of, target};
use super::hold::Hold;
use super::message::blank;
use super::operation::{Finish, Operation};
use super::options::Options;
use super::pool::BufferPool;
use super::start::Plan;
use crate::keep::{Keep, pinned};

/// The most the kernel transfers at once.
pub(super) const MOST: usize = 0x7fff_f000;

/// Bytes that are filled by the kernel before anybody sees them.
fn unfilled(py: Python<'_>, length: usize) -> PyResult<(Py<PyBytes>, u64)> {
    if length > MOST {
        return Err(crate::make::raised::<PyValueError>("at most 2 GiB at once"));
    }
    // SAFETY: with NULL it makes a bytes object of that length, or fails with
    // an exception set; its address stays the same.
    unsafe {
        let object = ffi::PyBytes_FromStringAndSize(std::ptr::null(), length as ffi::Py_ssize_t);
        let object = Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked::<PyBytes>();
        let address = ffi::PyBytes_AsString(object.as_ptr()) as u64;
        Ok((object.unbind(), address))
    }
}

/// The operation of a name, and whether the kernel writes.
pub(super) fn opcode_of(kind: &str) -> PyResult<(u32, bool)> {
    Ok(match kind {
        "read" => (abi::IORING_OP_READ, true),
        "write" => (abi::IORING_OP_WRITE, false),
        "recv" => (abi::IORING_OP_RECV, true),
        "send" | "sendto" => (abi::IORING_OP_SEND, false),
        "send_zc" => (abi::IORING_OP_SEND_ZC, false),
        _ => return Err(crate::make::raised::<PyValueError>("no such operation")),
    })
}

#[pymethods]
impl Engine {
    /// Starts `read`, `write`, `recv`, `send`, `sendto` or `send_zc`. The
    /// buffer is an object, a FixedBuffer or, where the kernel writes, a
    /// number of bytes or a BufferPool.
    fn transfer(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        buffer: &Bound<'_, PyAny>,
        offset: u64,
        op_flags: u32,
        address: Option<Bound<'_, PyBytes>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Operation>> {
        let py = slf.py();
        let (op, inward) = opcode_of(&name.to_cow()?)?;
        let mut hold = Vec::with_capacity(1);
        let target = target(fd, &mut hold)?;
        let mut sqe = blank(op, target.fd, target.fixed);
        sqe.off = offset;
        sqe.op_flags = op_flags;
        let mut finish = Finish::Number;
        let mut object = None;
        let length;
        if inward && buffer.is_exact_instance_of::<PyInt>() {
            length = buffer.extract::<usize>()?;
            let (bytes, place) = unfilled(py, length)?;
            if op == abi::IORING_OP_RECV && op_flags & libc::MSG_TRUNC as u32 != 0 {
                // Counted, and on a stream not written.
                // SAFETY: a new object of that length, which is ours alone.
                unsafe { (place as *mut u8).write_bytes(0, length) };
            }
            sqe.addr = place;
            hold.push(Hold::Object(bytes.clone_ref(py).into_any()));
            finish = Finish::Bytes(bytes);
        } else if let Ok(part) = buffer.cast::<FixedBuffer>() {
            let pinned;
            (sqe.addr, length, pinned) = slf.try_borrow()?.fixed(part.get())?;
            hold.push(Hold::Fixed(pinned));
            sqe.buf_index = index_of(part.get());
            match op {
                abi::IORING_OP_READ => sqe.opcode = abi::IORING_OP_READ_FIXED as u8,
                abi::IORING_OP_WRITE => sqe.opcode = abi::IORING_OP_WRITE_FIXED as u8,
                abi::IORING_OP_SEND_ZC => sqe.ioprio = abi::IORING_RECVSEND_FIXED_BUF as u16,
                _ => sqe.buf_index = 0,
            }
            object = Some(buffer.clone().unbind());
        } else if let Ok(pool) = buffer.cast::<BufferPool>() {
            if !inward {
                return Err(crate::make::raised::<PyTypeError>(
                    "a pool is for reading and receiving",
                ));
            }
            let shared = pool.get().of(slf)?;
            sqe.flags |= 1 << abi::IOSQE_BUFFER_SELECT_BIT;
            sqe.buf_index = shared.group;
            length = shared.size;
            hold.push(Hold::Pool(Arc::clone(&shared)));
            finish = Finish::Selected(shared, Mutex::new(None));
        } else {
            let pinned = pinned(buffer, inward)?;
            (sqe.addr, length) = (pinned.address(), pinned.len());
            hold.push(Hold::Buffer(Keep::Pinned(pinned)));
            object = Some(buffer.clone().unbind());
        }
        // More than the kernel transfers at once is a short transfer.
        sqe.len = length.min(MOST) as u32;
        if let Some(address) = address {
            let bytes = address.as_bytes();
            sqe.off = bytes.as_ptr() as u64;
            let length = u16::try_from(bytes.len())
                .map_err(|_| crate::make::raised::<PyValueError>("the address is too long"))?;
            sqe.file_index = u32::from(length);
            hold.push(Hold::Object(address.into_any().unbind()));
        }
        let mut plan = Plan::new(name, sqe, hold);
        plan.finish = finish;
        plan.buffer = object;
        Engine::launch(slf, plan, Options::read(Some(options))?)
    }
}
