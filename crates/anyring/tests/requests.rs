//! All that can be asked for by requests that own what they use, on this machine's
//! kernel, on the engine and on the scripted kernel.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anyring::abi::{IORING_CQE_F_BUFFER, IORING_CQE_F_MORE};
use anyring::flags::SetupFlags;
use anyring::kernel::scripted::{Features, Machine};
use anyring::operation::{Multishot, Number, Owner, Request};
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

#[test]
fn all_of_linux() {
    let Some(owner) = owner(Linux) else { return };
    sockets(&owner);
    accepts_again_and_again(&owner);
    pools(&owner);
    batches(&owner);
    end(&owner);
}

#[test]
fn all_of_the_engine() {
    let Some(owner) = engine() else { return };
    sockets(&owner);
    accepts_again_and_again(&owner);
    pools(&owner);
    batches(&owner);
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
