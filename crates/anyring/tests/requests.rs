//! All that can be asked for by requests that own what they use, on this machine's
//! kernel, on the engine and on the scripted kernel.
#![forbid(unsafe_code)]
#![allow(
    clippy::incompatible_msrv,
    reason = "tests run with the toolchain of development"
)]

use std::ffi::CString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anyring::abi::{IORING_CQE_F_BUFFER, IORING_CQE_F_MORE};
use anyring::flags::SetupFlags;
use anyring::kernel::scripted::{Enter, Features, Machine};
use anyring::operation::{Message, Multishot, Number, Owner, Request};
use anyring::{Builder, Errno, Kernel, Linux};
use anyring_engine::{BuiltIn, Choice, KernelOrEngine, choose};

fn machine() -> &'static Machine {
    Box::leak(Box::new(Machine::new(Features::new())))
}

fn owner<K: Kernel>(kernel: K) -> Option<Owner<K>> {
    Owner::new(Builder::new(8), kernel)
        .map_err(|error| println!("skipped: no ring here: {error}"))
        .ok()
}

fn engine() -> Option<Owner<KernelOrEngine<BuiltIn>>> {
    choose(Some(Choice::Userspace));
    owner(KernelOrEngine::new())
}

fn number<K: Kernel>(owner: &Owner<K>, request: Request<'_, Number>) -> Result<u32, Errno> {
    owner.start(request).expect("room").wait()
}

fn files<K: Kernel>(owner: &Owner<K>, name: &str) {
    let folder = std::env::temp_dir().join(format!("anyring-{}-{name}", std::process::id()));
    let path = |end: &str| {
        let path = folder.join(end);
        CString::new(path.to_str().expect("UTF-8")).expect("no zero")
    };
    assert_eq!(number(owner, Request::mkdir(path(""), 0o700)), Ok(0));
    let flags = libc::O_RDWR | libc::O_CREAT;
    let file = owner.start(Request::open(path("a"), flags, 0o600));
    let file = file.expect("room").wait().expect("a file");
    assert_eq!(number(owner, Request::fallocate(&file, 0, 0, 4)), Ok(0));
    let write = owner.write(&file, b"written".to_vec(), 0).expect("room");
    assert_eq!(write.wait().0, Ok(7));
    assert_eq!(number(owner, Request::fsync(&file)), Ok(0));
    assert_eq!(number(owner, Request::fdatasync(&file)), Ok(0));
    let read = owner.read(&file, vec![0; 16], 2).expect("room").wait();
    assert_eq!((read.0, &read.1[..5]), (Ok(5), &b"itten"[..]));
    assert_eq!(number(owner, Request::rename(path("a"), path("b"))), Ok(0));
    assert_eq!(number(owner, Request::close(file)), Ok(0));
    let parent = std::fs::File::open(&folder).expect("the folder");
    let name = CString::new("b").expect("no zero");
    let again = owner.start(Request::open_at(&parent, name, libc::O_RDONLY, 0));
    drop(again.expect("room").wait().expect("the file"));
    assert_eq!(number(owner, Request::unlink(path("b"), 0)), Ok(0));
    assert_eq!(
        number(owner, Request::unlink(path("b"), 0)),
        Err(Errno::ENOENT)
    );
    assert_eq!(
        number(owner, Request::unlink(path(""), libc::AT_REMOVEDIR)),
        Ok(0)
    );
    assert_eq!(owner.in_flight(), 0);
}

#[test]
fn files_everywhere() {
    if let Some(owner) = owner(Linux) {
        files(&owner, "linux");
    }
    if let Some(owner) = engine() {
        files(&owner, "engine");
    }
}

