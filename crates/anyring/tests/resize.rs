//! A ring that gets another size while entries are queued, on this machine's kernel and on
//! the engine.

use anyring::flags::SetupFlags;
use anyring::{Builder, Errno, Kernel, Linux};
use anyring_engine::{BuiltIn, Choice, KernelOrEngine, choose};

/// Queued entries are in the new queue, with what they say; a size that cannot hold them is
/// refused. The entries were not published: the kernel sees published ones only.
fn keeps_what_is_queued<K: Kernel>(kernel: K) {
    let flags = SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN;
    let mut ring = match Builder::new(8).flags(flags).build_on(kernel) {
        Ok(ring) => ring,
        Err(error) => return println!("skipped: no such ring here: {error}"),
    };
    for user_data in 1..=3 {
        ring.next_sqe().expect("room").user_data = user_data;
    }
    match ring.resize(2, 16) {
        Err(Errno::EINVAL) => return println!("skipped: rings cannot be resized here"),
        result => assert_eq!(result, Err(Errno::EOVERFLOW)),
    }
    assert_eq!(ring.resize(64, 128), Ok(()));
    assert_eq!(ring.sq_ready(), 3);
    // SAFETY: NOPs have no memory.
    assert_eq!(unsafe { ring.submit_and_wait(3) }, Ok(3));
    let seen: Vec<u64> = ring.completions().map(|found| found.user_data).collect();
    assert_eq!(seen, [1, 2, 3]);
}

#[test]
fn on_linux() {
    keeps_what_is_queued(Linux);
}

#[test]
fn on_the_engine() {
    choose(Some(Choice::Userspace));
    keeps_what_is_queued(KernelOrEngine::<BuiltIn>::new());
}
