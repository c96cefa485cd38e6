//! Sockets and messages.

use std::ffi::c_void;

use anyring::prep;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::args::{I32, U32, U64, fit, length, or_zero};
use crate::keep::{Keep, Keeps, copy, pin_block, pinned, words};
use crate::msg::Msghdr;
use crate::sqe::{OldSqe, Sqe, entry};

/// Bytes of any address.
const ADDRESS: usize = 128;

/// `(flags)` with a new entry, `(length, flags)` with an old one or where five
/// arguments decide.
#[inline]
fn part(
    sqe: &Bound<'_, Sqe>,
    third: Option<&Bound<'_, PyAny>>,
    fourth: Option<I32>,
    flags: Option<I32>,
    len: Option<U64>,
) -> PyResult<(Option<u64>, i32)> {
    let (length, place) = if fourth.is_some() || sqe.is_instance_of::<OldSqe>() {
        (
            third.map(PyAnyMethods::extract::<U64>).transpose()?,
            fourth.map(|flags| flags.0),
        )
    } else {
        let flags = third
            .map(|flags| flags.extract::<I32>().map(|flags| flags.0))
            .transpose()?;
        (None, flags)
    };
    if (place.is_some() && flags.is_some()) || (length.is_some() && len.is_some()) {
        return Err(crate::make::raised::<PyTypeError>(
            "an argument was given twice",
        ));
    }
    Ok((
        length.or(len).map(|length| length.0),
        place.unwrap_or_else(|| or_zero(flags)),
    ))
}

/// Receives into a buffer: `(flags)`, or `(length, flags)` as the older
/// releases. Without a buffer into a provided one (IOSQE_BUFFER_SELECT).
/// Kernel 5.6.
#[pyfunction]
#[pyo3(
    signature = (sqe, sockfd, buf=None, third=None, fourth=None, *, flags=None, len=None),
    text_signature = "(sqe, sockfd, /, buf=None, flags=0)"
)]
fn io_uring_prep_recv(
    sqe: &Bound<'_, Sqe>,
    sockfd: I32,
    buf: Option<&Bound<'_, PyAny>>,
    third: Option<&Bound<'_, PyAny>>,
    fourth: Option<I32>,
    flags: Option<I32>,
    len: Option<U64>,
) -> PyResult<()> {
    let (wanted, flags) = part(sqe, third, fourth, flags, len)?;
    let (place, len, keep) = room(buf, wanted)?;
    entry(sqe)?.prepare(keep, |raw| {
        prep::prep_recv(raw, sockfd.0, place, len, flags)
    })
}

/// A buffer to receive into, or a length for a provided one.
fn room(
    buf: Option<&Bound<'_, PyAny>>,
    wanted: Option<u64>,
) -> PyResult<(*mut c_void, usize, Keeps)> {
    let Some(buf) = buf else {
        let len = fit::<_, u32>(wanted.unwrap_or(0))?;
        return Ok((std::ptr::null_mut(), len as usize, Keeps::None));
    };
    let pinned = pinned(buf, true)?;
    let (place, len) = (pinned.address(), length(pinned.len(), wanted)?);
    Ok((
        place as *mut c_void,
        len as usize,
        Keep::Pinned(pinned).into(),
    ))
}

/// Receives until stopped, into provided buffers: `(buf, flags)`, or `(buf,
/// length, flags)` as the older releases. Kernel 6.0.
#[pyfunction]
#[pyo3(
    signature = (sqe, sockfd, buf=None, third=None, fourth=None, *, flags=None, len=None),
    text_signature = "(sqe, sockfd, /, buf=None, flags=0)"
)]
fn io_uring_prep_recv_multishot(
    sqe: &Bound<'_, Sqe>,
    sockfd: I32,
    buf: Option<&Bound<'_, PyAny>>,
    third: Option<&Bound<'_, PyAny>>,
    fourth: Option<I32>,
    flags: Option<I32>,
    len: Option<U64>,
) -> PyResult<()> {
    let (wanted, flags) = part(sqe, third, fourth, flags, len)?;
    let (place, len, keep) = room(buf, wanted)?;
    entry(sqe)?.prepare(keep, |raw| {
        prep::prep_recv_multishot(raw, sockfd.0, place, len, flags);
    })
}

