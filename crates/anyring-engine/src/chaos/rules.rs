//! What `ANYRING_CHAOS` says: words that semicolons part.
//!
//! | word | what |
//! |---|---|
//! | `seed=N` | decides all |
//! | `log=PATH` | where decisions are appended |
//! | `replay=PATH` | decisions to repeat, as the log has them; rules are not looked at then |
//! | `ops=H`, `features=H`, `setup=H`, `sqe=H`, `enter=H`, `register=H` | bits that the kernel to be imitated has, in hexadecimal; all without the word |
//! | `ioprio=OP:H` | bits of `ioprio` that it does not take for an operation |
//! | `KIND` or `KIND,KEY=VALUE,…` | a rule |
//!
//! The keys of rules: `op=N` (several, any of them), `fd=N`, `path=GLOB`, `nth=N` (counted
//! by the process), `p=N` in millionths (default: all), `errno=N`, `us=N` (the longest
//! delay), `from=N` and `to=N` in milliseconds since the first ring. `uring` writes the
//! text and has checked it; here a word that cannot be read is passed over.

use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::AtomicU64;

use super::{Target, now};
use crate::os::sys;

/// What can be made to happen, and why a program has to bear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Completions in another order: only links, drains and requests of one buffer group
    /// order them.
    Order,
    /// A completion shows later: how long an operation takes is nowhere said, and a
    /// timeout only says when it does not end yet.
    Delay,
    /// Fewer bytes than asked for: read(2), write(2), send(2) and recv(2) on streams and
    /// files may move less, and a chain is cut by that.
    Short,
    /// An error that the operation may have.
    Error,
    /// A worker does it (IOSQE_ASYNC): the kernel may hand any request to one.
    Worker,
    /// A multishot request ends, with what it posts (no IORING_CQE_F_MORE): that is how
    /// the kernel ends one whenever it cannot post or go on.
    End,
    /// The notification of a zero-copy send comes later: the peer's acknowledgement is
    /// what it waits for.
    Notification,
    /// io_uring_enter(2) takes fewer entries than it was asked to: it says how many.
    Submit,
    /// A wait ends by EINTR, as by the signal of a profiler or of job control.
    Interrupt,
    /// The SQPOLL thread goes to sleep at once: it may not have run for that long.
    Sleep,
}

const KINDS: [(Kind, &str); 10] = [
    (Kind::Order, "order"),
    (Kind::Delay, "delay"),
    (Kind::Short, "short"),
    (Kind::Error, "error"),
    (Kind::Worker, "worker"),
    (Kind::End, "end"),
    (Kind::Notification, "notification"),
    (Kind::Submit, "submit"),
    (Kind::Interrupt, "interrupt"),
    (Kind::Sleep, "sleep"),
];

impl Kind {
    pub(super) fn name(self) -> &'static str {
        KINDS[self as usize].1
    }

    fn named(name: &[u8]) -> Option<Kind> {
        let found = KINDS.iter().find(|(_, other)| other.as_bytes() == name)?;
        Some(found.0)
    }
}

/// What a kernel has.
#[derive(Clone, Debug)]
pub(crate) struct Mask {
    ops: u128,
    pub(crate) features: u32,
    pub(crate) setup: u32,
    pub(crate) sqe: u32,
    pub(crate) enter: u32,
    register: u64,
    /// Bits of `ioprio` that are refused, by operation.
    ioprio: [u16; 64],
}

/// Everything.
pub(super) static ALL: Mask = Mask {
    ops: u128::MAX,
    features: u32::MAX,
    setup: u32::MAX,
    sqe: u32::MAX,
    enter: u32::MAX,
    register: u64::MAX,
    ioprio: [0; 64],
};

impl Mask {
    pub(crate) fn has_op(&self, opcode: u8) -> bool {
        opcode >= 128 || self.ops >> opcode & 1 != 0
    }

    pub(crate) fn has_register(&self, opcode: u32) -> bool {
        opcode >= 64 || self.register >> opcode & 1 != 0
    }

    pub(crate) fn refuses(&self, opcode: u8, ioprio: u16) -> bool {
        self.ioprio
            .get(usize::from(opcode))
            .is_some_and(|refused| refused & ioprio != 0)
    }
}

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) kind: Kind,
    /// A bit for each operation; all if none was named.
    ops: u128,
    fd: Option<c_int>,
    path: Option<&'static [u8]>,
    /// 0: each.
    pub(super) nth: u64,
    /// Requests so far that it concerns.
    pub(super) seen: AtomicU64,
    /// In millionths.
    pub(super) probability: u32,
    errno: u64,
    micros: u64,
    /// In nanoseconds since the first ring; no end if that is 0.
    from: u64,
    to: u64,
}

