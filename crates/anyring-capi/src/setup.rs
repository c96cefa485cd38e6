//! Setup, teardown, sizes, versions, the bare system calls.

use core::ffi::{c_int, c_uint, c_void};
use core::ptr;

use anyring::RingRef;
use anyring::abi::{VERSION_MAJOR, VERSION_MINOR, io_uring, io_uring_params, io_uring_probe};
use anyring::kernel::Kernel as _;
use anyring::probe::{PROBE_OPS, PROBE_SIZE, on_own_ring};
use anyring::ring::setup;
use libc::{sigset_t, size_t, ssize_t};

use crate::{KERNEL, ext, ring_ref};

/// Sets up a ring of `entries` SQEs (1 to 32768, rounded up to a power of two)
/// with `IORING_SETUP_*` flags. Returns 0 or -errno. Linux 5.1.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_queue_init(
    entries: c_uint,
    ring: *mut io_uring,
    flags: c_uint,
) -> c_int {
    let mut p = setup::params(flags);
    // SAFETY: the contract of the crate; the params are our own.
    unsafe { io_uring_queue_init_params(entries, ring, &raw mut p) }
}

/// Sets up a ring as `p` says; `p` comes back as the kernel filled it.
/// Returns 0 or -errno. Asks for `IORING_SETUP_NO_SQARRAY` first. Linux 5.1.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_queue_init_params(
    entries: c_uint,
    ring: *mut io_uring,
    p: *mut io_uring_params,
) -> c_int {
    if ring.is_null() || p.is_null() {
        return -libc::EFAULT;
    }
    // SAFETY: the contract of the crate.
    unsafe { setup::queue_init_params(KERNEL, entries, ring, p) }
}

/// Sets up a ring in `buf` (page-aligned, `buf_size` bytes, stays the
/// caller's) or, when that is NULL, in memory of its own, for which `buf_size`
/// means nothing. Returns the bytes used, -ENOMEM if they do not fit, or
/// another -errno. Linux 6.5.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_queue_init_mem(
    entries: c_uint,
    ring: *mut io_uring,
    p: *mut io_uring_params,
    buf: *mut c_void,
    buf_size: size_t,
) -> c_int {
    if ring.is_null() || p.is_null() {
        return -libc::EFAULT;
    }
    // SAFETY: the contract of the crate.
    unsafe { setup::queue_init_mem(KERNEL, entries, ring, p, buf, buf_size) }
}

/// Maps the rings of an fd that `io_uring_setup` gave. Returns 0 or -errno.
/// The index array of the submission queue stays the caller's to fill.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_queue_mmap(
    fd: c_int,
    p: *mut io_uring_params,
    ring: *mut io_uring,
) -> c_int {
    if ring.is_null() || p.is_null() {
        return -libc::EFAULT;
    }
    // SAFETY: the contract of the crate.
    unsafe { setup::queue_mmap(KERNEL, fd, p, ring) }
}

/// Keeps the ring's mappings out of forked children. Returns 0 or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_ring_dontfork(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring) }.dontfork()
}

/// Takes a ring down: unmaps, unregisters, closes. A second call does nothing.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_queue_exit(ring: *mut io_uring) {
    // SAFETY: the contract of the crate.
    unsafe { setup::queue_exit(ring_ref(ring)) }
}

/// Gives a ring in use new sizes (`p->sq_entries`, `p->cq_entries`,
/// `IORING_SETUP_CQSIZE`, `IORING_SETUP_CLAMP`). Returns 0 or -errno. Rings
/// with DEFER_TASKRUN only; -EINVAL for NO_MMAP rings. Linux 6.13.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_resize_rings(
    ring: *mut io_uring,
    p: *mut io_uring_params,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).resize(p) }
}

/// Bytes of memlock limit a ring needs: 0 from Linux 5.12 on, or -errno. That is
/// liburing's answer; from 6.14 on the kernel charges rings again
/// (`io_uring_memory_size`).
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_mlock_size(entries: c_uint, flags: c_uint) -> ssize_t {
    setup::mlock_size(KERNEL, entries, &setup::params(flags))
}

