//! Requests that own what they use.
//!
//! An [`Owner`] has a ring that nothing else can put entries into, and keeps the memory
//! of each request in its table until the request's completion. So submitting is safe,
//! whatever a program drops, forgets or unwinds.
//!
//! An [`Operation`] gives its buffer back with its result, by [`wait`](Operation::wait)
//! or as a [`Future`]; there is no runtime: [`Owner::turn`] takes completions and wakes
//! their wakers, and is to be called by whatever drives the futures.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use anyring::{Builder, Linux, operation::Owner};
//! # if anyring::Ring::new(1).is_err() { return Ok(()) }
//! let owner = Owner::new(Builder::new(8), Linux)?;
//! let file = std::fs::File::open("/proc/self/stat")?;
//! let (result, buffer) = owner.read(&file, vec![0; 64], 0)?.wait();
//! assert_eq!(&buffer[..2], std::process::id().to_string()[..2].as_bytes());
//! assert_eq!(result, Ok(64));
//! # Ok(()) }
//! ```
//!
//! # Safety
//! The only unsafe calls are those that submit. What they vouch for: every entry of the
//! ring is made here, and points into the heap memory of a `Vec` that the table holds
//! from before the entry is queued until its completion, or for ever. A `Vec` that is
//! moved or left alone keeps its memory where it is.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::os::fd::{AsFd, AsRawFd};

use anyring_abi::{__kernel_timespec, io_uring_sqe};

use crate::errno::{Errno, check};
use crate::inflight::{InFlight, Token};
use crate::kernel::{Kernel, Linux};
use crate::owned::{Builder, Ring};
use crate::prep;

/// How often the end of an owner waits for the kernel before it gives up and leaks
/// what is still in flight, a tenth of a second each time.
const PATIENCE: u32 = 20;

/// `user_data` of cancellations: their results are of no interest. No token has it.
const CANCELS: u64 = u64::MAX - 1;

#[derive(Debug)]
struct Request {
    buffer: Vec<u8>,
    result: Option<i32>,
    waker: Option<Waker>,
    /// The operation was dropped: the buffer goes when the kernel has let go.
    abandoned: bool,
}

#[derive(Debug)]
struct State<K: Kernel> {
    ring: Ring<K>,
    requests: InFlight<Request>,
}

impl<K: Kernel> State<K> {
    /// Queues an entry, with room made for it.
    fn queue(&mut self, entry: io_uring_sqe) -> Result<(), Errno> {
        if self.ring.push_sqe(entry).is_ok() {
            return Ok(());
        }
        self.submit()?;
        let _ = self.ring.wait_for_room();
        self.ring.push_sqe(entry).map_err(|_| Errno(libc::EBUSY))
    }

    fn submit(&mut self) -> Result<u32, Errno> {
        // SAFETY: all entries are of this module, which says why.
        unsafe { self.ring.submit() }
    }

    /// Takes completions; the wakers to wake.
    fn reap(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for done in self.ring.completions() {
            if done.user_data == CANCELS {
                continue;
            }
            let token = Token::from_user_data(done.user_data);
            let Some(request) = self.requests.get_mut(token) else {
                continue;
            };
            request.result = Some(done.res);
            wakers.extend(request.waker.take());
            if request.abandoned {
                self.requests.remove(token);
            }
        }
        wakers
    }

    fn cancel(&mut self, token: Token) -> Result<(), Errno> {
        let mut entry = io_uring_sqe::default();
        prep::cancel64(&mut entry, token.user_data(), 0);
        entry.user_data = CANCELS;
        self.queue(entry)?;
        self.submit().map(|_| ())
    }
}

impl<K: Kernel> Drop for State<K> {
    fn drop(&mut self) {
        let tokens: Vec<Token> = self.requests.tokens().collect();
        for token in tokens {
            if let Some(request) = self.requests.get_mut(token) {
                request.abandoned = true;
                if request.result.is_some() {
                    self.requests.remove(token);
                    continue;
                }
            }
            let _ = self.cancel(token);
        }
        let pause = __kernel_timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        for _ in 0..PATIENCE {
            drop(self.reap());
            if self.requests.is_empty() {
                return;
            }
            let _ = self.submit();
            let _ = self.ring.wait(1, Some(&pause));
        }
        // The kernel may still write there: the memory is lost, not freed.
        mem::forget(mem::take(&mut self.requests));
    }
}

