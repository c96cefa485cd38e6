//! Reading and writing memory whose address a program gave.
//!
//! # Safety
//! The addresses may be bad. The kernel copies, so that a bad one is `-EFAULT`
//! and not a crash: through process_vm_readv(2) on this very process or, where
//! a policy forbids that, through a pipe.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ffi::c_int;
use core::mem::MaybeUninit;

use crate::os::fork;
use crate::os::sys::{self, Fd, Sys};

/// Plain data: any bytes are a value.
///
/// # Safety
/// Every pattern of its bytes is a value, and none of them is padding.
pub(crate) unsafe trait Pod: Copy {}
// SAFETY: integers, or structs of integers, all of these.
unsafe impl Pod for u8 {}
// SAFETY: an integer.
unsafe impl Pod for u16 {}
// SAFETY: an integer.
unsafe impl Pod for u32 {}
// SAFETY: an integer.
unsafe impl Pod for i32 {}
// SAFETY: an integer.
unsafe impl Pod for u64 {}
/// The kernel's `struct user_msghdr`. Where lengths are narrower in the C library's
/// `struct msghdr` (musl), padding stands behind them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct user_msghdr {
    pub(crate) msg_name: *mut core::ffi::c_void,
    pub(crate) msg_namelen: u32,
    pub(crate) msg_iov: *mut libc::iovec,
    pub(crate) msg_iovlen: usize,
    pub(crate) msg_control: *mut core::ffi::c_void,
    pub(crate) msg_controllen: usize,
    pub(crate) msg_flags: c_int,
}

const _: () = assert!(size_of::<user_msghdr>() == size_of::<libc::msghdr>());

macro_rules! pod {
    ($($ty:ty)*) => { $(
        // SAFETY: integers and raw pointers only.
        unsafe impl Pod for $ty {}
    )* };
}
pod! {
    libc::iovec user_msghdr libc::epoll_event
    anyring_abi::__kernel_timespec anyring_abi::io_uring_sqe anyring_abi::io_uring_params
    anyring_abi::io_uring_getevents_arg anyring_abi::io_uring_reg_wait
    anyring_abi::io_uring_files_update anyring_abi::io_uring_rsrc_register
    anyring_abi::io_uring_rsrc_update anyring_abi::io_uring_rsrc_update2
    anyring_abi::io_uring_probe anyring_abi::io_uring_probe_op anyring_abi::io_uring_restriction
    anyring_abi::io_uring_clock_register anyring_abi::io_uring_clone_buffers
    anyring_abi::io_uring_buf anyring_abi::io_uring_buf_reg anyring_abi::io_uring_buf_status
    anyring_abi::io_uring_napi anyring_abi::io_uring_sync_cancel_reg
    anyring_abi::io_uring_file_index_range anyring_abi::io_uring_mem_region_reg
    anyring_abi::io_uring_region_desc anyring_abi::io_uring_query_hdr
    anyring_abi::io_uring_query_opcode anyring_abi::io_uring_query_scq
}

/// Copies bytes in.
pub(crate) fn copy_in(from: u64, to: &mut [u8]) -> Result<(), c_int> {
    transfer(to.as_mut_ptr(), from, to.len(), libc::SYS_process_vm_readv)
}

/// Copies bytes out.
pub(crate) fn copy_out(to: u64, from: &[u8]) -> Result<(), c_int> {
    transfer(
        from.as_ptr().cast_mut(),
        to,
        from.len(),
        libc::SYS_process_vm_writev,
    )
}

fn transfer(ours: *mut u8, theirs: u64, len: usize, call: i64) -> Result<(), c_int> {
    if len == 0 {
        return Ok(());
    }
    let local = [ours as usize, len];
    let remote = [theirs as usize, len];
    // SAFETY: `ours` has `len` bytes; the other side is checked by the kernel.
    let moved = unsafe {
        sys::raw(
            call,
            &[
                fork::pid() as usize,
                local.as_ptr() as usize,
                1,
                remote.as_ptr() as usize,
                1,
                0,
            ],
        )
    };
    match moved {
        Ok(moved) if moved == len => Ok(()),
        Ok(_) => Err(-libc::EFAULT),
        Err(e) if e == -libc::EFAULT => Err(e),
        Err(_) => through_pipe(ours, theirs as usize, len, call),
    }
}

/// Copies where that call is forbidden: what write(2) reads from a bad
/// address, and read(2) writes to one, is `-EFAULT` too.
#[cold]
fn through_pipe(ours: *mut u8, theirs: usize, len: usize, call: i64) -> Result<(), c_int> {
    const PIECE: usize = 4096;
    let mut ends = [0_i32; 2];
    // SAFETY: two numbers are written.
    unsafe {
        sys::raw(
            libc::SYS_pipe2,
            &[
                ends.as_mut_ptr() as usize,
                (libc::O_CLOEXEC | libc::O_NONBLOCK) as usize,
            ],
        )
    }?;
    let (read, write) = (Fd::own(ends[0]), Fd::own(ends[1]));
    let (source, target) = if call == libc::SYS_process_vm_readv {
        (theirs, ours as usize)
    } else {
        (ours as usize, theirs)
    };
    let mut done = 0;
    while done < len {
        let piece = (len - done).min(PIECE);
        // SAFETY: one side has `len` bytes, the other is checked by the kernel.
        unsafe {
            let moved = sys::raw(
                libc::SYS_write,
                &[write.get() as usize, source + done, piece],
            )?;
            let moved = sys::raw(libc::SYS_read, &[read.get() as usize, target + done, moved])?;
            if moved == 0 {
                return Err(-libc::EFAULT);
            }
            done += moved;
        }
    }
    Ok(())
}

