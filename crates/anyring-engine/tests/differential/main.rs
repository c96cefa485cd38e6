//! Random programs of operations, on the kernel and on the engine: the same
//! completions, up to the order that unlinked requests may take, and the same
//! bytes in files, sockets, pipes and memory.
//!
//! `DIFFERENTIAL_SEED` runs one program, `DIFFERENTIAL_SECONDS` sets the time
//! for random ones (20).

#[path = "../support/random.rs"]
mod random;
#[path = "../support/rings.rs"]
mod rings;

mod program;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyring::abi::*;
use anyring_engine::Choice;

use program::{About, Tokens, fill, widen};
use random::Random;
use world::{Seen, World};

/// How long one of the two may lag behind.
const PATIENCE: Duration = Duration::from_secs(3);
const STEPS: usize = 60;

const SETUPS: [u32; 6] = [
    0,
    IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_CQE32 | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
];

const EMPTY: io_uring_sqe = io_uring_sqe {
    opcode: 0,
    flags: 0,
    ioprio: 0,
    fd: 0,
    off: 0,
    addr: 0,
    len: 0,
    op_flags: 0,
    user_data: 0,
    buf_index: 0,
    personality: 0,
    file_index: 0,
    addr3: 0,
    __pad2: [0],
};

/// A request on its way.
#[derive(Clone, Copy, Debug)]
struct Pending {
    about: About,
    chain: u64,
    quiet: bool,
    hard: bool,
    last: bool,
}

struct Pair {
    worlds: [World; 2],
    pending: BTreeMap<u64, Pending>,
    seen: [Vec<Seen>; 2],
    fds: Vec<u64>,
    tag: u64,
    /// This program drains; then it skips no completions, which both refuse.
    drains: bool,
    ending: bool,
    trace: String,
}

impl Pair {
    /// One step: a few chains at the same time.
    fn step(&mut self, random: &mut Random) -> Result<(), String> {
        let idle = self.pending.is_empty();
        let mut busy: Tokens = self.pending.values().fold(0, |all, p| all | p.about.tokens);
        let aims: Vec<_> = self
            .pending
            .iter()
            .map(|(tag, p)| (*tag, p.chain, self.tokens_of(p.chain)))
            .collect();
        // What chains will do once their first request does not wait any more,
        // which may be now.
        let latent = self
            .pending
            .values()
            .filter(|p| !p.about.parks)
            .fold(0, |all, p| all | widen(p.about.tokens));
        let before = widen(busy);
        let mut now: Tokens = 0;
        let mut aimed: Vec<u64> = Vec::new();
        for round in 0..=random.below(3) {
            let ours_first = round == 0;
            let chain = self.tag;
            let length = if random.one_in(2) {
                1
            } else {
                1 + random.below(4)
            };
            let hard = random.one_in(4);
            let drain = self.drains && idle && ours_first && random.one_in(4);
            let mut ours: Tokens = 0;
            for place in 0..length {
                let tag = self.tag;
                self.tag += 1;
                let mut again = random.clone();
                let mut sqes = [EMPTY; 2];
                let memory = self.worlds[0].used();
                let about = fill(&mut self.worlds[0], random, &mut sqes[0], &aims);
                let _ = fill(&mut self.worlds[1], &mut again, &mut sqes[1], &aims);
                let aims_at_own = about.target.is_some();
                let wide = widen(about.tokens);
                // Behind others in a chain a worker of the kernel may wait for it, which
                // is not cancelled as a poll is; and behind a drain all wait.
                let conflict = wide & now != 0
                    || (about.parks && (place != 0 || self.drains))
                    || (!aims_at_own && (about.tokens & busy != 0 || wide & latent != 0))
                    || (aims_at_own && wide & ours != 0)
                    || wide & ours & before != 0
                    || about
                        .target
                        .is_some_and(|(_, chain)| aimed.contains(&chain));
                let mut about = about;
                if conflict {
                    about = About::default();
                    for sqe in &mut sqes {
                        *sqe = EMPTY;
                        anyring::prep::prep_nop(sqe);
                    }
                }
                aimed.extend(about.target.map(|(_, chain)| chain));
                ours |= widen(about.tokens);
                let mut flags = 0;
                if place + 1 < length {
                    flags |= if hard {
                        IOSQE_IO_HARDLINK
                    } else {
                        IOSQE_IO_LINK
                    };
                    // A hard chain whose first one says nothing may be at its end
                    // or not when that one fails after all.
                    let heard = hard && place == 0;
                    if !self.drains && !about.parks && !heard && random.one_in(6) {
                        flags |= IOSQE_CQE_SKIP_SUCCESS;
                    }
                }
                if place == 0 && drain {
                    flags |= IOSQE_IO_DRAIN;
                }
                for (world, sqe) in self.worlds.iter_mut().zip(&mut sqes) {
                    sqe.user_data = tag;
                    sqe.flags |= flags as u8;
                    let slot = world.ring(0).get_sqe().expect("room in the queue");
                    // SAFETY: a fresh entry.
                    unsafe { *slot.as_ptr() = *sqe };
                }
                if about.gives_fd {
                    self.fds.push(tag);
                }
                let sqe = &sqes[0];
                let _ = writeln!(
                    self.trace,
                    "{tag:3}: chain {chain} op {} flags {:#x} fd {} off {:#x} len {} op_flags {:#x} ioprio {:#x} aim {:?} parks {} memory {memory}..{}",
                    sqe.opcode,
                    sqe.flags,
                    sqe.fd,
                    sqe.off,
                    sqe.len,
                    sqe.op_flags,
                    sqe.ioprio,
                    about.target,
                    about.parks,
                    self.worlds[0].used(),
                );
                let quiet = sqe.flags & IOSQE_CQE_SKIP_SUCCESS as u8 != 0;
                let last = place + 1 == length;
                self.pending.insert(
                    tag,
                    Pending {
                        about,
                        chain,
                        quiet,
                        hard,
                        last,
                    },
                );
            }
            now |= ours;
            busy |= ours;
        }
        self.submit()?;
        self.settle()
    }

