//! A request: what an SQE became.
//!
//! # Safety
//! Addresses in a request are only ever handed to the kernel, which checks
//! them.

mod completions;
mod lifecycle;
mod links;
mod slots;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi::{IOSQE_CQE_SKIP_SUCCESS, IOSQE_IO_HARDLINK, IOSQE_IO_LINK, io_uring_sqe};

use crate::ops::opdef::{OpDef, opdef};
use crate::os::file_cache;
use crate::os::sys::{self, Fd};
use crate::os::user_memory::{self, user_msghdr};

/// Number of a request: its slot, and which of the slot's requests it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl Id {
    /// As one word, for an epoll.
    pub(crate) fn token(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// Back from there.
    pub(crate) fn from_token(token: u64) -> Id {
        Id {
            slot: token as u32,
            generation: (token >> 32) as u32,
        }
    }
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// About to run, or running on this thread.
    Running,
    /// Waits for the one before it in its chain.
    Linked,
    /// Waits for a drain.
    Deferred,
    /// Waits for a descriptor to become ready.
    Polling,
    /// In the pool: queued or being worked on.
    Working,
    /// Waits for a time.
    Timing,
    /// Waits for a message to be delivered to another ring.
    Messaging,
    /// Was stopped; ends when what stopped it has its completion.
    Stopped,
}

/// The file a request works on.
#[derive(Clone, Debug)]
pub(crate) enum File {
    /// None, or not looked up yet.
    None,
    /// The program's descriptor, good only while the program waits for us.
    Borrowed(c_int),
    /// The open file itself, whatever becomes of the descriptor.
    Held(Arc<Fd>),
}

impl File {
    /// Makes sure that it is the open file itself, since the program may close
    /// the descriptor.
    pub(crate) fn hold(&mut self) -> Result<c_int, c_int> {
        if let File::Borrowed(fd) = self {
            if *fd >= 0 {
                *self = File::Held(user_memory::shared(sys::dup(*fd)?)?);
            }
        }
        Ok(self.fd())
    }

    /// The number to use in system calls.
    pub(crate) fn fd(&self) -> c_int {
        match self {
            File::None => -1,
            File::Borrowed(fd) => *fd,
            File::Held(fd) => fd.get(),
        }
    }
}

/// A registration in the ring's epoll.
#[derive(Debug)]
pub(crate) struct Watch {
    /// A duplicate made for it; none if it watches a descriptor that the request
    /// holds anyway.
    pub(crate) own: Option<Fd>,
    /// The descriptor it was made with.
    pub(crate) number: c_int,
    pub(crate) events: u32,
    /// It may still tell something.
    pub(crate) armed: bool,
    /// Its entry stays in the epoll for the next request.
    pub(crate) kept: bool,
    /// Of a signalfd, which has something for the threads that it is for only.
    pub(crate) signals: bool,
    /// Of a ring's descriptor or what may be made ready by a ring's completions.
    pub(crate) by_rings: bool,
    /// It has no entry in the epoll, which would be part of itself: each enter asks it.
    pub(crate) asked: bool,
}

/// A timer's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    pub(crate) clock: usize,
    pub(crate) at: u64,
    /// Nanoseconds between repetitions.
    pub(crate) every: u64,
    /// Completions that end it, as a number of the ring's count.
    pub(crate) target: Option<u32>,
    /// How often it still fires; 0 is without end.
    pub(crate) repeats: u32,
}

/// A buffer taken from a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PickedBuffer {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) bid: u16,
    pub(crate) group: u16,
    /// From a buffer ring, where it is taken only when the request completes.
    pub(crate) ring: bool,
    /// It was taken from a buffer ring before, which left something of it.
    pub(crate) more: bool,
}

/// What an operation keeps between its steps. Addresses in it stay valid when
/// the request moves: they lead into vectors.
#[derive(Debug)]
pub(crate) enum Data {
    None,
    /// Pieces still to be read or written.
    Vectors(Vec<libc::iovec>),
    /// A message header and what it points to.
    Message(Vec<user_msghdr>, Vec<libc::iovec>, Vec<u8>),
    /// Copies of paths, names and structs.
    Bytes(Vec<u8>, Vec<u8>),
    Timer(Timer),
    /// The kick word of a futex wait, and its waiters.
    Futex(Arc<crate::ops::futex::Wait>),
    /// Nothing, but not to be copied either.
    Poll,
}

