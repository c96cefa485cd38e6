//! Submitting and waiting.

use core::ffi::{c_int, c_uint};

use anyring::abi::{__kernel_timespec, io_uring, io_uring_cqe};
use anyring::submit::Waited;
use libc::sigset_t;

use crate::ring_ref;

/// Hands the outcome of a wait to C: the entry pointer is written even with an
/// error, unless the call was refused before it waited.
///
/// # Safety
/// `cqe_ptr` is valid for writes.
#[inline(always)]
unsafe fn give(cqe_ptr: *mut *mut io_uring_cqe, waited: Result<Waited, c_int>) -> c_int {
    match waited {
        Ok(waited) => {
            // SAFETY: handed on from the caller.
            unsafe { *cqe_ptr = waited.cqe };
            waited.result
        }
        Err(error) => error,
    }
}

/// Submits what was prepared. Returns the number of SQEs taken (SQPOLL:
/// pending) or -errno; nothing is lost by an error, call again.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_submit(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring) }.submit()
}

/// Submits and waits until `wait_nr` completions are ready.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_submit_and_wait(ring: *mut io_uring, wait_nr: c_uint) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring) }.submit_and_wait(wait_nr)
}

/// Submits and waits until `wait_nr` completions are ready or `ts` is over;
/// `*cqe_ptr` is the first of them or NULL. Returns the number submitted, 0
/// when a completion was ready before, or -errno (-ETIME, -EINTR).
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_submit_and_wait_timeout(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
    wait_nr: c_uint,
    ts: *mut __kernel_timespec,
    sigmask: *mut sigset_t,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        give(
            cqe_ptr,
            ring_ref(ring).submit_and_wait_timeout(wait_nr, ts, 0, sigmask.cast()),
        )
    }
}

/// The same; after `min_wait` microseconds one completion is enough. -EINVAL
/// without IORING_FEAT_MIN_TIMEOUT (Linux 6.12).
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_submit_and_wait_min_timeout(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
    wait_nr: c_uint,
    ts: *mut __kernel_timespec,
    min_wait: c_uint,
    sigmask: *mut sigset_t,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        give(
            cqe_ptr,
            ring_ref(ring).submit_and_wait_min_timeout(wait_nr, ts, min_wait, sigmask.cast()),
        )
    }
}

/// The same with the wait described by block `reg_index` of the registered
/// wait region. -EINVAL without IORING_FEAT_EXT_ARG. Linux 6.13.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_submit_and_wait_reg(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
    wait_nr: c_uint,
    reg_index: c_int,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        give(
            cqe_ptr,
            ring_ref(ring).submit_and_wait_reg(wait_nr, reg_index),
        )
    }
}

/// Waits until `wait_nr` completions are ready or `ts` is over.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_wait_cqes(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
    wait_nr: c_uint,
    ts: *mut __kernel_timespec,
    sigmask: *mut sigset_t,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        give(
            cqe_ptr,
            ring_ref(ring).wait_cqes(wait_nr, ts, sigmask.cast()),
        )
    }
}

/// The same; after `min_ts_usec` microseconds one completion is enough.
/// -EINVAL without IORING_FEAT_MIN_TIMEOUT (Linux 6.12).
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_wait_cqes_min_timeout(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
    wait_nr: c_uint,
    ts: *mut __kernel_timespec,
    min_ts_usec: c_uint,
    sigmask: *mut sigset_t,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        give(
            cqe_ptr,
            ring_ref(ring).wait_cqes_min_timeout(wait_nr, ts, min_ts_usec, sigmask.cast()),
        )
    }
}

/// Waits for one completion or until `ts` is over (-ETIME).
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_wait_cqe_timeout(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
    ts: *mut __kernel_timespec,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { io_uring_wait_cqes(ring, cqe_ptr, 1, ts, core::ptr::null_mut()) }
}

/// The wait behind the inline functions: enters for `submit` published SQEs
/// and `wait_nr` completions.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn __io_uring_get_cqe(
    ring: *mut io_uring,
    cqe_ptr: *mut *mut io_uring_cqe,
    submit: c_uint,
    wait_nr: c_uint,
    sigmask: *mut sigset_t,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        give(
            cqe_ptr,
            Ok(ring_ref(ring).get_cqe(submit, wait_nr, sigmask.cast())),
        )
    }
}

/// Pointers to up to `count` ready completions; the number. Consumes nothing.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_peek_batch_cqe(
    ring: *mut io_uring,
    cqes: *mut *mut io_uring_cqe,
    count: c_uint,
) -> c_uint {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).peek_batch(cqes, count) }
}

/// Lets the kernel post completions that wait for an enter. Returns 0 or more,
/// or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_get_events(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring) }.get_events()
}

/// Submits, and lets the kernel post completions that wait for an enter.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_submit_and_get_events(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring) }.submit_and_get_events()
}

/// Waits until an SQPOLL thread has made room in the submission queue.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn __io_uring_sqring_wait(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring) }.sqring_wait_always()
}