/// Sends a buffer: `(flags)`, or `(length, flags)` as the older releases.
/// Kernel 5.6.
#[pyfunction]
#[pyo3(
    signature = (sqe, sockfd, buf, third=None, fourth=None, /, *, flags=None, len=None),
    text_signature = "(sqe, sockfd, buf, /, flags=0)"
)]
fn io_uring_prep_send(
    sqe: &Bound<'_, Sqe>,
    sockfd: I32,
    buf: &Bound<'_, PyAny>,
    third: Option<&Bound<'_, PyAny>>,
    fourth: Option<I32>,
    flags: Option<I32>,
    len: Option<U64>,
) -> PyResult<()> {
    let (wanted, flags) = part(sqe, third, fourth, flags, len)?;
    let pinned = pinned(buf, false)?;
    let (place, len) = (pinned.address(), length(pinned.len(), wanted)? as usize);
    entry(sqe)?.prepare(Keep::Pinned(pinned).into(), |raw| {
        prep::prep_send(raw, sockfd.0, place as *const c_void, len, flags);
    })
}

/// `(sockfd, buf, len, flags, zc_flags, buf_index)`: sends without a copy; the
/// buffer is kept until the notification. Kernel 6.0.
#[pyfunction]
fn _send_zc(
    sqe: &Bound<'_, Sqe>,
    sockfd: I32,
    buf: &Bound<'_, PyAny>,
    len: Option<U64>,
    flags: I32,
    zc_flags: U32,
    buf_index: Option<U32>,
) -> PyResult<()> {
    let pinned = pinned(buf, false)?;
    let len = length(pinned.len(), len.map(|len| len.0))? as usize;
    let place = pinned.address() as *const c_void;
    entry(sqe)?.prepare(Keep::Pinned(pinned).into(), |raw| match buf_index {
        Some(index) => {
            prep::prep_send_zc_fixed(raw, sockfd.0, place, len, flags.0, zc_flags.0, index.0);
        }
        None => prep::prep_send_zc(raw, sockfd.0, place, len, flags.0, zc_flags.0),
    })
}

/// A copy of an address of that length.
fn address(block: &Bound<'_, PyAny>, size: usize) -> PyResult<(*const libc::sockaddr, Keep)> {
    if size > ADDRESS {
        return Err(crate::make::raised::<PyValueError>(
            "an address has 128 bytes at most",
        ));
    }
    let (place, keep) = copy(block, size)?;
    Ok((place as *const libc::sockaddr, keep))
}

/// `(sockfd, buf, len, flags, address, size)`: sends to an address.
#[pyfunction]
fn _sendto(
    sqe: &Bound<'_, Sqe>,
    sockfd: I32,
    buf: &Bound<'_, PyAny>,
    len: Option<U64>,
    flags: I32,
    addr: &Bound<'_, PyAny>,
    size: U32,
) -> PyResult<()> {
    let pinned = pinned(buf, false)?;
    let len = length(pinned.len(), len.map(|len| len.0))? as usize;
    let place = pinned.address() as *const c_void;
    let (addr, keep) = address(addr, size.0 as usize)?;
    entry(sqe)?.prepare(vec![Keep::Pinned(pinned), keep].into(), |raw| {
        prep::prep_sendto(raw, sockfd.0, place, len, flags.0, addr, size.0);
    })
}

