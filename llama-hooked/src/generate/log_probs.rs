//! How likely tokens are.

use fused_ops::softmax::SoftmaxSums;

/// How likely a token was by the model itself, before any temperature or penalty, and which ones were likeliest.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogProbs {
    /// ln p of the token.
    pub log_prob: f32,
    /// The likeliest tokens, likeliest first, with ln p of each; of equal ones the first.
    pub top: Vec<(u32, f32)>,
}

impl LogProbs {
    /// Of this token, and the likeliest k.
    pub(super) fn new(logits: &[f32], token: u32, k: usize) -> Self {
        let sums = sums(logits);
        Self {
            log_prob: -sums.cross_entropy(logits[token as usize]) as f32,
            top: top(logits, &sums, k),
        }
    }
}

/// The likeliest k tokens by these logits, likeliest first, with ln p of each; of equal ones the first.
pub fn likeliest(logits: &[f32], k: usize) -> Vec<(u32, f32)> {
    top(logits, &sums(logits), k)
}

fn sums(logits: &[f32]) -> SoftmaxSums<0> {
    let mut sums = SoftmaxSums::<0>::default();
    sums.push(logits, []);
    sums
}

fn top(logits: &[f32], sums: &SoftmaxSums<0>, k: usize) -> Vec<(u32, f32)> {
    let k = k.min(logits.len());
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    let order = |a: &u32, b: &u32| {
        logits[*b as usize]
            .total_cmp(&logits[*a as usize])
            .then(a.cmp(b))
    };
    if k > 0 && k < ids.len() {
        ids.select_nth_unstable_by(k - 1, order);
    }
    ids.truncate(k);
    ids.sort_unstable_by(order);
    let log_prob = |id: u32| -sums.cross_entropy(logits[id as usize]) as f32;
    ids.into_iter().map(|id| (id, log_prob(id))).collect()
}

#[cfg(test)]
mod tests {
    use super::{LogProbs, likeliest};

    #[test]
    fn the_likeliest_come_first_and_of_equal_ones_the_first() {
        let logits = [0.0, 1.0, 3.0_f32.ln(), 1.0, -1e9];
        let sum = 1.0 + 2.0 * 1_f64.exp() + 3.0;
        let found = likeliest(&logits, 3);
        let ids: Vec<u32> = found.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [2, 1, 3]);
        let expected = (3.0 / sum).ln();
        assert!((f64::from(found[0].1) - expected).abs() < 1e-6);
        assert_eq!(LogProbs::new(&logits, 4, 3).top, found);
        assert_eq!(likeliest(&logits, 99).len(), 5);
        assert_eq!(likeliest(&logits, 0), []);
    }
}
