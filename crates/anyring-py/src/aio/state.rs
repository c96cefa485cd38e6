//! What the ring of a loop has in flight, and putting more there.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use anyring_abi::{self as abi, io_uring_sqe};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::prelude::*;

use super::done::{Convert, Hold};
use super::hidden::Hidden;
use super::operation::Operation;
use super::pool::Pool;
use super::stream::{Sending, Stream};
use crate::core::generation;
use crate::inflight::{Expect, Refused, Table, Token};

/// The ring, reached through `&mut Proactor` only.
pub(super) struct Owned(pub(super) crate::OwnRing);

// SAFETY: no function takes it by shared reference.
unsafe impl Sync for Owned {}

/// Whom a completion is for.
pub(super) enum Kind {
    /// What nothing waits for any more.
    Nobody,
    /// A future.
    Future {
        future: Py<Operation>,
        convert: Convert,
        name: &'static str,
        cancelled: bool,
    },
    /// The epoll descriptor of what is watched.
    Watch,
    /// The multishot receive of a stream.
    Receive(Py<Stream>),
    /// One receive of a stream into memory of its own.
    ReceiveWhole(Py<Stream>),
    /// What a stream sends.
    Send(Py<Stream>, Sending),
}

/// A request in flight and what it uses.
pub(super) struct Request {
    /// `Proactor::turn_of_threads` when it was queued.
    pub(super) threads: u32,
    /// The entry of a future, for the case that it has to be queued again.
    pub(super) sqe: io_uring_sqe,
    pub(super) kind: Kind,
    pub(super) hold: Hold,
}

/// Something to hand out.
pub(super) enum Event {
    Done(Kind, Hold, i32),
    /// Something that is watched may be ready.
    Watched,
    Received(Py<Stream>, i32, u32),
    Held(Py<Stream>),
}

/// A descriptor whose readiness is asked for.
pub(super) struct Watch {
    pub(super) key: Py<PyAny>,
    pub(super) mask: u32,
}

/// The number of this thread, which no other thread of the process ever has.
fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

/// The ring of one event loop. One thread at a time.
#[pyclass(module = "liburing._liburing", weakref)]
pub(crate) struct Proactor {
    pub(super) ring: Option<Owned>,
    /// The userspace engine serves the ring.
    pub(super) on_engine: bool,
    pub(super) process: u32,
    pub(super) requests: Table<Request, Infallible>,
    /// Completions whose tag was of no request.
    pub(super) strangers: u64,
    /// Entries that found the queue full.
    pub(super) backlog: VecDeque<io_uring_sqe>,
    pub(super) events: VecDeque<Event>,
    pub(super) watches: HashMap<i32, Watch>,
    /// Holds what is watched; -1 before anything is. An epoll instance has no
    /// reference to its files, so that a descriptor which its owner closes is
    /// closed at once, as under the selectors of the standard library.
    pub(super) epoll: i32,
    /// The poll of `epoll` in flight.
    pub(super) watching: Option<Token>,
    pub(super) dirty: Vec<Py<Stream>>,
    /// Streams that receive from the next submission on.
    pub(super) arming: Vec<Py<Stream>>,
    /// The thread that used the ring last.
    pub(super) thread: u64,
    /// How often another thread than before has used the ring.
    pub(super) turn_of_threads: u32,
    /// Entries of a thread that has ended were queued again.
    pub(super) requeued: bool,
    /// Opens in flight, and how many of them the limit of workers allows.
    pub(super) opens: u32,
    pub(super) workers: u32,
    /// Nothing is queued again.
    pub(super) ending: bool,
    pub(super) pool: Option<Pool>,
    pub(super) eventfd: i32,
    /// Both descriptors, to be closed with the ring.
    pub(super) hidden: Vec<Hidden>,
    pub(super) interrupted: bool,
}

impl Proactor {
    #[inline]
    pub(super) fn ring(&mut self) -> PyResult<&mut crate::OwnRing> {
        match &mut self.ring {
            Some(owned) if self.process == generation() => Ok(&mut owned.0),
            _ => Err(unusable(self.process)),
        }
    }

    /// Notices that another thread uses the ring now.
    #[inline]
    pub(super) fn note_thread(&mut self) {
        let number = thread_number();
        if self.thread != number {
            self.thread = number;
            self.turn_of_threads = self.turn_of_threads.wrapping_add(1);
        }
    }

