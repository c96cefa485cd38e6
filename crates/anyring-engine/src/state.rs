//! What a ring knows, under its lock: requests, chains, drains, completions.

use alloc::collections::VecDeque;
use alloc::sync::Weak;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::Ordering;

use anyring_abi::{
    IORING_CQ_EVENTFD_DISABLED, IORING_CQE_F_32, IORING_CQE_F_BUFFER, IORING_CQE_F_MORE,
    IORING_CQE_F_SKIP, IORING_OP_LINK_TIMEOUT, IORING_SETUP_CQE_MIXED, IORING_SETUP_CQE32,
    IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_TASKRUN_FLAG, IORING_SQ_CQ_OVERFLOW,
    IORING_SQ_TASKRUN, IOSQE_IO_DRAIN, IOSQE_IO_HARDLINK, io_uring_sqe,
};

use crate::buffers::Groups;
use crate::memory::Memory;
use crate::message::Message;
use crate::ops;
use crate::register::limits::Restrictions;
use crate::request::{Data, Id, Outcome, Request, Stage};
use crate::resources::{Buffers, Files};
use crate::ring::Ring;
use crate::sys::{self, Fd};
use crate::timers::Timers;
use crate::user::room;
use crate::{pool, random, rights};

/// A completion that found no room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) user_data: u64,
    pub(crate) res: i32,
    pub(crate) flags: u32,
    pub(crate) extra: Option<[u64; 2]>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    request: Option<Request>,
}

/// A thread inside an enter that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub(crate) id: u64,
    /// The CQ tail it waits for.
    pub(crate) target: u32,
}

/// An eventfd that the program registered.
#[derive(Debug)]
pub(crate) struct Notify {
    pub(crate) fd: Fd,
    /// Not for completions found while submitting.
    pub(crate) only_async: bool,
}

/// Who looks after the ring's epoll while no program thread waits in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Nobody.
    None,
    /// The driver thread, at its next ticks.
    Ticking,
    /// The driver thread, woken by the epoll.
    Armed,
    /// The driver thread left it to a program thread that waits for long.
    Left,
}

/// The ring's state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) memory: Memory,
    /// `IORING_SETUP_*`.
    pub(crate) flags: u32,
    /// The program gave the rings' memory up.
    pub(crate) gone: bool,
    pub(crate) disabled: bool,
    /// The thread that may submit (SINGLE_ISSUER), 0 for any.
    pub(crate) issuer: c_int,
    /// Our copy of the CQ tail; only we write it.
    pub(crate) cq_tail: u32,
    pub(crate) sq_head: u32,
    overflow: VecDeque<Completion>,
    /// Completions that a DEFER_TASKRUN ring shows at its next enter.
    deferred: VecDeque<Completion>,
    /// Whether a completion is posted from an enter of the program.
    pub(crate) inside: bool,
    /// Completions so far that count for timeouts.
    pub(crate) count: u32,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Chains that can go on.
    ready: VecDeque<u32>,
    /// Requests that wait for a drain, in order, with what follows them.
    drain: VecDeque<u32>,
    /// Started and not finished, other than multishot ones.
    running: u32,
    /// A draining request runs: nothing else may start.
    draining: Option<Id>,
    /// It ends: what follows in its chain drains on.
    hands_drain_on: bool,
    order: u64,
    /// Requests that only the epoll or a timer can move.
    pub(crate) waiting_events: u32,
    /// The chain being put together: its first and last slot.
    pub(crate) chain: Option<(u32, u32)>,
    pub(crate) chain_failed: bool,
    /// A request came that posts nothing if it succeeds.
    pub(crate) skips: bool,
    pub(crate) files: Files,
    pub(crate) buffers: Buffers,
    pub(crate) groups: Groups,
    pub(crate) timers: Timers,
    pub(crate) restrictions: Option<Restrictions>,
    pub(crate) notify: Option<Notify>,
    pub(crate) personalities: Vec<(u16, [u32; 2])>,
    pub(crate) clock: c_int,
    pub(crate) wait_region: Option<(u64, usize)>,
    /// A registered region; with an address if the engine made it.
    pub(crate) region: Option<(usize, usize)>,
    pub(crate) outbox: Vec<(Id, Message)>,
    /// A letter whose sender is about to be stored.
    pub(crate) written: Option<Message>,
    /// A watch was added that may have something to tell at once.
    pub(crate) look_soon: bool,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) care: Care,
    /// Waits so far, for the driver to see whether the program comes by.
    pub(crate) waits: u64,
    /// The ring fd polls readable.
    pub(crate) signalled: bool,
    posted: bool,
    posted_async: bool,
    /// The queue was empty before what was posted.
    was_empty: bool,
    /// The thread inside will wait.
    pub(crate) waits_next: bool,
    pub(crate) workers: [u32; 2],
    /// The epoll that all watches are in.
    pub(crate) epoll: c_int,
    pub(crate) serial: u64,
    /// The ring itself, for work that outlives this call.
    pub(crate) me: Weak<Ring>,
    /// Mixes up the order of completions, if asked for.
    pub(crate) shuffle: random::Shuffle,
    /// What is being submitted has no place in an order: its completions are
    /// held, to be shown in a random one.
    holds: bool,
    held: Vec<Completion>,
}

