//! `uring bench`: the claims made about io_uring, measured here.

use std::io::Write;
use std::path::Path;
use std::time::{Instant, SystemTime};

use anyring::Ring;
use anyring_bench::peer::{LIBURING, Library, OWN};
use anyring_bench::reads::Makers;
use anyring_bench::{Peers, Stop, machine};

mod about;
mod claims;
mod measure;
mod options;
mod outside;
mod progress;
mod report;
mod run;

pub(crate) use options::Options;

use options::write;
use progress::Progress;
use report::model::Report;
use run::Run;

/// The reasons io_uring is not there, for people.
fn need_ring() -> Result<(), String> {
    let error = match Ring::new(2) {
        Ok(_) => return Ok(()),
        Err(errno) => std::io::Error::from_raw_os_error(errno.0),
    };
    let why = match error.kind() {
        std::io::ErrorKind::Unsupported => "this kernel has none, or a sandbox hides it",
        std::io::ErrorKind::PermissionDenied if error.raw_os_error() == Some(1) => {
            "it is switched off (sysctl kernel.io_uring_disabled) or denied by a sandbox such as a container's seccomp profile"
        }
        std::io::ErrorKind::PermissionDenied => "a security policy denies it",
        std::io::ErrorKind::OutOfMemory => "too little memory may be locked (ulimit -l)",
        _ => "io_uring_setup(2) lists the reasons",
    };
    Err(format!(
        "no io_uring here, so there is nothing to measure: {error}; {why}"
    ))
}

/// Runs the benchmarks.
pub(crate) fn main(options: &Options) -> Result<(), String> {
    Stop::on_signals().map_err(|error| format!("signals: {error}"))?;
    need_ring()?;
    let outputs = options.check_outputs()?;
    let folder = tempfile::Builder::new()
        .prefix("uring-bench-")
        .tempdir_in(&options.dir)
        .map_err(|error| format!("cannot make a folder in {}: {error}", options.dir.display()))?;
    let mut missing = Vec::new();
    let told = |name: &'static str| move |why: String| format!("{name}: {why}");
    let mut load = |library: Result<Library, String>| library.map_err(|why| missing.push(why)).ok();
    if let (Some(name), Some(peers)) = (&options.child.name, &options.child.peers) {
        let makers = Makers {
            peers: Peers::compiled(peers),
            poller: machine::processors().get(1).copied(),
        };
        return outside::child(&makers, name, &options.child, folder.path());
    }
    let peers = Peers {
        liburing: load(Library::distribution(folder.path()).map_err(told(LIBURING))),
        own: match options.own() {
            Some(own) => load(Library::own(folder.path(), &own).map_err(told(OWN))),
            None => load(Err(format!(
                "{OWN}: --include and --libdir name its headers and its liburing.a"
            ))),
        },
    };
    let processors = machine::processors();
    let makers = Makers {
        peers,
        poller: processors.get(1).copied(),
    };
    let report = Report {
        schema: 2,
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        machine: about::machine(processors.len()),
        quick: options.quick,
        size_mib: options.size,
        claims: Vec::new(),
        groups: Vec::new(),
        outside: Vec::new(),
        fio: Vec::new(),
        peers: peers.libraries().map(|l| l.title()).collect(),
        missing,
        notes: Vec::new(),
    };
    let mut run = Run {
        options,
        folder: folder.path(),
        plan: options.plan(),
        progress: Progress::new(),
        report,
        makers,
        processors,
        started: Instant::now(),
        files: 0,
    };
    run.all()?;
    let Run {
        mut report,
        progress,
        ..
    } = run;
    drop(progress);
    report.claims = claims::claims(&report);
    about::notes(&mut report);
    show(&report::table::text(&report))?;
    let mut failures = Vec::new();
    let mut save = |path: &Path, contents: &str| failures.extend(write(path, contents).err());
    let record = options.record.as_ref();
    let record = record.map(|folder| folder.join(about::record_name(&report)));
    let json = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())? + "\n";
    for path in options.json.iter().chain(&record) {
        save(path, &json);
    }
    if let Some(path) = &options.html {
        save(path, &report::html::page(&report));
    }
    if let Some(folder) = &options.svg {
        for theme in [report::chart::LIGHT, report::chart::DARK] {
            for chart in report::chart::charts(&report, theme) {
                save(&folder.join(chart.name), &chart.svg);
            }
        }
    }
    if failures.is_empty() {
        outputs.keep();
        Ok(())
    } else {
        Err(failures.join("\nuring: "))
    }
}

/// Prints the table; a reader that went away wants no more of it.
fn show(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("cannot print the table: {error}"))
        }
        _ => Ok(()),
    }
}