fn sockets<K: Kernel>(owner: &Owner<K>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let to = listener.local_addr().expect("an address");
    let client = owner.start(Request::socket(libc::AF_INET, libc::SOCK_STREAM, 0));
    let client = match client.expect("room").wait() {
        Ok(client) => client,
        Err(error) => return println!("skipped: no sockets by the ring here: {error}"),
    };
    let accept = owner.accept(&listener).expect("room");
    let connect = owner.start(Request::connect(&client, to)).expect("room");
    assert_eq!(connect.wait(), Ok(0));
    let server = accept.wait().expect("a connection");
    let sent = owner.send(&client, b"hello".to_vec(), 0).expect("room");
    assert_eq!(sent.wait().0, Ok(5));
    let poll = Request::poll(&server, libc::POLLIN as u32);
    let ready = owner.start(poll).expect("room").wait().expect("events");
    assert_ne!(ready & libc::POLLIN as u32, 0);
    let got = owner.recv(&server, vec![0; 8], 0).expect("room").wait();
    assert_eq!((got.0, &got.1[..5]), (Ok(5), &b"hello"[..]));
    let zero = owner.start(Request::send_zc(&client, b"zero".to_vec(), 0));
    match zero.expect("room").wait() {
        (Err(error), _) => println!("skipped: no zero-copy sends here: {error}"),
        (sent, back) => {
            assert_eq!((sent, &back[..]), (Ok(4), &b"zero"[..]));
            let got = owner.recv(&server, vec![0; 8], 0).expect("room").wait();
            assert_eq!(got.0, Ok(4));
        }
    }
    let shut = owner.start(Request::shutdown(&client, libc::SHUT_WR));
    assert_eq!(shut.expect("room").wait(), Ok(0));
    let end = owner.recv(&server, vec![0; 8], 0).expect("room").wait();
    assert_eq!(end.0, Ok(0));
}

fn accepts_again_and_again<K: Kernel>(owner: &Owner<K>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let to = listener.local_addr().expect("an address");
    let request = Request::accept_multishot(&listener);
    let mut connections = owner.start_multishot(request).expect("room");
    for _ in 0..3 {
        let mut client = TcpStream::connect(to).expect("a connection");
        let server = connections.next().expect("one more").expect("a socket");
        let sent = owner.send(&server, b"x".to_vec(), 0).expect("room");
        assert_eq!(sent.wait().0, Ok(1));
        let mut byte = [0];
        client.read_exact(&mut byte).expect("a byte");
    }
    let mut context = Context::from_waker(Waker::noop());
    assert!(connections.poll_next(&mut context).is_pending());
    drop(connections);
    end(owner);
}

/// What was dropped ends.
fn end<K: Kernel>(owner: &Owner<K>) {
    let pause = anyring::abi::__kernel_timespec {
        tv_sec: 0,
        tv_nsec: 10_000_000,
    };
    for _ in 0..1000 {
        if owner.in_flight() == 0 {
            return;
        }
        let _ = owner.turn(1, Some(&pause));
    }
    panic!("{} are still in flight", owner.in_flight());
}

fn pools<K: Kernel>(owner: &Owner<K>) {
    let pool = match owner.pool(2, 4) {
        Ok(pool) => pool,
        Err(error) => return println!("skipped: no buffer rings here: {error}"),
    };
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    theirs.write_all(b"abcdefghij").expect("room");
    let request = Request::recv_multishot(&ours, &pool, 0);
    let mut parts: Multishot<K, _> = owner.start_multishot(request).expect("room");
    let first = parts.next().expect("a part");
    let first = match first {
        Err(Errno::EINVAL) => return println!("skipped: no multishot receives here"),
        first => first.expect("bytes"),
    };
    assert_eq!(&*first, b"abcd");
    let second = parts.next().expect("a part").expect("bytes");
    assert_eq!(&*second, b"efgh");
    // Both are out: the kernel has none for the rest.
    assert_eq!(parts.next().expect("an end").err(), Some(Errno::ENOBUFS));
    assert!(parts.next().is_none());
    drop((first, second));
    let rest = owner.start(Request::recv_pooled(&ours, &pool, 0));
    let rest = rest.expect("room").wait().expect("bytes");
    assert_eq!(&*rest, b"ij");
    drop(theirs);
    let nothing = owner.start(Request::recv_pooled(&ours, &pool, 0));
    assert!(nothing.expect("room").wait().expect("the end").is_empty());
    // The pool goes before its last buffer, whose bytes stay.
    drop((parts, pool));
    assert_eq!(&*rest, b"ij");
    drop(rest);
    // Its number is free again.
    drop(owner.pool(4, 16).expect("another pool"));
}

