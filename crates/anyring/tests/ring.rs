//! The safe interface of a ring, on this machine's kernel, on the engine and on the
//! scripted kernel: iteration, queues, disabled rings, registrations, buffers.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyring::abi::*;
use anyring::flags::{CqeFlags, FeatureFlags, SetupFlags, SqeFlags};
use anyring::kernel::scripted::{Enter, Features, Machine};
use anyring::{
    Builder, CancelSync, ClockId, Errno, Kernel, Linux, Napi, NapiTracking, Op, PushError,
    RecvMsgOut, Restriction, Ring, WaitArgs, prep,
};
use anyring_engine::{BuiltIn, Choice, KernelOrEngine, choose};
use proptest::prelude::*;

fn machine() -> &'static Machine {
    Box::leak(Box::new(Machine::new(Features::new())))
}

fn engine() -> KernelOrEngine<BuiltIn> {
    choose(Some(Choice::Userspace));
    KernelOrEngine::new()
}

/// A ring, or the reason why there is none.
fn ring<K: Kernel>(builder: Builder, kernel: K) -> Option<Ring<K>> {
    builder
        .build_on(kernel)
        .map_err(|error| println!("skipped: no such ring here: {error}"))
        .ok()
}

fn nops<K: Kernel>(ring: &mut Ring<K>, tags: std::ops::Range<u64>) {
    for tag in tags {
        let sqe = ring.next_sqe().expect("room");
        sqe.user_data = tag;
    }
    // SAFETY: nops have no memory of ours.
    unsafe { ring.submit() }.expect("a submit");
}

fn iteration<K: Kernel>(kernel: K) {
    let builder = Builder::new(4).cq_entries(4);
    let Some(mut ring) = ring(builder, kernel) else {
        return;
    };
    nops(&mut ring, 0..4);
    {
        let mut first = ring.completions();
        assert_eq!(first.size_hint(), (4, None));
        assert_eq!(first.next().map(|done| done.user_data), Some(0));
        // Another meanwhile finds nothing, and takes nothing.
        assert_eq!(ring.completions().next(), None);
        assert_eq!(ring.completions().size_hint(), (0, Some(0)));
        assert_eq!(first.next().map(|done| done.user_data), Some(1));
        // What is not taken stays.
    }
    assert_eq!(ring.cq_ready(), 2);
    // One that is forgotten gives nothing back.
    let mut forgotten = ring.completions();
    assert_eq!(forgotten.next().map(|done| done.user_data), Some(2));
    std::mem::forget(forgotten);
    assert_eq!(ring.next_completion().map(|done| done.user_data), Some(2));
    let mut rest = ring.completions();
    assert_eq!(rest.next().map(|done| done.user_data), Some(3));
    for _ in 0..3 {
        assert_eq!(rest.next(), None, "fused");
    }
    drop(rest);
    // Ten in a queue of four: the end of an iteration fetches what has overflowed.
    for start in [0, 4, 8] {
        nops(&mut ring, start..(start + 4).min(10));
    }
    assert!(ring.cq_has_overflow());
    let tags: Vec<u64> = ring.completions().map(|done| done.user_data).collect();
    assert_eq!(tags, (0..10).collect::<Vec<_>>());
    assert!(!ring.cq_has_overflow());
    for start in [0, 4, 8] {
        nops(&mut ring, start..(start + 4).min(10));
    }
    let mut count = 0;
    while let Some(done) = ring.next_completion() {
        assert_eq!(done.user_data, count);
        count += 1;
    }
    assert_eq!((count, ring.cq_overflow(), ring.sq_dropped()), (10, 0, 0));
    assert_eq!((ring.sq_entries(), ring.cq_entries()), (4, 4));
}

#[test]
fn iteration_everywhere() {
    iteration(Linux);
    iteration(engine());
    iteration(machine());
}

fn pushes<K: Kernel>(kernel: K) {
    let Some(mut ring) = ring(Builder::new(4), kernel) else {
        return;
    };
    let entry = |tag| io_uring_sqe {
        user_data: tag,
        ..io_uring_sqe::default()
    };
    let three = [entry(0), entry(1), entry(2)];
    ring.push_all(&three).expect("room for three");
    let refused = ring.push_all(&three).expect_err("no room for three more");
    assert_eq!(refused.into_inner().len(), 3);
    assert_eq!(ring.sq_ready(), 3, "none of them was queued");
    ring.push(entry(3)).expect("room for one");
    let PushError(back) = ring.push(entry(4)).expect_err("full");
    assert_eq!(back.user_data, 4);
    // SAFETY: nops have no memory of ours.
    assert_eq!(unsafe { ring.submit_and_wait(4) }, Ok(4));
    let tags: Vec<u64> = ring.completions().map(|done| done.user_data).collect();
    assert_eq!(tags, [0, 1, 2, 3]);
}