/// A ring whose requests own what they use. A clone is the same ring.
#[derive(Debug)]
pub struct Owner<K: Kernel = Linux>(Rc<RefCell<State<K>>>);

impl<K: Kernel> Clone for Owner<K> {
    fn clone(&self) -> Self {
        Owner(Rc::clone(&self.0))
    }
}

impl<K: Kernel> Owner<K> {
    /// Makes the ring, on [`Linux`] or another kernel.
    ///
    /// # Errors
    /// Those of [`Builder::build_on`].
    pub fn new(builder: Builder, kernel: K) -> Result<Self, Errno> {
        Ok(Owner(Rc::new(RefCell::new(State {
            ring: builder.build_on(kernel)?,
            requests: InFlight::new(),
        }))))
    }

    /// Requests whose memory is kept, finished ones that were not asked for included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.borrow().requests.len()
    }

    /// Starts a request with its memory in the table.
    fn start(
        &self,
        buffer: Vec<u8>,
        prepare: impl FnOnce(&mut io_uring_sqe, &mut [u8]),
    ) -> Result<Operation<K>, Errno> {
        let state = &mut *self.0.borrow_mut();
        let request = Request {
            buffer,
            result: None,
            waker: None,
            abandoned: false,
        };
        let token = state.requests.insert(request).ok_or(Errno(libc::ENOMEM))?;
        let mut entry = io_uring_sqe::default();
        if let Some(request) = state.requests.get_mut(token) {
            prepare(&mut entry, &mut request.buffer);
        }
        entry.user_data = token.user_data();
        if let Err(error) = state.queue(entry) {
            // The kernel never saw it.
            state.requests.remove(token);
            return Err(error);
        }
        // What is not taken now goes with the next turn.
        let _ = state.submit();
        Ok(Operation {
            owner: self.clone(),
            token: Some(token),
        })
    }

    /// Reads from `file` at `offset` (all ones: the file's position) into the bytes of
    /// `buffer`, as many as its length and at most 2^31 - 1. Linux 5.6.
    ///
    /// # Errors
    /// EBUSY while the queue stays full; ENOMEM. The buffer is dropped then.
    pub fn read(
        &self,
        file: impl AsFd,
        buffer: Vec<u8>,
        offset: u64,
    ) -> Result<Operation<K>, Errno> {
        let fd = file.as_fd().as_raw_fd();
        self.start(buffer, |sqe, bytes| {
            prep::read(sqe, fd, bytes.as_mut_ptr().cast(), length(bytes), offset);
        })
    }

    /// Writes the bytes of `buffer`, otherwise as [`read`](Self::read).
    ///
    /// # Errors
    /// As there.
    pub fn write(
        &self,
        file: impl AsFd,
        buffer: Vec<u8>,
        offset: u64,
    ) -> Result<Operation<K>, Errno> {
        let fd = file.as_fd().as_raw_fd();
        self.start(buffer, |sqe, bytes| {
            prep::write(sqe, fd, bytes.as_ptr().cast(), length(bytes), offset);
        })
    }

    /// Receives from a socket, with `MSG_*` flags. Linux 5.6.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn recv(
        &self,
        socket: impl AsFd,
        buffer: Vec<u8>,
        flags: i32,
    ) -> Result<Operation<K>, Errno> {
        let fd = socket.as_fd().as_raw_fd();
        self.start(buffer, |sqe, bytes| {
            prep::recv(
                sqe,
                fd,
                bytes.as_mut_ptr().cast(),
                length(bytes) as usize,
                flags,
            );
        })
    }

    /// Sends the bytes of `buffer`, with `MSG_*` flags. Linux 5.6.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn send(
        &self,
        socket: impl AsFd,
        buffer: Vec<u8>,
        flags: i32,
    ) -> Result<Operation<K>, Errno> {
        let fd = socket.as_fd().as_raw_fd();
        self.start(buffer, |sqe, bytes| {
            prep::send(
                sqe,
                fd,
                bytes.as_ptr().cast(),
                length(bytes) as usize,
                flags,
            );
        })
    }

    /// Does nothing, in the kernel; its buffer is empty.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn nop(&self) -> Result<Operation<K>, Errno> {
        self.start(Vec::new(), |sqe, _| prep::nop(sqe))
    }

    /// Submits what waits, waits for `wait_nr` completions (0: not at all) or until
    /// `timeout` is over, and wakes the futures that are done.
    ///
    /// # Errors
    /// ETIME, EINTR and others of io_uring_enter(2); nothing is lost.
    pub fn turn(&self, wait_nr: u32, timeout: Option<&__kernel_timespec>) -> Result<(), Errno> {
        let (waited, wakers) = {
            let state = &mut *self.0.borrow_mut();
            let mut waited = state.submit().map(|_| ());
            if waited.is_ok() && wait_nr != 0 {
                waited = state.ring.wait(wait_nr, timeout);
            }
            (waited, state.reap())
        };
        // They may call back in.
        wakers.into_iter().for_each(Waker::wake);
        waited
    }
}