/// The same for the flags and sizes in `p`.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_mlock_size_params(
    entries: c_uint,
    p: *mut io_uring_params,
) -> ssize_t {
    // SAFETY: the contract of the crate.
    setup::mlock_size(KERNEL, entries, unsafe { &*p })
}

/// Bytes of memory a ring needs, each of its two parts rounded up to pages, or
/// -EINVAL.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_memory_size(entries: c_uint, flags: c_uint) -> ssize_t {
    setup::memory_size(KERNEL, entries, &setup::params(flags))
}

/// The same for the flags and sizes in `p`.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_memory_size_params(
    entries: c_uint,
    p: *mut io_uring_params,
) -> ssize_t {
    // SAFETY: the contract of the crate.
    setup::memory_size(KERNEL, entries, unsafe { &*p })
}

/// Asks the kernel of this ring which operations it has. Free the block with
/// `io_uring_free_probe`; NULL on any failure. Linux 5.6.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_get_probe_ring(ring: *mut io_uring) -> *mut io_uring_probe {
    // SAFETY: calloc has no preconditions; the block has room for PROBE_OPS
    // operations. It comes from malloc because programs give it to free(3).
    unsafe {
        let probe: *mut io_uring_probe = libc::calloc(1, PROBE_SIZE).cast();
        if probe.is_null() {
            return probe;
        }
        if ring_ref(ring).register_probe(probe, PROBE_OPS as c_uint) < 0 {
            libc::free(probe.cast());
            return ptr::null_mut();
        }
        probe
    }
}

/// The same, on a small ring of its own.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_get_probe() -> *mut io_uring_probe {
    let mut probe = ptr::null_mut();
    let ask = |ring: RingRef<_>| {
        // SAFETY: the ring is valid until the closure returns.
        probe = unsafe { io_uring_get_probe_ring(ring.as_ptr()) };
        0
    };
    // SAFETY: the handle does not leave the closure.
    unsafe { on_own_ring(KERNEL, ask) };
    probe
}

/// Frees a probe block; NULL is allowed.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_free_probe(probe: *mut io_uring_probe) {
    // SAFETY: from calloc, or NULL.
    unsafe { libc::free(probe.cast()) }
}

/// Major version of this library.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub extern "C" fn io_uring_major_version() -> c_int {
    VERSION_MAJOR
}

/// Minor version of this library.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub extern "C" fn io_uring_minor_version() -> c_int {
    VERSION_MINOR
}

/// True when this library is older than `major`.`minor`.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub extern "C" fn io_uring_check_version(major: c_int, minor: c_int) -> bool {
    (VERSION_MAJOR, VERSION_MINOR) < (major, minor)
}

/// The system call io_uring_setup(2): an fd or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_setup(entries: c_uint, p: *mut io_uring_params) -> c_int {
    // SAFETY: the kernel checks the pointer.
    unsafe { KERNEL.bare_setup(entries, p) }
}

/// The system call io_uring_enter(2): entries consumed or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_enter(
    fd: c_uint,
    to_submit: c_uint,
    min_complete: c_uint,
    flags: c_uint,
    sig: *mut sigset_t,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        io_uring_enter2(
            fd,
            to_submit,
            min_complete,
            flags,
            sig.cast(),
            anyring::submit::SIGSET_SIZE,
        )
    }
}

/// The system call io_uring_enter(2) with an argument of `sz` bytes.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_enter2(
    fd: c_uint,
    to_submit: c_uint,
    min_complete: c_uint,
    flags: c_uint,
    arg: *mut c_void,
    sz: size_t,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { KERNEL.enter(fd as c_int, to_submit, min_complete, flags, arg, sz) }
}

/// The system call io_uring_register(2): its result or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register(
    fd: c_uint,
    opcode: c_uint,
    arg: *const c_void,
    nr_args: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        if ext::is_one(opcode) {
            return ext::call(fd as c_int, opcode, arg, nr_args);
        }
        KERNEL.register(fd as c_int, opcode, arg, nr_args)
    }
}
