//! Multishot operations: one entry, many completions, an iterator.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use super::blocks::Blocks;
use super::engine::Engine;
use super::files::FixedFile;
use super::hold::Hold;
use super::operation::named_error;
use super::options::Options;
use super::pool::Shared;
use super::requests::Owner;
use crate::inflight::{Expect, Token};
use crate::make;
use crate::trashcan::let_go;

/// What a completion means.
pub(super) enum Kind {
    /// A new descriptor, or a slot of the table of files.
    Accept(bool),
    /// Ready events.
    Poll,
    /// A tick.
    Timer,
    /// Data in a buffer of the pool, as a copy or as a view.
    Data(Arc<Shared>, bool),
    /// Data in as many buffers of the pool as it took.
    Bundle(Arc<Shared>),
    /// A message with its header in a buffer of the pool.
    Message(Arc<Shared>, Parts),
}

/// Room in front of a message, and what makes a value of it.
pub(super) struct Parts {
    /// Bytes for the sender's address.
    pub(super) name: usize,
    /// Bytes for control data.
    pub(super) control: usize,
    /// Whether a message without data is the end.
    pub(super) ends: bool,
    /// Called with the data, the control data, the flags and the address.
    pub(super) finish: Py<PyAny>,
}

/// One completion.
struct Item {
    res: i32,
    flags: u32,
    /// The buffers of a bundle.
    buffers: Vec<u16>,
}

/// Bytes of the header the kernel puts in front of a message.
const HEADER: usize = size_of::<abi::io_uring_recvmsg_out>();

impl Kind {
    fn pool(&self) -> Option<&Arc<Shared>> {
        match self {
            Kind::Data(pool, _) | Kind::Bundle(pool) | Kind::Message(pool, _) => Some(pool),
            _ => None,
        }
    }
}

impl Parts {
    /// The value of what the kernel left in a buffer, and whether there was
    /// data in it.
    fn value(&self, py: Python<'_>, left: &[u8]) -> PyResult<(Py<PyAny>, bool)> {
        let word = |at: usize| {
            let bytes = left.get(at..at + 4).and_then(|four| four.try_into().ok());
            u32::from_ne_bytes(bytes.unwrap_or_default())
        };
        let part = |from: usize, length: usize| {
            let from = from.min(left.len());
            &left[from..left.len().min(from + length)]
        };
        let name = part(HEADER, self.name.min(word(0) as usize));
        let control = part(HEADER + self.name, self.control.min(word(4) as usize));
        let data = part(HEADER + self.name + self.control, usize::MAX / 2);
        let given = [
            make::bytes(py, data)?.into_any(),
            make::bytes(py, control)?.into_any(),
            make::integer(py, word(12).into())?,
            make::bytes(py, name)?.into_any(),
        ];
        let value = self.finish.call1(py, make::tuple(py, given)?)?;
        Ok((value, !data.is_empty()))
    }
}

struct State {
    items: Blocks<Item>,
    /// The token while the kernel has it.
    token: Option<Token>,
    /// No more will come, and why if that is an error.
    over: bool,
    cancelled: bool,
    /// It is among the news.
    queued: bool,
    /// Buffers behind views the program was given.
    lent: Vec<u16>,
    /// Times in a row that the pool was empty.
    starved: u32,
    ticks: u64,
    /// A message that there was no memory to take apart.
    left: Option<Py<PyBytes>>,
    /// A value that there was no memory to hand out.
    spare: Option<Py<PyAny>>,
}

/// A multishot operation: an iterator over what arrives.
#[pyclass(module = "liburing", frozen)]
pub(crate) struct Stream {
    engine: Py<Engine>,
    /// What the operation is called.
    #[pyo3(get)]
    name: Py<PyString>,
    /// Whatever the program gave to know it by.
    #[pyo3(get)]
    user_data: Option<Py<PyAny>>,
    kind: Kind,
    entry: io_uring_sqe,
    /// What the entry points to; the stream outlives the entry.
    _hold: Vec<Hold>,
    state: Mutex<State>,
}

