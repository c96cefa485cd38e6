//! The hot half of a stream transport, and what it sends: data written goes
//! with the next submission.

use std::collections::VecDeque;

use anyring::prep;
use anyring_abi as abi;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};

use super::done::Hold;
use super::receive::Held;
use super::state::{Kind, Proactor, blank};
use crate::core::generation;
use crate::inflight::{Expect, Token};
use crate::make;
use crate::reserve::{giving_up, short};
use crate::trashcan::let_go;

/// From this many bytes on, what is written is sent at once.
const LARGE: usize = 64 << 10;
/// Small writes are sent together up to about this many bytes.
const TOGETHER: usize = 128 << 10;

/// A piece of data that is being sent.
pub(crate) struct Sending {
    data: Py<PyBytes>,
    start: usize,
    end: usize,
}

impl Sending {
    /// Bytes not yet sent.
    pub(crate) fn length(&self) -> usize {
        self.end - self.start
    }
}

/// One connected stream socket. `owner` is the transport, which the rare
/// things are left to: `_on_eof()`, `_on_read_error(errno)`,
/// `_on_write_error(errno)`, `_on_receive_error(exception)`, `_on_sent()`,
/// `_on_refused(data)`, `_maybe_pause_protocol()`.
#[pyclass(module = "liburing._liburing.aio")]
pub(crate) struct Stream {
    pub(super) proactor: Option<Py<Proactor>>,
    pub(super) owner: Option<Py<PyAny>>,
    /// Runs a function in the context of the transport.
    pub(super) run: Option<Py<PyAny>>,
    pub(super) protocol: Option<Py<PyAny>>,
    /// What gets the bytes instead of the protocol's `data_received`.
    pub(super) feed: Option<Py<PyAny>>,
    /// -1 when its owner has closed the socket.
    pub(super) fd: i32,
    /// The process it belongs to.
    pub(super) process: u32,
    pub(super) receiving: Option<Token>,
    /// Receives of one piece each that have ended.
    pub(super) singles: u8,
    /// The next submission begins to receive.
    pub(super) arming: bool,
    pub(super) wants: bool,
    pub(super) paused: bool,
    /// Much is coming: it is received in large pieces, one at a time, so that
    /// it is copied once and a pause holds the sender up soon.
    pub(super) bulk: bool,
    pub(super) held: VecDeque<Held>,
    pub(super) chunks: VecDeque<Py<PyBytes>>,
    /// Bytes of the first chunk that are sent.
    pub(super) offset: usize,
    pub(super) dirty: bool,
    pub(super) sending: Option<Token>,
    /// Bytes written and not yet sent.
    #[pyo3(get)]
    pub(super) size: usize,
    /// Above this size the owner is asked to pause the protocol.
    #[pyo3(get, set)]
    pub(super) limit: usize,
    /// The owner is told when something was sent.
    #[pyo3(get, set)]
    pub(super) notice: bool,
    /// Writes go to the owner.
    #[pyo3(get, set)]
    pub(super) refuse: bool,
}

impl Stream {
    pub(super) fn proactor<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Proactor>> {
        self.proactor
            .as_ref()
            .map(|proactor| proactor.bind(py).clone())
    }

