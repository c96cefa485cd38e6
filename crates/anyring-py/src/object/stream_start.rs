//! Starting multishot operations.

use anyring_abi as abi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::engine::Engine;
use super::files::target;
use super::message::blank;
use super::pool::BufferPool;
use super::start::timer_entry;
use super::stream::{Kind, Stream};

#[pymethods]
impl Engine {
    /// Accepts again and again.
    fn accept_stream(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        flags: u32,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Stream>> {
        let mut hold = Vec::new();
        let target = target(fd, &mut hold)?;
        let mut sqe = blank(abi::IORING_OP_ACCEPT, target.fd, target.fixed);
        sqe.ioprio = abi::IORING_ACCEPT_MULTISHOT as u16;
        sqe.op_flags = flags;
        Stream::create(slf, name, Kind::Accept, sqe, hold, options)
    }

    /// Reads or receives again and again into buffers of a pool.
    fn data_stream(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        pool: &Bound<'_, BufferPool>,
        receive: bool,
        flags: u32,
        copy: bool,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Stream>> {
        let mut hold = Vec::new();
        let target = target(fd, &mut hold)?;
        let shared = pool.get().of(slf)?;
        let op = if receive {
            abi::IORING_OP_RECV
        } else {
            abi::IORING_OP_READ_MULTISHOT
        };
        let mut sqe = blank(op, target.fd, target.fixed);
        sqe.flags |= 1 << abi::IOSQE_BUFFER_SELECT_BIT;
        sqe.buf_index = shared.group;
        if receive {
            sqe.ioprio = abi::IORING_RECV_MULTISHOT as u16;
            sqe.op_flags = flags;
        } else {
            // The file position.
            sqe.off = u64::MAX;
        }
        Stream::create(slf, name, Kind::Data(shared, copy), sqe, hold, options)
    }

    /// Polls again and again.
    fn poll_stream(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        events: u32,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Stream>> {
        let mut hold = Vec::new();
        let target = target(fd, &mut hold)?;
        let mut sqe = blank(abi::IORING_OP_POLL_ADD, target.fd, target.fixed);
        sqe.op_flags = events;
        sqe.len = abi::IORING_POLL_ADD_MULTI;
        Stream::create(slf, name, Kind::Poll, sqe, hold, options)
    }

    /// Ticks every `seconds`, `count` times or for ever.
    fn timer_stream(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        seconds: f64,
        count: u64,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Stream>> {
        let (sqe, hold) = timer_entry(seconds, count, abi::IORING_TIMEOUT_MULTISHOT)?;
        Stream::create(slf, name, Kind::Timer, sqe, hold, options)
    }
}
