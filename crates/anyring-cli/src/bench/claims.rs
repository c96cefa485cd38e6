//! What is claimed of io_uring, beside what was measured.

use super::measure::spread;
use super::report::model::{Claim, Group, Report, Row, Spread};
use super::report::table::{short, time, with};

fn ratio(s: &Spread) -> String {
    format!("{:.2} ({:.2} to {:.2})", s.median, s.low, s.high)
}

/// Nanoseconds of an operation.
fn nanoseconds(row: &Row) -> Spread {
    let s = row.per_second;
    Spread {
        low: 1e9 / s.high,
        median: 1e9 / s.median,
        high: 1e9 / s.low,
    }
}

fn with_time(s: &Spread) -> String {
    let figure = |v: f64| {
        if v < 100.0 {
            format!("{v:.1} ns")
        } else {
            time(v)
        }
    };
    format!(
        "{} ({} to {})",
        figure(s.median),
        figure(s.low),
        figure(s.high)
    )
}

fn parameter<'a>(group: &'a Group, name: &str) -> &'a str {
    group.parameters.get(name).map_or("", String::as_str)
}

fn number(group: &Group, name: &str) -> u64 {
    parameter(group, name).parse().unwrap_or(0)
}

/// The row of ours with the best ratio to the baseline; groups that are too
/// noisy only if there are no others.
fn best<'a>(groups: impl Iterator<Item = &'a Group> + Clone) -> Option<(&'a Group, &'a Row)> {
    let calm = groups.clone().any(|group| !group.is_noisy());
    groups
        .filter(|group| !calm || !group.is_noisy())
        .flat_map(|group| group.rows.iter().map(move |row| (group, row)))
        .filter(|(_, row)| row.contender.starts_with("anyring"))
        .max_by(|a, b| a.1.ratio.median.total_cmp(&b.1.ratio.median))
}

/// What is added to a figure of a group that is too noisy.
fn doubt(group: &Group) -> &'static str {
    if group.is_noisy() { " (too noisy)" } else { "" }
}

struct Claims<'a> {
    report: &'a Report,
    all: Vec<Claim>,
}

impl<'a> Claims<'a> {
    fn add(&mut self, claim: &str, claimed: &str, measured: String, why: &str) {
        self.all.push(Claim {
            claim: claim.into(),
            claimed: claimed.into(),
            measured,
            why: why.into(),
        });
    }

    fn family(&self, family: &'static str) -> impl Iterator<Item = &'a Group> + Clone + use<'a> {
        let groups = self.report.groups.iter();
        groups.filter(move |group| group.family == family)
    }

    fn reads(&self, kind: &'static str) -> impl Iterator<Item = &'a Group> + Clone + use<'a> {
        self.family("reads")
            .filter(move |group| parameter(group, "kind") == kind)
    }

    /// 5 to 10 times the throughput of read(), and the steps to it.
    fn throughput(&mut self) {
        let few = if self.report.machine.processors <= 2 {
            "; with two processors or fewer an SQPOLL thread competes with the program"
        } else {
            ""
        };
        for (kind, why) in [
            (
                "cached",
                "a read from the page cache is mostly the copy, which no interface removes",
            ),
            (
                "direct",
                "bounded by the device: a virtual or slow disk gives no more, however it is asked",
            ),
        ] {
            let Some((group, row)) = best(self.reads(kind)) else {
                continue;
            };
            let measured = format!(
                "{}{}: {}, depth {}",
                ratio(&row.ratio),
                doubt(group),
                row.contender,
                parameter(group, "depth")
            );
            let differs = match row.ratio.median {
                r if r < 5.0 => why,
                r if r > 10.0 => {
                    "read() waits for each block in turn; this device does many at a time"
                }
                _ => "",
            };
            let claim = format!("io_uring reads against read(), {kind}");
            self.add(&claim, "5 to 10 times", measured, differs);
            let steps = [
                "Linux AIO",
                "anyring",
                "anyring, registered",
                "anyring, SQPOLL + registered",
                "anyring, IOPOLL + registered",
            ];
            let steps = steps.iter().filter_map(|name| group.row(name));
            let steps: Vec<String> = steps
                .map(|row| format!("{} {}", row.contender, ratio(&row.ratio)))
                .collect();
            let first = &group.rows[0];
            let measured = format!(
                "{} 1, which is {}/s; {}",
                first.contender,
                with(&first.per_second, short),
                steps.join("; ")
            );
            let claim = format!("280 K : 480 K : 1.4 M : 5.2 M IOPS, read to all features, {kind}");
            let why = format!("the claim had a fast NVMe drive with polled queues{few}");
            self.add(&claim, "1 : 1.7 : 5 : 18.6", measured, &why);
        }
    }

    /// What a system call, an SQE, a CQE and a NOP cost.
    fn costs(&mut self) {
        let parts = self.family("calls").find(|group| group.id == "parts");
        for (name, claim, claimed, range) in [
            (
                "null system call",
                "a system call",
                "100 to 300 ns",
                90.0..330.0,
            ),
            (
                "writing an SQE, anyring",
                "writing an SQE",
                "about 5 ns",
                0.0..7.5,
            ),
            (
                "reading a CQE, anyring",
                "reading a CQE",
                "about 5 ns",
                0.0..7.5,
            ),
        ] {
            let Some(row) = parts.and_then(|group| group.row(name)) else {
                continue;
            };
            let found = nanoseconds(row);
            let why = match found.median {
                v if range.contains(&v) => "",
                v if v < range.start => {
                    "a fast processor, and a kernel without the costlier mitigations"
                }
                _ => "depends on the processor and on the kernel's mitigations",
            };
            let claim = format!("what {claim} costs");
            self.add(&claim, claimed, with_time(&found), why);
        }
        let nops = self.family("calls").filter(|group| group.id != "parts");
        let nops: Vec<String> = nops
            .filter_map(|group| {
                let cost = with_time(&nanoseconds(group.row("anyring")?));
                Some(format!(
                    "{cost}{} at batch {}",
                    doubt(group),
                    parameter(group, "batch")
                ))
            })
            .collect();
        if !nops.is_empty() {
            self.add(
                "what an operation costs, by batch",
                "a system call's share and an SQE",
                nops.join("; "),
                "the kernel's own work for a NOP is more than the SQE: allocating, running and completing a request",
            );
        }
    }

