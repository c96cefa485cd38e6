//! The examples do what they say, where a ring is to be had.

use std::process::Command;

fn output(name: &str, words: &[&str]) -> Option<Vec<u8>> {
    if let Err(error) = anyring::Ring::new(1) {
        println!("skipped: io_uring is not to be had here: {error}");
        return None;
    }
    // Cargo knows where examples are built, and builds them where only tests were.
    let done = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "--locked",
            "--offline",
            "--package",
            "anyring",
        ])
        .args(["--features", "owned", "--example", name, "--"])
        .args(words)
        .output()
        .expect("cargo runs");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    Some(done.stdout)
}

/// A file of more than one buffer and an odd end.
fn file(name: &str) -> (String, Vec<u8>) {
    let path = std::env::temp_dir().join(format!("anyring-{}-{name}", std::process::id()));
    let bytes: Vec<u8> = (0..300_001_u32).map(|at| (at % 251) as u8).collect();
    std::fs::write(&path, &bytes).expect("a file");
    (path.to_str().expect("a name in UTF-8").to_owned(), bytes)
}

#[test]
fn cat_prints_files() {
    let (path, bytes) = file("cat");
    let got = output("cat", &[&path, "/dev/null", &path]);
    std::fs::remove_file(&path).expect("it is there");
    let Some(got) = got else { return };
    assert!(
        got == [bytes.clone(), bytes].concat(),
        "{} bytes",
        got.len()
    );
}

#[test]
fn executor_counts_bytes() {
    let (path, bytes) = file("executor");
    let got = output("executor", &[&path]);
    std::fs::remove_file(&path).expect("it is there");
    let Some(got) = got else { return };
    assert_eq!(
        String::from_utf8(got),
        Ok(format!("{} {path}\n", bytes.len()))
    );
}