    pub(super) fn owner<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.owner.as_ref().map(|owner| owner.bind(py).clone())
    }

    /// Whether nothing is being sent that comes before what is written, and
    /// what is written is not the parent's of this process, too.
    fn may_send_now(&self) -> bool {
        self.sending.is_none() && self.process == generation()
    }

    /// Sends as much as the socket takes now.
    fn send_now(&mut self, py: Python<'_>) {
        while let Some(chunk) = self.chunks.front() {
            let data = &chunk.as_bytes(py)[self.offset..];
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: the bytes are valid for the call.
            let sent = unsafe { libc::send(self.fd, data.as_ptr().cast(), data.len(), flags) };
            // An error comes again with the next submission.
            let Ok(sent) = usize::try_from(sent) else {
                return;
            };
            self.size -= sent;
            if sent < data.len() {
                self.offset += sent;
                return;
            }
            self.chunks.pop_front();
            self.offset = 0;
        }
    }

    /// Takes the next piece to send off the queue.
    fn next_piece(&mut self, py: Python<'_>) -> Option<Sending> {
        let start = self.offset;
        let first = self.chunks.front()?.as_bytes(py).len();
        let (mut count, mut end) = (1, first - start);
        if end < LARGE {
            for next in self.chunks.iter().skip(1) {
                let length = next.as_bytes(py).len();
                if end + length > TOGETHER {
                    break;
                }
                (count, end) = (count + 1, end + length);
            }
        }
        if count > 1 {
            // Without memory to put them together the first goes alone.
            let whole = self.joined(py, count, start, end);
            if let Ok(data) = whole {
                drop(self.chunks.drain(..count));
                self.offset = 0;
                return Some(Sending {
                    data,
                    start: 0,
                    end,
                });
            }
        }
        self.offset = 0;
        let data = self.chunks.pop_front()?;
        Some(Sending {
            data,
            start,
            end: first,
        })
    }

    /// The first chunks, from `start` of the first one on: `length` bytes.
    fn joined(
        &self,
        py: Python<'_>,
        count: usize,
        start: usize,
        length: usize,
    ) -> PyResult<Py<PyBytes>> {
        let chunks = self.chunks.iter().take(count);
        let parts = chunks.map(|chunk| chunk.as_bytes(py));
        Ok(make::joined(py, parts, start, length)?.unbind())
    }

    fn mark_dirty(this: &Bound<'_, Self>) -> PyResult<()> {
        let mut stream = this.try_borrow_mut()?;
        if stream.dirty || stream.sending.is_some() {
            return Ok(());
        }
        if let Some(proactor) = stream.proactor(this.py()) {
            // Refused while another thread is in the kernel with the ring.
            proactor.try_borrow_mut()?.mark_dirty(this.clone().unbind());
            stream.dirty = true;
        }
        Ok(())
    }
}

#[pymethods]
impl Stream {
    /// The half of `owner` that sends and receives on the socket `fd`.
    #[new]
    fn new(proactor: Py<Proactor>, fd: i32, owner: Py<PyAny>, run: Py<PyAny>) -> Self {
        Stream {
            proactor: Some(proactor),
            owner: Some(owner),
            run: Some(run),
            protocol: None,
            feed: None,
            fd,
            process: generation(),
            receiving: None,
            singles: 0,
            arming: false,
            wants: false,
            paused: false,
            bulk: false,
            held: VecDeque::new(),
            chunks: VecDeque::new(),
            offset: 0,
            dirty: false,
            sending: None,
            size: 0,
            limit: LARGE,
            notice: false,
            refuse: false,
        }
    }

    /// Whose `data_received` gets the bytes that arrive, looked up each time;
    /// or `feed` gets them.
    #[pyo3(signature = (protocol, feed=None))]
    fn set_receiver(&mut self, protocol: Py<PyAny>, feed: Option<Py<PyAny>>) {
        self.protocol = Some(protocol);
        self.feed = feed;
    }