fn batches<K: Kernel>(owner: &Owner<K>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let mut batch = owner.batch();
    let write = Request::write(&ours, b"linked".to_vec(), u64::MAX).link();
    let write = batch.push(write).expect("memory");
    let read = Request::read(&theirs, vec![0; 6], u64::MAX);
    let read = batch.push(read).expect("memory");
    batch.submit().expect("room");
    assert_eq!(write.wait().0, Ok(6));
    assert_eq!(read.wait(), (Ok(6), b"linked".to_vec()));
    // A chain ends with the first failure.
    let mut batch = owner.batch();
    let missing = CString::new("/nonexistent").expect("no zero");
    let fails = batch
        .push(Request::open(missing, libc::O_RDONLY, 0).link())
        .expect("memory");
    let never = batch.push(Request::nop()).expect("memory");
    batch.submit().expect("room");
    assert_eq!(fails.wait().err(), Some(Errno::ENOENT));
    assert_eq!(never.wait().0, Err(Errno::ECANCELED));
    // A limit of time, and a timer.
    let late = Request::recv(&ours, vec![0; 8], 0).timeout(Duration::from_millis(5));
    let late = owner.start(late).expect("room").wait();
    assert_eq!(late, (Err(Errno::ECANCELED), vec![0; 8]));
    let sleep = Request::sleep(Duration::from_millis(1));
    let slept = owner.start(sleep).expect("room").wait();
    assert_eq!(slept, Err(Errno::ETIME));
    // More than the queue holds is refused as a whole.
    let mut batch = owner.batch();
    let all: Vec<_> = (0..9)
        .map(|_| batch.push(Request::nop()).expect("memory"))
        .collect();
    assert_eq!(batch.submit(), Err(Errno::E2BIG));
    for one in all {
        assert_eq!(one.wait().0, Err(Errno::ECANCELED));
    }
    // One that is dropped is submitted.
    let dropped = owner.batch().push(Request::nop()).expect("memory");
    assert_eq!(dropped.wait().0, Ok(0));
    end(owner);
}

