//! Claims of a made-up run.

use super::*;
use crate::bench::report::model::{Against, Machine};

fn one(median: f64) -> Spread {
    Spread {
        low: median * 0.99,
        median,
        high: median * 1.01,
    }
}

fn row(contender: &str, per_second: f64, ratio: f64, calls: f64) -> Row {
    Row {
        contender: contender.into(),
        per_second: one(per_second),
        ratio: one(ratio),
        cpu_nanoseconds: one(1.0),
        calls: Some(one(calls)),
        latency: None,
    }
}

fn group(id: &str, family: &str, parameters: &[(&str, &str)], rows: Vec<Row>) -> Group {
    let pair = |p: &(&str, &str)| (p.0.to_string(), p.1.to_string());
    Group {
        id: id.into(),
        family: family.into(),
        title: id.into(),
        parameters: parameters.iter().map(pair).collect(),
        repetitions: 3,
        rows,
        against: vec![Against {
            ours: "anyring in C".into(),
            theirs: "liburing".into(),
            ratio: one(1.02),
        }],
        again: 0,
        noise: one(1.0),
    }
}

fn report() -> Report {
    let reads = |depth: &str, ratio: f64| {
        let rows = vec![
            row("pread", 1e6, 1.0, 1.0),
            row("anyring", ratio * 1e6, ratio, 1.0 / 32.0),
        ];
        let parameters = [("kind", "direct"), ("depth", depth)];
        group(&format!("reads-{depth}"), "reads", &parameters, rows)
    };
    let parts = vec![
        row("null system call", 5e6, 1.0, 1.0),
        row("writing an SQE, anyring", 2e8, 40.0, 0.0),
        row("reading a CQE, anyring", 1e7, 2.0, 0.0),
    ];
    Report {
        machine: Machine {
            processors: 2,
            ..Machine::default()
        },
        groups: vec![
            reads("1", 1.0),
            reads("32", 7.0),
            group("parts", "calls", &[], parts),
        ],
        ..Report::default()
    }
}

fn find(claims: &[Claim], words: &str) -> Claim {
    let found = claims.iter().find(|c| c.claim.contains(words));
    found.unwrap_or_else(|| panic!("no claim {words}")).clone()
}

#[test]
fn claims_are_compared_with_figures() {
    let claims = claims(&report());
    let best = find(&claims, "reads against read(), direct");
    assert!(
        best.measured
            .starts_with("7.00 (6.93 to 7.07): anyring, depth 32")
    );
    assert_eq!(best.why, "", "within what is claimed");
    assert_eq!(
        find(&claims, "a system call costs").measured,
        "200 ns (198 ns to 202 ns)"
    );
    assert_eq!(find(&claims, "a system call costs").why, "");
    assert_eq!(find(&claims, "writing an SQE").why, "");
    assert_ne!(find(&claims, "reading a CQE").why, "", "100 ns are not 5");
    let library = find(&claims, "same C source");
    assert!(library.measured.starts_with("1.02"), "{}", library.measured);
    assert!(
        !claims.iter().any(|c| c.claim.contains("epoll")),
        "not measured"
    );
}

#[test]
fn the_engine_is_held_to_its_promises() {
    let mut report = report();
    assert!(!claims(&report).iter().any(|c| c.claim.contains("engine")));
    let pair = |theirs: &str, median| Against {
        ours: "userspace engine".into(),
        theirs: theirs.into(),
        ratio: one(median),
    };
    // The reads at depth 32, not those at 1.
    report.groups[0].against = vec![pair("pread, 4 threads", 0.1)];
    report.groups[1].against = vec![pair("anyring", 0.4), pair("pread, 4 threads", 1.5)];
    let long = |connections: &str, ratio| {
        let parameters = [
            ("kind", "long"),
            ("bytes", "64"),
            ("connections", connections),
        ];
        let rows = vec![
            row("epoll", 1e5, 1.0, 2.0),
            row("userspace engine, plain", 1e5 * ratio, ratio, 0.0),
        ];
        group(connections, "echo", &parameters, rows)
    };
    report.groups.push(long("1", 0.9));
    report.groups.push(long("32", 0.7));
    let claims = claims(&report);
    let reads = find(&claims, "direct reads, the userspace engine against pread");
    assert!(reads.measured.starts_with("1.50"), "{}", reads.measured);
    assert_eq!(reads.why, "");
    let echo = find(&claims, "echo, the userspace engine against epoll");
    assert!(echo.measured.starts_with("0.70"), "{}", echo.measured);
    assert!(echo.why.starts_with("not kept"), "{}", echo.why);
    assert!(!claims.iter().any(|c| c.claim.contains("cached reads")));
}

/// A lucky group that is too noisy does not stand for a claim.
#[test]
fn noise_is_not_taken_for_speed() {
    let mut report = report();
    report.groups[1].noise.high = 2.0;
    let best = find(&claims(&report), "reads against read(), direct");
    assert!(best.measured.contains("depth 1"), "{}", best.measured);
    assert_ne!(best.why, "");
    report.groups[0].noise.high = 2.0;
    let best = find(&claims(&report), "reads against read(), direct");
    assert!(best.measured.contains("(too noisy)"), "{}", best.measured);
}