#[test]
fn pushes_everywhere() {
    pushes(Linux);
    pushes(engine());
    pushes(machine());
}

#[test]
fn large_entries_come_whole() {
    for (flag, nop) in [
        (SetupFlags::CQE32, 0),
        (SetupFlags::CQE_MIXED, IORING_NOP_CQE32),
    ] {
        let Some(mut ring) = ring(Builder::new(4).flags(flag), Linux) else {
            continue;
        };
        for tag in 0..3 {
            let sqe = ring.next_sqe().expect("room");
            sqe.user_data = tag;
            // One of them is small where both are possible.
            sqe.op_flags = if tag == 1 { 0 } else { nop };
        }
        // SAFETY: nops have no memory of ours.
        unsafe { ring.submit_and_wait(3) }.expect("three");
        let mut done = ring.completions();
        for tag in 0..3 {
            let (completion, extra) = done.next_with_extra().expect("one");
            assert_eq!((completion.user_data, extra), (tag, [0; 2]), "{flag:?}");
            let large = flag == SetupFlags::CQE_MIXED && tag != 1;
            assert_eq!(completion.cqe_flags().contains(CqeFlags::ENTRY_32), large);
        }
        assert!(done.next_with_extra().is_none());
        drop(done);
        assert_eq!(ring.cq_ready(), 0);
    }
}

fn disabled<K: Kernel>(kernel: K, restricts: bool) {
    let made = Builder::new(4).single_issuer().build_disabled_on(kernel);
    let mut disabled = match made {
        Ok(disabled) => disabled,
        Err(error) => return println!("skipped: no such ring here: {error}"),
    };
    disabled
        .register_restrictions(&[
            Restriction::sqe_op(Op::Nop),
            Restriction::sqe_flags_allowed(SqeFlags::IO_LINK),
            Restriction::register(IORING_REGISTER_ENABLE_RINGS as u8),
        ])
        .expect("restrictions");
    let mut ring = disabled.enable().expect("it was not");
    for tag in 0..3 {
        let sqe = ring.next_sqe().expect("room");
        match tag {
            0 => prep::nop(sqe),
            1 => prep::fsync(sqe, 0, 0),
            _ => sqe.flags = SqeFlags::ASYNC.bits(),
        }
        sqe.user_data = tag;
        // SAFETY: none of them has memory of ours.
        unsafe { ring.submit_and_wait(1) }.expect("one");
        let done = ring.next_completion().expect("one");
        let wanted = if restricts && tag != 0 {
            Err(Errno::EACCES)
        } else {
            Ok(0)
        };
        assert_eq!(done.result(), wanted, "{tag}");
    }
    let registered = ring.register_files(&[-1]);
    if restricts {
        assert_eq!(registered, Err(Errno::EACCES));
    }
}

#[test]
fn what_a_disabled_ring_was_told_holds() {
    disabled(Linux, true);
    disabled(engine(), true);
    disabled(machine(), false);
}

fn registered_waits<K: Kernel>(kernel: K) {
    let Ok(mut disabled) = Builder::new(4).build_disabled_on(kernel) else {
        return println!("skipped: no disabled rings here");
    };
    match disabled.register_waits(2) {
        Ok(()) => {}
        Err(error) => return println!("skipped: no registered waits here: {error}"),
    }
    assert_eq!(disabled.register_waits(2), Err(Errno::EBUSY));
    let short = __kernel_timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };
    disabled
        .set_wait(1, WaitArgs::new().timeout(short))
        .expect("the second");
    let mut ring = disabled.enable().expect("it was not");
    assert_eq!(ring.set_wait(2, WaitArgs::new()), Err(Errno::ERANGE));
    let start = Instant::now();
    let waited = loop {
        // SAFETY: nothing is queued.
        match unsafe { ring.submit_and_wait_registered(1, 1) } {
            // The work of rings of other threads interrupts.
            Err(Errno::EINTR) => {}
            waited => break waited,
        }
    };
    assert_eq!(waited, Err(Errno::ETIME));
    assert!(start.elapsed() >= Duration::from_millis(15));
    // SAFETY: nothing is queued.
    let beyond = unsafe { ring.submit_and_wait_registered(1, 2) };
    assert_eq!(beyond, Err(Errno::ERANGE));
    let least = WaitArgs::new().timeout(short).min_wait_usec(1000);
    ring.set_wait(0, least).expect("the first");
    ring.next_sqe().expect("room").user_data = 9;
    // SAFETY: a nop has no memory of ours.
    assert_eq!(unsafe { ring.submit_and_wait_registered(2, 0) }, Ok(1));
    assert_eq!(ring.completions().count(), 1);
}

