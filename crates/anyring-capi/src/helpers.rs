//! What is inline in the header, as symbols.

use core::ffi::{c_int, c_uint, c_ushort, c_void};
use core::ptr::NonNull;

use anyring::abi::{
    io_uring, io_uring_buf_ring, io_uring_cqe, io_uring_cqe_iter, io_uring_probe,
    io_uring_recvmsg_out, io_uring_sqe,
};
use anyring::ring::{cq, sq};
use anyring::{buffers, probe, recvmsg};
use libc::{cmsghdr, msghdr};

use crate::ring_ref;

/// 1 if the probe says that operation `op` exists, otherwise 0.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_opcode_supported(p: *const io_uring_probe, op: c_int) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { c_int::from(probe::opcode_supported(p, op)) }
}

/// By how much CQE indices are shifted on a ring with these setup flags.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub extern "C" fn io_uring_cqe_shift_from_flags(flags: c_uint) -> c_uint {
    cq::cqe_shift(flags)
}

/// By how much CQE indices are shifted on this ring.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cqe_shift(ring: *const io_uring) -> c_uint {
    // SAFETY: the contract of the crate.
    unsafe { cq::cqe_shift((*ring).flags) }
}

/// Slots of an entry: 2 for a 32-byte entry of a CQE_MIXED ring, otherwise 1.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cqe_nr(cqe: *const io_uring_cqe) -> c_uint {
    // SAFETY: the contract of the crate.
    unsafe { cq::cqe_nr((*cqe).flags) }
}

/// A walk over the completions that are ready now.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cqe_iter_init(ring: *const io_uring) -> io_uring_cqe_iter {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).cqe_iter() }
}

/// The next completion of a walk; false at its end. Consumes nothing.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cqe_iter_next(
    iter: *mut io_uring_cqe_iter,
    cqe: *mut *mut io_uring_cqe,
) -> bool {
    // SAFETY: the contract of the crate.
    unsafe {
        let next = cq::cqe_iter_next(&mut *iter);
        if next.is_null() {
            return false;
        }
        *cqe = next;
        true
    }
}

/// Gives `nr` slots of the completion queue back.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cq_advance(ring: *mut io_uring, nr: c_uint) {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).cq_advance(nr) }
}

/// Gives one completion back; NULL does nothing.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cqe_seen(ring: *mut io_uring, cqe: *mut io_uring_cqe) {
    // SAFETY: the contract of the crate.
    unsafe {
        if !cqe.is_null() {
            ring_ref(ring).cq_advance(cq::cqe_nr((*cqe).flags));
        }
    }
}

/// The user_data of a completion as a pointer.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cqe_get_data(cqe: *const io_uring_cqe) -> *mut c_void {
    // SAFETY: the contract of the crate.
    unsafe { core::ptr::with_exposed_provenance_mut((*cqe).user_data as usize) }
}

/// The user_data of a completion.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cqe_get_data64(cqe: *const io_uring_cqe) -> u64 {
    // SAFETY: the contract of the crate.
    unsafe { (*cqe).user_data }
}

/// The buffer of a multishot recvmsg as its header, or NULL if it is too short.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_recvmsg_validate(
    buf: *mut c_void,
    buf_len: c_int,
    msgh: *mut msghdr,
) -> *mut io_uring_recvmsg_out {
    // SAFETY: the contract of the crate.
    unsafe { recvmsg::validate(buf, buf_len, msgh) }
}

/// The name area.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub extern "C" fn io_uring_recvmsg_name(o: *mut io_uring_recvmsg_out) -> *mut c_void {
    recvmsg::name(o)
}

/// The first control message, or NULL.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_recvmsg_cmsg_firsthdr(
    o: *mut io_uring_recvmsg_out,
    msgh: *mut msghdr,
) -> *mut cmsghdr {
    // SAFETY: the contract of the crate.
    unsafe { recvmsg::cmsg_firsthdr(o, msgh) }
}

/// The control message behind `cmsg`, or NULL.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_recvmsg_cmsg_nexthdr(
    o: *mut io_uring_recvmsg_out,
    msgh: *mut msghdr,
    cmsg: *mut cmsghdr,
) -> *mut cmsghdr {
    // SAFETY: the contract of the crate.
    unsafe { recvmsg::cmsg_nexthdr(o, msgh, cmsg) }
}

/// The payload.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_recvmsg_payload(
    o: *mut io_uring_recvmsg_out,
    msgh: *mut msghdr,
) -> *mut c_void {
    // SAFETY: the contract of the crate.
    unsafe { recvmsg::payload(o, msgh) }
}

/// Bytes of payload.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_recvmsg_payload_length(
    o: *mut io_uring_recvmsg_out,
    buf_len: c_int,
    msgh: *mut msghdr,
) -> c_uint {
    // SAFETY: the contract of the crate.
    unsafe {
        let _ = o;
        recvmsg::payload_length(buf_len, msgh)
    }
}

/// How far the kernel has consumed the submission queue.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_load_sq_head(ring: *const io_uring) -> c_uint {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).sq_head() }
}

/// SQEs handed out and not yet consumed.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_sq_ready(ring: *const io_uring) -> c_uint {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).sq_ready() }
}

/// SQEs that can be handed out.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_sq_space_left(ring: *const io_uring) -> c_uint {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).sq_space_left() }
}

