//! The io-uring crate as an independent witness: each of its builders gives the
//! bytes that our row gives, and our rings run its entries.

use std::ptr;

use anyring::abi::io_uring_sqe;
use anyring::{Errno, Ring, prep, sqe_from_entry};
use io_uring::squeue::Entry;
use io_uring::{opcode, types};

/// A small generator (splitmix64), so that a run can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn int(&mut self) -> i32 {
        self.next() as i32
    }
    fn uint(&mut self) -> u32 {
        self.next() as u32
    }
    fn small(&mut self) -> u16 {
        self.next() as u16
    }
    fn pointer<T>(&mut self) -> *mut T {
        ptr::without_provenance_mut(self.next() as usize)
    }
}

fn bytes(sqe: &io_uring_sqe) -> [u8; 64] {
    // SAFETY: 64 bytes of integers.
    unsafe { ptr::from_ref(sqe).cast::<[u8; 64]>().read() }
}

fn zeroed() -> io_uring_sqe {
    // SAFETY: integers only.
    unsafe { std::mem::zeroed() }
}

fn compare(name: &str, seed: u64, theirs: Entry, ours: impl FnOnce(&mut io_uring_sqe)) {
    let mut sqe = zeroed();
    ours(&mut sqe);
    assert_eq!(
        bytes(&sqe),
        bytes(&sqe_from_entry(&theirs)),
        "{name}, seed {seed}"
    );
}

#[test]
fn builders_and_rows_agree() {
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |time| time.as_nanos() as u64);
    println!("seed {seed}");
    let mut r = Random(seed);
    for _ in 0..500 {
        one_round(&mut r, seed);
    }
}

