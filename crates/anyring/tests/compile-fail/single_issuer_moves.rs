#![forbid(unsafe_code)]
// The thread that enabled a single-issuer ring is the only one the kernel takes
// entries from.
use anyring::Builder;

fn main() {
    let disabled = Builder::new(8).single_issuer().build_disabled().unwrap();
    let mut ring = disabled.enable().unwrap();
    std::thread::spawn(move || ring.get_events());
}
