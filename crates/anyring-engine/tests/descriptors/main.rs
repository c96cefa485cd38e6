//! Every kind of descriptor × operation × way of submitting × what ends a
//! wait, on the kernel and on the engine: the same completions, the same bytes,
//! the same state of the file.
//!
//! A run takes a random share of the cases, as many as some seconds allow, and prints
//! its seed. `DESCRIPTORS_SEED` repeats a run; `DESCRIPTORS_CASES` sets how many cases
//! are taken, 0 all of them, in whatever time; `DESCRIPTORS_KIND` and `DESCRIPTORS_WORK` choose by name.

#[allow(dead_code)]
#[path = "../support/random.rs"]
mod random;
#[path = "../support/rings.rs"]
mod rings;

mod known;
mod memory;
mod objects;
mod works;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyring::RingRef;
use anyring::abi::*;
use anyring::ring::setup::queue_exit;
use anyring_engine::{Choice, KernelOrEngine};

use memory::Memory;
use objects::{KINDS, Kind, Object};
use works::{WORKS, Work};

const TAG: u64 = 1;
const BEFORE: u64 = 2;
const LIMIT: u64 = 3;
const CANCEL: u64 = 4;

/// How many cases a run takes at most, and after how long it takes no more.
const CASES: usize = 2000;
const TIME: Duration = Duration::from_secs(25);
/// How long a ring without completions counts as one that waits.
const QUIET: Duration = Duration::from_millis(3);
/// How long a side may take for what must come.
const LATE: Duration = Duration::from_secs(2);
/// After how long a case that does not end ends the run.
const STUCK: Duration = Duration::from_secs(60);
/// A quiet ring is looked at this often before it counts as one: a busy machine may
/// have run nothing else meanwhile.
const LOOKS: u32 = 10;
/// How often a case that differs is tried, with more patience each time: a difference
/// stays.
const TRIES: u32 = 6;

/// How the entry is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    /// IOSQE_ASYNC.
    Async,
    /// Behind another of its chain.
    Linked,
    /// IOSQE_IO_DRAIN.
    Drained,
    /// With a link timeout that is long over before the wait is given up.
    Limited,
    /// As a registered file.
    Fixed,
    /// On a ring with DEFER_TASKRUN.
    Deferred,
}

/// What ends an operation that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What the operation waits for happens.
    Fed,
    /// The other end is closed.
    HungUp,
    /// Cancelled by its user_data.
    ByData,
    /// By its descriptor.
    ByFile,
    /// By another descriptor of its file.
    ByDuplicate,
    /// By its operation.
    ByOperation,
    /// With everything else.
    ByAny,
}

const WAYS: [Way; 7] = [
    Way::Plain,
    Way::Async,
    Way::Linked,
    Way::Drained,
    Way::Limited,
    Way::Fixed,
    Way::Deferred,
];
const ENDS: [End; 7] = [
    End::Fed,
    End::HungUp,
    End::ByData,
    End::ByFile,
    End::ByDuplicate,
    End::ByOperation,
    End::ByAny,
];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) work: Work,
    pub(crate) way: Way,
    pub(crate) end: End,
}

/// A completion; results that are descriptors count as 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    tag: u64,
    res: i32,
    flags: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    submitted: i32,
    /// What came by itself, and what came of the end.
    first: Vec<Seen>,
    then: Vec<Seen>,
    state: (i16, i32),
    bytes: Vec<u8>,
}

impl Outcome {
    fn brief(&self) -> String {
        let list = |seen: &[Seen]| -> String {
            let each = seen
                .iter()
                .map(|one| format!("{}={} ({:#x})", one.tag, one.res, one.flags));
            each.collect::<Vec<_>>().join(", ")
        };
        let sum = self.bytes.iter().fold(0_u64, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
        });
        format!(
            "{}: {}; then {}; state {:?} bytes {sum:x}",
            self.submitted,
            list(&self.first),
            list(&self.then),
            self.state
        )
    }
}

struct Side {
    choice: Choice,
    folder: PathBuf,
    memory: Memory,
}

struct Ring(Box<io_uring>);

