//! Every operation, register call, setup and enter with odd arguments, one at
//! a time, on the kernel and on the engine: the same results.
//!
//! `SWEEP_OP` sweeps one operation only; `SWEEP_STRIDE` (8) and `SWEEP_OFFSET`
//! (0) choose every so many cases and the first of them: 1 runs all.

#[path = "../support/random.rs"]
mod random;
#[path = "../support/rings.rs"]
mod rings;

mod changes;
mod good;
mod known;
mod registers;
mod setups;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyring::abi::*;
use anyring_engine::Choice;

use changes::{Change, changes};
use world::{Place, Seen, World};

/// Entries of a case.
const TAG: u64 = 1;
const BEFORE: u64 = 10;
const AFTER: u64 = 11;
const CANCEL: u64 = 12;

/// How long a case that waits on both is given to go on.
const MOMENT: Duration = Duration::from_millis(3);
/// Every so many cases are run.
const STRIDE: u32 = 8;
/// How often a case that differs is tried again.
const TRIES: usize = 3;
/// How long one of the two may lag behind.
const PATIENCE: Duration = Duration::from_secs(2);

/// How an entry is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Alone,
    /// Behind a NOP of its chain and before another.
    Chain,
    /// By a worker.
    Async,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    submitted: i32,
    /// Nothing came until all was cancelled.
    waited: bool,
    seen: Vec<Seen>,
}

impl Outcome {
    fn is_done(&self, way: Way) -> bool {
        let ended = |tag| {
            self.seen
                .iter()
                .any(|seen| !seen.second && seen.tag == tag && seen.flags & IORING_CQE_F_MORE == 0)
        };
        ended(TAG) && (way != Way::Chain || ended(BEFORE) && ended(AFTER))
    }

    fn sorted(&self) -> Vec<Seen> {
        let mut all = self.seen.clone();
        all.sort_by_key(|seen| (seen.second, seen.tag));
        // How often a timeout fires depends on when it is looked at.
        let fires = |seen: &Seen| seen.res == -libc::ETIME && seen.flags & IORING_CQE_F_MORE != 0;
        all.dedup_by(|one, two| one == two && fires(one));
        all
    }

    fn equals(&self, other: &Outcome) -> bool {
        (self.submitted, self.waited) == (other.submitted, other.waited)
            && self.sorted() == other.sorted()
    }

    fn brief(&self) -> String {
        let seen: Vec<String> = self
            .sorted()
            .iter()
            .take(8)
            .map(|seen| {
                let ring = if seen.second { "second ring " } else { "" };
                format!("{ring}{}={} ({:#x})", seen.tag, seen.res, seen.flags)
            })
            .collect();
        let waited = if self.waited { " waits" } else { "" };
        format!("{}{waited}: {}", self.submitted, seen.join(", "))
    }
}

struct Case {
    op: u32,
    variant: usize,
    change: Change,
    way: Way,
}

/// Closes what the case opened.
fn tidy(world: &mut World<'_>, sqe: &io_uring_sqe, outcome: &mut Outcome) {
    for seen in &mut outcome.seen {
        let op = u32::from(sqe.opcode);
        if seen.second || seen.tag != TAG || seen.res < 0 || seen.flags & IORING_CQE_F_NOTIF != 0 {
            continue;
        }
        if good::gives_fd(sqe) {
            // SAFETY: a descriptor that nobody else knows.
            unsafe { libc::close(seen.res) };
            seen.res = 0;
        } else if op == IORING_OP_PIPE && sqe.file_index == 0 {
            // SAFETY: two descriptors were written there.
            unsafe {
                let fds = (sqe.addr as *const [i32; 2]).read_unaligned();
                libc::close(fds[0]);
                libc::close(fds[1]);
            }
        } else if op == IORING_OP_CLOSE && sqe.file_index == 0 {
            world.forget(sqe.fd);
        }
    }
}

