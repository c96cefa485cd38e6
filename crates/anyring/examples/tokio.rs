//! Under tokio: a task waits for the ring's descriptor to be readable and takes turns, all
//! others await requests. Counts the bytes of files: `tokio FILE...`.

use std::error::Error;
use std::fs::File;
use std::rc::Rc;

use anyring::operation::Owner;
use anyring::{Builder, Errno, Linux};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Wakes what has completed, as long as it runs.
async fn drive(owner: Owner) -> std::io::Result<()> {
    // SAFETY: the descriptor is that of the owner's ring, and open as long as it lives.
    let ring = unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE)? };
    loop {
        let mut ready = ring.readable().await?;
        // First: what completes after the turn makes it readable again.
        ready.clear_ready();
        match ring.get_ref().turn(0, None) {
            Ok(()) | Err(Errno::EINTR | Errno::EAGAIN | Errno::EBUSY) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn count(owner: &Owner, file: &File) -> Result<u64, Errno> {
    let (mut buffer, mut bytes) = (vec![0; 4096], 0);
    loop {
        let (read, back) = owner.read(file, buffer, bytes)?.await;
        match read? {
            0 => return Ok(bytes),
            more => bytes += u64::from(more),
        }
        buffer = back;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let owner = Rc::new(Owner::new(Builder::new(8), Linux)?);
        let driver = tokio::task::spawn_local(drive((*owner).clone()));
        let mut counts = Vec::new();
        for name in std::env::args_os().skip(1) {
            let (owner, file) = (Rc::clone(&owner), File::open(&name)?);
            let count = tokio::task::spawn_local(async move { count(&owner, &file).await });
            counts.push((name, count));
        }
        for (name, count) in counts {
            println!("{} {}", count.await??, name.to_string_lossy());
        }
        driver.abort();
        Ok(())
    })
}
