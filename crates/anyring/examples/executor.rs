//! The smallest executor that drives owned requests: polls a future, and takes a turn
//! of the ring when it waits. Reads the files named and prints how many bytes they have.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anyring::operation::Owner;
use anyring::{Builder, Errno, Linux};

async fn count(owner: &Owner, file: &File) -> Result<u64, Errno> {
    let mut buffer = vec![0; 4096];
    let mut bytes = 0;
    loop {
        let (read, back) = owner.read(file, buffer, bytes)?.await;
        match read? {
            0 => return Ok(bytes),
            more => bytes += u64::from(more),
        }
        buffer = back;
    }
}

/// Runs a future to its end; whatever else is in flight goes on meanwhile.
fn block_on<T>(owner: &Owner, future: impl Future<Output = T>) -> Result<T, Errno> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Ok(value);
        }
        match owner.turn(1, None) {
            Ok(()) | Err(Errno(libc::EINTR)) => {}
            Err(error) => return Err(error),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let owner = Owner::new(Builder::new(8), Linux)?;
    for name in std::env::args_os().skip(1) {
        let file = File::open(&name)?;
        let bytes = block_on(&owner, count(&owner, &file))??;
        println!("{bytes} {}", name.to_string_lossy());
    }
    Ok(())
}
