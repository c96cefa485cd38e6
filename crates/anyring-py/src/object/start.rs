//! Starting operations, one handle each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64};

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::engine::Engine;
use super::files::target;
use super::hold::{Hold, time};
use super::message::blank;
use super::operation::{Finish, Operation};
use super::options::Options;
use super::requests::{LIMITER, Owner};
use super::shape;
use crate::inflight::{Expect, Token};
use crate::make::Many;

/// An operation about to be started.
pub(super) struct Plan<'py> {
    pub(super) name: Bound<'py, PyString>,
    pub(super) sqe: io_uring_sqe,
    pub(super) hold: Vec<Hold>,
    pub(super) finish: Finish,
    pub(super) buffer: Option<Py<PyAny>>,
    pub(super) subject: Option<Py<PyAny>>,
}

impl<'py> Plan<'py> {
    pub(super) fn new(name: Bound<'py, PyString>, sqe: io_uring_sqe, hold: Vec<Hold>) -> Self {
        Plan {
            name,
            sqe,
            hold,
            finish: Finish::Number,
            buffer: None,
            subject: None,
        }
    }
}

impl Engine {
    /// Queues the operation and makes its handle.
    pub(super) fn launch(
        slf: &Bound<'_, Self>,
        plan: Plan<'_>,
        options: Options,
    ) -> PyResult<Py<Operation>> {
        let py = slf.py();
        crate::given::permitted(&plan.sqe)?;
        let mut engine = slf.try_borrow_mut()?;
        engine.ring()?;
        engine.make_room(2)?;
        let mut sqe = plan.sqe;
        let mut hold = plan.hold;
        options.apply(&mut sqe);
        let limit = options.timeout.map(time).transpose()?;
        let limit = limit.map(|limit| {
            let mut entry = blank(abi::IORING_OP_LINK_TIMEOUT, -1, false);
            entry.addr = (&raw const *limit) as u64;
            entry.len = 1;
            hold.push(Hold::Time(limit));
            entry
        });
        let key = engine.begin(hold)?;
        let token = engine.request(key, Expect::of(&sqe), 0)?;
        let limiter = match &limit {
            Some(_) => Some(engine.request(key, Expect::Once, LIMITER)?),
            None => None,
        };
        let made = Py::new(
            py,
            Operation {
                engine: slf.clone().unbind(),
                token,
                name: plan.name.unbind(),
                user_data: options.user_data,
                buffer: plan.buffer,
                subject: plan.subject,
                finish: plan.finish,
                outcome: AtomicU64::new(0),
                state: AtomicU8::new(0),
                group: Mutex::new(engine.group.as_ref().map(|group| group.clone_ref(py))),
            },
        );
        let handle = made.inspect_err(|_| drop(engine.requests.unshare(key)))?;
        if let Some(group) = &engine.group {
            let joined = group.get().join(handle.clone_ref(py));
            if let Err(error) = joined {
                drop(engine.requests.unshare(key));
                return Err(error);
            }
        }
        engine.own(key, Owner::Operation(handle.clone_ref(py)));
        let chain = engine.chain.as_ref().map_or(0, |chain| chain.flag);
        sqe.user_data = token.tag();
        sqe.flags |= chain;
        if let (Some(mut entry), Some(limiter)) = (limit, limiter) {
            sqe.flags |= 1 << abi::IOSQE_IO_LINK_BIT;
            entry.flags = chain;
            entry.user_data = limiter.tag();
            engine.pending.push(sqe);
            engine.pending.push(entry);
        } else {
            engine.pending.push(sqe);
        }
        Ok(handle)
    }

    /// Cancels what has a token, at once.
    pub(super) fn cancel_token(&mut self, py: Python<'_>, token: Token) -> PyResult<()> {
        self.flush(py, 0)?;
        let mut sqe = blank(abi::IORING_OP_ASYNC_CANCEL, -1, false);
        sqe.addr = token.tag();
        sqe.user_data = self.nobodys()?.tag();
        self.pending.push(sqe);
        self.flush(py, 0)?;
        self.harvest(py, true)?;
        Ok(())
    }
}

