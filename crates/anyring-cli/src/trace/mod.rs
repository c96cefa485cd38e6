//! `uring trace`: what a program submits, and what becomes of it.

mod filter;
mod html;
mod json;
mod summary;
mod text;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyring_observe::attach::Watched;
use anyring_observe::model::Request;
use anyring_observe::start::Started;
use anyring_observe::{Event, Happening, Model, Pair, process, sys};
use clap::{Args, ValueEnum};

use filter::Filter;

/// How the trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each submission and completion, in strace's manner.
    Text,
    /// A JSON object a line (crates/anyring-cli/schema/trace.json describes it).
    Ndjson,
    /// Trace events for ui.perfetto.dev and chrome://tracing.
    Perfetto,
    /// One page with a timeline and distributions.
    Html,
}

/// What to trace, and how it is shown.
#[derive(Args)]
pub(crate) struct Options {
    /// Trace a process that runs: its rings are sampled, it is never stopped.
    #[arg(short, long, value_name = "PID", conflicts_with = "program")]
    pid: Option<i32>,
    /// Where the trace goes; standard error without it (standard output with --pid).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How the trace is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Only the table at the end.
    #[arg(short = 'c', long = "summary-only")]
    count: bool,
    /// Only these: op=NAME,…  fd=N,…  errors  slower=TIME (1ms, 20us).
    #[arg(short = 'e', long = "expr", value_name = "EXPR")]
    expressions: Vec<String>,
    /// Name files and sockets.
    #[arg(short = 'y', long)]
    decode_fds: bool,
    /// Show child processes, too.
    #[arg(short = 'f', long)]
    follow_forks: bool,
    /// Show each system call and the time that it took.
    #[arg(short = 'T', long)]
    syscall_times: bool,
    /// Begin each line with the seconds since the trace began.
    #[arg(short = 't', long)]
    time: bool,
    /// With --pid: end after this many seconds.
    #[arg(long, value_name = "SECONDS", requires = "pid")]
    duration: Option<f64>,
    /// The program and its arguments.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM"
    )]
    program: Vec<String>,
}

/// An event with what the model makes of it.
struct Seen<'a> {
    event: &'a Event,
    pair: Option<Pair>,
}

impl Seen<'_> {
    fn request(&self) -> Option<&Request> {
        match &self.pair {
            Some(Pair::Request(request) | Pair::Completion(request, _)) => Some(request),
            _ => None,
        }
    }

    /// Time from submission to completion.
    fn latency(&self) -> Option<Duration> {
        match &self.pair {
            Some(Pair::Completion(request, _)) => Some(self.event.at.saturating_sub(request.at)),
            _ => None,
        }
    }
}

trait Printer {
    fn take(&mut self, seen: &Seen<'_>) -> io::Result<()>;
    fn end(&mut self) -> io::Result<()>;
}

struct Trace<'a> {
    options: &'a Options,
    filter: Filter,
    model: Model,
    printers: Vec<Box<dyn Printer>>,
    root: i32,
}

impl Trace<'_> {
    fn end(&mut self) -> io::Result<()> {
        self.printers
            .iter_mut()
            .try_for_each(|printer| printer.end())
    }

    fn take(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        for event in events.drain(..) {
            let pair = self.model.take(&event);
            let hidden = event.pid != self.root && !self.options.follow_forks;
            if hidden || matches!(event.what, Happening::Unmaps(..) | Happening::Full) {
                continue;
            }
            let seen = Seen {
                event: &event,
                pair,
            };
            if !self.filter.passes(&seen) {
                continue;
            }
            // Filters that need the result: the submission follows with it.
            if let (true, Some(Pair::Completion(request, _))) =
                (self.filter.by_result(), &seen.pair)
            {
                let before = Event {
                    at: request.at,
                    what: Happening::Submitted(request.sqe),
                    ..event.clone()
                };
                let before = Seen {
                    event: &before,
                    pair: Some(Pair::Request(*request)),
                };
                self.printers
                    .iter_mut()
                    .try_for_each(|printer| printer.take(&before))?;
            }
            self.printers
                .iter_mut()
                .try_for_each(|printer| printer.take(&seen))?;
        }
        Ok(())
    }
}

