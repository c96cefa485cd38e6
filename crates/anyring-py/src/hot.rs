//! The calls a program makes for every operation, without anything between
//! them and the interpreter: plain C functions in the vectorcall convention.

use std::ffi::{CStr, c_char};

use pyo3::exceptions::{PyBlockingIOError, PyTypeError};
use pyo3::ffi;
use pyo3::ffi::{Py_ssize_t, PyObject};
use pyo3::prelude::*;

mod usual;

use crate::args::{Int, Tag, U32};
use crate::attribute::{guarded, number, signed};
use crate::cell::Held;
use crate::core::State;
use crate::cqe::{Cqe, Found};
use crate::handle::{CQE, FOUND, Handle, RING, SQE, native, of, usual_core};
use crate::pycore::Core;
use crate::sqe::Sqe;

/// The arguments of a call.
struct Arguments<'a, 'py> {
    py: Python<'py>,
    all: &'a [*mut PyObject],
}

impl<'a, 'py> Arguments<'a, 'py> {
    /// TypeError for another number of arguments.
    #[inline]
    fn exactly(&self, count: usize) -> PyResult<()> {
        if self.all.len() == count {
            return Ok(());
        }
        let found = self.all.len();
        Err(PyTypeError::new_err(format!(
            "{count} arguments are required, not {found}"
        )))
    }

    #[inline]
    fn object(&self, index: usize) -> pyo3::Borrowed<'a, 'py, PyAny> {
        // SAFETY: borrowed from the caller, who holds them through the call.
        unsafe { pyo3::Borrowed::from_ptr(self.py, self.all[index]) }
    }

    #[inline]
    fn ring(&self, index: usize) -> PyResult<Bound<'py, Core>> {
        native(of::<Handle>(&self.object(index), &RING, "a Ring")?)
    }

    #[inline]
    fn number(&self, index: usize) -> PyResult<u32> {
        Ok(self.object(index).extract::<U32>()?.0)
    }
}

/// Runs the body of a C function: errors become exceptions, and no panic
/// leaves it.
#[inline]
fn run(
    args: *const *mut PyObject,
    count: usize,
    body: impl FnOnce(Arguments<'_, '_>) -> PyResult<*mut PyObject>,
) -> *mut PyObject {
    let all = if count == 0 {
        &[]
    } else {
        // SAFETY: the interpreter passes that many objects.
        unsafe { std::slice::from_raw_parts(args, count) }
    };
    guarded(std::ptr::null_mut(), |py| body(Arguments { py, all }))
}

#[inline]
fn none() -> PyResult<*mut PyObject> {
    Ok(usual::none())
}

unsafe extern "C" fn get_sqe(_: *mut PyObject, ring: *mut PyObject) -> *mut PyObject {
    // SAFETY: the interpreter passes an object and holds its lock.
    if let Some(entry) = unsafe { usual::get_sqe(ring) } {
        return entry;
    }
    run(&raw const ring, 1, |args| {
        match args.ring(0)?.get().lock(args.py)?.get_sqe(args.py)? {
            Some(entry) => Ok(entry.into_ptr()),
            None => none(),
        }
    })
}

unsafe extern "C" fn prep_nop(_: *mut PyObject, sqe: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    if let Some(done) = unsafe { usual::prep_nop(sqe) } {
        return done;
    }
    run(&raw const sqe, 1, |args| {
        let object = args.object(0);
        let sqe = of::<Sqe>(&object, &SQE, "an SQE")?;
        let mut entry = sqe.get().entry.lock(args.py)?;
        entry.prepare(Default::default(), anyring::prep::prep_nop)?;
        none()
    })
}

unsafe extern "C" fn submit(_: *mut PyObject, ring: *mut PyObject) -> *mut PyObject {
    guarded(std::ptr::null_mut(), |py| {
        // SAFETY: an object the interpreter passes; what it holds is held by
        // us too before any code of a program can run.
        let core = match unsafe { usual_core(py, ring) } {
            Some(core) => core.bind(py).clone(),
            None => {
                // SAFETY: as above.
                let ring = unsafe { pyo3::Borrowed::from_ptr(py, ring) };
                native(of::<Handle>(&ring, &RING, "a Ring")?)?
            }
        };
        number(core.get().lock(py)?.submit(py, 0)?.into())
    })
}

