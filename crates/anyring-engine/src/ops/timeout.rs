//! Timeouts.

use core::ffi::c_int;

use anyring_abi as abi;

use crate::os::sys;
use crate::os::user_memory;
use crate::request::{Data, Id, Outcome, Request, Stage, Timer};
use crate::ring::CLOCKS;
use crate::ring::state::State;
use crate::ring::timers::{after, nanos};

const FLAGS: u32 = abi::IORING_TIMEOUT_ABS
    | abi::IORING_TIMEOUT_CLOCK_MASK
    | abi::IORING_TIMEOUT_ETIME_SUCCESS
    | abi::IORING_TIMEOUT_MULTISHOT
    | abi::IORING_TIMEOUT_IMMEDIATE_ARG;

/// What the kernel checks of a timeout.
pub(crate) fn check(_: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    let flags = sqe.op_flags;
    let repeated = abi::IORING_TIMEOUT_MULTISHOT | abi::IORING_TIMEOUT_ABS;
    let wrong = sqe.len != 1
        || flags & !FLAGS != 0
        || flags & abi::IORING_TIMEOUT_CLOCK_MASK == abi::IORING_TIMEOUT_CLOCK_MASK
        || flags & repeated == repeated
        || sqe.opcode == abi::IORING_OP_LINK_TIMEOUT as u8 && sqe.off as u32 != 0;
    if wrong {
        return Err(-libc::EINVAL);
    }
    span(sqe.addr, flags).map(|_| ())
}

/// The time in the program's memory, or in the address itself.
fn span(at: u64, flags: u32) -> Result<u64, c_int> {
    if flags & abi::IORING_TIMEOUT_IMMEDIATE_ARG != 0 {
        return Ok(at);
    }
    let time: abi::__kernel_timespec = user_memory::read(at)?;
    if time.tv_sec < 0 || time.tv_nsec < 0 {
        return Err(-libc::EINVAL);
    }
    Ok(after(0, nanos(time)))
}

fn clock_of(flags: u32) -> usize {
    if flags & abi::IORING_TIMEOUT_BOOTTIME != 0 {
        1
    } else if flags & abi::IORING_TIMEOUT_REALTIME != 0 {
        2
    } else {
        0
    }
}

/// The point that a span (or a point) of a clock means now.
fn point(span: u64, clock: usize, flags: u32) -> u64 {
    if flags & abi::IORING_TIMEOUT_ABS != 0 {
        span
    } else {
        sys::now(CLOCKS[clock]).saturating_add(span)
    }
}

/// Keeps the time; it starts to run when the request does.
pub(crate) fn copy(request: &mut Request) -> Result<(), c_int> {
    let flags = request.sqe.op_flags;
    let every = span(request.sqe.addr, flags)?;
    let multishot = flags & abi::IORING_TIMEOUT_MULTISHOT != 0;
    request.data = Data::Timer(Timer {
        clock: clock_of(flags),
        at: 0,
        every,
        target: None,
        repeats: if multishot { request.sqe.off as u32 } else { 1 },
    });
    Ok(())
}

fn set(request: &mut Request, count: u32) -> Result<(), c_int> {
    super::copy(request)?;
    let flags = request.sqe.op_flags;
    let counted = request.sqe.off != 0 && flags & abi::IORING_TIMEOUT_MULTISHOT == 0;
    let off = request.sqe.off as u32;
    if let Data::Timer(timer) = &mut request.data {
        timer.at = point(timer.every, timer.clock, flags);
        timer.target = counted.then(|| count.wrapping_add(off));
    }
    Ok(())
}

/// What the kernel checks of a LINK_TIMEOUT, which needs a request to guard.
pub(crate) fn check_link(state: &State, request: &Request) -> Result<(), c_int> {
    check(state, request)?;
    state.chain.map(|_| ()).ok_or(-libc::EINVAL)
}

/// Whether the end of a TIMEOUT does not break its chain: it asks for that.
pub(crate) fn is_success(request: &Request, res: i32) -> bool {
    res == -libc::ETIME && request.sqe.op_flags & abi::IORING_TIMEOUT_ETIME_SUCCESS != 0
}

/// Whether the end of a LINK_TIMEOUT does not break its chain. Once started it is no
/// failure, whichever was faster.
pub(crate) fn link_is_success(request: &Request, _: i32) -> bool {
    request.started
}

/// LINK_TIMEOUT as a request of its own, which it is only if what it should guard did
/// not have to wait.
pub(crate) fn issue_link(_: &mut State, _: &mut Request, _: Option<u32>) -> Outcome {
    Outcome::Done(-libc::ECANCELED)
}

/// TIMEOUT.
pub(crate) fn start(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    match set(request, state.count) {
        Ok(()) => Outcome::Suspended(Stage::Timing),
        Err(error) => Outcome::Done(error),
    }
}

/// LINK_TIMEOUT, when what it guards has started.
pub(crate) fn start_link(state: &mut State, request: &mut Request) -> Outcome {
    request.started = true;
    start(state, request, None)
}

/// The request is stored: its timer starts.
pub(crate) fn armed(state: &mut State, id: Id) {
    let Some(Data::Timer(timer)) = state.get(id).map(|request| &request.data) else {
        return;
    };
    let timer = *timer;
    state.waiting_events += 1;
    let epoll = state.epoll;
    let set = state
        .timers
        .add(epoll, timer.clock, timer.at, id)
        .and_then(|()| {
            timer
                .target
                .map_or(Ok(()), |target| state.timers.add_target(target, id))
        });
    if let Err(error) = set {
        state.fail(id, error);
    }
}

