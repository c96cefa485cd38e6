//! Calls that concern rings as a whole.

use alloc::sync::Arc;
use core::ffi::{c_int, c_uint};

use anyring_abi as abi;

use crate::ops::{cancel, msg_ring};
use crate::os::sync::Futex;
use crate::os::sys;
use crate::os::user_memory;
use crate::ring::Ring;
use crate::ring::memory::Memory;
use crate::ring::message;
use crate::ring::ring_registry;
use crate::ring::state::State;
use crate::ring::timers::{after, nanos};

/// Registers ring descriptors with indices; how many.
pub(super) fn register_fds(arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    if nr == 0 || nr as usize > ring_registry::INDICES {
        return Err(-libc::EINVAL);
    }
    for at in 0..nr {
        let place = arg + u64::from(at) * 16;
        let registered = register_one(place);
        if let Err(error) = registered {
            return if at == 0 { Err(error) } else { Ok(at as c_int) };
        }
    }
    Ok(nr as c_int)
}

fn register_one(place: u64) -> Result<(), c_int> {
    let mut asked: abi::io_uring_rsrc_update = user_memory::read(place)?;
    if asked.resv != 0 {
        return Err(-libc::EINVAL);
    }
    let ring = message::find(asked.data as c_int).map_err(|error| match error {
        e if e == -libc::EBADFD => -libc::EOPNOTSUPP,
        e => e,
    })?;
    let wanted = (asked.offset != u32::MAX).then_some(asked.offset as usize);
    let index = ring_registry::register(ring, wanted)?;
    asked.offset = index as u32;
    user_memory::write(place, &asked).inspect_err(|_| {
        let _ = ring_registry::unregister(index);
    })
}

/// Frees indices; how many.
pub(super) fn unregister_fds(arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    if nr == 0 || nr as usize > ring_registry::INDICES {
        return Err(-libc::EINVAL);
    }
    for at in 0..nr {
        let asked: abi::io_uring_rsrc_update = user_memory::read(arg + u64::from(at) * 16)?;
        let freed = if asked.resv != 0 || asked.data != 0 {
            Err(-libc::EINVAL)
        } else {
            ring_registry::unregister(asked.offset as c_int)
        };
        match freed {
            Ok(Some(ring)) => {
                if !ring_registry::has_fd(&ring) && !ring_registry::is_registered(&ring) {
                    ring.abandon();
                }
            }
            Ok(None) => {}
            Err(error) => return if at == 0 { Err(error) } else { Ok(at as c_int) },
        }
    }
    Ok(nr as c_int)
}

/// IORING_REGISTER_SEND_MSG_RING.
pub(super) fn send_message(arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    if nr != 1 || arg == 0 {
        return Err(-libc::EINVAL);
    }
    let sqe: abi::io_uring_sqe = user_memory::read(arg)?;
    if sqe.flags != 0 || sqe.opcode != abi::IORING_OP_MSG_RING as u8 {
        return Err(-libc::EINVAL);
    }
    if sqe.addr != u64::from(abi::IORING_MSG_DATA) {
        return Err(-libc::EINVAL);
    }
    let message = msg_ring::message_of(&sqe, sqe.fd, |_| Err(-libc::EINVAL))?;
    match message::find(sqe.fd) {
        Err(e) if e == -libc::EBADFD => Err(crate::ring::NOT_OURS),
        _ => message::send(message),
    }
}

/// IORING_REGISTER_SYNC_CANCEL: cancels, and waits for what runs already.
pub(super) fn sync_cancel(ring: &Arc<Ring>, arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    if nr != 1 || arg == 0 {
        return Err(-libc::EINVAL);
    }
    let asked: abi::io_uring_sync_cancel_reg = user_memory::read(arg)?;
    if asked.pad.iter().any(|byte| *byte != 0) || asked.pad2.iter().any(|word| *word != 0) {
        return Err(-libc::EINVAL);
    }
    let query = cancel::Query {
        user_data: asked.addr,
        fd: asked.fd,
        opcode: asked.opcode,
        flags: asked.flags,
    };
    query.check()?;
    let endless = asked.timeout.tv_sec == -1 && asked.timeout.tv_nsec == -1;
    let deadline = if endless {
        u64::MAX
    } else {
        after(sys::now(libc::CLOCK_MONOTONIC), nanos(asked.timeout))
    };
    let mut first = true;
    loop {
        let result = ring.with(true, |state| cancel::run(state, query));
        match result {
            Err(e) if e == -libc::EALREADY => {}
            Err(e) if e == -libc::ENOENT && !first => return Ok(0),
            other => return other,
        }
        first = false;
        if sys::now(libc::CLOCK_MONOTONIC) >= deadline {
            return Err(-libc::ETIME);
        }
        // Its end is not announced to anybody but its own ring.
        let nothing = Futex::new(0);
        nothing.wait(0, Some(200_000));
    }
}

