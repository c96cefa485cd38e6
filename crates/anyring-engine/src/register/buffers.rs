//! Registered buffers.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::{c_int, c_uint};

use anyring_abi as abi;

use crate::os::user_memory;
use crate::ring::Ring;
use crate::ring::message;
use crate::ring::resources::Registered;
use crate::ring::ring_registry;
use crate::ring::state::State;

/// The most registered buffers.
const MAX: u32 = 1 << 14;
/// The most bytes of one.
const MAX_BYTES: usize = 1 << 30;

type Slot = Option<(Arc<Registered>, u64)>;

fn slot(vector: &libc::iovec, tag: u64) -> Result<Slot, c_int> {
    let (addr, len) = (vector.iov_base as u64, vector.iov_len);
    if len > isize::MAX as usize {
        return Err(-libc::EINVAL);
    }
    if addr == 0 && len == 0 {
        return if tag == 0 {
            Ok(None)
        } else {
            Err(-libc::EINVAL)
        };
    }
    let bad = addr == 0
        || len == 0
        || len > MAX_BYTES
        || addr.checked_add(len as u64).is_none()
        || !crate::os::writable::is_writable(addr as usize, len);
    if bad {
        return Err(-libc::EFAULT);
    }
    Ok(Some((user_memory::shared(Registered { addr, len })?, tag)))
}

fn slots(vectors: &[libc::iovec], tags: &[u64]) -> Result<Vec<Slot>, c_int> {
    let mut slots = user_memory::room(vectors.len())?;
    for (at, vector) in vectors.iter().enumerate() {
        slots.push(slot(vector, tags.get(at).copied().unwrap_or(0))?);
    }
    Ok(slots)
}

