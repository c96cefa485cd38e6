//! Submitting, and waiting with what was submitted.

use core::ffi::{c_int, c_uint, c_void};
use core::ptr;

use anyring_abi::{
    __kernel_timespec, IORING_ENTER_EXT_ARG, IORING_ENTER_EXT_ARG_REG, IORING_ENTER_GETEVENTS,
    IORING_ENTER_SQ_WAIT, IORING_ENTER_SQ_WAKEUP, IORING_FEAT_EXT_ARG, IORING_FEAT_MIN_TIMEOUT,
    LIBURING_UDATA_TIMEOUT, io_uring_cqe, io_uring_getevents_arg, io_uring_reg_wait, io_uring_sqe,
};

use crate::kernel::Kernel;
use crate::prep;
use crate::ring::{RingRef, get, protocol};

/// Bytes of the kernel's signal set.
pub const SIGSET_SIZE: usize = 8;

/// What a wait is for.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// Published entries the kernel has to take.
    submit: c_uint,
    /// Slots to wait for.
    wait_nr: c_uint,
    /// Flags for an enter that waits, beside GETEVENTS.
    flags: c_uint,
    /// Signal mask or, with EXT_ARG, the argument block.
    arg: *const c_void,
    /// Size of that.
    size: usize,
    /// Whether there is a timeout: then nothing is waited for twice.
    has_timeout: bool,
}

/// Result of a wait: zero or more, or `-errno`, and the first ready entry,
/// which may be there together with an error.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Waited {
    /// Zero or more, or `-errno`.
    pub result: c_int,
    /// The first ready entry, or NULL.
    pub cqe: *mut io_uring_cqe,
}

impl<K: Kernel> RingRef<K> {
    /// Whether `submit` published entries need an enter; with SQPOLL only when
    /// the thread sleeps, then the wake-up goes into `flags`.
    #[inline(always)]
    fn sq_needs_enter(self, submit: c_uint, flags: &mut c_uint) -> bool {
        if submit == 0 {
            return false;
        }
        if !self.sqpoll() {
            return true;
        }
        if protocol::sq_needs_wakeup(self.word(get!(self, sq.kflags))) {
            *flags |= IORING_ENTER_SQ_WAKEUP;
            return true;
        }
        false
    }

    #[inline(always)]
    fn submit_published(self, submit: c_uint, wait_nr: c_uint, get_events: bool) -> c_int {
        let mut flags = self.enter_flags();
        let get_events = get_events || wait_nr != 0 || self.cq_needs_enter();
        if !(self.sq_needs_enter(submit, &mut flags) || get_events) {
            return submit as c_int;
        }
        if get_events {
            flags |= IORING_ENTER_GETEVENTS;
        }
        // SAFETY: no signal mask.
        unsafe { self.enter(submit, wait_nr, flags, ptr::null(), SIGSET_SIZE) }
    }

    /// Publishes and submits; the number taken (SQPOLL: pending) or `-errno`.
    #[inline]
    pub fn submit(self) -> c_int {
        self.submit_published(self.sq_flush(), 0, false)
    }

    /// The same, waiting until `wait_nr` slots are ready.
    #[inline]
    pub fn submit_and_wait(self, wait_nr: c_uint) -> c_int {
        self.submit_published(self.sq_flush(), wait_nr, false)
    }

    /// The same without waiting, but always entering to fetch completions.
    #[inline]
    pub fn submit_and_get_events(self) -> c_int {
        self.submit_published(self.sq_flush(), 0, true)
    }

    /// Waits until an SQPOLL thread has made room; result or `-errno`.
    pub fn sqring_wait_always(self) -> c_int {
        // SAFETY: no argument.
        unsafe {
            self.enter(
                0,
                0,
                self.enter_flags() | IORING_ENTER_SQ_WAIT,
                ptr::null(),
                SIGSET_SIZE,
            )
        }
    }

    /// The same, only if the ring is an SQPOLL ring and full; otherwise 0.
    #[inline]
    pub fn sqring_wait(self) -> c_int {
        if !self.sqpoll() || self.sq_space_left() != 0 {
            return 0;
        }
        self.sqring_wait_always()
    }