unsafe extern "C" fn submit_and_wait(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    run(args, count as usize, |args| {
        args.exactly(2)?;
        let wait = args.number(1)?;
        number(
            args.ring(0)?
                .get()
                .lock(args.py)?
                .submit(args.py, wait)?
                .into(),
        )
    })
}

/// Fills a Cqe when `ready` says that enough is there; otherwise it is empty.
#[inline]
fn find(args: &Arguments<'_, '_>, wait: Option<usize>) -> PyResult<*mut PyObject> {
    let core = args.ring(0)?;
    let place = args.object(1);
    let found = of::<Found>(&place, &FOUND, "a Cqe")?;
    match look(args.py, &core, wait) {
        Ok(mut state) if state.ready() > 0 => {
            found.get().fill(&core, &mut state)?;
            signed(0)
        }
        other => {
            found.get()._empty(args.py)?;
            if other?.is_old() {
                return signed(-libc::EAGAIN);
            }
            Err(nothing())
        }
    }
}

/// The ring when the wait is over, None for a peek.
#[inline]
fn look<'a>(
    py: Python<'a>,
    core: &'a Bound<'_, Core>,
    wait: Option<usize>,
) -> PyResult<Held<'a, State>> {
    let mut state = core.get().lock(py)?;
    match wait {
        Some(count) if state.ready() >= count && count > 0 => {
            state.queue()?;
        }
        Some(count) => {
            state.wait(py, count, None, 0, None)?;
        }
        None => {
            state.peek()?;
        }
    }
    Ok(state)
}

#[cold]
fn nothing() -> PyErr {
    PyBlockingIOError::new_err((libc::EAGAIN, "Resource temporarily unavailable"))
}

unsafe extern "C" fn wait_cqe(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    if count == 2 {
        // SAFETY: two arguments, and the interpreter's lock is held.
        if let Some(found) = unsafe { usual::wait_cqe(*args, *args.add(1)) } {
            return found;
        }
    }
    run(args, count as usize, |args| {
        args.exactly(2)?;
        find(&args, Some(1))
    })
}

unsafe extern "C" fn wait_cqe_nr(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    run(args, count as usize, |args| {
        args.exactly(3)?;
        let wait = args.number(2)?;
        find(&args, Some(wait as usize))
    })
}

unsafe extern "C" fn peek_cqe(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    run(args, count as usize, |args| {
        args.exactly(2)?;
        find(&args, None)
    })
}

unsafe extern "C" fn cqe_seen(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    if count == 2 {
        // SAFETY: two arguments, and the interpreter's lock is held.
        if let Some(done) = unsafe { usual::cqe_seen(*args, *args.add(1)) } {
            return done;
        }
    }
    run(args, count as usize, |args| {
        args.exactly(2)?;
        let cqe = args.object(1);
        if !CQE.is(cqe) && !cqe.is_instance_of::<Cqe>() {
            of::<Found>(&cqe, &FOUND, "a completion")?;
        }
        args.ring(0)?.get().lock(args.py)?.advance(1)?;
        none()
    })
}

unsafe extern "C" fn cq_advance(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    run(args, count as usize, |args| {
        args.exactly(2)?;
        let count = args.number(1)?;
        args.ring(0)?
            .get()
            .lock(args.py)?
            .advance_far(count as usize)?;
        none()
    })
}

/// Tags an entry with what `read` makes of the second argument.
#[inline]
fn tag(
    args: *mut *mut PyObject,
    count: Py_ssize_t,
    read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<u64>,
) -> *mut PyObject {
    run(args, count as usize, |args| {
        args.exactly(2)?;
        let object = args.object(0);
        let sqe = of::<Sqe>(&object, &SQE, "an SQE")?;
        let data = read(&args.object(1))?;
        sqe.get().entry.lock(args.py)?.open()?.raw.user_data = data;
        none()
    })
}

unsafe extern "C" fn set_data64(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    tag(args, count, |data| Ok(data.extract::<Int<u64>>()?.0))
}