/// The length of a buffer as one request can have it.
fn length(bytes: &[u8]) -> u32 {
    bytes.len().min(i32::MAX as usize) as u32
}

/// A request in flight, or done and not yet asked for. Dropped, it cancels; its memory
/// is kept until the kernel has let go of it.
#[must_use = "dropping an operation cancels it"]
pub struct Operation<K: Kernel = Linux> {
    owner: Owner<K>,
    /// `None` when the result was given.
    token: Option<Token>,
}

impl<K: Kernel> fmt::Debug for Operation<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// What an operation results in, and its buffer.
pub type Outcome = (Result<u32, Errno>, Vec<u8>);

impl<K: Kernel> Operation<K> {
    /// The outcome, once, if it is there.
    fn take(&mut self) -> Option<Outcome> {
        let token = self.token?;
        let state = &mut *self.owner.0.borrow_mut();
        let result = state.requests.get_mut(token)?.result?;
        let request = state.requests.remove(token)?;
        self.token = None;
        Some((check(result), request.buffer))
    }

    /// Waits for it. An enter that fails for good (no signal, no shortage) ends the
    /// wait with its error and an empty buffer, and the request is cancelled.
    pub fn wait(mut self) -> Outcome {
        loop {
            let turned = self.owner.turn(0, None);
            if let Some(outcome) = self.take() {
                return outcome;
            }
            let turned = turned.and_then(|()| self.owner.turn(1, None));
            match turned {
                Ok(()) | Err(Errno(libc::EINTR | libc::EAGAIN | libc::EBUSY)) => {}
                Err(error) => match self.take() {
                    Some(outcome) => return outcome,
                    None => return (Err(error), Vec::new()),
                },
            }
        }
    }
}

impl<K: Kernel> Future for Operation<K> {
    type Output = Outcome;

    /// Looks at what is ready, without waiting. [`Owner::turn`] wakes it.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let _ = self.owner.turn(0, None);
        if let Some(outcome) = self.take() {
            return Poll::Ready(outcome);
        }
        // Wakers are code of others: none is cloned or dropped while the state is
        // borrowed.
        let mut waker = Some(context.waker().clone());
        if let Some(token) = self.token {
            if let Some(request) = self.owner.0.borrow_mut().requests.get_mut(token) {
                core::mem::swap(&mut request.waker, &mut waker);
            }
        }
        drop(waker);
        Poll::Pending
    }
}

impl<K: Kernel> Drop for Operation<K> {
    fn drop(&mut self) {
        let Some(token) = self.token else { return };
        let mut waker = None;
        {
            let state = &mut *self.owner.0.borrow_mut();
            if let Some(request) = state.requests.get_mut(token) {
                waker = request.waker.take();
                if request.result.is_some() {
                    state.requests.remove(token);
                } else {
                    request.abandoned = true;
                    let _ = state.cancel(token);
                }
            }
        }
        // Code of others, which may call back in.
        drop(waker);
    }
}
