//! Requests that own what they use: results with their buffers, drops at every moment,
//! on this machine's kernel and on the scripted one.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use anyring::abi::__kernel_timespec;
use anyring::inflight::{InFlight, Token};
use anyring::kernel::scripted::{Enter, Features, Machine};
use anyring::operation::Owner;
use anyring::{Builder, Errno, Linux};

fn linux() -> Option<Owner> {
    Owner::new(Builder::new(4), Linux)
        .map_err(|error| println!("skipped: io_uring is not to be had here: {error}"))
        .ok()
}

fn machine() -> &'static Machine {
    Box::leak(Box::new(Machine::new(Features::new())))
}

const SHORT: __kernel_timespec = __kernel_timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

#[test]
fn bytes_go_and_come() {
    let Some(owner) = linux() else { return };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let write = owner
        .write(&writer, b"owned".to_vec(), u64::MAX)
        .expect("room");
    assert_eq!(write.wait(), (Ok(5), b"owned".to_vec()));
    let read = owner.read(&reader, vec![0; 8], u64::MAX).expect("room");
    assert_eq!(read.wait(), (Ok(5), b"owned\0\0\0".to_vec()));
    assert_eq!(owner.in_flight(), 0);
}

#[test]
fn a_dropped_read_keeps_its_memory_until_it_is_cancelled() {
    let Some(owner) = linux() else { return };
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    drop(owner.read(&reader, vec![0; 64], u64::MAX).expect("room"));
    for _ in 0..1000 {
        let _ = owner.turn(1, Some(&SHORT));
        if owner.in_flight() == 0 {
            break;
        }
    }
    assert_eq!(owner.in_flight(), 0);
    // It took nothing of what came later.
    writer.write_all(b"later").expect("a write");
    let mut got = [0; 5];
    (&reader).read_exact(&mut got).expect("a read");
    assert_eq!(&got, b"later");
}

#[test]
fn an_owner_ends_with_requests_in_flight() {
    let Some(owner) = linux() else { return };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    // More than the queues hold.
    let reads: Vec<_> = (0..20)
        .map(|_| owner.read(&reader, vec![0; 64], u64::MAX).expect("room"))
        .collect();
    assert_eq!(owner.in_flight(), 20);
    drop(owner);
    drop(reads);
    // One that is forgotten keeps its ring for ever, with all that is in flight there.
    let Some(owner) = linux() else { return };
    std::mem::forget(owner.read(&reader, vec![0; 64], u64::MAX).expect("room"));
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_future_is_woken_once_it_is_done() {
    let Some(owner) = linux() else { return };
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    let mut read = pin!(owner.read(&reader, vec![0; 4], u64::MAX).expect("room"));
    assert!(read.as_mut().poll(&mut context).is_pending());
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    writer.write_all(b"done").expect("a write");
    owner.turn(1, None).expect("a turn");
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    let outcome = read.as_mut().poll(&mut context);
    assert_eq!(outcome, Poll::Ready((Ok(4), b"done".to_vec())));
}

#[test]
fn a_script_decides_what_becomes_of_it() {
    let machine = machine();
    let owner = Owner::new(Builder::new(4), machine).expect("a ring");
    machine.script_results(&[(3, 0), (-libc::EIO, 0)]);
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let read = |size: usize| owner.read(&reader, vec![7; size], 0).expect("room");
    assert_eq!(read(8).wait(), (Ok(3), vec![7; 8]), "a short read");
    assert_eq!(read(8).wait(), (Err(Errno(libc::EIO)), vec![7; 8]));
    // What an enter did not take goes later, with its memory kept.
    machine.script_enter(&[Enter::Fails(-libc::EINTR), Enter::Fails(-libc::EAGAIN)]);
    let late = read(2);
    assert_eq!(owner.in_flight(), 1);
    assert_eq!(late.wait().0, Ok(0));
    // Completions out of order find their requests.
    machine.script_enter(&[Enter::Holds(1)]);
    let (first, second) = (owner.nop().expect("room"), owner.nop().expect("room"));
    assert_eq!(second.wait().0, Ok(0));
    drop(first);
    assert_eq!(owner.in_flight(), 1, "its completion is held back");
    drop(owner);
}

#[test]
fn a_number_finds_its_thing_only() {
    let mut table = InFlight::new();
    let first = table.insert("first").expect("room");
    let second = table.insert("second").expect("room");
    assert_eq!(table.get_mut(second), Some(&mut "second"));
    assert_eq!(table.remove(first), Some("first"));
    assert_eq!(table.remove(first), None);
    // The slot is used again under another number.
    let third = table.insert("third").expect("room");
    assert_ne!(first.user_data(), third.user_data());
    assert_eq!(table.get_mut(first), None);
    for unknown in [u64::MAX, u64::MAX - 1, 99] {
        assert_eq!(table.remove(Token::from_user_data(unknown)), None);
    }
    assert_eq!((table.len(), table.tokens().count()), (2, 2));
}
