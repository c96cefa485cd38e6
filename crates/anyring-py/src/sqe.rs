//! One submission entry in memory of its own.

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::keep::{Keep, pin, pin_all};

/// Operations whose `addr` is a number, not an address.
const ADDR_IS_NUMBER: &[u32] = &[
    abi::IORING_OP_NOP,
    abi::IORING_OP_ASYNC_CANCEL,
    abi::IORING_OP_TIMEOUT_REMOVE,
    abi::IORING_OP_POLL_REMOVE,
    abi::IORING_OP_FALLOCATE,
    abi::IORING_OP_FADVISE,
    abi::IORING_OP_SPLICE,
    abi::IORING_OP_MSG_RING,
];

/// Operations whose `off` is an address.
const OFF_IS_ADDRESS: &[u32] = &[
    abi::IORING_OP_TIMEOUT_REMOVE,
    abi::IORING_OP_ACCEPT,
    abi::IORING_OP_STATX,
    abi::IORING_OP_OPENAT2,
    abi::IORING_OP_RENAMEAT,
    abi::IORING_OP_LINKAT,
    abi::IORING_OP_SYMLINKAT,
    abi::IORING_OP_SEND,
    abi::IORING_OP_SEND_ZC,
    abi::IORING_OP_SETXATTR,
    abi::IORING_OP_FSETXATTR,
    abi::IORING_OP_GETXATTR,
    abi::IORING_OP_FGETXATTR,
    abi::IORING_OP_WAITID,
];

/// The operations whose every argument is checked here. Others may hold
/// addresses this module does not know of, and are refused.
const KNOWN: &[u32] = &[
    abi::IORING_OP_NOP,
    abi::IORING_OP_READV,
    abi::IORING_OP_WRITEV,
    abi::IORING_OP_FSYNC,
    abi::IORING_OP_READ_FIXED,
    abi::IORING_OP_WRITE_FIXED,
    abi::IORING_OP_POLL_ADD,
    abi::IORING_OP_POLL_REMOVE,
    abi::IORING_OP_TIMEOUT,
    abi::IORING_OP_TIMEOUT_REMOVE,
    abi::IORING_OP_ACCEPT,
    abi::IORING_OP_ASYNC_CANCEL,
    abi::IORING_OP_LINK_TIMEOUT,
    abi::IORING_OP_CONNECT,
    abi::IORING_OP_FALLOCATE,
    abi::IORING_OP_OPENAT,
    abi::IORING_OP_CLOSE,
    abi::IORING_OP_STATX,
    abi::IORING_OP_READ,
    abi::IORING_OP_WRITE,
    abi::IORING_OP_FADVISE,
    abi::IORING_OP_SEND,
    abi::IORING_OP_RECV,
    abi::IORING_OP_OPENAT2,
    abi::IORING_OP_SPLICE,
    abi::IORING_OP_TEE,
    abi::IORING_OP_SHUTDOWN,
    abi::IORING_OP_RENAMEAT,
    abi::IORING_OP_UNLINKAT,
    abi::IORING_OP_MKDIRAT,
    abi::IORING_OP_SYMLINKAT,
    abi::IORING_OP_LINKAT,
    abi::IORING_OP_SOCKET,
    abi::IORING_OP_SEND_ZC,
    abi::IORING_OP_FTRUNCATE,
    abi::IORING_OP_BIND,
    abi::IORING_OP_LISTEN,
    abi::IORING_OP_SYNC_FILE_RANGE,
    abi::IORING_OP_READV_FIXED,
    abi::IORING_OP_WRITEV_FIXED,
    abi::IORING_OP_MSG_RING,
];

/// Bytes the kernel reads or writes at `addr` and `off` whatever the length.
fn least(op: u32, op_flags: u32) -> (usize, usize) {
    match op {
        abi::IORING_OP_TIMEOUT_REMOVE
            if op_flags & (abi::IORING_TIMEOUT_UPDATE | abi::IORING_LINK_TIMEOUT_UPDATE) != 0 =>
        {
            (0, 16)
        }
        abi::IORING_OP_TIMEOUT | abi::IORING_OP_LINK_TIMEOUT => (16, 0),
        abi::IORING_OP_STATX => (1, 256),
        abi::IORING_OP_OPENAT2 => (1, 24),
        _ => (0, 0),
    }
}

/// A submission entry: filled, then submitted, then spent.
#[pyclass(module = "liburing._liburing", subclass)]
pub(crate) struct Sqe {
    pub(crate) raw: io_uring_sqe,
    pub(crate) keep: Vec<Keep>,
    pub(crate) spent: bool,
}

impl Sqe {
    /// A NOP that holds nothing.
    pub(crate) fn blank() -> Self {
        Sqe {
            // SAFETY: all zeroes is a NOP.
            raw: unsafe { std::mem::zeroed() },
            keep: Vec::new(),
            spent: false,
        }
    }

    fn open(&mut self) -> PyResult<&mut Self> {
        if self.spent {
            return Err(PyRuntimeError::new_err(
                "this entry was submitted or its ring was closed",
            ));
        }
        Ok(self)
    }

    /// Fills the entry with an operation whose arguments were checked: `keep`
    /// holds what `addr` points to.
    pub(crate) fn fill(
        &mut self,
        op: u32,
        fd: i32,
        addr: u64,
        len: u32,
        off: u64,
        keep: Vec<Keep>,
    ) -> PyResult<()> {
        let this = self.open()?;
        // SAFETY: all zeroes is a NOP.
        let mut raw: io_uring_sqe = unsafe { std::mem::zeroed() };
        raw.opcode = op as u8;
        raw.fd = fd;
        raw.addr = addr;
        raw.len = len;
        raw.off = off;
        raw.user_data = this.raw.user_data;
        this.raw = raw;
        this.keep = keep;
        Ok(())
    }
}

