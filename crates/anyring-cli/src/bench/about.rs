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

/// The name of a file with these results: date, kernel, processor.
pub(crate) fn record_name(report: &Report) -> String {
    let day = report.date.split('T').next().unwrap_or_default();
    let kernel: Vec<&str> = report.machine.kernel.split('.').take(2).collect();
    let mut cpu = String::new();
    let mut depth = 0;
    for letter in report.machine.cpu.chars() {
        match letter {
            '(' => depth += 1, // (R), (TM)
            ')' => depth -= 1,
            _ if depth > 0 => {}
            _ if letter.is_ascii_alphanumeric() => cpu.push(letter.to_ascii_lowercase()),
            _ if !cpu.ends_with('-') => cpu.push('-'),
            _ => {}
        }
    }
    let cpu = cpu.trim_matches('-');
    format!("uring-{day}-linux-{}-{cpu}.json", kernel.join("."))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_by_date_kernel_and_processor() {
        let mut report = Report {
            date: "2026-11-21T10:11:12Z".into(),
            machine: machine(2),
            ..Report::default()
        };
        report.machine.kernel = "6.18.44-fc".into();
        report.machine.cpu = "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz".into();
        assert_eq!(
            record_name(&report),
            "uring-2026-11-21-linux-6.18-intel-xeon-gold-6230-cpu-2-10ghz.json"
        );
    }

    #[test]
    fn this_machine_is_described() {
        let found = machine(1);
        assert!(!found.kernel.is_empty() && !found.cpu.is_empty());
        let mut report = Report {
            machine: found,
            quick: true,
            ..Report::default()
        };
        notes(&mut report);
        let has = |words: &str| report.notes.iter().any(|note| note.contains(words));
        assert!(has("one processor") && has("quick"), "{:?}", report.notes);
    }
}
