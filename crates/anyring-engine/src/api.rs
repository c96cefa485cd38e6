//! The engine as a table of functions, so that a library can do without it
//! until it is needed.
//!
//! # Safety
//! Each function has the contract of its namesake in [`anyring::Kernel`].

use alloc::sync::Arc;
use core::ffi::{c_int, c_uint, c_void};

use anyring_abi as abi;
use anyring_abi::io_uring_params;

use crate::os::log::log;
use crate::os::sys::Decimal;
use crate::register;
pub use crate::ring::NOT_OURS;
use crate::ring::Ring;
use crate::ring::ring_registry::{self, Found};
use crate::ring::state::State;
use crate::wait::enter;

/// The ring belongs to the parent process.
pub const INHERITED: c_int = -2;
/// Of the table; a library asks for its own.
pub const VERSION: u32 = 2;

/// What the engine offers.
#[repr(C)]
#[derive(Debug)]
pub struct Api {
    /// [`VERSION`].
    pub version: u32,
    /// Makes a ring; the last argument is why (a negative errno), or 0.
    pub setup: unsafe extern "C" fn(c_uint, *mut io_uring_params, c_int) -> c_int,
    /// Makes a ring whose descriptor the program maps itself.
    pub bare_setup: unsafe extern "C" fn(c_uint, *mut io_uring_params, c_int) -> c_int,
    /// io_uring_enter(2), or [`NOT_OURS`].
    pub enter: unsafe extern "C" fn(c_int, c_uint, c_uint, c_uint, *const c_void, usize) -> c_int,
    /// io_uring_register(2), or [`NOT_OURS`].
    pub register: unsafe extern "C" fn(c_int, c_uint, *const c_void, c_uint) -> c_int,
    /// Memory of a ring: descriptor, offset, length; the address, 0, -errno or
    /// [`NOT_OURS`].
    pub mmap: unsafe extern "C" fn(c_int, u64, usize, *mut *mut c_void) -> c_int,
    /// Memory is given up; [`NOT_OURS`] if the caller has to unmap it.
    pub munmap: unsafe extern "C" fn(*mut c_void) -> c_int,
    /// A descriptor is about to be closed. A ring behind it is taken down, its
    /// memory with it: unsafe while that is still used.
    pub closing: unsafe extern "C" fn(c_int),
    /// Why the engine serves a descriptor (an errno, or 0), [`INHERITED`] or
    /// [`NOT_OURS`].
    pub served: extern "C" fn(c_int) -> c_int,
}

/// The engine.
pub static API: Api = Api {
    version: VERSION,
    setup: own_setup,
    bare_setup: own_bare_setup,
    enter: own_enter,
    register: own_register,
    mmap: own_mmap,
    munmap: own_munmap,
    closing: own_closing,
    served: own_served,
};

/// Makes a ring of the engine.
///
/// # Safety
/// `params` is valid for reads and writes.
unsafe extern "C" fn own_setup(
    entries: c_uint,
    params: *mut io_uring_params,
    reason: c_int,
) -> c_int {
    // SAFETY: `params` is valid for reads and writes: the contract of this function.
    unsafe { set_up(entries, params, reason, false) }
}

/// Makes a ring of the engine whose descriptor the program maps.
///
/// # Safety
/// `params` is valid for reads and writes.
unsafe extern "C" fn own_bare_setup(
    entries: c_uint,
    params: *mut io_uring_params,
    reason: c_int,
) -> c_int {
    // SAFETY: `params` is valid for reads and writes: the contract of this function.
    unsafe { set_up(entries, params, reason, true) }
}

/// Either of them.
///
/// # Safety
/// `params` is valid for reads and writes.
unsafe fn set_up(
    entries: c_uint,
    params: *mut io_uring_params,
    reason: c_int,
    bare: bool,
) -> c_int {
    // SAFETY: `params` is valid for reads: the contract of this function.
    let mut p = unsafe { params.read() };
    match Ring::setup(entries, &mut p, -reason, bare) {
        Ok(fd) => {
            // SAFETY: `params` is valid for writes: the contract of this function.
            unsafe { params.write(p) };
            let (ring, errno) = (Decimal::of(fd as u32), Decimal::of(reason.unsigned_abs()));
            let why: [&[u8]; 2] = match reason {
                0 => [b"as chosen", b""],
                _ => [b"since io_uring_setup(2) failed with errno ", errno.text()],
            };
            log(&[
                b"ring ",
                ring.text(),
                b": userspace engine, ",
                why[0],
                why[1],
            ]);
            fd
        }
        Err(error) => error,
    }
}

unsafe extern "C" fn own_enter(
    fd: c_int,
    to_submit: c_uint,
    min_complete: c_uint,
    flags: c_uint,
    arg: *const c_void,
    size: usize,
) -> c_int {
    let registered = flags & abi::IORING_ENTER_REGISTERED_RING != 0;
    if !ring_registry::any() || registered != (fd >= ring_registry::INDEX_BASE) {
        return NOT_OURS;
    }
    match find(fd) {
        Ok(ring) => enter::enter(&ring, to_submit, min_complete, flags, arg as u64, size),
        Err(error) => error,
    }
}

