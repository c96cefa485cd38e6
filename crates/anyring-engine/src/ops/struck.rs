//! What chaos does to requests: before they start, as they post, and to calls.

use core::ffi::c_int;

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

use super::opdef::{DOOMED, opdef};
use crate::chaos::{CALL, Kind, Target};
use crate::os::sys;
use crate::request::{File, Outcome, Request};
use crate::ring::cq::Completion;
use crate::ring::state::State;

/// Writes of a pipe that are not parted.
const PIPE_BUF: u32 = 4096;
/// What files opened with O_DIRECT transfer is a multiple of this at most.
const BLOCK: u32 = 4096;

/// Ends a request by the error that stands in its entry for it.
pub(crate) fn fail(_: &mut State, request: &mut Request, _: Option<u32>) -> Outcome {
    Outcome::Done((request.sqe.len as i32).wrapping_neg())
}

fn target(state: &State, sqe: &io_uring_sqe) -> Target {
    let file = match u32::from(sqe.flags) & abi::IOSQE_FIXED_FILE {
        0 => sqe.fd,
        _ => match super::fixed_file(state, sqe.fd as u32) {
            Ok(File::Held(file)) => file.get(),
            _ => -1,
        },
    };
    Target {
        opcode: sqe.opcode,
        fd: sqe.fd,
        file: if opdef(sqe.opcode).needs_file {
            file
        } else {
            -1
        },
        user_data: sqe.user_data,
    }
}

/// Whether the kernel that is imitated takes an entry.
pub(crate) fn check_mask(state: &State, sqe: &io_uring_sqe) -> Result<(), c_int> {
    let mask = state.chaos.mask();
    let has = mask.has_op(sqe.opcode)
        && u32::from(sqe.flags) & !mask.sqe == 0
        && !mask.refuses(sqe.opcode, sqe.ioprio);
    if has { Ok(()) } else { Err(-libc::EINVAL) }
}

/// Decides what happens to a request that is about to start.
pub(crate) fn strike(state: &mut State, request: &mut Request) {
    let chaos = state.chaos;
    let (number, sqe) = (request.order, request.sqe);
    if u32::from(sqe.opcode) == abi::IORING_OP_LINK_TIMEOUT {
        return;
    }
    let target = target(state, &sqe);
    if chaos.may(Kind::Error) {
        if let Some(errno) = chaos.strikes(Kind::Error, number, &target) {
            return doom(request, errno as u32);
        }
    }
    if chaos.may(Kind::Short) {
        if let Some(most) = shortest(request, target.file) {
            if let Some(part) = chaos.strikes(Kind::Short, number, &target) {
                request.sqe.len = shorter(request, target.file, most, part);
                // What moved less than was asked for cuts its chain.
                request.failed |= request.is_linked();
            }
        }
    }
    let moves = request.def.rw || request.def.transfers || request.def.path;
    let once = !super::is_multishot(request, request.def);
    let may = moves && once && chaos.may(Kind::Worker) && !request.has(abi::IOSQE_ASYNC);
    if may && chaos.strikes(Kind::Worker, number, &target).is_some() {
        request.sqe.flags |= abi::IOSQE_ASYNC as u8;
    }
}

/// The request will end by an error when its turn comes.
fn doom(request: &mut Request, errno: u32) {
    if u32::from(request.sqe.opcode) == abi::IORING_OP_NOP {
        request.sqe.op_flags = abi::IORING_NOP_INJECT_RESULT;
        request.sqe.len = errno.wrapping_neg();
        return;
    }
    request.def = &DOOMED;
    request.sqe.len = errno;
    request.owes = false;
}

/// The smallest length that a transfer may be cut to, if it may be cut.
fn shortest(request: &Request, file: c_int) -> Option<u32> {
    let (def, sqe) = (request.def, &request.sqe);
    if super::is_multishot(request, def) || def.message || sqe.len < 2 {
        return None;
    }
    let (kind, _) = sys::kind_of(file).ok()?;
    let stream = |fd| sys::socket_option(fd, libc::SO_TYPE) == Ok(libc::SOCK_STREAM);
    if def.transfers {
        let whole = sqe.op_flags & libc::MSG_WAITALL as u32 != 0
            || u32::from(sqe.ioprio) & (abi::IORING_RECVSEND_BUNDLE | abi::IORING_SEND_VECTORIZED)
                != 0;
        return (!whole && stream(file)).then_some(1);
    }
    if !def.rw {
        return None;
    }
    match kind {
        libc::S_IFREG => Some(1),
        libc::S_IFSOCK if stream(file) => Some(1),
        // A write of a pipe is whole up to that size; of vectors the sizes are not known.
        libc::S_IFIFO if !def.writes => Some(1),
        libc::S_IFIFO if !def.vectored && sqe.len > PIPE_BUF => Some(PIPE_BUF),
        _ => None,
    }
}

