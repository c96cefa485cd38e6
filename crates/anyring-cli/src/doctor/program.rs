//! A program that is run, and what it did with io_uring.

use std::collections::BTreeMap;

use anyring_observe::start::Started;
use anyring_observe::{Event, Happening, Model, decode, names};

use super::{Finding, Level, finding};

pub(super) fn look(program: &[String]) -> Result<Vec<Finding>, String> {
    let mut started = Started::new(program)?;
    let mut seen = Seen::default();
    let mut events = Vec::new();
    while started.step(&mut events)? {
        events.drain(..).for_each(|event| seen.take(&event));
    }
    events.drain(..).for_each(|event| seen.take(&event));
    Ok(seen.findings())
}

/// What matters of a run.
#[derive(Default)]
pub(super) struct Seen {
    model: Model,
    setup_errors: BTreeMap<i32, u32>,
    call_errors: BTreeMap<i32, u32>,
    errors: BTreeMap<(String, i32), u64>,
    rings: u64,
    calls: u64,
    overflow: u64,
    dropped: u64,
    submitted: u64,
    completed: u64,
    lost: u64,
    left: Vec<String>,
}

impl Seen {
    pub(super) fn take(&mut self, event: &Event) {
        match &event.what {
            Happening::Ring { .. } => self.rings += 1,
            Happening::SetupFailed(_, errno) => *self.setup_errors.entry(-errno).or_default() += 1,
            Happening::Enter { result, .. } => {
                self.calls += 1;
                if *result < 0 {
                    *self.call_errors.entry(-*result as i32).or_default() += 1;
                }
            }
            Happening::Submitted(_) => self.submitted += 1,
            Happening::Completed(_) => self.completed += 1,
            Happening::Overflow(n) => self.overflow += u64::from(*n),
            Happening::Dropped(n) => self.dropped += u64::from(*n),
            Happening::Lost {
                submissions,
                completions,
                ..
            } => self.lost += submissions + completions,
            Happening::RingGone => {
                let open = self
                    .model
                    .ring(event.ring)
                    .map(anyring_observe::model::Ring::requests)
                    .unwrap_or_default();
                let room = 5usize.saturating_sub(self.left.len());
                self.left.extend(open.iter().take(room).map(|request| {
                    format!(
                        "ring {} #{} {}",
                        event.fd,
                        request.number,
                        decode::text(&request.sqe)
                    )
                }));
            }
            _ => {}
        }
        let pair = self.model.take(event);
        if let (Happening::Completed(cqe), Some(anyring_observe::Pair::Completion(request, _))) =
            (&event.what, pair)
        {
            if cqe.res < 0 {
                *self
                    .errors
                    .entry((decode::operation(request.sqe.opcode), -cqe.res))
                    .or_default() += 1;
            }
        }
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        for (errno, count) in &self.setup_errors {
            all.push(finding("UR-SETUP", Level::Warning, "the program could not make a ring", format!("io_uring_setup answered {} {count} times", names::errno(*errno)), "the machine's findings say why; EINVAL: a setup flag that this kernel does not have, or flags that exclude each other"));
        }
        if self.rings == 0 {
            all.push(finding(
                "UR-NO-RING",
                Level::Warning,
                "the program made no ring of the kernel",
                format!(
                    "{} calls of io_uring_setup failed",
                    self.setup_errors.values().sum::<u32>()
                ),
                "rings of the userspace engine are not seen from outside",
            ));
            return all;
        }
        all.push(finding(
            "UR-RUN",
            Level::Ok,
            format!("{} rings, {} operations", self.rings, self.submitted),
            format!(
                "{} completions, {} calls of io_uring_enter; not seen: {}",
                self.completed, self.calls, self.lost
            ),
            "",
        ));
        for (errno, count) in &self.call_errors {
            all.push(finding(
                "UR-ENTER",
                Level::Advice,
                format!("io_uring_enter failed with {}", names::errno(*errno)),
                format!("{count} times of {}", self.calls),
                "uring trace -T shows the calls",
            ));
        }
        for ((op, errno), count) in &self.errors {
            all.push(finding(
                "UR-RESULT",
                Level::Advice,
                format!("{op} failed with {}", names::errno(*errno)),
                format!("{count} times"),
                format!("uring trace -e op={op} -e errors -y shows them"),
            ));
        }
        if self.overflow > 0 {
            all.push(finding(
                "UR-CQ-OVERFLOW",
                Level::Warning,
                "a completion queue was too small",
                format!("{} completions found no room", self.overflow),
                "read completions more often, or make the queue larger (IORING_SETUP_CQSIZE)",
            ));
        }
        if self.dropped > 0 {
            all.push(finding(
                "UR-SQ-DROPPED",
                Level::Warning,
                "the kernel dropped entries",
                format!(
                    "{} indices of the submission queue were out of range",
                    self.dropped
                ),
                "",
            ));
        }
        if !self.left.is_empty() {
            all.push(finding(
                "UR-LEFT",
                Level::Advice,
                "requests had not completed when their ring ended",
                self.left.join("; "),
                "cancel them, or wait for them",
            ));
        }
        if self.submitted >= 64 && self.calls * 10 >= self.submitted * 9 {
            all.push(finding(
                "UR-BATCH",
                Level::Advice,
                "nearly one system call an operation",
                format!("{} calls for {} operations", self.calls, self.submitted),
                "prepare several entries before each submit",
            ));
        }
        all
    }
}