impl Ring {
    fn get(&mut self) -> RingRef<KernelOrEngine> {
        // SAFETY: set up by `ring_on`, and taken down by `drop` only.
        unsafe { RingRef::new(&raw mut *self.0, KernelOrEngine::new()) }
    }

    fn push(&mut self, sqe: io_uring_sqe, tag: u64) {
        let slot = self.get().get_sqe().expect("room in the queue");
        // SAFETY: a slot of the queue that is this thread's until it is submitted.
        unsafe {
            slot.as_ptr().write(io_uring_sqe {
                user_data: tag,
                ..sqe
            })
        };
    }

    fn collect(&mut self, work: Work, seen: &mut Vec<Seen>) -> bool {
        let ring = self.get();
        let _ = ring.get_events();
        let before = seen.len();
        loop {
            let peek = ring.peek_raw();
            if peek.cqe.is_null() {
                return seen.len() > before;
            }
            // SAFETY: a ready entry, read before it is given back.
            let cqe = unsafe { &*peek.cqe };
            let mut res = cqe.res;
            if cqe.user_data == TAG && res >= 0 && work.gives_fd() {
                // SAFETY: a descriptor that the operation made for this test.
                unsafe { libc::close(res) };
                res = 0;
            }
            // The kernel interrupts the system call of a worker that is cancelled:
            // EINTR, or ERESTARTSYS (512) where the file's code gives that.
            if res == -512 || res == -libc::EINTR {
                res = -libc::ECANCELED;
            }
            seen.push(Seen {
                tag: cqe.user_data,
                res,
                flags: cqe.flags,
            });
            ring.cq_advance(1);
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let ring = self.get();
        // SAFETY: not used after this.
        unsafe { queue_exit(ring) };
    }
}

fn zero() -> io_uring_sqe {
    // SAFETY: integers only.
    unsafe { std::mem::zeroed() }
}

fn ended(seen: &[Seen], tag: u64) -> bool {
    seen.iter()
        .any(|one| one.tag == tag && one.flags & IORING_CQE_F_MORE == 0)
}

/// Collects until everything of `tags` has ended, or nothing came for a moment.
fn settle(ring: &mut Ring, case: &Case, seen: &mut Vec<Seen>, tags: &[u64], quiet: Duration) {
    let start = Instant::now();
    let (mut last, mut looks) = (start, 0);
    loop {
        let is_late = last.elapsed() > quiet && looks > LOOKS;
        looks += 1;
        if ring.collect(case.work, seen) {
            (last, looks) = (Instant::now(), 0);
        } else if is_late {
            return;
        }
        if tags.iter().all(|tag| ended(seen, *tag)) {
            return;
        }
        if start.elapsed() > Duration::from_micros(100) {
            std::thread::sleep(Duration::from_micros(50));
        }
        // What repeats for ever is cut off.
        if seen.len() > 50 {
            return;
        }
    }
}

/// Runs a case on one side; `expected` is what the other side did.
fn run(
    side: &mut Side,
    case: &Case,
    expected: Option<&Outcome>,
    quiet: Duration,
    late: Duration,
) -> Result<Outcome, i32> {
    side.memory.reset();
    let mut object = Object::new(case.kind, &side.folder)?;
    let flags = if case.way == Way::Deferred {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN
    } else {
        0
    };
    let mut ring = Ring(rings::ring_on(side.choice, 8, flags)?);
    assert!(side.memory.provide(ring.get()), "a buffer ring");

    let mut sqe = case.work.entry(&mut side.memory);
    let mut fd = object.fd;
    let fixed = case.way == Way::Fixed;
    if fixed {
        let table = [fd];
        // SAFETY: one descriptor, read during the call.
        let result = unsafe {
            ring.get()
                .register(IORING_REGISTER_FILES, table.as_ptr().cast(), 1)
        };
        if result < 0 {
            return Err(-result);
        }
        fd = 0;
    }
    case.work.aim(&mut sqe, fd, fixed, &side.memory);
    let mut tags = vec![TAG];
    match case.way {
        Way::Async => sqe.flags |= IOSQE_ASYNC as u8,
        Way::Linked => {
            let first = io_uring_sqe {
                flags: IOSQE_IO_LINK as u8,
                ..zero()
            };
            ring.push(first, BEFORE);
            tags.push(BEFORE);
        }
        Way::Drained => {
            ring.push(zero(), BEFORE);
            tags.push(BEFORE);
            sqe.flags |= IOSQE_IO_DRAIN as u8;
        }
        Way::Limited => sqe.flags |= IOSQE_IO_LINK as u8,
        _ => {}
    }
    ring.push(sqe, TAG);
    if case.way == Way::Limited {
        let limit = io_uring_sqe {
            opcode: IORING_OP_LINK_TIMEOUT as u8,
            addr: side.memory.time(quiet.as_nanos() as u64),
            len: 1,
            ..zero()
        };
        ring.push(limit, LIMIT);
        tags.push(LIMIT);
    }

    let submitted = ring.get().submit();
    let (mut first, mut then) = (Vec::new(), Vec::new());
    // A side that must still come with something gets the time to be late.
    let done = |list: &[Seen]| tags.iter().all(|tag| ended(list, *tag));
    let patience = |all: bool| match expected {
        Some(_) if all => late,
        _ if case.way == Way::Limited => 10 * quiet,
        _ if case.way == Way::Async => 2 * quiet,
        _ => quiet,
    };
    let all = expected.is_some_and(|other| done(&other.first));
    let mut left = false;
    settle(&mut ring, case, &mut first, &tags, patience(all));

    if !done(&first) {
        let cancel = |flags: u32| io_uring_sqe {
            opcode: IORING_OP_ASYNC_CANCEL as u8,
            op_flags: flags | IORING_ASYNC_CANCEL_ALL,
            addr: TAG,
            ..zero()
        };
        let mut duplicate = -1;
        let entry = match case.end {
            End::Fed => {
                object.feed();
                None
            }
            End::HungUp => {
                object.hang_up();
                None
            }
            End::ByData => Some(cancel(0)),
            End::ByFile if fixed => Some(io_uring_sqe {
                fd: 0,
                ..cancel(IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_FD_FIXED)
            }),
            End::ByFile => Some(io_uring_sqe {
                fd: object.fd,
                ..cancel(IORING_ASYNC_CANCEL_FD)
            }),
            End::ByDuplicate => {
                // SAFETY: a descriptor of this test.
                duplicate = unsafe { libc::dup(object.fd) };
                Some(io_uring_sqe {
                    fd: duplicate,
                    ..cancel(IORING_ASYNC_CANCEL_FD)
                })
            }
            End::ByOperation => Some(io_uring_sqe {
                len: u32::from(sqe.opcode),
                ..cancel(IORING_ASYNC_CANCEL_OP)
            }),
            End::ByAny => Some(cancel(IORING_ASYNC_CANCEL_ANY)),
        };
        let mut rest: Vec<u64> = tags
            .iter()
            .copied()
            .filter(|tag| !ended(&first, *tag))
            .collect();
        if let Some(entry) = entry {
            ring.push(entry, CANCEL);
            rest.push(CANCEL);
            ring.get().submit();
        }
        let all = expected.is_some_and(|other| rest.iter().all(|tag| ended(&other.then, *tag)));
        settle(&mut ring, case, &mut then, &rest, patience(all));
        if duplicate >= 0 {
            // SAFETY: made above.
            unsafe { libc::close(duplicate) };
        }
        // Whatever is left must not write into the next case's memory.
        left = !rest.iter().all(|tag| ended(&then, *tag));
        if left {
            ring.push(cancel(IORING_ASYNC_CANCEL_ANY), CANCEL + 1);
            ring.get().submit();
            object.feed();
            settle(
                &mut ring,
                case,
                &mut Vec::new(),
                &[CANCEL + 1, TAG],
                20 * QUIET,
            );
        }
    }
    // Requests of one submission that no link and no drain orders.
    first.sort();
    then.sort();
    if case.work == Work::Close {
        let is_open = |fd| {
            // SAFETY: no memory.
            unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
        };
        if !is_open(object.fd) {
            object.fd = -1;
        }
    }
    Ok(Outcome {
        submitted,
        first,
        then,
        // What was left took of the last bytes what it could before its end.
        state: if left { (0, 0) } else { object.state() },
        bytes: if left || case.kind == Kind::DevUrandom {
            Vec::new()
        } else {
            side.memory.written()
        },
    })
}

fn sides() -> [Side; 2] {
    [("kernel", Choice::Kernel), ("engine", Choice::Userspace)].map(|(name, choice)| {
        let name = format!("anyring-descriptors-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        Side {
            choice,
            folder,
            memory: Memory::new(),
        }
    })
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn chosen(name: &str, value: impl std::fmt::Debug) -> bool {
    std::env::var(name).is_ok_and(|wanted| wanted != format!("{value:?}"))
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for &kind in KINDS {
        for &work in WORKS {
            for way in WAYS {
                for end in ENDS {
                    all.push(Case {
                        kind,
                        work,
                        way,
                        end,
                    });
                }
            }
        }
    }
    all.retain(|case| {
        !chosen("DESCRIPTORS_KIND", case.kind) && !chosen("DESCRIPTORS_WORK", case.work)
    });
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = number("DESCRIPTORS_SEED").unwrap_or(clock.expect("a clock").as_nanos() as u64);
    let count = number("DESCRIPTORS_CASES").map_or(CASES, |count| count as usize);
    let count = if count == 0 {
        all.len()
    } else {
        count.min(all.len())
    };
    println!("DESCRIPTORS_SEED={seed}, {count} of {} cases", all.len());
    let mut random = random::Random::new(seed);
    for at in 0..count {
        let other = at + random.below(all.len() - at);
        all.swap(at, other);
    }
    all.truncate(count);
    all
}

/// Names a case that hangs, and ends the run.
fn watch(current: &'static Mutex<Option<(Case, &'static str, Instant)>>) {
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(STUCK / 10);
            let now = *current.lock().expect("no panic under the lock");
            if let Some((case, side, start)) = now
                && start.elapsed() > STUCK
            {
                println!("{case:?} hangs on the {side}");
                std::process::abort();
            }
        }
    });
}

