//! Registered files.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::{c_int, c_uint};

use anyring_abi as abi;

use crate::ops::files_update::replace;
use crate::os::sys::Fd;
use crate::os::user_memory;
use crate::ring::resources::open_file;
use crate::ring::state::State;

/// The most registered files.
const MAX: u32 = 1 << 20;

type Slots = Vec<Option<(Arc<Fd>, u64)>>;

/// Opens what an array of descriptors names, one after the other; -1 is an
/// empty slot.
fn open_all(fds: u64, nr: u32, tags: u64) -> Result<Slots, c_int> {
    const PIECE: u32 = 256;
    let mut slots = user_memory::room(nr as usize)?;
    if fds == 0 {
        // Nothing but empty slots.
        for tag in self::tags(tags, nr)?
            .into_iter()
            .chain(core::iter::repeat(0))
            .take(nr as usize)
        {
            slots.push(open_tagged(-1, tag)?);
        }
        return Ok(slots);
    }
    for first in (0..nr).step_by(PIECE as usize) {
        let count = PIECE.min(nr - first) as usize;
        let from = fds.wrapping_add(u64::from(first) * 4);
        let (piece, tags) = match user_memory::read_array::<c_int>(from, count) {
            Ok(piece) if tags == 0 => (piece, Vec::new()),
            Ok(piece) => {
                let from = tags.wrapping_add(u64::from(first) * 8);
                (piece, user_memory::read_array::<u64>(from, count)?)
            }
            // What can be read of it may be wrong in another way.
            Err(_) => return open_each(fds, nr, tags, slots),
        };
        for (at, fd) in piece.iter().enumerate() {
            slots.push(open_tagged(*fd, tags.get(at).copied().unwrap_or(0))?);
        }
    }
    Ok(slots)
}

/// Opens the rest one by one, from where the slots end.
#[cold]
fn open_each(fds: u64, nr: u32, tags: u64, mut slots: Slots) -> Result<Slots, c_int> {
    for at in slots.len() as u64..u64::from(nr) {
        let tag = match tags {
            0 => 0,
            tags => user_memory::read(tags.wrapping_add(at * 8))?,
        };
        let fd: c_int = user_memory::read(fds.wrapping_add(at * 4))?;
        slots.push(open_tagged(fd, tag)?);
    }
    Ok(slots)
}

fn open_tagged(fd: c_int, tag: u64) -> Result<Option<(Arc<Fd>, u64)>, c_int> {
    match fd {
        -1 if tag != 0 => Err(-libc::EINVAL),
        -1 => Ok(None),
        fd => Ok(Some((open_file(fd)?, tag))),
    }
}

fn check(state: &State, nr: u32) -> Result<(), c_int> {
    if state.files.table.exists() {
        return Err(-libc::EBUSY);
    }
    if nr == 0 {
        return Err(-libc::EINVAL);
    }
    let limit =
        anyring::Kernel::open_files_limit(anyring::Linux).map_or(u64::MAX, |(soft, _)| soft);
    if nr > MAX || u64::from(nr) > limit {
        return Err(-libc::EMFILE);
    }
    Ok(())
}

pub(super) fn register(state: &mut State, arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    if arg == 0 {
        return Err(-libc::EFAULT);
    }
    check(state, nr)?;
    let slots = open_all(arg, nr, 0)?;
    state.files.set(slots);
    Ok(0)
}

pub(super) fn register2(state: &mut State, arg: u64, size: c_uint) -> Result<c_int, c_int> {
    if size as usize != size_of::<abi::io_uring_rsrc_register>() {
        return Err(-libc::EINVAL);
    }
    let reg: abi::io_uring_rsrc_register = user_memory::read(arg)?;
    if reg.resv2 != 0 || reg.flags & !abi::IORING_RSRC_REGISTER_SPARSE != 0 || reg.nr == 0 {
        return Err(-libc::EINVAL);
    }
    let sparse = reg.flags & abi::IORING_RSRC_REGISTER_SPARSE != 0;
    if sparse && reg.data != 0 {
        return Err(-libc::EINVAL);
    }
    check(state, reg.nr)?;
    let slots = if sparse {
        let mut slots: Slots = user_memory::room(reg.nr as usize)?;
        slots.resize(reg.nr as usize, None);
        slots
    } else {
        open_all(reg.data, reg.nr, reg.tags)?
    };
    state.files.set(slots);
    Ok(0)
}

pub(super) fn tags(at: u64, nr: u32) -> Result<Vec<u64>, c_int> {
    match at {
        0 => Ok(Vec::new()),
        at => user_memory::read_array(at, nr as usize),
    }
}

pub(super) fn unregister(state: &mut State) -> Result<c_int, c_int> {
    if state.files.table.remove() {
        Ok(0)
    } else {
        Err(-libc::ENXIO)
    }
}

pub(super) fn update(state: &mut State, arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    if nr == 0 {
        return Err(-libc::EINVAL);
    }
    let update: abi::io_uring_files_update = user_memory::read(arg)?;
    if update.resv != 0 {
        return Err(-libc::EINVAL);
    }
    replace(state, update.offset, update.fds, 0, nr)
}

pub(super) fn update2(state: &mut State, arg: u64, size: c_uint) -> Result<c_int, c_int> {
    if size as usize != size_of::<abi::io_uring_rsrc_update2>() {
        return Err(-libc::EINVAL);
    }
    let update: abi::io_uring_rsrc_update2 = user_memory::read(arg)?;
    if update.nr == 0 || update.resv != 0 || update.resv2 != 0 {
        return Err(-libc::EINVAL);
    }
    replace(state, update.offset, update.data, update.tags, update.nr)
}

pub(super) fn range(state: &mut State, arg: u64) -> Result<c_int, c_int> {
    let range: abi::io_uring_file_index_range = user_memory::read(arg)?;
    let end = range.off.checked_add(range.len).ok_or(-libc::EOVERFLOW)?;
    if range.resv != 0 || end as usize > state.files.table.len() {
        return Err(-libc::EINVAL);
    }
    state.files.set_range(range.off as usize, end as usize);
    Ok(0)
}
