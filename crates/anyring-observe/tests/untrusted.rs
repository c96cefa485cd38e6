//! What comes from the observed program is not trusted.

use std::time::Duration;

use anyring_abi::{IORING_CQE_F_MORE, IORING_CQE_F_NOTIF, IORING_OP_SEND_ZC, io_uring_sqe};
use anyring_observe::layout::Layout;
use anyring_observe::model::Ring;
use anyring_observe::queues::{Memory, Queues};
use anyring_observe::{Cqe, Event, Happening, Model, Pair, fdinfo, names, sys};
use proptest::prelude::*;

/// Memory that another process wrote.
struct Bytes(Vec<u8>);

impl Memory for Bytes {
    fn queues(&self, at: usize, to: &mut [u8]) -> bool {
        self.0
            .get(at..at + to.len())
            .map(|from| to.copy_from_slice(from))
            .is_some()
    }

    fn entries(&self, at: usize, to: &mut [u8]) -> bool {
        self.queues(at, to)
    }
}

fn layout() -> Layout {
    let mut p = sys::params();
    (p.sq_entries, p.cq_entries) = (8, 16);
    (
        p.sq_off.tail,
        p.sq_off.dropped,
        p.sq_off.flags,
        p.sq_off.array,
    ) = (4, 32, 36, 320);
    (
        p.cq_off.head,
        p.cq_off.tail,
        p.cq_off.overflow,
        p.cq_off.cqes,
    ) = (8, 12, 44, 64);
    Layout::of_params(&p).unwrap()
}

proptest! {
    #[test]
    fn any_memory(mut looks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 1..6), flags in any::<u32>()) {
        let mut queues = Queues::new(layout().with(flags));
        let mut out = Vec::new();
        for bytes in looks.drain(..) {
            let memory = Bytes(bytes);
            if let Some(words) = queues.words(&memory, &mut out) {
                queues.published(&words, &memory, &mut out);
                queues.remember(&words, &memory);
                queues.taken(&words, &mut out);
                queues.completed(&words, &memory, &mut out);
            }
        }
        // No more than a queue holds is taken from a look.
        prop_assert!(out.len() < 6 * 64);
    }

    #[test]
    fn any_params(words in prop::array::uniform32(any::<u32>())) {
        let mut p = sys::params();
        (p.sq_entries, p.cq_entries, p.flags) = (words[0], words[1], words[2]);
        (p.sq_off.head, p.sq_off.array, p.cq_off.cqes) = (words[3], words[4], words[5]);
        if let Ok(layout) = Layout::of_params(&p) {
            prop_assert!(layout.sq_entries.is_power_of_two() && layout.sqe_bytes() <= 65536 * 128);
        }
        let header: [u32; 16] = words[..16].try_into().unwrap();
        let _ = Layout::inferred(&header, &fdinfo::FdInfo::default());
    }

    #[test]
    fn any_fdinfo(text in "(SqMask|SQEs|CQEs|PollList|CqOverflowList|  op|:|=|,|\t|\n|-?[0-9a-fx]{1,25}|\\PC){0,60}") {
        let _ = fdinfo::parse(&text);
    }

    #[test]
    fn fdinfo_of_the_kernel(mask in 0..16u32, head: u32, tail: u32, data: u64, res: i32, big: bool) {
        let mask = (1 << mask) - 1;
        let extra = if big { ", extra1:7, extra2:8" } else { "" };
        let text = format!("pos:\t0\nSqMask:\t{mask:#x}\nSqHead:\t{head}\nSqTail:\t{tail}\nCqMask:\t0x1\nSQEs:\t1\n    0: opcode:NOP, fd:-1, flags:0, off:0, addr:0x0, rw_flags:0x0, buf_index:0 user_data:0\nCQEs:\t1\n    3: user_data:{data}, res:{res}, flag:0{extra}\nSqThread:\t-1\nSqTotalTime:\t0\nUserFiles:\t2\nPollList:\n  op=6, task_works=0\nCqOverflowList:\n  user_data=1, res=0, flags=0\nNAPI:\tdisabled\n");
        let info = fdinfo::parse(&text);
        prop_assert_eq!((info.sq_mask, info.sq_head, info.sq_tail), (Some(mask), Some(head), Some(tail)));
        prop_assert_eq!(&info.unread, &[fdinfo::Unread { user_data: data, res, big }]);
        prop_assert_eq!((info.pending, info.polls, info.overflow, info.sq_thread), (vec![false], vec![6], 1, Some(-1)));
        prop_assert_eq!((info.user_files, info.user_bufs), (Some(2), None));
    }

    #[test]
    fn names_do_nothing_to_a_terminal(name in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(names::escape(&name).chars().all(|c| !c.is_control()));
    }
}