    /// The wait loop behind every waiting call.
    ///
    /// # Safety
    /// `wait.arg` is NULL or valid for what `wait.flags` says it is.
    #[inline]
    unsafe fn wait(self, mut wait: Wait) -> Waited {
        let mut result = 0;
        let mut first = true;
        loop {
            let peek = self.peek_raw();
            let done = |result| Waited {
                result,
                cqe: peek.cqe,
            };
            if peek.error != 0 {
                return done(if result == 0 { peek.error } else { result });
            }
            let mut fetch = false;
            if peek.cqe.is_null() && wait.wait_nr == 0 && wait.submit == 0 {
                // Nothing to wait for: one enter at most, where completions
                // may sit behind it.
                if !first || !self.cq_needs_enter() {
                    return done(if result == 0 { -libc::EAGAIN } else { result });
                }
                fetch = true;
            }
            let mut flags = self.enter_flags();
            if fetch || wait.wait_nr > peek.available {
                fetch = true;
                flags |= IORING_ENTER_GETEVENTS | wait.flags;
            }
            if !(self.sq_needs_enter(wait.submit, &mut flags) || fetch) {
                return done(result);
            }
            if !first && wait.has_timeout {
                let expired = peek.cqe.is_null() && result == 0;
                return done(if expired { -libc::ETIME } else { result });
            }
            // SAFETY: handed on from the caller.
            let entered =
                unsafe { self.enter(wait.submit, wait.wait_nr, flags, wait.arg, wait.size) };
            if entered < 0 {
                return done(if result == 0 { entered } else { result });
            }
            if !peek.cqe.is_null() {
                return done(result);
            }
            wait.submit = wait.submit.wrapping_sub(entered as c_uint);
            if first {
                result = entered;
                first = false;
            }
        }
    }

    /// The wait loop with a signal mask: `submit` published entries, `wait_nr`
    /// slots. Publishes nothing.
    ///
    /// # Safety
    /// `sigmask` is NULL or a signal set.
    pub unsafe fn get_cqe(self, submit: c_uint, wait_nr: c_uint, sigmask: *const c_void) -> Waited {
        // SAFETY: handed on from the caller.
        unsafe {
            self.wait(Wait {
                submit,
                wait_nr,
                flags: 0,
                arg: sigmask,
                size: SIGSET_SIZE,
                has_timeout: false,
            })
        }
    }

    /// The wait loop with an argument block.
    ///
    /// # Safety
    /// `timeout` and `sigmask` are NULL or valid.
    unsafe fn wait_ext(
        self,
        submit: c_uint,
        wait_nr: c_uint,
        timeout: *const __kernel_timespec,
        min_wait_usec: c_uint,
        sigmask: *const c_void,
    ) -> Waited {
        let arg = io_uring_getevents_arg {
            sigmask: sigmask as u64,
            sigmask_sz: SIGSET_SIZE as u32,
            min_wait_usec,
            ts: timeout as u64,
        };
        // SAFETY: the block lives until the call returns; what it points to
        // is the caller's promise.
        unsafe {
            self.wait(Wait {
                submit,
                wait_nr,
                flags: IORING_ENTER_EXT_ARG,
                arg: (&raw const arg).cast(),
                size: size_of::<io_uring_getevents_arg>(),
                has_timeout: !timeout.is_null(),
            })
        }
    }

    pub(crate) fn has_ext_arg(self) -> bool {
        get!(self, features) & IORING_FEAT_EXT_ARG != 0
    }

    /// Kernels without EXT_ARG: puts a timeout request of our own in front of
    /// a wait and publishes everything; the number to submit or `-errno`.
    ///
    /// The request points to a copy of the timeout in the last 16 bytes of its
    /// own entry, which mean nothing to a timeout: so it is valid for as long as
    /// the kernel can take the entry, be it after a failed enter, or by an
    /// SQPOLL thread that is late.
    ///
    /// # Safety
    /// `timeout` is valid.
    unsafe fn push_timeout(self, wait_nr: c_uint, timeout: *const __kernel_timespec) -> c_int {
        let sqe = match self.get_sqe() {
            Some(sqe) => sqe,
            None => {
                let submitted = self.submit();
                if submitted < 0 {
                    return submitted;
                }
                match self.get_sqe() {
                    Some(sqe) => sqe,
                    None => return -libc::EAGAIN,
                }
            }
        };
        let sqe = sqe.as_ptr();
        const _: () = assert!(size_of::<io_uring_sqe>() == 64);
        // SAFETY: a fresh entry of this ring, of 64 bytes; the timeout is valid,
        // the caller says.
        unsafe {
            let copy = sqe.byte_add(48).cast::<__kernel_timespec>();
            prep::prep_timeout(&mut *sqe, copy, wait_nr, 0);
            (*sqe).user_data = LIBURING_UDATA_TIMEOUT;
            copy.write(*timeout);
        }
        self.sq_flush() as c_int
    }