/// Runs a case on both.
fn run(places: &[Place; 2], case: &Case, setup: u32) -> Option<[Outcome; 2]> {
    let mut worlds = [0, 1].map(|at| World::new(&places[at], setup));
    let mut sqes = Vec::new();
    let mut outcomes = Vec::new();
    for world in &mut worlds {
        world.register_all();
        let mut sqe = match good::good(world, case.op).get(case.variant) {
            Some(sqe) => *sqe,
            None if case.variant == 0 => io_uring_sqe {
                opcode: case.op as u8,
                ..good::empty()
            },
            None => return None,
        };
        case.change.apply(world, &mut sqe);
        let chain = case.way == Way::Chain;
        if chain {
            world.push(BEFORE, |sqe| sqe.flags = IOSQE_IO_LINK as u8);
            sqe.flags ^= IOSQE_IO_LINK as u8;
        }
        if case.way == Way::Async {
            sqe.flags |= IOSQE_ASYNC as u8;
        }
        world.push(TAG, |to| *to = sqe);
        if chain {
            world.push(AFTER, |_| {});
        }
        sqes.push(sqe);
        outcomes.push(Outcome {
            submitted: 0,
            waited: false,
            seen: Vec::new(),
        });
    }
    for (world, outcome) in worlds.iter_mut().zip(&mut outcomes) {
        outcome.submitted = world.ring(0).submit();
    }
    wait(&mut worlds, &mut outcomes, case, false);
    if outcomes.iter().all(|one| !one.is_done(case.way)) {
        for (world, outcome) in worlds.iter_mut().zip(&mut outcomes) {
            // What a wrong entry kept back comes first.
            outcome.waited = true;
            world.push(CANCEL, |sqe| {
                let flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
                anyring::prep::prep_cancel64(sqe, 0, flags as i32);
            });
            world.ring(0).submit();
        }
        wait(&mut worlds, &mut outcomes, case, true);
    }
    for ((world, sqe), outcome) in worlds.iter_mut().zip(&sqes).zip(&mut outcomes) {
        // Notifications, and what was posted along with the last.
        world.collect(&mut outcome.seen);
        tidy(world, sqe, outcome);
    }
    let [one, two] = <[Outcome; 2]>::try_from(outcomes).expect("two");
    Some([one, two])
}

