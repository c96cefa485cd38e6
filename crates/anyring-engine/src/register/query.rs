//! What the engine can: probe and query.

use core::ffi::{c_int, c_uint};

use anyring_abi as abi;

use crate::chaos;
use crate::ops::opdef::{LAST, opdef};
use crate::os::user_memory;
use crate::setup::{FEATURES, SETUP_FLAGS};
use crate::wait::enter::ENTER_FLAGS;

/// Entries that one query may chain.
const MAX_ENTRIES: u32 = 1000;

/// IORING_REGISTER_PROBE.
pub(super) fn probe(arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    let size = size_of::<abi::io_uring_probe>() as u64;
    let given: alloc::vec::Vec<u8> = user_memory::read_array(arg, size as usize + nr as usize * 8)?;
    if given.iter().any(|byte| *byte != 0) {
        return Err(-libc::EINVAL);
    }
    let count = nr.min(LAST);
    let mut probe: abi::io_uring_probe = user_memory::read(arg)?;
    let last = (0..LAST).rev().find(|op| chaos::mask().has_op(*op as u8));
    probe.last_op = last.unwrap_or(0) as u8;
    probe.ops_len = count as u8;
    user_memory::write(arg, &probe)?;
    for op in 0..count {
        let entry = abi::io_uring_probe_op {
            op: op as u8,
            resv: 0,
            flags: if opdef(op as u8).is_supported() && chaos::mask().has_op(op as u8) {
                abi::IO_URING_OP_SUPPORTED as u16
            } else {
                0
            },
            resv2: 0,
        };
        user_memory::write(arg + size + u64::from(op) * 8, &entry)?;
    }
    Ok(0)
}

/// IORING_REGISTER_QUERY: a chain of questions.
pub(super) fn query(arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    if nr != 0 {
        return Err(-libc::EINVAL);
    }
    let mut at = arg;
    for _ in 0..MAX_ENTRIES {
        if at == 0 {
            return Ok(0);
        }
        let mut entry: abi::io_uring_query_hdr = user_memory::read(at)?;
        let bad = entry.size == 0 || entry.result != 0 || entry.__resv.iter().any(|w| *w != 0);
        let answered = match entry.query_op {
            op if op >= abi::__IO_URING_QUERY_MAX => Err(-libc::EOPNOTSUPP),
            _ if bad => Err(-libc::EINVAL),
            abi::IO_URING_QUERY_OPCODES => give(&mut entry, &opcodes()),
            abi::IO_URING_QUERY_SCQ => give(
                &mut entry,
                &abi::io_uring_query_scq {
                    hdr_size: u64::from(crate::ring::memory::HEADER),
                    hdr_alignment: 64,
                },
            ),
            _ => Err(-libc::EOPNOTSUPP),
        };
        if answered == Err(-libc::EFAULT) {
            return Err(-libc::EFAULT);
        }
        entry.result = answered.err().unwrap_or(0);
        user_memory::write(at, &entry)?;
        at = entry.next_entry;
    }
    Err(-libc::ERANGE)
}

fn give<T: user_memory::Pod>(entry: &mut abi::io_uring_query_hdr, answer: &T) -> Result<(), c_int> {
    let asked = u64::from(entry.size);
    let size = (entry.size as usize).min(size_of::<T>());
    entry.size = size as u32;
    // SAFETY: plain bytes of an answer.
    let bytes = unsafe { core::slice::from_raw_parts((&raw const *answer).cast::<u8>(), size) };
    user_memory::copy_out(entry.query_data, bytes)?;
    // What a newer program has room for beyond is nothing.
    let mut at = size as u64;
    while at < asked {
        let step = (asked - at).min(256);
        let to = entry.query_data.wrapping_add(at);
        user_memory::copy_out(to, &[0; 256][..step as usize])?;
        at += step;
    }
    Ok(())
}

fn opcodes() -> abi::io_uring_query_opcode {
    abi::io_uring_query_opcode {
        nr_request_opcodes: LAST,
        nr_register_opcodes: (0..abi::IORING_REGISTER_LAST)
            .rev()
            .find(|call| super::is_known(*call))
            .map_or(0, |last| last + 1),
        feature_flags: u64::from(FEATURES & chaos::mask().features),
        ring_setup_flags: u64::from(SETUP_FLAGS & chaos::mask().setup),
        enter_flags: u64::from(ENTER_FLAGS & chaos::mask().enter),
        sqe_flags: u64::from(((1 << 7) - 1) & chaos::mask().sqe),
        nr_query_opcodes: abi::__IO_URING_QUERY_MAX,
        __pad: 0,
    }
}
