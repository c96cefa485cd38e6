//! Starting multishot operations.

use std::sync::Arc;

use anyring_abi as abi;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::engine::Engine;
use super::files::target;
use super::hold::Hold;
use super::message::{Header, blank};
use super::pool::BufferPool;
use super::start::timer_entry;
use super::stream::{Kind, Parts, Stream};

#[pymethods]
impl Engine {
    /// Accepts again and again.
    fn accept_stream(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        flags: u32,
        direct: bool,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Stream>> {
        let mut hold = Vec::new();
        let target = target(fd, &mut hold)?;
        let mut sqe = blank(abi::IORING_OP_ACCEPT, target.fd, target.fixed);
        sqe.ioprio = abi::IORING_ACCEPT_MULTISHOT as u16;
        sqe.op_flags = flags;
        sqe.file_index = if direct {
            abi::IORING_FILE_INDEX_ALLOC
        } else {
            0
        };
        Stream::create(slf, name, Kind::Accept(direct), sqe, hold, options)
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
        bundle: bool,
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
            if bundle {
                sqe.ioprio |= abi::IORING_RECVSEND_BUNDLE as u16;
            }
            sqe.op_flags = flags;
        } else {
            // The file position.
            sqe.off = u64::MAX;
        }
        let kind = if bundle {
            Kind::Bundle(shared)
        } else {
            Kind::Data(shared, copy)
        };
        Stream::create(slf, name, kind, sqe, hold, options)
    }

    /// Receives messages again and again into buffers of a pool, with room for
    /// an address of `name` and control data of `control` bytes.
    fn message_stream(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        pool: &Bound<'_, BufferPool>,
        room: (usize, usize),
        flags: u32,
        ends: bool,
        finish: Py<PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Stream>> {
        let mut hold = Vec::new();
        let target = target(fd, &mut hold)?;
        let shared = pool.get().of(slf)?;
        let (address, control) = room;
        if shared.size <= size_of::<abi::io_uring_recvmsg_out>() + address + control {
            return Err(crate::make::raised::<PyValueError>(
                "the pool's buffers have no room for a message beside its header",
            ));
        }
        let header = Arc::new(Header::room(address, control));
        let mut sqe = blank(abi::IORING_OP_RECVMSG, target.fd, target.fixed);
        sqe.flags |= 1 << abi::IOSQE_BUFFER_SELECT_BIT;
        sqe.buf_index = shared.group;
        sqe.ioprio = abi::IORING_RECV_MULTISHOT as u16;
        sqe.addr = header.address();
        sqe.len = 1;
        sqe.op_flags = flags;
        hold.push(Hold::Header(header));
        let parts = Parts {
            name: address,
            control,
            ends,
            finish,
        };
        Stream::create(slf, name, Kind::Message(shared, parts), sqe, hold, options)
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
