//! `-c`: the table at the end.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyring_observe::{Happening, decode};
use hdrhistogram::Histogram;

use super::{Printer, Seen, human, moves_bytes};
use std::time::Duration;

pub(super) struct Operation {
    pub(super) submitted: u64,
    pub(super) completed: u64,
    pub(super) errors: u64,
    pub(super) bytes: u64,
    pub(super) latency: Histogram<u64>,
}

/// What both the table and the page are made of; its size does not grow with the trace.
pub(super) struct Counts {
    pub(super) operations: BTreeMap<String, Operation>,
    pub(super) batches: Histogram<u64>,
    pub(super) calls: u64,
    pub(super) call_errors: u64,
    pub(super) lost: [u64; 3],
    pub(super) overflow: u64,
    pub(super) rings: u64,
    pub(super) unknown: u64,
}

fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new(2).expect("two digits are within what it takes");
    histogram.auto(true);
    histogram
}

impl Counts {
    pub(super) fn new() -> Counts {
        Counts {
            operations: BTreeMap::new(),
            batches: histogram(),
            calls: 0,
            call_errors: 0,
            lost: [0; 3],
            overflow: 0,
            rings: 0,
            unknown: 0,
        }
    }

    pub(super) fn take(&mut self, seen: &Seen<'_>) {
        match &seen.event.what {
            Happening::Ring { .. } => self.rings += 1,
            Happening::Enter { result, .. } => {
                self.calls += 1;
                if *result < 0 {
                    self.call_errors += 1;
                } else if *result > 0 {
                    self.batches.saturating_record(*result as u64);
                }
            }
            Happening::Overflow(n) => self.overflow += u64::from(*n),
            Happening::Lost {
                submissions,
                completions,
                taken,
            } => {
                self.lost[2] += taken;
                self.lost[0] += submissions;
                self.lost[1] += completions;
            }
            _ => {}
        }
        let Some(request) = seen.request() else {
            self.unknown += u64::from(matches!(seen.event.what, Happening::Completed(_)));
            return;
        };
        let name = decode::operation(request.sqe.opcode);
        let bytes = moves_bytes(&name);
        let operation = self.operations.entry(name).or_insert_with(|| Operation {
            submitted: 0,
            completed: 0,
            errors: 0,
            bytes: 0,
            latency: histogram(),
        });
        match &seen.event.what {
            Happening::Submitted(_) => operation.submitted += 1,
            Happening::Completed(cqe) => {
                operation.completed += 1;
                operation.errors += u64::from(cqe.res < 0);
                let notification = cqe.flags & anyring_observe::abi::IORING_CQE_F_NOTIF != 0;
                if bytes && cqe.res > 0 && !notification {
                    operation.bytes += cqe.res as u64;
                }
                if let Some(took) = seen.latency() {
                    operation.latency.saturating_record(took.as_nanos() as u64);
                }
            }
            _ => {}
        }
    }

    pub(super) fn table(&self, to: &mut dyn Write) -> io::Result<()> {
        let time = |ns: u64| human(Duration::from_nanos(ns));
        writeln!(
            to,
            "{:<18} {:>10} {:>10} {:>8} {:>10} {:>10} {:>10} {:>14}",
            "operation", "submitted", "completed", "errors", "p50", "p99", "max", "bytes"
        )?;
        let mut rows: Vec<_> = self.operations.iter().collect();
        rows.sort_by_key(|(_, op)| std::cmp::Reverse(op.submitted.max(op.completed)));
        for (name, op) in rows {
            let [p50, p99, max] = if op.latency.is_empty() {
                ["-".into(), "-".into(), "-".into()]
            } else {
                [
                    time(op.latency.value_at_quantile(0.5)),
                    time(op.latency.value_at_quantile(0.99)),
                    time(op.latency.max()),
                ]
            };
            writeln!(
                to,
                "{name:<18} {:>10} {:>10} {:>8} {p50:>10} {p99:>10} {max:>10} {:>14}",
                op.submitted, op.completed, op.errors, op.bytes
            )?;
        }
        let all: u64 = self.operations.values().map(|op| op.submitted).sum();
        writeln!(to, "rings {}, operations {all}", self.rings)?;
        if self.calls > 0 {
            let per = self.calls as f64 / all.max(1) as f64;
            writeln!(
                to,
                "io_uring_enter {} calls, {} errors, {per:.3} an operation; batch p50 {} p99 {} max {}",
                self.calls,
                self.call_errors,
                self.batches.value_at_quantile(0.5),
                self.batches.value_at_quantile(0.99),
                self.batches.max()
            )?;
        }
        if self.overflow > 0 {
            writeln!(to, "completions that found no room: {}", self.overflow)?;
        }
        if self.unknown > 0 {
            writeln!(
                to,
                "completions of requests that were not seen: {}",
                self.unknown
            )?;
        }
        writeln!(
            to,
            "not seen: {} submissions ({} were taken before they were read), {} completions",
            self.lost[0], self.lost[2], self.lost[1]
        )
    }
}

pub(super) struct Summary<W: Write> {
    to: W,
    counts: Counts,
}

impl<W: Write> Summary<W> {
    pub(super) fn new(to: W) -> Self {
        Summary {
            to,
            counts: Counts::new(),
        }
    }
}

impl<W: Write> Printer for Summary<W> {
    fn take(&mut self, seen: &Seen<'_>) -> io::Result<()> {
        self.counts.take(seen);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.counts.table(&mut self.to)?;
        self.to.flush()
    }
}
