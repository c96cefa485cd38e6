//! The future of an operation, as asyncio's tasks await it.

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PyStopIteration, PySystemExit};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::state::Proactor;
use crate::inflight::Token;
use crate::make;
use crate::trashcan::let_go;

pyo3::import_exception!(asyncio, CancelledError);
pyo3::import_exception!(asyncio, InvalidStateError);

/// How an operation has ended.
pub(super) enum Outcome {
    /// Not yet.
    Pending,
    /// With a result.
    Value(Py<PyAny>),
    /// With an OSError.
    Error(Py<PyAny>),
    /// Because its task was cancelled.
    Cancelled,
}

/// One operation in flight. Cancelling it asks the kernel to end it; it is
/// cancelled when the kernel has. What waits for it runs as soon as it has
/// ended, in the turn of the loop that took its completion, and not with a
/// handle of its own.
#[pyclass(module = "liburing._liburing.aio", weakref)]
pub(crate) struct Operation {
    event_loop: Option<Py<PyAny>>,
    ring: Option<Py<PyAny>>,
    token: Option<Token>,
    outcome: Outcome,
    message: Option<Py<PyAny>>,
    callbacks: Vec<(Py<PyAny>, Option<Py<PyAny>>)>,
    /// Set while a task is being told to wait for it.
    #[pyo3(get, set, name = "_asyncio_future_blocking")]
    blocking: bool,
}

impl Operation {
    /// The operation was queued with this token.
    pub(super) fn set_token(&mut self, token: Token) {
        self.token = Some(token);
    }

    fn cancelled_error(&self, py: Python<'_>) -> PyErr {
        match &self.message {
            Some(message) => CancelledError::new_err((message.clone_ref(py),)),
            None => CancelledError::new_err(()),
        }
    }

    fn value(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.outcome {
            Outcome::Pending => Err(InvalidStateError::new_err("Result is not set.")),
            Outcome::Value(value) => Ok(value.clone_ref(py)),
            Outcome::Error(error) => Err(PyErr::from_value(error.bind(py).clone())),
            Outcome::Cancelled => Err(self.cancelled_error(py)),
        }
    }
}

/// Ends an operation and runs what waits for it. Only exceptions that are to
/// end the loop come back.
pub(super) fn end(this: &Bound<'_, Operation>, outcome: Outcome) -> PyResult<()> {
    let py = this.py();
    let callbacks = {
        let mut operation = this.try_borrow_mut()?;
        operation.outcome = outcome;
        operation.token = None;
        operation.ring = None;
        std::mem::take(&mut operation.callbacks)
    };
    let mut ending = None;
    for (callback, context) in callbacks {
        let called = match context {
            Some(context) => {
                context.call_method1(py, make::names(py)?.run.bind(py), (callback, this))
            }
            None => callback.call1(py, (this,)),
        };
        if let Err(error) = called {
            if error.is_instance_of::<PyKeyboardInterrupt>(py)
                || error.is_instance_of::<PySystemExit>(py)
            {
                ending = Some(error);
            } else {
                error.write_unraisable(py, Some(this));
            }
        }
    }
    ending.map_or(Ok(()), Err)
}

#[pymethods]
impl Operation {
    #[new]
    fn new(event_loop: Py<PyAny>, ring: Py<PyAny>) -> Self {
        Operation {
            event_loop: Some(event_loop),
            ring: Some(ring),
            token: None,
            outcome: Outcome::Pending,
            message: None,
            callbacks: Vec::new(),
            blocking: false,
        }
    }

    /// The loop it belongs to.
    fn get_loop(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.event_loop
            .as_ref()
            .map(|event_loop| event_loop.clone_ref(py))
    }

    /// Whether it has ended, cancelled or not.
    fn done(&self) -> bool {
        !matches!(self.outcome, Outcome::Pending)
    }

    /// Whether it was cancelled, and has ended.
    fn cancelled(&self) -> bool {
        matches!(self.outcome, Outcome::Cancelled)
    }

