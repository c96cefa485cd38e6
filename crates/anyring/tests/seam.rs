//! How a program tests its io_uring code without Linux's io_uring: the code under test
//! takes any kernel, and the test gives it one that fails as it says.
#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use anyring::kernel::scripted::{Enter, Features, Machine};
use anyring::operation::{Owner, Request};
use anyring::{Builder, Errno, Kernel};

/// The code under test: reads a record of a known length, however it comes.
fn read_record<K: Kernel>(
    owner: &Owner<K>,
    file: impl AsFd,
    length: usize,
) -> Result<Vec<u8>, Errno> {
    let mut record = Vec::new();
    while record.len() < length {
        let room = vec![0; length - record.len()];
        let (read, bytes) = owner.read(&file, room, record.len() as u64)?.wait();
        match read {
            Ok(0) => return Err(Errno::ENODATA),
            Ok(count) => record.extend_from_slice(&bytes[..count as usize]),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(record)
}

/// Another: two parts in one go, whichever is done first.
fn read_parts<K: Kernel>(owner: &Owner<K>, file: impl AsFd) -> Result<[Vec<u8>; 2], Errno> {
    let mut batch = owner.batch();
    let first = batch.push(Request::read(&file, vec![0; 2], 0))?;
    let second = batch.push(Request::read(&file, vec![0; 2], 2))?;
    batch.submit()?;
    let (second, first) = (second.wait(), first.wait());
    first.0?;
    second.0?;
    Ok([first.1, second.1])
}

fn scripted(machine: &Machine) -> Owner<&Machine> {
    Owner::new(Builder::new(4), machine).expect("a ring in memory")
}

#[test]
fn short_reads_are_put_together() {
    let machine = Machine::new(Features::new());
    machine.script_bytes(b"0123456789");
    machine.script_results(&[(3, 0), (1, 0), (6, 0)]);
    let file = std::fs::File::open("/dev/null").expect("it is there");
    let record = read_record(&scripted(&machine), &file, 10);
    assert_eq!(record, Ok(b"0123456789".to_vec()));
}

#[test]
fn an_interruption_is_no_end() {
    let machine = Machine::new(Features::new());
    machine.script_bytes(b"0123");
    // An operation that is interrupted, an enter that is, and one without memory.
    machine.script_results(&[(-libc::EINTR, 0)]);
    machine.script_enter(&[
        Enter::Fails(-libc::EINTR),
        Enter::Fails(-libc::EAGAIN),
        Enter::Takes(1),
    ]);
    let file = std::fs::File::open("/dev/null").expect("it is there");
    let record = read_record(&scripted(&machine), &file, 4);
    assert_eq!(record, Ok(b"0123".to_vec()));
}

#[test]
fn a_file_that_ends_early_is_an_error() {
    let machine = Machine::new(Features::new());
    machine.script_bytes(b"01");
    let file = std::fs::File::open("/dev/null").expect("it is there");
    let record = read_record(&scripted(&machine), &file, 4);
    assert_eq!(record, Err(Errno::ENODATA));
    machine.script_results(&[(-libc::EIO, 0)]);
    let record = read_record(&scripted(&machine), &file, 4);
    assert_eq!(record, Err(Errno::EIO));
}

#[test]
fn completions_in_any_order() {
    let file = std::fs::File::open("/dev/null").expect("it is there");
    for step in [Enter::Reverses, Enter::Takes(1), Enter::Holds(0)] {
        let machine = Machine::new(Features::new());
        let owner = scripted(&machine);
        machine.script_bytes(b"abcd");
        machine.script_enter(&[step]);
        let parts = read_parts(&owner, &file);
        assert_eq!(parts, Ok([b"ab".to_vec(), b"cd".to_vec()]), "{step:?}");
    }
}
