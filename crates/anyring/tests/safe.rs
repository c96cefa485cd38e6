//! What safe programs can do with a ring: nothing undefined, whatever they do.
//!
//! No unsafe code here, so all that happens is up to the crate. Random programs run on
//! the scripted kernel, with kernels of all ages, whose enters and registrations fail
//! as the program wishes. Run it under Miri to have every access judged:
//! `cargo +nightly miri test -p anyring --features scripted,std --test safe`.
#![forbid(unsafe_code)]

use anyring::abi::*;
use anyring::kernel::scripted::{Enter, Features, Machine};
use anyring::register::{CloneRange, Signals};
use anyring::{Builder, Errno, Op, PushError, Ring, check};
use proptest::prelude::*;

type Scripted = Ring<&'static Machine>;

#[derive(Clone, Debug)]
enum Step {
    /// An entry is asked for and left alone, or filled.
    Take(bool, u64),
    Take128(u8),
    Push(u8, u64),
    Wait(u32, Option<i64>),
    WaitMin(u32, u32),
    Completions(usize),
    Nested,
    Forget(usize),
    Next,
    GetEvents,
    Split,
    Files(Vec<i32>),
    UpdateFiles(u32, Vec<i32>),
    Sparse(u32, u32),
    Buffers(usize),
    Eventfd(bool, i32),
    Personality(u16),
    Workers(u32, u32),
    Resize(u32, u32),
    Clone(u32, u32, u32),
    Enable,
    Other(u8),
    Script(i32, u8),
    Flags(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let small = 0..70_u32;
    prop_oneof![
        (any::<bool>(), any::<u64>()).prop_map(|(fill, tag)| Step::Take(fill, tag)),
        any::<u8>().prop_map(Step::Take128),
        (any::<u8>(), any::<u64>()).prop_map(|(op, tag)| Step::Push(op, tag)),
        (small.clone(), any::<Option<i64>>()).prop_map(|(nr, time)| Step::Wait(nr, time)),
        (small.clone(), any::<u32>()).prop_map(|(nr, least)| Step::WaitMin(nr, least)),
        (0..9_usize).prop_map(Step::Completions),
        Just(Step::Nested),
        (0..9_usize).prop_map(Step::Forget),
        Just(Step::Next),
        Just(Step::GetEvents),
        Just(Step::Split),
        prop::collection::vec(any::<i32>(), 0..5).prop_map(Step::Files),
        (any::<u32>(), prop::collection::vec(any::<i32>(), 0..5))
            .prop_map(|(at, files)| Step::UpdateFiles(at, files)),
        (any::<u32>(), any::<u32>()).prop_map(|(files, buffers)| Step::Sparse(files, buffers)),
        (0..5_usize).prop_map(Step::Buffers),
        (any::<bool>(), any::<i32>()).prop_map(|(all, fd)| Step::Eventfd(all, fd)),
        any::<u16>().prop_map(Step::Personality),
        (any::<u32>(), any::<u32>()).prop_map(|(a, b)| Step::Workers(a, b)),
        (small.clone(), small).prop_map(|(sq, cq)| Step::Resize(sq, cq)),
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(a, b, c)| Step::Clone(a, b, c)),
        Just(Step::Enable),
        any::<u8>().prop_map(Step::Other),
        (any::<i32>(), any::<u8>()).prop_map(|(error, kind)| Step::Script(error, kind)),
        any::<u32>().prop_map(Step::Flags),
    ]
}

fn time(seconds: i64) -> __kernel_timespec {
    __kernel_timespec {
        tv_sec: seconds,
        tv_nsec: seconds,
    }
}

