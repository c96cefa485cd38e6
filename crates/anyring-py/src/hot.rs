//! The calls a program makes for every operation, without anything between
//! them and the interpreter: plain C functions in the vectorcall convention.

use pyo3::exceptions::{PyBlockingIOError, PyTypeError};
use pyo3::ffi::{Py_ssize_t, PyObject};
use pyo3::prelude::*;

mod table;
mod transfer;
mod usual;

pub(crate) use table::add;
pub(crate) use transfer::general;

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
        Err(crate::make::raised::<PyTypeError>(format!(
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
    let message = "Resource temporarily unavailable";
    Python::attach(|py| {
        let class = py.get_type::<PyBlockingIOError>();
        crate::make::error(&class, libc::EAGAIN, message, None)
    })
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
