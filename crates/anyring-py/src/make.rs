//! Objects of Python, and lists of arguments, made so that short memory is an
//! exception. PyO3's own functions panic where the interpreter has no memory for an
//! object, and end the process where a list has none.

use std::ffi::CString;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyList, PyString, PyTuple, PyType};
use pyo3::{PyTypeInfo, ffi};

use crate::reserve::{giving_up, room, short};

/// Names of attributes and methods, made when the module is: at their first use there may
/// be no memory for them.
macro_rules! names {
    ($($field:ident = $name:literal),+ $(,)?) => {
        pub(crate) struct Names {
            $(pub(crate) $field: Py<PyString>,)+
        }

        impl Names {
            fn new(py: Python<'_>) -> PyResult<Self> {
                Ok(Names { $($field: interned(py, $name)?,)+ })
            }
        }
    };
}

names! {
    add_note = "add_note",
    call_soon = "call_soon",
    cast = "cast",
    context = "context",
    data_received = "data_received",
    fileno = "fileno",
    fsencode = "fsencode",
    i = "i",
    index = "index",
    maybe_pause_protocol = "_maybe_pause_protocol",
    mmap = "mmap",
    obj = "obj",
    on_eof = "_on_eof",
    on_read_error = "_on_read_error",
    on_receive_error = "_on_receive_error",
    on_refused = "_on_refused",
    on_sent = "_on_sent",
    on_write_error = "_on_write_error",
    operation = "operation",
    os = "os",
    proactor = "proactor",
    run = "run",
    start = "start",
    step = "step",
    toreadonly = "toreadonly",
    wake = "wake",
}

/// A text that is there once.
fn interned(py: Python<'_>, name: &str) -> PyResult<Py<PyString>> {
    let text = text(py, name)?.cast_into::<PyString>()?;
    let mut place = text.into_ptr();
    // SAFETY: a reference of ours, which is exchanged for one to the only such text.
    unsafe {
        ffi::PyUnicode_InternInPlace(&raw mut place);
        Ok(Bound::from_owned_ptr(py, place)
            .cast_into_unchecked()
            .unbind())
    }
}

/// The names.
#[inline]
pub(crate) fn names(py: Python<'_>) -> PyResult<&'static Names> {
    static NAMES: PyOnceLock<Names> = PyOnceLock::new();
    NAMES.get_or_try_init(py, || Names::new(py))
}

/// A copy of bytes.
#[inline]
pub(crate) fn bytes<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: copies that many bytes, or gives NULL with an exception set.
    unsafe {
        let length = data.len() as ffi::Py_ssize_t;
        let object = ffi::PyBytes_FromStringAndSize(data.as_ptr().cast(), length);
        Ok(Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked())
    }
}

/// Parts behind one another, the first from `start` on: `length` bytes in all.
pub(crate) fn joined<'py, 'a>(
    py: Python<'py>,
    parts: impl Iterator<Item = &'a [u8]>,
    start: usize,
    length: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, length, |mut whole| {
        let mut skip = start;
        for part in parts {
            let part = &part[std::mem::take(&mut skip)..];
            let (here, rest) = whole.split_at_mut(part.len());
            here.copy_from_slice(part);
            whole = rest;
        }
        Ok(())
    })
}

/// An integer.
#[inline]
pub(crate) fn integer(py: Python<'_>, value: i64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: makes an object, or gives NULL with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromLongLong(value)) }
}

/// An integer without a sign.
pub(crate) fn unsigned(py: Python<'_>, value: u64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: makes an object, or gives NULL with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromUnsignedLongLong(value)) }
}

/// A text.
pub(crate) fn text<'py>(py: Python<'py>, value: &str) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: copies that many bytes of UTF-8, or gives NULL with an exception set.
    unsafe {
        let length = value.len() as ffi::Py_ssize_t;
        let object = ffi::PyUnicode_FromStringAndSize(value.as_ptr().cast(), length);
        Bound::from_owned_ptr_or_err(py, object)
    }
}

