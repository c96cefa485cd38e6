//! `uring doctor`: why io_uring does not work here, or not well.

mod facts;
mod machine;
mod program;
mod rings;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

/// What to look at.
#[derive(Args)]
pub(crate) struct Options {
    /// Look at the rings of this process, too.
    #[arg(value_name = "PID")]
    pid: Option<i32>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
    /// Read /proc and /sys below this directory instead.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Run this program and look at what it does with io_uring.
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Advice,
    Warning,
    Error,
}

/// A finding, its evidence, what to do.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    id: &'static str,
    level: Level,
    what: String,
    evidence: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    advice: String,
}

fn finding(
    id: &'static str,
    level: Level,
    what: impl Into<String>,
    evidence: impl Into<String>,
    advice: impl Into<String>,
) -> Finding {
    Finding {
        id,
        level,
        what: what.into(),
        evidence: evidence.into(),
        advice: advice.into(),
    }
}

#[derive(Serialize)]
struct Report {
    /// Whether io_uring can be used here.
    usable: bool,
    findings: Vec<Finding>,
}

/// Looks, prints; the exit status is 0 if io_uring can be used, else 1.
pub(crate) fn main(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let facts = facts::Facts::read(&options.root);
    let mut findings = machine::look(&facts);
    let usable = !findings.iter().any(|finding| finding.level == Level::Error);
    if let Some(pid) = options.pid {
        findings.extend(rings::look(pid)?);
    }
    if !options.program.is_empty() {
        findings.extend(program::look(&options.program)?);
    }
    let report = Report { usable, findings };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        for Finding {
            id,
            level,
            what,
            evidence,
            advice,
        } in &report.findings
        {
            let level = match level {
                Level::Ok => "ok     ",
                Level::Advice => "advice ",
                Level::Warning => "warning",
                Level::Error => "ERROR  ",
            };
            println!("{level} {id}: {what}\n        {evidence}");
            if !advice.is_empty() {
                println!("        -> {advice}");
            }
        }
        println!(
            "io_uring {} be used here",
            if usable { "can" } else { "cannot" }
        );
    }
    Ok(if usable {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
