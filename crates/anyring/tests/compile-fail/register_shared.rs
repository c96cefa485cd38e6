#![forbid(unsafe_code)]
// A ring that may go to another thread has no registered descriptor.
fn main() {
    let mut ring = anyring::Ring::new(1).unwrap();
    ring.register_ring_fd().unwrap();
}
