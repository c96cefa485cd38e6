//! Message headers, addresses of peers, and messages of other rings.

use std::cell::UnsafeCell;
use std::sync::Arc;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::{PyMemoryError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::engine::Engine;
use super::files::{FixedBuffer, target};
use super::hold::Hold;
use super::operation::{Finish, Operation};
use super::options::Options;
use super::start::Plan;
use crate::keep::{Keep, pin_all, vectors_fit};
use crate::make::{self, Many, copied, gather};

/// A completion that another ring posted here with `msg_ring`.
#[derive(Clone, Copy)]
#[pyclass(module = "liburing", name = "RingMessage", frozen, get_all)]
pub(crate) struct Message {
    /// The tag the sender chose.
    user_data: u64,
    /// The number the sender chose.
    res: i32,
    /// `IORING_CQE_F_*`, or what the sender chose.
    flags: u32,
}

impl Message {
    pub(super) fn new(user_data: u64, res: i32, flags: u32) -> Self {
        Message {
            user_data,
            res,
            flags,
        }
    }
}

#[pymethods]
impl Message {
    /// Always "message".
    #[getter]
    fn name(&self) -> &'static str {
        "message"
    }

    /// Always true.
    #[getter]
    fn done(&self) -> bool {
        true
    }

    fn __repr__(&self) -> String {
        format!("<RingMessage {}: {}>", self.user_data, self.res)
    }
}

/// Room for the largest address.
const ADDRESS: usize = size_of::<libc::sockaddr_storage>();

/// What the kernel reads at submission and writes at completion.
struct Parts {
    header: libc::msghdr,
    address: [u8; ADDRESS],
    address_length: libc::socklen_t,
    control: Vec<u8>,
}

/// A message header and the memory it points to.
pub(super) struct Header(UnsafeCell<Parts>);

// SAFETY: read with the interpreter lock held, after the kernel is done.
unsafe impl Send for Header {}
// SAFETY: as above.
unsafe impl Sync for Header {}

impl Header {
    fn new() -> Self {
        Header(UnsafeCell::new(Parts {
            // SAFETY: all zeroes is an empty header.
            header: unsafe { std::mem::zeroed() },
            address: [0; ADDRESS],
            address_length: ADDRESS as libc::socklen_t,
            control: Vec::new(),
        }))
    }

    /// Where the kernel writes an address and its length; held as long as the
    /// header is.
    fn peer(&self) -> (u64, u64) {
        let parts = self.0.get();
        // SAFETY: addresses of places in the parts are taken, nothing is read.
        unsafe {
            (
                (&raw mut (*parts).address) as u64,
                (&raw mut (*parts).address_length) as u64,
            )
        }
    }

    /// A header that only says how much room the address and the control data
    /// of messages in provided buffers have.
    pub(super) fn room(address: usize, control: usize) -> Self {
        let made = Header::new();
        // SAFETY: nobody else has the header yet.
        let head = unsafe { &mut (*made.0.get()).header };
        head.msg_namelen = address as libc::socklen_t;
        head.msg_controllen = control as _;
        made
    }

    /// Where it is, for the kernel.
    pub(super) fn address(&self) -> u64 {
        // SAFETY: asks for the place only.
        unsafe { (&raw const (*self.0.get()).header) as u64 }
    }

    /// The function's result for the number, the address, the control data
    /// and the flags the kernel wrote.
    pub(super) fn finish(
        &self,
        py: Python<'_>,
        res: i32,
        function: &Py<PyAny>,
    ) -> PyResult<Py<PyAny>> {
        // SAFETY: the operation is done, nobody writes any more.
        let parts = unsafe { &*self.0.get() };
        let length = if parts.header.msg_name.is_null() {
            parts.address_length
        } else {
            parts.header.msg_namelen
        };
        let address = make::bytes(py, &parts.address[..(length as usize).min(ADDRESS)])?;
        let filled = parts.header.msg_controllen;
        let control = make::bytes(py, &parts.control[..filled.min(parts.control.len())])?;
        let number = make::integer(py, res.into())?;
        let flags = make::integer(py, parts.header.msg_flags.into())?;
        let given = [number, address.into_any(), control.into_any(), flags];
        function.call1(py, make::tuple(py, given)?)
    }
}

