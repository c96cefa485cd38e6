//! io_uring_enter(2): taking SQEs, waiting for completions.

use alloc::sync::Arc;
use core::ffi::{c_int, c_uint};

use anyring_abi as abi;
use anyring_abi::{__kernel_timespec, io_uring_getevents_arg, io_uring_reg_wait, io_uring_sqe};

use crate::ops::opdef::{Attempt, LAST, opdef};
use crate::os::sync::NoSignals;
use crate::os::sys::{self, EVENTS};
use crate::os::user_memory;
use crate::request::Request;
use crate::ring::state::{State, Waiter};
use crate::ring::timers::{after, nanos};
use crate::ring::{Ring, ring_wakes};
use crate::wait::events::wake_rings;

/// Flags of enter that the engine serves.
pub(crate) const ENTER_FLAGS: u32 = abi::IORING_ENTER_GETEVENTS
    | abi::IORING_ENTER_SQ_WAKEUP
    | abi::IORING_ENTER_SQ_WAIT
    | abi::IORING_ENTER_EXT_ARG
    | abi::IORING_ENTER_REGISTERED_RING
    | abi::IORING_ENTER_ABS_TIMER
    | abi::IORING_ENTER_EXT_ARG_REG
    | abi::IORING_ENTER_NO_IOWAIT;

const ALL_SQE_FLAGS: u32 = (1 << 7) - 1;

/// The longest sleep between two looks at files that the epoll may not report.
const LOOK_NANOS: u64 = 20_000_000;

/// What a wait is limited by.
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    timeout: Option<__kernel_timespec>,
    min_wait_usec: u32,
    /// Address and bytes of a signal mask.
    mask: (usize, usize),
}

/// io_uring_enter(2) on a ring of the engine.
pub(crate) fn enter(
    ring: &Arc<Ring>,
    to_submit: c_uint,
    min_complete: c_uint,
    flags: c_uint,
    arg: u64,
    size: usize,
) -> c_int {
    if flags & !ENTER_FLAGS != 0 {
        return -libc::EINVAL;
    }
    let mut submitted = Ok(0);
    let waits = flags & abi::IORING_ENTER_GETEVENTS != 0;
    // A call that only waits takes signals in its sleep alone, as the kernel's does:
    // a handler may use this very ring, whose lock must not be held then.
    let no_signals = (waits && to_submit == 0 && min_complete != 0).then(NoSignals::new);
    let mut sqpoll = false;
    let problem = ring.with(true, |state| {
        sqpoll = state.flags & abi::IORING_SETUP_SQPOLL != 0;
        if state.gone | state.disabled | state.shown | state.hindered {
            if state.gone || state.disabled {
                return Some(-libc::EBADFD);
            }
            if flags & !state.chaos.mask().enter != 0 {
                return Some(-libc::EINVAL);
            }
            if state.shown {
                ring.put_back(state);
            }
        }
        if let Err(error) = check_issuer(state, to_submit, flags) {
            return Some(error);
        }
        state.waits_next = waits && min_complete != 0;
        // Deferred work is left to enters that ask for events.
        let leaves = !waits && state.flags & abi::IORING_SETUP_DEFER_TASKRUN != 0;
        state.leaves = leaves;
        state.cq.leaves = leaves;
        if state.flags & abi::IORING_SETUP_SQPOLL != 0 {
            submitted = Ok(to_submit as c_int);
        } else if to_submit != 0 {
            submitted = submit(state, to_submit);
        }
        let looks = core::mem::take(&mut state.look_soon);
        // What is ready by now shows, as the kernel's does; a sleep begins with
        // a look anyway.
        let sleeps = waits
            && !state.first_look
            && matches!(submitted, Ok(count) if count as u32 == to_submit)
            && !state.reached(state.target(min_complete));
        let looks = !leaves && (looks || waits || min_complete == 0 || state.first_look);
        if !leaves {
            state.ask_unreported();
        }
        if state.waiting_events != 0 && looks && !sleeps {
            state.poll_events(ring.kick.get());
        }
        state.first_look = false;
        if waits && min_complete == 0 {
            publish_cqes(state, ring);
        } else if min_complete == 0 {
            state.clear_readable(ring.signal.get());
        }
        None
    });
    if let Some(error) = problem {
        return error;
    }
    if sqpoll {
        if flags & abi::IORING_ENTER_SQ_WAKEUP != 0 || to_submit != 0 {
            crate::wait::sqpoll_idle::wake(ring);
        }
        if flags & abi::IORING_ENTER_SQ_WAIT != 0 {
            crate::wait::sqpoll::wait_for_room(ring);
        }
    }
    let submitted = match submitted {
        Ok(count) => count,
        Err(error) => return error,
    };
    if !waits || (submitted as u32) < to_submit {
        if ring_wakes::any() {
            wake_rings(ring, waits);
        }
        return submitted;
    }
    let waited = limits(ring, flags, arg, size)
        .and_then(|limits| wait(ring, min_complete, flags, limits, no_signals));
    if ring_wakes::any() {
        wake_rings(ring, true);
    }
    match waited {
        _ if submitted > 0 => submitted,
        Ok(()) => 0,
        Err(error) => error,
    }
}

