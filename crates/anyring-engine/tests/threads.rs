//! Several threads of a program on the engine's rings: one that submits and one
//! that waits, submitters behind a lock, SQPOLL, messages between the rings of
//! two threads, cancels and closes from elsewhere. `make test-engine-tsan`
//! runs them under the thread sanitizer, which sees the library's half of the
//! rings and the engine's; without it they check the counts.

use std::cell::UnsafeCell;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyring::abi::*;
use anyring::ring::setup::{empty, params, queue_exit, queue_init_params};
use anyring::{RingRef, prep};
use anyring_engine::{BuiltIn, Choice, KernelOrEngine, choose};

type Engine = KernelOrEngine<BuiltIn>;

/// Completions that each scenario is about.
const COUNT: u64 = 4000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A ring at a fixed place, which its users synchronise themselves.
struct Shared(*mut io_uring);

// SAFETY: as C programs have it: the submitting half is used by one thread at a
// time, and so is the completing half; the two have no field in common that
// changes.
unsafe impl Send for Shared {}
// SAFETY: the same.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(entries: u32, flags: u32) -> Shared {
        choose(Some(Choice::Userspace));
        let raw = Box::into_raw(Box::new(empty()));
        let mut p = params(flags);
        p.sq_thread_idle = 5;
        // SAFETY: both structs are valid.
        let made = unsafe { queue_init_params(Engine::new(), entries, raw, &raw mut p) };
        assert_eq!(made, 0);
        Shared(raw)
    }

    fn ring(&self) -> RingRef<Engine> {
        // SAFETY: set up above and taken down by `exit` only, which takes it.
        unsafe { RingRef::new(self.0, Engine::new()) }
    }

    fn fd(&self) -> RawFd {
        // SAFETY: written by the setup and never again.
        unsafe { (&raw const (*self.0).ring_fd).read() }
    }

    fn exit(self) {
        // SAFETY: nobody else has it any more.
        unsafe {
            queue_exit(self.ring());
            drop(Box::from_raw(self.0));
        }
    }

    /// Queues and submits one request, as often as the queue is full.
    fn start(&self, tag: u64, prepare: impl Fn(&mut io_uring_sqe)) {
        let sqe = loop {
            if let Some(sqe) = self.ring().get_sqe() {
                break sqe;
            }
            self.ring().submit();
            thread::yield_now();
        };
        // SAFETY: a fresh entry of a queue that this thread has for itself.
        let sqe = unsafe { &mut *sqe.as_ptr() };
        prepare(sqe);
        sqe.user_data = tag;
        let submitted = self.ring().submit();
        assert!(submitted >= 0, "submit: {submitted}");
    }

    fn nop(&self, tag: u64) {
        self.start(tag, prep::prep_nop);
    }

    /// The next completion; panics if none comes.
    fn take(&self) -> (u64, i32) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.look() {
                return found;
            }
            assert!(Instant::now() < deadline, "no completion");
            let time = __kernel_timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            // SAFETY: the time lives until the call returns.
            let _ = unsafe { self.ring().wait_cqes(1, &raw const time, std::ptr::null()) };
        }
    }

    fn look(&self) -> Option<(u64, i32)> {
        let cqe = self.ring().peek_raw().cqe;
        if cqe.is_null() {
            return None;
        }
        // SAFETY: a ready entry, which stays until the queue is advanced.
        let (tag, res) = unsafe { ((*cqe).user_data, (*cqe).res) };
        self.ring().cq_advance(1);
        Some((tag, res))
    }
}

/// A lock that the sanitizer sees, which the standard library's is not.
struct Lock(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: what a mutex is for.
unsafe impl Sync for Lock {}

impl Lock {
    const fn new() -> Lock {
        Lock(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER))
    }

    fn with<T>(&self, work: impl FnOnce() -> T) -> T {
        // SAFETY: initialised, and it stays where it is while it is locked.
        assert_eq!(unsafe { libc::pthread_mutex_lock(self.0.get()) }, 0);
        let result = work();
        // SAFETY: locked above by this thread.
        assert_eq!(unsafe { libc::pthread_mutex_unlock(self.0.get()) }, 0);
        result
    }
}