fn check(state: &State, nr: u32) -> Result<(), c_int> {
    if state.buffers.exists() {
        return Err(-libc::EBUSY);
    }
    if nr == 0 || nr > MAX {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

pub(super) fn register(state: &mut State, arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    if arg == 0 {
        return Err(-libc::EFAULT);
    }
    check(state, nr)?;
    let vectors: Vec<libc::iovec> = user_memory::read_array(arg, nr as usize)?;
    let slots = slots(&vectors, &[])?;
    state.buffers.set(slots);
    Ok(0)
}

pub(super) fn register2(state: &mut State, arg: u64, size: c_uint) -> Result<c_int, c_int> {
    if size as usize != size_of::<abi::io_uring_rsrc_register>() {
        return Err(-libc::EINVAL);
    }
    let reg: abi::io_uring_rsrc_register = user_memory::read(arg)?;
    let sparse = reg.flags & abi::IORING_RSRC_REGISTER_SPARSE != 0;
    if reg.resv2 != 0
        || reg.flags & !abi::IORING_RSRC_REGISTER_SPARSE != 0
        || reg.nr == 0
        || sparse && reg.data != 0
    {
        return Err(-libc::EINVAL);
    }
    check(state, reg.nr)?;
    let made = if sparse {
        let mut made: Vec<Slot> = user_memory::room(reg.nr as usize)?;
        made.resize_with(reg.nr as usize, || None);
        made
    } else {
        let vectors: Vec<libc::iovec> = match reg.data {
            // Nothing but empty slots.
            0 => user_memory::zeroes(reg.nr as usize)?,
            data => user_memory::read_array(data, reg.nr as usize)?,
        };
        slots(&vectors, &super::files::tags(reg.tags, reg.nr)?)?
    };
    state.buffers.set(made);
    Ok(0)
}

pub(super) fn unregister(state: &mut State) -> Result<c_int, c_int> {
    if state.buffers.remove() {
        Ok(0)
    } else {
        Err(-libc::ENXIO)
    }
}

pub(super) fn update(state: &mut State, arg: u64, size: c_uint) -> Result<c_int, c_int> {
    if size as usize != size_of::<abi::io_uring_rsrc_update2>() {
        return Err(-libc::EINVAL);
    }
    let update: abi::io_uring_rsrc_update2 = user_memory::read(arg)?;
    if update.nr == 0 || update.resv != 0 || update.resv2 != 0 {
        return Err(-libc::EINVAL);
    }
    let end = update
        .offset
        .checked_add(update.nr)
        .ok_or(-libc::EOVERFLOW)?;
    if !state.buffers.exists() {
        return Err(-libc::ENXIO);
    }
    if end as usize > state.buffers.len() {
        return Err(-libc::EINVAL);
    }
    for at in 0..update.nr {
        let done = replace_one(state, &update, at);
        if let Err(error) = done {
            return if at == 0 { Err(error) } else { Ok(at as c_int) };
        }
    }
    Ok(update.nr as c_int)
}

fn replace_one(
    state: &mut State,
    update: &abi::io_uring_rsrc_update2,
    at: u32,
) -> Result<(), c_int> {
    let vector: libc::iovec = user_memory::read(update.data + u64::from(at) * 16)?;
    let tag: u64 = match update.tags {
        0 => 0,
        tags => user_memory::read(tags + u64::from(at) * 8)?,
    };
    let new = slot(&vector, tag)?;
    state
        .buffers
        .replace((update.offset + at) as usize, new)
        .map(|_| ())
}

/// Copies buffers of another ring.
pub(super) fn clone(ring: &Arc<Ring>, arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    let known = abi::IORING_REGISTER_SRC_REGISTERED | abi::IORING_REGISTER_DST_REPLACE;
    if nr != 1 || arg == 0 {
        return Err(-libc::EINVAL);
    }
    let asked: abi::io_uring_clone_buffers = user_memory::read(arg)?;
    if asked.flags & !known != 0 {
        return Err(-libc::EINVAL);
    }
    let replaces = asked.flags & abi::IORING_REGISTER_DST_REPLACE != 0;
    if !replaces && ring.peek(|state| state.buffers.exists()) {
        return Err(-libc::EBUSY);
    }
    if asked.pad.iter().any(|word| *word != 0) {
        return Err(-libc::EINVAL);
    }
    let is_index = asked.src_fd >= ring_registry::INDEX_BASE as u32;
    if asked.flags & abi::IORING_REGISTER_SRC_REGISTERED != 0 && !is_index {
        return Err(if (asked.src_fd as usize) < ring_registry::INDICES {
            -libc::EBADF
        } else {
            -libc::EINVAL
        });
    }
    let source = message::find(asked.src_fd as c_int).map_err(|error| match error {
        e if e == -libc::EBADFD => -libc::EOPNOTSUPP,
        e => e,
    })?;
    if asked.nr == 0 && (asked.src_off != 0 || asked.dst_off != 0) {
        return Err(-libc::EINVAL);
    }
    let taken = source.peek_without_signals(|state| -> Result<Vec<Slot>, c_int> {
        let slots = state.buffers.slots().ok_or(-libc::ENXIO)?;
        let wanted = match asked.nr {
            0 => (slots.len() as u32).saturating_sub(asked.src_off),
            wanted => wanted,
        };
        if wanted == 0 || wanted as usize > slots.len() {
            return Err(-libc::EINVAL);
        }
        let end = asked.src_off.checked_add(wanted).ok_or(-libc::EOVERFLOW)?;
        if end as usize > slots.len() {
            return Err(-libc::EOVERFLOW);
        }
        let mut taken = user_memory::room(wanted as usize)?;
        for slot in &slots[asked.src_off as usize..end as usize] {
            // One of its own: the source's tag does not wait for this ring.
            let copy = slot.as_ref().map(|(buffer, _)| {
                let (addr, len) = (buffer.addr, buffer.len);
                user_memory::shared(Registered { addr, len })
            });
            taken.push(copy.transpose()?.map(|buffer| (buffer, 0)));
        }
        Ok(taken)
    })?;
    ring.with(true, |state| {
        let start = asked.dst_off as usize;
        let end = start.checked_add(taken.len()).ok_or(-libc::EOVERFLOW)?;
        if end > MAX as usize {
            return Err(-libc::EINVAL);
        }
        let size = end.max(state.buffers.len());
        let mut slots: Vec<Slot> = user_memory::room(size)?;
        if let Some(old) = state.buffers.slots() {
            slots.extend(old.iter().map(|slot| {
                slot.as_ref()
                    .map(|(buffer, tag)| (Arc::clone(buffer), *tag))
            }));
        }
        slots.resize_with(size, || None);
        for (at, slot) in taken.into_iter().enumerate() {
            let old = core::mem::replace(&mut slots[start + at], slot);
            state.buffers.retire(old);
        }
        state.buffers.set(slots);
        // The old table does not use them any more.
        state.post_tags();
        Ok(0)
    })
}