impl Stream {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token while the kernel has it, and of which ring.
    pub(super) fn token_on(&self, engine: &Bound<'_, Engine>) -> Option<Token> {
        self.state().token.filter(|_| self.engine.is(engine))
    }

    /// A completion; whether that is news.
    pub(super) fn arrived(&self, res: i32, flags: u32, more: bool) -> bool {
        let mut state = self.state();
        if !more {
            state.token = None;
        }
        if state.cancelled && res == -libc::ECANCELED {
            state.over = true;
            return false;
        }
        let buffers = match &self.kind {
            Kind::Bundle(pool) if res >= 0 => pool.bundle(res, flags),
            _ => Vec::new(),
        };
        state.items.push_back(Item {
            res,
            flags,
            buffers,
        });
        !std::mem::replace(&mut state.queued, true)
    }

    /// Tells the program; false when there is nothing left to tell.
    pub(super) fn tell(&self) -> bool {
        let mut state = self.state();
        state.queued = false;
        !state.items.is_empty()
    }

    /// Whether it belongs among the news still.
    pub(super) fn untold(&self) -> bool {
        !self.state().items.is_empty()
    }

    /// Hands the entry to the ring.
    fn arm(slf: &Bound<'_, Self>, engine: &mut Engine) -> PyResult<()> {
        engine.ring()?;
        engine.make_room(1)?;
        let this = slf.get();
        let mut hold = Vec::new();
        if let Some(pool) = this.kind.pool() {
            hold.push(Hold::Pool(Arc::clone(pool)));
        }
        let key = engine.begin(hold)?;
        let token = engine.request(key, Expect::of(&this.entry), 0)?;
        engine.own(key, Owner::Stream(slf.clone().unbind()));
        let mut sqe = this.entry;
        sqe.user_data = token.tag();
        engine.pending.push(sqe);
        this.state().token = Some(token);
        Ok(())
    }

    /// The next value that is there already. Without memory for it, it stays.
    fn next_value(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        loop {
            let mut state = self.state();
            if let Some(value) = state.spare.take() {
                return Ok(Some(value));
            }
            if let (Kind::Message(_, parts), Some(left)) = (&self.kind, state.left.take()) {
                drop(state);
                return self.message(py, parts, left.into_bound(py));
            }
            let Some(item) = state.items.pop_front() else {
                return Ok(None);
            };
            let (res, flags) = (item.res, item.flags);
            // Puts it back where what it brought could not be made.
            let again = |item: Item| {
                move |error: PyErr| {
                    self.state().items.push_front(item);
                    error
                }
            };
            let last = flags & abi::IORING_CQE_F_MORE == 0;
            match &self.kind {
                Kind::Timer if res == -libc::ETIME => {
                    state.ticks += 1;
                    // The kernel ends it after the number of ticks asked for.
                    state.over = last && self.entry.off != 0;
                    let ticks = state.ticks as i64;
                    drop(state);
                    let value = make::integer(py, ticks).map_err(|error| {
                        self.state().ticks -= 1;
                        again(item)(error)
                    })?;
                    return Ok(Some(value.unbind()));
                }
                Kind::Data(..) | Kind::Bundle(_) | Kind::Message(..) if res == -libc::ENOBUFS => {
                    state.starved += 1;
                    continue;
                }
                _ if res < 0 => {
                    state.over = true;
                    if res == -libc::ECANCELED && state.cancelled {
                        return Ok(None);
                    }
                    drop(state);
                    let name = self.name.bind(py).to_string_lossy().into_owned();
                    return Err(named_error(py, &name, res.wrapping_neg(), false, None));
                }
                Kind::Data(pool, copy) => {
                    state.starved = 0;
                    let chosen = pool.chosen(flags);
                    if res == 0 {
                        state.over = true;
                        drop(state);
                        pool.recycle(chosen.as_slice());
                        return Ok(None);
                    }
                    if *copy {
                        drop(state);
                        if let Some(bytes) = pool.copy(py, res, flags).map_err(again(item))? {
                            return Ok(Some(bytes.into_any().unbind()));
                        }
                    } else if let Some(id) = chosen {
                        drop(state);
                        let view = pool.view(py, res, id).map_err(again(item))?;
                        self.state().lent.push(id);
                        return Ok(Some(view.unbind()));
                    }
                }
                Kind::Bundle(pool) => {
                    state.starved = 0;
                    state.over = res == 0;
                    drop(state);
                    let bytes = pool.copy_bundle(py, res, &item.buffers);
                    let bytes = bytes.map_err(again(item))?;
                    return Ok((res > 0).then(|| bytes.into_any().unbind()));
                }
                Kind::Message(pool, parts) => {
                    state.starved = 0;
                    drop(state);
                    let Some(left) = pool.copy(py, res, flags).map_err(again(item))? else {
                        continue;
                    };
                    return self.message(py, parts, left);
                }
                Kind::Accept(true) => {
                    drop(state);
                    let file = FixedFile::at(res as u32);
                    let file = Bound::new(py, file).map_err(again(item))?;
                    return Ok(Some(file.into_any().unbind()));
                }
                _ => {
                    drop(state);
                    let number = make::integer(py, res.into()).map_err(again(item))?;
                    return Ok(Some(number.unbind()));
                }
            }
        }
    }

