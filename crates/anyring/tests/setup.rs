//! Setting up and taking down, on kernels of all ages, with every step failing.

mod common;

use anyring::abi::*;
use anyring::kernel::Kernel as _;
use anyring::kernel::scripted::{Call, Features, Machine};
use anyring::ring::setup::{
    empty, memory_size, mlock_size, params, queue_exit, queue_init_mem, queue_init_params,
    queue_mmap,
};
use anyring::{Builder, RingRef};
use common::Served;

const EINVAL: i32 = -libc::EINVAL;
const ENOMEM: i32 = -libc::ENOMEM;

/// Runs a setup that is to fail; nothing may stay open.
fn fails(machine: &'static Machine, entries: u32, mut p: io_uring_params) -> i32 {
    let mut raw = empty();
    // SAFETY: both structs are valid.
    let result = unsafe { queue_init_params(machine, entries, &raw mut raw, &raw mut p) };
    assert!(result < 0);
    assert_eq!(machine.open(), (0, 0), "descriptors, mappings");
    result
}

fn machine(features: Features) -> &'static Machine {
    Box::leak(Box::new(Machine::new(features)))
}

#[test]
fn no_index_array_is_tried_first() {
    let new = Served::new(Features::new(), 8, 0);
    assert_ne!(new.raw.flags & IORING_SETUP_NO_SQARRAY, 0);
    assert!(new.raw.sq.array.is_null());
    new.exit();

    let machine = machine(Features::new().with_refused(IORING_SETUP_NO_SQARRAY));
    let (mut raw, mut p) = (empty(), params(IORING_SETUP_CLAMP));
    // SAFETY: both structs are valid.
    let result = unsafe { queue_init_params(machine, 8, &raw mut raw, &raw mut p) };
    assert_eq!(result, 0);
    let setups: Vec<Call> = machine
        .calls()
        .into_iter()
        .filter(|call| matches!(call, Call::Setup(..)))
        .collect();
    assert_eq!(
        setups,
        [
            Call::Setup(8, IORING_SETUP_CLAMP | IORING_SETUP_NO_SQARRAY),
            Call::Setup(8, IORING_SETUP_CLAMP)
        ]
    );
    assert_eq!(p.flags, IORING_SETUP_CLAMP);
    for i in 0..8 {
        // SAFETY: the array has eight words.
        assert_eq!(unsafe { *raw.sq.array.add(i) }, i as u32);
    }
    // SAFETY: set up above.
    unsafe { queue_exit(RingRef::new(&raw mut raw, machine)) };
    assert_eq!(machine.open(), (0, 0));
}

#[test]
fn what_the_caller_asked_for_is_not_tried_without() {
    let machine = machine(Features::first());
    assert_eq!(fails(machine, 8, params(IORING_SETUP_NO_SQARRAY)), EINVAL);
    assert_eq!(machine.calls().len(), 1);
}

#[test]
fn other_errors_are_final() {
    for error in [libc::EPERM, libc::ENOSYS, libc::ENOMEM, libc::EMFILE] {
        let machine = machine(Features::new());
        machine.script_setup(&[-error]);
        assert_eq!(fails(machine, 8, params(0)), -error);
        assert_eq!(machine.calls().len(), 1);
    }
}

#[test]
fn oldest_kernel_maps_three_times() {
    let mut served = Served::new(Features::first(), 8, 0);
    assert!(served.raw.cq.kflags.is_null());
    assert_ne!(served.raw.sq.ring_sz, served.raw.cq.ring_sz);
    assert_eq!(served.machine.open(), (1, 3));
    served.nop(1);
    assert_eq!(served.ring().submit(), 1);
    assert_eq!(served.take(), Some((1, 0)));
    served.exit();
}

#[test]
fn each_failing_mapping_leaves_nothing() {
    for single in [true, false] {
        let steps = if single { 2 } else { 3 };
        for step in 0..steps {
            let mut features = Features::new();
            if !single {
                features.bits &= !IORING_FEAT_SINGLE_MMAP;
            }
            let machine = machine(features);
            let mut script = vec![None; step];
            script.push(Some(ENOMEM));
            machine.script_mmap(&script);
            assert_eq!(fails(machine, 8, params(0)), ENOMEM);
        }
    }
}

#[test]
fn memory_of_ones_own() {
    const HUGE: usize = 2 << 20;
    // (entries, setup flags, lengths of the anonymous mappings)
    let cases: [(u32, u32, &[usize]); 4] = [
        (8, 0, &[4096, 4096]),
        (64, 0, &[4096, 4096]),
        (128, 0, &[HUGE]),
        (32768, 0, &[HUGE, HUGE]),
    ];
    for (entries, flags, lengths) in cases {
        let served = Served::new(Features::new(), entries, flags | IORING_SETUP_NO_MMAP);
        assert_eq!(served.machine.open(), (1, lengths.len()), "{entries}");
        served.exit();
        let machine = machine(Features::new());
        let (mut raw, mut p) = (empty(), params(flags | IORING_SETUP_NO_MMAP));
        // SAFETY: both structs are valid.
        let result = unsafe { queue_init_params(machine, entries, &raw mut raw, &raw mut p) };
        assert_eq!(result, 0);
        let mapped: Vec<usize> = machine
            .calls()
            .into_iter()
            .filter_map(|call| match call {
                Call::Mmap(length, -1, 0) => Some(length),
                _ => None,
            })
            .collect();
        assert_eq!(mapped, lengths, "{entries}");
    }
    // Larger than a huge page.
    let large = params(IORING_SETUP_NO_MMAP | IORING_SETUP_SQE128);
    assert_eq!(fails(machine(Features::new()), 32768, large), ENOMEM);
}