    /// Its result; raises what it ended with.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py)
    }

    /// The exception it ended with, or None.
    fn exception(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match &self.outcome {
            Outcome::Error(error) => Ok(Some(error.clone_ref(py))),
            Outcome::Value(_) => Ok(None),
            Outcome::Pending => Err(InvalidStateError::new_err("Exception is not set.")),
            Outcome::Cancelled => Err(self.cancelled_error(py)),
        }
    }

    /// Has callback(self) called, in a context, when it has ended.
    #[pyo3(signature = (callback, *, context=None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        callback: Py<PyAny>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let mut operation = slf.try_borrow_mut()?;
        if matches!(operation.outcome, Outcome::Pending) {
            operation.callbacks.push((callback, context));
            return Ok(());
        }
        let Some(event_loop) = operation.get_loop(slf.py()) else {
            return Ok(());
        };
        drop(operation);
        let call_soon = event_loop
            .bind(slf.py())
            .getattr(make::names(slf.py())?.call_soon.bind(slf.py()))?;
        match context {
            Some(context) => {
                let options = make::dict(slf.py())?;
                options.set_item(make::names(slf.py())?.context.bind(slf.py()), context)?;
                call_soon.call((callback, slf), Some(&options))?;
            }
            None => drop(call_soon.call1((callback, slf))?),
        }
        Ok(())
    }

    /// Takes a callback back; how often it was there.
    fn remove_done_callback(&mut self, callback: &Bound<'_, PyAny>) -> PyResult<usize> {
        let before = self.callbacks.len();
        let mut kept = Vec::new();
        for (known, context) in self.callbacks.drain(..) {
            if !callback.eq(&known)? {
                kept.push((known, context));
            }
        }
        self.callbacks = kept;
        Ok(before - self.callbacks.len())
    }

    /// Asks the kernel to end it; False if it has ended or cannot be.
    #[pyo3(signature = (msg=None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        let py = slf.py();
        let (token, ring, event_loop) = {
            let mut operation = slf.try_borrow_mut()?;
            let (Some(token), Some(ring)) = (operation.token, &operation.ring) else {
                return Ok(false);
            };
            let ring = ring.bind(py).clone();
            operation.message = msg;
            (token, ring, operation.get_loop(py))
        };
        let proactor = ring.getattr(make::names(py)?.proactor.bind(py))?;
        let proactor = proactor.cast::<Proactor>()?;
        let asked = proactor.try_borrow_mut()?.cancel(token)?;
        if asked {
            ring.call_method1(make::names(py)?.wake.bind(py), (event_loop,))?;
        }
        Ok(true)
    }

    /// From now on it ends by itself only.
    fn protect(&mut self) {
        self.token = None;
    }

    fn __await__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Py<Self>> {
        let mut operation = slf.try_borrow_mut()?;
        if !matches!(operation.outcome, Outcome::Pending) {
            let value = operation.value(slf.py())?;
            return Err(PyStopIteration::new_err((value,)));
        }
        if operation.blocking {
            return Err(make::raised::<PyRuntimeError>(
                "await wasn't used with future",
            ));
        }
        operation.blocking = true;
        drop(operation);
        Ok(slf.clone().unbind())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.ring)?;
        visit.call(&self.message)?;
        for (callback, context) in &self.callbacks {
            visit.call(callback)?;
            visit.call(context)?;
        }
        match &self.outcome {
            Outcome::Value(value) | Outcome::Error(value) => visit.call(value),
            _ => Ok(()),
        }
    }

    fn __clear__(&mut self) {
        self.let_go();
    }
}

impl Operation {
    fn let_go(&mut self) {
        self.token = None;
        let_go(self.event_loop.take());
        let_go(self.ring.take());
        let_go(self.message.take());
        for (callback, context) in std::mem::take(&mut self.callbacks) {
            let_go(Some(callback));
            let_go(context);
        }
        // The module makes the results: none leads to another operation.
        self.outcome = Outcome::Cancelled;
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.let_go();
    }
}
