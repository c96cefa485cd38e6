//! Poll requests, and epolls.
//!
//! # Safety
//! Addresses come from SQEs; the kernel checks them.

use core::ffi::c_int;

use anyring_abi as abi;

use crate::os::sys;
use crate::os::user_memory;
use crate::request::{Data, Id, Outcome, Request, Stage};
use crate::ring::ring_registry;
use crate::ring::state::State;

const ALWAYS: u32 = (libc::EPOLLERR | libc::EPOLLHUP | libc::EPOLLRDHUP) as u32;
/// Bits of an epoll that are no events.
const MODES: u32 = (libc::EPOLLET | libc::EPOLLONESHOT | libc::EPOLLEXCLUSIVE) as u32;

/// How often a poll tries to look at another ring.
const LOOKS: u32 = 200;

/// What the kernel checks of a poll. It takes no level-triggered ones here.
pub(crate) fn check(_: &State, request: &Request) -> Result<(), c_int> {
    let flags = request.sqe.len;
    if flags & !abi::IORING_POLL_ADD_MULTI != 0
        || flags & abi::IORING_POLL_ADD_MULTI != 0 && request.has(abi::IOSQE_CQE_SKIP_SUCCESS)
    {
        return Err(-libc::EINVAL);
    }
    Ok(())
}

fn is_multishot(request: &Request) -> bool {
    request.sqe.len & abi::IORING_POLL_ADD_MULTI != 0
        && request.sqe.op_flags & libc::EPOLLONESHOT as u32 == 0
}

fn wanted(request: &Request) -> u32 {
    let events = request.sqe.op_flags & !MODES | ALWAYS;
    if is_multishot(request) {
        events | libc::EPOLLET as u32
    } else {
        events
    }
}

/// POLL_ADD. A multishot one completes by its edge-triggered watch, the first
/// time included.
pub(crate) fn add(state: &mut State, request: &mut Request, events: Option<u32>) -> Outcome {
    let asked = request.sqe.op_flags & !MODES | ALWAYS;
    request.data = Data::Poll;
    if events.is_none() {
        if let Some(ready) = ring_events(state, request.file.fd()) {
            if ready & asked != 0 {
                return Outcome::Done((ready & asked) as i32);
            }
        }
    }
    if !is_multishot(request) {
        let ready = match events {
            Some(events) => events,
            None => sys::poll_now(request.file.fd(), (request.sqe.op_flags | ALWAYS) & 0x7fff),
        };
        if ready & libc::POLLNVAL as u32 != 0 {
            return Outcome::Done(-libc::EBADF);
        }
        if ready & asked != 0 {
            return Outcome::Done((ready & asked) as i32);
        }
        return Outcome::Poll(wanted(request));
    }
    match events {
        None => {
            state.look_soon = true;
            Outcome::Poll(wanted(request))
        }
        Some(events) if events & asked == 0 => Outcome::Poll(wanted(request)),
        Some(events) if state.ends_early(request) || wakes_itself(state, request) => {
            Outcome::Done((events & asked) as i32)
        }
        Some(events) => {
            state.post_more(request, (events & asked) as i32, 0);
            Outcome::Poll(wanted(request))
        }
    }
}

/// What a ring of ours polls, by its queues; its descriptor shows completions later,
/// and its room never.
pub(crate) fn ring_events(state: &mut State, fd: c_int) -> Option<u32> {
    let ring_registry::Found::Ring(ring) = ring_registry::find(fd) else {
        return None;
    };
    if !ring.is_at(fd) {
        return None;
    }
    let look = |state: &mut State| {
        // What a program maps itself cannot be waited for.
        if state.shown {
            ring.put_back(state);
        }
        // What was taken does not make it readable any more.
        state.clear_readable(ring.signal.get());
        let completions = state.cq_ready() != 0 || state.cq.has_more();
        let room = !state.gone && !state.sq.is_full(&state.memory);
        let readable = if completions { libc::EPOLLIN } else { 0 };
        let writable = if room { libc::EPOLLOUT } else { 0 };
        (readable | writable) as u32
    };
    if ring.serial == state.serial {
        return Some(look(state));
    }
    // Its lock may be held by a thread that waits for ours, so that it is not waited
    // for without end; most often it is the driver's, for a moment.
    (0..LOOKS).find_map(|_| {
        ring.try_peek(look).or_else(|| {
            let _ = sys::plain(libc::SYS_sched_yield, &[]);
            None
        })
    })
}

/// Whether a multishot poll was woken by how a ring signals its completions: its
/// descriptor, an epoll that holds it, or the eventfd that it signals. Each completion
/// of the poll would wake it again, so that the kernel ends it with the first.
fn wakes_itself(state: &mut State, request: &Request) -> bool {
    let fd = request.file.fd();
    if !sys::is_anonymous(fd) {
        return false;
    }
    state.has_notified(fd) || ring_registry::any_has_notified(fd) || ring_registry::holds_ring(fd)
}

