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
        let mut sums = SoftmaxSums::<0>::default();
        sums.push(logits, []);
        let log_prob = |id: u32| -sums.cross_entropy(logits[id as usize]) as f32;
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
        Self {
            log_prob: log_prob(token),
            top: ids.into_iter().map(|id| (id, log_prob(id))).collect(),
        }
    }
}
