//! Registered files and buffers.

use std::sync::Arc;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::{PyMemoryError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList};

use super::engine::Engine;
use super::hold::Hold;
use crate::core::raise;
use crate::keep::{Keep, pin};
use crate::make::{self, Many, gather};

/// A buffer of Python that stays where it is.
pub(super) struct Pinned {
    pub(super) address: u64,
    pub(super) length: usize,
    _keep: Vec<Keep>,
}

impl Pinned {
    pub(super) fn new(object: &Bound<'_, PyAny>, writable: bool) -> PyResult<Self> {
        let mut keep = Vec::new();
        let (address, length) = pin(object, writable, &mut keep)?;
        Ok(Pinned {
            address,
            length,
            _keep: keep,
        })
    }
}

/// A slot of the ring's table of files; operations take it where they take a
/// descriptor.
#[pyclass(module = "liburing", frozen, eq, hash)]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct FixedFile {
    /// Its place in the table.
    #[pyo3(get)]
    index: u32,
}

impl FixedFile {
    pub(super) fn at(index: u32) -> Self {
        FixedFile { index }
    }
}

#[pymethods]
impl FixedFile {
    #[new]
    fn new(index: u32) -> Self {
        FixedFile { index }
    }

    fn __repr__(&self) -> String {
        format!("FixedFile({})", self.index)
    }
}

/// Part of a registered buffer; reads and writes take it where they take a
/// buffer.
#[pyclass(module = "liburing", frozen)]
pub(crate) struct FixedBuffer {
    /// Its place in the ring's table of buffers.
    #[pyo3(get)]
    index: u16,
    /// Where in the registered buffer it begins, in bytes.
    #[pyo3(get)]
    start: usize,
    length: usize,
    /// The registered buffer.
    #[pyo3(get)]
    memory: Py<PyAny>,
}

#[pymethods]
impl FixedBuffer {
    fn __len__(&self) -> usize {
        self.length
    }

    /// The bytes `start` to `stop` of it, as another one.
    fn part(&self, py: Python<'_>, start: usize, stop: usize) -> PyResult<Self> {
        if start > stop || stop > self.length {
            return Err(make::raised::<PyValueError>("not a part of the buffer"));
        }
        Ok(FixedBuffer {
            index: self.index,
            start: self.start + start,
            length: stop - start,
            memory: self.memory.clone_ref(py),
        })
    }

    fn __repr__(&self) -> String {
        let end = self.start + self.length;
        format!(
            "<FixedBuffer {}: bytes {} to {end}>",
            self.index, self.start
        )
    }
}

/// What an operation works on.
#[derive(Default)]
pub(super) struct Target {
    pub(super) fd: i32,
    pub(super) fixed: bool,
}

impl Target {
    /// Into an entry.
    pub(super) fn put(&self, sqe: &mut io_uring_sqe) {
        sqe.fd = self.fd;
        sqe.flags |= u8::from(self.fixed) << abi::IOSQE_FIXED_FILE_BIT;
    }
}

/// A descriptor, a FixedFile or an object with `fileno()`; the object is held.
pub(super) fn target(object: &Bound<'_, PyAny>, hold: &mut Vec<Hold>) -> PyResult<Target> {
    if object.is_exact_instance_of::<PyInt>() {
        return Ok(Target {
            fd: object.extract()?,
            fixed: false,
        });
    }
    if let Ok(file) = object.cast::<FixedFile>() {
        let fd = i32::try_from(file.get().index)
            .map_err(|_| make::raised::<PyValueError>("there is no such slot"))?;
        return Ok(Target { fd, fixed: true });
    }
    let fd = match object.call_method0(make::names(object.py())?.fileno.bind(object.py())) {
        Ok(fd) => fd.extract()?,
        Err(_) if object.is_instance_of::<PyInt>() => object.extract()?,
        Err(error) if error.is_instance_of::<PyMemoryError>(object.py()) => return Err(error),
        Err(_) => {
            return Err(make::raised::<PyTypeError>(
                "a descriptor, a FixedFile or an object with fileno() is required",
            ));
        }
    };
    hold.push(Hold::Object(object.clone().unbind()));
    Ok(Target { fd, fixed: false })
}

