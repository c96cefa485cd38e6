//! Models of the engine's own protocols: every interleaving and every legal
//! reordering of the lock, the pool's queue, the rings' queues, the sleep of an
//! SQPOLL thread, and who drives a ring.
//!
//! What is checked are the engine's files themselves, compiled here once more
//! with loom's atomics in the place of `sync`, and with weaker ones, which
//! loom must refuse: so the models can fail. `mutants.py` goes further and
//! breaks the files one by one.
#![allow(
    clippy::duplicate_mod,
    reason = "the same file on top of different parts is the point"
)]

extern crate alloc;

#[path = "../../../anyring/tests/common/ordered.rs"]
mod ordered;
mod sync;

/// The engine's files on top of one kind of `sync`, with the models of them.
macro_rules! engine {
    ($($kind:ident)*) => {$(
        #[allow(dead_code, reason = "the models do not use all of it")]
        #[path = "."]
        mod $kind {
            pub(crate) use crate::sync::$kind as sync;

            #[path = "../../src/ring/driver_policy.rs"]
            pub(crate) mod driver_policy;
            #[path = "../../src/os/cells.rs"]
            pub(crate) mod cells;
            #[path = "../../src/ring/cq.rs"]
            pub(crate) mod cq;
            #[path = "../../src/wait/sqpoll_idle.rs"]
            pub(crate) mod sqpoll_idle;
            #[path = "../../src/os/lock.rs"]
            pub(crate) mod lock;
            #[path = "../../src/pool/queue.rs"]
            pub(crate) mod queue;
            #[path = "../../src/ring/shared.rs"]
            pub(crate) mod shared;
            #[path = "../../src/ring/sq.rs"]
            pub(crate) mod sq;

            #[path = "policies.rs"]
            pub(crate) mod policies;
            #[path = "locks.rs"]
            pub(crate) mod locks;
            #[path = "pools.rs"]
            pub(crate) mod pools;
            #[path = "rings.rs"]
            pub(crate) mod rings;
            #[path = "tables.rs"]
            pub(crate) mod tables;
        }
    )*};
}

engine!(strict relaxed unfenced silent);

/// Runs a model with every interleaving of up to so many preemptions: where
/// more take too long, every mutant of `mutants.py` is found with fewer.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn the_lock_excludes() {
    check(3, strict::locks::three_contend);
}

#[test]
#[should_panic = "Causality violation"]
fn the_lock_needs_its_orders() {
    check(3, relaxed::locks::three_contend);
}

#[test]
#[should_panic = "deadlock"]
fn the_lock_needs_its_wake_ups() {
    check(3, silent::locks::three_contend);
}

#[test]
fn what_is_found_is_there() {
    check(3, strict::tables::found_or_gone);
}

#[test]
fn a_pool_of_one_does_all_jobs() {
    check(2, strict::pools::jobs_are_done);
}

#[test]
fn a_pool_of_two_does_all_jobs() {
    check(2, strict::pools::each_has_a_thread);
}

#[test]
fn a_thread_that_ends_leaves_no_job() {
    check(2, strict::pools::an_idle_thread_ends);
}

#[test]
fn a_blocked_thread_holds_up_nothing() {
    check(1, strict::pools::a_blocked_thread_holds_up_nothing);
}

#[test]
fn a_job_is_done_or_cancelled() {
    check(2, strict::pools::done_or_cancelled);
}

#[test]
#[should_panic = "deadlock"]
fn the_pool_needs_its_wake_ups() {
    check(2, silent::pools::jobs_are_done);
}

#[test]
fn completions_arrive_in_order() {
    check(3, strict::rings::completions);
}

#[test]
#[should_panic = "Causality violation"]
fn completions_need_their_orders() {
    check(3, relaxed::rings::completions);
}

#[test]
fn submissions_arrive_in_order() {
    check(3, strict::rings::submissions);
}

#[test]
#[should_panic = "Causality violation"]
fn submissions_need_their_orders() {
    check(3, relaxed::rings::submissions);
}

#[test]
fn sqpoll_wakes_up() {
    check(3, strict::rings::sqpoll);
}

#[test]
#[should_panic = "deadlock"]
fn sqpoll_needs_its_fence() {
    check(3, unfenced::rings::sqpoll);
}

#[test]
#[should_panic = "deadlock"]
fn sqpoll_needs_its_wake_ups() {
    check(3, silent::rings::sqpoll);
}

#[test]
fn sqpoll_ends_with_its_ring() {
    check(3, strict::rings::sqpoll_ends);
}

#[test]
fn a_ring_nobody_waits_in_is_driven() {
    check(2, || strict::policies::memory_alone(1));
}

#[test]
fn a_ring_nobody_waits_in_is_driven_again() {
    check(1, || strict::policies::memory_alone(2));
}

#[test]
fn a_ring_is_driven_until_all_is_done() {
    check(2, strict::policies::two_at_once);
}

#[test]
fn a_ring_that_was_waited_in_is_driven() {
    check(2, strict::policies::a_wait_between);
}

#[test]
fn a_ring_is_driven_after_a_wait_that_woke_the_driver() {
    check(1, strict::policies::a_wait_while_the_driver_sleeps);
}

#[test]
fn a_ring_is_unread_while_the_driver_ticks() {
    check(2, || strict::policies::taken_while_another_waits(false));
}

#[test]
fn a_ring_is_unread_while_the_driver_sleeps() {
    check(2, || strict::policies::taken_while_another_waits(true));
}

#[test]
fn a_ring_is_unread_beside_a_waiter() {
    check(1, || strict::policies::taken_beside_a_waiter(false));
}

#[test]
fn a_ring_is_unread_that_was_left_to_a_waiter() {
    check(1, || strict::policies::taken_beside_a_waiter(true));
}
