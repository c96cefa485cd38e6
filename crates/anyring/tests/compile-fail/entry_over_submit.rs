// An entry cannot be written once it may have been submitted.
fn main() {
    let mut ring = anyring::Ring::new(1).unwrap();
    let sqe = ring.next_sqe().unwrap();
    unsafe { ring.submit().unwrap() };
    sqe.user_data = 1;
}
