//! The handle of one operation.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyring_abi as abi;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTimeoutError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::engine::Engine;
use super::group::Group;
use super::message::Header;
use super::pool::Shared;
use crate::inflight::Token;
use crate::make;
use crate::trashcan::let_go;

/// The last completion came.
const DONE: u8 = 1;
/// The program knows: from result(), exception() or completions().
const TOLD: u8 = 2;
/// Nobody will ask.
const DETACHED: u8 = 4;
/// The linked timeout ended it.
const LATE: u8 = 8;

/// What the result of a successful operation is made of.
pub(super) enum Finish {
    /// The kernel's number.
    Number,
    /// The first bytes of memory nobody else has.
    Bytes(Py<PyBytes>),
    /// The bytes of a provided buffer, copied when it arrived.
    Selected(Arc<Shared>, Mutex<Option<Py<PyBytes>>>),
    /// Whether the time ran out.
    Timer,
    /// Whatever a function makes of the number.
    Call(Py<PyAny>),
    /// The same from a number and what the kernel wrote into a header.
    Header(Arc<Header>, Py<PyAny>),
}

/// A submitted operation: its result or exception, once it is done.
#[pyclass(module = "liburing", frozen)]
pub(crate) struct Operation {
    pub(super) engine: Py<Engine>,
    pub(super) token: Token,
    /// What the operation is called.
    #[pyo3(get)]
    pub(super) name: Py<PyString>,
    /// Whatever the program gave to know it by.
    #[pyo3(get)]
    pub(super) user_data: Option<Py<PyAny>>,
    /// The program's buffer, None when there is none.
    #[pyo3(get)]
    pub(super) buffer: Option<Py<PyAny>>,
    /// The path it is about.
    pub(super) subject: Option<Py<PyAny>>,
    pub(super) finish: Finish,
    pub(super) outcome: AtomicU64,
    pub(super) state: AtomicU8,
    /// The batch it was started in, until it is over.
    pub(super) group: Mutex<Option<Py<Group>>>,
}

impl Operation {
    fn has(&self, state: u8) -> bool {
        self.state.load(Ordering::Relaxed) & state != 0
    }

    /// Adds to the state; what it was. The interpreter lock makes this one
    /// step.
    fn set(&self, state: u8) -> u8 {
        let old = self.state.load(Ordering::Relaxed);
        self.state.store(old | state, Ordering::Relaxed);
        old
    }

    /// The kernel's number, once it is known.
    pub(super) fn number_if_done(&self) -> Option<i32> {
        self.has(DONE).then(|| self.res())
    }

    /// The token by which that ring's kernel has or had it; None on another.
    pub(super) fn token_on(&self, engine: &Bound<'_, Engine>) -> Option<Token> {
        self.engine.is(engine).then_some(self.token)
    }

    /// Whether it is in this batch.
    pub(super) fn is_in(&self, group: &Py<Group>) -> bool {
        let held = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().is_some_and(|held| held.is(group))
    }

