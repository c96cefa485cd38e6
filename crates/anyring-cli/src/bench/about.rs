//! The machine, and what a reader must know about it.

use std::fs;

use anyring_bench::machine::kernel;

use super::report::model::{Machine, Report};

/// Where this runs.
pub(crate) fn machine(processors: usize) -> Machine {
    let (kernel, architecture) = kernel();
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

/// Adds what makes the figures of this machine what they are.
pub(crate) fn notes(report: &mut Report) {
    let Machine {
        processors, load, ..
    } = report.machine;
    let notes = &mut report.notes;
    if processors == 1 {
        notes.push("one processor: an SQPOLL thread takes turns with the program, and the client with the server; claims about both cannot be measured here".into());
    } else if processors < 4 {
        notes.push(format!("{processors} processors: an SQPOLL thread competes with the program, and the client with the server"));
    }
    if load > 0.5 {
        notes.push(format!(
            "the load was {load:.2} before the start: other programs compete"
        ));
    }
    let noisy: Vec<&str> = report
        .groups
        .iter()
        .filter(|group| group.is_noisy())
        .map(|group| group.id.as_str())
        .collect();
    if !noisy.is_empty() {
        notes.push(format!(
            "too noisy in {} of {} groups: there the quartiles of what should be 1, or of most comparisons, are more than 0.2 apart, and smaller differences mean nothing: {}",
            noisy.len(),
            report.groups.len(),
            noisy.join(", ")
        ));
    }
    let again: usize = report.groups.iter().map(|group| group.again).sum();
    if again > 0 {
        notes.push(format!(
            "{again} turns were repeated, because other programs had the processor for more than 2 % of the time"
        ));
    }
    if report.quick {
        notes.push("a quick run: short slices and few repetitions".into());
    }
}
