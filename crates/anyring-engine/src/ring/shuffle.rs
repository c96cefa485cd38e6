//! Legal disorder: completions that a kernel could show in another order are
//! shown in one, if `ANYRING_ENGINE_SEED` asks for it.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::os::environment::variable;

/// 0: not looked up; 1: none; otherwise the seed.
static SEED: AtomicU64 = AtomicU64::new(0);

/// A source of disorder; without a seed there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shuffle(u64);

impl Shuffle {
    /// From the environment.
    pub(crate) fn from_environment() -> Shuffle {
        Shuffle(seed())
    }

    /// From a seed that is not 0.
    pub(crate) fn new(seed: u64) -> Shuffle {
        Shuffle(seed)
    }

    /// Whether it is on.
    pub(crate) fn is_on(self) -> bool {
        self.0 != 0
    }

    /// A number below `limit` (xorshift64*).
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

/// The seed of `ANYRING_ENGINE_SEED`, 0 without one.
fn seed() -> u64 {
    let seed = match SEED.load(Ordering::Relaxed) {
        0 => {
            let digits = variable(c"ANYRING_ENGINE_SEED").unwrap_or(b"");
            let seed = digits
                .iter()
                .take_while(|digit| digit.is_ascii_digit())
                .fold(0_u64, |seed, digit| {
                    seed.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
                });
            let seed = if seed <= 1 { 1 } else { seed };
            SEED.store(seed, Ordering::Relaxed);
            seed
        }
        seed => seed,
    };
    if seed == 1 { 0 } else { seed }
}
