//! The sums of a softmax, of a row in pieces.

use super::exp;

/// One AVX-512 register, two of AVX2, four of SSE.
const LANES: usize = 16;
/// Elements summed in f32 before the sums move to f64.
const BLOCK: usize = 64 * LANES;

/// Σ eˣ of a row x, and for each of `N` other rows y the sum Σ eˣ·(x − y), over all pieces pushed so far.
///
/// From these follow, in nats: ln Σ eˣ; the cross-entropy of an entry; and KL(softmax x ‖ softmax y) =
/// Σ softmax(x)·(x − y) − ln Σ eˣ + ln Σ eʸ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftmaxSums<const N: usize = 0> {
    /// The largest entry so far.
    max: f32,
    /// Σ exp(x − max).
    sum: f64,
    /// Σ exp(x − max)·(x − y).
    differences: [f64; N],
}

impl<const N: usize> Default for SoftmaxSums<N> {
    fn default() -> Self {
        Self {
            max: f32::NEG_INFINITY,
            sum: 0.0,
            differences: [0.0; N],
        }
    }
}

impl<const N: usize> SoftmaxSums<N> {
    /// Adds a piece of the row, with the same piece of each other row.
    ///
    /// # Panics
    /// If one of the others is shorter than `row`.
    pub fn push(&mut self, row: &[f32], others: [&[f32]; N]) {
        vectorised(|| self.push_inline(row, others));
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // compiled for the vectors that `push` chose
    fn push_inline(&mut self, row: &[f32], others: [&[f32]; N]) {
        for start in (0..row.len()).step_by(BLOCK) {
            let block = start..(start + BLOCK).min(row.len());
            self.push_block(
                &row[block.clone()],
                others.map(|other| &other[block.clone()]),
            );
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn push_block(&mut self, row: &[f32], others: [&[f32]; N]) {
        let largest = max(row);
        if largest > self.max {
            let scale = (f64::from(self.max) - f64::from(largest)).exp();
            self.sum *= scale;
            self.differences = self.differences.map(|difference| difference * scale);
            self.max = largest;
        } else if self.max == f32::NEG_INFINITY && !row.iter().any(|x| x.is_nan()) {
            // Nothing but −∞ so far: e to that is nothing, where −∞ + ∞ would not be a number.
            return;
        }
        let (sum, differences) = block_sums(row, self.max, others);
        self.sum += sum;
        for (total, difference) in self.differences.iter_mut().zip(differences) {
            *total += difference;
        }
    }

    /// ln Σ eˣ.
    pub fn log_sum_exp(&self) -> f64 {
        f64::from(self.max) + self.sum.ln()
    }

    /// −log softmax(x) at an entry with this x.
    pub fn cross_entropy(&self, x: f32) -> f64 {
        // The difference first: it keeps the digits that adding a large maximum would cost.
        self.sum.ln() - (f64::from(x) - f64::from(self.max))
    }

    /// KL(softmax x ‖ softmax y), y being the other row of this number, whose own sums are `other`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn kl_divergence<const M: usize>(&self, index: usize, other: &SoftmaxSums<M>) -> f64 {
        let maxima = f64::from(self.max) - f64::from(other.max);
        self.differences[index] / self.sum - (maxima + (self.sum.ln() - other.sum.ln()))
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn max(row: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, x);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, larger)
}

/// Σ e and, per other row, Σ e·(row − other), with e = exp(row − max).
#[inline(always)]
#[allow(clippy::inline_always)]
fn block_sums<const N: usize>(row: &[f32], max: f32, others: [&[f32]; N]) -> (f64, [f64; N]) {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let others = others.map(|other| other[..row.len()].as_chunks::<LANES>());
    let mut sum = [0.0_f32; LANES];
    let mut differences = [[0.0_f32; LANES]; N];
    for (i, chunk) in chunks.iter().enumerate() {
        for lane in 0..LANES {
            let e = exp(chunk[lane] - max);
            sum[lane] += e;
            for (difference, (other, _)) in differences.iter_mut().zip(&others) {
                difference[lane] += e * (chunk[lane] - other[i][lane]);
            }
        }
    }
    for (i, &x) in rest.iter().enumerate() {
        let e = exp(x - max);
        sum[i] += e;
        for (difference, (_, other)) in differences.iter_mut().zip(&others) {
            difference[i] += e * (x - other[i]);
        }
    }
    let total = |lanes: &[f32; LANES]| lanes.iter().map(|&x| f64::from(x)).sum();
    (total(&sum), differences.each_ref().map(total))
}

#[cfg(feature = "cpu")]
use crate::host::vectorised;

/// Without the CPU feature there is nothing to choose by.
#[cfg(not(feature = "cpu"))]
fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    f()
}

#[cfg(test)]
mod tests {
    use super::SoftmaxSums;
    use proptest::prelude::*;

