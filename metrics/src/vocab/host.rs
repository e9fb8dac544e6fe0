//! The reduction over the vocabulary in host memory, rows in parallel.

use super::{Runs, TokenLosses};
use burn::tensor::{DType, Tensor};
use fused_ops::softmax::SoftmaxSums;
use rayon::prelude::*;
use std::ops::Range;

/// Vocabulary entries below which a product with the unembedding is inefficient.
const MIN_ENTRIES: usize = 1024;

/// The sums of one token over the part of the vocabulary seen so far.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Of the original logits, with the differences to the reconstructed and the ablated ones.
    original: SoftmaxSums<2>,
    reconstructed: SoftmaxSums,
    /// Empty where all rows are the same one.
    ablated: SoftmaxSums,
    /// The three runs' logits of the next token.
    target: [f32; 3],
}

pub(super) fn losses(
    runs: &Runs,
    targets: &[u32],
    vocab_size: usize,
    max_bytes: usize,
    logits: impl Fn(Tensor<2>, Range<usize>) -> Tensor<2>,
) -> Vec<TokenLosses> {
    let values = max_bytes / size_of::<f32>();
    let least = MIN_ENTRIES.min(vocab_size).max(1);
    // All tokens at once, if the vocabulary can be cut finely enough for that.
    let step = (values / least / 3).clamp(1, targets.len().max(1));
    let entries = (values / (3 * step)).clamp(least, vocab_size.max(1));
    let mut losses = Vec::with_capacity(targets.len());
    for (chunk, targets) in targets.chunks(step).enumerate() {
        let n = targets.len();
        let rows = runs.rows(chunk * step, n);
        let alike = runs.ablated_alike();
        let mut states = vec![State::default(); n];
        let mut ablated_for_all = SoftmaxSums::default();
        for start in (0..vocab_size).step_by(entries) {
            let piece = start..(start + entries).min(vocab_size);
            let width = piece.len();
            let data = logits(rows.clone(), piece.clone())
                .cast(DType::F32)
                .into_data();
            let data: &[f32] = data
                .as_slice()
                .expect("a tensor cast to f32 reads back as f32");
            let row = |row: usize| &data[row * width..][..width];
            if alike {
                ablated_for_all.push(row(2 * n), []);
            }
            let add = |(token, (state, &target)): (usize, (&mut State, &u32))| {
                let (original, reconstructed) = (row(token), row(n + token));
                let ablated = row(if alike { 2 * n } else { 2 * n + token });
                state.original.push(original, [reconstructed, ablated]);
                state.reconstructed.push(reconstructed, []);
                if !alike {
                    state.ablated.push(ablated, []);
                }
                if piece.contains(&(target as usize)) {
                    let at = target as usize - piece.start;
                    state.target = [original[at], reconstructed[at], ablated[at]];
                }
            };
            states
                .par_iter_mut()
                .zip(targets)
                .enumerate()
                .with_min_len(8)
                .for_each(add);
        }
        losses.extend(states.iter().map(|state| {
            let ablated = if alike {
                &ablated_for_all
            } else {
                &state.ablated
            };
            state.losses(ablated)
        }));
    }
    losses
}

impl State {
    fn losses(&self, ablated: &SoftmaxSums) -> TokenLosses {
        let [target_original, target_reconstructed, target_ablated] = self.target;
        TokenLosses {
            ce_original: self.original.cross_entropy(target_original),
            ce_reconstructed: self.reconstructed.cross_entropy(target_reconstructed),
            ce_ablated: ablated.cross_entropy(target_ablated),
            kl_reconstructed: self.original.kl_divergence(0, &self.reconstructed),
            kl_ablated: self.original.kl_divergence(1, ablated),
        }
    }
}
