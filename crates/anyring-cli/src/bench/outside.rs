//! Witnesses from outside: strace for system calls, fio for absolute figures.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyring_bench::data::{BLOCK, DataFile};
use anyring_bench::echo::{self, Load, SERVERS, Server};
use anyring_bench::peer::Library;
use anyring_bench::reads::{Makers, NAMES, Shape};
use anyring_bench::{Budget, Stop};

use super::measure::spread;
use super::options::{Child, Options};
use super::report::model::{Fio, Outside};

/// Runs of each, for the spread.
const REPEATS: usize = 3;

/// What strace is put around: so many reads, or a server until input ends.
/// Prints the system calls that were counted inside, a server its port before.
pub(crate) fn child(
    makers: &Makers,
    name: &str,
    child: &Child,
    folder: &Path,
) -> Result<(), String> {
    let depth = usize::from(child.depth);
    if let Some(name) = SERVERS.into_iter().find(|n| *n == name) {
        let plan = echo::Plan {
            name,
            connections: depth,
            cpu: None,
        };
        let mut server = Server::start(plan, makers.peers)?;
        println!("{}", server.port());
        let _ = std::io::stdin().read(&mut [0]);
        server.end()?;
        return tell(server.calls());
    }
    let name = NAMES.into_iter().find(|n| *n == name);
    let name = name.ok_or("no such contender")?;
    let operations = child.operations.ok_or("how many operations?")?;
    let data = DataFile::create(folder, 1 << 20)?;
    let shape = Shape {
        depth,
        block: BLOCK,
        direct: false,
    };
    let mut contender = makers.make(name, &data, shape, false)?;
    let sample = contender.run(Budget::Operations(operations), false)?;
    tell(sample.calls)
}

fn tell(calls: Option<u64>) -> Result<(), String> {
    match calls {
        Some(calls) => println!("{calls}"),
        None => println!("-"),
    }
    Ok(())
}

/// The calls of the total line of `strace -c`.
fn total(text: &str) -> Option<f64> {
    let line = text
        .lines()
        .rev()
        .find(|line| line.trim_end().ends_with(" total"))?;
    // % time, seconds, usecs/call, calls, [errors,] total
    line.split_whitespace().nth(3)?.parse().ok()
}

/// Calls counted outside and inside.
#[derive(Clone, Copy)]
struct Counts {
    outside: f64,
    inside: Option<f64>,
}

/// A contender of reads, or a server with so many connections.
#[derive(Clone, Copy)]
struct Traced<'a> {
    name: &'a str,
    depth: usize,
    server: bool,
    folder: &'a Path,
}

impl Traced<'_> {
    /// One run under strace, from start to end.
    fn run(&self, operations: u64) -> Result<Counts, String> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let log = self.folder.join("strace");
        let mut child = Command::new("strace")
            .args(["-f", "-c", "-o"])
            .arg(&log)
            .arg(program)
            .args(["bench", "--child", self.name])
            .args(["--child-depth", &self.depth.to_string()])
            .args(["--child-operations", &operations.to_string()])
            .arg("--child-peers")
            .arg(self.folder)
            .arg("--dir")
            .arg(self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut asked = Ok(());
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        if self.server {
            let port = lines.next().and_then(Result::ok);
            if let Some(port) = port.and_then(|line| line.parse().ok()) {
                let load = Load {
                    connections: self.depth,
                    bytes: 64,
                    short: false,
                    rate: None,
                };
                asked = echo::ask(port, load, operations).map(drop);
            }
        }
        drop(child.stdin.take());
        let last = lines.map_while(Result::ok).last().unwrap_or_default();
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        asked?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(text.lines().last().unwrap_or("failed").into());
        }
        let text = std::fs::read_to_string(&log).map_err(|e| e.to_string())?;
        Ok(Counts {
            outside: total(&text).ok_or("no total line")?,
            inside: last.parse().ok(),
        })
    }

    /// For each operation, from two lengths: start and end do not count.
    fn each(&self, operations: u64) -> Result<Counts, String> {
        let (short, long) = (self.run(operations)?, self.run(3 * operations)?);
        let each = |short: f64, long: f64| (long - short) / (2 * operations) as f64;
        Ok(Counts {
            outside: each(short.outside, long.outside),
            inside: short.inside.zip(long.inside).map(|(a, b)| each(a, b)),
        })
    }
}

