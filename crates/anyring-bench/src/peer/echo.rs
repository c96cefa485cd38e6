//! The echo server of a C library.

use std::ffi::{c_int, c_uint, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::AtomicU64;

use super::{Finder, Library, message};

type Open = unsafe extern "C" fn(c_int, c_int, c_int, c_uint, *mut c_int) -> *mut c_void;
type Run = unsafe extern "C" fn(*mut c_void, *const AtomicU64) -> c_int;
type Close = unsafe extern "C" fn(*mut c_void);

#[derive(Clone, Copy)]
pub(super) struct Functions {
    open: Open,
    run: Run,
    close: Close,
}

impl Functions {
    pub(super) fn find(finder: &Finder<'_>) -> Result<Self, libloading::Error> {
        // SAFETY: the types are those of the definitions in echo.c.
        unsafe {
            Ok(Functions {
                open: finder.get("peer_echo_open")?,
                run: finder.get("peer_echo_run")?,
                close: finder.get("peer_echo_close")?,
            })
        }
    }
}

/// A server of a C library.
pub(crate) struct Echo {
    functions: Functions,
    echo: *mut c_void,
}

impl Echo {
    /// A ring, and buffers for multishot receives.
    pub(crate) fn new(
        library: Library,
        listener: BorrowedFd<'_>,
        stop: BorrowedFd<'_>,
        multishot: bool,
        entries: u32,
    ) -> Result<Self, String> {
        let functions = library.functions.echo;
        let mut error = 0;
        // SAFETY: a place for the error; descriptors are checked by the kernel.
        let echo = unsafe {
            (functions.open)(
                listener.as_raw_fd(),
                stop.as_raw_fd(),
                c_int::from(multishot),
                entries,
                &raw mut error,
            )
        };
        if echo.is_null() {
            return Err(message(error));
        }
        Ok(Echo { functions, echo })
    }

    /// Serves until the stop descriptor is readable; keeps the number of
    /// system calls up to date.
    pub(crate) fn run(&mut self, calls: &AtomicU64) -> Result<(), String> {
        // SAFETY: an open server; the number is written atomically.
        match unsafe { (self.functions.run)(self.echo, calls) } {
            0 => Ok(()),
            error => Err(message(error)),
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // SAFETY: opened and not used afterwards.
        unsafe { (self.functions.close)(self.echo) };
    }
}
