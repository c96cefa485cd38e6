//! That the kernel keeps to the memory it was given: flags that would have it use
//! other memory, and advice on memory.

use anyring_abi::io_uring_sqe;
use anyring_spec::flags;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

/// ValueError for an entry with flags that are not allowed.
#[inline]
pub(crate) fn permitted(sqe: &io_uring_sqe) -> PyResult<()> {
    flags::check(sqe).map_err(refused)
}

#[cold]
fn refused(word: &flags::FlagWord) -> PyErr {
    crate::make::raised::<PyValueError>(format!("these flags are not allowed: {}", word.why))
}

/// ValueError for flags of a futex that mean more than its four bytes.
pub(crate) fn futex(flags: u32) -> PyResult<()> {
    if flags::futex_allowed(flags) {
        return Ok(());
    }
    Err(crate::make::raised::<PyValueError>(
        "a futex is 32 bits: FUTEX2_SIZE_U32, and FUTEX2_PRIVATE if need be",
    ))
}

/// Whether the advice leaves memory what it is, whoever's it is.
pub(crate) fn is_harmless(advice: i32) -> bool {
    flags::ADVICE.contains(&(advice as u32))
}

/// Whether a program may have this advice followed for `length` bytes at
/// `address`, which are inside `object`: what takes contents away, for whole
/// pages of an mmap only. Pages of any other object may have been others' and
/// will be; and advice that outlives the mapping would be theirs then.
pub(crate) fn advice(
    object: &Bound<'_, PyAny>,
    address: u64,
    length: u64,
    advice: i32,
) -> PyResult<()> {
    if is_harmless(advice) {
        return Ok(());
    }
    if !flags::ADVICE_EMPTIES.contains(&(advice as u32)) {
        return Err(crate::make::raised::<PyValueError>(
            "this advice makes other memory of the pages, for good",
        ));
    }
    let owner = match object.cast::<PyMemoryView>() {
        Ok(view) => view.getattr(crate::make::names(object.py())?.obj.bind(object.py()))?,
        Err(_) => object.clone(),
    };
    let name = crate::make::names(object.py())?.mmap.bind(object.py());
    let mapping = object.py().import(name)?.getattr(name)?;
    if !owner.get_type().is(&mapping) {
        return Err(crate::make::raised::<PyValueError>(
            "this advice takes contents away: give an mmap, or a memoryview of one",
        ));
    }
    let page = page_size();
    if address % page != 0 || length % page != 0 {
        return Err(crate::make::raised::<PyValueError>(
            "this advice changes memory: give whole pages",
        ));
    }
    Ok(())
}

/// Bytes of a page.
pub(crate) fn page_size() -> u64 {
    // SAFETY: asks for a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as u64 }
}