/// A smaller length, `part` millionths of the way.
fn shorter(request: &Request, file: c_int, least: u32, part: u64) -> u32 {
    let len = request.sqe.len;
    let most = len - 1;
    let least = least.min(most);
    let new = least + (u64::from(most - least) * part / 1_000_000) as u32;
    let direct = !request.def.vectored
        && sys::status_flags(file).is_ok_and(|flags| flags & libc::O_DIRECT != 0);
    match new / BLOCK * BLOCK {
        // Nothing smaller can be moved.
        0 if direct => len,
        whole if direct => whole,
        _ => new,
    }
}

/// Whether a submission stops here, with the entry that was taken last.
pub(crate) fn stops(state: &mut State) -> bool {
    // Inside a chain it would cut the chain, which no program can repair.
    let may = state.chaos.may(Kind::Submit) && state.chain.is_none();
    may && state
        .chaos
        .strikes(Kind::Submit, state.order, &CALL)
        .is_some()
}

/// Whether a wait that would sleep is interrupted.
pub(crate) fn interrupts(state: &mut State) -> bool {
    state.calls += 1;
    state.chaos.may(Kind::Interrupt)
        && state
            .chaos
            .strikes(Kind::Interrupt, state.calls, &CALL)
            .is_some()
}

impl State {
    /// Whether a multishot request ends with the completion that it is about to post.
    pub(crate) fn ends_early(&mut self, request: &Request) -> bool {
        self.is_full() || self.disturbed && self.is_struck_to_end(request)
    }

    #[cold]
    fn is_struck_to_end(&mut self, request: &Request) -> bool {
        if !self.chaos.may(Kind::End) {
            return false;
        }
        self.calls += 1;
        let target = target(self, &request.sqe);
        self.chaos.strikes(Kind::End, self.calls, &target).is_some()
    }

    /// Keeps a last completion back, if chaos says so and nothing orders it.
    #[cold]
    pub(crate) fn delays(&mut self, request: &Request, c: &Completion, timed: bool) -> bool {
        if c.flags & abi::IORING_CQE_F_NOTIF != 0 {
            return self.delays_notification(request, c);
        }
        let ordered = request.is_linked()
            || request.posted
            || !self.drain.is_empty()
            || self.draining.is_some()
            || c.flags & abi::IORING_CQE_F_BUFFER != 0
            || self.flags & abi::IORING_SETUP_IOPOLL != 0
            || !timed && self.timers.has_targets();
        if ordered || self.gone || !self.chaos.may(Kind::Delay) {
            return false;
        }
        let target = target(self, &request.sqe);
        let micros = self.chaos.strikes(Kind::Delay, request.order, &target);
        micros.is_some_and(|micros| self.keep_back(*c, micros))
    }

    /// Keeps a notification back, if chaos says so.
    #[cold]
    pub(crate) fn delays_notification(&mut self, request: &Request, c: &Completion) -> bool {
        if self.gone || !self.chaos.may(Kind::Notification) {
            return false;
        }
        let target = target(self, &request.sqe);
        let micros = self
            .chaos
            .strikes(Kind::Notification, request.order, &target);
        micros.is_some_and(|micros| self.keep_back(*c, micros))
    }

    fn keep_back(&mut self, c: Completion, micros: u64) -> bool {
        let kept = self.delayed.keep(self.epoll, c, micros);
        // The ring has something to wait for until then.
        self.waiting_events += u32::from(kept);
        kept
    }

    /// Shows completions that were kept back: those that are due, or all.
    #[cold]
    pub(crate) fn show_delayed(&mut self, all: bool) {
        while let Some(c) = self.delayed.next(all) {
            self.waiting_events -= 1;
            self.post(c);
        }
    }
}