fn one_round(r: &mut Random, seed: u64) {
    let fd = types::Fd(r.int() & i32::MAX);
    let (a, b) = (r.uint(), r.uint());
    let (offset, other) = (r.next(), r.next());
    let (p, q): (*mut u8, *mut u8) = (r.pointer(), r.pointer());
    let index = r.small();
    let check = |name: &str, theirs: Entry, ours: &mut dyn FnMut(&mut io_uring_sqe)| {
        compare(name, seed, theirs, |sqe| ours(sqe));
    };

    check("nop", opcode::Nop::new().build(), &mut |s| {
        prep::prep_nop(s)
    });
    check(
        "readv",
        opcode::Readv::new(fd, p.cast(), a).offset(offset).build(),
        &mut |s| {
            prep::prep_readv(s, fd.0, p.cast(), a, offset);
        },
    );
    check(
        "readv2",
        opcode::Readv::new(fd, p.cast(), a)
            .offset(offset)
            .rw_flags(b as i32)
            .build(),
        &mut |s| prep::prep_readv2(s, fd.0, p.cast(), a, offset, b as i32),
    );
    check(
        "writev",
        opcode::Writev::new(fd, p.cast(), a).offset(offset).build(),
        &mut |s| {
            prep::prep_writev(s, fd.0, p.cast(), a, offset);
        },
    );
    check(
        "fsync",
        opcode::Fsync::new(fd)
            .flags(types::FsyncFlags::DATASYNC)
            .build(),
        &mut |s| {
            prep::prep_fsync(s, fd.0, 1);
        },
    );
    check(
        "read_fixed",
        opcode::ReadFixed::new(fd, p, a, index)
            .offset(offset)
            .build(),
        &mut |s| prep::prep_read_fixed(s, fd.0, p.cast(), a, offset, i32::from(index)),
    );
    check(
        "write_fixed",
        opcode::WriteFixed::new(fd, p, a, index)
            .offset(offset)
            .build(),
        &mut |s| prep::prep_write_fixed(s, fd.0, p.cast(), a, offset, i32::from(index)),
    );
    check("poll_add", opcode::PollAdd::new(fd, a).build(), &mut |s| {
        prep::prep_poll_add(s, fd.0, a);
    });
    check(
        "poll_multishot",
        opcode::PollAdd::new(fd, a).multi(true).build(),
        &mut |s| {
            prep::prep_poll_multishot(s, fd.0, a);
        },
    );
    check(
        "poll_remove",
        opcode::PollRemove::new(offset).build(),
        &mut |s| {
            prep::prep_poll_remove(s, offset);
        },
    );
    check(
        "sync_file_range",
        opcode::SyncFileRange::new(fd, a)
            .offset(offset)
            .flags(b)
            .build(),
        &mut |s| prep::prep_sync_file_range(s, fd.0, a, offset, b as i32),
    );
    check(
        "sendmsg",
        opcode::SendMsg::new(fd, p.cast()).flags(b).build(),
        &mut |s| {
            prep::prep_sendmsg(s, fd.0, p.cast(), b);
        },
    );
    check(
        "recvmsg",
        opcode::RecvMsg::new(fd, p.cast()).flags(b).build(),
        &mut |s| {
            prep::prep_recvmsg(s, fd.0, p.cast(), b);
        },
    );
    check(
        "timeout",
        opcode::Timeout::new(p.cast()).count(a).build(),
        &mut |s| {
            prep::prep_timeout(s, p.cast(), a, 0);
        },
    );
    check(
        "timeout_remove",
        opcode::TimeoutRemove::new(offset).build(),
        &mut |s| {
            prep::prep_timeout_remove(s, offset, 0);
        },
    );
    check(
        "timeout_update",
        opcode::TimeoutUpdate::new(offset, p.cast()).build(),
        &mut |s| {
            prep::prep_timeout_update(s, p.cast(), offset, 0);
        },
    );
    check(
        "link_timeout",
        opcode::LinkTimeout::new(p.cast()).build(),
        &mut |s| {
            prep::prep_link_timeout(s, p.cast(), 0);
        },
    );
    check(
        "accept",
        opcode::Accept::new(fd, p.cast(), q.cast())
            .flags(b as i32)
            .build(),
        &mut |s| prep::prep_accept(s, fd.0, p.cast(), q.cast(), b as i32),
    );
    let slot = types::DestinationSlot::try_from_slot_target(a >> 1).ok();
    check(
        "accept_direct",
        opcode::Accept::new(fd, p.cast(), q.cast())
            .file_index(slot)
            .build(),
        &mut |s| prep::prep_accept_direct(s, fd.0, p.cast(), q.cast(), 0, a >> 1),
    );
    check(
        "accept_multishot",
        opcode::AcceptMulti::new(fd).flags(b as i32).build(),
        &mut |s| {
            prep::prep_multishot_accept(s, fd.0, ptr::null_mut(), ptr::null_mut(), b as i32);
        },
    );
    check(
        "cancel",
        opcode::AsyncCancel::new(offset).build(),
        &mut |s| {
            prep::prep_cancel64(s, offset, 0);
        },
    );
    check(
        "connect",
        opcode::Connect::new(fd, p.cast(), b).build(),
        &mut |s| {
            prep::prep_connect(s, fd.0, p.cast(), b);
        },
    );
    check(
        "fallocate",
        opcode::Fallocate::new(fd, other)
            .offset(offset)
            .mode(b as i32)
            .build(),
        &mut |s| prep::prep_fallocate(s, fd.0, b as i32, offset, other),
    );
    check(
        "openat",
        opcode::OpenAt::new(fd, p.cast())
            .flags(a as i32)
            .mode(b)
            .build(),
        &mut |s| prep::prep_openat(s, fd.0, p.cast(), a as i32, b),
    );
    check(
        "openat_direct",
        opcode::OpenAt::new(fd, p.cast())
            .file_index(Some(types::DestinationSlot::auto_target()))
            .build(),
        &mut |s| prep::prep_openat_direct(s, fd.0, p.cast(), 0, 0, u32::MAX),
    );
    check(
        "openat2",
        opcode::OpenAt2::new(fd, p.cast(), q.cast()).build(),
        &mut |s| {
            prep::prep_openat2(s, fd.0, p.cast(), q.cast());
        },
    );
    check("close", opcode::Close::new(fd).build(), &mut |s| {
        prep::prep_close(s, fd.0)
    });
    check(
        "close_direct",
        opcode::Close::new(types::Fixed(a >> 1)).build(),
        &mut |s| {
            prep::prep_close_direct(s, a >> 1);
        },
    );
    check(
        "read",
        opcode::Read::new(fd, p, a).offset(offset).build(),
        &mut |s| {
            prep::prep_read(s, fd.0, p.cast(), a, offset);
        },
    );
    check(
        "write",
        opcode::Write::new(fd, p, a).offset(offset).build(),
        &mut |s| {
            prep::prep_write(s, fd.0, p.cast(), a, offset);
        },
    );
    check(
        "statx",
        opcode::Statx::new(fd, p.cast(), q.cast())
            .flags(a as i32)
            .mask(b)
            .build(),
        &mut |s| prep::prep_statx(s, fd.0, p.cast(), a as i32, b, q.cast()),
    );
    check(
        "send",
        opcode::Send::new(fd, p, a).flags(b as i32).build(),
        &mut |s| {
            prep::prep_send(s, fd.0, p.cast(), a as usize, b as i32);
        },
    );
    check(
        "sendto",
        opcode::Send::new(fd, p, a)
            .dest_addr(q.cast())
            .dest_addr_len(u32::from(index))
            .build(),
        &mut |s| prep::prep_sendto(s, fd.0, p.cast(), a as usize, 0, q.cast(), u32::from(index)),
    );
    check(
        "recv",
        opcode::Recv::new(fd, p, a).flags(b as i32).build(),
        &mut |s| {
            prep::prep_recv(s, fd.0, p.cast(), a as usize, b as i32);
        },
    );
    check(
        "recv_multishot",
        opcode::RecvMulti::new(fd, index).build(),
        &mut |s| {
            prep::prep_recv_multishot(s, fd.0, ptr::null_mut(), 0, 0);
            prep::sqe_set_flags(s, anyring::abi::IOSQE_BUFFER_SELECT);
            prep::sqe_set_buf_group(s, i32::from(index));
        },
    );
    check(
        // (A negative fd is sign-extended there, zero-extended in C.)
        "epoll_ctl",
        opcode::EpollCtl::new(fd, types::Fd((a >> 1) as i32), b as i32, p.cast()).build(),
        &mut |s| prep::prep_epoll_ctl(s, fd.0, (a >> 1) as i32, b as i32, p.cast()),
    );
    check(
        "splice",
        opcode::Splice::new(fd, offset as i64, types::Fd(a as i32), other as i64, b).build(),
        &mut |s| prep::prep_splice(s, fd.0, offset as i64, a as i32, other as i64, b, 0),
    );
    check(
        "tee",
        opcode::Tee::new(fd, types::Fd(a as i32), b).build(),
        &mut |s| {
            prep::prep_tee(s, fd.0, a as i32, b, 0);
        },
    );
    check(
        "provide_buffers",
        opcode::ProvideBuffers::new(p, a as i32, 7, index, 9).build(),
        &mut |s| prep::prep_provide_buffers(s, p.cast(), a as i32, 7, i32::from(index), 9),
    );
    check(
        "remove_buffers",
        opcode::RemoveBuffers::new(7, index).build(),
        &mut |s| {
            prep::prep_remove_buffers(s, 7, i32::from(index));
        },
    );
    check(
        "shutdown",
        opcode::Shutdown::new(fd, b as i32).build(),
        &mut |s| {
            prep::prep_shutdown(s, fd.0, b as i32);
        },
    );
    check(
        "renameat",
        opcode::RenameAt::new(fd, p.cast(), types::Fd(a as i32), q.cast())
            .flags(b)
            .build(),
        &mut |s| prep::prep_renameat(s, fd.0, p.cast(), a as i32, q.cast(), b),
    );
    check(
        "unlinkat",
        opcode::UnlinkAt::new(fd, p.cast()).flags(b as i32).build(),
        &mut |s| {
            prep::prep_unlinkat(s, fd.0, p.cast(), b as i32);
        },
    );
    check(
        "mkdirat",
        opcode::MkDirAt::new(fd, p.cast()).mode(b).build(),
        &mut |s| {
            prep::prep_mkdirat(s, fd.0, p.cast(), b);
        },
    );
    check(
        "symlinkat",
        opcode::SymlinkAt::new(fd, p.cast(), q.cast()).build(),
        &mut |s| {
            prep::prep_symlinkat(s, p.cast(), fd.0, q.cast());
        },
    );
    check(
        "linkat",
        opcode::LinkAt::new(fd, p.cast(), types::Fd(a as i32), q.cast())
            .flags(b as i32)
            .build(),
        &mut |s| prep::prep_linkat(s, fd.0, p.cast(), a as i32, q.cast(), b as i32),
    );
    check(
        "socket",
        opcode::Socket::new(a as i32, b as i32, 6).build(),
        &mut |s| {
            prep::prep_socket(s, a as i32, b as i32, 6, 0);
        },
    );
    check(
        "send_zc",
        opcode::SendZc::new(fd, p, a).flags(b as i32).build(),
        &mut |s| {
            prep::prep_send_zc(s, fd.0, p.cast(), a as usize, b as i32, 0);
        },
    );
    check(
        "sendmsg_zc",
        opcode::SendMsgZc::new(fd, p.cast()).flags(b).build(),
        &mut |s| {
            prep::prep_sendmsg_zc(s, fd.0, p.cast(), b);
        },
    );
    check(
        "ftruncate",
        opcode::Ftruncate::new(fd, offset).build(),
        &mut |s| {
            prep::prep_ftruncate(s, fd.0, offset as i64);
        },
    );
}

