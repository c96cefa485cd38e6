#![forbid(unsafe_code)]
// A single-issuer ring that is disabled may go to the thread that enables it.
use anyring::{Builder, flags::SetupFlags};

fn main() {
    let builder = Builder::new(8).flags(SetupFlags::CLAMP).single_issuer();
    let Ok(disabled) = builder.build_disabled() else {
        return;
    };
    let fd = std::thread::spawn(move || disabled.enable().map(|ring| ring.fd()));
    assert!(fd.join().unwrap().is_ok());
}
