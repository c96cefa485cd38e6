//! Operations of any kind, started together, with one handle for all.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyring_abi as abi;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyIndexError, PyRuntimeError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMemoryView, PyTuple};

use super::batch::UNKNOWN;
use super::engine::{Engine, News};
use super::message::blank;
use super::operation::Operation;
use super::requests::Owner;
use crate::make;
use crate::reserve::{giving_up, room, short};
use crate::trashcan::let_go;

/// Nothing more will be started.
const COMPLETE: u8 = 1;
/// The program knows that all are done.
const TOLD: u8 = 2;

/// Operations that were started in one `Ring.batch()`.
#[pyclass(module = "liburing", frozen)]
pub(crate) struct Group {
    engine: Py<Engine>,
    /// Whatever the program gave to know it by.
    #[pyo3(get)]
    user_data: Option<Py<PyAny>>,
    operations: Mutex<Vec<Py<Operation>>>,
    /// How many have not ended.
    left: AtomicU32,
    state: AtomicU8,
}

impl Drop for Group {
    fn drop(&mut self) {
        let_go(self.user_data.take());
    }
}

impl Group {
    fn list(&self) -> MutexGuard<'_, Vec<Py<Operation>>> {
        self.operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn each(&self, py: Python<'_>) -> PyResult<Vec<Py<Operation>>> {
        let operations = self.list();
        let mut each = room(operations.len())?;
        each.extend(operations.iter().map(|each| each.clone_ref(py)));
        Ok(each)
    }

    fn has(&self, state: u8) -> bool {
        self.state.load(Ordering::Relaxed) & state != 0
    }

    /// Takes one more; MemoryError where there is no room for it.
    pub(super) fn join(&self, operation: Py<Operation>) -> PyResult<()> {
        let mut operations = self.list();
        if operations.len() == operations.capacity() {
            giving_up(|| operations.try_reserve(1)).map_err(|_| short())?;
        }
        operations.push(operation);
        self.left.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// One of them ended; whether it was the last.
    pub(super) fn one_ended(&self) -> bool {
        self.left.fetch_sub(1, Ordering::Relaxed) == 1 && self.has(COMPLETE)
    }

    fn over(&self) -> bool {
        self.has(COMPLETE) && self.left.load(Ordering::Relaxed) == 0
    }

    /// Tells the program; false when it knows.
    pub(super) fn tell(&self) -> bool {
        self.state.fetch_or(TOLD, Ordering::Relaxed) & TOLD == 0
    }

    pub(super) fn untold(&self) -> bool {
        !self.has(TOLD)
    }

    fn await_done(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        if !self.has(COMPLETE) {
            return Err(make::raised::<PyRuntimeError>(
                "the batch is not complete: leave batch() first",
            ));
        }
        if !self.over() {
            let mut engine = self.engine.bind(py).try_borrow_mut()?;
            engine.wait_until(py, timeout, |_| self.left.load(Ordering::Relaxed))?;
        }
        if self.tell() {
            if let Ok(mut engine) = self.engine.bind(py).try_borrow_mut() {
                engine.stale += 1;
            }
        }
        Ok(())
    }

    /// The error of the operation at a place, which it carries.
    fn error(operation: &Operation, py: Python<'_>, index: usize) -> Option<PyErr> {
        let error = operation.error(py)?;
        // An exception that cannot have it is an exception all the same.
        make::mark(&error, py, index);
        Some(error)
    }
}

#[pymethods]
impl Group {
    /// Always "batch".
    #[getter]
    fn name(&self) -> &'static str {
        "batch"
    }

    /// Whether all of them are done. Never waits.
    #[getter]
    fn done(&self) -> bool {
        self.over()
    }

    /// How many are not done yet.
    #[getter]
    fn remaining(&self) -> u32 {
        self.left.load(Ordering::Relaxed)
    }

