//! The command from outside: results, and what it says when it cannot run.
#![allow(unsafe_code, reason = "children are prepared between fork and exec")]

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn uring(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uring"));
    command.arg("bench").args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it, which must fail with a message that has `words` and no panic.
fn fails(mut command: Command, words: &str) -> Output {
    let output = command.output().unwrap();
    let message = text(&output.stderr);
    assert!(!output.status.success(), "must fail");
    assert!(output.status.code().is_some(), "no signal: {message}");
    assert!(message.contains(words), "{words:?} is not in {message:?}");
    assert!(!message.contains("panicked"), "{message}");
    output
}

fn empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// Whether io_uring is here; without it runs are skipped, with the reason.
fn have_ring() -> bool {
    match anyring::Ring::new(2) {
        Ok(_) => true,
        Err(error) => {
            println!("skipped: no io_uring here ({error})");
            false
        }
    }
}

#[test]
fn a_run_and_its_outputs() {
    if !have_ring() {
        return;
    }
    let results = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let place = |name: &str| results.path().join(name).to_str().unwrap().to_string();
    let output = uring(&[
        "--quick",
        "--size",
        "2",
        "--repetitions",
        "3",
        "--slice",
        "1",
    ])
    .args(["--only", "reads,calls,registered,links,outside"])
    .args([
        "--json",
        &place("a.json"),
        "--html",
        &place("a.html"),
        "--svg",
        &place("svg"),
    ])
    .arg("--dir")
    .arg(scratch.path())
    .output()
    .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(empty(scratch.path()), "data was left behind");
    let schema = serde_json::from_str(include_str!("../schema/bench.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let json = std::fs::read_to_string(place("a.json")).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    for group in value["groups"].as_array().unwrap() {
        for row in group["rows"].as_array().unwrap() {
            let s = &row["per_second"];
            assert!(
                s["low"].as_f64() <= s["median"].as_f64()
                    && s["median"].as_f64() <= s["high"].as_f64()
            );
        }
        let first = &group["rows"][0]["ratio"];
        assert_eq!(first["median"], 1.0, "the baseline");
    }
    // The schema is not one that accepts everything.
    value["groups"][0]["rows"][0]["per_second"]
        .as_object_mut()
        .unwrap()
        .remove("low");
    assert!(!validator.is_valid(&value), "a figure without its spread");

    let table = text(&output.stdout);
    for words in [
        "pread",
        "anyring",
        "io-uring crate",
        "Claims",
        "queue depth 128",
    ] {
        assert!(table.contains(words), "{words}");
    }
    let page = std::fs::read_to_string(place("a.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme"));
    for outside in ["src=", "href=", "@import", "url("] {
        assert!(
            !page.contains(outside),
            "the page loads something: {outside}"
        );
    }
    let charts = std::fs::read_dir(place("svg")).unwrap().count();
    assert!(charts >= 6, "{charts} charts");
}

#[test]
fn bad_flags() {
    fails(uring(&["--size", "0"]), "--size");
    fails(uring(&["--repetitions", "1"]), "--repetitions");
    fails(uring(&["--only", "everything"]), "--only");
    fails(uring(&["--frobnicate"]), "--frobnicate");
}

#[test]
fn nowhere_to_write() {
    if !have_ring() {
        return;
    }
    fails(
        uring(&["--quick", "--dir", "/nonexistent/folder"]),
        "cannot make a folder in /nonexistent/folder",
    );
    fails(
        uring(&["--quick", "--json", "/nonexistent/a.json"]),
        "cannot write /nonexistent/a.json",
    );
}

/// A limit on file sizes stands for a disk that fills up on the way.
#[test]
fn the_disk_is_full() {
    if !have_ring() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut command = uring(&["--quick", "--only", "reads", "--size", "8", "--dir"]);
    command.arg(scratch.path());
    // SAFETY: setrlimit is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit {
                rlim_cur: 3 << 20,
                rlim_max: 3 << 20,
            };
            match libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
    fails(command, "cannot write 8 MiB of test data");
    assert!(empty(scratch.path()), "data was left behind");
}

/// Denies io_uring_setup(2) with an error number, by a seccomp filter.
fn deny(command: &mut Command, error: u32) {
    let number = libc::SYS_io_uring_setup as u32;
    let filter = [
        libc::sock_filter {
            code: 0x20,
            jt: 0,
            jf: 0,
            k: 0,
        }, // load the number
        libc::sock_filter {
            code: 0x15,
            jt: 0,
            jf: 1,
            k: number,
        }, // is it ours?
        libc::sock_filter {
            code: 0x06,
            jt: 0,
            jf: 0,
            k: 0x0005_0000 | error,
        },
        libc::sock_filter {
            code: 0x06,
            jt: 0,
            jf: 0,
            k: 0x7fff_0000,
        }, // allow
    ];
    // SAFETY: prctl is async-signal-safe; the filter lives in the closure.
    unsafe {
        command.pre_exec(move || {
            let mut filter = filter;
            let program = libc::sock_fprog {
                len: filter.len() as u16,
                filter: filter.as_mut_ptr(),
            };
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const program) != 0
            {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

#[test]
fn no_io_uring() {
    for (error, words) in [
        (libc::ENOSYS, "this kernel has none"),
        (libc::EPERM, "kernel.io_uring_disabled"),
        (libc::EACCES, "a security policy denies it"),
    ] {
        let mut command = uring(&["--quick"]);
        deny(&mut command, error as u32);
        let output = fails(command, words);
        assert!(text(&output.stderr).contains("no io_uring here"));
    }
}

/// Without compiler, strace and fio: a run that says so.
#[test]
fn missing_peers() {
    if !have_ring() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let output = uring(&[
        "--quick",
        "--size",
        "1",
        "--repetitions",
        "3",
        "--slice",
        "1",
    ])
    .args(["--only", "calls,outside", "--dir"])
    .arg(scratch.path())
    .env("PATH", "/nonexistent")
    .output()
    .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    for words in [
        "liburing: no C compiler",
        "strace: not installed",
        "fio: not installed",
    ] {
        assert!(table.contains(words), "{words} is not in {table}");
    }
}

#[test]
fn ctrl_c_leaves_nothing() {
    if !have_ring() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let child = uring(&["--size", "64", "--only", "reads", "--dir"])
        .arg(scratch.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while empty(scratch.path()) && begin.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    // SAFETY: a child of ours that was not waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("stopped"),
        "{}",
        text(&output.stderr)
    );
    assert!(empty(scratch.path()), "data was left behind");
}
