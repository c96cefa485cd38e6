//! Registration.

use core::ffi::{c_int, c_uint};

use anyring::abi::{
    self, __u64, io_uring, io_uring_bpf, io_uring_buf_reg, io_uring_buf_ring,
    io_uring_clock_register, io_uring_mem_region_reg, io_uring_napi, io_uring_probe,
    io_uring_query_hdr, io_uring_reg_wait, io_uring_restriction, io_uring_sqe,
    io_uring_sync_cancel_reg, io_uring_zcrx_ifq_reg, zcrx_ctrl,
};
use anyring::register::{CloneRange, register_without_ring};
use libc::{cpu_set_t, iovec, size_t};

use crate::{KERNEL, ring_ref};

/// Registers `nr_iovecs` buffers. Returns 0 or -errno (-EBUSY: there are some,
/// -ENOMEM: memlock limit). Linux 5.1.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_buffers(
    ring: *mut io_uring,
    iovecs: *const iovec,
    nr_iovecs: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register(abi::IORING_REGISTER_BUFFERS, iovecs.cast(), nr_iovecs) }
}

/// The same; each buffer with a tag other than 0 posts a completion with it
/// when it is no longer used. Linux 5.13.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_buffers_tags(
    ring: *mut io_uring,
    iovecs: *const iovec,
    tags: *const __u64,
    nr: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        ring_ref(ring).register_resources(abi::IORING_REGISTER_BUFFERS2, iovecs.cast(), tags, nr, 0)
    }
}

/// Registers `nr` empty buffer slots. Linux 5.19.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_buffers_sparse(
    ring: *mut io_uring,
    nr: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_sparse(anyring::register::Table::Buffers, nr) }
}

/// Changes buffer slots from `off` on. Returns the number changed or -errno.
/// Linux 5.13.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_buffers_update_tag(
    ring: *mut io_uring,
    off: c_uint,
    iovecs: *const iovec,
    tags: *const __u64,
    nr: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        ring_ref(ring).update_resources(
            abi::IORING_REGISTER_BUFFERS_UPDATE,
            off,
            iovecs.cast(),
            tags,
            nr,
        )
    }
}

/// Unregisters all buffers. Returns 0 or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_unregister_buffers(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_plain(abi::IORING_UNREGISTER_BUFFERS) }
}

/// Registers `nr_files` files (-1: empty slot). Raises the soft limit on open
/// files if that is in the way. Returns 0 or -errno. Linux 5.1.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_files(
    ring: *mut io_uring,
    files: *const c_int,
    nr_files: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_files(files, nr_files) }
}

/// The same with tags. Linux 5.13.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_files_tags(
    ring: *mut io_uring,
    files: *const c_int,
    tags: *const __u64,
    nr: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_files_tags(files, tags, nr) }
}

/// Registers `nr` empty file slots. Linux 5.19.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_files_sparse(ring: *mut io_uring, nr: c_uint) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_files_sparse(nr) }
}

/// Changes file slots from `off` on, with tags. Returns the number changed or
/// -errno. Linux 5.13.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_files_update_tag(
    ring: *mut io_uring,
    off: c_uint,
    files: *const c_int,
    tags: *const __u64,
    nr_files: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        ring_ref(ring).update_resources(
            abi::IORING_REGISTER_FILES_UPDATE2,
            off,
            files.cast(),
            tags,
            nr_files,
        )
    }
}

/// Unregisters all files. Returns 0 or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_unregister_files(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_plain(abi::IORING_UNREGISTER_FILES) }
}

/// Changes file slots from `off` on (-1: empty, `IORING_REGISTER_FILES_SKIP`:
/// as it is). Returns the number changed or -errno. Linux 5.5.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_files_update(
    ring: *mut io_uring,
    off: c_uint,
    files: *const c_int,
    nr_files: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_files_update(off, files, nr_files) }
}

/// Signals the eventfd `fd` at every completion. Returns 0 or -errno. Linux
/// 5.2.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_eventfd(ring: *mut io_uring, fd: c_int) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_eventfd(anyring::register::Signals::All, fd) }
}

/// Signals it only at completions that did not come at submission. Linux 5.6.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_eventfd_async(ring: *mut io_uring, fd: c_int) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_eventfd(anyring::register::Signals::Async, fd) }
}

/// Ends those signals. Returns 0 or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_unregister_eventfd(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_plain(abi::IORING_UNREGISTER_EVENTFD) }
}

/// Fills the zeroed block `p`, which has room for `nr` operations. Returns 0 or
/// -errno. Linux 5.6.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_probe(
    ring: *mut io_uring,
    p: *mut io_uring_probe,
    nr: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_probe(p, nr) }
}

/// Registers the current credentials. Returns their id (1 and up) or -errno.
/// Linux 5.6.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_personality(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_plain(abi::IORING_REGISTER_PERSONALITY) }
}

/// Unregisters the credentials `id`. Returns 0 or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_unregister_personality(ring: *mut io_uring, id: c_int) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_number(abi::IORING_UNREGISTER_PERSONALITY, id as c_uint) }
}