/// IORING_REGISTER_RESIZE_RINGS.
pub(super) fn resize(state: &mut State, arg: u64) -> Result<c_int, c_int> {
    if state.flags & abi::IORING_SETUP_DEFER_TASKRUN == 0 {
        return Err(-libc::EINVAL);
    }
    let mut p: abi::io_uring_params = user_memory::read(arg)?;
    let known = abi::IORING_SETUP_CQSIZE | abi::IORING_SETUP_CLAMP;
    if p.flags & !known != 0 {
        return Err(-libc::EINVAL);
    }
    crate::setup::set_sizes(p.sq_entries, &mut p)?;
    let kept = abi::IORING_SETUP_NO_SQARRAY
        | abi::IORING_SETUP_SQE128
        | abi::IORING_SETUP_CQE32
        | abi::IORING_SETUP_CQE_MIXED
        | abi::IORING_SETUP_NO_MMAP;
    p.flags |= state.flags & kept;
    // A ring in the program's memory goes on in what the program hands over.
    let given = p.flags & abi::IORING_SETUP_NO_MMAP != 0;
    let unread = state.cq_ready();
    if state.sq.ready(&state.memory) > p.sq_entries || unread > p.cq_entries {
        return Err(-libc::EOVERFLOW);
    }
    let shares = state.memory.is_shared();
    let memory = Memory::new(&mut p, given, shares.then_some(&mut state.mappable))?;
    p.features = crate::setup::FEATURES;
    p.flags = state.flags & kept | p.flags & known;
    user_memory::write(arg, &p)?;
    memory.continue_from(&state.memory, state.sq.head(), state.cq.tail());
    if let Some(ring) = state.me.upgrade() {
        ring.note_memory(&memory);
    }
    let old = core::mem::replace(&mut state.memory, memory);
    // The program unmaps what it mapped.
    old.give_away();
    Ok(0)
}

/// IORING_REGISTER_MEM_REGION.
pub(super) fn region(state: &mut State, arg: u64) -> Result<c_int, c_int> {
    let reg: abi::io_uring_mem_region_reg = user_memory::read(arg)?;
    let mut region: abi::io_uring_region_desc = user_memory::read(reg.region_uptr)?;
    if state.wait_region.is_some() || state.region.is_some() {
        return Err(-libc::EBUSY);
    }
    if reg.__resv.iter().any(|word| *word != 0)
        || reg.flags & !u64::from(abi::IORING_MEM_REGION_REG_WAIT_ARG) != 0
    {
        return Err(-libc::EINVAL);
    }
    let waits = reg.flags != 0;
    if waits && !state.disabled {
        return Err(-libc::EINVAL);
    }
    let given = region.flags & abi::IORING_MEM_REGION_TYPE_USER != 0;
    if region.flags & !abi::IORING_MEM_REGION_TYPE_USER != 0
        || region.__resv.iter().any(|word| *word != 0)
    {
        return Err(-libc::EINVAL);
    }
    if given != (region.user_addr != 0) {
        return Err(-libc::EFAULT);
    }
    if region.size == 0
        || region.size % 4096 != 0
        || region.user_addr % 4096 != 0
        || region.mmap_offset != 0
        || region.id != 0
    {
        return Err(-libc::EINVAL);
    }
    let size = region.size as usize;
    let at = if given {
        if !crate::os::writable::is_writable(region.user_addr as usize, size) {
            return Err(-libc::EFAULT);
        }
        region.user_addr
    } else {
        let at = match state.mappable.place(REGION_OFFSET, size) {
            Ok(mapping) => {
                let at = mapping.address();
                state.region_memory = Some(mapping);
                at
            }
            // The library can map it all the same.
            Err(_) => sys::map(size)?,
        } as u64;
        region.mmap_offset = REGION_OFFSET;
        state.region = Some((at as usize, size));
        user_memory::write(reg.region_uptr, &region)?;
        at
    };
    if given {
        state.region = Some((0, 0));
    }
    if waits {
        state.wait_region = Some((at, size));
    }
    Ok(0)
}

/// mmap(2) offset of a region that the engine made.
pub(crate) const REGION_OFFSET: u64 = 0x2000_0000;