    fn servers(&mut self) {
        for (kind, claimed) in [
            ("short", "2 to 3 times"),
            ("long", "2.3 times: 1.8 M to 4.1 M requests/s"),
        ] {
            let of_kind = self
                .family("echo")
                .filter(move |group| parameter(group, "kind") == kind);
            let Some((group, row)) = best(of_kind) else {
                continue;
            };
            let measured = format!(
                "{}{}: {} against {} requests/s, {}, {}",
                ratio(&row.ratio),
                doubt(group),
                with(&row.per_second, short),
                with(&group.rows[0].per_second, short),
                row.contender,
                group.title
            );
            let why = if row.ratio.median < 2.0 {
                "the best case of the run; one server thread, whose time is mostly the network stack's, and one client thread that is often the limit"
            } else {
                "the best case of the run"
            };
            let claim = format!("io_uring against epoll, {kind} connections");
            self.add(&claim, claimed, measured, why);
        }
    }

    fn system_calls(&mut self) {
        for (name, claimed) in [
            ("anyring", "1 a batch"),
            ("anyring, SQPOLL + registered", "0"),
        ] {
            let deepest = self
                .reads("cached")
                .filter_map(|group| Some((group, group.row(name)?.calls.as_ref()?)))
                .last();
            let Some((group, calls)) = deepest else {
                continue;
            };
            let depth = number(group, "depth") as f64;
            let batch = |v: f64| format!("{:.2}", v * depth);
            let measured = format!(
                "{} ({} to {}) for {depth} reads",
                batch(calls.median),
                batch(calls.low),
                batch(calls.high)
            );
            let why = match (claimed, calls.median * depth) {
                ("0", v) if v > 0.005 => {
                    "waking the idle thread, and waits when it does not get a processor"
                }
                ("1 a batch", v) if v > 1.005 => {
                    "reads that are ready are taken at once: batches are smaller than the depth"
                }
                _ => "",
            };
            let claim = format!("system calls, {name}");
            self.add(&claim, claimed, measured, why);
        }
    }

    fn registered(&mut self) {
        for kind in ["cached", "direct"] {
            let groups = self.family("registered");
            let sizes: Vec<String> = groups
                .filter(|group| parameter(group, "kind") == kind)
                .filter_map(|group| {
                    let found = ratio(&group.row("anyring, registered")?.ratio);
                    let kib = number(group, "bytes") >> 10;
                    Some(format!("{kib} KiB {found}{}", doubt(group)))
                })
                .collect();
            if sizes.is_empty() {
                continue;
            }
            let why = if kind == "cached" {
                "page-cache reads copy in any case; what is saved is looking up the file"
            } else {
                "pinning is what is saved, and the device takes far longer"
            };
            let claim = format!("registered buffers avoid copies and pinning, {kind}");
            self.add(&claim, "faster", sizes.join("; "), why);
        }
    }

    fn links(&mut self) {
        let groups: Vec<&Group> = self.family("links").collect();
        for group in groups {
            let pair = group
                .against
                .iter()
                .find(|a| a.ours == "anyring, linked" && a.theirs == "anyring, two round trips");
            if let Some(pair) = pair {
                let why = if pair.ratio.low > 1.0 {
                    ""
                } else {
                    "the device's flush takes nearly all of the time, and both hand it to a worker thread"
                };
                let claim = "a linked write and fsync against two round trips";
                self.add(claim, "faster", ratio(&pair.ratio) + doubt(group), why);
            }
        }
    }

    /// Ours and liburing, over all tables.
    fn library(&mut self) {
        let pairs = self.report.groups.iter().flat_map(|group| &group.against);
        for (ours, theirs, claim) in [
            (
                "anyring in C",
                "liburing",
                "this library against liburing, the same C source",
            ),
            (
                "anyring",
                "liburing",
                "this library in Rust against liburing",
            ),
            (
                "anyring",
                "io-uring crate",
                "this library in Rust against the io-uring crate",
            ),
        ] {
            let is = |name: &str, of: &str| {
                let end = name.split(", ").any(|part| part == of);
                end && (of != "anyring" || !name.contains("in C"))
            };
            let medians: Vec<f64> = pairs
                .clone()
                .filter(|a| is(&a.ours, ours) && is(&a.theirs, theirs))
                .map(|a| a.ratio.median)
                .collect();
            if !medians.is_empty() {
                let count = medians.len();
                let measured = format!(
                    "{} over the medians of {count} comparisons",
                    ratio(&spread(medians))
                );
                self.add(claim, "1.00 or more", measured, "");
            }
        }
    }
}

/// One row for each claim the run has figures for.
pub(crate) fn claims(report: &Report) -> Vec<Claim> {
    let mut claims = Claims {
        report,
        all: Vec::new(),
    };
    claims.throughput();
    claims.costs();
    claims.servers();
    claims.system_calls();
    claims.registered();
    claims.links();
    claims.library();
    claims.engine();
    claims.all
}

mod engine;
#[cfg(test)]
mod tests;
