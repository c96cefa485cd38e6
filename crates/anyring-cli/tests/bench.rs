//! The command from outside: its results.

mod common;

use common::{empty, have_ring, text, uring};

/// What every quick run of these tests is asked for.
const SHORT: [&str; 7] = [
    "--quick",
    "--size",
    "2",
    "--repetitions",
    "3",
    "--slice",
    "1",
];

fn spread_is_ordered(spread: &serde_json::Value) {
    let at = |name: &str| spread[name].as_f64().unwrap();
    let (low, median, high) = (at("low"), at("median"), at("high"));
    assert!(low <= median && median <= high, "{spread}");
}

#[test]
fn a_run_and_its_outputs() {
    if !have_ring() {
        return;
    }
    let results = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let place = |name: &str| results.path().join(name).to_str().unwrap().to_string();
    let output = uring(&SHORT)
        .args(["--json", &place("a.json"), "--html", &place("a.html")])
        .args(["--svg", &place("svg"), "--record", &place("record")])
        .arg("--dir")
        .arg(scratch.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(empty(scratch.path()), "data was left behind");
    let records = std::fs::read_dir(place("record")).unwrap();
    let records: Vec<_> = records.map(|r| r.unwrap().path()).collect();
    assert_eq!(records.len(), 1, "{records:?}");
    let same = std::fs::read(&records[0]).unwrap() == std::fs::read(place("a.json")).unwrap();
    assert!(same, "the record and the results differ");
    let schema = serde_json::from_str(include_str!("../schema/bench.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let json = std::fs::read_to_string(place("a.json")).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let groups = value["groups"].as_array().unwrap();
    for group in groups {
        for row in group["rows"].as_array().unwrap() {
            spread_is_ordered(&row["per_second"]);
            spread_is_ordered(&row["cpu_nanoseconds"]);
            let name = row["contender"].as_str().unwrap();
            let family = group["family"].as_str().unwrap();
            let timed = family != "calls";
            assert_eq!(row["latency"].is_object(), timed, "{family}: {name}");
        }
        spread_is_ordered(&group["noise"]);
        let first = &group["rows"][0]["ratio"];
        assert_eq!(first["median"], 1.0, "the baseline");
        // Every table sets ours against the crate's, which is always there.
        let against = group["against"].as_array().unwrap();
        let wanted = group["family"] != "registered" || has_liburing(&value);
        assert!(!wanted || !against.is_empty(), "{}", group["id"]);
    }
    for family in ["calls", "reads", "registered", "links", "echo", "open"] {
        assert!(groups.iter().any(|g| g["family"] == family), "{family}");
    }
    if has_liburing(&value) {
        for group in groups {
            let against = group["against"].as_array().unwrap();
            let with = |a: &serde_json::Value| a["theirs"].as_str().unwrap().contains("liburing");
            assert!(against.iter().any(with), "{}", group["id"]);
        }
    }
    // The schema is not one that accepts everything.
    value["groups"][0]["rows"][0]["per_second"]
        .as_object_mut()
        .unwrap()
        .remove("low");
    assert!(!validator.is_valid(&value), "a figure without its spread");

    let table = text(&output.stdout);
    let words = ["pread", "anyring", "io-uring crate", "Claims", "depth 128"];
    for words in words {
        assert!(table.contains(words), "{words}");
    }
    let page = std::fs::read_to_string(place("a.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme"));
    for outside in ["src=", "href=", "@import", "url("] {
        let found = page.contains(outside);
        assert!(!found, "the page loads something: {outside}");
    }
    let charts = std::fs::read_dir(place("svg")).unwrap().count();
    assert!(charts >= 6, "{charts} charts");
}

fn has_liburing(report: &serde_json::Value) -> bool {
    let peers = report["peers"].as_array().unwrap();
    peers
        .iter()
        .any(|p| p.as_str().unwrap().starts_with("liburing"))
}

/// Without compiler, strace and fio: a run that says so.
#[test]
fn missing_peers() {
    if !have_ring() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let output = uring(&SHORT)
        .args(["--only", "calls,outside", "--dir"])
        .arg(scratch.path())
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    for words in [
        "liburing: no C compiler",
        "anyring in C: --include and --libdir",
        "strace: not installed",
        "fio: not installed",
    ] {
        assert!(table.contains(words), "{words} is not in {table}");
    }
}

/// Calls counted by strace are those counted inside.
#[test]
fn both_counts_agree() {
    if !have_ring() {
        return;
    }
    let results = tempfile::tempdir().unwrap();
    let json = results.path().join("a.json");
    let output = uring(&SHORT)
        .args(["--only", "calls,outside", "--json"])
        .arg(&json)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let text = std::fs::read_to_string(json).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = value["outside"].as_array().unwrap();
    if rows.is_empty() {
        println!("skipped: {}", value["missing"]);
        return;
    }
    let mut compared = 0;
    for row in rows {
        let Some(inside) = row["inside"]["median"].as_f64() else {
            continue;
        };
        let outside = row["calls"]["median"].as_f64().unwrap();
        // Servers are woken a little differently each time.
        let slack = if row["operation"] == "read" {
            0.002
        } else {
            0.05
        };
        assert!((outside - inside).abs() <= slack + 0.02 * inside, "{row}");
        compared += 1;
    }
    assert!(compared >= 5, "{compared} compared");
}