impl State {
    pub(crate) fn new(
        memory: Memory,
        flags: u32,
        epoll: c_int,
        serial: u64,
    ) -> Result<State, c_int> {
        let slots = room(64)?;
        let free = room(64)?;
        // Waiting must not fail for want of memory.
        let waiters = room(16)?;
        Ok(State {
            memory,
            flags,
            gone: false,
            disabled: false,
            issuer: 0,
            cq_tail: 0,
            sq_head: 0,
            overflow: VecDeque::new(),
            deferred: VecDeque::new(),
            inside: false,
            count: 0,
            slots,
            free,
            ready: VecDeque::new(),
            drain: VecDeque::new(),
            running: 0,
            draining: None,
            hands_drain_on: false,
            order: 0,
            waiting_events: 0,
            chain: None,
            chain_failed: false,
            skips: false,
            files: Files::default(),
            buffers: Buffers::default(),
            groups: Groups::default(),
            timers: Timers::default(),
            restrictions: None,
            notify: None,
            personalities: Vec::new(),
            clock: libc::CLOCK_MONOTONIC,
            wait_region: None,
            region: None,
            outbox: Vec::new(),
            written: None,
            look_soon: false,
            waiters,
            care: Care::None,
            waits: 0,
            me: Weak::new(),
            signalled: false,
            posted: false,
            posted_async: false,
            was_empty: false,
            waits_next: false,
            workers: [0; 2],
            epoll,
            serial,
            shuffle: random::Shuffle::from_environment(),
            holds: false,
            held: Vec::new(),
        })
    }

    // ---- completions

    /// CQEs that the program has not taken yet.
    #[inline]
    pub(crate) fn cq_ready(&self) -> u32 {
        if self.gone {
            return 0;
        }
        self.cq_tail
            .wrapping_sub(self.memory.cq_head().load(Ordering::Acquire))
    }

    /// Puts a CQE into the queue if there is room for it.
    #[inline]
    fn place(&mut self, c: &Completion) -> bool {
        let ready = self.cq_ready();
        self.was_empty |= ready == 0;
        let free = self.memory.cq_entries.wrapping_sub(ready);
        let mixed = self.flags & IORING_SETUP_CQE_MIXED != 0;
        let big = mixed && c.extra.is_some();
        let mask = self.memory.cq_entries - 1;
        // A CQE of 32 bytes does not go round the end of the queue.
        let filler = big && self.cq_tail & mask == mask;
        let needed = 1 + u32::from(big) + u32::from(filler);
        // A free count above the size: the program moved its head beyond the
        // tail. There is no room then that could be trusted.
        if free < needed || free > self.memory.cq_entries {
            return false;
        }
        if filler {
            self.memory.put_cqe(self.cq_tail, 0, 0, IORING_CQE_F_SKIP);
            self.cq_tail = self.cq_tail.wrapping_add(1);
        }
        let flags = if big {
            c.flags | IORING_CQE_F_32
        } else {
            c.flags
        };
        self.memory.put_cqe(self.cq_tail, c.user_data, c.res, flags);
        if big || self.flags & IORING_SETUP_CQE32 != 0 {
            self.memory
                .put_extra(self.cq_tail, c.extra.unwrap_or_default());
        }
        self.cq_tail = self.cq_tail.wrapping_add(1 + u32::from(big));
        // Pairs with the acquiring load of the tail in the program.
        self.memory.cq_tail().store(self.cq_tail, Ordering::Release);
        self.posted = true;
        self.posted_async |= !self.inside;
        true
    }