#[test]
fn memory_of_ones_own_is_unmapped_when_something_fails() {
    let machine_a = machine(Features::new());
    machine_a.script_mmap(&[None, Some(ENOMEM)]);
    assert_eq!(fails(machine_a, 8, params(IORING_SETUP_NO_MMAP)), ENOMEM);
    let machine_b = machine(Features::new());
    machine_b.script_setup(&[-libc::EPERM]);
    assert_eq!(
        fails(machine_b, 8, params(IORING_SETUP_NO_MMAP)),
        -libc::EPERM
    );
    // Refused for good: mapped twice, unmapped twice.
    let machine_c = machine(Features::first());
    assert_eq!(fails(machine_c, 8, params(IORING_SETUP_NO_MMAP)), EINVAL);
}

#[test]
fn memory_of_the_caller() {
    let machine = machine(Features::new());
    let mut buffer = vec![0_u64; 2048];
    let start = buffer.as_mut_ptr().cast();
    let (mut raw, mut p) = (empty(), params(0));
    // SAFETY: all valid; the machine does not insist on alignment.
    unsafe {
        assert_eq!(
            queue_init_mem(machine, 8, &raw mut raw, &raw mut p, start, 8191),
            ENOMEM
        );
        p = params(0);
        assert_eq!(
            queue_init_mem(machine, 8, &raw mut raw, &raw mut p, start, 16384),
            8192
        );
        assert_eq!(raw.sq.sqes.cast(), start);
        assert_eq!(raw.cq.ring_ptr, start.byte_add(4096));
        assert_eq!((raw.sq.ring_sz, raw.cq.ring_sz, raw.sq.sqes_sz), (0, 0, 0));
        machine.calls();
        queue_exit(RingRef::new(&raw mut raw, machine));
    }
    assert!(
        !machine
            .calls()
            .iter()
            .any(|call| matches!(call, Call::Munmap(_)))
    );
    assert_eq!(machine.open(), (0, 0));
}

#[test]
fn registered_fd_only() {
    let alone = machine(Features::new());
    assert_eq!(
        fails(alone, 8, params(IORING_SETUP_REGISTERED_FD_ONLY)),
        EINVAL
    );
    assert_eq!(alone.calls(), []);
    let mut served = Served::new(
        Features::new(),
        8,
        IORING_SETUP_REGISTERED_FD_ONLY | IORING_SETUP_NO_MMAP,
    );
    assert_eq!(served.raw.ring_fd, -1);
    assert_eq!(served.ring().register_ring_fd(), -libc::EEXIST);
    served.nop(3);
    assert_eq!(served.ring().submit(), 1);
    assert_eq!(served.enters(), [(1, 0, IORING_ENTER_REGISTERED_RING)]);
    served.exit();
}

#[test]
fn mapping_a_bare_ring() {
    let machine = machine(Features::new());
    let mut p = params(IORING_SETUP_IOPOLL);
    // SAFETY: the params are valid.
    let fd = unsafe { machine.setup(8, &raw mut p) };
    let mut raw = empty();
    // SAFETY: as the machine filled them.
    let result = unsafe { queue_mmap(machine, fd, &raw const p, &raw mut raw) };
    assert_eq!(result, 0);
    // SAFETY: the array is mapped; it stays the caller's to fill.
    assert_eq!(unsafe { *raw.sq.array.add(1) }, 0);
    // Not marked as a ring that has to be entered.
    machine.calls();
    // SAFETY: mapped above.
    let ring = unsafe { RingRef::new(&raw mut raw, machine) };
    assert_eq!(ring.peek_cqe().result, -libc::EAGAIN);
    assert_eq!(machine.calls(), []);
    // A failing map does not close the fd.
    machine.script_mmap(&[Some(ENOMEM)]);
    let mut other = empty();
    // SAFETY: as above.
    let result = unsafe { queue_mmap(machine, fd, &raw const p, &raw mut other) };
    assert_eq!(result, ENOMEM);
    assert_eq!(machine.open().0, 1);
}

#[test]
fn exit_in_order_and_once() {
    let mut served = Served::new(Features::first(), 8, 0);
    let ring = served.ring();
    assert_eq!(ring.register_ring_fd(), 1);
    served.machine.calls();
    // SAFETY: used only to take it down again.
    unsafe { queue_exit(ring) };
    let kinds: Vec<char> = served
        .machine
        .calls()
        .iter()
        .map(|call| match call {
            Call::Munmap(_) => 'm',
            Call::Register(..) => 'r',
            Call::Close(_) => 'c',
            _ => '?',
        })
        .collect();
    assert_eq!(kinds, ['m', 'm', 'm', 'r', 'c']);
    // SAFETY: a second exit finds nothing.
    unsafe { queue_exit(ring) };
    assert_eq!(served.machine.calls(), []);
}

