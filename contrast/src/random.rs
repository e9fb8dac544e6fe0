//! Seeded draws, the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number below `n`; the bias is below n/2⁶⁴.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Heads or tails, 64 at a time.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Brings a random choice of `n` items, in random order, to the front.
    pub(crate) fn choose<T>(&mut self, items: &mut [T], n: usize) {
        for at in 0..n.min(items.len()) {
            let with = at + self.below(items.len() - at);
            items.swap(at, with);
        }
    }
}
