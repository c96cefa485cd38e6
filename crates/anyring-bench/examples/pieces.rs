//! The pieces of a loop, by this library and by the io-uring crate: `pieces SIDE PIECE
//! ROUNDS`. Each piece is a function of its own, for benches/rust/compare.py, which counts
//! the instructions in it.

use std::hint::black_box;

use anyring::{Ring, prep};
use io_uring::{IoUring, opcode};

/// Entries of a batch.
const BATCH: u64 = 64;

#[inline(never)]
fn ours_fill(ring: &mut Ring) {
    for tag in 0..BATCH {
        let Some(sqe) = ring.next_sqe() else { return };
        prep::nop(sqe);
        sqe.user_data = tag;
    }
}

#[inline(never)]
fn theirs_fill(ring: &mut IoUring) {
    for tag in 0..BATCH {
        let entry = opcode::Nop::new().build().user_data(tag);
        // SAFETY: a NOP has no memory of ours.
        if unsafe { ring.submission().push(&entry) }.is_err() {
            return;
        }
    }
}

#[inline(never)]
fn ours_push(ring: &mut Ring, entry: &anyring::abi::io_uring_sqe) {
    for _ in 0..BATCH {
        if ring.push(entry).is_err() {
            return;
        }
    }
}

#[inline(never)]
fn theirs_push(ring: &mut IoUring, entry: &io_uring::squeue::Entry) {
    for _ in 0..BATCH {
        // SAFETY: a NOP has no memory of ours.
        if unsafe { ring.submission().push(entry) }.is_err() {
            return;
        }
    }
}

#[inline(never)]
fn ours_submit(ring: &mut Ring) {
    // SAFETY: NOPs have no memory of ours.
    black_box(unsafe { ring.submit() }.is_ok());
}

#[inline(never)]
fn theirs_submit(ring: &mut IoUring) {
    black_box(ring.submit().is_ok());
}

#[inline(never)]
fn ours_wait(ring: &mut Ring) {
    // SAFETY: NOPs have no memory of ours.
    black_box(unsafe { ring.submit_and_wait(1) }.is_ok());
}

#[inline(never)]
fn theirs_wait(ring: &mut IoUring) {
    black_box(ring.submit_and_wait(1).is_ok());
}

#[inline(never)]
fn ours_iterate(ring: &mut Ring) -> u64 {
    let mut sum = 0;
    for done in ring.completions() {
        sum += done.user_data + done.res as u64;
    }
    sum
}

#[inline(never)]
fn theirs_iterate(ring: &mut IoUring) -> u64 {
    let mut sum = 0;
    for done in ring.completion() {
        sum += done.user_data() + done.result() as u64;
    }
    sum
}

#[inline(never)]
fn ours_peek(ring: &mut Ring) -> u64 {
    ring.next_completion().map_or(0, |done| done.user_data)
}

#[inline(never)]
fn theirs_peek(ring: &mut IoUring) -> u64 {
    ring.completion().next().map_or(0, |done| done.user_data())
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [side, piece, rounds] = &words[..] else {
        panic!("pieces ours|theirs PIECE ROUNDS");
    };
    let rounds: u64 = rounds.parse().expect("a number");
    let mut taken = 0;
    if side == "ours" {
        let mut entry = anyring::abi::io_uring_sqe::default();
        prep::nop(&mut entry);
        entry.user_data = 7;
        let mut ring = Ring::new(BATCH as u32).expect("a ring");
        for _ in 0..rounds {
            match &**piece {
                "push" => ours_push(&mut ring, &entry),
                _ => ours_fill(&mut ring),
            }
            match &**piece {
                "wait" => ours_wait(&mut ring),
                _ => ours_submit(&mut ring),
            }
            if piece == "peek" {
                for _ in 0..BATCH {
                    black_box(ours_peek(&mut ring));
                    taken += 1;
                }
            } else {
                black_box(ours_iterate(&mut ring));
                taken += BATCH;
            }
        }
        assert_eq!(ring.cq_ready(), 0, "all were taken");
    } else {
        let entry = opcode::Nop::new().build().user_data(7);
        let mut ring = IoUring::new(BATCH as u32).expect("a ring");
        for _ in 0..rounds {
            match &**piece {
                "push" => theirs_push(&mut ring, &entry),
                _ => theirs_fill(&mut ring),
            }
            match &**piece {
                "wait" => theirs_wait(&mut ring),
                _ => theirs_submit(&mut ring),
            }
            if piece == "peek" {
                for _ in 0..BATCH {
                    black_box(theirs_peek(&mut ring));
                    taken += 1;
                }
            } else {
                black_box(theirs_iterate(&mut ring));
                taken += BATCH;
            }
        }
        assert_eq!(ring.completion().len(), 0, "all were taken");
    }
    println!("{taken}");
}
