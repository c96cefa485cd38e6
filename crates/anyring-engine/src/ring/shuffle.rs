//! Legal disorder: completions that a kernel could show in another order are
//! shown in one, if `ANYRING_ENGINE_SEED` asks for it.

use crate::select;

/// A source of disorder; without a seed there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shuffle(u64);

impl Shuffle {
    /// From the environment.
    pub(crate) fn from_environment() -> Shuffle {
        Shuffle(select::seed())
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
