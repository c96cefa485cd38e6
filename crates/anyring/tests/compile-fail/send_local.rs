#![forbid(unsafe_code)]
// Registered ring descriptors are numbers of one thread.
fn main() {
    let ring = anyring::Builder::new(1).build_local().unwrap();
    std::thread::spawn(move || drop(ring));
}