impl Rule {
    pub(super) fn concerns(&self, target: &Target) -> bool {
        (target.opcode == u8::MAX || self.ops >> (target.opcode & 127) & 1 != 0)
            && self.fd.is_none_or(|fd| fd == target.fd)
            && self.path.is_none_or(|glob| {
                let mut path = [0; 512];
                sys::path_of(target.file, &mut path).is_some_and(|path| matches(glob, path))
            })
    }

    pub(super) fn is_time(&self, start: u64) -> bool {
        if self.from == 0 && self.to == 0 {
            return true;
        }
        let at = now().saturating_sub(start);
        at >= self.from && (self.to == 0 || at < self.to)
    }

    /// What the decision says, from a random number.
    pub(super) fn value(&self, random: u64) -> u64 {
        match self.kind {
            Kind::Error => self.errno,
            Kind::Delay | Kind::Notification => 1 + random % self.micros.max(1),
            Kind::Short => random % 1_000_000,
            // No seed of the order is 0.
            Kind::Order => random | 1,
            _ => 1,
        }
    }
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while at < text.len() {
        if glob.get(from) == Some(&b'*') {
            star = Some((from, at));
            from += 1;
        } else if glob.get(from) == Some(&text[at]) {
            from += 1;
            at += 1;
        } else if let Some((back, last)) = star {
            star = Some((back, last + 1));
            from = back + 1;
            at = last + 1;
        } else {
            return false;
        }
    }
    glob[from..].iter().all(|byte| *byte == b'*')
}

/// A decision: the process, the ring, what happens, to which request, and the value.
type Decision = (u32, u32, Kind, u64, u64);

/// Decisions to repeat.
#[derive(Debug)]
pub(super) struct Decided(Vec<Decision>);

impl Decided {
    pub(super) fn find(&self, process: u32, ring: u32, kind: Kind, number: u64) -> Option<u64> {
        let wanted = (process, ring, kind, number);
        let at = self
            .0
            .binary_search_by(|one| (one.0, one.1, one.2, one.3).cmp(&wanted))
            .ok()?;
        Some(self.0[at].4)
    }

    fn read(text: &[u8]) -> Option<Decided> {
        let mut decided = Vec::new();
        for line in text.split(|byte| *byte == b'\n') {
            let mut words = line.split(|byte| *byte == b' ').filter(|w| !w.is_empty());
            let mut decision = || -> Option<Decision> {
                Some((
                    hexadecimal(words.next()?)? as u32,
                    decimal(words.next()?)? as u32,
                    Kind::named(words.next()?)?,
                    decimal(words.next()?)?,
                    decimal(words.next()?)?,
                ))
            };
            if let Some(decision) = decision() {
                decided.try_reserve(1).ok()?;
                let place = decided.partition_point(|other| *other < decision);
                decided.insert(place, decision);
            }
        }
        Some(Decided(decided))
    }
}

/// All that was asked for.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) seed: u64,
    /// What the process is known by: a number made of its name.
    pub(super) process: u32,
    pub(super) start: u64,
    pub(super) log: Option<&'static [u8]>,
    pub(super) rules: Vec<Rule>,
    pub(super) decided: Option<Decided>,
    pub(super) mask: Mask,
}

impl Settings {
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.rules.iter().any(|rule| rule.kind == kind)
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    number(digits, 10)?.try_into().ok()
}

fn hexadecimal(digits: &[u8]) -> Option<u128> {
    number(digits, 16)
}

fn number(digits: &[u8], base: u32) -> Option<u128> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u128, |all, digit| {
        let digit = char::from(*digit).to_digit(base)?;
        all.checked_mul(base.into())?.checked_add(digit.into())
    })
}

fn rule(text: &'static [u8]) -> Option<Rule> {
    let mut parts = text.split(|byte| *byte == b',');
    let mut rule = Rule {
        kind: Kind::named(parts.next()?)?,
        ops: 0,
        fd: None,
        path: None,
        nth: 0,
        seen: AtomicU64::new(0),
        probability: 1_000_000,
        errno: 0,
        micros: 0,
        from: 0,
        to: 0,
    };
    for part in parts {
        let at = part.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&part[..at], &part[at + 1..]);
        match key {
            b"op" => rule.ops |= 1 << (decimal(value)? & 127),
            b"fd" => rule.fd = Some(decimal(value)? as c_int),
            b"path" => rule.path = Some(value),
            b"nth" => rule.nth = decimal(value)?,
            b"p" => rule.probability = decimal(value)? as u32,
            b"errno" => rule.errno = decimal(value)?,
            b"us" => rule.micros = decimal(value)?,
            b"from" => rule.from = decimal(value)?.saturating_mul(1_000_000),
            b"to" => rule.to = decimal(value)?.saturating_mul(1_000_000),
            _ => return None,
        }
    }
    if rule.ops == 0 {
        rule.ops = u128::MAX;
    }
    Some(rule)
}

