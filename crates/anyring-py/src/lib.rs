//! The native half of the Python package `liburing`.
//!
//! A [`core::Core`] owns a ring and everything the kernel may touch on its
//! behalf; a [`sqe::Sqe`] is one entry in memory of its own, copied to the
//! queue when it is submitted. Python never holds an address of ring memory.
mod aio;
mod aio_done;
mod aio_ops;
mod aio_pool;
mod aio_stream;
mod core;
mod hot;
mod keep;
mod register;
mod sqe;

use pyo3::prelude::*;

/// An `OSError` of the right subclass.
fn os_error(number: i32) -> PyErr {
    let message = std::io::Error::from_raw_os_error(number).to_string();
    let message = message.split(" (os error").next().unwrap_or_default();
    pyo3::exceptions::PyOSError::new_err((number, message.to_owned()))
}

/// `{name: value}` of every constant of the interface.
#[pyfunction]
fn constants() -> std::collections::HashMap<&'static str, u64> {
    anyring_abi::GROUPS
        .iter()
        .flat_map(|group| group.constants)
        .map(|constant| (constant.name, constant.value))
        .collect()
}

/// `(name, value)` of every operation, in the kernel's order.
#[pyfunction]
fn operations() -> Vec<(&'static str, u64)> {
    anyring_spec::operations()
        .map(|constant| (constant.name, constant.value))
        .collect()
}

/// The module `liburing._liburing`.
#[pymodule]
fn _liburing(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<core::Core>()?;
    module.add_class::<sqe::Sqe>()?;
    hot::add(module)?;
    register::add(module)?;
    aio_ops::add(module)?;
    module.add_function(wrap_pyfunction!(constants, module)?)?;
    module.add_function(wrap_pyfunction!(operations, module)?)
}
