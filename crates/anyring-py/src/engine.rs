//! Choosing and asking for the engine that serves rings.

use anyring_engine::{Choice, Served};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Chooses for the rings made from now on: "kernel", "auto", "userspace", or
/// None to leave it to `ANYRING_ENGINE` and the default, "auto".
#[pyfunction]
#[pyo3(signature = (engine, /))]
pub(crate) fn choose_engine(engine: Option<&str>) -> PyResult<()> {
    let wish = match engine {
        None => None,
        Some("kernel") => Some(Choice::Kernel),
        Some("auto") => Some(Choice::Auto),
        Some("userspace") => Some(Choice::Userspace),
        Some(other) => {
            let message = format!("no engine is called {other:?}: kernel, auto or userspace");
            return Err(crate::make::raised::<PyValueError>(message));
        }
    };
    anyring_engine::choose(wish);
    Ok(())
}

/// `(engine, errno)` of the ring with this descriptor: "kernel" or
/// "userspace"; the errno of io_uring_setup(2) that brought it to user space,
/// 0 if that was chosen; "inherited" for a ring of the parent process.
#[pyfunction]
#[pyo3(signature = (fd, /))]
pub(crate) fn engine_of(fd: i32) -> (&'static str, i32) {
    match anyring_engine::served(fd) {
        Served::Kernel => ("kernel", 0),
        Served::Userspace(reason) => ("userspace", reason),
        Served::Inherited => ("inherited", libc::EOWNERDEAD),
    }
}

/// Rings made from now on are the engine's, and struck as the text says; what was chosen
/// before, for [`chaos_end`].
#[pyfunction]
#[pyo3(name = "_chaos_begin", signature = (text, /))]
pub(crate) fn chaos_begin(text: &[u8]) -> PyResult<Option<&'static str>> {
    let before = anyring_engine::chosen().map(|choice| match choice {
        Choice::Kernel => "kernel",
        Choice::Auto => "auto",
        Choice::Userspace => "userspace",
    });
    match anyring_engine::begin_chaos(text) {
        Ok(()) => {}
        Err(error) if error == -libc::ENOMEM => return Err(crate::reserve::short()),
        Err(_) => {
            let message = "this cannot be read as rules".to_owned();
            return Err(crate::make::raised::<PyValueError>(message));
        }
    }
    anyring_engine::choose(Some(Choice::Userspace));
    Ok(before)
}

/// Rings made from now on are served as before.
#[pyfunction]
#[pyo3(name = "_chaos_end", signature = (before, /))]
pub(crate) fn chaos_end(before: Option<&str>) -> PyResult<()> {
    anyring_engine::end_chaos();
    choose_engine(before)
}
