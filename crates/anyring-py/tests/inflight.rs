//! The table of requests in flight against a model of it: random programs of
//! requests, completions, forged completions and ends. The table knows no Python,
//! so its source is compiled here without an interpreter.
#![allow(dead_code, reason = "the module uses all of it")]

#[path = "../src"]
mod source {
    pub(crate) mod inflight;
}

use std::collections::{HashMap, HashSet};

use anyring_abi::{IORING_CQE_F_MORE as MORE, IORING_CQE_F_NOTIF as NOTIF};
use proptest::prelude::*;
use source::inflight::{Expect, Found, Key, LIMIT, Refused, Table, Token, names_a_request};

/// What a request is known by in the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Itself(u32),
    Share(u32, u32),
}

/// What a request may have next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// A completion without flags.
    Last,
    /// Any number with MORE, then one without.
    MoreOrLast,
    /// One with MORE, then a notification; or one without.
    ZeroCopy,
    Notification,
    /// None, or one without flags.
    Failure,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Never,
    Goes(Next),
    Ends,
}

/// The completions of io_uring(7), written down case by case.
fn outcome(next: Next, flags: u32) -> Outcome {
    let (more, notification) = (flags & MORE != 0, flags & NOTIF != 0);
    match (next, more, notification) {
        (Next::Notification, false, true) => Outcome::Ends,
        (Next::Notification, ..) | (_, _, true) => Outcome::Never,
        (_, false, false) => Outcome::Ends,
        (Next::MoreOrLast, true, false) => Outcome::Goes(Next::MoreOrLast),
        (Next::ZeroCopy, true, false) => Outcome::Goes(Next::Notification),
        (Next::Last | Next::Failure, true, false) => Outcome::Never,
    }
}

