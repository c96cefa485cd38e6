//! What a ring does on any kernel: bodies of tests, for the kernel of this
//! machine, the scripted one and the userspace engine.
#![allow(dead_code, reason = "each test file uses a part")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyring::abi::*;
use anyring::{Builder, Errno, Kernel, Ring, buffers, prep};

/// A ring of four; with the reason where there is none, unless an engine was
/// asked for that has to serve it.
pub(crate) fn ring<K: Kernel>(kernel: K) -> Option<Ring<K>> {
    match Builder::new(4).build_on(kernel) {
        Ok(ring) => Some(ring),
        Err(error @ Errno(libc::ENOSYS | libc::EPERM | libc::EACCES)) => {
            let asked = std::env::var("ANYRING_ENGINE").unwrap_or_default();
            assert!(
                !matches!(&*asked, "auto" | "userspace"),
                "the engine did not serve a ring: {error}"
            );
            println!("skipped: io_uring is not to be had here: {error}");
            None
        }
        Err(error) => panic!("no ring: {error}"),
    }
}

pub(crate) fn nop<K: Kernel>(ring: &mut Ring<K>, tag: u64) -> bool {
    let Some(sqe) = ring.next_sqe() else {
        return false;
    };
    prep::prep_nop(sqe);
    sqe.user_data = tag;
    true
}

pub(crate) fn tags<K: Kernel>(ring: &mut Ring<K>) -> Vec<u64> {
    ring.completions().map(|done| done.user_data).collect()
}

/// Runs one request and gives its result and flags.
fn one<K: Kernel>(ring: &mut Ring<K>, prepare: impl FnOnce(&mut io_uring_sqe)) -> (i32, u32) {
    prepare(ring.next_sqe().expect("room in the queue"));
    // SAFETY: callers keep what their requests point to until this returns.
    assert_eq!(unsafe { ring.submit_and_wait(1) }, Ok(1));
    let done = ring.completions().next().expect("a completion");
    (done.res, done.flags)
}

pub(crate) const SHORT: __kernel_timespec = __kernel_timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

