//! What a multishot recvmsg leaves in its buffer: a header, the name area, the
//! control area, the payload.
//!
//! # Safety
//! The functions take the buffer as the kernel filled it and the `msghdr` the
//! request was submitted with: the areas have the sizes given there. The kernel
//! may start a buffer anywhere (incremental buffer rings), and a name area of
//! any length moves what is behind it: nothing in the buffer need be aligned.

use core::ffi::{c_int, c_uint, c_void};
use core::ptr;

use anyring_abi::io_uring_recvmsg_out;
use libc::{cmsghdr, msghdr};

const HEADER: usize = size_of::<io_uring_recvmsg_out>();
const CMSG_HEADER: usize = size_of::<cmsghdr>();
const CMSG_ALIGN: usize = size_of::<usize>();

/// Bytes of the control area.
#[allow(clippy::unnecessary_cast, reason = "musl has 32 bits here")]
#[inline]
fn control_area(msg: &msghdr) -> usize {
    msg.msg_controllen as usize
}

/// The length that a control message gives itself.
///
/// # Safety
/// `cmsg` points to the header of a control message, aligned or not.
#[allow(clippy::unnecessary_cast, reason = "musl has 32 bits here")]
#[inline]
unsafe fn message_length(cmsg: *const cmsghdr) -> usize {
    // SAFETY: the caller points at a header; it is read unaligned.
    unsafe { (&raw const (*cmsg).cmsg_len).read_unaligned() as usize }
}

/// Bytes in front of the payload; `None` if that overflows.
fn payload_offset(msg: &msghdr) -> Option<usize> {
    HEADER
        .checked_add(msg.msg_namelen as usize)?
        .checked_add(control_area(msg))
}

/// The buffer as header, or NULL if `len` cannot hold header, name and control
/// area.
///
/// # Safety
/// `msg` is valid.
#[inline]
pub unsafe fn validate(
    buffer: *mut c_void,
    len: c_int,
    msg: *const msghdr,
) -> *mut io_uring_recvmsg_out {
    // SAFETY: handed on from the caller.
    match (usize::try_from(len), payload_offset(unsafe { &*msg })) {
        (Ok(len), Some(needed)) if needed <= len => buffer.cast(),
        _ => ptr::null_mut(),
    }
}

/// The name area.
#[inline]
#[must_use]
pub fn name(out: *mut io_uring_recvmsg_out) -> *mut c_void {
    out.wrapping_add(1).cast()
}

/// Bytes of control messages.
///
/// # Safety
/// `out` points to a header, aligned or not.
#[inline]
unsafe fn control_length(out: *const io_uring_recvmsg_out) -> usize {
    // SAFETY: handed on from the caller.
    unsafe { (&raw const (*out).controllen).read_unaligned() as usize }
}

/// The first control message, or NULL.
///
/// # Safety
/// `out` was validated with `msg`.
#[inline]
pub unsafe fn cmsg_firsthdr(out: *mut io_uring_recvmsg_out, msg: *const msghdr) -> *mut cmsghdr {
    // SAFETY: handed on from the caller.
    unsafe {
        if control_length(out) < CMSG_HEADER {
            return ptr::null_mut();
        }
        name(out)
            .wrapping_byte_add((*msg).msg_namelen as usize)
            .cast()
    }
}

/// The control message behind `cmsg`, or NULL.
///
/// # Safety
/// `out` was validated with `msg`; `cmsg` lies in its control area.
#[inline]
pub unsafe fn cmsg_nexthdr(
    out: *mut io_uring_recvmsg_out,
    msg: *const msghdr,
    cmsg: *mut cmsghdr,
) -> *mut cmsghdr {
    // SAFETY: handed on from the caller. Addresses are compared as numbers, so
    // that a wild length cannot wrap around.
    unsafe {
        let length = message_length(cmsg);
        if length < CMSG_HEADER {
            return ptr::null_mut();
        }
        let start = (cmsg_firsthdr(out, msg)) as usize;
        let end = start.wrapping_add(control_length(out));
        let next = length
            .checked_next_multiple_of(CMSG_ALIGN)
            .and_then(|step| (cmsg as usize).checked_add(step));
        let Some(next) = next else {
            return ptr::null_mut();
        };
        let fits = |bytes: usize| next.checked_add(bytes).is_some_and(|stop| stop <= end);
        if !fits(CMSG_HEADER) {
            return ptr::null_mut();
        }
        let next = cmsg.wrapping_byte_add(next - cmsg as usize);
        let length = message_length(next);
        match length.checked_next_multiple_of(CMSG_ALIGN) {
            Some(bytes) if fits(bytes) => next,
            _ => ptr::null_mut(),
        }
    }
}

/// The payload.
///
/// # Safety
/// `out` was validated with `msg`.
#[inline]
pub unsafe fn payload(out: *mut io_uring_recvmsg_out, msg: *const msghdr) -> *mut c_void {
    // SAFETY: handed on from the caller.
    unsafe {
        name(out)
            .wrapping_byte_add((*msg).msg_namelen as usize)
            .wrapping_byte_add(control_area(&*msg))
    }
}

