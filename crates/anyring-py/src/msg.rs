//! Message headers. The kernel's struct holds addresses, so it is made anew
//! for each operation in memory that Python cannot reach.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::cell::Locked;
use crate::keep::{Keep, pinned, vectors};
use crate::trashcan::let_go;

/// A header, its vectors and all they point to.
pub(crate) struct Block {
    header: UnsafeCell<libc::msghdr>,
    _vectors: Box<[libc::iovec]>,
    _keep: Vec<Keep>,
}

// SAFETY: the addresses are only handed to the kernel; see `Keep`.
unsafe impl Send for Block {}
// SAFETY: the kernel writes the header; it is read as a copy.
unsafe impl Sync for Block {}

impl Block {
    fn header(&self) -> libc::msghdr {
        // SAFETY: valid; the kernel may be writing other values of the same
        // fields, none of which is followed.
        unsafe { self.header.get().read_volatile() }
    }
}

/// What a message is made of.
struct Parts {
    name: Option<Py<PyAny>>,
    name_len: Option<usize>,
    iov: Vec<Py<PyAny>>,
    control: Option<Py<PyAny>>,
    control_len: Option<usize>,
    /// Of the last operation.
    last: Option<Arc<Block>>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        let_go(self.name.take());
        let_go(self.control.take());
        for buffer in std::mem::take(&mut self.iov) {
            let_go(Some(buffer));
        }
    }
}

/// A message: an address, buffers and control data, all buffers of Python.
/// `name` is a buffer of an address (128 bytes to receive one), `iov` a list
/// of buffers, `control` a buffer. After an operation `flags`, `namelen` and
/// `controllen` are what the kernel wrote.
#[pyclass(module = "liburing._liburing", name = "Message", subclass, frozen)]
pub(crate) struct Msghdr {
    parts: Locked<Parts>,
}

#[pymethods]
impl Msghdr {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyAny>>) -> Self {
        Msghdr {
            parts: Locked::new(Parts {
                name: None,
                name_len: None,
                iov: Vec::new(),
                control: None,
                control_len: None,
                last: None,
            }),
        }
    }

    /// `(name, namelen, iov, control, controllen)`.
    #[pyo3(signature = (name, name_len, iov, control, control_len))]
    fn _set(
        &self,
        py: Python<'_>,
        name: Option<Py<PyAny>>,
        name_len: Option<usize>,
        iov: &Bound<'_, PyList>,
        control: Option<Py<PyAny>>,
        control_len: Option<usize>,
    ) -> PyResult<()> {
        let parts = Parts {
            name,
            name_len,
            iov: iov.iter().map(Bound::unbind).collect(),
            control,
            control_len,
            last: None,
        };
        let old = std::mem::replace(&mut *self.parts.lock(py)?, parts);
        drop(old);
        Ok(())
    }

    /// Buffers of the message.
    #[getter]
    fn msg_iovlen(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.parts.lock(py)?.iov.len())
    }

    /// `MSG_*` of what was received.
    #[getter]
    fn msg_flags(&self, py: Python<'_>) -> PyResult<i32> {
        let parts = self.parts.lock(py)?;
        Ok(parts
            .last
            .as_ref()
            .map_or(0, |last| last.header().msg_flags))
    }

    /// Bytes of the address.
    #[getter]
    fn msg_namelen(&self, py: Python<'_>) -> PyResult<usize> {
        let parts = self.parts.lock(py)?;
        let given = parts.name_len.unwrap_or(0);
        Ok(match &parts.last {
            Some(last) => last.header().msg_namelen as usize,
            None => given,
        })
    }

    /// Bytes of control data.
    #[getter]
    fn msg_controllen(&self, py: Python<'_>) -> PyResult<usize> {
        let parts = self.parts.lock(py)?;
        let given = parts.control_len.unwrap_or(0);
        Ok(match &parts.last {
            Some(last) => last.header().msg_controllen as _,
            None => given,
        })
    }
}

impl Msghdr {
    /// A header for one operation, and what keeps it.
    pub(crate) fn pin(
        msg: &Bound<'_, Self>,
        writable: bool,
    ) -> PyResult<(*mut libc::msghdr, Keep)> {
        let py = msg.py();
        let (name, name_len, iov, control, control_len) = {
            let parts = msg.get().parts.lock(py)?;
            let bound = |object: &Py<PyAny>| object.bind(py).clone();
            (
                parts.name.as_ref().map(bound),
                parts.name_len,
                parts.iov.iter().map(bound).collect::<Vec<_>>(),
                parts.control.as_ref().map(bound),
                parts.control_len,
            )
        };
        let mut keep = Vec::new();
        let mut block = |object: Option<Bound<'_, PyAny>>, size: Option<usize>| {
            let Some(object) = object else {
                return Ok((std::ptr::null_mut(), 0));
            };
            let pinned = pinned(&object, writable)?;
            let length = size.unwrap_or(pinned.len());
            if length > pinned.len() {
                return Err(crate::make::raised::<PyTypeError>(
                    "shorter than its length",
                ));
            }
            let place = pinned.address() as *mut c_void;
            keep.push(Keep::Pinned(pinned));
            Ok((place, length))
        };
        let (name, name_len) = block(name, name_len)?;
        let (control, control_len) = block(control, control_len)?;
        let mut vectors = vectors(&iov, writable, &mut keep)?;
        // SAFETY: plain numbers and addresses.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_name = name;
        header.msg_namelen = u32::try_from(name_len)?;
        header.msg_iov = vectors.as_mut_ptr();
        header.msg_iovlen = vectors.len() as _;
        header.msg_control = control;
        header.msg_controllen = control_len as _;
        let block = Arc::new(Block {
            header: UnsafeCell::new(header),
            _vectors: vectors,
            _keep: keep,
        });
        let place = block.header.get();
        msg.get().parts.lock(py)?.last = Some(block.clone());
        Ok((place, Keep::Message { _block: block }))
    }
}
