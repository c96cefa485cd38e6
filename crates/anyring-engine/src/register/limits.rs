//! What a ring is restricted to: operations, credentials, workers.

use alloc::vec::Vec;
use core::ffi::{c_int, c_uint};

use anyring_abi as abi;

use crate::os::credentials;
use crate::os::user_memory;
use crate::pool;
use crate::ring::restrictions::Restrictions;
use crate::ring::state::State;

pub(super) fn restrict(state: &mut State, arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    if !state.disabled {
        return Err(-libc::EBADFD);
    }
    if state.restrictions.is_some() {
        return Err(-libc::EBUSY);
    }
    if arg == 0 || nr > abi::IORING_REGISTER_LAST + abi::IORING_OP_LAST + 2 {
        return Err(-libc::EINVAL);
    }
    let given: Vec<abi::io_uring_restriction> = user_memory::read_array(arg, nr as usize)?;
    let mut restrictions = Restrictions::default();
    for one in &given {
        // The union's one byte is an operation, a call, or flags.
        let value = one.register_op;
        match u32::from(one.opcode) {
            abi::IORING_RESTRICTION_REGISTER_OP if u32::from(value) < abi::IORING_REGISTER_LAST => {
                restrictions.register |= 1 << value;
            }
            abi::IORING_RESTRICTION_SQE_OP if u32::from(value) < abi::IORING_OP_LAST => {
                restrictions.ops[usize::from(value) / 64] |= 1 << (value % 64);
            }
            abi::IORING_RESTRICTION_SQE_FLAGS_ALLOWED => restrictions.allowed = value,
            abi::IORING_RESTRICTION_SQE_FLAGS_REQUIRED => restrictions.required = value,
            _ => return Err(-libc::EINVAL),
        }
    }
    state.restrictions = Some(restrictions);
    state.hindered = true;
    Ok(0)
}

/// Registers the current credentials. Requests that name them run with the
/// credentials of the process: the same, unless it changed them since.
pub(super) fn add_personality(state: &mut State) -> Result<c_int, c_int> {
    let id = (1..u16::MAX)
        .find(|id| !state.personalities.iter().any(|one| one.0 == *id))
        .ok_or(-libc::ENOSPC)?;
    state
        .personalities
        .try_reserve(1)
        .map_err(|_| -libc::ENOMEM)?;
    state.personalities.push((id, credentials::effective()));
    Ok(c_int::from(id))
}

pub(super) fn remove_personality(state: &mut State, id: u32) -> Result<c_int, c_int> {
    let place = state
        .personalities
        .iter()
        .position(|one| u32::from(one.0) == id)
        .ok_or(-libc::EINVAL)?;
    state.personalities.swap_remove(place);
    Ok(0)
}

pub(super) fn workers(state: &mut State, arg: u64) -> Result<c_int, c_int> {
    let wanted: Vec<u32> = user_memory::read_array(arg, 2)?;
    if wanted.iter().any(|count| *count > c_int::MAX as u32) {
        return Err(-libc::EINVAL);
    }
    let defaults = [pool::BOUNDED, pool::UNBOUNDED];
    for kind in 0..2 {
        let before = match state.workers[kind] {
            0 => defaults[kind],
            set => set,
        };
        user_memory::write(arg + kind as u64 * 4, &before)?;
        if wanted[kind] != 0 {
            state.workers[kind] = wanted[kind].min(defaults[kind]);
        }
    }
    Ok(0)
}
