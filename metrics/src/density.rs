//! How often does each feature fire?

use crate::histogram::Bins;
use crate::merge::MergeError;
use serde::{Deserialize, Serialize};

/// Width of a bin of the density histogram, in decades.
const DECADES_PER_BIN: f64 = 0.25;

/// In how many tokens, and in how many sequences, each feature was active (≠ 0).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureDensity {
    tokens: u64,
    active_tokens: Vec<u64>,
    active_sequences: Vec<u64>,
}

/// The histogram of log10 density over the features that fired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DensityHistogram {
    /// Features that never fired; their logarithm has no bin.
    pub dead: u64,
    /// Bins a quarter of a decade wide, the last edge 0.
    #[serde(flatten)]
    pub bins: Bins,
}

impl DensityHistogram {
    /// Of any densities, shares between 0 and 1; 0 is dead.
    ///
    /// ```
    /// let histogram = sae_metrics::DensityHistogram::of([0.0, 0.5, 0.9]);
    /// assert_eq!((histogram.dead, &*histogram.bins.counts), (1, [1, 1].as_slice()));
    /// ```
    pub fn of(densities: impl IntoIterator<Item = f64>) -> Self {
        // Bins are counted downwards from density 1: bin k holds the logarithms in (-(k + 1)·w, -k·w].
        let mut downwards: Vec<u64> = Vec::new();
        let mut dead = 0;
        for density in densities {
            if density.is_nan() || density <= 0.0 {
                dead += 1;
                continue;
            }
            let bin = (-density.log10() / DECADES_PER_BIN).floor().max(0.0) as usize;
            if bin >= downwards.len() {
                downwards.resize(bin + 1, 0);
            }
            downwards[bin] += 1;
        }
        let edges = match downwards.len() {
            0 => Vec::new(),
            bins => (0..=bins)
                .rev()
                // Subtracted rather than negated: the last edge is 0, not -0.
                .map(|edge| 0.0 - edge as f64 * DECADES_PER_BIN)
                .collect(),
        };
        downwards.reverse();
        Self {
            dead,
            bins: Bins {
                edges,
                counts: downwards,
            },
        }
    }
}

impl FeatureDensity {
    /// Nothing seen of `d_sae` features.
    pub fn new(d_sae: usize) -> Self {
        Self {
            tokens: 0,
            active_tokens: vec![0; d_sae],
            active_sequences: vec![0; d_sae],
        }
    }

    /// Takes in one sequence: how many of its tokens count, and each active feature with the number of those tokens it is
    /// active in.
    ///
    /// # Panics
    /// If a feature is not below `d_sae`.
    pub fn push_sequence(&mut self, tokens: u64, active: impl IntoIterator<Item = (usize, u64)>) {
        self.tokens += tokens;
        for (feature, count) in active {
            self.active_tokens[feature] += count;
            self.active_sequences[feature] += u64::from(count > 0);
        }
    }

    /// The number of features.
    pub fn d_sae(&self) -> usize {
        self.active_tokens.len()
    }

    /// How many tokens were seen.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// In how many tokens each feature was active.
    pub fn active_tokens(&self) -> &[u64] {
        &self.active_tokens
    }

    /// In how many sequences each feature was active at least once.
    pub fn active_sequences(&self) -> &[u64] {
        &self.active_sequences
    }

    /// `feature_density`: active tokens / tokens, per feature. NaN without tokens.
    pub fn density(&self) -> Vec<f64> {
        let tokens = self.tokens as f64;
        self.active_tokens
            .iter()
            .map(|&active| active as f64 / tokens)
            .collect()
    }

    /// `consistent_activation_heuristic`: active tokens / sequences in which the feature fires. NaN for a feature that is dead.
    pub fn consistent_activation_heuristic(&self) -> Vec<f64> {
        let sequences = self.active_sequences.iter();
        let pairs = self.active_tokens.iter().zip(sequences);
        pairs
            .map(|(&tokens, &sequences)| tokens as f64 / sequences as f64)
            .collect()
    }

