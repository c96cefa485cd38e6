//! Memory and objects an operation keeps until its last completion.

use std::ffi::CString;
use std::sync::Arc;

use anyring_abi::__kernel_timespec;
use pyo3::prelude::*;

use super::files::Pinned;
use super::message::Header;
use super::pool::Shared;
use crate::keep::Keep;

/// One thing held. Nothing is read from it: the kernel has the address.
#[expect(dead_code, reason = "held for the kernel, not read")]
pub(super) enum Hold {
    /// A buffer of Python.
    Buffer(Keep),
    /// Buffers of Python.
    Buffers(Vec<Keep>),
    /// A path or name.
    Text(CString),
    /// An object whose descriptor the operation uses.
    Object(Py<PyAny>),
    /// A registered buffer.
    Fixed(Arc<Pinned>),
    /// A pool of provided buffers.
    Pool(Arc<Shared>),
    /// A message header or an address of a peer.
    Header(Arc<Header>),
    /// A time.
    Time(Box<__kernel_timespec>),
    /// Paths.
    Bytes(Box<[u8]>),
    /// Futexes waited for.
    Futexes(Box<[[u64; 3]]>),
}

/// A time for the kernel; ValueError when it is negative or not a number.
pub(super) fn time(seconds: f64) -> PyResult<Box<__kernel_timespec>> {
    if seconds.is_nan() || seconds < 0.0 {
        return Err(crate::make::raised::<pyo3::exceptions::PyValueError>(
            "a time is zero seconds or more",
        ));
    }
    // Beyond that the kernel's clock ends too.
    let seconds = seconds.min(9e9);
    Ok(Box::new(__kernel_timespec {
        tv_sec: seconds.trunc() as i64,
        tv_nsec: (seconds.fract() * 1e9) as _,
    }))
}
