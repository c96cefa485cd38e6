#![forbid(unsafe_code)]
// What entries point to has to be vouched for.
fn main() {
    let mut ring = anyring::Ring::new(1).unwrap();
    ring.submit().unwrap();
}
