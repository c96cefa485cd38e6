#![forbid(unsafe_code)]
// Completions end with their ring.
fn main() {
    let ring = anyring::Ring::new(1).unwrap();
    let done = ring.completions();
    drop(ring);
    done.count();
}