/// Only its issuer may submit to a single-issuer ring, and only that thread
/// may fetch from one that defers.
fn check_issuer(state: &mut State, to_submit: u32, flags: u32) -> Result<(), c_int> {
    if state.flags & abi::IORING_SETUP_SINGLE_ISSUER == 0 {
        return Ok(());
    }
    let fetches = flags & abi::IORING_ENTER_GETEVENTS != 0
        && state.flags & abi::IORING_SETUP_DEFER_TASKRUN != 0;
    if to_submit == 0 && !fetches {
        return Ok(());
    }
    let me = sys::gettid();
    if state.issuer == 0 {
        state.issuer = me;
    }
    if state.issuer == me {
        Ok(())
    } else {
        Err(-libc::EEXIST)
    }
}

/// Shows what waits outside the queue, and drops the signals for it.
fn publish_cqes(state: &mut State, ring: &Ring) {
    if state.flags & abi::IORING_SETUP_DEFER_TASKRUN != 0 {
        state.clear_flag(abi::IORING_SQ_TASKRUN);
        state.pending_signalled = false;
    }
    state.flush();
    state.clear_readable(ring.signal.get());
}

/// Takes SQEs; how many, or -errno if none could be.
pub(crate) fn submit(state: &mut State, to_submit: u32) -> Result<c_int, c_int> {
    let available = state.sq.ready(&state.memory).min(state.memory.sq_entries);
    let count = to_submit.min(available);
    let mut taken = 0;
    let mut unhindered = runs_at_once(state);
    while taken < count {
        let Some(sqe) = state.sq.take(&state.memory) else {
            break;
        };
        taken += 1;
        if unhindered && attempt(state, &sqe) {
            continue;
        }
        if !accept(state, &sqe) {
            break;
        }
        unhindered = runs_at_once(state);
        if !unhindered && state.hindered && crate::ops::struck::stops(state) {
            break;
        }
    }
    // A chain ends with the submission.
    close_chain(state);
    if state.leaves && state.has_untried() {
        state.try_untried();
    }
    state.forget_untried();
    state.release_held();
    Ok(taken as c_int)
}

/// Whether nothing about the ring keeps an SQE from being done as soon as it is read.
fn runs_at_once(state: &State) -> bool {
    state.chain.is_none()
        && state.drain.is_empty()
        && state.draining.is_none()
        && !state.hindered
        && state.flags & abi::IORING_SETUP_IOPOLL == 0
        && !state.has_untried()
}

/// Does what an SQE asks for without making a request of it, if its operation can; false
/// if nothing was done.
#[inline]
fn attempt(state: &mut State, sqe: &io_uring_sqe) -> bool {
    let plain = u32::from(sqe.flags) & !abi::IOSQE_FIXED_FILE | u32::from(sqe.ioprio) == 0
        && sqe.personality == 0;
    if !plain {
        return false;
    }
    let Some(at_once) = opdef(sqe.opcode).at_once else {
        return false;
    };
    match (at_once.attempt)(state, sqe) {
        Attempt::Done(res) => state.complete_at_once(sqe.user_data, res),
        Attempt::Tried(result) => state.begin_tried(*sqe, result),
        Attempt::Unsuitable => return false,
    }
    true
}

/// Checks a request and starts it; false if the submission stops here.
#[inline(never)]
fn accept(state: &mut State, sqe: &io_uring_sqe) -> bool {
    let mut request = state.request(*sqe);
    let in_chain = state.chain.is_some() || request.is_linked();
    let checked = admit(state, &mut request, in_chain);
    if in_chain || checked.is_err() {
        return chain_or_refuse(state, request, checked);
    }
    state.begin_alone(request);
    true
}

