//! Copies a file: `cp FROM TO`. The reads of a round are a batch, its writes a chain with a
//! sync at the end, which a write that fails ends.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::File;

use anyring::operation::{Owner, Request};
use anyring::{Builder, Linux};

const SIZE: u64 = 64 * 1024;
/// Reads of a round, and the writes that follow.
const DEPTH: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let mut names = std::env::args_os().skip(1);
    let (Some(from), Some(to)) = (names.next(), names.next()) else {
        return Err("cp FROM TO".into());
    };
    let (from, to) = (File::open(from)?, File::create(to)?);
    let length = from.metadata()?.len();
    let owner = Owner::new(Builder::new(2 * DEPTH as u32), Linux)?;
    let mut offset = 0;
    while offset < length {
        let mut batch = owner.batch();
        let mut reads = Vec::new();
        while offset < length && reads.len() < DEPTH {
            let size = SIZE.min(length - offset);
            let read = Request::read(&from, vec![0; size as usize], offset);
            reads.push((offset, batch.push(read)?));
            offset += size;
        }
        batch.submit()?;
        // The writes of a round are one chain: the first that fails ends it.
        let mut batch = owner.batch();
        let mut writes = Vec::new();
        for (place, read) in reads {
            let (count, mut bytes) = read.wait();
            bytes.truncate(count? as usize);
            let wanted = bytes.len() as u32;
            writes.push((
                wanted,
                batch.push(Request::write(&to, bytes, place).link())?,
            ));
        }
        let last = batch.push(Request::fdatasync(&to))?;
        batch.submit()?;
        for (wanted, write) in writes {
            if write.wait().0? != wanted {
                return Err("a short write".into());
            }
        }
        last.wait()?;
    }
    Ok(())
}
