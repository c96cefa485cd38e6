//! What a ring has under its lock: requests, chains, drains, completions.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ffi::c_int;

use crate::chaos::Chaos;
use crate::ops::futex;
use crate::os::close_batch::CloseBatch;
use crate::os::sys::Fd;
use crate::os::user_memory::room;
use crate::request::{Data, File, Id, Request};
use crate::ring::Ring;
use crate::ring::buffer_groups::Groups;
use crate::ring::cq::{Completion, CompletionQueue};
use crate::ring::delayed::Delayed;
use crate::ring::driver_policy::{DriverPolicy, Situation};
use crate::ring::mappable::{Mappable, Mapping};
use crate::ring::memory::Memory;
use crate::ring::message::Message;
use crate::ring::poll_notes::Notes;
use crate::ring::resources::{Buffers, Files};
use crate::ring::restrictions::Restrictions;
use crate::ring::shuffle;
use crate::ring::sq::SubmissionQueue;
use crate::ring::timers::Timers;

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) generation: u32,
    pub(crate) request: Option<Request>,
}

/// A thread inside an enter that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub(crate) id: u64,
    /// The CQ tail it waits for.
    pub(crate) target: u32,
    /// Timeouts that had ended when it began: one more ends the wait.
    pub(crate) timeouts: u32,
}

/// An eventfd that the program registered.
#[derive(Debug)]
pub(crate) struct Notify {
    pub(crate) fd: Fd,
    /// Only for completions that threads of the pool post.
    pub(crate) only_async: bool,
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
    /// What the program can map has the ring's number.
    pub(crate) shown: bool,
    /// The thread that may submit (SINGLE_ISSUER), 0 for any.
    pub(crate) issuer: c_int,
    pub(crate) cq: CompletionQueue,
    pub(crate) sq: SubmissionQueue,
    /// Whether a completion is posted from an enter of the program.
    pub(crate) inside: bool,
    /// Completions so far that count for timeouts.
    pub(crate) count: u32,
    /// Timeouts so far that fired, or ended by their count.
    pub(crate) timeouts: u32,
    pub(crate) slots: Vec<Slot>,
    pub(crate) free: Vec<u32>,
    /// Chains that can go on.
    pub(crate) ready: VecDeque<u32>,
    /// Requests that were stopped, with their results.
    pub(crate) stopped: VecDeque<(Id, i32)>,
    /// What calls use that workers wait in and whose requests have ended.
    pub(crate) left: Vec<(Id, Data, File)>,
    /// Requests that wait for a drain, in order, with what follows them.
    pub(crate) drain: VecDeque<u32>,
    /// Started and not finished, other than multishot ones.
    pub(crate) running: u32,
    /// A draining request runs: nothing else may start.
    pub(crate) draining: Option<Id>,
    /// It ends: what follows in its chain drains on.
    pub(crate) hands_drain_on: bool,
    pub(crate) order: u64,
    /// Requests that only the epoll or a timer can move.
    pub(crate) waiting_events: u32,
    /// Of these, those that wait for a signalfd.
    pub(crate) signal_watches: u32,
    /// Those that rings' completions may make ready.
    pub(crate) ring_watches: u32,
    /// And those that the epoll cannot report.
    pub(crate) asked_watches: u32,
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
    /// It was signalled since a poll last asked.
    pub(crate) notified: bool,
    /// It was signalled for deferred work since the last enter that fetched.
    pub(crate) pending_signalled: bool,
    /// A thread of the pool posts.
    pub(crate) by_worker: bool,
    pub(crate) personalities: Vec<(u16, [u32; 2])>,
    pub(crate) clock: c_int,
    pub(crate) wait_region: Option<(u64, usize)>,
    /// A registered region; with an address if the engine made it.
    pub(crate) region: Option<(usize, usize)>,
    /// The region, while no address of it was given away.
    pub(crate) region_memory: Option<Mapping>,
    pub(crate) mappable: Mappable,
    pub(crate) outbox: Vec<(Id, Message)>,
    /// A message whose sender is about to be stored.
    pub(crate) written: Option<Message>,
    /// Futex waits whose threads are about to sleep.
    pub(crate) settling: Vec<Arc<futex::Wait>>,
    /// A watch was added that may have something to tell at once.
    pub(crate) look_soon: bool,
    /// The next look at the epoll is the first since receives went there untried.
    pub(crate) first_look: bool,
    /// Duplicates of requests that ended.
    pub(crate) close_batch: CloseBatch,
    /// What is remembered of descriptors that requests waited with.
    pub(crate) notes: Notes,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) driver_policy: DriverPolicy,
    /// Waits so far, for the driver to see whether the program comes by.
    pub(crate) waits: u64,
    /// The ring fd polls readable.
    pub(crate) signalled: bool,
    /// The thread inside will wait.
    pub(crate) waits_next: bool,
    /// It leaves deferred work to a later enter.
    pub(crate) leaves: bool,
    pub(crate) workers: [u32; 2],
    /// The epoll that all watches are in.
    pub(crate) epoll: c_int,
    pub(crate) serial: u64,
    /// The ring itself, for work that outlives this call.
    pub(crate) me: Weak<Ring>,
    /// Chaos was asked for, or another order.
    pub(crate) disturbed: bool,
    /// An entry needs a closer look before it is taken: the ring is disturbed, or has
    /// restrictions.
    pub(crate) hindered: bool,
    /// What chaos may strike and is no request, so far.
    pub(crate) calls: u64,
    pub(crate) chaos: Chaos,
    /// Completions that chaos holds back.
    pub(crate) delayed: Delayed,
    /// Mixes up the order of completions, if asked for.
    pub(crate) shuffle: shuffle::Shuffle,
    /// What is being submitted has no place in an order: its completions are
    /// held, to be shown in a random one.
    pub(crate) holds: bool,
    pub(crate) held: Vec<Completion>,
}

