//! The tags of requests: random, and found by the number of the slot in them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The tag of one request. Its lowest bits are the number of the slot, as many
/// as the table had slots when it was made; all others are random.
///
/// It has no text of any kind: only the kernel may see it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(u64);

impl Token {
    /// A tag that is of no request.
    pub(crate) const NOBODY: Token = Token(u64::MAX - 1);

    #[inline]
    pub(super) fn of(tag: u64) -> Self {
        Token(tag)
    }

    /// As an entry carries it.
    #[inline]
    pub(crate) fn tag(self) -> u64 {
        self.0
    }
}

/// The tokens of a table; a power of two of them. Shared with the list of all
/// tables, which reads while the owner may write.
pub(super) type Board = Box<[AtomicU64]>;

/// Slots of the smallest board.
const FEWEST: u64 = super::FIRST as u64;

/// The token for a slot, from a random number.
#[inline(always)]
pub(super) fn of(number: u64, board: &Board, index: u32) -> Token {
    let mask = (board.len() as u64).wrapping_sub(1);
    Token(number & !mask | u64::from(index))
}

/// The slot that has or had this token.
#[inline(always)]
pub(super) fn find(board: &Board, tag: u64) -> Option<usize> {
    let index = tag as usize & board.len().wrapping_sub(1);
    if board.get(index)?.load(Relaxed) == tag {
        return Some(index);
    }
    find_older(board, tag)
}

/// The same for a token that was made when the board was smaller.
#[cold]
fn find_older(board: &Board, tag: u64) -> Option<usize> {
    let mut bits = board.len() as u64 >> 1;
    while bits >= FEWEST {
        let index = (tag & (bits - 1)) as usize;
        if board[index].load(Relaxed) == tag {
            return Some(index);
        }
        bits >>= 1;
    }
    None
}

/// How many numbers are made with one key.
const REKEY: u32 = 4096;

/// Numbers that cannot be told from random ones without the key: a counter,
/// mixed with four secret words in two multiplications of 64 by 64 bits, with a
/// fresh key from getrandom(2) for every [`REKEY`] of them. No cipher: what is
/// known of the numbers made before must not tell the next one, in the time and
/// with the few numbers that a program can see.
pub(super) struct Nonces {
    key: [u64; 4],
    left: u32,
}

/// Both halves of a product, folded.
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The number for a count.
#[inline(always)]
fn number([a, b, c, d]: &[u64; 4], count: u32) -> u64 {
    let first = mix(a ^ u64::from(count), *b);
    mix(first ^ c, d.wrapping_add(first)) ^ a
}

impl Nonces {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut nonces = Nonces {
            key: [0; 4],
            left: 0,
        };
        nonces.rekey()?;
        Ok(nonces)
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> u64 {
        if self.left == 0 {
            self.refresh();
        }
        self.left -= 1;
        number(&self.key, self.left)
    }

    /// The next numbers, at most `count` and at least one.
    #[inline]
    pub(super) fn next_of(&mut self, count: usize) -> impl Iterator<Item = u64> + use<> {
        if self.left == 0 {
            self.refresh();
        }
        let count = self.left.min(u32::try_from(count).unwrap_or(u32::MAX));
        self.left -= count;
        let (key, first) = (self.key, self.left);
        (first..first + count).map(move |count| number(&key, count))
    }

    #[cold]
    fn refresh(&mut self) {
        if self.rekey().is_err() {
            // Numbers go on without a gap: the old key is as secret as before.
            self.left = u32::MAX;
        }
    }

    fn rekey(&mut self) -> std::io::Result<()> {
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed)?;
        for (word, bytes) in self.key.iter_mut().zip(seed.chunks_exact(8)) {
            *word = bytes
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        // An even factor would lose bits.
        self.key[1] |= 1;
        self.left = REKEY;
        Ok(())
    }
}

/// The boards of all tables of the process.
static BOARDS: Mutex<Vec<(u64, Arc<Board>)>> = Mutex::new(Vec::new());

fn boards() -> MutexGuard<'static, Vec<(u64, Arc<Board>)>> {
    BOARDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the tag is, or was shortly before, that of a request of any table of
/// the process. A program that wants to send such a tag has it from /proc and
/// could only forge a completion with it.
pub(crate) fn names_a_request(tag: u64) -> bool {
    boards().iter().any(|(_, board)| find(board, tag).is_some())
}

/// A table's place in the list of all.
pub(super) struct Listed(u64);

impl Listed {
    pub(super) fn new(board: &Arc<Board>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        boards().push((number, Arc::clone(board)));
        Listed(number)
    }

    /// The table has another board from here on.
    pub(super) fn replace(&self, board: &Arc<Board>) {
        let mut boards = boards();
        if let Some(place) = boards.iter_mut().find(|place| place.0 == self.0) {
            place.1 = Arc::clone(board);
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        boards().retain(|place| place.0 != self.0);
    }
}