    /// Their handles, in the order in which they were started.
    #[getter]
    fn operations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let list = make::list(py)?;
        for operation in self.each(py)? {
            list.append(operation)?;
        }
        make::frozen(&list)
    }

    /// The kernel's numbers, `-errno` for a failure, in the order in which they
    /// were started: a view of 32-bit integers. -2**31 for what is not done.
    /// Never waits, never raises.
    #[getter]
    fn results<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let operations = self.list();
        let mut numbers = room(operations.len() * 4)?;
        for operation in operations.iter() {
            let number = operation.get().number_if_done().unwrap_or(UNKNOWN);
            numbers.extend_from_slice(&number.to_ne_bytes());
        }
        drop(operations);
        let numbers = crate::make::bytes(py, &numbers)?;
        PyMemoryView::from(numbers.as_any())?.call_method1(
            make::names(py)?.cast.bind(py),
            (make::names(py)?.i.bind(py),),
        )
    }

    /// Submits what was started, waits for all of them, at most `timeout`
    /// seconds, and gives the list of their results.
    ///
    /// Raises the OSError of the first that failed, with the operation's name
    /// in `error.operation` and its place in `error.index`; TimeoutError when
    /// the time is over.
    #[pyo3(signature = (timeout=None))]
    fn result<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyList>> {
        self.await_done(py, timeout)?;
        let each = self.each(py)?;
        for (index, operation) in each.iter().enumerate() {
            if let Some(error) = Group::error(operation.get(), py, index) {
                return Err(error);
            }
        }
        let values = make::list(py)?;
        for operation in each {
            values.append(operation.get().value(py)?)?;
        }
        Ok(values)
    }

    /// Waits as result() does and gives itself; failures raise nothing.
    #[pyo3(signature = (timeout=None))]
    fn wait(slf: Bound<'_, Self>, timeout: Option<f64>) -> PyResult<Bound<'_, Self>> {
        slf.get().await_done(slf.py(), timeout)?;
        Ok(slf)
    }

    /// `{place: OSError}` of those that failed. Waits as result() does.
    #[pyo3(signature = (timeout=None))]
    fn errors<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyDict>> {
        self.await_done(py, timeout)?;
        let errors = make::dict(py)?;
        for (index, operation) in self.each(py)?.into_iter().enumerate() {
            if let Some(error) = Group::error(operation.get(), py, index) {
                errors.set_item(make::unsigned(py, index as u64)?, error.into_value(py))?;
            }
        }
        Ok(errors)
    }

    /// Asks the kernel to cancel all of them; False when they are done.
    fn cancel(&self, py: Python<'_>) -> PyResult<bool> {
        if self.over() {
            return Ok(false);
        }
        let mut engine = self.engine.bind(py).try_borrow_mut()?;
        engine.flush(py, 0)?;
        for operation in self.each(py)? {
            if operation.get().number_if_done().is_none() {
                let mut sqe = blank(abi::IORING_OP_ASYNC_CANCEL, -1, false);
                sqe.addr = operation.get().token.tag();
                sqe.user_data = engine.nobodys()?.tag();
                engine.pending.push(sqe);
            }
        }
        engine.flush(py, 0)?;
        engine.harvest(py, true)?;
        Ok(true)
    }

    fn __len__(&self) -> usize {
        self.list().len()
    }

    /// The result of one of them, which is done; its OSError if it failed.
    fn __getitem__(&self, py: Python<'_>, index: isize) -> PyResult<Py<PyAny>> {
        let each = self.each(py)?;
        let place = if index < 0 {
            index + each.len() as isize
        } else {
            index
        };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let operation = each
            .get(place)
            .ok_or_else(|| make::raised::<PyIndexError>("no such operation"))?
            .get();
        if operation.number_if_done().is_none() {
            return Err(make::raised::<PyRuntimeError>("the operation is not done"));
        }
        match Group::error(operation, py, place) {
            Some(error) => Err(error),
            None => operation.value(py),
        }
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let word = if self.over() { "done" } else { "not done" };
        make::text(py, &format!("<Group of {}: {word}>", self.list().len()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.engine)?;
        visit.call(&self.user_data)?;
        // Whoever has the list holds the interpreter lock: nobody does.
        if let Ok(operations) = self.operations.try_lock() {
            for operation in operations.iter() {
                visit.call(operation)?;
            }
        }
        Ok(())
    }
}

/// What there is to tell now that the operation is over.
#[inline]
pub(super) fn ended(handle: Py<Operation>) -> Option<News> {
    let fresh = handle.get().end();
    match handle.get().leave_group() {
        Some(group) => {
            let last = group.get().one_ended();
            last.then_some(News::Group(group))
        }
        None => fresh.then_some(News::Operation(handle)),
    }
}

#[pymethods]
impl Engine {
    /// Begins a batch of whatever is started from here on.
    fn group_begin(slf: &Bound<'_, Self>, user_data: Option<Py<PyAny>>) -> PyResult<Py<Group>> {
        let mut engine = slf.try_borrow_mut()?;
        engine.ring()?;
        if engine.group.is_some() {
            return Err(make::raised::<PyRuntimeError>(
                "a batch cannot contain a batch",
            ));
        }
        let group = Group {
            engine: slf.clone().unbind(),
            user_data,
            operations: Mutex::new(Vec::new()),
            left: AtomicU32::new(0),
            state: AtomicU8::new(0),
        };
        let group = Py::new(slf.py(), group)?;
        engine.group = Some(group.clone_ref(slf.py()));
        Ok(group)
    }

    /// Ends it; without `keep` what the kernel has not got yet is taken back.
    fn group_end(&mut self, py: Python<'_>, keep: bool) {
        let Some(group) = self.group.take() else {
            return;
        };
        group.get().state.fetch_or(COMPLETE, Ordering::Relaxed);
        if !keep {
            let mut taken = Vec::new();
            let requests = &self.requests;
            self.pending.retain(|sqe| {
                let started = requests.share_of(sqe.user_data);
                let ours = started.is_some_and(|started| match &started.owner {
                    Owner::Operation(handle) => handle.get().is_in(&group),
                    _ => false,
                });
                if ours {
                    taken.push(sqe.user_data);
                }
                !ours
            });
            for token in taken {
                self.abandon(py, token);
            }
        } else if group.get().over() {
            // Empty, or done before the block was.
            self.news.push_back(News::Group(group));
        }
    }
}