    /// Queues an entry for `kind`; its token.
    pub(super) fn start(&mut self, sqe: io_uring_sqe, kind: Kind, hold: Hold) -> PyResult<Token> {
        self.start_as(Expect::of(&sqe), sqe, kind, hold)
    }

    /// Queues an entry for `kind`, with other completions than its operation
    /// has; its token.
    pub(super) fn start_as(
        &mut self,
        expect: Expect,
        mut sqe: io_uring_sqe,
        kind: Kind,
        hold: Hold,
    ) -> PyResult<Token> {
        self.ring()?;
        self.note_thread();
        let is_open = matches!(kind, Kind::Future { .. }) && is_open(&sqe);
        if is_open && self.opens >= self.workers {
            self.opens += 1;
            let allowed = self.allow_workers();
            self.opens -= 1;
            allowed?;
        }
        let threads = self.turn_of_threads;
        let made = self.requests.add_with(expect, |token| {
            sqe.user_data = token.tag();
            Request {
                threads,
                sqe,
                kind,
                hold,
            }
        });
        let token = made.map_err(refused)?;
        if let Err(error) = self.push(sqe) {
            self.take_back(token);
            return Err(error);
        }
        self.opens += u32::from(is_open);
        Ok(token)
    }

    #[cold]
    fn take_back(&mut self, token: Token) {
        drop(self.requests.take_back(token));
    }

    /// Room to note one more request; MemoryError where there is none.
    pub(super) fn reserve(&mut self) -> PyResult<()> {
        self.requests.reserve(1).map_err(refused)
    }

    #[inline]
    pub(super) fn push(&mut self, sqe: io_uring_sqe) -> PyResult<()> {
        if !self.backlog.is_empty() {
            self.backlog.push_back(sqe);
            return Ok(());
        }
        match self.ring()?.push_sqe(sqe) {
            Ok(()) => Ok(()),
            Err(refused) => self.push_later(refused),
        }
    }

    /// The same when the queue is full: the kernel takes what is there, without
    /// waiting. An error leaves it there.
    #[cold]
    fn push_later(&mut self, sqe: io_uring_sqe) -> PyResult<()> {
        let ring = self.ring()?;
        // SAFETY: the slots keep what the entries point to.
        let _ = unsafe { ring.submit() };
        if let Err(refused) = ring.push_sqe(sqe) {
            self.backlog.push_back(refused);
        }
        Ok(())
    }

    pub(super) fn push_backlog(&mut self) -> PyResult<()> {
        while let Some(sqe) = self.backlog.pop_front() {
            if let Err(sqe) = self.ring()?.push_sqe(sqe) {
                self.backlog.push_front(sqe);
                break;
            }
        }
        Ok(())
    }

    /// Whether the operation of this token has not ended.
    pub(super) fn is_in_flight(&mut self, token: Token) -> bool {
        self.requests.request(token.tag()).is_some()
    }

    /// Queues a cancellation.
    pub(super) fn push_cancel(&mut self, token: Token) -> PyResult<()> {
        let mut sqe = blank();
        anyring::prep::prep_cancel64(&mut sqe, token.tag(), 0);
        sqe.user_data = Token::NOBODY.tag();
        self.push(sqe)
    }

    /// Asks the kernel to end the operation of a future, which is cancelled when
    /// the kernel has let go. False if it has ended.
    pub(super) fn cancel(&mut self, token: Token) -> PyResult<bool> {
        match self.requests.request(token.tag()) {
            Some(Request {
                kind: Kind::Future { cancelled, .. },
                ..
            }) => *cancelled = true,
            _ => return Ok(false),
        }
        self.push_cancel(token)?;
        Ok(true)
    }

    /// Cancels without waiting for the next turn of the loop.
    pub(super) fn cancel_now(&mut self, py: Python<'_>, token: Token) -> PyResult<()> {
        self.push_cancel(token)?;
        self.enter(py, None).map(|_| ())
    }

    /// Has `stream` looked at before the next submission.
    pub(super) fn mark_dirty(&mut self, stream: Py<Stream>) {
        self.dirty.push(stream);
    }

    /// Has `stream` receive from the next submission on.
    pub(super) fn mark_arming(&mut self, stream: Py<Stream>) {
        self.arming.push(stream);
    }

    /// Has data that a stream held back handed out.
    pub(super) fn hand_out(&mut self, stream: Py<Stream>) {
        self.events.push_back(Event::Held(stream));
    }

