//! The parts of a run: which groups, with which contenders.

use std::path::Path;
use std::time::{Duration, Instant};

use anyring_bench::data::{BLOCK, DataFile};
use anyring_bench::echo::{self, Load, Service};
use anyring_bench::reads::{Makers, NAMES, REGISTERED, Shape, depth_topic, size_topic};
use anyring_bench::{Contender, Contenders, ENGINE, Stop, Topic, calls, links, machine};

use super::measure::{Latencies, Plan, measure};
use super::options::{Options, Part};
use super::outside;
use super::progress::Progress;
use super::report::model::Report;

/// Open files that are not connections of the echo.
const SPARE: u64 = 200;
const ELSEWHERE: &str = "--dir names a folder on another file system";

/// Files that a server with its client keeps open for a connection: both ends,
/// and what the userspace engine waits with.
fn open_files(server: &str) -> u64 {
    if server.starts_with(ENGINE) { 3 } else { 2 }
}

/// Everything a part needs.
pub(crate) struct Run<'a> {
    pub(crate) options: &'a Options,
    pub(crate) folder: &'a Path,
    pub(crate) plan: Plan,
    pub(crate) progress: Progress,
    pub(crate) report: Report,
    pub(crate) makers: Makers,
    pub(crate) processors: Vec<usize>,
    pub(crate) started: Instant,
    /// Files that may be open.
    pub(crate) files: u64,
}

