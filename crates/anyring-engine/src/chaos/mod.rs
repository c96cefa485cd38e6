//! Chaos: legal but unwelcome things, made to happen.
//!
//! `uring chaos` asks for them by `ANYRING_CHAOS` (see [`rules`]). Which request is struck
//! is decided by a seed, the name of the process, the number of the ring and that of the
//! request in it, so that the same program meets the same again; or by a list of
//! decisions that was recorded. Each decision is written to a log. Each distortion is one
//! that io_uring(7) allows; the reason stands at [`Kind`].

mod log;
mod rules;

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering};

use crate::os::environment::variable;
use crate::os::sys;

pub(crate) use rules::{Kind, Mask};
use rules::{Rule, Settings};

/// Whether the environment has been looked at, and what it said.
static SETTINGS: AtomicPtr<Settings> = AtomicPtr::new(ptr::null_mut());
static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);
/// Rings so far.
static RINGS: AtomicU32 = AtomicU32::new(0);

const UNKNOWN: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;

/// What the environment asks for, once for the process.
fn settings() -> Option<&'static Settings> {
    match STATE.load(Ordering::Acquire) {
        OFF => return None,
        ON => {
            // SAFETY: leaked below before the state said so, and never changed.
            return unsafe { SETTINGS.load(Ordering::Acquire).as_ref() };
        }
        _ => {}
    }
    let found = variable(c"ANYRING_CHAOS").and_then(rules::read);
    match found {
        None => STATE.store(OFF, Ordering::Release),
        Some(settings) => {
            // Two threads may come here: both read the same, and one is kept.
            let made = ptr::from_ref(settings).cast_mut();
            let _ = SETTINGS.compare_exchange(
                ptr::null_mut(),
                made,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            STATE.store(ON, Ordering::Release);
        }
    }
    // SAFETY: NULL, or leaked and never changed.
    unsafe { SETTINGS.load(Ordering::Acquire).as_ref() }
}

/// Rings made from now on are struck as a text says, in the form of `ANYRING_CHAOS`; rings
/// count from 1 again. -EINVAL if it cannot be read, -ENOMEM.
///
/// # Errors
/// As above: nothing has changed then.
pub fn begin_chaos(text: &[u8]) -> Result<(), c_int> {
    let mut copy = alloc::vec::Vec::new();
    copy.try_reserve_exact(text.len())
        .map_err(|_| -libc::ENOMEM)?;
    copy.extend_from_slice(text);
    // Rings keep what they were made with, for as long as the process lasts.
    let settings = rules::read(copy.leak()).ok_or(-libc::EINVAL)?;
    RINGS.store(0, Ordering::Relaxed);
    SETTINGS.store(ptr::from_ref(settings).cast_mut(), Ordering::Release);
    STATE.store(ON, Ordering::Release);
    Ok(())
}

/// Rings made from now on are struck as the environment says, as a rule not at all.
pub fn end_chaos() {
    STATE.store(UNKNOWN, Ordering::Release);
    SETTINGS.store(ptr::null_mut(), Ordering::Release);
}

/// What an old kernel would not have; everything is there without chaos.
pub(crate) fn mask() -> &'static Mask {
    settings().map_or(&rules::ALL, |settings| &settings.mask)
}

/// What is known of a request where it may be struck.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) opcode: u8,
    /// The descriptor or index in its entry.
    pub(crate) fd: c_int,
    /// The descriptor of its file, for rules on paths; -1 if it has none.
    pub(crate) file: c_int,
    pub(crate) user_data: u64,
}

/// What is no request: a call of io_uring_enter(2), a ring.
pub(crate) const CALL: Target = Target {
    opcode: u8::MAX,
    fd: -1,
    file: -1,
    user_data: 0,
};

/// What strikes the requests of a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chaos {
    settings: Option<&'static Settings>,
    ring: u32,
}

impl Chaos {
    /// For a new ring, whose making is logged.
    pub(crate) fn new() -> Chaos {
        let settings = settings();
        let ring = match settings {
            None => 0,
            Some(settings) => {
                let ring = RINGS.fetch_add(1, Ordering::Relaxed) + 1;
                log::ring(settings, ring);
                ring
            }
        };
        Chaos { settings, ring }
    }

    pub(crate) fn is_on(self) -> bool {
        self.settings.is_some()
    }

    /// What the kernel that is imitated has.
    pub(crate) fn mask(self) -> &'static Mask {
        self.settings.map_or(&rules::ALL, |settings| &settings.mask)
    }

    /// Whether any rule is of a kind, so that it is worth to find out about a request.
    pub(crate) fn may(self, kind: Kind) -> bool {
        self.settings
            .is_some_and(|settings| settings.decided.is_some() || settings.has(kind))
    }

    /// Whether request or call `number` of this ring is struck in this way, and with
    /// which value.
    pub(crate) fn strikes(self, kind: Kind, number: u64, target: &Target) -> Option<u64> {
        let settings = self.settings?;
        let value = match &settings.decided {
            Some(decided) => decided.find(settings.process, self.ring, kind, number)?,
            None => {
                let rules = settings.rules.iter().enumerate();
                let mut of_kind = rules.filter(|(_, rule)| rule.kind == kind);
                of_kind.find_map(|(at, rule)| self.rolls(settings, at, rule, number, target))?
            }
        };
        log::decision(settings, self.ring, kind, number, value, target);
        Some(value)
    }

    fn rolls(
        self,
        settings: &Settings,
        at: usize,
        rule: &Rule,
        number: u64,
        target: &Target,
    ) -> Option<u64> {
        if !rule.concerns(target) || !rule.is_time(settings.start) {
            return None;
        }
        if rule.nth != 0 && rule.seen.fetch_add(1, Ordering::Relaxed) + 1 != rule.nth {
            return None;
        }
        let mut random = settings.seed ^ u64::from(settings.process);
        for word in [u64::from(self.ring), number, rule.kind as u64, at as u64] {
            random = mixed(random ^ word);
        }
        // Millionths.
        if random % 1_000_000 >= u64::from(rule.probability) {
            return None;
        }
        Some(rule.value(mixed(random)))
    }

    /// A seed for the order of completions; it is drawn once for a ring.
    pub(crate) fn order(self) -> u64 {
        self.strikes(Kind::Order, 0, &CALL).unwrap_or(0)
    }
}

/// A number that shows nothing of the one it is made of (splitmix64).
fn mixed(word: u64) -> u64 {
    let mut word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Nanoseconds since the system started.
fn now() -> u64 {
    sys::now(libc::CLOCK_MONOTONIC)
}
