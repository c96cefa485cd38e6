//! Running the command.
#![allow(dead_code, reason = "every test program uses a part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `uring bench` with arguments.
pub(crate) fn uring(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg("bench").args(arguments);
    command
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_uring").into()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it, which must fail with a message that has `words` and no panic.
pub(crate) fn fails(mut command: Command, words: &str) -> Output {
    let output = command.output().unwrap();
    let message = text(&output.stderr);
    assert!(!output.status.success(), "must fail");
    assert!(output.status.code().is_some(), "no signal: {message}");
    assert!(message.contains(words), "{words:?} is not in {message:?}");
    assert!(!message.contains("panicked"), "{message}");
    output
}

pub(crate) fn empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// Whether io_uring is here; without it runs are skipped, with the reason.
pub(crate) fn have_ring() -> bool {
    match anyring::Ring::new(2) {
        Ok(_) => true,
        Err(error) => {
            println!("skipped: no io_uring here ({error})");
            false
        }
    }
}
