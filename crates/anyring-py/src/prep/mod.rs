//! Preparation of entries. Whatever an operation points to is pinned or
//! copied here; no address comes from Python.

mod fs;
mod net;
mod numbers;
mod rw;
mod wait;

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::args::wrong_type;
use crate::keep::{Keep, Keeps, pin_all};

/// The vectors of a list of buffers, and what keeps them.
fn vectors(list: &Bound<'_, PyAny>, writable: bool) -> PyResult<(*mut libc::iovec, u32, Keeps)> {
    let Ok(list) = list.cast::<PyList>() else {
        return Err(wrong_type("a list of buffers", list));
    };
    let mut keep: Vec<Keep> = Vec::new();
    let objects = crate::make::gather(list.iter().map(Ok))?;
    let (address, count) = pin_all(&objects, writable, &mut keep)?;
    Ok((
        address as *mut libc::iovec,
        u32::try_from(count)?,
        keep.into(),
    ))
}

/// Adds what these files have to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    numbers::add(module)?;
    rw::add(module)?;
    fs::add(module)?;
    net::add(module)?;
    wait::add(module)
}