impl Engine {
    /// A part of a registered buffer: address, length and what to hold.
    pub(super) fn fixed(&self, part: &FixedBuffer) -> PyResult<(u64, usize, Arc<Pinned>)> {
        let pinned = self
            .buffers
            .get(usize::from(part.index))
            .filter(|pinned| part.start + part.length <= pinned.length)
            .ok_or_else(|| make::raised::<PyValueError>("the buffer is not registered any more"))?;
        Ok((
            pinned.address + part.start as u64,
            part.length,
            Arc::clone(pinned),
        ))
    }
}

/// The index of a FixedBuffer.
pub(super) fn index_of(part: &FixedBuffer) -> u16 {
    part.index
}

#[pymethods]
impl Engine {
    /// Registers files, -1 for an empty slot; one FixedFile each.
    fn register_files<'py>(
        &mut self,
        py: Python<'py>,
        files: Many<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let Many(files) = files;
        // What is handed out is there before anything is registered.
        let slots = make::list(py)?;
        for index in 0..files.len() as u32 {
            slots.append(Bound::new(py, FixedFile { index })?)?;
        }
        let mut held = crate::reserve::room(files.len())?;
        let mut fds = crate::reserve::room(files.len())?;
        for file in &files {
            fds.push(target(file, &mut held)?.fd);
        }
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        let sparse = fds.iter().all(|fd| *fd == -1) && !fds.is_empty();
        let result = if sparse {
            ring.register_files_sparse(fds.len() as u32)
        } else {
            // SAFETY: the kernel copies the list during the call.
            unsafe { ring.register_files(fds.as_ptr(), fds.len() as u32) }
        };
        anyring::check(result).map_err(raise)?;
        self.files = fds.len() as u32;
        Ok(slots)
    }

    /// Replaces registered files from `first` on, -1 empties a slot.
    fn update_files(&mut self, first: u32, files: Many<Bound<'_, PyAny>>) -> PyResult<u32> {
        let Many(files) = files;
        let mut held = crate::reserve::room(files.len())?;
        let mut fds = crate::reserve::room(files.len())?;
        for file in &files {
            fds.push(target(file, &mut held)?.fd);
        }
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        // SAFETY: the kernel copies the list during the call.
        let result = unsafe { ring.register_files_update(first, fds.as_ptr(), fds.len() as u32) };
        anyring::check(result).map_err(raise)
    }

    /// Takes the registration of files back.
    fn unregister_files(&mut self) -> PyResult<()> {
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        anyring::check(ring.register_plain(abi::IORING_UNREGISTER_FILES)).map_err(raise)?;
        self.files = 0;
        Ok(())
    }

    /// Registers buffers, which the ring keeps; one FixedBuffer each.
    fn register_buffers<'py>(
        &mut self,
        py: Python<'py>,
        buffers: Many<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let Many(buffers) = buffers;
        let pinned = gather(
            buffers
                .iter()
                .map(|buffer| Pinned::new(buffer, true).map(Arc::new)),
        )?;
        if pinned.len() > usize::from(u16::MAX) {
            return Err(make::raised::<PyValueError>("at most 65535 buffers"));
        }
        // What is handed out is there before anything is registered.
        let parts = make::list(py)?;
        for (index, (buffer, pinned)) in (0..).zip(buffers.into_iter().zip(&pinned)) {
            let part = FixedBuffer {
                index,
                start: 0,
                length: pinned.length,
                memory: buffer.unbind(),
            };
            parts.append(Bound::new(py, part)?)?;
        }
        let mut vectors = crate::reserve::room(pinned.len())?;
        vectors.extend(pinned.iter().map(|pinned| libc::iovec {
            iov_base: pinned.address as *mut libc::c_void,
            iov_len: pinned.length,
        }));
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        // SAFETY: the kernel copies the vectors; the buffers are kept.
        let result = unsafe {
            ring.register(
                abi::IORING_REGISTER_BUFFERS,
                vectors.as_ptr().cast(),
                vectors.len() as u32,
            )
        };
        anyring::check(result).map_err(raise)?;
        self.buffers = pinned;
        Ok(parts)
    }

    /// Takes the registration of buffers back; operations in flight keep
    /// theirs until they end.
    fn unregister_buffers(&mut self) -> PyResult<()> {
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        anyring::check(ring.register_plain(abi::IORING_UNREGISTER_BUFFERS)).map_err(raise)?;
        self.buffers.clear();
        Ok(())
    }
}
