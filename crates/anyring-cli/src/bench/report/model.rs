//! What a run found; `schema/bench.json` describes its JSON form.

use std::collections::BTreeMap;

use serde::Serialize;

/// Median and quartiles over the repetitions.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Of a ratio: whether it says little.
    pub(crate) fn is_wide(&self) -> bool {
        self.high - self.low > 0.2
    }
}

/// Nanoseconds below which so many operations stayed, over repetitions.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) operations: u64,
    pub(crate) repetitions: usize,
    pub(crate) p50: Spread,
    /// `None`: a repetition had too few operations to tell.
    pub(crate) p99: Option<Spread>,
    pub(crate) p999: Option<Spread>,
}

/// Two contenders that do the same, repetition by repetition.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Against {
    pub(crate) ours: String,
    pub(crate) theirs: String,
    /// Of operations a second: above 1 where ours is faster.
    pub(crate) ratio: Spread,
}

/// One contender.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) contender: String,
    pub(crate) per_second: Spread,
    /// To the first row, repetition by repetition.
    pub(crate) ratio: Spread,
    pub(crate) cpu_nanoseconds: Spread,
    /// System calls for each operation, counted inside.
    pub(crate) calls: Option<Spread>,
    pub(crate) latency: Option<Latency>,
}

/// Contenders that did the same work.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) family: String,
    pub(crate) title: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) repetitions: usize,
    pub(crate) rows: Vec<Row>,
    pub(crate) against: Vec<Against>,
    /// Turns that were repeated because other programs had the processor.
    pub(crate) again: usize,
    /// The first row against itself, turn by turn.
    pub(crate) noise: Spread,
}

impl Group {
    /// Whether a ratio of this group says little.
    pub(crate) fn is_noisy(&self) -> bool {
        self.noise.is_wide()
            || self.against.iter().filter(|a| a.ratio.is_wide()).count() * 2 > self.against.len()
    }

    pub(crate) fn row(&self, contender: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.contender == contender)
    }
}

/// A claim and what became of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Claim {
    pub(crate) claim: String,
    pub(crate) claimed: String,
    pub(crate) measured: String,
    pub(crate) why: String,
}

/// System calls an operation took, counted by strace.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outside {
    pub(crate) contender: String,
    /// A read, or a request to a server.
    pub(crate) operation: &'static str,
    /// Reads in flight, or connections.
    pub(crate) depth: usize,
    pub(crate) calls: Spread,
    /// Counted inside in the same runs; `None` where they cannot be.
    pub(crate) inside: Option<Spread>,
}

/// A figure of fio, not a part of the comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fio {
    pub(crate) engine: String,
    pub(crate) depth: usize,
    pub(crate) direct: bool,
    pub(crate) per_second: Spread,
}

/// Where it ran.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) architecture: String,
    pub(crate) cpu: String,
    pub(crate) processors: usize,
    pub(crate) load: f64,
}

/// A whole run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) date: String,
    pub(crate) machine: Machine,
    pub(crate) quick: bool,
    pub(crate) size_mib: u64,
    pub(crate) claims: Vec<Claim>,
    pub(crate) groups: Vec<Group>,
    pub(crate) outside: Vec<Outside>,
    pub(crate) fio: Vec<Fio>,
    /// Libraries that took part, with their versions.
    pub(crate) peers: Vec<String>,
    /// Contenders that were not there, and why.
    pub(crate) missing: Vec<String>,
    pub(crate) notes: Vec<String>,
}
