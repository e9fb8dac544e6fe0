//! Softmax statistics of one row of logits in host memory.
//!
//! The loops run over fixed-width lanes, which the compiler turns into vector code, and the lanes are flushed into f64 every
//! [`BLOCK`] elements, which keeps the sums' relative error near 1e-7 whatever the vocabulary.

use super::exp::exp_nonpositive;

/// One AVX-512 register, two of AVX2, four of SSE.
const LANES: usize = 16;
/// Elements summed in f32 before the sums move to f64.
const BLOCK: usize = 64 * LANES;

/// ln Σ exp of a row, in the two parts that keep its digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogSumExp {
    max: f32,
    /// ln Σ exp(x − max).
    rest: f64,
}

impl LogSumExp {
    pub(super) fn of(row: &[f32]) -> Self {
        let max = max(row);
        let (sum, []) = sums(row, max, []);
        Self {
            max,
            rest: sum.ln(),
        }
    }

    /// −log softmax at the entry with this logit.
    pub(super) fn cross_entropy(self, logit: f32) -> f64 {
        self.rest - (f64::from(logit) - f64::from(self.max))
    }

    fn minus(self, other: Self) -> f64 {
        (f64::from(self.max) - f64::from(other.max)) + (self.rest - other.rest)
    }
}

/// The log-sum-exp of `original`, and for each variant `Σ_v p_v (original_v − variant_v)`, p = softmax(original).
pub(super) fn expected_differences<const N: usize>(
    original: &[f32],
    variants: [&[f32]; N],
) -> (LogSumExp, [f64; N]) {
    let max = max(original);
    let (sum, differences) = sums(original, max, variants);
    let lse = LogSumExp {
        max,
        rest: sum.ln(),
    };
    (lse, differences.map(|difference| difference / sum))
}

/// KL(original ‖ variant) = `Σ_v p_v (original_v − variant_v)` − lse(original) + lse(variant).
pub(super) fn kl(expected_difference: f64, original: LogSumExp, variant: LogSumExp) -> f64 {
    expected_difference - original.minus(variant)
}

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
fn sums<const N: usize>(row: &[f32], max: f32, others: [&[f32]; N]) -> (f64, [f64; N]) {
    let mut total = 0.0;
    let mut differences = [0.0; N];
    for start in (0..row.len()).step_by(BLOCK) {
        let block = start..(start + BLOCK).min(row.len());
        let (sum, partial) = block_sums(
            &row[block.clone()],
            max,
            others.map(|other| &other[block.clone()]),
        );
        total += sum;
        for (difference, partial) in differences.iter_mut().zip(partial) {
            *difference += partial;
        }
    }
    (total, differences)
}

fn block_sums<const N: usize>(row: &[f32], max: f32, others: [&[f32]; N]) -> (f64, [f64; N]) {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let others = others.map(|other| other[..row.len()].as_chunks::<LANES>());
    let mut sum = [0.0_f32; LANES];
    let mut differences = [[0.0_f32; LANES]; N];
    for (i, chunk) in chunks.iter().enumerate() {
        for lane in 0..LANES {
            let e = exp_nonpositive(chunk[lane] - max);
            sum[lane] += e;
            for (difference, (other, _)) in differences.iter_mut().zip(&others) {
                difference[lane] += e * (chunk[lane] - other[i][lane]);
            }
        }
    }
    for (i, &x) in rest.iter().enumerate() {
        let e = exp_nonpositive(x - max);
        sum[i] += e;
        for (difference, (_, other)) in differences.iter_mut().zip(&others) {
            difference[i] += e * (x - other[i]);
        }
    }
    let total = |lanes: &[f32; LANES]| lanes.iter().map(|&x| f64::from(x)).sum();
    (total(&sum), differences.each_ref().map(total))
}

#[cfg(test)]
mod tests {
    use super::{LogSumExp, expected_differences, kl};
    use proptest::prelude::*;

    fn log_softmax(row: &[f32]) -> Vec<f64> {
        let max = row
            .iter()
            .fold(f64::NEG_INFINITY, |max, &x| max.max(f64::from(x)));
        let lse = max
            + row
                .iter()
                .map(|&x| (f64::from(x) - max).exp())
                .sum::<f64>()
                .ln();
        row.iter().map(|&x| f64::from(x) - lse).collect()
    }

    proptest! {
        #[test]
        fn equals_the_definition_in_f64(rows in prop::collection::vec((-30.0f32..30.0, -30.0f32..30.0), 1..3000)) {
            let p: Vec<f32> = rows.iter().map(|row| row.0).collect();
            let q: Vec<f32> = rows.iter().map(|row| row.1).collect();
            let target = p.len() / 2;
            let (log_p, log_q) = (log_softmax(&p), log_softmax(&q));

            let (lse, [difference]) = expected_differences(&p, [&q]);
            let entropy = lse.cross_entropy(p[target]);
            prop_assert!((entropy + log_p[target]).abs() < 1e-5);

            let divergence = kl(difference, lse, LogSumExp::of(&q));
            let truth: f64 = log_p.iter().zip(&log_q).map(|(p, q)| p.exp() * (p - q)).sum();
            prop_assert!((divergence - truth).abs() < 1e-5 * (1.0 + truth), "{divergence} {truth}");
        }
    }

    #[test]
    fn equal_logits_are_uniform_and_equal_rows_do_not_diverge() {
        let row = vec![3.5_f32; 49_152];
        let (lse, [difference]) = expected_differences(&row, [&row]);
        assert!((lse.cross_entropy(3.5) - 49_152_f64.ln()).abs() < 1e-12);
        assert!(kl(difference, lse, lse).abs() < 1e-12);
    }

    #[test]
    fn a_nan_logit_is_not_swallowed() {
        let mut row = vec![0.0_f32; 40];
        row[37] = f32::NAN;
        assert!(LogSumExp::of(&row).cross_entropy(0.0).is_nan());
        row[37] = f32::INFINITY;
        assert!(LogSumExp::of(&row).cross_entropy(0.0).is_nan());
    }
}