#[test]
fn waits_as_registered() {
    registered_waits(Linux);
    registered_waits(engine());
    let Some(mut ring) = ring(Builder::new(1), machine()) else {
        return;
    };
    assert_eq!(ring.set_wait(0, WaitArgs::new()), Err(Errno::ENXIO));
}

#[test]
fn a_minimum_wait_ends_with_what_is_there() {
    let Some(mut ring) = ring(Builder::new(4), Linux) else {
        return;
    };
    if !ring.features().contains(FeatureFlags::MIN_TIMEOUT) {
        return println!("skipped: Linux 6.12 has minimum waits");
    }
    ring.next_sqe().expect("room").user_data = 1;
    let long = __kernel_timespec {
        tv_sec: 60,
        tv_nsec: 0,
    };
    // SAFETY: a nop has no memory of ours.
    let taken = unsafe { ring.submit_and_wait_min(2, 1000, Some(&long)) };
    assert_eq!(taken, Ok(1));
    assert_eq!(ring.completions().count(), 1);
}

#[test]
fn registrations_of_linux() {
    let Some(mut ring) = ring(Builder::new(4), Linux) else {
        return;
    };
    let old = |what: &str, error: Errno| println!("skipped: {what} is not to be had: {error}");
    if let Err(error) = ring.register_clock(ClockId::Boottime) {
        old("a clock", error);
    }
    match ring.register_napi(Napi::new(50).prefer_busy_poll()) {
        Ok(before) => {
            assert_eq!((before.busy_poll_usec, before.prefer_busy_poll), (0, false));
            // Without static tracking there are no queues to add.
            assert_eq!(ring.register_napi_add_id(12345), Err(Errno::EINVAL));
            let was = ring.unregister_napi().expect("it is registered");
            assert_eq!((was.busy_poll_usec, was.prefer_busy_poll), (50, true));
            match ring.register_napi(Napi::new(7).tracking(NapiTracking::Static)) {
                Ok(before) => {
                    assert_eq!(before.tracking, NapiTracking::Inactive);
                    assert_eq!(ring.register_napi_add_id(12345), Ok(()));
                    assert_eq!(ring.register_napi_add_id(12345), Err(Errno::EEXIST));
                    assert_eq!(ring.register_napi_del_id(12345), Ok(()));
                    assert_eq!(ring.register_napi_del_id(12345), Err(Errno::ENOENT));
                }
                Err(error) => old("static tracking", error),
            }
        }
        Err(error) => old("busy polling", error),
    }
    let mut queue = io_uring_zcrx_ifq_reg {
        if_idx: u32::MAX,
        if_rxq: 0,
        rq_entries: 0,
        flags: 0,
        area_ptr: 0,
        region_ptr: 0,
        offsets: io_uring_zcrx_offsets {
            head: 0,
            tail: 0,
            rqes: 0,
            __resv2: 0,
            __resv: [0; 2],
        },
        zcrx_id: 0,
        rx_buf_len: 0,
        __resv: [0; 3],
    };
    // SAFETY: it names no memory.
    let refused = unsafe { ring.register_ifq(&mut queue) };
    assert!(
        matches!(refused, Err(Errno::EINVAL | Errno::EPERM)),
        "{refused:?}"
    );
    match ring.register_iowq_affinity(&[1]) {
        Ok(()) => assert_eq!(ring.unregister_iowq_affinity(), Ok(())),
        Err(error) => old("the affinity of workers", error),
    }
    // Tags come when the kernel has let go.
    let files = ring.register_files_tagged(&[0, -1], &[7, 0]);
    if let Err(error) = files {
        return old("a tag", error);
    }
    assert_eq!(
        ring.register_files_tagged(&[0], &[]),
        Err(Errno::EINVAL),
        "as many tags as files"
    );
    ring.unregister_files().expect("there are some");
    let second = Duration::from_secs(10);
    let start = Instant::now();
    let mut tags = Vec::new();
    while tags.is_empty() && start.elapsed() < second {
        let _ = ring.get_events();
        tags.extend(ring.completions().map(|done| done.user_data));
    }
    assert_eq!(tags, [7]);
    let mut bytes = [0_u8; 8];
    let vector = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: 8,
    };
    ring.register_buffers_tagged(&[vector], &[8])
        .expect("a buffer");
    assert_eq!(ring.update_buffers(0, &[vector], &[9]), Ok(1));
    assert_eq!(ring.update_buffers(1, &[vector], &[9]), Err(Errno::EINVAL));
    ring.unregister_buffers().expect("there are some");
}

