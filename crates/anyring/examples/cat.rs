//! Prints files, two reads in flight: `cat FILE...`. The low-level interface.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

use anyring::{Ring, prep};

const SIZE: usize = 64 * 1024;

fn print(ring: &mut Ring, file: &File, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut buffers = [vec![0_u8; SIZE], vec![0_u8; SIZE]];
    let mut offset = 0;
    loop {
        for (at, buffer) in (0_u64..).zip(&mut buffers) {
            let sqe = ring.next_sqe().ok_or("the queue is full")?;
            let place = offset + at * SIZE as u64;
            prep::read(
                sqe,
                file.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                SIZE as u32,
                place,
            );
            sqe.user_data = at;
        }
        // SAFETY: the buffers live and are left alone until both completions were
        // taken, below; the file stays open.
        unsafe { ring.submit()? };
        let mut lengths = [None; 2];
        while lengths.contains(&None) {
            ring.wait(1, None)?;
            for done in ring.completions() {
                lengths[done.user_data as usize] = Some(done.result());
            }
        }
        for (buffer, length) in buffers.iter().zip(lengths) {
            let length = length.ok_or("no result")?? as usize;
            out.write_all(&buffer[..length])?;
            offset += length as u64;
            // Short: the end, or the second read began too far on.
            if length < SIZE {
                if length == 0 {
                    return Ok(());
                }
                break;
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut ring = Ring::new(2)?;
    for name in std::env::args_os().skip(1) {
        print(&mut ring, &File::open(name)?, &mut std::io::stdout().lock())?;
    }
    Ok(())
}
