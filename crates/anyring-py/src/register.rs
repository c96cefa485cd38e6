//! Register calls and questions about a ring; none hands memory to the kernel.

use anyring_abi as abi;
use pyo3::prelude::*;

use crate::core::raise;
use crate::hot::{Handle, native};

/// Runs a call on the ring; `-errno` becomes an OSError.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*) = |$ring:ident| $call:expr;)*) => {
        $($(#[$doc])*
        #[pyfunction]
        fn $name(ring: &Bound<'_, Handle>, $($arg: $kind),*) -> PyResult<u32> {
            let object = native(ring)?;
            let mut core = object.try_borrow_mut()?;
            // SAFETY: used within this call only.
            let $ring = unsafe { core.ring()?.as_ring_ref() };
            anyring::check($call).map_err(raise)
        })*

        fn add_calls(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

calls! {
    /// Registers an empty table of files. Kernel 5.19.
    io_uring_register_files_sparse(nr: u32) = |target| target.register_files_sparse(nr);
    /// Registers an empty table of buffers. Kernel 5.19.
    io_uring_register_buffers_sparse(nr: u32) =
        |target| target.register_sparse(abi::IORING_REGISTER_BUFFERS2, nr);
    /// Where the kernel chooses slots of the file table. Kernel 6.0.
    io_uring_register_file_alloc_range(off: u32, len: u32) =
        |target| target.register_file_alloc_range(off, len);
    /// Signals the eventfd at completions that did not end at once. Kernel 5.6.
    io_uring_register_eventfd_async(fd: i32) =
        |target| target.register_eventfd(abi::IORING_REGISTER_EVENTFD_ASYNC, fd);
    /// Registers the credentials of the process; their number. Kernel 5.6.
    io_uring_register_personality() =
        |target| target.register_plain(abi::IORING_REGISTER_PERSONALITY);
    /// Takes credentials back. Kernel 5.6.
    io_uring_unregister_personality(id: u32) =
        |target| target.register_number(abi::IORING_UNREGISTER_PERSONALITY, id);
    /// Starts a ring made with IORING_SETUP_R_DISABLED. Kernel 5.10.
    io_uring_enable_rings() =
        |target| target.register_plain(abi::IORING_REGISTER_ENABLE_RINGS);
    /// Whether waiting counts as waiting for I/O. Kernel 6.15.
    io_uring_set_iowait(enable_iowait: bool) = |target| target.set_iowait(enable_iowait);
    /// Whether completions signal the eventfd. Kernel 5.8.
    io_uring_cq_eventfd_toggle(enabled: bool) = |target| target.cq_eventfd_toggle(enabled);
    /// Replaces registered files; the number replaced. Kernel 5.5.
    _files_update(files: Vec<i32>, offset: u32) = |target| {
        // SAFETY: the kernel copies the list during the call.
        unsafe { target.register_files_update(offset, files.as_ptr(), files.len() as u32) }
    };
}

/// Whether completions signal the eventfd.
#[pyfunction]
fn io_uring_cq_eventfd_enabled(ring: &Bound<'_, Handle>) -> PyResult<bool> {
    let object = native(ring)?;
    let mut core = object.try_borrow_mut()?;
    // SAFETY: used within this call only.
    Ok(unsafe { core.ring()?.as_ring_ref() }.cq_eventfd_enabled())
}

/// Whether the kernel holds completions that did not fit.
#[pyfunction]
fn io_uring_cq_has_overflow(ring: &Bound<'_, Handle>) -> PyResult<bool> {
    let object = native(ring)?;
    let mut core = object.try_borrow_mut()?;
    // SAFETY: used within this call only.
    Ok(unsafe { core.ring()?.as_ring_ref() }.cq_has_overflow())
}

/// Adds what this file has to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add_calls(module)?;
    module.add_function(wrap_pyfunction!(io_uring_cq_eventfd_enabled, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_cq_has_overflow, module)?)
}
