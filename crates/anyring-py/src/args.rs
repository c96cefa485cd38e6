//! Arguments as the interface takes them.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

/// An integer of Python: no float, no None, no `__index__`.
#[derive(Clone, Copy)]
pub(crate) struct Int<T>(pub(crate) T);

impl<'py, T: FromPyObject<'py>> FromPyObject<'py> for Int<T> {
    #[inline]
    fn extract_bound(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        if !object.is_instance_of::<PyInt>() {
            return Err(not_an_integer(object));
        }
        Ok(Int(object.extract()?))
    }
}

#[cold]
fn not_an_integer(object: &Bound<'_, PyAny>) -> PyErr {
    let name = object.get_type().name().map(|name| name.to_string());
    crate::make::raised::<PyTypeError>(format!(
        "an integer is required, not {}",
        name.unwrap_or_default()
    ))
}

pub(crate) type I32 = Int<i32>;
pub(crate) type U32 = Int<u32>;
pub(crate) type I64 = Int<i64>;
pub(crate) type U64 = Int<u64>;
pub(crate) type U16 = Int<u16>;

/// A tag where C has a pointer: a negative number is the address it is as.
pub(crate) struct Tag(pub(crate) u64);

impl<'py> FromPyObject<'py> for Tag {
    fn extract_bound(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        match object.extract::<I64>() {
            Ok(Int(tag)) => Ok(Tag(tag as u64)),
            Err(_) => Ok(Tag(object.extract::<U64>()?.0)),
        }
    }
}

/// What a message carries, or the tag of something registered: a number that is
/// not the tag by which the kernel knows a request, whose completion it would
/// be taken for. ValueError for such a one.
#[derive(Clone, Copy)]
pub(crate) struct Data(pub(crate) u64);

impl Data {
    /// Checks a number.
    pub(crate) fn of(number: u64) -> PyResult<Self> {
        if crate::inflight::names_a_request(number) {
            return Err(crate::make::raised::<PyValueError>(
                "this number stands for a request in flight: a completion cannot be forged",
            ));
        }
        Ok(Data(number))
    }
}

impl<'py> FromPyObject<'py> for Data {
    fn extract_bound(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Data::of(object.extract::<U64>()?.0)
    }
}

/// The number in a smaller type; OverflowError when it does not fit.
pub(crate) fn fit<T, U: TryFrom<T>>(number: T) -> PyResult<U> {
    U::try_from(number)
        .map_err(|_| crate::make::raised::<PyOverflowError>("int too large to convert"))
}

/// Any object, for its truth.
pub(crate) struct Truth(pub(crate) bool);

impl<'py> FromPyObject<'py> for Truth {
    fn extract_bound(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Ok(Truth(object.is_truthy()?))
    }
}

/// The value of an optional argument; None and nothing are zero.
pub(crate) fn or_zero<T: Default>(value: Option<Int<T>>) -> T {
    value.map(|value| value.0).unwrap_or_default()
}

/// The bytes of a path: str in the file system's encoding, bytes, PathLike.
pub(crate) fn fs_bytes(object: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return crate::make::copied(bytes.as_bytes());
    }
    let plain = object.cast_exact::<PyString>().ok();
    if let Some(text) = plain.and_then(|text| text.to_cow().ok()) {
        return crate::make::copied(text.as_bytes());
    }
    // `os.fsencode` knows the rest.
    let names = crate::make::names(object.py())?;
    let encoded = object
        .py()
        .import(names.os.bind(object.py()))?
        .call_method1(names.fsencode.bind(object.py()), (object,))?;
    crate::make::copied(encoded.cast::<PyBytes>()?.as_bytes())
}

/// A length in bytes as the kernel takes it: that of the buffer, or the given
/// one if that is not longer.
pub(crate) fn length(found: usize, wanted: Option<u64>) -> PyResult<u32> {
    let length = match wanted {
        Some(wanted) if wanted > found as u64 => {
            return Err(crate::make::raised::<PyValueError>(
                "the buffer is shorter than the length",
            ));
        }
        Some(wanted) => wanted,
        None => found as u64,
    };
    u32::try_from(length)
        .map_err(|_| crate::make::raised::<PyValueError>("the buffer has more than 4 GiB"))
}

/// An object of a class is required.
#[cold]
pub(crate) fn wrong_type(wanted: &str, object: &Bound<'_, PyAny>) -> PyErr {
    let name = object.get_type().name().map(|name| name.to_string());
    crate::make::raised::<PyTypeError>(format!(
        "{wanted} is required, not {}",
        name.unwrap_or_default()
    ))
}