/// Whether a request may start.
#[inline]
fn admit(state: &mut State, request: &mut Request, in_chain: bool) -> Result<(), c_int> {
    state.skips |= request.skips_success();
    let mut checked = check(state, request);
    if checked.is_ok() {
        request.owes = crate::ops::net::send::owes_notification(request);
        checked = crate::ops::check(state, request);
    }
    if state.has_untried() && !request.def.transfers {
        state.try_untried();
    }
    checked?;
    if in_chain {
        crate::ops::prepare(request)?;
    }
    if state.hindered {
        strike(state, request);
    }
    Ok(())
}

/// Lets chaos have its way with a request.
#[cold]
fn strike(state: &mut State, request: &mut Request) {
    if state.chaos.is_on() {
        if request.has(abi::IOSQE_IO_DRAIN) && state.delayed.len() != 0 {
            // What came before has its completions before.
            state.show_delayed(true);
        }
        crate::ops::struck::strike(state, request);
    }
}

/// What becomes of a request of a chain, or one that may not start. Out of line:
/// most are neither.
#[inline(never)]
fn chain_or_refuse(state: &mut State, request: Request, checked: Result<(), c_int>) -> bool {
    let go_on = state.flags & abi::IORING_SETUP_SUBMIT_ALL != 0;
    let ends = !request.is_linked();
    let in_chain = !ends || state.chain.is_some();
    if let (Err(error), false) = (checked, in_chain) {
        state.finish(request, error, 0, None);
        return go_on;
    }
    // A bad request in a chain takes the chain with it.
    state.chain_failed |= checked.is_err();
    add_to_chain(state, request, checked.err());
    if ends {
        close_chain(state);
    }
    // In the middle of a chain the rest of it is taken, too.
    checked.is_ok() || go_on || !ends
}

/// What the kernel checks before it looks at the operation.
#[inline]
fn check(state: &State, request: &Request) -> Result<(), c_int> {
    let sqe = &request.sqe;
    if u32::from(sqe.opcode) >= LAST {
        return Err(-libc::EINVAL);
    }
    if u32::from(sqe.flags) & !ALL_SQE_FLAGS != 0 {
        return Err(-libc::EINVAL);
    }
    if state.hindered {
        check_hindered(state, sqe)?;
    }
    // A drain counts completions, which are not all there any more.
    if request.has(abi::IOSQE_IO_DRAIN) && state.skips {
        return Err(-libc::EOPNOTSUPP);
    }
    if request.has(abi::IOSQE_BUFFER_SELECT) && !request.def.buffer_select {
        return Err(-libc::EOPNOTSUPP);
    }
    if sqe.personality != 0 {
        check_personality(state, sqe.personality, sqe.opcode)?;
    }
    Ok(())
}

/// What the program, or the kernel that chaos imitates, lets a ring take.
#[cold]
fn check_hindered(state: &State, sqe: &io_uring_sqe) -> Result<(), c_int> {
    if let Some(restrictions) = &state.restrictions {
        restrictions.check(sqe)?;
    }
    crate::ops::struck::check_mask(state, sqe)
}

/// Credentials other than the present ones matter where names are looked up,
/// which the pool does with them; elsewhere they cannot be had.
#[cold]
fn check_personality(state: &State, id: u16, op: u8) -> Result<(), c_int> {
    let one = state
        .personalities
        .iter()
        .find(|one| one.0 == id)
        .ok_or(-libc::EINVAL)?;
    if one.1 == crate::os::credentials::effective() || opdef(op).path {
        Ok(())
    } else {
        Err(-libc::EPERM)
    }
}

/// Appends to the chain that is being put together.
fn add_to_chain(state: &mut State, mut request: Request, error: Option<c_int>) {
    request.stage = crate::request::Stage::Linked;
    let drains = request.has(abi::IOSQE_IO_DRAIN);
    if let Some(error) = error {
        // Kept for when the chain is closed.
        request.done = error.unsigned_abs() as usize;
        request.cancelled = true;
    }
    match state.store(request) {
        Ok(id) => match state.chain {
            None => state.chain = Some((id.slot, id.slot)),
            Some((first, last)) => {
                let last = state.id_of(last);
                if let Some(before) = state.get_mut(last) {
                    before.next = Some(id.slot);
                }
                state.chain = Some((first, id.slot));
                if drains {
                    // A chain that drains anywhere does so as a whole.
                    let first = state.id_of(first);
                    if let Some(first) = state.get_mut(first) {
                        first.sqe.flags |= abi::IOSQE_IO_DRAIN as u8;
                    }
                }
            }
        },
        Err(request) => {
            state.chain_failed = true;
            state.finish(request, -libc::ENOMEM, 0, None);
        }
    }
}