/// By how much SQE indices are shifted on a ring with these setup flags.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub extern "C" fn io_uring_sqe_shift_from_flags(flags: c_uint) -> c_uint {
    sq::sqe_shift(flags)
}

/// By how much SQE indices are shifted on this ring.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_sqe_shift(ring: *const io_uring) -> c_uint {
    // SAFETY: the contract of the crate.
    unsafe { sq::sqe_shift((*ring).flags) }
}

/// Waits for room in the queue of an SQPOLL ring; 0 if there is some.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_sqring_wait(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).sqring_wait() }
}

/// Slots ready in the completion queue.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cq_ready(ring: *const io_uring) -> c_uint {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).cq_ready() }
}

/// Whether completions wait for room in the queue.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cq_has_overflow(ring: *const io_uring) -> bool {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).cq_has_overflow() }
}

/// Returns whether completion notifications on the eventfd are enabled.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cq_eventfd_enabled(ring: *const io_uring) -> bool {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).cq_eventfd_enabled() }
}

/// Switches those signals. Returns 0 or -EOPNOTSUPP.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_cq_eventfd_toggle(ring: *mut io_uring, enabled: bool) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).cq_eventfd_toggle(enabled) }
}

/// Waits for `wait_nr` completions; 0 behaves like a peek.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_wait_cqe_nr(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
    wait_nr: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        let waited = ring_ref(ring).wait_cqe_nr(wait_nr);
        *cqe_ptr = waited.cqe;
        waited.result
    }
}

/// The first ready completion or NULL, and the number of ready slots. Never
/// enters the kernel.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn __io_uring_peek_cqe(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
    nr_available: *mut c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        let peek = ring_ref(ring).peek_raw();
        *cqe_ptr = peek.cqe;
        if !nr_available.is_null() {
            *nr_available = peek.available;
        }
        peek.error
    }
}

/// The first ready completion, or -EAGAIN.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_peek_cqe(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        let peek = ring_ref(ring).peek_raw();
        if peek.error == 0 && !peek.cqe.is_null() {
            *cqe_ptr = peek.cqe;
            return 0;
        }
        io_uring_wait_cqe_nr(ring, cqe_ptr, 0)
    }
}

/// Waits for a completion.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_wait_cqe(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        let peek = ring_ref(ring).peek_raw();
        if peek.error == 0 && !peek.cqe.is_null() {
            *cqe_ptr = peek.cqe;
            return 0;
        }
        io_uring_wait_cqe_nr(ring, cqe_ptr, 1)
    }
}

/// The next free SQE, or NULL when the queue is full.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_get_sqe(ring: *mut io_uring) -> *mut io_uring_sqe {
    // SAFETY: the contract of the crate.
    unsafe {
        ring_ref(ring)
            .get_sqe()
            .map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }
}

/// The same.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn _io_uring_get_sqe(ring: *mut io_uring) -> *mut io_uring_sqe {
    // SAFETY: the contract of the crate.
    unsafe {
        ring_ref(ring)
            .get_sqe()
            .map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }
}

/// The next free 128-byte SQE of an SQE128 or SQE_MIXED ring, or NULL.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_get_sqe128(ring: *mut io_uring) -> *mut io_uring_sqe {
    // SAFETY: the contract of the crate.
    unsafe {
        ring_ref(ring)
            .get_sqe128()
            .map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }
}

/// Mask of a buffer ring.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub extern "C" fn io_uring_buf_ring_mask(ring_entries: u32) -> c_int {
    buffers::mask(ring_entries)
}

/// Empties a buffer ring.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_buf_ring_init(br: *mut io_uring_buf_ring) {
    // SAFETY: the contract of the crate.
    unsafe { buffers::init(br) }
}

/// Fills the slot `buf_offset` behind the tail.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_buf_ring_add(
    br: *mut io_uring_buf_ring,
    addr: *mut c_void,
    len: c_uint,
    bid: c_ushort,
    mask: c_int,
    buf_offset: c_int,
) {
    // SAFETY: the contract of the crate.
    unsafe { buffers::add(br, addr, len, bid, mask, buf_offset) }
}

/// Shows `count` filled slots to the kernel.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_buf_ring_advance(br: *mut io_uring_buf_ring, count: c_int) {
    // SAFETY: the contract of the crate.
    unsafe { buffers::advance(br, count) }
}

/// Shows `buf_count` slots to the kernel and gives `cq_count` completions back.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn __io_uring_buf_ring_cq_advance(
    ring: *mut io_uring,
    br: *mut io_uring_buf_ring,
    cq_count: c_int,
    buf_count: c_int,
) {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).buf_ring_cq_advance(br, cq_count, buf_count) }
}

/// The same with one count for both.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_buf_ring_cq_advance(
    ring: *mut io_uring,
    br: *mut io_uring_buf_ring,
    count: c_int,
) {
    // SAFETY: the contract of the crate.
    unsafe { __io_uring_buf_ring_cq_advance(ring, br, count, count) }
}

/// Buffers the kernel has not used yet, or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_buf_ring_available(
    ring: *mut io_uring,
    br: *mut io_uring_buf_ring,
    bgid: c_ushort,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).buf_ring_available(br, bgid) }
}