#[test]
fn our_rings_run_their_entries() -> Result<(), Errno> {
    let mut ring = match Ring::new(4) {
        Ok(ring) => ring,
        Err(error) => {
            println!("skipped: io_uring is not available here: {error}");
            return Ok(());
        }
    };
    let mut buffer = [0_u8; 16];
    let file = std::fs::File::open("/proc/self/comm").expect("procfs");
    let fd = types::Fd(std::os::fd::AsRawFd::as_raw_fd(&file));
    let read = opcode::Read::new(fd, buffer.as_mut_ptr(), 16)
        .build()
        .user_data(5);
    ring.push(read).expect("room");
    for tag in 0..3 {
        ring.push(opcode::Nop::new().build().user_data(10 + tag))
            .expect("room");
    }
    let full = ring.push(opcode::Nop::new().build().user_data(99));
    assert!(full.is_err(), "the entry comes back when the queue is full");
    // SAFETY: the buffer outlives the wait.
    assert_eq!(unsafe { ring.submit_and_wait(4) }?, 4);
    let mut tags: Vec<u64> = ring.completions().map(|cqe| cqe.user_data).collect();
    tags.sort_unstable();
    assert_eq!(tags, [5, 10, 11, 12]);
    assert_ne!(buffer[0], 0);
    Ok(())
}