fn messages<K: Kernel>(owner: &Owner<K>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    // Descriptors go with a message, and are the receiver's.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let message = Message::new(vec![b"two ".to_vec(), b"parts".to_vec()]);
    let message = message.descriptors(vec![reader.into()]);
    let sent = owner.start(Request::sendmsg(&ours, message, 0));
    let (sent, mut message) = sent.expect("room").wait();
    assert_eq!((sent, message.buffers().len()), (Ok(9), 2));
    assert_eq!(message.take_descriptors().len(), 1);
    let room = || Message::new(vec![vec![0; 4], vec![0; 8]]).control_room(64);
    let got = owner.start(Request::recvmsg(&theirs, room(), 0));
    let (got, mut message) = got.expect("room").wait();
    assert_eq!((got, message.flags()), (Ok(9), libc::MSG_CMSG_CLOEXEC));
    assert_eq!(
        message.buffers(),
        [b"two ".to_vec(), b"parts\0\0\0".to_vec()]
    );
    let [received]: [OwnedFd; 1] = message.take_descriptors().try_into().expect("one");
    assert!(message.take_descriptors().is_empty());
    (&writer).write_all(b"x").expect("a reader");
    let byte = owner.read(&received, vec![0; 4], u64::MAX).expect("room");
    assert_eq!(byte.wait().0, Ok(1));
    drop(received);
    assert!(
        (&writer).write_all(b"y").is_err(),
        "that was the last reader"
    );
    // Those of a message that was dropped, or whose operation was, are closed.
    for waits in [true, false] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let message = Message::new(vec![b"m".to_vec()]).descriptors(vec![reader.into()]);
        drop(
            owner
                .start(Request::sendmsg(&ours, message, 0))
                .expect("room")
                .wait(),
        );
        let got = owner
            .start(Request::recvmsg(&theirs, room(), 0))
            .expect("room");
        if waits {
            assert_eq!(got.wait().0, Ok(1));
        } else {
            drop(got);
        }
        end(owner);
        assert!((&writer).write_all(b"y").is_err(), "nothing has the reader");
    }
    // Without room they are closed by the kernel.
    let message = Message::new(vec![b"m".to_vec()]).descriptors(vec![theirs.into()]);
    let (last, other) = UnixStream::pair().expect("a pair");
    assert_eq!(
        owner
            .start(Request::sendmsg(&last, message, 0))
            .expect("room")
            .wait()
            .0,
        Ok(1)
    );
    let got = owner.start(Request::recvmsg(&other, Message::new(vec![vec![0; 4]]), 0));
    let (got, mut message) = got.expect("room").wait();
    assert_eq!(got, Ok(1));
    assert_ne!(message.flags() & libc::MSG_CTRUNC, 0);
    assert!(message.take_descriptors().is_empty());
    // What would be an address of memory is refused.
    let rds = Message::default().control(276, 1, &[0; 16]);
    assert_eq!(rds.map(|_| ()), Err(Errno::EINVAL));
    let rights = Message::default().control(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[0; 4]);
    assert_eq!(rights.map(|_| ()), Err(Errno::EINVAL));
    let flags = libc::MSG_NOSIGNAL | 0x400_0000;
    let kept = owner.start(Request::send(&last, vec![0; 4], flags));
    assert_eq!(kept.map(|_| ()), Err(Errno::EINVAL));
    assert_eq!(owner.in_flight(), 0);
}

fn addresses<K: Kernel>(owner: &Owner<K>) {
    let server = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let client = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let (to, from) = (server.local_addr(), client.local_addr());
    let (to, from) = (to.expect("an address"), from.expect("an address"));
    let hello = || Message::new(vec![b"hello".to_vec()]).to(to);
    let sent = owner
        .start(Request::sendmsg(&client, hello(), 0))
        .expect("room");
    assert_eq!(sent.wait().0, Ok(5));
    let got = owner.start(Request::recvmsg(&server, Message::new(vec![vec![0; 4]]), 0));
    let (got, message) = got.expect("room").wait();
    assert_eq!((got, message.address()), (Ok(4), Some(from)));
    assert_ne!(message.flags() & libc::MSG_TRUNC, 0);
    assert_eq!(message.into_buffers(), [b"hell".to_vec()]);
    let zero = owner
        .start(Request::sendmsg_zc(&client, hello(), 0))
        .expect("room");
    match zero.wait() {
        (Err(error), _) => {
            println!("skipped: no zero-copy messages here: {error}");
            client.send_to(b"hello", to).map(|_| ()).expect("a send");
        }
        (sent, back) => assert_eq!((sent, back.buffers()[0].len()), (Ok(5), 5)),
    }
    let pool = match owner.pool(4, 256) {
        Ok(pool) => pool,
        Err(error) => return println!("skipped: no buffer rings here: {error}"),
    };
    let request = Request::recvmsg_multishot(&server, &pool, 0);
    let mut datagrams = owner.start_multishot(request).expect("room");
    match datagrams.next().expect("a message") {
        Err(Errno::EINVAL) => return println!("skipped: no multishot messages here"),
        first => {
            let first = first.expect("a message");
            assert_eq!((&*first, first.address()), (&b"hello"[..], Some(from)));
        }
    }
    client.send_to(&[b'x'; 200], to).expect("a send");
    let second = datagrams.next().expect("a message").expect("a message");
    assert_eq!(&*second, &[b'x'; 256 - 144][..]);
    assert_ne!(second.flags() & libc::MSG_TRUNC as u32, 0);
    client.send_to(b"", to).expect("a send");
    let empty = datagrams.next().expect("a message").expect("a message");
    assert_eq!((&*empty, empty.address()), (&b""[..], Some(from)));
    drop((datagrams, pool, second, empty));
    end(owner);
}