    /// Starts to receive.
    fn start_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.try_borrow_mut()?.wants = true;
        let proactor = slf.try_borrow()?.proactor(slf.py());
        match proactor {
            Some(proactor) => Stream::arm(slf, &mut *proactor.try_borrow_mut()?),
            None => Ok(()),
        }
    }

    /// Ends receiving for good.
    fn stop_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        {
            let mut stream = slf.try_borrow_mut()?;
            stream.wants = false;
            stream.held.clear();
        }
        Stream::end_receive(slf)
    }

    /// Nothing is handed out until `resume`, and nothing is received any more
    /// on return. What is written is sent as far as the socket takes it now:
    /// other code may be about to use it.
    fn pause(slf: &Bound<'_, Self>) -> PyResult<()> {
        {
            let mut stream = slf.try_borrow_mut()?;
            stream.paused = true;
            stream.singles = 0;
        }
        Stream::flush(slf)?;
        Stream::end_receive(slf)
    }

    /// Bytes that arrived before a `pause` and were not handed out.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let data = |held: &'_ Held| match held {
            Held::Data(data) => Some(data.as_bytes(py).len()),
            _ => None,
        };
        let (mut count, mut length) = (0, 0);
        for size in self.held.iter().map_while(data) {
            (count, length) = (count + 1, length + size);
        }
        let parts = self.held.iter().take(count).map(|held| match held {
            Held::Data(data) => data.as_bytes(py),
            _ => &[],
        });
        let taken = make::joined(py, parts, 0, length)?;
        drop(self.held.drain(..count));
        Ok(taken)
    }

    /// Sends what the socket takes now.
    fn flush(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let mut stream = slf.try_borrow_mut()?;
        if !stream.may_send_now() || stream.chunks.is_empty() {
            return Ok(());
        }
        stream.send_now(py);
        let owner = if stream.notice {
            stream.owner(py)
        } else {
            None
        };
        drop(stream);
        if let Some(owner) = owner {
            owner.call_method0(make::names(py)?.on_sent.bind(py))?;
        }
        Ok(())
    }

    /// The owner of the socket closes it: nothing of ours uses it from now on.
    fn let_go(slf: &Bound<'_, Self>) -> PyResult<()> {
        Stream::flush(slf)?;
        let (sending, proactor) = {
            let mut stream = slf.try_borrow_mut()?;
            stream.fd = -1;
            stream.wants = false;
            stream.held.clear();
            stream.chunks.clear();
            stream.offset = 0;
            stream.size = 0;
            (stream.sending.take(), stream.proactor(slf.py()))
        };
        if let (Some(token), Some(proactor)) = (sending, proactor) {
            proactor.try_borrow_mut()?.cancel_now(slf.py(), token)?;
        }
        Stream::end_receive(slf)
    }

    /// Takes up again what `pause` stopped.
    fn resume(slf: &Bound<'_, Self>) -> PyResult<()> {
        let proactor = {
            let mut stream = slf.try_borrow_mut()?;
            stream.paused = false;
            stream.proactor(slf.py())
        };
        let Some(proactor) = proactor else {
            return Ok(());
        };
        let mut proactor = proactor.try_borrow_mut()?;
        if slf.try_borrow()?.held.is_empty() {
            return Stream::arm(slf, &mut proactor);
        }
        proactor.hand_out(slf.clone().unbind());
        Ok(())
    }

    /// Sends data (bytes, bytearray or memoryview) with the next submission,
    /// large amounts at once.
    fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let mut stream = slf.try_borrow_mut()?;
        if stream.refuse {
            let owner = stream.owner(py);
            drop(stream);
            if let Some(owner) = owner {
                owner.call_method1(make::names(py)?.on_refused.bind(py), (data,))?;
            }
            return Ok(());
        }
        let chunk = match data.downcast_exact::<PyBytes>() {
            Ok(bytes) => bytes.clone(),
            Err(_) => copy(data)?,
        };
        let length = chunk.as_bytes().len();
        if length == 0 {
            return Ok(());
        }
        if giving_up(|| stream.chunks.try_reserve(1)).is_err() {
            return Err(short());
        }
        stream.size += length;
        stream.chunks.push_back(chunk.unbind());
        if stream.size >= LARGE && stream.sending.is_none() {
            stream.send_now(py);
        }
        let full = stream.size > stream.limit;
        let owner = if full { stream.owner(py) } else { None };
        let waiting = !stream.dirty && !stream.chunks.is_empty();
        drop(stream);
        if waiting {
            Stream::mark_dirty(slf)?;
        }
        if let Some(owner) = owner {
            owner.call_method0(make::names(py)?.maybe_pause_protocol.bind(py))?;
        }
        Ok(())
    }

    /// Drops what the socket does not take now.
    fn discard(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.may_send_now() {
            self.send_now(py);
        }
        self.chunks.clear();
        self.offset = 0;
        self.size = 0;
        match (self.sending.take(), self.proactor(py)) {
            (Some(token), Some(proactor)) => proactor.try_borrow_mut()?.push_cancel(token),
            _ => Ok(()),
        }
    }

    /// Lets go of everything, when the connection is lost.
    fn detach(&mut self) {
        self.wants = false;
        self.refuse = true;
        self.held.clear();
        self.chunks.clear();
        self.proactor = None;
        self.owner = None;
        self.protocol = None;
        self.feed = None;
        self.run = None;
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.proactor)?;
        visit.call(&self.owner)?;
        visit.call(&self.run)?;
        visit.call(&self.protocol)?;
        visit.call(&self.feed)
    }

    fn __clear__(&mut self) {
        self.detach();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let_go(self.owner.take());
        let_go(self.run.take());
        let_go(self.protocol.take());
        let_go(self.feed.take());
    }
}

