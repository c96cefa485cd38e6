//! Starting batches of reads, writes, receives and sends: one file or many, one
//! buffer or many.

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList, PyRange, PyString, PyTuple};

use super::batch::Batch;
use super::batch_start::{short, targets};
use super::engine::Engine;
use super::files::{FixedBuffer, index_of, target};
use super::hold::Hold;
use super::message::blank;
use super::options::Options;
use super::transfer::{MOST, opcode_of};
use crate::keep::{Keep, integers, pin, pinned};
use crate::make;
use crate::make::gather;

/// Where the kernel finds each one's memory.
enum Memory {
    /// Pieces of one buffer: address, length.
    One(u64, usize),
    /// A buffer each.
    Each(Vec<(u64, usize)>),
}

/// Where in its file each one works.
enum Offsets {
    /// At the file position.
    Position,
    /// The first here, the others behind it without a gap.
    From(u64),
    /// At this plus so much for each.
    Steps(u64, u64, usize),
    Each(Vec<u64>),
}

impl Offsets {
    fn read(offsets: &Bound<'_, PyAny>) -> PyResult<Self> {
        if offsets.is_none() {
            return Ok(Offsets::Position);
        }
        if offsets.is_instance_of::<PyInt>() {
            return Ok(Offsets::From(offsets.extract()?));
        }
        if let Ok(range) = offsets.cast::<PyRange>() {
            let count = range.len()?;
            let first = if count > 0 {
                range
                    .getattr(make::names(offsets.py())?.start.bind(offsets.py()))?
                    .extract()?
            } else {
                0
            };
            let step: i64 = range
                .getattr(make::names(offsets.py())?.step.bind(offsets.py()))?
                .extract()?;
            return Ok(Offsets::Steps(first, step as u64, count));
        }
        if !offsets.is_instance_of::<PyList>() {
            if let Some(each) = integers(offsets)? {
                return Ok(Offsets::Each(each));
            }
        }
        let each = offsets.try_iter()?.map(|at| at?.extract());
        Ok(Offsets::Each(gather(each)?))
    }

    /// How many there are, where they say so.
    fn count(&self) -> Option<usize> {
        match self {
            Offsets::Position | Offsets::From(_) => None,
            Offsets::Steps(_, _, count) => Some(*count),
            Offsets::Each(each) => Some(each.len()),
        }
    }
}

/// What a list, a tuple or a range has; None for one thing.
fn several<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
    if let Ok(list) = object.cast::<PyList>() {
        return Ok(Some(list.clone()));
    }
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return Ok(Some(tuple.to_list()));
    }
    if object.is_instance_of::<PyRange>() {
        let all = crate::make::list(object.py())?;
        for item in object.try_iter()? {
            all.append(item?)?;
        }
        return Ok(Some(all));
    }
    Ok(None)
}

/// How many operations: what files, buffers and offsets agree on.
fn count_of(
    files: Option<usize>,
    buffers: Option<usize>,
    length: usize,
    offsets: Option<usize>,
    size: Option<usize>,
) -> PyResult<usize> {
    let count = match (files, buffers) {
        (Some(files), Some(buffers)) => Some(files.min(buffers)),
        (None, Some(buffers)) => Some(buffers),
        (Some(files), None) => Some(files),
        (None, None) => size.map(|size| length.checked_div(size).unwrap_or(0)),
    };
    match (count, offsets) {
        (Some(count), Some(found)) if size.is_none() => Ok(count.min(found)),
        (_, Some(found)) => Ok(found),
        (Some(count), None) => Ok(count),
        (None, None) => Err(make::raised::<PyTypeError>(
            "how many? give a list of offsets, files or buffers, or the size",
        )),
    }
}

