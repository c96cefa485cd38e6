//! What to measure, and where the results go.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyring_bench::peer::Own;
use clap::Args;

use super::measure::{Latencies, Plan};

/// What to measure, and where the results go.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Finish within a minute: fewer sizes, repetitions and connections.
    #[arg(long)]
    pub(crate) quick: bool,
    /// MiB of test data.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) size: u64,
    /// Folder for test data (a temporary one is made in it).
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub(crate) dir: PathBuf,
    /// Only these parts.
    #[arg(long, value_delimiter = ',', value_enum)]
    pub(crate) only: Vec<Part>,
    /// Repetitions of each contender.
    #[arg(long, value_parser = clap::value_parser!(u32).range(3..=1000))]
    repetitions: Option<u32>,
    /// Milliseconds of each repetition.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    slice: Option<u64>,
    /// Write the results as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the results as JSON into this folder, under a name with date,
    /// kernel and processor.
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
    /// Write one self-contained page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the charts.
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,
    /// Headers of this project's C library, for contenders in C.
    #[arg(long, value_name = "DIR", requires = "libdir")]
    include: Option<PathBuf>,
    /// Folder of this project's liburing.a, for contenders in C.
    #[arg(long, value_name = "DIR", requires = "include")]
    libdir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) child: Child,
}

/// How this program calls itself under strace.
#[derive(Args, Debug)]
pub(crate) struct Child {
    /// A contender of random reads, or a server.
    #[arg(long = "child", hide = true)]
    pub(crate) name: Option<String>,
    #[arg(long = "child-depth", hide = true, default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) depth: u16,
    /// Reads; a server serves until its input ends.
    #[arg(long = "child-operations", hide = true)]
    pub(crate) operations: Option<u64>,
    /// Where the C libraries are that the caller has compiled.
    #[arg(long = "child-peers", hide = true)]
    pub(crate) peers: Option<PathBuf>,
}

/// Parts of a run.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Random reads by queue depth.
    Reads,
    /// System calls, NOPs, SQEs, CQEs.
    Calls,
    /// Registered against plain buffers.
    Registered,
    /// Loopback servers.
    Echo,
    /// Write-then-fsync chains.
    Links,
    /// strace and fio.
    Outside,
}

impl Options {
    /// Whether a part is to run.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Repetitions and times.
    pub(crate) fn plan(&self) -> Plan {
        let (repetitions, slice, latencies) = if self.quick { (5, 12, 3) } else { (15, 60, 7) };
        Plan {
            repetitions: self.repetitions.map_or(repetitions, |r| r as usize),
            slice: Duration::from_millis(self.slice.unwrap_or(slice)),
            turns: 4,
            repeats: if self.quick { 16 } else { 200 },
            latencies: Latencies::Apart(latencies),
        }
    }

    /// This project's C library, if it was named.
    pub(crate) fn own(&self) -> Option<Own> {
        let (include, libdir) = self.include.clone().zip(self.libdir.clone())?;
        Some(Own { include, libdir })
    }

    /// Fails before the measuring, not after it. Files that were made to try
    /// are gone if the run fails.
    pub(crate) fn check_outputs(&self) -> Result<Outputs, String> {
        let mut made = Outputs(Vec::new());
        for path in [&self.json, &self.html].into_iter().flatten() {
            let is_new = !path.exists();
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            if is_new {
                made.0.push(path.clone());
            }
        }
        for folder in [&self.svg, &self.record].into_iter().flatten() {
            let failed = |error| format!("cannot make {}: {error}", folder.display());
            let is_new = !folder.exists();
            fs::create_dir_all(folder).map_err(failed)?;
            if is_new {
                made.0.push(folder.clone());
            }
            // A file that is tried, so that a folder nobody may write to is told now.
            tempfile::tempfile_in(folder)
                .map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
        }
        Ok(made)
    }
}

/// Empty outputs that go again unless they are kept.
pub(crate) struct Outputs(Vec<PathBuf>);

impl Outputs {
    /// The run has results.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        for path in &self.0 {
            // A folder goes only if it is empty.
            let _ = match path.is_dir() {
                true => fs::remove_dir(path),
                false => fs::remove_file(path),
            };
        }
    }
}

/// Writes a result.
pub(crate) fn write(path: &Path, contents: &str) -> Result<(), String> {
    fs::write(path, contents).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
