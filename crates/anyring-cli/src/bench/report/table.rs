//! The table on the terminal.

use std::fmt::Write;

use super::model::{Fio, Group, Outside, Report, Row, Spread};

/// A number with a unit prefix, three digits.
pub(crate) fn short(value: f64) -> String {
    let (scaled, prefix) = match value {
        v if v >= 1e9 => (v / 1e9, " G"),
        v if v >= 1e6 => (v / 1e6, " M"),
        v if v >= 1e3 => (v / 1e3, " K"),
        v => (v, ""),
    };
    let digits = if scaled >= 100.0 {
        0
    } else if scaled >= 10.0 {
        1
    } else {
        2
    };
    format!("{scaled:.digits$}{prefix}")
}

/// Nanoseconds, readable.
pub(crate) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n >= 1e6 => format!("{:.1} ms", n / 1e6),
        n if n >= 1e3 => format!("{:.1} µs", n / 1e3),
        n => format!("{n:.0} ns"),
    }
}

/// The median with its quartiles.
pub(crate) fn with(spread: &Spread, show: impl Fn(f64) -> String) -> String {
    format!(
        "{} ({} to {})",
        show(spread.median),
        show(spread.low),
        show(spread.high)
    )
}

fn four(value: f64) -> String {
    format!("{value:.4}")
}

/// What strace counted, and what was counted inside.
pub(crate) fn outside_cells(o: &Outside) -> Vec<String> {
    let many = if o.operation == "read" {
        "depth"
    } else {
        "connections"
    };
    let inside = o.inside.map(|inside| with(&inside, four));
    vec![
        format!("a {} by {}, {many} {}", o.operation, o.contender, o.depth),
        with(&o.calls, four),
        inside.unwrap_or_else(|| "not counted".into()),
    ]
}

/// A figure of fio.
pub(crate) fn fio_cells(f: &Fio) -> Vec<String> {
    let kind = if f.direct { "direct" } else { "cached" };
    vec![
        format!("{} {kind}, depth {}", f.engine, f.depth),
        with(&f.per_second, short),
    ]
}

/// The titles of [`cells`].
pub(crate) const TITLES: [&str; 6] = [
    "contender",
    "operations/s",
    "ratio to the first",
    "CPU each",
    "calls each",
    "p50 / p99 / p99.9",
];

/// A row as text.
pub(crate) fn cells(row: &Row) -> [String; 6] {
    [
        row.contender.clone(),
        with(&row.per_second, short),
        with(&row.ratio, |v| format!("{v:.2}")),
        with(&row.cpu_nanoseconds, time),
        row.calls
            .as_ref()
            .map_or("not counted".into(), |c| with(c, |v| format!("{v:.3}"))),
        row.latency.as_ref().map_or("-".into(), |l| {
            let or_few = |s: Option<Spread>| s.map_or("too few".into(), |s| with(&s, time));
            let (p99, p999) = (or_few(l.p99), or_few(l.p999));
            format!("{} / {p99} / {p999}", with(&l.p50, time))
        }),
    ]
}

/// Ours against theirs, and the noise beside it.
pub(crate) fn comparisons(group: &Group) -> Vec<[String; 2]> {
    let ratio = |s: &Spread| {
        let note = if s.is_wide() { ": too noisy" } else { "" };
        with(s, |v| format!("{v:.2}")) + note
    };
    let mut all: Vec<[String; 2]> = group
        .against
        .iter()
        .map(|a| [format!("{} : {}", a.ours, a.theirs), ratio(&a.ratio)])
        .collect();
    let first = group.rows.first().map_or("", |row| &row.contender);
    all.push([format!("{first} : itself, the noise"), ratio(&group.noise)]);
    all
}

fn lines(out: &mut String, rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        rows.iter()
            .map(|r| r[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, " {cell:<width$} ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// The whole report as text.
pub(crate) fn text(report: &Report) -> String {
    let m = &report.machine;
    let mut out = format!(
        "uring bench, {}: Linux {} {}, {}, {} processors, load {:.2}; {}\n\
         Medians with quartiles over the repetitions; never compare absolute figures of two machines.\n",
        report.date,
        m.kernel,
        m.architecture,
        m.cpu,
        m.processors,
        m.load,
        report.peers.join("; "),
    );
    for group in &report.groups {
        let _ = writeln!(out, "\n{} ({} repetitions)", group.title, group.repetitions);
        let mut rows = vec![TITLES.map(String::from).to_vec()];
        rows.extend(group.rows.iter().map(|row| cells(row).to_vec()));
        lines(&mut out, &rows);
        let more: Vec<Vec<String>> = comparisons(group).into_iter().map(Vec::from).collect();
        lines(&mut out, &more);
    }
    if !report.outside.is_empty() {
        out.push_str("\nSystem calls for each operation, counted by strace and from inside\n");
        let rows: Vec<_> = report.outside.iter().map(outside_cells).collect();
        lines(&mut out, &rows);
    }
    if !report.fio.is_empty() {
        out.push_str("\nfio on the same file, as a sanity check\n");
        let rows: Vec<_> = report.fio.iter().map(fio_cells).collect();
        lines(&mut out, &rows);
    }
    out.push_str("\nClaims\n");
    for claim in &report.claims {
        let _ = writeln!(
            out,
            "  {}\n    claimed  {}\n    measured {}",
            claim.claim, claim.claimed, claim.measured
        );
        if !claim.why.is_empty() {
            let _ = writeln!(out, "    because  {}", claim.why);
        }
    }
    for (title, list) in [("Missing", &report.missing), ("Notes", &report.notes)] {
        if !list.is_empty() {
            let _ = writeln!(out, "\n{title}");
            for line in list {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(short(1_234_567.0), "1.23 M");
        assert_eq!(short(45_600.0), "45.6 K");
        assert_eq!(short(7.0), "7.00");
        assert_eq!(time(1500.0), "1.5 µs");
        assert_eq!(time(2.5e6), "2.5 ms");
    }
}
