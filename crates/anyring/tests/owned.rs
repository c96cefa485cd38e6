//! The ring that Rust owns: which threads may hold it, what its waits mean on
//! every kernel, and the same bodies on the kernel of this machine.

use anyring::abi::*;
use anyring::kernel::scripted::{Call, Features, Machine};
use anyring::{Builder, Completions, Errno, Kernel, Linux, Ring, RingRef, prep};

/// Fails to compile if `$type` is `$auto`: then two impls would fit.
macro_rules! assert_not_impl {
    ($type:ty: $auto:ident) => {
        const _: () = {
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            #[allow(dead_code, reason = "exists to be ambiguous")]
            struct Implemented;
            impl<T: ?Sized + $auto> Ambiguous<Implemented> for T {}
            let _ = <$type as Ambiguous<_>>::check;
        };
    };
}

const fn assert_send<T: Send>() {}

// One thread may hand a ring to another; two may not use it at once, since the
// queues have one submitter and one reaper.
const _: () = assert_send::<Ring>();
assert_not_impl!(Ring: Sync);
// Handles are copies without an owner: they stay where they were made.
assert_not_impl!(RingRef: Send);
assert_not_impl!(RingRef: Sync);
assert_not_impl!(Completions<'static, Linux>: Send);
assert_not_impl!(Completions<'static, Linux>: Sync);
// A kernel that is bound to its thread binds its rings.
assert_not_impl!(Ring<&'static Machine>: Send);

/// A ring of four on any kernel; with the reason where there is none.
fn ring<K: Kernel>(kernel: K) -> Option<Ring<K>> {
    match Builder::new(4).build_on(kernel) {
        Ok(ring) => Some(ring),
        Err(error @ Errno(libc::ENOSYS | libc::EPERM | libc::EACCES)) => {
            println!("skipped: io_uring is not to be had here: {error}");
            None
        }
        Err(error) => panic!("no ring: {error}"),
    }
}

fn machine(features: Features) -> &'static Machine {
    Box::leak(Box::new(Machine::new(features)))
}

fn nop<K: Kernel>(ring: &mut Ring<K>, tag: u64) -> bool {
    let Some(sqe) = ring.next_sqe() else {
        return false;
    };
    prep::prep_nop(sqe);
    sqe.user_data = tag;
    true
}

fn tags<K: Kernel>(ring: &mut Ring<K>) -> Vec<u64> {
    ring.completions().map(|done| done.user_data).collect()
}

const SHORT: __kernel_timespec = __kernel_timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

/// Full queues, completions in order, indices past the end of the queue.
fn queues<K: Kernel>(kernel: K) {
    let Some(mut ring) = ring(kernel) else { return };
    for round in 0..5 {
        for place in 0..4 {
            assert!(nop(&mut ring, 10 * round + place));
        }
        assert!(!nop(&mut ring, 99), "a fifth entry in a queue of four");
        let entry = io_uring_sqe::default_nop();
        assert!(ring.push_sqe(entry).is_err());
        // SAFETY: nops have no memory of ours.
        assert_eq!(unsafe { ring.submit_and_wait(4) }, Ok(4));
        assert_eq!(ring.cq_ready(), 4);
        let wanted: Vec<u64> = (0..4).map(|place| 10 * round + place).collect();
        assert_eq!(tags(&mut ring), wanted);
        assert_eq!(ring.cq_ready(), 0);
    }
    // SAFETY: nothing is queued.
    assert_eq!(unsafe { ring.submit() }, Ok(0));
}

/// A wait ends by its timeout, and does not when something is ready.
fn timeouts<K: Kernel>(kernel: K) {
    let Some(mut ring) = ring(kernel) else { return };
    assert_eq!(ring.wait(1, Some(&SHORT)), Err(Errno(libc::ETIME)));
    assert_eq!(ring.wait(0, None), Err(Errno(libc::EAGAIN)));
    assert!(nop(&mut ring, 7));
    // SAFETY: a nop has no memory of ours.
    assert_eq!(unsafe { ring.submit() }, Ok(1));
    assert_eq!(ring.wait(1, Some(&SHORT)), Ok(()));
    assert_eq!(tags(&mut ring), [7]);
    assert_eq!(ring.wait(1, Some(&SHORT)), Err(Errno(libc::ETIME)));
    assert_eq!(tags(&mut ring), []);
}

trait DefaultNop {
    fn default_nop() -> Self;
}

impl DefaultNop for io_uring_sqe {
    fn default_nop() -> Self {
        // SAFETY: integers only.
        let mut sqe: io_uring_sqe = unsafe { std::mem::zeroed() };
        prep::prep_nop(&mut sqe);
        sqe
    }
}

fn without_ext_arg() -> Features {
    let mut features = Features::new();
    features.bits &= !IORING_FEAT_EXT_ARG;
    features
}

#[test]
fn queues_of_linux() {
    queues(Linux);
}

#[test]
fn queues_of_the_machine() {
    queues(machine(Features::new()));
    queues(machine(Features::first()));
}

#[test]
fn timeouts_of_linux() {
    timeouts(Linux);
}

#[test]
fn timeouts_of_the_machine() {
    timeouts(machine(Features::new()));
    timeouts(machine(without_ext_arg()));
    timeouts(machine(Features::first()));
}

#[test]
fn a_wait_submits_nothing_that_was_queued() {
    for features in [Features::new(), without_ext_arg()] {
        let machine = machine(features);
        let mut ring = Builder::new(4).build_on(machine).expect("a ring");
        assert!(nop(&mut ring, 1));
        machine.calls();
        let waited = ring.wait(1, Some(&SHORT));
        let submitted: Vec<u32> = machine
            .calls()
            .into_iter()
            .filter_map(|call| match call {
                Call::Enter(_, to_submit, ..) => Some(to_submit),
                _ => None,
            })
            .collect();
        if features.bits & IORING_FEAT_EXT_ARG != 0 {
            assert_eq!(waited, Err(Errno(libc::ETIME)));
            assert_eq!(submitted, [0]);
        } else {
            assert_eq!(waited, Err(Errno(libc::EBUSY)));
            assert_eq!(submitted, []);
        }
        // The entry is still there and goes with the next submit.
        // SAFETY: a nop has no memory of ours.
        assert_eq!(unsafe { ring.submit() }, Ok(1));
        assert_eq!(ring.wait(1, Some(&SHORT)), Ok(()));
        assert_eq!(tags(&mut ring), [1]);
    }
}

#[test]
fn a_thousand_rings_leave_nothing_behind() {
    let open = || {
        std::fs::read_dir("/proc/self/fd")
            .expect("descriptors")
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|link| link.to_string_lossy().contains("io_uring"))
            .count()
    };
    let mapped = || {
        std::fs::read_to_string("/proc/self/maps")
            .expect("mappings")
            .lines()
            .filter(|line| line.contains("io_uring"))
            .count()
    };
    // Tests beside this one hold at most a few rings.
    const OTHERS: usize = 16;
    if ring(Linux).is_none() {
        return;
    }
    for _ in 0..1000 {
        let mut ring = Ring::new(4).expect("a ring");
        assert!(open() >= 1);
        assert!(nop(&mut ring, 1));
        // SAFETY: a nop has no memory of ours.
        assert_eq!(unsafe { ring.submit_and_wait(1) }, Ok(1));
    }
    assert!(open() <= OTHERS, "{} descriptors", open());
    assert!(mapped() <= 3 * OTHERS, "{} mappings", mapped());
}
