#![forbid(unsafe_code)]
// Fixed buffers are unregistered from their ring, which has to be there for that.
use anyring::Ring;

fn main() {
    let mut ring = Ring::new(8).unwrap();
    let (queue, _done) = ring.split();
    let buffers = queue.buffers(2, 64).unwrap();
    drop(ring);
    println!("{:?}", buffers.bytes(0));
}
