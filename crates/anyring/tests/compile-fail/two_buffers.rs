#![forbid(unsafe_code)]
// A provided buffer is given back to the kernel when the program is through with it.
use anyring::{Completion, Ring};

fn main() {
    let mut ring = Ring::new(8).unwrap();
    let (queue, _done) = ring.split();
    let mut buffers = queue.buf_ring(0, 4, 64).unwrap();
    let done = Completion::default();
    let bytes = buffers.take(&done).unwrap();
    buffers.give_back(&done);
    bytes[0] = 1;
}