/// The request ends: its timer stops.
pub(crate) fn disarmed(state: &mut State, id: Id) {
    state.timers.remove(id);
    state.waiting_events -= 1;
}

/// A clock's timer fired.
pub(crate) fn expire(state: &mut State, clock: usize) {
    state.timers.fired(clock);
    while let Some(id) = state.timers.due(clock) {
        expired(state, id);
    }
    state.timers.set(clock);
}

/// Ends what is over already, before its timer is heard of.
pub(crate) fn expire_due(state: &mut State) {
    for clock in 0..CLOCKS.len() {
        if state.timers.is_due(clock) {
            expire(state, clock);
        }
    }
}

fn expired(state: &mut State, id: Id) {
    // One that was stopped meanwhile ends anyway.
    if state.get(id).is_none_or(|r| r.stage != Stage::Timing) {
        return;
    }
    let Some(mut request) = state.take(id) else {
        return;
    };
    if request.sqe.opcode == abi::IORING_OP_WAITID as u8 {
        // Only looks again.
        state.waiting_events -= 1;
        request.data = Data::None;
        request.stage = Stage::Running;
        let outcome = super::start(state, &mut request);
        return state.settle(Some(id), request, outcome);
    }
    if request.sqe.opcode == abi::IORING_OP_TIMEOUT as u8 {
        // Threads that wait in an enter return, however many completions are missing.
        state.timeouts = state.timeouts.wrapping_add(1);
    }
    if let Some(guarded) = request.guarded.take() {
        state.put(id, request);
        let res = expire_guarded(state, guarded);
        return state.fail(id, res);
    }
    let multishot = request.sqe.op_flags & abi::IORING_TIMEOUT_MULTISHOT != 0;
    if let (true, Data::Timer(timer)) = (multishot, &mut request.data) {
        if timer.repeats != 1 && !state.is_full() {
            timer.repeats = timer.repeats.saturating_sub(1);
            timer.at = timer.at.saturating_add(timer.every);
            let (at, clock, epoll) = (timer.at, timer.clock, state.epoll);
            let again = state.timers.add(epoll, clock, at, id);
            if again.is_ok() {
                state.post_more(&mut request, -libc::ETIME, 0);
                return state.put(id, request);
            }
        }
    }
    state.put(id, request);
    state.fail(id, -libc::ETIME);
}

/// A time limit is over: what it guards is cancelled.
fn expire_guarded(state: &mut State, guarded: Id) -> i32 {
    if let Some(request) = state.get_mut(guarded) {
        request.guard = None;
    }
    match super::cancel::one(state, guarded) {
        Ok(0) => -libc::ETIME,
        Ok(count) => count,
        Err(error) => error,
    }
}

/// A completion was counted: timeouts that waited for it end.
#[cold]
#[inline(never)]
pub(crate) fn counted(state: &mut State) {
    let count = state.count;
    while let Some(id) = state.timers.reached(count) {
        if state.get(id).is_some_and(|r| r.stage == Stage::Timing) {
            state.timeouts = state.timeouts.wrapping_add(1);
            state.fail(id, 0);
        }
    }
}

/// TIMEOUT_REMOVE, and its update.
pub(crate) fn remove(state: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    change(state, request).into()
}

/// What the kernel checks of a TIMEOUT_REMOVE.
pub(crate) fn check_remove(_: &State, request: &Request) -> Result<(), c_int> {
    check_change(request).map(|_| ())
}

/// The new time of an update, 0 for a removal.
fn check_change(request: &Request) -> Result<u64, c_int> {
    let sqe = &request.sqe;
    let flags = sqe.op_flags;
    let update = flags & abi::IORING_TIMEOUT_UPDATE_MASK != 0;
    let known = if update {
        abi::IORING_TIMEOUT_UPDATE_MASK
            | abi::IORING_TIMEOUT_ABS
            | abi::IORING_TIMEOUT_IMMEDIATE_ARG
    } else {
        0
    };
    if flags & !known != 0 || request.has(abi::IOSQE_BUFFER_SELECT) {
        return Err(-libc::EINVAL);
    }
    if update { span(sqe.off, flags) } else { Ok(0) }
}

fn change(state: &mut State, request: &Request) -> Result<i32, c_int> {
    let every = check_change(request)?;
    let sqe = &request.sqe;
    let flags = sqe.op_flags;
    let update = flags & abi::IORING_TIMEOUT_UPDATE_MASK != 0;
    let kind = if flags & abi::IORING_LINK_TIMEOUT_UPDATE != 0 {
        abi::IORING_OP_LINK_TIMEOUT
    } else {
        abi::IORING_OP_TIMEOUT
    };
    let target = sqe.addr;
    let found = state.find_all(|other| {
        u32::from(other.sqe.opcode) == kind
            && other.sqe.user_data == target
            && other.stage == Stage::Timing
    })?;
    let id = *found.first().ok_or(-libc::ENOENT)?;
    if !update {
        state.stop(id, -libc::ECANCELED);
        return Ok(0);
    }
    // First what can fail: a timeout that cannot get its new time keeps the old.
    let epoll = state.epoll;
    state.timers.prepare(epoll, clock_of(flags))?;
    state.timers.remove(id);
    let mut again = None;
    if let Some(timeout) = state.get_mut(id) {
        if let Data::Timer(timer) = &mut timeout.data {
            // It keeps its clock.
            timer.every = every;
            timer.at = point(every, timer.clock, flags);
            // An update ends the counting.
            timer.target = None;
            again = Some((timer.clock, timer.at));
        }
    }
    if let Some((clock, at)) = again {
        state.timers.add(epoll, clock, at, id)?;
    }
    Ok(0)
}
