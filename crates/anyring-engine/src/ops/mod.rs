//! Operations: what each does when it starts, when its file is ready, when
//! the pool is done.
//!
//! [`opdef`] has a row for each opcode with all that differs between them; the modules
//! beside it have the functions that the rows name. This one starts requests and moves
//! them on: [`route`] decides where each step runs. Arguments are read from the program's
//! memory by the system call itself; only a request that outlives its
//! submission gets copies ([`copy`]), since the program may reuse the memory.

use alloc::sync::Arc;
use core::ffi::c_int;

use anyring_abi as abi;

use crate::os::file_cache;
use crate::os::sys::{self, Sys};
use crate::request::{Call, Data, File, Outcome, Request, Work};
use crate::ring::state::State;
use opdef::{Multishot, OpDef};

pub(crate) mod cancel;
mod checks;
mod command;
mod descriptor;
pub(crate) mod file;
pub(crate) mod files_update;
pub(crate) mod futex;
pub(crate) mod link;
pub(crate) mod msg_ring;
pub(crate) mod net;
mod nop;
pub(crate) mod opdef;
pub(crate) mod poll;
mod provide;
pub(crate) mod rw;
mod socket;
mod splice;
pub(crate) mod struck;
pub(crate) mod timeout;
mod waitid;

/// What the kernel checks of an operation before it starts.
#[inline]
pub(crate) fn check(state: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let def = request.def;
    if !def.is_supported()
        || sqe.ioprio != 0 && !def.ioprio
        || state.flags & abi::IORING_SETUP_IOPOLL != 0 && !def.iopoll
        || def.has_unused(sqe)
    {
        return Err(-libc::EINVAL);
    }
    if u32::from(sqe.opcode) == abi::IORING_OP_NOP && sqe.op_flags == 0 {
        // The shortest way, for the operation whose cost is that of all.
        return Ok(());
    }
    if request.has(abi::IOSQE_FIXED_FILE) && def.refuses_fixed_file != 0 {
        return Err(def.refuses_fixed_file);
    }
    def.check.map_or(Ok(()), |check| check(state, request))
}

/// A registered file.
pub(crate) fn fixed_file(state: &State, index: u32) -> Result<File, c_int> {
    state
        .files
        .table
        .get(index as usize)
        .map(|file| File::Held(Arc::clone(file)))
        .ok_or(-libc::EBADF)
}

/// What has happened when [`route`] is asked.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The request starts.
    Started,
    /// Its file is ready, with these events.
    Ready(u32),
    /// A try without blocking found that it would have to wait.
    WouldBlock,
    /// The epoll does not take its file, which is always ready: a regular one.
    NeverWaits,
}

/// Where a step of a request runs.
#[derive(Clone, Copy, Debug)]
enum Route {
    /// On this thread, without blocking: the row's `issue`.
    Inline,
    /// Nowhere yet: it waits for the row's events, in the ring's epoll.
    Poll,
    /// On a thread of the pool, which may block: the row's `offload`.
    Pool,
    /// Nowhere: it ends with this error.
    Refused(c_int),
}

/// Decides where the next step of a request runs, for every operation:
///
/// | what happened | where it goes on |
/// |---|---|
/// | it starts, and has no way that does not block (files, names) | pool |
/// | it starts with IOSQE_ASYNC and is multishot | it waits for its file; -EBADFD if that cannot be polled |
/// | it starts on a file opened with O_DIRECT, where "do not wait" waits for the device | pool |
/// | it starts otherwise | inline |
/// | a try would block on a file with offsets, which never says when it has its data | pool |
/// | a try would block otherwise | it waits for its file, or goes to the pool if it waits for none |
/// | the file is ready, but knows no "do not wait" | pool |
/// | the file is ready otherwise | inline |
/// | the file turns out to be always ready | pool |
///
/// An `issue` may name its next step itself where that is not its row's: an
/// [`Outcome::Poll`] for other events, an [`Outcome::Work`]. A call that looks names up
/// runs in the pool only if the pool's threads have the submitter's credentials (see
/// `file::queue`).
#[inline]
fn route(state: &State, request: &Request, def: &OpDef, moment: Moment) -> Route {
    if def.issue.is_none() {
        return Route::Pool;
    }
    match moment {
        Moment::Started if request.has(abi::IOSQE_ASYNC) && is_multishot(request, def) => {
            wait_first(state, request)
        }
        Moment::Started if def.rw && !request.has(abi::IOSQE_ASYNC) && rw::is_direct(request) => {
            Route::Pool
        }
        Moment::Started => Route::Inline,
        Moment::WouldBlock if def.poll == 0 => Route::Pool,
        Moment::WouldBlock
            if def.rw && request.watch.is_none() && file_cache::has_offsets(request.file.fd()) =>
        {
            Route::Pool
        }
        Moment::WouldBlock => Route::Poll,
        Moment::Ready(_) if request.no_nowait && def.rw => Route::Pool,
        Moment::Ready(_) => Route::Inline,
        Moment::NeverWaits => Route::Pool,
    }
}

/// The start of a multishot request by a worker: the kernel's waits for the file before
/// its first try, so that only what can be polled is right.
#[cold]
fn wait_first(state: &State, request: &Request) -> Route {
    let fd = request.file.fd();
    if !crate::os::sys::is_pollable(state.epoll, fd) {
        Route::Refused(-libc::EBADFD)
    } else if crate::os::sys::takes_nowait(fd) {
        Route::Poll
    } else {
        Route::Inline
    }
}

fn is_multishot(request: &Request, def: &OpDef) -> bool {
    match def.multishot {
        Multishot::Never => false,
        Multishot::Flag(flag) => u32::from(request.sqe.ioprio) & flag != 0,
        Multishot::Always => true,
    }
}

