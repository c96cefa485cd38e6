#![forbid(unsafe_code)]
// The queues have one submitter and one reaper.
fn main() {
    let ring = anyring::Ring::new(1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| ring.next_sqe().is_some());
    });
}
