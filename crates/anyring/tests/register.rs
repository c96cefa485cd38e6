//! Register calls: fd, opcode, argument bytes, retries.

mod common;

use std::ptr;

use anyring::abi::*;
use anyring::kernel::scripted::{Call, Features};
use anyring::register::CloneRange;
use common::Served;

fn last(served: &Served) -> (i32, u32, u32, Vec<u8>) {
    match served.machine.calls().pop() {
        Some(Call::Register(fd, opcode, nr_args, bytes)) => (fd, opcode, nr_args, bytes),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_registered_fd_serves_register_calls_too() {
    let mut served = Served::new(Features::new(), 4, 0);
    let fd = served.raw.ring_fd;
    served.ring().register_plain(IORING_UNREGISTER_BUFFERS);
    assert_eq!(last(&served).0, fd);
    assert_eq!(served.ring().unregister_ring_fd(), -libc::EINVAL);
    assert_eq!(served.ring().register_ring_fd(), 1);
    let (_, opcode, nr, bytes) = last(&served);
    assert_eq!((opcode, nr), (IORING_REGISTER_RING_FDS, 1));
    assert_eq!(bytes[..4], [0xff; 4]);
    assert_eq!(bytes[8..], i64::from(fd).to_le_bytes());
    assert_eq!(served.raw.enter_ring_fd, 0);
    assert_eq!(served.raw.ring_fd, fd);
    served.ring().register_plain(IORING_UNREGISTER_BUFFERS);
    let (at, opcode, ..) = last(&served);
    assert_eq!(at, 0);
    assert_eq!(
        opcode,
        IORING_UNREGISTER_BUFFERS | IORING_REGISTER_USE_REGISTERED_RING
    );
    assert_eq!(served.ring().unregister_ring_fd(), 1);
    assert_eq!(served.raw.enter_ring_fd, fd);
    served.ring().register_plain(IORING_UNREGISTER_BUFFERS);
    assert_eq!(last(&served).0, fd);
    served.exit();
    // A kernel without FEAT_REG_REG_RING: register calls keep the fd.
    let mut features = Features::new();
    features.bits &= !IORING_FEAT_REG_REG_RING;
    let mut old = Served::new(features, 4, 0);
    assert_eq!(old.ring().register_ring_fd(), 1);
    old.ring().register_plain(IORING_UNREGISTER_BUFFERS);
    assert_eq!(last(&old).0, old.raw.ring_fd);
    assert_eq!(old.ring().close_ring_fd(), -libc::EOPNOTSUPP);
    old.exit();
}

#[test]
fn a_ring_fd_that_was_not_registered_changes_nothing() {
    let mut served = Served::new(Features::new(), 4, 0);
    served.machine.script_register(&[-libc::EINVAL, 0]);
    for result in [-libc::EINVAL, 0] {
        let before = served.raw.enter_ring_fd;
        // The scripted result for the second is 0: not registered either.
        let got = served.ring().register_ring_fd();
        assert_eq!(got, result);
        assert_eq!(served.raw.enter_ring_fd, before);
        assert_eq!(served.ring().unregister_ring_fd(), -libc::EINVAL);
    }
    assert_eq!(served.ring().close_ring_fd(), -libc::EINVAL);
    served.exit();
}

#[test]
fn the_fd_of_a_registered_ring_can_be_closed() {
    let mut served = Served::new(Features::new(), 4, 0);
    assert_eq!(served.ring().register_ring_fd(), 1);
    assert_eq!(served.ring().close_ring_fd(), 1);
    assert_eq!(served.raw.ring_fd, -1);
    assert_eq!(served.ring().close_ring_fd(), -libc::EBADF);
    served.nop(1);
    assert_eq!(served.ring().submit(), 1);
    served.exit();
}

#[test]
fn files_raise_the_soft_limit_once() {
    let mut served = Served::new(Features::new(), 4, 0);
    let files = [0; 3];
    served.machine.script_register(&[-libc::EMFILE, 0]);
    // SAFETY: three descriptors.
    let result = unsafe { served.ring().register_files(files.as_ptr(), 3) };
    assert_eq!(result, 0);
    // 1024 is enough for three: called again, but not raised.
    assert_eq!(served.machine.limit(), (1024, 4096));
    assert_eq!(served.machine.calls().len(), 2);
    served
        .machine
        .script_register(&[-libc::EMFILE, -libc::EMFILE]);
    assert_eq!(served.ring().register_files_sparse(2000), -libc::EMFILE);
    assert_eq!(served.machine.limit(), (3024, 4096));
    assert_eq!(served.machine.calls().len(), 2);
    for error in [libc::EINTR, libc::EAGAIN, libc::ENOMEM] {
        served.machine.script_register(&[-error]);
        // SAFETY: three descriptors, no tags.
        let result = unsafe {
            served
                .ring()
                .register_files_tags(files.as_ptr(), ptr::null(), 3)
        };
        assert_eq!(result, -error);
        assert_eq!(served.machine.calls().len(), 1);
    }
    served.exit();
}

#[test]
fn clone_chooses_the_source_by_what_it_is() {
    let mut from = Served::new(Features::new(), 4, 0);
    let mut to = Served::new(Features::new(), 4, 0);
    let range = CloneRange::new(1, 2, 3);
    let field = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let source = from.ring();
    to.ring()
        .clone_buffers(source, range, IORING_REGISTER_SRC_REGISTERED);
    let (.., bytes) = last(&to);
    assert_eq!(field(&bytes, 0), from.raw.ring_fd as u32);
    assert_eq!(field(&bytes, 4), 0);
    assert_eq!(
        (field(&bytes, 8), field(&bytes, 12), field(&bytes, 16)),
        (1, 2, 3)
    );
    assert_eq!(from.ring().register_ring_fd(), 1);
    let source = from.ring();
    let flags = IORING_REGISTER_SRC_REGISTERED | IORING_REGISTER_DST_REPLACE;
    to.ring().clone_buffers(source, range, flags);
    let (.., bytes) = last(&to);
    assert_eq!((field(&bytes, 0), field(&bytes, 4)), (0, flags));
    to.ring().clone_buffers(source, range, 0);
    let (.., bytes) = last(&to);
    assert_eq!(field(&bytes, 0), from.raw.ring_fd as u32);
    from.exit();
    to.exit();
}

#[test]
fn buffer_rings() {
    let mut served = Served::new(Features::new(), 4, 0);
    assert_eq!(served.ring().buf_ring_head(3), Ok(5));
    served.machine.script_register(&[-libc::ENOENT]);
    assert_eq!(served.ring().buf_ring_head(3), Err(-libc::ENOENT));
    let br = served
        .ring()
        .setup_buf_ring(8, 0x1_0003, 2)
        .expect("a ring");
    let (_, opcode, nr, bytes) = last(&served);
    assert_eq!((opcode, nr), (IORING_REGISTER_PBUF_RING, 1));
    assert_eq!(bytes[..8], (br as u64).to_le_bytes());
    assert_eq!(bytes[8..16], [8, 0, 0, 0, 3, 0, 2, 0]);
    let mapped = served.machine.open().1;
    // Not unregistered: stays mapped.
    served.machine.script_register(&[-libc::EINVAL]);
    // SAFETY: set up above.
    let result = unsafe { served.ring().free_buf_ring(br, 8, 3) };
    assert_eq!(result, -libc::EINVAL);
    assert_eq!(served.machine.open().1, mapped);
    // SAFETY: as above.
    assert_eq!(unsafe { served.ring().free_buf_ring(br, 8, 3) }, 0);
    assert_eq!(served.machine.open().1, mapped - 1);
    // Failing mapping, failing registration: nothing stays.
    served.machine.script_mmap(&[Some(-libc::ENOMEM)]);
    assert_eq!(served.ring().setup_buf_ring(8, 1, 0), Err(-libc::ENOMEM));
    served.machine.script_register(&[-libc::EEXIST]);
    assert_eq!(served.ring().setup_buf_ring(8, 1, 0), Err(-libc::EEXIST));
    assert_eq!(served.ring().setup_buf_ring(0, 1, 0), Err(-libc::EINVAL));
    assert_eq!(served.machine.open().1, mapped - 1);
    served.exit();
}

#[test]
fn sizes_that_do_not_fit() {
    let mut served = Served::new(Features::new(), 4, 0);
    // SAFETY: never looked at.
    let result = unsafe { served.ring().register_iowq_aff(1 << 31, ptr::null()) };
    assert_eq!(result, -libc::EINVAL);
    assert_eq!(served.machine.calls(), []);
    served.exit();
}
