//! Extended attributes.
//!
//! # Safety
//! Addresses come from SQEs or from copies that the request keeps; the kernel
//! checks those of the program.

use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi::io_uring_sqe;

use super::path::{keep, path};
use super::{call, never, on_file};
use crate::os::user_memory;
use crate::request::{Call, Outcome, Request};
use crate::ring::state::State;

/// The most bytes of an extended attribute.
const XATTR_MAX: u32 = 65536;

/// The name of an extended attribute.
fn attribute_name(sqe: &io_uring_sqe) -> Result<Vec<u8>, c_int> {
    const LONGEST: usize = 255;
    let known = (libc::XATTR_CREATE | libc::XATTR_REPLACE) as u32;
    if sqe.op_flags & !known != 0 {
        return Err(-libc::EINVAL);
    }
    match user_memory::read_path(sqe.addr) {
        Ok(name) if name.len() == 1 || name.len() > LONGEST + 1 => Err(-libc::ERANGE),
        Err(error) if error == -libc::ENAMETOOLONG => Err(-libc::ERANGE),
        name => name,
    }
}

/// Keeps the name of an attribute.
pub(crate) fn copy_attribute(request: &mut Request) -> Result<(), c_int> {
    let name = attribute_name(&request.sqe)?;
    keep(request, name, Vec::new())
}

/// Keeps the name of an attribute and the path of its file.
pub(crate) fn copy_attribute_and_path(request: &mut Request) -> Result<(), c_int> {
    let name = attribute_name(&request.sqe)?;
    let file = path(request.sqe.addr3, false)?;
    keep(request, name, file)
}

/// Keeps the name of an attribute and its value.
pub(crate) fn copy_attribute_and_value(request: &mut Request) -> Result<(), c_int> {
    let name = attribute_name(&request.sqe)?;
    let name = with_value(&request.sqe, name)?;
    keep(request, name, Vec::new())
}

/// Keeps the name of an attribute, its value, and the path of its file.
pub(crate) fn copy_attribute_path_and_value(request: &mut Request) -> Result<(), c_int> {
    let name = attribute_name(&request.sqe)?;
    let file = path(request.sqe.addr3, false)?;
    let name = with_value(&request.sqe, name)?;
    keep(request, name, file)
}

/// The name of an attribute with its value behind it.
fn with_value(sqe: &io_uring_sqe, mut name: Vec<u8>) -> Result<Vec<u8>, c_int> {
    if sqe.len > XATTR_MAX {
        return Err(-libc::E2BIG);
    }
    let value: Vec<u8> = user_memory::read_array(sqe.off, sqe.len as usize)?;
    name.try_reserve_exact(value.len())
        .map_err(|_| -libc::ENOMEM)?;
    name.extend_from_slice(&value);
    Ok(name)
}

pub(crate) fn setxattr(state: &mut State, request: &mut Request) -> Outcome {
    call(state, request, never, |request, kept| {
        let (len, flags) = (request.sqe.len as usize, request.sqe.op_flags as usize);
        let args = [kept.two, kept.one, kept.value, len, flags];
        Ok(Call::new(libc::SYS_setxattr, &args))
    })
}

pub(crate) fn fsetxattr(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, kept| {
        let (len, flags) = (sqe.len as usize, sqe.op_flags as usize);
        let args = [fd, kept.one, kept.value, len, flags];
        Ok(Call::new(libc::SYS_fsetxattr, &args))
    })
}

pub(crate) fn getxattr(state: &mut State, request: &mut Request) -> Outcome {
    call(state, request, never, |request, kept| {
        let (at, len) = (request.sqe.off as usize, request.sqe.len as usize);
        Ok(Call::new(
            libc::SYS_getxattr,
            &[kept.two, kept.one, at, len],
        ))
    })
}

pub(crate) fn fgetxattr(state: &mut State, request: &mut Request) -> Outcome {
    on_file(state, request, |sqe, fd, kept| {
        let (at, len) = (sqe.off as usize, sqe.len as usize);
        Ok(Call::new(libc::SYS_fgetxattr, &[fd, kept.one, at, len]))
    })
}
