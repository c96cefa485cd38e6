//! Programs that must not compile, and some that must: the first keep safe code from
//! what it must not do, the second are the loops that everybody writes.

use std::process::Command;

/// The compiler whose words the `.stderr` files have; others may put it differently.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn programs() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile-pass/*.rs");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map_or_else(
        |error| error.to_string(),
        |done| String::from_utf8_lossy(&done.stdout).into_owned(),
    );
    if version.starts_with(COMPILER) {
        cases.compile_fail("tests/compile-fail/*.rs");
    } else {
        println!("skipped: the messages are those of {COMPILER}x, not of {version}");
    }
}