/// A number, a buffer or a list of buffers: the value and a length.
fn place(
    object: Option<&Bound<'_, PyAny>>,
    writable: bool,
    number_allowed: bool,
    keep: &mut Vec<Keep>,
) -> PyResult<(u64, usize)> {
    let Some(object) = object else {
        return Ok((0, 0));
    };
    if let Ok(list) = object.cast::<PyList>() {
        return pin_all(&list.iter().collect::<Vec<_>>(), writable, keep);
    }
    if object.is_instance_of::<pyo3::types::PyInt>() {
        let number: u64 = object.extract()?;
        if number != 0 && !number_allowed {
            return Err(PyValueError::new_err("an object is wanted, not an address"));
        }
        return Ok((number, 0));
    }
    pin(object, writable, keep)
}

#[pymethods]
impl Sqe {
    /// Fills the entry. `addr` and `off` are numbers, buffers or lists of
    /// buffers, as the operation has them; without `length` it is that of
    /// `addr`.
    ///
    /// Raises TypeError for a read-only buffer the kernel would write,
    /// ValueError for an address given as a number, RuntimeError when spent.
    #[pyo3(signature = (opcode, fd=-1, addr=None, length=None, off=None, op_flags=0, *, writable=false, off_writable=false, ioprio=0, buf_index=0, file_index=0, addr_len=None))]
    fn prep(
        &mut self,
        opcode: u8,
        fd: i32,
        addr: Option<&Bound<'_, PyAny>>,
        length: Option<u32>,
        off: Option<&Bound<'_, PyAny>>,
        op_flags: u32,
        writable: bool,
        off_writable: bool,
        ioprio: u16,
        buf_index: u16,
        file_index: u32,
        addr_len: Option<u16>,
    ) -> PyResult<()> {
        let this = self.open()?;
        let op = u32::from(opcode);
        if !KNOWN.contains(&op) {
            return Err(PyValueError::new_err("this operation is not built here"));
        }
        let mut keep = Vec::new();
        let (address, found) = place(addr, writable, ADDR_IS_NUMBER.contains(&op), &mut keep)?;
        let (offset, off_len) = place(off, off_writable, !OFF_IS_ADDRESS.contains(&op), &mut keep)?;
        let buffers = !addr.is_some_and(|object| object.is_instance_of::<PyList>());
        let bounded = [
            abi::IORING_OP_READ,
            abi::IORING_OP_WRITE,
            abi::IORING_OP_RECV,
            abi::IORING_OP_SEND,
            abi::IORING_OP_SEND_ZC,
            abi::IORING_OP_READ_FIXED,
            abi::IORING_OP_WRITE_FIXED,
        ]
        .contains(&op);
        if address != 0 && bounded && length.is_some_and(|length| length as usize > found) {
            return Err(PyValueError::new_err(
                "the buffer is shorter than the length",
            ));
        }
        if !buffers && length.is_some_and(|length| length as usize > found) {
            return Err(PyValueError::new_err("fewer buffers than the count"));
        }
        let (addr_least, off_least) = least(op, op_flags);
        if found < addr_least || off_len < off_least {
            return Err(PyValueError::new_err("the buffer is too small"));
        }
        let named = matches!(op, abi::IORING_OP_CONNECT | abi::IORING_OP_BIND);
        if named && offset > found as u64
            || addr_len.is_some_and(|length| usize::from(length) > off_len)
        {
            return Err(PyValueError::new_err(
                "the address is shorter than its length",
            ));
        }
        let length = match length {
            Some(length) => length,
            None => u32::try_from(found)
                .map_err(|_| PyValueError::new_err("the buffer has more than 4 GiB"))?,
        };
        let user_data = this.raw.user_data;
        // SAFETY: all zeroes is a NOP.
        let mut raw: io_uring_sqe = unsafe { std::mem::zeroed() };
        raw.opcode = opcode;
        raw.fd = fd;
        raw.ioprio = ioprio;
        raw.len = length;
        raw.user_data = user_data;
        raw.addr = address;
        raw.off = offset;
        raw.op_flags = op_flags;
        raw.buf_index = buf_index;
        // The length of an address shares the word, in its first two bytes.
        raw.file_index = addr_len.map_or(file_index, |length| {
            let [low, high] = length.to_ne_bytes();
            u32::from_ne_bytes([low, high, 0, 0])
        });
        this.raw = raw;
        this.keep = keep;
        Ok(())
    }

    /// The opcode, `IORING_OP_*`.
    #[getter]
    fn opcode(&self) -> u8 {
        self.raw.opcode
    }

    /// The file descriptor or index.
    #[getter]
    fn fd(&self) -> i32 {
        self.raw.fd
    }

    /// Bytes, or what the operation uses the field for.
    #[getter]
    fn len(&self) -> u32 {
        self.raw.len
    }

    /// The priority, or flags of the operation.
    #[getter]
    fn ioprio(&self) -> u16 {
        self.raw.ioprio
    }

    /// The personality the operation runs under.
    #[getter]
    fn personality(&self) -> u16 {
        self.raw.personality
    }

    /// `IOSQE_*`.
    #[getter]
    fn flags(&self) -> u8 {
        self.raw.flags
    }

    #[setter]
    fn set_flags(&mut self, flags: u8) -> PyResult<()> {
        self.open()?.raw.flags = flags;
        Ok(())
    }

    /// What the completion is tagged with.
    #[getter]
    fn user_data(&self) -> u64 {
        self.raw.user_data
    }

    #[setter]
    fn set_user_data(&mut self, user_data: u64) -> PyResult<()> {
        self.open()?.raw.user_data = user_data;
        Ok(())
    }
}