fn first(expect: Expect) -> Next {
    match expect {
        Expect::Once => Next::Last,
        Expect::Many => Next::MoreOrLast,
        Expect::ZeroCopy => Next::ZeroCopy,
        Expect::Silence => Next::Failure,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(Expect),
    Share,
    Part(usize, Expect),
    Parts(usize, Expect, usize),
    Complete(usize, u32),
    /// A tag of a request that has ended.
    Late(usize, u32),
    /// A tag of a request in flight with another bit.
    Forged(usize, u32, u32),
    /// A number that is no tag.
    Foreign(u64, u32),
    TakeBack(usize),
    Settle,
    Unshare(usize),
    Reserve(usize),
    EndAll,
}

fn expects() -> impl Strategy<Value = Expect> {
    prop_oneof![
        4 => Just(Expect::Once),
        2 => Just(Expect::Many),
        2 => Just(Expect::ZeroCopy),
    ]
}

fn flags() -> impl Strategy<Value = u32> {
    prop_oneof![
        5 => Just(0),
        3 => Just(MORE),
        2 => Just(NOTIF),
        1 => Just(MORE | NOTIF),
        2 => any::<u32>(),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let any = any::<usize>;
    prop_oneof![
        6 => prop_oneof![4 => expects(), 1 => Just(Expect::Silence)].prop_map(Step::Add),
        2 => Just(Step::Share),
        4 => (any(), expects()).prop_map(|(share, expect)| Step::Part(share, expect)),
        2 => (any(), expects(), 0..200usize)
            .prop_map(|(share, expect, count)| Step::Parts(share, expect, count)),
        12 => (any(), flags()).prop_map(|(which, flags)| Step::Complete(which, flags)),
        3 => (any(), flags()).prop_map(|(which, flags)| Step::Late(which, flags)),
        3 => (any(), 0..64u32, flags()).prop_map(|(which, bit, flags)| Step::Forged(which, bit, flags)),
        1 => (proptest::num::u64::ANY, flags()).prop_map(|(tag, flags)| Step::Foreign(tag, flags)),
        1 => any().prop_map(Step::TakeBack),
        1 => Just(Step::Settle),
        1 => any().prop_map(Step::Unshare),
        1 => (0..300usize).prop_map(Step::Reserve),
        1 => Just(Step::EndAll),
    ]
}

struct Pair {
    table: Table<u32, u32>,
    /// Requests in flight by their tags, in the order of their start.
    live: Vec<(u64, Of, Next)>,
    shares: Vec<(u32, Key)>,
    ended: Vec<u64>,
    made: HashSet<u64>,
    ignored: u64,
    count: u32,
}

impl Pair {
    fn new() -> Self {
        Pair {
            table: Table::new().expect("a table"),
            live: Vec::new(),
            shares: Vec::new(),
            ended: Vec::new(),
            made: HashSet::new(),
            ignored: 0,
            count: 0,
        }
    }

    fn name(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    fn note(&mut self, tag: u64, of: Of, expect: Expect) {
        assert!(self.made.insert(tag), "no two requests have one tag");
        self.live.push((tag, of, first(expect)));
    }

    fn has_parts(&self, share: u32) -> usize {
        let of = |of: &Of| matches!(of, Of::Share(number, _) if *number == share);
        self.live.iter().filter(|one| of(&one.1)).count()
    }

    /// The short ways, in half of all cases: they end what they are for, and
    /// change nothing otherwise.
    fn end(&mut self, tag: u64, flags: u32) -> Option<Of> {
        if self.made.len() % 2 == 0 {
            return None;
        }
        if let Some(name) = self.table.end_alone(tag, flags) {
            return Some(Of::Itself(*name));
        }
        let (share, place) = self.table.end_part(tag, flags)?;
        Some(Of::Share(*share, place))
    }

    fn complete_fully(&mut self, tag: u64, flags: u32) -> Option<(Outcome, Option<(Of, bool)>)> {
        match self.table.complete(tag, flags) {
            Found::Stranger => None,
            Found::Ignored => Some((Outcome::Never, None)),
            Found::More(name) => {
                Some((Outcome::Goes(Next::Last), Some((Of::Itself(*name), false))))
            }
            Found::Last(name) => Some((Outcome::Ends, Some((Of::Itself(*name), false)))),
            // Whether the request goes on is not said.
            Found::Part(share, place) => Some((
                Outcome::Goes(Next::Last),
                Some((Of::Share(*share, place), false)),
            )),
            Found::LastPart(share, place) => {
                Some((Outcome::Ends, Some((Of::Share(share, place), true))))
            }
        }
    }

    fn complete(&mut self, tag: u64, flags: u32) {
        let found = match self.end(tag, flags) {
            Some(of) => Some((Outcome::Ends, Some((of, false)))),
            None => self.complete_fully(tag, flags),
        };
        let place = self.live.iter().position(|one| one.0 == tag);
        let Some(place) = place else {
            match found {
                None => {}
                Some((Outcome::Never, None)) => self.ignored += 1,
                other => panic!("a completion of no request was taken: {other:?}"),
            }
            return;
        };
        let (_, of, next) = self.live[place];
        let (outcome, found) = (outcome(next, flags), found.expect("its tag is known"));
        match outcome {
            Outcome::Never => {
                assert_eq!(found, (Outcome::Never, None));
                self.ignored += 1;
                return;
            }
            Outcome::Goes(next) => {
                assert_eq!(found.1, Some((of, false)));
                assert_ne!(found.0, Outcome::Ends);
                self.live[place].2 = next;
                return;
            }
            Outcome::Ends => {}
        }
        self.live.remove(place);
        self.ended.push(tag);
        match of {
            Of::Itself(_) => assert_eq!(found, (Outcome::Ends, Some((of, false)))),
            Of::Share(share, _) => {
                let last = self.has_parts(share) == 0;
                assert_eq!(found.1, Some((of, last)));
                if last {
                    self.shares.retain(|one| one.0 != share);
                }
            }
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Add(expect) => {
                let name = self.name();
                let token = self.table.add(expect, name).expect("room");
                self.note(token.tag(), Of::Itself(name), expect);
            }
            Step::Share => {
                let name = self.name();
                let key = self.table.share(name).expect("room");
                self.shares.push((name, key));
            }
            Step::Part(which, expect) if !self.shares.is_empty() => {
                let (share, key) = self.shares[which % self.shares.len()];
                let place = self.name();
                let token = self.table.add_part(expect, key, place).expect("room");
                self.note(token.tag(), Of::Share(share, place), expect);
            }
            Step::Parts(which, expect, count) if !self.shares.is_empty() => {
                let (share, key) = self.shares[which % self.shares.len()];
                let mut tags = vec![0; count];
                self.table
                    .add_parts(expect, key, tags.iter_mut())
                    .expect("room");
                for (place, tag) in (0..).zip(tags) {
                    self.note(tag, Of::Share(share, place), expect);
                }
            }
            Step::Complete(which, flags) if !self.live.is_empty() => {
                self.complete(self.live[which % self.live.len()].0, flags);
            }
            Step::Late(which, flags) if !self.ended.is_empty() => {
                self.complete(self.ended[which % self.ended.len()], flags);
            }
            Step::Forged(which, bit, flags) if !self.live.is_empty() => {
                self.complete(self.live[which % self.live.len()].0 ^ 1 << bit, flags);
            }
            Step::Foreign(tag, flags) => self.complete(tag, flags),
            Step::TakeBack(which) if !self.live.is_empty() => {
                let (tag, of, _) = self.live[which % self.live.len()];
                let Of::Itself(name) = of else {
                    assert_eq!(self.table.request(tag), None);
                    assert!(self.table.share_of(tag).is_some());
                    return;
                };
                assert_eq!(self.table.request(tag).copied(), Some(name));
                let token = self.table.tokens(|one| *one == name).next().expect("one");
                assert_eq!(token.tag(), tag);
                assert_eq!(self.table.take_back(token), Some(name));
                self.live.retain(|one| one.0 != tag);
                self.ended.push(tag);
            }
            Step::Settle => {
                let silent = self.live.iter().position(|one| one.2 == Next::Failure);
                assert_eq!(self.table.has_silent(), silent.is_some());
                let oldest = silent.map(|place| self.live.remove(place));
                let name = oldest.map(|(tag, of, _)| {
                    self.ended.push(tag);
                    of
                });
                assert_eq!(self.table.settle().map(Of::Itself), name);
            }
            Step::Unshare(which) if !self.shares.is_empty() => {
                let (share, key) = self.shares.swap_remove(which % self.shares.len());
                let tags: HashSet<u64> = self.table.parts(key).map(Token::tag).collect();
                assert_eq!(tags.len(), self.has_parts(share));
                assert_eq!(self.table.unshare(key), Some(share));
                assert_eq!(self.table.unshare(key), None);
                self.live.retain(|one| !tags.contains(&one.0));
                self.ended.extend(tags);
            }
            Step::Reserve(count) => assert_eq!(self.table.reserve(count), Ok(())),
            Step::EndAll => {
                let mut ended = HashMap::new();
                let (mut own, mut shared) = (HashSet::new(), HashSet::new());
                self.table.end_all(
                    |one| assert!(own.insert(one)),
                    |one| assert!(shared.insert(one)),
                );
                for (tag, of, _) in self.live.drain(..) {
                    ended.insert(tag, of);
                    if let Of::Itself(name) = of {
                        assert!(own.remove(&name));
                    }
                }
                assert!(own.is_empty());
                let all: HashSet<u32> = self.shares.drain(..).map(|one| one.0).collect();
                assert_eq!(shared, all);
                self.ended.extend(ended.keys());
            }
            _ => {}
        }
        assert_eq!(self.table.live(), self.live.len());
        assert_eq!(self.table.live_shares(), self.shares.len());
        assert_eq!(self.table.ignored(), self.ignored);
        for (share, key) in &self.shares {
            let left = self.has_parts(*share) as u32;
            let found = self.table.shared(*key).map(|(one, left)| (*one, left));
            assert_eq!(found, Some((*share, left)));
        }
    }
}

proptest! {
    #[test]
    fn table_is_its_model(program in prop::collection::vec(steps(), 1..200)) {
        let mut pair = Pair::new();
        for step in program {
            pair.run(step);
        }
        for (tag, ..) in &pair.live {
            prop_assert!(names_a_request(*tag));
        }
        let live: Vec<u64> = pair.live.iter().map(|one| one.0).collect();
        drop(pair);
        prop_assert!(!live.into_iter().any(names_a_request));
    }
}

/// What is known of many tags says nothing of the bits of the next: each bit
/// above the number of the slot, and each difference between two tags that
/// follow one another, is as often set as not.
#[test]
fn tags_are_random() {
    const COUNT: usize = 20_000;
    let mut table: Table<u32, u32> = Table::new().expect("a table");
    let mut tags = Vec::new();
    for _ in 0..COUNT {
        let token = table.add(Expect::Once, 0).expect("room");
        tags.push(token.tag());
        assert!(matches!(table.complete(token.tag(), 0), Found::Last(_)));
    }
    // One slot, one table size: six bits are the number.
    let distinct: HashSet<u64> = tags.iter().copied().collect();
    assert_eq!(distinct.len(), COUNT);
    let differences: Vec<u64> = tags.windows(2).map(|two| two[0] ^ two[1]).collect();
    for words in [&tags, &differences] {
        for bit in 6..64 {
            let set = words.iter().filter(|word| *word >> bit & 1 != 0).count();
            // Eight standard deviations.
            assert!(set.abs_diff(COUNT / 2) < 566, "bit {bit}: {set} of {COUNT}");
        }
    }
    // Two tables share nothing.
    let mut other: Table<u32, u32> = Table::new().expect("a table");
    let token = other.add(Expect::Once, 0).expect("room");
    assert!(!distinct.contains(&token.tag()));
}

/// A token that was made before the table grew is still its request's.
#[test]
fn tokens_outlive_growth() {
    let mut table: Table<u32, u32> = Table::new().expect("a table");
    let tokens: Vec<Token> = (0..5000)
        .map(|name| table.add(Expect::Once, name).expect("room"))
        .collect();
    for (name, token) in (0..5000).zip(&tokens).rev() {
        assert!(names_a_request(token.tag()));
        assert!(matches!(table.complete(token.tag(), 0), Found::Last(found) if *found == name));
        assert!(matches!(table.complete(token.tag(), 0), Found::Ignored));
    }
    assert_eq!(table.live(), 0);
    assert_eq!(table.reserve(LIMIT + 1), Err(Refused::Full));
}