#[test]
fn the_same_on_every_kind_of_descriptor() {
    let flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    if let Err(error) = rings::ring_on(Choice::Kernel, 8, flags).map(Ring) {
        println!("skipped: io_uring_setup(2) fails with errno {error}: nothing to compare with");
        return;
    }
    let [mut kernel, mut engine] = sides();
    let (mut count, mut refused, mut different) = (0, Vec::new(), 0);
    static CURRENT: Mutex<Option<(Case, &str, Instant)>> = Mutex::new(None);
    let at = |case: &Case, side| {
        *CURRENT.lock().expect("no panic under the lock") = Some((*case, side, Instant::now()));
    };
    watch(&CURRENT);
    let start = Instant::now();
    let bounded = number("DESCRIPTORS_CASES").is_none();
    for case in cases() {
        if bounded && start.elapsed() > TIME {
            break;
        }
        let mut result = None;
        for attempt in 1..=TRIES {
            // Only the last attempt pays for a side that never comes.
            let late = if attempt == TRIES { LATE } else { 10 * QUIET };
            let quiet = QUIET * 3_u32.pow(attempt - 1).min(100);
            at(&case, "kernel");
            let one = match run(&mut kernel, &case, None, quiet, LATE) {
                Ok(one) => one,
                Err(error) => {
                    if !refused.contains(&(case.kind, error)) {
                        refused.push((case.kind, error));
                    }
                    break;
                }
            };
            at(&case, "engine");
            let two =
                run(&mut engine, &case, Some(&one), quiet, late).expect("what the kernel allows");
            let same = one == two;
            result = Some((one, two));
            if same || known::reason(&case).is_some() {
                break;
            }
        }
        let Some((one, two)) = result else { continue };
        count += 1;
        if one != two && known::reason(&case).is_none() {
            different += 1;
            println!(
                "{case:?}:\n    kernel {}\n    engine {}",
                one.brief(),
                two.brief()
            );
        }
    }
    for (kind, error) in refused {
        println!("skipped: {kind:?}: errno {error}");
    }
    println!("{count} cases, {different} differ");
    assert_eq!(different, 0, "the engine differs from the kernel");
}