    /// The buffers that receives choose from, made at first use.
    pub(super) fn pool(&mut self) -> PyResult<&mut Pool> {
        if self.pool.is_none() {
            let pool = Pool::new(self.ring()?)?;
            self.pool = Some(pool);
        }
        self.pool.as_mut().ok_or_else(crate::make::closed)
    }

    /// Lets the kernel have more workers for files than there are opens in
    /// flight: each of them can wait for ever (of named pipes), and its worker
    /// with it, and other operations on files need workers, too. A kernel that
    /// cannot (before 5.15) keeps its own limit.
    fn allow_workers(&mut self) -> PyResult<()> {
        self.workers = self.opens.saturating_mul(2);
        // SAFETY: used within this call only.
        let ring = unsafe { self.ring()?.as_ring_ref() };
        let register = |limits: &mut [u32; 2]| {
            let place = limits.as_mut_ptr().cast_const().cast();
            // SAFETY: two numbers, as this call has them.
            unsafe { ring.register(abi::IORING_REGISTER_IOWQ_MAX_WORKERS, place, 2) }
        };
        // Of zeroes it only says what the limits are.
        let mut limits = [0, 0];
        if register(&mut limits) >= 0 && limits[0] < self.workers {
            register(&mut [self.workers, 0]);
        }
        Ok(())
    }

    /// Asks for the readiness of what is watched, unless that is asked already.
    pub(super) fn arm_watches(&mut self) -> PyResult<()> {
        if self.watching.is_some() || self.watches.is_empty() {
            return Ok(());
        }
        let mut sqe = blank();
        anyring::prep::prep_poll_add(&mut sqe, self.epoll, libc::POLLIN as u32);
        self.watching = Some(self.start(sqe, Kind::Watch, Hold::Nothing)?);
        Ok(())
    }

    /// Changes what the epoll instance has of `fd`.
    pub(super) fn control(&mut self, operation: i32, fd: i32, mask: u32) -> PyResult<()> {
        self.ring()?;
        if self.epoll < 0 {
            // SAFETY: no memory is involved.
            self.epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
            if self.epoll < 0 {
                return Err(last_error());
            }
            self.hidden.push(Hidden::new(self.epoll));
        }
        let mut event = libc::epoll_event {
            events: mask,
            u64: fd as u64,
        };
        // SAFETY: the event is valid for the call.
        match unsafe { libc::epoll_ctl(self.epoll, operation, fd, &raw mut event) } {
            0 => Ok(()),
            _ => Err(last_error()),
        }
    }

    /// What is watched and ready now: descriptors with their events.
    pub(super) fn watched(&mut self, ready: &mut Vec<(i32, u32)>) {
        let none = libc::epoll_event { events: 0, u64: 0 };
        // Those beyond that are found in the next turn.
        let mut events = vec![none; self.watches.len().clamp(1, 4096)];
        let room = i32::try_from(events.len()).unwrap_or(i32::MAX);
        // SAFETY: there is room for that many events.
        let count = unsafe { libc::epoll_wait(self.epoll, events.as_mut_ptr(), room, 0) };
        let count = usize::try_from(count).unwrap_or(0);
        ready.extend(
            events[..count]
                .iter()
                .map(|event| (event.u64 as i32, event.events)),
        );
    }
}
/// What the last system call of this thread has failed with.
fn last_error() -> PyErr {
    let error = std::io::Error::last_os_error().raw_os_error();
    crate::os_error(error.unwrap_or(libc::EIO))
}

/// An entry of zeroes, which is a NOP.
pub(super) fn blank() -> io_uring_sqe {
    // SAFETY: all zeroes is a NOP.
    unsafe { std::mem::zeroed() }
}

/// Why the ring of a loop cannot be used: another process has made it, or it is closed.
#[cold]
fn unusable(process: u32) -> PyErr {
    if process == generation() {
        crate::make::closed()
    } else {
        crate::make::foreign()
    }
}

/// Whether the entry opens a file.
#[inline]
pub(super) fn is_open(sqe: &io_uring_sqe) -> bool {
    sqe.opcode == abi::IORING_OP_OPENAT as u8
}

/// The exception for a request that cannot be noted.
#[cold]
fn refused(reason: Refused) -> PyErr {
    match reason {
        Refused::Full => crate::make::raised::<PyRuntimeError>("too many operations are in flight"),
        Refused::Memory => {
            crate::make::raised::<PyMemoryError>("no memory for another operation in flight")
        }
    }
}
