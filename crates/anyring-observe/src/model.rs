//! Pairs completions with submissions.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use anyring_abi as abi;

use crate::event::{Cqe, Event, Happening};

/// A request that may still complete.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Its number within the ring, from 1.
    pub number: u64,
    /// Its entry.
    pub sqe: abi::io_uring_sqe,
    /// When it was submitted.
    pub at: Duration,
    /// Completions so far.
    pub completions: u64,
    /// Number of the request that it is linked behind, if any.
    pub after: Option<u64>,
    /// Only a notification is still to come.
    pub notification: bool,
}

/// What the model makes of an event.
#[derive(Clone, Copy, Debug)]
pub enum Pair {
    /// A request, submitted.
    Request(Request),
    /// A completion of a request, and whether it was its last.
    Completion(Request, bool),
    /// A completion of a request that was not seen.
    Unknown,
}

/// A ring.
#[derive(Debug, Default)]
pub struct Ring {
    next: u64,
    link: Option<u64>,
    open: HashMap<u64, VecDeque<Request>>,
    in_flight: usize,
    quiet: usize,
    /// Completions.
    pub completed: u64,
    /// Completions that found no room.
    pub overflow: u64,
    /// Submissions not seen.
    pub lost_submissions: u64,
    /// Completions not seen.
    pub lost_completions: u64,
}

impl Ring {
    /// Submissions seen.
    #[must_use]
    pub fn submitted(&self) -> u64 {
        self.next
    }

    /// Requests that have to complete yet (without those with
    /// `IOSQE_CQE_SKIP_SUCCESS`, whose end is not seen).
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Those requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        let mut all: Vec<Request> = self.open.values().flatten().copied().collect();
        all.retain(|request| !quiet(&request.sqe));
        all.sort_by_key(|request| request.number);
        all
    }

    fn submit(&mut self, sqe: abi::io_uring_sqe, at: Duration) -> Request {
        self.next += 1;
        let flags = u32::from(sqe.flags);
        let request = Request {
            number: self.next,
            sqe,
            at,
            completions: 0,
            after: self.link,
            notification: false,
        };
        let linked = flags & (abi::IOSQE_IO_LINK | abi::IOSQE_IO_HARDLINK) != 0;
        self.link = linked.then_some(self.next);
        if quiet(&sqe) {
            self.quiet += 1;
            // Their ends are not seen; what is kept of them is bounded.
            if self.quiet > 4096 {
                self.open
                    .values_mut()
                    .for_each(|all| all.retain(|old| !quiet(&old.sqe)));
                self.open.retain(|_, all| !all.is_empty());
                self.quiet = 1;
            }
        } else {
            self.in_flight += 1;
        }
        self.open
            .entry(sqe.user_data)
            .or_default()
            .push_back(request);
        request
    }

    fn complete(&mut self, cqe: &Cqe) -> Pair {
        self.completed += 1;
        let notification = cqe.flags & abi::IORING_CQE_F_NOTIF != 0;
        let more = cqe.flags & abi::IORING_CQE_F_MORE != 0;
        let Some(all) = self.open.get_mut(&cqe.user_data) else {
            return Pair::Unknown;
        };
        // First in, first out within what can still complete in this way; a request
        // that posts nothing on success is meant by a failure only.
        let place = all
            .iter()
            .position(|request| {
                request.notification == notification && (cqe.res < 0 || !quiet(&request.sqe))
            })
            .or_else(|| {
                all.iter()
                    .position(|request| request.notification == notification)
            });
        let Some(place) = place else {
            return Pair::Unknown;
        };
        let request = &mut all[place];
        request.completions += 1;
        let copy = *request;
        if more {
            request.notification = matches!(
                u32::from(request.sqe.opcode),
                abi::IORING_OP_SEND_ZC | abi::IORING_OP_SENDMSG_ZC
            );
            return Pair::Completion(copy, false);
        }
        all.remove(place);
        if all.is_empty() {
            self.open.remove(&cqe.user_data);
        }
        if quiet(&copy.sqe) {
            self.quiet = self.quiet.saturating_sub(1);
        } else {
            self.in_flight -= 1;
        }
        Pair::Completion(copy, true)
    }
}

fn quiet(sqe: &abi::io_uring_sqe) -> bool {
    u32::from(sqe.flags) & abi::IOSQE_CQE_SKIP_SUCCESS != 0
}

/// All rings of a trace.
#[derive(Debug, Default)]
pub struct Model {
    rings: HashMap<u32, Ring>,
}

impl Model {
    /// A ring by its number in the trace.
    #[must_use]
    pub fn ring(&self, ring: u32) -> Option<&Ring> {
        self.rings.get(&ring)
    }

    /// Takes an event in.
    pub fn take(&mut self, event: &Event) -> Option<Pair> {
        let ring = self.rings.entry(event.ring).or_default();
        match &event.what {
            Happening::Submitted(sqe) => return Some(Pair::Request(ring.submit(*sqe, event.at))),
            Happening::Completed(cqe) => return Some(ring.complete(cqe)),
            Happening::Overflow(n) => ring.overflow += u64::from(*n),
            Happening::Lost {
                submissions,
                completions,
                ..
            } => {
                if *submissions > 0 {
                    // What the next one is linked behind was not seen.
                    ring.link = None;
                }
                ring.lost_submissions += submissions;
                ring.lost_completions += completions;
            }
            Happening::RingGone => {
                ring.open.clear();
                ring.in_flight = 0;
                ring.quiet = 0;
            }
            _ => {}
        }
        None
    }
}