fn take(ring: &mut Scripted, machine: &'static Machine, step: &Step) {
    match step {
        Step::Take(fill, tag) => {
            if let Some(sqe) = ring.next_sqe() {
                assert_eq!((u32::from(sqe.opcode), sqe.user_data), (IORING_OP_NOP, 0));
                if *fill {
                    sqe.opcode = IORING_OP_READ as u8;
                    sqe.addr = *tag;
                    sqe.user_data = *tag;
                }
            }
        }
        Step::Take128(byte) => {
            if let Some(halves) = ring.next_sqe128() {
                assert_eq!((halves[0].opcode, halves[1].opcode), (0, 0));
                halves[1].opcode = *byte;
            }
        }
        Step::Push(opcode, tag) => {
            let entry = io_uring_sqe {
                opcode: *opcode,
                user_data: *tag,
                ..io_uring_sqe::default()
            };
            let full = ring.sq_space_left() == 0;
            assert_eq!(ring.push_sqe(entry).is_err(), full);
        }
        Step::Wait(nr, seconds) => {
            let timeout = seconds.map(time);
            let _ = ring.wait(*nr, timeout.as_ref());
        }
        Step::WaitMin(nr, least) => {
            let _ = ring.wait_min(*nr, *least, Some(&time(1)));
        }
        Step::Completions(count) => {
            let _ = ring.completions().take(*count).count();
        }
        Step::Nested => {
            let outer = ring.completions();
            for _ in outer {
                let _ = ring.completions().next();
                let _ = ring.next_sqe();
            }
        }
        Step::Forget(count) => {
            let mut forgotten = ring.completions();
            let _ = forgotten.by_ref().take(*count).count();
            let _ = forgotten.next_with_extra();
            std::mem::forget(forgotten);
        }
        Step::Next => {
            let _ = ring.next_completion();
        }
        Step::GetEvents => {
            let _ = ring.get_events();
        }
        Step::Split => {
            let (mut queue, done) = ring.split();
            for _ in done.completions() {
                let _: Result<(), PushError<_>> = queue.push(io_uring_sqe::default());
            }
        }
        Step::Files(files) => {
            let _ = ring.register_files(files);
            let _ = ring.unregister_files();
        }
        Step::UpdateFiles(at, files) => {
            let _ = ring.update_files(*at, files);
        }
        Step::Sparse(files, buffers) => {
            let _ = ring.register_files_sparse(*files);
            let _ = ring.register_buffers_sparse(*buffers);
            let _ = ring.register_file_alloc_range(*files, *buffers);
        }
        Step::Buffers(count) => {
            let none = libc::iovec {
                iov_base: std::ptr::null_mut(),
                iov_len: usize::MAX,
            };
            let _ = ring.register_buffers(&vec![none; *count]);
            let _ = ring.unregister_buffers();
        }
        Step::Eventfd(all, fd) => {
            let signals = if *all { Signals::All } else { Signals::Async };
            let _ = ring.register_eventfd(signals, *fd);
            let _ = ring.unregister_eventfd();
        }
        Step::Personality(id) => {
            let _ = ring.register_personality();
            let _ = ring.unregister_personality(*id);
        }
        Step::Workers(a, b) => {
            let _ = ring.register_iowq_max_workers([*a, *b]);
        }
        Step::Resize(sq, cq) => {
            let _ = ring.resize(*sq, *cq);
        }
        Step::Clone(src_off, dst_off, nr) => {
            let Ok(mut other) = Builder::new(2).build_on(machine) else {
                return;
            };
            let range = CloneRange::new(*src_off, *dst_off, *nr);
            let _ = other.clone_buffers(ring, range, *nr);
        }
        Step::Enable => {
            let _ = ring.enable();
        }
        Step::Other(which) => {
            let _ = ring.set_iowait(*which & 1 != 0);
            let _ = ring.dontfork();
            let _ = ring.wait_for_room();
            let _ = ring.probe().map(|probe| probe.supports(Op(*which)));
            let _ = (ring.cq_ready(), ring.sq_ready(), ring.fd(), ring.features());
            let _ = ring.register_restrictions(&[]);
        }
        Step::Script(error, kind) => {
            let error = -(error.unsigned_abs() as i32 % 4096).max(1);
            match kind % 5 {
                0 => machine.script_enter(&[Enter::Fails(error)]),
                1 => machine.script_enter(&[Enter::Takes(u32::from(*kind) % 3)]),
                2 => machine.script_enter(&[Enter::Holds(u32::from(*kind) % 3)]),
                3 => machine.script_register(&[error]),
                _ => machine.script_mmap(&[Some(error)]),
            }
        }
        Step::Flags(bits) => {
            let kept = IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN | IORING_SQ_NEED_WAKEUP;
            machine.set_sq_flags(ring.fd(), bits & kept);
        }
    }
}

