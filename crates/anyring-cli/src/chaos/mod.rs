//! `uring chaos`: legal but unwelcome things, made to happen to a program.

mod kernel;
mod rules;
mod run;
mod shrink;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use run::{Decision, Outcome, Runner};

/// The exit status where no ring was made: nothing was tried.
const NO_RING: u8 = 98;
/// The longest that each of many runs may take without --timeout.
const PATIENCE: Duration = Duration::from_secs(60);
/// Decisions shown of a run that failed.
const SHOWN: usize = 20;

/// What strikes a program, and how often it is run.
#[derive(Args)]
#[command(after_help = after_help())]
pub(crate) struct Options {
    /// What is made to happen: KIND or KIND:KEY=VALUE,… Without rules: order, and some of
    /// delay, short, worker, end, notification and submit.
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Rules from a file: one a line, # begins a comment.
    #[arg(long = "rules", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Everything that a program has to bear unnoticed, more often: interrupted waits and a
    /// sleeping SQPOLL thread, too. Errors of operations need a rule.
    #[arg(long, conflicts_with_all = ["rules", "file"])]
    strict: bool,
    /// The number that decides all; a random one is taken, and printed, without it.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run the program with that many seeds, until it fails with one.
    #[arg(long, value_name = "N", conflicts_with = "replay")]
    seeds: Option<u64>,
    /// Write what was decided, in the run that failed or in the last one.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Repeat what was recorded.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rules", "file", "strict", "seed"])]
    replay: Option<PathBuf>,
    /// When it fails: find the fewest decisions with which it still fails.
    #[arg(long)]
    shrink: bool,
    /// Have the operations, features and flags of that kernel only, from 5.4 to 6.18.
    #[arg(long, value_name = "VERSION")]
    as_kernel: Option<String>,
    /// A run that takes longer is ended, and has failed (60s for each of many runs).
    #[arg(long, value_name = "TIME")]
    timeout: Option<humantime::Duration>,
    /// Write what came of it as JSON (crates/anyring-cli/schema/chaos.json describes it).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

fn after_help() -> String {
    let mut text = "Kinds:\n".to_owned();
    for (name, reason) in rules::KINDS {
        text += &format!("  {name:13} {reason}\n");
    }
    text + "\
Keys:
  op=NAME|NAME  these operations        fd=N          entries with that descriptor or index
  path=GLOB     files of these paths    nth=N         the n-th that the rule concerns
  p=0.1, p=10%  how likely (always)     time=5ms      how long at most (delay, notification)
  errno=EIO     the error (error)       from=1s,to=2s since the first ring
Exit status: the program's own, 128 and the signal that ended it, or 124 if it took too
long; of many runs that of the first that failed. 98 if no ring was made."
}

/// The report.
#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    /// Of the run that is reported: the first that failed, else the last.
    seed: Option<u64>,
    runs: u64,
    failed: bool,
    status: u8,
    signal: Option<i32>,
    timeout: bool,
    rings: usize,
    decisions: &'a [Decision],
    /// With --shrink, of a run that failed.
    fewest: Option<&'a [Decision]>,
}

