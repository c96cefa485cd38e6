//! Starting batches: from one file or many, one buffer or many, or from paths.

use std::sync::atomic::AtomicU8;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList, PyString};

use super::batch::{Batch, DONE, TOLD, UNKNOWN};
use super::engine::Engine;
use super::files::{FixedBuffer, index_of, target};
use super::hold::Hold;
use super::message::blank;
use super::options::Options;
use super::slots::{LIMIT, Owner, Results, at_place};
use crate::keep::{Keep, pin};

/// Where the kernel finds each one's memory.
enum Memory {
    None,
    /// Pieces of one buffer.
    Pieces(u64, usize),
    /// A buffer each.
    Each(Vec<(u64, usize)>),
}

/// Where in its file each one works.
enum Offsets {
    /// At this plus so much for each.
    Steps(u64, u64),
    Each(Vec<u64>),
}

impl Engine {
    /// Queues `count` entries that differ as `fill` says.
    pub(super) fn launch_batch(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        count: usize,
        hold: Vec<Hold>,
        buffer: Option<Py<PyAny>>,
        size: usize,
        options: Options,
        template: io_uring_sqe,
        fill: impl Fn(&mut io_uring_sqe, usize),
    ) -> PyResult<Py<Batch>> {
        let py = slf.py();
        if options.timeout.is_some() {
            return Err(PyValueError::new_err("a batch has no timeout of its own"));
        }
        if count >= LIMIT {
            return Err(PyValueError::new_err("at most 1048575 operations"));
        }
        let mut engine = slf.try_borrow_mut()?;
        engine.ring()?;
        let results = PyBytes::new_with(py, count * 4, |bytes| {
            for word in bytes.chunks_exact_mut(4) {
                word.copy_from_slice(&UNKNOWN.to_ne_bytes());
            }
            Ok(())
        })?;
        let first = results.as_bytes().as_ptr().cast::<i32>().cast_mut();
        let token = if count == 0 {
            0
        } else {
            engine.take_slot(count as u32, hold)?
        };
        let state = if count == 0 { DONE | TOLD } else { 0 };
        let batch = Batch {
            engine: slf.clone().unbind(),
            token,
            name: name.unbind(),
            user_data: options.user_data.as_ref().map(|data| data.clone_ref(py)),
            buffer,
            size,
            results: results.unbind(),
            count,
            state: AtomicU8::new(state),
        };
        let batch = Py::new(py, batch)?;
        if count == 0 {
            return Ok(batch);
        }
        if let Some((slot, _)) = engine.slots.find(token) {
            let results = Results {
                first,
                count: count as u32,
            };
            slot.owner = Owner::Batch(batch.clone_ref(py), results);
        }
        let mut template = template;
        options.apply(&mut template);
        template.flags |= engine.chain.as_ref().map_or(0, |chain| chain.flag);
        engine.pending.reserve(count);
        for index in 0..count {
            let mut sqe = template;
            fill(&mut sqe, index);
            sqe.user_data = at_place(token, index as u32);
            engine.pending.push(sqe);
        }
        Ok(batch)
    }
}