/// Does the next step of a request.
#[inline(always)]
fn step(state: &mut State, request: &mut Request, def: &OpDef, moment: Moment) -> Outcome {
    let events = match moment {
        Moment::Ready(events) => Some(events),
        _ => None,
    };
    match (route(state, request, def, moment), def.issue) {
        (Route::Inline, Some(issue)) => {
            let mut outcome = issue(state, request, events);
            if matches!(outcome, Outcome::WouldBlock) {
                outcome = wait(state, request, def);
            }
            outcome
        }
        (Route::Poll, _) => poll_for(request, def),
        (Route::Refused(error), _) => Outcome::Done(error),
        (Route::Pool, _) | (Route::Inline, None) => offload(state, request, def),
    }
}

/// Goes on with a request that would block.
#[inline(never)]
fn wait(state: &mut State, request: &mut Request, def: &OpDef) -> Outcome {
    match route(state, request, def, Moment::WouldBlock) {
        Route::Poll => poll_for(request, def),
        _ => match copy(request) {
            Ok(()) => offload(state, request, def),
            Err(error) => Outcome::Done(error),
        },
    }
}

/// Waits for the file, with the arguments kept.
#[inline(never)]
fn poll_for(request: &mut Request, def: &OpDef) -> Outcome {
    match copy(request) {
        Ok(()) => Outcome::Poll(def.poll),
        Err(error) => Outcome::Done(error),
    }
}

#[inline(never)]
fn offload(state: &mut State, request: &mut Request, def: &OpDef) -> Outcome {
    match def.offload {
        Some(offload) => offload(state, request),
        // The others wait for sockets.
        None => Outcome::Done(-libc::ENOTSOCK),
    }
}

/// Runs a request from its beginning.
#[inline]
pub(crate) fn start(state: &mut State, request: &mut Request) -> Outcome {
    if u32::from(request.sqe.opcode) == abi::IORING_OP_NOP {
        return nop::issue(state, request, None);
    }
    start_any(state, request)
}

#[inline(never)]
fn start_any(state: &mut State, request: &mut Request) -> Outcome {
    let def = request.def;
    if let Err(error) = look_up_file(state, request) {
        return Outcome::Done(error);
    }
    let outcome = step(state, request, def, Moment::Started);
    blame_file(request, outcome)
}

/// Goes on with a request whose one system call was made before there was a request.
#[inline(never)]
pub(crate) fn start_tried(state: &mut State, request: &mut Request, result: Sys) -> Outcome {
    let def = request.def;
    let Some(at_once) = def.at_once else {
        return Outcome::Done(sys::to_res(result));
    };
    if let Err(error) = look_up_file(state, request) {
        return Outcome::Done(error);
    }
    let mut outcome = (at_once.go_on)(state, request, result);
    if matches!(outcome, Outcome::WouldBlock) {
        outcome = wait(state, request, def);
    }
    blame_file(request, outcome)
}

/// Looks up the file of a request that starts.
#[inline]
fn look_up_file(state: &State, request: &mut Request) -> Result<(), c_int> {
    request.started = true;
    if request.def.needs_file && matches!(request.file, File::None) {
        request.file = if request.has(abi::IOSQE_FIXED_FILE) {
            fixed_file(state, request.sqe.fd as u32)?
        } else {
            File::Borrowed(request.sqe.fd)
        };
    }
    Ok(())
}

/// What is wrong with the file comes before anything else that is wrong.
#[inline]
fn blame_file(request: &Request, mut outcome: Outcome) -> Outcome {
    if let Outcome::Done(res) | Outcome::DoneWith(res, _) = outcome {
        if res < 0 && request.def.needs_file && is_closed(&request.file) {
            outcome = Outcome::Done(-libc::EBADF);
        }
    }
    outcome
}

/// Whether the program's descriptor names no file.
#[cold]
fn is_closed(file: &File) -> bool {
    matches!(file, File::Borrowed(fd) if !crate::os::sys::is_open(*fd))
}

#[inline(never)]
fn go_on(state: &mut State, request: &mut Request, moment: Moment) -> Outcome {
    step(state, request, request.def, moment)
}

/// Goes on with a request whose file is ready.
pub(crate) fn ready(state: &mut State, request: &mut Request, events: u32) -> Outcome {
    go_on(state, request, Moment::Ready(events))
}

/// Goes on with a request whose file is of the kind that is always ready.
pub(crate) fn never_waits(state: &mut State, request: &mut Request) -> Outcome {
    go_on(state, request, Moment::NeverWaits)
}

/// The pool (or another ring) did its part.
pub(crate) fn finish(state: &mut State, request: &mut Request, res: i32) -> Outcome {
    match request.def.finish {
        Some(finish) => finish(state, request, res),
        None => Outcome::Done(res),
    }
}

/// Reads what a request that starts later needs of the program's memory, which
/// the program may use again as soon as the request is submitted.
pub(crate) fn prepare(request: &mut Request) -> Result<(), c_int> {
    if let Some(prepare) = request.def.prepare {
        prepare(request)?;
    }
    match copy(request) {
        // Read when it starts, then: nothing fails that need not.
        Err(error) if error == -libc::ENOMEM => Ok(()),
        copied => copied,
    }
}

/// Copies what a request will need later from the program's memory.
pub(crate) fn copy(request: &mut Request) -> Result<(), c_int> {
    match (request.def.copy, &request.data) {
        (Some(copy), Data::None) => copy(request),
        _ => Ok(()),
    }
}

/// A call for the pool.
pub(crate) fn work(number: i64, args: &[usize]) -> Outcome {
    Outcome::Work(Work::Call(Call::new(number, args)))
}
