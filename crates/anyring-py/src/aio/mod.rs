//! The ring of an event loop: operations with a future each, readiness of
//! descriptors, streams; completions taken and handed out in batches.

mod done;
mod fs;
mod hidden;
mod io;
mod operation;
mod pool;
mod proactor;
mod receive;
mod state;
mod stream;
mod turn;
mod whole;

use pyo3::prelude::*;

/// The module `liburing._liburing.aio`.
pub(crate) fn add(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), "liburing._liburing.aio")?;
    module.add_class::<state::Proactor>()?;
    module.add_class::<operation::Operation>()?;
    module.add_class::<stream::Stream>()?;
    module.add_class::<whole::Whole>()?;
    for function in [
        wrap_pyfunction!(io::read, &module)?,
        wrap_pyfunction!(io::read_into, &module)?,
        wrap_pyfunction!(whole::read_part, &module)?,
        wrap_pyfunction!(io::write, &module)?,
        wrap_pyfunction!(io::recv, &module)?,
        wrap_pyfunction!(io::recv_into, &module)?,
        wrap_pyfunction!(io::send, &module)?,
        wrap_pyfunction!(io::recvfrom, &module)?,
        wrap_pyfunction!(io::sendto, &module)?,
        wrap_pyfunction!(io::accept, &module)?,
        wrap_pyfunction!(io::connect, &module)?,
        wrap_pyfunction!(io::shutdown, &module)?,
        wrap_pyfunction!(io::poll, &module)?,
        wrap_pyfunction!(io::timeout, &module)?,
        wrap_pyfunction!(fs::open, &module)?,
        wrap_pyfunction!(fs::close, &module)?,
        wrap_pyfunction!(fs::fsync, &module)?,
        wrap_pyfunction!(fs::ftruncate, &module)?,
        wrap_pyfunction!(fs::statx, &module)?,
        wrap_pyfunction!(fs::change, &module)?,
    ] {
        module.add_function(function)?;
    }
    parent.add("aio", module)
}
