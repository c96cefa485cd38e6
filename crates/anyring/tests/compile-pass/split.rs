// One side queues and submits while the other takes completions.
use anyring::{Ring, prep};

fn main() {
    let Ok(mut ring) = Ring::new(8) else { return };
    prep::nop(ring.next_sqe().unwrap());
    // SAFETY: nops have no memory of ours.
    unsafe { ring.submit_and_wait(1).unwrap() };
    let (mut queue, done) = ring.split();
    let mut seen = 0;
    for done in done.completions() {
        assert_eq!(done.result(), Ok(0));
        prep::nop(queue.next_sqe().unwrap());
        // SAFETY: as above.
        unsafe { queue.submit().unwrap() };
        seen += 1;
    }
    assert_eq!(seen, 1);
    while let Some(done) = ring.next_completion() {
        assert_eq!(done.user_data, 0);
        // SAFETY: nothing is queued.
        unsafe { ring.submit().unwrap() };
    }
}
