//! Hashes files (FNV-1a, 64 bits), the next reads in flight while one is hashed:
//! `hash FILE...`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;

use anyring::operation::Owner;
use anyring::{Builder, Linux};

const SIZE: usize = 128 * 1024;
const DEPTH: u64 = 4;

fn hash(owner: &Owner, file: &File) -> Result<u64, Box<dyn Error>> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut offset = 0;
    loop {
        let mut reads = VecDeque::new();
        for at in 0..DEPTH {
            let place = offset + at * SIZE as u64;
            reads.push_back(owner.read(file, vec![0; SIZE], place)?);
        }
        while let Some(read) = reads.pop_front() {
            let (count, bytes) = read.wait();
            let count = count? as usize;
            for byte in &bytes[..count] {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
            offset += count as u64;
            if count == 0 {
                return Ok(hash);
            }
            // The reads behind a short one began too far on: dropped, they are cancelled.
            if count < SIZE {
                break;
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let owner = Owner::new(Builder::new(8), Linux)?;
    for name in std::env::args_os().skip(1) {
        let hash = hash(&owner, &File::open(&name)?)?;
        println!("{hash:016x} {}", name.to_string_lossy());
    }
    Ok(())
}