/// Bytes of payload in a buffer of `len` bytes; 0 if it ends before.
///
/// # Safety
/// `msg` is valid.
#[inline]
pub unsafe fn payload_length(len: c_int, msg: *const msghdr) -> c_uint {
    // SAFETY: handed on from the caller.
    match (usize::try_from(len), payload_offset(unsafe { &*msg })) {
        (Ok(len), Some(offset)) => len.saturating_sub(offset) as c_uint,
        _ => 0,
    }
}

/// What a multishot recvmsg left in a buffer, part by part.
///
/// ```
/// use anyring::{Ring, RecvMsgOut, prep};
/// use std::os::fd::AsRawFd;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Ok(_) = Ring::new(1) else { return Ok(()) };
/// let (ours, theirs) = std::os::unix::net::UnixDatagram::pair()?;
/// theirs.send(b"a message")?;
/// // SAFETY: all zeroes is an empty header: no names, no control messages.
/// let header: libc::msghdr = unsafe { std::mem::zeroed() };
/// let mut ring = Ring::new(8)?;
/// let (mut queue, done) = ring.split();
/// let mut buffers = queue.buf_ring(0, 4, 256)?;
/// let sqe = queue.next_sqe().ok_or("full")?;
/// prep::recvmsg_multishot(sqe, ours.as_raw_fd(), (&raw const header).cast_mut(), 0);
/// buffers.select(sqe);
/// // SAFETY: the header lives to the end, and so does the socket.
/// unsafe { queue.submit_and_wait(1)? };
/// for done in done.completions() {
/// #   if done.res < 0 { return Ok(()) } // before Linux 6.0
///     let buffer = buffers.take(&done).ok_or("no buffer")?;
///     let message = RecvMsgOut::parse(buffer, &header).ok_or("too short")?;
///     assert_eq!(message.payload(), b"a message");
/// #   break;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RecvMsgOut<'a> {
    header: io_uring_recvmsg_out,
    name_room: u32,
    control_room: usize,
    name: &'a [u8],
    control: &'a [u8],
    payload: &'a [u8],
}

impl<'a> RecvMsgOut<'a> {
    /// Takes a buffer apart that a request with this header filled; `None` if it is too
    /// short. Only the lengths in `msg` are read.
    #[must_use]
    pub fn parse(buffer: &'a [u8], msg: &msghdr) -> Option<Self> {
        let head = buffer.get(..HEADER)?;
        let word = |at: usize| {
            let bytes = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_ne_bytes)
        };
        let header = io_uring_recvmsg_out {
            namelen: word(0),
            controllen: word(4),
            payloadlen: word(8),
            flags: word(12),
        };
        let name_end = HEADER.checked_add(msg.msg_namelen as usize)?;
        let control_end = payload_offset(msg)?;
        let name = buffer.get(HEADER..name_end)?;
        let control = buffer.get(name_end..control_end)?;
        let payload = buffer.get(control_end..)?;
        let filled = |area: &'a [u8], length: u32| area.get(..length as usize).unwrap_or(area);
        Some(RecvMsgOut {
            header,
            name_room: msg.msg_namelen,
            control_room: control_area(msg),
            name: filled(name, header.namelen),
            control: filled(control, header.controllen),
            payload: filled(payload, header.payloadlen),
        })
    }

    /// The address of the sender, as far as there was room.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Whether the address was longer than there was room.
    #[must_use]
    pub fn is_name_truncated(&self) -> bool {
        self.header.namelen > self.name_room
    }

    /// The bytes of the control messages, as far as there was room;
    /// [`messages`](Self::messages) has them one by one.
    #[must_use]
    pub fn control(&self) -> &'a [u8] {
        self.control
    }

    /// Whether there were more control messages than there was room (`MSG_CTRUNC`).
    #[must_use]
    pub fn is_control_truncated(&self) -> bool {
        self.header.flags & libc::MSG_CTRUNC as u32 != 0
            || self.header.controllen as usize > self.control_room
    }

    /// The payload, as far as there was room.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Whether the payload was longer than there was room (`MSG_TRUNC`).
    #[must_use]
    pub fn is_payload_truncated(&self) -> bool {
        self.header.flags & libc::MSG_TRUNC as u32 != 0
            || self.header.payloadlen as usize > self.payload.len()
    }

    /// `MSG_*` flags of the message.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.header.flags
    }

    /// The control messages: level, type and bytes of each. Ends at one that does not
    /// fit.
    pub fn messages(&self) -> impl Iterator<Item = (c_int, c_int, &'a [u8])> + use<'a> {
        control_messages(self.control)
    }
}

/// Level, type and bytes of each control message. Ends at one that does not fit.
pub(crate) fn control_messages(
    control: &[u8],
) -> impl Iterator<Item = (c_int, c_int, &[u8])> + use<'_> {
    let mut rest = control;
    core::iter::from_fn(move || {
        let number = |at: usize| {
            let bytes = rest.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(c_int::from_ne_bytes)
        };
        let length = rest
            .get(..CMSG_ALIGN)
            .and_then(|bytes| bytes.try_into().ok());
        let length = usize::from_ne_bytes(length?);
        let (level, kind) = (number(CMSG_ALIGN)?, number(CMSG_ALIGN + 4)?);
        let bytes = rest.get(CMSG_HEADER..length)?;
        let next = length.checked_next_multiple_of(CMSG_ALIGN)?;
        rest = rest.get(next..).unwrap_or(&[]);
        Some((level, kind, bytes))
    })
}