/// Restricts a ring that is still disabled (-EBADFD otherwise). Linux 5.10.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_restrictions(
    ring: *mut io_uring,
    res: *mut io_uring_restriction,
    nr_res: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        ring_ref(ring).register(
            abi::IORING_REGISTER_RESTRICTIONS,
            res.cast_const().cast(),
            nr_res,
        )
    }
}

/// Enables a ring made with IORING_SETUP_R_DISABLED (-EBADFD otherwise). Linux
/// 5.10.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_enable_rings(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_plain(abi::IORING_REGISTER_ENABLE_RINGS) }
}

/// Restricts workers to the CPUs in `mask`, `cpusz` bytes (-EINVAL from 2^31
/// on). Linux 5.14.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_iowq_aff(
    ring: *mut io_uring,
    cpusz: size_t,
    mask: *const cpu_set_t,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_iowq_aff(cpusz, mask.cast()) }
}

/// Lets workers run everywhere again. Returns 0 or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_unregister_iowq_aff(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_plain(abi::IORING_UNREGISTER_IOWQ_AFF) }
}

/// Limits bounded and unbounded workers (two numbers, 0: as it is); the old
/// limits are written back. Linux 5.15.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_iowq_max_workers(
    ring: *mut io_uring,
    values: *mut c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        ring_ref(ring).register(
            abi::IORING_REGISTER_IOWQ_MAX_WORKERS,
            values.cast_const().cast(),
            2,
        )
    }
}

/// Registers the ring fd with this thread, which saves its look-up at every
/// call. Returns 1 or -errno (-EEXIST: it was). Linux 5.18.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_ring_fd(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_ring_fd() }
}

/// Unregisters the ring fd. Returns 1 or -errno (-EINVAL: it was not).
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_unregister_ring_fd(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).unregister_ring_fd() }
}

/// Closes the fd of a ring whose fd is registered. Returns 1, or -EOPNOTSUPP
/// (before Linux 6.3), -EINVAL (not registered), -EBADF (closed already).
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_close_ring_fd(ring: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).close_ring_fd() }
}

/// Registers a provided-buffer ring; `flags` (`IOU_PBUF_RING_*`) are added to
/// those in `reg`. Returns 0 or -errno. Linux 5.19.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_buf_ring(
    ring: *mut io_uring,
    reg: *mut io_uring_buf_reg,
    flags: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_buf_ring(reg, flags) }
}

/// Unregisters the buffer ring of group `bgid`. Returns 0 or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_unregister_buf_ring(ring: *mut io_uring, bgid: c_int) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).unregister_buf_ring(bgid) }
}

/// Tells how far the kernel has used a buffer ring. Returns 0 or -errno. Linux
/// 6.8.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_buf_ring_head(
    ring: *mut io_uring,
    buf_group: c_int,
    head: *mut u16,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        match ring_ref(ring).buf_ring_head(buf_group) {
            Ok(at) => {
                *head = at;
                0
            }
            Err(error) => error,
        }
    }
}

/// Maps and registers a buffer ring of `nentries` slots (a power of two up to
/// 32768). NULL on failure, with -errno in `*err`. Linux 5.19.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_setup_buf_ring(
    ring: *mut io_uring,
    nentries: c_uint,
    bgid: c_int,
    flags: c_uint,
    err: *mut c_int,
) -> *mut io_uring_buf_ring {
    // SAFETY: the contract of the crate.
    unsafe {
        let (br, result) = match ring_ref(ring).setup_buf_ring(nentries, bgid, flags) {
            Ok(br) => (br, 0),
            Err(error) => (core::ptr::null_mut(), error),
        };
        if !err.is_null() {
            *err = result;
        }
        br
    }
}

/// Unregisters and unmaps a buffer ring. Returns 0 or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_free_buf_ring(
    ring: *mut io_uring,
    br: *mut io_uring_buf_ring,
    nentries: c_uint,
    bgid: c_int,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).free_buf_ring(br, nentries, bgid) }
}

/// Cancels requests and waits until they are gone. Returns 0 or more, or -errno
/// (-ENOENT: no match, -ETIME). Linux 6.0.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_sync_cancel(
    ring: *mut io_uring,
    reg: *mut io_uring_sync_cancel_reg,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register(abi::IORING_REGISTER_SYNC_CANCEL, reg.cast_const().cast(), 1) }
}

/// Sends a prepared msg_ring without a ring of its own. Returns 0 or -errno.
/// Linux 6.13.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_sync_msg(sqe: *mut io_uring_sqe) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        register_without_ring(
            KERNEL,
            abi::IORING_REGISTER_SEND_MSG_RING,
            sqe.cast_const().cast(),
            1,
        )
    }
}

/// Sets the range of file slots the kernel may choose from. Returns 0 or
/// -errno. Linux 6.0.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_file_alloc_range(
    ring: *mut io_uring,
    off: c_uint,
    len: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register_file_alloc_range(off, len) }
}