#[pymethods]
impl Engine {
    /// sendmsg and recvmsg: several buffers, an address, control data.
    fn message(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        buffers: Many<Bound<'_, PyAny>>,
        address: Option<&[u8]>,
        control: &[u8],
        flags: u32,
        zero_copy: bool,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Operation>> {
        let Many(buffers) = buffers;
        let op = if zero_copy {
            abi::IORING_OP_SENDMSG_ZC
        } else {
            abi::IORING_OP_SENDMSG
        };
        let address = address.unwrap_or_default();
        let fixed = buffers
            .first()
            .is_some_and(|one| one.is_instance_of::<FixedBuffer>());
        if !fixed {
            let plan = header_plan(op, name, fd, &buffers, address, control, 0, flags, None)?;
            return Engine::launch(slf, plan, Options::read(Some(options))?);
        }
        if !zero_copy {
            return Err(make::raised::<PyTypeError>(
                "registered buffers are for zero_copy",
            ));
        }
        let parts = gather(
            buffers
                .iter()
                .map(|part| Ok(part.cast::<FixedBuffer>()?.clone())),
        )?;
        let mut hold = crate::reserve::room(parts.len() + 1)?;
        let (vectors, index) = slf.try_borrow()?.fixed_vectors(&parts, &mut hold)?;
        let mut plan = header_plan(op, name, fd, &[], address, control, 0, flags, None)?;
        // SAFETY: the header of the plan, which nobody else has yet.
        let head = unsafe { &mut *(plan.sqe.addr as *mut libc::msghdr) };
        head.msg_iov = vectors.as_ptr().cast_mut();
        head.msg_iovlen = vectors.len() as _;
        hold.push(Hold::Buffers(vec![Keep::Vectors { _vectors: vectors }]));
        plan.hold.append(&mut hold);
        plan.sqe.ioprio = abi::IORING_RECVSEND_FIXED_BUF as u16;
        plan.sqe.buf_index = index;
        Engine::launch(slf, plan, Options::read(Some(options))?)
    }

    /// recvmsg into several buffers, with room for `control` bytes.
    fn receive_message(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        buffers: Many<Bound<'_, PyAny>>,
        control: usize,
        flags: u32,
        finish: Py<PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Operation>> {
        let Many(buffers) = buffers;
        let op = abi::IORING_OP_RECVMSG;
        let plan = header_plan(
            op,
            name,
            fd,
            &buffers,
            &[],
            &[],
            control,
            flags,
            Some(finish),
        )?;
        Engine::launch(slf, plan, Options::read(Some(options))?)
    }

    /// accept that gives `finish` the address of the peer too.
    fn accept_address(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        flags: u32,
        finish: Py<PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Operation>> {
        let mut hold = Vec::new();
        let target = target(fd, &mut hold)?;
        let mut sqe = blank(abi::IORING_OP_ACCEPT, target.fd, target.fixed);
        let header = Arc::new(Header::new());
        (sqe.addr, sqe.off) = header.peer();
        sqe.op_flags = flags;
        hold.push(Hold::Header(Arc::clone(&header)));
        let mut plan = Plan::new(name, sqe, hold);
        plan.finish = Finish::Header(header, finish);
        Engine::launch(slf, plan, Options::read(Some(options))?)
    }

    /// The address of a socket or of its peer.
    fn socket_name(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        fd: &Bound<'_, PyAny>,
        peer: bool,
        finish: Py<PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Operation>> {
        let mut hold = Vec::new();
        let target = target(fd, &mut hold)?;
        let mut sqe = blank(abi::IORING_OP_URING_CMD, target.fd, target.fixed);
        sqe.off = u64::from(abi::SOCKET_URING_OP_GETSOCKNAME);
        super::shape::on_a_socket(&sqe)?;
        let header = Arc::new(Header::new());
        (sqe.addr, sqe.addr3) = header.peer();
        sqe.file_index = u32::from(peer);
        hold.push(Hold::Header(Arc::clone(&header)));
        let mut plan = Plan::new(name, sqe, hold);
        plan.finish = Finish::Header(header, finish);
        Engine::launch(slf, plan, Options::read(Some(options))?)
    }
}

/// An entry with an operation and a file.
pub(super) fn blank(op: u32, fd: i32, fixed: bool) -> io_uring_sqe {
    // SAFETY: all zeroes is a NOP.
    let mut sqe: io_uring_sqe = unsafe { std::mem::zeroed() };
    sqe.opcode = op as u8;
    sqe.fd = fd;
    sqe.flags = u8::from(fixed) << abi::IOSQE_FIXED_FILE_BIT;
    sqe
}

fn header_plan<'py>(
    op: u32,
    name: Bound<'py, PyString>,
    fd: &Bound<'py, PyAny>,
    buffers: &[Bound<'py, PyAny>],
    address: &[u8],
    control: &[u8],
    control_room: usize,
    flags: u32,
    finish: Option<Py<PyAny>>,
) -> PyResult<Plan<'py>> {
    let receive = finish.is_some();
    if address.len() > ADDRESS {
        return Err(make::raised::<PyValueError>("the address is too long"));
    }
    vectors_fit(buffers.len(), 0)?;
    let mut hold = Vec::new();
    let target = target(fd, &mut hold)?;
    let mut keep: Vec<Keep> = Vec::new();
    let (vectors, count) = if buffers.is_empty() {
        (0, 0)
    } else {
        pin_all(buffers, receive, &mut keep)?
    };
    let header = Arc::new(Header::new());
    // SAFETY: nobody else has the header yet.
    let parts = unsafe { &mut *header.0.get() };
    parts.control = if receive {
        room(control_room)?
    } else {
        copied(control)?
    };
    parts.address[..address.len()].copy_from_slice(address);
    let head = &mut parts.header;
    head.msg_iov = vectors as *mut libc::iovec;
    head.msg_iovlen = count as _;
    if receive || !address.is_empty() {
        head.msg_name = (&raw mut parts.address).cast();
        head.msg_namelen = if receive { ADDRESS } else { address.len() } as libc::socklen_t;
    }
    if !parts.control.is_empty() {
        head.msg_control = parts.control.as_mut_ptr().cast();
        head.msg_controllen = parts.control.len() as _;
    }
    let mut sqe = blank(op, target.fd, target.fixed);
    sqe.addr = (&raw const parts.header) as u64;
    sqe.len = 1;
    sqe.op_flags = flags;
    hold.push(Hold::Buffers(keep));
    hold.push(Hold::Header(Arc::clone(&header)));
    let mut plan = Plan::new(name, sqe, hold);
    if let Some(function) = finish {
        plan.finish = Finish::Header(header, function);
    }
    Ok(plan)
}

/// Zeroed memory for ancillary data of a size the program chose.
fn room(length: usize) -> PyResult<Vec<u8>> {
    if length > i32::MAX as usize {
        return Err(make::raised::<PyValueError>("at most 2 GiB at once"));
    }
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(length)
        .map_err(|_| make::raised::<PyMemoryError>("no memory for the ancillary data"))?;
    memory.resize(length, 0);
    Ok(memory)
}
