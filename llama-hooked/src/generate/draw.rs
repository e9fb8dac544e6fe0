//! Random numbers, a stream for each row.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A row's random numbers.
#[derive(Debug, Clone)]
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// One of the tokens, by the softmax of their logits.
    ///
    /// # Panics
    /// If there are none.
    pub(super) fn draw(&mut self, candidates: &[(u32, f32)]) -> u32 {
        let most = candidates
            .iter()
            .fold(f32::NEG_INFINITY, |most, &(_, logit)| most.max(logit));
        let weight = |logit: f32| f64::from(logit - most).exp();
        let total: f64 = candidates.iter().map(|&(_, logit)| weight(logit)).sum();
        let mut left = self.uniform() * total;
        for &(id, logit) in candidates {
            left -= weight(logit);
            if left < 0.0 {
                return id;
            }
        }
        // Rounding alone leaves something.
        candidates
            .last()
            .expect("at least one token may be drawn")
            .0
    }

    /// In [0, 1), with 53 bits.
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn tokens_come_as_often_as_they_are_likely() {
        let candidates = [(3, 0.0), (5, 2.0_f32.ln()), (9, 5.0_f32.ln())];
        let mut chance = Chance::new(7, 1);
        let mut counts = [0_u32; 10];
        for _ in 0..16_000 {
            counts[chance.draw(&candidates) as usize] += 1;
        }
        // Four standard deviations.
        for (id, expected) in [(3, 2000.0), (5, 4000.0), (9, 10_000.0_f64)] {
            assert!(
                (f64::from(counts[id]) - expected).abs() < 4.0 * expected.sqrt(),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn streams_differ_and_repeat() {
        let first = |stream| Chance::new(1, stream).uniform().to_bits();
        assert_eq!(first(4), first(4));
        assert_ne!(first(4), first(5));
    }
}
