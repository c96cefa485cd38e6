#![forbid(unsafe_code)]
// The kernel has the buffers as long as they are registered with their ring.
use anyring::{BufRing, Errno, Ring};

fn buffers<'a>() -> Result<BufRing<'a>, Errno> {
    let mut ring = Ring::new(8)?;
    let (queue, _done) = ring.split();
    queue.buf_ring(0, 4, 64)
}

fn main() {
    let _ = buffers();
}
