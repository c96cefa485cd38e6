//! Questions to the kernel that need no ring, and entries of 128 bytes.

use anyring::register::register_without_ring;
use anyring::ring::setup;
use anyring_abi as abi;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::args::U32;
use crate::core::{checked, raise};
use crate::handle::{Handle, native};
use crate::sqe::{Sqe, entry};

/// Room for any answer.
const ANSWER: usize = 256;
/// Queries the kernel takes at once.
const MOST: usize = 1000;

/// `[query, …]` in one chain: `(result, answer)` for each. Kernel 6.18.
#[pyfunction]
fn _query<'py>(py: Python<'py>, queries: Vec<U32>) -> PyResult<Vec<(i32, Bound<'py, PyBytes>)>> {
    if queries.is_empty() || queries.len() > MOST {
        return Err(crate::make::raised::<PyValueError>("1 to 1000 queries"));
    }
    let mut answers = vec![[0u64; ANSWER / 8]; queries.len()];
    let mut headers: Vec<abi::io_uring_query_hdr> = queries
        .iter()
        .zip(&mut answers)
        .map(|(query, answer)| abi::io_uring_query_hdr {
            next_entry: 0,
            query_data: answer.as_mut_ptr() as u64,
            query_op: query.0,
            size: ANSWER as u32,
            result: 0,
            __resv: [0; 3],
        })
        .collect();
    let first = headers.as_mut_ptr();
    for place in 1..headers.len() {
        // SAFETY: inside the list, which does not grow any more.
        unsafe { (*first.add(place - 1)).next_entry = first.add(place) as u64 };
    }
    // SAFETY: a chain of headers and the room each names, valid through the
    // call.
    checked(unsafe {
        register_without_ring(crate::KERNEL, abi::IORING_REGISTER_QUERY, first.cast(), 0)
    })?;
    Ok(headers
        .iter()
        .zip(&answers)
        .map(|(header, answer)| {
            let words = answer.iter().flat_map(|word| word.to_ne_bytes());
            let bytes: Vec<u8> = words.take(header.size as usize).collect();
            (header.result, PyBytes::new(py, &bytes))
        })
        .collect())
}

/// `(entries, flags, cq_entries)`: bytes of memory the queues of such a ring
/// take, for io_uring_queue_init_mem.
#[pyfunction]
fn _memory_size(entries: U32, flags: U32, cq_entries: U32) -> PyResult<isize> {
    let mut params = setup::params(flags.0);
    params.cq_entries = cq_entries.0;
    match setup::memory_size(crate::KERNEL, entries.0, &params) {
        error if error < 0 => Err(raise(anyring::Errno(-error as i32))),
        size => Ok(size),
    }
}

/// A fresh entry of 128 bytes, for nop128 and uring_cmd128; None when the
/// queue is full or the ring has no such entries (IORING_SETUP_SQE128,
/// IORING_SETUP_SQE_MIXED).
#[pyfunction]
#[pyo3(signature = (ring, /))]
fn io_uring_get_sqe128(ring: &Bound<'_, Handle>) -> PyResult<Option<Py<Sqe>>> {
    let py = ring.py();
    let core = native(ring)?;
    let mut state = core.get().lock(py)?;
    let flags = state.queue()?.raw().flags;
    if flags & abi::IORING_SETUP_SQE128 != 0 {
        return state.get_sqe(py);
    }
    // Two slots, and one more where they would wrap around.
    if flags & abi::IORING_SETUP_SQE_MIXED == 0 || state.space_left()? < 3 {
        return Ok(None);
    }
    state.get_sqe(py)
}

/// Zeroes what prep functions leave alone: flags, ioprio, buf_index,
/// personality and the like; the tag stays.
#[pyfunction]
#[pyo3(signature = (sqe, /))]
fn io_uring_initialize_sqe(sqe: &Bound<'_, Sqe>) -> PyResult<()> {
    let mut entry = entry(sqe)?;
    anyring::prep::initialize_sqe(&mut entry.open()?.raw);
    Ok(())
}

/// Adds what this file has to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_query, module)?)?;
    module.add_function(wrap_pyfunction!(_memory_size, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_get_sqe128, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_initialize_sqe, module)?)
}
