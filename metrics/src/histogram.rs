//! Exact counts of whole numbers, and their rebinning for plots.

use crate::moments::unbiased_std;
use serde::{Deserialize, Serialize};

/// How often each whole number was seen. For L0 the numbers are bounded by `d_sae`, so the counts are exact and small, and
/// everything a plot needs (any binning, any quantile) follows from them.
///
/// ```
/// use sae_metrics::Histogram;
///
/// let l0: Histogram = [3, 5, 5, 7].into_iter().collect();
/// assert_eq!((l0.mean(), l0.median(), l0.counts()[5]), (5.0, Some(5), 2));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// `counts[v]`: how often `v` was seen. Ends at the largest value seen.
    counts: Vec<u64>,
}

/// Bins of a plot: `counts[i]` values lie in `[edges[i], edges[i + 1])`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bins {
    /// Ascending, one more than there are counts; empty when nothing was counted.
    pub edges: Vec<f64>,
    /// One per bin.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Takes in one value.
    pub fn push(&mut self, value: usize) {
        if value >= self.counts.len() {
            self.counts.resize(value + 1, 0);
        }
        self.counts[value] += 1;
    }

    /// Takes in everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// `counts()[v]` is how often `v` was seen; values beyond the end were never seen.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many values were seen.
    pub fn n(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The mean; NaN when nothing was seen.
    pub fn mean(&self) -> f64 {
        self.power_sum(1) / self.n() as f64
    }

    /// The unbiased standard deviation, as `torch.std` computes it; NaN for fewer than two values.
    pub fn std(&self) -> f64 {
        unbiased_std(self.n() as f64, self.power_sum(1), self.power_sum(2))
    }

    /// The smallest value seen.
    pub fn min(&self) -> Option<usize> {
        self.counts.iter().position(|&count| count > 0)
    }

    /// The largest value seen.
    pub fn max(&self) -> Option<usize> {
        self.counts.iter().rposition(|&count| count > 0)
    }

    /// The smallest value that at least the share `q` of all values does not exceed; `q` is clamped to 0..=1.
    pub fn quantile(&self, q: f64) -> Option<usize> {
        let rank = (q.clamp(0.0, 1.0) * self.n() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        self.counts.iter().position(|&count| {
            seen += count;
            seen >= rank
        })
    }

    /// The lower median.
    pub fn median(&self) -> Option<usize> {
        self.quantile(0.5)
    }

    /// At most `max_bins` bins (at least one) of equal whole width 1, 2, 5, 10, 20, 50, …, over the range of the values seen.
    /// Every value falls in exactly one bin.
    pub fn rebin(&self, max_bins: usize) -> Bins {
        let (Some(min), Some(max)) = (self.min(), self.max()) else {
            return Bins::default();
        };
        let bins_of = |width: usize| max / width - min / width + 1;
        let width = round_widths()
            .find(|&width| bins_of(width) <= max_bins.max(1))
            .unwrap_or(usize::MAX);
        let first = min / width;
        let mut counts = vec![0; bins_of(width)];
        for (value, &count) in self.counts.iter().enumerate().skip(min) {
            counts[value / width - first] += count;
        }
        let edges = (first..=first + counts.len())
            .map(|bin| (bin * width) as f64)
            .collect();
        Bins { edges, counts }
    }

    fn power_sum(&self, power: i32) -> f64 {
        self.counts
            .iter()
            .enumerate()
            .map(|(value, &count)| count as f64 * (value as f64).powi(power))
            .sum()
    }
}

impl Extend<usize> for Histogram {
    fn extend<I: IntoIterator<Item = usize>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

impl FromIterator<usize> for Histogram {
    fn from_iter<I: IntoIterator<Item = usize>>(values: I) -> Self {
        let mut histogram = Self::default();
        histogram.extend(values);
        histogram
    }
}

/// 1, 2, 5, 10, 20, 50, … up to what a `usize` holds.
fn round_widths() -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1usize), |power| power.checked_mul(10))
        .flat_map(|power| [1, 2, 5].map(|step| power.checked_mul(step)))
        .map_while(|width| width)
}

#[cfg(test)]
mod tests {
    use super::Histogram;
    use proptest::prelude::*;

    #[test]
    fn moments_and_quantiles() {
        let histogram: Histogram = [148, 115, 181, 148].into_iter().collect();
        assert!((histogram.mean() - 148.0).abs() < 1e-12);
        assert!(
            (histogram.std() - 726.0_f64.sqrt()).abs() < 1e-12,
            "(33² + 33²) / 3"
        );
        assert_eq!(
            (histogram.min(), histogram.median(), histogram.max()),
            (Some(115), Some(148), Some(181))
        );
        assert_eq!(
            (
                histogram.quantile(0.0),
                histogram.quantile(0.75),
                histogram.quantile(2.0)
            ),
            (Some(115), Some(148), Some(181))
        );
        let nothing = Histogram::default();
        assert!(nothing.mean().is_nan() && nothing.std().is_nan());
        assert_eq!(
            (
                nothing.n(),
                nothing.min(),
                nothing.median(),
                nothing.rebin(10).counts.len()
            ),
            (0, None, None, 0)
        );
    }

    #[test]
    fn bins_have_round_edges() {
        let histogram: Histogram = [3, 4, 9, 23].into_iter().collect();
        let bins = histogram.rebin(5);
        assert_eq!(
            (bins.edges, bins.counts),
            (vec![0.0, 5.0, 10.0, 15.0, 20.0, 25.0], vec![2, 1, 0, 0, 1])
        );
        assert_eq!(
            histogram.rebin(1000).counts.len(),
            21,
            "one bin per value at most"
        );
        assert_eq!(histogram.rebin(0).counts, [4]);
    }

    proptest! {
        #[test]
        fn every_value_is_in_its_bin(values in prop::collection::vec(0usize..20_000, 1..50), max_bins in 1usize..60) {
            let bins = values.iter().copied().collect::<Histogram>().rebin(max_bins);
            prop_assert!(bins.counts.len() <= max_bins);
            prop_assert_eq!(bins.edges.len(), bins.counts.len() + 1);
            for (edges, &count) in bins.edges.windows(2).zip(&bins.counts) {
                let inside = values.iter().filter(|&&v| edges[0] <= v as f64 && (v as f64) < edges[1]).count();
                prop_assert_eq!(inside as u64, count);
            }
            prop_assert_eq!(bins.counts.iter().sum::<u64>(), values.len() as u64);
        }
    }
}