fn status<K: Kernel>(owner: &Owner<K>) {
    let file = std::fs::File::open("/proc/self/exe").expect("this program");
    let metadata = file.metadata().expect("metadata");
    let mask = libc::STATX_SIZE | libc::STATX_TYPE;
    let open = owner.start(Request::fstat(&file, mask)).expect("room");
    assert_eq!(open.wait().expect("a status").stx_size, metadata.len());
    let path = CString::new("/proc/self/exe").expect("no zero");
    let named = owner.start(Request::statx(path, 0, mask)).expect("room");
    assert_eq!(named.wait().expect("a status").stx_size, metadata.len());
    let folder = std::fs::File::open("/proc/self").expect("a folder");
    let below = CString::new("exe").expect("no zero");
    let below = Request::statx_at(&folder, below, libc::AT_SYMLINK_NOFOLLOW, mask);
    let link = owner.start(below).expect("room").wait().expect("a status");
    assert_eq!(u32::from(link.stx_mode) & libc::S_IFMT, libc::S_IFLNK);
    let missing = CString::new("/nonexistent").expect("no zero");
    let missing = owner.start(Request::statx(missing, 0, mask)).expect("room");
    assert_eq!(missing.wait().map(|_| ()), Err(Errno::ENOENT));
}

fn futexes<K: Kernel>(owner: &Owner<K>) {
    const ANY: u32 = u32::MAX;
    let word = Arc::new(AtomicU32::new(7));
    let other = owner.start(Request::futex_wait(word.clone(), 8, ANY));
    match other.expect("room").wait() {
        Err(Errno::EINVAL) => return println!("skipped: no futexes by the ring here"),
        other => assert_eq!(other, Err(Errno::EAGAIN)),
    }
    let wait = owner
        .start(Request::futex_wait(word.clone(), 7, ANY))
        .expect("room");
    let second = Arc::new(AtomicU32::new(0));
    let any = vec![(Arc::new(AtomicU32::new(3)), 3), (second.clone(), 0)];
    let any = owner.start(Request::futex_wait_any(any)).expect("room");
    let woken = std::thread::spawn({
        let word = word.clone();
        move || {
            // By another ring of another thread.
            let Ok(owner) = Owner::new(Builder::new(4), Linux) else {
                return None;
            };
            word.store(8, Ordering::Relaxed);
            Some(owner.start(Request::futex_wake(word, 1, ANY)).ok()?.wait())
        }
    });
    match woken.join().expect("no panic") {
        Some(Ok(1)) => assert_eq!(wait.wait(), Ok(0)),
        woken => {
            println!("skipped: the kernel's io_uring has no futexes: {woken:?}");
            let wake = owner
                .start(Request::futex_wake(word.clone(), 1, ANY))
                .expect("room");
            assert_eq!((wake.wait(), wait.wait()), (Ok(1), Ok(0)));
        }
    }
    let wake = owner
        .start(Request::futex_wake(second, 1, ANY))
        .expect("room");
    assert_eq!((wake.wait(), any.wait()), (Ok(1), Ok(1)));
    // One that is dropped is cancelled, and the word kept until then.
    let word = Arc::new(AtomicU32::new(0));
    drop(
        owner
            .start(Request::futex_wait(word.clone(), 0, ANY))
            .expect("room"),
    );
    end(owner);
    assert_eq!(Arc::strong_count(&word), 1);
}