// SAFETY: pointers in it are the program's addresses or lead into vectors that
// move with it; none is bound to a thread.
unsafe impl Send for Data {}

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) sqe: io_uring_sqe,
    /// The row of its operation.
    pub(crate) def: &'static OpDef,
    pub(crate) stage: Stage,
    pub(crate) file: File,
    /// The other file, of operations that have two.
    pub(crate) second: File,
    /// The one to wait for is the second.
    pub(crate) waits_for_second: bool,
    /// Its chain must not go on, whatever its last completion says.
    pub(crate) failed: bool,
    /// The next in the chain.
    pub(crate) next: Option<u32>,
    /// The link timeout that guards it.
    pub(crate) guard: Option<Id>,
    /// What a link timeout guards.
    pub(crate) guarded: Option<Id>,
    pub(crate) watch: Option<Watch>,
    pub(crate) data: Data,
    /// Bytes so far, of operations that go on after a short transfer.
    pub(crate) done: usize,
    pub(crate) selected: Option<PickedBuffer>,
    /// The registered buffer it uses.
    pub(crate) buffer: crate::ops::rw::Kept,
    /// The file does not know "do not wait": it is asked whether it is ready.
    pub(crate) no_nowait: bool,
    /// It was started, its file looked up.
    pub(crate) started: bool,
    /// It waits without having tried.
    pub(crate) guessed: bool,
    /// Counts for `drain`.
    pub(crate) counted: bool,
    /// A notification has to follow its completion.
    pub(crate) owes: bool,
    /// It is being cancelled.
    pub(crate) cancelled: bool,
    /// Posted something already (multishot).
    pub(crate) posted: bool,
    /// Of what looks names up but is not started at once: whose credentials its
    /// submitter had, otherwise 0.
    pub(crate) credentials: u64,
    /// Of a write that waits: the thread that submitted it, otherwise 0.
    pub(crate) submitter: c_int,
    /// Submission order.
    pub(crate) order: u64,
}

impl Request {
    pub(crate) fn new(sqe: io_uring_sqe, order: u64) -> Request {
        Request {
            sqe,
            def: opdef(sqe.opcode),
            stage: Stage::Running,
            file: File::None,
            second: File::None,
            waits_for_second: false,
            failed: false,
            next: None,
            guard: None,
            guarded: None,
            watch: None,
            data: Data::None,
            done: 0,
            selected: None,
            buffer: None,
            no_nowait: false,
            started: false,
            guessed: false,
            counted: false,
            owes: false,
            cancelled: false,
            posted: false,
            credentials: 0,
            submitter: 0,
            order,
        }
    }

    /// Holds its file. A watch's descriptor serves as one.
    pub(crate) fn hold(&mut self) -> Result<c_int, c_int> {
        if self.watch.is_some() {
            return Ok(self.file.fd());
        }
        self.file.hold()
    }

    /// Holds its file for work at given offsets, which requests can share.
    pub(crate) fn hold_for_offsets(&mut self) -> Result<c_int, c_int> {
        if let (File::Borrowed(fd), None) = (&self.file, &self.watch) {
            if *fd >= 0 {
                self.file = File::Held(file_cache::hold(*fd)?);
            }
        }
        Ok(self.file.fd())
    }

    #[inline]
    pub(crate) fn has(&self, flag: u32) -> bool {
        u32::from(self.sqe.flags) & flag != 0
    }

    /// Whether a next one is chained to it.
    #[inline]
    pub(crate) fn is_linked(&self) -> bool {
        self.has(IOSQE_IO_LINK | IOSQE_IO_HARDLINK)
    }

    pub(crate) fn skips_success(&self) -> bool {
        self.has(IOSQE_CQE_SKIP_SUCCESS)
    }
}

/// A system call for the pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) number: i64,
    pub(crate) args: [usize; 6],
}

impl Call {
    pub(crate) fn new(number: i64, given: &[usize]) -> Call {
        let mut args = [0; 6];
        args[..given.len()].copy_from_slice(given);
        Call { number, args }
    }
}

/// What the pool does for a request.
#[derive(Debug)]
pub(crate) enum Work {
    /// One system call, whose result is the request's.
    Call(Call),
    /// One system call, made with the credentials of a user and a group for files.
    CallAs(Call, [u32; 2]),
    /// A futex wait, which may take for ever.
    Futex(Arc<crate::ops::futex::Wait>),
}

/// What became of a step.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Finished, with this result and no flags.
    Done(i32),
    /// Finished, with flags.
    DoneWith(i32, u32),
    /// Finished with 32 bytes of completion.
    DoneBig(i32, [u64; 2]),
    /// Not done, since it would have to wait: `ops::route` decides where it goes on.
    WouldBlock,
    /// To be tried again when the file is ready.
    Poll(u32),
    /// To be done where it may block.
    Work(Work),
    /// Something else will finish it; its stage says what.
    Suspended(Stage),
}

impl From<Result<i32, c_int>> for Outcome {
    fn from(result: Result<i32, c_int>) -> Outcome {
        Outcome::Done(result.unwrap_or_else(|error| error))
    }
}