/// Waits for threads in a way that the sanitizer sees.
fn join<const N: usize>(threads: [ScopedJoinHandle<'_, ()>; N]) {
    for thread in threads {
        thread.join().expect("a thread without panic");
    }
}

fn pipe() -> [RawFd; 2] {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    ends
}

fn close(fd: RawFd) {
    // SAFETY: a descriptor of this test.
    assert_eq!(unsafe { libc::close(fd) }, 0);
}

fn put(fd: RawFd, bytes: &[u8]) {
    // SAFETY: the bytes are valid.
    let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    assert_eq!(written, bytes.len() as isize);
}

/// MariaDB's pattern, with reads that complete at once and ones that wait.
#[test]
fn one_waits_while_others_submit() {
    for flags in [0, IORING_SETUP_SQPOLL, IORING_SETUP_COOP_TASKRUN] {
        let shared = Shared::new(16, flags);
        let ends = pipe();
        let submitting = Lock::new();
        let buffers: Vec<AtomicU64> = (0..COUNT).map(|_| AtomicU64::new(0)).collect();
        thread::scope(|scope| {
            let submitters = [0, 1, 2].map(|part| {
                let (shared, submitting, buffers) = (&shared, &submitting, &buffers);
                scope.spawn(move || {
                    for tag in (part..COUNT).step_by(3) {
                        let buffer = buffers[tag as usize].as_ptr();
                        submitting.with(|| {
                            shared.start(tag, |sqe| {
                                if tag % 4 == 0 {
                                    prep::prep_read(sqe, ends[0], buffer.cast(), 1, 0);
                                } else {
                                    prep::prep_nop(sqe);
                                }
                            });
                        });
                    }
                })
            });
            let writer = scope.spawn(|| {
                for _ in 0..COUNT / 4 {
                    put(ends[1], b"x");
                }
            });
            let mut seen = vec![false; COUNT as usize];
            for _ in 0..COUNT {
                let (tag, res) = shared.take();
                assert_eq!(res, i32::from(tag % 4 == 0));
                assert!(!std::mem::replace(&mut seen[tag as usize], true), "twice");
                if tag % 4 == 0 {
                    let word = &buffers[tag as usize];
                    assert_eq!(word.load(Ordering::Relaxed).to_ne_bytes()[0], b'x');
                }
            }
            join(submitters);
            join([writer]);
        });
        shared.exit();
        ends.into_iter().for_each(close);
    }
}

/// Threads that take turns with the whole ring.
#[test]
fn turns_behind_a_lock() {
    let (shared, lock) = (Shared::new(8, 0), Lock::new());
    let total = AtomicU64::new(0);
    thread::scope(|scope| {
        join([0, 1, 2, 3].map(|part| {
            let (shared, lock, total) = (&shared, &lock, &total);
            scope.spawn(move || {
                for tag in 0..COUNT / 8 {
                    let (tag, _) = lock.with(|| {
                        shared.nop(part * COUNT + tag);
                        shared.take()
                    });
                    total.fetch_add(tag, Ordering::Relaxed);
                }
            })
        }));
    });
    let each = COUNT / 8;
    let wanted: u64 = (0..4)
        .map(|p| p * COUNT * each + each * (each - 1) / 2)
        .sum();
    assert_eq!(total.into_inner(), wanted);
    shared.exit();
}

/// Two threads, a ring each, send each other numbers and descriptors' sums.
#[test]
fn messages_between_threads() {
    let rings = [Shared::new(16, 0), Shared::new(16, IORING_SETUP_SQPOLL)];
    const MESSAGE: u64 = 1 << 40;
    thread::scope(|scope| {
        join([0, 1].map(|me| {
            let rings = &rings;
            scope.spawn(move || {
                let (mine, other) = (&rings[me], rings[1 - me].fd());
                let (mut sent, mut answered, mut got, mut sum) = (0, 0, 0, 0);
                while answered < COUNT / 4 || got < COUNT / 4 {
                    if sent < COUNT / 4 && sent - answered < 8 {
                        let number = sent as u32;
                        mine.start(1, |sqe| prep::prep_msg_ring(sqe, other, number, MESSAGE, 0));
                        sent += 1;
                        continue;
                    }
                    let (tag, res) = mine.take();
                    if tag == MESSAGE {
                        got += 1;
                        sum += res as u64;
                    } else {
                        assert_eq!((tag, res), (1, 0));
                        answered += 1;
                    }
                }
                let count = COUNT / 4;
                assert_eq!((got, sum), (count, count * (count - 1) / 2));
            })
        }));
    });
    rings.into_iter().for_each(Shared::exit);
}

/// One thread reads from a pipe; another cancels it by register calls, which
/// take no lock of the program, and a third writes.
#[test]
fn cancels_from_another_thread() {
    let shared = Shared::new(8, 0);
    let ends = pipe();
    let done = AtomicBool::new(false);
    let (mut cancelled, mut read) = (0_u64, 0_u64);
    thread::scope(|scope| {
        let canceller = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // SAFETY: integers: zeroes are a value.
                let mut reg: io_uring_sync_cancel_reg = unsafe { std::mem::zeroed() };
                reg.addr = 7;
                reg.fd = -1;
                reg.timeout.tv_sec = -1;
                reg.timeout.tv_nsec = -1;
                let at = &raw const reg;
                // SAFETY: the struct is valid; the call touches no field of
                // the ring but its descriptor.
                let res = unsafe {
                    shared
                        .ring()
                        .register(IORING_REGISTER_SYNC_CANCEL, at.cast(), 1)
                };
                assert!(matches!(-res, 0 | libc::ENOENT | libc::EALREADY), "{res}");
            }
        });
        let writer = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                put(ends[1], b"x");
                thread::sleep(Duration::from_micros(300));
            }
        });
        let mut byte = 0_u8;
        let at = &raw mut byte as usize;
        for _ in 0..COUNT / 4 {
            shared.start(7, |sqe| prep::prep_read(sqe, ends[0], at as *mut _, 1, 0));
            match shared.take() {
                (7, 1) => read += 1,
                (7, res) if res == -libc::ECANCELED => cancelled += 1,
                other => panic!("{other:?}"),
            }
        }
        done.store(true, Ordering::Relaxed);
        join([canceller, writer]);
    });
    assert_eq!(cancelled + read, COUNT / 4);
    assert!(read > 0);
    shared.exit();
    ends.into_iter().for_each(close);
}