#[test]
fn cancelled_at_once() {
    let Some(mut ring) = ring(Builder::new(4), Linux) else {
        return;
    };
    let (reader, _writer) = UnixStream::pair().expect("a pair");
    let mut byte = 0_u8;
    for tag in [5, 5, 6] {
        let sqe = ring.next_sqe().expect("room");
        prep::read(sqe, reader.as_raw_fd(), (&raw mut byte).cast(), 1, 0);
        sqe.user_data = tag;
    }
    let sqe = ring.next_sqe().expect("room");
    prep::poll_add(sqe, reader.as_raw_fd(), libc::POLLIN as u32);
    // SAFETY: the byte outlives the requests, whose end is seen below.
    assert_eq!(unsafe { ring.submit() }, Ok(4));
    match ring.cancel_sync(CancelSync::Op(Op::PollAdd), None) {
        Err(Errno::EINVAL) => println!("skipped: Linux 6.6 cancels by operation"),
        done => assert_eq!(done, Ok(1)),
    }
    match ring.cancel_sync(CancelSync::AllOfUserData(5), None) {
        Err(Errno::EINVAL) => println!("skipped: Linux 6.0 cancels at once"),
        done => assert_eq!(done, Ok(2)),
    }
    let _ = ring.cancel_sync(CancelSync::Fd(reader.as_raw_fd()), None);
    let left = ring.cancel_sync(CancelSync::All, None);
    assert!(
        matches!(left, Ok(0) | Err(Errno::ENOENT | Errno::EINVAL)),
        "{left:?}"
    );
    ring.wait(4, None).expect("all of them end");
    let ends: Vec<i32> = ring.completions().map(|done| done.res).collect();
    assert_eq!(ends, [-libc::ECANCELED; 4]);
}

fn provided<K: Kernel>(kernel: K) {
    let Some(mut ring) = ring(Builder::new(4), kernel) else {
        return;
    };
    let (reader, mut writer) = UnixStream::pair().expect("a pair");
    for _ in 0..3 {
        // Registered anew each time: a drop unregisters the group.
        let (mut queue, done) = ring.split();
        assert_eq!(queue.buf_ring(3, 3, 4).err(), Some(Errno::EINVAL));
        assert_eq!(queue.buf_ring(3, 4, 0).err(), Some(Errno::EINVAL));
        let mut buffers = match queue.buf_ring(3, 2, 4) {
            Ok(buffers) => buffers,
            Err(error) => return println!("skipped: no buffer rings here: {error}"),
        };
        assert_eq!(queue.buf_ring(3, 2, 4).err(), Some(Errno::EEXIST));
        writer.write_all(b"abcdefgh").expect("a write");
        let mut got = Vec::new();
        for round in 0..5 {
            let sqe = queue.next_sqe().expect("room");
            prep::read(sqe, reader.as_raw_fd(), std::ptr::null_mut(), 4, u64::MAX);
            buffers.select(sqe);
            // SAFETY: only buffers of the group, which are looked at below.
            unsafe { queue.submit_and_wait(1) }.expect("one");
            let completion = done.completions().next().expect("one");
            let bytes = buffers.take(&completion).expect("a buffer").to_vec();
            got.extend_from_slice(&bytes);
            assert!(buffers.give_back(&completion));
            if round % 2 == 1 {
                writer.write_all(b"abcdefgh").expect("a write");
            }
        }
        // What came round again came from the same two buffers.
        assert_eq!(got, b"abcdefghabcdefghabcd");
        let mut rest = [0; 4];
        std::io::Read::read_exact(&mut &reader, &mut rest).expect("the rest");
        // A completion without a buffer, and one of another group's number.
        let none = anyring::Completion::default();
        assert!(buffers.take(&none).is_none() && !buffers.give_back(&none));
        let beyond = anyring::Completion::new(0, i32::MAX, 2 << 16 | 1);
        assert!(buffers.take(&beyond).is_none() && !buffers.give_back(&beyond));
        let all = anyring::Completion::new(0, i32::MAX, 1 << 16 | 1);
        assert_eq!(buffers.take(&all).map(|bytes| bytes.len()), Some(4));
        assert_eq!(
            (buffers.group(), buffers.entries(), buffers.size()),
            (3, 2, 4)
        );
    }
}

