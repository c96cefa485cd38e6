//! Witnesses from outside: strace for system calls, fio for absolute figures.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::data::{BLOCK, DataFile};
use super::reads::Shape;
use super::reads::cases::Makers;
use super::report::model::{Fio, Outside};
use super::stats::{Budget, Stop, spread};

/// Runs one contender for so many reads: what strace is put around.
pub(crate) fn child(
    makers: &Makers,
    name: &str,
    data: &DataFile,
    depth: usize,
    operations: u64,
) -> Result<f64, String> {
    let name = super::reads::cases::NAMES
        .into_iter()
        .find(|n| *n == name)
        .ok_or("no such contender")?;
    let shape = Shape {
        depth,
        block: BLOCK,
        direct: false,
    };
    let sample = makers
        .make(name, data, shape, false)?
        .run(Budget::Operations(operations), false)?;
    Ok(sample.calls.unwrap_or(0) as f64 / sample.operations as f64)
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

fn counted(folder: &Path, name: &str, depth: usize, operations: u64) -> Result<(f64, f64), String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let log = folder.join("strace");
    let output = Command::new("strace")
        .args(["-f", "-c", "-o"])
        .arg(&log)
        .arg(program)
        .args([
            "bench",
            "--child",
            name,
            "--child-depth",
            &depth.to_string(),
        ])
        .args([
            "--child-operations",
            &operations.to_string(),
            "--size",
            "1",
            "--dir",
        ])
        .arg(folder)
        .output()
        .map_err(|e| format!("strace: {e}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "strace: {}",
            text.lines().last().unwrap_or("failed")
        ));
    }
    let inside = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_| "strace: no count")?;
    let text = std::fs::read_to_string(&log).map_err(|e| format!("strace: {e}"))?;
    Ok((total(&text).ok_or("strace: no total line")?, inside))
}

/// System calls for each read, from two run lengths, so that start and end do
/// not count.
pub(crate) fn strace(folder: &Path, missing: &mut Vec<String>) -> Vec<Outside> {
    const OPERATIONS: u64 = 2000;
    let mut found = Vec::new();
    if Command::new("strace").arg("-V").output().is_err() {
        missing.push("strace: not installed, system calls are counted from inside only".into());
        return found;
    }
    for (name, depth) in [
        ("pread", 1),
        ("Linux AIO", 32),
        ("anyring", 32),
        ("anyring, SQPOLL + registered", 32),
    ] {
        if Stop::asked() {
            break;
        }
        let pair = counted(folder, name, depth, OPERATIONS)
            .and_then(|a| Ok((a, counted(folder, name, depth, 3 * OPERATIONS)?)));
        match pair {
            Ok(((short, _), (long, inside))) => {
                let calls = (long - short) / (2 * OPERATIONS) as f64;
                found.push(Outside {
                    contender: name.into(),
                    depth,
                    calls,
                    inside,
                });
            }
            Err(why) => missing.push(format!("{name} under strace: {why}")),
        }
    }
    found
}

/// fio's own engines on the same file.
pub(crate) fn fio(data: &DataFile, slice: Duration, missing: &mut Vec<String>) -> Vec<Fio> {
    let mut found = Vec::new();
    if Command::new("fio").arg("--version").output().is_err() {
        missing.push("fio: not installed, no sanity check of absolute figures".into());
        return found;
    }
    for direct in [false, true] {
        for (engine, depth) in [("psync", 1), ("libaio", 32), ("io_uring", 32)] {
            let mut rates = Vec::new();
            for _ in 0..3 {
                if Stop::asked() {
                    return found;
                }
                match once(data, engine, depth, direct, slice) {
                    Ok(rate) => rates.push(rate),
                    Err(why) => {
                        missing.push(format!("fio {engine}: {why}"));
                        break;
                    }
                }
            }
            if rates.len() == 3 {
                found.push(Fio {
                    engine: engine.into(),
                    depth,
                    direct,
                    per_second: spread(rates),
                });
            }
        }
    }
    found
}

fn once(
    data: &DataFile,
    engine: &str,
    depth: usize,
    direct: bool,
    slice: Duration,
) -> Result<f64, String> {
    let output = Command::new("fio")
        .args([
            "--name=check",
            "--rw=randread",
            "--bs=4k",
            "--time_based",
            "--invalidate=0",
            "--readonly",
        ])
        .args(["--output-format=json", "--allow_file_create=0", "--thread"])
        .arg(format!("--filename={}", data.path().display()))
        .arg(format!("--size={}", data.bytes))
        .arg(format!("--runtime={}ms", slice.as_millis().max(200)))
        .arg(format!("--ioengine={engine}"))
        .arg(format!("--iodepth={depth}"))
        .arg(format!("--direct={}", u8::from(direct)))
        .output()
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Notes may precede the JSON.
    let start = text
        .find('{')
        .ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_string())?;
    let value: serde_json::Value =
        serde_json::from_str(&text[start..]).map_err(|e| e.to_string())?;
    value["jobs"][0]["read"]["iops"]
        .as_f64()
        .filter(|r| *r > 0.0)
        .ok_or_else(|| "no figure".into())
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
