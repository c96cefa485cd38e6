//! The ring that Rust owns: which threads may hold it, what its waits mean on
//! every kernel, and the same bodies on the kernel of this machine.

#[path = "common/rings.rs"]
mod rings;

use anyring::abi::*;
use anyring::kernel::scripted::{Call, Features, Machine};
use anyring::{Builder, Completions, Errno, Linux, Ring, RingRef};
use rings::{SHORT, nop, queues, tags, timeouts};

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

fn machine(features: Features) -> &'static Machine {
    Box::leak(Box::new(Machine::new(features)))
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
    rings::a_thousand(Linux);
}

#[test]
fn registered_files_and_buffers() {
    rings::registered(Linux);
}

#[test]
fn provided_buffers() {
    rings::provided(Linux);
}

#[test]
fn chains_and_cancellation() {
    rings::chains(Linux);
}