/// A number that no other ring of the engine has had, for the ring that a
/// descriptor is of, duplicate or not; `None` for any other descriptor.
pub fn serial(fd: c_int) -> Option<u64> {
    if fd < 0 || !ring_registry::any() {
        return None;
    }
    find(fd).ok().map(|ring| ring.serial)
}

/// The ring of a descriptor or index; otherwise what to answer.
fn find(fd: c_int) -> Result<Arc<Ring>, c_int> {
    match ring_registry::find(fd) {
        // Closed without the engine, and perhaps another file by now?
        Found::Ring(ring) if fd < ring_registry::INDEX_BASE && !ring.is_at(fd) => {
            if ring_registry::remove(fd).is_some() && !ring_registry::is_registered(&ring) {
                ring.abandon();
            }
            Err(NOT_OURS)
        }
        Found::Ring(ring) => Ok(ring),
        Found::Inherited => Err(inherited(fd)),
        Found::Unknown => ring_registry::by_any(fd).ok_or(NOT_OURS),
    }
}

fn inherited(fd: c_int) -> c_int {
    log(&[
        b"ring ",
        Decimal::of(fd as u32).text(),
        b": made by the parent process; a forked child has to make its own",
    ]);
    -libc::EOWNERDEAD
}

unsafe extern "C" fn own_register(
    fd: c_int,
    opcode: c_uint,
    arg: *const c_void,
    nr: c_uint,
) -> c_int {
    if fd == -1 {
        return register::without_ring(opcode, arg as u64, nr);
    }
    let registered = opcode & abi::IORING_REGISTER_USE_REGISTERED_RING != 0;
    if !ring_registry::any() || registered != (fd >= ring_registry::INDEX_BASE) {
        return NOT_OURS;
    }
    match find(fd) {
        Ok(ring) => register::register(&ring, opcode, arg as u64, nr),
        Err(error) => error,
    }
}

unsafe extern "C" fn own_mmap(
    fd: c_int,
    offset: u64,
    length: usize,
    address: *mut *mut c_void,
) -> c_int {
    let ring = match ring_registry::find(fd) {
        Found::Ring(ring) => ring,
        Found::Inherited => return -libc::EOWNERDEAD,
        Found::Unknown => return NOT_OURS,
    };
    let found = ring.peek_without_signals(|state| {
        if state.shown {
            ring.put_back(state);
        }
        region(state, offset)
    });
    match found {
        Some((at, size)) if length <= size.next_multiple_of(4096) => {
            // SAFETY: `address` is valid for a write: the contract of `Kernel::mmap`.
            unsafe { address.write(at.cast()) };
            0
        }
        _ => -libc::EINVAL,
    }
}

/// What is at an offset of a ring's descriptor.
fn region(state: &mut State, offset: u64) -> Option<(*mut u8, usize)> {
    match offset {
        abi::IORING_OFF_SQ_RING | abi::IORING_OFF_CQ_RING => Some(state.memory.region(false)),
        abi::IORING_OFF_SQES => Some(state.memory.region(true)),
        register::rings::REGION_OFFSET => {
            if let Some(memory) = state.region_memory.take() {
                memory.give_away();
            }
            state
                .region
                .filter(|(at, _)| *at != 0)
                .map(|(at, size)| (at as *mut u8, size))
        }
        offset if offset & abi::IORING_OFF_MMAP_MASK == abi::IORING_OFF_PBUF_RING => {
            let group = (offset & !abi::IORING_OFF_MMAP_MASK) >> abi::IORING_OFF_PBUF_SHIFT;
            state.groups.memory(group as u16)
        }
        _ => None,
    }
}

unsafe extern "C" fn own_munmap(address: *mut c_void) -> c_int {
    if !ring_registry::any() {
        return NOT_OURS;
    }
    match ring_registry::by_memory(address as usize) {
        // The engine's threads may look at it until the ring is closed; then
        // it goes.
        Some((_, true)) => 0,
        Some((ring, false)) => {
            ring.detach();
            NOT_OURS
        }
        None => NOT_OURS,
    }
}

extern "C" fn own_closing(fd: c_int) {
    if !ring_registry::any() {
        return;
    }
    if let Some(ring) = ring_registry::remove(fd) {
        if !ring_registry::is_registered(&ring) {
            ring.abandon();
        }
    }
}

extern "C" fn own_served(fd: c_int) -> c_int {
    if !ring_registry::any() {
        return NOT_OURS;
    }
    match ring_registry::find(fd) {
        Found::Ring(ring) => ring.reason,
        Found::Inherited => INHERITED,
        Found::Unknown => ring_registry::by_any(fd).map_or(NOT_OURS, |ring| ring.reason),
    }
}
