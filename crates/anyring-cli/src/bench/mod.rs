//! `uring bench`: the claims made about io_uring, measured here.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyring::Ring;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

mod calls;
mod claims;
mod counted;
mod data;
mod links;
mod net;
mod outside;
mod reads;
mod report;
mod stats;
mod sys;

use data::{BLOCK, DataFile};
use net::{Load, Service};
use reads::Shape;
use reads::cases::{Makers, NAMES, depth_topic, size_topic};
use report::model::{Group, Machine, Report};
use stats::{Contender, Plan, Stop, Topic, measure};

/// What to measure, and where the results go.
#[derive(Args, Debug, Default)]
pub(crate) struct Options {
    /// Finish within a minute: fewer sizes, repetitions and connections.
    #[arg(long)]
    quick: bool,
    /// MiB of test data.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    size: u64,
    /// Folder for test data (a temporary one is made in it).
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Only these parts.
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// Repetitions of each contender.
    #[arg(long, value_parser = clap::value_parser!(u32).range(3..=1000))]
    repetitions: Option<u32>,
    /// Milliseconds of each repetition.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    slice: Option<u64>,
    /// Write the results as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write one self-contained page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the charts.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    #[arg(long, hide = true, requires = "child_operations")]
    child: Option<String>,
    #[arg(long, hide = true, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    child_depth: u16,
    #[arg(long, hide = true)]
    child_operations: Option<u64>,
}

/// Parts of a run.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
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

/// The reasons io_uring is not there, for people.
fn need_ring() -> Result<(), String> {
    let error = match Ring::new(2) {
        Ok(_) => return Ok(()),
        Err(errno) => errno.0,
    };
    let why = match error {
        libc::ENOSYS => "this kernel has none, or a sandbox hides it",
        libc::EPERM => {
            "it is switched off (sysctl kernel.io_uring_disabled) or denied by a sandbox such as a container's seccomp profile"
        }
        libc::EACCES => "a security policy denies it",
        libc::ENOMEM => "too little memory may be locked (ulimit -l)",
        _ => "io_uring_setup(2) lists the reasons",
    };
    let text = std::io::Error::from_raw_os_error(error);
    Err(format!(
        "no io_uring here, so there is nothing to measure: {text}; {why}"
    ))
}

/// Says what is done: a bar on a terminal, lines otherwise.
struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}");
            ProgressBar::new(0).with_style(style.expect("a valid template"))
        });
        Progress {
            bar,
            last: String::new(),
        }
    }

    fn expect(&self, runs: usize) {
        if let Some(bar) = &self.bar {
            bar.inc_length(runs as u64);
        }
    }

    fn tick(&mut self, title: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(title.to_string());
                bar.inc(1);
            }
            None if self.last != title => eprintln!("{title}"),
            None => {}
        }
        if self.last != title {
            self.last = title.into();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Everything a part needs.
struct Run<'a> {
    options: &'a Options,
    folder: &'a Path,
    plan: Plan,
    progress: Progress,
    report: Report,
    makers: Makers,
    processors: Vec<usize>,
}