fn wait(worlds: &mut [World<'_>; 2], outcomes: &mut [Outcome], case: &Case, cancelled: bool) {
    let way = case.way;
    // What only a slow disk holds up is waited for.
    let moment = if case.change == Change::Flags(IOSQE_CQE_SKIP_SUCCESS as u8) {
        10 * MOMENT
    } else if matches!(case.change, Change::OpFlags(_)) && good::is_transfer(case.op) {
        PATIENCE
    } else if cancelled || good::may_wait(case.op) {
        MOMENT
    } else {
        PATIENCE
    };
    let start = Instant::now();
    loop {
        for (world, outcome) in worlds.iter_mut().zip(outcomes.iter_mut()) {
            world.collect(&mut outcome.seen);
        }
        let done = [0, 1].map(|at| outcomes[at].is_done(way));
        let patience = match done {
            [true, true] => return,
            // A multishot request goes on, a skipped completion does not come.
            [false, false] if cancelled || outcomes[0].equals(&outcomes[1]) => moment,
            _ => PATIENCE,
        };
        if start.elapsed() > patience {
            return;
        }
        if start.elapsed() > Duration::from_micros(50) {
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

fn base(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("anyring-sweep-{}-{name}", std::process::id()))
}

fn places(name: &str) -> [Place; 2] {
    [("kernel", Choice::Kernel), ("engine", Choice::Userspace)]
        .map(|(kind, choice)| Place::new(choice, &base(name).join(kind)))
}

/// Cases close descriptors by number: one test at a time.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Whether this machine's kernel has rings to compare with.
fn kernel_refuses() -> Option<i32> {
    let flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    let error = rings::ring_on(Choice::Kernel, 8, flags).err()?;
    println!("skipped: io_uring_setup(2) fails with errno {error}: nothing to compare with");
    Some(error)
}

fn sweep(name: &str, ops: impl Iterator<Item = u32>, way: Way) {
    if kernel_refuses().is_some() {
        return;
    }
    let only = variable("SWEEP_OP");
    let _alone = ALONE.lock();
    let (stride, offset) = stride();
    let places = places(name);
    let (mut seen, mut count, mut different) = (0, 0, Vec::new());
    for op in ops.filter(|op| only.is_none_or(|only| only == *op)) {
        let start = Instant::now();
        let first = count;
        let mut variant = 0;
        'variants: loop {
            for change in changes(op) {
                let case = Case {
                    op,
                    variant,
                    change,
                    way,
                };
                seen += 1;
                if seen % stride != offset && change != Change::Nothing {
                    continue;
                }
                // A machine under load is late now and then; a difference stays.
                let mut result = None;
                for _ in 0..TRIES {
                    result = run(&places, &case, IORING_SETUP_SUBMIT_ALL);
                    if result.as_ref().is_none_or(|[one, two]| one.equals(two)) {
                        break;
                    }
                    if known::reason(&case).is_some() {
                        break;
                    }
                }
                let Some([kernel, engine]) = result else {
                    break 'variants;
                };
                count += 1;
                if !kernel.equals(&engine) && known::reason(&case).is_none() {
                    different.push(format!(
                        "op {op} entry {variant} {change:?} {way:?}:\n    kernel {}\n    engine {}",
                        kernel.brief(),
                        engine.brief()
                    ));
                }
            }
            variant += 1;
        }
        if only.is_some() || std::env::var_os("SWEEP_TIMES").is_some() {
            println!("op {op}: {} cases, {:?}", count - first, start.elapsed());
        }
    }
    drop(places);
    let _ = std::fs::remove_dir(base(name));
    for one in &different {
        println!("{one}");
    }
    println!("{count} cases, {} differ", different.len());
    assert!(different.is_empty(), "the engine differs from the kernel");
}

/// Which cases are run: the same each time, unless `SWEEP_OFFSET` says others.
fn stride() -> (u32, u32) {
    let stride = variable("SWEEP_STRIDE").unwrap_or(STRIDE);
    let offset = variable("SWEEP_OFFSET").unwrap_or(0);
    println!("every {stride}. case from {offset}");
    (stride, offset)
}

fn variable(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn operations_alone() {
    sweep("alone", 0..=IORING_OP_LAST, Way::Alone);
}

#[test]
fn operations_in_chains() {
    sweep("chain", 0..=IORING_OP_LAST, Way::Chain);
}

#[test]
fn operations_by_workers() {
    sweep("async", 0..=IORING_OP_LAST, Way::Async);
}

/// Runs every `share`-th of the chosen cases on both; what is not the same is
/// told.
fn compare<C: std::fmt::Debug, R: std::fmt::Debug + PartialEq>(
    name: &str,
    share: u32,
    cases: &[C],
    run: impl Fn(&Place, &C) -> Option<R>,
) {
    if kernel_refuses().is_some() {
        return;
    }
    let _alone = ALONE.lock();
    let (stride, offset) = stride();
    let stride = stride * share;
    let places = places(name);
    let (mut count, mut different) = (0, 0);
    for case in cases.iter().skip(offset as usize).step_by(stride as usize) {
        let Some(kernel) = run(&places[0], case) else {
            continue;
        };
        let engine = run(&places[1], case).expect("the same on both");
        count += 1;
        if kernel != engine {
            different += 1;
            println!("{case:?}: kernel {kernel:?}, engine {engine:?}");
        }
    }
    drop(places);
    let _ = std::fs::remove_dir(base(name));
    println!("{count} cases, {different} differ");
    assert_eq!(different, 0, "the engine differs from the kernel");
}

#[test]
fn register_calls() {
    let calls: Vec<_> = registers::calls()
        .into_iter()
        .filter(|call| !registers::is_known(call))
        .collect();
    compare("register", 5, &calls, registers::run);
}

#[test]
fn ring_setups() {
    compare("setup", 1, &setups::setups(), |place, setup| {
        Some(setups::set_up(place, setup))
    });
}

#[test]
fn enters() {
    compare("enter", 1, &setups::enters(), |place, enter| {
        Some(setups::enter(place, enter))
    });
}