/// A tuple.
pub(crate) fn tuple<'py, const N: usize>(
    py: Python<'py>,
    items: [Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyTuple>> {
    // SAFETY: makes a tuple with N empty places, or gives NULL with an exception
    // set; each place takes over one reference.
    unsafe {
        let object = ffi::PyTuple_New(N as ffi::Py_ssize_t);
        let object = Bound::from_owned_ptr_or_err(py, object)?;
        for (place, item) in (0..).zip(items) {
            ffi::PyTuple_SetItem(object.as_ptr(), place, item.into_ptr());
        }
        Ok(object.cast_into_unchecked())
    }
}

/// An empty list.
pub(crate) fn list(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    // SAFETY: makes a list, or gives NULL with an exception set.
    unsafe { Ok(Bound::from_owned_ptr_or_err(py, ffi::PyList_New(0))?.cast_into_unchecked()) }
}

/// An empty dict.
pub(crate) fn dict(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    // SAFETY: makes a dict, or gives NULL with an exception set.
    unsafe { Ok(Bound::from_owned_ptr_or_err(py, ffi::PyDict_New())?.cast_into_unchecked()) }
}

/// A tuple of what a list has.
pub(crate) fn frozen<'py>(list: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyTuple>> {
    // SAFETY: makes a tuple, or gives NULL with an exception set.
    unsafe {
        let tuple = ffi::PyList_AsTuple(list.as_ptr());
        Ok(Bound::from_owned_ptr_or_err(list.py(), tuple)?.cast_into_unchecked())
    }
}

/// Notes of an exception which of many operations it is of. One that cannot have it is an
/// exception all the same.
pub(crate) fn mark(error: &PyErr, py: Python<'_>, index: usize) {
    if let (Ok(index), Ok(names)) = (unsigned(py, index as u64), names(py)) {
        let _ = error.value(py).setattr(names.index.bind(py), index);
    }
}

/// A list of truth values.
pub(crate) fn truths(
    py: Python<'_>,
    values: impl Iterator<Item = bool>,
) -> PyResult<Bound<'_, PyList>> {
    let all = list(py)?;
    for value in values {
        all.append(PyBool::new(py, value))?;
    }
    Ok(all)
}

/// An exception with a message: MemoryError where it cannot be made. PyO3 makes those of
/// `new_err` when it raises them, and ends the process where it has no memory for them.
#[cold]
pub(crate) fn raised<T: PyTypeInfo>(message: impl AsRef<str>) -> PyErr {
    Python::attach(|py| {
        let made = || {
            py.get_type::<T>()
                .call1(tuple(py, [text(py, message.as_ref())?])?)
        };
        made().map_or_else(|error| error, PyErr::from_value)
    })
}

/// An exception of a class with a number, a text and perhaps one thing more:
/// MemoryError where it cannot be made.
#[cold]
pub(crate) fn error<'py>(
    class: &Bound<'py, PyType>,
    number: i32,
    message: &str,
    subject: Option<Bound<'py, PyAny>>,
) -> PyErr {
    let py = class.py();
    let made = || {
        let number = integer(py, number.into())?;
        let message = text(py, message)?;
        let given = match subject {
            Some(subject) => tuple(py, [number, message, subject])?,
            None => tuple(py, [number, message])?,
        };
        class.call1(given)
    };
    made().map_or_else(|error| error, PyErr::from_value)
}

/// What a program gave where a list of things is wanted: any sequence but str.
pub(crate) struct Many<T>(pub(crate) Vec<T>);

impl<'py, T: FromPyObject<'py>> FromPyObject<'py> for Many<T> {
    fn extract_bound(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        // SAFETY: an object.
        let sequence = unsafe { ffi::PySequence_Check(object.as_ptr()) } != 0;
        if !sequence || object.is_instance_of::<PyString>() {
            return Err(raised::<PyTypeError>("a list is required"));
        }
        gather(object.try_iter()?.map(|item| item?.extract())).map(Many)
    }
}

/// All items in a list; MemoryError where it has no memory.
pub(crate) fn gather<T>(items: impl Iterator<Item = PyResult<T>>) -> PyResult<Vec<T>> {
    // What an iterator says of its length need not be so.
    let mut all = room(items.size_hint().0.min(1 << 16))?;
    for item in items {
        if all.len() == all.capacity() {
            giving_up(|| all.try_reserve(1)).map_err(|_| short())?;
        }
        all.push(item?);
    }
    Ok(all)
}

/// A copy of bytes for the kernel.
pub(crate) fn copied(data: &[u8]) -> PyResult<Vec<u8>> {
    let mut copy = room(data.len())?;
    copy.extend_from_slice(data);
    Ok(copy)
}

/// A copy of a path or a name with its end; ValueError for one that has a zero.
pub(crate) fn c_string(data: &[u8]) -> PyResult<CString> {
    let mut copy = room(data.len() + 1)?;
    copy.extend_from_slice(data);
    CString::new(copy).map_err(|_| raised::<PyValueError>("embedded null byte"))
}

/// RuntimeError for a ring of another process.
#[cold]
pub(crate) fn foreign() -> PyErr {
    raised::<PyRuntimeError>("this ring belongs to the process that made it")
}

/// RuntimeError for a ring that has ended.
#[cold]
pub(crate) fn closed() -> PyErr {
    raised::<PyRuntimeError>("the ring is closed")
}