impl Run<'_> {
    /// All parts that are wanted.
    pub(crate) fn all(&mut self) -> Result<(), String> {
        // Client and contenders here, servers and pollers there.
        if let [own, _, ..] = self.processors[..] {
            if !machine::pin(own) {
                let note = "this process may not be pinned to a processor";
                self.report.notes.push(note.into());
            }
        }
        let parts = [Part::Reads, Part::Registered, Part::Outside];
        let mut data = None;
        if parts.into_iter().any(|part| self.options.wants(part)) {
            data = Some(self.data()?);
        }
        if self.options.wants(Part::Calls) {
            self.calls()?;
        }
        if let Some((data, kinds)) = &data {
            if self.options.wants(Part::Reads) {
                self.reads(data, kinds)?;
            }
            if self.options.wants(Part::Registered) {
                self.registered(data, kinds)?;
            }
        }
        if self.options.wants(Part::Links) {
            self.links()?;
        }
        if self.options.wants(Part::Echo) {
            self.echo()?;
        }
        if let Some((data, kinds)) = &data {
            if self.options.wants(Part::Outside) {
                self.outside(data, kinds);
            }
        }
        if Stop::asked() {
            return Err(Stop::MESSAGE.into());
        }
        Ok(())
    }

    fn missing(&mut self, line: String) {
        if !self.report.missing.contains(&line) {
            self.report.missing.push(line);
        }
    }

    fn measure(
        &mut self,
        topic: Topic,
        contenders: &mut [Box<dyn Contender>],
        plan: Plan,
    ) -> Result<(), String> {
        let mut plan = plan;
        // A busy machine: to repeat takes for ever, and a quick run has a minute.
        if self.is_late(20) || self.started.elapsed() > Duration::from_secs(600) {
            plan.repeats = 0;
        }
        if self.is_late(30) {
            plan.repetitions = 3;
            plan.turns = 1;
        }
        if self.is_late(45) {
            self.missing(format!(
                "{}: a quick run had no time left for it",
                topic.title
            ));
            return Ok(());
        }
        self.progress.expect(contenders.len() * plan.runs());
        let progress = &mut self.progress;
        let group = measure(topic, contenders, plan, &mut |title| progress.tick(title))?;
        self.report.groups.push(group);
        Ok(())
    }

    /// The test data, and whether it is read cached and direct.
    fn data(&mut self) -> Result<(DataFile, Vec<bool>), String> {
        let data = DataFile::create(self.folder, self.options.size << 20)?;
        let mut kinds = vec![false];
        if data.is_in_memory() {
            self.report.notes.push(format!(
                "the test data is on a file system in memory: io_uring hands its reads to worker threads; {ELSEWHERE}"
            ));
        }
        match data.open(true) {
            Ok(_) if data.is_in_memory() => self.missing(format!(
                "direct reads: a file system in memory has no device; {ELSEWHERE}"
            )),
            Ok(_) => kinds.push(true),
            Err(why) => self.missing(format!("direct reads: {why}; {ELSEWHERE}")),
        }
        Ok((data, kinds))
    }

    fn outside(&mut self, data: &DataFile, kinds: &[bool]) {
        if self.is_late(45) {
            self.missing("strace and fio: a quick run had no time left for them".into());
            return;
        }
        self.progress.say("system calls, counted by strace");
        let missing = &mut self.report.missing;
        self.report.outside = outside::strace(self.folder, self.options, missing);
        if self.is_late(50) {
            self.missing("fio: a quick run had no time left for it".into());
            return;
        }
        self.progress.say("fio's own engines");
        let slice = self.plan.slice * 4;
        let missing = &mut self.report.missing;
        self.report.fio = outside::fio(data, kinds, slice, missing);
    }

    /// Whether a quick run has taken so many seconds: a busy machine.
    fn is_late(&self, seconds: u64) -> bool {
        self.options.quick && self.started.elapsed() > Duration::from_secs(seconds)
    }

    fn reads(&mut self, data: &DataFile, kinds: &[bool]) -> Result<(), String> {
        let depths: &[usize] = if self.options.quick {
            &[1, 16, 128]
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
                self.read(&NAMES, data, shape, depth_topic(shape))?;
            }
        }
        Ok(())
    }

    fn registered(&mut self, data: &DataFile, kinds: &[bool]) -> Result<(), String> {
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
                self.read(&REGISTERED, data, shape, size_topic(shape))?;
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        names: &[&'static str],
        data: &DataFile,
        shape: Shape,
        topic: Topic,
    ) -> Result<(), String> {
        let missing = &mut self.report.missing;
        let mut contenders = self.makers.all(names, data, shape, missing)?;
        // A slow device needs longer turns than the page cache.
        let mut plan = self.plan;
        if shape.direct {
            plan.turns = 2;
        }
        // Looks at the clock are nothing beside a large read.
        if shape.block > BLOCK {
            plan.latencies = Latencies::All;
        }
        self.measure(topic, &mut contenders, plan)
    }

    fn calls(&mut self) -> Result<(), String> {
        let plan = Plan {
            latencies: Latencies::No,
            ..self.plan
        };
        let (topic, mut contenders) = calls::steps(self.makers.peers)?;
        self.measure(topic, &mut contenders, plan)?;
        for batch in [1, 8, 32, 128] {
            let (topic, mut contenders) = calls::nops(batch, self.makers.peers)?;
            self.measure(topic, &mut contenders, plan)?;
        }
        Ok(())
    }

    fn links(&mut self) -> Result<(), String> {
        let (topic, mut contenders) = links::chains(self.folder, self.makers.peers)?;
        // A sync takes a millisecond or more.
        let plan = Plan {
            slice: self.plan.slice.max(Duration::from_millis(30)),
            turns: 2,
            latencies: Latencies::All,
            ..self.plan
        };
        self.measure(topic, &mut contenders, plan)
    }

    fn echo(&mut self) -> Result<(), String> {
        let counts: &[usize] = if self.options.quick {
            &[1, 256]
        } else {
            &[1, 8, 32, 128, 512, 1000]
        };
        let most = counts[counts.len() - 1] as u64;
        let all: u64 = echo::SERVERS.iter().map(|name| open_files(name)).sum();
        self.files = machine::raise_open_files(most * all + SPARE);
        for short in [false, true] {
            for bytes in [64, 4096] {
                for &connections in counts {
                    let rate = None;
                    self.serve(Load {
                        connections,
                        bytes,
                        short,
                        rate,
                    })?;
                }
            }
        }
        // Half of what the slowest can do, whether or not it keeps up.
        let groups = &self.report.groups;
        let same = |connections: usize| format!("echo-long-64-{connections}");
        let most = counts.iter().rev().find(|&&count| count <= 256);
        let most = most.copied().unwrap_or(1);
        let rows = groups.iter().filter(|g| g.id == same(most));
        let rates = rows.flat_map(|g| &g.rows).map(|r| r.per_second.median);
        let rate = rates.fold(f64::INFINITY, f64::min) / 2.0;
        if rate.is_finite() {
            self.serve(Load {
                connections: most,
                bytes: 64,
                short: false,
                rate: Some(rate),
            })?;
        }
        Ok(())
    }

    /// The servers that a limit on open files has room for: every contender
    /// keeps both ends of long connections open.
    fn servers(&mut self, load: Load) -> Vec<&'static str> {
        let room = self.files.saturating_sub(SPARE) / load.connections as u64;
        let peers = self.makers.peers;
        let mut names: Vec<&'static str> = echo::SERVERS.into_iter().collect();
        names.retain(|name| {
            // Zero copy is for messages that are worth it; libraries that are
            // not there have been reported.
            (load.bytes >= 4096 || !name.ends_with("zero copy"))
                && (peers.own.is_some() || !name.starts_with("anyring in C"))
                && (peers.liburing.is_some() || !name.starts_with("liburing"))
        });
        // The comparisons first, then what has several kinds of one library.
        let rank = |name: &str| match name {
            "epoll" => 0,
            name if name.ends_with("multishot") => 1,
            name if name.ends_with("plain") => 3,
            _ => 2,
        };
        names.sort_by_key(|name| rank(name));
        let mut taken = 0;
        let fit = names.iter().take_while(|name| {
            taken += open_files(name);
            taken <= room
        });
        let out = names.split_off(match (fit.count(), load.short) {
            (0, _) => 0,
            // One after the other: short connections are not kept.
            (_, true) => names.len(),
            // One alone compares with nothing.
            (1, false) => 0,
            (count, false) => count,
        });
        if !out.is_empty() {
            let (count, files) = (load.connections, self.files);
            self.missing(format!(
                "{} with {count} connections: the limit of {files} open files",
                out.join("; ")
            ));
        }
        let wanted = echo::SERVERS.into_iter();
        wanted.filter(|name| names.contains(name)).collect()
    }

    fn serve(&mut self, load: Load) -> Result<(), String> {
        let server = self.processors.get(1).copied();
        let mut contenders = Contenders::new();
        for name in self.servers(load) {
            match Service::start(name, load, server, self.makers.peers) {
                Ok(service) => contenders.push(Box::new(service)),
                Err(why) if name == echo::SERVERS[0] => return Err(why),
                Err(why) => self.missing(format!("{name}: {why}")),
            }
        }
        if contenders.is_empty() {
            return Ok(());
        }
        // All connections ask at least once: many need longer turns.
        let least = Duration::from_millis(match load.connections {
            ..64 => 12,
            64..512 => 24,
            _ => 60,
        });
        let plan = Plan {
            slice: self.plan.slice.max(least),
            turns: 2,
            latencies: Latencies::All,
            ..self.plan
        };
        self.measure(echo::topic(load), &mut contenders, plan)
    }
}
