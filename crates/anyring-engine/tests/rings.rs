//! The core's tests of rings on whatever kernel `ANYRING_ENGINE` selects:
//! `make test-engine` runs them with io_uring denied and with `userspace`.

#[path = "../../anyring/tests/common/rings.rs"]
mod rings;

use anyring_engine::{BuiltIn, Choice, KernelOrEngine, Served, choice, served};

const KERNEL: KernelOrEngine<BuiltIn> = KernelOrEngine::new();

/// Which engine serves is what was asked for.
#[test]
fn served_as_chosen() {
    let Some(ring) = rings::ring(KERNEL) else {
        return;
    };
    let found = served(ring.fd());
    println!("served by: {found:?}");
    match choice() {
        Choice::Kernel => assert_eq!(found, Served::Kernel),
        Choice::Userspace => assert_eq!(found, Served::Userspace(0)),
        Choice::Auto => assert!(!matches!(found, Served::Inherited | Served::Userspace(0))),
    }
}

#[test]
fn queues() {
    rings::queues(KERNEL);
}

#[test]
fn timeouts() {
    rings::timeouts(KERNEL);
}

#[test]
fn a_thousand_rings_leave_nothing_behind() {
    rings::a_thousand(KERNEL);
}

#[test]
fn registered_files_and_buffers() {
    rings::registered(KERNEL);
}

#[test]
fn provided_buffers() {
    rings::provided(KERNEL);
}

#[test]
fn chains_and_cancellation() {
    rings::chains(KERNEL);
}