impl Run<'_> {
    fn wanted(&self, part: Part) -> bool {
        self.options.only.is_empty() || self.options.only.contains(&part)
    }

    fn measure(
        &mut self,
        topic: Topic,
        contenders: &mut [Box<dyn Contender>],
        plan: Plan,
    ) -> Result<(), String> {
        self.progress
            .expect(contenders.len() * (plan.repetitions + 1 + usize::from(plan.latency)));
        let title = topic.title.clone();
        let progress = &mut self.progress;
        let group = measure(topic, contenders, plan, &mut |title| progress.tick(title));
        self.report.groups.push(group.map_err(|error| {
            if error == Stop::MESSAGE {
                error
            } else {
                format!("{title}: {error}")
            }
        })?);
        Ok(())
    }

    fn reads(&mut self, data: &DataFile, kinds: &[bool]) -> Result<(), String> {
        let depths: &[usize] = if self.options.quick {
            &[1, 8, 32, 128]
        } else {
            &[1, 2, 4, 8, 16, 32, 64, 128, 256]
        };
        for &direct in kinds {
            for &depth in depths {
                let shape = Shape {
                    depth,
                    block: BLOCK,
                    direct,
                };
                let mut contenders =
                    self.makers
                        .all(&NAMES, data, shape, &mut self.report.missing)?;
                self.measure(depth_topic(shape), &mut contenders, self.plan)?;
            }
        }
        Ok(())
    }

    fn registered(&mut self, data: &DataFile, kinds: &[bool]) -> Result<(), String> {
        const PAIR: [&str; 4] = [
            "anyring",
            "anyring, registered",
            "liburing",
            "liburing, registered",
        ];
        let sizes: &[usize] = if self.options.quick {
            &[4, 64, 1024]
        } else {
            &[4, 16, 64, 256, 1024]
        };
        for &direct in kinds {
            for kib in sizes {
                let shape = Shape {
                    depth: 8,
                    block: kib << 10,
                    direct,
                };
                let mut contenders =
                    self.makers
                        .all(&PAIR, data, shape, &mut self.report.missing)?;
                self.measure(size_topic(shape), &mut contenders, self.plan)?;
            }
        }
        Ok(())
    }

    fn calls(&mut self) -> Result<(), String> {
        let plan = Plan {
            latency: false,
            ..self.plan
        };
        let (topic, mut contenders) = calls::parts()?;
        self.measure(topic, &mut contenders, plan)?;
        for batch in [1, 8, 32, 128] {
            let (topic, mut contenders) = calls::nops(batch, self.makers.liburing)?;
            self.measure(topic, &mut contenders, plan)?;
        }
        Ok(())
    }

    fn links(&mut self) -> Result<(), String> {
        let (topic, mut contenders) = links::chains(self.folder)?;
        let plan = Plan {
            slice: self.plan.slice.max(Duration::from_millis(100)),
            ..self.plan
        };
        self.measure(topic, &mut contenders, plan)
    }

    fn echo(&mut self) -> Result<(), String> {
        let files = sys::raise_open_files();
        let counts: &[usize] = if self.options.quick {
            &[1, 32, 256]
        } else {
            &[1, 8, 32, 128, 512, 1000]
        };
        // Every contender keeps its client's and its server's end open.
        let most = (files.saturating_sub(100) / (2 * net::SERVERS.len() as u64)) as usize;
        let plan = Plan {
            latency: false,
            ..self.plan
        };
        for short in [false, true] {
            for bytes in [64, 4096] {
                for &connections in counts {
                    if connections > most {
                        self.report.notes.push(format!("{connections} connections need more open files than the limit of {files} allows"));
                        continue;
                    }
                    self.serve(
                        Load {
                            connections,
                            bytes,
                            short,
                            rate: None,
                        },
                        plan,
                    )?;
                }
            }
        }
        // Half of what the slowest can do, whether or not it keeps up.
        let slowest = self
            .report
            .groups
            .iter()
            .filter(|g| g.id == "echo-long-64-32")
            .flat_map(|g| &g.rows)
            .map(|r| r.per_second.median);
        let rate = slowest.fold(f64::INFINITY, f64::min) / 2.0;
        if rate.is_finite() {
            self.serve(
                Load {
                    connections: 32,
                    bytes: 64,
                    short: false,
                    rate: Some(rate),
                },
                plan,
            )?;
        }
        Ok(())
    }

    fn serve(&mut self, load: Load, plan: Plan) -> Result<(), String> {
        let server = (self.processors.len() > 1).then(|| self.processors[1]);
        let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
        for name in net::SERVERS {
            match Service::start(name, load, server) {
                Ok(service) => contenders.push(Box::new(service)),
                Err(why) if name == net::SERVERS[0] => return Err(why),
                Err(why) => {
                    let line = format!("{name}: {why}");
                    if !self.report.missing.contains(&line) {
                        self.report.missing.push(line);
                    }
                }
            }
        }
        // The rounds without load serve as latency runs too.
        let plan = Plan {
            latency: true,
            ..plan
        };
        self.measure(net::topic(load), &mut contenders, plan)
    }
}

fn machine(processors: usize) -> Machine {
    let (kernel, architecture) = sys::kernel();
    let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|l| l.starts_with("model name"))?;
        Some(line.split(':').nth(1)?.trim().to_string())
    });
    let load = fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|t| t.split(' ').next()?.parse().ok());
    Machine {
        kernel,
        architecture,
        cpu: cpu.unwrap_or_else(|| "unknown CPU".into()),
        processors,
        load: load.unwrap_or(0.0),
    }
}

/// What a reader must know about this machine.
fn notes(report: &mut Report) {
    let Machine {
        processors, load, ..
    } = report.machine;
    if processors < 4 {
        report.notes.push(format!("{processors} processors: an SQPOLL thread competes with the program, and the client with the server"));
    }
    if load > 0.5 {
        report.notes.push(format!(
            "the load was {load:.2} before the start: other programs compete"
        ));
    }
    let wide = |g: &&Group| {
        g.rows
            .iter()
            .any(|r| (r.per_second.high - r.per_second.low) > 0.2 * r.per_second.median)
    };
    let noisy = report.groups.iter().filter(wide).count();
    if noisy > 0 {
        report.notes.push(format!(
            "too noisy: in {noisy} of {} groups a contender's quartiles are more than 20 % apart; small differences there mean nothing",
            report.groups.len()
        ));
    }
    if report.quick {
        report
            .notes
            .push("a quick run: short slices and few repetitions".into());
    }
}