fn bundles<K: Kernel>(owner: &Owner<K>) {
    let pool = match owner.send_pool(4, 4) {
        Ok(pool) => pool,
        Err(error) => return println!("skipped: no bundles here: {error}"),
    };
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    for round in 0..3 {
        for part in [&b"ab"[..], b"cdef", b"g", b"hijk"] {
            assert_eq!(pool.push(part), Ok(()));
        }
        assert_eq!((pool.push(b"l"), pool.free()), (Err(Errno::ENOBUFS), 0));
        assert_eq!(pool.push(b"12345"), Err(Errno::EMSGSIZE));
        let sent = owner
            .start(Request::send_bundle(&ours, &pool, 0))
            .expect("room");
        assert_eq!((sent.wait(), pool.free()), (Ok(11), 4), "round {round}");
        let mut text = [0; 11];
        theirs.read_exact(&mut text).expect("what was sent");
        assert_eq!(&text, b"abcdefghijk");
    }
    let nothing = owner
        .start(Request::send_bundle(&ours, &pool, 0))
        .expect("room");
    assert_eq!(nothing.wait(), Err(Errno::ENOBUFS));
    // Received into several buffers, whatever order they were given back in.
    let pool = owner.pool(4, 4).expect("a pool");
    let text = |parts: &[anyring::operation::PoolBuffer<K>]| {
        parts
            .iter()
            .flat_map(|part| part.to_vec())
            .collect::<Vec<u8>>()
    };
    let mut most = 0;
    for round in 0..5 {
        theirs.write_all(b"0123456789").expect("room");
        let mut all = Vec::new();
        // How many it takes at once is up to the kernel.
        while all.len() < 10 {
            let got = owner
                .start(Request::recv_bundle(&ours, &pool, 0))
                .expect("room");
            let mut parts = got.wait().expect("bytes");
            most = parts.len().max(most);
            all.extend(text(&parts));
            if round % 2 == 0 {
                parts.reverse();
            }
        }
        assert_eq!(all, b"0123456789", "round {round}");
    }
    assert!(most > 1, "several at once");
    let request = Request::recv_bundle_multishot(&ours, &pool, 0);
    let mut bundles = owner.start_multishot(request).expect("room");
    for sent in [&b"abcdef"[..], b"gh", b"ijklmnop"] {
        theirs.write_all(sent).expect("room");
        let mut got = Vec::new();
        while got.len() < sent.len() {
            got.extend(text(&bundles.next().expect("more").expect("bytes")));
        }
        assert_eq!(got, sent);
    }
    drop(theirs);
    let last = bundles.next().expect("an end").expect("no error");
    assert!(last.is_empty() && bundles.next().is_none());
    // All buffers are the kernel's again.
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    theirs.write_all(&[b'z'; 16]).expect("room");
    let mut all = Vec::new();
    while all.len() < 4 {
        let got = owner
            .start(Request::recv_bundle(&ours, &pool, 0))
            .expect("room");
        all.extend(got.wait().expect("bytes"));
    }
    assert_eq!(text(&all), [b'z'; 16]);
    drop(all);
    // A request with a pool that is gone does not get the one in its place.
    let request = Request::recv_bundle(&ours, &pool, 0);
    drop((bundles, pool));
    let other = owner.send_pool(4, 4).expect("a pool");
    assert_eq!(owner.start(request).map(|_| ()), Err(Errno::EINVAL));
    drop(other);
    end(owner);
}

#[test]
fn all_of_linux() {
    let Some(owner) = owner(Linux) else { return };
    sockets(&owner);
    accepts_again_and_again(&owner);
    pools(&owner);
    batches(&owner);
    messages(&owner);
    addresses(&owner);
    status(&owner);
    futexes(&owner);
    bundles(&owner);
    end(&owner);
}