/// A file that is always ready.
pub(crate) fn always_ready(_: &mut State, request: &mut Request) -> Outcome {
    let ready = sys::poll_now(request.file.fd(), (request.sqe.op_flags | ALWAYS) & 0x7fff);
    match ready & (request.sqe.op_flags | ALWAYS) {
        // Of what is asked for nothing can ever come.
        0 => Outcome::Done(-libc::EINVAL),
        ready => Outcome::Done(ready as i32),
    }
}

/// POLL_REMOVE: ends a poll, or changes its events or user_data.
pub(crate) fn remove(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    change(state, request).into()
}

/// Whether what is to be changed can be.
pub(crate) fn check_change(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let known = abi::IORING_POLL_UPDATE_EVENTS
        | abi::IORING_POLL_UPDATE_USER_DATA
        | abi::IORING_POLL_ADD_MULTI;
    let events = sqe.len & abi::IORING_POLL_UPDATE_EVENTS != 0;
    let user_data = sqe.len & abi::IORING_POLL_UPDATE_USER_DATA != 0;
    let wrong = sqe.len & !known != 0
        || sqe.len == abi::IORING_POLL_ADD_MULTI
        || !user_data && sqe.off != 0
        || !events && sqe.op_flags != 0;
    if wrong { Err(-libc::EINVAL) } else { Ok(()) }
}

fn change(state: &mut State, request: &Request) -> Result<i32, c_int> {
    let sqe = &request.sqe;
    let events = sqe.len & abi::IORING_POLL_UPDATE_EVENTS != 0;
    let user_data = sqe.len & abi::IORING_POLL_UPDATE_USER_DATA != 0;
    let target = sqe.addr;
    let found = state.find_all(|other| {
        other.sqe.opcode == abi::IORING_OP_POLL_ADD as u8
            && other.sqe.user_data == target
            && other.stage == Stage::Polling
    })?;
    let id = *found.first().ok_or(-libc::ENOENT)?;
    if !events && !user_data {
        state.stop(id, -libc::ECANCELED);
        return Ok(0);
    }
    let (mask, multishot, data) = (sqe.op_flags, sqe.len & abi::IORING_POLL_ADD_MULTI, sqe.off);
    if let Some(poll) = state.get_mut(id) {
        if events {
            poll.sqe.op_flags = mask & !MODES;
            poll.sqe.len = poll.sqe.len & !abi::IORING_POLL_ADD_MULTI | multishot;
        }
        if user_data {
            poll.sqe.user_data = data;
        }
    }
    look_again(state, id);
    Ok(0)
}

/// What a changed poll waits for may be there already.
fn look_again(state: &mut State, id: Id) {
    if state
        .get(id)
        .is_some_and(|poll| poll.stage == Stage::Polling)
    {
        state.run_stored(id);
    }
}

/// Keeps the event of an EPOLL_CTL.
pub(crate) fn copy(request: &mut Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    if sqe.len != libc::EPOLL_CTL_DEL as u32 {
        let event = user_memory::read_array::<u8>(sqe.addr, size_of::<libc::epoll_event>())?;
        request.data = Data::Bytes(event, alloc::vec::Vec::new());
    }
    Ok(())
}

/// Refuses a ring, which is an epoll to the kernel: the program must not see that.
fn refuse_ring(fd: c_int) -> Result<(), c_int> {
    match ring_registry::find(fd) {
        ring_registry::Found::Ring(_) => Err(-libc::EINVAL),
        _ => Ok(()),
    }
}

/// EPOLL_CTL on the program's own epolls.
pub(crate) fn epoll_ctl(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let sqe = &request.sqe;
    if let Err(error) = refuse_ring(sqe.fd) {
        return Outcome::Done(error);
    }
    let event = match &request.data {
        Data::Bytes(event, _) => event.as_ptr() as usize,
        _ => sqe.addr as usize,
    };
    let args = [sqe.fd as usize, sqe.len as usize, sqe.off as usize, event];
    // SAFETY: the kernel checks the address; ours is kept.
    Outcome::Done(sys::to_res(unsafe { sys::raw(libc::SYS_epoll_ctl, &args) }))
}

/// EPOLL_WAIT on the program's own epolls.
pub(crate) fn epoll_wait(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    let (sqe, fd) = (&request.sqe, request.file.fd());
    let asked = if fd == -1 { sqe.fd } else { fd };
    if let Err(error) = refuse_ring(asked) {
        return Outcome::Done(error);
    }
    let args = [fd as usize, sqe.addr as usize, sqe.len as usize, 0, 0, 8];
    // SAFETY: the kernel checks the address.
    match unsafe { sys::raw(libc::SYS_epoll_pwait, &args) } {
        Ok(0) => Outcome::WouldBlock,
        other => Outcome::Done(sys::to_res(other)),
    }
}
