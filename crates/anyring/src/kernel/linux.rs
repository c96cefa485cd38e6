//! The Linux kernel itself.
//!
//! # Safety
//! Raw system calls. What they may read and write is the caller's promise, as
//! the contract of each [`Kernel`] function says; nothing here keeps a pointer.

use core::ffi::{c_int, c_long, c_uint, c_void};

use anyring_abi::{NR_IO_URING_ENTER, NR_IO_URING_REGISTER, NR_IO_URING_SETUP, io_uring_params};

use super::Kernel;

/// The kernel this process runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linux;

/// A system call that leaves `errno` alone; its result or `-errno`.
///
/// # Safety
/// The arguments are valid for the call.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
pub unsafe fn syscall(number: c_long, a: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the x86-64 system-call convention: number in rax, arguments in
    // rdi, rsi, rdx, r10, r8 and r9; rcx and r11 are overwritten. Memory is
    // taken to be read and written, so no access moves across.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a[0],
            in("rsi") a[1],
            in("rdx") a[2],
            in("r10") a[3],
            in("r8") a[4],
            in("r9") a[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// A system call that leaves `errno` alone; its result or `-errno`.
///
/// # Safety
/// The arguments are valid for the call.
#[cfg(all(target_arch = "aarch64", not(miri)))]
#[inline(always)]
pub unsafe fn syscall(number: c_long, a: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the AArch64 system-call convention: number in x8, arguments in
    // x0 to x5, result in x0.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a[0] as isize => result,
            in("x1") a[1],
            in("x2") a[2],
            in("x3") a[3],
            in("x4") a[4],
            in("x5") a[5],
            options(nostack),
        );
    }
    result
}

/// A system call that leaves `errno` alone; its result or `-errno`.
///
/// # Safety
/// The arguments are valid for the call.
#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub unsafe fn syscall(number: c_long, a: [usize; 6]) -> isize {
    // SAFETY: errno is this thread's own; the call is the caller's promise.
    unsafe {
        let errno = libc::__errno_location();
        let saved = *errno;
        let result = libc::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        let failed = -(*errno as isize);
        *errno = saved;
        if result == -1 {
            failed
        } else {
            result as isize
        }
    }
}

// SAFETY: these are the kernel's own calls, so its side of the interface is
// the real one.
unsafe impl Kernel for Linux {
    #[inline(always)]
    unsafe fn setup(self, entries: c_uint, params: *mut io_uring_params) -> c_int {
        // SAFETY: `params` is valid, the caller says.
        unsafe {
            syscall(
                NR_IO_URING_SETUP as c_long,
                [entries as usize, params as usize, 0, 0, 0, 0],
            ) as c_int
        }
    }

    #[inline(always)]
    unsafe fn enter(
        self,
        fd: c_int,
        to_submit: c_uint,
        min_complete: c_uint,
        flags: c_uint,
        arg: *const c_void,
        size: usize,
    ) -> c_int {
        // SAFETY: `arg` is valid, the caller says.
        unsafe {
            syscall(
                NR_IO_URING_ENTER as c_long,
                [
                    fd as usize,
                    to_submit as usize,
                    min_complete as usize,
                    flags as usize,
                    arg as usize,
                    size,
                ],
            ) as c_int
        }
    }

    #[inline]
    unsafe fn register(
        self,
        fd: c_int,
        opcode: c_uint,
        arg: *const c_void,
        nr_args: c_uint,
    ) -> c_int {
        // SAFETY: `arg` is valid, the caller says.
        unsafe {
            syscall(
                NR_IO_URING_REGISTER as c_long,
                [
                    fd as usize,
                    opcode as usize,
                    arg as usize,
                    nr_args as usize,
                    0,
                    0,
                ],
            ) as c_int
        }
    }

    #[cfg(target_pointer_width = "64")]
    unsafe fn mmap(
        self,
        length: usize,
        flags: c_int,
        fd: c_int,
        offset: u64,
    ) -> Result<*mut c_void, c_int> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice.
        let result = unsafe {
            syscall(
                libc::SYS_mmap,
                [
                    0,
                    length,
                    protection as usize,
                    flags as usize,
                    fd as usize,
                    offset as usize,
                ],
            )
        };
        if (-4095..0).contains(&result) {
            Err(result as c_int)
        } else {
            Ok(result as *mut c_void)
        }
    }

    unsafe fn munmap(self, address: *mut c_void, length: usize) -> c_int {
        // SAFETY: the caller owns the mapping and no longer uses it.
        unsafe { syscall(libc::SYS_munmap, [address as usize, length, 0, 0, 0, 0]) as c_int }
    }

    unsafe fn madvise(self, address: *mut c_void, length: usize, advice: c_int) -> c_int {
        // SAFETY: harmless advice on mapped memory, the caller says.
        unsafe {
            syscall(
                libc::SYS_madvise,
                [address as usize, length, advice as usize, 0, 0, 0],
            ) as c_int
        }
    }

    unsafe fn close(self, fd: c_int) -> c_int {
        // SAFETY: the caller owns the descriptor.
        unsafe { syscall(libc::SYS_close, [fd as usize, 0, 0, 0, 0, 0]) as c_int }
    }

    fn open_files_limit(self) -> Result<(u64, u64), c_int> {
        let mut limit = [0_u64; 2];
        // SAFETY: prlimit64 of this process writes two 64-bit numbers.
        let result = unsafe {
            syscall(
                libc::SYS_prlimit64,
                [
                    0,
                    libc::RLIMIT_NOFILE as usize,
                    0,
                    (&raw mut limit) as usize,
                    0,
                    0,
                ],
            )
        };
        if result < 0 {
            Err(result as c_int)
        } else {
            Ok((limit[0], limit[1]))
        }
    }

    fn set_open_files_limit(self, soft: u64, hard: u64) -> c_int {
        let limit = [soft, hard];
        // SAFETY: prlimit64 of this process reads two 64-bit numbers.
        unsafe {
            syscall(
                libc::SYS_prlimit64,
                [
                    0,
                    libc::RLIMIT_NOFILE as usize,
                    (&raw const limit) as usize,
                    0,
                    0,
                    0,
                ],
            ) as c_int
        }
    }

    fn page_size(self) -> usize {
        // SAFETY: sysconf has no preconditions.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        if size > 0 { size as usize } else { 4096 }
    }
}