#[test]
fn absurd_heads_are_said_once() {
    let mut bytes = vec![0; 1024];
    bytes[4..8].copy_from_slice(&0x8000_0000_u32.to_ne_bytes());
    let (mut queues, mut out, memory) = (Queues::new(layout()), Vec::new(), Bytes(bytes));
    assert!(queues.words(&memory, &mut out).is_none());
    assert!(queues.words(&memory, &mut out).is_none());
    assert!(matches!(&out[..], [Happening::Note(_)]));
}

#[test]
fn a_queue_that_wraps_counts_what_it_lost() {
    let mut bytes = vec![0; 1024];
    for at in [0, 4] {
        bytes[at..at + 4].copy_from_slice(&20_u32.to_ne_bytes());
    }
    bytes[12..16].copy_from_slice(&40_u32.to_ne_bytes());
    bytes[8..12].copy_from_slice(&40_u32.to_ne_bytes());
    let (mut queues, mut out, memory) = (Queues::new(layout()), Vec::new(), Bytes(bytes));
    let words = queues.words(&memory, &mut out).unwrap();
    queues.published(&words, &memory, &mut out);
    queues.taken(&words, &mut out);
    queues.completed(&words, &memory, &mut out);
    let count = |wanted: fn(&Happening) -> u64| out.iter().map(wanted).sum::<u64>();
    // What is in the slots was not there before it was taken, for all that is known.
    assert_eq!(
        count(|what| u64::from(matches!(what, Happening::Submitted(_)))),
        0
    );
    assert_eq!(
        count(|what| u64::from(matches!(what, Happening::Completed(_)))),
        16
    );
    let lost = |what: &Happening| match what {
        Happening::Lost {
            submissions,
            completions,
            taken,
        } => taken * 1_000_000 + submissions * 1000 + completions,
        _ => 0,
    };
    assert_eq!(count(lost), 8 * 1_000_000 + 20 * 1000 + 24);
}

fn model() -> (Model, impl Fn(&mut Model, Happening) -> Option<Pair>) {
    let take = |model: &mut Model, what| {
        model.take(&Event {
            at: Duration::ZERO,
            pid: 1,
            tid: 1,
            ring: 1,
            fd: 3,
            what,
        })
    };
    (Model::default(), take)
}

fn cqe(user_data: u64, res: i32, flags: u32) -> Happening {
    Happening::Completed(Cqe {
        user_data,
        res,
        flags,
        big: None,
    })
}

#[test]
fn completions_find_their_requests() {
    let (mut model, take) = model();
    let sqe = |flags: u32, opcode: u32| {
        Happening::Submitted(io_uring_sqe {
            flags: flags as u8,
            opcode: opcode as u8,
            user_data: 7,
            ..Default::default()
        })
    };
    // Three with one user_data, the first linked to the second; the third posts twice.
    take(&mut model, sqe(1 << 2, 22));
    take(&mut model, sqe(0, 22));
    take(&mut model, sqe(0, IORING_OP_SEND_ZC));
    let ring = |model: &Model| model.ring(1).map(Ring::in_flight).unwrap();
    let requests = model.ring(1).unwrap().requests();
    assert_eq!(
        requests
            .iter()
            .map(|r| (r.number, r.after))
            .collect::<Vec<_>>(),
        [(1, None), (2, Some(1)), (3, None)]
    );
    let paired = |pair| match pair {
        Some(Pair::Completion(request, last)) => (request.number, last),
        _ => (0, false),
    };
    assert_eq!(paired(take(&mut model, cqe(7, 1, 0))), (1, true));
    assert_eq!(paired(take(&mut model, cqe(7, 1, 0))), (2, true));
    assert_eq!(
        paired(take(&mut model, cqe(7, 1, IORING_CQE_F_MORE))),
        (3, false)
    );
    assert_eq!(ring(&model), 1);
    assert_eq!(
        paired(take(&mut model, cqe(7, 0, IORING_CQE_F_NOTIF))),
        (3, true)
    );
    assert_eq!(ring(&model), 0);
    assert!(matches!(
        take(&mut model, cqe(7, 0, 0)),
        Some(Pair::Unknown)
    ));
    // A multishot request stays until its last completion; a quiet one is not waited for.
    take(&mut model, sqe(0, 13));
    assert_eq!(
        paired(take(&mut model, cqe(7, 4, IORING_CQE_F_MORE))),
        (4, false)
    );
    assert_eq!(
        paired(take(&mut model, cqe(7, 5, IORING_CQE_F_MORE))),
        (4, false)
    );
    take(&mut model, sqe(1 << 6, 22));
    assert_eq!(ring(&model), 1);
    assert_eq!(paired(take(&mut model, cqe(7, -9, 0))), (4, true));
    assert_eq!(paired(take(&mut model, cqe(7, -9, 0))), (5, true));
}