#[test]
fn all_of_the_engine() {
    let Some(owner) = engine() else { return };
    sockets(&owner);
    accepts_again_and_again(&owner);
    pools(&owner);
    batches(&owner);
    messages(&owner);
    addresses(&owner);
    status(&owner);
    futexes(&owner);
    bundles(&owner);
    end(&owner);
}

#[test]
fn bytes_between_files() {
    let Some(owner) = owner(Linux) else { return };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let file = std::fs::File::open("/proc/self/exe").expect("this program");
    let moved = owner.start(Request::splice(&file, 0, &writer, -1, 100));
    assert_eq!(moved.expect("room").wait(), Ok(100));
    let got = owner.read(&reader, vec![0; 200], u64::MAX).expect("room");
    let (count, bytes) = got.wait();
    assert_eq!((count, &bytes[1..4]), (Ok(100), &b"ELF"[..]));
}

#[test]
fn a_script_decides_what_several_results_are() {
    let machine = machine();
    let owner = owner(machine).expect("a ring");
    let (socket, _other) = UnixStream::pair().expect("a pair");
    machine.script_results(&[
        (9, IORING_CQE_F_MORE),
        (9, IORING_CQE_F_MORE),
        (-libc::EMFILE, 0),
    ]);
    let accepted = owner.start_multishot(Request::accept_multishot(&socket));
    let accepted: Vec<_> = accepted.expect("room").collect();
    assert_eq!(accepted.len(), 3);
    // Descriptors are real and the program's, whatever number the script has.
    assert!(accepted[0].is_ok() && accepted[1].is_ok());
    assert_eq!(accepted[2].as_ref().err(), Some(&Errno::EMFILE));
    // Buffers that the kernel says it took, if there are such.
    let pool = owner.pool(2, 8).expect("a pool");
    let buffer = |id: u32| IORING_CQE_F_BUFFER | id << 16;
    machine.script_results(&[
        (5, buffer(1) | IORING_CQE_F_MORE),
        (100, buffer(0) | IORING_CQE_F_MORE),
        (3, buffer(7)),
    ]);
    let request = Request::recv_multishot(&socket, &pool, 0);
    let parts = owner.start_multishot(request).expect("room");
    let parts: Vec<_> = parts.map(|part| part.map(|bytes| bytes.len())).collect();
    assert_eq!(parts, [Ok(5), Ok(8), Err(Errno::ENOBUFS)]);
    // Those of requests that were dropped come back to the kernel, files are closed.
    machine.script_results(&[(5, buffer(1)), (4, 0)]);
    drop(
        owner
            .start(Request::recv_pooled(&socket, &pool, 0))
            .expect("room"),
    );
    drop(owner.accept(&socket).expect("room"));
    drop(pool);
    end(&owner);
    drop(owner);
    assert_eq!(machine.open(), (0, 0));
}

#[test]
fn a_pool_is_of_one_ring() {
    let (one, other) = (owner(machine()).expect("a ring"), owner(Linux));
    let pool = one.pool(2, 8).expect("a pool");
    let (socket, _other) = UnixStream::pair().expect("a pair");
    if let Some(other) = other {
        let refused = other.start(Request::recv_pooled(&socket, &pool, 0));
        assert_eq!(refused.map(|_| ()), Err(Errno::EINVAL));
    }
    let polled = Builder::new(4).flags(SetupFlags::SQPOLL);
    assert_eq!(
        Owner::new(polled, machine()).map(|_| ()),
        Err(Errno::EINVAL)
    );
    let mut context = Context::from_waker(Waker::noop());
    let mut nop = std::pin::pin!(one.nop().expect("room"));
    let done = std::future::Future::poll(nop.as_mut(), &mut context);
    assert_eq!(done, Poll::Ready((Ok(0), Vec::new())));
}