    /// The batch it was in; it is over.
    pub(super) fn leave_group(&self) -> Option<Py<Group>> {
        self.group
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn res(&self) -> i32 {
        self.outcome.load(Ordering::Relaxed) as u32 as i32
    }

    fn cqe_flags(&self) -> u32 {
        (self.outcome.load(Ordering::Relaxed) >> 32) as u32
    }

    /// A completion; the notification of a zero-copy send carries no result.
    pub(super) fn complete(&self, py: Python<'_>, res: i32, flags: u32) {
        if flags & abi::IORING_CQE_F_NOTIF != 0 {
            return;
        }
        if let Finish::Selected(pool, bytes) = &self.finish {
            // Without memory for a copy it is copied when the result is asked for.
            if let Ok(Some(copy)) = pool.copy(py, res, flags) {
                let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
                *bytes = Some(copy.unbind());
            }
        }
        let outcome = u64::from(res as u32) | u64::from(flags) << 32;
        self.outcome.store(outcome, Ordering::Relaxed);
    }

    /// The completion of the linked timeout.
    pub(super) fn limited(&self, res: i32) {
        if res == -libc::ETIME {
            self.set(LATE);
        }
    }

    /// The last completion came; whether that is news.
    pub(super) fn end(&self) -> bool {
        self.set(DONE);
        !self.has(TOLD | DETACHED)
    }

    /// Tells the program; false when it knows.
    pub(super) fn tell(&self) -> bool {
        self.set(TOLD) & (TOLD | DETACHED) == 0
    }

    pub(super) fn untold(&self) -> bool {
        !self.has(TOLD | DETACHED)
    }

    /// Submits and waits unless it is done, and takes note that the program
    /// knows.
    fn await_done(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        if !self.has(DONE) {
            let mut engine = self.engine.bind(py).try_borrow_mut()?;
            engine.wait_until(py, timeout, |_| u32::from(!self.has(DONE)))?;
        }
        self.know(py);
        Ok(())
    }

    fn know(&self, py: Python<'_>) {
        if self.tell() {
            if let Ok(mut engine) = self.engine.bind(py).try_borrow_mut() {
                engine.stale += 1;
            }
        }
    }

    /// The error it ended with.
    pub(super) fn error(&self, py: Python<'_>) -> Option<PyErr> {
        let number = match self.res() {
            res if res >= 0 => return None,
            res => res.wrapping_neg(),
        };
        if number == libc::ETIME && matches!(self.finish, Finish::Timer) {
            return None;
        }
        let late = self.has(LATE) && matches!(number, libc::ECANCELED | libc::EINTR);
        let name = self.name.bind(py).to_string_lossy().into_owned();
        Some(named_error(py, &name, number, late, self.subject.as_ref()))
    }

    pub(super) fn value(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let res = self.res();
        match &self.finish {
            Finish::Number => Ok(make::integer(py, res.into())?.unbind()),
            Finish::Timer => Ok((res < 0).into_pyobject(py)?.to_owned().into_any().unbind()),
            Finish::Call(function) => {
                let number = make::integer(py, res.into())?;
                function.call1(py, make::tuple(py, [number])?)
            }
            Finish::Header(header, function) => header.finish(py, res, function),
            Finish::Selected(pool, bytes) => {
                let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
                if bytes.is_none() {
                    let copy = match pool.copy(py, res, self.cqe_flags())? {
                        Some(copy) => copy,
                        None => make::bytes(py, b"")?,
                    };
                    *bytes = Some(copy.unbind());
                }
                let bytes = bytes.as_ref().map(|bytes| bytes.clone_ref(py).into_any());
                bytes.ok_or_else(crate::reserve::short)
            }
            Finish::Bytes(bytes) => {
                let whole = bytes.bind(py).as_bytes();
                match usize::try_from(res).ok().and_then(|res| whole.get(..res)) {
                    Some(part) if part.len() < whole.len() => {
                        Ok(make::bytes(py, part)?.into_any().unbind())
                    }
                    _ => Ok(bytes.clone_ref(py).into_any()),
                }
            }
        }
    }
}

/// An OSError of the right subclass with the operation's name; `late` makes
/// it a TimeoutError.
pub(super) fn named_error(
    py: Python<'_>,
    name: &str,
    number: i32,
    late: bool,
    subject: Option<&Py<PyAny>>,
) -> PyErr {
    let number = if late { libc::ETIME } else { number };
    let reason = std::io::Error::from_raw_os_error(number).to_string();
    let reason = reason.split(" (os error").next().unwrap_or_default();
    let reason = if late { "the time is over" } else { reason };
    let text = format!("{name}: {reason}");
    let class = if late {
        py.get_type::<PyTimeoutError>()
    } else {
        py.get_type::<PyOSError>()
    };
    let subject = subject.filter(|_| !late);
    let subject = subject.map(|subject| subject.bind(py).clone());
    let error = make::error(&class, number, &text, subject);
    // An exception that cannot have it is an exception all the same.
    if let (Ok(name), Ok(names)) = (make::text(py, name), make::names(py)) {
        let _ = error.value(py).setattr(names.operation.bind(py), name);
    }
    error
}

impl Drop for Operation {
    fn drop(&mut self) {
        let_go(self.user_data.take());
        let_go(self.buffer.take());
        let_go(self.subject.take());
        match std::mem::replace(&mut self.finish, Finish::Number) {
            Finish::Selected(pool, bytes) => {
                let copied = bytes.into_inner().unwrap_or_else(PoisonError::into_inner);
                if copied.is_none() {
                    // A result that was never copied still has its buffer.
                    pool.recycle(
                        pool.chosen((*self.outcome.get_mut() >> 32) as u32)
                            .as_slice(),
                    );
                }
            }
            Finish::Call(function) | Finish::Header(_, function) => let_go(Some(function)),
            Finish::Number | Finish::Bytes(_) | Finish::Timer => {}
        }
    }
}

#[pymethods]
impl Operation {
    /// Whether the last completion came. Never waits.
    #[getter]
    fn done(&self) -> bool {
        self.has(DONE)
    }

