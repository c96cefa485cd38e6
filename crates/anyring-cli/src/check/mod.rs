//! `uring check` and `uring explain`: mistakes in the use of io_uring, named.

pub(crate) mod finding;
mod rules;
mod suppress;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyring_observe::attach::Watched;
use anyring_observe::start::Started;
use anyring_observe::sys;
use clap::Args;
use serde::Serialize;

use finding::{ALL, Finding, Id, Level};
use rules::Rules;

/// The exit status where something was found.
const FOUND: u8 = 99;
/// And where no ring was seen.
const NO_RING: u8 = 98;
/// Findings of an id that are shown.
const SHOWN: usize = 10;

/// What is checked, and how it is reported.
#[derive(Args)]
pub(crate) struct Options {
    /// Check a process that runs, by samples of its rings: what lies between is counted.
    #[arg(short, long, value_name = "PID", conflicts_with = "program")]
    pid: Option<i32>,
    /// With --pid: end after this many seconds.
    #[arg(long, value_name = "SECONDS", requires = "pid")]
    duration: Option<f64>,
    /// Findings of this level and above make the exit status 99.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Level::Error)]
    fail_on: Level,
    /// Show findings of this level and above.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Level::Advice)]
    level: Level,
    /// Findings that are known: a line ID, or ID and a part of the finding's text.
    #[arg(long, value_name = "FILE")]
    suppress: Option<PathBuf>,
    /// Print the line that suppresses it behind each finding.
    #[arg(long)]
    gen_suppressions: bool,
    /// Write the report as JSON (crates/anyring-cli/schema/check.json describes it).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The program and its arguments.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM"
    )]
    program: Vec<String>,
}

/// Which finding is explained.
#[derive(Args)]
pub(crate) struct Explain {
    /// The finding, as UR-BUF-FREED; without one all are listed.
    id: Option<String>,
}

/// The report.
#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    rings: u64,
    submitted: u64,
    completed: u64,
    /// Submissions and completions that were not seen.
    lost: u64,
    suppressed: usize,
    findings: &'a [Finding],
}