/// Starts the chain, or fails it as a whole.
fn close_chain(state: &mut State) {
    let Some((first, _)) = state.chain.take() else {
        return;
    };
    let id = state.id_of(first);
    if !core::mem::take(&mut state.chain_failed) {
        state.begin_stored(id);
        return;
    }
    let mut at = Some(id);
    let no_signals = state.get(id).is_some_and(Request::skips_success);
    while let Some(next) = at {
        let Some(mut request) = state.take(next) else {
            return;
        };
        at = request.next.take().map(|slot| state.id_of(slot));
        state.release(next);
        // The first says whether the others are heard of.
        if no_signals && next != id {
            state.notify(&mut request);
            continue;
        }
        let res = if request.cancelled {
            -(request.done as c_int)
        } else {
            -libc::ECANCELED
        };
        // No more is announced; a notification comes all the same.
        let mut sender = request
            .owes
            .then(|| Request::new(request.sqe, request.order));
        request.owes = false;
        state.finish(request, res, 0, None);
        if let Some(sender) = &mut sender {
            sender.owes = true;
            state.notify(sender);
        }
    }
}

/// Reads what the argument says.
fn limits(ring: &Ring, flags: u32, arg: u64, size: usize) -> Result<Limits, c_int> {
    if flags & abi::IORING_ENTER_EXT_ARG == 0 {
        return Ok(Limits {
            mask: (arg as usize, if arg == 0 { 8 } else { size }),
            ..Limits::default()
        });
    }
    if flags & abi::IORING_ENTER_EXT_ARG_REG != 0 {
        return registered_limits(ring, arg, size);
    }
    if size != size_of::<io_uring_getevents_arg>() {
        return Err(-libc::EINVAL);
    }
    let arg: io_uring_getevents_arg = user_memory::read(arg)?;
    let timeout = match arg.ts {
        0 => None,
        at => Some(user_memory::read(at)?),
    };
    Ok(Limits {
        timeout,
        min_wait_usec: arg.min_wait_usec,
        mask: mask_of(arg.sigmask, arg.sigmask_sz),
    })
}

fn mask_of(mask: u64, size: u32) -> (usize, usize) {
    match mask {
        0 => (0, 8),
        _ => (mask as usize, size as usize),
    }
}

fn registered_limits(ring: &Ring, offset: u64, size: usize) -> Result<Limits, c_int> {
    if size != size_of::<io_uring_reg_wait>() {
        return Err(-libc::EINVAL);
    }
    let (start, bytes) = ring.peek(|state| state.wait_region).ok_or(-libc::EFAULT)?;
    let inside = offset
        .checked_add(size as u64)
        .is_some_and(|end| end <= bytes as u64);
    if offset % size_of::<usize>() as u64 != 0 || !inside {
        return Err(-libc::EFAULT);
    }
    let arg: io_uring_reg_wait = user_memory::read(start + offset)?;
    if arg.pad != [0; 3] || arg.pad2 != [0; 2] || arg.flags & !abi::IORING_REG_WAIT_TS != 0 {
        return Err(-libc::EINVAL);
    }
    Ok(Limits {
        timeout: (arg.flags & abi::IORING_REG_WAIT_TS != 0).then_some(arg.ts),
        min_wait_usec: arg.min_wait_usec,
        mask: mask_of(arg.sigmask, arg.sigmask_sz),
    })
}