/// Full queues, completions in order, indices past the end of the queue.
pub(crate) fn queues<K: Kernel>(kernel: K) {
    let Some(mut ring) = ring(kernel) else { return };
    for round in 0..5 {
        for place in 0..4 {
            assert!(nop(&mut ring, 10 * round + place));
        }
        assert!(!nop(&mut ring, 99), "a fifth entry in a queue of four");
        let mut entry = io_uring_sqe::default();
        prep::prep_nop(&mut entry);
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
pub(crate) fn timeouts<K: Kernel>(kernel: K) {
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

/// A thousand rings, one after the other, leave no descriptor and no mapping.
pub(crate) fn a_thousand<K: Kernel>(kernel: K) {
    // What tests beside this one may hold.
    const OTHERS: usize = 100;
    let count = |path: &str| std::fs::read_dir(path).expect("procfs").count();
    let before = (count("/proc/self/fd"), count("/proc/self/map_files"));
    for _ in 0..1000 {
        let Some(mut ring) = ring(kernel) else { return };
        assert!(nop(&mut ring, 1));
        // SAFETY: a nop has no memory of ours.
        assert_eq!(unsafe { ring.submit_and_wait(1) }, Ok(1));
    }
    let (fds, maps) = (count("/proc/self/fd"), count("/proc/self/map_files"));
    assert!(
        fds <= before.0 + OTHERS,
        "{fds} descriptors of {}",
        before.0
    );
    assert!(maps <= before.1 + OTHERS, "{maps} mappings of {}", before.1);
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors, which are nobody else's.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    }
}

/// Bytes go through a registered pipe, out of and into registered buffers.
pub(crate) fn registered<K: Kernel>(kernel: K) {
    let Some(mut ring) = ring(kernel) else { return };
    let (reader, writer) = pipe();
    let files = [reader.as_raw_fd(), writer.as_raw_fd()];
    let mut bytes = [b"registered".to_vec(), vec![0; 10]];
    let vectors: Vec<libc::iovec> = bytes
        .iter_mut()
        .map(|part| libc::iovec {
            iov_base: part.as_mut_ptr().cast(),
            iov_len: part.len(),
        })
        .collect();
    // SAFETY: the arrays are valid, and what they name outlives the ring's use
    // of it: both are unregistered below.
    unsafe {
        let ring = ring.as_ring_ref();
        assert_eq!(ring.register_files(files.as_ptr(), 2), 0);
        let at = vectors.as_ptr().cast();
        assert_eq!(ring.register(IORING_REGISTER_BUFFERS, at, 2), 0);
    }
    let fixed = |sqe: &mut io_uring_sqe| sqe.flags |= IOSQE_FIXED_FILE as u8;
    let (from, to) = (vectors[0].iov_base, vectors[1].iov_base);
    let written = one(&mut ring, |sqe| {
        prep::prep_write_fixed(sqe, 1, from, 10, 0, 0);
        fixed(sqe);
    });
    assert_eq!(written, (10, 0));
    let read = one(&mut ring, |sqe| {
        prep::prep_read_fixed(sqe, 0, to, 10, 0, 1);
        fixed(sqe);
    });
    assert_eq!(read, (10, 0));
    // Beyond the buffer, and a slot that is not there.
    let beyond = one(&mut ring, |sqe| {
        prep::prep_write_fixed(sqe, 1, from, 11, 0, 0);
        fixed(sqe);
    });
    assert_eq!(beyond.0, -libc::EFAULT);
    let nowhere = one(&mut ring, |sqe| {
        prep::prep_write_fixed(sqe, 2, from, 1, 0, 0);
        fixed(sqe);
    });
    assert_eq!(nowhere.0, -libc::EBADF);
    // SAFETY: no request is in flight.
    unsafe {
        let ring = ring.as_ring_ref();
        assert_eq!(ring.register_plain(IORING_UNREGISTER_BUFFERS), 0);
        assert_eq!(ring.register_plain(IORING_UNREGISTER_FILES), 0);
    }
    assert_eq!(bytes[0], bytes[1]);
}

/// Reads take buffers from a ring of them, in order, until there is none.
pub(crate) fn provided<K: Kernel>(kernel: K) {
    const GROUP: u16 = 3;
    let Some(mut ring) = ring(kernel) else { return };
    let (reader, writer) = pipe();
    let mut memory = [[0_u8; 4]; 2];
    // SAFETY: the buffers outlive the ring of them, which is freed below.
    let group = unsafe {
        let group = ring.as_ring_ref().setup_buf_ring(2, GROUP.into(), 0);
        let group = match group {
            Ok(group) => group,
            Err(error) => {
                println!("skipped: this kernel has no buffer rings: {error}");
                return;
            }
        };
        for (bid, buffer) in memory.iter_mut().enumerate() {
            let (at, bid) = (buffer.as_mut_ptr().cast(), bid as u16);
            buffers::add(group, at, 4, bid, 1, i32::from(bid));
        }
        buffers::advance(group, 2);
        group
    };
    // SAFETY: ten bytes.
    let put = unsafe { libc::write(writer.as_raw_fd(), b"0123456789".as_ptr().cast(), 10) };
    assert_eq!(put, 10);
    let fd = reader.as_raw_fd();
    let take = |ring: &mut Ring<K>| {
        one(ring, |sqe| {
            prep::prep_read(sqe, fd, std::ptr::null_mut(), 4, 0);
            sqe.flags |= IOSQE_BUFFER_SELECT as u8;
            sqe.buf_index = GROUP;
        })
    };
    for bid in 0..2 {
        let flags = IORING_CQE_F_BUFFER | bid << IORING_CQE_BUFFER_SHIFT;
        let (res, got) = take(&mut ring);
        assert_eq!((res, got & !IORING_CQE_F_BUF_MORE), (4, flags));
    }
    assert_eq!(take(&mut ring).0, -libc::ENOBUFS);
    // SAFETY: no request has one of its buffers.
    let freed = unsafe { ring.as_ring_ref().free_buf_ring(group, 2, GROUP.into()) };
    assert_eq!(freed, 0);
    assert_eq!(memory, [*b"0123", *b"4567"]);
}

/// A chain that fails in its middle, and a request that is cancelled.
pub(crate) fn chains<K: Kernel>(kernel: K) {
    let Some(mut ring) = ring(kernel) else { return };
    for tag in 0..3 {
        let sqe = ring.next_sqe().expect("room");
        if tag == 1 {
            prep::prep_read(sqe, -1, std::ptr::null_mut(), 0, 0);
        } else {
            prep::prep_nop(sqe);
        }
        sqe.flags |= if tag < 2 { IOSQE_IO_LINK as u8 } else { 0 };
        sqe.user_data = tag;
    }
    // SAFETY: none of them has memory of ours.
    assert_eq!(unsafe { ring.submit_and_wait(3) }, Ok(3));
    let results: Vec<_> = ring.completions().map(|c| (c.user_data, c.res)).collect();
    let wanted = [(0, 0), (1, -libc::EBADF), (2, -libc::ECANCELED)];
    assert_eq!(results, wanted);
    let (reader, _writer) = pipe();
    let mut byte = 0_u8;
    let sqe = ring.next_sqe().expect("room");
    prep::prep_read(sqe, reader.as_raw_fd(), (&raw mut byte).cast(), 1, 0);
    sqe.user_data = 5;
    // SAFETY: the byte outlives the request, whose end is waited for.
    assert_eq!(unsafe { ring.submit() }, Ok(1));
    let sqe = ring.next_sqe().expect("room");
    prep::prep_cancel64(sqe, 5, 0);
    sqe.user_data = 6;
    // SAFETY: a cancellation has no memory.
    assert_eq!(unsafe { ring.submit_and_wait(2) }, Ok(1));
    let mut results: Vec<_> = ring.completions().map(|c| (c.user_data, c.res)).collect();
    results.sort_unstable();
    assert_eq!(results, [(5, -libc::ECANCELED), (6, 0)]);
}
