//! What is claimed of io_uring, beside what was measured.

use super::report::model::{Claim, Group, Report, Row, Spread};

fn ratio(s: &Spread) -> String {
    format!("{:.2} ({:.2} to {:.2})", s.median, s.low, s.high)
}

fn nanoseconds(row: &Row) -> String {
    let s = row.per_second;
    format!(
        "{:.1} ns ({:.1} to {:.1})",
        1e9 / s.median,
        1e9 / s.high,
        1e9 / s.low
    )
}

/// The row with the best ratio among those whose name passes.
fn best<'a>(
    groups: impl Iterator<Item = &'a Group>,
    passes: impl Fn(&str) -> bool,
) -> Option<(&'a Group, &'a Row)> {
    groups
        .flat_map(|group| group.rows.iter().map(move |row| (group, row)))
        .filter(|(_, row)| passes(&row.contender))
        .max_by(|a, b| a.1.ratio.median.total_cmp(&b.1.ratio.median))
}

/// One row for each claim the run has figures for.
pub(crate) fn claims(report: &Report) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut add = |claim: &str, claimed: &str, measured: String, why: &str| {
        claims.push(Claim {
            claim: claim.into(),
            claimed: claimed.into(),
            measured,
            why: why.into(),
        });
    };
    let of = |family: &'static str| report.groups.iter().filter(move |g| g.family == family);
    let kind = |kind: &'static str| {
        of("reads").filter(move |g| g.parameters.get("kind").is_some_and(|k| k == kind))
    };
    let few = report.machine.processors <= 2;
    for (name, why) in [
        (
            "cached",
            "a read from the page cache is mostly the copy, which no interface removes",
        ),
        (
            "direct",
            "bounded by the device: a virtual or slow disk gives no more, however it is asked",
        ),
    ] {
        if let Some((group, row)) = best(kind(name), |n| n.starts_with("anyring")) {
            add(
                &format!("io_uring reads against read(), {name}"),
                "5 to 10 times",
                format!(
                    "{}: {}, depth {}",
                    ratio(&row.ratio),
                    row.contender,
                    group.parameters["depth"]
                ),
                if row.ratio.median >= 5.0 { "" } else { why },
            );
            let steps: Vec<String> = [
                "Linux AIO",
                "anyring",
                "anyring, SQPOLL + registered",
                "anyring, IOPOLL + registered",
            ]
            .iter()
            .filter_map(|n| group.row(n))
            .map(|row| format!("{} {}", row.contender, ratio(&row.ratio)))
            .collect();
            add(
                &format!(
                    "280 K / 480 K / 1.4 M / 5.2 M IOPS: read, AIO, io_uring, all features; {name}"
                ),
                "1 : 1.7 : 5 : 18.6",
                format!("1; {}", steps.join("; ")),
                if few {
                    "two processors or fewer: SQPOLL competes with the program; the claim had a fast NVMe drive with polled queues"
                } else {
                    "the claim had a fast NVMe drive with polled queues"
                },
            );
        }
    }
    if let Some(parts) = of("calls").find(|g| g.id == "parts") {
        for (row, claim, claimed) in [
            ("null system call", "a system call", "100 to 300 ns"),
            ("writing an SQE", "an SQE", "about 5 ns"),
            ("reading a CQE", "a CQE", "about 5 ns"),
        ] {
            if let Some(row) = parts.row(row) {
                add(
                    &format!("what {claim} costs"),
                    claimed,
                    nanoseconds(row),
                    "depends on the processor and on mitigations in the kernel",
                );
            }
        }
    }
    for (kind, claimed) in [
        ("short", "2 to 3 times"),
        ("long", "2.3 times (1.8 M to 4.1 M requests/s)"),
    ] {
        let groups = of("echo").filter(|g| g.parameters.get("kind").is_some_and(|k| k == kind));
        if let Some((group, row)) = best(groups, |n| n.starts_with("anyring")) {
            add(
                &format!("io_uring against epoll, {kind} connections"),
                claimed,
                format!("{}: {}, {}", ratio(&row.ratio), row.contender, group.title),
                "the best case of the run; one server thread, and one client thread that is often the limit",
            );
        }
    }
    for (name, claimed) in [
        ("anyring", "1 / depth"),
        ("anyring, SQPOLL + registered", "0"),
    ] {
        let deepest = kind("cached")
            .filter_map(|g| Some((g, g.row(name)?.calls.as_ref()?)))
            .next_back();
        if let Some((group, calls)) = deepest {
            add(
                &format!("system calls for each read, {name}"),
                claimed,
                format!(
                    "{:.4} ({:.4} to {:.4}) at depth {}",
                    calls.median, calls.low, calls.high, group.parameters["depth"]
                ),
                if calls.median > 0.0 && claimed == "0" {
                    "waking the idle thread, and waits when it does not get a processor"
                } else {
                    ""
                },
            );
        }
    }
    let registered: Vec<String> = of("registered")
        .filter_map(|g| {
            Some(format!(
                "{} KiB {} {}",
                g.parameters["bytes"].parse::<u64>().ok()? >> 10,
                g.parameters["kind"],
                ratio(&g.row("anyring, registered")?.ratio)
            ))
        })
        .collect();
    if !registered.is_empty() {
        add(
            "registered buffers avoid pinning",
            "faster",
            registered.join("; "),
            "page-cache reads copy in any case; only O_DIRECT pins pages",
        );
    }
    if let Some(group) = of("links").next()
        && let (Some(linked), Some(trips)) = (
            group.row("anyring, linked"),
            group.row("anyring, two round trips"),
        )
    {
        add(
            "a linked chain against two round trips",
            "faster",
            format!(
                "{:.2} by the medians; to system calls {} and {}",
                linked.per_second.median / trips.per_second.median,
                ratio(&linked.ratio),
                ratio(&trips.ratio)
            ),
            "the device's flush dominates; both go through a worker thread",
        );
    }
    claims
}