fn write(path: &Path, contents: &str) -> Result<(), String> {
    fs::write(path, contents).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Fails before the measuring, not after it.
fn check_outputs(options: &Options) -> Result<(), String> {
    for path in [&options.json, &options.html].into_iter().flatten() {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    if let Some(folder) = &options.svg {
        fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    Ok(())
}

/// Runs the benchmarks.
pub(crate) fn main(options: &Options) -> Result<(), String> {
    sys::ignore_file_size_signal();
    ctrlc::set_handler(Stop::ask).map_err(|error| format!("signals: {error}"))?;
    need_ring()?;
    check_outputs(options)?;
    let folder = tempfile::Builder::new()
        .prefix("uring-bench-")
        .tempdir_in(&options.dir)
        .map_err(|error| format!("cannot make a folder in {}: {error}", options.dir.display()))?;
    if let (Some(name), Some(operations)) = (&options.child, options.child_operations) {
        let data = DataFile::create(folder.path(), options.size << 20)?;
        let calls = outside::child(
            &Makers { liburing: None },
            name,
            &data,
            options.child_depth.into(),
            operations,
        )?;
        println!("{calls}");
        return Ok(());
    }
    let processors = sys::processors();
    let mut missing = Vec::new();
    let makers = Makers::new(folder.path(), &mut missing);
    let plan = Plan {
        repetitions: options
            .repetitions
            .map_or(if options.quick { 5 } else { 15 }, |r| r as usize),
        slice: Duration::from_millis(
            options
                .slice
                .unwrap_or(if options.quick { 12 } else { 100 }),
        ),
        latency: true,
    };
    let report = Report {
        schema: 1,
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        machine: machine(processors.len()),
        quick: options.quick,
        size_mib: options.size,
        claims: Vec::new(),
        groups: Vec::new(),
        outside: Vec::new(),
        fio: Vec::new(),
        missing,
        notes: Vec::new(),
    };
    let mut run = Run {
        options,
        folder: folder.path(),
        plan,
        progress: Progress::new(),
        report,
        makers,
        processors,
    };
    all(&mut run)?;
    let Run {
        mut report,
        progress,
        ..
    } = run;
    drop(progress);
    report.claims = claims::claims(&report);
    notes(&mut report);
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        write(path, &(text + "\n"))?;
    }
    if let Some(path) = &options.html {
        write(path, &report::html::page(&report))?;
    }
    if let Some(folder) = &options.svg {
        for theme in [report::chart::LIGHT, report::chart::DARK] {
            for chart in report::chart::charts(&report, theme) {
                write(&folder.join(chart.name), &chart.svg)?;
            }
        }
    }
    print!("{}", report::table::text(&report));
    Ok(())
}

fn all(run: &mut Run<'_>) -> Result<(), String> {
    if let Some(&cpu) = run.processors.first().filter(|_| run.processors.len() > 1) {
        if !sys::pin(cpu) {
            run.report
                .notes
                .push("this process may not be pinned to a processor".into());
        }
    }
    if run.wanted(Part::Calls) {
        run.calls()?;
    }
    if run.wanted(Part::Reads) || run.wanted(Part::Registered) || run.wanted(Part::Outside) {
        let data = DataFile::create(run.folder, run.options.size << 20)?;
        let mut kinds = vec![false];
        match data.open(true) {
            Ok(_) => kinds.push(true),
            Err(why) => run.report.missing.push(format!(
                "direct reads: {why}; --dir names a folder on another file system"
            )),
        }
        if run.wanted(Part::Reads) {
            run.reads(&data, &kinds)?;
        }
        if run.wanted(Part::Registered) {
            run.registered(&data, &kinds)?;
        }
        if run.wanted(Part::Outside) {
            run.report.outside = outside::strace(run.folder, &mut run.report.missing);
            run.report.fio = outside::fio(&data, run.plan.slice, &mut run.report.missing);
        }
    }
    if run.wanted(Part::Links) {
        run.links()?;
    }
    if run.wanted(Part::Echo) {
        run.echo()?;
    }
    if Stop::asked() {
        return Err(Stop::MESSAGE.into());
    }
    Ok(())
}