    /// Posts a completion; what finds no room waits for it.
    pub(crate) fn post(&mut self, c: Completion) {
        if self.gone {
            return;
        }
        let later = !self.inside && self.flags & IORING_SETUP_DEFER_TASKRUN != 0;
        if later && self.deferred.try_reserve(1).is_ok() {
            self.deferred.push_back(c);
            self.posted = true;
            self.posted_async = true;
            if self.flags & IORING_SETUP_TASKRUN_FLAG != 0 {
                self.set_flag(IORING_SQ_TASKRUN);
            }
            return;
        }
        if !self.deferred.is_empty() {
            // They were first.
            self.flush();
        }
        if !self.overflow.is_empty() || !self.place(&c) {
            self.push_overflow(c);
        }
    }

    /// Starts a request that no chain contains.
    pub(crate) fn begin_alone(&mut self, request: Request) {
        if !self.shuffle.is_on() {
            return self.begin(request);
        }
        if request.has(IOSQE_IO_DRAIN) {
            self.release_held();
            return self.begin(request);
        }
        self.holds = true;
        self.begin(request);
        self.holds = false;
    }

    /// Posts a request's last completion, or holds it to be mixed with others.
    fn post_last(&mut self, c: Completion, timed: bool) {
        // Buffers are counted in the order of their completions, and a timeout
        // comes after those it counted.
        let ordered = timed || c.flags & IORING_CQE_F_BUFFER != 0;
        if self.holds && !ordered && self.held.try_reserve(1).is_ok() {
            return self.held.push(c);
        }
        if self.holds {
            self.release_held();
        }
        self.post(c);
    }

    /// Shows what was held, in a random order.
    pub(crate) fn release_held(&mut self) {
        while !self.held.is_empty() {
            let at = self.shuffle.below(self.held.len());
            let c = self.held.swap_remove(at);
            self.post(c);
        }
    }

