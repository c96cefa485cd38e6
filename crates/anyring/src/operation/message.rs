//! Messages of sockets: several buffers, an address, descriptors and other control
//! messages (sendmsg(2), recvmsg(2)).

use alloc::vec::Vec;
use core::mem;
use core::ptr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::request::encode;
use super::{Gives, Kept, Memory, Output, Owner, Pinned, Request, sealed};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::owned::Completion;
use crate::prep;
use crate::recvmsg::control_messages;

/// `SCM_PIDFD`: the descriptor of a process.
const SCM_PIDFD: i32 = 4;

/// Levels whose control messages are read as they are, and hold no address of memory.
const LEVELS: [i32; 4] = [
    libc::SOL_SOCKET,
    libc::IPPROTO_IP,
    libc::IPPROTO_IPV6,
    libc::SOL_UDP,
];

/// A message that is to be sent, or the room for one that is received.
///
/// ```
/// use anyring::operation::{Message, Owner, Request};
/// use anyring::{Builder, Linux};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if anyring::Ring::new(1).is_err() { return Ok(()) }
/// let owner = Owner::new(Builder::new(8), Linux)?;
/// let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
/// let file = std::fs::File::open("/proc/self/stat")?;
/// let message = Message::new(vec![b"two ".to_vec(), b"parts".to_vec()])
///     .descriptors(vec![file.into()]);
/// let (sent, _) = owner.start(Request::sendmsg(&ours, message, 0))?.wait();
/// assert_eq!(sent, Ok(9));
/// let room = Message::new(vec![vec![0; 16]]).control_room(64);
/// let (got, mut message) = owner.start(Request::recvmsg(&theirs, room, 0))?.wait();
/// assert_eq!(got, Ok(9));
/// assert_eq!(&message.buffers()[0][..9], b"two parts");
/// assert_eq!(message.take_descriptors().len(), 1);
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct Message {
    buffers: Vec<Vec<u8>>,
    address: Option<SocketAddr>,
    descriptors: Vec<OwnedFd>,
    control: Vec<u8>,
    control_room: usize,
    flags: i32,
}

impl Message {
    /// One with these buffers: what is sent, or what is received into, as many bytes as
    /// their lengths.
    #[must_use]
    pub fn new(buffers: Vec<Vec<u8>>) -> Self {
        Message {
            buffers,
            ..Message::default()
        }
    }

    /// Where it is to be sent to, by a socket that is not connected.
    #[must_use]
    pub fn to(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Descriptors to be sent with it, by a Unix socket (`SCM_RIGHTS`); the message keeps
    /// its own.
    #[must_use]
    pub fn descriptors(mut self, descriptors: Vec<OwnedFd>) -> Self {
        self.descriptors = descriptors;
        self
    }

    /// A control message to be sent with it, of the levels `SOL_SOCKET` (but
    /// `SCM_RIGHTS`: [`descriptors`](Self::descriptors)), `IPPROTO_IP`, `IPPROTO_IPV6` or
    /// `SOL_UDP`.
    ///
    /// # Errors
    /// EINVAL for others: some hold addresses.
    pub fn control(mut self, level: i32, kind: i32, bytes: &[u8]) -> Result<Self, Errno> {
        let rights = level == libc::SOL_SOCKET && matches!(kind, libc::SCM_RIGHTS | SCM_PIDFD);
        if rights || !LEVELS.contains(&level) {
            return Err(Errno::EINVAL);
        }
        append(&mut self.control, level, kind, bytes);
        Ok(self)
    }

    /// How many bytes of control messages are received, at most 65536; without it none
    /// are, and descriptors that come with a message are closed.
    #[must_use]
    pub fn control_room(mut self, bytes: usize) -> Self {
        self.control_room = bytes.min(65536);
        self
    }

    /// The buffers.
    #[must_use]
    pub fn buffers(&self) -> &[Vec<u8>] {
        &self.buffers
    }

    /// The buffers, to be used again.
    #[must_use]
    pub fn into_buffers(self) -> Vec<Vec<u8>> {
        self.buffers
    }

    /// Of a message that was received: the sender's address, of IPv4 and IPv6.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Of a message that was received: the descriptors that came with it (`SCM_RIGHTS`,
    /// `SCM_PIDFD`), close-on-exec; of one that was sent, its own.
    #[must_use]
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        mem::take(&mut self.descriptors)
    }