/// Waits until the queue holds `min_complete` CQEs.
fn wait(
    ring: &Arc<Ring>,
    min_complete: u32,
    flags: u32,
    limits: Limits,
    no_signals: Option<NoSignals>,
) -> Result<(), c_int> {
    let me = ring.waiter();
    let (mut target, mut clock) = (0, libc::CLOCK_MONOTONIC);
    let mut already = false;
    let (mut unreported, mut nothing) = (false, false);
    ring.with(true, |state| -> Result<(), c_int> {
        target = state.target(min_complete);
        // A timeout that was over before is not one that ends this wait.
        crate::ops::timeout::expire_due(state);
        clock = state.clock;
        publish_cqes(state, ring);
        state.ask_unreported();
        already = state.reached(target);
        if already {
            return Ok(());
        }
        unreported = state.has_unreported();
        nothing = state.cq_ready() == 0;
        if nothing && state.hindered && crate::ops::struck::interrupts(state) {
            return Err(-libc::EINTR);
        }
        state.waiters.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
        state.waiters.push(Waiter {
            id: me,
            target,
            timeouts: state.timeouts,
        });
        state.waits += 1;
        Ok(())
    })?;
    if already {
        return Ok(());
    }
    let no_signals = no_signals.unwrap_or_else(NoSignals::new);
    let start = sys::now(clock);
    let origin = if flags & abi::IORING_ENTER_ABS_TIMER != 0 {
        0
    } else {
        start
    };
    let deadline = limits.timeout.map(|span| after(origin, nanos(span)));
    let mut sleep = Sleep {
        ring,
        me,
        minimum: (limits.min_wait_usec != 0)
            .then(|| start.saturating_add(u64::from(limits.min_wait_usec) * 1000)),
        // The program's mask for the wait, or the one that it has.
        mask: match limits.mask {
            (0, _) => ((&raw const no_signals.before) as usize, sys::SIGSET),
            given => given,
        },
        clock,
        deadline,
        unreported,
        posted: true,
        nothing,
    };
    let result = sleep.run();
    let was_empty = sleep.nothing;
    let left = ring.with(true, |state| {
        state.waiters.retain(|waiter| waiter.id != me);
        if state.look_soon && state.waiting_events != 0 {
            // A multishot request that went on has looked again when this returns.
            state.poll_events(ring.kick.get());
        }
        publish_cqes(state, ring);
        if state.other_satisfied(me) {
            sys::eventfd_add(ring.kick.get());
        }
        let now = state.situation();
        state.driver_policy.wait_ended(&now);
        state.cq_ready()
    });
    match result {
        // On the kernel the handler runs after the wait: what it completes is not there yet.
        Err(e) if e == -libc::EINTR && was_empty => Err(e),
        Err(e) if (e == -libc::EINTR || e == -libc::ETIME) && left != 0 => Ok(()),
        other => other,
    }
}

/// A sleep on the ring's epoll, which goes on with what becomes ready there,
/// until the waiter may go.
struct Sleep<'a> {
    ring: &'a Arc<Ring>,
    me: u64,
    /// When the minimum wait ends; the deadline counts from then on only.
    minimum: Option<u64>,
    mask: (usize, usize),
    clock: c_int,
    deadline: Option<u64>,
    /// The epoll may not report all that is waited for.
    unreported: bool,
    /// Something was posted since the last look.
    posted: bool,
    /// There was no completion when the thread went to sleep.
    nothing: bool,
}

impl Sleep<'_> {
    fn run(&mut self) -> Result<(), c_int> {
        loop {
            let until = self.minimum.or(self.deadline);
            let mut left = until.map(|until| until.saturating_sub(sys::now(self.clock)));
            if self.unreported {
                // Another thread's look may hide a signal of this one's. What this ring
                // posted just now may be what a poll of it waits for.
                let most = if self.posted { 0 } else { LOOK_NANOS };
                left = Some(left.map_or(most, |left| left.min(most)));
            }
            let timeout = left.map(sys::timespec);
            let mut events = [sys::NO_EVENT; EVENTS];
            let count = sys::epoll_wait(self.ring.epoll.get(), &mut events, timeout, self.mask);
            let now = until.map_or(0, |_| sys::now(self.clock));
            let minimum_over = self.minimum.is_some_and(|end| now >= end);
            if minimum_over {
                self.minimum = None;
            }
            let (done, nothing) = self.ring.with_as(true, self.me, |state| {
                let before = state.cq.tail();
                if let Ok(count) = count {
                    state.handle(&mut events[..count], self.ring.kick.get());
                    state.advance();
                }
                state.ask_unreported();
                self.unreported = state.has_unreported();
                state.flush();
                self.posted = state.cq.tail() != before;
                let nothing = state.cq_ready() == 0;
                if minimum_over {
                    // Whatever came is enough then, or the next that comes.
                    state.lower_target(self.me);
                }
                if state.other_satisfied(self.me) {
                    sys::eventfd_add(self.ring.kick.get());
                }
                (state.gone || state.may_go(self.me), nothing)
            });
            if count == Err(-libc::EINTR) && self.nothing {
                return Err(-libc::EINTR);
            }
            self.nothing = nothing;
            if done {
                return Ok(());
            }
            count?;
            if minimum_over && nothing && self.deadline.is_none() {
                return Err(-libc::ETIME);
            }
            if self.minimum.is_none() && self.deadline.is_some_and(|deadline| now >= deadline) {
                return Err(-libc::ETIME);
            }
        }
    }
}