#[test]
fn provided_buffers_are_owned() {
    provided(Linux);
    provided(engine());
}

fn fixed<K: Kernel>(kernel: K) {
    let Some(mut ring) = ring(Builder::new(4), kernel) else {
        return;
    };
    let (reader, writer) = UnixStream::pair().expect("a pair");
    for _ in 0..2 {
        let (mut queue, done) = ring.split();
        let mut buffers = match queue.buffers(2, 8) {
            Ok(buffers) => buffers,
            Err(error) => return println!("skipped: no sparse tables here: {error}"),
        };
        assert_eq!(queue.buffers(1, 8).err(), Some(Errno::EBUSY));
        buffers
            .bytes_mut(0)
            .expect("the first")
            .copy_from_slice(b"register");
        let sqe = queue.next_sqe().expect("room");
        let fd = writer.as_raw_fd();
        assert_eq!(buffers.write(sqe, fd, 0, 9, 0), Err(Errno::EFAULT));
        assert_eq!(buffers.write(sqe, fd, 2, 1, 0), Err(Errno::EFAULT));
        buffers.write(sqe, fd, 0, 8, u64::MAX).expect("in range");
        sqe.flags = SqeFlags::IO_LINK.bits();
        let sqe = queue.next_sqe().expect("room");
        buffers
            .read(sqe, reader.as_raw_fd(), 1, 8, u64::MAX)
            .expect("in range");
        // SAFETY: the buffers are looked at after both completions.
        unsafe { queue.submit_and_wait(2) }.expect("two");
        let ends: Vec<_> = done.completions().map(|done| done.result()).collect();
        assert_eq!(ends, [Ok(8), Ok(8)]);
        assert_eq!(buffers.bytes(1), Some(&b"register"[..]));
        assert_eq!((buffers.count(), buffers.size()), (2, 8));
        assert_eq!(buffers.bytes(2), None);
    }
}

#[test]
fn fixed_buffers_are_owned() {
    fixed(Linux);
    fixed(engine());
}

#[test]
fn the_machine_sees_what_is_registered_taken_back() {
    let machine = machine();
    let mut ring = Builder::new(4).build_on(machine).expect("a ring");
    {
        let (queue, _done) = ring.split();
        let _fixed = queue.buffers(2, 8).expect("registered");
        let _provided = queue.buf_ring(1, 2, 8).expect("registered");
        // Those that fail leave no memory behind.
        machine.script_register(&[-libc::ENOMEM]);
        assert_eq!(queue.buf_ring(2, 2, 8).err(), Some(Errno::ENOMEM));
        machine.script_register(&[0, -libc::ENOMEM]);
        assert_eq!(queue.buffers(1, 8).err(), Some(Errno::ENOMEM));
        machine.script_mmap(&[Some(-libc::ENOMEM)]);
        assert_eq!(queue.buf_ring(2, 2, 8).err(), Some(Errno::ENOMEM));
    }
    drop(ring);
    assert_eq!(machine.open(), (0, 0));
    let mut disabled = Builder::new(4).build_disabled_on(machine).expect("a ring");
    machine.script_register(&[-libc::EINVAL]);
    assert_eq!(disabled.register_waits(3), Err(Errno::EINVAL));
    assert_eq!(disabled.register_waits(0), Err(Errno::EINVAL));
    disabled.register_waits(3).expect("registered");
    machine.script_register(&[-libc::EBADFD]);
    assert_eq!(disabled.enable().map(|_| ()), Err(Errno::EBADFD));
    assert_eq!(machine.open(), (0, 0));
}