    /// Of a message that was received: `MSG_TRUNC`, `MSG_CTRUNC` and others.
    #[must_use]
    pub fn flags(&self) -> i32 {
        self.flags
    }

    /// Of a message that was received: level, type and bytes of each control message but
    /// those with descriptors.
    pub fn messages(&self) -> impl Iterator<Item = (i32, i32, &[u8])> {
        control_messages(&self.control).filter(|(level, kind, _)| !has_descriptors(*level, *kind))
    }
}

fn has_descriptors(level: i32, kind: i32) -> bool {
    level == libc::SOL_SOCKET && matches!(kind, libc::SCM_RIGHTS | SCM_PIDFD)
}

/// Adds a control message: a header of length, level and type, the bytes, and zeroes up to
/// a multiple of a word.
fn append(control: &mut Vec<u8>, level: i32, kind: i32, bytes: &[u8]) {
    let length = size_of::<libc::cmsghdr>() + bytes.len();
    control.extend_from_slice(&length.to_ne_bytes());
    control.extend_from_slice(&level.to_ne_bytes());
    control.extend_from_slice(&kind.to_ne_bytes());
    control.extend_from_slice(bytes);
    control.resize(control.len().next_multiple_of(size_of::<usize>()), 0);
}

/// A message as the kernel takes it. It has addresses of itself, so it stays where it is.
#[derive(Debug)]
pub(super) struct Parts {
    header: libc::msghdr,
    #[allow(dead_code, reason = "kept for the kernel")]
    vectors: Vec<libc::iovec>,
    name: libc::sockaddr_storage,
    /// Words, since the kernel's structs are aligned so.
    control: Vec<u64>,
    message: Message,
    receives: bool,
}

impl Parts {
    fn pinned(mut message: Message, receives: bool) -> Pinned<Self> {
        let mut vectors: Vec<libc::iovec> = message
            .buffers
            .iter_mut()
            .map(|buffer| libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: buffer.len(),
            })
            .collect();
        let mut bytes = mem::take(&mut message.control);
        if receives {
            bytes.clear();
            bytes.resize(message.control_room, 0);
            message.descriptors.clear();
            message.address = None;
        } else if !message.descriptors.is_empty() {
            let numbers: Vec<u8> = message
                .descriptors
                .iter()
                .flat_map(|file| file.as_raw_fd().to_ne_bytes())
                .collect();
            append(&mut bytes, libc::SOL_SOCKET, libc::SCM_RIGHTS, &numbers);
        }
        let length = bytes.len();
        bytes.resize(length.next_multiple_of(size_of::<u64>()), 0);
        let mut control: Vec<u64> = bytes
            .chunks_exact(size_of::<u64>())
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()))
            .collect();
        // SAFETY: integers and NULL: zeroes are a value.
        let (mut header, mut name): (libc::msghdr, libc::sockaddr_storage) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        if receives {
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
        } else if let Some(address) = message.address {
            (name, header.msg_namelen) = encode(address);
        }
        header.msg_iov = vectors.as_mut_ptr();
        header.msg_iovlen = vectors.len() as _;
        if length != 0 {
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = length as _;
        }
        let pinned = Pinned::new(Parts {
            header,
            vectors,
            name,
            control,
            message,
            receives,
        });
        let parts = pinned.as_ptr();
        if header.msg_namelen != 0 {
            // SAFETY: just made, and nothing else has it.
            unsafe { (*parts).header.msg_name = (&raw mut (*parts).name).cast() };
        }
        pinned
    }

    /// The bytes of the control messages that the kernel left.
    #[allow(clippy::unnecessary_cast, reason = "musl has 32 bits here")]
    fn received_control(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self
            .control
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        bytes.truncate(self.header.msg_controllen as usize);
        bytes
    }

    /// The request has completed so: what was received is the message's, so that it goes
    /// with it where nothing asks for it.
    pub(super) fn completed(&mut self, res: i32) {
        if !self.receives || res < 0 {
            return;
        }
        let control = self.received_control();
        for (level, kind, bytes) in control_messages(&control) {
            if !has_descriptors(level, kind) {
                continue;
            }
            for number in bytes.chunks_exact(size_of::<RawFd>()) {
                let number = RawFd::from_ne_bytes(number.try_into().unwrap_or([0xff; 4]));
                if number >= 0 {
                    // SAFETY: the kernel has made it for this message: it is owned by
                    // nothing else.
                    let file = unsafe { OwnedFd::from_raw_fd(number) };
                    self.message.descriptors.push(file);
                }
            }
        }
        self.message.control = control;
        self.message.flags = self.header.msg_flags;
        self.message.address = decode(&self.name, self.header.msg_namelen);
        // What came later with this memory would be other descriptors.
        self.receives = false;
    }
}

