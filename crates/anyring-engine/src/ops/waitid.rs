//! Waiting for children.
//!
//! # Safety
//! The siginfo is ours; the program's copy is written by the kernel's own
//! copying.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use crate::os::sys::{self, Fd};
use crate::os::user_memory;
use crate::request::{Data, File, Outcome, Request, Stage, Timer};
use crate::ring::state::State;

/// How often a wait that no descriptor can tell about looks again.
const AGAIN_NANOS: u64 = 5_000_000;
const OPTIONS: c_int = libc::WNOHANG
    | libc::WNOWAIT
    | libc::WEXITED
    | libc::WSTOPPED
    | libc::WCONTINUED
    | libc::__WNOTHREAD
    | libc::__WCLONE
    | libc::__WALL;

/// WAITID: looks without waiting; what is not there yet is waited for by a
/// pidfd where that is possible.
pub(crate) fn issue(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = request.sqe;
    let options = sqe.file_index as c_int;
    if options & !OPTIONS != 0 || options & (libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED) == 0
    {
        return Outcome::Done(-libc::EINVAL);
    }
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the struct is written.
    let looked = unsafe {
        sys::raw(
            libc::SYS_waitid,
            &[
                sqe.len as usize,
                sqe.fd as usize,
                info.as_mut_ptr() as usize,
                (options | libc::WNOHANG) as usize,
                0,
            ],
        )
    };
    // SAFETY: zeroed or written by the kernel; integers only.
    let info = unsafe { info.assume_init() };
    // SAFETY: the pid stands in every siginfo of a child, and zeroes do.
    let pid = unsafe { info.si_pid() };
    if pid != 0 || options & libc::WNOHANG != 0 || looked.is_err() {
        if sqe.off != 0 {
            // SAFETY: plain bytes.
            let bytes = unsafe {
                core::slice::from_raw_parts(
                    (&raw const info).cast::<u8>(),
                    size_of::<libc::siginfo_t>(),
                )
            };
            if let Err(error) = user_memory::copy_out(sqe.off, bytes) {
                return Outcome::Done(error);
            }
        }
        return Outcome::Done(looked.err().unwrap_or(0));
    }
    let by_pid = sqe.len == libc::P_PID && options & (libc::WSTOPPED | libc::WCONTINUED) == 0;
    if by_pid && matches!(request.file, File::None) {
        if let Ok(fd) = sys::plain(libc::SYS_pidfd_open, &[sqe.fd as usize, 0]) {
            match user_memory::shared(Fd::own(fd as c_int)) {
                Ok(file) => request.file = File::Held(file),
                Err(error) => return Outcome::Done(error),
            }
        }
    }
    if let File::Held(_) = request.file {
        return Outcome::WouldBlock;
    }
    request.data = Data::Timer(Timer {
        clock: 0,
        at: sys::now(libc::CLOCK_MONOTONIC) + AGAIN_NANOS,
        every: AGAIN_NANOS,
        target: None,
        repeats: 0,
    });
    Outcome::Suspended(Stage::Timing)
}
