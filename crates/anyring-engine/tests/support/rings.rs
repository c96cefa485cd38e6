//! Rings on either kernel.

use std::io;
use std::sync::Mutex;

use anyring::abi::io_uring;
use anyring::ring::setup::{empty, params, queue_init_params};
use anyring_engine::{BuiltIn, Choice, KernelOrEngine, choose};

/// `errno` of the call before.
pub(crate) fn last() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Works while rings are made by one of the two kernels. The choice is the
/// process's, and tests run beside one another.
pub(crate) fn choosing<R>(choice: Choice, work: impl FnOnce() -> R) -> R {
    static CHOOSING: Mutex<()> = Mutex::new(());
    let guard = CHOOSING.lock();
    choose(Some(choice));
    let result = work();
    choose(None);
    drop(guard);
    result
}

/// A ring, or why there is none.
pub(crate) fn ring_on(choice: Choice, entries: u32, flags: u32) -> Result<Box<io_uring>, i32> {
    let mut raw = Box::new(empty());
    let mut p = params(flags);
    let kernel = KernelOrEngine::<BuiltIn>::new();
    // SAFETY: both structs are valid.
    let result = choosing(choice, || unsafe {
        queue_init_params(kernel, entries, &raw mut *raw, &raw mut p)
    });
    if result < 0 { Err(-result) } else { Ok(raw) }
}
