//! What is left to chance: which texts are drawn, in which order they are trained on, where training begins.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A source of chance. Draws are made in a fixed order, the order of SAEBench's code, so that one that repeats torch's draws gives SAEBench's results.
pub trait Chance {
    /// The numbers below `n` in any order.
    fn permutation(&mut self, n: usize) -> Vec<usize>;

    /// `n` numbers between `-bound` and `bound`.
    fn uniform(&mut self, n: usize, bound: f32) -> Vec<f32>;
}

/// Chance from a seed: the same on every machine.
#[derive(Debug, Clone)]
pub struct Seeded(ChaCha8Rng);

impl Seeded {
    /// From this seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn below(&mut self, n: u64) -> u64 {
        // The high half of a product; the bias of 2⁻³² at most is far below what a sample shows.
        ((u128::from(self.0.next_u64()) * u128::from(n)) >> 64) as u64
    }
}

impl Chance for Seeded {
    fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            let chosen = self.below(last as u64 + 1) as usize;
            order.swap(last, chosen);
        }
        order
    }

    fn uniform(&mut self, n: usize, bound: f32) -> Vec<f32> {
        let mut one = || (self.0.next_u32() >> 8) as f32 / (1_u32 << 24) as f32;
        (0..n).map(|_| (2.0 * one() - 1.0) * bound).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Chance, Seeded};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_permutation_has_each_number_once(seed in any::<u64>(), n in 0..300_usize) {
            let mut found = Seeded::new(seed).permutation(n);
            found.sort_unstable();
            prop_assert_eq!(found, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn permutations_are_permutations_and_depend_on_the_seed() {
        let mut found = Seeded::new(3).permutation(100);
        assert_ne!(found, Seeded::new(4).permutation(100));
        assert_eq!(found, Seeded::new(3).permutation(100));
        found.sort_unstable();
        assert_eq!(found, (0..100).collect::<Vec<_>>());
        assert!(
            Seeded::new(0)
                .uniform(1000, 0.5)
                .iter()
                .all(|x| x.abs() <= 0.5)
        );
    }
}