unsafe extern "C" fn set_data(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    tag(args, count, |data| Ok(data.extract::<Tag>()?.0))
}

/// One argument, or several.
#[derive(Clone, Copy)]
enum Call {
    One(ffi::PyCFunction),
    Several(ffi::PyCFunctionFast),
}

/// Name, call, and documentation with the signature.
const CALLS: &[(&CStr, Call, &CStr)] = &[
    (
        c"io_uring_get_sqe",
        Call::One(get_sqe),
        c"io_uring_get_sqe(ring, /)\n--\n\nA fresh entry, None when the queue is full.",
    ),
    (
        c"io_uring_prep_nop",
        Call::One(prep_nop),
        c"io_uring_prep_nop(sqe, /)\n--\n\nDoes nothing. Kernel 5.1.",
    ),
    (
        c"io_uring_submit",
        Call::One(submit),
        c"io_uring_submit(ring, /)\n--\n\nSubmits what was prepared; the number taken.\n\nRaises OSError as io_uring_enter(2) does.",
    ),
    (
        c"io_uring_submit_and_wait",
        Call::Several(submit_and_wait),
        c"io_uring_submit_and_wait(ring, wait_nr, /)\n--\n\nSubmits and waits for completions; the number taken.\n\nRaises OSError as io_uring_enter(2) does, InterruptedError after a signal.",
    ),
    (
        c"io_uring_wait_cqe",
        Call::Several(wait_cqe),
        c"io_uring_wait_cqe(ring, cqe, /)\n--\n\nWaits for one completion and fills the Cqe; 0.\n\nRaises InterruptedError after a signal whose handler did not raise.",
    ),
    (
        c"io_uring_wait_cqe_nr",
        Call::Several(wait_cqe_nr),
        c"io_uring_wait_cqe_nr(ring, cqe, wait_nr, /)\n--\n\nWaits for that many completions and fills the Cqe; 0.\n\nRaises BlockingIOError for none while none is ready.",
    ),
    (
        c"io_uring_peek_cqe",
        Call::Several(peek_cqe),
        c"io_uring_peek_cqe(ring, cqe_ptr, /)\n--\n\nFills the Cqe with what is ready; 0.\n\nRaises BlockingIOError when nothing is; -11 on a ring of the older style.",
    ),
    (
        c"io_uring_cqe_seen",
        Call::Several(cqe_seen),
        c"io_uring_cqe_seen(ring, cqe, /)\n--\n\nGives the oldest completion back.",
    ),
    (
        c"io_uring_cq_advance",
        Call::Several(cq_advance),
        c"io_uring_cq_advance(ring, nr, /)\n--\n\nGives completions back, no more than are ready.",
    ),
    (
        c"io_uring_sqe_set_data64",
        Call::Several(set_data64),
        c"io_uring_sqe_set_data64(sqe, data, /)\n--\n\nTags the entry, 0 to 2**64-1.",
    ),
    (
        c"io_uring_sqe_set_data",
        Call::Several(set_data),
        c"io_uring_sqe_set_data(sqe, data, /)\n--\n\nTags the entry, 0 to 2**64-1; a negative number is taken modulo 2**64.",
    ),
];

/// Adds what this file has to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let name = module.name()?;
    for &(function, call, doc) in CALLS {
        let (pointer, flags) = match call {
            Call::One(call) => (ffi::PyMethodDefPointer { PyCFunction: call }, ffi::METH_O),
            Call::Several(call) => (
                ffi::PyMethodDefPointer {
                    PyCFunctionFast: call,
                },
                ffi::METH_FASTCALL,
            ),
        };
        let text = |text: &'static CStr| -> *const c_char { text.as_ptr() };
        // The interpreter refers to it as long as the function lives.
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: text(function),
            ml_meth: pointer,
            ml_flags: flags,
            ml_doc: text(doc),
        }));
        // SAFETY: a definition that is never freed, the module and its name.
        let object = unsafe {
            Bound::from_owned_ptr_or_err(
                module.py(),
                ffi::PyCFunction_NewEx(definition, module.as_ptr(), name.as_ptr()),
            )?
        };
        module.add(function.to_str()?, object)?;
    }
    Ok(())
}