fn copy<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    if let Ok(bytes) = data.downcast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    let view = data.get_type().name()?;
    if !data.is_instance_of::<PyByteArray>() && view != "memoryview" {
        return Err(make::raised::<PyTypeError>(format!(
            "data argument must be a bytes-like object, not '{view}'"
        )));
    }
    let bytes = py.get_type::<PyBytes>().call1((data,))?;
    Ok(bytes.downcast_into::<PyBytes>()?)
}

/// Gives a stream that has something to send an entry.
pub(crate) fn transmit(this: &Bound<'_, Stream>, proactor: &Bound<'_, Proactor>) -> PyResult<()> {
    let py = this.py();
    let mut stream = this.try_borrow_mut()?;
    if stream.sending.is_some() || stream.proactor.is_none() {
        stream.dirty = false;
        return Ok(());
    }
    // What is taken off the queue is sent: there is room to note that.
    proactor.try_borrow_mut()?.reserve()?;
    stream.dirty = false;
    let Some(piece) = stream.next_piece(py) else {
        return Ok(());
    };
    // Where nobody waits for the end of it, a send that goes well at once
    // needs no completion, so that the wait it is submitted with is not woken.
    let silent = !stream.notice && stream.chunks.is_empty();
    let token = submit(
        &stream,
        this,
        &mut *proactor.try_borrow_mut()?,
        piece,
        silent,
    )?;
    stream.sending = Some(token);
    Ok(())
}

fn submit(
    stream: &Stream,
    this: &Bound<'_, Stream>,
    proactor: &mut Proactor,
    piece: Sending,
    silent: bool,
) -> PyResult<Token> {
    let mut sqe = blank();
    let mut flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
    if silent {
        // Done or failed while it is submitted, never later.
        flags |= libc::MSG_DONTWAIT;
        sqe.flags |= 1 << abi::IOSQE_CQE_SKIP_SUCCESS_BIT;
    }
    let data = &piece.data.as_bytes(this.py())[piece.start..piece.end];
    let skip = sqe.flags;
    prep::prep_send(&mut sqe, stream.fd, data.as_ptr().cast(), data.len(), flags);
    sqe.flags = skip;
    let expect = if silent {
        Expect::Silence
    } else {
        Expect::of(&sqe)
    };
    let kind = Kind::Send(this.clone().unbind(), piece);
    proactor.start_as(expect, sqe, kind, Hold::Nothing)
}

/// A send has ended with `result`.
pub(crate) fn sent(this: &Bound<'_, Stream>, mut piece: Sending, result: i32) -> PyResult<()> {
    let py = this.py();
    let mut stream = this.try_borrow_mut()?;
    if stream.sending.is_none() {
        return Ok(());
    }
    let Some(proactor) = stream.proactor(py) else {
        return Ok(());
    };
    let again = matches!(-result, libc::EAGAIN | libc::EINTR);
    if result < 0 && !again {
        stream.sending = None;
        let owner = stream.owner(py);
        drop(stream);
        if let Some(owner) = owner {
            owner.call_method1(make::names(py)?.on_write_error.bind(py), (-result,))?;
        }
        return Ok(());
    }
    let done = if again { 0 } else { result as usize };
    stream.size = stream.size.saturating_sub(done);
    piece.start += done.min(piece.length());
    if piece.length() > 0 {
        let token = submit(
            &stream,
            this,
            &mut *proactor.try_borrow_mut()?,
            piece,
            false,
        )?;
        stream.sending = Some(token);
    } else {
        stream.sending = None;
    }
    let waiting = !stream.chunks.is_empty();
    let owner = if stream.notice {
        stream.owner(py)
    } else {
        None
    };
    drop(stream);
    if waiting {
        Stream::mark_dirty(this)?;
    }
    if let Some(owner) = owner {
        owner.call_method0(make::names(py)?.on_sent.bind(py))?;
    }
    Ok(())
}
