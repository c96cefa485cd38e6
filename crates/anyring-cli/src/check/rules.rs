//! What is a mistake, over the stream of events.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use anyring_abi as abi;
use anyring_observe::model::Request;
use anyring_observe::{Event, Happening, Model, Pair, decode, names};

use super::finding::{Finding, Id};

/// After that long a multishot request that ended is taken for forgotten.
const FORGOTTEN: Duration = Duration::from_secs(1);
/// Calls from which on it is worth to say that each brings one request.
const MANY: u64 = 1000;

#[derive(Default)]
struct Ring {
    maker: i32,
    flags: u32,
    cq_entries: u32,
    /// Entries that the last call left behind.
    left: u64,
    calls: u64,
    taken: u64,
    shared_data: bool,
    /// Multishot requests that ended, by operation and file.
    ended: HashMap<(u8, i32), (Duration, String)>,
    /// Results of requests that others are linked behind.
    results: HashMap<u64, (i32, String)>,
    /// Chains that were reported.
    cut: HashSet<u64>,
}

/// All rings of a program.
#[derive(Default)]
pub(crate) struct Rules {
    /// The rings are sampled: what was in flight at the same time is not known.
    pub(crate) sampled: bool,
    model: Model,
    rings: HashMap<u32, Ring>,
    fds: HashMap<u32, i32>,
    /// Setups that failed, by process, until one succeeds.
    refused: HashMap<i32, (Duration, i32)>,
    pub(crate) made: u64,
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) lost: u64,
    pub(crate) found: Vec<Finding>,
}