#[pymethods]
impl Engine {
    /// Starts as many `read`, `write`, `recv` or `send`. `fds` is a file or
    /// several; `buffer` one buffer of which each has `size` bytes, by default
    /// an equal part, or several; `offsets` None, where the first begins, a
    /// range, 64-bit integers in a buffer, or several.
    fn transfers(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fds: &Bound<'_, PyAny>,
        buffer: &Bound<'_, PyAny>,
        offsets: &Bound<'_, PyAny>,
        size: Option<usize>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Batch>> {
        let (mut op, inward) = opcode_of(&name.to_cow()?)?;
        let mut hold = Vec::with_capacity(2);
        let mut buf_index = 0;
        let buffers = several(buffer)?;
        let memory = if let Some(list) = &buffers {
            let mut keep = crate::reserve::room(list.len())?;
            let mut each = crate::reserve::room(list.len())?;
            for buffer in list.iter() {
                let (address, length) = pin(&buffer, inward, &mut keep)?;
                each.push((address, length.min(MOST)));
            }
            hold.push(Hold::Buffers(keep));
            Memory::Each(each)
        } else if let Ok(part) = buffer.cast::<FixedBuffer>() {
            let (address, length, pinned) = slf.try_borrow()?.fixed(part.get())?;
            hold.push(Hold::Fixed(pinned));
            match op {
                abi::IORING_OP_READ => op = abi::IORING_OP_READ_FIXED,
                abi::IORING_OP_WRITE => op = abi::IORING_OP_WRITE_FIXED,
                _ => {}
            }
            buf_index = index_of(part.get());
            Memory::One(address, length)
        } else {
            let pinned = pinned(buffer, inward)?;
            let place = Memory::One(pinned.address(), pinned.len());
            hold.push(Hold::Buffer(Keep::Pinned(pinned)));
            place
        };
        let offsets = Offsets::read(offsets)?;
        let files = several(fds)?;
        let length = match memory {
            Memory::One(_, length) => length,
            Memory::Each(_) => 0,
        };
        let count = count_of(
            files.as_ref().map(|list| list.len()),
            buffers.as_ref().map(|list| list.len()),
            length,
            offsets.count(),
            size,
        )?;
        let size = match memory {
            Memory::One(..) => size.unwrap_or(length.checked_div(count).unwrap_or(0)),
            Memory::Each(_) => 0,
        };
        if size.checked_mul(count).is_none_or(|needed| needed > length) && buffers.is_none()
            || size > MOST
        {
            return Err(make::raised::<PyValueError>(
                "the buffer is too small for the batch",
            ));
        }
        let each_fd = targets(files.as_ref(), &mut hold)?;
        let mut template = match files {
            Some(_) => blank(op, -1, false),
            None => {
                let one = target(fds, &mut hold)?;
                blank(op, one.fd, one.fixed)
            }
        };
        template.buf_index = buf_index;
        if matches!(&memory, Memory::Each(each) if each.len() < count)
            || offsets.count().is_some_and(|found| found < count)
            || (files.is_some() && each_fd.len() < count)
        {
            return Err(short());
        }
        let socket = matches!(op, abi::IORING_OP_RECV | abi::IORING_OP_SEND);
        let fill = |sqe: &mut io_uring_sqe, index: usize| {
            if let Some(one) = each_fd.get(index) {
                one.put(sqe);
            }
            match &memory {
                Memory::One(address, _) => {
                    sqe.addr = address + (index * size) as u64;
                    sqe.len = size as u32;
                }
                Memory::Each(each) => {
                    (sqe.addr, sqe.len) = (each[index].0, each[index].1 as u32);
                }
            }
            if !socket {
                let times = index as u64;
                sqe.off = match &offsets {
                    Offsets::Position => u64::MAX,
                    Offsets::From(first) => first.wrapping_add((size as u64).wrapping_mul(times)),
                    Offsets::Steps(first, step, _) => first.wrapping_add(step.wrapping_mul(times)),
                    Offsets::Each(each) => each[index],
                };
            }
        };
        let options = Options::read(Some(options))?;
        let buffer =
            Some(buffers.map_or_else(|| buffer.clone().unbind(), |list| list.into_any().unbind()));
        Engine::launch_batch(
            slf, name, count, hold, buffer, size, options, template, fill,
        )
    }
}