/// Sets busy polling; the old settings are written back. Returns 0 or -errno.
/// Linux 6.9.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_napi(
    ring: *mut io_uring,
    napi: *mut io_uring_napi,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register(abi::IORING_REGISTER_NAPI, napi.cast_const().cast(), 1) }
}

/// Ends busy polling; the old settings are written back. Returns 0 or -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_unregister_napi(
    ring: *mut io_uring,
    napi: *mut io_uring_napi,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register(abi::IORING_UNREGISTER_NAPI, napi.cast_const().cast(), 1) }
}

/// Registers a zero-copy receive queue. Returns 0 or -errno. Linux 6.15.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_ifq(
    ring: *mut io_uring,
    reg: *mut io_uring_zcrx_ifq_reg,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register(abi::IORING_REGISTER_ZCRX_IFQ, reg.cast_const().cast(), 1) }
}

/// Controls a zero-copy receive queue. Returns 0 or -errno. Newer than Linux
/// 6.18.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_zcrx_ctrl(
    ring: *mut io_uring,
    ctrl: *mut zcrx_ctrl,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register(abi::IORING_REGISTER_ZCRX_CTRL, ctrl.cast_const().cast(), 0) }
}

/// Sets the clock of waits (CLOCK_MONOTONIC or CLOCK_BOOTTIME). Returns 0 or
/// -errno. Linux 6.12.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_clock(
    ring: *mut io_uring,
    arg: *mut io_uring_clock_register,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register(abi::IORING_REGISTER_CLOCK, arg.cast_const().cast(), 0) }
}

/// Filters the operations of this ring by BPF. Returns 0 or -errno. Newer than
/// Linux 6.18.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_bpf_filter(
    ring: *mut io_uring,
    bpf: *mut io_uring_bpf,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register(abi::IORING_REGISTER_BPF_FILTER, bpf.cast_const().cast(), 1) }
}

/// The same for all later rings of this task and its children.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_bpf_filter_task(bpf: *mut io_uring_bpf) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        register_without_ring(
            KERNEL,
            abi::IORING_REGISTER_BPF_FILTER,
            bpf.cast_const().cast(),
            1,
        )
    }
}

/// Asks for capabilities; queries chain through `next_entry` and each gets its
/// own result. Returns 0 or -errno. Linux 6.18.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_query(query: *mut io_uring_query_hdr) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        register_without_ring(
            KERNEL,
            abi::IORING_REGISTER_QUERY,
            query.cast_const().cast(),
            0,
        )
    }
}

/// Registers a memory region, e.g. for registered waits. Returns 0 or -errno.
/// Linux 6.13.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_region(
    ring: *mut io_uring,
    reg: *mut io_uring_mem_region_reg,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).register(abi::IORING_REGISTER_MEM_REGION, reg.cast_const().cast(), 1) }
}

/// Always -EINVAL: regions have replaced it. Kept for old programs.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_register_wait_reg(
    ring: *mut io_uring,
    reg: *mut io_uring_reg_wait,
    nr: c_int,
) -> c_int {
    let _ = (ring, reg, nr);
    -libc::EINVAL
}

/// Whether waits count as iowait. Returns 0 or -EOPNOTSUPP. Linux 6.15.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_set_iowait(ring: *mut io_uring, enable_iowait: bool) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { ring_ref(ring).set_iowait(enable_iowait) }
}

/// Copies registered buffers between rings, with exactly these flags
/// (`IORING_REGISTER_SRC_REGISTERED`, `IORING_REGISTER_DST_REPLACE`). Returns 0
/// or -errno. Linux 6.13.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn __io_uring_clone_buffers_offset(
    dst: *mut io_uring,
    src: *mut io_uring,
    dst_off: c_uint,
    src_off: c_uint,
    nr: c_uint,
    flags: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        ring_ref(dst).clone_buffers(ring_ref(src), CloneRange::new(src_off, dst_off, nr), flags)
    }
}

/// Copies `nr` registered buffers (0: all) between rings. Returns 0 or -errno.
/// Linux 6.13.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_clone_buffers_offset(
    dst: *mut io_uring,
    src: *mut io_uring,
    dst_off: c_uint,
    src_off: c_uint,
    nr: c_uint,
    flags: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe {
        __io_uring_clone_buffers_offset(
            dst,
            src,
            dst_off,
            src_off,
            nr,
            flags | abi::IORING_REGISTER_SRC_REGISTERED,
        )
    }
}

/// Copies all registered buffers, with exactly these flags. Returns 0 or
/// -errno.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn __io_uring_clone_buffers(
    dst: *mut io_uring,
    src: *mut io_uring,
    flags: c_uint,
) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { __io_uring_clone_buffers_offset(dst, src, 0, 0, 0, flags) }
}

/// Copies all registered buffers to a ring without any (-EBUSY otherwise).
/// Returns 0 or -errno. Linux 6.12.
#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]
pub unsafe extern "C" fn io_uring_clone_buffers(dst: *mut io_uring, src: *mut io_uring) -> c_int {
    // SAFETY: the contract of the crate.
    unsafe { __io_uring_clone_buffers(dst, src, abi::IORING_REGISTER_SRC_REGISTERED) }
}