/// `(address, size)`: where a prepared send goes.
#[pyfunction]
fn _send_set_addr(sqe: &Bound<'_, Sqe>, addr: &Bound<'_, PyAny>, size: U32) -> PyResult<()> {
    let (place, keep) = address(addr, size.0 as usize)?;
    let mut entry = entry(sqe)?;
    let entry = entry.open()?;
    let sends = [anyring_abi::IORING_OP_SEND, anyring_abi::IORING_OP_SEND_ZC];
    if !sends.contains(&u32::from(entry.raw.opcode)) {
        return Err(crate::make::raised::<PyValueError>("prepare a send first"));
    }
    entry.keep.add(keep);
    prep::prep_send_set_addr(&mut entry.raw, place, size.0 as u16);
    Ok(())
}

/// `(fd, address, size, listening)`: connects, or binds. Kernel 5.5, 6.11.
#[pyfunction]
fn _connect(
    sqe: &Bound<'_, Sqe>,
    fd: I32,
    addr: &Bound<'_, PyAny>,
    size: U32,
    bind: bool,
) -> PyResult<()> {
    let (place, keep) = address(addr, size.0 as usize)?;
    entry(sqe)?.prepare(keep.into(), |raw| {
        if bind {
            prep::prep_bind(raw, fd.0, place, size.0);
        } else {
            prep::prep_connect(raw, fd.0, place, size.0);
        }
    })
}

/// Room for an address the kernel writes, and its length.
fn place_for_address(
    block: Option<&Bound<'_, PyAny>>,
) -> PyResult<(*mut libc::sockaddr, *mut libc::socklen_t, Keeps)> {
    let Some(block) = block else {
        return Ok((std::ptr::null_mut(), std::ptr::null_mut(), Keeps::None));
    };
    let pinned = pin_block(block, ADDRESS, true)?;
    let place = pinned.address() as *mut libc::sockaddr;
    // The length lies in the first half of the word on little-endian
    // machines only; written as a u32 it is there on all.
    let mut word = [0u8; 8];
    word[..4].copy_from_slice(&(ADDRESS as u32).to_ne_bytes());
    let (length, keep) = words([u64::from_ne_bytes(word)]);
    let keep = vec![Keep::Pinned(pinned), keep].into();
    Ok((place, length as *mut libc::socklen_t, keep))
}

/// `(fd, address, flags, file_index, multishot)`: accepts, the address written
/// to 128 bytes if given. Kernel 5.5; multishot and slots 5.19.
#[pyfunction]
fn _accept(
    sqe: &Bound<'_, Sqe>,
    fd: I32,
    addr: Option<&Bound<'_, PyAny>>,
    flags: I32,
    file_index: Option<U32>,
    multishot: bool,
) -> PyResult<()> {
    let (place, size, keep) = place_for_address(addr)?;
    let (fd, flags) = (fd.0, flags.0);
    entry(sqe)?.prepare(keep, |raw| match (file_index, multishot) {
        (None, false) => prep::prep_accept(raw, fd, place, size, flags),
        (None, true) => prep::prep_multishot_accept(raw, fd, place, size, flags),
        (Some(index), false) => {
            prep::prep_accept_direct(raw, fd, place, size, flags, index.0);
        }
        (Some(_), true) => prep::prep_multishot_accept_direct(raw, fd, place, size, flags),
    })
}

/// `(fd, address, peer)`: the socket's own address or its peer's, written to
/// 128 bytes. Kernel 6.19.
#[pyfunction]
fn _getsockname(sqe: &Bound<'_, Sqe>, fd: I32, addr: &Bound<'_, PyAny>, peer: I32) -> PyResult<()> {
    let (place, size, keep) = place_for_address(Some(addr))?;
    entry(sqe)?.prepare(keep, |raw| {
        prep::prep_cmd_getsockname(raw, fd.0, place, size, peer.0);
    })
}