/// The bytes that a request lets the kernel write or read, as far as its entry says.
fn memory(sqe: &abi::io_uring_sqe) -> Option<(Range<u64>, bool)> {
    let writes = match u32::from(sqe.opcode) {
        abi::IORING_OP_READ | abi::IORING_OP_READ_FIXED | abi::IORING_OP_RECV => true,
        abi::IORING_OP_WRITE
        | abi::IORING_OP_WRITE_FIXED
        | abi::IORING_OP_SEND
        | abi::IORING_OP_SEND_ZC => false,
        _ => return None,
    };
    let selected = u32::from(sqe.flags) & abi::IOSQE_BUFFER_SELECT != 0;
    let none = selected || sqe.len == 0 || sqe.addr == 0;
    (!none).then(|| (sqe.addr..sqe.addr.saturating_add(sqe.len.into()), writes))
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

fn is_multishot(sqe: &abi::io_uring_sqe) -> bool {
    let ioprio = u32::from(sqe.ioprio);
    match u32::from(sqe.opcode) {
        abi::IORING_OP_POLL_ADD => sqe.len & abi::IORING_POLL_ADD_MULTI != 0,
        abi::IORING_OP_ACCEPT => ioprio & abi::IORING_ACCEPT_MULTISHOT != 0,
        abi::IORING_OP_RECV | abi::IORING_OP_RECVMSG => ioprio & abi::IORING_RECV_MULTISHOT != 0,
        abi::IORING_OP_READ_MULTISHOT => true,
        _ => false,
    }
}

fn result(res: i32) -> String {
    if res < 0 {
        format!("-{}", names::errno(-res))
    } else {
        res.to_string()
    }
}

impl Rules {
    fn find(&mut self, event: &Event, id: Id, text: String) {
        let ring_fd = self.fds.get(&event.ring).copied().unwrap_or(event.fd);
        self.found.push(Finding {
            id,
            level: id.level(),
            at: event.at.as_secs_f64(),
            pid: event.pid,
            ring_fd,
            text,
        });
    }

    /// Takes an event in.
    pub(crate) fn take(&mut self, event: &Event) {
        // What is in flight, before the model knows of the event.
        match &event.what {
            Happening::Submitted(sqe) => self.before_submission(event, sqe),
            Happening::RingGone => self.ring_ends(event),
            _ => {}
        }
        let pair = self.model.take(event);
        match (&event.what, pair) {
            (
                Happening::Ring {
                    flags, cq_entries, ..
                },
                _,
            ) => {
                let cq_entries = *cq_entries;
                self.made += 1;
                self.refused.remove(&event.pid);
                self.fds.insert(event.ring, event.fd);
                let ring = self.rings.entry(event.ring).or_default();
                ring.maker = event.pid;
                ring.flags = *flags;
                ring.cq_entries = cq_entries;
            }
            (Happening::SetupFailed(_, error), _) => {
                self.refused.insert(event.pid, (event.at, *error));
            }
            (Happening::Submitted(_), Some(Pair::Request(request))) => {
                self.submitted += 1;
                self.submission(event, &request);
            }
            (Happening::Completed(cqe), Some(Pair::Completion(request, last))) => {
                self.completed += 1;
                self.completion(event, &request, cqe.res, last);
            }
            (Happening::Completed(_), _) => self.completed += 1,
            (Happening::Enter { .. }, _) => self.call(event),
            (Happening::Full, _) => {
                let entries = self
                    .rings
                    .get(&event.ring)
                    .map_or(0, |ring| ring.cq_entries);
                let text = format!(
                    "completions found no room in the completion queue ({entries} entries), and \
                     wait in the kernel"
                );
                self.find(event, Id::CqOverflow, text);
            }
            (Happening::Overflow(count), _) => {
                let text = format!("{count} completions found no room, and were dropped");
                self.find(event, Id::CqOverflow, text);
            }
            (
                Happening::Lost {
                    submissions,
                    completions,
                    ..
                },
                _,
            ) => {
                self.lost += submissions + completions;
            }
            (Happening::Unmaps(address, length), _) => self.unmaps(event, *address, *length),
            _ => {}
        }
    }

    /// Whether a ring shows what was in flight when an entry came: a ring that is
    /// submitted to without a system call shows both later.
    fn is_exact(&self, ring: u32) -> bool {
        let flags = self.rings.get(&ring).map_or(0, |ring| ring.flags);
        !self.sampled && flags & abi::IORING_SETUP_SQPOLL == 0
    }

    fn before_submission(&mut self, event: &Event, sqe: &abi::io_uring_sqe) {
        if !self.is_exact(event.ring) {
            return;
        }
        let open = self
            .model
            .ring(event.ring)
            .map(anyring_observe::model::Ring::requests);
        let open = open.unwrap_or_default();
        let in_turn = abi::IOSQE_IO_DRAIN;
        let ordered = u32::from(sqe.flags) & in_turn != 0;
        if let (Some((mine, true)), false) = (memory(sqe), ordered) {
            // What is linked behind another waits for it.
            let linked = abi::IOSQE_IO_LINK | abi::IOSQE_IO_HARDLINK;
            let other = open.iter().find(|other| {
                u32::from(other.sqe.flags) & linked == 0
                    && other.after.is_none()
                    && memory(&other.sqe).is_some_and(|(range, _)| overlap(&range, &mine))
            });
            if let Some(other) = other {
                let text = format!(
                    "{} receives into memory that #{} {} uses, which has not completed",
                    decode::text(sqe),
                    other.number,
                    decode::text(&other.sqe)
                );
                self.find(event, Id::BufOverlap, text);
            }
        }
        let same: Vec<&Request> = open
            .iter()
            .filter(|other| other.sqe.user_data == sqe.user_data)
            .collect();
        if let Some(other) = same.first() {
            let ring = self.rings.entry(event.ring).or_default();
            let quiet = u32::from(sqe.opcode) == abi::IORING_OP_LINK_TIMEOUT;
            if !quiet && !std::mem::replace(&mut ring.shared_data, true) {
                let text = format!(
                    "{} has the user_data of #{} {}, which has not completed",
                    decode::text(sqe),
                    other.number,
                    decode::text(&other.sqe)
                );
                self.find(event, Id::DataDup, text);
            }
        }
    }

    fn submission(&mut self, event: &Event, request: &Request) {
        let ring = self.rings.entry(event.ring).or_default();
        ring.taken += 1;
        if is_multishot(&request.sqe) {
            ring.ended.remove(&(request.sqe.opcode, request.sqe.fd));
        }
    }

    fn completion(&mut self, event: &Event, request: &Request, res: i32, last: bool) {
        let (sqe, op) = (&request.sqe, u32::from(request.sqe.opcode));
        let said = format!("#{} {}", request.number, decode::text(sqe));
        let flags = u32::from(sqe.flags);
        if res == -errno::EBADF && flags & abi::IOSQE_FIXED_FILE != 0 {
            let text = format!("{said} = -EBADF: no file is registered at index {}", sqe.fd);
            self.find(event, Id::Index, text);
        }
        let fixed = matches!(op, abi::IORING_OP_READ_FIXED | abi::IORING_OP_WRITE_FIXED);
        if res == -errno::EFAULT && fixed {
            let text = format!(
                "{said} = -EFAULT: the registered buffer {} is not there, or does not hold these bytes",
                sqe.buf_index
            );
            self.find(event, Id::Index, text);
        }
        let cancels = matches!(
            op,
            abi::IORING_OP_ASYNC_CANCEL
                | abi::IORING_OP_POLL_REMOVE
                | abi::IORING_OP_TIMEOUT_REMOVE
        );
        if res == -errno::ENOENT && cancels {
            let text = format!("{said} = -ENOENT: what it names is not in flight");
            self.find(event, Id::CancelMiss, text);
        }
        let ring = self.rings.entry(event.ring).or_default();
        if last && is_multishot(sqe) {
            let forgotten =
                res > 0 || res == -errno::ENOBUFS || res == 0 && op == abi::IORING_OP_ACCEPT;
            if forgotten {
                let ended = (event.at, format!("{said} = {}", result(res)));
                ring.ended.insert((sqe.opcode, sqe.fd), ended);
            }
        }
        let linked = abi::IOSQE_IO_LINK | abi::IOSQE_IO_HARDLINK;
        let before = request
            .after
            .and_then(|number| ring.results.remove(&number));
        if flags & linked != 0 {
            ring.results.insert(request.number, (res, said.clone()));
        }
        if let (Some((before, text)), true) = (before, res == -errno::ECANCELED) {
            let known = request
                .after
                .is_some_and(|number| ring.cut.contains(&number));
            ring.cut.insert(request.number);
            if !known && before != -errno::ECANCELED {
                let text = format!(
                    "{text} = {}, which cut its chain: {said} was cancelled",
                    result(before)
                );
                self.find(event, Id::LinkCut, text);
            }
        }
    }

    fn call(&mut self, event: &Event) {
        let Happening::Enter {
            to_submit, result, ..
        } = event.what
        else {
            return;
        };
        let ring = self.rings.entry(event.ring).or_default();
        ring.calls += 1;
        if ring.flags & abi::IORING_SETUP_SQPOLL == 0 && to_submit != 0 {
            let taken = u64::try_from(result).unwrap_or(0);
            ring.left = u64::from(to_submit).saturating_sub(taken);
        }
        let maker = ring.maker;
        if result == -i64::from(errno::EEXIST) {
            let text = "another thread than the one that may submit to this ring \
                        (IORING_SETUP_SINGLE_ISSUER) called io_uring_enter: -EEXIST";
            self.find(event, Id::Threads, text.to_owned());
        }
        if event.ring != 0 && maker != 0 && maker != event.pid {
            let text = format!(
                "process {} uses a ring that process {maker} made, whose memory it shares",
                event.pid
            );
            self.find(event, Id::Fork, text);
        }
    }

    fn unmaps(&mut self, event: &Event, address: u64, length: u64) {
        let gone = address..address.saturating_add(length);
        let mut rings: Vec<u32> = self.rings.keys().copied().collect();
        rings.sort_unstable();
        for number in rings {
            if self.rings[&number].maker != event.pid || !self.is_exact(number) {
                continue;
            }
            let open = self
                .model
                .ring(number)
                .map(anyring_observe::model::Ring::requests);
            for request in open.unwrap_or_default() {
                let Some((range, writes)) = memory(&request.sqe) else {
                    continue;
                };
                if overlap(&range, &gone) {
                    let text = format!(
                        "munmap({address:#x}, {length}) takes memory that #{} {} {}",
                        request.number,
                        decode::text(&request.sqe),
                        if writes {
                            "will be written to"
                        } else {
                            "is read from"
                        },
                    );
                    let here = Event {
                        ring: number,
                        ..event.clone()
                    };
                    self.find(&here, Id::BufFreed, text);
                }
            }
        }
    }

    fn ring_ends(&mut self, event: &Event) {
        let Some(ring) = self.rings.remove(&event.ring) else {
            return;
        };
        if ring.left != 0 {
            let text = format!(
                "{} entries were left by the last io_uring_enter, and never submitted",
                ring.left
            );
            self.find(event, Id::SubmitShort, text);
        }
        let mut ended: Vec<_> = ring.ended.into_values().collect();
        ended.sort();
        for (at, text) in ended {
            if event.at.saturating_sub(at) >= FORGOTTEN {
                let text = format!(
                    "{text} without IORING_CQE_F_MORE: it had ended, and was not armed again"
                );
                self.find(event, Id::MultiEnd, text);
            }
        }
        if ring.calls >= MANY && ring.taken < ring.calls + ring.calls / 10 && ring.taken >= MANY {
            let text = format!(
                "{} requests in {} calls of io_uring_enter",
                ring.taken, ring.calls
            );
            self.find(event, Id::Batch, text);
        }
    }

    /// The program has ended.
    pub(crate) fn end(&mut self, at: Duration) {
        let mut rings: Vec<u32> = self.rings.keys().copied().collect();
        rings.sort_unstable();
        for ring in rings {
            let event = Event {
                at,
                pid: self.rings[&ring].maker,
                tid: 0,
                ring,
                fd: -1,
                what: Happening::RingGone,
            };
            self.ring_ends(&event);
        }
        let mut refused: Vec<_> = self.refused.drain().collect();
        refused.sort_unstable();
        for (pid, (at, error)) in refused {
            let event = Event {
                at,
                pid,
                tid: pid,
                ring: 0,
                fd: -1,
                what: Happening::Ended(0),
            };
            let text = format!(
                "io_uring_setup = {}, and no ring was made after it (uring doctor says why)",
                result(error)
            );
            self.find(&event, Id::Setup, text);
        }
    }
}

/// The error numbers that findings go by.
mod errno {
    use anyring::Errno;

    pub(super) const EBADF: i32 = Errno::EBADF.0;
    pub(super) const EFAULT: i32 = Errno::EFAULT.0;
    pub(super) const ENOENT: i32 = Errno::ENOENT.0;
    pub(super) const EEXIST: i32 = Errno::EEXIST.0;
    pub(super) const ENOBUFS: i32 = Errno::ENOBUFS.0;
    pub(super) const ECANCELED: i32 = Errno::ECANCELED.0;
}
