//! Rings on either kernel.

use std::io;

use anyring::abi::io_uring;
use anyring::ring::setup::{empty, params, queue_init_params};
use anyring_engine::{BuiltIn, Choice, Selected, choose};

/// `errno` of the call before.
pub(crate) fn last() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// A ring, or why there is none.
pub(crate) fn ring_on(choice: Choice, entries: u32, flags: u32) -> Result<Box<io_uring>, i32> {
    choose(Some(choice));
    let mut raw = Box::new(empty());
    let mut p = params(flags);
    // SAFETY: both structs are valid.
    let result = unsafe {
        queue_init_params(
            Selected::<BuiltIn>::new(),
            entries,
            &raw mut *raw,
            &raw mut p,
        )
    };
    choose(None);
    if result < 0 { Err(-result) } else { Ok(raw) }
}