/// Reads a value.
pub(crate) fn read<T: Pod>(from: u64) -> Result<T, c_int> {
    let mut value = MaybeUninit::<T>::uninit();
    transfer(
        value.as_mut_ptr().cast(),
        from,
        size_of::<T>(),
        libc::SYS_process_vm_readv,
    )?;
    // SAFETY: every byte was written, and any bytes are a value.
    Ok(unsafe { value.assume_init() })
}

/// Writes a value.
pub(crate) fn write<T: Pod>(to: u64, value: &T) -> Result<(), c_int> {
    transfer(
        (&raw const *value).cast_mut().cast(),
        to,
        size_of::<T>(),
        libc::SYS_process_vm_writev,
    )
}

/// Room for `count` values, or -ENOMEM.
pub(crate) fn room<T>(count: usize) -> Sys<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| -libc::ENOMEM)?;
    Ok(values)
}

/// A value on the heap, or -ENOMEM.
pub(crate) fn boxed<T>(value: T) -> Sys<Box<T>> {
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        // Takes no memory.
        return Ok(Box::new(value));
    }
    // SAFETY: the layout is not empty; a block for a value of the type, filled, is what a
    // box owns.
    unsafe {
        let block = alloc::alloc::alloc(layout).cast::<T>();
        if block.is_null() {
            return Err(-libc::ENOMEM);
        }
        block.write(value);
        Ok(Box::from_raw(block))
    }
}

/// A value shared between threads, or -ENOMEM. The standard library ends the
/// program where there is no memory, so it is asked for beforehand.
pub(crate) fn shared<T>(value: T) -> Sys<Arc<T>> {
    const COUNTS: usize = 2 * size_of::<usize>();
    // Of exactly that size: what malloc gets back it then gives again.
    let bytes = (COUNTS + size_of::<T>()).next_multiple_of(align_of::<T>().max(COUNTS / 2));
    // Without the black box the compiler would leave the attempt out.
    drop(core::hint::black_box(room::<u8>(bytes)?));
    Ok(Arc::new(value))
}

/// Reads an array.
pub(crate) fn read_array<T: Pod>(from: u64, count: usize) -> Sys<Vec<T>> {
    let mut values = room::<T>(count)?;
    transfer(
        values.as_mut_ptr().cast(),
        from,
        count * size_of::<T>(),
        libc::SYS_process_vm_readv,
    )?;
    // SAFETY: every byte of `count` values was written.
    unsafe { values.set_len(count) };
    Ok(values)
}

/// An array of zeroes.
pub(crate) fn zeroes<T: Pod>(count: usize) -> Sys<Vec<T>> {
    let mut values = room::<T>(count)?;
    // SAFETY: there is room for `count` values, and zeroes are one.
    unsafe {
        values.as_mut_ptr().write_bytes(0, count);
        values.set_len(count);
    }
    Ok(values)
}

/// The end of the addresses that programs get where they do not ask for more.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) const fn end_of_addresses() -> u64 {
    1 << 47
}

/// The end of the addresses that programs get where they do not ask for more. It is a
/// power of two that depends on the processor and on how the kernel was built (aarch64:
/// 2^39 to 2^48, 2^52 with LVA; riscv64: 2^38, 2^47 or 2^56): the first stack, on which the
/// kernel put the program's name, lies right below it.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn end_of_addresses() -> u64 {
    // SAFETY: a question without arguments in memory.
    let name = unsafe { libc::getauxval(libc::AT_EXECFN) };
    // No answer (a sandbox without the vector): the largest of what these machines have.
    if name == 0 {
        return 1 << 56;
    }
    (name as u64).next_power_of_two()
}

/// Whether a range can be a program's at all.
pub(crate) fn check_range(at: u64, len: usize) -> Result<(), c_int> {
    match at.checked_add(len as u64) {
        Some(end) if end <= end_of_addresses() => Ok(()),
        _ => Err(-libc::EFAULT),
    }
}

/// Reads vectors.
pub(crate) fn read_vectors(from: u64, count: usize) -> Sys<Vec<libc::iovec>> {
    let vectors: Vec<libc::iovec> = read_array(from, count)?;
    if vectors
        .iter()
        .any(|vector| vector.iov_len > isize::MAX as usize)
    {
        return Err(-libc::EINVAL);
    }
    for vector in &vectors {
        check_range(vector.iov_base as u64, vector.iov_len)?;
    }
    Ok(vectors)
}

/// Reads a path with its NUL; -ENAMETOOLONG beyond PATH_MAX.
pub(crate) fn read_path(from: u64) -> Sys<Vec<u8>> {
    const PAGE: usize = 4096;
    let mut path = room::<u8>(PAGE)?;
    let mut at = from as usize;
    while path.len() < PAGE {
        // A step never leaves its page: what lies behind may not be mapped.
        let step = (PAGE - at % PAGE).min(256).min(PAGE - path.len());
        let mut piece = [0_u8; 256];
        copy_in(at as u64, &mut piece[..step])?;
        if let Some(end) = piece[..step].iter().position(|byte| *byte == 0) {
            path.extend_from_slice(&piece[..=end]);
            return Ok(path);
        }
        path.extend_from_slice(&piece[..step]);
        at += step;
    }
    Err(-libc::ENAMETOOLONG)
}
