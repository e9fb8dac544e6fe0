//! Random numbers that are the same on every machine and can be gone on with.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random(ChaCha8Rng);

/// Where a stream has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RandomState {
    seed: u64,
    stream: u64,
    /// In words of 32 bits; no run gets beyond 2⁶⁴ of them.
    place: u64,
}

impl Random {
    /// A stream of its own for each number of `stream`.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    pub(crate) fn state(&self, seed: u64) -> RandomState {
        RandomState {
            seed,
            stream: self.0.get_stream(),
            place: self.0.get_word_pos() as u64,
        }
    }

    pub(crate) fn at(state: RandomState) -> Self {
        let mut random = Self::new(state.seed, state.stream);
        random.0.set_word_pos(u128::from(state.place));
        random
    }

    /// Uniform from 0 up to, but not including, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform below `n`, which must be above 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // Off from uniform by less than n / 2⁶⁴.
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// A permutation of `0..n`.
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..n as u32).collect();
        for i in (1..n).rev() {
            all.swap(i, self.below(i + 1));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_stream_goes_on_from_its_state() {
        let mut random = Random::new(3, 1);
        random.permutation(10);
        let state = random.state(3);
        let next = random.permutation(1000);
        assert_eq!(Random::at(state).permutation(1000), next);
        let mut sorted = next.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1000));
        assert_ne!(Random::new(3, 2).permutation(1000), next);
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let mut random = Random::new(0, 0);
        let mean: f64 = (0..10_000).map(|_| random.unit()).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.02);
        let mut counts = [0; 5];
        (0..10_000).for_each(|_| counts[random.below(5)] += 1);
        assert!(counts.iter().all(|&n| n > 1800), "{counts:?}");
    }
}
