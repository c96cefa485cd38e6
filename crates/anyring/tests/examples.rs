//! The examples do what they say, where a ring is to be had.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An example, to be run with these words; `None` where there is no ring.
fn example(name: &str, words: &[&str]) -> Option<Command> {
    if let Err(error) = anyring::Ring::new(1) {
        println!("skipped: io_uring is not to be had here: {error}");
        return None;
    }
    // Cargo knows where examples are built, and builds them where only tests were.
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--locked", "--offline"])
        .args(["--package", "anyring", "--features", "owned"])
        .args(["--example", name, "--"])
        .args(words);
    Some(command)
}

fn output(name: &str, words: &[&str]) -> Option<Vec<u8>> {
    let done = example(name, words)?.output().expect("cargo runs");
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

#[test]
fn tokio_counts_bytes() {
    let (path, bytes) = file("tokio");
    let got = output("tokio", &[&path, &path]);
    std::fs::remove_file(&path).expect("it is there");
    let Some(got) = got else { return };
    let line = format!("{} {path}\n", bytes.len());
    assert_eq!(String::from_utf8(got), Ok(line.repeat(2)));
}

#[test]
fn registered_prints_a_file() {
    let (path, bytes) = file("registered");
    let got = output("registered", &[&path]);
    std::fs::remove_file(&path).expect("it is there");
    let Some(got) = got else { return };
    assert!(got == bytes, "{} bytes", got.len());
}

#[test]
fn cp_copies() {
    let (path, bytes) = file("cp");
    let copy = format!("{path}-copy");
    let done = output("cp", &[&path, &copy]);
    std::fs::remove_file(&path).expect("it is there");
    if done.is_none() {
        return;
    }
    let got = std::fs::read(&copy).expect("a copy");
    std::fs::remove_file(&copy).expect("it is there");
    assert!(got == bytes, "{} bytes", got.len());
}

#[test]
fn hash_is_fnv() {
    let (path, bytes) = file("hash");
    let got = output("hash", &[&path, "/dev/null"]);
    std::fs::remove_file(&path).expect("it is there");
    let Some(got) = got else { return };
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let wanted = format!("{hash:016x} {path}\ncbf29ce484222325 /dev/null\n");
    assert_eq!(String::from_utf8(got), Ok(wanted));
}

#[test]
fn sqpoll_submits_by_itself() {
    let Some(got) = output("sqpoll", &[]) else {
        return;
    };
    assert_eq!(got, b"1000\n");
}

#[test]
fn stream_gives_parts() {
    let words = [
        "a", "stream", "of", "parts", "longer", "than", "one", "buffer",
    ];
    let Some(got) = output("stream", &words) else {
        return;
    };
    assert_eq!(got, format!("{}\n", words.join(" ")).as_bytes());
}

/// Ends with the test, whatever becomes of that.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn echoes(name: &str) {
    let Some(mut command) = example(name, &["3"]) else {
        return;
    };
    let started = command.stdout(Stdio::piped()).spawn().expect("cargo runs");
    let mut server = Server(started);
    let mut port = String::new();
    let out = server.0.stdout.take().expect("it is piped");
    BufReader::new(out).read_line(&mut port).expect("its port");
    let port: u16 = port.trim().parse().expect("a number");
    let clients: Vec<_> = (0..3_u8)
        .map(|tag| {
            std::thread::spawn(move || {
                let mut client = TcpStream::connect(("127.0.0.1", port)).expect("a server");
                let limit = Some(Duration::from_secs(60));
                client.set_read_timeout(limit).expect("a limit");
                for length in [1, 10_000, 50_000] {
                    let bytes: Vec<u8> = (0..length).map(|at| at as u8 ^ tag).collect();
                    client.write_all(&bytes).expect("a write");
                    let mut got = vec![0; bytes.len()];
                    client.read_exact(&mut got).expect("an echo");
                    assert!(got == bytes);
                }
                client.shutdown(Shutdown::Write).expect("an end");
                assert_eq!(client.read(&mut [0]).expect("an end"), 0);
            })
        })
        .collect();
    for client in clients {
        client.join().expect("a client that passes");
    }
    assert!(server.0.wait().expect("an end").success());
}

#[test]
fn echo_sends_back() {
    echoes("echo");
}

#[test]
fn echo_owned_sends_back() {
    echoes("echo_owned");
}