#[test]
fn dontfork_covers_each_mapping() {
    let mut served = Served::new(Features::first(), 8, 0);
    let (sq, cq) = (served.raw.sq.ring_sz, served.raw.cq.ring_sz);
    assert_eq!(served.ring().dontfork(), 0);
    assert_eq!(
        served.machine.calls(),
        [Call::Madvise(8 * 64), Call::Madvise(sq), Call::Madvise(cq)]
    );
    served.machine.script_mmap(&[None, Some(ENOMEM)]);
    assert_eq!(served.ring().dontfork(), ENOMEM);
    assert_eq!(served.machine.calls().len(), 2);
    served.exit();
    let mut single = Served::new(Features::new(), 8, 0);
    assert_eq!(single.ring().dontfork(), 0);
    assert_eq!(single.machine.calls().len(), 2);
    let mut raw = empty();
    // SAFETY: only looked at.
    let unset = unsafe { RingRef::new(&raw mut raw, single.machine) };
    assert_eq!(unset.dontfork(), EINVAL);
    single.exit();
}

#[test]
fn resize_keeps_the_ring_when_a_mapping_fails() {
    for step in 0..3 {
        let mut served = Served::new(Features::new(), 4, 0);
        let before = *served.raw;
        let mut p = params(0);
        p.sq_entries = 16;
        let mut script = vec![None; step];
        script.push(Some(ENOMEM));
        served.machine.script_mmap(&script);
        // SAFETY: valid params, no other user. Zeroed features: three mappings.
        assert_eq!(unsafe { served.ring().resize(&raw mut p) }, ENOMEM);
        assert_eq!(p.flags, 0);
        assert_eq!(served.raw.sq.sqes, before.sq.sqes);
        assert_eq!(served.raw.cq.khead, before.cq.khead);
        assert_eq!(served.raw.sq.ring_entries, 4);
        served.exit();
    }
}

#[test]
fn resize_keeps_heads_and_tails() {
    let mut served = Served::new(Features::new(), 4, 0);
    served.nop(1);
    assert_eq!(served.ring().submit(), 1);
    let mut p = params(0);
    p.sq_entries = 16;
    p.features = IORING_FEAT_SINGLE_MMAP;
    // SAFETY: valid params, no other user.
    assert_eq!(unsafe { served.ring().resize(&raw mut p) }, 0);
    assert_eq!(served.raw.sq.ring_entries, 16);
    assert_eq!((served.raw.sq.sqe_head, served.raw.sq.sqe_tail), (1, 1));
    assert_eq!(served.machine.open(), (1, 2));
    served.exit();
    // Refused by the kernel: nothing changes.
    let mut served = Served::new(Features::new(), 4, 0);
    served.machine.script_register(&[-libc::EINVAL]);
    let mut p = params(IORING_SETUP_CQSIZE);
    // SAFETY: as above.
    assert_eq!(unsafe { served.ring().resize(&raw mut p) }, EINVAL);
    assert_eq!(p.flags, 0);
    assert_eq!(served.raw.sq.ring_entries, 4);
    served.exit();
    // Without mmap: not even asked.
    let mut served = Served::new(Features::new(), 4, IORING_SETUP_NO_MMAP);
    let mut p = params(IORING_SETUP_CQSIZE);
    // SAFETY: as above.
    assert_eq!(unsafe { served.ring().resize(&raw mut p) }, EINVAL);
    assert_eq!(p.flags, IORING_SETUP_CQSIZE);
    assert_eq!(served.machine.calls(), []);
    served.exit();
}

#[test]
fn sizes() {
    let machine = machine(Features::new());
    assert_eq!(memory_size(machine, 8, &params(0)), 8192);
    assert_eq!(memory_size(machine, 0, &params(0)), EINVAL as isize);
    assert_eq!(mlock_size(machine, 8, &params(0)), 0);
    assert_eq!(machine.open(), (0, 0));
    let mut old = Features::new();
    old.bits &= !IORING_FEAT_NATIVE_WORKERS;
    let old = Box::leak(Box::new(Machine::new(old)));
    assert_eq!(mlock_size(&*old, 8, &params(0)), 8192);
    old.script_setup(&[-libc::ENOMEM]);
    assert_eq!(mlock_size(&*old, 8, &params(0)), 8192);
    assert_eq!(old.open(), (0, 0));
}

#[test]
fn the_owner_cleans_up() {
    let machine = machine(Features::new());
    {
        let mut ring = Builder::new(4)
            .cq_entries(32)
            .build_on(machine)
            .expect("a ring");
        anyring::prep::prep_nop(ring.next_sqe().expect("room"));
        // SAFETY: a nop has no memory.
        assert_eq!(unsafe { ring.submit() }, Ok(1));
        assert_eq!(ring.completions().count(), 1);
        assert_eq!(ring.cq_ready(), 0);
    }
    assert_eq!(machine.open(), (0, 0));
}