/// `(cmd_op, fd, level, optname, optval, size)`: a socket command with an
/// option of the first `size` bytes. Kernel 6.7.
#[pyfunction]
fn _cmd_sock(
    sqe: &Bound<'_, Sqe>,
    cmd_op: I32,
    fd: I32,
    level: I32,
    optname: I32,
    optval: Option<&Bound<'_, PyAny>>,
    size: Option<U64>,
) -> PyResult<()> {
    let sets = cmd_op.0 == anyring_abi::SOCKET_URING_OP_SETSOCKOPT as i32;
    let (place, len, keep) = match optval {
        None => (std::ptr::null_mut(), 0, Keeps::None),
        Some(optval) => {
            let pinned = pinned(optval, !sets)?;
            let len = length(pinned.len(), size.map(|size| size.0))?;
            let place = pinned.address() as *mut c_void;
            (place, fit(len)?, Keep::Pinned(pinned).into())
        }
    };
    let addressed = [
        anyring_abi::SOCKET_URING_OP_SIOCINQ,
        anyring_abi::SOCKET_URING_OP_SIOCOUTQ,
        anyring_abi::SOCKET_URING_OP_GETSOCKOPT,
        anyring_abi::SOCKET_URING_OP_SETSOCKOPT,
        anyring_abi::SOCKET_URING_OP_TX_TIMESTAMP,
    ];
    if !addressed.contains(&(cmd_op.0 as u32)) {
        // Others could take the option's place for an address of another size.
        return Err(crate::make::raised::<PyValueError>(
            "not a command with an option",
        ));
    }
    entry(sqe)?.prepare(keep, |raw| {
        prep::prep_cmd_sock(raw, cmd_op.0, fd.0, level.0, optname.0, place, len);
    })
}

/// Operations on a message.
macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident(writable: $writable:expr; $($arg:ident: $need:ty),*) => $core:ident;)*) => {
        $($(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (sqe, fd, msg, $($arg,)* /, flags = None))]
        fn $name(
            sqe: &Bound<'_, Sqe>,
            fd: I32,
            msg: &Bound<'_, Msghdr>,
            $($arg: $need,)*
            flags: Option<U32>,
        ) -> PyResult<()> {
            let (place, keep) = Msghdr::pin(msg, $writable)?;
            let flags = or_zero(flags);
            entry(sqe)?.prepare(keep.into(), |raw| {
                prep::$core(raw, fd.0, place, flags $(, $arg.0)*);
            })
        })*

        fn add_messages(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

messages! {
    /// Receives a message. Kernel 5.3.
    io_uring_prep_recvmsg(writable: true;) => prep_recvmsg;
    /// Receives messages until stopped, into provided buffers, each with a
    /// header (io_uring_recvmsg_validate). Kernel 6.0.
    io_uring_prep_recvmsg_multishot(writable: true;) => prep_recvmsg_multishot;
    /// Sends a message. Kernel 5.3.
    io_uring_prep_sendmsg(writable: false;) => prep_sendmsg;
    /// Sends a message without a copy; kept until the notification.
    /// Kernel 6.1.
    io_uring_prep_sendmsg_zc(writable: false;) => prep_sendmsg_zc;
    /// The same from a registered buffer. Kernel 6.15.
    io_uring_prep_sendmsg_zc_fixed(writable: false; buf_index: U32) => prep_sendmsg_zc_fixed;
}

/// Adds what this file has to the module.
pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add_messages(module)?;
    module.add_function(wrap_pyfunction!(io_uring_prep_recv, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_prep_recv_multishot, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_prep_send, module)?)?;
    module.add_function(wrap_pyfunction!(_send_zc, module)?)?;
    module.add_function(wrap_pyfunction!(_sendto, module)?)?;
    module.add_function(wrap_pyfunction!(_send_set_addr, module)?)?;
    module.add_function(wrap_pyfunction!(_connect, module)?)?;
    module.add_function(wrap_pyfunction!(_accept, module)?)?;
    module.add_function(wrap_pyfunction!(_getsockname, module)?)?;
    module.add_function(wrap_pyfunction!(_cmd_sock, module)?)
}
