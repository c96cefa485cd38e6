//! The command from outside: what it says when it cannot run.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

mod common;

use common::{empty, fails, have_ring, program, text, uring};

#[test]
fn bad_flags() {
    fails(uring(&["--size", "0"]), "--size");
    fails(uring(&["--repetitions", "1"]), "--repetitions");
    fails(uring(&["--slice", "0"]), "--slice");
    fails(uring(&["--only", "everything"]), "--only");
    fails(uring(&["--frobnicate"]), "--frobnicate");
    fails(uring(&["--include", "/usr/include"]), "--libdir");
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
    for flag in ["--json", "--html"] {
        fails(
            uring(&["--quick", flag, "/nonexistent/a"]),
            "cannot write /nonexistent/a",
        );
    }
    fails(
        uring(&["--quick", "--svg", "/dev/null/charts"]),
        "cannot make /dev/null/charts",
    );
}

/// What was made to see whether it can be written goes again when the run fails.
#[test]
fn failed_runs_leave_no_results() {
    if !have_ring() {
        return;
    }
    let results = tempfile::tempdir().unwrap();
    let kept = results.path().join("kept.json");
    std::fs::write(&kept, "mine").unwrap();
    for name in ["new.json", "kept.json"] {
        let mut command = uring(&["--quick", "--dir", "/nonexistent/folder", "--json"]);
        command.arg(results.path().join(name));
        fails(command, "cannot make a folder");
    }
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "mine");
    assert!(!results.path().join("new.json").exists());
}

/// A device that is always full: results are lost, and that is said, but not
/// the table.
#[test]
fn results_that_cannot_be_written() {
    if !have_ring() || !Path::new("/dev/full").exists() {
        return;
    }
    for flag in ["--json", "--html"] {
        let command = {
            let mut command = uring(&["--quick", "--slice", "1", "--repetitions", "3"]);
            command.args(["--only", "calls", flag, "/dev/full"]);
            command
        };
        let output = fails(command, "cannot write /dev/full");
        assert!(text(&output.stdout).contains("Claims"), "the table is lost");
    }
}

/// A limit on file sizes stands for a disk that fills up on the way.
#[test]
fn the_disk_is_full() {
    if !have_ring() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    // In units of 512 bytes: 3 MiB.
    command.args(["-c", "ulimit -f 6144 && exec \"$@\"", "sh"]);
    command.arg(program()).args(["bench", "--quick"]);
    command.args(["--only", "reads", "--size", "8", "--dir"]);
    command.arg(scratch.path());
    fails(command, "cannot write 8 MiB of test data");
    assert!(empty(scratch.path()), "data was left behind");
}

/// A launcher that denies io_uring_setup(2), compiled from C.
fn launcher(folder: &Path) -> Option<std::path::PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile/deny-io-uring.c");
    let launcher = folder.join("deny");
    let mut compiler = Command::new("cc");
    match compiler.arg(source).arg("-o").arg(&launcher).status() {
        Ok(status) => {
            assert!(status.success(), "deny-io-uring.c does not compile");
            Some(launcher)
        }
        Err(error) => {
            println!("skipped: no C compiler ({error})");
            None
        }
    }
}

#[test]
fn no_io_uring() {
    let folder = tempfile::tempdir().unwrap();
    let Some(launcher) = launcher(folder.path()) else {
        return;
    };
    for (error, words) in [
        ("ENOSYS", "this kernel has none"),
        ("EPERM", "kernel.io_uring_disabled"),
        ("EACCES", "a security policy denies it"),
        ("ENOMEM", "ulimit -l"),
    ] {
        let mut command = Command::new(&launcher);
        command.arg(error).arg(program()).args(["bench", "--quick"]);
        let output = fails(command, words);
        assert!(text(&output.stderr).contains("no io_uring here"));
        assert!(output.stdout.is_empty(), "figures without a run");
    }
}

fn interrupt(child: &Child, signal: &str) {
    // The shell's own: there are systems without the program.
    let status = Command::new("sh")
        .args(["-c", "kill \"$0\" \"$1\"", signal, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Ctrl-C in every part: nothing stays, results neither.
#[test]
fn ctrl_c_leaves_nothing() {
    if !have_ring() {
        return;
    }
    for (part, signal, wait) in [
        ("reads", "-INT", 600),
        ("echo", "-INT", 600),
        ("links", "-TERM", 300),
        ("outside", "-INT", 500),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let results = tempfile::tempdir().unwrap();
        let child = uring(&["--size", "16", "--only", part, "--dir"])
            .arg(scratch.path())
            .arg("--json")
            .arg(results.path().join("a.json"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while empty(scratch.path()) && begin.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(wait));
        let asked = Instant::now();
        interrupt(&child, signal);
        let output = child.wait_with_output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{part}: {message}");
        assert!(message.contains("stopped"), "{part}: {message}");
        assert!(asked.elapsed() < Duration::from_secs(10), "{part}: slow");
        assert!(empty(scratch.path()), "{part}: data was left behind");
        assert!(empty(results.path()), "{part}: a result was left behind");
    }
}
