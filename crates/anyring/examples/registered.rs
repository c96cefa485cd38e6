//! Everything registered: the ring's descriptor, a file, buffers. Prints a file:
//! `registered FILE`.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

use anyring::flags::SqeFlags;
use anyring::{Builder, Errno};

const SIZE: u32 = 64 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args_os().nth(1).ok_or("registered FILE")?;
    let file = File::open(name)?;
    // Stays in this thread, so its descriptor may be registered with it.
    let mut ring = Builder::new(8).single_issuer().build()?;
    match ring.register_ring_fd() {
        Ok(()) => {}
        // Before Linux 5.18: enters are as they were.
        Err(Errno::EINVAL) => {}
        Err(error) => return Err(error.into()),
    }
    ring.register_files(&[file.as_raw_fd()])?;
    let (mut queue, done) = ring.split();
    let buffers = queue.buffers(1, SIZE)?;
    let mut out = std::io::stdout().lock();
    let mut offset = 0;
    loop {
        let sqe = queue.next_sqe().ok_or("the queue is full")?;
        buffers.read(sqe, 0, 0, SIZE, offset)?;
        sqe.flags |= SqeFlags::FIXED_FILE.bits();
        // SAFETY: the buffer is looked at when its read has completed, below.
        unsafe { queue.submit_and_wait(1)? };
        let read = done.completions().next().ok_or("no completion")?.result()?;
        if read == 0 {
            return Ok(());
        }
        let bytes = buffers.bytes(0).ok_or("no buffer")?;
        out.write_all(&bytes[..read as usize])?;
        offset += u64::from(read);
    }
}
