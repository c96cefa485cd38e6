//! One run of the program under chaos.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;

/// How often a program with a time limit is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// The status of a run that did not end in time, as of timeout(1).
const LATE: u8 = 124;

/// A decision of the engine's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Decision {
    /// The process: a number made of its name.
    pub(super) process: String,
    /// The ring, as the process made them: 1, 2, …
    pub(super) ring: u32,
    pub(super) kind: String,
    /// The request, as the ring took them, or the call.
    pub(super) number: u64,
    pub(super) value: u64,
    /// What it struck.
    pub(super) about: String,
}

impl Decision {
    fn parse(line: &str) -> Option<Decision> {
        let mut words = line.splitn(6, ' ');
        Some(Decision {
            process: words.next().filter(|word| word.len() == 8)?.to_owned(),
            ring: words.next()?.parse().ok()?,
            kind: words.next()?.to_owned(),
            number: words.next()?.parse().ok()?,
            value: words.next()?.parse().ok()?,
            about: words.next().unwrap_or_default().to_owned(),
        })
    }

    pub(super) fn line(&self) -> String {
        let Decision {
            process,
            ring,
            kind,
            number,
            value,
            about,
        } = self;
        format!("{process} {ring} {kind} {number} {value} {about}")
    }
}

/// The decisions of a text, as a log has them.
pub(super) fn decisions(text: &str) -> Vec<Decision> {
    text.lines().filter_map(Decision::parse).collect()
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The program's own exit status, 128 and the signal that ended it, or 124.
    pub(super) status: u8,
    pub(super) signal: Option<i32>,
    pub(super) late: bool,
    pub(super) rings: usize,
    pub(super) decisions: Vec<Decision>,
}

impl Outcome {
    pub(super) fn describe(&self) -> String {
        match (self.late, self.signal) {
            (true, _) => "did not end in time".to_owned(),
            (_, Some(signal)) => format!("ended by signal {signal}"),
            _ => format!("exit status {}", self.status),
        }
    }
}

/// How the program is run.
pub(super) struct Runner<'a> {
    pub(super) program: &'a [OsString],
    pub(super) timeout: Option<Duration>,
    pub(super) folder: &'a Path,
    /// Nothing of what the program prints is shown.
    pub(super) quiet: bool,
}

/// Where this command's own liburing.so.2 is: beside the folder of the command.
fn own_libraries() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.join("../lib");
    folder.join("liburing.so.2").exists().then_some(folder)
}

impl Runner<'_> {
    /// Runs it with the words given.
    pub(super) fn run(&self, words: &str) -> Result<Outcome, String> {
        let log = self.folder.join("log");
        let _ = fs::remove_file(&log);
        let (name, arguments) = self.program.split_first().ok_or("no program")?;
        let mut command = Command::new(name);
        command
            .args(arguments)
            .env("ANYRING_ENGINE", "userspace")
            .env("ANYRING_CHAOS", format!("{words};log={}", log.display()));
        if let Some(own) = own_libraries() {
            let mut path = own.into_os_string();
            if let Some(others) = std::env::var_os("LD_LIBRARY_PATH") {
                path.push(":");
                path.push(others);
            }
            command.env("LD_LIBRARY_PATH", path);
        }
        if self.quiet {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        if self.timeout.is_some() {
            // So that the whole of it can be ended.
            command.process_group(0);
        }
        let name = name.to_string_lossy();
        let mut child = command
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let start = Instant::now();
        let (status, late) = loop {
            let Some(limit) = self.timeout else {
                break (child.wait().map_err(|error| error.to_string())?, false);
            };
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                break (status, false);
            }
            if start.elapsed() >= limit {
                let group = Pid::from_child(&child);
                let _ = kill_process_group(group, Signal::KILL);
                break (child.wait().map_err(|error| error.to_string())?, true);
            }
            thread::sleep(LOOK);
        };
        let text = match fs::read(&log) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{}: {error}", log.display())),
        };
        let signal = status.signal();
        Ok(Outcome {
            status: match (late, signal, status.code()) {
                (true, ..) => LATE,
                (_, Some(signal), _) => 128_u8.saturating_add(signal as u8),
                (.., code) => code.unwrap_or(1) as u8,
            },
            signal,
            late,
            rings: text
                .lines()
                .filter(|line| line.starts_with("ring "))
                .collect::<BTreeSet<_>>()
                .len(),
            decisions: decisions(&text),
        })
    }

    /// Runs it with these decisions.
    pub(super) fn replay(&self, decided: &[Decision], masks: &str) -> Result<Outcome, String> {
        let list = self.folder.join("decisions");
        let text: String = decided.iter().map(|one| one.line() + "\n").collect();
        fs::write(&list, text).map_err(|error| format!("{}: {error}", list.display()))?;
        self.run(&format!("replay={}{masks}", list.display()))
    }
}