/// Descriptors are closed and rings taken down by another thread than the one
/// that started requests on them.
#[test]
fn closes_from_another_thread() {
    for round in 0..150_u64 {
        let flags = [0, IORING_SETUP_SQPOLL][round as usize % 2];
        let shared = Shared::new(8, flags);
        let ends = pipe();
        let mut byte = [0_u8; 2];
        let at = byte.as_mut_ptr() as usize;
        for tag in 0..2 {
            shared.start(tag, |sqe| {
                prep::prep_read(sqe, ends[0], (at + tag as usize) as *mut _, 1, 0);
            });
        }
        shared.nop(9);
        assert_eq!(shared.take(), (9, 0));
        thread::scope(|scope| {
            let closer = scope.spawn(|| {
                close(ends[0]);
                put(ends[1], b"y");
                close(ends[1]);
            });
            // The file is the requests', whatever became of the descriptor: one
            // byte and the end, in either order.
            let mut results = [shared.take().1, shared.take().1];
            results.sort_unstable();
            assert_eq!(results, [0, 1]);
            join([closer]);
        });
        assert!(byte.contains(&b'y'));
        let more = pipe();
        shared.start(3, |sqe| prep::prep_read(sqe, more[0], at as *mut _, 1, 0));
        thread::spawn(move || shared.exit()).join().expect("an end");
        more.into_iter().for_each(close);
    }
}