fn features(old: u8) -> Features {
    let mut features = match old % 4 {
        0 => Features::first(),
        _ => Features::new(),
    };
    if old % 4 == 1 {
        features.bits &= !IORING_FEAT_EXT_ARG;
    }
    features
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 300 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_safe_program_is_undefined(
        old in any::<u8>(),
        entries in 0..40_u32,
        flags in prop::sample::select(vec![
            0, IORING_SETUP_SQPOLL, IORING_SETUP_IOPOLL, IORING_SETUP_SQE128, IORING_SETUP_CQE32,
            IORING_SETUP_CLAMP, IORING_SETUP_R_DISABLED, IORING_SETUP_NO_MMAP,
            IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
            IORING_SETUP_REGISTERED_FD_ONLY | IORING_SETUP_NO_MMAP, u32::MAX,
        ]),
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let machine: &'static Machine = Box::leak(Box::new(Machine::new(features(old))));
        if let Ok(mut ring) = Builder::new(entries).flags(flags).build_on(machine) {
            for step in &steps {
                take(&mut ring, machine, step);
            }
        }
        // Whatever failed on the way, nothing is left. (The machine puts both queues
        // of a resized ring at one address, where a kernel has two mappings.)
        if !steps.iter().any(|step| matches!(step, Step::Resize(..))) {
            prop_assert_eq!(machine.open(), (0, 0));
        }
    }

    #[test]
    fn every_number_is_a_result(number in any::<i32>()) {
        for number in [number, i32::MIN, i32::MAX, 0, -1] {
            match check(number) {
                Ok(value) => prop_assert_eq!(value as i32, number),
                Err(errno) => prop_assert!(errno.0 > 0),
            }
            let _ = Errno(number).negative();
            let _ = Errno(number).to_string();
        }
    }
}

#[test]
fn an_entry_left_alone_is_a_nop() {
    let machine: &'static Machine = Box::leak(Box::new(Machine::new(Features::new())));
    for flags in [0, IORING_SETUP_SQE128] {
        let ring = Builder::new(1)
            .flags(flags)
            .build_on(machine)
            .expect("a ring");
        let sqe = ring.next_sqe().expect("room");
        *sqe = io_uring_sqe {
            opcode: IORING_OP_READ as u8,
            addr: 4096,
            user_data: 77,
            ..io_uring_sqe::default()
        };
        assert_eq!(ring.sq_space_left(), 0);
    }
}

#[test]
fn a_smaller_queue_has_to_hold_what_is_queued() {
    let machine: &'static Machine = Box::leak(Box::new(Machine::new(Features::new())));
    let mut ring = Builder::new(2).build_on(machine).expect("a ring");
    for _ in 0..2 {
        assert!(ring.push_sqe(io_uring_sqe::default()).is_ok());
    }
    assert_eq!(ring.resize(1, 2), Err(Errno(libc::EOVERFLOW)));
    assert_eq!((ring.sq_space_left(), ring.sq_ready()), (0, 2));
}

#[test]
fn a_ring_that_may_move_has_a_descriptor_of_its_own() {
    let machine: &'static Machine = Box::leak(Box::new(Machine::new(Features::new())));
    let only = IORING_SETUP_REGISTERED_FD_ONLY | IORING_SETUP_NO_MMAP;
    let made = Builder::new(1).flags(only).build_on(machine);
    assert_eq!(made.map(|_| ()), Err(Errno(libc::EINVAL)));
    let mut local = Builder::new(1).build_local_on(machine).expect("a ring");
    assert_eq!(local.register_ring_fd(), Ok(()));
    assert_eq!(local.register_ring_fd(), Err(Errno(libc::EEXIST)));
    assert_eq!(local.unregister_ring_fd(), Ok(()));
}