    fn submit(&mut self) -> Result<(), String> {
        // What a wrong entry stopped is submitted by another call.
        for _ in 0..20 {
            let [one, two] = [0, 1].map(|at| self.worlds[at].ring(0).submit());
            if one != two {
                return Err(format!("submit: {one} on the kernel, {two} on the engine"));
            }
            if one <= 0 || self.worlds[0].ring(0).sq_ready() == 0 {
                return Ok(());
            }
        }
        Err("submission does not come to an end".into())
    }

    /// Waits until both did everything that does not wait for something.
    fn settle(&mut self) -> Result<(), String> {
        let start = Instant::now();
        let mut calm = 0;
        loop {
            let before = self.seen[0].len() + self.seen[1].len();
            for _ in 0..2 {
                for (world, seen) in self.worlds.iter_mut().zip(&mut self.seen) {
                    world.collect(seen, |tag| self.fds.contains(&tag));
                }
            }
            let equal = self.sorted(0) == self.sorted(1);
            let news = before != self.seen[0].len() + self.seen[1].len();
            calm = if news { 0 } else { calm + 1 };
            // What another request woke shows a little later.
            if equal && self.is_settled() && calm >= 3 {
                break;
            }
            if start.elapsed() > PATIENCE {
                return Err(if equal {
                    "neither goes on"
                } else {
                    "completions differ"
                }
                .into());
            }
            if !news {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        self.forget();
        Ok(())
    }

    /// The completions of one world, chains apart but each in its order.
    fn sorted(&self, at: usize) -> Vec<Seen> {
        let mut all = self.seen[at].clone();
        if self.ending {
            // Which of those that end at the same time is gone first is open.
            let aims = |seen: &&mut Seen| {
                let about = self.pending.get(&seen.tag);
                about.is_some_and(|p| p.about.target.is_some())
            };
            all.iter_mut().filter(aims).for_each(|seen| seen.res = 0);
        }
        all.sort_by_key(|seen| {
            let chain = self.pending.get(&seen.tag).map_or(seen.tag, |p| p.chain);
            (seen.ring, chain)
        });
        // Messages of several steps' chains arrive in any order.
        let first = all
            .iter()
            .position(|seen| seen.ring == 1)
            .unwrap_or(all.len());
        all[first..].sort();
        all
    }

    /// What a chain concerns, as a whole.
    fn tokens_of(&self, chain: u64) -> Tokens {
        self.pending
            .values()
            .filter(|p| p.chain == chain)
            .fold(0, |all, p| all | p.about.tokens)
    }

    fn is_done(&self, tag: u64) -> bool {
        self.seen[0]
            .iter()
            .any(|seen| seen.ring == 0 && seen.tag == tag && seen.flags & IORING_CQE_F_MORE == 0)
    }

    /// Whether a chain came to its end: its last request did, or one that posts
    /// only if it fails.
    fn is_over(&self, chain: u64) -> bool {
        self.pending.iter().any(|(tag, p)| {
            p.chain == chain && (p.last || p.quiet && !p.hard) && self.is_done(*tag)
        })
    }

    /// Whether all that goes on waits for something that the program has to do.
    fn is_settled(&self) -> bool {
        let mut stuck = None;
        for (tag, p) in &self.pending {
            if stuck == Some(p.chain) || self.is_done(*tag) || self.is_over(p.chain) {
                continue;
            }
            if p.about.parks {
                stuck = Some(p.chain);
            } else if !p.quiet {
                return false;
            }
        }
        true
    }

    /// Forgets what is finished.
    fn forget(&mut self) {
        let gone: Vec<u64> = self
            .pending
            .iter()
            .filter(|(tag, p)| self.is_done(**tag) || self.is_over(p.chain))
            .map(|(tag, _)| *tag)
            .collect();
        for tag in gone {
            self.pending.remove(&tag);
        }
        self.seen = [Vec::new(), Vec::new()];
    }

    fn contents(&self) -> Result<(), String> {
        let [one, two] = [0, 1].map(|at| self.worlds[at].contents(!self.pending.is_empty()));
        for (a, b) in one.iter().zip(&two) {
            if a != b {
                let at = a.1.iter().zip(&b.1).position(|(a, b)| a != b);
                return Err(format!(
                    "{} and {} differ at {at:?} ({} and {} bytes)",
                    a.0,
                    b.0,
                    a.1.len(),
                    b.1.len()
                ));
            }
        }
        if one.len() != two.len() {
            return Err("not the same files".into());
        }
        Ok(())
    }

    /// Ends what waits.
    fn end(&mut self) -> Result<(), String> {
        self.ending = true;
        for world in &mut self.worlds {
            let slot = world.ring(0).get_sqe().expect("room in the queue");
            // SAFETY: a fresh entry.
            let sqe = unsafe { &mut *slot.as_ptr() };
            anyring::prep::prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY as i32);
            sqe.user_data = self.tag;
        }
        let about = About::default();
        let (chain, quiet, last) = (self.tag, false, true);
        for p in self.pending.values_mut() {
            p.about.parks = false;
        }
        self.pending.insert(
            self.tag,
            Pending {
                about,
                chain,
                quiet,
                hard: false,
                last,
            },
        );
        self.submit()?;
        self.settle()
    }
}

fn run(seed: u64) -> Result<(), (String, String)> {
    let mut random = Random::new(seed);
    let flags = SETUPS[random.below(SETUPS.len())];
    let base = std::env::temp_dir().join(format!("anyring-{}-{seed}", std::process::id()));
    let made = [("kernel", Choice::Kernel), ("engine", Choice::Userspace)]
        .map(|(name, choice)| World::new(choice, flags, &base.join(name)));
    let [Ok(one), Ok(two)] = made else {
        return Err(("a ring cannot be made".into(), String::new()));
    };
    let mut pair = Pair {
        worlds: [one, two],
        pending: BTreeMap::new(),
        seen: [Vec::new(), Vec::new()],
        fds: Vec::new(),
        tag: 1,
        drains: random.one_in(3),
        ending: false,
        trace: format!("setup flags {flags:#x}\n"),
    };
    let mut result = Ok(());
    for _ in 0..STEPS {
        if !pair.worlds.iter().all(World::has_room) {
            break;
        }
        let _ = writeln!(pair.trace, "-- step");
        result = pair.step(&mut random).and_then(|()| pair.contents());
        if result.is_err() {
            break;
        }
    }
    let result = result
        .and_then(|()| pair.end())
        .and_then(|()| pair.contents());
    let result = result.map_err(|error| {
        for (at, name) in ["kernel", "engine"].iter().enumerate() {
            let all: Vec<String> = pair.sorted(at).iter().map(Seen::brief).collect();
            let _ = writeln!(pair.trace, "{name}: {}", all.join(", "));
        }
        (error, std::mem::take(&mut pair.trace))
    });
    // The worlds take their folders with them, and leave this one.
    drop(pair);
    let _ = std::fs::remove_dir(&base);
    result
}

/// Whether this machine's kernel has rings to compare with.
fn kernel_refuses() -> Option<i32> {
    let base = std::env::temp_dir().join(format!("anyring-{}-probe", std::process::id()));
    World::new(Choice::Kernel, SETUPS[5], &base).err()
}

#[test]
fn the_engine_does_what_the_kernel_does() {
    if let Some(error) = kernel_refuses() {
        println!("skipped: io_uring_setup(2) fails with errno {error}: nothing to compare with");
        return;
    }
    let variable = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let one = variable("DIFFERENTIAL_SEED");
    let seconds = variable("DIFFERENTIAL_SECONDS").unwrap_or(20);
    let first = one
        .or(variable("DIFFERENTIAL_FIRST"))
        .unwrap_or(9_157_000_000);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seed = first;
    let most = variable("DIFFERENTIAL_FAILURES").unwrap_or(1);
    let mut failures = 0;
    loop {
        if let Err((error, trace)) = run(seed) {
            failures += 1;
            println!("{error}; again with DIFFERENTIAL_SEED={seed}");
            if failures == most || one.is_some() {
                let tail: Vec<&str> = trace.lines().rev().take(300).collect();
                for line in trace.lines().take(1).chain(tail.into_iter().rev()) {
                    println!("{line}");
                }
                panic!("{error}; again with DIFFERENTIAL_SEED={seed}");
            }
        }
        seed += 1;
        if one.is_some() || Instant::now() > end {
            break;
        }
    }
    assert_eq!(failures, 0, "programs differ");
    println!("{} programs, from seed {first}", seed - first);
}
