//! The native half of the object tier: rings whose operations have handles.
//!
//! An [`engine::Engine`] owns a ring. Whatever the kernel may touch on behalf
//! of an operation hangs on what was started ([`requests::Started`]) until its last
//! completion, wherever the handle, the buffer or the ring of the program went
//! meanwhile. `shape` knows which field of an entry is an address; addresses
//! come from objects only, never from numbers.
mod batch;
mod batch_start;
mod blocks;
mod close;
mod engine;
mod files;
mod flow;
mod group;
mod hold;
mod message;
mod operation;
mod options;
mod pool;
mod requests;
mod shape;
mod start;
mod stream;
mod stream_start;
mod transfer;
mod transfers;
mod vectored;

use pyo3::prelude::*;
use pyo3::types::PyType;

/// `Operation[int]` and the like, for annotations.
fn alias<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    class
        .py()
        .import("types")?
        .getattr("GenericAlias")?
        .call1((class, item))
}

/// Adds what the object tier needs to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::Engine>()?;
    module.add_class::<operation::Operation>()?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<group::Group>()?;
    module.add_class::<stream::Stream>()?;
    module.add_class::<pool::BufferPool>()?;
    module.add_class::<files::FixedFile>()?;
    module.add_class::<files::FixedBuffer>()?;
    module.add_class::<message::Message>()
}
