//! FILES_UPDATE: changes the table of registered files.

use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

use crate::os::user_memory;
use crate::request::{Outcome, Request};
use crate::ring::resources::open_file;
use crate::ring::state::State;

/// FILES_UPDATE.
pub(crate) fn issue(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    update(state, &request.sqe).into()
}

/// Replaces slots that the entry names, or finds free ones.
fn update(state: &mut State, sqe: &io_uring_sqe) -> Result<i32, c_int> {
    if sqe.off as u32 != abi::IORING_FILE_INDEX_ALLOC {
        let result = replace(state, sqe.off as u32, sqe.addr, 0, sqe.len);
        state.post_tags();
        return result;
    }
    if !state.files.table.exists() {
        return Err(-libc::ENXIO);
    }
    for at in 0..sqe.len {
        let place = sqe.addr + u64::from(at) * 4;
        let placed = user_memory::read::<c_int>(place)
            .and_then(open_file)
            .and_then(|file| {
                let slot = state.files.allocate()?;
                state.files.table.replace(slot, Some((file, 0)))?;
                user_memory::write(place, &(slot as c_int)).inspect_err(|_| {
                    let _ = state.files.table.replace(slot, None);
                })
            });
        if let Err(error) = placed {
            return if at == 0 { Err(error) } else { Ok(at as i32) };
        }
    }
    Ok(sqe.len as i32)
}

/// Replaces slots; how many, or the error of the first.
pub(crate) fn replace(
    state: &mut State,
    offset: u32,
    fds: u64,
    tags: u64,
    nr: u32,
) -> Result<c_int, c_int> {
    let end = offset.checked_add(nr).ok_or(-libc::EOVERFLOW)?;
    if !state.files.table.exists() {
        return Err(-libc::ENXIO);
    }
    if end as usize > state.files.table.len() {
        return Err(-libc::EINVAL);
    }
    for at in 0..nr {
        if let Err(error) = replace_one(state, offset + at, fds, tags, at) {
            return if at == 0 { Err(error) } else { Ok(at as c_int) };
        }
    }
    Ok(nr as c_int)
}

fn replace_one(state: &mut State, slot: u32, fds: u64, tags: u64, at: u32) -> Result<(), c_int> {
    let fd: c_int = user_memory::read(fds + u64::from(at) * 4)?;
    let tag: u64 = match tags {
        0 => 0,
        tags => user_memory::read(tags + u64::from(at) * 8)?,
    };
    if tag != 0 && (fd == abi::IORING_REGISTER_FILES_SKIP || fd == -1) {
        return Err(-libc::EINVAL);
    }
    if fd == abi::IORING_REGISTER_FILES_SKIP {
        return Ok(());
    }
    // What was there is gone, even if the new one cannot be had.
    let file = if fd == -1 {
        Ok(None)
    } else {
        open_file(fd).map(|file| Some((file, tag)))
    };
    let (new, result) = match file {
        Ok(new) => (new, Ok(())),
        Err(error) => (None, Err(error)),
    };
    state.files.table.replace(slot as usize, new)?;
    result
}