    /// The value of a message that was copied out of its buffer; without memory for it,
    /// the copy stays.
    fn message(
        &self,
        py: Python<'_>,
        parts: &Parts,
        left: Bound<'_, PyBytes>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let (value, filled) = parts.value(py, left.as_bytes()).inspect_err(|error| {
            if error.is_instance_of::<PyMemoryError>(py) {
                self.state().left = Some(left.clone().unbind());
            }
        })?;
        if parts.ends && !filled {
            self.state().over = true;
            return Ok(None);
        }
        Ok(Some(value))
    }

    /// Gives back what was lent, as the program said it would not use it
    /// beyond this.
    fn return_lent(&self) {
        if let Kind::Data(pool, false) = &self.kind {
            let lent = std::mem::take(&mut self.state().lent);
            pool.recycle(&lent);
        }
    }

    pub(super) fn create(
        slf: &Bound<'_, Engine>,
        name: Bound<'_, PyString>,
        kind: Kind,
        mut entry: io_uring_sqe,
        hold: Vec<Hold>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<Stream>> {
        crate::given::permitted(&entry)?;
        let options = Options::read(Some(options))?;
        if options.timeout.is_some() {
            return Err(make::raised::<PyValueError>(
                "a multishot operation has no timeout",
            ));
        }
        let mut engine = slf.try_borrow_mut()?;
        if engine.chain.is_some() {
            return Err(make::raised::<PyValueError>(
                "a chain has no multishot operations",
            ));
        }
        options.apply(&mut entry);
        let stream = Stream {
            engine: slf.clone().unbind(),
            name: name.unbind(),
            user_data: options.user_data,
            kind,
            entry,
            _hold: hold,
            state: Mutex::new(State {
                items: Blocks::new(),
                token: None,
                over: false,
                cancelled: false,
                queued: false,
                lent: Vec::new(),
                starved: 0,
                ticks: 0,
                left: None,
                spare: None,
            }),
        };
        let stream = Bound::new(slf.py(), stream)?;
        Stream::arm(&stream, &mut engine)?;
        Ok(stream.unbind())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let_go(self.user_data.take());
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let items = std::mem::replace(&mut state.items, Blocks::new());
        let mut ids = std::mem::take(&mut state.lent);
        match &self.kind {
            Kind::Accept(false) => {
                for item in items.into_iter().filter(|item| item.res >= 0) {
                    // SAFETY: a descriptor nobody was told of.
                    unsafe { libc::close(item.res) };
                }
            }
            Kind::Data(pool, _) | Kind::Message(pool, _) => {
                ids.extend(items.into_iter().filter_map(|item| pool.chosen(item.flags)));
                pool.recycle(&ids);
            }
            Kind::Bundle(pool) => {
                ids.extend(items.into_iter().flat_map(|item| item.buffers));
                pool.recycle(&ids);
            }
            // A slot that nobody was told of stays taken until the table goes.
            Kind::Accept(true) | Kind::Poll | Kind::Timer => {}
        }
    }
}