    fn log_softmax(row: &[f32]) -> Vec<f64> {
        let max = row
            .iter()
            .fold(f64::NEG_INFINITY, |max, &x| max.max(f64::from(x)));
        let sum: f64 = row.iter().map(|&x| (f64::from(x) - max).exp()).sum();
        row.iter().map(|&x| f64::from(x) - max - sum.ln()).collect()
    }

    /// The sums of `row`, with one other row, in pieces of this length.
    fn in_pieces(row: &[f32], other: &[f32], piece: usize) -> SoftmaxSums<1> {
        let mut sums = SoftmaxSums::default();
        for (row, other) in row.chunks(piece).zip(other.chunks(piece)) {
            sums.push(row, [other]);
        }
        sums
    }

    fn whole(row: &[f32]) -> SoftmaxSums {
        let mut sums = SoftmaxSums::default();
        sums.push(row, []);
        sums
    }

    proptest! {
        #[test]
        fn equals_the_definition_in_f64_in_any_pieces(
            rows in prop::collection::vec((-30.0f32..30.0, -30.0f32..30.0), 1..3000),
            piece in 1_usize..2000,
        ) {
            let p: Vec<f32> = rows.iter().map(|row| row.0).collect();
            let q: Vec<f32> = rows.iter().map(|row| row.1).collect();
            let target = p.len() / 2;
            let (log_p, log_q) = (log_softmax(&p), log_softmax(&q));

            let sums = in_pieces(&p, &q, piece);
            prop_assert!((sums.cross_entropy(p[target]) + log_p[target]).abs() < 1e-5);
            prop_assert!((sums.log_sum_exp() - (f64::from(p[target]) - log_p[target])).abs() < 1e-5);

            let divergence = sums.kl_divergence(0, &whole(&q));
            let truth: f64 = log_p.iter().zip(&log_q).map(|(p, q)| p.exp() * (p - q)).sum();
            prop_assert!((divergence - truth).abs() < 1e-5 * (1.0 + truth), "{divergence} {truth}");
        }
    }

    #[test]
    fn equal_entries_are_uniform_and_equal_rows_do_not_diverge() {
        let row = vec![3.5_f32; 49_152];
        let sums = in_pieces(&row, &row, 5000);
        assert!((sums.cross_entropy(3.5) - 49_152_f64.ln()).abs() < 1e-12);
        assert!(sums.kl_divergence(0, &whole(&row)).abs() < 1e-12);
    }

    #[test]
    fn not_a_number_is_not_swallowed() {
        let mut row = vec![0.0_f32; 40];
        row[37] = f32::NAN;
        assert!(whole(&row).cross_entropy(0.0).is_nan());
        row[37] = f32::INFINITY;
        assert!(whole(&row).cross_entropy(0.0).is_nan());
    }

    #[test]
    fn entries_that_cannot_be_take_no_part() {
        let mut row = vec![f32::NEG_INFINITY; 5000];
        row[4000] = 1.0;
        row[4500] = 1.0;
        let found = in_pieces(&row, &row, 1000).cross_entropy(1.0);
        assert!((found - 2_f64.ln()).abs() < 1e-12, "{found}");
    }
}
