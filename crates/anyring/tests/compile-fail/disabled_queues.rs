#![forbid(unsafe_code)]
// A ring that is disabled takes no entries.
use anyring::{Builder, prep};

fn main() {
    let disabled = Builder::new(8).build_disabled().unwrap();
    prep::nop(disabled.next_sqe().unwrap());
}