#[pymethods]
impl Engine {
    /// Starts an operation. `addr`, `off` and `addr3` are what the operation
    /// has there: a number, or an object for an address; see `shape`.
    fn start(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        opcode: u32,
        fd: &Bound<'_, PyAny>,
        addr: &Bound<'_, PyAny>,
        length: u32,
        off: &Bound<'_, PyAny>,
        op_flags: u32,
        addr3: &Bound<'_, PyAny>,
        ioprio: u16,
        file_index: u32,
        finish: Option<Py<PyAny>>,
        subject: Option<Py<PyAny>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Operation>> {
        let mut hold = Vec::new();
        let target = target(fd, &mut hold)?;
        let mut sqe = blank(opcode, target.fd, target.fixed);
        sqe.len = length;
        sqe.op_flags = op_flags;
        sqe.ioprio = ioprio;
        sqe.file_index = file_index;
        shape::place(slf, &mut sqe, addr, off, addr3, &mut hold)?;
        let mut plan = Plan::new(name, sqe, hold);
        if let Some(function) = finish {
            plan.finish = Finish::Call(function);
        }
        plan.subject = subject;
        Engine::launch(slf, plan, Options::read(Some(options))?)
    }

    /// A timer of `seconds`, or until `count` other completions.
    fn timer(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        seconds: f64,
        count: u64,
        flags: u32,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Operation>> {
        let (mut sqe, hold) = timer_entry(seconds, count, flags)?;
        if slf.try_borrow()?.chain.is_some() {
            // In a chain the end of the time is what was wanted.
            sqe.op_flags |= abi::IORING_TIMEOUT_ETIME_SUCCESS;
        }
        let mut plan = Plan::new(name, sqe, hold);
        plan.finish = Finish::Timer;
        Engine::launch(slf, plan, Options::read(Some(options))?)
    }

    /// Sets a timer of this ring anew.
    fn timer_update(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        timer: &Bound<'_, Operation>,
        seconds: f64,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Operation>> {
        let operation = timer.get();
        if !operation.engine.is(slf) || !matches!(operation.finish, Finish::Timer) {
            return Err(crate::make::raised::<PyValueError>(
                "not a timer of this ring",
            ));
        }
        let limit = time(seconds)?;
        let mut sqe = blank(abi::IORING_OP_TIMEOUT_REMOVE, -1, false);
        sqe.addr = operation.token.tag();
        sqe.off = (&raw const *limit) as u64;
        sqe.op_flags = abi::IORING_TIMEOUT_UPDATE;
        let plan = Plan::new(name, sqe, vec![Hold::Time(limit)]);
        Engine::launch(slf, plan, Options::read(Some(options))?)
    }

    /// Waits until one of the futexes `(memory, value, flags)` changes.
    fn futex_waitv(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        futexes: Many<(Bound<'_, PyAny>, u64, u32)>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Operation>> {
        let Many(futexes) = futexes;
        let mut keep = Vec::new();
        let mut list = crate::reserve::room(futexes.len())?;
        for (memory, value, flags) in &futexes {
            let (address, length) = crate::keep::pin(memory, false, &mut keep)?;
            shape::futex(address, length, *flags)?;
            list.push([*value, address, u64::from(*flags)]);
        }
        let list = list.into_boxed_slice();
        let mut sqe = blank(abi::IORING_OP_FUTEX_WAITV, 0, false);
        sqe.addr = list.as_ptr() as u64;
        sqe.len = list.len() as u32;
        let hold = vec![Hold::Buffers(keep), Hold::Futexes(list)];
        Engine::launch(
            slf,
            Plan::new(name, sqe, hold),
            Options::read(Some(options))?,
        )
    }
}

/// The entry of a timer and the time it points to.
pub(super) fn timer_entry(
    seconds: f64,
    count: u64,
    flags: u32,
) -> PyResult<(io_uring_sqe, Vec<Hold>)> {
    let limit = time(seconds)?;
    let mut sqe = blank(abi::IORING_OP_TIMEOUT, -1, false);
    sqe.addr = (&raw const *limit) as u64;
    sqe.len = 1;
    sqe.off = count;
    sqe.op_flags = flags;
    Ok((sqe, vec![Hold::Time(limit)]))
}