/// The settings of a text, leaked; none without memory.
pub(super) fn read(text: &'static [u8]) -> Option<&'static Settings> {
    let mut settings = Settings {
        seed: 0,
        process: process(),
        start: now(),
        log: None,
        rules: Vec::new(),
        decided: None,
        mask: ALL.clone(),
    };
    for word in text.split(|byte| *byte == b';') {
        let at = word.iter().position(|byte| *byte == b'=');
        let (key, value) = at.map_or((word, &[][..]), |at| (&word[..at], &word[at + 1..]));
        let bits = || hexadecimal(value);
        match key {
            b"seed" => settings.seed = decimal(value)?,
            b"log" => settings.log = Some(value),
            b"replay" => {
                let list = sys::read_file(value)?;
                settings.decided = Some(Decided::read(&list)?);
            }
            b"ops" => settings.mask.ops = bits()?,
            b"features" => settings.mask.features = bits()? as u32,
            b"setup" => settings.mask.setup = bits()? as u32,
            b"sqe" => settings.mask.sqe = bits()? as u32,
            b"enter" => settings.mask.enter = bits()? as u32,
            b"register" => settings.mask.register = bits()? as u64,
            b"ioprio" => {
                let colon = value.iter().position(|byte| *byte == b':')?;
                let op = decimal(&value[..colon])? as usize;
                *settings.mask.ioprio.get_mut(op)? |= hexadecimal(&value[colon + 1..])? as u16;
            }
            _ => {
                if let Some(rule) = rule(word) {
                    settings.rules.try_reserve(1).ok()?;
                    settings.rules.push(rule);
                }
            }
        }
    }
    let mut place = Vec::new();
    place.try_reserve_exact(1).ok()?;
    place.push(settings);
    place.leak().first()
}

/// A number made of the process's name (FNV-1a): the identifier changes from run to run.
fn process() -> u32 {
    let name = sys::read_file(b"/proc/self/comm").unwrap_or_default();
    name.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let fits = [
            ("*", ""),
            ("/tmp/*", "/tmp/a/b"),
            ("*.db", "x.db"),
            ("a*c*e", "abcde"),
            ("abc", "abc"),
        ];
        for (glob, text) in fits {
            assert!(matches(glob.as_bytes(), text.as_bytes()), "{glob} {text}");
        }
        for (glob, text) in [
            ("", "a"),
            ("/tmp/*", "/tm"),
            ("*.db", "x.dbx"),
            ("a*c", "ab"),
        ] {
            assert!(!matches(glob.as_bytes(), text.as_bytes()), "{glob} {text}");
        }
    }

    #[test]
    fn kinds_have_their_names() {
        for (at, (kind, name)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, at);
            assert_eq!(Kind::named(name.as_bytes()), Some(*kind));
        }
    }

    #[test]
    fn texts_are_read() {
        let settings = read(
            b"seed=7;short,op=22,op=23,p=500000;delay,us=20,path=/tmp/*;banana;ops=3;ioprio=13:1",
        )
        .unwrap();
        assert_eq!(settings.seed, 7);
        assert_eq!(settings.rules.len(), 2);
        assert_eq!(settings.rules[0].probability, 500_000);
        let target = |opcode| Target {
            opcode,
            fd: 3,
            file: -1,
            user_data: 0,
        };
        assert!(settings.rules[0].concerns(&target(22)));
        assert!(!settings.rules[0].concerns(&target(24)));
        assert!(settings.mask.has_op(1) && !settings.mask.has_op(2));
        assert!(settings.mask.refuses(13, 1) && !settings.mask.refuses(13, 2));
    }

    #[test]
    fn decisions_are_found() {
        let decided =
            Decided::read(b"ring 00000001 1\n0000000a 2 delay 17 900 opcode=1\nx\n").unwrap();
        assert_eq!(decided.find(10, 2, Kind::Delay, 17), Some(900));
        assert_eq!(decided.find(10, 2, Kind::Short, 17), None);
        assert_eq!(decided.find(10, 1, Kind::Delay, 17), None);
    }
}