pub(crate) fn main(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let known = match &options.suppress {
        Some(path) => {
            let text = fs::read_to_string(path);
            let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
            suppress::read(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => Vec::new(),
    };
    let mut rules = Rules::default();
    let status = match options.pid {
        Some(pid) => {
            sampled(pid, options.duration, &mut rules)?;
            0
        }
        None if options.program.is_empty() => {
            return Err("nothing to check: give -p PID, or a program".into());
        }
        None => started(&options.program, &mut rules)?,
    };
    let all = std::mem::take(&mut rules.found);
    let before = all.len();
    let mut found: Vec<Finding> = all
        .into_iter()
        .filter(|finding| !known.iter().any(|one| one.covers(finding)))
        .collect();
    let suppressed = before - found.len();
    found.retain(|finding| finding.level >= options.level.min(options.fail_on));
    say(options, &rules, &found, suppressed);
    if let Some(path) = &options.json {
        let report = Report {
            version: 1,
            rings: rules.made,
            submitted: rules.submitted,
            completed: rules.completed,
            lost: rules.lost,
            suppressed,
            findings: &found,
        };
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let fails = found.iter().any(|finding| finding.level >= options.fail_on);
    Ok(ExitCode::from(match () {
        () if fails => FOUND,
        () if rules.made == 0 => NO_RING,
        () => status,
    }))
}

/// Runs a program to its end; its exit status.
fn started(program: &[String], rules: &mut Rules) -> Result<u8, Box<dyn Error>> {
    let began = Instant::now();
    let mut started = Started::new(program)?;
    let mut events = Vec::new();
    while started.step(&mut events)? {
        events.drain(..).for_each(|event| rules.take(&event));
    }
    events.drain(..).for_each(|event| rules.take(&event));
    rules.end(began.elapsed());
    let status = started.status().unwrap_or(0);
    Ok(match status & 0x7f {
        0 => (status >> 8) as u8,
        signal => 128 + signal as u8,
    })
}

fn sampled(pid: i32, duration: Option<f64>, rules: &mut Rules) -> Result<(), Box<dyn Error>> {
    rules.sampled = true;
    let mut watched = Watched::new(pid)?;
    sys::block_signals();
    let began = Instant::now();
    let end = duration
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(|time| began + time);
    let mut events = Vec::new();
    let mut refreshed: Option<Instant> = None;
    loop {
        if refreshed.is_none_or(|at| at.elapsed() > Duration::from_millis(20)) {
            let there = watched.refresh(&mut events);
            refreshed = Some(Instant::now());
            if !there {
                break;
            }
        }
        watched.sample(&mut events);
        events.drain(..).for_each(|event| rules.take(&event));
        let asked = matches!(sys::wait_signal(Duration::from_micros(100)), Some(signal) if signal != sys::SIGCHLD);
        if asked || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }
    watched.sample(&mut events);
    events.drain(..).for_each(|event| rules.take(&event));
    rules.end(began.elapsed());
    Ok(())
}

fn say(options: &Options, rules: &Rules, found: &[Finding], suppressed: usize) {
    let mut text = String::new();
    let mut counts: BTreeMap<Id, usize> = BTreeMap::new();
    for finding in found {
        let count = counts.entry(finding.id).or_default();
        *count += 1;
        if *count > SHOWN {
            continue;
        }
        let Finding {
            id,
            level,
            at,
            pid,
            ring_fd,
            text: what,
        } = finding;
        text += &format!("{}: {}: {what}\n", id.name(), level.name());
        text += &format!("    ring {ring_fd} of process {pid}, after {at:.6} s\n");
        if options.gen_suppressions {
            text += &format!("    suppress: {}\n", suppress::line(finding));
        }
    }
    for (id, count) in &counts {
        if *count > SHOWN {
            text += &format!("{}: {} more\n", id.name(), count - SHOWN);
        }
    }
    if let Some(id) = counts.keys().next() {
        text += &format!(
            "(uring explain {} says what that is, and the others likewise)\n",
            id.name()
        );
    }
    if rules.made == 0 {
        text += "uring check: 0 rings seen. The program makes none of the kernel's: rings of the \
                 userspace engine are not seen from outside.\n";
    } else {
        text += &format!(
            "uring check: {} rings, {} requests, {} completions; {} findings, {suppressed} suppressed",
            rules.made,
            rules.submitted,
            rules.completed,
            found.len(),
        );
        if rules.lost != 0 {
            text += &format!("; {} submissions and completions were not seen", rules.lost);
        }
        text.push('\n');
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// `uring explain`.
pub(crate) fn explain(options: &Explain) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    match &options.id {
        None => {
            for (id, name, level, _) in ALL {
                let title = id.page().lines().next().unwrap_or_default();
                let title = title.split_once(": ").map_or("", |(_, title)| title);
                writeln!(out, "{name:16} {:8} {title}", level.name())?;
            }
        }
        Some(name) => {
            let id = Id::named(&name.to_uppercase()).ok_or_else(|| {
                format!("{name}: there is no such finding (uring explain lists all)")
            })?;
            write!(out, "{}", id.page())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_as_the_schema_says() {
        let schema = serde_json::from_str(include_str!("../../schema/check.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let findings: Vec<Finding> = ALL
            .iter()
            .map(|(id, _, level, _)| Finding {
                id: *id,
                level: *level,
                at: 0.5,
                pid: 7,
                ring_fd: -1,
                text: "what".to_owned(),
            })
            .collect();
        let report = Report {
            version: 1,
            rings: 1,
            submitted: 2,
            completed: 3,
            lost: 0,
            suppressed: 4,
            findings: &findings,
        };
        let value = serde_json::to_value(&report).unwrap();
        let problems: Vec<String> = validator
            .iter_errors(&value)
            .map(|e| e.to_string())
            .collect();
        assert_eq!(problems, Vec::<String>::new());
    }
}