    /// The share of features that fired at all.
    pub fn frac_alive(&self) -> f64 {
        self.share(|active| active > 0)
    }

    /// The share of features active in more than 1 % of the tokens.
    pub fn freq_over_1_percent(&self) -> f64 {
        self.share(|active| u128::from(active) * 100 > u128::from(self.tokens))
    }

    /// The share of features active in more than 10 % of the tokens.
    pub fn freq_over_10_percent(&self) -> f64 {
        self.share(|active| u128::from(active) * 10 > u128::from(self.tokens))
    }

    /// The sum of the densities above a threshold, as a share of the sum of all; 0 where nothing fired. SAEBench's
    /// `normalized_freq_over_1_percent` is that of 0.01.
    pub fn normalized_freq_over(&self, threshold: f64) -> f64 {
        let densities = self.density();
        let over = densities.iter().filter(|density| **density > threshold);
        let (over, all): (f64, f64) = (over.sum(), densities.iter().sum());
        if all > 0.0 { over / all } else { 0.0 }
    }

    /// How the densities are spread over the decades.
    pub fn log10_histogram(&self) -> DensityHistogram {
        let active = self.active_tokens.iter();
        DensityHistogram::of(active.map(|&active| active as f64 / self.tokens as f64))
    }

    /// Takes in everything `other` has seen. A sequence must lie whole on one side.
    ///
    /// # Errors
    /// If the two are about different numbers of features; `self` is then unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        MergeError::check(
            "the number of features (d_sae)",
            self.d_sae(),
            other.d_sae(),
        )?;
        self.tokens += other.tokens;
        let add = |mine: &mut Vec<u64>, theirs: &[u64]| {
            mine.iter_mut()
                .zip(theirs)
                .for_each(|(mine, theirs)| *mine += theirs);
        };
        add(&mut self.active_tokens, &other.active_tokens);
        add(&mut self.active_sequences, &other.active_sequences);
        Ok(())
    }

    fn share(&self, holds: impl Fn(u64) -> bool) -> f64 {
        let features = self
            .active_tokens
            .iter()
            .filter(|&&active| holds(active))
            .count();
        features as f64 / self.d_sae() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::FeatureDensity;

    /// 1,000 tokens in two sequences; five features active in 1000, 101, 100, 10 and 0 of them.
    fn density() -> FeatureDensity {
        let mut density = FeatureDensity::new(5);
        density.push_sequence(600, [(0, 600), (1, 101), (2, 60), (3, 10), (4, 0)]);
        density.push_sequence(400, [(0, 400), (2, 40)]);
        density
    }

    #[test]
    fn densities_and_shares() {
        let density = density();
        assert_eq!(density.density(), [1.0, 0.101, 0.1, 0.01, 0.0]);
        assert_eq!(density.active_sequences(), [2, 1, 2, 1, 0]);
        let consistency = density.consistent_activation_heuristic();
        assert_eq!(consistency[..4], [500.0, 101.0, 50.0, 10.0]);
        assert!(consistency[4].is_nan());
        let shares = vec![
            density.frac_alive(),
            density.freq_over_1_percent(),
            density.freq_over_10_percent(),
        ];
        assert_eq!(shares, [0.8, 0.6, 0.4], "exactly 1 % and 10 % are not over");
    }

    #[test]
    fn the_histogram_counts_decades_and_the_dead() {
        let histogram = density().log10_histogram();
        assert_eq!(histogram.dead, 1);
        assert_eq!(
            histogram.bins.edges,
            [
                -2.25, -2.0, -1.75, -1.5, -1.25, -1.0, -0.75, -0.5, -0.25, 0.0
            ]
        );
        assert_eq!(histogram.bins.counts, [1, 0, 0, 0, 1, 1, 0, 0, 1]);
        let dead = FeatureDensity::new(3).log10_histogram();
        assert_eq!(
            (dead.dead, dead.bins.edges.len(), dead.bins.counts.len()),
            (3, 0, 0)
        );
    }
}
