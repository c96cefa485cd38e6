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