#[pymethods]
impl Stream {
    /// Whether it is over and everything that arrived was taken.
    #[getter]
    fn done(&self) -> bool {
        let state = self.state();
        state.over && state.items.is_empty() && state.left.is_none() && state.spare.is_none()
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        let py = slf.py();
        let this = slf.get();
        this.return_lent();
        loop {
            if let Some(value) = this.next_value(py)? {
                return Ok(Some(value));
            }
            let (over, idle, starved) = {
                let state = this.state();
                (state.over, state.token.is_none(), state.starved)
            };
            if over || (idle && this.state().cancelled) {
                return Ok(None);
            }
            if starved > 1 {
                this.state().starved = 0;
                let name = this.name.bind(py).to_string_lossy().into_owned();
                return Err(named_error(py, &name, libc::ENOBUFS, false, None));
            }
            let mut engine = this.engine.bind(py).try_borrow_mut()?;
            if idle {
                Stream::arm(slf, &mut engine)?;
            }
            engine.wait_until(py, None, |_| u32::from(this.state().items.is_empty()))?;
            engine.stale += 1;
        }
    }

    /// What arrived since the last time, without waiting; goes on when the
    /// kernel had stopped. An error comes when everything before it was taken.
    fn take(slf: &Bound<'_, Self>) -> PyResult<Py<PyList>> {
        let py = slf.py();
        let this = slf.get();
        this.return_lent();
        let values = make::list(py)?;
        loop {
            let failed = {
                let state = this.state();
                let fatal = state.items.front().is_some_and(|Item { res, .. }| {
                    *res < 0 && *res != -libc::ETIME && *res != -libc::ENOBUFS
                });
                fatal && !values.is_empty()
            };
            if failed {
                break;
            }
            match this.next_value(py) {
                Ok(Some(value)) => {
                    if let Err(error) = values.append(&value) {
                        this.state().spare = Some(value);
                        if values.is_empty() {
                            return Err(error);
                        }
                        break;
                    }
                }
                Ok(None) => break,
                // What is in hand is handed out; the rest has stayed.
                Err(error) if error.is_instance_of::<PyMemoryError>(py) && !values.is_empty() => {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let again = {
            let state = this.state();
            !state.over && state.token.is_none() && !state.cancelled && state.items.is_empty()
        };
        if again {
            let mut engine = this.engine.bind(py).try_borrow_mut()?;
            Stream::arm(slf, &mut engine)?;
        }
        Ok(values.unbind())
    }

    /// Ends it: what arrived can still be taken, then the iteration stops.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        let token = {
            let mut state = self.state();
            state.cancelled = true;
            state.token
        };
        let mut engine = self.engine.bind(py).try_borrow_mut()?;
        if let Some(token) = token.filter(|_| engine.ring().is_ok()) {
            engine.cancel_token(py, token)?;
        }
        Ok(())
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.cancel(py)
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
        let state = self.state();
        let word = if state.over { "over" } else { "going on" };
        let text = format!("<Stream {name}: {word}, {} to take>", state.items.len());
        drop(state);
        make::text(py, &text)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.engine)?;
        if let Kind::Message(_, parts) = &self.kind {
            visit.call(&parts.finish)?;
        }
        if let Ok(state) = self.state.try_lock() {
            visit.call(&state.spare)?;
        }
        visit.call(&self.user_data)
    }
}