    /// Waits for `wait_nr` slots, with a timeout if given.
    ///
    /// `None` instead of an entry pointer means that the caller's is to be
    /// left as it is.
    ///
    /// # Safety
    /// `timeout` and `sigmask` are NULL or valid.
    pub unsafe fn wait_cqes(
        self,
        wait_nr: c_uint,
        timeout: *const __kernel_timespec,
        sigmask: *const c_void,
    ) -> Result<Waited, c_int> {
        // SAFETY: handed on from the caller.
        unsafe {
            if timeout.is_null() {
                return Ok(self.get_cqe(0, wait_nr, sigmask));
            }
            if self.has_ext_arg() {
                return Ok(self.wait_ext(0, wait_nr, timeout, 0, sigmask));
            }
            let submit = self.push_timeout(wait_nr, timeout);
            if submit < 0 {
                return Err(submit);
            }
            Ok(self.get_cqe(submit as c_uint, wait_nr, sigmask))
        }
    }

    /// Waits for `wait_nr` slots, but after `min_wait_usec` microseconds for
    /// one; -EINVAL without FEAT_MIN_TIMEOUT.
    ///
    /// # Safety
    /// `timeout` and `sigmask` are NULL or valid.
    pub unsafe fn wait_cqes_min_timeout(
        self,
        wait_nr: c_uint,
        timeout: *const __kernel_timespec,
        min_wait_usec: c_uint,
        sigmask: *const c_void,
    ) -> Result<Waited, c_int> {
        if get!(self, features) & IORING_FEAT_MIN_TIMEOUT == 0 {
            return Err(-libc::EINVAL);
        }
        // SAFETY: handed on from the caller.
        Ok(unsafe { self.wait_ext(0, wait_nr, timeout, min_wait_usec, sigmask) })
    }

    /// Publishes, submits and waits for `wait_nr` slots, with a timeout if
    /// given.
    ///
    /// # Safety
    /// As [`wait_cqes`](Self::wait_cqes).
    pub unsafe fn submit_and_wait_timeout(
        self,
        wait_nr: c_uint,
        timeout: *const __kernel_timespec,
        min_wait_usec: c_uint,
        sigmask: *const c_void,
    ) -> Result<Waited, c_int> {
        // SAFETY: handed on from the caller.
        unsafe {
            if timeout.is_null() {
                return Ok(self.get_cqe(self.sq_flush(), wait_nr, sigmask));
            }
            if self.has_ext_arg() {
                let submit = self.sq_flush();
                return Ok(self.wait_ext(submit, wait_nr, timeout, min_wait_usec, sigmask));
            }
            let submit = self.push_timeout(wait_nr, timeout);
            if submit < 0 {
                return Err(submit);
            }
            Ok(self.get_cqe(submit as c_uint, wait_nr, sigmask))
        }
    }

    /// The same with a minimum wait; -EINVAL without FEAT_MIN_TIMEOUT.
    ///
    /// # Safety
    /// As [`wait_cqes`](Self::wait_cqes).
    pub unsafe fn submit_and_wait_min_timeout(
        self,
        wait_nr: c_uint,
        timeout: *const __kernel_timespec,
        min_wait_usec: c_uint,
        sigmask: *const c_void,
    ) -> Result<Waited, c_int> {
        if get!(self, features) & IORING_FEAT_MIN_TIMEOUT == 0 {
            return Err(-libc::EINVAL);
        }
        // SAFETY: handed on from the caller.
        unsafe { self.submit_and_wait_timeout(wait_nr, timeout, min_wait_usec, sigmask) }
    }

    /// Publishes, submits and waits as the block `index` of the registered
    /// wait region says; -EINVAL without FEAT_EXT_ARG.
    pub fn submit_and_wait_reg(self, wait_nr: c_uint, index: c_int) -> Result<Waited, c_int> {
        if !self.has_ext_arg() {
            return Err(-libc::EINVAL);
        }
        let offset = (index as isize as usize).wrapping_mul(size_of::<io_uring_reg_wait>());
        // SAFETY: the argument is an offset into the registered region, which
        // the kernel checks.
        Ok(unsafe {
            self.wait(Wait {
                submit: self.sq_flush(),
                wait_nr,
                flags: IORING_ENTER_EXT_ARG | IORING_ENTER_EXT_ARG_REG,
                arg: ptr::without_provenance(offset),
                size: size_of::<io_uring_reg_wait>(),
                has_timeout: true,
            })
        })
    }

    /// The first ready entry; -EAGAIN when there is none.
    ///
    /// The error of an own timeout entry (kernels without EXT_ARG) is
    /// swallowed: what counts is what lies behind it.
    #[inline]
    pub fn peek_cqe(self) -> Waited {
        let peek = self.peek_raw();
        if !peek.cqe.is_null() {
            return Waited {
                result: 0,
                cqe: peek.cqe,
            };
        }
        self.wait_cqe_nr(0)
    }

    /// Waits for `wait_nr` slots; 0 behaves like a peek.
    #[inline]
    pub fn wait_cqe_nr(self, wait_nr: c_uint) -> Waited {
        // SAFETY: no signal mask.
        unsafe { self.get_cqe(0, wait_nr, ptr::null()) }
    }
}