    #[cold]
    fn push_overflow(&mut self, c: Completion) {
        if self.overflow.try_reserve(1).is_err() {
            self.memory.cq_overflow().fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.overflow.push_back(c);
        self.set_flag(IORING_SQ_CQ_OVERFLOW);
        self.posted = true;
    }

    /// Brings what waits into the queue, as far as there is room.
    pub(crate) fn flush(&mut self) {
        if self.gone {
            return;
        }
        if !self.deferred.is_empty() {
            while let Some(c) = self.deferred.pop_front() {
                if !self.overflow.is_empty() || !self.place(&c) {
                    self.push_overflow(c);
                }
            }
        }
        if !self.overflow.is_empty() {
            while let Some(c) = self.overflow.front().copied() {
                if !self.place(&c) {
                    return;
                }
                self.overflow.pop_front();
            }
            self.clear_flag(IORING_SQ_CQ_OVERFLOW);
        }
    }

    /// Whether completions wait outside the queue.
    pub(crate) fn has_more(&self) -> bool {
        !self.overflow.is_empty() || !self.deferred.is_empty()
    }

    pub(crate) fn set_flag(&self, flag: u32) {
        if self.gone {
            return;
        }
        self.memory.sq_flags().fetch_or(flag, Ordering::AcqRel);
    }

    pub(crate) fn clear_flag(&self, flag: u32) {
        if self.gone {
            return;
        }
        self.memory.sq_flags().fetch_and(!flag, Ordering::AcqRel);
    }

    /// Whether the next completion would find no room, so that a multishot
    /// request should end with it.
    pub(crate) fn is_full(&self) -> bool {
        !self.overflow.is_empty() || self.cq_ready() >= self.memory.cq_entries
    }

    /// Posts a completion of a request that goes on.
    pub(crate) fn post_more(&mut self, request: &mut Request, res: i32, flags: u32) {
        request.posted = true;
        self.post(Completion {
            user_data: request.sqe.user_data,
            res,
            flags: flags | IORING_CQE_F_MORE,
            extra: None,
        });
        self.count_completion();
    }

    /// Counts for timeouts that wait for completions.
    pub(crate) fn count_completion(&mut self) {
        self.count = self.count.wrapping_add(1);
        if self.timers.has_targets() {
            ops::timeout::counted(self);
        }
    }

    /// Tells whoever has to know that something was posted. Under the lock, so
    /// that none of them can see it too late.
    pub(crate) fn announce(&mut self, signal: c_int, kick: c_int, me: u64) {
        if !self.posted || self.gone {
            return;
        }
        self.posted = false;
        let from_outside = core::mem::take(&mut self.posted_async);
        let was_empty = core::mem::take(&mut self.was_empty);
        // An edge-triggered epoll needs an event of its own for what comes after
        // the program took everything, though the fd is readable still. Whoever
        // waits in an enter needs none.
        let edge = from_outside || was_empty && !self.waits_next;
        if !self.signalled || (edge && self.waiters.is_empty()) {
            self.signalled = true;
            sys::eventfd_add(signal);
        }
        if let Some(notify) = &self.notify {
            let wanted = !notify.only_async || from_outside;
            if wanted
                && self.memory.cq_flags().load(Ordering::Relaxed) & IORING_CQ_EVENTFD_DISABLED == 0
            {
                sys::eventfd_add(notify.fd.get());
            }
        }
        if self.other_satisfied(me) {
            sys::eventfd_add(kick);
        }
    }

    /// Whether a waiter other than this one could go.
    pub(crate) fn other_satisfied(&self, me: u64) -> bool {
        self.waiters
            .iter()
            .any(|waiter| waiter.id != me && self.reached(waiter.target))
    }

    /// Whether the queue holds what a waiter waits for.
    pub(crate) fn reached(&self, target: u32) -> bool {
        let beyond = (self.deferred.len() + self.overflow.len()) as u32;
        self.cq_tail.wrapping_add(beyond).wrapping_sub(target) as i32 >= 0
    }

    /// On a DEFER_TASKRUN ring nobody looks at files and timers but an enter:
    /// a program that goes by the flag has to make one as long as some are
    /// waited for.
    pub(crate) fn show_work(&self) {
        let both = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
        if self.flags & both == both && (self.waiting_events != 0 || !self.deferred.is_empty()) {
            self.set_flag(IORING_SQ_TASKRUN);
        }
    }

    /// The ring fd is readable and the queue empty: makes it unreadable.
    pub(crate) fn quiet(&mut self, signal: c_int) {
        if self.signalled && self.cq_ready() == 0 && !self.has_more() {
            sys::drain(signal);
            self.signalled = false;
        }
    }

    // ---- requests

    /// Stores a request; where there is no memory it comes back.
    #[allow(
        clippy::result_large_err,
        reason = "a box could not be had either when there is no memory"
    )]
    pub(crate) fn store(&mut self, mut request: Request) -> Result<Id, Request> {
        if !request.started && ops::has_path(request.sqe.opcode) {
            // Whoever starts it may be another thread.
            request.rights = rights::here();
        }
        if let Some(slot) = self.free.pop() {
            let entry = &mut self.slots[slot as usize];
            entry.request = Some(request);
            return Ok(Id {
                slot,
                generation: entry.generation,
            });
        }
        // Room in the free list comes first: freeing must not fail.
        let wanted = self.slots.len() + 1;
        if self.free.try_reserve(wanted).is_err() || self.slots.try_reserve(1).is_err() {
            return Err(request);
        }
        self.slots.push(Slot {
            generation: 1,
            request: Some(request),
        });
        Ok(Id {
            slot: (wanted - 1) as u32,
            generation: 1,
        })
    }

    /// Takes a stored request out; its slot stays reserved.
    pub(crate) fn take(&mut self, id: Id) -> Option<Request> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        slot.request.take()
    }

    /// Puts it back.
    pub(crate) fn put(&mut self, id: Id, request: Request) {
        self.slots[id.slot as usize].request = Some(request);
    }

    /// Frees a slot whose request was taken.
    pub(crate) fn release(&mut self, id: Id) {
        let slot = &mut self.slots[id.slot as usize];
        slot.generation = slot.generation.wrapping_add(1).max(1) & 0x7fff_ffff;
        slot.request = None;
        self.free.push(id.slot);
    }

    /// A stored request.
    pub(crate) fn get(&self, id: Id) -> Option<&Request> {
        self.slots
            .get(id.slot as usize)
            .filter(|slot| slot.generation == id.generation)
            .and_then(|slot| slot.request.as_ref())
    }

    /// A stored request, to change.
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Request> {
        self.slots
            .get_mut(id.slot as usize)
            .filter(|slot| slot.generation == id.generation)
            .and_then(|slot| slot.request.as_mut())
    }

    /// The number of what a slot holds now.
    pub(crate) fn id_of(&self, slot: u32) -> Id {
        Id {
            slot,
            generation: self.slots[slot as usize].generation,
        }
    }

    /// Every stored request with its number, in order of submission.
    pub(crate) fn find_all(&self, matches: impl Fn(&Request) -> bool) -> Result<Vec<Id>, c_int> {
        let mut found = Vec::new();
        for (at, slot) in self.slots.iter().enumerate() {
            if let Some(request) = &slot.request {
                if matches(request) {
                    found.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
                    found.push((
                        request.order,
                        Id {
                            slot: at as u32,
                            generation: slot.generation,
                        },
                    ));
                }
            }
        }
        found.sort_unstable_by_key(|(order, _)| *order);
        let mut ids = room(found.len())?;
        ids.extend(found.into_iter().map(|(_, id)| id));
        Ok(ids)
    }

    /// A request for an SQE.
    pub(crate) fn request(&mut self, sqe: io_uring_sqe) -> Request {
        self.order += 1;
        Request::new(sqe, self.order)
    }

    // ---- running

    /// Starts a chain (or a request without one), unless a drain stands before
    /// it.
    pub(crate) fn begin(&mut self, request: Request) {
        if request.has(IOSQE_IO_DRAIN) || !self.drain.is_empty() || self.draining.is_some() {
            match self.store(request) {
                Ok(id) => self.begin_stored(id),
                Err(request) => self.finish(request, -libc::ENOMEM, 0, None),
            }
        } else {
            self.run(request);
        }
    }

    /// The same for one that is stored already.
    pub(crate) fn begin_stored(&mut self, id: Id) {
        let drained = self.get(id).is_some_and(|r| r.has(IOSQE_IO_DRAIN));
        let idle = self.is_idle() && self.drain.is_empty() && self.draining.is_none();
        if (drained && !idle) || !self.drain.is_empty() || self.draining.is_some() {
            if self.drain.try_reserve(1).is_err() {
                if let Some(request) = self.take(id) {
                    self.release(id);
                    self.finish(request, -libc::ENOMEM, 0, None);
                }
                return;
            }
            if let Some(request) = self.get_mut(id) {
                request.stage = Stage::Deferred;
            }
            self.drain.push_back(id.slot);
        } else {
            if drained {
                self.draining = Some(id);
            }
            self.run_stored(id);
        }
    }

    /// Whether nothing runs, or is about to as the next of its chain.
    fn is_idle(&self) -> bool {
        self.running == 0 && self.ready.is_empty()
    }

    /// Lets what waited for a drain go, if it may.
    pub(crate) fn undrain(&mut self) {
        while let Some(slot) = self.drain.front().copied() {
            let id = self.id_of(slot);
            let drained = self.get(id).is_some_and(|r| r.has(IOSQE_IO_DRAIN));
            if self.draining.is_some() || (drained && !self.is_idle()) {
                return;
            }
            self.drain.pop_front();
            if self.get(id).is_none() {
                continue;
            }
            if drained {
                self.draining = Some(id);
            }
            self.run_stored(id);
        }
    }

    /// A deferred request is cancelled: it leaves the line.
    pub(crate) fn leave_drain(&mut self, id: Id) {
        self.drain.retain(|slot| *slot != id.slot);
    }

    /// Runs a request that is not stored: most finish here.
    #[inline]
    fn run(&mut self, mut request: Request) {
        let outcome = ops::start(self, &mut request);
        self.settle(None, request, outcome);
    }

    /// Runs a stored request, or goes on with it.
    pub(crate) fn run_stored(&mut self, id: Id) {
        let Some(mut request) = self.take(id) else {
            return;
        };
        request.stage = Stage::Running;
        let outcome = ops::start(self, &mut request);
        self.settle(Some(id), request, outcome);
    }

    /// Goes on with a request after the pool or a message finished a step.
    pub(crate) fn resume(&mut self, id: Id, res: i32) {
        let Some(mut request) = self.take(id) else {
            return;
        };
        request.stage = Stage::Running;
        let outcome = if request.cancelled && res == -libc::EINTR {
            Outcome::Done(-libc::ECANCELED)
        } else {
            ops::finish(self, &mut request, res)
        };
        self.settle(Some(id), request, outcome);
    }

    /// Does what a step decided.
    pub(crate) fn settle(&mut self, id: Option<Id>, mut request: Request, outcome: Outcome) {
        let stage = match outcome {
            Outcome::Done(res) => return self.end(id, request, res, 0, None),
            Outcome::DoneWith(res, flags) => return self.end(id, request, res, flags, None),
            Outcome::DoneBig(res, extra) => return self.end(id, request, res, 0, Some(extra)),
            Outcome::Poll(_) => Stage::Polling,
            Outcome::Work(_) => Stage::Working,
            Outcome::Parked(stage) => stage,
        };
        if !request.counted {
            request.counted = true;
            self.running += 1;
        }
        request.stage = stage;
        let id = match id {
            Some(id) => {
                self.put(id, request);
                id
            }
            None => match self.store(request) {
                Ok(id) => id,
                Err(request) => return self.end(None, request, -libc::ENOMEM, 0, None),
            },
        };
        match outcome {
            Outcome::Poll(events) => self.arm(id, events),
            Outcome::Work(work) => {
                self.disarm(id);
                if let Err(error) = pool::submit(self, id, work) {
                    self.fail(id, error);
                }
            }
            Outcome::Parked(Stage::Timing) => ops::timeout::armed(self, id),
            Outcome::Parked(Stage::Messaging) => ops::msg_ring::named(self, id),
            _ => {}
        }
        self.guard(id);
    }

    /// Ends a stored request with an error; what it moved already counts.
    pub(crate) fn fail(&mut self, id: Id, mut res: i32) {
        if let Some(mut request) = self.take(id) {
            if request.started && request.done != 0 {
                request.failed = true;
                res = request.done as i32;
            }
            self.end(Some(id), request, res, 0, None);
        }
    }

    /// Frees the slot and finishes.
    fn end(
        &mut self,
        id: Option<Id>,
        mut request: Request,
        res: i32,
        flags: u32,
        extra: Option<[u64; 2]>,
    ) {
        if let Some(watch) = request.watch.take() {
            self.unwatch(&watch);
        }
        if request.stage == Stage::Timing || matches!(request.data, Data::Timer(_)) {
            if let Some(id) = id {
                ops::timeout::disarmed(self, id);
            }
        }
        if request.counted {
            self.running -= 1;
        }
        if let Some(id) = id {
            if self.draining == Some(id) {
                self.draining = None;
                self.hands_drain_on = true;
            }
            self.release(id);
        }
        self.finish(request, res, flags, extra);
    }

    /// Posts the result and goes on with the chain.
    pub(crate) fn finish(
        &mut self,
        mut request: Request,
        res: i32,
        flags: u32,
        extra: Option<[u64; 2]>,
    ) {
        let drains = core::mem::take(&mut self.hands_drain_on);
        let flags = flags | self.settle_buffer(&mut request, res);
        let failed = res < 0 && !ops::counts_as_success(&request, res)
            || request.failed
            || ops::fell_short(&request, res);
        let counts = request.sqe.opcode != anyring_abi::IORING_OP_TIMEOUT as u8;
        if failed || !request.skips_success() {
            let c = Completion {
                user_data: request.sqe.user_data,
                res,
                flags,
                extra,
            };
            self.post_last(c, !counts);
        }
        if counts {
            self.count_completion();
        }
        if let Some(guard) = request.guard.take() {
            // Its time limit is not needed any more.
            self.cancel_guard(guard);
        }
        while let Some(next) = request.next.take() {
            let next = self.id_of(next);
            if self
                .get(next)
                .is_some_and(|r| r.sqe.opcode == IORING_OP_LINK_TIMEOUT as u8)
            {
                // Finished before its time limit could start.
                if let Some(mut limit) = self.take(next) {
                    request.next = limit.next.take();
                    self.end(Some(next), limit, -libc::ECANCELED, 0, None);
                }
                continue;
            }
            if failed && !request.has(IOSQE_IO_HARDLINK) {
                self.cancel_chain(next, request.skips_success());
            } else if self.ready.try_reserve(1).is_ok() {
                self.ready.push_back(next.slot);
                if drains {
                    self.draining = Some(next);
                }
            } else {
                self.cancel_chain(next, false);
            }
        }
    }

    /// Cancels a chain from this request on.
    fn cancel_chain(&mut self, first: Id, quiet: bool) {
        let mut at = Some(first);
        while let Some(id) = at {
            let Some(mut request) = self.take(id) else {
                return;
            };
            at = request.next.take().map(|slot| self.id_of(slot));
            if request.counted {
                self.running -= 1;
            }
            if self.draining == Some(id) {
                self.draining = None;
            }
            self.release(id);
            if !quiet {
                self.post(Completion {
                    user_data: request.sqe.user_data,
                    res: -libc::ECANCELED,
                    flags: 0,
                    extra: None,
                });
            }
            self.count_completion();
        }
    }

    /// A request that waits to be started by its chain is cancelled: the rest
    /// of the chain with it.
    pub(crate) fn cancel_linked(&mut self, id: Id) {
        // Whoever points to it must not any more.
        for slot in &mut self.slots {
            if let Some(request) = &mut slot.request {
                if request.next == Some(id.slot) {
                    request.next = None;
                }
            }
        }
        self.ready.retain(|slot| *slot != id.slot);
        self.cancel_chain(id, false);
    }

    /// Goes on with everything that can: chains, drains.
    pub(crate) fn advance(&mut self) {
        loop {
            while let Some(slot) = self.ready.pop_front() {
                let id = self.id_of(slot);
                self.run_stored(id);
            }
            if self.drain.is_empty() {
                return;
            }
            let before = self.drain.len();
            self.undrain();
            if self.ready.is_empty() && self.drain.len() == before {
                return;
            }
        }
    }

    /// If the next in the chain is a link timeout, it starts with this one.
    fn guard(&mut self, id: Id) {
        let Some(next) = self.get(id).and_then(|request| request.next) else {
            return;
        };
        let next = self.id_of(next);
        if self
            .get(next)
            .is_none_or(|r| r.sqe.opcode != IORING_OP_LINK_TIMEOUT as u8)
        {
            return;
        }
        let Some(mut timeout) = self.take(next) else {
            return;
        };
        if let Some(request) = self.get_mut(id) {
            request.next = timeout.next.take();
            request.guard = Some(next);
        }
        timeout.guarded = Some(id);
        let outcome = ops::timeout::start_link(self, &mut timeout);
        self.settle(Some(next), timeout, outcome);
    }

    /// The guarded request finished first.
    fn cancel_guard(&mut self, guard: Id) {
        if let Some(mut timeout) = self.take(guard) {
            timeout.guarded = None;
            self.end(Some(guard), timeout, -libc::ECANCELED, 0, None);
        }
    }
}
