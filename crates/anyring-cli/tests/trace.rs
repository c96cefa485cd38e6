//! What `uring trace` writes as data is what its schema says, and what `make install` gets.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

fn uring() -> Command {
    Command::new(env!("CARGO_BIN_EXE_uring"))
}

fn validator() -> jsonschema::Validator {
    let schema = serde_json::from_str(include_str!("../schema/trace.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// Lines that are none: the schema must be able to refuse.
#[test]
fn the_schema_refuses_what_is_no_event() {
    let head = r#""time_ns":1,"pid":2,"tid":2,"ring":1,"ring_fd":3"#;
    for line in [
        format!("{{{head}}}"),
        format!("{{{head},\"event\":\"other\"}}"),
        format!("{{{head},\"event\":\"overflow\"}}"),
        format!("{{{head},\"event\":\"ended\",\"status\":\"0\"}}"),
        "{\"event\":\"closed\"}".to_owned(),
    ] {
        let value = serde_json::from_str(&line).unwrap();
        assert!(!validator().is_valid(&value), "{line}");
    }
}

#[test]
fn every_line_keeps_to_the_schema() {
    let scratch = tempfile::tempdir().unwrap();
    let trace = scratch.path().join("trace");
    let output = uring()
        .args(["trace", "--format", "ndjson", "-f", "-o"])
        .arg(&trace)
        .arg("--")
        .arg(env!("CARGO_BIN_EXE_uring"))
        .arg("doctor")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let text = fs::read_to_string(&trace).unwrap_or_default();
    if text.is_empty() {
        println!("skipped: nothing can be traced here: {said}");
        return;
    }
    let validator = validator();
    let mut events = BTreeSet::new();
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
        events.insert(value["event"].as_str().unwrap().to_owned());
    }
    assert!(events.contains("ended"), "{events:?}");
}

#[test]
fn manuals_and_completions_name_every_command() {
    let prefix = tempfile::tempdir().unwrap();
    let done = uring().arg("manuals").arg(prefix.path()).status().unwrap();
    assert!(done.success());
    let read = |name: &str| fs::read_to_string(prefix.path().join("share").join(name)).unwrap();
    let page = read("man/man1/uring.1");
    for command in ["bench", "doctor", "top", "trace"] {
        assert!(page.contains(command), "{command} in uring.1");
        assert!(read(&format!("man/man1/uring-{command}.1")).contains(".SH OPTIONS"));
        for shell in [
            "bash-completion/completions/uring",
            "zsh/site-functions/_uring",
            "fish/vendor_completions.d/uring.fish",
        ] {
            assert!(read(shell).contains(command), "{command} in {shell}");
        }
    }
    assert!(!page.contains("manuals"), "a hidden command is shown");
}
