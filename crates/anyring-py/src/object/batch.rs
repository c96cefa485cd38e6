//! Many operations of one kind, started at once, with one handle.

use std::sync::atomic::{AtomicU8, Ordering};

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList, PyMemoryView, PyString};

use super::engine::Engine;
use super::files::{FixedBuffer, index_of, target};
use super::hold::Hold;
use super::message::blank;
use super::operation::named_error;
use super::options::Options;
use super::slots::{LIMIT, Owner, Results, at_place};
use crate::keep::{Keep, pin};

/// The result of an operation that is not done.
pub(super) const UNKNOWN: i32 = i32::MIN;
const DONE: u8 = 1;
const TOLD: u8 = 2;

/// A batch of operations: their results in one array.
#[pyclass(module = "liburing", frozen)]
pub(crate) struct Batch {
    engine: Py<Engine>,
    token: u64,
    /// What the operations are called.
    #[pyo3(get)]
    name: Py<PyString>,
    /// Whatever the program gave to know it by.
    #[pyo3(get)]
    user_data: Option<Py<PyAny>>,
    /// The program's buffer or list of buffers.
    #[pyo3(get)]
    buffer: Option<Py<PyAny>>,
    /// Bytes of `buffer` that each operation has; 0 for a list.
    #[pyo3(get)]
    size: usize,
    results: Py<PyBytes>,
    count: usize,
    state: AtomicU8,
}

impl Batch {
    fn has(&self, state: u8) -> bool {
        self.state.load(Ordering::Relaxed) & state != 0
    }

    /// The last completion came.
    pub(super) fn end(&self) {
        self.state.fetch_or(DONE, Ordering::Relaxed);
    }

    /// Tells the program; false when it knows.
    pub(super) fn tell(&self) -> bool {
        self.state.fetch_or(TOLD, Ordering::Relaxed) & TOLD == 0
    }

    pub(super) fn untold(&self) -> bool {
        !self.has(TOLD)
    }

    fn res(&self, py: Python<'_>, index: usize) -> i32 {
        let bytes = self.results.bind(py).as_bytes();
        let at = index * 4;
        i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    }

    fn await_done(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        if !self.has(DONE) {
            let mut engine = self.engine.bind(py).try_borrow_mut()?;
            engine.wait_until(py, timeout, |engine| {
                if self.has(DONE) {
                    return 0;
                }
                engine
                    .slots
                    .find(self.token)
                    .map_or(0, |(slot, _)| slot.remaining)
            })?;
        }
        if self.tell() {
            if let Ok(mut engine) = self.engine.bind(py).try_borrow_mut() {
                engine.stale += 1;
            }
        }
        Ok(())
    }

    fn error(&self, py: Python<'_>, index: usize, res: i32) -> PyErr {
        let name = self.name.bind(py).to_string_lossy().into_owned();
        let error = named_error(py, &name, -res, false, None);
        // An exception that cannot have it is an exception all the same.
        let _ = error.value(py).setattr("index", index);
        error
    }

    fn failures(&self, py: Python<'_>) -> impl Iterator<Item = (usize, i32)> {
        let bytes = self.results.bind(py).as_bytes();
        bytes
            .chunks_exact(4)
            .map(|word| i32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
            .enumerate()
            .filter(|(_, res)| *res < 0)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

#[pymethods]
impl Batch {
    /// Whether all of them are done. Never waits.
    #[getter]
    fn done(&self) -> bool {
        self.has(DONE)
    }

    /// How many are not done yet.
    #[getter]
    fn remaining(&self, py: Python<'_>) -> PyResult<u32> {
        let mut engine = self.engine.bind(py).try_borrow_mut()?;
        let found = engine.slots.find(self.token);
        Ok(found.map_or(0, |(slot, _)| slot.remaining))
    }

    /// The kernel's numbers, `-errno` for a failure, in the order of the
    /// batch: a view of 32-bit integers. -2**31 for what is not done. Never
    /// waits, never raises.
    #[getter]
    fn results<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PyMemoryView::from(self.results.bind(py).as_any())?.call_method1("cast", ("i",))
    }

    /// Submits what was started, waits for all of the batch, at most `timeout`
    /// seconds, and gives `results`.
    ///
    /// Raises the OSError of the first that failed, with the operation's name
    /// in `error.operation` and its place in `error.index`; TimeoutError when
    /// the time is over.
    #[pyo3(signature = (timeout=None))]
    fn result<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        self.await_done(py, timeout)?;
        if let Some((index, res)) = self.failures(py).next() {
            return Err(self.error(py, index, res));
        }
        self.results(py)
    }

    /// Waits as result() does and gives itself; failures raise nothing.
    #[pyo3(signature = (timeout=None))]
    fn wait(slf: Bound<'_, Self>, timeout: Option<f64>) -> PyResult<Bound<'_, Self>> {
        slf.get().await_done(slf.py(), timeout)?;
        Ok(slf)
    }

    /// `{place: OSError}` of those that failed. Waits as result() does.
    #[pyo3(signature = (timeout=None))]
    fn errors<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyDict>> {
        self.await_done(py, timeout)?;
        let errors = PyDict::new(py);
        for (index, res) in self.failures(py) {
            errors.set_item(index, self.error(py, index, res).into_value(py))?;
        }
        Ok(errors)
    }

    /// Asks the kernel to cancel all of them; False when they are done.
    fn cancel(&self, py: Python<'_>) -> PyResult<bool> {
        if self.has(DONE) {
            return Ok(false);
        }
        let mut engine = self.engine.bind(py).try_borrow_mut()?;
        engine.flush(py, 0)?;
        for index in 0..self.count {
            if self.res(py, index) == UNKNOWN {
                let mut sqe = blank(abi::IORING_OP_ASYNC_CANCEL, -1, false);
                sqe.addr = at_place(self.token, index as u32);
                sqe.user_data = engine.take_slot(1, Vec::new())?;
                engine.pending.push(sqe);
            }
        }
        engine.flush(py, 0)?;
        engine.harvest(py, true)?;
        Ok(true)
    }

    fn __len__(&self) -> usize {
        self.count
    }

    fn __getitem__(&self, py: Python<'_>, index: isize) -> PyResult<i32> {
        let place = if index < 0 {
            index + self.count as isize
        } else {
            index
        };
        let place = usize::try_from(place)
            .ok()
            .filter(|place| *place < self.count)
            .ok_or_else(|| PyIndexError::new_err("no such operation"))?;
        match self.res(py, place) {
            UNKNOWN => Err(PyRuntimeError::new_err("the operation is not done")),
            res if res < 0 => Err(self.error(py, place, res)),
            res => Ok(res),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let name = self.name.bind(py).to_string_lossy().into_owned();
        let word = if self.has(DONE) { "done" } else { "not done" };
        format!("<Batch of {} {name}: {word}>", self.count)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.engine)?;
        visit.call(&self.user_data)?;
        visit.call(&self.buffer)
    }
}

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