/// Traces; the exit status is the program's own.
pub(crate) fn main(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    if options.pid.is_none() && options.program.is_empty() {
        return Err("nothing to trace: give -p PID, or -- PROGRAM".into());
    }
    let filter = Filter::new(&options.expressions)?;
    let to: Box<dyn Write> = match &options.output {
        Some(file) => {
            Box::new(File::create(file).map_err(|error| format!("{}: {error}", file.display()))?)
        }
        None if options.pid.is_some() => Box::new(io::stdout()),
        None => Box::new(io::stderr()),
    };
    let to = BufWriter::new(to);
    let printer: Box<dyn Printer> = if options.count {
        Box::new(summary::Summary::new(to))
    } else {
        match options.format {
            Format::Text => Box::new(text::Text::new(to, options)),
            Format::Ndjson => Box::new(json::Lines::new(to)),
            Format::Perfetto => Box::new(json::Perfetto::new(to)),
            Format::Html => Box::new(html::Page::new(to)),
        }
    };
    let mut trace = Trace {
        options,
        filter,
        model: Model::default(),
        printers: vec![printer],
        root: options.pid.unwrap_or(0),
    };
    match options.pid {
        Some(pid) => sampled(pid, &mut trace),
        None => started(&mut trace),
    }
}

/// A pipe or terminal that is gone ends the trace as a signal does.
fn written(result: io::Result<()>) -> Result<bool, Box<dyn Error>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}

fn sampled(pid: i32, trace: &mut Trace<'_>) -> Result<ExitCode, Box<dyn Error>> {
    let mut watched = Watched::new(pid)?;
    sys::block_signals();
    let end = trace
        .options
        .duration
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(|time| Instant::now() + time);
    let mut events = Vec::new();
    let mut refreshed: Option<Instant> = None;
    let mut pause = Duration::from_micros(50);
    loop {
        if refreshed.is_none_or(|at| at.elapsed() > Duration::from_millis(20)) {
            let there = watched.refresh(&mut events);
            refreshed = Some(Instant::now());
            if !there {
                break;
            }
        }
        let busy = watched.sample(&mut events);
        if !written(trace.take(&mut events))? {
            return Ok(ExitCode::SUCCESS);
        }
        pause = if busy {
            Duration::from_micros(20)
        } else {
            (pause * 2).min(Duration::from_millis(2))
        };
        let asked_to_end =
            matches!(sys::wait_signal(pause), Some(signal) if signal != sys::SIGCHLD);
        if asked_to_end || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }
    watched.sample(&mut events);
    written(trace.take(&mut events))?;
    written(trace.end())?;
    Ok(ExitCode::SUCCESS)
}

fn started(trace: &mut Trace<'_>) -> Result<ExitCode, Box<dyn Error>> {
    let mut program = Started::new(&trace.options.program)?;
    trace.root = program.pid();
    let mut events = Vec::new();
    let mut writes = true;
    while program.step(&mut events)? {
        if writes {
            writes = written(trace.take(&mut events))?;
        }
        events.clear();
    }
    written(trace.take(&mut events))?;
    if writes {
        written(trace.end())?;
    }
    let status = program.status().unwrap_or(0);
    let code = if status & 0x7f == 0 {
        (status >> 8) & 0xff
    } else {
        128 + (status & 0x7f)
    };
    Ok(ExitCode::from(code as u8))
}

/// A file of a process by name, as `9</tmp/x>`.
fn named(pid: i32, fd: i32, slot: bool) -> String {
    if slot {
        return format!("{fd}<registered>");
    }
    match process::file(pid, fd) {
        Some(name) => format!("{fd}<{name}>"),
        None => fd.to_string(),
    }
}

/// A time for people.
fn human(time: Duration) -> String {
    let ns = time.as_nanos() as f64;
    match ns {
        _ if ns < 1e3 => format!("{ns} ns"),
        _ if ns < 1e6 => format!("{:.1} us", ns / 1e3),
        _ if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        _ => format!("{:.2} s", ns / 1e9),
    }
}

/// A result as the kernel means it: a number, or an errno by name.
fn result(value: i64) -> String {
    match i32::try_from(value) {
        Ok(value @ -4095..=-1) => format!("-{}", anyring_observe::names::errno(-value)),
        _ => value.to_string(),
    }
}

/// Whether the result of this operation is a number of bytes.
fn moves_bytes(name: &str) -> bool {
    ["read", "write", "send", "recv", "splice", "tee"]
        .iter()
        .any(|word| name.starts_with(word))
}
