//! Starting batches: of files or of paths.

use std::sync::atomic::AtomicU8;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use super::batch::{Batch, DONE, TOLD, UNKNOWN};
use super::engine::Engine;
use super::files::{Target, target};
use super::hold::Hold;
use super::message::blank;
use super::options::Options;
use super::requests::{Owner, Results, refused};
use crate::inflight::{Expect, LIMIT};
use crate::keep::{Keep, pinned};
use crate::make::{Many, gather};

/// One more than the operations of a batch.
const MOST: usize = 1 << 20;
const _: () = assert!(MOST <= LIMIT);

/// The descriptors of a list.
pub(super) fn targets(
    fds: Option<&Bound<'_, PyList>>,
    hold: &mut Vec<Hold>,
) -> PyResult<Vec<Target>> {
    let Some(list) = fds else {
        return Ok(Vec::new());
    };
    hold.try_reserve(list.len())
        .map_err(|_| crate::reserve::short())?;
    gather(list.iter().map(|fd| target(&fd, hold)))
}

pub(super) fn short() -> PyErr {
    crate::make::raised::<PyValueError>("a list is shorter than the batch")
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
            return Err(crate::make::raised::<PyValueError>(
                "a batch has no timeout of its own",
            ));
        }
        if count >= MOST {
            return Err(crate::make::raised::<PyValueError>(
                "at most 1048575 operations",
            ));
        }
        crate::given::permitted(&template)?;
        let mut engine = slf.try_borrow_mut()?;
        engine.ring()?;
        engine.make_room(count)?;
        let results = PyBytes::new_with(py, count * 4, |bytes| {
            for word in bytes.chunks_exact_mut(4) {
                word.copy_from_slice(&UNKNOWN.to_ne_bytes());
            }
            Ok(())
        })?;
        let first = results.as_bytes().as_ptr().cast::<i32>().cast_mut();
        engine.requests.reserve(count).map_err(refused)?;
        let key = if count == 0 {
            None
        } else {
            Some(engine.begin(hold)?)
        };
        let state = if count == 0 { DONE | TOLD } else { 0 };
        let batch = Batch {
            engine: slf.clone().unbind(),
            key,
            name: name.unbind(),
            user_data: options.user_data.as_ref().map(|data| data.clone_ref(py)),
            buffer,
            size,
            results: results.unbind(),
            count,
            state: AtomicU8::new(state),
        };
        let made = Py::new(py, batch);
        let batch = made.inspect_err(|_| {
            if let Some(key) = key {
                drop(engine.requests.unshare(key));
            }
        })?;
        let Some(key) = key else {
            return Ok(batch);
        };
        let results = Results {
            first,
            count: count as u32,
        };
        engine.own(key, Owner::Batch(batch.clone_ref(py), results));
        let mut template = template;
        options.apply(&mut template);
        template.flags |= engine.chain.as_ref().map_or(0, |chain| chain.flag);
        let before = engine.pending.len();
        let expect = Expect::of(&template);
        let Engine {
            pending, requests, ..
        } = &mut *engine;
        pending.extend((0..count).map(|index| {
            let mut sqe = template;
            fill(&mut sqe, index);
            sqe
        }));
        let tags = pending[before..].iter_mut().map(|sqe| &mut sqe.user_data);
        if let Err(error) = requests.add_parts(expect, key, tags) {
            pending.truncate(before);
            drop(requests.unshare(key));
            return Err(refused(error));
        }
        Ok(batch)
    }
}

#[pymethods]
impl Engine {
    /// Starts `count` of `nop`, or one `fsync` or `close` for each file.
    fn batch(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        opcode: u32,
        count: usize,
        fds: Option<&Bound<'_, PyList>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Batch>> {
        let close = opcode == abi::IORING_OP_CLOSE;
        if !close && ![abi::IORING_OP_NOP, abi::IORING_OP_FSYNC].contains(&opcode) {
            return Err(crate::make::raised::<PyValueError>(
                "not an operation of batches",
            ));
        }
        let mut hold = Vec::new();
        let each = targets(fds, &mut hold)?;
        if fds.is_some() && each.len() < count {
            return Err(short());
        }
        let fill = |sqe: &mut io_uring_sqe, index: usize| {
            let Some(one) = each.get(index) else {
                return;
            };
            if close && one.fixed {
                // A slot is named elsewhere than a descriptor.
                sqe.file_index = (one.fd as u32).wrapping_add(1);
                sqe.fd = 0;
            } else {
                one.put(sqe);
            }
        };
        let options = Options::read(Some(options))?;
        let template = blank(opcode, -1, false);
        Engine::launch_batch(slf, name, count, hold, None, 0, options, template, fill)
    }

    /// Starts one of openat, statx, unlinkat or mkdirat for each path. With
    /// statx `output` has 256 bytes for each.
    fn path_batch(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        opcode: u32,
        directory: i32,
        paths: Many<Bound<'_, PyBytes>>,
        flags: u32,
        length: u32,
        output: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Batch>> {
        let Many(paths) = paths;
        let statx = opcode == abi::IORING_OP_STATX;
        let known = [
            abi::IORING_OP_OPENAT,
            abi::IORING_OP_UNLINKAT,
            abi::IORING_OP_MKDIRAT,
        ];
        if !statx && !known.contains(&opcode) {
            return Err(crate::make::raised::<PyValueError>(
                "not an operation of batches of paths",
            ));
        }
        let length_of = |path: &Bound<'_, PyBytes>| path.as_bytes().len() + 1;
        let mut text = crate::reserve::room(paths.iter().map(length_of).sum())?;
        let mut starts = crate::reserve::room(paths.len())?;
        for path in &paths {
            let path = path.as_bytes();
            if path.contains(&0) {
                return Err(crate::make::raised::<PyValueError>("embedded null byte"));
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
            let pinned = pinned(output, true)?;
            if pinned.len() / 256 < paths.len() {
                return Err(crate::make::raised::<PyValueError>(
                    "the buffer is too small for the batch",
                ));
            }
            out = pinned.address();
            hold.push(Hold::Buffer(Keep::Pinned(pinned)));
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
