//! The native half of the Python package `liburing`.
//!
//! A [`pycore::Core`] owns a ring and everything the kernel may touch on its
//! behalf; a [`sqe::Sqe`] is one entry in memory of its own, copied to the
//! queue when it is submitted. Python never holds an address of ring memory.
//!
//! # Safety
//! Shared state relies on the interpreter lock (`cell`), so the module refuses
//! to load where there is none.
mod aio;
mod args;
mod attribute;
mod bufring;
mod cell;
mod core;
mod cqe;
mod detach;
mod engine;
mod fork;
mod given;
mod handle;
mod hot;
mod inflight;
mod keep;
mod make;
mod msg;
mod object;
mod owner;
mod prep;
mod pycore;
mod query;
mod queue;
mod register;
mod reserve;
mod setup;
mod sqe;
mod trashcan;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// What serves rings: the kernel or, where that refuses and no other choice was
/// made, the userspace engine.
use owner::{KERNEL, Serving};
/// A ring of the upper tiers.
type OwnRing = anyring::Ring<Serving>;

/// Makes a ring.
fn open(builder: anyring::Builder) -> Result<OwnRing, anyring::Errno> {
    let serving = Serving::fresh();
    builder.build_on(serving).inspect_err(|_| serving.unused())
}

/// Whether the ring's descriptor still is the ring: what was registered is gone
/// with it.
fn is_intact(ring: &mut OwnRing) -> bool {
    // SAFETY: used within this call only.
    unsafe { ring.as_ring_ref() }.kernel().intact()
}

/// An `OSError` of the right subclass.
#[cold]
fn os_error(number: i32) -> PyErr {
    let message = std::io::Error::from_raw_os_error(number).to_string();
    let message = message.split(" (os error").next().unwrap_or_default();
    Python::attach(|py| {
        let class = py.get_type::<pyo3::exceptions::PyOSError>();
        make::error(&class, number, message, None)
    })
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
fn operations(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let all = make::list(py)?;
    for constant in anyring_spec::operations() {
        let name = make::text(py, constant.name)?;
        all.append(make::tuple(
            py,
            [name, make::unsigned(py, constant.value)?],
        )?)?;
    }
    Ok(all)
}

/// ImportError on a free-threaded build.
fn needs_the_lock(py: Python<'_>) -> PyResult<()> {
    let variable = py
        .import("sysconfig")?
        .call_method1("get_config_var", ("Py_GIL_DISABLED",))?;
    if variable.is_truthy()? {
        return Err(crate::make::raised::<PyImportError>(
            "liburing needs an interpreter with a global lock, not a free-threaded build",
        ));
    }
    Ok(())
}

/// The module `liburing._liburing`.
#[pymodule(gil_used = true)]
fn _liburing(module: &Bound<'_, PyModule>) -> PyResult<()> {
    needs_the_lock(module.py())?;
    fork::watch();
    reserve::prepare();
    make::names(module.py())?;
    attribute::small_integers(module.py())?;
    // People who import this want their program to work; in C, who links a
    // drop-in wants the original's errors.
    anyring_engine::set_default(anyring_engine::Choice::Auto);
    module.add_function(wrap_pyfunction!(engine::choose_engine, module)?)?;
    module.add_function(wrap_pyfunction!(engine::engine_of, module)?)?;
    module.add_function(wrap_pyfunction!(engine::chaos_begin, module)?)?;
    module.add_function(wrap_pyfunction!(engine::chaos_end, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<pycore::Core>()?;
    module.add_class::<sqe::Sqe>()?;
    module.add_class::<sqe::SqeArray>()?;
    module.add_class::<sqe::OldSqe>()?;
    module.add_class::<msg::Msghdr>()?;
    module.add_function(wrap_pyfunction!(sqe::_set_buf_group, module)?)?;
    handle::add(module)?;
    hot::add(module)?;
    attribute::add::<sqe::Sqe>(module.py(), sqe::ATTRIBUTES)?;
    attribute::add::<cqe::Cqe>(module.py(), cqe::ATTRIBUTES)?;
    prep::add(module)?;
    bufring::add(module)?;
    register::add(module)?;
    query::add(module)?;
    aio::add(module)?;
    setup::add(module)?;
    object::add(module)?;
    module.add_function(wrap_pyfunction!(reserve::_fail_allocations, module)?)?;
    module.add_function(wrap_pyfunction!(owner::_share_an_inode, module)?)?;
    module.add_function(wrap_pyfunction!(constants, module)?)?;
    module.add_function(wrap_pyfunction!(operations, module)?)
}