impl State {
    /// What decides who drives the ring.
    #[inline]
    pub(crate) fn situation(&self) -> Situation {
        Situation {
            waiting: !self.waiters.is_empty(),
            waits: self.waits,
            // With DEFER_TASKRUN enters see to what is waited for.
            pending: self.waiting_events != 0
                && (self.flags & anyring_abi::IORING_SETUP_DEFER_TASKRUN == 0
                    || self.signals_pending()),
            signalled: self.signalled,
            gone: self.gone,
        }
    }

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
        let chaos = Chaos::new();
        let shuffle = match chaos.order() {
            0 => shuffle::Shuffle::from_environment(),
            seed => shuffle::Shuffle::new(seed),
        };
        Ok(State {
            memory,
            flags,
            gone: false,
            disabled: false,
            shown: false,
            issuer: 0,
            cq: CompletionQueue::new(flags),
            sq: SubmissionQueue::default(),
            inside: false,
            count: 0,
            timeouts: 0,
            slots,
            free,
            ready: VecDeque::new(),
            stopped: VecDeque::new(),
            left: Vec::new(),
            drain: VecDeque::new(),
            running: 0,
            draining: None,
            hands_drain_on: false,
            order: 0,
            waiting_events: 0,
            signal_watches: 0,
            ring_watches: 0,
            asked_watches: 0,
            chain: None,
            chain_failed: false,
            skips: false,
            files: Files::default(),
            buffers: Buffers::default(),
            groups: Groups::default(),
            timers: Timers::default(),
            restrictions: None,
            notify: None,
            notified: false,
            pending_signalled: false,
            by_worker: false,
            personalities: Vec::new(),
            clock: libc::CLOCK_MONOTONIC,
            wait_region: None,
            region: None,
            region_memory: None,
            mappable: Mappable::default(),
            outbox: Vec::new(),
            written: None,
            settling: Vec::new(),
            look_soon: false,
            first_look: false,
            close_batch: CloseBatch::default(),
            notes: Notes::default(),
            waiters,
            driver_policy: DriverPolicy::None,
            waits: 0,
            me: Weak::new(),
            signalled: false,
            waits_next: false,
            leaves: false,
            workers: [0; 2],
            epoll,
            serial,
            disturbed: chaos.is_on() || shuffle.is_on(),
            hindered: chaos.is_on() || shuffle.is_on(),
            calls: 0,
            chaos,
            delayed: Delayed::default(),
            shuffle,
            holds: false,
            held: Vec::new(),
        })
    }
}