/// The address that the kernel left.
pub(super) fn decode(name: &libc::sockaddr_storage, length: u32) -> Option<SocketAddr> {
    let place = ptr::from_ref(name);
    match i32::from(name.ss_family) {
        libc::AF_INET if length as usize >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: a sockaddr_storage has room for every address, and its alignment.
            let v4 = unsafe { place.cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            let port = u16::from_be(v4.sin_port);
            Some(SocketAddr::V4(SocketAddrV4::new(ip, port)))
        }
        libc::AF_INET6 if length as usize >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: as above.
            let v6 = unsafe { place.cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            let address = SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id);
            Some(SocketAddr::V6(address))
        }
        _ => None,
    }
}

/// A number of bytes and the message: `(Result<u32, Errno>, Message)`.
#[derive(Debug)]
pub enum Messages {}

impl sealed::Output for Messages {
    type Value<K: Kernel> = (Result<u32, Errno>, Message);

    #[allow(private_interfaces, reason = "sealed")]
    fn value<K: Kernel>(_: &Owner<K>, done: Completion, kept: Kept) -> Self::Value<K> {
        let message = match kept.memory {
            Memory::Message(parts) => parts.into_inner().message,
            _ => Message::default(),
        };
        (done.result(), message)
    }

    fn failed<K: Kernel>(error: Errno) -> Self::Value<K> {
        (Err(error), Message::default())
    }
}
impl Output for Messages {}

impl<'f> Request<'f, Messages> {
    fn message(
        fd: RawFd,
        parts: Pinned<Parts>,
        flags: i32,
        prepare: impl FnOnce(&mut anyring_abi::io_uring_sqe, *mut libc::msghdr),
    ) -> Self {
        // The header is the first part of it; its address is that of a field all the same.
        let header = parts.as_ptr();
        // SAFETY: just made; only an address is taken.
        let header = unsafe { &raw mut (*header).header };
        let memory = Memory::Message(parts);
        Self::new(memory, Gives::Number, |sqe| prepare(sqe, header))
            .of(fd)
            .message_flags(flags)
    }

    /// Sends a message, with `MSG_*` flags. Linux 5.3.
    pub fn sendmsg(socket: &'f impl AsFd, message: Message, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        let parts = Parts::pinned(message, false);
        Self::message(fd, parts, flags, |sqe, header| {
            prep::sendmsg(sqe, fd, header, flags as u32);
        })
    }

    /// Sends a message without a copy; ends when the kernel has let go of its buffers.
    /// Linux 6.1.
    pub fn sendmsg_zc(socket: &'f impl AsFd, message: Message, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        let parts = Parts::pinned(message, false);
        Self::message(fd, parts, flags, |sqe, header| {
            prep::sendmsg_zc(sqe, fd, header, flags as u32);
        })
    }

    /// Receives a message into the buffers of `room`, with `MSG_*` flags
    /// (`MSG_CMSG_CLOEXEC` is added). Linux 5.3.
    pub fn recvmsg(socket: &'f impl AsFd, room: Message, flags: i32) -> Self {
        let fd = socket.as_fd().as_raw_fd();
        let parts = Parts::pinned(room, true);
        let flags = flags | libc::MSG_CMSG_CLOEXEC;
        Self::message(fd, parts, flags, |sqe, header| {
            prep::recvmsg(sqe, fd, header, flags as u32);
        })
    }
}

/// The header of a multishot recvmsg: room for an address and nothing else.
pub(super) fn datagram_header() -> libc::msghdr {
    // SAFETY: integers and NULL: zeroes are a value.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
    header
}

/// The address in the bytes of a name area.
pub(super) fn decode_bytes(bytes: &[u8]) -> Option<SocketAddr> {
    // SAFETY: integers: zeroes are a value.
    let mut name: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let length = bytes.len().min(size_of_val(&name));
    // SAFETY: so many bytes of both; a sockaddr_storage is integers.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut name).cast(), length) };
    decode(&name, length as u32)
}

const _: () = assert!(mem::offset_of!(libc::cmsghdr, cmsg_level) == size_of::<usize>());