#[test]
fn a_script_fills_messages_and_bundles() {
    let machine = machine();
    let owner = owner(machine).expect("a ring");
    let (socket, _other) = UnixStream::pair().expect("a pair");
    machine.script_bytes(b"0123456789");
    machine.script_results(&[(7, 0), (-libc::EINTR, 0), (0, 0)]);
    let room = || Message::new(vec![vec![0; 2], vec![0; 8]]).control_room(64);
    let got = owner
        .start(Request::recvmsg(&socket, room(), 0))
        .expect("room");
    let (got, mut message) = got.wait();
    assert_eq!((got, &message.buffers()[0][..]), (Ok(7), &b"01"[..]));
    assert_eq!(&message.buffers()[1][..5], b"23456");
    assert!(message.take_descriptors().is_empty() && message.messages().next().is_none());
    let (got, message) = owner
        .start(Request::recvmsg(&socket, room(), 0))
        .expect("room")
        .wait();
    assert_eq!((got, message.buffers().len()), (Err(Errno::EINTR), 2));
    let path = CString::new("/").expect("no zero");
    let status = owner
        .start(Request::statx(path, 0, 0))
        .expect("room")
        .wait();
    assert_eq!(status.expect("zeroes").stx_size, 0);
    // Bundles, and some of buffers that the kernel does not have.
    let pool = owner.pool(4, 8).expect("a pool");
    let buffer = |id: u32| IORING_CQE_F_BUFFER | id << 16;
    machine.script_results(&[
        (20, buffer(0) | IORING_CQE_F_MORE),
        (3, buffer(3) | IORING_CQE_F_MORE),
        (100, buffer(9) | IORING_CQE_F_MORE),
        (i32::MAX, buffer(1)),
    ]);
    let request = Request::recv_bundle_multishot(&socket, &pool, 0);
    let bundles = owner.start_multishot(request).expect("room");
    let lengths: Vec<_> = bundles
        .map(|parts| parts.map(|parts| parts.iter().map(|part| part.len()).collect::<Vec<_>>()))
        .collect();
    assert_eq!(lengths[0], Ok(vec![8, 8, 4]));
    assert_eq!(lengths[1], Ok(vec![3]));
    assert_eq!(lengths[2], Err(Errno::ENOBUFS));
    // The kernel said so of a buffer that it had not got back: it is none.
    assert_eq!(lengths[3], Err(Errno::ENOBUFS));
    drop(pool);
    end(&owner);
    drop(owner);
    assert_eq!(machine.open(), (0, 0));
}

/// What an enter did not take is done with the files that the request was started with,
/// also when the program has closed them and others have their numbers.
#[test]
fn files_that_are_closed_before_their_entry_is_taken() {
    let machine = machine();
    let owner = owner(machine).expect("a ring");
    machine.script_enter(&[Enter::Fails(-libc::EAGAIN)]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let number = writer.as_raw_fd();
    let write = owner
        .write(&writer, b"late".to_vec(), u64::MAX)
        .expect("room");
    drop(writer);
    // The table has a duplicate: the pipe has a writer, whatever has the number now.
    let other = std::fs::File::open("/dev/null").expect("it is there");
    println!("{number} is {} now", other.as_raw_fd());
    assert_eq!(write.wait().0, Ok(0));
    let mut rest = Vec::new();
    (&reader)
        .read_to_end(&mut rest)
        .expect("the writers are gone");
    // Linux takes nothing of a batch behind an entry that it refuses; the rest goes with
    // another enter.
    let Some(owner) = self::owner(Linux) else {
        return;
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut batch = owner.batch();
    let bad = batch
        .push(Request::fallocate(&writer, 0, 0, 0))
        .expect("memory");
    let good = batch
        .push(Request::write(&writer, b"x".to_vec(), u64::MAX))
        .expect("memory");
    batch.submit().expect("room");
    drop(writer);
    assert!(bad.wait().is_err());
    assert_eq!(good.wait().0, Ok(1));
    let mut byte = [0; 4];
    assert_eq!((&reader).read(&mut byte).expect("a byte"), 1);
}