    /// The kernel's number, `-errno` for a failure; RuntimeError before.
    #[getter(res)]
    fn number(&self) -> PyResult<i32> {
        if self.has(DONE) {
            return Ok(self.res());
        }
        Err(make::raised::<PyRuntimeError>("the operation is not done"))
    }

    /// `IORING_CQE_F_*` of the completion; RuntimeError before.
    #[getter]
    fn flags(&self) -> PyResult<u32> {
        self.number().map(|_| self.cqe_flags())
    }

    /// The result. Submits what was started and waits, at most `timeout`
    /// seconds.
    ///
    /// Raises OSError when the operation failed, with its name in
    /// `error.operation`; TimeoutError when the time is over, which leaves
    /// the operation in flight.
    #[pyo3(signature = (timeout=None))]
    fn result(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        self.await_done(py, timeout)?;
        match self.error(py) {
            Some(error) => Err(error),
            None => self.value(py),
        }
    }

    /// The OSError it failed with, or None. Waits as result() does.
    #[pyo3(signature = (timeout=None))]
    fn exception(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Py<PyAny>>> {
        self.await_done(py, timeout)?;
        Ok(self.error(py).map(|error| error.into_value(py).into_any()))
    }

    /// Waits until it is done, at most `timeout` seconds, and gives itself.
    ///
    /// Raises TimeoutError when the time is over; a failure only shows in
    /// result() and exception().
    #[pyo3(signature = (timeout=None))]
    fn wait(slf: Bound<'_, Self>, timeout: Option<f64>) -> PyResult<Bound<'_, Self>> {
        slf.get().await_done(slf.py(), timeout)?;
        Ok(slf)
    }

    /// Asks the kernel to cancel it; False when it is done already. A
    /// cancelled operation ends with ECANCELED, which takes a moment; one
    /// that cannot be stopped any more ends as it would have.
    fn cancel(&self, py: Python<'_>) -> PyResult<bool> {
        if self.has(DONE) {
            return Ok(false);
        }
        let mut engine = self.engine.bind(py).try_borrow_mut()?;
        engine.cancel_token(py, self.token)?;
        Ok(true)
    }

    /// Says that nobody will ask: completions() will not tell of it.
    fn detach(&self, py: Python<'_>) {
        if self.has(DONE) {
            self.know(py);
        }
        self.set(DETACHED);
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        super::alias(cls, item)
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let name = self.name.bind(py).to_string_lossy().into_owned();
        let text = if self.has(DONE) {
            format!("<Operation {name}: {}>", self.res())
        } else {
            format!("<Operation {name}: not done>")
        };
        make::text(py, &text)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.engine)?;
        visit.call(&self.user_data)?;
        visit.call(&self.buffer)?;
        visit.call(&self.subject)?;
        if let Ok(group) = self.group.try_lock() {
            visit.call(&*group)?;
        }
        match &self.finish {
            Finish::Call(function) | Finish::Header(_, function) => visit.call(function),
            _ => Ok(()),
        }
    }
}