/// System calls for each read and each request.
pub(crate) fn strace(folder: &Path, options: &Options, missing: &mut Vec<String>) -> Vec<Outside> {
    let mut found = Vec::new();
    if Command::new("strace").arg("-V").output().is_err() {
        missing.push("strace: not installed, system calls are counted from inside only".into());
        return found;
    }
    let libraries = ["liburing", "anyring in C"];
    let reads = NAMES.iter().filter(|name| {
        !name.contains("IOPOLL") && (name.contains("SQPOLL") || !name.contains("registered"))
    });
    let reads = reads.map(|&name| (name, if name == "pread" { 1 } else { 32 }, false));
    let servers = SERVERS.iter().filter(|name| !name.contains('+'));
    let servers = servers.map(|&name| (name, 32, true));
    for (name, depth, server) in reads.chain(servers) {
        if Stop::asked() {
            break;
        }
        // A quick run has no time for the others.
        if options.quick
            && server
            && !["epoll", "anyring, multishot", "liburing, multishot"].contains(&name)
        {
            continue;
        }
        let library = libraries.into_iter().find(|l| name.starts_with(l));
        if library.is_some_and(|l| !Library::is_in(folder, l)) {
            continue;
        }
        let traced = Traced {
            name,
            depth,
            server,
            folder,
        };
        let operations = match (server, options.quick) {
            (true, true) => 300,
            (true, false) => 2000,
            (false, _) => 3200,
        };
        let all: Result<Vec<Counts>, String> =
            (0..REPEATS).map(|_| traced.each(operations)).collect();
        match all {
            Ok(all) => found.push(Outside {
                contender: name.into(),
                operation: if server { "request" } else { "read" },
                depth,
                calls: spread(all.iter().map(|c| c.outside).collect()),
                inside: all
                    .iter()
                    .map(|c| c.inside)
                    .collect::<Option<Vec<_>>>()
                    .map(spread),
            }),
            Err(why) => missing.push(format!("{name} under strace: {why}")),
        }
    }
    found
}

/// fio's own engines on the same file.
pub(crate) fn fio(
    data: &DataFile,
    kinds: &[bool],
    slice: Duration,
    missing: &mut Vec<String>,
) -> Vec<Fio> {
    let mut found = Vec::new();
    if Command::new("fio").arg("--version").output().is_err() {
        missing.push("fio: not installed, no sanity check of absolute figures".into());
        return found;
    }
    for &direct in kinds {
        for (engine, depth) in [("psync", 1), ("libaio", 32), ("io_uring", 32)] {
            if Stop::asked() {
                return found;
            }
            match once(data, engine, depth, direct, slice) {
                Ok(rates) => found.push(Fio {
                    engine: engine.into(),
                    depth,
                    direct,
                    per_second: spread(rates),
                }),
                Err(why) => missing.push(format!("fio {engine}: {why}")),
            }
        }
    }
    found
}

/// Operations a second, several times one after the other.
fn once(
    data: &DataFile,
    engine: &str,
    depth: usize,
    direct: bool,
    slice: Duration,
) -> Result<Vec<f64>, String> {
    let output = Command::new("fio")
        .args([
            "--name=global",
            "--rw=randread",
            "--bs=4k",
            "--time_based",
            "--invalidate=0",
            "--readonly",
        ])
        .args(["--output-format=json", "--allow_file_create=0", "--thread"])
        .arg(format!("--filename={}", data.path().display()))
        .arg(format!("--size={}", data.bytes))
        .arg(format!("--runtime={}ms", slice.as_millis().max(100)))
        .arg(format!("--ioengine={engine}"))
        .arg(format!("--iodepth={depth}"))
        .arg(format!("--direct={}", u8::from(direct)))
        .args((0..REPEATS).flat_map(|n| [format!("--name={n}"), "--stonewall".into()]))
        .output()
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Notes may precede the JSON.
    let start = text
        .find('{')
        .ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_string())?;
    let value: serde_json::Value =
        serde_json::from_str(&text[start..]).map_err(|e| e.to_string())?;
    let rates = (0..REPEATS).map(|n| value["jobs"][n]["read"]["iops"].as_f64());
    let rates: Option<Vec<f64>> = rates.map(|rate| rate.filter(|r| *r > 0.0)).collect();
    rates.ok_or_else(|| "no figure".into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn total_line() {
        let text = "% time seconds\n 99 0.1 2 10 read\n------\n100.00    0.001234           3       412        17 total\n";
        assert_eq!(super::total(text), Some(412.0));
        assert_eq!(
            super::total("100.00    0.001234           3       412           total\n"),
            Some(412.0)
        );
        assert_eq!(super::total("nothing"), None);
    }
}