#[pymethods]
impl Engine {
    /// Starts `count` of one operation. `fds` is a file or a list of them;
    /// `buffers` one buffer of which each has `size` bytes, a list, or None;
    /// `offsets` a number to which `step` is added, a list, or 64-bit
    /// integers in a buffer.
    fn batch(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        opcode: u32,
        count: usize,
        fds: &Bound<'_, PyAny>,
        buffers: &Bound<'_, PyAny>,
        size: usize,
        offsets: &Bound<'_, PyAny>,
        step: u64,
        op_flags: u32,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Batch>> {
        let mut op = opcode;
        let inward = match op {
            abi::IORING_OP_READ | abi::IORING_OP_RECV => true,
            abi::IORING_OP_WRITE
            | abi::IORING_OP_SEND
            | abi::IORING_OP_NOP
            | abi::IORING_OP_FSYNC
            | abi::IORING_OP_CLOSE => false,
            _ => return Err(PyValueError::new_err("not an operation of batches")),
        };
        let mut hold = Vec::new();
        let mut buf_index = 0;
        let memory = if buffers.is_none() {
            Memory::None
        } else if let Ok(list) = buffers.cast::<PyList>() {
            let mut keep: Vec<Keep> = Vec::with_capacity(list.len());
            let mut each = Vec::with_capacity(list.len());
            for buffer in list.iter() {
                let (address, length) = pin(&buffer, inward, &mut keep)?;
                each.push((address, length.min(0x7fff_f000)));
            }
            hold.push(Hold::Buffers(keep));
            Memory::Each(each)
        } else {
            let (address, length) = if let Ok(part) = buffers.cast::<FixedBuffer>() {
                let (address, length, pinned) = slf.try_borrow()?.fixed(part.get())?;
                hold.push(Hold::Fixed(pinned));
                match op {
                    abi::IORING_OP_READ => op = abi::IORING_OP_READ_FIXED,
                    abi::IORING_OP_WRITE => op = abi::IORING_OP_WRITE_FIXED,
                    _ => {}
                }
                buf_index = index_of(part.get());
                (address, length)
            } else {
                let mut keep = Vec::with_capacity(1);
                let found = pin(buffers, inward, &mut keep)?;
                hold.push(Hold::Buffers(keep));
                found
            };
            if size.checked_mul(count).is_none_or(|needed| needed > length) || size > 0x7fff_f000 {
                return Err(PyValueError::new_err(
                    "the buffer is too small for the batch",
                ));
            }
            Memory::Pieces(address, size)
        };
        let offsets = if offsets.is_none() {
            Offsets::Steps(u64::MAX, 0)
        } else if offsets.is_instance_of::<PyInt>() {
            Offsets::Steps(offsets.extract()?, step)
        } else if let Ok(list) = offsets.cast::<PyList>() {
            Offsets::Each(
                list.iter()
                    .map(|at| at.extract())
                    .collect::<PyResult<_>>()?,
            )
        } else {
            let mut keep = Vec::with_capacity(1);
            let (address, length) = pin(offsets, false, &mut keep)?;
            let first = address as *const u64;
            // SAFETY: inside the buffer, which `keep` holds; any alignment.
            let read = |place| unsafe { first.add(place).read_unaligned() };
            Offsets::Each((0..length / 8).map(read).collect())
        };
        let mut single = None;
        let mut each_fd = Vec::new();
        if let Ok(list) = fds.cast::<PyList>() {
            each_fd.reserve(list.len());
            for fd in list.iter() {
                each_fd.push(target(&fd, &mut hold)?);
            }
        } else {
            single = Some(target(fds, &mut hold)?);
        }
        let short = matches!(&memory, Memory::Each(each) if each.len() < count)
            || matches!(&offsets, Offsets::Each(each) if each.len() < count)
            || (single.is_none() && each_fd.len() < count);
        if short {
            return Err(PyValueError::new_err("a list is shorter than the batch"));
        }
        let start = single
            .as_ref()
            .map_or((-1, false), |one| (one.fd, one.fixed));
        let mut template = blank(op, start.0, start.1);
        template.op_flags = op_flags;
        template.buf_index = buf_index;
        let close = op == abi::IORING_OP_CLOSE;
        let buffer = (!buffers.is_none()).then(|| buffers.clone().unbind());
        let piece = if matches!(memory, Memory::Pieces(..)) {
            size
        } else {
            0
        };
        let uses_offset = !matches!(memory, Memory::None)
            && !matches!(op, abi::IORING_OP_RECV | abi::IORING_OP_SEND);
        let fill = |sqe: &mut io_uring_sqe, index: usize| {
            if let Some(one) = each_fd.get(index) {
                sqe.fd = one.fd;
                sqe.flags |= u8::from(one.fixed) << abi::IOSQE_FIXED_FILE_BIT;
            }
            match &memory {
                Memory::None => {}
                Memory::Pieces(address, size) => {
                    sqe.addr = address + (index * size) as u64;
                    sqe.len = *size as u32;
                }
                Memory::Each(each) => {
                    (sqe.addr, sqe.len) = (each[index].0, each[index].1 as u32);
                }
            }
            if uses_offset {
                sqe.off = match &offsets {
                    Offsets::Steps(first, step) => {
                        first.wrapping_add(step.wrapping_mul(index as u64))
                    }
                    Offsets::Each(each) => each[index],
                };
            }
            if close && sqe.flags & 1 << abi::IOSQE_FIXED_FILE_BIT != 0 {
                // A slot is named elsewhere than a descriptor.
                sqe.file_index = (sqe.fd as u32).wrapping_add(1);
                sqe.fd = 0;
                sqe.flags &= !(1 << abi::IOSQE_FIXED_FILE_BIT);
            }
        };
        let options = Options::read(Some(options))?;
        Engine::launch_batch(
            slf, name, count, hold, buffer, piece, options, template, fill,
        )
    }

    /// Starts one of openat, statx, unlinkat or mkdirat for each path. With
    /// statx `output` has 256 bytes for each.
    fn path_batch(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        opcode: u32,
        directory: i32,
        paths: Vec<Bound<'_, PyBytes>>,
        flags: u32,
        length: u32,
        output: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Batch>> {
        let statx = opcode == abi::IORING_OP_STATX;
        let known = [
            abi::IORING_OP_OPENAT,
            abi::IORING_OP_UNLINKAT,
            abi::IORING_OP_MKDIRAT,
        ];
        if !statx && !known.contains(&opcode) {
            return Err(PyValueError::new_err(
                "not an operation of batches of paths",
            ));
        }
        let mut text = Vec::new();
        let mut starts = Vec::with_capacity(paths.len());
        for path in &paths {
            let path = path.as_bytes();
            if path.contains(&0) {
                return Err(PyValueError::new_err("embedded null byte"));
            }
            starts.push(text.len() as u64);
            text.extend_from_slice(path);
            text.push(0);
        }
        let text = text.into_boxed_slice();
        let first = text.as_ptr() as u64;
        let mut hold = vec![Hold::Bytes(text)];
        let mut out = 0;
        if statx {
            let mut keep = Vec::with_capacity(1);
            let (address, room) = pin(output, true, &mut keep)?;
            if room / 256 < paths.len() {
                return Err(PyValueError::new_err(
                    "the buffer is too small for the batch",
                ));
            }
            out = address;
            hold.push(Hold::Buffers(keep));
        }
        let mut template = blank(opcode, directory, false);
        template.op_flags = flags;
        template.len = length;
        let fill = |sqe: &mut io_uring_sqe, index: usize| {
            sqe.addr = first + starts[index];
            if statx {
                sqe.off = out + 256 * index as u64;
            }
        };
        let buffer = statx.then(|| output.clone().unbind());
        let size = if statx { 256 } else { 0 };
        let options = Options::read(Some(options))?;
        let count = paths.len();
        Engine::launch_batch(
            slf, name, count, hold, buffer, size, options, template, fill,
        )
    }
}
