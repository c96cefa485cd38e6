//! Commands: those of sockets, and discarding of block devices.
//!
//! # Safety
//! Addresses come from SQEs; the kernel checks them.

use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi as abi;

use super::work;
use crate::os::sys;
use crate::os::user_memory;
use crate::request::{Data, Outcome, Request};
use crate::ring::state::State;

/// `_IO(0x12, 119)`: discards a range given as two numbers.
const BLKDISCARD: usize = 0x1277;
/// The device number of `/dev/null`.
const NULL: u64 = 0x103;

/// URING_CMD.
pub(crate) fn issue(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = request.sqe;
    match sys::kind_of(request.file.fd()) {
        Ok((libc::S_IFSOCK, _)) => socket(request).into(),
        Ok((libc::S_IFBLK, _)) if sqe.off as u32 == abi::BLOCK_URING_CMD_DISCARD => {
            discard(request)
        }
        // It takes every command and does nothing.
        Ok((libc::S_IFCHR, NULL)) => Outcome::Done(0),
        Ok(_) => Outcome::Done(-libc::EOPNOTSUPP),
        Err(error) => Outcome::Done(error),
    }
}

fn socket(request: &Request) -> Result<i32, c_int> {
    let sqe = &request.sqe;
    let fd = request.file.fd() as usize;
    let (level, name) = (sqe.addr as u32 as usize, (sqe.addr >> 32) as usize);
    match sqe.off as u32 {
        command @ (abi::SOCKET_URING_OP_SIOCINQ | abi::SOCKET_URING_OP_SIOCOUTQ) => {
            // The kernel asks the protocol, and those of Unix sockets have no answer.
            if sys::socket_option(request.file.fd(), libc::SO_DOMAIN)? == libc::AF_UNIX {
                return Err(-libc::EOPNOTSUPP);
            }
            let call = if command == abi::SOCKET_URING_OP_SIOCINQ {
                libc::FIONREAD
            } else {
                libc::TIOCOUTQ
            };
            let mut bytes: c_int = 0;
            // SAFETY: a number is written.
            unsafe {
                sys::raw(
                    libc::SYS_ioctl,
                    &[fd, call as usize, (&raw mut bytes) as usize],
                )
            }?;
            Ok(bytes)
        }
        abi::SOCKET_URING_OP_GETSOCKOPT => {
            if level != libc::SOL_SOCKET as usize {
                return Err(-libc::EOPNOTSUPP);
            }
            let mut len = sqe.file_index;
            // SAFETY: the kernel checks the address; the length is ours.
            unsafe {
                sys::raw(
                    libc::SYS_getsockopt,
                    &[fd, level, name, sqe.addr3 as usize, (&raw mut len) as usize],
                )
            }?;
            Ok(len as i32)
        }
        abi::SOCKET_URING_OP_SETSOCKOPT => {
            // SAFETY: the kernel checks the address.
            unsafe {
                sys::raw(
                    libc::SYS_setsockopt,
                    &[fd, level, name, sqe.addr3 as usize, sqe.file_index as usize],
                )
            }
            .map(|done| done as i32)
        }
        abi::SOCKET_URING_OP_GETSOCKNAME => {
            let call = match sqe.file_index {
                0 => libc::SYS_getsockname,
                1 => libc::SYS_getpeername,
                _ => return Err(-libc::EINVAL),
            };
            // SAFETY: the kernel checks the addresses.
            unsafe { sys::raw(call, &[fd, sqe.addr as usize, sqe.addr3 as usize]) }
                .map(|done| done as i32)
        }
        // It takes a multishot command on a ring of 32-byte completions.
        abi::SOCKET_URING_OP_TX_TIMESTAMP => Err(-libc::EINVAL),
        _ => Err(-libc::EOPNOTSUPP),
    }
}

fn discard(request: &mut Request) -> Outcome {
    let sqe = request.sqe;
    let range = user_memory::room::<u8>(16).and_then(|mut range| {
        range.extend_from_slice(&sqe.addr.to_ne_bytes());
        range.extend_from_slice(&sqe.addr3.to_ne_bytes());
        request.hold()?;
        Ok(range)
    });
    match range {
        Ok(range) => {
            let at = range.as_ptr() as usize;
            request.data = Data::Bytes(range, Vec::new());
            work(
                libc::SYS_ioctl,
                &[request.file.fd() as usize, BLKDISCARD, at],
            )
        }
        Err(error) => Outcome::Done(error),
    }
}