pub(crate) fn main(options: &Options) -> Result<ExitCode, String> {
    let masks = match &options.as_kernel {
        Some(version) => format!(";{}", kernel::masks(version)?),
        None => String::new(),
    };
    let rules = all_rules(options)?;
    let folder = tempfile::Builder::new()
        .prefix("uring-chaos-")
        .tempdir()
        .map_err(|error| format!("a folder for the log: {error}"))?;
    let many = options.seeds.is_some() || options.shrink;
    let runner = Runner {
        program: &options.program,
        timeout: options.timeout.map(Into::into).or(many.then_some(PATIENCE)),
        folder: folder.path(),
        quiet: false,
    };
    let given = options.replay.as_deref().map(read).transpose()?;
    let first = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let seeds = options.seeds.unwrap_or(1).max(1);
    let mut runs = 0;
    let (seed, outcome) = loop {
        let seed = first.wrapping_add(runs);
        runs += 1;
        let outcome = match &given {
            Some(decided) => runner.replay(decided, &masks)?,
            None => runner.run(&format!("seed={seed};{rules}{masks}"))?,
        };
        if outcome.rings == 0 {
            return Ok(nothing_tried(&outcome));
        }
        if outcome.status != 0 || runs == seeds {
            break (given.is_none().then_some(seed), outcome);
        }
    };
    let failed = outcome.status != 0;
    say(options, seed, runs, &outcome);
    let mut fewest = None;
    if failed && options.shrink {
        fewest = shrunk(options, &runner, &outcome, &masks)?;
    }
    if let Some(path) = &options.record {
        let decided = fewest.as_ref().unwrap_or(&outcome.decisions);
        let text: String = decided.iter().map(|one| one.line() + "\n").collect();
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &options.json {
        let report = Report {
            version: 1,
            seed,
            runs,
            failed,
            status: outcome.status,
            signal: outcome.signal,
            timeout: outcome.late,
            rings: outcome.rings,
            decisions: &outcome.decisions,
            fewest: fewest.as_deref(),
        };
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(ExitCode::from(outcome.status))
}

/// The rules in the engine's form.
fn all_rules(options: &Options) -> Result<String, String> {
    let mut given: Vec<String> = options.rules.clone();
    if let Some(path) = &options.file {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        given.extend(rules::lines(&text).map(str::to_owned));
    }
    let chosen: &[&str] = match (options.strict, given.is_empty()) {
        (true, _) => rules::STRICT,
        // An old kernel alone is enough.
        (_, true) if options.as_kernel.is_none() && options.file.is_none() => rules::USUAL,
        _ => &[],
    };
    given.extend(chosen.iter().map(|rule| (*rule).to_owned()));
    let translated: Result<Vec<String>, String> =
        given.iter().map(|rule| rules::translate(rule)).collect();
    Ok(translated?.join(";"))
}

fn read(path: &Path) -> Result<Vec<Decision>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut decided = Vec::new();
    for line in rules::lines(&text).filter(|line| !line.starts_with("ring ")) {
        let parsed = run::decisions(line);
        if parsed.is_empty() {
            return Err(format!("{}: no decision: {line}", path.display()));
        }
        decided.extend(parsed);
    }
    Ok(decided)
}

/// Says that nothing was tried, which must not look like a success.
fn nothing_tried(outcome: &Outcome) -> ExitCode {
    eprintln!(
        "uring chaos: 0 rings seen ({}). The program makes none, or makes them without \
         liburing.so.2: linked statically, by system calls of its own, or by another library.",
        outcome.describe()
    );
    ExitCode::from(NO_RING)
}

fn say(options: &Options, seed: Option<u64>, runs: u64, outcome: &Outcome) {
    let mut text = "uring chaos: ".to_owned();
    if let Some(seed) = seed {
        text += &format!("seed {seed}: ");
    }
    text += &format!(
        "{}; {} decisions in {} rings",
        outcome.describe(),
        outcome.decisions.len(),
        outcome.rings
    );
    if runs > 1 {
        text += &format!(", run {runs}");
    }
    text.push('\n');
    if outcome.status != 0 {
        for decision in outcome.decisions.iter().take(SHOWN) {
            text += &format!("  {}\n", described(decision));
        }
        let more = outcome.decisions.len().saturating_sub(SHOWN);
        if more > 0 {
            text += &format!("  and {more} more (--record, --json)\n");
        }
        if let Some(seed) = seed {
            text += &format!("again: {}\n", command(options, seed));
        }
    }
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A decision for readers: `ring 1, request 17: short recv fd=5 …`
fn described(decision: &Decision) -> String {
    let Decision {
        ring,
        kind,
        number,
        value,
        about,
        ..
    } = decision;
    let mut about = about.clone();
    let opcode = about.strip_prefix("opcode=").and_then(|rest| {
        let (number, rest) = rest.split_once(' ')?;
        Some((number.parse::<u8>().ok()?, rest.to_owned()))
    });
    if let Some((opcode, rest)) = opcode {
        about = format!("{} {rest}", anyring_observe::decode::operation(opcode));
    }
    let what = match kind.as_str() {
        "error" => {
            let errno = anyring::Errno(i32::try_from(*value).unwrap_or(0));
            format!("error {}", errno.name().unwrap_or("?"))
        }
        "delay" | "notification" => format!("{kind} {value} us"),
        _ => kind.clone(),
    };
    format!("ring {ring}, #{number}: {what} {about}")
}

/// The command that repeats a run.
fn command(options: &Options, seed: u64) -> String {
    let mut words = vec!["uring chaos".to_owned(), format!("--seed {seed}")];
    if options.strict {
        words.push("--strict".to_owned());
    }
    if let Some(version) = &options.as_kernel {
        words.push(format!("--as-kernel {version}"));
    }
    if let Some(path) = &options.file {
        words.push(format!("--rules {}", quoted(&path.to_string_lossy())));
    }
    words.extend(options.rules.iter().map(|rule| quoted(rule)));
    words.push("--".to_owned());
    let program = options.program.iter();
    words.extend(program.map(|word| quoted(&word.to_string_lossy())));
    words.join(" ")
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The fewest decisions that make it fail; none if the recorded ones do not.
fn shrunk(
    options: &Options,
    runner: &Runner<'_>,
    outcome: &Outcome,
    masks: &str,
) -> Result<Option<Vec<Decision>>, String> {
    let quiet = Runner {
        quiet: true,
        ..Runner {
            program: &options.program,
            ..*runner
        }
    };
    if quiet.replay(&outcome.decisions, masks)?.status == 0 {
        eprintln!(
            "uring chaos: with the same decisions it does not fail again: something else has a \
             part in it, such as threads or time"
        );
        return Ok(None);
    }
    let mut runs = 0;
    let left = shrink::shrink(&outcome.decisions, |some| {
        runs += 1;
        Ok::<_, String>(quiet.replay(some, masks)?.status != 0)
    })?;
    let mut text = format!(
        "uring chaos: {} of {} decisions are enough ({runs} runs)\n",
        left.len(),
        outcome.decisions.len()
    );
    for decision in &left {
        text += &format!("  {}\n", described(decision));
    }
    eprint!("{text}");
    Ok(Some(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_as_the_schema_says() {
        let schema = serde_json::from_str(include_str!("../../schema/chaos.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let kinds: Vec<String> = rules::KINDS
            .iter()
            .map(|(kind, _)| format!("0000abcd 1 {kind} 17 5 opcode=22 fd=-1 user_data=0x2a at=90"))
            .collect();
        let decided = run::decisions(&kinds.join("\n"));
        assert_eq!(decided.len(), rules::KINDS.len());
        let report = Report {
            version: 1,
            seed: Some(u64::MAX),
            runs: 3,
            failed: true,
            status: 134,
            signal: Some(6),
            timeout: false,
            rings: 1,
            decisions: &decided,
            fewest: Some(&decided[..1]),
        };
        let value = serde_json::to_value(&report).unwrap();
        let problems: Vec<String> = validator
            .iter_errors(&value)
            .map(|e| e.to_string())
            .collect();
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn decisions_are_said_in_words() {
        let line = "0000abcd 2 error 17 5 opcode=27 fd=9 user_data=0x2a at=90";
        let said = described(&run::decisions(line)[0]);
        assert_eq!(
            said,
            "ring 2, #17: error EIO recv fd=9 user_data=0x2a at=90"
        );
        assert_eq!(run::decisions(line)[0].line(), line);
        assert!(run::decisions("ring 0000abcd 1\nbanana").is_empty());
    }

    #[test]
    fn words_are_quoted_for_shells() {
        for (word, wanted) in [
            ("a-b", "a-b"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
        ] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