#[test]
fn a_ring_lends_its_descriptor() {
    let Some(ring) = ring(Builder::new(1), Linux) else {
        return;
    };
    assert_eq!(ring.as_fd().as_raw_fd(), ring.fd());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever bytes a message has: its parts lie in the buffer.
    #[test]
    fn messages_of_any_bytes(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        name in 0..40_u32,
        control in prop_oneof![0..80_usize, Just(usize::MAX)],
        lengths in any::<[u8; 3]>(),
    ) {
        // Lengths that are at times right.
        for (at, length) in lengths.into_iter().enumerate() {
            if let Some(word) = bytes.get_mut(4 * at..4 * at + 4) {
                word.copy_from_slice(&u32::from(length % 90).to_ne_bytes());
            }
        }
        // SAFETY: integers and pointers: zeroes are a value.
        let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
        msg.msg_namelen = name;
        msg.msg_controllen = control;
        let needed = control.checked_add(16 + name as usize);
        let parsed = RecvMsgOut::parse(&bytes, &msg);
        prop_assert_eq!(parsed.is_some(), needed.is_some_and(|needed| needed <= bytes.len()));
        if let Some(message) = parsed {
            prop_assert!(message.name().len() <= name as usize);
            prop_assert!(message.control().len() <= control);
            let room: usize = message.messages().map(|(_, _, bytes)| 16 + bytes.len()).sum();
            prop_assert!(room <= control);
            let payload = bytes.len() - 16 - name as usize - control;
            prop_assert!(message.payload().len() <= payload);
            let truncated = (message.is_name_truncated(), message.is_control_truncated());
            prop_assert_eq!(truncated.0, u32::from(lengths[0] % 90) > name);
            let _ = (truncated, message.is_payload_truncated(), message.flags());
        }
    }
}

/// What a ring says of its room is what it gives, and no slot is given twice, however
/// submits, waits that take an entry, other ways to its queue and new sizes alternate.
fn room_is_counted(machine: &'static Machine, flags: u32, steps: &[(u8, u8)]) {
    let Ok(mut ring) = Builder::new(4).flags(flags).build_on(machine) else {
        return;
    };
    let pause = __kernel_timespec {
        tv_sec: 0,
        tv_nsec: 1,
    };
    let mut queued = ring.sq_ready();
    for (step, count) in steps {
        let count = u32::from(count % 6);
        let room = ring.sq_space_left();
        assert_eq!(room + ring.sq_ready(), ring.sq_entries());
        match step % 7 {
            0 | 1 => {
                for at in 0..count {
                    let entry = io_uring_sqe::default();
                    let taken = if step % 7 == 0 {
                        ring.push(entry).is_ok()
                    } else {
                        ring.next_sqe().is_some()
                    };
                    assert_eq!(taken, at < room, "{at} of {room}");
                    queued += u32::from(taken);
                }
            }
            2 => {
                machine.script_enter(&[Enter::Takes(count)]);
                // SAFETY: nops have no memory of ours.
                let taken = unsafe { ring.submit() }.unwrap_or(0);
                queued -= taken.min(queued);
            }
            3 => {
                // SAFETY: as above.
                let _ = unsafe { ring.submit_and_wait_timeout(1, &pause) };
                queued = ring.sq_ready();
            }
            4 => {
                // SAFETY: not used beyond this line; the entry is a nop.
                let taken = unsafe { ring.as_ring_ref() }.get_sqe().is_some();
                assert_eq!(taken, room > 0);
                queued += u32::from(taken);
            }
            5 => {
                if let Some([first, _]) = ring.next_sqe128() {
                    first.user_data = 1;
                }
                queued = ring.sq_ready();
            }
            _ => {
                let _ = ring.resize(1 << (count % 4), 16);
            }
        }
        assert_eq!(ring.sq_ready(), queued);
        let _ = ring.completions().count();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_room_of_a_queue(
        old in any::<bool>(),
        flags in prop::sample::select(vec![0, IORING_SETUP_SQE128, IORING_SETUP_SQE_MIXED]),
        steps in prop::collection::vec(any::<(u8, u8)>(), 0..60),
    ) {
        let mut features = if old { Features::first() } else { Features::new() };
        features.refused &= !IORING_SETUP_SQE_MIXED;
        let machine: &'static Machine = Box::leak(Box::new(Machine::new(features)));
        room_is_counted(machine, flags, &steps);
    }
}
